"""Thousands of charging sessions with cut links, deaths, failing stores and wrong clocks, and every single cut of one.

What holds: at rest the ledger of the central system is what really happened, and nothing else (D-01…D-20). The last
part puts the simulation itself to the test: what is broken on purpose has to be found.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import attrs
import pytest

from ocpp_sansio.central_system import CentralSystem, Stop, Transaction, UnmatchedStop
from ocpp_sansio.charge_point import ChargePoint
from ocpp_sansio.charge_point.clock import Clock
from ocpp_sansio.charge_point.effects import StartEnergy, TransactionBegan
from ocpp_sansio.store import Change, MemoryStore, Put, Store, StoreError
from ocpp_sansio.testing.simulation import (
    Beginning,
    Chaos,
    Dice,
    Ending,
    Parts,
    Plan,
    Point,
    Report,
    Strike,
    Trouble,
    Troubles,
    Visit,
    possible,
    shrink,
    simulate,
    totals,
)
from ocpp_sansio.testing.simulation.run import Simulation
from ocpp_sansio.testing.simulation.truth import EPOCH, Boot, Charge, Instant, judge
from ocpp_sansio.testing.simulation.world import World
from ocpp_sansio.v16 import AuthorizationStatus, IdTagInfo


def sound(reports: Sequence[Report]) -> dict[str, int]:
    """Require that nothing is wrong, and tell what there was."""
    wrong = [report for report in reports if report.findings]
    assert not wrong, "\n".join(map(str, wrong[:3]))
    return totals(reports)


# -- thousands of sessions --


@pytest.mark.no_cover
def test_whatever_goes_wrong_each_transaction_is_in_the_ledger_once():
    """D-01, D-04, D-05, D-09, D-10, D-11, D-13, D-15, D-16, D-19, D-20, D-22; CP16-070, CP16-071, CP16-076."""
    figures = sound([simulate(seed, visits=10) for seed in range(5)])
    assert figures["charges"] > 80


@pytest.mark.once
@pytest.mark.parametrize(
    ("first", "rate"),
    [
        *(pytest.param(*each, marks=pytest.mark.no_cover) for each in [(100, 0.004), (200, 0.01), (300, 0.02)]),
        (400, 0.05),  # goes everywhere that they do
    ],
)
def test_thousands_of_transactions_are_in_the_ledger_once(first: int, rate: float):
    figures = sound([simulate(seed, visits=25, rate=rate) for seed in range(first, first + 12)])
    assert figures["charges"] > 500
    assert all(figures[trouble.name] for trouble in Trouble), "some kind of trouble never struck"


@pytest.mark.once
@pytest.mark.long
def test_a_hundred_thousand_transactions_are_in_the_ledger_once(capsys: pytest.CaptureFixture[str]):
    """The long run: ``pytest -m long -s tests/test_simulation.py``."""
    wanted = int(os.environ.get("SIMULATED_SESSIONS", "100000"))
    begun, seed, reports = time.monotonic(), 1_000_000, list[Report]()
    while sum(report.figures["charges"] for report in reports) < wanted:
        reports.append(simulate(seed, visits=50, rate=(0.002, 0.01, 0.03)[seed % 3]))
        seed += 1
    took = time.monotonic() - begun
    figures = totals(reports)
    with capsys.disabled():
        print(f"\n{figures['charges'] / took:.0f} transactions per second;", dict(figures))
    sound(reports)


# -- every single cut of one session --

REFERENCE = [[Visit("alice", 10.0, Beginning.CABLE_FIRST, 130.0, Ending.CARD)], []]
BOUNDARIES = simulate(0, visits=REFERENCE, troubles=Plan()).boundaries


def test_a_session_without_trouble_has_none():
    report = simulate(0, visits=REFERENCE, troubles=Plan())
    assert not report.findings
    assert not report.strikes
    assert report.figures["charges"] == report.figures["links"] == 1


@pytest.mark.no_cover
@pytest.mark.once
@pytest.mark.parametrize("point", Point)
def test_a_session_survives_any_trouble_at_any_of_its_steps(point: Point):
    reports = [
        simulate(0, visits=REFERENCE, troubles=Plan([Strike(point, number, trouble)]))
        for number in range(1, BOUNDARIES[point] + 1)
        for trouble in possible(point)
    ]
    figures = sound(reports)
    assert BOUNDARIES[point] >= 5  # boot, start, two samples, stop
    assert sum(figures[trouble.name] for trouble in possible(point)) == len(reports)
    # A session that never began is one whose driver has given up; one that was torn apart may be two.
    assert figures["charges"] >= 0.95 * len(reports)


def test_a_seed_tells_the_same_story_each_time_and_so_does_the_plan_of_what_struck():
    report = simulate(7, visits=3, rate=0.02)
    assert report.strikes
    assert simulate(7, visits=3, rate=0.02) == report
    assert simulate(7, visits=3, troubles=Plan(report.strikes)) == report


# -- what is found --


def test_of_all_trouble_only_what_matters_is_left():
    """A seed that fails is worth most with the least trouble in it."""
    parts = Parts(central_system=without_idempotency)
    report = condemned(parts, "in the ledger", rate=0.03)
    least = shrink(report, lambda plan: simulate(report.seed, visits=5, troubles=plan, parts=parts))
    assert least.findings
    assert 0 < len(least.strikes) < len(report.strikes)
    for left_out in least.strikes:
        fewer = Plan([strike for strike in least.strikes if strike != left_out])
        again = simulate(report.seed, visits=5, troubles=fewer, parts=parts)
        assert not again.findings or len(again.strikes) >= len(least.strikes)
    assert str(least.strikes[0]) in str(least)
    assert f"seed {report.seed}" in str(least)


def test_dice_fall_the_same_everywhere():
    """The sequence is that of splitmix64 for the seed 0."""
    dice = Dice(0)
    assert [dice.number() for _ in range(3)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert all(1 <= Dice(seed).between(1, 2) <= 2 for seed in range(100))
    assert {Dice(seed).choice("abc") for seed in range(100)} == set("abc")
    assert 20 < sum(Dice(seed).happens(0.3) for seed in range(100)) < 40
    assert Chaos(Dice(0), 0).at(Point.STATION_SENDS, 1) is None


RIGHT = Boot(wrong_by=0.0)


def a_charge(**otherwise: Any) -> Charge:
    begun = Instant(RIGHT, 10.0)
    facts = {"samples": 2, "last": 300, "stops": [Instant(RIGHT, 70.0)], "is_over": True} | otherwise
    return Charge(1, "alice", 100, begun, [(100, begun), (200, Instant(RIGHT, 40.0))], **facts)


def an_entry(stopped: float | None = 70.0, meter_stop: int = 300, **otherwise: Any) -> Transaction:
    at = EPOCH + timedelta(seconds=10)
    stop = None
    if stopped is not None:
        when = EPOCH + timedelta(seconds=stopped)
        stop = Stop(meter_stop=meter_stop, timestamp=when, reason="Local", id_tag=None, recorded_at=when)
    facts = {"connector_id": 1, "id_tag": "alice", "meter_start": 100, "timestamp": at, "meter_values": 2} | otherwise
    return Transaction(
        transaction_id=1,
        identity="CP1",
        id_tag_info=IdTagInfo(status=AuthorizationStatus.ACCEPTED),
        reservation_id=None,
        recorded_at=at,
        stop=stop,
        **facts,
    )


def test_a_ledger_that_shows_what_happened_is_not_found_fault_with():
    assert judge([a_charge()], [an_entry()], []) == []
    assert judge([a_charge(is_cut_short=True)], [an_entry(stopped=40, meter_stop=200, meter_values=1)], []) == []


@pytest.mark.parametrize(
    ("charge", "entry", "about"),
    [
        ({}, {"connector_id": 2}, "is in the ledger as"),
        ({}, {"id_tag": "bob"}, "is in the ledger as"),
        ({}, {"meter_start": 101}, "is in the ledger as"),
        ({}, {"timestamp": EPOCH}, "it began at"),
        ({"is_over": False}, {}, "it is not over yet"),
        ({}, {"stopped": None}, "its end is missing"),
        ({}, {"meter_stop": 299}, "the meter showed 300"),
        ({}, {"stopped": 71}, "it ended at"),
        ({}, {"meter_values": 1}, "of 2 samples 1 have come"),
        ({"is_cut_short": True}, {"meter_stop": 299}, "the meter never showed 299"),
        ({"is_cut_short": True}, {"stopped": 71}, "nothing was heard of it at"),
        ({"is_cut_short": True}, {"meter_values": 3}, "of 2 samples 3 have come"),
    ],
)
def test_a_ledger_that_shows_anything_else_is_found_fault_with(
    charge: dict[str, Any], entry: dict[str, Any], about: str
):
    assert any(about in finding for finding in judge([a_charge(**charge)], [an_entry(**entry)], []))


def test_what_is_down_cannot_be_judged():
    simulation = Simulation(0, REFERENCE, Plan(), Parts())
    simulation.world.kill(simulation.central)
    assert simulation.verdict() == ["the central system is down"]
    assert not simulation.run().findings


def test_a_second_transaction_on_a_connector_is_found():
    """CP16-069."""
    simulation = Simulation(0, [[], []], Plan(), Parts())
    site, begins = simulation.site, TransactionBegan(1, "alice", 100, EPOCH)
    site.visitors[1].append("alice")
    for number in (1, 2):
        site.latest[1] = a_charge(is_over=False)
        site.begin(begins)
        assert len(simulation.world.findings) == number - 1
    assert "is over" in simulation.world.findings[0]


def test_what_is_missing_or_too_much_is_found():
    stop = an_entry().stop
    assert stop is not None
    stray = UnmatchedStop(identity="CP1", transaction_id=-1, stop=stop)
    assert any("0 in the ledger" in finding for finding in judge([a_charge()], [], []))
    assert any("2 in the ledger" in finding for finding in judge([a_charge()], [an_entry(), an_entry()], []))
    assert any("belongs to nothing" in finding for finding in judge([a_charge()], [an_entry()], [stray]))


def test_a_time_is_told_by_the_clock_there_was_or_as_that_was_put_right():
    """D-19."""

    def told(boot: Boot) -> list[float]:
        return [(as_of - EPOCH).total_seconds() for as_of in Instant(boot, 10.0).told_as()]

    assert told(Boot(wrong_by=-5.0)) == [5.0]
    assert told(Boot(wrong_by=-5.0, told=[(20.0, 1.0), (30.0, 2.0)])) == [11.0]
    assert told(Boot(wrong_by=-5.0, told=[(20.0, 1.0)], is_over=True)) == [11.0, 5.0]
    assert told(Boot(wrong_by=-5.0, told=[(5.0, 1.0), (10.0, 2.0)])) == [11.0, 12.0]
    assert set(told(Boot(wrong_by=-5.0, told=[(10.0, 2.0)]))) == {12.0}
    assert told(Boot(wrong_by=-5.0, told=[(5.0, 1.0), (9.0, 2.0), (20.0, 3.0)], is_over=True)) == [12.0]


# -- what is broken has to be found --


def condemned(parts: Parts, about: str, troubles: int = 12, rate: float = 0.02) -> Report:
    """Require that something is found in a few seeds, and return the first report that has it."""
    reports = (simulate(seed, visits=5, rate=rate, parts=parts) for seed in range(troubles))
    found = next((report for report in reports if any(about in finding for finding in report.findings)), None)
    assert found is not None, f"nobody has found that {about}"
    return found


@pytest.fixture(autouse=True)
def _there_is_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would go on for ever fails."""
    run = World.run

    def no_longer_than_days(world: World, until: float) -> None:
        assert until < 500_000, "does not end"
        run(world, until)

    monkeypatch.setattr(World, "run", no_longer_than_days)


