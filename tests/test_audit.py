"""What is to be said about messages on record, and what is not."""

from __future__ import annotations

import itertools
import json
import tracemalloc
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio import Action, Direction, FromCentralSystem, FromChargePoint, Response, Role, Version, v16, v21
from ocpp_sansio import audit as module
from ocpp_sansio.audit import Audit, Spoken
from ocpp_sansio.diagnosis import CODES
from ocpp_sansio.errors import ErrorCode
from ocpp_sansio.findings import RULES, Finding, Severity
from ocpp_sansio.tolerance import FIELD, Tolerance
from ocpp_sansio.trace import Message, TooLong
from ocpp_sansio.version import MessageType

IN, OUT = Direction
CP, CS = Role
ERROR, WARNING, NOTE = Severity
V16, V201, V21 = Version

BOOT_16 = {"chargePointVendor": "A", "chargePointModel": "B"}
BOOT_2X = {"reason": "PowerUp", "chargingStation": {"vendorName": "A", "model": "B"}}
AVAILABLE = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
NOW = {"currentTime": "2026-01-01T12:00:00Z"}


class Log:
    """Messages between one charge point and its central system, as the latter has written them down."""

    def __init__(self, version: Version | None = V16, **options: Any) -> None:
        self.audit = Audit(**options)
        self.version = version
        self.identity: str | None = "CP_1"
        self.is_directed = True
        self._lines = itertools.count(1)

    def text(self, way: Direction | Role | None, text: str | bytes, time: str | None = None) -> list[Finding]:
        way = way if self.is_directed else None
        return list(self.audit.receive(Message(next(self._lines), text, self.identity, way, self.version, time)))

    def say(self, way: Direction | Role | None, *frame: Any, time: str | None = None) -> list[Finding]:
        return self.text(way, json.dumps(frame), time)

    def exchange(self, way: Direction | Role | None, message_id: str, action: str, request: Any, response: Any) -> None:
        assert self.say(way, 2, message_id, action, request) == []
        back = {IN: OUT, OUT: IN, CP: CS, CS: CP, None: None}[way]
        assert self.say(back, 3, message_id, response) == []

    def ask(self, way: Direction | Role | None, message_id: str, action: str, request: Any) -> None:
        assert self.say(way, 2, message_id, action, request) == []

    def end(self) -> list[Finding]:
        return list(self.audit.receive_eof())


def told(findings: Iterable[Finding]) -> list[tuple[str, Severity]]:
    return [(each.rule, each.severity) for each in findings]


# -- payloads --


def test_nothing_is_said_about_what_is_right() -> None:
    log = Log()
    log.exchange(IN, "1", "BootNotification", BOOT_16, {**NOW, "interval": 300, "status": "Accepted"})
    log.exchange(IN, "2", "StatusNotification", AVAILABLE, {})
    log.exchange(OUT, "1", "Reset", {"type": "Hard"}, {"status": "Accepted"})
    log.exchange(OUT, "2", "DataTransfer", {"vendorId": "A"}, {"status": "Accepted"})
    log.exchange(IN, "3", "DataTransfer", {"vendorId": "A"}, {"status": "Accepted"})
    assert log.end() == []
    assert log.audit.messages == {MessageType.CALL: 5, MessageType.CALLRESULT: 5}
    assert log.audit.spoken == {"CP_1": Spoken(V16, is_guess=False)}
    assert not log.audit.tally


def test_a_finding_tells_everything_there_is_to_tell_but_no_value() -> None:
    log = Log()
    (finding,) = log.say(IN, 2, "1", "StatusNotification", {**AVAILABLE, "status": "s3cret"})
    assert finding == Finding(
        line=1,
        severity=ERROR,
        rule="enum",
        rule_id="RPC-074",
        message=finding.message,
        identity="CP_1",
        sender=CP,
        version=V16,
        message_type=MessageType.CALL,
        message_id="1",
        action="StatusNotification",
        path="$.status",
        code="PropertyConstraintViolation",
    )
    assert "s3cret" not in finding.message
    assert log.audit.tally == {("StatusNotification", "enum", ERROR): 1}


@pytest.mark.parametrize(
    ("version", "code"), [(V16, "OccurenceConstraintViolation"), (V21, "OccurrenceConstraintViolation")]
)
def test_an_error_code_is_spelled_as_the_version_spells_it(version: Version, code: str) -> None:
    (finding, *_) = Log(version).say(IN, 2, "1", "BootNotification", {})
    assert (finding.rule, finding.code) == ("required", code)


