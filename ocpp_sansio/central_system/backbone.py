"""What the blocks of a central system share: the machine, the clock, who is connected, and what they tell each other.

A block knows one part of the protocol and no other block. It has handlers for what stations ask, it hears notices,
it keeps records under topics of its own, and it is given as a callable what it needs of another one. Another profile
is another block: see :class:`Block`.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

import attrs

from ocpp_sansio.errors import CallRefused, ErrorCode, InvalidResponse, Rejection
from ocpp_sansio.events import CallFailed, CallReceived, CallSucceeded, DuplicateCall, Event, LateResponse
from ocpp_sansio.machine import Line, Link, Machine
from ocpp_sansio.messages import Request, Response
from ocpp_sansio.store import Put
from ocpp_sansio.v16 import BootNotificationRequest, RegistrationStatus

from .effects import Effect, HookFailed, MessageRefused, RecordUnreadable, StationConnected, StationDisconnected
from .options import Options

__all__ = [
    "Answered",
    "Backbone",
    "Block",
    "Deadlines",
    "Handler",
    "Heard",
    "LinkDown",
    "LinkUp",
    "Notice",
    "Registered",
    "Registration",
    "StationForgotten",
    "fold",
    "is_id_tag",
]

Handler = Callable[[str, Any], Response]
"""Called with the identity of a station and its request; returns the response, or raises :class:`Rejection`."""


def fold(text: str) -> str:
    """What idTags, configuration keys and the names of vendors are compared by (CP16-004, CP16-115, RPC-108)."""
    return text.lower()


def is_id_tag(text: str) -> bool:
    """Whether somebody can have this idTag: it has nothing in it that cannot be printed (RPC-108, F-67)."""
    return text.isprintable()


# -- what the blocks tell each other --


@attrs.frozen
class LinkUp:
    """A station has a link, and had none or another one before."""

    identity: str


@attrs.frozen
class LinkDown:
    """A station has no link any more."""

    identity: str


@attrs.frozen
class Heard:
    """Something came from a station (CS16-010)."""

    identity: str


@attrs.frozen(kw_only=True)
class Registration:
    """What a station was told at its last BootNotification. It outlives links and this process (RPC-124)."""

    identity: str
    request: BootNotificationRequest
    status: RegistrationStatus
    interval: int
    """Seconds."""
    booted_at: datetime
    """When that was, by the clock of this central system."""


@attrs.frozen
class Registered:
    """A station has booted, or it is known from the records that it had."""

    registration: Registration
    has_booted: bool


@attrs.frozen
class Answered:
    """A station has answered a command."""

    identity: str
    request: Request[Any]
    response: Response


@attrs.frozen
class StationForgotten:
    """A station has been away for too long, and too many others are: nothing is to be remembered of it."""

    identity: str


Notice = LinkUp | LinkDown | Heard | Registered | Answered | StationForgotten


class Block:
    """One functional block. What it does not say it has, it has not."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone: Final = backbone

    def handlers(self) -> Mapping[type[Request[Any]], Handler]:
        """What answers which request of a station's."""
        return {}

    def hears(self) -> Mapping[type[Notice], Callable[[Any], None]]:
        """What is done at which notice."""
        return {}

    def topics(self) -> Mapping[str, Callable[[Put], None]]:
        """What reads the records of each topic, in the order in which they were first put.

        It raises ``ValueError`` for one that it cannot read, and has then changed nothing.
        """
        return {}


@attrs.define(eq=False)
class _Station:
    line: Line
    link: Link | None = None


