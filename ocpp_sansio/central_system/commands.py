"""What stations are asked: whether they may be asked it now, what waits for them, and the outcome of each command.

One command at a time is on its way to a station (RPC-050); those that wait are in the order of their calls, but one
that the station must not be asked yet holds up no other. What waits is not kept: it lives as long as the process.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeVar

import attrs

from ocpp_sansio.diagnosis import validate
from ocpp_sansio.errors import CallFailure, ConnectionLost, LocalProtocolError, QueueFull
from ocpp_sansio.machine import Line
from ocpp_sansio.messages import FromCentralSystem, Request, Response, Role
from ocpp_sansio.v16 import ACTIONS

from .backbone import Answered, Backbone, Block, Deadlines, LinkDown, LinkUp, Notice, Registered
from .effects import Command, CommandExpired, CommandFailed, CommandRefused, CommandSucceeded

__all__ = ["Commands", "Forbids"]

R = TypeVar("R", bound=Response)

Forbids = Callable[[str, Request[Any]], str | None]
"""Why a station must not be asked something now, by its identity and the request."""


@attrs.define
class _Lane:
    """The commands of one station."""

    waiting: deque[Command[Any]] = attrs.field(factory=deque[Command[Any]])
    on_its_way: Command[Any] | None = None


class Commands(Block):
    """The commands of all stations."""

    def __init__(self, backbone: Backbone, forbids: Forbids) -> None:
        super().__init__(backbone)
        self._forbids: Final = forbids
        self._lanes: dict[str, _Lane] = {}
        self._expiries: Final = Deadlines[Command[Any]](backbone.machine, self._expire)

    def hears(self) -> Mapping[type[Notice], Callable[[Any], None]]:
        """Of links and registrations: whatever may let a command go, or keep it."""
        return {LinkUp: self._on_link_up, LinkDown: self._on_link_down, Registered: self._on_registered}

    def call(
        self, identity: str, request: FromCentralSystem[R], *, timeout: float | None, expires_in: float | None
    ) -> Command[R]:
        """See :meth:`CentralSystem.call`."""
        self._require_command(request)
        for seconds in (timeout, expires_in):
            if seconds is not None and not seconds > 0:
                raise ValueError(f"a positive number of seconds, not {seconds}")
        why = self._forbids(identity, request)
        if why is not None:
            raise CommandRefused(why)
        expires_at = None if expires_in is None else self.backbone.machine.now + expires_in
        command = Command(identity, request, timeout, expires_at)
        line = self.backbone.line(identity)
        if line is None and expires_at is None:
            self._fail(command, ConnectionLost(sent=False))
            return command
        lane = self._lanes.setdefault(identity, _Lane())
        must_wait = line is None or lane.on_its_way is not None
        if must_wait and len(lane.waiting) >= self.backbone.options.max_queued_commands:
            raise QueueFull(f"{len(lane.waiting)} commands are waiting for {identity} already")
        self._wait(lane, command)
        self._send_next(identity)
        return command

    @staticmethod
    def _require_command(request: Request[Any]) -> None:
        kind = type(request)
        action = ACTIONS.of(kind)
        if action is None or not action.sent_by(Role.CENTRAL_SYSTEM):
            raise LocalProtocolError(f"a {Role.CENTRAL_SYSTEM} of OCPP 1.6 does not send a {kind.__name__}")
        validate(request)

    def _wait(self, lane: _Lane, command: Command[Any], *, ahead: bool = False) -> None:
        (lane.waiting.appendleft if ahead else lane.waiting.append)(command)
        if command.expires_at is not None:
            self._expiries.set(command, command.expires_at)

    def _send_next(self, identity: str) -> None:
        """Send the first command that may be sent, if the station can take one."""
        lane, line = self._lanes.get(identity), self.backbone.line(identity)
        if lane is None or lane.on_its_way is not None:
            return
        if line is not None:
            now = self.backbone.machine.now
            may = (each for each in lane.waiting if _expiry(each) > now and not self._forbids(identity, each.request))
            command = next(may, None)
            if command is not None:
                lane.waiting.remove(command)
                self._expiries.cancel(command)
                self._send(line, lane, command)
        self._tidy(identity, lane)

    def _send(self, line: Line, lane: _Lane, command: Command[Any]) -> None:
        lane.on_its_way = command
        link = self.backbone.link(command.identity)
        line.call(command.request, partial(self._conclude, lane, command, link), timeout=command.timeout)

    def _conclude(self, lane: _Lane, command: Command[Any], link: object, outcome: Response | CallFailure) -> None:
        lane.on_its_way = None
        if isinstance(outcome, Response):
            self.backbone.emit(CommandSucceeded(command, outcome))
            self.backbone.publish(Answered(command.identity, command.request, outcome))
        elif _was_not_sent(outcome) and command.expires_at is not None:
            self._wait(lane, command, ahead=True)
            if self.backbone.link(command.identity) is link:
                return  # this link takes nothing more: there is no use in trying before there is another
        else:
            self._fail(command, outcome)
        self._send_next(command.identity)

    def _fail(self, command: Command[Any], error: CallFailure | CommandRefused) -> None:
        self.backbone.emit(CommandFailed(command, error))

    def _expire(self, command: Command[Any]) -> None:
        lane = self._lanes[command.identity]
        lane.waiting.remove(command)
        self.backbone.emit(CommandExpired(command))
        self._tidy(command.identity, lane)

    def _tidy(self, identity: str, lane: _Lane) -> None:
        if not lane.waiting and lane.on_its_way is None:
            del self._lanes[identity]

    # -- notices --

    def _on_link_up(self, notice: LinkUp) -> None:
        self._send_next(notice.identity)

    def _on_link_down(self, notice: LinkDown) -> None:
        self._give_up(notice.identity, lambda _: ConnectionLost(sent=False))

    def _on_registered(self, notice: Registered) -> None:
        identity = notice.registration.identity

        def refusal(command: Command[Any]) -> CommandRefused | None:
            why = self._forbids(identity, command.request)
            return None if why is None else CommandRefused(why)

        self._give_up(identity, refusal)
        self.backbone.machine.then(lambda: self._send_next(identity))  # after the answer to the BootNotification

    def _give_up(self, identity: str, why: Callable[[Command[Any]], CallFailure | CommandRefused | None]) -> None:
        """Fail what does not wait for better times, if there is a reason why it should."""
        lane = self._lanes.get(identity)
        if lane is None:
            return
        for command in [each for each in lane.waiting if each.expires_at is None]:
            error = why(command)
            if error is not None:
                lane.waiting.remove(command)
                self._fail(command, error)
        self._tidy(identity, lane)


def _expiry(command: Command[Any]) -> float:
    return math.inf if command.expires_at is None else command.expires_at


def _was_not_sent(error: CallFailure) -> bool:
    return isinstance(error, ConnectionLost) and not error.sent
