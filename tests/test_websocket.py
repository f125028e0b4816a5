from __future__ import annotations

import base64
import logging
import math
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
from websockets.client import ClientProtocol
from websockets.exceptions import ProtocolError
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import Protocol
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from ocpp_sansio.errors import LocalProtocolError
from ocpp_sansio.events import (
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRefused,
    ConnectionRequested,
    Credentials,
    Misbehaviour,
    PeerMisbehaved,
    ProbeAnswered,
)
from ocpp_sansio.facts import CertificateFacts, TransportFacts
from ocpp_sansio.handshake import SILENT_VISIT, Endpoint
from ocpp_sansio.limits import Limits
from ocpp_sansio.version import NoMatch, Version
from ocpp_sansio.websocket import ClientWebSocket, ServerWebSocket, WebSocket
from tests.peers import Pair, drain

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
ENDPOINT = Endpoint.of("ws://example.com/ocpp", "CP1")
OPENED = ConnectionOpened(Version.V16)


def telling(open_websocket: Callable[[Callable[[str], None]], Any]) -> Any:
    """A WebSocket whose texts are told among its events, where they came."""
    websocket = open_websocket(print)
    websocket._frames.on_text = websocket.events.append
    return websocket


def client(*, versions: Iterable[Version] = (Version.V16,), headers: Any = (), now: float = 0.0, **limits: Any):
    return telling(
        partial(ClientWebSocket, ENDPOINT, tuple(versions), headers=headers, limits=Limits(**limits), now=now)
    )


def server(
    *,
    versions: Iterable[Version] = (Version.V16,),
    no_match: NoMatch = NoMatch.ACCEPT_THEN_CLOSE,
    allow_origin: bool = False,
    facts: Callable[[], TransportFacts] = TransportFacts,
    now: float = 0.0,
    **limits: Any,
):
    options = {"no_match": no_match, "allow_origin": allow_origin, "facts": facts, "limits": Limits(**limits)}
    options["now"] = now
    return telling(partial(ServerWebSocket, tuple(versions), **options))


def request(target: str = "/ocpp/CP1", *, line: str = "", without: str = "", **extra: str) -> bytes:
    fields = {
        "Host": "example.com",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "ocpp1.6",
    } | {name.replace("_", "-"): value for name, value in extra.items()}
    fields.pop(without, None)
    lines = [line or f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def answer(ws: ClientWebSocket, protocol: str | None = "ocpp1.6", extra: str = "") -> bytes:
    """A server's 101 for the request that this client has sent."""
    accept = ServerProtocol().accept(Request("/", ws._handshake.connect().headers)).headers["Sec-WebSocket-Accept"]
    chosen = f"Sec-WebSocket-Protocol: {protocol}\r\n" if protocol else ""
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n{chosen}{extra}\r\n"
    ).encode()


def open_server(**options: Any) -> ServerWebSocket:
    ws = server(**options)
    ws.receive_data(request(), now=0.0)
    ws.accept(now=0.0)
    assert drain(ws)[-1] == OPENED
    ws.data_to_send()
    return ws


def open_client(**options: Any) -> ClientWebSocket:
    ws = client(**options)
    ws.data_to_send()
    ws.receive_data(answer(ws), now=0.0)
    assert drain(ws) == [OPENED]
    return ws


def open_pair(*, client_options: Any = None, **options: Any) -> Pair:
    pair = Pair(client(**(client_options or {})), server(**options))
    pair.run()
    pair.server.accept(now=0.0)
    assert pair.run() == ([OPENED], [OPENED])
    return pair


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True, mask: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=mask)


def text(data: bytes, **options: bool) -> bytes:
    return frame(Opcode.TEXT, data, **options)


def close(code: int = 1000, reason: str = "", **options: bool) -> bytes:
    return frame(Opcode.CLOSE, Close(code, reason).serialize(), **options)


def frames_in(data: bytes, *, masked: bool = False) -> list[tuple[Opcode, bytes]]:
    """The frames that one side has sent, as any other WebSocket reads them."""
    other = Protocol(side=ServerProtocol().side if masked else ClientProtocol(URI).side)
    other.receive_data(data)
    assert other.parser_exc is None
    return [(each.opcode, bytes(each.data)) for each in other.events_received() if isinstance(each, Frame)]


def status_of(data: bytes) -> int:
    return int(data.split(b" ", 2)[1])


URI = WebSocketURI(secure=False, host="example.com", port=80, path="/ocpp/CP1", query="")


# -- the handshake, server side --


def test_the_application_decides_before_the_handshake_is_answered():
    """RPC-002, RPC-010, RPC-142."""
    ws = server()
    credentials = base64.b64encode(b"CP1:\x00\xff").decode()
    raw = request("/ocpp/CP1?a=b", Sec_WebSocket_Protocol="ocpp2.0.1, ocpp1.6", Authorization=f"Basic {credentials}")
    ws.receive_data(raw, now=0.0)
    (event,) = drain(ws)
    assert isinstance(event, ConnectionRequested)
    assert event.identity == "CP1"
    assert event.path == "/ocpp/CP1?a=b"
    assert event.offered == ("ocpp2.0.1", "ocpp1.6")
    assert event.version is Version.V16
    assert event.credentials == Credentials(b"CP1", b"\x00\xff")
    assert event.headers["host"] == "example.com"
    assert credentials not in repr(event)
    assert ws.data_to_send() == b""
    assert not ws.is_open

    ws.accept(now=0.0)
    response = ws.data_to_send().decode()
    assert response.startswith("HTTP/1.1 101 ")
    assert f"Sec-WebSocket-Accept: {ACCEPT}\r\n" in response
    assert "Sec-WebSocket-Protocol: ocpp1.6\r\n" in response
    assert "Date" not in response
    assert drain(ws) == [OPENED]
    assert ws.is_open


def test_what_the_transport_knows_is_asked_once_when_the_request_is_complete():
    """TLS may have been shaken hands for after the connection was made."""
    known: list[TransportFacts] = []
    ws = server(facts=known.pop)
    head = request()
    ws.receive_data(head[:-1], now=0.0)
    known.append(TransportFacts("192.0.2.1", secure=True, certificate=CertificateFacts(("CP1",))))
    ws.receive_data(head[-1:], now=0.0)
    (event,) = drain(ws)
    assert isinstance(event, ConnectionRequested)
    assert (event.source, event.secure, event.certificate) == ("192.0.2.1", True, CertificateFacts(("CP1",)))
    assert known == []


