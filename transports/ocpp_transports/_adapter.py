"""The functions of the adapters with an event loop, said once: an adapter fills in :class:`AsyncAdapter`.

It knows ``async`` and ``await``, and no event loop.
"""

from __future__ import annotations

import math
import socket
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from ssl import SSLContext
from threading import get_ident
from typing import Any, ClassVar, Protocol, TypeVar, Unpack, cast

from ocpp_sansio import (
    CentralSystem,
    ChargePointConnection,
    ChargePointHandlers,
    ConnectionOptions,
    Limits,
    LinkOptions,
)
from ocpp_sansio.application import Part
from ocpp_sansio.backoff import Backoff
from ocpp_sansio.dialer import Cause
from ocpp_sansio.handlers import Handlers
from ocpp_sansio.store import Store

from ._async import AsyncDispatcher, AsyncFlag, AsyncPlaying, Pace, RemoteCentralSystem, Station, require_thread
from ._async_uplink import Uplink
from ._dispatcher import Attendant
from ._endings import GOING_AWAY, SERVICE_RESTART, Leave
from ._logging import logger
from ._roles import Act, ChargePointRole, ChargePointRunner, Runner, Running, StationsRunner
from ._served import Service, StationTap, warn_if_open
from ._shared import (
    BACKLOG,
    Listening,
    Place,
    Socket,
    charge_point_connection,
    handlers_or_default,
    require_context,
    tls_for,
)
from ._uplink import Keeper, Where
from .observing import Observer

__all__ = ["AsyncAdapter", "AsyncChargePointRunner", "AsyncRunner", "AsyncStationsRunner", "Server", "leave_over_time"]

E = TypeVar("E", bound=AsyncFlag)
T = TypeVar("T")


async def leave_over_time(
    leave: Leave, drivers: Callable[[], Iterable[AsyncDispatcher[Any, Any, Any]]], pace: Pace, patience: float | None
) -> None:
    """Have connections closed at their instants, and wait until they are gone; they begin to be closed at the latest
    so many seconds after the last instant.
    """
    began = pace.now()
    for instant, driver in leave.schedule(drivers()):
        if not driver.lost.is_set():
            await pace.sleep(max(began + instant - pace.now(), 0.0))
            driver.leave(leave)
    for driver in list(drivers()):  # some may have come meanwhile, or been shaking hands for TLS
        driver.leave(leave)

    async def lose_patience() -> None:
        await pace.sleep(math.inf if patience is None else patience)
        for driver in list(drivers()):
            driver.begin_close(leave.code, leave.reason)

    async with pace.beside(lose_patience):
        for driver in list(drivers()):
            await driver.lost.wait()


class Connections(Protocol):
    """The connections that a server has."""

    @property
    def drivers(self) -> Iterable[AsyncDispatcher[Any, Any, Any]]:
        """What drives each."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close every one in good order; what is not done after ``Limits.close_timeout`` is cut off."""
        ...


class Server(Listening[StationsRunner[Any]], AsyncPlaying):
    """A central system that is being served."""

    def __init__(
        self,
        adapter: AsyncAdapter,
        sockets: Iterable[Socket],
        stop_accepting: Callable[[], object],
        connections: Connections,
        service: Service[Station],
    ) -> None:
        super().__init__(sockets, cast("StationsRunner[Any] | None", service.runner))
        self._csms = service.csms
        self._adapter = adapter
        self._stop_accepting = stop_accepting
        self._connections = connections

    async def close(self) -> None:
        """Accept no more, close every connection with 1001, and let running handlers come to their end.

        What is not done after ``Limits.close_timeout`` is cut off.
        """
        self._stop_accepting()
        await self._connections.close(*GOING_AWAY)

    async def drain(self, *, over: float, code: int = SERVICE_RESTART, patience: float | None = None) -> None:
        """Accept no more, and close the connections spread evenly over so many seconds, so that stations do not come
        back all at once (F-120, F-138); then :meth:`close`.

        The listening sockets are closed, so that a load balancer, or the next process, has the new connections. Who has
        connected but is not let in yet is refused with 503, and ``Retry-After`` so many seconds. A connection is closed
        as soon as no CALL is under way on it, and no handler.

        ``code`` is 1012, 1001 or 1013 (RPC-017). ``patience`` is how many seconds after the last one's turn calls may
        still be under way; ``None`` stands for ``Limits.close_timeout``.

        Raises:
            ValueError: the seconds are negative, or the code is another one.
        """
        leave = Leave(over, code)
        self._stop_accepting()
        patience = self._csms.limits.close_timeout if patience is None else patience
        await leave_over_time(leave, lambda: self._connections.drivers, self._adapter, patience)
        await self.close()


