"""The adapters that are held to the contract, and what the other tests of theirs need of it.

The contract itself is public: :mod:`ocpp_transports.testing`.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import ocpp_transports.anyio
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
    connected,
    nothing_left_over,
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
    "central_system",
    "charge_point",
    "connected",
    "echo",
    "heartbeat",
    "listening",
    "nothing_left_over",
    "on_adapter",
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
    AsyncAdapter(ocpp_transports.anyio, "asyncio", "anyio-asyncio"),
    AsyncAdapter(ocpp_transports.anyio, "trio", "anyio-trio"),
]

on_adapter = pytest.mark.parametrize("adapter", ADAPTERS, ids=str)
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
