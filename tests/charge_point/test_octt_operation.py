"""What befalls a charge point, as a certifier plays it: resets, keys, meters, power, link, faults, triggers, vendors.

Named after the public ids of the cases, as those of ``test_octt.py``, and shown in the same way.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from ocpp_sansio.charge_point import Setup
from ocpp_sansio.charge_point.effects import (
    CableLocked,
    LockConnector,
    Reboot,
    StartEnergy,
    StopEnergy,
    UnlockConnector,
)
from ocpp_sansio.v16 import (
    AvailabilityType,
    ChangeAvailabilityRequest,
    ChangeConfigurationRequest,
    ChargePointErrorCode,
    DataTransferRequest,
    GetConfigurationRequest,
    GetConfigurationResponse,
    IdTagInfo,
    MessageTrigger,
    MeterValuesRequest,
    RegistrationStatus,
    ResetRequest,
    ResetType,
    StartTransactionRequest,
    StatusNotificationRequest,
    StopTransactionRequest,
    TriggerMessageRequest,
)

from .harness import BOOT, EPOCH
from .lab import BOOTED, Lab, booted, charging
from .station import INVALID, two

PREPARING = "StatusNotification 1 Preparing"
CHARGING = "StatusNotification 1 Charging"
FINISHING = "StatusNotification 1 Finishing"
AVAILABLE = "StatusNotification 1 Available"
START = "StartTransaction 1 TAG 1000"
STOP = [StopEnergy(1), UnlockConnector(1)]
BEGIN = [LockConnector(1), StartEnergy(1)]
BOOTED_IN_USE = ["BootNotification Vendor Model", "StatusNotification 0 Available", PREPARING]
RESETS = {ResetType.HARD: "HardReset", ResetType.SOFT: "SoftReset"}


# -- reset --


def _reset_idle(kind: ResetType) -> None:
    lab = booted()
    lab.tell(ResetRequest(type=kind))
    assert lab.log() == ["Reset.conf Accepted"]
    assert lab.hardware() == [Reboot(hard=kind is ResetType.HARD)]
    lab = lab.reboot()
    lab.link_up()
    assert lab.log() == BOOTED
    assert lab.hardware() == []


def _reset_charging(kind: ResetType) -> None:
    lab = charging()
    lab.tell(ResetRequest(type=kind))
    assert lab.log() == ["Reset.conf Accepted", FINISHING, f"StopTransaction 1500 101 {RESETS[kind]}"]
    assert lab.hardware() == [*STOP, Reboot(hard=kind is ResetType.HARD)]
    lab = lab.reboot()
    lab.do("plug_in", 1)
    lab.link_up()
    assert lab.log() == BOOTED_IN_USE
    assert lab.hardware() == []


def test_tc_013_cs_a_hard_reset_when_nobody_charges() -> None:
    """It is answered, then all hardware restarts and registers anew (CP16-090, CP16-091, CP16-092, CP16-010)."""
    _reset_idle(ResetType.HARD)


def test_tc_014_cs_a_soft_reset_when_nobody_charges() -> None:
    """It is answered, then the application restarts and registers anew (CP16-090, CP16-091, CP16-092, CP16-010)."""
    _reset_idle(ResetType.SOFT)


def test_tc_015_cs_a_hard_reset_stops_who_charges() -> None:
    """The transaction is stopped with HardReset before the reboot (CP16-090, CP16-091, CP16-092, CP16-063)."""
    _reset_charging(ResetType.HARD)


def test_tc_015_cs_a_hard_reset_that_gets_no_answer_has_its_stop_sent_after_the_boot() -> None:
    """Without a conf the reset does not wait for ever, and the StopTransaction goes out once it is accepted again
    (CP16-090, CP16-091, CP16-077).
    """
    lab = charging(Setup(BOOT, reset_patience=20))
    lab.mute = {StopTransactionRequest}
    lab.tell(ResetRequest(type=ResetType.HARD))
    assert lab.log() == ["Reset.conf Accepted", FINISHING, "StopTransaction 1500 101 HardReset"]
    lab.wait(19)
    assert lab.hardware() == STOP
    lab.wait(1)
    assert lab.hardware() == [Reboot(hard=True)]
    lab = lab.reboot()
    lab.do("plug_in", 1)
    lab.link_up()
    assert lab.log() == [*BOOTED_IN_USE, "StopTransaction 1500 101 HardReset"]
    assert lab.hardware() == []


def test_tc_016_cs_a_soft_reset_stops_who_charges() -> None:
    """The transaction is stopped with SoftReset before the reboot (CP16-090, CP16-091, CP16-092, CP16-063)."""
    _reset_charging(ResetType.SOFT)


# -- configuration --


def test_tc_019_1_cs_all_keys_are_shown() -> None:
    """No list, or an empty one, means all keys of Core that are required, and what may be done with them (CP16-110,
    CFG16-03…36).
    """
    lab = booted()
    lab.tell(GetConfigurationRequest())
    lab.tell(GetConfigurationRequest(key=[]))
    one, other = lab.heard(GetConfigurationResponse)
    assert lab.log() == ["GetConfiguration.conf", "GetConfiguration.conf"]
    assert one == other
    assert one.unknown_key is None
    shown = {pair.key: pair.readonly for pair in one.configuration_key}
    assert _REQUIRED.issubset(shown)
    assert {key for key in _REQUIRED if shown[key]} == {
        "GetConfigurationMaxKeys",
        "NumberOfConnectors",
        "SupportedFeatureProfiles",
    }


_REQUIRED = {
    "AuthorizeRemoteTxRequests",
    "ClockAlignedDataInterval",
    "ConnectionTimeOut",
    "ConnectorPhaseRotation",
    "GetConfigurationMaxKeys",
    "HeartbeatInterval",
    "LocalAuthorizeOffline",
    "LocalPreAuthorize",
    "MeterValuesAlignedData",
    "MeterValuesSampledData",
    "MeterValueSampleInterval",
    "NumberOfConnectors",
    "ResetRetries",
    "StopTransactionOnInvalidId",
    "StopTxnAlignedData",
    "StopTxnSampledData",
    "SupportedFeatureProfiles",
    "TransactionMessageAttempts",
    "TransactionMessageRetryInterval",
    "UnlockConnectorOnEVSideDisconnect",
}


def test_tc_019_2_cs_a_key_is_shown_and_one_that_is_not_there_is_named() -> None:
    """A list gets those it names, in any case, and the unknown ones apart (CP16-110, CP16-115)."""
    lab = booted()
    lab.tell(GetConfigurationRequest(key=["supportedfeatureprofiles", "NoSuchKey"]))
    (shown,) = lab.heard(GetConfigurationResponse)
    assert lab.log() == ["GetConfiguration.conf"]
    assert [(pair.key, pair.readonly, pair.value) for pair in shown.configuration_key] == [
        ("SupportedFeatureProfiles", True, "Core,RemoteTrigger")
    ]
    assert shown.unknown_key == ["NoSuchKey"]


def test_tc_021_cs_a_key_that_is_set_is_in_force_and_stays() -> None:
    """ChangeConfiguration is accepted and shown; the next boot knows of it (CP16-112, CP16-092, CP16-022)."""
    lab = booted()
    lab.tell(ChangeConfigurationRequest(key="MeterValueSampleInterval", value="15"))
    lab.tell(ChangeConfigurationRequest(key="HeartbeatInterval", value="10"))
    assert lab.log() == ["ChangeConfiguration.conf Accepted", "ChangeConfiguration.conf Accepted"]
    lab.wait(10)
    assert lab.log() == ["Heartbeat"]
    assert lab.reboot().point.setting("MeterValueSampleInterval") == "15"
    lab.tell(GetConfigurationRequest(key=["MeterValueSampleInterval"]))
    (shown,) = lab.heard(GetConfigurationResponse)
    assert [(pair.key, pair.value) for pair in shown.configuration_key] == [("MeterValueSampleInterval", "15")]


def test_tc_040_1_cs_a_key_that_is_not_there_is_not_supported() -> None:
    """NotSupported (CP16-112)."""
    lab = booted()
    lab.tell(ChangeConfigurationRequest(key="NoSuchKey", value="1"))
    assert lab.log() == ["ChangeConfiguration.conf NotSupported"]


@pytest.mark.parametrize(
    ("key", "value"),
    [("MeterValueSampleInterval", "-1"), ("NumberOfConnectors", "2"), ("MeterValuesSampledData", "Voltage")],
)
def test_tc_040_2_cs_a_value_that_cannot_be_is_rejected(key: str, value: str) -> None:
    """Out of range, read-only or not measured here: Rejected, and the value stays (CP16-112, CP16-113, CP16-114)."""
    lab = booted()
    before = lab.point.setting(key)
    lab.tell(ChangeConfigurationRequest(key=key, value=value))
    assert lab.log() == ["ChangeConfiguration.conf Rejected"]
    assert lab.point.setting(key) == before


# -- meters --


def test_tc_070_cs_a_transaction_is_sampled() -> None:
    """MeterValues in every interval of a transaction, and in its StopTransaction with its begin and its end
    (CP16-140, CP16-141, CP16-144, CP16-146, CP16-147).
    """
    lab = booted(
        MeterValueSampleInterval="10", MeterValuesSampledData="", StopTxnSampledData="Energy.Active.Import.Register"
    )
    lab.wait(5)
    lab.plug_in()
    lab.present()
    lab.start_over()
    for register in (1100, 1200):
        lab.register = register
        lab.wait(10)
    energy = "Energy.Active.Import.Register"
    samples = lab.heard(MeterValuesRequest)
    assert [each.timestamp for sample in samples for each in sample.meter_value] == [_at(15), _at(25)]
    assert [v.measurand for sample in samples for each in sample.meter_value for v in each.sampled_value] == [
        energy
    ] * 2
    assert lab.log() == ["MeterValues 1 101 Sample.Periodic 1100", "MeterValues 1 101 Sample.Periodic 1200"]
    lab.register = 1300
    lab.present()
    (stop,) = lab.heard(StopTransactionRequest)
    assert [(each.timestamp, v.context, v.value) for each in stop.transaction_data for v in each.sampled_value] == [
        (_at(5), "Transaction.Begin", "1000"),
        (_at(15), "Sample.Periodic", "1100"),
        (_at(25), "Sample.Periodic", "1200"),
        (_at(25), "Transaction.End", "1300"),
    ]
    lab.wait(60)
    assert lab.log() == [FINISHING, "StopTransaction TAG 1300 101 Local"]


def test_tc_071_cs_meters_are_read_by_the_clock() -> None:
    """MeterValues at multiples of the interval, of the main meter and of each connector, with and without a
    transaction (CP16-140, CP16-141, CP16-142, CP16-144, CP16-146).
    """
    lab = booted(ClockAlignedDataInterval="20", MeterValueSampleInterval="0")
    lab.wait(27)
    assert lab.log() == ["MeterValues 0 Sample.Clock 1000", "MeterValues 1 Sample.Clock 1000"]
    lab.plug_in()
    lab.present()
    lab.start_over()
    lab.wait(33)
    times = [each.timestamp for request in lab.heard(MeterValuesRequest) for each in request.meter_value]
    assert times == [_at(40), _at(40), _at(60), _at(60)]
    assert lab.log() == ["MeterValues 0 Sample.Clock 1000", "MeterValues 1 101 Sample.Clock 1000"] * 2


def _at(seconds: float) -> object:
    return EPOCH + timedelta(seconds=seconds)


# -- power --


@pytest.mark.parametrize("is_offline", [False, True])
def test_tc_032_1_cs_with_backup_power_a_transaction_ends_before_the_lights_go_out(is_offline: bool) -> None:
    """StopTransaction with PowerLoss goes out now, or after the boot if there is no link (CP16-07A, CP16-077)."""
    lab = charging()
    stop = "StopTransaction 1000 101 PowerLoss"  # there is no time to read the meter
    if is_offline:
        lab.disconnect()
    lab.do("power_failing")
    assert lab.log() == ([] if is_offline else [FINISHING, stop])
    assert lab.hardware() == STOP
    lab = lab.reboot()
    lab.do("plug_in", 1)
    lab.link_up()
    assert lab.log() == ([*BOOTED_IN_USE, stop] if is_offline else BOOTED_IN_USE)
    assert lab.hardware() == []


def test_tc_032_2_cs_without_backup_power_a_transaction_ends_after_the_boot() -> None:
    """StopTransaction with PowerLoss once it is accepted again, with what was last read (CP16-07A, CP16-077)."""
    lab = charging(MeterValueSampleInterval="10")
    lab.wait(19)
    lab.start_over()
    lab = lab.reboot()
    lab.do("plug_in", 1)
    lab.link_up()
    (stop,) = lab.heard(StopTransactionRequest)
    assert lab.log() == [*BOOTED_IN_USE, "StopTransaction 1500 101 PowerLoss"]
    assert stop.timestamp == _at(10)
    assert lab.hardware() == [UnlockConnector(1)]


def test_tc_032_2_cs_a_transaction_may_go_on_after_the_power_was_lost() -> None:
    """As set up, it goes on with the EV that is still there: Charging, no StopTransaction (CP16-07A, CP16-141)."""
    lab = charging(Setup(BOOT, resume_after_power_loss=True), MeterValueSampleInterval="0")
    lab = lab.reboot(utc=lab.utc)
    lab.plug_in()
    lab.link_up()
    assert lab.log() == [*BOOTED_IN_USE[:2], CHARGING, "MeterValues 1 101 Interruption.End 1500"]
    assert lab.hardware() == [StartEnergy(1)]
    lab.present()
    assert lab.log() == [FINISHING, "StopTransaction TAG 1500 101 Local"]
    assert lab.hardware() == STOP


@pytest.mark.parametrize("connector", [0, 1])
def test_tc_034_cs_what_is_unavailable_is_so_after_the_power_was_lost(connector: int) -> None:
    """Unavailable outlives the boot, of a connector or of all (CP16-035, CP16-092, CP16-102)."""
    lab = booted(two())
    lab.tell(ChangeAvailabilityRequest(connector_id=connector, type=AvailabilityType.INOPERATIVE))
    withdrawn = [0, 1, 2] if connector == 0 else [1]
    assert lab.log() == [
        "ChangeAvailability.conf Accepted",
        *(f"StatusNotification {each} Unavailable" for each in withdrawn),
    ]
    lab = lab.reboot()
    lab.link_up()
    assert lab.log() == [
        "BootNotification Vendor Model",
        *(f"StatusNotification {n} {'Unavailable' if n in withdrawn else 'Available'}" for n in range(3)),
    ]
    lab.do("plug_in", 1)
    lab.present()
    assert lab.log() == []
    assert lab.hardware() == []


# -- the link --


def test_tc_036_cs_meter_values_of_an_offline_while_come_in_order() -> None:
    """After the loss of the link there is no boot; what was sampled meanwhile comes first, in order and with its time
    (CP16-017, CP16-070, CP16-071, CP16-078).
    """
    lab = charging(MeterValueSampleInterval="10")
    lab.disconnect()
    for register in (1600, 1700):
        lab.register = register
        lab.wait(10)
    lab.wait(5)
    assert lab.log() == []
    lab.link_up()
    lab.register = 1800
    lab.wait(5)
    times = [each.timestamp for request in lab.heard(MeterValuesRequest) for each in request.meter_value]
    assert times == [_at(10), _at(20), _at(30)]
    assert lab.log() == [
        "MeterValues 1 101 Sample.Periodic 1600",
        "MeterValues 1 101 Sample.Periodic 1700",
        "MeterValues 1 101 Sample.Periodic 1800",
    ]
    assert lab.hardware() == []


def _begun_offline(info: IdTagInfo | None = None, **values: str) -> Lab:
    """An idTag that nobody knows begins while there is no link; then there is one."""
    lab = booted(AllowOfflineTxForUnknownId="true", MeterValueSampleInterval="0", **values)
    if info is not None:
        lab.infos["TAG"] = info
    lab.disconnect()
    lab.plug_in()
    lab.wait(5)
    lab.present()
    lab.wait(20)
    assert lab.log() == []
    assert lab.hardware() == BEGIN
    lab.register = 1500
    lab.link_up()
    return lab


def test_tc_037_1_cs_a_transaction_that_began_offline_is_reported() -> None:
    """StartTransaction comes with the time at which it began (CP16-044, CP16-045, CP16-060, CP16-071, CP16-037)."""
    lab = _begun_offline()
    (start,) = lab.heard(StartTransactionRequest)
    (status,) = lab.heard(StatusNotificationRequest)
    assert (start.timestamp, status.timestamp) == (_at(5), _at(5))
    assert lab.log() == [CHARGING, START]
    lab.present()
    assert lab.log() == [FINISHING, "StopTransaction TAG 1500 101 Local"]
    assert lab.hardware() == STOP


def test_tc_037_1_cs_a_cached_id_tag_begins_offline() -> None:
    """What the central system once accepted may begin without it (CP16-044, CP16-047, CP16-071)."""
    lab = charging(MeterValueSampleInterval="0")
    lab.present()
    lab.do("unplug", 1)
    lab.start_over()
    lab.disconnect()
    lab.plug_in()
    lab.present()
    assert lab.hardware() == BEGIN
    lab.link_up()
    assert lab.log() == [CHARGING, "StartTransaction 1 TAG 1500"]


def test_tc_037_1_cs_an_unknown_id_tag_begins_nothing_offline_unless_that_is_allowed() -> None:
    """Without AllowOfflineTxForUnknownId there is neither energy nor a transaction (CP16-040, CP16-045)."""
    lab = booted()
    lab.disconnect()
    lab.plug_in()
    lab.present()
    lab.link_up()
    assert lab.log() == [PREPARING]
    assert lab.hardware() == []


def test_tc_037_2_cs_a_transaction_that_began_offline_and_is_refused_is_stopped() -> None:
    """With StopTransactionOnInvalidId: DeAuthorized, and the cable is kept until the same idTag comes (CP16-065,
    CP16-063).
    """
    lab = _begun_offline(INVALID, StopTransactionOnInvalidId="true")
    assert lab.log() == [CHARGING, START, FINISHING, "StopTransaction 1500 101 DeAuthorized"]
    assert lab.hardware() == [StopEnergy(1)]
    assert lab.seen(CableLocked) == [CableLocked(1)]
    lab.present("OTHER")
    assert lab.log() == ["Authorize OTHER"]
    assert lab.hardware() == []
    lab.present()
    lab.do("unplug", 1)
    assert lab.log() == [AVAILABLE]
    assert lab.hardware() == [UnlockConnector(1)]


def test_tc_037_3_cs_a_transaction_that_began_offline_and_is_refused_goes_on_without_energy() -> None:
    """Without StopTransactionOnInvalidId: SuspendedEVSE, until the driver stops it (CP16-065, CP16-034, ST16-C5)."""
    lab = _begun_offline(INVALID, StopTransactionOnInvalidId="false")
    assert lab.log() == [CHARGING, START, "StatusNotification 1 SuspendedEVSE"]
    assert lab.hardware() == [StopEnergy(1)]
    lab.present()
    assert lab.log() == [FINISHING, "StopTransaction TAG 1500 101 Local"]
    assert lab.hardware() == [UnlockConnector(1)]


def test_tc_037_3_cs_a_transaction_that_is_refused_may_have_a_little_energy() -> None:
    """With MaxEnergyOnInvalidId the hardware goes on as far as that (CP16-065)."""
    lab = _begun_offline(INVALID, StopTransactionOnInvalidId="false", MaxEnergyOnInvalidId="500")
    assert lab.log() == [CHARGING, START]
    assert lab.hardware() == [StartEnergy(1, 500)]


def test_tc_038_cs_a_transaction_that_ended_offline_is_reported() -> None:
    """StopTransaction comes with the time at which it ended (CP16-042, CP16-071, CP16-061, CP16-037)."""
    lab = charging(MeterValueSampleInterval="0")
    lab.disconnect()
    lab.wait(5)
    lab.present()
    assert lab.hardware() == STOP
    lab.wait(20)
    lab.link_up()
    (stop,) = lab.heard(StopTransactionRequest)
    assert stop.timestamp == _at(5)
    assert lab.log() == [FINISHING, "StopTransaction TAG 1500 101 Local"]


def test_tc_039_cs_a_transaction_that_began_and_ended_offline_is_reported() -> None:
    """StartTransaction, then StopTransaction with the id that it was answered with; the status only as it is now
    (CP16-037, CP16-070, CP16-076).
    """
    lab = booted(AllowOfflineTxForUnknownId="true", MeterValueSampleInterval="0")
    lab.disconnect()
    lab.plug_in()
    lab.present()
    lab.wait(30)
    lab.register = 1500
    lab.present()
    lab.do("unplug", 1)
    lab.wait(30)
    assert lab.hardware() == [*BEGIN, *STOP]
    lab.link_up()
    (start,), (stop,) = lab.heard(StartTransactionRequest), lab.heard(StopTransactionRequest)
    assert (start.timestamp, stop.timestamp) == (_at(0), _at(30))
    assert lab.log() == [START, "StopTransaction TAG 1500 101 Local"]


def test_tc_039_cs_a_start_that_the_link_was_lost_over_is_sent_again() -> None:
    """Its messages wait until it is answered, and bear the id of that answer (CP16-074, CP16-076)."""
    lab = booted(MeterValueSampleInterval="0")
    lab.mute = {StartTransactionRequest}
    lab.plug_in()
    lab.present()
    lab.register = 1500
    lab.present()
    assert lab.log() == [PREPARING, "Authorize TAG", START]
    lab.disconnect()
    lab.mute.clear()
    lab.link_up()
    assert lab.log() == [FINISHING, START, "StopTransaction TAG 1500 101 Local"]
    assert lab.hardware() == [*BEGIN, *STOP]


def test_tc_039_cs_a_start_and_a_stop_that_wait_outlive_a_boot() -> None:
    """They go out in order once the new boot is accepted, and not before (CP16-010, CP16-077)."""
    lab = booted(AllowOfflineTxForUnknownId="true", MeterValueSampleInterval="0")
    lab.disconnect()
    lab.plug_in()
    lab.present()
    lab.present()
    lab = lab.reboot()
    lab.registrations = [RegistrationStatus.PENDING]
    lab.link_up()
    assert lab.log() == ["BootNotification Vendor Model"]
    lab.wait(300)
    assert lab.log() == [*BOOTED, START, "StopTransaction TAG 1000 101 Local"]


# -- faults --


def test_tc_041_cs_a_fault_is_reported_and_the_state_before_it_comes_back() -> None:
    """Faulted with what is wrong; then what was there before (CP16-031, ST16-A9, ST16-I1)."""
    lab = booted()
    lab.do("fault", 1, ChargePointErrorCode.GROUND_FAILURE)
    assert lab.log() == ["StatusNotification 1 GroundFailure Faulted"]
    lab.present()
    assert lab.log() == []
    lab.do("fault_cleared", 1)
    assert lab.log() == [AVAILABLE]
    assert lab.hardware() == []


def test_tc_041_cs_a_fault_takes_the_energy_of_a_transaction() -> None:
    """Faulted without energy; then Charging again (CP16-031, ST16-C9, ST16-I3)."""
    lab = charging()
    lab.do("fault", 1, ChargePointErrorCode.OVER_CURRENT_FAILURE)
    assert lab.log() == ["StatusNotification 1 OverCurrentFailure Faulted"]
    assert lab.hardware() == [StopEnergy(1)]
    lab.do("fault_cleared", 1)
    assert lab.log() == [CHARGING]
    assert lab.hardware() == [StartEnergy(1)]


# -- triggers --


@pytest.mark.parametrize(
    ("message", "connector", "expected"),
    [
        (MessageTrigger.METER_VALUES, 1, ["MeterValues 1 101 Trigger 1500"]),
        (MessageTrigger.METER_VALUES, None, ["MeterValues 0 Trigger 1500", "MeterValues 1 101 Trigger 1500"]),
        (MessageTrigger.HEARTBEAT, None, ["Heartbeat"]),
        (MessageTrigger.STATUS_NOTIFICATION, 1, [CHARGING]),
        (MessageTrigger.STATUS_NOTIFICATION, 0, ["StatusNotification 0 Available"]),
        (MessageTrigger.STATUS_NOTIFICATION, None, ["StatusNotification 0 Available", CHARGING]),
    ],
)
def test_tc_054_cs_a_message_that_is_asked_for_follows_the_answer(
    message: MessageTrigger, connector: int | None, expected: list[str]
) -> None:
    """Accepted, then the message, of one connector or of all (CP16-180, CP16-181, CP16-182, CP16-183)."""
    lab = charging()
    lab.tell(TriggerMessageRequest(requested_message=message, connector_id=connector))
    assert lab.log() == ["TriggerMessage.conf Accepted", *expected]
    assert lab.hardware() == []


def test_tc_054_cs_a_boot_notification_can_be_asked_for_until_it_is_accepted() -> None:
    """It comes before its interval is over; once accepted, it is rejected (CP16-012, CP16-015, CP16-180)."""
    lab = Lab()
    lab.registrations = [RegistrationStatus.PENDING]
    lab.link_up()
    assert lab.log() == ["BootNotification Vendor Model"]
    lab.tell(TriggerMessageRequest(requested_message=MessageTrigger.BOOT_NOTIFICATION))
    assert lab.log() == ["TriggerMessage.conf Accepted", *BOOTED]
    lab.tell(TriggerMessageRequest(requested_message=MessageTrigger.BOOT_NOTIFICATION))
    assert lab.log() == ["TriggerMessage.conf Rejected"]


@pytest.mark.parametrize("message", [MessageTrigger.METER_VALUES, MessageTrigger.STATUS_NOTIFICATION])
def test_tc_055_cs_a_message_of_a_connector_that_is_not_there_is_rejected(message: MessageTrigger) -> None:
    """Rejected, and nothing follows (CP16-184)."""
    lab = booted()
    lab.tell(TriggerMessageRequest(requested_message=message, connector_id=9))
    assert lab.log() == ["TriggerMessage.conf Rejected"]


@pytest.mark.parametrize(
    "message", [MessageTrigger.DIAGNOSTICS_STATUS_NOTIFICATION, MessageTrigger.FIRMWARE_STATUS_NOTIFICATION]
)
def test_tc_055_cs_a_message_of_a_profile_that_is_not_there_is_not_implemented(message: MessageTrigger) -> None:
    """NotImplemented, and nothing follows (CP16-180)."""
    lab = booted()
    lab.tell(TriggerMessageRequest(requested_message=message))
    assert lab.log() == ["TriggerMessage.conf NotImplemented"]


# -- vendors --


def test_tc_062_cs_a_vendor_that_nobody_knows_is_answered() -> None:
    """UnknownVendorId, without data, and no CALLERROR (CP16-200, CP16-201)."""
    lab = booted()
    lab.tell(DataTransferRequest(vendor_id="org.example", message_id="one", data="two"))
    assert lab.log() == ["DataTransfer.conf UnknownVendorId"]
