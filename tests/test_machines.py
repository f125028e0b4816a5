"""hypothesis at the other end: what is right passes in every version and role; what is broken is found."""

from __future__ import annotations

import json
import unittest
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import ModuleType
from typing import Any, ClassVar

import attrs
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from ocpp_sansio import (
    FIELD,
    Action,
    Actions,
    CallFailed,
    CallFailure,
    CentralSystem,
    ChargePointHandlers,
    ConnectionRequested,
    FromCentralSystem,
    FromChargePoint,
    Limits,
    Response,
    Version,
    v16,
    v21,
    v201,
)
from ocpp_sansio.handlers import Handlers
from ocpp_sansio.messages import Role
from ocpp_sansio.testing import Chance, Conditions, Foul, Pair, VirtualClock
from ocpp_sansio.testing.machines import (
    IDENTITIES,
    CentralSystemMachine,
    ChargePointMachine,
    PeerMachine,
    Port,
    chances,
)
from tests.examples import PLAINLY
from tests.test_pair import playing

FEW = settings(PLAINLY, max_examples=8, stateful_step_count=25)
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
    heard: ClassVar[Counter[str]] = Counter()

    def on_response(self, identity: str, request: Any, response: Any) -> None:
        self.heard[type(response).__name__] += 1

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
        self.heard["beats"] += 1
        self.heard["asks"] += any(question.action.name == "Heartbeat" for _, question in self.questions)


class Station201(Station):
    version, messages = "2.0.1", v201


class Station21(Station):
    version, messages = "2.1", v21


@pytest.mark.parametrize("machine", [Office, Office201, Office21, Station, Station201, Station21])
def test_what_is_right_passes(machine: type[RuleBasedStateMachine]):
    """F-91…F-108, in every version and role."""
    Office.asked.clear()
    Station.heard.clear()
    run_state_machine_as_test(machine, settings=FEW)  # type: ignore[no-untyped-call]
    if issubclass(machine, Office):
        assert "BootNotificationResponse" in Office.asked
    else:
        assert Station.heard["ClearCacheResponse"]
        assert Station.heard["asks"]


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
    assert not machine.connected


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
        Misspelt().begin()


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


def test_what_cannot_be_told_apart_is_nobodys_response():
    """F-93: an id that is used for another CALL before the first is answered."""
    heard: list[Any] = []

    class Mine(Office):
        def on_response(self, identity: str, request: Any, response: Any) -> None:
            heard.append(type(request))

    run = booted(Mine)
    run.send("CP1", '[2,"x","DataTransfer",{"vendorId":"V"}]')
    run.send("CP1", '[2,"x","Heartbeat",{}]')
    run.wait(31)
    assert str(run.trace).count('[3,"x",') == 1
    assert heard == [v16.BootNotificationRequest]


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
    assert not machine.connected
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


# -- what cannot be tested --


def machine_for(*versions: str, **options: Any) -> type[CentralSystemMachine]:
    """A machine for an application that welcomes whoever boots, and does nothing else."""

    class Mine(CentralSystemMachine):
        version = versions[0]

        def system(self) -> CentralSystem:
            csms = CentralSystem(versions, **options)
            for version in versions:
                self.welcome(csms, {"1.6": v16, "2.0.1": v201}[version])
            return csms

        @staticmethod
        def welcome(csms: CentralSystem, messages: Any) -> None:
            accepted = messages.RegistrationStatus.ACCEPTED
            answer = messages.BootNotificationResponse(current_time=UTC_NOW, interval=300, status=accepted)
            csms.on(messages.BootNotificationRequest)(lambda *_: answer)

    return Mine


def test_a_version_that_the_application_does_not_speak_is_not_played():
    class Mine(machine_for("2.0.1")):  # type: ignore[misc]
        version = "1.6"

    with pytest.raises(ValueError, match=r"speaks OCPP 2\.0\.1, and not 1\.6"):
        run_state_machine_as_test(Mine, settings=FEW)  # type: ignore[no-untyped-call]


