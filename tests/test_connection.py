from __future__ import annotations

import base64
import gc
import math
import weakref
from datetime import UTC, datetime
from typing import Any

import pytest

from ocpp_sansio import v21
from ocpp_sansio.connection import CentralSystemConnection, ChargePointConnection
from ocpp_sansio.errors import (
    CallCancelled,
    CallTimedOut,
    ConnectionLost,
    ConnectionReplaced,
    ErrorCode,
    LocalProtocolError,
    SessionClosed,
)
from ocpp_sansio.events import (
    CallFailed,
    CallReceived,
    CallSucceeded,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRefused,
    ConnectionRequested,
    Credentials,
    Misbehaviour,
    PeerMisbehaved,
    ProbeAnswered,
    ResultRefused,
    SendReceived,
)
from ocpp_sansio.limits import Limits
from ocpp_sansio.session import Direction, numbered_ids
from ocpp_sansio.v16 import (
    BootNotificationRequest,
    BootNotificationResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    RegistrationStatus,
    ResetRequest,
    ResetResponse,
    ResetStatus,
    ResetType,
)
from ocpp_sansio.version import NoMatch, Version
from tests.peers import Pair, drain

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OPENED = ConnectionOpened(Version.V16)
BOOT = BootNotificationRequest(charge_point_vendor="ACME", charge_point_model="One")
BOOTED = BootNotificationResponse(status=RegistrationStatus.ACCEPTED, current_time=NOW, interval=300)
HEARTBEAT, BEAT = HeartbeatRequest(), HeartbeatResponse(current_time=NOW)
RESET, RESETTING = ResetRequest(type=ResetType.SOFT), ResetResponse(status=ResetStatus.ACCEPTED)


def charge_point(url: str = "ws://example.com/ocpp", identity: str = "CP1", **options: Any) -> ChargePointConnection:
    limits = Limits(**options.pop("limits", {}))
    return ChargePointConnection(url, identity, now=0.0, message_ids=numbered_ids("c"), limits=limits, **options)


def central_system(**options: Any) -> CentralSystemConnection:
    limits = Limits(**options.pop("limits", {}))
    return CentralSystemConnection(now=0.0, message_ids=numbered_ids("s"), limits=limits, **options)


def connect(client: dict[str, Any] | None = None, server: dict[str, Any] | None = None) -> Pair:
    pair = Pair(charge_point(**(client or {})), central_system(**(server or {})))
    pair.run()
    pair.server.accept(now=0.0)
    assert pair.run() == ([OPENED], [OPENED])
    return pair


# -- opening --


def test_a_charge_point_is_announced_before_it_is_let_in():
    """RPC-002, RPC-010, RPC-142."""
    pair = Pair(charge_point("ws://example.com/ocpp", "RDAM|123", password="päss"), central_system())
    client_events, (requested,) = pair.run()
    assert client_events == []
    assert isinstance(requested, ConnectionRequested)
    assert requested.identity == "RDAM|123"
    assert requested.path == "/ocpp/RDAM%7C123"
    assert requested.offered == ("ocpp1.6",)
    assert requested.version is Version.V16
    assert requested.credentials == Credentials(b"RDAM|123", "päss".encode())
    for end in (pair.client, pair.server):
        assert end.version is None
        assert not end.is_open
    pair.server.accept(now=0.0)
    assert pair.run() == ([OPENED], [OPENED])
    for end in (pair.client, pair.server):
        assert end.version is Version.V16
        assert end.is_open
        assert not end.transport_done
        assert not end.reading_paused


def test_a_password_of_raw_bytes_is_sent_as_it_is():
    """RPC-143."""
    connection = charge_point(password=b"\x00\xff:")
    credentials = base64.b64encode(b"CP1:\x00\xff:")
    assert b"\r\nAuthorization: Basic " + credentials + b"\r\n" in connection.data_to_send()


def test_a_charge_point_knows_where_to_connect():
    connection = charge_point("wss://[::1]/ocpp")
    assert (connection.host, connection.port, connection.secure) == ("::1", 443, True)
    connection = charge_point("ws://example.com:8080", headers=[("User-Agent", "box")])
    assert (connection.host, connection.port, connection.secure) == ("example.com", 8080, False)
    assert b"\r\nUser-Agent: box\r\n" in connection.data_to_send()


