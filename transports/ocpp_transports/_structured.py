"""What the adapters for trio and anyio share: their tasks live in nurseries and end with them.

A connection has three tasks: one reads, one writes, one keeps the time. Everything that is started lives in a nursery
of the ``connect`` or ``serve`` block. What the two libraries call by different names is a :class:`Library`'s.
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from ssl import SSLContext
from typing import Any, ClassVar, Protocol, TypeVar

import attrs

from ocpp_sansio import (
    CentralSystem,
    CentralSystemConnection,
    ChargePointConnection,
    ConnectionRefused,
    Limits,
    TransportFacts,
)
from ocpp_sansio.application import Part
from ocpp_sansio.handlers import Handlers

from ._adapter import AsyncAdapter, AsyncRunner, Server
from ._async import AsyncDispatcher, AsyncFlag, Event, RemoteCentralSystem, Station
from ._dispatcher import Attendant, C, H
from ._endings import GOING_AWAY, NORMAL
from ._served import ServerDispatcher, Service, served, source_of, transport_facts
from ._shared import HandshakeFailed, Place, Socket
from .observing import Observer

__all__ = [
    "ByteStream",
    "Group",
    "Library",
    "StreamDriver",
    "StructuredAdapter",
    "StructuredRunner",
]

F = TypeVar("F", bound=AsyncFlag)


class Scope(Protocol):
    """What can be cancelled together."""

    deadline: float

    @property
    def cancel_called(self) -> bool: ...
    def cancel(self) -> object: ...
    def __enter__(self) -> object: ...
    def __exit__(self, *_: object) -> bool | None: ...


class Nursery(Protocol):
    """Where tasks live."""

    def start_soon(self, work: Callable[..., Awaitable[Any]], /, *args: Any) -> object: ...


@attrs.frozen(kw_only=True, eq=False)
class Library:
    """trio, or anyio."""

    is_stop: Callable[[BaseException], bool]
    """Whether the current task is being cancelled, and this is what it is told."""
    new_event: Callable[[], Event]
    new_scope: Callable[..., Any]
    """Makes a :class:`Scope` with a ``deadline``, or one that is a ``shield``."""
    open_nursery: Callable[[], AbstractAsyncContextManager[Any]]
    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    sleep_forever: Callable[[], Awaitable[Any]]


class ByteStream(ABC):
    """A stream of bytes as the driver wants one. Whatever is wrong with it is a ``ConnectionError``, or the end."""

    @abstractmethod
    async def receive(self) -> bytes:
        """What comes next; nothing: it has ended, one way or the other."""

    @abstractmethod
    async def send(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            ConnectionError: nobody takes it any more.
        """

    @abstractmethod
    async def send_eof(self) -> None:
        """Send no more, and go on to receive where that is possible.

        Raises:
            ConnectionError: it is over already.
        """

    @abstractmethod
    async def abort(self) -> None:
        """Close it at once."""

    @abstractmethod
    def address(self) -> Any:
        """The address of its other end, as sockets have it."""

    @abstractmethod
    def getpeercert(self) -> Callable[[], Mapping[str, Any] | None] | None:
        """That method of its TLS, once something has come; ``None``: it has no TLS."""

    def facts(self) -> TransportFacts:
        """What it knows of who is at its other end, once something has come from there."""
        return transport_facts(self.address(), self.getpeercert())


class Listener(Protocol):
    """What listens."""

    @property
    def sockets(self) -> Iterable[Socket]: ...

    async def serve(self, converse: Callable[[ByteStream], Coroutine[Any, Any, None]], nursery: Any) -> None:
        """Accept, and have each stream conversed over in the nursery; until it is cancelled, and then close."""
        ...


class Group:
    """The connections and the handlers' tasks that live under one ``connect`` or ``serve``, and end with it."""

    nursery: Nursery

    def __init__(self, library: Library, limits: Limits) -> None:
        self.library = library
        self.limits = limits
        self.drivers: set[StreamDriver[Any, Any, Any]] = set()
        self._opened = library.new_event()
        self._closing = library.new_event()
        self._closed = library.new_event()
        # What goes on around the block must not cut off the closing handshakes: `close` ends them.
        self.scope: Scope = library.new_scope(shield=True)

    def after(self, seconds: float | None) -> float:
        """When so much time will have passed."""
        return math.inf if seconds is None else self.library.now() + seconds

    async def close(self, code: int, reason: str) -> None:
        """Close every connection in good order; what is not done after ``Limits.close_timeout`` is cut off."""
        for driver in list(self.drivers):
            driver.begin_close(code, reason)
        self.scope.deadline = min(self.scope.deadline, self.after(self.limits.close_timeout))
        self._closing.set()
        await self._closed.wait()

    async def _run(self) -> None:
        try:
            with self.scope:
                async with self.library.open_nursery() as self.nursery:
                    self._opened.set()
                    await self._closing.wait()
        finally:
            self._closed.set()

    @asynccontextmanager
    async def opened(self, code: int, reason: str) -> AsyncGenerator[None]:
        """Live beside a block, and close after it. What the block raises comes out as it is, not in a group."""
        raised = None
        async with self.library.open_nursery() as nursery:
            nursery.start_soon(self._run)
            with self.library.new_scope(shield=True):  # it is no wait: nothing holds it up
                await self._opened.wait()
            try:
                yield
            except BaseException as error:  # noqa: BLE001 - raised below
                raised = error
            with self.library.new_scope(shield=True):
                await self.close(code, reason)
        if raised is not None:
            raise raised


