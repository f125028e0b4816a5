"""What every adapter needs to run a role: its run loop, its links, its host, and who waits for its commands.

Knows the verbs of a role, of a connection and of a store. It must not know loops, threads or sockets: those belong to
the adapter, which says when there is a turn and where a coroutine runs. What a role does is for the role to decide.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from inspect import isawaitable
from typing import Any, Final, Generic, Protocol, TypeVar

import attrs

from ocpp_sansio import (
    CallExpired,
    CallFailed,
    CallReceived,
    CallSucceeded,
    ConnectionClosed,
    ConnectionLost,
    ConnectionOpened,
    ErrorCode,
    Event,
    FromCentralSystem,
    Limits,
    LocalProtocolError,
    PendingCall,
    Rejection,
    Response,
    Version,
    validate,
)
from ocpp_sansio.application import CentralSystemRole, Part, RoleVerbs
from ocpp_sansio.machine import Link
from ocpp_sansio.security_events import SecurityEvent
from ocpp_sansio.store import Persist, Store

from ._dispatcher import Dispatcher, F, Waiter, is_fault
from ._endings import BEHIND
from ._logging import logger

__all__ = [
    "Act",
    "CallExpired",
    "ChargePointRole",
    "ChargePointRunner",
    "Runner",
    "Running",
    "StationsRunner",
    "Wire",
    "drain",
]

T = TypeVar("T")
R = TypeVar("R", bound=Response)


class Running(Protocol):
    """A role that is being run."""

    def do(self, verb: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Tell the role something, with the time: ``running.do(point.plug_in, 1)``. Returns what the verb returns.

        Under an event loop what follows from it has been done or begun when this returns; in threads that comes after.

        Raises:
            LocalProtocolError, ValueError: the verb is misused. Nothing has changed.
        """
        ...


Act = Callable[[Running, Any], object]
"""The host: called with each effect of the role that is not for the driver. Under an event loop it may be ``async``;
then each effect waits until the one before has been acted on, so that what starts energy and what stops it keep their
order. Nothing else must be waited for there: what takes its time, such as a reading, belongs into a task of the host's
own, or it would hold up what cuts the energy off. Of a host that does not keep up, peers are told to come again later,
see ``Limits.max_waiting_effects``."""


class ChargePointRole(RoleVerbs, Protocol):
    """What a charge point is to its driver, see :class:`ocpp_sansio.charge_point.ChargePoint`."""

    def link_up(self, link: Link, *, now: float) -> None: ...
    def link_down(self, *, now: float) -> None: ...
    def link_failed(self, event: SecurityEvent, *, now: float) -> None: ...
    def receive_event(self, event: Event, *, now: float) -> None: ...


def drain(role: RoleVerbs, store: Store, act: Callable[[Any], object], now: Callable[[], float]) -> None:
    """The middle of the run loop: do what the role wants done, until it wants nothing more for now."""
    while (effect := role.next_event()) is not None:
        if not isinstance(effect, Persist):
            act(effect)
            continue
        try:
            store.commit(effect.changes)
        except Exception as error:  # noqa: BLE001 - whatever a store raises, nothing is known to be durable (D-09)
            role.persist_failed(error, now=now())
        else:
            role.persisted(now=now())


