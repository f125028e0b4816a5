"""The figures as SVG, made of nothing but text: what everybody costs, and how cost grows.

A drawing has a paper of its own, light or dark as its reader's screen is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

import attrs

from .cases import growth
from .cases.encode import PLAIN
from .peers import FLOOR, OCPP, OURS
from .results import Figure, Results
from .servers import CONSTANT

WIDTH, HEIGHT = 560, 330
"""Of a panel."""
LEFT, RIGHT, TOP, BOTTOM = 190, 20, 62, 40
"""Margins around a panel's axes."""

COLOURS = {
    OURS: "#12805c",
    FLOOR: "#7f8c8d",
    CONSTANT: "#7f8c8d",
    OCPP: "#4c78a8",
    PLAIN: "#7ac5a8",
    "jsonschema-rs": "#e07b39",
    "cattrs": "#8a63a6",
    "pydantic": "#b5485d",
}
OTHER = "#c2a23a"

STYLE = """<style>
.paper { fill: #ffffff } text { fill: #222222 } .note { fill: #777777 }
line { stroke: #dddddd } .one { stroke: #999999 }
@media (prefers-color-scheme: dark) {
.paper { fill: #161b22 } text { fill: #e6e6e6 } .note { fill: #999999 }
line { stroke: #343b45 } .one { stroke: #8b949e }
}
</style>"""

Points = Mapping[str, Sequence[tuple[float, float]]]
Draw = Callable[[Results], str | None]
"""Draws a panel, if there is anything to draw."""


@attrs.frozen
class Axis:
    """A logarithmic axis, from values to pixels."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float) -> Axis:
        low, high = min(values) / 1.3, max(values) * 1.3
        return cls(math.log10(low), math.log10(high), start, end)

    def __call__(self, value: float) -> float:
        return self.start + (math.log10(value) - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> Iterator[float]:
        """1, 10, 100…, and what is between them where that leaves too few."""
        steps = (1,) if self.high - self.low > 2 else (1, 2, 5)
        for power in range(math.floor(self.low), math.ceil(self.high) + 1):
            for step in steps:
                if self.low <= math.log10(step * 10**power) <= self.high:
                    yield step * 10.0**power


def _text(x: float, y: float, text: str, **attributes: str) -> str:
    style = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}"{style}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, name: str = "") -> str:
    kind = f' class="{name}"' if name else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"{kind}/>'


def _dot(x: float, y: float, colour: str, radius: float = 4) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}"/>'


def _legend(names: Sequence[str]) -> Iterator[str]:
    x = 14.0
    for name in names:
        yield _dot(x, 44, COLOURS.get(name, OTHER))
        yield _text(x + 8, 48, name)
        x += 26 + 6.2 * len(name)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _rows(title: str, subjects: Sequence[str], values: Mapping[str, Sequence[float | None]]) -> str:
    """A row per subject, a dot per contender, cost from left to right."""
    found = [value for row in values.values() for value in row if value is not None]
    x = Axis.over([*found, 1.0], LEFT, WIDTH - RIGHT)
    step = (HEIGHT - TOP - BOTTOM) / len(subjects)
    parts = [_text(14, 24, title, font_weight="bold"), *_legend(list(values))]
    for tick in x.ticks():
        parts.append(_line(x(tick), TOP, x(tick), HEIGHT - BOTTOM, "one" if tick == 1 else ""))
        parts.append(_text(x(tick), HEIGHT - BOTTOM + 16, f"{_number(tick)}×", text_anchor="middle"))
    for index, subject in enumerate(subjects):
        y = TOP + (index + 0.5) * step
        parts.append(_text(LEFT - 12, y + 4, subject.replace("_", " "), text_anchor="end"))
        for name, row in values.items():
            if (value := row[index]) is not None:
                parts.append(_dot(x(value), y, COLOURS.get(name, OTHER)))
    return "".join(parts)


def _lines(title: str, below: str, unit: str, points: Points) -> str:
    """A line per contender over two logarithmic axes."""
    every = [point for line in points.values() for point in line]
    x = Axis.over([point[0] for point in every], 70, WIDTH - RIGHT)
    y = Axis.over([point[1] for point in every], HEIGHT - BOTTOM, TOP)
    parts = [_text(14, 24, title, font_weight="bold"), *_legend(list(points))]
    for tick in x.ticks():
        parts.append(_line(x(tick), TOP, x(tick), HEIGHT - BOTTOM))
        parts.append(_text(x(tick), HEIGHT - BOTTOM + 16, _number(tick), text_anchor="middle"))
    for tick in y.ticks():
        parts.append(_line(70, y(tick), WIDTH - RIGHT, y(tick)))
        parts.append(_text(64, y(tick) + 4, f"{_number(tick)}{unit}", text_anchor="end"))
    parts.append(_text((70 + WIDTH - RIGHT) / 2, HEIGHT - 6, below, text_anchor="middle"))
    for name, line in points.items():
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in line)
        colour, width = COLOURS.get(name, OTHER), 3 if name == OURS else 1.5
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
        parts += [_dot(x(a), y(b), colour, 3) for a, b in line]
    return "".join(parts)


# -- panels --


def _costs(case: str, floor: str, title: str) -> Draw:
    """What each contender costs on each subject, by what the floor costs."""

    def draw_costs(results: Results) -> str | None:
        names = [name for name in results.contenders(case) if name != floor]
        if OURS not in names:
            return None
        subjects = results.subjects(case)

        def cost(name: str, subject: str) -> float | None:
            figure = results.ratio(case, name, floor, [subject])
            return None if figure is None else figure.median

        return _rows(title, subjects, {name: [cost(name, subject) for subject in subjects] for name in names})

    return draw_costs


def _growth(case: str, title: str, below: str, unit: str, value: Callable[[float], float]) -> Draw:
    """What becomes of each contender as a number grows that is the subjects' name."""

    def draw_growth(results: Results) -> str | None:
        names = results.contenders(case)
        points: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
        for series in results:
            if series.case == case:
                points[series.contender].append((float(series.subject), value(Figure.of(series.samples).median)))
        return _lines(title, below, unit, points) if OURS in names else None

    return draw_growth


