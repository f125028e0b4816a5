"""What the RPC layer survives, in every version: ids used again, answers to nothing, errors that cannot be written.

Step by step and in one version this is told in test_session.py; here it is what must not depend on the version.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio import (
    CallFailed,
    CallOverdue,
    CallReceived,
    CallRefused,
    CallSucceeded,
    CallTimedOut,
    CentralSystemSession,
    ChargePointSession,
    DuplicateCall,
    ErrorCode,
    InvalidResponse,
    LateResponse,
    Limits,
    Misbehaviour,
    PeerMisbehaved,
    Version,
    numbered_ids,
    v16,
    v21,
    v201,
)

MODULES: dict[Version, Any] = {Version.V16: v16, Version.V201: v201, Version.V21: v21}
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EMPTIED = {"status": "Accepted"}
BROKEN_FRAME = {
    Version.V16: "FormationViolation",
    Version.V201: "RpcFrameworkError",
    Version.V21: "RpcFrameworkError",
}
every_version = pytest.mark.parametrize("version", Version)


def module_of(session: Any) -> ModuleType:
    return MODULES[session.version]


def csms(version: Version, **options: Any) -> CentralSystemSession:
    return CentralSystemSession(version, message_ids=numbered_ids("m"), **options)


def clear(session: CentralSystemSession, *, now: float = 0, **options: Any) -> Any:
    """A CALL of ours."""
    return session.call(module_of(session).ClearCacheRequest(), now=now, **options)


def given_to(session: Any, *message: Any, now: float = 0) -> list[Any]:
    """What a session reports of a message, a list or a text."""
    session.receive_data(message[0] if len(message) == 1 else json.dumps(message), now=now)
    return list(iter(session.next_event, None))


def said(session: Any) -> list[Any]:
    return [json.loads(text) for text in session.data_to_send()]


def answer(session: Any, call: Any) -> bool:
    return session.respond(call, module_of(session).HeartbeatResponse(current_time=NOON), now=0)


# -- ids that are used again --


@every_version
def test_f93_an_id_that_is_used_for_another_call_is_refused_and_the_first_is_not_touched(version: Version) -> None:
    session = csms(version)
    (first,) = given_to(session, 2, "a", "Heartbeat", {})
    (in_progress,) = given_to(session, 2, "a", "StatusNotification", {})
    assert in_progress == DuplicateCall("a", "StatusNotification", replayed=False)
    assert answer(session, first)
    ((message_type, message_id, _),) = said(session)
    assert (message_type, message_id) == (3, "a")
    (event,) = given_to(session, 2, "a", "StatusNotification", {})
    assert event.reason is Misbehaviour.MESSAGE_ID_REUSED
    assert [each[:3] for each in said(session)] == [[4, "a", BROKEN_FRAME[version]]]


@every_version
def test_f94_a_call_that_is_sent_again_gets_the_same_answer_and_is_run_once(version: Version) -> None:
    session = csms(version)
    (call,) = given_to(session, 2, "a", "Heartbeat", {})
    assert given_to(session, 2, "a", "Heartbeat", {}) == [DuplicateCall("a", "Heartbeat", replayed=False)]
    assert said(session) == [], "it waits for the first"
    assert answer(session, call)
    first = said(session)
    for _ in range(3):
        assert given_to(session, 2, "a", "Heartbeat", {}) == [DuplicateCall("a", "Heartbeat", replayed=True)]
        assert said(session) == first


@every_version
def test_f93_f94_however_many_ids_a_peer_uses_only_the_last_are_remembered(version: Version) -> None:
    session = csms(version, limits=Limits(max_replays=16))
    for number in range(500):
        (call,) = given_to(session, 2, str(number), "Heartbeat", {})
        assert answer(session, call)
    said(session)
    kinds = [type(given_to(session, 2, str(number), "Heartbeat", {})[0]) for number in (499, 484, 483, 0)]
    assert kinds == [DuplicateCall, DuplicateCall, CallReceived, CallReceived]


# -- one at a time, one outcome each --


@given(
    version=st.sampled_from(Version),
    steps=st.lists(st.sampled_from(["call", "answer", "error", "expire", "cancel"]), max_size=40),
)
def test_f97_never_are_two_of_our_calls_unanswered_and_they_go_out_in_order(version: Version, steps: list[str]) -> None:
    session, now, asked, open_ids = csms(version), 0.0, [], []
    sent_ids: list[str] = []
    for step in steps:
        now += 1
        if step == "call":
            asked.append(clear(session, now=now, timeout=5))
        elif step == "cancel" and asked:
            session.cancel(asked[-1], now=now)
        elif step == "expire":
            now += 5
            session.handle_timeout(now=now)
            open_ids.clear()
        elif open_ids:
            message_id = open_ids.pop()
            good = [3, message_id, EMPTIED]
            session.receive_data(json.dumps(good if step == "answer" else [4, message_id, "X", "", {}]), now=now)
        new = [message[1] for message in said(session)]
        open_ids += new
        sent_ids += new
        assert len(open_ids) <= 1
    in_order = [call.message_id for call in asked if call.message_id in sent_ids]
    assert sent_ids == in_order


@every_version
def test_f96_an_answer_may_come_before_the_driver_has_sent_the_call(version: Version) -> None:
    """It has taken the text to write, and the write has not returned; or it has not even taken it."""
    session = csms(version)
    call = clear(session)
    (succeeded,) = given_to(session, 3, call.message_id, EMPTIED)
    assert isinstance(succeeded, CallSucceeded)
    assert succeeded.call is call


@every_version
def test_f96_of_an_answer_and_a_time_out_at_one_moment_the_first_that_is_told_counts(version: Version) -> None:
    session = csms(version)
    call = clear(session, timeout=5)
    (succeeded,) = given_to(session, 3, call.message_id, EMPTIED, now=5)
    session.handle_timeout(now=5)
    assert isinstance(succeeded, CallSucceeded)
    assert session.next_event() is None

    call = clear(session, now=5, timeout=5)
    session.handle_timeout(now=10)
    assert session.next_event() == CallFailed(call, CallTimedOut(5))
    assert [type(event) for event in given_to(session, 3, call.message_id, EMPTIED, now=10)] == [LateResponse]


@every_version
def test_f99_a_handler_that_never_answers_keeps_nobody_waiting(version: Version) -> None:
    session = csms(version, limits=Limits(answer_timeout=60, max_inbound_calls=1))
    (stuck,) = given_to(session, 2, "a", "Heartbeat", {})
    call = clear(session)
    assert said(session) == [[2, call.message_id, "ClearCache", {}]], "the outgoing side is not blocked"
    assert [type(event) for event in given_to(session, 3, call.message_id, EMPTIED)] == [CallSucceeded]
    session.handle_timeout(now=60)
    assert session.next_event() == CallOverdue(stuck)
    assert [each[:3] for each in said(session)] == [[4, "a", "InternalError"]]
    assert not answer(session, stuck)


# -- answers to nothing --

ANSWERS = [
    [3, "%", EMPTIED],
    [3, "%", {}],
    [3, "%"],
    [3, "%", EMPTIED, {}],
    [3, "%", []],
    [4, "%", "GenericError", "", {}],
    [4, "%", "NoSuchCode", "x" * 300, {"a": 1}],
    [4, "%", "GenericError"],
    [4, "%", "GenericError", "", [], 1],
    [4, "%", 7, None, {}],
    [5, "%", "GenericError", "", {}],
    [5, "%"],
]


@every_version
@pytest.mark.parametrize("shape", ANSWERS, ids=json.dumps)
def test_f95_f105_an_answer_that_belongs_to_nothing_resolves_nothing(version: Version, shape: list[Any]) -> None:
    """Of a foreign id, and of a CALL that has had its answer."""
    session = csms(version)
    done, waiting = clear(session), clear(session)
    given_to(session, 3, done.message_id, EMPTIED)
    said(session)
    for message_id in ("foreign", done.message_id, done.message_id):
        (event,) = given_to(session, *[message_id if element == "%" else element for element in shape])
        assert isinstance(event, PeerMisbehaved)
        # Nothing but a CALL is answered (F-102), and, in 2.0.1, a type that nobody knows (RPC-068).
        assert [each[2] for each in said(session)] == ["MessageTypeNotSupported"] * (
            version is Version.V201 and shape[0] == 5
        )
    assert session.on_wire is waiting
    (succeeded,) = given_to(session, 3, waiting.message_id, EMPTIED)
    assert succeeded.call is waiting


@every_version
@pytest.mark.parametrize(
    ("elements", "outcome"),
    [
        (["NoSuchCode", "x" * 10_000, {}], CallRefused),
        (["", "", {"a": [[]]}], CallRefused),
        (["x" * 100_000, "", {}], CallRefused),
        (["OccurenceConstraintViolation", "", {}], CallRefused),
        (["OccurrenceConstraintViolation", "", {}], CallRefused),
        (["FormationViolation", "", {}], CallRefused),
        (["FormatViolation", "", {}], CallRefused),
        ([], InvalidResponse),
        (["GenericError"], InvalidResponse),
        (["GenericError", ""], InvalidResponse),
        (["GenericError", "", {}, {}], InvalidResponse),
        (["GenericError", None, {}], InvalidResponse),
        ([1, "", {}], InvalidResponse),
        (["GenericError", "", None], InvalidResponse),
    ],
)
def test_f105_f109_whatever_an_error_says_it_ends_its_call(
    version: Version, elements: list[Any], outcome: type
) -> None:
    """Both spellings are understood, in every version; what is of no known shape as well ends the CALL it names."""
    session = csms(version)
    call, following = clear(session), clear(session)
    said(session)
    (failed,) = given_to(session, 4, call.message_id, *elements)
    assert failed.call is call
    assert isinstance(failed.error, outcome)
    if "Occur" in str(elements[:1]):
        assert failed.error.code is ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION
    elif "Form" in str(elements[:1]):
        assert failed.error.code is ErrorCode.FORMAT_VIOLATION
    assert said(session) == [[2, following.message_id, "ClearCache", {}]]


# -- errors that cannot be written --


class Explosive(str):
    """A text that does not say what it is."""

    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("surprise")


class Bottomless(dict[str, Any]):
    """Details that fail while they are looked at."""

    def keys(self) -> Any:
        raise RuntimeError("surprise")

    def __bool__(self) -> bool:
        raise RuntimeError("surprise")


UNWRITABLE: list[Any] = [Bottomless(a=1), {"a": float("nan")}, {"a": 10**5000}, {"\ud800": 1}, {"a": {1, object()}}]


@every_version
@pytest.mark.parametrize("details", UNWRITABLE, ids=["bottomless", "nan", "huge", "surrogate", "set"])
@pytest.mark.parametrize("description", ["x" * 2**20, "\ud800", "\x00\n\u202e", Explosive("x")], ids=str.__len__)
def test_f101_an_error_that_cannot_be_written_is_sent_all_the_same(
    version: Version, details: Any, description: str
) -> None:
    session = csms(version)
    (call,) = given_to(session, 2, "a", "Heartbeat", {})
    assert session.reject(call, ErrorCode.INTERNAL_ERROR, description, details, now=0)
    ((message_type, message_id, code, text, _),) = said(session)
    assert (message_type, message_id, code) == (4, "a", "InternalError")
    assert len(text) <= 255


# -- nothing is answered twice, and nothing but a CALL --

TEXTS = st.one_of(
    st.sampled_from(
        [
            '[2,"a","Heartbeat",{}]',
            '[2,"a","Heartbeat",{"x":1}]',
            '[2,"b","Reset",{}]',
            '[2,"c",1,{}]',
            '[2,"d"',
            '[6,"e","NotifyPeriodicEventStream",{}]',
            "[",
        ]
    ),
    st.sampled_from(ANSWERS).map(json.dumps),
)


@given(version=st.sampled_from(Version), text=TEXTS)
def test_f102_f108_two_ends_never_answer_each_other_for_ever(version: Version, text: str) -> None:
    """Whatever one is made to believe the other has said, within a few messages both are silent."""
    ends: list[Any] = [csms(version), ChargePointSession(version, message_ids=numbered_ids("m"))]
    ends[0].receive_data(text, now=0)
    said_in_all = 0
    for _ in range(10):
        for end, peer in (ends, reversed(ends)):
            for event in iter(end.next_event, None):
                if isinstance(event, CallReceived):
                    end.reject(event, ErrorCode.GENERIC_ERROR, now=0)
            for message in end.data_to_send():
                said_in_all += 1
                assert json.loads(message)[0] == 4
                peer.receive_data(message, now=0)
    assert said_in_all <= 1
