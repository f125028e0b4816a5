"""The Core part of the public conformance tests for central systems, by their ids: what this side has to do in each.

A station plays the other part, over real sessions. What a test does to a charge point alone is not repeated here.
"""

from __future__ import annotations

from typing import Any

import pytest

from ocpp_sansio import ConnectionLost, v16
from ocpp_sansio.central_system import (
    CommandFailed,
    CommandRefused,
    CommandSucceeded,
    ConnectorReported,
    TransactionStopped,
    Verdict,
)
from tests.central_system.world import ACCEPTED, BOOT, INVALID, Station, World, at, begin, end, reading, values

Status, Code, Reason = v16.ChargePointStatus, v16.ChargePointErrorCode, v16.Reason
HEARTBEAT = v16.HeartbeatRequest()


def status(connector_id: int, status: Status, error_code: Code = Code.NO_ERROR) -> v16.StatusNotificationRequest:
    return v16.StatusNotificationRequest(connector_id=connector_id, status=status, error_code=error_code)


def report(station: Station, *statuses: Status, connector_id: int = 1) -> None:
    for each in statuses:
        assert station.ask(status(connector_id, each)) == v16.StatusNotificationResponse()
    view = station.world.system.view.station(station.identity)
    assert view is not None
    assert view.connectors[connector_id].status is statuses[-1]


def charge(station: Station, **how: Any) -> int:
    """A regular session up to Charging."""
    report(station, Status.PREPARING)
    assert station.ask(v16.AuthorizeRequest(id_tag="tag")).id_tag_info == ACCEPTED
    answer = station.ask(begin(**how))
    assert answer.id_tag_info == ACCEPTED
    report(station, Status.CHARGING)
    transaction_id: int = answer.transaction_id
    return transaction_id


def finish(station: Station, transaction_id: int, reason: Reason = Reason.LOCAL, id_tag: str | None = "tag") -> None:
    report(station, Status.FINISHING)
    answer = station.ask(end(transaction_id, id_tag=id_tag, reason=reason))
    assert answer.id_tag_info == (None if id_tag is None else ACCEPTED)
    (stopped,) = station.world.told(TransactionStopped)
    assert stopped.transaction.stop is not None
    assert stopped.transaction.stop.reason == reason
    report(station, Status.AVAILABLE)


def command(station: Station, request: Any, response: Any) -> None:
    """The central system asks, and the station answers."""
    station.answers[type(request)] = response
    asked = station.world.call(station.identity, request)
    assert station.asked[-1] == request
    assert station.world.told(CommandSucceeded) == [CommandSucceeded(asked, response)]


def test_tc_001_cold_boot() -> None:
    world = World()
    station = world.station(boot=False)
    assert station.boot().status is v16.RegistrationStatus.ACCEPTED
    for connector_id in (0, 1, 2):
        report(station, Status.AVAILABLE, connector_id=connector_id)
    world.now = 300
    assert station.ask(HEARTBEAT).current_time == at(300)


def test_tc_002_cold_boot_pending() -> None:
    verdicts = [Verdict(v16.RegistrationStatus.PENDING, 10), Verdict()]
    world = World(registration=lambda *_: verdicts.pop(0))
    station = world.station(boot=False)
    assert station.boot().status is v16.RegistrationStatus.PENDING
    command(station, v16.GetConfigurationRequest(), v16.GetConfigurationResponse(configuration_key=[]))
    change = v16.ChangeConfigurationRequest(key="MeterValueSampleInterval", value="60")
    command(station, change, v16.ChangeConfigurationResponse(status=v16.ConfigurationStatus.ACCEPTED))
    with pytest.raises(CommandRefused):
        world.call("CP1", v16.RemoteStartTransactionRequest(id_tag="tag"))
    assert station.boot().status is v16.RegistrationStatus.ACCEPTED


@pytest.mark.parametrize("plug_in_first", [True, False])
def test_tc_003_tc_004_1_regular_session_in_either_order(plug_in_first: bool) -> None:
    station = World().station()
    if plug_in_first:
        report(station, Status.PREPARING)
    assert station.ask(v16.AuthorizeRequest(id_tag="tag")).id_tag_info == ACCEPTED
    if not plug_in_first:
        report(station, Status.PREPARING)
    transaction_id = station.ask(begin()).transaction_id
    report(station, Status.CHARGING)
    finish(station, transaction_id)


def test_tc_004_2_identification_first_connection_time_out() -> None:
    world = World()
    station = world.station()
    assert station.ask(v16.AuthorizeRequest(id_tag="tag")).id_tag_info == ACCEPTED
    report(station, Status.PREPARING, Status.AVAILABLE)
    assert world.system.ledger.transactions() == ()