class StreamDriver(AsyncDispatcher[C, H, F]):
    """Three tasks, one that reads, one that writes, one that keeps the time; each is followed by ``drive``."""

    def __init__(self, connection: C, handlers: H, group: Group, identity: str = "") -> None:
        super().__init__(connection, handlers, identity)
        self.now = group.library.now
        self._group = group
        self._library = group.library
        self._scope: Scope = group.library.new_scope()
        self._alarm: Scope = group.library.new_scope()
        self._rings_at = math.inf
        self._turn = self.new_flag()
        """Set, and made anew, whenever the tasks should look again whether there is something to do."""
        self._unsent = bytearray()
        self._done = False
        group.drivers.add(self)

    def drive(self) -> None:
        """After every mutation: act on all events, hand over what to send, wake the tasks, set the alarm."""
        self.react()
        self._unsent += self.connection.data_to_send()
        self._wake()
        if self.connection.transport_done and not self._done:
            self._done = True
            self._alarm.cancel()
            # A peer that does not take our last words, or does not hang up after them, is not waited for (F-10).
            self._scope.deadline = self._group.after(self._group.limits.close_timeout)
            if not self._unsent:  # there are none
                self._scope.cancel()
        elif not self._done:
            deadline = self.connection.next_timeout()
            # One that has moved away is left to ring once for nothing: cheaper than a new timer for every message.
            if deadline is not None and deadline < self._rings_at:
                self._alarm.deadline = self._rings_at = deadline

    def _wake(self) -> None:
        turn, self._turn = self._turn, self.new_flag()
        turn.set()

    async def run(self, stream: ByteStream) -> None:
        """Drive the connection over the stream until it is over."""
        self.drive()
        try:
            with self._scope:
                async with self._library.open_nursery() as nursery:
                    nursery.start_soon(self._read, stream)
                    nursery.start_soon(self._write, stream)
                    nursery.start_soon(self._keep_time)
        except Exception:  # noqa: BLE001 - whatever it is, it is the end of this connection only (F-14)
            self.log(logging.ERROR, "the connection failed", exc_info=True)
        finally:
            self._group.drivers.discard(self)
            self._hear_end()
            self.let_go()
            await stream.abort()

    async def _read(self, stream: ByteStream) -> None:
        while True:
            # Who does not read our answers asks no more (F-06), nor does who has asked too much already (F-98).
            while self.is_choked or self.connection.reading_paused:
                await self._turn.wait()
            data = await stream.receive()
            if not data:
                break
            self.connection.receive_data(data, now=self.now())
            self.drive()
        self._hear_end()

    async def _write(self, stream: ByteStream) -> None:
        try:
            while self._unsent or not self.connection.transport_done:
                if data := bytes(self._unsent):
                    await stream.send(data)
                    del self._unsent[: len(data)]
                    self._wake()
                else:
                    await self._turn.wait()
            # Only our half: to close on what has not been read yet would take our last words back from the peer.
            await stream.send_eof()
        except ConnectionError:
            self._hear_end()
            self._scope.cancel()  # whatever else may come, nobody looks at it any more

    async def _keep_time(self) -> None:
        while not self.connection.transport_done:
            deadline = self.connection.next_timeout()
            self._rings_at = math.inf if deadline is None else deadline
            with self._library.new_scope(deadline=self._rings_at) as self._alarm:
                await self._library.sleep_forever()
            self.connection.handle_timeout(now=self.now())
            self.drive()

    @property
    def is_choked(self) -> bool:
        return len(self._unsent) > self._group.limits.max_unsent

    def _hear_end(self) -> None:
        self.connection.receive_eof(now=self.now())
        self.drive()

    def is_fault(self, error: BaseException) -> bool:
        return super().is_fault(error) and not self._library.is_stop(error)

    def spawn(self, work: Coroutine[Any, Any, None]) -> Callable[[], object]:
        scope: Scope = self._library.new_scope()

        async def run() -> None:
            try:
                with scope:
                    await work
            except Exception:  # noqa: BLE001 - as above
                self.log(logging.ERROR, "the connection failed", exc_info=True)
                self._scope.cancel()

        self._group.nursery.start_soon(run)
        return scope.cancel


class StreamServerDriver(
    ServerDispatcher[CentralSystemConnection, F], StreamDriver[CentralSystemConnection, CentralSystem, F]
):
    """The driver of a connection that is served."""


