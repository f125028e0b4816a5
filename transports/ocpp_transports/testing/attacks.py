"""What a peer may do to a WebSocket that is no accident, and what becomes of it. Each has its number in the contract.

The messages are made by a :class:`~ocpp_transports.testing.RawPeer`, which masks as its side has to. They are judged
under ``LIMITS``.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Final

import attrs

from ocpp_sansio import Limits

from .peers import RawPeer

__all__ = ["ATTACKS", "COMPRESSED_ATTACKS", "LIMITS", "REQUESTS", "Attack"]

LIMITS: Final = Limits(max_message_size=2000, max_fragments=20, max_control_burst=20, close_timeout=3)
"""Small ones, so that little has to be sent."""


@attrs.frozen
class Attack:
    """Something to send, and the close code it is answered with: nothing behind it is heard."""

    fault: str
    what: str
    data: Callable[[RawPeer], bytes]
    code: int


def _text(data: bytes, *, fin: bool = True) -> Callable[[RawPeer], bytes]:
    return lambda peer: peer.frame(data, fin=fin)


def _bad_bit(bit: int) -> Attack:
    return Attack("F-45", f"reserved bit {bit:#x}", lambda peer: peer.frame("x", bits=bit), 1002)


def _bad_opcode(opcode: int) -> Attack:
    return Attack("F-45", f"opcode {opcode:#x}", lambda peer: peer.frame("", opcode), 1002)


def _bad_code(code: int) -> Attack:
    return Attack("F-45", f"close code {code}", lambda peer: peer.frame(struct.pack("!H", code), 8), 1002)


def _head(peer: RawPeer, first: int, form: int, size: bytes = b"") -> bytes:
    """The head of a frame, and nothing behind it."""
    return bytes((first, form | (0x80 if peer.is_client else 0))) + size + (bytes(4) if peer.is_client else b"")


def _ended(data: bytes) -> bytes:
    """Compressed, and said to be the last there is."""
    deflater = zlib.compressobj(wbits=-12)
    return deflater.compress(data) + deflater.flush()


def _deflated(data: bytes) -> bytes:
    deflater = zlib.compressobj(9, wbits=-12)
    return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


def _bomb_in_fragments(peer: RawPeer) -> bytes:
    bomb = _deflated(bytes(2**20))
    return peer.frame(bomb[:9], bits=0x40, fin=False) + peer.frame(bomb[9:], 0)


ATTACKS: Final = [
    *map(_bad_bit, (0x40, 0x20, 0x10)),
    *map(_bad_opcode, (*range(3, 8), *range(0xB, 0x10))),
    Attack("F-45", "masked as the other side", lambda peer: peer.frame("x", masked=not peer.is_client), 1002),
    Attack("F-45", "a long ping", lambda peer: peer.frame("x" * 126, 9), 1002),
    Attack("F-45", "a ping in fragments", lambda peer: peer.frame("x", 9, fin=False), 1002),
    Attack("F-45", "a close in fragments", lambda peer: peer.frame(b"\x03\xe8", 8, fin=False), 1002),
    Attack("F-45", "a ping with a reserved bit", lambda peer: peer.frame("x", 9, bits=0x40), 1002),
    Attack("F-45", "a continuation of nothing", lambda peer: peer.frame("x", 0), 1002),
    Attack("F-45", "the end of nothing", lambda peer: peer.frame("x") + peer.frame("x", 0), 1002),
    Attack("F-45", "a text in a text", lambda peer: peer.frame("x", fin=False) + peer.frame("x"), 1002),
    Attack("F-45", "a binary in a text", lambda peer: peer.frame("x", fin=False) + peer.frame("x", 2), 1002),
    Attack("F-45", "half a close code", lambda peer: peer.frame(b"\x03", 8), 1002),
    *map(_bad_code, (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535)),
    Attack("F-46", "a reason that is no UTF-8", lambda peer: peer.frame(b"\x03\xe8\xff", 8), 1007),
    Attack("F-46", "no UTF-8", _text(b"\xff"), 1007),
    Attack("F-46", "overlong UTF-8", _text(b"\xc0\x80"), 1007),
    Attack("F-46", "a surrogate", _text(b"\xed\xa0\x80"), 1007),
    Attack("F-46", "beyond Unicode", _text(b"\xf4\x90\x80\x80"), 1007),
    Attack("F-46", "UTF-8 that does not end", _text(b"\xe2\x82"), 1007),
    Attack("F-46", "no UTF-8, and more to come", _text(b"\xff", fin=False), 1007),
    Attack(
        "F-46",
        "UTF-8 that goes wrong in the next fragment",
        lambda peer: peer.frame(b"\xc3", fin=False) + peer.frame(b"x", 0, fin=False),
        1007,
    ),
    Attack("F-47", "a binary message", lambda peer: peer.frame('[2,"1","Heartbeat",{}]', 2), 1003),
    Attack("F-47", "UTF-16", lambda peer: peer.frame('[2,"1","Heartbeat",{}]'.encode("utf-16"), 2), 1003),
    Attack("F-48", "2^63 - 1 octets", lambda peer: _head(peer, 0x81, 127, b"\x7f" + b"\xff" * 7), 1009),
    Attack("F-48", "an octet too many", lambda peer: _head(peer, 0x81, 126, struct.pack("!H", 2001)), 1009),
    Attack("F-49", "all of them", _text(b"x" * 2001), 1009),
    Attack(
        "F-49",
        "an octet too many in fragments",
        lambda peer: peer.frame("x" * 1990, fin=False) + 11 * peer.frame("x", 0, fin=False),
        1009,
    ),
    Attack(
        "F-50",
        "fragments without end",
        lambda peer: peer.frame("", fin=False) + 1000 * peer.frame("", 0, fin=False),
        1008,
    ),
    Attack("F-53", "a flood of pings", lambda peer: 1000 * peer.frame("", 9), 1008),
    Attack("F-53", "a flood of pongs", lambda peer: 1000 * peer.frame("x", 10), 1008),
]

COMPRESSED_ATTACKS: Final = [
    Attack("F-51", "a bomb", lambda peer: peer.frame(_deflated(bytes(2**24)), bits=0x40), 1009),
    Attack("F-51", "a stream that is none", lambda peer: peer.frame(b"\xff" * 9, bits=0x40), 1002),
    Attack("F-51", "a bomb in fragments", _bomb_in_fragments, 1009),
    Attack("F-51", "more behind its end", lambda peer: peer.frame(_ended(b"x") + b"more", bits=0x40), 1002),
    Attack(
        "F-51",
        "compressed from the second fragment on",
        lambda peer: peer.frame("x", fin=False) + peer.frame(_deflated(b"x"), 0, bits=0x40),
        1002,
    ),
]
"""Where compression has been agreed on."""

_FIELDS: Final = (
    b"Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: ocpp1.6\r\n"
)
_GET: Final = b"GET /ocpp/CP_1 HTTP/1.1\r\n"

REQUESTS: Final = {
    ("F-03", "ten thousand header fields"): _GET + _FIELDS + b"X: y\r\n" * 10_000 + b"\r\n",
    ("F-03", "a line of a mebibyte"): b"GET /" + b"x" * 2**20 + b" HTTP/1.1\r\n" + _FIELDS + b"\r\n",
    ("F-03", "a field of a mebibyte"): _GET + _FIELDS + b"X: " + b"x" * 2**20 + b"\r\n\r\n",
    ("F-30", "no identity"): b"GET /ocpp/ HTTP/1.1\r\n" + _FIELDS + b"\r\n",
    ("F-30", "a slash in it"): b"GET /ocpp/CP%2F1 HTTP/1.1\r\n" + _FIELDS + b"\r\n",
    ("F-30", "a NUL in it"): b"GET /ocpp/CP%00 HTTP/1.1\r\n" + _FIELDS + b"\r\n",
    ("F-30", "no UTF-8"): b"GET /ocpp/%FF HTTP/1.1\r\n" + _FIELDS + b"\r\n",
    ("F-30", "the folder above"): b"GET /ocpp/.. HTTP/1.1\r\n" + _FIELDS + b"\r\n",
    ("F-30", "too long"): b"GET /ocpp/" + b"x" * 256 + b" HTTP/1.1\r\n" + _FIELDS + b"\r\n",
    ("F-32", "a page in a browser"): _GET + _FIELDS + b"Origin: https://example.com\r\n\r\n",
    ("F-57", "a visit by a browser"): _GET + b"Host: localhost\r\n\r\n",
    ("F-57", "HTTP/1.0"): b"GET /ocpp/CP_1 HTTP/1.0\r\n" + _FIELDS + b"\r\n",
    ("F-57", "POST"): b"POST /ocpp/CP_1 HTTP/1.1\r\n" + _FIELDS + b"Content-Length: 0\r\n\r\n",
    ("F-57", "the preface of HTTP/2"): b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ("F-57", "two lengths"): b"POST /ocpp/CP_1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
    b"Content-Length: 2\r\n\r\nx",
    ("F-57", "no request at all"): b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ("F-57", "a version that nobody speaks"): _GET + _FIELDS.replace(b"13", b"12") + b"\r\n",
    ("F-57", "no key"): _GET + _FIELDS.replace(b"Sec-WebSocket-Key", b"X-Key") + b"\r\n",
}
"""Requests that no WebSocket comes of: each is refused, and none is waited for."""
