"""CPU of a server per connection: handshake, goodbye, and everything that is set up and taken down in between."""

from __future__ import annotations

from collections.abc import Iterable

from ..arena import churn
from ..results import Series
from ..servers import CONSTANT, OCPP, OURS, OURS_SYNC, OURS_TRIO, WEBSOCKETS
from ..workload import frames
from . import Setup
from .server import contenders


def measure(setup: Setup) -> Iterable[Series]:
    rounds, seconds = (5, 0.15) if setup.quick else (9, 0.25)
    return churn(
        "connect",
        "connection",
        contenders((CONSTANT, WEBSOCKETS, OURS, OURS_TRIO, OURS_SYNC, OCPP), setup),
        frames()["heartbeat_request"],
        rounds=rounds,
        seconds=seconds,
        progress=setup.progress,
    )