@pytest.mark.parametrize(
    "options",
    [
        {"url": "http://example.com"},
        {"identity": ""},
        {"identity": "a/b"},
        {"identity": "a:b", "password": "secret"},
        {"versions": ["1.5"]},
        {"versions": []},
        {"headers": [("Host", "elsewhere")]},
        {"headers": [("Authorization", "Bearer x")], "password": "secret"},
    ],
)
def test_what_cannot_be_connected_with_is_refused(options: dict[str, Any]):
    """RPC-002, RPC-004."""
    with pytest.raises(ValueError):
        charge_point(**options)


def test_a_charge_point_may_be_refused():
    """RPC-015, RPC-016."""
    pair = Pair(charge_point(), central_system())
    pair.run()
    pair.server.reject_connection(now=0.0)
    (refused,), server_events = pair.run()
    assert server_events == [ConnectionRefused(401, "")]
    assert (refused.status, refused.reason, refused.body) == (401, "Unauthorized", "Unauthorized")
    assert refused.headers["www-authenticate"].startswith("Basic ")
    assert pair.client.transport_done
    assert pair.server.transport_done
    assert pair.next_timeout() == math.inf


def test_a_server_without_a_common_version_says_so():
    """RPC-012, RPC-013, RPC-014."""
    raw = charge_point().data_to_send().replace(b"ocpp1.6", b"ocpp0.1")
    for no_match, status in ((NoMatch.ACCEPT_THEN_CLOSE, 101), (NoMatch.REJECT, 400)):
        connection = central_system(no_match=no_match)
        connection.receive_data(raw, now=0.0)
        if no_match is NoMatch.ACCEPT_THEN_CLOSE:
            connection.accept(now=0.0)
        connection.receive_eof(now=0.0)
        assert drain(connection)[-1] == ConnectionRefused(status, "no OCPP version in common")
        assert connection.version is None


def test_an_origin_may_be_allowed():
    """F-32."""
    for allow_origin, event in ((False, ConnectionRefused), (True, ConnectionRequested)):
        pair = Pair(charge_point(headers=[("Origin", "https://x")]), central_system(allow_origin=allow_origin))
        assert isinstance(pair.run()[1][0], event)


def test_nothing_can_be_sent_before_the_connection_is_open():
    pair = Pair(charge_point(), central_system())
    with pytest.raises(LocalProtocolError):
        pair.client.call(BOOT, now=0.0)
    pair.run()
    with pytest.raises(LocalProtocolError):
        pair.server.call(RESET, now=0.0)


def test_a_handshake_that_fails_leaves_nothing_to_talk_to():
    connection = charge_point()
    connection.receive_eof(now=0.0)
    assert drain(connection) == [ConnectionRefused(None, "the connection ended during the handshake")]
    with pytest.raises(LocalProtocolError):
        connection.call(BOOT, now=0.0)
    connection.close(now=0.0)
    assert drain(connection) == []


def test_a_handshake_takes_only_so_long():
    """F-02."""
    pair = Pair(charge_point(), central_system())
    pair.run()
    client_events, server_events = pair.wait(10.0)
    assert server_events == [ConnectionRefused(None, "the handshake took too long")]
    assert client_events == server_events
    assert pair.next_timeout() == math.inf


# -- talking --


def test_calls_go_both_ways():
    """RPC-050, RPC-053."""
    pair = connect()
    up, down = pair.client.call(BOOT, now=0.0), pair.server.call(RESET, now=0.0)
    (asked_down,), (asked_up,) = pair.run()
    assert (asked_up.request, asked_down.request) == (BOOT, RESET)
    pair.client.respond(asked_down, RESETTING, now=0.0)
    pair.server.respond(asked_up, BOOTED, now=0.0)
    assert pair.run() == ([CallSucceeded(up, BOOTED)], [CallSucceeded(down, RESETTING)])


def test_a_call_may_be_rejected():
    """RPC-062."""
    pair = connect()
    pair.client.call(HEARTBEAT, now=0.0)
    (asked,) = pair.run()[1]
    pair.server.reject(asked, ErrorCode.INTERNAL_ERROR, "sorry", {"a": 1}, now=0.0)
    (failed,), _ = pair.run()
    assert (failed.error.code, failed.error.description) == (ErrorCode.INTERNAL_ERROR, "sorry")
    assert failed.error.details == {"a": 1}


def test_a_call_may_be_given_up():
    pair = connect()
    call = pair.client.call(HEARTBEAT, now=0.0)
    pair.client.cancel(call, now=0.0)
    assert pair.run()[0] == [CallFailed(call, CallCancelled())]


