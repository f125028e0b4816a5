"""Puts what a run has shown where it is read: tables between the markers of README.md and docs/, plots beside them.

A marker names what belongs there: ``<!-- benchmarks: targets -->`` … ``<!-- /benchmarks -->``. What is between the two
is written here, and by nobody else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from . import plot, report
from .cases import growth
from .record import Record
from .report import Cells

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/performance.md")
PLOTS = "docs"

MARKED = re.compile(r"(<!-- benchmarks: (.+?) -->\n).*?(<!-- /benchmarks -->)", re.DOTALL)


def publish(record: Record, root: Path = ROOT) -> list[Path]:
    """Rewrite all pages and plots; those that were."""
    written: list[Path] = []
    for page in PAGES:
        path = root / page
        filled = MARKED.sub(lambda found: f"{found[1]}{SECTIONS[found[2]](record)}\n{found[3]}", path.read_text())
        path.write_text(filled)
        written.append(path)
    for name, drawn in plot.drawings(record.results, record.environment).items():
        path = root / PLOTS / f"{name}.svg"
        path.write_text(drawn)
        written.append(path)
    return written


def missing(record: Record) -> list[str]:
    """What has not been measured and belongs on the pages."""
    results = record.results
    targets = [target.title for target, figure in report.figures(results) if figure is None]
    return targets + [case for case in (growth.DECODE, growth.SERVER, growth.MEMORY) if case not in results.cases()]


def _markdown(cells: Cells) -> str:
    lines = [cells.head, ["---", *["---:"] * (len(cells.head) - 1)], *cells.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def targets(record: Record) -> str:
    """The table of the README."""
    rows = [
        [
            target.title,
            report.shown(target, figure),
            report.bound(target, target.must),
            report.bound(target, target.aim),
            "" if figure is None else target.verdict(figure).value.lower(),
        ]
        for target, figure in report.figures(record.results)
    ]
    return _markdown(Cells("", ["", "figure", "must be", "should be", ""], rows))


def _environment(record: Record) -> str:
    about = record.environment
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    return (
        f"{about['python']}, {about['compiler']}, {about['build']}; "
        f"{about['system']}, {about['processors']} processors; {packages}."
    )


def _growth(record: Record) -> str:
    results = record.results
    tables = [report.case_cells(results, case) for case in (growth.DECODE, growth.SERVER, growth.MEMORY)]
    parts = [f"**{cells.title}**\n\n{_markdown(cells)}" for cells in tables]
    return "\n\n".join([*parts, *results.remarks])


def _case(name: str) -> Callable[[Record], str]:
    return lambda record: _markdown(report.case_cells(record.results, name))


SECTIONS: dict[str, Callable[[Record], str]] = {
    "targets": targets,
    "environment": _environment,
    "layers": lambda record: _markdown(report.layer_cells(record.results)),
    "growth": _growth,
    "decode": _case("decode"),
    "server": _case("server"),
    "adapters": _case("adapters"),
}
