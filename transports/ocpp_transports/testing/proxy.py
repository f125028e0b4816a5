"""A line on which things go wrong: at a byte of what passes, not at a time, so that they go wrong alike each time."""

from __future__ import annotations

import math
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from enum import Enum, unique
from types import TracebackType
from typing import Final, Self

import attrs

from .samples import PATIENCE

__all__ = ["Course", "Fault", "Proxy"]

_LINGER_NOT: Final = struct.pack("ii", 1, 0)


@unique
class Fault(Enum):
    """What goes wrong at a byte."""

    FIN = "fin"
    """Whom the bytes go to sees an orderly end. What else is said in this direction is lost (F-09)."""
    RESET = "reset"
    """Both ends see the connection break (F-08)."""
    HOLE = "hole"
    """Nothing passes any more, in neither direction, and nobody is told (F-07)."""
    STALL = "stall"
    """Nothing passes in this direction until :meth:`Proxy.resume`; who sends is held up in the end (F-06)."""


@attrs.frozen(kw_only=True)
class Course:
    """What one direction of a connection does to the bytes that pass."""

    fault: Fault | None = None
    at: int = 0
    """After how many bytes the fault comes."""
    chunk: int = 2**16
    """The most bytes that are passed on at a time."""
    rate: float = math.inf
    """Bytes per second, in the long run."""
    change: Callable[[bytes], bytes] | None = None
    """What becomes of each chunk; its length stays."""


class Proxy:
    """A line to a port of 127.0.0.1, and a thread that keeps it; to be used as a context manager.

    ``up`` is the course from whoever connects to the port, ``down`` the one back. To change them concerns connections
    that are made after that.
    """

    def __init__(self, port: int, *, up: Course | None = None, down: Course | None = None) -> None:
        self.up = up or Course()
        self.down = down or Course()
        self.struck: Final = threading.Event()
        """Set when a fault has come."""
        self._port = port
        self._lines: list[_Line] = []
        self._newest: _Line | None = None
        self._stopping = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._wakeup, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    @property
    def port(self) -> int:
        """The port to connect to."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """The endpoint to connect to."""
        return f"ws://127.0.0.1:{self.port}/ocpp"

    @property
    def passed(self) -> tuple[bytes, bytes]:
        """What has passed on the newest connection: up and down."""
        if self._newest is None:
            return b"", b""
        up, down = self._newest.ways
        return bytes(up.passed), bytes(down.passed)

    def resume(self) -> None:
        """Let what has stalled go on."""
        for line in self._lines.copy():
            for way in line.ways:
                way.stalled = False
        self._waker.send(b"\0")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        self._waker.send(b"\0")
        self._thread.join(PATIENCE)
        for each in (self._listener, self._wakeup, self._waker):
            each.close()

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._turn()
        finally:
            for line in self._lines:
                line.close()

    def _turn(self) -> None:
        """Wait for something to do, and do it."""
        now = time.monotonic()
        ways = [way for line in self._lines for way in line.ways]
        readers = [way.source for way in ways if way.wants_more(now)]
        writers = [way.sink for way in ways if way.waiting and not way.line.dead]
        pause = min((way.ready_at - now for way in ways if way.ready_at > now), default=None)
        readable, writable, _ = select.select([self._listener, self._wakeup, *readers], writers, [], pause)
        if self._wakeup in readable:
            self._wakeup.recv(2**10)
        if self._listener in readable:
            self._accept()
        for line in self._lines.copy():
            try:
                for way in line.ways:
                    way.act(readable, writable)
            except OSError:  # one end has left the hard way: the other one hears of it in the same way
                line.reset()
            if line.is_over:
                line.close()
                self._lines.remove(line)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(("127.0.0.1", self._port))
        except OSError:
            near.close()
            return
        self._newest = _Line(self, near, far)
        self._lines.append(self._newest)


class _Line:
    """One connection."""

    def __init__(self, proxy: Proxy, near: socket.socket, far: socket.socket) -> None:
        self.proxy = proxy
        for each in (near, far):
            each.setblocking(False)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ways = _Way(self, near, far, proxy.up), _Way(self, far, near, proxy.down)
        self.dead = False

    @property
    def is_over(self) -> bool:
        """Whether both ends have said all they had to say."""
        return all(way.over for way in self.ways)

    def reset(self) -> None:
        """End it the hard way."""
        for way in self.ways:
            way.source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            way.source.close()
            way.waiting, way.over = b"", True

    def close(self) -> None:
        """Let go of it."""
        for way in self.ways:
            way.source.close()


class _Way:
    """One direction of a connection."""

    def __init__(self, line: _Line, source: socket.socket, sink: socket.socket, course: Course) -> None:
        self.line = line
        self.source = source
        self.sink = sink
        self.course = course
        self.waiting = b""
        """What has been read and not been passed on."""
        self.passed = bytearray()
        self.ready_at = -math.inf
        """When more may pass."""
        self.gone_wrong = False
        self.cut = False
        """Whether the sink has been told that there is no more, though there may be."""
        self.stalled = False
        self.over = False

    def wants_more(self, now: float) -> bool:
        """Whether to read from the source."""
        return not (self.waiting or self.over or self.stalled or self.line.dead) and now >= self.ready_at

    def act(self, readable: list[socket.socket], writable: list[socket.socket]) -> None:
        """Read, pass on, go wrong."""
        if self.over:
            return
        if self._is_due:
            self._go_wrong()
        elif self.waiting:
            if self.sink in writable:
                self._pass_on()
        elif self.source in readable and self.wants_more(time.monotonic()):
            self._read()

    @property
    def _is_due(self) -> bool:
        return self.course.fault is not None and not self.gone_wrong and len(self.passed) >= self.course.at

    def _read(self) -> None:
        course = self.course
        room = course.chunk
        if course.fault is not None and not self.gone_wrong:
            room = min(room, course.at - len(self.passed))
        data = self.source.recv(room)
        if not data:
            self.over = True
            if not self.cut:
                self.sink.shutdown(socket.SHUT_WR)
        elif not self.cut:
            self.waiting = data if course.change is None else course.change(data)

    def _pass_on(self) -> None:
        count = self.sink.send(self.waiting)
        self.passed += self.waiting[:count]
        self.waiting = self.waiting[count:]
        self.ready_at = time.monotonic() + count / self.course.rate
        if self._is_due:
            self._go_wrong()

    def _go_wrong(self) -> None:
        self.gone_wrong = True
        match self.course.fault:
            case Fault.FIN:
                self.cut = True
                self.sink.shutdown(socket.SHUT_WR)
            case Fault.RESET:
                self.line.reset()
            case Fault.HOLE:
                self.line.dead = True
            case _:
                self.stalled = True
        self.line.proxy.struck.set()
