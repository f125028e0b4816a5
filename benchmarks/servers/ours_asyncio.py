"""This library's asyncio adapter."""

from __future__ import annotations

import asyncio

from ocpp_sansio import CentralSystem
from ocpp_transports.asyncio import serve as serve_stations

from .application import csms
from .report import listening


async def _serve(served: CentralSystem) -> None:
    async with serve_stations(served, port=0) as server:
        listening(server.port)
        await asyncio.get_running_loop().create_future()


def serve(served: CentralSystem = csms) -> None:
    asyncio.run(_serve(served))
