"""The session in the words of OCPP 2.0.1 and 2.1, which have the same names for it. 2.1 adds a stream of readings."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from ocpp_sansio import Request, Response, Version, v21, v201

from ._story import VENDOR, Answers, Ask, ChargePoint, Clock, Dialect, Say, Story, answer_too_late, reports

__all__ = ["Dialect21", "Dialect201"]

VOLTAGE = "230.1"
STREAM = 1
CARD: Final[dict[Any, str]] = {v201: v201.IdTokenEnum.ISO14443, v21: "ISO14443"}
"""The kind of token that a contactless card is: in 2.0.1 one of an enum, in 2.1 any text."""


class ChargePoint201(ChargePoint):
    """A charging station that speaks 2.0.1."""

    v: ClassVar[Any] = v201
    """The messages. They are classes of each version's own."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._transaction: str | None = None
        self._remote_start_id: int | None = None
        self._seq_no = 0
        v = self.v
        self.answers = {
            v.RequestStartTransactionRequest: self._request_start,
            v.RequestStopTransactionRequest: self._request_stop,
            v.GetBaseReportRequest: lambda _: v.GetBaseReportResponse(status=v.GenericDeviceModelStatus.NOT_SUPPORTED),
            v.TriggerMessageRequest: lambda _: v.TriggerMessageResponse(status=v.TriggerMessageStatus.NOT_IMPLEMENTED),
        }

    def _request_start(self, request: Any) -> Response:
        self.start_requested = request.id_token.id_token == self.id_tag and self._transaction is None
        self._remote_start_id = request.remote_start_id if self.start_requested else None
        return self._accept_if(self.v.RequestStartTransactionResponse, self.start_requested)

    def _request_stop(self, request: Any) -> Response:
        self.stop_requested = request.transaction_id == self._transaction
        return self._accept_if(self.v.RequestStopTransactionResponse, self.stop_requested)

    def _accept_if(self, response: Any, accepted: bool) -> Response:
        status = self.v.RequestStartStopStatus
        answer: Response = response(status=status.ACCEPTED if accepted else status.REJECTED)
        return answer

    def is_welcome(self) -> Story[bool]:
        v = self.v
        box = v.ChargingStation(vendor_name=VENDOR, model="Demo", firmware_version="1.0")
        booted = yield Ask(v.BootNotificationRequest(charging_station=box, reason=v.BootReason.POWER_UP))
        return bool(booted.status is v.RegistrationStatus.ACCEPTED)

    def may_charge(self) -> Story[bool]:
        v = self.v
        authorized = yield Ask(v.AuthorizeRequest(id_token=token(v, self.id_tag)))
        return bool(authorized.id_token_info.status is v.AuthorizationStatus.ACCEPTED)

    def status(self, *, charging: bool) -> Ask:
        v = self.v
        status = v.ConnectorStatus.OCCUPIED if charging else v.ConnectorStatus.AVAILABLE
        return Ask(
            v.StatusNotificationRequest(timestamp=self.clock(), connector_status=status, evse_id=1, connector_id=1)
        )

    def heartbeat(self) -> Request[Any]:
        request: Request[Any] = self.v.HeartbeatRequest()
        return request

    def data_transfer(self, message_id: str) -> Request[Any]:
        request: Request[Any] = self.v.DataTransferRequest(vendor_id=VENDOR, message_id=message_id)
        return request

    def start(self, meter: int) -> Story[None]:
        reason = self.v.TriggerReason
        self._transaction = f"{self.clock():%Y%m%d-%H%M%S}"
        yield self._event(
            "STARTED",
            reason.REMOTE_START if self.start_requested else reason.AUTHORIZED,
            meter,
            {"remote_start_id": self._remote_start_id},
            evse=self.v.EVSE(id=1, connector_id=1),
            id_token=token(self.v, self.id_tag),
        )

    def read(self, meter: int) -> Story[None]:
        yield self._event("UPDATED", self.v.TriggerReason.METER_VALUE_PERIODIC, meter)

    def stop(self, meter: int) -> Story[None]:
        reason, why = self.v.TriggerReason, self.v.Reason
        remote = self.stop_requested
        yield self._event(
            "ENDED",
            reason.REMOTE_STOP if remote else reason.STOP_AUTHORIZED,
            meter,
            {"stopped_reason": why.REMOTE if remote else why.LOCAL},
        )

    def _event(self, kind: str, reason: Any, meter: int, info: dict[str, Any] | None = None, **options: Any) -> Ask:
        v = self.v
        state = v.ChargingState.IDLE if kind == "ENDED" else v.ChargingState.CHARGING
        now = self.clock()
        reading = v.MeterValue(timestamp=now, sampled_value=[v.SampledValue(value=float(meter))])
        event = v.TransactionEventRequest(
            event_type=v.TransactionEvent[kind],
            timestamp=now,
            trigger_reason=reason,
            seq_no=self._seq_no,
            transaction_info=v.Transaction(transaction_id=self._transaction, charging_state=state, **info or {}),
            meter_value=[reading],
            **options,
        )
        self._seq_no += 1
        return Ask(event)


