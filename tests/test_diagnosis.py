"""The diagnosis: every violation, its path, its rule, its code; in agreement with the codec."""

from __future__ import annotations

import json
import time
import timeit
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocpp_sansio import v16, v201
from ocpp_sansio.codec import PayloadError, codec_of
from ocpp_sansio.diagnosis import CODES, MAX_NAME, MAX_REPORTED, diagnose, diagnose_message, validate, worst
from ocpp_sansio.errors import ErrorCode, InvalidMessage, Violation
from ocpp_sansio.messages import Datatype, Integer, Tenths, Timestamp
from ocpp_sansio.testing.strategies import messages, near_misses, payloads
from tests.examples import examples

NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
CLASSES = [cls for action in v16.ACTIONS.values() for cls in (action.request, action.response)]


class Sample(Datatype, kw_only=True):
    """One property of each kind."""

    text: Annotated[str, msgspec.Meta(max_length=5)]
    count: Integer | None = None
    limit: Tenths | None = None
    number: Annotated[float, msgspec.Meta(ge=-1, le=1)] | None = None
    flag: bool | None = None
    when: Timestamp | None = None
    unit: v16.ChargingRateUnitType | None = None
    inner: v16.IdTagInfo | None = None
    items: (
        Annotated[list[Annotated[str, msgspec.Meta(max_length=2)]], msgspec.Meta(min_length=1, max_length=3)] | None
    ) = None


def found(payload: Any, cls: type[Datatype] = Sample) -> list[tuple[str, str]]:
    text = payload if isinstance(payload, str | bytes) else json.dumps(payload)
    return [(violation.path, violation.rule) for violation in diagnose(cls, text)]


def accepted(cls: type[Datatype], text: str | bytes) -> bool:
    try:
        codec_of(cls).decode(text)
    except PayloadError:
        return False
    return True


# -- agreement --


@pytest.mark.no_cover
@pytest.mark.parametrize("cls", [Sample, *CLASSES], ids=lambda cls: cls.__name__)
def test_nothing_is_wrong_with_what_the_codec_reads(cls):
    @settings(max_examples=examples(20))
    @given(payloads(cls))
    def check(payload):
        assert diagnose(cls, json.dumps(payload)) == ()

    check()


@pytest.mark.no_cover
@pytest.mark.parametrize("cls", [Sample, *CLASSES], ids=lambda cls: cls.__name__)
def test_of_a_payload_with_one_thing_wrong_exactly_that_is_found(cls):
    """F-109: place and rule; :mod:`tests.test_oracle` compares the verdict with the official schemas."""

    @settings(max_examples=examples(40))
    @given(near_misses(cls))
    def check(miss):
        text = json.dumps(miss.payload)
        assert not accepted(cls, text)
        assert found(text, cls) == [(miss.path, miss.rule)]

    check()


# Anything JSON can hold, keys and words of the messages among it so that it comes close to being valid.
HOSTILE = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
        st.sampled_from(["A", "W", "Accepted", "2026-11-22T12:00:00Z", "2026-11-22T12:00:00", 0.1, 1.0, 2**31, 10**30]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from([*Sample.__struct_fields__, "status", "expiryDate", "x"]), inner, max_size=9),
    ),
    max_leaves=12,
)


@pytest.mark.no_cover
@given(st.dictionaries(st.sampled_from([*Sample.__struct_fields__, "x"]), HOSTILE))
def test_codec_and_diagnosis_agree_on_any_json(payload):
    text = json.dumps(payload)
    assert (diagnose(Sample, text) == ()) == accepted(Sample, text)


@pytest.mark.no_cover
@given(st.lists(st.tuples(st.sampled_from(Sample.__struct_fields__), HOSTILE), max_size=6))
def test_f66_codec_and_diagnosis_agree_on_repeated_keys(pairs):
    text = '{"text":"x",' + ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in pairs)
    text = text.rstrip(",") + "}"
    assert (diagnose(Sample, text) == ()) == accepted(Sample, text)