def test_what_a_client_writes_of_its_origin_is_no_fact_f_23():
    ws = server(facts=lambda: TransportFacts("192.0.2.1"))
    claims = {
        "X_Forwarded_For": "198.51.100.7",
        "X_Forwarded_Proto": "https",
        "Forwarded": "for=198.51.100.7;proto=https",
        "X_Real_IP": "198.51.100.7",
        "X_SSL_Client_Verify": "SUCCESS",
        "X_SSL_Client_S_DN": "CN=CP1",
        "X_Forwarded_Client_Cert": 'Subject="CN=CP1"',
    }
    ws.receive_data(request(**claims), now=0.0)
    (event,) = drain(ws)
    assert isinstance(event, ConnectionRequested)
    assert (event.source, event.secure, event.certificate) == ("192.0.2.1", False, None)


@pytest.mark.parametrize(
    ("offered", "spoken", "chosen"),
    [
        ("ocpp2.0.1, ocpp1.6", (Version.V16, Version.V201), Version.V201),
        ("ocpp1.6, ocpp2.0.1", (Version.V201, Version.V16), Version.V16),
        ("ocpp1.2,ocpp1.5,ocpp2.0,ocpp1.6", (Version.V16,), Version.V16),
        ("OCPP1.6", (Version.V16,), None),
        ("ocpp2.1", (Version.V16,), None),
    ],
)
def test_the_first_of_the_clients_versions_that_is_spoken_is_chosen(
    offered: str, spoken: tuple[Version, ...], chosen: Version | None
):
    """RPC-010, RPC-011, F-31."""
    ws = server(versions=spoken)
    ws.receive_data(request(Sec_WebSocket_Protocol=offered), now=0.0)
    (event,) = drain(ws)
    assert event.version is chosen


def test_several_header_lines_offer_versions():
    """F-31."""
    ws = server()
    ws.receive_data(request(Sec_WebSocket_Protocol="ocpp2.0.1\r\nsec-websocket-protocol: ocpp1.6"), now=0.0)
    (event,) = drain(ws)
    assert event.offered == ("ocpp2.0.1", "ocpp1.6")
    assert event.version is Version.V16


@pytest.mark.parametrize("offer", [{"Sec_WebSocket_Protocol": "ocpp0.1"}, {"without": "Sec-WebSocket-Protocol"}])
def test_without_a_common_version_the_connection_is_accepted_and_closed(offer: dict[str, str]):
    """RPC-012, F-31."""
    ws = server()
    ws.receive_data(request(**offer), now=0.0)
    (event,) = drain(ws)
    assert event.version is None
    ws.accept(now=0.0)
    head, _, rest = ws.data_to_send().partition(b"\r\n\r\n")
    assert status_of(head) == 101
    assert b"sec-websocket-protocol" not in head.lower()
    assert frames_in(rest) == [(Opcode.CLOSE, b"\x03\xeano OCPP version in common")]
    assert drain(ws) == []
    assert not ws.is_open
    ws.receive_data(text(b"ignored") + close(1002), now=0.0)
    assert drain(ws) == [ConnectionRefused(101, "no OCPP version in common")]
    assert ws.transport_done


def test_without_a_common_version_the_request_can_be_refused():
    """RPC-013."""
    ws = server(no_match=NoMatch.REJECT)
    ws.receive_data(request(Sec_WebSocket_Protocol="ocpp0.1"), now=0.0)
    assert drain(ws) == [ConnectionRefused(400, "no OCPP version in common")]
    assert status_of(ws.data_to_send()) == 400
    assert ws.transport_done


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (request(line="GET / HTTP/1.1", without="Upgrade"), 426),
        (request(without="Connection"), 426),
        (request(Upgrade="h2c"), 426),
        (request(line="GET /CP1 HTTP/1.0"), 426),
        (request(line="POST /CP1 HTTP/1.1", Content_Length="5") + b"12345", 405),
        (request(Content_Length="5") + b"12345", 400),
        (request(Transfer_Encoding="chunked") + b"0\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (request(without="Sec-WebSocket-Key"), 400),
        (request(Sec_WebSocket_Key="short"), 400),
        (request(Sec_WebSocket_Version="8"), 400),
        (request(Sec_WebSocket_Protocol=";;"), 400),
        (request(Origin="https://example.com"), 403),
        (request("/"), 404),
        (request("/a%2Fb"), 400),
        (b"GET /" + b"a" * 8192, 414),
        (request(X="y" * 8192), 431),
        (request() * 2 + b"a: b\r\n" * 65, None),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 65 + b"\r\n", 431),
    ],
)
def test_what_is_no_proper_request_gets_its_status_at_once(raw: bytes, status: int | None):
    """F-03, F-30, F-32, F-57."""
    ws = server()
    ws.receive_data(raw, now=0.0)
    (event,) = drain(ws)
    if status is None:
        assert isinstance(event, ConnectionRequested)
        return
    assert isinstance(event, ConnectionRefused)
    assert event.status == status
    response = ws.data_to_send()
    assert status_of(response) == status
    assert b"Connection: close\r\n" in response
    assert ws.transport_done
    assert ws.next_timeout() is None
    with pytest.raises(LocalProtocolError):
        ws.accept(now=0.0)
    ws.receive_data(request(), now=1.0)
    assert drain(ws) == []
    assert ws.data_to_send() == b""


