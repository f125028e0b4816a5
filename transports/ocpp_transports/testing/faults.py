"""What two ends promise each other while the line between them is slow, stops, or breaks at any byte."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest

from ocpp_sansio import CallFailure, ConnectionLost, Limits, v16

from .adapters import Adapter, ClientEnd, ServerEnd
from .contract import PairOfEnds
from .proxy import Course, Fault, Proxy
from .samples import (
    AUTHORIZE,
    BOOT,
    HEARTBEAT,
    PATIENCE,
    RESET,
    accepted,
    booted,
    central_system,
    heartbeat,
    reset,
    transfer,
)

__all__ = ["CutContract", "FaultContract"]

BIG = "x" * 100_000
"""Does not fit into what a system takes from a sender at once, if the line is slow."""


@contextmanager
def on_a_line(
    client: Adapter,
    server: Adapter,
    limits: Limits | None = None,
    *,
    up: Course | None = None,
    down: Course | None = None,
) -> Generator[tuple[ClientEnd, ServerEnd, Proxy]]:
    """A charge point that has been accepted, its central system, and the line between them."""
    limits = limits or Limits(close_timeout=3)
    with (
        server.serve(central_system(limits=limits)) as served,
        Proxy(served.port, up=up, down=down) as line,
        client.connect(line.url, limits=limits) as peer,
    ):
        assert peer.call(BOOT) == booted()
        yield peer, served, line


class FaultContract(PairOfEnds):
    """A charge point and a central system, and a line that is slow, or stops."""

    def test_what_comes_byte_by_byte_is_put_together_f_04_f_05_f_09(self, client: Adapter, server: Adapter) -> None:
        by_byte = Course(chunk=1)
        with on_a_line(client, server, up=by_byte, down=by_byte) as (peer, served, _):
            assert peer.call(transfer("é" * 500)).data == "é" * 500
            assert served.call("CP_1", transfer("é" * 500)).data == "é" * 500

    def test_a_slow_line_takes_everything_in_the_end_f_05(self, client: Adapter, server: Adapter) -> None:
        slow = Course(chunk=2**13, rate=4e6)
        with on_a_line(client, server, up=slow, down=slow) as (peer, served, _):
            calls = [peer.start(transfer(BIG)), served.start("CP_1", transfer(BIG)), peer.start(HEARTBEAT)]
            assert [call.result(PATIENCE) for call in calls[:2]] == [echoed(BIG), echoed(BIG)]
            assert calls[2].result(PATIENCE) == heartbeat()

    @pytest.mark.parametrize("way", ["up", "down"])
    def test_a_line_that_stops_for_a_while_loses_nothing_f_06(self, client: Adapter, server: Adapter, way: str) -> None:
        # In the midst of a frame: the handshake and the boot are less than that.
        stall, good = Course(fault=Fault.STALL, at=5_000), Course()
        up, down = (stall, good) if way == "up" else (good, stall)
        with on_a_line(client, server, up=up, down=down) as (peer, served, line):
            calls = [peer.start(transfer(BIG)), served.start("CP_1", transfer(BIG))]
            assert line.struck.wait(PATIENCE)
            calls += [peer.start(HEARTBEAT), served.start("CP_1", RESET)]
            line.resume()
            assert [call.result(PATIENCE) for call in calls] == [echoed(BIG), echoed(BIG), heartbeat(), reset()]

    def test_a_cable_that_is_pulled_is_noticed_and_the_identity_is_free_again_f_07(
        self, client: Adapter, server: Adapter
    ) -> None:
        server.skip_if_beyond("F-07")
        limits = Limits(ping_interval=0.1, ping_timeout=0.2, close_timeout=0.2)
        # What the client asks third is what the line swallows.
        with on_a_line(client, server, limits, up=Course(fault=Fault.HOLE, at=2_000)) as (peer, served, line):
            station = served.csms.stations["CP_1"]
            call = peer.start(transfer("x" * 5_000))
            assert line.struck.wait(PATIENCE)
            downward = served.start_work(lambda: station.call(RESET))
            assert isinstance(call.exception(PATIENCE), ConnectionLost)
            assert isinstance(downward.exception(PATIENCE), ConnectionLost)
            assert peer.wait_closed().code == 1006
            assert served.do(station.wait_closed).code == 1006 or not server.owns_websocket
            assert not served.csms.stations
            with client.connect(served.url) as again:
                assert again.call(HEARTBEAT) == heartbeat()


def echoed(data: str) -> v16.DataTransferResponse:
    """What comes back of a transfer."""
    return v16.DataTransferResponse(status=v16.DataTransferStatus.ACCEPTED, data=data)


class CutContract(PairOfEnds):
    """A charge point and a central system, and a line that ends at any byte: of the handshake, of the first messages.

    Calls go up and down, one is queued. Each gets one outcome; both ends see the end of it; the next one may come.
    """

    stride: ClassVar[int] = 1
    """Every how many bytes the line is cut. Where a message begins or ends it is cut in any case."""

    limits: ClassVar[Limits] = Limits(close_timeout=3)
    """The charge point's: a server that leaves a connection half open has it wait for its deadlines."""

    @pytest.mark.parametrize("way", ["up", "down"])
    @pytest.mark.parametrize("fault", [Fault.FIN, Fault.RESET], ids=lambda fault: fault.value)
    def test_a_line_that_ends_at_any_byte_leaves_nothing_behind_and_every_call_with_one_outcome_f_08_f_09(
        self, client: Adapter, server: Adapter, fault: Fault, way: str
    ) -> None:
        csms = central_system(accept_before_boot=True)
        asked: list[object] = []
        heard: list[object] = []
        ask = server.asking(RESET, accepted, heard)

        @csms.on(v16.AuthorizeRequest)
        def authorize(station: Any, request: v16.AuthorizeRequest) -> Any:
            asked.append(request)
            return ask(station, request)

        failed = (client.module.HandshakeFailed, OSError)
        with server.serve(csms) as served, Proxy(served.port) as line:

            def converse(identity: str) -> list[BaseException | None]:
                with client.connect(line.url, identity, limits=self.limits) as peer:
                    first = peer.start(BOOT).exception(PATIENCE)
                    others = [peer.start(AUTHORIZE), peer.start(HEARTBEAT)]
                    return [first, *(call.exception(PATIENCE) for call in others)]

            assert converse("CP_0000") == [None, None, None]
            passed = line.passed[way == "down"]
            whole, (_, opened, *others) = len(passed), edges(passed)
            offsets = sorted({*range(0, whole, self.stride), opened - 1, opened, *others, whole - 1})
            for offset in offsets:
                setattr(line, way, Course(fault=fault, at=offset))
                try:
                    outcomes = converse(f"CP_{offset:04}")
                except failed:
                    assert offset <= opened
                else:
                    assert offset >= opened
                    assert all(isinstance(each, CallFailure | None) for each in outcomes), outcomes
                assert line.struck.wait(PATIENCE)
                line.struck.clear()
                for station in list(csms.stations.values()):
                    served.do(station.wait_closed)
            setattr(line, way, Course())
            assert converse("CP_0000") == [None, None, None]
        assert not csms.stations
        assert len(heard) == len(asked) > 2
        assert all(isinstance(each, v16.ResetResponse | CallFailure) for each in heard)


def edges(stream: bytes) -> list[int]:
    """Where the messages of one direction begin and end: first the head of the handshake, then frames."""
    end = stream.index(b"\r\n\r\n") + 4
    found = [0, end]
    while end < len(stream):
        size, is_masked = stream[end + 1] & 0x7F, stream[end + 1] & 0x80
        end += 2
        if size == 126:  # none is so long that its size would need eight bytes
            size = int.from_bytes(stream[end : end + 2])
            end += 2
        end += size + (4 if is_masked else 0)
        found.append(end)
    return found
