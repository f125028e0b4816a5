"""What one end was told, what it said and what it owes: the invariants of a session, checked after every step.

Whatever the peer and the application do:

* each call has exactly one outcome, and no more than one is unanswered on the wire (RPC-050);
* no id is used twice, and what is sent is JSON, within the limits;
* a CALLERROR answers nothing but a CALL, or what may have been one (RPC-063), and each CALL is answered at most as
  often as it came;
* all that is remembered is bounded;
* once it is over nothing more is said, sent or asked for.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

from ocpp_sansio import CallCancelled, Direction, ErrorCode, Limits, LocalProtocolError, Role, Session, Version
from ocpp_sansio.events import (
    CallFailed,
    CallOverdue,
    CallReceived,
    CallSucceeded,
    ConnectionClosed,
    ConnectionRefused,
    Event,
    LateResponse,
    Misbehaviour,
    PeerMisbehaved,
    PendingCall,
    SendReceived,
)
from ocpp_sansio.frames import MAX_ECHOED_ID, MAX_MESSAGE_ID

from . import oracles, samples

LIMITS = Limits(
    max_message_size=16384,
    max_values=256,
    max_reported_text=64,
    max_bad_messages=4,
    call_timeout=10,
    answer_timeout=25,
    max_queued_calls=2,
    max_inbound_calls=2,
    max_held_calls=3,
    max_replays=2,
    max_expired_calls=2,
    handshake_timeout=10,
    max_handshake_size=1024,
    max_headers=16,
    max_fragments=4,
    max_control_burst=4,
    max_control_rate=1,
)
"""So small that each is soon reached."""


class Ledger:
    """Of one end: a session, or a connection that has one."""

    def __init__(self, end: Any) -> None:
        self.end = end
        self.now = 0.0
        self.calls: list[PendingCall[Any]] = []
        self.open: list[CallReceived[Any]] = []
        """What the application has yet to answer."""
        self.is_over = self.was_over = False
        self._at = -math.inf
        """When the last text came or went, by the session's own time."""
        self._outcomes: Counter[PendingCall[Any]] = Counter()
        self._cancelled: set[PendingCall[Any]] = set()
        self._overdue: list[CallReceived[Any]] = []
        """Those that were answered in the application's place. That is not remembered of all of them."""
        self._excused: set[str] = set()
        """The ids of CALLs that need not be answered."""
        self._texts = self._texts_before = 0
        self._received: Counter[str] = Counter()
        """Of each id, the CALLs that came."""
        self._run: set[str] = set()
        """The ids of those that were delivered."""
        self._answered: Counter[str] = Counter()
        self._used: set[str] = set()
        """The ids of our own."""
        self._on_wire: PendingCall[Any] | None = None
        self._deadline = math.inf
        self._superseded: list[PendingCall[Any]] = []
        self._concluded: set[PendingCall[Any]] = set()
        """In this step."""
        self._incoming: Any = oracles.ABSENT
        """What the text that is being received is, if it is JSON."""
        self._is_receiving = False
        end.add_tap(self._tap)

    @property
    def session(self) -> Session | None:
        """That of the end; ``None``: it has none yet."""
        session: Session | None = self.end if isinstance(self.end, Session) else self.end._session
        return session

    @property
    def is_open(self) -> bool:
        """Whether anything can be said."""
        return not self.is_over and (isinstance(self.end, Session) or self.end.is_open)

    # -- steps --

    def step(self, act: Callable[..., Any], *args: Any, **options: Any) -> list[Event]:
        """Do something to the end, and see what comes of it."""
        self._texts_before = self._texts
        try:
            act(*args, now=self.now, **options)
        finally:
            self._incoming, self._is_receiving = oracles.ABSENT, False
            events = self._drain()
        return events

    def command(self, act: Callable[..., Any], *args: Any, **options: Any) -> bool:
        """The same, with what may be wrong to ask for: then it says so, and has no effect. Returns whether it had."""
        try:
            self.step(act, *args, **options)
        except LocalProtocolError:
            return False
        return True

    def call(self, number: int, timeout: float | None = None) -> None:
        """Ask the peer, in the smallest message of one of the actions there are."""
        session = self.session
        if session is None:
            return
        actions = samples.calls(session.version, session.role)
        request = samples.message(actions[number % len(actions)].request)

        def call(*, now: float) -> None:
            self.calls.append(self.end.call(request, now=now, timeout=timeout))

        has_room = len(session._ours._queue) < LIMITS.max_queued_calls
        assert self.command(call) == (self.is_open and has_room), "QueueFull, or SessionClosed"

    def cancel(self, number: int) -> None:
        """Give up on a call, which may have had its outcome long ago."""
        if not self.calls:
            return
        call = self.calls[number % len(self.calls)]
        if call is self._on_wire and not self._outcomes[call]:
            self._deadline = min(self._deadline, max(self._at, self.now) + LIMITS.call_timeout)
        self.step(self.end.cancel, call)
        assert self._outcomes[call] == 1

    def answer(self, number: int, how: str) -> None:
        """Answer an open CALL: ``respond``, ``reject`` or ``ignore``."""
        if not self.open:
            return
        call = self.open.pop(number % len(self.open))
        session = self.session
        assert session is not None
        if how == "respond":
            response = session.actions[call.action].response
            assert response is not None
            arguments = (call, samples.message(response))
        else:
            arguments = (call, ErrorCode.GENERIC_ERROR, "no") if how == "reject" else (call,)
        if how == "ignore":
            self._excused.add(call.message_id)
        act = getattr(self.end, how)
        was_open = self.command(act, *arguments)
        assert was_open or self._is_overdue(call), "an open CALL can be answered"
        if self.is_open:
            assert not self.command(act, *arguments), "but only once"

    def wait(self, seconds: float) -> None:
        """Let time pass, or have the driver's clock jump back."""
        self.now += seconds
        self.step(self.end.handle_timeout)

    def settle(self) -> None:
        """Answer what is open. Then every CALL has its answer, unless the peer went too far."""
        while self.open:
            self.answer(0, "reject")
        session = self.session
        if session is not None and session.must_close is None and not self.is_over:
            missing = {each for each in self._received if not self._answered[each]} - self._excused
            assert not missing, f"no answer to {missing}"
        assert self._answered.total() <= self._texts

    def lose(self) -> None:
        """The connection is lost: every account is settled, and nothing follows."""
        lose = self.end.connection_lost if isinstance(self.end, Session) else self.end.receive_eof
        self.step(lose)
        self.is_over = True
        assert [self._outcomes[call] for call in self.calls] == [1] * len(self.calls), "one outcome each (RPC-131)"
        assert self._outcomes.total() == len(self.calls)
        self.step(lose)
        self.wait(100.0)
        self.call(0)

    # -- what is seen --

    def _tap(self, direction: Direction, text: str, at: float) -> None:
        assert at >= self._at, "time never goes back"
        self._at = at
        value = oracles.read(text)
        if direction is Direction.IN:
            if "\ufffd" in text or not oracles.is_writable(text):
                value = oracles.ABSENT  # it may stand for bytes that are not UTF-8
            self._texts += 1
            self._incoming, self._is_receiving = value, True
            if _is_call(value):
                self._received[value[1]] += 1
            return
        assert not self.is_over, "sent after the end"
        assert len(text.encode()) <= LIMITS.max_message_size
        assert isinstance(value, list), text
        message_type, message_id = value[:2]
        assert message_type in self._version.dialect.message_types
        if message_type in (2, 6):
            assert message_id not in self._used, "an id is used again (RPC-041)"
            self._used.add(message_id)
        elif message_type == 5:
            assert message_id in self._used, "what is refused is an answer to us (RPC-072)"
        else:
            assert 0 < len(message_id) <= MAX_ECHOED_ID
            assert message_type == 4 or message_id in self._run
            assert not _is_answer(self._incoming, self._version), "an answer is answered (RPC-063)"
            self._answered[message_id] += 1
        if message_type == 2:
            self._put_on_wire()

    def _put_on_wire(self) -> None:
        session = self.session
        assert session is not None
        call, previous = session.on_wire, self._on_wire
        assert call is not None
        if previous is not None:
            is_due = self._at >= self._deadline
            assert is_due or self._is_receiving, "another CALL is unanswered (RPC-050)"
            if not (is_due and previous in self._cancelled):
                self._superseded.append(previous)
        self._on_wire, self._deadline = call, self._at + call.timeout

    @property
    def _version(self) -> Version:
        session = self.session
        assert session is not None
        return session.version

    def _drain(self) -> list[Event]:
        was_over, events = self.is_over, list(iter(self.end.next_event, None))
        assert not (was_over and events), f"after the end: {events}"
        for event in events:
            assert not self.is_over, f"after the last event: {event}"
            self._hear(event)
        assert all(call in self._concluded for call in self._superseded), "another CALL is unanswered (RPC-050)"
        self._superseded.clear()
        self._concluded.clear()
        assert len(events) <= 12 + self._texts - self._texts_before, "more than has happened"
        if self.session is not None:
            _check_bounds(self.session)
        return events

    def _hear(self, event: Event) -> None:
        match event:
            case CallReceived(message_id=message_id):
                same = [call for call in self.open if call.message_id == message_id]
                assert all(map(self._is_overdue, same)), "run twice (RPC-067)"
                self.open.append(event)
                self._run.add(message_id)
            case CallFailed(call=call, error=CallCancelled()):
                self._cancelled.add(call)
                self._conclude(call)
            case CallSucceeded(call=call) | CallFailed(call=call):
                self._conclude(call)
                self._free(call)
            case LateResponse(call=call):
                assert self._outcomes[call] == 1
                self._concluded.add(call)
                self._free(call)
            case PeerMisbehaved(text=text, message_id=message_id):
                assert len(text) <= LIMITS.max_reported_text
                if event.reason is Misbehaviour.TOO_MANY_CALLS:
                    assert message_id is not None
                    self._excused.add(message_id)
            case SendReceived():
                assert (self._version, self.end.role) == (Version.V21, Role.CENTRAL_SYSTEM)
            case CallOverdue(call=call):
                self._overdue.append(call)
            case ConnectionClosed() | ConnectionRefused():
                self.is_over = True
            case _:
                pass

    def _is_overdue(self, call: CallReceived[Any]) -> bool:
        return any(each is call for each in self._overdue)

    def _conclude(self, call: PendingCall[Any]) -> None:
        self._outcomes[call] += 1
        assert self._outcomes[call] == 1, "a second outcome"
        self._concluded.add(call)

    def _free(self, call: PendingCall[Any]) -> None:
        if call is self._on_wire:
            self._on_wire, self._deadline = None, math.inf