def test_a_role_is_not_run():
    class Mine(CentralSystemMachine):
        def system(self) -> CentralSystem:
            return playing("1.6", "2.0.1")

    with pytest.raises(ValueError, match=r"simulation"):
        Mine().begin()

    class Other(Mine):
        version = "2.0.1"  # that is for its handlers

    Other().begin()


@pytest.mark.parametrize(("machine", "system"), [(Office, ChargePointHandlers), (Station, CentralSystem)])
def test_the_handlers_have_to_be_of_the_end_that_is_tested(machine: type[PeerMachine], system: type[Handlers]):
    class Mine(machine):  # type: ignore[misc, valid-type]
        def system(self) -> Handlers:
            return system()

    with pytest.raises(TypeError, match="is none of a"):
        Mine().begin()


class Bare(PeerMachine):
    pass


def test_a_machine_without_a_role_says_so():
    with pytest.raises(TypeError, match="CentralSystemMachine or a ChargePointMachine"):
        Bare()

    class Either(Bare):
        role = Role.CHARGE_POINT

    with pytest.raises(NotImplementedError, match="override"):
        Either().begin()


def test_one_action_at_least_is_asked():
    class Silent(Office21):
        actions = ("NotifyPeriodicEventStream",)

    with pytest.raises(ValueError, match="one at least that is sent in a CALL"):
        Silent().begin()


def result_of(machine: type[PeerMachine]) -> str:
    """What the TestCase of a machine says; nothing if it passes."""
    result = unittest.TestResult()
    machine.TestCase.settings = settings(FEW, max_examples=10)
    machine.TestCase("runTest").run(result)
    assert not result.errors
    return "".join(text for _, text in result.failures)


def test_nothing_has_been_tested_if_every_valid_call_is_refused():
    class Closed(CentralSystemMachine):
        def system(self) -> CentralSystem:
            return CentralSystem()  # it has forgotten its handlers

    assert "nothing has been tested: each valid CALL was refused (NotSupported" in result_of(Closed)
    assert not result_of(machine_for("1.6"))

    class Speaks(ChargePointMachine):
        def system(self) -> ChargePointHandlers:
            return ChargePointHandlers()

        @rule()
        def beat(self) -> None:
            self.say("CP1", v16.HeartbeatRequest())

    assert not result_of(Speaks)


def test_a_rule_is_not_hidden_by_chance():
    with pytest.raises(TypeError, match="call is a rule"):

        class Helped(Office):
            def call(self) -> None:
                """Help."""

    class Mixin:
        def wait(self) -> None:
            """Help as well."""

    with pytest.raises(TypeError, match="wait is a rule"):

        class Mixed(Mixin, Office):  # type: ignore[misc]
            pass

    class Careful(Office):
        attack = None

        @rule(identity=IDENTITIES)
        def repeat(self, identity: str) -> None:
            """Ours, in place of that."""

    class Lazy(Office):
        attack = call_wrongly = repeat = answer = answer_wrongly = answer_nobody = refuse = None
        boot = disconnect = connect_again = wait = tell = tell_wrongly = refuse_response = None

    assert [each.function.__name__ for each in Lazy().rules] == ["call"]
    run_state_machine_as_test(Lazy, settings=settings(FEW, max_examples=2))  # type: ignore[no-untyped-call]
    rules = {each.function.__name__: each.function.__doc__ for each in Careful().rules}
    assert "attack" not in rules
    assert rules["repeat"] == "Ours, in place of that."
    assert "disconnect" in rules


# -- what is known of the application --


def booted(machine: type[PeerMachine]) -> Any:
    """One run, CP1 having booted."""
    run: Any = machine()
    run.begin()
    run.boot("CP1", {"chargePointVendor": "V", "chargePointModel": "M"})
    return run


