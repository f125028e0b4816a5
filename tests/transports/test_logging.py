"""The log: every record about a connection says in fields which one, and no peer writes into it what it likes."""

from __future__ import annotations

import logging
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from ocpp_sansio import CallRefused, Direction, Version, v16
from ocpp_transports import _logging
from ocpp_transports.testing import knocking
from ocpp_transports.testing.samples import accepted
from tests.transports.contract import (
    ADAPTERS,
    BOOT,
    PATIENCE,
    RESET,
    Adapter,
    AsyncAdapter,
    Gate,
    RawPeer,
    central_system,
    charge_point,
    on_server,
    raw_client,
    transfer,
)

STANDARD = set(vars(logging.makeLogRecord({})))


def extra(record: logging.LogRecord) -> dict[str, Any]:
    """What a formatter finds in a record beyond what every record has."""
    ours = {name: value for name, value in vars(record).items() if name.startswith("ocpp_")}
    assert set(vars(record)) - STANDARD <= {*ours, "message", "asctime"}
    return {name.removeprefix("ocpp_"): value for name, value in ours.items()}


def saying(caplog: pytest.LogCaptureFixture, text: str) -> dict[str, Any]:
    """The fields of the one record that says so."""
    (record,) = [record for record in caplog.records if text in record.getMessage()]
    return extra(record)


@contextmanager
def raw_station(server: Adapter, identity: str = "CP_1", **options: Any) -> Iterator[RawPeer]:
    """A charge point without manners; everything about it has been logged when the block is over."""
    csms = central_system(accept_before_boot=True, **options)
    with server.serve(csms) as served, raw_client(served.port, identity) as station:
        yield station


def ask(station: RawPeer, text: str) -> str:
    station.send(text)
    return station.receive_text()


