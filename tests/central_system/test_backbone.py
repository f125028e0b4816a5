"""What the blocks share: links, who is remembered, the guard around handlers, and many deadlines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio import CallOverdue, CallReceived, ErrorCode, Rejection, Request, v16
from ocpp_sansio.central_system import (
    CentralSystem,
    HookFailed,
    LedgerOverflow,
    Options,
    StationConnected,
    StationDisconnected,
)
from ocpp_sansio.central_system.backbone import Backbone, Block, Deadlines, Handler, LinkUp
from ocpp_sansio.machine import Machine
from ocpp_sansio.store import Put
from tests.central_system.world import BOOT, START, World, begin, end


class Recording:
    """A link that only remembers what it was given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []

    def call(self, request: Any, *, now: float, timeout: float | None = None) -> Any:
        raise AssertionError("nobody asks it")

    def respond(self, call: CallReceived[Any], response: Any, *, now: float) -> bool:
        self.sent.append(("respond", response))
        return True

    def reject(self, call: CallReceived[Any], code: ErrorCode, description: str = "", *, now: float) -> bool:
        self.sent.append(("reject", code))
        return True

    def ignore(self, call: CallReceived[Any], *, now: float) -> None:
        raise AssertionError("nothing is ignored")


def received(request: Request[Any]) -> CallReceived[Any]:
    return CallReceived("1", type(request).__name__.removesuffix("Request"), request)


def test_the_driver_is_told_who_comes_and_goes() -> None:
    world = World()
    station = world.station(boot=False)
    station.cut()
    assert world.told(StationDisconnected) == [StationDisconnected("CP1")]
    world.system.link_up("CP1", Recording(), now=0)
    world.settle()
    assert world.told(StationConnected) == [StationConnected("CP1")]


def test_f35_the_late_end_of_a_displaced_link_changes_nothing() -> None:
    world = World()
    old = world.station()
    new = world.station(boot=False)
    world.system.link_down("CP1", old.link, now=0)
    world.settle()
    assert world.told(StationDisconnected) == []
    assert new.ask(v16.HeartbeatRequest()) == v16.HeartbeatResponse(current_time=START)


def test_rpc_019_what_comes_over_a_displaced_link_is_not_acted_on() -> None:
    world = World()
    old, new = Recording(), Recording()
    world.system.link_up("CP1", old, now=0)
    world.system.link_up("CP1", new, now=0)
    world.system.receive_event("CP1", old, received(BOOT), now=0)
    world.system.receive_event("CP2", old, received(BOOT), now=0)
    world.settle()
    assert world.system.registrations.status("CP1") is None
    assert old.sent == new.sent == []


def test_an_answer_is_not_given_to_a_link_that_came_after_the_question() -> None:
    world = World()
    old, new = Recording(), Recording()
    world.system.link_up("CP1", old, now=0)
    world.system.receive_event("CP1", old, received(BOOT), now=0)
    world.system.link_up("CP1", new, now=0)
    world.settle()
    assert world.system.registrations.status("CP1") is v16.RegistrationStatus.ACCEPTED
    assert old.sent == new.sent == []


def test_events_that_do_not_concern_the_role_are_ignored() -> None:
    world = World()
    link = Recording()
    world.system.link_up("CP1", link, now=0)
    world.system.receive_event("CP1", link, CallOverdue(received(BOOT)), now=0)
    world.settle()
    assert link.sent == []
    assert world.system.presence.last_heard("CP1") is None


def test_cp16_002_what_no_block_answers_is_not_supported() -> None:
    request = v16.FirmwareStatusNotificationRequest(status=v16.FirmwareStatus.INSTALLED)
    assert World().station().ask(request).code is ErrorCode.NOT_SUPPORTED


class Firmware(Block):
    """A block of another profile."""

    def handlers(self):
        return {v16.FirmwareStatusNotificationRequest: self.take_note}

    def take_note(self, identity: str, request: Any) -> v16.FirmwareStatusNotificationResponse:
        return v16.FirmwareStatusNotificationResponse()


def test_a_profile_beyond_core_joins_as_one_more_block() -> None:
    """CP16-002."""
    request = v16.FirmwareStatusNotificationRequest(status=v16.FirmwareStatus.INSTALLED)
    response = World(profiles=[Firmware]).station().ask(request)
    assert response == v16.FirmwareStatusNotificationResponse()


def test_stations_that_have_been_away_longest_are_forgotten_with_all_there_is_of_them() -> None:
    world = World(options=Options(max_absent_stations=1))
    dropped: list[str] = []
    for identity in ("CP1", "CP2", "CP3"):
        station = world.station(identity)
        started = station.ask(begin())
        station.ask(end(started.transaction_id))
        station.ask(end(-1))
        station.cut()
        dropped += (each.entry.identity for each in world.told(LedgerOverflow))
    assert dropped == ["CP1", "CP1", "CP2", "CP2"]
    system = world.system
    for forgotten in ("CP1", "CP2"):
        assert system.registrations.status(forgotten) is None
        assert system.view.station(forgotten) is None
        assert system.presence.last_heard(forgotten) is None
        assert system.ledger.transactions(forgotten) == system.ledger.unmatched(forgotten) == ()
    assert {record.topic for record in world.store.load()} == {"registration", "transaction", "unmatched"}
    assert len(world.store.load()) == 3
    assert len(system.ledger.transactions("CP3")) == 1


