"""The ASGI application: by itself, called by a server that the tests play, and under real servers."""

from __future__ import annotations

import base64
import gc
import queue
import socket
import time
import tracemalloc
import weakref
import zlib
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any

import anyio
import anyio.lowlevel
import hypercorn.asyncio
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio import (
    CallFailure,
    CentralSystem,
    CertificateFacts,
    ConnectionClosed,
    ConnectionLost,
    ConnectionRequested,
    Credentials,
    Limits,
    LocalProtocolError,
    NoMatch,
    Takeover,
    Version,
    v16,
)
from ocpp_sansio import central_system as cs
from ocpp_sansio.store import MemoryStore
from ocpp_transports import asgi_servers as settings
from ocpp_transports.asgi import Station, asgi
from ocpp_transports.sync import HandshakeFailed
from ocpp_transports.testing import RawPeer, SyncAdapter, connected, raw_client
from ocpp_transports.testing.samples import HEARTBEAT, RESET, central_system, heartbeat, reset
from tests.transports.asgi_host import DENIAL, Host, hosting, in_loops, quiet, served
from tests.transports.asgi_servers import ASGI_SERVERS, AsgiServer, Serve, on_granian, on_hypercorn, on_uvicorn

pytestmark = pytest.mark.usefixtures("nothing_is_left_over")

QUESTION = '[2,"1","Heartbeat",{}]'
AUTHORIZE = '[2,"2","Authorize",{"idTag":"TAG"}]'


def open_system(**options: Any) -> CentralSystem:
    return central_system(accept_before_boot=True, **options)


def accepted(*_: object) -> v16.AuthorizeResponse:
    return v16.AuthorizeResponse(id_tag_info=v16.IdTagInfo(status=v16.AuthorizationStatus.ACCEPTED))


def knocks() -> tuple[CentralSystem, list[ConnectionRequested]]:
    """A central system, and the requests that it is asked about; it refuses them all."""
    csms, seen = open_system(authenticate=None), list[ConnectionRequested]()

    @csms.authenticate
    def refuse(request: ConnectionRequested) -> bool:
        seen.append(request)
        return False

    return csms, seen


# -- talking --


@in_loops
async def test_calls_go_both_ways() -> None:
    csms = open_system()
    async with hosting(asgi(csms)) as host:
        assert await host.heard(1) == {"type": "websocket.accept", "subprotocol": "ocpp1.6"}
        host.say(QUESTION)
        assert (await host.answer(2))[:2] == [3, "1"]
        station = csms.stations["CP_1"]
        assert isinstance(station, Station)
        async with anyio.create_task_group() as tasks:
            outcome: list[Any] = []

            async def ask() -> None:
                outcome.append(await station.call(RESET))

            tasks.start_soon(ask)
            number = (await host.answer(3))[1]
            host.say(f'[3,"{number}",{{"status":"Accepted"}}]')
        assert outcome == [reset()]
        host.leave(1001, "bye")
        await host.over.wait()
        assert station.closed == ConnectionClosed(1001, "bye", by_peer=True)
        assert not csms.stations


@in_loops
async def test_a_tap_is_shown_every_message_and_its_station() -> None:
    heard: list[tuple[str, str, str]] = []

    def tap(station: Any, direction: Any, text: str, _: float) -> None:
        heard.append((station.identity, direction.value, text))

    async with hosting(asgi(open_system(), tap=tap)) as host:
        host.say(QUESTION)
        await host.heard(2)
    assert heard == [("CP_1", "in", QUESTION), ("CP_1", "out", host.sent[1]["text"])]


@in_loops
async def test_a_binary_message_ends_the_connection_f_47() -> None:
    async with hosting(asgi(open_system())) as host:
        host.give({"type": "websocket.receive", "bytes": QUESTION.encode(), "text": None})
        await host.over.wait()
    assert host.sent[1:] == [{"type": "websocket.close", "code": 1003, "reason": "binary message"}]


@in_loops
async def test_a_message_that_the_server_lets_through_may_be_too_long_all_the_same_f_49() -> None:
    csms = open_system(limits=Limits(max_message_size=100))
    async with hosting(asgi(csms)) as host:
        await host.heard(1)
        station = csms.stations["CP_1"]
        host.say("x" * 101)
        await host.over.wait()
    assert host.sent[1]["code"] == 1009
    assert station.closed is not None
    assert station.closed.code == 1009


