"""OCPP on trio.

``connect``, ``keep_connected`` and ``operate`` are for a charge point, ``serve`` and ``run`` for a central system.

This module moves bytes between a stream and a connection, and wakes tasks; every decision is the connection's.
A handler is a plain function, called at once, or an ``async`` one, run in a task of its own: it may take its time
and call the peer meanwhile. It goes on when the connection breaks, see ``Limits.max_inbound_calls``.

Everything that is started lives in a nursery of the ``connect`` or ``serve`` block, and ends with it.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from ssl import SSLContext
from typing import Any, Final

import trio

from ._adapter import AsyncChargePointRunner, AsyncStationsRunner, Server
from ._async import AsyncFlag, RemoteCentralSystem, Station
from ._async_uplink import Uplink
from ._dispatcher import C, H
from ._roles import CallExpired, Running
from ._served import socket_address
from ._shared import HandshakeFailed, Place
from ._structured import ByteStream, Library, StreamDriver, StreamServerDriver, StructuredAdapter, StructuredRunner
from ._uplink import Target

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


_TRIO: Final = Library(
    is_stop=lambda error: isinstance(error, trio.Cancelled),
    new_event=trio.Event,
    new_scope=trio.CancelScope,
    open_nursery=trio.open_nursery,
    now=trio.current_time,
    sleep=trio.sleep,
    sleep_forever=trio.sleep_forever,
)
_GONE: Final = trio.BrokenResourceError, trio.ClosedResourceError


class _Stream(ByteStream):
    def __init__(self, stream: trio.abc.Stream, *, shakes_hands: bool = False) -> None:
        self._stream = stream
        self._shakes_hands = shakes_hands
        """As a server with TLS: with the first byte, and within the deadline for the first byte."""

    async def receive(self) -> bytes:
        try:
            data = bytes(await self._stream.receive_some())
        except _GONE:
            return b""
        self._shakes_hands = False
        return data

    async def send(self, data: bytes) -> None:
        if self._shakes_hands:
            raise ConnectionError("there is no TLS yet, and who never comes to it is not waited for")
        try:
            await self._stream.send_all(data)
        except _GONE as error:
            raise ConnectionError from error

    async def send_eof(self) -> None:
        stream = self._stream
        try:
            await (stream.send_eof() if isinstance(stream, trio.abc.HalfCloseableStream) else stream.aclose())
        except _GONE as error:
            raise ConnectionError from error

    async def abort(self) -> None:
        await trio.aclose_forcefully(self._stream)

    def address(self) -> Any:
        tcp: Any = getattr(self._stream, "transport_stream", self._stream)
        return socket_address(tcp.socket)

    def getpeercert(self) -> Any:
        return getattr(self._stream, "getpeercert", None)


class _Listener:
    def __init__(self, listeners: list[trio.SocketListener], tls: SSLContext | None) -> None:
        self.sockets = [listener.socket for listener in listeners]
        self._listeners = listeners
        self._tls = tls

    async def serve(self, converse: Callable[[ByteStream], Coroutine[Any, Any, None]], nursery: trio.Nursery) -> None:
        async def handle(tcp: trio.SocketStream) -> None:
            if self._tls is None:
                await converse(_Stream(tcp))
            else:
                tls = trio.SSLStream(tcp, self._tls, server_side=True, https_compatible=True)
                await converse(_Stream(tls, shakes_hands=True))

        await trio.serve_listeners(handle, self._listeners, handler_nursery=nursery)


class _Flag(AsyncFlag):
    __slots__ = ()

    new_event = trio.Event


class _Driver(StreamDriver[C, H, _Flag]):
    new_flag = _Flag


class _ServerDriver(StreamServerDriver[_Flag]):
    new_flag = _Flag


class _ChargePointRunner(StructuredRunner, AsyncChargePointRunner):
    """Runs a charge point."""

    library = _TRIO


class _StationsRunner(StructuredRunner, AsyncStationsRunner[_Flag]):
    """Runs a central system."""

    library = _TRIO
    new_flag = _Flag


class _Adapter(StructuredAdapter):
    library = _TRIO
    new_flag = _Flag
    charge_point_runner = _ChargePointRunner
    stations_runner = _StationsRunner
    new_driver = _Driver
    new_server_driver = _ServerDriver

    async def open_stream(self, host: str, port: int, tls: SSLContext | None) -> ByteStream:
        tcp = await trio.open_tcp_stream(host, port)
        if tls is None:
            return _Stream(tcp)
        stream = trio.SSLStream(tcp, tls, server_hostname=host, https_compatible=True)
        try:
            await stream.do_handshake()
        except BaseException as error:
            await trio.aclose_forcefully(tcp)
            if isinstance(error, trio.BrokenResourceError) and isinstance(error.__cause__, OSError):
                raise error.__cause__ from None  # an ssl.SSLError, which says what is wrong
            raise
        return _Stream(stream)

    async def open_listener(self, place: Place, tls: SSLContext | None) -> _Listener:
        if place.sock is not None:
            return _Listener([trio.SocketListener(trio.socket.from_stdlib_socket(place.sock))], tls)
        return _Listener(await trio.open_tcp_listeners(place.port, host=place.host, backlog=place.backlog), tls)

    def run_until_done(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        trio.run(work)

    @asynccontextmanager
    async def signals(self) -> AsyncGenerator[Callable[[], Awaitable[object]]]:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            yield aiter(signals).__anext__


_ADAPTER: Final = _Adapter()
connect = _ADAPTER.connect
keep_connected = _ADAPTER.keep_connected
operate = _ADAPTER.operate
serve = _ADAPTER.serve
run = _ADAPTER.run
