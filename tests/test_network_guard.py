"""The guard of ``conftest.py`` lets nothing out but to loopback."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BEYOND: dict[str, Callable[[socket.socket], Any]] = {
    "connect": lambda s: s.connect(("192.0.2.1", 80)),
    "connect_ex": lambda s: s.connect_ex(("192.0.2.1", 80)),
    "bind to every interface": lambda s: s.bind(("", 0)),
    "bind to 0.0.0.0": lambda s: s.bind(("0.0.0.0", 0)),
    "look up a name": lambda _: socket.getaddrinfo("station.invalid", 80),
    "look up a host": lambda _: socket.gethostbyname("station.invalid"),
}


@pytest.mark.trespasses
@pytest.mark.parametrize("attempt", BEYOND.values(), ids=BEYOND)
def test_beyond_loopback_is_refused(attempt: Callable[[socket.socket], Any]) -> None:
    with socket.socket() as s, pytest.raises(PermissionError, match="only loopback"):
        attempt(s)


@pytest.mark.trespasses
def test_a_datagram_beyond_loopback_is_refused() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as s, pytest.raises(PermissionError, match="only loopback"):
        s.sendto(b"", ("192.0.2.1", 80))


@pytest.mark.trespasses
def test_an_event_loop_is_no_way_round() -> None:
    with pytest.raises(PermissionError, match="only loopback"):
        asyncio.run(asyncio.open_connection("192.0.2.1", 80))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_open(host: str) -> None:
    with socket.create_server((host, 0)) as server, socket.create_connection((host, server.getsockname()[1])):
        pass


def test_a_swallowed_trespass_fails_the_test_all_the_same(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = trespasses")
    (tmp_path / "test_swallows.py").write_text(
        "import contextlib, socket\n"
        "def test_swallows():\n"
        "    with contextlib.suppress(OSError):\n"
        "        socket.create_connection(('192.0.2.1', 80))\n"
    )
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "beyond loopback" in run.stdout
