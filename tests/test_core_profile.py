"""The Core profile of 1.6, message by message: properties, lengths, enumerations, and constructors by required fields.

The tables are written out here, independently of the generator, so that a profile that users of other libraries know
is shown to be complete. Where such libraries and the official schema differ, the schema wins; the last part says where.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec
import pytest

from ocpp_sansio import v16
from ocpp_sansio.codec import PayloadError, codec_of
from ocpp_sansio.messages import Datatype, Role
from ocpp_sansio.schema import Kind, properties

POINT, SYSTEM = Role.CHARGE_POINT, Role.CENTRAL_SYSTEM

# Action: who may send it, the request's properties, the response's. `!` stands for required, a number for maxLength.
MESSAGES: dict[str, tuple[set[Role], str, str]] = {
    "Authorize": ({POINT}, "idTag! 20", "idTagInfo! IdTagInfo"),
    "BootNotification": (
        {POINT},
        (
            "chargeBoxSerialNumber 25; chargePointModel! 20; chargePointSerialNumber 25; chargePointVendor! 20; "
            "firmwareVersion 50; iccid 20; imsi 20; meterSerialNumber 25; meterType 25"
        ),
        "currentTime! datetime; interval! int; status! RegistrationStatus",
    ),
    "ChangeAvailability": ({SYSTEM}, "connectorId! int; type! AvailabilityType", "status! AvailabilityStatus"),
    "ChangeConfiguration": ({SYSTEM}, "key! 50; value! 500", "status! ConfigurationStatus"),
    "ClearCache": ({SYSTEM}, "", "status! ClearCacheStatus"),
    "DataTransfer": (
        {POINT, SYSTEM},
        "vendorId! 255; messageId 50; data str",
        "status! DataTransferStatus; data str",
    ),
    "GetConfiguration": ({SYSTEM}, "key [50]", "configurationKey [KeyValue]; unknownKey [50]"),
    "Heartbeat": ({POINT}, "", "currentTime! datetime"),
    "MeterValues": ({POINT}, "connectorId! int; transactionId int; meterValue! [MeterValue]+", ""),
    "RemoteStartTransaction": (
        {SYSTEM},
        "connectorId int; idTag! 20; chargingProfile ChargingProfile",
        "status! RemoteStartStopStatus",
    ),
    "RemoteStopTransaction": ({SYSTEM}, "transactionId! int", "status! RemoteStartStopStatus"),
    "Reset": ({SYSTEM}, "type! ResetType", "status! ResetStatus"),
    "StartTransaction": (
        {POINT},
        "connectorId! int; idTag! 20; meterStart! int; reservationId int; timestamp! datetime",
        "idTagInfo! IdTagInfo; transactionId! int",
    ),
    "StatusNotification": (
        {POINT},
        (
            "connectorId! int; errorCode! ChargePointErrorCode; info 50; status! ChargePointStatus; "
            "timestamp datetime; vendorId 255; vendorErrorCode 50"
        ),
        "",
    ),
    "StopTransaction": (
        {POINT},
        (
            "idTag 20; meterStop! int; timestamp! datetime; transactionId! int; reason Reason; "
            "transactionData [MeterValue]"
        ),
        "idTagInfo IdTagInfo",
    ),
    "UnlockConnector": ({SYSTEM}, "connectorId! int", "status! UnlockStatus"),
}

DATATYPES = {
    v16.IdTagInfo: "expiryDate datetime; parentIdTag 20; status! AuthorizationStatus",
    v16.KeyValue: "key! 50; readonly! bool; value 500",
    v16.MeterValue: "timestamp! datetime; sampledValue! [SampledValue]",
    v16.SampledValue: "value! str; context ReadingContext; format ValueFormat; measurand Measurand; phase Phase; "
    "location Location; unit UnitOfMeasure",
    v16.ChargingProfile: "chargingProfileId! int; transactionId int; stackLevel! int; "
    "chargingProfilePurpose! ChargingProfilePurposeType; chargingProfileKind! ChargingProfileKindType; "
    "recurrencyKind RecurrencyKindType; validFrom datetime; validTo datetime; chargingSchedule! ChargingSchedule",
    v16.ChargingSchedule: "duration int; startSchedule datetime; chargingRateUnit! ChargingRateUnitType; "
    "chargingSchedulePeriod! [ChargingSchedulePeriod]; minChargingRate tenths",
    v16.ChargingSchedulePeriod: "startPeriod! int; limit! tenths; numberPhases int",
}

ENUMS = {
    v16.RegistrationStatus: "Accepted Pending Rejected",
    v16.AvailabilityType: "Operative Inoperative",
    v16.AvailabilityStatus: "Accepted Rejected Scheduled",
    v16.ConfigurationStatus: "Accepted Rejected RebootRequired NotSupported",
    v16.ClearCacheStatus: "Accepted Rejected",
    v16.DataTransferStatus: "Accepted Rejected UnknownMessageId UnknownVendorId",
    v16.RemoteStartStopStatus: "Accepted Rejected",
    v16.ResetType: "Hard Soft",
    v16.ResetStatus: "Accepted Rejected",
    v16.UnlockStatus: "Unlocked UnlockFailed NotSupported",
    v16.AuthorizationStatus: "Accepted Blocked Expired Invalid ConcurrentTx",
    v16.ChargePointErrorCode: "ConnectorLockFailure EVCommunicationError GroundFailure HighTemperature InternalError "
    "LocalListConflict NoError OtherError OverCurrentFailure OverVoltage PowerMeterFailure PowerSwitchFailure "
    "ReaderFailure ResetFailure UnderVoltage WeakSignal",
    v16.ChargePointStatus: "Available Preparing Charging SuspendedEVSE SuspendedEV Finishing "
    "Reserved Unavailable Faulted",
    v16.Reason: "DeAuthorized EmergencyStop EVDisconnected HardReset Local Other PowerLoss Reboot Remote SoftReset "
    "UnlockCommand",
    v16.ReadingContext: "Interruption.Begin Interruption.End Other Sample.Clock Sample.Periodic Transaction.Begin "
    "Transaction.End Trigger",
    v16.ValueFormat: "Raw SignedData",
    v16.Location: "Body Cable EV Inlet Outlet",
    v16.Phase: "L1 L2 L3 N L1-N L2-N L3-N L1-L2 L2-L3 L3-L1",
    v16.Measurand: "Current.Export Current.Import Current.Offered Energy.Active.Export.Register "
    "Energy.Active.Import.Register Energy.Reactive.Export.Register Energy.Reactive.Import.Register "
    "Energy.Active.Export.Interval Energy.Active.Import.Interval Energy.Reactive.Export.Interval "
    "Energy.Reactive.Import.Interval Frequency Power.Active.Export Power.Active.Import Power.Reactive.Export "
    "Power.Reactive.Import Power.Factor Power.Offered RPM SoC Temperature Voltage",
    v16.UnitOfMeasure: "Wh kWh varh kvarh W kW VA kVA var kvar A V Celsius Celcius Fahrenheit K Percent Hertz",
    v16.ChargingProfilePurposeType: "ChargePointMaxProfile TxDefaultProfile TxProfile",
    v16.ChargingProfileKindType: "Absolute Recurring Relative",
    v16.RecurrencyKindType: "Daily Weekly",
    v16.ChargingRateUnitType: "A W",
}

CLASSES: dict[type[Datatype], str] = dict(DATATYPES)
for _action, (_, _request, _response) in MESSAGES.items():
    CLASSES[v16.ACTIONS[_action].request] = _request
    CLASSES[v16.ACTIONS[_action].response] = _response

by_name = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)


def told(kind: Kind) -> str:
    """A kind in the words of the tables above."""
    if kind.items is not None:
        return f"[{told(kind.items)}]" + ("+" if kind.min_items == 1 else "")
    if kind.max_length is not None:
        return str(kind.max_length)
    return "tenths" if kind.decimals == 1 else kind.type.__name__


@by_name
def test_a_class_has_exactly_the_properties_of_the_profile(cls):
    declared = {f"{prop.wire_name}{'!' if prop.required else ''} {told(prop.kind)}" for prop in properties(cls)}
    assert declared == set(filter(None, CLASSES[cls].split("; ")))


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.__name__)
def test_an_enumeration_has_exactly_the_values_of_the_profile(enum):
    assert {member.value for member in enum} == set(ENUMS[enum].split())


@pytest.mark.parametrize("action", MESSAGES)
def test_an_action_is_sent_by_the_ends_the_profile_says(action):
    assert {role for role in Role if v16.ACTIONS[action].sent_by(role)} == MESSAGES[action][0]


def test_the_profile_has_these_sixteen_actions():
    assert {name for name, action in v16.ACTIONS.items() if action.profile == "Core"} == set(MESSAGES)


def example(kind: Kind) -> Any:
    """A value of a kind, as a user would write it."""
    if issubclass(kind.type, Datatype):
        return smallest(kind.type)
    if issubclass(kind.type, StrEnum):
        return next(iter(kind.type))
    if kind.items is not None:
        return [example(kind.items)]
    return {str: "x", int: 1, float: 0.1, bool: True, datetime: datetime(2026, 11, 22, tzinfo=UTC)}[kind.type]


def smallest(cls: type[Any]) -> Any:
    """An instance made from the required fields alone."""
    return cls(**{prop.name: example(prop.kind) for prop in properties(cls) if prop.required})


@by_name
def test_a_message_is_made_from_its_required_fields_and_leaves_out_the_rest(cls):
    message = smallest(cls)
    written = json.loads(codec_of(cls).encode(message))
    assert set(written) == {prop.wire_name for prop in properties(cls) if prop.required}
    assert codec_of(cls).decode(json.dumps(written)) == message


@by_name
def test_a_message_is_not_made_without_a_required_field(cls):
    for missing in (prop for prop in properties(cls) if prop.required):
        values = {prop.name: example(prop.kind) for prop in properties(cls) if prop.required and prop is not missing}
        with pytest.raises(TypeError, match=missing.name):
            cls(**values)


@by_name
def test_optional_fields_are_given_by_keyword(cls):
    for prop in properties(cls):
        message = msgspec.structs.replace(smallest(cls), **{prop.name: example(prop.kind)})
        assert prop.wire_name in json.loads(codec_of(cls).encode(message))


@by_name
def test_a_text_may_be_as_long_as_the_profile_says_and_no_longer(cls):
    for prop in properties(cls):
        if prop.kind.max_length is not None:
            longest = "é" * prop.kind.max_length  # characters, not bytes
            codec_of(cls).encode(msgspec.structs.replace(smallest(cls), **{prop.name: longest}))
            with pytest.raises(PayloadError):
                codec_of(cls).encode(msgspec.structs.replace(smallest(cls), **{prop.name: longest + "x"}))


# -- where the schema and what other libraries do are two things --

TIME = "2026-11-22T18:04:59Z"


def profile(**period: Any) -> dict[str, Any]:
    return {
        "idTag": "x",
        "chargingProfile": {
            "chargingProfileId": 1,
            "transactionId": 0,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": [period]},
        },
    }


ACCEPTED = [
    ("an empty value sets a key to nothing", v16.ChangeConfigurationRequest, {"key": "x", "value": ""}),
    ("an empty measured value", v16.SampledValue, {"value": ""}),
    ("a key asked for twice", v16.GetConfigurationRequest, {"key": ["x", "x"]}),
    ("the unit Hertz", v16.SampledValue, {"value": "50", "unit": "Hertz"}),
    ("both spellings of Celsius (SCH-064)", v16.SampledValue, {"value": "20", "unit": "Celcius"}),
    ("the first moment of the calendar", v16.HeartbeatResponse, {"currentTime": "0001-01-01T00:00:00Z"}),
    ("a connector that the text forbids (F-112)", v16.UnlockConnectorRequest, {"connectorId": -1}),
]

REFUSED = [
    ("absent is not zero", v16.StartTransactionRequest, {"idTag": "x", "timestamp": TIME}),
    ("absent is not false", v16.KeyValue, {"key": "x"}),
    ("names are case-sensitive", v16.AuthorizeRequest, {"IDTAG": "x"}),
    ("unknown properties", v16.AuthorizeRequest, {"idTag": "x", "vendor": "y"}),
    ("null is not absent", v16.AuthorizeRequest, {"idTag": None}),
    ("null is not absent either where it may be absent", v16.IdTagInfo, {"status": "Accepted", "parentIdTag": None}),
    ("data is text", v16.DataTransferRequest, {"vendorId": "x", "data": {"a": 1}}),
    ("periods have their limits checked", v16.RemoteStartTransactionRequest, profile(startPeriod=0, limit=16.05)),
    ("periods have their types checked", v16.RemoteStartTransactionRequest, profile(startPeriod="0", limit=16)),
    ("a date alone", v16.HeartbeatResponse, {"currentTime": "2026-11-22"}),
]


@pytest.mark.parametrize(("cls", "payload"), [row[1:] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_what_the_schema_allows_is_accepted(cls, payload):
    codec_of(cls).decode(json.dumps(payload))


@pytest.mark.parametrize(("cls", "payload"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_the_schema_forbids_is_refused(cls, payload):
    with pytest.raises(PayloadError):
        codec_of(cls).decode(json.dumps(payload))


def test_a_transaction_id_of_zero_is_kept():
    request = codec_of(v16.RemoteStartTransactionRequest).decode(json.dumps(profile(startPeriod=0, limit=16)))
    written = json.loads(codec_of(v16.RemoteStartTransactionRequest).encode(request))
    assert written["chargingProfile"]["transactionId"] == 0