def test_a_station_that_never_booted_is_forgotten_as_well() -> None:
    world = World(options=Options(max_absent_stations=1))
    for identity in ("CP1", "CP2"):
        world.station(identity, boot=False).cut()
    assert world.names() == ["StationDisconnected"]
    assert world.store.load() == []


def test_the_forgotten_are_silent_for_ever() -> None:
    world = World(options=Options(max_absent_stations=1))
    for identity in ("CP1", "CP2"):
        world.station(identity).cut()
    world.wait(10_000)
    assert [name for name in world.names() if name == "StationSilent"] == ["StationSilent"]


def test_a_time_without_a_zone_is_no_time() -> None:
    with pytest.raises(ValueError, match="zone"):
        CentralSystem(now=0, utc=datetime(2026, 1, 1), transaction_ids=lambda: 1)  # noqa: DTZ001


def test_a_block_without_anything_takes_no_part_and_a_failing_handler_is_answered_for() -> None:
    class Odd(Block):
        def handlers(self) -> Mapping[type[Request[Any]], Handler]:
            def fail(identity: str, request: object) -> Any:
                raise (Rejection(ErrorCode.GENERIC_ERROR) if identity == "CP2" else KeyError("oops"))

            return {v16.HeartbeatRequest: fail}

    backbone = Backbone(Options(), now=0, utc=START)
    backbone.attach(Block(backbone), Odd(backbone))
    backbone.restore([Put("of nobody", "x", b"")])
    links = Recording(), Recording()
    for identity, link in zip(("CP1", "CP2"), links, strict=True):
        backbone.link_up(identity, link)
        backbone.receive_event(identity, link, received(v16.HeartbeatRequest()))
    told = []
    while (event := backbone.machine.next_event()) is not None:
        told.append(event)
    assert links[0].sent == [("reject", ErrorCode.INTERNAL_ERROR)]
    assert links[1].sent == [("reject", ErrorCode.GENERIC_ERROR)]
    (failed,) = (each for each in told if isinstance(each, HookFailed))
    assert (failed.identity, failed.hook) == ("CP1", "Heartbeat")
    assert backbone.link("CP1") is links[0]
    assert backbone.link("CP3") is None
    assert backbone.line("CP3") is None


def test_a_later_profile_hears_keeps_and_is_given_back_what_it_kept() -> None:
    class Profile(Block):
        def __init__(self, backbone: Backbone) -> None:
            super().__init__(backbone)
            self.seen: list[Any] = []

        def hears(self) -> Any:
            return {LinkUp: self.seen.append}

        def topics(self) -> Any:
            return {"profile": self.seen.append}

    backbone = Backbone(Options(), now=0, utc=START)
    profile = Profile(backbone)
    backbone.attach(profile)
    kept = Put("profile", "CP1", b"1")
    backbone.restore([kept])
    backbone.link_up("CP1", Recording())
    assert profile.seen == [kept, LinkUp("CP1")]


# -- deadlines --

MOVES = st.lists(
    st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.integers(1, 9)), st.integers(0, 4)), max_size=30
)


@given(MOVES)
def test_each_deadline_is_met_once_at_its_time_whatever_came_before(moves: list[tuple[str, int | None, int]]) -> None:
    """Against the plain way: a table of deadlines that is looked through from end to end."""
    machine = Machine[None](now=0)
    met: list[tuple[str, float]] = []
    expected: list[tuple[str, float]] = []
    plain: dict[str, float] = {}
    deadlines = Deadlines[str](machine, lambda key: met.append((key, machine.now)))

    def run(until: float) -> None:
        while (timeout := machine.next_timeout()) is not None and timeout <= until:
            machine.handle_timeout(now=timeout)
        machine.handle_timeout(now=until)
        due = [key for key, at in plain.items() if at <= until]
        expected.extend((key, plain.pop(key)) for key in due)

    for key, delay, passing in moves:
        if delay is None:
            deadlines.cancel(key)
            plain.pop(key, None)
        else:
            deadlines.set(key, machine.now + delay)
            plain[key] = machine.now + delay
        run(machine.now + passing)
    run(1000)
    assert sorted(met) == sorted(expected)
    assert machine.next_timeout() is None


def test_a_deadline_that_is_put_off_costs_no_timer() -> None:
    machine = Machine[None](now=0)
    met: list[int] = []
    deadlines = Deadlines[int](machine, met.append)
    for key in range(100):
        deadlines.set(key, 10)
    for later in range(10, 1000):
        deadlines.set(0, later)
    assert machine.next_timeout() == 10
    machine.handle_timeout(now=10)
    assert met == list(range(1, 100))
    machine.handle_timeout(now=math.inf)
    assert met[-1] == 0
