"""From the request of a charge point to the answer: how often it may try, who it is, and who else is called so.

An :class:`Entry` is the way of one request. Who judges it is the application's ``authenticate`` hook; what happens
before and after is decided here, by the clock and by what has happened so far, within bounds on what is remembered.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from enum import Enum, unique
from http import HTTPStatus
from ipaddress import IPv6Address
from typing import Any, Final

import attrs

from .events import ConnectionRequested
from .header_fields import HeaderFields, checked_fields
from .limits import Limits
from .registry import Registry, Takeover
from .throttle import Throttle

__all__ = [
    "Admitted",
    "Authenticate",
    "Contested",
    "Decision",
    "Entrance",
    "Entry",
    "Incident",
    "OnIncident",
    "Refusal",
    "SecurityIncident",
    "Verdict",
]

MAX_PROVEN: Final = 100_000
"""Stations whose address is remembered: those that were authenticated last (F-129)."""

UNDECIDED_FOR: Final = 60.0
"""Seconds within which all attempts of a source no longer count as undecided, whatever has become of them."""


def _checked(headers: HeaderFields) -> tuple[tuple[str, str], ...]:
    return tuple(checked_fields(headers))


def _refuses(_instance: object, _attribute: object, status: HTTPStatus) -> None:
    if status < HTTPStatus.MULTIPLE_CHOICES:
        raise ValueError(f"HTTP status {status} does not refuse anything")


@attrs.frozen
class Refusal:
    """A refusal with header fields of its own: ``Refusal(HTTPStatus.TOO_MANY_REQUESTS, [("Retry-After", "60")])``.

    Raises:
        ValueError: the status does not refuse anything, or a header field is not fit to be sent.
    """

    status: HTTPStatus = attrs.field(converter=HTTPStatus, validator=_refuses)
    headers: tuple[tuple[str, str], ...] = attrs.field(default=(), converter=_checked)


Decision = bool | HTTPStatus | Refusal
"""Whether a charge point may connect: ``False`` refuses with 401, an HTTP status with itself (RPC-015, RPC-016)."""

Authenticate = Callable[[ConnectionRequested], Decision | Awaitable[Decision]]
"""What decides it."""


@unique
class Incident(Enum):
    """What the operator of a central system may want to know of."""

    AUTHENTICATION_FAILED = "authentication failed"
    ATTEMPTS_LIMITED = "attempts limited"
    """So many have failed that the next ones are refused unseen, with 429, for a while (F-29)."""
    TAKEOVER = "takeover"
    """A connection has taken the place of another one that was open (F-33)."""
    TAKEOVER_LIMITED = "takeover limited"
    """That has happened so often that the next ones are refused, with 429, for a while (F-36)."""


@attrs.frozen
class SecurityIncident:
    """What has happened, and to whom. There is no secret in it (F-40)."""

    kind: Incident
    identity: str
    """The one that the client has asked for: it may be anybody's."""
    source: str
    """The address it has come from; empty: nobody knows."""


OnIncident = Callable[[SecurityIncident], object]
"""What is told of incidents."""


@attrs.frozen
class Admitted:
    """Let it in."""


@attrs.frozen
class Contested:
    """Hold the request, probe these connections, and tell the outcome to :meth:`Entry.probed`."""

    rivals: tuple[Any, ...]


Verdict = Admitted | Contested | Refusal


class Entrance:
    """What is remembered from one request to the next."""

    def __init__(self, limits: Limits, takeover: Takeover) -> None:
        self.takeover: Final = takeover
        self.registry: Final = Registry()
        self.identities: Final = _failures(limits, limits.max_failures_per_identity)
        """Of requests from where the station is not known to be."""
        self.sources: Final = _failures(limits, limits.max_failures_per_source)
        """The same, whatever the station. Those refused count, and no others until there were too many."""
        self.undecided: Final = _undecided(limits)
        """By source, of the same requests, as long as there were not."""
        self.proven: Final = _failures(limits, limits.max_failures_per_identity)
        """By station, of requests from where it is known to be: nobody else's failures count (F-29)."""
        self.takeovers: Final = Throttle[str](
            burst=limits.max_takeovers,
            interval=limits.takeover_interval,
            max_interval=limits.takeover_interval,
            max_keys=limits.max_throttled,
        )
        self._known: dict[str, str] = {}

    def entry(self, request: ConnectionRequested, *, is_authenticating: bool) -> Entry:
        """The way in of a request."""
        return Entry(self, request, is_authenticating=is_authenticating)

    def is_known(self, identity: str, source: str) -> bool:
        """Whether this is where the station was authenticated the last time."""
        return source != "" and self._known.get(identity) == source

    def remember(self, identity: str, source: str) -> None:
        """It has been authenticated there."""
        self._known.pop(identity, None)
        self._known[identity] = source
        if len(self._known) > MAX_PROVEN:
            del self._known[next(iter(self._known))]


def _failures(limits: Limits, burst: int | None) -> Throttle[str]:
    return Throttle[str](
        burst=burst,
        interval=limits.failure_interval,
        max_interval=limits.max_failure_interval,
        max_keys=limits.max_throttled,
    )


def _undecided(limits: Limits) -> Throttle[str]:
    burst = limits.max_undecided_per_source
    interval = UNDECIDED_FOR / (burst or 1)
    return Throttle[str](burst=burst, interval=interval, max_interval=interval, max_keys=limits.max_throttled)


