"""OCPP on blocking sockets: ``connect`` and ``operate`` for a charge point, ``serve`` and ``run`` for a central system.

This module moves bytes between a socket and a connection; every decision is the connection's. Handlers are plain
functions. A central system has a thread for each charge point, and handlers run on it. A charge point has no thread
of its own: ``call`` runs the connection until the response is there, and meanwhile answers what the central system
asks; ``run_for`` and ``wait_closed`` do the same without a call of one's own.

Any thread may call, also out of a handler: one thread at a time runs the connection, the others wait for it.
"""

from __future__ import annotations

import random
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from ssl import SSLContext
from typing import Any, TypeVar, Unpack

from ocpp_sansio import (
    CentralSystem,
    ChargePointConnection,
    ChargePointHandlers,
    ConnectionClosed,
    ConnectionOptions,
    ConnectionRefused,
    FromCentralSystem,
    FromChargePoint,
    LinkOptions,
    Response,
    SendFromChargePoint,
)
from ocpp_sansio.application import Part
from ocpp_sansio.backoff import Backoff
from ocpp_sansio.dialer import Cause, Dialer
from ocpp_sansio.handlers import Handlers
from ocpp_sansio.store import Store

from ._blocking import ChargePointThread, Driver, Selector, ServerDriver, StationsThread, socket_facts
from ._roles import Act, CallExpired, ChargePointRole, Runner, Running, log_failure
from ._shared import (
    ACCEPT_PAUSE,
    EXHAUSTED,
    GOING_AWAY,
    NORMAL,
    HandshakeFailed,
    Listening,
    Peer,
    StationTap,
    Waiter,
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

R = TypeVar("R", bound=Response)


D = TypeVar("D", bound=Driver[Any, Any])


class _Peer(Peer[D]):
    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection, and wait until it is gone: a few times ``Limits.close_timeout`` at most."""
        self.close_soon(code, reason)
        self.wait_closed()

    def wait_closed(self) -> ConnectionClosed | ConnectionRefused:
        """Answer what the peer asks until the connection is gone, and tell how it ended."""
        self._driver.run(self._driver.lost.is_set)
        assert self.closed is not None
        return self.closed

    def run_for(self, seconds: float) -> None:
        """Answer what the peer asks, for so long or until the connection is gone."""
        self._driver.run(self._driver.lost.is_set, self._driver.now() + seconds)


class RemoteCentralSystem(_Peer[Driver[ChargePointConnection, Handlers]]):
    """The central system, as a charge point that is connected to it sees it.

    Nothing is read, and no ping answered, while no thread is in one of its methods: an idle charge point belongs
    into ``run_for`` or ``wait_closed``.
    """

    def call(self, request: FromChargePoint[R], *, timeout: float | None = None) -> R:
        """Ask the central system and wait for its response. Calls are sent one at a time, in order (RPC-050).

        ``timeout`` is in seconds from when the call is sent; ``None`` stands for ``Limits.call_timeout``.

        Raises:
            CallFailure: there is no usable answer; the subclass says why.
            LocalProtocolError: the request is not valid, or the connection is not open. Nothing was sent.
        """
        driver = self._driver
        return driver.outcome(lambda: driver.connection.call(request, now=driver.now(), timeout=timeout))

    def send(self, message: SendFromChargePoint) -> None:
        """Tell the central system something, at once (RPC-056). It never answers, so there is nothing to wait for.

        Raises:
            QueueFull: the central system does not read: more than ``Limits.max_unsent`` is waiting for it.
            LocalProtocolError: the message is not valid, or the connection is not open. Nothing was sent.
        """
        driver = self._driver
        driver.tell(lambda: driver.connection.send(message, now=driver.now()))


class Station(_Peer[ServerDriver]):
    """A charge point that is connected to this central system."""

    def call(self, request: FromCentralSystem[R], *, timeout: float | None = None) -> R:
        """Ask the charge point and wait for its response, from any thread; see :meth:`RemoteCentralSystem.call`."""
        driver = self._driver
        return driver.outcome(lambda: driver.connection.call(request, now=driver.now(), timeout=timeout))


@contextmanager
def connect(
    url: str,
    identity: str,
    *,
    handlers: ChargePointHandlers | None = None,
    ssl: SSLContext | None = None,
    **options: Unpack[ConnectionOptions],
) -> Generator[RemoteCentralSystem, None, None]:
    """Connect a charge point to its central system. The connection is closed at the end of the block.

    Args:
        url: The central system's endpoint, ``ws://`` or ``wss://``, without the identity.
        identity: The identity of the charge point.
        handlers: What to do about the central system's requests; without, none is supported.
        ssl: Instead of the default context for ``wss://``.
        **options: See :class:`ocpp_sansio.ConnectionOptions`.

    Raises:
        HandshakeFailed: the central system refused, or is none.
        OSError: it could not be reached, or not in ``Limits.handshake_timeout``.
    """
    connection = ChargePointConnection(url, identity, now=time.monotonic(), message_ids=fresh_ids(), **options)
    with _connected(connection, identity, handlers or ChargePointHandlers(), tls_for(connection, ssl)) as peer:
        yield peer


@contextmanager
def _connected(
    connection: ChargePointConnection,
    identity: str,
    handlers: Handlers,
    tls: SSLContext | None,
    runner: Runner | None = None,
) -> Generator[RemoteCentralSystem, None, None]:
    limits = connection.limits
    with ExitStack() as cleanup:
        stream = socket.create_connection((connection.host, connection.port), limits.handshake_timeout)
        cleanup.callback(stream.close)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            stream = tls.wrap_socket(stream, server_hostname=connection.host)
        cleanup.pop_all()
    driver = Driver[ChargePointConnection, Handlers](connection, handlers, stream, limits, identity)
    driver.runner = runner
    central_system = RemoteCentralSystem(driver)
    try:
        driver.run(driver.decided.is_set)
        if isinstance(driver.end, ConnectionRefused):
            raise HandshakeFailed(driver.end)
        yield central_system
    finally:
        try:
            central_system.close(*NORMAL)
        finally:
            if not driver.lost.is_set():  # Ctrl-C has cut the closing handshake short
                driver.post(driver.abort)
                driver.run(driver.lost.is_set)


@contextmanager
def operate(
    point: ChargePointRole,
    url: str,
    identity: str,
    *,
    store: Store,
    act: Act,
    backoff: Backoff | None = None,
    ssl: SSLContext | None = None,
    **options: Unpack[LinkOptions],
) -> Generator[Running, None, None]:
    """Run a charge point, and keep it connected to its central system, until the end of the block.

    It is run in a thread whether there is a connection or not, and one that is lost is made again (RPC-126).

    Args:
        point: The role, made with what the store has loaded. Its clock is ``time.monotonic``.
        url: The central system's endpoint, ``ws://`` or ``wss://``, without the identity.
        identity: The identity of the charge point.
        store: Where the role keeps its records. It commits in the thread of the role.
        act: The host: called with what this yields, and each effect of the role, in the thread of the role.
        backoff: How long to wait before the next attempt to connect.
        ssl: Instead of the default context for ``wss://``.
        **options: Of each connection, see :class:`ocpp_sansio.LinkOptions`. An attempt to connect holds up the end of
            the block for ``Limits.handshake_timeout`` at most; ``tap`` is called in the thread of the connection.
    """

    def new_connection() -> ChargePointConnection:
        return ChargePointConnection(url, identity, now=time.monotonic(), message_ids=fresh_ids(), **options)

    tls = tls_for(new_connection(), ssl)  # whatever is wrong with the arguments is to be heard now
    runner = ChargePointThread(Part(point, store, act))
    keeper = _Keeper(
        lambda: _connected(new_connection(), identity, ChargePointHandlers(), tls, runner),
        Dialer([url], now=time.monotonic(), chance=random.random, backoff=backoff),
        identity,
    )
    try:
        yield runner
    finally:
        keeper.stop()
        runner.stop()


class _Keeper:
    """Keeps a charge point connected, in a thread."""

    def __init__(
        self, connect: Callable[[], AbstractContextManager[RemoteCentralSystem]], dialer: Dialer[str], identity: str
    ) -> None:
        self._connect = connect
        self._dialer = dialer
        self._identity = identity
        self._central_system: RemoteCentralSystem | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ocpp-link", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        dialer = self._dialer
        while not self._stopping.is_set():
            if dialer.dial(now=time.monotonic()) is None:
                self._stopping.wait(max((dialer.next_timeout() or 0.0) - time.monotonic(), 0.0))
                continue
            cause: Cause
            try:
                with self._connect() as self._central_system:
                    dialer.connected(now=time.monotonic())
                    if not self._stopping.is_set():  # else whoever stops it may have seen nothing to close
                        self._central_system.wait_closed()
                cause = self._central_system.closed or ConnectionAbortedError()
            except Exception as error:  # noqa: BLE001 - it is the end of this connection only (F-14)
                cause = log_failure(self._identity, error)
            dialer.failed(cause, now=time.monotonic())

    def stop(self) -> None:
        """Close the connection, and make no other."""
        self._stopping.set()
        if self._central_system is not None:
            self._central_system.close_soon(*NORMAL)
        self._thread.join()


class Server(Listening[StationsThread]):
    """A central system that is being served."""

    def __init__(
        self,
        csms: CentralSystem,
        listeners: list[socket.socket],
        tls: SSLContext | None,
        tap: StationTap[Station] | None,
        runner: StationsThread | None,
    ) -> None:
        super().__init__(listeners, runner)
        self._csms = csms
        self._listeners = listeners
        self._tls = tls
        self._tap = tap
        self._threads: dict[threading.Thread, ServerDriver] = {}
        self._closing = False
        self._wakeup, self._waker = socket.socketpair()
        self._acceptor = threading.Thread(target=self._accept, name="ocpp-accept", daemon=True)
        self._acceptor.start()

    def call(
        self,
        identity: str,
        request: FromCentralSystem[R],
        *,
        timeout: float | None = None,
        expires_in: float | None = None,
    ) -> R:
        """Have the role ask a station, and wait for the response, in any thread but that of the role.

        For a central system that plays a role. ``timeout`` is in seconds from when the call is sent; ``None`` stands
        for ``Limits.call_timeout``. With ``expires_in`` the command waits for so many seconds until it can be sent;
        without, the station has to be connected.

        Raises:
            CallFailure: there is no usable answer; the subclass says why.
            LocalProtocolError: the station must not be asked this now, or too much is waiting, or this is the thread
                of the role. Nothing was sent.
        """
        runner = self._runner
        runner.refuse_to_wait_here()
        waiter: Waiter[R, threading.Event] = runner.do(
            runner.ask, identity, request, timeout=timeout, expires_in=expires_in
        )
        waiter.flag.wait()
        return waiter.result()

    def close(self) -> None:
        """Accept no more, close every connection with 1001, and let running handlers come to their end.

        What is not done after ``Limits.close_timeout`` is cut off, except for handlers: a thread cannot be stopped.
        """
        self._closing = True
        self._waker.close()  # which the acceptor takes for something to read
        self._acceptor.join()
        patience = self._csms.limits.close_timeout
        for driver in self._threads.copy().values():
            driver.begin_close(*GOING_AWAY)
        self._join(patience)
        for driver in self._threads.copy().values():
            driver.post(driver.abort)
        self._join(patience)
        for driver in self._threads.copy().values():
            logger.warning("%r: a handler is still running", driver.identity)

    def _join(self, patience: float | None) -> None:
        until = None if patience is None else time.monotonic() + patience
        for thread in self._threads.copy().keys() - {threading.current_thread()}:
            thread.join(None if until is None else max(until - time.monotonic(), 0))

    def _accept(self) -> None:
        with Selector() as selector, ExitStack() as sockets:
            for each in (*self._listeners, self._wakeup):
                sockets.enter_context(each).setblocking(False)
                selector.register(each, selectors.EVENT_READ)
            while not self._closing:
                ready = {key.fd for key, _ in selector.select()}
                for listener in self._listeners:
                    if listener.fileno() in ready:
                        self._accept_one(listener)

    def _accept_one(self, listener: socket.socket) -> None:
        try:
            self._welcome(listener.accept()[0])
        except (OSError, RuntimeError, MemoryError) as error:
            # A client that has left already is no reason to pause; that there are no descriptors or threads is (F-13).
            if not isinstance(error, OSError) or error.errno in EXHAUSTED:
                logger.error("cannot accept: %s", error)
                time.sleep(ACCEPT_PAUSE)

    def _welcome(self, stream: socket.socket) -> None:
        """Give a client that has just connected its driver and its thread."""
        station: Station
        try:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                # The handshake comes with the first byte, and within the deadline for the first byte.
                stream = self._tls.wrap_socket(stream, server_side=True, do_handshake_on_connect=False)
            connection = served(self._csms, time.monotonic(), self._tap, lambda: station, partial(socket_facts, stream))
            driver = ServerDriver(connection, self._csms, stream, self._csms.limits)
            driver.runner = self._running
            station = Station(driver)
            thread = threading.Thread(target=self._converse, args=[driver], name="ocpp-station", daemon=True)
            self._threads[thread] = driver
            try:
                thread.start()
            except BaseException:
                del self._threads[thread]
                driver.abort()
                raise
        except BaseException:
            stream.close()
            raise

    def _converse(self, driver: ServerDriver) -> None:
        try:
            driver.run(driver.lost.is_set)
        except BaseException:  # noqa: BLE001 - whatever it is, it is the end of this connection only (F-14)
            logger.exception("%r: the connection failed", driver.identity)
        finally:
            del self._threads[threading.current_thread()]


@contextmanager
def serve(
    csms: CentralSystem,
    host: str | None = "127.0.0.1",
    port: int = 9000,
    *,
    ssl: SSLContext | None = None,
    tap: StationTap[Station] | None = None,
) -> Generator[Server, None, None]:
    """Serve a central system in threads of its own, until the end of the block.

    Args:
        csms: The application object, with its handlers and limits.
        host: Where to listen. The default is this machine only; ``"0.0.0.0"`` is every IPv4 interface and ``None``
            every interface: think of ``authenticate`` and ``ssl`` first.
        port: 0 chooses a free one, see :attr:`Server.port`.
        ssl: Makes it ``wss://``.
        tap: Called with every message that comes or goes, and its station.
    """
    warn_if_open(csms)
    with ExitStack() as cleanup:
        listeners: list[socket.socket] = []
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in sorted({(family, address[:2]) for family, _, _, _, address in found}):
            listeners.append(cleanup.enter_context(socket.create_server(address, family=family)))
        runner = None if csms.part is None else StationsThread(csms.part)
        cleanup.pop_all()
    server = Server(csms, listeners, ssl, tap, runner)
    logger.info("listening on %s", server.addresses)
    try:
        yield server
    finally:
        server.close()
        if runner is not None:
            runner.stop()


def run(
    csms: CentralSystem, *, host: str | None = "127.0.0.1", port: int = 9000, ssl: SSLContext | None = None
) -> None:
    """Serve a central system until SIGINT or SIGTERM, then close every connection in good order; see :func:`serve`."""
    stop, signalled = socket.socketpair()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def on_signal(number: int, frame: object) -> None:  # noqa: ARG001 - what a signal handler is given
        signalled.sendall(b"\0")

    with stop, signalled:
        before = [signal.signal(number, on_signal) for number in numbers]
        try:
            with serve(csms, host, port, ssl=ssl):
                stop.recv(1)
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)
