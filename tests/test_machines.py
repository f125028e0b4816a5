"""hypothesis at the other end: what is right passes in every version and role; what is broken is found."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import ModuleType
from typing import Any, ClassVar

import attrs
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from ocpp_sansio import CallFailed, CallFailure, CentralSystem, ChargePointHandlers, Limits, Version, v16, v21, v201
from ocpp_sansio.testing import Chance, Conditions, Pair, VirtualClock
from ocpp_sansio.testing.machines import CentralSystemMachine, ChargePointMachine, PeerMachine, Port, chances
from ocpp_sansio.testing.referee import Foul

FEW = settings(
    max_examples=8,
    stateful_step_count=25,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    database=None,
    derandomize=True,
)
UTC_NOW = VirtualClock().utc


# -- what is right --


def central_system(messages: ModuleType, version: str) -> CentralSystem:
    """It answers at once, late, by asking back, and by raising; and it knows only a few actions."""
    csms = CentralSystem(versions=[version])

    @csms.on(messages.BootNotificationRequest)
    async def boot(station: Any, request: Any) -> Any:
        return messages.BootNotificationResponse(
            current_time=UTC_NOW, interval=300, status=messages.RegistrationStatus.ACCEPTED
        )

    @csms.on(messages.HeartbeatRequest)
    async def beat(station: Any, request: Any) -> Any:
        with suppress(CallFailure):
            await station.call(messages.ClearCacheRequest(), timeout=2)  # eight may wait for their turn
        return messages.HeartbeatResponse(current_time=UTC_NOW)

    @csms.on(messages.DataTransferRequest)
    async def transfer(station: Any, request: Any) -> Any:
        await station.sleep(20)
        return messages.DataTransferResponse(status=messages.DataTransferStatus.ACCEPTED)

    return csms


class Office(CentralSystemMachine):
    messages: ClassVar[ModuleType] = v16
    call_timeout = 2.0
    asked: ClassVar[list[str]] = []

    def system(self) -> CentralSystem:
        return central_system(self.messages, str(self.version))

    def on_response(self, identity: str, request: Any, response: Any) -> None:
        assert identity in self.identities
        self.asked.append(type(response).__name__)


class Office201(Office):
    version, messages = "2.0.1", v201


class Office21(Office):
    version, messages = Version.V21, v21


class Station(ChargePointMachine):
    messages: ClassVar[ModuleType] = v16

    def system(self) -> ChargePointHandlers:
        handlers = ChargePointHandlers()

        @handlers.on(self.messages.ClearCacheRequest)
        async def clear(peer: Any, request: Any) -> Any:
            await peer.sleep(1)
            return self.messages.ClearCacheResponse(status=self.messages.ClearCacheStatus.ACCEPTED)

        return handlers

    @rule()
    def beat(self) -> None:
        self.say("CP1", self.messages.HeartbeatRequest())


class Station201(Station):
    version, messages = "2.0.1", v201


class Station21(Station):
    version, messages = "2.1", v21


@pytest.mark.parametrize("machine", [Office, Office201, Office21, Station, Station201, Station21])
def test_what_is_right_passes(machine: type[RuleBasedStateMachine]):
    """F-91…F-108, in every version and role."""
    Office.asked.clear()
    run_state_machine_as_test(machine, settings=FEW)  # type: ignore[no-untyped-call]
    if issubclass(machine, Office):
        assert "BootNotificationResponse" in Office.asked


# -- what is broken --


def found(machine: type[PeerMachine], examples: int = 100) -> str:
    """What is found; it fails if nothing is."""
    with pytest.raises(Foul) as caught:
        run_state_machine_as_test(machine, settings=settings(FEW, max_examples=examples))  # type: ignore[no-untyped-call]
    assert any("What went in and came out" in note for note in caught.value.__notes__)
    return str(caught.value)


@attrs.define
class Foreign(Port):
    """A central system that has nothing to do with us: it knows Heartbeat and DataTransfer, and how to say no."""

    flaw: Callable[[str], Iterable[str]]
    """What it makes of each answer that it gives."""
    heard: int = 0
    is_closed: bool = False

    def receive(self, text: str | None, *, now: float) -> Iterable[str]:
        if text is None:
            return
        try:
            frame = json.loads(text)
        except (ValueError, RecursionError):
            return
        match frame:
            case [int(2), str(message_id), str(action), payload] if 0 < len(message_id) <= 36:
                self.heard += 1
                yield from self.flaw(json.dumps(self.answer(message_id, action, payload)))

    @staticmethod
    def answer(message_id: str, action: str, payload: object) -> list[object]:
        if action == "Heartbeat":
            is_valid = payload in ({}, None)
            time = {"currentTime": "2026-01-01T00:00:00Z"}
            return [3, message_id, time] if is_valid else [4, message_id, "FormationViolation", "", {}]
        return [4, message_id, "NotSupported" if action in Version.V16.actions else "NotImplemented", "", {}]

    def close(self) -> None:
        self.is_closed = True


def foreign(flaw: Callable[[str], Iterable[str]]) -> type[CentralSystemMachine]:
    class Theirs(CentralSystemMachine):
        actions = ("Heartbeat", "Authorize", "BootNotification")

        def open(self, identity: str) -> Port:
            return Foreign(flaw)

    return Theirs


def test_what_was_made_by_others_passes_as_well():
    run_state_machine_as_test(foreign(lambda answer: [answer]), settings=FEW)  # type: ignore[no-untyped-call]


RESET = '[2,"same id","Reset",{"type":"Soft"}]'


@pytest.mark.parametrize(
    ("about", "flaw"),
    [
        ("more than once", lambda answer: [answer, answer]),
        ("does not answer", lambda _: []),
        ("is not valid", lambda answer: [answer.replace("currentTime", "current_time")]),
        ("nobody has asked", lambda answer: [answer.replace('"h', '"H')]),
        ("no such error code", lambda answer: [answer.replace("NotSupported", "NoIdea")]),
        ("cannot answer what is valid", lambda answer: [answer.replace("NotSupported", "InternalError")]),
        (
            "accepts what is invalid",
            lambda answer: [
                f'[3,{answer.split(",")[1]},{{"currentTime":"2026-01-01T00:00:00Z"}}]'
                if "FormationViolation" in answer
                else answer
            ],
        ),
        ("RPC-050", lambda answer: [RESET, RESET.replace("same", "other"), answer]),
        ("RPC-041", lambda answer: [answer, RESET]),
        ("not a message", lambda answer: [answer[:-1]]),
        ("does not send this", lambda answer: [answer, '[2,"1","Heartbeat",{}]']),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_others_do_wrong_is_found(about: str, flaw: Callable[[str], Iterable[str]]):
    assert about in found(foreign(flaw))


def test_a_port_need_do_no_more_than_receive():
    class Mute(Port):
        def receive(self, text: str | None, *, now: float) -> Iterable[str]:
            return []

    class Theirs(CentralSystemMachine):
        def open(self, identity: str) -> Port:
            return Mute()

    machine = Theirs()
    machine.repeat("CP1")  # there is nothing to repeat
    machine.call("CP1", ("Heartbeat", {}))
    machine.repeat("CP1")
    machine.disconnect("CP1")
    assert str(machine.trace).count("in   ") == 2
    assert not machine.talks


def test_a_port_that_cannot_receive_is_none():
    class Mute(Port):
        pass

    with pytest.raises(TypeError, match="receive"):
        Mute()  # type: ignore[abstract]


def test_a_machine_without_a_system_says_what_it_lacks():
    class Nothing(CentralSystemMachine):
        pass

    with pytest.raises(NotImplementedError, match="override `system`, or `open`"):
        run_state_machine_as_test(Nothing, settings=FEW)  # type: ignore[no-untyped-call]


def test_actions_have_to_be_what_the_other_end_asks():
    class Misspelt(Office):
        actions = ("Heartbeat", "Reset", "Authorise")

    with pytest.raises(ValueError, match=r"a charge point asks no Authorise, Reset in OCPP 1\.6"):
        Misspelt()


def test_a_machine_shrinks_and_explains_nothing():
    phases = Office.TestCase.settings.phases
    assert Phase.shrink in settings.default.phases
    assert set(phases) == {*settings.default.phases} - {Phase.explain}


def test_half_of_what_is_asked_has_a_handler():
    machine = Office()
    assert machine.handled == []  # it is not known yet
    machine.begin()
    handled = [action.name for action in machine.handled]
    assert sorted(handled) == ["BootNotification", "DataTransfer", "Heartbeat"]
    assert set(handled) < {action.name for action in machine.askable}


def test_charge_points_may_have_booted_before_anything_else():
    machine = Office()
    machine.begin_booted(1, {"chargePointVendor": "V", "chargePointModel": "M"})
    machine.begin()
    assert [what for _, _, what in machine.trace].count("connects") == 2
    assert "Accepted" in str(machine.trace)


def test_what_is_closed_is_let_go_of():
    closed: list[str] = []

    class HangsUp(Port):
        def receive(self, text: str | None, *, now: float) -> Iterable[str]:
            self.is_closed = text == "attack"
            return []

        def close(self) -> None:
            closed.append("once")

    class Theirs(CentralSystemMachine):
        def open(self, identity: str) -> Port:
            return HangsUp()

    machine = Theirs()
    machine.attack("CP1", "attack")
    assert not machine.talks
    machine.teardown()
    assert closed == ["once"]


def test_who_hangs_up_for_no_reason_is_found():
    class HangsUp(Foreign):
        def receive(self, text: str | None, *, now: float) -> Iterable[str]:
            yield from super().receive(text, now=now)
            self.is_closed = self.heard > 2

    class Theirs(CentralSystemMachine):
        def open(self, identity: str) -> Port:
            return HangsUp(lambda answer: [answer])

    assert "for no reason" in found(Theirs)


def test_who_hangs_up_on_an_attacker_is_right():
    class Wary(Office):
        repeat = None  # which counts as well

        def system(self) -> CentralSystem:
            return CentralSystem(limits=Limits(max_bad_messages=1))

    run_state_machine_as_test(Wary, settings=FEW)  # type: ignore[no-untyped-call]


def test_a_handler_that_fails_is_found_and_its_exception_is_the_cause():
    class Mine(CentralSystemMachine):
        actions = ("StatusNotification",)

        def system(self) -> CentralSystem:
            csms = CentralSystem(accept_before_boot=True)

            @csms.on(v16.StatusNotificationRequest)
            async def status(station: Any, request: v16.StatusNotificationRequest) -> v16.StatusNotificationResponse:
                request.timestamp.isoformat()  # type: ignore[union-attr]  # it may be left out
                return v16.StatusNotificationResponse()

            return csms

    with pytest.raises(Foul) as caught:
        run_state_machine_as_test(Mine, settings=FEW)  # type: ignore[no-untyped-call]
    assert isinstance(caught.value.__cause__, AttributeError)


def test_what_is_said_of_ones_own_accord_is_judged():
    class Hasty(ChargePointMachine):
        call_timeout = 1000.0

        def system(self) -> ChargePointHandlers:
            return ChargePointHandlers()

        @rule()
        def beat(self) -> None:
            self.say("CP1", v16.HeartbeatRequest())

    assert "RPC-050" in found(Hasty)  # 30 seconds are not a thousand


@pytest.mark.parametrize("machine", [CentralSystemMachine, ChargePointMachine])
def test_it_has_to_be_said_what_is_tested(machine: type[PeerMachine]):
    with pytest.raises(NotImplementedError, match="override"):
        run_state_machine_as_test(machine, settings=FEW)  # type: ignore[no-untyped-call]


# -- chance --


def heartbeats(chance: Chance) -> Pair:
    conditions = Conditions(delay=(0, 1), lose=0.1, duplicate=0.1, stall=0.1, cut=0.1, half_open=0.5)
    pair = Pair(conditions=conditions, seed=chance, limits=Limits(call_timeout=5))
    pair.central_system.reply(v16.HeartbeatRequest, v16.HeartbeatResponse(current_time=UTC_NOW))
    pair.charge_point.ask(v16.HeartbeatRequest())
    pair.run(10)
    return pair


@given(chances())
@settings(max_examples=30)
def test_hypothesis_may_decide_what_goes_wrong(chance: Chance):
    assert 0 <= chance.between(0, 1) <= 1
    assert chance.whole(1, 3) in (1, 2, 3)
    heartbeats(chance)


def test_what_goes_wrong_shrinks_to_what_matters():
    """A link that is cut loses a text as well: that is two lines, and there are no others."""
    traces: list[str] = []

    def fails(chance: Chance) -> bool:
        pair = heartbeats(chance)
        failed = any(isinstance(event, CallFailed) for event in pair.charge_point.events)
        if failed:
            traces.append(str(pair.trace))
        return failed

    find(chances(), fails, settings=settings(max_examples=500, database=None, derandomize=True))
    assert sum(traces[-1].count(what) for what in ("loses", "doubles", "is cut", "carries nothing")) <= 2