class Entry:
    """The way of one request: ``screen`` it, have it judged, and ``judge`` what has come of that."""

    def __init__(self, entrance: Entrance, request: ConnectionRequested, *, is_authenticating: bool) -> None:
        self._entrance = entrance
        self._request = request
        self._is_authenticating = is_authenticating
        # In any case of letters: who guesses has not as many attempts as there are spellings.
        self._identity = request.identity.lower()
        self._source = _network(request.source)
        self._taken: list[tuple[Throttle[str], str]] = []
        """What is given back unless the request turns out to be a failure."""
        self._is_undecided = False
        """Whether its source is charged only if it does."""
        self._was_last = False
        self.incidents: list[SecurityIncident] = []
        """What there is to report. It is for the driver to take out."""

    def screen(self, *, now: float) -> Refusal | None:
        """Whether the request is refused before anybody looks at its credentials: too many have failed (F-29)."""
        if not self._is_authenticating:
            return None
        # As an attempt upon a station it counts from its beginning, or any number of them could be made at the same
        # time. Against a source no attempt counts that has not failed: all stations behind one address come at once.
        for throttle, key in self._tolls(now):
            wait = throttle.take(key, now=now)
            if wait:
                self._give_back()
                return _too_many(wait)
            self._taken.append((throttle, key))
            self._was_last |= throttle.is_empty(key)
        return None

    def judge(self, decision: object, *, now: float, has_left: bool = False) -> Verdict:
        """What becomes of the request, once there is a :data:`Decision`. Whatever is none refuses with 500.

        Of a client that has left meanwhile it counts who it was, and it takes nobody's place (F-29, F-36).
        """
        refusal = _refusal(decision)
        if refusal is None:
            self._give_back()
            if self._is_authenticating:
                self._entrance.remember(self._identity, self._source)
            return Admitted() if has_left else self._enter(now)
        if refusal.status not in _FAILURES:
            self._give_back()
        else:
            if self._is_undecided:
                self._entrance.undecided.give_back(self._source)
                self._was_last |= self._entrance.sources.charge(self._source, now=now)
            self._report(Incident.AUTHENTICATION_FAILED)
            if self._was_last:
                self._report(Incident.ATTEMPTS_LIMITED)
        return refusal

    def probed(self, *, is_alive: bool, now: float) -> Verdict:
        """What becomes of a request that was :class:`Contested`, now that more is known of one of the others."""
        return Refusal(HTTPStatus.CONFLICT) if is_alive else self._enter(now)

    def _enter(self, now: float) -> Verdict:
        request, takeover = self._request, self._entrance.takeover
        if request.version is None:  # it will be closed before it is open (RPC-012)
            return Admitted()
        rivals = self._entrance.registry.rivals(request.identity, request.version)
        if not rivals:
            return Admitted()
        if takeover is Takeover.REFUSE_NEW:
            return Refusal(HTTPStatus.CONFLICT)
        if takeover is Takeover.PROBE or (takeover is Takeover.PROBE_UNPROVEN and not self._has_proven):
            return Contested(rivals)
        wait = self._entrance.takeovers.take(self._identity, now=now)
        if wait:
            return _too_many(wait)
        self._report(Incident.TAKEOVER)
        if self._entrance.takeovers.is_empty(self._identity):
            self._report(Incident.TAKEOVER_LIMITED)
        return Admitted()

    @property
    def _has_proven(self) -> bool:
        request = self._request
        return self._is_authenticating and (request.credentials is not None or request.certificate is not None)

    def _tolls(self, now: float) -> list[tuple[Throttle[str], str]]:
        entrance = self._entrance
        if entrance.is_known(self._identity, self._source):
            return [(entrance.proven, self._identity)]
        of_identity = entrance.identities, self._identity
        if not self._source:
            return [of_identity]
        # Where too many have failed, the next one counts from its beginning as well, until all is forgiven: nobody
        # waits for one attempt and makes a thousand.
        self._is_undecided = not entrance.sources.is_recovering(self._source, now=now)
        # The source first: who is held up there takes no place in the other table, nor an attempt from the station.
        return [(entrance.undecided if self._is_undecided else entrance.sources, self._source), of_identity]

    def _give_back(self) -> None:
        for throttle, key in self._taken:
            throttle.give_back(key)
        self._taken.clear()

    def _report(self, kind: Incident) -> None:
        self.incidents.append(SecurityIncident(kind, self._request.identity, self._request.source))


_FAILURES: Final = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
"""What refuses for who or what it is that asks. Other refusals are no reason to hold anybody up."""


def _refusal(decision: object) -> Refusal | None:
    if decision is True:
        return None
    if decision is False:
        return Refusal(HTTPStatus.UNAUTHORIZED)
    if isinstance(decision, Refusal):
        return decision
    if isinstance(decision, HTTPStatus) and decision >= HTTPStatus.MULTIPLE_CHOICES:
        return Refusal(decision)
    return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR)


def _too_many(wait: float) -> Refusal:
    return Refusal(HTTPStatus.TOO_MANY_REQUESTS, [("Retry-After", str(math.ceil(wait)))])


def _network(source: str) -> str:
    """Whose address it is: of IPv6, one subscriber has as many as share their first half."""
    if ":" not in source:
        return source
    try:
        address = IPv6Address(source)
    except ValueError:
        return source
    return str(address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64))
