"""Timing inside one process: contenders take turns, and CPU time is what counts, of all threads that a contender has.

Wall time also counts whatever else the machine is doing. The garbage collector is off while a sample is taken, and runs
in between: when it would strike is chance, and it would charge one contender for what another has left behind.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle, islice
from time import process_time_ns
from typing import Any

import attrs

from .results import Series

Progress = Callable[[float], None]
"""Told how much of a case is done, from 0 to 1."""


def part(progress: Progress, index: int, count: int) -> Progress:
    """The progress of one of so many equal parts."""
    return lambda done: progress((index + done) / count)


def _in_turn(arguments: Iterable[Any]) -> Iterator[Any]:
    return cycle(arguments)


@attrs.frozen
class Contender:
    """Something to be timed: a function, and the arguments it is called with in turn."""

    name: str
    subject: str
    function: Callable[[Any], object]
    arguments: Iterator[Any] = attrs.field(converter=_in_turn)
    in_bulk: bool = False
    """Whether the function takes an iterable of arguments, because each call alone would have to be set up."""


@attrs.frozen
class Effort:
    """How much time goes into a case."""

    rounds: int
    """Samples of each contender."""
    seconds: float
    """The least that a sample takes."""


QUICK = Effort(rounds=9, seconds=0.0015)
FULL = Effort(rounds=25, seconds=0.006)


def compete(case: str, contenders: Sequence[Contender], effort: Effort, progress: Progress) -> list[Series]:
    """Time all contenders in turn, in nanoseconds a call."""
    counts = [_calls_in(each, effort.seconds) for each in contenders]
    samples: list[list[float]] = [[] for _ in contenders]
    order = list(range(len(contenders)))
    gc.collect()
    gc.freeze()
    gc.disable()
    for number in range(effort.rounds):
        for index in order:
            samples[index].append(_time(contenders[index], counts[index]) / counts[index])
        gc.collect()
        order.reverse()  # so that nobody always follows the same one
        progress((number + 1) / effort.rounds)
    gc.enable()
    return [Series(case, each.name, each.subject, "ns", taken) for each, taken in zip(contenders, samples, strict=True)]


def _time(contender: Contender, count: int) -> int:
    timed = _timed_in_bulk if contender.in_bulk else _timed
    return timed(contender.function, islice(contender.arguments, count))


def _timed_in_bulk(function: Callable[[Any], object], arguments: Iterable[Any]) -> int:
    start = process_time_ns()
    function(arguments)
    return process_time_ns() - start


def _timed(function: Callable[[Any], object], arguments: Iterable[Any]) -> int:
    start = process_time_ns()
    for argument in arguments:
        function(argument)
    return process_time_ns() - start


def _calls_in(contender: Contender, seconds: float) -> int:
    """How many calls take so long; finding out is the warm-up.

    The first call does not count: it reads schemas and builds what later ones find ready. Nor does the slower one of
    two tries: too few calls would not be warm when they are timed among the others.
    """
    _time(contender, 1)
    count = 1
    while (taken := min(_time(contender, count), _time(contender, count))) < seconds * 5e8:
        count = max(2 * count, min(16 * count, int(count * seconds * 6e8 / (taken + 1))))
    return max(1, round(count * seconds * 1e9 / taken))
