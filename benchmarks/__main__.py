"""``python -m benchmarks``: measure, show, keep, compare, plot, publish."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from . import host, peers, plot, publish, report, runner
from .cases import CASES, Case
from .record import Record


def _at_least_one(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError
    return number


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the hot path, beside floors and peers in the same run.",
        epilog="cases: " + "; ".join(f"{case.name} ({case.summary})" for case in CASES.values()),
    )
    add = made.add_argument
    add("--case", action="append", choices=CASES, metavar="CASE", help="only this one; may be given several times")
    add(
        "--peer", action="append", choices=peers.installed(), metavar="PEER", help="beside us and the floors, only this"
    )
    add("--quick", action="store_true", help="less exact, within a minute; leaves out cases that no target needs")
    add("--repeat", type=_at_least_one, default=1, metavar="N", help="so many runs; says in how many each bound held")
    add("--from", dest="source", type=Path, metavar="FILE", help="measure nothing: take what --json has written there")
    add("--json", type=Path, metavar="FILE", help="write all figures there")
    add("--compare", type=Path, metavar="FILE", help="show what has changed since that was written with --json")
    add("--plot", type=Path, metavar="FILE.svg", help="draw the figures there")
    add("--markdown", action="store_true", help="print the table of the README as well")
    add(
        "--publish",
        action="store_true",
        help="rewrite the tables of README.md and docs/, and the plots; needs all cases",
    )
    return made


def _chosen(names: Sequence[str] | None, *, quick: bool) -> list[Case]:
    if names:
        return [CASES[name] for name in dict.fromkeys(names)]
    return [case for case in CASES.values() if not case.extra and not (quick and case.slow)]


class _Bar:
    """A progress bar over all cases, on standard error, so that standard output has the tables only."""

    def __init__(self, bar: Progress, cases: Sequence[Case], *, quick: bool, runs: int) -> None:
        self._bar = bar
        self._seconds = {case.name: case.seconds[0 if quick else 1] for case in cases}
        self._before = self._present = 0.0
        self._task: TaskID = bar.add_task("", total=runs * sum(self._seconds.values()))

    def __call__(self, case: Case, done: float) -> None:
        if done == 0.0:  # the one before is over
            self._before += self._present
            self._present = self._seconds[case.name]
        self._bar.update(self._task, description=case.name, completed=self._before + done * self._present)


@contextmanager
def _bar(cases: Sequence[Case], *, quick: bool, runs: int) -> Iterator[_Bar]:
    columns = (TextColumn("{task.description:13}"), BarColumn(None), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _Bar(bar, cases, quick=quick, runs=runs)


def _measured(options: argparse.Namespace) -> Record:
    cases, wanted = _chosen(options.case, quick=options.quick), frozenset[str](options.peer or ())
    with _bar(cases, quick=options.quick, runs=options.repeat) as progress:
        runs = [runner.run(cases, quick=options.quick, peers=wanted, progress=progress) for _ in range(options.repeat)]
    return Record(runs, host.description(), options.quick)


def main() -> int:
    options = parser().parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    try:
        earlier = Record.read(options.compare) if options.compare else None
        if options.publish and not options.source and (options.case or options.peer or options.quick):
            raise ValueError("what is published is a whole run: leave --case, --peer and --quick out")
        record = Record.read(options.source) if options.source else _measured(options)
    except (runner.CaseFailed, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    report.show(record, console)
    if earlier is not None:
        report.compare(record.results, earlier, options.compare.name, console)
    if options.markdown:
        print(publish.targets(record))
    if options.json:
        record.write(options.json)
    if options.plot:
        options.plot.write_text(plot.draw(record.results, record.environment))
    if options.publish:
        if missing := publish.missing(record):
            print(f"nothing rewritten, for this is not measured: {'; '.join(missing)}", file=sys.stderr)
            return 1
        print("rewritten:", *(path.relative_to(publish.ROOT) for path in publish.publish(record)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
