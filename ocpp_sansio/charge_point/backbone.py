"""What the blocks of a charge point share, and how they meet without knowing each other.

A block is one functional block: it answers some requests, hears notices of the others, keeps its own records. What it
needs of another is given to it by the composer as one of the protocols below. A profile that is still to come is one
more block, and nothing here changes for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final, Protocol, TypeVar

import attrs

from ocpp_sansio.errors import CallFailure, ConnectionLost, LocalProtocolError
from ocpp_sansio.machine import Answer, Line, Machine
from ocpp_sansio.messages import Request, Response
from ocpp_sansio.security_events import SecurityEvent
from ocpp_sansio.store import Put
from ocpp_sansio.v16 import (
    BootNotificationRequest,
    ChargePointErrorCode,
    ChargePointStatus,
    ChargingProfile,
    IdTagInfo,
    MessageTrigger,
    MeterValue,
    ReadingContext,
    Reason,
    RegistrationStatus,
    SampledValue,
)

from .clock import Clock, Moment
from .effects import Effect, SetClock
from .keys import MESSAGE_TIMEOUT, Key, Settings

__all__ = [
    "Authoriser",
    "Backbone",
    "Block",
    "Cables",
    "Charging",
    "Connector",
    "ConnectorSetup",
    "Connectors",
    "Gate",
    "KeyGate",
    "Lookup",
    "Meter",
    "Notice",
    "Outbox",
    "Presenting",
    "Reading",
    "Setup",
    "Transaction",
    "Use",
    "same_id_tag",
]

R = TypeVar("R", bound=Response)


# -- what the charge point is --


@attrs.frozen
class ConnectorSetup:
    """What the hardware of one connector is."""

    has_lock: bool = True
    """Whether there is a lock for the cable."""
    fixed_cable: bool = False
    """Whether the cable belongs to the charge point: it is never locked or unlocked here, and left to no one."""


@attrs.frozen
class Setup:
    """What the charge point is, and how its host wants it. It does not change while it runs."""

    boot: BootNotificationRequest
    """Who it says it is."""
    connectors: tuple[ConnectorSetup, ...] = (ConnectorSetup(),)
    """Connector 1 and those that follow (CP16-001)."""
    keys: tuple[Key[Any], ...] = ()
    """Configuration keys of its vendor's own."""
    measurands: frozenset[str] = frozenset({"Energy.Active.Import.Register"})
    """What its meters measure, perhaps with phases appended: other measurands are refused (CP16-114)."""
    boot_retry: float = 30.0
    """Seconds until the next BootNotification where the central system does not say (CP16-012, CP16-018)."""
    reading_timeout: float = 10.0
    """Seconds that the host has for a reading; then the last register known is used."""
    cache_size: int = 1000
    """Entries of the authorisation cache (CP16-048)."""
    max_queued_messages: int = 5000
    """Transaction messages that wait to be delivered; beyond it meter values are thinned (D-08)."""
    resume_after_power_loss: bool = False
    """Whether a transaction goes on after the power was lost, instead of being stopped (CP16-07A)."""
    unlock_timeout: float = 10.0
    """Seconds that the host has to report what became of an unlocking that the central system waits for (CP16-087)."""
    reset_patience: float = 30.0
    """Seconds that a reset waits until what has stopped is delivered (CP16-090)."""


# -- what there is to know about a connector, a reading, a transaction --


class Connector(Protocol):
    """One connector, as other blocks see it."""

    @property
    def id(self) -> int:
        """1 and up."""
        ...

    @property
    def setup(self) -> ConnectorSetup:
        """What its hardware is."""
        ...

    @property
    def status(self) -> ChargePointStatus:
        """Its state now."""
        ...

    @property
    def is_plugged(self) -> bool:
        """Whether a cable joins it with an EV."""
        ...

    @property
    def is_operative(self) -> bool:
        """Whether it could be used: it is neither Unavailable nor Faulted."""
        ...


@attrs.frozen
class Reading:
    """What a meter shows."""

    values: tuple[SampledValue, ...]
    register: int
    """Wh: the register of imported active energy."""
    moment: Moment

    @property
    def meter_value(self) -> MeterValue:
        """It in a message."""
        return MeterValue(timestamp=self.moment.utc, sampled_value=list(self.values))


@attrs.define(eq=False)
class Transaction:
    """A transaction, from when it is on record until its end is."""

    ref: int
    """What stands for it here: unique among all this charge point ever had (D-11)."""
    connector: int
    id_tag: str
    begun: Moment
    meter_start: int
    """Wh."""
    reservation_id: int | None = None
    parent_id_tag: str | None = None
    transaction_id: int | None = None
    """As the central system calls it; ``None``: not answered yet; -1: it never will be (CP16-075)."""
    is_refused: bool = False
    """Whether the central system's answer to its start was not Accepted (CP16-065)."""