def test_an_answer_is_judged_by_what_was_asked() -> None:
    log = Log()
    log.ask(IN, "1", "Heartbeat", {})
    log.ask(OUT, "1", "ClearCache", {})  # RPC-043: either end has its own ids
    assert told(log.say(IN, 3, "1", {"status": "Accepted"})) == []
    (finding,) = log.say(OUT, 3, "1", {"currentTime": "noon"})
    assert (finding.rule, finding.action, finding.path, finding.sender) == ("format", "Heartbeat", "$.currentTime", CS)
    assert finding.message_type is MessageType.CALLRESULT


def test_what_only_looks_odd_is_right() -> None:
    assert Log().text(IN, '[2,"1","Heartbeat",{"a":1,"a":2}]') != []
    assert Log().text(OUT, '[2,"1","Reset",{"type":"x","type":"Hard"}]') == []  # F-66


def test_rpc_037_a_payload_that_is_null_is_noted_in_1_6_and_an_error_afterwards() -> None:
    assert told(Log().say(IN, 2, "1", "Heartbeat", None)) == [("null-payload", NOTE)]
    assert told(Log().say(IN, 2, "1", "BootNotification", None)) == [("null-payload", NOTE), *[("required", ERROR)] * 2]
    assert told(Log(V201).say(IN, 2, "1", "Heartbeat", None)) == [("type", ERROR)]


# -- what is put up with --


def test_what_is_put_up_with_is_a_warning_that_names_the_repair() -> None:
    lenient = Tolerance.parse("unknown-enum")
    (finding,) = Log(tolerance=lenient).say(IN, 2, "1", "StatusNotification", {**AVAILABLE, "status": "Zzz"})
    assert (finding.severity, finding.rule, finding.path, finding.repair) == (
        WARNING,
        "enum",
        "$.status",
        "unknown-enum",
    )


METER_VALUE = {"timestamp": "2026-01-01T12:00:00", "sampledValue": {"value": 5}}


@pytest.mark.parametrize(
    ("action", "payload", "named"),
    [
        (
            "Authorize",
            {"IDTAG": "x"},
            [
                ("required", "$.idTag", "property-case"),
                ("additionalProperties", "$.IDTAG", "property-case"),
            ],
        ),
        (
            "Authorize",
            {"idTag": 5, "IDTAG": "x"},
            [("type", "$.idTag", "number-as-string"), ("additionalProperties", "$.IDTAG", "unknown-field")],
        ),
        (
            "MeterValues",
            {"connectorId": 1, "METERVALUE": METER_VALUE},
            [
                ("required", "$.meterValue", "property-case, object-as-list"),
                ("additionalProperties", "$.METERVALUE", "property-case"),
                ("format", "$.meterValue[0].timestamp", "naive-time-is-utc"),
                ("type", "$.meterValue[0].sampledValue", "object-as-list"),
                ("type", "$.meterValue[0].sampledValue[0].value", "number-as-string"),
            ],
        ),
    ],
)
def test_every_repair_that_it_takes_is_named(action: str, payload: Any, named: list[tuple[str, str, str]]) -> None:
    findings = Log(tolerance=FIELD).say(IN, 2, "1", action, payload)
    assert [(each.rule, each.path, each.repair) for each in findings] == named
    assert {each.severity for each in findings} == {WARNING}
    assert None not in {each.code for each in findings}


def test_nothing_is_put_up_with_where_more_is_wrong() -> None:
    lenient = Tolerance.parse("unknown-enum")
    findings = Log(tolerance=lenient).say(IN, 2, "1", "StatusNotification", {"connectorId": 1, "status": "Zzz"})
    assert {each.severity for each in findings} == {ERROR}


def test_an_action_in_other_letters_is_followed_if_that_is_put_up_with() -> None:
    log = Log(tolerance=["action-case"])
    (finding,) = log.say(IN, 2, "1", "heartBeat", {})
    assert (finding.rule, finding.severity, finding.repair) == ("action", WARNING, "action-case")
    assert told(log.say(OUT, 3, "1", {"currentTime": 1})) == [("type", ERROR)]
    assert told(log.say(OUT, 2, "2", "heartbeat", {})) == [("action", WARNING), ("direction", ERROR)]
    assert told(log.say(IN, 2, "3", "heartbeats", {})) == [("action", ERROR)]
    assert told(Log().say(IN, 2, "1", "heartBeat", {})) == [("action", ERROR)]


