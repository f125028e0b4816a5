"""What is special to blocking sockets: threads, or none; handlers inside calls; running out of descriptors."""

from __future__ import annotations

import errno
import json
import logging
import os
import queue
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from ocpp_sansio import (
    CallRefused,
    CentralSystem,
    ChargePointHandlers,
    ConnectionClosed,
    ErrorCode,
    Limits,
    LocalProtocolError,
    v16,
)
from ocpp_transports import _blocking_server, sync
from ocpp_transports._blocking import Driver
from ocpp_transports.sync import RemoteCentralSystem, connect, serve
from tests.transports.contract import (
    BOOT,
    HEARTBEAT,
    PATIENCE,
    RESET,
    RawPeer,
    booted,
    central_system,
    charge_point,
    heartbeat,
    nothing_left_over,
    raw_client,
    raw_server,
)

AUTHORIZE = v16.AuthorizeRequest(id_tag="TAG")


def accepted(*_: object) -> v16.AuthorizeResponse:
    return v16.AuthorizeResponse(id_tag_info=v16.IdTagInfo(status=v16.AuthorizationStatus.ACCEPTED))


@contextmanager
def connected(
    csms: CentralSystem | None = None, handlers: ChargePointHandlers | None = None
) -> Iterator[tuple[RemoteCentralSystem, CentralSystem]]:
    csms = csms or central_system(accept_before_boot=True)
    with (
        serve(csms, port=0) as server,
        connect(f"ws://127.0.0.1:{server.port}", "CP_1", handlers=handlers or charge_point()) as peer,
    ):
        yield peer, csms


def test_a_client_has_no_thread_and_answers_while_it_waits_for_its_own_answer() -> None:
    csms = central_system(accept_before_boot=True)
    threads: list[Any] = []
    handlers = ChargePointHandlers()

    @handlers.on(v16.ResetRequest)
    def reset(*_: object) -> v16.ResetResponse:
        threads.append(threading.current_thread())
        return v16.ResetResponse(status=v16.ResetStatus.ACCEPTED)

    @csms.on(v16.AuthorizeRequest)
    def authorize(station: Any, request: object) -> v16.AuthorizeResponse:
        assert station.call(RESET).status is v16.ResetStatus.ACCEPTED
        return accepted()

    with connected(csms, handlers) as (peer, _):
        assert peer.call(AUTHORIZE) == accepted()
    assert threads == [threading.main_thread()]


def test_an_idle_client_answers_in_run_for() -> None:
    done = threading.Event()
    handlers = charge_point()

    @handlers.on(v16.ClearCacheRequest)
    def clear(peer: RemoteCentralSystem, _: object) -> v16.ClearCacheResponse:
        done.set()
        return v16.ClearCacheResponse(status=v16.ClearCacheStatus.ACCEPTED)

    with connected(handlers=handlers) as (peer, csms), ThreadPoolExecutor(1) as thread:
        peer.call(HEARTBEAT)
        answer = thread.submit(csms.stations["CP_1"].call, v16.ClearCacheRequest())
        while not answer.done():
            peer.run_for(0.01)
        assert answer.result().status is v16.ClearCacheStatus.ACCEPTED
        assert done.is_set()
        peer.run_for(0)


def test_threads_take_turns_in_running_a_client_f_133() -> None:
    with connected() as (peer, _), ThreadPoolExecutor(8) as threads:
        calls = [threads.submit(peer.call, HEARTBEAT) for _ in range(100)]
        assert [call.result(PATIENCE) for call in calls] == [heartbeat()] * 100


def test_a_station_is_called_from_a_thread_while_its_own_handler_calls_it_f_133() -> None:
    csms = central_system(accept_before_boot=True)
    with ThreadPoolExecutor(1) as thread:

        @csms.on(v16.AuthorizeRequest)
        def authorize(station: Any, _: object) -> v16.AuthorizeResponse:
            other = thread.submit(station.call, RESET)
            assert station.call(RESET).status is v16.ResetStatus.ACCEPTED
            assert other.result(PATIENCE).status is v16.ResetStatus.ACCEPTED
            return accepted()

        with connected(csms) as (peer, _):
            assert peer.call(AUTHORIZE) == accepted()


