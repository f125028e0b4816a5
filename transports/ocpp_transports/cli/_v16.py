"""The session in the words of OCPP 1.6."""

from __future__ import annotations

import itertools
from typing import Any

from ocpp_sansio import Request, Response, Version, v16

from ._story import VENDOR, Answers, Ask, ChargePoint, Clock, Dialect, Story, answer_too_late, reports

__all__ = ["Dialect16"]

ACCEPTED = v16.IdTagInfo(status=v16.AuthorizationStatus.ACCEPTED)


class ChargePoint16(ChargePoint):
    """A charge point that speaks 1.6."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._transaction: int | None = None
        self.answers = {
            v16.RemoteStartTransactionRequest: self._remote_start,
            v16.RemoteStopTransactionRequest: self._remote_stop,
            v16.GetConfigurationRequest: lambda request: v16.GetConfigurationResponse(unknown_key=request.key),
            v16.TriggerMessageRequest: lambda _: v16.TriggerMessageResponse(
                status=v16.TriggerMessageStatus.NOT_IMPLEMENTED
            ),
        }

    def _remote_start(self, request: v16.RemoteStartTransactionRequest) -> Response:
        self.start_requested = request.id_tag == self.id_tag and self._transaction is None
        return v16.RemoteStartTransactionResponse(status=_accepted_if(self.start_requested))

    def _remote_stop(self, request: v16.RemoteStopTransactionRequest) -> Response:
        self.stop_requested = request.transaction_id == self._transaction
        return v16.RemoteStopTransactionResponse(status=_accepted_if(self.stop_requested))

    def is_welcome(self) -> Story[bool]:
        booted: v16.BootNotificationResponse = yield Ask(
            v16.BootNotificationRequest(charge_point_vendor=VENDOR, charge_point_model="Demo", firmware_version="1.0")
        )
        return booted.status is v16.RegistrationStatus.ACCEPTED

    def may_charge(self) -> Story[bool]:
        authorized: v16.AuthorizeResponse = yield Ask(v16.AuthorizeRequest(id_tag=self.id_tag))
        return authorized.id_tag_info.status is v16.AuthorizationStatus.ACCEPTED

    def status(self, *, charging: bool) -> Ask:
        status = v16.ChargePointStatus.CHARGING if charging else v16.ChargePointStatus.AVAILABLE
        no_error = v16.ChargePointErrorCode.NO_ERROR
        return Ask(
            v16.StatusNotificationRequest(connector_id=1, error_code=no_error, status=status, timestamp=self.clock())
        )

    def heartbeat(self) -> Request[Any]:
        return v16.HeartbeatRequest()

    def data_transfer(self, message_id: str) -> Request[Any]:
        return v16.DataTransferRequest(vendor_id=VENDOR, message_id=message_id)

    def start(self, meter: int) -> Story[None]:
        started: v16.StartTransactionResponse = yield Ask(
            v16.StartTransactionRequest(connector_id=1, id_tag=self.id_tag, meter_start=meter, timestamp=self.clock())
        )
        self._transaction = started.transaction_id

    def read(self, meter: int) -> Story[None]:
        energy = v16.SampledValue(value=str(meter), unit=v16.UnitOfMeasure.WH)
        values = [v16.MeterValue(timestamp=self.clock(), sampled_value=[energy])]
        yield Ask(v16.MeterValuesRequest(connector_id=1, transaction_id=self._transaction, meter_value=values))

    def stop(self, meter: int) -> Story[None]:
        assert self._transaction is not None
        yield Ask(
            v16.StopTransactionRequest(
                transaction_id=self._transaction,
                id_tag=self.id_tag,
                meter_stop=meter,
                timestamp=self.clock(),
                reason=v16.Reason.REMOTE if self.stop_requested else v16.Reason.LOCAL,
            )
        )


def _accepted_if(accepted: bool) -> v16.RemoteStartStopStatus:
    return v16.RemoteStartStopStatus.ACCEPTED if accepted else v16.RemoteStartStopStatus.REJECTED


class Dialect16(Dialect):
    """How both ends say it in 1.6."""

    version = Version.V16
    charge_point = ChargePoint16

    @classmethod
    def welcome(cls, clock: Clock) -> Answers:
        transactions = itertools.count(1)
        answers: Answers = {
            v16.BootNotificationRequest: lambda _: v16.BootNotificationResponse(
                current_time=clock(), interval=300, status=v16.RegistrationStatus.ACCEPTED
            ),
            v16.HeartbeatRequest: lambda _: v16.HeartbeatResponse(current_time=clock()),
            v16.AuthorizeRequest: lambda _: v16.AuthorizeResponse(id_tag_info=ACCEPTED),
            v16.StartTransactionRequest: lambda _: v16.StartTransactionResponse(
                transaction_id=next(transactions), id_tag_info=ACCEPTED
            ),
            v16.StopTransactionRequest: lambda _: v16.StopTransactionResponse(id_tag_info=ACCEPTED),
            v16.DataTransferRequest: lambda _: v16.DataTransferResponse(
                status=v16.DataTransferStatus.UNKNOWN_VENDOR_ID
            ),
            v16.SignCertificateRequest: lambda _: v16.SignCertificateResponse(
                status=v16.GenericStatusEnumType.REJECTED
            ),
        }
        return reports(cls.version) | answers

    @classmethod
    def interfere(cls, clock: Clock, charge_point: ChargePoint) -> Answers:
        def start(_: v16.HeartbeatRequest) -> Story[Response]:
            yield Ask(v16.RemoteStartTransactionRequest(id_tag=charge_point.id_tag, connector_id=1))
            return v16.HeartbeatResponse(current_time=clock())

        def stop(request: v16.MeterValuesRequest) -> Story[Response]:
            if request.transaction_id is not None:
                yield Ask(v16.RemoteStopTransactionRequest(transaction_id=request.transaction_id))
            return v16.MeterValuesResponse()

        late = v16.DataTransferResponse(status=v16.DataTransferStatus.ACCEPTED)
        return cls.welcome(clock) | {
            v16.HeartbeatRequest: start,
            v16.MeterValuesRequest: stop,
            v16.DataTransferRequest: answer_too_late(charge_point, late),
        }
