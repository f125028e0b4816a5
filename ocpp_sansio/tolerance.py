"""What a strict reader refuses, read all the same where the application has asked for that. The cold path.

Strict first, then tolerant, never silent: this module is asked after the codec has said no. It mends a copy of the
payload by the repairs that were named, has the codec judge the copy as strictly as any other payload, and reports every
place that it has mended. What is right, only the codec knows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from enum import StrEnum
from itertools import islice
from typing import Any, Final, TypeVar

import attrs
import msgspec

from .codec import UNREADABLE, Codec, NumberText, PayloadError, parse
from .diagnosis import enum_values
from .events import Deviation, Repair
from .messages import Datatype
from .schema import Kind, Property, kind_of, properties

__all__ = ["decode_tolerantly"]

M = TypeVar("M", bound=Datatype)

MAX_DEVIATIONS: Final = 1000
"""Of one payload. One that has more is refused."""
MAX_ENUM_LENGTH: Final = 100
"""Characters of an unknown enum value. The longest that any version knows has 45: what is longer is none (F-60)."""


def decode_tolerantly(
    codec: Codec[M], payload: bytes | str | msgspec.Raw, tolerance: Collection[Repair]
) -> tuple[M, tuple[Deviation, ...]]:
    """The message that a refused payload stands for once these repairs are made, and where they were made.

    Raises:
        PayloadError: they do not make it right. Nothing else is raised, whatever the payload holds.
    """
    if Repair.UNKNOWN_ENUM not in tolerance:
        raise PayloadError
    try:
        mended = parse(payload)
        strangers = list(islice(_strangers(kind_of(codec.cls), mended), MAX_DEVIATIONS + 1))
        if not 0 < len(strangers) <= MAX_DEVIATIONS:
            raise PayloadError
        for stranger in strangers:
            stranger.leave(mended)
        message = codec.decode(msgspec.json.encode(mended, enc_hook=_as_written))
    except UNREADABLE:
        raise PayloadError from None
    for stranger in strangers:
        stranger.enter(message)
    return message, tuple(Deviation(each.path, Repair.UNKNOWN_ENUM, each.value) for each in strangers)


@attrs.frozen
class _Stranger:
    """A value that its enum does not have. While the payload is judged, a member of the enum stands in for it."""

    steps: tuple[Property | int, ...]
    value: str
    stand_in: str

    @property
    def path(self) -> str:
        return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step.wire_name}" for step in self.steps)

    def leave(self, payload: Any) -> None:
        *way, last = (step if isinstance(step, int) else step.wire_name for step in self.steps)
        for step in way:
            payload = payload[step]
        payload[last] = self.stand_in

    def enter(self, message: Any) -> None:
        *way, last = self.steps
        for step in way:
            message = message[step] if isinstance(step, int) else getattr(message, step.name)
        if isinstance(last, int):
            message[last] = self.value
        else:
            msgspec.structs.force_setattr(message, last.name, self.value)  # nobody else has seen the message yet


def _strangers(kind: Kind, value: Any, steps: tuple[Property | int, ...] = ()) -> Iterator[_Stranger]:
    """Those in a payload of which nothing is known but that it is JSON."""
    if isinstance(value, str):
        if issubclass(kind.type, StrEnum) and value not in enum_values(kind.type) and len(value) <= MAX_ENUM_LENGTH:
            yield _Stranger(steps, value, next(iter(enum_values(kind.type))))
    elif value.__class__ is list and kind.items is not None:
        for index, item in enumerate(value):
            yield from _strangers(kind.items, item, (*steps, index))
    elif isinstance(value, dict) and issubclass(kind.type, Datatype):
        for prop in properties(kind.type):
            if prop.wire_name in value:
                yield from _strangers(prop.kind, value[prop.wire_name], (*steps, prop))


def _as_written(number: NumberText) -> msgspec.Raw:
    """So that the codec judges the decimals that the peer has sent (RPC-105)."""
    return msgspec.Raw(number.text.encode())