@in_loops
async def test_closing_a_station_waits_for_its_consent_and_tells_how_it_ended_f_10() -> None:
    csms = open_system()
    async with hosting(asgi(csms)) as host, anyio.create_task_group() as tasks:
        await host.heard(1)
        station = csms.stations["CP_1"]
        tasks.start_soon(station.close, 1001, "enough")
        assert await host.heard(2) == {"type": "websocket.close", "code": 1001, "reason": "enough"}
        assert not host.over.is_set()
        host.leave(1005)
        await host.over.wait()
        assert station.closed == ConnectionClosed(1001, "enough", by_peer=False)


@in_loops
async def test_a_server_that_never_says_that_it_has_closed_is_not_waited_for_f_10() -> None:
    csms = open_system(limits=Limits(close_timeout=0.05))
    host = Host(asgi(csms))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(host.run)
        await host.heard(1)
        station = csms.stations["CP_1"]
        await station.close()
        assert station.closed.code == 1006
    assert host.error is None


@in_loops
async def test_an_observer_is_told() -> None:
    class Observer:
        def __init__(self) -> None:
            self.seen: list[Any] = []

        def opened(self, identity: str, version: Any, role: Any) -> None:
            self.seen.append((identity, str(version), role))

        def refused(self, identity: str, status: int | None) -> None:
            self.seen.append((identity, status))

    observer, csms = Observer(), open_system()
    async with hosting(asgi(csms, observer=observer)):  # type: ignore[arg-type] - it is told no more than that
        await quiet()
    csms, _ = knocks()
    await served(asgi(csms, observer=observer))  # type: ignore[arg-type]
    assert [each[:2] for each in observer.seen] == [("CP_1", "1.6"), ("CP_1", 401)]


# -- who may connect --


@pytest.mark.parametrize("status", [401, 403, 404, 409, 429, 503])
@in_loops
async def test_a_refusal_has_its_status_where_the_server_can_say_it_and_is_403_where_not(status: int) -> None:
    """RPC-015, RPC-016."""
    csms = open_system(authenticate=lambda _: HTTPStatus(status))
    host = await served(asgi(csms))
    start, body = host.sent
    assert start["type"] == "websocket.http.response.start"
    assert start["status"] == status
    fields = dict(start["headers"])
    assert fields[b"content-length"] == str(len(body["body"])).encode()
    assert (b"www-authenticate" in fields) == (status == 401)
    assert (body["type"], body["body"].decode()) == ("websocket.http.response.body", HTTPStatus(status).phrase)
    for extensions in (None, {}):
        host = await served(asgi(csms), extensions=extensions)
        assert [message["type"] for message in host.sent] == ["websocket.close"]


@in_loops
async def test_an_async_hook_decides_while_the_client_waits_and_may_take_too_long_f_02() -> None:
    csms, asked = open_system(authenticate=None), anyio.Event()

    @csms.authenticate
    async def decide(_: object) -> bool:
        asked.set()
        await anyio.lowlevel.checkpoint()
        return True

    async with hosting(asgi(csms)) as host:
        assert (await host.heard(1))["type"] == "websocket.accept"
    assert asked.is_set()

    csms = open_system(authenticate=None, limits=Limits(handshake_timeout=0.05, close_timeout=0.05))

    @csms.authenticate
    async def hesitate(_: object) -> bool:
        await anyio.sleep_forever()
        return True

    host = await served(asgi(csms))
    assert host.sent[0]["status"] == 503


@in_loops
async def test_without_a_common_version_a_client_is_let_in_and_turned_out_or_refused() -> None:
    """RPC-012, RPC-013."""
    async with hosting(asgi(open_system()), subprotocols=["ocpp9"]) as host:
        await host.heard(2)
    assert host.sent == [
        {"type": "websocket.accept", "subprotocol": None},
        {"type": "websocket.close", "code": 1002, "reason": "no OCPP version in common"},
    ]
    host = await served(asgi(open_system(no_match=NoMatch.REJECT)), subprotocols=[])
    assert host.sent[0]["status"] == 400


@in_loops
async def test_the_clients_order_decides_which_version_is_spoken() -> None:
    """RPC-011."""
    app = asgi(open_system(versions=["1.6", "2.0.1", "2.1"]))
    async with hosting(app, subprotocols=["soap", "ocpp2.0.1", "ocpp1.6"]) as host:
        assert (await host.heard(1))["subprotocol"] == "ocpp2.0.1"


