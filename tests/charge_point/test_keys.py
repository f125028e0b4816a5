"""The table of configuration keys against that of the specification, CFG16-01…36, written down here once more."""

from __future__ import annotations

import pytest

from ocpp_sansio.charge_point.keys import (
    CORE,
    METER_VALUES_SAMPLED_DATA,
    NUMBER_OF_CONNECTORS,
    WEB_SOCKET_PING_INTERVAL,
    Access,
    Key,
    Settings,
)

# id, name, whether optional, access, type
TABLE = """
CFG16-01 AllowOfflineTxForUnknownId          opt RW bool
CFG16-02 AuthorizationCacheEnabled           opt RW bool
CFG16-03 AuthorizeRemoteTxRequests           req RW bool
CFG16-04 BlinkRepeat                         opt RW int
CFG16-05 ClockAlignedDataInterval            req RW int
CFG16-06 ConnectionTimeOut                   req RW int
CFG16-07 ConnectorPhaseRotation              req RW rotations
CFG16-08 ConnectorPhaseRotationMaxLength     opt R  int
CFG16-09 GetConfigurationMaxKeys             req R  int
CFG16-10 HeartbeatInterval                   req RW int
CFG16-11 LightIntensity                      opt RW percent
CFG16-12 LocalAuthorizeOffline               req RW bool
CFG16-13 LocalPreAuthorize                   req RW bool
CFG16-14 MaxEnergyOnInvalidId                opt RW int
CFG16-15 MessageTimeout                      opt RW int
CFG16-16 MeterValuesAlignedData              req RW measurands
CFG16-17 MeterValuesAlignedDataMaxLength     opt R  int
CFG16-18 MeterValuesSampledData              req RW measurands
CFG16-19 MeterValuesSampledDataMaxLength     opt R  int
CFG16-20 MeterValueSampleInterval            req RW int
CFG16-21 MinimumStatusDuration               opt RW int
CFG16-22 NumberOfConnectors                  req R  int
CFG16-23 ResetRetries                        req RW int
CFG16-24 StopTransactionMaxMeterValues       opt R  int
CFG16-25 StopTransactionOnEVSideDisconnect   opt RW bool
CFG16-26 StopTransactionOnInvalidId          req RW bool
CFG16-27 StopTxnAlignedData                  req RW measurands
CFG16-28 StopTxnAlignedDataMaxLength         opt R  int
CFG16-29 StopTxnSampledData                  req RW measurands
CFG16-30 StopTxnSampledDataMaxLength         opt R  int
CFG16-31 SupportedFeatureProfiles            req R  words
CFG16-32 SupportedFeatureProfilesMaxLength   opt R  int
CFG16-33 TransactionMessageAttempts          req RW int
CFG16-34 TransactionMessageRetryInterval     req RW int
CFG16-35 UnlockConnectorOnEVSideDisconnect   req RW bool
CFG16-36 WebSocketPingInterval               opt RW int
"""
ROWS = [line.split() for line in TABLE.strip().splitlines()]
NAMES = [row[1] for row in ROWS]
BY_NAME = {key.name: key for key in CORE}

NO_NUMBERS = ["", " ", "-1", "+1", "1.5", "1e3", "0x10", "one", "1_000", "٣", "²", "2147483648", "9" * 500]
GOOD_AND_BAD = {
    # each text with what it is written as
    "bool": ({"true": "true", "false": "false", "TRUE": "true", " False ": "false"}, ["", "1", "yes", "truefalse"]),
    "int": ({"1": "1", " 42 ": "42", "007": "7", "2147483647": "2147483647"}, NO_NUMBERS),
    "percent": ({"0": "0", "100": "100"}, [*NO_NUMBERS, "101"]),
    "measurands": (
        {
            "": "",
            "  ": "",
            "Voltage": "Voltage",
            "Voltage.L1 , Energy.Active.Import.Register": "Voltage.L1,Energy.Active.Import.Register",
            "Current.Import.L1-N": "Current.Import.L1-N",
        },
        ["Voltages", "voltage", "Voltage.L4", "Voltage,", ",", "Voltage;SoC", ".L1", "Voltage."],
    ),
    "rotations": (
        {"": "", "0.RST, 1.RST, 2.RTS": "0.RST,1.RST,2.RTS", "1.NotApplicable,2.Unknown": "1.NotApplicable,2.Unknown"},
        ["RST", "1.RSR", "x.RST", "-1.RST", "1.", "1.RST,", "٣.RST"],
    ),
    "words": ({"": "", "Core, SmartCharging": "Core,SmartCharging"}, ["Core,,SmartCharging"]),
}


