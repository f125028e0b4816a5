"""OCPP on trio: ``connect`` and ``operate`` for a charge point, ``serve`` and ``run`` for a central system.

This module moves bytes between a stream and a connection, and wakes tasks; every decision is the connection's.
A handler is a plain function, called at once, or an ``async`` one, run in a task of its own: it may take its time
and call the peer meanwhile. It runs to its end even when the connection breaks.

Everything that is started lives in a nursery of the ``connect`` or ``serve`` block, and ends with it.
"""

from __future__ import annotations

import math
import random
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from ssl import SSLContext
from typing import Any, TypeVar

import trio

from ocpp_sansio import (
    CentralSystem,
    CentralSystemConnection,
    ChargePointConnection,
    ChargePointHandlers,
    ConnectionRefused,
    Limits,
    Repair,
    Version,
)
from ocpp_sansio.application import Part
from ocpp_sansio.backoff import Backoff
from ocpp_sansio.dialer import Cause, Dialer
from ocpp_sansio.handlers import Handlers
from ocpp_sansio.session import Tap, VersionedActions
from ocpp_sansio.store import Store

from ._async import AsyncDispatcher, AsyncFlag, AsyncListening, RemoteCentralSystem, Station
from ._roles import Act, CallExpired, ChargePointRole, ChargePointRunner, Runner, Running, StationsRunner, log_failure
from ._shared import (
    GOING_AWAY,
    NORMAL,
    C,
    H,
    HandshakeFailed,
    ServerDispatcher,
    StationTap,
    fresh_ids,
    logger,
    served,
    tls_for,
    warn_if_open,
)

__all__ = [
    "CallExpired",
    "HandshakeFailed",
    "RemoteCentralSystem",
    "Running",
    "Server",
    "Station",
    "connect",
    "operate",
    "run",
    "serve",
]

N = TypeVar("N", bound="_Runner")


class _Group:
    """The connections and the handlers' tasks that live under one ``connect`` or ``serve``, and end with it."""

    nursery: trio.Nursery

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.drivers: set[_Driver[Any, Any]] = set()
        self._opened = trio.Event()
        self._closing = trio.Event()
        self._closed = trio.Event()
        # What goes on around the block must not cut off the closing handshakes: `close` ends them.
        self._scope = trio.CancelScope(shield=True)

    async def close(self, code: int, reason: str) -> None:
        """Close every connection in good order; what is not done after ``Limits.close_timeout`` is cut off."""
        for driver in list(self.drivers):
            driver.begin_close(code, reason)
        self._scope.deadline = min(self._scope.deadline, _after(self.limits.close_timeout))
        self._closing.set()
        await self._closed.wait()

    async def _run(self) -> None:
        try:
            with self._scope:
                async with trio.open_nursery() as self.nursery:
                    self._opened.set()
                    await self._closing.wait()
        finally:
            self._closed.set()

    @asynccontextmanager
    async def opened(self, code: int, reason: str) -> AsyncGenerator[None, None]:
        """Live beside a block, and close after it. What the block raises comes out as it is, not in a group."""
        raised = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run)
            with trio.CancelScope(shield=True):  # it is no wait: nothing holds it up
                await self._opened.wait()
            try:
                yield
            except BaseException as error:  # noqa: BLE001 - raised below
                raised = error
            with trio.CancelScope(shield=True):
                await self.close(code, reason)
        if raised is not None:
            raise raised


class _Flag(AsyncFlag):
    __slots__ = ()

    new_event = trio.Event


