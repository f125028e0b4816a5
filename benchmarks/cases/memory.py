"""Resident memory of a server per idle connection: what 2,000 more of them add."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .. import host
from ..load import Load
from ..results import Series
from ..servers import CONSTANT, OCPP, OURS, WEBSOCKETS, Server
from ..workload import frames
from . import Setup
from .server import contenders

CONNECTIONS = 2000
BEFORE = 100
"""Connections that are there already: the first ones also pay for what all share."""
OTHER_FILES = 50
"""What a process has open besides."""


def within_limit(steps: Sequence[int], setup: Setup) -> list[int]:
    """The numbers of connections that the limit on open files allows."""
    allowed = host.allow_many_files(steps[-1] + BEFORE + OTHER_FILES) - BEFORE - OTHER_FILES
    if allowed < steps[-1]:
        setup.remark(f"memory: no more than {max(allowed, 0):,} connections, so many open files the system allows")
    return [step for step in steps if step <= allowed]


def per_connection(name: str, steps: Sequence[int]) -> Iterator[float]:
    """Bytes that each connection has added, once there are so many and so many more."""
    with Server(name) as server, Load(server.port, frames()["heartbeat_request"]) as load:
        load.more(BEFORE)
        empty, there = server.usage().rss, 0
        for step in steps:
            load.more(step - there)
            there = step
            yield (server.usage().rss - empty) / there
        answered = load.run(0.0).done  # each asks once: none has been given up meanwhile
        assert answered == BEFORE + there, f"{name}: {answered} of {BEFORE + there} are alive"


def measure(setup: Setup) -> Iterable[Series]:
    names = contenders((CONSTANT, OURS) if setup.quick else (CONSTANT, WEBSOCKETS, OURS, OCPP), setup)
    steps = within_limit([CONNECTIONS], setup)
    rounds = 1 if setup.quick else 3
    samples: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        for index, name in enumerate(names):
            samples[name] += per_connection(name, steps)
            setup.progress((number + (index + 1) / len(names)) / rounds)
    return [Series("memory", name, "connection", "B", taken) for name, taken in samples.items() if taken]
