"""What the command plays: a charging session from both ends, told once for every adapter and every version.

A story is a generator: it yields what it wants (:class:`Ask`, :class:`Say`, :class:`Wait`) and is resumed with the
outcome. It knows what happens; how a version says it, the dialects know (:mod:`._v16`, :mod:`._v2x`). Neither knows
whether a task, a thread or a loop over virtual time brings it about.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from datetime import datetime
from typing import Any, ClassVar, Final, TypeVar

import attrs

from ocpp_sansio import CallTimedOut, FromChargePoint, Request, Response, SendFromChargePoint, Version
from ocpp_sansio.schema import properties

__all__ = [
    "VENDOR",
    "Answer",
    "Answers",
    "Ask",
    "ChargePoint",
    "Clock",
    "Dialect",
    "Say",
    "Step",
    "Story",
    "Wait",
    "answer_too_late",
    "reports",
]

T = TypeVar("T")

VENDOR: Final = "ocpp-sansio"
PATIENCE: Final = 0.15
"""Seconds the charge point waits for the answer that does not come in time."""
AGES: Final = 5.0
"""Seconds after which whoever waits for a thing that never happens goes on."""


@attrs.frozen
class Ask:
    """Send this to the other end; resume with the response, or raise the ``CallFailure``."""

    request: Request[Any]
    timeout: float | None = None


@attrs.frozen
class Say:
    """Send this to the other end, which does not answer."""

    message: SendFromChargePoint


@attrs.frozen
class Wait:
    """Let the connection live until this holds, or for so many seconds."""

    seconds: float
    until: Callable[[], bool] = lambda: False


Step = Ask | Say | Wait
Story = Generator[Step, Any, T]
Answer = Callable[[Any], Response | Story[Response]]
"""What one end says to a request of the other: a response, or the story of how it comes to one."""
Answers = dict[type[Any], Answer]
Clock = Callable[[], datetime]


class ChargePoint(ABC):
    """A charge point with one connector and one customer."""

    answers: Answers
    """To the requests of its central system. None of them is a story."""

    def __init__(
        self, clock: Clock, id_tag: str = "CUSTOMER-1", note: Callable[[str], object] = lambda _: None
    ) -> None:
        self.clock = clock
        self.id_tag = id_tag
        self._note = note
        self.start_requested = False
        self.stop_requested = False
        self.lost_patience = False
        """Whether the call that is not answered in time has timed out."""

    def boot(self) -> Story[bool]:
        """Say who it is; whether it is welcome."""
        if not (yield from self.is_welcome()):
            return False
        yield self.status(charging=False)
        return True

    def beat(self) -> Story[None]:
        """Say that it is there."""
        yield Ask(self.heartbeat())

    def charge(self, readings: int, interval: float) -> Story[bool]:
        """A session of so many meter readings, or until it is stopped remotely; whether there was one."""
        if not (yield from self.may_charge()):
            return False
        meter = 1000
        yield from self.start(meter)
        yield self.status(charging=True)
        for _ in range(readings):
            yield Wait(interval, until=lambda: self.stop_requested)
            if self.stop_requested:
                break
            meter += 250
            yield from self.read(meter)
        yield from self.stop(meter)
        yield self.status(charging=False)
        return True

    def lose_patience(self, heard: Callable[[], int]) -> Story[None]:
        """Make a call that is not answered in time, and see that its late answer disturbs nothing.

        ``heard`` counts the messages that have come in.
        """
        before = heard()
        try:
            yield Ask(self.data_transfer("take your time"), timeout=PATIENCE)
        except CallTimedOut as failure:
            self._note(f"✗ {failure}")
            self.lost_patience = True
            yield Wait(AGES, until=lambda: heard() > before)

    # -- for each dialect to say --

    @abstractmethod
    def is_welcome(self) -> Story[bool]:
        """Send a BootNotification; whether it is accepted."""

    @abstractmethod
    def may_charge(self) -> Story[bool]:
        """Send an Authorize; whether the customer is accepted."""

    @abstractmethod
    def status(self, *, charging: bool) -> Ask:
        """How the connector is."""

    @abstractmethod
    def heartbeat(self) -> Request[Any]:
        """That it is there."""

    @abstractmethod
    def data_transfer(self, message_id: str) -> Request[Any]:
        """Something of its own."""

    @abstractmethod
    def start(self, meter: int) -> Story[None]:
        """A transaction begins, at this reading in Wh."""

    @abstractmethod
    def read(self, meter: int) -> Story[None]:
        """It has come so far."""

    @abstractmethod
    def stop(self, meter: int) -> Story[None]:
        """It ends."""


class Dialect(ABC):
    """How both ends say it in one version."""

    version: ClassVar[Version]
    charge_point: ClassVar[type[ChargePoint]]

    @classmethod
    @abstractmethod
    def welcome(cls, clock: Clock) -> Answers:
        """The answers of a central system that welcomes everybody and lets everybody charge."""

    @classmethod
    @abstractmethod
    def interfere(cls, clock: Clock, charge_point: ChargePoint) -> Answers:
        """Those of one that makes the charge point start, and stop at the first reading, from inside its handlers."""


def reports(version: Version) -> Answers:
    """What answers whatever a charge point reports: taken note of, and no more said."""
    answers: Answers = {}
    for action in version.actions.values():
        if not issubclass(action.request, FromChargePoint) or action.response is None:
            continue
        if not any(each.required for each in properties(action.response)):  # else there is more to say
            answers[action.request] = _always(action.response())
    return answers


def _always(response: Response) -> Answer:
    return lambda _: response


def answer_too_late(charge_point: ChargePoint, response: Response) -> Answer:
    """A handler that answers once the charge point waits no more."""

    def answer(_: object) -> Story[Response]:
        yield Wait(AGES, until=lambda: charge_point.lost_patience)
        return response

    return answer
