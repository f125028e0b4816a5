"""What a central system promises, whoever its client is: here it is one without manners."""

from __future__ import annotations

import json
import logging
import select
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
import trustme

from ocpp_sansio import CentralSystem, ConnectionLost, ConnectionRequested, Limits, v16
from ocpp_sansio.session import Session

from .adapters import Adapter, Gate, SyncAdapter
from .attacks import ATTACKS, COMPRESSED_ATTACKS, LIMITS, REQUESTS, Attack
from .contract import Contract
from .peers import RawPeer, knocking, raw_client, tls
from .proxy import Course, Proxy
from .samples import HEARTBEAT, PATIENCE, RESET, accepted, central_system, heartbeat, transfer

__all__ = ["ServerContract"]


class ServerContract(Contract):
    """A central system. Override ``server``."""

    @pytest.fixture
    def server(self) -> Adapter:
        """The adapter under test."""
        raise NotImplementedError("override the fixture `server`")

    def test_a_peer_that_pipelines_is_served_in_order_and_a_few_calls_at_a_time_f_98(self, server: Adapter) -> None:
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

    def test_a_peer_that_does_not_read_is_not_read_from_f_06(self, server: Adapter) -> None:
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

    @pytest.mark.parametrize("end", ["reset", "fin", "fin inside a frame"])
    def test_a_connection_that_breaks_gives_every_call_one_outcome_f_08_f_09(self, server: Adapter, end: str) -> None:
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
            for failure in others:
                assert isinstance(failure, ConnectionLost)
                assert not failure.sent
            assert served.do(station.wait_closed).code == 1006 or not server.owns_websocket
            assert not served.csms.stations

    def test_a_connection_that_fails_inside_ends_alone_f_14(
        self, server: Adapter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        receive_data = Session.receive_data

        def fail(session: Session, text: str | bytes, *, now: float) -> None:
            if "too much" in str(text):
                raise MemoryError("out of it")
            receive_data(session, text, now=now)

        monkeypatch.setattr(Session, "receive_data", fail)
        client = SyncAdapter()
        with (
            server.serve(central_system(accept_before_boot=True)) as served,
            client.connect(served.url) as peer,
            client.connect(served.url, "CP_2") as other,
        ):
            assert peer.call(HEARTBEAT) == heartbeat()
            station = served.csms.stations["CP_1"]
            with pytest.raises(ConnectionLost):
                peer.call(transfer("too much"))
            assert served.do(station.wait_closed).code in {1006, 1011}
            assert other.call(HEARTBEAT) == heartbeat()
            assert list(served.csms.stations) == ["CP_2"]
        assert "out of it" in caplog.text

    @pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
    def test_who_says_nothing_is_not_kept_f_01_f_19(self, server: Adapter, secure: bool) -> None:
        server.skip_if_beyond("F-19" if secure else "F-01")
        csms = central_system(limits=Limits(handshake_timeout=0.2, close_timeout=0.2))
        options = {"ssl": tls(trustme.CA())[0]} if secure else {}
        with server.serve(csms, **options) as served, socket.create_connection(("127.0.0.1", served.port)) as stream:
            answer = RawPeer(stream, is_client=True).read_all()
            assert secure or b" 408 " in answer or not server.owns_websocket

    def test_a_closing_handshake_that_is_not_answered_ends_all_the_same_f_10(self, server: Adapter) -> None:
        csms = central_system(accept_before_boot=True, limits=Limits(close_timeout=0.2))
        with server.serve(csms) as served, raw_client(served.port) as peer:
            peer.send('[2,"1","Heartbeat",{}]')
            peer.receive_text()
            station = served.csms.stations["CP_1"]
            served.do(station.close)
            assert (station.closed.code, station.closed.by_peer) == (1006, False) or not server.owns_websocket
            assert peer.receive()[0] == 8

    def test_a_call_while_the_connection_closes_fails_as_if_it_were_lost(self, server: Adapter) -> None:
        csms = central_system(accept_before_boot=True, limits=Limits(close_timeout=PATIENCE))
        with server.serve(csms) as served, raw_client(served.port) as peer:
            peer.send('[2,"1","Heartbeat",{}]')
            peer.receive_text()
            station = served.csms.stations["CP_1"]
            closing = served.start_work(station.close)
            assert peer.receive()[0] == 8
            if server.owns_websocket:  # it is there until the peer has consented
                assert served.server.stations == {"CP_1": station}
            failure = served.start_work(lambda: station.call(RESET)).exception(PATIENCE)
            assert isinstance(failure, ConnectionLost)
            assert not failure.sent
            peer.stream.close()
            closing.result(PATIENCE)

    def test_the_last_words_reach_a_peer_that_has_sent_too_much_f_49(self, server: Adapter) -> None:
        server.skip_if_beyond("F-49: last words")
        csms = central_system(limits=Limits(max_message_size=1000))
        with server.serve(csms) as served, raw_client(served.port) as peer:
            peer.send("x" * 300_000)
            opcode, data = peer.receive()
            assert (opcode, int.from_bytes(data[:2], "big")) == (8, 1009)

    def test_a_server_without_authentication_says_so_once_and_loudly(
        self, server: Adapter, caplog: pytest.LogCaptureFixture
    ) -> None:
        with server.serve(CentralSystem()):
            pass
        with server.serve(central_system()):
            pass
        said = [record for record in caplog.records if record.name == "ocpp_transports"]
        assert [record.levelname for record in said] == ["WARNING"]
        assert "authenticate" in said[0].getMessage()

    def test_what_goes_wrong_where_it_is_told_who_comes_and_goes_harms_nobody(
        self, server: Adapter, caplog: pytest.LogCaptureFixture
    ) -> None:
        csms = central_system(accept_before_boot=True)

        def fail(*_: object) -> None:
            raise LookupError("sesame")

        def fail_later(station: Any) -> Any:
            return server.asking(RESET, fail, [])(station, None)

        for each in (fail, fail_later):
            csms.on_connected(each)
            csms.on_disconnected(each)
        with server.serve(csms) as served:
            for _ in range(2):
                with raw_client(served.port) as peer:
                    _, number, action, _ = json.loads(peer.receive_text())
                    assert action == "Reset"
                    peer.send(f'[3,"{number}",{{"status":"Accepted"}}]')
                    peer.send('[2,"1","Heartbeat",{}]')
                    assert json.loads(peer.receive_text())[0] == 3
                    station = served.csms.stations["CP_1"]
                served.do(station.wait_closed)
                assert not served.csms.stations
        assert caplog.text.count("the handler of on_connected failed") == 4
        assert caplog.text.count("the handler of on_disconnected failed") == 4

    def test_a_tap_is_shown_every_message_and_its_station(self, server: Adapter) -> None:
        heard: list[tuple[str, str, str]] = []

        def tap(station: Any, direction: Any, text: str, _: float) -> None:
            heard.append((station.identity, direction.value, text))

        answer = ""
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

    def test_a_tap_that_fails_is_told_on_and_harms_nobody(
        self, server: Adapter, caplog: pytest.LogCaptureFixture
    ) -> None:
        heard: list[str] = []

        def tap(_station: Any, direction: Any, _text: str, _at: float) -> None:
            heard.append(direction.value)
            raise LookupError("sesame")

        with (
            server.serve(central_system(accept_before_boot=True), tap=tap) as served,
            raw_client(served.port) as peer,
        ):
            for number in range(2):
                peer.send(f'[2,"{number}","Heartbeat",{{}}]')
                assert json.loads(peer.receive_text())[:2] == [3, str(number)]
        assert heard == ["in", "out"] * 2
        assert caplog.text.count("'CP_1': the tap failed") == 1
        assert "sesame" in caplog.text

    def test_a_peer_does_not_fill_the_log_f_130(self, server: Adapter, caplog: pytest.LogCaptureFixture) -> None:
        with (
            caplog.at_level(logging.INFO, "ocpp_transports"),
            server.serve(central_system()) as served,
            raw_client(served.port) as peer,
        ):
            for number in range(500):
                peer.send(json.dumps([2, str(number), "Nonsense", {}]))
                assert json.loads(peer.receive_text())[2] == "NotImplemented"
            assert len(caplog.records) < 100

    def test_a_handshake_that_trickles_in_is_not_waited_for_f_02(self, server: Adapter) -> None:
        server.skip_if_beyond("F-02")
        csms = central_system(limits=Limits(handshake_timeout=0.2, close_timeout=0.2))
        # It would take seconds, and never a tenth of one without a byte.
        with (
            server.serve(csms) as served,
            Proxy(served.port, up=Course(chunk=1, rate=50)) as line,
            socket.create_connection(("127.0.0.1", line.port)) as stream,
        ):
            stream.sendall(b"GET /ocpp/CP_1 HTTP/1.1\r\nX-Padding: " + b"x" * 1000)
            assert b" 101 " not in RawPeer(stream, is_client=True).read_all()
            assert len(line.passed[0]) < 500

    def test_what_comes_in_one_piece_with_the_request_is_heard_once_f_56(self, server: Adapter) -> None:
        server.skip_if_beyond("F-56")
        with (
            server.serve(central_system(accept_before_boot=True)) as served,
            raw_client(served.port, behind='[2,"1","Heartbeat",{}]') as peer,
        ):
            assert json.loads(peer.receive_text())[:2] == [3, "1"]
            peer.send('[2,"2","Heartbeat",{}]')
            assert json.loads(peer.receive_text())[:2] == [3, "2"]

    @pytest.mark.parametrize(("fault", "what"), REQUESTS, ids=lambda word: word)
    def test_a_request_that_no_websocket_comes_of_is_refused_f_03_f_30_f_32_f_57(
        self, server: Adapter, fault: str, what: str
    ) -> None:
        server.skip_if_beyond(f"{fault}: {what}")
        with server.serve(central_system()) as served, socket.create_connection(("127.0.0.1", served.port)) as stream:
            peer = RawPeer(stream, is_client=True)
            with suppress(OSError):  # it may be refused while it is being sent
                stream.sendall(REQUESTS[fault, what])
                stream.shutdown(socket.SHUT_WR)
            # A server of more than WebSocket waits for the next request then.
            answer = peer.read_all() if server.owns_websocket else peer.read_some()
            assert b" 101 " not in answer
            assert not answer or b"HTTP/1.1 4" in answer or b"HTTP/1.1 505 " in answer, answer
            assert not served.csms.stations

    def test_an_attack_on_the_websocket_ends_it_and_nothing_behind_it_is_heard_f_45_f_46_f_47_f_48_f_49_f_50_f_52_f_53(
        self, server: Adapter
    ) -> None:
        self._attack(server, ATTACKS)

    def test_an_attack_by_compression_ends_as_well_f_51_f_58(self, server: Adapter) -> None:
        server.skip_if_beyond("F-58")
        self._attack(server, COMPRESSED_ATTACKS, compression=True)

    def _attack(self, server: Adapter, attacks: list[Attack], *, compression: bool = False) -> None:
        heard: list[object] = []
        csms = central_system(accept_before_boot=True, limits=LIMITS, compression=compression)

        @csms.on(v16.AuthorizeRequest)
        def authorize(_: object, request: v16.AuthorizeRequest) -> v16.AuthorizeResponse:
            heard.append(request)
            return accepted()

        offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if "F-58" not in server.beyond else ""
        with server.serve(csms) as served:
            for number, attack in enumerate(attacks):
                if not server.beyond.keys().isdisjoint({attack.fault, f"{attack.fault}: {attack.what}"}):
                    continue
                # Each by another: who comes back before the end of its last connection is seen is limited (F-36).
                with raw_client(served.port, f"CP_{number}", fields=offer) as peer:
                    assert ("deflate" in peer.head) is compression  # F-52: not unless it is asked for
                    peer.send('[2,"1","Authorize",{"idTag":"1"}]')
                    assert json.loads(peer.receive_text())[:2] == [3, "1"]
                    with suppress(ConnectionError):  # it may be over before all is sent
                        peer.stream.sendall(attack.data(peer) + peer.frame('[2,"2","Authorize",{"idTag":"2"}]'))
                    assert peer.receive_code() == attack.code or not server.owns_websocket, attack
                    assert len(heard) == 1, attack
                    heard.clear()
            for station in list(served.csms.stations.values()):
                served.do(station.wait_closed)
            assert not served.csms.stations

    def test_what_comes_after_a_close_frame_is_not_heard_f_55(self, server: Adapter) -> None:
        with server.serve(central_system(accept_before_boot=True)) as served, raw_client(served.port) as peer:
            close = peer.frame(b"\x03\xe8", 8)
            peer.stream.sendall(close + peer.frame('[2,"1","Heartbeat",{}]') + close)
            assert peer.receive() == (8, b"\x03\xe8")
            assert peer.read_all() == b""

    def test_a_ping_is_answered_while_handlers_are_at_work_f_54(self, server: Adapter) -> None:
        server.skip_if_beyond("F-54")
        csms, gate = central_system(accept_before_boot=True), Gate()
        csms.on(v16.AuthorizeRequest)(server.gated(gate, accepted))
        with server.serve(csms) as served, raw_client(served.port) as peer:
            for number in range(Limits().max_inbound_calls - 1):
                peer.send(f'[2,"{number}","Authorize",{{"idTag":"{number}"}}]')
                gate.arrived.get(timeout=PATIENCE)
            peer.send("still there?", opcode=9)
            assert peer.receive() == (10, b"still there?")
            gate.open()

    def test_credentials_that_cannot_be_read_are_none_f_28(self, server: Adapter) -> None:
        csms = CentralSystem()

        @csms.authenticate
        def has_credentials(request: ConnectionRequested) -> bool:
            return request.credentials is not None

        with server.serve(csms) as served:
            for words in ("", " !", " Q1BfMQ==", " /w==", " " + "x" * 5000, "a Q1BfMTpzZWNyZXQ="):
                with knocking(served.port, fields=f"Authorization: Basic{words}\r\n") as peer:
                    assert " 401 " in peer.read_head(), words
            twice = 2 * "Authorization: Basic Q1BfMTpzZWNyZXQ=\r\n"
            with knocking(served.port, fields=twice) as peer:
                assert " 401 " in peer.read_head()
            with raw_client(served.port, fields="Authorization: bASIC Q1BfMTpzZWNyZXQ=\r\n"):
                pass

    def test_before_its_boot_a_station_is_told_that_it_is_too_early_f_39(self, server: Adapter) -> None:
        with server.serve(central_system()) as served, raw_client(served.port) as peer:
            peer.send('[2,"1","Heartbeat",{}]')
            assert json.loads(peer.receive_text())[:3] == [4, "1", "SecurityError"]
            peer.send('[2,"2","BootNotification",{"chargePointVendor":"Vendor","chargePointModel":"Model"}]')
            assert json.loads(peer.receive_text())[:2] == [3, "2"]
