"""What has been measured, as JSON: written once, read again to compare, to draw and to publish."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

import attrs

from .results import Figure, Results, Series
from .targets import TARGETS, Target

FORMAT = 2
"""Of the JSON. A higher number when a key changes its meaning."""


@attrs.frozen
class Record:
    """One run or several, and what they depend on."""

    runs: list[Results]
    environment: dict[str, Any]
    quick: bool

    @property
    def results(self) -> Results:
        """Of all runs together."""
        return Results.together(self.runs)

    def held(self, target: Target) -> int:
        """In how many runs the target's bound held."""
        return sum(figure is not None and target.verdict(figure).held for figure in map(target.find, self.runs))

    def as_json(self) -> dict[str, Any]:
        """Under keys that stay. Targets are those of all runs together; the samples are those of each run."""
        return {
            "format": FORMAT,
            "quick": self.quick,
            "environment": self.environment,
            "targets": {target.key: self._target(target) for target in TARGETS},
            "runs": [
                {
                    "remarks": run.remarks,
                    "targets": {target.key: _shown(target, run) for target in TARGETS},
                    "series": [_series(series) for series in run],
                }
                for run in self.runs
            ],
        }

    def _target(self, target: Target) -> dict[str, Any]:
        return {
            "title": target.title,
            "unit": target.unit.strip(),
            "must": target.must,
            "aim": target.aim,
            **_shown(target, self.results),
            "held": self.held(target),
        }

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.as_json(), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises ``ValueError`` if there is something else in that file."""
        told = json.loads(path.read_text())
        if not isinstance(told, dict) or told.get("format") != FORMAT:
            raise ValueError(f"{path} was not written by this version of the suite")
        runs = [Results(map(_read_series, run["series"]), run["remarks"]) for run in told["runs"]]
        return cls(runs, told["environment"], told["quick"])


def _shown(target: Target, results: Results) -> dict[str, Any]:
    figure = target.find(results)
    if figure is None:
        return {"figure": None, "verdict": None}
    return {"figure": attrs.asdict(figure), "verdict": target.verdict(figure).value}


def _series(series: Series) -> dict[str, Any]:
    return {**series.as_dict(), **attrs.asdict(Figure.of(series.samples))}


def _read_series(told: dict[str, Any]) -> Series:
    return Series(**{field.name: told[field.name] for field in attrs.fields(Series)})
