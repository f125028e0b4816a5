"""What a server costs that does next to nothing: an asyncio protocol, and the WebSocket library alone."""

from __future__ import annotations

import asyncio
import logging

import websockets.asyncio.server
from websockets.typing import Subprotocol

from ocpp_sansio import Version

from ..wire import RESPONSE, client_frame_length, server_frame
from .report import listening

logging.getLogger("websockets").setLevel(logging.CRITICAL)

HANDSHAKE, GOODBYE = b"G\x88"
ANSWER = b'[3,"00000000",{"currentTime":"2026-03-29T01:35:04.771Z"}]'


class Constant(asyncio.Protocol):
    """Answers each frame with the same bytes. It looks at a frame only so far as to know its length."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.framed = server_frame(ANSWER)
        self.missing = 0

    def data_received(self, data: bytes) -> None:
        if self.missing == 0:
            if data[0] == HANDSHAKE:
                self.transport.write(RESPONSE)
                return
            if data[0] == GOODBYE:
                self.transport.close()
                return
            self.missing = client_frame_length(data)
        self.missing -= len(data)
        if self.missing == 0:
            self.transport.write(self.framed)


async def _constant() -> None:
    server = await asyncio.get_running_loop().create_server(Constant, "127.0.0.1", 0, backlog=1024)
    listening(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def serve_constant() -> None:
    asyncio.run(_constant())


async def _echo(connection: websockets.asyncio.server.ServerConnection) -> None:
    answer = ANSWER.decode()
    async for _ in connection:
        await connection.send(answer)


async def _websockets() -> None:
    subprotocols = [Subprotocol(version.subprotocol) for version in Version]
    async with websockets.asyncio.server.serve(
        _echo, "127.0.0.1", 0, subprotocols=subprotocols, compression=None, backlog=1024
    ) as server:
        listening(next(iter(server.sockets)).getsockname()[1])
        await server.serve_forever()


def serve_websockets() -> None:
    asyncio.run(_websockets())
