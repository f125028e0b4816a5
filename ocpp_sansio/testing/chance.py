"""Chance that can be repeated: the same seed, the same story, under any interpreter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar, runtime_checkable

__all__ = ["Chance", "Dice", "chance_of"]

T = TypeVar("T")
_MASK: Final = 2**64 - 1


@runtime_checkable
class Chance(Protocol):
    """What decides where nothing else does: :class:`Dice`, or hypothesis by :func:`.machines.chances`."""

    def between(self, least: float, most: float) -> float:
        """A number of seconds, to the millisecond."""
        ...

    def whole(self, least: int, most: int) -> int:
        """A whole number, either bound included."""
        ...

    def choice(self, choices: Sequence[T]) -> T:
        """One of them."""
        ...

    def happens(self, probability: float) -> bool:
        """Whether something of this probability happens."""
        ...


class Dice:
    """Numbers that look random and are the same for a seed, under any interpreter. This is splitmix64.

    Args:
        seed: any integer. Its lowest 64 bits count.

    Raises:
        TypeError: it is none.
    """

    def __init__(self, seed: int) -> None:
        if not isinstance(seed, int):  # pyright: ignore[reportUnnecessaryIsInstance] - not everybody checks types
            raise TypeError(f"a seed is an integer, not {seed!r}")
        self._state = seed & _MASK

    def number(self) -> int:
        """One of 2**64."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & _MASK
        return mixed ^ (mixed >> 31)

    def between(self, least: float, most: float) -> float:
        """A number of seconds, to the millisecond."""
        return round(least + (most - least) * self.number() / _MASK, 3)

    def whole(self, least: int, most: int) -> int:
        """A whole number, either bound included."""
        return least + self.number() % (most - least + 1)

    def choice(self, choices: Sequence[T]) -> T:
        """One of them."""
        return choices[self.number() % len(choices)]

    def happens(self, probability: float) -> bool:
        """Whether something of this probability happens."""
        return self.number() < probability * _MASK


def chance_of(seed: int | Chance) -> Chance:
    """The dice of a seed; or that chance itself.

    Raises:
        TypeError: it is neither.
    """
    return seed if isinstance(seed, Chance) else Dice(seed)