SMUGGLED = {
    "HTTP/2 by prior knowledge": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(18), 400),
    "HTTP/0.9": (b"GET /CP1\r\n\r\n", 400),
    "HTTP/1.2": (request(line="GET /CP1 HTTP/1.2"), 400),
    "a health check": (b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 426),
    "a health check from long ago": (b"GET / HTTP/1.0\r\n\r\n", 426),
    "HEAD": (b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    "CONNECT": (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    "a body": (request(Content_Length="5") + b"12345", 400),
    "a body in chunks": (request(Transfer_Encoding="chunked") + b"0\r\n\r\n", 400),
    "two ways to a body": (request(Content_Length="0", Transfer_Encoding="chunked"), 400),
    "an encoding that is none": (request(Transfer_Encoding="identity"), 400),
    "an encoding in disguise": (request(Transfer_Encoding="\x0bchunked"), 400),
    "a blank before the colon": (request(without="Host").replace(b"\r\n\r\n", b"\r\nHost : x\r\n\r\n"), 400),
    "two lengths": (request(Content_Length="0\r\nContent-Length: 5"), 400),
    "a list of lengths": (request(Content_Length="0, 0"), 400),
    "a signed length": (request(Content_Length="+0"), 400),
    "no host": (request(without="Host"), 400),
    "two hosts": (request(Host="a\r\nHost: b"), 400),
    "a URL for a target": (request("http://example.com/CP1"), 400),
    "a lone CR": (request().replace(b"\r\nUpgrade", b"\rUpgrade"), 400),
    "a lone LF": (request().replace(b"\r\n\r\n", b"\n\n"), 400),
    "a folded line": (request(X="1\r\n 2"), 400),
    "a blank line first": (b"\r\n" + request(), 400),
    "two upgrades": (request(Upgrade="websocket, h2c"), 426),
    "two keys": (request(Sec_WebSocket_Key=f"{KEY}\r\nSec-WebSocket-Key: {KEY}"), 400),
}


@pytest.mark.parametrize(("raw", "status"), SMUGGLED.values(), ids=SMUGGLED)
def test_what_two_servers_could_read_in_two_ways_is_refused_at_once_f_57(raw: bytes, status: int):
    """F-57: however it comes, there is an answer and an end; nothing is waited for."""
    for pieces in ([raw], [raw[index : index + 1] for index in range(len(raw))]):
        ws = server()
        for piece in pieces:
            ws.receive_data(piece, now=0.0)
        (refused,) = drain(ws)
        assert isinstance(refused, ConnectionRefused)
        assert refused.status == status
        assert ws.transport_done
        assert status_of(ws.data_to_send()) == status


def test_what_is_no_http_at_all_is_waited_for_no_longer_than_a_handshake_f_57():
    """F-57: a TLS greeting, for one, never comes to the end of a head."""
    ws = server(handshake_timeout=10.0)
    ws.receive_data(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), now=0.0)
    ws.handle_timeout(now=10.0)
    assert status_of(ws.data_to_send()) == 408
    assert ws.transport_done


def test_an_upgrade_is_asked_for_where_it_is_missing():
    ws = server()
    ws.receive_data(request(without="Upgrade"), now=0.0)
    assert b"Upgrade: websocket\r\n" in ws.data_to_send()


def test_an_origin_can_be_allowed():
    """F-32."""
    ws = server(allow_origin=True)
    ws.receive_data(request(Origin="https://example.com"), now=0.0)
    assert isinstance(drain(ws)[0], ConnectionRequested)


def test_the_application_refuses_with_a_status_and_a_reason():
    """RPC-015."""
    ws = server()
    ws.receive_data(request(), now=0.0)
    drain(ws)
    ws.reject(404, "unknown station", [("Retry-After", "60")], now=0.0)
    response = ws.data_to_send()
    assert status_of(response) == 404
    assert b"Retry-After: 60\r\n" in response
    assert b"WWW-Authenticate" not in response
    assert response.endswith(b"\r\n\r\nunknown station")
    assert drain(ws) == [ConnectionRefused(404, "unknown station")]
    assert ws.transport_done


@pytest.mark.parametrize("headers", [[], [("www-authenticate", 'Basic realm="mine"')]])
def test_a_401_asks_for_credentials(headers: list[tuple[str, str]]):
    """RPC-016."""
    ws = server()
    ws.receive_data(request(), now=0.0)
    ws.reject(401, "", headers, now=0.0)
    response = ws.data_to_send().lower()
    assert response.count(b"www-authenticate: basic realm=") == 1
    assert (b"mine" in response) is bool(headers)


def test_a_refusal_that_cannot_be_written_leaves_the_request_open():
    ws = server()
    ws.receive_data(request(), now=0.0)
    for status, headers in ((200, ()), (101, ()), (600, ()), (404, [("X", "a\r\nb")])):
        with pytest.raises(ValueError):
            ws.reject(status, "", headers, now=0.0)
    ws.accept(now=0.0)
    assert ws.is_open


def test_there_has_to_be_a_request_to_decide_on():
    ws = server()
    with pytest.raises(LocalProtocolError):
        ws.accept(now=0.0)
    ws.receive_data(request(), now=0.0)
    ws.accept(now=0.0)
    with pytest.raises(LocalProtocolError):
        ws.accept(now=0.0)
    with pytest.raises(LocalProtocolError):
        ws.reject(401, "", (), now=0.0)


def test_who_leaves_without_a_word_is_told_from_who_breaks_off_f_130():
    for said, reason in ((b"", SILENT_VISIT), (b"G", "the connection ended during the handshake")):
        ws = server()
        ws.receive_data(said, now=0.0)
        ws.receive_eof(now=0.5)
        assert drain(ws) == [ConnectionRefused(None, reason)]
        ws.receive_eof(now=0.5)
        assert drain(ws) == []


def test_a_decision_about_one_who_has_left_does_nothing():
    for decide in (lambda ws: ws.accept(now=1.0), lambda ws: ws.reject(401, "", (), now=1.0)):
        ws = server()
        ws.receive_data(request(), now=0.0)
        ws.receive_eof(now=0.5)
        assert drain(ws)[1:] == [ConnectionRefused(None, "the connection ended during the handshake")]
        decide(ws)
        assert drain(ws) == []
        assert ws.data_to_send() == b""


def test_frames_behind_the_request_wait_for_the_decision():
    """F-56."""
    ws = server()
    ws.receive_data(request() + text(b"one") + frame(Opcode.PING, b"x"), now=0.0)
    ws.receive_data(text(b"two"), now=0.0)
    assert len(drain(ws)) == 1
    assert ws.data_to_send() == b""
    ws.accept(now=0.0)
    assert drain(ws) == [OPENED, "one", "two"]
    _, _, rest = ws.data_to_send().partition(b"\r\n\r\n")
    assert frames_in(rest) == [(Opcode.PONG, b"x")]


def test_little_is_held_while_the_application_decides():
    """F-56: reading stops, and a driver that goes on all the same does not fill the memory."""
    ws = server(max_handshake_size=500, max_message_size=1000)
    ws.receive_data(request() + b"x" * 499, now=0.0)
    assert not ws.reading_paused
    ws.receive_data(b"x", now=0.0)
    assert ws.reading_paused
    ws.receive_data(b"x" * 500, now=0.0)
    assert ws.reading_paused
    ws.receive_data(b"x", now=0.0)
    assert not ws.reading_paused
    assert drain(ws)[1:] == [ConnectionRefused(400, "too much was sent before the answer")]
    assert status_of(ws.data_to_send()) == 400


