"""The adapters that are held to the contract, and what the other tests of theirs need of it.

The contract itself is public: :mod:`ocpp_transports.testing`.
"""

from __future__ import annotations

import logging
import queue
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

import ocpp_transports.asyncio
import ocpp_transports.trio
from ocpp_transports.testing import (
    Adapter,
    AsyncAdapter,
    ClientEnd,
    End,
    Gate,
    RawPeer,
    ServerEnd,
    SyncAdapter,
    census,
    connected,
    raw_client,
    raw_server,
    tls,
)
from ocpp_transports.testing.samples import (
    BOOT,
    HEARTBEAT,
    NOON,
    PATIENCE,
    RESET,
    booted,
    central_system,
    charge_point,
    echo,
    heartbeat,
    transfer,
)

__all__ = [
    "ADAPTERS",
    "BOOT",
    "HEARTBEAT",
    "NOON",
    "PATIENCE",
    "RESET",
    "Adapter",
    "AsyncAdapter",
    "ClientEnd",
    "End",
    "Gate",
    "RawPeer",
    "ServerEnd",
    "SyncAdapter",
    "booted",
    "census",
    "central_system",
    "charge_point",
    "connected",
    "echo",
    "garbling",
    "heartbeat",
    "listening",
    "on_client",
    "on_server",
    "raw_client",
    "raw_server",
    "tls",
    "transfer",
]

ADAPTERS: list[Adapter] = [
    AsyncAdapter(ocpp_transports.asyncio, "asyncio"),
    AsyncAdapter(ocpp_transports.trio, "trio"),
    SyncAdapter(),
]

on_client = pytest.mark.parametrize("client", ADAPTERS, ids=lambda adapter: f"client:{adapter}")
on_server = pytest.mark.parametrize("server", ADAPTERS, ids=lambda adapter: f"server:{adapter}")


@contextmanager
def listening() -> Iterator[queue.Queue[int]]:
    """The ports of the servers that are started meanwhile, from what they log."""
    ports: queue.Queue[int] = queue.Queue()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.msg.startswith("listening") and isinstance(record.args, tuple):
                (addresses,) = record.args
                ports.put(addresses[0][1])  # type: ignore[index]

    logger, listener = logging.getLogger("ocpp_transports"), Listener()
    level = logger.level
    logger.addHandler(listener)
    logger.setLevel(logging.INFO)
    try:
        yield ports
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)


@contextmanager
def garbling(port: int, word: bytes, other: bytes) -> Iterator[str]:
    """A line to a server, for one connection, on which a word of the server's becomes another one of its length."""
    assert len(word) == len(other)

    def pump(source: socket.socket, sink: socket.socket, change: Callable[[bytes], bytes]) -> None:
        with suppress(OSError):
            while data := source.recv(2**16):
                sink.sendall(change(data))
            sink.shutdown(socket.SHUT_WR)

    def carry() -> None:
        with listener.accept()[0] as near, socket.create_connection(("127.0.0.1", port)) as far:
            back = threads.submit(pump, far, near, lambda data: data.replace(word, other))
            pump(near, far, lambda data: data)
            back.result(PATIENCE)

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(2) as threads:
        listener.settimeout(PATIENCE)
        done = threads.submit(carry)
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/ocpp"
        done.result(PATIENCE)
