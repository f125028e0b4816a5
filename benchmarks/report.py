"""What a run has shown, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs
from rich.console import Console
from rich.table import Table

from .cases import growth, layers, simulation, validate
from .peers import FLOOR, OURS
from .record import Record
from .results import Figure, Results
from .servers import CONSTANT
from .targets import TARGETS, Target, Verdict

MARKS = {
    Verdict.AIM: "[green]✓✓ aim[/]",
    Verdict.MUST: "[green]✓ must[/]",
    Verdict.UNCLEAR: "[yellow]? unclear[/]",
    Verdict.MISSED: "[red]✗ missed[/]",
    None: "[dim]not measured[/]",
}

FLOORS: Mapping[str, str | None] = {
    "decode": FLOOR,
    "encode": FLOOR,
    "diagnosis": FLOOR,
    "inbound": FLOOR,
    "layers": layers.JSON,
    "construct": OURS,
    "size": OURS,
    "imports": "attrs, cattrs",
    "server": CONSTANT,
    "adapters": CONSTANT,
    "connect": CONSTANT,
    "memory": CONSTANT,
    growth.DECODE: FLOOR,
    growth.SERVER: CONSTANT,
    growth.MEMORY: None,
    "simulation": simulation.MACHINES,
    "validate": validate.FLOOR,
    "instructions": None,
}
"""What each case's figures are a ratio to. Where nobody is a floor, we are. ``None``: no ratio, for there is one sample
of each, and of what has no spread nobody can tell whether it differs."""


# -- figures in words --


def number(value: float) -> str:
    """With as many digits as mean something."""
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def amount(value: float, unit: str) -> str:
    """Of time or memory."""
    for factor, name in LARGER_UNITS.get(unit, ()):
        if value >= factor:
            return f"{number(value / factor)} {name}"
    return f"{number(value)} {unit}".strip()


LARGER_UNITS = {"ns": ((1e6, "ms"), (1e3, "µs")), "B": ((1024, "KiB"),)}


def ratio(figure: Figure) -> str:
    """A ratio with its spread; one that differs from 1 by less than its spread is not told."""
    half = figure.spread / 2
    if not figure.is_significant:
        return f"≈ 1 ±{_rough(half)}"
    return f"{number(figure.median)} ±{_rough(half)}" if half >= 0.005 else number(figure.median)


def _rough(value: float) -> str:
    return f"{value:.1g}" if value < 9.5 else f"{value:.0f}"


def microseconds(figure: Figure) -> str:
    """A difference of times with its spread; one within its spread is not told."""
    half = figure.spread / 2000
    if abs(figure.median) <= figure.spread:
        return f"≈ 0 ±{half:.1f} µs"
    return f"{figure.median / 1000:.1f} ±{half:.1f} µs"


def bound(target: Target, value: float) -> str:
    """What a figure must be, or should be."""
    return f"{'≤' if target.less_is_better else '≥'} {number(value)}"


def shown(target: Target, figure: Figure | None) -> str:
    """A target's figure."""
    if figure is None:
        return ""
    return ratio(figure) if target.unit == "×" else f"{number(figure.median)}{target.unit}"


# -- what tables are made of, here and in Markdown --


@attrs.frozen
class Cells:
    """A table: the titles of its columns, and its rows, each with a title of its own."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def case_cells(results: Results, case: str) -> Cells:
    """What each contender takes, as a ratio to the floor."""
    floor = FLOORS[case]
    if floor is None:
        return _cells(results, case, case, absolute=results.contenders(case))
    contenders = [name for name in results.contenders(case) if name != floor]
    return _cells(results, case, f"{case}: × {floor}", absolute=[floor], relative=contenders)


def _cells(results: Results, case: str, title: str, *, absolute: Sequence[str], relative: Sequence[str] = ()) -> Cells:
    def row(subject: str) -> Iterator[str]:
        yield subject.replace("_", " ")
        for name in absolute:
            series = results.get(case, name, subject)
            yield "" if series is None else amount(Figure.of(series.samples).median, series.unit)
        for name in relative:
            figure = results.ratio(case, name, absolute[0], [subject])
            yield "" if figure is None else ratio(figure)

    return Cells(title, ["", *absolute, *relative], [[*row(each)] for each in results.subjects(case)])


SERVER = "server"

LAYERS = (
    ("the OCPP frame, read and written", ("layers", layers.FRAME), None),
    ("both payloads: JSON, types, validation", ("layers", layers.CODEC), ("layers", layers.FRAME)),
    ("the session: state machine, events", ("layers", layers.SESSION), ("layers", layers.CODEC)),
    ("the connection: WebSocket, limits, deadlines", ("layers", layers.CONNECTION), ("layers", layers.SESSION)),
    ("the asyncio adapter, dispatch to the handler", ("layers", layers.ADAPTER), ("layers", layers.CONNECTION)),
    ("all of it in one process", ("layers", layers.ADAPTER), None),
    ("event loop and kernel: a server with a constant answer", (SERVER, CONSTANT), None),
    ("a server, 50 stations", (SERVER, OURS), None),
    ("for comparison: orjson, untyped, both ways", ("layers", layers.JSON), None),
    ("for comparison: websockets, without JSON", ("layers", layers.WEBSOCKETS), None),
)
"""Of each row its title, and whose time it shows, or how much more of it than somebody else's."""


