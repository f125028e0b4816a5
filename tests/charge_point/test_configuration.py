"""GetConfiguration, ChangeConfiguration, and what the host sets."""

from __future__ import annotations

import pytest

from ocpp_sansio import ErrorCode, LocalProtocolError
from ocpp_sansio.charge_point import Access, Block, ConnectorSetup, Key, Setup
from ocpp_sansio.charge_point.backbone import KeyChanged
from ocpp_sansio.charge_point.effects import ConfigurationChanged, RecordQuarantined
from ocpp_sansio.charge_point.keys import HEARTBEAT_INTERVAL, METER_VALUE_SAMPLE_INTERVAL
from ocpp_sansio.store import Put, pack
from ocpp_sansio.v16 import (
    BootNotificationResponse,
    ChangeConfigurationRequest,
    ConfigurationStatus,
    GetConfigurationRequest,
    HeartbeatRequest,
    KeyValue,
    RegistrationStatus,
)
from tests.charge_point.harness import BOOT, EPOCH, Bench

ACCEPTED = ConfigurationStatus.ACCEPTED
REJECTED = ConfigurationStatus.REJECTED
NOT_SUPPORTED = ConfigurationStatus.NOT_SUPPORTED
REBOOT_REQUIRED = ConfigurationStatus.REBOOT_REQUIRED

SITE = Key("VendorSite", str, str)
SECRET = Key("VendorSecret", str, str, access=Access.WRITE_ONLY)
MODE = Key("VendorMode", int, str, default=1, needs_reboot=True)
SHOUT = Key("VendorShout", lambda text: text, lambda text: 2 * text)
VENDOR = Setup(BOOT, keys=(SITE, SECRET, MODE, SHOUT))
MEASURING = Setup(BOOT, measurands=frozenset({"Energy.Active.Import.Register", "Voltage", "Voltage.L1"}))
LISTS = ["MeterValuesAlignedData", "MeterValuesSampledData", "StopTxnAlignedData", "StopTxnSampledData"]


class Watch(Block):
    """A profile that says which keys changed, and brings keys of its own."""

    profile = "Reservation"
    own = Key("ReserveConnectorZeroSupported", lambda text: text == "true", str, True, Access.READ_ONLY)

    def __init__(self, core):
        self.changed = []

    def keys(self):
        return (self.own,)

    def hears(self):
        return {KeyChanged: lambda notice: self.changed.append(notice.key)}


def online(setup=None, **options):
    bench = Bench(setup, **options)
    bench.online()
    return bench


def watched(setup=None):
    watches = []

    def make(core):
        watches.append(Watch(core))
        return watches[-1]

    bench = online(setup, profiles=[make])
    watches[0].changed.clear()
    return bench, watches[0]


def change(bench, key, value):
    return bench.ask(ChangeConfigurationRequest(key=key, value=value)).status


def get(bench, *keys):
    return bench.ask(GetConfigurationRequest(key=list(keys) or None))


def value_of(bench, key):
    return get(bench, key).configuration_key[0].value


# -- GetConfiguration --


@pytest.mark.parametrize("keys", [None, []])
def test_all_keys_are_shown_to_whoever_names_none(keys):
    """CP16-110, CP16-117: but not those that can only be written."""
    bench = online(VENDOR)
    shown = bench.ask(GetConfigurationRequest(key=keys))
    assert shown.unknown_key is None
    by_name = {each.key: each for each in shown.configuration_key}
    assert by_name["NumberOfConnectors"] == KeyValue(key="NumberOfConnectors", readonly=True, value="1")
    assert by_name["MeterValueSampleInterval"].readonly is False
    assert by_name["VendorSite"] == KeyValue(key="VendorSite", readonly=False)
    assert "VendorSecret" not in by_name
    assert "BlinkRepeat" not in by_name  # CP16-116


def test_known_keys_are_told_from_unknown_ones():
    """CP16-110, CP16-115: known ones as they are spelled here, once; unknown ones as they were asked for."""
    shown = get(online(), "NUMBEROFCONNECTORS", "numberOfConnectors", "Nonsense", "BlinkRepeat")
    assert [each.key for each in shown.configuration_key] == ["NumberOfConnectors"]
    assert shown.unknown_key == ["Nonsense", "BlinkRepeat"]


