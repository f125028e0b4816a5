"""Whether work takes time in proportion to its input, or to other work: never how long it takes is asserted.

Linear work takes twice as long for twice the input, quadratic work four times. Between them, on a machine that does
other things as well, the processor time of this thread is compared: of each size the least there was, over several
doublings, as some input is the first that a cache does not hold. What looks too slow is run again before it counts.
"""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

MIB = 2**20
FACTOR = 2.5
"""How many times as long twice the input may take."""
ROUNDS = 20
"""That both sizes are run before the work counts as too slow. The first is enough where nothing else goes on."""
LEAST = 0.0005
"""Seconds that one measurement lasts at least, so that the clock can tell."""
TRIFLE = 0.0001
"""Seconds that no one minds for the smaller input: what takes less is mostly the doing of the caches."""


def measure(work: Callable[[T], Any], given: T, number: int) -> float:
    """Seconds of processor time, without a collection of garbage in between."""
    return timeit.timeit(lambda: work(given), timer=time.thread_time, number=number)


def assert_linear(
    work: Callable[[T], Any],
    make: Callable[[int], T],
    *,
    up_to: int = MIB,
    doublings: int = 3,
    factor: float = FACTOR,
) -> None:
    """The time of ``work(make(size))`` at most grows with the size, over so many doublings up to this one.

    Another ``factor`` is for what builds as much as outgrows every cache: a table of all names, say.

    Raises:
        AssertionError: it grows faster.
    """
    small, large = make(up_to >> doublings), make(up_to)
    measure(work, small, 1)  # whatever is done once, for whoever comes first
    number = 1 + int(LEAST / max(measure(work, small, 1), 1e-9))
    less = more = growth = float("inf")
    for _ in range(ROUNDS):
        less, more = min(less, measure(work, small, number)), min(more, measure(work, large, number))
        growth = (more / max(less, TRIFLE * number)) ** (1 / doublings)
        if growth <= factor:
            return
    raise AssertionError(f"for each doubling of the input, the time grew by {growth:.2f}")


def assert_at_most(times: float, work: Callable[[T], Any], given: T, floor: Callable[[], Any]) -> None:
    """The work takes no longer than so many times what the floor takes.

    Raises:
        AssertionError: it does.
    """
    least = shortest = float("inf")
    for _ in range(ROUNDS):
        least, shortest = min(least, measure(lambda _: floor(), None, 1)), min(shortest, measure(work, given, 1))
        if shortest <= times * least:
            return
    raise AssertionError(f"it takes {shortest / least:.1f} times as long")
