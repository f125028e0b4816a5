"""What a charge point promises, whoever its server is: here it is one without manners."""

from __future__ import annotations

import json
import socket
from contextlib import suppress

import pytest

from ocpp_sansio import CallTimedOut, ConnectionLost, Direction, Limits, v16
from ocpp_sansio.session import Session

from .adapters import Adapter, Gate
from .attacks import ATTACKS, COMPRESSED_ATTACKS, LIMITS, Attack
from .contract import Contract
from .peers import RawPeer, raw_server
from .proxy import Course, Proxy
from .samples import HEARTBEAT, PATIENCE, charge_point, cleared, heartbeat

__all__ = ["ClientContract"]

REFUSALS = {
    301: b"Moved Permanently",
    400: b"Bad Request",
    401: b"Unauthorized",
    404: b"Not Found",
    429: b"Too Many Requests",
    503: b"",
    200: b"OK",
    101: b"Switching Protocols",
}


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

    def test_a_server_that_says_nothing_is_not_waited_for_f_01_f_15(self, client: Adapter) -> None:
        with raw_server(RawPeer.read_all, shake_hands=False) as url:
            limits = Limits(handshake_timeout=0.2, close_timeout=0.2)
            # On a busy machine it may come to no connection by then.
            failed = (client.module.HandshakeFailed, TimeoutError)
            with pytest.raises(failed) as failure, client.connect(url, limits=limits):
                pass
        assert getattr(failure.value, "status", None) is None

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
            for failure in others:
                assert isinstance(failure, ConnectionLost)
                assert not failure.sent
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

    @pytest.mark.parametrize(("status", "words"), REFUSALS.items())
    def test_a_handshake_that_ends_otherwise_is_told_with_its_status_f_16(
        self, client: Adapter, status: int, words: bytes
    ) -> None:
        def refuse(peer: RawPeer) -> None:
            peer.read_head()
            peer.stream.sendall(b"HTTP/1.1 %d %b\r\n\r\n<html>" % (status, words))

        with (
            raw_server(refuse, shake_hands=False) as url,
            pytest.raises(client.module.HandshakeFailed) as failure,
            client.connect(url),
        ):
            pass
        assert failure.value.status == status

    def test_a_response_that_trickles_in_is_not_waited_for_f_02(self, client: Adapter) -> None:
        def trickle(peer: RawPeer) -> None:
            peer.read_head()
            with suppress(OSError):
                peer.stream.sendall(b"HTTP/1.1 101 Switching Protocols\r\nX-Padding: " + b"x" * 1000)
                peer.read_all()

        limits = Limits(handshake_timeout=0.2, close_timeout=0.2)
        with (
            raw_server(trickle, shake_hands=False) as url,
            Proxy(int(url.rpartition(":")[2].partition("/")[0]), down=Course(chunk=1, rate=50)) as line,
            pytest.raises((client.module.HandshakeFailed, TimeoutError)),
            client.connect(line.url, limits=limits),
        ):
            pass

    def test_an_attack_on_the_websocket_ends_it_and_is_called_what_it_is_f_45_f_46_f_47_f_48_f_49_f_50_f_53(
        self, client: Adapter
    ) -> None:
        for attack in ATTACKS:
            codes: list[int | None] = []

            def strike(peer: RawPeer, attack: Attack = attack, codes: list[int | None] = codes) -> None:
                peer.receive_text()
                with suppress(ConnectionError):
                    peer.stream.sendall(attack.data(peer))
                codes.append(peer.receive_code())

            with raw_server(strike) as url, client.connect(url, limits=LIMITS) as peer:
                with pytest.raises(ConnectionLost):
                    peer.call(HEARTBEAT)
                end = peer.wait_closed()
                assert (end.code, end.by_peer) == (attack.code, False), attack
            assert codes == [attack.code], attack

    def test_what_comes_after_a_close_frame_is_not_heard_f_55(self, client: Adapter) -> None:
        def leave(peer: RawPeer) -> None:
            identity = json.loads(peer.receive_text())[1]
            close = peer.frame(b"\x03\xe9", 8)
            answer = peer.frame(f'[3,"{identity}",{{"currentTime":"2026-01-01T12:00:00Z"}}]')
            peer.stream.sendall(close + answer + close)
            peer.stream.shutdown(socket.SHUT_WR)
            assert peer.receive_code() == 1001

        with raw_server(leave) as url, client.connect(url) as peer:
            with pytest.raises(ConnectionLost):
                peer.call(HEARTBEAT)
            end = peer.wait_closed()
            assert (end.code, end.by_peer) == (1001, True)

    def test_an_attack_by_compression_ends_as_well_f_51(self, client: Adapter) -> None:
        agreed = (
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
        )
        for attack in COMPRESSED_ATTACKS:

            def strike(peer: RawPeer, attack: Attack = attack) -> None:
                with suppress(ConnectionError):
                    peer.stream.sendall(attack.data(peer))
                assert peer.receive_code() == attack.code, attack

            with (
                raw_server(strike, fields=agreed) as url,
                client.connect(url, limits=LIMITS, compression=True) as peer,
            ):
                assert peer.wait_closed().code == attack.code, attack

    def test_a_tap_that_fails_is_told_on_and_harms_nobody(
        self, client: Adapter, caplog: pytest.LogCaptureFixture
    ) -> None:
        heard: list[str] = []

        def tap(direction: Direction, _text: str, _at: float) -> None:
            heard.append(direction.value)
            raise LookupError("sesame")

        def answer(peer: RawPeer) -> None:
            for _ in range(2):
                number = json.loads(peer.receive_text())[1]
                peer.send(f'[3,"{number}",{{"currentTime":"2026-01-01T12:00:00Z"}}]')
            peer.receive_code()

        with raw_server(answer) as url, client.connect(url, tap=tap, limits=Limits(close_timeout=0.2)) as peer:
            for _ in range(2):
                assert peer.call(HEARTBEAT) == heartbeat()
        assert heard == ["out", "in"] * 2
        assert caplog.text.count("'CP_1': the tap failed") == 1

    def test_compression_is_not_offered_unless_it_is_asked_for_f_52(self, client: Adapter) -> None:
        heads: list[str] = []

        def look(peer: RawPeer) -> None:
            heads.append(peer.head)
            peer.read_all()

        limits = Limits(close_timeout=0.1)
        for compression in (False, True):
            with raw_server(look) as url, client.connect(url, limits=limits, compression=compression):
                pass
        assert ["permessage-deflate" in head for head in heads] == [False, True]

    def test_a_response_that_does_not_end_is_not_read_to_its_end_f_03(self, client: Adapter) -> None:
        def flood(peer: RawPeer) -> None:
            peer.read_head()
            with suppress(ConnectionError):
                peer.stream.sendall(b"HTTP/1.1 101 Switching Protocols\r\n" + b"X: y\r\n" * 200_000)
                peer.read_all()

        with (
            raw_server(flood, shake_hands=False) as url,
            pytest.raises(client.module.HandshakeFailed),
            client.connect(url),
        ):
            pass

    def test_a_closing_handshake_that_is_not_answered_ends_all_the_same_f_10(self, client: Adapter) -> None:
        with raw_server(RawPeer.read_all) as url, client.connect(url, limits=Limits(close_timeout=0.2)) as peer:
            peer.close()
            assert (peer.peer.closed.code, peer.peer.closed.by_peer) == (1006, False)

    def test_what_comes_in_one_piece_with_the_response_is_answered_f_56(self, client: Adapter) -> None:
        answers: list[str] = []
        with (
            raw_server(
                lambda peer: answers.append(peer.receive_text()), behind='[2,"1","Reset",{"type":"Soft"}]'
            ) as url,
            client.connect(url) as peer,
        ):
            peer.wait_closed()
        assert answers == ['[3,"1",{"status":"Accepted"}]']

    def test_a_ping_is_answered_while_handlers_are_at_work_f_54(self, client: Adapter) -> None:
        client.skip_if_beyond("F-54")
        handlers, gate = charge_point(), Gate()
        handlers.on(v16.ClearCacheRequest)(client.gated(gate, cleared))

        def ask(peer: RawPeer) -> None:
            for number in range(Limits().max_inbound_calls - 1):
                peer.send(f'[2,"{number}","ClearCache",{{}}]')
            peer.send("still there?", opcode=9)
            assert peer.receive() == (10, b"still there?")
            gate.open()
            assert json.loads(peer.receive_text())[0] == 3

        with raw_server(ask) as url, client.connect(url, handlers=handlers) as peer:
            peer.wait_closed()

    def test_what_a_central_system_pipelines_is_served_a_few_calls_at_a_time_f_98(self, client: Adapter) -> None:
        handlers, gate = charge_point(), Gate()
        handlers.on(v16.ClearCacheRequest)(client.gated(gate, cleared))
        numbers = [str(number) for number in range(100)]

        def ask(peer: RawPeer) -> None:
            peer.stream.sendall(b"".join(peer.frame(f'[2,"{number}","ClearCache",{{}}]') for number in numbers))
            gate.arrived.get(timeout=PATIENCE)
            assert gate.arrived.qsize() < Limits().max_inbound_calls
            gate.open()
            assert {json.loads(peer.receive_text())[1] for _ in numbers} == set(numbers)

        with raw_server(ask) as url, client.connect(url, handlers=handlers) as peer:
            peer.wait_closed()

    def test_a_connection_that_fails_inside_ends_f_14(self, client: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object, **__: object) -> None:
            raise MemoryError("out of it")

        def answer(peer: RawPeer) -> None:
            peer.send(f'[3,"{json.loads(peer.receive_text())[1]}",{{}}]')
            peer.read_all()

        monkeypatch.setattr(Session, "receive_data", fail)
        with raw_server(answer) as url, client.connect(url, limits=Limits(close_timeout=0.2)) as peer:
            with pytest.raises(ConnectionLost):
                peer.call(HEARTBEAT)
            assert peer.wait_closed().code in {1006, 1011}
