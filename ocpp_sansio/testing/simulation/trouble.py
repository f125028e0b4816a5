"""What goes wrong, and where: chance that can be repeated, the points at which trouble may strike, and plans of it.

Knows nothing of what it strikes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum, unique
from typing import Final, Protocol

import attrs

from ocpp_sansio.testing.chance import Dice

__all__ = ["Chaos", "Dice", "Plan", "Point", "Strike", "Trouble", "Troubles", "possible"]


@unique
class Point(StrEnum):
    """Where trouble may strike. Each is counted from 1."""

    STATION_SENDS = "the charge point sends a text"
    CENTRAL_HAS_HEARD = "the central system has acted on a text"
    CENTRAL_SENDS = "the central system sends a text"
    STATION_HAS_HEARD = "the charge point has acted on a text"
    STATION_KEEPS = "the charge point keeps a batch"
    CENTRAL_KEEPS = "the central system keeps a batch"


@unique
class Trouble(StrEnum):
    """What goes wrong."""

    # -- at a message boundary: the text that is being sent is lost, what it was heard for is not answered --
    CUT = "the link is cut"
    STALL = "the link carries nothing for a while"
    STATION_DIES = "the charge point loses its power"
    STATION_DIES_SLOWLY = "the charge point loses its power, and knows a moment before"
    CENTRAL_DIES = "the central system dies"
    STATION_STORE_FAILS = "the store of the charge point fails for a while"
    CENTRAL_STORE_FAILS = "the store of the central system fails for a while"
    CLOCK_JUMPS = "the clock of the central system is set"
    SOFT_RESET = "the central system resets the charge point"
    HARD_RESET = "the central system resets the charge point, hard"
    FAULT = "a connector is faulty for a while"
    OUT_OF_SERVICE = "the central system takes a connector out of service for a while"
    UNWELCOME = "the central system accepts nobody for a while, and the charge point boots again"
    # -- when a batch is to be kept --
    FAILS = "the store fails"
    DIES_BEFORE = "the process dies before the batch is kept"
    DIES_AFTER = "the process dies when the batch is kept, before it knows"
    LATE = "the store takes its time, and keeps the batch in the end"
    LATE_NEWS = "the store keeps the batch, and takes its time to say so"


AT_STORES: Final = (Trouble.FAILS, Trouble.DIES_BEFORE, Trouble.DIES_AFTER, Trouble.LATE, Trouble.LATE_NEWS)
AT_MESSAGES: Final = tuple(trouble for trouble in Trouble if trouble not in AT_STORES)


def possible(point: Point) -> Sequence[Trouble]:
    """What may go wrong at a point."""
    return AT_STORES if point in (Point.STATION_KEEPS, Point.CENTRAL_KEEPS) else AT_MESSAGES


@attrs.frozen
class Strike:
    """That something goes wrong at the n-th time that something happens.

    Raises:
        ValueError: it cannot go wrong there.
    """

    point: Point
    number: int
    trouble: Trouble

    def __attrs_post_init__(self) -> None:
        if self.trouble not in possible(self.point):
            raise ValueError(f"{self.trouble!r} is none of what may go wrong at {self.point!r}")

    def __str__(self) -> str:
        return f"{self.trouble}, where {self.point} for time {self.number}"


class Troubles(Protocol):
    """Decides where trouble strikes."""

    def at(self, point: Point, number: int, /) -> Trouble | None:
        """What goes wrong when this happens for the n-th time, if anything."""
        ...


class Plan:
    """Trouble where it was planned."""

    def __init__(self, strikes: Sequence[Strike] = ()) -> None:
        self._planned: Final[Mapping[tuple[Point, int], Trouble]] = {
            (strike.point, strike.number): strike.trouble for strike in strikes
        }

    def at(self, point: Point, number: int, /) -> Trouble | None:
        """What goes wrong when this happens for the n-th time, if anything."""
        return self._planned.get((point, number))


class Chaos:
    """Trouble at random: at each point with this probability, of each kind alike.

    Raises:
        ValueError: the probability is not from 0 to 1.
    """

    def __init__(self, dice: Dice, rate: float) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f"a rate is a probability from 0 to 1, not {rate}")
        self._dice: Final = dice
        self._rate: Final = rate

    def at(self, point: Point, _number: int, /) -> Trouble | None:
        """What goes wrong when this happens, if anything."""
        return self._dice.choice(possible(point)) if self._dice.happens(self._rate) else None
