"""The central system that each of this library's adapters serves, with plain functions for handlers."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from ocpp_sansio import CentralSystem, v16

from ..workload import frames

logging.getLogger("ocpp_transports").setLevel(logging.ERROR)

csms = CentralSystem(versions={frame.version for frame in frames().values()}, accept_before_boot=True)


@csms.on(v16.HeartbeatRequest)
def heartbeat(station: Any, request: v16.HeartbeatRequest) -> v16.HeartbeatResponse:
    return v16.HeartbeatResponse(current_time=datetime.now(UTC))


@csms.on(v16.MeterValuesRequest)
def meter_values(station: Any, request: v16.MeterValuesRequest) -> v16.MeterValuesResponse:
    return v16.MeterValuesResponse()