def layer_cells(results: Results) -> Cells:
    """Where the microseconds of one inbound call go."""

    def cell(upper: tuple[str, str], lower: tuple[str, str] | None, subject: str) -> str:
        figure = results.figure(*upper, subject) if lower is None else results.difference(upper, lower, subject)
        return "" if figure is None else microseconds(figure)

    subjects = layers.SUBJECTS
    rows = [[title, *(cell(upper, lower, each) for each in subjects)] for title, upper, lower in LAYERS]
    return Cells(
        "one inbound call: where its time goes",
        ["", *(each.replace("_", " ") for each in subjects)],
        [row for row in rows if any(row[1:])],
    )


def figures(results: Results) -> Iterator[tuple[Target, Figure | None]]:
    return ((target, target.find(results)) for target in TARGETS)


# -- tables --


def show(record: Record, console: Console) -> None:
    """Everything, the most important last: that is where one looks in a terminal."""
    results, environment = record.results, record.environment
    for case in results.cases():
        if case in FLOORS:
            console.print(_table(case_cells(results, case)))
    if "layers" in results.cases():
        console.print(_table(layer_cells(results)))
    console.print(_target_table(record))
    for remark in results.remarks:
        console.print(remark, style="yellow")
    packages = ", ".join(f"{name} {version}" for name, version in environment["packages"].items())
    console.print(f"{environment['python']}, {environment['compiler']}, {environment['build']}")
    console.print(f"{environment['system']}, {environment['processors']} processors; {packages}", highlight=False)
    console.print(
        "Every sample is CPU time; contenders take turns; ± is half the width of the middle half of the ratios.",
        style="dim",
    )


def _table(cells: Cells) -> Table:
    table = _empty(cells.title, cells.head)
    for row in cells.rows:
        table.add_row(*row)
    return table


def _empty(title: str, head: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in head:
        table.add_column(column, justify="right" if column else "left")
    return table


def _target_table(record: Record) -> Table:
    several = len(record.runs) > 1
    table = _empty("The speed", ["", "figure", "must", "aim", *["held"] * several])
    table.add_column("")
    for target, figure in figures(record.results):
        verdict = None if figure is None else target.verdict(figure)
        held = [f"{record.held(target)} of {len(record.runs)}"] * several
        bounds = bound(target, target.must), bound(target, target.aim)
        table.add_row(target.title, shown(target, figure), *bounds, *held, MARKS[verdict])
    return table


# -- comparison --


def compare(results: Results, earlier: Record, name: str, console: Console) -> None:
    """This run beside an earlier one. Each figure is a ratio within its own run, so the two may be of two machines."""
    before = earlier.results
    table = _empty(f"against {name}", ["", "before", "now", "change"])
    for target, figure in figures(results):
        old = target.find(before)
        if figure is not None and old is not None:
            table.add_row(target.title, *_change(target, old, figure))
    console.print(table)


def _change(target: Target, before: Figure, now: Figure) -> tuple[str, str, str]:
    cells = number(before.median), number(now.median)
    if before.low <= now.high and now.low <= before.high:
        return *cells, "[dim]within the spread[/]"
    better = (now.median < before.median) == target.less_is_better
    change = now.median / before.median - 1
    return *cells, f"[{'green' if better else 'red'}]{change:+.0%} {'better' if better else 'worse'}[/]"
