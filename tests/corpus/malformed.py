"""Texts that are not a proper message from a charge point, and what each is answered with.

``MALFORMED_IN`` has, for each version, one row per text: what is wrong with it, the text, and the answer: the id and
the code of the CALLERROR, or ``None`` where nothing may be said (RPC-063, RPC-065).
Read by the tests of the core and of every adapter: after each of them the same connection serves the next good call
(blocks D and E of the faults).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

from ocpp_sansio.version import Version

TCV = "TypeConstraintViolation"
PCV = "PropertyConstraintViolation"
NI = "NotImplemented"
NS = "NotSupported"

NOON = "2024-05-17T12:00:00Z"
START = {"connectorId": 1, "idTag": "TAG", "meterStart": 0, "timestamp": NOON}
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
SAMPLE = {"value": "1"}
# The same of 2.x.
EVENT = {
    "eventType": "Started",
    "timestamp": NOON,
    "triggerReason": "Authorized",
    "seqNo": 0,
    "transactionInfo": {"transactionId": "T"},
}
STATUS_2X = {"timestamp": NOON, "connectorStatus": "Available", "evseId": 1, "connectorId": 1}
TOKEN = {"idToken": "TAG", "type": "ISO14443"}
SAMPLE_2X = {"value": 1}


class Malformed(NamedTuple):
    """One row."""

    what: str
    text: str
    answer: tuple[str, str] | None
    is_call: bool = False
    """Whether it is one of a charge point's CALLs; if not, a central system has no more use for it."""


class Codes(NamedTuple):
    """Those that are not spelled alike in all versions."""

    frame: str
    """For what is no message."""
    format: str
    occurrence: str


_CODES_2X = Codes("RpcFrameworkError", "FormatViolation", "OccurrenceConstraintViolation")
CODES = {
    Version.V16: Codes("FormationViolation", "FormationViolation", "OccurenceConstraintViolation"),
    Version.V201: _CODES_2X,
    Version.V21: _CODES_2X,
}