@pytest.mark.no_cover
@given(st.data())
def test_codec_and_diagnosis_agree_on_damaged_text(data):
    text = json.dumps(data.draw(payloads(v16.SetChargingProfileRequest))).encode()
    at = data.draw(st.integers(0, len(text)))
    damaged = text[:at] + data.draw(st.binary(max_size=3)) + text[at + data.draw(st.integers(0, 3)) :]
    assert (diagnose(v16.SetChargingProfileRequest, damaged) == ()) == accepted(v16.SetChargingProfileRequest, damaged)


LITERALS = [
    "-0",
    "1E5",
    "1e400",
    "-1e400",
    "1e-400",
    "1e-" + "9" * 30,
    "9" * 400,
    "9" * 5000,
    "0." + "1" * 5000,
    "1" + "0" * 308,
    "1" + "0" * 309,
    "NaN",
    "0.10",
    "0.11",
]


@pytest.mark.parametrize("literal", LITERALS, ids=lambda literal: literal[:10])
@pytest.mark.parametrize("prop", ["count", "limit", "number", "text", "flag"])
def test_f62_f63_codec_and_diagnosis_agree_on_extreme_numbers(prop, literal):
    text = f'{{"text":"x","{prop}":{literal}}}'
    assert (diagnose(Sample, text) == ()) == accepted(Sample, text)


# -- what is said --


def test_all_violations_are_found_in_one_pass_each_with_its_path():
    payload = {
        "connectorId": "1",
        "transactionId": 2**31,
        "meterValue": [
            {"timestamp": "yesterday", "sampledValue": [{"value": "1"}, {"value": 1, "unit": "Volt"}, {}]},
            {"timestamp": "2026-11-22T12:00:00Z", "sampledValue": [{"value": "1"}]},
            {"sampledValue": [None, {"value": "1", "phase": "L1", "Phase": "L1"}]},
        ],
        "meterValues": [],
    }
    assert found(payload, v16.MeterValuesRequest) == [
        ("$.connectorId", "type"),
        ("$.transactionId", "maximum"),
        ("$.meterValue[0].timestamp", "format"),
        ("$.meterValue[0].sampledValue[1].value", "type"),
        ("$.meterValue[0].sampledValue[1].unit", "enum"),
        ("$.meterValue[0].sampledValue[2].value", "required"),
        ("$.meterValue[2].timestamp", "required"),
        ("$.meterValue[2].sampledValue[0]", "type"),
        ("$.meterValue[2].sampledValue[1].Phase", "additionalProperties"),
        ("$.meterValues", "additionalProperties"),
    ]