@pytest.mark.parametrize(("rule", "name", "required", "access", "kind"), ROWS, ids=NAMES)
def test_each_key_is_as_the_specification_has_it(rule, name, required, access, kind):
    """CFG16-01…36: required or optional (CP16-116), who may set it, and which texts are a value of it (CP16-115)."""
    key = BY_NAME[name]
    assert key.access is Access(access)
    assert key.is_optional is (required == "opt")
    good, bad = GOOD_AND_BAD[kind]
    assert {text: key.write(key.read(text)) for text in good} == good
    for text in bad:
        with pytest.raises(ValueError):
            key.read(text)


def test_there_are_the_keys_of_the_specification_and_no_others():
    """CFG16-01…36."""
    assert list(BY_NAME) == NAMES
    assert len(CORE) == len(NAMES)


def test_every_required_key_has_a_default_that_it_takes():
    for key in CORE:
        if key.default is None:
            assert key.is_optional
        else:
            assert key.read(key.write(key.default)) == key.default


def test_an_interval_that_would_never_end_is_none():
    """CFG16-06, CFG16-10, CFG16-15: a wait of 0 seconds; elsewhere 0 means off (CFG16-05, CFG16-20, CFG16-36)."""
    refuse_zero = {"ConnectionTimeOut", "HeartbeatInterval", "MessageTimeout"}
    for _, name, _, _, kind in ROWS:
        if kind == "int" and name not in refuse_zero:
            assert BY_NAME[name].read("0") == 0
    for name in refuse_zero:
        with pytest.raises(ValueError):
            BY_NAME[name].read("0")


def test_the_one_default_that_the_specification_gives_is_ours():
    """CFG16-18."""
    assert METER_VALUES_SAMPLED_DATA.default == ("Energy.Active.Import.Register",)


# -- Settings --


def test_a_key_is_found_in_any_case():
    """CP16-115."""
    settings = Settings()
    assert settings.find("numberofCONNECTORS") is NUMBER_OF_CONNECTORS
    assert settings.find("NumberOfConnector") is None


def test_an_optional_key_is_there_for_as_long_as_it_has_a_value():
    """CP16-116."""
    settings = Settings()
    assert WEB_SOCKET_PING_INTERVAL not in settings
    assert WEB_SOCKET_PING_INTERVAL not in list(settings)
    with pytest.raises(KeyError, match="WebSocketPingInterval"):
        settings[WEB_SOCKET_PING_INTERVAL]
    settings[WEB_SOCKET_PING_INTERVAL] = 60
    assert WEB_SOCKET_PING_INTERVAL in list(settings)
    assert settings[WEB_SOCKET_PING_INTERVAL] == 60
    settings[WEB_SOCKET_PING_INTERVAL] = None
    assert WEB_SOCKET_PING_INTERVAL not in settings


def test_a_key_that_is_not_optional_is_there_without_a_value():
    """CP16-110: known, but not set."""
    settings = Settings()
    key = Key("VendorSite", str, str)
    settings.declare([key])
    assert key in list(settings)
    assert settings.get(key) is None


def test_settings_may_start_from_other_values():
    assert Settings({NUMBER_OF_CONNECTORS: 4})[NUMBER_OF_CONNECTORS] == 4


def test_to_declare_a_key_again_changes_nothing():
    settings = Settings({NUMBER_OF_CONNECTORS: 4})
    settings.declare([NUMBER_OF_CONNECTORS])
    assert settings[NUMBER_OF_CONNECTORS] == 4


@pytest.mark.parametrize("name", ["NUMBEROFCONNECTORS", "x" * 51], ids=["taken", "too long"])
def test_a_key_needs_a_name_of_its_own_of_at_most_50_characters(name):
    """CP16-115."""
    with pytest.raises(ValueError, match="another key"):
        Settings().declare([Key(name, str, str)])
