"""What both roles stand on: deadlines, effects in their order, nothing told before it is durable, CALLs and who waits.

A :class:`Machine` turns what happens into effects. Whatever is to be kept of one step goes out first, as one
:class:`~ocpp_sansio.store.Persist`; every effect of the step, and every message it sends, waits until that is durable
(D-01, D-16). Meanwhile other steps may follow: their changes are collected, and go out as the next batch.

A :class:`Line` is one role's end of the link to one peer. It outlives connections.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any, Final, Generic, Protocol, TypeVar

import attrs

from .errors import CallFailure, CallRefused, ConnectionLost, ErrorCode, InvalidMessage, LocalProtocolError, Rejection
from .events import CallFailed, CallReceived, CallSucceeded, PendingCall
from .messages import Request, Response
from .store import Change, Drop, Persist, Put

__all__ = ["Answer", "Line", "Link", "Machine", "StoreFailed", "Timers"]

FIRST_RETRY: Final = 1.0
"""Seconds until a batch that could not be made durable is tried again; twice as long each time, up to the last."""
LAST_RETRY: Final = 60.0

R = TypeVar("R", bound=Response)
E = TypeVar("E")


@attrs.frozen
class StoreFailed:
    """What has to be kept could not be. Nothing more is said or done until it is; it will be asked for again (D-09)."""

    error: Exception
    retry_in: float
    """Seconds."""


class Timers:
    """What is due when: one deadline and what to do then for each key."""

    def __init__(self) -> None:
        self._due: dict[Hashable, tuple[float, Callable[[], None]]] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._due

    def set(self, key: Hashable, at: float, act: Callable[[], None]) -> None:
        """Have something done at a time, in place of what was to be done for this key."""
        self._due[key] = at, act

    def cancel(self, key: Hashable) -> None:
        """Do nothing for this key."""
        self._due.pop(key, None)

    @property
    def deadline(self) -> float:
        """When the next is due; ``math.inf`` for never."""
        return min((at for at, _ in self._due.values()), default=math.inf)

    def pop_due(self, now: float) -> Callable[[], None] | None:
        """What is due first, if anything is by now."""
        if not self._due:
            return None
        key = min(self._due, key=lambda key: self._due[key][0])
        at, act = self._due[key]
        if at > now:
            return None
        del self._due[key]
        return act


class Machine(Generic[E]):
    """The time, the deadlines and the effects of one role. ``E`` are the effects."""

    def __init__(self, *, now: float) -> None:
        self.now = now
        self.timers: Final = Timers()
        self._changes: dict[tuple[type[Change], str, str], Change] = {}
        self._effects: deque[E | Callable[[], None]] = deque()
        """What is to be seen of the steps since the last batch, once what they have to keep is durable."""
        self._free: deque[E | Callable[[], None]] = deque()
        """What may be seen now."""
        self._urgent: deque[E | StoreFailed] = deque()
        self._batch: Persist | None = None
        self._withheld: deque[E | Callable[[], None]] = deque()
        """What waits for that batch."""
        self._batch_is_out = False
        self._retry_in = FIRST_RETRY

    @property
    def is_store_failing(self) -> bool:
        """Whether a batch could not be made durable, and has not been since."""
        return self._retry_in > FIRST_RETRY

    # -- what a role does --

    def advance(self, now: float) -> None:
        """Take in the time. One that goes backwards is taken for the latest one seen."""
        self.now = max(self.now, now)

    def emit(self, effect: E) -> None:
        """Have the driver do something, once all that has to be kept is durable."""
        self._effects.append(effect)

    def urge(self, effect: E) -> None:
        """Have the driver do something at once, whatever waits for the store: energy has to be cut off in time."""
        self._urgent.append(effect)

    def withdraw(self, unwanted: Callable[[E], bool]) -> bool:
        """Take back effects that the driver has not seen. Returns whether there were any."""
        found = False
        for effects in (self._free, self._withheld, self._effects):
            kept = [effect for effect in effects if callable(effect) or not unwanted(effect)]
            found = found or len(kept) < len(effects)
            effects.clear()
            effects.extend(kept)
        return found

    def then(self, act: Callable[[], None]) -> None:
        """Do something in the place of an effect, once all that has to be kept is durable."""
        self._effects.append(act)

    def persist(self, *changes: Change) -> None:
        """Keep this. All of one step goes in one batch, ahead of every effect of the step."""
        for change in changes:
            if isinstance(change, Drop):
                self._changes.pop((Put, change.topic, change.key), None)
            # A record that is put after it was dropped is a new one, behind all others: both have to be told (D-10).
            self._changes[type(change), change.topic, change.key] = change

    # -- what the driver asks and tells --

    def next_event(self) -> E | Persist | StoreFailed | None:
        """The next thing to do; ``None`` when there is nothing left, or nothing before the batch is durable."""
        while True:
            if self._urgent:
                return self._urgent.popleft()
            if self._batch is not None:
                return self._offer(self._batch)
            if self._free:
                effect = self._free.popleft()
                if not callable(effect):
                    return effect
                effect()
            elif not self._seal():
                return None

    def _offer(self, batch: Persist) -> Persist | None:
        if self._batch_is_out:
            return None
        self._batch_is_out = True
        return batch

    def _seal(self) -> bool:
        """Close the books of the steps so far. Returns whether there was anything in them."""
        effects, self._effects = self._effects, deque()
        if not self._changes:
            self._free = effects
            return bool(effects)
        self._batch, self._batch_is_out = Persist(tuple(self._changes.values())), False
        self._withheld, self._changes = effects, {}
        return True

    def persisted(self, *, now: float) -> None:
        """The batch is durable: what waited for it may be seen. It may turn out to be so after all (D-09)."""
        self.advance(now)
        self._require_batch()
        self._batch = None
        self.timers.cancel(_STORE)
        self._free.extend(self._withheld)
        self._withheld.clear()
        self._retry_in = FIRST_RETRY

    def persist_failed(self, error: Exception, *, now: float) -> None:
        """The batch is not durable. It is asked for again, and all that waits for it goes on waiting (D-09)."""
        self.advance(now)
        self._require_batch()
        self._urgent.append(StoreFailed(error, self._retry_in))
        self.timers.set(_STORE, self.now + self._retry_in, self._retry)
        self._retry_in = min(2 * self._retry_in, LAST_RETRY)

    def _retry(self) -> None:
        self._batch_is_out = False

    def _require_batch(self) -> None:
        if self._batch is None or not self._batch_is_out:
            raise LocalProtocolError("there is no batch that is to be made durable")

    def next_timeout(self) -> float | None:
        """When ``handle_timeout`` wants to be called; ``None``: not before something else happens."""
        deadline = self.timers.deadline
        return None if deadline == math.inf else deadline

    def handle_timeout(self, *, now: float) -> None:
        """Let time pass: do what is due. An extra call does nothing."""
        self.advance(now)
        while (act := self.timers.pop_due(self.now)) is not None:
            act()


_STORE: Final = object()


# -- the link --


class Link(Protocol):
    """What a role needs of the session or the connection with its peer."""

    def call(self, request: Any, *, now: float, timeout: float | None = None) -> PendingCall[Any]:
        """Send a CALL."""
        ...

    def respond(self, call: CallReceived[Any], response: Any, *, now: float) -> bool:
        """Answer a CALL."""
        ...

    def reject(self, call: CallReceived[Any], code: ErrorCode, description: str = "", *, now: float) -> bool:
        """Answer a CALL with an error."""
        ...

    def ignore(self, call: CallReceived[Any], *, now: float) -> None:
        """Leave a CALL unanswered."""
        ...


Answer = Callable[[Any], None]
"""Called with the response to a CALL, once; at once or later."""
Done = Callable[[R | CallFailure], None]
"""Called with the one outcome of a CALL."""


class Line:
    """One role's end of the link to one peer: up or down, and who waits for the outcome of which CALL.

    Messages go out in their place among the effects of the machine: not before what they tell of is durable.
    """

    def __init__(self, machine: Machine[Any]) -> None:
        self._machine: Final = machine
        self._link: Link | None = None
        self._waiting: dict[PendingCall[Any], Done[Any]] = {}
        self.last_sent = -math.inf
        """When a message was last sent."""

    @property
    def is_up(self) -> bool:
        """Whether there is a link now."""
        return self._link is not None

    def up(self, link: Link) -> None:
        """There is a link. If there was one, it is gone."""
        self.down()
        self._link = link

    def down(self) -> None:
        """There is no link: each CALL that has no outcome yet has this one now (RPC-131)."""
        self._link = None
        waiting, self._waiting = self._waiting, {}
        for done in waiting.values():
            done(ConnectionLost(sent=True))

    def call(self, request: Request[R], done: Done[R], *, timeout: float | None = None) -> None:
        """Ask the peer. ``done`` is called once, with the response or why there is none, never before this returns."""
        link = self._link

        def send() -> None:
            if link is None or link is not self._link:
                done(ConnectionLost(sent=False))
                return
            try:
                pending = link.call(request, now=self._machine.now, timeout=timeout)
            except InvalidMessage as error:  # no other attempt can go better
                done(CallRefused(ErrorCode.FORMAT_VIOLATION.value, str(error)))
            except LocalProtocolError:  # it has ended, or too much is waiting: nothing was sent
                done(ConnectionLost(sent=False))
            else:
                self._waiting[pending] = done
                self.last_sent = self._machine.now

        self._machine.then(send)

    def receive_outcome(self, event: CallSucceeded[Any] | CallFailed) -> None:
        """A CALL has its outcome. One that is not ours, or has had one, changes nothing."""
        done = self._waiting.pop(event.call, None)
        if done is not None:
            done(event.response if isinstance(event, CallSucceeded) else event.error)

    def answer(self, call: CallReceived[R], response: R) -> None:
        """Answer the peer. Nothing happens if the link has gone since it asked."""
        self._on_link(lambda link: link.respond(call, response, now=self._machine.now))

    def refuse(self, call: CallReceived[Any], refusal: Rejection) -> None:
        """Answer the peer with an error. Nothing happens if the link has gone since it asked."""
        self._on_link(lambda link: link.reject(call, refusal.code, refusal.description, now=self._machine.now))

    def ignore(self, call: CallReceived[Any]) -> None:
        """Leave the peer without an answer (CP16-013)."""
        self._on_link(lambda link: link.ignore(call, now=self._machine.now))

    def _on_link(self, act: Callable[[Link], bool | None]) -> None:
        """Do something that may send a message, and says whether it has."""
        link = self._link

        def send() -> None:
            if link is None or link is not self._link:
                return
            with suppress(LocalProtocolError):  # it was answered long ago, in our place
                if act(link):
                    self.last_sent = self._machine.now

        self._machine.then(send)
