r"""Hostile texts, made of good messages: one row of a table for each way in which a peer's text can be bad.

A row takes a message, as text, and a source of choices, and gives what a broken or malicious peer could send instead.
Tests with hypothesis get them from :func:`ocpp_sansio.testing.strategies.hostile_texts`; a fuzzer has a mutator in
:func:`spoil` and :func:`spoil_bytes`; a corpus is written with a seed::

    choices = random.Random(1)
    texts = [spoil('[2,"1","Heartbeat",{}]', choices) for _ in range(300)]

Nothing here knows a schema, and nothing parses JSON: the text is cut into tokens, so that a row makes something of any
text, of one that is hostile already too. hypothesis is not needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise, zip_longest
from typing import Final, Generic, Protocol, TypeVar

import attrs

__all__ = ["HOSTILE_BYTES", "HOSTILE_TEXTS", "SIZE", "Choices", "Hostility", "spoil", "spoil_bytes"]

SIZE: Final = 5_000
"""Characters that a row may add, if not told otherwise: enough for integers of more digits than Python converts."""

T = TypeVar("T")
Text = TypeVar("Text", str, bytes)


class Choices(Protocol):
    """Where choices come from: a ``random.Random``, or what ``hypothesis.strategies.randoms`` gives."""

    def randrange(self, start: int, stop: int, /) -> int:
        """A number from ``start`` on and below ``stop``."""
        ...

    def choice(self, options: Sequence[T], /) -> T:
        """One of these."""
        ...


@attrs.frozen
class Hostility(Generic[Text]):
    """A way in which a text is bad."""

    fault: str
    """The id of the fault that it stands for: ``F-65``."""
    name: str
    """What it is, in a few words; no two rows have the same."""
    make: Callable[[str, Choices, int], Text] = attrs.field(repr=False)
    """Makes it of a message. The number is how many characters it may add, about; what it says needs some more or less.
    Takes time linear in these and in the message.
    """

    def __str__(self) -> str:
        return f"{self.fault} {self.name}"


def spoil(message: str, choices: Choices, *, size: int = SIZE, among: Sequence[Hostility[str]] | None = None) -> str:
    """What a hostile peer could send instead of a message.

    Args:
        message: such as ``[2,"1","Heartbeat",{}]``.
        choices: where choices come from. The same choices give the same text.
        size: how many characters may be added, about; up to 2**20, say, to see how time grows.
        among: the rows to choose from: all of :data:`HOSTILE_TEXTS` if not given.
    """
    return choices.choice(HOSTILE_TEXTS if among is None else among).make(message, choices, size)


def spoil_bytes(
    message: str | bytes,
    choices: Choices,
    *,
    size: int = SIZE,
    among: Sequence[Hostility[str] | Hostility[bytes]] | None = None,
) -> bytes:
    """What a hostile peer could send instead of a message, in what should be UTF-8.

    Args:
        message: of bytes, those that are not UTF-8 are lost.
        choices: as in :func:`spoil`.
        size: as in :func:`spoil`.
        among: the rows to choose from: those of both tables if not given.
    """
    text = message if isinstance(message, str) else message.decode(errors="replace")
    rows: Sequence[Hostility[str] | Hostility[bytes]] = (*HOSTILE_TEXTS, *HOSTILE_BYTES) if among is None else among
    made = choices.choice(rows).make(text, choices, size)
    return made if isinstance(made, bytes) else made.encode(errors="surrogatepass")


# -- a message in tokens --

# A string that nobody ends is one token, so that every text is cut in linear time.
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|[-+.\w]++|\s++|.', re.DOTALL)

_PUNCTUATION: Final = frozenset("[]{},:")
_DEEPER: Final = {"[": 1, "{": 1, "]": -1, "}": -1}

_HEARTBEAT: Final = ("2", '"1"', '"Heartbeat"')
"""What every message has the like of, be it that a CALLRESULT has its payload in place of the action."""


class _Tokens:
    """A text, in pieces that together are that text."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = _TOKEN.findall(text)

    @cached_property
    def strings(self) -> list[int]:
        """Where there are strings, names of properties among them."""
        return [at for at, token in enumerate(self._tokens) if token[0] == '"']

    @cached_property
    def names(self) -> list[int]:
        """Where there are names of properties."""
        return [at for at in self.strings if "".join(self._tokens[at + 1 : at + 3]).lstrip()[:1] == ":"]

    @cached_property
    def scalars(self) -> list[int]:
        """Where there are strings that are no names, numbers and literals."""
        names = set(self.names)
        return [
            at for at, token in enumerate(self._tokens) if at not in names and (token[0] in '"-' or token[0].isalnum())
        ]

    @cached_property
    def punctuation(self) -> list[int]:
        return [at for at, token in enumerate(self._tokens) if token in _PUNCTUATION]

    @cached_property
    def elements(self) -> list[str]:
        """The elements of the array that a message is; in place of those that are missing, good ones."""
        bounds, depth = list[int](), 0
        for at in self.punctuation:
            before, depth = depth, depth + _DEEPER.get(self._tokens[at], 0)
            if {before, depth} == {0, 1} or (depth == 1 and self._tokens[at] == ","):
                bounds.append(at)
        if depth > 0:  # it breaks off
            bounds.append(len(self))
        found = ["".join(self._tokens[start + 1 : end]).strip() for start, end in pairwise(bounds)]
        return [element or good for element, good in zip_longest(found, _HEARTBEAT, fillvalue="")]

    def __getitem__(self, at: int) -> str:
        return self._tokens[at]

    def __len__(self) -> int:
        return len(self._tokens)

    def replaced(self, at: int, text: str) -> str:
        """The whole text, with this in place of a token."""
        return "".join((*self._tokens[:at], text, *self._tokens[at + 1 :]))

    def inserted(self, at: int, text: str) -> str:
        """The whole text, with this before a token."""
        return "".join((*self._tokens[:at], text, *self._tokens[at:]))


