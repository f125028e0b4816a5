"""What is special to asyncio: cancellation at every step, and tasks."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest

from ocpp_sansio import CallRefused, CentralSystem, ErrorCode, Limits, v16
from ocpp_sansio import central_system as cs
from ocpp_sansio.store import MemoryStore
from ocpp_transports.asyncio import RemoteCentralSystem, Server, connect, serve
from tests.transports.contract import BOOT, HEARTBEAT, PATIENCE, RESET, central_system, charge_point, heartbeat

NO_HURRY = Limits(close_timeout=10 * PATIENCE)


@asynccontextmanager
async def connected(csms: CentralSystem | None = None) -> AsyncGenerator[tuple[RemoteCentralSystem, Server], None]:
    async with (
        serve(csms or central_system(accept_before_boot=True), port=0) as server,
        connect(f"ws://127.0.0.1:{server.port}", "CP_1", handlers=charge_point()) as peer,
    ):
        yield peer, server


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run the test in a loop of its own, in which it must leave nothing behind."""

    async def run_test() -> None:
        async with asyncio.timeout(PATIENCE):
            await test()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    def wrapped() -> None:
        asyncio.run(run_test())

    wrapped.__name__, wrapped.__doc__ = test.__name__, test.__doc__
    return wrapped


@in_loop
async def test_a_call_cancelled_at_any_step_leaves_the_connection_usable_f_11() -> None:
    async with connected() as (peer, _):
        for steps in range(12):
            call = asyncio.create_task(peer.call(HEARTBEAT))
            for _ in range(steps):
                await asyncio.sleep(0)
            call.cancel()
            try:
                assert await call == heartbeat()
            except asyncio.CancelledError:
                assert call.cancelled()
            assert await peer.call(HEARTBEAT) == heartbeat()


@in_loop
async def test_a_connect_that_is_given_up_is_not_followed_by_a_long_goodbye_f_11() -> None:
    async def connect_in_vain(port: int) -> None:
        async with asyncio.timeout(0.05), connect(f"ws://127.0.0.1:{port}", "CP_1", limits=NO_HURRY):
            pass

    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TimeoutError):
        await connect_in_vain(silent.getsockname()[1])


@in_loop
async def test_a_connect_cancelled_at_any_step_leaves_nothing_behind_f_11() -> None:
    async with serve(central_system(), port=0) as server:

        async def boot() -> None:
            async with connect(f"ws://127.0.0.1:{server.port}", "CP_1", limits=Limits(close_timeout=1)) as peer:
                await peer.call(BOOT)

        for steps in range(25):
            task = asyncio.create_task(boot())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() or task.exception() is None
        await boot()


@in_loop
async def test_a_time_out_of_the_callers_own_gives_the_call_up_f_11() -> None:
    csms = central_system(accept_before_boot=True)
    go_on = asyncio.Event()

    @csms.on(v16.AuthorizeRequest)
    async def authorize(*_: object) -> v16.AuthorizeResponse:
        await go_on.wait()
        return v16.AuthorizeResponse(id_tag_info=v16.IdTagInfo(status=v16.AuthorizationStatus.ACCEPTED))

    async with connected(csms) as (peer, _):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await peer.call(v16.AuthorizeRequest(id_tag="TAG"))
        go_on.set()
        assert await peer.call(HEARTBEAT) == heartbeat()


@in_loop
async def test_a_plain_handler_costs_no_task() -> None:
    csms = CentralSystem(accept_before_boot=True)
    seen: list[Any] = []

    @csms.on(v16.HeartbeatRequest)
    def beat(*_: object) -> v16.HeartbeatResponse:
        seen.append(asyncio.current_task())
        return heartbeat()

    async with connected(csms) as (peer, _):
        await peer.call(HEARTBEAT)
    assert seen == [None]


@in_loop
async def test_a_cancellation_that_nobody_asked_for_is_the_handlers_fault_f_12() -> None:
    csms = central_system(accept_before_boot=True)

    @csms.on(v16.AuthorizeRequest)
    async def authorize(*_: object) -> v16.AuthorizeResponse:
        never = asyncio.get_running_loop().create_future()
        never.cancel()
        await never
        raise AssertionError

    async with connected(csms) as (peer, _):
        with pytest.raises(CallRefused) as refused:
            await peer.call(v16.AuthorizeRequest(id_tag="TAG"))
        assert refused.value.code is ErrorCode.INTERNAL_ERROR
        assert await peer.call(HEARTBEAT) == heartbeat()


@in_loop
async def test_a_handler_outlives_its_connection_but_not_the_server() -> None:
    csms = central_system(accept_before_boot=True, limits=Limits(close_timeout=0.1))
    started, ended = asyncio.Event(), list[str]()

    @csms.on(v16.AuthorizeRequest)
    async def authorize(*_: object) -> v16.AuthorizeResponse:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
        raise AssertionError

    async with serve(csms, port=0) as server:
        async with connect(f"ws://127.0.0.1:{server.port}", "CP_1", limits=Limits(close_timeout=1)) as peer:
            call = asyncio.create_task(peer.call(v16.AuthorizeRequest(id_tag="TAG")))
            await started.wait()
        await asyncio.wait([call])
        assert not csms.stations
        assert not ended
    assert ended == ["cancelled"]


@in_loop
async def test_a_plain_handler_can_close_its_station() -> None:
    csms = CentralSystem(accept_before_boot=True)

    @csms.on(v16.HeartbeatRequest)
    def beat(station: Any, _: object) -> v16.HeartbeatResponse:
        station.close_soon(1008, "enough")
        return heartbeat()

    async with connected(csms) as (peer, _):
        task = asyncio.create_task(peer.call(HEARTBEAT))
        end = await peer.wait_closed()
        assert (end.reason, type(await asyncio.gather(task, return_exceptions=True))) == ("enough", list)


@in_loop
async def test_a_station_is_called_from_anywhere_in_the_loop() -> None:
    csms = central_system(accept_before_boot=True)
    async with connected(csms) as (peer, _):
        await peer.call(HEARTBEAT)
        assert (await csms.stations["CP_1"].call(RESET)).status is v16.ResetStatus.ACCEPTED


class Observer:
    """One that does not care."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: nullcontext() if name == "handling" else self


@in_loop
async def test_a_connection_that_is_lost_is_freed_by_reference_counting_f_132() -> None:
    played = CentralSystem(limits=Limits(close_timeout=3))
    played.authenticate(lambda _: True)
    store = MemoryStore()
    role = cs.CentralSystem(
        now=time.monotonic(), utc=datetime.now(UTC), transaction_ids=lambda: 1, records=store.load()
    )
    played.play(role, store=store, act=lambda *_: None)
    for csms, observer in ((central_system(), None), (central_system(), Observer()), (played, None)):
        await is_freed(csms, observer)


async def is_freed(csms: CentralSystem, observer: Any) -> None:
    gc.disable()
    try:
        async with serve(csms, port=0, observer=observer, tap=lambda *_: None) as server:
            async with connect(f"ws://127.0.0.1:{server.port}", "CP_1", observer=observer) as peer:
                await peer.call(BOOT)
                freed = [asyncio.Event(), asyncio.Event()]
                weakref.finalize(csms.stations["CP_1"], freed[0].set)
                weakref.finalize(peer._driver, freed[1].set)
                del peer
            for each in freed:
                await each.wait()
    finally:
        gc.enable()
