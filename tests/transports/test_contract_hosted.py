"""The contract under each ASGI server. A server and one client adapter at a time; all of them if there is time."""

from __future__ import annotations

import sys

import pytest

from ocpp_sansio import Limits
from ocpp_transports.testing import (
    Adapter,
    AdmissionContract,
    CutContract,
    FaultContract,
    PairContract,
    ServerContract,
)
from tests.transports.contract import ADAPTERS
from tests.transports.hosted import ASGI_SERVERS

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(sys.platform != "linux", reason="the servers are started on sockets that they are handed"),
]

CLIENT_OF = {server.name: ADAPTERS[number % len(ADAPTERS)] for number, server in enumerate(ASGI_SERVERS)}


class Hosted:
    @pytest.fixture(params=ASGI_SERVERS, ids=lambda adapter: f"server:{adapter}")
    def server(self, request: pytest.FixtureRequest) -> Adapter:
        return request.param

    @pytest.fixture
    def client(self, server: Adapter) -> Adapter:
        return CLIENT_OF[server.name]


class TestPairs(Hosted, PairContract):
    """A client adapter and an ASGI server."""


class TestServers(Hosted, ServerContract):
    """An ASGI server."""


class TestAdmission(Hosted, AdmissionContract):
    """Who is let in by our central system under an ASGI server."""


class TestFaults(Hosted, FaultContract):
    """A client adapter and an ASGI server, on a line that is slow, or stops."""


class TestCuts(Hosted, CutContract):
    """And on a line that ends where a message does."""

    stride = 10_000
    limits = Limits(handshake_timeout=2, close_timeout=1)


class Product(Hosted):
    @pytest.fixture(params=ADAPTERS, ids=lambda adapter: f"client:{adapter}")
    def client(self, request: pytest.FixtureRequest) -> Adapter:
        return request.param


@pytest.mark.long
class TestEveryPair(Product, PairContract):
    """Every client adapter and every ASGI server."""


@pytest.mark.long
class TestEveryFault(Product, FaultContract):
    """The same on a line that is slow, or stops."""


@pytest.mark.long
class TestEveryCut(Hosted, CutContract):
    """A line that ends at any byte."""

    limits = Limits(handshake_timeout=2, close_timeout=1)
