"""What every adapter promises, and what is needed to hold it to that: adapters made alike, and a peer without manners.

The two ends of a test are served by threads of their own, each with its own event loop where it has one; the test
itself asks and waits. Waiting is for events, with a deadline that only a failing test meets.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import os
import queue
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from types import ModuleType
from typing import Any

import pytest
import trio
from anyio.from_thread import BlockingPortal, start_blocking_portal

import ocpp_transports.asyncio
import ocpp_transports.sync
import ocpp_transports.trio
from ocpp_sansio import CentralSystem, ChargePointHandlers, Limits, v16

PATIENCE = 20.0
"""Seconds after which something that was waited for is taken for not happening."""

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BOOT = v16.BootNotificationRequest(charge_point_vendor="Vendor", charge_point_model="Model")
RESET = v16.ResetRequest(type=v16.ResetType.SOFT)
HEARTBEAT = v16.HeartbeatRequest()


def booted(*_: object) -> v16.BootNotificationResponse:
    return v16.BootNotificationResponse(current_time=NOON, interval=300, status=v16.RegistrationStatus.ACCEPTED)


def heartbeat(*_: object) -> v16.HeartbeatResponse:
    return v16.HeartbeatResponse(current_time=NOON)


def echo(_: Any, request: v16.DataTransferRequest) -> v16.DataTransferResponse:
    return v16.DataTransferResponse(status=v16.DataTransferStatus.ACCEPTED, data=request.data)


def transfer(data: str) -> v16.DataTransferRequest:
    return v16.DataTransferRequest(vendor_id="Vendor", data=data)


def central_system(**options: Any) -> CentralSystem:
    """A central system that accepts a boot and tells the time; a test adds what it is about."""
    options.setdefault("limits", Limits(close_timeout=3))
    csms = CentralSystem(**options)
    csms.authenticate(lambda _: True)
    csms.on(v16.BootNotificationRequest)(booted)
    csms.on(v16.HeartbeatRequest)(heartbeat)
    csms.on(v16.DataTransferRequest)(echo)
    return csms


def charge_point() -> ChargePointHandlers:
    """The handlers of a charge point that can be reset."""
    handlers = ChargePointHandlers()
    handlers.on(v16.ResetRequest)(lambda *_: v16.ResetResponse(status=v16.ResetStatus.ACCEPTED))
    handlers.on(v16.DataTransferRequest)(echo)
    return handlers


class End:
    """One end under test: ``call`` asks its peer and waits, ``start`` asks and does not."""

    def __init__(self, start: Callable[[Callable[[], Any]], Future[Any]]) -> None:
        self.start_work = start

    def do(self, work: Callable[[], Any]) -> Any:
        return self.start_work(work).result(PATIENCE)


class ClientEnd(End):
    def __init__(self, start: Callable[[Callable[[], Any]], Future[Any]], peer: Any) -> None:
        super().__init__(start)
        self.peer = peer

    def start(self, request: Any, **options: Any) -> Future[Any]:
        return self.start_work(partial(self.peer.call, request, **options))

    def call(self, request: Any, **options: Any) -> Any:
        return self.start(request, **options).result(PATIENCE)

    def send(self, message: Any) -> None:
        self.do(partial(self.peer.send, message))

    def wait_closed(self) -> Any:
        return self.do(self.peer.wait_closed)

    def close(self) -> None:
        self.do(self.peer.close)


class ServerEnd(End):
    def __init__(self, start: Callable[[Callable[[], Any]], Future[Any]], server: Any, csms: CentralSystem) -> None:
        super().__init__(start)
        self.server = server
        self.csms = csms
        self.port: int = server.port
        self.url = f"ws://127.0.0.1:{server.port}/ocpp"

    def start(self, identity: str, request: Any, **options: Any) -> Future[Any]:
        return self.start_work(lambda: self.csms.stations[identity].call(request, **options))

    def call(self, identity: str, request: Any, **options: Any) -> Any:
        return self.start(identity, request, **options).result(PATIENCE)

    def close(self) -> None:
        self.do(self.server.close)


class Gate:
    """Holds handlers up until it is opened."""

    def __init__(self) -> None:
        self.arrived: queue.Queue[Any] = queue.Queue()
        self.open: Callable[[], Any]


class Adapter:
    """An adapter in the hands of the tests."""

    module: ModuleType

    def __repr__(self) -> str:
        return self.module.__name__.rpartition(".")[2]

    def serve(self, csms: CentralSystem, **options: Any) -> AbstractContextManager[ServerEnd]:
        raise NotImplementedError

    def connect(self, url: str, identity: str = "CP_1", **options: Any) -> AbstractContextManager[ClientEnd]:
        raise NotImplementedError

    def gated(self, gate: Gate, answer: Callable[..., Any]) -> Callable[..., Any]:
        """A handler that waits for the gate."""
        raise NotImplementedError

    def asking(self, question: Any, answer: Callable[..., Any], heard: list[Any]) -> Callable[..., Any]:
        """A handler that calls the peer before it answers it."""
        raise NotImplementedError


class AsyncAdapter(Adapter):
    def __init__(self, module: ModuleType, backend: str) -> None:
        self.module = module
        self.backend = backend

    @contextmanager
    def loop(self) -> Iterator[BlockingPortal]:
        """An event loop in a thread, in which nothing may be left over."""
        with start_blocking_portal(self.backend) as portal:
            before = portal.call(self.count_tasks)
            yield portal
            assert portal.call(self.count_tasks) == before

    def count_tasks(self) -> int:
        if self.backend == "trio":
            return trio.lowlevel.current_statistics().tasks_living
        return len(asyncio.all_tasks())

    @contextmanager
    def serve(self, csms: CentralSystem, **options: Any) -> Iterator[ServerEnd]:
        with self.loop() as portal:
            served = self.module.serve(csms, port=0, **options)
            with portal.wrap_async_context_manager(served) as server:
                yield ServerEnd(portal.start_task_soon, server, csms)

    @contextmanager
    def connect(self, url: str, identity: str = "CP_1", **options: Any) -> Iterator[ClientEnd]:
        options.setdefault("handlers", charge_point())
        options.setdefault("limits", Limits(close_timeout=3))
        with self.loop() as portal:
            connected = self.module.connect(url, identity, **options)
            with portal.wrap_async_context_manager(connected) as peer:
                yield ClientEnd(portal.start_task_soon, peer)

    def gated(self, gate: Gate, answer: Callable[..., Any]) -> Callable[..., Any]:
        opened = threading.Event()
        wakers: list[Callable[[], Any]] = []

        def open_gate() -> None:
            opened.set()
            for wake in wakers:
                wake()

        gate.open = open_gate

        async def handler(peer: Any, request: Any) -> Any:
            if self.backend == "trio":
                event: Any = trio.Event()
                wakers.append(partial(trio.lowlevel.current_trio_token().run_sync_soon, event.set))
            else:
                event = asyncio.Event()
                wakers.append(partial(asyncio.get_running_loop().call_soon_threadsafe, event.set))
            gate.arrived.put(request)
            if not opened.is_set():
                await event.wait()
            return answer(peer, request)

        return handler

    def asking(self, question: Any, answer: Callable[..., Any], heard: list[Any]) -> Callable[..., Any]:
        async def handler(peer: Any, request: Any) -> Any:
            heard.append(await peer.call(question))
            return answer(peer, request)

        return handler


class SyncAdapter(Adapter):
    module = ocpp_transports.sync

    @contextmanager
    def serve(self, csms: CentralSystem, **options: Any) -> Iterator[ServerEnd]:
        with ThreadPoolExecutor() as threads, self.module.serve(csms, port=0, **options) as server:
            yield ServerEnd(threads.submit, server, csms)

    @contextmanager
    def connect(self, url: str, identity: str = "CP_1", **options: Any) -> Iterator[ClientEnd]:
        options.setdefault("handlers", charge_point())
        options.setdefault("limits", Limits(close_timeout=3))
        with ThreadPoolExecutor() as threads, self.module.connect(url, identity, **options) as peer:
            threads.submit(peer.wait_closed)  # somebody is there for what the central system asks
            yield ClientEnd(threads.submit, peer)

    def gated(self, gate: Gate, answer: Callable[..., Any]) -> Callable[..., Any]:
        opened = threading.Event()
        gate.open = opened.set

        def handler(peer: Any, request: Any) -> Any:
            gate.arrived.put(request)
            assert opened.wait(PATIENCE)
            return answer(peer, request)

        return handler

    def asking(self, question: Any, answer: Callable[..., Any], heard: list[Any]) -> Callable[..., Any]:
        def handler(peer: Any, request: Any) -> Any:
            heard.append(peer.call(question))
            return answer(peer, request)

        return handler


ADAPTERS = [AsyncAdapter(ocpp_transports.asyncio, "asyncio"), AsyncAdapter(ocpp_transports.trio, "trio"), SyncAdapter()]

on_client = pytest.mark.parametrize("client", ADAPTERS, ids=lambda adapter: f"client:{adapter}")
on_server = pytest.mark.parametrize("server", ADAPTERS, ids=lambda adapter: f"server:{adapter}")


def census() -> tuple[int, int]:
    """How many descriptors and threads there are."""
    return len(os.listdir("/proc/self/fd")), threading.active_count()  # noqa: PTH208 - of names, not of files


@contextmanager
def listening() -> Iterator[queue.Queue[int]]:
    """The ports of the servers that are started meanwhile, from what they log."""
    ports: queue.Queue[int] = queue.Queue()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.msg.startswith("listening") and isinstance(record.args, tuple):
                (addresses,) = record.args
                ports.put(addresses[0][1])  # type: ignore[index]

    logger, listener = logging.getLogger("ocpp_transports"), Listener()
    level = logger.level
    logger.addHandler(listener)
    logger.setLevel(logging.INFO)
    try:
        yield ports
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)


# -- a peer without manners: WebSocket by hand --


class RawPeer:
    """Sends what it is told to, in frames or not, and reads what comes."""

    def __init__(self, stream: socket.socket, *, is_client: bool) -> None:
        self.stream = stream
        self.stream.settimeout(PATIENCE)
        self.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.is_client = is_client
        self.buffer = b""

    def send(self, text: str | bytes, opcode: int = 1) -> None:
        self.stream.sendall(self.frame(text, opcode))

    def frame(self, text: str | bytes, opcode: int = 1) -> bytes:
        data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
        mask = 0x80 if self.is_client else 0
        if len(data) < 126:
            head = struct.pack("!BB", 0x80 | opcode, mask | len(data))
        elif len(data) < 2**16:
            head = struct.pack("!BBH", 0x80 | opcode, mask | 126, len(data))
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, mask | 127, len(data))
        return head + bytes(4 if self.is_client else 0) + data  # a key of zeroes masks nothing

    def receive(self) -> tuple[int, bytes]:
        """The next frame: its opcode and its data, unmasked."""
        first, second = self._read(2)
        length = second & 0x7F
        if length > 125:
            length = int.from_bytes(self._read(2 if length == 126 else 8), "big")
        mask = self._read(4) if second & 0x80 else None
        data = self._read(length)
        return first & 0xF, data if mask is None else bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))

    def receive_text(self) -> str:
        opcode, data = self.receive()
        assert opcode == 1, (opcode, data)
        return data.decode()

    def read_head(self) -> str:
        """The head of an HTTP message."""
        while b"\r\n\r\n" not in self.buffer:
            self._fill()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return head.decode()

    def read_all(self) -> bytes:
        """What comes until the connection ends, one way or the other."""
        try:
            while data := self.stream.recv(2**16):
                self.buffer += data
        except ConnectionError:
            pass
        return self.buffer

    def reset(self) -> None:
        """End the connection the hard way."""
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.close()

    def _read(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self._fill()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def _fill(self) -> None:
        data = self.stream.recv(2**16)
        if not data:
            raise EOFError
        self.buffer += data


@contextmanager
def raw_client(
    port: int, identity: str = "CP_1", *, version: str = "1.6", receive_buffer: int | None = None
) -> Iterator[RawPeer]:
    """A charge point without manners, connected."""
    with socket.socket() as stream:
        if receive_buffer is not None:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        stream.connect(("127.0.0.1", port))
        peer = RawPeer(stream, is_client=True)
        peer.stream.sendall(
            f"GET /ocpp/{identity} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: ocpp{version}\r\n\r\n".encode()
        )
        assert peer.read_head().startswith("HTTP/1.1 101 ")
        yield peer


@contextmanager
def garbling(port: int, word: bytes, other: bytes) -> Iterator[str]:
    """A line to a server, for one connection, on which a word of the server's becomes another one of its length."""
    assert len(word) == len(other)

    def pump(source: socket.socket, sink: socket.socket, change: Callable[[bytes], bytes]) -> None:
        with suppress(OSError):
            while data := source.recv(2**16):
                sink.sendall(change(data))
            sink.shutdown(socket.SHUT_WR)

    def carry() -> None:
        with listener.accept()[0] as near, socket.create_connection(("127.0.0.1", port)) as far:
            back = threads.submit(pump, far, near, lambda data: data.replace(word, other))
            pump(near, far, lambda data: data)
            back.result(PATIENCE)

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(2) as threads:
        listener.settimeout(PATIENCE)
        done = threads.submit(carry)
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/ocpp"
        done.result(PATIENCE)


@contextmanager
def raw_server(behave: Callable[[RawPeer], None], *, shake_hands: bool = True, version: str = "1.6") -> Iterator[str]:
    """A central system without manners: the endpoint of one that takes one connection, and behaves like that."""

    def serve() -> None:
        stream, _ = listener.accept()
        with stream:
            peer = RawPeer(stream, is_client=False)
            if shake_hands:
                key = peer.read_head().partition("Sec-WebSocket-Key: ")[2].partition("\r\n")[0]
                accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest())
                peer.stream.sendall(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Protocol: ocpp%b\r\n"
                    % version.encode()
                    + b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept
                )
            behave(peer)

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as threads:
        listener.settimeout(PATIENCE)
        done = threads.submit(serve)
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/ocpp"
        done.result(PATIENCE)


def tls(authority: Any) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The contexts of a server that the authority vouches for, and of a client that trusts the authority."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client