class Backbone:
    """What the blocks share. It knows no rule of the protocol but that every CALL is answered."""

    def __init__(self, options: Options, *, now: float, utc: datetime) -> None:
        self.options: Final = options
        self.machine: Final = Machine[Effect](now=now)
        self.admits: Callable[[str, str], bool] = lambda _identity, _action: True
        """Whether a message of a station may reach its handler: by the identity and the action."""
        self._handlers: dict[type[Any], Handler] = {}
        self._listeners: dict[type[Notice], list[Callable[[Any], None]]] = {}
        self._topics: dict[str, Callable[[Put], None]] = {}
        self._stations: dict[str, _Station] = {}
        self._absent: dict[str, None] = {}
        """Those without a link, the one that left first in front."""
        self.set_clock(utc)

    def attach(self, *blocks: Block) -> None:
        """Have blocks take part."""
        for block in blocks:
            self._handlers.update(block.handlers())
            self._topics.update(block.topics())
            for notice, hear in block.hears().items():
                self._listeners.setdefault(notice, []).append(hear)

    def restore(self, records: Iterable[Put]) -> None:
        """Take up what was kept. Topics that belong to no block are left alone."""
        for record in records:
            read = self._topics.get(record.topic)
            try:
                if read is not None:
                    read(record)
            except ValueError as error:  # D-21
                self.emit(RecordUnreadable(record.topic, record.key, error))

    # -- the clock --

    @property
    def utc(self) -> datetime:
        """What time it is."""
        return self._utc + timedelta(seconds=self.machine.now - self._utc_at)

    def set_clock(self, utc: datetime) -> None:
        """It is this time now.

        Raises:
            ValueError: the time has no zone.
        """
        if utc.tzinfo is None:
            raise ValueError("a time without a zone says nothing")
        self._utc, self._utc_at = utc, self.machine.now

    # -- effects and notices --

    def emit(self, effect: Effect) -> None:
        """Tell the driver something, once what was kept in this step is durable."""
        self.machine.emit(effect)

    def publish(self, notice: Notice) -> None:
        """Tell the blocks something, at once."""
        for hear in self._listeners.get(type(notice), ()):
            hear(notice)

    # -- stations --

    def line(self, identity: str) -> Line | None:
        """The way to a station that has a link now."""
        station = self._stations.get(identity)
        return None if station is None or station.link is None else station.line

    def link(self, identity: str) -> Link | None:
        """The link that a station has now."""
        station = self._stations.get(identity)
        return None if station is None else station.link

    def remember(self, identity: str) -> None:
        """There is such a station, wherever it may be."""
        if identity not in self._stations:
            self._stations[identity] = _Station(Line(self.machine))
            self._leave(identity)

    def link_up(self, identity: str, link: Link) -> None:
        """A station has a link: the newest wins (RPC-019)."""
        station = self._stations.setdefault(identity, _Station(Line(self.machine)))
        self._absent.pop(identity, None)
        station.link = None  # what follows from the end of the old one must not go out between the two
        station.line.down()
        station.link = link
        station.line.up(link)
        self.emit(StationConnected(identity))
        self.publish(LinkUp(identity))

    def link_down(self, identity: str, link: Link) -> None:
        """A link has ended. One that had been displaced takes nothing with it (F-35)."""
        station = self._current(identity, link)
        if station is None:
            return
        station.link = None
        station.line.down()
        self.emit(StationDisconnected(identity))
        self.publish(LinkDown(identity))
        self._leave(identity)

    def _leave(self, identity: str) -> None:
        self._absent[identity] = None
        if len(self._absent) > self.options.max_absent_stations:
            forgotten = next(iter(self._absent))
            del self._absent[forgotten], self._stations[forgotten]
            self.publish(StationForgotten(forgotten))

    def _current(self, identity: str, link: Link) -> _Station | None:
        station = self._stations.get(identity)
        return station if station is not None and station.link is link else None

    # -- messages --

    def receive_event(self, identity: str, link: Link, event: Event) -> None:
        """Something happened on a link. What happens on a displaced one is of no interest: nobody could be answered."""
        station = self._current(identity, link)
        if station is None:
            return
        if _has_come_from_the_peer(event):
            self.publish(Heard(identity))
        if isinstance(event, CallReceived):
            self._handle(identity, station.line, event)
        elif isinstance(event, CallSucceeded | CallFailed):
            station.line.receive_outcome(event)

    def _handle(self, identity: str, line: Line, call: CallReceived[Any]) -> None:
        if not self.admits(identity, call.action):
            self.emit(MessageRefused(identity, call.action))
            line.refuse(
                call, Rejection(ErrorCode.SECURITY_ERROR, "send a BootNotification, and wait for its acceptance")
            )
            return
        handler = self._handlers.get(type(call.request))
        if handler is None:  # CP16-002
            line.refuse(call, Rejection(ErrorCode.NOT_SUPPORTED, f"{call.action} is not supported here"))
            return
        try:
            response = handler(identity, call.request)
        except Rejection as refusal:
            line.refuse(call, refusal)
        except Exception as error:  # noqa: BLE001 - whatever a hook raises, the station gets its answer
            self.emit(HookFailed(identity, call.action, error))
            line.refuse(call, Rejection(ErrorCode.INTERNAL_ERROR))
        else:
            line.answer(call, response)


def _has_come_from_the_peer(event: Event) -> bool:
    if isinstance(event, CallFailed):
        return isinstance(event.error, CallRefused | InvalidResponse)
    return isinstance(event, CallReceived | CallSucceeded | DuplicateCall | LateResponse)


# -- many deadlines --

K = TypeVar("K", bound=Hashable)


class Deadlines(Generic[K]):
    """A deadline for each of many, behind one timer: to find what is due first takes a machine a look at every timer.

    One that is put off, as a sign of life does with each message, costs nothing before it would have been due.
    """

    def __init__(self, machine: Machine[Any], expire: Callable[[K], None]) -> None:
        self._machine: Final = machine
        self._expire: Final = expire
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order: Final = itertools.count()
        self._noted: dict[K, float] = {}
        """Where in the heap each is; what is there besides is of no meaning."""

    def set(self, key: K, at: float) -> None:
        """Expire this at a time, and not when it was to before."""
        self._due[key] = at
        if at < self._noted.get(key, math.inf):
            self._note(key, at)

    def cancel(self, key: K) -> None:
        """Do not expire this."""
        self._due.pop(key, None)

    def _note(self, key: K, at: float) -> None:
        self._noted[key] = at
        heapq.heappush(self._heap, (at, next(self._order), key))
        self._machine.timers.set(self, self._heap[0][0], self._look)

    def _look(self) -> None:
        while self._heap and self._heap[0][0] <= self._machine.now:
            at, _, key = heapq.heappop(self._heap)
            if self._noted.get(key) != at:
                continue
            del self._noted[key]
            due = self._due.get(key)
            if due is None:
                continue
            if due > self._machine.now:
                self._note(key, due)
            else:
                del self._due[key]
                self._expire(key)
        if self._heap:
            self._machine.timers.set(self, self._heap[0][0], self._look)
