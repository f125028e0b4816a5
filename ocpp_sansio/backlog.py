"""CALLs of a charge point that wait for a connection, and outlive those that come and go (RPC-131).

A :class:`Backlog` stands in front of the links of one charge point, one after the other. It gives a link one CALL at a
time, in their order, and the next when that has its outcome. One that has been sent when the link is lost fails: the
central system may have acted on it. All others wait for the next link. It must not know how a link comes about.

The driver's part:

1. Say ``link_up`` when a connection has opened, hand over each of its events with ``receive_event``, and say
   ``link_down`` when it is over.
2. After each of these, and after ``call``, ``cancel`` and ``handle_timeout``: act on ``next_event()`` until it returns
   ``None``, then drive the connection.
3. Call ``handle_timeout`` when ``next_timeout()`` is due.

``now`` is seconds of any monotonic clock. A ``now`` that goes backwards is taken for the latest one seen.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any, Final, Protocol, TypeVar

import attrs

from .diagnosis import validate
from .errors import (
    CallCancelled,
    CallExpired,
    CallFailure,
    ConnectionLost,
    LocalProtocolError,
    QueueFull,
    SessionClosed,
    Unsendable,
)
from .events import CallFailed, CallSucceeded, Event, PendingCall
from .limits import Limits, limits_or_default
from .messages import FromChargePoint, Response, Role

__all__ = ["Backlog", "CallLink"]

R = TypeVar("R", bound=Response)


class CallLink(Protocol):
    """What a backlog needs of a session or a connection."""

    def call(self, request: Any, *, now: float, timeout: float | None = None) -> PendingCall[Any]:
        """Send a CALL."""
        ...

    def cancel(self, call: PendingCall[Any], *, now: float) -> None:
        """Give up on a CALL."""
        ...


@attrs.define(eq=False)
class _Current:
    """A call that a link has."""

    link: CallLink
    call: PendingCall[Any]
    """Our handle of it."""
    sent: PendingCall[Any]
    """The link's."""
    expires_at: float
    given_up: bool = False


