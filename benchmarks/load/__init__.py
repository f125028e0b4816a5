"""The load on a server: stations that ask as soon as they are answered, in a process of their own.

A small C program where there is a compiler, several Python processes where there is none. Both obey the same commands,
one a line on standard input, and say on standard output how it went:

* ``more N``: let N more stations connect;
* ``run MS``: let every station ask, be answered and ask again for so long → calls, wall and own CPU nanoseconds;
* ``churn MS``: stations connect, say goodbye and leave, one after the other → connections, wall and CPU nanoseconds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs

from ..wire import request
from ..workload import DIGITS, Frame

SOURCE = Path(__file__).with_name("load.c")
COMPILERS = ("cc", "gcc", "clang")
PYTHON_HELPERS = 2
PYTHON = [sys.executable, "-m", "benchmarks.load.stations"]


def compiled() -> Path | None:
    """The C program, compiled once for each of its states; ``None`` without a compiler."""
    compiler = next(filter(None, map(shutil.which, [os.environ["CC"]] if "CC" in os.environ else COMPILERS)), None)
    if compiler is None:
        return None
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    program = Path(tempfile.gettempdir()) / f"ocpp-sansio-load-{os.getuid()}-{digest}"
    if not program.exists():
        draft = program.with_suffix(f".{os.getpid()}")
        done = subprocess.run([compiler, "-O2", "-o", str(draft), str(SOURCE)], check=False, capture_output=True)
        if done.returncode != 0:
            return None
        draft.rename(program)
    return program


@attrs.frozen
class Round:
    """What came of ``run`` or ``churn``."""

    done: int
    """Calls or connections."""
    wall_ns: int
    cpu_ns: int
    """Of the load itself."""


class Load:
    """Stations of one server. A context manager; at its end the stations hang up."""

    def __init__(self, port: int, frame: Frame) -> None:
        program = compiled()
        self.is_compiled: bool = program is not None
        self._folder = tempfile.TemporaryDirectory(prefix="ocpp-sansio-load-")
        folder = Path(self._folder.name)
        (folder / "request").write_bytes(request("#" * DIGITS, frame.version.subprotocol))
        (folder / "message").write_bytes(frame.with_id("#" * DIGITS))
        command = [str(program)] if program is not None else PYTHON
        arguments = [str(port), str(folder / "request"), str(folder / "message")]
        self._helpers = [
            subprocess.Popen([*command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(1 if self.is_compiled else PYTHON_HELPERS)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for helper in self._helpers:
            helper.communicate()
        self._folder.cleanup()

    def more(self, stations: int) -> None:
        """Let more stations connect."""
        share, rest = divmod(stations, len(self._helpers))
        self._ask([f"more {share + (index < rest)}" for index in range(len(self._helpers))])

    def run(self, seconds: float) -> Round:
        """Let all stations ask for so long."""
        return self._round(f"run {round(seconds * 1000)}")

    def churn(self, seconds: float) -> Round:
        """Let stations come and go for so long."""
        return self._round(f"churn {round(seconds * 1000)}")

    def _round(self, command: str) -> Round:
        done, wall, cpu = zip(*self._ask([command] * len(self._helpers)), strict=True)
        return Round(sum(done), max(wall), sum(cpu))

    def _ask(self, commands: list[str]) -> list[list[int]]:
        for helper, command in zip(self._helpers, commands, strict=True):
            assert helper.stdin is not None
            print(command, file=helper.stdin, flush=True)
        answers = [helper.stdout.readline().split() for helper in self._helpers if helper.stdout is not None]
        if not all(answers):
            raise RuntimeError("the load has broken down; its last words are above")
        return [list(map(int, answer)) for answer in answers]
