"""What the schemas of 2.x leave open: customData, and the data of a DataTransfer (SCH-022, SCH-026)."""

from __future__ import annotations

import copy
import json
import math
import pickle
from datetime import UTC, datetime
from typing import Any

import attrs
import cattrs
import msgspec
import pytest

from ocpp_sansio import CustomData, ErrorCode, InvalidMessage, v21, v201, validate
from ocpp_sansio.codec import PayloadError, codec_of
from ocpp_sansio.diagnosis import diagnose, diagnose_message
from ocpp_sansio.messages import MAX_DEPTH, MAX_NODES, Datatype, Json, Timestamp, is_bounded, write_open

HEARTBEAT = codec_of(v201.HeartbeatRequest)
TRANSFER = codec_of(v201.DataTransferRequest)
CUSTOM = CustomData("com.example", limit=5, nested=[None, {"a": 1.5}])


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def custom(content: str) -> str:
    return f'{{"customData": {content}}}'


def data(content: str) -> str:
    return f'{{"vendorId": "v", "data": {content}}}'


def refused(cls: type[Datatype], payload: str) -> set[tuple[str, str]]:
    """Where and by which rules the diagnosis refuses what the codec refuses."""
    with pytest.raises(PayloadError):
        codec_of(cls).decode(payload)
    return {(violation.path, violation.rule) for violation in diagnose(cls, payload)}


# ------------------------------------------------------------------------------------------------------- customData


def test_custom_data_is_a_read_only_mapping_by_the_names_on_the_wire():
    assert CUSTOM.vendor_id == CUSTOM["vendorId"] == "com.example"
    assert dict(CUSTOM) == {"vendorId": "com.example", "limit": 5, "nested": [None, {"a": 1.5}]}
    assert (len(CUSTOM), CUSTOM.get("other")) == (3, None)
    with pytest.raises(TypeError):
        CUSTOM["limit"] = 6
    with pytest.raises(TypeError):
        hash(CUSTOM)


def test_custom_data_is_compared_by_its_value_and_shows_it():
    assert CustomData("v", a=1) == CustomData.of({"a": 1, "vendorId": "v"})
    assert CustomData("v", a=1) != CustomData("v", a=2)
    assert CustomData("v") != {"vendorId": "v"}
    assert repr(CustomData("v", a=1)) == "CustomData.of({'vendorId': 'v', 'a': 1})"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_custom_data_can_be_copied_and_pickled(duplicate):
    assert duplicate(CUSTOM) == CUSTOM


def test_what_a_vendor_adds_is_read_kept_and_written_again():
    payload = {"customData": {"x": [1, 1.5, True, None, {"é": "ü"}], "vendorId": "v", "": {}}}
    message = HEARTBEAT.decode(json.dumps(payload))
    assert message.custom_data == CustomData.of(payload["customData"])
    assert list(message.custom_data) == ["x", "vendorId", ""]
    assert json.loads(HEARTBEAT.encode(message)) == payload


def test_a_vendor_may_use_the_names_of_the_protocol_for_anything():
    """The search that brings timestamps into the form of RPC-102 leaves those of a vendor alone."""
    codec = codec_of(v201.HeartbeatResponse)
    times = {"currentTime": "2026-11-22T18:04:59.123456Z", "b": {"currentTime": "soon"}}
    message = v201.HeartbeatResponse(
        current_time=datetime(2026, 11, 22, 18, 4, 59, 123456, tzinfo=UTC), custom_data=CustomData("v", **times)
    )
    sent = codec.encode(message)
    assert json.loads(sent) == {"currentTime": "2026-11-22T18:04:59.123Z", "customData": {"vendorId": "v", **times}}
    assert codec.decode(sent).custom_data == message.custom_data


@pytest.mark.parametrize("version", [v201, v21])
def test_every_object_may_have_custom_data_at_any_depth(version):
    payload = {
        "evseId": 1,
        "meterValue": [
            {
                "timestamp": "2026-11-22T18:04:59Z",
                "sampledValue": [
                    {"value": 1, "unitOfMeasure": {"customData": {"vendorId": "a"}}, "customData": {"vendorId": "b"}}
                ],
                "customData": {"vendorId": "c"},
            }
        ],
        "customData": {"vendorId": "d"},
    }
    codec = codec_of(version.MeterValuesRequest)
    message = codec.decode(json.dumps(payload))
    assert message.meter_value[0].sampled_value[0].unit_of_measure.custom_data == CustomData("a")
    assert json.loads(codec.encode(message)) == payload


