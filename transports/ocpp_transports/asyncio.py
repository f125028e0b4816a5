"""OCPP on asyncio.

``connect``, ``keep_connected`` and ``operate`` are for a charge point, ``serve`` and ``run`` for a central system.

This module moves bytes between a transport and a connection, and wakes tasks; every decision is the connection's.
A handler is a plain function, called at once, or an ``async`` one, run in a task of its own: it may take its time
and call the peer meanwhile. It goes on when the connection breaks, see ``Limits.max_inbound_calls``.

All of it belongs to one event loop. From another thread: ``asyncio.run_coroutine_threadsafe``.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from ssl import SSLContext
from typing import Any, Final

from ocpp_sansio import (
    ChargePointConnection,
    ConnectionRefused,
    Limits,
)
from ocpp_sansio.handlers import Handlers

from ._adapter import AsyncAdapter, Server
from ._async import RemoteCentralSystem, Station
from ._async_uplink import Uplink
from ._asyncio import ChargePointRunner, Driver, Flag, Group, ServerDriver, StationsRunner
from ._dispatcher import Attendant
from ._endings import NORMAL
from ._roles import CallExpired, Running
from ._served import Service, served
from ._shared import HandshakeFailed, Place
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
    "keep_connected",
    "operate",
    "run",
    "serve",
]


class _Asyncio(AsyncAdapter):
    new_flag = Flag
    charge_point_runner = ChargePointRunner
    stations_runner = StationsRunner

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    @asynccontextmanager
    async def beside(self, work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncGenerator[None]:
        task = asyncio.get_running_loop().create_task(work())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    @asynccontextmanager
    async def connected(
        self,
        connection: ChargePointConnection,
        identity: str,
        handlers: Handlers,
        tls: SSLContext | None,
        runner: Attendant | None = None,
        observer: Observer | None = None,
    ) -> AsyncGenerator[RemoteCentralSystem]:
        limits = connection.limits
        group = Group(limits)
        driver = Driver[ChargePointConnection, Handlers](connection, handlers, group, identity)
        driver.runner, driver.observer = runner, observer
        central_system = RemoteCentralSystem(driver)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(limits.handshake_timeout):
            await loop.create_connection(lambda: driver, connection.host, connection.port, **_tls(tls, limits))
        try:
            await driver.decided.wait()
            if isinstance(driver.end, ConnectionRefused):
                raise HandshakeFailed(driver.end)
            yield central_system
        finally:
            await group.close(*NORMAL)

    @asynccontextmanager
    async def listening(
        self, service: Service[Station], place: Place, tls: SSLContext | None
    ) -> AsyncGenerator[Server]:
        loop = asyncio.get_running_loop()
        group = Group(service.csms.limits)

        def accept() -> asyncio.Protocol:
            station: Station
            connection = served(service, loop.time(), lambda: station, lambda: driver.facts())  # noqa: PLW0108 - there is none yet
            driver = ServerDriver(connection, service.csms, group)
            driver.runner, driver.observer = service.runner, service.observer
            station = Station(driver)
            return driver

        where = {"host": place.host, "port": place.port} if place.sock is None else {"sock": place.sock}
        options: dict[str, Any] = {**where, **_tls(tls, service.csms.limits)}
        listener = await loop.create_server(accept, **options)
        # Not told to asyncio: it tries to accept as often as there may be clients waiting, also if it has no descriptor
        # left, and logs each time.
        for sock in listener.sockets:
            with socket.fromfd(sock.fileno(), sock.family, sock.type) as the_same:
                the_same.listen(place.backlog)
        server = Server(self, listener.sockets, listener.close, group, service)
        try:
            yield server
        finally:
            await server.close()

    def run_until_done(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        asyncio.run(work())

    @asynccontextmanager
    async def signals(self) -> AsyncGenerator[Callable[[], Awaitable[object]]]:
        signals = asyncio.Queue[int]()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # on Windows, where SIGINT cancels this task
                asyncio.get_running_loop().add_signal_handler(number, signals.put_nowait, number)
        yield signals.get


def _tls(context: SSLContext | None, limits: Limits) -> dict[str, Any]:
    """What asyncio has to know for TLS, deadlines included (F-19); without TLS it does not want to hear of them."""
    if context is None:
        return {}
    timeouts = {"ssl_handshake_timeout": limits.handshake_timeout, "ssl_shutdown_timeout": limits.close_timeout}
    return {"ssl": context, **timeouts}


_ASYNCIO: Final = _Asyncio()
connect = _ASYNCIO.connect
keep_connected = _ASYNCIO.keep_connected
operate = _ASYNCIO.operate
serve = _ASYNCIO.serve
run = _ASYNCIO.run
