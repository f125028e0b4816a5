"""Drives one end of one connection in virtual time: what an adapter is to a socket, this is to a :class:`Link`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from ocpp_sansio.closing import DISPLACED
from ocpp_sansio.errors import CallRefused, ConnectionLost, ConnectionReplaced, ErrorCode
from ocpp_sansio.events import CallFailed, CallSucceeded, ConnectionClosed, ConnectionRefused, PendingCall
from ocpp_sansio.messages import Request, Response, SendFromChargePoint
from ocpp_sansio.session import Session
from ocpp_sansio.version import Version

from .link import LinkEnd
from .waiting import Fail, Succeed, Wish, is_async

if TYPE_CHECKING:
    from .side import Side

__all__ = ["ConnectionPeer", "Peer", "SessionPeer"]

R = TypeVar("R", bound=Response)
D = TypeVar("D", bound=str | bytes)


class Peer(ABC, Generic[D]):
    """One end of one connection, and all that drives it. It is what handlers are given as the other end."""

    def __init__(self, side: Side[Any], machine: Any, end: LinkEnd[D]) -> None:
        self.machine: Final = machine
        """The session or connection."""
        self.closed: ConnectionClosed | ConnectionRefused | None = None
        """How the connection ended; ``None`` while it lasts."""
        self.end: Final = end
        """Its end of the link."""
        self._side: Final = side
        self._waiters: dict[PendingCall[Any], Callable[[CallSucceeded[Any] | CallFailed], object]] = {}
        self._askers: list[Callable[[bool], None]] = []
        self._mourners: list[Succeed] = []
        self._unread: Final = deque[D]()
        self._is_driving = False
        self._is_lost = False
        self._alarm = math.inf
        """When it will be woken, as the clock counts it."""
        end.on_data = self._receive
        end.on_lost = self._on_lost

    # -- for handlers and tests --

    @property
    def identity(self) -> str:
        """The identity of the charge point."""
        return self._side.identity

    @property
    def version(self) -> Version:
        """The version that is spoken."""
        version: Version = self.machine.version
        return version

    def ask(self, request: Request[R], *, timeout: float | None = None) -> PendingCall[R]:
        """Have the other end asked, and do not wait. The outcome is among the events."""
        call: PendingCall[R] = self.machine.call(request, now=self._side.now, timeout=timeout)
        self.drive()
        return call

    def call(self, request: Request[R], *, timeout: float | None = None) -> R:
        """Ask the other end, and let as much time pass as it takes. In an ``async`` handler, to be awaited.

        Raises:
            CallFailure: there is no response.
            LocalProtocolError: see :meth:`ocpp_sansio.CentralSystemSession.call`.
        """
        call = self.machine.call(request, now=self._side.now, timeout=timeout)
        return cast("R", self._wait(partial(self._await_outcome, call), f"{call.action} has no outcome"))

    def send(self, message: SendFromChargePoint) -> None:
        """Send a SEND (2.1)."""
        self.machine.send(message, now=self._side.now)
        self.drive()

    def sleep(self, seconds: float) -> Awaitable[None]:
        """The :meth:`VirtualClock.sleep` of its clock. The stations of adapters have none."""
        return self._side.clock.sleep(seconds)

    @abstractmethod
    def close_soon(self, code: int = 1000, reason: str = "") -> None:
        """Start to end the connection in good order, and do not wait for it."""

    def close(self, code: int = 1000, reason: str = "") -> Any:
        """End the connection in good order, and wait until it is gone. In an ``async`` handler, to be awaited."""
        self.close_soon(code, reason)
        return self.wait_closed()

    def wait_closed(self) -> Any:
        """Wait until the connection is gone, and tell how it ended. In an ``async`` handler, to be awaited."""
        return self._wait(self._await_end, "the connection does not end")

    def _wait(self, start: Callable[[Succeed, Fail], object], what: str) -> Any:
        """For an ``async`` handler, what it awaits; any other has the world go on meanwhile."""
        if is_async.get():
            return Wish(start)
        succeeded: list[Any] = []
        failed: list[Exception] = []
        was_driving, self._is_driving = self._is_driving, False  # a handler that blocks is no reason not to go on
        try:
            start(succeeded.append, failed.append)
            while not (succeeded or failed):
                if not self._side.clock.step():
                    raise RuntimeError(f"nothing will ever happen again, and {what}")
        finally:
            self._is_driving = was_driving
        if failed:
            raise failed[0]
        return succeeded[0]

    def _await_end(self, succeed: Succeed, _: Fail) -> None:
        if self.closed is None:
            self._mourners.append(succeed)
            self.drive()
        else:
            succeed(self.closed)

    def _await_outcome(self, call: PendingCall[Any], succeed: Succeed, fail: Fail) -> None:
        def settle(outcome: CallSucceeded[Any] | CallFailed) -> None:
            if isinstance(outcome, CallSucceeded):
                succeed(outcome.response)
            else:
                outcome.error.__cause__ = self._cause(outcome.error)
                fail(outcome.error)

        self._waiters[call] = settle
        self.drive()

    def probe(self, tell: Callable[[bool], None]) -> None:
        """Find out whether the other end is there (F-33)."""
        self._askers.append(tell)
        self.machine.probe(now=self._side.now)
        self.drive()

    def tell_askers(self, is_alive: bool) -> None:
        """It is known."""
        askers, self._askers = self._askers, []
        for tell in askers:
            tell(is_alive)

    def _cause(self, error: Exception) -> Exception | None:
        """What the other end's handler has raised, if that is why."""
        other = self._side.other
        is_fault = isinstance(error, CallRefused) and error.code is ErrorCode.INTERNAL_ERROR
        return other.faults[-1] if is_fault and other and other.faults else None

    # -- the run loop --

    @property
    @abstractmethod
    def is_open(self) -> bool:
        """Whether CALLs can be sent."""

    @property
    def is_idle(self) -> bool:
        """Whether no CALL is under way."""
        return self.closed is not None or (self.machine.is_idle and not self._unread)

    def drive(self) -> None:
        """Do what is owed to the machine after every mutation, and take in what it can take again."""
        if not self._is_driving:  # else it will be done once the handler has returned that has led to this
            self._drive()
            self._read()

    def _drive(self) -> None:
        """Act on events, send, set the alarm."""
        self._is_driving = True
        try:
            while True:
                event = self.machine.next_event()
                if event is not None:
                    self._side.hear(self, event)
                elif not self._flush():
                    break
        finally:
            self._is_driving = False
        self._arm()

    @abstractmethod
    def _flush(self) -> bool:
        """Send what there is to send. Returns whether there may be events again."""

    @abstractmethod
    def lose(self) -> None:
        """The transport is gone."""

    @abstractmethod
    def give_way(self) -> None:
        """The charge point has opened another connection (RPC-019)."""

    def wake(self) -> None:
        """Take in what has come, then do what is due: in this order, when both were kept waiting (F-137)."""
        self._alarm = math.inf
        side = self._side
        if not side.is_suspended:
            self._read()
            due, now = self.machine.next_timeout(), side.now
            if due is not None and due + side.behind <= side.clock.now:
                now = max(now, due)  # which need not be the same after it went through the clock's count
            self.machine.handle_timeout(now=now)
            self.drive()
        else:
            self._arm()

    def settle(self, outcome: CallSucceeded[Any] | CallFailed) -> None:
        """A call has had its outcome: tell who waits for it."""
        settle = self._waiters.pop(outcome.call, None)
        if settle is not None:
            settle(outcome)

    def over(self, end: ConnectionClosed | ConnectionRefused) -> None:
        """The connection has ended: tell who waits for that."""
        self.closed = end
        mourners, self._mourners = self._mourners, []
        for tell in mourners:
            tell(end)

    def _receive(self, data: D) -> None:
        self._unread.append(data)
        self._read()

    def _read(self) -> None:
        """Take in what has come, unless the process is suspended or the machine wants no more for now (F-98)."""
        side, unread = self._side, self._unread
        while unread and not (self._is_lost or side.is_suspended or self.machine.reading_paused):
            self.machine.receive_data(unread.popleft(), now=side.now)
            self._drive()

    def _on_lost(self) -> None:
        side = self._side
        if side.is_suspended:
            side.clock.at(side.suspended_until, self._on_lost)
        elif not self._is_lost:
            self._read()
            self.lose()

    def _arm(self) -> None:
        due, side = self.machine.next_timeout(), self._side
        if due is not None and (at := max(due + side.behind, side.suspended_until)) < self._alarm:
            self._alarm = at
            side.clock.at(at, self.wake)


