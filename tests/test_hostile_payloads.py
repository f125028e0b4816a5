"""What no station sends by accident: names that mean something to an interpreter, certificates beyond their size,
values without end, meters that run backwards, and addresses that somebody might be made to fetch from.
"""

from __future__ import annotations

import json
import re
import sys
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from ocpp_sansio import (
    CallFailed,
    CallReceived,
    CentralSystemSession,
    ChargePointSession,
    ErrorCode,
    InvalidMessage,
    InvalidResponse,
    Limits,
    PeerMisbehaved,
    Version,
    numbered_ids,
    v16,
)
from ocpp_sansio.central_system import Anomaly, LedgerAnomaly
from ocpp_sansio.diagnosis import MAX_VIOLATIONS, diagnose
from ocpp_sansio.messages import MAX_DEPTH, MAX_NODES, Datatype
from ocpp_sansio.schema import kind_of, kinds_within, properties
from tests.central_system.world import World, at, begin, end
from tests.corpus.malformed import EVENT, NOON
from tests.growth import assert_linear

GADGETS = """
    __class__ __dict__ __init__ __reduce__ __setstate__ __proto__ self cls None True class def import lambda
    $ref $id $schema $type @type {0.__class__} %s constructor prototype _id fields attrs
""".split()


def received(session: Any, action: str, payload: dict[str, Any]) -> tuple[Any, list[Any]]:
    """The event that a CALL becomes, and its answer if it has one already."""
    session.receive_data(json.dumps([2, "1", action, payload]), now=0.0)
    (event,) = iter(session.next_event, None)
    answers = [json.loads(text) for text in session.outbox]
    session.outbox.clear()
    return event, answers


@pytest.mark.parametrize("version", Version)
@pytest.mark.parametrize("name", GADGETS)
def test_a_name_is_one_of_the_schema_s_or_a_violation_f_44(version: Version, name: str) -> None:
    for extra in ({name: "x"}, {name: {name: ["x"]}}, {name: None}):
        session = CentralSystemSession(version, message_ids=numbered_ids("s"))
        event, (answer,) = received(session, "Heartbeat", extra)
        assert isinstance(event, PeerMisbehaved)
        assert answer[:2] == [4, "1"]
        assert answer[2] in {code.spelling(version) for code in (ErrorCode.FORMAT_VIOLATION, ErrorCode.PROTOCOL_ERROR)}
        assert [violation.path in (f"$.{name}", f"$['{name}']") for violation in event.violations] == [True]


@pytest.mark.parametrize("name", GADGETS)
def test_in_what_is_the_vendor_s_own_a_name_is_data_f_44(name: str) -> None:
    """CustomData of 2.x, and the data of a DataTransfer."""
    data = {"vendorId": "Vendor", name: {"x": name}}
    session = CentralSystemSession("2.0.1", message_ids=numbered_ids("s"))
    event, answers = received(session, "DataTransfer", {"vendorId": "Vendor", "data": data, "customData": data})
    assert isinstance(event, CallReceived)
    assert event.request.data == data
    assert type(event.request.data) is dict
    assert answers == []


@pytest.mark.parametrize(
    "action", [*GADGETS, "__init__", "Call", "Heartbeat.__class__", "heartbeat", "HeartbeatRequest"]
)
@pytest.mark.parametrize("version", Version)
def test_an_action_is_one_of_the_version_s_or_unknown_f_44(version: Version, action: str) -> None:
    session = CentralSystemSession(version, message_ids=numbered_ids("s"))
    event, (answer,) = received(session, action, {})
    assert isinstance(event, PeerMisbehaved)
    assert answer[:3] == [4, "1", "NotImplemented"]