PANELS: Mapping[str, Draw] = {
    "decode": _costs("decode", FLOOR, "Decode and validate ÷ orjson.loads of the same bytes"),
    "encode": _costs("encode", FLOOR, "Validate and encode ÷ orjson.dumps of the same dict"),
    "growth-decode": _growth(
        growth.DECODE, "Decode and validate a MeterValues request", "sampled values", " µs", lambda ns: ns / 1000
    ),
    "growth-server": _growth(
        growth.SERVER, "Heartbeats a second that one processor serves", "stations", "/s", lambda ns: 1e9 / ns
    ),
    "growth-memory": _growth(
        growth.MEMORY, "Server memory per idle connection", "connections", " KiB", lambda size: size / 1024
    ),
}
"""By the name of the file in docs/."""


def draw(results: Results, environment: dict[str, Any]) -> str:
    """All panels that there are figures for, two in a row."""
    return _paper([drawn for panel in PANELS.values() if (drawn := panel(results)) is not None], environment)


def drawings(results: Results, environment: dict[str, Any]) -> dict[str, str]:
    """Each of them on a paper of its own, by name."""
    return {
        name: _paper([drawn], environment) for name, panel in PANELS.items() if (drawn := panel(results)) is not None
    }


def _paper(panels: Sequence[str], environment: dict[str, Any]) -> str:
    columns = min(2, max(1, len(panels)))
    width, height = columns * WIDTH, math.ceil(len(panels) / columns) * HEIGHT + 26
    placed = [
        f'<g transform="translate({index % columns * WIDTH} {index // columns * HEIGHT})">{panel}</g>'
        for index, panel in enumerate(panels)
    ]
    note = f"{environment['python']}, {environment['build']}; {environment['system']}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'font-family="system-ui, sans-serif" font-size="12">{STYLE}'
        f'<rect class="paper" width="{width}" height="{height}"/>'
        f"{''.join(placed)}{_text(14, height - 10, note, **{'class': 'note'})}</svg>\n"
    )
