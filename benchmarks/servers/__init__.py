"""Servers to be measured, each in a process of its own: ``python -m benchmarks.servers NAME``.

Once it listens, a server prints its port. Then it answers every line on standard input with what it has used so far:
CPU nanoseconds of all its threads, and bytes of resident memory. At the end of standard input it ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from types import TracebackType
from typing import Final, Self

import attrs

from .. import host, peers

CONSTANT, WEBSOCKETS = "asyncio, constant answer", "websockets"
OURS, OURS_TRIO, OURS_SYNC = peers.OURS, f"{peers.OURS}, trio", f"{peers.OURS}, sync"
OURS_ANYIO = f"{peers.OURS}, anyio"
OCPP, OCPP_IN_LINE = peers.OCPP, f"{peers.OCPP}, validating in line"

SERVERS: Final[Mapping[str, str]] = {
    CONSTANT: "floors:serve_constant",
    WEBSOCKETS: "floors:serve_websockets",
    OURS: "ours_asyncio:serve",
    OURS_TRIO: "ours_trio:serve",
    OURS_ANYIO: "ours_anyio:serve",
    OURS_SYNC: "ours_sync:serve",
    OCPP: "ocpp_package:serve",
    OCPP_IN_LINE: "ocpp_package:serve_in_line",
}
NEEDS: Final = {OURS_TRIO: "trio", OURS_ANYIO: "anyio", OCPP: "ocpp", OCPP_IN_LINE: "ocpp"}


def is_available(name: str) -> bool:
    return name not in NEEDS or find_spec(NEEDS[name]) is not None


def serve(name: str) -> None:
    """Run a server in this process."""
    module, _, function = SERVERS[name].partition(":")
    run: Callable[[], None] = getattr(import_module(f"{__name__}.{module}"), function)
    run()


@attrs.frozen
class Usage:
    """What a server has used."""

    cpu_ns: int
    rss: int


class Server:
    """A server in a process of its own. A context manager."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=host.environment(),
        )
        self.port = int(self._answer())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate()

    def usage(self) -> Usage:
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)
        return Usage(**json.loads(self._answer()))

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server {self.name!r} has broken down; its last words are above")
        return line