FIRMWARE = {"location": "x", "retrieveDateTime": "2026-01-01T00:00:00Z", "signingCertificate": "x", "signature": "x"}
CAPS: list[tuple[str, str, dict[str, Any], str, int]] = [
    ("1.6", "InstallCertificate", {"certificateType": "CentralSystemRootCertificate"}, "certificate", 5500),
    ("1.6", "CertificateSigned", {}, "certificateChain", 10_000),
    ("1.6", "SignedUpdateFirmware", {"requestId": 1, "firmware": FIRMWARE}, "firmware.signingCertificate", 5500),
    ("1.6", "SignedUpdateFirmware", {"requestId": 1, "firmware": FIRMWARE}, "firmware.signature", 800),
    ("2.0.1", "InstallCertificate", {"certificateType": "CSMSRootCertificate"}, "certificate", 5500),
    ("2.0.1", "CertificateSigned", {}, "certificateChain", 10_000),
    ("2.0.1", "UpdateFirmware", {"requestId": 1, "firmware": FIRMWARE}, "firmware.signingCertificate", 5500),
    ("2.0.1", "UpdateFirmware", {"requestId": 1, "firmware": FIRMWARE}, "firmware.signature", 800),
    ("2.1", "InstallCertificate", {"certificateType": "CSMSRootCertificate"}, "certificate", 10_000),
    ("2.1", "CertificateSigned", {}, "certificateChain", 10_000),
]


@pytest.mark.parametrize(("version", "action", "payload", "path", "cap"), CAPS)
def test_a_certificate_has_the_size_that_the_schema_allows_f_43(
    version: str, action: str, payload: dict[str, Any], path: str, cap: int
) -> None:
    for size, kind in ((cap, CallReceived), (cap + 1, PeerMisbehaved)):
        sent = json.loads(json.dumps(payload))
        *above, name = path.split(".")
        holder = sent[above[0]] if above else sent
        holder[name] = "x" * size
        session = ChargePointSession(version, message_ids=numbered_ids("c"))
        event, _ = received(session, action, sent)
        assert isinstance(event, kind), (size, event)
        if isinstance(event, PeerMisbehaved):
            assert [violation.path for violation in event.violations] == [f"$.{path}"]
            assert len(event.text) <= 1024


# -- meter values that cannot be (F-112) --

ODD_TEXTS = ["-5", "1e999", "-1e999", "NaN", "Infinity", "", " ", "0x10", "1,5", "\u0661\u0662", "9" * 5000, "\x00"]
ODD_NUMBERS = [-1, -0.0, 1.7976931348623157e308, -1.7976931348623157e308, 5e-324, 2**31, 2**53, 1e30]


def metered(version: Version, *odd: Any) -> list[tuple[str, dict[str, Any]]]:
    """CALLs with these values in all places where a station tells what its meter shows."""
    readings = [{"timestamp": NOON, "sampledValue": [{"value": value} for value in odd]}]
    if version is Version.V16:
        stop = {"transactionId": 1, "meterStop": 0, "timestamp": NOON, "transactionData": readings}
        return [("MeterValues", {"connectorId": 1, "meterValue": readings}), ("StopTransaction", stop)]
    event = EVENT | {"eventType": "Ended", "meterValue": readings}
    return [("MeterValues", {"evseId": 1, "meterValue": readings}), ("TransactionEvent", event)]


@pytest.mark.parametrize("version", Version)
def test_meter_values_that_cannot_be_are_delivered_as_they_were_sent_f_112(version: Version) -> None:
    """Whether they make sense is not the protocol's to judge: a CALL that fits its schema gets to the application."""
    for odd in ODD_TEXTS if version is Version.V16 else ODD_NUMBERS:
        for action, payload in metered(version, odd):
            session = CentralSystemSession(version, message_ids=numbered_ids("s"))
            event, answers = received(session, action, payload)
            assert isinstance(event, CallReceived), (odd, event)
            assert answers == []
            values = getattr(event.request, "meter_value", None) or event.request.transaction_data
            assert odd in [sample.value for sample in values[0].sampled_value]


