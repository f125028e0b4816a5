"""The central system of a test under each ASGI server, in the shape of an adapter's ``serve``.

A server is started in the event loop of its own thread, and all of it is over at the end of the block.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import ssl
import sys
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import granian.server.common
import granian.server.embed
import hypercorn
import hypercorn.asyncio
import hypercorn.trio
import uvicorn

from ocpp_sansio import CentralSystem, Limits
from ocpp_transports.asgi import asgi
from ocpp_transports.asgi_servers import granian_settings, hypercorn_settings, uvicorn_settings
from ocpp_transports.testing import AsyncAdapter, ServerEnd
from ocpp_transports.testing.samples import PATIENCE, central_system


@contextmanager
def quiet() -> Generator[None]:
    """One of uvicorn's engines is made of what `websockets` no longer recommends, and both say so."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The `websockets` implementation is deprecated")
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="websockets.legacy")
        warnings.filterwarnings("ignore", "remove second argument of ws_handler", DeprecationWarning)
        yield


HOST = "127.0.0.1"

for _name in ("uvicorn", "hypercorn", "_granian"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

Serve = Callable[..., AbstractAsyncContextManager[None]]
"""Serves an ASGI application with limits at a socket that listens already: with ``tls``, if need be."""


class Tls(NamedTuple):
    """What a server with TLS is given: files."""

    chain: Path
    key: Path
    authorities: Path
    """Whoever shows a certificate has it from one of these; nobody has to."""


class _Uvicorn(uvicorn.Server):
    """One that stops when it is told to, not at its next tick."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stop = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.stop.wait()


@asynccontextmanager
async def _beside(serve: Callable[[], Awaitable[Any]], stop: Callable[[], Any]) -> AsyncGenerator[None]:
    """Serve beside a block. What the block raises comes out as it is, not in a group."""
    raised = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        try:
            yield
        except BaseException as error:  # noqa: BLE001 - raised below
            raised = error
        stop()
    if raised is not None:
        raise raised


@asynccontextmanager
async def on_uvicorn(
    app: Any, limits: Limits, listener: socket.socket, *, tls: Tls | None = None, **options: Any
) -> AsyncGenerator[None]:
    settings = {**uvicorn_settings(limits), "log_config": None, "lifespan": "on", **options}
    if tls is not None:
        settings |= {"ssl_certfile": tls.chain, "ssl_keyfile": tls.key}
        settings |= {"ssl_ca_certs": tls.authorities, "ssl_cert_reqs": ssl.CERT_OPTIONAL}
    server = _Uvicorn(uvicorn.Config(app, **settings))
    async with _beside(partial(server.serve, [listener]), server.stop.set):
        yield


@asynccontextmanager
async def on_hypercorn(
    app: Any, limits: Limits, listener: socket.socket, *, serve: Any, tls: Tls | None = None, **options: Any
) -> AsyncGenerator[None]:
    settings = {
        **hypercorn_settings(limits),
        "bind": [f"fd://{listener.detach()}"],
        "errorlog": None,
        "graceful_timeout": 1.0,
        "websocket_ping_interval": None,  # it waits for the next ping, even when the connection has ended
        **options,
    }
    if tls is not None:
        settings |= {"certfile": tls.chain, "keyfile": tls.key}
        settings |= {"ca_certs": tls.authorities, "verify_mode": ssl.CERT_OPTIONAL}
    config, stop = hypercorn.Config.from_mapping(settings), anyio.Event()
    async with _beside(partial(serve, app, config, shutdown_trigger=stop.wait, mode="asgi"), stop.set):
        yield


class _Granian(granian.server.embed.Server):
    """One that closes the socket that it only tries out."""

    def _init_shared_socket(self) -> None:
        self._ssp = granian.server.common.SocketSpec(self.bind_addr, self.bind_port, self.backlog)
        os.close(self._ssp.build().get_fd())


@asynccontextmanager
async def on_granian(
    app: Any, limits: Limits, listener: socket.socket, *, tls: Tls | None = None, **options: Any
) -> AsyncGenerator[None]:
    host, port = listener.getsockname()
    listener.close()  # it makes one of its own
    settings = {**granian_settings(limits), "log_enabled": False, **options}
    if tls is not None:
        settings |= {"ssl_cert": tls.chain, "ssl_key": tls.key}
    server = _Granian(app, host, port, **settings)
    async with _beside(server.serve, server.stop):
        await _answers(host, port, tls)
        yield
    gc.collect()  # its threads end with its last object


async def _answers(host: str, port: int, tls: Tls | None) -> None:
    """Wait until the server has started: it answers."""
    context = None if tls is None else ssl.create_default_context(cafile=tls.authorities)
    with anyio.fail_after(PATIENCE):
        while True:
            with suppress(OSError, anyio.EndOfStream, anyio.BrokenResourceError):
                async with await anyio.connect_tcp(
                    host, port, ssl_context=context, tls_standard_compatible=False
                ) as stream:
                    await stream.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    await stream.receive()
                    return
            await anyio.sleep(0.005)


async def _once() -> None:
    """Have granian open what it keeps open for as long as the process lives, before anybody counts."""
    with socket.create_server((HOST, 0)) as listener:
        async with on_granian(asgi(central_system()), Limits(), listener):
            pass


if sys.platform == "linux":
    asyncio.run(_once())


class AsgiServer(AsyncAdapter):
    """An ASGI server, in the hands of the contract."""

    def __init__(self, name: str, serve: Serve, backend: str = "asyncio") -> None:
        super().__init__(None, backend, name)
        self.serving = serve
        self.is_gentle = True
        """Whether every station is told before the server stops."""

    @contextmanager
    def serve(self, csms: CentralSystem, *, tls: Tls | None = None, **options: Any) -> Generator[ServerEnd]:
        application: Any = asgi(csms, **options)
        listener = socket.create_server((HOST, 0))
        # The loop takes a socket that is handed to it for none of TCP, and leaves it as it is.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        application.port = port = listener.getsockname()[1]
        with quiet(), self.loop() as portal:
            serving = self.serving(application, csms.limits, listener, tls=tls)
            with portal.wrap_async_context_manager(serving):
                portal.call(_answers, HOST, port, tls)
                yield ServerEnd(portal.start_task_soon, application, csms)
                if self.is_gentle:
                    portal.call(application.close)


ASGI_SERVERS: list[AsgiServer] = [
    AsgiServer("uvicorn-websockets", partial(on_uvicorn, ws="websockets")),
    AsgiServer("uvicorn-sansio", on_uvicorn),
    AsgiServer("uvicorn-wsproto", partial(on_uvicorn, ws="wsproto")),
    AsgiServer("hypercorn-asyncio", partial(on_hypercorn, serve=hypercorn.asyncio.serve)),
    AsgiServer("hypercorn-trio", partial(on_hypercorn, serve=hypercorn.trio.serve), "trio"),
    AsgiServer("granian", on_granian),
]
