"""What has been measured, and what may be said about it: series of samples, ratios of series, their spread.

Two series of one case have been taken in turns, sample by sample. Their ratio is therefore taken sample by sample as
well: whatever slowed the machine down for a while slowed both.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs


def _as_tuple(samples: Iterable[float]) -> tuple[float, ...]:
    return tuple(samples)


@attrs.frozen
class Series:
    """Samples of one quantity, of one contender, on one subject."""

    case: str
    contender: str
    subject: str
    unit: str
    samples: tuple[float, ...] = attrs.field(converter=_as_tuple, repr=False)

    @property
    def key(self) -> tuple[str, str, str]:
        return self.case, self.contender, self.subject

    def as_dict(self) -> dict[str, Any]:
        return attrs.asdict(self)


@attrs.frozen
class Figure:
    """A median with its spread: the middle half of the samples lies between ``low`` and ``high``."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Figure:
        if len(samples) < 2:
            return cls(*(samples[0],) * 3)
        low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
        return cls(median, low, high)

    @property
    def spread(self) -> float:
        return self.high - self.low

    @property
    def is_significant(self) -> bool:
        """Whether it differs from 1, as a ratio, by more than it is spread."""
        return abs(self.median - 1) > self.spread


class Results:
    """All series of a run, and what has to be said about them."""

    def __init__(self, series: Iterable[Series] = (), remarks: Iterable[str] = ()) -> None:
        self._series = {each.key: each for each in series}
        self.remarks = list(remarks)

    @classmethod
    def together(cls, runs: Sequence[Results]) -> Results:
        """All samples of several runs as if they had been taken in one. Those taken in turn stay side by side."""
        samples: dict[tuple[str, str, str], list[float]] = {}
        units: dict[tuple[str, str, str], str] = {}
        for series in (series for run in runs for series in run):
            samples.setdefault(series.key, []).extend(series.samples)
            units[series.key] = series.unit
        remarks = dict.fromkeys(remark for run in runs for remark in run.remarks)
        return cls((Series(*key, units[key], taken) for key, taken in samples.items()), remarks)

    def add(self, series: Series) -> None:
        self._series[series.key] = series

    def __iter__(self) -> Iterator[Series]:
        return iter(self._series.values())

    def get(self, case: str, contender: str, subject: str) -> Series | None:
        return self._series.get((case, contender, subject))

    def cases(self) -> list[str]:
        return list(dict.fromkeys(each.case for each in self))

    def contenders(self, case: str) -> list[str]:
        return list(dict.fromkeys(each.contender for each in self if each.case == case))

    def subjects(self, case: str) -> list[str]:
        return list(dict.fromkeys(each.subject for each in self if each.case == case))

    def figure(self, case: str, contender: str, subject: str) -> Figure | None:
        series = self.get(case, contender, subject)
        return None if series is None else Figure.of(series.samples)

    def difference(self, upper: tuple[str, str], lower: tuple[str, str], subject: str) -> Figure | None:
        """What one contender takes more than another, each given with its case. ``None``: not both were measured.

        Taken as a share of what the first one takes, sample by sample, for the reason that ratios are.
        """
        above, below = self.get(*upper, subject), self.get(*lower, subject)
        if above is None or below is None:
            return None
        whole = statistics.median(above.samples)
        return Figure.of([whole * (1 - b / a) for a, b in zip(above.samples, below.samples, strict=False)])

    def ratio(self, case: str, above: str, below: str, subjects: Sequence[str]) -> Figure | None:
        """One contender by another; over several subjects, the geometric mean. ``None``: not all was measured."""
        ratios = [self._ratios(case, above, below, subject) for subject in subjects]
        if not ratios or not all(ratios):
            return None
        rounds = zip(*ratios, strict=False)
        return Figure.of([math.exp(statistics.fmean(map(math.log, each))) for each in rounds])

    def _ratios(self, case: str, above: str, below: str, subject: str) -> list[float]:
        numerator, denominator = self.get(case, above, subject), self.get(case, below, subject)
        if numerator is None or denominator is None:
            return []
        return [a / b for a, b in zip(numerator.samples, denominator.samples, strict=False)]