class ForgetfulStore(MemoryStore):
    """Acknowledges every batch, and keeps all but one in so many."""

    def __init__(self, every: int = 20) -> None:
        super().__init__()
        self.every, self.commits = every, 0

    def commit(self, changes: Sequence[Change]) -> None:
        self.commits += 1
        if self.commits % self.every:
            super().commit(changes)


class EmptyStore(MemoryStore):
    """Has nothing of what it has been given."""

    def load(self) -> list[Put]:
        return []


class FullStore(MemoryStore):
    """Fails at each second batch (D-09)."""

    commits = 0

    def commit(self, changes: Sequence[Change]) -> None:
        self.commits += 1
        if self.commits % 2:
            raise StoreError("no room")
        super().commit(changes)


def without_idempotency(**how: Any) -> CentralSystem:
    """Does not recognise a start that it has in its ledger (CS16-045)."""

    class Amnesia(dict[Any, Any]):
        def get(self, key: Any, default: Any = None) -> Any:
            return default

    system = CentralSystem(**how)
    system.ledger._account("CP1").starts = Amnesia()
    return system


def hasty(**how: Any) -> CentralSystem:
    """Answers before what it answers is durable (D-16)."""
    system = CentralSystem(**how)
    machine = system._machine
    machine.then = machine._free.append  # type: ignore[method-assign]
    keep = machine.persist
    late: list[Change] = []

    def persist(*changes: Change) -> None:
        """Each batch goes out with the next one."""
        keep(*late)
        late[:] = changes

    machine.persist = persist  # type: ignore[method-assign]
    return system