@pytest.mark.parametrize("way", [IN, None])
def test_an_answer_is_put_up_with_as_one_to_its_call(way: Direction | None) -> None:
    log = Log(tolerance=FIELD.forbidding(action="Reset"))
    back = None if way is None else OUT
    for message_id, action, request, severity in (
        ("1", "ClearCache", {}, WARNING),
        ("2", "Reset", {"type": "Hard"}, ERROR),
        ("none", None, None, WARNING),
    ):
        if action is not None:
            log.ask(back, message_id, action, request)
        odd, *_ = log.text(way, f'[3,"{message_id}",{{"status":"Accepted"}},]')
        assert (odd.rule, odd.severity) == ("json", severity)


def test_a_text_that_is_mended_is_judged_as_what_it_becomes() -> None:
    log = Log(tolerance=Tolerance.parse("field"))
    (first, second) = log.text(
        IN, '[2,"1","StatusNotification",{"connectorId":1,"errorCode":"Zzz","status":"Faulted",}]'
    )
    assert (first.rule, first.severity, first.repair, first.action) == (
        "json",
        WARNING,
        "trailing-comma",
        "StatusNotification",
    )
    assert (second.rule, second.severity, second.repair) == ("enum", WARNING, "unknown-enum")
    assert told(log.say(OUT, 3, "1", {})) == []


# -- what is no message --


@pytest.mark.parametrize(
    ("text", "rule", "rule_id", "code"),
    [
        ("hello", "json", "RPC-065", "FormationViolation"),
        (b'"\xff', "json", "RPC-065", "FormationViolation"),
        ("{}", "array", "RPC-071", "FormationViolation"),
        ('[2,"1","Heartbeat"]', "call", "RPC-030", "FormationViolation"),
        ('[3,"1"]', "callresult", "RPC-031", None),
        ('[4,"1"]', "callerror", "RPC-032", None),
        ('[7,"1"]', "message-type", "RPC-068", "NotSupported"),
        ('[6,"1","NotifyPeriodicEventStream",{}]', "message-type", "RPC-068", "NotSupported"),
        ('[2,1,"Heartbeat",{}]', "message-id", "RPC-040", "FormationViolation"),
        (f'[2,"{"1" * 37}","Heartbeat",{{}}]', "message-id", "RPC-040", "FormationViolation"),
    ],
)
def test_a_text_that_is_no_message_breaks_a_rule(text: str | bytes, rule: str, rule_id: str, code: str | None) -> None:
    (finding,) = Log().text(IN, text)
    assert (finding.rule, finding.rule_id, finding.code, finding.severity) == (rule, rule_id, code, ERROR)


@pytest.mark.parametrize(("text", "rule"), [('[5,"1"]', "callresulterror"), ('[6,"1"]', "send")])
def test_2_1_has_more_messages(text: str, rule: str) -> None:
    assert told(Log(V21).text(IN, text)) == [(rule, ERROR)]


def test_what_is_too_long_was_passed_over() -> None:
    audit = Audit()
    (finding,) = audit.receive(TooLong(7))
    assert (finding.line, finding.rule, finding.severity) == (7, "size", ERROR)
    assert audit.tally == {("", "size", ERROR): 1}


def test_a_broken_message_still_asks_and_answers() -> None:
    log = Log()
    log.text(IN, '[2,"1","Heartbeat"]')
    assert log.say(OUT, 4, "1", "FormationViolation", "", {}) == []
    log.exchange(IN, "2", "Heartbeat", {}, NOW)
    log.ask(IN, "3", "Heartbeat", {})
    log.text(OUT, '[3,"3"]')
    assert log.end() == []
    log.is_directed = False
    assert told(log.text(None, '[3,"3"]')) == [("callresult", ERROR)]


# -- actions and who asks --


def test_rpc_070_an_action_that_nobody_knows() -> None:
    log = Log()
    (finding,) = log.say(IN, 2, "1", "X" * 100, {})
    assert (finding.rule, finding.code, finding.action) == ("action", "NotImplemented", "X" * 50)
    assert log.audit.tally == {("", "action", ERROR): 1}, "a name that is unknown takes no memory"
    assert log.say(OUT, 4, "1", "NotImplemented", "", {}) == []
    log.say(IN, 2, "2", "Foo", {})
    assert log.say(OUT, 3, "2", {"whatever": 1}) == []


class Thanks(Response, kw_only=True):
    """Answers everything."""


class Sold(FromChargePoint[Thanks], kw_only=True):
    """A vendor's own."""

    cents: int


class Wave(FromCentralSystem[Thanks], kw_only=True):
    """Another one, of another version."""


