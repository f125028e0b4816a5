"""Message objects: what it costs to make one from its fields, and how much memory one takes once decoded."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from .. import peers
from ..clock import Contender, compete
from ..results import Series
from ..workload import Frame, frames
from . import Setup

SUBJECTS = ("status_notification_request", "boot_notification_request", "meter_values_80_request")
KEPT = 200


def _construct(make: Callable[..., Any]) -> Callable[[dict[str, Any]], object]:
    return lambda fields: make(**fields)


def _size(peer: ModuleType, frame: Frame) -> float:
    """Bytes of one decoded message, everything in it counted."""
    decode = peer.decoder(frame)
    decode(frame.data)  # what is made once and kept is not the message's
    gc.collect()
    tracemalloc.start()
    kept = [decode(frame.data) for _ in range(KEPT)]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / len(kept)


def measure(setup: Setup) -> Iterable[Series]:
    contenders: list[Contender] = []
    sizes: list[Series] = []
    for name in SUBJECTS:
        frame = frames()[name]
        for peer in peers.available(setup.peers):
            sizes.append(Series("size", peer.NAME, name, "B", [_size(peer, frame)]))
            if hasattr(peer, "constructor"):
                make, fields = peer.constructor(frame)
                contenders.append(Contender(peer.NAME, name, _construct(make), [fields]))
    return [*compete("construct", contenders, setup.effort, setup.progress), *sizes]
