"""However TCP cuts the bytes, and wherever they end, the same happens (F-04, F-09, F-56).

The same conversation is told to a fresh end again and again. It comes in rounds: a peer that waits for an answer
sends nothing before it, so bytes of two rounds never meet. Within a round they are cut in every way.

What the connection answers by itself, a pong or a CALLERROR, goes out where it belongs however the bytes are cut. Only
the application cannot answer before it is asked, after the whole chunk (F-54): no ping follows a CALL that reaches it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio.connection import CentralSystemConnection, ChargePointConnection
from ocpp_sansio.events import (
    CallReceived,
    CallSucceeded,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRefused,
    ConnectionRequested,
)
from ocpp_sansio.session import numbered_ids
from ocpp_sansio.v16 import HeartbeatRequest, HeartbeatResponse, ResetRequest, ResetResponse, ResetStatus, ResetType
from tests.peers import drain

TEXT, CONT, CLOSE, PING = 0x81, 0x80, 0x88, 0x89
FIRST, MIDDLE = 0x01, 0x00
"""The first and a middle fragment of a text."""

BEAT = HeartbeatResponse(current_time=datetime(2026, 1, 1, tzinfo=UTC))
BEAT_JSON = b'{"currentTime":"2026-01-01T00:00:00Z"}'


@pytest.fixture(scope="module", autouse=True)
def _the_library_draws_zeros() -> Iterator[None]:
    """The handshake's key and all masks are zeros: what is sent is the same each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("secrets.token_bytes", bytes)
        yield


def frame(head: int, payload: bytes, *, mask: bool) -> bytes:
    size = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2, "big")
    return bytes([head, size[0] | 0x80 * mask]) + size[1:] + bytes(4 * mask) + payload


def up(head: int, payload: bytes = b"") -> bytes:
    return frame(head, payload, mask=True)


def down(head: int, payload: bytes = b"") -> bytes:
    return frame(head, payload, mask=False)


REQUEST = (
    b"GET /ocpp/CP%201 HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)
RESPONSE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)

TO_SERVER = [
    REQUEST + up(PING, b"early") + up(TEXT, b'[2,"1","Heartbeat",{}]'),
    up(PING)
    + up(FIRST, b'[2,"2","Nonsense",{"\xc3')
    + up(MIDDLE)
    + up(PING, b"between")
    + up(CONT, b"\xa4" + "€🔌".encode() * 20 + b'":1}]')
    + up(TEXT, b'[2,"3","Heartbeat",{}]')
    + up(TEXT, b'[3,"s1",{"status":"Accepted"}]'),
    up(TEXT, b'[2,"4","Nonsense",{}]')
    + up(PING, b"last")
    + up(TEXT, b'[2,"5","Nonsense",{}]')
    + up(CLOSE, b"\x03\xe9reboot")
    + up(TEXT, b"too late")
    + b"\xff\xff",
]
TO_CLIENT = [
    RESPONSE + down(TEXT, b'[2,"1","Reset",{"type":"Soft"}]'),
    down(PING, b"x" * 125)
    + down(FIRST, b'[3,"c1",' + BEAT_JSON[:9])
    + down(PING)
    + down(CONT, BEAT_JSON[9:] + b"]")
    + down(TEXT, "nö".encode()),
    down(CLOSE, b"\x03\xe9restart") + down(PING),
]


class Listener:
    """One end with an application that answers at once, and everything that is seen of the two."""

    def __init__(self, end: CentralSystemConnection | ChargePointConnection) -> None:
        self.end = end
        self.events: list[Any] = []
        self.sent = b""

    def hear(self, data: bytes) -> None:
        self.end.receive_data(data, now=0.0)
        self._react()

    def hear_the_end(self) -> None:
        self.end.receive_eof(now=0.0)
        self._react()

    def _react(self) -> None:
        for event in drain(self.end):
            self.events.append(event)
            match self.end, event:
                case CentralSystemConnection(), ConnectionRequested():
                    self.end.accept(now=0.0)
                    self._react()
                case CentralSystemConnection(), CallReceived():
                    self.end.respond(event, BEAT, now=0.0)
                    if event.message_id == "1":
                        self.end.call(ResetRequest(type=ResetType.SOFT), now=0.0)
                case ChargePointConnection(), CallReceived():
                    self.end.respond(event, ResetResponse(status=ResetStatus.ACCEPTED), now=0.0)
                case ChargePointConnection(), ConnectionOpened():
                    self.end.call(HeartbeatRequest(), now=0.0)
                case _:
                    pass
        self.sent += self.end.data_to_send()

    @property
    def seen(self) -> tuple[list[str], bytes, bool]:
        return list(map(repr, self.events)), self.sent, self.end.transport_done