@attrs.define(eq=False)
class Use:
    """What somebody means to do with a connector, before it has become a transaction."""

    connector: int
    id_tag: str
    parent_id_tag: str | None = None
    """As far as it is known."""
    reservation_id: int | None = None
    """The reservation that it consumes; set by the gate that knows of it (CP16-134)."""
    charging_profile: ChargingProfile | None = None
    """The TxProfile that a remote start brought along (CP16-085)."""


Gate = Callable[[Use], bool]
"""Whether a use may be. A profile appends its own to :attr:`Backbone.gates`; it is asked when somebody means to use a
connector, again once the idTag is authorised, and when all is there for a transaction to begin. It may fill in the
reservation (CP16-132)."""

KeyGate = Callable[[Key[Any], Any], bool]
"""Whether the central system may set a key to a value now. A profile appends its own to :attr:`Backbone.key_gates`."""


def same_id_tag(one: str | None, other: str | None) -> bool:
    """Whether both are there and the same: case makes no difference (CP16-004)."""
    return one is not None and other is not None and one.casefold() == other.casefold()


# -- notices: what one block tells all others --


@attrs.frozen
class LinkUp:
    """There is a link to the central system."""


@attrs.frozen
class LinkDown:
    """There is none any more."""


@attrs.frozen
class LinkFailed:
    """None came about, because the central system was not to be trusted (RPC-149)."""

    event: SecurityEvent


@attrs.frozen
class Accepted:
    """Messages may flow: the central system has accepted the charge point, or the link of one accepted is up again."""


@attrs.frozen
class ClockSet:
    """The clock has been put right."""


@attrs.frozen
class KeyChanged:
    """A configuration key has another value now."""

    key: Key[Any]


@attrs.frozen
class PlugChanged:
    """A cable was plugged in or pulled out."""

    connector: Connector


@attrs.frozen
class StatusMoved:
    """A connector went from one state to another."""

    connector: Connector
    old: ChargePointStatus
    new: ChargePointStatus


@attrs.frozen
class IdTagLearnt:
    """The central system said something about an idTag."""

    id_tag: str
    info: IdTagInfo


@attrs.frozen
class ReadingTaken:
    """The meter of a connector was read."""

    connector: int
    reading: Reading


@attrs.frozen
class TransactionBegun:
    """A transaction is under way: it has begun, or goes on after a boot that interrupted it."""

    transaction: Transaction
    reading: Reading
    """That of its begin, or of the end of the interruption."""
    charging_profile: ChargingProfile | None = None
    """What its use brought along, when it begins: for a block that knows what to do with it (CP16-085)."""


@attrs.frozen
class TransactionOver:
    """A transaction is under way no more."""

    transaction: Transaction


@attrs.frozen
class Delivered:
    """The central system has answered a transaction message."""

    request: Request[Any]
    response: Response
    transaction: int | None


@attrs.frozen
class GivenUp:
    """A transaction message is a dead letter (CP16-073)."""

    request: Request[Any]
    transaction: int | None


Notice = (
    Accepted
    | ClockSet
    | Delivered
    | GivenUp
    | IdTagLearnt
    | KeyChanged
    | LinkDown
    | LinkFailed
    | LinkUp
    | PlugChanged
    | ReadingTaken
    | StatusMoved
    | TransactionBegun
    | TransactionOver
)

Lookup = Callable[[str], IdTagInfo | None]
"""Called with an idTag, in whatever case; returns what a list of the charge point says about it, if it is there."""
Handler = Callable[[Any, Answer], None]
"""Called with a request of the central system and with what answers it: at once or later, once. It may raise
:class:`ocpp_sansio.Rejection` instead."""
Trigger = Callable[[int | None], Callable[[], None] | None]
"""Called with the connector of a TriggerMessage; returns what sends the message, or ``None`` to reject (CP16-180)."""


# -- the seams: what blocks are given of each other --


