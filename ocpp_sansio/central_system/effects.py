"""Everything a central system tells its driver and its application: small frozen values, made for ``match``.

An effect is told once what it tells of is durable. It is told once in the life of the process, and not again after a
restart: what was started and stopped until then is in the ledger.

* of the link: :class:`StationConnected`, :class:`StationDisconnected`, :class:`StationSilent`, :class:`StationBack`
* of registration: :class:`StationBooted`, :class:`MessageRefused`
* of drivers: :class:`IdTagChecked`
* of transactions: :class:`TransactionStarted`, :class:`TransactionUpdated`, :class:`TransactionStopped`,
  :class:`MeterValuesReceived`, :class:`LedgerAnomaly`, :class:`LedgerOverflow`
* of connectors: :class:`ConnectorReported`
* of commands, exactly one of each: :class:`CommandSucceeded`, :class:`CommandFailed`, :class:`CommandExpired`
* of what went wrong on this side: :class:`HookFailed`, :class:`RecordUnreadable`
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum, unique
from typing import Generic, TypeVar

import attrs

from ocpp_sansio.errors import CallFailure, LocalProtocolError
from ocpp_sansio.messages import FromCentralSystem, Response
from ocpp_sansio.v16 import (
    BootNotificationRequest,
    IdTagInfo,
    MeterValue,
    MeterValuesRequest,
    RegistrationStatus,
    StartTransactionRequest,
    StatusNotificationRequest,
    StopTransactionRequest,
)

from .entries import Transaction, UnmatchedStop

__all__ = [
    "Anomaly",
    "Command",
    "CommandExpired",
    "CommandFailed",
    "CommandRefused",
    "CommandSucceeded",
    "ConnectorReported",
    "Effect",
    "HookFailed",
    "IdTagChecked",
    "LedgerAnomaly",
    "LedgerOverflow",
    "MessageRefused",
    "MeterValuesReceived",
    "RecordUnreadable",
    "StationBack",
    "StationBooted",
    "StationConnected",
    "StationDisconnected",
    "StationSilent",
    "TransactionStarted",
    "TransactionStopped",
    "TransactionUpdated",
]

R = TypeVar("R", bound=Response)


# -- the link --


@attrs.frozen
class StationConnected:
    """A station has a link. If it had one, that is displaced (RPC-019)."""

    identity: str


@attrs.frozen
class StationDisconnected:
    """A station has no link any more."""

    identity: str


@attrs.frozen
class StationSilent:
    """A station has given no sign of life for ``Options.silent_after`` of its heartbeat intervals."""

    identity: str
    last_heard: datetime | None
    """When it gave the last one; ``None``: none since this central system was started."""


@attrs.frozen
class StationBack:
    """A station that was silent has given a sign of life (CS16-010)."""

    identity: str


# -- registration --


@attrs.frozen
class StationBooted:
    """A station has sent a BootNotification, and was answered."""

    identity: str
    request: BootNotificationRequest
    status: RegistrationStatus
    """What it was told."""
    interval: int
    """Seconds: what it was told with it (CP16-011, CP16-012)."""


@attrs.frozen
class MessageRefused:
    """A station that is not accepted has sent what it must not, and was told SecurityError (CS16-003, RPC-075).

    If nothing is known of it, it may have been accepted by a central system that did not keep its records: a
    TriggerMessage for a BootNotification helps then.
    """

    identity: str
    action: str


# -- drivers --


@attrs.frozen
class IdTagChecked:
    """A station has asked about an idTag with Authorize."""

    identity: str
    id_tag: str
    id_tag_info: IdTagInfo
    """What it was told."""


# -- transactions --


@attrs.frozen
class TransactionStarted:
    """A transaction has started, perhaps a while ago (CS16-044), perhaps with an idTag that is refused (CS16-040)."""

    transaction: Transaction


@attrs.frozen
class TransactionUpdated:
    """There are meter values of a transaction."""

    transaction: Transaction
    meter_value: tuple[MeterValue, ...]
    """Those that are new. The ledger keeps only how many there have been."""


@attrs.frozen
class TransactionStopped:
    """A transaction has ended, perhaps a while ago. It is in the ledger until it is told to forget it."""

    transaction: Transaction
    transaction_data: tuple[MeterValue, ...]
    """What the meter showed meanwhile (CP16-147). The ledger does not keep it."""


@attrs.frozen
class MeterValuesReceived:
    """There are meter values that belong to no transaction. They may come twice: a retry of these cannot be told."""

    identity: str
    request: MeterValuesRequest


@unique
class Anomaly(StrEnum):
    """What is odd about a message on a transaction. It is answered all the same (CS16-041)."""

    NO_CONNECTOR = "NoConnector"
    """A start on connector 0, or less (CP16-060). It is in the ledger as any other."""
    SUPERSEDED = "Superseded"
    """A start on a connector whose transaction is running (CP16-069). That one stays open for its late stop."""
    UNDELIVERED_START = "UndeliveredStart"
    """The id is -1: the station never learnt the real one (CP16-075, CS16-043). There may be a transaction whose
    start came and whose answer was lost, or none."""
    UNKNOWN_TRANSACTION = "UnknownTransaction"
    """No transaction in the ledger has the id."""
    FOREIGN_TRANSACTION = "ForeignTransaction"
    """The transaction is another station's. It is not touched, nor is anything told of it."""
    ALREADY_STOPPED = "AlreadyStopped"
    """Meter values of a transaction that has ended, or an end other than the one it had. The first end stands."""
    UNPRINTABLE_ID_TAG = "UnprintableIdTag"
    """A start with an idTag that nobody can have, with a NUL in it say (RPC-108, F-67). It is Invalid, whatever the
    hook would say, and in the ledger as it was told."""
    METER_BELOW_ZERO = "MeterBelowZero"
    """The meter showed less than nothing at the start. It is in the ledger as it was told."""
    METER_WENT_BACKWARDS = "MeterWentBackwards"
    """The meter shows less than before: in meter values, or at the end (CP16-066). All is kept as it was told."""
    STOPPED_BEFORE_STARTED = "StoppedBeforeStarted"
    """The end is earlier than the start: a clock was set (D-19). Both are in the ledger as they were told."""
    OTHER_CONNECTOR = "OtherConnector"
    """Meter values name a connector that is not the transaction's (CP16-144). They count as its own."""


