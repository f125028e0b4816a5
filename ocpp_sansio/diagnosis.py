"""What is wrong with a payload: every violation, with its JSON path, its rule and its error code. The cold path.

The codec says yes or no; this module is asked after a no, and the two always agree. It takes its constraints from the
same declarations (:mod:`ocpp_sansio.schema`). cattrs does the walking and the collecting: its error groups keep one
note per step into the payload, from which the paths are read. The hooks for the scalars are ours and strict: we want
every value judged as it is, and none converted.

No sentence made here ever quotes the offending value (F-69, F-103).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum, StrEnum
from functools import cache
from heapq import nsmallest
from itertools import islice
from types import NoneType
from typing import Annotated, Any, Final, TypeVar, cast, get_args, get_origin

import msgspec
from cattrs import (
    BaseValidationError,
    ClassValidationError,
    Converter,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn, override

from .codec import UNREADABLE, Codec, NumberText, PayloadError, codec_of, has_decimals, parse
from .errors import ErrorCode, InvalidMessage, Violation
from .messages import MAX_DEPTH, MAX_NODES, CustomData, Datatype, Json, Timestamp, VendorData, is_bounded
from .schema import Kind, kind_of, properties, without_none

__all__ = [
    "broken_rule",
    "diagnose",
    "diagnose_message",
    "encode",
    "enum_values",
    "is_sound",
    "path_step",
    "validate",
    "worst",
]

M = TypeVar("M", bound=Datatype)

MAX_REPORTED: Final = 20
"""Broken items of one list, and unknown properties of one object, that are reported. More are only refused (F-113)."""
MAX_VIOLATIONS: Final = 1000
"""Violations of one payload that are reported, however they nest."""
MAX_NAME: Final = 50
"""Characters of an unknown property's name that are repeated."""

# What a CALLERROR carries for each rule, and in this order: of several rules broken, the first counts (RPC-092).
CODES: Final = {
    "json": ErrorCode.FORMAT_VIOLATION,
    "required": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    "type": ErrorCode.TYPE_CONSTRAINT_VIOLATION,
    "enum": ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    "maxLength": ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    "minimum": ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    "maximum": ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    "multipleOf": ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    "format": ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    "additionalProperties": ErrorCode.FORMAT_VIOLATION,
    "minItems": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    "maxItems": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
}
_RANK: Final = {rule: rank for rank, rule in enumerate(CODES)}


def diagnose(cls: type[Datatype], payload: bytes | str | msgspec.Raw) -> tuple[Violation, ...]:
    """Everything that is wrong with a payload; empty exactly if the class's codec decodes it.

    Of a list, the first ``MAX_REPORTED`` broken items are described, and of an object as many unknown properties;
    of the whole payload ``MAX_VIOLATIONS`` violations.
    """
    try:
        value = parse(payload)
    except UNREADABLE as error:
        return (_violation("$", "json", _why_unreadable(error)),)
    if not isinstance(value, dict):
        text = f"the payload must be an object, is {_json_type(value)}"
        return (Violation("$", "type", ErrorCode.FORMAT_VIOLATION, text),)
    return _examine(cls, value)


def diagnose_message(message: Datatype) -> tuple[Violation, ...]:
    """Everything that is wrong with a message made by hand; empty exactly if its codec encodes it."""
    try:
        codec_of(type(message)).encode(message)
    except PayloadError:
        return _examine(type(message), message) or (
            _violation("$", "type", "holds a value of another Python type than its class declares"),
        )
    return ()


def validate(message: M) -> M:
    """Check a message, which its constructor does not do, and return it.

    Raises:
        InvalidMessage: it breaks its schema; the exception lists how.
    """
    encode(codec_of(type(message)), message)
    return message


def encode(codec: Codec[Any], value: Datatype | tuple[Any, ...]) -> bytes:
    """What a codec makes of a message of ours, or of a frame with one as its last element.

    Raises:
        InvalidMessage: the message breaks its schema; the exception lists how.
    """
    try:
        return codec.encode(value)
    except PayloadError:
        message = value[-1] if isinstance(value, tuple) else value
        raise InvalidMessage(codec.cls.__name__, diagnose_message(message)) from None


def broken_rule(kind: Kind, value: Any) -> str | None:
    """The first rule that a value breaks which is neither an object nor an array of a declared kind; ``None``: none."""
    try:
        _leaf_hook(kind)(value, kind.type)
    except _Broken as error:
        return error.rule
    return None