def test_rpc_070_an_action_of_a_vendor_s_own_is_judged_like_the_others() -> None:
    actions = {"1.6": v16.ACTIONS.extended(Action("Sold", Sold)), V21: v21.ACTIONS.extended(Action("Wave", Wave))}
    log = Log(None, actions=actions)
    log.exchange(IN, "1", "Sold", {"cents": 7}, {})
    [finding] = log.say(IN, 2, "2", "Sold", {"cents": "7"})
    assert (finding.rule, finding.action, finding.path) == ("type", "Sold", "$.cents")
    assert told(log.say(OUT, 3, "2", {"status": "Accepted"})) == [("additionalProperties", ERROR)]
    assert told(log.say(OUT, 2, "3", "Sold", {"cents": 7})) == [("direction", ERROR)]
    assert log.audit.spoken["CP_1"] == Spoken(V16, is_guess=True)
    log.identity = "CP_2"
    log.exchange(OUT, "1", "Wave", {}, {})
    assert log.audit.spoken["CP_2"] == Spoken(V21, is_guess=True)
    log.identity, log.version = "CP_3", V16
    [finding] = log.say(OUT, 2, "1", "Wave", {})
    assert finding.message == "OCPP 1.6 has no such action: 2.1 has it"
    assert log.audit.tally["Sold", "type", ERROR] == log.audit.tally["Wave", "action", ERROR] == 1


def test_an_action_that_cannot_be_judged_is_found_out_before_a_message_comes() -> None:
    class Odd(FromChargePoint[Thanks], kw_only=True):
        what: complex

    with pytest.raises(TypeError, match="complex"):
        Audit(actions={"1.6": v16.ACTIONS.extended(Action("Odd", Odd))})
    with pytest.raises(ValueError, match=r"1\.7"):
        Audit(actions={"1.7": v16.ACTIONS})


def test_an_action_of_another_version_is_pointed_out() -> None:
    (finding,) = Log().say(IN, 2, "1", "TransactionEvent", {})
    assert finding.message.endswith(": 2.0.1 and 2.1 have it")
    (finding,) = Log().say(IN, 2, "1", "NotifySettlement", {})
    assert finding.message.endswith(": 2.1 has it")


def test_rpc_070_an_action_of_the_other_end() -> None:
    log = Log()
    (finding,) = log.say(CP, 2, "1", "Reset", {"type": "Hard"})
    assert (finding.rule, finding.code, finding.sender) == ("direction", "NotSupported", CP)
    assert told(log.say(CP, 2, "2", "Reset", {"type": "Zzz"})) == [("direction", ERROR), ("enum", ERROR)]


def test_a_send_is_no_call() -> None:
    log = Log(V21)
    stream = {"id": 1, "pending": 0, "basetime": "2026-01-01T12:00:00Z", "data": [{"t": 0, "v": "1"}]}
    assert log.say(IN, 6, "1", "NotifyPeriodicEventStream", stream) == []
    assert told(log.say(IN, 2, "2", "NotifyPeriodicEventStream", stream)) == [("direction", ERROR)]
    assert told(log.say(IN, 6, "3", "Heartbeat", {})) == [("direction", ERROR)]
    assert told(log.say(IN, 6, "1", "NotifyPeriodicEventStream", stream)) == [("repetition", NOTE)]
    assert log.audit.messages == {MessageType.CALL: 1, MessageType.SEND: 3}


@pytest.mark.parametrize("is_central", [True, False])
def test_who_has_written_it_down_shows_in_what_goes_which_way(is_central: bool) -> None:
    log = Log()
    here, there = (IN, OUT) if is_central else (OUT, IN)
    log.ask(here, "1", "DataTransfer", {"vendorId": "A"})  # either may
    log.ask(there, "1", "Reset", {"type": "Hard"})
    assert log.say(there, 3, "1", {"status": "Accepted"}) == []
    (finding,) = log.say(here, 3, "1", {"status": "Zzz"})
    assert (finding.action, finding.sender) == ("Reset", CP)
    assert told(log.say(here, 2, "2", "ClearCache", {})) == [("direction", ERROR)]


def test_nobody_is_named_as_long_as_nobody_is_known() -> None:
    (finding,) = Log().say(IN, 2, "1", "DataTransfer", {})
    assert finding.sender is None