class _Driver(AsyncDispatcher[C, H, _Flag]):
    """Three tasks, one that reads, one that writes, one that keeps the time; each is followed by ``drive``."""

    new_flag = _Flag
    now = staticmethod(trio.current_time)

    def __init__(self, connection: C, handlers: H, group: _Group, identity: str = "") -> None:
        super().__init__(connection, handlers, identity)
        self._group = group
        self._scope = trio.CancelScope()
        self._alarm = trio.CancelScope()
        self._turn = trio.Event()
        """Set, and made anew, whenever the tasks should look again whether there is something to do."""
        self._unsent = bytearray()
        self._done = False
        group.drivers.add(self)

    def drive(self) -> None:
        """After every mutation: act on all events, hand over what to send, wake the tasks, set the alarm."""
        self.react()
        self._unsent += self.connection.data_to_send()
        self._turn.set()
        self._turn = trio.Event()
        if self.connection.transport_done and not self._done:
            self._done = True
            self._alarm.cancel()
            # A peer that does not take our last words, or does not hang up after them, is not waited for (F-10).
            self._scope.deadline = _after(self._group.limits.close_timeout)
            if not self._unsent:  # there are none
                self._scope.cancel()
        elif not self._done:
            deadline = self.connection.next_timeout()
            self._alarm.deadline = math.inf if deadline is None else deadline

    async def run(self, stream: trio.abc.Stream) -> None:
        """Drive the connection over the stream until it is over."""
        self.drive()
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._read, stream)
                    nursery.start_soon(self._write, stream)
                    nursery.start_soon(self._keep_time)
        except Exception:  # noqa: BLE001 - whatever it is, it is the end of this connection only (F-14)
            logger.exception("%r: the connection failed", self.identity)
        finally:
            self._group.drivers.discard(self)
            self._hear_end()
            self.let_go()
            await trio.aclose_forcefully(stream)

    async def _read(self, stream: trio.abc.ReceiveStream) -> None:
        while True:
            # Who does not read our answers asks no more (F-06), nor does who has asked too much already (F-98).
            while self.is_choked or self.connection.reading_paused:
                await self._turn.wait()
            try:
                data = await stream.receive_some()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                data = b""
            if not data:
                break
            self.connection.receive_data(bytes(data), now=self.now())
            self.drive()
        self._hear_end()

    async def _write(self, stream: trio.abc.SendStream) -> None:
        try:
            while self._unsent or not self.connection.transport_done:
                if data := bytes(self._unsent):
                    await stream.send_all(data)
                    del self._unsent[: len(data)]
                    self.drive()
                else:
                    await self._turn.wait()
            # Only our half: to close on what has not been read yet would take our last words back from the peer.
            await (stream.send_eof() if isinstance(stream, trio.abc.HalfCloseableStream) else stream.aclose())
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._hear_end()

    async def _keep_time(self) -> None:
        while not self.connection.transport_done:
            deadline = self.connection.next_timeout()
            with trio.CancelScope(deadline=math.inf if deadline is None else deadline) as self._alarm:
                await trio.sleep_forever()
            self.connection.handle_timeout(now=self.now())
            self.drive()

    @property
    def is_choked(self) -> bool:
        return len(self._unsent) > self._group.limits.max_unsent

    def _hear_end(self) -> None:
        self.connection.receive_eof(now=self.now())
        self.drive()

    def is_fault(self, error: BaseException) -> bool:
        return super().is_fault(error) and not isinstance(error, trio.Cancelled)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        async def run() -> None:
            try:
                await work
            except Exception:  # noqa: BLE001 - as above
                logger.exception("%r: the connection failed", self.identity)
                self._scope.cancel()

        self._group.nursery.start_soon(run)


class _ServerDriver(ServerDispatcher[_Flag], _Driver[CentralSystemConnection, CentralSystem]):
    """The driver of a connection that is served."""


