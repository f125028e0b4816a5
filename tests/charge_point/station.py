"""A charge point whose host and central system do what is expected of them, as far as a test does not interfere."""

from __future__ import annotations

from functools import partial
from typing import Any

from ocpp_sansio.charge_point import Backbone, Block, ConnectorSetup, Setup
from ocpp_sansio.charge_point.backbone import Gate
from ocpp_sansio.charge_point.effects import LockConnector, TakeReading, UnlockConnector
from ocpp_sansio.messages import Request, Response
from ocpp_sansio.v16 import (
    AuthorizationStatus,
    AuthorizeRequest,
    AuthorizeResponse,
    ChargePointStatus,
    IdTagInfo,
    MeterValuesRequest,
    MeterValuesResponse,
    StartTransactionRequest,
    StartTransactionResponse,
    StatusNotificationRequest,
    StatusNotificationResponse,
    StopTransactionRequest,
    StopTransactionResponse,
)

from .harness import BOOT, Bench, FakeLink

ACCEPTED = IdTagInfo(status=AuthorizationStatus.ACCEPTED)
INVALID = IdTagInfo(status=AuthorizationStatus.INVALID)


class Station(Bench):
    """``infos`` is what the central system knows of idTags: one that it does not know is accepted."""

    def __init__(self, setup: Setup | None = None, *, register: int = 1000, reads: bool = True, **options: Any) -> None:
        self.register = register
        self.reads = reads
        self.locks: bool | None = True
        """Whether the lock works; ``None``: nobody hears of it."""
        self.infos: dict[str, IdTagInfo] = {}
        self.transaction_id = 100
        self._handled = 0
        super().__init__(setup, **options)

    # -- the host --

    def drain(self) -> None:
        super().drain()
        while self._handled < len(self.effects):
            effect = self.effects[self._handled]
            self._handled += 1
            if isinstance(effect, TakeReading) and self.reads:
                self.point.reading(effect.ticket, (), self.register, now=self.now)
            elif isinstance(effect, LockConnector) and self.locks is not None:
                self.point.locked(effect.connector, self.locks, now=self.now)
            elif isinstance(effect, UnlockConnector) and self.locks is not None:
                self.point.unlocked(effect.connector, self.locks, now=self.now)
            super().drain()

    def read(self) -> None:
        """Answer all readings that are wanted."""
        for effect in self.seen(TakeReading):
            self.do("reading", effect.ticket, (), self.register)

    # -- the central system --

    def online(self, interval: int = 300) -> FakeLink:
        link = super().online(interval)
        self.serve()
        return link

    def serve(self) -> None:
        """Answer everything."""
        while self.unanswered:
            self.answer(self.proper_answer(self.unanswered[0].request))

    def proper_answer(self, request: Request[Any]) -> Response:
        if isinstance(request, StartTransactionRequest):
            self.transaction_id += 1
            info = self.infos.get(request.id_tag, ACCEPTED)
            return StartTransactionResponse(id_tag_info=info, transaction_id=self.transaction_id)
        if isinstance(request, AuthorizeRequest):
            return AuthorizeResponse(id_tag_info=self.infos.get(request.id_tag, ACCEPTED))
        answers: dict[type[Request[Any]], Response] = {
            MeterValuesRequest: MeterValuesResponse(),
            StatusNotificationRequest: StatusNotificationResponse(),
            StopTransactionRequest: StopTransactionResponse(),
        }
        return answers[type(request)]

    def play(self, verb: str, *args: Any, **kwargs: Any) -> None:
        """What the host says, and the answers to all that follows from it."""
        self.do(verb, *args, **kwargs)
        self.serve()

    # -- what a test does most --

    def charge(self, id_tag: str = "TAG", connector: int = 1) -> None:
        """Have a transaction under way, and the central system know of it."""
        self.do("plug_in", connector)
        self.do("present", id_tag, connector)
        self.do("ev_ready", connector)
        self.serve()

    @property
    def kept(self) -> dict[str, int]:
        """How many records of each topic there are."""
        topics = [record.topic for record in self.store.load()]
        return {topic: topics.count(topic) for topic in topics}

    def statuses(self, connector: int = 1) -> list[ChargePointStatus]:
        """The states that the central system was told of on this link."""
        return [r.status for r in self.sent(StatusNotificationRequest) if r.connector_id == connector]

    def reboot(self, **options: Any) -> Station:
        return Station(self.setup, records=self.store.load(), now=self.now, **options)


class Gatekeeper(Block):
    """A profile that has a say in who may use which connector."""

    def __init__(self, core: Backbone, gate: Gate) -> None:
        core.gates.append(gate)


def guarded(gate: Gate) -> Station:
    """Online, with a gate."""
    station = Station(profiles=[partial(Gatekeeper, gate=gate)])
    station.online()
    return station


def two(**options: Any) -> Setup:
    """Two connectors."""
    return Setup(BOOT, connectors=(ConnectorSetup(), ConnectorSetup()), **options)


def fixed(**options: Any) -> Setup:
    """A cable of its own."""
    return Setup(BOOT, connectors=(ConnectorSetup(fixed_cable=True),), **options)