@pytest.mark.parametrize("start", [-(2**31), -1, 0, 2**31 - 1])
@pytest.mark.parametrize("stop", [-(2**31), -1, 0, 2**31 - 1])
def test_a_central_system_answers_and_flags_them_f_112(start: int, stop: int) -> None:
    """CS16-041: whatever the meter shows."""
    world = World()
    station = world.station()
    started = station.ask(begin(meter=start))
    assert isinstance(started, v16.StartTransactionResponse)
    for value in ODD_TEXTS:
        sample = v16.MeterValue(timestamp=at(30), sampled_value=[v16.SampledValue(value=value)])
        request = v16.MeterValuesRequest(connector_id=1, transaction_id=started.transaction_id, meter_value=[sample])
        assert station.ask(request) == v16.MeterValuesResponse()
    assert world.system.ledger.transactions()[0].meter_values == len(ODD_TEXTS)
    assert station.ask(end(started.transaction_id, meter=stop)) == v16.StopTransactionResponse()
    (transaction,) = world.system.ledger.transactions()
    assert transaction.stop is not None
    assert (transaction.meter_start, transaction.stop.meter_stop) == (start, stop)
    flags = [each.kind for each in world.told(LedgerAnomaly)]
    assert (Anomaly.METER_WENT_BACKWARDS in flags) or (start <= min(stop, -5))


# -- open values and long lists (F-113, F-114) --


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


def open_values(version: Version, content: str) -> list[tuple[str, str]]:
    """CALLs with a JSON text where the schema leaves everything open: what 1.6 does nowhere."""
    if version is Version.V16:
        return []
    custom = f'{{"vendorId":"x","a":{content}}}'
    inside = json.dumps(EVENT)[:-1] + f',"evse":{{"id":1,"customData":{custom}}}}}'
    return [
        ("DataTransfer", f'{{"vendorId":"x","data":{content}}}'),
        ("DataTransfer", f'{{"vendorId":"x","customData":{custom}}}'),
        ("TransactionEvent", inside),
    ]


