"""What every adapter needs to keep a charge point connected: where to, what came of it, and what waits meanwhile.

Knows the verbs of a connection, and those of the machines that say when to connect and which call is sent next. It
must not know loops, threads or sockets: those belong to the adapter. It decides nothing itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import Context
from datetime import UTC, datetime
from functools import partial
from ssl import SSLContext
from typing import Any, Generic, TypeAlias, TypeVar, Unpack

import attrs

from ocpp_sansio import (
    Backlog,
    Backoff,
    CallFailed,
    CallFailure,
    CallSucceeded,
    ChargePointConnection,
    ConnectionLost,
    ConnectionOptions,
    Dialer,
    DialFailure,
    FromChargePoint,
    Limits,
    PendingCall,
    Response,
    SendFromChargePoint,
    SessionClosed,
    Version,
)
from ocpp_sansio.dialer import Cause
from ocpp_sansio.handlers import require_function
from ocpp_sansio.security_events import SecurityEvent
from ocpp_sansio.security_reports import SecurityReports

from ._dispatcher import CONNECTED, Dispatcher, F, Waiter
from ._logging import fields, logger
from ._shared import HandshakeFailed, charge_point_connection, tls_for
from .observing import Observer
from .tls import security_event

__all__ = ["Keeper", "OnConnected", "Target", "UplinkState", "Where"]

R = TypeVar("R", bound=Response)


@attrs.frozen
class Target:
    """One of the places where a charge point may find its central system (RPC-129).

    Of a NetworkConnectionProfile this is what concerns the connection. What is ``None`` is as for all targets.
    """

    url: str
    """The central system's endpoint, ``ws://`` or ``wss://``, without the identity."""
    password: bytes | str | None = attrs.field(default=None, kw_only=True, repr=False)
    """For HTTP Basic authentication."""
    versions: Sequence[Version | str] | None = attrs.field(default=None, kw_only=True)
    """The versions offered, the preferred one first."""
    ssl: SSLContext | None = attrs.field(default=None, kw_only=True)
    """For ``wss://``, see :func:`ocpp_transports.tls.client_context`."""


OnConnected: TypeAlias = Callable[[Any], object]
"""Called with the central system on a connection that has opened; an ``async`` one is awaited."""
Where: TypeAlias = str | Target | Sequence[str | Target]
"""An endpoint, or several in order of priority."""


