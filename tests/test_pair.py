"""Two sides in virtual time: handlers as under an adapter, links that end, clocks that jump, processes that pause."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import anyio
import pytest
import trio

from ocpp_sansio import (
    FIELD,
    Action,
    CallFailed,
    CallOverdue,
    CallReceived,
    CallRefused,
    CallSucceeded,
    CallTimedOut,
    CentralSystem,
    CentralSystemHandlers,
    ChargePointHandlers,
    ConnectionClosed,
    ConnectionLost,
    ConnectionOpened,
    ConnectionRefused,
    ConnectionReplaced,
    DuplicateCall,
    ErrorCode,
    FromChargePoint,
    LateResponse,
    Limits,
    LocalProtocolError,
    PeerMisbehaved,
    QueueFull,
    Rejection,
    Response,
    SessionClosed,
    Takeover,
    Version,
    v16,
    v21,
)
from ocpp_sansio import central_system as roles
from ocpp_sansio.entrance import Refusal
from ocpp_sansio.events import ResultRefused, SendReceived
from ocpp_sansio.store import MemoryStore
from ocpp_sansio.testing import Conditions, ConnectionPair, Pair, VirtualClock
from ocpp_sansio.testing.pair import AnyPair
from ocpp_sansio.testing.waiting import is_async, run

BOOT = v16.BootNotificationRequest(charge_point_vendor="Vendor", charge_point_model="Model")
RESET = v16.ResetRequest(type=v16.ResetType.SOFT)
RESETS = v16.ResetResponse(status=v16.ResetStatus.ACCEPTED)
BEAT = v16.HeartbeatRequest()
SLOW = Conditions(delay=(0.1, 0.1))

both = pytest.mark.parametrize("new", [Pair, ConnectionPair])
New = Callable[..., AnyPair[Any]]


def beats(pair: AnyPair[Any]) -> v16.HeartbeatResponse:
    return v16.HeartbeatResponse(current_time=pair.clock.utc)


def office(**options: Any) -> CentralSystem:
    """An application that accepts whoever boots."""
    csms = CentralSystem(**options)

    @csms.on(v16.BootNotificationRequest)
    async def boot(station: Any, request: v16.BootNotificationRequest) -> v16.BootNotificationResponse:
        status = v16.RegistrationStatus.ACCEPTED
        return v16.BootNotificationResponse(current_time=VirtualClock().utc, interval=300, status=status)

    return csms


def playing(*versions: str) -> CentralSystem:
    """One that leaves its stations of OCPP 1.6 to a role."""
    csms, store = CentralSystem(versions), MemoryStore()
    role = roles.CentralSystem(
        now=0.0, utc=VirtualClock().utc, transaction_ids=iter(range(1, 100)).__next__, records=store.load()
    )
    csms.play(role, store=store, act=lambda *_: None)
    return csms


def seen(side: Any, kind: type[Any]) -> list[Any]:
    return [event for event in side.events if isinstance(event, kind)]


# -- calls and handlers --


@both
def test_either_side_calls_the_other_and_the_time_that_takes_passes(new: New):
    pair = new("1.6", conditions=SLOW)
    began = pair.clock.now
    pair.central_system.reply(v16.HeartbeatRequest, beats(pair))
    pair.charge_point.reply(v16.ResetRequest, RESETS)
    assert pair.charge_point.call(BEAT).current_time < pair.clock.utc
    assert pair.central_system.call(RESET) == RESETS
    assert pair.clock.now == pytest.approx(began + 0.4)
    assert "→ [2" in str(pair.trace)


@both
def test_the_handlers_are_those_of_an_application(new: New):
    csms = office()

    @csms.on(v16.HeartbeatRequest)
    def beat(station: Any, request: v16.HeartbeatRequest) -> v16.HeartbeatResponse:
        assert csms.stations[station.identity] is station
        assert station.version is Version.V16
        return v16.HeartbeatResponse(current_time=pair.clock.utc)

    pair = new(central_system=csms, identity="CP 7")
    with pytest.raises(CallRefused, match="BootNotification"):
        pair.charge_point.call(BEAT)
    assert pair.charge_point.call(BOOT).status is v16.RegistrationStatus.ACCEPTED
    pair.charge_point.call(BEAT)
    assert list(csms.stations) == ["CP 7"]
    pair.cut()
    pair.run(0)
    assert not csms.stations
    assert not pair.central_system.faults


@both
def test_a_handler_may_wait_for_its_peer_and_for_time(new: New):
    """F-100."""
    pair = new(conditions=SLOW)

    @pair.central_system.on(v16.HeartbeatRequest)
    async def beat(station: Any, request: v16.HeartbeatRequest) -> v16.HeartbeatResponse:
        await station.sleep(5)
        assert await station.call(RESET) == RESETS
        with pytest.raises(CallRefused):
            await station.call(v16.ClearCacheRequest())
        return beats(pair)

    pair.charge_point.reply(v16.ResetRequest, RESETS)
    began = pair.clock.now
    assert pair.charge_point.call(BEAT)
    assert pair.clock.now == pytest.approx(began + 5.6)


@both
def test_a_plain_handler_blocks_and_the_world_goes_on(new: New):
    pair = new(conditions=SLOW)

    @pair.central_system.on(v16.HeartbeatRequest)
    def beat(station: Any, request: v16.HeartbeatRequest) -> v16.HeartbeatResponse:
        assert station.call(RESET) == RESETS
        return beats(pair)

    @pair.charge_point.on(v16.ResetRequest)
    def reset(_: Any, request: v16.ResetRequest) -> v16.ResetResponse:
        return RESETS

    pair.charge_point.call(BEAT)
    assert pair.is_idle


def test_a_handler_may_return_anything_that_can_be_awaited():
    class Later:
        def __await__(self) -> Any:
            return asleep.__await__()

    pair = Pair()
    asleep: Any = None

    @pair.central_system.on(v16.HeartbeatRequest)
    def beat(station: Any, request: v16.HeartbeatRequest) -> Any:
        nonlocal asleep

        async def sleep() -> v16.HeartbeatResponse:
            await station.sleep(1)
            return beats(pair)

        asleep = sleep()
        return Later()

    assert pair.charge_point.call(BEAT) == beats(pair)


def test_there_is_no_event_loop():
    class Future:
        def __await__(self) -> Any:
            yield self

    pair = Pair()

    @pair.central_system.on(v16.HeartbeatRequest)
    async def beat(station: Any, request: v16.HeartbeatRequest) -> v16.HeartbeatResponse:
        await Future()
        return beats(pair)

    with pytest.raises(RuntimeError, match="no event loop"):
        pair.charge_point.call(BEAT)


async def of_asyncio() -> None:
    await asyncio.sleep(1)


async def of_trio() -> None:
    await trio.sleep(1)


async def of_anyio() -> None:
    await anyio.sleep(1)


@pytest.mark.parametrize("wait", [of_asyncio, of_trio, of_anyio])
@pytest.mark.parametrize("where", ["handler", "authenticate"])
def test_who_needs_an_event_loop_is_told_that_there_is_none(where: str, wait: Any):
    """It is told what to do instead; a charge point is neither told InternalError, nor refused for that."""
    csms = office()
    pair = ConnectionPair(central_system=csms)

    @csms.authenticate
    async def judge(request: Any) -> bool:
        await wait()
        return True

    @csms.on(v16.HeartbeatRequest)
    async def beat(station: Any, request: v16.HeartbeatRequest) -> v16.HeartbeatResponse:
        await wait()
        return beats(pair)

    pair.charge_point.call(BOOT)
    with pytest.raises(RuntimeError, match="the clock's `sleep`") as caught:
        pair.charge_point.call(BEAT) if where == "handler" else pair.connect()
    assert caught.value.__cause__


def test_another_runtime_error_is_a_fault_like_any_other():
    pair = Pair()
    pair.central_system.reply(v16.HeartbeatRequest, RuntimeError("out of paper"))
    with pytest.raises(CallRefused):
        pair.charge_point.call(BEAT)


def test_an_application_may_be_given_its_sleep():
    """And have an ``authenticate`` that takes its time."""
    clock, csms = VirtualClock(), office()

    @csms.authenticate
    async def judge(request: Any) -> bool:
        await clock.sleep(3)
        return True

    pair = ConnectionPair(central_system=csms, clock=clock)
    assert pair.is_open
    assert clock.now == 3


@both
@pytest.mark.parametrize("is_async", [False, True])
def test_a_handler_may_close_its_connection(new: New, is_async: bool):
    """As under an adapter: it goes on when that is gone, and is told how it ended."""
    pair = new(conditions=SLOW)
    ends: list[Any] = []

    async def beat_later(station: Any, request: v16.HeartbeatRequest) -> Any:
        await station.close(1001, "restart")
        ends.append(await station.wait_closed())

    def beat(station: Any, request: v16.HeartbeatRequest) -> Any:
        station.close(1001, "restart")
        ends.append(station.wait_closed())

    pair.central_system.on(v16.HeartbeatRequest)(beat_later if is_async else beat)
    with pytest.raises(ConnectionLost):
        pair.charge_point.call(BEAT)
    pair.run(1)
    assert ends == [pair.central_system.peer.closed]
    assert ends[0].code == 1001


def test_a_connection_that_does_not_end_is_not_waited_for_for_ever():
    pair = Pair()
    with pytest.raises(RuntimeError, match="does not end"):
        pair.charge_point.peer.wait_closed()
    pair.charge_point.peer.close_soon()
    assert pair.charge_point.peer.wait_closed().code == 1000


def test_who_waits_for_a_call_knows_why_it_was_refused():
    pair = Pair()
    causes: list[Any] = []

    @pair.central_system.on(v16.HeartbeatRequest)
    async def beat(station: Any, request: v16.HeartbeatRequest) -> v16.HeartbeatResponse:
        with pytest.raises(CallRefused) as caught:
            await station.call(RESET)
        causes.append(caught.value.__cause__)
        return beats(pair)

    pair.charge_point.reply(v16.ResetRequest, KeyError("jammed"))
    pair.charge_point.call(BEAT)
    assert causes == pair.charge_point.faults


@pytest.mark.parametrize("answer", [KeyError("secret"), RESETS, v16.BootNotificationResponse])
def test_what_a_handler_does_wrong_is_an_internal_error_and_kept(answer: Any):
    """F-12, F-103."""
    pair = Pair()
    if isinstance(answer, type):
        answer = answer(current_time=pair.clock.utc, interval=1, status="Maybe")  # breaks its schema
    pair.central_system.reply(v16.BootNotificationRequest, answer)
    with pytest.raises(CallRefused, match="InternalError") as caught:
        pair.charge_point.call(BOOT)
    assert [caught.value.__cause__] == pair.central_system.faults
    assert "secret" not in str(caught.value)
    assert "fails" in str(pair.trace)


def test_a_rejection_is_an_answer():
    pair = Pair()
    pair.central_system.reply(v16.HeartbeatRequest, Rejection(ErrorCode.SECURITY_ERROR, "no", {"why": 1}))
    with pytest.raises(CallRefused) as caught:
        pair.charge_point.call(BEAT)
    assert (caught.value.code, caught.value.description) == (ErrorCode.SECURITY_ERROR, "no")
    assert caught.value.__cause__ is None
    assert not pair.central_system.faults


@pytest.mark.parametrize("is_async", [False, True])
def test_a_failed_assertion_of_a_handler_reaches_the_test(is_async: bool):
    pair = Pair()

    def beat(station: Any, request: v16.HeartbeatRequest) -> Any:
        raise AssertionError("on purpose")

    async def beat_later(station: Any, request: v16.HeartbeatRequest) -> Any:
        await station.sleep(1)
        return beat(station, request)

    pair.central_system.on(v16.HeartbeatRequest)(beat_later if is_async else beat)
    with pytest.raises(AssertionError, match="on purpose"):
        pair.charge_point.call(BEAT)


def test_a_call_that_nobody_answers_times_out_or_would_wait_for_ever():
    pair = Pair()
    pair.central_system.by_hand = True
    with pytest.raises(CallTimedOut):
        pair.charge_point.call(BEAT, timeout=7)
    assert pair.clock.now == 7
    pair.cut(told=[])
    with pytest.raises(RuntimeError, match="Heartbeat has no outcome"):
        pair.charge_point.call(BEAT, timeout=float("inf"))


def test_calls_may_be_left_to_the_test():
    pair = Pair(limits=Limits(call_timeout=1000))
    pair.central_system.by_hand = True
    calls = [pair.charge_point.ask(BEAT), pair.charge_point.ask(BOOT), pair.charge_point.ask(BEAT)]
    assert not pair.is_idle
    pair.run(1)
    (open_,) = pair.central_system.unanswered  # RPC-050
    with pytest.raises(LocalProtocolError):
        pair.central_system.respond(open_, RESETS)
    pair.central_system.respond(open_, beats(pair))
    pair.run(1)
    pair.central_system.reject(pair.central_system.unanswered[0], ErrorCode.GENERIC_ERROR, "not you")
    pair.run_until_idle()  # the last of them: the answer's time-out
    assert pair.is_idle
    while pair.step():
        pass
    outcomes = seen(pair.charge_point, CallSucceeded | CallFailed)
    assert [outcome.call for outcome in outcomes] == calls
    assert isinstance(outcomes[0], CallSucceeded)
    assert [outcome.error.code for outcome in outcomes[1:]] == [ErrorCode.GENERIC_ERROR, ErrorCode.INTERNAL_ERROR]
    assert seen(pair.central_system, CallOverdue)


def test_sends_have_handlers():
    pair = Pair("2.1")
    heard: list[Any] = []
    data = v21.NotifyPeriodicEventStream(
        data=[v21.StreamDataElement(t=0, v="1")], id=1, pending=0, basetime=pair.clock.utc
    )
    pair.charge_point.send(data)  # RPC-034: nobody is there to hear it
    pair.run(0)

    @pair.central_system.handlers.on_send(v21.NotifyPeriodicEventStream)
    async def stream(station: Any, message: Any) -> None:
        heard.append(message)
        raise KeyError("nobody waits for this")

    pair.charge_point.send(data)
    pair.run(0)
    assert heard == [data]
    assert len(pair.central_system.faults) == 1
    assert len(seen(pair.central_system, SendReceived)) == 2


def test_who_wants_to_know_is_told_that_a_response_was_of_no_use():
    """RPC-072, RPC-073: the refusal is made by hand, for no end of ours would send such a response."""
    pair, told = Pair("2.1"), list[Any]()
    pair.central_system.reply(v21.HeartbeatRequest, v21.HeartbeatResponse(current_time=pair.clock.utc))
    for number in range(2):
        pair.charge_point.call(v21.HeartbeatRequest())
        message_id = seen(pair.central_system, CallReceived)[-1].message_id
        pair.charge_point.peer.end.send(f'[5,"{message_id}","FormatViolation","",{{}}]')
        pair.run(0)
        assert len(seen(pair.central_system, ResultRefused)) == number + 1
        if not number:  # nobody wanted to know the first time
            pair.central_system.handlers.on_result_refused(v21.HeartbeatRequest)(
                lambda _, request, error: told.append((request, error.code))
            )
    assert told == [(v21.HeartbeatRequest(), ErrorCode.FORMAT_VIOLATION)]


# -- connections --


@both
def test_a_link_that_is_cut_ends_it_for_both_and_the_charge_point_connects_anew(new: New):
    """F-09, RPC-131."""
    pair = new("1.6", conditions=SLOW)
    call = pair.charge_point.ask(BEAT)
    pair.cut()
    pair.run(0)
    assert not pair.is_open
    (failed,) = seen(pair.charge_point, CallFailed)
    assert failed.call is call
    assert isinstance(failed.error, ConnectionLost)
    for side in (pair.charge_point, pair.central_system):
        assert isinstance(side.peer.closed, ConnectionClosed)
        assert side.events[-1] is side.peer.closed
    with pytest.raises(SessionClosed):
        pair.charge_point.call(BEAT)
    pair.connect()
    assert pair.is_open
    pair.central_system.reply(v16.HeartbeatRequest, beats(pair))
    assert pair.charge_point.call(BEAT)
    ids = [event.message_id for event in seen(pair.central_system, CallReceived)]
    assert len(set(ids)) == len(ids)  # RPC-041


@both
@pytest.mark.parametrize("is_application", [False, True])
def test_a_new_connection_takes_the_place_of_one_that_is_half_open(new: New, is_application: bool):
    """F-35, F-37, RPC-019."""
    csms = office() if is_application else CentralSystemHandlers()
    pair = new(central_system=csms)
    pair.charge_point.by_hand = True
    old = pair.central_system.peer
    call = pair.central_system.ask(RESET, timeout=1000)
    pair.cut(told=[pair.charge_point])
    pair.run(0)
    pair.connect()
    pair.run(0)
    (failed,) = seen(pair.central_system, CallFailed)
    assert failed.call is call
    assert isinstance(failed.error, ConnectionReplaced)
    pair.run(60)
    assert old.closed
    assert old.closed.code in (1008, 1006)
    assert pair.is_open
    if isinstance(csms, CentralSystem):
        assert csms.stations == {"CP1": pair.central_system.peer}


@both
def test_either_end_may_close(new: New):
    for side in (0, 1):
        pair = new()
        sides = pair.charge_point, pair.central_system
        sides[side].peer.close(1001, "restart")
        sides[side].peer.close()
        pair.run(1)
        assert [each.peer.closed is not None for each in sides] == [True, True]
        assert sides[side].peer.closed.code == 1001  # type: ignore[union-attr]
        assert pair.is_idle


@both
def test_who_goes_too_far_is_closed_on(new: New):
    """RPC-017, F-95."""
    pair = new(limits=Limits(max_bad_messages=3))
    for number in range(5):
        if new is Pair:
            pair.charge_point.peer.end.send(f"nonsense {number}")
        else:
            pair.charge_point.machine._websocket.send_text(b"nonsense")
            pair.charge_point.peer.drive()
    pair.run(10)
    assert pair.central_system.peer.closed
    assert pair.central_system.peer.closed.code == 1008
    assert seen(pair.central_system, PeerMisbehaved)
    assert pair.charge_point.peer.closed


@both
def test_a_charge_point_that_connects_lets_go_of_the_connection_it_has(new: New):
    pair = new()
    old = pair.charge_point.peer, pair.central_system.peer
    pair.connect()
    pair.run(1)
    assert pair.is_open
    assert all(peer.closed for peer in old)
    assert not any(peer in old for peer in (pair.charge_point.peer, pair.central_system.peer))


@both
def test_a_handler_that_is_done_when_nobody_waits_any_more_answers_nobody(new: New):
    csms = office()
    pair = new(central_system=csms, limits=Limits(call_timeout=100))

    @csms.on(v16.HeartbeatRequest)
    async def beat(station: Any, request: v16.HeartbeatRequest) -> v16.HeartbeatResponse:
        await station.sleep(10)
        return beats(pair)

    pair.charge_point.call(BOOT)
    pair.charge_point.ask(BEAT)
    pair.run(5)
    pair.connect()
    pair.run(10)
    assert not pair.central_system.faults
    assert len(seen(pair.charge_point, CallSucceeded)) == 1


def test_pings_find_out_that_a_link_is_half_open():
    """F-07, RPC-123."""
    pair = ConnectionPair()
    pair.cut(told=[])
    pair.run(39)
    assert pair.is_open
    pair.run(2)
    assert not pair.is_open
    assert pair.charge_point.peer.closed
    assert pair.charge_point.peer.closed.code == 1006


@pytest.mark.parametrize(
    ("decision", "status"),
    [
        (True, None),
        (False, 401),
        (HTTPStatus.NOT_FOUND, 404),
        (Refusal(HTTPStatus.SERVICE_UNAVAILABLE, [("Retry-After", "60")]), 503),
        (KeyError("the database is down"), 401),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_the_application_says_who_may_connect(decision: Any, status: int | None, is_async: bool):
    """RPC-015, RPC-016."""
    csms = office()

    def judge(request: Any) -> Any:
        assert request.identity == "CP1"
        if isinstance(decision, Exception):
            raise decision
        return decision

    async def judge_later(request: Any) -> Any:
        return judge(request)

    csms.authenticate(judge_later if is_async else judge)
    pair = ConnectionPair(central_system=csms, client={"password": "secret"})
    assert pair.is_open is (status is None)
    assert len(pair.central_system.faults) == isinstance(decision, Exception)
    if status is not None:
        assert isinstance(pair.charge_point.peer.closed, ConnectionRefused)
        assert pair.charge_point.peer.closed.status == status


def test_who_has_failed_too_often_is_not_looked_at():
    """F-29."""
    csms = office(limits=Limits(max_failures_per_identity=2))
    csms.authenticate(lambda _: False)
    pair = ConnectionPair(central_system=csms)
    for status in (401, 429):
        pair.connect()
        assert isinstance(pair.charge_point.peer.closed, ConnectionRefused)
        assert pair.charge_point.peer.closed.status == status


@pytest.mark.parametrize("is_there", [True, False])
def test_a_second_connection_is_let_in_when_the_first_is_found_dead(is_there: bool):
    """F-33, F-34."""
    csms = office(takeover=Takeover.PROBE)
    clock = VirtualClock()
    first = ConnectionPair(central_system=csms, clock=clock)
    if not is_there:
        first.cut(told=[])
    second = ConnectionPair(central_system=csms, clock=clock)
    assert second.is_open is not is_there
    assert csms.stations == {"CP1": (first if is_there else second).central_system.peer}


def test_many_charge_points_share_a_clock_and_a_central_system():
    csms, clock = office(), VirtualClock()

    @csms.on(v16.DataTransferRequest)
    async def pass_on(station: Any, request: v16.DataTransferRequest) -> v16.DataTransferResponse:
        status = (await csms.stations[request.vendor_id].call(RESET)).status
        return v16.DataTransferResponse(status=v16.DataTransferStatus.ACCEPTED, data=status)

    pairs = [Pair(central_system=csms, clock=clock, identity=f"CP{number}", conditions=SLOW) for number in range(5)]
    for pair in pairs:
        pair.charge_point.reply(v16.ResetRequest, RESETS)
        pair.charge_point.ask(BOOT)
    clock.advance(1)
    assert len(csms.stations) == 5
    assert pairs[0].charge_point.call(v16.DataTransferRequest(vendor_id="CP3")).data == "Accepted"
    assert len(seen(pairs[3].charge_point, CallReceived)) == 1


def test_the_order_of_versions_is_the_charge_points():
    """RPC-011."""
    pair = ConnectionPair("2.1", "1.6", central_system=CentralSystem(versions=["1.6", "2.1"]))
    assert pair.central_system.peer.version is Version.V21
    assert isinstance(pair.charge_point.events[0], ConnectionOpened)
    assert Pair("2.1", "1.6").charge_point.peer.version is Version.V21


def test_what_a_link_cannot_do_is_refused():
    with pytest.raises(ValueError, match="ConnectionPair"):
        Pair(conditions=Conditions(split=0.5))
    with pytest.raises(ValueError, match="options of a connection"):
        Pair(client={"password": "secret"})
    for conditions in (Conditions(lose=0.1), Conditions(duplicate=0.1)):
        with pytest.raises(ValueError, match="a Pair"):
            ConnectionPair(conditions=conditions)


@both
def test_a_role_is_not_run_here(new: New):
    """Its stations would be told NotSupported."""
    with pytest.raises(ValueError, match="simulation"):
        new("1.6", central_system=playing("1.6", "2.0.1"))
    assert new("2.0.1", central_system=playing("1.6", "2.0.1")).is_open


def test_a_version_that_nobody_speaks_is_not_spoken():
    """RPC-011, RPC-012: sessions have no handshake to find out."""
    with pytest.raises(ValueError, match=r"speaks OCPP 1\.6, and not 2\.0\.1"):
        Pair("2.0.1", central_system=office())
    assert Pair("2.0.1", "1.6", central_system=office()).central_system.peer.version is Version.V16
    assert not ConnectionPair("2.0.1", central_system=office()).is_open


@both
def test_handlers_are_those_of_a_side(new: New):
    with pytest.raises(TypeError, match="a ChargePointHandlers is none of a central system"):
        new(central_system=ChargePointHandlers())


@both
@pytest.mark.parametrize("tolerance", [FIELD, lambda request: FIELD if request.identity == "CP1" else ()])
def test_the_application_says_what_is_put_up_with(new: New, tolerance: Any):
    csms = office(tolerance=tolerance)
    for identity, is_tolerated in (("CP1", True), ("CP2", not callable(tolerance))):
        pair = new(central_system=csms, identity=identity)
        odd = b'[2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M","more":1}]'
        if new is Pair:
            pair.charge_point.peer.end.send(odd.decode())
        else:
            pair.charge_point.machine._websocket.send_text(odd)
            pair.charge_point.peer.drive()
        pair.run(1)
        assert bool(seen(pair.central_system, CallReceived)) is is_tolerated


class PriceResponse(Response, kw_only=True):
    cents: int


class PriceRequest(FromChargePoint[PriceResponse], kw_only=True):
    connector_id: int


@both
def test_both_sides_have_the_applications_actions(new: New):
    csms = office(actions={"1.6": v16.ACTIONS.extended(Action("GetPrice", PriceRequest))}, accept_before_boot=True)
    csms.on(PriceRequest)(lambda *_: PriceResponse(cents=30))
    assert new(central_system=csms).charge_point.call(PriceRequest(connector_id=1)).cents == 30
    with pytest.raises(LocalProtocolError):
        new().charge_point.call(PriceRequest(connector_id=1))


@both
def test_it_is_open_when_both_sides_take_it_for_open(new: New):
    pair = new()
    pair.cut(told=[pair.charge_point])
    pair.run(0)
    assert (pair.charge_point.is_open, pair.central_system.is_open, pair.is_open) == (False, True, False)


# -- trouble --


def test_a_repeated_call_is_answered_from_memory():
    """F-94."""
    pair = Pair(conditions=Conditions(duplicate=1))
    pair.central_system.reply(v16.HeartbeatRequest, beats(pair))
    pair.charge_point.call(BEAT)
    pair.run(0)
    assert len(seen(pair.central_system, CallReceived)) == 1
    assert [event.replayed for event in seen(pair.central_system, DuplicateCall)] == [True]


def test_a_late_answer_is_late():
    """F-96."""
    pair = Pair(conditions=Conditions(delay=(3, 3)))
    pair.central_system.reply(v16.HeartbeatRequest, beats(pair))
    with pytest.raises(CallTimedOut):
        pair.charge_point.call(BEAT, timeout=5)
    pair.run(1)
    assert seen(pair.charge_point, LateResponse)


@both
def test_what_is_more_than_a_side_takes_waits_unread(new: New):
    """F-98."""
    pair = new(limits=Limits(max_inbound_calls=1, max_held_calls=1, call_timeout=1, answer_timeout=None))
    pair.central_system.by_hand = True
    calls = [pair.charge_point.ask(BEAT) for _ in range(5)]
    pair.run(10)
    assert pair.central_system.machine.reading_paused
    while pair.central_system.unanswered:
        pair.central_system.respond(pair.central_system.unanswered[0], beats(pair))
        pair.run(0)
    assert pair.is_open
    assert len(seen(pair.central_system, CallReceived)) == len(calls)


@both
def test_a_process_that_was_suspended_takes_in_what_has_come_before_it_gives_up(new: New):
    """F-136, F-137: a deadline that is long past fires once, and not before what came meanwhile was taken in."""
    pair = new(limits=Limits(call_timeout=10))
    pair.central_system.reply(v16.HeartbeatRequest, beats(pair))
    pair.charge_point.ask(BEAT)
    pair.charge_point.suspend(3600)
    pair.run(1800)
    assert not seen(pair.charge_point, CallSucceeded | CallFailed)
    pair.run(1801)
    assert len(seen(pair.charge_point, CallSucceeded | CallFailed)) == 1


def test_a_process_that_was_suspended_learns_later_that_its_link_is_gone():
    pair = Pair()
    pair.charge_point.suspend(10)
    pair.cut()
    pair.run(9)
    assert pair.charge_point.is_open
    assert not pair.central_system.is_open
    pair.run(1)
    assert not pair.charge_point.is_open


def test_a_deadline_past_fires_once_when_a_process_goes_on():
    """F-136."""
    pair = Pair(limits=Limits(call_timeout=10))
    pair.cut(told=[])
    pair.charge_point.ask(BEAT)
    pair.charge_point.suspend(3600)
    pair.run(3599)
    assert not seen(pair.charge_point, CallFailed)
    pair.run(1)
    assert len(seen(pair.charge_point, CallFailed)) == 1


@both
@pytest.mark.parametrize("jump", [3600.0, -3600.0, 0.1])
def test_a_clock_that_jumps_costs_no_call_its_outcome(new: New, jump: float):
    """F-136: back it is taken for the latest seen, so deadlines come later; forward they come at once."""
    pair = new(limits=Limits(call_timeout=10, ping_interval=None))
    pair.run(7.3)
    pair.cut(told=[])
    pair.charge_point.ask(BEAT)
    pair.charge_point.behind += jump
    pair.charge_point.peer.wake()
    pair.run(20 + max(jump, 0))
    assert len(seen(pair.charge_point, CallFailed)) == 1


def test_a_deadline_is_met_though_the_clocks_count_differently():
    """What is added to a float and taken away again need not be the same number."""
    pair = Pair(limits=Limits(call_timeout=0.1))
    pair.run(3.7)
    pair.cut(told=[])
    behind = pair.charge_point.behind = 0.7
    assert pair.charge_point.now + 0.1 + behind - behind < pair.charge_point.now + 0.1
    pair.charge_point.ask(BEAT)
    for _ in range(5):
        pair.step()
    assert len(seen(pair.charge_point, CallFailed)) == 1


def test_a_plain_handler_that_is_called_where_another_waits_blocks():
    ways: list[bool] = []

    async def waits() -> None:
        run(lambda: ways.append(is_async.get()), lambda _: None, lambda _: None)
        ways.append(is_async.get())

    run(waits, lambda _: ways.append(is_async.get()), lambda _: None)
    assert ways == [False, True, False]


def test_too_many_calls_are_refused():
    """F-124."""
    pair = Pair(limits=Limits(max_queued_calls=1), charge_point=ChargePointHandlers())
    pair.charge_point.ask(BEAT)
    pair.charge_point.ask(BEAT)
    with pytest.raises(QueueFull):
        pair.charge_point.ask(BEAT)


@both
def test_a_seed_tells_the_same_story_each_time(new: New):
    def story(seed: int) -> str:
        trouble = {"split": 0.5} if new is ConnectionPair else {"lose": 0.1, "duplicate": 0.1}
        pair = new(conditions=Conditions(delay=(0.01, 2), cut=0.02, half_open=0.5, stall=0.05, **trouble), seed=seed)
        pair.central_system.reply(v16.HeartbeatRequest, beats(pair))
        pair.charge_point.reply(v16.ResetRequest, RESETS)
        for _ in range(10):
            for side, request in ((pair.charge_point, BEAT), (pair.central_system, RESET)):
                if side.is_open:
                    side.peer.ask(request)
            pair.run(5)
        return str(pair.trace)

    stories = [story(seed) for seed in range(5)]
    assert stories == [story(seed) for seed in range(5)]
    assert len(set(stories)) == 5


@both
def test_a_tolerance_may_name_a_vendors_action_of_another_version(new: New):
    tolerance, versions = FIELD.forbidding(action="GetPrice"), ["1.6", "2.1"]
    options: dict[str, Any] = {"versions": versions, "accept_before_boot": True}
    options["actions"] = {"2.1": Version.V21.actions.extended(Action("GetPrice", PriceRequest))}
    for each in (tolerance, lambda _: tolerance):
        csms = office(**options, tolerance=each)
        csms.on(v16.HeartbeatRequest)(lambda *_: v16.HeartbeatResponse(current_time=VirtualClock().utc))
        assert new("1.6", central_system=csms).charge_point.call(BEAT)