@pytest.mark.parametrize("tolerance", [FIELD, ["unknown-field", "trailing-comma", "action-case"], lambda _: FIELD])
def test_it_may_accept_what_it_puts_up_with(tolerance: Any):
    """Payloads, texts and actions; a tolerance that differs by station as well."""
    run = booted(machine_for("1.6", tolerance=tolerance))
    for text in (
        '[2,"x1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M","more":1}]',
        '[2,"x2","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"},]',
        '[2,"x3","bootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]',
    ):
        run.send("CP1", text)
    assert str(run.trace).count('"status":"Accepted"') == 4
    run.teardown()


def test_a_tolerance_is_told_who_connects():
    told: list[ConnectionRequested] = []

    def hook(request: ConnectionRequested) -> Any:
        told.append(request)
        return FIELD if request.identity == "CP1" else ()

    run: Any = machine_for("1.6", tolerance=hook)()
    run.begin()
    assert [request.identity for request in told] == ["CP1", "CP2"]
    assert (told[0].path, told[0].offered, told[0].version) == ("/CP1", ("ocpp1.6",), Version.V16)
    odd = {"chargePointVendor": "V", "chargePointModel": "M", "more": 1}
    for identity in ("CP1", "CP2"):
        run.ask(identity, "BootNotification", odd)
    assert str(run.trace).count('"status":"Accepted"') == 1


def asking(machine: type[CentralSystemMachine], *, whom: str = "", **options: Any) -> type[CentralSystemMachine]:
    """It asks a charge point, who sends it or another, twice before it answers a Heartbeat."""

    class Asking(machine):  # type: ignore[misc, valid-type]
        def system(self) -> CentralSystem:
            csms: CentralSystem = super().system()

            @csms.on(v16.HeartbeatRequest)
            async def beat(station: Any, request: v16.HeartbeatRequest) -> v16.HeartbeatResponse:
                for _ in range(2):
                    with suppress(CallFailure):
                        asked: Any = csms.stations[whom] if whom else station
                        await asked.call(v16.ClearCacheRequest(), **options)
                return v16.HeartbeatResponse(current_time=UTC_NOW)

            return csms

    return Asking


def test_it_gives_up_when_it_says_so():
    """Its limits, or the call's own time-out; what the machine is told goes before either."""
    limits = Limits(call_timeout=5)
    for machine in (asking(machine_for("1.6", limits=limits)), asking(machine_for("1.6"), timeout=5)):
        run = booted(machine)
        run.ask("CP1", "Heartbeat", {})
        run.wait(31)
        assert str(run.trace).count("ClearCache") == 2

        class Impatient(machine):  # type: ignore[misc, valid-type]
            call_timeout = 6.0

        run = booted(Impatient)
        run.ask("CP1", "Heartbeat", {})
        with pytest.raises(Foul, match="RPC-050"):
            run.wait(31)


def test_it_has_as_long_to_answer_as_it_says():
    class Slow(machine_for("1.6", limits=Limits(answer_timeout=300))):  # type: ignore[misc]
        def system(self) -> CentralSystem:
            csms: CentralSystem = super().system()

            @csms.on(v16.HeartbeatRequest)
            async def beat(station: Any, request: v16.HeartbeatRequest) -> v16.HeartbeatResponse:
                await self.clock.sleep(200)
                return v16.HeartbeatResponse(current_time=UTC_NOW)

            return csms

    run = booted(Slow)
    run.ask("CP1", "Heartbeat", {})
    run.teardown()
    assert str(run.trace).count("currentTime") == 2

    class Hurried(Slow):
        patience = 100.0

    run = booted(Hurried)
    run.ask("CP1", "Heartbeat", {})
    with pytest.raises(Foul, match="within 100 s"):
        run.teardown()


