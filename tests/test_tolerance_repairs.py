"""Each repair of payloads: what it takes, what is delivered, what it leaves alone, and what is told about it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocpp_sansio import FIELD, STRICT, WARN_ONLY, CustomData, Deviation, Repair, Tolerance, v16, v21, v201
from ocpp_sansio.codec import PayloadError, codec_of
from ocpp_sansio.messages import MAX_DEPTH, Datatype, Json, Request, Response, Tenths, Timestamp
from ocpp_sansio.testing.strategies import near_misses, payloads
from ocpp_sansio.tolerance import MAX_DEVIATIONS, read_payload

# Repairs of texts and of the message around the payload have tests of their own.
OF_PAYLOADS = [repair for repair in Repair if repair.value not in {
    "control-characters", "leading-comma", "trailing-comma", "unclosed-json",
    "number-as-id", "long-id", "missing-payload", "short-callerror", "action-case",
}]  # fmt: skip


class Unit(StrEnum):
    """With spellings that are hard to tell apart."""

    WATT = "W"
    HERTZ = "Hertz"
    PERCENT = "Percent"
    DOTTED = "A.B"
    CELSIUS = "Celsius"
    UPPER = "Same"
    LOWER = "same"


class Inner(Datatype, kw_only=True):
    """An object that has to have something in it."""

    name: Annotated[str, msgspec.Meta(max_length=3)]
    unit: Unit | None = None


class Empty(Datatype, kw_only=True):
    """An object that may be empty."""

    name: str | None = None


class Everything(Request[Response], kw_only=True):
    """A property of each kind."""

    text: Annotated[str, msgspec.Meta(max_length=5)] | None = None
    number: Annotated[int, msgspec.Meta(ge=0, le=9)] | None = None
    real: Annotated[float, msgspec.Meta(ge=-1, le=9)] | None = None
    tenths: Tenths | None = None
    both: Annotated[Tenths, msgspec.Meta(le=9)] | None = None
    flag: bool | None = None
    at: Timestamp | None = None
    unit: Unit | None = None
    inner: Inner | None = None
    empty: Empty | None = None
    texts: list[Annotated[str, msgspec.Meta(max_length=3)]] | None = None
    inners: Annotated[list[Inner], msgspec.Meta(min_length=1, max_length=2)] | None = None
    units: Annotated[list[Unit], msgspec.Meta(max_length=1)] | None = None
    reals: Annotated[list[float], msgspec.Meta(max_length=1)] | None = None
    custom_data: CustomData | None = None


class Open(Request[Response], kw_only=True):
    """Timestamps have no place beside what may be anything."""

    data: Json
    unit: Unit | None = None


class Strict(Request[Response], kw_only=True):
    """Nothing may be left out."""

    number: Annotated[int, msgspec.Meta(ge=2, le=9)]
    level: Annotated[float, msgspec.Meta(le=-5)]
    flag: bool
    at: Timestamp
    unit: Unit
    inner: Inner
    texts: list[str]
    inners: Annotated[list[Inner], msgspec.Meta(min_length=2)]
    custom_data: CustomData


def read(payload: Any, *repairs: str, cls: type[Datatype] = Everything) -> tuple[Any, list[Deviation]]:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    with pytest.raises(PayloadError):
        read_payload(codec_of(cls), text, STRICT)
    message, deviations = read_payload(codec_of(cls), text, Tolerance(repairs))
    return message, list(deviations)


def refused(payload: Any, *repairs: str | Repair, cls: type[Datatype] = Everything) -> None:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    with pytest.raises(PayloadError):
        read_payload(codec_of(cls), text, Tolerance(repairs or Repair))


Z = datetime(2026, 11, 22, 18, 4, 59, tzinfo=UTC)

# The repair, the property, what is sent for it (as JSON) and what is delivered.
TAKEN = [
    ("empty-as-absent", "at", '""', None),
    ("empty-as-absent", "unit", '""', None),
    ("empty-as-absent", "number", '""', None),
    ("empty-as-absent", "number", "[]", None),
    ("empty-as-absent", "inners", "[]", None),
    ("empty-as-absent", "inner", "{}", None),
    ("empty-as-absent", "customData", "{}", None),
    ("empty-as-absent", "texts", '""', None),
    ("empty-as-absent", "texts", "{}", None),
    ("empty-as-absent", "empty", "[]", None),
    ("null-as-absent", "text", "null", None),
    ("null-as-absent", "inner", "null", None),
    ("null-as-absent", "customData", "null", None),
    ("empty-list-as-object", "empty", "[]", Empty()),
    ("object-as-list", "inners", '{"name":"a"}', [Inner(name="a")]),
    ("object-as-list", "texts", '"a"', ["a"]),
    ("number-as-string", "text", "12", "12"),
    ("number-as-string", "text", "-0.10", "-0.10"),
    ("number-as-string", "text", "1e999", "1e999"),
    ("bool-as-string", "text", "true", "true"),
    ("bool-as-string", "text", "false", "false"),
    ("string-as-number", "number", '"7"', 7),
    ("string-as-number", "real", '"1.5"', 1.5),
    ("string-as-number", "real", '"1E0"', 1.0),
    ("string-as-number", "tenths", '"0.3"', 0.3),
    ("string-as-bool", "flag", '"true"', True),
    ("string-as-bool", "flag", '"False"', False),
    ("number-as-bool", "flag", "1", True),
    ("number-as-bool", "flag", "0", False),
    ("integral-float", "number", "2.0", 2),
    ("integral-float", "number", "0.5e1", 5),
    ("naive-time-is-utc", "at", '"2026-11-22T18:04:59"', Z),
    ("naive-time-is-utc", "at", '"2026-11-22 18:04:59.1234567"', Z.replace(microsecond=123457)),
    ("hour-only-offset", "at", '"2026-11-22T21:04:59+03"', Z),
    ("hour-only-offset", "at", '"2026-11-22T13:04:59.000-05"', Z),
    ("time-without-seconds", "at", '"2026-11-22T18:04Z"', Z.replace(second=0)),
    ("time-without-seconds", "at", '"2026-11-22T21:04+03:00"', Z.replace(second=0)),
    ("enum-alias", "unit", '"w"', Unit.WATT),
    ("enum-alias", "unit", '"HERTZ"', Unit.HERTZ),
    ("enum-alias", "unit", '"Hz"', Unit.HERTZ),
    ("enum-alias", "unit", '"Celcius"', Unit.CELSIUS),
    ("enum-alias", "unit", '"%"', Unit.PERCENT),
    ("enum-alias", "unit", '"a_b"', Unit.DOTTED),
    ("enum-alias", "unit", '" W "', Unit.WATT),
    ("unknown-enum", "unit", '"Lux"', "Lux"),
    ("unknown-enum", "unit", '""', ""),
    ("overlong-string", "text", '"abcdef"', "abcdef"),
    ("out-of-range", "number", "10", 10),
    ("out-of-range", "number", "-1", -1),
    ("out-of-range", "number", str(2**64 - 1), 2**64 - 1),
    ("out-of-range", "number", str(-(2**63)), -(2**63)),
    ("out-of-range", "real", "-1.5", -1.5),
    ("out-of-range", "real", "10", 10.0),
    ("excess-decimals", "tenths", "0.25", 0.25),
    ("excess-decimals", "both", "1e-2", 0.01),
    ("item-count", "inners", "[]", []),
    ("item-count", "inners", '[{"name":"a"},{"name":"b"},{"name":"c"}]', [Inner(name=name) for name in "abc"]),
    ("item-count", "units", '["W","Hertz"]', [Unit.WATT, Unit.HERTZ]),
    ("item-count", "reals", "[1,2.5,3]", [1.0, 2.5, 3.0]),
    ("wrong-type", "text", "[1.5]", [1.5]),
    ("wrong-type", "number", '"many"', "many"),
    ("wrong-type", "number", "1.5", 1.5),
    ("wrong-type", "number", str(2**64), 2**64),
    ("wrong-type", "real", "1e999", "1e999"),
    ("wrong-type", "real", "true", True),
    ("wrong-type", "both", "99.25", 99.25),
    ("wrong-type", "flag", "2", 2),
    ("wrong-type", "at", '"yesterday"', "yesterday"),
    ("wrong-type", "unit", '"' + "x" * 101 + '"', "x" * 101),
    ("wrong-type", "inner", "[1]", [1]),
    ("wrong-type", "inners", '{"name":"a"}', {"name": "a"}),
    ("wrong-type", "customData", '{"vendorId":"v","n":1e999}', {"vendorId": "v", "n": "1e999"}),
    ("wrong-type", "data", "[1e999]", ["1e999"]),
]  # fmt: skip


ALIKE = {
    "unit": ("unknown-enum", "enum-alias"),
    "inners": ("item-count", "object-as-list"),
    "inner": ("missing-property",),
    "customData": ("missing-property",),
}


@pytest.mark.parametrize(("repair", "name", "sent", "delivered"), TAKEN, ids=lambda each: str(each)[:40])
def test_a_repair_takes_what_it_is_named_for_and_tells_it(repair, name, sent, delivered):
    cls = Open if name == "data" else Everything
    message, [deviation] = read(f'{{"{name}": {sent}}}', repair, cls=cls)
    found = message.custom_data if name == "customData" else getattr(message, name)
    assert found == delivered
    assert type(found) is type(delivered)
    assert deviation.path == f"$.{name}"
    assert deviation.repair is Repair(repair)
    original = json.loads(sent) if "e999" not in sent else sent.strip('"')
    assert deviation.original == original or "e999" in sent
    # No other repair does it, nor all others together: but for those that take a part of the same.
    alike = {repair, "wrong-type", "empty-as-absent", "empty-list-as-object", *ALIKE.get(name, ())}
    others = [each for each in OF_PAYLOADS if each.value not in alike]
    refused(f'{{"{name}": {sent}}}', *others, cls=cls)


@pytest.mark.parametrize(
    ("repair", "name", "sent"),
    [
        ("empty-as-absent", "unit", '" "'),
        ("empty-as-absent", "number", "false"),
        ("empty-as-absent", "flag", "null"),
        ("null-as-absent", "text", "[]"),
        ("null-as-absent", "texts", "[null]"),
        ("empty-list-as-object", "empty", "[{}]"),
        ("empty-list-as-object", "inner", "[]"),
        ("object-as-list", "inners", '"a"'),
        ("object-as-list", "inners", "{}"),
        ("object-as-list", "texts", '{"name":"a"}'),
        ("object-as-list", "texts", "true"),
        ("object-as-list", "texts", '""'),
        ("object-as-list", "texts", "null"),
        ("number-as-string", "text", "true"),
        ("number-as-string", "text", "123456"),
        ("bool-as-string", "text", "1"),
        ("string-as-number", "number", '"7.0"'),
        ("string-as-number", "number", '" 7"'),
        ("string-as-number", "number", '"07"'),
        ("string-as-number", "number", '"+7"'),
        ("string-as-number", "number", '"٣"'),
        ("string-as-number", "number", '"0x7"'),
        ("string-as-number", "number", '"12"'),
        ("string-as-number", "real", '"NaN"'),
        ("string-as-number", "real", '"1."'),
        ("string-as-number", "real", '"0.' + "0" * 40 + '"'),
        ("string-as-number", "real", '"1e999"'),
        ("string-as-bool", "flag", '"1"'),
        ("string-as-bool", "flag", '"true "'),
        ("number-as-bool", "flag", "2"),
        ("number-as-bool", "flag", "1.0"),
        ("integral-float", "number", "2.5"),
        ("integral-float", "number", "9007199254740993.0"),
        ("integral-float", "number", "1e999999999999"),
        ("integral-float", "number", "20.0"),
        ("naive-time-is-utc", "at", '"2026-11-22"'),
        ("naive-time-is-utc", "at", '"2026-13-22T18:04:59"'),
        ("naive-time-is-utc", "at", '"2026-11-22T24:00:00"'),
        ("naive-time-is-utc", "at", '"2026-11-22T18:04:60"'),
        ("naive-time-is-utc", "at", '"10000-11-22T18:04:59"'),
        ("naive-time-is-utc", "at", '"2026-11-22T18:04:59+03"'),
        ("hour-only-offset", "at", '"2026-11-22T18:04:59"'),
        ("hour-only-offset", "at", '"2026-11-22T18:04:59+3"'),
        ("hour-only-offset", "at", '"2026-11-22T18:04:59+25"'),
        ("hour-only-offset", "at", '"2026-11-22T18:04:59.' + "0" * 60 + '+03"'),
        ("time-without-seconds", "at", '"2026-11-22T18Z"'),
        ("time-without-seconds", "at", '"2026-11-22T18:04"'),
        ("time-without-seconds", "at", '"2026-11-22T18:64Z"'),
        ("enum-alias", "unit", '"SAME"'),
        ("enum-alias", "unit", '"Watt"'),
        ("enum-alias", "unit", '""'),
        ("enum-alias", "unit", '"' + "-" * 100 + 'W"'),
        ("enum-alias", "unit", "1"),
        ("unknown-enum", "unit", '"' + "x" * 101 + '"'),
        ("unknown-enum", "unit", "1"),
        ("overlong-string", "text", "1234567"),
        ("out-of-range", "number", str(2**64)),
        ("out-of-range", "number", str(-(2**63) - 1)),
        ("out-of-range", "number", "10.0"),
        ("out-of-range", "real", "1e999"),
        ("out-of-range", "both", "99.25"),
        ("excess-decimals", "tenths", '"0.25"'),
        ("item-count", "inners", "{}"),
        ("item-count", "units", '["W","Lux"]'),
        ("wrong-type", "text", '"abcdef"'),
        ("wrong-type", "unit", '"Lux"'),
        ("wrong-type", "number", "10"),
        ("wrong-type", "tenths", "0.25"),
        ("wrong-type", "inner", '{"nam":"a"}'),
    ],
    ids=lambda each: str(each)[:40],
)  # fmt: skip
def test_a_repair_leaves_alone_what_is_only_like_it(repair, name, sent):
    refused(f'{{"{name}": {sent}}}', repair)


def test_what_is_empty_and_may_be_stays():
    payload = {"text": "", "texts": [], "empty": {}, "unit": "w"}
    message, deviations = read(payload, *Repair)
    assert (message.text, message.texts, message.empty) == ("", [], Empty())
    assert [each.path for each in deviations] == ["$.unit"]
    message, deviations = read({"data": None, "unit": "w"}, *Repair, cls=Open)
    assert message.data is None
    assert [each.path for each in deviations] == ["$.unit"]


def test_several_repairs_may_be_needed_in_one_place():
    message, deviations = read({"number": "20.0", "at": "2026-11-22T18:04", "text": 1234567}, *Repair)
    assert message == Everything(number=20, at=Z.replace(second=0), text="1234567")
    assert [(each.path, each.repair.value, each.original) for each in deviations] == [
        ("$.text", "number-as-string", 1234567),
        ("$.text", "overlong-string", 1234567),
        ("$.number", "string-as-number", "20.0"),
        ("$.number", "integral-float", "20.0"),
        ("$.number", "out-of-range", "20.0"),
        ("$.at", "time-without-seconds", "2026-11-22T18:04"),
        ("$.at", "naive-time-is-utc", "2026-11-22T18:04"),
    ]


def test_an_integer_is_read_from_a_fraction_only_where_that_is_exact():
    message, _ = read('{"number": 9007199254740991.0}', "integral-float", "out-of-range")
    assert message.number == 2**53 - 1
    refused('{"number": 9007199254740993.0}', "integral-float", "out-of-range")


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("604.213", 604.213),
        ("604.10", 604.1),
        ("1e3", 1000.0),
        ("-0.0", 0.0),
        ("604213000000000000000000000000.50", "604213000000000000000000000000.50"),
        ("0.10000000000000000001", "0.10000000000000000001"),
        ("1e-400", "1e-400"),
        ("1e400", "1e400"),
        ("0e99999999999999999999", "0e99999999999999999999"),
        ("60421300000000000000000000000000000", 60421300000000000000000000000000000),
    ],
)
def test_a_number_is_told_as_it_came_with_all_its_digits(sent: str, told: object):
    message, deviations = read(f'{{"text": {sent}}}', "number-as-string", "overlong-string")
    assert (message.text, deviations[0].original, type(deviations[0].original)) == (sent, told, type(told))
    _, [deviation] = read(f'{{"x": [{{"y": {sent}}}]}}', "unknown-field")
    assert deviation.original == [{"y": told}]


def test_a_repair_that_leads_nowhere_is_taken_back():
    message, [deviation] = read({"inners": {"nam": "a"}}, "object-as-list", "wrong-type")
    assert message.inners == {"nam": "a"}
    assert deviation == Deviation("$.inners", Repair.WRONG_TYPE, {"nam": "a"})
    message, [deviation] = read({"TEXT": []}, "property-case", "unknown-field")
    assert message == Everything()
    assert deviation == Deviation("$.TEXT", Repair.UNKNOWN_FIELD, [])
    message, [deviation] = read({"number": "1.5"}, "string-as-number", "wrong-type")
    assert message.number == "1.5"


def test_an_unknown_property_is_left_out_and_what_it_said_is_told_f_109():
    message, deviations = read({"text": "a", "x y": {"b": [1.5]}, "nil": None}, "unknown-field")
    assert message == Everything(text="a")
    assert deviations == [
        Deviation("$['x y']", Repair.UNKNOWN_FIELD, {"b": [1.5]}),
        Deviation("$.nil", Repair.UNKNOWN_FIELD, None),
    ]
    refused({"x": 1}, *(repair for repair in Repair if repair is not Repair.UNKNOWN_FIELD))


def test_a_misspelt_property_is_the_one_that_is_not_there_besides_f_109():
    message, deviations = read({"TEXT": "a", "Inner": {"NAME": "b"}, "Flag": None}, "property-case", "null-as-absent")
    assert message == Everything(text="a", inner=Inner(name="b"))
    assert deviations == [
        Deviation("$.TEXT", Repair.PROPERTY_CASE, "a"),
        Deviation("$.Inner", Repair.PROPERTY_CASE, {"NAME": "b"}),
        Deviation("$.inner.NAME", Repair.PROPERTY_CASE, "b"),
        Deviation("$.Flag", Repair.PROPERTY_CASE, None),
        Deviation("$.flag", Repair.NULL_AS_ABSENT, None),
    ]
    for payload in ({"text": "a", "TEXT": "b"}, {"TEXT": "a", "Text": "b"}, {"TEXTS": 1}, {"ﬂag": True}):
        refused(payload, "property-case")


def test_what_is_missing_f_109():
    message, deviations = read({}, "missing-property", "missing-list", cls=Strict)
    names = [field.name for field in msgspec.structs.fields(Strict)]
    assert {name: getattr(message, name) for name in names} == {**dict.fromkeys(names), "texts": []}
    assert [each.repair.value for each in deviations].count("missing-property") == len(names) - 1
    assert [each.path for each in deviations][-2:] == ["$.inners", "$.customData"]
    refused({}, "missing-list", cls=Strict)
    inner, [missing] = read({"inner": {}}, "missing-property")
    assert inner.inner.name is None
    assert missing == Deviation("$.inner.name", Repair.MISSING_PROPERTY, None)
    custom, [missing] = read({"customData": {"a": 1}}, "missing-property")
    assert dict(custom.custom_data) == {"vendorId": None, "a": 1}
    assert missing.path == "$.customData.vendorId"


def test_a_list_that_is_missing_may_be_too_short_as_well():
    payload = {"number": 2, "level": -5, "flag": True, "at": "2026-11-22T18:04:59Z", "unit": "W",
               "inner": {"name": "a"}, "texts": [], "customData": {"vendorId": "v"}}  # fmt: skip
    refused(payload, "missing-list", cls=Strict)
    message, deviations = read(payload, "missing-list", "item-count", cls=Strict)
    assert message.inners == []
    assert [(each.path, each.repair.value) for each in deviations] == [
        ("$.inners", "missing-list"),
        ("$.inners", "item-count"),
    ]


def test_what_is_kept_is_kept_at_any_depth():
    inners = [{"name": "abcd"}, {"name": "b", "unit": "Lux"}, {"name": "efgh", "unit": "w"}]
    message, deviations = read({"inners": inners}, *Repair)
    assert message.inners == [
        Inner(name="abcd"),
        Inner(name="b", unit="Lux"),  # type: ignore[arg-type]
        Inner(name="efgh", unit=Unit.WATT),
    ]
    assert [each.path for each in deviations] == [
        "$.inners[0].name", "$.inners[1].unit", "$.inners[2].name", "$.inners[2].unit", "$.inners",
    ]  # fmt: skip
    message, _ = read({"texts": ["abcdef", 12345, "a"], "customData": {"vendorId": "v" * 300, "a": 0.5}}, *Repair)
    assert message.texts == ["abcdef", "12345", "a"]
    assert dict(message.custom_data) == {"vendorId": "v" * 300, "a": 0.5}


@pytest.mark.parametrize("payload", ["1", '"a"', "true", "[1]", "null", "[]", "{", "", "\ud800", b"\xff"])
def test_only_an_object_is_a_payload(payload):
    with pytest.raises(PayloadError):
        read_payload(codec_of(Inner), payload, Tolerance(["wrong-type", "unknown-field", "empty-as-absent"]))


def test_a_payload_that_is_null_or_an_empty_list_is_an_empty_one_f_106():
    assert read("null", "null-as-absent") == (Everything(), [Deviation("$", Repair.NULL_AS_ABSENT, None)])
    assert read("[]", "empty-list-as-object") == (Everything(), [Deviation("$", Repair.EMPTY_LIST_AS_OBJECT, [])])


def test_there_is_an_end_to_what_is_put_up_with():
    refused({"texts": [1] * (MAX_DEVIATIONS + 1)})
    assert len(read({"texts": [1] * MAX_DEVIATIONS}, *Repair)[1]) == MAX_DEVIATIONS
    deep = '{"x":' * MAX_DEPTH + "{}" + "}" * MAX_DEPTH
    refused(f'{{"x": {deep}}}')
    refused(f'{{"customData": {{"vendorId":"v","x":{deep}}}}}')
    refused('{"x":' + "[" * 100_000 + "]" * 100_000 + "}")


# -- properties --

CLASSES = [
    v16.BootNotificationRequest,
    v16.GetConfigurationResponse,
    v16.MeterValuesRequest,
    v16.SendLocalListRequest,
    v16.SetChargingProfileRequest,
    v16.StatusNotificationRequest,
    v16.StopTransactionRequest,
    v201.BootNotificationRequest,
    v201.TransactionEventRequest,
    v21.NotifyDERAlarmRequest,
    v21.TransactionEventRequest,
    Everything,
    Open,
    Strict,
]
every_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
ONE_BY_ONE = [Tolerance([repair]) for repair in OF_PAYLOADS]

# What each repair takes, by the rule that is broken.
RULES = {
    "type": {
        "null-as-absent", "empty-as-absent", "empty-list-as-object", "object-as-list", "number-as-string",
        "bool-as-string", "string-as-number", "string-as-bool", "number-as-bool", "wrong-type",
    },
    "enum": {"enum-alias", "unknown-enum", "empty-as-absent"},
    "format": {"naive-time-is-utc", "time-without-seconds", "empty-as-absent", "wrong-type"},
    "maxLength": {"overlong-string"},
    "minimum": {"out-of-range"},
    "maximum": {"out-of-range"},
    "multipleOf": {"excess-decimals"},
    "minItems": {"item-count", "empty-as-absent"},
    "maxItems": {"item-count"},
    "required": {"missing-property", "missing-list", "empty-as-absent"},
    "additionalProperties": {"unknown-field", "property-case"},
}  # fmt: skip


@pytest.mark.no_cover
@every_class
def test_whatever_is_wrong_one_repair_alone_takes_only_what_it_is_named_for(cls):
    @settings(max_examples=15)
    @given(near_misses(cls))
    def check(miss):
        text = json.dumps(miss.payload)
        for tolerance in ONE_BY_ONE:
            try:
                _, [deviation] = read_payload(codec_of(cls), text, tolerance)
            except PayloadError:
                continue
            assert deviation.repair.value in RULES[miss.rule]
            assert deviation.path == miss.path or miss.rule == "required"

    check()


@pytest.mark.no_cover
@every_class
def test_under_warn_only_every_object_is_delivered_and_the_right_one_without_a_word(cls):
    @settings(max_examples=15)
    @given(near_misses(cls), payloads(cls))
    def check(miss, right):
        message, deviations = read_payload(codec_of(cls), json.dumps(miss.payload), WARN_ONLY)
        assert type(message) is cls
        assert deviations
        message = codec_of(cls).decode(json.dumps(right))
        for tolerance in (STRICT, FIELD, WARN_ONLY):
            assert read_payload(codec_of(cls), json.dumps(right), tolerance) == (message, ())

    check()


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(["", "W", "hz", "1", "1.0", "true", "2026-11-22T18:04+03", "x" * 150]),
    ),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from(["name", "unit", "Name"]), inside),
    max_leaves=6,
)
NAMES = st.sampled_from([*(field.encode_name for field in msgspec.structs.fields(Everything)), "TEXT", "x"])
TOLERANCES = st.sets(st.sampled_from(OF_PAYLOADS)).map(Tolerance)


def outcome(text: str, tolerance: Tolerance) -> Any:
    try:
        return read_payload(codec_of(Everything), text, tolerance)[1]
    except PayloadError:
        return None


@pytest.mark.no_cover
@settings(max_examples=300)
@given(st.dictionaries(NAMES, JSON, max_size=4), TOLERANCES, TOLERANCES)
def test_the_more_is_allowed_the_more_is_delivered(payload, one, other):
    text = json.dumps(payload)
    both = Tolerance([*one.rules, *other.rules])
    if outcome(text, one) is not None or outcome(text, other) is not None:
        assert outcome(text, both) is not None
    assert outcome(text, WARN_ONLY) is not None
    used = {each.repair for each in outcome(text, both) or ()}
    assert used <= {repair for rule in both.rules for repair in rule.repairs}


@settings(max_examples=200)
@given(st.text(max_size=40) | st.binary(max_size=40))
def test_nothing_else_is_raised_whatever_comes(text):
    with pytest.raises(PayloadError):
        read_payload(codec_of(Inner), text, FIELD)
