"""A line to a central system that can be cut, and mended."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from ._line import HOST, pump

__all__ = ["Relay"]

PATIENCE: Final = 10.0
"""Seconds until there is a connection with the far end."""


class Relay:
    """Carries connections to another address while the block runs, in threads of its own."""

    def __init__(self, host: str, port: int) -> None:
        self._far: Final = host, port
        self._lock: Final = threading.Lock()
        self._is_cut = False
        self._sockets: set[socket.socket] = set()
        self._acceptor: Final = threading.Thread(target=self._accept, name="relay")
        self._carriers: list[threading.Thread] = []
        self._listener: Final = socket.create_server((HOST, 0))
        self.port: Final[int] = self._listener.getsockname()[1]
        """Its near end, on this machine."""

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._acceptor.join()
        for carrier in self._carriers:
            carrier.join()

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

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                near, _ = self._listener.accept()
                if self._is_cut:
                    near.close()
                    continue
                carrier = threading.Thread(target=self._carry, args=(near,), name="relay, way there")
                carrier.start()
                self._carriers = [*(each for each in self._carriers if each.is_alive()), carrier]

    def _carry(self, near: socket.socket) -> None:
        with near, suppress(OSError), socket.create_connection(self._far, PATIENCE) as far:
            far.settimeout(None)
            for each in (near, far):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                if self._is_cut:
                    return
                self._sockets |= {near, far}
            back = threading.Thread(target=pump, args=(far, near), name="relay, way back")
            back.start()
            pump(near, far)
            back.join()
            with self._lock:
                self._sockets -= {near, far}