class ChargePoint21(ChargePoint201):
    """A charging station that speaks 2.1, and streams the voltage while it charges."""

    v: ClassVar[Any] = v21

    def start(self, meter: int) -> Story[None]:
        yield from super().start(meter)
        every_second = v21.PeriodicEventStreamParams(interval=1)
        stream = v21.ConstantStreamData(id=STREAM, params=every_second, variable_monitoring_id=1)
        yield Ask(v21.OpenPeriodicEventStreamRequest(constant_stream_data=stream))

    def read(self, meter: int) -> Story[None]:
        voltage = v21.StreamDataElement(t=0.0, v=VOLTAGE)
        yield Say(v21.NotifyPeriodicEventStream(id=STREAM, pending=0, basetime=self.clock(), data=[voltage]))
        yield from super().read(meter)

    def stop(self, meter: int) -> Story[None]:
        yield Ask(v21.ClosePeriodicEventStreamRequest(id=STREAM))
        yield from super().stop(meter)


def token(v: Any, text: str) -> Any:
    """Who wants to charge."""
    return v.IdToken(id_token=text, type=CARD[v])


class Dialect201(Dialect):
    """How both ends say it in 2.0.1."""

    version = Version.V201
    charge_point: ClassVar[type[ChargePoint]] = ChargePoint201
    v: ClassVar[Any] = v201

    @classmethod
    def welcome(cls, clock: Clock) -> Answers:
        v = cls.v
        accepted = v.IdTokenInfo(status=v.AuthorizationStatus.ACCEPTED)
        answers: Answers = {
            v.BootNotificationRequest: lambda _: v.BootNotificationResponse(
                current_time=clock(), interval=300, status=v.RegistrationStatus.ACCEPTED
            ),
            v.HeartbeatRequest: lambda _: v.HeartbeatResponse(current_time=clock()),
            v.AuthorizeRequest: lambda _: v.AuthorizeResponse(id_token_info=accepted),
            v.TransactionEventRequest: lambda event: v.TransactionEventResponse(
                id_token_info=accepted if event.id_token is not None else None
            ),
            v.DataTransferRequest: lambda _: v.DataTransferResponse(status=v.DataTransferStatus.UNKNOWN_VENDOR_ID),
            v.SignCertificateRequest: lambda _: v.SignCertificateResponse(status=v.GenericStatus.REJECTED),
        }
        return reports(cls.version) | answers

    @classmethod
    def interfere(cls, clock: Clock, charge_point: ChargePoint) -> Answers:
        v = cls.v
        welcome = cls.welcome(clock)

        def start(_: Any) -> Story[Response]:
            who = token(v, charge_point.id_tag)
            yield Ask(v.RequestStartTransactionRequest(id_token=who, remote_start_id=1, evse_id=1))
            answer: Response = v.HeartbeatResponse(current_time=clock())
            return answer

        def stop(event: Any) -> Story[Response]:
            if event.event_type is v.TransactionEvent.UPDATED:
                yield Ask(v.RequestStopTransactionRequest(transaction_id=event.transaction_info.transaction_id))
            answer = welcome[v.TransactionEventRequest](event)
            assert isinstance(answer, Response)
            return answer

        late = v.DataTransferResponse(status=v.DataTransferStatus.ACCEPTED)
        return welcome | {
            v.HeartbeatRequest: start,
            v.TransactionEventRequest: stop,
            v.DataTransferRequest: answer_too_late(charge_point, late),
        }


class Dialect21(Dialect201):
    """How both ends say it in 2.1."""

    version = Version.V21
    charge_point: ClassVar[type[ChargePoint]] = ChargePoint21
    v: ClassVar[Any] = v21

    @classmethod
    def welcome(cls, clock: Clock) -> Answers:
        opened = v21.OpenPeriodicEventStreamResponse(status=v21.GenericStatus.ACCEPTED)
        answers: Answers = {v21.OpenPeriodicEventStreamRequest: lambda _: opened}
        return super().welcome(clock) | answers
