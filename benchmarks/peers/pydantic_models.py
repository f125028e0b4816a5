"""pydantic models with aliases and constraints."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, Strict, create_model

from ocpp_sansio.messages import Datatype
from ocpp_sansio.schema import Kind, Property

from ..workload import Frame
from .mirror import Mirror

NAME = "pydantic"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)


def _in_tenths(value: float) -> float:
    if Decimal(repr(value)).normalize().as_tuple().exponent < -1:  # type: ignore[operator]
        raise ValueError("more than one decimal")
    return value


def _type(kind: Kind) -> Any:
    if kind.type is datetime:
        return AwareDatetime
    if kind.type in (str, int, bool):
        return Annotated[kind.type, Strict()]
    if kind.decimals is not None:
        return Annotated[float, AfterValidator(_in_tenths)]
    return list[_type(kind.items)] if kind.items is not None else mirror.type_of(kind)


def _field(prop: Property) -> Any:
    kind = prop.kind
    constraints = {
        "max_length": kind.max_length or kind.max_items,
        "min_length": kind.min_items,
        "ge": kind.minimum,
        "le": kind.maximum,
    }
    constraints = {name: bound for name, bound in constraints.items() if bound is not None}
    if prop.required:
        return _type(kind), Field(alias=prop.wire_name, **constraints)
    return _type(kind) | None, Field(default=None, alias=prop.wire_name, **constraints)


def _build(cls: type[Datatype], found: tuple[Property, ...]) -> type[Any]:
    return create_model(cls.__name__, __base__=_Model, **{each.name: _field(each) for each in found})


mirror = Mirror(_build)


def decoder(frame: Frame) -> Callable[[bytes], object]:
    readers = {frame.action_name if frame.is_call else frame.message_id: mirror[frame.message_class].model_validate}

    def decode(data: bytes) -> object:
        elements = orjson.loads(data)
        return readers[elements[2] if elements[0] == 2 else elements[1]](elements[-1])

    return decode


def encoder(frame: Frame) -> tuple[Callable[[Any], bytes], Any]:
    head = frame.elements[:-1]
    validate = mirror[frame.message_class].model_validate

    def encode(message: Any) -> bytes:
        payload = message.model_dump(mode="json", by_alias=True, exclude_none=True)
        validate(payload)
        return orjson.dumps([*head, payload])

    return encode, decoder(frame)(frame.data)


def constructor(frame: Frame) -> tuple[Callable[..., Any], dict[str, Any]]:
    message: Any = decoder(frame)(frame.data)
    return type(message), {name: getattr(message, name) for name in message.model_fields_set}
