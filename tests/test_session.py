"""The RPC state machine, step by step. Its invariants over any history are in test_session_stateful.py."""

import itertools
import json
import math
import tracemalloc
import weakref
from datetime import UTC, datetime
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio import (
    CallCancelled,
    CallExpired,
    CallFailed,
    CallFailure,
    CallOverdue,
    CallReceived,
    CallRefused,
    CallSucceeded,
    CallTimedOut,
    CentralSystemSession,
    ChargePointSession,
    ConnectionLost,
    Direction,
    DuplicateCall,
    ErrorCode,
    InvalidMessage,
    InvalidResponse,
    LateResponse,
    Limits,
    LocalProtocolError,
    Misbehaviour,
    PeerMisbehaved,
    QueueFull,
    SessionClosed,
    Tolerance,
    Version,
    frames,
    numbered_ids,
    v16,
    v21,
    v201,
)
from ocpp_sansio.events import ResultRefused, SendReceived
from ocpp_sansio.messages import Action, Datatype, SendFromChargePoint
from tests.corpus.malformed import MALFORMED_IN

HEARTBEAT = v16.HeartbeatRequest()
NOON = "2024-05-17T12:00:00Z"


def authorize(tag: str = "TAG") -> v16.AuthorizeRequest:
    return v16.AuthorizeRequest(id_tag=tag)


def accepted() -> v16.AuthorizeResponse:
    return v16.AuthorizeResponse(id_tag_info=v16.IdTagInfo(status=v16.AuthorizationStatus.ACCEPTED))


ACCEPTED = {"idTagInfo": {"status": "Accepted"}}


def charge_point(version="1.6", **options) -> ChargePointSession:
    return ChargePointSession(version, message_ids=numbered_ids("m"), **options)


def central_system(version="1.6", **options) -> CentralSystemSession:
    return CentralSystemSession(version, message_ids=numbered_ids("m"), **options)


def sent(session) -> list:
    return [json.loads(text) for text in session.data_to_send()]


def events(session) -> list:
    return list(iter(session.next_event, None))


def receive(session, *message, now=0.0) -> list:
    """Give a session a message, as a list or as text, and return what it reports."""
    text = message[0] if len(message) == 1 else json.dumps(message)
    session.receive_data(text, now=now)
    return events(session)


# -- our CALLs --


def test_a_call_is_sent_at_once_and_its_result_is_typed():
    """RPC-030, RPC-031."""
    session = charge_point()
    call = session.call(authorize(), now=0)
    assert sent(session) == [[2, "m1", "Authorize", {"idTag": "TAG"}]]
    assert receive(session, 3, "m1", ACCEPTED) == [CallSucceeded(call, accepted())]
    assert session.next_timeout() is None


def test_one_call_at_a_time_the_others_wait_in_order():
    """RPC-050, RPC-051, F-97."""
    session = charge_point()
    calls = [session.call(authorize(tag), now=0) for tag in "ABC"]
    for number, call in enumerate(calls, 1):
        assert sent(session) == [[2, f"m{number}", "Authorize", {"idTag": "ABC"[number - 1]}]]
        assert receive(session, 3, f"m{number}", ACCEPTED) == [CallSucceeded(call, accepted())]
    assert sent(session) == []


def test_a_time_out_counts_from_sending_and_frees_the_wire():
    """RPC-054."""
    session = charge_point()
    first = session.call(authorize(), now=0, timeout=10)
    second = session.call(authorize(), now=5, timeout=10)
    sent(session)
    assert session.next_timeout() == 10
    session.handle_timeout(now=9.9)
    assert events(session) == []
    session.handle_timeout(now=10)
    assert events(session) == [CallFailed(first, CallTimedOut(10))]
    assert sent(session) == [[2, "m2", "Authorize", {"idTag": "TAG"}]]
    assert session.next_timeout() == 20
    session.handle_timeout(now=30)
    assert events(session) == [CallFailed(second, CallTimedOut(10))]
    session.handle_timeout(now=31)
    assert events(session) == []


def test_the_default_time_out_is_the_limit_and_infinity_is_for_ever():
    """RPC-055."""
    session = charge_point(limits=Limits(call_timeout=7))
    assert session.call(authorize(), now=1).timeout == 7
    assert session.next_timeout() == 8
    session = charge_point()
    session.call(authorize(), now=1, timeout=math.inf)
    assert session.next_timeout() is None


def test_a_late_answer_is_an_event_and_changes_nothing():
    """RPC-057, F-96."""
    session = charge_point()
    call = session.call(authorize(), now=0, timeout=1)
    session.handle_timeout(now=1)
    events(session)
    assert receive(session, 3, "m1", ACCEPTED, now=2) == [LateResponse(call, accepted())]
    [event] = receive(session, 3, "m1", ACCEPTED, now=3)
    assert event.reason is Misbehaviour.UNSOLICITED_ANSWER


def test_a_late_error_is_an_event_too():
    session = charge_point()
    call = session.call(authorize(), now=0, timeout=1)
    session.handle_timeout(now=1)
    events(session)
    assert receive(session, 4, "m1", "GenericError", "", {}, now=2) == [LateResponse(call, CallRefused("GenericError"))]


def test_a_cancelled_call_on_the_wire_blocks_the_next_until_it_is_answered():
    """F-11, RPC-050: cancelling is our affair, the CALL stays unanswered."""
    session = charge_point()
    first = session.call(authorize("A"), now=0)
    session.call(authorize("B"), now=0)
    sent(session)
    session.cancel(first, now=1)
    session.cancel(first, now=1)
    assert events(session) == [CallFailed(first, CallCancelled())]
    assert sent(session) == []
    assert receive(session, 3, "m1", ACCEPTED) == [LateResponse(first, accepted())]
    assert sent(session) == [[2, "m2", "Authorize", {"idTag": "B"}]]


def test_a_cancelled_call_on_the_wire_gives_way_at_its_time_out_without_a_second_outcome():
    session = charge_point()
    first = session.call(authorize("A"), now=0, timeout=10)
    session.call(authorize("B"), now=0)
    session.cancel(first, now=1)
    sent(session), events(session)
    session.handle_timeout(now=10)
    assert events(session) == []
    assert sent(session) == [[2, "m2", "Authorize", {"idTag": "B"}]]


def test_a_cancelled_call_without_a_time_out_does_not_block_for_ever():
    session = charge_point(limits=Limits(call_timeout=30))
    first = session.call(authorize("A"), now=0, timeout=math.inf)
    session.call(authorize("B"), now=0)
    session.cancel(first, now=1)
    sent(session), events(session)
    assert session.next_timeout() == 31
    session.handle_timeout(now=31)
    assert sent(session) == [[2, "m2", "Authorize", {"idTag": "B"}]]


def test_a_cancelled_call_in_the_queue_is_never_sent():
    session = charge_point()
    session.call(authorize("A"), now=0)
    second = session.call(authorize("B"), now=0)
    sent(session)
    session.cancel(second, now=1)
    assert events(session) == [CallFailed(second, CallCancelled())]
    receive(session, 3, "m1", ACCEPTED)
    assert sent(session) == []
    session.cancel(second, now=2)
    assert events(session) == []


def test_a_foreign_answer_changes_nothing():
    """RPC-066, F-95."""
    session = charge_point()
    call = session.call(authorize(), now=0)
    sent(session)
    for message in ([3, "other", {}], [4, "other", "GenericError", "", {}]):
        [event] = receive(session, *message)
        assert (event.reason, event.message_id, event.answered) == (Misbehaviour.UNSOLICITED_ANSWER, "other", None)
    assert sent(session) == []
    assert receive(session, 3, "m1", ACCEPTED) == [CallSucceeded(call, accepted())]


