"""What the two ends of a test say to each other, and a central system and a charge point that say it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ocpp_sansio import Authenticate, CentralSystem, ChargePointHandlers, Limits, v16

PATIENCE = 20.0
"""Seconds after which something that was waited for is taken for not happening."""

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BOOT = v16.BootNotificationRequest(charge_point_vendor="Vendor", charge_point_model="Model")
RESET = v16.ResetRequest(type=v16.ResetType.SOFT)
HEARTBEAT = v16.HeartbeatRequest()
AUTHORIZE = v16.AuthorizeRequest(id_tag="TAG")
CLEAR = v16.ClearCacheRequest()


def booted(*_: object) -> v16.BootNotificationResponse:
    """Handles BootNotificationRequest."""
    return v16.BootNotificationResponse(current_time=NOON, interval=300, status=v16.RegistrationStatus.ACCEPTED)


def heartbeat(*_: object) -> v16.HeartbeatResponse:
    """Handles HeartbeatRequest."""
    return v16.HeartbeatResponse(current_time=NOON)


def accepted(*_: object) -> v16.AuthorizeResponse:
    """Handles AuthorizeRequest."""
    return v16.AuthorizeResponse(id_tag_info=v16.IdTagInfo(status=v16.AuthorizationStatus.ACCEPTED))


def cleared(*_: object) -> v16.ClearCacheResponse:
    """Handles ClearCacheRequest."""
    return v16.ClearCacheResponse(status=v16.ClearCacheStatus.ACCEPTED)


def echo(_: Any, request: v16.DataTransferRequest) -> v16.DataTransferResponse:
    """Handles DataTransferRequest: its data comes back."""
    return v16.DataTransferResponse(status=v16.DataTransferStatus.ACCEPTED, data=request.data)


def transfer(data: str) -> v16.DataTransferRequest:
    """A question of any size, the answer to which :func:`echo` gives."""
    return v16.DataTransferRequest(vendor_id="Vendor", data=data)


def reset(*_: object) -> v16.ResetResponse:
    """Handles ResetRequest."""
    return v16.ResetResponse(status=v16.ResetStatus.ACCEPTED)


def anybody(_: object) -> bool:
    """The hook that lets everybody in."""
    return True


def central_system(*, authenticate: Authenticate | None = anybody, **options: Any) -> CentralSystem:
    """A central system that accepts a boot and tells the time; a test adds what it is about.

    That may be its ``authenticate`` hook: then ``None`` here.
    """
    options.setdefault("limits", Limits(close_timeout=3))
    csms = CentralSystem(**options)
    if authenticate is not None:
        csms.authenticate(authenticate)
    csms.on(v16.BootNotificationRequest)(booted)
    csms.on(v16.HeartbeatRequest)(heartbeat)
    csms.on(v16.DataTransferRequest)(echo)
    return csms


def charge_point() -> ChargePointHandlers:
    """The handlers of a charge point that can be reset."""
    handlers = ChargePointHandlers()
    handlers.on(v16.ResetRequest)(reset)
    handlers.on(v16.DataTransferRequest)(echo)
    return handlers