def test_reading_goes_on_after_the_decision():
    ws = server(max_handshake_size=500)
    ws.receive_data(request() + text(b"x" * 600), now=0.0)
    assert ws.reading_paused
    ws.accept(now=0.0)
    assert not ws.reading_paused


@pytest.mark.parametrize(("raw", "status"), [(b"", 408), (b"GET /", 408), (request(), 503)])
def test_the_handshake_has_one_deadline_whatever_trickles_in(raw: bytes, status: int):
    """F-01, F-02."""
    ws = server(handshake_timeout=10.0, now=100.0)
    for index in range(len(raw)):
        ws.receive_data(raw[index : index + 1], now=100.0 + index / 100)
    drain(ws)
    assert ws.next_timeout() == 110.0
    ws.handle_timeout(now=109.9)
    assert not ws.transport_done
    ws.handle_timeout(now=110.0)
    assert drain(ws) == [ConnectionRefused(None, "the handshake took too long")]
    assert status_of(ws.data_to_send()) == status
    assert ws.transport_done
    assert ws.next_timeout() is None


def test_without_a_handshake_timeout_there_is_no_deadline():
    assert server(handshake_timeout=None).next_timeout() is None


def test_a_server_that_closes_during_the_handshake_says_so():
    ws = server()
    ws.receive_data(request(), now=0.0)
    ws.close(1001, "", now=0.0)
    assert drain(ws)[1:] == [ConnectionRefused(None, "closed before it was open")]
    assert status_of(ws.data_to_send()) == 503
    assert ws.transport_done


# -- the handshake, client side --


def test_the_opening_request_is_there_at_once():
    """RPC-002, RPC-010."""
    ws = client(versions=(Version.V201, Version.V16), headers=[("User-Agent", "box/1.0")])
    lines = ws.data_to_send().decode().split("\r\n")
    assert lines[0] == "GET /ocpp/CP1 HTTP/1.1"
    assert "Host: example.com" in lines
    assert "Sec-WebSocket-Protocol: ocpp2.0.1, ocpp1.6" in lines
    assert "User-Agent: box/1.0" in lines
    # RPC-021, F-51, F-52: compression is never offered.
    assert not any(line.startswith("Sec-WebSocket-Extensions") for line in lines)
    assert ws.data_to_send() == b""


@pytest.mark.parametrize("headers", [[("host", "elsewhere")], [("Upgrade", "h2c")], [("X", "a\nb")], [("X Y", "")]])
def test_the_callers_header_fields_leave_the_handshake_alone(headers: list[tuple[str, str]]):
    with pytest.raises(ValueError):
        client(headers=headers)


def test_an_ipv6_host_is_written_in_brackets():
    endpoint = Endpoint.of("ws://[::1]:9000", "CP1")
    ws = ClientWebSocket(endpoint, (Version.V16,), print, headers=(), limits=Limits(), now=0.0)
    assert b"\r\nHost: [::1]:9000\r\n" in ws.data_to_send()


@pytest.mark.parametrize(
    ("protocol", "extra", "flaw"),
    [
        (None, "", "the server chose no OCPP version"),
        ("ocpp2.0.1", "", "unsupported subprotocol: ocpp2.0.1"),
        ("ocpp1.6", "Sec-WebSocket-Extensions: permessage-deflate\r\n", "no extensions supported"),
    ],
)
def test_a_websocket_without_an_offered_version_is_closed(protocol: str | None, extra: str, flaw: str):
    """RPC-014, RPC-021."""
    ws = client()
    ws.data_to_send()
    ws.receive_data(answer(ws, protocol, extra) + close(1002, mask=False), now=0.0)
    assert frames_in(ws.data_to_send(), masked=True) == [(Opcode.CLOSE, b"\x03\xea" + flaw.encode())]
    assert drain(ws) == [ConnectionRefused(101, flaw)]
    ws.receive_eof(now=0.0)
    assert ws.transport_done
    assert drain(ws) == []


def test_a_101_that_is_no_websocket_is_dropped():
    ws = client()
    ws.data_to_send()
    ws.receive_data(answer(ws).replace(b"Accept: ", b"Accept: x"), now=0.0)
    (event,) = drain(ws)
    assert isinstance(event, ConnectionRefused)
    assert event.status == 101
    assert "Sec-WebSocket-Accept" in event.reason
    assert ws.transport_done
    assert ws.data_to_send() == b""


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"Content-Length: 4\r\n\r\nbody", "body"),
        (b"Content-Length: 4\r\n\r\nbody and more", "body"),
        (b"Content-Length: 4\r\n\r\nb\xffdy", "b\N{REPLACEMENT CHARACTER}dy"),
        (b"Content-Length: 0\r\n\r\n", ""),
        (b"Content-Length: 99\r\n\r\n0123456789", "01234567"),
        (b"\r\n0123456789", "01234567"),
        (b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", ""),
    ],
)
def test_a_refusal_is_reported_with_the_start_of_its_body(raw: bytes, body: str):
    """F-16."""
    for pieces in ([raw], [raw[index : index + 1] for index in range(len(raw))]):
        ws = client(max_reported_text=8)
        ws.receive_data(b"HTTP/1.1 404 Not Found\r\nRetry-After: 5\r\n", now=0.0)
        for piece in pieces:
            ws.receive_data(piece, now=0.0)
        (event,) = drain(ws)
        assert (event.status, event.reason, event.body) == (404, "Not Found", body)
        assert event.headers["retry-after"] == "5"
        assert ws.transport_done


@pytest.mark.parametrize("end", ["eof", "deadline"])
def test_a_refusal_whose_body_never_ends_is_reported_all_the_same(end: str):
    """F-16."""
    ws = client(handshake_timeout=10.0)
    ws.receive_data(b"HTTP/1.1 503 Service Unavailable\r\n\r\nnot", now=0.0)
    ws.receive_data(b" now", now=0.0)
    assert drain(ws) == []
    ws.receive_eof(now=1.0) if end == "eof" else ws.handle_timeout(now=10.0)
    assert drain(ws) == [ConnectionRefused(503, "Service Unavailable", {}, "not now")]
    assert ws.transport_done