def test_where_there_is_nothing_to_list_there_is_no_list():
    """CP16-110."""
    bench = online()
    assert get(bench, "NumberOfConnectors").unknown_key is None
    assert get(bench, "Nonsense").configuration_key is None


def test_more_keys_than_may_be_asked_for_are_an_error():
    """CP16-111, CFG16-09."""
    bench = online()
    bench.do("configure", "GetConfigurationMaxKeys", "2")
    assert len(get(bench, "ResetRetries", "ConnectionTimeOut").configuration_key) == 2
    code, _ = get(bench, "a", "b", "c")
    assert code is ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION
    assert len(get(bench).configuration_key) > 2


def test_a_key_that_can_only_be_written_is_never_read():
    """CP16-117."""
    bench = online(VENDOR)
    assert change(bench, "VendorSecret", "0123") is ACCEPTED
    assert get(bench, "VendorSecret").configuration_key == [KeyValue(key="VendorSecret", readonly=False)]
    assert bench.seen(ConfigurationChanged) == [ConfigurationChanged("VendorSecret", "0123", needs_reboot=False)]


# -- ChangeConfiguration --


def test_a_change_is_in_force_at_once_and_told():
    """CP16-112, CP16-115."""
    bench, watch = watched()
    assert change(bench, "meterValueSAMPLEinterval", " 15 ") is ACCEPTED
    assert value_of(bench, "MeterValueSampleInterval") == "15"
    assert bench.seen(ConfigurationChanged) == [
        ConfigurationChanged("MeterValueSampleInterval", "15", needs_reboot=False)
    ]
    assert watch.changed == [METER_VALUE_SAMPLE_INTERVAL]


def test_a_value_that_was_set_already_is_accepted_and_moves_nothing():
    """CP16-112."""
    bench, watch = watched()
    assert change(bench, "MeterValueSampleInterval", "60") is ACCEPTED
    assert watch.changed == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("MeterValueSampleInterval", "-1"),  # CP16-113
        ("MeterValueSampleInterval", "soon"),
        ("LocalPreAuthorize", "perhaps"),
        ("NumberOfConnectors", "2"),
        ("SupportedFeatureProfiles", "Core"),
        ("GetConfigurationMaxKeys", "1"),
        ("ConnectorPhaseRotation", "2.RST"),
        ("MeterValuesSampledData", "Voltage"),
    ],
)
def test_what_a_key_does_not_take_is_rejected_and_nothing_changes(key, value):
    """CP16-112, CP16-113, CP16-114, CFG16-07, CFG16-22: out of range, of a wrong form, read-only."""
    bench, watch = watched()
    before, kept = get(bench), bench.store.load()
    assert change(bench, key, value) is REJECTED
    assert (get(bench), bench.store.load()) == (before, kept)
    assert (watch.changed, bench.seen(ConfigurationChanged)) == ([], [])


@pytest.mark.parametrize("key", ["Nonsense", "BlinkRepeat"])
def test_a_key_that_the_charge_point_does_not_have_is_not_supported(key):
    """CP16-112, CP16-116."""
    bench = online()
    assert change(bench, key, "3") is NOT_SUPPORTED
    assert get(bench, key).unknown_key == [key]


@pytest.mark.parametrize("key", LISTS)
def test_a_list_of_measurands_takes_only_what_is_measured(key):
    """CP16-114, CFG16-16, CFG16-18, CFG16-27, CFG16-29."""
    bench = online(MEASURING)
    assert change(bench, key, "Voltage, Voltage.L1") is ACCEPTED
    assert change(bench, key, "Voltage,Voltage.L2") is REJECTED
    assert change(bench, key, "Voltage,SoC") is REJECTED
    assert value_of(bench, key) == "Voltage,Voltage.L1"
    assert change(bench, key, "") is ACCEPTED


@pytest.mark.parametrize("key", LISTS)
def test_a_list_has_no_more_items_than_its_maximal_length(key):
    """CP16-114, CFG16-17, CFG16-19, CFG16-28, CFG16-30."""
    bench = online(MEASURING)
    bench.do("configure", f"{key}MaxLength", "1")
    assert change(bench, key, "Voltage,Voltage.L1") is REJECTED
    assert change(bench, key, "Voltage.L1") is ACCEPTED


