"""The ``ocpp`` package over ``websockets``, as its documentation builds a central system."""

from __future__ import annotations

import asyncio
import logging

import websockets.asyncio.server
import websockets.exceptions
from websockets.typing import Subprotocol

from ..peers.ocpp_package import station_class, validate_in_threads
from ..workload import frames
from .report import listening

logging.getLogger("websockets").setLevel(logging.CRITICAL)

STATIONS = {
    Subprotocol(version.subprotocol): station_class(version) for version in {each.version for each in frames().values()}
}


async def _on_connect(connection: websockets.asyncio.server.ServerConnection) -> None:
    assert connection.request is not None
    assert connection.subprotocol is not None
    station = STATIONS[connection.subprotocol](connection.request.path.rpartition("/")[2], connection)
    try:
        await station.start()
    except websockets.exceptions.ConnectionClosed:
        return


async def _serve() -> None:
    async with websockets.asyncio.server.serve(
        _on_connect, "127.0.0.1", 0, subprotocols=[*STATIONS], compression=None, backlog=1024
    ) as server:
        listening(next(iter(server.sockets)).getsockname()[1])
        await server.serve_forever()


def serve() -> None:
    """As it comes: every validation makes a detour to a thread."""
    asyncio.run(_serve())


def serve_in_line() -> None:
    """Validating in the event loop, which costs less."""
    validate_in_threads(False)
    asyncio.run(_serve())
