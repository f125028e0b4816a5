"""What every adapter shows of a connection and of a server, and what it needs to open one."""

from __future__ import annotations

import errno
import secrets
import socket
from collections.abc import Callable, Iterable, Mapping
from ssl import SSLContext
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar, Unpack

import attrs

from ocpp_sansio import (
    ChargePointConnection,
    ChargePointHandlers,
    ConnectionClosed,
    ConnectionOptions,
    ConnectionRefused,
    Direction,
    LocalProtocolError,
    OcppError,
    Version,
    numbered_ids,
)
from ocpp_sansio.handlers import Handlers
from ocpp_sansio.session import Tap

from ._dispatcher import Dispatcher
from ._logging import fields, logger
from .tls import client_context

if TYPE_CHECKING:
    from ._roles import Runner

__all__ = [
    "ACCEPT_PAUSE",
    "BACKLOG",
    "EXHAUSTED",
    "HandshakeFailed",
    "Listening",
    "Peer",
    "Place",
    "Playing",
    "Socket",
    "charge_point_connection",
    "fenced",
    "fresh_ids",
    "handlers_or_default",
    "require_context",
    "tls_for",
]

ACCEPT_PAUSE: Final = 0.1
"""Seconds without accepting when the system has run out of something (F-13)."""
BACKLOG: Final = 1024
"""Connections that wait to be accepted, as far as the system allows: after a power cut all stations come at once."""
EXHAUSTED: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class HandshakeFailed(OcppError):
    """The other end was reached, but no OCPP connection came of it."""

    def __init__(self, refusal: ConnectionRefused) -> None:
        super().__init__(refusal.status, refusal.reason)
        self.refusal: ConnectionRefused = refusal
        self.status: int | None = refusal.status
        """The HTTP status: 401 for wrong credentials, 404 for an unknown identity…; ``None``: it never came to one."""
        self.reason: str = refusal.reason
        self.headers: Mapping[str, str] = refusal.headers
        """The response's header fields, names in lower case."""
        self.body: str = refusal.body
        """The start of the response's body."""

    def __str__(self) -> str:
        return self.reason if self.status is None else f"HTTP {self.status}: {self.reason}"


def fresh_ids() -> Callable[[], str]:
    """Message ids that no other connection has used (RPC-041): 88 random bits and a counter."""
    return numbered_ids(secrets.token_hex(11) + "-")


def fenced(tap: Tap, identity: Callable[[], str]) -> Tap:
    """The same, but what it raises is logged, the first time, and not the end of its connection (F-14)."""
    has_failed = False

    def tell(direction: Direction, text: str, at: float) -> None:
        nonlocal has_failed
        try:
            tap(direction, text, at)
        except Exception:  # noqa: BLE001 - whatever it is
            if not has_failed:
                has_failed = True
                who = identity()
                logger.error(
                    "%r: the tap failed; if it does again, that is not logged", who, exc_info=True, extra=fields(who)
                )

    return tell


def charge_point_connection(
    url: str, identity: str, *, now: float, **options: Unpack[ConnectionOptions]
) -> ChargePointConnection:
    """The connection of a charge point that is about to connect.

    Raises:
        ValueError: see :class:`ChargePointConnection`.
    """
    tap = options.get("tap")
    if tap is not None:
        options["tap"] = fenced(tap, lambda: identity)
    return ChargePointConnection(url, identity, now=now, message_ids=fresh_ids(), **options)


def handlers_or_default(handlers: Handlers | None) -> ChargePointHandlers:
    """What a charge point does about requests; without, none is supported.

    Raises:
        TypeError: these are the handlers of somebody else.
    """
    if handlers is None:
        return ChargePointHandlers()
    if not isinstance(handlers, ChargePointHandlers):
        raise TypeError(f"a charge point has ChargePointHandlers, not a {type(handlers).__name__}")
    return handlers


def require_context(context: object) -> None:
    """Find out at once that there will be no TLS.

    Raises:
        TypeError: what is to make it is no :class:`ssl.SSLContext`, say a path.
    """
    if not isinstance(context, SSLContext | None):
        raise TypeError(f"ssl is an SSLContext, see ocpp_transports.tls.server_context, not {context!r}")


@attrs.frozen
class Place:
    """Where a server listens."""

    host: str | None
    port: int
    backlog: int
    sock: socket.socket | None
    """One that listens already, instead."""


def tls_for(connection: ChargePointConnection, context: SSLContext | None) -> SSLContext | None:
    """The TLS of a client is what its URL says: never plain text where TLS was meant (F-19)."""
    require_context(context)
    if connection.secure:
        return context or client_context()
    if context is not None:
        raise ValueError("there is an SSLContext, but the URL is not wss://")
    return None


D = TypeVar("D", bound=Dispatcher[Any, Any, Any])
N = TypeVar("N", bound="Runner")
T = TypeVar("T")


class Peer(Generic[D]):
    """The other end of a connection. Each adapter adds what waits: ``call``, ``close``, ``wait_closed``."""

    def __init__(self, driver: D) -> None:
        self._driver = driver
        driver.peer = self

    @property
    def identity(self) -> str:
        """The identity of the charge point."""
        return self._driver.identity

    @property
    def version(self) -> Version:
        """The version that is spoken.

        Raises:
            LocalProtocolError: the connection is not open yet.
        """
        version: Version | None = self._driver.connection.version
        if version is None:
            raise LocalProtocolError("the version is known once the connection is open")
        return version

    @property
    def closed(self) -> ConnectionClosed | ConnectionRefused | None:
        """How the connection ended; ``None`` while it lasts."""
        return self._driver.end

    def close_soon(self, code: int = 1000, reason: str = "") -> None:
        """Start to close the connection, and do not wait for it."""
        self._driver.begin_close(code, reason)

    def ask_for_life(self, tell: Callable[[bool], None]) -> None:
        """Find out whether the other end is there: ``tell(True)`` as soon as something is heard of it.

        ``tell(False)`` if nothing is within ``Limits.probe_timeout``, and the connection is over. It is called where
        the connection is run, at once or later, and has to return at once.
        """
        self._driver.ask_for_life(tell)

    def give_way(self) -> None:
        """For adapters: close the connection because its charge point has opened another one."""
        driver: Any = self._driver
        driver.give_way()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.identity!r}>"


class Socket(Protocol):
    """Whatever an event loop takes for a socket."""

    def getsockname(self) -> Any: ...
    def getpeername(self) -> Any: ...


class Playing(Generic[N]):
    """What runs the role that a central system plays, if it plays one."""

    def __init__(self, runner: N | None) -> None:
        self._running = runner

    def do(self, verb: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Tell the role something, with the time: ``server.do(role.set_clock, utc)``. Returns what the verb returns.

        Raises:
            LocalProtocolError, ValueError: the verb is misused, or no role is played. Nothing has changed.
        """
        return self._runner.do(verb, *args, **kwargs)

    @property
    def _runner(self) -> N:
        if self._running is None:
            raise LocalProtocolError("this central system plays no role")
        return self._running


class Listening(Playing[N]):
    """Where a server listens, and what runs the role that its central system plays. Each adapter adds ``close``."""

    def __init__(self, sockets: Iterable[Socket], runner: N | None) -> None:
        super().__init__(runner)
        self.addresses: Final[list[tuple[str, int]]] = [each.getsockname()[:2] for each in sockets]
        """Hosts and ports."""

    @property
    def port(self) -> int:
        """The port; of several, the first."""
        return self.addresses[0][1]