class StructuredRunner(AsyncRunner):
    """Runs a role in a task."""

    library: ClassVar[Library]

    def __init__(self, part: Part[Any], limits: Limits) -> None:
        super().__init__(part, limits)
        self._group = Group(self.library, limits)
        self._woken = self.library.new_event()
        self._scope: Scope = self.library.new_scope()

    def wake(self) -> None:
        self._woken.set()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        async with self._group.opened(*NORMAL):
            self._group.nursery.start_soon(self._run)
            try:
                yield
            finally:
                self.stop()

    async def _run(self) -> None:
        with self._scope:
            while True:
                self._woken = self.library.new_event()
                self.turn()
                with self.library.new_scope(deadline=self._group.after(self.patience())):
                    await self._woken.wait()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        async def run() -> None:
            await work

        self._group.nursery.start_soon(run)

    def is_fault(self, error: BaseException) -> bool:
        return super().is_fault(error) and not self.library.is_stop(error)

    def stop(self) -> None:
        super().stop()
        self._scope.cancel()


class StructuredAdapter(AsyncAdapter):
    """The functions of an adapter whose tasks live in nurseries."""

    library: Library
    new_driver: ClassVar[type[StreamDriver[Any, Any, Any]]]
    new_server_driver: ClassVar[type[StreamServerDriver[Any]]]

    @abstractmethod
    async def open_stream(self, host: str, port: int, tls: SSLContext | None) -> ByteStream:
        """Connect. It takes as long as it takes."""

    @abstractmethod
    async def open_listener(self, place: Place, tls: SSLContext | None) -> Listener:
        """Listen."""

    def now(self) -> float:
        return self.library.now()

    async def sleep(self, seconds: float) -> None:
        await self.library.sleep(seconds)

    @asynccontextmanager
    async def beside(self, work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncGenerator[None]:
        scope, gone = self.library.new_scope(), self.library.new_event()

        async def run() -> None:
            try:
                with scope:
                    await work()
            finally:
                gone.set()

        group = Group(self.library, Limits())
        async with group.opened(*NORMAL):
            group.nursery.start_soon(run)
            try:
                yield
            finally:
                scope.cancel()
                with self.library.new_scope(shield=True):
                    await gone.wait()

    @asynccontextmanager
    async def connected(
        self,
        connection: ChargePointConnection,
        identity: str,
        handlers: Handlers,
        tls: SSLContext | None,
        runner: Attendant | None = None,
        observer: Observer | None = None,
    ) -> AsyncGenerator[RemoteCentralSystem]:
        stream = await self._open_stream(connection.host, connection.port, tls, connection.limits.handshake_timeout)
        async with self.connected_over(stream, connection, identity, handlers, runner, observer) as central_system:
            yield central_system

    async def _open_stream(self, host: str, port: int, tls: SSLContext | None, timeout: float | None) -> ByteStream:
        with self.library.new_scope(deadline=math.inf if timeout is None else self.now() + timeout):
            return await self.open_stream(host, port, tls)
        raise TimeoutError(f"no connection to {host}, port {port}, in {timeout} s")

    @asynccontextmanager
    async def connected_over(
        self,
        stream: ByteStream,
        connection: ChargePointConnection,
        identity: str,
        handlers: Handlers,
        runner: Attendant | None = None,
        observer: Observer | None = None,
    ) -> AsyncGenerator[RemoteCentralSystem]:
        """Connect over a stream that is there already, and close at the end of the block."""
        group = Group(self.library, connection.limits)
        driver = self.new_driver(connection, handlers, group, identity)
        driver.runner, driver.observer = runner, observer
        central_system = RemoteCentralSystem(driver)
        async with group.opened(*NORMAL):
            group.nursery.start_soon(driver.run, stream)
            await driver.decided.wait()
            if isinstance(driver.end, ConnectionRefused):
                raise HandshakeFailed(driver.end)
            yield central_system

    @asynccontextmanager
    async def listening(
        self, service: Service[Station], place: Place, tls: SSLContext | None
    ) -> AsyncGenerator[Server]:
        group = Group(self.library, service.csms.limits)
        accepting: Scope = self.library.new_scope()
        listener = await self.open_listener(place, tls)

        async def converse(stream: ByteStream) -> None:
            await self.converse(stream, service, group)

        async def listen() -> None:
            with accepting:
                await listener.serve(converse, group.nursery)

        server = Server(self, listener.sockets, accepting.cancel, group, service)
        async with group.opened(*GOING_AWAY):
            group.nursery.start_soon(listen)
            try:
                yield server
            finally:
                accepting.cancel()

    async def converse(self, stream: ByteStream, service: Service[Station], group: Group) -> None:
        """Serve one charge point over the stream, until that is over."""
        station: Station
        driver = self.new_server_driver(served(service, self.now(), lambda: station, stream.facts), service.csms, group)
        driver.runner, driver.observer, driver.source = service.runner, service.observer, source_of(stream.address())
        station = Station(driver)
        await driver.run(stream)
