"""What OCPP asks of the HTTP handshake: heads within limits, one identity per station, credentials as bytes, URLs.

Functions and values without state, apart from the one reader. Which header field makes a WebSocket, and what to do
with a station that is not welcome, is :mod:`ocpp_sansio.websocket`'s business.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from sys import intern
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urlsplit

import attrs

from .events import ConnectionRequested, Credentials
from .facts import TransportFacts
from .header_fields import HeaderFields, checked_fields, is_field
from .limits import Limits
from .version import NoMatch, Version

__all__ = [
    "Admission",
    "BadHandshake",
    "Endpoint",
    "Head",
    "HeadReader",
    "basic_authorization",
    "body_size",
    "identity_in",
    "read_credentials",
    "read_request_line",
    "read_status_line",
    "read_target",
    "refusal_body",
    "refusal_fields",
    "response",
]

MAX_IDENTITY: Final = 255
"""Characters of an identity. No version has longer ones; 1.6 names no bound (RPC-004)."""

NO_MATCH: Final = "no OCPP version in common"
"""What a client is told that offers no version of ours (RPC-012, RPC-013)."""

SILENT_VISIT: Final = "the connection ended before a word was said"
"""Why a client was not connected that has left without a byte, as load balancers do that look whether we are there."""

_END_OF_HEAD: Final = re.compile(rb"\r?\n\r?\n")
_REQUEST_LINE: Final = re.compile(r"([!-~]+) ([!-~]+) HTTP/([0-9]\.[0-9])")
_TARGET: Final = re.compile(r"[!-~]+")
_STATUS_LINE: Final = re.compile(r"HTTP/1\.1 ([1-5][0-9]{2})(?: ([\t -~\x80-\xff]*))?")
_BASIC: Final = re.compile(r"basic +([A-Za-z0-9+/]+={0,2})", re.IGNORECASE)

Fields = Sequence[tuple[str, str]]
"""Header fields, in order."""


class BadHandshake(Exception):
    """The peer's half of the handshake cannot be accepted."""

    def __init__(self, status: HTTPStatus, reason: str, fields: Fields = ()) -> None:
        super().__init__(reason)
        self.status: Final = status
        self.reason: Final = reason
        self.fields: Final = fields
        """Header fields that belong into a response with this status."""


# -- heads --


@attrs.frozen
class Head:
    """The start line and the header fields of a request or a response."""

    start_line: str
    fields: Fields = attrs.field(repr=False)

    def get_all(self, name: str) -> list[str]:
        """The values of every field of this name, which is in lower case."""
        return [value for each, value in self.fields if each.lower() == name]

    def as_dict(self) -> dict[str, str]:
        """Names in lower case, repeated fields joined by a comma."""
        values: dict[str, list[str]] = {}
        for name, value in self.fields:
            values.setdefault(name.lower(), []).append(value)
        # The stations of thousands of connections have their own for as long as they last, under the same few names.
        return {intern(name): ", ".join(repeated) for name, repeated in values.items()}


