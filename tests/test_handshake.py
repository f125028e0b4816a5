from __future__ import annotations

import base64
import itertools
import re
import unicodedata
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ocpp_sansio.events import Credentials
from ocpp_sansio.handshake import (
    BadHandshake,
    Endpoint,
    Head,
    HeadReader,
    basic_authorization,
    body_size,
    identity_in,
    read_credentials,
    read_request_line,
    read_status_line,
    response,
)
from ocpp_sansio.header_fields import checked_fields
from ocpp_sansio.limits import Limits


def read(raw: bytes, **limits: int) -> tuple[Head, bytes]:
    complete = HeadReader(Limits(**limits)).feed(raw)
    assert complete is not None
    return complete


# -- heads --


def test_a_head_is_read_with_what_follows_it():
    head, rest = read(b"GET /a HTTP/1.1\r\nHost: x\r\nX-A:\t1 \r\nx-a: 2\r\n\r\nrest")
    assert head.start_line == "GET /a HTTP/1.1"
    assert head.get_all("x-a") == ["1", "2"]
    assert head.as_dict() == {"host": "x", "x-a": "1, 2"}
    assert rest == b"rest"


@given(st.lists(st.integers(0, 60)))
def test_a_head_is_the_same_however_it_is_cut(cuts: list[int]):
    """F-04."""
    raw = b"GET /a HTTP/1.1\r\nHost: example\r\nUpgrade: websocket\r\n\r\n"
    reader = HeadReader(Limits())
    bounds = [0, *sorted(cut for cut in cuts if cut < len(raw)), len(raw)]
    results = [reader.feed(raw[start:end]) for start, end in itertools.pairwise(bounds)]
    assert results[-1] == read(raw)
    assert not any(results[:-1])


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"x" * 101, 414),
        (b"GET / HTTP/1.1\r\n" + b"a" * 100, 431),
        (b"GET / HTTP/1.1\r\na: " + b"b" * 100 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * 5 + b"\r\n", 431),
    ],
)
def test_a_head_beyond_the_limits_is_refused(raw: bytes, status: int):
    """F-03."""
    for pieces in ([raw], [raw[index : index + 1] for index in range(len(raw))]):
        reader = HeadReader(Limits(max_handshake_size=100, max_headers=4))
        with pytest.raises(BadHandshake) as caught:
            list(map(reader.feed, pieces))
        assert caught.value.status == status


def test_a_head_that_just_fits_is_read():
    raw = b"GET / HTTP/1.1\r\na: 1\r\n\r\n"
    assert read(raw, max_handshake_size=len(raw), max_headers=1)


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\n\n",
        b"GET / HTTP/1.1\r\nHost: x\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\na: \x00\r\n\r\n",
        b"GET / HTTP/1.1\r\na: b\rc\r\n\r\n",
        b"GET / HTTP/1.1\r\n: b\r\n\r\n",
    ],
)
def test_a_malformed_head_is_refused(raw: bytes):
    """F-57."""
    with pytest.raises(BadHandshake) as caught:
        read(raw)
    assert caught.value.status == HTTPStatus.BAD_REQUEST


def request(line: str, *fields: tuple[str, str]) -> Head:
    return Head(line, fields)


def test_a_request_line_gives_the_target():
    head = request("GET /ocpp/CP1?a=b HTTP/1.1", ("HOST", "x"), ("Content-Length", "0"))
    assert read_request_line(head) == "/ocpp/CP1?a=b"


@pytest.mark.parametrize(
    ("head", "status", "field"),
    [
        (request("POST / HTTP/1.1"), 405, "Allow"),
        (request("GET / HTTP/1.0"), 426, "Upgrade"),
        (request("PRI * HTTP/2.0"), 400, None),
        (request(""), 400, None),
        (request("GET  / HTTP/1.1"), 400, None),
        (request("GET /\xe9 HTTP/1.1"), 400, None),
        (request("GET / HTTP/1.1", ("Content-Length", "5")), 400, None),
        (request("GET / HTTP/1.1", ("Content-Length", "0"), ("content-length", "5")), 400, None),
        (request("GET / HTTP/1.1", ("Transfer-Encoding", "chunked")), 400, None),
        (request("GET / HTTP/1.1"), 400, None),
        (request("GET / HTTP/1.1", ("Host", "x"), ("host", "x")), 400, None),
    ],
)
def test_what_cannot_open_a_websocket_is_refused(head: Head, status: int, field: str | None):
    """F-57."""
    with pytest.raises(BadHandshake) as caught:
        read_request_line(head)
    assert caught.value.status == status
    assert [name for name, _ in caught.value.fields] == ([field] if field else [])