WITHIN = {
    "depth": deep(MAX_DEPTH - 1),
    "nodes": "[" + ",".join("1" * 1000) + "]",
    "digits": "9" * 4000,
    "fraction": "1.7976931348623157e308",
    "names": json.dumps(dict.fromkeys(map(str, range(4096)), 0)),
}
BEYOND = {
    "depth": deep(MAX_DEPTH + 1),
    "depth in objects": '{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1),
    "depth of both": '[{"a":' * 20 + "1" + "}]" * 20,
    "a mebibyte of depth": deep(2**19),
    "nodes": "[" + "1," * MAX_NODES + "1]",
    "empty lists": "[" + "[]," * MAX_NODES + "[]]",
    "nodes of many lists": "[" + f"[{'1,' * 99}1]," * (MAX_NODES // 100) + "[]]",
    "names": "{" + ",".join(f'"{number:x}":0' for number in range(MAX_NODES + 1)) + "}",
    "digits": "9" * 5000,
    "too large a number": "1e400",
    "no number": "NaN",
    "infinity": "-Infinity",
    "half a pair": '"\\ud800"',
}


@pytest.mark.parametrize("version", [Version.V201, Version.V21])
@pytest.mark.parametrize("cap", WITHIN)
def test_what_is_left_open_is_taken_within_the_caps_f_114(version: Version, cap: str) -> None:
    for action, payload in open_values(version, WITHIN[cap]):
        session = CentralSystemSession(version, message_ids=numbered_ids("s"))
        session.receive_data(f'[2,"1","{action}",{payload}]', now=0)
        assert isinstance(session.next_event(), CallReceived)


@pytest.mark.no_cover
@pytest.mark.parametrize("version", [Version.V201, Version.V21])
@pytest.mark.parametrize("cap", BEYOND)
def test_what_is_left_open_is_under_the_same_caps_f_113_f_114(version: Version, cap: str) -> None:
    """In a request, in its customData, and in that of an object within it; and in what answers a CALL of ours."""
    for action, payload in open_values(version, BEYOND[cap]):
        session = CentralSystemSession(version, message_ids=numbered_ids("s"))
        session.receive_data(f'[2,"1","{action}",{payload}]', now=0)
        (event,) = iter(session.next_event, None)
        assert isinstance(event, PeerMisbehaved)
        assert len(event.text) <= session.limits.max_reported_text
        ((message_type, _, code, description, _),) = map(json.loads, session.data_to_send())
        assert (message_type, len(description) < 256) == (4, True)
        assert code in {"FormatViolation", "PropertyConstraintViolation", "RpcFrameworkError"}

        call = session.call(version.actions["DataTransfer"].request(vendor_id="x"), now=0)
        session.receive_data(f'[3,"{call.message_id}",{{"status":"Accepted","data":{BEYOND[cap]}}}]', now=0)
        (failed,) = iter(session.next_event, None)
        assert isinstance(failed, CallFailed)
        assert isinstance(failed.error, InvalidResponse)


@pytest.mark.parametrize("version", [Version.V201, Version.V21])
def test_what_is_left_open_is_under_them_on_its_way_out_as_well_f_71_f_114(version: Version) -> None:
    deepest: Any = []
    for _ in range(MAX_DEPTH):
        deepest = [deepest]
    for value in (deepest, [0] * (MAX_NODES + 1), 10**5000, float("inf"), {"a": {1}}, "\ud800"):
        session = ChargePointSession(version, message_ids=numbered_ids("s"))
        with pytest.raises(InvalidMessage):
            session.call(version.actions["DataTransfer"].request(vendor_id="x", data=value), now=0)
        assert session.data_to_send() == []


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("version", "action", "payload"),
    [
        ("1.6", "GetConfiguration", '{"key":[%s]}'),
        ("2.0.1", "GetVariables", '{"getVariableData":[%s]}'),
        ("2.1", "GetVariables", '{"getVariableData":[%s]}'),
    ],
)
@pytest.mark.parametrize("item", ["{}", "[]", "1", "null", '"x"'])
def test_a_list_without_bound_is_judged_in_linear_time_f_113(
    version: str, action: str, payload: str, item: str
) -> None:
    """And of very many faults the first are told."""

    def judge(text: str) -> list[Any]:
        session = ChargePointSession(version, message_ids=numbered_ids("s"), limits=Limits(max_values=2**20))
        session.receive_data(text, now=0)
        (event,) = iter(session.next_event, None)
        if isinstance(event, PeerMisbehaved):
            assert 0 < len(event.violations) <= MAX_VIOLATIONS
        return session.data_to_send()

    def text(size: int) -> str:
        return f'[2,"1","{action}",{payload % ",".join([item] * (size // (len(item) + 1)))}]'

    assert_linear(judge, text, up_to=2**18)
    assert sum(map(len, judge(text(2**18)))) < 2**14


# -- what is encoded in a text, and where it points to (F-116, F-118) --

BLOBS = re.compile("certificate|signature|csr|ocsp|exi|signedmeterdata|publickey|hash|serialnumber", re.IGNORECASE)


def datatypes(version: Version) -> set[type[Datatype]]:
    messages = [cls for action in version.actions.values() for cls in (action.request, action.response) if cls]
    kinds = [kind for cls in messages for kind in (kind_of(cls), *kinds_within(kind_of(cls)))]
    return {kind.type for kind in kinds if issubclass(kind.type, Datatype)}


BLOBS_OF = [
    pytest.param(cls, prop.wire_name, prop.kind.max_length, id=f"{version}-{cls.__name__}-{prop.wire_name}")
    for version in Version
    for cls in sorted(datatypes(version), key=lambda cls: cls.__name__)
    for prop in properties(cls)
    if prop.kind.type is str and BLOBS.search(prop.wire_name)
]