@pytest.mark.parametrize(
    ("scope", "identity", "path"),
    [
        (
            {"raw_path": b"/api/v1/ocpp/CP%7C1", "path": "/ocpp/CP|1", "root_path": "/api/v1"},
            "CP|1",
            "/api/v1/ocpp/CP%7C1",
        ),
        ({"raw_path": b"/CP_1", "query_string": b"a=b&c=/d"}, "CP_1", "/CP_1?a=b&c=/d"),
        ({"raw_path": None, "path": "/ocpp/CP|1 ä"}, "CP|1 ä", "/ocpp/CP%7C1%20%C3%A4"),
        ({"path": "/ocpp/100%"}, None, ""),
        ({"raw_path": b"/ocpp/a%2Fb", "path": "/ocpp/a/b"}, None, ""),
        ({"raw_path": b"/ocpp/", "path": "/ocpp/"}, None, ""),
        ({"raw_path": b"/ocpp/CP\xc3\xa4", "path": "/ocpp/CPä"}, None, ""),
        ({"path": ""}, None, ""),
    ],
)
@in_loops
async def test_the_identity_is_the_last_segment_of_the_path_under_any_mount_f_30(
    scope: dict[str, Any], identity: str | None, path: str
) -> None:
    """RPC-002."""
    csms, seen = knocks()
    host = await served(asgi(csms), **scope)
    assert [(request.identity, request.path) for request in seen] == ([(identity, path)] if identity else [])
    assert host.sent[0]["status"] in ({401} if identity else {400, 404})


@in_loops
async def test_the_application_is_told_what_the_server_knows_of_the_client_f_23() -> None:
    csms, seen = knocks()
    credentials = base64.b64encode(b"CP_1:secret")
    await served(
        asgi(csms),
        headers=[
            (b"Sec-WebSocket-Protocol", b"ocpp1.6"),
            (b"Authorization", b"Basic " + credentials),
            (b"x-forwarded-for", b"198.51.100.7"),
        ],
        client=("192.0.2.1", 50000),
        scheme="wss",
        extensions={**DENIAL, "tls": {"client_cert_name": "CN=CP_1,O=Example", "client_cert_error": None}},
    )
    await served(asgi(csms), client=None, scheme="ws", extensions={"tls": {"client_cert_name": None}})
    await served(asgi(csms), extensions={"tls": {"client_cert_name": "CN=CP_1", "client_cert_error": "expired"}})
    known, unknown, failed = seen
    assert known.credentials == Credentials(b"CP_1", b"secret")
    assert (known.source, known.secure) == ("192.0.2.1", True)
    assert known.certificate == CertificateFacts(("CP_1",), ("Example",))
    assert (unknown.credentials, unknown.source, unknown.secure, unknown.certificate) == (None, "", False, None)
    assert failed.certificate is None


@pytest.mark.parametrize(
    "scope",
    [
        {"headers": None, "subprotocols": None, "extensions": None, "client": None},
        {"headers": [["host", "text"]], "query_string": "text", "raw_path": "/text"},
        {"path": None},
        {"raw_path": b"\xff\xfe", "headers": [(b"\xff", b"\xfe")]},
        {"client": ("::1", 1, 2, 3), "extensions": {"tls": {}}},
        {"client": ["", None], "extensions": {"tls": None}},
        {"subprotocols": ("ocpp1.6", "ocpp1.6"), "headers": [(b"origin", b"a"), (b"origin", b"b")]},
        {"scheme": "gopher"},
    ],
)
@in_loops
async def test_no_scope_raises(scope: dict[str, Any]) -> None:
    csms, _ = knocks()
    assert (await served(asgi(csms), **scope)).sent


ODD_TEXT = st.text() | st.text(alphabet=st.characters(categories=["Cs", "Ll"]))
ODD_SCOPES = st.fixed_dictionaries(
    {
        "path": ODD_TEXT,
        "raw_path": st.none() | st.binary(),
        "query_string": st.binary(),
        "headers": st.lists(st.tuples(st.binary(), st.binary())),
        "subprotocols": st.lists(ODD_TEXT | st.just("ocpp1.6")),
        "client": st.none() | st.tuples(ODD_TEXT, st.none() | st.integers()),
        "scheme": ODD_TEXT,
        "extensions": st.none()
        | st.just(DENIAL)
        | st.builds(lambda name: {"tls": {"client_cert_name": name}}, ODD_TEXT),
    }
)


@given(scope=ODD_SCOPES)
def test_no_scope_that_a_server_can_come_up_with_raises(scope: dict[str, Any]) -> None:
    csms, _ = knocks()
    host = anyio.run(partial(served, asgi(csms), **scope))
    assert len(host.sent) == (2 if scope["extensions"] == DENIAL else 1)


# -- compression --


