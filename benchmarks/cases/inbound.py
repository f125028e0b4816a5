"""A whole inbound call in process: a request's text in, through dispatch and a handler, and the answer's text out."""

from __future__ import annotations

from collections.abc import Iterable

from .. import peers
from ..clock import compete
from ..results import Series
from ..workload import frames
from . import Setup

SUBJECTS = ("heartbeat_request", "meter_values_1_request", "meter_values_80_request")


def measure(setup: Setup) -> Iterable[Series]:
    contenders = [
        contender
        for name in SUBJECTS
        for peer in peers.available(setup.peers)
        if hasattr(peer, "routes")
        for contender in peer.routes(frames()[name])
    ]
    return compete("inbound", contenders, setup.effort, setup.progress)