def test_a_call_times_out_while_the_link_is_alive():
    """RPC-054, RPC-055."""
    pair = connect()
    call = pair.client.call(HEARTBEAT, now=0.0, timeout=45.0)
    assert pair.wait(44.9)[0] == []
    assert pair.wait(0.1)[0] == [CallFailed(call, CallTimedOut(45.0))]
    assert pair.client.is_open


def test_the_earliest_deadline_of_either_layer_counts():
    connection = connect(client={"limits": {"ping_interval": 20.0}}).client
    assert connection.next_timeout() == 20.0
    connection.call(HEARTBEAT, now=0.0, timeout=10.0)
    assert connection.next_timeout() == 10.0
    connection = connect(client={"limits": {"ping_interval": None}}).client
    assert connection.next_timeout() is None
    connection.call(HEARTBEAT, now=0.0, timeout=10.0)
    assert connection.next_timeout() == 10.0


def test_the_tap_sees_every_message():
    seen: list[tuple[Direction, str, float]] = []
    pair = connect(client={"tap": lambda *what: seen.append(what)})
    pair.client.call(HEARTBEAT, now=1.0)
    (asked,) = pair.run()[1]
    pair.server.respond(asked, BEAT, now=1.0)
    pair.now = 2.0
    pair.run()
    assert [(direction, at) for direction, _, at in seen] == [(Direction.OUT, 1.0), (Direction.IN, 2.0)]
    assert seen[0][1] == '[2,"c1","Heartbeat",{}]'


def test_a_tap_that_is_added_sees_every_message_from_then_on():
    early: list[Direction] = []
    late: list[Direction] = []
    client = charge_point()
    client.add_tap(lambda direction, *_: early.append(direction))
    pair = Pair(client, central_system())
    pair.run()
    pair.server.accept(now=0.0)
    pair.run()
    client.call(HEARTBEAT, now=0.0)
    client.add_tap(lambda direction, *_: late.append(direction))
    (asked,) = pair.run()[1]
    pair.server.respond(asked, BEAT, now=0.0)
    pair.run()
    assert early == [Direction.OUT, Direction.IN]
    assert late == [Direction.IN]


def test_it_is_known_which_actions_there_are_once_it_is_known_which_version_is_spoken():
    assert charge_point().actions is None
    own = Version.V16.actions.extended()
    pair = connect(client={"actions": {"1.6": own, "2.1": Version.V21.actions}})
    assert pair.client.actions is own
    assert pair.server.actions is Version.V16.actions


def test_it_is_known_what_is_on_the_wire_and_whether_anything_is_under_way():
    unopened = charge_point()
    assert (unopened.on_wire, unopened.is_idle) == (None, True)
    pair = connect()
    call = pair.client.call(HEARTBEAT, now=0.0)
    assert (pair.client.on_wire, pair.client.is_idle) == (call, False)
    (asked,) = pair.run()[1]
    assert (pair.server.on_wire, pair.server.is_idle) == (None, False)
    pair.server.respond(asked, BEAT, now=0.0)
    pair.run()
    assert (pair.client.on_wire, pair.client.is_idle) == (None, True)
    assert pair.server.is_idle


def test_a_peer_that_asks_too_much_is_not_read_from():
    """F-98: and its silence meanwhile is not held against it."""
    limits = {"max_inbound_calls": 1, "ping_interval": 20.0, "ping_timeout": 10.0, "answer_timeout": None}
    pair = connect(server={"limits": limits}, client={"limits": {"ping_interval": None, "call_timeout": 5.0}})
    pair.client.call(HEARTBEAT, now=0.0)
    pair.client.call(HEARTBEAT, now=0.0)
    pair.wait(5.0)
    assert pair.server.reading_paused
    pair.cut = True
    pair.wait(100.0)
    assert pair.server.is_open
    (first,) = [event for event in pair.server_events if isinstance(event, CallReceived)]
    pair.server.respond(first, BEAT, now=pair.now)
    assert not pair.server.reading_paused
    assert isinstance(drain(pair.server)[-1], CallReceived)


def test_a_flood_of_calls_does_not_delay_a_pong_f_54():
    """F-54: it goes out before any of them is answered, even behind the one that made us stop reading."""
    pair = connect(server={"limits": {"max_inbound_calls": 1}})
    calls = [f'[2,"{number}","Heartbeat",{{}}]'.encode() for number in range(100)]
    for text in calls:
        pair.client._websocket.send_text(text)
    pair.client._websocket.probe(now=0.0)
    pair.server.receive_data(pair.client.data_to_send(), now=0.0)
    assert pair.server.reading_paused
    assert pair.server.data_to_send() == b"\x8a\x00"
    (asked,) = drain(pair.server)
    assert isinstance(asked, CallReceived)