@pytest.mark.parametrize("case", ["tc_005_1", "tc_005_2"])
def test_tc_005_ev_side_disconnected(case: str) -> None:
    station = World().station()
    transaction_id = charge(station)
    finish(station, transaction_id, Reason.EV_DISCONNECTED, id_tag=None)


def test_tc_005_3_the_transaction_goes_on_when_the_ev_is_disconnected() -> None:
    station = World().station()
    transaction_id = charge(station)
    report(station, Status.SUSPENDED_EV, Status.CHARGING)
    finish(station, transaction_id)


def test_tc_007_regular_start_with_a_cached_id_needs_no_authorize() -> None:
    station = World().station()
    report(station, Status.PREPARING)
    assert station.ask(begin()).id_tag_info == ACCEPTED


def remote_start(station: Station) -> None:
    request = v16.RemoteStartTransactionRequest(id_tag="tag", connector_id=1)
    command(station, request, v16.RemoteStartTransactionResponse(status=v16.RemoteStartStopStatus.ACCEPTED))


@pytest.mark.parametrize("case", ["tc_010 plug in first", "tc_011_1 remote start first"])
def test_tc_010_tc_011_1_remote_start(case: str) -> None:
    station = World().station()
    if case.startswith("tc_010"):
        report(station, Status.PREPARING)
    remote_start(station)
    finish(station, charge(station), Reason.REMOTE)


def test_tc_011_2_remote_start_connection_time_out() -> None:
    world = World()
    station = world.station()
    remote_start(station)
    report(station, Status.PREPARING, Status.AVAILABLE)
    assert world.system.ledger.transactions() == ()


def test_tc_012_remote_stop() -> None:
    station = World().station()
    transaction_id = charge(station)
    stop = v16.RemoteStopTransactionRequest(transaction_id=transaction_id)
    command(station, stop, v16.RemoteStopTransactionResponse(status=v16.RemoteStartStopStatus.ACCEPTED))
    finish(station, transaction_id, Reason.REMOTE)


@pytest.mark.parametrize(
    ("kind", "reason"), [(v16.ResetType.HARD, None), (v16.ResetType.SOFT, None)], ids=["tc_013", "tc_014"]
)
def test_tc_013_tc_014_reset_without_transaction(kind: v16.ResetType, reason: None) -> None:
    world = World()
    station = world.station()
    command(station, v16.ResetRequest(type=kind), v16.ResetResponse(status=v16.ResetStatus.ACCEPTED))
    station.cut()
    station = world.station(boot=False)
    assert station.ask(BOOT).status is v16.RegistrationStatus.ACCEPTED
    report(station, Status.AVAILABLE)


def test_tc_015_hard_reset_with_transaction_the_stop_comes_after_the_boot() -> None:
    world = World()
    station = world.station()
    transaction_id = charge(station)
    command(station, v16.ResetRequest(type=v16.ResetType.HARD), v16.ResetResponse(status=v16.ResetStatus.ACCEPTED))
    station.cut()
    finish(world.station(), transaction_id, Reason.HARD_RESET, id_tag=None)


def test_tc_016_soft_reset_with_transaction_the_stop_comes_before_the_boot() -> None:
    world = World()
    station = world.station()
    transaction_id = charge(station)
    command(station, v16.ResetRequest(type=v16.ResetType.SOFT), v16.ResetResponse(status=v16.ResetStatus.ACCEPTED))
    finish(station, transaction_id, Reason.SOFT_RESET, id_tag=None)
    station.cut()
    assert world.station(boot=False).boot().status is v16.RegistrationStatus.ACCEPTED


@pytest.mark.parametrize("status", v16.UnlockStatus, ids=["tc_017_1", "tc_017_2", "tc_030"])
def test_tc_017_tc_030_unlock_connector_without_transaction(status: v16.UnlockStatus) -> None:
    command(World().station(), v16.UnlockConnectorRequest(connector_id=1), v16.UnlockConnectorResponse(status=status))


def test_tc_018_1_unlock_connector_with_transaction() -> None:
    station = World().station()
    transaction_id = charge(station)
    unlocked = v16.UnlockConnectorResponse(status=v16.UnlockStatus.UNLOCKED)
    command(station, v16.UnlockConnectorRequest(connector_id=1), unlocked)
    finish(station, transaction_id, Reason.UNLOCK_COMMAND, id_tag=None)


def test_tc_031_unlock_unknown_connector() -> None:
    unknown = v16.UnlockConnectorResponse(status=v16.UnlockStatus.NOT_SUPPORTED)
    command(World().station(), v16.UnlockConnectorRequest(connector_id=9), unknown)


