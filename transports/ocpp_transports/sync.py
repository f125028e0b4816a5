"""OCPP on blocking sockets.

``connect``, ``keep_connected`` and ``operate`` are for a charge point, ``serve`` and ``run`` for a central system.
This module moves bytes between a socket and a connection; every decision is the connection's. Handlers are plain
functions. A central system has a thread for each charge point, and handlers run on it. ``connect`` makes no
thread: ``call`` runs the connection until the response is there, and meanwhile answers what the central system asks;
``run_for`` and ``wait_closed`` do the same without a call of one's own. ``keep_connected`` and ``operate`` do.

Any thread may call, also out of a handler: one thread at a time runs the connection, the others wait for it.
"""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from ssl import SSLContext
from typing import Final, TypeVar, Unpack

from ocpp_sansio import (
    CentralSystem,
    ChargePointConnection,
    ChargePointHandlers,
    ConnectionOptions,
    ConnectionRefused,
    FromChargePoint,
    LinkOptions,
    Response,
    SendFromChargePoint,
)
from ocpp_sansio.application import Part
from ocpp_sansio.backoff import Backoff
from ocpp_sansio.handlers import Handlers
from ocpp_sansio.store import Store

from ._blocking import BlockingPeer, ChargePointThread, Driver, StationsThread
from ._blocking_server import Server, Station
from ._blocking_uplink import LinkThread, Uplink
from ._dispatcher import Attendant
from ._endings import NORMAL
from ._logging import logger
from ._roles import Act, CallExpired, ChargePointRole, Running
from ._served import Service, StationTap, warn_if_open
from ._shared import HandshakeFailed, fresh_ids, tls_for
from ._uplink import Keeper, Target, Where
from .observing import Observer

__all__ = [
    "CallExpired",
    "HandshakeFailed",
    "RemoteCentralSystem",
    "Running",
    "Server",
    "Station",
    "Target",
    "Uplink",
    "connect",
    "keep_connected",
    "operate",
    "run",
    "serve",
]

R = TypeVar("R", bound=Response)


class RemoteCentralSystem(BlockingPeer[Driver[ChargePointConnection, Handlers]]):
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


@contextmanager
def connect(
    url: str,
    identity: str,
    *,
    handlers: ChargePointHandlers | None = None,
    ssl: SSLContext | None = None,
    observer: Observer | None = None,
    **options: Unpack[ConnectionOptions],
) -> Generator[RemoteCentralSystem, None, None]:
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
    connection = ChargePointConnection(url, identity, now=time.monotonic(), message_ids=fresh_ids(), **options)
    handlers, tls = handlers or ChargePointHandlers(), tls_for(connection, ssl)
    with _connected(connection, identity, handlers, tls, observer=observer) as peer:
        yield peer