@pytest.mark.parametrize("raw", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n", b"x" * 9000])
def test_an_answer_that_is_not_http_is_dropped(raw: bytes):
    ws = client()
    ws.data_to_send()
    ws.receive_data(raw, now=0.0)
    (event,) = drain(ws)
    assert isinstance(event, ConnectionRefused)
    assert event.status is None
    assert ws.transport_done
    assert ws.data_to_send() == b""


def test_a_server_that_never_answers_is_given_up():
    """F-02."""
    ws = client(handshake_timeout=10.0)
    assert ws.next_timeout() == 10.0
    ws.handle_timeout(now=10.0)
    assert drain(ws) == [ConnectionRefused(None, "the handshake took too long")]
    assert ws.transport_done


def test_a_client_can_give_up_the_handshake():
    ws = client()
    ws.close(1000, "", now=0.0)
    assert drain(ws) == [ConnectionRefused(None, "closed before it was open")]
    assert ws.transport_done


# -- messages --


def test_texts_go_both_ways():
    """RPC-022."""
    pair = open_pair()
    pair.client.send_text("grüße".encode())
    pair.server.send_text(b"1")
    pair.server.send_text(b"2")
    assert pair.run() == (["1", "2"], ["grüße"])


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_texts_of_every_length_form_arrive(size: int):
    pair = open_pair()
    pair.client.send_text(b"a" * size)
    pair.server.send_text(b"b" * size)
    assert pair.run() == (["b" * size], ["a" * size])


def test_a_message_in_fragments_arrives_whole():
    """F-46: a character may be cut, a ping may come between."""
    ws = open_server()
    raw = "grüße".encode()
    ws.receive_data(text(raw[:3], fin=False), now=0.0)
    ws.receive_data(frame(Opcode.PING), now=0.0)
    ws.receive_data(frame(Opcode.CONT, b"", fin=False), now=0.0)
    assert drain(ws) == []
    ws.receive_data(frame(Opcode.CONT, raw[3:]) + text(b"next", fin=False) + frame(Opcode.CONT), now=0.0)
    assert drain(ws) == ["grüße", "next"]


def failed(ws: WebSocket, code: int, what: Misbehaviour) -> PeerMisbehaved:
    """The connection has been closed because of the peer; gives the event that says why."""
    misbehaved, closed = drain(ws)
    assert isinstance(misbehaved, PeerMisbehaved)
    assert misbehaved.reason is what
    assert isinstance(closed, ConnectionClosed)
    assert (closed.code, closed.by_peer) == (code, False)
    assert ws.transport_done
    assert ws.next_timeout() is None
    opcode, data = frames_in(ws.data_to_send(), masked=isinstance(ws, ClientWebSocket))[-1]
    assert opcode is Opcode.CLOSE
    assert int.from_bytes(data[:2], "big") == code
    ws.receive_data(text(b"ignored") + frame(Opcode.PING), now=0.0)
    assert drain(ws) == []
    assert ws.data_to_send() == b""
    return misbehaved


BREACHES = {
    "reserved bit": (b"\xc1\x80" + bytes(4), 1002),
    "unknown opcode": (b"\x83\x80", 1002),
    "not masked": (text(b"x", mask=False), 1002),
    "long ping": (b"\x89\xfe\x00\x7e" + bytes(4 + 126), 1002),
    "fragmented ping": (b"\x09\x80" + bytes(4), 1002),
    "continuation of nothing": (frame(Opcode.CONT, b"x"), 1002),
    "text in a text": (text(b"x", fin=False) + text(b"y"), 1002),
    "code not for the wire": (b"\x88\x82" + bytes(4) + b"\x03\xed", 1002),
    "half a code": (b"\x88\x81" + bytes(5), 1002),
    "reason is no UTF-8": (frame(Opcode.CLOSE, b"\x03\xe8\xff"), 1007),
    "text is no UTF-8": (text(b"\xff"), 1007),
    "overlong UTF-8": (text(b"\xc0\x80"), 1007),
    "surrogate in UTF-8": (text(b"\xed\xa0\x80"), 1007),
    "UTF-8 ends in the next fragment": (text(b"\xc3", fin=False) + frame(Opcode.CONT, b"x", fin=False), 1007),
    "UTF-8 does not end": (text(b"\xc3", fin=False) + frame(Opcode.CONT), 1007),
    "length beyond all": (b"\x81\xff" + b"\x7f" + b"\xff" * 7, 1009),
    "one octet too long": (b"\x81\xff" + (201).to_bytes(8, "big"), 1009),
    "fragments too long": (text(b"x" * 160, fin=False) + frame(Opcode.CONT, b"x" * 41), 1009),
}


@pytest.mark.parametrize(("raw", "code"), BREACHES.values(), ids=BREACHES)
def test_a_breach_of_the_protocol_closes_the_connection(raw: bytes, code: int):
    """F-45, F-46, F-48, F-49: announced sizes count, nothing is waited for."""
    for pieces in ([raw], [raw[index : index + 1] for index in range(len(raw))]):
        ws = open_server(max_message_size=200)
        for piece in pieces:
            ws.receive_data(piece, now=0.0)
        failed(ws, code, Misbehaviour.WEBSOCKET_VIOLATION)


def test_a_client_fails_in_the_same_way():
    """F-45."""
    ws = open_client()
    ws.receive_data(text(b"masked"), now=0.0)
    failed(ws, 1002, Misbehaviour.WEBSOCKET_VIOLATION)


def test_the_largest_message_allowed_arrives():
    """F-49."""
    ws = open_server(max_message_size=100)
    ws.receive_data(text(b"x" * 100) + text(b"x" * 99, fin=False) + frame(Opcode.CONT, b"x"), now=0.0)
    assert drain(ws) == ["x" * 100] * 2


@pytest.mark.parametrize("fin", [True, False])
def test_a_binary_message_is_not_ocpp(fin: bool):
    """RPC-022, F-47."""
    ws = open_server(max_reported_text=5)
    ws.receive_data(text(b"before") + frame(Opcode.BINARY, b"\xff[2,3,4]", fin=fin) + text(b"after"), now=0.0)
    assert ws.next_event() == "before"
    assert failed(ws, 1003, Misbehaviour.BINARY_MESSAGE).text == "\N{REPLACEMENT CHARACTER}[2,3"


def test_what_has_come_of_a_message_is_let_go_with_the_connection_f_132():
    ws = open_server()
    ws.receive_data(text(b"half of it", fin=False), now=0.0)
    fragments = weakref.ref(ws._fragments)
    assert fragments() is not None
    ws.receive_eof(now=0.0)
    assert fragments() is None


def test_a_message_in_too_many_fragments_closes_the_connection():
    """F-50."""
    ws = open_server(max_fragments=3)
    ws.receive_data(text(b"", fin=False) + frame(Opcode.CONT, fin=False) + frame(Opcode.CONT), now=0.0)
    assert drain(ws) == [""]
    ws.receive_data(text(b"", fin=False) + frame(Opcode.CONT, fin=False) * 3 + frame(Opcode.CONT) * 99999, now=0.0)
    failed(ws, 1008, Misbehaviour.TOO_MANY_FRAGMENTS)


@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.PONG])
def test_a_flood_of_control_frames_closes_the_connection(opcode: Opcode):
    """F-53: and what came behind the last one allowed is not answered."""
    ws = open_server(max_control_burst=5, max_control_rate=10.0)
    ws.receive_data(frame(opcode) * 99999, now=0.0)
    closing = ws.data_to_send()
    assert [each for each, _ in frames_in(closing)].count(Opcode.PONG) == (6 if opcode is Opcode.PING else 0)
    misbehaved, closed = drain(ws)
    assert misbehaved.reason is Misbehaviour.TOO_MANY_CONTROL_FRAMES
    assert closed.code == 1008