class Runner(ABC):
    """The one place where a role is run. The adapter's has a loop or a thread.

    Whatever comes in before a turn is taken in at once, and what it leaves to be kept goes to the store as one batch.
    """

    now = staticmethod(time.monotonic)
    """The clock of roles is the same under every adapter, so that who makes one need not know which it will be."""

    def __init__(self, part: Part[Any], limits: Limits) -> None:
        if part.is_running:
            raise LocalProtocolError("the role is being run already")
        part.is_running = True
        self._part = part
        self._inbox: deque[Callable[[], object]] = deque()
        self._is_turning = False
        self._effects: deque[Any] = deque()
        """What the host will be told once it has acted on what it was told last."""
        self._acting_on: Any = None
        """What it was told last, if it has not acted on that yet."""
        self._max_waiting = limits.max_waiting_effects
        self._has_complained = False

    # -- for the adapter to fill in --

    @abstractmethod
    def wake(self) -> None:
        """Have ``turn`` called soon, and after it again when ``patience`` is over."""

    @abstractmethod
    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run what an ``async`` host does."""

    def is_fault(self, error: BaseException) -> bool:
        """Whether what came out of the host is its fault, and not somebody stopping it (F-12)."""
        return is_fault(error)

    # -- for the adapter to call --

    def turn(self) -> None:
        """Take in what has come and what is due, and do everything that follows from it."""
        if self._is_turning:  # the host has something to say to what it is being told: it is heard after that
            return
        self._is_turning = True
        try:
            while True:
                self._attempt(partial(self._part.role.handle_timeout, now=self.now()))
                for _ in range(len(self._inbox)):  # not what comes meanwhile: it must not put off what is due (F-122)
                    self._attempt(self._inbox.popleft())
                self._attempt(partial(drain, self._part.role, self._part.store, self.tell_host, self.now))
                if not self._inbox:
                    break
        finally:
            self._is_turning = False

    def patience(self) -> float:
        """Seconds until the role wants a turn; ``math.inf``: not before something happens."""
        deadline = self._part.role.next_timeout()
        return math.inf if deadline is None else max(deadline - self.now(), 0.0)

    def stop(self) -> None:
        """Take the last turn: every link is gone, and nobody says anything more."""
        self.turn()
        self._part.is_running = False

    def post(self, mutation: Callable[[], object]) -> None:
        """Have something happen to the role in its next turn."""
        if self._part.is_running:
            self._inbox.append(mutation)
            self.wake()

    def do(self, verb: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """See :meth:`Running.do`. For the loop or the thread in which the role is run."""
        if not self._part.is_running:
            raise LocalProtocolError("the role is not being run any more")
        self.turn()
        try:
            return verb(*args, now=self.now(), **kwargs)
        finally:
            self.turn()
            self.wake()

    def _attempt(self, step: Callable[[], object]) -> None:
        try:
            step()
        except Exception:  # noqa: BLE001 - whatever it is, it must not be the end of everybody's charging
            logger.exception("the role failed")

    # -- the host --

    def tell_host(self, effect: Any) -> None:
        """Have the host act on an effect, in its turn."""
        self._effects.append(effect)
        if self._acting_on is None:
            self._act_on_effects()

    def _act_on_effects(self) -> None:
        while self._effects:
            effect = self._acting_on = self._effects.popleft()
            try:
                result = self._part.act(self, effect)
            except BaseException as error:
                if not self.is_fault(error):
                    raise
                self._log_host_fault(effect)
            else:
                if isawaitable(result):
                    self.spawn(self._act_later(effect, result))
                    return
        self._acting_on = None
        if self._has_complained:
            self._has_complained = False
            logger.warning("the host has caught up")

    async def _act_later(self, effect: Any, result: Awaitable[object]) -> None:
        try:
            await result
        except BaseException as error:
            if not self.is_fault(error):
                raise
            self._log_host_fault(effect)
        self._act_on_effects()

    @staticmethod
    def _log_host_fault(effect: Any) -> None:
        # What an effect says may be a secret (F-40): only its kind is for the log.
        logger.exception("the host failed to act on %s", type(effect).__name__)

    # -- links --

    def is_behind(self) -> bool:
        """Whether links are to bring nothing more, because the host does not keep up with it (F-123)."""
        waiting = len(self._effects) + len(self._inbox)
        if waiting <= self._max_waiting:
            return False
        if not self._has_complained:
            self._has_complained = True
            what = "nothing" if self._acting_on is None else type(self._acting_on).__name__
            logger.error("more than %d effects and events wait; the host is acting on %s", self._max_waiting, what)
        return True

    def wire(self, driver: Dispatcher[Any, Any, Any], version: Version) -> Wire | None:
        """The role's end of a new connection; ``None``: it does not speak this version."""
        if version is not Version.V16:
            return None
        wire = Wire(driver, self)
        wire.open()
        return wire

    def unwire(self) -> None:  # noqa: B027 - there is nothing to do
        """A connection has ended. Its :class:`Wire` tells."""

    @abstractmethod
    def link_up(self, wire: Wire) -> None:
        """Tell the role that there is this link."""

    @abstractmethod
    def link_down(self, wire: Wire) -> None:
        """Tell the role that it is gone."""

    @abstractmethod
    def receive(self, wire: Wire, event: Event) -> None:
        """Tell the role what happened on it."""