SENTENCES = [
    ({}, "$.text", "required", "is required"),
    ({"text": 1}, "$.text", "type", "must be a string, is an integer"),
    ({"text": 1.5}, "$.text", "type", "must be a string, is a number with a fraction or an exponent"),
    ({"text": None}, "$.text", "type", "must be a string, is null"),
    ({"text": "x", "count": True}, "$.count", "type", "must be an integer, is a boolean"),
    ({"text": "x", "count": 1.0}, "$.count", "type", "must be an integer, is a number with a fraction or an exponent"),
    ({"text": "x", "limit": "1"}, "$.limit", "type", "must be a number, is a string"),
    ({"text": "x", "limit": False}, "$.limit", "type", "must be a number, is a boolean"),
    ({"text": "x", "flag": "yes"}, "$.flag", "type", "must be a boolean, is a string"),
    ({"text": "x", "when": 0}, "$.when", "type", "must be a string, is an integer"),
    ({"text": "x", "unit": {}}, "$.unit", "type", "must be a string, is an object"),
    ({"text": "x", "inner": []}, "$.inner", "type", "must be an object, is an array"),
    ({"text": "x", "items": {}}, "$.items", "type", "must be an array, is an object"),
    ({"text": "much too long"}, "$.text", "maxLength", "may have at most 5 characters, has 13"),
    ({"text": "x", "unit": "VA"}, "$.unit", "enum", "must be one of A, W"),
    ({"text": "x", "count": 2**31}, "$.count", "maximum", "must be at most 2147483647"),
    ({"text": "x", "count": -(2**31) - 1}, "$.count", "minimum", "must be at least -2147483648"),
    ({"text": "x", "number": 1.5}, "$.number", "maximum", "must be at most 1"),
    ({"text": "x", "number": 10**400}, "$.number", "maximum", "must be a finite number of 64 bits"),
    ({"text": "x", "limit": 0.25}, "$.limit", "multipleOf", "may have 1 fraction digit at most"),
    (
        {"text": "x", "when": "soon"},
        "$.when",
        "format",
        "is not a date and time: it must look like 2026-11-22T18:04:59Z",
    ),
    (
        {"text": "x", "when": "2026-11-22T18:04:59"},
        "$.when",
        "format",
        "has no time zone: it must look like 2026-11-22T18:04:59Z",
    ),
    ({"text": "x", "items": []}, "$.items", "minItems", "must have 1 or more items, has 0"),
    ({"text": "x", "items": [""] * 4}, "$.items", "maxItems", "must have 3 or fewer items, has 4"),
    ({"text": "x", "Text": "x"}, "$.Text", "additionalProperties", "Sample has no property of this name"),
]


@pytest.mark.parametrize(
    ("payload", "path", "rule", "sentence"), SENTENCES, ids=[f"{path} {rule}" for _, path, rule, _ in SENTENCES]
)
def test_a_violation_says_what_is_expected_and_what_is_there(payload, path, rule, sentence):
    assert diagnose(Sample, json.dumps(payload)) == (Violation(path, rule, CODES[rule], sentence),)


def test_too_many_items_and_broken_items_are_found_together():
    assert found({"text": "x", "items": ["", "long", "", 1]}) == [
        ("$.items", "maxItems"),
        ("$.items[1]", "maxLength"),
        ("$.items[3]", "type"),
    ]


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        ("[]", "the payload must be an object, is an array"),
        ('"x"', "the payload must be an object, is a string"),
        ("1", "the payload must be an object, is an integer"),
        ("1.5", "the payload must be an object, is a number with a fraction or an exponent"),
        ("true", "the payload must be an object, is a boolean"),
        ("null", "the payload must be an object, is null"),
    ],
)
def test_a_payload_that_is_no_object_is_a_format_violation(payload, sentence):
    """The one wrong type that is not a TypeConstraintViolation; see the table of error codes."""
    assert diagnose(Sample, payload) == (Violation("$", "type", ErrorCode.FORMAT_VIOLATION, sentence),)


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        ("", "the payload is not JSON"),
        ('{"text":"x"', "the payload is not JSON"),
        (r'{"text":"\ud800"}', "the payload is not JSON"),
        (b'{"text":"\xff"}', "the payload is not UTF-8"),
        ('{"text":"\ud800"}', "the payload is not UTF-8"),
        ('{"text":' + "[" * 100_000, "the payload is nested too deeply"),
        ('{"count":' + "9" * 5000 + "}", "a number in the payload has too many digits"),
    ],
    ids=["empty", "cut off", "lone surrogate", "not UTF-8", "surrogate in text", "deep", "long"],
)
def test_a_payload_that_is_not_json_is_a_format_violation(payload, sentence):
    assert diagnose(Sample, payload) == (Violation("$", "json", ErrorCode.FORMAT_VIOLATION, sentence),)


@pytest.mark.parametrize("payload", [b'{"text":1}', '{"text":1}', msgspec.Raw(b'{"text":1}')])
def test_bytes_text_and_raw_json_are_diagnosed_alike(payload):
    assert [violation.path for violation in diagnose(Sample, payload)] == ["$.text"]


