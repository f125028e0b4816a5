"""TCP bytes for either end of a connection, before and behind its handshake, cut where the input says.

The first byte chooses the end, compression, the version, and whether the handshake has been had; so many cuts as the
second one says follow, in two bytes each; the others are the bytes. However they are cut, they make the same (F-04).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from ocpp_sansio import CentralSystemConnection, ChargePointConnection, Direction, Version, numbered_ids
from ocpp_sansio.events import ConnectionClosed, ConnectionRefused, ConnectionRequested
from tests.corpus.malformed import MALFORMED_IN

from . import wire
from .ledger import LIMITS

IS_CLIENT, COMPRESSES, IS_OPEN = 1, 2, 4
VERSION_AT = 3
"""The bits above are the version."""
MAX_CUTS = 8


class _Listener:
    """One end, an application that lets everybody in, and all that is seen of the two."""

    def __init__(self, setup: int) -> None:
        versions = list(Version)
        version = versions[(setup >> VERSION_AT) % len(versions)]
        self.messages: list[tuple[Direction, str]] = []
        options: dict[str, Any] = {
            "now": 0.0,
            "message_ids": numbered_ids("x"),
            "compression": bool(setup & COMPRESSES),
            "limits": LIMITS,
            "tap": lambda direction, text, _: self.messages.append((direction, text)),
        }
        subprotocol = version.subprotocol.encode()
        fields = wire.OFFER if setup & COMPRESSES else b""
        self.end: CentralSystemConnection | ChargePointConnection
        if setup & IS_CLIENT:
            self.end = ChargePointConnection("ws://h/ocpp", "CP1", versions=[version], **options)
            handshake = wire.response(subprotocol, fields)
        else:
            self.end = CentralSystemConnection(versions=list(Version), **options)
            handshake = wire.request(subprotocol, fields)
        self.events: list[Any] = []
        self.sent = b""
        if setup & IS_OPEN:
            self.hear(handshake)
            assert self.end.is_open

    def hear(self, data: bytes) -> None:
        self.end.receive_data(data, now=0.0)
        self.look()

    def look(self) -> None:
        while (event := self.end.next_event()) is not None:
            self.events.append(event)
            if isinstance(event, ConnectionRequested):
                assert isinstance(self.end, CentralSystemConnection)
                self.end.accept(now=0.0)
        self.sent += self.end.data_to_send()
        self._check_bounds()

    def _check_bounds(self) -> None:
        socket: Any = self.end._websocket
        held = len(socket._held) + len(getattr(getattr(socket, "_head", None), "_buffer", b""))
        library = socket._frames._library
        if library is not None:
            held += len(library.reader.buffer)
        if socket._fragments is not None:
            assert socket._fragments.count <= LIMITS.max_fragments
            held += sum(map(len, socket._fragments.texts))
        assert held <= 2 * LIMITS.max_message_size + LIMITS.max_handshake_size


def run(data: bytes) -> None:
    setup, count, rest = (data[:1] or b"\0")[0], data[1:2], data[2:]
    cuts = int.from_bytes(count) % (MAX_CUTS + 1)
    places = (int.from_bytes(rest[at : at + 2]) for at in range(0, 2 * cuts, 2))
    stream = rest[2 * cuts :]
    size = len(stream)
    with wire.zeros():
        whole, pieces = _Listener(setup), _Listener(setup)
        whole.hear(stream)
        for start, end in pairwise([0, *sorted(place % (size + 1) for place in places), size]):
            pieces.hear(stream[start:end])
        assert whole.events == pieces.events, "cuts make no difference (F-04)"
        assert whole.messages == pieces.messages
        assert whole.sent == pieces.sent
        for listener in (whole, pieces):
            _end(listener)


def _end(listener: _Listener) -> None:
    """Whatever has come, the transport can end, and is the end of it."""
    was_over = bool(listener.events) and isinstance(listener.events[-1], ConnectionClosed | ConnectionRefused)
    seen = len(listener.events)
    listener.end.receive_eof(now=0.0)
    listener.look()
    assert listener.end.transport_done
    assert isinstance(listener.events[-1], ConnectionClosed | ConnectionRefused)
    assert (len(listener.events) == seen) == was_over
    seen = len(listener.events)
    sent = listener.sent
    listener.hear(wire.frame(wire.TEXT, b'[2,"1","Heartbeat",{}]', masked=True))
    listener.end.handle_timeout(now=1000.0)
    listener.look()
    assert (len(listener.events), listener.sent) == (seen, sent), "closed is for ever (F-55)"
    assert listener.end.next_timeout() is None


# -- seeds --


def seeds() -> Iterator[bytes]:
    beat = b'[2,"1","Heartbeat",{}]'
    for is_client in (False, True):
        head = wire.response if is_client else wire.request
        setup, masked = IS_CLIENT * is_client, not is_client
        conversation = b"".join(
            [
                wire.frame(wire.TEXT, beat, masked=masked),
                wire.frame(wire.PING, b"?", masked=masked),
                wire.frame(wire.FIRST, beat[:9], masked=masked),
                wire.frame(wire.PONG, masked=masked),
                wire.frame(wire.MIDDLE, beat[9:12], masked=masked),
                wire.frame(wire.CONT, beat[12:], masked=masked),
                wire.frame(wire.CLOSE, b"\x03\xe8bye", masked=masked),
            ]
        )
        pieces = b"\x02\x00\x10\x00\x30"
        yield bytes([setup]) + pieces + head() + conversation
        yield bytes([setup | COMPRESSES]) + pieces + head(fields=wire.OFFER) + conversation
        for version, rows in MALFORMED_IN.items():
            chosen = setup | IS_OPEN | list(Version).index(version) << VERSION_AT
            for row in rows[::10]:
                text = row.text.encode(errors="surrogatepass")
                yield bytes([chosen, 0]) + wire.frame(wire.TEXT, text, masked=masked)
            yield bytes([chosen]) + pieces + conversation
        compressed = setup | IS_OPEN | COMPRESSES
        for payload in (wire.deflated(beat), wire.deflated(b"[" * 20000), b"\xff\xff", b"\x03\x00" + beat):
            yield bytes([compressed, 0]) + wire.frame(wire.TEXT | wire.COMPRESSED, payload, masked=masked)
            yield (
                bytes([compressed, 0])
                + wire.frame(wire.FIRST | wire.COMPRESSED, payload[:4], masked=masked)
                + (wire.frame(wire.CONT, payload[4:], masked=masked))
            )
        opened = bytes([setup | IS_OPEN, 0])
        yield opened + wire.frame(wire.BINARY, beat, masked=masked)
        yield opened + wire.frame(wire.TEXT, beat, masked=not masked)
        yield opened + wire.frame(wire.TEXT, b"\xff", masked=masked)
        yield opened + wire.frame(wire.PING, masked=masked) * (LIMITS.max_control_burst + 1)
        yield opened + (wire.frame(wire.FIRST, masked=masked) + wire.frame(wire.MIDDLE, masked=masked) * 4)
        for code in (b"", b"\x03", b"\x03\xe7", b"\x03\xed", b"\x0f\xa0\xff"):
            yield opened + wire.frame(wire.CLOSE, code, masked=masked)
        yield opened + bytes([wire.TEXT, 0x7F | 0x80 * masked]) + b"\xff" * 8
    for status in (b"401 Unauthorized", b"429 Slow\r\nRetry-After: 5", b"301 Moved\r\nLocation: ws://x/", b"101 "):
        yield bytes([IS_CLIENT, 0]) + b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nno"
