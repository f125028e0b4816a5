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
from ocpp_sansio.redaction import MIN_IDENTITY, PLAIN, SECRETS, Redactor
from ocpp_sansio.schema import kind_of, kinds_within, properties
from ocpp_transports.recording import Recorder, read
from tests.growth import assert_linear

redact = Redactor(b"key", identities=["CP-17", "CP-170"])

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
    "another case": '{"IdTag":"04a2B3"}',
    "no case": '{"IDTAG":"04a2B3",}',
    "another case of a key": '{"Key":"AuthorizationKey","Value":"04a2B3"}',
    "another case of a variable": '{"Variable":{"Name":"serialnumber"},"AttributeValue":"04a2B3"}',
    "another case in what is no JSON": "ID_TAG=04a2B3",
    "other separators": '{"id_tag":"04a2B3"}',
    "an escape in the name": r'{"id\u0054ag":"04a2B3"}',
    "an escape in the key": r'{"key":"Authorization\u004bey","value":"04a2B3"}',
    "inside of what is secret": '{"idTag":{"x":"04a2B3"}}',
    "deep inside of what is secret": '{"idTag":[{"x":{"type":["04a2B3"]}}]}',
    "inside of what is secret but for its type": '{"groupIdToken":{"type":"Central","vendorId":"04a2B3"}}',
    "inside of a type": '{"idToken":{"type":{"a":"04a2B3"}}}',
    "a token that is none": '{"groupIdToken":"04a2B3"}',
    "inside of the value": '{"key":"AuthorizationKey","value":{"x":["04a2B3"]}}',
    "vendorId in anything": '{"vendorId":"A","data":{"vendorId":"04a2B3"}}',
    "a vendor's password": '{"ftpPassword":"04a2B3"}',
    "a vendor's serial number": '{"serial":"04a2B3"}',
    "credentials in escapes": r'{"location":"ftp:\/\/04a2B3@example.com\/a"}',
    "credentials in other escapes": r'{"location":"ftp:\u002f\u002F04a2B3\u0040example.com"}',
    "a query in escapes": r'{"location":"https:\/\/example.com\/a\u003f04a2B3"}',
    "a fragment": '{"location":"https://example.com/a#04a2B3"}',
    "a parameter": '{"location":"https://example.com/a;04a2B3"}',
    "a member of other quotes in a free text": '{"idTag":null,"description":"no {\'id_tag\': \'04a2B3\'}"}',
    "a member in a free text": r'{"description":"no \"idTag\" : \"04a2B3\""}',
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
        '[2,"1","ChangeConfiguration",{"key":"MaxEnergyOnInvalidId","value":"5"}]',
        '[2,"1","ChangeConfiguration",{"key":"AllowOfflineTxForUnknownId","value":"true"}]',
        '[2,"1","ChangeConfiguration",{"key":"CertificateSignedMaxChainSize","value":"5"}]',
        '[2,"1","GetConfiguration",{"key":["AuthorizationKey","SupportedFeatureProfiles"]}]',
        '[3,"1",{"configurationKey":[{"key":"PingInterval","value":"10"}],"unknownKey":["A"]}]',
        '[2,"1","A",{"info":"at 10:15 it is 5:30 @night, city: data, http://example.com:8080/a@b"}]',
        '[4,"1","FormatViolation","in data: city",{"cause":"the certificate: idTag is too long"}]',
        '[2,"1","Heartbeat",{}',
        "hello",
        "",
    ],
)
def test_what_is_not_secret_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("before", "secret", "behind"),
    [
        ("ftp://", "u:04a2B3", "@h/p"),
        ("ftp://", "u:04@a2B3", "@h/p"),
        (r"ftp:\/\/", "u:04@a2B3", r"@h\/p"),
        ("ftp://", "u:x4/a2B3", "@h/p"),
        ("ftp://", "u:x4?a2@B3", "@h:21/p"),
        ("https://h:8080/p?", "a=04a2B3", ""),
        ("https://[::1]/p?", "04a2B3", " a@b"),
        ("x ftp://", "u:x", "@h/p y a:/b@c"),
        ("", "u:04a2B3", "@h/p"),
        ("apn ", "me@x:04@a2:B3", "@internet.example"),
        ("'", "u:04a2B3", "@[::1]'"),
    ],
)
def test_credentials_are_told_from_the_host(before: str, secret: str, behind: str) -> None:
    head, tail = f'{{"location":"{before}', f'{behind}"}}'
    new = redact(f"{head}{secret}{tail}")
    assert new.startswith(head)
    assert new.endswith(tail)
    new = new[len(head) : len(new) - len(tail)]
    assert re.sub("[a-z]", "a", re.sub("[A-Z]", "A", re.sub(r"\d", "0", new))) == re.sub(
        "[a-z]", "a", re.sub("[A-Z]", "A", re.sub(r"\d", "0", secret))
    )
    assert not set(re.findall(r"[0-9a-zA-Z]{2,}", secret)) & set(re.findall(r"[0-9a-zA-Z]{2,}", new))