@attrs.frozen
class LedgerAnomaly:
    """Something is odd about a message on a transaction."""

    kind: Anomaly
    identity: str
    request: StartTransactionRequest | StopTransactionRequest | MeterValuesRequest
    """The message, which is answered."""
    transaction: Transaction | None = None
    """The transaction of this station that it concerns: for a superseded one the older one."""
    unmatched: UnmatchedStop | None = None
    """What the ledger keeps of a stop that belongs to no transaction."""


@attrs.frozen
class LedgerOverflow:
    """The ledger has had to give up an entry for a bound of :class:`Options`. This is the last that is heard of it."""

    entry: Transaction | UnmatchedStop


# -- connectors --


@attrs.frozen
class ConnectorReported:
    """A station has told the status of a connector, or of itself (connector 0)."""

    identity: str
    request: StatusNotificationRequest


# -- commands --


class CommandRefused(LocalProtocolError):
    """The station must not be asked this in the state of its registration (CS16-002, CS16-005). Nothing was sent."""


@attrs.frozen(eq=False)
class Command(Generic[R]):
    """Something a station is asked, on its way to exactly one outcome: the handle that ``call`` returns."""

    identity: str
    request: FromCentralSystem[R]
    timeout: float | None
    """Seconds it may stay unanswered once sent; ``None``: as many as the session says."""
    expires_at: float | None
    """Until when, in terms of ``now``, it may wait to be sent; ``None``: it is not to wait for a link."""


@attrs.frozen
class CommandSucceeded(Generic[R]):
    """The station has answered. Whether it does what it was asked is in the response."""

    command: Command[R]
    response: R


@attrs.frozen
class CommandFailed:
    """There is no usable answer."""

    command: Command[Response]
    error: CallFailure | CommandRefused
    """Why. If it is :class:`ocpp_sansio.ConnectionLost` and was ``sent``, the station may have acted on it. It is
    :class:`CommandRefused` if the station's registration has changed while the command waited."""


@attrs.frozen
class CommandExpired:
    """It could not be sent in time, so it will not be."""

    command: Command[Response]


# -- what went wrong on this side --


@attrs.frozen
class HookFailed:
    """A hook of the application has raised, or has given what cannot be used."""

    identity: str
    hook: str
    """Which: ``registration``, ``authorise``, ``transaction_ids``, or the action that a handler was called for."""
    error: Exception


@attrs.frozen
class RecordUnreadable:
    """A record cannot be read. It is left where it is, and left out here (D-21)."""

    topic: str
    key: str
    error: Exception


Effect = (
    StationConnected
    | StationDisconnected
    | StationSilent
    | StationBack
    | StationBooted
    | MessageRefused
    | IdTagChecked
    | TransactionStarted
    | TransactionUpdated
    | TransactionStopped
    | MeterValuesReceived
    | LedgerAnomaly
    | LedgerOverflow
    | ConnectorReported
    | CommandSucceeded[Response]
    | CommandFailed
    | CommandExpired
    | HookFailed
    | RecordUnreadable
)
