"""Which CALLERROR answers what: every row of the table, in every version, over the messages of that version.

The rows in which the application decides are shown with the application object; a handler that fails is in the contract
of the adapters.
"""

import json

import pytest

from ocpp_sansio import (
    CallFailed,
    CallReceived,
    CentralSystem,
    CentralSystemSession,
    ChargePointSession,
    DuplicateCall,
    ErrorCode,
    InvalidResponse,
    Misbehaviour,
    PeerMisbehaved,
    Rejection,
    Version,
    numbered_ids,
    v16,
    v21,
    v201,
)

MESSAGES = {Version.V16: v16, Version.V201: v201, Version.V21: v21}

SPELLED = {  # in 1.6, and in 2.x
    "FmV": ("FormationViolation", "FormatViolation"),
    "OCV": ("OccurenceConstraintViolation", "OccurrenceConstraintViolation"),
    "RFE": ("FormationViolation", "RpcFrameworkError"),
    "PCV": ("PropertyConstraintViolation",) * 2,
    "TCV": ("TypeConstraintViolation",) * 2,
    "NI": ("NotImplemented",) * 2,
    "NS": ("NotSupported",) * 2,
}


def spelled(code, version):
    return SPELLED[code][version is not Version.V16]


@pytest.fixture(params=list(Version), ids=str)
def version(request):
    return request.param


@pytest.fixture
def peer(version):
    return CentralSystemSession(version, message_ids=numbered_ids("m"))


def answers(peer, text):
    """The types, ids and codes that a text is answered with, and the events it makes."""
    peer.receive_data(text, now=0)
    events = list(iter(peer.next_event, None))
    return [tuple(json.loads(answer)[:3]) for answer in peer.data_to_send()], events


# -- a CALL that is not proper --

