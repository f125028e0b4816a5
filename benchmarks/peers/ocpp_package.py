"""The ``ocpp`` package: dataclasses, official JSON schemas, snake case and back.

A whole call goes through it in two ways: as it comes, validating in the event loop's thread pool, and with its switch
set to validate in line, which costs less.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import ocpp.messages
from ocpp.charge_point import camel_to_snake_case, remove_nones, serialize_as_dict, snake_to_camel_case
from ocpp.messages import Call, CallResult, pack, unpack
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result

from ..clock import Contender
from ..workload import Frame

NAME = "ocpp"

logging.getLogger("ocpp").setLevel(logging.CRITICAL)
validate = ocpp.messages._validate_payload


def _class(frame: Frame) -> Any:
    return getattr(call if frame.is_call else call_result, frame.action)


def decoder(frame: Frame) -> Callable[[bytes], object]:
    cls = _class(frame)

    def decode(data: bytes) -> object:
        message = unpack(data)
        if not frame.is_call:
            message.action = frame.action
        validate(message, "1.6")
        return cls(**camel_to_snake_case(message.payload))

    return decode


def encoder(frame: Frame) -> tuple[Callable[[Any], str], Any]:
    message_id, action = frame.message_id, frame.action

    def encode(message: Any) -> str:
        payload = snake_to_camel_case(remove_nones(serialize_as_dict(message)))
        enveloped = Call(message_id, action, payload) if frame.is_call else CallResult(message_id, payload, action)
        validate(enveloped, "1.6")
        return pack(enveloped)

    return encode, _class(frame)(**camel_to_snake_case(frame.payload))


def constructor(frame: Frame) -> tuple[Callable[..., Any], dict[str, Any]]:
    return _class(frame), camel_to_snake_case(frame.payload)


class Station(ChargePoint):
    """A central system's end, as the package's documentation builds one."""

    @on("Heartbeat")
    def on_heartbeat(self):
        return call_result.Heartbeat(current_time=datetime.now(UTC).isoformat())

    @on("MeterValues")
    def on_meter_values(self, connector_id, meter_value, **rest):
        return call_result.MeterValues()


class _Memory:
    """A connection that keeps what is sent."""

    def __init__(self) -> None:
        self.sent = ""

    async def send(self, text: str) -> None:
        self.sent = text


def routes(frame: Frame) -> Iterator[Contender]:
    for name, in_thread in ((NAME, True), (f"{NAME}, validating in line", False)):
        yield Contender(name, frame.name, _route(in_thread), frame.numbered(64), in_bulk=True)


def _route(in_thread: bool) -> Callable[[Iterable[bytes]], None]:
    connection = _Memory()
    station = Station("CP1", connection)
    loop = asyncio.new_event_loop()

    async def answer_all(requests: Iterable[bytes]) -> None:
        for request in requests:
            await station.route_message(request)
            assert connection.sent.startswith("[3,")

    def answer(requests: Iterable[bytes]) -> None:
        ocpp.messages.ASYNC_VALIDATION = in_thread
        loop.run_until_complete(answer_all(requests))

    return answer
