"""A central system is served in one event loop, or in threads, and says so to who serves it in another one as well."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import anyio
import pytest
from anyio.abc import ByteStream

from ocpp_sansio import LocalProtocolError
from ocpp_transports import anyio as on_anyio
from ocpp_transports.asgi import asgi
from tests.transports.asgi_host import Host
from tests.transports.contract import (
    ADAPTERS,
    BOOT,
    HEARTBEAT,
    RESET,
    Adapter,
    AsyncAdapter,
    booted,
    central_system,
    connected,
    nothing_left_over,
)
from tests.transports.hosted import ASGI_SERVERS

ELSEWHERE = "another event loop or thread"
ON_ASYNCIO, _, ON_THREADS, *_ = ADAPTERS


@pytest.mark.parametrize(
    ("server", "other"),
    [
        *((server, ON_ASYNCIO) for server in ADAPTERS),
        *((server, ON_THREADS) for server in ADAPTERS if server is not ON_THREADS),
    ],
    ids=str,
)
def test_who_serves_it_in_another_loop_as_well_is_told_before_anybody_connects(server: Adapter, other: Adapter) -> None:
    csms = central_system()
    with nothing_left_over():
        with server.serve(csms), pytest.raises(LocalProtocolError, match=ELSEWHERE), other.serve(csms):
            pass
        with other.serve(csms) as served, ON_THREADS.connect(served.url) as peer:  # it is served nowhere by now
            assert peer.call(BOOT) == booted()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_one_loop_may_serve_it_in_any_way_and_as_often_as_it_likes(backend: str) -> None:
    async def serve() -> None:
        csms = central_system(accept_before_boot=True)
        async with (
            on_anyio.serve(csms, port=0),
            on_anyio.serve(csms, port=0) as second,
            asgi(csms).lifespan(),
            anyio.create_task_group() as tasks,
        ):
            app = Host(asgi(csms))
            tasks.start_soon(app.run)
            assert (await app.heard(1))["type"] == "websocket.accept"
            async with on_anyio.connect(f"ws://127.0.0.1:{second.port}", "CP_1"):
                assert (await app.heard(2))["code"] == 1008  # it has come back by another way
                app.leave()

    anyio.run(serve, backend=backend)


def test_threads_may_serve_it_as_often_as_they_like() -> None:
    csms = central_system()
    with (
        nothing_left_over(),
        ON_THREADS.serve(csms),
        ON_THREADS.serve(csms) as second,
        ON_ASYNCIO.connect(second.url) as peer,
    ):
        assert peer.call(BOOT) == booted()


def test_an_application_that_is_served_in_two_loops_serves_the_first() -> None:
    app = asgi(central_system(accept_before_boot=True))

    async def serve_both() -> None:
        first, second = Host(app), Host(app)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first.run)
            await first.heard(1)
            thread = threading.Thread(target=anyio.run, args=[second.run])
            await anyio.to_thread.run_sync(lambda: (thread.start(), thread.join()))
            assert isinstance(second.error, LocalProtocolError)
            assert second.sent == []
            life = Host(app, type="lifespan")
            await anyio.to_thread.run_sync(anyio.run, life.run)
            assert life.sent[0]["type"] == "lifespan.startup.failed"
            assert ELSEWHERE in life.sent[0]["message"]
            first.leave()

    anyio.run(serve_both)


def test_what_is_served_over_a_stream_is_served_there() -> None:
    csms = central_system()

    async def serve() -> None:
        await on_anyio.serve_over(csms, cast("ByteStream", None))  # it is not looked at

    with ON_ASYNCIO.serve(csms), pytest.raises(LocalProtocolError, match=ELSEWHERE):
        anyio.run(serve)


EVENT_LOOPS = [adapter for adapter in ADAPTERS if isinstance(adapter, AsyncAdapter)]


def assert_belongs_elsewhere(work: Callable[[], Any]) -> None:
    """It says at once that it is not for this thread."""

    def begin() -> None:
        result = work()
        result.send(None)  # the first step of a coroutine; what is none has raised before

    with pytest.raises(LocalProtocolError, match=r"run_coroutine_threadsafe.*from_thread\.run"):
        begin()


@pytest.mark.parametrize("client", EVENT_LOOPS, ids=str)
@pytest.mark.parametrize("server", [*EVENT_LOOPS, ASGI_SERVERS[0]], ids=str)
def test_what_belongs_to_an_event_loop_is_not_for_other_threads(client: AsyncAdapter, server: Adapter) -> None:
    with connected(client, server) as (peer, served):
        station = served.csms.stations["CP_1"]
        for end in (station, peer.peer):
            for work in (end.close_soon, end.close, end.wait_closed):
                assert_belongs_elsewhere(work)
        assert_belongs_elsewhere(partial(station.call, RESET))
        assert_belongs_elsewhere(partial(peer.peer.call, HEARTBEAT))
        assert_belongs_elsewhere(lambda: peer.peer.send(HEARTBEAT))
        assert peer.call(BOOT) == booted()  # nothing has happened


@pytest.mark.parametrize("client", EVENT_LOOPS, ids=str)
def test_an_uplink_belongs_to_its_event_loop(client: AsyncAdapter) -> None:
    with (
        ON_THREADS.serve(central_system()) as served,
        client.loop() as portal,
        portal.wrap_async_context_manager(client.module.keep_connected(served.url, "CP_1")) as uplink,
    ):
        for work in (partial(uplink.call, BOOT), uplink.wait_connected, lambda: uplink.send(HEARTBEAT)):
            assert_belongs_elsewhere(work)
        assert portal.call(uplink.call, BOOT) == booted()