def is_sound(cls: type[Datatype], value: Any) -> bool:
    """Whether an object of a payload fits, told without a walk through it: most objects of a broken one do.

    It is not said of one that has a :class:`NumberText` in it where a number is declared.
    """
    try:
        msgspec.convert(value, cls, dec_hook=_open)
    except ValueError:
        return False
    return True


def worst(violations: Iterable[Violation]) -> ErrorCode:
    """The one code that a CALLERROR about all these violations carries, by the order of RPC-092."""
    return min(violations, key=lambda violation: _RANK[violation.rule]).code


# -- the structuring hooks: each returns what it was given or raises --


class _Broken(ValueError):
    """A rule is broken here. Where that is, cattrs notes on the way out."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message


_Hook = Callable[[Any, Any], Any]

_converter: Final = Converter(detailed_validation=True)


def _hook_for(declared: Any) -> _Hook:
    if (present := without_none(declared)) is not declared:
        hook = _converter.get_structure_hook(present)
        return lambda value, _: hook(value, present)
    kind = kind_of(declared)
    if issubclass(kind.type, Datatype):
        return _object_hook(kind.type)
    if kind.type is list:
        return _list_hook(kind, _item_type(declared))
    return _leaf_hook(kind)


@cache
def _leaf_hook(kind: Kind) -> _Hook:
    if issubclass(kind.type, StrEnum):  # with a default: cattrs knows it no more
        return lambda value, _: _enum_hook(value, kind.type)
    return _HOOKS[kind.type](kind)


def _object_hook(cls: type[Datatype]) -> _Hook:
    """For an object of the payload, or for an instance of the class on its way out."""
    names: dict[str, Any] = {prop.name: override(rename=prop.wire_name) for prop in properties(cls)}
    closed = cls.__struct_config__.forbid_unknown_fields
    structure = make_dict_structure_fn(cls, _converter, _cattrs_forbid_extra_keys=closed, **names)

    def hook(value: Any, _: Any) -> Any:
        if isinstance(value, dict):
            payload = cast("dict[str, Any]", value)
            return payload if is_sound(cls, payload) else structure(payload, cls)
        if type(value) is cls:
            return structure(_as_payload(value), cls)
        raise _wrong_type("an object", value)

    return hook


def _as_payload(message: Datatype) -> dict[str, Any]:
    """The properties of a message by their names on the wire, values as they are."""
    return {
        prop.wire_name: value
        for prop in properties(type(message))
        if (value := getattr(message, prop.name)) is not None or prop.required
    }


def _list_hook(kind: Kind, item_type: Any) -> _Hook:
    item_hook = _converter.get_structure_hook(item_type)

    def hook(value: Any, _: Any) -> Any:
        if value.__class__ is not list:
            raise _wrong_type("an array", value)
        broken: list[Exception] = []
        if kind.min_items is not None and len(value) < kind.min_items:
            broken.append(_Broken("minItems", f"must have {kind.min_items} or more items, has {len(value)}"))
        if kind.max_items is not None and len(value) > kind.max_items:
            broken.append(_Broken("maxItems", f"must have {kind.max_items} or fewer items, has {len(value)}"))
        for index, item in enumerate(value):
            try:
                item_hook(item, item_type)
            except (BaseValidationError, _Broken) as error:
                error.__notes__ = [IterableValidationNote(f"item {index}", index, item_type)]
                broken.append(error)
                if len(broken) >= MAX_REPORTED:
                    break
        if broken:
            # cattrs' constructor takes the class as well, which is hidden from pyright by that of ExceptionGroup.
            raise IterableValidationError("broken items", broken, list)  # pyright: ignore[reportCallIssue]
        return value

    return hook


def _enum_hook(value: Any, cls: Any) -> Any:
    if not _is_string(value):
        raise _wrong_type("a string", value)
    if value not in enum_values(cls):
        raise _Broken("enum", f"must be one of {', '.join(enum_values(cls))}")
    return value


@cache
def enum_values(cls: type[StrEnum]) -> dict[str, StrEnum]:
    """The members of an enum by what they are on the wire."""
    return {member.value: member for member in cls}


def _string_hook(kind: Kind) -> _Hook:
    longest = math.inf if kind.max_length is None else kind.max_length

    def hook(value: Any, _: Any) -> Any:
        if not _is_string(value):
            raise _wrong_type("a string", value)
        if len(value) > longest:
            raise _Broken("maxLength", f"may have at most {longest} characters, has {len(value)}")
        if not value.isascii():
            _refuse_surrogates(value)
        return value

    return hook


def _refuse_surrogates(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Broken("format", "holds half of a surrogate pair, which cannot be written as UTF-8") from None


def _integer_hook(kind: Kind) -> _Hook:
    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, int) or isinstance(value, bool):
            raise _wrong_type("an integer", value)
        _refuse_out_of_bounds(kind, value)
        return value

    return hook


def _number_hook(kind: Kind) -> _Hook:
    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, (int, float, NumberText)) or isinstance(value, bool):
            raise _wrong_type("a number", value)
        _refuse_out_of_bounds(kind, _finite(value))
        if kind.decimals is not None and not has_decimals(_written(value), kind.decimals):
            raise _Broken("multipleOf", f"may have {kind.decimals} fraction digit at most")
        return value

    return hook


def _written(value: NumberText | float) -> str:
    return value.text if isinstance(value, NumberText) else str(value)


def _finite(value: NumberText | float) -> float:
    number = float(_written(value))
    if not math.isfinite(number):
        raise _Broken("maximum", "must be a finite number of 64 bits")
    return number


def _refuse_out_of_bounds(kind: Kind, number: float) -> None:
    if kind.minimum is not None and number < kind.minimum:
        raise _Broken("minimum", f"must be at least {kind.minimum}")
    if kind.maximum is not None and number > kind.maximum:
        raise _Broken("maximum", f"must be at most {kind.maximum}")


def _boolean_hook(_kind: Kind) -> _Hook:
    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, bool):
            raise _wrong_type("a boolean", value)
        return value

    return hook


def _timestamp_hook(_kind: Kind) -> _Hook:
    def hook(value: Any, _: Any) -> Any:
        if isinstance(value, datetime):
            _refuse_unwritable(value)
        elif not _is_string(value):
            raise _wrong_type("a string", value)
        elif not _is_timestamp(value):
            # RPC-101 asks for lenience where the zone is missing. That is a repair, and repairs are asked for by name.
            hint = "has no time zone" if _is_timestamp(f"{value}Z") else "is not a date and time"
            raise _Broken("format", f"{hint}: it must look like 2026-11-22T18:04:59Z")
        return value

    return hook


def _is_timestamp(text: str) -> bool:
    try:
        msgspec.convert(text, Timestamp)
    except ValueError:
        return False
    return True


def _refuse_unwritable(moment: datetime) -> None:
    if moment.utcoffset() is None:
        raise _Broken("format", "has no time zone")
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise _Broken("format", "is not a date in UTC") from None


def _custom_data_hook(_kind: Kind) -> _Hook:
    vendor_hook = _converter.get_structure_hook(VendorData)

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, dict | CustomData):
            raise _wrong_type("an object", value)
        content = dict(cast("Mapping[str, Any]", value))
        broken: list[Exception] = []
        try:
            vendor_hook(content, VendorData)
        except ClassValidationError as error:
            broken.extend(error.exceptions)
        try:
            _refuse_other_than_json({name: inside for name, inside in content.items() if name != "vendorId"})
        except _Broken as error:
            broken.append(error)
        if broken:
            raise ClassValidationError("broken customData", broken, VendorData)  # pyright: ignore[reportCallIssue]
        return content

    return hook


def _json_hook(_kind: Kind) -> _Hook:
    def hook(value: Any, _: Any) -> Any:
        _refuse_other_than_json(value)
        return value

    return hook


def _refuse_other_than_json(value: Any) -> None:
    """Whatever the two ends have agreed on, it has to be JSON, and finite (F-62, F-65, F-67, F-114)."""
    if not is_bounded(value, MAX_DEPTH):
        raise _Broken("json", f"is nested in more than {MAX_DEPTH} levels, or holds more than {MAX_NODES} values")
    nodes = [value]
    for node in nodes:  # which grows meanwhile
        if isinstance(node, dict):
            nodes += [*node, *node.values()]
        elif isinstance(node, list):
            nodes += node
        elif _is_string(node):
            _refuse_surrogates(node)
        elif isinstance(node, NumberText | float):
            _finite(node)
        elif node.__class__ not in _JSON_TYPES:
            raise _wrong_type("JSON", node)


def _open(cls: type[Any], value: Any) -> Any:
    """What is left open is judged by the same hooks where msgspec does the walking."""
    try:
        return _converter.structure(value, cls)
    except BaseValidationError as error:
        raise ValueError from error


_SCALAR_HOOKS: Final[dict[type[Any], Callable[[Kind], _Hook]]] = {
    str: _string_hook,
    int: _integer_hook,
    float: _number_hook,
    bool: _boolean_hook,
    datetime: _timestamp_hook,
}
_HOOKS: Final[dict[Any, Callable[[Kind], _Hook]]] = {
    **_SCALAR_HOOKS,
    CustomData: _custom_data_hook,
    Json: _json_hook,
}

# cattrs finds the hooks of the built-in scalars and of enums before it asks any factory, so those are replaced by name.
_converter.register_structure_hook_factory(lambda _: True, _hook_for)
_converter.register_structure_hook(StrEnum, _enum_hook)
for _scalar, _scalar_hook in _SCALAR_HOOKS.items():
    _converter.register_structure_hook(_scalar, _scalar_hook(Kind(type=_scalar)))


def _item_type(declared: Any) -> Any:
    if get_origin(declared) is Annotated:
        declared = declared.__origin__
    return get_args(declared)[0]


def _is_string(value: Any) -> bool:
    """A JSON string, or in a message also an enum's member that is one."""
    return type(value) is str or (isinstance(value, str) and isinstance(value, Enum))


