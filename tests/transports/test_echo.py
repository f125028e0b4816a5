"""The echo that is there for conformance suites, and the rules of RFC 6455 in short, for each adapter and role.

The numbers are those of the blocks of cases that the best-known suite has; it says more, and takes minutes.
"""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from ocpp_transports.testing import Contract, RawPeer, raw_server
from ocpp_transports.testing.attacks import ATTACKS, Attack
from ocpp_transports.testing.echo import LIMITS, echo_system, echoing, main
from tests.transports.contract import PATIENCE, Adapter, on_adapter

pytestmark = pytest.mark.once

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

Say = Callable[[RawPeer], bytes]


def fragments(opcode: int, *pieces: bytes) -> Say:
    def say(peer: RawPeer) -> bytes:
        last = len(pieces) - 1
        return b"".join(
            peer.frame(piece, 0 if number else opcode, fin=number == last) for number, piece in enumerate(pieces)
        )

    return say


def whole(opcode: int, data: bytes, *more: tuple[int, bytes]) -> Say:
    return lambda peer: b"".join(peer.frame(data, opcode) for opcode, data in [(opcode, data), *more])


GRUESSE = "Grüße 😀 \ufffe\uffff".encode()

ECHOED: list[tuple[str, Say, list[tuple[int, bytes]]]] = [
    *(
        (f"1.{kind}: {size} octets", whole(kind, b"*" * size), [(kind, b"*" * size)])
        for kind in (TEXT, BINARY)
        for size in (0, 125, 126, 127, 128, 65535, 65536)
    ),
    ("2.1: a ping", whole(PING, b""), [(PONG, b"")]),
    ("2.4: a ping of 125 octets", whole(PING, b"\xfe" * 125), [(PONG, b"\xfe" * 125)]),
    ("2.7: a pong that nobody asked for", whole(PONG, b"x", (PING, b"y")), [(PONG, b"y")]),
    ("2.10: ten pings", whole(PING, b"0", *[(PING, b"1")] * 9), [(PONG, b"0"), *[(PONG, b"1")] * 9]),
    ("5.3: two fragments", fragments(TEXT, b"one", b"two"), [(TEXT, b"onetwo")]),
    ("5.3: of a binary message", fragments(BINARY, b"\xff", b"", b"\xfe"), [(BINARY, b"\xff\xfe")]),
    (
        "5.6: a ping between fragments",
        lambda peer: peer.frame("one", fin=False) + peer.frame("p", PING) + peer.frame("two", 0),
        [(PONG, b"p"), (TEXT, b"onetwo")],
    ),
    ("6.1: empty fragments", fragments(TEXT, b"", b"", b""), [(TEXT, b"")]),
    ("6.2: UTF-8", whole(TEXT, GRUESSE), [(TEXT, GRUESSE)]),
    (
        "6.2: UTF-8 cut at every octet",
        fragments(TEXT, *(GRUESSE[at : at + 1] for at in range(len(GRUESSE)))),
        [(TEXT, GRUESSE)],
    ),
    ("9.1: a mebibyte", whole(TEXT, b"*" * 2**20), [(TEXT, b"*" * 2**20)]),
    ("9.2: a mebibyte in binary", whole(BINARY, bytes(2**20)), [(BINARY, bytes(2**20))]),
    ("9.3: in fragments of 64 octets", fragments(TEXT, *[b"*" * 64] * 2**12), [(TEXT, b"*" * 2**18)]),
    ("10.1: the whole at once", whole(TEXT, b"*" * 65536, (BINARY, b"x")), [(TEXT, b"*" * 65536), (BINARY, b"x")]),
]  # fmt: skip

LEAVES = [
    b"",
    *(struct.pack("!H", code) for code in (1000, 1001, 1002, 1003, 1007, 1010, 1011, 3000, 3999, 4000, 4999)),
    b"\x03\xe8" + b"*" * 123,
]


