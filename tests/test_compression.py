"""permessage-deflate (RFC 7692): bounded, forgetful, and off unless asked for (RPC-020, F-51, F-52, F-58)."""

from __future__ import annotations

import inspect
import random
import tracemalloc
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
    enable_client_permessage_deflate,
    enable_server_permessage_deflate,
)
from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from ocpp_sansio import CentralSystem
from ocpp_sansio.connection import CentralSystemConnection, ChargePointConnection
from ocpp_sansio.events import ConnectionRefused, Misbehaviour, PeerMisbehaved
from ocpp_sansio.facts import TransportFacts
from ocpp_sansio.framing import EMPTY_BLOCK, WORTH_COMPRESSING, Frames, Windows
from ocpp_sansio.limits import Limits
from ocpp_sansio.session import numbered_ids
from ocpp_sansio.version import NoMatch, Version
from ocpp_sansio.websocket import ClientWebSocket, ServerWebSocket
from tests.peers import Pair, drain
from tests.test_websocket import ENDPOINT, OPENED, URI, Stock, answer, close, failed, frame, request, telling

NAME = "permessage-deflate"
FORGETFUL = f"{NAME}; server_no_context_takeover; client_no_context_takeover"
LONG = '[2,"1","DataTransfer",{"data":"' + "0123456789" * 100 + '"}]'


def client(**options: Any) -> Any:
    limits = Limits(**options)
    compressing = {"headers": (), "compression": True, "limits": limits, "now": 0.0}
    return telling(partial(ClientWebSocket, ENDPOINT, (Version.V16,), **compressing))


def server(*, compression: bool = True, **options: Any) -> Any:
    asked = {"no_match": NoMatch.REJECT, "allow_origin": False, "facts": TransportFacts, "compression": compression}
    return telling(partial(ServerWebSocket, (Version.V16,), **asked, limits=Limits(**options), now=0.0))


def open_server(offer: str = NAME, **options: Any) -> Any:
    ws = server(**options)
    ws.receive_data(request(Sec_WebSocket_Extensions=offer), now=0.0)
    ws.accept(now=0.0)
    assert drain(ws)[-1] == OPENED
    ws.data_to_send()
    return ws


def agreed(offer: str, **options: Any) -> str | None:
    """What a server answers to an offer."""
    ws = server(**options)
    ws.receive_data(request(Sec_WebSocket_Extensions=offer), now=0.0)
    ws.accept(now=0.0)
    fields = dict(line.split(": ", 1) for line in ws.data_to_send().decode().split("\r\n")[1:-2])
    return fields.get("Sec-WebSocket-Extensions")


def deflated(data: bytes, *, bits: int = 15, level: int = 9) -> bytes:
    deflater = zlib.compressobj(level, wbits=-bits)
    return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH)).removesuffix(EMPTY_BLOCK)


def reserved(opcode: Opcode, data: bytes = b"", *, fin: bool = True, bit: int = 0x40, mask: bool = True) -> bytes:
    """A frame with a reserved bit: of a compressed message, unless said otherwise."""
    raw = frame(opcode, data, fin=fin, mask=mask)
    return bytes([raw[0] | bit]) + raw[1:]


def compressed(data: bytes, **options: Any) -> bytes:
    return reserved(Opcode.TEXT, deflated(data), **options)


# -- the handshake --


def test_it_is_off_unless_asked_for_f_52():
    """F-52: what it takes to guess at a secret is not there by default."""
    connection = ChargePointConnection("ws://example.com", "CP1", now=0.0, message_ids=numbered_ids("c"))
    assert b"extensions" not in connection.data_to_send().lower()
    for owner in (ChargePointConnection, CentralSystemConnection, CentralSystem):
        assert inspect.signature(owner).parameters["compression"].default is False
    assert agreed(NAME, compression=False) is None
    assert not CentralSystem().compression


def test_a_client_offers_to_forget_each_message_f_52():
    """RPC-020, F-52."""
    assert f"Sec-WebSocket-Extensions: {FORGETFUL}\r\n".encode() in client().data_to_send()


