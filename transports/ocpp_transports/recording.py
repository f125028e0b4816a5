"""Messages on record: both directions, with the text as it was, one JSON object a line.

A :class:`Recorder` is the ``tap=`` of whatever has one::

    with Recorder("traffic.jsonl") as recorder:
        async with serve(csms, tap=recorder): ...
        async with connect(url, "CP1", tap=recorder.of("CP1")): ...

    for message in read("traffic.jsonl"): ...

Each line has these members, and those that are not known are left out:

``time``
    When it was recorded: UTC, ISO 8601 with milliseconds, ``2026-01-01T12:00:00.000Z``.
``identity``
    The charge point.
``version``
    What is spoken: ``"1.6"``, ``"2.0.1"``, ``"2.1"``.
``direction``
    ``"in"`` or ``"out"``, as seen from the end that records.
``text``
    The message as it came or went; what ``redact`` has made of it, if there is one.

What is on record is what was said, with every idToken and every password in it: keep it as you keep those.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import Enum, unique
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Protocol, Self, overload

import msgspec

from ocpp_sansio import Direction, Version
from ocpp_sansio.session import Tap

from ._logging import logger

__all__ = ["Flush", "Recorded", "Recorder", "read"]

BUFFER: Final = 2**16
"""Bytes that ``Flush.BUFFERED`` holds back at most."""


@unique
class Flush(Enum):
    """When a recorder hands over what it has."""

    EACH = "each"
    """Every message at once, to the operating system: a process that dies takes none with it; a power cut may."""
    BUFFERED = "buffered"
    """When 64 KiB have come together, and on ``flush`` and ``close``: for much traffic, and for whoever can lose the
    last of it."""


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """One message on record."""

    time: datetime
    direction: Direction
    text: str
    identity: str | None = None
    version: Version | None = None


class _Station(Protocol):
    """What a recorder asks of the station that a server's tap is given."""

    @property
    def identity(self) -> str: ...
    @property
    def version(self) -> Version: ...


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Recorder:
    """Writes messages down, from any thread. It never raises into the connection that it listens to.

    What it cannot write, because the disk is full perhaps, is counted in :attr:`lost` and logged once. It goes on
    trying.

    Args:
        target: a path, to append to, or a binary file, which stays open and is flushed as ``flush`` says.
        flush: when to hand over what there is.
        max_bytes: start a new file before this one grows beyond; for a path only. ``None``: it grows for ever. A
            message that is larger alone has a file to itself.
        keep: how many older files to keep, as ``traffic.jsonl.1``, which is the latest of them, ``traffic.jsonl.2``…
        redact: makes of a text what may be written down. If it raises, nothing is.
        clock: tells the time, aware.

    Raises:
        OSError: the file cannot be opened.
        ValueError: the sizes make no sense.
    """

    def __init__(
        self,
        target: str | PathLike[str] | IO[bytes],
        *,
        flush: Flush = Flush.EACH,
        max_bytes: int | None = None,
        keep: int = 1,
        redact: Callable[[str], str] | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._path = Path(target) if isinstance(target, str | PathLike) else None
        if max_bytes is not None and (self._path is None or max_bytes < 1 or keep < 0):
            raise ValueError("max_bytes is a positive number, for a path; to keep fewer than no older file is none")
        self._max_held: Final = 0 if flush is Flush.EACH else min(BUFFER, max_bytes or BUFFER)
        self._max_bytes: Final = max_bytes
        self._keep: Final = keep
        self._redact: Final = redact
        self._clock: Final = clock
        self._lock: Final = threading.Lock()
        self._held: list[bytes] = []
        self._held_size = 0
        self._size = 0
        self._is_torn = False
        """Whether the last line has no end."""
        self._is_closed = False
        self.lost = 0
        """Messages that could not be written down."""
        self._file: IO[bytes] | None = self._open() if isinstance(target, str | PathLike) else target

    # -- taps --

    @overload
    def __call__(self, direction: Direction, text: str, at: float, /) -> None: ...
    @overload
    def __call__(self, station: _Station, direction: Direction, text: str, at: float, /) -> None: ...
    def __call__(self, *message: Any) -> None:
        """Record one message, as the tap of a server or of a client. When that was is told by ``clock``."""
        *station, direction, text, _ = message
        if station:
            self._record(direction, text, station[0].identity, station[0].version)
        else:
            self._record(direction, text)

    def of(self, identity: str, version: Version | str | None = None) -> Tap:
        """The tap of a client: it is told neither of these, and they belong on record."""
        spoken = None if version is None else Version(version)

        def tap(direction: Direction, text: str, at: float) -> None:  # noqa: ARG001 - any epoch
            self._record(direction, text, identity, spoken)

        return tap

    # -- writing --

    def _record(
        self, direction: Direction, text: str, identity: str | None = None, version: Version | None = None
    ) -> None:
        with self._lock:
            try:
                line = self._line(direction, text, identity, version)
            except Exception as error:  # noqa: BLE001 - whatever `redact` raises, the text stays unwritten
                self._lose(1, error)
                return
            if self._held_size + len(line) > self._max_held:
                self._write_held()
            self._held.append(line)
            self._held_size += len(line)
            if self._held_size >= self._max_held:
                self._write_held()

    def _line(self, direction: Direction, text: str, identity: str | None, version: Version | None) -> bytes:
        if self._is_closed:
            raise ValueError("it is closed")
        record = {
            "time": self._clock().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "identity": identity,
            "version": version,
            "direction": direction,
            "text": text if self._redact is None else self._redact(text),
        }
        return msgspec.json.encode({name: value for name, value in record.items() if value is not None}) + b"\n"

    def _write_held(self) -> None:
        data, self._held, self._held_size = b"".join(self._held), [], 0
        if not data:
            return
        written = 0
        try:
            file = self._file_for(len(data))
            if self._is_torn:  # by a failure, or a process that died: that must not spoil what follows (D-02)
                self._size += file.write(b"\n")
                self._is_torn = False
            while written < len(data):
                count = file.write(data[written:])
                if not count:
                    raise OSError("the file takes nothing more")
                written += count
            if self._path is None:
                file.flush()
        except Exception as error:  # noqa: BLE001 - whatever a file raises, it is not the end of a connection
            self._is_torn = self._is_torn or (written > 0 and data[written - 1] != data[-1])
            self._lose(data.count(b"\n", written), error)
        self._size += written

    def _lose(self, messages: int, error: Exception) -> None:
        self.lost += messages
        if self.lost == messages:
            # Only its kind, unless it is of the system: it might quote what was not to be written down (F-40).
            what = error if isinstance(error, OSError) else type(error).__name__
            logger.error("messages are not being recorded: %s", what)

    # -- the file --

    def _file_for(self, size: int) -> IO[bytes]:
        """Where the next bytes go: it may have failed to be opened, and it may be full."""
        if self._file is None:
            self._file = self._open()
        if self._max_bytes is not None and self._size and self._size + size > self._max_bytes:
            self._file.close()
            self._file = None
            self._rotate()
            self._file = self._open()
        return self._file

    def _open(self) -> IO[bytes]:
        assert self._path is not None
        file = self._path.open("a+b", buffering=0)
        self._size = file.tell()
        if self._size:
            file.seek(-1, os.SEEK_END)
            self._is_torn = file.read(1) != b"\n"
        return file

    def _rotate(self) -> None:
        assert self._path is not None
        files = [self._path, *(self._path.with_name(f"{self._path.name}.{age}") for age in range(1, self._keep + 1))]
        files[-1].unlink(missing_ok=True)
        for younger, elder in reversed([*itertools.pairwise(files)]):
            if younger.exists():
                younger.replace(elder)

    def flush(self) -> None:
        """Hand over what is held back."""
        with self._lock:
            self._write_held()

    def close(self) -> None:
        """Hand over what is held back, and close the file if it was opened here. What comes later is lost."""
        with self._lock:
            self._write_held()
            self._is_closed = True
            if self._path is not None and self._file is not None:
                self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


_HEAD: Final = b'{"time":'
_read_line: Final = msgspec.json.Decoder(Recorded).decode


def read(path: str | PathLike[str]) -> Iterator[Recorded]:
    """What is on record in one file, in order.

    A line that was torn, by a process that died or a disk that was full, is left out; nearly always it is the last.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is no record, nor what is left of one: this is some other file.
    """
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, 1):
            # A power cut may leave zeros where a file had grown, and not yet been written.
            text = line.strip(b"\0\r\n")
            try:
                yield _read_line(text)
            except (msgspec.DecodeError, ValueError) as error:
                is_torn = not isinstance(error, msgspec.ValidationError) and text[: len(_HEAD)] == _HEAD[: len(text)]
                if not is_torn:
                    raise ValueError(f"line {number} of {path} is not a record: {error}") from error
