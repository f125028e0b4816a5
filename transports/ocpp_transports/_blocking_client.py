"""A charge point's connection over a blocking socket, from the name of its central system to the end."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from ssl import SSLContext
from typing import TypeVar

from ocpp_sansio import ChargePointConnection, ConnectionRefused, FromChargePoint, Response, SendFromChargePoint
from ocpp_sansio.handlers import Handlers

from ._blocking import BlockingPeer, Driver
from ._dispatcher import Attendant
from ._endings import NORMAL
from ._shared import HandshakeFailed
from .observing import Observer

__all__ = ["RemoteCentralSystem", "connected"]

R = TypeVar("R", bound=Response)


class RemoteCentralSystem(BlockingPeer[Driver[ChargePointConnection, Handlers]]):
    """The central system, as a charge point that is connected to it sees it.

    Nothing is read, and no ping answered, while no thread is in one of its methods: an idle charge point belongs
    into ``run_for`` or ``wait_closed``.
    """

    def call(self, request: FromChargePoint[R], *, timeout: float | None = None, expires_in: float | None = None) -> R:
        """Ask the central system and wait for its response. Calls are sent one at a time, in order (RPC-050).

        ``timeout`` is in seconds from when the call is sent; ``None`` stands for ``Limits.call_timeout``. With
        ``expires_in`` it is not sent when so many seconds have passed: it takes no longer than both together.

        Raises:
            CallFailure: there is no usable answer; the subclass says why: ConnectionLost as well where the connection
                was closing, or gone, before.
            LocalProtocolError: the request is not valid. Nothing was sent.
            ValueError: a number of seconds is not positive.
        """
        return self._driver.ask(request, timeout, expires_in)

    def send(self, message: SendFromChargePoint) -> None:
        """Tell the central system something, at once (RPC-056). It never answers, so there is nothing to wait for.

        Raises:
            QueueFull: the central system does not read: more than ``Limits.max_unsent`` is waiting for it.
            LocalProtocolError: the message is not valid, or the connection is not open. Nothing was sent.
        """
        driver = self._driver
        driver.tell(lambda: driver.connection.send(message, now=driver.now()))


@contextmanager
def connected(
    connection: ChargePointConnection,
    identity: str,
    handlers: Handlers,
    tls: SSLContext | None,
    runner: Attendant | None = None,
    observer: Observer | None = None,
) -> Generator[RemoteCentralSystem, None, None]:
    """Connect, and close at the end of the block."""
    stream = _open_stream(connection, tls)
    try:
        driver = Driver[ChargePointConnection, Handlers](connection, handlers, stream, connection.limits, identity)
    except BaseException:
        stream.close()
        raise
    driver.runner, driver.observer = runner, observer
    central_system = RemoteCentralSystem(driver)
    try:
        driver.run(driver.decided.is_set)
        if isinstance(driver.end, ConnectionRefused):
            raise HandshakeFailed(driver.end)
        yield central_system
    finally:
        try:
            central_system.close(*NORMAL)
        finally:
            if not driver.lost.is_set():  # Ctrl-C has cut the closing handshake short
                driver.post(driver.abort)
                driver.run(driver.lost.is_set)


def _open_stream(connection: ChargePointConnection, tls: SSLContext | None) -> socket.socket:
    """Connect, with TLS if there is to be any, within ``Limits.handshake_timeout`` from when the name is known."""
    found = socket.getaddrinfo(connection.host, connection.port, type=socket.SOCK_STREAM)
    timeout = connection.limits.handshake_timeout
    until = math.inf if timeout is None else time.monotonic() + timeout
    with ExitStack() as cleanup:
        while True:
            (family, kind, protocol, _, address), *others = found
            stream = socket.socket(family, kind, protocol)
            cleanup.callback(stream.close)
            try:
                stream.settimeout(_share(until, 1 + len(others)))
                stream.connect(address)
            except OSError:
                stream.close()
                if not others:
                    raise
                found = others
            else:
                break
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.settimeout(_share(until, 1))
        if tls is not None:
            stream = tls.wrap_socket(stream, server_hostname=connection.host)
        cleanup.pop_all()
    return stream


def _share(until: float, among: int) -> float | None:
    """The seconds that the first of so many has until then.

    Raises:
        TimeoutError: there are none left.
    """
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return None if left == math.inf else left / among
