"""A charge point as a certifier has it: a central system at the other end of real sessions, and an eye on the hardware.

The central system answers everything as :class:`Station` has it, and writes down, line by line, what it hears: requests
and answers with all their plain fields but times, and what says that nothing is wrong.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from ocpp_sansio import (
    CallFailed,
    CallReceived,
    CallSucceeded,
    CentralSystemSession,
    ChargePointSession,
    Event,
    numbered_ids,
)
from ocpp_sansio.charge_point import Setup
from ocpp_sansio.charge_point.effects import Effect, LockConnector, Reboot, StartEnergy, StopEnergy, UnlockConnector
from ocpp_sansio.messages import Request, Response
from ocpp_sansio.v16 import (
    BootNotificationRequest,
    BootNotificationResponse,
    ChargePointErrorCode,
    HeartbeatRequest,
    HeartbeatResponse,
    MeterValuesRequest,
    RegistrationStatus,
)

from .harness import EPOCH
from .station import Station

BOOTED = ["BootNotification Vendor Model", "StatusNotification 0 Available", "StatusNotification 1 Available"]
"""What is heard of a boot that is accepted, of a charge point with one connector that nobody uses."""


class Lab(Station):
    """``registrations`` are the answers to the next BootNotifications; after them, each is accepted."""

    def __init__(self, setup: Setup | None = None, *, transcript: list[Any] | None = None, **options: Any) -> None:
        self.registrations: list[RegistrationStatus] = []
        self.interval = 300
        self.mute: set[type[Request[Any]]] = set()
        """Kinds of requests that the central system hears, and leaves without an answer."""
        self._transcript: list[Any] = [] if transcript is None else transcript
        self._looked_at = 0
        self._ends: tuple[ChargePointSession, CentralSystemSession] | None = None
        self._links = 0
        self._is_moving = False
        super().__init__(setup, **options)

    def set(self, **values: str) -> None:
        """What the configuration keys are for this case."""
        for name, value in values.items():
            self.do("configure", name, value)

    # -- the link --

    def link_up(self) -> None:
        self._links += 1
        self._ends = (
            ChargePointSession("1.6", message_ids=numbered_ids(f"cp{self._links}-")),
            CentralSystemSession("1.6", message_ids=numbered_ids(f"cs{self._links}-")),
        )
        self.do("link_up", self._ends[0])

    def disconnect(self) -> None:
        self._ends = None
        self.do("link_down")

    def drain(self) -> None:
        super().drain()
        if not self._is_moving:
            self._is_moving = True
            while self._move():
                pass
            self._is_moving = False

    def _move(self) -> bool:
        """Carry what there is from one end to the other. Returns whether there was anything."""
        if self._ends is None:
            return False
        point, system = self._ends
        up, down = point.bytes_to_send(), system.bytes_to_send()
        for text in up:
            system.receive_data(text, now=self.now)
        while (event := system.next_event()) is not None:
            self._hear(event)
        for text in down:
            point.receive_data(text, now=self.now)
        while (event := point.next_event()) is not None:
            self.do("receive_event", event)
        return bool(up or down)

    def reboot(self, **options: Any) -> Lab:
        """Another boot with what the store holds, at the same central system."""
        lab = Lab(self.setup, records=self.store.load(), now=self.now, transcript=self._transcript, **options)
        lab.infos, lab.transaction_id, lab.register = self.infos, self.transaction_id, self.register
        lab._links = self._links
        return lab

    # -- the central system --

    @property
    def utc(self) -> datetime:
        return EPOCH + timedelta(seconds=self.now)

    def tell(self, request: Any) -> None:
        """Send a request of the central system. Its answer is heard when it comes."""
        assert self._ends is not None
        self._ends[1].call(request, now=self.now)
        self.drain()

    def _hear(self, event: Event) -> None:
        assert self._ends is not None
        if isinstance(event, CallReceived):
            self._transcript.append(event.request)
            if type(event.request) not in self.mute:
                self._ends[1].respond(event, self.proper_answer(event.request), now=self.now)
        elif isinstance(event, CallSucceeded):
            self._transcript.append(event.response)
        else:
            assert isinstance(event, CallFailed), event
            self._transcript.append(event.error)

    def proper_answer(self, request: Request[Any]) -> Response:
        if isinstance(request, BootNotificationRequest):
            status = self.registrations.pop(0) if self.registrations else RegistrationStatus.ACCEPTED
            return BootNotificationResponse(current_time=self.utc, interval=self.interval, status=status)
        if isinstance(request, HeartbeatRequest):
            return HeartbeatResponse(current_time=self.utc)
        return super().proper_answer(request)

    # -- what is seen --

    def heard(self, *kinds: type[Any]) -> list[Any]:
        """The messages of these kinds among what ``log`` would show now."""
        return [message for message in self._transcript if isinstance(message, kinds)]

    def log(self) -> list[str]:
        """What the central system has heard since this was last asked."""
        lines = list(map(_line, self._transcript))
        self._transcript.clear()
        return lines

    def hardware(self) -> list[Effect]:
        """What the hardware was told since this was last asked."""
        new, self._looked_at = self.effects[self._looked_at :], len(self.effects)
        return [effect for effect in new if isinstance(effect, _HARDWARE)]

    def start_over(self) -> None:
        """What was seen so far is no part of the case."""
        self.log()
        self.hardware()

    # -- what cases begin with --

    def plug_in(self, connector: int = 1) -> None:
        """An EV that takes energy as soon as there is some."""
        self.do("plug_in", connector)
        self.do("ev_ready", connector)

    def present(self, id_tag: str = "TAG", connector: int = 1) -> None:
        self.do("present", id_tag, connector)


def booted(setup: Setup | None = None, /, **values: str) -> Lab:
    """A charge point that is accepted, and idle."""
    lab = Lab(setup)
    lab.set(**values)
    lab.link_up()
    lab.start_over()
    return lab


def charging(setup: Setup | None = None, /, **values: str) -> Lab:
    """One that charges, in transaction 101 of the idTag TAG on connector 1, from 1000 Wh on."""
    lab = booted(setup, **values)
    lab.plug_in()
    lab.present()
    lab.start_over()
    lab.register = 1500
    return lab


def _line(message: object) -> str:
    if not isinstance(message, Struct):  # why there was no answer
        return repr(message)
    shown = [value for value in asdict(message).values() if value is not None and not isinstance(value, _UNTOLD)]
    if isinstance(message, MeterValuesRequest):
        shown += [f"{v.context} {v.value}" for each in message.meter_value for v in each.sampled_value]
    name = type(message).__name__
    name = name.removesuffix("Request") if isinstance(message, Request) else name.removesuffix("Response") + ".conf"
    return " ".join([name, *(str(value) for value in shown if value is not ChargePointErrorCode.NO_ERROR)])


_HARDWARE = (LockConnector, Reboot, StartEnergy, StopEnergy, UnlockConnector)
_UNTOLD = (datetime, list, Struct)
