"""What a charge point wants done, and what it tells: typed, frozen, made for ``match``.

The host is whoever has the hardware. It acts on each in the order given; where an outcome is awaited, the verb of
:class:`ChargePoint` that reports it is named.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs

from ocpp_sansio.errors import CallFailure
from ocpp_sansio.machine import StoreFailed
from ocpp_sansio.messages import Request
from ocpp_sansio.store import Persist
from ocpp_sansio.v16 import (
    AuthorizationStatus,
    ChargePointErrorCode,
    ChargePointStatus,
    DataTransferResponse,
    ReadingContext,
    Reason,
    RegistrationStatus,
)

__all__ = [
    "CableLocked",
    "ConfigurationChanged",
    "DataTransferred",
    "DeadLetter",
    "Effect",
    "HookFailed",
    "IdTagRefused",
    "LockConnector",
    "LogSecurityEvent",
    "MeterValuesThinned",
    "Reboot",
    "Reconnect",
    "RecordQuarantined",
    "RegistrationChanged",
    "SecurityEventDropped",
    "SetClock",
    "StartEnergy",
    "StatusChanged",
    "StopEnergy",
    "TakeReading",
    "TransactionBegan",
    "TransactionEnded",
    "UnlockConnector",
]


# -- what the host has to do --


@attrs.frozen
class LockConnector:
    """Lock the cable in. Report with ``locked``."""

    connector: int


@attrs.frozen
class UnlockConnector:
    """Unlock the cable. Report with ``unlocked``."""

    connector: int


@attrs.frozen
class StartEnergy:
    """Offer energy. What has started is on record when this comes (D-01). None is offered at boot, until this comes."""

    connector: int
    max_energy: int | None = None
    """Wh after which the host has to stop by itself; ``None``: no limit (CP16-065)."""


@attrs.frozen
class StopEnergy:
    """Stop offering energy. This waits for nothing, not even for the store."""

    connector: int


@attrs.frozen
class TakeReading:
    """Read the meter. Report with ``reading``, under the same ticket, as soon as possible."""

    ticket: int
    connector: int
    """0: the main meter (CP16-144)."""
    measurands: tuple[str, ...]
    """As they are spelled in the configuration: a phase may be appended (CFG16-18). The register is always wanted."""
    context: ReadingContext


@attrs.frozen
class Reboot:
    """Restart: the application, or all hardware. Afterwards there is a new :class:`ChargePoint`, from the store."""

    hard: bool


@attrs.frozen
class Reconnect:
    """Close the link in good order, once all is sent, and connect again with this (CP16-220, CP16-222)."""

    profile: int
    """The security profile."""
    password: bytes | None = attrs.field(repr=False)
    """For HTTP Basic authentication in the profiles 1 and 2 (RPC-143)."""


@attrs.frozen
class LogSecurityEvent:
    """Write this into the security log: everything about security goes there, sent or not (CP16-230)."""

    type: str
    """As the version spells it."""
    timestamp: datetime
    tech_info: str | None


@attrs.frozen
class SetClock:
    """The central system says what time it is (CP16-011, CP16-021)."""

    utc: datetime


# -- what the host may want to know --


@attrs.frozen
class RegistrationChanged:
    """The central system answered a BootNotification."""

    status: RegistrationStatus


@attrs.frozen
class StatusChanged:
    """A connector, or the charge point as connector 0, is in another state, or something else is wrong with it."""

    connector: int
    status: ChargePointStatus
    error_code: ChargePointErrorCode


@attrs.frozen
class CableLocked:
    """The cable stays locked until the same idTag, or one of its group, is presented (CP16-065, CP16-067)."""

    connector: int


@attrs.frozen
class IdTagRefused:
    """The holder of this idTag may not do what presenting it was for."""

    id_tag: str
    connector: int | None
    status: AuthorizationStatus | None
    """Why; ``None``: whoever it belongs to, there is nothing that it can start or stop here now."""


@attrs.frozen
class TransactionBegan:
    """A transaction is on record."""

    connector: int
    id_tag: str
    meter_start: int
    """Wh."""
    timestamp: datetime


@attrs.frozen
class TransactionEnded:
    """The end of a transaction is on record."""

    connector: int
    id_tag: str
    meter_stop: int
    """Wh."""
    timestamp: datetime
    reason: Reason


@attrs.frozen
class ConfigurationChanged:
    """The central system has set a configuration key."""

    key: str
    value: str = attrs.field(repr=False)
    """No log is to have it: it may be a secret (RPC-146)."""
    needs_reboot: bool
    """It is in force after the next boot."""


@attrs.frozen
class DeadLetter:
    """The central system did not take this message in any attempt; it is kept under another topic (D-07)."""

    request: Request[Any]
    error: CallFailure


@attrs.frozen
class MeterValuesThinned:
    """There was no room for so many meter values: every other one that was neither first nor last is gone (D-08)."""

    dropped: int
    """Since the start, in all."""


@attrs.frozen
class RecordQuarantined:
    """A record could not be read. It is kept under another topic, and everything else goes on (D-21)."""

    topic: str
    key: str
    error: Exception


@attrs.frozen
class SecurityEventDropped:
    """There was no room for one more: it is in the security log, and the central system does not hear of it (D-23)."""

    type: str


@attrs.frozen
class DataTransferred:
    """What became of a DataTransfer of the host's."""

    ticket: int
    outcome: DataTransferResponse | CallFailure


@attrs.frozen
class HookFailed:
    """A hook of the host has raised, or has given what cannot be sent: the central system was told InternalError."""

    vendor_id: str
    """As the central system has spelled it."""
    error: Exception


Effect = (
    CableLocked
    | ConfigurationChanged
    | DataTransferred
    | DeadLetter
    | HookFailed
    | IdTagRefused
    | LockConnector
    | LogSecurityEvent
    | MeterValuesThinned
    | Persist
    | Reboot
    | Reconnect
    | RecordQuarantined
    | RegistrationChanged
    | SecurityEventDropped
    | SetClock
    | StartEnergy
    | StatusChanged
    | StopEnergy
    | StoreFailed
    | TakeReading
    | TransactionBegan
    | TransactionEnded
    | UnlockConnector
)
