"""The last sign of life of each station (CS16-010, CS16-011)."""

from __future__ import annotations

from typing import Any

import pytest

from ocpp_sansio import v16
from ocpp_sansio.central_system import Options, StationBack, StationSilent, Verdict
from tests.central_system.world import BOOT, World, at, values

CHANGED = v16.ChangeConfigurationResponse(status=v16.ConfigurationStatus.ACCEPTED)


def world_with(interval: int = 100, status: Any = v16.RegistrationStatus.ACCEPTED) -> World:
    return World(registration=lambda *_: Verdict(status, interval), options=Options(silent_after=2))


def test_cs16_011_a_heartbeat_is_answered_with_the_time() -> None:
    world = world_with()
    station = world.station()
    world.now = 42.5
    assert station.ask(v16.HeartbeatRequest()) == v16.HeartbeatResponse(current_time=at(42.5))


def test_the_time_is_that_of_the_host_clock_once_it_is_set() -> None:
    world = world_with()
    station = world.station()
    world.now = 10
    world.system.set_clock(at(5000), now=world.now)
    world.now = 11
    assert station.ask(v16.HeartbeatRequest()).current_time == at(5001)
    with pytest.raises(ValueError, match="zone"):
        world.system.set_clock(at(0).replace(tzinfo=None), now=world.now)


def test_a_station_is_silent_after_some_of_its_intervals_and_back_with_any_sign_of_life() -> None:
    world = world_with(100)
    station = world.station()
    world.wait(199)
    assert world.told(StationSilent) == []
    world.wait(1)
    assert world.told(StationSilent) == [StationSilent("CP1", at(0))]
    assert world.system.presence.is_silent("CP1")
    world.wait(1000)
    assert world.told(StationSilent) == []
    station.send(values(None))
    assert world.told(StationBack) == [StationBack("CP1")]
    assert not world.system.presence.is_silent("CP1")
    world.wait(200)
    assert world.told(StationSilent) == [StationSilent("CP1", at(1200))]


def test_cs16_010_any_message_is_a_sign_of_life() -> None:
    world = world_with(100)
    station = world.station()
    for _ in range(5):
        world.wait(150)
        station.send(values(None))
    assert world.told(StationSilent) == []
    assert world.system.presence.last_heard("CP1") == at(750)


def test_cs16_010_answers_are_signs_of_life_and_their_absence_is_none() -> None:
    world = world_with(100)
    station = world.station()
    station.answers[v16.ClearCacheRequest] = v16.ClearCacheResponse(status=v16.ClearCacheStatus.ACCEPTED)
    world.wait(150)
    world.call("CP1", v16.ClearCacheRequest())
    assert world.system.presence.last_heard("CP1") == at(150)
    world.call("CP1", v16.GetConfigurationRequest(), timeout=10)  # is not answered
    world.wait(20)
    station.link.handle_timeout(now=world.now)
    world.feed(station)
    assert world.system.presence.last_heard("CP1") == at(150)


def test_a_station_that_never_comes_back_is_told_after_a_restart() -> None:
    world = world_with(100)
    world.station()
    world.now = 50
    world.restart()
    world.wait(200)
    assert world.told(StationSilent) == [StationSilent("CP1", None)]
    assert world.system.presence.last_heard("CP1") is None


def test_a_station_that_connects_and_says_nothing_is_silent_after_the_usual_interval() -> None:
    world = World(options=Options(heartbeat_interval=10, silent_after=2))
    world.station(boot=False)
    world.wait(19)
    assert world.told(StationSilent) == []
    world.wait(1)
    assert world.told(StationSilent) == [StationSilent("CP1", None)]


def test_a_link_is_no_sign_of_life() -> None:
    world = world_with(100)
    world.station()
    world.wait(150)
    world.station(boot=False)
    world.wait(50)
    assert world.told(StationSilent) == [StationSilent("CP1", at(0))]


def test_interval_0_leaves_it_to_the_station_and_the_usual_interval_is_expected() -> None:
    world = World(registration=lambda *_: Verdict(v16.RegistrationStatus.PENDING, 0))
    world.station()
    world.wait(899)
    assert world.told(StationSilent) == []
    world.wait(1)
    assert len(world.told(StationSilent)) == 1


@pytest.mark.parametrize(
    ("key", "value", "status", "silent_after"),
    [
        ("heartbeatINTERVAL", "10", "Accepted", 20),
        ("HeartbeatInterval", "9" * 500, "Accepted", 2 * (2**31 - 1)),
        ("HeartbeatInterval", "10", "Rejected", 200),
        ("HeartbeatInterval", "soon", "Accepted", 200),
        ("ResetRetries", "10", "Accepted", 200),
    ],
)
def test_cp16_022_the_interval_is_also_a_configuration_key(
    key: str, value: str, status: str, silent_after: float
) -> None:
    world = world_with(100)
    station = world.station()
    answer = v16.ChangeConfigurationResponse(status=v16.ConfigurationStatus(status))
    station.answers[v16.ChangeConfigurationRequest] = answer
    world.call("CP1", v16.ChangeConfigurationRequest(key=key, value=value))
    world.wait(silent_after - 1)
    assert world.told(StationSilent) == []
    world.wait(1)
    assert len(world.told(StationSilent)) == 1


def test_a_station_that_boots_again_is_back() -> None:
    world = world_with(100)
    world.station()
    world.wait(200)
    world.told(StationSilent)
    later = world.station(boot=False)
    later.far.call(BOOT, now=world.now)
    world.settle()
    assert world.told(StationBack) == [StationBack("CP1")]


def test_nothing_is_known_of_a_stranger() -> None:
    world = world_with()
    assert world.system.presence.last_heard("nobody") is None
    assert not world.system.presence.is_silent("nobody")
