"""Reading and writing the common frame ourselves changes nothing: it is as if `websockets` did it all (F-45…F-56)."""

from __future__ import annotations

import gc
import weakref
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import CLIENT, SERVER, Side

from ocpp_sansio import framing, websocket
from ocpp_sansio.events import ConnectionClosed
from ocpp_sansio.facts import TransportFacts
from ocpp_sansio.framing import Deflate, Frames, Library, Windows
from ocpp_sansio.handshake import Endpoint
from ocpp_sansio.limits import Limits
from ocpp_sansio.version import NoMatch, Version
from ocpp_sansio.websocket import ClientWebSocket, ServerWebSocket, WebSocket
from tests.peers import drain


class LibraryAlone:
    """What :class:`Frames` stands for."""

    def __init__(
        self, side: Side, on_text: Callable[[str], None], on_frame: Callable[[Frame], None], limits: Limits
    ) -> None:
        self.on_text = on_text
        self.library = Library(side, on_frame, limits)

    @property
    def windows(self) -> Windows | None: ...

    @windows.setter
    def windows(self, windows: Windows | None) -> None:
        self.library.extensions = [] if windows is None else [Deflate(windows)]

    def receive_data(self, data: bytes) -> Exception | None:
        return self.library.read(data)

    def send_text(self, text: bytes) -> None:
        self.library.send_text(text)

    def data_to_send(self) -> bytes:
        return b"".join(self.library.data_to_send())

    def end(self) -> None:
        pass


class End:
    """An open WebSocket, an application that acts in the middle of things, and all that is seen of the two."""

    def __init__(self, side: Side, frames: type[Any], limits: Limits, windows: Windows | None) -> None:
        self.seen: list[Any] = []
        self.ws = opened(side, self.on_text, limits)
        self.ws._frames = frames(side, self.on_text, self.ws._on_frame, limits)
        self.ws._frames.windows = windows
        self.now = 0.0
        self.unaided = 0

    def on_text(self, text: str) -> None:
        self.seen.append(text)
        self.unaided += getattr(self.ws._frames, "_library", self) is None
        match text[:1]:
            case "e":
                self.ws.send_text(text.encode() * 3)
            case "c":
                self.ws.close(4000, "enough", now=self.now)
            case "b":
                raise ZeroDivisionError(text)
            case _:
                pass

    def do(self, step: Any) -> None:
        match step:
            case bytes():
                try:
                    self.ws.receive_data(step, now=self.now)
                except ZeroDivisionError as bug:
                    self.seen.append(bug.args)
            case str():
                self.ws.send_text(step.encode())
            case float():
                self.now += step
                self.ws.handle_timeout(now=self.now)
            case int():
                self.ws.close(step, "", now=self.now)
            case None:
                self.ws.receive_eof(now=self.now)
        self.seen += drain(self.ws)

    @property
    def state(self) -> tuple[Any, ...]:
        ws = self.ws
        return self.seen, ws._phase, ws.transport_done, ws.next_timeout(), ws._control_budget


def opened(side: Side, on_text: Callable[[str], None], limits: Limits) -> Any:
    """A WebSocket right after its handshake."""
    ws: WebSocket
    if side is SERVER:
        options = {"no_match": NoMatch.REJECT, "allow_origin": False, "facts": TransportFacts}
        ws = ServerWebSocket([Version.V16], on_text, **options, limits=limits, now=0.0)
    else:
        endpoint = Endpoint.of("ws://example.com/ocpp", "CP1")
        ws = ClientWebSocket(endpoint, [Version.V16], on_text, headers=(), limits=limits, now=0.0)
    ws.data_to_send()
    ws._open(Version.V16, "", b"")
    drain(ws)
    return ws


