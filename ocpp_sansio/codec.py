"""Payload bytes to typed messages and back, validated: the hot path.

One :class:`Codec` per message class. Almost all of the work is one pass of msgspec's typed decoder; this module adds
the few rules of the schemas that msgspec cannot be told, and asks for each of them first whether the text of the
payload can break it at all:

* No property may be ``null`` (RPC-038), though an optional one is ``None`` in Python.
* ``multipleOf: 0.1`` is decided on the decimal text: binary floats have no 0.1 (RPC-105).
* Of a key that occurs twice, the last one counts (F-66), even if the first one broke the schema.

What is wrong with a refused payload is none of its business: :mod:`ocpp_sansio.diagnosis` says that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar

import msgspec

from .messages import Actions, Datatype
from .schema import Kind, Property, kind_of, kinds_within, properties

__all__ = ["Codec", "PayloadError", "codec_of", "preload"]

M = TypeVar("M", bound=Datatype)


class PayloadError(ValueError):
    """The payload breaks the schema of its message. :mod:`ocpp_sansio.diagnosis` says how; this carries no details."""


# All that reading can raise: malformed JSON and broken rules, bytes that are not UTF-8 and lone surrogates (F-67)
# are ValueErrors; nesting without end in an untyped value is a RecursionError (F-65).
UNREADABLE: Final = (ValueError, RecursionError)

_write = msgspec.json.Encoder().encode


class Codec(Generic[M]):
    """Reads and writes the payloads of one message class. Get one from :func:`codec_of`."""

    __slots__ = ("_doubts", "_kind", "_read", "_timestamps", "_uneven", "cls")

    def __init__(self, cls: type[M]) -> None:
        self.cls = cls
        self._kind = kind_of(cls)
        self._read = msgspec.json.Decoder(cls).decode
        kinds = list(kinds_within(self._kind))
        inside = [prop for kind in kinds if issubclass(kind.type, Datatype) for prop in properties(kind.type)]
        self._uneven = _UNEVEN if any(kind.decimals is not None for kind in kinds) else ()
        self._doubts = self._uneven if all(prop.required for prop in inside) else (_NULL, *self._uneven)
        self._timestamps = tuple(map(_untidy_timestamp, _timestamp_names(inside)))

    def decode(self, payload: bytes | str | msgspec.Raw) -> M:
        """The message a payload stands for.

        Raises:
            PayloadError: it is not JSON or breaks the schema. Nothing else is raised, whatever the payload holds.
        """
        try:
            if isinstance(payload, str):
                payload = payload.encode()
            message = self._read(payload)
        except UNREADABLE:
            message = self._read_last_of_each_key(payload)
        for doubtful in self._doubts:
            if doubtful(payload):
                self._look_closely(payload)
                break
        return message

    def encode(self, message: M) -> bytes:
        """The payload of a message, as JSON in UTF-8, with its timestamps in the form of RPC-102.

        Raises:
            PayloadError: the message breaks its schema or holds a value of another type than declared (F-71).
        """
        try:
            payload = _write(message)
            # Reading back finds every broken rule; comparing finds what JSON made look right: NaN written as null,
            # bytes, sets, decimals and naive or otherwise foreign values written as strings and lists.
            if self._read(payload) != message:
                raise PayloadError
            for doubtful in self._uneven:
                if doubtful(payload):
                    self._look_closely(payload)
                    break
            for untidy in self._timestamps:
                payload = untidy.sub(_tidy, payload)
        except PayloadError:
            raise
        except Exception as error:  # noqa: BLE001 (an object that never belonged here may do anything when asked)
            raise PayloadError from error
        return payload

    def _read_last_of_each_key(self, payload: bytes | str | msgspec.Raw) -> M:
        """Judge what a reader of the whole object sees; the typed decoder judges every occurrence of a key (F-66)."""
        try:
            return msgspec.convert(msgspec.json.decode(payload), self.cls)
        except UNREADABLE:
            raise PayloadError from None

    def _look_closely(self, payload: bytes | msgspec.Raw) -> None:
        if not _is_sound(self._kind, parse(payload)):
            raise PayloadError


_codecs: dict[type[Datatype], Codec[Any]] = {}


def codec_of(cls: type[M]) -> Codec[M]:
    """The codec of a message class, built when first asked for."""
    codec = _codecs.get(cls)
    if codec is None:
        codec = _codecs[cls] = Codec(cls)
    return codec


def preload(actions: Actions) -> None:
    """Build the codecs of a whole version now, rather than one by one as its messages come by."""
    for action in actions.values():
        codec_of(action.request)
        codec_of(action.response)


# -- what msgspec cannot be told --

# Each asks of a whole payload, in one fast pass, whether it can hold what the name says. A string may look like it.
_NULL: Final = re.compile(rb"null").search
_UNEVEN: Final = (
    re.compile(rb"\.\d\d++(?![Z+-])").search,  # a second fraction digit, but not that of a timestamp
    re.compile(rb"e[-+\d]").search,
    re.compile(rb"E[-+\d]").search,
)


class NumberText(str):
    """A JSON number with a fraction or an exponent, as it was written."""

    __slots__ = ()


parse: Final = msgspec.json.Decoder(float_hook=NumberText).decode
"""A payload as plain dicts, lists and scalars, its fractional numbers as :class:`NumberText`."""


def has_decimals(number: str, at_most: int) -> bool:
    """Whether no more than so many fraction digits of a number count, decided on its text (RPC-105, F-70)."""
    mantissa, _, exponent = number.lower().partition("e")
    whole, _, fraction = mantissa.partition(".")
    significant = (whole + fraction).rstrip("0")
    if significant in ("", "-"):
        return True
    zeros = len(whole) + len(fraction) - len(significant)
    # As a float, because an int of thousands of digits is refused (F-63), and infinity serves as well.
    return len(fraction) - zeros - float(exponent or 0) <= at_most


def _is_sound(kind: Kind, value: Any) -> bool:
    """Whether a value that fits its kind otherwise holds no ``null`` and no number with too many decimals."""
    if value is None:
        return False
    if isinstance(value, NumberText):
        return kind.decimals is None or has_decimals(value, kind.decimals)
    if kind.items is not None:
        items = kind.items
        return all(_is_sound(items, item) for item in value)
    if issubclass(kind.type, Datatype):
        return all(
            _is_sound(prop.kind, value[prop.wire_name]) for prop in properties(kind.type) if prop.wire_name in value
        )
    return True


# -- timestamps --


def _timestamp_names(inside: Iterable[Property]) -> list[str]:
    """The properties that hold timestamps. A name that also means something else would make rewriting them unsafe."""
    timestamps = {prop.wire_name for prop in inside if prop.kind.type is datetime}
    others = {prop.wire_name for prop in inside if prop.kind.type is not datetime}
    if ambiguous := timestamps & others:
        raise TypeError(f"timestamps, but not everywhere: {sorted(ambiguous)}")
    return sorted(timestamps)


def _untidy_timestamp(name: str) -> re.Pattern[bytes]:
    """Finds a timestamp that msgspec wrote with a fraction or an offset.

    Inside a JSON string a quote has a backslash before it, and only a name is followed by a colon: no value looks
    like this.
    """
    return re.compile(rb'("%b":")(?!.{19}Z")([^"]+)' % name.encode())


def _tidy(match: re.Match[bytes]) -> bytes:
    """``YYYY-MM-DDTHH:MM:SS[.mmm]Z``, cut off after the milliseconds (RPC-102)."""
    moment = datetime.fromisoformat(match[2].decode()).astimezone(UTC)
    text = moment.isoformat(timespec="milliseconds")
    return match[1] + text.removesuffix("+00:00").removesuffix(".000").encode() + b"Z"