def _is_call(value: Any) -> bool:
    """Whether a text is a CALL that has to be answered, whatever it asks."""
    if not (isinstance(value, list) and len(value) == 4 and type(value[0]) is int and value[0] == 2):
        return False
    _, message_id, action, _ = value
    is_named = isinstance(message_id, str) and 0 < len(message_id) <= MAX_MESSAGE_ID and isinstance(action, str)
    return is_named and oracles.is_writable([message_id, action])


def _is_answer(value: Any, version: Version) -> bool:
    """Whether a text is of a type that nothing answers, whatever is wrong with it."""
    if not (isinstance(value, list) and value and type(value[0]) is int):
        return False
    return value[0] != 2 and value[0] in version.dialect.message_types


def _check_bounds(session: Session) -> None:
    """What is remembered of the peer's doings, and of ours."""
    ours, theirs = session._ours, session._theirs
    assert len(ours._queue) <= LIMITS.max_queued_calls
    assert len(ours._expired) <= LIMITS.max_expired_calls
    assert len(theirs.in_progress) <= LIMITS.max_inbound_calls
    assert len(theirs._answered) <= LIMITS.max_replays
    assert len(theirs.held) <= LIMITS.max_held_calls
    assert sum(len(text) for _, text, _ in theirs.held) == theirs._held_size
    assert theirs._held_size <= LIMITS.max_message_size
