"""CPU of a server per call over loopback, 50 stations that ask as fast as they are answered."""

from __future__ import annotations

from collections.abc import Iterable

from .. import servers
from ..arena import contest
from ..clock import part
from ..results import Series
from ..servers import CONSTANT, OCPP, OCPP_IN_LINE, OURS, WEBSOCKETS
from ..workload import frames
from . import Setup

STATIONS = 50
SUBJECTS = ("heartbeat_request", "meter_values_80_request")


def contenders(names: Iterable[str], setup: Setup) -> list[str]:
    """Those that can run here and are wanted; ours and the floors always are."""
    unwanted = set() if setup.wants("ocpp") else {OCPP, OCPP_IN_LINE}
    return [name for name in names if servers.is_available(name) and name not in unwanted]


def measure(setup: Setup) -> Iterable[Series]:
    rounds, seconds = (7, 0.1) if setup.quick else (15, 0.4)
    for index, subject in enumerate(SUBJECTS):
        yield from contest(
            "server",
            subject,
            contenders((CONSTANT, WEBSOCKETS, OURS, OCPP, OCPP_IN_LINE), setup),
            frames()[subject],
            stations=STATIONS,
            rounds=rounds,
            seconds=seconds,
            progress=part(setup.progress, index, len(SUBJECTS)),
        )
