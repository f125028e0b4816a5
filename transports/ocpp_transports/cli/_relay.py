"""A line to a central system that can be cut, and mended."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

__all__ = ["Relay"]

HOST: Final = "127.0.0.1"


class Relay:
    """Carries connections to another address while the block runs, in threads of its own."""

    def __init__(self, host: str, port: int) -> None:
        self._far: Final = host, port
        self._lock: Final = threading.Lock()
        self._is_cut = False
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener: Final = socket.create_server((HOST, 0))
        self.port: Final[int] = self._listener.getsockname()[1]
        """Its near end, on this machine."""

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()

    def cut(self) -> None:
        """Break every connection; none comes about until ``mend``."""
        with self._lock:
            self._is_cut = True
            for each in self._sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Let connections come about again."""
        with self._lock:
            self._is_cut = False

    def _run(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=work, args=arguments, name="relay")
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                near, _ = self._listener.accept()
                self._run(self._carry, near)

    def _carry(self, near: socket.socket) -> None:
        with near, suppress(OSError), socket.create_connection(self._far) as far:
            for each in (near, far):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                if self._is_cut:
                    return
                self._sockets |= {near, far}
            back = threading.Thread(target=_pump, args=(far, near), name="relay, way back")
            back.start()
            _pump(near, far)
            back.join()
            with self._lock:
                self._sockets -= {near, far}


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Carry bytes one way until they end; then say so."""
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
