"""The codec: what it reads, what it writes, and that it raises one exception only."""

from __future__ import annotations

import json
import time
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from fractions import Fraction
from typing import Annotated, Any

import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocpp_sansio import v16, v21
from ocpp_sansio.codec import Codec, PayloadError, codec_of, has_decimals, preload
from ocpp_sansio.diagnosis import diagnose
from ocpp_sansio.messages import Datatype, Integer, Tenths, Timestamp
from ocpp_sansio.testing.strategies import messages, payloads
from tests.examples import examples
from tests.growth import assert_linear
from tests.journey import truncated

NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
CLASSES = [cls for action in v16.ACTIONS.values() for cls in (action.request, action.response)]


class Sample(Datatype, kw_only=True):
    """One property of each scalar type."""

    text: Annotated[str, msgspec.Meta(max_length=5)] | None = None
    count: Integer | None = None
    limit: Tenths | None = None
    number: float | None = None
    flag: bool | None = None
    when: Timestamp | None = None
    unit: v16.ChargingRateUnitType | None = None
    inner: v16.IdTagInfo | None = None
    items: list[str] | None = None


def decode(text: bytes | str | msgspec.Raw) -> Sample:
    return codec_of(Sample).decode(text)


def refused(text: bytes | str | msgspec.Raw) -> bool:
    try:
        decode(text)
    except PayloadError:
        return True
    return False


def unwritable(**values: Any) -> bool:
    try:
        codec_of(Sample).encode(Sample(**values))
    except PayloadError:
        return True
    return False


# -- reading --


@pytest.mark.parametrize("payload", [b'{"count":3}', '{"count":3}', msgspec.Raw(b'{"count":3}')])
def test_bytes_text_and_raw_json_are_read_alike(payload):
    assert decode(payload) == Sample(count=3)


@pytest.mark.parametrize(
    "payload",
    [
        "",
        " ",
        "{",
        "[]",
        "null",
        "1",
        '"x"',
        "{}{}",
        "{'text':1}",
        "{}x",
        "\ufeff{}",
        '{"count":01}',
        '{"count":+1}',
        '{"count":0x1}',
        '{"limit":.5}',
        '{"limit":1.}',
        "{}//",
    ],
)
def test_what_is_not_one_json_object_is_refused_with_one_exception(payload):
    assert refused(payload)
    assert refused(payload.encode())


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
def test_f61_numbers_that_json_does_not_have_are_refused(literal):
    assert refused(f'{{"number":{literal}}}')


@pytest.mark.parametrize("literal", ["1e400", "-1e400", "1" + "0" * 400, "-1" + "0" * 5000])
def test_f62_a_number_that_is_infinite_as_a_float_is_refused(literal):
    assert refused(f'{{"number":{literal}}}')


def test_f62_a_number_too_small_for_a_float_is_zero_and_a_long_one_is_rounded():
    assert decode('{"number":1e-400}').number == 0.0
    assert decode('{"number":0.' + "3" * 400 + "}").number == 1 / 3


@pytest.mark.parametrize(
    "literal", ["2147483648", "-2147483649", str(2**53 + 1), str(2**63), str(2**64), "9" * 30, "9" * 5000]
)
def test_f63_integers_beyond_32_bits_are_refused(literal):
    assert refused(f'{{"count":{literal}}}')


@pytest.mark.parametrize(("literal", "value"), [("-0", 0), ("2147483647", 2**31 - 1), ("-2147483648", -(2**31))])
def test_f63_integers_of_32_bits_are_read(literal, value):
    assert decode(f'{{"count":{literal}}}').count == value


@pytest.mark.parametrize(
    "payload",
    [
        '{"count":true}',
        '{"count":1.0}',
        '{"count":1e0}',
        '{"count":"1"}',
        '{"flag":1}',
        '{"flag":"true"}',
        '{"text":1}',
        '{"limit":"1"}',
        '{"limit":false}',
        '{"when":0}',
        '{"unit":1}',
        '{"inner":[]}',
        '{"items":{}}',
    ],
)
def test_f64_no_type_stands_in_for_another(payload):
    """Not even ``1.0`` for an integer: the drafts disagree, and the repair for it will have to be asked for by name."""
    assert refused(payload)


@pytest.mark.parametrize("prop", [prop.encode_name for prop in msgspec.structs.fields(Sample)])
def test_no_property_may_be_null(prop):
    """RPC-038: an absent property is left out."""
    assert refused(json.dumps({prop: None}))


