"""One link between two processes, in virtual time: who lives, what is on its way, what is due, where trouble strikes.

A process is one life of a role: made from what its store has kept, driven as the role's driver has to, thrown away when
it dies. Texts travel through real sessions. Nothing here knows what a role is about.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, Final, Generic, Protocol, TypeVar

from ocpp_sansio.events import Event
from ocpp_sansio.session import CentralSystemSession, ChargePointSession
from ocpp_sansio.store import Persist, Put, Store, StoreError
from ocpp_sansio.testing.clock import VirtualClock
from ocpp_sansio.testing.link import Conditions, Link, LinkEnd

from .trouble import Dice, Point, Strike, Trouble, Troubles

__all__ = ["AnySession", "End", "Node", "Process", "Role", "World"]


R = TypeVar("R", bound="Role")
AnySession = ChargePointSession | CentralSystemSession


class Role(Protocol):
    """What a driver needs of either role."""

    def next_event(self) -> Any:
        """The next thing to act on."""
        ...

    def next_timeout(self) -> float | None:
        """When ``handle_timeout`` wants to be called."""
        ...

    def handle_timeout(self, *, now: float) -> None:
        """Let time pass."""
        ...

    def persisted(self, *, now: float) -> None:
        """The batch is durable."""
        ...

    def persist_failed(self, error: Exception, *, now: float) -> None:
        """It is not."""
        ...


class End:
    """One side of one link. It may be there for a while after the link is gone, and not know."""

    def __init__(self, session: AnySession, send: Callable[[str], None]) -> None:
        self.session: Final = session
        self._send: Final = send

    def flush(self) -> None:
        """Send what there is to send."""
        for text in self.session.data_to_send():
            self._send(text)


class Process(ABC, Generic[R]):
    """One life of a role."""

    role: R

    def __init__(self, world: World, node: Node) -> None:
        self.world: Final = world
        self.node: Final = node
        self.base: Final = float(int(world.now))
        """What its monotonic clock counts from."""
        self.end: End | None = None
        self.is_dead = False
        self._deadline: float | None = None
        """When something is due, as long as nothing has happened since that was found out."""
        self._knows_not = False
        """Whether the store has kept a batch, and the role has not been told."""

    @abstractmethod
    def act(self, effect: Any) -> None:
        """Do what the role wants done."""

    @abstractmethod
    def link_up(self, end: End, /) -> None:
        """Tell the role that there is a link."""

    @abstractmethod
    def link_down(self, end: End, /) -> None:
        """Tell the role that there is none."""

    @abstractmethod
    def hear(self, end: End, event: Event, /) -> None:
        """Tell the role of an event of the session."""

    def peer_is_lost(self) -> None:
        """The link is gone, and that has been noticed."""

    def witness(self, effect: Any) -> None:
        """Take note of what the role would have said had it lived: it was on record."""

    @property
    def now(self) -> float:
        """The time, as this life counts it."""
        return self.world.now - self.base

    @property
    def deadline(self) -> float:
        """When something is due, as the world counts it."""
        if self._deadline is None:
            self._deadline = self._due + self.base
        return self._deadline

    @property
    def _due(self) -> float:
        due = self.role.next_timeout()
        end = math.inf if self.end is None else self.end.session.deadline
        return min(math.inf if due is None else due, end)

    # -- the run loop of a driver --

    def step(self, mutate: Callable[[], object]) -> None:
        """One mutation, and everything that follows from it."""
        self._deadline = None
        if not self.is_dead:
            mutate()
            self._drain()
            self._flush()

    def _drain(self) -> None:
        while not self.is_dead and (effect := self.role.next_event()) is not None:
            if isinstance(effect, Persist):
                self._keep(effect)
            else:
                self.act(effect)

    def _flush(self) -> None:
        if self.end is not None and not self.is_dead:
            self.end.flush()

    def wake(self) -> None:
        """Do what is due."""
        now = max(self.now, self._due)  # which need not be the same after it went through the world's count
        if self.end is not None:
            self.end.session.handle_timeout(now=now)
            self._feed(self.end)
        self.step(lambda: self.role.handle_timeout(now=now))

    # -- the link --

    def connect(self, end: End) -> None:
        """There is a link."""
        self.end = end
        self.step(lambda: self.link_up(end))

    def receive(self, end: End, text: str) -> None:
        """A text has come."""
        end.session.receive_data(text, now=self.now)
        self._feed(end)

    def notice_loss(self, end: End) -> None:
        """The link is gone, and that is noticed."""
        if not self.is_dead:
            end.session.connection_lost(now=self.now)
            self._feed(end)
            if self.end is end:
                self.end = None
            self.step(lambda: self.link_down(end))
            self.peer_is_lost()

    def _feed(self, end: End) -> None:
        self._deadline = None
        while not self.is_dead and (event := end.session.next_event()) is not None:
            self.step(lambda event=event: self.hear(end, event))  # type: ignore[misc]
        self._flush()

    # -- the store --

    def _keep(self, batch: Persist) -> None:
        node = self.node
        trouble = self.world.strike(node.keeps)
        if trouble is Trouble.FAILS or self.world.now < node.fails_until:
            self._fail(StoreError("no room"))
        elif trouble is Trouble.DIES_BEFORE:
            self.world.kill(node)
        elif trouble is Trouble.LATE:
            self.world.after(self.world.dice.between(0.01, 5), lambda: self.step(lambda: self._keep_late(batch)))
        elif self._commit(batch):
            if trouble is Trouble.DIES_AFTER:
                self.world.kill(node)
            elif trouble is Trouble.LATE_NEWS:
                self.world.after(self.world.dice.between(0.01, 5), lambda: self.step(self._tell))
            else:
                self._tell()

    def _keep_late(self, batch: Persist) -> None:
        if self._commit(batch):
            self._tell()

    def _commit(self, batch: Persist) -> bool:
        try:
            self.node.store.commit(batch.changes)
        except StoreError as error:
            self._fail(error)
            return False
        self._knows_not = True
        return True

    def _fail(self, error: StoreError) -> None:
        self.world.figures["failed batches"] += 1
        self.role.persist_failed(error, now=self.now)

    def _tell(self) -> None:
        self._knows_not = False
        self.role.persisted(now=self.now)

    def die(self) -> None:
        """It is over: nothing that was not kept is known to anyone."""
        self.is_dead = True
        if self._knows_not:
            self._tell()
            while (effect := self.role.next_event()) is not None and not isinstance(effect, Persist):
                self.witness(effect)


class Node:
    """What outlives the process of one role: its store, and the way to begin anew."""

    def __init__(self, store: Store, keeps: Point, boot: Callable[[], Process[Any]]) -> None:
        self.store: Final = store
        self.keeps: Final = keeps
        self.fails_until = 0.0
        self._boot: Final = boot
        self.process: Process[Any] | None = None
        """``None``: it is down."""

    @property
    def due(self) -> tuple[float, Process[Any] | None]:
        """When its process wants to be woken, and that."""
        return (math.inf, None) if self.process is None else (self.process.deadline, self.process)

    def records(self) -> Iterable[Put]:
        """What the store has kept."""
        return self.store.load()

    def boot(self) -> None:
        """Begin a life."""
        self.process = self._boot()
        self.process.step(lambda: None)


class World:
    """The time, the link, the two sides, and what goes wrong."""

    def __init__(self, dice: Dice, troubles: Troubles) -> None:
        self.dice: Final = dice
        self.clock: Final = VirtualClock()
        self.figures: Final = Counter[str]()
        self.struck: Final[list[Strike]] = []
        self.findings: Final[list[str]] = []
        self.nodes: tuple[Node, ...] = ()
        self.is_calm = False
        """Whether no more trouble strikes."""
        self._troubles: Final = troubles
        self._counts: Final = Counter[Point]()
        self._links: Final = itertools.count(1)
        self._link: Wire | None = None
        self.on_trouble: Callable[[Trouble], None] = lambda _: None
        """What is done about trouble that is neither of the link nor of a process."""

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return self.clock.now

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Have something happen."""
        self.clock.after(seconds, act)

    def run(self, until: float) -> None:
        """Let time pass."""
        while True:
            due, process = min((node.due for node in self.nodes), key=_first)
            if min(due, self.clock.next_due) > until:
                self.clock.advance_to(until)
                return
            if self.clock.next_due <= due or process is None:
                self.clock.step()
            else:
                self.clock.advance_to(due)
                process.wake()

    # -- trouble --

    def strike(self, point: Point) -> Trouble | None:
        """This happens once more: what goes wrong, if anything."""
        self._counts[point] += 1
        trouble = None if self.is_calm else self._troubles.at(point, self._counts[point])
        if trouble is not None:
            self.struck.append(Strike(point, self._counts[point], trouble))
            self.figures[trouble.name] += 1
        return trouble

    def count(self, point: Point) -> int:
        """How often this has happened."""
        return self._counts[point]

    def strike_at_message(self, point: Point) -> None:
        """A text comes or goes: something may go wrong with what carries it."""
        trouble = self.strike(point)
        station, central = self.nodes
        match trouble:
            case None:
                pass
            case Trouble.CUT:
                self.cut()
            case Trouble.STALL:
                assert self._link is not None
                self._link.stall(self.dice.between(1, 90))
            case Trouble.STATION_DIES:
                self.kill(station)
            case Trouble.CENTRAL_DIES:
                self.kill(central)
            case Trouble.STATION_STORE_FAILS:
                station.fails_until = self.now + self.dice.between(1, 120)
            case Trouble.CENTRAL_STORE_FAILS:
                central.fails_until = self.now + self.dice.between(1, 120)
            case _:
                self.after(0, lambda: self.on_trouble(trouble))

    def kill(self, node: Node) -> None:
        """A process dies, its link with it. It is up again after a while."""
        process, node.process = node.process, None
        if process is not None:
            self.cut()
            process.die()
            self.figures["deaths"] += 1
            self.after(self.dice.between(1, 60), node.boot)

    # -- the link --

    def connect(self, sessions: Callable[[int], tuple[AnySession, AnySession]]) -> bool:
        """Link the two, if both are up. Returns whether they are."""
        station, central = (node.process for node in self.nodes)
        if station is None or central is None:
            return False
        self._link = wire = Wire(self)
        self.figures["links"] += 1
        to_central, to_station = sessions(next(self._links))
        wire.join(1, central, to_station)
        wire.join(0, station, to_central)
        return True

    def cut(self) -> None:
        """The link is gone, with all that is on its way. Each side notices in its own time, if it lives (F-35)."""
        if self._link is not None:
            self._link.cut()
            self._link = None


