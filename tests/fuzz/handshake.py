"""The heads of the handshake and what is in them: each field of a request alone, and heads as a whole.

The first byte chooses what the others are.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

from ocpp_sansio import (
    CentralSystemConnection,
    ChargePointConnection,
    HostedConnection,
    Version,
    numbered_ids,
)
from ocpp_sansio.dialer import retry_after
from ocpp_sansio.events import ConnectionOpened, ConnectionRefused, ConnectionRequested
from ocpp_sansio.handshake import (
    MAX_IDENTITY,
    BadHandshake,
    Endpoint,
    HeadReader,
    basic_authorization,
    body_size,
    identity_in,
    read_credentials,
)
from ocpp_sansio.hosted import Accept, Refuse

from . import wire
from .ledger import LIMITS

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


def _authorization(data: bytes) -> None:
    """F-28: credentials or none. What is read can be written, and is read from that again."""
    credentials = read_credentials([data.decode("latin-1")])
    if credentials is not None:
        username, password = credentials.username, credentials.password
        assert b":" not in username
        assert base64.b64decode(data.partition(b" ")[2].strip()) == username + b":" + password
        assert not password or repr(password) not in repr(credentials), "no secret is printed (F-40)"


def _target(data: bytes) -> None:
    """F-30: one identity, of which there is one spelling."""
    try:
        identity = identity_in(data.decode("latin-1"))
    except BadHandshake:
        return
    assert 0 < len(identity) <= MAX_IDENTITY
    assert unquote(identity) == identity
    assert not set(identity) & set("/\\%\0\n")
    endpoint = Endpoint.of("ws://h/ocpp", identity)
    assert identity_in(endpoint.path) == identity, "who connects is who is let in"
    if ":" not in identity:
        credentials = read_credentials([basic_authorization(identity, b"secret")])
        assert credentials is not None
        assert credentials.username.decode() == identity


def _url(data: bytes) -> None:
    url, _, identity = data.decode(errors="surrogateescape").partition("\n")
    try:
        endpoint = Endpoint.of(url, identity)
    except ValueError:
        return
    assert 0 < endpoint.port < 2**16
    assert endpoint.host
    assert identity_in(endpoint.path) == identity


def _retry_after(data: bytes) -> None:
    value, _, date = data.decode("latin-1").partition("\n")
    seconds = retry_after({"retry-after": value, "date": date or DATE})
    assert seconds is None or seconds >= 0
    assert seconds is None or not math.isnan(seconds)


def _hosted(data: bytes) -> None:
    """A request that somebody else has read: its target, its subprotocols, and the other fields, a line each."""
    lines = data.decode(errors="surrogateescape").split("\n")
    target, offered, *fields = [*lines, ""][: max(len(lines), 2)]
    connection = HostedConnection(
        target,
        [(name, value) for name, _, value in (field.partition(":") for field in fields)],
        offered.split(","),
        now=0.0,
        versions=list(Version),
        message_ids=numbered_ids("h"),
        limits=LIMITS,
    )
    event = connection.next_event()
    if isinstance(event, ConnectionRequested):
        connection.accept(now=0.0)
        (first, *_) = connection.steps()
        assert isinstance(first, Accept)
        assert first.subprotocol is None or first.subprotocol in offered.split(",")
        return
    assert isinstance(event, ConnectionRefused)
    (step,) = connection.steps()
    assert isinstance(step, Refuse)
    assert 400 <= step.status < 600
    assert connection.transport_done


def _request(data: bytes) -> None:
    """A whole head. It is refused in a response that is one, or the application is asked."""
    with wire.zeros():
        server = CentralSystemConnection(
            now=0.0, versions=list(Version), message_ids=numbered_ids("s"), limits=LIMITS, compression=True
        )
        server.receive_data(data, now=0.0)
        event = server.next_event()
        if event is None:
            server.handle_timeout(now=LIMITS.handshake_timeout)
            event = server.next_event()
        if isinstance(event, ConnectionRequested):
            assert event.version is None or event.version.subprotocol in event.offered
            server.accept(now=0.0)
            answer = server.data_to_send()
            assert answer.startswith(b"HTTP/1.1 101 ")
        else:
            assert isinstance(event, ConnectionRefused), event
            answer = server.data_to_send()
            assert server.transport_done
        head, body = _read(answer)
        assert len(head.start_line) < 100
        status = int(head.start_line.split()[1])
        assert status == 101 or body_size(head, 10**6) == len(body)


def _read(answer: bytes) -> tuple[Any, bytes]:
    complete = HeadReader(LIMITS).feed(answer)
    assert complete is not None
    return complete


def _response(data: bytes) -> None:
    """A whole head. It opens the connection, or says why there is none."""
    with wire.zeros():
        client = ChargePointConnection(
            "ws://h/ocpp",
            "CP1",
            now=0.0,
            versions=list(Version),
            message_ids=numbered_ids("c"),
            limits=LIMITS,
            compression=True,
        )
        client.receive_data(data, now=0.0)
        if not client.is_open:
            client.handle_timeout(now=1000.0)
        events = list(iter(client.next_event, None))
        if any(isinstance(event, ConnectionOpened) for event in events):
            return
        refusal = events[-1]
        assert isinstance(refusal, ConnectionRefused), events
        seconds = retry_after(refusal.headers)
        assert seconds is None or seconds >= 0
        assert len(refusal.body) <= LIMITS.max_reported_text


def _checked_scheme(data: bytes) -> None:
    """The reverse of reading credentials: a user name and a password, of any bytes."""
    identity, _, password = data.decode(errors="replace").partition("\n")
    try:
        value = basic_authorization(identity, password.encode())
    except ValueError:
        assert ":" in identity
        return
    assert re.fullmatch(r"Basic [A-Za-z0-9+/]+=*", value)
    credentials = read_credentials([value])
    assert credentials is not None
    assert (credentials.username, credentials.password) == (identity.encode(), password.encode())


PARTS: dict[str, Callable[[bytes], None]] = {
    "R": _request,
    "S": _response,
    "A": _authorization,
    "T": _target,
    "U": _url,
    "W": _retry_after,
    "H": _hosted,
    "B": _checked_scheme,
}


def run(data: bytes) -> None:
    part = PARTS.get(chr(data[0])) if data else None
    parts = list(PARTS.values())
    (part or parts[int.from_bytes(data[:1]) % len(parts)])(data[1:])


def seeds() -> Iterator[bytes]:
    requests = [
        wire.request(),
        wire.request(b"ocpp2.1, ocpp2.0.1,ocpp1.6", wire.OFFER + b"Authorization: Basic Q1AxOnNlY3JldA==\r\n"),
        wire.request(b"ocpp1.5", b"Origin: http://x\r\n"),
        wire.request(fields=b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8\r\n"),
        wire.request(fields=b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
        wire.request(fields=b"Folded: a\r\n b\r\n"),
        wire.request().replace(b"\r\n", b"\n"),
        wire.request().replace(b"1.1", b"1.0"),
        wire.request().replace(b"GET", b"PRI"),
        wire.request().replace(b"Host: h\r\n", b""),
        wire.request(fields=b"X: y\r\n" * 20),
        b"GET /" + b"x" * 1100,
    ]
    yield from (b"R" + each for each in requests)
    responses = [
        wire.response(),
        wire.response(b"ocpp2.0.1", wire.OFFER),
        wire.response(b"ocpp1.5"),
        wire.response().replace(b"ICX", b"icx"),
        b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 3\r\n\r\nno!",
        b"HTTP/1.1 503 \r\nRetry-After: 120\r\n\r\n",
        b"HTTP/1.1 429 Too Many\r\nRetry-After: %s\r\nDate: %s\r\n\r\n" % (DATE.encode(), DATE.encode()),
        b"HTTP/1.1 301 Moved\r\nLocation: wss://x/\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ]
    yield from (b"S" + each for each in responses)
    texts = {
        "A": ["Basic Q1AxOnNlY3JldA==", "basic  Og==", "Basic Q1Ax", "Bearer x", "Basic ====", "Basic Q1AxOnNlY3Jld"],
        "T": [
            "/ocpp/CP1",
            "/CP%201?token=x",
            "/%C3%A9",
            "/a%2Fb",
            "/..",
            "/%00",
            "/e%CC%81",
            "/%2525",
            "//",
            "*",
            "/" + "x" * 300,
        ],
        "U": [
            "ws://h/ocpp\nCP 1",
            "wss://[::1]:8443/a?b=c\né",
            "ws://u:p@h/\nx",
            "ws://h:99999/\nx",
            "ws://h\n..",
            "http://h/\nx",
        ],
        "W": [
            "120",
            f"{DATE}\n{DATE}",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "-1",
            "9" * 400,
            "1e3",
        ],
        "H": [
            "/ocpp/CP1\nocpp1.6\nsec-websocket-protocol:ocpp1.6",
            "/\nocpp2.1,ocpp1.6\norigin:x",
            "x\n\nsec-websocket-extensions:permessage-deflate",
        ],
        "B": ["CP1\nsecret", "a:b\n", "é\né"],
    }
    for part, each in texts.items():
        yield from (f"{part}{text}".encode() for text in each)
