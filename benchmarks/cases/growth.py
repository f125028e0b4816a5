"""How cost grows: decoding with sampled values, a server's calls with stations, its memory with connections."""

from __future__ import annotations

from collections.abc import Iterable

from .. import peers
from ..arena import contest
from ..clock import Contender, Progress, compete, part
from ..results import Series
from ..servers import CONSTANT, OCPP, OURS
from ..workload import frames, meter_values
from . import Setup
from .memory import per_connection, within_limit
from .server import contenders

DECODE, SERVER, MEMORY = "growth, decode", "growth, server", "growth, memory"

VALUES = (1, 3, 10, 30, 100, 300, 1000)
STATIONS = (1, 5, 20, 50, 150, 500)
CONNECTIONS = (100, 300, 1000, 2000, 5000)


def _decoding(setup: Setup, progress: Progress) -> Iterable[Series]:
    contenders = [
        Contender(peer.NAME, str(values), peer.decoder(frame), [frame.data])
        for values in VALUES
        for frame in (meter_values(values),)
        for peer in peers.available(setup.peers)
    ]
    return compete(DECODE, contenders, setup.effort, progress)


def _serving(setup: Setup, progress: Progress) -> Iterable[Series]:
    for index, stations in enumerate(STATIONS):
        yield from contest(
            SERVER,
            str(stations),
            contenders((CONSTANT, OURS, OCPP), setup),
            frames()["heartbeat_request"],
            stations=stations,
            rounds=5 if setup.quick else 9,
            seconds=0.1 if setup.quick else 0.3,
            progress=part(progress, index, len(STATIONS)),
        )


def _holding(setup: Setup, progress: Progress) -> Iterable[Series]:
    steps = within_limit(CONNECTIONS, setup)
    names = contenders((CONSTANT, OURS, OCPP), setup)
    for index, name in enumerate(names):
        held = 0
        try:
            for connections, added in zip(steps, per_connection(name, steps), strict=True):
                yield Series(MEMORY, name, str(connections), "B", [added])
                held = connections
        except (RuntimeError, OSError):
            setup.remark(f"{MEMORY}: {name} broke down beyond {held:,} connections")
        progress((index + 1) / len(names))


def measure(setup: Setup) -> Iterable[Series]:
    parts = (_decoding, _serving, _holding)
    for index, measure_part in enumerate(parts):
        yield from measure_part(setup, part(setup.progress, index, len(parts)))
