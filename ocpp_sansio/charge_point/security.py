"""The security extension, as far as it is about the link: the password, the security profile, the security events.

It makes no connection and knows no certificate: what there is to connect with it is told by the host, whom it tells
what to connect with. Certificates, logs and signed firmware are for other blocks.

What is in the store:

* ``security-event``: the events that the central system has not taken, under their sequence numbers (D-23).
* ``former-link``: what the last connection came about with, while what the central system changed since is unproven.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final

import attrs

from ocpp_sansio.diagnosis import validate
from ocpp_sansio.errors import CallFailure, CallTimedOut, ConnectionLost
from ocpp_sansio.messages import Response
from ocpp_sansio.security import SecurityProfile
from ocpp_sansio.security_events import SecurityEvent
from ocpp_sansio.store import Drop, Put, pack, unpack
from ocpp_sansio.v16 import SecurityEventNotificationRequest
from ocpp_sansio.version import Version

from .backbone import Accepted, Backbone, Block, ClockSet, KeyChanged, LinkFailed, LinkUp
from .clock import Moment
from .effects import DeadLetter, LogSecurityEvent, Reconnect, SecurityEventDropped
from .keys import (
    AUTHORIZATION_KEY,
    SECURITY,
    SECURITY_PROFILE,
    TRANSACTION_MESSAGE_ATTEMPTS,
    TRANSACTION_MESSAGE_RETRY_INTERVAL,
    Key,
)

__all__ = ["Equipment", "LinkSecurity", "Security"]

EVENTS: Final = "security-event"
FORMER: Final = "former-link"
LINK_PATIENCE: Final = 1.0
"""Seconds until a link that took no message, and yet is up, is asked again."""


@attrs.frozen
class Equipment:
    """What there is for the higher security profiles, beside the password (RPC-152)."""

    root_certificate: bool = False
    """By which the central system's certificate is judged: for TLS, the profiles 2 and 3."""
    client_certificate: bool = False
    """Our own: for profile 3."""


@attrs.frozen
class LinkSecurity:
    """How the charge point and its central system make sure of each other."""

    profile: SecurityProfile = attrs.field(converter=SecurityProfile)
    password: bytes | None = attrs.field(repr=False)


@attrs.frozen
class _Event:
    """A security event that waits."""

    type: str
    moment: Moment
    tech_info: str | None