class Connectors(Protocol):
    """The connectors, for the blocks that make them change state."""

    def __getitem__(self, connector: int) -> Connector:
        """One of them. Raises :class:`KeyError` for a number there is none of."""
        ...

    def ids(self) -> Iterable[int]:
        """1 to NumberOfConnectors."""
        ...

    def use(self, connector: int) -> None:
        """Somebody means to use it: an idTag, a cable, a remote start (A2, F2, G2)."""
        ...

    def release(self, connector: int) -> None:
        """Nobody does any more (B1, F1), as far as no cable says otherwise."""
        ...

    def time_out(self, connector: int) -> None:
        """Nothing came of it in time: Finishing with a cable in, Available without (B6, B1; CP16-03C)."""
        ...

    def start(self, connector: int) -> None:
        """A transaction runs: until its end the state is whether the EV and the EVSE are ready (A3…A5, B3…B5)."""
        ...

    def allow_energy(self, connector: int, *, allowed: bool) -> None:
        """Whether the EVSE offers energy to the transaction: SuspendedEVSE if not (C5, E3; CP16-065)."""
        ...

    def end(self, connector: int) -> None:
        """The transaction is over: Finishing with a cable in, else Available, or Unavailable (C1, C6, C8)."""
        ...

    def fail(self, connector: int, error_code: ChargePointErrorCode, info: str = "") -> None:
        """It cannot be used until the fault is cleared (CP16-039)."""
        ...

    def remark(self, connector: int, error_code: ChargePointErrorCode, info: str = "") -> None:
        """Report something about it that does not keep it from working (CP16-036, CP16-067)."""
        ...


class Authoriser(Protocol):
    """Who may charge."""

    def authorise(self, id_tag: str, done: Callable[[IdTagInfo], None]) -> None:
        """Find out about an idTag as CP16-04E has it. ``done`` is called once, at once or later; Accepted or not."""
        ...

    def parent_of(self, id_tag: str) -> str | None:
        """The group of an idTag, as far as it is known here (CP16-005)."""
        ...


class Meter(Protocol):
    """The meters."""

    def read(self, connector: int, context: ReadingContext, done: Callable[[Reading], None]) -> None:
        """Have the host read a meter. ``done`` is called once, later: with what it shows, or what it last showed."""
        ...

    def transaction_data(self, transaction: Transaction, last: Reading) -> list[Reading]:
        """What goes into its StopTransaction, ``last`` at the end of it (CP16-147).

        Asked once, in the step that puts the end on record: nothing is kept of them any longer.
        """
        ...


class Outbox(Protocol):
    """Where transaction messages wait until the central system has taken them."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        ...

    @property
    def has_room(self) -> bool:
        """Whether another transaction may begin: its messages will have room (D-08)."""
        ...

    def deliver(self, request: Request[Any], moments: Sequence[Moment], transaction: int | None) -> None:
        """Keep a message and send it in its turn, with the transaction's id and the right times filled in (CP16-076).

        ``moments`` are those of all times in it: of its timestamp, if it has one, and of each meter value.
        """
        ...


class Cables(Protocol):
    """The locks of the cables."""

    def can_lock(self, connector: int) -> bool:
        """Whether there is a lock, and a cable that is not fixed."""
        ...

    def lock(self, connector: int, done: Callable[[bool], None]) -> None:
        """Have the cable locked, if there is anything to lock. ``done`` is told whether all is well."""
        ...

    def unlock(self, connector: int, done: Callable[[bool], None] | None = None) -> None:
        """Have the cable unlocked, if there is anything to unlock.

        ``done`` is told whether it is; that it is not, if the host does not say in time.
        """
        ...

    def hold(self, connector: int, id_tag: str, parent_id_tag: str | None) -> None:
        """Keep the cable locked until this idTag, or one of its group, is presented (CP16-065, CP16-067)."""
        ...

    def holder(self, connector: int) -> Use | None:
        """Whose cable is kept locked."""
        ...


class Charging(Protocol):
    """The transactions."""

    @property
    def has_room(self) -> bool:
        """Whether another one could be put on record and its messages kept (D-08, D-09)."""
        ...

    def on(self, connector: int) -> Transaction | None:
        """The one on a connector, until its end is on record."""
        ...

    def running(self) -> Iterable[Transaction]:
        """Those that nobody has stopped."""
        ...

    def start(self, use: Use, reading: Reading) -> None:
        """All that it takes is there: put it on record and offer energy (CP16-060)."""
        ...

    def stop(self, connector: int, reason: Reason, id_tag: str | None = None) -> None:
        """Stop the one on a connector; nothing happens if there is none, or somebody did already."""
        ...

    def stop_at_once(self, reason: Reason) -> None:
        """Stop all of them with what is known now, without waiting for a meter (CP16-07A)."""
        ...

    def recover(self, reason: Reason | None) -> None:
        """Deal with those that the last boot left; ``reason`` is why it ended, if that is known (CP16-091)."""
        ...


class Presenting(Protocol):
    """Who means to use which connector."""

    def choose(self, id_tag: str, connector: int | None = None) -> int | None:
        """A connector, or this one, that an idTag could start a transaction on; ``None``: there is none."""
        ...

    def start(
        self, id_tag: str, connector: int, *, authorised: bool, charging_profile: ChargingProfile | None = None
    ) -> None:
        """Use a connector that was chosen: as if the idTag had been presented there, perhaps authorised already."""
        ...

    def cancel(self, connector: int) -> None:
        """Whoever meant to use it does not any more."""
        ...


# -- the backbone --


class Block:
    """One functional block. What it does not override, it has no part in."""

    profile: ClassVar[str] = "Core"
    """The feature profile it belongs to (CP16-002, CP16-003)."""
    topics: ClassVar[tuple[str, ...]] = ()
    """Those of its records in the store."""

    def keys(self) -> Iterable[Key[Any]]:
        """The configuration keys that come with it, beyond those of Core."""
        return ()

    def handlers(self) -> Mapping[type[Request[Any]], Handler]:
        """The requests it answers."""
        return {}

    def triggers(self) -> Mapping[MessageTrigger, Trigger]:
        """The messages it can be made to send (CP16-181)."""
        return {}

    def hears(self) -> Mapping[type[Any], Callable[[Any], None]]:
        """The notices it acts on."""
        return {}

    def restore(self, record: Put) -> None:
        """Take in a record of an earlier life. Any exception is the record's fault: it is put aside (D-21)."""

    def begin(self) -> None:
        """All records of all blocks have been restored: go on from there."""