def test_bare_messages_are_matched_as_well() -> None:
    log = Log()
    log.is_directed = False
    log.exchange(None, "1", "Heartbeat", {}, NOW)
    log.exchange(None, "2", "Reset", {"type": "Hard"}, {"status": "Accepted"})
    log.exchange(None, "3", "DataTransfer", {"vendorId": "A"}, {"status": "Accepted"})
    assert told(log.say(None, 2, "4", "Foo", {})) == [("action", ERROR)]
    assert log.say(None, 4, "4", "NotImplemented", "", {}) == []
    assert told(log.say(None, 3, "4", {})) == [("unsolicited", ERROR)]
    assert log.end() == []


# -- where nobody knows which station it is --


def test_what_depends_on_the_sequence_is_only_noted_where_several_stations_may_have_spoken() -> None:
    log = Log(V201)
    log.identity = None
    log.exchange(IN, "0", "Heartbeat", {}, NOW)
    log.ask(IN, "1", "Heartbeat", {})
    assert told(log.say(IN, 2, "1", "StatusNotification", {})) == [("required", ERROR)] * 4 + [("reused-id", NOTE)]
    assert told(log.say(IN, 2, "2", "Heartbeat", {}, time="2026-01-01T12:00:00Z")) == [("outstanding", NOTE)]
    assert told(log.say(OUT, 3, "9", NOW)) == [("unsolicited", NOTE)]
    assert told(log.say(OUT, 3, "2", {})) == [("required", ERROR)], "of which there is one"


def test_an_answer_is_taken_for_one_to_any_station_that_waits_for_it() -> None:
    log = Log()
    log.identity = None
    calls = [("Heartbeat", {}), ("StatusNotification", AVAILABLE), ("Authorize", {"idTag": "A"})]
    for action, payload in calls:
        log.say(IN, 2, "1", action, payload)
    assert log.say(OUT, 3, "1", {}) == [], "the StatusNotification's"
    (finding,) = log.say(OUT, 3, "1", {"idTagInfo": {"status": "Zzz"}})
    assert (finding.rule, finding.severity, finding.action) == ("enum", NOTE, "Authorize")
    assert log.say(OUT, 3, "1", NOW) == []
    log.say(IN, 2, "1", "Foo", {})
    log.say(IN, 2, "1", "Heartbeat", {})
    assert log.say(OUT, 4, "1", "NotImplemented", "", {}) == []
    assert told(log.say(OUT, 3, "1", {})) == [("required", NOTE)]
    assert told(log.say(OUT, 3, "1", {})) == [("unsolicited", NOTE)]


def test_no_version_is_guessed_by_an_answer_that_may_be_to_several() -> None:
    log = Log(None)
    log.identity = None
    for action, payload in (("Heartbeat", {}), ("DataTransfer", {"vendorId": "A"})):
        log.say(IN, 2, "1", action, payload)
    answer = {"status": "Accepted", "statusInfo": {"reasonCode": "A"}}
    assert told(log.say(OUT, 3, "1", answer)) == [("additionalProperties", NOTE)]
    assert log.audit.spoken[None].version is V16


def test_of_too_many_with_the_same_id_the_first_are_forgotten() -> None:
    log = Log()
    log.identity = None
    log.say(IN, 2, "1", "Heartbeat", {})
    for number in range(module.MAX_UNANSWERED + 1):
        log.say(IN, 2, "1", "Authorize", {"idTag": f"{number}"})
    answers = [log.say(OUT, 3, "1", {"idTagInfo": {"status": "Accepted"}}) for _ in range(module.MAX_UNANSWERED + 2)]
    assert [told(each) for each in answers if each] == [[("unsolicited", NOTE)]]


# -- answers --


def test_rpc_066_an_answer_to_nothing() -> None:
    log = Log()
    (finding,) = log.say(OUT, 3, "0", {})
    assert (finding.rule, finding.severity) == ("unsolicited", NOTE)
    assert "in the middle" in finding.message
    log.exchange(IN, "1", "Heartbeat", {}, NOW)
    assert told(log.say(OUT, 3, "2", {})) == [("unsolicited", ERROR)]
    (finding,) = log.say(OUT, 3, "1", NOW)
    assert (finding.severity, "already" in finding.message) == (ERROR, True)
    assert told(log.say(IN, 4, "1", "InternalError", "", {})) == [("unsolicited", NOTE)], (
        "the other end has asked nothing"
    )


@pytest.mark.parametrize(
    ("version", "code", "is_known"),
    [
        (V16, "FormationViolation", True),
        (V16, "OccurenceConstraintViolation", True),
        (V16, "FormatViolation", False),
        (V16, "RpcFrameworkError", False),
        (V21, "FormatViolation", True),
        (V21, "FormationViolation", False),
        (V21, "Zzz", False),
    ],
)
def test_rpc_090_an_error_code_is_one_of_the_version(version: Version, code: str, is_known: bool) -> None:
    log = Log(version)
    log.ask(IN, "1", "Heartbeat", {})
    assert told(log.say(OUT, 4, "1", code, "", {})) == ([] if is_known else [("error-code", ERROR)])


