"""attrs classes with validators, structured by cattrs.

The classes are frozen. What is inside a message has therefore been validated when it was made, and before a message
leaves ``attrs.validate`` only has to look at its own fields.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import attrs
import cattrs
import cattrs.gen
import orjson

from ocpp_sansio.messages import Datatype
from ocpp_sansio.schema import Kind, Property

from ..workload import Frame
from .mirror import Mirror

NAME = "cattrs"


def _has_tenths_at_most(value: float) -> bool:
    return Decimal(repr(value)).normalize().as_tuple().exponent >= -1  # type: ignore[operator]


def _rules(kind: Kind) -> Iterator[Callable[[Any], bool]]:
    if kind.max_length is not None:
        yield lambda value: len(value) <= kind.max_length
    if kind.items is not None:
        least, most, is_valid = kind.min_items or 0, kind.max_items or math.inf, _is_valid(kind.items)
        yield lambda value: least <= len(value) <= most and all(map(is_valid, value))
    if kind.minimum is not None or kind.maximum is not None:
        low = -math.inf if kind.minimum is None else kind.minimum
        high = math.inf if kind.maximum is None else kind.maximum
        yield lambda value: low <= value <= high
    if kind.decimals is not None:
        yield _has_tenths_at_most
    if kind.type is datetime:
        yield lambda value: value.tzinfo is not None


def _is_valid(kind: Kind) -> Callable[[Any], bool]:
    """Whether a value is of exactly the right type (to ``isinstance``, a bool is an int) and keeps all rules."""
    cls = list if kind.items is not None else mirror.type_of(kind)
    classes, rules = (float, int) if cls is float else (cls,), (*_rules(kind),)
    match rules:
        case ():
            return lambda value: type(value) in classes
        case (rule,):
            return lambda value: type(value) in classes and rule(value)
        case _:
            return lambda value: type(value) in classes and all(rule(value) for rule in rules)


def _field(prop: Property) -> Any:
    is_valid, cls = _is_valid(prop.kind), mirror.type_of(prop.kind)

    def check(_: object, field: Any, value: Any) -> None:
        if not is_valid(value):
            raise ValueError(field.name)

    def check_if_there(_: object, field: Any, value: Any) -> None:
        if value is not None and not is_valid(value):
            raise ValueError(field.name)

    if prop.required:
        return attrs.field(type=cls, validator=check)
    return attrs.field(default=None, type=cls | None, validator=check_if_there)


def _build(cls: type[Datatype], found: tuple[Property, ...]) -> type[Any]:
    made = attrs.make_class(cls.__name__, {each.name: _field(each) for each in found}, frozen=True, kw_only=True)
    renamed = {each.name: cattrs.override(rename=each.wire_name) for each in found}
    reader = cattrs.gen.make_dict_structure_fn(made, converter, _cattrs_forbid_extra_keys=True, **renamed)
    writer = cattrs.gen.make_dict_unstructure_fn(made, converter, _cattrs_omit_if_default=True, **renamed)
    converter.register_structure_hook(made, reader)
    converter.register_unstructure_hook(made, writer)
    return made


converter = cattrs.Converter(detailed_validation=False)
# cattrs would take "3" for 3; the validators know better.
for _scalar in (int, float, bool):
    converter.register_structure_hook(_scalar, lambda value, _: value)
# An enum of strings is found here as well.
converter.register_structure_hook(str, lambda value, cls: value if cls is str else cls(value))
converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
mirror = Mirror(_build)


def decoder(frame: Frame) -> Callable[[bytes], object]:
    classes = {frame.action_name if frame.is_call else frame.message_id: mirror[frame.message_class]}
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