class _Runner(Runner):
    """Runs a role in a task."""

    def __init__(self, part: Part[Any], nursery: trio.Nursery) -> None:
        super().__init__(part)
        self.nursery = nursery
        self._woken = trio.Event()
        self._scope = trio.CancelScope()

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Take turns until it is over."""
        with self._scope:
            while True:
                self._woken = trio.Event()
                self.turn()
                with trio.move_on_after(self.patience()):
                    await self._woken.wait()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        async def run() -> None:
            await work

        self.nursery.start_soon(run)

    def stop(self) -> None:
        super().stop()
        self._scope.cancel()


class _ChargePointRunner(_Runner, ChargePointRunner):
    """Runs a charge point."""


class _StationsRunner(_Runner, StationsRunner[_Flag]):
    """Runs a central system."""

    new_flag = _Flag


@asynccontextmanager
async def _running(
    new_runner: Callable[[Part[Any], trio.Nursery], N], part: Part[Any], limits: Limits
) -> AsyncGenerator[N]:
    """Run a role, until the end of the block. Links have to be gone by then; the host may come to its end."""
    group = _Group(limits)
    async with group.opened(*NORMAL):
        runner = new_runner(part, group.nursery)
        group.nursery.start_soon(runner.run)
        try:
            yield runner
        finally:
            runner.stop()


@asynccontextmanager
async def connect(
    url: str,
    identity: str,
    *,
    versions: Iterable[Version | str] = (Version.V16,),
    handlers: ChargePointHandlers | None = None,
    password: bytes | str | None = None,
    ssl: SSLContext | None = None,
    limits: Limits | None = None,
    tap: Tap | None = None,
    actions: VersionedActions | None = None,
    tolerance: Iterable[Repair | str] = (),
) -> AsyncGenerator[RemoteCentralSystem, None]:
    """Connect a charge point to its central system. The connection is closed at the end of the block.

    Args:
        url: The central system's endpoint, ``ws://`` or ``wss://``, without the identity.
        identity: The identity of the charge point.
        versions: The versions offered, the preferred one first.
        handlers: What to do about the central system's requests; without, none is supported.
        password: For HTTP Basic authentication.
        ssl: Instead of the default context for ``wss://``.
        limits: The bounds of the connection.
        tap: Called with every message that comes or goes.
        actions: By version, those of it with a vendor's own.
        tolerance: What to put up with in payloads.

    Raises:
        HandshakeFailed: the central system refused, or is none.
        OSError: it could not be reached, or not in ``Limits.handshake_timeout``.
    """
    connection = ChargePointConnection(
        url,
        identity,
        now=trio.current_time(),
        versions=versions,
        message_ids=fresh_ids(),
        password=password,
        limits=limits,
        tap=tap,
        actions=actions,
        tolerance=tolerance,
    )
    async with _connected(connection, identity, handlers or ChargePointHandlers(), tls_for(connection, ssl)) as peer:
        yield peer


@asynccontextmanager
async def _connected(
    connection: ChargePointConnection,
    identity: str,
    handlers: Handlers,
    tls: SSLContext | None,
    runner: Runner | None = None,
) -> AsyncGenerator[RemoteCentralSystem]:
    stream = await _open_stream(connection.host, connection.port, tls, connection.limits)
    group = _Group(connection.limits)
    driver = _Driver[ChargePointConnection, Handlers](connection, handlers, group, identity)
    driver.runner = runner
    central_system = RemoteCentralSystem(driver)
    async with group.opened(*NORMAL):
        group.nursery.start_soon(driver.run, stream)
        await driver.decided.wait()
        if isinstance(driver.end, ConnectionRefused):
            raise HandshakeFailed(driver.end)
        yield central_system


@asynccontextmanager
async def operate(
    point: ChargePointRole,
    url: str,
    identity: str,
    *,
    store: Store,
    act: Act,
    backoff: Backoff | None = None,
    password: bytes | str | None = None,
    ssl: SSLContext | None = None,
    limits: Limits | None = None,
    tap: Tap | None = None,
    tolerance: Iterable[Repair | str] = (),
) -> AsyncGenerator[Running]:
    """Run a charge point, and keep it connected to its central system, until the end of the block.

    It is run whether there is a connection or not, and one that is lost is made again (RPC-126).

    Args:
        point: The role, made with what the store has loaded. Its clock is ``time.monotonic``.
        url: The central system's endpoint, ``ws://`` or ``wss://``, without the identity.
        identity: The identity of the charge point.
        store: Where the role keeps its records. It commits within the event loop.
        act: The host: called with what this yields, and each effect of the role. It may be ``async``, and then each
            effect waits until the one before has been acted on.
        backoff: How long to wait before the next attempt to connect.
        password: For HTTP Basic authentication.
        ssl: Instead of the default context for ``wss://``.
        limits: The bounds of each connection.
        tap: Called with every message that comes or goes.
        tolerance: What to put up with in payloads.
    """

    def new_connection() -> ChargePointConnection:
        return ChargePointConnection(
            url,
            identity,
            now=trio.current_time(),
            message_ids=fresh_ids(),
            password=password,
            limits=limits,
            tap=tap,
            tolerance=tolerance,
        )

    tls = tls_for(new_connection(), ssl)  # whatever is wrong with the arguments is to be heard now
    dialer = Dialer([url], now=trio.current_time(), chance=random.random, backoff=backoff)
    scope, gone = trio.CancelScope(), trio.Event()

    async def keep_connected() -> None:
        with scope:
            while True:
                await trio.sleep(max((dialer.next_timeout() or 0.0) - trio.current_time(), 0.0))
                if dialer.dial(now=trio.current_time()) is None:
                    continue
                cause: Cause
                try:
                    async with _connected(new_connection(), identity, ChargePointHandlers(), tls, runner) as peer:
                        dialer.connected(now=trio.current_time())
                        cause = await peer.wait_closed()
                except Exception as error:  # noqa: BLE001 - it is the end of this connection only (F-14)
                    cause = log_failure(identity, error)
                dialer.failed(cause, now=trio.current_time())
        gone.set()

    async with _running(_ChargePointRunner, Part(point, store, act), limits or Limits()) as runner:
        runner.nursery.start_soon(keep_connected)
        try:
            yield runner
        finally:
            scope.cancel()
            with trio.CancelScope(shield=True):
                await gone.wait()


async def _open_stream(host: str, port: int, tls: SSLContext | None, limits: Limits) -> trio.abc.Stream:
    with trio.CancelScope(deadline=_after(limits.handshake_timeout)):
        tcp = await trio.open_tcp_stream(host, port)
        if tls is None:
            return tcp
        stream = trio.SSLStream(tcp, tls, server_hostname=host, https_compatible=True)
        try:
            await stream.do_handshake()
        except BaseException as error:
            await trio.aclose_forcefully(tcp)
            if isinstance(error, trio.BrokenResourceError) and isinstance(error.__cause__, OSError):
                raise error.__cause__ from None  # an ssl.SSLError, which says what is wrong
            raise
        return stream
    raise TimeoutError(f"no connection to {host}, port {port}, in {limits.handshake_timeout} s")


class Server(AsyncListening):
    """A central system that is being served."""

    def __init__(
        self,
        listeners: list[trio.SocketListener],
        accepting: trio.CancelScope,
        group: _Group,
        runner: _StationsRunner | None,
    ) -> None:
        super().__init__((listener.socket for listener in listeners), runner)
        self._group = group
        self._accepting = accepting

    async def close(self) -> None:
        """Accept no more, close every connection with 1001, and let running handlers come to their end.

        What is not done after ``Limits.close_timeout`` is cut off.
        """
        self._accepting.cancel()
        await self._group.close(*GOING_AWAY)


@asynccontextmanager
async def serve(
    csms: CentralSystem,
    host: str | None = "127.0.0.1",
    port: int = 9000,
    *,
    ssl: SSLContext | None = None,
    tap: StationTap[Station] | None = None,
) -> AsyncGenerator[Server, None]:
    """Serve a central system, until the end of the block.

    Args:
        csms: The application object, with its handlers and limits.
        host: Where to listen. The default is this machine only; ``"0.0.0.0"`` is every IPv4 interface and ``None``
            every interface: think of ``authenticate`` and ``ssl`` first.
        port: 0 chooses a free one, see :attr:`Server.port`.
        ssl: Makes it ``wss://``.
        tap: Called with every message that comes or goes, and its station.
    """
    warn_if_open(csms)
    group = _Group(csms.limits)
    accepting = trio.CancelScope()
    runner: _StationsRunner | None = None

    async def listen() -> None:
        with accepting:
            await trio.serve_listeners(converse, listeners, handler_nursery=group.nursery)

    async def converse(tcp: trio.SocketStream) -> None:
        station: Station
        driver = _ServerDriver(served(csms, trio.current_time(), tap, lambda: station), csms, group)
        driver.runner = runner
        station = Station(driver)
        # The TLS handshake comes with the first byte, and within the deadline for the first byte.
        await driver.run(tcp if ssl is None else trio.SSLStream(tcp, ssl, server_side=True, https_compatible=True))

    async with AsyncExitStack() as cleanup:
        if csms.part is not None:
            runner = await cleanup.enter_async_context(_running(_StationsRunner, csms.part, csms.limits))
        listeners = await trio.open_tcp_listeners(port, host=host)
        server = Server(listeners, accepting, group, runner)
        logger.info("listening on %s", server.addresses)
        await cleanup.enter_async_context(group.opened(*GOING_AWAY))
        group.nursery.start_soon(listen)
        try:
            yield server
        finally:
            accepting.cancel()


def run(
    csms: CentralSystem, *, host: str | None = "127.0.0.1", port: int = 9000, ssl: SSLContext | None = None
) -> None:
    """Serve a central system until SIGINT or SIGTERM, then close every connection in good order; see :func:`serve`."""
    trio.run(partial(_serve_until_signal, csms, host, port, ssl))


async def _serve_until_signal(csms: CentralSystem, host: str | None, port: int, ssl: SSLContext | None) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with serve(csms, host, port, ssl=ssl):
            await anext(aiter(signals))


def _after(seconds: float | None) -> float:
    return math.inf if seconds is None else trio.current_time() + seconds
