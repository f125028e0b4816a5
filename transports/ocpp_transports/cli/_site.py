"""A charge point of OCPP 1.6 with its hardware: one connector, a lock that works, a meter, and whoever comes to charge.

What happens there is told by a scenario, a line for each thing::

    plug_in                    a cable joins the connector with an EV
    unplug                     it does no more
    ev_ready, ev_not_ready     the EV takes energy, or does not
    present ID_TAG             somebody presents an idTag
    stop                       somebody pushes the button
    fault CODE, fault_cleared  the connector breaks, and is mended
    charge WH                  so much energy flows, if any may
    configure KEY VALUE        a configuration key is set on site
    cut, mend                  the line to the central system breaks, and is mended
    power_loss                 the power goes, and with it whatever is not in the store; then it is back
    wait SECONDS               nothing happens
    until CONDITION            nothing happens until this holds: accepted, energy, no_energy, delivered

Anything after ``#`` is a remark.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from ocpp_sansio import LocalProtocolError
from ocpp_sansio.charge_point import ChargePoint, Setup
from ocpp_sansio.charge_point.effects import (
    LockConnector,
    Reboot,
    StartEnergy,
    StopEnergy,
    TakeReading,
    TransactionBegan,
    TransactionEnded,
    UnlockConnector,
)
from ocpp_sansio.store import Store
from ocpp_sansio.v16 import BootNotificationRequest, ChargePointErrorCode, RegistrationStatus

from ._relay import Relay
from ._story import AGES, Story, Wait

__all__ = ["Charged", "Site", "lines_of"]

SETUP: Final = Setup(
    BootNotificationRequest(charge_point_vendor="ocpp-sansio", charge_point_model="scenario"),
    boot_retry=1.0,
)
CONNECTOR: Final = 1
REBOOT: Final = 0.1
"""Seconds."""
TICK: Final = 0.05
"""Seconds between two looks for another line."""


@attrs.frozen
class Charged:
    """What somebody charged: what a ledger has to come to."""

    id_tag: str
    meter_start: int
    """Wh."""
    meter_stop: int
    """Wh."""
    reason: str


class Site:
    """The hardware, which outlives boots, and what the charge point there is doing.

    Args:
        store: where the charge point keeps its records.
        lines: the scenario; an empty one says that there is nothing to do yet.
        relay: what carries its connection.
        show: told of every effect, and of every line of the scenario.
        asks_again: whether what cannot be done is shown, and not the end: whoever types may mistype.
    """

    def __init__(
        self,
        store: Store,
        lines: Iterator[str],
        relay: Relay,
        show: Callable[[object], object],
        *,
        asks_again: bool = False,
    ) -> None:
        self.store: Final = store
        self.charged: Final[list[Charged]] = []
        self._lines: Final = lines
        self._relay: Final = relay
        self._show: Final = show
        self._asks_again: Final = asks_again
        self._register = 1000
        self._is_offered = False
        self._begun: TransactionBegan | None = None
        self._reboots = False

    def boot(self) -> ChargePoint:
        """The power is on: a new charge point, from what the store has."""
        self._is_offered = self._reboots = False
        self.point = ChargePoint(SETUP, now=time.monotonic(), utc=datetime.now(UTC), records=self.store.load())
        return self.point

    # -- the hardware --

    def act(self, running: Any, effect: object) -> None:
        """Do what the charge point wants done."""
        self._show(effect)
        match effect:
            case LockConnector(connector=connector):
                running.do(self.point.locked, connector, True)
            case UnlockConnector(connector=connector):
                running.do(self.point.unlocked, connector, True)
            case TakeReading(ticket=ticket):
                running.do(self.point.reading, ticket, [], self._register)
            case StartEnergy():
                self._is_offered = True
            case StopEnergy():
                self._is_offered = False
            case TransactionBegan():
                self._begun = effect
            case TransactionEnded() if self._begun is not None:  # otherwise it began before this process
                self.charged.append(
                    Charged(effect.id_tag, self._begun.meter_start, effect.meter_stop, effect.reason.value)
                )
            case Reboot():
                self._reboots = True
            case _:
                pass

    # -- the scenario --

    def live(self, running: Any) -> Story[bool]:
        """What happens until the power goes; whether it comes back.

        Raises:
            ValueError: a line cannot be understood.
            LocalProtocolError: what it says cannot happen now.
            TimeoutError: what it waits for does not come about.
        """
        while True:
            if self._reboots:
                yield Wait(REBOOT)
                return True
            line = next(self._lines, None)
            if line is None:
                return False
            if not line:
                yield Wait(TICK)
                continue
            self._show(line)
            if line == "power_loss":
                return True
            try:
                yield from self._obey(running, line)
            except (LocalProtocolError, TimeoutError, ValueError) as error:
                if not self._asks_again:
                    raise
                self._show(str(error))

    def _obey(self, running: Any, line: str) -> Story[None]:
        verb, *arguments = line.split()
        try:
            yield from self._perform(running, verb, arguments)
        except KeyError as error:
            raise ValueError(f"{line!r} is no line of a scenario") from error
        except ValueError as error:
            raise ValueError(f"{line!r}: {error}") from error

    def _perform(self, running: Any, verb: str, arguments: list[str]) -> Story[None]:
        point = self.point
        match verb, arguments:
            case (("plug_in" | "unplug" | "ev_ready" | "ev_not_ready" | "fault_cleared" | "stop"), []):
                running.do(getattr(point, verb), CONNECTOR)
            case "present", [id_tag]:
                running.do(point.present, id_tag, CONNECTOR)
            case "fault", [code]:
                running.do(point.fault, CONNECTOR, ChargePointErrorCode(code))
            case "configure", [key, value]:
                running.do(point.configure, key, value)
            case "charge", [energy]:
                self._register += int(energy) * self._is_offered
            case (("cut" | "mend"), []):
                getattr(self._relay, verb)()
            case "wait", [seconds]:
                yield Wait(float(seconds))
            case "until", [condition]:
                holds = self._conditions()[condition]
                yield Wait(AGES, until=holds)
                if not holds():
                    raise TimeoutError(f"it has not come to {condition!r} within {AGES:g} seconds")
            case _:
                raise KeyError(verb)

    def _conditions(self) -> dict[str, Callable[[], bool]]:
        return {
            "accepted": lambda: self.point.registration is RegistrationStatus.ACCEPTED,
            "energy": lambda: self._is_offered,
            "no_energy": lambda: not self._is_offered,
            "delivered": lambda: self.point.is_delivered,
        }


def lines_of(text: str) -> Iterator[str]:
    """The lines of a scenario that say something."""
    for line in text.splitlines():
        said = line.partition("#")[0].strip()
        if said:
            yield said
