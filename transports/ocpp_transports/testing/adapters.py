"""An adapter in the hands of the contract: how it is served and connected, and how a test talks to the end it makes.

Each end lives in a thread of its own, with its own event loop where it has one; the test itself asks and waits.
Waiting is for events, with a deadline that only a failing test meets.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

import ocpp_transports.sync
from ocpp_sansio import CentralSystem, Limits, OcppError

from .samples import PATIENCE, charge_point


class End:
    """One end under test, reached from the thread of the test: ``do`` has work done where the end lives, and waits."""

    def __init__(self, start: Callable[[Callable[[], Any]], Future[Any]]) -> None:
        self.start_work = start
        """Has a function of no arguments, or a coroutine function, called where the end lives; does not wait."""

    def do(self, work: Callable[[], Any]) -> Any:
        """Have work done there, and wait for what comes of it."""
        return self.start_work(work).result(PATIENCE)


class ClientEnd(End):
    """A charge point that is connected: ``call`` asks its central system and waits, ``start`` asks and does not."""

    def __init__(self, start: Callable[[Callable[[], Any]], Future[Any]], peer: Any) -> None:
        super().__init__(start)
        self.peer = peer
        """What the adapter's ``connect`` yields."""

    def start(self, request: Any, **options: Any) -> Future[Any]:
        """Ask, and do not wait."""
        return self.start_work(partial(self.peer.call, request, **options))

    def call(self, request: Any, **options: Any) -> Any:
        """Ask, and wait for the response or the failure."""
        return self.start(request, **options).result(PATIENCE)

    def send(self, message: Any) -> None:
        """Send what is not answered (2.1)."""
        self.do(partial(self.peer.send, message))

    def wait_closed(self) -> Any:
        """Wait for the end of the connection, and tell how it ended."""
        return self.do(self.peer.wait_closed)

    def close(self) -> None:
        """Close the connection."""
        self.do(self.peer.close)


class ServerEnd(End):
    """A central system that is served on ``port``: its stations are those of ``csms``."""

    def __init__(self, start: Callable[[Callable[[], Any]], Future[Any]], server: Any, csms: CentralSystem) -> None:
        super().__init__(start)
        self.server = server
        """What the adapter's ``serve`` yields: it has a ``port``, and it can be closed."""
        self.csms = csms
        self.port: int = server.port
        self.url = f"ws://127.0.0.1:{server.port}/ocpp"
        """The endpoint, as a charge point is given it."""

    def start(self, identity: str, request: Any, **options: Any) -> Future[Any]:
        """Ask a station, and do not wait."""
        return self.start_work(lambda: self.csms.stations[identity].call(request, **options))

    def call(self, identity: str, request: Any, **options: Any) -> Any:
        """Ask a station, and wait for the response or the failure."""
        return self.start(identity, request, **options).result(PATIENCE)

    def close(self) -> None:
        """Close the server, and with it every connection."""
        self.do(self.server.close)


class Gate:
    """Holds handlers up until it is opened."""

    def __init__(self) -> None:
        self.arrived: queue.Queue[Any] = queue.Queue()
        """The requests that handlers have been called with."""
        self.open: Callable[[], Any]
        """Opens it, from any thread."""


class Adapter(ABC):
    """An adapter under test. ``module`` is what an application imports: ``connect`` or ``serve`` or both of them.

    What it yields, and which exceptions it raises, is as in :mod:`ocpp_transports.asyncio` for one with an event
    loop and as in :mod:`ocpp_transports.sync` for one without. :class:`AsyncAdapter` and :class:`SyncAdapter` will do
    for nearly every adapter; a server that is started in a way of its own overrides ``serve``.
    """

    def __init__(self, module: Any, name: str | None = None) -> None:
        self.module = module
        self.name: str = name or module.__name__.rpartition(".")[2]
        self.owns_websocket = True
        """Whether it speaks the WebSocket itself, on a socket of its own. Under an ASGI server it does not: then which
        code a connection ends with is the server's choice, and the server goes on listening when it is closed."""
        self.beyond: dict[str, str] = {}
        """Which faults this adapter does not deal with, and why. One word of the catalogue, or ``F-57: HTTP/1.0``."""

    def __repr__(self) -> str:
        return self.name

    def skip_if_beyond(self, fault: str) -> None:
        """Skip the test, and say why, if the fault is beyond this adapter."""
        if fault in self.beyond:
            pytest.skip(f"{self}: {fault}: {self.beyond[fault]}")

    @abstractmethod
    def serve(self, csms: CentralSystem, **options: Any) -> AbstractContextManager[ServerEnd]:
        """Serve a central system on a free port of 127.0.0.1, until the end of the block."""

    @abstractmethod
    def connect(self, url: str, identity: str = "CP_1", **options: Any) -> AbstractContextManager[ClientEnd]:
        """Connect a charge point, until the end of the block. Whatever the central system asks is answered."""

    @abstractmethod
    def gated(self, gate: Gate, answer: Callable[..., Any]) -> Callable[..., Any]:
        """A handler that waits for the gate, in the way of this adapter's handlers."""

    @abstractmethod
    def asking(self, question: Any, answer: Callable[..., Any], heard: list[Any]) -> Callable[..., Any]:
        """A handler that calls the peer before it answers it, and keeps what it hears, a failure as well."""