def _rows(version: Version) -> list[Malformed]:
    codes = CODES[version]
    rows: list[Malformed] = []

    def silent(what: str, *texts: str) -> None:
        rows.extend(Malformed(what, text, None) for text in texts)

    def refused(what: str, *texts: str, message_id: str = "1") -> None:
        rows.extend(Malformed(what, text, (message_id, codes.frame)) for text in texts)

    def without_id(what: str, *texts: str) -> None:
        """RPC-064, RPC-065."""
        answer = None if version is Version.V16 else ("-1", codes.frame)
        rows.extend(Malformed(what, text, answer) for text in texts)

    def unknown_type(*texts: str) -> None:
        """RPC-068, RPC-069. In 2.1 some are of a known type, and even so nothing answers them (RPC-063)."""
        answer = ("1", "MessageTypeNotSupported") if version is Version.V201 else None
        rows.extend(Malformed("unknown message type", text, answer) for text in texts)

    def call(what: str, code: str, action: str, *payloads: object) -> None:
        for number, payload in enumerate(payloads):
            message_id = f"{action}-{len(rows)}-{number}"[:36]
            written = payload if isinstance(payload, str) else json.dumps(payload)
            text = f'[2,"{message_id}",{json.dumps(action)},{written}]'
            rows.append(Malformed(what, text, (message_id, code), is_call=True))

    # -- JSON (F-59…F-67) --
    without_id("empty", "", " ", "\n\t\r ")
    without_id(
        "not JSON at all",
        "AT+CSQ",
        "hello",
        "'[2]'",
        "<xml/>",
        "PING",
        "\x00",
        "\ufeff[]",
        "// comment\n[]",
        "nul",
        "tru",
    )
    without_id(
        "numbers that JSON does not have", "NaN", "Infinity", "-Infinity", "+1", ".5", "1.", "01", "0x10", "1e", "--1"
    )
    without_id("breaks off before the id", "[", "[2", "[2,", '[2,"', '[2,"1', "{", '{"a":')
    without_id("two documents", "[][]", "{}{}", "1 2")
    without_id("nested without end", "[" * 50_000, '{"a":' * 50_000, "[" * 33, '[[[["1"')
    refused(
        "breaks off after the id",
        '[2,"1"',
        '[2,"1",',
        '[2,"1","Heartbeat"',
        '[2,"1","Heartbeat",',
        '[2,"1","Heartbeat",{',
        '[2,"1","Heartbeat",{}',
        '[2,"1","Authorize",{"idTag":"A1B.....]',
        '  [ 2 , "1" , "Heartbeat" , { ',
    )
    refused(
        "damaged behind the id",
        '[2,"1","Heartbeat",{}]]',
        '[2,"1","Heartbeat",{}] x',
        '[2,"1","Heartbeat",{},]',
        '[2,"1","Heartbeat",{,}]',
        '[2,"1",,{}]',
        '[2,"1","Heartbeat" {}]',
        "[2,\"1\",'Heartbeat',{}]",
        '[2,"1",Heartbeat,{}]',
        '[2,"1","Heartbeat",{}/* */]',
        '[2,"1","Heart\tbeat",{}]',
        '[2,"1","Heartbeat",{"a":NaN}]',
        '[2,"1","Heartbeat",{"a":Infinity}]',
        '[2,"1","Heartbeat",{"a":01}]',
        '[2,"1","Heartbeat",{"a":+1}]',
        '[2,"1","Heartbeat",{"a":.5}]',
        '[2,"1","Heartbeat",{"a":1.}]',
        '[2,"1","Heartbeat",{"a":0x1}]',
        '[2,"1","Heartbeat",{a:1}]',
        '[2,"1","Heartbeat",{"a":"\\x41"}]',
        '[2,"1","Heartbeat",{"a":"\\u12"}]',
        '[2,"1","Heartbeat",{"a":"\\ud800"}]',
        '[2,"1","Heartbeat",{"a":"\\udc00\\ud800"}]',
        '[2,"1","MeterValues",{"meterValue":[,{}]}]',
        '[2,"1","Heartbeat",{"a":[1,]}]',
        '[2,"1","Heartbeat",{"a":1;"b":2}]',
        '[2,"1","Heartbeat",' + "[" * 50_000 + "]",
        '[2,"1","Heartbeat",' + '{"a":' * 50_000,
    )

    # -- framing (F-91) --
    without_id("not an array", "{}", '"x"', "1", "true", "null", '{"2":"1"}')
    without_id("no type or no id", "[]", "[2]")
    silent("of a type that is not answered, and no id", "[3]", "[4]", "[5]", "[6]", "[7]", "[null]", "[[]]", "[{}]")
    unknown_type(
        '[0,"1","Heartbeat",{}]',
        '[1,"1","Heartbeat",{}]',
        '[5,"1","GenericError","",{}]',
        '[6,"1","Heartbeat",{}]',
        '[6,"1","NotifyPeriodicEventStream",{}]',
        '[7,"1","Heartbeat",{}]',
        '[99,"1"]',
        '[-2,"1","Heartbeat",{}]',
        '[2147483648,"1","Heartbeat",{}]',
        '[99999999999999999999,"1","Heartbeat",{}]',
        '["2","1","Heartbeat",{}]',
        '[2.0,"1","Heartbeat",{}]',
        '[2e0,"1","Heartbeat",{}]',
        '[true,"1","Heartbeat",{}]',
        '[null,"1","Heartbeat",{}]',
        '[[2],"1","Heartbeat",{}]',
    )
    refused(
        "wrong number of elements",
        '[2,"1"]',
        '[2,"1","Heartbeat"]',
        '[2,"1",{}]',
        '[2,"1","Heartbeat",{},{}]',
        '[2,"1","Heartbeat",{},null]',
        json.dumps([2, "1", "Heartbeat", {}, *range(1000)]),
    )
    refused(
        "action that is not a string",
        '[2,"1",1,{}]',
        '[2,"1",null,{}]',
        '[2,"1",true,{}]',
        '[2,"1",["Heartbeat"],{}]',
        '[2,"1",{},"Heartbeat"]',
    )

    # -- ids (F-92) --
    without_id(
        "unusable id",
        '[2,"","Heartbeat",{}]',
        '[2,1,"Heartbeat",{}]',
        '[2,-1,"Heartbeat",{}]',
        '[2,1.5,"Heartbeat",{}]',
        '[2,null,"Heartbeat",{}]',
        '[2,true,"Heartbeat",{}]',
        '[2,[],"Heartbeat",{}]',
        '[2,{},"Heartbeat",{}]',
    )
    refused("id of 37 characters", json.dumps([2, "x" * 37, "Heartbeat", {}]), message_id="x" * 37)
    refused("id of 37 wide characters", json.dumps([2, "é" * 37, "Heartbeat", {}]), message_id="é" * 37)
    refused("id of 100 characters", json.dumps([2, "x" * 100, "Heartbeat", {}]), message_id="x" * 64)
    refused("id of 100,000 characters", json.dumps([2, "x" * 100_000, "Heartbeat", {}]), message_id="x" * 64)

    # -- answers to nothing (F-95, F-105) --
    silent(
        "an answer that nobody waits for, or a broken one",
        '[3,"1",{}]',
        '[3,"1",null]',
        '[3,"1",[]]',
        '[3,"1"]',
        '[3,"1",{},{}]',
        '[3,"1",{"currentTime":',
        '[3,"\\ud800",{}]',
        "[3,",
        '[3,"","x"]',
        "[3,1,{}]",
        '[4,"1","GenericError","",{}]',
        '[4,"1","NoSuchCode","",{}]',
        '[4,"1","GenericError",""]',
        '[4,"1","GenericError"]',
        '[4,"1"]',
        '[4,"1",7,"",{}]',
        '[4,"1","GenericError",null,{}]',
        '[4,"1","GenericError","",[]]',
        '[4,"1","GenericError","",null]',
        '[4,"1","GenericError","",{},1]',
        '[4,"1","GenericError","",{"a":' + "[" * 40 + "]" * 40 + "}]",
        '[4,"1","Gene',
        '[5,"1",',
        '[6,"1",',
    )

    # -- actions (F-104) --
    for action in ("heartbeat", "HEARTBEAT", "Heartbeat ", "HeartbeatRequest", "", "../Heartbeat", "__class__"):
        call("unknown action", NI, action, {})
    call("unknown action of 100,000 characters", NI, "x" * 100_000, {})

    # -- payloads (F-62…F-70, F-106…F-111, F-115) --
    call("payload that is not an object", codes.format, "Heartbeat", [], "[1]", '"x"', '""', "1", "true", "1.5")
    call(
        "unknown property",
        codes.format,
        "Heartbeat",
        {"a": 1},
        {"": 1},
        {"__class__": "x"},
        {"self": {}},
        {"a": [[[[]]]]},
    )
    (_calls_of_16 if version is Version.V16 else _calls_of_2x)(call, codes)
    return rows