def test_the_word_null_in_a_string_is_a_string():
    """As seen in the field: ``"info": "null"``."""
    assert decode('{"text":"null"}').text == "null"


@pytest.mark.parametrize("first", ["1", "null", '"much too long"', '"fine"', "[[[]]]"])
def test_f66_of_a_repeated_key_the_last_one_counts(first):
    assert decode(f'{{"text":{first},"text":"last"}}').text == "last"
    assert refused(f'{{"text":"last","text":{first}}}') == (first != '"fine"')


def test_f66_an_escaped_key_is_the_same_key():
    assert decode(r'{"text":1,"\u0074ext":"last"}').text == "last"
    assert decode(r'{"\u0074ext":"first","text":"last"}').text == "last"


def test_preloading_knows_messages_without_a_response():
    preload(v21.ACTIONS)
    assert type(codec_of(v21.NotifyPeriodicEventStream)) is Codec


def test_f66_decimals_are_counted_in_the_last_one_too():
    assert decode('{"limit":"x","limit":0.1}').limit == 0.1
    assert decode('{"limit":0.123,"limit":0.1}').limit == 0.1
    assert refused('{"limit":"x","limit":0.12}')


@pytest.mark.parametrize("text", [r'"\ud800"', r'"\udc00\ud800"', r'"\ud800x"'])
def test_f67_half_a_surrogate_pair_is_refused(text):
    assert refused(f'{{"text":{text}}}')
    assert refused('{"text":"\ud800"}')


@pytest.mark.parametrize("raw", [b"\xff", b"\xed\xa0\x80", b"\xc3", b"\xf5\x80\x80\x80"])
def test_f67_what_is_not_utf8_is_refused(raw):
    assert refused(b'{"text":"' + raw + b'"}')
    assert refused(b'{"' + raw + b'":"x"}')


@pytest.mark.parametrize("text", ["\u202e", "\uffff", "😀", "e\u0301\u0301", "\x00"])
def test_f67_whatever_else_unicode_has_is_kept_as_it_is(text):
    """NUL, too, where the schema allows any text; identifiers are no business of the codec."""
    message = decode(json.dumps({"text": text}))
    assert message.text == text
    assert decode(codec_of(Sample).encode(message)) == message


def test_a_length_is_counted_in_characters():
    assert decode('{"text":"ééééé"}').text == "ééééé"
    assert decode('{"text":"😀😀😀😀😀"}').text == "😀😀😀😀😀"
    assert refused('{"text":"éééééé"}')


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
def test_f65_endless_nesting_is_refused(opening):
    assert refused('{"items":' + opening * 100_000)
    assert refused('{"unknown":' + opening * 100_000)
    assert refused(opening * 100_000)


def test_f69_a_string_of_a_mebibyte_is_refused_and_not_repeated():
    with pytest.raises(PayloadError) as caught:
        decode('{"text":"' + "x" * 2**20 + '"}')
    assert str(caught.value) == ""


TENTHS = [
    "0",
    "-0.0",
    "0.1",
    "0.3",
    "-0.7",
    "16.1",
    "11000.0",
    "10.10",
    "1.2000",
    "5e-1",
    "50e-2",
    "1e2",
    "1.5E3",
    "1.25e1",
    "0e-9",
    "-0e-9",
    "0.0e-400",
    "100e-3",
]
NOT_TENTHS = [
    "0.05",
    "0.11",
    "3.14",
    "1e-2",
    "1.1e-1",
    "11E-2",
    "0.10000000000000000000001",
    "0.30000000000000004",
    "1e-400",
    "1e-" + "9" * 30,
    "1e-" + "9" * 5000,
]


@pytest.mark.parametrize("literal", TENTHS)
def test_f70_multiples_of_a_tenth_are_read(literal):
    assert decode(f'{{"limit":{literal}}}').limit == float(literal)


@pytest.mark.parametrize("literal", NOT_TENTHS)
def test_f70_numbers_with_more_than_one_decimal_are_refused(literal):
    """RPC-105, decided on the text: some of these are exactly a tenth once they are floats."""
    assert refused(f'{{"limit":{literal}}}')
    assert refused(f'{{"limit": {literal} }}')


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?", fullmatch=True))
def test_f70_counting_decimals_agrees_with_exact_arithmetic(literal):
    assert has_decimals(literal, 1) == ((Fraction(literal) * 10).denominator == 1)


def test_numbers_without_that_rule_may_have_any_decimals():
    assert decode('{"number":3.14,"limit":0.1}') == Sample(number=3.14, limit=0.1)