def test_the_peer_s_ids_are_its_own():
    """RPC-043: the peer may use an id that is pending here."""
    session = charge_point()
    call = session.call(authorize(), now=0)
    [received] = receive(session, 2, "m1", "ClearCache", {})
    assert isinstance(received, CallReceived)
    assert receive(session, 3, "m1", ACCEPTED) == [CallSucceeded(call, accepted())]
    sent(session)
    session.respond(received, v16.ClearCacheResponse(status=v16.ClearCacheStatus.ACCEPTED), now=0)
    assert sent(session) == [[3, "m1", {"status": "Accepted"}]]


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("NotImplemented", ErrorCode.NOT_IMPLEMENTED),
        ("OccurenceConstraintViolation", ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION),
        ("OccurrenceConstraintViolation", ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION),
        ("FormationViolation", ErrorCode.FORMAT_VIOLATION),
        ("FormatViolation", ErrorCode.FORMAT_VIOLATION),
        ("NoSuchThing", ErrorCode.GENERIC_ERROR),
        ("", ErrorCode.GENERIC_ERROR),
    ],
)
def test_a_callerror_refuses_the_call_whatever_its_code(code, meaning):
    """RPC-090, F-105."""
    session = charge_point()
    call = session.call(authorize(), now=0)
    [failed] = receive(session, 4, "m1", code, "x" * 300, {"a": 1})
    assert failed == CallFailed(call, CallRefused(code, "x" * 300, {"a": 1}))
    assert (failed.error.code, failed.error.code_text) == (meaning, code)


def test_an_invalid_result_fails_the_call_and_nothing_is_sent():
    """RPC-063, RPC-072."""
    session = charge_point()
    call = session.call(authorize(), now=0)
    sent(session)
    [failed] = receive(session, 3, "m1", {"idTagInfo": {"status": "Maybe"}})
    assert failed.call is call
    assert isinstance(failed.error, InvalidResponse)
    assert [violation.path for violation in failed.error.violations] == ["$.idTagInfo.status"]
    assert "Maybe" in failed.error.text
    assert sent(session) == []


def test_a_null_payload_is_an_empty_one():
    """RPC-037."""
    session = charge_point()
    call = session.call(
        v16.StatusNotificationRequest(
            connector_id=1, error_code=v16.ChargePointErrorCode.NO_ERROR, status=v16.ChargePointStatus.AVAILABLE
        ),
        now=0,
    )
    assert receive(session, 3, "m1", None) == [CallSucceeded(call, v16.StatusNotificationResponse())]
    [received] = receive(session, 2, "1", "ClearCache", None)
    assert received.request == v16.ClearCacheRequest()
    session.call(authorize(), now=0)
    [failed] = receive(session, 3, "m2", None)
    assert [violation.path for violation in failed.error.violations] == ["$.idTagInfo"]


@pytest.mark.parametrize(
    "text",
    [
        '[4,"m1","FormationViolation",""]',
        '[4,"m1","FormationViolation","",[]]',
        '[4,"m1",5,"",{}]',
        '[3,"m1"]',
        '[3,"m1",{"configurationKey":[]',
    ],
)
def test_a_malformed_answer_to_our_call_fails_it_at_once(text):
    """F-60, F-105: waiting for the time-out would tell no more. Nothing is sent (RPC-063)."""
    session = charge_point()
    call = session.call(authorize(), now=0)
    sent(session)
    [failed] = receive(session, text)
    assert failed.call is call
    assert isinstance(failed.error, InvalidResponse)
    assert failed.error.text == text
    assert sent(session) == []


def test_a_lost_connection_fails_what_has_no_outcome_and_says_whether_it_was_sent():
    """RPC-131, F-08."""
    session = charge_point()
    first, second = session.call(authorize("A"), now=0), session.call(authorize("B"), now=0)
    session.connection_lost(now=1)
    session.connection_lost(now=1)
    assert events(session) == [
        CallFailed(first, ConnectionLost(sent=True)),
        CallFailed(second, ConnectionLost(sent=False)),
    ]
    assert receive(session, 3, "m1", ACCEPTED) == []
    assert (session.data_to_send(), session.next_timeout()) == ([], None)
    with pytest.raises(SessionClosed, match=r"^the connection has ended$"):
        session.call(authorize(), now=2)
    session.cancel(second, now=2)
    assert events(session) == []


def test_a_lost_connection_gives_a_cancelled_call_no_second_outcome():
    session = charge_point()
    call = session.call(authorize(), now=0)
    session.cancel(call, now=0)
    events(session)
    session.connection_lost(now=1)
    assert events(session) == []


def test_the_queue_is_bounded_and_says_so_to_the_caller():
    """F-124: never a silent drop."""
    session = charge_point(limits=Limits(max_queued_calls=2))
    for _ in range(3):
        session.call(authorize(), now=0)
    with pytest.raises(QueueFull, match=r"^2 calls are waiting"):
        session.call(authorize(), now=0)
    assert len(sent(session)) == 1


def test_a_queue_that_is_full_is_a_failure_of_the_call_as_well_as_of_who_makes_it():
    """F-124: whoever asks meets it however well it asks."""
    assert issubclass(QueueFull, CallFailure)
    assert issubclass(QueueFull, LocalProtocolError)


def test_a_call_that_waits_is_not_sent_once_it_has_expired():
    session = charge_point()
    first = session.call(authorize("A"), now=0, timeout=100)
    late = session.call(authorize("B"), now=0, expires_in=20)
    soon = session.call(authorize("C"), now=0, expires_in=10)
    never = session.call(authorize("D"), now=0)
    assert session.next_timeout() == 10
    session.handle_timeout(now=9.9)
    assert events(session) == []
    session.handle_timeout(now=10)
    assert events(session) == [CallFailed(soon, CallExpired())]
    assert session.next_timeout() == 20
    # It need not be told that time has passed: what comes at that time frees the wire for the next one.
    assert receive(session, 3, "m1", ACCEPTED, now=20) == [
        CallSucceeded(first, accepted()),
        CallFailed(late, CallExpired()),
    ]
    assert [message[3]["idTag"] for message in sent(session)] == ["A", "D"]
    assert session.on_wire is never
    assert session.next_timeout() == 50


def test_a_call_that_has_been_sent_does_not_expire():
    session = charge_point()
    call = session.call(authorize(), now=0, expires_in=1)
    assert session.next_timeout() == 30
    session.handle_timeout(now=29)
    assert (events(session), session.on_wire) == ([], call)


def test_a_connection_that_is_lost_leaves_nothing_to_expire():
    session = charge_point()
    session.call(authorize(), now=0)
    call = session.call(authorize(), now=0, expires_in=1)
    session.connection_lost(now=0)
    assert events(session)[-1] == CallFailed(call, ConnectionLost(sent=False))
    session.handle_timeout(now=2)
    assert events(session) == []


def test_what_expires_at_once_is_a_mistake():
    for seconds in (0, -1.0, math.nan):
        with pytest.raises(ValueError, match="positive"):
            charge_point().call(authorize(), now=0, expires_in=seconds)


def test_an_invalid_request_raises_with_the_path_and_queues_nothing():
    session = charge_point()
    with pytest.raises(InvalidMessage, match=r"\$\.idTag") as caught:
        session.call(authorize("x" * 21), now=0)
    assert [violation.rule for violation in caught.value.violations] == ["maxLength"]
    assert session.data_to_send() == []
    assert session.next_timeout() is None
    session.call(authorize(), now=0)
    assert len(sent(session)) == 1


@pytest.mark.parametrize(
    "request_", [v16.ResetRequest(type=v16.ResetType.HARD), "Heartbeat", v16.HeartbeatResponse(current_time=None)]
)
def test_what_is_not_ours_to_send_is_refused(request_):
    session = charge_point()
    with pytest.raises(LocalProtocolError):
        session.call(request_, now=0)  # type: ignore[arg-type]


@pytest.mark.parametrize("timeout", [0, -1, math.nan])
def test_a_time_out_is_positive(timeout):
    with pytest.raises(ValueError, match="positive"):
        charge_point().call(HEARTBEAT, now=0, timeout=timeout)


@pytest.mark.parametrize("message_id", ["", "x" * 37])
def test_a_message_id_has_1_to_36_characters(message_id):
    """RPC-040."""
    session = ChargePointSession("1.6", message_ids=lambda: message_id)
    with pytest.raises(LocalProtocolError, match="36"):
        session.call(HEARTBEAT, now=0)


def test_an_id_that_may_still_be_answered_is_not_used_again():
    """RPC-041."""
    session = ChargePointSession("1.6", message_ids=lambda: "same")
    session.call(HEARTBEAT, now=0, timeout=1)
    for now in (0, 1):
        session.handle_timeout(now=now)
        with pytest.raises(LocalProtocolError, match=r"^the message id has been used before \(RPC-041\)$"):
            session.call(HEARTBEAT, now=now)


def test_an_id_may_be_as_short_as_can_be():
    """RPC-040."""
    session = ChargePointSession("1.6", message_ids=lambda: "1")
    assert session.call(HEARTBEAT, now=0).message_id == "1"


