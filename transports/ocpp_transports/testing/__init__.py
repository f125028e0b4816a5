"""The contract that every adapter keeps, for yours as well: install ``ocpp-sansio[testing]`` and subclass in a test.

What a test module of an adapter that connects and serves looks like::

    class TestPair(PairContract):  # against our adapters, or against itself: override both fixtures
        @pytest.fixture
        def server(self):
            return AsyncAdapter(my_adapter, "asyncio")

    class TestServer(ServerContract): ...  # `server` again
    class TestClient(ClientContract): ...  # `client`

Every test is run on sockets of 127.0.0.1, and leaves as many descriptors, threads and tasks as there were before it.
"""

import pytest

for _module in ("adapters", "admission", "attacks", "client", "contract", "faults", "pair", "peers", "server"):
    pytest.register_assert_rewrite(f"{__name__}.{_module}")

# Only now, so that what fails in the contract says how.
from .adapters import Adapter, AsyncAdapter, ClientEnd, End, Gate, ServerEnd, SyncAdapter  # noqa: E402
from .admission import AdmissionContract  # noqa: E402
from .client import ClientContract  # noqa: E402
from .contract import Contract, connected, nothing_left_over  # noqa: E402
from .faults import CutContract, FaultContract  # noqa: E402
from .pair import PairContract  # noqa: E402
from .peers import RawPeer, knocking, raw_client, raw_server, tls  # noqa: E402
from .proxy import Course, Fault, Proxy  # noqa: E402
from .server import ServerContract  # noqa: E402

__all__ = [
    "Adapter",
    "AdmissionContract",
    "AsyncAdapter",
    "ClientContract",
    "ClientEnd",
    "Contract",
    "Course",
    "CutContract",
    "End",
    "Fault",
    "FaultContract",
    "Gate",
    "PairContract",
    "Proxy",
    "RawPeer",
    "ServerContract",
    "ServerEnd",
    "SyncAdapter",
    "connected",
    "knocking",
    "nothing_left_over",
    "raw_client",
    "raw_server",
    "tls",
]
