"""Stations that start, measure, stop, retry, go and lie, a central system that dies: what always holds of the ledger.

* Each transaction that a station really had is in the ledger once, with what it really was; nothing else is.
* Each meter value that a station really took is counted once, each end is told once in the life of a process.
* A station changes nothing of another's, whatever ids it sends.
* Whatever is sent is answered as soon as the store works, and never before; a retry gets the same answer.
* Whatever was answered outlives the process.
"""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ocpp_sansio import v16
from ocpp_sansio.central_system import (
    Anomaly,
    LedgerAnomaly,
    TransactionStarted,
    TransactionStopped,
    TransactionUpdated,
    UnmatchedStop,
)
from tests.central_system.world import Station, World, begin, end, values

pytestmark = pytest.mark.no_cover

IDENTITIES = "CP1", "CP2"


@attrs.define
class Real:
    """What really happened."""

    identity: str
    connector_id: int
    meter: int
    seconds: int
    transaction_id: int | None = None
    """As soon as the station has learnt it."""
    readings: int = 0
    stop: tuple[int, int] | None = None


class Ledger(RuleBasedStateMachine):
    stations: ClassVar = st.sampled_from(IDENTITIES)
    connectors: ClassVar = st.integers(1, 2)

    def __init__(self) -> None:
        super().__init__()
        self.ids = itertools.count(1)
        self.time = itertools.count()
        self.world = World(ids=lambda: next(self.ids))
        self.links = {identity: self.world.station(identity) for identity in IDENTITIES}
        self.real: list[Real] = []
        self.running: dict[tuple[str, int], Real] = {}
        self.unanswered: dict[str, list[tuple[Any, Real | None]]] = {identity: [] for identity in IDENTITIES}
        self.said: dict[str, list[tuple[Any, Any]]] = {identity: [] for identity in IDENTITIES}
        """What each station has sent, and how it was answered."""
        self.lies: set[tuple[str, int, int]] = set()
        self.started: list[int] = []
        self.stopped: list[int] = []
        self.unmatched: list[UnmatchedStop] = []

    # -- what the station does: one message at a time, again until it is answered (CP16-071, CP16-076) --

    def link(self, identity: str) -> Station:
        return self.links[identity]

    def say(self, identity: str, request: Any, real: Real | None) -> None:
        self.unanswered[identity].append((request, real))
        if len(self.unanswered[identity]) == 1:
            self.link(identity).send(request)
        self.collect()

    def collect(self) -> None:
        """Take in what has been answered, and send what waits behind it."""
        for identity, station in self.links.items():
            while station.outcomes:
                answer = station.outcomes.pop(0)
                request, real = self.unanswered[identity].pop(0)
                self.said[identity].append((request, answer))
                if isinstance(request, v16.StartTransactionRequest):
                    assert real is not None
                    assert isinstance(answer, v16.StartTransactionResponse)
                    assert answer.transaction_id not in {
                        other.transaction_id for other in self.real if other is not real
                    }
                    real.transaction_id = answer.transaction_id
                if self.unanswered[identity]:
                    station.send(self.unanswered[identity][0][0])
        self.watch()

    def watch(self) -> None:
        self.started += (each.transaction.transaction_id for each in self.world.told(TransactionStarted))
        self.stopped += (each.transaction.transaction_id for each in self.world.told(TransactionStopped))
        self.world.told(TransactionUpdated)

    def is_free(self, identity: str) -> bool:
        return not self.unanswered[identity]

    @rule(identity=stations, connector_id=connectors, forgets=st.booleans())
    def start(self, identity: str, connector_id: int, forgets: bool) -> None:
        """A driver comes. If the last one's end was lost, so it stays."""
        if ((identity, connector_id) in self.running and not forgets) or not self.is_free(identity):
            return
        seconds = next(self.time)
        real = Real(identity, connector_id, 100 + seconds, seconds)
        self.real.append(real)
        self.running[identity, connector_id] = real
        self.say(identity, begin(connector_id, "tag", real.meter, seconds), real)

    @rule(identity=stations, connector_id=connectors)
    def measure(self, identity: str, connector_id: int) -> None:
        real = self.running.get((identity, connector_id))
        if real is None or real.transaction_id is None or not self.is_free(identity):
            return
        real.readings += 1
        self.say(identity, values(real.transaction_id, connector_id, seconds=next(self.time)), real)

    @rule(identity=stations, connector_id=connectors)
    def stop(self, identity: str, connector_id: int) -> None:
        real = self.running.get((identity, connector_id))
        if real is None or real.transaction_id is None or not self.is_free(identity):
            return
        del self.running[identity, connector_id]
        real.stop = real.meter + 10, next(self.time)
        self.say(identity, end(real.transaction_id, *real.stop), real)

    @rule(identity=stations, connector_id=connectors)
    def stop_at_last(self, identity: str, connector_id: int) -> None:
        """The end of a transaction that another one has superseded."""
        for real in self.real:
            is_of_this = (real.identity, real.connector_id) == (identity, connector_id)
            is_over = real is not self.running.get((identity, connector_id)) and real.stop is None
            if is_of_this and is_over and real.transaction_id is not None and self.is_free(identity):
                real.stop = real.meter + 10, next(self.time)
                self.say(identity, end(real.transaction_id, *real.stop), real)
                return

    @rule(identity=stations, transaction_id=st.integers(-2, 8), meter=st.integers(0, 1))
    def lie(self, identity: str, transaction_id: int, meter: int) -> None:
        """An end of something that this station has not."""
        if transaction_id in {real.transaction_id for real in self.real if real.identity == identity}:
            return
        if not self.is_free(identity) or not all(map(self.is_free, IDENTITIES)):
            return
        self.lies.add((identity, transaction_id, meter))
        self.say(identity, end(transaction_id, meter, -1), None)

    @rule(identity=stations, transaction_id=st.integers(-2, 8))
    def measure_for_another(self, identity: str, transaction_id: int) -> None:
        if transaction_id in {real.transaction_id for real in self.real if real.identity == identity}:
            return
        if all(map(self.is_free, IDENTITIES)):
            self.say(identity, values(transaction_id, seconds=next(self.time)), None)

    # -- what goes wrong --

    def reconnect(self, identity: str) -> None:
        if self.link(identity) in self.world.stations:
            self.link(identity).cut()
        self.links[identity] = Station(self.world, identity)
        if self.unanswered[identity]:
            self.link(identity).send(self.unanswered[identity][0][0])
        self.collect()

    @rule(identity=stations)
    def lose_the_connection(self, identity: str) -> None:
        self.link(identity).outcomes.clear()
        self.reconnect(identity)

    @precondition(lambda self: self.may_repeat())
    @rule(data=st.data())
    def repeat_what_was_answered(self, data: st.DataObject) -> None:
        """D-04, D-13: the answer came too late, or was lost. Meter values are repeated at once, or never."""
        identity = data.draw(st.sampled_from([identity for identity in IDENTITIES if self.said[identity]]))
        *earlier, last = self.said[identity]
        earlier = [each for each in earlier if not isinstance(each[0], v16.MeterValuesRequest)]
        request, answer = data.draw(st.sampled_from([last, *reversed(earlier)]))
        assert self.link(identity).ask(request) == answer
        self.watch()

    def may_repeat(self) -> bool:
        return not self.world.failing and any(self.said.values()) and all(map(self.is_free, IDENTITIES))

    @rule()
    def the_store_fails_for_the_next_message(self) -> None:
        self.world.failing = True

    @precondition(lambda self: self.world.failing)
    @rule()
    def the_store_works_again(self) -> None:
        self.world.failing = False
        self.world.wait(60)
        self.collect()

    @rule()
    def die(self) -> None:
        """All that was not answered may be lost, and comes again."""
        self.world.failing = False
        self.world.restart()
        for identity in IDENTITIES:
            self.link(identity).outcomes.clear()
            self.reconnect(identity)

    # -- what holds --

    @invariant()
    def nothing_is_answered_before_it_is_kept(self) -> None:
        kept = {record.key for record in self.world.store.load() if record.topic == "transaction"}
        assert {str(real.transaction_id) for real in self.real if real.transaction_id is not None} <= kept

    @precondition(lambda self: all(map(self.is_free, IDENTITIES)))
    @invariant()
    def the_ledger_is_what_really_happened(self) -> None:
        ledger = self.world.system.ledger
        in_ledger = {
            (each.identity, each.connector_id, each.meter_start, each.transaction_id): (
                each.meter_values,
                each.stop and each.stop.meter_stop,
            )
            for each in ledger.transactions()
        }
        assert in_ledger == {
            (real.identity, real.connector_id, real.meter, real.transaction_id): (
                real.readings,
                real.stop and real.stop[0],
            )
            for real in self.real
        }
        assert {each.transaction_id for each in ledger.transactions() if each.is_running} == {
            real.transaction_id for real in self.running.values()
        }
        assert {(each.identity, each.transaction_id, each.stop.meter_stop) for each in ledger.unmatched()} == self.lies
        for (identity, connector_id), real in self.running.items():
            running = ledger.running(identity, connector_id)
            assert running is not None
            assert running.transaction_id == real.transaction_id

    @invariant()
    def every_effect_is_told_once(self) -> None:
        assert len(self.started) == len(set(self.started))
        assert len(self.stopped) == len(set(self.stopped))
        for odd in self.world.told(LedgerAnomaly):
            assert odd.kind is not Anomaly.FOREIGN_TRANSACTION or odd.transaction is None
            if odd.unmatched is not None:
                assert odd.unmatched not in self.unmatched
                self.unmatched.append(odd.unmatched)

    def teardown(self) -> None:
        self.world.failing = False
        self.world.wait(60)
        self.collect()
        assert all(map(self.is_free, IDENTITIES))
        self.the_ledger_is_what_really_happened()


TestLedger = Ledger.TestCase
TestLedger.settings = settings(stateful_step_count=60)