def test_a_status_line_is_read():
    assert read_status_line(Head("HTTP/1.1 404 Not Found", ())) == (404, "Not Found")
    assert read_status_line(Head("HTTP/1.1 404 ", ())) == (404, "")
    assert read_status_line(Head("HTTP/1.1 404", ())) == (404, "")


@pytest.mark.parametrize(
    "line", ["", "HTTP/1.0 200 OK", "HTTP/1.1 99 x", "HTTP/1.1 1e2 x", "SSH-2.0-OpenSSH", "HTTP/1.1 2000 x"]
)
def test_a_malformed_status_line_is_refused(line: str):
    with pytest.raises(BadHandshake):
        read_status_line(Head(line, ()))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([("Content-Length", "7")], 7),
        ([("Content-Length", "7000")], 100),
        ([("Content-Length", "7"), ("Content-Length", "8")], 100),
        ([("Content-Length", "-7")], 100),
        ([("Content-Length", "²")], 100),
        ([("Content-Length", "9" * 5000)], 100),
        ([], 100),
        ([("Transfer-Encoding", "chunked")], 0),
    ],
)
def test_the_body_waited_for_is_bounded(fields: list[tuple[str, str]], expected: int):
    assert body_size(Head("HTTP/1.1 404 Not Found", fields), 100) == expected


def test_a_response_that_refuses_is_complete():
    head, body = read(response(404, "no such station", [("X-A", "b")]))
    assert read_status_line(head) == (404, "Not Found")
    assert head.get_all("connection") == ["close"]
    assert head.get_all("x-a") == ["b"]
    assert body == b"no such station"
    assert body_size(head, 1000) == len(body)


def test_a_response_says_something_even_without_words():
    assert response(404, "", ()).endswith(b"\r\n\r\nNot Found")
    assert response(599, "", ()).startswith(b"HTTP/1.1 599 \r\n")


def test_header_fields_of_the_caller_are_checked():
    assert checked_fields(iter([("X-A", "b")])) == [("X-A", "b")]
    for name, value in (("X A", "b"), ("", "b"), ("X-A", "b\r\nX-B: c"), ("X-A", "€")):
        with pytest.raises(ValueError, match="not fit"):
            checked_fields([(name, value)])


# -- identities --


@pytest.mark.parametrize(
    ("target", "identity"),
    [
        ("/CP1", "CP1"),
        ("/ocpp/1.6/CP1?token=a/b", "CP1"),
        ("/RDAM%20123", "RDAM 123"),
        ("/RDAM%7C123", "RDAM|123"),
        ("/a:b", "a:b"),
        ("/S%C3%A4ule", "Säule"),
        ("/a%3Fb%23c", "a?b#c"),
        ("/" + "a" * 255, "a" * 255),
        ("//CP1", "CP1"),
    ],
)
def test_the_identity_is_the_last_segment_decoded_once(target: str, identity: str):
    """RPC-002, RPC-004."""
    assert identity_in(target) == identity


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/", 404),
        ("/ocpp/", 404),
        ("/CP1/", 404),
        ("/?CP1", 404),
        ("http://example/CP1", 400),
        ("*", 400),
        ("/CP1#a", 400),
        ("/a%2Fb", 400),
        ("/a%5Cb", 400),
        ("/..", 400),
        ("/%2E%2e", 400),
        ("/.", 400),
        ("/a%00", 400),
        ("/a%0A", 400),
        ("/a%7F", 400),
        ("/a%C2%85", 400),
        ("/a%E2%80%A8", 400),
        ("/a%E2%80%8B", 400),
        ("/a%E2%80%AE", 400),
        ("/a%C2%A0b", 400),
        ("/a%FF", 400),
        ("/%ED%A0%80", 400),
        ("/a%2541", 400),
        ("/a%zz", 400),
        ("/a%4", 400),
        ("/A%CC%88", 400),
        ("/" + "a" * 256, 400),
    ],
)
def test_what_is_not_one_identity_is_refused(target: str, status: int):
    """F-30."""
    with pytest.raises(BadHandshake) as caught:
        identity_in(target)
    assert caught.value.status == status


