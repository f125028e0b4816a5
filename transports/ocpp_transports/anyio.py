"""OCPP on anyio, on either of its backends, and over any byte stream of its.

``connect``, ``keep_connected`` and ``operate`` are for a charge point, ``serve`` and ``run`` for a central system.
``connect_over`` and ``serve_over`` do the same over a stream that is there already: a Unix socket, a tunnel, one end of
a pair in memory.

This module moves bytes between a stream and a connection, and wakes tasks; every decision is the connection's.
A handler is a plain function, called at once, or an ``async`` one, run in a task of its own: it may take its time
and call the peer meanwhile. It goes on when the connection breaks, see ``Limits.max_inbound_calls``.

Everything that is started lives in a task group of the ``connect`` or ``serve`` block, and ends with it.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from ssl import SSLContext
from threading import get_ident
from typing import Any, Final, Unpack, cast

import anyio
from anyio.abc import ByteStream as AnyByteStream
from anyio.abc import Listener, SocketAttribute, SocketListener, SocketStream, TaskGroup
from anyio.streams.tls import TLSAttribute, TLSStream

from ocpp_sansio import CentralSystem, ChargePointHandlers, ConnectionOptions

from ._adapter import AsyncChargePointRunner, Server
from ._anyio import ANYIO, Flag, StationsRunner
from ._async import RemoteCentralSystem, Station
from ._async_uplink import Uplink
from ._dispatcher import C, H
from ._endings import GOING_AWAY
from ._logging import logger
from ._roles import CallExpired, Running
from ._served import Service, StationTap, warn_if_open
from ._shared import (
    ACCEPT_PAUSE,
    BACKLOG,
    EXHAUSTED,
    HandshakeFailed,
    Place,
    Socket,
    charge_point_connection,
    handlers_or_default,
)
from ._structured import (
    ByteStream,
    Group,
    StreamDriver,
    StreamServerDriver,
    StructuredAdapter,
    StructuredRunner,
)
from ._uplink import Target
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
    "connect_over",
    "keep_connected",
    "operate",
    "run",
    "serve",
    "serve_over",
]

# An OSError is what some streams raise that fail in a way of their own; an SSLError is one.
_GONE: Final = anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError


class _Stream(ByteStream):
    def __init__(self, stream: AnyByteStream, tls: SSLContext | None = None) -> None:
        self._stream = stream
        self._tls = tls
        """As a server: to be shaken hands for with the first byte, and within the deadline for the first byte."""

    async def receive(self) -> bytes:
        try:
            if self._tls is not None:
                self._stream = await TLSStream.wrap(
                    self._stream, server_side=True, ssl_context=self._tls, standard_compatible=False
                )
                self._tls = None
            return await self._stream.receive()
        except _GONE:
            return b""

    async def send(self, data: bytes) -> None:
        if self._tls is not None:
            raise ConnectionError("there is no TLS yet, and no plain text where TLS was meant (F-19)")
        try:
            await self._stream.send(data)
        except _GONE as error:
            raise ConnectionError from error

    async def send_eof(self) -> None:
        try:
            if isinstance(self._stream, TLSStream):
                await self._stream.aclose()
            else:
                await self._stream.send_eof()
        except _GONE as error:
            raise ConnectionError from error

    async def abort(self) -> None:
        await anyio.aclose_forcefully(self._stream)

    def address(self) -> Any:
        with suppress(OSError):  # it is gone already
            return self._stream.extra(SocketAttribute.remote_address, None)  # noqa: S610 - not Django's

    def getpeercert(self) -> Any:
        tls = self._stream.extra(TLSAttribute.ssl_object, None)  # noqa: S610 - as above
        return None if tls is None else tls.getpeercert


class _Listener:
    def __init__(self, listeners: Sequence[Listener[SocketStream]], tls: SSLContext | None) -> None:
        self._listeners = [cast(SocketListener, each) for each in listeners]
        self._tls = tls
        self.sockets: list[Socket] = [each.extra(SocketAttribute.raw_socket) for each in listeners]  # noqa: S610 - not Django's

    async def serve(self, converse: Callable[[ByteStream], Coroutine[Any, Any, None]], nursery: TaskGroup) -> None:
        try:
            async with anyio.create_task_group() as accepting:
                for listener in self._listeners:
                    accepting.start_soon(self._accept, listener, converse, nursery)
        finally:
            with anyio.CancelScope(shield=True):
                for listener in self._listeners:
                    await listener.aclose()

    async def _accept(
        self, listener: SocketListener, converse: Callable[[ByteStream], Coroutine[Any, Any, None]], nursery: TaskGroup
    ) -> None:
        while True:
            try:
                stream = await listener.accept()
            except (OSError, anyio.BrokenResourceError) as error:
                # A client that has left already is no reason to pause; that there are no descriptors is (F-13).
                cause = error if isinstance(error, OSError) else error.__cause__
                if isinstance(cause, OSError) and cause.errno in EXHAUSTED:
                    logger.error("cannot accept: %s", cause)
                    await anyio.sleep(ACCEPT_PAUSE)
            else:
                nursery.start_soon(converse, _Stream(stream, self._tls))


class _Driver(StreamDriver[C, H, Flag]):
    new_flag = Flag


class _ServerDriver(StreamServerDriver[Flag]):
    new_flag = Flag


class _ChargePointRunner(StructuredRunner, AsyncChargePointRunner):
    """Runs a charge point."""

    library = ANYIO


class _Adapter(StructuredAdapter):
    library = ANYIO
    new_flag = Flag
    charge_point_runner = _ChargePointRunner
    stations_runner = StationsRunner
    new_driver = _Driver
    new_server_driver = _ServerDriver

    async def open_stream(self, host: str, port: int, tls: SSLContext | None) -> ByteStream:
        if tls is None:
            return _Stream(await anyio.connect_tcp(host, port))
        try:
            return _Stream(await anyio.connect_tcp(host, port, ssl_context=tls, tls_standard_compatible=False))
        except (anyio.BrokenResourceError, anyio.EndOfStream) as error:
            raise ConnectionError("the connection ended during the TLS handshake") from error

    async def open_listener(self, place: Place, tls: SSLContext | None) -> _Listener:
        if place.sock is not None:  # anyio can since 4.10
            return _Listener([await SocketListener.from_socket(place.sock)], tls)
        tcp = await anyio.create_tcp_listener(local_host=place.host, local_port=place.port, backlog=place.backlog)
        return _Listener(tcp.listeners, tls)

    def run_until_done(self, work: Callable[[], Coroutine[Any, Any, None]], backend: str = "asyncio") -> None:
        anyio.run(work, backend=backend)

    @asynccontextmanager
    async def signals(self) -> AsyncGenerator[Callable[[], Awaitable[object]]]:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            yield aiter(signals).__anext__


_ADAPTER: Final = _Adapter()
connect = _ADAPTER.connect
keep_connected = _ADAPTER.keep_connected
operate = _ADAPTER.operate
serve = _ADAPTER.serve


def run(
    csms: CentralSystem,
    *,
    host: str | None = "127.0.0.1",
    port: int = 9000,
    ssl: SSLContext | None = None,
    backlog: int = BACKLOG,
    sock: socket.socket | None = None,
    drain: float | None = None,
    backend: str = "asyncio",
) -> None:
    """Serve a central system on one of anyio's backends until SIGINT or SIGTERM; see :func:`serve`.

    With ``drain`` its connections are closed spread over so many seconds, see :meth:`Server.drain`; a second signal
    cuts that short.

    Raises:
        ValueError: the seconds are negative.
    """
    server = partial(_ADAPTER.serve, csms, host, port, ssl=ssl, backlog=backlog, sock=sock)
    _ADAPTER.run_until_done(partial(_ADAPTER.serve_until_signal, server, drain), backend)


@asynccontextmanager
async def connect_over(
    stream: AnyByteStream,
    url: str,
    identity: str,
    *,
    handlers: ChargePointHandlers | None = None,
    observer: Observer | None = None,
    **options: Unpack[ConnectionOptions],
) -> AsyncGenerator[RemoteCentralSystem]:
    """Connect a charge point over a stream, which is its connection's from then on; see :func:`connect`.

    What is needed for ``wss://`` is the stream's business; the URL only says what to ask the central system for.
    """
    connection = charge_point_connection(url, identity, now=anyio.current_time(), **options)
    connected = _ADAPTER.connected_over(
        _Stream(stream), connection, identity, handlers_or_default(handlers), observer=observer
    )
    async with connected as central_system:
        yield central_system


async def serve_over(
    csms: CentralSystem,
    stream: AnyByteStream,
    *,
    tap: StationTap[Station] | None = None,
    observer: Observer | None = None,
) -> None:
    """Serve one charge point over a stream until that is over. Cancelled, it closes the connection in good order.

    It is for a central system that plays no role: that is for :func:`serve`.

    Raises:
        LocalProtocolError: it is being served in another event loop, or in threads.
    """
    warn_if_open(csms)
    group, over = Group(ANYIO, csms.limits), anyio.Event()

    async def converse() -> None:
        await _ADAPTER.converse(_Stream(stream), Service(csms, tap, observer), group)
        over.set()

    with csms.served_in(get_ident()):
        async with group.opened(*GOING_AWAY):
            group.nursery.start_soon(converse)
            await over.wait()
