"""A charge point and a central system, the link between them, and their handlers, in virtual time.

:class:`Pair` is two sessions that exchange texts; :class:`ConnectionPair` two connections that exchange bytes, from the
handshake on. Both do for their machines what an adapter does, over a link that can be as bad as one likes. Several
pairs may share a clock, and a central system with its handlers.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from ocpp_sansio.application import CentralSystem
from ocpp_sansio.handlers import CentralSystemHandlers, ChargePointHandlers
from ocpp_sansio.limits import Limits
from ocpp_sansio.session import Direction, numbered_ids
from ocpp_sansio.version import Version

from .chance import Chance, chance_of
from .clock import VirtualClock
from .link import CALM, Conditions, Link
from .peer import ConnectionPeer, Peer, SessionPeer
from .side import CentralSystemSide, ChargePointSide, Side
from .trace import Trace

if TYPE_CHECKING:
    from ocpp_sansio.connection import ConnectionOptions

__all__ = ["AnyPair", "ConnectionPair", "Pair"]

D = TypeVar("D", bound=str | bytes)

_ARROWS: Final = {Direction.OUT: "→", Direction.IN: "←"}


class AnyPair(ABC, Generic[D]):
    """Either kind of pair: the two sides, the link, the time, and what has happened.

    Args:
        versions: those that both speak, by number, in the order of the charge point's preference.
        charge_point: the handlers of the charge point; if not given, it has none, until it is given some.
        central_system: the handlers of the central system, an application object perhaps. A vendor's ``actions`` that
            it has, the charge point has as well.
        conditions: how good the link is.
        seed: of the chance that decides when something goes wrong; or that chance itself.
        clock: the time; if not given, the pair has its own.
        identity: that of the charge point.
        limits: bounds on what each side can be made to hold or do. An application object has its own.
        client: further options of the charge point's connection, if there is to be one: its ``password`` perhaps.

    Raises:
        TypeError: the handlers of a side are not of its role.
        ValueError: the application leaves the stations of the version to a role, and no role is run here.
    """

    link: Link[D]
    """The newest link."""

    def __init__(
        self,
        *versions: Version | str,
        charge_point: ChargePointHandlers | None = None,
        central_system: CentralSystemHandlers | None = None,
        conditions: Conditions = CALM,
        seed: int | Chance = 0,
        clock: VirtualClock | None = None,
        identity: str = "CP1",
        limits: Limits | None = None,
        client: ConnectionOptions | None = None,
    ) -> None:
        self.versions: Final = Version.parse_all(versions or (Version.V16,))
        self.clock: Final = clock or VirtualClock()
        self.trace: Final = Trace(self.clock)
        """What has happened; ``print`` it."""
        self.conditions = conditions
        """Those of the next link. A link has its own, that can be changed as well."""
        self.seed: Final = seed
        self.limits: Final = limits or Limits()
        self._client: Final = client or {}
        world = self.clock, self.trace
        self.charge_point: Final = ChargePointSide(*world, charge_point or ChargePointHandlers(), identity)
        self.central_system: Final = CentralSystemSide(*world, central_system or CentralSystemHandlers(), identity)
        self.charge_point.other, self.central_system.other = self.central_system, self.charge_point
        self._chance: Final = chance_of(seed)
        self._numbers: Final = itertools.count(1)
        self.connect()

    @abstractmethod
    def _peers(self, number: int) -> tuple[Peer[D], Peer[D]]:
        """The two ends of a new connection over the link, the charge point's first."""

    def connect(self) -> None:
        """Have the charge point connect, over a new link. If it has a connection, it lets go of that."""
        self.dial()

    def dial(self) -> None:
        """The same, and do not wait for what comes of it."""
        self.charge_point.let_go()
        self.link = Link(self.clock, self.conditions, chance=self._chance, trace=self.trace)
        self.trace.note("link", "is new")
        charge_point, central_system = self._peers(next(self._numbers))
        self.central_system.take(central_system)
        self.charge_point.take(charge_point)

    @property
    def is_open(self) -> bool:
        """Whether both sides take the connection for open."""
        return all(side.is_open for side in (self.charge_point, self.central_system))

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way, and no CALL under way."""
        return self.link.is_quiet and self.charge_point.peer.is_idle and self.central_system.peer.is_idle

    def cut(self, told: Collection[Side[Any]] | None = None) -> None:
        """Cut the link, see :meth:`Link.cut`. For a side that is not told, it is half open."""
        self.link.cut(None if told is None else [side.peer.end for side in told])

    def step(self) -> bool:
        """Go on to what is to happen next, and have it happen. Returns whether there was anything."""
        return self.clock.step()

    def run(self, seconds: float) -> None:
        """Let time pass, with all that happens meanwhile."""
        self.clock.advance(seconds)

    def run_until_idle(self) -> None:
        """Go on until nothing is on its way, and no CALL under way."""
        while not self.is_idle and self.clock.step():
            pass

    def _options(self, side: Side[Any], number: int) -> dict[str, Any]:
        """What the machine of a side is made with."""
        prefix = "cp" if side is self.charge_point else "cs"
        return {"message_ids": numbered_ids(f"{prefix}{number}-"), "tap": partial(self._tap, str(side.role))}

    def _tap(self, who: str, direction: Direction, text: str, _now: float) -> None:
        self.trace.note(who, f"{_ARROWS[direction]} {text}")


class Pair(AnyPair[str]):
    """Two sessions, connected from the beginning, that exchange texts.

    Of several versions the first is spoken that the application speaks (RPC-011).

    Raises:
        ValueError: the application speaks none of the versions; or the conditions split bytes, or there are options for
            a connection, and there is none.
    """

    def _peers(self, number: int) -> tuple[Peer[str], Peer[str]]:
        if self.conditions.split:
            raise ValueError("texts are not split; the bytes of a ConnectionPair are")
        if self._client:
            raise ValueError("sessions have no options of a connection; a ConnectionPair has them")
        station, system, (near, far) = self.charge_point, self.central_system, self.link.ends
        terms = system.terms(system.chosen(self.versions) or self.versions[0], limits=self.limits)
        central_system = system.session(terms, **self._options(system, number))
        terms = station.terms(terms.version, limits=self.limits, actions=terms.actions)
        charge_point = station.session(terms, **self._options(station, number))
        return SessionPeer(station, charge_point, near), SessionPeer(system, central_system, far)

    def dial(self) -> None:
        """There is no handshake to wait for."""
        super().dial()
        for side in (self.central_system, self.charge_point):
            side.opened(side.peer)


class ConnectionPair(AnyPair[bytes]):
    """Two connections that exchange bytes: the handshake, in which the application decides, frames, pings.

    It is open from the beginning, unless the application or the link will not have it so.

    Raises:
        ValueError: the conditions lose or double what is sent; TCP does not.
    """

    def connect(self) -> None:
        """Have the charge point connect, and go on until the handshake is over, one way or the other."""
        super().connect()
        while not (self.is_open or self.charge_point.peer.closed) and self.clock.step():
            pass

    def _peers(self, number: int) -> tuple[Peer[bytes], Peer[bytes]]:
        if self.conditions.lose or self.conditions.duplicate:
            raise ValueError("TCP loses and doubles nothing; the texts of a Pair are lost and doubled")
        from ocpp_sansio.connection import CentralSystemConnection, ChargePointConnection  # noqa: PLC0415 - a lot to import

        station, system, (near, far) = self.charge_point, self.central_system, self.link.ends
        version = system.chosen(self.versions)
        if version is not None:  # else they do not come to terms, as in the field
            system.require_handlers(version)
        common: dict[str, Any] = {"versions": self.versions, "limits": self.limits}
        served = common | self._options(system, number)
        if isinstance(application := system.handlers, CentralSystem):
            names = ("versions", "limits", "actions", "tolerance", "no_match", "compression", "allow_origin")
            served |= {name: getattr(application, name) for name in names}
            common["actions"] = application.actions
        offered: dict[str, Any] = {**common, **self._options(station, number), **self._client}
        charge_point = ChargePointConnection("ws://localhost", station.identity, now=station.now, **offered)
        central_system = CentralSystemConnection(now=system.now, **served)
        return ConnectionPeer(station, charge_point, near), ConnectionPeer(system, central_system, far)
