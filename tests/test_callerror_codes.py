"""Which CALLERROR answers what: every row of the table for 1.6, and what the RPC layers of 2.0.1 and 2.1 do otherwise.

Those are shown over the messages of 1.6: what differs here is the dialect, not the messages. The rows in which the
application decides are shown with the application object; a handler that fails is in the contract of the adapters.
"""

import json

import pytest

from ocpp_sansio import (
    CallFailed,
    CallReceived,
    CentralSystem,
    CentralSystemSession,
    DuplicateCall,
    ErrorCode,
    InvalidResponse,
    PeerMisbehaved,
    Rejection,
    Version,
    numbered_ids,
    session,
    v16,
)

NOON = "2024-05-17T12:00:00Z"
TEXT = {
    "FmV": {"1.6": "FormationViolation", "2.0.1": "FormatViolation", "2.1": "FormatViolation"},
    "OCV": {
        "1.6": "OccurenceConstraintViolation",
        "2.0.1": "OccurrenceConstraintViolation",
        "2.1": "OccurrenceConstraintViolation",
    },
    "RFE": {"1.6": "FormationViolation", "2.0.1": "RpcFrameworkError", "2.1": "RpcFrameworkError"},
    "PCV": dict.fromkeys(("1.6", "2.0.1", "2.1"), "PropertyConstraintViolation"),
    "TCV": dict.fromkeys(("1.6", "2.0.1", "2.1"), "TypeConstraintViolation"),
    "NI": dict.fromkeys(("1.6", "2.0.1", "2.1"), "NotImplemented"),
    "NS": dict.fromkeys(("1.6", "2.0.1", "2.1"), "NotSupported"),
}


@pytest.fixture(params=["1.6", "2.0.1", "2.1"])
def version(request, monkeypatch):
    version = Version(request.param)
    monkeypatch.setitem(vars(version), "actions", v16.ACTIONS)
    yield version
    session._answerable.cache_clear()


@pytest.fixture
def peer(version):
    return CentralSystemSession(version, message_ids=numbered_ids("m"))


def answers(peer, text):
    """The ids and codes that a text is answered with, and the events it makes."""
    peer.receive_data(text, now=0)
    events = list(iter(peer.next_event, None))
    return [tuple(json.loads(answer)[1:3]) for answer in peer.data_to_send()], events


START = {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": NOON}
METER = {"connectorId": 1, "meterValue": [{"timestamp": NOON, "sampledValue": [{"value": "1"}]}]}


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("NoSuchAction", {}, "NI"),
        ("Reset", {"type": "Hard"}, "NS"),
        ("StartTransaction", START | {"surplus": 1}, "FmV"),
        ("StartTransaction", {key: START[key] for key in START if key != "idTag"}, "OCV"),
        ("StartTransaction", START | {"connectorId": "1"}, "TCV"),
        ("StartTransaction", START | {"connectorId": True}, "TCV"),
        ("StartTransaction", START | {"connectorId": 2.0}, "TCV"),
        ("StartTransaction", START | {"connectorId": 2**31}, "PCV"),
        ("StartTransaction", START | {"idTag": "x" * 21}, "PCV"),
        ("StartTransaction", START | {"timestamp": "2024-02-30T12:00:00Z"}, "PCV"),
        ("StartTransaction", START | {"timestamp": "noon"}, "PCV"),
        ("StartTransaction", START | {"reservationId": None}, "TCV"),
        ("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Faultd"}, "PCV"),
        ("MeterValues", METER | {"meterValue": []}, "OCV"),
        ("StartTransaction", [], "FmV"),
        ("StartTransaction", "x", "FmV"),
        ("StartTransaction", 1, "FmV"),
    ],
)
def test_a_call_that_is_not_proper(version, peer, action, payload, code):
    replies, events = answers(peer, json.dumps([2, "a", action, payload]))
    assert replies == [("a", TEXT[code][str(version)])]
    assert [type(event) for event in events] == [PeerMisbehaved]


