"""The strategies: what they call valid is, what they break is broken, and they reach the edges."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from msgspec import Meta

from ocpp_sansio import CustomData, v16, v21, v201
from ocpp_sansio.codec import PayloadError, codec_of
from ocpp_sansio.diagnosis import diagnose
from ocpp_sansio.messages import Datatype, Integer, Json, Request, Tenths
from ocpp_sansio.testing.strategies import messages, near_misses, payloads
from tests.examples import SEARCH, examples

pytestmark = pytest.mark.once


class Bounded(Datatype, kw_only=True):
    """The bounds that 1.6 does not have."""

    percent: Annotated[int, Meta(ge=0, le=100)]
    some: Annotated[list[Integer], Meta(min_length=2, max_length=3)]
    ratio: Annotated[float, Meta(ge=-1, le=1)] | None = None
    small: Annotated[Tenths, Meta(ge=0, le=5)] | None = None
    flag: bool | None = None
    ID: Integer | None = None  # a name that capital letters do not change


class Dozen(Datatype, kw_only=True):
    """An integer whose bounds what is none must not break besides."""

    count: Annotated[int, Meta(ge=12, le=144)]


class Share(Datatype, kw_only=True):
    """A number whose bounds one with too many decimals must not break besides."""

    share: Annotated[Tenths, Meta(ge=0, le=1)]


class Far(Datatype, kw_only=True):
    """Bounds on one side only, beyond what others have."""

    milliseconds: Annotated[int, Meta(ge=10**12)]
    debt: Annotated[int, Meta(le=-(10**12))]


class Decimals(Datatype, kw_only=True):
    """Numbers with one decimal, between bounds that need not have one."""

    from_two: Annotated[Tenths, Meta(ge=2)]
    from_half: Annotated[Tenths, Meta(ge=0.5, le=0.9)]
    between: Annotated[Tenths, Meta(ge=-0.95, le=1.14)]


class Recursive(Datatype, kw_only=True):
    inside: list[Recursive] | None = None


class Anything(Datatype, kw_only=True, forbid_unknown_fields=False):
    """What nothing can be wrong with."""

    data: Json | None = None


class Noted(Datatype, kw_only=True, forbid_unknown_fields=False):
    """What something can be wrong with only if it is there."""

    note: str | None = None


class Open(Datatype, kw_only=True, forbid_unknown_fields=False):
    """What somebody may add to."""

    name: str


def exists(strategy: Any, condition: Any) -> bool:
    try:
        find(strategy, condition, settings=SEARCH)
    except NoSuchExample:
        return False
    return True


@pytest.mark.parametrize(
    "cls",
    [
        Bounded,
        Decimals,
        Far,
        v16.SendLocalListRequest,
        v16.SetChargingProfileRequest,
        v16.ChargingSchedule,
        v201.DataTransferRequest,
        v21.TariffConditions,
    ],
)
def test_messages_are_instances_that_can_be_sent(cls):
    @settings(max_examples=examples(30))
    @given(messages(cls))
    def check(message):
        assert type(message) is cls
        codec_of(cls).encode(message)

    check()


def test_custom_data_is_that_of_a_vendor():
    @settings(max_examples=examples(30))
    @given(messages(CustomData))
    def check(custom_data):
        assert len(custom_data.vendor_id) <= 255
        codec_of(v201.HeartbeatRequest).encode(v201.HeartbeatRequest(custom_data=custom_data))

    check()


@pytest.mark.parametrize("cls", [Bounded, v16.MeterValuesRequest, v16.SetChargingProfileRequest, v16.HeartbeatRequest])
def test_payloads_are_valid_json(cls):
    @settings(max_examples=examples(30))
    @given(payloads(cls))
    def check(payload):
        text = json.dumps(payload, allow_nan=False)
        assert json.loads(text) == payload
        codec_of(cls).decode(text)

    check()


@pytest.mark.parametrize(
    ("cls", "condition"),
    [
        (v16.AuthorizeRequest, lambda p: len(p["idTag"]) == 20),
        (v16.AuthorizeRequest, lambda p: p["idTag"] == ""),
        (v201.HeartbeatRequest, lambda p: len(p.get("customData", ())) == 3),
        (v201.HeartbeatRequest, lambda p: len(p.get("customData", {}).get("vendorId", "")) == 255),
        (v201.DataTransferRequest, lambda p: isinstance(p.get("data"), list)),
        (v201.DataTransferRequest, lambda p: "data" in p and p["data"] is None),
        (v16.AuthorizeRequest, lambda p: not p["idTag"].isascii()),
        (v16.CancelReservationRequest, lambda p: p["reservationId"] == 2**31 - 1),
        (v16.CancelReservationRequest, lambda p: p["reservationId"] == -(2**31)),
        (v16.CancelReservationRequest, lambda p: p["reservationId"] == 0),
        (v16.ChargingSchedulePeriod, lambda p: p["limit"] == 0.1),
        (v16.ChargingSchedulePeriod, lambda p: isinstance(p["limit"], int)),
        (v16.HeartbeatResponse, lambda p: p["currentTime"].endswith("Z")),
        (v16.HeartbeatResponse, lambda p: p["currentTime"][-6] == "-"),
        (v16.HeartbeatResponse, lambda p: "." in p["currentTime"]),
        (v16.GetConfigurationRequest, lambda p: p == {}),
        (v16.GetConfigurationRequest, lambda p: p.get("key") == []),
        (v16.CertificateSignedRequest, lambda p: len(p["certificateChain"]) == 10_000),
        (Bounded, lambda p: p["percent"] == 100),
        (Bounded, lambda p: p.get("small") == 1.1),
        (Decimals, lambda p: p["fromHalf"] == 0.5),
        (Decimals, lambda p: p["between"] == 1.1),
        (Far, lambda p: p["milliseconds"] == 10**12),
    ],
)
def test_payloads_reach_the_edges(cls, condition):
    assert exists(payloads(cls), condition)


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "cls",
    [Bounded, Decimals, Far, Noted, Share, v16.MeterValuesRequest, v16.SetChargingProfileRequest, v16.HeartbeatRequest],
)
def test_a_near_miss_breaks_one_rule(cls):
    """:mod:`tests.test_oracle` asks the same of the official schemas, for all messages."""

    @settings(max_examples=examples(60))
    @given(near_misses(cls))
    def check(miss):
        text = json.dumps(miss.payload)
        with pytest.raises(PayloadError):
            codec_of(cls).decode(text)
        assert [(each.path, each.rule) for each in diagnose(cls, text)] == [(miss.path, miss.rule)]

    check()


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("cls", "rules"),
    [
        (v16.HeartbeatRequest, {"additionalProperties"}),
        (v16.AuthorizeRequest, {"additionalProperties", "maxLength", "required", "type"}),
        (v16.ChangeAvailabilityRequest, {"additionalProperties", "enum", "maximum", "minimum", "required", "type"}),
        (v16.HeartbeatResponse, {"additionalProperties", "format", "required", "type"}),
        (v16.ChargingSchedulePeriod, {"additionalProperties", "maximum", "minimum", "multipleOf", "required", "type"}),
        (v201.HeartbeatRequest, {"additionalProperties", "maxLength", "required", "type"}),
        (v201.DataTransferResponse, {"additionalProperties", "enum", "maxLength", "required", "type"}),
        (
            Bounded,
            {"additionalProperties", "maxItems", "maximum", "minItems", "minimum", "multipleOf", "required", "type"},
        ),
    ],
)
def test_every_rule_of_a_class_gets_broken(cls, rules):
    seen: set[str] = set()

    @settings(SEARCH, max_examples=200)
    @given(near_misses(cls))
    def collect(miss):
        seen.add(miss.rule)

    collect()
    assert seen == rules


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("cls", "path", "rule"),
    [
        (v16.AuthorizeRequest, "$.idTag", "required"),
        (v16.AuthorizeRequest, "$.vendorExtension", "additionalProperties"),
        (v16.AuthorizeRequest, "$.IDTAG", "additionalProperties"),
        (v201.HeartbeatRequest, "$.customData.vendorId", "required"),
        (v201.HeartbeatRequest, "$.customData.vendorId", "maxLength"),
        (v201.HeartbeatRequest, "$.customData", "type"),
        (v16.MeterValue, "$.sampledValue[0].value", "required"),
        (v16.ChargingProfile, "$.chargingSchedule.chargingSchedulePeriod[0].limit", "multipleOf"),
    ],
)
def test_near_misses_reach_every_depth_and_say_where(cls, path, rule):
    assert exists(near_misses(cls), lambda miss: (miss.path, miss.rule) == (path, rule))


WRONG_BY_ONE = {
    "maximum": lambda payload: payload["percent"] == 101 or payload["percent"] <= 100,
    "minimum": lambda payload: payload["percent"] == -1 or payload["percent"] >= 0,
    "minItems": lambda payload: len(payload["some"]) == 1,
    "maxItems": lambda payload: len(payload["some"]) == 4,
}


def test_bounds_are_missed_by_one():
    @settings(SEARCH, max_examples=300)
    @given(near_misses(Bounded))
    def check(miss):
        assert WRONG_BY_ONE.get(miss.rule, bool)(miss.payload)

    check()


def test_a_text_that_is_too_long_is_so_by_one():
    @settings(SEARCH, max_examples=100)
    @given(near_misses(v16.AuthorizeRequest))
    def check(miss):
        assert miss.rule != "maxLength" or len(miss.payload["idTag"]) == 21

    check()


def test_a_near_miss_leaves_no_trace_in_the_payload_it_was_made_from():
    """Copies are made along the path: what is broken in one example is whole in the next."""

    @settings(max_examples=examples(50))
    @given(near_misses(v16.AuthorizeRequest))
    def check(miss):
        if miss.rule == "required":
            assert "idTag" not in miss.payload
        else:
            assert "idTag" in miss.payload

    check()


def test_the_objects_inside_can_be_drawn_from_elsewhere():
    evse = {"id": 7}

    @settings(max_examples=examples(20))
    @given(payloads(v21.TriggerMessageRequest, inside=lambda _: st.just(evse)))
    def check(payload):
        assert payload.get("evse", evse) is evse

    check()


@pytest.mark.no_cover
def test_what_is_no_integer_is_within_its_bounds():
    assert not exists(near_misses(Dozen), lambda miss: miss.payload.get("count") == 1.5)


@pytest.mark.no_cover
def test_a_class_that_is_open_is_not_missed_by_an_unknown_property():
    assert not exists(near_misses(Open), lambda miss: miss.rule == "additionalProperties")


def test_what_is_broken_can_be_given():
    @settings(max_examples=examples(20))
    @given(near_misses(v16.AuthorizeRequest, valid=st.just({"idTag": "given"})))
    def check(miss):
        assert miss.rule != "additionalProperties" or miss.payload["idTag"] == "given"

    check()


@pytest.mark.parametrize("strategy", [messages, payloads, near_misses])
@pytest.mark.parametrize(
    ("cls", "why"),
    [
        (int, "int"),
        (v16.Measurand, "Measurand"),
        (v16.GetConfigurationRequest(key=["x"]), "key"),
        (Recursive, "holds itself"),
    ],
)
def test_what_is_no_message_is_refused_at_once(strategy, cls, why):
    with pytest.raises(TypeError, match=why):
        strategy(cls)


@pytest.mark.parametrize("strategy", [payloads, near_misses])
def test_a_payload_is_that_of_one_class(strategy):
    with pytest.raises(TypeError, match="Request"):
        strategy(Request)


def test_what_takes_everything_cannot_be_missed():
    with pytest.raises(ValueError, match="nothing can be wrong with a Anything"):
        near_misses(Anything)
