"""Servers in turn under the same load, and what each call costs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from . import host
from .clock import Progress
from .load import Load, Round
from .results import Series
from .servers import Server
from .workload import Frame


def contest(
    case: str,
    subject: str,
    names: Sequence[str],
    frame: Frame,
    *,
    stations: int,
    rounds: int,
    seconds: float,
    progress: Progress,
) -> list[Series]:
    """Let the same number of stations load each server in turn: nanoseconds of its CPU, and of the clock, per call."""

    def prepare(load: Load) -> None:
        load.more(stations)
        load.run(seconds / 3)

    return _compete(case, subject, names, frame, prepare, lambda load: load.run(seconds), rounds, progress)


def churn(
    case: str, subject: str, names: Sequence[str], frame: Frame, *, rounds: int, seconds: float, progress: Progress
) -> list[Series]:
    """The same per connection that comes and goes."""

    def prepare(load: Load) -> None:
        load.churn(seconds / 3)

    return _compete(case, subject, names, frame, prepare, lambda load: load.churn(seconds), rounds, progress)


def _compete(
    case: str,
    subject: str,
    names: Sequence[str],
    frame: Frame,
    prepare: Callable[[Load], None],
    act: Callable[[Load], Round],
    rounds: int,
    progress: Progress,
) -> list[Series]:
    cpu: dict[str, list[float]] = {name: [] for name in names}
    wall: dict[str, list[float]] = {name: [] for name in names}
    busy: dict[str, list[float]] = {name: [] for name in names}
    host.take_turns()
    with ExitStack() as stack:
        arena: list[tuple[Server, Load]] = []
        for name in names:
            server = stack.enter_context(Server(name))
            load = stack.enter_context(Load(server.port, frame))
            prepare(load)
            arena.append((server, load))
        for number in range(rounds):
            for server, load in arena:
                before = server.usage()
                done = act(load)
                spent = server.usage().cpu_ns - before.cpu_ns
                cpu[server.name].append(spent / done.done)
                wall[server.name].append(done.wall_ns / done.done)
                busy[server.name].append(spent / done.wall_ns)
            arena.reverse()
            progress((number + 1) / rounds)
    return [
        *(Series(case, name, subject, "ns", samples) for name, samples in cpu.items()),
        *(Series(f"{case}, wall", name, subject, "ns", samples) for name, samples in wall.items()),
        *(Series(f"{case}, busy", name, subject, "", samples) for name, samples in busy.items()),
    ]
