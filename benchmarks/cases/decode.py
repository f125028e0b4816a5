"""Frame bytes to a typed, validated message, with dispatch: every frame, every peer."""

from __future__ import annotations

from collections.abc import Iterable

from .. import peers
from ..clock import Contender, compete
from ..results import Series
from ..workload import frames
from . import Setup


def measure(setup: Setup) -> Iterable[Series]:
    found = peers.available(setup.peers)
    contenders = [
        Contender(peer.NAME, frame.name, peer.decoder(frame), [frame.data])
        for frame in frames().values()
        for peer in found
    ]
    return compete("decode", contenders, setup.effort, setup.progress)
