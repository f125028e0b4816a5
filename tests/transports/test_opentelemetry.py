"""What an observer is told, and what OpenTelemetry makes of it, under every adapter."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from ocpp_sansio import (
    CallFailed,
    CallReceived,
    CallRefused,
    CallSucceeded,
    CallTimedOut,
    ConnectionClosed,
    ConnectionLost,
    ConnectionReplaced,
    ErrorCode,
    Limits,
    Misbehaviour,
    PendingCall,
    Rejection,
    Version,
    v16,
)
from ocpp_sansio.messages import Role
from ocpp_transports import opentelemetry
from ocpp_transports.opentelemetry import Telemetry
from ocpp_transports.testing.samples import accepted
from tests.transports.contract import (
    ADAPTERS,
    BOOT,
    HEARTBEAT,
    PATIENCE,
    RESET,
    Adapter,
    AsyncAdapter,
    Gate,
    booted,
    central_system,
    charge_point,
    on_server,
    raw_client,
)

AVAILABLE = v16.StatusNotificationRequest(
    connector_id=1, error_code=v16.ChargePointErrorCode.NO_ERROR, status=v16.ChargePointStatus.AVAILABLE
)


class Collected:
    """Telemetry, and what it has made."""

    def __init__(self) -> None:
        self._spans, self._metrics = InMemorySpanExporter(), InMemoryMetricReader()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.telemetry = Telemetry(
            tracer_provider=self.provider, meter_provider=MeterProvider(metric_readers=[self._metrics])
        )

    def spans(self, kind: SpanKind | None = None) -> list[ReadableSpan]:
        return [span for span in self._spans.get_finished_spans() if kind in (None, span.kind)]

    def span(self, name: str, kind: SpanKind) -> ReadableSpan:
        (span,) = [span for span in self.spans(kind) if span.name == name]
        return span

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """The labels and the value, or the count, of each series of a metric."""
        data = self._metrics.get_metrics_data()
        return [
            (dict(point.attributes), getattr(point, "count", None) or point.value)
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def seconds(self) -> list[float]:
        """How long calls took, by series, together."""
        data = self._metrics.get_metrics_data()
        assert data is not None
        points = data.resource_metrics[0].scope_metrics[0].metrics
        return [
            point.sum for metric in points if metric.name == "ocpp.call.duration" for point in metric.data.data_points
        ]

    def calls(self) -> dict[tuple[str, str, str], int]:
        return {
            (labels["ocpp.action"], labels["ocpp.direction"], labels["ocpp.outcome"]): count
            for labels, count in self.points("ocpp.call.duration")
        }


@pytest.fixture
def collected() -> Iterator[Collected]:
    collected = Collected()
    yield collected
    collected.provider.shutdown()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


@on_server
def test_a_call_of_the_peer_is_a_span_of_a_server(server: Adapter, collected: Collected) -> None:
    with server.serve(central_system(), observer=collected.telemetry) as served, server.connect(served.url) as client:
        client.call(BOOT)
    span = collected.span("BootNotification", SpanKind.SERVER)
    assert span.parent is None
    assert span.status.status_code is StatusCode.UNSET
    found = attributes(span)
    assert found.pop("ocpp.message_id")
    assert found == {
        "rpc.system": "ocpp",
        "rpc.method": "BootNotification",
        "ocpp.identity": "CP_1",
        "ocpp.version": "1.6",
        "ocpp.outcome": "ok",
    }
    assert collected.calls() == {("BootNotification", "in", "ok"): 1}


@on_server
def test_a_call_of_ours_is_a_span_of_a_client_and_a_child_of_who_makes_it(
    server: Adapter, collected: Collected
) -> None:
    tracer = collected.provider.get_tracer("tests")

    with (
        server.serve(central_system()) as served,
        server.connect(served.url, observer=collected.telemetry) as client,
    ):

        def call() -> Any:
            with tracer.start_as_current_span("caller"):
                return client.peer.call(BOOT)

        async def call_later() -> Any:
            with tracer.start_as_current_span("caller"):
                return await client.peer.call(BOOT)

        assert client.do(call_later if isinstance(server, AsyncAdapter) else call) == booted()
    span, caller = collected.span("BootNotification", SpanKind.CLIENT), collected.span("caller", SpanKind.INTERNAL)
    assert span.parent is not None
    assert span.parent.span_id == caller.context.span_id
    assert [event.name for event in span.events] == ["ocpp.sent"]
    assert collected.calls() == {("BootNotification", "out", "ok"): 1}


@on_server
def test_what_a_handler_does_is_a_child_of_the_call_that_it_handles(server: Adapter, collected: Collected) -> None:
    csms = central_system(accept_before_boot=True)
    heard: list[Any] = []
    csms.on(v16.AuthorizeRequest)(server.asking(RESET, lambda *_: accepted(), heard))

    @csms.on(v16.StatusNotificationRequest)
    def look_up(*_: object) -> v16.StatusNotificationResponse:
        with collected.provider.get_tracer("tests").start_as_current_span("query"):
            return v16.StatusNotificationResponse()

    with (
        server.serve(csms, observer=collected.telemetry) as served,
        server.connect(served.url, handlers=charge_point()) as client,
    ):
        client.call(v16.AuthorizeRequest(id_tag="TAG"))
        client.call(AVAILABLE)
    assert len(heard) == 1
    for child, parent in (
        (collected.span("Reset", SpanKind.CLIENT), collected.span("Authorize", SpanKind.SERVER)),
        (collected.span("query", SpanKind.INTERNAL), collected.span("StatusNotification", SpanKind.SERVER)),
    ):
        assert child.parent is not None
        assert child.parent.span_id == parent.context.span_id


@on_server
def test_an_async_handler_has_its_span_to_its_end_and_no_other_has_it(server: Adapter, collected: Collected) -> None:
    csms, gate = central_system(accept_before_boot=True), Gate()
    current: list[Any] = []

    def answer(*_: object) -> v16.AuthorizeResponse:
        current.append(trace.get_current_span())
        return accepted()

    def beside(*_: object) -> v16.StatusNotificationResponse:
        current.append(trace.get_current_span())
        return v16.StatusNotificationResponse()

    csms.on(v16.AuthorizeRequest)(server.gated(gate, answer))
    csms.on(v16.StatusNotificationRequest)(beside)
    with server.serve(csms, observer=collected.telemetry) as served, server.connect(served.url) as client:
        waiting = client.start(v16.AuthorizeRequest(id_tag="TAG"))
        gate.arrived.get(timeout=PATIENCE)
        gate.open()
        waiting.result(PATIENCE)
        client.call(AVAILABLE)
    assert [span.name for span in current] == ["Authorize", "StatusNotification"]


@on_server
def test_what_becomes_of_a_call_is_its_outcome(server: Adapter, collected: Collected) -> None:
    csms = central_system(accept_before_boot=True)

    @csms.on(v16.AuthorizeRequest)
    def refuse(*_: object) -> v16.AuthorizeResponse:
        raise Rejection(ErrorCode.SECURITY_ERROR, "CANARY")

    with (
        server.serve(csms, observer=collected.telemetry) as served,
        server.connect(served.url, observer=collected.telemetry) as client,
        pytest.raises(CallRefused),
    ):
        client.call(v16.AuthorizeRequest(id_tag="CANARY"))
    span = collected.span("Authorize", SpanKind.SERVER)
    assert span.status.status_code is StatusCode.ERROR
    assert attributes(span)["error.type"] == "SecurityError"
    assert collected.calls() == {("Authorize", "in", "call_error"): 1, ("Authorize", "out", "call_error"): 1}
    assert "CANARY" not in "".join(span.to_json() for span in collected.spans())  # F-40


@on_server
def test_calls_that_are_not_answered_have_an_outcome_too_rpc_131(
    server: Adapter, collected: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: queue.Queue[PendingCall[Any]] = queue.Queue()
    begin = opentelemetry._Connection.calling
    monkeypatch.setattr(opentelemetry._Connection, "calling", lambda self, call: (begin(self, call), begun.put(call)))
    with server.serve(central_system(), observer=collected.telemetry) as served:
        with raw_client(served.port):
            waiting = served.start("CP_1", RESET, timeout=0.01)
            with pytest.raises(CallTimedOut):
                waiting.result(PATIENCE)
            behind = [served.start("CP_1", RESET, timeout=PATIENCE) for _ in range(2)]
            for _ in range(3):
                begun.get(timeout=PATIENCE)
        for each in behind:
            with pytest.raises(ConnectionLost):
                each.result(PATIENCE)
    assert collected.calls() == {("Reset", "out", "timed_out"): 1, ("Reset", "out", "connection_lost"): 2}
    spans = collected.spans(SpanKind.CLIENT)
    assert [attributes(span)["error.type"] for span in spans] == ["timed_out", "connection_lost", "connection_lost"]
    assert [len(span.events) for span in spans] == [1, 1, 0], "one at a time is on the wire (RPC-050)"


@pytest.mark.parametrize("server", [each for each in ADAPTERS if isinstance(each, AsyncAdapter)], ids=repr)
def test_a_handler_that_takes_too_long_is_told_when_it_is_answered_for_f_99(
    server: Adapter, collected: Collected
) -> None:
    csms, gate = central_system(accept_before_boot=True, limits=Limits(answer_timeout=0.01, close_timeout=3)), Gate()
    csms.on(v16.AuthorizeRequest)(server.gated(gate, lambda *_: accepted()))
    with server.serve(csms, observer=collected.telemetry) as served, server.connect(served.url) as client:
        with pytest.raises(CallRefused):
            client.call(v16.AuthorizeRequest(id_tag="TAG"))
        gate.open()
        client.call(HEARTBEAT)
    assert collected.calls() == {("Authorize", "in", "call_error"): 1, ("Heartbeat", "in", "ok"): 1}


@on_server
def test_a_call_under_way_when_the_connection_breaks_does_not_stay_open(server: Adapter, collected: Collected) -> None:
    csms, gate = central_system(accept_before_boot=True), Gate()
    csms.on(v16.AuthorizeRequest)(server.gated(gate, lambda *_: accepted()))
    with server.serve(csms, observer=collected.telemetry) as served:
        with raw_client(served.port) as station:
            station.send('[2,"a","Authorize",{"idTag":"TAG"}]')
            gate.arrived.get(timeout=PATIENCE)
            station.reset()
        gate.open()
    # Which of the two was first is not ours to say; in threads the handler is.
    assert collected.calls() in ({("Authorize", "in", "connection_lost"): 1}, {("Authorize", "in", "ok"): 1})
    assert len(collected.spans(SpanKind.SERVER)) == 1


@on_server
def test_open_connections_are_counted_up_and_down(server: Adapter, collected: Collected) -> None:
    labels = {"ocpp.version": "1.6", "ocpp.role": "central_system"}
    with server.serve(central_system(), observer=collected.telemetry) as served, server.connect(served.url) as client:
        client.call(BOOT)
        assert collected.points("ocpp.connections") == [(labels, 1)]
    assert collected.points("ocpp.connections") == [(labels, 0)]


@on_server
def test_a_peer_makes_up_no_label_f_131(server: Adapter, collected: Collected) -> None:
    csms = central_system(accept_before_boot=True)
    with server.serve(csms, observer=collected.telemetry) as served:
        for number in range(3):
            with raw_client(served.port, f"CP_{number}") as station:
                for text in (
                    f'[2,"a{number}","Evil{number}",{{}}]',
                    f'[2,"b{number}","Heartbeat",{{"Evil{number}":1}}]',
                    f'[2,"c{number}","Heartbeat",{{}}]',
                ):
                    station.send(text)
                    station.receive_text()
                station.send(f'[3,"Evil{number}",{{}}]')
                station.send(f'[2,"d{number}","Heartbeat",{{}}]')
                station.receive_text()
    assert collected.calls() == {("Heartbeat", "in", "ok"): 6}
    kinds = {labels["ocpp.misbehaviour.kind"]: count for labels, count in collected.points("ocpp.misbehaviour")}
    assert kinds == {"unknown_action": 3, "invalid_payload": 3, "unsolicited_answer": 3}
    assert kinds.keys() <= {each.name.lower() for each in Misbehaviour}
    assert {span.name for span in collected.spans()} == {"Heartbeat"}


@on_server
def test_who_is_not_let_in_is_counted_by_status_alone_f_131(server: Adapter, collected: Collected) -> None:
    csms = central_system(authenticate=lambda _: False)
    with server.serve(csms, observer=collected.telemetry) as served:
        for number in range(3):
            with pytest.raises(server.module.HandshakeFailed), server.connect(served.url, f"CP_{number}"):
                pass
    assert collected.points("ocpp.connections.refused") == [({"http.response.status_code": 401}, 3)]
    assert collected.points("ocpp.connections") == []


@attrs.define
class Broken:
    """An observer that fails at one thing."""

    at: str
    told: list[str] = attrs.field(factory=list)

    def __getattr__(self, name: str) -> Any:
        def tell(*_: object) -> Any:
            self.told.append(name)
            if name == self.at:
                raise RuntimeError("it is broken")
            return self

        return tell

    def __enter__(self) -> None:
        self.told.append("enter")
        if self.at == "enter":
            raise RuntimeError("it is broken")

    def __exit__(self, *_: object) -> None:
        if self.at == "exit":
            self.told.append("exit")
            raise RuntimeError("it is broken")


@on_server
@pytest.mark.parametrize(
    "at", ["opened", "calling", "sent", "concluded", "handling", "enter", "exit", "answered", "misbehaved", "closed"]
)
def test_an_observer_that_fails_fails_alone_f_14(server: Adapter, at: str, caplog: pytest.LogCaptureFixture) -> None:
    broken = Broken(at)
    csms = central_system(accept_before_boot=True)
    with server.serve(csms, observer=broken) as served, raw_client(served.port) as station:
        station.send('[2,"a","Heartbeat",{}]')
        assert station.receive_text().startswith('[3,"a"')
        station.send("nonsense")
        waiting = served.start("CP_1", RESET)
        message_id = station.receive_text().split('"')[1]
        station.send(f'[3,"{message_id}",{{"status":"Accepted"}}]')
        waiting.result(PATIENCE)
        station.send('[2,"b","Heartbeat",{}]')
        assert station.receive_text().startswith('[3,"b"')
    assert caplog.text.count("the observer failed") == 1
    assert broken.told[-1] == at, "it is told no more"


@on_server
def test_an_observer_that_fails_over_a_refusal_fails_alone_f_14(
    server: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    csms = central_system(authenticate=lambda _: False)
    with (
        server.serve(csms, observer=Broken("refused")) as served,
        pytest.raises(server.module.HandshakeFailed),
        server.connect(served.url),
    ):
        pass
    assert caplog.text.count("the observer failed") == 1


class Told(Broken):
    """An observer that keeps the events that it is told, for who waits for them."""

    def __init__(self) -> None:
        super().__init__("nothing")
        self.events: queue.Queue[tuple[str, Any]] = queue.Queue()

    def __getattr__(self, name: str) -> Any:
        def tell(about: Any = None, *_: object) -> Any:
            self.events.put((name, about))
            return self

        return tell

    def next(self) -> tuple[str, Any]:
        return self.events.get(timeout=PATIENCE)


@on_server
def test_it_is_told_when_a_call_that_had_to_wait_goes_out_rpc_050(server: Adapter) -> None:
    told = Told()
    with server.serve(central_system(), observer=told) as served, raw_client(served.port) as station:
        assert told.next() == ("opened", "CP_1")
        waiting = [served.start("CP_1", RESET)]
        (calling, first), (sent, on_wire) = told.next(), told.next()
        assert (calling, sent, on_wire) == ("calling", "sent", first)
        waiting.append(served.start("CP_1", RESET))
        calling, second = told.next()
        assert calling == "calling"
        for call in first, second:
            assert station.receive_text().split('"')[1] == call.message_id
            station.send(f'[3,"{call.message_id}",{{"status":"Accepted"}}]')
            assert told.next()[0] == "concluded"
            if call is first:
                assert told.next() == ("sent", second)
        for each in waiting:
            each.result(PATIENCE)


def test_a_call_that_had_to_wait_is_timed_from_when_it_goes_out_rpc_054(
    collected: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(opentelemetry, "now", lambda: clock[0])
    call = PendingCall("1", "Reset", RESET, 30.0)
    connection = collected.telemetry.opened("CP_1", Version.V16, Role.CENTRAL_SYSTEM)
    connection.calling(call)
    clock[0] = 10.0
    connection.sent(call)
    clock[0] = 12.0
    connection.concluded(CallSucceeded(call, v16.ResetResponse(status=v16.ResetStatus.ACCEPTED)))
    assert collected.seconds() == [2.0]


def test_a_call_on_a_connection_that_is_displaced_is_lost_f_37(collected: Collected) -> None:
    call = PendingCall("1", "Reset", RESET, 30.0)
    connection = collected.telemetry.opened("CP_1", Version.V16, Role.CENTRAL_SYSTEM)
    connection.calling(call)
    connection.concluded(CallFailed(call, ConnectionReplaced(sent=True)))
    assert collected.calls() == {("Reset", "out", "connection_lost"): 1}


def test_a_call_that_is_left_unanswered_ends_as_that_cp16_013(collected: Collected) -> None:
    call = CallReceived("1", "Heartbeat", HEARTBEAT)
    connection = collected.telemetry.opened("CP_1", Version.V16, Role.CENTRAL_SYSTEM)
    with connection.handling(call):
        connection.ignored(call)
    connection.closed(ConnectionClosed(1000, "", by_peer=True))
    assert collected.calls() == {("Heartbeat", "in", "ignored"): 1}