_first = itemgetter(0)

SENDS: Final = (Point.CENTRAL_SENDS, Point.STATION_SENDS)
"""Who sends a text, by whom it is for."""
HEARD: Final = (Point.STATION_HAS_HEARD, Point.CENTRAL_HAS_HEARD)
NOTICES: Final = (5, 60)
"""Within how many seconds either notices that there is no link any more (F-35)."""


class Wire(Link[str]):
    """The link between the two, the charge point's end first: trouble may strike at each text."""

    def __init__(self, world: World) -> None:
        super().__init__(world.clock, Conditions(delay=(0.01, 0.3)), chance=world.dice)
        self._world: Final = world

    def join(self, number: int, process: Process[Any], session: AnySession) -> None:
        """Tell a process that it has this end."""
        link_end = self.ends[number]
        end = End(session, link_end.send)

        def receive(text: str) -> None:
            process.receive(end, text)
            if self.is_up:
                self._world.strike_at_message(HEARD[number])

        def lose() -> None:
            self._world.after(self.chance.between(0, NOTICES[number]), lambda: process.notice_loss(end))

        link_end.on_data, link_end.on_lost = receive, lose
        process.connect(end)

    def carries(self, to: LinkEnd[str]) -> bool:
        """A text is sent: what befalls the link, if anything does, and whether it is up after that."""
        if self.is_up:
            self._world.figures["texts"] += 1
            self._world.strike_at_message(SENDS[self.ends.index(to)])
        return self.is_up
