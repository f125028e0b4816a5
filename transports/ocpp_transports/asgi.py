"""OCPP under an ASGI server: a central system as an ASGI 3 application, by itself or mounted in one of yours.

``asgi(csms)`` is the application. The server speaks HTTP and WebSocket and keeps the limits that are its own (see
:mod:`ocpp_transports.asgi_servers`); this module carries texts between it and a connection, and wakes tasks; every
decision is the connection's. It runs under asyncio and under trio.

A handler is a plain function, called at once, or an ``async`` one, run in a task of its own: it may take its time and
call the peer meanwhile. When the connection breaks it has ``Limits.close_timeout`` to come to its end.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Mapping, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import anyio
from anyio.abc import TaskGroup

from ocpp_sansio import CentralSystem, CertificateFacts, HostedConnection, LocalProtocolError, TransportFacts
from ocpp_sansio.hosted import Accept, Close, Refuse, Step

from ._anyio import Flag, StationsRunner
from ._async import AsyncDispatcher, AsyncPlaying, Station, leave_over_time
from ._served import ServerDispatcher, Service, StationTap, connection_options, warn_if_open
from ._shared import GOING_AWAY, SERVICE_RESTART, Leave, logger
from .asgi_servers import inflates_within_bounds
from .observing import Observer

__all__ = ["Application", "Station", "asgi"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

DENIAL: Final = "websocket.http.response"
"""The extension of ASGI for servers that can refuse a WebSocket with any HTTP response."""


def asgi(
    csms: CentralSystem,
    *,
    tap: StationTap[Station] | None = None,
    observer: Observer | None = None,
    allow_compression: bool = False,
) -> Application:
    """Make an ASGI application of a central system.

    Args:
        csms: The application object, with its handlers and limits.
        tap: Called with every message that comes or goes, and its station.
        observer: Told of what happens on each connection, see :mod:`ocpp_transports.observing`.
        allow_compression: Whether to serve stations that offer permessage-deflate where it is not known that the
            server bounds what it inflates. Otherwise they are refused there.
    """
    return Application(Service(csms, tap, observer), allow_compression=allow_compression)


class Application(AsyncPlaying):
    """An ASGI application: connections of charge points at any path, whose last segment is the identity (RPC-002).

    While the server has no lifespan for it, as under a mount, it serves all the same: enter :meth:`lifespan` from
    your own to have the stations closed in good order, and the role run that the central system plays.
    """

    def __init__(self, service: Service[Station], *, allow_compression: bool) -> None:
        super().__init__(None)
        self._service = service
        self._csms = service.csms
        self._allow_compression = allow_compression
        self._drivers: set[_Driver] = set()
        self._has_warned = False
        self._leave: Leave | None = None
        """What is told whoever connects, while there is to be nobody any more."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, one request or one lifespan.

        Raises:
            NotImplementedError: it is something else; so ASGI wants it.
            LocalProtocolError: the central system plays a role, and no lifespan runs it.
        """
        if not self._has_warned:
            self._has_warned = True
            warn_if_open(self._csms)
        match scope["type"]:
            case "websocket":
                await self._serve(scope, receive, send)
            case "http":
                await _send_away(send)
            case "lifespan":
                await self._live(receive, send)
            case other:
                raise NotImplementedError(f"ASGI's {other!r} is not served here")

    @asynccontextmanager
    async def lifespan(self, _: object = None) -> AsyncGenerator[None]:
        """Run what outlives connections, and close them at its end: ``FastAPI(lifespan=ocpp.lifespan)``."""
        async with AsyncExitStack() as cleanup:
            if self._csms.part is not None:
                runner = self._running = StationsRunner(self._csms.part, self._csms.limits)
                await cleanup.enter_async_context(runner.running())
            try:
                yield
            finally:
                await self.close()
                self._running = None

    async def close(self) -> None:
        """Close every connection with 1001, and wait until they are gone: a few times ``Limits.close_timeout``."""
        before, self._leave = self._leave, self._leave or Leave(0.0, *GOING_AWAY)
        with anyio.CancelScope(shield=True):
            for driver in list(self._drivers):
                driver.begin_close(*GOING_AWAY)
            while self._drivers:
                await next(iter(self._drivers)).gone.wait()
        self._leave = before

    async def drain(self, *, over: float, code: int = SERVICE_RESTART, patience: float | None = None) -> None:
        """Let nobody in any more, and close the connections spread evenly over so many seconds, so that stations do
        not come back all at once (F-120, F-138).

        The server goes on to accept, so everybody new is refused with 503, and ``Retry-After`` so many seconds, from
        now on. Servers close what there is at once when they are told to stop: drain first, from an endpoint or from
        what is run before that. A connection is closed as soon as no CALL is under way on it, and no handler.

        ``code`` is 1012, 1001 or 1013 (RPC-017). ``patience`` is how many seconds after the last one's turn calls may
        still be under way; ``None`` stands for ``Limits.close_timeout``.

        Raises:
            ValueError: the seconds are negative, or the code is another one.
        """
        self._leave = Leave(over, code)
        patience = self._csms.limits.close_timeout if patience is None else patience
        await leave_over_time(self._leave, lambda: self._drivers, _Pace(), patience)
        await self.close()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        stage = "startup"
        try:
            async with self.lifespan():
                await send({"type": "lifespan.startup.complete"})
                await receive()
                stage = "shutdown"
        except Exception as error:  # noqa: BLE001 - whatever it is, the server is told
            logger.exception("the %s failed", stage)
            await send({"type": f"lifespan.{stage}.failed", "message": str(error)})
        else:
            await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._csms.part is not None and self._running is None:
            raise LocalProtocolError(
                "a role is run by the lifespan: enter Application.lifespan from that of the server"
            )
        headers = [(_text(name), _text(value)) for name, value in scope.get("headers") or ()]
        station: Station
        connection = HostedConnection(
            _target(scope),
            headers,
            scope.get("subprotocols") or (),
            now=anyio.current_time(),
            facts=_facts(scope),
            compression=self._allow_compression or inflates_within_bounds(),
            **connection_options(self._service, lambda: station),
        )
        driver = _Driver(connection, self._csms, scope, receive, send)
        driver.runner, driver.observer = self._running, self._service.observer
        station = Station(driver)
        if self._leave is not None:
            driver.leave(self._leave)
        self._drivers.add(driver)
        try:
            await driver.run()
        finally:
            self._drivers.discard(driver)
            driver.gone.set()


class _Pace:
    """Keeps time under either event loop."""

    def now(self) -> float:
        return anyio.current_time()

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    @asynccontextmanager
    async def beside(self, work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncGenerator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()


class _Driver(ServerDispatcher[HostedConnection, Flag], AsyncDispatcher[HostedConnection, CentralSystem, Flag]):
    """Three tasks, one that receives, one that sends, one that keeps the time; each is followed by ``drive``."""

    new_flag = Flag
    now = staticmethod(anyio.current_time)

    def __init__(
        self, connection: HostedConnection, csms: CentralSystem, scope: Scope, receive: Receive, send: Send
    ) -> None:
        super().__init__(connection, csms)
        self._receive = receive
        self._send = send
        self._can_deny = DENIAL in _extensions(scope)
        self.gone = Flag()
        """Set when all of it is over, the handlers as well."""
        self._tasks: TaskGroup = anyio.create_task_group()
        """The handlers'."""
        self._scope = anyio.CancelScope()
        self._alarm = anyio.CancelScope()
        self._rings_at = math.inf
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
        elif deadline is not None and deadline < self._rings_at:
            # One that has moved away is left to ring once for nothing: cheaper than a new timer for every message.
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
                    # Who does not read, not even what the server keeps for it, counts as lost (F-07).
                    with anyio.fail_after(self.connection.limits.ping_timeout):
                        await self._do(self._steps[0])
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
                await _respond(self._send, f"{DENIAL}.", status, headers, body)
            case Refuse():
                await self._send({"type": "websocket.close", "code": GOING_AWAY[0]})  # the server makes it a 403

    async def _keep_time(self) -> None:
        while not self.connection.transport_done:
            deadline = self.connection.next_timeout()
            self._rings_at = math.inf if deadline is None else deadline
            with anyio.CancelScope(deadline=self._rings_at) as self._alarm:
                await anyio.sleep_forever()
            self.connection.handle_timeout(now=self.now())
            self.drive()

    @property
    def is_choked(self) -> bool:
        return self._unsent > self.connection.limits.max_unsent

    def _hear_end(self) -> None:
        self.connection.receive_eof(now=self.now())
        self.drive()

    def is_fault(self, error: BaseException) -> bool:
        if isinstance(error, anyio.get_cancelled_exc_class()):
            # It is one if nobody has asked for it: who raised it ran into that of something it waited for.
            return not anyio.get_current_task().has_pending_cancellation()
        return super().is_fault(error)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        async def run() -> None:
            try:
                await work
            except Exception:  # noqa: BLE001 - as above
                self.log(logging.ERROR, "the connection failed", exc_info=True)
                self._scope.cancel()

        self._tasks.start_soon(run)