def test_numbered_ids_never_repeat_and_stay_short():
    """RPC-040, RPC-041."""
    ids = numbered_ids("x" * 24)
    assert [ids(), ids()] == ["x" * 24 + "1", "x" * 24 + "2"]
    with pytest.raises(ValueError, match="24"):
        numbered_ids("x" * 25)


def test_only_as_many_expired_calls_are_remembered_as_the_limit_allows():
    session = charge_point(limits=Limits(max_expired_calls=1))
    for now in (0, 10):
        session.call(authorize(), now=now, timeout=1)
        session.handle_timeout(now=now + 1)
    events(session)
    [first] = receive(session, 3, "m1", ACCEPTED, now=12)
    [second] = receive(session, 3, "m2", ACCEPTED, now=12)
    assert isinstance(first, PeerMisbehaved)
    assert isinstance(second, LateResponse)


def test_time_that_goes_backwards_is_clamped():
    """F-135."""
    session = charge_point()
    session.handle_timeout(now=100)
    session.call(authorize(), now=50, timeout=10)
    assert session.next_timeout() == 110
    session.handle_timeout(now=-1e9)
    assert events(session) == []


# -- the peer's CALLs --


def test_a_call_is_typed_and_answered_with_its_id():
    session = central_system()
    [received] = receive(session, 2, "a", "Heartbeat", {})
    assert received == CallReceived("a", "Heartbeat", HEARTBEAT)
    response = msgspec.json.decode(b'{"currentTime":"%s"}' % NOON.encode(), type=v16.HeartbeatResponse)
    session.respond(received, response, now=0)
    assert sent(session) == [[3, "a", {"currentTime": NOON}]]


def test_a_call_can_be_rejected():
    """RPC-032, RPC-091."""
    session = central_system()
    [received] = receive(session, 2, "a", "Heartbeat", {})
    assert session.reject(received, ErrorCode.FORMAT_VIOLATION, "x" * 300, {"why": [1]}, now=0)
    assert sent(session) == [[4, "a", "FormationViolation", "x" * 255, {"why": [1]}]]


@pytest.mark.parametrize(
    "details",
    [{"x": object()}, {1: {2}, "y": {object()}}, {"x": "\ud800"}, {"x": "y" * 2**20}, "no mapping"],
    ids=["an object", "a set", "a surrogate", "too long", "no mapping"],
)
def test_details_that_cannot_be_written_are_left_out(details):
    """F-101."""
    session = central_system()
    [received] = receive(session, 2, "a", "Heartbeat", {})
    session.reject(received, ErrorCode.INTERNAL_ERROR, "lone \ud800", details, now=0)
    assert sent(session) == [[4, "a", "InternalError", "lone ?", {}]]


def test_details_that_contain_themselves_are_left_out():
    """F-101."""
    details: dict = {}
    details["self"] = details
    session = central_system()
    [received] = receive(session, 2, "a", "Heartbeat", {})
    session.reject(received, ErrorCode.INTERNAL_ERROR, details=details, now=0)
    assert sent(session) == [[4, "a", "InternalError", "", {}]]


def test_a_description_that_is_no_text_is_left_out():
    """F-101."""

    class Speechless:
        def __str__(self) -> str:
            raise RuntimeError

    session = central_system()
    [received] = receive(session, 2, "a", "Heartbeat", {})
    session.reject(received, ErrorCode.INTERNAL_ERROR, Speechless(), now=0)  # type: ignore[arg-type]
    assert sent(session) == [[4, "a", "InternalError", "", {}]]


def test_calls_cross():
    """RPC-053, F-100: the peer's CALL is answered while ours is unanswered, and a handler may call."""
    session = central_system()
    [received] = receive(session, 2, "a", "Heartbeat", {})
    call = session.call(v16.ClearCacheRequest(), now=0)
    assert receive(session, 3, "m1", {"status": "Rejected"}) == [
        CallSucceeded(call, v16.ClearCacheResponse(status=v16.ClearCacheStatus.REJECTED))
    ]
    session.reject(received, ErrorCode.INTERNAL_ERROR, now=0)
    assert [message[0] for message in sent(session)] == [2, 4]


def test_answering_twice_is_a_mistake():
    session = central_system()
    [received] = receive(session, 2, "a", "Heartbeat", {})
    session.reject(received, ErrorCode.INTERNAL_ERROR, now=0)
    sent(session)
    with pytest.raises(LocalProtocolError, match="has been answered"):
        session.reject(received, ErrorCode.INTERNAL_ERROR, now=0)
    assert sent(session) == []


def test_a_response_of_another_action_is_a_mistake_and_the_call_stays_open():
    session = central_system()
    [received] = receive(session, 2, "a", "Heartbeat", {})
    with pytest.raises(LocalProtocolError, match="HeartbeatResponse"):
        session.respond(received, accepted(), now=0)
    with pytest.raises(InvalidMessage):
        session.respond(received, v16.HeartbeatResponse(current_time="noon"), now=0)
    assert sent(session) == []
    session.reject(received, ErrorCode.INTERNAL_ERROR, now=0)
    assert len(sent(session)) == 1


def test_a_call_that_is_left_unanswered_makes_room_for_the_next():
    """CP16-013."""
    session = charge_point(limits=Limits(max_inbound_calls=1, answer_timeout=60))
    [first] = receive(session, 2, "a", "ClearCache", {})
    assert receive(session, 2, "b", "ClearCache", {}) == []
    session.ignore(first, now=1)
    [second] = events(session)
    assert second.message_id == "b"
    assert session.next_timeout() == 61
    session.ignore(second, now=1)
    assert session.next_timeout() is None
    assert sent(session) == []


def test_it_cannot_be_answered_any_more_but_asked_again():
    """CP16-013, RPC-042: there is no answer that could be repeated."""
    session = charge_point()
    [received] = receive(session, 2, "a", "ClearCache", {})
    session.ignore(received, now=0)
    for act in (session.ignore, lambda call, now: session.reject(call, ErrorCode.INTERNAL_ERROR, now=now)):
        with pytest.raises(LocalProtocolError):
            act(received, now=0)
    [again] = receive(session, 2, "a", "ClearCache", {})
    assert session.respond(again, v16.ClearCacheResponse(status=v16.ClearCacheStatus.ACCEPTED), now=0)


def test_a_call_that_nobody_waits_for_may_be_left_unanswered():
    session = charge_point(limits=Limits(answer_timeout=1))
    [overdue] = receive(session, 2, "a", "ClearCache", {})
    session.handle_timeout(now=1)
    session.ignore(overdue, now=2)
    [received] = receive(session, 2, "b", "ClearCache", {}, now=2)[-1:]
    session.connection_lost(now=2)
    session.ignore(received, now=2)


def test_an_answer_that_nobody_waits_for_is_dropped():
    session = central_system()
    [received] = receive(session, 2, "a", "Heartbeat", {})
    session.connection_lost(now=0)
    assert not session.reject(received, ErrorCode.INTERNAL_ERROR, now=0)
    assert not session.respond(received, v16.HeartbeatResponse(current_time=None), now=0)
    assert sent(session) == []


def test_an_application_that_does_not_answer_is_answered_for():
    """F-99."""
    session = central_system(limits=Limits(answer_timeout=60, max_inbound_calls=1))
    [received] = receive(session, 2, "a", "Heartbeat", {}, now=0)
    assert session.next_timeout() == 60
    session.handle_timeout(now=59)
    assert sent(session) == []
    session.handle_timeout(now=60)
    assert events(session) == [CallOverdue(received)]
    assert [message[:3] for message in sent(session)] == [[4, "a", "InternalError"]]
    assert not session.respond(received, v16.HeartbeatResponse(current_time=None), now=61)
    assert sent(session) == []
    with pytest.raises(LocalProtocolError):
        session.reject(received, ErrorCode.INTERNAL_ERROR, now=61)


def test_what_was_answered_for_the_application_is_known_for_as_long_as_it_has_it():
    """F-99: it has done nothing wrong, however late it comes. A CALL may even have the id of one long ago."""
    session = central_system(limits=Limits(answer_timeout=1, max_replays=0))
    late = []
    for now in range(200):
        late += receive(session, 2, str(now % 100), "Heartbeat", {}, now=now)
        session.handle_timeout(now=now + 1)
        events(session)
    sent(session)
    for call in late:
        assert not session.reject(call, ErrorCode.INTERNAL_ERROR, now=200)
        with pytest.raises(LocalProtocolError):
            session.reject(call, ErrorCode.INTERNAL_ERROR, now=200)
    assert sent(session) == []