@in_loops
async def test_compression_is_refused_where_it_is_not_known_to_be_bounded_unless_that_is_wanted_f_51() -> None:
    offer = (b"Sec-WebSocket-Extensions", b"permessage-deflate; client_max_window_bits")
    for headers in ([(b"sec-websocket-protocol", b"ocpp1.6"), offer], [(b"host", b"localhost")]):
        host = await served(asgi(open_system()), headers=headers)
        assert host.sent[0]["status"] == 400
        async with hosting(asgi(open_system(), allow_compression=True), headers=headers) as host:
            assert (await host.heard(1))["type"] == "websocket.accept"


@pytest.mark.parametrize("takeover", [Takeover.PROBE, Takeover.PROBE_UNPROVEN])
def test_a_central_system_that_probes_is_not_served_where_nothing_can_be_probed_f_33(takeover: Takeover) -> None:
    with pytest.raises(ValueError, match=f"no ping can be sent through ASGI, so there is no {takeover}"):
        asgi(CentralSystem(takeover=takeover))


# -- the other ends --


@pytest.mark.parametrize("moment", ["at once", "while deciding", "when open", "while working", "while sending"])
@in_loops
async def test_a_client_may_leave_at_any_moment_f_08(moment: str) -> None:
    working = anyio.Event()

    async def work(*_: object) -> Any:
        working.set()
        await anyio.sleep_forever()

    options: dict[str, Any] = {"authenticate": work} if moment == "while deciding" else {}
    csms = open_system(limits=Limits(close_timeout=0.05), **options)
    csms.on(v16.AuthorizeRequest)(work)
    host = Host(asgi(csms))
    async with anyio.create_task_group() as tasks:
        if moment == "at once":
            await host.receive()
            host.leave(1006)
        tasks.start_soon(host.run)
        match moment:
            case "while deciding":
                await working.wait()
            case "when open":
                await host.heard(1)
            case "while working":
                host.say(AUTHORIZE)
                await working.wait()
            case "while sending":
                await host.heard(1)
                host.gate = anyio.Event()
                host.say(QUESTION)
                await quiet()
        if moment != "at once":
            host.leave(1006)
    assert host.error is None
    assert not csms.stations
    assert len(host.sent) == (moment not in {"at once", "while deciding"})


@pytest.mark.parametrize("decision", [None, 401])
@in_loops
async def test_a_hook_that_decides_nothing_lets_nobody_in_and_its_author_is_told_f_25(
    decision: object, caplog: pytest.LogCaptureFixture
) -> None:
    """A ``return`` that was forgotten, and a number where an ``HTTPStatus`` is due."""
    csms = open_system(authenticate=None)

    @csms.authenticate
    def decide(_: ConnectionRequested) -> Any:
        return decision

    async with hosting(asgi(csms)) as host:
        await host.over.wait()
    assert host.sent[0]["status"] == 500
    assert f"returned {type(decision).__name__}, which decides nothing" in caplog.text


@in_loops
async def test_who_leaves_before_he_is_let_in_takes_nobody_s_place_f_33_f_36() -> None:
    csms, asked, decided = open_system(authenticate=None, limits=Limits(max_takeovers=1)), anyio.Event(), anyio.Event()
    incidents: list[Any] = []
    csms.on_incident(incidents.append)

    @csms.authenticate
    async def decide(_: object) -> bool:
        if csms.stations:
            asked.set()
            await decided.wait()
        return True

    async with hosting(asgi(csms)) as old:
        await old.heard(1)
        station = csms.stations["CP_1"]
        async with hosting(asgi(csms)) as other:
            await asked.wait()
            other.leave(1006)
            await quiet()
            decided.set()
            await other.over.wait()
        assert csms.stations["CP_1"] is station
        assert incidents == []
        old.say(QUESTION)
        assert (await old.answer(2))[:2] == [3, "1"]


@in_loops
async def test_a_call_that_is_under_way_fails_when_the_client_leaves() -> None:
    """RPC-131, F-08."""
    csms = open_system()
    async with hosting(asgi(csms)) as host, anyio.create_task_group() as tasks:
        await host.heard(1)
        station, failures = csms.stations["CP_1"], list[CallFailure]()

        async def ask() -> None:
            try:
                await station.call(RESET)
            except CallFailure as failure:
                failures.append(failure)

        tasks.start_soon(ask)
        await host.heard(2)
        host.leave(1006)
        await host.over.wait()
    (failure,) = failures
    assert isinstance(failure, ConnectionLost)
    assert failure.sent


