"""What all contracts share: a census before and after every test, and how two ends are brought together."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

import ocpp_transports.asyncio
from ocpp_sansio import CentralSystem

from .adapters import Adapter, AsyncAdapter, ClientEnd, ServerEnd, SyncAdapter
from .samples import BOOT, booted, central_system

__all__ = ["Contract", "PairOfEnds", "census", "connected"]


def census() -> tuple[int, int]:
    """How many descriptors and threads there are."""
    return len(os.listdir("/dev/fd")), threading.active_count()  # noqa: PTH208 - of names, not of files


class Contract:
    """After every test there are as many descriptors and threads as before; tasks are counted by the adapter's end."""

    @pytest.fixture(autouse=True)
    def _nothing_is_left_over(self, request: pytest.FixtureRequest) -> Generator[None]:
        before = census()
        yield
        ends = [request.node.funcargs.get(name) for name in ("client", "server")]
        if not any(isinstance(end, Adapter) and "census" in end.beyond for end in ends):
            assert census() == before


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
