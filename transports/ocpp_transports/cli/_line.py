"""A bad line to a central system: it carries, besides what was sent, some bytes that nobody sent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final

__all__ = ["HOST", "NOISE", "noisy_line", "pump"]

HOST: Final = "127.0.0.1"
END_OF_HEAD: Final = b"\r\n\r\n"
PATIENCE: Final = 5.0

_TEXT: Final = b'[2,"noise","Heartb'
NOISE: Final = bytes([0x81, 0x80 | len(_TEXT)]) + bytes(4) + _TEXT
"""A CALL that breaks off, in a whole WebSocket frame whose mask is zero. Nothing of ours would send it."""


@contextmanager
def noisy_line(port: int) -> Generator[int]:
    """Carry one connection to this port of ours; the port of the line's near end.

    The noise reaches the central system behind the handshake's request, when the charge point cannot have begun a
    frame; the answer to it reaches the charge point together with the handshake's response.
    """
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(PATIENCE)
        thread = threading.Thread(target=_carry, args=(listener, port), name="noisy line")
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # nobody may ever have come
            thread.join(PATIENCE)


def _carry(listener: socket.socket, port: int) -> None:
    with suppress(OSError), listener.accept()[0] as near, socket.create_connection((HOST, port)) as far:
        for each in (near, far):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        far.sendall(_read_head(near))
        response = _read_head(far)
        far.sendall(NOISE)
        near.sendall(response + far.recv(65536))
        back = threading.Thread(target=pump, args=(far, near), name="noisy line, way back")
        back.start()
        pump(near, far)
        back.join()


def _read_head(sock: socket.socket) -> bytes:
    head = b""
    while END_OF_HEAD not in head:
        data = sock.recv(65536)
        if not data:
            raise ConnectionError("the handshake broke off")
        head += data
    return head


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Carry bytes one way until they end; then say so."""
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