def test_what_is_said_to_another_meanwhile_is_judged_by_when_it_is_said():
    """A handler asks another charge point: its time-out does not begin when somebody looks."""
    run = booted(asking(machine_for("1.6", limits=Limits(call_timeout=5)), whom="CP2"))
    run.ask("CP1", "Heartbeat", {})
    run.clock.after(1, lambda: None)
    run.wait(31)
    assert [at for at, who, what in run.trace if who == "CP2" and "ClearCache" in what] == [0, 5]


class PriceResponse(Response, kw_only=True):
    cents: int


class GetPriceRequest(FromChargePoint[PriceResponse], kw_only=True):
    connector_id: int


class SetPriceRequest(FromCentralSystem[PriceResponse], kw_only=True):
    connector_id: int


PRICES: Actions = v16.ACTIONS.extended(Action("GetPrice", GetPriceRequest), Action("SetPrice", SetPriceRequest))


def test_a_vendors_actions_are_played():
    """Those of the application, either way."""
    prices: list[int] = []

    class Priced(machine_for("1.6", actions={"1.6": PRICES})):  # type: ignore[misc]
        actions = ("GetPrice", "BootNotification")

        def system(self) -> CentralSystem:
            csms: CentralSystem = super().system()

            @csms.on(GetPriceRequest)
            async def price(station: Any, request: GetPriceRequest) -> PriceResponse:
                prices.append((await station.call(SetPriceRequest(connector_id=request.connector_id))).cents)
                return PriceResponse(cents=30)

            return csms

        def on_response(self, identity: str, request: Any, response: Any) -> None:
            prices.append(getattr(response, "cents", 0))

    run = booted(Priced)
    assert [action.name for action in run.handled] == ["BootNotification", "GetPrice"]
    run.ask("CP1", "GetPrice", {"connectorId": 1})
    ((_, question),) = run.questions
    run.send("CP1", json.dumps([3, question.message_id, {"cents": 25}]))
    assert prices == [0, 25, 30]


def test_a_vendors_actions_are_told_where_no_application_tells_them():
    class Priced(ChargePointMachine):
        vocabulary = PRICES
        actions = ("SetPrice",)
        heard: ClassVar[list[Any]] = []

        def system(self) -> ChargePointHandlers:
            handlers = ChargePointHandlers()

            @handlers.on(SetPriceRequest)
            async def price(station: Any, request: SetPriceRequest) -> PriceResponse:
                return PriceResponse(cents=30)

            return handlers

        def on_response(self, identity: str, request: Any, response: Any) -> None:
            self.heard.append(request)

    run: Any = Priced()
    run.begin()
    assert run.handled == run.askable == [PRICES["SetPrice"]]
    run.ask("CP1", "SetPrice", {"connectorId": 7})
    assert Priced.heard == [SetPriceRequest(connector_id=7)]

    class Theirs(CentralSystemMachine):
        vocabulary = PRICES
        actions = ("GetPrice",)

        def open(self, identity: str) -> Port:
            return Foreign(lambda answer: [answer])

    assert [action.name for action in Theirs().askable] == ["GetPrice"]


# -- SENDs, and responses of no use --


def test_sends_are_played_and_responses_are_refused():
    """RPC-034, RPC-072, RPC-073: in the version that has them."""
    heard, refused = list[Any](), list[Any]()

    class Streams(Office21):
        actions = ("BootNotification", "NotifyPeriodicEventStream")
        call_wrongly = tell_wrongly = repeat = attack = answer_nobody = connect_again = disconnect = wait = None

        def system(self) -> CentralSystem:
            csms = super().system()
            csms.accept_before_boot = True
            csms.on_send(v21.NotifyPeriodicEventStream)(lambda _, message: heard.append(message))
            csms.on_result_refused(v21.BootNotificationRequest)(lambda *told: refused.append(told))
            return csms

    run_state_machine_as_test(Streams, settings=settings(FEW, max_examples=40))  # type: ignore[no-untyped-call]
    assert heard
    assert refused
    assert not Office().tellable