class Backbone:
    """The machine, the link, the time, the settings, and who hears what."""

    def __init__(self, setup: Setup, machine: Machine[Effect], clock: Clock, settings: Settings) -> None:
        self.setup: Final = setup
        self.machine: Final = machine
        self.line: Final = Line(machine)
        self.clock: Final = clock
        self.settings: Final = settings
        self.gates: Final[list[Gate]] = []
        """Who has a say in who may use which connector."""
        self.key_gates: Final[list[KeyGate]] = []
        """Who has a say in what the central system may set."""
        self.triggers: Final[dict[str, Trigger]] = {}
        """What the blocks can be made to send, by the names of the messages."""
        self.registration: RegistrationStatus | None = None
        """What the central system last said to a BootNotification of this boot; ``None``: nothing yet."""
        self.lists: Final[list[Lookup]] = []
        """Consulted about an idTag before the cache is. A block that keeps a local authorisation list adds itself."""
        self._listeners: dict[type[Any], list[Callable[[Any], None]]] = {}

    @property
    def is_online(self) -> bool:
        """Whether messages may be sent: there is a link, and the central system has accepted us (CP16-010)."""
        return self.line.is_up and self.registration is RegistrationStatus.ACCEPTED

    def require_connector(self, connector: int) -> None:
        """Check what the host says of a connector.

        Raises:
            LocalProtocolError: there is no such connector.
        """
        if not 1 <= connector <= len(self.setup.connectors):
            raise LocalProtocolError(f"there is no connector {connector}")

    def moment(self) -> Moment:
        """The time now."""
        return self.clock.moment(self.machine.now)

    def set_clock(self, utc: datetime) -> None:
        """The central system says what time it is. One that cannot be is passed over (CP16-011, CP16-021, D-19)."""
        if self.clock.set(utc, now=self.machine.now):
            self.machine.emit(SetClock(utc))
            self.publish(ClockSet())

    def call(
        self, request: Request[R], done: Callable[[R | CallFailure], None], *, even_if_pending: bool = False
    ) -> None:
        """Send a request that is of use now or never. ``done`` is told, later, what became of it.

        ``even_if_pending``: the central system has asked for it (CP16-014).
        """
        pending = even_if_pending and self.registration is RegistrationStatus.PENDING
        if self.is_online or (pending and self.line.is_up):
            self.line.call(request, done, timeout=self.message_timeout)
        else:
            self.machine.then(lambda: done(ConnectionLost(sent=False)))

    @property
    def message_timeout(self) -> float:
        """Seconds that the central system has for an answer (RPC-055)."""
        return float(self.settings[MESSAGE_TIMEOUT])

    def listen(self, block: Block) -> None:
        """Have a block hear its notices, after those that listen already."""
        for notice, act in block.hears().items():
            self._listeners.setdefault(notice, []).append(act)

    def publish(self, notice: Notice) -> None:
        """Tell all blocks."""
        for act in self._listeners.get(type(notice), ()):
            act(notice)