def test_tc_019_retrieve_configuration() -> None:
    station = World().station()
    told = [v16.KeyValue(key="SupportedFeatureProfiles", readonly=True, value="Core")]
    for keys in (None, ["SupportedFeatureProfiles"]):
        request = v16.GetConfigurationRequest(key=keys)
        command(station, request, v16.GetConfigurationResponse(configuration_key=told))


def test_tc_021_change_configuration() -> None:
    world = World()
    request = v16.ChangeConfigurationRequest(key="MeterValueSampleInterval", value="15")
    answer = v16.ChangeConfigurationResponse(status=v16.ConfigurationStatus.ACCEPTED)
    command(world.station(), request, answer)
    view = world.system.view.station("CP1")
    assert view is not None
    assert view.settings["metervaluesampleinterval"].value == "15"


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("tc_023_1", v16.AuthorizationStatus.INVALID),
        ("tc_023_2", v16.AuthorizationStatus.EXPIRED),
        ("tc_023_3", v16.AuthorizationStatus.BLOCKED),
    ],
)
def test_tc_023_start_with_an_id_tag_that_is_not_accepted(case: str, told: v16.AuthorizationStatus) -> None:
    station = World(authorise=lambda *_: v16.IdTagInfo(status=told)).station()
    assert station.ask(v16.AuthorizeRequest(id_tag="tag")).id_tag_info.status is told


def test_tc_024_lock_failure() -> None:
    world = World()
    station = world.station()
    station.ask(status(1, Status.FAULTED, Code.CONNECTOR_LOCK_FAILURE))
    (told,) = world.told(ConnectorReported)
    assert told.request.error_code is Code.CONNECTOR_LOCK_FAILURE
    assert world.system.ledger.transactions() == ()


REMOTE_REJECTED = v16.RemoteStartTransactionResponse(status=v16.RemoteStartStopStatus.REJECTED)


@pytest.mark.parametrize("case", ["tc_026", "tc_027"])
def test_tc_026_tc_027_remote_start_rejected(case: str) -> None:
    command(World().station(), v16.RemoteStartTransactionRequest(id_tag="tag", connector_id=1), REMOTE_REJECTED)


def test_tc_028_remote_stop_rejected() -> None:
    rejected = v16.RemoteStopTransactionResponse(status=v16.RemoteStartStopStatus.REJECTED)
    command(World().station(), v16.RemoteStopTransactionRequest(transaction_id=12), rejected)


@pytest.mark.parametrize("case", ["tc_032_1 before it goes down", "tc_032_2 when it is up again"])
def test_tc_032_power_failure_stops_the_transaction(case: str) -> None:
    world = World()
    station = world.station()
    transaction_id = charge(station)
    if case.startswith("tc_032_2"):
        station.cut()
        station = world.station()
    finish(station, transaction_id, Reason.POWER_LOSS, id_tag=None)


def test_tc_034_power_failure_with_unavailable_status() -> None:
    world = World()
    station = world.station()
    change = v16.ChangeAvailabilityRequest(connector_id=1, type=v16.AvailabilityType.INOPERATIVE)
    command(station, change, v16.ChangeAvailabilityResponse(status=v16.AvailabilityStatus.ACCEPTED))
    report(station, Status.UNAVAILABLE)
    station.cut()
    report(world.station(), Status.UNAVAILABLE)


def test_tc_036_connection_loss_during_transaction() -> None:
    world = World()
    station = world.station()
    transaction_id = charge(station)
    station.cut()
    station = world.station(boot=False)
    for seconds in (10, 20, 30):
        assert station.ask(values(transaction_id, seconds=seconds)) == v16.MeterValuesResponse()
    transaction = world.system.ledger.transaction(transaction_id)
    assert transaction is not None
    assert transaction.meter_values == 3
    finish(station, transaction_id)


def test_tc_037_1_offline_start_is_accepted_afterwards() -> None:
    world = World()
    world.now = 1000
    station = world.station()
    answer = station.ask(begin(seconds=10))
    assert answer.id_tag_info == ACCEPTED
    finish(station, answer.transaction_id)


@pytest.mark.parametrize("case", ["tc_037_2 the transaction goes on", "tc_037_3 the transaction is stopped"])
def test_tc_037_2_tc_037_3_offline_start_with_an_invalid_id_tag(case: str) -> None:
    world = World()
    station = world.station()
    answer = station.ask(begin(id_tag="unknown"))
    assert answer.id_tag_info == INVALID
    if "stopped" in case:
        assert station.ask(end(answer.transaction_id, reason=Reason.DE_AUTHORIZED)) == v16.StopTransactionResponse()
    else:
        report(station, Status.SUSPENDED_EVSE)


