"""Brings the events of a connection to handlers, and outcomes to who waits for them; under every adapter alike.

Knows the verbs of a connection and of the application object. It must not know sockets, loops or threads: those
belong to the adapter, which fills in the few methods marked abstract. It holds no rule of the protocol either: what
is answered to whom, and when, is decided by :mod:`ocpp_sansio`.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from functools import partial
from inspect import isawaitable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Protocol, TypeVar

from ocpp_sansio import (
    CallFailed,
    CallOverdue,
    CallReceived,
    CallSucceeded,
    CentralSystemConnection,
    ChargePointConnection,
    ConnectionClosed,
    ConnectionLost,
    ConnectionOpened,
    ConnectionRefused,
    Deviation,
    Direction,
    DuplicateCall,
    ErrorCode,
    LateResponse,
    LocalProtocolError,
    OcppError,
    PeerMisbehaved,
    PendingCall,
    ProbeAnswered,
    QueueFull,
    Rejection,
    Request,
    Response,
    ResultRefused,
    SendReceived,
    SessionClosed,
    Version,
)
from ocpp_sansio.channel import Channel
from ocpp_sansio.handlers import Handlers
from ocpp_sansio.handshake import SILENT_VISIT

from ._left_behind import LeftBehind, Work
from ._logging import fields, log_messages, logger, plain
from .observing import Observer, Watch

if TYPE_CHECKING:
    from ._roles import Wire

from ._endings import TOO_MUCH, Leave

__all__ = ["CONNECTED", "Attendant", "C", "Dispatcher", "F", "Flag", "H", "L", "Waiter", "is_fault"]

CONNECTED: Final = SimpleNamespace(action="on_connected", message_id=None)
"""What a hook is about that is told of connections, for the log."""
MAX_COMPLAINTS: Final = 50
"""Lines about what a peer does wrong or in vain, for one connection."""

# What comes out of a handler when it is somebody else who wants it to end.
_STOPS: Final = (KeyboardInterrupt, SystemExit, GeneratorExit, BaseExceptionGroup)


class Flag(Protocol):
    """Something a task or a thread can wait for: set once, never cleared."""

    def set(self) -> object: ...
    def is_set(self) -> bool: ...


R = TypeVar("R", bound=Response)
C = TypeVar("C", bound=ChargePointConnection | CentralSystemConnection)
L = TypeVar("L", bound=Channel[Any, Any])
H = TypeVar("H", bound=Handlers)
F = TypeVar("F", bound=Flag)


class Waiter(Generic[R, F]):
    """Where the outcome of a call is left for the one task or thread that waits for it.

    ``call`` is its handle: a session's, or a role's.
    """

    __slots__ = ("call", "flag", "outcome")

    def __init__(self, call: Any, flag: F) -> None:
        self.call = call
        self.flag = flag
        self.outcome: R | OcppError | None = None

    def settle(self, outcome: R | OcppError) -> None:
        """Leave the outcome and wake who waits."""
        self.outcome = outcome
        self.flag.set()

    def result(self) -> R:
        """The response, once the flag is set.

        Raises:
            OcppError: it came to that, to a CallFailure nearly always.
        """
        assert self.outcome is not None
        if isinstance(self.outcome, OcppError):
            raise self.outcome
        return self.outcome


def is_fault(error: BaseException) -> bool:
    """Whether what came out of the application's code is its fault, and not somebody stopping it (F-12)."""
    return isinstance(error, Exception) or not isinstance(error, _STOPS)


class Attendant(Protocol):
    """Who waits for a connection to open, and to end."""

    def wire(self, driver: Dispatcher[Any, Any, Any], version: Version) -> Wire | None:
        """It has. What this returns is told everything, and answers every CALL; ``None``: that is for the handlers."""
        ...

    def unwire(self) -> None:
        """It has ended, though its transport may still be there for a while."""
        ...