@pytest.mark.parametrize(
    ("offer", "accepted"),
    [
        (NAME, "; server_max_window_bits=12"),
        (f"{NAME}; client_max_window_bits", "; server_max_window_bits=12; client_max_window_bits=12"),
        (f"{NAME}; client_max_window_bits=8", "; server_max_window_bits=12; client_max_window_bits=8"),
        (f"{NAME}; server_max_window_bits=9", "; server_max_window_bits=9"),
        (f"{NAME}; server_max_window_bits=15", "; server_max_window_bits=12"),
        (FORGETFUL, "; server_max_window_bits=12"),
        (f"{NAME}; unheard_of, {NAME}", "; server_max_window_bits=12"),
        (f"{NAME}, {NAME}", "; server_max_window_bits=12"),
        (f"x-webkit-deflate-frame, {NAME}", "; server_max_window_bits=12"),
        (f"{NAME}; server_max_window_bits=8", None),  # zlib cannot
        (f"{NAME}; server_max_window_bits=16", None),
        (f"{NAME}; server_max_window_bits", None),
        (f"{NAME}; server_no_context_takeover=1", None),
        (f"{NAME}; client_no_context_takeover; client_no_context_takeover", None),
        ("x-webkit-deflate-frame", None),
    ],
)
def test_a_server_makes_every_client_forget_or_does_without_compression_f_51(offer: str, accepted: str | None):
    """RPC-020, F-51, F-52: no compression is no reason to refuse anybody."""
    assert agreed(offer) == (accepted and FORGETFUL + accepted)


def test_an_offer_that_cannot_be_read_is_no_proper_request():
    ws = server()
    ws.receive_data(request(Sec_WebSocket_Extensions=";;"), now=0.0)
    (refused,) = drain(ws)
    assert isinstance(refused, ConnectionRefused)
    assert refused.status == 400


@pytest.mark.parametrize(
    ("accepted", "windows"),
    [
        (FORGETFUL, Windows(15, 12)),
        (f"{NAME}; server_no_context_takeover", Windows(15, 12)),
        (f"{FORGETFUL}; server_max_window_bits=8", Windows(8, 12)),
        (None, None),
    ],
)
def test_a_client_takes_what_a_server_may_answer(accepted: str | None, windows: Windows | None):
    """RPC-020: no compression is not a reason to close."""
    ws = client()
    ws.data_to_send()
    ws.receive_data(answer(ws, extra=f"Sec-WebSocket-Extensions: {accepted}\r\n" if accepted else ""), now=0.0)
    assert drain(ws) == [OPENED]
    assert ws._frames.windows == windows


@pytest.mark.parametrize(
    "accepted", [NAME, f"{FORGETFUL}; client_max_window_bits=9", f"{FORGETFUL}, {FORGETFUL}", "x-webkit-deflate-frame"]
)
def test_a_client_does_not_put_up_with_what_it_has_not_offered_f_51(accepted: str):
    """F-51: a server that would not forget is one of them."""
    ws = client()
    ws.data_to_send()
    ws.receive_data(answer(ws, extra=f"Sec-WebSocket-Extensions: {accepted}\r\n") + close(mask=False), now=0.0)
    (refused,) = drain(ws)
    assert isinstance(refused, ConnectionRefused)
    assert "xtension" in refused.reason


# -- messages --


def test_long_messages_are_compressed_and_short_ones_are_not_f_58():
    """F-58."""
    pair = Pair(client(), server())
    pair.run()
    pair.server.accept(now=0.0)
    pair.run()
    for size, smaller in ((0, False), (125, False), (WORTH_COMPRESSING - 1, False), (WORTH_COMPRESSING, True)):
        for end, carried in ((pair.client, "client_bytes"), (pair.server, "server_bytes")):
            before = len(getattr(pair, carried))
            end.send_text(b"x" * size)
            events = pair.run()
            assert events[end is pair.client] == ["x" * size]
            assert (len(getattr(pair, carried)) - before < size) is smaller


def test_nothing_is_remembered_between_messages_f_52():
    """F-52: what was sent before makes no message smaller, and an idle connection holds no window."""
    ws = open_server()
    sizes: list[int] = []
    for _ in range(3):
        ws.send_text(LONG.encode())
        sizes.append(len(ws.data_to_send()))
        ws.receive_data(compressed(LONG.encode()), now=0.0)
        assert drain(ws) == [LONG]
        ws.data_to_send()
        assert ws._frames._library is None
    assert len(set(sizes)) == 1
    assert sizes[0] < len(LONG) / 5


