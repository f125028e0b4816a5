"""Sessions as a certifier plays them: boot, start, stop, cache, remote, unlock, and idTags that may not.

They are named after the public ids of the cases. Each shows all that the central system hears, in order, and what the
hardware is told. The rest is in ``test_octt_operation.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ocpp_sansio.charge_point import Setup
from ocpp_sansio.charge_point.effects import IdTagRefused, LockConnector, StartEnergy, StopEnergy, UnlockConnector
from ocpp_sansio.v16 import (
    AuthorizationStatus,
    ChangeConfigurationRequest,
    ChargingProfile,
    ChargingProfileKindType,
    ChargingProfilePurposeType,
    ChargingRateUnitType,
    ChargingSchedule,
    ChargingSchedulePeriod,
    ClearCacheRequest,
    GetConfigurationRequest,
    GetConfigurationResponse,
    IdTagInfo,
    RegistrationStatus,
    RemoteStartTransactionRequest,
    RemoteStopTransactionRequest,
    UnlockConnectorRequest,
)

from .lab import BOOTED, Lab, booted, charging
from .station import fixed, two

PREPARING = "StatusNotification 1 Preparing"
CHARGING = "StatusNotification 1 Charging"
FINISHING = "StatusNotification 1 Finishing"
AVAILABLE = "StatusNotification 1 Available"
AUTHORIZE = "Authorize TAG"
START = "StartTransaction 1 TAG 1000"
STOP = [StopEnergy(1), UnlockConnector(1)]
"""What a normal end means to the hardware (CP16-064)."""
BEGIN = [LockConnector(1), StartEnergy(1)]
GROUP = IdTagInfo(status=AuthorizationStatus.ACCEPTED, parent_id_tag="GROUP")


# -- boot --


def test_tc_001_cs_a_cold_boot_is_reported_and_followed_by_heartbeats() -> None:
    """A boot that is accepted brings the status of everything, then a Heartbeat in every interval (CP16-010, CP16-011,
    CP16-020, CP16-022, CP16-023).
    """
    lab = Lab(two())
    lab.interval = 60
    lab.link_up()
    assert lab.log() == [*BOOTED, "StatusNotification 2 Available"]
    lab.wait(180)
    assert lab.log() == ["Heartbeat", "Heartbeat", "Heartbeat"]
    assert lab.point.setting("HeartbeatInterval") == "60"


def test_tc_002_cs_a_charge_point_that_is_pending_can_be_configured_and_asks_again() -> None:
    """While Pending it answers, says nothing of its own, and asks again after the interval (CP16-012, CP16-014,
    CP16-01A).
    """
    lab = Lab()
    lab.interval = 30
    lab.registrations = [RegistrationStatus.PENDING]
    lab.link_up()
    lab.plug_in()
    assert lab.log() == ["BootNotification Vendor Model"]
    lab.tell(GetConfigurationRequest(key=["MeterValueSampleInterval"]))
    lab.tell(ChangeConfigurationRequest(key="MeterValueSampleInterval", value="7"))
    lab.tell(RemoteStartTransactionRequest(id_tag="TAG"))
    (shown,) = lab.heard(GetConfigurationResponse)
    assert [(pair.key, pair.value) for pair in shown.configuration_key or ()] == [("MeterValueSampleInterval", "60")]
    assert lab.log() == [
        "GetConfiguration.conf",
        "ChangeConfiguration.conf Accepted",
        "RemoteStartTransaction.conf Rejected",  # CS16-002
    ]
    lab.wait(29)
    assert lab.log() == []
    lab.wait(1)
    assert lab.log() == ["BootNotification Vendor Model", "StatusNotification 0 Available", PREPARING]
    assert lab.point.setting("MeterValueSampleInterval") == "7"
    assert lab.hardware() == []


# -- start --


def test_tc_003_cs_a_session_that_begins_with_the_cable() -> None:
    """Cable, then idTag: Preparing, Authorize, StartTransaction, Charging (CP16-040, CP16-041, CP16-060, ST16-B3)."""
    lab = booted()
    lab.plug_in()
    assert lab.log() == [PREPARING]
    assert lab.hardware() == []
    lab.present()
    assert lab.log() == [AUTHORIZE, START, CHARGING]
    assert lab.hardware() == BEGIN


def test_tc_004_1_cs_a_session_that_begins_with_the_id_tag() -> None:
    """IdTag, then cable in time: Authorize, Preparing, StartTransaction, Charging (CP16-041, CP16-060, ST16-A2)."""
    lab = booted(ConnectionTimeOut="30")
    lab.present()
    assert lab.log() == [AUTHORIZE, PREPARING]
    lab.wait(29)
    lab.plug_in()
    assert lab.log() == [START, "StatusNotification 1 SuspendedEV", CHARGING]
    assert lab.hardware() == BEGIN


def test_tc_004_2_cs_an_id_tag_without_a_cable_in_time_is_forgotten() -> None:
    """IdTag and no cable: Available again after ConnectionTimeOut, and the cable alone begins nothing (CP16-03C,
    ST16-B1).
    """
    lab = booted(ConnectionTimeOut="30")
    lab.present()
    lab.wait(29)
    assert lab.log() == [AUTHORIZE, PREPARING]
    lab.wait(1)
    assert lab.log() == [AVAILABLE]
    lab.plug_in()
    assert lab.log() == [PREPARING]
    assert lab.hardware() == []


# -- stop --


def test_tc_005_1_cs_the_ev_disconnected_ends_the_session_and_unlocks() -> None:
    """EV side disconnect stops the transaction, and frees the cable as configured (CP16-067, CP16-068, ST16-C6,
    ST16-F1).
    """
    lab = charging()
    lab.do("unplug", 1)
    assert lab.log() == [
        "StatusNotification 1 EV side disconnected Finishing",
        "StopTransaction 1500 101 EVDisconnected",
    ]
    assert lab.hardware() == STOP
    lab.do("unplug", 1)
    assert lab.log() == [AVAILABLE]


@pytest.mark.parametrize(
    ("stops", "status", "stop"),
    [("true", "Available", ["StopTransaction 1500 101 EVDisconnected"]), ("false", "SuspendedEV", [])],
)
def test_tc_005_cs_the_ev_disconnected_from_a_fixed_cable_leaves_nothing_to_unlock(
    stops: str, status: str, stop: list[str]
) -> None:
    """There is nothing to clear away, so the connector is Available if the transaction ends (CP16-067, CP16-068,
    ST16-C1).
    """
    lab = charging(fixed(), StopTransactionOnEVSideDisconnect=stops)
    lab.do("unplug", 1)
    assert lab.log() == [f"StatusNotification 1 EV side disconnected {status}", *stop]
    assert lab.hardware() == [StopEnergy(1)]


def test_tc_005_2_cs_the_ev_disconnected_ends_the_session_and_keeps_the_cable() -> None:
    """EV side disconnect stops the transaction; the cable stays locked until its owner comes (CP16-067, CP16-068)."""
    lab = charging(UnlockConnectorOnEVSideDisconnect="false")
    lab.do("unplug", 1)
    assert lab.log() == [
        "StatusNotification 1 EV side disconnected Finishing",
        "StopTransaction 1500 101 EVDisconnected",
    ]
    assert lab.hardware() == [StopEnergy(1)]
    lab.present()
    lab.do("unplug", 1)
    assert lab.log() == [AVAILABLE]
    assert lab.hardware() == [UnlockConnector(1)]


def test_tc_005_3_cs_the_ev_disconnected_suspends_the_session_until_it_is_back() -> None:
    """Without StopTransactionOnEVSideDisconnect the transaction goes on, locked and without energy (CP16-067,
    ST16-C4, ST16-D3).
    """
    lab = charging(StopTransactionOnEVSideDisconnect="false")
    lab.do("unplug", 1)
    assert lab.log() == ["StatusNotification 1 EV side disconnected SuspendedEV"]
    assert lab.hardware() == [StopEnergy(1)]
    lab.plug_in()
    assert lab.log() == [CHARGING]
    assert lab.hardware() == [StartEnergy(1)]
    lab.present()
    assert lab.log() == [FINISHING, "StopTransaction TAG 1500 101 Local"]
    assert lab.hardware() == STOP


def test_tc_068_cs_the_same_id_tag_stops_without_authorize() -> None:
    """The idTag that began stops, and nobody is asked, whatever its case (CP16-004, CP16-042, CP16-061, CP16-064)."""
    lab = charging(two())
    lab.present("tag")
    assert lab.log() == [FINISHING, "StopTransaction tag 1500 101 Local"]
    assert lab.hardware() == STOP
    lab.do("unplug", 1)
    assert lab.log() == [AVAILABLE]


def test_tc_069_cs_an_id_tag_of_the_same_group_stops_after_authorize() -> None:
    """Another idTag is authorised; one of the same parent stops, one of another does not (CP16-005, CP16-042)."""
    lab = booted()
    lab.infos.update(TAG=GROUP, MATE=GROUP)
    lab.plug_in()
    lab.present()
    lab.start_over()
    lab.present("OTHER")
    assert lab.log() == ["Authorize OTHER"]
    assert lab.hardware() == []
    lab.present("MATE")
    assert lab.log() == ["Authorize MATE", FINISHING, "StopTransaction MATE 1000 101 Local"]
    assert lab.hardware() == STOP


# -- cache --


def _known() -> Lab:
    """One that has TAG in its cache, and may rely on that."""
    lab = charging(LocalPreAuthorize="true")
    lab.present()
    lab.do("unplug", 1)
    lab.start_over()
    lab.register = 1000
    return lab


def test_tc_007_cs_a_cached_id_tag_begins_without_authorize() -> None:
    """With LocalPreAuthorize an idTag that is cached as valid begins at once (CP16-043, CP16-047)."""
    lab = _known()
    lab.plug_in()
    lab.present()
    assert lab.log() == [PREPARING, START, CHARGING]
    assert lab.hardware() == BEGIN


def test_tc_061_cs_a_cleared_cache_has_the_central_system_asked_again() -> None:
    """ClearCache is accepted, and the idTag is authorised anew (CP16-04A, CP16-041)."""
    lab = _known()
    lab.tell(ClearCacheRequest())
    lab.plug_in()
    lab.present()
    assert lab.log() == ["ClearCache.conf Accepted", PREPARING, AUTHORIZE, START, CHARGING]
    assert lab.hardware() == BEGIN


# -- remote --


REMOTE_START = RemoteStartTransactionRequest(connector_id=1, id_tag="TAG")


def test_tc_010_cs_a_remote_start_with_the_cable_in() -> None:
    """It is answered first, then does what an idTag does (CP16-080, CP16-081)."""
    lab = booted()
    lab.plug_in()
    lab.tell(REMOTE_START)
    assert lab.log() == [PREPARING, "RemoteStartTransaction.conf Accepted", AUTHORIZE, START, CHARGING]
    assert lab.hardware() == BEGIN


def test_tc_011_1_cs_a_remote_start_waits_for_the_cable() -> None:
    """Without authorisation, as configured: Preparing, and the transaction begins with the cable (CP16-081,
    CP16-084).
    """
    lab = booted(AuthorizeRemoteTxRequests="false")
    lab.tell(REMOTE_START)
    assert lab.log() == ["RemoteStartTransaction.conf Accepted", PREPARING]
    assert lab.hardware() == []
    lab.plug_in()
    assert lab.log() == [START, "StatusNotification 1 SuspendedEV", CHARGING]
    assert lab.hardware() == BEGIN


def test_tc_011_2_cs_a_remote_start_without_a_cable_in_time_is_forgotten() -> None:
    """Available again after ConnectionTimeOut (CP16-084, CP16-03C)."""
    lab = booted(ConnectionTimeOut="30")
    lab.tell(REMOTE_START)
    lab.wait(29)
    assert lab.log() == ["RemoteStartTransaction.conf Accepted", AUTHORIZE, PREPARING]
    lab.wait(1)
    assert lab.log() == [AVAILABLE]
    lab.plug_in()
    assert lab.log() == [PREPARING]
    assert lab.hardware() == []


def test_tc_012_cs_a_remote_stop_ends_the_transaction() -> None:
    """It is answered first; the reason is Remote, and the cable is freed (CP16-086, CP16-063, CP16-064)."""
    lab = charging()
    lab.tell(RemoteStopTransactionRequest(transaction_id=101))
    assert lab.log() == ["RemoteStopTransaction.conf Accepted", FINISHING, "StopTransaction 1500 101 Remote"]
    assert lab.hardware() == STOP
    lab.do("unplug", 1)
    assert lab.log() == [AVAILABLE]


def test_tc_026_cs_a_remote_start_where_somebody_charges_is_rejected() -> None:
    """One transaction on a connector (CP16-083, CP16-069)."""
    lab = charging()
    lab.tell(RemoteStartTransactionRequest(connector_id=1, id_tag="OTHER"))
    lab.tell(RemoteStartTransactionRequest(id_tag="OTHER"))
    assert lab.log() == ["RemoteStartTransaction.conf Rejected", "RemoteStartTransaction.conf Rejected"]
    assert lab.hardware() == []


def test_tc_027_cs_a_remote_start_on_connector_0_is_rejected() -> None:
    """There is nobody to charge at connector 0, nor at one that is not there (CP16-082)."""
    lab = booted()
    lab.plug_in()
    lab.tell(RemoteStartTransactionRequest(connector_id=0, id_tag="TAG"))
    lab.tell(RemoteStartTransactionRequest(connector_id=2, id_tag="TAG"))
    assert lab.log() == [PREPARING, "RemoteStartTransaction.conf Rejected", "RemoteStartTransaction.conf Rejected"]
    assert lab.hardware() == []


def test_tc_028_cs_a_remote_stop_of_an_unknown_transaction_is_rejected() -> None:
    """The transaction that runs goes on (CP16-086)."""
    lab = charging()
    lab.tell(RemoteStopTransactionRequest(transaction_id=999))
    assert lab.log() == ["RemoteStopTransaction.conf Rejected"]
    assert lab.hardware() == []


@pytest.mark.parametrize(
    "purpose", [ChargingProfilePurposeType.TX_PROFILE, ChargingProfilePurposeType.TX_DEFAULT_PROFILE]
)
def test_tc_060_cs_a_remote_start_takes_a_profile_for_the_transaction_only(
    purpose: ChargingProfilePurposeType,
) -> None:
    """A charge point without smart charging passes over a TxProfile, and rejects any other purpose (CP16-085)."""
    lab = booted()
    lab.plug_in()
    lab.start_over()
    schedule = ChargingSchedule(
        charging_rate_unit=ChargingRateUnitType.A,
        charging_schedule_period=[ChargingSchedulePeriod(start_period=0, limit=6.0)],
    )
    profile = ChargingProfile(
        charging_profile_id=1,
        stack_level=0,
        charging_profile_purpose=purpose,
        charging_profile_kind=ChargingProfileKindType.RELATIVE,
        charging_schedule=schedule,
    )
    lab.tell(RemoteStartTransactionRequest(connector_id=1, id_tag="TAG", charging_profile=profile))
    if purpose is ChargingProfilePurposeType.TX_PROFILE:
        assert lab.log() == ["RemoteStartTransaction.conf Accepted", AUTHORIZE, START, CHARGING]
        assert lab.hardware() == BEGIN
    else:
        assert lab.log() == ["RemoteStartTransaction.conf Rejected"]
        assert lab.hardware() == []


# -- unlock --


UNLOCK = UnlockConnectorRequest(connector_id=1)


def test_tc_017_cs_a_connector_is_unlocked_when_nobody_charges() -> None:
    """The answer is what became of it (CP16-087)."""
    lab = booted()
    lab.tell(UNLOCK)
    assert lab.log() == ["UnlockConnector.conf Unlocked"]
    assert lab.hardware() == [UnlockConnector(1)]


def test_tc_018_cs_a_connector_is_unlocked_after_its_transaction_is_stopped() -> None:
    """The transaction ends first, with the reason UnlockCommand (CP16-087, CP16-063)."""
    lab = charging()
    lab.tell(UNLOCK)
    assert lab.log() == [
        FINISHING,
        "UnlockConnector.conf Unlocked",  # an answer waits for no request that is unanswered
        "StopTransaction 1500 101 UnlockCommand",
    ]
    assert lab.hardware() == STOP
    lab.do("unplug", 1)
    assert lab.log() == [AVAILABLE]


@pytest.mark.parametrize("make", [booted, charging])
def test_tc_017_and_018_cs_a_fixed_cable_cannot_be_unlocked(make: Callable[[Setup], Lab]) -> None:
    """There is nothing to unlock, and whoever charges goes on (CP16-087)."""
    lab = make(fixed())
    lab.tell(UNLOCK)
    assert lab.log() == ["UnlockConnector.conf NotSupported"]
    assert lab.hardware() == []


def test_tc_030_cs_a_lock_that_does_not_open_is_reported() -> None:
    """It was tried, and is still locked; a transaction there is over nevertheless (CP16-087)."""
    lab = booted()
    lab.locks = False
    lab.tell(UNLOCK)
    assert lab.log() == ["UnlockConnector.conf UnlockFailed"]
    assert lab.hardware() == [UnlockConnector(1)]
    lab = charging()
    lab.locks = False
    lab.tell(UNLOCK)
    assert lab.log() == [
        FINISHING,
        "UnlockConnector.conf UnlockFailed",
        "StopTransaction 1500 101 UnlockCommand",
    ]
    assert lab.hardware() == STOP


def test_tc_031_cs_a_connector_that_is_not_there_cannot_be_unlocked() -> None:
    """Not Supported, as for one without a lock (CP16-087)."""
    lab = booted()
    lab.tell(UnlockConnectorRequest(connector_id=9))
    assert lab.log() == ["UnlockConnector.conf NotSupported"]
    assert lab.hardware() == []


# -- an idTag that may not --


@pytest.mark.parametrize(
    "status", [AuthorizationStatus.INVALID, AuthorizationStatus.EXPIRED, AuthorizationStatus.BLOCKED]
)
@pytest.mark.parametrize("is_first", [False, True])
def test_tc_023_cs_an_id_tag_that_is_not_accepted_begins_nothing(status: AuthorizationStatus, is_first: bool) -> None:
    """Invalid, Expired and Blocked get no transaction and no energy, before or after the cable (CP16-040, CP16-04B)."""
    lab = booted()
    lab.infos["TAG"] = IdTagInfo(status=status)
    if is_first:
        lab.present()
    lab.plug_in()
    if not is_first:
        lab.present()
    assert lab.log() == ([AUTHORIZE, PREPARING] if is_first else [PREPARING, AUTHORIZE])
    assert lab.hardware() == []
    assert lab.seen(IdTagRefused) == [IdTagRefused("TAG", 1, status)]


def test_tc_024_cs_a_lock_that_does_not_close_is_a_fault() -> None:
    """No transaction, no energy: Faulted with ConnectorLockFailure (CP16-039)."""
    lab = booted()
    lab.locks = False
    lab.plug_in()
    lab.present()
    assert lab.log() == [PREPARING, AUTHORIZE, "StatusNotification 1 ConnectorLockFailure Faulted"]
    assert lab.hardware() == [LockConnector(1)]
    lab.locks = True
    lab.do("fault_cleared", 1)
    lab.present()
    assert lab.log() == [PREPARING, AUTHORIZE, START, CHARGING]
    assert lab.hardware() == BEGIN
