"""How the names of the protocol are spelt in Python. A name that these rules get wrong is corrected in a data file."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterable

import msgspec

__all__ = ["camel", "constant", "is_name", "shortened", "snake"]

_WORD_STARTS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])|[^A-Za-z0-9]+")


def constant(value: str) -> str:
    """The name of an enum's member: ``SuspendedEVSE`` → ``SUSPENDED_EVSE``, ``L1-N`` → ``L1_N``."""
    return "_".join(_WORD_STARTS.split(value)).upper()


def snake(wire_name: str) -> str:
    """The name of a field: ``idTag`` → ``id_tag``."""
    return constant(wire_name).lower()


def camel(name: str) -> str:
    """What msgspec's ``rename="camel"`` makes of the name of a field; asked, not imitated."""
    (field,) = msgspec.structs.fields(msgspec.defstruct("Probe", [(name, object)], rename="camel"))
    return field.encode_name


def shortened(name: str, endings: Iterable[str], taken: Collection[str]) -> str:
    """The name of a class: ``BootReasonEnumType`` → ``BootReason``, but ``VPNEnum`` if there is a ``VPN`` already."""
    shorter = (name.removesuffix(ending) for ending in endings if name.endswith(ending))
    return next((short for short in shorter if short not in taken), name)


def is_name(text: str) -> bool:
    """Whether a class may have an attribute of this name."""
    return text.isidentifier() and not keyword.iskeyword(text) and not text.startswith("_")