def test_ctrl_c_gives_a_call_up_and_leaves_the_connection_usable_f_11() -> None:
    csms = central_system(accept_before_boot=True)
    go_on = threading.Event()

    @csms.on(v16.AuthorizeRequest)
    def authorize(*_: object) -> v16.AuthorizeResponse:
        os.kill(os.getpid(), signal.SIGINT)
        assert go_on.wait(PATIENCE)
        return accepted()

    with connected(csms) as (peer, _):
        with pytest.raises(KeyboardInterrupt):
            peer.call(AUTHORIZE)
        go_on.set()
        assert peer.call(HEARTBEAT) == heartbeat()


def test_an_async_handler_that_waits_for_nothing_is_as_good_as_a_plain_one(caplog: pytest.LogCaptureFixture) -> None:
    csms = CentralSystem(accept_before_boot=True)

    @csms.authenticate
    async def authenticate(_: object) -> bool:
        return True

    @csms.on(v16.BootNotificationRequest)
    async def boot(*_: object) -> v16.BootNotificationResponse:
        return booted()

    @csms.on(v16.AuthorizeRequest)
    async def authorize(*_: object) -> v16.AuthorizeResponse:
        class Never:
            def __await__(self) -> Iterator[None]:
                yield

        await Never()  # type: ignore[misc]
        raise AssertionError

    with connected(csms) as (peer, _):
        assert peer.call(BOOT) == booted()
        with pytest.raises(CallRefused) as refused:
            peer.call(AUTHORIZE)
        assert refused.value.code is ErrorCode.INTERNAL_ERROR
        assert "plain functions" in caplog.text
        assert peer.call(BOOT) == booted()


def test_a_handler_that_exits_does_not_take_its_thread_along_f_12() -> None:
    csms = central_system(accept_before_boot=True)

    @csms.on(v16.AuthorizeRequest)
    def authorize(*_: object) -> v16.AuthorizeResponse:
        raise SystemExit(3)

    with connected(csms) as (peer, _):
        with pytest.raises(CallRefused) as refused:
            peer.call(AUTHORIZE)
        assert refused.value.code is ErrorCode.INTERNAL_ERROR
        assert peer.call(HEARTBEAT) == heartbeat()


@pytest.mark.parametrize("watched", [False, True])
def test_handlers_that_call_each_others_stations_do_not_wait_for_each_other_f_133(watched: bool) -> None:
    csms = central_system(accept_before_boot=True)
    names = ["CP_1", "CP_2", "CP_3"]
    all_at_once, begun = threading.Barrier(len(names), timeout=PATIENCE), set[str]()

    @csms.on(v16.AuthorizeRequest)
    def authorize(station: Any, _: object) -> v16.AuthorizeResponse:
        if station.identity not in begun:
            begun.add(station.identity)
            all_at_once.wait()
        for each in names:
            assert csms.stations[each].call(RESET).status is v16.ResetStatus.ACCEPTED
        return accepted()

    def ask(url: str, identity: str) -> None:
        with connect(url, identity, handlers=charge_point()) as peer:
            if watched:
                peer.call(HEARTBEAT)
                watchers.append(threads.submit(csms.stations[identity].wait_closed))
            answers.append([peer.call(AUTHORIZE) for _ in range(10)])
            while len(answers) < len(names) and peer.closed is None:  # others still ask
                peer.run_for(0.01)

    answers: list[list[v16.AuthorizeResponse]] = []
    watchers: list[Future[Any]] = []
    with ThreadPoolExecutor(2 * len(names)) as threads, serve(csms, port=0) as server:
        asked = [threads.submit(ask, f"ws://127.0.0.1:{server.port}", each) for each in names]
        for each in asked:
            each.result(PATIENCE)
        for watcher in watchers:
            assert isinstance(watcher.result(PATIENCE), ConnectionClosed)
    assert answers == [[accepted()] * 10] * len(names)


