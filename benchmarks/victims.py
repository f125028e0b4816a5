"""The servers that are attacked, each in a process of its own: ``python -m benchmarks.victims NAME``.

One says its port once it listens, collects its garbage with every line on standard input, and ends with that. What it
uses is looked up from outside: it may consist of several processes.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from os import sysconf
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from ocpp_sansio import CentralSystem, Limits, v16

HANDSHAKE_TIMEOUT: Final = 2.0
TICKS: Final = sysconf("SC_CLK_TCK")


def central_system(*, blocking: bool = False) -> CentralSystem:
    """What is served: it answers a Heartbeat, and asks something back before it answers a DataTransfer."""
    logging.getLogger("ocpp_transports").setLevel(logging.ERROR)
    limits = Limits(handshake_timeout=HANDSHAKE_TIMEOUT)
    csms = CentralSystem(limits=limits, compression=True, accept_before_boot=True)

    @csms.on(v16.HeartbeatRequest)
    def heartbeat(station: Any, request: v16.HeartbeatRequest) -> v16.HeartbeatResponse:
        return v16.HeartbeatResponse(current_time=datetime.now(UTC))

    def answer(asked: v16.ClearCacheResponse) -> v16.DataTransferResponse:
        assert asked.status is v16.ClearCacheStatus.ACCEPTED
        return v16.DataTransferResponse(status=v16.DataTransferStatus.ACCEPTED)

    if blocking:

        @csms.on(v16.DataTransferRequest)
        def data_transfer(station: Any, request: v16.DataTransferRequest) -> v16.DataTransferResponse:
            return answer(station.call(v16.ClearCacheRequest()))
    else:

        @csms.on(v16.DataTransferRequest)
        async def data_transfer_later(station: Any, request: v16.DataTransferRequest) -> v16.DataTransferResponse:
            return answer(await station.call(v16.ClearCacheRequest()))

    return csms


OURS: Final[Mapping[str, tuple[str, str]]] = {
    "asyncio": ("ours_asyncio:serve", "asyncio"),
    "trio": ("ours_trio:serve", "trio"),
    "anyio": ("ours_anyio:serve", "anyio"),
    "sync": ("ours_sync:serve", "socket"),
}
"""The adapters that speak WebSocket: where each is among :mod:`benchmarks.servers`, and what has to be installed."""
HOSTED: Final[Mapping[str, tuple[str, str]]] = {
    "uvicorn": ("ours_asgi:serve_uvicorn", "uvicorn"),
    "uvicorn, websockets": ("ours_asgi:serve_uvicorn_websockets", "uvicorn"),
    "uvicorn, wsproto": ("ours_asgi:serve_uvicorn_wsproto", "uvicorn"),
    "hypercorn": ("ours_asgi:serve_hypercorn", "hypercorn"),
    "hypercorn, trio": ("ours_asgi:serve_hypercorn_trio", "hypercorn"),
    "granian": ("ours_asgi:serve_granian", "granian"),
}
"""The servers that host the ASGI application: there it is theirs to bound what comes before a text is complete."""
SERVERS: Final = {**OURS, **HOSTED}


def available(servers: Mapping[str, tuple[str, str]] = SERVERS) -> list[str]:
    return [name for name, (_, needed) in servers.items() if find_spec(needed) is not None]


def serve(name: str) -> None:
    """Run a server in this process."""
    module, _, function = SERVERS[name][0].partition(":")
    run: Callable[[CentralSystem], None] = getattr(import_module(f"benchmarks.servers.{module}"), function)
    run(central_system(blocking=name == "sync"))


class Victim:
    """A server in a process of its own, and what that uses. A context manager."""

    def __init__(self, name: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self._answer())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate()

    def collect(self) -> None:
        """Let it collect its garbage, so that what is still there is needed."""
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)
        self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the server has broken down; its last words are above")
        return line

    def _processes(self) -> Iterator[Path]:
        waiting = [str(self._process.pid)]
        while waiting:
            process = Path("/proc", waiting.pop())
            for task in process.glob("task/*/children"):
                with suppress(OSError):
                    waiting += task.read_text().split()
            yield process

    def _kib(self, what: str) -> int:
        return sum(
            int(line.split()[1])
            for process in self._processes()
            for line in (process / "status").read_text().splitlines()
            if line.startswith(what)
        )

    @property
    def memory(self) -> int:
        """KiB of resident memory."""
        return self._kib("VmRSS:")

    @property
    def peak(self) -> int:
        """The most there has been since :meth:`forget`."""
        return self._kib("VmHWM:")

    def forget(self) -> None:
        """Take what there is now for the most there has been."""
        for process in self._processes():
            (process / "clear_refs").write_text("5")

    @property
    def cpu(self) -> float:
        """Seconds of processor time, so far."""
        # What comes behind the name, which may hold anything.
        fields = [(process / "stat").read_text().rpartition(")")[2].split() for process in self._processes()]
        return sum(int(user) + int(system) for *_, user, system in (each[:13] for each in fields)) / TICKS


if __name__ == "__main__":
    serve(sys.argv[1])
