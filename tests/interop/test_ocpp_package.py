"""A whole charging session over real sockets with the `ocpp` package at the other end, on every adapter, both ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import pytest
import websockets
from anyio.from_thread import BlockingPortal, start_blocking_portal
from ocpp.routing import on
from ocpp.v16 import ChargePoint as PackageChargePoint
from ocpp.v16 import call, call_result

from ocpp_sansio import CallRefused, CentralSystem, ChargePointHandlers, ErrorCode, v16
from tests.transports.contract import ADAPTERS, NOON, PATIENCE, Adapter, booted, echo, heartbeat

NOW = "2026-01-01T12:00:00Z"
on_adapter = pytest.mark.parametrize("adapter", ADAPTERS, ids=repr)

NOT_HERE = {ErrorCode.NOT_SUPPORTED, ErrorCode.NOT_IMPLEMENTED}
ACCEPTED = v16.IdTagInfo(status=v16.AuthorizationStatus.ACCEPTED)
METER_VALUE = v16.MeterValue(
    timestamp=NOON,
    sampled_value=[
        v16.SampledValue(value="1250", unit=v16.UnitOfMeasure.WH, measurand=v16.Measurand.ENERGY_ACTIVE_IMPORT_REGISTER)
    ],
)


class PackageStation(PackageChargePoint):
    """Their charge point: starts and stops when it is told to."""

    told: list[str]

    @on("RemoteStartTransaction")
    def remote_start(self, id_tag: str, **_: Any) -> Any:
        self.told.append(f"start {id_tag}")
        return call_result.RemoteStartTransaction(status="Accepted")

    @on("RemoteStopTransaction")
    def remote_stop(self, transaction_id: int) -> Any:
        self.told.append(f"stop {transaction_id}")
        return call_result.RemoteStopTransaction(status="Accepted")

    @on("GetConfiguration")
    def get_configuration(self, key: list[str] | None = None) -> Any:
        item = {"key": "HeartbeatInterval", "readonly": False, "value": "300"}
        return call_result.GetConfiguration(configuration_key=[item], unknown_key=key or [])


@asynccontextmanager
async def package_station(
    url: str, kind: type[Any] = PackageStation, subprotocol: str = "ocpp1.6"
) -> AsyncGenerator[Any, None]:
    async with websockets.connect(f"{url}/CP_1", subprotocols=[websockets.Subprotocol(subprotocol)]) as socket:
        station = kind("CP_1", socket, response_timeout=10)
        station.told = []
        listening = asyncio.create_task(station.start())
        try:
            yield station
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


def central_system(adapter: Adapter, heard: list[Any]) -> CentralSystem:
    csms = CentralSystem()
    csms.authenticate(lambda _: True)
    csms.on(v16.BootNotificationRequest)(booted)
    csms.on(v16.HeartbeatRequest)(heartbeat)
    csms.on(v16.DataTransferRequest)(echo)
    csms.on(v16.AuthorizeRequest)(lambda *_: v16.AuthorizeResponse(id_tag_info=ACCEPTED))
    csms.on(v16.StatusNotificationRequest)(lambda *_: v16.StatusNotificationResponse())
    csms.on(v16.StartTransactionRequest)(
        lambda *_: v16.StartTransactionResponse(id_tag_info=ACCEPTED, transaction_id=7)
    )
    csms.on(v16.StopTransactionRequest)(lambda *_: v16.StopTransactionResponse(id_tag_info=ACCEPTED))
    # The meter tells the central system that it is enough: a remote stop, from inside the handler.
    stop = v16.RemoteStopTransactionRequest(transaction_id=7)
    csms.on(v16.MeterValuesRequest)(adapter.asking(stop, lambda *_: v16.MeterValuesResponse(), heard))
    return csms


@on_adapter
def test_their_charge_point_charges_at_our_central_system(adapter: Adapter) -> None:
    heard: list[Any] = []

    async def charge() -> None:
        async with package_station(served.url) as station, asyncio.timeout(PATIENCE):

            async def ask(request: Any) -> Any:
                return await station.call(request, suppress=False)

            boot = await ask(call.BootNotification(charge_point_model="Model", charge_point_vendor="Vendor"))
            assert (boot.status, boot.interval, boot.current_time) == ("Accepted", 300, NOW)
            await ask(call.StatusNotification(connector_id=1, error_code="NoError", status="Available"))
            assert (await ask(call.Authorize(id_tag="TAG"))).id_tag_info == {"status": "Accepted"}
            assert (await ask(call.Heartbeat())).current_time == NOW

            start = served.start("CP_1", v16.RemoteStartTransactionRequest(id_tag="TAG"))
            assert (await asyncio.wrap_future(start)).status is v16.RemoteStartStopStatus.ACCEPTED
            started = await ask(call.StartTransaction(connector_id=1, id_tag="TAG", meter_start=0, timestamp=NOW))
            assert started.transaction_id == 7
            sample = {"value": "1250", "unit": "Wh", "measurand": "Energy.Active.Import.Register"}
            value = {"timestamp": NOW, "sampledValue": [sample]}
            await ask(call.MeterValues(connector_id=1, transaction_id=7, meter_value=[value]))
            await ask(call.StopTransaction(meter_stop=1250, timestamp=NOW, transaction_id=7, reason="Remote"))
            assert station.told == ["start TAG", "stop 7"]

            asked = served.start("CP_1", v16.GetConfigurationRequest(key=["Unheard"]))
            configuration = await asyncio.wrap_future(asked)
            assert configuration.unknown_key == ["Unheard"]
            assert configuration.configuration_key[0].key == "HeartbeatInterval"

            # What they do not support, and what we do not.
            unsupported = served.start("CP_1", v16.ClearCacheRequest())
            with pytest.raises(CallRefused) as refused:
                await asyncio.wrap_future(unsupported)
            assert refused.value.code in NOT_HERE
            with pytest.raises(Exception, match="not supported"):
                await ask(call.FirmwareStatusNotification(status="Idle"))
            assert (await ask(call.Heartbeat())).current_time == NOW

    with adapter.serve(central_system(adapter, heard)) as served:
        asyncio.run(charge())
    assert heard == [v16.RemoteStopTransactionResponse(status=v16.RemoteStartStopStatus.ACCEPTED)]


class PackageCentralSystem(PackageChargePoint):
    """Their central system's end: accepts everything, and stops what charges once it has metered."""

    @on("BootNotification")
    def boot(self, **_: Any) -> Any:
        return call_result.BootNotification(current_time=NOW, interval=300, status="Accepted")

    @on("Heartbeat")
    def heartbeat(self) -> Any:
        return call_result.Heartbeat(current_time=NOW)

    @on("StatusNotification")
    def status(self, **_: Any) -> Any:
        return call_result.StatusNotification()

    @on("Authorize")
    def authorize(self, **_: Any) -> Any:
        return call_result.Authorize(id_tag_info={"status": "Accepted"})

    @on("StartTransaction")
    def start_transaction(self, **_: Any) -> Any:
        return call_result.StartTransaction(transaction_id=7, id_tag_info={"status": "Accepted"})

    @on("MeterValues")
    def meter_values(self, **_: Any) -> Any:
        return call_result.MeterValues()

    @on("StopTransaction")
    def stop_transaction(self, **_: Any) -> Any:
        return call_result.StopTransaction(id_tag_info={"status": "Accepted"})