def server() -> Listener:
    return Listener(CentralSystemConnection(now=0.0, message_ids=numbered_ids("s")))


def client() -> Listener:
    return Listener(ChargePointConnection("ws://example.com/ocpp", "CP 1", now=0.0, message_ids=numbered_ids("c")))


Scene = tuple[Callable[[], Listener], Sequence[bytes]]
SCENES: dict[str, Scene] = {"server": (server, TO_SERVER), "client": (client, TO_CLIENT)}
scenes = pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)


def cut(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    return [data[start:end] for start, end in itertools.pairwise([0, *sorted(cuts), len(data)])]


def tell(scene: Scene, rounds: Iterable[Iterable[bytes]]) -> Listener:
    listener = scene[0]()
    for piece in itertools.chain.from_iterable(rounds):
        listener.hear(piece)
    return listener


def whole(scene: Scene) -> Listener:
    return tell(scene, [[each] for each in scene[1]])


@scenes
def test_the_conversation_is_what_it_is_meant_to_be(scene: Scene):
    """Else the comparisons below would prove little."""
    listener = whole(scene)
    names = [type(event).__name__ for event in listener.events]
    if scene is SCENES["server"]:
        calls = ["CallReceived", "PeerMisbehaved", "CallReceived", "CallSucceeded", "PeerMisbehaved", "PeerMisbehaved"]
        assert names == ["ConnectionRequested", "ConnectionOpened", *calls, "ConnectionClosed"]
        assert listener.end.transport_done
    else:
        assert names == ["ConnectionOpened", "CallReceived", "CallSucceeded", "PeerMisbehaved", "ConnectionClosed"]
        assert listener.sent.startswith(REQUEST.partition(b"\r\n")[0])
    assert any(isinstance(event, CallSucceeded) for event in listener.events)
    assert listener.events[-1] == ConnectionClosed(1001, listener.events[-1].reason, by_peer=True)


@pytest.mark.no_cover
@scenes
def test_every_single_cut_changes_nothing(scene: Scene):
    """F-04."""
    expected = whole(scene).seen
    for index, data in enumerate(scene[1]):
        for position in range(1, len(data)):
            rounds = [[each] for each in scene[1]]
            rounds[index] = cut(data, [position])
            assert tell(scene, rounds).seen == expected


@pytest.mark.no_cover
@scenes
def test_every_two_cuts_about_the_end_of_the_handshake_change_nothing(scene: Scene):
    """F-04, F-56."""
    first, *others = scene[1]
    expected = whole(scene).seen
    end = first.index(b"\r\n\r\n") + 4
    for cuts in itertools.combinations(range(end - 24, min(end + 24, len(first))), 2):
        assert tell(scene, [cut(first, cuts), *([each] for each in others)]).seen == expected


@scenes
def test_single_bytes_change_nothing(scene: Scene):
    """F-02, F-04."""
    rounds = [cut(each, range(1, len(each))) for each in scene[1]]
    assert tell(scene, rounds).seen == whole(scene).seen


@pytest.mark.no_cover
@scenes
@given(data=st.data())
def test_no_cuts_change_anything(scene: Scene, data: st.DataObject):
    """F-04: nor do empty pieces."""
    rounds = [cut(each, data.draw(st.lists(st.integers(0, len(each)), max_size=30))) for each in scene[1]]
    assert tell(scene, rounds).seen == whole(scene).seen


@scenes
def test_wherever_the_bytes_end_there_is_one_last_event(scene: Scene):
    """F-09: a clean end is told from a broken one."""
    clean = whole(scene).events[-1]
    last = (ConnectionClosed, ConnectionRefused)
    for index, data in enumerate(scene[1]):
        for position in range(len(data) + 1):
            listener = tell(scene, [*([each] for each in scene[1][:index]), [data[:position]]])
            listener.hear_the_end()
            listener.hear_the_end()
            ended = listener.events[-1]
            assert [event for event in listener.events if isinstance(event, last)] == [ended]
            opened = any(isinstance(event, ConnectionOpened) for event in listener.events)
            assert isinstance(ended, ConnectionClosed if opened else ConnectionRefused)
            assert ended == clean or not opened or ended.code == 1006
            assert listener.end.transport_done
            assert listener.end.next_timeout() is None
