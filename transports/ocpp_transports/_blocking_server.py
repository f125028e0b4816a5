"""A central system that is served over blocking sockets: a thread that accepts, and one for each charge point."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from ssl import SSLContext
from typing import TypeVar, cast

from ocpp_sansio import (
    ConnectionRequested,
    FromCentralSystem,
    Response,
)

from ._blocking import BlockingPeer, Selector, ServerDriver, StationsThread, socket_facts
from ._dispatcher import Waiter
from ._endings import GOING_AWAY, SERVICE_RESTART, Leave
from ._logging import logger
from ._served import Service, served, source_of
from ._shared import ACCEPT_PAUSE, EXHAUSTED, Listening

__all__ = ["Server", "Station"]

R = TypeVar("R", bound=Response)


class Station(BlockingPeer[ServerDriver]):
    """A charge point that is connected to this central system."""

    @property
    def request(self) -> ConnectionRequested:
        """What it has asked to connect with: from where, its header fields, its certificate."""
        return self._driver.request

    def call(
        self, request: FromCentralSystem[R], *, timeout: float | None = None, expires_in: float | None = None
    ) -> R:
        """Ask the charge point and wait for its response, from any thread; see :meth:`RemoteCentralSystem.call`."""
        return self._driver.ask(request, timeout, expires_in)


class Server(Listening[StationsThread]):
    """A central system that is being served."""

    def __init__(self, service: Service[Station], listeners: list[socket.socket], tls: SSLContext | None) -> None:
        super().__init__(listeners, cast("StationsThread | None", service.runner))
        self._service = service
        self._csms = service.csms
        self._listeners = listeners
        self._tls = tls
        self._threads: dict[threading.Thread, ServerDriver] = {}
        self._closing = threading.Event()
        self._is_accepting = True
        self._wakeup, self._waker = socket.socketpair()
        self._acceptor = threading.Thread(target=self._accept, name="ocpp-accept", daemon=True)
        try:
            self._acceptor.start()
        except BaseException:
            self._wakeup.close()
            self._waker.close()
            raise

    @property
    def stations(self) -> Mapping[str, Station]:
        """The stations that are connected now, by identity: those of the central system, see its ``stations``."""
        return self._csms.stations

    def call(
        self,
        identity: str,
        request: FromCentralSystem[R],
        *,
        timeout: float | None = None,
        expires_in: float | None = None,
    ) -> R:
        """Have the role ask a station, and wait for the response, in any thread but that of the role.

        For a central system that plays a role. ``timeout`` is in seconds from when the call is sent; ``None`` stands
        for ``Limits.call_timeout``. With ``expires_in`` the command waits for so many seconds until it can be sent;
        without, the station has to be connected.

        Raises:
            CallFailure: there is no usable answer; the subclass says why.
            LocalProtocolError: the station must not be asked this now, or too much is waiting, or this is the thread
                of the role. Nothing was sent.
        """
        runner = self._runner
        runner.refuse_to_wait_here()
        waiter: Waiter[R, threading.Event] = runner.do(
            runner.ask, identity, request, timeout=timeout, expires_in=expires_in
        )
        waiter.flag.wait()
        return waiter.result()

    def close(self) -> None:
        """Accept no more, close every connection with 1001, and let running handlers come to their end.

        What is not done after ``Limits.close_timeout`` is cut off, except for handlers: a thread cannot be stopped.
        """
        self._closing.set()
        self._stop_accepting()
        patience = self._csms.limits.close_timeout
        for driver in self._threads.copy().values():
            driver.begin_close(*GOING_AWAY)
        self._join(patience)
        for driver in self._threads.copy().values():
            driver.post(driver.abort)
        self._join(patience)
        for driver in self._threads.copy().values():
            driver.log(logging.WARNING, "a handler is still running")

    def drain(self, *, over: float, code: int = SERVICE_RESTART, patience: float | None = None) -> None:
        """Accept no more, and close the connections spread evenly over so many seconds, so that stations do not come
        back all at once (F-120, F-138); then :meth:`close`, which cuts it short from another thread.

        The listening sockets are closed, so that a load balancer, or the next process, has the new connections. Who has
        connected but not asked to be let in yet is refused with 503, and ``Retry-After`` so many seconds. A connection
        is closed as soon as no CALL is under way on it, and no handler.

        ``code`` is 1012, 1001 or 1013 (RPC-017). ``patience`` is how many seconds after the last one's turn calls may
        still be under way; ``None`` stands for ``Limits.close_timeout``.

        Raises:
            ValueError: the seconds are negative, or the code is another one.
        """
        leave = Leave(over, code)
        self._stop_accepting()
        began = time.monotonic()
        for instant, driver in leave.schedule(self._drivers()):
            if not driver.lost.is_set():
                if self._closing.wait(max(began + instant - time.monotonic(), 0.0)):
                    return
                driver.leave(leave)
        self._join(self._csms.limits.close_timeout if patience is None else patience)
        for driver in self._drivers():
            driver.begin_close(code, leave.reason)
        self.close()

    def _drivers(self) -> list[ServerDriver]:
        return list(self._threads.copy().values())

    def _stop_accepting(self) -> None:
        self._is_accepting = False
        self._waker.close()  # which the acceptor takes for something to read
        self._acceptor.join()

    def _join(self, patience: float | None) -> None:
        until = None if patience is None else time.monotonic() + patience
        for thread in self._threads.copy().keys() - {threading.current_thread()}:
            thread.join(None if until is None else max(until - time.monotonic(), 0))

    def _accept(self) -> None:
        with Selector() as selector, ExitStack() as sockets:
            for each in (*self._listeners, self._wakeup):
                sockets.enter_context(each).setblocking(False)
                selector.register(each, selectors.EVENT_READ)
            while self._is_accepting:
                ready = {key.fd for key, _ in selector.select()}
                for listener in self._listeners:
                    if listener.fileno() in ready:
                        self._accept_one(listener)

    def _accept_one(self, listener: socket.socket) -> None:
        try:
            self._welcome(*listener.accept())
        except (OSError, RuntimeError, MemoryError) as error:
            # A client that has left already is no reason to pause; that there are no descriptors or threads is (F-13).
            if not isinstance(error, OSError) or error.errno in EXHAUSTED:
                logger.error("cannot accept: %s", error)
                time.sleep(ACCEPT_PAUSE)

    def _welcome(self, stream: socket.socket, address: object) -> None:
        """Give a client that has just connected its driver and its thread."""
        station: Station
        try:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                # The handshake comes with the first byte, and within the deadline for the first byte.
                stream = self._tls.wrap_socket(stream, server_side=True, do_handshake_on_connect=False)
            connection = served(self._service, time.monotonic(), lambda: station, partial(socket_facts, stream))
            driver = ServerDriver(connection, self._csms, stream, self._csms.limits)
            driver.runner, driver.observer = self._service.runner, self._service.observer
            driver.others = self._drivers
            driver.source = source_of(address)
            station = Station(driver)
            thread = threading.Thread(target=self._converse, args=[driver], name="ocpp-station", daemon=True)
            self._threads[thread] = driver
            try:
                thread.start()
            except BaseException:
                del self._threads[thread]
                driver.abort()
                raise
        except BaseException:
            stream.close()
            raise

    def _converse(self, driver: ServerDriver) -> None:
        try:
            driver.run(driver.lost.is_set)
        except BaseException:  # noqa: BLE001 - whatever it is, it is the end of this connection only (F-14)
            driver.log(logging.ERROR, "the connection failed", exc_info=True)
        finally:
            del self._threads[threading.current_thread()]
