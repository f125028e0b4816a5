"""WebSocket frames of an open connection: almost all are of one kind, which is read and written here.

That kind is a text in a single frame. Everything else, and every doubt, is left to `websockets`, which is woken for it
and put to sleep again once it knows nothing that matters any more. While it is awake all bytes go through it: what
comes out, and in which order, is what would have come out of the library alone.

Messages may be compressed one by one (RFC 7692). Each starts from nothing, so there is still nothing to remember
between them: none can be guessed at by what it does to the size of another (F-52), and a connection that is idle holds
no windows.

It must not know what OCPP wants of a WebSocket, nor when one is to be closed.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.extensions import Extension

# `apply_mask` is the library's own choice between its C helper and its plain one.
from websockets.frames import CloseCode, Frame, Opcode, apply_mask  # type: ignore[attr-defined]
from websockets.protocol import OPEN, SERVER, Protocol, Side

from .limits import Limits

__all__ = ["SILENT", "Deflate", "Frames", "Library", "Windows"]

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


WORTH_COMPRESSING: Final = 256
"""Bytes of a message. A smaller one does not get so much smaller that it pays."""
MEMORY_LEVEL: Final = 5
"""Of zlib, to go with windows of 12 bits: 32 KiB in all, for as long as it takes to compress a message."""
EMPTY_BLOCK: Final = b"\x00\x00\xff\xff"
"""The end of each compressed message, which is not sent."""


class Windows(NamedTuple):
    """How far compression may look back, as powers of two in bytes."""

    inward: int
    outward: int


class Deflate(Extension):
    """Compression, for one message at a time: what there is to know between two of them is in the windows."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self._inflater: Any = None
        """While a compressed message comes in."""

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        """Inflate a frame, up to a limit (F-51). Bits that are set where they must not be are left to be refused."""
        assert max_size is not None
        if frame.rsv1 and frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._inflater = zlib.decompressobj(-self._windows.inward)
        elif self._inflater is None or frame.rsv1 or frame.opcode is not Opcode.CONT:
            return frame
        data = bytes(frame.data) + EMPTY_BLOCK if frame.fin else frame.data
        try:
            # One octet more than may be: to zlib 0 is no limit, and at the limit it does not tell what is left.
            inflated = self._inflater.decompress(data, max_size + 1)
        except zlib.error:
            raise ProtocolError("decompression failed") from None
        if len(inflated) > max_size:
            raise PayloadTooBig(None, max_size)
        # A block may call itself the last one. What comes behind it would be neither read nor let go.
        rest = self._inflater.unused_data
        if (rest.removesuffix(EMPTY_BLOCK) if frame.fin else rest) not in (b"", b"\x00"):
            raise ProtocolError("data after the end of the compressed message")
        if frame.fin:
            self._inflater = None
        return Frame(frame.opcode, inflated, frame.fin, False, frame.rsv2, frame.rsv3)

    def encode(self, frame: Frame) -> Frame:
        """Compress a frame, if it is a text that is worth it."""
        if frame.opcode is not Opcode.TEXT or len(frame.data) < WORTH_COMPRESSING:
            return frame
        deflater = zlib.compressobj(wbits=-self._windows.outward, memLevel=MEMORY_LEVEL)
        data = deflater.compress(frame.data) + deflater.flush(zlib.Z_SYNC_FLUSH)
        return Frame(Opcode.TEXT, data.removesuffix(EMPTY_BLOCK), rsv1=True)


class Library(Protocol):
    """The library's framing from the first frame on, which hands over every frame as soon as it is complete.

    Frame by frame, so that every limit holds within one chunk as well, however TCP cut it.
    """

    def __init__(
        self, side: Side, on_frame: Callable[[Frame], None], limits: Limits, windows: Windows | None = None
    ) -> None:
        super().__init__(side, state=OPEN, max_size=limits.max_message_size, logger=SILENT)
        self.extensions = [] if windows is None else [Deflate(windows)]
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
        if frame.opcode is Opcode.CLOSE:
            # Whoever leaves need not end what he was saying (RFC 6455, 5.4). The library would call it a breach, so it
            # is made to forget the message: under the name it has for that now, and that before its release 16.
            vars(self).update(current_size=None, cur_size=None)
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

    __slots__ = (
        "_library",
        "_limits",
        "_mask_bit",
        "_mask_size",
        "_on_frame",
        "_side",
        "_writes",
        "on_text",
        "windows",
    )

    def __init__(
        self, side: Side, on_text: Callable[[str], None], on_frame: Callable[[Frame], None], limits: Limits
    ) -> None:
        self._side = side
        # Of what comes in; what goes out has it the other way round.
        self._mask_bit, self._mask_size = (MASKED, MASK_SIZE) if side is SERVER else (0, 0)
        self.on_text = on_text
        self._on_frame = on_frame
        self._limits = limits
        self.windows: Windows | None = None
        """Of the compression that has been agreed on."""
        self._library: Library | None = None
        self._writes: list[bytes] = []

    @property
    def library(self) -> Library:
        """The library, awake."""
        if self._library is None:
            self._library = Library(self._side, self._on_frame, self._limits, self.windows)
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
            extensions = None if self.windows is None else [Deflate(self.windows)]
            frame = Frame(Opcode.TEXT, text)
            self._writes.append(frame.serialize(mask=self._side is not SERVER, extensions=extensions))

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
