"""What is imported when: the WebSocket library with the first connection, and nothing at all when a message arrives."""

from __future__ import annotations

import subprocess
import sys

import pytest

import ocpp_sansio
from ocpp_sansio.connection import ChargePointConnection

EVERYTHING_THAT_ARRIVES = """
import sys
from ocpp_sansio import CallReceived, CentralSystemConnection, numbered_ids

central_system = CentralSystemConnection(now=0.0, message_ids=numbered_ids("cs-"))
disturbances = []
sys.addaudithook(lambda event, args: disturbances.append((event, args)) if event in ("import", "open") else None)


def arrives(data):
    central_system.receive_data(data, now=0.0)
    events = list(iter(central_system.next_event, None))
    for event in events:
        if isinstance(event, CallReceived):
            central_system.respond(event, HEARTBEAT, now=0.0)
    central_system.data_to_send()
    return [type(event).__name__ for event in events]


def frame(head, payload=b""):
    assert len(payload) < 126
    return bytes((head, 0x80 | len(payload), 0, 0, 0, 0)) + payload


from datetime import datetime, timezone
from ocpp_sansio import v16

HEARTBEAT = v16.HeartbeatResponse(current_time=datetime(2026, 1, 1, tzinfo=timezone.utc))
disturbances.clear()

assert arrives(
    b"GET /ocpp/CP1 HTTP/1.1\\r\\nHost: example.com\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\\r\\nSec-WebSocket-Version: 13\\r\\n"
    b"Sec-WebSocket-Protocol: ocpp1.6\\r\\nAuthorization: Basic Q1AxOnNlY3JldA==\\r\\n\\r\\n"
) == ["ConnectionRequested"]
central_system.accept(now=0.0)
seen = []
for data in (
    frame(0x81, b'[2,"1","Heartbeat",{}]'),
    frame(0x01, b'[2,"2","Heart') + frame(0x89, b"ping") + frame(0x80, b'beat",{}]'),
    frame(0x81, b'[2,"3","BootNotification",{"chargePointVendor":1}]'),
    frame(0x81, b'[2,"4","Nonsense",{}]'),
    frame(0x81, b"nonsense"),
    frame(0x82, b"binary"),
):
    seen += arrives(data)
assert seen == ["ConnectionOpened", *["CallReceived"] * 2, *["PeerMisbehaved"] * 4, "ConnectionClosed"], seen
assert not disturbances, disturbances
"""


def run(code: str) -> None:
    """Run it in a new interpreter, where warnings are errors too."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["CentralSystemConnection", "ChargePointConnection"])
def test_the_websocket_library_is_imported_with_the_first_connection_class(name: str):
    run(
        "import sys, ocpp_sansio, ocpp_sansio.v16\n"
        "assert not [each for each in sys.modules if each.partition('.')[0] == 'websockets']\n"
        f"ocpp_sansio.{name}\n"
        "assert 'websockets' in sys.modules\n"
    )


def test_every_public_name_is_there():
    for name in ocpp_sansio.__all__:
        assert name in dir(ocpp_sansio)
        assert hasattr(ocpp_sansio, name)
    assert ocpp_sansio.ChargePointConnection is ChargePointConnection
    assert not hasattr(ocpp_sansio, "Nonsense")


def test_no_module_is_imported_and_no_file_opened_when_a_message_arrives():
    run(EVERYTHING_THAT_ARRIVES)
