"""This library's trio adapter."""

from __future__ import annotations

import trio

from ocpp_sansio import CentralSystem
from ocpp_transports.trio import serve as serve_stations

from .application import csms
from .report import listening


async def _serve(served: CentralSystem) -> None:
    async with serve_stations(served, port=0) as server:
        listening(server.port)
        await trio.sleep_forever()


def serve(served: CentralSystem = csms) -> None:
    trio.run(_serve, served)