@in_loops
async def test_cancelling_at_any_moment_leaves_nothing_behind_and_says_goodbye_f_11() -> None:
    for rounds in range(70):
        csms = open_system(authenticate=None, limits=Limits(close_timeout=0.05))

        @csms.authenticate
        async def decide(_: object) -> bool:
            await anyio.lowlevel.checkpoint()
            return True

        @csms.on(v16.AuthorizeRequest)
        async def authorize(*_: object) -> v16.AuthorizeResponse:
            await anyio.lowlevel.checkpoint()
            return accepted()

        host = Host(asgi(csms))
        host.say(QUESTION)
        host.say(AUTHORIZE)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(host.run)
            await quiet(rounds)
            tasks.cancel_scope.cancel()
        assert not csms.stations
        kinds = [message["type"] for message in host.sent]
        if len(kinds) > 1:
            assert kinds[-1] == "websocket.close"
            assert host.sent[-1]["code"] == 1001
    assert len(kinds) == 4


@in_loops
async def test_a_server_that_is_stuck_is_not_waited_for_f_07() -> None:
    csms = open_system(limits=Limits(ping_timeout=0.05))
    host = Host(asgi(csms))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(host.run)
        await host.heard(1)
        host.gate = anyio.Event()
        host.say(QUESTION)
    assert host.error is None
    assert len(host.sent) == 1
    assert not csms.stations


@pytest.mark.parametrize("error", [OSError("gone"), RuntimeError("closed already")])
@in_loops
async def test_whatever_sending_raises_is_the_end_of_this_connection_only_f_14(error: Exception) -> None:
    csms = open_system()
    app = asgi(csms)
    host = Host(app)

    async def send(_: Any) -> None:
        raise error

    host.send = send  # type: ignore[method-assign]
    await host.run()
    assert host.error is None
    async with hosting(app) as other:
        await other.heard(1)
        assert list(csms.stations) == ["CP_1"]


@in_loops
async def test_whatever_receiving_raises_is_the_end_of_this_connection_only_f_14() -> None:
    csms = open_system()
    app = asgi(csms)
    async with hosting(app) as host:
        await host.heard(1)
        host.give(RuntimeError("broken"))
        await host.over.wait()
        assert not csms.stations
        assert host.sent[-1] == {"type": "websocket.close", "code": 1001, "reason": "shutting down"}
        async with hosting(app) as other:
            await other.heard(1)


@in_loops
async def test_what_is_over_is_freed_at_once_f_132() -> None:
    csms = open_system()
    app = asgi(csms)
    gc.disable()
    try:
        async with hosting(app) as host:
            host.say(QUESTION)
            await host.heard(2)
            freed = weakref.ref(csms.stations["CP_1"])
            connection = weakref.ref(csms.stations["CP_1"]._driver.connection)
        await quiet()
        assert freed() is None
        assert connection() is None
    finally:
        gc.enable()


# -- back-pressure --


@in_loops
async def test_who_does_not_read_is_not_read_from_f_06() -> None:
    csms = open_system(limits=Limits(max_unsent=1000))
    async with hosting(asgi(csms)) as host:
        await host.heard(1)
        host.gate = anyio.Event()
        for number in range(100):
            host.say(f'[2,"{number}","DataTransfer",{{"vendorId":"Vendor","data":"{"x" * 400}"}}]')
        await quiet(300)
        assert host.asked < 10
        host.gate.set()
        assert (await host.answer(101))[1] == "99"


@in_loops
async def test_who_asks_too_much_at_once_is_not_read_from_f_98() -> None:
    csms, gate = open_system(), anyio.Event()

    @csms.on(v16.AuthorizeRequest)
    async def authorize(*_: object) -> v16.AuthorizeResponse:
        await gate.wait()
        return accepted()

    async with hosting(asgi(csms)) as host:
        for number in range(100):
            host.say(AUTHORIZE.replace("2", str(number + 10), 2).replace(str(number + 10), "2", 1))
        await quiet(300)
        assert host.asked < 2 * Limits().max_inbound_calls
        gate.set()
        await host.heard(101)


# -- handlers --


@in_loops
async def test_a_handler_comes_to_its_end_when_the_connection_has_come_to_its_own() -> None:
    csms, go_on, ended = open_system(), anyio.Event(), list[str]()

    @csms.on(v16.AuthorizeRequest)
    async def authorize(station: Any, _: object) -> v16.AuthorizeResponse:
        try:
            await go_on.wait()
            ended.append(f"{station.closed.code}")
        except BaseException:
            ended.append("cancelled")
            raise
        return accepted()

    async with hosting(asgi(csms)) as host:
        host.say(AUTHORIZE)
        await quiet()
        host.leave()
        while csms.stations:
            await anyio.lowlevel.checkpoint()
        assert not host.over.is_set()
        go_on.set()
    assert ended == ["1000"]
    go_on = anyio.Event()
    csms.limits = Limits(close_timeout=0.05)
    async with hosting(asgi(csms)) as host:
        host.say(AUTHORIZE)
        await quiet()
    assert ended == ["1000", "cancelled"]


