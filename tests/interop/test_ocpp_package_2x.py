"""The same in OCPP 2.0.1 and 2.1: a charging session with the `ocpp` package at the other end, both ways."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import ocpp.v21
import ocpp.v201
import pytest
from ocpp.routing import on

from ocpp_sansio import CallRefused, CentralSystem, ChargePointHandlers, Version, v21, v201
from tests.interop.test_ocpp_package import NOT_HERE, NOW, package_server, package_station
from tests.transports.contract import ADAPTERS, NOON, PATIENCE, Adapter

on_adapter = pytest.mark.parametrize("adapter", ADAPTERS, ids=repr)

TOKEN = {"id_token": "TAG", "type": "ISO14443"}
BOX = {"model": "Model", "vendor_name": "Vendor"}
READING = {"timestamp": NOW, "sampled_value": [{"value": 1250.0}]}


@attrs.frozen
class Both:
    """A version as both sides have it."""

    version: Version
    v: Any
    theirs: Any
    refuses: bool
    """Whether they answer what they have no handler for."""

    def __str__(self) -> str:
        return str(self.version)

    @property
    def token(self) -> Any:
        return self.v.IdToken(id_token="TAG", type="ISO14443" if self.v is v21 else self.v.IdTokenEnum.ISO14443)

    @property
    def accepted(self) -> Any:
        return self.v.IdTokenInfo(status=self.v.AuthorizationStatus.ACCEPTED)

    @property
    def booted(self) -> Any:
        status = self.v.RegistrationStatus.ACCEPTED
        return self.v.BootNotificationResponse(current_time=NOON, interval=300, status=status)

    @property
    def reading(self) -> Any:
        return self.v.MeterValue(timestamp=NOON, sampled_value=[self.v.SampledValue(value=1250.0)])


in_version = pytest.mark.parametrize(
    "both",
    [Both(Version.V201, v201, ocpp.v201, refuses=True), Both(Version.V21, v21, ocpp.v21, refuses=False)],
    ids=str,
)


def station_class(theirs: Any) -> type[Any]:
    """Their charging station: starts and stops when it is told to."""
    answer = theirs.call_result

    class PackageStation(theirs.ChargePoint):  # type: ignore[misc]
        told: list[str]

        @on("RequestStartTransaction")
        def request_start(self, id_token: Any, remote_start_id: int, **_: Any) -> Any:
            self.told.append(f"start {remote_start_id} for {id_token['id_token']}")
            return answer.RequestStartTransaction(status="Accepted")

        @on("RequestStopTransaction")
        def request_stop(self, transaction_id: str) -> Any:
            self.told.append(f"stop {transaction_id}")
            return answer.RequestStopTransaction(status="Accepted")

        @on("GetVariables")
        def get_variables(self, get_variable_data: Any) -> Any:
            (asked,) = get_variable_data
            return answer.GetVariables(
                get_variable_result=[{**asked, "attribute_status": "Accepted", "attribute_value": "300"}]
            )

    return PackageStation


def central_system(adapter: Adapter, both: Both, heard: list[Any]) -> CentralSystem:
    v = both.v
    csms = CentralSystem(versions=["2.1", "2.0.1", "1.6"])
    csms.authenticate(lambda _: True)
    csms.on(v.BootNotificationRequest)(lambda *_: both.booted)
    csms.on(v.HeartbeatRequest)(lambda *_: v.HeartbeatResponse(current_time=NOON))
    csms.on(v.StatusNotificationRequest)(lambda *_: v.StatusNotificationResponse())
    csms.on(v.AuthorizeRequest)(lambda *_: v.AuthorizeResponse(id_token_info=both.accepted))
    csms.on(v.TransactionEventRequest)(lambda *_: v.TransactionEventResponse(total_cost=1.5))
    # The meter tells the central system that it is enough: a stop, from inside the handler.
    stop = v.RequestStopTransactionRequest(transaction_id="T-7")
    csms.on(v.MeterValuesRequest)(adapter.asking(stop, lambda *_: v.MeterValuesResponse(), heard))
    return csms


@on_adapter
@in_version
def test_their_charging_station_charges_at_our_central_system(adapter: Adapter, both: Both) -> None:
    heard: list[Any] = []
    v, call = both.v, both.theirs.call

    async def charge() -> None:
        kind = station_class(both.theirs)
        async with (
            package_station(served.url, kind, both.version.subprotocol) as station,
            asyncio.timeout(PATIENCE),
        ):

            async def ask(request: Any) -> Any:
                return await station.call(request, suppress=False)

            async def ask_them(request: Any) -> Any:
                return await asyncio.wrap_future(served.start("CP_1", request))

            boot = await ask(call.BootNotification(charging_station=BOX, reason="PowerUp"))
            assert (boot.status, boot.interval, boot.current_time) == ("Accepted", 300, NOW)
            available = {"connector_status": "Available", "evse_id": 1, "connector_id": 1}
            await ask(call.StatusNotification(timestamp=NOW, **available))
            assert (await ask(call.Authorize(id_token=TOKEN))).id_token_info == {"status": "Accepted"}
            assert (await ask(call.Heartbeat())).current_time == NOW

            start = v.RequestStartTransactionRequest(id_token=both.token, remote_start_id=5, evse_id=1)
            assert (await ask_them(start)).status is v.RequestStartStopStatus.ACCEPTED
            for number, (kind_of_event, reason, state) in enumerate(
                [("Started", "RemoteStart", "Charging"), ("Updated", "MeterValuePeriodic", "Charging")]
            ):
                event = call.TransactionEvent(
                    event_type=kind_of_event,
                    timestamp=NOW,
                    trigger_reason=reason,
                    seq_no=number,
                    transaction_info={"transaction_id": "T-7", "charging_state": state, "remote_start_id": 5},
                    meter_value=[READING],
                )
                assert (await ask(event)).total_cost == 1.5
            await ask(call.MeterValues(evse_id=1, meter_value=[READING]))
            ended = {"transaction_id": "T-7", "stopped_reason": "Remote"}
            await ask(
                call.TransactionEvent(
                    event_type="Ended", timestamp=NOW, trigger_reason="RemoteStop", seq_no=2, transaction_info=ended
                )
            )
            assert station.told == ["start 5 for TAG", "stop T-7"]

            component, variable = v.Component(name="OCPPCommCtrlr"), v.Variable(name="HeartbeatInterval")
            get = v.GetVariablesRequest(get_variable_data=[v.GetVariableData(component=component, variable=variable)])
            (got,) = (await ask_them(get)).get_variable_result
            assert (got.component, got.variable, got.attribute_value) == (component, variable, "300")

            # What one side has no handler for.
            if both.refuses:
                with pytest.raises(CallRefused) as refused:
                    await ask_them(v.ClearCacheRequest())
                assert refused.value.code in NOT_HERE
            with pytest.raises(Exception, match="not supported"):
                await ask(call.FirmwareStatusNotification(status="Idle"))
            assert (await ask(call.Heartbeat())).current_time == NOW

    with adapter.serve(central_system(adapter, both, heard)) as served:
        asyncio.run(charge())
    assert heard == [v.RequestStopTransactionResponse(status=v.RequestStartStopStatus.ACCEPTED)]


def central_system_class(theirs: Any) -> type[Any]:
    """Their central system's end: accepts everything."""
    answer = theirs.call_result

    class PackageCentralSystem(theirs.ChargePoint):  # type: ignore[misc]
        @on("BootNotification")
        def boot(self, **_: Any) -> Any:
            return answer.BootNotification(current_time=NOW, interval=300, status="Accepted")

        @on("Heartbeat")
        def heartbeat(self) -> Any:
            return answer.Heartbeat(current_time=NOW)

        @on("StatusNotification")
        def status(self, **_: Any) -> Any:
            return answer.StatusNotification()

        @on("Authorize")
        def authorize(self, **_: Any) -> Any:
            return answer.Authorize(id_token_info={"status": "Accepted"})

        @on("TransactionEvent")
        def transaction_event(self, **_: Any) -> Any:
            return answer.TransactionEvent(total_cost=1.5)

    return PackageCentralSystem


