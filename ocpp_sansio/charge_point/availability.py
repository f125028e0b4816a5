"""ChangeAvailability: what is in service, now and after a reboot, and what leaves it when nobody charges there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from ocpp_sansio.machine import Answer
from ocpp_sansio.messages import Request
from ocpp_sansio.store import Drop, Put, pack, unpack
from ocpp_sansio.v16 import (
    AvailabilityStatus,
    AvailabilityType,
    ChangeAvailabilityRequest,
    ChangeAvailabilityResponse,
)

from .backbone import Backbone, Block, Handler, TransactionBegun, TransactionOver

__all__ = ["Availability"]

TOPIC: Final = "availability"


class Connectors(Protocol):
    """What can be put out of service; 0 is the charge point."""

    def ids(self) -> Iterable[int]:
        """1 to NumberOfConnectors."""
        ...

    def withdraw(self, connector: int) -> None:
        """Put it out of service: now, or, if a transaction runs, when that is over and no cable is left."""
        ...

    def reinstate(self, connector: int) -> None:
        """Put it back into service."""
        ...


class Availability(Block):
    """Puts connectors and the charge point in and out of service (CP16-100…105).

    What is Inoperative, or scheduled to be, is kept: it is so from the start after a reboot (CP16-035, CP16-102).
    """

    topics = (TOPIC,)

    def __init__(self, core: Backbone, connectors: Connectors) -> None:
        self._core: Final = core
        self._connectors: Final = connectors
        self._all: Final = (0, *connectors.ids())
        self._kept: list[int] = []
        """What an earlier boot has left out of service."""
        self._busy: set[int] = set()
        """Where transactions run."""
        self._is_leaving = False
        """Whether the charge point itself goes out of service when the last transaction is over."""

    def handlers(self) -> Mapping[type[Request[Any]], Handler]:
        """ChangeAvailability."""
        return {ChangeAvailabilityRequest: self._on_change}

    def hears(self) -> Mapping[type[Any], Callable[[Any], None]]:
        """Where transactions run."""
        return {TransactionBegun: self._on_begun, TransactionOver: self._on_over}

    def restore(self, record: Put) -> None:
        """A connector, or the charge point, that is out of service."""
        kind = unpack(AvailabilityType, record.value)
        if kind is not AvailabilityType.INOPERATIVE or record.key not in map(str, self._all):
            raise ValueError("not a connector that is out of service")
        self._kept.append(int(record.key))

    def begin(self) -> None:
        """Before anything is reported of it, what is out of service is so again (CP16-035)."""
        for connector in self._kept:
            self._connectors.withdraw(connector)

    def _on_change(self, request: ChangeAvailabilityRequest, answer: Answer) -> None:
        # CP16-105. What a type means that is none, which a session may put up with, is not to be guessed.
        if request.connector_id not in self._all or request.type not in tuple(AvailabilityType):
            answer(ChangeAvailabilityResponse(status=AvailabilityStatus.REJECTED))
            return
        meant = self._all if request.connector_id == 0 else (request.connector_id,)  # CP16-100
        if request.type is AvailabilityType.OPERATIVE:
            answer(ChangeAvailabilityResponse(status=AvailabilityStatus.ACCEPTED))
            self._reinstate(meant)
        else:
            waits = not self._busy.isdisjoint(meant)
            status = AvailabilityStatus.SCHEDULED if waits else AvailabilityStatus.ACCEPTED  # CP16-101
            answer(ChangeAvailabilityResponse(status=status))
            self._withdraw(meant)

    def _withdraw(self, meant: Iterable[int]) -> None:
        for connector in meant:
            self._core.machine.persist(Put(TOPIC, str(connector), pack(AvailabilityType.INOPERATIVE)))
            if connector == 0 and self._busy:  # CP16-103
                self._is_leaving = True
            else:
                self._connectors.withdraw(connector)

    def _reinstate(self, meant: Iterable[int]) -> None:
        for connector in meant:
            self._core.machine.persist(Drop(TOPIC, str(connector)))
            if connector == 0:  # CP16-104
                self._is_leaving = False
            self._connectors.reinstate(connector)

    def _on_begun(self, notice: TransactionBegun) -> None:
        self._busy.add(notice.transaction.connector)

    def _on_over(self, notice: TransactionOver) -> None:
        self._busy.discard(notice.transaction.connector)
        if self._is_leaving and not self._busy:
            self._is_leaving = False
            self._connectors.withdraw(0)