@pytest.mark.parametrize(
    ("content", "violations"),
    [
        ("null", {("$.customData", "type")}),
        ("[]", {("$.customData", "type")}),
        ('"v"', {("$.customData", "type")}),
        ("{}", {("$.customData.vendorId", "required")}),
        ('{"vendorId": null}', {("$.customData.vendorId", "type")}),
        ('{"vendorId": 1, "x": 1e400}', {("$.customData.vendorId", "type"), ("$.customData", "maximum")}),
        (f'{{"vendorId": "{"x" * 256}"}}', {("$.customData.vendorId", "maxLength")}),
        (f'{{"vendorId": "v", "x": {nested(MAX_DEPTH)}}}', {("$.customData", "json")}),
        (f'{{"vendorId": "v", "x": {nested(100_000)}}}', {("$", "json")}),
        ('{"vendorId": "v", "x": "\\ud800"}', {("$", "json")}),
    ],
)
def test_custom_data_that_is_none_is_refused_and_told_why(content, violations):
    """SCH-022, RPC-038, F-62, F-65, F-67."""
    assert refused(v201.HeartbeatRequest, custom(content)) == violations


@pytest.mark.parametrize(
    "content",
    [
        f'{{"vendorId": "{"x" * 255}"}}',
        '{"vendorId": ""}',
        f'{{"vendorId": "v", "x": {nested(MAX_DEPTH - 1)}}}',
        '{"vendorId": 1, "vendorId": "v"}',
        '{"vendorId": "v", "x": 1e400, "x": 1}',
        '{}, "customData": {"vendorId": "v"}',
    ],
)
def test_of_a_key_that_occurs_twice_the_last_one_counts_in_custom_data_too(content):
    """F-66: the codec and the diagnosis agree."""
    HEARTBEAT.decode(custom(content))
    assert diagnose(v201.HeartbeatRequest, custom(content)) == ()


def test_an_object_with_sound_custom_data_beside_a_broken_property_is_sound():
    violations = diagnose(v201.ResetRequest, '{"type": "Never", "customData": {"vendorId": "v", "x": 1.5}}')
    assert [(violation.path, violation.code) for violation in violations] == [
        ("$.type", ErrorCode.PROPERTY_CONSTRAINT_VIOLATION)
    ]


@pytest.mark.parametrize(
    ("value", "violations"),
    [
        (CustomData("x" * 256, a={1}), {("$.customData.vendorId", "maxLength"), ("$.customData", "type")}),
        (CustomData.of({}), {("$.customData.vendorId", "required")}),
        (CustomData("v", a=CustomData("w")), {("$.customData", "type")}),
        (CustomData("v", a="\ud800"), {("$.customData", "format")}),
        ({"vendorId": "v"}, {("$", "type")}),
        (object(), {("$.customData", "type")}),
    ],
)
def test_custom_data_is_judged_before_it_is_sent(value, violations):
    message = v201.HeartbeatRequest(custom_data=value)
    with pytest.raises(InvalidMessage) as caught:
        validate(message)
    assert {(violation.path, violation.rule) for violation in caught.value.violations} == violations


def test_a_message_with_custom_data_speaks_attrs_and_cattrs():
    message = v201.HeartbeatRequest(custom_data=CUSTOM)
    assert attrs.evolve(message).custom_data is CUSTOM
    assert attrs.asdict(message) == {"custom_data": CUSTOM}
    assert attrs.fields(v201.HeartbeatRequest).custom_data.type == CustomData | None
    assert cattrs.Converter().unstructure(message) == {"custom_data": dict(CUSTOM)}


def test_only_custom_data_is_written_by_the_hook():
    with pytest.raises(TypeError, match="object is not for JSON"):
        write_open(object())


# ----------------------------------------------------------------------------------------------------- untyped data


@pytest.mark.parametrize("value", [1, -1.5, True, "text", [], {}, [None, {"a": [1e-7, 2**60]}], "\x00", 10**30])
def test_untyped_data_may_be_any_value(value):
    message = v201.DataTransferRequest(vendor_id="v", data=value)
    assert TRANSFER.decode(TRANSFER.encode(message)) == message
    assert diagnose(v201.DataTransferRequest, data(json.dumps(value))) == ()


