"""Two ends in one memory, in virtual time: what one sends is what the other receives."""

from __future__ import annotations

import math
from typing import Any, Protocol

from ocpp_sansio.events import Event


class End(Protocol):
    """What a pair needs of an end: the verbs that every layer with bytes has."""

    def receive_data(self, data: bytes, *, now: float) -> None: ...
    def handle_timeout(self, *, now: float) -> None: ...
    def next_event(self) -> Any: ...
    def next_timeout(self) -> float | None: ...
    def data_to_send(self) -> bytes: ...


def drain(end: End) -> list[Any]:
    """All events there are."""
    return list(iter(end.next_event, None))


class Pair:
    """A client and a server, the wire between them, and the clock of both.

    ``run()`` carries bytes until both are silent and returns the new events of the client and of the server;
    ``wait(seconds)`` lets time pass on top of that, from deadline to deadline. Both keep all events in
    ``client_events`` and ``server_events``, and all bytes in ``client_bytes`` and ``server_bytes``. A ``cut`` wire
    swallows what is sent.
    """

    def __init__(self, client: Any, server: Any, *, now: float = 0.0) -> None:
        self.client, self.server = client, server
        self.now = now
        self.cut = False
        self.client_bytes, self.server_bytes = b"", b""
        self.client_events: list[Event] = []
        self.server_events: list[Event] = []

    def run(self) -> tuple[list[Any], list[Any]]:
        seen = len(self.client_events), len(self.server_events)
        while True:
            self.client_events += drain(self.client)
            self.server_events += drain(self.server)
            upward, downward = self.client.data_to_send(), self.server.data_to_send()
            if not (upward or downward):
                return self.client_events[seen[0] :], self.server_events[seen[1] :]
            self.client_bytes += upward
            self.server_bytes += downward
            if not self.cut:
                for end, data in ((self.server, upward), (self.client, downward)):
                    if data:
                        end.receive_data(data, now=self.now)

    def wait(self, seconds: float) -> tuple[list[Any], list[Any]]:
        seen = len(self.client_events), len(self.server_events)
        until = self.now + seconds
        self.run()
        while (due := self.next_timeout()) <= until:
            self.now = max(self.now, due)
            self.client.handle_timeout(now=self.now)
            self.server.handle_timeout(now=self.now)
            self.run()
        self.now = until
        return self.client_events[seen[0] :], self.server_events[seen[1] :]

    def next_timeout(self) -> float:
        deadlines = (self.client.next_timeout(), self.server.next_timeout())
        return min((deadline for deadline in deadlines if deadline is not None), default=math.inf)
