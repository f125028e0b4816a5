"""Hypothesis strategies for every message class, valid and broken, made from the declaration of the class itself.

* :func:`messages`: valid instances. ``st.from_type(v16.StartTransactionRequest)`` is the same, and so are the messages
  and data types in classes of your own: hypothesis knows them all, without this module being imported. Of a base class,
  ``FromChargePoint`` for instance, it is any message of OCPP.
* :func:`payloads`: the JSON objects of valid instances, bounds and odd but legal values included.
* :func:`near_misses`: such an object with exactly one thing wrong, and what that is.
* :func:`frames`: whole messages as text, of every type.
* :func:`hostile_texts`, :func:`hostile_bytes`: what a broken or malicious peer could send instead of one.

A round trip, for example, for every value there is::

    @given(messages(v16.StartTransactionRequest))
    def test_it_is_stored_as_it_was(request):
        assert load(store(request)) == request

The values in payloads are those of JSON (``json.dumps`` takes them), the names those on the wire. No I/O, no state, any
version. It needs hypothesis: ``pip install ocpp-sansio[testing]``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache, partial
from math import ceil, floor
from typing import Any, Final, TypeVar, cast, get_args, get_origin

import attrs
import msgspec
from hypothesis import assume
from hypothesis import strategies as st

from ocpp_sansio.codec import codec_of
from ocpp_sansio.errors import ErrorCode
from ocpp_sansio.frames import MAX_DESCRIPTION, MAX_MESSAGE_ID
from ocpp_sansio.messages import (
    CustomData,
    Datatype,
    FromCentralSystem,
    FromChargePoint,
    Json,
    Request,
    Response,
    Send,
    SendFromChargePoint,
    response_of,
)
from ocpp_sansio.schema import Kind, kind_of, kinds_within, properties
from ocpp_sansio.version import MessageType, Version

from .hostile import HOSTILE_BYTES, HOSTILE_TEXTS, SIZE, Hostility, spoil, spoil_bytes

__all__ = ["NearMiss", "frames", "hostile_bytes", "hostile_texts", "messages", "near_misses", "payloads"]

M = TypeVar("M", bound=Datatype | CustomData)

JsonObject = dict[str, Any]

Inside = Callable[[type[Datatype | CustomData]], st.SearchStrategy[JsonObject]]


def messages(cls: type[M]) -> st.SearchStrategy[M]:
    """Valid instances of a message class or data type, of one that you have declared for your DataTransfers as well.

    Of ``Request``, ``Response``, ``Send`` and what ends in ``FromChargePoint`` or ``FromCentralSystem`` they are the
    messages of all versions, of ``Datatype`` all of these; of ``Request[R]`` the requests that are answered with ``R``.

    They are as if read from a peer: times may have microseconds, of which no more than milliseconds are sent (RPC-102).

    Raises:
        TypeError: it is no such class, or one that declares what no schema of OCPP has.
    """
    if (get_origin(cls) or cls) in _BASES:
        return st.sampled_from(_messages_of(cast("Any", cls))).flatmap(messages)
    valid = payloads(cast("type[Datatype | CustomData]", cls))
    if not issubclass(cls, Datatype):
        return valid.map(cls.of)
    decode = codec_of(cls).decode
    return valid.map(lambda payload: decode(msgspec.json.encode(payload)))


def payloads(cls: type[Datatype | CustomData], *, inside: Inside | None = None) -> st.SearchStrategy[JsonObject]:
    """Valid JSON objects of a message class or data type.

    Args:
        cls: the class.
        inside: makes the objects inside; if not given, this function does. Drawing them from among some that were made
            before is far faster where many classes have the same ones.

    Raises:
        TypeError: it is no such class, a base of many, or one that declares what no schema of OCPP has.
    """
    _require_payload(cls)
    inside = inside or payloads
    required = {prop.wire_name: _values(prop.kind, inside) for prop in properties(cls) if prop.required}
    optional = {prop.wire_name: _values(prop.kind, inside) for prop in properties(cls) if not prop.required}
    known = st.fixed_dictionaries(required, optional=optional)
    return st.tuples(_OBJECTS, known).map(lambda both: both[0] | both[1]) if cls is CustomData else known


@attrs.frozen
class NearMiss:
    """A payload that is valid but for one thing."""

    payload: JsonObject
    path: str
    """Where: ``$.meterValue[0].unit``. Of a property that is missing, where it should be."""
    rule: str
    """What is broken there, by the keyword of JSON Schema, as in :class:`ocpp_sansio.Violation`."""


def near_misses(
    cls: type[Datatype | CustomData], *, valid: st.SearchStrategy[JsonObject] | None = None
) -> st.SearchStrategy[NearMiss]:
    """Valid payloads of a class, broken in one place. Each rule that can be broken is broken about as often.

    What reads such a payload has to find this violation, and none besides: the official schemas do, where they have the
    rule. (They bound no integer to 32 bits, and of an enum's value that is no string they say so twice.)

    Args:
        cls: the class.
        valid: makes the valid payloads; if not given, :func:`payloads` does.

    Raises:
        TypeError: as :func:`payloads`.
        ValueError: the class takes every JSON object.
    """
    _require_payload(cls)
    if not (_is_closed(cls) or any(prop.required or prop.kind.type is not Json for prop in properties(cls))):
        raise ValueError(f"nothing can be wrong with a {cls.__name__}: it may have any property, with any value")
    return _near_misses(cls, payloads(cls) if valid is None else valid)


@st.composite
def _near_misses(draw: st.DrawFn, cls: type[Datatype | CustomData], valid: st.SearchStrategy[JsonObject]) -> NearMiss:
    payload = draw(valid)
    by_rule: dict[str, list[_Break]] = {}
    for breakage in _breaks(kind_of(cls), payload, ()):
        by_rule.setdefault(breakage.rule, []).append(breakage)
    assume(by_rule)  # of an open class nothing might be there
    rule = draw(st.sampled_from(sorted(by_rule)))
    breakage = draw(st.sampled_from(by_rule[rule]))
    if rule == "additionalProperties":
        breakage = attrs.evolve(breakage, value=draw(_ANYTHING))
    return NearMiss(_replaced(payload, breakage.steps, breakage.value), _json_path(breakage.steps), rule)


# -- classes --

_BASES: Final = (Datatype, Request, FromChargePoint, FromCentralSystem, Response, Send, SendFromChargePoint)


def _require_payload(cls: Any) -> None:
    """Require a class that says what is in it."""
    if not (isinstance(cls, type) and issubclass(cls, Datatype | CustomData)) or cls in _BASES:
        raise TypeError(f"{cls!r} is neither the class of a message nor of a data type")
    _require_schema(cls)


@cache
def _require_schema(cls: type[Datatype | CustomData]) -> None:
    """Require that schemas of OCPP have the like of what is in a class, at any depth."""
    for _ in kinds_within(kind_of(cls)):
        pass


@cache
def _messages_of(base: Any) -> list[type[Any]]:
    """The messages that there are of a base class, in all versions; of a generic one those it is declared for.

    These may be a vendor's own. Any others would make what is tried depend on what happens to be imported.
    """
    if parameters := get_args(base):
        there_are = [cls for cls in _subclasses(get_origin(base)) if response_of(cls) is parameters[0]]
    else:
        actions = [action for version in Version for action in version.actions.values()]
        both: list[Any] = [cls for action in actions for cls in (action.request, action.response)]
        there_are = [cls for cls in both if cls is not None and issubclass(cls, base)]
    if not there_are:
        raise TypeError(f"there is no message that is a {base}")
    return there_are


def _subclasses(cls: type[Any]) -> list[type[Any]]:
    """With those of its subclasses."""
    return [each for child in cls.__subclasses__() for each in (child, *_subclasses(child))]


def _is_closed(cls: type[Datatype | CustomData]) -> bool:
    """Whether properties that are not declared are forbidden."""
    return issubclass(cls, Datatype) and cls.__struct_config__.forbid_unknown_fields


# -- valid values --

_TEXT: Final = st.characters(codec="utf-8")

# What an unknown property says makes no difference, and what an untyped one says is nobody's business.
_ANYTHING: Final = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(_TEXT, max_size=10),
    ),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(_TEXT, max_size=5), inside, max_size=3),
    max_leaves=5,
)
_OBJECTS: Final = st.dictionaries(st.text(_TEXT, max_size=10), _ANYTHING, max_size=2)

LONGEST_TEXT: Final = 40
"""Characters of most texts that may be longer. The longest that is allowed is tried as well."""
LONGEST_LIST: Final = 3


def _values(kind: Kind, inside: Inside) -> st.SearchStrategy[Any]:
    if issubclass(kind.type, Datatype | CustomData):
        return inside(kind.type)
    if kind.items is not None:
        return _lists(kind, _values(kind.items, inside))
    if issubclass(kind.type, StrEnum):
        return st.sampled_from([member.value for member in kind.type])
    return _STRATEGIES[kind.type](kind)


def _lists(kind: Kind, items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    fewest = kind.min_items or 0
    most = LONGEST_LIST if kind.max_items is None else min(LONGEST_LIST, kind.max_items)
    return st.lists(items, min_size=fewest, max_size=max(fewest, most))


def _strings(kind: Kind) -> st.SearchStrategy[str]:
    longest = LONGEST_TEXT if kind.max_length is None else kind.max_length
    return st.one_of(
        st.text(_TEXT, max_size=min(longest, LONGEST_TEXT)),
        st.sampled_from(["", "x" * longest, "é" * longest, "😀" * longest, "null"[:longest], '"\\\n\x00'[:longest]]),
    )


def _integers(kind: Kind) -> st.SearchStrategy[int]:
    lowest, highest = _range(kind)
    return st.one_of(st.integers(lowest, highest), st.sampled_from([lowest, highest, min(max(lowest, 0), highest)]))


def _numbers(kind: Kind) -> st.SearchStrategy[float]:
    if kind.decimals is None:
        return st.floats(kind.minimum, kind.maximum, allow_nan=False, allow_infinity=False)
    units = 10**kind.decimals
    odd = [number for number in (0.1, 0.3, 0.7, 1.1, 16.1, 1e20) if _is_within(kind, number)]
    lowest, highest = _range(kind)
    return st.one_of(
        st.integers(*_range(kind, units)).map(lambda number: number / units),
        *([st.integers(lowest, highest)] if lowest <= highest else ()),
        *([st.sampled_from(odd)] if odd else ()),
    )


def _range(kind: Kind, units: int = 1) -> tuple[int, int]:
    """The bounds of whole numbers, so many of which make 1. One that is not there is that of 32 bits, or the other."""
    lowest = -(2**31) * units if kind.minimum is None else ceil(Decimal(str(kind.minimum)) * units)
    highest = 2**31 * units - 1 if kind.maximum is None else floor(Decimal(str(kind.maximum)) * units)
    if kind.minimum is None:
        lowest = min(lowest, highest)
    if kind.maximum is None:
        highest = max(lowest, highest)
    return lowest, highest


def _anything(_kind: Kind) -> st.SearchStrategy[Any]:
    return _ANYTHING


def _booleans(_kind: Kind) -> st.SearchStrategy[bool]:
    return st.booleans()


def _timestamps(_kind: Kind) -> st.SearchStrategy[str]:
    """RFC 3339, with any number of fraction digits and any offset. Within years that are safe in every time zone."""
    moments = st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31)).map(lambda moment: moment.isoformat()[:19])  # noqa: DTZ001 (the offset comes as text)
    fractions = st.one_of(st.just(""), st.from_regex(r"\.[0-9]{1,9}", fullmatch=True))
    offsets = st.one_of(st.just("Z"), st.from_regex(r"[+-](0[0-9]|1[0-4]):[0-5][0-9]", fullmatch=True))
    return st.tuples(moments, fractions, offsets).map("".join)


_STRATEGIES: Final[dict[Any, Callable[[Kind], st.SearchStrategy[Any]]]] = {
    str: _strings,
    int: _integers,
    float: _numbers,
    bool: _booleans,
    datetime: _timestamps,
    Json: _anything,
}

# -- whole messages, good and hostile --


def frames(version: Version | str | None = None) -> st.SearchStrategy[str]:
    """Valid messages of OCPP-J as text: ``[2,"id","Heartbeat",{}]``, of every type and with every payload there is.

    Args:
        version: of which version; of any, if not given.

    Raises:
        ValueError: there is no such version.
    """
    return _frames(st.sampled_from(Version) if version is None else st.just(Version(version)))


@st.composite
def _frames(draw: st.DrawFn, versions: st.SearchStrategy[Version]) -> str:
    version = draw(versions)
    message_type = draw(st.sampled_from(sorted(version.dialect.message_types)))
    head = [message_type, draw(_MESSAGE_IDS)]
    if message_type in (MessageType.CALLERROR, MessageType.CALLRESULTERROR):
        code = draw(st.sampled_from(ErrorCode)).spelling(version)
        tail = [code, draw(st.text(_TEXT, max_size=MAX_DESCRIPTION)), draw(_OBJECTS)]
    else:
        name, cls = draw(st.sampled_from(_classes(version, message_type)))
        tail = [*([] if message_type == MessageType.CALLRESULT else [name]), draw(payloads(cls))]
    return json.dumps(head + tail, ensure_ascii=draw(st.booleans()), separators=draw(_SEPARATORS))


def hostile_texts(
    version: Version | str | None = None, *, size: int = SIZE, among: Sequence[Hostility[str]] = HOSTILE_TEXTS
) -> st.SearchStrategy[str]:
    """What a broken or malicious peer could send instead of a message. Some of it is a message nevertheless.

    Args:
        version: of the messages that it is made of; any, if not given.
        size: how many characters are added at most, about.
        among: the rows of :data:`ocpp_sansio.testing.hostile.HOSTILE_TEXTS` to choose from.

    Raises:
        ValueError: there is no such version, or no row.
    """
    _require_rows(among)
    return st.builds(partial(spoil, size=size, among=among), frames(version), _CHOICES)


def hostile_bytes(
    version: Version | str | None = None,
    *,
    size: int = SIZE,
    among: Sequence[Hostility[str] | Hostility[bytes]] = (*HOSTILE_TEXTS, *HOSTILE_BYTES),
) -> st.SearchStrategy[bytes]:
    """The same as bytes: in UTF-8, or by :data:`ocpp_sansio.testing.hostile.HOSTILE_BYTES` in what is not.

    Args:
        version: as of :func:`hostile_texts`.
        size: as of :func:`hostile_texts`.
        among: the rows of both tables to choose from.

    Raises:
        ValueError: as :func:`hostile_texts`.
    """
    _require_rows(among)
    return st.builds(partial(spoil_bytes, size=size, among=among), frames(version), _CHOICES)


def _require_rows(among: Sequence[object]) -> None:
    if not among:
        raise ValueError("there is no row to choose from")


@cache
def _classes(version: Version, message_type: int) -> list[tuple[str, type[Datatype]]]:
    """The payloads that messages of a type have, by their actions."""
    if message_type == MessageType.CALLRESULT:
        return [(name, action.response) for name, action in version.actions.items() if action.response is not None]
    answered = message_type == MessageType.CALL
    return [(name, each.request) for name, each in version.actions.items() if (each.response is not None) == answered]


_MESSAGE_IDS: Final = st.one_of(st.uuids().map(str), st.text(_TEXT, min_size=1, max_size=MAX_MESSAGE_ID))
_SEPARATORS: Final = st.sampled_from([(",", ":"), (", ", ": "), (" ,\r\n", "\t: ")])
_CHOICES: Final = st.randoms(use_true_random=False)

# -- one thing wrong --

_Steps = tuple[str | int, ...]

_ABSENT: Final = object()


@attrs.frozen
class _Break:
    """What to put where, to break which rule."""

    rule: str
    steps: _Steps
    value: Any


def _breaks(kind: Kind, value: Any, steps: _Steps) -> Iterator[_Break]:
    """Every way this module knows to break a valid value, at every depth."""
    for wrong in _wrong_types(kind):
        if steps:  # What is not an object is no payload at all.
            yield _Break("type", steps, wrong)
    if issubclass(kind.type, Datatype | CustomData):
        yield from _object_breaks(kind.type, value, steps)
    elif kind.items is not None:
        yield from _list_breaks(kind, value, steps)
    else:
        for rule, wrong in _scalar_breaks(kind, value):
            yield _Break(rule, steps, wrong)


def _object_breaks(cls: type[Datatype | CustomData], value: JsonObject, steps: _Steps) -> Iterator[_Break]:
    known = {prop.wire_name for prop in properties(cls)}
    closed = _is_closed(cls)
    for name in ("vendorExtension", *(name.upper() for name in sorted(known))):  # Names are case-sensitive.
        if name not in known and closed:
            yield _Break("additionalProperties", (*steps, name), "")
    for prop in properties(cls):
        if prop.required:
            yield _Break("required", (*steps, prop.wire_name), _ABSENT)
        if prop.wire_name in value:
            yield from _breaks(prop.kind, value[prop.wire_name], (*steps, prop.wire_name))


def _list_breaks(kind: Kind, value: list[Any], steps: _Steps) -> Iterator[_Break]:
    assert kind.items is not None
    if kind.min_items:
        yield _Break("minItems", steps, value[: kind.min_items - 1])
    if kind.max_items is not None and value:
        yield _Break("maxItems", steps, (value * (kind.max_items + 1))[: kind.max_items + 1])
    for index, item in enumerate(value):
        yield from _breaks(kind.items, item, (*steps, index))


def _scalar_breaks(kind: Kind, value: Any) -> Iterator[tuple[str, Any]]:
    if issubclass(kind.type, StrEnum):
        yield from (
            ("enum", wrong) for wrong in ("", f"{value} ", value.swapcase()) if wrong not in _members(kind.type)
        )
    if kind.type is datetime:
        yield from (("format", wrong) for wrong in _NOT_TIMESTAMPS)
    if kind.max_length is not None:
        yield "maxLength", value + "x" * (kind.max_length + 1 - len(value))
    if kind.minimum is not None:
        yield "minimum", kind.minimum - 1
    if kind.maximum is not None:
        yield "maximum", kind.maximum + 1
    if kind.decimals is not None:
        uneven = (0.05, 0.11, 1.01, -2.25, 1e-5, 0.30000000000000004)
        yield from (("multipleOf", wrong) for wrong in uneven if _is_within(kind, wrong))


def _is_within(kind: Kind, number: float) -> bool:
    return (kind.minimum is None or number >= kind.minimum) and (kind.maximum is None or number <= kind.maximum)


def _members(cls: type[StrEnum]) -> set[str]:
    return {member.value for member in cls}


_NOT_TIMESTAMPS: Final = (
    "",
    "now",
    "2026-11-22",
    "2026-11-22T18:04:59",  # no zone (RPC-101)
    "2026-11-22T18:04Z",
    "2026-13-22T18:04:59Z",
    "2026-02-29T18:04:59Z",
    "2026-11-22T24:00:00Z",
    "2026-11-22T18:04:59,5Z",
    "2026-11-22T18:04:59.Z",
    "2026-11-22T18:04:59+24:00",
    "20261122T180459Z",
    "1795370699",
)


def _wrong_types(kind: Kind) -> list[Any]:
    if kind.type is Json:
        return []
    declared = next((base for base in (StrEnum, Datatype) if issubclass(kind.type, base)), kind.type)
    wrong = [None, *(value for value, fits in _SPECIMENS if declared not in fits)]
    return [value for value in wrong if not isinstance(value, float) or _is_within(kind, value)]


# One value of each JSON type, and the declared types that it fits.
_SPECIMENS: Final[tuple[tuple[Any, tuple[type, ...]], ...]] = (
    ("1", (str, StrEnum, datetime)),
    (1, (int, float)),
    (1.5, (float,)),
    (True, (bool,)),
    ([], (list,)),
    ({}, (Datatype, CustomData)),
)


def _replaced(value: Any, steps: _Steps, new: Any) -> Any:
    """A copy of a value with something else at the end of the steps. Nothing of the original is changed."""
    step, *rest = steps
    copy = value.copy()
    if new is _ABSENT and not rest:
        del copy[step]
    elif rest:
        copy[step] = _replaced(copy[step], tuple(rest), new)
    else:
        copy[step] = new
    return copy


def _json_path(steps: _Steps) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
