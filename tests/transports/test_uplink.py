"""A charge point that is kept connected, under every adapter: how it is refused, what it loses, what outlives that."""

from __future__ import annotations

import asyncio
import logging
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import anyio
import pytest
import trio
import trio.testing
import trustme

from ocpp_sansio import (
    Backoff,
    CallExpired,
    CentralSystem,
    ChargePointHandlers,
    ConnectionClosed,
    ConnectionLost,
    ConnectionRefused,
    Limits,
    LocalProtocolError,
    QueueFull,
    SessionClosed,
    Unsendable,
    Version,
    v16,
    v21,
    v201,
)
from ocpp_sansio import charge_point as cp
from ocpp_sansio.charge_point.effects import RegistrationChanged
from ocpp_sansio.store import MemoryStore
from ocpp_transports import asyncio as on_asyncio
from ocpp_transports import trio as on_trio
from ocpp_transports._uplink import Keeper
from ocpp_transports.sync import Uplink
from ocpp_transports.testing import Course, Fault, Proxy
from ocpp_transports.testing.samples import accepted
from tests.transports.contract import (
    ADAPTERS,
    BOOT,
    HEARTBEAT,
    NOON,
    PATIENCE,
    RESET,
    Adapter,
    AsyncAdapter,
    ClientEnd,
    Gate,
    RawPeer,
    ServerEnd,
    SyncAdapter,
    booted,
    central_system,
    charge_point,
    on_client,
    raw_server,
    tls,
)
from tests.transports.door import Door, Step, door_to

pytestmark = pytest.mark.usefixtures("nothing_is_left_over")

SOON = Backoff(minimum=0.01, repeats=0, random_range=0.0)
NEVER = Backoff(minimum=3600.0, repeats=0, random_range=0.0)
LIMITS = Limits(close_timeout=3)
EVENT_LOOPS = [adapter for adapter in ADAPTERS if isinstance(adapter, AsyncAdapter)]


# -- the two ends, and what lies between --


