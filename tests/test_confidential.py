"""What opens a door is not shown where messages, and events about them, are printed (F-40)."""

from typing import Any

import attrs
import msgspec
import pytest

from ocpp_sansio import (
    CallReceived,
    Deviation,
    Misbehaviour,
    PeerMisbehaved,
    PendingCall,
    Repair,
    confidential,
    v16,
    v21,
    v201,
)
from ocpp_sansio.messages import Datatype

CANARY = "CANARY-0123456789"
VERSIONS = (v16, v201, v21)
BASIC_AUTH = {"component": v201.Component(name="SecurityCtrlr"), "variable": v201.Variable(name="BasicAuthPassword")}


def vpn(version: Any) -> Any:
    return version.VPN(server="vpn.example", user="CP_1", password=CANARY, key=CANARY, type="IPSec")


def network_profile(version: Any, **more: Any) -> Any:
    profile = version.NetworkConnectionProfile(
        ocpp_version=None,
        ocpp_interface="Wired0",
        ocpp_transport="JSON",
        message_timeout=30,
        ocpp_csms_url="wss://csms.example",
        security_profile=2,
        apn=version.APN(
            apn="internet",
            apn_password=CANARY,
            sim_pin=1234,
            apn_authentication="Auto",
        ),
        vpn=vpn(version),
        **more,
    )
    return version.SetNetworkProfileRequest(configuration_slot=1, connection_data=profile)


SECRETS = [
    v16.ChangeConfigurationRequest(key="AuthorizationKey", value=CANARY),
    v16.ChangeConfigurationRequest(key="authorizationKEY", value=CANARY),
    v16.ChangeConfigurationRequest(key="VendorWifiPassword", value=CANARY),
    v16.KeyValue(key="AuthorizationKey", readonly=False, value=CANARY),
    *(
        v16.ChangeConfigurationRequest(key=key, value=CANARY)
        for key in ("wifiKey", "EncryptionKey", "FTPPwd", "SimPin", "ApiToken", "AES_KEY_1")
    ),
    v201.SetVariablesRequest(set_variable_data=[v201.SetVariableData(attribute_value=CANARY, **BASIC_AUTH)]),
    v201.GetVariableResult(attribute_status=v201.GetVariableStatus.ACCEPTED, attribute_value=CANARY, **BASIC_AUTH),
    v201.ReportData(variable_attribute=[v201.VariableAttribute(value=CANARY)], **BASIC_AUTH),
    v21.SetVariableData(
        attribute_value=CANARY,
        component=v21.Component(name="NetworkConfiguration"),
        variable=v21.Variable(name="VpnKey"),
    ),
    network_profile(v201),
    network_profile(v21, basic_auth_password=CANARY),
]


@pytest.mark.parametrize("message", SECRETS, ids=lambda message: type(message).__name__)
def test_a_message_that_sets_or_tells_a_password_does_not_show_it_f_40(message: Datatype):
    assert CANARY.encode() in msgspec.json.encode(message)
    assert "<hidden>" in repr(message)
    for printed in (
        repr(message),
        str(message),
        repr(list(message.__rich_repr__())),
        repr(CallReceived[Any]("1", "Action", message)),  # type: ignore[arg-type]
        repr(PendingCall[Any]("1", "Action", message, 30.0)),  # type: ignore[arg-type]
    ):
        assert CANARY not in printed
        assert "1234" not in printed.replace(CANARY, "")


def test_everything_else_is_shown_as_ever():
    """As msgspec would, which printed them before."""
    for message in (
        v16.ChangeConfigurationRequest(key="HeartbeatInterval", value="300"),
        v16.RemoteStartTransactionRequest(id_tag="TAG"),
        v16.ChangeConfigurationRequest(key="MeterPublicKey", value="300"),
        v16.ChangeConfigurationRequest(key="KeyLength", value="300"),
        v16.GetConfigurationResponse(unknown_key=["A"]),
        v201.SetVariableData(
            attribute_value="CP_1",
            component=v201.Component(name="SecurityCtrlr"),
            variable=v201.Variable(name="Identity"),
        ),
        v201.APN(apn="internet", apn_authentication=v201.APNAuthentication.AUTO),
        v16.HeartbeatRequest(),
    ):
        assert repr(message) == msgspec.Struct.__repr__(message)
        assert list(message.__rich_repr__()) == list(msgspec.Struct.__rich_repr__(message))
    assert "apn_password=None" in repr(v201.APN(apn="x", apn_authentication=v201.APNAuthentication.AUTO))


def test_these_are_the_properties_that_are_secret_by_themselves():
    hidden = set()
    for version in VERSIONS:
        for cls in vars(version).values():
            if isinstance(cls, type) and issubclass(cls, Datatype):
                names = cls.__struct_fields__
                shown = dict(confidential.shown(names, attrs.make_class("Any", list(names))(*names)))
                hidden |= {f"{cls.__name__}.{name}" for name in names if shown[name] != name}
    assert hidden == {
        "APN.apn_password",
        "APN.sim_pin",
        "NetworkConnectionProfile.basic_auth_password",
        "VPN.key",
        "VPN.password",
    }


def test_a_text_with_a_secret_in_it_is_not_shown_f_40():
    text = f'[2,"1","ChangeConfiguration",{{"key":"AuthorizationKey","value":"{CANARY}"]'
    event = PeerMisbehaved(Misbehaviour.NOT_JSON, "no JSON", text)
    assert CANARY not in repr(event)
    assert event.text == text
    assert "'[2,'" in repr(attrs.evolve(event, text="[2,"))


def test_what_was_put_up_with_is_not_shown_f_40():
    deviation = Deviation("$.value", Repair.OVERLONG_STRING, CANARY)
    assert CANARY not in repr(deviation)
    assert deviation.original == CANARY
