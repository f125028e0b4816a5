"""What the declaration of a message class says, in one form for everybody who asks.

The decoder reads the annotations by itself. Whoever else needs a constraint (the codec's closer look, the diagnosis,
the hypothesis strategies) gets it here, from the same annotations, so that no rule is ever written down twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

import attrs
import msgspec

from .messages import CustomData, Datatype, Default, Json, VendorData

__all__ = ["Kind", "Property", "in_force", "kind_of", "kinds_within", "properties", "without_none"]


@attrs.frozen(kw_only=True)
class Kind:
    """The values that a declared type allows, in terms of JSON Schema. A bound that is ``None`` does not exist."""

    type: type[Any]
    """``str``, ``int``, ``float``, ``bool``, ``datetime``, ``list``, a string enum, a :class:`Datatype`,
    :class:`CustomData`, or :data:`Json` for any value.
    """
    items: Kind | None = None
    """The kind of a list's items."""
    min_items: int | None = None
    max_items: int | None = None
    max_length: int | None = None
    """Characters of a string."""
    minimum: float | None = None
    maximum: float | None = None
    decimals: int | None = None
    """Fraction digits that count (``multipleOf``)."""


@attrs.frozen
class Property:
    """One property of a JSON object."""

    name: str
    """What it is called in Python."""
    wire_name: str
    """What it is called in JSON."""
    required: bool
    kind: Kind
    default: Any = None
    """What its absence means. ``None``: nothing but that it is absent."""


@cache
def properties(cls: type[Datatype | CustomData]) -> tuple[Property, ...]:
    """The properties of a message class or data type, in the order of their declaration; of customData, those known."""
    struct = cls if issubclass(cls, Datatype) else VendorData
    return tuple(
        Property(field.name, field.encode_name, field.required, kind_of(field.type), _default_of(field.type))
        for field in msgspec.structs.fields(struct)
    )


def in_force(message: Datatype, name: str) -> Any:
    """The value of an optional property, or what its absence means (SCH-029): the schema's default, else ``None``.

    Args:
        message: or a data type in one.
        name: of the property in Python.

    Raises:
        AttributeError: there is no such property.
    """
    value = getattr(message, name)
    if value is not None:
        return value
    return next((prop.default for prop in properties(type(message)) if prop.name == name), None)


def kind_of(declared: Any) -> Kind:
    """The kind of a declared type.

    ``None`` as an alternative says that a property may be left out. It never says that it may be null (RPC-038).

    Raises:
        TypeError: the declaration uses a type or a constraint that the schemas of OCPP do not have.
    """
    declared = without_none(declared)
    origin = get_origin(declared)
    if origin is Annotated:
        kind = kind_of(declared.__origin__)
        for meta in declared.__metadata__:
            if isinstance(meta, Default):  # not about the values that are allowed
                continue
            kind = attrs.evolve(kind, **dict(_bounds(meta, of_list=kind.type is list)))
        return kind
    if origin is list:
        return Kind(type=list, items=kind_of(get_args(declared)[0]))
    if declared in _LEAVES or (isinstance(declared, type) and issubclass(declared, StrEnum | Datatype)):
        return Kind(type=declared)
    raise TypeError(f"no JSON Schema keyword for {declared!r}")


def _default_of(declared: Any) -> Any:
    metadata = getattr(without_none(declared), "__metadata__", ())
    return next((meta.value for meta in metadata if isinstance(meta, Default)), None)


def without_none(declared: Any) -> Any:
    """``T`` for ``T | None``, anything else as it is."""
    if get_origin(declared) in (Union, UnionType):
        alternatives = [alternative for alternative in get_args(declared) if alternative is not NoneType]
        if len(alternatives) == 1:
            return alternatives[0]
    return declared


def kinds_within(kind: Kind, outer: tuple[type[Any], ...] = ()) -> Iterator[Kind]:
    """A kind and every kind inside it, at any depth.

    Args:
        kind: where to begin.
        outer: the data types that this one is inside of.

    Raises:
        TypeError: a data type is inside itself, so that there is no end to it.
    """
    if kind.type in outer:
        raise TypeError(f"{kind.type.__name__} holds itself: no schema of OCPP does")
    yield kind
    if kind.items is not None:
        yield from kinds_within(kind.items, outer)
    elif issubclass(kind.type, Datatype):
        for prop in properties(kind.type):
            yield from kinds_within(prop.kind, (*outer, kind.type))


_LEAVES: Final = frozenset({str, int, float, bool, datetime, CustomData, Json})
_KEYWORDS: Final = {"ge": "minimum", "le": "maximum", "max_length": "max_length", "extra": "decimals"}
_LIST_KEYWORDS: Final = {"min_length": "min_items", "max_length": "max_items"}
_IMPLIED: Final = frozenset({"tz"})  # Every datetime is a Timestamp, and every Timestamp is aware.
_STEPS: Final = {"0.1": 1}


def _bounds(meta: msgspec.Meta, *, of_list: bool) -> Iterator[tuple[str, Any]]:
    keywords = _LIST_KEYWORDS if of_list else _KEYWORDS
    for attribute, value, *_ in meta.__rich_repr__():
        if attribute in keywords:
            yield keywords[attribute], _STEPS[value["multipleOf"]] if attribute == "extra" else value
        elif attribute not in _IMPLIED:
            raise TypeError(f"no JSON Schema keyword for {attribute!r}")