_JSON_TYPES: Final[dict[type, str]] = {
    NoneType: "null",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    NumberText: "a number with a fraction or an exponent",
    str: "a string",
    list: "an array",
    dict: "an object",
}


def _json_type(value: Any) -> str:
    return _JSON_TYPES.get(value.__class__) or f"a Python {value.__class__.__name__}"


def _wrong_type(expected: str, value: Any) -> _Broken:
    return _Broken("type", f"must be {expected}, is {_json_type(value)}")


# -- from error groups to violations --


def _examine(cls: type[Datatype], value: Any) -> tuple[Violation, ...]:
    try:
        _converter.structure(value, cls)
    except BaseValidationError as error:
        return tuple(islice(_violations(error, "$"), MAX_VIOLATIONS))
    return ()


def _violations(error: Exception, path: str) -> Iterator[Violation]:
    if isinstance(error, ClassValidationError):
        names = {prop.name: prop.wire_name for prop in properties(error.cl)}
        known, unknown = error.group_exceptions()
        for inner, note in known:
            yield from _violations(inner, f"{path}.{names[note.name]}")
        for inner in unknown:
            yield from _violations(inner, path)
    elif isinstance(error, IterableValidationError):
        items, about_list = error.group_exceptions()
        for inner in about_list:
            yield from _violations(inner, path)
        for inner, item in items:
            yield from _violations(inner, f"{path}[{item.index}]")
    elif isinstance(error, ForbiddenExtraKeysError):
        for name in nsmallest(MAX_REPORTED, error.extra_fields):
            text = f"{error.cl.__name__} has no property of this name"
            yield _violation(path + path_step(name), "additionalProperties", text)
    elif isinstance(error, KeyError):
        yield _violation(path, "required", "is required")
    else:
        assert isinstance(error, _Broken), error  # The hooks raise nothing else.
        yield _violation(path, error.rule, error.message)


def _violation(path: str, rule: str, message: str) -> Violation:
    return Violation(path, rule, CODES[rule], message)


_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch


def path_step(name: str) -> str:
    """The last step of a path to an unknown property, whose name may be anything the peer likes."""
    if len(name) > MAX_NAME:
        name = name[:MAX_NAME] + "…"
    if _PLAIN_NAME(name):
        return f".{name}"
    return f"[{name!r}]" if name.isprintable() else f"[{name!a}]"


def _why_unreadable(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "the payload is nested too deeply"
    if isinstance(error, UnicodeError) or "UTF-8" in str(error):  # msgspec has one or the other, by its release
        return "the payload is not UTF-8"
    if isinstance(error, msgspec.ValidationError):
        return "a number in the payload has too many digits"
    return "the payload is not JSON"
