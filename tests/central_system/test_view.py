"""How the stations look from here (CS16-020, CS16-060)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ocpp_sansio import v16
from ocpp_sansio.central_system import Connector, ConnectorReported, Options, Setting, StationView
from tests.central_system.world import BOOT, World, at

Status, Code = v16.ChargePointStatus, v16.ChargePointErrorCode
ConfigurationStatus = v16.ConfigurationStatus


def status(connector_id: int = 1, status: Status = Status.AVAILABLE, **more: Any) -> v16.StatusNotificationRequest:
    return v16.StatusNotificationRequest(connector_id=connector_id, status=status, error_code=Code.NO_ERROR, **more)


def view(world: World) -> StationView:
    found = world.system.view.station("CP1")
    assert found is not None
    return found


def test_cs16_020_every_transition_is_answered_and_the_last_status_stands() -> None:
    world = World()
    station = world.station()
    for before, after in itertools.product(Status, Status):
        for each in (before, after):
            assert station.ask(status(1, each)) == v16.StatusNotificationResponse()
        assert view(world).connectors[1].status is after
    assert len(world.told(ConnectorReported)) == 2 * 81


def test_a_connector_is_remembered_with_all_that_was_said_of_it() -> None:
    world = World()
    station = world.station()
    more = {"info": "hot", "vendor_id": "V", "vendor_error_code": "7"}
    station.ask(status(2, Status.FAULTED, timestamp=at(-60), **more))
    assert view(world).connectors == {2: Connector(2, Status.FAULTED, Code.NO_ERROR, "hot", "V", "7", at(-60))}


def test_cp16_038_a_status_without_a_time_is_of_now() -> None:
    world = World()
    station = world.station()
    world.now = 9
    station.ask(status(0))
    assert view(world).connectors[0].timestamp == at(9)


def test_connectors_beyond_the_bound_are_answered_but_not_remembered() -> None:
    world = World(options=Options(max_connectors=2))
    station = world.station()
    for connector_id in (1, 2, 3):
        assert station.ask(status(connector_id)) == v16.StatusNotificationResponse()
    station.ask(status(2, Status.CHARGING))
    assert list(view(world).connectors) == [1, 2]
    assert view(world).connectors[2].status is Status.CHARGING


def test_what_a_station_says_of_itself_is_there_after_a_restart() -> None:
    world = World()
    assert world.system.view.station("CP1") is None
    world.station()
    world.restart()
    registration = view(world).registration
    assert registration is not None
    assert registration.request == BOOT


def configured(world: World, answer: Any = None, **options: Any) -> Any:
    station = world.station()
    station.answers[v16.GetConfigurationRequest] = answer or v16.GetConfigurationResponse(
        configuration_key=[
            v16.KeyValue(key="HeartbeatInterval", readonly=False, value="300"),
            v16.KeyValue(key="NumberOfConnectors", readonly=True, value="2"),
            v16.KeyValue(key="AuthorizationKey", readonly=False, value="dummy"),
        ]
    )
    world.call("CP1", v16.GetConfigurationRequest())
    return station


def change(world: World, station: Any, key: str, value: str, result: ConfigurationStatus) -> Setting | None:
    station.answers[v16.ChangeConfigurationRequest] = v16.ChangeConfigurationResponse(status=result)
    world.call("CP1", v16.ChangeConfigurationRequest(key=key, value=value))
    return view(world).setting(key)


def test_configuration_is_learnt_from_what_is_read() -> None:
    world = World()
    configured(world)
    assert view(world).setting("heartbeatinterval") == Setting("HeartbeatInterval", "300", readonly=False)
    assert view(world).setting("NumberOfConnectors") == Setting("NumberOfConnectors", "2", readonly=True)
    assert view(world).setting("Other") is None


def test_keys_that_the_station_does_not_know_are_not_in_the_view() -> None:
    world = World()
    station = configured(world)
    station.answers[v16.GetConfigurationRequest] = v16.GetConfigurationResponse(unknown_key=["HEARTBEATINTERVAL", "x"])
    world.call("CP1", v16.GetConfigurationRequest(key=["HEARTBEATINTERVAL", "x"]))
    assert view(world).setting("HeartbeatInterval") is None


def test_an_accepted_change_is_seen_at_once() -> None:
    world = World()
    station = configured(world)
    changed = change(world, station, "HeartbeatInterval", "60", ConfigurationStatus.ACCEPTED)
    assert changed == Setting("HeartbeatInterval", "60", readonly=False)


@pytest.mark.parametrize("result", [ConfigurationStatus.REJECTED, ConfigurationStatus.NOT_SUPPORTED])
def test_cs16_060_a_change_that_is_not_made_is_not_seen(result: ConfigurationStatus) -> None:
    world = World()
    station = configured(world)
    assert change(world, station, "HeartbeatInterval", "60", result) == Setting("HeartbeatInterval", "300", False)
    assert change(world, station, "New", "1", result) is None


def test_cs16_060_a_change_that_needs_a_reboot_is_seen_after_it() -> None:
    world = World()
    station = configured(world)
    pending = change(world, station, "HeartbeatInterval", "60", ConfigurationStatus.REBOOT_REQUIRED)
    assert pending == Setting("HeartbeatInterval", "300", readonly=False, pending="60")
    station.boot()
    assert view(world).setting("HeartbeatInterval") == Setting("HeartbeatInterval", "60", readonly=False)


def test_cp16_117_a_secret_is_not_kept() -> None:
    world = World()
    station = configured(world)
    assert view(world).setting("AuthorizationKey") == Setting("AuthorizationKey", None, readonly=False)
    change(world, station, "authorizationkey", "00112233445566778899", ConfigurationStatus.ACCEPTED)
    change(world, station, "AuthorizationKey", "00112233445566778899", ConfigurationStatus.REBOOT_REQUIRED)
    assert view(world).setting("AuthorizationKey") == Setting("AuthorizationKey", None, readonly=False)


def test_keys_beyond_the_bound_are_not_remembered() -> None:
    world = World(options=Options(max_settings=1))
    station = configured(world)
    assert list(view(world).settings) == ["heartbeatinterval"]
    changed = change(world, station, "heartbeatinterval", "7", ConfigurationStatus.ACCEPTED)
    assert changed == Setting("heartbeatinterval", "7", readonly=False)
    assert change(world, station, "Other", "7", ConfigurationStatus.ACCEPTED) is None


def test_other_answers_are_of_no_interest() -> None:
    world = World()
    station = world.station()
    station.answers[v16.ClearCacheRequest] = v16.ClearCacheResponse(status=v16.ClearCacheStatus.ACCEPTED)
    world.call("CP1", v16.ClearCacheRequest())
    assert view(world).settings == {}
