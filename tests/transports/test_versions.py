"""The versions beside each other, and what OCPP 2.1 adds: SEND, and responses that are refused. On every adapter."""

from __future__ import annotations

import json
import logging
import select
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from ocpp_sansio import (
    CallRefused,
    CentralSystem,
    ChargePointHandlers,
    ConnectionLost,
    ErrorCode,
    InvalidMessage,
    InvalidResponse,
    Limits,
    LocalProtocolError,
    QueueFull,
    SessionClosed,
    Version,
    v16,
    v21,
    v201,
)
from ocpp_transports.testing import Course, Proxy
from tests.transports.contract import (
    HEARTBEAT,
    NOON,
    PATIENCE,
    Adapter,
    ClientEnd,
    Gate,
    RawPeer,
    ServerEnd,
    central_system,
    on_client,
    on_server,
    raw_client,
    raw_server,
)

pytestmark = pytest.mark.usefixtures("nothing_is_left_over")

ALL: list[Any] = ["2.1", "2.0.1", "1.6"]
MESSAGES: dict[Version, Any] = {Version.V16: v16, Version.V201: v201, Version.V21: v21}

BEAT = v21.HeartbeatRequest()
BEATEN = v21.HeartbeatResponse(current_time=NOON)
RESET = v21.ResetRequest(type=v21.Reset.IMMEDIATE)
RESETTING = v21.ResetResponse(status=v21.ResetStatus.ACCEPTED)
AUTHORIZE = v21.AuthorizeRequest(id_token=v21.IdToken(id_token="TAG", type="ISO14443"))
AUTHORIZED = v21.AuthorizeResponse(id_token_info=v21.IdTokenInfo(status=v21.AuthorizationStatus.ACCEPTED))


def stream(number: int, values: int = 1, value: str = "230.1") -> v21.NotifyPeriodicEventStream:
    data = [v21.StreamDataElement(t=float(second), v=value) for second in range(values)]
    return v21.NotifyPeriodicEventStream(id=number, pending=0, basetime=NOON, data=data)


def stream_text(number: int, value: str = "230.1", values: int = 1) -> str:
    data = [{"t": second, "v": value} for second in range(values)]
    payload = {"id": number, "pending": 0, "basetime": "2026-01-01T12:00:00Z", "data": data}
    return json.dumps([6, str(number), "NotifyPeriodicEventStream", payload])


def handlers_of_2_1() -> ChargePointHandlers:
    handlers = ChargePointHandlers()
    handlers.on(v21.ResetRequest)(lambda *_: RESETTING)
    return handlers


def central_system_of_2_1(**options: Any) -> CentralSystem:
    csms = central_system(versions=ALL, accept_before_boot=True, **options)
    csms.on(v21.HeartbeatRequest)(lambda *_: BEATEN)
    csms.on(v21.AuthorizeRequest)(lambda *_: AUTHORIZED)
    return csms


@contextmanager
def connected(
    client: Adapter, server: Adapter, csms: CentralSystem, **options: Any
) -> Iterator[tuple[ClientEnd, ServerEnd]]:
    """A charge point that speaks 2.1, and its central system."""
    options.setdefault("handlers", handlers_of_2_1())
    with server.serve(csms) as served, client.connect(served.url, versions=["2.1"], **options) as peer:
        yield peer, served


# -- several versions on one port --


def boot(version: Any) -> Any:
    if version is v16:
        return v16.BootNotificationRequest(charge_point_vendor="Vendor", charge_point_model="Model")
    box = version.ChargingStation(vendor_name="Vendor", model="Model")
    return version.BootNotificationRequest(charging_station=box, reason=version.BootReason.POWER_UP)


def reset(version: Any) -> Any:
    return version.ResetRequest(type=v16.ResetType.SOFT if version is v16 else version.Reset.ON_IDLE)