def eager(setup: Any, **how: Any) -> ChargePoint:
    """Offers energy before the transaction is on record (D-01)."""
    point = ChargePoint(setup, **how)
    machine, emit = point._machine, point._machine.emit
    machine.emit = lambda effect: machine.urge(effect) if isinstance(effect, StartEnergy) else emit(effect)  # type: ignore[method-assign]
    return point


def rash(setup: Any, **how: Any) -> ChargePoint:
    """Does not ask the meter, and knows better what it shows."""
    point = ChargePoint(setup, **how)
    emit = point._machine.emit

    def invent(effect: Any) -> None:
        if isinstance(effect, TransactionBegan):
            effect = TransactionBegan(effect.connector, effect.id_tag, effect.meter_start + 1, effect.timestamp)
        emit(effect)

    point._machine.emit = invent  # type: ignore[method-assign]
    return point


def stubborn(setup: Any, **how: Any) -> ChargePoint:
    """Never stops offering energy."""
    point = ChargePoint(setup, **how)
    point._machine.urge = lambda _: None  # type: ignore[method-assign]
    return point


def impatient(setup: Any, **how: Any) -> ChargePoint:
    """Gives a message up after one attempt (CP16-079): as it should, but not where all is to be delivered."""
    point = ChargePoint(setup, **how)
    configure = point.configure

    def misread(key_name: str, value: str, *, now: float) -> None:
        configure(key_name, "1" if key_name == "TransactionMessageAttempts" else value, now=now)

    point.configure = misread  # type: ignore[method-assign]
    return point