@pytest.mark.parametrize(
    "frames",
    [
        [(0x41, "f248cdc9c90700")],
        [(0x01 | 0x40, "f248cd"), (0x00, "c9c90700")],
        [(0x41, "000500faff48656c6c6f00")],
        [(0x41, "f348cdc9c9070000")],
        [(0x41, "f348cdc9c90700")],
        [(0x01 | 0x40, "f348cdc9c90700"), (0x00, "00")],
        [(0x41, "f248050000 00ffffcac9c90700")],
    ],
    ids=["whole", "fragments", "stored", "final block", "final block and no more", "final block first", "two blocks"],
)
def test_every_way_to_say_hello_is_understood_f_58(frames: list[tuple[int, str]]):
    """F-58: RFC 7692, 7.2.3."""
    ws = open_server()
    for index, (first, payload) in enumerate(frames):
        raw = frame(Opcode.TEXT, bytes.fromhex(payload), fin=index == len(frames) - 1)
        ws.receive_data(bytes([raw[0] & 0x80 | first]) + raw[1:], now=0.0)
    assert drain(ws) == ["Hello"]


def test_an_empty_message_may_be_compressed_f_58():
    """F-58: RFC 7692, 7.2.3.6; alone and in fragments."""
    ws = open_server()
    ws.receive_data(reserved(Opcode.TEXT, b"\x00"), now=0.0)
    ws.receive_data(reserved(Opcode.TEXT, fin=False) + frame(Opcode.CONT), now=0.0)
    assert drain(ws) == ["", ""]


def test_fragments_of_a_compressed_message_may_be_cut_within_a_character_and_have_a_ping_between_f_58():
    """F-46, F-58."""
    ws = open_server()
    raw = deflated("grüße €".encode() * 50, level=0)
    pieces = [raw[index : index + 1] for index in range(len(raw))]
    ws.receive_data(reserved(Opcode.TEXT, pieces[0], fin=False), now=0.0)
    for piece in pieces[1:-1]:
        ws.receive_data(frame(Opcode.CONT, piece, fin=False), now=0.0)
    ws.receive_data(frame(Opcode.PING) + frame(Opcode.CONT, pieces[-1]), now=0.0)
    assert drain(ws) == ["grüße €" * 50]


# -- what a peer may try --

BOMB = deflated(bytes(4 * 2**20))

BREACHES = {
    "more than announced": (compressed(b"x" * 10_001), 1009),
    "a bomb": (reserved(Opcode.TEXT, BOMB), 1009),
    "a bomb in fragments": (
        reserved(Opcode.TEXT, BOMB[:9], fin=False) + frame(Opcode.CONT, BOMB[9:2000]) + frame(Opcode.CONT, BOMB[2000:]),
        1009,
    ),
    "a bomb when there is no room left": (
        reserved(Opcode.TEXT, deflated(b"x" * 10_000) + EMPTY_BLOCK, fin=False) + frame(Opcode.CONT, deflated(b"y")),
        1009,
    ),
    "too large before it is inflated": (b"\xc1\xff" + (10_001).to_bytes(8), 1009),
    "corrupt": (reserved(Opcode.TEXT, b"\xff" * 20), 1002),
    "corrupt later": (reserved(Opcode.TEXT, deflated(b"x"), fin=False) + frame(Opcode.CONT, b"\xff" * 20), 1002),
    "no UTF-8": (compressed(b"\xff" * 300), 1007),
    "UTF-8 does not end": (compressed(b"\xc3"), 1007),
    "trailing bytes": (reserved(Opcode.TEXT, bytes.fromhex("f348cdc9c90700") + b"more"), 1002),
    "trailing fragment": (
        reserved(Opcode.TEXT, bytes.fromhex("f348cdc9c90700"), fin=False) + frame(Opcode.CONT, b"more", fin=False),
        1002,
    ),
    "reserved bit 1 in a continuation": (
        reserved(Opcode.TEXT, deflated(b"x"), fin=False) + reserved(Opcode.CONT, b"\x00"),
        1002,
    ),
    "reserved bit 1 in a continuation of plain text": (
        frame(Opcode.TEXT, b"x", fin=False) + reserved(Opcode.CONT, b"\x00"),
        1002,
    ),
    "compressed ping": (reserved(Opcode.PING, deflated(b"x")), 1002),
    "compressed pong": (reserved(Opcode.PONG, deflated(b"x")), 1002),
    "compressed close": (reserved(Opcode.CLOSE, deflated(b"\x03\xe8")), 1002),
    "reserved bit 2": (reserved(Opcode.TEXT, deflated(b"x"), bit=0x60), 1002),
    "reserved bit 3": (reserved(Opcode.TEXT, deflated(b"x"), bit=0x50), 1002),
    "reserved bit 2 alone": (reserved(Opcode.TEXT, b"x", bit=0x20), 1002),
    "compressed text in a compressed text": (compressed(b"x", fin=False) + compressed(b"y"), 1002),
    "plain text in a compressed text": (compressed(b"x", fin=False) + frame(Opcode.TEXT, b"y"), 1002),
    "compressed binary": (reserved(Opcode.BINARY, deflated(b"x")), 1003),
    "compressed continuation of nothing": (reserved(Opcode.CONT, deflated(b"x")), 1002),
}