# -- where something is put --

_Make = Callable[[str, Choices, int], str]
_Piece = Callable[[Choices, int], str]
"""Makes what is put there."""


def _instead_of_all(piece: _Piece) -> _Make:
    return lambda _text, choices, size: piece(choices, size)


def _before(piece: _Piece) -> _Make:
    return lambda text, choices, size: piece(choices, size) + text


def _behind(piece: _Piece) -> _Make:
    return lambda text, choices, size: text + piece(choices, size)


def _between_tokens(piece: _Piece) -> _Make:
    def make(text: str, choices: Choices, size: int) -> str:
        tokens = _Tokens(text)
        return tokens.inserted(choices.randrange(0, len(tokens) + 1), piece(choices, size))

    return make


def _as_a_value(piece: _Piece) -> _Make:
    """In place of a scalar, or as the value of a property that is added."""

    def make(text: str, choices: Choices, size: int) -> str:
        tokens, value = _Tokens(text), piece(choices, size)
        at = choices.choice([*tokens.scalars, -1])
        return tokens.replaced(at, value) if at >= 0 else _with_members(tokens, choices, f'"data":{value}')

    return make


def _as_members(piece: _Piece) -> _Make:
    """As properties of some object."""
    return lambda text, choices, size: _with_members(_Tokens(text), choices, piece(choices, size))


def _with_members(tokens: _Tokens, choices: Choices, members: str) -> str:
    objects = [at for at in tokens.punctuation if tokens[at] == "{"]
    if not objects:
        return _array([*tokens.elements[:3], f"{{{members}}}"])
    at = choices.choice(objects) + 1
    empty = at < len(tokens) and tokens[at] == "}"
    return tokens.inserted(at, members if empty else f"{members},")


def _in_a_string(piece: _Piece) -> _Make:
    """Inside the quotes of one, which may be a name, the id or the action."""

    def make(text: str, choices: Choices, size: int) -> str:
        tokens, inside = _Tokens(text), piece(choices, size)
        if not tokens.strings:
            return f'"{inside}"'
        at = choices.choice(tokens.strings)
        return tokens.replaced(at, f'"{inside}{tokens[at][1:]}')

    return make


def _as_element(position: int, piece: _Piece) -> _Make:
    """In place of an element of the message."""
    return lambda text, choices, size: _with_element(_Tokens(text).elements, position, piece(choices, size))


