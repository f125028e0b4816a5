"""The speed this library has to show: every figure with what it must be and what it should be."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, unique

import attrs

from .cases.encode import PLAIN
from .cases.imports import SUBJECT as IMPORT
from .peers import FLOOR, OCPP, OURS
from .results import Figure, Results
from .servers import CONSTANT
from .workload import Frame, frames

KIB = 1024


@unique
class Verdict(Enum):
    """What a figure says about its target."""

    AIM = "aim"
    MUST = "must"
    UNCLEAR = "unclear"
    """The spread reaches to both sides of what must be, or the figure is better than it can be."""
    MISSED = "MISSED"

    @property
    def held(self) -> bool:
        """Whether what must be is."""
        return self in (Verdict.AIM, Verdict.MUST)


@attrs.frozen
class Target:
    """One figure to be shown, and its bounds."""

    key: str
    """Stable: what the figure is called in JSON."""
    title: str
    case: str
    """The case that has to be measured for it."""
    must: float
    aim: float
    find: Callable[[Results], Figure | None] = attrs.field(repr=False, eq=False)
    unit: str = "×"
    floor: float = 0.0
    """What nothing that does the work can stay below. A figure that does shows that the measurement is wrong."""

    @property
    def less_is_better(self) -> bool:
        return self.aim < self.must

    def verdict(self, figure: Figure) -> Verdict:
        if figure.median < self.floor:
            return Verdict.UNCLEAR
        best, worst = (figure.low, figure.high) if self.less_is_better else (figure.high, figure.low)
        if self._reaches(figure.median, self.aim) and self._reaches(worst, self.must):
            return Verdict.AIM
        if self._reaches(worst, self.must):
            return Verdict.MUST
        return Verdict.UNCLEAR if self._reaches(best, self.must) else Verdict.MISSED

    def _reaches(self, value: float, bound: float) -> bool:
        return value <= bound if self.less_is_better else value >= bound


def _names(wanted: Callable[[Frame], bool]) -> list[str]:
    return [frame.name for frame in frames().values() if wanted(frame)]


SMALL = _names(lambda frame: frame.is_small)
LARGE = _names(lambda frame: frame.is_large)
EVERY = [*frames()]
HEARTBEAT, METER_VALUES = ["heartbeat_request"], ["meter_values_80_request"]


def _ratio(case: str, above: str, below: str, subjects: list[str]) -> Callable[[Results], Figure | None]:
    return lambda results: results.ratio(case, above, below, subjects)


def _memory(results: Results) -> Figure | None:
    series = results.get("memory", OURS, "connection")
    return None if series is None else Figure.of([sample / KIB for sample in series.samples])


TARGETS = (
    Target(
        "decode.small",
        "decode+validate ÷ orjson.loads, frames < 400 B",
        "decode", 1.6, 1.0, _ratio("decode", OURS, FLOOR, SMALL),
    ),
    Target(
        "decode.large",
        "decode+validate ÷ orjson.loads, frames ≥ 1.5 KB",
        "decode", 1.1, 0.8, _ratio("decode", OURS, FLOOR, LARGE),
    ),
    Target(
        "decode.ocpp.small",
        "decode+validate, ocpp ÷ us, frames < 400 B",
        "decode", 40, 60, _ratio("decode", OCPP, OURS, SMALL),
    ),
    Target(
        "decode.ocpp.large",
        "decode+validate, ocpp ÷ us, frames ≥ 1.5 KB",
        "decode", 150, 250, _ratio("decode", OCPP, OURS, LARGE),
    ),
    Target(
        "encode.plain",
        "encode ÷ orjson.dumps of the dict",
        "encode", 1.8, 1.3, _ratio("encode", PLAIN, FLOOR, EVERY),
    ),
    Target(
        "encode.validated",
        "encode with validation ÷ orjson.dumps of the dict",
        "encode", 5, 2.5, _ratio("encode", OURS, FLOOR, EVERY),
    ),
    Target(
        "inbound.heartbeat",
        "inbound call in process, ocpp ÷ us: Heartbeat",
        "inbound", 25, 45, _ratio("inbound", OCPP, OURS, HEARTBEAT),
    ),
    Target(
        "inbound.meter_values",
        "inbound call in process, ocpp ÷ us: 8 KB MeterValues",
        "inbound", 80, 180, _ratio("inbound", OCPP, OURS, METER_VALUES),
    ),
    Target(
        "server.floor",
        "server CPU per Heartbeat, 50 stations ÷ constant answer",
        "server", 3.2, 1.6, _ratio("server", OURS, CONSTANT, HEARTBEAT), floor=1.0,
    ),
    Target(
        "server.ocpp.heartbeat",
        "calls/s of a processor, 50 stations, us ÷ ocpp: Heartbeat",
        "server", 7, 15, _ratio("server", OCPP, OURS, HEARTBEAT),
    ),
    Target(
        "server.ocpp.meter_values",
        "calls/s of a processor, 50 stations, us ÷ ocpp: 8 KB MeterValues",
        "server", 70, 120, _ratio("server", OCPP, OURS, METER_VALUES),
    ),
    Target(
        "memory.idle",
        "memory per idle connection at 2,000",
        "memory", 10, 4, _memory, unit=" KiB",
    ),
    Target(
        "diagnosis",
        "invalid 8 KB frame → CALLERROR ÷ orjson.loads",
        "diagnosis", 15, 8, _ratio("diagnosis", OURS, FLOOR, METER_VALUES),
    ),
    Target(
        "import",
        "import ocpp_sansio + v16 ÷ import attrs, cattrs",
        "imports", 2, 1.3, _ratio("imports", OURS, "attrs, cattrs", [IMPORT]),
    ),
)  # fmt: skip