def test_the_rotation_of_phases_is_that_of_connectors_that_exist():
    """CFG16-07, CFG16-08; 0 is the connection to the grid."""
    bench = online(Setup(BOOT, connectors=(ConnectorSetup(), ConnectorSetup())))
    assert change(bench, "ConnectorPhaseRotation", "0.RST, 1.RST, 2.RTS") is ACCEPTED
    assert value_of(bench, "ConnectorPhaseRotation") == "0.RST,1.RST,2.RTS"
    assert change(bench, "ConnectorPhaseRotation", "3.RST") is REJECTED
    bench.do("configure", "ConnectorPhaseRotationMaxLength", "2")
    assert change(bench, "ConnectorPhaseRotation", "0.RST,1.RST,2.RTS") is REJECTED


def test_a_negative_ping_interval_is_rejected():
    """CFG16-36, RPC-121."""
    bench = online()
    bench.do("configure", "WebSocketPingInterval", "60")
    assert change(bench, "WebSocketPingInterval", "-1") is REJECTED
    assert change(bench, "WebSocketPingInterval", "0") is ACCEPTED
    assert value_of(bench, "WebSocketPingInterval") == "0"


def test_a_value_that_would_be_too_long_to_be_shown_is_rejected():
    """CP16-115."""
    bench = online(VENDOR)
    assert change(bench, "VendorShout", 250 * "x") is ACCEPTED
    assert change(bench, "VendorShout", 251 * "x") is REJECTED


def test_configuration_works_while_pending():
    """CP16-01A, CS16-002."""
    bench = Bench()
    bench.connect()
    bench.answer(
        BootNotificationResponse(current_time=EPOCH, interval=60, status=RegistrationStatus.PENDING),
    )
    assert change(bench, "ResetRetries", "2") is ACCEPTED
    assert value_of(bench, "ResetRetries") == "2"


# -- from one boot to the next --


def test_what_was_set_outlives_the_boot():
    """CP16-112, CP16-092."""
    bench = online()
    change(bench, "ResetRetries", "2")
    bench.do("configure", "BlinkRepeat", "5")
    after = bench.reboot()
    assert after.point.setting("ResetRetries") == "2"
    assert after.point.setting("BlinkRepeat") == "5"


def test_nothing_is_answered_before_what_was_set_is_durable():
    """D-16: the answer comes after the batch."""
    bench = online()
    committed = []
    bench.store.commit = lambda changes: committed.append((changes, list(bench.link.answers)))
    assert change(bench, "ResetRetries", "2") is ACCEPTED
    assert committed == [((Put("configuration", "ResetRetries", pack("2")),), [])]


def test_what_needs_a_reboot_is_in_force_after_it():
    """CP16-112, CS16-060: until then the old value is shown."""
    bench, watch = watched(VENDOR)
    assert change(bench, "VendorMode", "2") is REBOOT_REQUIRED
    assert bench.seen(ConfigurationChanged) == [ConfigurationChanged("VendorMode", "2", needs_reboot=True)]
    assert (value_of(bench, "VendorMode"), watch.changed) == ("1", [])
    assert bench.reboot().point.setting("VendorMode") == "2"


def test_a_change_that_waits_for_a_reboot_can_be_taken_back():
    """CP16-112."""
    bench = online(VENDOR)
    assert change(bench, "VendorMode", "2") is REBOOT_REQUIRED
    assert change(bench, "VendorMode", "1") is ACCEPTED
    assert bench.reboot().point.setting("VendorMode") == "1"


def test_a_value_that_is_none_any_more_is_put_aside():
    """D-21: another meter measures less."""
    bench = online(MEASURING)
    change(bench, "MeterValuesSampledData", "Voltage")
    change(bench, "ResetRetries", "2")
    after = Bench(records=bench.store.load())
    assert after.point.setting("MeterValuesSampledData") == "Energy.Active.Import.Register"
    assert after.point.setting("ResetRetries") == "2"
    assert [effect.key for effect in after.seen(RecordQuarantined)] == ["MeterValuesSampledData"]