def test_decimals_are_counted_inside_lists_and_objects():
    def profile(limit: str) -> str:
        return (
            '{"connectorId":1,"csChargingProfiles":{"chargingProfileId":1,"stackLevel":0,"chargingProfilePurpose":"TxProfile",'
            '"chargingProfileKind":"Absolute","chargingSchedule":{"chargingRateUnit":"A","startSchedule":"2026-11-22T12:00:00.12Z",'
            f'"chargingSchedulePeriod":[{{"startPeriod":0,"limit":16.0}},{{"startPeriod":60,"limit":{limit}}}]}}}}}}'
        )

    codec = codec_of(v16.SetChargingProfileRequest)
    codec.decode(profile("6.10"))
    with pytest.raises(PayloadError):
        codec.decode(profile("6.15"))


DATES = {
    "2026-11-22T12:00:00Z": NOON,
    "2026-11-22t12:00:00z": NOON,
    "2026-11-22 12:00:00Z": NOON,
    "2026-11-22T12:00:00.000Z": NOON,
    "2026-11-22T12:00:00.1234567Z": NOON.replace(microsecond=123457),
    "2026-11-22T12:00:00.123456789Z": NOON.replace(microsecond=123457),
    "2026-11-22T14:00:00+02:00": NOON,
    "2026-11-22T14:00:00+0200": NOON,
    "2026-11-23T02:00:00+14:00": NOON,
    "2026-11-21T22:00:00-14:00": NOON,
    "0001-01-01T00:00:00Z": datetime(1, 1, 1, tzinfo=UTC),
    "9999-12-31T23:59:59Z": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
}
NOT_DATES = [
    "",
    "2026-11-22",
    "2026-11-22T12:00:00",
    "2026-11-22T12:00Z",
    "2026-11-22T24:00:00Z",
    "2016-12-31T23:59:60Z",
    "0000-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "2026-02-29T00:00:00Z",
    "2026-11-22T12:00:00,5Z",
    "2026-11-22T12:00:00.Z",
    "2026-11-22T12:00:00+02",
    "2026-11-22T12:00:00+25:00",
    "20261122T120000Z",
    "ul",
]


@pytest.mark.parametrize(("text", "moment"), DATES.items())
def test_f111_timestamps_are_read_with_any_fraction_and_any_offset(text, moment):
    """RPC-100, RPC-101. A blank or a small letter between date and time, and an offset without colon, do no harm."""
    assert decode(json.dumps({"when": text})).when == moment


@pytest.mark.parametrize("text", NOT_DATES)
def test_f111_what_is_no_moment_in_time_is_refused(text):
    """A missing time zone included (RPC-101 would take it for UTC): that repair has to be asked for by name."""
    assert refused(json.dumps({"when": text}))


LONG = {
    "string of digits": lambda size: f'"{"9" * size}"',
    "string of signs": lambda size: f'"{"-" * size}"',
    "string of fractions": lambda size: f'"2026-11-22T12:00:00.{"0" * size}Z"',
    "string of escapes": lambda size: '"' + r"\u002d" * (size // 6) + '"',
    "integer": lambda size: "1" * size,
    "fraction": lambda size: "1." + "1" * size,
    "exponent": lambda size: "1e" + "1" * size,
    "negative exponents": lambda size: '"' + "1e-" * (size // 3) + '"',
    "second digits": lambda size: '"' + ".11" * (size // 3) + '"',
}


@pytest.mark.parametrize("literal", LONG)
@pytest.mark.parametrize("prop", ["when", "limit", "count", "unit", "text"])
def test_f115_reading_takes_linear_time(prop, literal):
    """And so does saying what is wrong with it."""
    assert_linear(
        lambda text: (refused(text), diagnose(Sample, text)), lambda size: f'{{"{prop}":{LONG[literal](size)}}}'
    )


# -- writing --


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NOON, "2026-11-22T12:00:00Z"),
        (NOON.replace(microsecond=123_999), "2026-11-22T12:00:00.123Z"),
        (NOON.replace(microsecond=120_000), "2026-11-22T12:00:00.120Z"),
        (NOON.replace(microsecond=999), "2026-11-22T12:00:00.000Z"),
        (NOON.astimezone(timezone(timedelta(hours=2))), "2026-11-22T12:00:00Z"),
        (NOON.replace(microsecond=5_500).astimezone(timezone(timedelta(hours=-3.5))), "2026-11-22T12:00:00.005Z"),
        (NOON.replace(microsecond=9).astimezone(timezone(timedelta(hours=13))), "2026-11-22T12:00:00.000Z"),
    ],
)
def test_timestamps_are_written_in_utc_and_cut_off_after_milliseconds(moment, text):
    """RPC-102."""
    encoded = codec_of(v16.HeartbeatResponse).encode(v16.HeartbeatResponse(current_time=moment))
    assert encoded == b'{"currentTime":"%b"}' % text.encode()


