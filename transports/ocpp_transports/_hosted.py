"""Drives one connection whose WebSocket an ASGI server speaks: carries texts between the two, and wakes tasks.

It knows what is said to and fro by ASGI about a WebSocket. Who the client is has been found out before.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping
from contextlib import suppress
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup

from ocpp_sansio import CentralSystem, HostedConnection
from ocpp_sansio.hosted import Accept, Close, Refuse, Step

from ._anyio import Flag, is_stop
from ._async import AsyncDispatcher
from ._endings import GOING_AWAY
from ._served import ServerDispatcher

__all__ = ["DENIAL", "HostedDriver", "Message", "Receive", "Send", "respond"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

DENIAL: Final = "websocket.http.response"
"""The extension of ASGI for servers that can refuse a WebSocket with any HTTP response."""


class HostedDriver(ServerDispatcher[HostedConnection, Flag], AsyncDispatcher[HostedConnection, CentralSystem, Flag]):
    """Three tasks, one that receives, one that sends, one that keeps the time; each is followed by ``drive``."""

    new_flag = Flag
    now = staticmethod(anyio.current_time)

    def __init__(
        self, connection: HostedConnection, csms: CentralSystem, receive: Receive, send: Send, *, can_deny: bool
    ) -> None:
        super().__init__(connection, csms)
        self._receive = receive
        self._send = send
        self._can_deny = can_deny
        self.gone = Flag()
        """Set when all of it is over, the handlers as well."""
        self._tasks: TaskGroup = anyio.create_task_group()
        """The handlers'."""
        self._scope = anyio.CancelScope()
        self._alarm = anyio.CancelScope()
        self._rings_at = math.inf
        self._stuck_at = math.inf
        """When what is being sent will have taken too long."""
        self._turn = Flag()
        """Set, and made anew, whenever the tasks should look again whether there is something to do."""
        self._steps: deque[Step] = deque()
        self._unsent = 0
        self._done = False
        self._is_over = False
        """Whether the server has nothing more to tell."""

    def drive(self) -> None:
        """After every mutation: act on all events, hand over what to do, wake the tasks, set the alarm."""
        self.react()
        for step in self.connection.steps():
            self._steps.append(step)
            self._unsent += _size(step)
        self._wake()
        deadline = self.connection.next_timeout()
        if self.connection.transport_done:
            if not self._done:
                self._done = True
                self._alarm.cancel()
                # A server that does not take our last words is not waited for (F-10).
                self._scope.deadline = _after(self.connection.limits.close_timeout)
        elif deadline is not None:
            self._ring_by(deadline)

    def _ring_by(self, deadline: float) -> None:
        # One that has moved away is left to ring once for nothing: cheaper than a new timer for every message.
        if deadline < self._rings_at:
            self._alarm.deadline = self._rings_at = deadline

    def _wake(self) -> None:
        turn, self._turn = self._turn, Flag()
        turn.set()

    async def run(self) -> None:
        """Drive the connection until it is over, and then have the handlers come to their end."""
        try:
            async with self._tasks:
                try:
                    await self._converse()
                finally:
                    await self._say_goodbye()
                    self._hear_end()
                    self.let_go()
                    self._tasks.cancel_scope.deadline = _after(self.connection.limits.close_timeout)
        except Exception:  # noqa: BLE001 - whatever it is, it is the end of this connection only (F-14)
            self.log(logging.ERROR, "the connection failed", exc_info=True)

    async def _converse(self) -> None:
        with self._scope:
            self._take(await self._receive())  # the server has to say first that there is a client
            self.drive()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._read)
                tasks.start_soon(self._write)
                tasks.start_soon(self._keep_time)

    async def _say_goodbye(self) -> None:
        """The server will not serve us to the end: the client is told so, if that can be done."""
        if self.connection.is_open:
            with anyio.move_on_after(self.connection.limits.close_timeout, shield=True), suppress(Exception):
                await self._do(Close(*GOING_AWAY))

    async def _read(self) -> None:
        while not self._is_over:
            # Who does not read our answers asks no more (F-06), nor does who has asked too much already (F-98).
            if self.is_choked or self.connection.reading_paused:
                await self._turn.wait()
            else:
                self._take(await self._receive())
                self.drive()

    def _take(self, message: Message) -> None:
        now = self.now()
        if message["type"] == "websocket.receive":
            text = message.get("text")
            if text is not None:
                self.connection.receive_text(text, now=now)
            else:
                self.connection.receive_binary(message.get("bytes") or b"", now=now)
        elif message["type"] == "websocket.disconnect":
            self._is_over = True
            self.connection.receive_close(message.get("code"), message.get("reason") or "", now=now)

    async def _write(self) -> None:
        try:
            while True:
                if self._steps:
                    self._stuck_at = _after(self.connection.limits.ping_timeout)
                    self._ring_by(self._stuck_at)
                    await self._do(self._steps[0])
                    self._stuck_at = math.inf
                    self._unsent -= _size(self._steps.popleft())
                    self._wake()
                elif self.connection.transport_done:
                    break
                else:
                    await self._turn.wait()
        except Exception as error:  # noqa: BLE001 - servers raise whatever they like when the client has gone
            self.log(logging.INFO, f"nothing more can be sent: {error!r}")
            self._hear_end()
        if not self._is_over:  # it is all the same to us when the server notices
            self._scope.cancel()

    async def _do(self, step: Step) -> None:
        match step:
            case str():
                await self._send({"type": "websocket.send", "text": step})
            case Accept(subprotocol):
                await self._send({"type": "websocket.accept", "subprotocol": subprotocol})
            case Close(code, reason):
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
            case Refuse(status, headers, body) if self._can_deny:
                await respond(self._send, f"{DENIAL}.", status, headers, body)
            case Refuse():
                await self._send({"type": "websocket.close", "code": GOING_AWAY[0]})  # the server makes it a 403

    async def _keep_time(self) -> None:
        while not self.connection.transport_done:
            deadline = self.connection.next_timeout()
            self._rings_at = self._stuck_at if deadline is None else min(deadline, self._stuck_at)
            with anyio.CancelScope(deadline=self._rings_at) as self._alarm:
                await anyio.sleep_forever()
            if self._stuck_at <= self.now():
                # Who does not read, not even what the server keeps for it, counts as lost (F-07).
                self.log(logging.INFO, "nothing more can be sent: it takes too long")
                self._hear_end()
                self._scope.cancel()
            else:
                self.connection.handle_timeout(now=self.now())
                self.drive()

    @property
    def is_choked(self) -> bool:
        return self._unsent > self.connection.limits.max_unsent

    def _hear_end(self) -> None:
        self.connection.receive_eof(now=self.now())
        self.drive()

    def is_fault(self, error: BaseException) -> bool:
        return super().is_fault(error) and not is_stop(error)

    def spawn(self, work: Coroutine[Any, Any, None]) -> Callable[[], object]:
        scope = anyio.CancelScope()

        async def run() -> None:
            try:
                with scope:
                    await work
            except Exception:  # noqa: BLE001 - as above
                self.log(logging.ERROR, "the connection failed", exc_info=True)
                self._scope.cancel()

        self._tasks.start_soon(run)
        return scope.cancel


def _size(step: Step) -> int:
    return len(step) if isinstance(step, str) else 0


def _after(seconds: float | None) -> float:
    return math.inf if seconds is None else anyio.current_time() + seconds


async def respond(send: Send, kind: str, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
    """Send an HTTP response, of the WebSocket's refusal or of a plain request."""
    fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": f"{kind}start", "status": int(status), "headers": fields})
    await send({"type": f"{kind}body", "body": body})
