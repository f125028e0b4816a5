"""The central system as an application sees it: handlers, who may connect, and who is connected.

Free of I/O and the same under every adapter: an adapter serves it, calls its handlers and keeps its table of
stations; the application never meets a socket.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

import attrs

from .errors import ErrorCode, LocalProtocolError, Rejection
from .events import CallReceived, CallSucceeded, ConnectionRequested, Event, SendReceived
from .handlers import CentralSystemHandlers, Handler, SendHandler, require_function
from .limits import Limits, limits_or_default
from .messages import Datatype, FromCentralSystem, Response
from .registry import Station, Takeover
from .session import VersionedActions, actions_by_version
from .tolerance import STRICT, StationTolerance, per_station
from .version import NoMatch, Version

if TYPE_CHECKING:  # who plays no role, or serves nobody, has no use for them
    from .entrance import Authenticate, Decision, Entry, OnIncident
    from .machine import Link
    from .store import Store

__all__ = [
    "CentralSystem",
    "CentralSystemRole",
    "Part",
    "RoleVerbs",
]

MAX_ACCEPTED: Final = 100_000
"""Accepted charge points that a central system remembers: those that booted last (F-129)."""

A = TypeVar("A", bound="Authenticate")
N = TypeVar("N", bound="OnIncident")
StationHook = Callable[[Any], object]
"""Called with a station, the adapter's own object. Nobody waits for what it returns; an ``async`` one is awaited."""
K = TypeVar("K", bound=StationHook)


class RoleVerbs(Protocol):
    """What every role is to its driver."""

    def next_event(self) -> Any:
        """The next thing to act on, a :class:`ocpp_sansio.store.Persist` or an effect; ``None``: nothing for now."""
        ...

    def next_timeout(self) -> float | None:
        """When ``handle_timeout`` wants to be called."""
        ...

    def handle_timeout(self, *, now: float) -> None:
        """Let time pass."""
        ...

    def persisted(self, *, now: float) -> None:
        """What was to be kept is durable."""
        ...

    def persist_failed(self, error: Exception, *, now: float) -> None:
        """What was to be kept is not durable."""
        ...


class CentralSystemRole(RoleVerbs, Protocol):
    """What a central system is to its driver, see :class:`ocpp_sansio.central_system.CentralSystem`."""

    def link_up(self, identity: str, link: Link, *, now: float) -> None:
        """A station has a link."""
        ...

    def link_down(self, identity: str, link: Link, *, now: float) -> None:
        """A link has ended."""
        ...

    def receive_event(self, identity: str, link: Link, event: Event, *, now: float) -> None:
        """The session of a link has told this."""
        ...

    def call(
        self,
        identity: str,
        request: FromCentralSystem[Any],
        *,
        now: float,
        timeout: float | None = None,
        expires_in: float | None = None,
    ) -> object:
        """Ask a station. Returns what the effect that tells the outcome has as its ``command``."""
        ...


V = TypeVar("V", bound=RoleVerbs)


@attrs.define(eq=False)
class Part(Generic[V]):
    """A role that is played, where it keeps its records, and who acts on its effects."""

    role: V = attrs.field(on_setattr=attrs.setters.frozen)
    store: Store = attrs.field(on_setattr=attrs.setters.frozen)
    act: Callable[[Any, Any], object] = attrs.field(on_setattr=attrs.setters.frozen)
    is_running: bool = attrs.field(default=False, init=False)
    """For adapters: a role is run in one place at a time."""