def test_a_key_that_is_gone_for_a_while_keeps_its_value():
    bench = online(VENDOR)
    change(bench, "VendorSite", "north")
    without = Bench(records=bench.store.load())
    assert without.point.setting("VendorSite") is None
    assert Bench(VENDOR, records=without.store.load()).point.setting("VendorSite") == "north"


# -- what follows from what the charge point is --


@pytest.mark.parametrize("count", [1, 3])
def test_the_number_of_connectors_is_that_of_the_charge_point(count):
    """CFG16-22, CP16-001."""
    bench = online(Setup(BOOT, connectors=(ConnectorSetup(),) * count))
    assert value_of(bench, "NumberOfConnectors") == str(count)


def test_the_feature_profiles_are_those_of_the_blocks():
    """CFG16-31, CP16-002, and with them come their keys."""
    bench, _ = watched()
    profiles = value_of(bench, "SupportedFeatureProfiles").split(",")
    assert profiles[0] == "Core"
    assert profiles[-1] == "Reservation"
    assert len(profiles) == len(set(profiles))
    assert get(bench, "ReserveConnectorZeroSupported").configuration_key[0].readonly


def test_where_all_cables_are_fixed_none_is_unlocked():
    """CP16-068, CFG16-35: false, and read-only, whatever was set when there were others."""
    loose = ConnectorSetup()
    fixed = ConnectorSetup(fixed_cable=True, has_lock=False)
    bench = online(Setup(BOOT, connectors=(loose, fixed)))
    assert change(bench, "UnlockConnectorOnEVSideDisconnect", "true") is ACCEPTED
    after = online(Setup(BOOT, connectors=(fixed, fixed)), records=bench.store.load())
    assert change(after, "UnlockConnectorOnEVSideDisconnect", "true") is REJECTED
    key = KeyValue(key="UnlockConnectorOnEVSideDisconnect", readonly=True, value="false")
    assert get(after, "UnlockConnectorOnEVSideDisconnect").configuration_key == [key]


def test_without_a_cache_there_is_no_key_to_switch_it():
    """CP16-116, CFG16-02."""
    bench = online(Setup(BOOT, cache_size=0))
    assert get(bench, "AuthorizationCacheEnabled").unknown_key == ["AuthorizationCacheEnabled"]
    assert change(bench, "AuthorizationCacheEnabled", "true") is NOT_SUPPORTED


# -- the heartbeat interval --


def test_the_interval_of_the_boot_is_the_heartbeat_interval():
    """CP16-022: it overwrites what was set, in force but not for good."""
    bench = Bench()
    bench.do("configure", "HeartbeatInterval", "100")
    bench.online(interval=200)
    assert value_of(bench, "HeartbeatInterval") == "200"
    assert bench.reboot().point.setting("HeartbeatInterval") == "100"


def test_a_changed_heartbeat_interval_counts_at_once():
    """CP16-022, CFG16-10."""
    bench, watch = watched()
    assert change(bench, "HeartbeatInterval", "10") is ACCEPTED
    assert watch.changed == [HEARTBEAT_INTERVAL]
    bench.wait(10)
    assert len(bench.sent(HeartbeatRequest)) == 1


# -- the host --


def test_the_host_sets_what_the_central_system_may_not():
    bench, watch = watched()
    bench.do("configure", "getconfigurationmaxkeys", "7")
    assert bench.point.setting("GetConfigurationMaxKeys") == "7"
    assert [key.name for key in watch.changed] == ["GetConfigurationMaxKeys"]
    assert bench.seen(ConfigurationChanged) == []


def test_the_host_is_told_of_its_mistakes_before_anything_changes():
    bench = online()
    kept = bench.store.load()
    for key in ("Nonsense", "NumberOfConnectors", "SupportedFeatureProfiles"):
        with pytest.raises(LocalProtocolError, match=key):
            bench.do("configure", key, "3")
    for value in ("-1", "x", ""):
        with pytest.raises(ValueError):
            bench.do("configure", "ResetRetries", value)
    assert bench.store.load() == kept


def test_a_key_without_a_value_has_none_for_the_host_either():
    bench = online(VENDOR)
    assert bench.point.setting("VendorSite") is None
    assert bench.point.setting("Nonsense") is None
    assert bench.point.setting("resetRETRIES") == "0"