def test_what_the_application_has_let_go_of_is_kept_by_nobody():
    session = central_system(limits=Limits(answer_timeout=1))
    for now in range(200):
        known = weakref.ref(receive(session, 2, str(now), "Heartbeat", {}, now=now)[0])
        session.handle_timeout(now=now + 1)
        assert isinstance(events(session)[0].call, CallReceived)
        assert known() is None
        assert len(session._theirs._overdue) == 1


def test_all_time_can_pass_at_once():
    session = central_system()
    receive(session, 2, "a", "Heartbeat", {})
    session.call(v16.ClearCacheRequest(), now=0)
    session.handle_timeout(now=math.inf)
    assert session.next_timeout() is None
    session.handle_timeout(now=math.inf)


def test_without_an_answer_time_out_a_call_stays_open():
    session = central_system(limits=Limits(answer_timeout=None))
    receive(session, 2, "a", "Heartbeat", {}, now=0)
    assert session.next_timeout() is None
    session.handle_timeout(now=1e9)
    assert sent(session) == []


def test_a_repeated_call_in_progress_is_not_run_twice():
    """RPC-067, F-94."""
    session = central_system()
    [received] = receive(session, 2, "a", "Heartbeat", {})
    assert receive(session, 2, "a", "Heartbeat", {}) == [DuplicateCall("a", "Heartbeat", replayed=False)]
    session.reject(received, ErrorCode.INTERNAL_ERROR, now=0)
    assert len(sent(session)) == 1


def test_a_call_in_progress_is_not_repeated_for_ever():
    session = central_system(limits=Limits(max_bad_messages=3))
    receive(session, 2, "a", "Heartbeat", {})
    for _ in range(3):
        receive(session, 2, "a", "Heartbeat", {})
        assert session.must_close is None
    receive(session, 2, "a", "Heartbeat", {})
    assert session.must_close == 1008


class Oddity(Datatype, kw_only=True):
    names: dict[str, str]


class OddSend(SendFromChargePoint, kw_only=True):
    oddity: Oddity


def test_a_payload_that_cannot_be_judged_is_refused_before_a_peer_can_send_it():
    with pytest.raises(TypeError, match="dict"):
        central_system("2.1", actions=v21.ACTIONS.extended(Action("Odd", OddSend)))


def test_a_repeated_call_gets_the_same_answer_again():
    """RPC-042, F-94."""
    session = central_system()
    [received] = receive(session, 2, "a", "Heartbeat", {})
    session.reject(received, ErrorCode.INTERNAL_ERROR, "once", now=0)
    answer = sent(session)
    assert receive(session, 2, "a", "Heartbeat", {}) == [DuplicateCall("a", "Heartbeat", replayed=True)]
    assert sent(session) == answer


def test_a_peer_that_repeats_itself_for_ever_is_cut_off():
    """F-94: each repetition costs it less than the answer costs us."""
    session = central_system(limits=Limits(max_bad_messages=3))
    [received] = receive(session, 2, "a", "Heartbeat", {})
    session.reject(received, ErrorCode.INTERNAL_ERROR, now=0)
    sent(session)
    while session.must_close is None:
        receive(session, 2, "a", "Heartbeat", {})
    assert len(sent(session)) == 4


@pytest.mark.parametrize("other", [("Authorize", {"idTag": "X"}), ("Heartbeat", {"x": 1})])
def test_an_id_used_for_another_call_is_refused(other):
    """F-93."""
    session = central_system()
    [received] = receive(session, 2, "a", "Heartbeat", {})
    session.reject(received, ErrorCode.INTERNAL_ERROR, now=0)
    sent(session)
    [event] = receive(session, 2, "a", *other)
    assert event.reason is Misbehaviour.MESSAGE_ID_REUSED
    assert [message[:3] for message in sent(session)] == [[4, "a", "FormationViolation"]]


def test_only_the_last_answers_are_kept():
    """F-93: bounded."""
    session = central_system(limits=Limits(max_replays=2))
    for message_id in "abc":
        [received] = receive(session, 2, message_id, "Heartbeat", {})
        session.reject(received, ErrorCode.INTERNAL_ERROR, now=0)
    again = [receive(session, 2, message_id, "Heartbeat", {})[0] for message_id in "bca"]
    assert [type(event) for event in again] == [DuplicateCall, DuplicateCall, CallReceived]


def test_a_pipelining_peer_is_served_in_order_and_reading_stops():
    """F-98."""
    session = central_system(limits=Limits(max_inbound_calls=2))
    for number in range(5):
        session.receive_data(json.dumps([2, str(number), "Heartbeat", {}]), now=0)
    assert session.reading_paused
    call = session.call(v16.ClearCacheRequest(), now=0)
    assert not session.reading_paused, "the answer to our CALL is yet to be read"
    session.receive_data(json.dumps([3, call.message_id, {"status": "Accepted"}]), now=0)
    assert session.reading_paused
    sent(session)
    served = []
    while (event := session.next_event()) is not None:
        if isinstance(event, CallReceived):
            served.append(event.message_id)
            session.reject(event, ErrorCode.INTERNAL_ERROR, now=0)
    assert served == list("01234")
    assert not session.reading_paused
    assert [message[1] for message in sent(session)] == list("01234")


def test_a_peer_that_pipelines_without_end_is_cut_off():
    """F-98: held CALLs are bounded in bytes."""
    session = central_system(limits=Limits(max_inbound_calls=1, max_message_size=1000))
    for number in itertools.count():
        session.receive_data(json.dumps([2, str(number), "Heartbeat", {}]), now=0)
        if session.must_close is not None:
            break
    assert session.must_close == 1008
    assert number < 100
    assert [event.reason for event in events(session) if isinstance(event, PeerMisbehaved)] == [
        Misbehaviour.TOO_MANY_CALLS
    ]


def test_no_more_calls_are_held_than_the_limit_allows():
    """F-98: an answer may be large however short its CALL is."""
    session = central_system(limits=Limits(max_inbound_calls=1, max_held_calls=3))
    for number in range(5):
        assert session.must_close is None
        session.receive_data(json.dumps([2, str(number), "Heartbeat", {}]), now=0)
    assert session.must_close == 1008
    *_, event = events(session)
    assert (event.reason, event.message_id) == (Misbehaviour.TOO_MANY_CALLS, "4")


@pytest.mark.parametrize("excess", [0, 1])
def test_calls_are_held_up_to_the_size_of_one_message_time_after_time(excess):
    """F-98: what has been let go of makes room again."""
    text = '[2,"{}","Heartbeat",{{}}]'
    limits = Limits(max_inbound_calls=1, max_replays=0, max_message_size=2 * len(text.format(0)) - excess)
    session = central_system(limits=limits)
    for _ in range(3):
        for message_id in range(3):
            session.receive_data(text.format(message_id), now=0)
        assert session.must_close == (1008 if excess else None)
        while isinstance(event := session.next_event(), CallReceived):
            session.reject(event, ErrorCode.INTERNAL_ERROR, now=0)


def test_answers_pass_held_calls():
    """A handler that waits for the answer to its own CALL gets it, however many CALLs are held."""
    session = central_system(limits=Limits(max_inbound_calls=1))
    receive(session, 2, "a", "Heartbeat", {})
    receive(session, 2, "b", "Heartbeat", {})
    call = session.call(v16.ClearCacheRequest(), now=0)
    [event] = receive(session, 3, "m1", {"status": "Accepted"})
    assert event.call is call


# -- what a peer can do wrong --


def test_an_invalid_call_is_answered_with_every_violation():
    """RPC-060, RPC-074, RPC-092."""
    session = central_system()
    text = json.dumps(
        [2, "a", "StartTransaction", {"connectorId": "1", "idTag": "x" * 21, "extra": 1, "timestamp": NOON}]
    )
    [event] = receive(session, text)
    assert event.reason is Misbehaviour.INVALID_PAYLOAD
    assert (event.message_id, event.text, event.answered) == ("a", text, ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION)
    paths = {"$.connectorId", "$.idTag", "$.extra", "$.meterStart"}
    assert {violation.path for violation in event.violations} == paths
    [[_, message_id, code, description, details]] = sent(session)
    assert (message_id, code) == ("a", "OccurenceConstraintViolation")
    assert description.startswith("$.meterStart: ")
    assert details["violations"] == [
        {"path": each.path, "rule": each.rule, "code": each.code.spelling(Version.V16), "message": each.message}
        for each in event.violations
    ]
    assert "x" * 21 not in json.dumps(details)


