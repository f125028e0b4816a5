"""What time it is: an anchor between the monotonic clock of the driver and UTC, and what was noted before it was known.

A charge point may start with a clock that is years off. What it notes down then carries the monotonic time as well,
and which boot that belongs to: as soon as the time is learnt, it can be put right (D-19).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

__all__ = ["Clock", "Moment"]


EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)


@attrs.frozen
class Moment:
    """When something happened."""

    utc: datetime
    """As far as was known then, to the millisecond (RPC-102)."""
    boot: int
    """The boot that ``at`` belongs to."""
    at: float
    """Monotonic seconds."""
    trusted: bool
    """Whether the clock had been set by then."""


class Clock:
    """An anchor between monotonic time and UTC.

    Args:
        utc: what the charge point takes for the time now.
        now: the same in monotonic seconds.
        trusted: whether that comes from somebody who knows.
        boot: the number of this boot: of all boots this one only.
    """

    def __init__(self, utc: datetime, *, now: float, trusted: bool, boot: int) -> None:
        self._utc = utc.astimezone(UTC)
        self._now = now
        self.is_trusted = trusted
        self.boot: Final = boot

    def set(self, utc: datetime, *, now: float) -> bool:
        """Somebody who should know says what time it is. Returns whether that can be: a clock must not run over."""
        if not EARLIEST <= utc <= LATEST:
            return False
        self._utc, self._now, self.is_trusted = utc.astimezone(UTC), now, True
        return True

    def utc(self, now: float) -> datetime:
        """The time, to the millisecond."""
        utc = self._utc + timedelta(seconds=now - self._now)
        return utc.replace(microsecond=utc.microsecond // 1000 * 1000)

    def moment(self, now: float) -> Moment:
        """The time, to be noted down."""
        return Moment(self.utc(now), self.boot, now, self.is_trusted)

    def corrected(self, moment: Moment) -> Moment:
        """When it really happened, if that is better known by now."""
        if moment.trusted or not self.is_trusted or moment.boot != self.boot:
            return moment
        return self.moment(moment.at)