class HeadReader:
    """Collects bytes until a head is complete, within the limits on its size and number of fields (F-03)."""

    def __init__(self, limits: Limits) -> None:
        self._max_size = limits.max_handshake_size
        self._max_fields = limits.max_headers
        self._buffer = bytearray()

    @property
    def is_untouched(self) -> bool:
        """Whether there has not been a single byte."""
        return not self._buffer

    def feed(self, data: bytes) -> tuple[Head, bytes] | None:
        """Take in some bytes. Once the head is complete: the head, and the bytes that follow it (F-56).

        Raises:
            BadHandshake: it is too long or not well formed.
        """
        seen = max(0, len(self._buffer) - 3)
        self._buffer += data
        end = _END_OF_HEAD.search(self._buffer, seen)
        if end is None and len(self._buffer) <= self._max_size:
            return None
        if end is None or end.end() > self._max_size:
            if b"\n" in self._buffer[: self._max_size]:
                raise BadHandshake(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too long")
            raise BadHandshake(HTTPStatus.REQUEST_URI_TOO_LONG, "the first line is too long")
        if end.group() != b"\r\n\r\n":
            raise BadHandshake(HTTPStatus.BAD_REQUEST, "lines end with CR LF")
        head = self._parse(bytes(self._buffer[: end.start()]))
        return head, bytes(self._buffer[end.end() :])

    def _parse(self, raw: bytes) -> Head:
        start_line, *lines = raw.decode("latin-1").split("\r\n")
        if len(lines) > self._max_fields:
            raise BadHandshake(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too many header fields")
        fields: list[tuple[str, str]] = []
        for line in lines:
            name, colon, value = line.partition(":")
            # Folded lines and blanks before the colon are not tokens: both are ways to smuggle a request (F-57).
            if not (colon and is_field(name, value)):
                raise BadHandshake(HTTPStatus.BAD_REQUEST, "malformed header field")
            fields.append((name, value.strip(" \t")))
        return Head(start_line, tuple(fields))


def read_request_line(head: Head) -> str:
    """The target of a request that may open a WebSocket.

    Raises:
        BadHandshake: it is not a GET over HTTP/1.1, it has a body, or not exactly one Host (F-57).
    """
    match = _REQUEST_LINE.fullmatch(head.start_line)
    if match is None:
        raise BadHandshake(HTTPStatus.BAD_REQUEST, "malformed request line")
    method, target, version = match.groups()
    if version == "1.0":
        # HTTP/1.0 knows no Upgrade: a health check, most likely.
        raise BadHandshake(HTTPStatus.UPGRADE_REQUIRED, "this is a WebSocket server", [("Upgrade", "websocket")])
    if version != "1.1":
        raise BadHandshake(HTTPStatus.BAD_REQUEST, "only HTTP/1.1 is spoken here")
    if method != "GET":
        raise BadHandshake(HTTPStatus.METHOD_NOT_ALLOWED, "a WebSocket is opened with GET", [("Allow", "GET")])
    if head.get_all("transfer-encoding") or not set(head.get_all("content-length")) <= {"0"}:
        raise BadHandshake(HTTPStatus.BAD_REQUEST, "a WebSocket is opened without a body")
    if len(head.get_all("host")) != 1:
        raise BadHandshake(HTTPStatus.BAD_REQUEST, "a request names one Host")
    return target


def read_target(target: str) -> str:
    """The same for a target that somebody else has read.

    Raises:
        BadHandshake: it has characters that no request line can have.
    """
    if not _TARGET.fullmatch(target):
        raise BadHandshake(HTTPStatus.BAD_REQUEST, "malformed request target")
    return target


def read_status_line(head: Head) -> tuple[int, str]:
    """Status and reason phrase of a response.

    Raises:
        BadHandshake: it is not a response of HTTP/1.1.
    """
    match = _STATUS_LINE.fullmatch(head.start_line)
    if match is None:
        raise BadHandshake(HTTPStatus.BAD_GATEWAY, "malformed status line")
    status, reason = match.groups(default="")
    return int(status), reason


def body_size(head: Head, limit: int) -> int:
    """How many bytes of a response's body to wait for: at most ``limit``, and none of a body in chunks."""
    if head.get_all("transfer-encoding"):
        return 0
    lengths = head.get_all("content-length")
    # Without a length the body ends with the connection. More digits than this are no length.
    if len(lengths) == 1 and lengths[0].isascii() and lengths[0].isdigit() and len(lengths[0]) <= 18:
        return min(int(lengths[0]), limit)
    return limit


def response(status: int, text: str, fields: Fields) -> bytes:
    """A response that refuses the handshake, with a short text for a human and the end of the connection."""
    described, body = refusal_body(status, text)
    lines = (f"{name}: {value}" for name, value in (*fields, ("Connection", "close"), *described))
    return "\r\n".join([f"HTTP/1.1 {status} {_phrase(status)}", *lines, "", ""]).encode("latin-1") + body


def refusal_body(status: int, text: str) -> tuple[Fields, bytes]:
    """The body of a response that refuses the handshake, and the header fields that say what it is."""
    body = (text or _phrase(status)).encode(errors="replace")
    return (("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))), body


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def refusal_fields(status: int, fields: HeaderFields) -> list[tuple[str, str]]:
    """The header fields of a refusal by the application (RPC-015, RPC-016): a 401 says what is asked for.

    Raises:
        ValueError: the status does not refuse anything, or the header fields are not fit to be sent.
    """
    if not 300 <= status <= 599:
        raise ValueError(f"HTTP status {status} does not refuse anything")
    checked = checked_fields(fields)
    if status == HTTPStatus.UNAUTHORIZED and not any(name.lower() == "www-authenticate" for name, _ in checked):
        checked.append(("WWW-Authenticate", 'Basic realm="OCPP", charset="UTF-8"'))
    return checked


# -- identities --


def identity_in(target: str) -> str:
    """The identity in a request target: the last segment of its path, percent-decoded once (RPC-002).

    A station has one identity and an identity one spelling: whatever could be read as another one is refused (F-30).

    Raises:
        BadHandshake: there is none (404), or it is not acceptable (400).
    """
    path = target.partition("?")[0]
    if not path.startswith("/") or "#" in path:
        raise BadHandshake(HTTPStatus.BAD_REQUEST, "the request target is not a path")
    try:
        identity = unquote_to_bytes(path.rpartition("/")[2]).decode()
    except UnicodeDecodeError:
        raise BadHandshake(HTTPStatus.BAD_REQUEST, "the identity is not UTF-8") from None
    if not identity:
        raise BadHandshake(HTTPStatus.NOT_FOUND, "the path ends without an identity")
    flaw = _flaw(identity)
    if flaw:
        raise BadHandshake(HTTPStatus.BAD_REQUEST, f"the identity {flaw}")
    return identity


def _flaw(identity: str) -> str | None:
    """Why an identity is not acceptable; ``None`` when it is."""
    if not identity:
        return "is empty"
    if len(identity) > MAX_IDENTITY:
        return f"has more than {MAX_IDENTITY} characters"
    if identity in {".", ".."} or "/" in identity or "\\" in identity:
        return "would be read as a path"
    if "%" in identity:
        return "would be percent-decoded again"
    if not identity.isprintable():  # what cannot be seen makes two look like one
        return "has characters that do not print"
    if not unicodedata.is_normalized("NFC", identity):
        return "is not in Unicode normal form C"
    return None


# -- credentials --


def read_credentials(values: Sequence[str]) -> Credentials | None:
    """The credentials of all Authorization fields of a request (RPC-142, RPC-143, F-28).

    ``None`` when there is no field or more than one, when the scheme is another one, or when it is not readable.
    """
    match = _BASIC.fullmatch(values[0]) if len(values) == 1 else None
    if match is None:
        return None
    try:
        user_pass = base64.b64decode(match.group(1), validate=True)
    except binascii.Error:
        return None
    username, colon, password = user_pass.partition(b":")
    return Credentials(username, password) if colon else None


def basic_authorization(identity: str, password: bytes) -> str:
    """The value of the Authorization field: the identity is the user name (RPC-142).

    Raises:
        ValueError: the identity has a colon, which would end the user name (RPC-003, RPC-004).
    """
    if ":" in identity:
        raise ValueError("an identity with a colon cannot be used with a password")
    return "Basic " + base64.b64encode(identity.encode() + b":" + password).decode()


# -- requests --


@attrs.frozen
class Admission:
    """What a server asks of an opening request before its application is asked, whoever has read it off the wire."""

    versions: Sequence[Version]
    no_match: NoMatch = attrs.field(converter=NoMatch)
    allow_origin: bool

    def choose(self, offered: Iterable[str]) -> Version | None:
        """The version to speak; ``None``: there is none in common."""
        # RPC-011: the client's order is the order of preference.
        chosen = (Version.from_subprotocol(name) for name in offered)
        return next((version for version in chosen if version in self.versions), None)

    def examine(self, target: str, head: Head, offered: Iterable[str], facts: TransportFacts) -> ConnectionRequested:
        """What to ask the application.

        Raises:
            BadHandshake: it need not be asked.
        """
        # A browser names an Origin, a charge point does not (F-32).
        if not self.allow_origin and head.get_all("origin"):
            raise BadHandshake(HTTPStatus.FORBIDDEN, "a charge point has no Origin")
        offered = tuple(offered)
        version = self.choose(offered)
        if version is None and self.no_match is NoMatch.REJECT:
            raise BadHandshake(HTTPStatus.BAD_REQUEST, NO_MATCH)
        return ConnectionRequested(
            identity=identity_in(target),
            path=target,
            offered=offered,
            version=version,
            credentials=read_credentials(head.get_all("authorization")),
            headers=head.as_dict(),
            source=facts.source,
            secure=facts.secure,
            certificate=facts.certificate,
        )


# -- URLs --


@attrs.frozen
class Endpoint:
    """Where a charge point connects to, and what it asks for there."""

    secure: bool
    host: str
    port: int
    path: str
    query: str

    @classmethod
    def of(cls, url: str, identity: str) -> Endpoint:
        """The endpoint URL of the central system, with the identity of the charge point added to its path (RPC-002).

        Raises:
            ValueError: the URL is not an absolute ``ws`` or ``wss`` URL without user info and fragment, or the
                identity is not acceptable.
        """
        flaw = _flaw(identity)
        if flaw:
            raise ValueError(f"the identity {flaw}")
        # The standard parser drops some characters silently; a URL has none of them.
        if re.search(r"[^!-~]", url):
            raise ValueError("a URL has only printable ASCII characters: percent-encode the others")
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError("expected a URL like ws://host/path or wss://host/path")
        if parts.username is not None or parts.password is not None:
            raise ValueError("a password does not belong into the URL")
        if parts.fragment:
            raise ValueError("a URL to connect to has no fragment")
        port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
        if port == 0:
            raise ValueError("port 0 cannot be connected to")
        path = parts.path.rstrip("/") + "/" + quote(identity, safe="")
        return cls(parts.scheme == "wss", parts.hostname, port, path, parts.query)


_DEFAULT_PORTS: Final = {"ws": 80, "wss": 443}
