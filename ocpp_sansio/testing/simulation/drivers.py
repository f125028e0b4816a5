"""Drivers: who comes when, with which card and which intentions, and what they do when it does not work at first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Enum, auto, unique
from typing import Final

import attrs

from ocpp_sansio.v16 import (
    Reason,
    RemoteStartTransactionRequest,
    RemoteStopTransactionRequest,
    UnlockConnectorRequest,
)

from .central import BLOCKED, IDENTITY, WELCOME, CentralProcess
from .station import Site, StationProcess
from .trouble import Dice

__all__ = ["Beginning", "Driver", "Ending", "Visit"]

PATIENCE: Final = 100
"""After so many attempts to end a charge nothing goes wrong any more; after as many again it counts as endless."""

Pauses = Iterator[float]
"""A script: it yields how many seconds pass before it goes on."""


@unique
class Beginning(Enum):
    """How somebody begins to charge."""

    CABLE_FIRST = auto()
    CARD_FIRST = auto()
    REMOTE = auto()


@unique
class Ending(Enum):
    """How somebody ends it."""

    CARD = auto()
    BUTTON = auto()
    UNPLUG = auto()
    REMOTE = auto()
    UNLOCK = auto()


@attrs.frozen
class Visit:
    """What somebody comes for."""

    id_tag: str
    pause: float
    """Seconds that the connector is free before."""
    beginning: Beginning
    duration: float
    """Seconds that the EV takes energy, at most."""
    ending: Ending

    @classmethod
    def of(cls, dice: Dice) -> Visit:
        """Anybody's."""
        return cls(
            id_tag=BLOCKED if dice.happens(0.05) else dice.choice(WELCOME),
            pause=dice.between(5, 120),
            beginning=dice.choice(tuple(Beginning)),
            duration=dice.between(10, 300),
            ending=dice.choice(tuple(Ending)),
        )


class _NeverEndsError(Exception):
    """A charge that is on record does not end, whatever is done."""


class Driver:
    """Whoever comes to one connector, one after the other."""

    def __init__(
        self,
        site: Site,
        connector: int,
        station: Callable[[], StationProcess | None],
        central: Callable[[], CentralProcess | None],
    ) -> None:
        self._site: Final = site
        self._world: Final = site.world
        self._connector: Final = connector
        self._socket: Final = site.sockets[connector]
        self._station: Final = station
        self._central: Final = central

    @property
    def _is_charging(self) -> bool:
        return self._connector in self._site.current

    def come(self, visits: Iterable[Visit]) -> Pauses:
        """Come one after the other. After one who cannot leave there is nobody."""
        try:
            for visit in visits:
                yield from self._visit(visit)
        except _NeverEndsError as error:
            self._world.findings.append(str(error))

    def _visit(self, visit: Visit) -> Pauses:
        """Come, charge, go."""
        yield visit.pause
        self._site.visitors[self._connector].append(visit.id_tag)
        for _ in range(5):
            yield from self._try_to_begin(visit)
            if self._is_charging:
                break
            yield from self._leave(visit)  # a cable that nobody showed a card for in time is worth nothing (B6)
            yield 30
        if self._is_charging:
            self._world.figures["sessions"] += 1
            self._set(is_taking=True)
            self._tell("ev_ready")
            yield visit.duration
        yield from self._leave(visit)

    def _try_to_begin(self, visit: Visit) -> Pauses:
        self._begin(visit)
        if visit.beginning is Beginning.CARD_FIRST:
            yield self._world.dice.between(1, 8)
        self._set(is_plugged=True)
        self._tell("plug_in")
        for _ in range(4):
            yield self._world.dice.between(4, 12)
            if self._is_charging:
                return
            self._present(visit)

    def _begin(self, visit: Visit) -> None:
        central = self._central()
        if visit.beginning is Beginning.REMOTE and central is not None:
            central.ask(RemoteStartTransactionRequest(id_tag=visit.id_tag, connector_id=self._connector))
        elif visit.beginning is Beginning.CARD_FIRST:
            self._present(visit)

    def _end(self, visit: Visit) -> Pauses:
        ending, begun = visit.ending, self._world.now
        for attempt in range(2 * PATIENCE):
            if not self._is_charging:
                return
            if attempt == PATIENCE:
                self._world.is_calm = True
            self._stop(visit, ending)
            yield self._world.dice.between(5, 15)
            ending = Ending.CARD  # which always works in the end
        charge, tried = self._site.current[self._connector], self._world.now - begun
        raise _NeverEndsError(f"does not come to rest: for {tried:.0f} s somebody has tried to end {charge}")

    def _stop(self, visit: Visit, ending: Ending) -> None:
        central = self._central()
        match ending:
            case Ending.BUTTON:
                self._tell("stop", Reason.EMERGENCY_STOP)
            case Ending.UNPLUG:
                self._set(is_plugged=False, is_taking=False)
                self._tell("unplug")
            case Ending.REMOTE if central is not None:
                running = central.role.ledger.running(IDENTITY, self._connector)
                if running is not None:
                    central.ask(RemoteStopTransactionRequest(transaction_id=running.transaction_id))
            case Ending.UNLOCK if central is not None:
                central.ask(UnlockConnectorRequest(connector_id=self._connector))
            case _:
                self._present(visit)

    def _leave(self, visit: Visit) -> Pauses:
        """Take the cable out; if it is kept, show the card for it first (CP16-065)."""
        yield from self._end(visit)
        if visit.id_tag == BLOCKED:
            self._present(visit)
            yield 3
        self._set(is_plugged=False, is_taking=False)
        self._tell("unplug")
        self._tell("unplug")

    def _present(self, visit: Visit) -> None:
        station = self._station()
        if station is not None:
            station.note_stop(self._connector)
            station.do("present", visit.id_tag, self._connector)

    def _set(self, **what: bool) -> None:
        self._socket.change(self._world.now, **what)

    def _tell(self, verb: str, *args: object) -> None:
        """Have the host tell the charge point, if it is up."""
        station = self._station()
        if station is not None:
            station.note_stop(self._connector)
            station.do(verb, self._connector, *args)
