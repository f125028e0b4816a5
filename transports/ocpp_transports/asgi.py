"""OCPP under an ASGI server: a central system as an ASGI 3 application, by itself or mounted in one of yours.

``asgi(csms)`` is the application. The server speaks HTTP and WebSocket and keeps the limits that are its own (see
:mod:`ocpp_transports.asgi_servers`); every decision above that is the connection's. It runs under asyncio and
under trio.

A handler is a plain function, called at once, or an ``async`` one, run in a task of its own: it may take its time and
call the peer meanwhile. When the connection breaks it has ``Limits.close_timeout`` to come to its end.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from http import HTTPStatus
from threading import get_ident
from typing import Any
from urllib.parse import quote

import anyio

from ocpp_sansio import CentralSystem, CertificateFacts, HostedConnection, LocalProtocolError, Takeover, TransportFacts

from ._adapter import leave_over_time
from ._anyio import Pace, StationsRunner
from ._async import AsyncPlaying, Station
from ._endings import GOING_AWAY, SERVICE_RESTART, Leave
from ._hosted import DENIAL, HostedDriver, Receive, Send, respond
from ._logging import logger
from ._roles import CallExpired
from ._served import Service, StationTap, connection_options, warn_if_open
from .asgi_servers import inflates_within_bounds
from .observing import Observer

__all__ = ["Application", "CallExpired", "Station", "asgi"]

Scope = MutableMapping[str, Any]


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

    Raises:
        ValueError: a station is to be probed when it asks for a second connection (``takeover``). No ping can be sent
            through ASGI, and one that has nothing to say would be taken for dead.
    """
    if csms.takeover in {Takeover.PROBE, Takeover.PROBE_UNPROVEN}:
        raise ValueError(f"no ping can be sent through ASGI, so there is no {csms.takeover}")
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
        self._drivers: set[HostedDriver] = set()
        self._has_warned = False
        self._home: int | None = None
        """The thread in which a lifespan says for all connections that it is served there."""
        self._leave: Leave | None = None
        """What is told whoever connects, while there is to be nobody any more."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, one request or one lifespan.

        Raises:
            NotImplementedError: it is something else; so ASGI wants it.
            LocalProtocolError: the central system plays a role, and no lifespan runs it; or it is being served in
                another event loop, or in threads.
        """
        if not self._has_warned:
            self._has_warned = True
            warn_if_open(self._csms)
        match scope["type"]:
            case "websocket":
                with nullcontext() if self._home == get_ident() else self._csms.served_in(get_ident()):
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
            cleanup.enter_context(self._csms.served_in(get_ident()))
            if self._csms.part is not None:
                runner = self._running = StationsRunner(self._csms.part, self._csms.limits)
                await cleanup.enter_async_context(runner.running())
            self._home = get_ident()
            try:
                yield
            finally:
                await self.close()
                self._home = self._running = None

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
        await leave_over_time(self._leave, lambda: self._drivers, Pace(), patience)
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
        facts = _facts(scope)
        headers = [(_text(name), _text(value)) for name, value in scope.get("headers") or ()]
        station: Station
        connection = HostedConnection(
            _target(scope),
            headers,
            scope.get("subprotocols") or (),
            now=anyio.current_time(),
            facts=facts,
            compression=self._allow_compression or inflates_within_bounds(),
            **connection_options(self._service, lambda: station),
        )
        driver = HostedDriver(connection, self._csms, receive, send, can_deny=DENIAL in _extensions(scope))
        driver.runner, driver.observer, driver.source = self._running, self._service.observer, facts.source
        station = Station(driver)
        if self._leave is not None:
            driver.leave(self._leave)
        self._drivers.add(driver)
        try:
            await driver.run()
        finally:
            self._drivers.discard(driver)
            driver.gone.set()


# -- what the scope says --


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _target(scope: Scope) -> str:
    """The request target as it came, as far as the server tells: without ``raw_path`` it is known but decoded."""
    raw = scope.get("raw_path")
    path = _text(raw) if raw else quote(scope.get("path") or "", errors="surrogatepass")
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


# -- plain HTTP --


async def _send_away(send: Send) -> None:
    body = b"this is a WebSocket server"
    fields = [("Upgrade", "websocket"), ("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    await respond(send, "http.response.", HTTPStatus.UPGRADE_REQUIRED, fields, body)
