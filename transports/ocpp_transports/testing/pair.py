"""What two ends promise each other."""

from __future__ import annotations

import logging
import queue
import socket
import ssl
from concurrent.futures import Future
from http import HTTPStatus
from typing import Any

import pytest
import trustme

from ocpp_sansio import (
    CallExpired,
    CallRefused,
    CallTimedOut,
    ConnectionClosed,
    ConnectionLost,
    ConnectionRequested,
    ErrorCode,
    InvalidMessage,
    LocalProtocolError,
    Rejection,
    Version,
    v16,
)

from .adapters import Adapter, Gate
from .contract import PairOfEnds, connected
from .peers import tls
from .samples import (
    AUTHORIZE,
    BOOT,
    CLEAR,
    HEARTBEAT,
    NOON,
    PATIENCE,
    RESET,
    accepted,
    booted,
    central_system,
    charge_point,
    cleared,
    heartbeat,
    reset,
    transfer,
)

__all__ = ["PairContract"]


class Panic(BaseException):
    """What an extension module may raise when it breaks inside: no Exception, and yet nobody's wish to stop."""


class PairContract(PairOfEnds):
    """A charge point and a central system, and nothing between them."""

    def test_calls_go_both_ways_and_the_table_of_stations_follows(self, client: Adapter, server: Adapter) -> None:
        with connected(client, server) as (peer, served):
            assert peer.call(HEARTBEAT) == v16.HeartbeatResponse(current_time=NOON)
            assert served.call("CP_1", RESET) == reset()
            station = served.csms.stations["CP_1"]
            assert station.identity == peer.peer.identity == "CP_1"
            assert station.version is peer.peer.version is Version.V16
            assert (station.closed, peer.peer.closed) == (None, None)
            peer.close()
            assert isinstance(peer.peer.closed, ConnectionClosed)
            end = served.do(station.wait_closed)
            assert end.by_peer
            assert end.code == 1000 or not server.owns_websocket
            assert not served.csms.stations

    def test_messages_may_be_compressed_f_58(self, client: Adapter, server: Adapter) -> None:
        server.skip_if_beyond("F-58")
        # F-51, F-58: small ones, large ones, and one that is as large as it may be once it is inflated.
        csms = central_system(compression=True)
        with connected(client, server, csms, handlers=charge_point(), compression=True) as (peer, served):
            for size in (10, 10_000, csms.limits.max_message_size - 100):
                assert peer.call(transfer("x" * size)).data == "x" * size
                assert served.call("CP_1", transfer("y" * size)).data == "y" * size

    def test_a_handler_may_call_its_peer_f_100(self, client: Adapter, server: Adapter) -> None:
        csms, handlers = central_system(), charge_point()
        at_server: list[Any] = []
        at_client: list[Any] = []
        csms.on(v16.AuthorizeRequest)(server.asking(RESET, accepted, at_server))
        handlers.on(v16.ClearCacheRequest)(client.asking(transfer("inside"), cleared, at_client))
        with connected(client, server, csms, handlers=handlers) as (peer, served):
            assert peer.call(AUTHORIZE) == accepted()
            assert served.call("CP_1", CLEAR) == cleared()
        assert at_server == [reset()]
        assert [response.data for response in at_client] == ["inside"]

    def test_handlers_of_both_ends_that_call_each_other_do_not_wait_for_ever_f_100(
        self, client: Adapter, server: Adapter
    ) -> None:
        csms, handlers = central_system(), charge_point()
        heard: list[Any] = []
        csms.on(v16.AuthorizeRequest)(server.asking(CLEAR, accepted, heard))
        handlers.on(v16.ClearCacheRequest)(
            client.asking(transfer("asked by a handler that a handler has called"), cleared, heard)
        )
        # The charge point's first call is still out: its handler's is queued behind it (RPC-050), and times out there.
        with connected(client, server, csms, handlers=handlers) as (peer, _):
            answered = peer.start(AUTHORIZE, timeout=0.2)
            with pytest.raises(CallTimedOut):
                answered.result(PATIENCE)
            assert peer.call(HEARTBEAT) == heartbeat()

    def test_after_a_call_that_times_out_the_next_one_gets_its_own_answer_f_96(
        self, client: Adapter, server: Adapter
    ) -> None:
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

    def test_what_goes_wrong_in_a_handler_is_a_callerror_and_the_next_call_works_f_12_f_101_f_103(
        self, client: Adapter, server: Adapter, caplog: pytest.LogCaptureFixture
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
                case "reject badly":
                    raise Rejection(ErrorCode.SECURITY_ERROR, "\ud800", {"why": object()})
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
            rejection = refusal("reject badly")
            assert (rejection.code, rejection.description, rejection.details) == (ErrorCode.SECURITY_ERROR, "?", {})
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

    def test_the_callers_own_mistakes_raise_at_the_call_and_nothing_is_sent(
        self, client: Adapter, server: Adapter
    ) -> None:
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

    def test_a_call_that_waits_for_others_can_be_bounded_as_a_whole(self, client: Adapter, server: Adapter) -> None:
        csms, handlers = central_system(), charge_point()
        at_server, at_client = Gate(), Gate()
        csms.on(v16.AuthorizeRequest)(server.gated(at_server, accepted))
        handlers.on(v16.ClearCacheRequest)(client.gated(at_client, cleared))
        with connected(client, server, csms, handlers=handlers) as (peer, served):
            upward = peer.start(AUTHORIZE)
            at_server.arrived.get(timeout=PATIENCE)
            with pytest.raises(CallExpired):
                peer.call(HEARTBEAT, expires_in=0.05)
            at_server.open()
            assert upward.result(PATIENCE) == accepted()
            downward = served.start("CP_1", CLEAR)
            at_client.arrived.get(timeout=PATIENCE)
            with pytest.raises(CallExpired):
                served.call("CP_1", RESET, expires_in=0.05)
            at_client.open()
            assert downward.result(PATIENCE) == cleared()
            with pytest.raises(ValueError, match="positive"):
                peer.call(HEARTBEAT, expires_in=0)

    def test_many_callers_at_once_each_get_their_own_answer_f_133(self, client: Adapter, server: Adapter) -> None:
        with connected(client, server) as (peer, served):
            upward: list[Future[Any]] = [peer.start(transfer(f"up {number}")) for number in range(12)]
            downward = [served.start("CP_1", transfer(f"down {number}")) for number in range(12)]
            assert [call.result(PATIENCE).data for call in upward] == [f"up {number}" for number in range(12)]
            assert [call.result(PATIENCE).data for call in downward] == [f"down {number}" for number in range(12)]

    def test_a_station_that_is_closed_tells_its_charge_point_why(self, client: Adapter, server: Adapter) -> None:
        with connected(client, server) as (peer, served):
            station = served.csms.stations["CP_1"]
            served.do(lambda: station.close(1001, "reboot"))
            end = peer.wait_closed()
            assert (end.code, end.reason, end.by_peer) == (1001, "reboot", True)
            # Who calls cannot know: it fails as if the connection had been lost a moment later.
            for call in (peer.start(HEARTBEAT), served.start_work(lambda: station.call(RESET))):
                failure = call.exception(PATIENCE)
                assert isinstance(failure, ConnectionLost)
                assert not failure.sent
            peer.close()  # once more does nothing

    def test_a_shutdown_gives_every_call_its_one_outcome(self, client: Adapter, server: Adapter) -> None:
        handlers, at_client = charge_point(), Gate()
        handlers.on(v16.ClearCacheRequest)(client.gated(at_client, cleared))
        csms, at_server = central_system(), Gate()
        csms.on(v16.AuthorizeRequest)(server.gated(at_server, accepted))
        with connected(client, server, csms, handlers=handlers) as (peer, served):
            upward = [peer.start(AUTHORIZE), peer.start(HEARTBEAT)]
            at_server.arrived.get(timeout=PATIENCE)
            downward = served.start("CP_1", CLEAR)
            closing = served.start_work(served.server.close)
            at_server.open()
            at_client.open()
            for call in (*upward, downward):  # answered in time, cut off, or too late to be sent
                assert isinstance(call.exception(PATIENCE), ConnectionLost | None)
            closing.result(PATIENCE)
            assert peer.wait_closed().code == 1001
            assert not served.csms.stations
            if server.owns_websocket:
                with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", served.port)):
                    pass

    def test_the_newest_connection_of_an_identity_wins_and_stays_f_33_f_35(
        self, client: Adapter, server: Adapter
    ) -> None:
        with connected(client, server) as (first, served):
            displaced = served.csms.stations["CP_1"]
            with client.connect(served.url) as second:
                end = first.wait_closed()
                assert (end.code, end.by_peer) == (1008, True)
                served.do(displaced.wait_closed)
                assert served.csms.stations["CP_1"] is not displaced
                assert second.call(HEARTBEAT) == heartbeat()
                assert served.call("CP_1", RESET).status is v16.ResetStatus.ACCEPTED
            with pytest.raises(ConnectionLost):
                first.call(HEARTBEAT)

    @pytest.mark.parametrize("later", [False, True], ids=["at once", "awaited"])
    def test_the_hook_decides_who_may_connect_and_no_secret_is_told_f_25_f_40(
        self, client: Adapter, server: Adapter, later: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        csms = central_system(authenticate=None)
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

    @pytest.mark.parametrize("later", [False, True], ids=["plain", "asking"])
    def test_a_central_system_is_told_who_comes_and_goes(self, client: Adapter, server: Adapter, later: bool) -> None:
        csms = central_system()
        told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        answered: queue.SimpleQueue[Any] = queue.SimpleQueue()
        heard: list[Any] = []

        def note(station: Any, _: object) -> None:
            answered.put(station)

        ask = server.asking(RESET, note, heard)

        @csms.on_connected
        def come(station: Any) -> Any:
            told.put((station, csms.stations.get("CP_1") is station, csms.is_accepted("CP_1")))
            told.put((station.request.identity, station.request.headers["sec-websocket-version"]))
            return ask(station, None) if later else None

        @csms.on_disconnected
        def gone(station: Any) -> None:
            told.put((station, station.closed.code, "CP_1" in csms.stations))

        csms.on_disconnected(told.put)
        del come, gone
        with server.serve(csms) as served:
            for is_accepted in (False, True):
                with client.connect(served.url) as peer:
                    assert peer.call(BOOT) == booted()
                    station = csms.stations["CP_1"]
                    assert told.get(timeout=PATIENCE) == (station, True, is_accepted)
                    assert told.get(timeout=PATIENCE) == ("CP_1", "13")
                    assert told.empty()
                    if later:
                        assert answered.get(timeout=PATIENCE) is station
                left, code, is_there = told.get(timeout=PATIENCE)
                assert (left, is_there) == (station, False)
                assert code == 1000 or not server.owns_websocket
                assert told.get(timeout=PATIENCE) is station
        assert heard == [reset(), reset()] * later

    def test_tls_protects_and_a_stranger_is_not_believed_f_17(self, client: Adapter, server: Adapter) -> None:
        server.skip_if_beyond("F-17")
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