def test_rpc_091_rpc_093_the_rest_of_an_error() -> None:
    log = Log(V21)
    log.ask(IN, "1", "Heartbeat", {})
    findings = log.say(OUT, 4, "1", "InternalError", "x" * 256, [])
    assert [(each.rule, each.rule_id) for each in findings] == [
        ("error-description", "RPC-091"),
        ("error-details", "RPC-093"),
    ]
    assert {each.action for each in findings} == {"Heartbeat"}


def test_rpc_073_a_result_can_be_refused_in_2_1_if_there_was_one() -> None:
    log = Log(V21)
    log.exchange(IN, "1", "Heartbeat", {}, NOW)
    assert log.say(IN, 5, "1", "InternalError", "", {}) == []
    assert told(log.say(IN, 5, "2", "Zzz", "", {})) == [("unsolicited", ERROR), ("error-code", ERROR)]
    (finding,) = log.say(OUT, 5, "1", "InternalError", "", {})
    assert (finding.rule, finding.severity) == ("unsolicited", NOTE), "that end has asked nothing"
    assert "in the middle" in finding.message


@pytest.mark.parametrize(
    ("asked", "answered", "seconds"),
    [
        ("2026-01-01T12:00:00Z", "2026-01-01T12:00:30Z", None),
        ("2026-01-01T12:00:00Z", "2026-01-01T13:00:31+01:00", 31),
        ("2026-01-01 12:00:00,500", "2026-01-01 12:01:00,000", 60),
        ("1700000000", "1700000100.5", 100),
        ("2026-01-01T12:00:00Z", "2026-01-01T12:01:00", None),
        ("noon", "midnight", None),
        ("1e300", "1e300", None),
        (None, "2026-01-01T12:01:00", None),
    ],
)
def test_rpc_055_an_answer_that_was_long_in_coming(asked: str | None, answered: str, seconds: int | None) -> None:
    log = Log()
    assert log.say(IN, 2, "1", "Heartbeat", {}, time=asked) == []
    findings = log.say(OUT, 3, "1", NOW, time=answered)
    assert told(findings) == ([] if seconds is None else [("late", NOTE)])
    assert all(f" {seconds} " in each.message for each in findings)


def test_rpc_054_a_call_without_an_answer() -> None:
    log = Log()
    log.ask(IN, "1", "Heartbeat", {})
    log.exchange(IN, "2", "Heartbeat", {}, NOW)
    log.ask(OUT, "3", "ClearCache", {})
    (finding,) = log.end()
    assert (finding.line, finding.rule, finding.severity, finding.message_id) == (1, "unanswered", NOTE, "1")
    assert (finding.action, finding.sender) == ("Heartbeat", CP)


# -- sequences --


def test_rpc_050_rpc_051_one_call_at_a_time() -> None:
    for version, severity in ((V16, NOTE), (V201, ERROR)):
        log = Log(version)
        log.exchange(IN, "1", "Heartbeat", {}, NOW)
        assert log.say(IN, 2, "2", "Heartbeat", {}, time="2026-01-01T12:00:00Z") == []
        (finding,) = log.say(IN, 2, "3", "Heartbeat", {}, time="2026-01-01T12:00:01Z")
        assert (finding.rule, finding.severity, finding.message_id) == ("outstanding", severity, "3")
        log.ask(OUT, "2", "ClearCache", {})  # RPC-053: CALLs may cross


def test_a_call_may_follow_one_that_has_timed_out() -> None:
    log = Log(V201)
    log.exchange(IN, "1", "Heartbeat", {}, NOW)
    assert log.say(IN, 2, "2", "Heartbeat", {}, time="2026-01-01T12:00:00Z") == []
    assert log.say(IN, 2, "3", "Heartbeat", {}, time="2026-01-01T12:00:31Z") == []


def test_where_no_times_are_told_it_may_have_timed_out() -> None:
    log = Log(V201)
    log.exchange(IN, "1", "Heartbeat", {}, NOW)
    log.ask(IN, "2", "Heartbeat", {})
    assert told(log.say(IN, 2, "3", "Heartbeat", {})) == [("outstanding", NOTE)]