@pytest.mark.parametrize(
    ("encoding", "misbehaviour"),
    [
        ("utf-16-le", Misbehaviour.NOT_JSON),
        ("utf-32-be", Misbehaviour.NOT_JSON),
        ("utf-16", Misbehaviour.WEBSOCKET_VIOLATION),
        ("utf-32", Misbehaviour.WEBSOCKET_VIOLATION),
        ("utf-8-sig", Misbehaviour.NOT_JSON),
    ],
)
def test_the_encoding_of_a_text_is_not_guessed_at_f_47(encoding: str, misbehaviour: Misbehaviour):
    """F-47: text is UTF-8 (RPC-022), whatever else JSON could be read from."""
    pair = connect()
    pair.client._websocket.send_text('[2,"1","Heartbeat",{}]'.encode(encoding))
    _, events = pair.run()
    assert isinstance(events[0], PeerMisbehaved)
    assert events[0].reason is misbehaviour


def test_a_driver_that_is_busy_does_not_read_and_is_not_impatient():
    """F-98."""
    pair = connect(server={"limits": {"ping_interval": 20.0, "ping_timeout": 10.0}})
    pair.server.busy = True
    assert pair.server.reading_paused
    pair.cut = True
    pair.wait(100.0)
    assert pair.server.is_open
    pair.server.busy = False
    assert not pair.server.reading_paused
    pair.wait(100.0)
    assert not pair.server.is_open


@pytest.mark.parametrize("alive", [True, False])
def test_a_probe_listens_even_where_reading_is_paused_f_33_f_34(alive: bool):
    """F-33, F-34: who is too busy to read has not heard whether the peer lives."""
    pair = connect(server={"limits": {"probe_timeout": 5.0}}, client={"limits": {"ping_interval": None}})
    pair.server.busy = True
    pair.wait(100.0)
    pair.cut = not alive
    pair.server.probe(now=pair.now)
    assert not pair.server.reading_paused
    _, events = pair.wait(5.0)
    assert pair.server.is_open is alive
    assert [type(event) for event in events] == [ProbeAnswered if alive else ConnectionClosed]
    assert pair.server.reading_paused is alive


def test_who_is_too_busy_to_read_hears_his_close_frame_answered_all_the_same_f_10_f_98():
    pair = connect()
    pair.server.busy = True
    pair.server.close(1001, now=0.0)
    assert not pair.server.reading_paused
    _, events = pair.run()
    assert events == [ConnectionClosed(1001, "", by_peer=False)]


def test_a_call_may_be_left_unanswered():
    """CP16-013: the next one is dealt with, and the first one times out."""
    pair = connect(client={"limits": {"max_inbound_calls": 1}}, server={"limits": {"call_timeout": 5}})
    first = pair.server.call(RESET, now=0.0)
    [asked], _ = pair.run()
    pair.client.ignore(asked, now=0.0)
    with pytest.raises(LocalProtocolError):
        pair.client.ignore(asked, now=0.0)
    second = pair.server.call(RESET, now=0.0)
    _, server_events = pair.wait(5)
    assert server_events == [CallFailed(first, CallTimedOut(5))]
    asked = pair.client_events[-1]
    assert isinstance(asked, CallReceived)
    pair.client.respond(asked, RESETTING, now=pair.now)
    assert pair.run()[1] == [CallSucceeded(second, RESETTING)]


def test_before_there_was_a_connection_there_is_nothing_to_leave_unanswered():
    with pytest.raises(LocalProtocolError, match="never been open"):
        charge_point().ignore(CallReceived("a", "Reset", RESET), now=0.0)


# -- what is not answered --

STREAM = v21.NotifyPeriodicEventStream(
    id=1, pending=0, basetime=NOW, data=[v21.StreamDataElement(t=0.0, v="230.1"), v21.StreamDataElement(t=1.0, v="1")]
)


def connect_21() -> Pair:
    pair = Pair(charge_point(versions=["2.1"]), central_system(versions=["2.1"]))
    pair.run()
    pair.server.accept(now=0.0)
    pair.run()
    return pair


def test_a_send_is_sent_at_once_and_not_answered():
    """RPC-034, RPC-056, RPC-063."""
    pair = connect_21()
    pair.client.call(v21.HeartbeatRequest(), now=0.0)
    pair.run()
    pair.client.send(STREAM, now=1.0)
    assert pair.run() == ([], [SendReceived("c2", "NotifyPeriodicEventStream", STREAM)])
    assert pair.wait(29.9) == ([], [])