def test_a_callerror_lists_violations_up_to_the_limit():
    session = central_system(limits=Limits(max_reported_violations=1))
    receive(session, 2, "a", "StartTransaction", {})
    [[*_, details]] = sent(session)
    assert len(details["violations"]) == 1
    assert details["more"] == 3
    session = central_system(limits=Limits(max_reported_violations=4))
    receive(session, 2, "a", "StartTransaction", {})
    [[*_, details]] = sent(session)
    assert len(details["violations"]) == 4
    assert "more" not in details


@pytest.mark.parametrize("action", ["heartbeat", "../Heartbeat", "", "GetVariables"])
def test_an_unknown_action_is_not_implemented(action):
    """RPC-036, RPC-070, F-104."""
    session = central_system()
    [event] = receive(session, 2, "a", action, {})
    assert event.reason is Misbehaviour.UNKNOWN_ACTION
    assert [message[:3] for message in sent(session)] == [[4, "a", "NotImplemented"]]


def test_an_action_from_the_wrong_side_is_not_supported():
    """RPC-070, F-104."""
    session = central_system()
    [event] = receive(session, 2, "a", "Reset", {"type": "Hard"})
    assert event.reason is Misbehaviour.WRONG_DIRECTION
    assert [message[:3] for message in sent(session)] == [[4, "a", "NotSupported"]]


def test_nothing_but_a_call_is_answered():
    """RPC-063, F-102."""
    session = central_system()
    for text in (
        '[3,"a"]',
        '[3,"a",',
        '[4,"a"]',
        '[4,"a","x","",{}]',
        '[3,"a",{}]',
        '[5,"a","x","",{}]',
        '[6,"a","x",{}]',
        '[7,"a",',
    ):
        assert receive(session, text)
        assert sent(session) == [], text


def test_what_an_event_quotes_is_bounded():
    """F-60, F-69."""
    session = central_system(limits=Limits(max_reported_text=10))
    [event] = receive(session, "é" * 100)
    assert event.text == "é" * 10
    session.receive_data(("é" * 100).encode(), now=0)
    assert session.next_event().text == "é" * 10


def test_too_many_unusable_messages_in_a_row_end_the_connection():
    session = central_system(limits=Limits(max_bad_messages=3))
    for _ in range(3):
        receive(session, "x", now=0)
    assert session.must_close is None
    assert [(event.reason, event.text) for event in receive(session, "x", now=0)] == [
        (Misbehaviour.NOT_JSON, "x"),
        (Misbehaviour.TOO_MANY_BAD_MESSAGES, ""),
    ]
    assert session.must_close == 1008
    assert receive(session, 2, "a", "Heartbeat", {}) == []


def test_an_answer_forgives_all_unusable_messages():
    session = central_system(limits=Limits(max_bad_messages=2))
    for number in range(1, 4):
        session.call(v16.ClearCacheRequest(), now=0)
        receive(session, "x")
        receive(session, "x")
        receive(session, 3, f"m{number}", {"status": "Accepted"})
    assert session.must_close is None


def test_a_usable_message_or_time_forgives_unusable_ones():
    session = central_system(limits=Limits(max_bad_messages=1))
    for number in range(5):
        receive(session, "x")
        receive(session, 2, str(number), "Heartbeat", {})
    for minute in range(1, 5):
        receive(session, "x", now=minute * 61)
    assert session.must_close is None


@pytest.mark.parametrize(
    ("messages", "description"),
    [
        ([[3, "x", {}]], "the answer belongs to no CALL of ours"),
        ([[5, "x", "InternalError", "", {}]], "the refused response is none of ours"),
        ([[2, each, "Heartbeat", {}] for each in "abc"], "too many CALLs are waiting"),
        ([[4, "x", "InternalError", "", []]], "the error details of a CALLERROR are a JSON object, not too deep"),
        ([[5, "x", "InternalError", "", []]], "the error details of a CALLRESULTERROR are a JSON object, not too deep"),
        ([["x"]] * 3, "more than 2 in a row"),
        ([[2, "a", "Nonsense", {}]], "OCPP 2.1 has no such action"),
        ([[6, "a", "Heartbeat", {}]], "a charge point does not send this in a SEND"),
    ],
)
def test_an_event_says_in_a_sentence_what_was_wrong(messages, description):
    session = central_system("2.1", limits=Limits(max_inbound_calls=1, max_held_calls=1, max_bad_messages=2))
    for message in messages:
        *_, event = [None, *receive(session, *message)]
    assert (event.description, event.message_id) == (description, message[1] if len(message) > 1 else None)
    assert (event.reason is Misbehaviour.NOT_A_FRAME) == ("JSON object" in description)


def test_an_answer_says_in_a_sentence_why_it_is_none():
    """RPC-091: an errorDescription is for whoever reads the log at the other end."""
    session = central_system(limits=Limits(answer_timeout=1))
    receive(session, 2, "a", "Heartbeat", {})
    session.handle_timeout(now=1)
    receive(session, 2, "a", "Heartbeat", {"x": 1}, now=1)
    assert [message[3] for message in sent(session)] == [
        "no answer in time",
        "the message id has been used for another CALL",
    ]


def test_unusable_messages_count_together_for_a_minute():
    session = central_system(limits=Limits(max_bad_messages=2))
    receive(session, "x", now=0)
    receive(session, 2, "a", "Heartbeat", {}, now=0)
    for now in (10, 20, 71, 131):  # the minute starts again with the first after a usable one, and after each minute
        receive(session, "x", now=now)
        assert session.must_close is None
    receive(session, "x", now=131)
    assert session.must_close == 1008


@pytest.mark.parametrize("excess", [0, 1])
def test_details_may_take_what_a_message_may_without_its_head(excess):
    """F-101, RPC-091: the longest id, code and description fit in what is left."""
    session = central_system(limits=Limits(max_message_size=5000))
    [received] = receive(session, 2, "\U0001f50c" * 36, "Heartbeat", {})
    details = {"x": "y" * (5000 - 4096 - len('{"x":""}') + excess)}
    session.reject(received, ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION, "\x01" * 300, details, now=0)
    [text] = session.data_to_send()
    assert json.loads(text)[4] == ({} if excess else details)
    assert len(text.encode()) <= 5000


def test_bytes_that_are_no_characters_are_shown_as_such():
    """F-69: to a tap and in an event; of a text that may be of any kind, nothing may raise."""
    seen = []
    session = central_system(limits=Limits(max_reported_text=3), tap=lambda *what: seen.append(what))
    session.receive_data(b"\xff" + "\U0001f50c".encode() * 3, now=1)
    assert seen == [(Direction.IN, "\ufffd" + "\U0001f50c" * 3, 1)]
    assert session.next_event().text == "\ufffd" + "\U0001f50c" * 2
    session.receive_data("\U0001f50c".encode() * 4, now=1)
    assert session.next_event().text == "\U0001f50c" * 3


def test_more_is_told_apart_before_much_of_a_kind_is_told_at_once():
    """F-95: what has not been taken is bounded; whoever takes it sees each."""
    session = central_system()
    for number in range(101):
        session.receive_data(json.dumps([3, str(number), {}]), now=0)
    assert [event.times for event in events(session)] == [1] * 99 + [2]


def test_unsolicited_answers_leave_nothing_behind():
    """F-95: memory stays flat, and the next CALL is served."""
    session = central_system()

    def flood() -> int:
        for number in range(3000):
            receive(session, 3, str(number), {})
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        assert flood() - flood() > -4096
    finally:
        tracemalloc.stop()
    assert session.must_close is None
    [received] = receive(session, 2, "a", "Heartbeat", {})
    assert isinstance(received, CallReceived)


def test_a_flood_at_once_is_told_in_few_words_f_95():
    """F-95: nobody has taken an event meanwhile; of each kind the first is told, and how many there were."""
    session = central_system()
    for number in range(1000):
        session.receive_data(json.dumps([3, str(number), {}]), now=0.0)
    session.receive_data('[2,"a","Heartbeat",{}]', now=0.0)
    for number in range(1000):
        session.receive_data(json.dumps([2, f"c{number}", "Nonsense", {}]), now=0.0)
    session.receive_data(json.dumps([3, "last", {}]), now=0.0)
    *single, flood, call, unknown, last = events(session)
    assert [(event.message_id, event.times) for event in single] == [(str(number), 1) for number in range(99)]
    assert (flood.message_id, flood.times) == ("99", 901)
    assert isinstance(call, CallReceived)
    assert (unknown.reason, unknown.message_id, unknown.times) == (Misbehaviour.UNKNOWN_ACTION, "c0", 1000)
    assert (last.message_id, last.times) == ("last", 1)
    assert len(session.bytes_to_send()) == 1000


