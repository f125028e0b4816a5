"""OCPP on blocking sockets.

``connect``, ``keep_connected`` and ``operate`` are for a charge point, ``serve`` and ``run`` for a central system.
This module moves bytes between a socket and a connection; every decision is the connection's. Handlers are plain
functions. A central system has a thread for each charge point, and handlers run on it. ``connect`` makes no
thread: ``call`` runs the connection until the response is there, and meanwhile answers what the central system asks;
``run_for`` and ``wait_closed`` do the same without a call of one's own. ``keep_connected`` and ``operate`` do.

Any thread may call, also out of a handler: one thread at a time runs the connection, the others wait for it. While a
handler waits for another connection than its own, its own is run by whoever waits for that, and handlers with it.
"""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from ssl import SSLContext
from typing import Final, Unpack

from ocpp_sansio import (
    CentralSystem,
    ChargePointHandlers,
    ConnectionOptions,
    Limits,
    LinkOptions,
)
from ocpp_sansio.application import Part
from ocpp_sansio.backoff import Backoff
from ocpp_sansio.store import Store

from ._blocking import ChargePointThread, StationsThread
from ._blocking_client import RemoteCentralSystem, connected
from ._blocking_server import Server, Station
from ._blocking_uplink import LinkThread, Uplink
from ._endings import Leave
from ._logging import logger
from ._roles import Act, CallExpired, ChargePointRole, Running
from ._served import Service, StationTap, warn_if_open
from ._shared import BACKLOG, HandshakeFailed, charge_point_connection, handlers_or_default, require_context, tls_for
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
        OSError: it could not be reached, or not in ``Limits.handshake_timeout``; to look up a name takes as long as
            the system wants it to.
    """
    connection = charge_point_connection(url, identity, now=time.monotonic(), **options)
    handlers, tls = handlers_or_default(handlers), tls_for(connection, ssl)
    with connected(connection, identity, handlers, tls, observer=observer) as peer:
        yield peer


@contextmanager
def keep_connected(
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
        on_connected: Called with each connection that has opened, in the thread, before anything that waits is sent
            there: a BootNotification may be needed first. While it does not call that, or ``run_for``, the connection
            is not run. What it raises is logged, and what waits is sent all the same.
        report_security_events: Whether a central system is told, once there is a connection, that the TLS of one could
            not be trusted (RPC-149).
        observer: Told of what happens on each connection, see :mod:`ocpp_transports.observing`.
        **options: Of each connection, see :class:`ocpp_sansio.ConnectionOptions`. An attempt to connect holds up the
            end of the block for ``Limits.handshake_timeout`` at most; ``tap`` is called in the thread.
    """
    keeper = Keeper(
        url, identity, time.monotonic, backoff=backoff, attempts=attempts, ssl=ssl, observer=observer, **options
    )
    handlers = handlers_or_default(handlers)
    uplink = Uplink(keeper, options.get("limits"), reports=report_security_events, on_connected=on_connected)
    thread = LinkThread(connected, keeper, handlers, uplink)
    with ExitStack() as cleanup:
        cleanup.callback(uplink.close)
        cleanup.callback(thread.stop)
        yield uplink


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
    runner = ChargePointThread(Part(point, store, act), options.get("limits") or Limits())
    keeper.report = runner.link_failed
    with ExitStack() as cleanup:
        cleanup.callback(runner.stop)
        thread = LinkThread(connected, keeper, ChargePointHandlers(), runner)
        cleanup.callback(thread.stop)
        yield runner


@contextmanager
def serve(
    csms: CentralSystem,
    host: str | None = "127.0.0.1",
    port: int = 9000,
    *,
    ssl: SSLContext | None = None,
    backlog: int = BACKLOG,
    sock: socket.socket | None = None,
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
        backlog: How many connections may wait to be accepted, as far as the system allows.
        sock: One that is bound and listens, instead of ``host``, ``port`` and ``backlog``: what a service manager has
            passed on, or one of several with ``SO_REUSEPORT``. It is closed at the end of the block.
        tap: Called with every message that comes or goes, and its station.
        observer: Told of what happens on each connection, see :mod:`ocpp_transports.observing`.

    Raises:
        LocalProtocolError: it is being served in an event loop.
        TypeError: the first argument is no central system, or ``ssl`` no context.
    """
    warn_if_open(csms)
    require_context(ssl)
    with ExitStack() as cleanup:
        cleanup.enter_context(csms.served_in("threads"))
        listeners: list[socket.socket] = []
        if sock is not None:
            listeners.append(cleanup.enter_context(sock))
        else:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, address in sorted({(family, address[:2]) for family, _, _, _, address in found}):
                listener = socket.create_server(address, family=family, backlog=backlog)
                listeners.append(cleanup.enter_context(listener))
        runner: StationsThread | None = None
        if csms.part is not None:
            runner = StationsThread(csms.part, csms.limits)
            cleanup.callback(runner.stop)
        server = Server(Service(csms, tap, observer, runner), listeners, ssl)
        cleanup.callback(server.close)
        logger.info("listening on %s", server.addresses)
        yield server


def run(
    csms: CentralSystem,
    *,
    host: str | None = "127.0.0.1",
    port: int = 9000,
    ssl: SSLContext | None = None,
    backlog: int = BACKLOG,
    sock: socket.socket | None = None,
    drain: float | None = None,
) -> None:
    """Serve a central system until SIGINT or SIGTERM, then close every connection in good order; see :func:`serve`.

    With ``drain`` that is spread over so many seconds, see :meth:`Server.drain`; a second signal cuts it short.

    Raises:
        ValueError: the seconds are negative.
    """
    if drain is not None:
        Leave(drain)  # whatever is wrong with it is to be heard before the server is needed
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
        with serve(csms, host, port, ssl=ssl, backlog=backlog, sock=sock) as server:
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
