"""Writes messages that are plainly valid without reading them back: source code for each message class, compiled.

The proof that a message is valid is to read back what was written, which takes several times as long as to write it.
But nearly every message holds exactly what its class declares, and one glance at each value can tell. Straight code
glances fastest; it is made from the declaration, as attrs makes an ``__init__``, and from nothing else. All of it that
gets into the source is field names, if they are plain ones, and numbers; nothing that a peer says does.

This module knows when to say yes. It must not know when to say no: whatever it does not recognise at once, be it a
subclass, the text of an enum's member, another time zone, a tuple for a list, or a kind or a bound that is new to it,
goes to the judge. So it may be ignorant, but never wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from keyword import iskeyword
from typing import Any, Final

import attrs
import msgspec

from .messages import Datatype, Request, Send
from .schema import Kind, properties

__all__ = ["compile_writer"]


def compile_writer(
    cls: type[Datatype],
    *,
    write: Callable[[Any], bytes],
    tidy: Callable[[bytes], bytes],
    judge: Callable[[Any], bytes],
    refusal: type[Exception],
) -> Callable[[Any], bytes]:
    """A function that does what the judge does, at once if the message is plainly valid.

    Args:
        cls: the message class.
        write: a message, or a frame with one, as JSON.
        tidy: shortens the timestamps of such a text to milliseconds (RPC-102).
        judge: does both, and refuses a message that is not valid.
        refusal: what the judge raises; nothing else is raised.
    """
    types: dict[type, str] = {}
    body = [*_checks(Kind(type=cls), "message", types)]
    body = ["surplus = finer = 0", *body, "text = write(value)", *_SHORTEN] if datetime in types else [*body, _WRITE]
    action = "action, " * issubclass(cls, Request | Send)
    source = _FRAME.format(action=action, body="\n".join(_indented(*body, levels=2)))
    names: dict[str, Any] = {name: known for known, name in types.items()}
    names |= {"ENDS": _ENDS, "UTC": UTC, "judge": judge, "refusal": refusal, "tidy": tidy, "write": write}
    exec(compile(source, f"<writer of {cls.__name__}>", "exec"), names)  # noqa: S102 (see above what it is made from)
    encode: Callable[[Any], bytes] = names["encode"]
    return encode


# Of a frame, type and action are the session's own; the id may come from the application. What is raised here is about
# half of a surrogate pair, or a tuple that is no frame.
_FRAME: Final = """
def encode(value):
    try:
        if type(value) is tuple:
            kind, message_id, {action}message = value
            if type(message_id) is not str: return judge(value)
        else:
            message = value
{body}
    except refusal:
        raise
    except Exception:
        return judge(value)
"""
_WRITE: Final = "return write(value)"
# Every timestamp has six fraction digits or none. If those with a fraction all end in the same three, most often 000,
# these are searched for and left out, unless there are more of them than timestamps: some string ends like that, too.
_SHORTEN: Final = (
    "if not surplus: return text",
    "if surplus > 3 and finer: return tidy(text)",
    """shorter = text.replace(ENDS[finer], b'Z"')""",
    "return shorter if len(text) - len(shorter) == surplus else tidy(text)",
)
_ENDS: Final = [b'%03dZ"' % microseconds for microseconds in range(1000)]


def _checks(kind: Kind, value: str, types: dict[type, str]) -> Iterator[str]:
    """Lines that send the message to the judge unless a value is plainly of its kind, and count the surplus digits.

    Args:
        kind: of the value.
        value: the variable that holds it. Whatever is assigned in between has a longer name that begins with this one.
        types: the names of the types in these lines; new ones are added.
    """
    if not _is_plain(kind.type):
        yield "return judge(value)"
        return
    yield f"if {' or '.join(_doubts(kind, value, types))}: return judge(value)"
    if kind.type is datetime:
        yield f"if fraction := {value}.microsecond: surplus += 3; finer += fraction % 1000"
    elif kind.items is not None:
        yield f"for {value}_item in {value}:"
        yield from _indented(*_checks(kind.items, f"{value}_item", types))
    elif issubclass(kind.type, Datatype):
        for prop in properties(kind.type):
            inner = f"{value}_{prop.name}"
            checks = _checks(prop.kind, inner, types)
            yield f"{inner} = {value}.{prop.name}"
            yield from checks if prop.required else (f"if {inner} is not None:", *_indented(*checks))


def _doubts(kind: Kind, value: str, types: dict[type, str]) -> Iterator[str]:
    """Expressions; none of them is true if a value is plainly of its kind."""
    yield f"type({value}) is not {types.setdefault(kind.type, f'type_{len(types)}')}"
    yield from (doubt.format(value=value) for doubt in _PECULIAR.get(kind.type, ()))
    for bound, limit in attrs.asdict(kind, recurse=False).items():
        if bound not in {"type", "items"} and limit is not None:
            yield _OUT_OF_BOUNDS.get(bound, "True").format(value=value, limit=limit)


def _is_plain(declared: type[Any]) -> bool:
    """Whether an instance of exactly this type is written as what it is, but for what is inside it."""
    if issubclass(declared, Datatype):  # None is left out only where it is the default.
        defaults, names = declared.__struct_defaults__, declared.__struct_fields__
        return all(default in (None, msgspec.NODEFAULT) for default in defaults) and all(map(_is_plain_name, names))
    return declared in _PLAIN or issubclass(declared, StrEnum)


def _is_plain_name(name: str) -> bool:
    """Whether source code can say it. Beyond ASCII, Python takes some names for others."""
    return name.isascii() and name.isidentifier() and not iskeyword(name)


_PLAIN: Final = frozenset({str, int, float, bool, datetime, list})
_PECULIAR: Final[dict[type, tuple[str, ...]]] = {
    float: ("{value} - {value}",),  # infinite or not a number: neither leaves nothing when taken from itself
    datetime: ("{value}.tzinfo is not UTC",),
}
_OUT_OF_BOUNDS: Final = {
    "min_items": "len({value}) < {limit}",
    "max_items": "len({value}) > {limit}",
    "max_length": "len({value}) > {limit}",
    "minimum": "{value} < {limit}",
    "maximum": "{value} > {limit}",
    # Of all floats the one nearest to a short decimal fraction is written as that fraction; dividing two whole numbers
    # gives the nearest. So what comes back from being rounded and divided has no more decimals than it may (RPC-105).
    "decimals": "not {value}.is_integer() and {value} != ({value} * 1e{limit} + 0.5) // 1 / 1e{limit}",
}


def _indented(*lines: str, levels: int = 1) -> Iterator[str]:
    return (levels * "    " + line for line in lines)
