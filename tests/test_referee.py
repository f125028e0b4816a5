"""The referee lets pass what is right, and objects to everything else that an end can say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ocpp_sansio import FIELD, Role, Tolerance, v16
from ocpp_sansio.testing.referee import Foul, Question, Referee

BEAT = '[2,"1","Heartbeat",{}]'
BEATS = '[3,"1",{"currentTime":"2026-01-01T00:00:00Z"}]'
RESET = '[2,"s1","Reset",{"type":"Soft"}]'
RESETS = '[3,"s1",{"status":"Accepted"}]'
CLEAR = '[2,"s2","ClearCache",{}]'
BAD = '[2,"1","Heartbeat",{"x":1}]'
STREAM = (
    '[6,"c1","NotifyPeriodicEventStream",'
    '{"id":1,"pending":0,"basetime":"2026-01-01T00:00:00Z","data":[{"t":0,"v":"1"}]}]'
)
SYNC = '[2,"s1","ClearCache",{}]'

Said = Sequence[str]
"""What is said, in its order: what begins with ``<`` by the end under test, all else to it. A number is a wait."""


def judge(*said: str | float, version: str = "1.6", role: Role = Role.CENTRAL_SYSTEM, **options: Any) -> Referee:
    referee, now = Referee(version, role, **options), 0.0
    for text in said:
        if not isinstance(text, str):
            now += text
            referee.require_answers(now=now)
        elif text.startswith("<"):
            referee.hear(text[1:], now=now)
        else:
            referee.tell(text, now=now)
    return referee


@pytest.mark.parametrize(
    "said",
    [
        [BEAT, 119, "<" + BEATS],
        [BEAT, '<[4,"1","NotSupported","",{}]'],
        [BAD, '<[4,"1","FormationViolation","",{}]'],
        [BEAT, BEAT, "<" + BEATS, "<" + BEATS],  # F-94
        [BEAT, BEAT, "<" + BEATS],
        [BEAT, BAD, '<[4,"1","InternalError","",{}]', "<" + BEATS],  # which is which is not to be told (F-93)
        ["<" + RESET, RESETS, "<" + CLEAR],
        ["<" + RESET, '[4,"s1","GenericError","",{}]', "<" + CLEAR],
        ["<" + RESET, 30, "<" + CLEAR],  # it has timed out
        ["<" + RESET, '[3,"s1"', "<" + CLEAR],  # it is an answer, though a bad one
        ['[2,"1","Nonsense",{}]', '<[4,"1","NotImplemented","",{}]'],
        ['[2,"1","Reset",{"type":"Soft"}]', '<[4,"1","NotSupported","",{}]'],
        ["nonsense", '<[4,"-1","InternalError","",{}]'],
        ['[3,"nobody",{}]', 200],
        [f'[2,"{"x" * 99}","Heartbeat",{{}}]', f'<[4,"{"x" * 64}","FormationViolation","",{{}}]'],  # F-92
        ['[2,"1","Heartbeat",null]', "<" + BEATS],  # RPC-037
    ],
)
def test_what_is_right_passes(said: Said):
    judge(*said)


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ("does not answer within 120 s", [BEAT, 120]),
        ("answers more than once", [BEAT, "<" + BEATS, "<" + BEATS]),
        ("answers more than once", [BEAT, "<" + BEATS, '<[4,"1","GenericError","",{}]']),
        ("answers what nobody has asked", ["<" + BEATS]),
        ("answers what nobody has asked", [RESETS, '<[4,"s1","GenericError","",{}]']),  # RPC-063
        ("accepts what is invalid", [BAD, "<" + BEATS]),
        ("accepts what is invalid", ['[2,"1","Nonsense",{}]', "<" + BEATS]),
        ("cannot answer what is valid", [BEAT, '<[4,"1","InternalError","",{}]']),
        ("is not valid", [BEAT, '<[3,"1",{}]']),
        ("is not valid", ['<[2,"s1","Reset",{"type":"soft"}]']),
        ("no such error code", [BEAT, '<[4,"1","FormatViolation","",{}]']),
        ("not a message", ["<nonsense"]),
        ("not a message", ['<[4,"1","GenericError"]']),
        ("unanswered (RPC-050)", ["<" + RESET, "<" + CLEAR]),
        ("unanswered (RPC-050)", ["<" + RESET, RESETS.replace("s1", "s9"), "<" + CLEAR]),
        ("twice (RPC-041)", ["<" + RESET, RESETS, "<" + RESET]),
        ("does not send this", ["<" + BEAT]),
        ("does not send this", ['<[2,"s1","Nonsense",{}]']),
    ],
)
def test_what_is_wrong_does_not(about: str, said: Said):
    with pytest.raises(Foul) as caught:
        judge(*said)
    assert about in str(caught.value)


def test_who_puts_up_with_things_may_accept_them():
    assert judge(BAD, "<" + BEATS, is_strict=False).asked["1"].response == v16.HeartbeatResponse(
        current_time=judge(BEAT, "<" + BEATS).asked["1"].response.current_time  # type: ignore[union-attr]
    )
    with pytest.raises(Foul, match="accepts"):
        judge('[2,"1","Nonsense",{}]', "<" + BEATS, is_strict=False)


@pytest.mark.parametrize(
    "odd",
    [
        BAD,
        '[2,"1","Heartbeat",{},]',
        '[2,"1","heartbeat",{}]',
        '[2,"1","heartbeat",{"x":1},]',
    ],
)
def test_what_it_puts_up_with_it_may_accept_or_refuse(odd: str):
    """And it is not valid for that: nothing has to come of it but one answer."""
    error = '<[4,"1","InternalError","",{}]'
    for answer in ("<" + BEATS, error):
        asked = judge(odd, answer, tolerance=FIELD).asked["1"]
        assert asked.request is None
        assert asked.error == ("" if answer != error else "InternalError")
    for wrong, about in ((["<" + BEATS, error], "more than once"), ([120], "does not answer")):
        with pytest.raises(Foul, match=about):
            judge(odd, *wrong, tolerance=FIELD)
    with pytest.raises(Foul):
        judge(odd, "<" + BEATS, tolerance=Tolerance(["unknown-enum"]))


def test_what_it_puts_up_with_in_an_answer_is_one():
    judge("<" + RESET, '[3,"s1",{"status":"Accepted"},]', "<" + CLEAR, tolerance=FIELD)
    judge("<" + RESET, '[3,"s9",{"status":"Accepted"},]', 30, "<" + CLEAR, tolerance=FIELD)


def test_a_question_may_be_given_up_when_it_says_so():
    referee = Referee("1.6", Role.CENTRAL_SYSTEM, call_timeout=5)
    question = referee.hear(RESET, now=0)
    assert isinstance(question, Question)
    assert question.timeout == 5
    question.timeout = 2
    referee.hear(CLEAR, now=2)


def test_what_it_asks_is_told():
    referee = Referee("1.6", Role.CENTRAL_SYSTEM)
    question = referee.hear(RESET, now=3)
    assert isinstance(question, Question)
    assert question.request == v16.ResetRequest(type=v16.ResetType.SOFT)
    assert (question.action.name, question.since, question.is_answered) == ("Reset", 3, False)
    referee.tell(RESETS, now=4)
    assert question.is_answered


def test_ids_are_used_once_over_all_connections():
    """RPC-041."""
    used = set[str]()
    Referee("1.6", Role.CENTRAL_SYSTEM, used_ids=used).hear(RESET, now=0)
    with pytest.raises(Foul, match="RPC-041"):
        Referee("1.6", Role.CENTRAL_SYSTEM, used_ids=used).hear(RESET, now=0)


@pytest.mark.parametrize("payload", ['{"status":"Maybe"}', "{}", "1"])
def test_a_response_of_no_use_may_be_refused_once(payload: str):
    """RPC-072."""
    asked, refusal = ["<" + SYNC, f'[3,"s1",{payload}]'], '<[5,"s1","FormatViolation","",{}]'
    judge(*asked, refusal, version="2.1")
    with pytest.raises(Foul, match="refuses a response"):
        judge(*asked, refusal, refusal, version="2.1")
    with pytest.raises(Foul, match="refuses a response"):
        judge("<" + SYNC, RESETS, refusal, version="2.1")
    with pytest.raises(Foul, match="no such error code"):
        judge(*asked, '<[5,"s1","FormationViolation","",{}]', version="2.1")
    with pytest.raises(Foul, match="not a message"):
        judge(*asked, refusal, version="2.0.1")


def test_a_send_is_sent_by_a_charge_point_and_not_answered():
    """RPC-034, RPC-063."""
    judge("<" + STREAM, version="2.1", role=Role.CHARGE_POINT)
    judge(STREAM, 1000, version="2.1")
    for said in (["<" + STREAM], [STREAM, '<[3,"c1",{}]'], [STREAM, '<[4,"c1","GenericError","",{}]']):
        with pytest.raises(Foul):
            judge(*said, version="2.1")
    with pytest.raises(Foul, match="in a CALL"):
        judge("<" + STREAM.replace("[6", "[2"), version="2.1", role=Role.CHARGE_POINT)
    with pytest.raises(Foul, match="in a SEND"):
        judge("<" + BEAT.replace("[2", "[6"), version="2.1", role=Role.CHARGE_POINT)