def _with_element(elements: Sequence[str], position: int, element: str) -> str:
    """If it is there already, it is put into an array of its own."""
    changed = list(elements)
    changed[position] = f"[{element}]" if element == elements[position] else element
    return _array(changed)


def _array(elements: Sequence[str]) -> str:
    return f"[{','.join(elements)}]"


# -- what is put there --


def _one_of(*texts: str) -> _Piece:
    return lambda choices, _size: choices.choice(texts)


def _many(unit: str, *, least: int = 1, head: str = "", tail: str = "") -> _Piece:
    """A unit so many times: as rarely as makes sense, as often as allowed, or any number in between."""

    def piece(choices: Choices, size: int) -> str:
        return head + unit * _number(choices, least, size // len(unit)) + tail

    return piece


def _number(choices: Choices, least: int, most: int) -> int:
    """One between these, and often one of these. The lower, the simpler for hypothesis."""
    if most <= least:
        return least
    beyond = (most - least) // 3
    return max(least, min(choices.randrange(least - beyond, most + beyond + 1), most))


def _any_of(*pieces: _Piece) -> _Piece:
    return lambda choices, size: choices.choice(pieces)(choices, size)


def _numbered(member: Callable[[int], str]) -> _Piece:
    """Members of an object, as many as allowed."""

    def piece(_choices: Choices, size: int) -> str:
        return ",".join(map(member, range(max(2, size // (len(member(size)) + 1)))))

    return piece


def _nested(choices: Choices, size: int) -> str:
    """Levels beyond any legitimate one: of one kind or mixed, closed or not, or only in a string (F-65)."""
    opening, closing = choices.choice((("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")))
    levels = _number(choices, 33, size // (len(opening) + len(closing)))
    return choices.choice(
        (
            opening * levels + "0" + closing * levels,
            opening * levels,
            opening * levels + closing * (levels // 2),
            '"' + "[{" * levels + '"',
        )
    )


def _colliding(number: int) -> str:
    """A name of 32 letters. All of these have the same hash in whatever multiplies by 31 (F-68)."""
    return '"' + "".join("Aa" if number >> bit & 1 else "BB" for bit in range(16)) + '":0'


# -- rows that look at what is there --


def _truncated(text: str, choices: Choices, _size: int) -> str:
    return text[: choices.randrange(0, max(1, len(text)))]


def _twice(text: str, choices: Choices, _size: int) -> str:
    return text + choices.choice(("", " ", "\n", ",", "\x1e")) + text


def _requoted(text: str, choices: Choices, _size: int) -> str:
    tokens = _Tokens(text)
    if not tokens.strings:
        return f"'{text}'"
    at = choices.choice(tokens.strings)
    opening, closing = choices.choice((("'", "'"), ("“", "”"), ('"', ""), ('\\"', '\\"')))
    return tokens.replaced(at, opening + tokens[at][1:-1] + closing)


def _unquoted_name(text: str, choices: Choices, _size: int) -> str:
    tokens = _Tokens(text)
    if not tokens.names:
        return _with_members(tokens, choices, "a:1")
    at = choices.choice(tokens.names)
    return tokens.replaced(at, tokens[at][1:-1])


def _repunctuated(text: str, choices: Choices, _size: int) -> str:
    tokens = _Tokens(text)
    if not tokens.punctuation:
        return f"{text},"
    at = choices.choice(tokens.punctuation)
    others = [each for each in (" ", ",", ":", ";", "=", "]", "}", "[", "{", tokens[at] * 2) if each != tokens[at]]
    return tokens.replaced(at, choices.choice(others))


def _lookalike(text: str, choices: Choices, _size: int) -> str:
    """A scalar of another type that somebody lax would take for the same (F-64)."""
    tokens = _Tokens(text)
    if not tokens.scalars:
        return _array(['"2"', *tokens.elements[1:]])
    at = choices.choice(tokens.scalars)
    token = tokens[at]
    if token[0] == '"':
        others = [token[1:-1] or "0", "0", "true", f"[{token}]"]
    elif token[-1].isdigit():
        others = [f'"{token}"', f"{token}.0", f"{token}e0", "true", f"[{token}]"]
    else:
        others = [f'"{token}"', "0", "1", f"[{token}]"]
    return tokens.replaced(at, choices.choice(others))


def _repeated_name(text: str, choices: Choices, _size: int) -> str:
    """A property that occurs twice, the second time perhaps spelled with an escape (F-66)."""
    tokens = _Tokens(text)
    if not tokens.names:
        return _with_members(tokens, choices, choices.choice(('"a":1,"a":2', '"a":1,"\\u0061":2')))
    at = choices.choice(tokens.names)
    name = tokens[at]
    escaped = f'"\\u{ord(name[1]):04x}{name[2:]}' if name[1] not in '\\"' and ord(name[1]) < 0x10000 else name
    value = choices.choice(("null", "0", '""', "[]", "{}", '"1"'))
    return tokens.inserted(at, f"{choices.choice((name, escaped))}:{value},")


def _miscounted(text: str, choices: Choices, _size: int) -> str:
    """Elements too few or too many (F-91)."""
    elements = _Tokens(text).elements
    more = [*elements, *elements, "null", "{}"]
    return _array(more[: choices.choice([count for count in range(len(more) + 1) if count != len(elements)])])


def _no_array(text: str, choices: Choices, _size: int) -> str:
    elements = _Tokens(text).elements
    return choices.choice(
        (elements[-1], elements[1], elements[0], "null", "true", '{"2":"1"}', f"{{{elements[1]}:{elements[-1]}}}")
    )


def _error(text: str, choices: Choices, size: int) -> str:
    """A CALLERROR or CALLRESULTERROR that is odd, about the same message (F-105)."""
    code = choices.choice(
        ('"GenericError"', '"VendorSpecific"', '""', '"genericerror"', "null", "1", f'"{"E" * size}"')
    )
    description = choices.choice(('""', '"' + "d" * 256 + '"', "null", "{}", f'"{"d" * size}"'))
    details = choices.choice(("{}", "null", "[]", '"text"', '{"a":{}}', "[" * 40 + "]" * 40))
    elements = [choices.choice(("4", "5")), _Tokens(text).elements[1], code, description, details, "{}"]
    return _array(elements[: choices.choice((5, 2, 3, 4, 6))])


def _other_action(text: str, choices: Choices, size: int) -> str:
    """An action that there is not, or is no string (F-104)."""
    elements = _Tokens(text).elements
    action = elements[2].strip('"') if elements[2][0] == '"' else "Heartbeat"
    known = (f'"{action.swapcase()}"', f'"{action} "', f'"../{action}"')
    others = _one_of(*known, '"__init__"', '""', "null", "1", "{}", "[]")
    return _with_element(elements, 2, _any_of(others, _many("a", head='"', tail='"'))(choices, size))


# One item a line would hide what they have in common.
# fmt: off
_NO_NUMBERS: Final = (
    "01", "-01", "+1", ".5", "-.5", "1.", "1.e1", "1e", "1e+", "--1", "-", "0x10", "0b1", "0o7", "1_000",
)
_NO_LITERALS: Final = ("nul", "TRUE", "True", "None", "undefined", "NULL", "truefalse", "1 2", r"\u0031", "١")
_NO_BLANKS: Final = ("\v", "\f", "\x1c", "\x85", "\xa0", "\u2028", "\u3000", "\ufeff", "\u200b")
_COMMENTS: Final = ("/* */", "// \n", "# \n", "<!-- -->", "/*", "/**/")
_GARBAGE: Final = ("]", "}", ",", "x", "null", "0", "\x00", "\x04", "\r\n\r\n.", "]]", ',"', "<html>")
_NO_ESCAPES: Final = (r"\x41", r"\u12g", r"\u{41}", r"\U00000041", r"\'", r"\0", r"\u 041", r"\uD83D\x", "\\\n")
_CONTROLS: Final = tuple(map(chr, range(0x20)))
_NOT_FINITE: Final = ("NaN", "Infinity", "-Infinity", "nan", "inf", "-NaN")
_BEYOND_FLOATS: Final = ("1e400", "-1e400", "1e-400", "1E+309", "0e999999999", "1e99999999999999999999")
_BEYOND_INTEGERS: Final = (
    "-0", "2147483648", "-2147483649", "9007199254740993", str(2**63), str(2**64), str(-(2**63) - 1),
)
_FRACTIONS: Final = ("0.05", "0.1", "16.10", "0.30000000000000004", "1e-1", "1e-5", "12e-1", "-2.25", "5e-324")
_SURROGATES: Final = (
    r"\ud800", r"\udfff", r"\udc00\ud800", r"\ud83d\ud83d\ude00", r"\ud800A", r"\ud800\u0041", r"\uDBFF",
)
_STRANGE: Final = (
    r"\u0000", "\uffff", "\ufdd0", "\U0010ffff", "\u202e", "\u2066", "😀", r"\ud83d\ude00", "\x7f", "\x85", "\u200d",
)
_EMPTY: Final = ("[]", "{}", '""', "0", "null")
_TYPES: Final = (
    "0", "1", "3", "4", "5", "6", "7", "99", "-2", "2147483648", '"2"', "2.0", "2e0", "true", "null", "[2]", "{}",
)
_IDS: Final = ('""', "null", "1", "1.5", "true", "{}", "[]", '"-1"', f'"{"i" * 37}"', r'"\u0000\u001b[31m"', '" "')
_PAYLOADS: Final = ("null", "[]", '""', "0", "true", '"{}"', "[{}]")
# fmt: on

HOSTILE_TEXTS: Final = (
    Hostility("F-59", "blanks without end", _between_tokens(_any_of(_many(" "), _many("\r\n\t")))),
    Hostility("F-59", "byte order mark", _before(_one_of("\ufeff", "\ufeff\ufeff", "ï»¿"))),
    Hostility("F-59", "NUL", _between_tokens(_many("\x00"))),
    Hostility("F-59", "garbage before", _before(_one_of(*_GARBAGE))),
    Hostility("F-59", "garbage behind", _behind(_any_of(_one_of(*_GARBAGE), _many("]"), _many("x")))),
    Hostility("F-59", "two documents", _twice),
    Hostility("F-59", "comment", _between_tokens(_any_of(_one_of(*_COMMENTS), _many("*", head="/*", tail="*/")))),
    Hostility("F-59", "blank that JSON does not have", _between_tokens(_one_of(*_NO_BLANKS))),
    Hostility("F-59", "other quotes", _requoted),
    Hostility("F-59", "name without quotes", _unquoted_name),
    Hostility("F-59", "other punctuation", _repunctuated),
    Hostility("F-59", "number that JSON does not have", _as_a_value(_one_of(*_NO_NUMBERS))),
    Hostility("F-59", "literal that JSON does not have", _as_a_value(_one_of(*_NO_LITERALS))),
    Hostility("F-59", "escape that JSON does not have", _in_a_string(_one_of(*_NO_ESCAPES))),
    Hostility("F-59", "control character in a string", _in_a_string(_one_of(*_CONTROLS))),
    Hostility("F-59", "nothing", _instead_of_all(_one_of("", " ", "\n", "\t\r\n "))),
    Hostility("F-60", "truncated", _truncated),
    Hostility("F-61", "not a finite number", _as_a_value(_one_of(*_NOT_FINITE))),
    Hostility("F-62", "number beyond 64 bits", _as_a_value(_one_of(*_BEYOND_FLOATS))),
    Hostility(
        "F-62",
        "mantissa without end",
        _as_a_value(_any_of(_many("9", least=400, tail=".5"), _many("0", head="0.", tail="1"))),
    ),
    Hostility(
        "F-62", "exponent without end", _as_a_value(_any_of(_many("9", head="1e"), _many("0", head="1e-", tail="1")))
    ),
    Hostility("F-63", "integer beyond its range", _as_a_value(_one_of(*_BEYOND_INTEGERS))),
    Hostility("F-63", "integer of thousands of digits", _as_a_value(_many("9", least=4301))),
    Hostility("F-64", "lookalike of another type", _lookalike),
    Hostility("F-65", "nested value", _as_a_value(_nested)),
    Hostility("F-65", "nested message", _instead_of_all(_nested)),
    Hostility("F-66", "name that occurs twice", _repeated_name),
    Hostility("F-66", "name that occurs without end", _as_members(_numbered(lambda number: f'"a":{number}'))),
    Hostility("F-67", "half of a surrogate pair", _in_a_string(_one_of(*_SURROGATES))),
    Hostility("F-67", "half of a surrogate pair as it is", _in_a_string(_one_of("\ud800", "\udfff", "\udc00\ud800"))),
    Hostility("F-67", "strange character", _in_a_string(_one_of(*_STRANGE))),
    Hostility("F-67", "combining characters without end", _in_a_string(_many("\u0301", head="e"))),
    Hostility("F-68", "many properties", _as_members(_numbered(lambda number: f'"p{number}":0'))),
    Hostility("F-68", "many properties whose names collide", _as_members(_numbered(_colliding))),
    Hostility(
        "F-68",
        "many empty values",
        _as_a_value(_any_of(*(_many(f"{each},", head="[", tail=f"{each}]") for each in _EMPTY))),
    ),
    Hostility(
        "F-68", "escapes without end", _in_a_string(_any_of(_many(r"\u0041"), _many(r"\/"), _many(r"\ud83d\ude00")))
    ),
    Hostility("F-69", "string without end", _in_a_string(_any_of(_many("x", least=256), _many("é", least=256)))),
    Hostility("F-70", "fraction", _as_a_value(_one_of(*_FRACTIONS))),
    Hostility("F-91", "elements too few or too many", _miscounted),
    Hostility("F-91", "no array", _no_array),
    Hostility("F-91", "other message type", _as_element(0, _one_of(*_TYPES))),
    Hostility(
        "F-92", "bad message id", _as_element(1, _any_of(_one_of(*_IDS), _many("i", least=65, head='"', tail='"')))
    ),
    Hostility("F-104", "unknown action", _other_action),
    Hostility("F-105", "odd error", _error),
    Hostility("F-106", "payload that is no object", _as_element(-1, _one_of(*_PAYLOADS))),
)
"""What can be sent as text. Half of a surrogate pair is not for UTF-8, but a lax library may hand one on."""


# -- what is not even a text --


def _encoded(text: str, choices: Choices, _size: int) -> bytes:
    return text.encode(
        choices.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "cp037")), errors="replace"
    )


def _truncated_bytes(text: str, choices: Choices, size: int) -> bytes:
    """At any byte, within a character too."""
    data = _in_a_string(_one_of("é", "€", "😀"))(text, choices, size).encode(errors="replace")
    return data[: choices.randrange(0, len(data))]


def _not_utf_8(*pieces: bytes) -> Callable[[str, Choices, int], bytes]:
    make = _in_a_string(_one_of(*(piece.decode(errors="surrogateescape") for piece in pieces)))
    return lambda text, choices, size: make(_writable(text), choices, size).encode(errors="surrogateescape")


def _writable(text: str) -> str:
    return text.encode(errors="replace").decode()


HOSTILE_BYTES: Final = (
    Hostility(
        "F-46", "bytes that occur in no UTF-8", _not_utf_8(b"\xff", b"\xfe", b"\xc0", b"\xf5", b"\xf8\x88\x80\x80\x80")
    ),
    Hostility("F-46", "sequence that breaks off", _not_utf_8(b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xe2\x82A")),
    Hostility("F-46", "sequence without a beginning", _not_utf_8(b"\x80", b"\xbf\xbf", b"\xa9")),
    Hostility(
        "F-46",
        "overlong sequence",
        _not_utf_8(b"\xc0\xaf", b"\xc1\x81", b"\xe0\x80\xa2", b"\xf0\x80\x80\xa2", b"\xc0\x80"),
    ),
    Hostility("F-46", "surrogate in UTF-8", _not_utf_8(b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb8\x80")),
    Hostility("F-46", "beyond the last character", _not_utf_8(b"\xf4\x90\x80\x80", b"\xf7\xbf\xbf\xbf")),
    Hostility("F-47", "other encoding", _encoded),
    Hostility("F-60", "truncated at a byte", _truncated_bytes),
)
"""What can only be sent as bytes, besides the texts encoded in UTF-8."""
