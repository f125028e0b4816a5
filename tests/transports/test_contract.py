"""Every client adapter against every server adapter: the same promises, kept alike."""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import pytest
import trustme

import ocpp_transports.sync
from ocpp_sansio import (
    CallRefused,
    CallTimedOut,
    CentralSystem,
    ConnectionClosed,
    ConnectionLost,
    ConnectionRequested,
    ErrorCode,
    InvalidMessage,
    Limits,
    LocalProtocolError,
    Rejection,
    SessionClosed,
    Version,
    v16,
)
from tests.corpus.malformed import MALFORMED
from tests.transports.contract import (
    ADAPTERS,
    BOOT,
    HEARTBEAT,
    NOON,
    PATIENCE,
    RESET,
    Adapter,
    ClientEnd,
    Gate,
    RawPeer,
    ServerEnd,
    booted,
    census,
    central_system,
    charge_point,
    heartbeat,
    listening,
    on_client,
    on_server,
    raw_client,
    raw_server,
    tls,
    transfer,
)

AUTHORIZE = v16.AuthorizeRequest(id_tag="TAG")


def accepted(*_: object) -> v16.AuthorizeResponse:
    return v16.AuthorizeResponse(id_tag_info=v16.IdTagInfo(status=v16.AuthorizationStatus.ACCEPTED))


@contextmanager
def connected(
    client: Adapter, server: Adapter, csms: CentralSystem | None = None, **options: Any
) -> Iterator[tuple[ClientEnd, ServerEnd]]:
    """A charge point that has been accepted, and its central system."""
    with server.serve(csms or central_system()) as served, client.connect(served.url, **options) as peer:
        assert peer.call(BOOT) == booted()
        yield peer, served


@pytest.fixture(autouse=True)
def _nothing_is_left_over() -> Iterator[None]:
    before = census()
    yield
    assert census() == before


# -- client and server --


@on_client
@on_server
def test_calls_go_both_ways_and_the_table_of_stations_follows(client: Adapter, server: Adapter) -> None:
    with connected(client, server) as (peer, served):
        assert peer.call(HEARTBEAT) == v16.HeartbeatResponse(current_time=NOON)
        assert served.call("CP_1", RESET) == v16.ResetResponse(status=v16.ResetStatus.ACCEPTED)
        station = served.csms.stations["CP_1"]
        assert station.identity == peer.peer.identity == "CP_1"
        assert station.version is peer.peer.version is Version.V16
        assert station.closed is peer.peer.closed is None
        peer.close()
        assert isinstance(peer.peer.closed, ConnectionClosed)
        end = served.do(station.wait_closed)
        assert (end.code, end.by_peer) == (1000, True)
        assert not served.csms.stations


@on_client
@on_server
def test_a_handler_may_call_its_peer_f_100(client: Adapter, server: Adapter) -> None:
    csms, handlers = central_system(), charge_point()
    at_server: list[Any] = []
    at_client: list[Any] = []
    csms.on(v16.AuthorizeRequest)(server.asking(RESET, accepted, at_server))
    cleared = v16.ClearCacheResponse(status=v16.ClearCacheStatus.ACCEPTED)
    handlers.on(v16.ClearCacheRequest)(client.asking(transfer("inside"), lambda *_: cleared, at_client))
    with connected(client, server, csms, handlers=handlers) as (peer, served):
        assert peer.call(AUTHORIZE) == accepted()
        assert served.call("CP_1", v16.ClearCacheRequest()) == cleared
    assert at_server == [v16.ResetResponse(status=v16.ResetStatus.ACCEPTED)]
    assert [response.data for response in at_client] == ["inside"]


@on_client
@on_server
def test_handlers_of_both_ends_that_call_each_other_do_not_wait_for_ever_f_100(
    client: Adapter, server: Adapter
) -> None:
    csms, handlers = central_system(), charge_point()
    heard: list[Any] = []
    cleared = v16.ClearCacheResponse(status=v16.ClearCacheStatus.ACCEPTED)
    csms.on(v16.AuthorizeRequest)(server.asking(v16.ClearCacheRequest(), accepted, heard))
    handlers.on(v16.ClearCacheRequest)(client.asking(RESET_BY_TRANSFER, lambda *_: cleared, heard))
    # The charge point's first call is still out: its handler's one is queued behind it (RPC-050), and times out there.
    with connected(client, server, csms, handlers=handlers, limits=Limits(close_timeout=3)) as (peer, _):
        answered = peer.start(AUTHORIZE, timeout=0.2)
        with pytest.raises(CallTimedOut):
            answered.result(PATIENCE)
        assert peer.call(HEARTBEAT) == heartbeat()