def test_a_pong_is_never_answered_whatever_is_in_it_f_53():
    """F-53: nor is it told of, and two for one ping are one sign of life."""
    ws = open_server()
    ws.receive_data(frame(Opcode.PONG, b"secret") + frame(Opcode.PONG, b"x" * 125) + frame(Opcode.PONG), now=0.0)
    ws.probe(now=0.0)
    ws.data_to_send()
    ws.receive_data(frame(Opcode.PONG) * 2, now=0.0)
    assert drain(ws) == [ProbeAnswered()]
    assert ws.data_to_send() == b""


def test_each_ping_is_answered_once_and_at_once_f_53():
    """F-53, F-54: between the fragments of a message as well."""
    ws = open_server()
    ws.receive_data(text(b"x", fin=False) + frame(Opcode.PING, b"1") + frame(Opcode.PING, b"2"), now=0.0)
    assert frames_in(ws.data_to_send()) == [(Opcode.PONG, b"1"), (Opcode.PONG, b"2")]
    assert drain(ws) == []


def test_control_frames_at_the_allowed_rate_go_on_for_ever():
    """F-53."""
    ws = open_server(max_control_burst=1, max_control_rate=8.0)
    for eighth in range(100):
        ws.receive_data(frame(Opcode.PING), now=eighth / 8)
    assert ws.is_open
    ws.receive_data(frame(Opcode.PING), now=99 / 8)
    failed(ws, 1008, Misbehaviour.TOO_MANY_CONTROL_FRAMES)


@pytest.mark.parametrize("fin", [True, False])
def test_a_bug_of_ours_is_not_blamed_on_the_peer(fin: bool):
    """F-14."""
    ws = open_server()
    ws._frames.on_text = lambda _: 1 / 0
    with pytest.raises(ZeroDivisionError):
        ws.receive_data(text(b"x", fin=fin) + frame(Opcode.CONT), now=0.0)
    assert drain(ws) == [ConnectionClosed(1011, "", by_peer=False)]
    assert frames_in(ws.data_to_send()) == [(Opcode.CLOSE, b"\x03\xf3")]
    assert ws.transport_done


# -- the end --


def test_a_client_closes_in_good_order():
    """RPC-017."""
    pair = open_pair()
    pair.client.close(1001, "reboot", now=0.0)
    assert not pair.client.is_open
    assert pair.run() == (
        [ConnectionClosed(1001, "reboot", by_peer=False)],
        [ConnectionClosed(1001, "reboot", by_peer=True)],
    )
    assert pair.server.transport_done
    assert not pair.client.transport_done
    pair.client.receive_eof(now=0.0)
    assert pair.client.transport_done
    assert pair.run() == ([], [])
    assert pair.next_timeout() == math.inf


def test_a_server_closes_in_good_order():
    """RPC-017."""
    pair = open_pair(client_options={"close_timeout": 5.0})
    pair.server.close(1000, "", now=0.0)
    assert pair.run() == ([ConnectionClosed(1000, "", by_peer=True)], [ConnectionClosed(1000, "", by_peer=False)])
    assert pair.server.transport_done
    # The server is to close the transport; a client does not wait for that for ever.
    assert pair.client.next_timeout() == 5.0
    pair.client.handle_timeout(now=5.0)
    assert pair.client.transport_done
    assert pair.run() == ([], [])


def test_both_may_close_at_once():
    pair = open_pair()
    pair.client.close(1000, "client", now=0.0)
    pair.server.close(1001, "server", now=0.0)
    assert pair.run() == (
        [ConnectionClosed(1000, "client", by_peer=False)],
        [ConnectionClosed(1001, "server", by_peer=False)],
    )


def test_a_close_frame_may_be_empty():
    ws = open_server()
    ws.receive_data(frame(Opcode.CLOSE), now=0.0)
    assert drain(ws) == [ConnectionClosed(1005, "", by_peer=True)]
    assert frames_in(ws.data_to_send()) == [(Opcode.CLOSE, b"")]


def test_a_close_frame_that_is_never_answered_is_waited_for_only_so_long():
    """F-10: even though the peer keeps talking."""
    ws = open_server(close_timeout=5.0)
    ws.close(1000, "", now=1.0)
    ws.receive_data(text(b"x") + text(b"\xff") + frame(Opcode.BINARY) + frame(Opcode.PING), now=5.0)
    assert drain(ws) == []
    assert ws.next_timeout() == 6.0
    ws.handle_timeout(now=6.0)
    assert drain(ws) == [ConnectionClosed(1006, "the peer did not answer the close frame", by_peer=False)]
    assert ws.transport_done


def test_without_a_close_timeout_the_answer_is_waited_for():
    ws = open_server(close_timeout=None)
    ws.close(1000, "", now=0.0)
    assert ws.next_timeout() is None


def test_a_flood_ends_a_closing_handshake():
    """F-53."""
    ws = open_server(max_control_burst=5)
    ws.close(1000, "", now=0.0)
    ws.receive_data(frame(Opcode.PING) * 6, now=0.0)
    assert drain(ws)[-1] == ConnectionClosed(1008, "too many control frames", by_peer=False)
    assert ws.transport_done


