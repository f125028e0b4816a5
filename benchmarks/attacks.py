"""What it costs a server to be attacked: memory at its peak, and processor time: ``python -m benchmarks.attacks``.

Each attack has a server of its own, which has seen one good station before. Where a server hosts the application, some
of the bounds are its own; the others are this library's. Needs Linux: memory is read from /proc.
"""

from __future__ import annotations

import argparse
import selectors
import socket
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from itertools import count
from typing import Final

import attrs
from rich.console import Console
from rich.table import Table

from . import host
from .victims import HANDSHAKE_TIMEOUT, OURS, Victim, available
from .wire import client_frame, request

MIB: Final = 2**20
LIMIT: Final = MIB
"""Of a message, ``Limits.max_message_size``."""
PATIENCE: Final = 60.0
"""Seconds after which a server that does nothing has failed."""
LINGER: Final = 3.0
"""Seconds that a server may do what it likes with what has come, once it has said that it closes the connection."""
NO_STATUS: Final = 1005
NO_MASK: Final = bytes(4)
GOODBYE: Final = 1000
"""What a connection is closed with that the server would not have closed."""

TEXT, CONTINUATION, CLOSE, PING, FINAL, COMPRESSED = 0x1, 0x0, 0x8, 0x9, 0x80, 0x40


def frame(first: int, payload: bytes = b"", *, announced: int | None = None) -> bytes:
    """A frame of a client. Masked with zeros, which changes nothing."""
    size = len(payload) if announced is None else announced
    if size < 126:
        return bytes((first, 0x80 | size)) + NO_MASK + payload
    if size < 2**16:
        return bytes((first, 0xFE)) + size.to_bytes(2) + NO_MASK + payload
    return bytes((first, 0xFF)) + size.to_bytes(8) + NO_MASK + payload


class Refused(Exception):
    """The server has not let a station in."""


