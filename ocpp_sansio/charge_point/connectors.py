"""The connectors: what the hardware says of them, what others make of them, and the state that follows.

The host tells of cables, EVs and faults; other blocks tell of drivers and transactions; availability withdraws a
connector from service. Each is a signal to the matrix in ``status``; what comes out is made known here and, by
``reporting``, to the central system. Whether a transaction goes on is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from ocpp_sansio.diagnosis import validate
from ocpp_sansio.errors import LocalProtocolError
from ocpp_sansio.v16 import ChargePointErrorCode, ChargePointStatus, MessageTrigger

from .backbone import Accepted, Backbone, Block, ConnectorSetup, PlugChanged, StatusMoved, Trigger, Use
from .effects import StatusChanged
from .keys import STOP_TRANSACTION_ON_EV_SIDE_DISCONNECT
from .reporting import Condition, Reporter
from .status import Signal, State, Transition

__all__ = ["Connector", "ConnectorTable"]

EV_SIDE_DISCONNECTED: Final = "EV side disconnected"  # CP16-067, word for word


class Connector:
    """What is known of one connector, or of the charge point as connector 0."""

    def __init__(self, number: int, setup: ConnectorSetup) -> None:
        self._id: Final = number
        self._setup: Final = setup
        self.state: Final = State()
        self.is_ev_ready = False
        """Whether the EV takes energy when it is offered."""
        self.is_evse_ready = True
        """Whether the hardware could offer energy."""
        self.is_energy_allowed = True
        """Whether the transaction may have it."""
        self.in_transaction = False
        self.has_cable = False
        """Whether a cable is in, even if it leads to no EV any more."""
        self.is_cut_off = False
        """Whether the EV was disconnected in the midst of a transaction."""
        self.is_withdrawn = False
        """Whether it is out of service, or will be when it is free."""
        self._is_plugged = False

    @property
    def id(self) -> int:
        """1 and up; 0 for the charge point."""
        return self._id

    @property
    def setup(self) -> ConnectorSetup:
        """What its hardware is."""
        return self._setup

    @property
    def status(self) -> ChargePointStatus:
        """Its state now."""
        return self.state.status

    @property
    def is_plugged(self) -> bool:
        """Whether a cable joins it with an EV."""
        return self._is_plugged

    @property
    def is_operative(self) -> bool:
        """Whether it could be used, or is by a transaction: neither Unavailable nor Faulted, nor about to be."""
        return self.status not in _INOPERATIVE and (self.in_transaction or not self.is_withdrawn)

    @property
    def offer(self) -> Signal:
        """Who holds back in a transaction, if anyone. It is the EVSE's before it is the EV's (CP16-033, CP16-034)."""
        if not (self.is_evse_ready and self.is_energy_allowed):
            return Signal.EVSE_SUSPENDED
        return Signal.CHARGING if self.is_ev_ready else Signal.EV_SUSPENDED

    @property
    def info(self) -> str:
        """What is to be said of any state of it."""
        return EV_SIDE_DISCONNECTED if self.is_cut_off else ""

    def plug(self) -> None:
        """A cable joins it with an EV."""
        self._is_plugged = self.has_cable = True
        self.is_cut_off = False

    def cut_off(self) -> None:
        """The EV is gone in the midst of a transaction. A cable that was locked in is still there."""
        self._is_plugged = self.is_ev_ready = False
        self.has_cable = self._setup.has_lock and not self._setup.fixed_cable
        self.is_cut_off = True

    def clear(self) -> None:
        """There is no cable."""
        self._is_plugged = self.is_ev_ready = self.has_cable = self.is_cut_off = False


class ConnectorTable(Block):
    """All connectors, and the charge point as connector 0 (CP16-001, CP16-030)."""

    def __init__(self, core: Backbone) -> None:
        self._core: Final = core
        self._all: Final = {
            number: Connector(number, setup) for number, setup in enumerate((ConnectorSetup(), *core.setup.connectors))
        }
        self._reporter: Final = Reporter(core)
        core.gates.append(self._is_sound)
        for connector in self._all.values():
            self._reporter.note(connector.id, self._condition(connector.status))

    def hears(self) -> Mapping[type[Any], Callable[[Any], None]]:
        """When there is somebody to report to."""
        return {Accepted: lambda _: self._reporter.catch_up()}

    def triggers(self) -> Mapping[MessageTrigger, Trigger]:
        """StatusNotification, of one connector or the charge point, or of all (CP16-182, CP16-184)."""
        return {MessageTrigger.STATUS_NOTIFICATION: self._on_trigger}

    def _on_trigger(self, connector: int | None) -> Callable[[], None] | None:
        wanted = self._all if connector is None else (connector,)
        return partial(self._reporter.say, wanted) if connector is None or connector in self._all else None

    # -- for other blocks --

    def __getitem__(self, connector: int) -> Connector:
        """One of them. Raises :class:`KeyError` for a number there is none of."""
        if connector == 0:
            raise KeyError(connector)
        return self._all[connector]

    def ids(self) -> Iterable[int]:
        """1 to NumberOfConnectors."""
        return range(1, len(self._all))

    def use(self, connector: int) -> None:
        """Somebody means to use it: an idTag, a cable, a remote start (A2, F2, G2)."""
        self._use(self[connector])

    def release(self, connector: int) -> None:
        """Nobody does any more (B1, F1), as far as no cable says otherwise."""
        if not self[connector].has_cable:
            self._signal(self[connector], Signal.RELEASED)

    def time_out(self, connector: int) -> None:
        """Nothing came of it in time: Finishing with a cable in, Available without (B6, B1; CP16-03C)."""
        self._signal(self[connector], Signal.TIMED_OUT if self[connector].has_cable else Signal.RELEASED)

    def start(self, connector: int) -> None:
        """A transaction runs: until its end the state is whether the EV and the EVSE are ready (A3…A5, B3…B5)."""
        self[connector].in_transaction = True
        self._balance(self[connector])

    def allow_energy(self, connector: int, *, allowed: bool) -> None:
        """Whether the EVSE offers energy to the transaction: SuspendedEVSE if not (C5, E3; CP16-065)."""
        self[connector].is_energy_allowed = allowed
        self._balance(self[connector])

    def end(self, connector: int) -> None:
        """The transaction is over: Finishing with a cable in, else Available, or Unavailable (C1, C6, C8)."""
        ended = self[connector]
        ended.in_transaction, ended.is_energy_allowed = False, True
        if ended.has_cable:
            self._signal(ended, Signal.STOPPED)
        else:
            self._signal(ended, Signal.WITHDRAWN if ended.is_withdrawn else Signal.ENDED)
            ended.clear()

    def fail(self, connector: int, error_code: ChargePointErrorCode, info: str = "") -> None:
        """It cannot be used until the fault is cleared (A9…H9; CP16-039)."""
        self._fail(self[connector], self._condition(ChargePointStatus.FAULTED, error_code, info))

    def remark(self, connector: int, error_code: ChargePointErrorCode, info: str = "") -> None:
        """Report something about it, or about the charge point as 0, that does not keep it from working (CP16-036)."""
        self._remark(self._all[connector], self._condition(self._all[connector].status, error_code, info))

    def withdraw(self, connector: int) -> None:
        """Put it, or the charge point as 0, out of service: now, or after its transaction."""
        withdrawn = self._all[connector]
        withdrawn.is_withdrawn = True
        if not withdrawn.in_transaction:
            self._signal(withdrawn, Signal.WITHDRAWN)  # A8, F8, G8

    def reinstate(self, connector: int) -> None:
        """Put it, or the charge point as 0, back into service (H1, H2)."""
        reinstated = self._all[connector]
        reinstated.is_withdrawn = False
        self._signal(reinstated, Signal.RESTORED_IN_USE if reinstated.has_cable else Signal.RESTORED)

    # -- for the host --

    def plug_in(self, connector: int) -> None:
        """A cable joins the connector with an EV."""
        plugged = self._hosted(connector)
        if not plugged.is_plugged:
            plugged.plug()
            self._use(plugged)
            self._core.publish(PlugChanged(plugged))

    def unplug(self, connector: int) -> None:
        """The EV is disconnected, or the cable has been pulled out altogether.

        A cable with a lock that comes off the EV in a transaction is still in: this is called again when it is not.
        """
        unplugged = self._hosted(connector)
        was_plugged = unplugged.is_plugged
        if was_plugged and unplugged.in_transaction:
            self._cut_off(unplugged)
        elif unplugged.has_cable:
            unplugged.clear()
            if not unplugged.in_transaction:
                self._signal(unplugged, Signal.WITHDRAWN if unplugged.is_withdrawn else Signal.RELEASED)
            if was_plugged:
                self._core.publish(PlugChanged(unplugged))

    def ev_ready(self, connector: int) -> None:
        """The EV takes energy, or would if it were offered."""
        self._hosted(connector).is_ev_ready = True
        self._balance(self._all[connector])

    def ev_not_ready(self, connector: int) -> None:
        """The EV takes no energy."""
        self._hosted(connector).is_ev_ready = False
        self._balance(self._all[connector])

    def evse_ready(self, connector: int) -> None:
        """The hardware could offer energy. That is what is assumed at first."""
        self._hosted(connector).is_evse_ready = True
        self._balance(self._all[connector])

    def evse_not_ready(self, connector: int) -> None:
        """The hardware cannot offer energy for a while."""
        self._hosted(connector).is_evse_ready = False
        self._balance(self._all[connector])

    def fault(
        self,
        connector: int,
        error_code: ChargePointErrorCode,
        info: str = "",
        vendor_id: str | None = None,
        vendor_error_code: str | None = None,
    ) -> None:
        """The connector, or the charge point as 0, cannot be used until ``fault_cleared``; or can still not be.

        What is under way elsewhere than on the connector goes on: with 0, nobody begins anything new.
        """
        _require_detail(error_code, vendor_error_code)
        condition = self._condition(ChargePointStatus.FAULTED, error_code, info, vendor_id, vendor_error_code)
        self._fail(self._hosted(connector, least=0), condition)

    def fault_cleared(self, connector: int) -> None:
        """Nothing is wrong with the connector, or the charge point as 0: neither a fault nor a warning (I1…I8)."""
        cleared = self._hosted(connector, least=0)
        if not self._signal(cleared, Signal.CLEARED):
            self._remark(cleared, self._condition(cleared.status, info=cleared.info))

    def warn(
        self,
        connector: int,
        error_code: ChargePointErrorCode,
        info: str = "",
        vendor_id: str | None = None,
        vendor_error_code: str | None = None,
    ) -> None:
        """Something is wrong that does not keep the connector, or the charge point as 0, from working (CP16-036).

        It holds until the next status, the next warning, or ``fault_cleared``. It says nothing beside a fault.
        """
        warned = self._hosted(connector, least=0)
        _require_detail(error_code, vendor_error_code)
        self._remark(warned, self._condition(warned.status, error_code, info, vendor_id, vendor_error_code))

    # -- how it is done --

    def _hosted(self, connector: int, least: int = 1) -> Connector:
        if not least <= connector < len(self._all):
            raise LocalProtocolError(f"there is no connector {connector} for this")
        return self._all[connector]

    def _use(self, connector: Connector) -> None:
        if not connector.is_withdrawn:  # what waits to be Unavailable begins nothing new
            self._signal(connector, Signal.USED)

    def _balance(self, connector: Connector) -> None:
        if connector.in_transaction:
            self._signal(connector, connector.offer)

    def _cut_off(self, connector: Connector) -> None:
        connector.cut_off()
        self._core.publish(PlugChanged(connector))
        ends = self._core.settings.get(STOP_TRANSACTION_ON_EV_SIDE_DISCONNECT)
        if connector.in_transaction and not ends and not self._signal(connector, connector.offer):  # CP16-067
            self._remark(connector, self._condition(connector.status, info=connector.info))

    def _fail(self, connector: Connector, condition: Condition) -> None:
        if condition.error_code is ChargePointErrorCode.NO_ERROR:
            raise LocalProtocolError("a fault has an error code")
        if not self._signal(connector, Signal.FAULT, condition):
            self._note(connector, condition)

    def _remark(self, connector: Connector, condition: Condition) -> None:
        if connector.status is not ChargePointStatus.FAULTED:
            self._note(connector, condition)

    def _signal(self, connector: Connector, signal: Signal, condition: Condition | None = None) -> list[Transition]:
        """Returns what is seen of it. Others hear of it when all of it has happened: they may do something about it."""
        moves = connector.state.take(signal)
        for move in moves:
            self._note(connector, condition or self._condition(move.new, info=connector.info))
        if connector.id:
            for move in moves:
                self._core.publish(StatusMoved(connector, move.old, move.new))
        return moves

    def _is_sound(self, _: Use) -> bool:
        """Nobody begins anything while the charge point itself is Faulted (CP16-030)."""
        return self._all[0].status is not ChargePointStatus.FAULTED

    def _note(self, connector: Connector, condition: Condition) -> None:
        """Make it known, if it is news."""
        if self._reporter.note(connector.id, condition):
            self._core.machine.emit(StatusChanged(connector.id, condition.status, condition.error_code))

    def _condition(
        self,
        status: ChargePointStatus,
        error_code: ChargePointErrorCode = ChargePointErrorCode.NO_ERROR,
        info: str = "",
        vendor_id: str | None = None,
        vendor_error_code: str | None = None,
    ) -> Condition:
        """Raises :class:`LocalProtocolError` for what must not be said."""
        if error_code is ChargePointErrorCode.EV_COMMUNICATION_ERROR and status not in _WITH_EV:  # CP16-036
            raise LocalProtocolError(f"there is no EVCommunicationError with {status}")
        since = self._core.moment()
        condition = Condition(status, since, error_code, info or None, vendor_id, vendor_error_code)
        validate(condition.request(0, since))
        return condition


def _require_detail(error_code: ChargePointErrorCode, vendor_error_code: str | None) -> None:
    if error_code is ChargePointErrorCode.OTHER_ERROR and not vendor_error_code:  # CP16-036
        raise LocalProtocolError("OtherError goes with a vendor_error_code")


_INOPERATIVE: Final = frozenset((ChargePointStatus.UNAVAILABLE, ChargePointStatus.FAULTED))
_WITH_EV: Final = frozenset(
    (
        ChargePointStatus.PREPARING,
        ChargePointStatus.SUSPENDED_EV,
        ChargePointStatus.SUSPENDED_EVSE,
        ChargePointStatus.FINISHING,
    )
)
