"""Payloads that the strict reader has refused, read all the same as far as a tolerance goes. The cold path.

A payload is rebuilt from the top to the leaves, along the declarations that the codec reads as well. Where a value does
not fit its kind, the repairs there are for that kind are tried, in the order of their table. One that mends gives
another value, which is judged in its turn. One that keeps leaves a stand-in; the codec judges the payload with that, as
strictly as any other, and what was there enters the message in its place.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, Final, TypeVar

import attrs
import msgspec

from ocpp_sansio.codec import UNREADABLE, Codec, NumberText, PayloadError, codec_of, has_decimals, parse
from ocpp_sansio.diagnosis import broken_rule, enum_values, is_sound, path_step
from ocpp_sansio.events import Deviation, Repair
from ocpp_sansio.messages import MAX_DEPTH, CustomData, Datatype, Json, Response, is_bounded
from ocpp_sansio.schema import Kind, Property, kind_of, properties

from .policy import Half, Step, Tolerance

__all__ = ["MAX_DEVIATIONS", "MAX_ENUM_LENGTH", "mend_payload", "read_payload"]

M = TypeVar("M", bound=Datatype)

MAX_DEVIATIONS: Final = 1000
"""Of one payload, and of one text besides. What has more is refused."""
MAX_ENUM_LENGTH: Final = 100
"""Characters of an unknown enum value. The longest that any version knows has 45: what is longer is none (F-60)."""
MAX_NUMBER: Final = 40
"""Characters of a number in quotes."""
MAX_TIME: Final = 64
"""Characters of a date and time that is written otherwise."""


def read_payload(
    codec: Codec[M], payload: bytes | str | msgspec.Raw, tolerance: Tolerance, *, action: str | None = None
) -> tuple[M, tuple[Deviation, ...]]:
    """The message that a payload stands for, and what has to be put up with in it.

    Args:
        codec: that of the message class. It is asked first.
        payload: as it came.
        tolerance: what may be put up with.
        action: whose payload it is, for a tolerance that is not the same for all.

    Raises:
        PayloadError: more than that is wrong. Nothing else is raised, whatever the payload holds.
    """
    try:
        return codec.read(payload), ()
    except UNREADABLE:
        return mend_payload(codec, payload, tolerance, action=action)


def mend_payload(
    codec: Codec[M], payload: bytes | str | msgspec.Raw, tolerance: Tolerance, *, action: str | None = None
) -> tuple[M, tuple[Deviation, ...]]:
    """The same for a payload that :attr:`ocpp_sansio.codec.Codec.read` has refused, which it is not asked again."""
    try:
        return codec.reread(payload), ()
    except PayloadError:
        if not tolerance:
            raise
    half: Half = "response" if issubclass(codec.cls, Response) else "request"
    mender = _Mender(lambda repair, steps: tolerance.allows(repair, action=action, half=half, steps=steps))
    try:
        mended = mender.root(kind_of(codec.cls), parse(payload))
        message = codec.decode(msgspec.json.encode(mended, enc_hook=_as_written))
        for kept in mender.kept:
            kept.enter(message)
    except UNREADABLE:
        raise PayloadError from None
    return message, tuple(mender.deviations)


class _Unmendable(PayloadError):
    """A value does not fit, and nothing that is allowed makes it."""


# -- what is kept --

_Steps = tuple[Property | int | str, ...]
"""The way to a place; a name: that of a property that there is not."""


@attrs.frozen
class _Kept:
    """A value that its class has no room for. While the payload is judged, another stands in for it."""

    steps: _Steps
    value: Any

    def enter(self, message: Any) -> None:
        holder, last = _at(message, self.steps[:-1]), self.steps[-1]
        if not isinstance(last, Property):
            holder[last] = self.value
        elif isinstance(holder, CustomData):
            holder._properties[last.wire_name] = self.value  # pyright: ignore[reportPrivateUsage]
        else:
            msgspec.structs.force_setattr(holder, last.name, self.value)  # nobody else has seen the message yet


@attrs.frozen
class _KeptCount:
    """An array with too few or too many items. While the payload is judged, it is filled up or cut off."""

    steps: _Steps
    count: int
    kind: Kind
    """That of the items."""
    cut: list[Any]
    """The items at its end that are too many."""

    def enter(self, message: Any) -> None:
        items = _at(message, self.steps)
        del items[self.count :]
        items += [_typed(self.kind, item) for item in self.cut]


def _at(message: Any, steps: _Steps) -> Any:
    for step in steps:
        message = getattr(message, step.name) if isinstance(step, Property) else message[step]
    return message


def _typed(kind: Kind, value: Any) -> Any:
    """What the codec makes of a value that fits."""
    if issubclass(kind.type, Datatype):
        return codec_of(kind.type).decode(msgspec.json.encode(value, enc_hook=_as_written))
    return msgspec.convert(_plain(value), kind.type)


def _as_written(number: NumberText) -> msgspec.Raw:
    """So that the codec judges the decimals that the peer has sent (RPC-105)."""
    return msgspec.Raw(number.text.encode())


def _plain(value: Any) -> Any:
    """A value that is delivered: with numbers for their texts, but for those that are out of all bounds (F-62).

    Raises:
        _Unmendable: it is nested too deeply to be looked at (F-65).
    """
    return _bounded(value, _nearly)


def _told(value: Any) -> Any:
    """A value as the peer had put it: with numbers for their texts, but for those that have more digits than a float.

    Raises:
        _Unmendable: as for one that is delivered.
    """
    return _bounded(value, _exactly)


def _bounded(value: Any, number: Callable[[str], float | str]) -> Any:
    if not is_bounded(value, MAX_DEPTH):
        raise _Unmendable
    return _with_numbers(value, number)


def _with_numbers(value: Any, number: Callable[[str], float | str]) -> Any:
    if value.__class__ is dict:
        return {name: _with_numbers(inside, number) for name, inside in value.items()}
    if value.__class__ is list:
        return [_with_numbers(item, number) for item in value]
    return number(value.text) if isinstance(value, NumberText) else value


def _nearly(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _exactly(text: str) -> float | str:
    number = float(text)
    try:
        return number if Decimal(repr(number)) == Decimal(text) else text
    except ArithmeticError:  # no exponent is that large
        return text


@cache
def _stand_in(kind: Kind) -> Any:
    """The least value that fits."""
    if issubclass(kind.type, Datatype | CustomData):
        return {prop.wire_name: _stand_in(prop.kind) for prop in properties(kind.type) if prop.required}
    if issubclass(kind.type, StrEnum):
        return next(iter(enum_values(kind.type)))
    if kind.items is not None:
        return [_stand_in(kind.items)] * (kind.min_items or 0)
    if kind.type in (int, float):
        return max(kind.minimum or 0, 0) if kind.maximum is None else min(max(kind.minimum or 0, 0), kind.maximum)
    return _STAND_INS[kind.type]


_STAND_INS: Final[dict[Any, Any]] = {str: "", bool: False, datetime: "1970-01-01T00:00:00Z", Json: {}}


# -- the walk --


@attrs.define
class _Mender:
    """Rebuilds one payload, and notes what it has put up with."""

    allows: Callable[[Repair, tuple[Step, ...]], bool]
    deviations: list[Deviation] = attrs.field(factory=list[Deviation])
    kept: list[_Kept | _KeptCount] = attrs.field(factory=list[_Kept | _KeptCount])

    def root(self, kind: Kind, value: Any) -> Any:
        """The payload itself, of which nothing is known but that it is JSON. No other value than an object is one."""
        if value is None and self._notes(Repair.NULL_AS_ABSENT, (), None):
            value = {}
        if not (isinstance(value, dict) or value == []):
            raise _Unmendable
        return self._mend(kind, value, ())

    def _mend(self, kind: Kind, value: Any, steps: _Steps, original: Any = ..., used: tuple[Repair, ...] = ()) -> Any:
        """A value that fits its kind: this one, what a repair makes of it, or a stand-in.

        Raises:
            _Unmendable: there is none.
        """
        if value.__class__ is dict and _is_object(kind, value):
            return self._object(kind.type, value, steps)
        if value.__class__ is list and kind.type is list:
            return self._list(kind, value, steps)
        rule = broken_rule(kind, value) if _is_leaf(kind) else "type"
        if rule is None:
            return value
        original = value if original is ... else original
        for repair, mend in _table(kind):
            if repair in used or (repair is Repair.WRONG_TYPE and (used or not steps)):
                continue
            new = mend(kind, value, rule)
            before = len(self.deviations), len(self.kept)
            if new is _NOTHING or not self._notes(repair, steps, original):
                continue
            if new is _KEEP:
                self.kept.append(_Kept(steps, _plain(value) if repair is Repair.WRONG_TYPE else _number(kind, value)))
                return _stand_in(kind)
            try:
                return self._mend(kind, new, steps, original, (*used, repair))
            except _Unmendable:
                self._forget(before)
        raise _Unmendable

    def _object(self, cls: type[Datatype | CustomData], value: dict[str, Any], steps: _Steps) -> dict[str, Any]:
        if steps and issubclass(cls, Datatype) and is_sound(cls, value):
            return value
        names = {prop.wire_name for prop in properties(cls)}
        others = {name: inside for name, inside in value.items() if name not in names}
        mended: dict[str, Any] = {}
        if not issubclass(cls, Datatype):  # but customData, whose others are as right as any
            mended, others = others, mended
        elif others:
            others = self._misspelt(cls, others, value, mended, steps)
        for prop in properties(cls):
            inner = (*steps, prop)
            if prop.wire_name in value:
                self._put(mended, prop, value[prop.wire_name], inner)
            elif prop.required and prop.wire_name not in mended:
                mended[prop.wire_name] = self._missing(prop, inner)
        for name, inside in others.items():
            if not self._notes(Repair.UNKNOWN_FIELD, (*steps, name), inside):
                raise _Unmendable
        return mended

    def _put(self, mended: dict[str, Any], prop: Property, value: Any, steps: _Steps) -> None:
        """Put a property in its place, unless it is empty where it had better be absent."""
        if not prop.required and _is_empty(value) and not _may_be(prop.kind, value):
            repair = Repair.NULL_AS_ABSENT if value is None else Repair.EMPTY_AS_ABSENT
            if self._notes(repair, steps, value):
                return
        mended[prop.wire_name] = self._mend(prop.kind, value, steps)

    def _misspelt(
        self, cls: type[Datatype], others: dict[str, Any], there: dict[str, Any], mended: dict[str, Any], steps: _Steps
    ) -> dict[str, Any]:
        """Put those in their place that are only spelt otherwise. Returns the rest."""
        rest: dict[str, Any] = {}
        for name, value in others.items():
            prop = _by_fold(cls).get(name.casefold()) if name.isascii() else None
            before = len(self.deviations), len(self.kept)
            if (
                prop is not None
                and prop.wire_name not in there
                and prop.wire_name not in mended
                and self._notes(Repair.PROPERTY_CASE, (*steps, name), value, scope=(*steps, prop))
            ):
                try:
                    self._put(mended, prop, value, (*steps, prop))
                except _Unmendable:
                    self._forget(before)
                else:
                    continue
            rest[name] = value
        return rest

    def _missing(self, prop: Property, steps: _Steps) -> Any:
        """What to put where a required property is not."""
        before = len(self.deviations), len(self.kept)
        if prop.kind.type is list and self._notes(Repair.MISSING_LIST, steps, None):
            try:
                return self._list(prop.kind, [], steps)
            except _Unmendable:
                self._forget(before)
        if not self._notes(Repair.MISSING_PROPERTY, steps, None):
            raise _Unmendable
        self.kept.append(_Kept(steps, None))
        return _stand_in(prop.kind)

    def _list(self, kind: Kind, value: list[Any], steps: _Steps) -> list[Any]:
        assert kind.items is not None
        before = len(self.kept)
        items = [self._mend(kind.items, item, (*steps, index)) for index, item in enumerate(value)]
        fewest, most = kind.min_items or 0, len(items) if kind.max_items is None else kind.max_items
        if fewest <= len(items) <= most:
            return items
        if not self._notes(Repair.ITEM_COUNT, steps, value):
            raise _Unmendable
        # Before what is kept inside of the items: those have to be there.
        self.kept.insert(before, _KeptCount(steps, min(len(items), most), kind.items, items[most:]))
        return items[:most] + [_stand_in(kind.items)] * (fewest - len(items))

    def _notes(self, repair: Repair, steps: _Steps, original: Any, *, scope: _Steps | None = None) -> bool:
        """Whether a repair is allowed here; then it is noted, too.

        Args:
            repair: which.
            steps: to where the peer has put it.
            original: what is there.
            scope: to the place that a tolerance calls it by, if that is another.

        Raises:
            _Unmendable: what was there is nested too deeply to be told.
            PayloadError: too many are noted already. That is the end.
        """
        names = tuple(step.wire_name if isinstance(step, Property) else step for step in scope or steps)
        if not self.allows(repair, names):
            return False
        if len(self.deviations) >= MAX_DEVIATIONS:
            raise PayloadError
        self.deviations.append(Deviation(_path(steps), repair, _told(original)))
        return True

    def _forget(self, before: tuple[int, int]) -> None:
        """What has been put up with in vain."""
        del self.deviations[before[0] :], self.kept[before[1] :]


def _path(steps: _Steps) -> str:
    return "$" + "".join(
        f"[{step}]" if isinstance(step, int) else path_step(step if isinstance(step, str) else step.wire_name)
        for step in steps
    )


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | dict) and not value)


def _may_be(kind: Kind, empty: Any) -> bool:
    """Whether an empty value fits."""
    if isinstance(empty, list) and kind.type is list:
        return not kind.min_items
    if isinstance(empty, dict) and issubclass(kind.type, Datatype | CustomData):
        return not any(prop.required for prop in properties(kind.type))
    return _is_leaf(kind) and broken_rule(kind, empty) is None


def _is_leaf(kind: Kind) -> bool:
    return kind.type not in (list, CustomData) and not issubclass(kind.type, Datatype)


def _is_object(kind: Kind, value: object) -> bool:
    """Whether the declaration says what is in this object, at least in part."""
    if kind.type is CustomData:
        return broken_rule(_ANYTHING, value) is None
    return issubclass(kind.type, Datatype)


_ANYTHING: Final = kind_of(Json)


@cache
def _by_fold(cls: type[Datatype]) -> dict[str, Property]:
    """The properties by their names in lower case. No two have the same."""
    return {prop.wire_name.casefold(): prop for prop in properties(cls)}


# -- the repairs, by what they can do for a kind --

_NOTHING: Final = object()
"""A repair has nothing to do with this value."""
_KEEP: Final = object()
"""It keeps the value."""

_Mend = Callable[[Kind, Any, str], Any]
"""Given the kind, the value and the rule that it breaks: another value, ``_KEEP`` or ``_NOTHING``."""


def _of(wanted: type[Any], mend: Callable[[Any], Any]) -> _Mend:
    """One that is for values of one type alone."""
    return lambda _kind, value, _rule: mend(value) if type(value) is wanted else _NOTHING


_is_number: Final = re.compile(r"-?(0|[1-9]\d*+)(\.\d++)?([eE][+-]?\d++)?", re.ASCII).fullmatch


def _number_as_string(_kind: Kind, value: Any, _rule: str) -> Any:
    if isinstance(value, NumberText):
        return value.text
    return str(value) if type(value) is int else _NOTHING


def _string_as_number(text: str) -> Any:
    match = _is_number(text) if len(text) <= MAX_NUMBER else None
    if match is None:
        return _NOTHING
    return int(text) if match[2] is match[3] is None else NumberText(text)


def _integral_float(number: NumberText) -> Any:
    # Beyond 53 bits a float tells one integer from the next no more.
    return int(float(number.text)) if has_decimals(number.text, 0) and abs(float(number.text)) < 2**53 else _NOTHING


def _time(pattern: str, replacement: str) -> _Mend:
    """One that writes a part of a timestamp otherwise. Whether that makes it one is judged later."""
    find = re.compile(pattern, re.ASCII).fullmatch
    return _of(
        str, lambda text: match.expand(replacement) if len(text) <= MAX_TIME and (match := find(text)) else _NOTHING
    )


def _enum_alias(kind: Kind, value: Any, _rule: str) -> Any:
    if not isinstance(value, str) or len(value) > MAX_ENUM_LENGTH:
        return _NOTHING
    plain = _spelt_plainly(value)
    members, aliases = _by_spelling(kind)
    return members.get(plain) or aliases.get(_SPELLINGS.get(plain, plain)) or _NOTHING


def _spelt_plainly(text: str) -> str:
    return re.sub(r"[\s._-]", "", text).casefold()


_SPELLINGS: Final = {
    "hz": "hertz",
    "celcius": "celsius",
    "%": "percent",
    "canceled": "cancelled",
    "occured": "occurred",
}
"""Spellings in use, and what is said for them here."""


@cache
def _by_spelling(kind: Kind) -> tuple[dict[str, str | None], dict[str, str | None]]:
    """The values of an enum by what is left of their spelling, and by that with one spelling for all in use.

    ``None`` for what stands for several.
    """
    members: dict[str, str | None] = {}
    aliases: dict[str, str | None] = {}
    enum: type[StrEnum] = kind.type
    for value in map(str, enum):
        plain = _spelt_plainly(value)
        for table, key in ((members, plain), (aliases, _SPELLINGS.get(plain, plain))):
            table[key] = None if key in table else value
    return members, aliases


def _keeps(*rules: str, but: Callable[[Kind, Any], bool] = lambda _kind, _value: False) -> _Mend:
    """One that keeps what breaks one of these rules, but not everything."""
    return lambda kind, value, rule: _KEEP if rule in rules and not but(kind, value) else _NOTHING


def _is_endless(_kind: Kind, text: str) -> bool:
    return len(text) > MAX_ENUM_LENGTH


def _is_immense(kind: Kind, number: NumberText | int) -> bool:
    """Of more than 64 bits, or wrong in its decimals besides."""
    if isinstance(number, int):
        return not -(2**63) <= number < 2**64
    return not math.isfinite(float(number.text)) or (
        kind.decimals is not None and not has_decimals(number.text, kind.decimals)
    )


def _wrong_type(kind: Kind, value: Any, rule: str) -> Any:
    """Whatever no other keeps."""
    others = (mend for repair, mend in _table(kind) if repair in _KEEPING)
    return _NOTHING if any(mend(kind, value, rule) is _KEEP for mend in others) else _KEEP


def _number(kind: Kind, value: Any) -> Any:
    """A value of the right type that is kept."""
    plain = _plain(value)
    return float(plain) if kind.type is float else plain


_UNKNOWN_ENUM: Final = _keeps("enum", but=_is_endless)
_OVERLONG: Final = _keeps("maxLength")
_OUT_OF_RANGE: Final = _keeps("minimum", "maximum", but=_is_immense)
_EXCESS_DECIMALS: Final = _keeps("multipleOf")
_KEEPING: Final = frozenset({Repair.UNKNOWN_ENUM, Repair.OVERLONG_STRING, Repair.OUT_OF_RANGE, Repair.EXCESS_DECIMALS})

_ZONE: Final = r"([Zz]|[+-]\d\d(?::?\d\d)?)?"
_EMPTY_LIST: Final = (Repair.EMPTY_LIST_AS_OBJECT, _of(list, lambda items: _NOTHING if items else {}))
_TEXT_AS_NUMBER: Final = (Repair.STRING_AS_NUMBER, _of(str, _string_as_number))
_WRONG_TYPE: Final = (Repair.WRONG_TYPE, _wrong_type)

_TABLES: Final[dict[Any, tuple[tuple[Repair, _Mend], ...]]] = {
    str: (
        (Repair.NUMBER_AS_STRING, _number_as_string),
        (Repair.BOOL_AS_STRING, _of(bool, lambda value: "true" if value else "false")),
        (Repair.OVERLONG_STRING, _OVERLONG),
        _WRONG_TYPE,
    ),
    int: (
        _TEXT_AS_NUMBER,
        (Repair.INTEGRAL_FLOAT, _of(NumberText, _integral_float)),
        (Repair.OUT_OF_RANGE, _OUT_OF_RANGE),
        _WRONG_TYPE,
    ),
    float: (
        _TEXT_AS_NUMBER,
        (Repair.OUT_OF_RANGE, _OUT_OF_RANGE),
        (Repair.EXCESS_DECIMALS, _EXCESS_DECIMALS),
        _WRONG_TYPE,
    ),
    bool: (
        (Repair.STRING_AS_BOOL, _of(str, lambda text: {"true": True, "false": False}.get(text.lower(), _NOTHING))),
        (Repair.NUMBER_AS_BOOL, _of(int, lambda number: {0: False, 1: True}.get(number, _NOTHING))),
        _WRONG_TYPE,
    ),
    datetime: (
        (Repair.TIME_WITHOUT_SECONDS, _time(rf"(.{{10}}[Tt ]\d\d:\d\d){_ZONE}", r"\1:00\2")),
        (Repair.HOUR_ONLY_OFFSET, _time(r"(.{10}[Tt ].{8,}[+-]\d\d)", r"\1:00")),
        (Repair.NAIVE_TIME_IS_UTC, _time(r"(.{10}[Tt ][\d:.]+)", r"\1Z")),
        _WRONG_TYPE,
    ),
    StrEnum: ((Repair.ENUM_ALIAS, _enum_alias), (Repair.UNKNOWN_ENUM, _UNKNOWN_ENUM), _WRONG_TYPE),
    list: (
        (Repair.OBJECT_AS_LIST, lambda kind, value, _: [value] if _is_item(kind.items, value) else _NOTHING),
        _WRONG_TYPE,
    ),
    Datatype: (_EMPTY_LIST, _WRONG_TYPE),
    CustomData: (_EMPTY_LIST, _WRONG_TYPE),
    Json: (_WRONG_TYPE,),
}


def _is_item(kind: Kind | None, value: Any) -> bool:
    """Whether one item was put where an array of them belongs, rather than anything else."""
    assert kind is not None
    return (
        isinstance(value, dict) is issubclass(kind.type, Datatype) and not _is_empty(value) and type(value) is not bool
    )


@cache
def _table(kind: Kind) -> tuple[tuple[Repair, _Mend], ...]:
    """What there is for the values of a declared type, in the order in which it is tried."""
    return _TABLES.get(kind.type) or _TABLES[StrEnum if issubclass(kind.type, StrEnum) else Datatype]
