"""Handlers that nobody waits for any more: they go on, and there are not any number of them."""

from __future__ import annotations

import json
import queue
from typing import Any

import pytest

from ocpp_sansio import CentralSystem, Limits, v16
from ocpp_transports.testing.samples import accepted
from tests.transports.contract import (
    ADAPTERS,
    PATIENCE,
    AsyncAdapter,
    Gate,
    ServerEnd,
    SyncAdapter,
    central_system,
    raw_client,
)

pytestmark = pytest.mark.usefixtures("nothing_is_left_over")
on_event_loop = pytest.mark.parametrize(
    "server", [adapter for adapter in ADAPTERS if isinstance(adapter, AsyncAdapter)], ids=str
)
MOST = 2
"""Handlers that may be left behind."""


def hanging(server: AsyncAdapter, **limits: Any) -> tuple[CentralSystem, Gate, queue.SimpleQueue[tuple[str, str]]]:
    """A central system whose handler waits for the gate, and tells how it has ended."""
    csms = central_system(
        accept_before_boot=True, limits=Limits(max_inbound_calls=MOST // 2, close_timeout=PATIENCE, **limits)
    )
    gate, ends = Gate(), queue.SimpleQueue[tuple[str, str]]()
    wait = server.gated(gate, accepted)

    @csms.on(v16.AuthorizeRequest)
    async def authorize(station: Any, request: v16.AuthorizeRequest) -> v16.AuthorizeResponse:
        how = "cancelled"
        try:
            response = await wait(station, request)
            how = "done"
        finally:
            ends.put((request.id_tag, how))
        return response

    return csms, gate, ends


def ask(number: int) -> str:
    return f'[2,"{number}","Authorize",{{"idTag":"{number}"}}]'


def ask_and_leave(served: ServerEnd, gate: Gate, number: int, identity: str = "CP_1") -> None:
    """Once the handler is at work. The server has noticed by the end."""
    with raw_client(served.port, identity) as peer:
        peer.send(ask(number))
        gate.arrived.get(timeout=PATIENCE)
        station = served.csms.stations[identity]
    served.do(station.wait_closed)


def they_end(ends: queue.SimpleQueue[tuple[str, str]], gate: Gate, asked: int) -> None:
    """The first have been cancelled, and those that were left behind last come to their end."""
    first = [ends.get(timeout=PATIENCE) for _ in range(asked - MOST)]
    assert first == [(str(number), "cancelled") for number in range(asked - MOST)]
    assert ends.empty()
    gate.open()
    last = {ends.get(timeout=PATIENCE) for _ in range(MOST)}
    assert last == {(str(number), "done") for number in range(asked - MOST, asked)}


@on_event_loop
def test_of_a_station_that_comes_back_again_and_again_only_so_many_handlers_are_left(server: AsyncAdapter) -> None:
    csms, gate, ends = hanging(server, answer_timeout=None)
    with server.serve(csms) as served:
        for number in range(5):
            ask_and_leave(served, gate, number)
        they_end(ends, gate, 5)


@on_event_loop
def test_of_handlers_that_are_overdue_only_so_many_are_left_f_99(server: AsyncAdapter) -> None:
    csms, gate, ends = hanging(server, answer_timeout=0.01)
    with server.serve(csms) as served, raw_client(served.port) as peer:
        for number in range(5):
            peer.send(ask(number))
            assert json.loads(peer.receive_text())[:3] == [4, str(number), "InternalError"]
        they_end(ends, gate, 5)
        peer.send('[2,"last","Heartbeat",{}]')
        assert json.loads(peer.receive_text())[:2] == [3, "last"]


@on_event_loop
def test_those_of_one_station_are_not_counted_for_another(server: AsyncAdapter) -> None:
    csms, gate, ends = hanging(server, answer_timeout=None)
    with server.serve(csms) as served:
        for number in range(5):
            ask_and_leave(served, gate, number, f"CP_{number}")
        gate.open()
        assert {ends.get(timeout=PATIENCE) for _ in range(5)} == {(str(number), "done") for number in range(5)}


def test_a_station_that_holds_up_thread_after_thread_is_refused_until_one_is_free() -> None:
    server, gate = SyncAdapter(), Gate()
    csms = central_system(accept_before_boot=True, limits=Limits(max_inbound_calls=MOST))
    csms.on(v16.AuthorizeRequest)(server.gated(gate, accepted))
    with server.serve(csms) as served:
        for number in range(2 * MOST + 1):  # the last one is not in the way of another yet
            with raw_client(served.port) as peer:
                peer.send(ask(number))
                gate.arrived.get(timeout=PATIENCE)
        threads = list(served.server._threads)
        assert len(threads) == 2 * MOST + 1
        with pytest.raises(AssertionError, match=r"503"), raw_client(served.port):
            pass
        assert len(csms.stations) == 1
        with raw_client(served.port, "CP_2") as peer:
            peer.send('[2,"1","Heartbeat",{}]')
            assert json.loads(peer.receive_text())[0] == 3
        gate.open()
        for thread in threads:
            thread.join(PATIENCE)
        with raw_client(served.port) as peer:
            peer.send('[2,"1","Heartbeat",{}]')
            assert json.loads(peer.receive_text())[0] == 3
