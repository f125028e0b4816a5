"""What is measured: one module per case, each with a ``measure(setup)`` that yields series.

Every case runs in a process of its own, see :mod:`benchmarks.worker`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module

import attrs

from ..clock import FULL, QUICK, Effort, Progress
from ..results import Series


@attrs.frozen
class Setup:
    """How a case is to be measured."""

    quick: bool
    peers: frozenset[str]
    """Names of the peers wanted beside us; empty: all."""
    progress: Progress
    remark: Callable[[str], None]
    """For what has to be said beside the figures."""

    @property
    def effort(self) -> Effort:
        return QUICK if self.quick else FULL

    def wants(self, peer: str) -> bool:
        return not self.peers or peer in self.peers


@attrs.frozen
class Case:
    """One thing to measure."""

    name: str
    summary: str
    seconds: tuple[float, float]
    """About how long it takes, quick and in full: what the progress bar goes by."""
    extra: bool = False
    """Whether it is measured only when asked for by name."""
    slow: bool = False
    """Whether ``--quick`` leaves it out."""

    def measure(self, setup: Setup) -> Iterable[Series]:
        measure: Callable[[Setup], Iterable[Series]] = import_module(f"{__name__}.{self.name}").measure
        return measure(setup)


CASES = {
    case.name: case
    for case in (
        Case("decode", "frame bytes → typed, validated message", (4, 45)),
        Case("encode", "message → frame bytes", (4, 45)),
        Case("diagnosis", "invalid frame → CALLERROR with all reasons", (1, 3)),
        Case("inbound", "request text → event → answer text", (1, 5)),
        Case("layers", "one inbound call, layer by layer", (1, 5)),
        Case("messages", "construction and size of message objects", (1, 8), slow=True),
        Case("imports", "import time", (7, 25)),
        Case("server", "CPU of a server per call, 50 stations", (12, 60)),
        Case("adapters", "the same for each adapter, with 1 and with 50 stations", (8, 40), slow=True),
        Case("connect", "CPU of a server per connection that comes and goes", (5, 15), slow=True),
        Case("memory", "memory of a server per idle connection", (8, 20)),
        Case("growth", "how cost grows with values, stations and connections", (20, 90), slow=True),
        Case("simulation", "one call between two ends in virtual time", (1, 3), slow=True),
        Case("validate", "the command on a log, frame by frame", (8, 130), slow=True),
        Case("instructions", "instructions counted by callgrind", (160, 160), extra=True),
    )
}
