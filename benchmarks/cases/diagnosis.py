"""An invalid frame to the CALLERROR that lists everything that is wrong with it, beside merely parsing it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import orjson

from ocpp_sansio import CentralSystemSession, numbered_ids

from .. import peers
from ..clock import Contender, compete
from ..peers import ours
from ..results import Series
from ..workload import frames, spoilt
from . import Setup


def _refuse() -> Callable[[bytes], list[bytes]]:
    session = CentralSystemSession("1.6", message_ids=numbered_ids("m"), limits=ours.LIMITS)

    def refuse(data: bytes) -> list[bytes]:
        session.receive_data(data, now=0.0)
        session.next_event()
        return session.bytes_to_send()

    return refuse


def measure(setup: Setup) -> Iterable[Series]:
    contenders: list[Contender] = []
    for name in ("meter_values_1_request", "meter_values_80_request"):
        numbered_frames = spoilt(frames()[name]).numbered(64)
        contenders.append(Contender(peers.OURS, name, _refuse(), numbered_frames))
        contenders.append(Contender(peers.FLOOR, name, orjson.loads, numbered_frames))
    return compete("diagnosis", contenders, setup.effort, setup.progress)
