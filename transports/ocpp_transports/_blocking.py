"""One connection over one socket, run by one thread at a time. The blocking adapter is built of these.

Whichever thread wants something of the connection runs it until it has that; a thread that finds another one at it
leaves its wish, and waits, and holds no other connection meanwhile. Knows sockets and threads; who listens and who
connects is :mod:`ocpp_transports.sync`'s.
"""

from __future__ import annotations

import math
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from ssl import SSLSocket, SSLWantReadError, SSLWantWriteError
from typing import Any, Final, Generic, TypeVar

from ocpp_sansio import (
    CentralSystem,
    CentralSystemConnection,
    ConnectionClosed,
    ConnectionRefused,
    Limits,
    LocalProtocolError,
    Request,
    Response,
    TransportFacts,
)
from ocpp_sansio.application import Part

from ._dispatcher import C, Dispatcher, H, Waiter
from ._endings import Leave
from ._roles import ChargePointRunner, Runner, StationsRunner
from ._served import ServerDispatcher, socket_address, transport_facts
from ._shared import Peer

__all__ = ["BlockingPeer", "ChargePointThread", "Driver", "Selector", "ServerDriver", "StationsThread"]

R = TypeVar("R", bound=Response)
T = TypeVar("T")

CHUNK: Final = 2**16
"""Bytes that are read at once."""

Selector: Final[type[selectors.BaseSelector]] = getattr(selectors, "PollSelector", selectors.SelectSelector)
"""Not the default one: that takes a descriptor more for each connection."""
_TABLE: Final = threading.RLock()
"""Held while that is used which a central system has for all its connections."""
_WOULD_BLOCK: Final = (BlockingIOError, InterruptedError, SSLWantReadError, SSLWantWriteError)


class _Flag:
    """What is true from some moment on. Whoever waits for it is woken by the driver that sets it."""

    __slots__ = ("_is_set",)

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    def is_set(self) -> bool:
        return self._is_set


class _Errand(Generic[R]):
    """A call that some thread wants made, from its request to its outcome."""

    def __init__(self) -> None:
        self.waiter: Waiter[R, _Flag] | None = None
        self.error: Exception | None = None

    def is_done(self) -> bool:
        return self.error is not None or (self.waiter is not None and self.waiter.flag.is_set())

    def result(self) -> R:
        if self.error is not None:
            raise self.error
        assert self.waiter is not None
        return self.waiter.result()


class _Thread(threading.local):
    """What the current thread is doing."""

    runs: Driver[Any, Any] | None = None
    """The connection that it runs."""


_THREAD: Final = _Thread()


