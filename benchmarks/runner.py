"""Runs the cases one after the other, each in a new process, and collects what they measure."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence

from . import host
from .cases import Case
from .results import Results, Series

Progress = Callable[[Case, float], None]
"""Told how much of which case is done, from 0 to 1."""


class CaseFailed(Exception):
    """A case broke down. What it had to say is on standard error."""


def run(cases: Sequence[Case], *, quick: bool, peers: frozenset[str], progress: Progress) -> Results:
    """Measure."""
    results = Results()
    for case in cases:
        progress(case, 0.0)
        for series in _run(case, quick, peers, progress):
            results.add(series)
        progress(case, 1.0)
    return results


def _run(case: Case, quick: bool, peers: frozenset[str], progress: Progress) -> list[Series]:
    command = [sys.executable, "-m", f"{__package__}.worker", case.name, *["--quick"] * quick, *sorted(peers)]
    measured: list[Series] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=host.environment()) as worker:
        assert worker.stdout is not None
        for line in worker.stdout:
            told = json.loads(line)
            if "series" in told:
                measured.append(Series(**told["series"]))
            else:
                progress(case, told["done"])
    if worker.returncode != 0:
        raise CaseFailed(case.name)
    return measured
