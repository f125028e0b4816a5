"""BootNotification: whether the central system has accepted the charge point, and when it is asked again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final

from ocpp_sansio.errors import CallFailure, ConnectionLost
from ocpp_sansio.v16 import BootNotificationRequest, BootNotificationResponse, MessageTrigger, RegistrationStatus

from .backbone import Accepted, Backbone, Block, KeyChanged, LinkUp, Trigger
from .effects import RegistrationChanged
from .keys import HEARTBEAT_INTERVAL

__all__ = ["Registration"]

_TIMER: Final = BootNotificationRequest
_LINK_TIMER: Final = BootNotificationRequest, ConnectionLost
"""Of the next attempt on a link that took nothing."""


class Registration(Block):
    """Sends BootNotification after every boot until it is accepted, and never without need (CP16-010…019).

    What the answer was outlives links, not boots (CP16-017).
    """

    def __init__(self, core: Backbone) -> None:
        self._core: Final = core
        self._is_asking = False

    def hears(self) -> Mapping[type[Any], Callable[[Any], None]]:
        """The link: it is what a BootNotification waits for."""
        return {LinkUp: self._on_link_up}

    def triggers(self) -> Mapping[MessageTrigger, Trigger]:
        """BootNotification, unless it has been accepted (CP16-015)."""
        return {MessageTrigger.BOOT_NOTIFICATION: self._on_trigger}

    def _on_link_up(self, _: LinkUp) -> None:
        if self._core.registration is RegistrationStatus.ACCEPTED:
            self._core.publish(Accepted())
        elif _TIMER not in self._core.machine.timers:  # else what it said about the next one holds on any link
            self._ask()

    def _on_trigger(self, _: int | None) -> Callable[[], None] | None:
        return None if self._core.registration is RegistrationStatus.ACCEPTED else self._ask

    def _ask(self) -> None:
        for timer in (_TIMER, _LINK_TIMER):
            self._core.machine.timers.cancel(timer)
        if self._core.line.is_up and not self._is_asking:
            self._is_asking = True
            self._core.line.call(self._core.setup.boot, self._on_answer, timeout=self._core.message_timeout)

    def _on_answer(self, outcome: BootNotificationResponse | CallFailure) -> None:
        self._is_asking = False
        core = self._core
        if isinstance(outcome, CallFailure):
            if core.line.is_up:  # else the next link asks; if it is down in a moment, that does not wait for this
                self._ask_later(0, _LINK_TIMER if isinstance(outcome, ConnectionLost) else _TIMER)  # CP16-018
            return
        core.registration = outcome.status
        core.machine.emit(RegistrationChanged(outcome.status))
        core.set_clock(outcome.current_time)
        if outcome.status is not RegistrationStatus.ACCEPTED:
            self._ask_later(outcome.interval)
            return
        if outcome.interval > 0:  # CP16-022
            core.settings[HEARTBEAT_INTERVAL] = outcome.interval
            core.publish(KeyChanged(HEARTBEAT_INTERVAL))
        core.publish(Accepted())

    def _ask_later(self, interval: int, timer: Hashable = _TIMER) -> None:
        """At the earliest when the central system said; 0, or nonsense, leaves it to us (CP16-012)."""
        wait = interval if interval > 0 else self._core.setup.boot_retry
        self._core.machine.timers.set(timer, self._core.machine.now + wait, self._ask)
