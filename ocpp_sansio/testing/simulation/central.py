"""The central system in the world: who may charge there, and what time it takes it to be."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from ocpp_sansio.central_system import CentralSystem, IdTag, Verdict
from ocpp_sansio.errors import LocalProtocolError
from ocpp_sansio.events import Event
from ocpp_sansio.store import Put
from ocpp_sansio.v16 import AuthorizationStatus, BootNotificationRequest, RegistrationStatus

from .truth import EPOCH
from .world import End, Node, Process, World

__all__ = ["IDENTITY", "CentralProcess", "MakeCentral", "Office"]

MakeCentral = Callable[..., CentralSystem]
"""Makes a central system, as :class:`CentralSystem` does."""

IDENTITY: Final = "CP1"
WELCOME: Final = ("alice", "bob", "carol", "dave")
BLOCKED: Final = "mallory"


class Office:
    """What outlives the processes of the central system."""

    def __init__(self, world: World, make: MakeCentral) -> None:
        self.world: Final = world
        self.make: Final = make
        self.closed_until = 0.0
        """Until then nobody is accepted."""
        self.ahead = 0.0
        """Seconds that its clock is ahead of the true time."""
        ids = itertools.count(1)
        self.transaction_ids: Final = lambda: next(ids) * 7919 % 2**31
        """Never the same twice, also over restarts."""

    def welcome(self, _request: BootNotificationRequest, _identity: str) -> Verdict:
        """What a BootNotification is answered with."""
        if self.world.now >= self.closed_until:
            return Verdict()
        return Verdict(self.world.dice.choice((RegistrationStatus.PENDING, RegistrationStatus.REJECTED)), interval=5)

    def open(self, now: float, records: Iterable[Put]) -> CentralSystem:
        """A central system that knows what its store has kept."""
        utc = EPOCH + timedelta(seconds=self.world.now + self.ahead)
        system = self.make(
            now=now, utc=utc, transaction_ids=self.transaction_ids, records=records, registration=self.welcome
        )
        system.authorisation.add(*map(IdTag, WELCOME), IdTag(BLOCKED, AuthorizationStatus.BLOCKED))
        return system


class CentralProcess(Process[CentralSystem]):
    """One life of the central system."""

    def __init__(self, world: World, node: Node, office: Office, records: Iterable[Put]) -> None:
        super().__init__(world, node)
        self.office: Final = office
        self.role = office.open(self.now, records)

    def link_up(self, end: End) -> None:
        """Tell the role that there is a link."""
        self.role.link_up(IDENTITY, end.session, now=self.now)

    def link_down(self, end: End) -> None:
        """Tell the role that there is none, or that a displaced one has ended."""
        self.role.link_down(IDENTITY, end.session, now=self.now)

    def hear(self, end: End, event: Event) -> None:
        """Tell the role."""
        self.role.receive_event(IDENTITY, end.session, event, now=self.now)

    def act(self, effect: Any) -> None:
        """All there is to see is in the ledger."""

    def ask(self, request: Any) -> None:
        """Ask the charge point, if that may be."""

        def call() -> None:
            with suppress(LocalProtocolError):
                self.role.call(IDENTITY, request, now=self.now)

        self.step(call)

    def set_clock(self, ahead: float) -> None:
        """Somebody sets its clock."""
        self.office.ahead = ahead
        utc = EPOCH + timedelta(seconds=self.world.now + ahead)
        self.step(lambda: self.role.set_clock(utc, now=self.now))