# -- what the scope says --


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _target(scope: Scope) -> str:
    """The request target as it came, as far as the server tells: without ``raw_path`` it is known but decoded."""
    raw = scope.get("raw_path")
    path = _text(raw) if raw else quote(scope.get("path") or "")
    query = _text(scope.get("query_string") or b"")
    return f"{path}?{query}" if query else path


def _extensions(scope: Scope) -> Mapping[str, Any]:
    return scope.get("extensions") or {}


def _facts(scope: Scope) -> TransportFacts:
    client = scope.get("client")
    tls: Mapping[str, Any] = _extensions(scope).get("tls") or {}
    name = tls.get("client_cert_name")
    return TransportFacts(
        source=str(client[0]) if client else "",
        secure=scope.get("scheme") in {"wss", "https"},
        certificate=CertificateFacts.of_name(name) if name and not tls.get("client_cert_error") else None,
    )


def _size(step: Step) -> int:
    return len(step) if isinstance(step, str) else 0


def _after(seconds: float | None) -> float:
    return math.inf if seconds is None else anyio.current_time() + seconds


# -- plain HTTP --


async def _send_away(send: Send) -> None:
    body = b"this is a WebSocket server"
    fields = [("Upgrade", "websocket"), ("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    await _respond(send, "http.response.", HTTPStatus.UPGRADE_REQUIRED, fields, body)


async def _respond(send: Send, kind: str, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
    fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": f"{kind}start", "status": int(status), "headers": fields})
    await send({"type": f"{kind}body", "body": body})