class Keeper:
    """Where and when to connect: the adapter tries, and says here what came of it.

    Raises:
        ValueError: whatever is wrong with an endpoint, or with what it is to be connected with.
    """

    def __init__(
        self,
        where: Where,
        identity: str,
        now: Callable[[], float],
        *,
        backoff: Backoff | None,
        attempts: int,
        ssl: SSLContext | None,
        observer: Observer | None,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        each_of = (where,) if isinstance(where, str | Target) else where
        targets = [each if isinstance(each, Target) else Target(each) for each in each_of]
        self.identity = identity
        self.now = now
        self.observer = observer
        """Who wants to know what happens on each connection."""
        self.dialer = Dialer(targets, now=now(), chance=random.random, backoff=backoff, attempts=attempts)
        self.uplink: UplinkState[Any] | None = None
        """Who wants to know how it goes."""
        self.report: Callable[[SecurityEvent], None] | None = None
        """Called with what a failure was about, if that is to be reported (RPC-149)."""
        self.greet: Callable[[Any], Coroutine[Any, Any, None]] | None = None
        """Called with the central system on each connection, if there is something to do before all else."""
        self._ssl = ssl
        self._options = options
        for target in targets:
            self._open_to(target)

    def patience(self) -> float:
        """Seconds until the next attempt."""
        due = self.dialer.next_timeout()
        return 0.0 if due is None else max(due - self.now(), 0.0)

    def dial(self) -> bool:
        """Whether it is time to try. If so, an attempt has begun, and is to come to ``connected`` or ``failed``."""
        return self.dialer.dial(now=self.now()) is not None

    def open(self) -> tuple[ChargePointConnection, SSLContext | None]:
        """The connection to make, and with which TLS."""
        return self._open_to(self.dialer.target)

    def connected(self) -> None:
        """It has opened."""
        self.dialer.connected(now=self.now())

    def failed(self, cause: Cause) -> None:
        """It is over, or has not come about, for this reason."""
        failure = self.dialer.failed(cause.refusal if isinstance(cause, HandshakeFailed) else cause, now=self.now())
        if isinstance(cause, Exception):
            # What is not the doing of the network is a fault of ours.
            is_fault = not isinstance(cause, OSError | HandshakeFailed)
            text = "%r: no connection: %s; the next attempt is in %.0f s"
            logger.warning(
                text,
                self.identity,
                failure,
                failure.retry_in,
                exc_info=cause if is_fault else None,
                extra=fields(self.identity),
            )
        if self.uplink is not None:
            self.uplink.link_down()
        kind = security_event(cause) if isinstance(cause, Exception) else None
        if kind is not None and self.report is not None:
            self.report(kind)

    def _open_to(self, target: Target) -> tuple[ChargePointConnection, SSLContext | None]:
        own = self._options.copy()
        if target.password is not None:
            own["password"] = target.password
        if target.versions is not None:
            own["versions"] = target.versions
        connection = charge_point_connection(target.url, self.identity, now=self.now(), **own)
        return connection, tls_for(connection, target.ssl or self._ssl)


class UplinkState(Generic[F]):
    """The central system, as a charge point sees it that is kept connected. Each adapter adds what waits.

    What changes something is to be called where the connection is run, or where nothing is while there is none.
    """

    new_flag: type[F]

    def __init__(
        self,
        keeper: Keeper,
        limits: Limits | None,
        *,
        reports: bool,
        on_connected: OnConnected | None = None,
        lock: AbstractContextManager[Any] | None = None,
    ) -> None:
        keeper.uplink = self
        if on_connected is not None:
            require_function(on_connected)
            keeper.greet = self.greet
        self.now = keeper.now
        self._keeper = keeper
        self._on_connected = on_connected
        self._lock = lock or nullcontext()
        self._backlog = Backlog(limits)
        self._reports: SecurityReports | None = None
        if reports:
            self._reports = SecurityReports(self._backlog)
            keeper.report = self._note
        self._driver: Dispatcher[Any, Any, Any] | None = None
        self._waiters: dict[PendingCall[Any], Waiter[Any, F]] = {}
        self._contexts: dict[int, Context] = {}
        """For an observer, in which context the calls that wait were made, by their requests."""
        self._up = self.new_flag()
        """Set while there is a connection, and for good when there will be none."""
        self._is_over = False

    @property
    def identity(self) -> str:
        """The identity of the charge point."""
        return self._keeper.identity

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection now."""
        driver = self._driver  # which another thread may forget meanwhile, here and below
        return driver is not None and driver.end is None

    @property
    def version(self) -> Version | None:
        """The version that is spoken; ``None``: there is no connection."""
        driver = self._driver
        return None if driver is None else driver.connection.version

    @property
    def last_failure(self) -> DialFailure[Target] | None:
        """Why there was no connection most recently: where, the cause, and how long the wait was after it."""
        return self._keeper.dialer.last_failure

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.identity!r}>"

    # -- for users, by way of the adapter --

    def tell(self, message: SendFromChargePoint) -> None:
        """Send what has no outcome."""
        driver = self._driver
        peer = None if driver is None else driver.peer
        if peer is None:
            raise SessionClosed("there is no connection")
        peer.send(message)

    def begin(
        self, request: FromChargePoint[R], timeout: float | None, expires_in: float | None, context: Context
    ) -> Waiter[R, F]:
        """Have a call made, in this context; its outcome will come to the waiter."""
        with self._lock:
            if self._keeper.observer is not None:
                self._contexts[id(request)] = context
            try:
                call = self._backlog.call(request, now=self.now(), timeout=timeout, expires_in=expires_in)
            except BaseException as error:
                self._contexts.pop(id(request), None)
                if isinstance(error, SessionClosed):  # whoever calls cannot know
                    raise ConnectionLost(sent=False) from None
                raise
            waiter = self._waiters[call] = Waiter[R, F](call, self.new_flag())
            self._settle()
        return waiter

    def give_up(self, waiter: Waiter[Any, F]) -> bool:
        """Nobody waits for the outcome any more. Returns whether that changes anything: it may have come (F-11)."""
        with self._lock:
            if self._waiters.pop(waiter.call, None) is None:
                return False
            self._backlog.cancel(waiter.call, now=self.now())
            self._settle()
            return True

    def expire(self, at: float) -> None:
        """Let time pass, until then at least, for the calls that wait: timers may ring a moment early."""
        with self._lock:
            self._backlog.handle_timeout(now=max(self.now(), at))
            self._settle()

    # -- for the adapter --

    def wire(self, driver: Dispatcher[Any, Any, Any], version: Version) -> None:
        """A connection has opened. What comes on it is for the handlers, as without an uplink."""
        with self._lock:
            self._driver = driver
            if self._on_connected is None:
                self._link_up(driver, version)
        self._up.set()

    async def greet(self, peer: Any) -> None:
        """Have the hook do on a connection that has opened what is to be done there first; then what waits is sent."""
        driver, hook = self._driver, self._on_connected
        assert driver is not None
        assert hook is not None
        rest = driver.begin_work(CONNECTED, partial(hook, peer))
        if rest is not None:
            await driver.end_work(CONNECTED, rest)
        with self._lock:
            self._link_up(driver, driver.connection.version)
        driver.drive()

    def _link_up(self, driver: Dispatcher[Any, Any, Any], version: Version) -> None:
        self._backlog.link_up(_Link(driver, self._told, self._contexts), now=self.now())
        if self._reports is not None:
            self._reports.link_up(version, now=self.now())
        self._settle()

    def unwire(self) -> None:
        """The connection has ended: who waits for one from now on waits for the next."""
        with self._lock:
            if not self._is_over and self._up.is_set():
                self._up = self.new_flag()

    def link_down(self) -> None:
        """There is no connection."""
        with self._lock:
            self._driver = None
            self._backlog.link_down(now=self.now())
            if self._reports is not None:
                self._reports.link_down()
            self._settle()

    def close(self) -> None:
        """No other connection will follow."""
        self.link_down()
        with self._lock:
            self._is_over = True
            self._backlog.close(now=self.now())
            self._settle()
        self._up.set()

    def require_more(self) -> None:
        """Before, or after, somebody waits for a connection.

        Raises:
            SessionClosed: there will be none.
        """
        if self._is_over:
            raise SessionClosed("no connection will follow")

    def _note(self, kind: SecurityEvent) -> None:
        assert self._reports is not None
        with self._lock:
            self._reports.note(kind, datetime.now(UTC))

    def _told(self, event: CallSucceeded[Any] | CallFailed) -> None:
        with self._lock:
            self._backlog.receive_event(event, now=self.now())
            self._settle()

    def _settle(self) -> None:
        """Bring every outcome to who waits for it."""
        while (event := self._backlog.next_event()) is not None:
            if self._reports is not None and self._reports.receive_event(event, now=self.now()):
                continue
            self._contexts.pop(id(event.call.request), None)
            waiter = self._waiters.pop(event.call, None)
            if waiter is not None:
                waiter.settle(event.response if isinstance(event, CallSucceeded) else event.error)


class _Link:
    """A connection, as the backlog needs it."""

    def __init__(
        self,
        driver: Dispatcher[Any, Any, Any],
        told: Callable[[CallSucceeded[Any] | CallFailed], None],
        contexts: Mapping[int, Context],
    ) -> None:
        self._driver = driver
        self._told = told
        self._contexts = contexts

    def call(self, request: Any, *, now: float, timeout: float | None = None) -> PendingCall[Any]:
        call: PendingCall[Any] = self._driver.connection.call(request, now=now, timeout=timeout)
        self._driver.follow(_Relay(call, self._told), self._contexts.get(id(request)))
        return call

    def cancel(self, call: PendingCall[Any], *, now: float) -> None:
        self._driver.connection.cancel(call, now=now)


class _Relay(Waiter[Any, Any]):
    """Where the outcome of a call passes on its way to the backlog."""

    __slots__ = ("_told",)

    def __init__(self, call: PendingCall[Any], told: Callable[[CallSucceeded[Any] | CallFailed], None]) -> None:
        super().__init__(call, None)
        self._told = told

    def settle(self, outcome: Any) -> None:
        failed = isinstance(outcome, CallFailure)
        self._told(CallFailed(self.call, outcome) if failed else CallSucceeded(self.call, outcome))
