"""Heartbeat: a sign of life when there has been no other, and what time it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ocpp_sansio.errors import CallFailure
from ocpp_sansio.v16 import HeartbeatRequest, HeartbeatResponse, MessageTrigger

from .backbone import Accepted, Backbone, Block, ClockSet, KeyChanged, LinkDown, Trigger
from .keys import HEARTBEAT_INTERVAL

__all__ = ["Heartbeat"]

DAY: Final = 86_400.0
"""Seconds after which a Heartbeat is due for the time it brings, whatever else has been sent (CP16-021)."""


class Heartbeat(Block):
    """Sends a Heartbeat after HeartbeatInterval seconds in which nothing was sent (CP16-020…023)."""

    def __init__(self, core: Backbone) -> None:
        self._core: Final = core
        self._quiet_since = core.machine.now
        """The latest from which the interval is counted, if nothing has been sent after it."""
        self._time_asked = core.machine.now
        """When the time was last learnt, or asked for."""
        self._is_asking = False

    def hears(self) -> Mapping[type[Any], Callable[[Any], None]]:
        """When the interval runs, how long it is, and when the time is known."""
        return {
            Accepted: self._on_accepted,
            ClockSet: self._on_clock_set,
            KeyChanged: self._on_key_changed,
            LinkDown: self._on_link_down,
        }

    def triggers(self) -> Mapping[MessageTrigger, Trigger]:
        """Heartbeat."""
        return {MessageTrigger.HEARTBEAT: lambda _: self._send}

    def _on_accepted(self, _: Accepted) -> None:
        self._quiet_since = self._core.machine.now
        self._arm()

    def _on_clock_set(self, _: ClockSet) -> None:
        self._time_asked = self._core.machine.now

    def _on_key_changed(self, notice: KeyChanged) -> None:
        if notice.key is HEARTBEAT_INTERVAL and _TIMER in self._core.machine.timers:
            self._arm()

    def _on_link_down(self, _: LinkDown) -> None:
        self._core.machine.timers.cancel(_TIMER)

    def _due(self) -> float:
        """When the next has to be sent, as things are now."""
        quiet_since = max(self._core.line.last_sent, self._quiet_since)
        return min(quiet_since + self._core.settings[HEARTBEAT_INTERVAL], self._time_asked + DAY)

    def _arm(self) -> None:
        self._core.machine.timers.set(_TIMER, max(self._due(), self._core.machine.now), self._on_due)

    def _on_due(self) -> None:
        if self._due() <= self._core.machine.now:
            self._send()
        self._arm()

    def _send(self) -> None:
        self._time_asked = self._quiet_since = self._core.machine.now
        if not self._is_asking:
            self._is_asking = True
            self._core.call(HeartbeatRequest(), self._on_answer, even_if_pending=True)

    def _on_answer(self, outcome: HeartbeatResponse | CallFailure) -> None:
        self._is_asking = False
        if isinstance(outcome, HeartbeatResponse):
            self._core.set_clock(outcome.current_time)


_TIMER: Final = HeartbeatRequest
