"""What a command reads, piece by piece: files, plain or compressed, and standard input. And where its output goes."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import sys
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Annotated, Final, cast

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

__all__ = ["NO_MESSAGE", "STANDARD_INPUT", "UNUSABLE", "File", "UnreadableFile", "chunks", "complain", "printing"]

STANDARD_INPUT: Final = "-"
UNUSABLE: Final = 2
"""The exit status if an option makes no sense, or a file has nothing for us."""
NO_MESSAGE: Final = "there is no OCPP message in it"
LARGE: Final = 16 * 2**20
"""Bytes of a file from which on somebody who watches wants to see how far it is."""
CHUNK: Final = 2**16
_GZIP: Final = b"\x1f\x8b"
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def _refuse_options(_: object, value: str | Iterable[str]) -> None:
    for name in [value] if isinstance(value, str) else value:
        if name.startswith("-") and name != STANDARD_INPUT:
            raise ValueError(f"There is no option {name}; a file of that name is ./{name}.")


File = Annotated[str, Parameter(allow_leading_hyphen=True, validator=_refuse_options)]
"""The name of one; "-" is standard input."""


class UnreadableFile(Exception):
    """A file cannot be read, or no further. Says which, and why."""


def complain(text: str) -> None:
    """Say it where it is not taken for output."""
    print(text, file=sys.stderr)


@contextmanager
def printing() -> Generator[None]:
    """Print UTF-8, whatever the platform has for files and pipes, for as long as somebody reads it."""
    if sys.stdout is None:
        complain("standard output: it is closed")
        sys.exit(UNUSABLE)
    try:
        cast("io.TextIOWrapper", sys.stdout).reconfigure(encoding="utf-8")
        yield
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is in its buffer
        if not isinstance(error, BrokenPipeError):  # of which whoever reads this has seen enough
            complain(f"standard output: {error.strerror}")
            sys.exit(UNUSABLE)


def chunks(name: str, *, is_quiet: bool) -> Iterator[bytes]:
    """What is in a file, in order, decompressed, and as UTF-8 if it begins as UTF-16.

    Raises:
        UnreadableFile: it cannot be read, or no further.
    """
    try:
        with ExitStack() as stack:
            # As it comes, so that it may be a pipe that nobody closes.
            is_piped = name == STANDARD_INPUT
            if is_piped and sys.stdin is None:
                raise UnreadableFile(f"{name}: standard input is closed")
            raw = cast(
                "io.BufferedReader", sys.stdin.buffer if is_piped else stack.enter_context(Path(name).open("rb"))
            )
            is_compressed = raw.peek(len(_GZIP))[: len(_GZIP)] == _GZIP
            file = stack.enter_context(gzip.open(raw)) if is_compressed else raw
            pieces = _as_utf_8(iter(lambda: cast("io.BufferedReader", file).read1(CHUNK), b""))
            size = 0 if is_piped else Path(name).stat().st_size
            if not is_quiet and size >= LARGE and sys.stderr.isatty():
                pieces = _shown(pieces, raw, name, size)
            yield from pieces
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFile(f"{name}: {getattr(error, 'strerror', None) or error}") from None


def _as_utf_8(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same, unless it begins with the mark of UTF-16, as what PowerShell writes."""
    first = next(pieces, b"")
    if first.startswith(_UTF_16):
        for text in codecs.iterdecode(chain([first], pieces), "utf-16", "replace"):
            yield text.encode()
    else:
        yield first
        yield from pieces


def _shown(pieces: Iterator[bytes], raw: IO[bytes], name: str, size: int) -> Iterator[bytes]:
    """The same, with a bar beside it."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task(name, total=size)
        for piece in pieces:
            yield piece
            progress.update(task, completed=raw.tell())
