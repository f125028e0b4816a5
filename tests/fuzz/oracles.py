"""What is right, decided by somebody else: the standard library's idea of JSON, and when two values are the same."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from typing import Any, Final

ABSENT: Final = object()
"""There is no value: the text is not JSON."""
UNKNOWN: Final = object()
"""The oracle cannot tell: the text is too deep for it."""

DIGITS: Final = 4000
"""Of an integer that the interpreter still converts."""


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < DIGITS else float(digits)


_decoder: Final = json.JSONDecoder(parse_constant=_refuse, parse_int=_integer)


def read(text: str | bytes) -> Any:
    """The JSON value that a text stands for, by RFC 8259; ``ABSENT``, ``UNKNOWN``."""
    try:
        if isinstance(text, bytes):
            text = text.decode()
        return _decoder.decode(text)
    except ValueError:
        return ABSENT
    except RecursionError:
        return UNKNOWN


def is_writable(value: Any) -> bool:
    """Whether a value can be written as UTF-8: no half of a surrogate pair is in it."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False
    return True


def same(sent: Any, kept: Any) -> bool:
    """Whether of a payload everything was kept (F-72). Timestamps are kept to the millisecond, in another zone."""
    if isinstance(sent, dict) and isinstance(kept, dict):
        return sent.keys() == kept.keys() and all(same(sent[name], kept[name]) for name in sent)
    if isinstance(sent, list) and isinstance(kept, list):
        return len(sent) == len(kept) and all(map(same, sent, kept))
    if isinstance(sent, str) and isinstance(kept, str):
        return sent == kept or _same_moment(sent, kept)
    if isinstance(sent, bool) or isinstance(kept, bool) or sent is None or kept is None:
        return sent is kept
    if isinstance(sent, int | float) and isinstance(kept, int | float):
        return sent == kept or math.isclose(sent, kept, rel_tol=1e-15)
    return False


def _same_moment(sent: str, kept: str) -> bool:
    try:
        # The parser of the standard library knows six fraction digits.
        moments = [datetime.fromisoformat(_to_microseconds(text)) for text in (sent, kept)]
        return abs(moments[0] - moments[1]) <= timedelta(milliseconds=1)
    except (ValueError, TypeError, OverflowError):
        return False


def _to_microseconds(text: str) -> str:
    head, point, tail = text.upper().partition(".")
    fraction = tail[: len(tail) - len(tail.lstrip("0123456789"))]
    return head + point + fraction[:6] + tail[len(fraction) :]
