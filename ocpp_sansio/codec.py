"""Payload bytes to typed messages and back, validated: the hot path.

One :class:`Codec` per message class. Almost all of the work is one pass of msgspec's typed decoder. This module adds
what msgspec cannot be told:

* ``multipleOf: 0.1`` is decided on the decimal text, for binary floats have no 0.1 (RPC-105). A fast search tells first
  whether the text holds any number that could break the rule.
* Of a key that occurs twice, the last one counts (F-66), even if the first one broke the schema.
* Timestamps are written in UTC and to the millisecond at most (RPC-102).
* A message made by hand is as valid as one that was read. Reading back proves it; where a glance is enough,
  :mod:`ocpp_sansio.writer` spares that.

What is wrong with a refused payload is none of its business: :mod:`ocpp_sansio.diagnosis` says that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from typing import Any, Final, Generic, TypeVar

import msgspec

from .messages import Actions, Datatype, Json, Request, Send, read_open, write_open
from .schema import Kind, kind_of, kinds_within, properties
from .writer import compile_writer

__all__ = ["Codec", "PayloadError", "codec_of", "codecs_of", "preload"]

M = TypeVar("M", bound=Datatype)


class PayloadError(ValueError):
    """The payload breaks the schema of its message. :mod:`ocpp_sansio.diagnosis` says how; this carries no details."""


# All that reading can raise: malformed JSON and broken rules, bytes that are not UTF-8 and lone surrogates (F-67)
# are ValueErrors; nesting without end in an untyped value is a RecursionError (F-65).
UNREADABLE: Final = (ValueError, RecursionError)

_write = msgspec.json.Encoder(enc_hook=write_open).encode


def _finite(number: str) -> float | NumberText:
    """A number; or, of one that is out of range, what cannot be written, in case nothing replaces it (F-62, F-66)."""
    value = float(number)
    return value if math.isfinite(value) else NumberText(number)


_read_plainly = msgspec.json.Decoder(float_hook=_finite).decode


class Codec(Generic[M]):
    """Reads and writes the payloads of one message class. Get one from :func:`codec_of`.

    Raises:
        TypeError: the class declares what no schema has, or timestamps where they could not be told from other text.
    """

    read: Callable[[bytes | str | msgspec.Raw], M]
    """The message a payload stands for, if nothing about the payload is out of the ordinary: the shortest way.

    Raises one of ``UNREADABLE`` otherwise; then :meth:`decode` takes the trouble to find out.
    """

    def __init__(self, cls: type[M]) -> None:
        self.cls = cls
        self._kind = kind_of(cls)
        self._decoder = msgspec.json.Decoder(cls, dec_hook=read_open)
        kinds = list(kinds_within(self._kind))
        self._counts_decimals = any(kind.decimals is not None for kind in kinds)
        self.read = self._read_exactly if self._counts_decimals else self._decoder.decode
        self._timestamps = [b'"%b":"' % name.encode() for name in _timestamp_names(kinds)]

    def decode(self, payload: bytes | str | msgspec.Raw) -> M:
        """The message a payload stands for.

        Raises:
            PayloadError: it is not JSON or breaks the schema. Nothing else is raised, whatever the payload holds.
        """
        try:
            return self.read(payload)
        except UNREADABLE:
            return self.reread(payload)

    def reread(self, payload: bytes | str | msgspec.Raw) -> M:
        """The same, for a payload that :attr:`read` has refused."""
        # The typed decoder judges every occurrence of a key; what counts is what a reader of the object sees (F-66).
        try:
            message = self._decoder.decode(_write(_read_plainly(payload)))
            self._count_decimals(parse(payload))
        except (*UNREADABLE, TypeError):
            raise PayloadError from None
        return message

    @cached_property
    def encode(self) -> Callable[[M | tuple[Any, ...]], bytes]:
        """Write a message as JSON in UTF-8, or a whole frame: a tuple whose last element is the message.

        Timestamps have the form of RPC-102. It is compiled when it is first asked for, as one end sends only about half
        of the messages there are.

        Raises:
            PayloadError: the message breaks its schema or holds a value of another type than declared (F-71).
        """
        return compile_writer(
            self.cls,
            write=_write,
            tidy=self._tidy,
            judge=self.encode_with_proof,
            refusal=PayloadError,
        )

    @cached_property
    def _read_frame(self) -> Callable[[bytes], Any]:
        """Only the judge asks for it."""
        cls: Any = self.cls
        head = (int, str, str) if issubclass(cls, Request | Send) else (int, str)  # type, id, and a CALL's action
        return msgspec.json.Decoder(tuple.__class_getitem__((*head, cls)), dec_hook=read_open).decode

    def encode_with_proof(self, value: M | tuple[Any, ...]) -> bytes:
        """Do what :attr:`encode` does, taking nothing for granted: it turns to this in doubt."""
        reread = self._read_frame if type(value) is tuple else self._decoder.decode
        try:
            text = _write(value)
            # Reading back finds every broken rule; comparing finds what JSON made look right: NaN written as null,
            # bytes, sets, decimals and naive or otherwise foreign values written as strings and lists.
            if reread(text) != value:
                raise PayloadError
            if self._counts_decimals and _may_be_uneven(text):
                self._count_decimals(parse(text)[-1] if type(value) is tuple else parse(text))
            return self._tidy(text)
        except PayloadError:
            raise
        except Exception as error:  # An object that never belonged here may do anything when asked.
            raise PayloadError from error

    def _tidy(self, text: bytes) -> bytes:
        for name in self._timestamps:
            at = text.find(name)
            if at >= 0:
                text = _tidy(text, name, at + len(name) + _SECONDS)
        return text

    def _read_exactly(self, payload: bytes | str | msgspec.Raw) -> M:
        message = self._decoder.decode(payload)
        if _may_be_uneven(payload.encode() if isinstance(payload, str) else payload):
            self._count_decimals(parse(payload))
        return message

    def _count_decimals(self, payload: Any) -> None:
        if not _are_even(self._kind, payload):
            raise PayloadError


_codecs: dict[type[Datatype], Codec[Any]] = {}


def codec_of(cls: type[M]) -> Codec[M]:
    """The codec of a message class, built when first asked for."""
    codec = _codecs.get(cls)
    if codec is None:
        codec = _codecs[cls] = Codec(cls)
    return codec


def codecs_of(actions: Actions) -> list[Codec[Any]]:
    """The codecs of all payloads of these actions, so that they are at hand from now on."""
    payloads = chain.from_iterable((action.request, action.response) for action in actions.values())
    return [codec_of(cls) for cls in payloads if cls is not None]


def preload(actions: Actions) -> None:
    """Compile all that writes these messages as well, rather than piece by piece as they come by.

    For an application that would rather start later than take longer over the first message of each kind. None has to.
    """
    for codec in codecs_of(actions):
        _ = codec.encode


# -- numbers in tenths --

# Each finds, in one fast pass over a whole text, what a number needs to have more than one fraction digit: a second
# digit after the point, or a negative exponent. Strings have such things as well, so a hit proves nothing; those of
# timestamps are known by what follows.
_second_digit: Final = re.compile(rb"\.\d\d++(?![Z+-])").search
_negative_exponent: Final = re.compile(rb"-(?<=[eE]-)").search


def _may_be_uneven(text: bytes | msgspec.Raw) -> bool:
    return _second_digit(text) is not None or _negative_exponent(text) is not None


class NumberText:
    """A JSON number with a fraction or an exponent, as it was written."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


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