Add = Callable[..., None]
"""Called with what is wrong, the code, the action, and payloads or their texts."""


def _calls_of_16(call: Add, codes: Codes) -> None:
    call("unknown action", NI, "GetVariables", {})
    call("unknown action", NI, "NotifyPeriodicEventStream", {})
    for action, payload in (
        ("Reset", {"type": "Hard"}),
        ("RemoteStartTransaction", {"idTag": "TAG"}),
        ("ClearCache", {}),
        ("GetConfiguration", {}),
        ("SetChargingProfile", {}),
    ):
        call("an action that the other side sends", NS, action, payload)
    call(
        "unknown property among others",
        codes.format,
        "Authorize",
        {"idTag": "x", "idtag": "x"},
        {"idTag": "x", "$ref": "#"},
    )
    call("required property missing", codes.occurrence, "Authorize", {}, {"IDTAG": "x"}, {"id_tag": "x"})
    call(
        "required properties missing",
        codes.occurrence,
        "StartTransaction",
        *({k: v for k, v in START.items() if k != gone} for gone in START),
    )
    call(
        "required property missing further down",
        codes.occurrence,
        "MeterValues",
        {"connectorId": 1, "meterValue": [{"timestamp": NOON}]},
    )
    call("too few items", codes.occurrence, "MeterValues", {"connectorId": 1, "meterValue": []})
    call(
        "wrong type of a string",
        TCV,
        "Authorize",
        *({"idTag": wrong} for wrong in (1, 1.5, True, [], ["x"], {}, {"x": 1})),
    )
    call(
        "wrong type of an integer",
        TCV,
        "StartTransaction",
        *(START | {"connectorId": wrong} for wrong in ("1", "", True, False, 1.5, [1], {})),
        *(
            json.dumps(START).replace('"meterStart": 0', f'"meterStart": {wrong}')
            for wrong in ("1.0", "1e2", "0.0", "-0.0")
        ),
    )
    call("null", TCV, "StartTransaction", START | {"reservationId": None}, START | {"idTag": None})
    call(
        "wrong type of a list",
        TCV,
        "MeterValues",
        {"connectorId": 1, "meterValue": {"timestamp": NOON, "sampledValue": [SAMPLE]}},
    )
    call(
        "wrong type of an item",
        TCV,
        "MeterValues",
        {"connectorId": 1, "meterValue": [NOON]},
        {"connectorId": 1, "meterValue": [[]]},
    )
    call(
        "number as the value of a sample",
        TCV,
        "MeterValues",
        {"connectorId": 1, "meterValue": [{"timestamp": NOON, "sampledValue": [{"value": 604.213}]}]},
    )
    call("string too long", PCV, "Authorize", {"idTag": "x" * 21}, {"idTag": "é" * 21}, {"idTag": "x" * 500_000})
    call(
        "integer out of range",
        PCV,
        "StartTransaction",
        *(START | {"connectorId": wrong} for wrong in (2**31, -(2**31) - 1, 2**53 + 1, 2**63, 2**64, 10**30)),
    )
    call(
        "integer that no reader takes",
        codes.format,
        "StartTransaction",
        json.dumps(START).replace('"meterStart": 0', f'"meterStart": {"9" * 5000}'),
    )
    call(
        "unknown enum value",
        PCV,
        "StatusNotification",
        *(STATUS | {"status": wrong} for wrong in ("Faultd", "available", "", "Available ", "x" * 10_000)),
    )
    call("unknown enum value further down", PCV, "MeterValues", {
        "connectorId": 1,
        "meterValue": [{"timestamp": NOON, "sampledValue": [SAMPLE, SAMPLE | {"context": "CurrentMax"}]}],
    })  # fmt: skip
    call(
        "impossible or malformed date",
        PCV,
        "StartTransaction",
        *(
            START | {"timestamp": wrong}
            for wrong in (
                "",
                "0",
                "noon",
                "2024-05-17",
                "2024-05-17T12:00:00",
                "2024-05-17T12:00Z",
                "2024-05-17T12:00:00+03",
                "2024-02-30T12:00:00Z",
                "2024-13-01T12:00:00Z",
                "2024-05-17T24:00:00Z",
                "2024-05-17T12:60:00Z",
                "2024-05-17T23:59:60Z",
                "0000-01-01T00:00:00Z",
                "10000-01-01T00:00:00Z",
                "2024-05-17T12:00:00.Z",
                "2024-05-17T12:00:00+25:00",
                "2024-05-17T12:00:00ZZ",
                "2024-05-17T12:00:00" + "0" * 100_000,
            )
        ),
    )
    call("date that is not a string", TCV, "StartTransaction", START | {"timestamp": 1715947200})


