"""Plain dicts, checked against the official schemas by ``jsonschema-rs``."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import jsonschema_rs
import orjson

from ..workload import Frame

NAME = "jsonschema-rs"

SCHEMAS = files("ocpp.v16") / "schemas"


def _validator(frame: Frame) -> Any:
    name = frame.action if frame.is_call else f"{frame.action}Response"
    return jsonschema_rs.validator_for(
        orjson.loads((SCHEMAS / f"{name}.json").read_bytes().removeprefix(b"\xef\xbb\xbf"))
    )


def decoder(frame: Frame) -> Callable[[bytes], object]:
    validators = {frame.action if frame.is_call else frame.message_id: _validator(frame).validate}

    def decode(data: bytes) -> object:
        elements = orjson.loads(data)
        validators[elements[2] if elements[0] == 2 else elements[1]](elements[-1])
        return elements

    return decode


def encoder(frame: Frame) -> tuple[Callable[[Any], bytes], Any]:
    validate = _validator(frame).validate

    def encode(elements: Any) -> bytes:
        validate(elements[-1])
        return orjson.dumps(elements)

    return encode, frame.elements