@pytest.mark.parametrize(("raw", "code"), BREACHES.values(), ids=BREACHES)
def test_a_breach_of_the_protocol_closes_the_connection_f_51(raw: bytes, code: int):
    """F-45, F-46, F-51: 4 MiB out of 4 KiB, and all that a compressed frame must not be."""
    for pieces in ([raw], [raw[index : index + 1] for index in range(len(raw))]):
        ws = open_server(f"{NAME}; client_max_window_bits", max_message_size=10_000)
        for piece in pieces:
            ws.receive_data(piece, now=0.0)
        failed(ws, code, Misbehaviour.BINARY_MESSAGE if code == 1003 else Misbehaviour.WEBSOCKET_VIOLATION)


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PING])
def test_what_was_not_agreed_on_is_not_inflated_f_45(opcode: Opcode):
    """F-45."""
    ws = open_server(compression=False)
    ws.receive_data(reserved(opcode, deflated(b"x")), now=0.0)
    failed(ws, 1002, Misbehaviour.WEBSOCKET_VIOLATION)


@pytest.mark.parametrize("level", [0, 9], ids=["stored", "compressed"])
def test_the_largest_message_allowed_arrives_f_51(level: int):
    """F-49, F-51: the limit is that of the message; a frame has to keep to it as well."""
    ws = open_server(max_message_size=10_000)
    size = 10_000 if level else 9_990  # what is only wrapped up is larger than before
    ws.receive_data(reserved(Opcode.TEXT, deflated(b"x" * size, level=level)), now=0.0)
    raw = deflated(b"x" * size, level=level)
    ws.receive_data(reserved(Opcode.TEXT, raw[:15], fin=False) + frame(Opcode.CONT, raw[15:]), now=0.0)
    assert drain(ws) == ["x" * size] * 2


def test_a_compressed_message_in_too_many_fragments_closes_the_connection_f_50_f_51():
    """F-50, F-51."""
    ws = open_server(max_fragments=3)
    ws.receive_data(reserved(Opcode.TEXT, fin=False) + frame(Opcode.CONT, fin=False) * 3, now=0.0)
    failed(ws, 1008, Misbehaviour.TOO_MANY_FRAGMENTS)


@pytest.fixture
def _allocations() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("_allocations")
def test_nothing_beyond_the_limit_is_ever_allocated_f_51():
    """F-51: 64 MiB out of 64 KiB, and what comes behind a last block."""
    ended = bytes.fromhex("f348cdc9c90700")
    bombs = {
        1009: [reserved(Opcode.TEXT, deflated(bytes(64 * 2**20)))],
        1002: [reserved(Opcode.TEXT, ended, fin=False), *[frame(Opcode.CONT, bytes(2**20 - 9), fin=False)] * 16],
    }
    for code, pieces in bombs.items():
        ws = open_server(max_message_size=2**20)
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for piece in pieces:
            ws.receive_data(piece, now=0.0)
        _, peak = tracemalloc.get_traced_memory()
        failed(ws, code, Misbehaviour.WEBSOCKET_VIOLATION)
        assert peak - before < 5 * 2**20


# -- against the library's own ends --


def with_stock_client(factory: ClientPerMessageDeflateFactory) -> tuple[Pair, ClientProtocol]:
    protocol = ClientProtocol(URI, subprotocols=[Subprotocol("ocpp1.6")], extensions=[factory])
    pair = Pair(Stock(protocol), server())
    pair.run()
    pair.server.accept(now=0.0)
    pair.run()
    return pair, protocol


def with_stock_server(factory: ServerPerMessageDeflateFactory) -> tuple[Pair, ServerProtocol]:
    protocol = ServerProtocol(subprotocols=[Subprotocol("ocpp1.6")], extensions=[factory])
    pair = Pair(client(), Stock(protocol))
    pair.run()
    return pair, protocol


