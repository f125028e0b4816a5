"""The states of a connector: the matrix of the specification as data, one line for each transition it defines.

What drives a connector is a :class:`Signal`. One that a state has no line for changes nothing in that state. A few that
it has no line for make sense nevertheless: they take a detour over transitions that are defined (CP16-03B). A fault
lies over whatever state there is: that one goes on developing beneath it, and is what comes back (ST16-I1…I8).

Nothing here knows cables, transactions or messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto, unique
from typing import Final

import attrs

from ocpp_sansio.v16 import ChargePointStatus

__all__ = ["DETOURS", "MATRIX", "Signal", "State", "Transition", "route"]


@unique
class Signal(Enum):
    """What makes a connector change its state."""

    USED = auto()
    """Somebody means to use it: a cable, an idTag, a remote start."""
    RELEASED = auto()
    """Nobody does any more, and nothing is left to be done."""
    TIMED_OUT = auto()
    """Nothing came of it in time, and a cable is in."""
    CHARGING = auto()
    """In a transaction: energy is offered and taken."""
    EV_SUSPENDED = auto()
    """In a transaction: energy is offered, the EV takes none."""
    EVSE_SUSPENDED = auto()
    """In a transaction: no energy is offered."""
    ENDED = auto()
    """The transaction is over, and the driver need do nothing more."""
    STOPPED = auto()
    """The transaction is over; the driver still has to clear the place."""
    RESERVED = auto()
    """It is held for somebody."""
    UNRESERVED = auto()
    """It is no longer."""
    WITHDRAWN = auto()
    """It goes out of service, and no one has to be waited for."""
    RESTORED = auto()
    """It is put back into service, and free."""
    RESTORED_IN_USE = auto()
    """It is put back into service, and somebody has plugged in meanwhile."""
    FAULT = auto()
    """It cannot be used."""
    CLEARED = auto()
    """The fault is over."""


@attrs.frozen
class Transition:
    """One line of the matrix."""

    id: str
    """As the specification has it: a letter for the state it leaves, a number for the one it enters."""
    old: ChargePointStatus
    signal: Signal
    new: ChargePointStatus


_AVAILABLE: Final = ChargePointStatus.AVAILABLE
_PREPARING: Final = ChargePointStatus.PREPARING
_CHARGING: Final = ChargePointStatus.CHARGING
_EV: Final = ChargePointStatus.SUSPENDED_EV
_EVSE: Final = ChargePointStatus.SUSPENDED_EVSE
_FINISHING: Final = ChargePointStatus.FINISHING
_RESERVED: Final = ChargePointStatus.RESERVED
_UNAVAILABLE: Final = ChargePointStatus.UNAVAILABLE
_FAULTED: Final = ChargePointStatus.FAULTED

MATRIX: Final = (  # ST16-A2…I8
    Transition("A2", _AVAILABLE, Signal.USED, _PREPARING),
    Transition("A3", _AVAILABLE, Signal.CHARGING, _CHARGING),
    Transition("A4", _AVAILABLE, Signal.EV_SUSPENDED, _EV),
    Transition("A5", _AVAILABLE, Signal.EVSE_SUSPENDED, _EVSE),
    Transition("A7", _AVAILABLE, Signal.RESERVED, _RESERVED),
    Transition("A8", _AVAILABLE, Signal.WITHDRAWN, _UNAVAILABLE),
    Transition("A9", _AVAILABLE, Signal.FAULT, _FAULTED),
    Transition("B1", _PREPARING, Signal.RELEASED, _AVAILABLE),
    Transition("B3", _PREPARING, Signal.CHARGING, _CHARGING),
    Transition("B4", _PREPARING, Signal.EV_SUSPENDED, _EV),
    Transition("B5", _PREPARING, Signal.EVSE_SUSPENDED, _EVSE),
    Transition("B6", _PREPARING, Signal.TIMED_OUT, _FINISHING),
    Transition("B9", _PREPARING, Signal.FAULT, _FAULTED),
    Transition("C1", _CHARGING, Signal.ENDED, _AVAILABLE),
    Transition("C4", _CHARGING, Signal.EV_SUSPENDED, _EV),
    Transition("C5", _CHARGING, Signal.EVSE_SUSPENDED, _EVSE),
    Transition("C6", _CHARGING, Signal.STOPPED, _FINISHING),
    Transition("C8", _CHARGING, Signal.WITHDRAWN, _UNAVAILABLE),
    Transition("C9", _CHARGING, Signal.FAULT, _FAULTED),
    Transition("D1", _EV, Signal.ENDED, _AVAILABLE),
    Transition("D3", _EV, Signal.CHARGING, _CHARGING),
    Transition("D5", _EV, Signal.EVSE_SUSPENDED, _EVSE),
    Transition("D6", _EV, Signal.STOPPED, _FINISHING),
    Transition("D8", _EV, Signal.WITHDRAWN, _UNAVAILABLE),
    Transition("D9", _EV, Signal.FAULT, _FAULTED),
    Transition("E1", _EVSE, Signal.ENDED, _AVAILABLE),
    Transition("E3", _EVSE, Signal.CHARGING, _CHARGING),
    Transition("E4", _EVSE, Signal.EV_SUSPENDED, _EV),
    Transition("E6", _EVSE, Signal.STOPPED, _FINISHING),
    Transition("E8", _EVSE, Signal.WITHDRAWN, _UNAVAILABLE),
    Transition("E9", _EVSE, Signal.FAULT, _FAULTED),
    Transition("F1", _FINISHING, Signal.RELEASED, _AVAILABLE),
    Transition("F2", _FINISHING, Signal.USED, _PREPARING),
    Transition("F8", _FINISHING, Signal.WITHDRAWN, _UNAVAILABLE),
    Transition("F9", _FINISHING, Signal.FAULT, _FAULTED),
    Transition("G1", _RESERVED, Signal.UNRESERVED, _AVAILABLE),
    Transition("G2", _RESERVED, Signal.USED, _PREPARING),
    Transition("G8", _RESERVED, Signal.WITHDRAWN, _UNAVAILABLE),
    Transition("G9", _RESERVED, Signal.FAULT, _FAULTED),
    Transition("H1", _UNAVAILABLE, Signal.RESTORED, _AVAILABLE),
    Transition("H2", _UNAVAILABLE, Signal.RESTORED_IN_USE, _PREPARING),
    Transition("H3", _UNAVAILABLE, Signal.CHARGING, _CHARGING),
    Transition("H4", _UNAVAILABLE, Signal.EV_SUSPENDED, _EV),
    Transition("H5", _UNAVAILABLE, Signal.EVSE_SUSPENDED, _EVSE),
    Transition("H9", _UNAVAILABLE, Signal.FAULT, _FAULTED),
    Transition("I1", _FAULTED, Signal.CLEARED, _AVAILABLE),
    Transition("I2", _FAULTED, Signal.CLEARED, _PREPARING),
    Transition("I3", _FAULTED, Signal.CLEARED, _CHARGING),
    Transition("I4", _FAULTED, Signal.CLEARED, _EV),
    Transition("I5", _FAULTED, Signal.CLEARED, _EVSE),
    Transition("I6", _FAULTED, Signal.CLEARED, _FINISHING),
    Transition("I7", _FAULTED, Signal.CLEARED, _RESERVED),
    Transition("I8", _FAULTED, Signal.CLEARED, _UNAVAILABLE),
)

DETOURS: Final[Mapping[tuple[ChargePointStatus, Signal], Signal]] = {  # CP16-03B: the signal to be taken first
    (_PREPARING, Signal.WITHDRAWN): Signal.RELEASED,
    (_PREPARING, Signal.RESERVED): Signal.RELEASED,
    (_FINISHING, Signal.CHARGING): Signal.USED,
    (_FINISHING, Signal.EV_SUSPENDED): Signal.USED,
    (_FINISHING, Signal.EVSE_SUSPENDED): Signal.USED,
    (_RESERVED, Signal.CHARGING): Signal.USED,
    (_RESERVED, Signal.EV_SUSPENDED): Signal.USED,
    (_RESERVED, Signal.EVSE_SUSPENDED): Signal.USED,
}

_BY_STATES: Final[Mapping[tuple[ChargePointStatus, ChargePointStatus], Transition]] = {
    (each.old, each.new): each for each in MATRIX
}
_BY_SIGNAL: Final[Mapping[tuple[ChargePointStatus, Signal], Transition]] = {
    (each.old, each.signal): each for each in MATRIX if each.old is not _FAULTED
}


def route(state: ChargePointStatus, signal: Signal) -> list[Transition]:
    """The transitions that a signal leads through from a state without a fault; none if it changes nothing there."""
    if (state, signal) in DETOURS:
        first = _BY_SIGNAL[state, DETOURS[state, signal]]
        return [first, *route(first.new, signal)]
    if (state, signal) in _BY_SIGNAL:
        return [_BY_SIGNAL[state, signal]]
    return []


class State:
    """The state of one connector, which begins as Available, and whether a fault lies over it."""

    def __init__(self) -> None:
        self._beneath = _AVAILABLE
        self._is_faulted = False

    @property
    def status(self) -> ChargePointStatus:
        """As it is seen."""
        return _FAULTED if self._is_faulted else self._beneath

    def take(self, signal: Signal) -> list[Transition]:
        """Follow a signal. Returns the transitions that are seen of it, none of those beneath a fault."""
        if signal is Signal.FAULT or signal is Signal.CLEARED:
            old = self.status
            self._is_faulted = signal is Signal.FAULT
            return [] if self.status is old else [_BY_STATES[old, self.status]]
        moves = route(self._beneath, signal)
        self._beneath = moves[-1].new if moves else self._beneath
        return [] if self._is_faulted else moves