def test_what_comes_after_the_close_frame_is_ignored():
    """F-55."""
    ws = open_server()
    ws.receive_data(close() + text(b"late") + close(1001) + frame(Opcode.PING), now=0.0)
    assert drain(ws) == [ConnectionClosed(1000, "", by_peer=True)]
    assert len(frames_in(ws.data_to_send())) == 1
    ws.receive_data(b"\xff" * 100, now=0.0)
    ws.receive_eof(now=0.0)
    ws.close(1000, "", now=0.0)
    ws.send_text(b"late")
    ws.handle_timeout(now=1e9)
    assert drain(ws) == []
    assert ws.data_to_send() == b""


def test_who_leaves_need_not_end_what_he_was_saying():
    """F-45, F-55: RFC 6455, 5.4. It is not heard, and nobody is to blame."""
    ws = open_server()
    ws.receive_data(text(b"wh", fin=False) + close() + frame(Opcode.CONT, b"at"), now=0.0)
    assert drain(ws) == [ConnectionClosed(1000, "", by_peer=True)]
    assert frames_in(ws.data_to_send()) == [(Opcode.CLOSE, b"\x03\xe8")]


def test_closing_twice_is_closing_once():
    ws = open_server()
    ws.close(1000, "", now=0.0)
    ws.close(1001, "", now=0.0)
    assert frames_in(ws.data_to_send()) == [(Opcode.CLOSE, b"\x03\xe8")]


def test_a_connection_that_breaks_off_is_told_from_one_that_is_closed():
    """F-08, F-09."""
    ws = open_server()
    ws.receive_data(text(b"x" * 100)[:50], now=0.0)
    ws.receive_eof(now=0.0)
    assert drain(ws) == [ConnectionClosed(1006, "the connection ended without a closing handshake", by_peer=True)]
    assert ws.transport_done
    ws.receive_eof(now=0.0)
    assert drain(ws) == []


def test_a_peer_may_leave_instead_of_answering_the_close_frame():
    """F-09."""
    ws = open_client()
    ws.close(1000, "", now=0.0)
    ws.receive_eof(now=0.0)
    assert drain(ws) == [ConnectionClosed(1006, "the connection ended without a closing handshake", by_peer=False)]
    assert ws.transport_done


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_a_code_that_cannot_be_sent_is_refused(code: int):
    ws = open_server()
    with pytest.raises(ValueError, match="close frame"):
        ws.close(code, "", now=0.0)
    assert ws.is_open


def test_a_long_reason_is_cut_between_characters():
    ws = open_server()
    ws.close(4000, "ä" * 100 + "\ud800", now=0.0)
    assert frames_in(ws.data_to_send()) == [(Opcode.CLOSE, b"\x0f\xa0" + "ä".encode() * 61)]


# -- silence --


def test_a_silent_peer_is_pinged_and_lost_without_a_pong():
    """RPC-121, RPC-123, F-07."""
    pair = open_pair(ping_interval=20.0, ping_timeout=15.0, client_options={"ping_interval": None})
    assert pair.next_timeout() == 20.0
    pair.cut = True
    assert pair.wait(34.9) == ([], [])
    assert pair.server_bytes.endswith(b"\x89\x00")
    assert pair.wait(0.1) == ([], [ConnectionClosed(1006, "no sign of life since the ping", by_peer=True)])
    assert pair.server.transport_done
    assert pair.server.next_timeout() is None
    assert pair.server.data_to_send() == b""


def test_a_peer_that_answers_pings_stays_connected():
    """RPC-123."""
    pair = open_pair()
    assert pair.wait(3600.0) == ([], [])
    assert pair.client.is_open
    assert pair.server.is_open


def test_any_byte_is_a_sign_of_life():
    """RPC-123: it need not be a pong, nor a whole frame."""
    ws = open_server(ping_interval=20.0, ping_timeout=10.0)
    ws.handle_timeout(now=20.0)
    assert ws.next_timeout() == 30.0
    ws.receive_data(text(b"long")[:3], now=29.0)
    assert ws.next_timeout() == 49.0
    ws.handle_timeout(now=49.0)
    assert ws.next_timeout() == 59.0


def test_a_peer_that_talks_is_not_pinged():
    """RPC-121: an early wake-up is possible, an early ping is not."""
    ws = open_server(ping_interval=20.0)
    ws.receive_data(text(b"x"), now=15.0)
    ws.handle_timeout(now=20.0)
    assert ws.data_to_send() == b""
    assert ws.next_timeout() == 35.0
    ws.handle_timeout(now=36.0)
    assert frames_in(ws.data_to_send()) == [(Opcode.PING, b"")]


def test_a_silence_of_our_own_making_does_not_count():
    ws = open_server(ping_interval=20.0, ping_timeout=10.0)
    ws.handle_timeout(now=20.0)
    ws.heard(now=30.0)
    ws.handle_timeout(now=30.0)
    assert ws.is_open


def test_a_peer_that_answers_a_probe_is_told_of_once_f_33():
    """F-33: and the ordinary ping comes when it would have come."""
    pair = open_pair(ping_interval=20.0, client_options={"ping_interval": None})
    pair.now = 7.0
    pair.server.probe(now=7.0)
    assert pair.server.next_timeout() == 12.0
    assert pair.run() == ([], [ProbeAnswered()])
    assert not pair.server.probing
    assert pair.server.next_timeout() == 27.0
    pair.server.receive_data(text(b"x"), now=8.0)
    assert drain(pair.server) == ["x"]
    pair.server.probe(now=8.0)
    assert pair.run() == ([], [ProbeAnswered()])


def test_a_probe_that_nothing_answers_ends_the_connection_f_34():
    """F-34, RPC-123."""
    pair = open_pair(probe_timeout=5.0, ping_interval=None)
    pair.cut = True
    pair.now = 100.0
    pair.server.probe(now=100.0)
    assert pair.wait(4.9) == ([], [])
    assert pair.server_bytes.endswith(b"\x89\x00")
    assert pair.wait(0.1) == ([], [ConnectionClosed(1006, "no sign of life since the ping", by_peer=True)])
    assert pair.server.transport_done


def test_any_byte_answers_a_probe_f_33():
    """F-33: what has come with it is told after it."""
    ws = open_server()
    ws.probe(now=1.0)
    ws.receive_data(text(b"whole") + text(b"half")[:3], now=2.0)
    assert drain(ws) == [ProbeAnswered(), "whole"]


