"""Resident memory of a server per idle connection: what 2,000 more of them add."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .. import host
from ..load import Load
from ..results import Series
from ..servers import CONSTANT, OCPP_IN_LINE, OURS, WEBSOCKETS, Server
from ..workload import frames
from . import Setup
from .server import contenders

CONNECTIONS = 2000
BEFORE = 100
"""Connections that are there already: the first ones also pay for what all share."""


def per_connection(name: str, steps: Sequence[int]) -> list[float]:
    """Bytes that each connection has added, once there are so many and so many more."""
    with Server(name) as server, Load(server.port, frames()["heartbeat_request"]) as load:
        load.more(BEFORE)
        empty, there, added = server.usage().rss, 0, []
        for step in steps:
            load.more(step - there)
            there = step
            added.append((server.usage().rss - empty) / there)
        return added


def measure(setup: Setup) -> Iterable[Series]:
    host.allow_many_files(2 * CONNECTIONS)
    rounds = 1 if setup.quick else 3
    names = contenders((CONSTANT, OURS) if setup.quick else (CONSTANT, WEBSOCKETS, OURS, OCPP_IN_LINE), setup)
    samples: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        for index, name in enumerate(names):
            samples[name] += per_connection(name, [CONNECTIONS])
            setup.progress((number + (index + 1) / len(names)) / rounds)
    return [Series("memory", name, "connection", "B", taken) for name, taken in samples.items()]