@on_adapter
@in_version
def test_our_charging_station_charges_at_their_central_system(adapter: Adapter, both: Both) -> None:
    v, call = both.v, both.theirs.call
    told: list[Any] = []
    handlers = ChargePointHandlers()

    @handlers.on(v.RequestStartTransactionRequest)
    def request_start(_: Any, request: Any) -> Any:
        told.append(request)
        return v.RequestStartTransactionResponse(status=v.RequestStartStopStatus.ACCEPTED)

    @handlers.on(v.RequestStopTransactionRequest)
    def request_stop(_: Any, request: Any) -> Any:
        told.append(request)
        return v.RequestStopTransactionResponse(status=v.RequestStartStopStatus.ACCEPTED)

    with (
        package_server(central_system_class(both.theirs), both.version.subprotocol) as server,
        adapter.connect(server.url, versions=["2.1", "2.0.1", "1.6"], handlers=handlers) as peer,
    ):
        assert peer.peer.version is both.version
        box = v.ChargingStation(model="Model", vendor_name="Vendor")
        assert peer.call(v.BootNotificationRequest(charging_station=box, reason=v.BootReason.POWER_UP)) == both.booted
        available = v.StatusNotificationRequest(
            timestamp=NOON, connector_status=v.ConnectorStatus.AVAILABLE, evse_id=1, connector_id=1
        )
        assert peer.call(available) == v.StatusNotificationResponse()
        assert peer.call(v.AuthorizeRequest(id_token=both.token)).id_token_info == both.accepted
        assert peer.call(v.HeartbeatRequest()) == v.HeartbeatResponse(current_time=NOON)

        start = call.RequestStartTransaction(id_token=TOKEN, remote_start_id=5, evse_id=1)
        assert server.call(start).status == "Accepted"
        kinds, reasons = v.TransactionEvent, v.TriggerReason
        events = [
            (kinds.STARTED, reasons.REMOTE_START, {"remote_start_id": 5}),
            (kinds.UPDATED, reasons.METER_VALUE_PERIODIC, {}),
            (kinds.ENDED, reasons.REMOTE_STOP, {"stopped_reason": v.Reason.REMOTE}),
        ]
        for number, (kind, reason, info) in enumerate(events):
            if kind is kinds.ENDED:
                assert server.call(call.RequestStopTransaction(transaction_id="T-7")).status == "Accepted"
            event = v.TransactionEventRequest(
                event_type=kind,
                timestamp=NOON,
                trigger_reason=reason,
                seq_no=number,
                transaction_info=v.Transaction(transaction_id="T-7", **info),
                meter_value=[both.reading],
            )
            assert peer.call(event) == v.TransactionEventResponse(total_cost=1.5)
        assert [type(request) for request in told] == [
            v.RequestStartTransactionRequest,
            v.RequestStopTransactionRequest,
        ]

        # What one side has no handler for.
        if both.refuses:
            with pytest.raises(CallRefused) as refused:
                peer.call(v.FirmwareStatusNotificationRequest(status=v.FirmwareStatus.IDLE))
            assert refused.value.code in NOT_HERE
        with pytest.raises(Exception, match="not supported"):
            server.call(call.ClearCache())
        if both.v is v21:  # a message of a kind that not everybody knows disturbs nobody
            value = v21.StreamDataElement(t=0.0, v="230.1")
            peer.send(v21.NotifyPeriodicEventStream(id=1, pending=0, basetime=NOON, data=[value]))
        assert peer.call(v.HeartbeatRequest()) == v.HeartbeatResponse(current_time=NOON)