# -- SEND (2.1) --

STREAM = {"data": [{"t": 0.5, "v": "1"}], "id": 1, "pending": 0, "basetime": NOON}


def stream(pending: int = 0) -> v21.NotifyPeriodicEventStream:
    data = [v21.StreamDataElement(t=0.5, v="1")]
    basetime = datetime(2024, 5, 17, 12, tzinfo=UTC)
    return v21.NotifyPeriodicEventStream(data=data, id=1, pending=pending, basetime=basetime)


def test_a_send_waits_for_no_call_and_no_call_for_a_send():
    """RPC-034, RPC-056, F-97."""
    session = charge_point("2.1")
    session.send(stream(), now=0)
    first, second = (session.call(v21.HeartbeatRequest(), now=0) for _ in range(2))
    session.send(stream(pending=1), now=0)
    assert sent(session) == [
        [6, "m1", "NotifyPeriodicEventStream", STREAM],
        [2, "m2", "Heartbeat", {}],
        [6, "m4", "NotifyPeriodicEventStream", STREAM | {"pending": 1}],
    ]
    assert receive(session, 3, "m2", {"currentTime": NOON})[0].call is first
    session.send(stream(), now=0)
    assert [message[:2] for message in sent(session)] == [[2, "m3"], [6, "m5"]]
    assert receive(session, 3, "m3", {"currentTime": NOON})[0].call is second
    assert session.next_timeout() is None


def test_a_send_is_typed_and_nothing_answers_it():
    """RPC-063, F-108: nor is one that comes again a repetition of anything."""
    session = central_system("2.1")
    for _ in range(2):
        assert receive(session, 6, "a", "NotifyPeriodicEventStream", STREAM) == [
            SendReceived("a", "NotifyPeriodicEventStream", stream())
        ]
    assert (sent(session), session.next_timeout()) == ([], None)


def test_a_send_passes_calls_that_the_application_has_no_time_for():
    """RPC-056."""
    session = central_system("2.1", limits=Limits(max_inbound_calls=1))
    for message_id in "abc":
        receive(session, 2, message_id, "Heartbeat", {})
    assert [type(event) for event in receive(session, 6, "d", "NotifyPeriodicEventStream", STREAM)] == [SendReceived]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[6,"a","NoSuchAction",{}]', Misbehaviour.UNKNOWN_ACTION),
        ('[6,"a","notifyPeriodicEventStream",{}]', Misbehaviour.UNKNOWN_ACTION),
        ('[6,"a","Heartbeat",{}]', Misbehaviour.WRONG_DIRECTION),
        ('[6,"a","Reset",{"type":"Immediate"}]', Misbehaviour.WRONG_DIRECTION),
        ('[6,"a","NotifyPeriodicEventStream",{}]', Misbehaviour.INVALID_PAYLOAD),
        ('[6,"a","NotifyPeriodicEventStream",null]', Misbehaviour.INVALID_PAYLOAD),
        ('[6,"a","NotifyPeriodicEventStream",[]]', Misbehaviour.INVALID_PAYLOAD),
        ('[6,"a","NotifyPeriodicEventStream"]', Misbehaviour.NOT_A_FRAME),
        ('[6,"a","NotifyPeriodicEventStream",{},{}]', Misbehaviour.NOT_A_FRAME),
        ('[6,"a",{},{}]', Misbehaviour.NOT_A_FRAME),
        ('[6,"a"]', Misbehaviour.NOT_A_FRAME),
        ("[6]", Misbehaviour.NOT_A_FRAME),
        ('[6,1,"NotifyPeriodicEventStream",{}]', Misbehaviour.BAD_MESSAGE_ID),
        ('[6,"","NotifyPeriodicEventStream",{}]', Misbehaviour.BAD_MESSAGE_ID),
        (f'[6,"{"x" * 37}","NotifyPeriodicEventStream",{{}}]', Misbehaviour.BAD_MESSAGE_ID),
        ('[6,"a","NotifyPeriodicEventStream",{"data":[', Misbehaviour.NOT_JSON),
        ('[6,"a","NotifyPeriodicEventStream",{}]]', Misbehaviour.NOT_JSON),
    ],
)
def test_nothing_answers_a_send_whatever_is_wrong_with_it(text, reason):
    """RPC-063, F-108."""
    session = central_system("2.1")
    [event] = receive(session, text)
    assert (event.reason, event.answered, event.text) == (reason, None, text)
    assert sent(session) == []


def test_a_charge_point_is_sent_no_send():
    """RPC-034: the one there is goes the other way."""
    session = charge_point("2.1")
    [event] = receive(session, 6, "a", "NotifyPeriodicEventStream", STREAM)
    assert (event.reason, event.message_id) == (Misbehaviour.WRONG_DIRECTION, "a")
    assert sent(session) == []


def test_an_invalid_send_is_told_with_every_violation():
    session = central_system("2.1")
    [event] = receive(session, 6, "a", "NotifyPeriodicEventStream", STREAM | {"id": -1, "data": [], "surplus": 1})
    assert {(violation.path, violation.rule) for violation in event.violations} == {
        ("$.id", "minimum"),
        ("$.data", "minItems"),
        ("$.surplus", "additionalProperties"),
    }
    assert event.message_id == "a"
    assert event.description.startswith("$.id: ")


@pytest.mark.parametrize(("version", "answer"), [("1.6", []), ("2.0.1", [[4, "a", "MessageTypeNotSupported"]])])
def test_before_2_1_a_send_is_of_an_unknown_type(version, answer):
    """RPC-068, RPC-069."""
    session = central_system(version)
    [event] = receive(session, 6, "a", "NotifyPeriodicEventStream", STREAM)
    assert event.reason is Misbehaviour.UNKNOWN_MESSAGE_TYPE
    assert [message[:3] for message in sent(session)] == answer
    assert [type(event) for event in receive(session, '[6,"a","NotifyPeriodicEventStream",{')] == [PeerMisbehaved]
    assert sent(session) == []


def test_a_send_keeps_the_session_open_like_any_other_usable_message():
    session = central_system("2.1", limits=Limits(max_bad_messages=1))
    for _ in range(5):
        receive(session, "x")
        receive(session, 6, "a", "NotifyPeriodicEventStream", STREAM)
    assert session.must_close is None


@pytest.mark.parametrize("answer", [[3, "m1", {}], [4, "m1", "InternalError", "", {}], [5, "m1", "x", "", {}]])
def test_an_answer_to_a_send_belongs_to_nothing(answer):
    """RPC-066."""
    session = charge_point("2.1")
    session.send(stream(), now=0)
    sent(session)
    [event] = receive(session, *answer)
    assert event.reason is Misbehaviour.UNSOLICITED_ANSWER
    assert sent(session) == []


@pytest.mark.parametrize(
    ("version", "message", "why"),
    [
        ("2.1", v21.HeartbeatRequest(), "sent in a CALL"),
        ("2.1", v21.ResetRequest(type=v21.Reset.IMMEDIATE), "does not send"),
        ("2.1", v201.HeartbeatRequest(), "not a request of OCPP 2.1"),
        ("2.0.1", stream(), "not a request of OCPP 2.0.1"),
        ("1.6", stream(), "not a request of OCPP 1.6"),
        ("2.1", v21.StreamDataElement(t=0, v="1"), "not a request"),
    ],
)
def test_what_belongs_in_no_send_is_refused(version, message, why):
    session = charge_point(version)
    with pytest.raises(LocalProtocolError, match=why):
        session.send(message, now=0)
    assert session.data_to_send() == []


def test_an_invalid_send_raises_with_the_path_and_sends_nothing():
    session = charge_point("2.1")
    with pytest.raises(InvalidMessage, match=r"\$\.pending"):
        session.send(stream(pending=-1), now=0)
    assert session.data_to_send() == []


def test_after_the_end_nothing_is_sent():
    session = charge_point("2.1")
    session.send(stream(), now=0)
    session.connection_lost(now=0)
    with pytest.raises(SessionClosed):
        session.send(stream(), now=0)
    assert session.data_to_send() == []


