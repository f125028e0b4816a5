"""The central system: its blocks, put together, and the face that its driver sees."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar

from ocpp_sansio.events import Event
from ocpp_sansio.machine import Link, StoreFailed
from ocpp_sansio.messages import FromCentralSystem, Response
from ocpp_sansio.store import Persist, Put
from ocpp_sansio.v16 import BootNotificationRequest

from .authorisation import Authorisation, Authorise
from .backbone import Backbone, Block
from .commands import Commands
from .data_transfer import DataTransfer
from .effects import Command, Effect
from .ledger import Ledger, TransactionIds
from .options import Options
from .presence import Presence
from .registration import Policy, Registrations, Verdict
from .view import View

__all__ = ["CentralSystem"]

R = TypeVar("R", bound=Response)


def _accept(_request: BootNotificationRequest, _identity: str) -> Verdict:
    return Verdict()


class CentralSystem:
    """What a central system of OCPP 1.6 does about all its stations, for the Core profile.

    Every driver goes the same way: mutate once (``link_up``, ``link_down``, ``receive_event``, ``handle_timeout``,
    ``set_clock``, a command, or a method of a block that says so), then act on ``next_event()`` until it returns
    ``None``. For a :class:`ocpp_sansio.store.Persist` commit its changes and call ``persisted``, or
    ``persist_failed``; then send what the links have to send, and wait.

    Args:
        now: seconds of any monotonic clock, as everywhere.
        utc: what time it is, with its zone.
        transaction_ids: makes the ids of transactions: positive, of 32 bits, and not to be guessed.
        records: what the store has kept.
        registration: decides who is taken on. Without one everybody is, with a heartbeat every 300 seconds.
        authorise: what the application knows about idTags. Without one, and for those of which it says ``None``, the
            table of ``authorisation`` is asked.
        options: choices and bounds.
        profiles: makes the blocks of feature profiles beyond Core, each from the backbone.

    The hooks are called within a step and must not call back.

    Raises:
        ValueError: the time has no zone.
    """

    def __init__(
        self,
        *,
        now: float,
        utc: datetime,
        transaction_ids: TransactionIds,
        records: Iterable[Put] = (),
        registration: Policy = _accept,
        authorise: Authorise | None = None,
        options: Options | None = None,
        profiles: Iterable[Callable[[Backbone], Block]] = (),
    ) -> None:
        self._backbone = backbone = Backbone(options or Options(), now=now, utc=utc)
        self._machine = backbone.machine
        self.registrations = Registrations(backbone, registration)
        """Who is taken on."""
        self.presence = Presence(backbone)
        """Who is there."""
        self.authorisation = Authorisation(backbone, authorise)
        """Who may charge."""
        self.ledger = Ledger(backbone, transaction_ids, self.authorisation.verify, self.authorisation.verify_alone)
        """What was charged."""
        self.view = View(backbone)
        """How the stations look."""
        self.data_transfer = DataTransfer(backbone)
        """What vendors have agreed on."""
        self._commands = Commands(backbone, self.registrations.forbids)
        backbone.admits = self.registrations.admits
        # A notice is heard in this order: what a station is entitled to, and how it looks, before what is sent to it.
        backbone.attach(
            self.registrations,
            self.presence,
            self.authorisation,
            self.ledger,
            self.view,
            self.data_transfer,
            self._commands,
            *(make(backbone) for make in profiles),
        )
        backbone.restore(records)

    # -- what happens --

    def link_up(self, identity: str, link: Link, *, now: float) -> None:
        """A station has a link. If it had one, that is displaced: the newest wins (RPC-019)."""
        self._machine.advance(now)
        self._backbone.link_up(identity, link)

    def link_down(self, identity: str, link: Link, *, now: float) -> None:
        """A link has ended. If it had been displaced, nothing happens (F-35)."""
        self._machine.advance(now)
        self._backbone.link_down(identity, link)

    def receive_event(self, identity: str, link: Link, event: Event, *, now: float) -> None:
        """The session of a link has told this. What does not concern the role is ignored."""
        self._machine.advance(now)
        self._backbone.receive_event(identity, link, event)

    def handle_timeout(self, *, now: float) -> None:
        """Let time pass: do what is due. An extra call does nothing."""
        self._machine.handle_timeout(now=now)

    def set_clock(self, utc: datetime, *, now: float) -> None:
        """It is this time now.

        Raises:
            ValueError: the time has no zone.
        """
        self._machine.advance(now)
        self._backbone.set_clock(utc)

    # -- what the driver asks and tells --

    def next_event(self) -> Effect | Persist | StoreFailed | None:
        """The next thing to act on; ``None`` when there is nothing left, or nothing before the batch is durable."""
        return self._machine.next_event()

    def next_timeout(self) -> float | None:
        """When ``handle_timeout`` wants to be called; ``None``: not before something else happens."""
        return self._machine.next_timeout()

    def persisted(self, *, now: float) -> None:
        """The batch is durable."""
        self._machine.persisted(now=now)

    def persist_failed(self, error: Exception, *, now: float) -> None:
        """The batch is not durable. It is asked for again (D-09)."""
        self._machine.persist_failed(error, now=now)

    # -- commands --

    def call(
        self,
        identity: str,
        request: FromCentralSystem[R],
        *,
        now: float,
        timeout: float | None = None,
        expires_in: float | None = None,
    ) -> Command[R]:
        """Ask a station something. The one outcome is a CommandSucceeded, a CommandFailed or a CommandExpired.

        Commands for one station go out one after the other. One that has ``expires_in``, in seconds, waits until then
        for a link, also for another one if it could not be sent on this, and for a registration that allows it. One
        that has not fails when there is no link. What waits is lost with the process.

        An UnlockConnector is not the way to stop a transaction (CS16-050): use RemoteStopTransaction.

        Raises:
            CommandRefused: the station must not be asked this in the state of its registration (CS16-002, CS16-005).
            QueueFull: ``Options.max_queued_commands`` are waiting.
            InvalidMessage: the request breaks its schema.
            LocalProtocolError: a central system of OCPP 1.6 does not send this.
            ValueError: a number of seconds is not positive.
        """
        self._machine.advance(now)
        return self._commands.call(identity, request, timeout=timeout, expires_in=expires_in)
