"""What a vendor adds, and what a newer peer says, under every adapter: no adapter knows anything of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from ocpp_sansio import (
    Action,
    CentralSystem,
    CentralSystemConnection,
    ChargePointConnection,
    ChargePointHandlers,
    DataTransfer,
    DataTransfers,
    Datatype,
    FromCentralSystem,
    FromChargePoint,
    Rejection,
    Repair,
    Response,
    TransferRefused,
    TransferStatus,
    numbered_ids,
    v16,
)
from ocpp_sansio.errors import CallRefused, ErrorCode
from ocpp_sansio.messages import Integer
from ocpp_transports._dispatcher import MAX_COMPLAINTS
from tests.transports.contract import BOOT, PATIENCE, Adapter, booted, on_client, on_server, raw_client


class SetPriceResponse(Response, kw_only=True):
    cents: Integer


class SetPriceRequest(FromCentralSystem[SetPriceResponse], kw_only=True):
    cents: Integer


class GetPriceResponse(Response, kw_only=True):
    cents: Integer


class GetPriceRequest(FromChargePoint[GetPriceResponse], kw_only=True):
    pass


class Price(Datatype, kw_only=True):
    cents: Integer


ACTIONS = {"1.6": v16.ACTIONS.extended(Action("SetPrice", SetPriceRequest), Action("GetPrice", GetPriceRequest))}
DOUBLE = DataTransfer("com.example", "Double", Price, Price)


def plain(_: Any, data: Price) -> Price | TransferStatus:
    if data.cents < 0:
        raise Rejection(ErrorCode.GENERIC_ERROR, "no such price")
    return Price(cents=2 * data.cents) if data.cents else TransferStatus.REJECTED


async def later(peer: Any, data: Price) -> Price | TransferStatus:
    return plain(peer, data)


def central_system(handler: Callable[..., Any]) -> CentralSystem:
    csms = CentralSystem(actions=ACTIONS, tolerance=["unknown-enum"], accept_before_boot=True)
    csms.authenticate(lambda _: True)
    csms.on(GetPriceRequest)(lambda *_: GetPriceResponse(cents=5))
    csms.on(v16.StatusNotificationRequest)(lambda *_: v16.StatusNotificationResponse())
    csms.on(v16.BootNotificationRequest)(booted)
    csms.on(v16.DataTransferRequest)(transfers(handler).handler)
    return csms


def transfers(handler: Callable[..., Any]) -> DataTransfers:
    made = DataTransfers()
    made.on(DOUBLE)(handler)
    return made


@on_client
@on_server
@pytest.mark.parametrize("handler", [plain, later])
def test_a_vendor_s_messages_go_both_ways(client: Adapter, server: Adapter, handler: Callable[..., Any]) -> None:
    handlers = ChargePointHandlers()
    handlers.on(SetPriceRequest)(lambda _, request: SetPriceResponse(cents=request.cents))
    handlers.on(v16.DataTransferRequest)(transfers(handler).handler)
    with (
        server.serve(central_system(handler)) as served,
        client.connect(served.url, handlers=handlers, actions=ACTIONS, tolerance={Repair.UNKNOWN_ENUM}) as peer,
    ):
        assert peer.call(BOOT) == booted()
        assert peer.call(GetPriceRequest()) == GetPriceResponse(cents=5)
        assert served.call("CP_1", SetPriceRequest(cents=7)) == SetPriceResponse(cents=7)
        for call in (peer.call, lambda request: served.call("CP_1", request)):

            def double(cents: int, call: Callable[[Any], Any] = call) -> Price:
                return DOUBLE.answer_of(call(DOUBLE.request(v16.DataTransferRequest, Price(cents=cents))))

            assert double(21) == Price(cents=42)
            with pytest.raises(TransferRefused, match="Rejected"):
                double(0)
            with pytest.raises(CallRefused, match="no such price"):
                double(-1)


@on_server
def test_what_is_put_up_with_is_answered_and_in_the_log(server: Adapter, caplog: pytest.LogCaptureFixture) -> None:
    """F-110."""
    payload = {"connectorId": 1, "errorCode": "NoError", "status": "Dreaming"}
    with (
        caplog.at_level(logging.INFO, "ocpp_transports"),
        server.serve(central_system(plain)) as served,
        raw_client(served.port) as station,
    ):
        station.send(json.dumps([2, "1", "StatusNotification", payload]))
        assert station.receive_text() == '[3,"1",{}]'
        outcome = served.start("CP_1", v16.ResetRequest(type=v16.ResetType.SOFT))
        station.send(json.dumps([3, json.loads(station.receive_text())[1], {"status": "Later"}]))
        assert outcome.result(PATIENCE) == v16.ResetResponse(status="Later")
    assert "Reset: put up with unknown-enum" in caplog.text
    assert "StatusNotification: put up with unknown-enum" in caplog.text
    assert "Dreaming" not in caplog.text
    assert "Later" not in caplog.text


@on_server
def test_deviations_and_repeated_calls_do_not_fill_the_log_f_130(
    server: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    payload = {"connectorId": 1, "errorCode": "NoError", "status": "Dreaming"}
    with (
        caplog.at_level(logging.INFO, "ocpp_transports"),
        server.serve(central_system(plain)) as served,
        raw_client(served.port) as station,
    ):
        for number in range(60):
            for _ in range(2):
                station.send(json.dumps([2, str(number), "StatusNotification", payload]))
                assert station.receive_text() == f'[3,"{number}",{{}}]'
    assert caplog.text.count("put up with") == MAX_COMPLAINTS // 2
    assert caplog.text.count("came again") == MAX_COMPLAINTS // 2
    assert caplog.text.count("logged at DEBUG") == 1


# -- misuse is found out before there is a peer --


class Odd(FromChargePoint[GetPriceResponse], kw_only=True):
    price: complex


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"actions": {"1.5": v16.ACTIONS}}, ValueError),
        ({"actions": {"1.6": v16.ACTIONS.extended(Action("Odd", Odd))}}, TypeError),
        ({"tolerance": ["skip-validation"]}, ValueError),
    ],
    ids=["version", "payload", "repair"],
)
def test_what_an_end_cannot_be_told_is_found_out_at_once(options: dict[str, Any], error: type[Exception]) -> None:
    ids = numbered_ids("m")
    with pytest.raises(error):
        CentralSystem(**options)
    with pytest.raises(error):
        CentralSystemConnection(now=0.0, message_ids=ids, **options)
    if error is not TypeError:  # what only a charge point sends, it need not read
        with pytest.raises(error):
            ChargePointConnection("ws://127.0.0.1/ocpp", "CP_1", now=0.0, message_ids=ids, **options)