def test_a_send_needs_an_open_connection_that_has_it():
    with pytest.raises(LocalProtocolError):
        charge_point(versions=["2.1"]).send(STREAM, now=0.0)
    pair = connect()
    with pytest.raises(LocalProtocolError):
        pair.client.send(STREAM, now=0.0)
    pair = connect_21()
    pair.client.close(now=0.0)
    with pytest.raises(SessionClosed):
        pair.client.send(STREAM, now=0.0)


def test_a_response_that_cannot_be_used_is_refused():
    """RPC-033, RPC-072."""
    pair = connect_21()
    pair.client.call(v21.HeartbeatRequest(), now=0.0)
    (asked,) = pair.run()[1]
    pair.server.respond(asked, v21.HeartbeatResponse(current_time=NOW), now=0.0)
    pair.client.receive_data(pair.server.data_to_send().replace(b'"2026-', b'"noon-'), now=0.0)
    (failed,), (refused,) = pair.run()
    assert isinstance(failed, CallFailed)
    assert isinstance(refused, ResultRefused)
    assert (refused.call, refused.error.code) == (asked, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION)


# -- ending --


def test_closing_fails_what_is_unanswered_at_once():
    """RPC-131."""
    pair = connect()
    sent, queued = pair.client.call(HEARTBEAT, now=0.0), pair.client.call(HEARTBEAT, now=0.0)
    pair.run()
    pair.client.close(now=0.0)
    failures = [CallFailed(sent, ConnectionLost(sent=True)), CallFailed(queued, ConnectionLost(sent=False))]
    assert drain(pair.client) == failures
    assert not pair.client.is_open
    assert not pair.client.transport_done
    with pytest.raises(SessionClosed):
        pair.client.call(HEARTBEAT, now=0.0)
    client_events, server_events = pair.run()
    assert client_events == [ConnectionClosed(1000, "", by_peer=False)]
    assert server_events == [ConnectionClosed(1000, "", by_peer=True)]
    assert pair.server.transport_done


def test_the_outcomes_of_all_calls_come_before_the_end():
    """RPC-131, F-08."""
    pair = connect()
    call = pair.server.call(RESET, now=0.0)
    pair.run()
    pair.client.close(1001, "reboot", now=0.0)
    _, server_events = pair.run()
    assert server_events == [
        CallFailed(call, ConnectionLost(sent=True)),
        ConnectionClosed(1001, "reboot", by_peer=True),
    ]


def test_calls_on_a_connection_that_is_replaced_fail_with_an_outcome_of_their_own_f_37_f_38():
    """RPC-017, RPC-019."""
    pair = connect()
    sent, queued = pair.server.call(RESET, now=0.0), pair.server.call(RESET, now=0.0)
    (asked,), _ = pair.run()
    pair.client.respond(asked, RESETTING, now=0.0)
    answer = pair.client.data_to_send()
    pair.server.replace(now=0.0)
    failures = [CallFailed(sent, ConnectionReplaced(sent=True)), CallFailed(queued, ConnectionReplaced(sent=False))]
    assert drain(pair.server) == failures
    assert [str(each.error) for each in failures] == [
        "the connection was replaced before the answer came",
        "the connection was replaced before it was sent",
    ]
    with pytest.raises(SessionClosed):
        pair.server.call(RESET, now=0.0)
    pair.server.receive_data(answer, now=0.0)
    pair.server.replace(now=0.0)
    assert drain(pair.server) == []
    client_events, server_events = pair.run()
    assert client_events == [ConnectionClosed(1008, "replaced by a newer connection", by_peer=True)]
    assert server_events == [ConnectionClosed(1008, "replaced by a newer connection", by_peer=False)]


def test_an_answer_after_the_end_is_too_late():
    pair = connect()
    pair.client.call(HEARTBEAT, now=0.0)
    (asked,) = pair.run()[1]
    pair.client.close(now=0.0)
    pair.run()
    pair.server.respond(asked, BEAT, now=0.0)
    pair.server.reject(asked, ErrorCode.INTERNAL_ERROR, now=0.0)
    assert pair.run() == ([], [])


