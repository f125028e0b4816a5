"""A charge point of OCPP 1.6: its blocks put together, and the verbs of its driver and of its host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from ocpp_sansio.errors import ErrorCode, Rejection
from ocpp_sansio.events import CallFailed, CallReceived, CallSucceeded, Event
from ocpp_sansio.machine import Link, Machine
from ocpp_sansio.messages import Request, Response
from ocpp_sansio.store import Drop, Put, pack, unpack
from ocpp_sansio.v16 import RegistrationStatus

from .authorisation import Authorisation
from .backbone import Backbone, Block, Handler, LinkDown, LinkUp, Setup
from .clock import Clock
from .configuration import Configuration
from .effects import Effect, RecordQuarantined
from .heartbeat import Heartbeat
from .keys import SUPPORTED_FEATURE_PROFILES, Settings
from .registration import Registration

__all__ = ["ChargePoint"]


class ChargePoint:
    """What a charge point does, from one boot to the next, over any number of links.

    The driver's part, in this order, after every step (one mutation → drain completely → wait):

    1. Mutate once: ``link_up``, ``link_down``, ``receive_event`` with each event of the session, ``handle_timeout``, or
       what the host has to say (``plug_in``, ``present`` …).
    2. Act on ``next_event()`` until it returns ``None``. On a ``Persist``: have the store commit it, then call
       ``persisted``, or ``persist_failed``; until then nothing follows that depends on it.
    3. Send what the session has to send.
    4. Wait for the link, the host, or ``next_timeout()``.

    ``now`` is seconds of any monotonic clock.

    Args:
        setup: what it is.
        now: the time of this boot.
        utc: what its own clock says.
        clock_is_trusted: whether that may be relied on, or waits for the central system (D-19).
        records: what an earlier boot has kept, see :meth:`ocpp_sansio.store.Store.load`.
        profiles: makes the blocks of feature profiles beyond Core, each from the backbone.
    """

    def __init__(
        self,
        setup: Setup,
        *,
        now: float,
        utc: datetime,
        clock_is_trusted: bool = False,
        records: Iterable[Put] = (),
        profiles: Iterable[Callable[[Backbone], Block]] = (),
    ) -> None:
        self._machine: Final = Machine[Effect](now=now)
        by_topic: dict[str, list[Put]] = {}
        for record in records:
            by_topic.setdefault(record.topic, []).append(record)
        boot = self._count_boot(by_topic.get(BOOT, ()))
        clock = Clock(utc, now=now, trusted=clock_is_trusted, boot=boot)
        self._core: Final = Backbone(setup, self._machine, clock, Settings())
        self._configuration: Final = Configuration(self._core)
        self._blocks: Final[Sequence[Block]] = (
            self._configuration,
            Registration(self._core),
            Heartbeat(self._core),
            Authorisation(self._core),
            *(make(self._core) for make in profiles),
        )
        self._handlers: Final = _merged(block.handlers() for block in self._blocks)
        self._core.settings[SUPPORTED_FEATURE_PROFILES] = tuple(dict.fromkeys(block.profile for block in self._blocks))
        for block in self._blocks:
            self._core.listen(block)
            self._core.settings.declare(block.keys())
        self._restore(by_topic)
        for block in self._blocks:
            block.begin()

    # -- an earlier life --

    def _count_boot(self, records: Iterable[Put]) -> int:
        """The number of this boot: one more than that of the last (D-19)."""
        boot = 1
        for record in records:
            try:
                boot = unpack(int, record.value) + 1
            except ValueError as error:
                self._quarantine(record, error)
        self._machine.persist(Put(BOOT, "number", pack(boot)))
        return boot

    def _restore(self, by_topic: Mapping[str, Iterable[Put]]) -> None:
        for block in self._blocks:
            for topic in block.topics:
                for record in by_topic.get(topic, ()):
                    try:
                        block.restore(record)
                    except Exception as error:  # noqa: BLE001 - one record that cannot be read must not cost the others
                        self._quarantine(record, error)

    def _quarantine(self, record: Put, error: Exception) -> None:
        self._machine.persist(
            Drop(record.topic, record.key), Put(QUARANTINE, f"{record.topic}/{record.key}", record.value)
        )
        self._machine.emit(RecordQuarantined(record.topic, record.key, error))

    # -- what the driver asks and tells --

    @property
    def registration(self) -> RegistrationStatus | None:
        """What the central system last said to a BootNotification; ``None``: nothing since the boot."""
        return self._core.registration

    def next_event(self) -> Effect | None:
        """The next thing to act on; ``None`` when there is nothing left, or nothing before what is kept is durable."""
        return self._machine.next_event()

    def next_timeout(self) -> float | None:
        """When ``handle_timeout`` wants to be called; ``None``: not before something else happens."""
        return self._machine.next_timeout()

    def handle_timeout(self, *, now: float) -> None:
        """Let time pass: do what is due. An extra call does nothing."""
        self._machine.handle_timeout(now=now)

    def persisted(self, *, now: float) -> None:
        """What was to be kept is durable.

        Raises:
            LocalProtocolError: nothing was to be kept.
        """
        self._machine.persisted(now=now)

    def persist_failed(self, error: Exception, *, now: float) -> None:
        """What was to be kept is not durable. It will be asked for again (D-09).

        Raises:
            LocalProtocolError: nothing was to be kept.
        """
        self._machine.persist_failed(error, now=now)

    def link_up(self, link: Link, *, now: float) -> None:
        """There is a link to the central system: a session, or a connection that is open."""
        self._machine.advance(now)
        self._core.line.up(link)
        self._core.publish(LinkUp())

    def link_down(self, *, now: float) -> None:
        """There is no link any more. Nothing happens if there was none."""
        self._machine.advance(now)
        if self._core.line.is_up:
            self._core.line.down()
            self._core.publish(LinkDown())

    def receive_event(self, event: Event, *, now: float) -> None:
        """Take in an event of the session. Those that are not about a CALL are no concern of a role."""
        self._machine.advance(now)
        if isinstance(event, CallReceived):
            self._on_call(event)
        elif isinstance(event, CallSucceeded | CallFailed):
            self._core.line.receive_outcome(event)

    # -- what the host has to say --

    def setting(self, key_name: str) -> str | None:
        """The value of a configuration key that is in force; ``None``: there is no such key, or it has no value."""
        return self._configuration.setting(key_name)

    def configure(self, key_name: str, value: str, *, now: float) -> None:
        """Set a configuration key for good, also one that the central system may not set (CP16-112).

        Raises:
            LocalProtocolError: there can be no such key, or its value follows from what the charge point is.
            ValueError: the key does not take this value.
        """
        self._machine.advance(now)
        self._configuration.configure(key_name, value)

    # -- what the central system asks --

    def _on_call(self, call: CallReceived[Any]) -> None:
        line = self._core.line
        if self._core.registration is RegistrationStatus.REJECTED:  # CP16-013
            line.ignore(call)
            return
        handler = self._handlers.get(type(call.request))
        try:
            if handler is None:  # CP16-002
                raise Rejection(ErrorCode.NOT_SUPPORTED, f"{call.action} is of a profile that is not supported here")
            handler(call.request, partial(line.answer, call))
        except Rejection as rejection:
            line.refuse(call, rejection)


def _merged(tables: Iterable[Mapping[type[Request[Response]], Handler]]) -> dict[type[Any], Handler]:
    return {request: handler for table in tables for request, handler in table.items()}


BOOT: Final = "boot"
"""The topic of the number of boots."""
QUARANTINE: Final = "quarantine"
"""The topic of records that could not be read."""
