"""Traces and metrics of connections, for OpenTelemetry: ``pip install "ocpp-sansio[opentelemetry]"``.

``serve(csms, observer=Telemetry())``, and the same for ``connect`` and ``operate``. Nothing else of ours knows
OpenTelemetry.

Spans, one for each CALL, named after its action:

* ``CLIENT`` for ours: a child of the span that is current where ``call`` is called. It has the event ``ocpp.sent`` when
  the CALL goes out, which may be later (RPC-050).
* ``SERVER`` for the peer's: a root, and current in the handler, so that what it does becomes its child.

Their attributes are ``rpc.system`` (``ocpp``), ``rpc.method`` (the action), ``ocpp.identity``, ``ocpp.version``,
``ocpp.message_id``, ``ocpp.outcome`` and, for what failed, ``error.type``: a code of OCPP, or what else happened.

Metrics, none of which has a label that a peer can make up (F-131):

* ``ocpp.call.duration``, a histogram in seconds, from when the CALL goes out, or comes, to its outcome, or answer; by
  ``ocpp.action``, ``ocpp.direction`` (``out``: ours) and ``ocpp.outcome`` (``ok``, ``call_error``, ``timed_out``,
  ``connection_lost``, ``invalid_response``, ``cancelled``, ``ignored``).
* ``ocpp.connections``, those that are open, by ``ocpp.version`` and ``ocpp.role``, which is ours.
* ``ocpp.connections.refused``, by ``http.response.status_code``; 0: it did not come to that.
* ``ocpp.misbehaviour``, by ``ocpp.misbehaviour.kind``: the members of :class:`ocpp_sansio.Misbehaviour`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

import attrs
from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from ocpp_sansio import (
    CallCancelled,
    CallFailed,
    CallReceived,
    CallRefused,
    CallSucceeded,
    CallTimedOut,
    ConnectionClosed,
    ConnectionLost,
    ConnectionReplaced,
    ErrorCode,
    InvalidResponse,
    PeerMisbehaved,
    PendingCall,
    Version,
)
from ocpp_sansio.messages import Role

__all__ = ["Telemetry"]

OK: Final = "ok"
CALL_ERROR: Final = "call_error"
LOST: Final = "connection_lost"
IGNORED: Final = "ignored"
OUTCOMES: Final[Mapping[type[Exception], str]] = {
    CallRefused: CALL_ERROR,
    CallTimedOut: "timed_out",
    ConnectionLost: LOST,
    ConnectionReplaced: LOST,
    InvalidResponse: "invalid_response",
    CallCancelled: "cancelled",
}
BOUNDARIES: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Of the histogram, in seconds: from what a central system does without I/O to what a time-out usually is."""

now = time.perf_counter


