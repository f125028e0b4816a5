"""One connection over one transport of asyncio, and roles in turns of its event loop.

Knows transports, tasks and timers; who listens and who connects is :mod:`ocpp_transports.asyncio`'s.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

from ocpp_sansio import CentralSystem, CentralSystemConnection, Limits, TransportFacts
from ocpp_sansio.application import Part

from ._adapter import AsyncChargePointRunner, AsyncRunner, AsyncStationsRunner
from ._async import AsyncDispatcher, AsyncFlag
from ._dispatcher import C, H
from ._endings import NORMAL
from ._logging import logger
from ._served import ServerDispatcher, source_of, transport_facts

__all__ = ["ChargePointRunner", "Driver", "Flag", "Group", "ServerDriver", "StationsRunner"]


class Group:
    """The connections and the handlers' tasks that live under one ``connect`` or ``serve``, and end with it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.drivers: set[Driver[Any, Any]] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.closing = False

    async def close(self, code: int, reason: str) -> None:
        """Close every connection in good order; what is not done after ``Limits.close_timeout`` is cut off."""
        self.closing = True
        for driver in list(self.drivers):
            driver.begin_close(code, reason)
        try:
            async with asyncio.timeout(self.limits.close_timeout):
                await self._wait()
        except TimeoutError:
            pass
        finally:
            for driver in list(self.drivers):
                driver.abort()
            for task in self.tasks:
                task.cancel()
        for driver in list(self.drivers):
            await driver.lost.wait()
        if self.tasks:
            _, stubborn = await asyncio.wait(self.tasks, timeout=self.limits.close_timeout)
            if stubborn:
                logger.error("%d handlers do not let themselves be cancelled", len(stubborn))

    async def _wait(self) -> None:
        for driver in list(self.drivers):
            await driver.lost.wait()
        while self.tasks:
            await asyncio.wait(self.tasks)

    def spawn(self, work: Coroutine[Any, Any, None]) -> Callable[[], object]:
        """Run something in a task. Returns what cancels it."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)  # the loop itself keeps no hold of it
        task.add_done_callback(self.tasks.discard)
        return task.cancel


class Flag(AsyncFlag):
    __slots__ = ()

    new_event = asyncio.Event


class Driver(AsyncDispatcher[C, H, Flag], asyncio.Protocol):
    """What asyncio calls; each call is one mutation of the connection, and ``drive`` after it."""

    new_flag = Flag

    def __init__(self, connection: C, handlers: H, group: Group, identity: str = "") -> None:
        super().__init__(connection, handlers, identity)
        self._group = group
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = math.inf
        self._paused = False
        self._choked = False
        self._hung_up = False

    def drive(self) -> None:
        """After every mutation: act on all events, send, mind back-pressure, set the alarm."""
        self.react()
        connection, transport = self.connection, self._transport
        if transport is None:
            return
        if data := connection.data_to_send():
            transport.write(data)
        if connection.transport_done:
            self._hang_up(transport, linger=bool(data))
            return

        # Who does not read our answers asks no more (F-06), nor does who has asked too much already (F-98).
        pause = self._choked or connection.reading_paused
        if pause != self._paused:
            self._paused = pause
            (transport.pause_reading if pause else transport.resume_reading)()

        # A deadline that has moved away is left to ring once for nothing: cheaper than a new timer for every message.
        deadline = connection.next_timeout()
        if deadline is not None and deadline < self._rings_at:
            self._set_alarm(self._loop.call_at(deadline, self._ring))
            self._rings_at = deadline

    @property
    def is_choked(self) -> bool:
        return self._choked

    def _ring(self) -> None:
        self._rings_at = math.inf
        self.connection.handle_timeout(now=self.now())
        self.drive()

    def _set_alarm(self, timer: asyncio.TimerHandle | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer

    def _hang_up(self, transport: asyncio.Transport, *, linger: bool) -> None:
        """Close once all is sent and the peer has had its chance to read it: ``Limits.close_timeout`` (F-10)."""
        if self._hung_up or transport.is_closing():
            return
        self._hung_up = True
        if linger and transport.can_write_eof():
            # Only our half: to close on what has not been read yet would take our last words back from the peer.
            with suppress(OSError):
                transport.write_eof()
            transport.resume_reading()
        else:
            transport.close()
        patience = self._group.limits.close_timeout
        self._set_alarm(None if patience is None else self._loop.call_later(patience, transport.abort))

    def abort(self) -> None:
        """Close without sending anything more."""
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio.Protocol --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._group.limits.max_unsent)
        self._group.drivers.add(self)
        if self._group.closing:  # it was shaking hands for TLS when the server was closed
            self.abort()
        self.drive()

    def data_received(self, data: bytes) -> None:
        self.connection.receive_data(data, now=self.now())
        self.drive()

    def eof_received(self) -> None:
        self.connection.receive_eof(now=self.now())
        self.drive()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - all the same to a charge point
        self._transport = None
        self._set_alarm(None)
        self.connection.receive_eof(now=self.now())
        self.drive()
        self._group.drivers.discard(self)
        self.let_go()

    def pause_writing(self) -> None:
        self._choked = True
        self.drive()

    def resume_writing(self) -> None:
        self._choked = False
        self.drive()

    # -- tasks --

    def spawn(self, work: Coroutine[Any, Any, None]) -> Callable[[], object]:
        return self._group.spawn(work)

    def is_fault(self, error: BaseException) -> bool:
        return _is_unasked(error) if isinstance(error, asyncio.CancelledError) else super().is_fault(error)


class ServerDriver(ServerDispatcher[CentralSystemConnection, Flag], Driver[CentralSystemConnection, CentralSystem]):
    """The driver of a connection that is served."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.source = source_of(transport.get_extra_info("peername"))
        super().connection_made(transport)

    def facts(self) -> TransportFacts:
        """What the transport knows of the client."""
        assert self._transport is not None  # who has sent a request has one
        told = self._transport.get_extra_info
        tls = told("ssl_object")
        return transport_facts(told("peername"), None if tls is None else tls.getpeercert)


def _is_unasked(_: asyncio.CancelledError) -> bool:
    """Whether nobody has asked for it: who raised it ran into that of something it waited for."""
    task = asyncio.current_task()
    return task is None or not task.cancelling()


class _Runner(AsyncRunner):
    """Runs a role in turns of the event loop."""

    def __init__(self, part: Part[Any], limits: Limits) -> None:
        super().__init__(part, limits)
        self._group = Group(limits)
        self._loop = asyncio.get_running_loop()
        self._next_turn: asyncio.Handle | None = None
        self._alarm: asyncio.Handle | None = None
        self.wake()

    def wake(self) -> None:
        if self._next_turn is None:
            self._next_turn = self._loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._next_turn = None
        self.turn()
        if self._alarm is not None:
            self._alarm.cancel()
        patience = self.patience()
        self._alarm = None if patience == math.inf else self._loop.call_later(patience, self.wake)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._group.spawn(work)

    def is_fault(self, error: BaseException) -> bool:
        return _is_unasked(error) if isinstance(error, asyncio.CancelledError) else super().is_fault(error)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self.stop()
            await self._group.close(*NORMAL)

    def stop(self) -> None:
        super().stop()
        for handle in (self._next_turn, self._alarm):
            if handle is not None:
                handle.cancel()


class ChargePointRunner(_Runner, AsyncChargePointRunner):
    """Runs a charge point."""


class StationsRunner(_Runner, AsyncStationsRunner[Flag]):
    """Runs a central system."""

    new_flag = Flag
