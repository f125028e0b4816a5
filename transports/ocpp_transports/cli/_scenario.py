"""Where the lines of a scenario come from: a file, or whoever sits at the keyboard."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ._site import lines_of

__all__ = ["KEYBOARD", "scenario"]

KEYBOARD: Final = "-"


def scenario(source: str) -> Iterator[str]:
    """The lines of a file, or of standard input as they come: an empty one as long as none does.

    Raises:
        OSError: the file cannot be read.
    """
    return _typed() if source == KEYBOARD else lines_of(Path(source).read_text())


def _typed() -> Iterator[str]:
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        lines.put(None)

    # Nobody can interrupt who waits for a key.
    threading.Thread(target=read, name="keyboard", daemon=True).start()
    while True:
        try:
            line = lines.get_nowait()
        except queue.Empty:
            yield ""
            continue
        if line is None:
            return
        yield from lines_of(line)
