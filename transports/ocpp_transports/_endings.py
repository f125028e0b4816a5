"""How connections are ended: the codes, and how a server takes its leave of many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

if TYPE_CHECKING:
    from ._dispatcher import Dispatcher

__all__ = ["BEHIND", "GOING_AWAY", "NORMAL", "SERVICE_RESTART", "TOO_MUCH", "Leave", "spread"]

# WebSocket close codes and reasons (RPC-017).
NORMAL: Final = 1000, ""
GOING_AWAY: Final = 1001, "shutting down"
SERVICE_RESTART: Final = 1012
TOO_MUCH: Final = 1008, "too many SENDs are waiting"
BEHIND: Final = 1013, "too much is waiting here, try again later"

D = TypeVar("D", bound="Dispatcher[Any, Any, Any]")


def spread(count: int, over: float) -> list[float]:
    """So many instants, evenly over so many seconds from 0.0 on."""
    return [over * number / count for number in range(count)]


@attrs.frozen
class Leave:
    """How a server takes its leave of its connections, one after the other."""

    over: float = attrs.field(validator=attrs.validators.ge(0))
    """Seconds from the first to the last. So long is who still asks to be let in told to stay away."""
    code: int = attrs.field(default=SERVICE_RESTART, validator=attrs.validators.in_((1001, 1012, 1013)))
    """The WebSocket close code (RPC-017)."""
    reason: str = "the server is going down"

    def schedule(self, drivers: Iterable[D]) -> list[tuple[float, D]]:
        """When each connection is left, in seconds from now: evenly, so that not all come back at once (F-120).

        First, and at once, those that are not open yet: they are told to come back.
        """
        drivers = list(drivers)
        others = [driver for driver in drivers if not driver.connection.is_open]
        opened = [driver for driver in drivers if driver.connection.is_open]
        return [(0.0, driver) for driver in others] + list(zip(spread(len(opened), self.over), opened, strict=True))
