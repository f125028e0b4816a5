"""One inbound call, layer by layer, each with those above it left out: where do the microseconds go?

Each layer does what the one before does, and its own part: the OCPP frame alone; its payload, typed and validated;
the session; the connection, with WebSocket frames around; the asyncio adapter with a handler, given bytes by a
transport that is none. Beside them plain JSON, and the WebSocket library alone, which neither reads nor writes JSON.

What is missing to a whole server, the event loop and the kernel, is in the case ``server``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from ocpp_sansio import CallReceived, CentralSystemConnection, numbered_ids
from ocpp_transports.asyncio import serve

from ..clock import Contender, compete
from ..peers import floor, ours
from ..results import Series
from ..servers.application import csms
from ..wire import client_frame, request
from ..workload import Frame, frames
from . import Setup

JSON, FRAME, CODEC, SESSION, CONNECTION, ADAPTER = "JSON", "frame", "codec", "session", "connection", "adapter"
SPLIT = "connection, in three pieces"
WEBSOCKETS = "websockets"

ANSWER = b'[3,"00000000",{}]'

SUBJECTS = ("heartbeat_request", "meter_values_80_request")


def _open_connection(frame: Frame) -> CentralSystemConnection:
    connection = CentralSystemConnection(
        now=0.0, versions=[frame.version], message_ids=numbered_ids("m"), limits=ours.LIMITS
    )
    connection.receive_data(request("CP1", frame.version.subprotocol), now=0.0)
    connection.accept(now=0.0)
    while connection.next_event() is not None:
        pass
    connection.data_to_send()
    return connection


def _connection(frame: Frame) -> Callable[[tuple[bytes, ...]], bytes]:
    """What an adapter does for one call, without the socket."""
    connection, respond = _open_connection(frame), ours.answering(frame)

    def answer(pieces: tuple[bytes, ...]) -> bytes:
        for piece in pieces:
            connection.receive_data(piece, now=0.0)
            while (event := connection.next_event()) is not None:
                assert isinstance(event, CallReceived)
                connection.respond(event, respond(), now=0.0)
        connection.next_timeout()
        return connection.data_to_send()

    return answer


class _Listener:
    """An ``asyncio.Server`` that does not listen. It keeps what would make a protocol of every client."""

    sockets = ()

    def __init__(self, new_protocol: Callable[[], asyncio.Protocol]) -> None:
        self.new_protocol = new_protocol

    def close(self) -> None:
        pass


class _Loop(asyncio.SelectorEventLoop):
    async def create_server(self, protocol_factory: Any, *_: Any, **__: Any) -> Any:
        self.listener = _Listener(protocol_factory)
        return self.listener


class _Transport(asyncio.Transport):
    """It keeps what was written last."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._protocol = protocol
        self.written = b""

    def write(self, data: Any) -> None:
        self.written = data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        self._protocol.connection_lost(None)

    close = abort


def _adapter(frame: Frame, loop: _Loop) -> Callable[[bytes], bytes]:
    protocol = loop.listener.new_protocol()
    transport = _Transport(protocol)
    protocol.connection_made(transport)
    protocol.data_received(request(f"CP-{frame.name}", frame.version.subprotocol))

    def answer(data: bytes) -> bytes:
        transport.written = b""
        protocol.data_received(data)
        assert transport.written, "the adapter has put the answer off"
        return transport.written

    return answer


def _websockets(_: Frame) -> Callable[[bytes], bytes]:
    protocol = ServerProtocol(state=OPEN)

    def answer(data: bytes) -> bytes:
        protocol.receive_data(data)
        for _ in protocol.events_received():
            protocol.send_text(ANSWER)
        return b"".join(protocol.data_to_send())

    return answer


def _contenders(frame: Frame, loop: _Loop) -> Iterable[Contender]:
    texts = frame.numbered(64)
    framed = [client_frame(text) for text in texts]
    third = len(framed[0]) // 3
    yield Contender(JSON, frame.name, floor.route(frame), texts)
    yield Contender(FRAME, frame.name, ours.frames_only(frame), texts)
    yield Contender(CODEC, frame.name, ours.with_payloads(frame), texts)
    yield Contender(SESSION, frame.name, ours.route(frame), texts)
    yield Contender(CONNECTION, frame.name, _connection(frame), [(data,) for data in framed])
    pieces = [(data[:third], data[third : 2 * third], data[2 * third :]) for data in framed]
    yield Contender(SPLIT, frame.name, _connection(frame), pieces)
    yield Contender(ADAPTER, frame.name, _adapter(frame, loop), framed)
    yield Contender(WEBSOCKETS, frame.name, _websockets(frame), framed)


def measure(setup: Setup) -> Iterable[Series]:
    loop = _Loop()

    async def compete_while_serving() -> list[Series]:
        async with serve(csms):
            contenders = [each for name in SUBJECTS for each in _contenders(frames()[name], loop)]
            return compete("layers", contenders, setup.effort, setup.progress)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(compete_while_serving())