@on_server
def test_a_record_says_in_fields_which_message_of_whom_it_is_about(
    server: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    csms = central_system()

    @csms.on(v16.AuthorizeRequest)
    def fail(*_: object) -> v16.AuthorizeResponse:
        raise RuntimeError("oh")

    with caplog.at_level(logging.INFO), server.serve(csms) as served, server.connect(served.url) as client:
        client.call(BOOT)
        with pytest.raises(CallRefused):
            client.call(v16.AuthorizeRequest(id_tag="TAG"))
    client_s = {"identity": "CP_1", "version": "1.6"}
    who = {**client_s, "source": "127.0.0.1"}
    fault = saying(caplog, "the handler of Authorize failed")
    assert fault.pop("message_id")
    assert fault == {**who, "direction": "in", "action": "Authorize"}
    for record in caplog.records:
        if "'CP_1': connected" in record.getMessage() or "'CP_1': disconnected" in record.getMessage():
            assert extra(record) in (who, client_s)
        assert record.getMessage().startswith("'CP_1'") == (extra(record).get("identity") == "CP_1")
    assert saying(caplog, "'CP_1': connected, OCPP 1.6, from 127.0.0.1") == who


@on_server
def test_a_handler_that_returns_nothing_is_named_and_so_is_what_it_should_return(
    server: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    csms = central_system(accept_before_boot=True)

    @csms.on(v16.AuthorizeRequest)
    def forgetful(*_: object) -> Any:
        """A ``return`` is missing, and no traceback leads here."""

    with (
        caplog.at_level(logging.INFO),
        server.serve(csms) as served,
        server.connect(served.url) as client,
        pytest.raises(CallRefused),
    ):
        client.call(v16.AuthorizeRequest(id_tag="TAG"))
    (record,) = [each for each in caplog.records if "the handler of Authorize failed" in each.getMessage()]
    assert record.getMessage().endswith(f": {__name__}.{forgetful.__qualname__}")
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "Authorize is answered with AuthorizeResponse, not with NoneType"


@on_server
def test_who_is_refused_is_told_of_with_where_it_has_come_from(
    server: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    csms = central_system(authenticate=lambda _: False)
    with caplog.at_level(logging.INFO), server.serve(csms) as served:
        with knocking(served.port) as peer:
            assert peer.read_head().startswith("HTTP/1.1 401")
        with socket.create_connection(("127.0.0.1", served.port)) as stream:
            stream.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert stream.recv(9) == b"HTTP/1.1 "
        with socket.create_connection(("127.0.0.1", served.port)) as stream:
            stream.sendall(b"GET")
            stream.shutdown(socket.SHUT_WR)
            while stream.recv(1000):
                pass
    refused = {"identity": "CP_1", "source": "127.0.0.1"}
    assert saying(caplog, "'CP_1': not connected: 401 'Unauthorized', from 127.0.0.1") == refused
    others = [record for record in caplog.records if "'': not connected: " in record.getMessage()]
    assert [extra(record) for record in others] == [{"identity": "", "source": "127.0.0.1"}] * 2
    assert all(record.getMessage().endswith(", from 127.0.0.1") for record in others)


@on_server
def test_a_load_balancer_that_looks_whether_there_is_somebody_does_not_fill_the_log_f_130(
    server: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "ocpp_transports"), server.serve(central_system()) as served:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", served.port)) as stream:
                stream.shutdown(socket.SHUT_WR)
                assert stream.recv(1) == b""
    looks = [record for record in caplog.records if "before a word was said" in record.getMessage()]
    assert [(record.levelno, extra(record)) for record in looks] == [
        (logging.DEBUG, {"identity": "", "source": "127.0.0.1"})
    ] * 3


@on_server
def test_what_a_peer_does_wrong_is_told_with_its_fields(server: Adapter, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), raw_station(server) as station:
        ask(station, '[2,"a","Heartbeat",{"no":1}]')
        ask(station, '[2,"b","Heartbeat",{}]')
        ask(station, '[2,"b","Heartbeat",{}]')
    who = {"identity": "CP_1", "version": "1.6", "source": "127.0.0.1", "direction": "in"}
    assert saying(caplog, "payload breaks the schema") == {**who, "message_id": "a"}
    assert saying(caplog, "Heartbeat came again") == {**who, "action": "Heartbeat", "message_id": "b"}


@on_server
def test_every_message_is_logged_at_debug_and_none_of_what_it_says_f_40(
    server: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.DEBUG, "ocpp_transports.messages"),
        server.serve(central_system()) as served,
        server.connect(served.url, handlers=charge_point()) as client,
    ):
        client.call(BOOT)
        client.call(transfer("CANARY"))
        served.call("CP_1", RESET)
        with pytest.raises(CallRefused):
            client.call(v16.AuthorizeRequest(id_tag="CANARY"))
    records = [extra(record) for record in caplog.records if record.name == "ocpp_transports.messages"]
    assert {(record["identity"], record["version"]) for record in records} == {("CP_1", "1.6")}
    assert Counter(record.get("source") for record in records) == {"127.0.0.1": 8, None: 8}, "of the server's end alone"
    seen = {(each["message_type"], each["direction"], each["action"], each["message_id"]) for each in records}
    assert len(seen) == len(records) == 16, "both ends are in this process"
    conversation = [
        ("CALL", "out", "BootNotification"),
        ("CALLRESULT", "in", "BootNotification"),
        ("CALL", "out", "DataTransfer"),
        ("CALLRESULT", "in", "DataTransfer"),
        ("CALL", "in", "Reset"),
        ("CALLRESULT", "out", "Reset"),
        ("CALL", "out", "Authorize"),
        ("CALLERROR", "in", "Authorize"),
    ]
    other = {"in": "out", "out": "in"}
    assert sorted(each[:3] for each in seen) == sorted(
        [*conversation, *((kind, other[direction], action) for kind, direction, action in conversation)]
    )
    boot = next(each for each in records if each["action"] == "BootNotification" and each["message_type"] == "CALL")
    assert boot["size"] == len(f'[2,"{boot["message_id"]}","BootNotification",') + len(
        '{"chargePointVendor":"Vendor","chargePointModel":"Model"}]'
    )
    assert "CANARY" not in caplog.text


@on_server
def test_while_debug_is_off_no_message_is_looked_at_f_130(
    server: Adapter, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[object] = []
    monkeypatch.setattr(_logging._MessageLog, "__call__", lambda *message: looked.append(message))
    for level, expected in (logging.INFO, 0), (logging.DEBUG, 4):
        with (
            caplog.at_level(level, "ocpp_transports"),
            server.serve(central_system()) as served,
            server.connect(served.url) as client,
        ):
            client.call(BOOT)
        assert len(looked) == expected


@on_server
def test_a_peer_writes_nothing_of_its_own_into_the_log_f_40_f_130(
    server: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), raw_station(server, "S%C3%A4ule%201") as station:
        ask(station, '[2,"a\\nERROR","Evil\\u0085",{}]')
        station.send('[3,"Evil\\nid",{}]')
        station.send('[4,"x","Evil","Evil",{"Evil":"Evil"}]')
        station.send("Evil\nnonsense")
        ask(station, '[2,"d","Heartbeat",{}]')
    records = [record for record in caplog.records if "'Säule 1'" in record.getMessage()]
    assert len([record for record in records if record.name == "ocpp_transports.messages"]) == 7
    assert all(record.getMessage().isprintable() for record in records)
    assert all(str(value).isprintable() for record in records for value in extra(record).values())
    assert {extra(record).get("action") for record in records} == {None, "Heartbeat"}
    assert {extra(record)["identity"] for record in records} == {"Säule 1"}
    assert {extra(record).get("message_id") for record in records} >= {"'a\\nERROR'", "'Evil\\nid'", "x", "d"}
    said = "".join(record.getMessage() for record in records)
    assert said.count("Evil") == said.count("'Evil\\nid'"), "only as the id that it is"


@pytest.mark.parametrize("server", [each for each in ADAPTERS if isinstance(each, AsyncAdapter)], ids=repr)
def test_a_repeated_id_brings_no_word_of_the_peer_into_the_log_f_130(
    server: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    csms, gate = central_system(accept_before_boot=True), Gate()
    csms.on(v16.AuthorizeRequest)(server.gated(gate, accepted))
    with caplog.at_level(logging.INFO), server.serve(csms) as served, raw_client(served.port) as station:
        station.send('[2,"a","Authorize",{"idTag":"TAG"}]')
        gate.arrived.get(timeout=PATIENCE)
        station.send('[2,"a","Evil",{}]')
        assert "NotImplemented" in ask(station, '[2,"b","Unknown",{}]')
        gate.open()
        station.receive_text()
    assert saying(caplog, "a CALL came again")["message_id"] == "a"
    assert "Evil" not in caplog.text


def test_actions_of_calls_that_are_never_answered_are_not_kept_for_ever_f_129() -> None:
    class Driver:
        def __init__(self) -> None:
            self.identity = "CP_1"
            self.connection = SimpleNamespace(version=Version.V16, actions=v16.ACTIONS)

        def fields(self, **others: object) -> dict[str, object]:
            return _logging.fields(self.identity, self.connection.version, **others)

    log = _logging._MessageLog(driver := Driver())  # type: ignore[arg-type]
    for number in range(3 * _logging.MAX_UNANSWERED):
        log(Direction.IN, f'[2,"{number}","Heartbeat",{{}}]', 0.0)
    assert len(log._actions) == _logging.MAX_UNANSWERED
    log(Direction.OUT, f'[3,"{number}",{{}}]', 0.0)
    assert len(log._actions) == _logging.MAX_UNANSWERED - 1
    del driver
    log(Direction.OUT, '[3,"1",{}]', 0.0)  # nobody is left to speak of
