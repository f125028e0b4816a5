"""WebSocket bytes without a WebSocket library: what a client and a server put on the wire, for those who measure it."""

from __future__ import annotations

import struct

KEY = "b2NwcC1zYW5zaW8ta2V5IQ=="
"""Sec-WebSocket-Key of every client here, so that the right answer to it is always the same."""
ACCEPT = "AMBH24brOKysC4aKC5DDPAi7aFE="

MASK = bytes.fromhex("5ac3917e")


def request(identity: str, subprotocol: str) -> bytes:
    """The opening request of a charge point."""
    return (
        f"GET /ocpp/{identity} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
    ).encode()


RESPONSE = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
).encode()


def _head(length: int, masked: int) -> bytes:
    if length < 126:
        return bytes((0x81, masked | length))
    if length < 65536:
        return struct.pack("!BBH", 0x81, masked | 126, length)
    return struct.pack("!BBQ", 0x81, masked | 127, length)


def client_frame(text: bytes) -> bytes:
    """A whole text message, masked."""
    key = MASK * (len(text) // 4 + 1)
    return _head(len(text), 0x80) + MASK + bytes(a ^ b for a, b in zip(text, key, strict=False))


def client_frame_length(start: bytes) -> int:
    """Of a whole frame below 64 KiB, from its first four bytes."""
    length = start[1] & 0x7F
    return 6 + length if length < 126 else 8 + int.from_bytes(start[2:4])


def server_frame(text: bytes) -> bytes:
    """A whole text message, not masked."""
    return _head(len(text), 0) + text
