"""Every client adapter against every server adapter: the same promises, kept alike."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

import ocpp_transports.sync
from ocpp_sansio import Version
from ocpp_transports.testing import (
    AdmissionContract,
    ClientContract,
    CutContract,
    FaultContract,
    PairContract,
    ServerContract,
)
from tests.corpus.malformed import MALFORMED_IN, Malformed
from tests.transports.contract import (
    ADAPTERS,
    BOOT,
    NOON,
    PATIENCE,
    Adapter,
    RawPeer,
    central_system,
    listening,
    on_client,
    on_server,
    raw_client,
    raw_server,
)


class Matrix:
    @pytest.fixture(params=ADAPTERS, ids=lambda adapter: f"client:{adapter}")
    def client(self, request: pytest.FixtureRequest) -> Adapter:
        return request.param

    @pytest.fixture(params=ADAPTERS, ids=lambda adapter: f"server:{adapter}")
    def server(self, request: pytest.FixtureRequest) -> Adapter:
        return request.param


class TestPairs(Matrix, PairContract):
    """Every client adapter with every server adapter."""


class TestAdmission(Matrix, AdmissionContract):
    """Every server adapter."""


class TestServers(Matrix, ServerContract):
    """Every server adapter."""


class TestClients(Matrix, ClientContract):
    """Every client adapter."""


class TestFaults(Matrix, FaultContract):
    """Every client adapter with every server adapter, on a line that is slow, or stops."""


class TestCuts(Matrix, CutContract):
    """Every client adapter with every server adapter, on a line that ends wherever a message does, and in between."""

    stride = 53


@pytest.mark.long
class TestEveryCut(Matrix, CutContract):
    """The same at every byte."""


@pytest.mark.parametrize("version", Version, ids=str)
@on_server
def test_after_every_malformed_text_the_next_good_call_is_served(server: Adapter, version: Version) -> None:
    """F-59, F-60, F-61, F-62, F-63, F-64, F-65, F-67, F-91, F-92, F-104, F-105, F-109, F-111."""
    csms = central_system(versions={version, Version.V16}, accept_before_boot=True)
    heartbeat = version.actions["Heartbeat"]
    if version is not Version.V16:  # which has a handler for it
        csms.on(heartbeat.request)(lambda *_: heartbeat.response(current_time=NOON))
    with server.serve(csms) as served, raw_client(served.port, version=str(version)) as peer:
        survive(peer, MALFORMED_IN[version], "Heartbeat", {})


@on_client
def test_a_client_too_serves_the_next_good_call_after_every_malformed_text(client: Adapter) -> None:
    """F-59, F-60, F-61, F-65, F-67, F-91, F-92, F-105."""

    def ramble(peer: RawPeer) -> None:
        survive(peer, [row for row in MALFORMED_IN[Version.V16] if not row.is_call], "Reset", {"type": "Soft"})

    with raw_server(ramble) as url, client.connect(url) as peer:
        peer.wait_closed()


def survive(peer: RawPeer, rows: list[Malformed], action: str, payload: object) -> None:
    """What is sent here, and each time the same good call behind it, is answered as it should be."""
    sendable = [row for row in rows if is_utf8(row.text)]
    for number, row in enumerate(sendable):
        peer.send(row.text)
        peer.send(json.dumps([2, f"good-{number}", action, payload]))
        answer = json.loads(peer.receive_text())
        if row.answer is not None:
            assert (answer[0], answer[1], answer[2]) == (4, *row.answer), row
            answer = json.loads(peer.receive_text())
        assert answer[:2] == [3, f"good-{number}"], row
    assert len(sendable) > 100


def is_utf8(text: str) -> bool:
    try:
        return bool(text.encode()) or True
    except UnicodeEncodeError:
        return False


@on_server
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_run_serves_until_a_signal_and_closes_in_good_order_f_138(server: Adapter, number: signal.Signals) -> None:
    def be_a_station() -> int:
        url = f"ws://127.0.0.1:{ports.get(timeout=PATIENCE)}"
        with ocpp_transports.sync.connect(url, "CP_1") as peer:
            peer.call(BOOT)
            os.kill(os.getpid(), number)
            return peer.wait_closed().code

    before = signal.getsignal(number)
    with listening() as ports, ThreadPoolExecutor(1) as thread:
        code = thread.submit(be_a_station)
        server.module.run(central_system(), port=0)
        assert code.result(PATIENCE) == 1001
    assert signal.getsignal(number) is before
