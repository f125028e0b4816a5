"""What every adapter that serves needs: who a client is, whether it may connect, and in whose place.

Like :mod:`ocpp_transports._shared`, which it stands on, it knows no sockets, loops or threads, and holds no rule of the
protocol.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from http import HTTPStatus
from inspect import isawaitable
from ssl import SSLError
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar, cast
from weakref import WeakKeyDictionary

import attrs

from ocpp_sansio import (
    CallFailed,
    CallSucceeded,
    CentralSystem,
    CentralSystemConnection,
    CertificateFacts,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRequested,
    Decision,
    Direction,
    TransportFacts,
)
from ocpp_sansio.channel import CentralSystemChannel
from ocpp_sansio.entrance import Admitted, Contested, Entry, Incident, Refusal, SecurityIncident, Verdict
from ocpp_sansio.handlers import Handlers
from ocpp_sansio.session import Tap

from ._dispatcher import CONNECTED, Dispatcher, F
from ._endings import Leave
from ._left_behind import LeftBehind
from ._logging import logger
from ._shared import Peer, Socket, fenced, fresh_ids
from .observing import Observer

if TYPE_CHECKING:
    from ._roles import Runner

__all__ = [
    "ServerDispatcher",
    "Service",
    "StationTap",
    "connection_options",
    "served",
    "socket_address",
    "source_of",
    "transport_facts",
    "warn_if_open",
]

K = TypeVar("K", bound=CentralSystemChannel[Any])


def warn_if_open(csms: Handlers) -> None:
    """Say it loudly, once per server, when anybody may connect under any name.

    Raises:
        TypeError: it is no central system.
    """
    if not isinstance(csms, CentralSystem):
        raise TypeError(f"what is served is a CentralSystem, not a {type(csms).__name__}")
    if not csms.is_authenticating:
        logger.warning(
            "no authenticate hook: every client is taken for the charge point that it says it is, "
            "and may read and report whatever that charge point may"
        )


S = TypeVar("S", bound=Peer[Any])
StationTap = Callable[[S, Direction, str, float], None]
"""Called with the station, the direction, the text and the time of every message that comes or goes. What it raises is
logged, once for a connection, and harms nobody."""


def socket_address(stream: Socket) -> Any:
    """The address of the client, as sockets have it; ``None``: it is gone already."""
    try:
        return stream.getpeername()
    except OSError:
        return None


def source_of(address: Any) -> str:
    """The host of an address as sockets have it; empty: there is none."""
    return cast("tuple[str, ...]", address)[0] if isinstance(address, tuple) else ""


def transport_facts(address: Any, getpeercert: Callable[[], Mapping[str, Any] | None] | None) -> TransportFacts:
    """What a transport knows of the client at its other end.

    ``address`` is as sockets have it, ``getpeercert`` that method of its TLS; ``None``: it has no TLS. A certificate
    that cannot be read is none.
    """
    certificate = None
    if getpeercert is not None:
        with suppress(ValueError, SSLError):
            certificate = getpeercert()
    facts = CertificateFacts.of(certificate) if certificate else None
    return TransportFacts(source_of(address), getpeercert is not None, facts)


@attrs.frozen
class Service(Generic[S]):
    """What all connections of a server have in common."""

    csms: CentralSystem
    tap: StationTap[S] | None = None
    observer: Observer | None = None
    runner: Runner | None = None


def served(
    service: Service[S], now: float, station: Callable[[], S], facts: Callable[[], TransportFacts]
) -> CentralSystemConnection:
    """The connection of a client that has just been accepted. Its station is there before the first message is."""
    options = connection_options(service, station)
    return CentralSystemConnection(now=now, compression=service.csms.compression, facts=facts, **options)


def connection_options(service: Service[S], station: Callable[[], S]) -> dict[str, Any]:
    """What a connection of a client is made with, whoever speaks its WebSocket."""
    csms, told = service.csms, service.tap
    tap: Tap | None = None
    if told is not None:
        tap = fenced(lambda direction, text, at: told(station(), direction, text, at), lambda: station().identity)
    return {
        "versions": csms.versions,
        "message_ids": fresh_ids(),
        "no_match": csms.no_match,
        "allow_origin": csms.allow_origin,
        "limits": csms.limits,
        "actions": csms.actions,
        "tolerance": csms.tolerance,
        "tap": tap,
    }


class ServerDispatcher(Dispatcher[K, CentralSystem, F]):
    """The same for a central system: its application says who may connect, and has a table of who is connected."""

    shared: AbstractContextManager[object] = nullcontext()
    """Held while that is used which the application has for all connections together."""
    request: ConnectionRequested
    """What the client has asked for, once it has."""
    _entry: Entry | None = None
    """The way in, as long as it is not decided."""
    _displaced: tuple[Any, ...] = ()
    """The peers of the connections that this one has taken the place of."""

    @property
    def left_behind(self) -> LeftBehind:
        """Those of all connections: a charge point may have come back by another one."""
        return _LEFT_BEHIND.setdefault(self.handlers, LeftBehind(self.handlers.limits))

    @property
    def is_crowded(self) -> bool:
        """Whether handlers that cannot be cancelled hold up too many earlier connections of this charge point."""
        return False

    # -- who may connect --

    def _on_requested(self, event: ConnectionRequested) -> None:
        self.request = event
        self.identity = event.identity
        if self._leave is not None:
            self._turn_away(self._leave)
            return
        self._entry = self.handlers.entry(event)
        with self.shared:
            refusal = self._entry.screen(now=self.now())
        if refusal is not None:
            self._carry_out(refusal)
            return
        try:
            decision = self.handlers.admit(event)
        except BaseException as error:
            if not self.is_fault(error):
                raise
            self._decide(error)  # whatever the hook raises is a refusal
        else:
            if isawaitable(decision):
                self.spawn(self._decide_later(decision))
            else:
                self._decide(decision)

    async def _decide_later(self, decision: Awaitable[Decision]) -> None:
        try:
            decided = await decision
        except BaseException as error:
            if not self.is_fault(error):
                raise
            self._decide(error)
        else:
            self._decide(decided)
        self.drive()

    def _decide(self, decision: object) -> None:
        if isinstance(decision, BaseException):
            self.log(logging.ERROR, "the authenticate hook failed", exc_info=decision)
        elif not isinstance(decision, Decision):
            self.log(logging.ERROR, "the authenticate hook returned %s, which decides nothing", type(decision).__name__)
        self._settle(lambda entry: entry.judge(decision, has_left=self.end is not None, now=self.now()))

    def _turn_away(self, leave: Leave) -> None:
        later = [("Retry-After", str(math.ceil(leave.over)))]
        self.connection.reject_connection(503, leave.reason, later, now=self.now())

    def _settle(self, decide: Callable[[Entry], Verdict]) -> None:
        if self._entry is None:  # it is decided; this comes late
            return
        if self._leave is not None:  # the server has begun to go down while the hook was at work
            self._entry = None
            self._turn_away(self._leave)
            return
        with self.shared:
            verdict = decide(self._entry)
            if isinstance(verdict, Admitted) and self.is_crowded:
                self.log(logging.ERROR, "its handlers hold up so many connections that there is not to be another one")
                verdict = Refusal(HTTPStatus.SERVICE_UNAVAILABLE)
            if isinstance(verdict, Admitted):
                # Nobody else comes between: what was found out about the others still holds.
                try:
                    self.connection.accept(now=self.now())
                except Exception as error:  # noqa: BLE001 - the application has told it whatever it tolerates
                    self.log(logging.ERROR, "the tolerance hook failed", exc_info=error)
                    verdict = Refusal(HTTPStatus.INTERNAL_SERVER_ERROR)
                if self.connection.is_open:
                    self._displaced = self.handlers.opened(self.peer)
        self._carry_out(verdict)

    def _carry_out(self, verdict: Verdict) -> None:
        assert self._entry is not None
        incidents = self._entry.incidents
        if isinstance(verdict, Contested):
            for rival in verdict.rivals:
                rival.ask_for_life(self._on_rival)
        else:
            self._entry = None
            if isinstance(verdict, Refusal):
                status = verdict.status
                self.connection.reject_connection(status, status.phrase, verdict.headers, now=self.now())
        while incidents:
            self._on_incident(incidents.pop(0))

    def _on_rival(self, is_alive: bool) -> None:
        """Called where the other connection is run."""
        self.perform(lambda: self._settle(lambda entry: entry.probed(is_alive=is_alive, now=self.now())))

    def _on_incident(self, incident: SecurityIncident) -> None:
        level = logging.INFO if incident.kind is Incident.TAKEOVER else logging.WARNING
        self._complain(level, f"{incident.kind.value}, by {incident.source or 'an unknown address'}")
        for hook in self.handlers.incident_hooks:
            self._hear(_AN_INCIDENT, partial(hook, incident))

    # -- who is connected --

    def give_way(self) -> None:
        """The charge point has opened another connection."""
        self.perform(lambda: self.connection.replace(now=self.now()))

    def _on_outcome(self, event: CallSucceeded[Any] | CallFailed) -> None:
        if isinstance(event, CallSucceeded):
            self.handlers.succeeded(self.peer, event)
        super()._on_outcome(event)

    def _on_opened(self, event: ConnectionOpened) -> None:
        super()._on_opened(event)
        displaced, self._displaced = self._displaced, ()
        for each in displaced:
            each.give_way()
        self.tell_hooks(self.handlers.connected_hooks, CONNECTED)

    def _on_closed(self, event: ConnectionClosed) -> None:
        with self.shared:
            self.handlers.closed(self.peer)
        super()._on_closed(event)
        self.tell_hooks(self.handlers.disconnected_hooks, _DISCONNECTED)

    _REACTIONS: ClassVar[dict[type[Any], Callable[[Any, Any], None]]] = {
        **Dispatcher._REACTIONS,
        ConnectionRequested: _on_requested,
        CallSucceeded: _on_outcome,
        ConnectionOpened: _on_opened,
        ConnectionClosed: _on_closed,
    }


_LEFT_BEHIND: Final = WeakKeyDictionary[CentralSystem, LeftBehind]()
# What the other hooks are about.
_AN_INCIDENT: Final = SimpleNamespace(action="incidents", message_id=None)
_DISCONNECTED: Final = SimpleNamespace(action="on_disconnected", message_id=None)
