"""What is particular to the anyio adapter: streams that are there already, and cancellation on either backend."""

from __future__ import annotations

import asyncio
import math
import ssl
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme
from anyio.abc import ByteStream
from anyio.streams.stapled import StapledObjectStream
from anyio.streams.tls import TLSStream

from ocpp_sansio import CallRefused, ConnectionClosed, ErrorCode, Limits, v16
from ocpp_transports.anyio import _ADAPTER, connect, connect_over, serve, serve_over
from tests.transports.contract import (
    BOOT,
    HEARTBEAT,
    PATIENCE,
    RESET,
    booted,
    central_system,
    charge_point,
    heartbeat,
    tls,
)

URL = "ws://csms.example/ocpp"

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


class Pipe(StapledObjectStream[bytes], ByteStream):  # type: ignore[misc]
    """One end of a stream of bytes in memory."""

    async def receive(self, max_bytes: int = 65536) -> bytes:
        return await super().receive()


def pipe() -> tuple[Pipe, Pipe]:
    there, back = anyio.create_memory_object_stream[bytes](math.inf), anyio.create_memory_object_stream[bytes](math.inf)
    return Pipe(there[0], back[1]), Pipe(back[0], there[1])


async def talk(near: Any, far: Any) -> None:
    """A charge point on the one end, a central system on the other: calls both ways, and a close in good order."""
    csms = central_system()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve_over, csms, far)
        async with connect_over(near, URL, "CP_1", handlers=charge_point()) as peer:
            assert await peer.call(BOOT) == booted()
            assert await peer.call(HEARTBEAT) == heartbeat()
            assert (await csms.stations["CP_1"].call(RESET)).status == "Accepted"
        assert isinstance(peer.closed, ConnectionClosed)
        assert peer.closed.code == 1000
    assert not csms.stations


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_cancellation_that_nobody_asked_for_is_the_handlers_fault_f_12(is_async: bool) -> None:
    csms = central_system(accept_before_boot=True)

    def fail(*_: object) -> v16.AuthorizeResponse:
        raise asyncio.CancelledError

    async def fail_later(*_: object) -> v16.AuthorizeResponse:
        never = asyncio.get_running_loop().create_future()
        never.cancel()
        await never
        raise AssertionError

    csms.on(v16.AuthorizeRequest)(fail_later if is_async else fail)
    async with (
        serve(csms, port=0) as server,
        connect(f"ws://127.0.0.1:{server.port}", "CP_1") as peer,
    ):
        with pytest.raises(CallRefused) as refused:
            await peer.call(v16.AuthorizeRequest(id_tag="TAG"))
        assert refused.value.code is ErrorCode.INTERNAL_ERROR
        assert await peer.call(HEARTBEAT) == heartbeat()


async def test_work_beside_a_block_that_fails_ends_the_block() -> None:
    async def fail() -> None:
        raise LookupError

    with anyio.fail_after(PATIENCE), pytest.raises(ExceptionGroup) as failed:
        async with _ADAPTER.beside(fail):
            await anyio.sleep_forever()
    assert failed.value.subgroup(LookupError)


async def test_a_connection_runs_over_a_stream_in_memory() -> None:
    await talk(*pipe())


async def test_a_connection_runs_over_a_unix_socket(tmp_path: Path) -> None:
    async with await anyio.create_unix_listener(tmp_path / "ocpp") as listener:
        near = await anyio.connect_unix(tmp_path / "ocpp")
        await talk(near, await listener.accept())


async def test_a_connection_runs_over_tls_within_a_stream_in_memory() -> None:
    contexts = tls(trustme.CA())
    streams: dict[bool, TLSStream] = {}

    async def wrap(end: Pipe, context: ssl.SSLContext, *, is_server: bool) -> None:
        streams[is_server] = await TLSStream.wrap(
            end,
            server_side=is_server,
            hostname=None if is_server else "127.0.0.1",
            ssl_context=context,
            standard_compatible=False,
        )

    near, far = pipe()
    async with anyio.create_task_group() as tasks:
        for end, context, is_server in ((far, contexts[0], True), (near, contexts[1], False)):
            tasks.start_soon(
                lambda end=end, context=context, is_server=is_server: wrap(end, context, is_server=is_server)
            )
    await talk(streams[False], streams[True])


async def test_a_server_over_a_stream_that_is_cancelled_says_good_bye() -> None:
    near, far = pipe()
    csms = central_system()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve_over, csms, far)
        async with connect_over(near, URL, "CP_1", handlers=charge_point()) as peer:
            assert await peer.call(BOOT) == booted()
            tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                end = await peer.wait_closed()
    assert isinstance(end, ConnectionClosed)
    assert (end.code, end.reason) == (1001, "shutting down")


async def test_a_time_out_of_the_callers_own_gives_the_call_up_f_11() -> None:
    gate = anyio.Event()
    csms = central_system()

    async def slow(*_: object) -> Any:
        await gate.wait()
        return heartbeat()

    del csms._handlers[type(HEARTBEAT)]
    csms.on(type(HEARTBEAT))(slow)
    async with serve(csms, port=0) as server, connect(f"ws://127.0.0.1:{server.port}", "CP_1") as peer:
        assert await peer.call(BOOT) == booted()
        with pytest.raises(TimeoutError), anyio.fail_after(0.01):
            await peer.call(HEARTBEAT)
        gate.set()
        assert await peer.call(HEARTBEAT) == heartbeat()


async def test_a_call_cancelled_at_any_checkpoint_leaves_the_connection_usable_f_11() -> None:
    csms = central_system()
    async with serve(csms, port=0) as server, connect(f"ws://127.0.0.1:{server.port}", "CP_1") as peer:
        assert await peer.call(BOOT) == booted()
        for steps in range(8):
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:

                    async def cancel(steps: int = steps, scope: anyio.CancelScope = scope) -> None:
                        for _ in range(steps):
                            await anyio.lowlevel.checkpoint()
                        scope.cancel()

                    tasks.start_soon(cancel)
                    await peer.call(HEARTBEAT)
            assert await peer.call(HEARTBEAT) == heartbeat()


async def test_what_a_block_raises_comes_out_as_it_is_and_the_connection_is_closed() -> None:
    csms = central_system()
    async with serve(csms, port=0) as server:
        with pytest.raises(LookupError, match="sesame"):
            async with connect(f"ws://127.0.0.1:{server.port}", "CP_1") as peer:
                raise LookupError("sesame")
        assert isinstance(peer.closed, ConnectionClosed)


async def test_a_client_that_is_silent_during_the_tls_handshake_is_not_told_anything_in_plain_text_f_19() -> None:
    contexts = tls(trustme.CA())
    csms = central_system(limits=Limits(handshake_timeout=0.05, close_timeout=0.05))
    async with serve(csms, port=0, ssl=contexts[0]) as server:
        silent = await anyio.connect_tcp("127.0.0.1", server.port)
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await silent.receive()
        await silent.aclose()
