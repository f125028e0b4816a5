"""When a charge point connects, and where to: at once after it has started, patiently after that, and for ever.

Knows how the attempts so far went. It must not know what a target is, and it makes no connection: the driver does.

The driver's part:

1. When ``next_timeout()`` is due, ask ``dial()`` for the target of the next attempt, and try to connect there.
2. If a connection comes about, say so with ``connected``.
3. When the attempt has failed, or the connection is over, say so with ``failed``. Begin again.

``now`` is seconds of any monotonic clock. A ``now`` that goes backwards is taken for the latest one seen.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum, auto
from http import HTTPStatus
from typing import Final, Generic, TypeVar

import attrs

from .backoff import Backoff
from .errors import LocalProtocolError
from .events import ConnectionClosed, ConnectionRefused

__all__ = ["Cause", "DialFailure", "Dialer", "retry_after"]

T = TypeVar("T")

MAX_RETRY_AFTER: Final = 3600.0
"""Seconds that a server can ask for at once. It may ask again, but nobody can park a charge point for years."""
_ASKS_FOR_PATIENCE: Final = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}

Cause = ConnectionRefused | ConnectionClosed | Exception
"""Why there is no connection: the server refused it, it is over, or none came about: ``OSError`` nearly always."""


@attrs.frozen
class DialFailure(Generic[T]):
    """An attempt that failed, or a connection that is over."""

    target: T
    """Where it led to."""
    cause: Cause
    retry_in: float
    """Seconds until the next attempt, which may lead elsewhere."""

    def __str__(self) -> str:
        match self.cause:
            case ConnectionRefused(status=None, reason=reason):
                return reason
            case ConnectionRefused(status=status, reason=reason):
                return f"HTTP {status}: {reason}"
            case ConnectionClosed(code=code, reason=reason):
                return f"closed with {code}: {reason}" if reason else f"closed with {code}"
            case error:
                return str(error) or type(error).__name__


class _State(Enum):
    WAITING = auto()
    DIALLING = auto()
    CONNECTED = auto()


class Dialer(Generic[T]):
    """Tries the targets in their order, each so many times, and over again; it never gives up (RPC-129).

    The first attempt of all is made at once, every other one after a wait, which is twice as long each time
    (RPC-126), wherever the attempt leads. A connection that has come about makes it begin anew: with the first
    target, and with the shortest wait.

    A server that refuses with 429 or 503 can say in Retry-After when it wants to be asked again: not before that, with
    ``MAX_RETRY_AFTER`` as the bound. Whatever else it refuses with is a failure like any other, 401 and 404 too
    (RPC-015): somebody may be about to mend it. A redirect is one as well: nobody is sent elsewhere (F-16).

    Args:
        targets: in order of priority. What they are is up to the driver.
        now: the current time.
        chance: draws a random number from 0 to 1.
        backoff: how long to wait.
        attempts: how many at each target before the next one has its turn. NetworkProfileConnectionAttempts in 2.0.1
            and 2.1.

    Raises:
        ValueError: there is no target, or the number of attempts is not positive.
    """

    def __init__(
        self,
        targets: Sequence[T],
        *,
        now: float,
        chance: Callable[[], float],
        backoff: Backoff | None = None,
        attempts: int = 3,
    ) -> None:
        if not targets or attempts < 1:
            raise ValueError("need one or more targets, and one or more attempts at each")
        self.targets: Final = tuple(targets)
        self.last_failure: DialFailure[T] | None = None
        """Why there was no connection most recently, or is none any more."""
        self._chance = chance
        self._backoff = backoff or Backoff()
        self._attempts = attempts
        self._now = now
        self._state = _State.WAITING
        self._due = now
        self._made = 0
        """Attempts since the start, or since the last connection."""
        self._waits = 0
        """Waits since then."""
        self._closed_until = [-math.inf] * len(self.targets)
        """When each target is ready to be asked again."""

    @property
    def target(self) -> T:
        """Where the attempt or the connection leads to; while there is none, where the next attempt will."""
        return self.targets[self._index]

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection."""
        return self._state is _State.CONNECTED

    def next_timeout(self) -> float | None:
        """When ``dial`` wants to be called; ``None``: there is a connection, or an attempt under way."""
        return self._due if self._state is _State.WAITING else None

    def dial(self, *, now: float) -> T | None:
        """The target to try now; ``None``: it is not time yet, or there is nothing to try. Each is given out once."""
        self._advance(now)
        if self._state is not _State.WAITING or self._now < self._due:
            return None
        self._state = _State.DIALLING
        return self.target

    def connected(self, *, now: float) -> None:
        """The attempt has led to a connection: an OCPP version has been agreed upon.

        Raises:
            LocalProtocolError: there is no attempt under way.
        """
        self._advance(now)
        if self._state is not _State.DIALLING:
            raise LocalProtocolError("no attempt to connect is under way")
        self._state = _State.CONNECTED

    def failed(self, cause: Cause, *, now: float) -> DialFailure[T]:
        """The attempt has failed, or the connection is over. Returns what will happen, for the log.

        Raises:
            LocalProtocolError: there is neither.
        """
        self._advance(now)
        target, index = self.target, self._index
        if self._state is _State.WAITING:
            raise LocalProtocolError("no attempt to connect is under way, and there is no connection")
        if self._state is _State.CONNECTED:
            self._made = self._waits = 0
        else:
            self._made += 1
        if isinstance(cause, ConnectionRefused) and cause.status in _ASKS_FOR_PATIENCE:
            self._closed_until[index] = self._now + min(retry_after(cause.headers) or 0.0, MAX_RETRY_AFTER)
        self._state = _State.WAITING
        asked_for = self._closed_until[self._index] - self._now
        wait = self._backoff.wait(self._waits, self._chance(), at_least=asked_for)
        self._waits += 1
        self._due = self._now + wait
        self.last_failure = DialFailure(target, cause, wait)
        return self.last_failure

    @property
    def _index(self) -> int:
        return self._made // self._attempts % len(self.targets)

    def _advance(self, now: float) -> None:
        self._now = max(self._now, now)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a response asks to wait, of 0 or more; ``None``: it does not ask, or nobody can tell.

    ``headers`` have their names in lower case. A date is taken by the clock that the response itself was dated by, in
    its Date: that of a charge point may be wrong by years.
    """
    text = headers.get("retry-after", "").strip()
    if re.fullmatch("[0-9]+", text):
        return float(text)
    until, sent = _date(text), _date(headers.get("date", ""))
    return None if until is None or sent is None else max((until - sent).total_seconds(), 0.0)


def _date(text: str) -> datetime | None:
    """An HTTP date, in any of its three formats."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - seldom needed, and a lot to import

    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date
