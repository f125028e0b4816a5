"""Actions of a vendor's own: read, written, validated, directed and refused like those of the protocol."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given

from ocpp_sansio import (
    Action,
    Actions,
    CallFailed,
    CallSucceeded,
    CentralSystemSession,
    ChargePointSession,
    Datatype,
    ErrorCode,
    FromCentralSystem,
    FromChargePoint,
    InvalidMessage,
    InvalidResponse,
    LocalProtocolError,
    Misbehaviour,
    Response,
    Role,
    Version,
    numbered_ids,
    session,
    v16,
    v21,
)
from ocpp_sansio.events import SendReceived
from ocpp_sansio.messages import Integer, SendFromChargePoint
from ocpp_sansio.testing.strategies import messages


class Tariff(Datatype, kw_only=True):
    name: Annotated[str, msgspec.Meta(max_length=10)]
    cents: Integer


class SetPriceResponse(Response, kw_only=True):
    status: v16.ConfigurationStatus


class SetPriceRequest(FromCentralSystem[SetPriceResponse], kw_only=True):
    connector_id: Integer
    tariffs: list[Tariff] | None = None


class SoldResponse(Response, kw_only=True):
    pass


class SoldRequest(FromChargePoint[SoldResponse], kw_only=True):
    cents: Integer


class Advertised(SendFromChargePoint, kw_only=True):
    slogan: str


OURS = Action("SetPrice", SetPriceRequest), Action("Sold", SoldRequest)
EXTENDED = v16.ACTIONS.extended(*OURS)
PRICE = SetPriceRequest(connector_id=1)
WIRE = {"connectorId": 1}


def charge_point(actions: Actions | None = EXTENDED, version: str = "1.6") -> ChargePointSession:
    return ChargePointSession(version, message_ids=numbered_ids("c"), actions=actions)


def central_system(actions: Actions | None = EXTENDED, version: str = "1.6") -> CentralSystemSession:
    return CentralSystemSession(version, message_ids=numbered_ids("s"), actions=actions)


def receive(end: Any, *message: Any) -> list[Any]:
    end.receive_data(json.dumps(message), now=0.0)
    return list(iter(end.next_event, None))


def carry(source: Any, target: Any) -> list[Any]:
    """What one end has to send reaches the other; what that reports."""
    for text in source.data_to_send():
        target.receive_data(text, now=0.0)
    return list(iter(target.next_event, None))


@given(messages(SetPriceRequest), messages(SetPriceResponse))
def test_a_call_of_a_vendor_s_own_goes_there_and_back_typed(request, response):
    client, server = charge_point(), central_system()
    call = server.call(request, now=0.0)
    [received] = carry(server, client)
    assert (received.action, received.request) == ("SetPrice", request)
    assert client.respond(received, response, now=0.0)
    assert carry(client, server) == [CallSucceeded(call, response)]


def test_the_actions_of_the_protocol_are_still_there():
    server = central_system()
    server.call(v16.ClearCacheRequest(), now=0.0)
    assert json.loads(server.data_to_send()[0])[2] == "ClearCache"


def test_an_end_that_was_not_told_of_an_action_does_not_know_it():
    """RPC-070."""
    [event] = receive(charge_point(None), 2, "1", "SetPrice", WIRE)
    assert (event.reason, event.answered) == (Misbehaviour.UNKNOWN_ACTION, ErrorCode.NOT_IMPLEMENTED)
    with pytest.raises(LocalProtocolError, match="SetPriceRequest is not a request of OCPP"):
        central_system(None).call(PRICE, now=0.0)


def test_an_action_has_a_direction():
    """RPC-070."""
    [event] = receive(central_system(), 2, "1", "SetPrice", WIRE)
    assert (event.reason, event.answered) == (Misbehaviour.WRONG_DIRECTION, ErrorCode.NOT_SUPPORTED)
    with pytest.raises(LocalProtocolError, match="a charge point does not send SetPrice"):
        charge_point().call(PRICE, now=0.0)


@pytest.mark.parametrize(
    ("payload", "code", "path"),
    [
        ({}, ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION, "$.connectorId"),
        ({**WIRE, "tariffs": [{"name": "x", "cents": 2.5}]}, ErrorCode.TYPE_CONSTRAINT_VIOLATION, "$.tariffs[0].cents"),
        ({**WIRE, "price": 1}, ErrorCode.FORMAT_VIOLATION, "$.price"),
        (
            {**WIRE, "tariffs": [{"name": "x" * 11, "cents": 2}]},
            ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
            "$.tariffs[0].name",
        ),
    ],
)
def test_a_payload_is_judged_by_the_declaration_of_its_class(payload, code, path):
    [event] = receive(charge_point(), 2, "1", "SetPrice", payload)
    assert (event.reason, event.answered) == (Misbehaviour.INVALID_PAYLOAD, code)
    assert [violation.path for violation in event.violations] == [path]


def test_what_we_send_and_what_we_are_answered_is_judged_as_well():
    server = central_system()
    with pytest.raises(InvalidMessage, match="connectorId"):
        server.call(SetPriceRequest(connector_id=2**31), now=0.0)
    call = server.call(PRICE, now=0.0)
    [failed] = receive(server, 3, call.message_id, {"status": "Perhaps"})
    assert isinstance(failed, CallFailed)
    assert isinstance(failed.error, InvalidResponse)


def test_a_send_can_be_a_vendor_s_own():
    actions = v21.ACTIONS.extended(Action("Advertised", Advertised))
    client, server = charge_point(actions, "2.1"), central_system(actions, "2.1")
    client.send(Advertised(slogan="Volts"), now=0.0)
    assert carry(client, server) == [SendReceived("c1", "Advertised", Advertised(slogan="Volts"))]


def test_a_send_that_breaks_its_schema_is_reported_and_not_answered():
    """RPC-063."""
    server = central_system(v21.ACTIONS.extended(Action("Advertised", Advertised)), "2.1")
    [event] = receive(server, 6, "1", "Advertised", {"slogan": 1})
    assert (event.reason, event.answered) == (Misbehaviour.INVALID_PAYLOAD, None)
    assert [violation.path for violation in event.violations] == ["$.slogan"]
    assert not server.data_to_send()


def test_actions_are_given_by_version_and_made_ready():
    found = session.actions_by_version({"1.6": EXTENDED, Version.V21: v21.ACTIONS}, Role.CENTRAL_SYSTEM)
    assert found == {Version.V16: EXTENDED, Version.V21: v21.ACTIONS}
    with pytest.raises(ValueError, match=r"1\.5"):
        session.actions_by_version({"1.5": EXTENDED}, Role.CENTRAL_SYSTEM)


def test_a_payload_that_no_schema_can_tell_is_refused_before_a_peer_is_there():
    class Odd(FromChargePoint[SoldResponse], kw_only=True):
        price: complex

    with pytest.raises(TypeError, match="complex"):
        session.actions_by_version({"1.6": v16.ACTIONS.extended(Action("Odd", Odd))}, Role.CENTRAL_SYSTEM)