def test_f69_f103_no_sentence_repeats_the_offending_value():
    secret = "hunter2hunter2"
    payload = dict.fromkeys(["text", "count", "limit", "flag", "when", "unit", "inner"], secret) | {"items": [secret]}
    violations = diagnose(Sample, json.dumps(payload))
    assert len(violations) == 8
    assert secret not in "".join(map(str, violations))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("vendorExtension", "$.vendorExtension"),
        ("a b", "$['a b']"),
        ("größe", "$['größe']"),
        ("it's", '$["it\'s"]'),
        ("", "$['']"),
        ("x" * 51, f"$['{'x' * MAX_NAME}…']"),
        ("\u202ex", r"$['\u202ex']"),
        ("\n", r"$['\n']"),
    ],
)
def test_the_name_of_an_unknown_property_is_shown_printable_and_short(name, path):
    (violation,) = diagnose(Sample, json.dumps({"text": "x", name: 1}))
    assert (violation.path, violation.rule) == (path, "additionalProperties")


def test_f113_of_very_many_faults_the_first_are_described():
    many = {"text": "x", **{f"x{number:04}": 1 for number in range(1000)}}
    assert len(found(many)) == MAX_REPORTED
    values = [{"timestamp": "2026-11-22T12:00:00Z", "sampledValue": [{}] * 100}] * 100
    assert len(found({"connectorId": 1, "meterValue": values}, v16.MeterValuesRequest)) == MAX_REPORTED**2


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "payload",
    [
        '{"connectorId":1,"meterValue":[' + "{}," * 350_000 + "{}]}",
        '{"connectorId":1,"meterValue":[' + "[]," * 350_000 + "[]]}",
        "{" + ",".join(f'"{number:06x}":0' for number in range(90_000)) + "}",
        '{"connectorId":"' + "x" * 2**20 + '"}',
    ],
    ids=["objects", "arrays", "keys", "string"],
)
def test_f68_a_mebibyte_of_faults_takes_a_few_times_as_long_as_to_read_it(payload):
    def cost(read: Callable[[str], object]) -> float:
        """Of three runs the shortest: whatever else the machine does only makes one longer."""
        return min(timeit.repeat(lambda: read(payload), timer=time.process_time, number=1, repeat=3))

    assert diagnose(v16.MeterValuesRequest, payload)
    assert cost(lambda text: diagnose(v16.MeterValuesRequest, text)) < 20 * cost(json.loads)


# -- the worst --


def violations_of(*rules: str) -> list[Violation]:
    return [Violation("$", rule, CODES[rule], "") for rule in rules]


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        (("additionalProperties", "maxLength", "type", "required"), ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION),
        (("minItems", "additionalProperties", "enum", "type"), ErrorCode.TYPE_CONSTRAINT_VIOLATION),
        (("minItems", "additionalProperties", "enum"), ErrorCode.PROPERTY_CONSTRAINT_VIOLATION),
        (("minItems", "additionalProperties", "maxLength"), ErrorCode.PROPERTY_CONSTRAINT_VIOLATION),
        (("minItems", "additionalProperties", "minimum"), ErrorCode.PROPERTY_CONSTRAINT_VIOLATION),
        (("minItems", "additionalProperties", "maximum"), ErrorCode.PROPERTY_CONSTRAINT_VIOLATION),
        (("minItems", "additionalProperties", "multipleOf"), ErrorCode.PROPERTY_CONSTRAINT_VIOLATION),
        (("minItems", "additionalProperties", "format"), ErrorCode.PROPERTY_CONSTRAINT_VIOLATION),
        (("maxItems", "additionalProperties"), ErrorCode.FORMAT_VIOLATION),
        (("maxItems",), ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION),
        (("minItems",), ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION),
    ],
)
def test_the_first_rule_in_order_gives_the_code(rules, code):
    """RPC-092."""
    assert worst(violations_of(*rules)) is code
    assert worst(violations_of(*reversed(rules))) is code


