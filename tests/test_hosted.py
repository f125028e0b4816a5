"""A central system's connection over a WebSocket of somebody else's, who is played by the tests."""

from __future__ import annotations

import gc
import json
import math
import weakref
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio import CertificateFacts, TransportFacts, v21
from ocpp_sansio.errors import CallTimedOut, ConnectionLost, ErrorCode, LocalProtocolError
from ocpp_sansio.events import (
    CallFailed,
    CallReceived,
    CallSucceeded,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRefused,
    ConnectionRequested,
    Credentials,
    Event,
    Misbehaviour,
    PeerMisbehaved,
    ProbeAnswered,
    SendReceived,
)
from ocpp_sansio.hosted import Accept, Close, HostedConnection, Refuse
from ocpp_sansio.limits import Limits
from ocpp_sansio.session import Direction, numbered_ids
from ocpp_sansio.v16 import (
    HeartbeatResponse,
    ResetRequest,
    ResetResponse,
    ResetStatus,
    ResetType,
)
from ocpp_sansio.version import NoMatch, Version

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BEAT = HeartbeatResponse(current_time=NOW)
RESET, RESETTING = ResetRequest(type=ResetType.SOFT), ResetResponse(status=ResetStatus.ACCEPTED)
HEARTBEAT = '[2,"1","Heartbeat",{}]'
BUSY = Refuse(503, (("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "19")), b"Service Unavailable")


def hosted(
    target: str = "/ocpp/CP1",
    headers: Any = (("Host", "example.com"),),
    offered: Any = ("ocpp1.6",),
    limits: dict[str, Any] | None = None,
    **options: Any,
) -> HostedConnection:
    options.setdefault("now", 0.0)
    limited = Limits(**(limits or {}))
    return HostedConnection(target, headers, offered, message_ids=numbered_ids("s"), limits=limited, **options)


def drain(connection: HostedConnection) -> list[Event]:
    return list(iter(connection.next_event, None))


def opened(**options: Any) -> HostedConnection:
    connection = hosted(**options)
    assert isinstance(connection.next_event(), ConnectionRequested)
    connection.accept(now=0.0)
    assert connection.steps() == [Accept("ocpp1.6")]
    assert drain(connection) == [ConnectionOpened(Version.V16)]
    return connection


# -- the handshake --


def test_a_charge_point_is_announced_before_it_is_let_in():
    """RPC-002, RPC-010, RPC-142."""
    certificate = CertificateFacts(("CP1",))
    connection = hosted(
        "/ocpp/RDAM%7C123?a=b",
        [("Host", "x"), ("authorization", "Basic UkRBTXwxMjM6cMOkc3M=")],
        iter(["ocpp2.0.1", "ocpp1.6"]),
        facts=TransportFacts("192.0.2.1", secure=True, certificate=certificate),
    )
    (requested,) = drain(connection)
    assert requested == ConnectionRequested(
        identity="RDAM|123",
        path="/ocpp/RDAM%7C123?a=b",
        offered=("ocpp2.0.1", "ocpp1.6"),
        version=Version.V16,
        credentials=Credentials(b"RDAM|123", "päss".encode()),
        headers={"host": "x", "authorization": "Basic UkRBTXwxMjM6cMOkc3M="},
        source="192.0.2.1",
        secure=True,
        certificate=certificate,
    )
    assert connection.steps() == []
    assert (connection.version, connection.is_open, connection.transport_done) == (None, False, False)
    assert not connection.reading_paused
    connection.accept(now=0.0)
    assert connection.steps() == [Accept("ocpp1.6")]
    assert drain(connection) == [ConnectionOpened(Version.V16)]
    assert (connection.version, connection.is_open, connection.transport_done) == (Version.V16, True, False)
    assert connection.next_timeout() is None


def test_the_order_of_the_client_decides_which_version_is_spoken():
    """RPC-011."""
    connection = hosted(offered=("ocpp0.1", "ocpp2.1", "ocpp1.6"), versions=("1.6", "2.1"))
    connection.accept(now=0.0)
    assert connection.steps() == [Accept("ocpp2.1")]
    assert connection.version is Version.V21


def test_a_client_without_a_common_version_is_let_in_and_turned_out():
    """RPC-012."""
    connection = hosted(offered=("ocpp0.1",))
    (requested,) = drain(connection)
    assert isinstance(requested, ConnectionRequested)
    assert requested.version is None
    connection.accept(now=0.0)
    assert connection.steps() == [Accept(None), Close(1002, "no OCPP version in common")]
    connection.receive_text(HEARTBEAT, now=0.0)
    assert (drain(connection), connection.is_open, connection.transport_done) == ([], False, False)
    connection.receive_close(1002, now=0.0)
    assert drain(connection) == [ConnectionRefused(101, "no OCPP version in common")]
    assert connection.transport_done


def test_a_client_without_a_common_version_may_be_refused_at_once():
    """RPC-013."""
    connection = hosted(offered=(), no_match=NoMatch.REJECT)
    assert drain(connection) == [ConnectionRefused(400, "no OCPP version in common")]
    (step,) = connection.steps()
    assert isinstance(step, Refuse)
    assert (step.status, step.body) == (400, b"no OCPP version in common")
    assert connection.transport_done


def test_a_charge_point_may_be_refused():
    """RPC-015, RPC-016."""
    connection = hosted()
    drain(connection)
    with pytest.raises(ValueError, match="does not refuse"):
        connection.reject_connection(200, now=0.0)
    with pytest.raises(ValueError, match="header field"):
        connection.reject_connection(404, headers=[("A", "b\nc")], now=0.0)
    connection.reject_connection(429, "slowly", [("Retry-After", "5")], now=0.0)
    assert connection.steps() == [
        Refuse(
            429,
            (("Retry-After", "5"), ("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "6")),
            b"slowly",
        )
    ]
    assert drain(connection) == [ConnectionRefused(429, "slowly")]
    assert connection.transport_done
    assert connection.next_timeout() is None
    with pytest.raises(LocalProtocolError, match="no request to decide on"):
        connection.accept(now=0.0)


def test_a_401_says_what_is_asked_for():
    connection = hosted()
    connection.reject_connection(now=0.0)
    (step,) = connection.steps()
    assert isinstance(step, Refuse)
    assert step.status == 401
    assert ("WWW-Authenticate", 'Basic realm="OCPP", charset="UTF-8"') in step.headers


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"target": "/"}, 404),
        ({"target": "ocpp/CP1"}, 400),
        ({"target": "/ocpp/CP 1"}, 400),
        ({"target": ""}, 400),
        ({"target": "/ocpp/CPä"}, 400),
        ({"target": "/ocpp/%2e%2e"}, 400),
        ({"target": "/ocpp/a%2Fb"}, 400),
        ({"target": f"/{'x' * 8192}/CP1"}, 414),
        ({"target": f"/{'x' * 4096}/CP1", "headers": [("X", "x" * 4096)]}, 431),
        ({"headers": [("Origin", "https://example.com")]}, 403),
        ({"headers": [("X", "")] * 65}, 431),
        ({"headers": [("X", "x" * 8192)]}, 431),
        ({"headers": [("Sec-WebSocket-Extensions", "x, Permessage-Deflate")], "compression": False}, 400),
    ],
)
def test_what_need_not_be_asked_is_refused_without_asking(request_: dict[str, Any], status: int):
    """RPC-002, F-03, F-30, F-32, F-51."""
    connection = hosted(**request_)
    (refused,) = drain(connection)
    assert isinstance(refused, ConnectionRefused)
    assert refused.status == status
    (step,) = connection.steps()
    assert isinstance(step, Refuse)
    assert (step.status, step.body.decode()) == (status, refused.reason)
    assert connection.transport_done


def test_compression_is_the_business_of_whoever_speaks_the_websocket():
    """F-51."""
    offer, version = ("Sec-WebSocket-Extensions", "permessage-deflate"), ("Sec-WebSocket-Protocol", "ocpp1.6")
    assert isinstance(hosted(headers=[offer]).next_event(), ConnectionRequested)
    assert isinstance(hosted(headers=[version], compression=False).next_event(), ConnectionRequested)
    for headers in ([version, offer], []):
        assert isinstance(hosted(headers=headers, compression=False).next_event(), ConnectionRefused)


def test_an_origin_may_be_allowed():
    """F-32."""
    connection = hosted(headers=[("Origin", "https://example.com")], allow_origin=True)
    assert isinstance(connection.next_event(), ConnectionRequested)


def test_a_decision_that_takes_too_long_is_taken():
    """F-02."""
    connection = hosted()
    drain(connection)
    assert connection.next_timeout() == 10.0
    connection.handle_timeout(now=9.9)
    assert connection.steps() == []
    connection.handle_timeout(now=10.0)
    assert drain(connection) == [ConnectionRefused(None, "the handshake took too long")]
    assert connection.steps() == [BUSY]
    assert connection.transport_done
    connection.accept(now=10.0)
    assert (drain(connection), connection.steps(), connection.is_open) == ([], [], False)


def test_a_decision_may_take_for_ever_if_that_is_wanted():
    connection = hosted(limits={"handshake_timeout": None})
    assert connection.next_timeout() is None


def test_a_client_that_leaves_during_the_handshake_was_never_there():
    """F-08."""
    for decide in (HostedConnection.accept, HostedConnection.reject_connection):
        connection = hosted()
        drain(connection)
        connection.receive_eof(now=0.0)
        assert drain(connection) == [ConnectionRefused(None, "the connection ended during the handshake")]
        assert connection.transport_done
        decide(connection, now=0.0)
        assert (drain(connection), connection.steps()) == ([], [])


def test_what_is_closed_before_it_is_open_is_refused():
    connection = hosted()
    drain(connection)
    connection.close(now=0.0)
    assert connection.steps() == [BUSY]
    assert drain(connection) == [ConnectionRefused(None, "closed before it was open")]
    with pytest.raises(LocalProtocolError, match="never been open"):
        connection.call(RESET, now=0.0)


@pytest.mark.parametrize("options", [{"versions": ["1.5"]}, {"versions": []}, {"tolerance": ["anything"]}])
def test_what_cannot_be_spoken_is_found_out_at_once(options: dict[str, Any]):
    with pytest.raises(ValueError):
        hosted(**options)


# -- messages --


def test_calls_go_both_ways():
    """RPC-050, RPC-053."""
    connection = opened()
    call = connection.call(RESET, now=0.0)
    assert connection.steps() == ['[2,"s1","Reset",{"type":"Soft"}]']
    connection.receive_text(HEARTBEAT, now=0.0)
    (asked,) = drain(connection)
    assert isinstance(asked, CallReceived)
    assert connection.respond(asked, BEAT, now=0.0)
    assert connection.steps() == ['[3,"1",{"currentTime":"2026-01-01T00:00:00Z"}]']
    connection.receive_text('[3,"s1",{"status":"Accepted"}]', now=0.0)
    assert drain(connection) == [CallSucceeded(call, RESETTING)]
    assert connection.steps() == []


def test_a_call_may_be_rejected_or_left_alone():
    """RPC-062, CP16-013."""
    connection = opened()
    for message_id in ("1", "2"):
        connection.receive_text(HEARTBEAT.replace("1", message_id), now=0.0)
    first, second = drain(connection)
    assert isinstance(first, CallReceived)
    assert isinstance(second, CallReceived)
    connection.reject(first, ErrorCode.INTERNAL_ERROR, "sorry", now=0.0)
    connection.ignore(second, now=0.0)
    (step,) = connection.steps()
    assert json.loads(str(step)) == [4, "1", "InternalError", "sorry", {}]


def test_a_send_is_heard():
    """RPC-034."""
    connection = hosted(offered=["ocpp2.1"], versions=["2.1"])
    connection.accept(now=0.0)
    text = (
        '[6,"1","NotifyPeriodicEventStream",{"id":1,"pending":0,"basetime":"2026-01-01T00:00:00Z",'
        '"data":[{"t":0,"v":"230.1"}]}]'
    )
    connection.receive_text(text, now=0.0)
    *_, sent = drain(connection)
    assert isinstance(sent, SendReceived)
    assert isinstance(sent.message, v21.NotifyPeriodicEventStream)


def test_a_call_times_out():
    """RPC-054, RPC-055."""
    connection = opened()
    call = connection.call(RESET, now=1.0, timeout=5.0)
    assert connection.next_timeout() == 6.0
    connection.handle_timeout(now=6.0)
    assert drain(connection) == [CallFailed(call, CallTimedOut(5.0))]
    assert connection.is_open


def test_the_tap_sees_every_message():
    seen: list[tuple[Direction, str, float]] = []
    connection = opened(tap=lambda *what: seen.append(what))
    connection.call(RESET, now=1.0)
    connection.receive_text('[3,"s1",{"status":"Accepted"}]', now=2.0)
    assert [(direction, at) for direction, _, at in seen] == [(Direction.OUT, 1.0), (Direction.IN, 2.0)]


def test_who_asks_too_much_is_not_read_from():
    """F-98."""
    connection = opened(limits={"max_inbound_calls": 1, "answer_timeout": None})
    for message_id in ("1", "2"):
        connection.receive_text(HEARTBEAT.replace("1", message_id), now=0.0)
    assert connection.reading_paused
    connection.handle_timeout(now=1000.0)
    (first,) = drain(connection)
    assert isinstance(first, CallReceived)
    connection.respond(first, BEAT, now=1000.0)
    assert not connection.reading_paused
    connection.busy = True
    assert connection.reading_paused


def test_a_binary_message_ends_the_connection():
    """RPC-022, F-47."""
    connection = opened()
    call = connection.call(RESET, now=0.0)
    connection.steps()
    connection.receive_binary(HEARTBEAT.encode(), now=0.0)
    assert connection.steps() == [Close(1003, "binary message")]
    assert drain(connection) == [
        PeerMisbehaved(Misbehaviour.BINARY_MESSAGE, "binary message", HEARTBEAT),
        CallFailed(call, ConnectionLost(sent=True)),
        ConnectionClosed(1003, "binary message", by_peer=False),
    ]
    assert connection.transport_done
    connection.receive_binary(b"", now=0.0)
    connection.receive_text(HEARTBEAT, now=0.0)
    connection.receive_close(1003, now=0.0)
    assert (drain(connection), connection.steps()) == ([], [])


@pytest.mark.parametrize(
    ("text", "size"),
    [("x" * 101, 101), ("ä" * 51, 102), ("x" * 99 + "€", 102)],
)
def test_a_message_that_is_too_long_ends_the_connection_whoever_let_it_through(text: str, size: int):
    """F-48, F-49."""
    connection = opened(limits={"max_message_size": 100})
    connection.receive_text(text, now=0.0)
    said = f"a message of {size} bytes, 100 are allowed"
    assert connection.steps() == [Close(1009, said)]
    assert drain(connection) == [
        PeerMisbehaved(Misbehaviour.WEBSOCKET_VIOLATION, said, ""),
        ConnectionClosed(1009, said, by_peer=False),
    ]


def test_a_message_of_the_longest_length_is_read():
    connection = opened(limits={"max_message_size": 100})
    connection.receive_text("ä" * 50, now=0.0)
    (event,) = drain(connection)
    assert isinstance(event, PeerMisbehaved)
    assert event.reason is Misbehaviour.NOT_JSON
    assert connection.is_open


def test_what_was_never_utf_8_ends_the_connection():
    """F-46."""
    connection = opened()
    connection.receive_text('[2,"1","Heartbeat\ud800",{}]', now=0.0)
    assert connection.steps() == [Close(1007, "not valid UTF-8")]
    assert drain(connection)[-1] == ConnectionClosed(1007, "not valid UTF-8", by_peer=False)


def test_a_peer_that_goes_too_far_is_turned_out():
    connection = opened(limits={"max_bad_messages": 1})
    for _ in range(2):
        connection.receive_text("nonsense", now=0.0)
    assert connection.steps() == [Close(1008, "limit exceeded")]
    assert not connection.is_open


# -- the end --


def test_closing_fails_what_is_unanswered_at_once():
    """RPC-131."""
    connection = opened()
    call = connection.call(RESET, now=0.0)
    with pytest.raises(ValueError, match="close frame"):
        connection.close(1006, now=0.0)
    connection.close(1001, "x" * 200, now=1.0)
    assert connection.steps() == ['[2,"s1","Reset",{"type":"Soft"}]', Close(1001, "x" * 123)]
    assert drain(connection) == [CallFailed(call, ConnectionLost(sent=True))]
    assert (connection.is_open, connection.transport_done, connection.next_timeout()) == (False, False, 6.0)
    connection.close(1000, now=1.0)
    connection.receive_text(HEARTBEAT, now=1.0)
    assert connection.steps() == []
    connection.receive_close(1005, now=2.0)
    assert drain(connection) == [ConnectionClosed(1001, "x" * 123, by_peer=False)]
    assert (connection.transport_done, connection.next_timeout()) == (True, None)


def test_a_close_that_is_not_answered_is_not_waited_for():
    """F-10."""
    connection = opened()
    connection.close(now=0.0)
    connection.handle_timeout(now=5.0)
    assert drain(connection) == [ConnectionClosed(1006, "the close frame was not answered", by_peer=False)]
    assert connection.transport_done


def test_a_transport_that_ends_while_closing_is_told_apart():
    """F-10."""
    connection = opened()
    connection.close(now=0.0)
    connection.receive_close(1006, now=0.0)
    said = "the connection ended without a closing handshake"
    assert drain(connection) == [ConnectionClosed(1006, said, by_peer=False)]


def test_the_outcomes_of_all_calls_come_before_the_end():
    """RPC-131, F-08."""
    for code, reason, told in (
        (1001, "reboot", ConnectionClosed(1001, "reboot", by_peer=True)),
        (None, "", ConnectionClosed(1005, "", by_peer=True)),
        (1006, "", ConnectionClosed(1006, "the connection ended without a closing handshake", by_peer=True)),
        (1006, "ping timeout", ConnectionClosed(1006, "ping timeout", by_peer=True)),
    ):
        connection = opened()
        call = connection.call(RESET, now=0.0)
        connection.receive_close(code, reason, now=0.0)
        assert drain(connection) == [CallFailed(call, ConnectionLost(sent=True)), told]
        assert connection.steps() == [], "nobody is there to read it"
        assert connection.transport_done


def test_an_answer_after_the_end_is_too_late():
    connection = opened()
    connection.receive_text(HEARTBEAT, now=0.0)
    (asked,) = drain(connection)
    assert isinstance(asked, CallReceived)
    connection.close(now=0.0)
    connection.steps()
    connection.respond(asked, BEAT, now=0.0)
    assert connection.steps() == []
    connection = opened()
    connection.receive_text(HEARTBEAT, now=0.0)
    (asked,) = drain(connection)
    assert isinstance(asked, CallReceived)
    connection.receive_eof(now=0.0)
    connection.respond(asked, BEAT, now=0.0)
    assert connection.steps() == []


def test_what_is_probed_is_alive_when_anything_is_heard_of_it():
    """F-33."""
    connection = opened(limits={"max_inbound_calls": 1})
    connection.probe(now=0.0)
    connection.probe(now=4.0)
    assert connection.next_timeout() == 5.0
    connection.receive_text(HEARTBEAT, now=4.9)
    asked, alive = drain(connection)
    assert isinstance(asked, CallReceived)
    assert alive == ProbeAnswered()
    connection.handle_timeout(now=5.0)
    assert connection.is_open


def test_what_is_probed_and_silent_is_lost():
    """F-34."""
    connection = opened()
    call = connection.call(RESET, now=0.0)
    connection.steps()
    connection.probe(now=0.0)
    connection.handle_timeout(now=5.0)
    assert connection.steps() == [Close(1008, "no sign of life")]
    assert drain(connection) == [
        CallFailed(call, ConnectionLost(sent=True)),
        ConnectionClosed(1006, "no sign of life", by_peer=True),
    ]
    connection.probe(now=5.0)
    assert connection.next_timeout() is None


def test_time_that_goes_backwards_stands_still():
    connection = opened(now=0.0)
    connection.handle_timeout(now=100.0)
    connection.close(now=50.0)
    assert connection.next_timeout() == 105.0


def test_time_that_goes_backwards_stands_still_for_a_session_that_begins_f_135():
    connection = hosted(now=100.0)
    connection.accept(now=50.0)
    connection.call(RESET, now=50.0, timeout=10.0)
    assert connection.next_timeout() == 110.0


def test_what_is_over_is_freed_at_once():
    """F-132."""
    gc.disable()
    try:
        for end in (HostedConnection.close, HostedConnection.receive_close, HostedConnection.reject_connection):
            connection = hosted()
            if end is not HostedConnection.reject_connection:
                connection.accept(now=0.0)
                connection.receive_text(HEARTBEAT, now=0.0)
                connection.call(RESET, now=0.0)
            end(connection, now=0.0)
            connection.receive_close(1000, now=0.0)
            drain(connection)
            freed = weakref.ref(connection)
            del connection
            assert freed() is None
    finally:
        gc.enable()


# -- whatever comes --

HEADERS = st.lists(st.tuples(st.text(max_size=20), st.text(max_size=40)), max_size=5)
STRANGE = st.text() | st.text(alphabet=st.characters(categories=["Cs", "Ll"])) | st.just(HEARTBEAT)
HAPPENINGS = st.lists(
    st.one_of(
        st.tuples(st.just("receive_text"), STRANGE),
        st.tuples(st.just("receive_binary"), st.binary()),
        st.tuples(st.just("receive_close"), st.none() | st.integers(), st.text()),
        st.tuples(st.just("handle_timeout")),
        st.tuples(st.just("probe")),
        st.tuples(st.just("close")),
    )
)


@given(target=st.text() | st.just("/CP1"), headers=HEADERS, offered=st.lists(st.text() | st.just("ocpp1.6")))
def test_no_request_raises(target: str, headers: Any, offered: list[str]):
    connection = hosted(target, headers, offered)
    (event,) = drain(connection)
    assert isinstance(event, ConnectionRequested | ConnectionRefused)


@given(happenings=HAPPENINGS, wait=st.floats(0.0, 20.0))
def test_nothing_that_happens_raises_and_the_end_comes_once_and_last(happenings: list[Any], wait: float):
    connection, now, told = opened(), 0.0, list[Event]()
    for verb, *arguments in [*happenings, ("close",), ("handle_timeout",)]:
        now = max(now + wait, now if verb != "handle_timeout" else connection.next_timeout() or now)
        getattr(connection, verb)(*arguments, now=now)
        told += drain(connection)
        steps = connection.steps()
        assert all(isinstance(step, str) for step in steps[:-1])
    assert connection.transport_done
    assert [isinstance(event, ConnectionClosed) for event in told].count(True) == 1
    assert isinstance(told[-1], ConnectionClosed)
    assert connection.next_timeout() in (None, math.inf)