class PackageServer:
    """Their central system, in a loop of its own."""

    def __init__(self, portal: Any) -> None:
        self.portal = portal
        self.stations: dict[str, Any] = {}
        self.url = ""

    def call(self, request: Any) -> Any:
        async def ask() -> Any:
            return await self.stations["CP_1"].call(request, suppress=False)

        return self.portal.call(ask)


@contextmanager
def listening(portal: BlockingPortal, converse: Callable[[Any], Any], subprotocol: str = "ocpp1.6") -> Iterator[str]:
    """Have each connection to a URL conversed with."""

    async def listen() -> Any:
        return await websockets.serve(converse, "127.0.0.1", 0, subprotocols=[websockets.Subprotocol(subprotocol)])

    async def close() -> None:
        listener.close()
        await listener.wait_closed()

    listener = portal.call(listen)
    try:
        yield f"ws://127.0.0.1:{listener.sockets[0].getsockname()[1]}/ocpp"
    finally:
        portal.call(close)


@contextmanager
def package_server(kind: type[Any] = PackageCentralSystem, subprotocol: str = "ocpp1.6") -> Iterator[PackageServer]:
    async def converse(socket: Any) -> None:
        identity = socket.request.path.rpartition("/")[2]
        server.stations[identity] = kind(identity, socket, response_timeout=10)
        with suppress(websockets.ConnectionClosed):
            await server.stations[identity].start()

    with start_blocking_portal("asyncio") as portal:
        server = PackageServer(portal)
        with listening(portal, converse, subprotocol) as server.url:
            yield server