@contextmanager
def _connected(
    connection: ChargePointConnection,
    identity: str,
    handlers: Handlers,
    tls: SSLContext | None,
    runner: Attendant | None = None,
    observer: Observer | None = None,
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
    driver.runner, driver.observer = runner, observer
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
def keep_connected(
    url: Where,
    identity: str,
    *,
    handlers: ChargePointHandlers | None = None,
    backoff: Backoff | None = None,
    attempts: int = 3,
    ssl: SSLContext | None = None,
    report_security_events: bool = True,
    observer: Observer | None = None,
    **options: Unpack[ConnectionOptions],
) -> Generator[Uplink, None, None]:
    """Keep a charge point connected to its central system, until the end of the block, in a thread.

    The block begins at once, connected or not. A connection that is lost is made again, for ever, and is closed in
    good order at the end. When and where is for :class:`ocpp_sansio.Dialer` to say (RPC-126, RPC-129).

    Args:
        url: The central system's endpoint, ``ws://`` or ``wss://``, without the identity; or several, in order of
            priority, each as a :class:`Target` if it has something of its own.
        identity: The identity of the charge point.
        handlers: What to do about the central system's requests; without, none is supported. They are called in the
            thread.
        backoff: How long to wait before the next attempt to connect.
        attempts: How many at each endpoint before the next one has its turn.
        ssl: Instead of the default context for ``wss://``.
        report_security_events: Whether a central system is told, once there is a connection, that the TLS of one could
            not be trusted (RPC-149).
        observer: Told of what happens on each connection, see :mod:`ocpp_transports.observing`.
        **options: Of each connection, see :class:`ocpp_sansio.ConnectionOptions`. An attempt to connect holds up the
            end of the block for ``Limits.handshake_timeout`` at most; ``tap`` is called in the thread.
    """
    keeper = Keeper(
        url, identity, time.monotonic, backoff=backoff, attempts=attempts, ssl=ssl, observer=observer, **options
    )
    uplink = Uplink(keeper, options.get("limits"), reports=report_security_events)
    thread = LinkThread(_connected, keeper, handlers or ChargePointHandlers(), uplink)
    try:
        yield uplink
    finally:
        thread.stop()
        uplink.close()


@contextmanager
def operate(
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
) -> Generator[Running, None, None]:
    """Run a charge point, and keep it connected to its central system, until the end of the block.

    It is run in a thread whether there is a connection or not, and one that is lost is made again (RPC-126).

    Args:
        point: The role, made with what the store has loaded. Its clock is ``time.monotonic``.
        url: The central system's endpoint, ``ws://`` or ``wss://``, without the identity; or several, in order of
            priority.
        identity: The identity of the charge point.
        store: Where the role keeps its records. It commits in the thread of the role.
        act: The host: called with what this yields, and each effect of the role, in the thread of the role.
        backoff: How long to wait before the next attempt to connect.
        attempts: How many at each endpoint before the next one has its turn.
        ssl: Instead of the default context for ``wss://``.
        observer: Told of what happens on each connection, see :mod:`ocpp_transports.observing`.
        **options: Of each connection, see :class:`ocpp_sansio.LinkOptions`. An attempt to connect holds up the end of
            the block for ``Limits.handshake_timeout`` at most; ``tap`` is called in the thread of the connection.
    """
    # Whatever is wrong with the arguments is to be heard before the role is run.
    keeper = Keeper(
        url, identity, time.monotonic, backoff=backoff, attempts=attempts, ssl=ssl, observer=observer, **options
    )
    runner = ChargePointThread(Part(point, store, act))
    keeper.report = runner.link_failed
    thread = LinkThread(_connected, keeper, ChargePointHandlers(), runner)
    try:
        yield runner
    finally:
        thread.stop()
        runner.stop()


@contextmanager
def serve(
    csms: CentralSystem,
    host: str | None = "127.0.0.1",
    port: int = 9000,
    *,
    ssl: SSLContext | None = None,
    tap: StationTap[Station] | None = None,
    observer: Observer | None = None,
) -> Generator[Server, None, None]:
    """Serve a central system in threads of its own, until the end of the block.

    Args:
        csms: The application object, with its handlers and limits.
        host: Where to listen. The default is this machine only; ``"0.0.0.0"`` is every IPv4 interface and ``None``
            every interface: think of ``authenticate`` and ``ssl`` first.
        port: 0 chooses a free one, see :attr:`Server.port`.
        ssl: Makes it ``wss://``.
        tap: Called with every message that comes or goes, and its station.
        observer: Told of what happens on each connection, see :mod:`ocpp_transports.observing`.
    """
    warn_if_open(csms)
    with ExitStack() as cleanup:
        listeners: list[socket.socket] = []
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in sorted({(family, address[:2]) for family, _, _, _, address in found}):
            listeners.append(cleanup.enter_context(socket.create_server(address, family=family)))
        runner = None if csms.part is None else StationsThread(csms.part)
        cleanup.pop_all()
    server = Server(Service(csms, tap, observer, runner), listeners, ssl)
    logger.info("listening on %s", server.addresses)
    try:
        yield server
    finally:
        server.close()
        if runner is not None:
            runner.stop()


def run(
    csms: CentralSystem,
    *,
    host: str | None = "127.0.0.1",
    port: int = 9000,
    ssl: SSLContext | None = None,
    drain: float | None = None,
) -> None:
    """Serve a central system until SIGINT or SIGTERM, then close every connection in good order; see :func:`serve`.

    With ``drain`` that is spread over so many seconds, see :meth:`Server.drain`; a second signal cuts it short.
    """
    stop, signalled = socket.socketpair()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def wait() -> None:
        while stop.recv(1)[0] not in (*numbers, _DONE):  # other signals are somebody else's
            pass

    def heed(*_: object) -> None:
        """Nothing: the signal has its byte."""

    with stop, signalled, ExitStack() as cleanup:
        # The kernel may interrupt any thread, and only this one runs Python's handlers: it is woken whichever it is.
        signalled.setblocking(False)
        cleanup.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(signalled.fileno(), warn_on_full_buffer=False))
        for number in numbers:
            cleanup.callback(signal.signal, number, signal.signal(number, heed))
        with serve(csms, host, port, ssl=ssl) as server:
            wait()
            if drain is not None:
                cleanup.callback(_beside(lambda: server.drain(over=drain), signalled).join)
                wait()


_DONE: Final = 0
"""Among the numbers of signals."""


def _beside(work: Callable[[], None], signalled: socket.socket) -> threading.Thread:
    """Do something in a thread of its own, and give a sign when it is done."""

    def run() -> None:
        try:
            work()
        finally:
            with suppress(OSError):  # nobody waits for it any more
                signalled.send(bytes([_DONE]))

    thread = threading.Thread(target=run, name="ocpp-drain", daemon=True)
    thread.start()
    return thread
