"""What stations are asked: order, waiting, and exactly one outcome of each command."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ocpp_sansio import (
    CallRefused,
    CallTimedOut,
    ConnectionLost,
    ErrorCode,
    InvalidMessage,
    LocalProtocolError,
    QueueFull,
    Rejection,
    v16,
    v201,
)
from ocpp_sansio.central_system import (
    Command,
    CommandExpired,
    CommandFailed,
    CommandRefused,
    CommandSucceeded,
    Options,
    Verdict,
)
from tests.central_system.world import Station, World

CLEAR = v16.ClearCacheRequest()
CLEARED = v16.ClearCacheResponse(status=v16.ClearCacheStatus.ACCEPTED)
READ = v16.GetConfigurationRequest()
RESET = v16.ResetRequest(type=v16.ResetType.SOFT)


def unlock(connector_id: int) -> v16.UnlockConnectorRequest:
    return v16.UnlockConnectorRequest(connector_id=connector_id)


UNLOCKED = v16.UnlockConnectorResponse(status=v16.UnlockStatus.UNLOCKED)


def outcomes(world: World) -> list[tuple[Command[Any], object]]:
    told = [*world.told(CommandSucceeded), *world.told(CommandFailed), *world.told(CommandExpired)]
    return [(each.command, type(getattr(each, "error", each))) for each in told]


def test_a_command_that_is_answered_succeeds() -> None:
    world = World()
    station = world.station()
    station.answers[v16.ClearCacheRequest] = CLEARED
    command = world.call("CP1", CLEAR)
    assert (command.identity, command.request) == ("CP1", CLEAR)
    assert world.told(CommandSucceeded) == [CommandSucceeded(command, CLEARED)]


def test_a_command_that_is_answered_with_an_error_fails() -> None:
    world = World()
    station = world.station()
    station.answers[v16.ClearCacheRequest] = Rejection(ErrorCode.NOT_SUPPORTED)
    command = world.call("CP1", CLEAR)
    (failed,) = world.told(CommandFailed)
    assert failed.command is command
    assert isinstance(failed.error, CallRefused)
    assert failed.error.code is ErrorCode.NOT_SUPPORTED


def test_a_command_that_is_not_answered_in_time_fails() -> None:
    world = World()
    station = world.station()
    command = world.call("CP1", CLEAR, timeout=7)
    world.now = 7
    station.link.handle_timeout(now=world.now)
    world.feed(station)
    assert outcomes(world) == [(command, CallTimedOut)]


def test_rpc_050_commands_go_out_one_after_the_other_in_the_order_of_their_calls() -> None:
    world = World()
    station = world.station()
    first = world.call("CP1", CLEAR, timeout=7)
    others = [world.call("CP1", unlock(each)) for each in (1, 2, 3)]
    assert station.asked == [CLEAR]
    station.answers[v16.UnlockConnectorRequest] = UNLOCKED
    world.now = 7
    station.link.handle_timeout(now=world.now)
    world.feed(station)
    world.settle()
    assert station.asked == [CLEAR, unlock(1), unlock(2), unlock(3)]
    assert [each.command for each in world.told(CommandSucceeded)] == others
    assert outcomes(world) == [(first, CallTimedOut)]


def test_stations_do_not_wait_for_each_other() -> None:
    world = World()
    world.station("CP1")
    other = world.station("CP2")
    world.call("CP1", CLEAR)
    world.call("CP2", CLEAR)
    assert other.asked == [CLEAR]


def test_without_a_link_a_command_fails_at_once() -> None:
    world = World()
    world.station().cut()
    command = world.call("CP1", CLEAR)
    (failed,) = world.told(CommandFailed)
    assert failed.command is command
    assert failed.error.args == ConnectionLost(sent=False).args


def test_with_time_commands_wait_and_all_go_out_when_there_is_a_link() -> None:
    world = World()
    world.station().cut()
    commands = [world.call("CP1", unlock(each), expires_in=60) for each in (1, 2, 3)]
    station = world.station("CP2")
    station.answers[v16.UnlockConnectorRequest] = UNLOCKED
    station.identity = "CP1"  # the link of the other turns out to be for this one
    world.system.link_up("CP1", station.link, now=world.now)
    world.settle()
    assert station.asked == [unlock(1), unlock(2), unlock(3)]
    assert [each.command for each in world.told(CommandSucceeded)] == commands
    assert outcomes(world) == []


def test_a_command_that_waits_for_too_long_expires_and_is_not_sent() -> None:
    world = World()
    world.station().cut()
    late, early = world.call("CP1", CLEAR, expires_in=60), world.call("CP1", RESET, expires_in=30)
    world.wait(30)
    assert outcomes(world) == [(early, CommandExpired)]
    world.wait(30)
    assert outcomes(world) == [(late, CommandExpired)]
    assert world.station(boot=False).asked == []


def test_a_command_that_has_expired_is_not_sent_even_if_its_time_out_was_not_handled_yet() -> None:
    world = World()
    world.station().cut()
    command = world.call("CP1", CLEAR, expires_in=60)
    world.now = 60
    assert world.station(boot=False).asked == []
    world.wait(0)
    assert outcomes(world) == [(command, CommandExpired)]


def test_rpc_052_each_station_has_a_command_on_its_way_and_no_second() -> None:
    world = World()
    stations = [world.station(identity) for identity in ("CP1", "CP2")]
    for station in stations:
        world.call(station.identity, CLEAR)
        world.call(station.identity, READ)
    assert [station.asked for station in stations] == [[CLEAR], [CLEAR]]


def test_rpc_131_a_command_on_its_way_fails_with_the_link_and_one_with_time_waits_for_the_next() -> None:
    world = World()
    station = world.station()
    on_its_way = world.call("CP1", CLEAR, expires_in=60)
    impatient, patient = world.call("CP1", READ), world.call("CP1", RESET, expires_in=60)
    station.cut()
    told = {each.command: each.error for each in world.told(CommandFailed)}
    assert list(told) == [on_its_way, impatient]
    assert told[on_its_way].args == ConnectionLost(sent=True).args  # it may have been acted on: it is not sent again
    assert told[impatient].args == ConnectionLost(sent=False).args
    assert world.station(boot=False).asked == [RESET]
    assert outcomes(world) == []
    assert patient.expires_at == 60


def test_a_link_that_takes_nothing_more_is_not_tried_again_and_the_next_one_is() -> None:
    world = World()
    station = world.station()
    station.link.connection_lost(now=world.now)  # the role has not been told yet
    impatient = world.call("CP1", CLEAR)
    patient = world.call("CP1", RESET, expires_in=60)
    assert outcomes(world) == [(impatient, ConnectionLost)]
    assert world.station(boot=False).asked == [RESET]
    assert patient.request == RESET


def test_a_command_that_met_a_displaced_link_goes_out_on_the_new_one() -> None:
    world = World()
    world.station()
    world.system.call("CP1", CLEAR, now=world.now, expires_in=60)  # not drained: it has not been sent
    assert world.station(boot=False).asked == [CLEAR]


@pytest.mark.parametrize("expires_in", [None, 60])
def test_what_waits_behind_a_command_on_a_displaced_link_goes_out_on_the_new_one(expires_in: float | None) -> None:
    world = World()
    world.station()
    on_its_way, waiting = world.call("CP1", CLEAR), world.call("CP1", READ, expires_in=expires_in)
    station = Station(world, "CP1")
    assert outcomes(world) == [(on_its_way, ConnectionLost)]
    assert station.asked == [READ]
    assert waiting.request == READ


def test_cs16_002_what_waits_for_acceptance_holds_up_nothing_else() -> None:
    world = World(registration=lambda *_: Verdict(state[0]))
    state = [v16.RegistrationStatus.ACCEPTED]
    world.station().cut()
    world.call("CP1", CLEAR, expires_in=1000)
    state[0] = v16.RegistrationStatus.PENDING
    world.call("CP1", READ, expires_in=1000)
    station = world.station(boot=False)
    assert station.asked == [CLEAR]
    station.cut()
    station = world.station()
    assert station.asked == [READ]


def test_a_pending_station_is_asked_the_rest_once_it_is_accepted() -> None:
    state = [v16.RegistrationStatus.ACCEPTED]
    world = World(registration=lambda *_: Verdict(state[0]))
    station = world.station()
    world.call("CP1", v16.DataTransferRequest(vendor_id="V"), timeout=5)
    world.call("CP1", CLEAR, expires_in=1000)
    state[0] = v16.RegistrationStatus.PENDING
    station.boot()
    station.answers[v16.GetConfigurationRequest] = v16.GetConfigurationResponse()
    world.now = 5
    station.link.handle_timeout(now=world.now)
    world.feed(station)
    with pytest.raises(CommandRefused):
        world.call("CP1", RESET)
    world.call("CP1", READ)
    state[0] = v16.RegistrationStatus.ACCEPTED
    station.boot()
    assert station.asked[1:] == [READ, CLEAR]


def test_another_boot_changes_nothing_for_what_waits_and_is_still_allowed() -> None:
    world = World()
    station = world.station()
    world.call("CP1", READ, timeout=5)
    world.call("CP1", CLEAR)
    station.boot()
    assert outcomes(world) == []
    world.now = 5
    station.link.handle_timeout(now=world.now)
    world.feed(station)
    world.settle()
    assert station.asked == [READ, CLEAR]


def test_what_waits_is_bounded() -> None:
    world = World(options=Options(max_queued_commands=1))
    world.station()
    world.call("CP1", CLEAR)
    world.call("CP1", READ)
    with pytest.raises(QueueFull):
        world.call("CP1", RESET)
    world.station("CP2").cut()
    world.call("CP2", CLEAR, expires_in=1)
    with pytest.raises(QueueFull):
        world.call("CP2", RESET, expires_in=1)


@pytest.mark.parametrize(
    "request_",
    [v16.HeartbeatRequest(), v201.ClearCacheRequest(), CLEARED, v16.DataTransferResponse(status="Accepted")],  # type: ignore[arg-type]
)
def test_only_requests_of_a_central_system_of_1_6_are_commands(request_: Any) -> None:
    world = World()
    world.station()
    with pytest.raises(LocalProtocolError):
        world.call("CP1", request_)


def test_a_command_that_breaks_its_schema_is_not_taken() -> None:
    world = World()
    world.station()
    with pytest.raises(InvalidMessage):
        world.call("CP1", v16.RemoteStartTransactionRequest(id_tag="x" * 21))


@pytest.mark.parametrize("seconds", [0, -1, math.nan])
@pytest.mark.parametrize("name", ["timeout", "expires_in"])
def test_times_are_positive(name: str, seconds: float) -> None:
    world = World()
    world.station()
    with pytest.raises(ValueError, match="positive"):
        world.call("CP1", CLEAR, **{name: seconds})


def test_a_command_waits_for_the_store_like_everything_else() -> None:
    world = World()
    station = world.station()
    world.failing = True
    station.send(v16.BootNotificationRequest(charge_point_vendor="V", charge_point_model="M"))
    world.call("CP1", CLEAR)
    assert station.asked == []
    world.failing = False
    world.wait(1)
    assert station.asked == [CLEAR]