class Driver(Dispatcher[C, H, _Flag]):
    """A socket, a connection, and the one thread at a time that runs them."""

    new_flag = _Flag
    now = staticmethod(time.monotonic)

    def __init__(self, connection: C, handlers: H, stream: socket.socket, limits: Limits, identity: str = "") -> None:
        super().__init__(connection, handlers, identity)
        self._socket = stream
        self._limits = limits
        self._unsent = bytearray()
        self._heard_all = False
        self._said_all = False
        self._patience = math.inf
        """When the socket is closed, whatever the peer does."""

        # The thread that runs the connection, those that wait for it, and what they want done.
        self._turn = threading.Condition()
        self._runner: int | None = None
        self._followers = 0
        self._claims = 0
        """Threads that have to go on with what they were doing about it."""
        self._commands: deque[Callable[[], None]] = deque()
        self._wakeup, self._waker = socket.socketpair()
        for each in (stream, self._wakeup, self._waker):
            each.setblocking(False)
        self._selector = Selector()
        self._selector.register(self._wakeup, selectors.EVENT_READ)
        self._interest = 0

    # -- the thread that runs the connection --

    def run(self, is_done: Callable[[], bool], until: float = math.inf) -> None:
        """Run the connection until then, or wait while another thread does."""
        outer = _THREAD.runs
        if outer is self:  # a handler calls, and so runs the connection one level deeper
            self._run(is_done, until)
            return
        # A thread that holds a connection waits for no other one, or handlers that call each other's peers would wait
        # for ever (F-133): what it has been running may be run by others meanwhile.
        if outer is not None:
            outer._pass_on()
        try:
            while self._take(is_done, until):
                _THREAD.runs = self
                try:
                    self._run(is_done, until, yields=True)
                finally:
                    self._pass_on()
                    _THREAD.runs = None
                if is_done() or self.lost.is_set() or self.now() >= until:
                    break
        finally:
            if outer is not None:
                outer._take_back()
                _THREAD.runs = outer

    def _take(self, is_done: Callable[[], bool], until: float) -> bool:
        """Wait until nobody runs the connection; false: another thread has done what this one waits for."""
        with self._turn:
            self._followers += 1
            try:
                while (self._runner is not None or self._claims) and not is_done() and (left := until - self.now()) > 0:
                    self._turn.wait(min(left, threading.TIMEOUT_MAX))
            finally:
                self._followers -= 1
            if self._runner is not None or self._claims:
                return False
            self._runner = threading.get_ident()
            return True

    def _pass_on(self) -> None:
        with self._turn:
            if self.is_run_here:
                self._runner = None
                self._turn.notify_all()

    def _take_back(self) -> None:
        """Go on with what is being done about the connection, before anybody begins with something else."""
        with self._turn:
            self._claims += 1
            try:
                self._wake()
                while self._runner is not None:
                    self._turn.wait()
                self._runner = threading.get_ident()
                self._wake()  # nobody may have been there to see what has been left to do
            finally:
                self._claims -= 1
                self._turn.notify_all()

    def _run(self, is_done: Callable[[], bool], until: float, *, yields: bool = False) -> None:
        try:
            self._obey()
            self.drive()
            while not is_done() and not self.lost.is_set() and self.now() < until and not (yields and self._claims):
                self._step(until)
                self._obey()
            if not self.lost.is_set():
                self._send()  # nobody may run it for long, and the peer waits for its answers
        except Exception:
            # It is the end of this connection (F-14), and nobody else takes it over before that.
            self.abort()
            raise

    def _step(self, until: float) -> None:
        """Send; wait for the socket, the clock or another thread; tell the connection. Each time, ``drive`` follows."""
        self._send()
        if self.connection.transport_done:
            self._hang_up()
        if self.lost.is_set():
            return
        deadline = self.connection.next_timeout()
        if self._wait(min(until, self._patience, math.inf if deadline is None else deadline)):
            self._obey()  # what was wanted first is done first: who is to leave asks in vain to be let in
            if self.lost.is_set():
                return
            self._receive()
        self.connection.handle_timeout(now=self.now())
        self.drive()

    def _wait(self, until: float) -> bool:
        """Wait until then or until something happens; whether that is something to read."""
        # Who does not read our answers asks no more (F-06), nor does who has asked too much already (F-98).
        listen = self.connection.transport_done or not (self.is_choked or self.connection.reading_paused)
        listen &= not self._heard_all  # there the end would be, again and again
        if listen and isinstance(self._socket, SSLSocket) and self._socket.pending():
            return True
        interest = selectors.EVENT_READ * listen | selectors.EVENT_WRITE * bool(self._unsent)
        if interest != self._interest:
            if self._interest:
                self._selector.unregister(self._socket)
            if interest:
                self._selector.register(self._socket, interest)
            self._interest = interest
        readable = False
        for key, happened in self._selector.select(None if until == math.inf else max(until - self.now(), 0)):
            if key.fileobj is self._wakeup:
                self._wakeup.recv(CHUNK)
            else:
                readable = bool(happened & selectors.EVENT_READ)
        return readable

    def drive(self) -> None:
        """After every mutation: act on all events, collect what to send, wake who may have waited for that."""
        self.react()
        self._unsent += self.connection.data_to_send()
        if self._followers:
            with self._turn:
                self._turn.notify_all()

    @property
    def is_choked(self) -> bool:
        return len(self._unsent) > self._limits.max_unsent

    def _send(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        except _WOULD_BLOCK as error:
            if isinstance(error, SSLWantReadError) and self.connection.transport_done:
                self._fall_silent()  # the client has never shaken hands: there is no TLS to say last words in
        except OSError:
            self._fall_silent()

    def _fall_silent(self) -> None:
        self._unsent.clear()
        self._hear_end()

    def _receive(self) -> None:
        try:
            data = self._socket.recv(CHUNK)
        except _WOULD_BLOCK:
            return
        except OSError:
            data = b""
        if data:
            self.connection.receive_data(data, now=self.now())
            self.drive()
        else:
            self._hear_end()

    def _hear_end(self) -> None:
        self._heard_all = True
        self.connection.receive_eof(now=self.now())
        self.drive()

    def _hang_up(self) -> None:
        """Close once all is sent and the peer has had its chance to read it: ``Limits.close_timeout`` (F-10)."""
        if self._patience == math.inf and self._limits.close_timeout is not None:
            self._patience = self.now() + self._limits.close_timeout
        if (self._heard_all and not self._unsent) or self.now() >= self._patience:
            self.abort()
        elif not self._unsent and not self._said_all:
            # Only our half: to close on what has not been read yet would take our last words back from the peer.
            self._said_all = True
            with suppress(OSError, ValueError):
                if isinstance(self._socket, SSLSocket):
                    self._socket.unwrap()
                else:
                    self._socket.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """Close without sending anything more. For the thread that runs the connection."""
        if self.lost.is_set():
            return
        try:
            self._hear_end()
        finally:
            for each in (self._selector, self._socket, self._wakeup, self._waker):
                each.close()
            self.let_go()

    # -- what other threads want --

    @property
    def is_run_here(self) -> bool:
        """Whether it is this thread that runs the connection."""
        return self._runner == threading.get_ident()

    def post(self, command: Callable[[], None]) -> None:
        """Have something done by the thread that runs the connection, or by the next one that does."""
        self._commands.append(command)
        if self._runner not in (None, threading.get_ident()):
            self._wake()

    def _wake(self) -> None:
        with suppress(OSError):
            self._waker.send(b"\0")

    def _obey(self) -> None:
        while self._commands:
            self._commands.popleft()()

    def perform(self, act: Callable[[], None]) -> None:
        self.post(partial(super().perform, act))

    def leave(self, how: Leave) -> None:
        self.post(partial(super().leave, how))

    def begin_close(self, code: int, reason: str) -> None:
        self.post(partial(super().begin_close, code, reason))

    def ask(self, request: Request[R], timeout: float | None, expires_in: float | None) -> R:
        """Make a call, and run the connection until it has its outcome."""
        errand = _Errand[R]()
        # It is made here, whichever thread runs the connection.
        context = None if self._watch is None else copy_context()

        def start() -> None:
            try:
                errand.waiter = self.wait_for(self.begin(request, timeout, expires_in), context)
            except Exception as error:  # noqa: BLE001 - for the thread that asked
                errand.error = error
                self.drive()  # which wakes it

        def drop() -> None:
            if errand.waiter is not None:
                self.give_up(errand.waiter)

        self.post(start)
        try:
            self.run(errand.is_done)
        finally:
            if not errand.is_done():  # Ctrl-C: the call is given up, nothing else (F-11)
                self.post(drop)
        return errand.result()

    def tell(self, send: Callable[[], None]) -> None:
        """Send what has no outcome, at once, as far as the socket takes it. The rest goes when it is run next."""
        done = _Flag()
        failures: list[Exception] = []

        def start() -> None:
            self._send()
            try:
                self.refuse_if_choked()
                send()
            except Exception as error:  # noqa: BLE001 - for the thread that asked
                failures.append(error)
            done.set()
            self.drive()

        self.post(start)
        self.run(done.is_set)
        if failures:
            raise failures[0]

    def spawn(self, work: Coroutine[Any, Any, None]) -> Callable[[], object]:
        complete(work)
        return object  # it is over

    def is_fault(self, error: BaseException) -> bool:
        return super().is_fault(error) or isinstance(error, SystemExit)  # of this thread, not of the program


class ThreadRunner(Runner):
    """Runs a role in a thread of its own. Its host is called there, and any thread may have something done."""

    def __init__(self, part: Part[Any], limits: Limits) -> None:
        super().__init__(part, limits)
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="ocpp-role", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._is_over:
            self._woken.clear()
            self.turn()
            self._woken.wait(min(self.patience(), threading.TIMEOUT_MAX))
        super().stop()

    def wake(self) -> None:
        self._woken.set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        complete(work)

    def is_fault(self, error: BaseException) -> bool:
        return super().is_fault(error) or isinstance(error, SystemExit)  # of this thread, not of the program

    def do(self, verb: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        if threading.current_thread() is self._thread:
            return super().do(verb, *args, **kwargs)
        outcome = Future[T]()

        def obey() -> None:
            try:
                outcome.set_result(verb(*args, now=self.now(), **kwargs))
            except BaseException as error:  # noqa: BLE001 - for the thread that asked
                outcome.set_exception(error)

        with self._lock:
            if self._is_over:
                raise LocalProtocolError("the role is not being run any more")
            self.post(obey)
        return outcome.result()

    def refuse_to_wait_here(self) -> None:
        """Before a thread waits for the role.

        Raises:
            LocalProtocolError: it is the role's own, which would wait for ever.
        """
        if threading.current_thread() is self._thread:
            raise LocalProtocolError("the thread of the role cannot wait for it: use `do`, and see the effects")

    def stop(self) -> None:
        with self._lock:
            self._is_over = True
        self.wake()
        self._thread.join()


class ChargePointThread(ThreadRunner, ChargePointRunner):
    """Runs a charge point."""


class StationsThread(ThreadRunner, StationsRunner[threading.Event]):
    """Runs a central system."""

    new_flag = threading.Event


class ServerDriver(ServerDispatcher[CentralSystemConnection, _Flag], Driver[CentralSystemConnection, CentralSystem]):
    """The driver of a connection that is served. The table of stations is everybody's: one thread at a time."""

    shared = _TABLE
    others: Callable[[], Iterable[ServerDriver]] = staticmethod(tuple)
    """All connections of its server."""

    @property
    def is_crowded(self) -> bool:
        # Nothing stops a thread. One that does not come to give way, as it was told to when displaced, is in a handler,
        # or has only just been told so: there may be several of those, if many have come at once.
        held_up = sum(each.identity == self.identity and bool(each._commands) for each in self.others())
        return held_up >= 2 * self.connection.limits.max_inbound_calls


def socket_facts(stream: socket.socket) -> TransportFacts:
    """What a socket knows of the client at its other end."""
    return transport_facts(socket_address(stream), stream.getpeercert if isinstance(stream, SSLSocket) else None)


def complete(work: Coroutine[Any, Any, None]) -> None:
    """Run what is ``async`` and waits for nothing: as good as a plain function. There is nothing to wait with."""
    with suppress(StopIteration):
        work.send(None)
        work.throw(TypeError("there is no event loop here: what is given to ocpp_transports.sync is plain functions"))


D = TypeVar("D", bound=Driver[Any, Any])


class BlockingPeer(Peer[D]):
    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection, and wait until it is gone: a few times ``Limits.close_timeout`` at most."""
        self.close_soon(code, reason)
        self.wait_closed()

    def wait_closed(self) -> ConnectionClosed | ConnectionRefused:
        """Answer what the peer asks until the connection is gone, and tell how it ended."""
        self._driver.run(self._driver.lost.is_set)
        assert self.closed is not None
        return self.closed

    def run_for(self, seconds: float) -> None:
        """Answer what the peer asks, for so long or until the connection is gone."""
        self._driver.run(self._driver.lost.is_set, self._driver.now() + seconds)
