"""Under FIELD a message is what was meant, however much of it is written carelessly, and both roles answer that."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocpp_sansio import (
    FIELD,
    CentralSystemSession,
    ChargePointSession,
    FromCentralSystem,
    FromChargePoint,
    Repair,
    Tolerance,
    numbered_ids,
    v16,
    v21,
)
from ocpp_sansio.codec import PayloadError, codec_of
from ocpp_sansio.messages import CustomData, Datatype
from ocpp_sansio.schema import Kind, kind_of, properties
from ocpp_sansio.testing.strategies import payloads
from ocpp_sansio.tolerance import read_payload
from tests.central_system.world import World
from tests.charge_point.station import Station
from tests.examples import examples

CLASSES = [
    *(cls for action in v16.ACTIONS.values() for cls in (action.request, action.response)),
    # of 2.1 those that have every kind of value
    v21.NotifyReportRequest,
    v21.TransactionEventRequest,
    v21.DataTransferResponse,
]
MENDED = {
    *(Repair.NULL_AS_ABSENT, Repair.OBJECT_AS_LIST, Repair.STRING_AS_NUMBER, Repair.STRING_AS_BOOL),
    *(Repair.NUMBER_AS_BOOL, Repair.INTEGRAL_FLOAT, Repair.ENUM_ALIAS, Repair.PROPERTY_CASE, Repair.UNKNOWN_FIELD),
}


@st.composite
def careless(draw: st.DrawFn, kind: Kind, value: Any) -> Any:
    """The same value as it may be written by who does not look at the schema, at random places."""
    if issubclass(kind.type, CustomData):
        return value
    if issubclass(kind.type, Datatype):
        return draw(careless_object(kind, value))
    if kind.items is not None:
        items = [draw(careless(kind.items, item)) for item in value]
        return (
            items[0] if len(items) == 1 and isinstance(items[0], dict) and items[0] and draw(st.booleans()) else items
        )
    return draw(st.sampled_from([value, *_spellings(kind, value)]))


@st.composite
def careless_object(draw: st.DrawFn, kind: Kind, value: dict[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for prop in properties(kind.type):
        name = prop.wire_name
        if name in value:
            spelt = draw(st.sampled_from([name, name, name, name.upper(), name.lower(), name[:1].upper() + name[1:]]))
            written[spelt] = draw(careless(prop.kind, value[name]))
        elif not prop.required and draw(st.integers(0, 5)) == 0:
            written[name] = None
    return written | draw(st.sampled_from([{}, {}, {}, {"vendorExtension": [{"a": 1}]}]))


def _spellings(kind: Kind, value: Any) -> list[Any]:
    if kind.type is bool:
        return [str(value), str(value).lower(), int(value)]
    if kind.type is int:
        return [str(value), float(value), f"{value}.0"]
    if kind.type is float:
        return [str(value)]
    if issubclass(kind.type, StrEnum):
        return [value.upper(), value.lower(), value.replace(".", "_")]
    return []


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.__module__.split('.')[1]}.{cls.__name__}")
def test_whatever_is_careless_in_it_the_message_is_the_one_that_was_meant(cls: type[Datatype]) -> None:
    @settings(max_examples=examples(5))
    @given(st.data())
    def check(data: st.DataObject) -> None:
        right = data.draw(payloads(cls))
        written = data.draw(careless(kind_of(cls), right))
        message, deviations = read_payload(codec_of(cls), json.dumps(written), FIELD)
        assert message == codec_of(cls).decode(json.dumps(right))
        assert {each.repair for each in deviations} <= MENDED
        if deviations:
            with pytest.raises(PayloadError):
                codec_of(cls).decode(json.dumps(written))

    check()


# -- and so is the answer --


def central_system_answers(text: str, tolerance: Tolerance) -> tuple[Any, list[str]]:
    """What it says to a CALL, and what it tells its host."""
    world = World(tags=["TAG"])
    station = world.station()
    station.link = CentralSystemSession("1.6", message_ids=numbered_ids("b"), tolerance=tolerance)
    world.system.link_up("CP1", station.link, now=world.now)
    station.link.receive_data(text, now=world.now)
    world.feed(station)
    return json.loads(station.link.data_to_send()[0]), world.names()


def charge_point_answers(text: str, tolerance: Tolerance) -> tuple[Any, list[str]]:
    point = Station()
    point.online()
    point.disconnect()
    link = ChargePointSession("1.6", message_ids=numbered_ids("b"), tolerance=tolerance)
    point.do("link_up", link)
    link.data_to_send()
    seen = len(point.effects)
    link.receive_data(text, now=point.now)
    while (event := link.next_event()) is not None:
        point.do("receive_event", event)
    answers = [message for message in map(json.loads, link.data_to_send()) if message[0] != 2]
    return answers, [type(effect).__name__ for effect in point.effects[seen:]]


@pytest.mark.parametrize("action", v16.ACTIONS.values(), ids=lambda action: action.name)
def test_the_answer_is_the_one_to_the_right_message(action: Any) -> None:
    answers = charge_point_answers if issubclass(action.request, FromCentralSystem) else central_system_answers
    assert issubclass(action.request, FromCentralSystem | FromChargePoint)

    @settings(max_examples=examples(5))
    @given(st.data())
    def check(data: st.DataObject) -> None:
        right = data.draw(payloads(action.request))
        written = data.draw(careless(kind_of(action.request), right))
        tolerant = answers(f'[2,17,"{action.name.lower()}",{json.dumps(written)},]', FIELD)
        assert tolerant == answers(json.dumps([2, "17", action.name, right]), Tolerance())

    check()
