"""The files that a command reads, piece by piece: plain, compressed, or what comes in on standard input."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from io import BufferedReader
from pathlib import Path
from typing import IO, Final, cast

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

__all__ = ["STANDARD_INPUT", "UNREADABLE", "chunks"]

STANDARD_INPUT: Final = "-"
UNREADABLE: Final = (OSError, EOFError, zlib.error)
"""What reading a file may raise."""
LARGE: Final = 16 * 2**20
"""Bytes of a file from which on somebody who watches wants to see how far it is."""
CHUNK: Final = 2**16
_GZIP: Final = b"\x1f\x8b"


def chunks(name: str, *, is_quiet: bool) -> Iterator[bytes]:
    """What is in a file, in order, decompressed.

    Raises:
        OSError, EOFError, zlib.error: it cannot be read, or no further.
    """
    if name == STANDARD_INPUT:
        # As it comes, so that it may be a pipe that nobody closes.
        incoming = cast("BufferedReader", sys.stdin.buffer)
        yield from iter(lambda: incoming.read1(CHUNK), b"")
        return
    with ExitStack() as stack:
        raw = stack.enter_context(Path(name).open("rb", buffering=0))
        is_compressed = raw.read(len(_GZIP)) == _GZIP
        raw.seek(0)
        file = stack.enter_context(gzip.open(raw)) if is_compressed else raw
        pieces = iter(lambda: cast("IO[bytes]", file).read(CHUNK), b"")
        size = Path(name).stat().st_size
        if not is_quiet and size >= LARGE and sys.stderr.isatty():
            pieces = _shown(pieces, raw, name, size)
        yield from pieces


def _shown(pieces: Iterable[bytes], raw: IO[bytes], name: str, size: int) -> Iterator[bytes]:
    """The same, with a bar beside it."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task(name, total=size)
        for piece in pieces:
            yield piece
            progress.update(task, completed=raw.tell())
