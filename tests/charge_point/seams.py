"""A bench on which a test stands in for the blocks that run transactions, and listens to what all blocks are told."""

from __future__ import annotations

from typing import Any

from ocpp_sansio.charge_point import Backbone, Block
from ocpp_sansio.charge_point.backbone import (
    Accepted,
    ClockSet,
    KeyChanged,
    LinkDown,
    LinkUp,
    PlugChanged,
    Reading,
    StatusMoved,
    Transaction,
    TransactionBegun,
    TransactionOver,
)
from ocpp_sansio.charge_point.effects import StatusChanged
from ocpp_sansio.v16 import StatusNotificationRequest
from tests.charge_point.harness import Bench


class Ear(Block):
    """Hears everything, and lets the test speak to the others."""

    def __init__(self, core: Backbone) -> None:
        self.core = core
        self.heard: list[Any] = []

    def hears(self):
        kinds = (Accepted, ClockSet, KeyChanged, LinkDown, LinkUp, PlugChanged, StatusMoved)
        return dict.fromkeys(kinds, self.heard.append)


class SeamBench(Bench):
    """A bench with an ear, and the seams of the connectors at hand."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.ears: list[Ear] = []

        def ear(core: Backbone) -> Ear:
            self.ears.append(Ear(core))
            return self.ears[0]

        super().__init__(*args, profiles=[ear], **options)

    @property
    def core(self) -> Backbone:
        return self.ears[0].core

    def heard(self, kind: type[Any]) -> list[Any]:
        return [notice for notice in self.ears[0].heard if isinstance(notice, kind)]

    def seam(self, verb: str, *args: Any, **kwargs: Any) -> None:
        """A block asks something of the connectors."""
        self.core.machine.advance(self.now)
        getattr(self.point._connectors, verb)(*args, **kwargs)
        self.drain()

    def begin(self, connector: int = 1) -> Transaction:
        """A transaction begins."""
        moment = self.core.moment()
        transaction = Transaction(1, connector, "TAG", moment, 0)
        self.seam("start", connector)
        self.core.publish(TransactionBegun(transaction, Reading((), 0, moment)))
        self.drain()
        return transaction

    def end(self, transaction: Transaction) -> None:
        """It is over."""
        self.seam("end", transaction.connector)
        self.core.publish(TransactionOver(transaction))
        self.drain()

    def set(self, key: Any, value: Any) -> None:
        self.core.settings[key] = value
        self.core.publish(KeyChanged(key))

    def online(self, interval: int = 300):
        link = super().online(interval)
        self.effects.clear()
        return link

    def reports(self) -> list[tuple[int, str]]:
        """The StatusNotifications that have no answer yet, in their order; and answers them."""
        calls = [call.request for call in self.unanswered if isinstance(call.request, StatusNotificationRequest)]
        self.settle()
        return [(request.connector_id, str(request.status)) for request in calls]

    def statuses(self) -> list[tuple[int, str]]:
        """What the host was told of states since it was last asked for."""
        seen = [(effect.connector, str(effect.status)) for effect in self.seen(StatusChanged)]
        self.effects.clear()
        return seen