class Telemetry:
    """An observer that makes spans and metrics; see :mod:`ocpp_transports.opentelemetry`.

    Args:
        tracer_provider: instead of the global one.
        meter_provider: instead of the global one.
    """

    def __init__(
        self,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self.tracer: Final = trace.get_tracer("ocpp_transports", tracer_provider=tracer_provider)
        meter = metrics.get_meter("ocpp_transports", meter_provider=meter_provider)
        self.duration: Final = meter.create_histogram(
            "ocpp.call.duration",
            "s",
            "From a CALL to its answer, or to whatever else came of it.",
            explicit_bucket_boundaries_advisory=BOUNDARIES,
        )
        self.connections: Final = meter.create_up_down_counter(
            "ocpp.connections", "{connection}", "Connections that are open."
        )
        self.refusals: Final = meter.create_counter(
            "ocpp.connections.refused", "{connection}", "Connections that were never open."
        )
        self.misbehaviour: Final = meter.create_counter("ocpp.misbehaviour", "{event}", "What peers have done wrong.")

    def opened(self, identity: str, version: Version, role: Role) -> _Connection:
        """There is a connection."""
        return _Connection(self, identity, version, role)

    def refused(self, identity: str, status: int | None) -> None:  # noqa: ARG002 - anybody's invention (F-131)
        """There is none."""
        self.refusals.add(1, {"http.response.status_code": status or 0})


@attrs.define(eq=False)
class _Call:
    """One that is under way."""

    span: Span
    action: str
    direction: str
    since: float = attrs.field(factory=now)


class _Connection:
    """The spans and the metrics of one connection."""

    def __init__(self, telemetry: Telemetry, identity: str, version: Version, role: Role) -> None:
        self._telemetry: Final = telemetry
        self._common: Final = {"rpc.system": "ocpp", "ocpp.identity": identity, "ocpp.version": version.value}
        self._labels: Final = {"ocpp.version": version.value, "ocpp.role": role.value.replace(" ", "_")}
        self._ours: dict[PendingCall[Any], _Call] = {}
        self._theirs: dict[str, _Call] = {}
        """By message id: those that are under way have different ones."""
        telemetry.connections.add(1, self._labels)

    def calling(self, call: PendingCall[Any]) -> None:
        """We make a CALL."""
        self._ours[call] = self._begin(call, SpanKind.CLIENT, "out")

    def sent(self, call: PendingCall[Any]) -> None:
        """It is on the wire."""
        begun = self._ours.get(call)
        if begun is not None:
            begun.since = now()
            begun.span.add_event("ocpp.sent")

    def concluded(self, outcome: CallSucceeded[Any] | CallFailed) -> None:
        """It has its outcome."""
        begun = self._ours.pop(outcome.call, None)
        if begun is None:
            return
        if isinstance(outcome, CallSucceeded):
            self._end(begun, OK)
        else:
            what = OUTCOMES.get(type(outcome.error), "failed")
            error = outcome.error.code.value if isinstance(outcome.error, CallRefused) else what
            self._end(begun, what, error)

    def handling(self, call: CallReceived[Any]) -> AbstractContextManager[Span]:
        """The peer makes a CALL."""
        begun = self._theirs[call.message_id] = self._begin(call, SpanKind.SERVER, "in", Context())
        return trace.use_span(begun.span, record_exception=False, set_status_on_exception=False)

    def answered(self, call: CallReceived[Any], error: ErrorCode | None) -> None:
        """It is answered."""
        begun = self._theirs.pop(call.message_id, None)
        if begun is not None:
            self._end(begun, OK if error is None else CALL_ERROR, error and error.value)

    def ignored(self, call: CallReceived[Any]) -> None:
        """It is left without an answer."""
        begun = self._theirs.pop(call.message_id, None)
        if begun is not None:
            self._end(begun, IGNORED, IGNORED)

    def misbehaved(self, event: PeerMisbehaved) -> None:
        """The peer did something wrong."""
        self._telemetry.misbehaviour.add(1, {"ocpp.misbehaviour.kind": event.reason.name.lower()})

    def closed(self, end: ConnectionClosed) -> None:  # noqa: ARG002 - all the same to a metric
        """It is over."""
        self._telemetry.connections.add(-1, self._labels)
        for begun in (*self._ours.values(), *self._theirs.values()):
            self._end(begun, LOST, LOST)
        self._ours.clear()
        self._theirs.clear()

    def _begin(
        self, call: PendingCall[Any] | CallReceived[Any], kind: SpanKind, direction: str, parent: Context | None = None
    ) -> _Call:
        attributes = {**self._common, "rpc.method": call.action, "ocpp.message_id": call.message_id}
        span = self._telemetry.tracer.start_span(call.action, parent, kind, attributes)
        return _Call(span, call.action, direction)

    def _end(self, begun: _Call, outcome: str, error: str | None = None) -> None:
        labels = {"ocpp.action": begun.action, "ocpp.direction": begun.direction, "ocpp.outcome": outcome}
        # In the context of its span, so that an exemplar leads from the one to the other.
        context = trace.set_span_in_context(begun.span, Context())
        self._telemetry.duration.record(now() - begun.since, labels, context)
        begun.span.set_attribute("ocpp.outcome", outcome)
        if error is not None:
            begun.span.set_attribute("error.type", error)
            begun.span.set_status(Status(StatusCode.ERROR))
        begun.span.end()