def test_a_thread_that_asks_for_what_cannot_be_sent_is_told_at_once_f_133(monkeypatch: pytest.MonkeyPatch) -> None:
    with connected() as (peer, csms), ThreadPoolExecutor(1) as thread:
        peer.call(HEARTBEAT)
        driver = csms.stations["CP_1"]._driver
        turn, waits = driver._turn, threading.Event()
        wait = turn.wait

        def wait_visibly(timeout: float) -> None:
            waits.set()
            wait(timeout)

        def begin(*_: object) -> Any:
            assert waits.wait(PATIENCE)
            with turn:  # by now it does wait
                raise LocalProtocolError("not this")

        monkeypatch.setattr(turn, "wait", wait_visibly)
        monkeypatch.setattr(driver, "begin", begin)
        with pytest.raises(LocalProtocolError, match="not this"):
            thread.submit(driver.ask, HEARTBEAT, None, None).result(PATIENCE)


def test_what_a_client_has_to_answer_is_on_its_way_when_its_call_returns() -> None:
    answers: queue.Queue[str] = queue.Queue()

    def answer_and_ask(peer: RawPeer) -> None:
        _, message_id, *_ = json.loads(peer.receive_text())
        result = json.dumps([3, message_id, {"currentTime": "2026-01-01T12:00:00Z"}])
        peer.stream.sendall(peer.frame(result) + peer.frame('[2,"1","Reset",{"type":"Soft"}]'))
        answers.put(peer.receive_text())
        peer.receive_code()

    limits = Limits(close_timeout=0.1)
    with raw_server(answer_and_ask) as url, connect(url, "CP_1", handlers=charge_point(), limits=limits) as peer:
        peer.call(HEARTBEAT)
        assert answers.get(timeout=PATIENCE) == '[3,"1",{"status":"Accepted"}]'


def test_an_end_that_has_been_heard_is_not_heard_again_and_again_f_09(monkeypatch: pytest.MonkeyPatch) -> None:
    csms = CentralSystem(accept_before_boot=True, limits=Limits(close_timeout=0.2, max_unsent=10**8))
    ends: list[object] = []
    hear_end = Driver._hear_end

    def count(driver: Any) -> None:
        ends.append(driver)
        hear_end(driver)

    @csms.on(v16.DataTransferRequest)
    def transfer(*_: object) -> v16.DataTransferResponse:
        return v16.DataTransferResponse(status=v16.DataTransferStatus.ACCEPTED, data="x" * 10**7)

    monkeypatch.setattr(Driver, "_hear_end", count)
    with serve(csms, port=0) as server, raw_client(server.port, receive_buffer=4096) as peer:
        (thread,) = (each for each in threading.enumerate() if each.name == "ocpp-station")
        peer.send('[2,"1","DataTransfer",{"vendorId":"V"}]')
        peer.stream.shutdown(socket.SHUT_WR)  # and what it has asked for it does not read
        thread.join(PATIENCE)
        assert len(ends) == 2  # and the last one is our own


def test_all_addresses_of_a_name_share_the_time_there_is_to_connect_f_15(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float | None] = []

    class Stubborn(socket.socket):
        def connect(self, address: Any) -> None:
            given.append(self.gettimeout())
            raise ConnectionRefusedError(address)

    def look_up(host: str, port: int, **_: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (f"127.0.0.{number}", port)) for number in range(1, 4)]

    monkeypatch.setattr(socket, "socket", Stubborn)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    for timeout, shares in ((6000.0, [2000, 3000, 6000]), (None, [None] * 3)):
        with (
            pytest.raises(ConnectionRefusedError, match=r"127\.0\.0\.3"),
            connect("ws://csms.example:1", "CP_1", limits=Limits(handshake_timeout=timeout)),
        ):
            pass
        assert given == [share and pytest.approx(share, rel=0.01) for share in shares]
        given.clear()
    with (
        pytest.raises(TimeoutError),
        connect("ws://csms.example:1", "CP_1", limits=Limits(handshake_timeout=1e-9)),
    ):
        pass
    assert not given