class AsyncAdapter(Adapter):
    """One whose ``connect`` and ``serve`` are asynchronous context managers. ``backend``: ``asyncio`` or ``trio``."""

    def __init__(self, module: Any, backend: str, name: str | None = None) -> None:
        super().__init__(module, name)
        self.backend = backend

    @contextmanager
    def loop(self) -> Generator[BlockingPortal]:
        """An event loop in a thread, in which nothing may be left over."""
        with start_blocking_portal(self.backend) as portal:
            before = portal.call(self._count_tasks)
            yield portal
            if "census" not in self.beyond:
                assert portal.call(self._count_tasks) == before

    def _count_tasks(self) -> int:
        if self.backend == "trio":
            import trio  # noqa: PLC0415 - who adapts to asyncio need not have it

            return trio.lowlevel.current_statistics().tasks_living
        return len(asyncio.all_tasks())

    @contextmanager
    def serve(self, csms: CentralSystem, **options: Any) -> Generator[ServerEnd]:
        with self.loop() as portal:
            served = self.module.serve(csms, port=0, **options)
            with portal.wrap_async_context_manager(served) as server:
                yield ServerEnd(portal.start_task_soon, server, csms)

    @contextmanager
    def connect(self, url: str, identity: str = "CP_1", **options: Any) -> Generator[ClientEnd]:
        options.setdefault("handlers", charge_point())
        options.setdefault("limits", Limits(close_timeout=3))
        with self.loop() as portal:
            connected = self.module.connect(url, identity, **options)
            with portal.wrap_async_context_manager(connected) as peer:
                yield ClientEnd(portal.start_task_soon, peer)

    def gated(self, gate: Gate, answer: Callable[..., Any]) -> Callable[..., Any]:
        opened = threading.Event()
        wakers: list[Callable[[], Any]] = []

        def open_gate() -> None:
            opened.set()
            for wake in wakers:
                wake()

        gate.open = open_gate

        async def handler(peer: Any, request: Any) -> Any:
            if self.backend == "trio":
                import trio  # noqa: PLC0415 - as above

                event: Any = trio.Event()
                wakers.append(partial(trio.lowlevel.current_trio_token().run_sync_soon, event.set))
            else:
                event = asyncio.Event()
                wakers.append(partial(asyncio.get_running_loop().call_soon_threadsafe, event.set))
            gate.arrived.put(request)
            if not opened.is_set():
                await event.wait()
            return answer(peer, request)

        return handler

    def asking(self, question: Any, answer: Callable[..., Any], heard: list[Any]) -> Callable[..., Any]:
        async def handler(peer: Any, request: Any) -> Any:
            try:
                heard.append(await peer.call(question))
            except OcppError as error:
                heard.append(error)
                raise
            return answer(peer, request)

        return handler


class SyncAdapter(Adapter):
    """One whose ``connect`` and ``serve`` are context managers, and whose handlers block; without a module, ours."""

    def __init__(self, module: Any = ocpp_transports.sync, name: str | None = None) -> None:
        super().__init__(module, name)
        self.beyond["F-54"] = "a handler blocks the one thread of its connection"

    @contextmanager
    def serve(self, csms: CentralSystem, **options: Any) -> Generator[ServerEnd]:
        with ThreadPoolExecutor() as threads, self.module.serve(csms, port=0, **options) as server:
            yield ServerEnd(threads.submit, server, csms)

    @contextmanager
    def connect(self, url: str, identity: str = "CP_1", **options: Any) -> Generator[ClientEnd]:
        options.setdefault("handlers", charge_point())
        options.setdefault("limits", Limits(close_timeout=3))
        with ThreadPoolExecutor() as threads, self.module.connect(url, identity, **options) as peer:
            threads.submit(peer.wait_closed)  # somebody is there for what the central system asks
            yield ClientEnd(threads.submit, peer)

    def gated(self, gate: Gate, answer: Callable[..., Any]) -> Callable[..., Any]:
        opened = threading.Event()
        gate.open = opened.set

        def handler(peer: Any, request: Any) -> Any:
            gate.arrived.put(request)
            assert opened.wait(PATIENCE)
            return answer(peer, request)

        return handler

    def asking(self, question: Any, answer: Callable[..., Any], heard: list[Any]) -> Callable[..., Any]:
        def handler(peer: Any, request: Any) -> Any:
            try:
                heard.append(peer.call(question))
            except OcppError as error:
                heard.append(error)
                raise
            return answer(peer, request)

        return handler
