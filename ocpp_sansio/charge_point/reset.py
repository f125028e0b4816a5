"""Reset, and the loss of power: that what is under way ends on record before the charge point does.

Why the charge point went down is on record under ``reset`` from when it is told to until it is up again: what it had
no time to stop is stopped then, with that reason (CP16-091).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from ocpp_sansio.machine import Answer
from ocpp_sansio.messages import Request
from ocpp_sansio.store import Drop, Put, pack, unpack
from ocpp_sansio.v16 import (
    ChargePointErrorCode,
    Reason,
    ResetRequest,
    ResetResponse,
    ResetStatus,
    ResetType,
)

from .backbone import (
    Backbone,
    Block,
    Charging,
    Connectors,
    Delivered,
    GivenUp,
    Handler,
    Outbox,
    TransactionOver,
    Use,
)
from .effects import Reboot
from .keys import RESET_RETRIES

__all__ = ["Resets"]

_REASONS: Final = {ResetType.SOFT: Reason.SOFT_RESET, ResetType.HARD: Reason.HARD_RESET}


class Resets(Block):
    """Stops what is under way, waits until that is delivered, and has the host reboot (CP16-090…093)."""

    topics: ClassVar[tuple[str, ...]] = ("reset",)

    def __init__(self, core: Backbone, connectors: Connectors, charging: Charging, outbox: Outbox) -> None:
        self._core: Final = core
        self._connectors: Final = connectors
        self._charging: Final = charging
        self._outbox: Final = outbox
        self._kind: ResetType | None = None
        """Of the reset that is under way."""
        self._is_left_to_host = False
        """Whether the host has been told to reboot."""
        self._failures = 0
        self._last: Reason | None = None
        """Why the last boot ended, if that was planned."""
        core.gates.append(self._is_open)

    def handlers(self) -> Mapping[type[Request[Any]], Handler]:
        """Reset."""
        return {ResetRequest: self._on_reset}

    def hears(self) -> Mapping[type[Any], Callable[[Any], None]]:
        """What a reset waits for."""
        return {Delivered: self._on_progress, GivenUp: self._on_progress, TransactionOver: self._on_progress}

    def restore(self, record: Put) -> None:
        """The kind of reset that ended the last boot."""
        self._last = _REASONS[ResetType(unpack(str, record.value))]

    def begin(self) -> None:
        """That boot is history as soon as its transactions are."""
        self._charging.recover(self._last)
        if self._last is not None:
            self._forget()

    def _forget(self) -> None:
        self._core.machine.persist(Drop("reset", "type"))

    def _is_open(self, _: Use) -> bool:
        """Nobody begins anything while a reset is under way."""
        return self._kind is None

    # -- what the central system says --

    def _on_reset(self, request: ResetRequest, answer: Answer) -> None:
        if self._kind is not None or request.type not in _REASONS:  # a session may put up with another type
            answer(ResetResponse(status=ResetStatus.REJECTED))
            return
        answer(ResetResponse(status=ResetStatus.ACCEPTED))  # first of all (CP16-090)
        self._kind, self._is_left_to_host, self._failures = request.type, False, 0
        self._core.machine.persist(Put("reset", "type", pack(request.type)))
        self._core.machine.timers.set(_TIMER, self._core.machine.now + self._core.setup.reset_patience, self._reboot)
        for transaction in tuple(self._charging.running()):
            self._charging.stop(transaction.connector, _REASONS[request.type])
        self._on_progress()

    def _on_progress(self, _: object = None) -> None:
        """Reboot as soon as all is said; what is not is kept and said afterwards (CP16-090)."""
        is_over = all(self._charging.on(connector) is None for connector in self._connectors.ids())
        if self._kind is not None and not self._is_left_to_host and is_over and self._outbox.is_empty:
            self._reboot()

    def _reboot(self) -> None:
        assert self._kind is not None
        self._core.machine.timers.cancel(_TIMER)
        self._is_left_to_host = True
        self._core.machine.emit(Reboot(hard=self._kind is ResetType.HARD))

    # -- what the host says --

    def reboot_failed(self) -> None:
        """The host could not reboot. It is told again, ResetRetries times at most (CP16-093).

        Nothing happens if it was not told to.
        """
        if self._kind is None or not self._is_left_to_host:
            return
        self._failures += 1
        if self._failures <= self._core.settings[RESET_RETRIES]:
            self._reboot()
        else:
            self._kind = None
            self._forget()
            self._connectors.remark(0, ChargePointErrorCode.RESET_FAILURE)

    def power_failing(self) -> None:
        """The power is about to go: what is under way ends now, as far as it is known (CP16-07A).

        Nothing but to drain and to commit matters then.
        """
        self._charging.stop_at_once(Reason.POWER_LOSS)


_TIMER: Final = Resets
