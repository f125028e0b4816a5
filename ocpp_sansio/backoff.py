"""How long a charge point waits before it connects again: longer each time, and never in step with the others.

It draws no randomness: that is given to it.
"""

from __future__ import annotations

import math
from typing import Final

import attrs
from attrs.validators import ge, lt

__all__ = ["Backoff"]

LONGEST_WAIT: Final = 86_400.0
"""Seconds to which doubling can lead: however it is configured, a charge point is never out of reach for good."""
MAX_DOUBLINGS: Final = 64
"""More lead nowhere else, and past what a ``float`` can hold in the end."""


@attrs.frozen(kw_only=True)
class Backoff:
    """Twice as long after each failure, up to a bound, and each time some part at random (RPC-126, RPC-127).

    In OCPP 2.0.1 and 2.1 these are RetryBackOffWaitMinimum, RetryBackOffRepeatTimes and RetryBackOffRandomRange; 1.6
    leaves the numbers to us (RPC-128).
    """

    minimum: float = attrs.field(default=10.0, validator=[ge(0), lt(math.inf)])
    """Seconds."""
    repeats: int = attrs.field(default=5, validator=ge(0))
    """How many times it doubles."""
    random_range: float = attrs.field(default=10.0, validator=[ge(0), lt(math.inf)])
    """Seconds that chance may add; they are not doubled."""

    def wait(self, attempt: int, chance: float, *, at_least: float = 0.0) -> float:
        """Seconds to wait before an attempt to connect.

        Args:
            attempt: how many there have been, after such a wait, since the last connection: 0 for the first.
            chance: a random number from 0 to 1, a new one each time.
            at_least: seconds that have to pass in any case. Chance adds to them as well: what made many wait for the
                same moment shall not bring them back in the same moment.
        """
        doubled = self.minimum * 2.0 ** min(attempt, self.repeats, MAX_DOUBLINGS)
        return max(min(doubled, LONGEST_WAIT), at_least) + chance * self.random_range
