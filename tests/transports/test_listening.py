"""Where a server listens, and what is found out to be wrong before it does."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from ocpp_sansio import CentralSystem, ChargePointHandlers
from ocpp_transports.testing.samples import HEARTBEAT, heartbeat
from tests.transports.contract import Adapter, SyncAdapter, central_system, on_client, on_server


@on_server
def test_a_socket_that_listens_already_is_served_and_closed_at_the_end(server: Adapter) -> None:
    """What a service manager passes on, or one of several processes has opened."""
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    with server.serve(central_system(accept_before_boot=True), sock=sock) as served:
        assert served.port == port
        with SyncAdapter().connect(served.url) as peer:
            assert peer.call(HEARTBEAT) == heartbeat()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        pass


@on_server
@pytest.mark.parametrize(("options", "expected"), [({}, 1024), ({"backlog": 7}, 7)])
def test_so_many_may_wait_to_be_accepted(
    server: Adapter, options: dict[str, Any], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut all stations come at once."""
    asked: list[Any] = []
    listen = socket.socket.listen

    def remember(sock: socket.socket, *backlog: int) -> None:
        asked.extend(backlog)
        listen(sock, *backlog)

    monkeypatch.setattr(socket.socket, "listen", remember)
    with server.serve(central_system(), **options):
        assert asked[-1] == expected


@on_server
@pytest.mark.parametrize("ssl", ["cert.pem", True])
def test_what_is_no_tls_context_is_found_out_before_a_client_comes(server: Adapter, ssl: Any) -> None:
    with pytest.raises(TypeError, match="ssl is an SSLContext"), server.serve(central_system(), ssl=ssl):
        pass


@on_server
def test_only_a_central_system_is_served(server: Adapter) -> None:
    nobody: Any = ChargePointHandlers()
    with pytest.raises(TypeError, match="what is served is a CentralSystem, not a ChargePointHandlers"):  # noqa: SIM117
        with server.serve(nobody):
            pass


@on_client
def test_only_a_charge_point_connects(client: Adapter) -> None:
    wrong: Any = CentralSystem()
    with pytest.raises(TypeError, match="a charge point has ChargePointHandlers, not a CentralSystem"):  # noqa: SIM117
        with client.connect("ws://127.0.0.1:1", handlers=wrong):
            pass


@on_client
@pytest.mark.parametrize("ssl", ["cert.pem", True])
def test_a_client_has_a_tls_context_or_the_default_one(client: Adapter, ssl: Any) -> None:
    with pytest.raises(TypeError, match="ssl is an SSLContext"), client.connect("wss://127.0.0.1:1", ssl=ssl):
        pass
