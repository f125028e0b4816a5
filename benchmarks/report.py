"""What a run has shown: as tables for a terminal, as Markdown, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .cases.layers import CODEC, CONNECTION, JSON, SESSION, WEBSOCKETS
from .cases.layers import SUBJECTS as LAYER_SUBJECTS
from .peers import FLOOR, OURS
from .results import Figure, Results
from .servers import CONSTANT
from .targets import TARGETS, Target, Verdict

FORMAT = 1
"""Of the JSON. A higher number when a key changes its meaning."""

MARKS = {
    Verdict.AIM: "[green]✓✓ aim[/]",
    Verdict.MUST: "[green]✓ must[/]",
    Verdict.UNCLEAR: "[yellow]? unclear[/]",
    Verdict.MISSED: "[red]✗ missed[/]",
    None: "[dim]not measured[/]",
}

FLOORS = {
    "decode": FLOOR,
    "encode": FLOOR,
    "diagnosis": FLOOR,
    "inbound": FLOOR,
    "layers": JSON,
    "construct": OURS,
    "size": OURS,
    "imports": "attrs, cattrs",
    "server": CONSTANT,
    "adapters": CONSTANT,
    "connect": CONSTANT,
    "memory": CONSTANT,
    "instructions": FLOOR,
}
"""What each case's figures are a ratio to. Where nobody is a floor, we are."""


def number(value: float) -> str:
    """With as many digits as mean something."""
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def amount(value: float, unit: str) -> str:
    """Of time or memory."""
    if unit == "ns":
        for factor, name in ((1e6, "ms"), (1e3, "µs")):
            if value >= factor:
                return f"{number(value / factor)} {name}"
    return f"{number(value)} {unit}".strip()


def ratio(figure: Figure) -> str:
    """A ratio with its spread; one that differs from 1 by less than its spread is not told."""
    half = figure.spread / 2
    if not figure.is_significant:
        return f"≈ 1 ±{_rough(half)}"
    return f"{number(figure.median)} ±{_rough(half)}" if half >= 0.005 else number(figure.median)


def _rough(value: float) -> str:
    return f"{value:.1g}" if value < 10 else f"{value:.0f}"


def bound(target: Target, value: float) -> str:
    """What a figure must be, or should be."""
    return f"{'≤' if target.less_is_better else '≥'} {number(value)}"


# -- tables --


def show(results: Results, environment: dict[str, Any], console: Console) -> None:
    """Everything, the most important last: that is where one looks in a terminal."""
    for case in results.cases():
        floor = FLOORS.get(case)
        if floor is not None:
            console.print(_case_table(results, case, floor))
    if results.get("layers", CONNECTION, LAYER_SUBJECTS[0]) is not None:
        console.print(_layer_table(results))
    console.print(_target_table(results))
    packages = ", ".join(f"{name} {version}" for name, version in environment["packages"].items())
    console.print(f"{environment['python']}, {environment['compiler']}, {environment['build']}")
    console.print(f"{environment['system']}, {environment['processors']} processors; {packages}", highlight=False)
    console.print(
        "Every sample is CPU time; contenders take turns; ± is half the width of the middle half of the ratios.",
        style="dim",
    )


def _case_table(results: Results, case: str, floor: str) -> Table:
    contenders = [name for name in results.contenders(case) if name != floor]
    table = Table(title=f"{case}: × {floor}", title_justify="left", title_style="bold")
    table.add_column("")
    table.add_column(floor, justify="right", style="dim")
    for name in contenders:
        table.add_column(name, justify="right")
    for subject in results.subjects(case):
        series = results.get(case, floor, subject)
        base = "" if series is None else amount(Figure.of(series.samples).median, series.unit)
        ratios = [results.ratio(case, name, floor, [subject]) for name in contenders]
        table.add_row(subject, base, *("" if each is None else ratio(each) for each in ratios))
    return table


