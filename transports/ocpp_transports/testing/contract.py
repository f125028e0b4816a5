"""What all contracts share: a census before and after every test, and how two ends are brought together."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from operator import le
from typing import Any

import pytest

import ocpp_transports.asyncio
from ocpp_sansio import CentralSystem

from .adapters import Adapter, AsyncAdapter, ClientEnd, ServerEnd, SyncAdapter
from .samples import BOOT, booted, central_system

__all__ = ["Contract", "PairOfEnds", "connected", "nothing_left_over"]


@contextmanager
def nothing_left_over(unless: Callable[[], bool] = lambda: False) -> Generator[None]:
    """After the block there are no more descriptors and threads than before. Old ones may go: a pool's idle threads.

    ``unless`` is asked after the block whether that does not matter.
    """
    before = _census()
    yield
    after = _census()
    assert unless() or all(map(le, after, before)), f"descriptors and threads: {after}, before there were {before}"


def _census() -> tuple[int, int]:
    return len(os.listdir("/dev/fd")), threading.active_count()  # noqa: PTH208 - of names, not of files


class Contract:
    """After every test there is nothing left over; tasks are counted by the adapter's end."""

    @pytest.fixture(autouse=True)
    def _nothing_is_left_over(self, request: pytest.FixtureRequest) -> Generator[None]:
        def is_exempt() -> bool:
            ends = [request.node.funcargs.get(name) for name in ("client", "server")]
            return any(isinstance(end, Adapter) and "census" in end.beyond for end in ends)

        with nothing_left_over(unless=is_exempt):
            yield


class PairOfEnds(Contract):
    """A charge point and a central system. Override the fixture of the end that is yours; the other one is ours."""

    @pytest.fixture
    def client(self) -> Adapter:
        """The adapter of the charge point."""
        return SyncAdapter()

    @pytest.fixture
    def server(self) -> Adapter:
        """The adapter of the central system."""
        return AsyncAdapter(ocpp_transports.asyncio, "asyncio")


@contextmanager
def connected(
    client: Adapter, server: Adapter, csms: CentralSystem | None = None, **options: Any
) -> Generator[tuple[ClientEnd, ServerEnd]]:
    """A charge point that has been accepted, and its central system."""
    with server.serve(csms or central_system()) as served, client.connect(served.url, **options) as peer:
        assert peer.call(BOOT) == booted()
        yield peer, served
