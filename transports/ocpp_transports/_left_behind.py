"""Handlers that are still at work when nobody waits for them any more, and which of them go on.

Somebody may be writing down what a charge point has said last before its connection broke: that is not to be cut off.
But who keeps coming back, or keeps asking what is never answered, must not leave any number of handlers behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ocpp_sansio import Limits

__all__ = ["LeftBehind", "Work"]


class Work:
    """A handler at work beside its connection."""

    __slots__ = ("about", "cancel")

    def __init__(self, about: Any) -> None:
        self.about = about
        """The CALL or other event that it is about."""
        self.cancel: Callable[[], object] = _nothing


def _nothing() -> None:
    """Stands in for what cancels it until it has begun."""


class LeftBehind:
    """All of them, by whose they are: of each charge point as many as may be at work on a connection, the last ones."""

    def __init__(self, limits: Limits) -> None:
        self._most = 2 * limits.max_inbound_calls  # of CALLs, and of what needs no answer
        self._by_identity: dict[str, dict[Work, None]] = {}

    def add(self, identity: str, work: Work) -> Work | None:
        """Nobody waits for this one any more. Returns the oldest if that is one too many: it is to be cancelled."""
        works = self._by_identity.setdefault(identity, {})
        works[work] = None
        if len(works) <= self._most:
            return None
        oldest = next(iter(works))
        del works[oldest]
        return oldest

    def discard(self, identity: str, work: Work) -> None:
        """This one has come to its end."""
        works = self._by_identity.get(identity)
        if works is not None:
            works.pop(work, None)
            if not works:
                del self._by_identity[identity]
