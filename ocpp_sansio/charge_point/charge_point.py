"""A charge point of OCPP 1.6: its blocks put together, and the verbs of its driver and of its host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

from ocpp_sansio.errors import ErrorCode, Rejection
from ocpp_sansio.events import CallFailed, CallReceived, CallSucceeded, Event
from ocpp_sansio.machine import Link, Machine
from ocpp_sansio.security_events import SecurityEvent
from ocpp_sansio.store import Drop, Put, pack, unpack
from ocpp_sansio.v16 import ChargePointErrorCode, Reason, RegistrationStatus, SampledValue

from .authorisation import Authorisation
from .availability import Availability
from .backbone import Backbone, Block, Handler, LinkDown, LinkFailed, LinkUp, Setup
from .cables import CableLocks
from .clock import Clock
from .configuration import Configuration
from .connectors import ConnectorTable
from .data_transfer import DataTransfers, Hook
from .delivery import Delivery
from .effects import Effect, RecordQuarantined
from .heartbeat import Heartbeat
from .keys import SUPPORTED_FEATURE_PROFILES, Settings
from .metering import Metering
from .presentation import Presentation
from .registration import Registration
from .remote import Remote
from .reset import Resets
from .transactions import Transactions
from .trigger import TriggerMessages

__all__ = ["ChargePoint"]

B = TypeVar("B", bound=Block)
K = TypeVar("K")
V = TypeVar("V")


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
        core = self._core
        self._configuration: Final = Configuration(core)
        self._connectors: Final = ConnectorTable(core)
        self._data_transfer: Final = DataTransfers(core)
        authorisation = Authorisation(core)
        delivery = Delivery(core)
        self._delivery: Final = delivery
        self._metering: Final = Metering(core, delivery)
        self._cables: Final = CableLocks(core, self._connectors)
        transactions = Transactions(core, self._connectors, self._cables, self._metering, delivery)
        self._presentation: Final = Presentation(
            core, self._connectors, authorisation, self._cables, self._metering, transactions
        )
        self._resets: Final = Resets(core, self._connectors, transactions, delivery)
        self._blocks: Final[Sequence[Block]] = (  # in the order in which they hear notices, and begin
            self._configuration,
            Registration(core),
            self._connectors,
            Availability(core, self._connectors),
            TriggerMessages(core),
            self._data_transfer,
            Heartbeat(core),
            authorisation,
            delivery,
            self._metering,
            self._cables,
            transactions,
            self._presentation,
            Remote(core, self._presentation, transactions, self._cables),
            self._resets,
            *(make(core) for make in profiles),
        )
        self._handlers: Final[Mapping[type[Any], Handler]] = _merged(block.handlers() for block in self._blocks)
        core.triggers.update((str(name), send) for block in self._blocks for name, send in block.triggers().items())
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

    @property
    def is_delivered(self) -> bool:
        """Whether the central system has taken all that there was to tell of transactions (CP16-071)."""
        return self._delivery.is_empty

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

    def link_failed(self, event: SecurityEvent, *, now: float) -> None:
        """No link came about, for a reason that is to be reported (RPC-149). Without ``Security`` nothing happens."""
        self._machine.advance(now)
        self._core.publish(LinkFailed(event))

    def receive_event(self, event: Event, *, now: float) -> None:
        """Take in an event of the session. Those that are not about a CALL are no concern of a role."""
        self._machine.advance(now)
        if isinstance(event, CallReceived):
            self._on_call(event)
        elif isinstance(event, CallSucceeded | CallFailed):
            self._core.line.receive_outcome(event)

    # -- what the host has to say --

    def block(self, kind: type[B]) -> B:
        """The block of a profile, for what its host has to say to it.

        Raises:
            LookupError: no profile of this kind was given.
        """
        for block in self._blocks:
            if isinstance(block, kind):
                return block
        raise LookupError(f"there is no {kind.__name__} here")

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

    # -- what the host has to say of connectors; of the charge point as connector 0, where that is said --

    def plug_in(self, connector: int, *, now: float) -> None:
        """A cable joins the connector with an EV. If it does at boot already, say so before ``link_up``.

        Raises:
            LocalProtocolError: there is no such connector; so it is with all that follow.
        """
        self._machine.advance(now)
        self._connectors.plug_in(connector)

    def unplug(self, connector: int, *, now: float) -> None:
        """The EV is disconnected, or the cable has been pulled out altogether.

        A cable with a lock that comes off the EV in a transaction is still in: say it again when it is not (CP16-067).
        """
        self._machine.advance(now)
        self._connectors.unplug(connector)

    def ev_ready(self, connector: int, *, now: float) -> None:
        """The EV takes energy, or would if it were offered."""
        self._machine.advance(now)
        self._connectors.ev_ready(connector)

    def ev_not_ready(self, connector: int, *, now: float) -> None:
        """The EV takes no energy. That is what is assumed when a cable is plugged in (CP16-034)."""
        self._machine.advance(now)
        self._connectors.ev_not_ready(connector)

    def evse_ready(self, connector: int, *, now: float) -> None:
        """The hardware could offer energy. That is what is assumed at boot."""
        self._machine.advance(now)
        self._connectors.evse_ready(connector)

    def evse_not_ready(self, connector: int, *, now: float) -> None:
        """The hardware cannot offer energy for a while (CP16-034)."""
        self._machine.advance(now)
        self._connectors.evse_not_ready(connector)

    def fault(
        self,
        connector: int,
        error_code: ChargePointErrorCode,
        info: str = "",
        vendor_id: str | None = None,
        vendor_error_code: str | None = None,
        *,
        now: float,
    ) -> None:
        """The connector, or 0, cannot be used until ``fault_cleared``. Said again, something else is wrong with it.

        A connector gets no energy meanwhile. With 0 nobody begins anything; what is under way goes on.

        Raises:
            LocalProtocolError: no such connector, NoError, EVCommunicationError, OtherError without a
                ``vendor_error_code``, or too long a text (CP16-036).
        """
        self._machine.advance(now)
        self._connectors.fault(connector, error_code, info, vendor_id, vendor_error_code)

    def fault_cleared(self, connector: int, *, now: float) -> None:
        """Nothing is wrong with the connector, or 0, any more: neither a fault nor a warning."""
        self._machine.advance(now)
        self._connectors.fault_cleared(connector)

    def warn(
        self,
        connector: int,
        error_code: ChargePointErrorCode,
        info: str = "",
        vendor_id: str | None = None,
        vendor_error_code: str | None = None,
        *,
        now: float,
    ) -> None:
        """Something is wrong that does not keep the connector, or 0, from working.

        It holds until the next status, the next warning, or ``fault_cleared``. It says nothing beside a fault.

        Raises:
            LocalProtocolError: no such connector, EVCommunicationError where there is no EV, OtherError without a
                ``vendor_error_code``, or too long a text (CP16-036).
        """
        self._machine.advance(now)
        self._connectors.warn(connector, error_code, info, vendor_id, vendor_error_code)

    # -- what the host has to say of drivers, cables, meters and power --

    def present(self, id_tag: str, connector: int | None = None, *, now: float) -> None:
        """An idTag was presented: at a connector, or where it might be meant for any.

        It stops or frees what is its own; else it begins something, where that can be; else it may stop what belongs
        to another of its group (CP16-042). See ``IdTagRefused``.

        Raises:
            ValueError: it is empty, longer than 20 characters, or no Unicode text.
            LocalProtocolError: there is no such connector; so it is with those that follow.
        """
        self._machine.advance(now)
        self._presentation.present(id_tag, connector)

    def stop(self, connector: int, reason: Reason = Reason.LOCAL, *, now: float) -> None:
        """Stop what goes on at a connector, or is about to: a button, an emergency. It may be nothing (CP16-063)."""
        self._machine.advance(now)
        self._presentation.stop(connector, reason)

    def locked(self, connector: int, locked: bool, *, now: float) -> None:
        """What became of a ``LockConnector`` (CP16-039)."""
        self._machine.advance(now)
        self._cables.locked(connector, locked)

    def unlocked(self, connector: int, unlocked: bool, *, now: float) -> None:
        """What became of an ``UnlockConnector``; or that the cable was unlocked by hand (CP16-087)."""
        self._machine.advance(now)
        self._cables.unlocked(connector, unlocked)

    def reading(self, ticket: int, values: Sequence[SampledValue], register: int, *, now: float) -> None:
        """What a ``TakeReading`` has shown: the values in any order, and the register in Wh.

        A ticket that nobody waits for any more changes nothing.

        Raises:
            LocalProtocolError: what was read does not fit into a message.
            ValueError: a value is not a decimal number.
        """
        self._machine.advance(now)
        self._metering.reading(ticket, values, register)

    def power_failing(self, *, now: float) -> None:
        """The power is about to go: whatever is under way ends now, as far as it is known (CP16-07A).

        Nothing but to drain and to commit matters then.
        """
        self._machine.advance(now)
        self._resets.power_failing()

    def reboot_failed(self, *, now: float) -> None:
        """A ``Reboot`` was not possible (CP16-093)."""
        self._machine.advance(now)
        self._resets.reboot_failed()

    # -- what the host has to say to the central system, as a vendor --

    def transfer_data(
        self, vendor_id: str, message_id: str | None = None, data: str | None = None, *, now: float
    ) -> int:
        """Send a vendor's message, now or not at all. Returns the ticket that its ``DataTransferred`` bears (CP16-200).

        Raises:
            LocalProtocolError: a name is too long.
        """
        self._machine.advance(now)
        return self._data_transfer.transfer_data(vendor_id, message_id, data)

    def on_data_transfer(self, vendor_id: str, hook: Hook) -> None:
        """Have a hook answer the messages of a vendor, in place of any before (CP16-200).

        It returns the response, or ``None`` if it has no message of that id; it may raise
        :class:`ocpp_sansio.Rejection`. For what else it raises see ``HookFailed``.
        """
        self._data_transfer.on_data_transfer(vendor_id, hook)


def _merged(tables: Iterable[Mapping[K, V]]) -> dict[K, V]:
    return {key: value for table in tables for key, value in table.items()}


BOOT: Final = "boot"
"""The topic of the number of boots."""
QUARANTINE: Final = "quarantine"
"""The topic of records that could not be read."""
