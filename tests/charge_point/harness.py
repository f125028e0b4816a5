"""A charge point on a bench: a recording link, a store that can be watched, a clock that stands still until told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from ocpp_sansio import CallFailed, CallFailure, CallReceived, CallSucceeded, ErrorCode, PendingCall, validate
from ocpp_sansio.charge_point import ChargePoint, Setup
from ocpp_sansio.charge_point.effects import Effect
from ocpp_sansio.messages import Request, Response
from ocpp_sansio.store import MemoryStore, Persist, Put
from ocpp_sansio.v16 import (
    BootNotificationRequest,
    BootNotificationResponse,
    RegistrationStatus,
    StatusNotificationRequest,
    StatusNotificationResponse,
)

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
BOOT = BootNotificationRequest(charge_point_vendor="Vendor", charge_point_model="Model")


class FakeLink:
    """Takes note of what a role sends. It has the verbs of a session."""

    def __init__(self) -> None:
        self.sent: list[PendingCall[Any]] = []
        self.answers: list[tuple[CallReceived[Any], Response | tuple[ErrorCode, str] | None]] = []

    def call(self, request: Any, *, now: float, timeout: float | None = None) -> PendingCall[Any]:
        validate(request)
        pending = PendingCall(
            str(len(self.sent)), type(request).__name__.removesuffix("Request"), request, timeout or 30
        )
        self.sent.append(pending)
        return pending

    def respond(self, call: CallReceived[Any], response: Any, *, now: float) -> bool:
        validate(response)
        self.answers.append((call, response))
        return True

    def reject(self, call: CallReceived[Any], code: ErrorCode, description: str = "", *, now: float) -> bool:
        self.answers.append((call, (code, description)))
        return True

    def ignore(self, call: CallReceived[Any], *, now: float) -> None:
        self.answers.append((call, None))


class Bench:
    """A charge point with everything around it. ``effects`` are those of the host that have not been looked at."""

    def __init__(
        self, setup: Setup | None = None, *, records: Iterable[Put] = (), now: float = 0.0, **options: Any
    ) -> None:
        self.setup = setup or Setup(BOOT)
        self.store = MemoryStore(records)
        self.now = now
        self.point = ChargePoint(
            self.setup, now=now, utc=options.pop("utc", EPOCH), records=self.store.load(), **options
        )
        self.link: FakeLink | None = None
        self.effects: list[Effect] = []
        self._calls = 0
        self._answered: set[PendingCall[Any]] = set()
        self.drain()

    # -- the run loop --

    def drain(self) -> None:
        while (effect := self.point.next_event()) is not None:
            if isinstance(effect, Persist):
                self.store.commit(effect.changes)
                self.point.persisted(now=self.now)
            else:
                self.effects.append(effect)

    def do(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        """One mutation, and everything that follows from it."""
        result = getattr(self.point, verb)(*args, now=self.now, **kwargs)
        self.drain()
        return result

    def wait(self, seconds: float) -> None:
        """Let time pass, deadline by deadline."""
        until = self.now + seconds
        while (deadline := self.point.next_timeout()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.do("handle_timeout")
        self.now = until

    # -- the central system --

    def connect(self) -> FakeLink:
        self.link = FakeLink()
        self.do("link_up", self.link)
        return self.link

    def disconnect(self) -> None:
        self.link = None
        self.do("link_down")

    def online(self, interval: int = 300) -> FakeLink:
        """Connected and accepted, with the first StatusNotifications answered."""
        link = self.connect()
        self.answer(BootNotificationResponse(current_time=EPOCH, interval=interval, status=RegistrationStatus.ACCEPTED))
        self.settle()
        return link

    def settle(self) -> None:
        """Answer the StatusNotifications that have no answer yet."""
        for call in self.unanswered:
            if isinstance(call.request, StatusNotificationRequest):
                self.answer(StatusNotificationResponse(), call)

    @property
    def unanswered(self) -> list[PendingCall[Any]]:
        return [] if self.link is None else [call for call in self.link.sent if call not in self._answered]

    def answer(self, outcome: Response | CallFailure, call: PendingCall[Any] | None = None) -> PendingCall[Any]:
        """Give a CALL of the charge point, or the first that has none, its outcome."""
        call = call or self.unanswered[0]
        self._answered.add(call)
        event: Any = CallSucceeded(call, outcome) if isinstance(outcome, Response) else CallFailed(call, outcome)
        self.do("receive_event", event)
        return call

    def ask(self, request: Request[Any]) -> Response | tuple[ErrorCode, str] | None:
        """A CALL of the central system; returns the answer if there is one by now."""
        assert self.link is not None
        self._calls += 1
        call = CallReceived(f"csms-{self._calls}", type(request).__name__.removesuffix("Request"), request, ())
        self.do("receive_event", call)
        return next((answer for asked, answer in self.link.answers if asked is call), None)

    def sent(self, kind: type[Request[Any]]) -> list[Any]:
        """The requests of a kind that were sent on this link."""
        return [] if self.link is None else [call.request for call in self.link.sent if isinstance(call.request, kind)]

    def seen(self, kind: type[Any]) -> list[Any]:
        """The effects of a kind so far."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def reboot(self, **options: Any) -> Bench:
        """Another boot with what the store holds."""
        return Bench(self.setup, records=self.store.load(), now=self.now, **options)
