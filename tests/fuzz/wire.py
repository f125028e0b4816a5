"""WebSocket frames by hand, in both directions, with masks of zeros: what is sent can be read in the bytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

TEXT, BINARY, CONT, CLOSE, PING, PONG = 0x81, 0x82, 0x80, 0x88, 0x89, 0x8A
FIRST, MIDDLE = 0x01, 0x00
"""The first and a middle fragment of a text."""
COMPRESSED = 0x40
"""The bit of the first byte that says so."""

REQUEST = (
    b"GET /ocpp/CP1 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: %s\r\n%s\r\n"
)
RESPONSE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\nSec-WebSocket-Protocol: %s\r\n%s\r\n"
)
OFFER = b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"


def request(subprotocols: bytes = b"ocpp1.6", fields: bytes = b"") -> bytes:
    return REQUEST % (subprotocols, fields)


def response(subprotocol: bytes = b"ocpp1.6", fields: bytes = b"") -> bytes:
    return RESPONSE % (subprotocol, fields)


def frame(head: int, payload: bytes = b"", *, masked: bool) -> bytes:
    size = len(payload)
    if size < 126:
        length = bytes([size])
    else:
        length = b"\x7e" + size.to_bytes(2, "big") if size < 2**16 else b"\x7f" + size.to_bytes(8, "big")
    return bytes([head, length[0] | 0x80 * masked]) + length[1:] + bytes(4 * masked) + payload


def deflated(payload: bytes) -> bytes:
    """A payload as it is compressed, without the end that is not sent (RFC 7692, 7.2.1)."""
    deflater = zlib.compressobj(wbits=-12)
    return (deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


@contextmanager
def zeros() -> Iterator[None]:
    """The key of the handshake and all masks are zeros."""
    with mock.patch("secrets.token_bytes", bytes):
        yield
