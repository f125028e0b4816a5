"""A boot exchange between two peers in memory, with everything impure taken away. Run by ``test_purity.py``.

    python pure_exchange.py session|connection

Exits 0 when both peers got through it without touching what they must not.
"""

from __future__ import annotations

import builtins
import email.utils
import random
import secrets
import sys
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import Any, NoReturn

from ocpp_sansio import (
    CallReceived,
    CallSucceeded,
    CentralSystemConnection,
    CentralSystemSession,
    ChargePointConnection,
    ChargePointSession,
    ConnectionOpened,
    ConnectionRequested,
    numbered_ids,
    v16,
)

BOOT = v16.BootNotificationRequest(charge_point_vendor="Vendor", charge_point_model="Model")
BOOTED = v16.BootNotificationResponse(
    current_time=datetime(2026, 1, 1, tzinfo=UTC), interval=300, status=v16.RegistrationStatus.ACCEPTED
)

IMPURE_EVENTS = ("open", "os.", "socket.", "subprocess.", "_thread.", "time.")


def session_pair() -> tuple[Any, Any]:
    return (
        ChargePointSession("1.6", message_ids=numbered_ids("cp-")),
        CentralSystemSession("1.6", message_ids=numbered_ids("cs-")),
    )


def connection_pair() -> tuple[Any, Any]:
    return (
        ChargePointConnection("ws://127.0.0.1/ocpp", "CP1", now=0.0, message_ids=numbered_ids("cp-")),
        CentralSystemConnection(now=0.0, versions=("1.6",), message_ids=numbered_ids("cs-")),
    )


def take_away_the_world() -> None:
    """From here on every clock, socket, file, thread and source of randomness raises."""

    def forbid(where: Any, name: str) -> None:
        def forbidden(*_: object, **__: object) -> NoReturn:
            raise AssertionError(f"{where.__name__}.{name} was called")

        setattr(where, name, forbidden)

    # The WebSocket library draws an id for its log, the handshake's key and the masks of a client's frames, and writes
    # a Date header. Nothing that we decide depends on any of them; fixed values show that there is nothing else.
    uuid.uuid4 = lambda: uuid.UUID(int=0)
    secrets.token_bytes = lambda size=None: b"\x5a" * (size or 16)
    email.utils.formatdate = lambda *_, **__: "Thu, 01 Jan 2026 00:00:00 GMT"

    for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep"):
        forbid(time, name)
    for name in ("random", "randint", "choice", "getrandbits", "randbytes", "uniform", "shuffle"):
        forbid(random, name)
    for name in ("token_hex", "token_urlsafe", "choice", "randbelow"):
        forbid(secrets, name)
    forbid(uuid, "uuid1")
    forbid(builtins, "open")
    forbid(threading.Thread, "start")

    def audit(event: str, args: tuple[Any, ...]) -> None:
        if event.startswith(IMPURE_EVENTS):
            raise AssertionError(f"{event} {args}")

    sys.addaudithook(audit)


def move(sender: Any, receiver: Any, now: float) -> None:
    data = sender.data_to_send()
    for piece in data if isinstance(data, list) else [data] * bool(data):
        receiver.receive_data(piece, now=now)


def exchange(charge_point: Any, central_system: Any) -> list[str]:
    """Pump the two until nothing moves; the names of the events in order."""
    seen: list[str] = []
    if isinstance(charge_point, ChargePointSession):
        charge_point.call(BOOT, now=0.0)
    for tick in range(20):
        now = tick / 10
        move(charge_point, central_system, now)
        while (event := central_system.next_event()) is not None:
            seen.append(type(event).__name__)
            if isinstance(event, ConnectionRequested):
                central_system.accept(now=now)
            elif isinstance(event, CallReceived):
                central_system.respond(event, BOOTED, now=now)
        move(central_system, charge_point, now)
        while (event := charge_point.next_event()) is not None:
            seen.append(type(event).__name__)
            if isinstance(event, ConnectionOpened):
                charge_point.call(BOOT, now=now)
            elif isinstance(event, CallSucceeded) and event.response != BOOTED:
                raise AssertionError(event)
        for peer in (charge_point, central_system):
            peer.next_timeout()
            peer.handle_timeout(now=now)
    return seen


def main(layer: str) -> None:
    make = {"session": session_pair, "connection": connection_pair}[layer]
    take_away_the_world()
    seen = exchange(*make())
    if seen[-2:] != ["CallReceived", "CallSucceeded"]:
        raise AssertionError(seen)


if __name__ == "__main__":
    main(sys.argv[1])
