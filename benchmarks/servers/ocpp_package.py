"""The ``ocpp`` package over ``websockets``, as its documentation builds a central system."""

from __future__ import annotations

import asyncio
import logging

import ocpp.messages
import websockets.asyncio.server
import websockets.exceptions
from websockets.typing import Subprotocol

from ..peers.ocpp_package import Station
from .report import listening

logging.getLogger("websockets").setLevel(logging.CRITICAL)


async def _on_connect(connection: websockets.asyncio.server.ServerConnection) -> None:
    assert connection.request is not None
    station = Station(connection.request.path.rpartition("/")[2], connection)
    try:
        await station.start()
    except websockets.exceptions.ConnectionClosed:
        return


async def _serve() -> None:
    async with websockets.asyncio.server.serve(
        _on_connect, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp1.6")], compression=None, backlog=1024
    ) as server:
        listening(next(iter(server.sockets)).getsockname()[1])
        await server.serve_forever()


def serve() -> None:
    """As it comes."""
    asyncio.run(_serve())


def serve_in_line() -> None:
    """Without its detour to a thread for every validation."""
    ocpp.messages.ASYNC_VALIDATION = False
    serve()