def test_no_object_at_all_is_worse_than_anything_in_one():
    assert worst(diagnose(Sample, "[]")) is ErrorCode.FORMAT_VIOLATION


# -- messages made by hand --


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_valid_message_is_returned_as_it_is(cls):
    @settings(max_examples=examples(10))
    @given(messages(cls))
    def check(message):
        assert validate(message) is message
        assert diagnose_message(message) == ()

    check()


def test_all_violations_of_a_message_are_listed():
    message = v16.MeterValuesRequest(
        connector_id=True,
        meter_value=[v16.MeterValue(timestamp=NOON.replace(tzinfo=None), sampled_value=[v16.SampledValue(value=b"1")])],
    )
    with pytest.raises(InvalidMessage) as caught:
        validate(message)
    assert [(violation.path, violation.message) for violation in caught.value.violations] == [
        ("$.connectorId", "must be an integer, is a boolean"),
        ("$.meterValue[0].timestamp", "has no time zone"),
        ("$.meterValue[0].sampledValue[0].value", "must be a string, is a Python bytes"),
    ]
    assert str(caught.value).startswith("MeterValuesRequest is not valid: $.connectorId: must be an integer")


WRONG = [
    ({"text": None}, "$.text", "must be a string, is null"),
    ({"text": NOON}, "$.text", "must be a string, is a Python datetime"),
    ({"text": "\ud800"}, "$.text", "holds half of a surrogate pair, which cannot be written as UTF-8"),
    ({"text": "x", "number": float("nan")}, "$.number", "must be a finite number of 64 bits"),
    ({"text": "x", "limit": 0.1 + 0.2}, "$.limit", "may have 1 fraction digit at most"),
    ({"text": "x", "limit": Decimal("0.1")}, "$.limit", "must be a number, is a Python Decimal"),
    ({"text": "x", "count": 1.0}, "$.count", "must be an integer, is a number"),
    ({"text": "x", "items": ("x",)}, "$.items", "must be an array, is a Python tuple"),
    ({"text": "x", "inner": v16.HeartbeatRequest()}, "$.inner", "must be an object, is a Python HeartbeatRequest"),
    ({"text": "x", "unit": 1}, "$.unit", "must be a string, is an integer"),
    ({"text": "x", "when": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))}, "$.when", "is not a date in UTC"),
    # What has no better name: JSON would look right, but it is not what the class declares.
    (
        {"text": "x", "inner": {"status": "Accepted"}},
        "$",
        "holds a value of another Python type than its class declares",
    ),
    (
        {"text": "x", "when": "2026-11-22T12:00:00Z"},
        "$",
        "holds a value of another Python type than its class declares",
    ),
]


@pytest.mark.parametrize(("values", "path", "sentence"), WRONG, ids=[sentence for _, _, sentence in WRONG])
def test_f71_a_foreign_value_is_named_by_place_and_type(values, path, sentence):
    assert [(violation.path, violation.message) for violation in diagnose_message(Sample(**values))] == [
        (path, sentence)
    ]


def test_members_of_string_enums_are_strings_in_messages():
    assert diagnose_message(Sample(text=v16.Phase.L1, unit=v16.ChargingRateUnitType.A)) == ()
    assert [v.path for v in diagnose_message(Sample(text=v16.Phase.L1, unit=v16.Phase.L1))] == ["$.unit"]


def test_a_valid_text_beyond_ascii_beside_a_fault_is_no_fault():
    assert found({"text": "é", "count": "1"}) == [("$.count", "type")]


def test_an_enum_with_a_default_is_judged_like_any_other():
    """SCH-029."""
    payload = '{"value": 1, "location": "Moon", "context": null}'
    violations = diagnose(v201.SampledValue, payload)
    assert {(violation.path, violation.rule) for violation in violations} == {
        ("$.location", "enum"),
        ("$.context", "type"),
    }
