"""However an input is made, it takes time in proportion to its size: t(2n)/t(n) is at most 2.5 (F-65, F-68, F-115).

Up to a message of 1 MiB, with every limit on the number of values, frames or heads out of the way.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from ocpp_sansio import (
    CentralSystemConnection,
    CentralSystemSession,
    ChargePointConnection,
    HostedConnection,
    Limits,
    numbered_ids,
)
from ocpp_sansio.dialer import retry_after
from ocpp_sansio.events import ConnectionRequested
from ocpp_sansio.handshake import BadHandshake, identity_in, read_credentials
from ocpp_sansio.testing.hostile import HOSTILE_BYTES, HOSTILE_TEXTS
from ocpp_sansio.tolerance import WARN_ONLY
from tests.fuzz import wire
from tests.growth import MIB, assert_at_most, assert_linear

pytestmark = pytest.mark.once

NO_LIMITS = Limits(
    max_message_size=2**22,
    max_values=2**22,
    max_fragments=2**22,
    max_control_burst=2**22,
    max_bad_messages=2**22,
    max_inbound_calls=2**22,
    max_handshake_size=2**22,
    max_headers=2**22,
)

BEAT = '[2,"1","Heartbeat",{}]'
EVENT = (
    '{"eventType":"Updated","timestamp":"2026-01-01T00:00:00Z","triggerReason":"Authorized","seqNo":0,'
    '"transactionInfo":{"transactionId":"T"},"meterValue":[%s]}'
)
SAMPLE = '{"timestamp":"2026-01-01T00:00:00Z","sampledValue":[{"value":%s}]}'


def _repeated(head: str, unit: str, tail: str) -> Callable[[int], str]:
    return lambda size: head + unit * (size // len(unit)) + tail


def _data(unit: str, before: str = "", behind: str = "") -> Callable[[int], str]:
    """In what the schema leaves open."""
    head = '[2,"1","DataTransfer",{"vendorId":"V","data":' + before
    return _repeated(head, unit, behind + "}]")


def _event(unit: str) -> Callable[[int], str]:
    """In a list of objects that the schema knows."""
    head, _, tail = EVENT.partition("%s")
    return _repeated(f'[2,"1","TransactionEvent",{head}{unit}', "," + unit, tail + "]")


TEXTS: dict[str, Callable[[int], str]] = {
    "a string": _data("x", '"', '"'),
    "letters beyond ASCII": _data("é", '"', '"'),
    "escapes": _data("\\n", '"', '"'),
    "escapes by number": _data("\\u00e9", '"', '"'),
    "halves of pairs": _data("\\ud800", '"', '"'),
    "one name again and again": _data('"a":0,', "{", '"b":0}'),
    "depth": lambda size: _data("[" * (size // 2) + "]" * (size // 2))(1),
    "depth without end": _data("["),
    "objects without end": _data('{"a":'),
    "digits": _data("9"),
    "digits of a fraction": _data("9", "0."),
    "digits of an exponent": _data("9", "1e"),
    "blanks": _data(" ", "", "0"),
    "a name that is not known": lambda size: f'[2,"1","Heartbeat",{{"{"x" * size}":0}}]',
    "names that are not known": lambda size: (
        '[2,"1","Heartbeat",{' + ",".join(f'"{number:040}":0' for number in range(size // 45)) + "}]"
    ),
    "a value of the wrong type": lambda size: EVENT_CALL % ('"' + "x" * size + '"'),
    "samples": _event(SAMPLE % "0.1"),
    "samples with odd numbers": _event(SAMPLE % "1e-1"),
    "samples without a value": _event(SAMPLE.replace('{"value":%s}', "{}")),
    "samples with a unit nobody knows": _event(SAMPLE % '1,"measurand":"Mood"'),
    "samples with a name nobody knows": _event(SAMPLE % '1,"mood":1'),
    "a message id": lambda size: f'[2,"{"x" * size}","Heartbeat",{{}}]',
    "an action": lambda size: f'[2,"1","{"x" * size}",{{}}]',
    "elements": _repeated('[2,"1","Heartbeat",{}', ",0", "]"),
    "details of an error": _repeated('[4,"x1","GenericError","",{"a":[', "0,", "0]}]"),
    "a description of an error": _repeated('[4,"x1","GenericError","', "x", '",{}]'),
    "quotes": _repeated("", '"', ""),
    "backslashes": _repeated('[2,"', "\\", ""),
    "a result": _repeated('[3,"x1",{"status":"', "x", '"}]'),
    "NUL": _repeated("", "\0", ""),
}
MANY: dict[str, Callable[[int], str]] = {
    "small arrays": _data("[],", "[", "0]"),
    "small objects": _data('{"a":1},', "[", "0]"),
    "names": lambda size: _data(",".join(f'"{number}":0' for number in range(size // 9)), "{", "}")(1),
}
"""Too many for what the schema leaves open (F-114): what is within that cap is read but once."""
EVENT_CALL = '[2,"1","TransactionEvent",{"eventType":%s}]'

HOSTILE = {
    str(row): (lambda size, row=row: row.make(BEAT, random.Random(1), size)) for row in (*HOSTILE_TEXTS, *HOSTILE_BYTES)
}


def receive(text: str | bytes, limits: Limits | None = None) -> None:
    # Who tolerates more has read it strictly before.
    session = CentralSystemSession("2.1", message_ids=numbered_ids("x"), limits=limits, tolerance=WARN_ONLY)
    session.receive_data(text, now=0.0)
    assert session.next_event() is not None


@pytest.mark.parametrize(
    ("make", "doublings"),
    [
        *(pytest.param(make, 3, id=name) for name, make in (TEXTS | HOSTILE).items()),
        *(pytest.param(make, 2, id=name) for name, make in MANY.items()),
    ],
)
def test_a_text_takes_time_in_proportion_to_its_size_f_65_f_68_f_115(
    make: Callable[[int], str | bytes], doublings: int
) -> None:
    assert_linear(lambda text: receive(text, NO_LIMITS), make, doublings=doublings)


@pytest.mark.parametrize("size", [MIB // 8, MIB // 4, MIB])
@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in (TEXTS | MANY | HOSTILE).items()])
def test_none_takes_much_longer_than_a_mebibyte_of_json_may_f_68(make: Callable[[int], str | bytes], size: int) -> None:
    """Whatever is wrong with it, and within the limits as they are. Empty arrays take the longest to be made."""
    eighth = "[" + "[]," * (MIB // 8 // 3) + "[]]"
    assert_at_most(4, receive, make(size), lambda: [json.loads(eighth) for _ in range(8)])


# -- bytes --


def _frames(head: int, payload: bytes, *, first: bytes = b"", last: bytes = b"") -> Callable[[int], bytes]:
    frame = wire.frame(head, payload, masked=True)
    return lambda size: first + frame * (size // len(frame)) + last


def _one_frame(payload: bytes) -> Callable[[int], bytes]:
    return lambda size: wire.frame(wire.TEXT, payload * (size // len(payload)), masked=True)


_FIRST = wire.frame(wire.FIRST, b"[", masked=True)
_LAST = wire.frame(wire.CONT, b"]", masked=True)

STREAMS: dict[str, Callable[[int], bytes]] = {
    "one large message": _one_frame(b"[]"),
    "messages that are none": _frames(wire.TEXT, b"?"),
    "CALLs with one id": _frames(wire.TEXT, BEAT.encode()),
    "answers to nothing": _frames(wire.TEXT, b'[3,"1",{}]'),
    "empty messages": _frames(wire.TEXT, b""),
    "pings": _frames(wire.PING, b"?"),
    "pongs": _frames(wire.PONG, b""),
    "fragments": _frames(wire.MIDDLE, b"0,", first=_FIRST, last=_LAST),
    "empty fragments": _frames(wire.MIDDLE, b"", first=_FIRST, last=_LAST),
    "a large fragment after another": _frames(wire.MIDDLE, b" " * 5000, first=_FIRST, last=_LAST),
    "pings between fragments": lambda size: _FIRST + _frames(wire.PING, b"")(size) + _LAST,
}


def _connected() -> CentralSystemConnection:
    connection = CentralSystemConnection(
        now=0.0, versions=["2.1"], message_ids=numbered_ids("x"), limits=NO_LIMITS, compression=True
    )
    connection.receive_data(wire.request(b"ocpp2.1", wire.OFFER), now=0.0)
    while (event := connection.next_event()) is not None:
        if isinstance(event, ConnectionRequested):
            connection.accept(now=0.0)
    assert connection.is_open
    return connection


@pytest.mark.parametrize("pieces", [1, 64], ids=["at once", "in pieces"])
@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in STREAMS.items()])
def test_frames_take_time_in_proportion_to_their_bytes_f_49_f_50_f_53(
    make: Callable[[int], bytes], pieces: int
) -> None:
    def receive(stream: bytes) -> None:
        connection = _connected()
        size = -(-len(stream) // pieces)
        for at in range(0, len(stream), size):
            connection.receive_data(stream[at : at + size], now=0.0)
            while connection.next_event() is not None:
                pass
            connection.data_to_send()

    assert_linear(receive, make, up_to=MIB // 16)  # a frame of a few bytes costs as much as a large one


@pytest.mark.parametrize("ratio", [1, 200])
def test_inflating_takes_time_in_proportion_to_what_comes_out_f_51(ratio: int) -> None:
    def make(size: int) -> bytes:
        text = (b'"' + bytes(random.Random(1).choices(b"abcdefgh", k=size // ratio)) + b'"') * ratio
        return wire.frame(wire.TEXT | wire.COMPRESSED, wire.deflated(text), masked=True)

    def receive(stream: bytes) -> None:
        connection = _connected()
        connection.receive_data(stream, now=0.0)
        assert connection.next_event() is not None

    assert_linear(receive, make)


# -- heads --


def _receive_request(head: bytes) -> None:
    connection = CentralSystemConnection(now=0.0, message_ids=numbered_ids("x"), limits=NO_LIMITS)
    for at in range(0, len(head), 1 + len(head) // 64):
        connection.receive_data(head[at : at + 1 + len(head) // 64], now=0.0)
    connection.receive_eof(now=0.0)
    assert connection.next_event() is not None


def _receive_response(head: bytes) -> None:
    connection = ChargePointConnection("ws://h", "CP1", now=0.0, message_ids=numbered_ids("x"), limits=NO_LIMITS)
    connection.receive_data(head, now=0.0)
    connection.receive_eof(now=0.0)
    assert connection.next_event() is not None


def _receive_hosted(target: str) -> None:
    connection = HostedConnection(
        target, [("x", target)], target.split(","), now=0.0, message_ids=numbered_ids("x"), limits=NO_LIMITS
    )
    assert connection.next_event() is not None


def _identity(target: str) -> None:
    with pytest.raises(BadHandshake):
        identity_in(target)


HEADS: dict[str, tuple[Callable[[Any], Any], Callable[[int], Any]]] = {
    "a target": (_receive_request, lambda size: b"GET /" + b"x" * size + b" HTTP/1.1\r\n\r\n"),
    "a first line without end": (_receive_request, lambda size: b"GET " * (size // 4)),
    "lines": (_receive_request, lambda size: wire.request(fields=b"a: b\r\n" * (size // 6))),
    "line ends": (_receive_request, lambda size: b"\r" * size),
    "subprotocols": (_receive_request, lambda size: wire.request(b"a," * (size // 2) + b"a")),
    "blanks": (_receive_request, lambda size: wire.request(b" " * size)),
    "extensions": (
        _receive_request,
        lambda size: wire.request(fields=b"Sec-WebSocket-Extensions: " + b"a;b," * (size // 4) + b"a\r\n"),
    ),
    "lines of a response": (_receive_response, lambda size: wire.response(fields=b"a: b\r\n" * (size // 6))),
    "a body": (_receive_response, lambda size: b"HTTP/1.1 401 \r\n\r\n" + b"x" * size),
    "what somebody else has read": (_receive_hosted, lambda size: "/" + "," * size),
    "credentials": (lambda value: read_credentials([value]), lambda size: "Basic " + "Q1Ax" * (size // 4)),
    "blanks before credentials": (lambda value: read_credentials([value]), lambda size: "Basic" + " " * size),
    "an identity": (_identity, lambda size: "/" + "%C3%A9" * (size // 6)),
    "an identity to compose": (_identity, lambda size: "/" + "e%CC%81%CC%A7" * (size // 13)),
    "slashes": (_identity, lambda size: "/" * size),
    "seconds": (lambda value: retry_after({"retry-after": value}), lambda size: "9" * size),
    "a date": (lambda value: retry_after({"retry-after": value}), lambda size: "Sun, " * (size // 5)),
    "a date of digits": (lambda value: retry_after({"retry-after": value}), lambda size: "1:1 " * (size // 4)),
}


@pytest.mark.parametrize(("receive", "make"), HEADS.values(), ids=HEADS)
def test_a_head_takes_time_in_proportion_to_its_size_f_03(
    receive: Callable[[Any], Any], make: Callable[[int], Any]
) -> None:
    assert_linear(receive, make, up_to=MIB // 8)  # as it is, a head has at most 8 KiB
