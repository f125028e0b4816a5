"""The peer's CALLs on their way to an answer: with the application, held until that has capacity, or answered.

Knows which CALL is a repetition, and which the application has sat on for too long. It must not know what a CALL
or its answer says.
"""

from __future__ import annotations

import math
from typing import Any, Final
from weakref import ref

import msgspec

from .codec import Codec
from .errors import LocalProtocolError
from .events import CallReceived, Deviation
from .frames import Call
from .limits import Limits
from .messages import Response

__all__ = ["AnsweredCall", "InboundCall", "InboundCalls"]


# Both are made for every CALL, so they are of the cheapest kind to make.


class InboundCall(msgspec.Struct, eq=False):
    """One CALL that is with the application."""

    call: CallReceived[Any]
    response: Codec[Response]
    """Writes what answers it."""
    content: int
    """A keyed hash of its text, which tells a repetition from another CALL with its id. A peer cannot aim at it."""
    size: int
    """Characters of its text."""
    deadline: float


class AnsweredCall(msgspec.Struct, eq=False):
    """One that has been answered."""

    content: int
    """The hash of its text."""
    answer: bytes
    call: CallReceived[Any] | None
    """``None`` if the peer has no way of refusing the answer, has done so, or if the CALL was too large to keep."""


HeldCall = tuple[Call, str | bytes, tuple[Deviation, ...]]
"""The frame, its text, and what has been put up with so far."""


class InboundCalls:
    """All of them. Each is with the application at most once, and every table is bounded (F-93, F-98)."""

    def __init__(self, limits: Limits) -> None:
        self._limits: Final = limits
        self.in_progress: dict[str, InboundCall] = {}
        """Those that are with the application, by message id."""
        self._overdue: dict[int, ref[CallReceived[Any]]] = {}
        """Those that were answered in the application's place, by their identity, for as long as it has them."""
        self._answered: dict[str, AnsweredCall] = {}
        self.held: list[HeldCall] = []
        """Those that wait until others have been answered."""
        self._held_size = 0

    @property
    def deadline(self) -> float:
        """When the application has sat on one for too long."""
        # All have the same time-out, so the first that came is the first that is due.
        return next(iter(self.in_progress.values())).deadline if self.in_progress else math.inf

    def has_room_for(self, message_id: str) -> bool:
        """Whether the application may have a CALL with this id: it is new, and there are not too many."""
        return (
            len(self.in_progress) < self._limits.max_inbound_calls
            and message_id not in self.in_progress
            and message_id not in self._answered
        )

    def answered(self, message_id: str) -> AnsweredCall | None:
        """The answered CALL with this id, if it is remembered."""
        return self._answered.get(message_id)

    def begin(self, call: CallReceived[Any], response: Codec[Response], text: str | bytes, now: float) -> None:
        """Hand a CALL to the application."""
        deadline = now + (self._limits.answer_timeout or math.inf)
        self.in_progress[call.message_id] = InboundCall(call, response, hash(text), len(text), deadline)

    def find(self, call: CallReceived[Any]) -> InboundCall | None:
        """A CALL that the application wants to answer; ``None`` when it was answered in its place (F-99).

        Raises:
            LocalProtocolError: the application has answered it.
        """
        inbound = self.in_progress.get(call.message_id)
        if inbound is not None and inbound.call is call:
            return inbound
        overdue = self._overdue.get(id(call))
        if overdue is not None and overdue() is call:
            del self._overdue[id(call)]
            return None
        raise LocalProtocolError(f"the {call.action} with id {call.message_id} has been answered")

    def finish(self, inbound: InboundCall, answer: bytes, *, may_be_refused: bool) -> None:
        """Take a CALL from the application, and remember its answer in case it is repeated (RPC-042) or refused."""
        message_id = inbound.call.message_id
        del self.in_progress[message_id]
        # All that are kept take no more than one message may.
        is_kept = may_be_refused and inbound.size * self._limits.max_replays <= self._limits.max_message_size
        self._answered[message_id] = AnsweredCall(inbound.content, answer, inbound.call if is_kept else None)
        if len(self._answered) > self._limits.max_replays:
            del self._answered[next(iter(self._answered))]

    def forget(self, inbound: InboundCall) -> None:
        """Take a CALL from the application that it leaves unanswered."""
        del self.in_progress[inbound.call.message_id]

    def pop_overdue(self, now: float) -> InboundCall | None:
        """One that the application has sat on for too long; it is to be finished."""
        inbound = next(iter(self.in_progress.values()), None)
        if inbound is None or inbound.deadline > now:
            return None
        self._overdue = {key: call for key, call in self._overdue.items() if call() is not None}
        self._overdue[id(inbound.call)] = ref(inbound.call)
        return inbound

    def hold(self, frame: Call, text: str | bytes, deviations: tuple[Deviation, ...] = ()) -> bool:
        """Keep a CALL until others have been answered. Bounded: what was read is read, but a peer may go on."""
        if len(self.held) >= self._limits.max_held_calls or self._held_size + len(text) > self._limits.max_message_size:
            return False
        self._held_size += len(text)
        self.held.append((frame, text, deviations))
        return True

    def release(self) -> HeldCall | None:
        """The next CALL for the application, if that may have another one."""
        if not self.held or len(self.in_progress) >= self._limits.max_inbound_calls:
            return None
        held = self.held.pop(0)
        self._held_size -= len(held[1])
        return held

    def lose(self) -> None:
        """The connection has ended: nobody waits for an answer."""
        for table in (self.in_progress, self._overdue, self._answered, self.held):
            table.clear()
        self._held_size = 0