RESET_BY_TRANSFER = transfer("in a handler that is called by a handler")


@on_client
@on_server
def test_after_a_call_that_times_out_the_next_one_gets_its_own_answer_f_96(client: Adapter, server: Adapter) -> None:
    csms, gate = central_system(), Gate()
    csms.on(v16.AuthorizeRequest)(server.gated(gate, accepted))
    with connected(client, server, csms) as (peer, _):
        late = peer.start(AUTHORIZE, timeout=0.05)
        gate.arrived.get(timeout=PATIENCE)
        with pytest.raises(CallTimedOut):
            late.result(PATIENCE)
        gate.open()
        assert peer.call(HEARTBEAT) == heartbeat()
        assert peer.call(AUTHORIZE) == accepted()


class Panic(BaseException):
    """What an extension module may raise when it breaks inside: no Exception, and yet nobody's wish to stop."""


@on_client
@on_server
def test_what_goes_wrong_in_a_handler_is_a_callerror_and_the_next_call_works_f_12(
    client: Adapter, server: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    csms = central_system()

    @csms.on(v16.AuthorizeRequest)
    def authorize(_: Any, request: v16.AuthorizeRequest) -> Any:
        match request.id_tag:
            case "crash":
                raise LookupError("sesame")
            case "panic":
                raise Panic
            case "reject":
                raise Rejection(ErrorCode.SECURITY_ERROR, "not you", {"why": "so"})
            case "wrong":
                return heartbeat()
            case "nothing":
                return None
            case _:
                return v16.AuthorizeResponse(id_tag_info=v16.IdTagInfo(status="unheard of"))  # type: ignore[arg-type]

    def refusal(id_tag: str) -> CallRefused:
        with pytest.raises(CallRefused) as refused:
            peer.call(v16.AuthorizeRequest(id_tag=id_tag))
        return refused.value

    with caplog.at_level(logging.ERROR), connected(client, server, csms) as (peer, _):
        rejection = refusal("reject")
        assert (rejection.code, rejection.description, rejection.details) == (
            ErrorCode.SECURITY_ERROR,
            "not you",
            {"why": "so"},
        )
        assert not caplog.records
        for number, id_tag in enumerate(["crash", "panic", "wrong", "nothing", "invalid"], 1):
            error = refusal(id_tag)
            assert (error.code, error.description, error.details) == (ErrorCode.INTERNAL_ERROR, "", {})
            assert len(caplog.records) == number
            assert peer.call(HEARTBEAT) == heartbeat()
        with pytest.raises(CallRefused) as refused:
            peer.call(v16.DiagnosticsStatusNotificationRequest(status=v16.DiagnosticsStatus.IDLE))
        assert refused.value.code is ErrorCode.NOT_SUPPORTED
    assert isinstance(caplog.records[0].exc_info, tuple)
    assert all(record.name == "ocpp_transports" for record in caplog.records)


@on_client
@on_server
def test_the_callers_own_mistakes_raise_at_the_call_and_nothing_is_sent(client: Adapter, server: Adapter) -> None:
    with connected(client, server) as (peer, served):
        with pytest.raises(InvalidMessage):
            peer.call(v16.AuthorizeRequest(id_tag="x" * 21))
        with pytest.raises(LocalProtocolError):
            peer.call(RESET)
        with pytest.raises(LocalProtocolError):
            served.call("CP_1", HEARTBEAT)
        with pytest.raises(ValueError, match="time-out"):
            peer.call(HEARTBEAT, timeout=0)
        assert peer.call(HEARTBEAT) == heartbeat()
        assert served.call("CP_1", RESET).status is v16.ResetStatus.ACCEPTED


@on_client
@on_server
def test_many_callers_at_once_each_get_their_own_answer_f_133(client: Adapter, server: Adapter) -> None:
    with connected(client, server) as (peer, served):
        upward: list[Future[Any]] = [peer.start(transfer(f"up {number}")) for number in range(12)]
        downward = [served.start("CP_1", transfer(f"down {number}")) for number in range(12)]
        assert [call.result(PATIENCE).data for call in upward] == [f"up {number}" for number in range(12)]
        assert [call.result(PATIENCE).data for call in downward] == [f"down {number}" for number in range(12)]


@on_client
@on_server
def test_a_station_that_is_closed_tells_its_charge_point_why(client: Adapter, server: Adapter) -> None:
    with connected(client, server) as (peer, served):
        station = served.csms.stations["CP_1"]
        served.do(lambda: station.close(1001, "reboot"))
        end = peer.wait_closed()
        assert (end.code, end.reason, end.by_peer) == (1001, "reboot", True)
        for call in (lambda: peer.call(HEARTBEAT), lambda: served.do(lambda: station.call(RESET))):
            with pytest.raises(SessionClosed):
                call()
        peer.close()  # once more does nothing


@on_client
@on_server
def test_a_shutdown_gives_every_call_its_one_outcome(client: Adapter, server: Adapter) -> None:
    handlers, at_client = charge_point(), Gate()
    cleared = v16.ClearCacheResponse(status=v16.ClearCacheStatus.ACCEPTED)
    handlers.on(v16.ClearCacheRequest)(client.gated(at_client, lambda *_: cleared))
    csms, at_server = central_system(), Gate()
    csms.on(v16.AuthorizeRequest)(server.gated(at_server, accepted))
    with connected(client, server, csms, handlers=handlers) as (peer, served):
        upward = [peer.start(AUTHORIZE), peer.start(HEARTBEAT)]
        at_server.arrived.get(timeout=PATIENCE)
        downward = served.start("CP_1", v16.ClearCacheRequest())
        closing = served.start_work(served.server.close)
        at_server.open()
        at_client.open()
        for call in (*upward, downward):  # answered in time, cut off, or too late to be sent
            assert isinstance(call.exception(PATIENCE), ConnectionLost | SessionClosed | None)
        closing.result(PATIENCE)
        assert peer.wait_closed().code == 1001
        assert not served.csms.stations
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", served.port)):
            pass


@on_client
@on_server
def test_the_newest_connection_of_an_identity_wins_and_stays_f_33_f_35(client: Adapter, server: Adapter) -> None:
    with connected(client, server) as (first, served):
        displaced = served.csms.stations["CP_1"]
        with client.connect(served.url) as second:
            end = first.wait_closed()
            assert (end.code, end.by_peer) == (1008, True)
            served.do(displaced.wait_closed)
            assert served.csms.stations["CP_1"] is not displaced
            assert second.call(HEARTBEAT) == heartbeat()
            assert served.call("CP_1", RESET).status is v16.ResetStatus.ACCEPTED
        with pytest.raises(SessionClosed):
            first.call(HEARTBEAT)


@on_client
@on_server
@pytest.mark.parametrize("later", [False, True], ids=["at once", "awaited"])
def test_the_hook_decides_who_may_connect_f_25(
    client: Adapter, server: Adapter, later: bool, caplog: pytest.LogCaptureFixture
) -> None:
    csms = central_system()
    secret = b"\x00\xffnot text at all"

    def decide(request: ConnectionRequested) -> bool | HTTPStatus:
        if request.identity == "CRASH":
            raise LookupError("sesame")
        if request.identity == "ODD":
            return HTTPStatus.OK
        if request.identity != "CP_1":
            return HTTPStatus.NOT_FOUND
        return request.credentials is not None and request.credentials.password == secret

    async def decide_later(request: ConnectionRequested) -> bool | HTTPStatus:
        return decide(request)

    csms.authenticate(decide_later if later else decide)

    def refused(identity: str, password: bytes | None) -> Any:
        failed = client.module.HandshakeFailed
        with pytest.raises(failed) as failure, client.connect(served.url, identity, password=password):
            pass
        return failure.value

    with caplog.at_level(logging.DEBUG), server.serve(csms) as served:
        with client.connect(served.url, password=secret) as peer:
            assert peer.call(BOOT) == booted()
        without = refused("CP_1", None)
        assert (without.status, without.headers["www-authenticate"][:5]) == (401, "Basic")
        assert "HTTP 401" in str(without)
        assert refused("CP_1", b"guess").status == 401
        assert refused("CP_2", secret).status == 404
        assert refused("CRASH", None).status == refused("ODD", None).status == 500
        assert not served.csms.stations
    assert "not text at all" not in caplog.text  # F-40
    assert "guess" not in caplog.text


@on_client
@on_server
def test_tls_protects_and_a_stranger_is_not_believed_f_17(client: Adapter, server: Adapter) -> None:
    for_server, for_client = tls(trustme.CA())
    _, for_another = tls(trustme.CA())
    with server.serve(central_system(), ssl=for_server) as served:
        url = served.url.replace("ws:", "wss:")
        with client.connect(url, ssl=for_client) as peer:
            assert peer.call(BOOT) == booted()
            big = "x" * 200_000
            assert peer.call(transfer(big)).data == big
            assert served.call("CP_1", transfer(big)).data == big
        with pytest.raises(ssl.SSLCertVerificationError), client.connect(url, ssl=for_another):
            pass
        with pytest.raises(ValueError, match="wss"), client.connect(served.url, ssl=for_client):
            pass
        with pytest.raises(client.module.HandshakeFailed), client.connect(served.url):  # F-19: TLS only
            pass


# -- each server against a client without manners --


@on_server
def test_after_every_malformed_text_the_next_good_call_is_served(server: Adapter) -> None:
    with server.serve(central_system()) as served, raw_client(served.port) as peer:
        boot = '{"chargePointVendor":"Vendor","chargePointModel":"Model"}'
        peer.send(f'[2,"boot","BootNotification",{boot}]')
        assert json.loads(peer.receive_text())[:2] == [3, "boot"]
        sendable = [row for row in MALFORMED if is_utf8(row.text)]
        for number, row in enumerate(sendable):
            peer.send(row.text)
            peer.send(f'[2,"good-{number}","Heartbeat",{{}}]')
            answer = json.loads(peer.receive_text())
            if row.answer is not None:
                assert (answer[0], answer[1], answer[2]) == (4, *row.answer), row
                answer = json.loads(peer.receive_text())
            assert answer[:2] == [3, f"good-{number}"], row
    assert len(sendable) > 150


def is_utf8(text: str) -> bool:
    try:
        return bool(text.encode()) or True
    except UnicodeEncodeError:
        return False


@on_server
def test_a_peer_that_pipelines_is_served_in_order_and_a_few_calls_at_a_time_f_98(server: Adapter) -> None:
    csms, gate = central_system(accept_before_boot=True), Gate()
    csms.on(v16.AuthorizeRequest)(server.gated(gate, accepted))
    with server.serve(csms) as served, raw_client(served.port) as peer:
        peer.stream.sendall(
            b"".join(peer.frame(f'[2,"{number}","Authorize",{{"idTag":"{number}"}}]') for number in range(100))
        )
        gate.arrived.get(timeout=PATIENCE)
        peer.send("", opcode=9)
        assert gate.arrived.qsize() < Limits().max_inbound_calls
        gate.open()
        answered = {json.loads(data)[1] for opcode, data in (peer.receive() for _ in range(101)) if opcode == 1}
        assert answered == {str(number) for number in range(100)}


@on_server
def test_a_peer_that_does_not_read_is_not_read_from_f_06(server: Adapter) -> None:
    csms = central_system(accept_before_boot=True, limits=Limits(max_unsent=2**14, close_timeout=3))
    with server.serve(csms) as served, raw_client(served.port, receive_buffer=2**17) as peer:
        calls = (
            peer.frame(f'[2,"{number}","DataTransfer",{{"vendorId":"Vendor","data":"{"x" * 60_000}"}}]')
            for number in range(1000)
        )
        peer.stream.setblocking(False)
        rest, asked = b"", 0
        while select.select([], [peer.stream], [], 0.5)[1]:
            if not rest:
                rest = next(calls)  # and does not run out of them: it is not read from for ever
                asked += 1
            rest = rest[peer.stream.send(rest) :]
        # Now it reads, and is answered all it asked. What it had begun to ask it ends meanwhile.
        peer.stream.settimeout(PATIENCE)
        with ThreadPoolExecutor(1) as thread:
            sent = thread.submit(peer.stream.sendall, rest)
            assert [json.loads(peer.receive_text())[1] for _ in range(asked)] == [str(n) for n in range(asked)]
            sent.result(PATIENCE)


@on_server
@pytest.mark.parametrize("end", ["reset", "fin", "fin inside a frame"])
def test_a_connection_that_breaks_gives_every_call_one_outcome_f_08_f_09(server: Adapter, end: str) -> None:
    with server.serve(central_system(accept_before_boot=True)) as served, raw_client(served.port) as peer:
        peer.send('[2,"1","Heartbeat",{}]')
        peer.receive_text()
        station = served.csms.stations["CP_1"]
        calls = [served.start_work(lambda: station.call(RESET)) for _ in range(3)]
        assert json.loads(peer.receive_text())[2] == "Reset"
        match end:
            case "reset":
                peer.reset()
            case "fin":
                peer.stream.shutdown(socket.SHUT_WR)
            case _:
                peer.stream.sendall(peer.frame("[2,")[:-1])
                peer.stream.shutdown(socket.SHUT_WR)
        sent, *others = (call.exception(PATIENCE) for call in calls)
        assert isinstance(sent, ConnectionLost)
        assert sent.sent
        for failure in others:  # queued by then, or too late to be queued
            assert isinstance(failure, SessionClosed) or (isinstance(failure, ConnectionLost) and not failure.sent)
        assert served.do(station.wait_closed).code == 1006
        assert not served.csms.stations


@on_server
def test_a_connection_that_fails_inside_ends_alone_f_14(
    server: Adapter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError("out of it")

    with (
        server.serve(central_system(accept_before_boot=True)) as served,
        ADAPTERS[2].connect(served.url) as peer,
        ADAPTERS[2].connect(served.url, "CP_2") as other,
    ):
        assert peer.call(HEARTBEAT) == heartbeat()
        station = served.csms.stations["CP_1"]
        monkeypatch.setattr(station._driver.connection, "receive_data", fail)
        with pytest.raises(ConnectionLost):
            peer.call(HEARTBEAT)
        assert served.do(station.wait_closed).code == 1006
        assert other.call(HEARTBEAT) == heartbeat()
        assert list(served.csms.stations) == ["CP_2"]
    assert "out of it" in caplog.text


@on_server
@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_who_says_nothing_is_not_kept_f_01_f_19(server: Adapter, secure: bool) -> None:
    csms = central_system(limits=Limits(handshake_timeout=0.2, close_timeout=0.2))
    context = tls(trustme.CA())[0] if secure else None
    with server.serve(csms, ssl=context) as served, socket.create_connection(("127.0.0.1", served.port)) as stream:
        answer = RawPeer(stream, is_client=True).read_all()
        assert secure or b" 408 " in answer


@on_server
def test_a_closing_handshake_that_is_not_answered_ends_all_the_same_f_10(server: Adapter) -> None:
    csms = central_system(accept_before_boot=True, limits=Limits(close_timeout=0.2))
    with server.serve(csms) as served, raw_client(served.port) as peer:
        peer.send('[2,"1","Heartbeat",{}]')
        peer.receive_text()
        station = served.csms.stations["CP_1"]
        served.do(station.close)
        assert (station.closed.code, station.closed.by_peer) == (1006, False)
        assert peer.receive()[0] == 8


@on_server
def test_the_last_words_reach_a_peer_that_has_sent_too_much_f_49(server: Adapter) -> None:
    csms = central_system(limits=Limits(max_message_size=1000))
    with server.serve(csms) as served, raw_client(served.port) as peer:
        peer.send("x" * 300_000)
        opcode, data = peer.receive()
        assert (opcode, int.from_bytes(data[:2], "big")) == (8, 1009)


@on_server
def test_a_server_without_authentication_says_so_once_and_loudly(
    server: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    with server.serve(CentralSystem()):
        pass
    with server.serve(central_system()):
        pass
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "authenticate" in caplog.text


@on_server
def test_a_tap_is_shown_every_message_and_its_station(server: Adapter) -> None:
    heard: list[tuple[str, str, str]] = []

    def tap(station: Any, direction: Any, text: str, now: float) -> None:
        heard.append((station.identity, direction.value, text))

    with server.serve(central_system(accept_before_boot=True), tap=tap) as served:
        for identity in ("CP_1", "CP_2"):
            with raw_client(served.port, identity) as peer:
                peer.send('[2,"1","Heartbeat",{}]')
                answer = peer.receive_text()
    asked = '[2,"1","Heartbeat",{}]'
    assert heard == [
        ("CP_1", "in", asked),
        ("CP_1", "out", answer),
        ("CP_2", "in", asked),
        ("CP_2", "out", answer),
    ]


@on_server
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_run_serves_until_a_signal_and_closes_in_good_order_f_138(server: Adapter, number: signal.Signals) -> None:
    def be_a_station() -> int:
        url = f"ws://127.0.0.1:{ports.get(timeout=PATIENCE)}"
        with ocpp_transports.sync.connect(url, "CP_1") as peer:
            peer.call(BOOT)
            os.kill(os.getpid(), number)
            return peer.wait_closed().code

    before = signal.getsignal(number)
    with listening() as ports, ThreadPoolExecutor(1) as thread:
        code = thread.submit(be_a_station)
        server.module.run(central_system(), port=0)
        assert code.result(PATIENCE) == 1001
    assert signal.getsignal(number) is before


# -- each client against a server without manners --


@on_client
def test_a_refusal_tells_status_headers_and_body(client: Adapter) -> None:
    def refuse(peer: RawPeer) -> None:
        peer.read_head()
        peer.stream.sendall(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy")
        peer.read_all()

    with (
        raw_server(refuse, shake_hands=False) as url,
        pytest.raises(client.module.HandshakeFailed) as failure,
        client.connect(url),
    ):
        pass
    assert (failure.value.status, failure.value.headers["retry-after"], failure.value.body) == (503, "7", "busy")


@on_client
def test_a_server_that_says_nothing_is_not_waited_for_f_15(client: Adapter) -> None:
    with raw_server(RawPeer.read_all, shake_hands=False) as url:
        limits = Limits(handshake_timeout=0.2, close_timeout=0.2)
        with pytest.raises(client.module.HandshakeFailed) as failure, client.connect(url, limits=limits):
            pass
    assert failure.value.status is None


@on_client
def test_a_tls_handshake_that_stalls_is_not_waited_for_f_19(client: Adapter) -> None:
    with raw_server(RawPeer.read_all, shake_hands=False) as url:
        limits = Limits(handshake_timeout=0.2, close_timeout=0.2)
        with pytest.raises(OSError), client.connect(url.replace("ws:", "wss:"), limits=limits):
            pass


@on_client
def test_nobody_there_is_an_oserror_f_15(client: Adapter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(OSError), client.connect(f"ws://127.0.0.1:{port}"):
        pass


@on_client
@pytest.mark.parametrize("end", ["reset", "fin"])
def test_a_lost_server_gives_every_call_one_outcome_f_08_f_09(client: Adapter, end: str) -> None:
    def leave(peer: RawPeer) -> None:
        peer.receive_text()
        if end == "reset":
            peer.reset()

    with raw_server(leave) as url, client.connect(url) as peer:
        calls = [peer.start(HEARTBEAT) for _ in range(3)]
        sent, *others = (call.exception(PATIENCE) for call in calls)
        assert isinstance(sent, ConnectionLost)
        assert sent.sent
        for failure in others:  # queued by then, or too late to be queued
            assert isinstance(failure, SessionClosed) or (isinstance(failure, ConnectionLost) and not failure.sent)
        assert peer.wait_closed().code == 1006


@on_client
def test_a_client_outlives_garbage_and_a_late_answer_f_95(client: Adapter) -> None:
    def ramble(peer: RawPeer) -> None:
        late = json.loads(peer.receive_text())[1]
        peer.send("not JSON")
        peer.send('[3,"nobody asked",{}]')
        second = json.loads(peer.receive_text())[1]
        peer.send(f'[3,"{late}",{{"currentTime":"2020-01-01T00:00:00Z"}}]')
        peer.send(f'[3,"{second}",{{"currentTime":"2026-01-01T12:00:00Z"}}]')
        peer.read_all()

    with raw_server(ramble) as url, client.connect(url, limits=Limits(close_timeout=0.2)) as peer:
        with pytest.raises(CallTimedOut):
            peer.call(HEARTBEAT, timeout=0.1)
        assert peer.call(HEARTBEAT) == heartbeat()


@on_server
def test_a_peer_does_not_fill_the_log_f_130(server: Adapter, caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.INFO, "ocpp_transports"),
        server.serve(central_system()) as served,
        raw_client(served.port) as peer,
    ):
        for number in range(500):
            peer.send(json.dumps([2, str(number), "Nonsense", {}]))
            assert json.loads(peer.receive_text())[2] == "NotImplemented"
        assert len(caplog.records) < 100