@pytest.fixture(scope="module", autouse=True)
def _the_library_draws_zeros() -> Iterator[None]:
    """Handshake keys and masks: what is sent is the same each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("secrets.token_bytes", bytes)
        yield


# -- what may be sent --

SIZES = st.one_of(
    st.sampled_from([0, 1, 2, 123, 124, 125, 126, 127, 128, 254, 255, 256, 257]), st.sampled_from([65535, 65536])
)
"""Of a payload of single bytes."""
TEXTS = st.one_of(
    st.sampled_from(["", "e", "echo", "close", "bug", "€", "🔌", "\ud800", "x" * 60]),
    st.text(max_size=8),
).map(lambda text: text.encode(errors="surrogatepass"))
PAYLOADS = st.one_of(TEXTS, TEXTS, st.binary(max_size=8))
CLOSES = st.one_of(
    st.just(b""),
    st.builds(lambda code: Close(code, "bye").serialize(), st.sampled_from([1000, 1001, 4999])),
    st.binary(max_size=4),
)


@attrs.frozen
class Sent:
    """A frame as it may be sent, well or ill."""

    opcode: int
    payload: bytes
    times: int = 1
    fin: bool = True
    reserved: int = 0
    misjudged_mask: bool = False
    length_form: int = 0
    mask: bytes = b"\x11\x22\x33\x44"

    def to(self, side: Side) -> bytes:
        masked = (side is SERVER) != self.misjudged_mask
        payload = self.payload * self.times
        size = len(payload)
        form = max(self.length_form, 0 if size < 126 else 1 if size < 65536 else 2)
        length = (b"", size.to_bytes(2) if form == 1 else b"", size.to_bytes(8))[form]
        head = bytes([self.opcode | self.reserved | self.fin << 7, (size, 126, 127)[form] | masked << 7]) + length
        if not masked:
            return head + payload
        return head + self.mask + framing.apply_mask(payload, self.mask)


MASKS = st.binary(min_size=4, max_size=4)
WHOLE = st.builds(Sent, st.just(Opcode.TEXT), PAYLOADS, mask=MASKS)
SIZED = st.builds(Sent, st.just(Opcode.TEXT), st.sampled_from([b"x", b"e"]), SIZES, mask=MASKS)
PARTS = st.builds(Sent, st.sampled_from([Opcode.TEXT, Opcode.CONT]), PAYLOADS, fin=st.booleans(), mask=MASKS)
CONTROL = st.builds(Sent, st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=4), mask=MASKS)
ANY = st.builds(
    Sent,
    st.integers(0, 15),
    st.one_of(PAYLOADS, CLOSES),
    fin=st.sampled_from([True, True, True, False]),
    reserved=st.sampled_from([0, 0, 0, 0x10, 0x40]),
    misjudged_mask=st.sampled_from([False, False, False, True]),
    length_form=st.sampled_from([0, 0, 1, 2]),
    mask=MASKS,
)
PRESSED = TEXTS.map(lambda text: zlib.compress(text * 9, wbits=-12))
COMPRESSED = st.one_of(
    st.builds(Sent, st.just(Opcode.TEXT), PRESSED, reserved=st.just(0x40), mask=MASKS).map(lambda frame: (frame,)),
    st.builds(
        lambda payload, cut: (
            Sent(Opcode.TEXT, payload[:cut], fin=False, reserved=0x40),
            Sent(Opcode.CONT, payload[cut:]),
        ),
        PRESSED,
        st.integers(0, 9),
    ),
)
FRAGMENTED = st.tuples(
    st.builds(Sent, st.just(Opcode.TEXT), TEXTS, fin=st.just(False)),
    CONTROL,
    st.builds(Sent, st.just(Opcode.CONT), TEXTS),
)
GOOD = st.builds(Sent, st.just(Opcode.TEXT), st.sampled_from([b"x", b"echo", "€".encode()]), mask=MASKS)
TRAFFIC = st.lists(
    st.one_of(
        *[GOOD.map(lambda frame: (frame,))] * 4,
        WHOLE.map(lambda frame: (frame,)),
        SIZED.map(lambda frame: (frame,)),
        CONTROL.map(lambda frame: (frame,)),
        FRAGMENTED,
        COMPRESSED,
        PARTS.map(lambda frame: (frame,)),
        ANY.map(lambda frame: (frame,)),
        CLOSES.map(lambda payload: (Sent(Opcode.CLOSE, payload),)),
        st.binary(min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=12,
)
DEEDS = st.one_of(
    st.sampled_from(["", "hello", "x" * 125, "x" * 126, "x" * 65536]),  # to be sent
    st.sampled_from([0.0, 1.0, 20.0]),  # time that passes
    st.just(1001),  # to close with
    st.none(),  # the end of the stream
)
LIMITS = st.builds(
    Limits,
    max_message_size=st.sampled_from([10, 125, 126, 127, 300, 2**20]),
    max_fragments=st.just(3),
    max_control_burst=st.sampled_from([3, 50]),
)


@given(
    side=st.sampled_from([SERVER, CLIENT]),
    limits=LIMITS,
    windows=st.sampled_from([None, None, Windows(12, 9)]),
    traffic=TRAFFIC,
    data=st.data(),
)
def test_whatever_comes_and_however_it_is_cut_the_same_happens_as_with_the_library_alone(
    side: Side, limits: Limits, windows: Windows | None, traffic: list[Any], data: st.DataObject
):
    """The same texts and events in the same order, the same bytes, the same state."""
    stream = b"".join(each if isinstance(each, bytes) else b"".join(one.to(side) for one in each) for each in traffic)
    ours, alone = End(side, Frames, limits, windows), End(side, LibraryAlone, limits, windows)
    while stream:
        cut = data.draw(st.one_of(st.just(len(stream)), st.integers(1, min(len(stream), 400))), "bytes")
        steps = [b"", stream[:cut], *data.draw(st.lists(DEEDS, max_size=1), "then")]
        stream = stream[cut:]
        for step in steps:
            ours.do(step)
            alone.do(step)
            assert ours.state == alone.state
        if data.draw(st.booleans(), "send"):
            assert ours.ws.data_to_send() == alone.ws.data_to_send()
    event(f"texts read without the library: {min(ours.unaided, 4)}")
    ours.do(None)
    alone.do(None)
    assert ours.state == alone.state
    assert ours.ws.data_to_send() == alone.ws.data_to_send()


# -- when the library is awake --


def server_frames(on_frame: Callable[[Frame], None] = lambda _: None) -> tuple[Frames, list[str]]:
    texts: list[str] = []
    return Frames(SERVER, texts.append, on_frame, Limits()), texts


def is_awake(frames: Frames) -> bool:
    return frames._library is not None


def test_whole_texts_do_not_wake_the_library():
    frames, texts = server_frames()
    frames.receive_data(Sent(Opcode.TEXT, b"one").to(SERVER) + Sent(Opcode.TEXT, b"two" * 100).to(SERVER))
    frames.send_text(b"three")
    assert texts == ["one", "two" * 100]
    assert not is_awake(frames)
    assert frames.data_to_send() == b"\x81\x05three"


@pytest.mark.parametrize(
    "pieces",
    [
        [Sent(Opcode.PING, b"x").to(SERVER)],
        [Sent(Opcode.TEXT, b"x", fin=False).to(SERVER), Sent(Opcode.CONT, b"x").to(SERVER)],
        [Sent(Opcode.TEXT, b"xy").to(SERVER)[:3], Sent(Opcode.TEXT, b"xy").to(SERVER)[3:]],
        [Sent(Opcode.TEXT, b"x", length_form=1).to(SERVER)],
        [Sent(Opcode.TEXT, b"x", length_form=2).to(SERVER)],
    ],
)
def test_the_library_sleeps_again_once_it_knows_nothing_that_matters(pieces: list[bytes]):
    frames, _ = server_frames()
    for piece in pieces:
        assert not is_awake(frames) or piece is pieces[-1]
        frames.receive_data(piece)
        assert is_awake(frames)
        if piece is not pieces[-1]:
            frames.data_to_send()
            assert is_awake(frames)
    frames.data_to_send()
    assert not is_awake(frames)


def test_the_library_goes_when_it_sleeps_and_when_all_is_over():
    """F-132: by reference counting alone."""
    frames, _ = server_frames()
    gc.disable()
    try:
        for dismiss in (frames.data_to_send, frames.end):
            frames.receive_data(Sent(Opcode.PING, b"").to(SERVER))
            library = weakref.ref(frames.library)
            dismiss()
            assert library() is None
            frames.data_to_send()
    finally:
        gc.enable()


@pytest.mark.parametrize("side", [SERVER, CLIENT])
@pytest.mark.parametrize("last", [Sent(Opcode.CLOSE, b""), Sent(Opcode.BINARY, b""), Sent(Opcode.TEXT, b"\xff"), None])
def test_a_websocket_that_is_over_is_freed_by_reference_counting(side: Side, last: Sent | None):
    """F-132."""
    gc.disable()
    try:
        ws = opened(side, print, Limits())
        ws.receive_data(b"" if last is None else last.to(side), now=0.0)
        ws.receive_eof(now=0.0)
        assert isinstance(drain(ws)[-1], ConnectionClosed)
        assert ws.transport_done
        freed = weakref.ref(ws)
        del ws
        assert freed() is None
    finally:
        gc.enable()


def test_a_bug_of_ours_in_the_common_case_ends_the_connection():
    """F-14."""
    assert websocket.Frames is Frames
    frames = Frames(SERVER, lambda _: 1 / 0, lambda _: None, Limits())  # type: ignore[arg-type, return-value]
    assert isinstance(frames.receive_data(Sent(Opcode.TEXT, b"x").to(SERVER)), ZeroDivisionError)
    assert frames.data_to_send() == b"\x88\x02\x03\xf3"