def test_a_connection_that_breaks_ends_at_once():
    """F-07, F-08."""
    pair = connect()
    call = pair.client.call(HEARTBEAT, now=0.0)
    pair.cut = True
    client_events, server_events = pair.wait(40.0)
    lost = ConnectionClosed(1006, "no sign of life since the ping", by_peer=True)
    assert client_events[0] == CallFailed(call, CallTimedOut(30.0))
    assert client_events[1:] == [lost]
    assert server_events == [lost]
    assert pair.client.transport_done
    assert pair.next_timeout() == math.inf


def test_a_peer_that_talks_nonsense_is_sent_away():
    """RPC-017: what its last message deserved is still answered."""
    pair = connect(server={"limits": {"max_bad_messages": 1}})
    pair.client._websocket.send_text(b"nonsense")
    assert isinstance(pair.run()[1][0], PeerMisbehaved)
    pair.client._websocket.send_text(b"nonsense")
    client_events, server_events = pair.run()
    assert [event.reason for event in server_events if isinstance(event, PeerMisbehaved)] == [
        Misbehaviour.NOT_JSON,
        Misbehaviour.TOO_MANY_BAD_MESSAGES,
    ]
    assert server_events[-1] == ConnectionClosed(1008, "limit exceeded", by_peer=False)
    assert client_events[-1] == ConnectionClosed(1008, "limit exceeded", by_peer=True)


def test_what_was_said_before_a_breach_counts():
    """F-47."""
    pair = connect()
    pair.client.call(HEARTBEAT, now=0.0)
    pair.client._websocket._frames.library.send_binary(b"x")
    _, (asked, misbehaved, closed) = pair.run()
    assert isinstance(asked, CallReceived)
    assert misbehaved == PeerMisbehaved(Misbehaviour.BINARY_MESSAGE, "binary message", "x")
    assert closed == ConnectionClosed(1003, "binary message", by_peer=False)


def test_a_code_that_cannot_be_sent_leaves_the_connection_open():
    pair = connect()
    call = pair.client.call(HEARTBEAT, now=0.0)
    with pytest.raises(ValueError):
        pair.client.close(1006, now=0.0)
    (asked,) = pair.run()[1]
    pair.server.respond(asked, BEAT, now=0.0)
    assert pair.run()[0] == [CallSucceeded(call, BEAT)]


def test_an_idle_connection_lives():
    """RPC-123."""
    pair = connect()
    assert pair.wait(86400.0) == ([], [])
    assert pair.client.is_open
    assert pair.server.is_open


@pytest.mark.parametrize("accepted", [True, False])
def test_a_connection_that_is_over_is_freed_by_reference_counting(accepted: bool):
    """F-132: even if its taps know it, those it was made with and those that came later."""
    gc.disable()
    try:
        known: list[list[Any]] = [[], []]
        pair = Pair(
            *(end(tap=lambda *_, of=of: of) for end, of in zip((charge_point, central_system), known, strict=True))
        )
        for end, of in zip((pair.client, pair.server), known, strict=True):
            of.append(end)
            end.add_tap(lambda *_, end=end: end)
        del end, of, known
        pair.run()
        if accepted:
            pair.server.accept(now=0.0)
            pair.run()
            pair.client.call(BOOT, now=0.0)
            pair.run()
            pair.client.close(now=0.0)
        else:
            pair.server.reject_connection(403, now=0.0)
        pair.run()
        pair.client.receive_eof(now=0.0)
        assert pair.client.transport_done
        assert pair.server.transport_done
        freed = [weakref.ref(end) for end in (pair.client, pair.server)]
        del pair
        assert [end() for end in freed] == [None, None]
    finally:
        gc.enable()


def test_time_that_goes_backwards_stands_still_for_both_layers_f_135():
    """Also for the one that has not been told of the latest time itself: for the session, before there is one."""
    pair = Pair(charge_point(), central_system(limits={"ping_interval": None}))
    pair.run()
    pair.server.handle_timeout(now=9.0)
    told: list[float] = []
    pair.server.add_tap(lambda *message: told.append(message[2]))
    pair.server.accept(now=5.0)
    pair.run()
    pair.server.call(RESET, now=5.0, timeout=10.0)
    pair.client.call(BOOT, now=5.0, timeout=10.0)
    assert pair.server.next_timeout() == 19.0
    assert pair.client.next_timeout() == 15.0
    _, (call,) = pair.run()
    pair.server.respond(call, BOOTED, now=5.0)
    assert told == [9.0] * 3
    pair.server.receive_data(b"", now=12.0)
    pair.server.probe(now=5.0)
    assert pair.server.next_timeout() == 12.0 + Limits().probe_timeout