class Station:
    """A charge point that talks to a server in bytes. What it has heard is kept."""

    _names = count()

    def __init__(self, port: int, *, compression: bool = False) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.settimeout(PATIENCE)
        self.heard = b""
        self._numbers = count()
        opening = request(f"station{next(self._names)}", "ocpp1.6")
        if compression:
            opening = opening.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
        self._socket.sendall(opening)
        head = self.hear_until(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            self.close()
            raise Refused(head.split(b" ")[1].decode())
        self.is_compressed = b"permessage-deflate" in head
        self.heard = b""

    def close(self) -> None:
        self._socket.close()

    def hear_until(self, what: bytes) -> bytes:
        while what not in self.heard:
            data = self._socket.recv(2**16)
            if not data:
                raise ConnectionError(f"the server has hung up after {self.heard[-200:]!r}")
            self.heard += data
        return self.heard

    def say(self, text: bytes) -> None:
        self._socket.sendall(client_frame(text))

    def converse(self) -> None:
        """Ask something, and be asked something."""
        number = next(self._numbers)
        self.heard = b""
        self.say(b'[2,"h%d","Heartbeat",{}]' % number)
        self.hear_until(b'[3,"h%d",{"currentTime"' % number)
        self.say(b'[2,"d%d","DataTransfer",{"vendorId":"x"}]' % number)
        asked = self.hear_until(b'"ClearCache",{}]')
        message_id = asked[: asked.index(b'","ClearCache"')].rpartition(b'"')[2]
        self.say(b'[3,"' + message_id + b'",{"status":"Accepted"}]')
        self.hear_until(b'[3,"d%d",{"status":"Accepted"' % number)

    def pour(self, pieces: Iterator[bytes]) -> bool:
        """Send all of it, whatever the server has to say about it. Returns whether the connection is still there."""
        self._socket.setblocking(False)
        heard, there = bytearray(), True
        wanted = selectors.EVENT_READ | selectors.EVENT_WRITE
        with selectors.DefaultSelector() as selector, suppress(ConnectionError):
            selector.register(self._socket, wanted)
            for piece in pieces:
                rest = memoryview(piece)
                while rest:
                    ready = sum(each for _, each in selector.select(PATIENCE))
                    if not ready:
                        raise TimeoutError("the server neither reads nor hangs up")
                    if ready & selectors.EVENT_READ:
                        data = self._socket.recv(2**16)
                        if not data:
                            there = False
                            selector.modify(self._socket, selectors.EVENT_WRITE)
                        heard += data
                    if ready & selectors.EVENT_WRITE:
                        rest = rest[self._socket.send(rest) :]
            self._socket.settimeout(PATIENCE)
            self.heard = bytes(heard)
            return there
        self.heard = bytes(heard)
        return False

    def last_words(self) -> int | None:
        """Wait for the end, once all is said. The code of the close frame, if there is one; 1000: that was our wish."""
        self._socket.settimeout(PATIENCE)
        with suppress(ConnectionError, TimeoutError):
            self._socket.sendall(frame(FINAL | CLOSE, GOODBYE.to_bytes(2)))
            while data := self._socket.recv(2**16):
                self.heard += data
                if close_code(self.heard) is not None:
                    self._socket.settimeout(LINGER)  # some only hang up with their next ping
        return close_code(self.heard)


def close_code(heard: bytes | bytearray) -> int | None:
    """Of the last of the frames that a server has sent."""
    start, code = 0, None
    while start + 2 <= len(heard):
        size = heard[start + 1]
        start_of_payload = start + 2
        if size >= 126:
            length = 2 if size == 126 else 8
            size = int.from_bytes(heard[start_of_payload : start_of_payload + length])
            start_of_payload += length
        if heard[start] == FINAL | CLOSE:
            code = int.from_bytes(heard[start_of_payload : start_of_payload + 2]) if size else NO_STATUS
        start = start_of_payload + size
    return code


def in_pieces(unit: bytes, times: int) -> Iterator[bytes]:
    """The same bytes over and over, many at once."""
    at_once = max(1, 2**18 // len(unit))
    piece = unit * at_once
    for _ in range(times // at_once):
        yield piece
    yield unit * (times % at_once)


@attrs.frozen
class Outcome:
    """What came of an attack."""

    peak: float
    """KiB that it took at its worst."""
    cpu: float
    """Seconds of processor time."""
    how: str
    """How it ended."""
    per_connection: bool = False
    """Whether ``peak`` is that of one of many connections."""
    as_it_should: bool = True
    bound: float = 0.0
    """KiB that it may take."""

    @property
    def is_held(self) -> bool:
        return self.as_it_should and self.peak <= self.bound


@attrs.frozen
class Scale:
    """How much of everything."""

    inflated: int = 256 * MIB
    large: int = 64 * MIB
    frames: int = 300_000
    answers: int = 1_000_000
    silent: int = 1_000
    idle: int = 2_000


QUICK: Final = Scale(32 * MIB, 8 * MIB, 20_000, 20_000, 50, 50)


def _closed(
    victim: Victim, pieces: Iterator[bytes], codes: tuple[int | None, ...], *, compression: bool = False
) -> Outcome:
    """The server is to close the connection over this, with one of these codes, and to serve the next station."""
    before, cpu = victim.memory, victim.cpu
    victim.forget()
    try:
        with closing(Station(victim.port, compression=compression)) as station:
            if compression and not station.is_compressed:
                codes = (1002, NO_STATUS, None)
            station.pour(pieces)
            code = station.last_words()
    except Refused as refused:
        how, as_it_should = f"refused with {refused}", compression
    else:
        how, as_it_should = "not closed" if code == GOODBYE else f"closed with {code}", code in codes
    with closing(Station(victim.port)) as next_one:
        next_one.converse()
    return Outcome(victim.peak - before, victim.cpu - cpu, how, as_it_should=as_it_should)


def bomb(victim: Victim, scale: Scale) -> Outcome:
    deflater = zlib.compressobj(9, wbits=-12)
    zeros = bytes(MIB)
    pieces = [deflater.compress(zeros) for _ in range(scale.inflated // MIB)]
    payload = b"".join([*pieces, deflater.flush(zlib.Z_SYNC_FLUSH)]).removesuffix(b"\x00\x00\xff\xff")
    raw = frame(FINAL | TEXT | COMPRESSED, payload)
    return _closed(victim, iter([raw]), (1009,), compression=True)


def large_frame(victim: Victim, scale: Scale) -> Outcome:
    pieces = in_pieces(b"x" * 2**16, scale.large // 2**16)
    return _closed(victim, _after(frame(FINAL | TEXT, announced=scale.large), pieces), (1009,))


def large_message(victim: Victim, scale: Scale) -> Outcome:
    pieces = in_pieces(frame(CONTINUATION, b"x" * 2**18), scale.large // 2**18)
    return _closed(victim, _after(frame(TEXT), pieces), (1009,))


def fragments(victim: Victim, scale: Scale) -> Outcome:
    return _closed(victim, _after(frame(TEXT), in_pieces(frame(CONTINUATION), scale.frames)), (1008, 1009))


def pings(victim: Victim, scale: Scale) -> Outcome:
    return _closed(victim, in_pieces(frame(FINAL | PING), scale.frames), (1008, 1009))


def _after(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from pieces


def answers(victim: Victim, scale: Scale) -> Outcome:
    """Answers to nothing (F-95), and then something worth an answer, on the same connection."""
    with closing(Station(victim.port)) as station:
        station.converse()
        before, cpu = victim.memory, victim.cpu
        victim.forget()
        alive = station.pour(in_pieces(client_frame(b'[3,"unasked",{}]'), scale.answers))
        if alive:
            station.converse()
        how = "the next call works" if alive else f"closed with {station.last_words()}"
        return Outcome(victim.peak - before, victim.cpu - cpu, how, as_it_should=alive)


def silence(victim: Victim, scale: Scale) -> Outcome:
    """Connections that say nothing: at the deadline they are gone."""
    before, cpu = victim.memory, victim.cpu
    victim.forget()
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        for _ in range(scale.silent):
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", victim.port)))
            selector.register(silent, selectors.EVENT_READ)
        since = time.monotonic()
        while selector.get_map() and time.monotonic() - since < 10 * HANDSHAKE_TIMEOUT:
            for key, _ in selector.select(1.0):
                gone: socket.socket = key.fileobj  # type: ignore[assignment]
                with suppress(ConnectionError):
                    if gone.recv(2**16):
                        continue
                selector.unregister(gone)
        left, took = len(selector.get_map()), time.monotonic() - since
    how = f"{left} are left" if left else f"all gone {took:.1f} s after the last, deadline {HANDSHAKE_TIMEOUT} s"
    peak = (victim.peak - before) / scale.silent
    return Outcome(peak, victim.cpu - cpu, how, per_connection=True, as_it_should=not left)


def idleness(victim: Victim, scale: Scale) -> Outcome:
    """Stations that are connected and have nothing to say. Not at the peak, but for as long as they are there."""
    with ExitStack() as stack:
        first = [stack.enter_context(closing(Station(victim.port))) for _ in range(min(100, scale.idle))]
        victim.collect()
        before, cpu = victim.memory, victim.cpu
        for _ in range(scale.idle):
            stack.enter_context(closing(Station(victim.port)))
        victim.collect()
        each, cpu = (victim.memory - before) / scale.idle, victim.cpu - cpu
        first[0].converse()
    return Outcome(each, cpu, "connected", per_connection=True)


@attrs.frozen
class Attack:
    """One way to trouble a server, and what it may cost."""

    what: Callable[[Scale], str]
    run: Callable[[Victim, Scale], Outcome]
    bound: float = float("inf")
    """KiB."""


ATTACKS: Final[Mapping[str, Attack]] = {
    "bomb": Attack(lambda scale: f"a frame that inflates to {scale.inflated // MIB} MiB", bomb, 8 * 1024),
    "large": Attack(lambda scale: f"a frame of {scale.large // MIB} MiB", large_frame, 3 * 1024),
    "message": Attack(lambda scale: f"{scale.large // MIB} MiB in fragments of 256 KiB", large_message, 3 * 1024),
    "fragments": Attack(lambda scale: f"{scale.frames:,} empty fragments", fragments, 8 * 1024),
    "pings": Attack(lambda scale: f"{scale.frames:,} pings", pings, 8 * 1024),
    "answers": Attack(lambda scale: f"{scale.answers:,} answers to nothing", answers, 1024),
    "silence": Attack(lambda scale: f"{scale.silent:,} silent connections", silence),
    "idle": Attack(lambda scale: f"{scale.idle:,} idle stations", idleness),
}


def attacked(adapter: str, name: str, scale: Scale) -> Outcome:
    """Attack a server of its own."""
    with Victim(adapter) as victim:
        return on(victim, name, scale)


def on(victim: Victim, name: str, scale: Scale) -> Outcome:
    """Attack a server, once it has seen all that is good."""
    for compression in (False, True):
        with suppress(Refused), closing(Station(victim.port, compression=compression)) as good:
            if good.is_compressed:
                good.pour(iter([frame(FINAL | TEXT | COMPRESSED, zlib.compress(b'["x"]' * 999, wbits=-12))]))
                good.last_words()
            else:
                good.converse()
    attack = ATTACKS[name]
    return attrs.evolve(attack.run(victim, scale), bound=attack.bound)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attacks", description=__doc__)
    parser.add_argument("--adapter", action="append", choices=available(), help="only this; may be given several times")
    parser.add_argument("--attack", action="append", choices=ATTACKS, help="only this; may be given several times")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    options = parser.parse_args()
    scale = QUICK if options.quick else Scale()
    host.allow_many_files(scale.idle + scale.silent + 500)
    console = Console(width=None if sys.stdout.isatty() else 160)
    held = True
    table = Table("adapter", "attack", "memory", "CPU", "", "bound", "")
    for adapter in options.adapter or available():
        for name in options.attack or ATTACKS:
            attack = ATTACKS[name]
            console.print(f"{adapter}: {attack.what(scale)}", style="dim")
            outcome = attacked(adapter, name, scale)
            is_ours = adapter in OURS
            held = held and (outcome.is_held or not is_ours)
            memory = f"{outcome.peak:.1f} KiB each" if outcome.per_connection else f"{outcome.peak / 1024:.2f} MiB"
            bound = "" if outcome.bound == float("inf") else f"{outcome.bound / 1024:.0f} MiB"
            verdict = "" if outcome.is_held else "not held" if is_ours else "the server's"
            cpu = f"{outcome.cpu:.2f} s"
            table.add_row(adapter, attack.what(scale), memory, cpu, outcome.how, bound, verdict)
    console.print(table)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