def usual(enable: Any) -> Any:
    return enable(None)[0]


CLIENTS = [
    usual(enable_client_permessage_deflate),
    ClientPerMessageDeflateFactory(),
    ClientPerMessageDeflateFactory(server_max_window_bits=9, client_max_window_bits=9),
    ClientPerMessageDeflateFactory(True, True, 10, None),
]
SERVERS = [
    usual(enable_server_permessage_deflate),
    ServerPerMessageDeflateFactory(),
    ServerPerMessageDeflateFactory(True, True, 9, 9),
]
TEXTS = st.one_of(
    st.text(max_size=20),
    st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=20), st.integers(1, 3000)),
)


def converse(pair: Pair, protocol: ClientProtocol | ServerProtocol, ours: Any, texts: list[str], data: Any) -> None:
    """The library says all of it, in fragments as they come, cut as it comes; we say it all back."""
    for text in texts:
        raw = text.encode()
        cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=3), "fragments"))
        parts = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
        protocol.send_text(parts[0], fin=len(parts) == 1)
        for index, part in enumerate(parts[1:], 2):
            protocol.send_continuation(part, fin=index == len(parts))
    stream = b"".join(protocol.data_to_send())
    while stream:
        size = data.draw(st.one_of(st.just(len(stream)), st.integers(1, 40)), "bytes")
        ours.receive_data(stream[:size], now=0.0)
        stream = stream[size:]
    assert drain(ours) == texts
    for text in texts:
        ours.send_text(text.encode())
    pair.run()
    heard = (pair.client_events if ours is pair.server else pair.server_events)[1:]
    assert [bytes(each.data).decode() for each in heard if isinstance(each, Frame)] == texts


@given(factory=st.sampled_from(CLIENTS), texts=st.lists(TEXTS, max_size=4), data=st.data())
def test_our_server_speaks_with_the_librarys_client_f_58(
    factory: ClientPerMessageDeflateFactory, texts: list[str], data: st.DataObject
):
    """RPC-020, F-58."""
    pair, protocol = with_stock_client(factory)
    assert [extension.name for extension in protocol.extensions] == [NAME]
    converse(pair, protocol, pair.server, texts, data)


@given(factory=st.sampled_from(SERVERS), texts=st.lists(TEXTS, max_size=4), data=st.data())
def test_our_client_speaks_with_the_librarys_server_f_58(
    factory: ServerPerMessageDeflateFactory, texts: list[str], data: st.DataObject
):
    """RPC-020, F-58."""
    pair, protocol = with_stock_server(factory)
    assert [extension.name for extension in protocol.extensions] == [NAME]
    converse(pair, protocol, pair.client, texts, data)


@given(texts=st.lists(TEXTS, max_size=4), seed=st.integers(0, 99))
def test_our_ends_speak_with_each_other_however_it_is_cut_f_58(texts: list[str], seed: int):
    """F-58."""
    pair = Pair(client(), server())
    pair.run()
    pair.server.accept(now=0.0)
    pair.run()
    for text in texts:
        pair.client.send_text(text.encode())
    stream = pair.client.data_to_send()
    cut = random.Random(seed)
    while stream:
        size = cut.choice([1, 7, 1000, len(stream)])
        pair.server.receive_data(stream[:size], now=0.0)
        stream = stream[size:]
        if cut.random() < 0.5:
            assert pair.server.data_to_send() == b""
    assert drain(pair.server) == texts


def test_a_compressed_message_that_is_not_ocpp_is_quoted_as_it_reads():
    """F-47."""
    ws = open_server()
    ws.receive_data(reserved(Opcode.BINARY, deflated(b"[2,3,4]" * 100)), now=0.0)
    misbehaved = ws.next_event()
    assert isinstance(misbehaved, PeerMisbehaved)
    assert misbehaved.text.startswith("[2,3,4][2")


def test_the_library_asleep_knows_as_much_as_awake_f_52():
    """F-52: a message that is not complete keeps it awake."""
    frames = Frames(SERVER, list[str]().append, lambda _: None, Limits())
    frames.windows = Windows(12, 12)
    frames.receive_data(reserved(Opcode.TEXT, deflated(b"Hello")[:3], fin=False))
    frames.data_to_send()
    assert frames._library is not None
    frames.receive_data(frame(Opcode.CONT, deflated(b"Hello")[3:]))
    frames.data_to_send()
    assert frames._library is None
