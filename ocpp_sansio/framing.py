"""WebSocket frames of an open connection: almost all are of one kind, which is read and written here.

That kind is a text in a single frame. Everything else, and every doubt, is left to `websockets`, which is woken for it
and put to sleep again once it knows nothing that matters any more. While it is awake all bytes go through it: what
comes out, and in which order, is what would have come out of the library alone.

It must not know what OCPP wants of a WebSocket, nor when one is to be closed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

# `apply_mask` is the library's own choice between its C helper and its plain one.
from websockets.frames import CloseCode, Frame, Opcode, apply_mask  # type: ignore[attr-defined]
from websockets.protocol import OPEN, SERVER, Protocol, Side

from .limits import Limits

__all__ = ["SILENT", "Frames", "Library"]

WHOLE_TEXT: Final = 0x81
"""The first byte of a text in a single frame."""
MASKED: Final = 0x80
"""The bit of the second byte that says so. The others are the size, or how it follows."""
MASK_SIZE: Final = 4
IN_TWO_BYTES: Final = 126
"""Where the size would be: it follows in two bytes."""

_SHORT_HEADS: Final = [bytes((WHOLE_TEXT, size)) for size in range(IN_TWO_BYTES)]

# It gets a logger that never speaks: header fields hold credentials (F-40).
SILENT: Final = logging.Logger("silent")  # noqa: LOG001 - nobody else can find it and make it speak
SILENT.disabled = True


class Library(Protocol):
    """The library's framing from the first frame on, which hands over every frame as soon as it is complete.

    Frame by frame, so that every limit holds within one chunk as well, however TCP cut it.
    """

    def __init__(self, side: Side, on_frame: Callable[[Frame], None], limits: Limits) -> None:
        super().__init__(side, state=OPEN, max_size=limits.max_message_size, logger=SILENT)
        self._on_frame = on_frame
        self._in_frame = False
        self._in_message = False

    def read(self, data: bytes) -> Exception | None:
        """Take in bytes. Returns what :meth:`Frames.receive_data` returns."""
        self._in_frame = True
        self.receive_data(data)
        # Not kept: its traceback refers back to all that was at work (F-132).
        error, self.parser_exc = self.parser_exc, None
        return error

    def recv_frame(self, frame: Frame) -> None:
        """Take in a frame that is complete."""
        super().recv_frame(frame)
        self.events_received()
        if frame.opcode < Opcode.CLOSE:
            self._in_message = not frame.fin
        self._on_frame(frame)
        self._in_frame = bool(self.reader.buffer)

    @property
    def is_at_rest(self) -> bool:
        """Whether it knows nothing that a new one would not know."""
        return not (self._in_frame or self._in_message) and self.state is OPEN


class Frames:
    """Bytes in, texts to ``on_text``, and whatever the library reads to ``on_frame``; texts in, bytes out."""

    __slots__ = ("_library", "_limits", "_mask_bit", "_mask_size", "_on_frame", "_side", "_writes", "on_text")

    def __init__(
        self, side: Side, on_text: Callable[[str], None], on_frame: Callable[[Frame], None], limits: Limits
    ) -> None:
        self._side = side
        # Of what comes in; what goes out has it the other way round.
        self._mask_bit, self._mask_size = (MASKED, MASK_SIZE) if side is SERVER else (0, 0)
        self.on_text = on_text
        self._on_frame = on_frame
        self._limits = limits
        self._library: Library | None = None
        self._writes: list[bytes] = []

    @property
    def library(self) -> Library:
        """The library, awake."""
        if self._library is None:
            self._library = Library(self._side, self._on_frame, self._limits)
        return self._library

    def receive_data(self, data: bytes) -> Exception | None:
        """Take in bytes. Returns what has ended the connection: a breach of the protocol, or a bug of ours."""
        start = 0
        while self._library is None and start < len(data):
            text, start = self._read_text(data, start)
            if text is None:
                break
            try:
                self.on_text(text)
            except Exception as exc:  # noqa: BLE001 - the library does the same around `on_frame`
                self.library.fail(CloseCode.INTERNAL_ERROR)
                return exc
        if start == len(data):
            return None
        return self.library.read(data[start:])

    def _read_text(self, data: bytes, start: int) -> tuple[str | None, int]:
        """The text in the frame that starts here, and where the next one starts; no text: the library shall judge."""
        unread = None, start
        end = start + 2
        if data[start] != WHOLE_TEXT or end > len(data):
            return unread
        size = data[start + 1] ^ self._mask_bit
        if size == IN_TWO_BYTES:
            end += 2
            size = int.from_bytes(data[start + 2 : end])
            if size < IN_TWO_BYTES:
                return unread
        elif size > IN_TWO_BYTES:  # far too long, or not masked as it should be
            return unread
        mask = data[end : end + self._mask_size]
        end += self._mask_size
        payload = data[end : end + size]
        end += size
        if end > len(data) or size > self._limits.max_message_size:
            return unread
        try:
            return str(apply_mask(payload, mask) if mask else payload, "utf-8"), end
        except UnicodeDecodeError:
            return unread

    def send_text(self, text: bytes) -> None:
        """Send a text, given as UTF-8."""
        if self._library is not None:
            self._library.send_text(text)
        elif self._side is SERVER and len(text) < IN_TWO_BYTES:
            self._writes.append(_SHORT_HEADS[len(text)] + text)
        else:
            self._writes.append(Frame(Opcode.TEXT, text).serialize(mask=self._side is not SERVER))

    def send_head(self, head: bytes) -> None:
        """Send what comes before all frames."""
        self._writes.append(head)

    def data_to_send(self) -> bytes:
        """The bytes to send now. Given out once."""
        if self._library is not None:
            self._writes += self._library.data_to_send()
            if self._library.is_at_rest:
                self._dismiss()
        data = b"".join(self._writes)
        self._writes.clear()
        return data

    def end(self) -> None:
        """Nothing will be read or written any more; what is written already can still be asked for."""
        if self._library is not None:
            self._writes += self._library.data_to_send()
            self._dismiss()
        self.on_text = self._on_frame = _ignore

    def _dismiss(self) -> None:
        del self.library.parser  # a coroutine, which refers back to it (F-132)
        self._library = None


def _ignore(_: object) -> None:
    """Stands in for callbacks whose owners are to be let go."""