def test_an_answer_that_is_missing_is_held_against_one_call_only() -> None:
    log = Log()
    log.exchange(IN, "1", "Heartbeat", {}, NOW)
    log.ask(IN, "2", "Heartbeat", {})
    assert told(log.say(IN, 2, "3", "Heartbeat", {})) == [("outstanding", NOTE)]
    assert log.say(OUT, 3, "3", NOW) == []
    assert log.say(IN, 2, "4", "Heartbeat", {}) == []


def test_nothing_is_held_against_an_end_whose_answers_were_not_written_down() -> None:
    log = Log(V201)
    for number in range(40):
        log.ask(IN, f"{number}", "Heartbeat", {})
    assert log.end() == []


def test_rpc_056_a_send_waits_for_nothing() -> None:
    log = Log(V21)
    stream = {"id": 1, "pending": 0, "basetime": "2026-01-01T12:00:00Z", "data": [{"t": 0, "v": "1"}]}
    log.exchange(IN, "1", "Heartbeat", {}, NOW)
    log.ask(IN, "2", "Heartbeat", {})
    assert log.say(IN, 6, "3", "NotifyPeriodicEventStream", stream) == []


def test_rpc_041_rpc_042_an_id_that_was_used_before() -> None:
    log = Log()
    log.exchange(IN, "1", "Heartbeat", {}, NOW)
    assert told(log.say(IN, 2, "1", "Heartbeat", {})) == [("repetition", NOTE)]
    assert told(log.say(IN, 2, "1", "Heartbeat", {})) == [("repetition", NOTE)], "though the first has no answer yet"
    (finding,) = log.say(IN, 2, "1", "StatusNotification", AVAILABLE)
    assert (finding.rule, finding.severity, finding.code) == ("reused-id", ERROR, "FormationViolation")
    log.exchange(OUT, "1", "ClearCache", {}, {"status": "Accepted"})  # RPC-043


# -- versions --


@pytest.mark.parametrize(
    ("calls", "version"),
    [
        ([("Heartbeat", {})], V16),
        ([("Heartbeat", {}), ("BootNotification", BOOT_16)], V16),
        ([("Heartbeat", {}), ("BootNotification", BOOT_2X)], V201),
        ([("BootNotification", BOOT_2X), ("NotifySettlement", {})], V21),
        ([("BootNotification", BOOT_2X), ("BootNotification", BOOT_16)], V16),
        ([("BootNotification", BOOT_16), ("BootNotification", BOOT_2X)], V201),
        ([("BootNotification", BOOT_16), ("BootNotification", {})], V16),
        ([("StatusNotification", {"connectorId": 1, "errorCode": "Zzz", "status": "Available"})], V16),
        ([("StatusNotification", {"evseId": 1, "connectorId": 1, "connectorStatus": "Zzz"})], V201),
        ([("Foo", {}), ("StatusNotification", AVAILABLE)], V16),
    ],
)
def test_what_nobody_says_is_guessed_by_what_fits(calls: list[tuple[str, Any]], version: Version) -> None:
    log = Log(None)
    for number, (action, payload) in enumerate(calls):
        findings = log.say(IN, 2, f"{number}", action, payload)
    assert log.audit.spoken == {"CP_1": Spoken(version, is_guess=True)}
    assert {each.version for each in findings} <= {version}


def test_what_fits_better_is_found_in_an_answer_too() -> None:
    log = Log(None)
    log.ask(IN, "1", "DataTransfer", {"vendorId": "A"})
    assert log.say(OUT, 3, "1", {"status": "Accepted", "statusInfo": {"reasonCode": "A"}}) == []
    assert log.audit.spoken["CP_1"].version is V201
    log.ask(IN, "2", "Heartbeat", {})
    (finding,) = log.say(OUT, 3, "2", {"currentTime": "noon"})
    assert (finding.rule, finding.version) == ("format", V201)


def test_what_is_on_record_counts_and_may_change() -> None:
    log = Log(V16)
    assert told(log.say(IN, 2, "1", "BootNotification", BOOT_2X))[0] == ("required", ERROR)
    log.version = V201
    assert log.say(IN, 2, "2", "BootNotification", BOOT_2X) == []
    assert log.audit.spoken == {"CP_1": Spoken(V201, is_guess=False)}


def test_what_is_given_counts_more() -> None:
    log = Log(V16)
    log.audit = Audit(version="2.0.1")
    assert log.say(IN, 2, "1", "BootNotification", BOOT_2X) == []
    assert log.audit.spoken == {"CP_1": Spoken(V201, is_guess=False)}
    with pytest.raises(ValueError, match="3"):
        Audit(version="3")