@pytest.mark.parametrize(
    ("parts", "about"),
    [
        (Parts(station_store=partial(ForgetfulStore, 7)), "what never began has ended"),
        (Parts(central_store=EmptyStore), "what is in the ledger is not in the store"),
        (Parts(central_store=ForgetfulStore), "what is in the ledger is not in the store"),
        (Parts(central_system=without_idempotency), "in the ledger"),
        (Parts(central_system=hasty), "in the ledger"),
        (Parts(charge_point=eager), "nothing is on record"),
        (Parts(charge_point=rash), "begins as"),
        (Parts(charge_point=stubborn), "energy is offered to nobody"),
        (Parts(charge_point=stubborn), "energy is still offered"),
        (Parts(charge_point=impatient), "something was given up"),
    ],
    ids=[
        "station forgets",
        "central has nothing",
        "central forgets",
        "no idempotency",
        "answers too soon",
        "charges too soon",
        "lies",
        "does not stop",
        "does not stop in time",
        "gives up",
    ],
)
def test_what_is_broken_is_found(parts: Parts, about: str):
    condemned(parts, about)


@pytest.mark.parametrize("store", [EmptyStore, partial(ForgetfulStore, 1)], ids=["empty", "forgets all"])
def test_what_a_store_has_lost_does_not_keep_the_simulation_from_its_end(store: Callable[[], Store]):
    """Each seed ends, and says what it has waited for."""
    reports = [simulate(seed, visits=3, rate=0.02, parts=Parts(station_store=store)) for seed in range(8)]
    endless = [f for report in reports for f in report.findings if f.startswith("does not come to rest")]
    charge = r"the charge of \w+ at connector [12], [\d.]+ s, \d+ Wh"
    assert len(endless) > 3
    assert all(re.search(f" to end {charge}$", finding) for finding in endless)
    assert sum(bool(report.findings) for report in reports) > 4