class AsyncRunner(Runner):
    """The one place where a role is run, under an event loop."""

    def __init__(self, part: Part[Any], limits: Limits) -> None:
        super().__init__(part, limits)
        self._limits = limits
        self._thread = get_ident()

    def do(self, verb: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """See :meth:`Running.do`. For tasks of the event loop."""
        if self._part.is_running:  # what is not run any more says so in every thread
            require_thread(self._thread)
        return super().do(verb, *args, **kwargs)

    @abstractmethod
    def running(self) -> AbstractAsyncContextManager[object]:
        """Run the role until the end of the block. Links have to be gone by then; the host may come to its end."""


class AsyncChargePointRunner(AsyncRunner, ChargePointRunner):
    """Runs a charge point."""


class AsyncStationsRunner(AsyncRunner, StationsRunner[E]):
    """Runs a central system."""


class AsyncAdapter(ABC):
    """The functions of an adapter with an event loop, made of the few things that each loop does in its own way."""

    new_flag: ClassVar[type[AsyncFlag]]
    charge_point_runner: ClassVar[type[AsyncChargePointRunner]]
    stations_runner: ClassVar[type[AsyncStationsRunner[Any]]]

    # -- for the adapter to fill in --

    @abstractmethod
    def now(self) -> float:
        """The loop's clock, in seconds."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Wait so long."""

    @abstractmethod
    def beside(self, work: Callable[[], Coroutine[Any, Any, None]]) -> AbstractAsyncContextManager[None]:
        """Have something done beside the block. It is cancelled at the end of it, and over when that is over."""

    @abstractmethod
    def connected(
        self,
        connection: ChargePointConnection,
        identity: str,
        handlers: Handlers,
        tls: SSLContext | None,
        runner: Attendant | None = None,
        observer: Observer | None = None,
    ) -> AbstractAsyncContextManager[RemoteCentralSystem]:
        """Connect, and close at the end of the block."""

    @abstractmethod
    def listening(
        self, service: Service[Station], place: Place, tls: SSLContext | None
    ) -> AbstractAsyncContextManager[Server]:
        """Listen, and close the server at the end of the block."""

    @abstractmethod
    def run_until_done(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start the event loop for this, and stop it after."""

    @abstractmethod
    def signals(self) -> AbstractAsyncContextManager[Callable[[], Awaitable[object]]]:
        """Within the block SIGINT and SIGTERM end the waiting of what this yields."""

    # -- what users call --

    @asynccontextmanager
    async def connect(
        self,
        url: str,
        identity: str,
        *,
        handlers: ChargePointHandlers | None = None,
        ssl: SSLContext | None = None,
        observer: Observer | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> AsyncGenerator[RemoteCentralSystem]:
        """Connect a charge point to its central system. The connection is closed at the end of the block.

        Args:
            url: The central system's endpoint, ``ws://`` or ``wss://``, without the identity.
            identity: The identity of the charge point.
            handlers: What to do about the central system's requests; without, none is supported.
            ssl: Instead of the default context for ``wss://``.
            observer: Told of what happens, see :mod:`ocpp_transports.observing`.
            **options: See :class:`ocpp_sansio.ConnectionOptions`.

        Raises:
            HandshakeFailed: the central system refused, or is none.
            OSError: it could not be reached, or not in ``Limits.handshake_timeout``.
        """
        connection = charge_point_connection(url, identity, now=self.now(), **options)
        handlers, tls = handlers_or_default(handlers), tls_for(connection, ssl)
        async with self.connected(connection, identity, handlers, tls, observer=observer) as central_system:
            yield central_system

    @asynccontextmanager
    async def keep_connected(
        self,
        url: Where,
        identity: str,
        *,
        handlers: ChargePointHandlers | None = None,
        backoff: Backoff | None = None,
        attempts: int = 3,
        ssl: SSLContext | None = None,
        on_connected: Callable[[RemoteCentralSystem], object] | None = None,
        report_security_events: bool = True,
        observer: Observer | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> AsyncGenerator[Uplink]:
        """Keep a charge point connected to its central system, until the end of the block.

        The block begins at once, connected or not. A connection that is lost is made again, for ever, and is closed in
        good order at the end. When and where is for :class:`ocpp_sansio.Dialer` to say (RPC-126, RPC-129).

        Args:
            url: The central system's endpoint, ``ws://`` or ``wss://``, without the identity; or several, in order of
                priority, each as a :class:`Target` if it has something of its own.
            identity: The identity of the charge point.
            handlers: What to do about the central system's requests; without, none is supported.
            backoff: How long to wait before the next attempt to connect.
            attempts: How many at each endpoint before the next one has its turn.
            ssl: Instead of the default context for ``wss://``.
            on_connected: Called with each connection that has opened, as handlers are given it, before anything that
                waits is sent there: a BootNotification may be needed first. Calls of what this yields wait until it
                has returned, so it makes none. It may be ``async``; it is cancelled when the connection has ended.
                What it raises is logged, and what waits is sent all the same.
            report_security_events: Whether a central system is told, once there is a connection, that the TLS of one
                could not be trusted (RPC-149).
            observer: Told of what happens on each connection, see :mod:`ocpp_transports.observing`.
            **options: Of each connection, see :class:`ocpp_sansio.ConnectionOptions`.
        """
        keeper = Keeper(
            url, identity, self.now, backoff=backoff, attempts=attempts, ssl=ssl, observer=observer, **options
        )
        handlers = handlers_or_default(handlers)
        limits, reports = options.get("limits"), report_security_events
        uplink = Uplink(self.new_flag, self, keeper, limits, reports=reports, on_connected=on_connected)
        try:
            async with self.beside(partial(self._keep, keeper, handlers, uplink)):
                yield uplink
        finally:
            uplink.close()

    @asynccontextmanager
    async def operate(
        self,
        point: ChargePointRole,
        url: Where,
        identity: str,
        *,
        store: Store,
        act: Act,
        backoff: Backoff | None = None,
        attempts: int = 3,
        ssl: SSLContext | None = None,
        observer: Observer | None = None,
        **options: Unpack[LinkOptions],
    ) -> AsyncGenerator[Running]:
        """Run a charge point, and keep it connected to its central system, until the end of the block.

        It is run whether there is a connection or not, and one that is lost is made again (RPC-126).

        Args:
            point: The role, made with what the store has loaded. Its clock is ``time.monotonic``.
            url: The central system's endpoint, ``ws://`` or ``wss://``, without the identity; or several, in order of
                priority.
            identity: The identity of the charge point.
            store: Where the role keeps its records. It commits within the event loop.
            act: The host: called with what this yields, and each effect of the role. It may be ``async``, and then
                each effect waits until the one before has been acted on.
            backoff: How long to wait before the next attempt to connect.
            attempts: How many at each endpoint before the next one has its turn.
            ssl: Instead of the default context for ``wss://``.
            observer: Told of what happens on each connection, see :mod:`ocpp_transports.observing`.
            **options: Of each connection, see :class:`ocpp_sansio.LinkOptions`.
        """
        # Whatever is wrong with the arguments is to be heard before the role is run.
        keeper = Keeper(
            url, identity, self.now, backoff=backoff, attempts=attempts, ssl=ssl, observer=observer, **options
        )
        runner = self.charge_point_runner(Part(point, store, act), options.get("limits") or Limits())
        keeper.report = runner.link_failed
        async with runner.running(), self.beside(partial(self._keep, keeper, ChargePointHandlers(), runner)):
            yield runner

    async def _keep(self, keeper: Keeper, handlers: Handlers, attendant: Attendant) -> None:
        """Connect, again and again."""
        while True:
            await self.sleep(keeper.patience())
            if not keeper.dial():
                continue
            cause: Cause
            try:
                connection, tls = keeper.open()
                async with self.connected(
                    connection, keeper.identity, handlers, tls, attendant, keeper.observer
                ) as central_system:
                    keeper.connected()
                    if keeper.greet is None:
                        cause = await central_system.wait_closed()
                    else:
                        async with self.beside(partial(keeper.greet, central_system)):
                            cause = await central_system.wait_closed()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the end of this connection only (F-14)
                cause = error
            keeper.failed(cause)

    @asynccontextmanager
    async def serve(
        self,
        csms: CentralSystem,
        host: str | None = "127.0.0.1",
        port: int = 9000,
        *,
        ssl: SSLContext | None = None,
        backlog: int = BACKLOG,
        sock: socket.socket | None = None,
        tap: StationTap[Station] | None = None,
        observer: Observer | None = None,
    ) -> AsyncGenerator[Server]:
        """Serve a central system, until the end of the block.

        Args:
            csms: The application object, with its handlers and limits.
            host: Where to listen. The default is this machine only; ``"0.0.0.0"`` is every IPv4 interface and ``None``
                every interface: think of ``authenticate`` and ``ssl`` first.
            port: 0 chooses a free one, see :attr:`Server.port`.
            ssl: Makes it ``wss://``.
            backlog: How many connections may wait to be accepted, as far as the system allows.
            sock: One that is bound and listens, instead of ``host``, ``port`` and ``backlog``: what a service manager
                has passed on, or one of several with ``SO_REUSEPORT``. It is closed at the end of the block.
            tap: Called with every message that comes or goes, and its station.
            observer: Told of what happens on each connection, see :mod:`ocpp_transports.observing`.

        Raises:
            LocalProtocolError: it is being served in another event loop, or in threads.
            TypeError: the first argument is no central system, or ``ssl`` no context.
        """
        warn_if_open(csms)
        require_context(ssl)
        async with AsyncExitStack() as cleanup:
            cleanup.enter_context(csms.served_in(get_ident()))
            runner: AsyncStationsRunner[Any] | None = None
            if csms.part is not None:
                runner = self.stations_runner(csms.part, csms.limits)
                await cleanup.enter_async_context(runner.running())
            service = Service(csms, tap, observer, runner)
            server = await cleanup.enter_async_context(self.listening(service, Place(host, port, backlog, sock), ssl))
            logger.info("listening on %s", server.addresses)
            yield server

    def run(
        self,
        csms: CentralSystem,
        *,
        host: str | None = "127.0.0.1",
        port: int = 9000,
        ssl: SSLContext | None = None,
        backlog: int = BACKLOG,
        sock: socket.socket | None = None,
        drain: float | None = None,
    ) -> None:
        """Serve a central system until SIGINT or SIGTERM, then close every connection in good order.

        With ``drain`` that is spread over so many seconds, see :meth:`Server.drain`; a second signal cuts it short.
        For the rest see :meth:`serve`.

        Raises:
            ValueError: the seconds are negative.
        """
        serve = partial(self.serve, csms, host, port, ssl=ssl, backlog=backlog, sock=sock)
        self.run_until_done(partial(self.serve_until_signal, serve, drain))

    async def serve_until_signal(
        self, serve: Callable[[], AbstractAsyncContextManager[Server]], drain: float | None
    ) -> None:
        """What ``run`` runs."""
        if drain is not None:
            Leave(drain)  # whatever is wrong with it is to be heard before the server is needed
        async with self.signals() as signalled, serve() as server:
            await signalled()
            if drain is not None:
                done = self.new_flag()

                async def leave() -> None:
                    await server.drain(over=drain)
                    done.set()

                async def heed() -> None:
                    await signalled()
                    done.set()

                async with self.beside(leave), self.beside(heed):
                    await done.wait()