def test_the_zone_of_the_machine_is_of_no_concern(monkeypatch):
    """RPC-102."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        elsewhere = v16.HeartbeatResponse(current_time=NOON.astimezone(timezone(timedelta(hours=2))))
        encoded = codec_of(v16.HeartbeatResponse).encode(elsewhere)
    time.tzset()
    assert encoded == b'{"currentTime":"2026-11-22T12:00:00Z"}'


def test_many_timestamps_of_one_name_are_each_rewritten():
    moments = [
        NOON,
        NOON.replace(microsecond=1_000),
        NOON.replace(microsecond=1),
        NOON.astimezone(timezone(timedelta(hours=1))),
    ]
    values = [v16.MeterValue(timestamp=moment, sampled_value=[v16.SampledValue(value="1")]) for moment in moments]
    encoded = codec_of(v16.MeterValuesRequest).encode(v16.MeterValuesRequest(connector_id=1, meter_value=values))
    assert [value["timestamp"] for value in json.loads(encoded)["meterValue"]] == [
        "2026-11-22T12:00:00Z",
        "2026-11-22T12:00:00.001Z",
        "2026-11-22T12:00:00.000Z",
        "2026-11-22T12:00:00Z",
    ]


def test_a_string_that_looks_like_a_timestamp_is_left_alone():
    trap = '"timestamp":"2026-11-22T12:00:00.123456Z"'
    request = v16.StatusNotificationRequest(
        connector_id=1,
        error_code=v16.ChargePointErrorCode.NO_ERROR,
        status=v16.ChargePointStatus.AVAILABLE,
        info=trap,
        timestamp=NOON,
    )
    encoded = codec_of(v16.StatusNotificationRequest).encode(request)
    assert json.loads(encoded)["info"] == trap
    assert codec_of(v16.StatusNotificationRequest).decode(encoded) == request


def test_a_name_that_means_a_timestamp_only_sometimes_is_refused_when_the_codec_is_built():
    class Ambiguous(Datatype, kw_only=True):
        status: Timestamp
        inner: v16.IdTagInfo

    with pytest.raises(TypeError, match="status"):
        codec_of(Ambiguous)


def test_properties_that_are_none_are_left_out_and_empty_lists_are_kept():
    """RPC-038; RPC-039: an empty list means something in 1.6."""
    assert codec_of(Sample).encode(Sample()) == b"{}"
    assert codec_of(Sample).encode(Sample(items=[])) == b'{"items":[]}'


def test_zero_and_false_are_written():
    assert codec_of(Sample).encode(Sample(count=0, flag=False, text="")) == b'{"text":"","count":0,"flag":false}'


class Word(StrEnum):
    A = "a"


class Number(IntEnum):
    ONE = 1


class Text(str):
    __slots__ = ()


@attrs.define(eq=False)
class Agreeable:
    """Says that it is equal to whatever it is compared with."""

    status: str = "Accepted"

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None


@attrs.define(eq=False)
class Explosive:
    status: str = "Accepted"

    def __eq__(self, other: object) -> bool:
        raise KeyError("surprise")

    __hash__ = None


cyclic: list[Any] = []
cyclic.append(cyclic)

FOREIGN: dict[str, list[Any]] = {
    "text": [
        b"x",
        1,
        True,
        NOON,
        date(2026, 1, 1),
        uuid.UUID(int=0),
        Decimal(1),
        {"a"},
        ["x"],
        {},
        Text("x"),
        "\ud800",
        "too long",
        object(),
        1.5,
    ],
    "count": [True, 1.0, "1", Decimal(1), 2**31, 2**70, 10**5000, None.__class__, NOON],
    "limit": [True, "1", Decimal("0.1"), float("nan"), float("inf"), -float("inf"), 0.25, 0.1 + 0.2, 1e-7, 10**400],
    "number": [float("nan"), float("inf"), "1", 10**400],
    "flag": [1, 0, "true", b"x"],
    "when": [
        NOON.replace(tzinfo=None),
        "2026-11-22T12:00:00Z",
        date(2026, 1, 1),
        0,
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-2))),
        datetime(1900, 1, 1, tzinfo=timezone(timedelta(seconds=28))),
    ],
    "unit": ["X", 1, v16.Phase.L1, b"A"],
    "inner": [
        {"status": "Accepted"},
        v16.IdTagInfo(status="x"),
        Sample(),
        [],
        Agreeable(),
        Explosive(),
        v16.CancelReservationResponse(status=v16.CancelReservationStatus.ACCEPTED),
    ],
    "items": [("x",), {"x"}, frozenset("x"), [1], [None], "x", cyclic, [b"x"], iter("x")],
}


@pytest.mark.parametrize(
    ("prop", "value"),
    [(prop, value) for prop, values in FOREIGN.items() for value in values],
    ids=lambda value: type(value).__name__,
)
def test_f71_values_of_other_types_never_get_onto_the_wire_as_something_else(prop, value):
    if isinstance(value, Agreeable):
        # It has what an IdTagInfo has and swears to be one: what goes out is valid, and that is what counts.
        assert codec_of(Sample).encode(Sample(inner=value)) == b'{"inner":{"status":"Accepted"}}'
    else:
        assert unwritable(**{prop: value})


def test_f71_members_of_string_and_integer_enums_are_strings_and_integers():
    assert (
        codec_of(Sample).encode(Sample(text=Word.A, count=Number.ONE, unit="A")) == b'{"text":"a","count":1,"unit":"A"}'
    )


def test_f70_a_string_that_looks_like_a_number_has_no_decimals_to_count():
    codec, sample = codec_of(Sample), Sample(text="1.234", limit=0.1)
    for write in (codec.encode, codec.encode_with_proof):
        assert write(sample) == b'{"text":"1.234","limit":0.1}'
        assert write((3, "1", sample)) == b'[3,"1",{"text":"1.234","limit":0.1}]'


@pytest.mark.parametrize("limit", [16.25, 1e-7])
def test_f70_decimals_are_counted_in_a_frame_as_well(limit):
    """RPC-105: what is checked is the message within."""
    period = v16.ChargingSchedulePeriod(start_period=0, limit=limit)
    schedule = v16.ChargingSchedule(charging_rate_unit=v16.ChargingRateUnitType.A, charging_schedule_period=[period])
    response = v16.GetCompositeScheduleResponse(
        status=v16.GetCompositeScheduleStatus.ACCEPTED, charging_schedule=schedule
    )
    for value in (response, (3, "1", response)):
        with pytest.raises(PayloadError):
            codec_of(v16.GetCompositeScheduleResponse).encode(value)


def test_an_integer_serves_as_a_number():
    assert codec_of(Sample).encode(Sample(limit=16)) == b'{"limit":16}'


def test_a_missing_required_property_is_refused_in_writing():
    with pytest.raises(PayloadError):
        codec_of(v16.AuthorizeRequest).encode(v16.AuthorizeRequest(id_tag=None))


def test_another_class_is_refused_in_writing():
    with pytest.raises(PayloadError):
        codec_of(v16.ClearCacheRequest).encode(v16.HeartbeatRequest())


# -- there and back --


@pytest.mark.no_cover
@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_f72_what_is_written_is_read_back_the_same(cls):
    @settings(max_examples=examples(30))
    @given(messages(cls))
    def check(message):
        assert codec_of(cls).decode(codec_of(cls).encode(message)) == truncated(message)

    check()


def canonical(value: Any) -> Any:
    """A JSON value in a form that is the same for the same meaning: timestamps as milliseconds, numbers as decimals."""
    if isinstance(value, dict):
        return {name: canonical(item) for name, item in value.items()}
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if isinstance(value, str):
        try:
            return truncated(msgspec.convert(value, Timestamp))
        except msgspec.ValidationError:
            return value
    return value if isinstance(value, bool) else Decimal(repr(value))


@pytest.mark.no_cover
@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_f72_what_is_read_is_written_with_the_same_meaning(cls):
    @settings(max_examples=examples(30))
    @given(payloads(cls))
    def check(payload):
        written = json.loads(codec_of(cls).encode(codec_of(cls).decode(json.dumps(payload))))
        assert canonical(written) == canonical(payload)

    check()


def test_codecs_are_built_once():
    preload(v16.ACTIONS)
    codec = codec_of(v16.HeartbeatRequest)
    assert codec is codec_of(v16.HeartbeatRequest)
    assert codec.cls is v16.HeartbeatRequest