@in_loops
async def test_a_handler_that_runs_into_the_cancellation_of_something_else_has_failed_f_12() -> None:
    csms = open_system()
    cancelled = anyio.get_cancelled_exc_class()

    @csms.on(v16.AuthorizeRequest)
    async def authorize(*_: object) -> v16.AuthorizeResponse:
        await anyio.lowlevel.checkpoint()
        if cancelled.__module__.startswith("asyncio"):
            raise cancelled
        raise LookupError  # trio's cannot be raised by hand

    async with hosting(asgi(csms)) as host:
        host.say(AUTHORIZE)
        assert (await host.answer(2))[:3] == [4, "2", "InternalError"]


@in_loops
async def test_a_handler_may_ask_before_it_answers() -> None:
    csms = open_system()

    @csms.on(v16.AuthorizeRequest)
    async def authorize(station: Any, _: object) -> v16.AuthorizeResponse:
        assert await station.call(RESET) == reset()
        return accepted()

    async with hosting(asgi(csms)) as host:
        host.say(AUTHORIZE)
        number = (await host.answer(2))[1]
        host.say(f'[3,"{number}",{{"status":"Accepted"}}]')
        assert (await host.answer(3))[:2] == [3, "2"]


# -- what outlives connections --


@in_loops
async def test_a_request_for_anything_else_is_told_what_this_is() -> None:
    host = await served(asgi(open_system()), type="http", method="GET")
    start, body = host.sent
    assert (start["type"], start["status"]) == ("http.response.start", 426)
    assert (b"upgrade", b"websocket") in start["headers"]
    assert body["type"] == "http.response.body"
    host = Host(asgi(open_system()), type="telepathy")
    await host.run()
    assert isinstance(host.error, NotImplementedError)


@in_loops
async def test_at_the_end_of_the_lifespan_every_station_is_told() -> None:
    csms = open_system()
    app = asgi(csms)
    life = Host(app, type="lifespan")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(life.run)
        assert await life.heard(1) == {"type": "lifespan.startup.complete"}
        async with hosting(app) as host:
            await host.heard(1)
            life.give({"type": "lifespan.shutdown"})
            assert await host.heard(2) == {"type": "websocket.close", "code": 1001, "reason": "shutting down"}
            late = await served(app)
            assert late.sent[0]["status"] == 503
            assert len(life.sent) == 1
            host.leave(1001)
        assert await life.heard(2) == {"type": "lifespan.shutdown.complete"}
    async with hosting(app) as host:  # a server may live on, and be used again
        assert (await host.heard(1))["type"] == "websocket.accept"


@in_loops
async def test_without_authentication_the_log_says_so_once_and_loudly(log: queue.Queue[str]) -> None:
    app = asgi(CentralSystem())
    for _ in range(2):
        async with hosting(app):
            await quiet()
    assert "authenticate" in log.get_nowait()
    assert log.empty()


BOOTING = '[2,"1","BootNotification",{"chargePointVendor":"Vendor","chargePointModel":"Model"}]'


def playing(act: Any) -> tuple[CentralSystem, cs.CentralSystem]:
    store = MemoryStore()
    role = cs.CentralSystem(
        now=time.monotonic(), utc=datetime.now(UTC), transaction_ids=lambda: 1, records=store.load()
    )
    csms = CentralSystem(limits=Limits(close_timeout=3))
    csms.authenticate(lambda _: True)
    csms.play(role, store=store, act=act)
    return csms, role


@in_loops
async def test_a_role_is_run_by_the_lifespan_and_asks_stations() -> None:
    told: list[Any] = []

    async def act(_: Any, effect: Any) -> None:
        await anyio.lowlevel.checkpoint()
        told.append(effect)

    csms, role = playing(act)
    app = asgi(csms)
    async with app.lifespan(), hosting(app) as host, anyio.create_task_group() as tasks:
        host.say(BOOTING)
        assert (await host.answer(2))[2]["status"] == "Accepted"
        outcome: list[Any] = []

        async def ask() -> None:
            outcome.append(await app.call("CP_1", RESET))

        tasks.start_soon(ask)
        number = (await host.answer(3))[1]
        host.say(f'[3,"{number}",{{"status":"Accepted"}}]')
        await quiet()
        app.do(role.set_clock, datetime.now(UTC))
        assert outcome == [reset()]
    kinds = [type(effect).__name__ for effect in told]
    assert kinds.index("StationBooted") < kinds.index("CommandSucceeded")
    assert kinds[-1] == "StationDisconnected"


