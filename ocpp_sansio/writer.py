"""Writes messages that are plainly valid, without reading them back: source code for each message class, compiled.

The proof that a message is valid is to read back what was written (:meth:`ocpp_sansio.codec.Codec.encode_with_proof`),
which takes several times as long as to write it. But nearly every message holds exactly what its class declares, and
that one glance at each value can tell. Straight code glances fastest; it is made from the declaration, as attrs makes
an ``__init__``, and from nothing else: no text of a peer gets into it.

This module knows when to say yes. It must not know when to say no, nor why: whatever it does not recognise at once, be
it a subclass, the text of an enum's member, another time zone, a tuple for a list, or a kind or a bound that is new to
it, is put before the judge. So it can be ignorant, but not wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import attrs
import msgspec

from .messages import Datatype, Request
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
    """A function that does for a message of this class, or a frame with one, what the judge does.

    Args:
        cls: the message class.
        write: message → JSON.
        tidy: cuts the timestamps of a text off after the milliseconds (RPC-102).
        judge: does all of it, and refuses what is not valid.
        refusal: what the judge raises.
    """
    types: dict[type, str] = {}
    checks = [*_checks(Kind(type=cls), "message", types)]
    is_call = issubclass(cls, Request)
    lines = [
        "def encode(value):",
        *_indented(
            "try:",
            *_indented(
                "if type(value) is tuple:",
                f"    kind, message_id, {'action, ' * is_call}message = value",
                "    if type(kind) is not int and (type(kind) is bool or not isinstance(kind, int)) "
                f"or type(message_id) is not str{' or type(action) is not str' * is_call}: return judge(value)",
                "else:",
                "    message = value",
                *(
                    ["surplus = finer = 0", *checks, "text = write(value)", *_CUT]
                    if datetime in types
                    else [*checks, "return write(value)"]
                ),
            ),
            "except refusal:",
            "    raise",
            "except Exception:",  # Half of a surrogate pair, a property that was never set, a tuple that is no frame.
            "    return judge(value)",
        ),
    ]
    names = {name: known for known, name in types.items()} | {
        "ENDS": _ENDS,
        "UTC": UTC,
        "judge": judge,
        "refusal": refusal,
        "tidy": tidy,
        "write": write,
    }
    exec(compile("\n".join(lines), f"<writer of {cls.__name__}>", "exec"), names)  # noqa: S102 (see above)
    encode: Callable[[Any], bytes] = names["encode"]
    return encode


def _checks(kind: Kind, value: str, types: dict[type, str]) -> Iterator[str]:
    """Lines that put the message before the judge unless a value is plainly of this kind, and count late timestamps.

    Args:
        kind: of the value.
        value: the variable it is in. All others that the lines assign to begin with its name.
        types: the names of the types in the lines; more are added here.
    """
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
    """Expressions, one of which is true unless a value is plainly of this kind."""
    if not _is_plain(kind.type):
        yield "True"
        return
    name = types.setdefault(kind.type, f"{kind.type.__name__}_{len(types)}")
    yield f"type({value}) is not {name}"
    if kind.type in _PECULIAR:
        yield _PECULIAR[kind.type].format(value=value)
    for bound, limit in attrs.asdict(kind, recurse=False).items():
        if bound not in {"type", "items"} and limit is not None:
            yield _OUT_OF_BOUNDS.get(bound, "True").format(value=value, limit=limit)


def _is_plain(known: type[Any]) -> bool:
    """Whether that a value is of exactly this type tells that it is written as what it is."""
    if issubclass(known, Datatype):
        # None is left out if it is the default; else it would be written.
        return all(default in (None, msgspec.NODEFAULT) for default in known.__struct_defaults__)
    return known in _PLAIN or issubclass(known, StrEnum)


_PLAIN: Final = frozenset({str, int, float, bool, datetime, list})
_PECULIAR: Final[dict[type, str]] = {
    float: "{value} - {value}",  # not a number, or infinite
    datetime: "{value}.tzinfo is not UTC",
}
_OUT_OF_BOUNDS: Final = {
    "min_items": "len({value}) < {limit}",
    "max_items": "len({value}) > {limit}",
    "max_length": "len({value}) > {limit}",
    "minimum": "{value} < {limit}",
    "maximum": "{value} > {limit}",
    # The float next to a decimal fraction is written as that fraction: the shortest text that stands for the float. Of a
    # quotient of whole numbers that is the float one gets.
    "decimals": "not {value}.is_integer() and {value} != ({value} * 1e{limit} + 0.5) // 1 / 1e{limit}",
}


_CUT: Final = (
    "if not surplus: return text",
    "if surplus > 3 and finer: return tidy(text)",
    """shorter = text.replace(ENDS[finer], b'Z"')""",
    "return shorter if len(text) - len(shorter) == surplus else tidy(text)",
)
_ENDS: Final = [b'%03dZ"' % finer for finer in range(1000)]

def _indented(*lines: str) -> Iterator[str]:
    return (f"    {line}" for line in lines)
