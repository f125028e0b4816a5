"""What the adapters with an event loop share: the two ends as coroutines see them, and the functions that make them.

It knows ``async`` and ``await``, and no event loop: an adapter fills in :class:`AsyncAdapter`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from threading import get_ident
from typing import Any, ClassVar, Protocol, TypeVar

from ocpp_sansio import (
    CentralSystem,
    ChargePointConnection,
    ConnectionClosed,
    ConnectionRefused,
    ConnectionRequested,
    FromCentralSystem,
    FromChargePoint,
    LocalProtocolError,
    Request,
    Response,
    SendFromChargePoint,
)
from ocpp_sansio.handlers import Handlers

from ._dispatcher import Dispatcher, H, L, Waiter
from ._roles import StationsRunner
from ._shared import Peer, Playing

__all__ = [
    "AsyncDispatcher",
    "AsyncFlag",
    "AsyncPlaying",
    "Event",
    "Pace",
    "RemoteCentralSystem",
    "Station",
    "require_thread",
]

R = TypeVar("R", bound=Response)


class Event(Protocol):
    """The event loop's own kind of flag."""

    def set(self) -> None: ...
    def wait(self) -> Awaitable[object]: ...


class AsyncFlag:
    """A flag that tasks can wait for. The event loop's own, which is much larger, is made only when one does."""

    __slots__ = ("_event", "_is_set")

    new_event: ClassVar[type[Event]]

    def __init__(self) -> None:
        self._event: Event | None = None
        self._is_set = False

    def set(self) -> None:
        """Wake all who wait."""
        self._is_set = True
        if self._event is not None:
            self._event.set()

    def is_set(self) -> bool:
        """Whether it has been set."""
        return self._is_set

    async def wait(self) -> None:
        """Wait until it is set."""
        if not self._is_set:
            if self._event is None:
                self._event = self.new_event()
            await self._event.wait()


E = TypeVar("E", bound=AsyncFlag)


def require_thread(thread: int) -> None:
    """Before something is done that belongs to an event loop.

    Raises:
        LocalProtocolError: it runs in that thread, which is not this one.
    """
    if get_ident() != thread:
        raise LocalProtocolError(
            "this belongs to the event loop of another thread: come by asyncio.run_coroutine_threadsafe, "
            "or by from_thread.run of anyio or trio"
        )


class AsyncDispatcher(Dispatcher[L, H, E]):
    """A dispatcher whose waiters are tasks."""

    def __init__(self, connection: L, handlers: H, identity: str = "") -> None:
        super().__init__(connection, handlers, identity)
        self.thread = get_ident()
        """Where its event loop runs."""

    async def ask(self, request: Request[R], timeout: float | None, expires_in: float | None) -> R:
        """Wait for the outcome of a new call. A task that is cancelled here gives the call up, nothing else (F-11)."""
        require_thread(self.thread)
        waiter = self.wait_for(self.begin(request, timeout, expires_in))
        try:
            await waiter.flag.wait()
        finally:
            self.give_up(waiter)
        return waiter.result()


D = TypeVar("D", bound=AsyncDispatcher[Any, Any, Any])


class _Peer(Peer[D]):
    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection, and wait until it is gone: a few times ``Limits.close_timeout`` at most."""
        self.close_soon(code, reason)
        await self.wait_closed()

    def close_soon(self, code: int = 1000, reason: str = "") -> None:
        """Start to close the connection, and do not wait for it."""
        require_thread(self._driver.thread)
        super().close_soon(code, reason)

    async def wait_closed(self) -> ConnectionClosed | ConnectionRefused:
        """Wait until the connection is gone, and tell how it ended."""
        require_thread(self._driver.thread)
        await self._driver.lost.wait()
        assert self.closed is not None
        return self.closed


class RemoteCentralSystem(_Peer[AsyncDispatcher[ChargePointConnection, Handlers, Any]]):
    """The central system, as a charge point that is connected to it sees it."""

    async def call(
        self, request: FromChargePoint[R], *, timeout: float | None = None, expires_in: float | None = None
    ) -> R:
        """Ask the central system and wait for its response. Calls are sent one at a time, in order (RPC-050).

        ``timeout`` is in seconds from when the call is sent; ``None`` stands for ``Limits.call_timeout``. With
        ``expires_in`` it is not sent when so many seconds have passed: it takes no longer than both together.
        Cancelling the task gives the call up and leaves the connection as it was.

        Raises:
            CallFailure: there is no usable answer; the subclass says why: ConnectionLost as well where the connection
                was closing, or gone, before.
            LocalProtocolError: the request is not valid, or this is not the thread of the event loop. Nothing was sent.
            ValueError: a number of seconds is not positive.
        """
        return await self._driver.ask(request, timeout, expires_in)

    def send(self, message: SendFromChargePoint) -> None:
        """Tell the central system something, at once (RPC-056). It never answers, so there is nothing to wait for.

        Raises:
            QueueFull: the central system does not read: more than ``Limits.max_unsent`` is waiting for it.
            LocalProtocolError: the message is not valid, or the connection is not open. Nothing was sent.
        """
        driver = self._driver
        require_thread(driver.thread)
        driver.refuse_if_choked()
        driver.connection.send(message, now=driver.now())
        driver.drive()


class Station(_Peer[AsyncDispatcher[Any, CentralSystem, Any]]):
    """A charge point that is connected to this central system."""

    @property
    def request(self) -> ConnectionRequested:
        """What it has asked to connect with: from where, its header fields, its certificate."""
        driver: Any = self._driver
        request: ConnectionRequested = driver.request
        return request

    async def call(
        self, request: FromCentralSystem[R], *, timeout: float | None = None, expires_in: float | None = None
    ) -> R:
        """Ask the charge point and wait for its response; see :meth:`RemoteCentralSystem.call`."""
        return await self._driver.ask(request, timeout, expires_in)


class AsyncPlaying(Playing[StationsRunner[Any]]):
    """A central system under an event loop: its stations, and what runs the role that it plays."""

    _csms: CentralSystem

    @property
    def stations(self) -> Mapping[str, Station]:
        """The stations that are connected now, by identity: those of the central system, see its ``stations``."""
        return self._csms.stations

    async def call(
        self,
        identity: str,
        request: FromCentralSystem[R],
        *,
        timeout: float | None = None,
        expires_in: float | None = None,
    ) -> R:
        """Have the role ask a station, and wait for the response. For one that plays a role.

        ``timeout`` is in seconds from when the call is sent; ``None`` stands for ``Limits.call_timeout``. With
        ``expires_in`` the command waits for so many seconds until it can be sent; without, the station has to be
        connected. A task that is cancelled here no longer waits; the command goes its way.

        Raises:
            CallFailure: there is no usable answer; the subclass says why.
            LocalProtocolError: the station must not be asked this now, too much is waiting, or this is not the thread
                of the event loop. Nothing was sent.
        """
        runner = self._runner
        waiter: Waiter[R, Any] = runner.do(runner.ask, identity, request, timeout=timeout, expires_in=expires_in)
        try:
            await waiter.flag.wait()
        finally:
            runner.give_up(waiter)
        return waiter.result()


class Pace(Protocol):
    """How an event loop keeps time."""

    def now(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...
    def beside(self, work: Callable[[], Coroutine[Any, Any, None]]) -> AbstractAsyncContextManager[None]: ...
