"""This library's ASGI application, under the servers that run such. Settings are those it recommends for its limits."""

from __future__ import annotations

import asyncio
import logging
import socket
import warnings
from contextlib import suppress
from typing import Any

from ocpp_sansio import CentralSystem
from ocpp_transports.asgi import asgi
from ocpp_transports.asgi_servers import granian_settings, hypercorn_settings, uvicorn_settings

from .report import listening

HOST = "127.0.0.1"


def _uvicorn(served: CentralSystem, **options: Any) -> None:
    import uvicorn  # noqa: PLC0415 - each of these servers may be missing

    warnings.filterwarnings("ignore", category=DeprecationWarning)  # of one of its engines
    settings = {**uvicorn_settings(served.limits), "log_level": "critical", **options}
    server = uvicorn.Server(uvicorn.Config(asgi(served), **settings))
    listener = socket.create_server((HOST, 0))
    listening(listener.getsockname()[1])
    server.run([listener])


def serve_uvicorn(served: CentralSystem) -> None:
    _uvicorn(served, ws_per_message_deflate=served.compression)


def serve_uvicorn_websockets(served: CentralSystem) -> None:
    _uvicorn(served, ws="websockets", ws_per_message_deflate=served.compression)


def serve_uvicorn_wsproto(served: CentralSystem) -> None:
    _uvicorn(served, ws="wsproto")


def _hypercorn(served: CentralSystem, worker: str) -> None:
    import hypercorn  # noqa: PLC0415 - as above

    listener = socket.create_server((HOST, 0))
    port = listener.getsockname()[1]
    settings = {**hypercorn_settings(served.limits), "bind": [f"fd://{listener.detach()}"], "errorlog": None}
    config = hypercorn.Config.from_mapping(settings)
    listening(port)
    if worker == "trio":
        import trio  # noqa: PLC0415 - as above
        from hypercorn.trio import serve as serve_on_trio  # noqa: PLC0415 - as above

        trio.run(serve_on_trio, asgi(served), config)
    else:
        from hypercorn.asyncio import serve as serve_on_asyncio  # noqa: PLC0415 - as above

        asyncio.run(serve_on_asyncio(asgi(served), config))  # type: ignore[arg-type]


def serve_hypercorn(served: CentralSystem) -> None:
    _hypercorn(served, "asyncio")


def serve_hypercorn_trio(served: CentralSystem) -> None:
    _hypercorn(served, "trio")


def serve_granian(served: CentralSystem) -> None:
    from granian.server.embed import Server  # noqa: PLC0415 - as above

    logging.getLogger("_granian").setLevel(logging.CRITICAL)
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    server = Server(asgi(served), HOST, port, **granian_settings(served.limits), log_enabled=False)

    async def run() -> None:
        serving = asyncio.create_task(server.serve())
        while not serving.done():
            with suppress(OSError):
                _, writer = await asyncio.open_connection(HOST, port)
                writer.close()
                break
            await asyncio.sleep(0.01)
        listening(port)
        await serving

    asyncio.run(run())
