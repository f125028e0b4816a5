"""Which names and values are fit for the header of an HTTP message."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["HeaderFields", "checked_fields", "is_field"]

_TOKEN: Final = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")

HeaderFields = Iterable[tuple[str, str]]
"""Header fields, in order."""


def is_field(name: str, value: str) -> bool:
    """Whether it can be written, and read, as one field (F-57)."""
    return bool(_TOKEN.fullmatch(name) and _VALUE.fullmatch(value))


def checked_fields(fields: HeaderFields) -> list[tuple[str, str]]:
    """Header fields of the caller, fit to be written.

    Raises:
        ValueError: a name or a value has characters that would make another head of it.
    """
    items = list(fields)
    for name, value in items:
        if not is_field(name, value):
            raise ValueError(f"not fit for a header field: {name!r}")
    return items
