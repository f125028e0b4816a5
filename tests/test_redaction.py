"""What is secret in a message is replaced, and what is odd about it is kept."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio import Direction, Version
from ocpp_sansio.messages import Datatype
from ocpp_sansio.redaction import DEEP, SECRETS, Redactor
from ocpp_sansio.schema import kind_of, kinds_within, properties
from ocpp_transports.recording import Recorder, read

redact = Redactor(b"key", identities=["CP-17", "CP-170", "x"])

SECRET = "04a2B3"
PLACES = {
    "idTag": '{"idTag":"04a2B3"}',
    "idToken": '{"idToken": {"idToken" : "04a2B3", "type": "ISO14443"}}',
    "list": '{"idTokens":["04a2B3"]}',
    "group": '{"vpn":{"server":"a","group":"04a2B3","type":"IPSec"}}',
    "key": '{"key":"AuthorizationKey","value":"04a2B3"}',
    "key behind": '{"value":"04a2B3","key":"authorizationkey"}',
    "keys": '{"configurationKey":[{"key":"WifiPassword","readonly":false,"value":"04a2B3"}]}',
    "variable": '{"attributeValue":"04a2B3","variable":{"name":"BasicAuthPassword"},"component":{"name":"A"}}',
    "report": '{"variable":{"name":"SerialNumber"},"variableAttribute":[{"type":"Actual","value":"04a2B3"}]}',
    "signed": '{"value":"04a2B3","format":"SignedData"}',
    "data": '{"vendorId":"A","data":"04a2B3"}',
    "data of anything": '{"vendorId":"A","data":{"a":[{"b":"04a2B3"}]}}',
    "customData": '{"customData":{"vendorId":"A","owner":["04a2B3"]}}',
    "credentials": '{"location":"ftp://04a2B3@example.com/a"}',
    "query": '{"location":"https://example.com/a?04a2B3"}',
    "broken off": '{"idTag":"04a2B3',
    "broken off in an escape": '{"idTag":"04a2B3\\\\\\"',
    "no quotes": "{idTag: 04a2B3}",
    "other quotes": "{'idTag': '04a2B3'}",
    "a quote too few": '{"idTag:"04a2B3","a":1}',
    "a brace too many": '}]{"idTag":"04a2B3"}',
    "no value but in a list": '{"iccid":[["04a2B3"]]}',
    "no JSON": "idTag=04a2B3",
}


@pytest.mark.parametrize("payload", PLACES.values(), ids=PLACES)
def test_a_secret_is_replaced_wherever_it_is_and_nothing_else(payload: str) -> None:
    text = f'[2, "1","Action",{payload}]'
    new = redact(text)
    before, _, behind = text.partition(SECRET)
    assert new != text
    assert new.startswith(before)
    assert new.endswith(behind)
    assert re.fullmatch(r"\d\d[a-f]\d[A-F]\d", new[len(before) : len(new) - len(behind)])


@pytest.mark.parametrize(
    "text",
    [
        '[2,"1","Heartbeat",{}]',
        '[2,"1","ChangeConfiguration",{"key":"HeartbeatInterval","value":"04a2B3"}]',
        '[3,"1",{"setVariableResult":[{"attributeValue":"1","variable":{"name":"HeartbeatInterval"}}]}]',
        '[2,"1","MeterValues",{"meterValue":[{"timestamp":"2026-01-01T12:00:00Z","sampledValue":[{"value":"1.5"}]}]}]',
        '[2,"1","StatusNotification",{"status":"Available","info":"is it?yes","connectorId":1}]',
        '[2,"1","UpdateFirmware",{"location":"https://example.com/firmware.bin"}]',
        '[2,"1","Authorize",{"idTag":null,"idToken":{"type":"Central"}}]',
        '[2,"1","SetNetworkProfile",{"apn":{"apn":"a"},"group":"a","key":["a"]}]',
        '[2,"1","A",{"name":"Password","value":"1"}]',
        '[2,"1","Heartbeat",{}',
        "hello",
        "",
    ],
)
def test_what_is_not_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_customdata_keeps_whose_it_is() -> None:
    new = json.loads(redact('{"customData":{"vendorId":"com.example","a":true,"b":null,"c":15,"d":"x1"}}'))[
        "customData"
    ]
    assert (new["vendorId"], new["a"], new["b"]) == ("com.example", True, None)
    assert 10 <= new["c"] <= 99
    assert re.fullmatch(r"[a-z]\d", new["d"])


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("12345", r"[1-9]\d{4}"),
        ("0", "0"),
        ("007", r"00[1-9]"),
        ("-10.50", r"-[1-9]\d\.\d\d"),
        ("1.5e3", r"[1-9]\.\de3"),
        ("true", "true"),
        ("null", "null"),
        ("12ab", r"\d\d[a-f]{2}"),
        ('""', '""'),
        (r'"a\"b"', r'"[a-f]\\"[a-f]"'),
        (r'"zz\u0041\u00FC\ud83d\ude00\ud83d"', r'"[a-z]{2}\\u00[45][0-9a-f]\\u00e9\\ud83d\\ude00\\ud83d"'),
        (r'"\n\\n A-é✓"', r'"\\n\\\\[a-z] [A-Z]-é✓"'),
        (
            r'"-----BEGIN CERTIFICATE-----\nMIIB/x+==\n-----END CERTIFICATE-----\n"',
            r'"-----BEGIN CERTIFICATE-----\\n[A-Z]{4}/[a-z]\+==\\n-----END CERTIFICATE-----\\n"',
        ),
    ],
)
def test_a_value_keeps_its_shape(value: str, shape: str) -> None:
    new = redact(f'{{"idTag":{value},"a":1}}')
    assert re.fullmatch(rf'\{{"idTag":{shape},"a":1\}}', new), new


def test_equal_values_stay_equal_and_only_under_the_same_key() -> None:
    one, two = (json.loads(redact(f'{{"idTag":"{tag}"}}'))["idTag"] for tag in ("04A2B3C4", "04a2b3c4"))
    assert one == two.upper() == redact.replace("04A2B3C4") != "04A2B3C4"
    escaped = json.loads(redact(r'{"idTag":"\u00304A2B3C4"}'))["idTag"]
    assert escaped == one
    assert Redactor(b"key").replace("04A2B3C4") == one
    assert Redactor(b"another").replace("04A2B3C4") != one
    assert Redactor(b"k").replace("y04") != Redactor(b"ky").replace("04")
    with pytest.raises(ValueError, match="empty"):
        Redactor(b"")


def test_an_identity_is_replaced_wherever_it_is() -> None:
    new = redact('[2,"CP-17-1","BootNotification",{"chargePointModel":"x CP-170","firmwareVersion":"CP-17"}]')
    assert "CP-17" not in new
    assert new == (
        f'[2,"{redact.replace("CP-17")}-1","BootNotification",{{"chargePointModel":"x {redact.replace("CP-170")}",'
        f'"firmwareVersion":"{redact.replace("CP-17")}"}}]'
    )


def test_without_identities_none_is_looked_for() -> None:
    assert Redactor(b"key")('["CP-17"]') == '["CP-17"]'


@given(st.text(alphabet='{}[]:,"\\ 19aZé\n', max_size=30) | st.text(), st.sampled_from(["idTag", "data", "location"]))
def test_nothing_is_too_strange_and_everything_keeps_its_length(noise: str, name: str) -> None:
    for text in (noise, f'{{"{name}":"{noise}"}}', f'{{"{name}":{noise}', f'{noise}"{name}":"a://b?{noise}'):
        new = redact(text)
        assert len(new) == len(text)
        assert [each for each in new if not each.isalnum()] == [each for each in text if not each.isalnum()]


def test_it_is_what_a_recorder_takes(tmp_path: Path) -> None:
    with Recorder(tmp_path / "a", redact=redact) as recorder:
        recorder.of("CP1")(Direction.IN, '[2,"1","Authorize",{"idTag":"04A2B3C4"}]', 0.0)
    (message,) = read(tmp_path / "a")
    assert message.text == f'[2,"1","Authorize",{{"idTag":"{redact.replace("04A2B3C4")}"}}]'


# -- what is in the table --

SOUNDS_SECRET = re.compile(
    r"pass|secret|pin$|key|certificate|csr|serial|iccid|imsi|token|idtag|user|ident|url|location|signature|signed|emaid"
    r"|mail|phone|address|^city|postal|^vat|ocsp|hash|exi|psp|receipt|customer|apn|vpn|^data$|customData",
    re.IGNORECASE,
)

REASONS = {
    "an object or a list, whose own properties are looked at": """
        apn vpn certificateHashData certificateHashDataChain childCertificateHashData customerCertificate
        iso15118CertificateHashData ocspRequestData idTagInfo idTokenInfo groupIdToken configurationKey
        signedMeterValue certificateStatusRequests hashRootCertificate vatCompany
    """,
    "one of a few words, or a number of things": """
        certificateType certificateStatus hashAlgorithm apnAuthentication maximumContractCertificateChains
        signatureId
    """,
    "a URL: what is before the @ and behind the question mark is replaced wherever there is one": """
        location remoteLocation ocppCsmsUrl responderURL urls
    """,
    "names of settings, which say whether a value is secret": "key unknownKey",
    "an access point of a provider, not of a customer": "apn",
    "tells a firmware or a price from another, not a station": "signature priceScheduleSignature",
}
REASON_OF = {name: reason for reason, names in REASONS.items() for name in names.split()}


def names_of(version: Version) -> dict[str, set[str]]:
    """The properties of all messages, with the data types that they are in."""
    payloads = [cls for action in version.actions.values() for cls in (action.request, action.response) if cls]
    kinds = [kind for cls in payloads for kind in kinds_within(kind_of(cls)) if issubclass(kind.type, Datatype)]
    found: dict[str, set[str]] = {}
    for kind in kinds:
        for each in properties(kind.type):
            found.setdefault(each.wire_name, set()).add(kind.type.__name__)
    return found


@pytest.mark.parametrize("version", Version)
def test_whatever_sounds_secret_is_in_the_table_or_has_a_reason(version: Version) -> None:
    names = names_of(version)
    table = {name.rpartition(".")[2] for name in SECRETS[version]}
    assert {name for name in names if SOUNDS_SECRET.search(name)} - table - REASON_OF.keys() == set()
    assert {part for name in SECRETS[version] for part in name.split(".")} <= names.keys(), (
        "what is not there is not kept"
    )
    assert {*SECRETS[version], "customData"} >= DEEP


def test_a_reason_is_given_only_for_what_sounds_secret() -> None:
    everywhere = {name for version in Version for name in names_of(version)}
    assert REASON_OF.keys() <= {name for name in everywhere if SOUNDS_SECRET.search(name)}