class Dispatcher(ABC, Generic[L, H, F]):
    """Brings the events of one connection to handlers and waiters. The adapter's driver is one."""

    # Many of them are idle, thousands at a time.
    __slots__ = (
        "_askers",
        "_at_work",
        "_attentive",
        "_complaints",
        "_hearing",
        "_leave",
        "_left_behind",
        "_reactions",
        "_unheard",
        "_waiters",
        "_watch",
        "_wire",
        "connection",
        "decided",
        "end",
        "handlers",
        "identity",
        "lost",
        "observer",
        "peer",
        "runner",
    )

    source: str = ""
    """The address of a client, without its port; empty: it is a server, or nobody knows."""
    new_flag: type[F]
    now: Callable[[], float]
    """Monotonic seconds."""

    def __init__(self, connection: L, handlers: H, identity: str = "") -> None:
        self.connection: Final = connection
        self.handlers: Final = handlers
        self.identity = identity
        self.peer: Any = None
        """What handlers are given: the adapter's object for the other end."""
        self.decided: Final = self.new_flag()
        """Set when the handshake is over, one way or the other."""
        self.lost: Final = self.new_flag()
        """Set when the transport is gone."""
        self.end: ConnectionClosed | ConnectionRefused | None = None
        """How the connection ended."""
        self.runner: Attendant | None = None
        """Where the role is run that this connection is for, or who keeps it, if there is one of the two."""
        self._wire: Wire | None = None
        """The way there, once the connection is open."""
        self._waiters: dict[PendingCall[Any], Waiter[Any, F]] = {}
        self._unheard: deque[tuple[Any, Callable[[], object]]] = deque()
        """What has come and needs no answer, until fewer handlers of such things are at work: message and handler."""
        self._hearing = 0
        self._at_work: dict[Work, None] = {}
        """Handlers that wait for something."""
        self._left_behind: LeftBehind | None = None
        """Those that nobody waits for any more, once there are any."""
        self._attentive = False
        """Whether there is something to see to after each event."""
        self._leave: Leave | None = None
        """How the connection is to be closed once no CALL is under way."""
        self._askers: tuple[Callable[[bool], None], ...] = ()
        """Who wants to know whether the peer is alive."""
        self._complaints = 0
        self.observer: Observer | None = None
        """Who wants to know what happens."""
        self._watch: Watch | None = None
        """Tells it, once the connection is open."""
        self._reactions: Mapping[type[Any], Callable[[Any, Any], None]] = self._REACTIONS
        log_messages(self)

    # -- for the adapter to fill in --

    @abstractmethod
    def drive(self) -> None:
        """Act on events, send, set the alarm: what is owed to the connection after every mutation."""

    @abstractmethod
    def spawn(self, work: Coroutine[Any, Any, None]) -> Callable[[], object]:
        """Run what waits for something, beside the connection. Returns what cancels it."""

    @property
    @abstractmethod
    def is_choked(self) -> bool:
        """Whether more than ``Limits.max_unsent`` waits for the peer to read it (F-06)."""

    def is_fault(self, error: BaseException) -> bool:
        """Whether what came out of a handler is its fault, and not somebody stopping it (F-12)."""
        return is_fault(error)

    # -- commands --

    def begin(self, request: Request[R], timeout: float | None, expires_in: float | None) -> PendingCall[R]:
        """Hand a new call to the session.

        Raises:
            ConnectionLost: the connection is closing, or gone: whoever calls cannot know.
            LocalProtocolError: the request is not valid, or not for this side to send. Nothing was sent.
        """
        connection: Any = self.connection
        try:
            call: PendingCall[R] = connection.call(request, now=self.now(), timeout=timeout, expires_in=expires_in)
        except SessionClosed:
            raise ConnectionLost(sent=False) from None
        return call

    def wait_for(self, call: PendingCall[R], context: Context | None = None) -> Waiter[R, F]:
        """Have a new call, made in this context or in the current one, sent; its outcome will come to the waiter."""
        waiter = self._waiters[call] = Waiter(call, self.new_flag())
        self.begun(call, context)
        self.drive()
        return waiter

    def follow(self, waiter: Waiter[Any, Any], context: Context | None) -> None:
        """Have the outcome of a new call brought to a waiter. To have it sent is for who asks for this."""
        self._waiters[waiter.call] = waiter
        self.begun(waiter.call, context)

    def begun(self, call: PendingCall[Any], context: Context | None = None) -> None:
        """A new call has been handed to the session."""
        if self._watch is not None:
            self._watch.calling(call, context)

    def give_up(self, waiter: Waiter[Any, F]) -> None:
        """Nobody waits for the outcome any more. If it has come meanwhile, nothing happens (F-11)."""
        if self._waiters.pop(waiter.call, None) is not None:
            self.connection.cancel(waiter.call, now=self.now())
            self.drive()

    def refuse_if_choked(self) -> None:
        """Before something is sent that waits for nothing.

        Raises:
            QueueFull: the peer does not read what it has been sent.
        """
        if self.is_choked:
            raise QueueFull(
                f"more than {self.connection.limits.max_unsent} bytes are waiting for the peer to read them"
            )

    def begin_close(self, code: int, reason: str) -> None:
        """Start the closing handshake. Nothing happens on a connection that is closing."""
        self.connection.close(code, reason, now=self.now())
        self.drive()

    def leave(self, how: Leave) -> None:
        """Close the connection as soon as no CALL is under way on it. One that is not open yet is told to come back."""
        if self.end is None:
            self._leave, self._attentive = how, True
            self.drive()

    def let_go(self) -> None:
        """The transport is gone. The last thing that happens: who waits for it expects everything else to be over."""
        self.peer = self._watch = self._wire = None  # they refer back to this dispatcher (F-132)
        self.lost.set()

    def perform(self, act: Callable[[], None]) -> None:
        """Have something done that a role wants done, or another connection."""
        act()
        self.drive()

    def ask_for_life(self, tell: Callable[[bool], None]) -> None:
        """Find out whether the peer is there (F-33, F-34). The answer is told where this connection is run."""
        self.perform(partial(self._ask_for_life, tell))
        if self.lost.is_set():  # there may be nobody left who does that
            tell(False)

    def _ask_for_life(self, tell: Callable[[bool], None]) -> None:
        if self.end is not None:
            tell(False)
        else:
            self._askers += (tell,)
            self.connection.probe(now=self.now())

    def _tell_askers(self, is_alive: bool) -> None:
        askers, self._askers = self._askers, ()
        for tell in askers:
            tell(is_alive)

    # -- events --

    def react(self) -> None:
        """Act on every event."""
        next_event = self.connection.next_event
        while (event := next_event()) is not None:
            self._reactions[type(event)](self, event)
            if self._wire is not None:
                self._wire.carry(event)
        if self._unheard or self._attentive:
            self._attend()

    def _attend(self) -> None:
        """See to what has to be seen to while there is something special about this connection."""
        is_at_work = self._hearing or self._unheard or not self.connection.is_idle
        if self._leave is not None and self.connection.is_open and not is_at_work:
            code, reason = self._leave.code, self._leave.reason
            self._leave = None
            self.connection.close(code, reason, now=self.now())
            self.react()
        if self._unheard or self.connection.busy:
            # Who waits for the peer's answer may be one of the handlers at work: more is read for it, as it is for a
            # handler of CALLs, and as much (F-100). Who waits for nothing needs no more than what has been read.
            room = self.connection.limits.max_held_calls if self._waiters else 0
            self.connection.busy = len(self._unheard) > room
            if self.connection.busy and self._waiters:
                self._complain(logging.WARNING, TOO_MUCH[1])
                self.connection.close(*TOO_MUCH, now=self.now())
                self.react()  # the end of every call, and so of who waits: this happens once
        self._attentive = self.connection.busy or self._leave is not None

    def _on_call(self, call: CallReceived[Any]) -> None:
        if call.deviations:
            self._tell(call, call.deviations)
        if self._wire is not None:  # the role answers it
            return
        try:
            answer = self.handlers.handler(self.peer, call)(self.peer, call.request)
        except BaseException as error:
            if not self.is_fault(error):
                raise
            self.refuse(call, error)
        else:
            # Almost all are responses, and `isawaitable` is slow to tell.
            if isinstance(answer, Response) or not isawaitable(answer):
                self.answer(call, answer)
            else:
                self._work_beside(call, self._answer_later(call, answer))

    async def _answer_later(self, call: CallReceived[Any], answer: Awaitable[Response]) -> None:
        try:
            response = await answer
        except BaseException as error:
            if not self.is_fault(error):
                raise
            self.refuse(call, error)
        else:
            self.answer(call, response)
        self.drive()

    def answer(self, call: CallReceived[Any], response: Response) -> None:
        """Answer a CALL; what cannot be sent is a fault of ours, which the peer is told of."""
        try:
            answered = self.connection.respond(call, response, now=self.now())
        except LocalProtocolError as error:  # it is not the response to this request, or not a valid one
            self.refuse(call, error)
        else:
            if answered:
                self.handlers.answered(self.peer, call, response)
                if self._watch is not None:
                    self._watch.answered(call)

    def refuse(self, call: CallReceived[Any], error: BaseException) -> None:
        """Answer a CALL with an error: that which was raised to be the answer, or InternalError."""
        answer: tuple[Any, ...] = (ErrorCode.INTERNAL_ERROR,)
        if isinstance(error, Rejection):
            answer = error.code, error.description, error.details
        else:
            # What went wrong inside is for the application's log, not for its peer (F-12, F-103).
            # The traceback does not lead to one that has returned what is no answer.
            self._log_fault(call, error, self.handlers.name_of(call.request))
        with suppress(LocalProtocolError):  # it was answered long ago, in the handler's place
            if self.connection.reject(call, *answer, now=self.now()) and self._watch is not None:
                self._watch.answered(call, answer[0])

    def ignore(self, call: CallReceived[Any]) -> None:
        """Leave a CALL unanswered."""
        with suppress(LocalProtocolError):  # it was answered long ago
            self.connection.ignore(call, now=self.now())
            if self._watch is not None:
                self._watch.ignored(call)

    def _on_send(self, event: SendReceived) -> None:
        if event.deviations:
            self._tell(event, event.deviations)
        try:
            handler = self.handlers.send_handler(self.peer, event)
        except Rejection as rejection:
            self._complain(logging.INFO, f"{event.action}: {rejection.description}", event)
        else:
            self._hear(event, partial(handler, self.peer, event.message))

    def _on_result_refused(self, event: ResultRefused) -> None:
        handler = self.handlers.refusal_handler(event)
        if handler is None:
            # What else it says may quote our response, and is not for the log (F-40).
            what = f"our response to {event.call.action} is refused: {event.error.code.value}"
            self._complain(logging.WARNING, what, event.call)
        else:
            self._hear(event.call, partial(handler, self.peer, event.call.request, event.error))

    def _hear(self, about: Any, work: Callable[[], object]) -> None:
        """Have a handler whose result nobody waits for called, in its turn (F-98)."""
        self._unheard.append((about, work))
        self._hear_next()

    def _hear_next(self) -> None:
        while self._unheard and self._hearing < self.connection.limits.max_inbound_calls:
            about, work = self._unheard.popleft()
            self._hearing += 1
            rest: Awaitable[object] | None = None
            try:
                rest = self.begin_work(about, work)
            finally:
                if rest is None:
                    self._hearing -= 1
            if rest is not None:
                self._work_beside(about, self._hear_later(about, rest))

    async def _hear_later(self, about: Any, rest: Awaitable[object]) -> None:
        await self.end_work(about, rest)
        self._hearing -= 1
        self._hear_next()
        self.drive()

    def tell_hooks(self, hooks: Iterable[Callable[[Any], object]], about: Any) -> None:
        """Call what is to know of this connection, now."""
        for hook in hooks:
            rest = self.begin_work(about, partial(hook, self.peer))
            if rest is not None:
                self._work_beside(about, self.end_work(about, rest))

    def begin_work(self, about: Any, work: Callable[[], object]) -> Awaitable[object] | None:
        """Call what nobody waits for the result of; a fault is logged. Returns what :meth:`end_work` is to await."""
        try:
            result = work()
        except BaseException as error:
            if not self.is_fault(error):
                raise
            self._log_fault(about, error)
            return None
        return result if isawaitable(result) else None

    async def end_work(self, about: Any, rest: Awaitable[object]) -> None:
        """Await the rest of it."""
        try:
            await rest
        except BaseException as error:
            if not self.is_fault(error):
                raise
            self._log_fault(about, error)

    # -- handlers that wait for something --

    @property
    def left_behind(self) -> LeftBehind:
        """The handlers that nobody waits for any more."""
        if self._left_behind is None:
            self._left_behind = LeftBehind(self.connection.limits)
        return self._left_behind

    def _work_beside(self, about: Any, work: Coroutine[Any, Any, None]) -> None:
        handler = Work(about)
        self._at_work[handler] = None
        handler.cancel = self.spawn(self._work(handler, work))
        if self.end is not None and handler in self._at_work:
            self._leave_behind(handler)

    async def _work(self, handler: Work, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        finally:
            if handler in self._at_work:
                del self._at_work[handler]
            else:
                self.left_behind.discard(self.identity, handler)

    def _leave_behind(self, handler: Work) -> None:
        """Nobody waits for it any more (F-99)."""
        del self._at_work[handler]
        oldest = self.left_behind.add(self.identity, handler)
        if oldest is not None:
            self.log(logging.ERROR, "the handler of %s is cancelled: too many are left behind", oldest.about.action)
            oldest.cancel()

    # -- the log --

    def log(self, level: int, text: str, *args: object, about: Any = None, exc_info: Any = None) -> None:
        """Log something about this connection, and about a CALL or another event if it is about one."""
        if logger.isEnabledFor(level):
            text, extra = f"%r: {text}", self._fields_about(about)
            logger.log(level, text, self.identity, *args, exc_info=exc_info, extra=extra, stacklevel=2)

    def fields(self, **others: object) -> dict[str, object]:
        """What a record about this connection has as its ``extra``."""
        return fields(self.identity, self.connection.version, source=plain(self.source) or None, **others)

    def _fields_about(self, event: Any) -> dict[str, object]:
        if event is None:
            return self.fields()
        message_id = event.message_id
        return self.fields(
            direction=Direction.IN.value,
            action=self._known_action(event),
            message_id=message_id and plain(message_id),
        )

    def _known_action(self, about: Any) -> str | None:
        """Its action, unless that is a word of the peer's own."""
        action: str | None = getattr(about, "action", None)
        return action if action in (self.connection.actions or ()) else None

    @property
    def _whence(self) -> str:
        return self.source and f", from {plain(self.source)}"

    def _log_fault(self, about: Any, error: BaseException, name: str = "") -> None:
        name = name and f": {name}"
        self.log(logging.ERROR, "the handler of %s failed%s", about.action, name, about=about, exc_info=error)

    def _tell(self, about: Any, deviations: Sequence[Deviation]) -> None:
        """What was put up with, without a word of the peer's own (F-69)."""
        repairs = ", ".join(dict.fromkeys(each.repair.value for each in deviations))  # a path may have such a word
        self._complain(logging.INFO, f"{about.action}: put up with {repairs}", about)

    # -- more events --

    def _on_overdue(self, event: CallOverdue) -> None:
        self.log(logging.ERROR, "the handler of %s took too long", event.call.action, about=event.call)
        if self._watch is not None:
            self._watch.answered(event.call, ErrorCode.INTERNAL_ERROR)
        for handler in [each for each in self._at_work if each.about is event.call]:
            self._leave_behind(handler)

    def _on_outcome(self, event: CallSucceeded[Any] | CallFailed) -> None:
        if event.deviations:
            self._tell(event.call, event.deviations)
        waiter = self._waiters.pop(event.call, None)
        if waiter is not None:
            waiter.settle(event.response if isinstance(event, CallSucceeded) else event.error)

    def _on_late_response(self, event: LateResponse) -> None:
        self.log(logging.INFO, "the answer to %s came too late", event.call.action, about=event.call)

    def _on_duplicate(self, event: DuplicateCall) -> None:
        self._complain(logging.INFO, f"{self._known_action(event) or 'a CALL'} came again", event)

    def _on_misbehaviour(self, event: PeerMisbehaved) -> None:
        # The description never quotes the peer: there may be a secret in it (F-40).
        often = "" if event.times == 1 else f", {event.times} times"
        self._complain(logging.WARNING, f"{event.reason.value}: {event.description}{often}", event)

    def _complain(self, level: int, what: str, about: Any = None) -> None:
        """Log what may come any number of times: a peer must not fill the log (F-130)."""
        self._complaints += 1
        self.log(level if self._complaints <= MAX_COMPLAINTS else logging.DEBUG, "%s", what, about=about)
        if self._complaints == MAX_COMPLAINTS:
            self.log(logging.WARNING, "what else there is to say about it is logged at DEBUG")

    def _on_opened(self, event: ConnectionOpened) -> None:
        self.log(logging.INFO, "connected, OCPP %s%s", event.version, self._whence)
        if self.observer is not None:
            self._watch = self._watched_by(self.observer, event.version)
        if self.runner is not None:
            self._wire = self.runner.wire(self, event.version)
        self.decided.set()

    def _on_probe_answered(self, _: ProbeAnswered) -> None:
        self.log(logging.DEBUG, "is alive")
        self._tell_askers(True)

    def _watched_by(self, observer: Observer, version: Version) -> Watch | None:
        try:
            watch = Watch(self, observer.opened(self.identity, version, self.handlers.role))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is not the end of the connection (F-14)
            self.log(logging.ERROR, "the observer failed", exc_info=error)
            return None
        self._reactions = {**self._REACTIONS, **self._WATCHED}
        return watch

    def _on_refused(self, event: ConnectionRefused) -> None:
        # A load balancer that looks whether there is somebody does so for ever (F-130).
        level = logging.DEBUG if event.reason == SILENT_VISIT else logging.INFO
        self.log(level, "not connected: %s %r%s", event.status, event.reason, self._whence)
        if self.observer is not None:
            try:
                self.observer.refused(self.identity, event.status)
            except Exception as error:  # noqa: BLE001 - as above
                self.log(logging.ERROR, "the observer failed", exc_info=error)
        self.end = event
        self.decided.set()

    def _on_closed(self, event: ConnectionClosed) -> None:
        self.log(logging.INFO, "disconnected: %s %r", event.code, event.reason)
        if self.runner is not None:
            self.runner.unwire()
        self.end = event
        self.decided.set()
        self._tell_askers(False)
        for handler in list(self._at_work):
            self._leave_behind(handler)

    _REACTIONS: ClassVar[dict[type[Any], Callable[[Any, Any], None]]] = {
        CallReceived: _on_call,
        SendReceived: _on_send,
        ResultRefused: _on_result_refused,
        CallSucceeded: _on_outcome,
        CallFailed: _on_outcome,
        CallOverdue: _on_overdue,
        LateResponse: _on_late_response,
        DuplicateCall: _on_duplicate,
        PeerMisbehaved: _on_misbehaviour,
        ConnectionOpened: _on_opened,
        ProbeAnswered: _on_probe_answered,
        ConnectionRefused: _on_refused,
        ConnectionClosed: _on_closed,
    }

    # -- events, where somebody watches --

    def _on_watched_call(self, call: CallReceived[Any]) -> None:
        assert self._watch is not None
        with self._watch.handling(call):
            self._REACTIONS[type(call)](self, call)

    def _on_watched_outcome(self, event: CallSucceeded[Any] | CallFailed) -> None:
        assert self._watch is not None
        self._watch.concluded(event)
        self._REACTIONS[type(event)](self, event)

    def _on_watched_late_response(self, event: LateResponse) -> None:
        assert self._watch is not None
        self._watch.look_at_wire()
        self._on_late_response(event)

    def _on_watched_misbehaviour(self, event: PeerMisbehaved) -> None:
        assert self._watch is not None
        self._watch.misbehaved(event)
        self._on_misbehaviour(event)

    def _on_watched_end(self, event: ConnectionClosed) -> None:
        assert self._watch is not None
        self._watch.closed(event)
        self._REACTIONS[type(event)](self, event)

    _WATCHED: ClassVar[dict[type[Any], Callable[[Any, Any], None]]] = {
        CallReceived: _on_watched_call,
        CallSucceeded: _on_watched_outcome,
        CallFailed: _on_watched_outcome,
        LateResponse: _on_watched_late_response,
        PeerMisbehaved: _on_watched_misbehaviour,
        ConnectionClosed: _on_watched_end,
    }