@on_adapter
def test_our_charge_point_charges_at_their_central_system(adapter: Adapter) -> None:
    told: list[Any] = []
    handlers = ChargePointHandlers()

    @handlers.on(v16.RemoteStartTransactionRequest)
    def remote_start(_: Any, request: v16.RemoteStartTransactionRequest) -> v16.RemoteStartTransactionResponse:
        told.append(request)
        return v16.RemoteStartTransactionResponse(status=v16.RemoteStartStopStatus.ACCEPTED)

    @handlers.on(v16.RemoteStopTransactionRequest)
    def remote_stop(_: Any, request: v16.RemoteStopTransactionRequest) -> v16.RemoteStopTransactionResponse:
        told.append(request)
        return v16.RemoteStopTransactionResponse(status=v16.RemoteStartStopStatus.ACCEPTED)

    with package_server() as server, adapter.connect(server.url, handlers=handlers) as peer:
        boot = peer.call(v16.BootNotificationRequest(charge_point_vendor="Vendor", charge_point_model="Model"))
        assert boot == booted()
        available = v16.StatusNotificationRequest(
            connector_id=1,
            error_code=v16.ChargePointErrorCode.NO_ERROR,
            status=v16.ChargePointStatus.AVAILABLE,
            timestamp=NOON,
        )
        assert peer.call(available) == v16.StatusNotificationResponse()
        assert peer.call(v16.AuthorizeRequest(id_tag="TAG")).id_tag_info == ACCEPTED
        assert peer.call(v16.HeartbeatRequest()) == heartbeat()

        assert server.call(call.RemoteStartTransaction(id_tag="TAG", connector_id=1)).status == "Accepted"
        start = v16.StartTransactionRequest(connector_id=1, id_tag="TAG", meter_start=0, timestamp=NOON)
        assert peer.call(start).transaction_id == 7
        meter = v16.MeterValuesRequest(connector_id=1, transaction_id=7, meter_value=[METER_VALUE])
        assert peer.call(meter) == v16.MeterValuesResponse()
        assert server.call(call.RemoteStopTransaction(transaction_id=7)).status == "Accepted"
        stop = v16.StopTransactionRequest(
            transaction_id=7, meter_stop=1250, timestamp=NOON, reason=v16.Reason.REMOTE, transaction_data=[METER_VALUE]
        )
        assert peer.call(stop).id_tag_info == ACCEPTED
        assert [type(request) for request in told] == [
            v16.RemoteStartTransactionRequest,
            v16.RemoteStopTransactionRequest,
        ]

        # What they do not support, and what we do not.
        with pytest.raises(CallRefused) as refused:
            peer.call(v16.FirmwareStatusNotificationRequest(status=v16.FirmwareStatus.IDLE))
        assert refused.value.code in NOT_HERE
        with pytest.raises(Exception, match="not supported"):
            server.call(call.ClearCache())
        assert peer.call(v16.HeartbeatRequest()) == heartbeat()