@given(st.text(min_size=1, max_size=255))
@example("..")
def test_an_identity_has_one_spelling_or_none(identity: str):
    """F-30: whatever a client can connect as is read back as just that, and is canonical."""
    try:
        path = Endpoint.of("ws://host/a", identity).path
    except ValueError:
        with pytest.raises(BadHandshake):
            identity_in("/" + quote(identity, safe="", errors="surrogatepass"))
    else:
        assert identity_in(path) == identity == unicodedata.normalize("NFC", identity)


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E)))
def test_no_target_is_too_strange(target: str):
    """F-30."""
    with suppress(BadHandshake):
        assert re.fullmatch(r"[^\x00-\x1f\x7f/%]{1,255}", identity_in(target))


# -- credentials --


def basic(user_pass: bytes) -> str:
    return "Basic " + base64.b64encode(user_pass).decode()


def test_credentials_are_bytes():
    """RPC-143: the example of the specification, a key of 20 raw bytes."""
    key = bytes.fromhex("0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF")
    value = "Basic QUwxMDAwOgABAgMEBQYH////////////////"
    assert read_credentials([value]) == Credentials(b"AL1000", key)
    assert basic_authorization("AL1000", key) == value


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([basic(b"a:b:c")], Credentials(b"a", b"b:c")),
        ([basic(b":")], Credentials(b"", b"")),
        (["bAsIc  YTpi"], Credentials(b"a", b"b")),
        ([], None),
        ([basic(b"a:b"), basic(b"a:b")], None),
        ([basic(b"no colon")], None),
        (["Basic YTpi!"], None),
        (["Basic YTp"], None),
        (["Basic Y"], None),
        (["Basic "], None),
        (["Basic"], None),
        (["BasicYTpi"], None),
        (["Bearer YTpi"], None),
        (["Basic YTpi, Basic YTpi"], None),
        ([basic(b"a:" + b"b" * 6000)], Credentials(b"a", b"b" * 6000)),
    ],
)
def test_credentials_are_readable_or_none(values: list[str], expected: Credentials | None):
    """F-28."""
    assert read_credentials(values) == expected


@given(st.lists(st.one_of(st.text(), st.binary().map(basic), st.text().map("Basic ".__add__)), max_size=2))
def test_no_credentials_are_too_strange(values: list[str]):
    """F-28."""
    assert isinstance(read_credentials(values), Credentials | None)


@given(st.text().filter(lambda text: ":" not in text and text.isprintable()), st.binary())
def test_credentials_arrive_as_they_were_sent(identity: str, password: bytes):
    """RPC-142."""
    assert read_credentials([basic_authorization(identity, password)]) == Credentials(identity.encode(), password)


def test_an_identity_with_a_colon_has_no_password():
    """RPC-003, RPC-004."""
    with pytest.raises(ValueError, match="colon"):
        basic_authorization("a:b", b"secret")


def test_credentials_are_never_printed():
    """F-40."""
    assert "secret" not in repr(read_credentials([basic(b"secret-id:secret")]))


# -- URLs --


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("ws://Example.com", Endpoint(False, "example.com", 80, "/CP%201", "")),
        ("wss://example.com/ocpp/", Endpoint(True, "example.com", 443, "/ocpp/CP%201", "")),
        ("wss://example.com:8443/a/b?c=d", Endpoint(True, "example.com", 8443, "/a/b/CP%201", "c=d")),
        ("ws://[::1]:9000/ocpp", Endpoint(False, "::1", 9000, "/ocpp/CP%201", "")),
    ],
)
def test_the_identity_is_added_to_the_url(url: str, endpoint: Endpoint):
    """RPC-002."""
    assert Endpoint.of(url, "CP 1") == endpoint


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "example.com",
        "ws://",
        "ws:///path",
        "ws://example.com:0",
        "ws://example.com:65536",
        "ws://example.com:port",
        "ws://user:password@example.com",
        "ws://user@example.com",
        "ws://example.com/#fragment",
        "ws://exam ple.com",
        "ws://example.com/\r\nX-A: b",
        "ws://exämple.com",
        "ws://[::1",
        "",
    ],
)
def test_a_bad_url_is_refused(url: str):
    with pytest.raises(ValueError):
        Endpoint.of(url, "CP1")


@pytest.mark.parametrize("identity", ["", "a/b", "..", "a\0", "a\u200b", "a%41", "A\u0308", "\ud800", "a" * 256])
def test_a_bad_identity_is_refused(identity: str):
    """RPC-004, F-30."""
    with pytest.raises(ValueError, match="the identity"):
        Endpoint.of("ws://example.com", identity)
