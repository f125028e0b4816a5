"""One call between two ends in virtual time, with the link and the handler: how many of them a test can afford.

Beside two sessions whose texts are carried by hand, which is what the machines alone take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import median

from ocpp_sansio import CallReceived, CentralSystemSession, ChargePointSession, numbered_ids
from ocpp_sansio.codec import codec_of
from ocpp_sansio.testing import ConnectionPair, Pair

from ..clock import Contender, compete
from ..peers import ours
from ..results import Series
from ..workload import Frame, frames
from . import Setup

MACHINES, PAIR, CONNECTION_PAIR = "two sessions by hand", "Pair", "ConnectionPair"

SUBJECTS = ("heartbeat_request", "meter_values_80_request")


def _by_hand(frame: Frame) -> Callable[[object], object]:
    charge_point = ChargePointSession(frame.version, message_ids=numbered_ids("p"))
    central_system = CentralSystemSession(frame.version, message_ids=numbered_ids("s"))
    request, respond = codec_of(frame.message_class).decode(_payload(frame)), ours.answering(frame)

    def call(_: object) -> object:
        charge_point.call(request, now=0.0)
        for text in charge_point.data_to_send():
            central_system.receive_data(text, now=0.0)
        received = central_system.next_event()
        assert isinstance(received, CallReceived)
        central_system.respond(received, respond(), now=0.0)
        for text in central_system.data_to_send():
            charge_point.receive_data(text, now=0.0)
        return charge_point.next_event()

    return call


def _paired(kind: type[Pair | ConnectionPair], frame: Frame) -> Callable[[object], object]:
    pair = kind(frame.version)
    request, respond = codec_of(frame.message_class).decode(_payload(frame)), ours.answering(frame)
    pair.central_system.on(type(request))(lambda *_: respond())
    return lambda _: pair.charge_point.call(request)


def _payload(frame: Frame) -> bytes:
    return frame.data[frame.data.index(b"{") : -1]


def measure(setup: Setup) -> Iterable[Series]:
    contenders = [
        contender
        for frame in map(frames().__getitem__, SUBJECTS)
        for contender in (
            Contender(MACHINES, frame.name, _by_hand(frame), [None]),
            Contender(PAIR, frame.name, _paired(Pair, frame), [None]),
            Contender(CONNECTION_PAIR, frame.name, _paired(ConnectionPair, frame), [None]),
        )
    ]
    for series in compete("simulation", contenders, setup.effort, setup.progress):
        setup.remark(f"{series.contender}, {series.subject}: {1e9 / median(series.samples):,.0f} exchanges per second")
        yield series
