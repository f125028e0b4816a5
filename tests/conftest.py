"""What every test runs under: virtual randomness that is the same each time in CI, and no network but loopback."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.examples import ExampleCount, register_profiles

register_profiles()


BEYOND_THE_CORE = ("fuzz", "interop", "transports")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(ExampleCount())
    # pytest-cov begins twice in a worker of xdist, and `no_cover` would pause one of the two. What is followed all the
    # same takes twice the time; and where threads are followed, CPython 3.11 may fail to start one.
    if hasattr(config, "workerinput") and "coverage" in sys.modules:
        first = sys.modules["coverage"].Coverage.current()
        if first is not None:
            first.stop()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Cover the core by its own tests: to follow it in the others as well would only take time.

    So it would in those that take the same ways thousands of times: they are marked ``no_cover`` where they stand. All
    these come last: what they were the first to ask for, and is kept for the next, would not be seen to be made.
    """
    for item in items:
        if item.path.relative_to(Path(__file__).parent).parts[0] in BEYOND_THE_CORE:
            item.add_marker("no_cover")
    items.sort(key=lambda item: item.get_closest_marker("no_cover") is not None)


# The checkers' verdict does not depend on whether a newer one is out, and asking needs the network.
os.environ["PYRIGHT_PYTHON_IGNORE_WARNINGS"] = "1"

# -- the network guard: CPython reports what any library does with a socket, whatever way it goes about it --

ADDRESSED = {"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"}
RESOLVED = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}

trespasses: list[str] = []


def is_local(host: object) -> bool:
    """Whether a host name or address stays on this machine. No name but ``localhost`` is looked up."""
    if isinstance(host, bytes | bytearray):
        host = host.decode("ascii", "replace")
    if host is None or host == "localhost":  # getaddrinfo(None) without AI_PASSIVE is loopback
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def guard(event: str, args: tuple[Any, ...]) -> None:
    """Refuse, and remember, any look beyond loopback. An audit hook cannot be taken out again, nor got round."""
    if event in ADDRESSED:
        address = args[1]
        # A Unix socket's address is a path; an address of None is that of a connected socket.
        if not isinstance(address, tuple) or is_local(address[0]):
            return
        beyond = address[0]
    elif event in RESOLVED:
        beyond = args[0]
        if is_local(beyond):
            return
    else:
        return
    trespasses.append(f"{event}: {beyond!r}")
    raise PermissionError(f"only loopback is allowed in the tests, {event} wanted {beyond!r}")


sys.addaudithook(guard)


@pytest.fixture(autouse=True)
def _network_guard(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test that looked beyond loopback even if the code under test swallowed the exception."""
    trespasses.clear()
    yield
    seen = trespasses.copy()
    trespasses.clear()
    if request.node.get_closest_marker("trespasses") is None:
        assert not seen, f"beyond loopback: {seen}"