def test_open_values_are_judged_in_a_frame_as_well():
    """What is written in one go with its head is as valid as what is written alone."""
    message = v201.DataTransferRequest(vendor_id="v", data=[1], custom_data=CUSTOM)
    assert json.loads(TRANSFER.encode((2, "1", "DataTransfer", message)))[3] == json.loads(TRANSFER.encode(message))
    response, codec = v201.ClearCacheResponse(status="Accepted", custom_data=CUSTOM), codec_of(v201.ClearCacheResponse)
    assert json.loads(codec.encode((3, "1", response)))[2] == json.loads(codec.encode(response))
    with pytest.raises(PayloadError):
        TRANSFER.encode((2, "1", "DataTransfer", v201.DataTransferRequest(vendor_id="v", data=math.inf)))
    with pytest.raises(PayloadError):
        TRANSFER.encode((2, "1", "DataTransfer", v201.DataTransferRequest(vendor_id="v", data={1: 2})))


def test_a_null_is_read_as_no_data_and_not_sent():
    """The schema takes it (SCH-026), a sender should leave it out (RPC-038)."""
    message = TRANSFER.decode(data("null"))
    assert message.data is None
    assert json.loads(TRANSFER.encode(message)) == {"vendorId": "v"}


@pytest.mark.parametrize(
    ("content", "violations"),
    [
        (nested(MAX_DEPTH + 1), {("$.data", "json")}),
        (nested(100_000), {("$", "json")}),
        ('[{"a": -1e400}]', {("$.data", "maximum")}),
        ("1" * 5000, {("$", "json")}),
    ],
)
def test_untyped_data_is_bounded_all_the_same(content, violations):
    """F-62, F-63, F-65."""
    TRANSFER.decode(data(nested(MAX_DEPTH)))
    assert refused(v201.DataTransferRequest, data(content)) == violations


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ({1, 2}, "type"),
        ((1,), "type"),
        (float("nan"), "maximum"),
        ({"a": b"x"}, "type"),
        (datetime(2026, 1, 1, tzinfo=UTC), "type"),
        ({"\udfff": 1}, "format"),
    ],
)
def test_untyped_data_has_to_be_json(value, rule):
    [violation] = diagnose_message(v201.DataTransferRequest(vendor_id="v", data=value))
    assert (violation.path, violation.rule) == ("$.data", rule)


def test_keys_that_json_would_turn_into_text_are_refused():
    [violation] = diagnose_message(v201.DataTransferRequest(vendor_id="v", data={1: 2}))
    assert (violation.path, violation.rule) == ("$", "type")


def test_timestamps_and_untyped_data_do_not_go_together():
    """No schema has both; the search for timestamps would not know them apart."""

    class Both(Datatype, kw_only=True):
        at: Timestamp
        data: Json

    with pytest.raises(TypeError, match="timestamps, but not everywhere"):
        codec_of(Both)


@pytest.mark.parametrize("declared", [list[Timestamp], list[list[Timestamp]], list[Timestamp] | None])
def test_timestamps_in_a_list_are_refused(declared):
    """RPC-102: no schema has any; the search for timestamps, by name, would pass them over."""
    inner = msgspec.defstruct("Inner", [("moments", declared)], bases=(Datatype,), kw_only=True)
    outer = msgspec.defstruct("Outer", [("inner", list[inner])], bases=(Datatype,), kw_only=True)
    for cls in (inner, outer):
        with pytest.raises(TypeError, match=r"^timestamps, but in a list: .*RPC-102\)$"):
            codec_of(cls)


@pytest.mark.parametrize(
    ("value", "levels"), [(1, 0), ("[[[", 0), ([], 1), ({}, 1), ([1, {"a": 1}], 2), ({"a": [[1]], "b": 2}, 3)]
)
def test_levels_are_counted(value: Any, levels: int):
    assert is_bounded(value, levels)
    assert not levels or not is_bounded(value, levels - 1)


@pytest.mark.parametrize(
    "many", [lambda n: [0] * n, lambda n: [{"a": 1}] * (n // 2), lambda n: dict.fromkeys(range(n))]
)
def test_values_are_counted_on_all_levels_f_114(many: Any):
    assert is_bounded(many(MAX_NODES), MAX_DEPTH)
    assert not is_bounded([many(MAX_NODES)], MAX_DEPTH)


def test_nothing_is_asked_about_messages_without_open_values(monkeypatch):
    """The hot path: the hooks are called for open values only."""

    def fail(*_: Any) -> Any:
        raise AssertionError

    decoder = msgspec.json.Decoder(v201.StatusInfo, dec_hook=fail)
    status = decoder.decode(b'{"reasonCode": "a"}')
    assert msgspec.json.Encoder(enc_hook=fail).encode(status) == b'{"reasonCode":"a"}'
