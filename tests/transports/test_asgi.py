"""The ASGI application: by itself, called by a server that the tests play, and under real servers."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from ocpp_transports.testing import Adapter, SyncAdapter, census, connected
from ocpp_transports.testing.samples import HEARTBEAT, RESET, heartbeat, reset
from tests.transports.asgi_servers import ASGI_SERVERS

on_server = pytest.mark.parametrize("server", ASGI_SERVERS, ids=str)


@pytest.fixture(autouse=True)
def _nothing_is_left_over() -> Generator[None]:
    before = census()
    yield
    assert census() == before


@on_server
def test_calls_go_both_ways_under_every_server(server: Adapter) -> None:
    with connected(SyncAdapter(), server) as (peer, served):
        assert peer.call(HEARTBEAT) == heartbeat()
        assert served.call("CP_1", RESET) == reset()