def test_the_id_of_a_send_is_new_as_well():
    """RPC-041."""
    session = ChargePointSession("2.1", message_ids=lambda: "same")
    session.call(v21.HeartbeatRequest(), now=0)
    with pytest.raises(LocalProtocolError, match="used before"):
        session.send(stream(), now=0)


def test_what_is_sent_without_an_answer_is_no_call():
    """RPC-034, RPC-070."""
    with pytest.raises(LocalProtocolError, match="not sent in a CALL"):
        charge_point("2.1").call(stream(), now=0)
    session = central_system("2.1")
    [event] = receive(session, 2, "a", "NotifyPeriodicEventStream", STREAM)
    assert event.description == "a charge point does not send this in a CALL"
    assert [message[:3] for message in sent(session)] == [[4, "a", "NotSupported"]]


# -- CALLRESULTERROR (2.1) --

INVALID_RESULTS = [
    ('[3,"m1",{"status":"Maybe"}]', "PropertyConstraintViolation", "$.status"),
    ('[3,"m1",{}]', "OccurrenceConstraintViolation", "$.status"),
    ('[3,"m1",{"status":1}]', "TypeConstraintViolation", "$.status"),
    ('[3,"m1",{"status":"Accepted","surplus":1}]', "FormatViolation", "$.surplus"),
    ('[3,"m1",[]]', "FormatViolation", "$"),
    ('[3,"m1",null]', "FormatViolation", "$"),
    ('[3,"m1"]', "RpcFrameworkError", "$"),
    ('[3,"m1",{"status":"Accepted"},{}]', "RpcFrameworkError", "$"),
    ('[3,"m1",{"status":"Accepted"', "RpcFrameworkError", "$"),
]
invalid_results = pytest.mark.parametrize(("text", "code", "path"), INVALID_RESULTS)


@invalid_results
def test_an_invalid_result_is_refused_once_and_before_anything_else_is_sent(text, code, path):
    """RPC-033, RPC-072."""
    session = central_system("2.1")
    call, _ = (session.call(v21.ClearCacheRequest(), now=0) for _ in range(2))
    sent(session)
    [failed] = receive(session, text)
    assert failed.call is call
    assert [violation.path for violation in failed.error.violations] == [path]
    refusal, following = sent(session)
    assert refusal[:3] == [5, "m1", code]
    assert refusal[3].startswith(f"{path}: ")
    assert [(each["path"], each["code"]) for each in refusal[4]["violations"]] == [(path, code)]
    assert following == [2, "m2", "ClearCache", {}]

    [event] = receive(session, text)
    assert event.reason in (Misbehaviour.UNSOLICITED_ANSWER, Misbehaviour.NOT_A_FRAME, Misbehaviour.NOT_JSON)
    assert sent(session) == []


@invalid_results
def test_an_invalid_result_that_comes_late_is_refused_as_well(text, code, path):
    """RPC-057, RPC-072: it was wrong all the same. The outcome stands."""
    session = central_system("2.1")
    call = session.call(v21.ClearCacheRequest(), now=0, timeout=1)
    session.handle_timeout(now=1)
    session.call(v21.ClearCacheRequest(), now=1)
    sent(session), events(session)
    [late] = receive(session, text, now=2)
    assert (type(late), late.call) == (LateResponse, call)
    assert [violation.path for violation in late.answer.violations] == [path]
    assert [message[:3] for message in sent(session)] == [[5, "m1", code]]


@invalid_results
def test_an_invalid_result_of_a_cancelled_call_is_refused_as_well(text, code, path):
    session = central_system("2.1")
    call = session.call(v21.ClearCacheRequest(), now=0)
    session.cancel(call, now=0)
    sent(session), events(session)
    assert [type(event) for event in receive(session, text)] == [LateResponse]
    assert [message[:3] for message in sent(session)] == [[5, "m1", code]]


@invalid_results
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_before_2_1_an_invalid_result_is_nobody_s_business_but_the_caller_s(version, text, code, path):
    """RPC-072."""
    session = central_system(version)
    session.call({"1.6": v16, "2.0.1": v201}[version].ClearCacheRequest(), now=0)
    sent(session)
    assert [type(event) for event in receive(session, text)] == [CallFailed]
    assert sent(session) == []


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ('[3,"m1",{"status":"Accepted"}]', CallSucceeded),
        ('[4,"m1","NoSuchCode","",{}]', CallFailed),
        ('[4,"m1","InternalError","",[]]', CallFailed),
        ('[4,"m1","InternalError"]', CallFailed),
        ('[4,"m1",1,"",{}]', CallFailed),
        ('[4,"m1","InternalError","",{', CallFailed),
        ('[3,"other",{"status":"Maybe"}]', PeerMisbehaved),
        ('[3,"other"]', PeerMisbehaved),
        ('[3,"other",{', PeerMisbehaved),
        ('[3,1,{"status":"Maybe"}]', PeerMisbehaved),
        ('[5,"m1","InternalError","",{}]', PeerMisbehaved),
        ('[5,"m1","InternalError"]', PeerMisbehaved),
        ('[5,"m1","InternalError","",{', PeerMisbehaved),
    ],
)
def test_nothing_but_an_invalid_result_of_our_call_is_refused(text, outcome):
    """RPC-063, RPC-066, RPC-073, F-102. A CALLRESULTERROR is no answer to the CALL that has its id (RPC-043)."""
    session = central_system("2.1")
    call = session.call(v21.ClearCacheRequest(), now=0)
    sent(session)
    assert [type(event) for event in receive(session, text)] == [outcome]
    assert sent(session) == []
    if outcome is PeerMisbehaved:
        assert [event.call for event in receive(session, 3, "m1", {"status": "Accepted"})] == [call]


def test_a_refusal_lists_violations_up_to_the_limit():
    session = central_system("2.1", limits=Limits(max_reported_violations=1))
    session.call(v21.ClearCacheRequest(), now=0)
    sent(session)
    receive(session, 3, "m1", {"a": 1, "b": 2})
    [[*_, details]] = sent(session)
    assert (len(details["violations"]), details["more"]) == (1, 2)


def answered(session, message_id: str = "a") -> CallReceived:
    """A CALL that the session has answered with a response."""
    [received] = receive(session, 2, message_id, "Heartbeat", {})
    session.respond(received, v21.HeartbeatResponse(current_time=datetime(2024, 5, 17, 12, tzinfo=UTC)), now=0)
    sent(session)
    return received


def test_a_refused_response_is_told_with_the_call_it_answered():
    """RPC-033, RPC-073: and with what the peer says about it, whatever its code (RPC-090)."""
    session = central_system("2.1")
    call = answered(session)
    assert receive(session, 5, "a", "NoSuchCode", "x" * 300, {"why": [1]}) == [
        ResultRefused(call, CallRefused("NoSuchCode", "x" * 300, {"why": [1]}))
    ]
    assert sent(session) == []


def test_a_refused_response_is_told_once():
    """F-102: whoever is told may have something to do."""
    session = central_system("2.1")
    call = answered(session)
    refusal = 5, "a", "FormatViolation", "", {}
    assert receive(session, *refusal) == [ResultRefused(call, CallRefused("FormatViolation"))]
    assert receive(session, 2, "a", "Heartbeat", {}) == [DuplicateCall("a", "Heartbeat", replayed=True)]
    assert [event.reason for event in receive(session, *refusal)] == [Misbehaviour.UNSOLICITED_ANSWER]


@pytest.mark.parametrize(("size", "kept"), [(1250, True), (1251, False)])
def test_calls_are_kept_for_a_refusal_of_their_answer_within_the_size_of_one_message(size, kept):
    session = central_system("2.1", limits=Limits(max_message_size=5000, max_replays=4))
    text = '[2,"a","DataTransfer",{"vendorId":"V","data":"%s"}]'
    [call] = receive(session, text % ("x" * (size - len(text % ""))))
    session.respond(call, v21.DataTransferResponse(status=v21.DataTransferStatus.ACCEPTED), now=0)
    sent(session)
    [event] = receive(session, 5, "a", "InternalError", "", {})
    assert isinstance(event, ResultRefused) is kept