class CentralSystem(CentralSystemHandlers):
    """A central system: handlers by message class, an ``authenticate`` hook, and the stations that are connected.

    ``versions`` are the ones it speaks; of those a charge point offers, the first one wins (RPC-011), and the handlers
    of that version's classes are the ones it meets. For ``limits``, ``actions``, ``tolerance``, ``no_match``,
    ``compression`` and ``allow_origin`` see :class:`ocpp_sansio.CentralSystemConnection`, for ``takeover``
    :class:`ocpp_sansio.Takeover`.

    A charge point has to be accepted by the BootNotification handler before any other message of its reaches a
    handler; until then its requests are told SecurityError (RPC-075, RPC-076, CS16-003, CS201-011). That is known for
    as long as this object lives, over any number of connections (RPC-124). A central system that is restarted tells
    the new object whom it had accepted with :meth:`accept`, or its stations lose what they send before they boot
    again. With ``accept_before_boot`` every message reaches its handler.

    A handler that would never be called is refused with a ValueError: of a version that is not spoken, of a vendor's
    message that is not among the ``actions``, or of 1.6 where a role is played.

    One whose status is Pending may send, until its next BootNotification or the end of its connection, what the
    central system has made it send: by a TriggerMessage, GetBaseReport or GetReport that was answered with Accepted
    (RPC-076, CP16-014, CP201-014).

    It is served in one event loop, or in threads: by any number of servers there, but not in two such places at once.
    A station may leave a connection in one and come back in the other, and neither could close it for the other.
    """

    def __init__(
        self,
        versions: Iterable[Version | str] = (Version.V16,),
        *,
        limits: Limits | None = None,
        actions: VersionedActions | None = None,
        tolerance: StationTolerance = STRICT,
        no_match: NoMatch = NoMatch.ACCEPT_THEN_CLOSE,
        compression: bool = False,
        allow_origin: bool = False,
        accept_before_boot: bool = False,
        takeover: Takeover = Takeover.NEWEST_WINS,
    ) -> None:
        super().__init__()
        self.versions = Version.parse_all(versions)
        self.limits: Final = limits_or_default(limits)
        self.actions = actions_by_version(actions, self.role)
        self.tolerance = per_station(tolerance, self.actions.values())
        self.no_match = NoMatch(no_match)
        self.compression = compression
        self.allow_origin = allow_origin
        self.accept_before_boot = accept_before_boot
        self.part: Part[CentralSystemRole] | None = None
        """What it plays."""
        self.incident_hooks: list[OnIncident] = []
        """Those of :meth:`on_incident`."""
        self.connected_hooks: list[StationHook] = []
        """Those of :meth:`on_connected`."""
        self.disconnected_hooks: list[StationHook] = []
        """Those of :meth:`on_disconnected`."""
        self._authenticate: Authenticate | None = None
        self.takeover: Final = Takeover(takeover)
        from .entrance import Entrance  # noqa: PLC0415 - as above

        self._entrance = Entrance(self.limits, self.takeover)
        self._registry = self._entrance.registry
        self._accepted: dict[str, None] = {}
        self._places: dict[object, object] = {}
        """Where each of its servers runs."""
        self._pending: dict[str, set[str]] = {}
        """What stations that are connected, and Pending, may send nevertheless."""

    @property
    def stations(self) -> Mapping[str, Any]:
        """The stations that are connected now, by identity. Each is the ``Station`` of its adapter.

        It does not change: ask again to see who has come and gone. So any thread may look through it.
        """
        return self._registry.stations

    def authenticate(self, hook: A) -> A:
        """Decorate the function that decides who may connect, before the WebSocket exists (RPC-016).

        It is given the :class:`ConnectionRequested` and returns a :data:`Decision`, or an awaitable of one. Whatever
        it raises is a refusal. :class:`ocpp_sansio.Authentication` is one. Who is refused with 401, 403 or 404 too
        often is refused with 429 for a while, and the hook is not asked (F-29): see ``max_failures_per_identity`` of
        the limits and those that follow it.

        Raises:
            ValueError: there is one already.
            TypeError: it is no function. Who wants to let everybody in has no hook, or one that says so.
        """
        require_function(hook)
        if self._authenticate is not None:
            raise ValueError("there is an authenticate hook already")
        self._authenticate = hook
        return hook

    def on_incident(self, hook: N) -> N:
        """Decorate a function that is told of each :class:`SecurityIncident`, beside the others that are.

        It is called when that has been acted on, and what it returns does not matter. It may be ``async`` where
        handlers may.

        Raises:
            TypeError: it is no function.
        """
        require_function(hook)
        self.incident_hooks.append(hook)
        return hook

    def on_connected(self, hook: K) -> K:
        """Decorate a function that is called with each station whose connection is open, beside the others that are.

        It is in ``stations`` by then, and none of its messages has reached a handler. The hook may be ``async`` where
        handlers may, and may call the station as they may; what that sends is handled meanwhile. What it raises is
        logged, and harms nobody.

        A station that has booted sends its BootNotification after this, and until that is accepted it may leave other
        requests without an answer (CP16-013) or refuse them. One that has only lost its connection does not boot again:
        what is known of it from before is still true, and for this object it still is accepted, see
        :meth:`is_accepted`.

        Raises:
            TypeError: it is no function.
        """
        require_function(hook)
        self.connected_hooks.append(hook)
        return hook

    def on_disconnected(self, hook: K) -> K:
        """Decorate a function that is called with each station whose connection has ended; its ``closed`` says how.

        For each call of an :meth:`on_connected` hook there is one, later, though an ``async`` one of those may still be
        at work. Where a station has opened another connection, this may come after the ``on_connected`` of that: the
        station is gone if its identity is not in ``stations``. For the rest it is as for :meth:`on_connected`.

        Raises:
            TypeError: it is no function.
        """
        require_function(hook)
        self.disconnected_hooks.append(hook)
        return hook

    @property
    def is_authenticating(self) -> bool:
        """Whether there is an ``authenticate`` hook. Without one everybody may connect, under any identity."""
        return self._authenticate is not None

    def play(self, role: CentralSystemRole, *, store: Store, act: Callable[[Any, Any], object]) -> None:
        """Leave the stations of OCPP 1.6 to a role; the handlers are for those of the other versions.

        Args:
            role: a :class:`ocpp_sansio.central_system.CentralSystem`, made with what the store has loaded. Its clock
                is ``time.monotonic``. It is served in one place at a time.
            store: where it keeps its records.
            act: called with each of its effects, behind what has a ``do`` to tell the role something by. Under an event
                loop it may be ``async``: each effect waits until the one before has been acted on; no message does.

        Raises:
            ValueError: it plays a role already, or has handlers for what the role answers now.
        """
        if self.part is not None:
            raise ValueError("it plays a role already")
        for message in (*self._handlers, *self._refusal_handlers):
            self._require_reachable(message, is_playing=True)
        self.part = Part(role, store, act)

    def accept(self, identity: str) -> None:
        """Take the station for accepted, as if its BootNotification had been."""
        self._pending.pop(identity, None)
        self._accepted.pop(identity, None)
        self._accepted[identity] = None
        if len(self._accepted) > MAX_ACCEPTED:
            del self._accepted[next(iter(self._accepted))]

    def is_accepted(self, identity: str) -> bool:
        """Whether the station is taken for accepted. Who is must not be asked for a BootNotification (CS16-005)."""
        return identity in self._accepted

    def _register(self, table: dict[type[Datatype], Any], message: Any, kind: type[Any]) -> Callable[[Any], Any]:
        register = super()._register(table, message, kind)
        self._require_reachable(message, is_playing=self.part is not None)
        return register

    def _require_reachable(self, message: type[Any], *, is_playing: bool) -> None:
        """Find out at once that a handler of this would never be called.

        Raises:
            ValueError: it would not.
        """
        spoken = [each for each in self.versions if self.actions.get(each, each.actions).of(message) is not None]
        if not spoken:
            numbers = " and ".join(map(str, self.versions))
            name = f"{message.__module__}.{message.__name__}"
            raise ValueError(f"{name} is none of the messages spoken here: of OCPP {numbers}, and of the actions given")
        if is_playing and spoken == [Version.V16]:
            raise ValueError(f"a role is played, and answers {message.__name__}: no handler would be called")

    # -- for adapters --

    @contextmanager
    def served_in(self, place: object) -> Generator[None]:
        """Within the block it is served there. What equals that is the same event loop, or threads likewise.

        Raises:
            LocalProtocolError: it is being served in another place.
        """
        server = object()
        self._places[server] = place  # before looking: of two that come at once, one at least sees the other
        try:
            if {*self._places.copy().values()} != {place}:
                raise LocalProtocolError(
                    "this central system is being served in another event loop or thread: make one for each of them"
                )
            yield
        finally:
            del self._places[server]

    def entry(self, request: ConnectionRequested) -> Entry:
        """The way in of a charge point that asks to connect."""
        return self._entrance.entry(request, is_authenticating=self.is_authenticating)

    def admit(self, request: ConnectionRequested) -> Decision | Awaitable[Decision]:
        """Have the hook decide whether a charge point may connect."""
        return self._authenticate is None or self._authenticate(request)

    def opened(self, station: Station) -> tuple[Any, ...]:
        """Take a station into the table. Returns those whose connections it replaces (RPC-019)."""
        displaced = self._registry.enter(station)
        for each in (station, *displaced):
            self._pending.pop(each.identity, None)
        return displaced

    def closed(self, station: Station) -> None:
        """Take a station out of the table, unless a newer connection has taken its place (F-35)."""
        if self._registry.leave(station):
            self._pending.pop(station.identity, None)

    def handler(self, station: Station, call: CallReceived[Any]) -> Handler:
        """The handler of a CALL.

        Raises:
            Rejection: NotSupported, there is none (RPC-070); SecurityError, the station is not accepted (RPC-075).
        """
        if call.action != _BOOT and not self.accept_before_boot:
            self._require_accepted(station.identity, call.action)
        # Nearly always there is one, and to ask above takes longer than to look.
        return self._handlers.get(type(call.request)) or super().handler(station, call)

    def send_handler(self, station: Station, send: SendReceived) -> SendHandler:
        """The handler of a SEND.

        Raises:
            Rejection: there is none, or the station is not accepted (RPC-076). A SEND is not answered all the same.
        """
        if not self.accept_before_boot:
            self._require_accepted(station.identity, send.action)
        return super().send_handler(station, send)

    def _require_accepted(self, identity: str, action: str) -> None:
        if identity not in self._accepted and action not in self._pending.get(identity, _NOTHING):
            raise Rejection(ErrorCode.SECURITY_ERROR, "send a BootNotification first, and wait until it is accepted")

    def answered(self, station: Station, call: CallReceived[Any], response: Response) -> None:
        """Learn from an answer that has been given: who is accepted, and who no longer is (CS16-001, CP16-019).

        From one that was given to a displaced connection nothing is learnt: it says nothing of who has the newer one.
        """
        if call.action == _BOOT and self._is_current(station):
            status = _status(response)
            if status == _ACCEPTED:
                self.accept(station.identity)
            else:
                self._accepted.pop(station.identity, None)
                self._pending.pop(station.identity, None)
            if status == _PENDING:
                self._pending[station.identity] = set()

    def succeeded(self, station: Station, outcome: CallSucceeded[Any]) -> None:
        """Learn from an answer that has come: what a station that is Pending may send now (RPC-076)."""
        allowed = self._pending.get(station.identity)
        entitled = _ENTITLED.get(outcome.call.action)
        if allowed is None or entitled is None or not self._is_current(station):
            return
        if _status(outcome.response) == _ACCEPTED:
            allowed.add(entitled(outcome.call.request))

    def _is_current(self, station: Station) -> bool:
        """Whether this is the connection that its charge point has now (RPC-019)."""
        return self._registry.is_current(station)


# All are spelled alike in every version.
_BOOT: Final = "BootNotification"
_ACCEPTED: Final = "Accepted"
_PENDING: Final = "Pending"
_NOTHING: Final = frozenset[str]()


def _status(response: Response) -> object:
    return getattr(response, "status", None)


def _triggered(request: Any) -> str:
    # The triggers have the names of the actions, but there is one for each kind of certificate to be signed.
    trigger: str = request.requested_message
    return "SignCertificate" if trigger.startswith("Sign") else trigger


def _report(_: Any) -> str:
    return "NotifyReport"


_ENTITLED: Final[Mapping[str, Callable[[Any], str]]] = {
    "ExtendedTriggerMessage": _triggered,
    "GetBaseReport": _report,
    "GetReport": _report,
    "TriggerMessage": _triggered,
}
"""What a station that accepts a request of ours may send because of it: by the request's action, from the request."""
