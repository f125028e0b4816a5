"""What is special to trio: cancellation at every checkpoint, and nurseries that do not show."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from ocpp_sansio import CentralSystem, ConnectionClosed, Limits, v16
from ocpp_transports.trio import HandshakeFailed, RemoteCentralSystem, Server, connect, serve
from tests.transports.contract import BOOT, HEARTBEAT, PATIENCE, central_system, charge_point, heartbeat

NO_HURRY = Limits(close_timeout=10 * PATIENCE)


@asynccontextmanager
async def connected(csms: CentralSystem | None = None) -> AsyncGenerator[tuple[RemoteCentralSystem, Server], None]:
    async with (
        serve(csms or central_system(accept_before_boot=True), port=0) as server,
        connect(f"ws://127.0.0.1:{server.port}", "CP_1", handlers=charge_point()) as peer,
    ):
        yield peer, server


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run the test in a loop of its own. That nothing is left behind is in the nature of nurseries."""

    async def run_test() -> None:
        with trio.fail_after(PATIENCE):
            await test()

    def wrapped() -> None:
        trio.run(run_test)

    wrapped.__name__, wrapped.__doc__ = test.__name__, test.__doc__
    return wrapped


async def cancelled_after(checkpoints: int, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Cancel some work once the loop has gone round so often."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        for _ in range(checkpoints):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()


@in_loop
async def test_a_call_cancelled_at_any_checkpoint_leaves_the_connection_usable_f_11() -> None:
    async with connected() as (peer, _):

        async def call() -> None:
            assert await peer.call(HEARTBEAT) == heartbeat()

        for checkpoints in range(12):
            await cancelled_after(checkpoints, call)
            await call()


@in_loop
async def test_a_connect_that_is_given_up_is_not_followed_by_a_long_goodbye_f_11() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, trio.move_on_after(0.05) as scope:
        async with connect(f"ws://127.0.0.1:{silent.getsockname()[1]}", "CP_1", limits=NO_HURRY):
            pass
    assert scope.cancelled_caught


@in_loop
async def test_a_connect_cancelled_at_any_checkpoint_leaves_nothing_behind_f_11() -> None:
    async with serve(central_system(), port=0) as server:

        async def boot() -> None:
            async with connect(f"ws://127.0.0.1:{server.port}", "CP_1", limits=Limits(close_timeout=1)) as peer:
                await peer.call(BOOT)

        for checkpoints in range(30):
            await cancelled_after(checkpoints, boot)
        await boot()


@in_loop
async def test_a_time_out_of_the_callers_own_gives_the_call_up_f_11() -> None:
    csms = central_system(accept_before_boot=True)
    go_on = trio.Event()

    @csms.on(v16.AuthorizeRequest)
    async def authorize(*_: object) -> v16.AuthorizeResponse:
        await go_on.wait()
        return v16.AuthorizeResponse(id_tag_info=v16.IdTagInfo(status=v16.AuthorizationStatus.ACCEPTED))

    async with connected(csms) as (peer, _):
        with trio.move_on_after(0.01) as scope:
            await peer.call(v16.AuthorizeRequest(id_tag="TAG"))
        assert scope.cancelled_caught
        go_on.set()
        assert await peer.call(HEARTBEAT) == heartbeat()


@in_loop
async def test_what_a_block_raises_comes_out_as_it_is_and_the_connection_is_closed() -> None:
    async with serve(central_system(), port=0) as server:
        with pytest.raises(LookupError, match="mine"):
            async with connect(f"ws://127.0.0.1:{server.port}", "CP_1") as peer:
                raise LookupError("mine")
        assert isinstance(peer.closed, ConnectionClosed)
        assert peer.closed.code == 1000
    with pytest.raises(LookupError, match="mine"):
        async with serve(central_system(), port=0):
            raise LookupError("mine")


@in_loop
async def test_a_refusal_is_not_wrapped_in_a_group() -> None:
    csms = CentralSystem()
    csms.authenticate(lambda _: False)
    async with serve(csms, port=0) as server:
        with pytest.raises(HandshakeFailed):
            async with connect(f"ws://127.0.0.1:{server.port}", "CP_1"):
                pass


@in_loop
async def test_cancelling_around_both_ends_still_closes_in_good_order() -> None:
    with trio.CancelScope() as scope:
        async with connected() as (peer, _):
            await peer.call(HEARTBEAT)
            scope.cancel()
            await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert isinstance(peer.closed, ConnectionClosed)
    assert peer.closed.code == 1000


@in_loop
async def test_a_handler_outlives_its_connection_but_not_the_server() -> None:
    csms = central_system(accept_before_boot=True, limits=Limits(close_timeout=0.1))
    started, ended = trio.Event(), list[str]()

    @csms.on(v16.AuthorizeRequest)
    async def authorize(*_: object) -> v16.AuthorizeResponse:
        started.set()
        try:
            await trio.sleep_forever()
        finally:
            ended.append("cancelled")
        raise AssertionError

    async with serve(csms, port=0) as server:
        async with (
            connect(f"ws://127.0.0.1:{server.port}", "CP_1", limits=Limits(close_timeout=1)) as peer,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(peer.call, v16.AuthorizeRequest(id_tag="TAG"))
            await started.wait()
            nursery.cancel_scope.cancel()
        while csms.stations:
            await trio.lowlevel.checkpoint()
        assert not ended
    assert ended == ["cancelled"]


@in_loop
async def test_closing_the_server_does_not_cancel_the_block_around_it() -> None:
    async with serve(central_system(limits=Limits(close_timeout=0.1)), port=0) as server:
        await server.close()
        await trio.sleep(0.2)
        await server.close()