def test_multiples_of_a_tenth(version):
    """``multipleOf`` is a property constraint (RPC-105)."""
    peer = session.ChargePointSession(version, message_ids=numbered_ids("m"))
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 0.25}]}
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
    }
    text = json.dumps([2, "a", "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile}])
    assert answers(peer, text)[0] == [("a", TEXT["PCV"][str(version)])]


def test_a_null_payload(version, peer):
    """RPC-037, RPC-038."""
    replies, [event] = answers(peer, '[2,"a","Heartbeat",null]')
    if version is Version.V16:
        assert isinstance(event, CallReceived)
        assert replies == []
    else:
        assert replies == [("a", "FormatViolation")]


@pytest.mark.parametrize("text", ['[2,"a","Heartbeat",{', '[2,"a","Heartbeat",{}]]', '[2,"a","Heartbeat",{"x":NaN}]'])
def test_not_json_with_an_id(version, peer, text):
    assert answers(peer, text)[0] == [("a", TEXT["RFE"][str(version)])]


@pytest.mark.parametrize("text", ["", "AT+CSQ", '{"a"', "[2,", '[2,"a', "[2,7,"])
def test_not_json_without_an_id(version, peer, text):
    """RPC-064, RPC-065."""
    replies, [event] = answers(peer, text)
    assert isinstance(event, PeerMisbehaved)
    assert replies == ([] if version is Version.V16 else [("-1", "RpcFrameworkError")])


@pytest.mark.parametrize("text", ['[2,"a"]', '[2,"a","Heartbeat"]', '[2,"a","Heartbeat",{},1]', '[2,"a",1,{}]'])
def test_an_array_of_the_wrong_shape(version, peer, text):
    """RPC-071."""
    assert answers(peer, text)[0] == [("a", TEXT["RFE"][str(version)])]


@pytest.mark.parametrize("message_id", ["1", "null", '""', "[]", "true"])
def test_an_id_that_is_not_a_string_or_empty(version, peer, message_id):
    replies, [event] = answers(peer, f'[2,{message_id},"Heartbeat",{{}}]')
    assert isinstance(event, PeerMisbehaved)
    assert replies == ([] if version is Version.V16 else [("-1", "RpcFrameworkError")])


@pytest.mark.parametrize(("length", "echo"), [(37, 37), (64, 64), (65, 64), (10_000, 64)])
def test_an_id_that_is_too_long(version, peer, length, echo):
    """RPC-040, F-92."""
    replies, _ = answers(peer, json.dumps([2, "x" * length, "Heartbeat", {}]))
    assert replies == [("x" * echo, TEXT["RFE"][str(version)])]


@pytest.mark.parametrize("message_type", ["0", "1", "7", "99", "-2", "2.0", '"2"', "true", "null"])
def test_an_unknown_message_type(version, peer, message_type):
    """RPC-068, RPC-069."""
    replies, [event] = answers(peer, f'[{message_type},"a","Heartbeat",{{}}]')
    assert isinstance(event, PeerMisbehaved)
    assert replies == ([("a", "MessageTypeNotSupported")] if version is Version.V201 else [])


def test_an_unknown_message_type_without_an_id_is_not_answered(peer):
    assert answers(peer, "[7,1]")[0] == []


def test_the_id_of_a_call_still_being_handled(peer):
    """RPC-067."""
    _, [received] = answers(peer, '[2,"a","Heartbeat",{}]')
    replies, [event] = answers(peer, '[2,"a","Heartbeat",{}]')
    assert (replies, event) == ([], DuplicateCall("a", "Heartbeat", replayed=False))
    peer.reject(received, ErrorCode.GENERIC_ERROR, now=0)
    assert len(peer.data_to_send()) == 1


def test_the_id_of_an_answered_call(version, peer):
    """RPC-042: the same content is answered the same way; other content is a mistake."""
    _, [received] = answers(peer, '[2,"a","Heartbeat",{}]')
    peer.reject(received, ErrorCode.GENERIC_ERROR, now=0)
    peer.data_to_send()
    assert answers(peer, '[2,"a","Heartbeat",{}]') == (
        [("a", "GenericError")],
        [DuplicateCall("a", "Heartbeat", replayed=True)],
    )
    assert answers(peer, '[2,"a","Authorize",{"idTag":"x"}]')[0] == [("a", TEXT["RFE"][str(version)])]


@pytest.mark.parametrize("text", ['[3,"m1"]', '[3,"m1",{"a":1}]', '[3,"m1",[]]', '[3,"m1",{}', '[3,"m1",{},1]'])
def test_anything_wrong_with_a_result(peer, text):
    """RPC-072. What 2.1 answers joins with its messages."""
    call = peer.call(v16.ClearCacheRequest(), now=0)
    peer.data_to_send()
    replies, [failed] = answers(peer, text)
    assert replies == []
    assert isinstance(failed, CallFailed)
    assert failed.call is call
    assert isinstance(failed.error, InvalidResponse)


@pytest.mark.parametrize("text", ['[4,"a"]', '[4,"a",1,"",{}]', '[4,"a","x","",[]]', '[4,1,"x","",{}]', '[4,"a","x"'])
def test_anything_wrong_with_a_callerror(peer, text):
    replies, [event] = answers(peer, text)
    assert replies == []
    assert isinstance(event, PeerMisbehaved)


class Station:
    identity = "CP_1"


def received(csms, text):
    peer = CentralSystemSession("1.6", message_ids=numbered_ids("m"))
    peer.receive_data(text, now=0)
    call = peer.next_event()
    return lambda: csms.handler(Station(), call)


def test_an_action_without_a_handler_is_not_supported():
    """RPC-070."""
    with pytest.raises(Rejection) as caught:
        received(CentralSystem(accept_before_boot=True), '[2,"a","Heartbeat",{}]')()
    assert caught.value.code is ErrorCode.NOT_SUPPORTED


def test_a_call_before_the_charge_point_is_accepted_is_a_security_error():
    """RPC-075."""
    csms = CentralSystem()
    csms.on(v16.HeartbeatRequest)(lambda _station, _request: None)
    with pytest.raises(Rejection) as caught:
        received(csms, '[2,"a","Heartbeat",{}]')()
    assert caught.value.code is ErrorCode.SECURITY_ERROR


def test_the_details_of_an_internal_error_are_the_application_s_to_give(version, peer):
    """F-103: nothing is added to what was said."""
    _, [call] = answers(peer, '[2,"a","Heartbeat",{}]')
    peer.reject(call, ErrorCode.INTERNAL_ERROR, now=0)
    assert peer.data_to_send() == ['[4,"a","InternalError","",{}]']
