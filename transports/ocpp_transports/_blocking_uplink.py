"""What keeps a charge point connected where there is no event loop: a thread, and the calls of all others that wait.

Knows threads, and the verbs of a connection that blocks; it must not know sockets.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from contextvars import copy_context
from functools import partial
from typing import Any, Protocol, TypeAlias, TypeVar

from ocpp_sansio import (
    ConnectionClosed,
    ConnectionRefused,
    FromChargePoint,
    Limits,
    LocalProtocolError,
    Response,
    SendFromChargePoint,
)
from ocpp_sansio.dialer import Cause
from ocpp_sansio.handlers import Handlers

from ._blocking import complete
from ._dispatcher import Attendant
from ._endings import NORMAL
from ._uplink import Keeper, OnConnected, UplinkState

__all__ = ["LinkThread", "Uplink"]

R = TypeVar("R", bound=Response)
T = TypeVar("T")


class ConnectedPeer(Protocol):
    """The central system, on one connection."""

    @property
    def closed(self) -> ConnectionClosed | ConnectionRefused | None: ...
    def close_soon(self, code: int, reason: str) -> None: ...
    def wait_closed(self) -> object: ...


Connected: TypeAlias = Callable[..., AbstractContextManager[ConnectedPeer]]
"""Connects, and closes at the end of the block."""


class Uplink(UplinkState[threading.Event]):
    """The central system, as a charge point sees it that is kept connected to it. Any thread may call."""

    new_flag = threading.Event

    def __init__(
        self, keeper: Keeper, limits: Limits | None, *, reports: bool, on_connected: OnConnected | None = None
    ) -> None:
        super().__init__(keeper, limits, reports=reports, on_connected=on_connected, lock=threading.RLock())
        self._commands: deque[Callable[[], None]] = deque()

    def call(self, request: FromChargePoint[R], *, timeout: float | None = None, expires_in: float | None = None) -> R:
        """Ask the central system and wait for its response, which may take until there is a connection.

        Calls are sent one at a time, in order (RPC-050). One that has been sent when the connection is lost fails with
        ConnectionLost: the central system may have acted on it. All others wait for the next connection (RPC-131).

        ``timeout`` is in seconds from when the call is sent; ``None`` stands for ``Limits.call_timeout``. With
        ``expires_in`` it is not sent when so many seconds have passed.

        Raises:
            CallFailure: there is no usable answer; the subclass says why: QueueFull where ``Limits.max_queued_calls``
                are waiting, ConnectionLost where the block has ended.
            LocalProtocolError: the request is not valid, or this is a handler, which runs the connection: it calls the
                central system that it is given. Nothing was sent.
        """
        waiter = self._do(partial(self.begin, request, timeout, expires_in, copy_context()))
        try:
            at = math.inf if expires_in is None else self.now() + expires_in
            if not waiter.flag.wait(min(at - self.now(), threading.TIMEOUT_MAX)):
                self._do(partial(self.expire, at))
                waiter.flag.wait()
        finally:
            if not waiter.flag.is_set():  # Ctrl-C: the call is given up, nothing else (F-11)
                self._do(partial(self.give_up, waiter))
        return waiter.result()

    def send(self, message: SendFromChargePoint) -> None:
        """Tell the central system something, at once (RPC-056). It never answers, so there is nothing to wait for.

        Raises:
            QueueFull: the central system does not read: more than ``Limits.max_unsent`` is waiting for it.
            SessionClosed: there is no connection. What nobody waits for is not kept.
            LocalProtocolError: the message is not valid. Nothing was sent.
        """
        self.tell(message)

    def wait_connected(self, timeout: float | None = None) -> bool:
        """Wait until there is a connection, for so many seconds at most. Returns whether there was one.

        Raises:
            SessionClosed: the block has ended.
        """
        came = self._up.wait(timeout)
        self.require_more()
        return came

    def link_down(self) -> None:
        """There is no connection."""
        with self._lock:
            super().link_down()
            self._obey()

    def _do(self, command: Callable[[], T]) -> T:
        """Have something done by the thread that runs the connection; while there is none, by this one."""
        outcome = Future[T]()

        def obey() -> None:
            try:
                outcome.set_result(command())
            except Exception as error:  # noqa: BLE001 - for the thread that asked
                outcome.set_exception(error)

        with self._lock:
            driver: Any = self._driver
            if driver is None:
                return command()
            if driver.is_run_here:
                raise LocalProtocolError("a handler runs the connection: it calls the central system that it is given")
            self._commands.append(obey)
            driver.post(self._obey)
        return outcome.result()

    def _obey(self) -> None:
        with self._lock:
            driver = self._driver
            while self._commands:
                self._commands.popleft()()
        if driver is not None:
            driver.drive()


class LinkThread:
    """Connects, again and again, and runs the connection."""

    def __init__(self, connected: Connected, keeper: Keeper, handlers: Handlers, attendant: Attendant) -> None:
        self._connected = connected
        self._keeper = keeper
        self._handlers = handlers
        self._attendant = attendant
        self._central_system: ConnectedPeer | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ocpp-link", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        keeper = self._keeper
        while not self._stopping.is_set():
            if not keeper.dial():
                self._stopping.wait(min(keeper.patience(), threading.TIMEOUT_MAX))
                continue
            cause: Cause | None = None
            try:
                connection, tls = keeper.open()
                with self._connected(
                    connection, keeper.identity, self._handlers, tls, self._attendant, keeper.observer
                ) as central_system:
                    self._central_system = central_system
                    keeper.connected()
                    if not self._stopping.is_set():  # else whoever stops it may have seen nothing to close
                        if keeper.greet is not None:
                            complete(keeper.greet(central_system))
                        central_system.wait_closed()
                cause = central_system.closed
            except Exception as error:  # noqa: BLE001 - it is the end of this connection only (F-14)
                cause = error
            assert cause is not None
            keeper.failed(cause)

    def stop(self) -> None:
        """Close the connection, and make no other."""
        self._stopping.set()
        if self._central_system is not None:
            self._central_system.close_soon(*NORMAL)
        self._thread.join()