@on_client
@on_server
def test_one_port_serves_all_versions_at_the_same_time_rpc_011(client: Adapter, server: Adapter) -> None:
    csms, handlers = CentralSystem(versions=ALL), ChargePointHandlers()
    csms.authenticate(lambda _: True)
    seen: list[tuple[str, Any]] = []

    def serve(version: Any) -> None:
        @csms.on(version.BootNotificationRequest)
        def booted(station: Any, request: Any) -> Any:
            seen.append((station.identity, station.version))
            status = version.RegistrationStatus.ACCEPTED
            return version.BootNotificationResponse(current_time=NOON, interval=300, status=status)

        csms.on(version.HeartbeatRequest)(lambda *_: version.HeartbeatResponse(current_time=NOON))
        handlers.on(version.ResetRequest)(lambda *_: version.ResetResponse(status=version.ResetStatus.ACCEPTED))

    for messages in MESSAGES.values():
        serve(messages)
    # What each offers, and what becomes of it: its own order decides.
    offers = {
        Version.V16: ["1.6"],
        Version.V201: ["2.0.1", "2.1", "1.6"],
        Version.V21: ["2.1", "2.0.1", "1.6"],
    }
    with server.serve(csms) as served, ExitStack() as stations:
        peers = {
            version: stations.enter_context(
                client.connect(served.url, str(version), versions=offered, handlers=handlers)
            )
            for version, offered in offers.items()
        }
        booting = {version: peer.start(boot(MESSAGES[version])) for version, peer in peers.items()}
        for version, peer in peers.items():
            messages = MESSAGES[version]
            assert booting[version].result(PATIENCE).status is messages.RegistrationStatus.ACCEPTED
            assert peer.peer.version is served.csms.stations[str(version)].version is version
            assert peer.call(messages.HeartbeatRequest()) == messages.HeartbeatResponse(current_time=NOON)
            response = served.call(str(version), reset(messages))
            assert response == messages.ResetResponse(status=messages.ResetStatus.ACCEPTED)
        with pytest.raises(LocalProtocolError):
            served.call("1.6", RESET)
        with pytest.raises(LocalProtocolError):
            peers[Version.V201].call(HEARTBEAT)
    assert sorted(seen, key=str) == [(str(version), version) for version in Version]


@on_client
@on_server
def test_a_station_that_is_pending_may_send_the_report_it_was_asked_for_rpc_076(
    client: Adapter, server: Adapter
) -> None:
    csms, handlers = CentralSystem(versions=["2.0.1"]), ChargePointHandlers()
    csms.authenticate(lambda _: True)
    pending = v201.BootNotificationResponse(current_time=NOON, interval=9, status=v201.RegistrationStatus.PENDING)
    csms.on(v201.BootNotificationRequest)(lambda *_: pending)
    csms.on(v201.NotifyReportRequest)(lambda *_: v201.NotifyReportResponse())
    csms.on(v201.HeartbeatRequest)(lambda *_: v201.HeartbeatResponse(current_time=NOON))
    accepted = v201.GetBaseReportResponse(status=v201.GenericDeviceModelStatus.ACCEPTED)
    handlers.on(v201.GetBaseReportRequest)(lambda *_: accepted)
    report = v201.NotifyReportRequest(request_id=1, seq_no=0, generated_at=NOON)
    with server.serve(csms) as served, client.connect(served.url, versions=["2.0.1"], handlers=handlers) as peer:
        peer.call(boot(v201))
        for _ in range(2):
            with pytest.raises(CallRefused) as refused:
                peer.call(report)
            assert refused.value.code is ErrorCode.SECURITY_ERROR
        request = v201.GetBaseReportRequest(request_id=1, report_base=v201.ReportBase.FULL_INVENTORY)
        assert served.call("CP_1", request) == accepted
        assert peer.call(report) == v201.NotifyReportResponse()
        with pytest.raises(CallRefused) as refused:
            peer.call(v201.HeartbeatRequest())
        assert refused.value.code is ErrorCode.SECURITY_ERROR


