"""An ASGI server that a test plays itself: it has a connection, whose messages it gives and takes one by one."""

from __future__ import annotations

import functools
import inspect
import json
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from ocpp_transports.testing.samples import PATIENCE

DENIAL = {"websocket.http.response": {}}


def in_loops(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run the test in a loop of its own, of either kind, in which nothing may be left over."""

    async def run(options: dict[str, Any]) -> None:
        before = len(anyio.get_running_tasks())
        with anyio.fail_after(PATIENCE):
            await test(**options)
            await quiet()
        assert len(anyio.get_running_tasks()) == before

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    @functools.wraps(test)
    def wrapped(backend: str, **options: Any) -> None:
        anyio.run(run, options, backend=backend)

    signature = inspect.signature(test)
    backend = inspect.Parameter("backend", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    wrapped.__signature__ = signature.replace(parameters=[backend, *signature.parameters.values()])  # type: ignore[attr-defined]
    return wrapped


async def quiet(rounds: int = 20) -> None:
    """Let everything happen that needs nothing but its turn."""
    for _ in range(rounds):
        await anyio.lowlevel.checkpoint()


class Host:
    """One connection, and what the server has of it."""

    def __init__(self, app: Any, **scope: Any) -> None:
        self.app = app
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "path": "/ocpp/CP_1",
            "headers": [(b"sec-websocket-protocol", b"ocpp1.6")],
            "subprotocols": ["ocpp1.6"],
            "extensions": DENIAL,
            **scope,
        }
        self.sent: list[dict[str, Any]] = []
        """What the application has sent so far."""
        self.asked = 0
        """How often it has waited for a message."""
        self.over = anyio.Event()
        """Set when the application has returned."""
        self.error: BaseException | None = None
        self.gate: anyio.Event | None = None
        """Holds up what is sent, until it is set."""
        self._accepted = anyio.Event()
        self._news = anyio.Event()
        self._give, self._take = anyio.create_memory_object_stream[Any](math.inf)
        self.give({"type": "websocket.connect"})

    def give(self, message: Any) -> None:
        """Have the application receive this; an exception is what its waiting comes to."""
        self._give.send_nowait(message)

    def say(self, text: str) -> None:
        self.give({"type": "websocket.receive", "text": text})

    def leave(self, code: int = 1000, reason: str = "") -> None:
        self.give({"type": "websocket.disconnect", "code": code, "reason": reason})

    async def receive(self) -> Any:
        self.asked += 1
        message = await self._take.receive()
        if isinstance(message, BaseException):
            raise message
        if message["type"] == "websocket.receive":
            await self._accepted.wait()  # nothing is said before the handshake is over
        return message

    async def send(self, message: Any) -> None:
        if self.gate is not None:
            await self.gate.wait()
        else:
            await anyio.lowlevel.checkpoint()
        self.sent.append(message)
        if message["type"] == "websocket.accept":
            self._accepted.set()
        self._news.set()
        self._news = anyio.Event()

    async def run(self) -> None:
        """Serve the connection."""
        try:
            await self.app(self.scope, self.receive, self.send)
        except Exception as error:  # noqa: BLE001 - for the test to look at
            self.error = error
        finally:
            self._give.close()
            self._take.close()
            self.over.set()
            self._news.set()

    async def heard(self, count: int) -> Any:
        """Wait until the application has sent so many messages. The last of them."""
        while len(self.sent) < count:
            assert not self.over.is_set(), self.sent
            await self._news.wait()
        return self.sent[count - 1]

    async def answer(self, count: int) -> Any:
        """The same, of a text: what it says in JSON."""
        message = await self.heard(count)
        assert message["type"] == "websocket.send", message
        return json.loads(message["text"])


@asynccontextmanager
async def hosting(app: Any, **scope: Any) -> AsyncGenerator[Host]:
    """Serve a connection beside a block, at whose end the application has to come to its own."""
    host = Host(app, **scope)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(host.run)
        yield host
        if not host.over.is_set():
            host.leave()
    assert host.error is None


async def served(app: Any, **scope: Any) -> Host:
    """Serve a connection that says nothing, until the application is done with it."""
    host = Host(app, **scope)
    await host.run()
    assert host.error is None
    return host