def says(status: int, *fields: str, body: str = "") -> Step:
    """Answer the opening request with this."""

    def answer(stream: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += stream.recv(2**16)
        head = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Content-Length: {len(body)}", *fields]
        stream.sendall("\r\n".join([*head, "", body]).encode())

    return answer


def hangs_up(stream: socket.socket) -> None:
    """Take the connection, and nothing else."""


class Kept(ClientEnd):
    """A charge point that is kept connected."""

    def wait_connected(self) -> None:
        self.do(self.peer.wait_connected)


@contextmanager
def kept(client: Any, where: Any, **options: Any) -> Iterator[Kept]:
    options.setdefault("backoff", SOON)
    options.setdefault("limits", LIMITS)
    keeping = client.module.keep_connected(where, "CP_1", **options)
    if isinstance(client, SyncAdapter):
        with ThreadPoolExecutor() as threads, keeping as uplink:
            yield Kept(threads.submit, uplink)
    else:
        with client.loop() as portal, portal.wrap_async_context_manager(keeping) as uplink:
            yield Kept(portal.start_task_soon, uplink)


@contextmanager
def both(client: Adapter, csms: CentralSystem | None = None, **options: Any) -> Iterator[tuple[Kept, Door, ServerEnd]]:
    """A charge point that is kept connected to a central system, with a door between them."""
    with (
        SyncAdapter().serve(csms or central_system(accept_before_boot=True)) as served,
        door_to(served.port) as (url, door),
        kept(client, url, **options) as uplink,
    ):
        yield uplink, door, served


# -- calls --


@on_client
def test_it_is_there_at_once_and_calls_wait_for_the_connection_in_their_order_rpc_131(client: Adapter) -> None:
    arrived: list[str] = []
    csms = central_system(accept_before_boot=True)

    @csms.on(v16.StatusNotificationRequest)
    def note(_: Any, request: v16.StatusNotificationRequest) -> v16.StatusNotificationResponse:
        arrived.append(str(request.connector_id))
        return v16.StatusNotificationResponse()

    with SyncAdapter().serve(csms) as served, door_to(served.port) as (url, door):
        door.shut()
        with kept(client, url) as uplink:
            for _ in range(3):
                door.knocks.get(timeout=PATIENCE)
            assert not uplink.peer.is_connected
            assert uplink.peer.version is None
            assert uplink.peer.identity == "CP_1"
            answers = []
            for number in range(5):
                answers.append(uplink.start(status(number)))
                waiting(uplink, number + 1)
            door.open()
            for answer in answers:
                assert answer.result(PATIENCE) == v16.StatusNotificationResponse()
            assert arrived == ["0", "1", "2", "3", "4"]
            uplink.wait_connected()
            assert uplink.peer.is_connected
            assert uplink.peer.version is Version.V16


def status(connector: int) -> v16.StatusNotificationRequest:
    return v16.StatusNotificationRequest(
        connector_id=connector,
        error_code=v16.ChargePointErrorCode.NO_ERROR,
        status=v16.ChargePointStatus.AVAILABLE,
    )


def authorize(text: str) -> v16.AuthorizeRequest:
    return v16.AuthorizeRequest(id_tag=text)


def waiting(uplink: Kept, number: int) -> None:
    """Wait until so many calls wait: the order of those that are begun at the same time is nobody's business."""
    until(lambda: len(uplink.peer._waiters) >= number)


def until(condition: Callable[[], object]) -> None:
    """Wait for what nobody tells of."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.005)):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("it has not come about")


@on_client
def test_what_was_sent_when_the_connection_was_lost_fails_and_what_was_not_is_sent_on_the_next_one_rpc_131(
    client: Adapter,
) -> None:
    csms, gate = central_system(accept_before_boot=True), Gate()
    csms.on(v16.AuthorizeRequest)(SyncAdapter().gated(gate, accepted))
    with both(client, csms) as (uplink, door, _):
        sent = uplink.start(authorize("sent"))
        assert gate.arrived.get(timeout=PATIENCE).id_tag == "sent"
        unsent = [uplink.start(authorize("a"))]
        waiting(uplink, 2)
        unsent.append(uplink.start(authorize("b")))
        waiting(uplink, 3)
        door.shut()
        gate.open()
        with pytest.raises(ConnectionLost) as caught:
            sent.result(PATIENCE)
        assert caught.value.sent
        unsent.append(uplink.start(authorize("c")))
        waiting(uplink, 3)
        door.open()
        for each in unsent:
            assert each.result(PATIENCE) == accepted()
        assert [gate.arrived.get(timeout=PATIENCE).id_tag for _ in unsent] == ["a", "b", "c"]


@on_client
def test_a_connection_is_made_again_and_again_and_both_ends_may_ask_on_each_f_15_rpc_126(client: Adapter) -> None:
    with both(client, handlers=charge_point()) as (uplink, door, served):
        for _ in range(3):
            uplink.wait_connected()
            assert uplink.call(HEARTBEAT).current_time == NOON
            until(lambda: "CP_1" in served.csms.stations)
            assert served.call("CP_1", RESET).status is v16.ResetStatus.ACCEPTED
            door.shut()
            until(lambda: not uplink.peer.is_connected)
            failure = uplink.peer.last_failure
            assert failure is None or isinstance(failure.cause, ConnectionClosed | ConnectionRefused | OSError)
            door.open()


@on_client
def test_a_call_that_could_not_be_sent_in_time_expires_and_no_later_connection_sees_it(client: Adapter) -> None:
    arrived: list[Any] = []
    csms = central_system(accept_before_boot=True)
    csms.on(v16.StatusNotificationRequest)(
        lambda _, request: (arrived.append(request.connector_id), v16.StatusNotificationResponse())[1]
    )
    with both(client, csms) as (uplink, door, _):
        uplink.wait_connected()
        door.shut()
        until(lambda: not uplink.peer.is_connected)
        with pytest.raises(CallExpired):
            uplink.call(status(1), expires_in=0.01)
        door.open()
        assert uplink.call(status(2), expires_in=PATIENCE) == v16.StatusNotificationResponse()
        assert arrived == [2]


@on_client
def test_a_call_of_another_version_than_the_connection_speaks_fails_and_says_so_rpc_131(client: Adapter) -> None:
    with both(client) as (uplink, _, _), pytest.raises(Unsendable, match=r"is not a request of OCPP 1\.6"):
        uplink.call(v201.HeartbeatRequest())


@on_client
def test_only_so_many_calls_wait_f_124(client: Adapter) -> None:
    with door_to(None) as (url, _), kept(client, url, limits=Limits(close_timeout=3, max_queued_calls=1)) as uplink:
        call = uplink.start(HEARTBEAT)
        waiting(uplink, 1)
        with pytest.raises(QueueFull):
            uplink.call(HEARTBEAT)
        with pytest.raises(LocalProtocolError):
            uplink.call(v16.DataTransferRequest(vendor_id="x" * 1000))
    with pytest.raises(ConnectionLost):
        call.result(PATIENCE)


@on_client
def test_at_the_end_of_the_block_whoever_waits_is_told_and_the_connection_is_closed_in_good_order(
    client: Adapter,
) -> None:
    csms, gate = central_system(accept_before_boot=True), Gate()
    csms.on(v16.AuthorizeRequest)(SyncAdapter().gated(gate, accepted))
    ended: list[Any] = []
    with both(client, csms) as (uplink, _, served):
        uplink.wait_connected()
        calls = [uplink.start(authorize("sent"))]
        gate.arrived.get(timeout=PATIENCE)
        calls.append(uplink.start(authorize("waits")))
        waiting(uplink, 2)
        station = served.csms.stations["CP_1"]
        ended.append(station)
        gate.open()
    for call in calls:
        with suppress(ConnectionLost):  # the answer may have been quicker
            assert call.result(PATIENCE) == accepted()
    assert ended[0].closed.code == 1000


STREAM = v21.NotifyPeriodicEventStream(id=1, pending=0, basetime=NOON, data=[v21.StreamDataElement(t=0.0, v="1")])


@on_client
def test_a_send_needs_a_connection_rpc_056(client: Adapter) -> None:
    told: queue.Queue[Any] = queue.Queue()
    csms = CentralSystem(versions=["2.1"], limits=LIMITS, accept_before_boot=True)
    csms.authenticate(lambda _: True)
    csms.on_send(v21.NotifyPeriodicEventStream)(lambda _, message: told.put(message))
    with both(client, csms, versions=["2.1"]) as (uplink, door, _):
        uplink.wait_connected()
        uplink.send(STREAM)
        assert told.get(timeout=PATIENCE) == STREAM
        door.shut()
        until(lambda: uplink.peer.version is None)
        with pytest.raises(SessionClosed):
            uplink.send(STREAM)


WHO: ContextVar[str] = ContextVar("WHO", default="nobody")


class Watcher(MagicMock):
    """An observer that takes note of who makes each call."""

    def opened(self, *_: object) -> Any:
        return self

    def calling(self, call: Any) -> None:
        self.callers.append(WHO.get())


@on_client
def test_an_observer_is_told_of_a_call_in_the_context_of_who_made_it_however_long_it_has_waited(
    client: Adapter,
) -> None:
    watcher = Watcher(callers=[])
    with both(client, observer=watcher) as (uplink, door, _):
        uplink.wait_connected()
        door.shut()
        until(lambda: not uplink.peer.is_connected)
        answers = []
        for number, name in enumerate(("first", "second")):
            answers.append(ask_as(name, uplink, client))
            waiting(uplink, number + 1)
        door.open()
        for answer in answers:
            assert answer.result(PATIENCE).current_time == NOON
        assert watcher.callers == ["first", "second"]
        assert uplink.peer._contexts == {}


@on_client
def test_of_a_call_that_is_not_made_nothing_is_kept_f_124(client: Adapter) -> None:
    with both(client, observer=Watcher(callers=[]), limits=Limits(max_queued_calls=1)) as (uplink, door, _):
        uplink.wait_connected()
        door.shut()
        until(lambda: not uplink.peer.is_connected)
        answer = ask_as("first", uplink, client)
        waiting(uplink, 1)
        with pytest.raises(QueueFull):
            uplink.call(HEARTBEAT)
        assert len(uplink.peer._contexts) == 1
        door.open()
        assert answer.result(PATIENCE).current_time == NOON


@pytest.mark.parametrize("at", ["is_connected", "version", "tell"])
def test_a_connection_may_be_forgotten_while_a_thread_asks_about_it_f_133(at: str) -> None:
    class Forgetful(Uplink):
        """One whose connection is gone when it is looked at a second time."""

        _lost: Any = None

        @property
        def _driver(self) -> Any:
            driver, self._lost = self._lost, None
            return driver

        @_driver.setter
        def _driver(self, driver: Any) -> None:
            self._lost = driver

    options: dict[str, Any] = {"backoff": None, "attempts": 1, "ssl": None, "observer": None}
    uplink = Forgetful(Keeper("ws://127.0.0.1:1", "CP_1", time.monotonic, **options), None, reports=False)
    sent: list[object] = []
    uplink._driver = SimpleNamespace(
        end=None, connection=SimpleNamespace(version=Version.V21), peer=SimpleNamespace(send=sent.append)
    )
    if at == "tell":
        uplink.tell(cast(Any, "news"))
        assert sent == ["news"]
    else:
        assert getattr(uplink, at) == {"is_connected": True, "version": Version.V21}[at]


def ask_as(name: str, uplink: Kept, client: Adapter) -> Any:
    """Make a call in a context of its own, and do not wait."""

    def blocking() -> Any:
        WHO.set(name)
        return uplink.peer.call(v16.HeartbeatRequest())

    async def in_task() -> Any:
        WHO.set(name)
        return await uplink.peer.call(v16.HeartbeatRequest())

    return uplink.start_work(blocking if isinstance(client, SyncAdapter) else in_task)


# -- no connection --


@on_client
@pytest.mark.parametrize("status", [301, 400, 401, 404, 500])
def test_a_refusal_is_not_the_last_word_and_no_redirect_is_followed_f_16_rpc_015(
    client: Adapter, status: int, log: queue.Queue[str]
) -> None:
    with door_to(None) as (elsewhere, trap), SyncAdapter().serve(central_system()) as served:
        with door_to(served.port) as (url, door):
            door.steps.append(says(status, f"Location: {elsewhere}", body="<html>go away</html>"))
            with kept(client, url) as uplink:
                uplink.wait_connected()
                assert f"no connection: HTTP {status}" in log.get(timeout=PATIENCE)
                failure = uplink.peer.last_failure
                assert isinstance(failure.cause, ConnectionRefused)
                assert failure.cause.status == status
                assert failure.target.url == url
        assert trap.knocks.empty()


@on_client
@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_for_patience_is_left_alone_f_16(
    client: Adapter, status: int, log: queue.Queue[str]
) -> None:
    with door_to(None) as (url, door):
        door.steps.append(says(status, "Retry-After: 1800"))
        with kept(client, url) as uplink:
            assert f"HTTP {status}" in log.get(timeout=PATIENCE)
            failure = uplink.peer.last_failure
            assert failure.cause.status == status
            assert failure.retry_in == pytest.approx(1800.0)
            assert not uplink.peer.is_connected
        assert door.knocks.qsize() == 1


@on_client
def test_whoever_hangs_up_is_asked_again_f_15(client: Adapter) -> None:
    with SyncAdapter().serve(central_system()) as served, door_to(served.port) as (url, door):
        door.steps.extend([hangs_up] * 3)
        with kept(client, url) as uplink:
            uplink.wait_connected()
            assert door.knocks.qsize() == 4


@on_client
def test_nobody_listens_there_and_so_the_next_endpoint_has_its_turn_f_15_rpc_129(client: Adapter) -> None:
    with socket.socket() as unused, SyncAdapter().serve(central_system()) as served:
        unused.bind(("127.0.0.1", 0))  # and does not listen
        nowhere = f"ws://127.0.0.1:{unused.getsockname()[1]}/ocpp"
        with kept(client, [nowhere, client.module.Target(served.url)], attempts=2) as uplink:
            uplink.wait_connected()
            failure = uplink.peer.last_failure
            assert isinstance(failure.cause, OSError)
            assert failure.target.url == nowhere


@on_client
def test_each_endpoint_has_its_own_password_and_versions_rpc_129(client: Adapter) -> None:
    asked: queue.Queue[Any] = queue.Queue()

    def admit(request: Any) -> bool:
        asked.put((request.credentials.password, request.offered))
        return bool(request.credentials.password == b"second")

    csms = CentralSystem(versions=["1.6", "2.0.1"], limits=LIMITS)
    csms.authenticate(admit)
    with SyncAdapter().serve(csms) as served:
        second = client.module.Target(served.url, password="second", versions=["2.0.1"])
        with kept(client, [served.url, second], attempts=1, password="first") as uplink:
            uplink.wait_connected()
            assert uplink.peer.version is Version.V201
            assert "second" not in repr(uplink.peer.last_failure)
            assert "second" not in repr(second)
    assert [asked.get(timeout=PATIENCE) for _ in range(2)] == [
        (b"first", ("ocpp1.6",)),
        (b"second", ("ocpp2.0.1",)),
    ]


@on_client
def test_after_a_loss_the_first_endpoint_is_tried_first_rpc_129(client: Adapter) -> None:
    with (
        SyncAdapter().serve(central_system()) as served,
        door_to(served.port) as (first, one),
        door_to(served.port) as (second, two),
    ):
        one.steps.append(hangs_up)
        with kept(client, [first, second], attempts=1) as uplink:
            uplink.wait_connected()
            assert (one.knocks.qsize(), two.knocks.qsize()) == (1, 1)
            two.shut()
            until(lambda: not uplink.peer.is_connected)
            uplink.wait_connected()
            assert (one.knocks.qsize(), two.knocks.qsize()) == (2, 1)


@on_client
def test_who_waits_once_a_connection_has_ended_waits_for_the_next_one_rpc_131(client: Adapter) -> None:
    go = threading.Event()

    def say_goodbye(peer: RawPeer) -> None:
        assert go.wait(PATIENCE)
        peer.send(b"\x03\xe8", opcode=8)
        peer.read_all()  # the transport stays until the client gives it up

    with raw_server(say_goodbye) as url, kept(client, url, limits=Limits(close_timeout=0.2)) as uplink:
        uplink.wait_connected()
        go.set()
        until(lambda: not uplink.peer.is_connected)
        waiting = uplink.start_work(uplink.peer.wait_connected)
    with pytest.raises(SessionClosed):
        waiting.result(PATIENCE)


@on_client
def test_a_link_that_is_dead_in_silence_is_found_by_pings_and_made_again_f_07(client: Adapter) -> None:
    limits = Limits(close_timeout=0.1, ping_interval=0.1, ping_timeout=0.1)
    with SyncAdapter().serve(central_system(accept_before_boot=True)) as served, Proxy(served.port) as proxy:
        proxy.down = Course(fault=Fault.HOLE, at=300)  # behind the handshake, in one of the answers
        with kept(client, proxy.url, limits=limits) as uplink:
            answers = [uplink.start(HEARTBEAT) for _ in range(5)]
            assert proxy.struck.wait(PATIENCE)
            proxy.down = Course()
            lost = [error for each in answers if (error := each.exception(PATIENCE)) is not None]
            assert [type(error) for error in lost] == [ConnectionLost]
            failure = uplink.peer.last_failure
            assert isinstance(failure.cause, ConnectionClosed)
            assert failure.cause.code == 1006
            assert uplink.call(HEARTBEAT).current_time == NOON


# -- the end of waiting --


@on_client
def test_a_block_can_be_left_while_nothing_is_connected_and_whatever_is_raised_comes_out_as_it_is(
    client: Adapter,
) -> None:
    class Oops(Exception):
        pass

    with door_to(None) as (url, _), pytest.raises(Oops), kept(client, url, backoff=NEVER):
        raise Oops


@on_client
def test_whoever_waits_for_a_connection_is_told_that_none_will_follow(client: Adapter) -> None:
    with door_to(None) as (url, _), kept(client, url, backoff=NEVER) as uplink:
        waits = uplink.start_work(uplink.peer.wait_connected)
        assert repr(uplink.peer) == "<Uplink 'CP_1'>"
    with pytest.raises((SessionClosed, CancelledError)):
        waits.result(PATIENCE)


@on_client
def test_what_is_wrong_with_the_arguments_is_said_at_once(client: Adapter) -> None:
    for where, flaw in (("http://127.0.0.1/", "URL"), ([], "targets"), (["ws://127.0.0.1/", "ftp://a/"], "URL")):
        with pytest.raises(ValueError, match=flaw), kept(client, where):
            pass
    with pytest.raises(ValueError, match="attempts"), kept(client, "ws://127.0.0.1/", attempts=0):
        pass
    with pytest.raises(ValueError, match="not wss"), kept(client, "ws://127.0.0.1/", ssl=ssl.create_default_context()):
        pass


def test_a_handler_that_blocks_does_not_wait_for_itself() -> None:
    handlers, raised = ChargePointHandlers(), []

    @handlers.on(v16.ResetRequest)
    def reset(_: Any, __: v16.ResetRequest) -> v16.ResetResponse:
        with pytest.raises(LocalProtocolError, match="a handler runs the connection") as caught:
            uplink.peer.call(HEARTBEAT)
        raised.append(caught.value)
        return v16.ResetResponse(status=v16.ResetStatus.ACCEPTED)

    with both(SyncAdapter(), handlers=handlers) as (uplink, _, served):
        uplink.wait_connected()
        until(lambda: "CP_1" in served.csms.stations)
        assert served.call("CP_1", RESET).status is v16.ResetStatus.ACCEPTED
        assert raised
        assert uplink.peer.wait_connected(0.0)
    with pytest.raises(SessionClosed):
        uplink.peer.wait_connected()


# -- what is done on each connection --


def boots(client: Adapter, heard: list[Any]) -> Any:
    """A hook that sends a BootNotification."""
    booting = client.asking(BOOT, lambda *_: None, heard)
    return lambda central_system: booting(central_system, None)


@on_client
def test_a_charge_point_that_boots_on_each_connection_outlives_a_restart_of_its_central_system(
    client: Adapter,
) -> None:
    """RPC-075, RPC-131: what has waited is not told SecurityError by who knows nobody yet."""
    heard: list[Any] = []
    anew = central_system()
    anew.on(v16.AuthorizeRequest)(accepted)
    with (
        SyncAdapter().serve(central_system()) as before,
        SyncAdapter().serve(anew) as after,
        door_to(before.port) as (url, door),
        kept(client, url, on_connected=boots(client, heard)) as uplink,
    ):
        assert uplink.call(HEARTBEAT).current_time == NOON
        door.shut()
        until(lambda: not uplink.peer.is_connected)
        waits = [uplink.start(HEARTBEAT), uplink.start(authorize("waits"))]
        waiting(uplink, 2)
        door.lead_to(after.port)
        assert waits[0].result(PATIENCE).current_time == NOON
        assert waits[1].result(PATIENCE) == accepted()
        assert heard == [booted(), booted()]


@on_client
def test_a_central_system_that_knows_nobody_yet_may_have_who_comes_back_boot(client: Adapter) -> None:
    csms, handlers, heard = central_system(), ChargePointHandlers(), list[Any]()
    trigger = v16.TriggerMessageRequest(requested_message=v16.MessageTrigger.BOOT_NOTIFICATION)
    triggered = v16.TriggerMessageResponse(status=v16.TriggerMessageStatus.ACCEPTED)
    boot = queue.SimpleQueue[None]()
    handlers.on(v16.TriggerMessageRequest)(lambda *_: (boot.put(None), triggered)[1])

    @csms.on_connected
    def have_it_boot(station: Any) -> None:
        if not csms.is_accepted(station.identity):
            heard.append(station.call(trigger))

    with both(client, csms, handlers=handlers) as (uplink, door, _):
        for number in range(2):
            uplink.wait_connected()
            if number == 0:
                boot.get(timeout=PATIENCE)
                assert uplink.call(BOOT) == booted()
            assert uplink.call(HEARTBEAT).current_time == NOON
            door.shut()
            until(lambda: not uplink.peer.is_connected)
            door.open()
    assert heard == [triggered]
    assert boot.empty()


@on_client
def test_what_is_done_on_each_connection_is_a_function(client: Adapter) -> None:
    with pytest.raises(TypeError, match="a function is needed"), kept(client, "ws://127.0.0.1", on_connected="boot"):
        pass


@on_client
def test_what_goes_wrong_on_a_new_connection_is_told_and_what_waits_is_sent(
    client: Adapter, log: queue.Queue[str]
) -> None:
    def fail(_: object) -> None:
        raise LookupError("sesame")

    with both(client, on_connected=fail) as (uplink, _, _):
        assert uplink.call(HEARTBEAT).current_time == NOON
    assert log.get_nowait() == "'CP_1': the handler of on_connected failed"


@on_client
def test_a_hook_that_is_at_work_when_its_connection_ends_holds_up_neither_the_next_one_nor_the_end(
    client: Adapter,
) -> None:
    csms, gate = central_system(), Gate()
    csms.on(v16.AuthorizeRequest)(SyncAdapter().gated(gate, accepted))  # which answers nobody for now
    heard: list[Any] = []
    asking = client.asking(authorize("first"), lambda *_: None, heard)
    with both(client, csms, on_connected=lambda peer: asking(peer, None)) as (uplink, door, _):
        csms.accept("CP_1")
        uplink.wait_connected()
        waits = uplink.start(HEARTBEAT)
        for number in (1, 2):
            gate.arrived.get(timeout=PATIENCE)
            if number == 1:
                door.shut()
                until(lambda: not uplink.peer.is_connected)
                door.open()
        gate.open()
        assert waits.result(PATIENCE).current_time == NOON
    assert heard[-1] == accepted()


# -- security events --


@on_client
def test_why_the_tls_of_a_central_system_was_not_trusted_is_reported_once_f_17_rpc_149(client: Adapter) -> None:
    reports: queue.Queue[v16.SecurityEventNotificationRequest] = queue.Queue()
    csms = central_system(accept_before_boot=True)

    @csms.on(v16.SecurityEventNotificationRequest)
    def note(_: Any, request: v16.SecurityEventNotificationRequest) -> v16.SecurityEventNotificationResponse:
        reports.put(request)
        return v16.SecurityEventNotificationResponse()

    theirs, ours = tls(trustme.CA())[0], tls(trustme.CA())[1]
    before = datetime.now(UTC)
    with SyncAdapter().serve(csms, ssl=theirs) as impostor, SyncAdapter().serve(csms) as served:
        bad = client.module.Target(impostor.url.replace("ws:", "wss:"), ssl=ours)
        with door_to(served.port) as (url, door), kept(client, [bad, url], attempts=2) as uplink:
            uplink.wait_connected()
            report = reports.get(timeout=PATIENCE)
            assert report.type == "InvalidCentralSystemCertificate"
            assert before <= report.timestamp <= datetime.now(UTC)
            assert uplink.call(HEARTBEAT).current_time == NOON
            assert reports.empty(), "both attempts are one event"
            door.shut()
            until(lambda: not uplink.peer.is_connected)
            door.open()
            assert reports.get(timeout=PATIENCE).type == report.type
            assert uplink.call(HEARTBEAT).current_time == NOON
            assert reports.empty()


@on_client
def test_security_events_need_not_be_reported_rpc_149(client: Adapter) -> None:
    reported: list[Any] = []
    csms = central_system(accept_before_boot=True)
    csms.on(v16.SecurityEventNotificationRequest)(
        lambda _, request: (reported.append(request), v16.SecurityEventNotificationResponse())[1]
    )
    theirs, ours = tls(trustme.CA())[0], tls(trustme.CA())[1]
    with SyncAdapter().serve(csms, ssl=theirs) as impostor, SyncAdapter().serve(csms) as served:
        bad = client.module.Target(impostor.url.replace("ws:", "wss:"), ssl=ours)
        where = [bad, served.url]
        with kept(client, where, attempts=1, report_security_events=False) as uplink:
            assert uplink.call(HEARTBEAT).current_time == NOON
            assert uplink.call(HEARTBEAT).current_time == NOON
    assert reported == []


def test_after_the_block_of_threads_nothing_can_be_sent() -> None:
    with door_to(None) as (url, _), kept(SyncAdapter(), url, backoff=NEVER) as uplink:
        pass
    with pytest.raises(SessionClosed):
        uplink.peer.send(STREAM)
    with pytest.raises(ConnectionLost) as failure:  # who calls may not know yet
        uplink.peer.call(HEARTBEAT)
    assert not failure.value.sent


# -- under an event loop --


@pytest.mark.parametrize("client", EVENT_LOOPS, ids=str)
def test_after_the_block_of_an_event_loop_nothing_can_be_sent(client: AsyncAdapter) -> None:
    async def be_late(url: str) -> None:
        async with client.module.keep_connected(url, "CP_1", backoff=NEVER) as uplink:
            pass
        with pytest.raises(SessionClosed):
            uplink.send(STREAM)
        with pytest.raises(ConnectionLost) as failure:  # who calls may not know yet
            await uplink.call(HEARTBEAT)
        assert not failure.value.sent

    with door_to(None) as (url, _):
        anyio.run(be_late, url, backend=client.backend)


@pytest.mark.parametrize("client", EVENT_LOOPS, ids=str)
def test_a_call_that_is_cancelled_is_given_up_and_nothing_else_f_11(client: AsyncAdapter) -> None:
    csms, gate = central_system(accept_before_boot=True), Gate()
    csms.on(v16.AuthorizeRequest)(SyncAdapter().gated(gate, accepted))
    with both(client, csms) as (uplink, _, _):
        sent = uplink.start(authorize("sent"))
        gate.arrived.get(timeout=PATIENCE)
        waits = uplink.start(authorize("waits"))
        waiting(uplink, 2)
        sent.cancel()
        waits.cancel()
        until(lambda: not uplink.peer._waiters)
        gate.open()
        assert uplink.call(authorize("next")) == accepted()
        assert gate.arrived.get(timeout=PATIENCE).id_tag == "next"


@pytest.mark.parametrize("client", EVENT_LOOPS, ids=str)
def test_a_handler_may_call_by_way_of_it(client: AsyncAdapter) -> None:
    handlers = ChargePointHandlers()
    heard: list[Any] = []

    @handlers.on(v16.ResetRequest)
    async def reset(_: Any, __: v16.ResetRequest) -> v16.ResetResponse:
        heard.append(await uplink.peer.call(HEARTBEAT))
        return v16.ResetResponse(status=v16.ResetStatus.ACCEPTED)

    with both(client, handlers=handlers) as (uplink, _, served):
        uplink.wait_connected()
        until(lambda: "CP_1" in served.csms.stations)
        assert served.call("CP_1", RESET).status is v16.ResetStatus.ACCEPTED
        assert [each.current_time for each in heard] == [NOON]


def test_a_block_that_is_cancelled_at_any_step_leaves_nothing_behind_asyncio() -> None:
    async def keep(url: str) -> None:
        async with on_asyncio.keep_connected(url, "CP_1", limits=LIMITS) as uplink:
            await uplink.call(HEARTBEAT)
            await asyncio.sleep(PATIENCE)

    async def main(url: str) -> None:
        for steps in range(40):
            task = asyncio.create_task(keep(url))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
        assert len(asyncio.all_tasks()) == 1

    with SyncAdapter().serve(central_system(accept_before_boot=True)) as served:
        asyncio.run(main(served.url))


def test_a_block_that_is_cancelled_at_any_step_leaves_nothing_behind_trio() -> None:
    async def main(url: str) -> None:
        for steps in range(40):
            with trio.CancelScope() as scope:
                async with on_trio.keep_connected(url, "CP_1", limits=LIMITS):
                    for _ in range(steps):
                        await trio.lowlevel.checkpoint()
                    scope.cancel()
                    await trio.sleep_forever()
            assert scope.cancelled_caught

    with SyncAdapter().serve(central_system()) as served:
        trio.run(main, served.url)


def test_the_attempts_are_made_when_they_are_due_to_the_second_f_15_rpc_126() -> None:
    attempts: list[float] = []

    class Instants(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "no connection" in record.getMessage():
                attempts.append(trio.current_time() - began)
                if len(attempts) == 7:
                    enough.set()

    async def main(url: str) -> None:
        nonlocal began, enough
        began, enough = trio.current_time(), trio.Event()
        async with on_trio.keep_connected(url, "CP_1", backoff=Backoff(random_range=0.0)):
            await enough.wait()

    began, enough = 0.0, trio.Event()
    logger, instants = logging.getLogger("ocpp_transports"), Instants()
    logger.addHandler(instants)
    try:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))  # and does not listen
            url = f"ws://127.0.0.1:{unused.getsockname()[1]}/"
            trio.run(main, url, clock=trio.testing.MockClock(autojump_threshold=0.05))
    finally:
        logger.removeHandler(instants)
    assert attempts == [0, 10, 30, 70, 150, 310, 630]


# -- a role --


@on_client
def test_a_charge_point_is_operated_at_several_endpoints_too_rpc_129(client: Adapter) -> None:
    store = MemoryStore()
    booted = threading.Event()

    def act(_: Any, effect: Any) -> None:
        if isinstance(effect, RegistrationChanged):
            booted.set()

    with SyncAdapter().serve(central_system()) as served, door_to(None) as (nowhere, door):
        point = cp.ChargePoint(cp.Setup(BOOT), now=time.monotonic(), utc=datetime.now(UTC), records=store.load())
        module: Any = client.module
        operating = module.operate(
            point, [nowhere, served.url], "CP_1", store=store, act=act, backoff=SOON, attempts=2, limits=LIMITS
        )
        if isinstance(client, AsyncAdapter):
            with client.loop() as portal, portal.wrap_async_context_manager(operating):
                assert booted.wait(PATIENCE)
        else:
            with operating:
                assert booted.wait(PATIENCE)
        assert door.knocks.qsize() == 2
