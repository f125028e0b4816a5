"""What the type checkers must refuse: each line that says so, and no other."""

# pyright: strict

from ocpp_sansio import (
    CallRefused,
    CentralSystem,
    CentralSystemSession,
    ChargePointHandlers,
    ChargePointSession,
    DataTransfer,
    DataTransfers,
    Datatype,
    FromCentralSystem,
    PendingCall,
    Response,
    v16,
    v21,
    v201,
)
from ocpp_transports.asgi import Application
from ocpp_transports.asyncio import RemoteCentralSystem, Server, Uplink


def charge_point(session: ChargePointSession) -> None:
    session.call(v16.ResetRequest(type=v16.ResetType.SOFT), now=0.0)  # refused: a central system's request
    session.call(v16.ResetResponse(status=v16.ResetStatus.ACCEPTED), now=0.0)  # refused: not a request
    call: PendingCall[v16.ResetResponse] = session.call(v16.HeartbeatRequest(), now=0.0)  # refused: not its response
    del call


def central_system(session: CentralSystemSession) -> None:
    session.call(v16.HeartbeatRequest(), now=0.0)  # refused: a charge point's request
    session.call(v16.AuthorizeRequest(id_tag="abc"), now=0.0)  # refused: the same


def later_versions(
    station: ChargePointSession, csms: CentralSystemSession, stream: v21.NotifyPeriodicEventStream
) -> None:
    station.call(stream, now=0.0)  # refused: a SEND, which has no response
    csms.call(stream, now=0.0)  # refused: the same
    call: PendingCall[v201.HeartbeatResponse] = station.call(v21.HeartbeatRequest(), now=0.0)  # refused: of 2.1
    del call


async def kept(uplink: Uplink) -> None:
    await uplink.call(v16.ResetRequest(type=v16.ResetType.SOFT))  # refused: a central system's request
    uplink.send(v16.HeartbeatRequest())  # refused: a CALL


async def stations(server: Server, app: Application) -> None:
    server.stations["CP1"].call(v16.ClearCacheRequest())  # refused: nobody awaits it
    await app.stations["CP1"].call(v16.HeartbeatRequest())  # refused: a charge point's request
    print((await app.stations["CP1"].call(v16.ClearCacheRequest())).stauts)  # refused: there is no such field


def clear(_: object, request: v16.ClearCacheRequest) -> v16.ClearCacheResponse:
    raise NotImplementedError(request)


def handlers(csms: CentralSystem, charge_point: ChargePointHandlers) -> None:
    charge_point.on(v16.ClearCacheRequest)(clear)
    csms.on(v16.ClearCacheRequest)  # refused: a central system's request
    charge_point.on(v16.ResetRequest)(clear)  # refused: another request and response
    charge_point.on(v16.HeartbeatRequest)  # refused: a charge point's request
    csms.on(v21.NotifyPeriodicEventStream)  # refused: a SEND, which nobody answers


def hear(_: object, message: v21.NotifyPeriodicEventStream) -> None:
    raise NotImplementedError(message)


def reset_refused(_: object, request: v21.ResetRequest, error: CallRefused) -> None:
    raise NotImplementedError(request, error)


def unanswered(csms: CentralSystem, charge_point: ChargePointHandlers, remote: RemoteCentralSystem) -> None:
    csms.on_send(v21.NotifyPeriodicEventStream)(hear)
    csms.on_send(v21.HeartbeatRequest)  # refused: a request, which is sent in a CALL
    csms.on_send(v21.NotifyPeriodicEventStream)(clear)  # refused: the handler of something else
    charge_point.on_result_refused(v21.ResetRequest)(reset_refused)
    charge_point.on_result_refused(v201.ResetRequest)(reset_refused)  # refused: another version's request
    csms.on_result_refused(v21.ResetRequest)  # refused: a central system's request
    remote.send(v21.HeartbeatRequest())  # refused: a request, which is sent in a CALL


def values(request: v16.StatusNotificationRequest) -> None:
    request.info = "new"  # refused: frozen
    v16.ResetRequest()  # refused: the type is missing
    v16.ResetRequest(type="Soft")  # refused: a string is not the enum
    v16.AuthorizeRequest("abc")  # refused: by name only
    v16.AuthorizeRequest(idTag="abc")  # refused: the wire name
    print(request.timestamp.year)  # refused: may be None
    v201.HeartbeatRequest(custom_data={"vendorId": "v"})  # refused: a dict is not CustomData


class SetPriceResponse(Response, kw_only=True):
    cents: int


class SetPriceRequest(FromCentralSystem[SetPriceResponse], kw_only=True):
    cents: int


def vendor_actions(client: ChargePointSession, server: CentralSystemSession, csms: CentralSystem) -> None:
    client.call(SetPriceRequest(cents=3), now=0.0)  # refused: a central system's request
    call: PendingCall[v16.ResetResponse] = server.call(SetPriceRequest(cents=3), now=0.0)  # refused: not its response
    csms.on(SetPriceRequest)  # refused: a central system's request
    del call


class Price(Datatype, kw_only=True):
    cents: int


class Valid(Datatype, kw_only=True):
    hours: int


PRICE = DataTransfer("com.example", "SetPrice", Price, Valid)


def set_price(_: object, data: Price) -> Valid:
    return Valid(hours=data.cents)


def get_price(_: object, data: Valid) -> Price:
    return Price(cents=data.hours)


def data_transfers(transfers: DataTransfers, response: v16.DataTransferResponse) -> None:
    PRICE.request(v16.DataTransferRequest, Valid(hours=1))  # refused: what comes, not what goes
    PRICE.request(v16.ResetRequest, Price(cents=3))  # refused: not a DataTransferRequest
    price: Price = PRICE.answer_of(response)  # refused: what goes, not what comes
    PRICE.answer_of(v16.ResetResponse(status=v16.ResetStatus.ACCEPTED))  # refused: not a DataTransferResponse
    transfers.on(PRICE)(set_price)
    transfers.on(PRICE)(get_price)  # refused: the wrong way round
    del price