def _layer_table(results: Results) -> Table:
    """Where the microseconds of one inbound call go: what each layer adds to the one below."""
    table = Table(title="layers: what each one adds", title_justify="left", title_style="bold")
    table.add_column("")
    for subject in LAYER_SUBJECTS:
        table.add_column(subject, justify="right")
    for title, upper, lower in (
        ("JSON to untyped objects and back", JSON, None),
        ("types, validation, dispatch (codec)", CODEC, JSON),
        ("state machine (session)", SESSION, CODEC),
        ("WebSocket, deadlines, limits (connection)", CONNECTION, SESSION),
        ("of which websockets alone", WEBSOCKETS, None),
    ):
        cells: list[str] = []
        for subject in LAYER_SUBJECTS:
            whole = results.figure("layers", upper, subject)
            below = Figure(0, 0, 0) if lower is None else results.figure("layers", lower, subject)
            cells.append("" if whole is None or below is None else f"{(whole.median - below.median) / 1000:.1f} µs")
        table.add_row(title, *cells)
    return table


def _target_table(results: Results) -> Table:
    table = Table(title="The speed", title_justify="left", title_style="bold")
    table.add_column("")
    for column in ("figure", "must", "aim"):
        table.add_column(column, justify="right")
    table.add_column("")
    for target, figure in _figures(results):
        verdict = None if figure is None else target.verdict(figure)
        table.add_row(
            target.title, _cell(target, figure), bound(target, target.must), bound(target, target.aim), MARKS[verdict]
        )
    return table


def _cell(target: Target, figure: Figure | None) -> str:
    if figure is None:
        return ""
    return ratio(figure) if target.unit == "×" else f"{number(figure.median)}{target.unit}"


def _figures(results: Results) -> Iterator[tuple[Target, Figure | None]]:
    return ((target, target.find(results)) for target in TARGETS)


def markdown(results: Results) -> str:
    """The table of the README."""
    lines = ["| | figure | must | aim |", "|---|---:|---:|---:|"]
    for target, figure in _figures(results):
        if figure is not None:
            bounds = f"{bound(target, target.must)} | {bound(target, target.aim)}"
            lines.append(f"| {target.title} | {_cell(target, figure)} | {bounds} |")
    return "\n".join(lines)


# -- JSON --


def as_json(results: Results, environment: dict[str, Any], *, quick: bool) -> dict[str, Any]:
    """The same figures, under keys that stay."""
    return {
        "format": FORMAT,
        "quick": quick,
        "environment": environment,
        "targets": {target.key: _target_json(target, figure) for target, figure in _figures(results)},
        "series": [
            {
                "case": series.case,
                "contender": series.contender,
                "subject": series.subject,
                "unit": series.unit,
                **_figure_json(Figure.of(series.samples)),
                "samples": list(series.samples),
            }
            for series in results
        ],
    }


def _figure_json(figure: Figure) -> dict[str, float]:
    return {"median": figure.median, "low": figure.low, "high": figure.high}


def _target_json(target: Target, figure: Figure | None) -> dict[str, Any]:
    return {
        "title": target.title,
        "unit": target.unit.strip(),
        "must": target.must,
        "aim": target.aim,
        "figure": None if figure is None else _figure_json(figure),
        "verdict": None if figure is None else target.verdict(figure).value,
    }


# -- comparison --


def compare(results: Results, earlier: Path, console: Console) -> None:
    """This run beside an earlier one. Each figure is a ratio within its own run, so the two may be of two machines."""
    before = json.loads(earlier.read_text())["targets"]
    table = Table(title=f"against {earlier.name}", title_justify="left", title_style="bold")
    for column in ("", "before", "now", "change"):
        table.add_column(column, justify="right" if column else "left")
    for target, figure in _figures(results):
        old = before.get(target.key, {}).get("figure")
        if figure is not None and old is not None:
            table.add_row(target.title, *_change(target, Figure(**old), figure))
    console.print(table)


def _change(target: Target, before: Figure, now: Figure) -> tuple[str, str, str]:
    cells = number(before.median), number(now.median)
    if before.low <= now.high and now.low <= before.high:
        return *cells, "[dim]within the spread[/]"
    better = (now.median < before.median) == target.less_is_better
    change = now.median / before.median - 1
    return *cells, f"[{'green' if better else 'red'}]{change:+.0%} {'better' if better else 'worse'}[/]"
