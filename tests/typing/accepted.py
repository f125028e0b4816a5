"""What the type checkers must accept, and infer."""

# pyright: strict

from types import NoneType
from typing import assert_type

import attrs

from ocpp_sansio import (
    CallRefused,
    CentralSystem,
    CentralSystemSession,
    ChargePointConnection,
    ChargePointHandlers,
    ChargePointSession,
    CustomData,
    DataTransfer,
    DataTransfers,
    Datatype,
    FromCentralSystem,
    PendingCall,
    Response,
    TransferStatus,
    v16,
    v21,
    v201,
)
from ocpp_transports.sync import RemoteCentralSystem, Server, Uplink


def charge_point(session: ChargePointSession) -> None:
    assert_type(session.call(v16.HeartbeatRequest(), now=0.0), PendingCall[v16.HeartbeatResponse])
    assert_type(session.call(v16.DataTransferRequest(vendor_id="v"), now=0.0), PendingCall[v16.DataTransferResponse])


def central_system(session: CentralSystemSession) -> None:
    reset = v16.ResetRequest(type=v16.ResetType.SOFT)
    assert_type(session.call(reset, now=0.0), PendingCall[v16.ResetResponse])
    assert_type(session.call(v16.DataTransferRequest(vendor_id="v"), now=0.0), PendingCall[v16.DataTransferResponse])


def values(request: v16.StatusNotificationRequest) -> None:
    assert_type(request.connector_id, int)
    assert_type(request.info, str | None)
    assert_type(request.status, v16.ChargePointStatus)
    assert_type(v16.ACTIONS["Reset"].name, str)


def later_versions(station: ChargePointSession, csms: CentralSystemSession) -> None:
    assert_type(station.call(v201.HeartbeatRequest(), now=0.0), PendingCall[v201.HeartbeatResponse])
    reset = v21.ResetRequest(type=v21.Reset.ON_IDLE, custom_data=CustomData("com.example", reason="none"))
    assert_type(csms.call(reset, now=0.0), PendingCall[v21.ResetResponse])
    assert_type(reset.evse_id, int | None)
    assert_type(reset.custom_data, CustomData | None)
    v201.DataTransferRequest(vendor_id="v", data=[{"any": 1}])
    assert_type(v21.UnitOfMeasure().multiplier, int | None)


def as_attrs(request: v16.StatusNotificationRequest) -> None:
    attrs.asdict(request)
    attrs.fields(v16.StatusNotificationRequest)


def handlers(csms: CentralSystem, charge_point: ChargePointHandlers) -> None:
    @csms.on(v16.AuthorizeRequest)
    async def authorize(_: object, request: v16.AuthorizeRequest) -> v16.AuthorizeResponse:
        assert_type(request.id_tag, str)
        raise NotImplementedError

    @csms.on(v16.DataTransferRequest)
    @charge_point.on(v16.DataTransferRequest)
    def data_transfer(_: object, request: v16.DataTransferRequest) -> v16.DataTransferResponse:
        return v16.DataTransferResponse(status=v16.DataTransferStatus.REJECTED, data=request.data)

    del authorize, data_transfer


def sends(
    connection: ChargePointConnection, remote: RemoteCentralSystem, message: v21.NotifyPeriodicEventStream
) -> None:
    connection.send(message, now=0.0)
    remote.send(message)


def kept(uplink: Uplink, message: v21.NotifyPeriodicEventStream) -> None:
    assert_type(uplink.call(v21.HeartbeatRequest(), expires_in=10), v21.HeartbeatResponse)
    uplink.send(message)


def stations(server: Server) -> None:
    station = server.stations["CP1"]
    assert_type(station.call(v16.ClearCacheRequest(), timeout=10, expires_in=10), v16.ClearCacheResponse)


def unanswered(csms: CentralSystem, charge_point: ChargePointHandlers) -> None:
    @csms.on_send(v21.NotifyPeriodicEventStream)
    async def hear(_: object, message: v21.NotifyPeriodicEventStream) -> None:
        assert_type(message.id, int)

    @csms.on_result_refused(v21.AuthorizeRequest)
    def authorize_refused(_: object, request: v21.AuthorizeRequest, error: CallRefused) -> None:
        assert_type(request.id_token, v21.IdToken)
        assert_type(error.description, str)

    @charge_point.on_result_refused(v21.ResetRequest)
    async def reset_refused(_: object, request: v21.ResetRequest, error: CallRefused) -> None:
        del request, error

    del hear, authorize_refused, reset_refused


class SetPriceResponse(Response, kw_only=True):
    cents: int


class SetPriceRequest(FromCentralSystem[SetPriceResponse], kw_only=True):
    cents: int | None = None


def vendor_actions(session: CentralSystemSession, handlers: ChargePointHandlers) -> None:
    assert_type(session.call(SetPriceRequest(cents=3), now=0.0), PendingCall[SetPriceResponse])

    @handlers.on(SetPriceRequest)
    def set_price(_: object, request: SetPriceRequest) -> SetPriceResponse:
        return SetPriceResponse(cents=request.cents or 0)

    del set_price


class Price(Datatype, kw_only=True):
    cents: int


class Valid(Datatype, kw_only=True):
    hours: int


PRICE = DataTransfer("com.example", "SetPrice", Price, Valid)
PING = DataTransfer("com.example", None, NoneType, NoneType)
assert_type(PRICE, DataTransfer[Price, Valid])
assert_type(PING, DataTransfer[None, None])


def data_transfers(
    client: ChargePointSession, server: CentralSystemSession, csms: CentralSystem, charge_point: ChargePointHandlers
) -> None:
    request = PRICE.request(v16.DataTransferRequest, Price(cents=3))
    assert_type(request, v16.DataTransferRequest)
    assert_type(server.call(request, now=0.0), PendingCall[v16.DataTransferResponse])
    ping = PING.request(v21.DataTransferRequest, None)
    assert_type(client.call(ping, now=0.0), PendingCall[v21.DataTransferResponse])

    transfers = DataTransfers()

    @transfers.on(PRICE)
    async def set_price(_: object, data: Price) -> Valid | TransferStatus:
        assert_type(data, Price)
        return TransferStatus.REJECTED

    @transfers.on(PING)
    def ping_back(_: object, data: None) -> None: ...

    csms.on(v16.DataTransferRequest)(transfers.handler)
    csms.on(v21.DataTransferRequest)(transfers.handler)
    charge_point.on(v16.DataTransferRequest)(transfers.handler)
    del set_price, ping_back


def data_transferred(old: v16.DataTransferResponse, new: v21.DataTransferResponse) -> None:
    assert_type(PRICE.answer_of(old), Valid)
    assert_type(PRICE.answer_of(new), Valid)
    assert_type(PING.answer_of(new), None)