class Security(Block):
    """Has password and profile changed, and reports what happens to its security (CP16-220, CP16-222, CP16-230).

    Its host is told to :class:`~ocpp_sansio.charge_point.effects.Reconnect` with what has been changed, and to
    :class:`~ocpp_sansio.charge_point.effects.LogSecurityEvent`.

    Args:
        core: the backbone.
        profile: the security profile from the factory; one that was set since counts more.
        password: the same for the bytes of the AuthorizationKey.
        equipment: what there is for higher profiles. It may be assigned anew at any time.
        max_events: how many events may wait.
    """

    topics: ClassVar[tuple[str, ...]] = (EVENTS, FORMER)

    def __init__(
        self,
        core: Backbone,
        *,
        profile: SecurityProfile | int = SecurityProfile.NONE,
        password: bytes | None = None,
        equipment: Equipment | None = None,
        max_events: int = 100,
    ) -> None:
        self.equipment = equipment or Equipment()
        self._core: Final = core
        self._max_events: Final = max_events
        core.settings[SECURITY_PROFILE] = int(profile)
        core.settings[AUTHORIZATION_KEY] = password
        core.key_gates.append(self._may_set)
        self._in_use: LinkSecurity | None = None
        self._former: LinkSecurity | None = None
        self._rows: dict[int, _Event] = {}
        self._attempts = 0
        """How often the central system has failed to process the first of them."""
        self._is_sending = False

    def keys(self) -> Iterable[Key[Any]]:
        """CFG16-47…52."""
        return SECURITY

    def hears(self) -> Mapping[type[Any], Callable[[Any], None]]:
        """What proves a change, what is one, why there is no link, when messages may flow, what time it really is."""
        return {
            Accepted: lambda _: self._send(),
            ClockSet: self._on_clock_set,
            KeyChanged: self._on_key_changed,
            LinkFailed: lambda notice: self._note(notice.event),
            LinkUp: self._on_link_up,
        }

    # -- an earlier life --

    def restore(self, record: Put) -> None:
        """Take in an event that waits, or what the link was before."""
        if record.topic == FORMER:
            self._former = LinkSecurity(*unpack(_KEPT, record.value))
        else:
            self._rows[int(record.key)] = unpack(_Event, record.value)

    def begin(self) -> None:
        """The device has started, which is the first event of each boot (CP16-231)."""
        self._rows = dict(sorted(self._rows.items()))
        self._in_use = self.link
        self._note(SecurityEvent.STARTUP_OF_THE_DEVICE)

    # -- how to connect --

    @property
    def link(self) -> LinkSecurity:
        """What to connect with."""
        settings = self._core.settings
        return LinkSecurity(settings[SECURITY_PROFILE], settings.get(AUTHORIZATION_KEY))

    @property
    def former_link(self) -> LinkSecurity | None:
        """What to fall back to if no connection comes about (RPC-152): set the keys to it with ``configure``.

        The answer to a change may not have reached the central system, which then goes on with the former password
        (CP16-220). ``None``: what there is has been proven, or nothing was changed.
        """
        return self._former

    def _may_set(self, key: Key[Any], value: Any) -> bool:
        """The profile goes only upward, and to one that there is all for (RPC-152, F-22)."""
        if key is not SECURITY_PROFILE:
            return True
        return self.link.profile.may_become(SecurityProfile(value), Version.V16) and all(
            there_is for profiles, there_is in self._prerequisites() if value in profiles
        )

    def _prerequisites(self) -> Iterable[tuple[set[int], bool]]:
        yield {1, 2}, self.link.password is not None
        yield {2, 3}, self.equipment.root_certificate
        yield {3}, self.equipment.client_certificate

    def _on_key_changed(self, notice: KeyChanged) -> None:
        if notice.key not in SECURITY:
            return
        self._note(SecurityEvent.RECONFIGURATION_OF_SECURITY_PARAMETERS, notice.key.name)  # never with the value
        before, self._in_use = self._in_use, self.link
        if before is None or not _differ(before, self._in_use):
            return
        if self._former is None:
            self._former = before
            self._core.machine.persist(Put(FORMER, "", pack((before.profile, before.password))))
        self._core.machine.emit(Reconnect(self._in_use.profile, self._in_use.password))

    def _on_link_up(self, _: LinkUp) -> None:
        if self._former is not None:
            self._former = None
            self._core.machine.persist(Drop(FORMER, ""))

    # -- what happens to our security --

    def report(self, event: SecurityEvent | str, tech_info: str | None = None, *, now: float) -> None:
        """Something has happened: log it, and tell the central system as soon as there is a connection (CP16-230).

        A kind that is not critical is only logged (CP16-231); a vendor's own, given as text, is told. One that waits
        already is not told twice, so what is noticed at each of many attempts to connect is told once (RPC-149).

        Raises:
            InvalidMessage: the text is too long.
        """
        self._core.machine.advance(now)
        self._note(event, tech_info)

    def _note(self, event: SecurityEvent | str, tech_info: str | None = None) -> None:
        kind = event.spelling(Version.V16) if isinstance(event, SecurityEvent) else event
        row = _Event(kind, self._core.moment(), tech_info)
        validate(_message(row))
        self._core.machine.emit(LogSecurityEvent(kind, row.moment.utc, tech_info))
        if (isinstance(event, SecurityEvent) and not event.is_sent(Version.V16)) or self._waits(row):
            return
        if len(self._rows) >= self._max_events:
            self._core.machine.emit(SecurityEventDropped(kind))
            return
        self._keep(max(self._rows, default=0) + 1, row)
        self._send()

    def _waits(self, row: _Event) -> bool:
        """Whether the same waits already. Of a link that fails, the first word is enough (RPC-149)."""
        alike = [each for each in self._rows.values() if each.type == row.type]
        return any(row.type in _ABOUT_THE_LINK or each.tech_info == row.tech_info for each in alike)

    def _keep(self, number: int, row: _Event) -> None:
        self._rows[number] = row
        self._core.machine.persist(Put(EVENTS, f"{number:012d}", pack(row)))

    def _on_clock_set(self, _: ClockSet) -> None:
        """Put right what was noted down before the time was known (D-19)."""
        for number, row in self._rows.items():
            moment = self._core.clock.corrected(row.moment)
            if moment != row.moment:
                self._keep(number, attrs.evolve(row, moment=moment))

    def _send(self) -> None:
        """Send the first of those that wait: one at a time, in their order (D-23)."""
        if self._is_sending or not self._rows or not self._core.is_online or _TIMER in self._core.machine.timers:
            return
        self._is_sending = True
        number, row = next(iter(self._rows.items()))
        request = _message(row)
        self._core.call(request, lambda outcome: self._on_outcome(number, request, outcome))

    def _on_outcome(
        self, number: int, request: SecurityEventNotificationRequest, outcome: Response | CallFailure
    ) -> None:
        self._is_sending = False
        if isinstance(outcome, ConnectionLost):
            if self._core.is_online:  # if it is down in a moment, the next one does not wait for this
                self._wait(_LINK_TIMER, LINK_PATIENCE)
            return
        if isinstance(outcome, CallFailure):
            settings = self._core.settings
            # Silence is no refusal: delivery is guaranteed (CP16-230).
            self._attempts += not isinstance(outcome, CallTimedOut)
            if self._attempts < max(settings[TRANSACTION_MESSAGE_ATTEMPTS], 1):
                self._wait(_TIMER, settings[TRANSACTION_MESSAGE_RETRY_INTERVAL])
                return
            self._core.machine.emit(DeadLetter(request, outcome))
        self._attempts = 0
        del self._rows[number]
        self._core.machine.persist(Drop(EVENTS, f"{number:012d}"))
        self._send()

    def _wait(self, timer: object, seconds: float) -> None:
        self._core.machine.timers.set(timer, self._core.machine.now + seconds, self._send)


_TIMER: Final = Security
_LINK_TIMER: Final = Security, LINK_PATIENCE
_KEPT: Final = tuple[SecurityProfile, bytes | None]

_ABOUT_THE_LINK: Final = frozenset(
    event.spelling(Version.V16)
    for event in (
        SecurityEvent.INVALID_CSMS_CERTIFICATE,
        SecurityEvent.INVALID_TLS_CIPHER_SUITE,
        SecurityEvent.INVALID_TLS_VERSION,
    )
)


def _differ(old: LinkSecurity, new: LinkSecurity) -> bool:
    """Whether a connection is made with something else. The password is of use in the profiles 1 and 2."""
    return old.profile != new.profile or (old.password != new.password and new.profile in _WITH_PASSWORD)


_WITH_PASSWORD: Final = {SecurityProfile.BASIC, SecurityProfile.TLS_BASIC}


def _message(row: _Event) -> SecurityEventNotificationRequest:
    return SecurityEventNotificationRequest(type=row.type, timestamp=row.moment.utc, tech_info=row.tech_info)