@in_loops
async def test_a_role_that_no_lifespan_runs_serves_nobody_and_says_why() -> None:
    csms, role = playing(lambda *_: None)
    app = asgi(csms)
    host = Host(app)
    await host.run()
    assert isinstance(host.error, LocalProtocolError)
    assert "lifespan" in str(host.error)
    assert host.sent == []
    with pytest.raises(LocalProtocolError, match="plays no role"):
        app.do(role.set_clock, datetime.now(UTC))


@in_loops
async def test_a_lifespan_that_fails_says_so_to_the_server() -> None:
    csms, _ = playing(lambda *_: None)
    async with asgi(csms).lifespan():
        life = Host(asgi(csms), type="lifespan")
        await life.run()
    assert life.sent == [{"type": "lifespan.startup.failed", "message": "the role is being run already"}]


# -- mounted --


@in_loops
async def test_an_application_of_fastapi_mounts_it_and_runs_its_lifespan() -> None:
    csms, _ = playing(lambda *_: None)
    ocpp = asgi(csms)
    app = FastAPI(lifespan=ocpp.lifespan)
    app.mount("/ocpp", ocpp)
    life = Host(app, type="lifespan", state={})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(life.run)
        await life.heard(1)
        async with hosting(app, path="/ocpp/CP_1", raw_path=b"/ocpp/CP_1", query_string=b"") as host:
            assert await host.heard(1) == {"type": "websocket.accept", "subprotocol": "ocpp1.6"}
            host.say(BOOTING)
            assert (await host.answer(2))[2]["status"] == "Accepted"
        life.give({"type": "lifespan.shutdown"})
    assert [message["type"] for message in life.sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


# -- under real servers --

on_server = pytest.mark.parametrize("server", ASGI_SERVERS, ids=str)
HYPERCORN, ON_TRIO = ASGI_SERVERS[3:5]


@on_server
def test_calls_go_both_ways_under_every_server(server: AsgiServer) -> None:
    with connected(SyncAdapter(), server) as (peer, served):
        assert peer.call(HEARTBEAT) == heartbeat()
        assert served.call("CP_1", RESET) == reset()
        assert served.csms.stations["CP_1"].version is Version.V16


@on_server
def test_every_server_refuses_with_the_status_that_is_asked_for(server: AsgiServer) -> None:
    """RPC-015, RPC-016."""
    client, hasty = SyncAdapter(), Limits(close_timeout=0.1)
    statuses = iter([HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS])
    csms = open_system(authenticate=lambda _: next(statuses))
    with server.serve(csms) as served:
        for status in (401, 404, 429):
            with pytest.raises(HandshakeFailed) as failed, client.connect(served.url, limits=hasty):
                pass
            assert failed.value.status == status
            assert failed.value.body == HTTPStatus(status).phrase
            assert failed.value.headers["content-type"] == "text/plain; charset=utf-8"
        with socket.create_connection(("127.0.0.1", served.port)) as stream:
            peer = RawPeer(stream, is_client=True)
            stream.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert peer.read_head().startswith("HTTP/1.1 426 ")


@on_server
def test_under_every_server_both_ends_know_how_it_ended(server: AsgiServer) -> None:
    with connected(SyncAdapter(), server) as (peer, served):
        station = served.csms.stations["CP_1"]
        served.do(partial(station.close, 1001, "enough"))
        assert (peer.wait_closed().code, peer.wait_closed().reason) == (1001, "enough")
        assert not station.closed.by_peer
    with connected(SyncAdapter(), server) as (peer, served):
        station = served.csms.stations["CP_1"]
        peer.close()
        closed = served.do(station.wait_closed)
        assert closed.by_peer
        # One of them does not say.
        assert closed.code == (1006 if server in {HYPERCORN, ON_TRIO} else 1000)


@on_server
def test_under_every_server_a_message_that_is_too_long_ends_the_connection_f_49(server: AsgiServer) -> None:
    csms = open_system(limits=Limits(max_message_size=1000, close_timeout=3))
    with server.serve(csms) as served, raw_client(served.port) as peer:
        peer.send(f'[2,"1","DataTransfer",{{"vendorId":"Vendor","data":"{"x" * 1000}"}}]')
        opcode, data = peer.receive()
        assert (opcode, int.from_bytes(data[:2], "big")) == (8, 1009)


@on_server
def test_a_server_that_stops_says_goodbye_to_every_station(server: AsgiServer) -> None:
    with server.serve(open_system()) as served, SyncAdapter().connect(served.url) as peer:
        peer.call(HEARTBEAT)
        served.do(served.server.close)
        assert peer.wait_closed().code == 1001


@pytest.mark.parametrize("server", [HYPERCORN, ON_TRIO], ids=str)
def test_a_server_that_cancels_us_lets_us_say_goodbye(server: AsgiServer) -> None:
    impatient = AsgiServer("impatient", partial(server.serving, graceful_timeout=0.05), server.backend)
    impatient.is_gentle = False
    serving = impatient.serve(open_system())
    served = serving.__enter__()
    with SyncAdapter().connect(served.url) as peer:
        peer.call(HEARTBEAT)
        serving.__exit__(None, None, None)
        assert peer.wait_closed().code == 1001


@pytest.mark.parametrize(
    ("server", "status"),
    [
        (partial(on_uvicorn, ws_per_message_deflate=True), 101),
        (partial(on_uvicorn, ws="websockets", ws_per_message_deflate=True), 101),
        (partial(on_uvicorn, ws="wsproto"), 101),
        (partial(on_uvicorn, ws="wsproto", ws_per_message_deflate=True), 400),
        (partial(on_hypercorn, serve=hypercorn.asyncio.serve), 400),
        (on_granian, 101),
    ],
)
def test_compression_is_served_where_it_is_bounded_and_refused_where_that_is_not_known_f_51(
    server: Serve, status: int
) -> None:
    with AsgiServer("server", server).serve(open_system()) as served:
        connecting = SyncAdapter().connect(served.url, compression=True)
        if status == 101:
            with connecting as peer:
                assert peer.call(HEARTBEAT) == heartbeat()
        else:
            with pytest.raises(HandshakeFailed) as failed, connecting:
                pass
            assert failed.value.status == status


def test_compression_is_served_by_whom_it_is_allowed() -> None:
    with (
        HYPERCORN.serve(open_system(), allow_compression=True) as served,
        SyncAdapter().connect(served.url, compression=True) as peer,
    ):
        assert peer.call(HEARTBEAT) == heartbeat()


@pytest.mark.parametrize("ws", ["websockets", "websockets-sansio"])
def test_where_compression_is_served_what_inflates_beyond_the_limit_costs_no_more_than_that_f_51(ws: str) -> None:
    deflater = zlib.compressobj(9, wbits=-12)
    bomb = deflater.compress(bytes(2**26)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    server = AsgiServer("server", partial(on_uvicorn, ws=ws, ws_per_message_deflate=True))
    offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
    with server.serve(open_system()) as served, raw_client(served.port, fields=offer) as peer:
        assert "permessage-deflate" in peer.head
        frame = peer.frame(bomb, bits=0x40)
        tracemalloc.start()
        try:
            peer.stream.sendall(frame)
            opcode, data = peer.receive()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (opcode, int.from_bytes(data[:2], "big")) == (8, 1009)
        assert peak < 8 * 2**20


# -- settings --


def test_limits_that_are_off_are_off_in_the_settings_as_well() -> None:
    off = Limits(ping_interval=None, ping_timeout=None, handshake_timeout=None, close_timeout=None)
    assert settings.uvicorn_settings(off)["ws_ping_interval"] is None
    assert settings.uvicorn_settings(off)["timeout_graceful_shutdown"] is None
    assert settings.hypercorn_settings(off)["read_timeout"] is None
    assert not {"keep_alive_timeout", "graceful_timeout"} & settings.hypercorn_settings(off).keys()
    assert settings.granian_settings(off)["http1_settings"].header_read_timeout == 30_000


def test_settings_say_what_the_limits_say() -> None:
    limits = Limits(max_message_size=5000, max_handshake_size=4000, ping_interval=30, ping_timeout=11.5)
    uvicorn = settings.uvicorn_settings(limits)
    assert (uvicorn["ws_max_size"], uvicorn["h11_max_incomplete_event_size"]) == (5000, 4000)
    assert (uvicorn["ws_ping_interval"], uvicorn["ws_ping_timeout"]) == (30, 11.5)
    assert uvicorn["ws_per_message_deflate"] is False
    others = settings.hypercorn_settings(limits)
    assert (others["websocket_max_message_size"], others["h11_max_incomplete_size"]) == (5000, 4000)
    assert (others["websocket_ping_interval"], others["read_timeout"]) == (30, 42)
    granian = settings.granian_settings(limits)["http1_settings"]
    assert (granian.max_buffer_size, granian.header_read_timeout) == (8192, 10_000)
