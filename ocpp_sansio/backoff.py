"""How long a charge point waits before it connects again: longer each time, and never in step with the others.

It draws no randomness: that is given to it.
"""

from __future__ import annotations

import attrs
from attrs.validators import ge

__all__ = ["Backoff"]


@attrs.define(kw_only=True)
class Backoff:
    """Twice as long after each failure, up to a bound, and each time some part at random (RPC-126, RPC-127).

    OCPP 1.6 leaves the numbers to us (RPC-128).
    """

    minimum: float = attrs.field(default=10.0, validator=ge(0), on_setattr=attrs.setters.frozen)
    """Seconds."""
    repeats: int = attrs.field(default=5, validator=ge(0), on_setattr=attrs.setters.frozen)
    """How many times it doubles."""
    random_range: float = attrs.field(default=10.0, validator=ge(0), on_setattr=attrs.setters.frozen)
    """Seconds that chance may add; they are not doubled."""
    _waits: int = attrs.field(default=0, init=False)

    def wait(self, chance: float) -> float:
        """Seconds until the next attempt. ``chance`` is a random number from 0 to 1, a new one each time."""
        wait = self.minimum * 2.0**self._waits + chance * self.random_range
        self._waits = min(self._waits + 1, self.repeats)
        return wait

    def reset(self) -> None:
        """A connection has come about: begin anew when it is lost."""
        self._waits = 0