# -- stations, and how much is kept --


def test_stations_have_nothing_to_do_with_each_other() -> None:
    log = Log(None)
    log.ask(IN, "1", "BootNotification", BOOT_16)
    log.identity = None
    log.ask(IN, "1", "BootNotification", BOOT_2X)
    log.say(OUT, 3, "1", {**NOW, "interval": 1, "status": "Accepted"})
    log.identity = "CP_1"
    assert log.say(OUT, 3, "1", {**NOW, "interval": 1, "status": "Accepted"}) == []
    assert {identity: spoken.version for identity, spoken in log.audit.spoken.items()} == {"CP_1": V16, None: V201}


def test_of_too_many_stations_the_first_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STATIONS", 2)
    log = Log()
    for number in range(3):
        log.identity = f"{number}"
        log.exchange(IN, "1", "Heartbeat", {}, NOW) if number < 2 else None
        findings = log.say(IN, 2, "2", "Heartbeat", {})
    assert [(each.identity, each.rule) for each in findings] == [("0", "unanswered")]
    assert list(log.audit.spoken) == ["1", "2"]
    assert sum(log.audit.tally.values()) == 1


def test_of_too_many_calls_the_first_counts_as_unanswered() -> None:
    log = Log()
    log.exchange(IN, "x", "Heartbeat", {}, NOW)
    findings = [
        finding
        for number in range(module.MAX_UNANSWERED + 1)
        for finding in log.say(IN, 2, f"{number}", "Heartbeat", {})
        if finding.rule == "unanswered"
    ]
    assert [each.message_id for each in findings] == ["0"]


def test_an_id_is_forgotten_after_a_while() -> None:
    log = Log()
    for number in range(module.MAX_REMEMBERED + 1):
        log.exchange(IN, f"{number}", "Heartbeat", {}, NOW)
    assert log.say(IN, 2, "0", "StatusNotification", AVAILABLE) == []
    assert log.say(OUT, 3, "0", {}) == []
    assert told(log.say(IN, 2, f"{number}", "Authorize", {"idTag": "A"})) == [("reused-id", ERROR)]


def test_it_takes_no_more_memory_for_more_messages() -> None:
    def peak(messages: int) -> int:
        log = Log()
        tracemalloc.start()
        for number in range(messages):
            log.say(IN, 2, f"{number}", "Foo" if number % 2 else f"Foo{number}", {})
            log.say(OUT, 3, f"x{number}", {})
        return tracemalloc.get_traced_memory()[1]

    peak(100)
    try:
        few, many = peak(100), peak(1500)
    finally:
        tracemalloc.stop()
    assert many < 1.5 * few


@given(
    st.lists(
        st.tuples(
            st.sampled_from([IN, OUT, CP, CS, None]),
            st.sampled_from([None, *Version]),
            st.sampled_from([2, 3, 4, 5, 6, 7]),
            st.sampled_from(["1", "2", "", 3]),
            st.sampled_from(["Heartbeat", "BootNotification", "DataTransfer", "NotifyPeriodicEventStream", "Foo", 1]),
            st.sampled_from([{}, BOOT_16, BOOT_2X, None, [], 1.5]),
        ),
        max_size=12,
    ),
    st.sampled_from(["strict", "field", "warn-only"]),
)
def test_nothing_is_too_strange_to_be_judged(messages: list[Any], tolerance: str) -> None:
    audit = Audit(tolerance=Tolerance.parse(tolerance))
    findings: list[Finding] = []
    for line, (way, version, message_type, message_id, action, payload) in enumerate(messages):
        elements = {3: [payload], 4: [action, "", payload], 5: [action, "", payload]}.get(
            message_type, [action, payload]
        )
        text = json.dumps([message_type, message_id, *elements])
        findings += audit.receive(Message(line, text, None, way, version))
    findings += audit.receive_eof()
    assert sum(audit.tally.values()) == len(findings)
    assert {each.rule for each in findings} <= RULES.keys()


# -- the rules --


def test_whatever_the_diagnosis_can_find_has_a_rule() -> None:
    assert CODES.keys() <= RULES.keys()
    assert {each.name.lower() for each in MessageType} <= RULES.keys()


def test_a_rule_of_the_messages_that_are_answered_has_a_code() -> None:
    assert {rule.code for rule in RULES.values()} <= {None, *ErrorCode}
    assert all(
        RULES[name].code for name in ("json", "array", "call", "message-id", "message-type", "action", "direction")
    )
