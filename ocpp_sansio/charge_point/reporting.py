"""StatusNotification: what the central system is told of each connector, when, and whether it has heard.

Knows what is so, what was said last, and what still has to last a while before it is said. It must not know why.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final

import attrs

from ocpp_sansio.errors import CallFailure
from ocpp_sansio.v16 import (
    ChargePointErrorCode,
    ChargePointStatus,
    StatusNotificationRequest,
    StatusNotificationResponse,
)

from .backbone import Backbone
from .clock import Moment
from .keys import MINIMUM_STATUS_DURATION

__all__ = ["Condition", "Reporter"]

RETRY_WAITS: Final = (30.0, 60.0, 120.0)
"""Seconds after which one that the central system did not take is said again. Then it waits for the next occasion."""


@attrs.frozen
class Condition:
    """What is to be said of a connector. When it came about makes no other of it."""

    status: ChargePointStatus
    since: Moment = attrs.field(eq=False)
    error_code: ChargePointErrorCode = ChargePointErrorCode.NO_ERROR
    info: str | None = None
    vendor_id: str | None = None
    vendor_error_code: str | None = None

    def request(self, connector: int, since: Moment) -> StatusNotificationRequest:
        """It as a message."""
        return StatusNotificationRequest(
            connector_id=connector,
            error_code=self.error_code,
            info=self.info,
            status=self.status,
            timestamp=since.utc,
            vendor_id=self.vendor_id,
            vendor_error_code=self.vendor_error_code,
        )


class Reporter:
    """Says how each connector is: after a boot everything, then every change; after a gap what differs (CP16-037)."""

    def __init__(self, core: Backbone) -> None:
        self._core: Final = core
        self._now: dict[int, Condition] = {}
        self._said: dict[int, Condition] = {}
        """What the central system heard last, or is being told."""
        self._is_introduced = False
        self._failures = 0
        """Since something was last taken."""

    def note(self, connector: int, condition: Condition) -> bool:
        """This is how it is now; returns whether that is news.

        A status is said when it has lasted long enough, a remark on one that has lasted is said at once.
        """
        old = self._now.setdefault(connector, condition)
        if condition == old:
            return False
        self._now[connector] = condition
        timers, key = self._core.machine.timers, (_SETTLING, connector)
        if condition.status is not old.status:
            timers.cancel(key)
            if wait := self._core.settings[MINIMUM_STATUS_DURATION]:  # CP16-032
                timers.set(key, self._core.machine.now + wait, partial(self._tell, connector))
        if key not in timers:
            self._tell(connector)
        return True

    def catch_up(self) -> None:
        """Messages may flow: say what has not been heard, in the order in which it came about (CP16-011, CP16-037)."""
        self._failures = 0
        if not self._is_introduced:
            self._is_introduced = True
            self._said.clear()  # whatever was asked for before does not count
            for connector in self._now:
                self._core.machine.timers.cancel((_SETTLING, connector))
        self._tell_all()

    def say(self, connectors: Iterable[int]) -> None:
        """The central system wants to hear this now, even if it has not accepted us yet (CP16-014, CP16-182)."""
        for connector in connectors:
            self._send(connector)

    def _tell_all(self) -> None:
        for connector in sorted(self._now, key=lambda connector: self._now[connector].since.at):
            if (_SETTLING, connector) not in self._core.machine.timers:
                self._tell(connector)

    def _tell(self, connector: int) -> None:
        if self._core.is_online and self._said.get(connector) != self._now[connector]:
            self._send(connector)

    def _send(self, connector: int) -> None:
        condition = self._said[connector] = self._now[connector]
        since = self._core.clock.corrected(condition.since)  # D-19
        self._core.call(
            condition.request(connector, since), partial(self._on_answer, connector, condition), even_if_pending=True
        )

    def _on_answer(
        self, connector: int, condition: Condition, outcome: StatusNotificationResponse | CallFailure
    ) -> None:
        if isinstance(outcome, StatusNotificationResponse):
            self._failures = 0
            return
        if self._said.get(connector) is condition:
            del self._said[connector]
        timers = self._core.machine.timers
        if self._core.is_online and _RETRY not in timers and self._failures < len(RETRY_WAITS):
            timers.set(_RETRY, self._core.machine.now + RETRY_WAITS[self._failures], self._tell_all)
            self._failures += 1


_SETTLING: Final = "status settling"
_RETRY: Final = "status retry"
