"""Time that passes only when it is told to, and what is to happen in it."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from .waiting import Wish

__all__ = ["VirtualClock"]


class VirtualClock:
    """The clock of a test: seconds that only ever go forward, and a time of day that can be set (F-135).

    Whatever shares a clock lives in one world: a link, both ends of it, any number of others.

    Args:
        utc: the time of day at the beginning.
    """

    def __init__(self, utc: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self.now = 0.0
        """Seconds since the beginning, the ``now`` of every machine. They are for the clock alone to count."""
        self._order: Final = itertools.count()
        self._agenda: list[tuple[float, int, Callable[[], object]]] = []
        self.set_utc(utc)

    @property
    def utc(self) -> datetime:
        """The time of day, for what is written into messages."""
        return self._midnight + timedelta(seconds=self.now)

    def set_utc(self, utc: datetime) -> None:
        """Set the time of day, to any other. :attr:`now` does not notice.

        Raises:
            ValueError: it is naive.
        """
        if utc.tzinfo is None:
            raise ValueError("the time of day needs a zone")
        self._midnight = utc - timedelta(seconds=self.now)

    # -- what is to happen --

    def at(self, when: float, act: Callable[[], object]) -> None:
        """Have something happen then, or now if that is past; behind what is to happen at the same time."""
        heapq.heappush(self._agenda, (when, next(self._order), act))

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """Have something happen in so many seconds."""
        self.at(self.now + seconds, act)

    def sleep(self, seconds: float) -> Awaitable[None]:
        """For ``async`` handlers: wait so long. It takes the place of an event loop's own."""
        return Wish(lambda succeed, _: self.after(seconds, lambda: succeed(None)))

    @property
    def next_due(self) -> float:
        """When something is to happen next; ``math.inf``: never."""
        return self._agenda[0][0] if self._agenda else math.inf

    # -- the passing of time --

    def step(self) -> bool:
        """Go on to what is to happen next, and have it happen. Returns whether there was anything."""
        if not self._agenda:
            return False
        when, _, act = heapq.heappop(self._agenda)
        self.now = max(self.now, when)
        act()
        return True

    def advance(self, seconds: float) -> None:
        """Let time pass, with all that happens meanwhile.

        Raises:
            ValueError: time does not go backwards.
        """
        if not seconds >= 0:
            raise ValueError(f"time passes by 0 seconds or more, not by {seconds}")
        self.advance_to(self.now + seconds)

    def advance_to(self, when: float) -> None:
        """The same, up to a time. If that is past, nothing happens."""
        while self.next_due <= when:
            self.step()
        self.now = max(self.now, when)
