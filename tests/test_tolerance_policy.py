"""What may be put up with, and where: presets, names, scopes, and one tolerance for each station."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ocpp_sansio import (
    FIELD,
    STRICT,
    WARN_ONLY,
    CallReceived,
    CentralSystem,
    CentralSystemConnection,
    CentralSystemSession,
    ChargePointConnection,
    ConnectionOpened,
    ConnectionRequested,
    ErrorCode,
    HostedConnection,
    LocalProtocolError,
    PeerMisbehaved,
    Repair,
    Tolerance,
    Version,
    numbered_ids,
    v16,
)
from ocpp_sansio.codec import PayloadError, codec_of
from ocpp_sansio.messages import Action, FromChargePoint, Response
from ocpp_sansio.tolerance import Rule, read_payload

ENUM, FIELDS = Repair.UNKNOWN_ENUM, Repair.UNKNOWN_FIELD


def test_a_tolerance_is_a_value():
    one = Tolerance(["unknown-enum", Repair.UNKNOWN_FIELD])
    assert (
        one == Tolerance((Repair.UNKNOWN_FIELD, "unknown-enum")) == Tolerance([Rule(frozenset({ENUM, FIELDS}), True)])
    )
    assert hash(one) == hash(Tolerance(["unknown-field", "unknown-enum"]))
    assert one != Tolerance(["unknown-enum"])
    assert Tolerance() == Tolerance([]) == STRICT
    assert bool(one)
    assert not STRICT
    assert not Tolerance().forbidding("unknown-enum")


def test_names_that_there_are_not_are_told_with_those_that_there_are():
    for wrong in (
        lambda: Tolerance(["skip-validation"]),
        lambda: Tolerance.of(["skip-validation"]),
        lambda: Tolerance.parse("field,skip-validation"),
        lambda: FIELD.allowing("skip-validation"),
        lambda: FIELD.forbidding("skip-validation"),
        lambda: CentralSystem(tolerance=["skip-validation"]),
        lambda: CentralSystemSession("1.6", message_ids=numbered_ids("m"), tolerance=["skip-validation"]),
    ):
        with pytest.raises(ValueError, match=r"'skip-validation' is n.+ repair; there are .*control-char.*wrong-type"):
            wrong()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Tolerance.parse("fieldd"), "'fieldd' is neither a preset nor a repair; did you mean 'field'?"),
        (
            lambda: Tolerance.parse("x"),
            "'x' is neither a preset nor a repair; there are strict, field, warn-only, cont",
        ),
        (lambda: Tolerance.parse(""), "'' is neither a preset nor a repair; there are strict"),
        (lambda: Tolerance(["unknown_enum"]), "'unknown_enum' is no repair; did you mean 'unknown-enum'?"),
        (lambda: Tolerance(["field"]), "'field' is no repair, but Tolerance.parse takes it"),
        (lambda: Tolerance([5]), "5 is no repair; there are control-characters, "),
    ],
)
def test_what_may_have_been_meant_is_said(wrong: Any, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as raised:
        wrong()
    assert "\n" not in str(raised.value)
    with pytest.raises(TypeError, match=r"Tolerance\.parse"):
        Tolerance("field")


def test_a_command_line_has_presets_and_names():
    assert Tolerance.parse("strict") == STRICT
    assert Tolerance.parse("field") == Tolerance.of("field") == Tolerance.of(FIELD) == FIELD
    assert Tolerance.parse("warn-only") == WARN_ONLY == Tolerance(Repair) == Tolerance.of(Repair)
    both = Tolerance.parse("unknown-enum, unknown-field")
    assert [repair for repair in Repair if both.allows(repair)] == [ENUM, FIELDS]
    assert Tolerance.parse("field,wrong-type").allows(Repair.WRONG_TYPE)


def test_the_presets():
    in_field = {repair for repair in Repair if FIELD.allows(repair, half="response")}
    assert set(Repair) - in_field == {Repair.MISSING_PROPERTY, Repair.WRONG_TYPE}
    assert in_field - {repair for repair in Repair if FIELD.allows(repair)} == {Repair.UNCLOSED_JSON}
    assert all(WARN_ONLY.allows(repair) for repair in Repair)
    assert not any(STRICT.allows(repair) for repair in Repair)


def test_what_is_said_last_goes():
    tolerance = STRICT.allowing("unknown-field").forbidding(action="Reset").allowing("unknown-field", path="$.a")
    assert tolerance.allows(FIELDS)
    assert not tolerance.allows(ENUM)
    assert not tolerance.allows(FIELDS, action="Reset")
    assert not tolerance.allows(FIELDS, action="Reset", steps=("b",))
    assert tolerance.allows(FIELDS, action="Reset", steps=("a",))
    assert all(STRICT.allowing(half="request").allows(repair) for repair in Repair)


@pytest.mark.parametrize(
    ("path", "inside", "outside"),
    [
        ("$", [(), ("a",), ("a", 0)], [None]),
        ("$.a", [("a",), ("a", 0), ("a", "b")], [(), ("b",), ("ab",), (0,)]),
        ("$.a[*].b", [("a", 0, "b"), ("a", 7, "b", "c")], [("a",), ("a", 0), ("a", "x", "b"), ("a", 0, "c")]),
        ("$.a[1]", [("a", 1)], [("a", 0), ("a", "1")]),
    ],
)
def test_a_path_is_a_place_and_all_that_is_inside_of_it(path, inside, outside):
    tolerance = STRICT.allowing("unknown-field", path=path)
    for steps in inside:
        assert tolerance.allows(FIELDS, steps=steps)
    for steps in outside:
        assert not tolerance.allows(FIELDS, steps=steps)


@pytest.mark.parametrize("path", ["", "a", "$a", "$.", "$.a.", "$.a[]", "$.a[x]", "$.a[-1]", "$.é", "$..a", "$.a "])
def test_a_path_that_is_none_is_told(path):
    with pytest.raises(ValueError, match="is no path"):
        FIELD.forbidding("unknown-field", path=path)


def test_a_half_is_one_of_two():
    with pytest.raises(ValueError, match="half"):
        FIELD.forbidding("unknown-field", half="answer")  # type: ignore[arg-type]


def test_a_repair_may_be_made_in_some_places_only():
    tolerance = FIELD.forbidding("overlong-string", action="BootNotification", path="$.chargePointSerialNumber")
    boot = {"chargePointModel": "m", "chargePointVendor": "v"}
    codec = codec_of(v16.BootNotificationRequest)

    def read(action: str | None, **more: str) -> list[str]:
        _, deviations = read_payload(codec, json.dumps({**boot, **more}), tolerance, action=action)
        return [each.path for each in deviations]

    assert read("BootNotification", firmwareVersion="x" * 51) == ["$.firmwareVersion"]
    assert read(None, chargePointSerialNumber="x" * 26) == ["$.chargePointSerialNumber"]
    with pytest.raises(PayloadError):
        read("BootNotification", chargePointSerialNumber="x" * 26)


def test_a_property_that_is_spelt_otherwise_is_in_the_scope_of_the_one_that_it_is():
    codec = codec_of(v16.AuthorizeRequest)
    only_here = STRICT.allowing("property-case", path="$.idTag")
    assert read_payload(codec, '{"IDTAG":"x"}', only_here)[1][0].path == "$.IDTAG"
    for elsewhere in (FIELD.forbidding("property-case", path="$.idTag"), STRICT.allowing(path="$.IDTAG")):
        with pytest.raises(PayloadError):
            read_payload(codec, '{"IDTAG":"x"}', elsewhere)


# -- actions that there are not --

VENDOR = {"2.0.1": Version.V201.actions.extended(Action("Ping", type("P", (FromChargePoint,), {}), Response, "V"))}


def test_an_action_that_there_is_not_is_refused_once_by_whoever_knows_all():
    wrong = FIELD.forbidding(action="Authorise")
    ids = numbered_ids("m")
    for construct in (
        lambda: CentralSystemSession("1.6", message_ids=ids, tolerance=wrong),
        lambda: CentralSystem(tolerance=wrong),
        lambda: server(wrong),
        lambda: ChargePointConnection("ws://h/", "CP", now=0.0, message_ids=ids, tolerance=wrong),
        lambda: HostedConnection("/CP", {}, ["ocpp1.6"], now=0.0, message_ids=ids, tolerance=wrong),
        lambda: connect("CP", lambda _: wrong)[1].accept(now=0.0),
    ):
        with pytest.raises(ValueError, match=r"'Authorise' is no action of any version; did you mean 'Authorize'\?"):
            construct()


def test_an_action_of_another_version_is_none_of_these_mistakes():
    tolerance = FIELD.forbidding(action="TransactionEvent")
    assert CentralSystem(tolerance=tolerance).tolerance == tolerance
    CentralSystemSession("1.6", message_ids=numbered_ids("m"), tolerance=tolerance)


def test_nor_is_a_vendor_s_action_in_a_session_of_another_version():
    tolerance = FIELD.forbidding(action="Ping")
    assert CentralSystem(["1.6", "2.0.1"], tolerance=tolerance, actions=VENDOR).tolerance == tolerance
    for version in ("1.6", "2.0.1"):
        end = HostedConnection(
            "/CP",
            {},
            [f"ocpp{version}"],
            now=0.0,
            message_ids=numbered_ids("s"),
            tolerance=tolerance,
            actions=VENDOR,
            versions=["1.6", "2.0.1"],
        )
        end.accept(now=0.0)
        end.receive_text('[2,"1","ping",{}]', now=0.0)
        assert events(end)[-1].answered is ErrorCode.NOT_IMPLEMENTED
    with pytest.raises(ValueError, match="'Ping' is no action"):
        CentralSystem(tolerance=tolerance)


def test_requests_and_responses_may_be_told_apart():
    only = STRICT.allowing("unknown-field", half="response")
    assert read_payload(codec_of(v16.ClearCacheResponse), '{"status":"Accepted","a":1}', only)[1]
    with pytest.raises(PayloadError):
        read_payload(codec_of(v16.ClearCacheRequest), '{"a":1}', only)


# -- by station --

STATUS = '[2,"1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Dreaming"}]'


def by_identity(request: ConnectionRequested) -> Any:
    return FIELD if request.identity.startswith("OLD") else ["unknown-field"]


def server(tolerance: Any, **options: Any) -> CentralSystemConnection:
    return CentralSystemConnection(now=0.0, message_ids=numbered_ids("s"), tolerance=tolerance, **options)


def events(end: Any) -> list[Any]:
    return list(iter(end.next_event, None))


def connect(identity: str, tolerance: Any) -> tuple[ChargePointConnection, CentralSystemConnection]:
    station = ChargePointConnection("ws://h/", identity, now=0.0, message_ids=numbered_ids("m"))
    end = server(tolerance)
    end.receive_data(station.data_to_send(), now=0.0)
    return station, end


@pytest.mark.parametrize(("identity", "seen"), [("OLD-1", CallReceived), ("NEW-1", PeerMisbehaved)])
def test_a_central_system_may_tolerate_each_station_its_own(identity, seen):
    station, end = connect(identity, by_identity)
    end.accept(now=0.0)
    station.receive_data(end.data_to_send(), now=0.0)
    assert any(isinstance(event, ConnectionOpened) for event in events(station))
    station._websocket.send_text(STATUS.encode())
    end.receive_data(station.data_to_send(), now=0.0)
    assert isinstance(events(end)[-1], seen)


@pytest.mark.parametrize(("identity", "seen"), [("OLD-1", CallReceived), ("NEW-1", PeerMisbehaved)])
def test_and_so_it_may_where_others_speak_the_websocket(identity, seen):
    end = HostedConnection(
        f"/{identity}", {}, ["ocpp1.6"], now=0.0, message_ids=numbered_ids("s"), tolerance=by_identity
    )
    end.accept(now=0.0)
    end.receive_text(STATUS, now=0.0)
    assert isinstance(events(end)[-1], seen)


def test_what_fails_to_tell_it_leaves_the_decision_open():
    def fails(_: ConnectionRequested) -> Any:
        raise KeyError("who?")

    station, end = connect("CP", fails)
    with pytest.raises(KeyError, match="who"):
        end.accept(now=0.0)
    end.reject_connection(500, now=0.0)
    station.receive_data(end.data_to_send(), now=0.0)
    assert events(station)[-1].status == 500
    with pytest.raises(ValueError, match="skip-validation"):
        connect("CP", lambda _: ["skip-validation"])[1].accept(now=0.0)


def test_there_is_nobody_to_ask_about_before_anybody_has_come():
    with pytest.raises(LocalProtocolError):
        server(by_identity).accept(now=0.0)


def test_the_enum_of_all_repairs_is_a_tolerance_and_nothing_to_ask():
    assert CentralSystem(tolerance=Repair).tolerance == WARN_ONLY
    assert CentralSystem(tolerance=by_identity).tolerance is by_identity
