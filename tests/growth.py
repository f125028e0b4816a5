"""Whether work takes time in proportion to its input: how the time grows is asserted, never how long it takes.

Linear work takes twice as long for twice the input, quadratic work four times. Between them, on a machine that does
other things as well, the processor time of this thread is compared, the least of several runs; and what looks too slow
is measured again before it counts.
"""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeVar

T = TypeVar("T")

MIB = 2**20
FACTOR = 2.5
"""How many times as long twice the input may take."""
RUNS, ATTEMPTS = 3, 5
LEAST = 0.0005
"""Seconds that one measurement lasts at least, so that the clock can tell."""


def cost(work: Callable[[T], Any], given: T, *, number: int) -> float:
    """Seconds of processor time that so many runs take."""
    return min(timeit.repeat(lambda: work(given), timer=time.thread_time, number=number, repeat=RUNS))


def growth(work: Callable[[T], Any], given: list[T]) -> list[float]:
    """How many times as long the work takes for each input as for the one before."""
    work(given[0])  # whatever is done once, for whoever comes first
    number = 1 + int(LEAST / max(cost(work, given[0], number=1), 1e-9))
    return [more / less for less, more in pairwise([cost(work, each, number=number) for each in given])]


def assert_linear(work: Callable[[T], Any], make: Callable[[int], T], *, up_to: int = MIB, doublings: int = 2) -> None:
    """The time of ``work(make(size))`` at most grows with the size, over so many doublings up to this one.

    Raises:
        AssertionError: it grew faster, each time it was measured.
    """
    given = [make(up_to >> step) for step in range(doublings, -1, -1)]
    seen = []
    for _ in range(ATTEMPTS):
        seen.append(growth(work, given))
        if max(seen[-1]) <= FACTOR:
            return
    raise AssertionError(f"for each doubling of the input, the time grew by {seen}")
