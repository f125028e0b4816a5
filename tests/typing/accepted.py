"""What the type checkers must accept, and infer."""

# pyright: strict

from typing import assert_type

import attrs

from ocpp_sansio import v16
from ocpp_sansio.events import PendingCall
from ocpp_sansio.messages import FromCentralSystem, Response
from ocpp_sansio.session import CentralSystemSession, ChargePointSession


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


def as_attrs(request: v16.StatusNotificationRequest) -> None:
    attrs.asdict(request)
    attrs.fields(v16.StatusNotificationRequest)


class VendorResponse(Response, kw_only=True):
    text: str | None = None
    number: int


class VendorRequest(FromCentralSystem[VendorResponse], kw_only=True):
    text: str


def own_classes(session: CentralSystemSession) -> None:
    assert_type(session.call(VendorRequest(text="a"), now=0.0), PendingCall[VendorResponse])
