"""The way to a central system, which the tests can shut."""

from __future__ import annotations

import queue
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from tests.transports.contract import PATIENCE

Step = Callable[[socket.socket], None]
"""What becomes of one connection that somebody makes at the door."""


class Door:
    """The way to a central system. Each connection is taken by the next step that was prepared, or by the way through.

    While it is shut, nobody gets through, and who has is hung up on.
    """

    def __init__(self, port: int | None) -> None:
        self.steps: deque[Step] = deque()
        self.knocks: queue.Queue[int] = queue.Queue()
        """One for each connection."""
        self.is_open = True
        self._port = port
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()

    def shut(self) -> None:
        with self._lock:
            self.is_open = False
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for each in pair:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        self.is_open = True

    def lead_to(self, port: int) -> None:
        """Lead to another central system, and open."""
        self._port = port
        self.open()

    def receive(self, near: socket.socket) -> None:
        with near:
            near.settimeout(PATIENCE)
            step = self.steps.popleft() if self.steps else self._through
            self.knocks.put(1)
            with suppress(OSError):
                step(near)

    def _through(self, near: socket.socket) -> None:
        if self._port is None or not self.is_open:
            return
        with socket.create_connection(("127.0.0.1", self._port)) as far, ThreadPoolExecutor(1) as threads:
            near.settimeout(None)
            with self._lock:
                if not self.is_open:
                    return
                self._pairs.append((near, far))
            back = threads.submit(self._pump, far, near)
            self._pump(near, far)
            back.result(PATIENCE)

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(2**16):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def door_to(port: int | None) -> Iterator[tuple[str, Door]]:
    door = Door(port)

    def accept(threads: ThreadPoolExecutor) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                threads.submit(door.receive, near)

    with ThreadPoolExecutor() as threads, socket.create_server(("127.0.0.1", 0)) as listener:
        threads.submit(accept, threads)
        try:
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}/ocpp", door
        finally:
            door.shut()
            listener.shutdown(socket.SHUT_RDWR)
