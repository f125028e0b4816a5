"""The two sides of a pair: who answers what, and who may connect. They outlive connections."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, Final, Generic, TypeVar

import attrs

from ocpp_sansio.application import CentralSystem
from ocpp_sansio.entrance import Contested, Entry, Refusal, Verdict
from ocpp_sansio.errors import ErrorCode, LocalProtocolError, Rejection
from ocpp_sansio.events import (
    CallFailed,
    CallReceived,
    CallSucceeded,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRefused,
    ConnectionRequested,
    Event,
    PendingCall,
    ProbeAnswered,
    ResultRefused,
    SendReceived,
)
from ocpp_sansio.handlers import CentralSystemHandlers, ChargePointHandlers, HandlerOf, Handlers
from ocpp_sansio.limits import Limits
from ocpp_sansio.messages import (
    Actions,
    AnyFromCentralSystem,
    AnyFromChargePoint,
    FromCentralSystem,
    FromChargePoint,
    Request,
    Response,
    Role,
    SendFromChargePoint,
)
from ocpp_sansio.session import CentralSystemSession, ChargePointSession, Session, Tap
from ocpp_sansio.tolerance import STRICT, Tolerance
from ocpp_sansio.version import Version

from .clock import VirtualClock
from .peer import Peer
from .trace import Trace
from .waiting import NoEventLoop, run

__all__ = ["CentralSystemSide", "ChargePointSide", "Side", "Terms"]

H = TypeVar("H", bound=Handlers)
Q = TypeVar("Q")
R = TypeVar("R", bound=Response)

MAX_EVENTS: Final = 1000
"""Events that a side keeps: the last ones."""


@attrs.frozen(kw_only=True)
class Terms:
    """What a session is made with, as far as the application decides that."""

    version: Version
    limits: Limits
    actions: Actions
    tolerance: Tolerance = STRICT


class Side(Generic[H]):
    """One of the two sides of a pair: its handlers, and what it has heard. It outlives connections.

    Whatever a handler raises is answered as under every adapter, and kept in :attr:`faults` unless it is a
    :class:`ocpp_sansio.Rejection`; but a failed ``assert`` is meant for the test, and reaches it. So does what an
    ``async`` function awaits that needs an event loop.

    Raises:
        TypeError: the handlers are not those of this role.
    """

    role: ClassVar[Role]
    new_session: ClassVar[type[Session]]

    def __init__(self, clock: VirtualClock, trace: Trace, handlers: H, identity: str) -> None:
        if getattr(handlers, "role", None) is not self.role:
            raise TypeError(f"a {type(handlers).__name__} is none of a {self.role}")
        self.clock: Final = clock
        self.trace: Final = trace
        self.handlers: Final = handlers
        self.identity: Final = identity
        self.events: Final = deque[Event](maxlen=MAX_EVENTS)
        """What the machine has told, the last of it."""
        self.faults: Final[list[Exception]] = []
        """What handlers have raised that they should not. Take out what was to be expected."""
        self.other: Side[Any] | None = None
        """The other side, where both are here."""
        self.by_hand = False
        """Whether CALLs are left to the test: see :attr:`unanswered`."""
        self.unanswered: Final[list[CallReceived[Any]]] = []
        """Those that it has yet to ``respond`` to or ``reject``."""
        self.agreed: Terms | None = None
        """What the newest session was made with, if :meth:`session` has made one."""
        self.behind = 0.0
        """Seconds that its monotonic clock is behind that of the world. Who changes it has it jump (F-136)."""
        self.suspended_until = 0.0
        """When its process goes on, as the clock counts it."""
        self._peer: Peer[Any] | None = None
        self._reactions: Final[dict[type[Any], Callable[[Peer[Any], Any], None]]] = {
            CallReceived: self._on_call,
            SendReceived: self._on_send,
            ResultRefused: self._on_result_refused,
            CallSucceeded: self._on_outcome,
            CallFailed: self._on_outcome,
            ConnectionOpened: self._on_opened,
            ConnectionRefused: self._on_over,
            ConnectionClosed: self._on_over,
        }

    # -- for tests --

    @property
    def now(self) -> float:
        """The time, as this side counts it."""
        return self.clock.now - self.behind

    @property
    def peer(self) -> Peer[Any]:
        """Its end of the newest connection."""
        assert self._peer is not None
        return self._peer

    @property
    def machine(self) -> Any:
        """The session or connection that it has now."""
        return self.peer.machine

    @property
    def is_open(self) -> bool:
        """Whether it takes the connection for open."""
        return self._peer is not None and self._peer.is_open

    def reply(self, request: type[Request[R]], response: R | Exception) -> None:
        """Answer each request of a class with this response, or as if a handler raised this."""

        def handler(_peer: object, _request: object) -> R:
            if isinstance(response, Exception):
                raise response
            return response

        handlers: Any = self.handlers
        handlers.on(request)(handler)

    def respond(self, call: CallReceived[R], response: R) -> None:
        """Answer a CALL that was left to the test.

        Raises:
            LocalProtocolError: see :meth:`ocpp_sansio.CentralSystemSession.respond`.
        """
        self.machine.respond(call, response, now=self.now)
        self.unanswered.remove(call)
        self.handlers.answered(self.peer, call, response)
        self.peer.drive()

    def reject(self, call: CallReceived[Any], code: ErrorCode, description: str = "") -> None:
        """Answer it with an error."""
        self.machine.reject(call, code, description, now=self.now)
        self.unanswered.remove(call)
        self.peer.drive()

    def suspend(self, seconds: float) -> None:
        """Have its process do nothing for a while, whatever comes and whatever is due (F-136, F-137)."""
        self.suspended_until = self.clock.now + seconds
        self.clock.at(self.suspended_until, self.peer.wake)

    @property
    def is_suspended(self) -> bool:
        """Whether it does nothing now."""
        return self.suspended_until > self.clock.now

    # -- for the pair and the machine --

    def terms(self, version: Version, *, limits: Limits | None = None, actions: Actions | None = None) -> Terms:
        """What a session of this version is made with; limits and actions if the application does not say which.

        Raises:
            ValueError: it cannot be tested in this version.
        """
        return Terms(version=version, limits=limits or Limits(), actions=actions or version.actions)

    def session(self, terms: Terms, *, message_ids: Callable[[], str], tap: Tap | None = None) -> Session:
        """One that is made with them."""
        self.agreed = terms
        options: dict[str, Any] = attrs.asdict(terms, recurse=False)
        session = self.new_session(**options, message_ids=message_ids, tap=tap)
        session.handle_timeout(now=self.now)  # it learns the time from its driver
        return session

    def take(self, peer: Peer[Any]) -> None:
        """Have this end of a new connection."""
        self._peer = peer
        peer.drive()

    def let_go(self) -> None:
        """Have the connection no more that it has, if it has one."""
        if self._peer is not None and self._peer.closed is None:
            self._peer.lose()

    def opened(self, peer: Peer[Any]) -> None:
        """A connection is open. There is nothing to do."""

    def hear(self, peer: Peer[Any], event: Event) -> None:
        """Act on what the machine tells."""
        self.events.append(event)
        react = self._reactions.get(type(event))
        if react is not None:
            react(peer, event)

    def _on_call(self, peer: Peer[Any], call: CallReceived[Any]) -> None:
        if self.by_hand:
            self.unanswered.append(call)
        else:
            run(
                lambda: self.handlers.handler(peer, call)(peer, call.request),
                lambda response: self._answer(peer, call, response),
                lambda error: self._refuse(peer, call, error),
            )

    def _answer(self, peer: Peer[Any], call: CallReceived[Any], response: Any) -> None:
        try:
            if peer.machine.respond(call, response, now=self.now):
                self.handlers.answered(peer, call, response)
        except LocalProtocolError as error:  # it is not the response to this request, or not a valid one
            self._refuse(peer, call, error)
        peer.drive()

    def _refuse(self, peer: Peer[Any], call: CallReceived[Any], error: Exception) -> None:
        answer: tuple[Any, ...] = (ErrorCode.INTERNAL_ERROR,)
        if isinstance(error, Rejection):
            answer = error.code, error.description, error.details
        else:
            self._blame(error)
        with suppress(LocalProtocolError):  # it was answered long ago, in the handler's place (F-99)
            peer.machine.reject(call, *answer, now=self.now)
        peer.drive()

    def _blame(self, error: Exception) -> None:
        if isinstance(error, AssertionError | NoEventLoop):
            raise error
        self.faults.append(error)
        self.trace.note(str(self.role), f"fails: {error!r}")

    def _on_send(self, peer: Peer[Any], event: SendReceived) -> None:
        self._tell(lambda: self.handlers.send_handler(peer, event)(peer, event.message))

    def _on_result_refused(self, peer: Peer[Any], event: ResultRefused) -> None:
        handler = self.handlers.refusal_handler(event)
        if handler is not None:
            self._tell(partial(handler, peer, event.call.request, event.error))

    def _tell(self, work: Callable[[], object]) -> None:
        """Call a handler whose result nobody waits for."""
        run(work, lambda _: None, lambda error: None if isinstance(error, Rejection) else self._blame(error))

    def _on_outcome(self, peer: Peer[Any], outcome: CallSucceeded[Any] | CallFailed) -> None:
        if isinstance(outcome, CallSucceeded):
            self.handlers.succeeded(peer, outcome)
        peer.settle(outcome)

    def _on_opened(self, peer: Peer[Any], _: ConnectionOpened) -> None:
        self.opened(peer)

    def _on_over(self, peer: Peer[Any], end: ConnectionClosed | ConnectionRefused) -> None:
        if peer is self._peer:
            self.unanswered.clear()
        peer.over(end)


class ChargePointSide(Side[ChargePointHandlers]):
    """The charge point's."""

    role = Role.CHARGE_POINT
    new_session = ChargePointSession

    def on(self, request: type[AnyFromCentralSystem[Q, R]]) -> Callable[[HandlerOf[Q, R]], HandlerOf[Q, R]]:
        """Decorate the handler of a request class."""
        return self.handlers.on(request)

    def call(self, request: FromChargePoint[R], *, timeout: float | None = None) -> R:
        """Ask the central system, see :meth:`Peer.call`."""
        return self.peer.call(request, timeout=timeout)

    def ask(self, request: FromChargePoint[R], *, timeout: float | None = None) -> PendingCall[R]:
        """Ask it, and do not wait, see :meth:`Peer.ask`."""
        return self.peer.ask(request, timeout=timeout)

    def send(self, message: SendFromChargePoint) -> None:
        """Send a SEND (2.1)."""
        self.peer.send(message)