def _are_even(kind: Kind, value: Any) -> bool:
    """Whether all numbers in a value that fits its kind otherwise have no more decimals than they may."""
    if isinstance(value, NumberText):
        return kind.decimals is None or has_decimals(value.text, kind.decimals)
    if kind.items is not None:
        items = kind.items
        return all(_are_even(items, item) for item in value)
    if issubclass(kind.type, Datatype):
        inside = properties(kind.type)
        return all(_are_even(prop.kind, value[prop.wire_name]) for prop in inside if prop.wire_name in value)
    return True


# -- timestamps --


def _timestamp_names(kinds: list[Kind]) -> list[str]:
    """The properties that hold timestamps, by which these are found when they are written.

    Raises:
        TypeError: some could not be found, being in a list, or something else would be, being of the same name.
    """
    if any(kind.items is not None and kind.items.type is datetime for kind in kinds):
        raise TypeError("timestamps, but in a list: there is no name to find them by (RPC-102)")
    inside = [prop for kind in kinds if issubclass(kind.type, Datatype) for prop in properties(kind.type)]
    timestamps = {prop.wire_name for prop in inside if prop.kind.type is datetime}
    others = {prop.wire_name for prop in inside if prop.kind.type is not datetime}
    untyped = {prop.wire_name for prop in inside if prop.kind.type is Json}  # whatever is in them may have any name
    if ambiguous := timestamps & others or (timestamps and untyped):
        raise TypeError(f"timestamps, but not everywhere: {sorted(ambiguous)}")
    return sorted(timestamps)


def _tidy(text: bytes, name: bytes, at: int) -> bytes:
    """Put the timestamps of one name into the form of RPC-102.

    Args:
        text: as msgspec wrote it: timestamps with six fraction digits or none, and with the offset they have.
        name: with its quotes, the colon and the value's opening quote. Nothing else looks like that: inside a string a
            quote has a backslash before it, and only a name is followed by a colon.
        at: where the seconds of the first one end.
    """
    if text.find(name, at) < 0:  # The usual case, one of a name, without taking the text to pieces.
        if text[at] == _Z:
            return text
        if text[at] == _POINT and text[at + 7] == _Z:
            return text[: at + 4] + text[at + 7 :]
    head, *tails = text.split(name)
    return name.join([head, *(tail if tail[_SECONDS] == _Z else _tidied(tail) for tail in tails)])


def _tidied(text: bytes) -> bytes:
    """A text that starts with a timestamp, with that timestamp in UTC and cut off after the milliseconds."""
    if text[_SECONDS] == _POINT and text[_SECONDS + 7] == _Z:
        return text[: _SECONDS + 4] + text[_SECONDS + 7 :]
    timestamp, quote, rest = text.partition(b'"')
    moment = datetime.fromisoformat(timestamp.decode()).astimezone(UTC).replace(tzinfo=None)
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=precision).encode() + b"Z" + quote + rest


_SECONDS: Final = len("2026-11-22T18:04:59")
_POINT, _Z = b".Z"
