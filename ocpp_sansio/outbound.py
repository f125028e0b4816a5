"""Our CALLs on their way to an outcome: one on the wire, the others behind it in order, the expired ones remembered.

Knows whose turn it is and when time is up. It must not know what a CALL or its answer says.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import attrs

from .codec import Codec
from .errors import CallCancelled, CallExpired, CallFailure, CallTimedOut, ConnectionLost
from .events import CallFailed, CallSucceeded, Deviation, Event, LateResponse, PendingCall
from .limits import Limits
from .messages import Response

__all__ = ["OutboundCall", "OutboundCalls"]


@attrs.define(eq=False)
class OutboundCall:
    """One of our CALLs, encoded, waiting or on the wire."""

    call: PendingCall[Any]
    codec: Codec[Response]
    """Reads the response."""
    text: bytes
    expires_at: float = math.inf
    """When it is not to be sent any more."""
    deadline: float = math.inf
    """When it times out, once it is on the wire."""
    settled: bool = False
    """Whether it has had its outcome and is known all the same: on the wire, if cancelled, or expired."""


class OutboundCalls:
    """All of them. Exactly one outcome is reported of each, and at most one is unanswered on the wire (RPC-050)."""

    def __init__(self, limits: Limits, send: Callable[[bytes], None], report: Callable[[Event], None]) -> None:
        self._limits: Final = limits
        self._send = send
        self._report: Final = report
        self.on_wire: OutboundCall | None = None
        """The one that is unanswered."""
        self._queue: dict[PendingCall[Any], OutboundCall] = {}
        self._expires_at = math.inf
        """When the first of the queue may expire: not later than it does."""
        self._expired: dict[str, OutboundCall] = {}

    @property
    def is_full(self) -> bool:
        """Whether no other one can be queued."""
        return self.on_wire is not None and len(self._queue) >= self._limits.max_queued_calls

    def knows(self, message_id: str) -> bool:
        """Whether one with this id may still be answered."""
        known = (call.message_id == message_id for call in self._queue)
        return self._is_on_wire(message_id) or message_id in self._expired or any(known)

    def asked(self, message_id: str) -> str | None:
        """The action of the one that an answer with this id would belong to; ``None``: there is none."""
        outbound = self.on_wire if self._is_on_wire(message_id) else self._expired.get(message_id)
        return None if outbound is None else outbound.call.action

    @property
    def deadline(self) -> float:
        """When the one on the wire times out, or one behind it has waited too long."""
        return min(self.on_wire.deadline, self._expires_at) if self.on_wire else math.inf

    def add(self, outbound: OutboundCall, now: float) -> None:
        """Send it, or queue it behind the one on the wire."""
        self._queue[outbound.call] = outbound
        self._send_next(now)
        if self.on_wire is not outbound and outbound.expires_at < self._expires_at:
            self._expires_at = outbound.expires_at

    def cancel(self, call: PendingCall[Any], now: float) -> None:
        """Give up on one, if it has had no outcome. On the wire it stays, until it is answered or times out."""
        queued = self._queue.pop(call, None)
        on_wire = self.on_wire
        if queued is not None:
            self._fail(queued, CallCancelled())
        elif on_wire is not None and on_wire.call is call and not on_wire.settled:
            self._fail(on_wire, CallCancelled())
            # Nobody waits for this answer any more; those behind it shall not wait for ever.
            on_wire.deadline = min(on_wire.deadline, now + self._limits.call_timeout)

    def take(self, message_id: str) -> OutboundCall | None:
        """The one that an answer with this id belongs to: on the wire, or expired. It is to be concluded."""
        if not self._is_on_wire(message_id):
            return self._expired.pop(message_id, None)
        outbound, self.on_wire = self.on_wire, None
        return outbound

    def conclude(
        self,
        outbound: OutboundCall,
        answer: Response | CallFailure,
        now: float,
        deviations: tuple[Deviation, ...] = (),
    ) -> None:
        """Give one that was taken the outcome that its answer is, and its place on the wire to the next."""
        if outbound.settled:
            self._report(LateResponse(outbound.call, answer, deviations))
        elif isinstance(answer, CallFailure):
            self._fail(outbound, answer, deviations)
        else:
            self._report(CallSucceeded(outbound.call, answer, deviations))
        self._send_next(now)

    def handle_timeout(self, now: float) -> None:
        """Time out the one on the wire if it is due, and know a late answer for one (RPC-057)."""
        self._expire(now)
        outbound = self.on_wire
        if outbound is not None and outbound.deadline <= now:
            self._fail(outbound, CallTimedOut(outbound.call.timeout))
            self.on_wire = None
            self._expired[outbound.call.message_id] = outbound
            if len(self._expired) > self._limits.max_expired_calls:
                del self._expired[next(iter(self._expired))]
            self._send_next(now)

    def lose(self, failure: type[ConnectionLost]) -> None:
        """The connection has ended: fail whatever has no outcome (RPC-131)."""
        if self.on_wire is not None:
            self._fail(self.on_wire, failure(sent=True))
        for queued in self._queue.values():
            self._fail(queued, failure(sent=False))
        self.on_wire = None
        self._queue.clear()
        self._expires_at = math.inf
        self._expired.clear()
        self._send = _discard  # The session's own method: it would keep the session from being freed (F-132).

    def _is_on_wire(self, message_id: str) -> bool:
        return self.on_wire is not None and self.on_wire.call.message_id == message_id

    def _send_next(self, now: float) -> None:
        """Put the next one on the wire if that is free. The time-out counts from here (RPC-054)."""
        self._expire(now)
        if self.on_wire is None and self._queue:
            self.on_wire = outbound = self._queue.pop(next(iter(self._queue)))
            outbound.deadline = now + outbound.call.timeout
            self._send(outbound.text)

    def _expire(self, now: float) -> None:
        """Give up those that have waited too long."""
        if self._expires_at <= now:
            for outbound in [each for each in self._queue.values() if each.expires_at <= now]:
                del self._queue[outbound.call]
                self._fail(outbound, CallExpired())
            self._expires_at = min((each.expires_at for each in self._queue.values()), default=math.inf)

    def _fail(self, outbound: OutboundCall, error: CallFailure, deviations: tuple[Deviation, ...] = ()) -> None:
        if not outbound.settled:
            outbound.settled = True
            self._report(CallFailed(outbound.call, error, deviations))


def _discard(_: bytes) -> None:
    """Stands in for what sent before the connection ended."""