class Backlog:
    """The CALLs that wait for their turn, and the one that has it. Exactly one outcome is told of each.

    Args:
        limits: ``call_timeout`` is how long a CALL may stay unanswered once sent, unless it says otherwise;
            ``max_queued_calls`` may wait.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits: Final = limits_or_default(limits)
        self._now = -math.inf
        self._events: deque[CallSucceeded[Any] | CallFailed] = deque()
        self._queue: dict[PendingCall[Any], float] = {}
        """Those that wait, in their order, and when each is not to be sent any more."""
        self._link: CallLink | None = None
        self._current: _Current | None = None
        """The one that the link has."""
        self._closed = False

    # -- what the driver asks --

    def next_event(self) -> CallSucceeded[Any] | CallFailed | None:
        """The next outcome, of the call that ``call`` has returned; ``None`` when there is none left."""
        return self._events.popleft() if self._events else None

    def next_timeout(self) -> float | None:
        """When ``handle_timeout`` wants to be called; ``None``: not before something else happens."""
        deadline = min(self._queue.values(), default=math.inf)
        return None if deadline == math.inf else deadline

    # -- commands --

    def call(
        self,
        request: FromChargePoint[R],
        *,
        now: float,
        timeout: float | None = None,
        expires_in: float | None = None,
    ) -> PendingCall[R]:
        """Ask the central system, as soon as there is a link and every call before this one has had its outcome.

        ``timeout`` is in seconds from when the CALL is sent (RPC-054); ``None`` stands for ``Limits.call_timeout``,
        ``math.inf`` for no limit. With ``expires_in`` no link is given it when so many seconds have passed.

        Its outcome is one of those of :meth:`ocpp_sansio.ChargePointSession.call`, or a CallFailed with CallExpired,
        or with Unsendable, if the link that came about cannot take it.

        Raises:
            InvalidMessage: the request breaks its schema.
            QueueFull: ``Limits.max_queued_calls`` are waiting.
            SessionClosed: the backlog is closed.
            LocalProtocolError: a charge point does not send this in a CALL.
            ValueError: a number of seconds is not positive.
        """
        self._advance(now)
        if self._closed:
            raise SessionClosed("no connection will follow")
        if not _is_sent_in_a_call(request):
            raise LocalProtocolError(f"a {Role.CHARGE_POINT} does not send {type(request).__name__} in a CALL")
        for seconds in (timeout, expires_in):
            if seconds is not None and not seconds > 0:
                raise ValueError(f"expected a positive number of seconds, not {seconds}")
        validate(request)
        if len(self._queue) >= self.limits.max_queued_calls and not self._is_idle:
            raise QueueFull(f"{self.limits.max_queued_calls} calls are waiting already")
        name = type(request).__name__.removesuffix("Request")
        call = PendingCall("", name, request, self.limits.call_timeout if timeout is None else timeout)
        self._queue[call] = math.inf if expires_in is None else self._now + expires_in
        self._send_next()
        return call

    def cancel(self, call: PendingCall[Any], *, now: float) -> None:
        """Give up on a call: its outcome is CallCancelled, told by the link if that has it already.

        Nothing happens to one that has had its outcome.
        """
        self._advance(now)
        if self._queue.pop(call, None) is not None:
            self._fail(call, CallCancelled())
        elif self._current is not None and self._current.call is call:
            self._current.given_up = True
            self._current.link.cancel(self._current.sent, now=self._now)

    def close(self, *, now: float) -> None:
        """No other link will follow: each call that has no outcome yet fails with ConnectionLost."""
        self._advance(now)
        self._closed = True
        self.link_down(now=now)
        queue, self._queue = self._queue, {}
        for call in queue:
            self._fail(call, ConnectionLost(sent=False))

    # -- what happens --

    def link_up(self, link: CallLink, *, now: float) -> None:
        """There is a link. If there was one, it is gone."""
        self.link_down(now=now)
        self._link = link
        self._send_next()

    def link_down(self, *, now: float) -> None:
        """There is no link. Each of its events has been received; if one is missing, nobody knows what became of it."""
        self._advance(now)
        self._link = None
        if self._current is not None:
            current, self._current = self._current, None
            self._fail(current.call, ConnectionLost(sent=True))

    def receive_event(self, event: Event, *, now: float) -> None:
        """The link has told this. What is not about one of our calls changes nothing."""
        self._advance(now)
        current = self._current
        if current is not None and isinstance(event, CallSucceeded | CallFailed) and event.call is current.sent:
            self._current = None
            self._conclude(current, event)
        self._send_next()

    def handle_timeout(self, *, now: float) -> None:
        """Let time pass: give up what has waited too long. An extra call does nothing."""
        self._advance(now)

    # -- inside --

    @property
    def _is_idle(self) -> bool:
        """Whether the link waits for a CALL."""
        return self._link is not None and self._current is None and not self._queue

    def _conclude(self, current: _Current, outcome: CallSucceeded[Any] | CallFailed) -> None:
        error = outcome.error if isinstance(outcome, CallFailed) else None
        if not isinstance(error, ConnectionLost) or error.sent:
            self._events.append(attrs.evolve(outcome, call=current.call))
        elif current.given_up:
            self._fail(current.call, CallCancelled())
        else:
            # It waits for the next link, ahead of all others. This one is about to be gone.
            self._link = None
            self._queue = {current.call: current.expires_at, **self._queue}

    def _send_next(self) -> None:
        """Give the link what is to be sent next, if it has nothing of ours."""
        while self._link is not None and self._current is None and self._queue:
            call = next(iter(self._queue))
            try:
                sent = self._link.call(call.request, now=self._now, timeout=call.timeout)
            except SessionClosed:  # it is about to be gone
                self._link = None
            except LocalProtocolError as error:
                del self._queue[call]
                self._fail(call, Unsendable(str(error)))
            else:
                self._current = _Current(self._link, call, sent, self._queue.pop(call))

    def _fail(self, call: PendingCall[Any], error: CallFailure) -> None:
        self._events.append(CallFailed(call, error))

    def _advance(self, now: float) -> None:
        self._now = max(self._now, now)
        for call in [call for call, at in self._queue.items() if at <= self._now]:
            del self._queue[call]
            self._fail(call, CallExpired())


def _is_sent_in_a_call(request: object) -> bool:
    return isinstance(request, FromChargePoint)
