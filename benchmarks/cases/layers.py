"""One inbound call, layer by layer, each with those above it left out: where do the microseconds go?

Each layer does what the one before does, and its own part: JSON alone; codec, typed and validated; session; connection,
with WebSocket frames around. Beside them the WebSocket library alone, which neither reads nor writes JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from ocpp_sansio import CallReceived, CentralSystemConnection, numbered_ids

from ..clock import Contender, compete
from ..peers import floor, ours
from ..results import Series
from ..wire import client_frame, request
from ..workload import Frame, frames
from . import Setup

JSON, CODEC, SESSION, CONNECTION = "JSON", "codec", "session", "connection"
SPLIT = "connection, in three pieces"
WEBSOCKETS = "websockets"

ANSWER = b'[3,"00000000",{}]'

SUBJECTS = ("heartbeat_request", "meter_values_80_request")


def _codec(frame: Frame) -> Callable[[bytes], object]:
    decode, cls = ours.decoder(frame), frame.message_class
    encode = ours.result_encoder(cls)

    def answer(data: bytes) -> bytes:
        decode(data)
        return encode(ours.response_to(cls))

    return answer


def _open_connection() -> CentralSystemConnection:
    connection = CentralSystemConnection(now=0.0, message_ids=numbered_ids("m"), limits=ours.LIMITS)
    connection.receive_data(request("CP1"), now=0.0)
    connection.accept(now=0.0)
    while connection.next_event() is not None:
        pass
    connection.data_to_send()
    return connection


def _connection(frame: Frame) -> Callable[[tuple[bytes, ...]], bytes]:
    """What an adapter does for one call, without the socket."""
    connection, cls = _open_connection(), frame.message_class

    def answer(pieces: tuple[bytes, ...]) -> bytes:
        for piece in pieces:
            connection.receive_data(piece, now=0.0)
            while (event := connection.next_event()) is not None:
                assert isinstance(event, CallReceived)
                connection.respond(event, ours.response_to(cls), now=0.0)
        connection.next_timeout()
        return connection.data_to_send()

    return answer


def _websockets(_: Frame) -> Callable[[bytes], bytes]:
    protocol = ServerProtocol(state=OPEN)

    def answer(data: bytes) -> bytes:
        protocol.receive_data(data)
        for _ in protocol.events_received():
            protocol.send_text(ANSWER)
        return b"".join(protocol.data_to_send())

    return answer


def _contenders(frame: Frame) -> Iterable[Contender]:
    texts = frame.numbered(64)
    framed = [client_frame(text) for text in texts]
    third = len(framed[0]) // 3
    yield Contender(JSON, frame.name, floor.route(frame), texts)
    yield Contender(CODEC, frame.name, _codec(frame), texts)
    yield Contender(SESSION, frame.name, ours.route(frame), texts)
    yield Contender(CONNECTION, frame.name, _connection(frame), [(data,) for data in framed])
    pieces = [(data[:third], data[third : 2 * third], data[2 * third :]) for data in framed]
    yield Contender(SPLIT, frame.name, _connection(frame), pieces)
    yield Contender(WEBSOCKETS, frame.name, _websockets(frame), framed)


def measure(setup: Setup) -> Iterable[Series]:
    contenders = [each for name in SUBJECTS for each in _contenders(frames()[name])]
    return compete("layers", contenders, setup.effort, setup.progress)
