"""Who is taken on: what a BootNotification is answered with, and what may be said before it is Accepted, both ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

import attrs
import msgspec
from attrs.validators import and_, ge, instance_of, le

from ocpp_sansio.codec import codec_of
from ocpp_sansio.errors import ErrorCode, Rejection
from ocpp_sansio.messages import Request
from ocpp_sansio.store import Drop, Put, pack, unpack
from ocpp_sansio.tolerance import WARN_ONLY, read_payload
from ocpp_sansio.v16 import (
    BootNotificationRequest,
    BootNotificationResponse,
    ChangeConfigurationRequest,
    GetConfigurationRequest,
    MessageTrigger,
    RegistrationStatus,
    TriggerMessageRequest,
    TriggerMessageResponse,
    TriggerMessageStatus,
)

from .backbone import (
    Answered,
    Backbone,
    Block,
    Handler,
    LinkDown,
    LinkUp,
    Notice,
    Registered,
    Registration,
    StationForgotten,
)
from .effects import HookFailed, StationBooted

__all__ = ["Policy", "Registrations", "Verdict"]


@attrs.frozen
class Verdict:
    """What a station is told about being taken on.

    One that is not known at all is better refused its connection with 404 than told Rejected (CS16-004).
    """

    status: RegistrationStatus = attrs.field(
        default=RegistrationStatus.ACCEPTED, validator=instance_of(RegistrationStatus)
    )
    interval: int = attrs.field(default=300, validator=and_(instance_of(int), ge(0), le(2**31 - 1)))
    """Seconds. Accepted: between Heartbeats. Otherwise: to wait before the next BootNotification (CP16-012)."""


Policy = Callable[[BootNotificationRequest, str], Verdict]
"""Called with a BootNotification and the identity of who sent it. While it raises, the station is told InternalError,
and comes again."""


class Registrations(Block):
    """The state of registration of each station. A station keeps it over links and restarts (RPC-124)."""

    TOPIC: ClassVar[str] = "registration"

    def __init__(self, backbone: Backbone, policy: Policy) -> None:
        super().__init__(backbone)
        self._policy: Final = policy
        self._known: dict[str, Registration] = {}
        self._entitled: dict[str, set[str]] = {}
        """What stations that are Pending may send, because they have been asked to (CP16-014)."""

    def handlers(self) -> Mapping[type[Request[Any]], Handler]:
        """BootNotification."""
        return {BootNotificationRequest: self._boot}

    def hears(self) -> Mapping[type[Notice], Callable[[Any], None]]:
        """Of triggers that were accepted, and of links that end with what they entitled to."""
        return {
            Answered: self._entitle,
            LinkUp: self._disentitle,
            LinkDown: self._disentitle,
            StationForgotten: self._forget,
        }

    def topics(self) -> Mapping[str, Callable[[Put], None]]:
        """One record for each station that has booted."""
        return {self.TOPIC: self._restore}

    def of(self, identity: str) -> Registration | None:
        """What a station was told at its last BootNotification, and what it had said."""
        return self._known.get(identity)

    def status(self, identity: str) -> RegistrationStatus | None:
        """Whether a station is taken on; ``None``: it is not known to have booted."""
        known = self._known.get(identity)
        return None if known is None else known.status

    def admits(self, identity: str, action: str) -> bool:
        """Whether a station may send this now (CS16-003, CP16-014)."""
        return (
            action == MessageTrigger.BOOT_NOTIFICATION
            or self.status(identity) is RegistrationStatus.ACCEPTED
            or action in self._entitled.get(identity, ())
        )

    def forbids(self, identity: str, request: Request[Any]) -> str | None:
        """Why a station must not be asked this now (CS16-002, CS16-005); ``None``: it may be asked."""
        asks_for_boot = (
            isinstance(request, TriggerMessageRequest) and request.requested_message is MessageTrigger.BOOT_NOTIFICATION
        )
        match self.status(identity):
            case RegistrationStatus.ACCEPTED:
                return (
                    "an accepted station is not to be asked for a BootNotification (CS16-005)"
                    if asks_for_boot
                    else None
                )
            case RegistrationStatus.PENDING:
                may = isinstance(request, _WHILE_PENDING)
                return None if may else "a Pending station is only configured, and asked for messages (CS16-002)"
            case RegistrationStatus.REJECTED:
                return "a Rejected station is asked nothing (CS16-002)"
            case _:
                return None if asks_for_boot else "the station has not booted: it can only be asked to"

    def _boot(self, identity: str, request: BootNotificationRequest) -> BootNotificationResponse:
        try:
            verdict = self._policy(request, identity)
            status, interval = verdict.status, verdict.interval
        except Exception as error:  # noqa: BLE001 - whatever it raises, the station gets its answer
            self.backbone.emit(HookFailed(identity, "registration", error))
            raise Rejection(ErrorCode.INTERNAL_ERROR) from None
        utc = self.backbone.utc
        registration = Registration(identity=identity, request=request, status=status, interval=interval, booted_at=utc)
        self._known[identity] = registration
        self._entitled.pop(identity, None)
        self.backbone.machine.persist(Put(self.TOPIC, identity, pack(registration)))
        self.backbone.emit(StationBooted(identity, request, status, interval))
        self.backbone.publish(Registered(registration, has_booted=True))
        return BootNotificationResponse(status=status, current_time=utc, interval=interval)

    def _entitle(self, answered: Answered) -> None:
        request, response = answered.request, answered.response
        if (
            isinstance(request, TriggerMessageRequest)
            and isinstance(response, TriggerMessageResponse)
            and response.status is TriggerMessageStatus.ACCEPTED
            and self.status(answered.identity) is RegistrationStatus.PENDING
        ):
            self._entitled.setdefault(answered.identity, set()).add(request.requested_message)

    def _disentitle(self, notice: LinkUp | LinkDown | StationForgotten) -> None:
        self._entitled.pop(notice.identity, None)

    def _forget(self, notice: StationForgotten) -> None:
        if self._known.pop(notice.identity, None) is not None:
            self.backbone.machine.persist(Drop(self.TOPIC, notice.identity))

    def _restore(self, record: Put) -> None:
        kept = unpack(_Record, record.value)
        # As the session had let it in, whatever that had to put up with.
        request, _ = read_payload(codec_of(BootNotificationRequest), kept.request, WARN_ONLY)
        registration = Registration(
            identity=kept.identity,
            request=request,
            status=kept.status,
            interval=kept.interval,
            booted_at=kept.booted_at,
        )
        self._known[registration.identity] = registration
        self.backbone.remember(registration.identity)
        self.backbone.publish(Registered(registration, has_booted=False))


@attrs.frozen
class _Record:
    """What is kept of a :class:`Registration`."""

    identity: str
    request: msgspec.Raw
    status: RegistrationStatus
    interval: int
    booted_at: datetime


_WHILE_PENDING: Final = GetConfigurationRequest | ChangeConfigurationRequest | TriggerMessageRequest