class SessionPeer(Peer[str]):
    """A session, driven as over somebody's WebSocket library."""

    _ending: ConnectionClosed | None = None
    """What is to be told when the session has told all."""

    @property
    def is_open(self) -> bool:
        """It is until it is over."""
        return not self._is_lost

    def close_soon(self, code: int = 1000, reason: str = "") -> None:
        """Nothing more is sent or taken in."""
        self._end(code, reason)

    def lose(self) -> None:
        """What it is closed with says so."""
        self._end(1006, by_peer=True)

    def give_way(self) -> None:
        """Calls fail for that reason."""
        self._end(*DISPLACED, failure=ConnectionReplaced)

    def _flush(self) -> bool:
        machine: Session = self.machine
        for text in machine.data_to_send():
            self.end.send(text)
        if machine.must_close is not None:
            self._end(machine.must_close, "limit exceeded")
        ending, self._ending = self._ending, None
        if ending is not None:
            self._side.hear(self, ending)
        return ending is not None

    def _end(
        self, code: int, reason: str = "", *, by_peer: bool = False, failure: type[ConnectionLost] = ConnectionLost
    ) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._ending = ConnectionClosed(code, reason, by_peer)
            self.end.close()
            self.machine.connection_lost(failure, now=self._side.now)
            self.drive()


class ConnectionPeer(Peer[bytes]):
    """A connection."""

    @property
    def is_open(self) -> bool:
        """It is when both ends have shaken hands."""
        is_open: bool = self.machine.is_open
        return is_open

    def _flush(self) -> bool:
        if data := self.machine.data_to_send():
            self.end.send(data)
        if self.machine.transport_done:
            self.end.close()
        return False

    def close_soon(self, code: int = 1000, reason: str = "") -> None:
        """With a close frame."""
        self.machine.close(code, reason, now=self._side.now)
        self.drive()

    def lose(self) -> None:
        """It is the end of the bytes."""
        self._is_lost = True
        self.machine.receive_eof(now=self._side.now)
        self.drive()

    def give_way(self) -> None:
        """With a close frame that says so."""
        self.machine.replace(now=self._side.now)
        self.drive()
