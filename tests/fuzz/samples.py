"""Right messages of every action, made from the declaration of their classes: where fuzzing starts from."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

import msgspec

from ocpp_sansio.codec import codec_of
from ocpp_sansio.messages import Action, CustomData, Datatype, Json, Role
from ocpp_sansio.schema import Kind, properties
from ocpp_sansio.version import Version

_SCALARS: dict[Any, Any] = {str: "", int: 0, float: 0.1, bool: True, datetime: "2026-01-01T00:00:00Z", Json: {"a": [1]}}


def payload(cls: type[Datatype | CustomData], *, full: bool = False) -> dict[str, Any]:
    """The JSON object of a message: with all its properties, or with none that may be left out."""
    return {prop.wire_name: _value(prop.kind, full=full) for prop in properties(cls) if prop.required or full}


def _value(kind: Kind, *, full: bool) -> Any:
    if issubclass(kind.type, Datatype | CustomData):
        return payload(kind.type, full=full)
    if kind.items is not None:
        return [_value(kind.items, full=full)] * max(kind.min_items or 0, int(full))
    if issubclass(kind.type, StrEnum):
        return next(iter(kind.type)).value
    value = _SCALARS[kind.type]
    return max(value, kind.minimum) if kind.minimum is not None else value


@cache
def message(cls: type[Datatype]) -> Any:
    """The smallest message of a class."""
    return codec_of(cls).decode(msgspec.json.encode(payload(cls)))


@cache
def calls(version: Version, role: Role) -> tuple[Action, ...]:
    """What this end may send in a CALL."""
    return tuple(action for action in version.actions.values() if action.response and action.sent_by(role))


@cache
def classes() -> tuple[type[Datatype], ...]:
    """Those of all payloads, of all versions."""
    return tuple(
        cls
        for version in Version
        for action in version.actions.values()
        for cls in (action.request, action.response)
        if cls is not None
    )


def words() -> list[str]:
    """What occurs in the messages of any version: actions, names of properties, values of enums."""
    found = {action for version in Version for action in version.actions}
    pending: list[Any] = list(classes())
    seen: set[Any] = set()
    while pending:
        cls = pending.pop()
        if cls in seen:
            continue
        seen.add(cls)
        if issubclass(cls, StrEnum):
            found.update(member.value for member in cls)
        elif issubclass(cls, Datatype | CustomData):
            for prop in properties(cls):
                found.add(prop.wire_name)
                pending.append((prop.kind.items or prop.kind).type)
    return sorted(found)
