"""A central system with a store and a driver, and stations on real sessions, all in memory and in virtual time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from ocpp_sansio import (
    CallFailed,
    CallReceived,
    CallSucceeded,
    CentralSystemSession,
    ChargePointSession,
    Limits,
    Rejection,
    numbered_ids,
    v16,
)
from ocpp_sansio.central_system import CentralSystem, IdTag
from ocpp_sansio.machine import StoreFailed
from ocpp_sansio.store import MemoryStore, Persist, StoreError

START = datetime(2026, 1, 1, tzinfo=UTC)
BOOT = v16.BootNotificationRequest(charge_point_vendor="Vendor", charge_point_model="Model")
ACCEPTED = v16.IdTagInfo(status=v16.AuthorizationStatus.ACCEPTED)
INVALID = v16.IdTagInfo(status=v16.AuthorizationStatus.INVALID)

E = TypeVar("E")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def begin(
    connector_id: int = 1, id_tag: str = "tag", meter: int = 100, seconds: float = 0
) -> v16.StartTransactionRequest:
    return v16.StartTransactionRequest(
        connector_id=connector_id, id_tag=id_tag, meter_start=meter, timestamp=at(seconds)
    )


def end(
    transaction_id: int, meter: int = 500, seconds: float = 60, id_tag: str | None = None, **more: Any
) -> v16.StopTransactionRequest:
    return v16.StopTransactionRequest(
        transaction_id=transaction_id, meter_stop=meter, timestamp=at(seconds), id_tag=id_tag, **more
    )


def reading(value: int = 200, seconds: float = 30) -> v16.MeterValue:
    return v16.MeterValue(timestamp=at(seconds), sampled_value=[v16.SampledValue(value=str(value))])


def values(
    transaction_id: int | None, connector_id: int = 1, value: int = 200, seconds: float = 30
) -> v16.MeterValuesRequest:
    return v16.MeterValuesRequest(
        connector_id=connector_id, transaction_id=transaction_id, meter_value=[reading(value, seconds)]
    )


class Station:
    """A station that says what it is told to, over a session of its own, and answers from a table."""

    def __init__(self, world: World, identity: str) -> None:
        self.world, self.identity = world, identity
        prefix = f"{identity}-{next(world.links)}-"
        self.far = ChargePointSession("1.6", message_ids=numbered_ids(f"a{prefix}"))
        self.link = CentralSystemSession(
            "1.6", message_ids=numbered_ids(f"b{prefix}"), limits=Limits(answer_timeout=None)
        )
        self.asked: list[Any] = []
        self.outcomes: list[Any] = []
        self.answers: dict[type[Any], Any] = {}
        world.stations.append(self)
        world.system.link_up(identity, self.link, now=world.now)
        world.settle()

    def send(self, request: Any) -> None:
        self.far.call(request, now=self.world.now)
        self.world.settle()

    def ask(self, request: Any) -> Any:
        """The response, or the error."""
        self.send(request)
        return self.outcomes.pop()

    def boot(self) -> Any:
        return self.ask(BOOT)

    def cut(self) -> None:
        """The connection ends."""
        self.world.stations.remove(self)
        for end in (self.far, self.link):
            end.connection_lost(now=self.world.now)
        self.world.feed(self)
        self.world.system.link_down(self.identity, self.link, now=self.world.now)
        self.world.settle()

    def move(self) -> bool:
        now = self.world.now
        there, back = self.far.data_to_send(), self.link.data_to_send()
        for text in there:
            self.link.receive_data(text, now=now)
        for text in back:
            self.far.receive_data(text, now=now)
        while (event := self.far.next_event()) is not None:
            match event:
                case CallReceived(request=request):
                    self.asked.append(request)
                    answer = self.answers.get(type(request))
                    if isinstance(answer, Rejection):
                        self.far.reject(event, answer.code, now=now)
                    elif answer is not None:
                        self.far.respond(event, answer, now=now)
                case CallSucceeded(response=outcome) | CallFailed(error=outcome):
                    self.outcomes.append(outcome)
        return bool(there or back)


class World:
    def __init__(self, *, ids: Callable[[], int] | None = None, tags: Iterable[str] = ("tag",), **options: Any) -> None:
        self.now = 0.0
        self.options = options
        self.tags = tuple(tags)
        self.ids = ids or itertools.count(1000).__next__
        self.links = itertools.count()
        self.store = MemoryStore()
        self.failing = False
        self.stations: list[Station] = []
        self.effects: list[Any] = []
        self.system = self.make()

    def make(self) -> CentralSystem:
        system = CentralSystem(
            now=self.now, utc=at(self.now), transaction_ids=self.ids, records=self.store.load(), **self.options
        )
        system.authorisation.add(*map(IdTag, self.tags))
        return system

    def restart(self) -> None:
        """The process dies, whatever it was about, and another one takes up what is in the store."""
        self.stations.clear()
        self.system = self.make()
        self.settle()

    def station(self, identity: str = "CP1", *, boot: bool = True) -> Station:
        station = Station(self, identity)
        if boot:
            station.boot()
        self.effects.clear()
        return station

    def feed(self, station: Station) -> None:
        while (event := station.link.next_event()) is not None:
            self.system.receive_event(station.identity, station.link, event, now=self.now)
            self.drain()

    def drain(self) -> None:
        while (event := self.system.next_event()) is not None:
            if not isinstance(event, Persist):
                self.effects.append(event)
            elif self.failing:
                self.system.persist_failed(StoreError("no"), now=self.now)
            else:
                self.store.commit(event.changes)
                self.system.persisted(now=self.now)

    def settle(self) -> None:
        self.drain()
        while sum(station.move() for station in self.stations):
            for station in list(self.stations):
                self.feed(station)

    def wait(self, seconds: float) -> None:
        """Let time pass, with everything that is due on the way."""
        until = self.now + seconds
        while (deadline := self.system.next_timeout()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.system.handle_timeout(now=self.now)
            self.settle()
        self.now = until

    def call(self, identity: str, request: Any, **how: Any) -> Any:
        command = self.system.call(identity, request, now=self.now, **how)
        self.settle()
        return command

    def told(self, kind: type[E]) -> list[E]:
        """The effects of a kind, each seen once."""
        found = [effect for effect in self.effects if isinstance(effect, kind)]
        self.effects = [effect for effect in self.effects if not isinstance(effect, kind)]
        return found

    def names(self) -> list[str]:
        names = [type(effect).__name__ for effect in self.effects if not isinstance(effect, StoreFailed)]
        self.effects.clear()
        return names