def test_a_client_without_descriptors_leaves_no_socket_behind_f_13(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with (
        nothing_left_over(),
        raw_server(lambda peer: peer.read_all(), shake_hands=False) as url,
        monkeypatch.context() as patch,
    ):
        patch.setattr(socket, "socketpair", fail)
        with pytest.raises(OSError, match="Too many"), connect(url, "CP_1"):
            pass


def test_a_server_without_threads_leaves_nothing_behind_f_13(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    with nothing_left_over(), pytest.raises(RuntimeError, match="new thread"), serve(central_system(), port=0):
        pass


def test_without_threads_the_server_waits_and_accepts_again_f_13(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = threading.Event()
    start = threading.Thread.start

    def fail_once(thread: threading.Thread) -> None:
        if thread.name == "ocpp-station" and not failed.is_set():
            failed.set()
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fail_once)
    monkeypatch.setattr(_blocking_server, "ACCEPT_PAUSE", 0.001)
    with serve(central_system(), port=0) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as turned_away:
            assert failed.wait(PATIENCE)
            assert turned_away.recv(1) == b""
        with raw_client(server.port):
            pass


def test_without_descriptors_the_server_waits_and_accepts_again_f_13(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failed = threading.Event()
    welcome = sync.Server._welcome

    def fail_once(server: sync.Server, stream: socket.socket, address: object) -> None:
        if not failed.is_set():
            failed.set()
            stream.close()
            raise OSError(errno.EMFILE, "Too many open files")
        welcome(server, stream, address)

    monkeypatch.setattr(sync.Server, "_welcome", fail_once)
    monkeypatch.setattr(_blocking_server, "ACCEPT_PAUSE", 0.001)
    with serve(central_system(), port=0) as server:
        with socket.create_connection(("127.0.0.1", server.port)):
            assert failed.wait(PATIENCE)
        with raw_client(server.port):
            pass
    assert "Too many open files" in caplog.text


def test_a_handler_that_never_ends_does_not_hold_the_server_up_f_138(caplog: pytest.LogCaptureFixture) -> None:
    csms = central_system(accept_before_boot=True, limits=Limits(close_timeout=0.05))
    started, go_on = threading.Event(), threading.Event()

    @csms.on(v16.AuthorizeRequest)
    def authorize(*_: object) -> v16.AuthorizeResponse:
        started.set()
        assert go_on.wait(PATIENCE)
        return accepted()

    with caplog.at_level(logging.WARNING), serve(csms, port=0) as server, raw_client(server.port) as peer:
        peer.send('[2,"1","Authorize",{"idTag":"TAG"}]')
        assert started.wait(PATIENCE)
        server.close()
        assert "a handler is still running" in caplog.text
        (thread,) = (each for each in threading.enumerate() if each.name == "ocpp-station")
        go_on.set()
        thread.join(PATIENCE)


def test_ctrl_c_inside_the_closing_handshake_leaves_no_socket_behind() -> None:
    def interrupt(peer: RawPeer) -> None:
        assert peer.receive()[0] == 8  # the close frame, which is not answered
        os.kill(os.getpid(), signal.SIGINT)
        peer.read_all()

    with (
        nothing_left_over(),
        raw_server(interrupt) as url,
        pytest.raises(KeyboardInterrupt),
        connect(url, "CP_1", limits=Limits(close_timeout=PATIENCE)),
    ):
        pass
