"""How a server goes down: nobody is cut short, nobody new is let in, and not all stations are sent away at once."""

from __future__ import annotations

import asyncio
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest

from ocpp_sansio import ConnectionClosed, ConnectionLost, Limits, v16
from ocpp_transports._adapter import Server
from ocpp_transports._endings import Leave, spread
from ocpp_transports._served import Service
from ocpp_transports.sync import HandshakeFailed
from ocpp_transports.testing.samples import accepted
from tests.transports.asgi_servers import ASGI_SERVERS, AsgiServer
from tests.transports.contract import (
    ADAPTERS,
    PATIENCE,
    RESET,
    Adapter,
    AsyncAdapter,
    Gate,
    RawPeer,
    ServerEnd,
    SyncAdapter,
    central_system,
    on_server,
    raw_client,
)

on_every = pytest.mark.parametrize("server", [*ADAPTERS, *ASGI_SERVERS], ids=lambda adapter: f"server:{adapter}")

LEFT = b"\x03\xf4the server is going down"
"""What a close frame with 1012 says."""
OPENING = (
    b"GET /CP_2 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)


def drain(server: Adapter, served: ServerEnd, **options: Any) -> Any:
    """Begin to drain it; the result is there when it is over."""
    return served.start_work(lambda: served.server.drain(**options))


def leave(station: RawPeer) -> tuple[int, bytes]:
    """Wait for a close frame, consent to it, hang up, and tell what it said."""
    opcode, data = station.receive()
    with suppress(OSError):  # not every server waits for that
        station.send(data, opcode=8)
        station.stream.shutdown(socket.SHUT_WR)
    return opcode, data


@on_server
def test_a_drained_server_sends_every_station_away_with_1012_f_138(server: Adapter) -> None:
    csms = central_system()
    with server.serve(csms) as served, ExitStack() as stations:
        clients = [stations.enter_context(server.connect(served.url, f"CP_{number}")) for number in range(3)]
        drain(server, served, over=0.02).result(PATIENCE)
        assert not csms.stations
        for client in clients:
            assert client.wait_closed() == ConnectionClosed(1012, "the server is going down", by_peer=True)
        with pytest.raises(OSError), socket.create_connection(("127.0.0.1", served.port)):
            pass


@on_every
def test_a_call_of_the_station_is_answered_before_it_is_sent_away_f_138(server: Adapter) -> None:
    csms, gate = central_system(accept_before_boot=True), Gate()
    csms.on(v16.AuthorizeRequest)(server.gated(gate, accepted))
    with server.serve(csms) as served, raw_client(served.port) as station:
        station.send('[2,"a","Authorize",{"idTag":"TAG"}]')
        gate.arrived.get(timeout=PATIENCE)
        drained = drain(server, served, over=0.0, patience=PATIENCE)
        if isinstance(
            server, AsyncAdapter
        ):  # in threads, the connection does nothing else while its handler is at work
            station.send('[2,"b","Heartbeat",{}]')
            assert station.receive_text().startswith('[3,"b"')
        gate.open()
        assert station.receive_text().startswith('[3,"a"')
        assert leave(station) == (8, LEFT)
        drained.result(PATIENCE)


@on_every
def test_a_call_of_ours_has_its_answer_before_the_station_is_sent_away_f_138(server: Adapter) -> None:
    with server.serve(central_system(accept_before_boot=True)) as served, raw_client(served.port) as station:
        waiting = served.start("CP_1", RESET)
        message_id = station.receive_text().split('"')[1]
        drained = drain(server, served, over=0.0, patience=PATIENCE)
        station.send('[2,"b","Heartbeat",{}]')
        assert station.receive_text().startswith('[3,"b"')
        station.send(f'[3,"{message_id}",{{"status":"Accepted"}}]')
        assert leave(station) == (8, LEFT)
        assert waiting.result(PATIENCE) == v16.ResetResponse(status=v16.ResetStatus.ACCEPTED)
        drained.result(PATIENCE)


@on_every
def test_a_call_that_is_never_answered_is_not_waited_for_for_ever_f_138(server: Adapter) -> None:
    with server.serve(central_system()) as served, raw_client(served.port) as station:
        waiting = served.start("CP_1", RESET)
        station.receive_text()
        drained = drain(server, served, over=0.0, patience=0.01)
        assert leave(station) == (8, LEFT)
        with pytest.raises(ConnectionLost):
            waiting.result(PATIENCE)
        drained.result(PATIENCE)


@on_server
def test_a_station_that_does_not_consent_is_not_waited_for_for_ever_f_10(server: Adapter) -> None:
    with server.serve(central_system(limits=Limits(close_timeout=0.01))) as served, raw_client(served.port) as station:
        drain(server, served, over=0.0).result(PATIENCE)
        assert LEFT in station.read_all()


@on_server
def test_who_is_not_let_in_yet_is_told_when_to_come_back_f_120(server: Adapter) -> None:
    csms = central_system()
    with server.serve(csms) as served, socket.create_connection(("127.0.0.1", served.port)) as stream:
        with raw_client(served.port) as station:  # whoever connected before has been accepted
            stream.settimeout(PATIENCE)
            waiting = served.start("CP_1", RESET)
            message_id = station.receive_text().split('"')[1]
            drained = drain(server, served, over=29.5, patience=PATIENCE)
            station.send(f'[3,"{message_id}",{{"status":"Accepted"}}]')
            waiting.result(PATIENCE)
            assert leave(station) == (8, LEFT)
            stream.sendall(OPENING)
            head = RawPeer(stream, is_client=True).read_head()
            assert head.startswith("HTTP/1.1 503 ")
            assert "\r\nRetry-After: 30\r\n" in head + "\r\n"
            stream.close()
        drained.result(PATIENCE)


@pytest.mark.parametrize("server", [each for each in ADAPTERS if isinstance(each, AsyncAdapter)], ids=str)
def test_who_is_still_judged_when_the_server_goes_down_is_told_when_to_come_back_f_120(server: AsyncAdapter) -> None:
    csms, gate = central_system(authenticate=None), Gate()
    judge = server.gated(gate, lambda *_: True)
    csms.authenticate(lambda request: request.identity == "CP_1" or judge(None, request))
    with server.serve(csms) as served, socket.create_connection(("127.0.0.1", served.port)) as stream:
        with raw_client(served.port) as station:
            stream.settimeout(PATIENCE)
            stream.sendall(OPENING)
            gate.arrived.get(timeout=PATIENCE)
            drained = drain(server, served, over=0.0, patience=PATIENCE)
            assert leave(station) == (8, LEFT)  # which comes after those that are not let in yet
        gate.open()
        assert RawPeer(stream, is_client=True).read_head().startswith("HTTP/1.1 503 ")
        stream.close()
        drained.result(PATIENCE)
    assert not csms.stations


@pytest.mark.parametrize("server", ASGI_SERVERS, ids=str)
def test_a_drained_application_sends_every_station_away_and_lets_nobody_in_again_f_138(server: AsgiServer) -> None:
    csms = central_system()
    with server.serve(csms) as served, ExitStack() as stations:
        clients = [stations.enter_context(SyncAdapter().connect(served.url, f"CP_{number}")) for number in range(3)]
        drain(server, served, over=0.02).result(PATIENCE)
        assert not csms.stations
        for client in clients:
            assert client.wait_closed() == ConnectionClosed(1012, "the server is going down", by_peer=True)
        with pytest.raises(HandshakeFailed) as refused, SyncAdapter().connect(served.url):
            pass
        assert refused.value.status in (503, 403), "not every server can send what it is told to"
        served.close()
        with pytest.raises(HandshakeFailed), SyncAdapter().connect(served.url):
            pass


@on_server
def test_a_drain_that_is_closed_is_over_at_once_f_138(server: Adapter) -> None:
    csms = central_system()
    with server.serve(csms) as served, ExitStack() as stations:
        for number in range(2):
            stations.enter_context(server.connect(served.url, f"CP_{number}"))
        drained = drain(server, served, over=1000 * PATIENCE)
        served.close()
        assert not csms.stations
        drained.cancel()  # under an event loop it is a task that sleeps; a thread is woken


@on_every
@pytest.mark.parametrize("options", [{"over": -1.0}, {"over": 1.0, "code": 1000}, {"over": 1.0, "code": 3000}])
def test_a_drain_that_makes_no_sense_is_refused_and_nothing_has_happened(
    server: Adapter, options: dict[str, Any]
) -> None:
    with server.serve(central_system()) as served:
        with pytest.raises(ValueError, match=r"over|code"):
            drain(server, served, **options).result(PATIENCE)
        with raw_client(served.port):
            pass


# -- signals --

PROGRAM = """
import sys
from importlib import import_module

from ocpp_sansio import CentralSystem

csms = CentralSystem()
csms.authenticate(lambda _: True)
import_module("ocpp_transports." + sys.argv[1]).run(csms, port=int(sys.argv[2]), drain=float(sys.argv[3]))
"""


@contextmanager
def program(server: Adapter, drain: float) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A central system that is a process of its own, and its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = [sys.executable, "-W", "error", "-c", PROGRAM, server.module.__name__.rpartition(".")[2]]
    process = subprocess.Popen([*arguments, str(port), str(drain)], stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
        yield process, port
        _, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, errors) == (0, "")


@on_server
def test_sigterm_drains_f_138(server: Adapter) -> None:
    with (
        program(server, drain=0.02) as (process, port),
        raw_client(port, "CP_1") as first,
        raw_client(port, "CP_2") as second,
    ):
        process.send_signal(signal.SIGTERM)
        assert [leave(station) for station in (first, second)] == [(8, LEFT)] * 2


@on_server
def test_a_second_signal_cuts_the_drain_short_f_138(server: Adapter) -> None:
    with program(server, drain=1000 * PATIENCE) as (process, port), ExitStack() as stations:
        clients = [stations.enter_context(raw_client(port, f"CP_{number}")) for number in range(2)]
        process.send_signal(signal.SIGTERM)
        readable, _, _ = select.select([client.stream for client in clients], [], [], PATIENCE)
        first, second = sorted(clients, key=lambda client: client.stream not in readable)
        assert leave(first) == (8, LEFT)
        process.send_signal(signal.SIGTERM)
        assert leave(second) == (8, b"\x03\xe9shutting down")


@on_server
def test_a_drain_that_makes_no_sense_is_refused_before_anybody_is_served_f_138(server: Adapter) -> None:
    with pytest.raises(ValueError, match="over"):
        server.module.run(central_system(), port=0, drain=-1.0)


# -- the schedule, in virtual time --


class VirtualTime:
    """What a server needs of its adapter, at a clock that goes as fast as it likes."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds

    @asynccontextmanager
    async def beside(self, work: object) -> AsyncGenerator[None]:
        yield


class Flag:
    def __init__(self) -> None:
        self.is_set = lambda: False

    async def wait(self) -> None:
        pass


class FakeDriver:
    """A connection that is left, and does not come to its end before it is waited for."""

    def __init__(self, clock: VirtualTime, *, is_open: bool = True) -> None:
        self.clock = clock
        self.connection = SimpleNamespace(is_open=is_open)
        self.lost = Flag()
        self.left: list[float] = []

    def leave(self, _: Leave) -> None:
        self.left.append(self.clock.now() - 1000.0)


class Connections:
    def __init__(self, drivers: list[FakeDriver]) -> None:
        self.drivers = drivers
        self.closed: list[tuple[int, str]] = []

    async def close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))


def test_each_station_is_sent_away_at_its_instant_f_120_f_138() -> None:
    clock = VirtualTime()
    connections = Connections([FakeDriver(clock, is_open=number != 2) for number in range(5)])
    accepting: list[bool] = []
    server = Server(clock, [], lambda: accepting.append(False), connections, Service(central_system()))  # type: ignore[arg-type]
    asyncio.run(server.drain(over=60.0))
    assert [driver.left[0] for driver in connections.drivers] == [0.0, 15.0, 0.0, 30.0, 45.0]
    assert accepting
    assert connections.closed == [(1001, "shutting down")], "nothing is left to be closed, but for handlers"


def test_connections_are_left_evenly_f_120() -> None:
    assert spread(4, 60.0) == [0.0, 15.0, 30.0, 45.0]
    assert spread(1, 60.0) == [0.0]
    assert spread(0, 60.0) == []
    assert spread(3, 0.0) == [0.0, 0.0, 0.0]


def test_ten_thousand_stations_do_not_come_back_in_any_one_second_f_120() -> None:
    instants = spread(10_000, 600.0)
    assert instants == sorted(instants)
    assert 0.0 <= instants[0] < instants[-1] < 600.0
    per_second = [0] * 600
    for instant in instants:
        per_second[int(instant)] += 1
    assert set(per_second) <= {16, 17}


def test_who_is_not_let_in_yet_does_not_take_the_turn_of_a_station_f_120() -> None:
    drivers: list[Any] = [FakeDriver(VirtualTime(), is_open=bool(number % 2)) for number in range(4)]
    assert Leave(10.0, 1012).schedule(drivers) == [
        (0.0, drivers[0]),
        (0.0, drivers[2]),
        (0.0, drivers[1]),
        (5.0, drivers[3]),
    ]