class Wire:
    """A connection as its role sees it. What the role says is said where the connection is run, and vice versa.

    The two may be threads that do not wait for each other: the role is given a handle for a CALL before it is sent.
    Where the connection is run, it is that clock that counts.
    """

    def __init__(self, driver: Dispatcher[Any, Any, Any], runner: Runner) -> None:
        self._driver: Final = driver
        self._runner: Final = runner
        self._handles: dict[PendingCall[Any], PendingCall[Any]] = {}
        """The role's handle of each CALL, by the session's."""
        self._is_known = False
        """Whether the role has been told of this link."""
        self._is_sent_away = False

    @property
    def identity(self) -> str:
        """The identity of the charge point."""
        return self._driver.identity

    # -- where the connection is run --

    def open(self) -> None:
        """Tell the role that there is a link, before anybody else hears of it."""
        if not self._is_turned_away():
            self._is_known = True
            self._runner.post(partial(self._runner.link_up, self))

    def carry(self, event: Event) -> None:
        """Bring an event to the role."""
        match event:
            case ConnectionOpened():
                pass  # see open
            case CallSucceeded() | CallFailed():
                self._conclude(attrs.evolve(event, call=self._handles.pop(event.call, event.call)))
            case ConnectionClosed():
                if self._is_known:
                    self._runner.post(partial(self._runner.link_down, self))
            case _:
                if not self._is_turned_away():
                    self._conclude(event)

    def _is_turned_away(self) -> bool:
        """Whether this link is to bring nothing more. It is closed then."""
        if not (self._is_sent_away or self._runner.is_behind()):
            return False
        self._is_sent_away = True
        self._driver.connection.close(*BEHIND, now=self._driver.now())
        return True

    def _conclude(self, event: Event) -> None:
        self._runner.post(partial(self._runner.receive, self, event))

    def _send(self, handle: PendingCall[Any], timeout: float | None) -> None:
        try:
            call = self._driver.connection.call(handle.request, now=self._driver.now(), timeout=timeout)
        except LocalProtocolError:  # it has ended, or too much is waiting: nothing was sent
            self._conclude(CallFailed(handle, ConnectionLost(sent=False)))
        else:
            self._handles[call] = handle
            self._driver.begun(call)

    # -- where the role is run: what it needs of a link --

    def call(self, request: Any, *, now: float, timeout: float | None = None) -> PendingCall[Any]:  # noqa: ARG002
        """Send a CALL.

        Raises:
            InvalidMessage: the request breaks its schema: it is known now, as everywhere.
        """
        validate(request)
        handle = PendingCall("", type(request).__name__, request, math.inf if timeout is None else timeout)
        self._driver.perform(partial(self._send, handle, timeout))
        return handle

    def respond(self, call: CallReceived[Any], response: Any, *, now: float) -> bool:  # noqa: ARG002
        """Answer a CALL."""
        self._driver.perform(partial(self._driver.answer, call, response))
        return True

    def reject(
        self,
        call: CallReceived[Any],
        code: ErrorCode,
        description: str = "",
        *,
        now: float,  # noqa: ARG002
    ) -> bool:
        """Answer a CALL with an error."""
        self._driver.perform(partial(self._driver.refuse, call, Rejection(code, description)))
        return True

    def ignore(self, call: CallReceived[Any], *, now: float) -> None:  # noqa: ARG002
        """Leave a CALL unanswered."""
        self._driver.perform(partial(self._driver.ignore, call))


# -- a charge point --


class ChargePointRunner(Runner):
    """Runs a charge point, which has one link at a time."""

    _part: Part[ChargePointRole]

    def link_up(self, wire: Wire) -> None:
        """The central system has been reached."""
        self._part.role.link_up(wire, now=self.now())

    def link_down(self, wire: Wire) -> None:  # noqa: ARG002 - there is only one
        """The link is gone."""
        self._part.role.link_down(now=self.now())

    def link_failed(self, event: SecurityEvent) -> None:
        """No link came about, for a reason that is to be reported (RPC-149)."""
        self.post(lambda: self._part.role.link_failed(event, now=self.now()))

    def receive(self, wire: Wire, event: Event) -> None:  # noqa: ARG002 - there is only one
        """The central system asks or answers."""
        self._part.role.receive_event(event, now=self.now())


# -- a central system --


class StationsRunner(Runner, Generic[F]):
    """Runs a central system, which has a link to each station, and those who wait for an outcome of its commands."""

    new_flag: type[F]
    _part: Part[CentralSystemRole]

    def __init__(self, part: Part[CentralSystemRole], limits: Limits) -> None:
        from ocpp_sansio.central_system import effects  # noqa: PLC0415 - OCPP 1.6 is for those to load who speak it

        super().__init__(part, limits)
        self._waiters: dict[object, Waiter[Any, F]] = {}
        self._outcomes: Final[Mapping[type[Any], Callable[[Any], Any]]] = {
            effects.CommandSucceeded: lambda effect: effect.response,
            effects.CommandFailed: lambda effect: effect.error,
            effects.CommandExpired: lambda _: CallExpired(),
        }

    def link_up(self, wire: Wire) -> None:
        """A station has connected."""
        self._part.role.link_up(wire.identity, wire, now=self.now())

    def link_down(self, wire: Wire) -> None:
        """A station is gone."""
        self._part.role.link_down(wire.identity, wire, now=self.now())

    def receive(self, wire: Wire, event: Event) -> None:
        """A station asks or answers."""
        self._part.role.receive_event(wire.identity, wire, event, now=self.now())

    def ask(self, identity: str, request: FromCentralSystem[R], *, now: float, **options: Any) -> Waiter[R, F]:
        """Have a station asked; its outcome will come to the waiter. A verb, for ``do``."""
        command = self._part.role.call(identity, request, now=now, **options)
        waiter = self._waiters[command] = Waiter[R, F](command, self.new_flag())
        return waiter

    def give_up(self, waiter: Waiter[Any, F]) -> None:
        """Nobody waits for the outcome any more. The command goes its way."""
        self._waiters.pop(waiter.call, None)

    def tell_host(self, effect: Any) -> None:
        """Have the host act on an effect, and tell who waits for it."""
        outcome = self._outcomes.get(effect.__class__)
        if outcome is not None:
            waiter = self._waiters.pop(effect.command, None)
            if waiter is not None:
                waiter.settle(outcome(effect))
        super().tell_host(effect)

    def stop(self) -> None:
        """It is over, also for those who wait."""
        super().stop()
        waiters, self._waiters = self._waiters, {}
        for waiter in waiters.values():
            waiter.settle(ConnectionLost(sent=False))