@pytest.mark.parametrize(
    "name",
    """AuthorizationKey wifiKey WIFI_KEY EncryptionKey VpnKey MasterKey1 FTPPwd ApiPassphrase WifiPSK SimPin SIM_PIN
    PinCode FreeChargeIdTag idtag AutoChargeId ChargePointId chargepointid CPID station_id EvseId VehicleId SeccId
    EVCCID VIN MacAddress MAC VehicleCertificate OrganizationName CpoName WifiSSID ApnUser ApiToken PublicKeyToken
    SerialNumber Iccid""".split(),
)
def test_settings_whose_names_sound_secret_are(name: str) -> None:
    for text in (
        '{"key":"%s","value":"04a2B3"}',
        '{"variable":{"name":"%s","instance":"I"},"variableAttribute":[{"value":"04a2B3"}]}',
    ):
        assert SECRET not in redact(text % name)


def test_customdata_keeps_whose_it_is() -> None:
    new = json.loads(redact('{"customData":{"vendorId":"com.example","a":true,"b":null,"c":15,"d":"x1"}}'))[
        "customData"
    ]
    assert (new["vendorId"], new["a"], new["b"]) == ("com.example", True, None)
    assert 10 <= new["c"] <= 99
    assert re.fullmatch(r"[a-z]\d", new["d"])


def test_a_token_keeps_its_type() -> None:
    text = '{"idToken":{"idToken":"04a2B3","type":"ISO14443","additionalInfo":[{"additionalIdToken":"9","type":"x"}]}}'
    new = json.loads(redact(text))["idToken"]
    assert (new["type"], new["additionalInfo"][0]["type"]) == ("ISO14443", "x")
    assert new["idToken"] != "04a2B3"


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


def test_an_identity_is_replaced_in_any_case_and_however_it_is_written() -> None:
    assert redact('["cp-17"]') == f'["{redact.replace("cp-17")}"]'
    assert "17" not in redact(r'["CP\u002d17"]')
    both = Redactor(b"key", identities=["EVSE", "evse1", "Garage"])
    assert both('{"evse":"EVSE","a":"Evse1 garage Garage"}') == (
        f'{{"evse":"{both.replace("EVSE")}","a":"{both.replace("Evse1")} garage {both.replace("Garage")}"}}'
    )
    assert Redactor(b"key", identities=["İST-1"])('["İST-1"]') != '["İST-1"]'


def test_the_longest_of_many_identities_is_meant() -> None:
    names = ["abc", "abcd", "abcde", "abd", "xyz", "x*z", "abc" + "z" * 300, *("y" * length for length in range(3, 99))]
    many = Redactor(b"key", identities=names)
    for name in names:
        assert many(f'["{name}"]') == f'["{many.replace(name)}"]'
        assert many(f'["{name}-"]') == f'["{many.replace(name)}-"]'
    assert many('["ab","xz"]') == '["ab","xz"]'


def test_an_identity_that_would_be_found_everywhere_is_refused() -> None:
    with pytest.raises(ValueError, match=f"'CP' would be found everywhere: it takes {MIN_IDENTITY} characters"):
        Redactor(b"key", identities=["CP-1", "CP"])


@pytest.mark.once
@pytest.mark.parametrize(
    "unit",
    [
        "a://",
        "a://u:p",
        "://[",
        "a:b,",
        "u:p@",
        "idTag",
        "idTag:",
        '"idTag":{',
        "[",
        "\\",
        r"\u0041",
        "CP-1",
        " ",
        "-----",
    ],
)
@pytest.mark.parametrize("end", ["", '"]'])
def test_it_takes_time_in_proportion_to_the_text(unit: str, end: str) -> None:
    assert_linear(redact, lambda size: '["' * bool(end) + unit * (size // len(unit)) + end, up_to=2**16, doublings=2)


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
        iso15118CertificateHashData ocspRequestData idTagInfo idTokenInfo configurationKey
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
    assert {part for name in PLAIN for part in name.split(".")} <= {*names, *names_of(Version.V21)}


@pytest.mark.parametrize("version", [Version.V201, Version.V21])
def test_what_is_plain_is_what_else_there_is_in_a_secret_one(version: Version) -> None:
    payloads = [cls for action in version.actions.values() for cls in (action.request, action.response) if cls]
    kinds = {kind for cls in payloads for kind in kinds_within(kind_of(cls)) if issubclass(kind.type, Datatype)}
    members = {
        f"{outer.wire_name}.{inner.wire_name}"
        for kind in kinds
        for outer in properties(kind.type)
        if outer.wire_name in SECRETS[version] and issubclass((outer.kind.items or outer.kind).type, Datatype)
        for inner in properties((outer.kind.items or outer.kind).type)
        if inner.wire_name not in SECRETS[version]
    }
    stream = {"data.t", "data.v"} if version is Version.V21 else set()  # as secret as all data
    assert members - stream == PLAIN - {"customData.vendorId"}


def test_what_is_in_no_table_does_not_sound_secret_by_itself() -> None:
    tables = {name.rpartition(".")[2] for names in SECRETS.values() for name in names}
    for name in {name for version in Version for name in names_of(version)} - tables:
        text = f'[2,"1","Action",{{"{name}":"04a2B3"}}]'
        assert redact(text) == text


def test_a_reason_is_given_only_for_what_sounds_secret() -> None:
    everywhere = {name for version in Version for name in names_of(version)}
    assert REASON_OF.keys() <= {name for name in everywhere if SOUNDS_SECRET.search(name)}