# -- SEND --


@on_client
@on_server
@pytest.mark.parametrize("later", [False, True], ids=["at once", "awaited"])
def test_sends_are_heard_beside_the_calls_rpc_034_rpc_056(client: Adapter, server: Adapter, later: bool) -> None:
    csms, gate = central_system_of_2_1(), Gate()
    heard: list[tuple[str, int]] = []

    def hear(station: Any, message: v21.NotifyPeriodicEventStream) -> None:
        heard.append((station.identity, message.id))

    async def hear_later(station: Any, message: v21.NotifyPeriodicEventStream) -> None:
        hear(station, message)

    csms.on_send(v21.NotifyPeriodicEventStream)(hear_later if later else hear)
    csms.on(v21.DataTransferRequest)(
        server.gated(gate, lambda *_: v21.DataTransferResponse(status=v21.DataTransferStatus.ACCEPTED))
    )
    with connected(client, server, csms) as (peer, _):
        for number in range(20):
            peer.send(stream(number))
        unanswered = peer.start(v21.DataTransferRequest(vendor_id="Vendor"))
        gate.arrived.get(timeout=PATIENCE)
        peer.send(stream(20))
        gate.open()
        assert unanswered.result(PATIENCE).status is v21.DataTransferStatus.ACCEPTED
        assert peer.call(BEAT) == BEATEN
    # Coroutines run beside each other, in an order of the event loop's own.
    assert (sorted(heard) if later else heard) == [("CP_1", number) for number in range(21)]


@on_client
@on_server
def test_a_mistake_raises_at_the_send_and_nothing_is_sent(client: Adapter, server: Adapter) -> None:
    csms = central_system_of_2_1()
    heard: list[Any] = []
    csms.on_send(v21.NotifyPeriodicEventStream)(lambda _, message: heard.append(message))
    with connected(client, server, csms) as (peer, served):
        with pytest.raises(InvalidMessage):
            peer.send(stream(1, values=0))
        with pytest.raises(LocalProtocolError, match="CALL"):
            peer.send(BEAT)
        with pytest.raises(LocalProtocolError, match="not sent in a CALL"):
            peer.call(stream(1))
        with (
            client.connect(served.url, "CP_2", versions=["1.6"]) as other,
            pytest.raises(LocalProtocolError, match=r"1\.6"),
        ):
            other.send(stream(1))
        assert peer.call(BEAT) == BEATEN
        peer.close()
        with pytest.raises(SessionClosed):
            peer.send(stream(1))
    assert not heard


