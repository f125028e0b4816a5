"""What the command plays: a charging session from both ends, told once for every adapter.

A story is a generator: it yields what it wants (:class:`Ask`, :class:`Wait`) and is resumed with the outcome. It knows
what a charge point and a central system say to each other; it does not know whether a task, a thread or a loop over
virtual time brings it about.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator
from datetime import datetime
from typing import Any, Final, TypeVar

import attrs

from ocpp_sansio import CallTimedOut, FromCentralSystem, FromChargePoint, Request, Response, v16

__all__ = ["Answer", "Ask", "ChargePoint", "Clock", "Story", "Wait", "answer_too_late", "stop_remotely", "welcome"]

T = TypeVar("T")

VENDOR: Final = "ocpp-sansio"
PATIENCE: Final = 0.15
"""Seconds the charge point waits for the answer that does not come in time."""
AGES: Final = 5.0
"""Seconds after which whoever waits for a thing that never happens goes on."""


@attrs.frozen
class Ask:
    """Send this to the other end; resume with the response, or raise the ``CallFailure``."""

    request: Request[Any]
    timeout: float | None = None


@attrs.frozen
class Wait:
    """Let the connection live until this holds, or for so many seconds."""

    seconds: float
    until: Callable[[], bool] = lambda: False


Story = Generator[Ask | Wait, Any, T]
Answer = Callable[[Any], Response | Story[Response]]
"""What one end says to a request of the other: a response, or the story of how it comes to one."""
Clock = Callable[[], datetime]


class ChargePoint:
    """A charge point with one connector and one customer."""

    def __init__(
        self, clock: Clock, id_tag: str = "CUSTOMER-1", note: Callable[[str], object] = lambda _: None
    ) -> None:
        self._clock = clock
        self._id_tag = id_tag
        self._note = note
        self._transaction: int | None = None
        self._stop_requested = False
        self.lost_patience = False
        """Whether the call that is not answered in time has timed out."""
        self.answers: dict[type[FromCentralSystem[Any]], Answer] = {
            v16.RemoteStopTransactionRequest: self._remote_stop,
            v16.GetConfigurationRequest: lambda request: v16.GetConfigurationResponse(unknown_key=request.key),
            v16.TriggerMessageRequest: lambda _: v16.TriggerMessageResponse(
                status=v16.TriggerMessageStatus.NOT_IMPLEMENTED
            ),
        }

    def _remote_stop(self, request: v16.RemoteStopTransactionRequest) -> Response:
        self._stop_requested = request.transaction_id == self._transaction
        accepted, rejected = v16.RemoteStartStopStatus.ACCEPTED, v16.RemoteStartStopStatus.REJECTED
        return v16.RemoteStopTransactionResponse(status=accepted if self._stop_requested else rejected)

    def boot(self) -> Story[bool]:
        """Say who it is; whether it is welcome."""
        booted: v16.BootNotificationResponse = yield Ask(
            v16.BootNotificationRequest(charge_point_vendor=VENDOR, charge_point_model="Demo", firmware_version="1.0")
        )
        if booted.status is not v16.RegistrationStatus.ACCEPTED:
            return False
        yield self._status(v16.ChargePointStatus.AVAILABLE)
        return True

    def charge(self, readings: int, interval: float) -> Story[bool]:
        """A session of so many meter readings, or until it is stopped remotely; whether there was one."""
        authorized: v16.AuthorizeResponse = yield Ask(v16.AuthorizeRequest(id_tag=self._id_tag))
        if authorized.id_tag_info.status is not v16.AuthorizationStatus.ACCEPTED:
            return False
        meter = 1000
        started: v16.StartTransactionResponse = yield Ask(
            v16.StartTransactionRequest(connector_id=1, id_tag=self._id_tag, meter_start=meter, timestamp=self._clock())
        )
        self._transaction = started.transaction_id
        yield self._status(v16.ChargePointStatus.CHARGING)
        for _ in range(readings):
            yield Wait(interval, until=lambda: self._stop_requested)
            if self._stop_requested:
                break
            meter += 250
            yield Ask(self._reading(meter))
        yield Ask(
            v16.StopTransactionRequest(
                transaction_id=started.transaction_id,
                id_tag=self._id_tag,
                meter_stop=meter,
                timestamp=self._clock(),
                reason=v16.Reason.REMOTE if self._stop_requested else v16.Reason.LOCAL,
            )
        )
        yield self._status(v16.ChargePointStatus.AVAILABLE)
        return True

    def lose_patience(self, heard: Callable[[], int]) -> Story[None]:
        """Make a call that is not answered in time, and see that its late answer disturbs nothing.

        ``heard`` counts the messages that have come in.
        """
        before = heard()
        try:
            yield Ask(v16.DataTransferRequest(vendor_id=VENDOR, message_id="take your time"), timeout=PATIENCE)
        except CallTimedOut as failure:
            self._note(f"✗ {failure}")
            self.lost_patience = True
            yield Wait(AGES, until=lambda: heard() > before)

    def _status(self, status: v16.ChargePointStatus) -> Ask:
        no_error = v16.ChargePointErrorCode.NO_ERROR
        return Ask(
            v16.StatusNotificationRequest(connector_id=1, error_code=no_error, status=status, timestamp=self._clock())
        )

    def _reading(self, meter: int) -> v16.MeterValuesRequest:
        energy = v16.SampledValue(value=str(meter), unit=v16.UnitOfMeasure.WH)
        return v16.MeterValuesRequest(
            connector_id=1,
            transaction_id=self._transaction,
            meter_value=[v16.MeterValue(timestamp=self._clock(), sampled_value=[energy])],
        )


def welcome(clock: Clock) -> dict[type[FromChargePoint[Any]], Answer]:
    """The answers of a central system that welcomes everybody and lets everybody charge."""
    transactions = itertools.count(1)
    accepted = v16.IdTagInfo(status=v16.AuthorizationStatus.ACCEPTED)
    answers: dict[type[FromChargePoint[Any]], Answer] = {
        v16.BootNotificationRequest: lambda _: v16.BootNotificationResponse(
            current_time=clock(), interval=300, status=v16.RegistrationStatus.ACCEPTED
        ),
        v16.HeartbeatRequest: lambda _: v16.HeartbeatResponse(current_time=clock()),
        v16.AuthorizeRequest: lambda _: v16.AuthorizeResponse(id_tag_info=accepted),
        v16.StartTransactionRequest: lambda _: v16.StartTransactionResponse(
            transaction_id=next(transactions), id_tag_info=accepted
        ),
        v16.StopTransactionRequest: lambda _: v16.StopTransactionResponse(id_tag_info=accepted),
        v16.DataTransferRequest: lambda _: v16.DataTransferResponse(status=v16.DataTransferStatus.UNKNOWN_VENDOR_ID),
        v16.SignCertificateRequest: lambda _: v16.SignCertificateResponse(status=v16.GenericStatusEnumType.REJECTED),
    }
    for action in v16.ACTIONS.values():
        # Whatever else a charge point sends is a report, and its answer is empty.
        if issubclass(action.request, FromChargePoint) and action.response and action.request not in answers:
            answers[action.request] = _always(action.response())
    return answers


def _always(response: Response) -> Answer:
    return lambda _: response


def stop_remotely(request: v16.MeterValuesRequest) -> Story[Response]:
    """A handler that asks the charge point to stop before it answers."""
    if request.transaction_id is not None:
        yield Ask(v16.RemoteStopTransactionRequest(transaction_id=request.transaction_id))
    return v16.MeterValuesResponse()


def answer_too_late(charge_point: ChargePoint) -> Answer:
    """A handler that answers once the charge point waits no more."""

    def answer(_: v16.DataTransferRequest) -> Story[Response]:
        yield Wait(AGES, until=lambda: charge_point.lost_patience)
        return v16.DataTransferResponse(status=v16.DataTransferStatus.ACCEPTED)

    return answer
