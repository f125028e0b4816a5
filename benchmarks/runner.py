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
"""Told how much of which case is done: 0 when it begins, up to 1."""


class CaseFailed(Exception):
    """A case broke down. What it had to say is on standard error."""


def run(cases: Sequence[Case], *, quick: bool, peers: frozenset[str], progress: Progress) -> Results:
    """Measure."""
    results = Results()
    for case in cases:
        progress(case, 0.0)
        _run(case, quick, peers, progress, results)
    return results


def _run(case: Case, quick: bool, peers: frozenset[str], progress: Progress, results: Results) -> None:
    command = [sys.executable, "-m", f"{__package__}.worker", case.name, *["--quick"] * quick, *sorted(peers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=host.environment()) as worker:
        assert worker.stdout is not None
        for line in worker.stdout:
            match json.loads(line):
                case {"done": done}:
                    progress(case, done)
                case {"remark": remark}:
                    results.remarks.append(remark)
                case {"series": series}:
                    results.add(Series(**series))
    if worker.returncode != 0:
        raise CaseFailed(f"the case {case.name} broke down")
