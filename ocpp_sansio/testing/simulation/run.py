"""A charge point, its drivers and a central system, put together: run them from a seed, judge, and find out why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import attrs

from ocpp_sansio.central_system import CentralSystem
from ocpp_sansio.charge_point import ChargePoint
from ocpp_sansio.session import CentralSystemSession, ChargePointSession, numbered_ids
from ocpp_sansio.store import MemoryStore, Store
from ocpp_sansio.v16 import (
    AvailabilityType,
    ChangeAvailabilityRequest,
    ChargePointErrorCode,
    ResetRequest,
    ResetType,
)

from .central import IDENTITY, CentralProcess, MakeCentral, Office
from .drivers import Driver, Pauses, Visit
from .station import MakeStation, Site, StationProcess, two_connectors
from .trouble import Chaos, Dice, Plan, Point, Strike, Trouble, Troubles
from .truth import judge
from .world import AnySession, Node, World

__all__ = ["Parts", "Report", "Simulation", "shrink", "simulate", "totals"]

PATIENCE: Final = 40
"""How often it is looked, at rest, whether everything has been delivered, until that counts as lost."""


@attrs.frozen
class Parts:
    """What a simulation is made of: put something broken in its place, and it has to be found.

    Whatever one of them raises, but for a :exc:`ocpp_sansio.store.StoreError`, comes out of the simulation.
    """

    charge_point: MakeStation = ChargePoint
    """Makes the role, as :class:`ocpp_sansio.charge_point.ChargePoint` does, for each of its lives."""
    central_system: MakeCentral = CentralSystem
    """The same of :class:`ocpp_sansio.central_system.CentralSystem`. An application with handlers is none."""
    station_store: Callable[[], Store] = MemoryStore
    """Called once: a store outlives its role. One on a disk may open itself anew in ``load``, as each life begins."""
    central_store: Callable[[], Store] = MemoryStore


@attrs.frozen
class Report:
    """What became of a simulation."""

    seed: int
    findings: tuple[str, ...]
    """What is wrong: of this there must be nothing."""
    strikes: tuple[Strike, ...]
    """The trouble there was, as it can be planned for another run."""
    figures: Mapping[str, int]
    """How often what happened."""
    boundaries: Mapping[Point, int]
    """How often trouble could have struck, by point."""

    def __str__(self) -> str:
        if not self.findings:
            return f"seed {self.seed}: nothing is wrong"
        because = ["because:", *self.strikes] if self.strikes else []
        return "\n  ".join(map(str, [f"seed {self.seed}:", *self.findings, *because]))


class Simulation:
    """One charge point with two connectors and its central system, from the first boot to rest."""

    def __init__(self, seed: int, visits: Sequence[Sequence[Visit]], troubles: Troubles, parts: Parts) -> None:
        dice = Dice(seed)
        self.seed: Final = seed
        world = World(dice, troubles)
        self.world: Final = world
        self.site: Final = Site(world, two_connectors(resumes=dice.happens(0.5)), parts.charge_point)
        self.office: Final = Office(world, parts.central_system)
        self.station: Final = Node(parts.station_store(), Point.STATION_KEEPS, self._boot_station)
        self.central: Final = Node(parts.central_store(), Point.CENTRAL_KEEPS, self._boot_central)
        world.nodes = self.station, self.central
        world.on_trouble = self._trouble
        self._at_work = len(visits)
        for connector, visits_there in enumerate(visits, 1):
            driver = Driver(self.site, connector, self._live_station, self._live_central)
            self._go_on(driver.come(visits_there))
        self.central.boot()
        self.station.boot()

    # -- who is there --

    def _boot_station(self) -> StationProcess:
        process = StationProcess(self.world, self.station, self.site, self.station.records(), self._connect)
        self.world.after(0, process.begin)
        return process

    def _boot_central(self) -> CentralProcess:
        return CentralProcess(self.world, self.central, self.office, self.central.records())

    def _live_station(self) -> StationProcess | None:
        process = self.station.process
        assert process is None or isinstance(process, StationProcess)
        return process

    def _live_central(self) -> CentralProcess | None:
        process = self.central.process
        assert process is None or isinstance(process, CentralProcess)
        return process

    def _connect(self) -> bool:
        return self.world.connect(_sessions)

    # -- what goes wrong beside links, stores and processes --

    def _trouble(self, trouble: Trouble) -> None:
        dice, station, central = self.world.dice, self._live_station(), self._live_central()
        match trouble:
            case Trouble.STATION_DIES_SLOWLY if station is not None:
                for connector in self.site.sockets:
                    station.note_stop(connector)
                self.site.cut_short()
                station.do("power_failing")
                self.world.kill(self.station)
            case Trouble.CLOCK_JUMPS if central is not None:
                central.set_clock(dice.choice((0.0, 90.0, -90.0, 7200.0, -7200.0)))
            case Trouble.SOFT_RESET | Trouble.HARD_RESET if central is not None:
                kind = ResetType.SOFT if trouble is Trouble.SOFT_RESET else ResetType.HARD
                central.ask(ResetRequest(type=kind))
            case Trouble.FAULT if station is not None:
                connector = dice.choice(tuple(self.site.sockets))
                station.do("fault", connector, ChargePointErrorCode.GROUND_FAILURE)
                self.world.after(dice.between(1, 60), lambda: station.do("fault_cleared", connector))
            case Trouble.OUT_OF_SERVICE if central is not None:
                connector = dice.choice((0, *self.site.sockets))
                self._change_availability(connector, AvailabilityType.INOPERATIVE)
                self._bring_back(connector)
            case Trouble.UNWELCOME if station is not None:
                self.office.closed_until = self.world.now + dice.between(60, 300)
                self.world.kill(self.station)
            case _:
                pass  # whom it concerns is down

    def _change_availability(self, connector: int, kind: AvailabilityType) -> None:
        central = self._live_central()
        if central is not None:
            central.ask(ChangeAvailabilityRequest(connector_id=connector, type=kind))

    def _bring_back(self, connector: int) -> None:
        """Into service, and again, for the case that it was not heard."""
        for seconds in (60, 180, 600):
            self.world.after(seconds, lambda: self._change_availability(connector, AvailabilityType.OPERATIVE))

    # -- how it goes --

    def _go_on(self, script: Pauses) -> None:
        pause = next(script, None)
        if pause is None:
            self._at_work -= 1
        else:
            self.world.after(pause, lambda: self._go_on(script))

    def run(self) -> Report:
        """Let everybody come and go, then wait until nothing goes wrong any more and everything is delivered."""
        world = self.world
        while self._at_work:
            world.run(world.now + 60)
        world.is_calm = True
        patience = PATIENCE
        while (verdict := self.verdict()) and patience:
            patience -= 1
            world.run(world.now + 60)
        world.figures["charges"] = len(self.site.charges)
        world.figures["seconds"] = int(world.now)
        boundaries = {point: world.count(point) for point in Point}
        return Report(self.seed, (*world.findings, *verdict), tuple(world.struck), dict(world.figures), boundaries)

    def verdict(self) -> list[str]:
        """What is wrong at rest."""
        central = self._live_central()
        if central is None:
            return ["the central system is down"]
        ledger = central.role.ledger
        kept = self.office.open(central.now, self.central.records()).ledger
        findings = judge(self.site.charges, ledger.transactions(IDENTITY), ledger.unmatched(IDENTITY))
        if kept.transactions() != ledger.transactions():
            findings.append("what is in the ledger is not in the store")
        if any(socket.is_closed for socket in self.site.sockets.values()):
            findings.append("energy is offered to nobody")
        return findings


def _sessions(number: int) -> tuple[AnySession, AnySession]:
    return (
        ChargePointSession("1.6", message_ids=numbered_ids(f"s{number}-")),
        CentralSystemSession("1.6", message_ids=numbered_ids(f"c{number}-")),
    )


def simulate(
    seed: int,
    *,
    visits: int | Sequence[Sequence[Visit]] = 25,
    rate: float = 0.01,
    troubles: Troubles | None = None,
    parts: Parts | None = None,
) -> Report:
    """Have drivers come and go, and everything go wrong that can.

    Args:
        seed: all that is random follows from it.
        visits: how many there are at each of the two connectors; or which, in a list for each.
        rate: how likely trouble is at each message and each batch.
        troubles: trouble that was planned, instead of random one.
        parts: what to put to the test.

    Raises:
        TypeError: the seed is no integer.
        ValueError: there are fewer visits than none, more than two lists of them, or a rate that is no probability.
    """
    dice = Dice(Dice(seed).number())
    if (visits if isinstance(visits, int) else 2 - len(visits)) < 0:
        raise ValueError(f"visits are a number, or one list for each of two connectors, not {visits}")
    if isinstance(visits, int):
        visits = [[Visit.of(dice) for _ in range(visits)] for _ in range(2)]
    return Simulation(seed, visits, troubles or Chaos(dice, rate), parts or Parts()).run()


def shrink(report: Report, again: Callable[[Plan], Report]) -> Report:
    """Leave trouble out, as long as something is still wrong without it. ``again`` runs the same under a plan."""
    best, size = report, len(report.strikes)
    while size:
        start, before = 0, best
        while start < len(best.strikes):
            trial = again(Plan(best.strikes[:start] + best.strikes[start + size :]))
            if trial.findings and len(trial.strikes) < len(best.strikes):
                best = trial
            else:
                start += size
        if best is before:  # else what mattered may not matter any more
            size //= 2
    return best


def totals(reports: Sequence[Report]) -> Counter[str]:
    """The figures of many."""
    total = Counter[str]()
    for report in reports:
        total.update(report.figures)
    return total
