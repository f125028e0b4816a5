"""What has happened in a test, to be shown when it fails."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from .clock import VirtualClock

__all__ = ["Trace"]


class Trace:
    """The last things that happened, and when. ``print(trace)`` shows them, one a line.

    Args:
        clock: the time.
        size: how many are kept.
    """

    def __init__(self, clock: VirtualClock, size: int = 200) -> None:
        self._clock: Final = clock
        self._noted: Final = deque[tuple[float, str, str]](maxlen=size)
        self._left_out = 0

    def note(self, who: str, what: str) -> None:
        """Something happens."""
        self._left_out += len(self._noted) == self._noted.maxlen
        self._noted.append((self._clock.now, who, what))

    def __iter__(self) -> Iterator[tuple[float, str, str]]:
        """When, who, what."""
        return iter(self._noted)

    def __len__(self) -> int:
        return len(self._noted)

    def __str__(self) -> str:
        above = [f"… {self._left_out} before that"] if self._left_out else []
        return "\n".join([*above, *(f"{at:11.3f}  {who:14}  {what}" for at, who, what in self._noted)])