def _calls_of_2x(call: Add, codes: Codes) -> None:
    for action, payload in (("StartTransaction", START), ("RemoteStartTransaction", {"idTag": "TAG"})):
        call("action of 1.6", NI, action, payload)
    for action, payload in (("Reset", {"type": "Immediate"}), ("ClearCache", {}), ("SetVariables", {})):
        call("an action that the other side sends", NS, action, payload)
    call("null payload", codes.format, "Heartbeat", "null")
    call("unknown property further down", codes.format, "Authorize", {"idToken": TOKEN | {"a": 1}})
    call(
        "required properties missing",
        codes.occurrence,
        "TransactionEvent",
        *({k: v for k, v in EVENT.items() if k != gone} for gone in EVENT),
        EVENT | {"transactionInfo": {}},
    )
    call(
        "customData of no vendor", codes.occurrence, "Heartbeat", {"customData": {}}, {"customData": {"vendorid": "x"}}
    )
    call("customData that is no object", TCV, "Heartbeat", *({"customData": wrong} for wrong in (None, "x", 1, [])))
    call(
        "vendorId that is no string",
        TCV,
        "Heartbeat",
        *({"customData": {"vendorId": wrong}} for wrong in (None, 1, {})),
    )
    call("vendorId too long", PCV, "Heartbeat", {"customData": {"vendorId": "x" * 256}})
    deep = "[" * 40 + "]" * 40
    call("customData too deep", codes.format, "Heartbeat", f'{{"customData":{{"vendorId":"x","a":{deep}}}}}')
    call("data too deep", codes.format, "DataTransfer", f'{{"vendorId":"x","data":{deep}}}')
    call(
        "wrong number of items",
        codes.occurrence,
        "MeterValues",
        {"evseId": 1, "meterValue": []},
        {"evseId": 1, "meterValue": [{"timestamp": NOON, "sampledValue": []}]},
    )
    call(
        "wrong type of a string",
        TCV,
        "Authorize",
        *({"idToken": TOKEN | {"idToken": w}} for w in (1, 1.5, True, [], {})),
    )
    call(
        "wrong type of an integer",
        TCV,
        "TransactionEvent",
        *(EVENT | {"seqNo": w} for w in ("1", True, 1.5, 1.0, [], {})),
    )
    call("wrong type of a boolean", TCV, "TransactionEvent", *(EVENT | {"offline": w} for w in (0, 1, "true", [])))
    call("null", TCV, "TransactionEvent", EVENT | {"offline": None}, EVENT | {"evse": None}, EVENT | {"seqNo": None})
    call(
        "text as the value of a sample",
        TCV,
        "MeterValues",
        {"evseId": 1, "meterValue": [{"timestamp": NOON, "sampledValue": [{"value": "1"}]}]},
    )
    call(
        "number that is none of 64 bits",
        PCV,
        "MeterValues",
        f'{{"evseId":1,"meterValue":[{{"timestamp":"{NOON}","sampledValue":[{{"value":1e400}}]}}]}}',
    )
    call("string too long", PCV, "Authorize", *({"idToken": TOKEN | {"idToken": c * 256}} for c in "xé"))
    call(
        "integer out of range",
        PCV,
        "TransactionEvent",
        *(EVENT | {"seqNo": wrong} for wrong in (2**31, -(2**31) - 1, 2**53 + 1, 2**63, 2**64, 10**30)),
    )
    call(
        "unknown enum value",
        PCV,
        "StatusNotification",
        *(STATUS_2X | {"connectorStatus": wrong} for wrong in ("Charging", "available", "", "x" * 10_000)),
    )
    call("unknown enum value further down", PCV, "MeterValues", {
        "evseId": 1,
        "meterValue": [{"timestamp": NOON, "sampledValue": [SAMPLE_2X, SAMPLE_2X | {"context": "CurrentMax"}]}],
    })  # fmt: skip
    call(
        "impossible or malformed date",
        PCV,
        "TransactionEvent",
        *(EVENT | {"timestamp": wrong} for wrong in ("", "noon", "2024-05-17T12:00:00", "2024-02-30T12:00:00Z")),
    )


MALFORMED_IN = {version: _rows(version) for version in Version}