@pytest.mark.parametrize(
    "text",
    [
        '[5,"b","InternalError","",{}]',
        '[5,"open","InternalError","",{}]',
        '[5,"rejected","InternalError","",{}]',
        '[5,"overdue","InternalError","",{}]',
        '[5,"forgotten","InternalError","",{}]',
        '[5,"a","InternalError","",[]]',
        '[5,"a","InternalError","",null]',
        '[5,"a","InternalError","",{"a":' + "[" * 40 + "]" * 40 + "}]",
        '[5,"a",1,"",{}]',
        '[5,"a","InternalError","",{},1]',
        '[5,"a","InternalError"]',
        '[5,"a"',
        '[5,1,"InternalError","",{}]',
    ],
)
def test_a_refusal_of_what_was_no_response_or_that_is_no_message_is_ignored(text):
    """RPC-073, F-95, F-102."""
    session = central_system("2.1", limits=Limits(max_replays=3, answer_timeout=60))
    answered(session, "forgotten")
    receive(session, 2, "overdue", "Heartbeat", {})
    session.handle_timeout(now=60)
    events(session)
    [rejected] = receive(session, 2, "rejected", "Heartbeat", {}, now=60)
    session.reject(rejected, ErrorCode.INTERNAL_ERROR, now=60)
    answered(session)
    receive(session, 2, "open", "Heartbeat", {}, now=60)
    sent(session)
    assert [type(event) for event in receive(session, text, now=60)] == [PeerMisbehaved]
    assert sent(session) == []


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_before_2_1_no_response_is_refused(version):
    session = central_system(version)
    [received] = receive(session, 2, "a", "Heartbeat", {})
    response = {"1.6": v16, "2.0.1": v201}[version].HeartbeatResponse(current_time=datetime(2024, 5, 17, tzinfo=UTC))
    session.respond(received, response, now=0)
    [event] = receive(session, 5, "a", "InternalError", "", {})
    assert event.reason is Misbehaviour.UNKNOWN_MESSAGE_TYPE


@pytest.mark.parametrize(
    "text",
    [text for text, _, _ in INVALID_RESULTS]
    + ['[4,"m1","x","",[]]', '[5,"m1","x","",{}]', '[5,"m1","x"]', '[6,"m1","x",{}]', '[2,"m1","Heartbeat",[]]', "[2"],
)
def test_two_ends_never_answer_each_other_for_ever(text):
    """F-102: whatever one is made to believe the other has said, they fall silent."""
    station, csms = charge_point("2.1"), central_system("2.1")
    csms.call(v21.ClearCacheRequest(), now=0)
    station.call(v21.HeartbeatRequest(), now=0)
    csms.receive_data(text, now=0)
    said = []
    for _ in range(10):
        for end, peer in ((csms, station), (station, csms)):
            for message in end.data_to_send():
                said.append(json.loads(message)[0])
                peer.receive_data(message, now=0)
            for event in events(peer):
                if isinstance(event, CallReceived):
                    peer.reject(event, ErrorCode.INTERNAL_ERROR, now=0)
    assert station.data_to_send() == csms.data_to_send() == []
    assert len(said) <= 5  # two CALLs, their two answers, and one word about the text


@pytest.mark.parametrize("action", ["Authorize", "DataTransfer"])
def test_what_is_put_up_with_in_one_message_is_not_in_another(action):
    """F-110: in the peer's CALL and in its answer to ours."""
    there = Tolerance().allowing("unknown-field", action=action)
    [event] = receive(central_system(tolerance=there), 2, "a", "Authorize", {"idTag": "TAG", "x": 1})
    assert isinstance(event, CallReceived) is (action == "Authorize")
    session = charge_point(tolerance=there)
    for _ in range(2):
        session.call(authorize(), now=0)
    [event] = receive(session, 3, "m1", ACCEPTED | {"x": 1})
    assert isinstance(event, CallSucceeded) is (action == "Authorize")
    assert [message[1] for message in sent(session)] == ["m1", "m2"]


# -- for the driver --


def test_a_tap_sees_every_text_in_both_directions():
    seen = []
    session = central_system(tap=lambda direction, text, now: seen.append((direction, text, now)))
    session.receive_data(b'[2,"a","Heartbeat",{}]', now=1)
    session.receive_data("nonsense", now=2)
    session.reject(session.next_event(), ErrorCode.INTERNAL_ERROR, now=3)
    assert seen == [
        (Direction.IN, '[2,"a","Heartbeat",{}]', 1),
        (Direction.IN, "nonsense", 2),
        (Direction.OUT, '[4,"a","InternalError","",{}]', 3),
    ]
    assert [direction.value for direction, _, _ in seen] == ["in", "in", "out"]


def test_a_number_out_of_range_that_a_later_key_replaces_is_none_of_our_business():
    """F-62, F-66: the last of two equal keys counts, for the codec and for the diagnosis."""
    [call] = receive(central_system(), '[2,"a","Authorize",{"idTag":1e400,"idTag":"TAG"}]')
    assert call.request == authorize()


def test_a_tap_sees_a_send_and_a_refusal():
    seen = []
    station = charge_point("2.1", tap=lambda *what: seen.append(what))
    station.send(stream(), now=1)
    station.call(v21.HeartbeatRequest(), now=1)
    station.receive_data('[3,"m2",null]', now=2)
    out = [(Direction.OUT, text, now) for text, now in zip(station.data_to_send(), (1, 1, 2), strict=True)]
    assert seen == [*out[:2], (Direction.IN, '[3,"m2",null]', 2), out[2]]
    csms = central_system("2.1", tap=lambda *what: seen.append(what))
    csms.receive_data(out[0][1], now=3)
    assert seen[-1] == (Direction.IN, out[0][1], 3)


@pytest.mark.parametrize("added", [False, True])
def test_a_tap_can_be_added_to_another_one_at_any_time(added):
    first, second = [], []
    session = central_system(tap=None if added else lambda *what: first.append(what))
    if added:
        session.add_tap(lambda *what: first.append(what))
    session.receive_data("nonsense", now=1)
    session.add_tap(lambda *what: second.append(what))
    session.receive_data('[2,"a","Heartbeat",{}]', now=2)
    assert [text for _, text, _ in first] == ["nonsense", '[2,"a","Heartbeat",{}]']
    assert second == first[1:]


def test_it_is_known_what_is_on_the_wire_and_whether_anything_is_under_way():
    session = charge_point()
    assert (session.on_wire, session.is_idle) == (None, True)
    first, second = session.call(authorize(), now=0), session.call(authorize(), now=0)
    assert (session.on_wire, session.is_idle) == (first, False)
    session.receive_data(f'[4,"{first.message_id}","InternalError","",{{}}]', now=1)
    assert (session.on_wire, session.is_idle) == (second, False)
    session.receive_data(f'[4,"{second.message_id}","InternalError","",{{}}]', now=2)
    assert (session.on_wire, session.is_idle) == (None, True)
    [*_, asked] = receive(session, '[2,"a","ClearCache",{}]')
    assert (session.on_wire, session.is_idle) == (None, False)
    session.reject(asked, ErrorCode.INTERNAL_ERROR, now=3)
    assert session.is_idle


def test_a_version_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"1\.7"):
        ChargePointSession("1.7", message_ids=numbered_ids("m"))


# -- large calls --


def told(version: Version, text: str | bytes, large: int) -> tuple[str, list[str]]:
    """What a session makes of a text, twice over, when texts of so many characters count as large."""
    with patch.object(frames, "LARGE", large):
        session = central_system(version)
    session.receive_data(text, now=0)
    session.receive_data(text, now=0)
    return repr(list(iter(session.next_event, None))), session.data_to_send()


GOOD = [
    '[2,"1","Heartbeat",{}]',
    '[2, "2", "Authorize", {"idTag": "é"}]',
    '[2,"3","Heartbeat",null]',
    '[3,"4",{}]',
    json.dumps([6, "5", "NotifyPeriodicEventStream", STREAM]),
]


@given(
    version=st.sampled_from(Version),
    text=st.sampled_from(GOOD + [row.text for row in MALFORMED_IN[Version.V21]]),
    cut=st.integers(0, 40),
    put=st.text(alphabet='{}[]",:\\ 2a\ud800', max_size=3),
    as_bytes=st.booleans(),
)
def test_a_large_call_is_told_and_answered_like_any_other(version, text, cut, put, as_bytes):
    """Reading it in one pass is a shortcut, never a difference, whatever is wrong with it."""
    damaged = text[:cut] + put + text[cut:]
    given = damaged.encode(errors="surrogatepass") if as_bytes else damaged
    assert told(version, given, large=0) == told(version, given, large=2**60)