NOON = "2024-05-17T12:00:00Z"
START = {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": NOON}
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
METER = {"connectorId": 1, "meterValue": [{"timestamp": NOON, "sampledValue": [{"value": "1"}]}]}
# The same of 2.x.
EVENT = {
    "eventType": "Started",
    "timestamp": NOON,
    "triggerReason": "Authorized",
    "seqNo": 0,
    "transactionInfo": {"transactionId": "T"},
}
STATUS_2 = {"timestamp": NOON, "connectorStatus": "Available", "evseId": 1, "connectorId": 1}
METER_2 = {"evseId": 1, "meterValue": [{"timestamp": NOON, "sampledValue": [{"value": 1}]}]}
TOKEN = {"idToken": {"idToken": "A", "type": "ISO14443"}}
CERTIFICATE = dict.fromkeys(("issuerNameHash", "issuerKeyHash", "serialNumber", "responderURL"), "x")
CERTIFICATE |= {"hashAlgorithm": "SHA256"}
MADE_BY_US = {"vendorId": "com.example"}


def without(payload, name):
    return {key: payload[key] for key in payload if key != name}


# What is wrong with the CALL, the code, and a few CALLs of 1.6 and of 2.x with just that.
IMPROPER = [
    (
        "action unknown to the version",
        "NI",
        [("NoSuchAction", {}), ("heartbeat", {}), ("GetVariables", {}), ("NotifyPeriodicEventStream", {})],
        [("NoSuchAction", {}), ("heartbeat", {}), ("StartTransaction", START), ("HeartbeatRequest", {})],
    ),
    (
        "action that a charge point does not send",
        "NS",
        [("Reset", {"type": "Hard"}), ("ClearCache", {"surplus": 1})],
        [("Reset", {"type": "Immediate"}), ("SetVariables", {}), ("ClearCache", None)],
    ),
    (
        "unknown property",
        "FmV",
        [("StartTransaction", START | {"surplus": 1}), ("Heartbeat", {"customData": MADE_BY_US})],
        [
            ("TransactionEvent", EVENT | {"surplus": 1}),
            ("TransactionEvent", EVENT | {"evse": {"id": 1, "surplus": 1}}),
            ("Heartbeat", {"vendorId": "com.example"}),
        ],
    ),
    (
        "required property missing",
        "OCV",
        [("StartTransaction", without(START, "idTag")), ("Authorize", {})],
        [
            ("TransactionEvent", without(EVENT, "seqNo")),
            ("TransactionEvent", EVENT | {"transactionInfo": {}}),
            ("Heartbeat", {"customData": {}}),
            ("Authorize", {"idToken": TOKEN["idToken"] | {"customData": {"vendor": "com.example"}}}),
        ],
    ),
    (
        "wrong JSON type",
        "TCV",
        [("StartTransaction", START | {"connectorId": wrong}) for wrong in ("1", True, 2.0, [1], {})],
        [
            *(("TransactionEvent", EVENT | {"seqNo": wrong}) for wrong in ("1", True, 2.0, [1], {})),
            ("TransactionEvent", EVENT | {"offline": 0}),
            ("MeterValues", METER_2 | {"meterValue": [{"timestamp": NOON, "sampledValue": [{"value": "1"}]}]}),
            ("Heartbeat", {"customData": "com.example"}),
            ("Heartbeat", {"customData": [MADE_BY_US]}),
            ("Heartbeat", {"customData": {"vendorId": 1}}),
        ],
    ),
    (
        "string too long",
        "PCV",
        [("StartTransaction", START | {"idTag": "x" * 21})],
        [
            ("TransactionEvent", EVENT | {"transactionInfo": {"transactionId": "x" * 37}}),
            ("Heartbeat", {"customData": {"vendorId": "x" * 256}}),
            ("DataTransfer", {"vendorId": "x" * 256, "data": 1}),
        ],
    ),
    (
        "number out of range",
        "PCV",
        [("StartTransaction", START | {"connectorId": 2**31})],
        [("TransactionEvent", EVENT | {"seqNo": 2**31}), ("TransactionEvent", EVENT | {"seqNo": -(2**31) - 1})],
    ),
    (
        "enum value unknown",
        "PCV",
        [("StatusNotification", STATUS | {"status": wrong}) for wrong in ("Faultd", "available", "")],
        [
            *(("StatusNotification", STATUS_2 | {"connectorStatus": wrong}) for wrong in ("Charging", "available", "")),
            ("TransactionEvent", EVENT | {"triggerReason": "Because"}),
        ],
    ),
    (
        "impossible or malformed date",
        "PCV",
        [("StartTransaction", START | {"timestamp": wrong}) for wrong in ("2024-02-30T12:00:00Z", "noon")],
        [("TransactionEvent", EVENT | {"timestamp": wrong}) for wrong in ("2024-02-30T12:00:00Z", "noon")],
    ),
    (
        "too few or too many list items",
        "OCV",
        [("MeterValues", METER | {"meterValue": []})],
        [
            ("MeterValues", METER_2 | {"meterValue": []}),
            ("MeterValues", METER_2 | {"meterValue": [{"timestamp": NOON, "sampledValue": []}]}),
            ("TransactionEvent", EVENT | {"meterValue": []}),
            ("Authorize", TOKEN | {"iso15118CertificateHashData": [CERTIFICATE] * 5}),
        ],
    ),
    (
        "property is null",
        "TCV",
        [("StartTransaction", START | {"reservationId": None}), ("Authorize", {"idTag": None})],
        [
            ("TransactionEvent", EVENT | {"reservationId": None}),
            ("TransactionEvent", EVENT | {"evse": None}),
            ("TransactionEvent", EVENT | {"seqNo": None}),
            ("Heartbeat", {"customData": None}),
        ],
    ),
    (
        "payload is a list, string, number or boolean",
        "FmV",
        [("Heartbeat", wrong) for wrong in ([], "", "x", 1, True)],
        [("Heartbeat", wrong) for wrong in ([], "", "x", 1, True)],
    ),
    (
        "untyped data or customData nested too deeply",  # F-65
        "FmV",
        [("Heartbeat", {"customData": MADE_BY_US})],
        [
            ("DataTransfer", {"vendorId": "x", "data": json.loads("[" * 40 + "]" * 40)}),
            ("Heartbeat", {"customData": MADE_BY_US | {"a": json.loads("[" * 40 + "]" * 40)}}),
        ],
    ),
]


@pytest.mark.parametrize(
    ("version", "action", "payload", "code"),
    [
        pytest.param(version, *call, spelled(code, version), id=f"{version}-{what}-{number}")
        for what, code, of_16, of_2x in IMPROPER
        for version in Version
        for number, call in enumerate(of_16 if version is Version.V16 else of_2x)
    ],
)
def test_a_call_that_is_not_proper(peer, action, payload, code):
    replies, events = answers(peer, json.dumps([2, "a", action, payload]))
    assert replies == [(4, "a", code)]
    assert [type(event) for event in events] == [PeerMisbehaved]


@pytest.mark.parametrize(
    ("version", "action", "payload"),
    [
        (Version.V16, "StartTransaction", START),
        (Version.V16, "StatusNotification", STATUS),
        (Version.V16, "MeterValues", METER),
        *(
            (version, *call)
            for version in (Version.V201, Version.V21)
            for call in [
                ("TransactionEvent", EVENT | {"customData": MADE_BY_US | {"vendorData": [None]}}),
                ("StatusNotification", STATUS_2),
                ("MeterValues", METER_2),
                ("Authorize", TOKEN | {"iso15118CertificateHashData": [CERTIFICATE] * 4}),
                *(("DataTransfer", {"vendorId": "x", "data": data}) for data in (None, True, 1.5, "x", [[]], {"a": 1})),
            ]
        ),
    ],
)
def test_those_calls_are_proper_but_for_what_is_wrong_with_them(peer, action, payload):
    replies, events = answers(peer, json.dumps([2, "a", action, payload]))
    assert replies == []
    assert [type(event) for event in events] == [CallReceived]


def test_what_2_1_added_is_unknown_to_2_0_1():
    """RPC-070: bounds (2.1 has a minimum where 2.0.1 has none), actions, and what is a SEND."""
    for call, code_201, code_21 in [
        (("StatusNotification", STATUS_2 | {"evseId": -1}), None, "PropertyConstraintViolation"),
        (("BatterySwap", {}), "NotImplemented", "OccurrenceConstraintViolation"),
        (("NotifyPeriodicEventStream", {}), "NotImplemented", "NotSupported"),
    ]:
        for version, code in ((Version.V201, code_201), (Version.V21, code_21)):
            peer = CentralSystemSession(version, message_ids=numbered_ids("m"))
            replies, _ = answers(peer, json.dumps([2, "a", *call]))
            assert replies == ([] if code is None else [(4, "a", code)])


def test_multiples_of_a_tenth():
    """``multipleOf``, which 1.6 alone has, is a property constraint (RPC-105)."""
    peer = ChargePointSession(Version.V16, message_ids=numbered_ids("m"))
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 0.25}]}
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
    }
    text = json.dumps([2, "a", "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile}])
    assert answers(peer, text)[0] == [(4, "a", "PropertyConstraintViolation")]


def test_a_null_payload(version, peer):
    """RPC-037, RPC-038, F-106."""
    replies, [event] = answers(peer, '[2,"a","Heartbeat",null]')
    if version is Version.V16:
        assert event == CallReceived("a", "Heartbeat", v16.HeartbeatRequest())
        assert replies == []
    else:
        assert event.reason is Misbehaviour.INVALID_PAYLOAD
        assert replies == [(4, "a", "FormatViolation")]


# -- a text that is no message --


@pytest.mark.parametrize("text", ['[2,"a","Heartbeat",{', '[2,"a","Heartbeat",{}]]', '[2,"a","Heartbeat",{"x":NaN}]'])
def test_not_json_with_an_id(version, peer, text):
    assert answers(peer, text)[0] == [(4, "a", spelled("RFE", version))]


@pytest.mark.parametrize("text", ["", "AT+CSQ", '{"a"', "[2,", '[2,"a', "[2,7,"])
def test_not_json_without_an_id(version, peer, text):
    """RPC-064, RPC-065."""
    replies, [event] = answers(peer, text)
    assert isinstance(event, PeerMisbehaved)
    assert replies == ([] if version is Version.V16 else [(4, "-1", "RpcFrameworkError")])


@pytest.mark.parametrize("text", ["{}", '"x"', "1", "null", "[]", "[2]"])
def test_json_without_an_id(version, peer, text):
    """RPC-064, RPC-065, RPC-071."""
    replies, [event] = answers(peer, text)
    assert event.reason is Misbehaviour.NOT_A_FRAME
    assert replies == ([] if version is Version.V16 else [(4, "-1", "RpcFrameworkError")])


@pytest.mark.parametrize("text", ['[2,"a"]', '[2,"a","Heartbeat"]', '[2,"a","Heartbeat",{},1]', '[2,"a",1,{}]'])
def test_an_array_of_the_wrong_shape(version, peer, text):
    """RPC-071."""
    assert answers(peer, text)[0] == [(4, "a", spelled("RFE", version))]


@pytest.mark.parametrize("message_id", ["1", "-1", "null", '""', "[]", "{}", "true"])
def test_an_id_that_is_not_a_string_or_empty(version, peer, message_id):
    replies, [event] = answers(peer, f'[2,{message_id},"Heartbeat",{{}}]')
    assert isinstance(event, PeerMisbehaved)
    assert replies == ([] if version is Version.V16 else [(4, "-1", "RpcFrameworkError")])


def test_minus_one_is_an_id_like_any_other_in_a_call(peer):
    """F-92: it says only in a CALLERROR that no id could be read."""
    replies, [event] = answers(peer, '[2,"-1","Heartbeat",{}]')
    assert (replies, event.message_id) == ([], "-1")
    peer.reject(event, ErrorCode.GENERIC_ERROR, now=0)
    assert peer.data_to_send() == ['[4,"-1","GenericError","",{}]']


def test_a_peer_that_could_read_no_id_is_not_answered(peer):
    """RPC-063, RPC-064: it means one of our messages, but does not say which. Our CALL keeps waiting."""
    peer.call(MESSAGES[peer.version].ClearCacheRequest(), now=0)
    peer.data_to_send()
    replies, [event] = answers(peer, '[4,"-1","RpcFrameworkError","",{}]')
    assert replies == []
    assert event.reason is Misbehaviour.UNSOLICITED_ANSWER
    assert peer.next_timeout() is not None


@pytest.mark.parametrize(("length", "echo"), [(37, 37), (64, 64), (65, 64), (10_000, 64)])
def test_an_id_that_is_too_long(version, peer, length, echo):
    """RPC-040, F-92."""
    replies, _ = answers(peer, json.dumps([2, "x" * length, "Heartbeat", {}]))
    assert replies == [(4, "x" * echo, spelled("RFE", version))]


@pytest.mark.parametrize("message_type", ["0", "1", "7", "99", "-2", "2.0", '"2"', "true", "null"])
def test_an_unknown_message_type(version, peer, message_type):
    """RPC-068, RPC-069, F-91."""
    replies, [event] = answers(peer, f'[{message_type},"a","Heartbeat",{{}}]')
    assert event.reason is Misbehaviour.UNKNOWN_MESSAGE_TYPE
    assert replies == ([(4, "a", "MessageTypeNotSupported")] if version is Version.V201 else [])


@pytest.mark.parametrize("text", ['[5,"a","InternalError","",{}]', '[6,"a","NotifyPeriodicEventStream",{}]'])
def test_the_message_types_of_2_1_are_unknown_before(version, peer, text):
    """RPC-069, F-91. In 2.1 as well nothing answers them, whatever is wrong with them (RPC-063)."""
    replies, [event] = answers(peer, text)
    assert (event.reason is Misbehaviour.UNKNOWN_MESSAGE_TYPE) == (version is not Version.V21)
    assert replies == ([(4, "a", "MessageTypeNotSupported")] if version is Version.V201 else [])


@pytest.mark.parametrize("text", ["[7,1]", "[7]", '[7,""]', '[6,null,"NotifyPeriodicEventStream",{}]', '[7,"a",{'])
def test_an_unknown_message_type_without_an_id_or_in_ruins_is_not_answered(peer, text):
    """RPC-069; nobody knows how to read on in what is not JSON and of no known type (RPC-061)."""
    replies, events = answers(peer, text)
    assert replies == []
    assert [type(event) for event in events] == [PeerMisbehaved]


# -- an id that has been used --


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
        [(4, "a", "GenericError")],
        [DuplicateCall("a", "Heartbeat", replayed=True)],
    )
    assert answers(peer, '[2,"a","Authorize",{}]')[0] == [(4, "a", spelled("RFE", version))]


# -- what is no CALL --


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[3,"m1"]', "RpcFrameworkError"),
        ('[3,"m1",{"status":"Accepted"},1]', "RpcFrameworkError"),
        ('[3,"m1",{"status":"Accepted"}', "RpcFrameworkError"),
        ('[3,"m1",{"status":"Accepted","surplus":1}]', "FormatViolation"),
        ('[3,"m1",[]]', "FormatViolation"),
        ('[3,"m1","Accepted"]', "FormatViolation"),
        ('[3,"m1",{}]', "OccurrenceConstraintViolation"),
        ('[3,"m1",{"status":null}]', "TypeConstraintViolation"),
        ('[3,"m1",{"status":1}]', "TypeConstraintViolation"),
        ('[3,"m1",{"status":"Maybe"}]', "PropertyConstraintViolation"),
    ],
)
def test_anything_wrong_with_a_result(version, peer, text, code):
    """RPC-063, RPC-072: the caller knows in every version, the peer in 2.1."""
    call = peer.call(MESSAGES[version].ClearCacheRequest(), now=0)
    peer.data_to_send()
    replies, [failed] = answers(peer, text)
    assert replies == ([(5, "m1", code)] if version is Version.V21 else [])
    assert isinstance(failed, CallFailed)
    assert failed.call is call
    assert isinstance(failed.error, InvalidResponse)
    assert failed.error.violations[0].code.spelling(Version.V21) == code


