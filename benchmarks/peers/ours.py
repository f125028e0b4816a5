"""This library, as its own session uses its layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from ocpp_sansio import CentralSystemSession, Limits, numbered_ids, v16
from ocpp_sansio.codec import codec_of
from ocpp_sansio.frames import LARGE, Call, CallResult, decode_large
from ocpp_sansio.frames import decode as decode_frame

from ..clock import Contender
from ..workload import Frame

NAME = "ocpp-sansio"

LIMITS = Limits()
READ = {action.name: codec_of(action.request).read for action in v16.ACTIONS.values()}


def decoder(frame: Frame) -> Callable[[bytes], object]:
    """Dispatch by type, then by action or, for an answer, by the id of the CALL that waits for it."""
    waiting = {frame.message_id: codec_of(frame.message_class).read}

    def decode(data: bytes) -> object:
        message = decode_frame(data) if len(data) < LARGE else decode_large(data)
        if type(message) is Call:
            return message.message_id, READ[message.action](message.payload)
        assert type(message) is CallResult
        return message.message_id, waiting[message.message_id](message.payload)

    return decode


def _message(frame: Frame) -> Any:
    return codec_of(frame.message_class).decode(msgspec.json.encode(frame.payload))


def encoder(frame: Frame) -> tuple[Callable[[Any], bytes], Any]:
    """As everything is sent: validated."""
    return _encoder(frame, codec_of(frame.message_class).encode), _message(frame)


def plain_encoder(frame: Frame) -> tuple[Callable[[Any], bytes], Any]:
    """The part of it that writes JSON."""
    return _encoder(frame, msgspec.json.Encoder().encode), _message(frame)


def result_encoder(request: type[Any]) -> Callable[[Any], bytes]:
    """For what answers a request."""
    action = v16.ACTIONS.of(request)
    assert action is not None
    encode = codec_of(action.response).encode
    return lambda message: encode((3, "00000000", message))


def _encoder(frame: Frame, encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    message_id = frame.message_id
    if frame.is_call:
        action = frame.action
        return lambda message: encode((2, message_id, action, message))
    return lambda message: encode((3, message_id, message))


def constructor(frame: Frame) -> tuple[Callable[..., Any], dict[str, Any]]:
    message = _message(frame)
    fields = {name: getattr(message, name) for name in message.__struct_fields__}
    return type(message), {name: value for name, value in fields.items() if value is not None}


def response_to(request: type[Any]) -> Any:
    """What a central system answers here."""
    if request is v16.HeartbeatRequest:
        return v16.HeartbeatResponse(current_time=datetime.now(UTC))
    return v16.MeterValuesResponse()


def route(frame: Frame) -> Callable[[bytes], bytes]:
    session = CentralSystemSession("1.6", message_ids=numbered_ids("m"), limits=LIMITS)
    request = frame.message_class

    def answer(data: bytes) -> bytes:
        session.receive_data(data, now=0.0)
        call = session.next_event()
        session.respond(call, response_to(request), now=0.0)  # type: ignore[arg-type]
        (text,) = session.bytes_to_send()
        return text

    return answer


def routes(frame: Frame) -> Iterator[Contender]:
    yield Contender(NAME, frame.name, route(frame), frame.numbered(64))