def test_tc_038_offline_stop() -> None:
    world = World()
    station = world.station()
    transaction_id = charge(station)
    station.cut()
    finish(world.station(boot=False), transaction_id)


def test_tc_039_offline_transaction_starts_and_stops_before_it_is_told() -> None:
    world = World()
    world.now = 10_000
    station = world.station()
    answer = station.ask(begin(seconds=100))
    assert station.ask(end(answer.transaction_id, seconds=200, id_tag="tag")).id_tag_info == ACCEPTED
    (transaction,) = world.system.ledger.transactions()
    assert transaction.stop is not None
    assert (transaction.timestamp, transaction.stop.timestamp) == (at(100), at(200))
    assert transaction.recorded_at == at(10_000)


@pytest.mark.parametrize(
    ("key", "result"),
    [
        ("NoSuchKey", v16.ConfigurationStatus.NOT_SUPPORTED),
        ("MeterValueSampleInterval", v16.ConfigurationStatus.REJECTED),
    ],
    ids=["tc_040_1", "tc_040_2"],
)
def test_tc_040_configuration_keys_that_cannot_be_set(key: str, result: v16.ConfigurationStatus) -> None:
    world = World()
    request = v16.ChangeConfigurationRequest(key=key, value="-1")
    command(world.station(), request, v16.ChangeConfigurationResponse(status=result))
    view = world.system.view.station("CP1")
    assert view is not None
    assert view.setting(key) is None


def test_tc_041_fault_behaviour() -> None:
    station = World().station()
    transaction_id = charge(station)
    report(station, Status.FAULTED)
    assert station.ask(end(transaction_id, reason=Reason.OTHER)) == v16.StopTransactionResponse()
    report(station, Status.FINISHING, Status.AVAILABLE)


@pytest.mark.parametrize("result", v16.ClearCacheStatus)
def test_tc_061_clear_authorization_cache(result: v16.ClearCacheStatus) -> None:
    command(World().station(), v16.ClearCacheRequest(), v16.ClearCacheResponse(status=result))


def test_tc_062_data_transfer_to_a_charge_point() -> None:
    unknown = v16.DataTransferResponse(status=v16.DataTransferStatus.UNKNOWN_VENDOR_ID)
    command(World().station(), v16.DataTransferRequest(vendor_id="com.example"), unknown)


@pytest.mark.parametrize("result", v16.AvailabilityStatus)
def test_tc_063_change_availability(result: v16.AvailabilityStatus) -> None:
    change = v16.ChangeAvailabilityRequest(connector_id=0, type=v16.AvailabilityType.OPERATIVE)
    command(World().station(), change, v16.ChangeAvailabilityResponse(status=result))


def test_tc_064_data_transfer_to_a_central_system() -> None:
    answer = World().station().ask(v16.DataTransferRequest(vendor_id="com.example", message_id="x", data="y"))
    assert answer == v16.DataTransferResponse(status=v16.DataTransferStatus.UNKNOWN_VENDOR_ID)


def test_tc_068_stop_with_the_same_id_tag() -> None:
    station = World().station()
    finish(station, charge(station))


def test_tc_069_stop_with_another_id_tag_of_the_same_group() -> None:
    group = v16.IdTagInfo(status=v16.AuthorizationStatus.ACCEPTED, parent_id_tag="group")
    station = World(authorise=lambda *_: group).station()
    started = station.ask(begin(id_tag="one"))
    assert started.id_tag_info == group
    assert station.ask(v16.AuthorizeRequest(id_tag="two")).id_tag_info == group
    assert station.ask(end(started.transaction_id, id_tag="two")).id_tag_info == group


@pytest.mark.parametrize("case", ["tc_070 sampled", "tc_071 clock-aligned"])
def test_tc_070_tc_071_meter_values(case: str) -> None:
    world = World()
    station = world.station()
    transaction_id = charge(station)
    for seconds in (20, 40, 60):
        assert station.ask(values(transaction_id, seconds=seconds)) == v16.MeterValuesResponse()
    if "aligned" in case:
        assert station.ask(values(None, connector_id=0, seconds=60)) == v16.MeterValuesResponse()
    data = [reading(seconds=0), reading(seconds=60)]
    assert station.ask(end(transaction_id, transaction_data=data)) == v16.StopTransactionResponse()
    (stopped,) = world.told(TransactionStopped)
    assert stopped.transaction_data == tuple(data)
    assert stopped.transaction.meter_values == 3


def test_a_station_that_is_away_is_not_asked() -> None:
    """What every one of these tests takes for granted."""
    world = World()
    world.station().cut()
    world.call("CP1", v16.ClearCacheRequest())
    (failed,) = world.told(CommandFailed)
    assert isinstance(failed.error, ConnectionLost)