class CentralSystemSide(Side[CentralSystemHandlers]):
    """The central system's."""

    role = Role.CENTRAL_SYSTEM
    new_session = CentralSystemSession

    def __init__(self, clock: VirtualClock, trace: Trace, handlers: CentralSystemHandlers, identity: str) -> None:
        super().__init__(clock, trace, handlers, identity)
        self._current: Peer[Any] | None = None
        """The connection that was opened last."""
        self._reactions[ConnectionRequested] = self._on_requested
        self._reactions[ProbeAnswered] = self._on_probe_answered

    def on(self, request: type[AnyFromChargePoint[Q, R]]) -> Callable[[HandlerOf[Q, R]], HandlerOf[Q, R]]:
        """Decorate the handler of a request class."""
        return self.handlers.on(request)

    def call(self, request: FromCentralSystem[R], *, timeout: float | None = None) -> R:
        """Ask the charge point, see :meth:`Peer.call`."""
        return self.peer.call(request, timeout=timeout)

    def ask(self, request: FromCentralSystem[R], *, timeout: float | None = None) -> PendingCall[R]:
        """Ask it, and do not wait, see :meth:`Peer.ask`."""
        return self.peer.ask(request, timeout=timeout)

    def chosen(self, versions: Sequence[Version]) -> Version | None:
        """The version that it chooses among those of a charge point (RPC-011); ``None``: it speaks none of them."""
        spoken = self.handlers.versions if isinstance(self.handlers, CentralSystem) else versions
        return next((version for version in versions if version in spoken), None)

    def terms(self, version: Version, *, limits: Limits | None = None, actions: Actions | None = None) -> Terms:
        """The application's, if there is one."""
        application = self.handlers
        if not isinstance(application, CentralSystem):
            return super().terms(version, limits=limits, actions=actions)
        if version not in application.versions:
            spoken = ", ".join(map(str, application.versions))
            raise ValueError(f"the central system speaks OCPP {spoken}, and not {version}")
        self.require_handlers(version)
        tolerance = application.tolerance
        if not isinstance(tolerance, Tolerance):  # then what tells it of each station has to see one that connects
            path = f"/{self.identity}"
            request = ConnectionRequested(self.identity, path, (version.subprotocol,), version, None, {})
            tolerance = Tolerance.of(tolerance(request)).checked(application.actions.values())
        actions = application.actions.get(version, actions or version.actions)
        # A vendor's action of another version is no mistake, as one that this session alone was told of would be.
        return Terms(version=version, limits=application.limits, actions=actions, tolerance=tolerance.about(actions))

    def require_handlers(self, version: Version) -> None:
        """Object to an application that leaves the stations of this version to a role.

        Raises:
            ValueError: it does.
        """
        if isinstance(self.handlers, CentralSystem) and self.handlers.part is not None and version is Version.V16:
            raise ValueError(
                "the central system leaves its stations of OCPP 1.6 to the role that it plays, and no role is run here:"
                " `ocpp_sansio.testing.simulation` does that; so does an adapter that serves it, for a `Port`"
            )

    def opened(self, peer: Peer[Any]) -> None:
        """A connection is open: it takes the place of one that there was (RPC-019)."""
        before, self._current = self._current, peer
        displaced = self.handlers.opened(peer) if isinstance(self.handlers, CentralSystem) else (before,)
        for each in displaced:
            if each is not None and each.closed is None:
                each.give_way()

    def _on_requested(self, peer: Peer[Any], request: ConnectionRequested) -> None:
        """Whether it may connect is for the application to say, if there is one."""
        application = self.handlers
        if not isinstance(application, CentralSystem):
            peer.machine.accept(now=self.now)
            return
        entry = application.entry(request)
        refusal = entry.screen(now=self.now)
        if refusal is not None:
            self._decide(peer, entry, refusal)
        else:
            run(
                lambda: application.admit(request),
                lambda decision: self._decide(peer, entry, entry.judge(decision, now=self.now)),
                lambda error: self._refuse_entry(peer, entry, error),
            )

    def _refuse_entry(self, peer: Peer[Any], entry: Entry, error: Exception) -> None:
        self._blame(error)
        self._decide(peer, entry, entry.judge(False, now=self.now))

    def _decide(self, peer: Peer[Any], entry: Entry, verdict: Verdict) -> None:
        if isinstance(verdict, Contested):
            rival: Peer[Any] = verdict.rivals[0]
            rival.probe(lambda is_alive: self._decide(peer, entry, entry.probed(is_alive=is_alive, now=self.now)))
        elif isinstance(verdict, Refusal):
            peer.machine.reject_connection(verdict.status, headers=verdict.headers, now=self.now)
        else:
            peer.machine.accept(now=self.now)
        peer.drive()

    def _on_over(self, peer: Peer[Any], end: ConnectionClosed | ConnectionRefused) -> None:
        super()._on_over(peer, end)
        if isinstance(self.handlers, CentralSystem):
            self.handlers.closed(peer)
        peer.tell_askers(is_alive=False)

    def _on_probe_answered(self, peer: Peer[Any], _: ProbeAnswered) -> None:
        peer.tell_askers(is_alive=True)