class NoRoom(Troubles):
    """From when the charge is on record, the store of the charge point fails whenever it may."""

    def at(self, point: Point, number: int, /) -> Trouble | None:
        return Trouble.FAILS if point is Point.STATION_KEEPS and number > 9 else None


def test_trouble_that_does_not_end_ends_after_a_while():
    """It is not the fault of the parts."""
    report = simulate(0, visits=REFERENCE, troubles=NoRoom())
    assert not report.findings
    assert report.figures["charges"] == 1
    assert report.figures["seconds"] > 1000
    assert simulate(0, visits=REFERENCE, troubles=Plan(report.strikes)) == report
    assert not simulate(0, visits=2, rate=1).findings


def test_a_store_that_fails_is_asked_again():
    """D-09. Late or at once, the role is told, and nothing is lost."""
    parts = Parts(station_store=FullStore, central_store=FullStore)
    figures = sound([simulate(seed, visits=3, rate=0.02, parts=parts) for seed in range(4)])
    assert figures["failed batches"] > figures["charges"] > 10


def test_a_store_that_raises_something_else_is_not_hidden():
    class Broken(MemoryStore):
        def commit(self, _changes: Sequence[Change]) -> None:
            raise TypeError("mistaken")

    with pytest.raises(TypeError, match="mistaken"):
        simulate(0, visits=1, parts=Parts(station_store=Broken))


def test_a_report_says_what_there_is_to_say():
    report = simulate(3, visits=0)
    assert str(report) == "seed 3: nothing is wrong"
    report = attrs.evolve(report, findings=("it is wrong",))
    assert str(report) == "seed 3:\n  it is wrong"
    report = attrs.evolve(report, strikes=(Strike(Point.STATION_KEEPS, 2, Trouble.FAILS),))
    assert str(report).endswith("wrong\n  because:\n  the store fails, where the charge point keeps a batch for time 2")


@pytest.mark.parametrize("how", [{"visits": -3}, {"visits": [[], [], []]}, {"rate": 2}, {"rate": -1}], ids=repr)
def test_what_cannot_be_simulated_is_refused(how: dict[str, Any]):
    with pytest.raises(ValueError, match=r"visits are a number|rate is a probability"):
        simulate(1, **how)


@pytest.mark.parametrize(
    ("point", "trouble"), [(Point.STATION_KEEPS, Trouble.CUT), (Point.STATION_SENDS, Trouble.LATE)]
)
def test_trouble_that_cannot_be_there_is_not_planned(point: Point, trouble: Trouble):
    with pytest.raises(ValueError, match=trouble.name):
        Strike(point, 1, trouble)


@pytest.mark.parametrize("seed", ["7", 1.5, None])
def test_a_seed_is_a_number(seed: Any):
    with pytest.raises(TypeError, match="a seed is an integer, not"):
        simulate(seed, visits=1)


def test_a_clock_that_is_not_put_right_is_found(monkeypatch: pytest.MonkeyPatch):
    """D-19."""
    monkeypatch.setattr(Clock, "corrected", lambda _, moment: moment)
    condemned(Parts(), "it began at")