def test_a_null_result(version):
    """RPC-037, RPC-038: 1.6 takes it for ``{}``, where this response lacks its status."""
    peer = CentralSystemSession(version, message_ids=numbered_ids("m"))
    peer.call(MESSAGES[version].DataTransferRequest(vendor_id="x"), now=0)
    peer.data_to_send()
    replies, [failed] = answers(peer, '[3,"m1",null]')
    assert replies == ([(5, "m1", "FormatViolation")] if version is Version.V21 else [])
    assert [violation.path for violation in failed.error.violations] == ["$.status" if version is Version.V16 else "$"]


@pytest.mark.parametrize("text", ['[4,"a"]', '[4,"a",1,"",{}]', '[4,"a","x","",[]]', '[4,1,"x","",{}]', '[4,"a","x"'])
def test_anything_wrong_with_a_callerror(peer, text):
    replies, [event] = answers(peer, text)
    assert replies == []
    assert isinstance(event, PeerMisbehaved)


# -- where the application decides --


class Station:
    identity = "CP_1"


def received(csms, peer, text):
    _, [call] = answers(peer, text)
    return lambda: csms.handler(Station(), call)


def test_an_action_without_a_handler_is_not_supported(version, peer):
    """RPC-070."""
    with pytest.raises(Rejection) as caught:
        received(CentralSystem([version], accept_before_boot=True), peer, '[2,"a","Heartbeat",{}]')()
    assert caught.value.code is ErrorCode.NOT_SUPPORTED


def test_a_call_before_the_charge_point_is_accepted_is_a_security_error(version, peer):
    """RPC-075, RPC-076."""
    csms = CentralSystem([version])
    csms.on(MESSAGES[version].HeartbeatRequest)(lambda _station, _request: None)
    with pytest.raises(Rejection) as caught:
        received(csms, peer, '[2,"a","Heartbeat",{}]')()
    assert caught.value.code is ErrorCode.SECURITY_ERROR


def test_the_details_of_an_internal_error_are_the_application_s_to_give(peer):
    """F-103: nothing is added to what was said."""
    _, [call] = answers(peer, '[2,"a","Heartbeat",{}]')
    peer.reject(call, ErrorCode.INTERNAL_ERROR, now=0)
    assert peer.data_to_send() == ['[4,"a","InternalError","",{}]']
