"""``python -m benchmarks``: measure, show, keep, compare, plot."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from . import host, peers, plot, report, runner
from .cases import CASES, Case


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the hot path, beside floors and peers in the same run.",
        epilog="cases: " + "; ".join(f"{case.name} ({case.summary})" for case in CASES.values()),
    )
    add = parser.add_argument
    add("--case", action="append", choices=CASES, metavar="CASE", help="only this one; may be given several times")
    add(
        "--peer", action="append", choices=peers.installed(), metavar="PEER", help="beside us and the floors, only this"
    )
    add("--quick", action="store_true", help="less exact, within a minute; leaves out cases that no target needs")
    add("--json", type=Path, metavar="FILE", help="write all figures there")
    add("--compare", type=Path, metavar="FILE", help="show what has changed since that was written with --json")
    add("--plot", type=Path, metavar="FILE.svg", help="draw the figures there")
    add("--markdown", action="store_true", help="print the table of the README as well")
    return parser.parse_args()


def _chosen(names: Sequence[str] | None, *, quick: bool) -> list[Case]:
    if names:
        return [CASES[name] for name in dict.fromkeys(names)]
    return [case for case in CASES.values() if not case.extra and not (quick and case.slow)]


class _Bar:
    """A progress bar over all cases, on standard error, so that standard output has the tables only."""

    def __init__(self, bar: Progress, cases: Sequence[Case], *, quick: bool) -> None:
        self._bar = bar
        self._seconds = {case.name: case.seconds[0 if quick else 1] for case in cases}
        self._done = 0.0
        self._task: TaskID = bar.add_task("", total=sum(self._seconds.values()))

    def __call__(self, case: Case, done: float) -> None:
        seconds = self._seconds[case.name]
        self._bar.update(self._task, description=case.name, completed=self._done + done * seconds)
        if done == 1.0:
            self._done += seconds


@contextmanager
def _bar(cases: Sequence[Case], *, quick: bool) -> Iterator[_Bar]:
    columns = (TextColumn("{task.description:13}"), BarColumn(None), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _Bar(bar, cases, quick=quick)


def main() -> int:
    options = _arguments()
    cases = _chosen(options.case, quick=options.quick)
    console = Console(width=None if sys.stdout.isatty() else 160)
    with _bar(cases, quick=options.quick) as progress:
        try:
            results = runner.run(cases, quick=options.quick, peers=frozenset(options.peer or ()), progress=progress)
        except runner.CaseFailed as failed:
            print(f"the case {failed} broke down", file=sys.stderr)
            return 1
    environment = host.description()
    report.show(results, environment, console)
    if options.compare:
        report.compare(results, options.compare, console)
    if options.markdown:
        print(report.markdown(results))
    if options.json:
        figures = report.as_json(results, environment, quick=options.quick)
        options.json.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
    if options.plot:
        options.plot.write_text(plot.draw(results, environment))
    return 0


if __name__ == "__main__":
    sys.exit(main())