@on_client
@on_server
def test_what_goes_wrong_in_the_handler_of_a_send_is_logged_and_not_answered_f_12(
    client: Adapter, server: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    csms = central_system_of_2_1()

    @csms.on_send(v21.NotifyPeriodicEventStream)
    def hear(_: Any, message: v21.NotifyPeriodicEventStream) -> Any:
        async def fail() -> None:
            raise LookupError("mustard")

        if message.id == 1:
            raise LookupError("sesame")
        return fail()

    with caplog.at_level(logging.ERROR), connected(client, server, csms) as (peer, _):
        peer.send(stream(1))
        peer.send(stream(2))
        assert peer.call(BEAT) == BEATEN
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["sesame", "mustard"]


@on_server
def test_a_send_without_a_handler_or_before_the_boot_is_logged_and_that_is_all_rpc_076(
    server: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    def say(csms: CentralSystem) -> list[str]:
        caplog.clear()
        with server.serve(csms) as served, raw_client(served.port, version="2.1") as peer:
            peer.send(stream_text(1))
            peer.send('[2,"2","Nonsense",{}]')
            assert json.loads(peer.receive_text())[:2] == [4, "2"]
        return [record.getMessage() for record in caplog.records if "Stream" in record.getMessage()]

    with caplog.at_level(logging.INFO, "ocpp_transports"):
        assert say(central_system(versions=ALL, accept_before_boot=True)) == [
            "'CP_1': NotifyPeriodicEventStream: there is no handler"
        ]
        careful = central_system(versions=ALL)
        heard: list[Any] = []
        careful.on_send(v21.NotifyPeriodicEventStream)(lambda *message: heard.append(message))
        assert say(careful) == [
            "'CP_1': NotifyPeriodicEventStream: send a BootNotification first, and wait until it is accepted"
        ]
        assert not heard


@on_server
def test_sends_nobody_hears_do_not_fill_the_log_f_130(server: Adapter, caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.INFO, "ocpp_transports"),
        server.serve(central_system(versions=ALL)) as served,
        raw_client(served.port, version="2.1") as peer,
    ):
        for number in range(500):
            peer.send(stream_text(number))
        peer.send('[2,"last","Nonsense",{}]')
        assert json.loads(peer.receive_text())[1] == "last"
        assert len(caplog.records) < 100


@on_server
def test_a_flood_of_sends_is_heard_a_few_at_a_time_and_then_not_read_f_98(server: Adapter) -> None:
    csms, gate = central_system_of_2_1(limits=Limits(close_timeout=3)), Gate()
    heard: list[int] = []
    csms.on_send(v21.NotifyPeriodicEventStream)(server.gated(gate, lambda _, message: heard.append(message.id)))
    with server.serve(csms) as served, raw_client(served.port, version="2.1") as peer:
        flood = (peer.frame(stream_text(number, "x" * 2400, 25)) for number in range(1000))
        peer.stream.setblocking(False)
        rest, begun = b"", 0
        while select.select([], [peer.stream], [], 0.5)[1]:
            if not rest:
                rest = next(flood)  # and does not run out of them: it is not read from for ever
                begun += 1
            rest = rest[peer.stream.send(rest) :]
        assert gate.arrived.qsize() <= Limits().max_inbound_calls
        gate.open()
        peer.stream.settimeout(PATIENCE)
        peer.stream.sendall(rest + peer.frame('[2,"last","Heartbeat",{}]'))
        assert json.loads(peer.receive_text())[:2] == [3, "last"]
        while gate.arrived.qsize() < begun:
            gate.arrived.get(timeout=PATIENCE)
            begun -= 1
    assert sorted(heard) == list(range(len(heard)))


@on_server
@pytest.mark.parametrize("count", [12, 17, 18, 100, 250])  # all more than are at work at the same time
def test_handlers_of_sends_may_call_their_peer_f_100(server: Adapter, count: int) -> None:
    csms = central_system_of_2_1()
    answers: list[Any] = []
    csms.on_send(v21.NotifyPeriodicEventStream)(server.asking(RESET, lambda *_: None, answers))
    with server.serve(csms) as served, raw_client(served.port, version="2.1") as peer:
        peer.stream.sendall(b"".join(peer.frame(stream_text(number)) for number in range(count)))
        for _ in range(count):
            asked = json.loads(peer.receive_text())
            assert asked[2] == "Reset"
            peer.send(f'[3,"{asked[1]}",{{"status":"Accepted"}}]')
        peer.send('[2,"last","Heartbeat",{}]')
        assert json.loads(peer.receive_text())[:2] == [3, "last"]
    assert answers == [RESETTING] * count


@on_server
def test_more_sends_than_are_held_for_handlers_that_call_close_the_connection_f_98_f_100(
    server: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    csms = central_system_of_2_1(limits=Limits(max_inbound_calls=2, max_held_calls=5, close_timeout=3))
    answers: list[Any] = []
    csms.on_send(v21.NotifyPeriodicEventStream)(server.asking(RESET, lambda *_: None, answers))
    with (
        caplog.at_level(logging.WARNING, "ocpp_transports"),
        server.serve(csms) as served,
        raw_client(served.port, version="2.1") as peer,
    ):
        peer.stream.sendall(b"".join(peer.frame(stream_text(number)) for number in range(8)))
        assert json.loads(peer.receive_text())[2] == "Reset"
        assert peer.receive() == (8, b"\x03\xf0too many SENDs are waiting")
    assert caplog.text.count("too many SENDs are waiting") == 1
    assert caplog.text.count("the handler of NotifyPeriodicEventStream failed") == 8  # each was heard, none answered
    assert all(isinstance(answer, ConnectionLost) for answer in answers)


@on_client
def test_sends_to_a_peer_that_does_not_read_end_in_an_exception_f_06(client: Adapter) -> None:
    gate = Gate()

    def ignore(peer: RawPeer) -> None:
        gate.arrived.get(timeout=PATIENCE)
        peer.read_all()

    limits = Limits(max_unsent=2**16, close_timeout=0.2)
    with raw_server(ignore, version="2.1") as url, client.connect(url, versions=["2.1"], limits=limits) as peer:
        taken = 0
        try:
            for number in range(1000):
                peer.send(stream(number, 25, "x" * 2400))
                taken += 1
        except QueueFull:
            pass
        assert 0 < taken < 1000
        with pytest.raises(QueueFull):
            peer.send(stream(0))
        gate.arrived.put(None)


# -- responses that are refused --


@on_client
@on_server
@pytest.mark.parametrize("later", [False, True], ids=["at once", "awaited"])
def test_a_handler_is_told_that_its_response_was_refused_rpc_072_rpc_073(
    client: Adapter, server: Adapter, later: bool
) -> None:
    csms = central_system_of_2_1()
    told: list[tuple[str, Any, CallRefused]] = []

    def tell(station: Any, request: v21.AuthorizeRequest, error: CallRefused) -> None:
        told.append((station.identity, request, error))

    async def tell_later(station: Any, request: v21.AuthorizeRequest, error: CallRefused) -> None:
        tell(station, request, error)

    csms.on_result_refused(v21.AuthorizeRequest)(tell_later if later else tell)
    garbling = Course(change=lambda data: data.replace(b'"Accepted"', b'"acceptED"'))
    with (
        server.serve(csms) as served,
        Proxy(served.port, down=garbling) as line,
        client.connect(line.url, versions=["2.1"]) as peer,
    ):
        with pytest.raises(InvalidResponse):
            peer.call(AUTHORIZE)
        assert peer.call(BEAT) == BEATEN
    ((identity, request, error),) = told
    assert (identity, request) == ("CP_1", AUTHORIZE)
    assert error.code is ErrorCode.PROPERTY_CONSTRAINT_VIOLATION
    assert error.details["violations"][0]["path"] == "$.idTokenInfo.status"


@on_client
@pytest.mark.parametrize("heard", [False, True], ids=["ignored", "heard"])
def test_a_charge_point_is_told_as_well(client: Adapter, heard: bool, caplog: pytest.LogCaptureFixture) -> None:
    told: list[tuple[Any, str]] = []
    handlers = handlers_of_2_1()
    if heard:
        handlers.on_result_refused(v21.ResetRequest)(lambda _, request, error: told.append((request, error.code_text)))

    def refuse(peer: RawPeer) -> None:
        beat = json.loads(peer.receive_text())[1]
        peer.send('[2,"1","Reset",{"type":"Immediate"}]')
        assert json.loads(peer.receive_text())[:2] == [3, "1"]
        peer.send('[5,"1","InternalError","secret",{}]')
        peer.send(f'[3,"{beat}",{{"currentTime":"2026-01-01T12:00:00Z"}}]')
        peer.read_all()

    options = {"versions": ["2.1"], "handlers": handlers, "limits": Limits(close_timeout=0.2)}
    with raw_server(refuse, version="2.1") as url, client.connect(url, **options) as peer:
        assert peer.call(BEAT) == BEATEN
    assert told == ([(RESET, "InternalError")] if heard else [])
    refusals = [] if heard else ["'CP_1': our response to Reset is refused: InternalError"]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == refusals
