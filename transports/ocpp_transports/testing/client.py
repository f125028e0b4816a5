"""What a charge point promises, whoever its server is: here it is one without manners."""

from __future__ import annotations

import json
import socket

import pytest

from ocpp_sansio import CallTimedOut, ConnectionLost, Limits, SessionClosed

from .adapters import Adapter
from .contract import Contract
from .peers import RawPeer, raw_server
from .samples import HEARTBEAT, PATIENCE, heartbeat

__all__ = ["ClientContract"]


class ClientContract(Contract):
    """A charge point. Override ``client``."""

    @pytest.fixture
    def client(self) -> Adapter:
        """The adapter under test."""
        raise NotImplementedError("override the fixture `client`")

    def test_a_refusal_tells_status_headers_and_body(self, client: Adapter) -> None:
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

    def test_a_server_that_says_nothing_is_not_waited_for_f_15(self, client: Adapter) -> None:
        with raw_server(RawPeer.read_all, shake_hands=False) as url:
            limits = Limits(handshake_timeout=0.2, close_timeout=0.2)
            with pytest.raises(client.module.HandshakeFailed) as failure, client.connect(url, limits=limits):
                pass
        assert failure.value.status is None

    def test_a_tls_handshake_that_stalls_is_not_waited_for_f_19(self, client: Adapter) -> None:
        with raw_server(RawPeer.read_all, shake_hands=False) as url:
            limits = Limits(handshake_timeout=0.2, close_timeout=0.2)
            with pytest.raises(OSError), client.connect(url.replace("ws:", "wss:"), limits=limits):
                pass

    def test_nobody_there_is_an_oserror_f_15(self, client: Adapter) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(OSError), client.connect(f"ws://127.0.0.1:{port}"):
            pass

    @pytest.mark.parametrize("end", ["reset", "fin"])
    def test_a_lost_server_gives_every_call_one_outcome_f_08_f_09(self, client: Adapter, end: str) -> None:
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

    def test_a_client_outlives_garbage_and_a_late_answer_f_95(self, client: Adapter) -> None:
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
