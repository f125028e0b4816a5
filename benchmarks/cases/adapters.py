"""Each adapter over loopback, with 1 and with 50 stations."""

from __future__ import annotations

from collections.abc import Iterable

from ..arena import contest
from ..clock import part
from ..results import Series
from ..servers import CONSTANT, OURS, OURS_ANYIO, OURS_SYNC, OURS_TRIO, WEBSOCKETS
from ..workload import frames
from . import Setup
from .server import contenders

STATIONS = (1, 50)


def measure(setup: Setup) -> Iterable[Series]:
    rounds, seconds = (5, 0.12) if setup.quick else (11, 0.3)
    for index, stations in enumerate(STATIONS):
        yield from contest(
            "adapters",
            f"{stations} station{'s' * (stations > 1)}",
            contenders((CONSTANT, WEBSOCKETS, OURS, OURS_TRIO, OURS_ANYIO, OURS_SYNC), setup),
            frames()["heartbeat_request"],
            stations=stations,
            rounds=rounds,
            seconds=seconds,
            progress=part(setup.progress, index, len(STATIONS)),
        )
