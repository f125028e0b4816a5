"""Plain dicts, checked against the official schemas by ``jsonschema-rs``."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import jsonschema_rs
import orjson

from ocpp_sansio import Version

from ..workload import Frame

NAME = "jsonschema-rs"


def _schema(frame: Frame) -> Any:
    """Requests have a suffix since 2.0 only."""
    request = "" if frame.version is Version.V16 else "Request"
    name = f"{frame.action_name}{request if frame.is_call else 'Response'}.json"
    folder = files(f"ocpp.v{str(frame.version).replace('.', '')}") / "schemas"
    return orjson.loads((folder / name).read_bytes().removeprefix(b"\xef\xbb\xbf"))


def _validator(frame: Frame) -> Any:
    return jsonschema_rs.validator_for(_schema(frame))


def decoder(frame: Frame) -> Callable[[bytes], object]:
    validators = {frame.action_name if frame.is_call else frame.message_id: _validator(frame).validate}

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
