"""Strict first, then tolerant, never silent: enum values that a newer peer knows and we do not (F-110)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocpp_sansio import (
    CallFailed,
    CallReceived,
    CallSucceeded,
    CentralSystemSession,
    ChargePointSession,
    Deviation,
    ErrorCode,
    InvalidMessage,
    InvalidResponse,
    LateResponse,
    PeerMisbehaved,
    Repair,
    numbered_ids,
    v16,
    v21,
    v201,
)
from ocpp_sansio.codec import Codec, PayloadError, codec_of
from ocpp_sansio.events import SendReceived
from ocpp_sansio.frames import LARGE
from ocpp_sansio.messages import Action, Actions, Datatype, SendFromChargePoint, write_open
from ocpp_sansio.schema import Kind, kind_of, properties
from ocpp_sansio.testing.strategies import near_misses, payloads
from ocpp_sansio.tolerance import MAX_DEVIATIONS, MAX_ENUM_LENGTH, WARN_ONLY, Tolerance, read_payload
from ocpp_sansio.version import Version
from tests.examples import examples

UNKNOWN_ENUM = {Repair.UNKNOWN_ENUM}
CLASSES = [
    *(cls for action in v16.ACTIONS.values() for cls in (action.request, action.response)),
    # of 2.x those that have enums in lists, deep down, or beside what a vendor may add
    v201.NotifyEVChargingNeedsRequest,
    v201.ReportChargingProfilesRequest,
    v201.TransactionEventRequest,
    v21.DataTransferResponse,
    v21.NotifyReportRequest,
    v21.SetDERControlRequest,
    v21.TransactionEventRequest,
]


class Flavours(Datatype, kw_only=True):
    """Enums wherever a payload may have them."""

    one: v16.ResetType | None = None
    several: list[v16.ResetType] | None = None
    inner: list[v16.IdTagInfo] | None = None
    texts: list[str] | None = None
    limit: v16.ChargingSchedulePeriod | None = None


def read(payload: Any, cls: type[Datatype] = Flavours) -> tuple[Any, tuple[Deviation, ...]]:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    with pytest.raises(PayloadError):
        codec_of(cls).decode(text)
    return read_payload(codec_of(cls), text, Tolerance(UNKNOWN_ENUM))


def kept(path: str, original: str) -> Deviation:
    return Deviation(path, Repair.UNKNOWN_ENUM, original)


# -- the payload --


def test_an_unknown_value_takes_the_place_of_a_member_wherever_it_is():
    message, deviations = read(
        {"one": "Warm", "several": ["Soft", "Warm", "Hot"], "inner": [{"status": "Expired"}, {"status": "Odd"}]}
    )
    assert message == Flavours(
        one="Warm",
        several=[v16.ResetType.SOFT, "Warm", "Hot"],
        inner=[v16.IdTagInfo(status=v16.AuthorizationStatus.EXPIRED), v16.IdTagInfo(status="Odd")],
    )
    assert isinstance(message.several[0], v16.ResetType)
    assert type(message.one) is str
    assert deviations == (
        kept("$.one", "Warm"),
        kept("$.several[1]", "Warm"),
        kept("$.several[2]", "Hot"),
        kept("$.inner[1].status", "Odd"),
    )


@pytest.mark.parametrize(
    "payload",
    [
        {"one": "Warm", "unheardOf": 1},
        {"one": "Warm", "inner": [{}]},
        {"one": "Warm", "texts": [1]},
        {"one": "Warm", "limit": {"startPeriod": 0, "limit": 0.11}},
        '{"one": "Warm", "limit": {"startPeriod": 0, "limit": 0.10000000000000000001}}',  # as a float it is 0.1
        '{"one": "Warm", "limit": {"startPeriod": 0, "limit": 1e999}}',
        {"one": None},
        {"one": 1, "several": ["Warm"]},
        {"several": "Warm"},
        {"inner": {"status": "Odd"}},
        {"one": ["Warm"]},
        ["Warm"],
        '"Warm"',
        '{"one": "Warm"',
        '{"one": "\\ud800"}',
        "[" * 100_000,
        '{"texts": ' + "[" * 100_000 + "]" * 100_000 + ', "one": "Warm"}',
    ],
    ids=lambda payload: str(payload)[:40],
)
def test_what_is_wrong_besides_is_not_put_up_with(payload):
    with pytest.raises(PayloadError):
        read(payload)


def test_an_unknown_value_has_a_length_and_a_payload_a_number_of_them():
    longest = "x" * MAX_ENUM_LENGTH
    assert read({"one": longest})[1] == (kept("$.one", longest),)
    with pytest.raises(PayloadError):
        read({"one": longest + "x"})
    assert len(read({"several": ["Warm"] * MAX_DEVIATIONS})[1]) == MAX_DEVIATIONS
    with pytest.raises(PayloadError):
        read({"several": ["Warm"] * (MAX_DEVIATIONS + 1)})


def test_of_a_key_that_occurs_twice_the_last_one_counts():
    """F-66."""
    assert read('{"one": "Hot", "one": "Warm"}') == (Flavours(one="Warm"), (kept("$.one", "Warm"),))


def test_every_enum_that_a_version_knows_is_short_enough():
    for enums in (v16.enums, v21.enums):
        assert all(len(member) <= MAX_ENUM_LENGTH for name in enums.__all__ for member in getattr(enums, name))


def places(kind: Kind, value: Any) -> Iterator[tuple[Any, Any]]:
    """Where an enum is in a valid payload: what holds it, and under which key."""
    if kind.items is not None:
        inside = [(index, kind.items) for index in range(len(value))]
    elif issubclass(kind.type, Datatype):
        inside = [(prop.wire_name, prop.kind) for prop in properties(kind.type) if prop.wire_name in value]
    else:
        inside = []
    for key, inner in inside:
        if issubclass(inner.type, StrEnum):
            yield value, key
        else:
            yield from places(inner, value[key])


@pytest.mark.no_cover
@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_whichever_enums_are_strange_they_are_kept_and_nothing_else_changes(cls):
    @settings(max_examples=examples(20))
    @given(payloads(cls), st.data())
    def check(payload, data):
        right = json.dumps(payload)
        found = list(places(kind_of(cls), payload))
        chosen = data.draw(st.sets(st.sampled_from(range(len(found))))) if found else set()
        strange = {number: f"Strange{number}" for number in chosen}
        originals = {value: found[number][0][found[number][1]] for number, value in strange.items()}
        for number, value in strange.items():
            holder, key = found[number]
            holder[key] = value
        text = json.dumps(payload)
        if not strange:
            assert read_payload(codec_of(cls), text, Tolerance(UNKNOWN_ENUM)) == (codec_of(cls).decode(text), ())
            return
        message, deviations = read(text, cls)
        assert {each.original for each in deviations} == set(strange.values())
        assert len(deviations) == len(strange)
        # With the strangers' names changed back it is the message that was meant.
        again = msgspec.json.encode(message, enc_hook=write_open).decode()
        for value, original in originals.items():
            assert again.count(f'"{value}"') == 1
            again = again.replace(f'"{value}"', json.dumps(original))
        assert codec_of(cls).decode(again) == codec_of(cls).decode(right)

    check()


@pytest.mark.no_cover
@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_of_all_that_can_be_wrong_with_a_payload_only_that_is_put_up_with(cls):
    @settings(max_examples=examples(20))
    @given(near_misses(cls))
    def check(miss):
        try:
            _, deviations = read(miss.payload, cls)
        except PayloadError:
            assert miss.rule != "enum"
        else:
            assert miss.rule == "enum"
            assert [each.path for each in deviations] == [miss.path]

    check()


# -- the session --

STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Dreaming"}


def charge_point(version: Version | str = "1.6", **options: Any) -> ChargePointSession:
    return ChargePointSession(version, message_ids=numbered_ids("m"), **options)


def central_system(version: Version | str = "1.6", **options: Any) -> CentralSystemSession:
    return CentralSystemSession(version, message_ids=numbered_ids("m"), **options)


def receive(session: ChargePointSession | CentralSystemSession, *message: Any) -> list[Any]:
    session.receive_data(json.dumps(message), now=0.0)
    return list(iter(session.next_event, None))


def test_a_session_is_strict_unless_told_otherwise():
    session = central_system()
    [event] = receive(session, 2, "1", "StatusNotification", STATUS)
    assert isinstance(event, PeerMisbehaved)
    assert event.answered is ErrorCode.PROPERTY_CONSTRAINT_VIOLATION


@pytest.mark.parametrize("repair", ["unknown-enum", Repair.UNKNOWN_ENUM])
@pytest.mark.parametrize("padding", [0, LARGE])
def test_a_call_with_an_unknown_enum_is_delivered_and_answered(repair, padding):
    session = central_system(tolerance=[repair])
    payload = {**STATUS, "vendorErrorCode": "E1"}
    text = json.dumps([2, "1", "StatusNotification", payload]) + " " * padding
    session.receive_data(text, now=0.0)
    call = session.next_event()
    assert isinstance(call, CallReceived)
    assert call.request == v16.StatusNotificationRequest(
        connector_id=1, error_code=v16.ChargePointErrorCode.NO_ERROR, status="Dreaming", vendor_error_code="E1"
    )
    assert call.deviations == (kept("$.status", "Dreaming"),)
    assert session.next_event() is None
    assert session.respond(call, v16.StatusNotificationResponse(), now=0.0)
    assert session.data_to_send() == ['[3,"1",{}]']


def test_a_call_in_which_more_is_wrong_is_refused_with_all_that_is_wrong():
    session = central_system(tolerance=UNKNOWN_ENUM)
    [event] = receive(session, 2, "1", "StatusNotification", {**STATUS, "info": 1})
    assert [violation.path for violation in event.violations] == ["$.info", "$.status"]


def test_a_right_payload_has_no_deviations():
    session = central_system(tolerance=UNKNOWN_ENUM)
    [call] = receive(session, 2, "1", "StatusNotification", {**STATUS, "status": "Available"})
    assert call.deviations == ()


def test_a_repair_that_there_is_not_is_the_caller_s_mistake():
    with pytest.raises(ValueError, match="skip-validation"):
        central_system(tolerance=["skip-validation"])


def test_a_response_with_an_unknown_enum_is_an_invalid_one_or_delivered():
    request = v16.ResetRequest(type=v16.ResetType.SOFT)
    strict, tolerant = central_system(), central_system(tolerance=UNKNOWN_ENUM)
    strict.call(request, now=0.0)
    [failed] = receive(strict, 3, "m1", {"status": "Later"})
    assert isinstance(failed, CallFailed)
    assert isinstance(failed.error, InvalidResponse)
    call = tolerant.call(request, now=0.0)
    assert receive(tolerant, 3, "m1", {"status": "Later"}) == [
        CallSucceeded(call, v16.ResetResponse(status="Later"), (kept("$.status", "Later"),))
    ]


def test_a_late_response_says_so_as_well():
    session = central_system(tolerance=UNKNOWN_ENUM)
    call = session.call(v16.ResetRequest(type=v16.ResetType.SOFT), now=0.0, timeout=1.0)
    session.handle_timeout(now=1.0)
    session.next_event()
    assert receive(session, 3, "m1", {"status": "Later"}) == [
        LateResponse(call, v16.ResetResponse(status="Later"), (kept("$.status", "Later"),))
    ]


def test_what_is_right_is_read_once(monkeypatch):
    """What is on record is read at each start, and nearly all of it is right."""
    monkeypatch.setattr(Codec, "reread", lambda *_: pytest.fail("it is read again"))
    text = '{"status":"Accepted"}'
    assert read_payload(codec_of(v16.ResetResponse), text, WARN_ONLY) == (v16.ResetResponse(status="Accepted"), ())


def test_a_send_with_an_unknown_enum_is_delivered(monkeypatch):
    class Mood(SendFromChargePoint, kw_only=True):
        mood: v21.ResetStatus

    monkeypatch.setitem(vars(Version.V21), "actions", Actions(Action("Mood", Mood, None, "X")))
    session = central_system("2.1", tolerance=UNKNOWN_ENUM)
    assert receive(session, 6, "1", "Mood", {"mood": "Dreaming"}) == [
        SendReceived("1", "Mood", Mood(mood="Dreaming"), (kept("$.mood", "Dreaming"),))
    ]


def test_what_was_put_up_with_is_not_passed_on():
    session = central_system(tolerance=UNKNOWN_ENUM)
    [call] = receive(session, 2, "1", "StatusNotification", STATUS)
    with pytest.raises(InvalidMessage, match="status"):
        charge_point(tolerance=UNKNOWN_ENUM).call(call.request, now=0.0)
