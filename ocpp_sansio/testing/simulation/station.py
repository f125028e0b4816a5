"""The charge point in the world: its hardware, its host, and who takes note of what really happens there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Final

import attrs

from ocpp_sansio.charge_point import ChargePoint, ConnectorSetup, Setup
from ocpp_sansio.charge_point.effects import (
    DeadLetter,
    LockConnector,
    MeterValuesThinned,
    Reboot,
    RecordQuarantined,
    StartEnergy,
    StopEnergy,
    TakeReading,
    TransactionBegan,
    TransactionEnded,
    UnlockConnector,
)
from ocpp_sansio.events import CallSucceeded, Event
from ocpp_sansio.store import Put
from ocpp_sansio.v16 import (
    BootNotificationRequest,
    BootNotificationResponse,
    HeartbeatResponse,
    ReadingContext,
)

from .truth import EPOCH, Boot, Charge, Instant
from .world import End, Node, Process, World

__all__ = ["MakeStation", "Site", "Socket", "StationProcess"]

MakeStation = Callable[..., ChargePoint]
"""Makes a charge point, as :class:`ChargePoint` does."""

BOOT: Final = BootNotificationRequest(charge_point_vendor="Vendor", charge_point_model="Model")
CLOCKS: Final = (0.0, 0.0, 3600.0, -3600.0, -1.7e9, -5.0e8, 1.0e8)
"""By how much its own clock may be ahead at boot: it may have begun at 1970, or at 2010."""
SETTINGS: Final = {
    "AllowOfflineTxForUnknownId": "true",
    "TransactionMessageAttempts": "1000000",
    "TransactionMessageRetryInterval": "1",
    "StopTxnSampledData": "Energy.Active.Import.Register",
}
"""What is not as it comes. Nothing is given up: that all is delivered is what is to be proved."""


@attrs.define(eq=False)
class Socket:
    """The hardware of one connector: what flows is what the contactor, the cable and the EV let flow."""

    connector: int
    power: float
    """W."""
    _energy: float = 0.0
    _since: float = 0.0
    is_plugged: bool = False
    is_taking: bool = False
    is_closed: bool = False
    """Whether the contactor is."""

    def change(self, now: float, **what: bool) -> None:
        """Something about it is different from now on."""
        if self.is_plugged and self.is_taking and self.is_closed:
            self._energy += self.power * (now - self._since) / 3600
        self._since = now
        for name, value in what.items():
            setattr(self, name, value)

    def register(self, now: float) -> int:
        """Wh that have ever flowed."""
        self.change(now)
        return int(self._energy)


class Site:
    """What outlives the boots of the charge point: its hardware, and the truth."""

    def __init__(self, world: World, setup: Setup, make: MakeStation) -> None:
        self.world: Final = world
        self.setup: Final = setup
        self.make: Final = make
        self.sockets: Final = {
            number: Socket(number, world.dice.choice((3_700.0, 11_000.0, 22_000.0)), 1_000.0 * number)
            for number in range(1, len(setup.connectors) + 1)
        }
        self.visitors: Final = {number: deque[str](maxlen=2) for number in self.sockets}
        """Whose idTags may begin something at each connector: a remote start may come when the next is there."""
        self.latest: Final[dict[int, Charge]] = {}
        """Who charges at each connector, or is about to, or did last."""
        self.current: Final[dict[int, Charge]] = {}
        """Those of them that are on record, and whose end is not."""
        self.charges: Final[list[Charge]] = []
        """All that ever were on record, in that order."""

    # -- what happens --

    def note_stop(self, connector: int, instant: Instant) -> None:
        """Something happens that may be meant to stop a charge, or does."""
        charge = self.latest.get(connector)
        if charge is not None and not charge.is_over:
            charge.stops.append(instant)

    def note_reading(self, effect: TakeReading, asked: Instant, given: Instant) -> int:
        """The meter is read."""
        connector = effect.connector
        register = self.sockets[connector].register(self.world.now)
        if effect.context is ReadingContext.TRANSACTION_BEGIN:
            self.latest[connector] = Charge(connector, "", register, given, [(register, given)])
        elif not (charge := self.latest[connector]).is_over:
            charge.readings.append((register, asked))
            if effect.context is ReadingContext.TRANSACTION_END:
                charge.last = register
            elif charge.last is None:
                charge.samples += 1
        return register

    def cut_short(self) -> None:
        """The power goes."""
        for charge in self.latest.values():
            charge.is_cut_short = charge.is_cut_short or not charge.is_over

    # -- what is on record --

    def begin(self, effect: TransactionBegan) -> None:
        """A transaction is on record."""
        charge = self.latest[effect.connector]
        if effect.connector in self.current:
            self.world.findings.append(f"{charge} begins before {self.current[effect.connector]} is over")
        if effect.id_tag not in self.visitors[effect.connector] or effect.meter_start != charge.meter_start:
            self.world.findings.append(f"{charge} begins as {effect}")
        charge.id_tag = effect.id_tag
        self.charges.append(charge)
        self.current[effect.connector] = charge

    def end(self, effect: TransactionEnded) -> None:
        """Its end is."""
        charge = self.current.pop(effect.connector, None)
        if charge is None:
            self.world.findings.append(f"what never began has ended: {effect}")
        else:
            charge.is_over = True
            if self.sockets[effect.connector].is_closed:
                self.world.findings.append(f"{charge} is over, and energy is still offered")


def two_connectors(*, resumes: bool) -> Setup:
    """One with a lock, one with a fixed cable."""
    return Setup(
        BOOT,
        connectors=(ConnectorSetup(), ConnectorSetup(has_lock=False, fixed_cable=True)),
        resume_after_power_loss=resumes,
        boot_retry=10.0,
        reset_patience=10.0,
    )


class StationProcess(Process[ChargePoint]):
    """One life of the charge point, and its host."""

    def __init__(
        self, world: World, node: Node, site: Site, records: Iterable[Put], connect: Callable[[], bool]
    ) -> None:
        super().__init__(world, node)
        self.site: Final = site
        self._connect: Final = connect
        self.boot: Final = Boot(world.dice.choice(CLOCKS))
        self.role = site.make(
            site.setup,
            now=self.now,
            utc=EPOCH + timedelta(seconds=world.now + self.boot.wrong_by),
            records=records,
        )

    def begin(self) -> None:
        """What a host does once there is a charge point: set it up, say which cables are in, look for a link."""
        for name, value in SETTINGS.items():
            if not self.is_dead and self.role.setting(name) != value:
                self.do("configure", name, value)
        for socket in self.site.sockets.values():
            if socket.is_plugged:
                self.do("plug_in", socket.connector)
                if socket.is_taking:
                    self.do("ev_ready", socket.connector)
        self._look_for_link()

    def _look_for_link(self) -> None:
        self.world.after(self.world.dice.between(1, 30), self._try_link)

    def _try_link(self) -> None:
        if not self.is_dead and not self._connect():
            self._look_for_link()

    def do(self, verb: str, *args: Any) -> None:
        """What the host has to say."""
        self.step(lambda: getattr(self.role, verb)(*args, now=self.now))

    def instant(self) -> Instant:
        """The time."""
        return Instant(self.boot, self.world.now)

    # -- the link --

    def link_up(self, end: End) -> None:
        """Tell the role that there is a link."""
        self.role.link_up(end.session, now=self.now)

    def link_down(self, _end: End, /) -> None:
        """Tell the role that there is none."""
        self.role.link_down(now=self.now)

    def hear(self, _end: End, event: Event, /) -> None:
        """Tell the role, and take note of what it is told about the time."""
        if isinstance(event, CallSucceeded):
            response: Any = event.response
            if isinstance(response, BootNotificationResponse | HeartbeatResponse):
                ahead = (response.current_time - EPOCH).total_seconds() - self.world.now
                self.boot.told.append((self.world.now, ahead))
        for connector in self.site.sockets:  # it may be what stops a charge
            self.note_stop(connector)
        self.role.receive_event(event, now=self.now)

    def peer_is_lost(self) -> None:
        """Look for another link."""
        self._look_for_link()

    # -- what the role wants done, and tells --

    def act(self, effect: Any) -> None:
        """Do it, in the time that hardware takes."""
        world, soon = self.world, self.world.dice.between(0.05, 1)
        match effect:
            case StartEnergy(connector=connector):
                if connector not in self.site.current:
                    world.findings.append(
                        f"energy is offered at connector {connector}, and nothing is on record (D-01)"
                    )
                self.site.sockets[connector].change(world.now, is_closed=True)
            case StopEnergy(connector=connector):
                self._stop_energy(connector)
            case TakeReading():
                asked = self.instant()
                world.after(soon, lambda: self._read(effect, asked))
            case LockConnector(connector=connector):
                world.after(soon, lambda: self.do("locked", connector, True))
            case UnlockConnector(connector=connector):
                world.after(soon, lambda: self.do("unlocked", connector, True))
            case Reboot():
                world.after(soon, self._reboot)
            case DeadLetter() | MeterValuesThinned() | RecordQuarantined():
                world.findings.append(f"something was given up: {effect}")
            case _:
                self.witness(effect)

    def witness(self, effect: Any) -> None:
        """Take note of what is on record."""
        match effect:
            case TransactionBegan():
                self.site.begin(effect)
            case TransactionEnded():
                self.site.end(effect)
            case _:
                pass

    def _stop_energy(self, connector: int) -> None:
        self.site.sockets[connector].change(self.world.now, is_closed=False)
        self.note_stop(connector)

    def note_stop(self, connector: int) -> None:
        """Something happens that may be meant to stop a charge."""
        self.site.note_stop(connector, self.instant())

    def _read(self, effect: TakeReading, asked: Instant) -> None:
        if not self.is_dead:
            register = self.site.note_reading(effect, asked, self.instant())
            self.do("reading", effect.ticket, (), register)

    def _reboot(self) -> None:
        if not self.is_dead:
            self.world.kill(self.node)

    def die(self) -> None:
        """Without it nothing flows."""
        super().die()
        self.boot.is_over = True
        self.site.cut_short()
        for socket in self.site.sockets.values():
            socket.change(self.world.now, is_closed=False)
