"""attrs classes with validators, structured by cattrs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import attrs
import cattrs
import cattrs.gen
import orjson
from attrs.validators import and_, ge, le, max_len, min_len

from ocpp_sansio.messages import Datatype
from ocpp_sansio.schema import Kind, Property

from ..workload import Frame
from .mirror import Mirror

NAME = "cattrs"


def _in_tenths(_: object, field: Any, value: float) -> None:
    if Decimal(repr(value)).normalize().as_tuple().exponent < -1:  # type: ignore[operator]
        raise ValueError(f"{field.name} has more than one decimal")


def _validators(kind: Kind) -> list[Any]:
    return [
        make(bound) for make, bound in (
            (max_len, kind.max_length), (max_len, kind.max_items), (min_len, kind.min_items),
            (ge, kind.minimum), (le, kind.maximum), (lambda _: _in_tenths, kind.decimals),
        ) if bound is not None
    ]  # fmt: skip


def _field(prop: Property) -> Any:
    check: Any = and_(*_validators(prop.kind)) if _validators(prop.kind) else None
    kind = mirror.type_of(prop.kind)
    if prop.required:
        return attrs.field(type=kind, validator=check)
    return attrs.field(default=None, type=kind | None, validator=check and attrs.validators.optional(check))


def _build(cls: type[Datatype], found: tuple[Property, ...]) -> type[Any]:
    made = attrs.make_class(cls.__name__, {each.name: _field(each) for each in found}, frozen=True, kw_only=True)
    renamed = {each.name: cattrs.override(rename=each.wire_name) for each in found}
    reader = cattrs.gen.make_dict_structure_fn(made, converter, _cattrs_forbid_extra_keys=True, **renamed)
    writer = cattrs.gen.make_dict_unstructure_fn(made, converter, _cattrs_omit_if_default=True, **renamed)
    converter.register_structure_hook(made, reader)
    converter.register_unstructure_hook(made, writer)
    return made


def _strictly(cls: type[Any]) -> Callable[[Any, Any], Any]:
    """cattrs would take "3" for 3."""

    def structure(value: Any, _: Any) -> Any:
        if type(value) is not cls:
            raise TypeError(f"not {cls.__name__}")
        return value

    return structure


def _read_moment(text: str, _: Any) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment


converter = cattrs.Converter(detailed_validation=False)
for _scalar in (str, int, bool):
    converter.register_structure_hook(_scalar, _strictly(_scalar))
converter.register_structure_hook(datetime, _read_moment)
converter.register_structure_hook_func(
    lambda cls: isinstance(cls, type) and issubclass(cls, StrEnum), lambda value, cls: cls(value)
)
mirror = Mirror(_build)


def decoder(frame: Frame) -> Callable[[bytes], object]:
    classes = {frame.action if frame.is_call else frame.message_id: mirror[frame.message_class]}
    structure = converter.structure

    def decode(data: bytes) -> object:
        elements = orjson.loads(data)
        return structure(elements[-1], classes[elements[2] if elements[0] == 2 else elements[1]])

    return decode


def encoder(frame: Frame) -> tuple[Callable[[Any], bytes], Any]:
    head = frame.elements[:-1]
    unstructure = converter.unstructure

    def encode(message: Any) -> bytes:
        attrs.validate(message)
        return orjson.dumps([*head, unstructure(message)])

    return encode, decoder(frame)(frame.data)


def constructor(frame: Frame) -> tuple[Callable[..., Any], dict[str, Any]]:
    message: Any = decoder(frame)(frame.data)
    fields = {each.name: getattr(message, each.name) for each in attrs.fields(type(message))}
    return type(message), {name: value for name, value in fields.items() if value is not None}
