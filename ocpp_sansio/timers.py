"""A table of deadlines, one per key. It reads no clock: every question brings its ``now`` along."""

from __future__ import annotations

from enum import Enum
from typing import Generic, TypeVar

import attrs

__all__ = ["Timers"]

K = TypeVar("K", bound=Enum)


@attrs.define
class Timers(Generic[K]):
    """Deadlines in seconds of the caller's monotonic clock, keyed by what they are for."""

    _deadlines: dict[K, float] = attrs.field(factory=dict[K, float], init=False)

    def start(self, key: K, deadline: float) -> None:
        """Set the deadline of ``key``, in place of any it had."""
        self._deadlines[key] = deadline

    def stop(self, key: K) -> None:
        """Forget the deadline of ``key``, if it has one."""
        self._deadlines.pop(key, None)

    def stop_all(self) -> None:
        """Forget every deadline."""
        self._deadlines.clear()

    def next(self) -> float | None:
        """The earliest deadline; ``None`` when none is set."""
        return min(self._deadlines.values(), default=None)

    def pop_expired(self, now: float) -> K | None:
        """Remove and return the key whose deadline passed first; ``None`` when none has passed."""
        if not self._deadlines:
            return None
        key = min(self._deadlines, key=self._deadlines.__getitem__)
        if self._deadlines[key] > now:
            return None
        del self._deadlines[key]
        return key
