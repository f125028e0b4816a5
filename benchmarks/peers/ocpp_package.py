"""The ``ocpp`` package: dataclasses, official JSON schemas, snake case and back.

It is used as its documentation does it: handlers are methods that take keyword arguments and return one of its
``call_result`` dataclasses, and its schema validation is on, both ways. Where it leaves a choice:

* A handler may be a coroutine or a plain method; these are plain methods, which cost less, as ours are.
* Its switch ``ocpp.messages.ASYNC_VALIDATION`` sends every validation to a thread of the event loop's pool, or keeps
  it in the loop. It comes switched on, and so it is compared with us; a second contender shows it switched off, which
  costs less.
* It logs every message; here its logger is silenced, so that no text is put together.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from typing import Any

import ocpp.messages
from ocpp.charge_point import camel_to_snake_case, remove_nones, serialize_as_dict, snake_to_camel_case
from ocpp.messages import Call, CallResult, pack, unpack
from ocpp.routing import on

from ocpp_sansio import Version

from ..clock import Contender
from ..workload import Frame

NAME = "ocpp"
IN_LINE = f"{NAME}, validating in line"

logging.getLogger("ocpp").setLevel(logging.CRITICAL)
validate = ocpp.messages._validate_payload


def validate_in_threads(switch: bool) -> None:
    ocpp.messages.ASYNC_VALIDATION = switch


def package(version: Version) -> Any:
    """Its part for one OCPP version."""
    return import_module(f"ocpp.v{str(version).replace('.', '')}")


def _class(frame: Frame) -> Any:
    module = package(frame.version)
    return getattr(module.call if frame.is_call else module.call_result, frame.action_name)


def decoder(frame: Frame) -> Callable[[bytes], object]:
    cls, action, version = _class(frame), None if frame.is_call else frame.action_name, str(frame.version)

    def decode(data: bytes) -> object:
        message = unpack(data)
        if action is not None:
            message.action = action
        validate(message, version)
        return cls(**camel_to_snake_case(message.payload))

    return decode


def encoder(frame: Frame) -> tuple[Callable[[Any], str], Any]:
    message_id, action, version = frame.message_id, frame.action_name, str(frame.version)

    def encode(message: Any) -> str:
        payload = snake_to_camel_case(remove_nones(serialize_as_dict(message)))
        enveloped = Call(message_id, action, payload) if frame.is_call else CallResult(message_id, payload, action)
        validate(enveloped, version)
        return pack(enveloped)

    return encode, _class(frame)(**camel_to_snake_case(frame.payload))


def constructor(frame: Frame) -> tuple[Callable[..., Any], dict[str, Any]]:
    return _class(frame), camel_to_snake_case(frame.payload)


@cache
def station_class(version: Version) -> Any:
    """A central system's end of a connection."""
    module = package(version)
    result = module.call_result

    class Station(module.ChargePoint):  # type: ignore[misc, name-defined]
        @on("Heartbeat")
        def on_heartbeat(self):
            return result.Heartbeat(current_time=datetime.now(UTC).isoformat())

        @on("MeterValues")
        def on_meter_values(self, **payload):
            return result.MeterValues()

    return Station


class _Memory:
    """A connection that keeps what is sent."""

    def __init__(self) -> None:
        self.sent = ""

    async def send(self, text: str) -> None:
        self.sent = text


def routes(frame: Frame) -> Iterator[Contender]:
    for name, in_threads in ((NAME, True), (IN_LINE, False)):
        yield Contender(name, frame.name, _route(frame, in_threads), frame.numbered(64), in_bulk=True)


def _route(frame: Frame, in_threads: bool) -> Callable[[Iterable[bytes]], None]:
    connection = _Memory()
    station = station_class(frame.version)("CP1", connection)
    loop = asyncio.new_event_loop()

    async def answer_all(requests: Iterable[bytes]) -> None:
        for request in requests:
            await station.route_message(request)
            assert connection.sent.startswith("[3,")

    def answer(requests: Iterable[bytes]) -> None:
        validate_in_threads(in_threads)
        loop.run_until_complete(answer_all(requests))

    return answer