def test_to_probe_again_meanwhile_is_to_probe_once_f_33():
    """F-33."""
    ws = open_server(probe_timeout=5.0)
    ws.probe(now=1.0)
    ws.probe(now=3.0)
    assert frames_in(ws.data_to_send()) == [(Opcode.PING, b"")]
    assert ws.next_timeout() == 6.0
    ws.receive_data(frame(Opcode.PONG), now=4.0)
    assert drain(ws) == [ProbeAnswered()]


@pytest.mark.parametrize(("ping_timeout", "until"), [(3.0, 23.0), (20.0, 26.0), (None, 26.0)])
def test_a_probe_never_puts_off_the_end_of_an_unanswered_ping_f_34(ping_timeout: float | None, until: float):
    """F-34, RPC-123."""
    ws = open_server(ping_interval=20.0, ping_timeout=ping_timeout, probe_timeout=5.0)
    ws.handle_timeout(now=20.0)
    ws.probe(now=21.0)
    assert frames_in(ws.data_to_send()) == [(Opcode.PING, b"")] * 2
    assert ws.next_timeout() == until
    ws.handle_timeout(now=until)
    assert isinstance(drain(ws)[-1], ConnectionClosed)


def test_only_an_open_connection_is_probed_f_33():
    """F-33: one that is closing comes to its end anyway."""
    shaking, closing, over = server(), open_server(), open_server()
    closing.close(1000, "", now=0.0)
    over.receive_eof(now=0.0)
    for ws in (shaking, closing, over):
        ws.data_to_send()
        due = ws.next_timeout()
        ws.probe(now=1.0)
        assert not ws.probing
        assert ws.data_to_send() == b""
        assert ws.next_timeout() == due


def test_a_probe_does_not_outlive_the_close_frame_f_33():
    """F-33."""
    ws = open_server(close_timeout=50.0)
    ws.probe(now=0.0)
    ws.close(1000, "", now=1.0)
    assert ws.next_timeout() == 51.0
    ws.receive_data(frame(Opcode.PONG), now=2.0)
    assert drain(ws) == []


def test_pings_can_be_switched_off():
    """RPC-121."""
    assert open_server(ping_interval=None).next_timeout() is None


def test_pongs_need_not_be_waited_for():
    ws = open_server(ping_interval=20.0, ping_timeout=None)
    ws.handle_timeout(now=20.0)
    assert ws.data_to_send()
    assert ws.next_timeout() is None
    ws.receive_data(frame(Opcode.PONG), now=25.0)
    assert ws.next_timeout() == 45.0


def test_time_that_goes_backwards_is_clamped():
    """F-135."""
    ws = open_server(ping_interval=20.0)
    ws.receive_data(text(b"x"), now=100.0)
    ws.receive_data(text(b"x"), now=50.0)
    ws.handle_timeout(now=0.0)
    ws.handle_timeout(now=119.0)
    assert ws.data_to_send() == b""
    assert ws.next_timeout() == 120.0


# -- secrets --


def test_the_library_logs_nothing(caplog: pytest.LogCaptureFixture):
    """F-40."""
    caplog.set_level(logging.DEBUG)
    pair = Pair(client(headers=[("Authorization", "Basic c2VjcmV0OnNlY3JldA==")]), server())
    pair.run()
    pair.server.accept(now=0.0)
    pair.run()
    pair.client.send_text(b"secret")
    pair.client.close(1000, "", now=0.0)
    pair.run()
    assert caplog.records == []


# -- against the library's own ends --


class Stock:
    """One of the library's own ends, with the verbs of ours."""

    def __init__(self, protocol: ClientProtocol | ServerProtocol) -> None:
        self.protocol = protocol
        self.events: list[Any] = []
        if isinstance(protocol, ClientProtocol):
            protocol.send_request(protocol.connect())

    def receive_data(self, data: bytes, *, now: float) -> None:
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if isinstance(event, Request) and isinstance(self.protocol, ServerProtocol):
                self.protocol.send_response(self.protocol.accept(event))
            self.events.append(event)

    def handle_timeout(self, *, now: float) -> None:
        raise ProtocolError("it has no deadlines")

    def next_timeout(self) -> float | None:
        return None

    def next_event(self) -> Any:
        return self.events.pop(0) if self.events else None

    def data_to_send(self) -> bytes:
        return b"".join(self.protocol.data_to_send())


def test_our_client_speaks_with_the_librarys_server():
    stock = Stock(ServerProtocol(subprotocols=[Subprotocol("ocpp1.6")]))
    pair = Pair(client(), stock)
    opened, _ = pair.run()
    assert opened == [OPENED]
    pair.client.send_text(b"up")
    stock.protocol.send_text(b"do", fin=False)
    stock.protocol.send_ping(b"!")
    stock.protocol.send_continuation(b"wn", fin=True)
    texts, frames = pair.run()
    assert texts == ["down"]
    assert [(each.opcode, each.data) for each in frames] == [(Opcode.TEXT, b"up"), (Opcode.PONG, b"!")]
    stock.protocol.send_close(1001, "bye")
    assert pair.run()[0] == [ConnectionClosed(1001, "bye", by_peer=True)]
    assert (stock.protocol.close_rcvd, stock.protocol.close_rcvd_then_sent) == (Close(1001, "bye"), False)


def test_our_server_speaks_with_the_librarys_client():
    stock = Stock(ClientProtocol(URI, subprotocols=[Subprotocol("ocpp1.6")]))
    pair = Pair(stock, server())
    pair.run()
    pair.server.accept(now=0.0)
    (response,), opened = pair.run()
    assert isinstance(response, Response)
    assert opened == [OPENED]
    stock.protocol.send_text(b"up")
    stock.protocol.send_ping(b"!")
    pair.server.send_text(b"down")
    frames, texts = pair.run()
    assert texts == ["up"]
    assert [(each.opcode, bytes(each.data)) for each in frames] == [(Opcode.TEXT, b"down"), (Opcode.PONG, b"!")]
    pair.server.close(1001, "bye", now=0.0)
    assert pair.run()[1] == [ConnectionClosed(1001, "bye", by_peer=False)]
    assert stock.protocol.close_rcvd == Close(1001, "bye")


def test_a_refusal_is_readable_for_the_librarys_client():
    stock = Stock(ClientProtocol(URI, subprotocols=[Subprotocol("ocpp1.6")]))
    pair = Pair(stock, server())
    pair.run()
    pair.server.reject(401, "who are you?", (), now=0.0)
    ((response,), _) = pair.run()
    assert response.status_code == 401
    assert response.body == b"who are you?"
    assert response.headers["WWW-Authenticate"].startswith("Basic ")
