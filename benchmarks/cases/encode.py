"""A message object to frame bytes, every frame, every peer: validated before it leaves, and for us also without."""

from __future__ import annotations

from collections.abc import Iterable

from .. import peers
from ..clock import Contender, compete
from ..peers import ours
from ..results import Series
from ..workload import Frame, frames
from . import Setup

PLAIN = f"{peers.OURS}, not validated"


def _contenders(frame: Frame, setup: Setup) -> Iterable[Contender]:
    for peer in peers.available(setup.peers):
        encode, message = peer.encoder(frame)
        yield Contender(peer.NAME, frame.name, encode, [message])
    encode, message = ours.plain_encoder(frame)
    yield Contender(PLAIN, frame.name, encode, [message])


def measure(setup: Setup) -> Iterable[Series]:
    contenders = [each for frame in frames().values() for each in _contenders(frame, setup)]
    return compete("encode", contenders, setup.effort, setup.progress)