@pytest.mark.parametrize(("cls", "name", "cap"), BLOBS_OF)
def test_of_what_is_encoded_in_a_text_nothing_but_the_length_is_judged_f_116(
    cls: type[Datatype], name: str, cap: int | None
) -> None:
    """Base64, PEM and DER stay as they are, for who knows what to do with them: nothing here unpacks them."""
    assert cap is not None
    for text in ("=" * cap, "-----BEGIN CERTIFICATE-----\n!"[:cap], "é" * cap, ""):
        assert not [each for each in diagnose(cls, json.dumps({name: text})) if each.path == f"$.{name}"]
    (too_long,) = (each for each in diagnose(cls, json.dumps({name: "A" * (cap + 1)})) if each.path == f"$.{name}")
    assert too_long.rule == "maxLength"
    assert "AA" not in str(too_long)


def test_there_are_such_texts_in_every_version() -> None:
    assert len(BLOBS_OF) > 40


URLS = """
    http://169.254.169.254/latest/meta-data/ https://user:secret@example.com/x ftp://192.0.2.1/fw.bin sftp://example.com
    file:///etc/passwd gopher://192.0.2.1:25/_ jar:http://example.com!/ //example.com/x \\\\example.com\\share
    http://[::ffff:192.0.2.1]/ http://127.0.0.1:1/ data:text/plain,x javascript:alert(1) %0d%0aHost:x ../../etc/passwd
""".split()
NETWORK = {
    "ocppVersion": "OCPP20",
    "ocppTransport": "JSON",
    "messageTimeout": 30,
    "securityProfile": 1,
    "ocppInterface": "Wired0",
}
LOG = {"logType": "DiagnosticsLog", "requestId": 1}
FETCHING: list[tuple[Version, str, Any, str]] = [
    (Version.V16, "GetDiagnostics", lambda url: {"location": url}, "location"),
    (Version.V16, "UpdateFirmware", lambda url: {"location": url, "retrieveDate": NOON}, "location"),
    (Version.V16, "GetLog", lambda url: LOG | {"log": {"remoteLocation": url}}, "log.remote_location"),
    (
        Version.V16,
        "SignedUpdateFirmware",
        lambda url: {"requestId": 1, "firmware": FIRMWARE | {"location": url}},
        "firmware.location",
    ),
    *(
        (version, *row)
        for version in (Version.V201, Version.V21)
        for row in (
            ("GetLog", lambda url: LOG | {"log": {"remoteLocation": url}}, "log.remote_location"),
            (
                "UpdateFirmware",
                lambda url: {"requestId": 1, "firmware": {"location": url, "retrieveDateTime": NOON}},
                "firmware.location",
            ),
            ("PublishFirmware", lambda url: {"location": url, "checksum": "x", "requestId": 1}, "location"),
            (
                "SetNetworkProfile",
                lambda url: {"configurationSlot": 1, "connectionData": NETWORK | {"ocppCsmsUrl": url}},
                "connection_data.ocpp_csms_url",
            ),
        )
    ),
]

world_events: list[str] | None = None
"""What is asked of the operating system, while somebody wants to know."""


def _watch(event: str, _: tuple[Any, ...]) -> None:
    if world_events is not None and event.partition(".")[0] not in {"object", "sys", "compile", "exec", "import"}:
        world_events.append(event)


sys.addaudithook(_watch)


@pytest.mark.parametrize(("version", "action", "make", "path"), FETCHING, ids=lambda each: str(each)[:20])
def test_where_a_url_points_to_is_the_application_s_business_f_118(
    version: Version, action: str, make: Any, path: str
) -> None:
    """It is told as it was sent. Meanwhile nothing is asked of the system, let alone of the network."""
    global world_events  # noqa: PLW0603 - an audit hook cannot be taken out again
    session = ChargePointSession(version, message_ids=numbered_ids("s"))
    world_events = []
    try:
        for number, url in enumerate(URLS):
            session.receive_data(json.dumps([2, str(number), action, make(url)]), now=0)
            event = session.next_event()
            assert isinstance(event, CallReceived), event
            assert attrgetter(path)(event.request) == url
            session.reject(event, ErrorCode.NOT_SUPPORTED, now=0)
        assert world_events == []
        Path(__file__).read_bytes()
        assert world_events, "the hook would have seen it"
    finally:
        world_events = None
