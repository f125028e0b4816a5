"""This library's anyio adapter, on asyncio."""

from __future__ import annotations

import anyio

from ocpp_sansio import CentralSystem
from ocpp_transports.anyio import serve as serve_stations

from .application import csms
from .report import listening


async def _serve(served: CentralSystem) -> None:
    async with serve_stations(served, port=0) as server:
        listening(server.port)
        await anyio.sleep_forever()


def serve(served: CentralSystem = csms) -> None:
    anyio.run(_serve, served)