@contextmanager
def talking_to(adapter: Adapter, role: str) -> Generator[Callable[[Callable[[RawPeer], None]], None]]:
    """Has a function talk to the echo, on a connection of its own each time."""
    with echoing():
        if role == "server":
            with adapter.serve(echo_system()) as served:

                def talk(behave: Callable[[RawPeer], None]) -> None:
                    with socket.create_connection(("127.0.0.1", served.port)) as stream:
                        peer = RawPeer(stream, is_client=True)
                        peer.stream.sendall(REQUEST)
                        assert " 101 " in peer.read_head()
                        behave(peer)

                yield talk
        else:

            def talk(behave: Callable[[RawPeer], None]) -> None:
                with raw_server(behave, version=None) as url, adapter.connect(url, "echo", limits=LIMITS) as peer:
                    peer.wait_closed()

            yield talk


on_role = pytest.mark.parametrize("role", ["server", "client"])


class TestEcho(Contract):
    @on_adapter
    @on_role
    def test_what_is_right_comes_back(self, adapter: Adapter, role: str) -> None:
        def behave(peer: RawPeer) -> None:
            for what, say, answers in ECHOED:
                peer.stream.sendall(say(peer))
                assert [peer.receive() for _ in answers] == answers, what
            for octet in (say(peer) for _, say, _ in ECHOED[14:18]):
                for at in range(len(octet)):
                    peer.stream.sendall(octet[at : at + 1])
            peer.send(b"\x03\xe8", CLOSE)
            while (last := peer.receive())[0] != CLOSE:
                pass
            assert last == (CLOSE, b"\x03\xe8")

        with talking_to(adapter, role) as talk:
            talk(behave)

    @on_adapter
    @on_role
    def test_who_leaves_hears_his_own_words_7(self, adapter: Adapter, role: str) -> None:
        with talking_to(adapter, role) as talk:
            for words in LEAVES:

                def behave(peer: RawPeer, words: bytes = words) -> None:
                    peer.stream.sendall(peer.frame("not all", fin=False) + peer.frame(words, CLOSE))
                    assert peer.receive() == (CLOSE, words)

                talk(behave)

    @on_adapter
    @on_role
    def test_what_is_wrong_ends_it_3_4_5_6_7(self, adapter: Adapter, role: str) -> None:
        wrong = [attack for attack in ATTACKS if attack.fault in {"F-45", "F-46"}]
        with talking_to(adapter, role) as talk:
            for attack in wrong:

                def behave(peer: RawPeer, attack: Attack = attack) -> None:
                    peer.stream.sendall(attack.data(peer))
                    if attack.what == "the end of nothing":
                        assert peer.receive() == (TEXT, b"x")
                    assert peer.receive_code() == attack.code, attack

                talk(behave)


REQUEST = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def chosen(adapter: Adapter) -> list[str]:
    name, _, backend = adapter.name.partition("-")
    return ["--adapter", name, *(["--backend", backend] if backend else [])]


@on_adapter
def test_the_command_serves_until_a_signal(adapter: Adapter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "ocpp_transports.testing.echo", *chosen(adapter), "--role", "server"]
    with subprocess.Popen([*command, "--port", str(port)], stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            assert b"listening" in process.stderr.readline()
            with socket.create_connection(("127.0.0.1", port)) as stream:
                peer = RawPeer(stream, is_client=True)
                peer.stream.sendall(REQUEST)
                assert " 101 " in peer.read_head()
                peer.send(b"\xff", BINARY)
                assert peer.receive() == (BINARY, b"\xff")
                process.send_signal(signal.SIGINT)
                assert peer.receive()[0] == CLOSE
                peer.send(b"", CLOSE)
                assert peer.read_all() == b""
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


@on_adapter
def test_the_command_runs_the_cases_that_a_suite_serves(adapter: Adapter, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []

    def behave(peer: RawPeer) -> None:
        asked.append(peer.target)
        if "getCaseCount" in peer.target:
            peer.send("2")
        elif "runCase" in peer.target:
            peer.send(b"\xff", BINARY)
            assert peer.receive() == (BINARY, b"\xff")
        peer.send(b"\x03\xe8", CLOSE)
        while peer.receive()[0] != CLOSE:
            pass

    with raw_server(behave, version=None, times=4) as url:
        main([*chosen(adapter), "--role", "client", "--url", url.removesuffix("/ocpp"), "--agent", "we"])
    assert asked == ["/getCaseCount", "/runCase?case=1&agent=we", "/runCase?case=2&agent=we", "/updateReports?agent=we"]
    assert capsys.readouterr().out.endswith("2/2\n")