def test_a_send_handler_that_fails_is_found():
    class Streams(Office21):
        call_wrongly = tell_wrongly = attack = connect_again = disconnect = None

        def system(self) -> CentralSystem:
            csms = super().system()
            csms.accept_before_boot = True

            @csms.on_send(v21.NotifyPeriodicEventStream)
            async def stream(station: Any, message: Any) -> None:
                raise ZeroDivisionError

            return csms

    assert "ZeroDivisionError" in found(Streams)


# -- connections that end without a word --


def test_a_charge_point_comes_back_before_its_connection_is_known_to_be_lost():
    """RPC-019: the old connection is replaced; who waits there for an answer is told, and may give up."""
    ends: list[Any] = []

    class Returns(Office):
        def system(self) -> CentralSystem:
            csms = super().system()

            @csms.on(v16.AuthorizeRequest)
            async def authorize(station: Any, request: v16.AuthorizeRequest) -> v16.AuthorizeResponse:
                ends.append(await station.wait_closed())
                await station.call(v16.ClearCacheRequest())  # it is too late: that is nobody's fault
                raise NotImplementedError

            return csms

    run = booted(Returns)
    run.ask("CP1", "Authorize", {"idTag": "x"})
    run.connect_again("CP1")
    assert [end.code for end in ends] == [1008]
    run.ask("CP1", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    run.teardown()


def test_who_uses_a_connection_that_was_replaced_is_found():
    class Stale(Office):
        """It keeps the connection of the first boot."""

        def system(self) -> CentralSystem:
            csms, first = super().system(), dict[str, Any]()

            @csms.on(v16.AuthorizeRequest)
            async def authorize(station: Any, request: v16.AuthorizeRequest) -> v16.AuthorizeResponse:
                await first.setdefault(station.identity, station).call(v16.ClearCacheRequest(), timeout=1)
                raise NotImplementedError

            return csms

    run = booted(Stale)
    run.ask("CP1", "Authorize", {"idTag": "x"})
    run.connect_again("CP1")
    with pytest.raises(Foul, match="cannot answer what is valid") as caught:
        run.ask("CP1", "Authorize", {"idTag": "x"})
    assert "the connection has ended" in str(caught.value.__cause__)


@pytest.mark.parametrize(("base", "closes"), [(CentralSystemMachine, 0), (ChargePointMachine, 1)])
def test_what_was_left_is_closed_in_the_end(base: type[PeerMachine], closes: int):
    """A charge point that is tested has one connection only."""
    closed: list[str] = []

    class Mute(Port):
        def receive(self, text: str | None, *, now: float) -> Iterable[str]:
            return []

        def close(self) -> None:
            closed.append("once")

    class Theirs(base):  # type: ignore[misc, valid-type]
        def open(self, identity: str) -> Port:
            return Mute()

    machine = Theirs()
    machine.connect("CP1")
    machine.connect("CP1")
    assert len(closed) == closes
    machine.teardown()
    assert len(closed) == 2


# -- what fails beside that --


@pytest.mark.parametrize("where", ["open", "receive", "on_response"])
def test_whatever_is_raised_it_is_told_what_led_to_it(where: str):
    class Breaks(Foreign):
        def receive(self, text: str | None, *, now: float) -> Iterable[str]:
            if where == "receive":
                raise ConnectionResetError
            return super().receive(text, now=now)

    class Theirs(CentralSystemMachine):
        def open(self, identity: str) -> Port:
            if where == "open":
                raise ConnectionRefusedError
            return Breaks(lambda answer: [answer])

        def on_response(self, identity: str, request: Any, response: Any) -> None:
            raise ConnectionError

    with pytest.raises(ConnectionError) as caught:
        Theirs().ask("CP1", "Heartbeat", {})
    assert "What went in and came out" in caught.value.__notes__[-1]
    assert "connects" in caught.value.__notes__[-1]
    assert ("`is_closed`" in caught.value.__notes__[0]) is (where == "receive")


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
