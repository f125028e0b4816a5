"""This library, as its own session uses its layers. Nothing else in the suite knows what is beneath a session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec

from ocpp_sansio import CentralSystemSession, Limits, Response, Version, numbered_ids
from ocpp_sansio.codec import codec_of
from ocpp_sansio.frames import LARGE, Call, CallResult, decode_large
from ocpp_sansio.frames import decode as decode_frame
from ocpp_sansio.frames import encode as encode_frame

from ..clock import Contender
from ..workload import Frame

NAME = "ocpp-sansio"

LIMITS = Limits()


@cache
def _readers(version: Version) -> dict[str, Callable[[Any], Any]]:
    return {action.name: codec_of(action.request).read for action in version.actions.values()}


def decoder(frame: Frame) -> Callable[[bytes], object]:
    """Dispatch by type, then by action or, for an answer, by the id of the CALL that waits for it."""
    read = _readers(frame.version)
    waiting = {frame.message_id: codec_of(frame.message_class).read}

    def decode(data: bytes) -> object:
        message = decode_frame(data) if len(data) < LARGE else decode_large(data)
        if type(message) is Call:
            return read[message.action](message.payload)
        assert type(message) is CallResult
        return waiting[message.message_id](message.payload)

    return decode


def _message(frame: Frame) -> Any:
    return codec_of(frame.message_class).decode(msgspec.json.encode(frame.payload))


def encoder(frame: Frame) -> tuple[Callable[[Any], bytes], Any]:
    """As everything is sent: validated."""
    return _encoder(frame, codec_of(frame.message_class).encode), _message(frame)


def plain_encoder(frame: Frame) -> tuple[Callable[[Any], bytes], Any]:
    """The part of it that writes JSON."""
    return _encoder(frame, msgspec.json.Encoder().encode), _message(frame)


def _encoder(frame: Frame, encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    message_id, action = frame.message_id, frame.action_name
    if frame.is_call:
        return lambda message: encode((2, message_id, action, message))
    return lambda message: encode((3, message_id, message))


def constructor(frame: Frame) -> tuple[Callable[..., Any], dict[str, Any]]:
    message = _message(frame)
    fields = {name: getattr(message, name) for name in message.__struct_fields__}
    return type(message), {name: value for name, value in fields.items() if value is not None}


# -- one inbound call, each function doing what the one before does, and its own part --


def answering(frame: Frame) -> Callable[[], Response]:
    """What a central system answers here."""
    response: Callable[..., Response] = frame.action.response
    if frame.action_name == "Heartbeat":
        return lambda: response(current_time=datetime.now(UTC))
    return response


def frames_only(frame: Frame) -> Callable[[bytes], bytes]:
    """The frame around the payload is read, and one written; neither payload is looked at."""
    payload = msgspec.Raw(msgspec.json.encode(answering(frame)()))

    def answer(data: bytes) -> bytes:
        return encode_frame(CallResult(decode_frame(data).message_id, payload))

    return answer


def with_payloads(frame: Frame) -> Callable[[bytes], bytes]:
    """The same, with both payloads between bytes and validated messages."""
    decode, respond = decoder(frame), answering(frame)
    encode = codec_of(frame.action.response).encode

    def answer(data: bytes) -> bytes:
        decode(data)
        return encode((3, "00000000", respond()))

    return answer


def route(frame: Frame) -> Callable[[bytes], bytes]:
    """The same, through a session."""
    session = CentralSystemSession(frame.version, message_ids=numbered_ids("m"), limits=LIMITS)
    respond = answering(frame)

    def answer(data: bytes) -> bytes:
        session.receive_data(data, now=0.0)
        call = session.next_event()
        session.respond(call, respond(), now=0.0)  # type: ignore[arg-type]
        (text,) = session.bytes_to_send()
        return text

    return answer


def routes(frame: Frame) -> Iterator[Contender]:
    yield Contender(NAME, frame.name, route(frame), frame.numbered(64))
