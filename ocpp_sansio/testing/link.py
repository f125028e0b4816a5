"""What lies between two ends: a link that delays, cuts, stalls and loses, in virtual time and by repeatable chance.

It carries texts, as a WebSocket does, or bytes, as TCP does: in order, either way. Bytes are never lost or doubled
while the link is up, they come in other pieces. Knows nothing of what is said.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from typing import Any, Final, Generic, TypeVar

import attrs
from attrs.validators import ge, le

from .chance import Chance, chance_of
from .clock import VirtualClock
from .trace import Trace

__all__ = ["CALM", "Conditions", "Link", "LinkEnd"]

D = TypeVar("D", bound=str | bytes)


def _is_range(_instance: object, attribute: attrs.Attribute[Any], value: tuple[float, float]) -> None:
    if not 0 <= value[0] <= value[1]:
        raise ValueError(f"{attribute.name} is a range of seconds, not {value}")


def _chance() -> Any:
    return attrs.field(default=0.0, validator=[ge(0.0), le(1.0)])


def _seconds(least: float, most: float) -> Any:
    return attrs.field(default=(least, most), validator=_is_range)


@attrs.frozen(kw_only=True)
class Conditions:
    """How good a link is. Probabilities are from 0 to 1 and count for each piece that is sent.

    Raises:
        ValueError: a probability, or a range of seconds, is none.
    """

    delay: tuple[float, float] = _seconds(0.0, 0.0)
    """Seconds that a piece is on its way, at least and at most."""
    split: float = _chance()
    """Bytes come in two pieces, cut anywhere; and the second of them in two again, and so on."""
    lose: float = _chance()
    """A text never comes."""
    duplicate: float = _chance()
    """A text comes twice."""
    stall: float = _chance()
    """Nothing comes for a while from then on; then all of it."""
    stall_for: tuple[float, float] = _seconds(1.0, 90.0)
    """How many seconds."""
    cut: float = _chance()
    """The link is gone, in place of what is sent, and with all that is on its way."""
    half_open: float = _chance()
    """When the link is cut, this one of the ends is not told, or that one."""
    notice: tuple[float, float] = _seconds(0.0, 0.0)
    """Seconds until an end that is told knows."""


CALM: Final = Conditions()
"""Nothing goes wrong, and nothing takes any time."""


class LinkEnd(Generic[D]):
    """One end of a link. ``on_data`` and ``on_lost`` are for its owner to set."""

    def __init__(self, way: _Way[D]) -> None:
        self.send: Final = way.send
        """Send a piece. On a link that has ended, it goes nowhere."""
        self.close: Final = way.close
        """Send nothing more. The far end is told once it has all that was sent before."""
        self.on_data: Callable[[D], object] = lambda _: None
        """Called with each piece that comes."""
        self.on_lost: Callable[[], object] = lambda: None
        """Called when nothing more will come, once."""


class Link(Generic[D]):
    """A connection between two ends, until it is cut.

    Args:
        clock: the time.
        conditions: how good it is. They may be changed at any time.
        chance: what decides when something goes wrong, or a seed of it.
        trace: is told of what goes wrong.

    Raises:
        TypeError: the chance is neither.
    """

    def __init__(
        self,
        clock: VirtualClock,
        conditions: Conditions = CALM,
        *,
        chance: int | Chance = 0,
        trace: Trace | None = None,
    ) -> None:
        self.clock: Final = clock
        self.conditions = conditions
        self.chance: Final = chance_of(chance)
        self.trace: Final = Trace(clock) if trace is None else trace
        self.is_up = True
        self._stalled_until = 0.0
        there, back = self._ways = (_Way(self), _Way(self))
        there.far, back.far = reversed([LinkEnd(way) for way in self._ways])
        self.ends: Final = (back.far, there.far)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is on its way."""
        return not any(way.on_its_way for way in self._ways)

    def stall(self, seconds: float) -> None:
        """Carry nothing that is sent from now on for a while; then all of it."""
        self.trace.note("link", f"carries nothing for {seconds:g} s")
        self._stalled_until = max(self._stalled_until, self.clock.now + seconds)

    def cut(self, told: Collection[LinkEnd[D]] | None = None) -> None:
        """End it, with all that is on its way. Nothing happens to one that has ended.

        Args:
            told: the ends that are told, in ``notice`` seconds; if not given, both. For an end that is not, it is
                half open.
        """
        if not self.is_up:
            return
        self.is_up = False
        told = self.ends if told is None else told
        self.trace.note("link", "is cut" if len(told) == 2 else f"is cut, and {2 - len(told)} of its ends not told")
        for way in self._ways:
            way.on_its_way.clear()
            if way.far in told:
                self.clock.after(self.chance.between(*self.conditions.notice), way.tell)

    def carries(self, _to: LinkEnd[D]) -> bool:
        """Something is sent to an end: what befalls the link, if anything does, and whether it is up after that."""
        conditions, chance = self.conditions, self.chance
        if self.is_up and conditions.cut and chance.happens(conditions.cut):
            is_half_open = conditions.half_open and chance.happens(conditions.half_open)
            self.cut([chance.choice(self.ends)] if is_half_open else None)
        elif self.is_up and conditions.stall and chance.happens(conditions.stall):
            self.stall(chance.between(*conditions.stall_for))
        return self.is_up

    def arrival(self) -> float:
        """When what is sent now would come."""
        least, most = self.conditions.delay
        delay = self.chance.between(least, most) if most else 0.0
        return max(self.clock.now + delay, self._stalled_until)


class _Way(Generic[D]):
    """One direction of a link."""

    far: LinkEnd[D]

    def __init__(self, link: Link[D]) -> None:
        self.on_its_way: Final = deque[D | None]()
        """``None``: the end of it."""
        self._link: Final = link
        self._is_closed = False
        self._is_told = False

    def send(self, piece: D) -> None:
        if self._is_closed:
            return
        if not self._link.carries(self.far):
            self._link.trace.note("link", f"loses {_shown(piece)}")
        elif isinstance(piece, bytes):
            self._send_bytes(piece)
        else:
            self._send_text(piece)

    def _send_bytes(self, piece: Any) -> None:
        split, chance = self._link.conditions.split, self._link.chance
        while split and len(piece) > 1 and chance.happens(split):
            size = chance.whole(1, len(piece) - 1)
            self._carry(piece[:size])
            piece = piece[size:]
        self._carry(piece)

    def _send_text(self, text: Any) -> None:
        conditions, chance, trace = self._link.conditions, self._link.chance, self._link.trace
        if conditions.lose and chance.happens(conditions.lose):
            trace.note("link", f"loses {text}")
            return
        self._carry(text)
        if conditions.duplicate and chance.happens(conditions.duplicate):
            trace.note("link", f"doubles {text}")
            self._carry(text)

    def close(self) -> None:
        if not self._is_closed and self._link.is_up:
            self._carry(None)
        self._is_closed = True

    def _carry(self, piece: D | None) -> None:
        self.on_its_way.append(piece)
        self._link.clock.at(self._link.arrival(), self._deliver)

    def _deliver(self) -> None:
        # Whichever was to come now: what was sent first comes first.
        if not self._link.is_up:
            return
        piece = self.on_its_way.popleft()
        if piece is None:
            self.tell()
        else:
            self.far.on_data(piece)

    def tell(self) -> None:
        """Nothing more will come."""
        if not self._is_told:
            self._is_told = True
            self.far.on_lost()


def _shown(piece: str | bytes) -> str:
    return piece if isinstance(piece, str) else f"{len(piece)} bytes"
