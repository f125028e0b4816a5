"""The load without a compiler: what ``load.c`` does, in Python, good enough to keep a Python server busy.

``python -m benchmarks.load.stations PORT REQUEST_FILE MESSAGE_FILE``
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time
from itertools import count
from pathlib import Path

from ..wire import client_frame

PLACE = b"########"
GOODBYE = bytes((0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8))


class Stations:
    """All stations of this process."""

    def __init__(self, port: int, request: bytes, message: bytes) -> None:
        self.port = port
        self.request = request
        # Made beforehand: masking in Python is slow. No server remembers as many answers.
        self.frames = [client_frame(message.replace(PLACE, b"%08d" % number)) for number in range(64)]
        self.numbers = count()
        self.identities = count(os.getpid() % 10000 * 10000)
        self.selector = selectors.DefaultSelector()
        self.sockets: list[socket.socket] = []

    def open(self) -> socket.socket:
        station = socket.create_connection(("127.0.0.1", self.port))
        station.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        station.sendall(self.request.replace(PLACE, b"%08d" % next(self.identities)))
        response = b""
        while b"\r\n\r\n" not in response:
            response += station.recv(4096)
        if not response.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(response.decode())
        return station

    def more(self, stations: int) -> str:
        for _ in range(stations):
            station = self.open()
            self.selector.register(station, selectors.EVENT_READ)
            self.sockets.append(station)
        return str(len(self.sockets))

    def run(self, milliseconds: int) -> str:
        start, cpu, calls = time.perf_counter_ns(), time.process_time_ns(), 0
        for station in self.sockets:
            self.ask(station)
        waiting = len(self.sockets)
        while waiting:
            ready = self.selector.select()
            going_on = time.perf_counter_ns() - start < milliseconds * 1_000_000
            for key, _ in ready:
                station: socket.socket = key.fileobj  # type: ignore[assignment]
                data = station.recv(4096)
                if data[:1] == b"\x89":
                    station.sendall(bytes((0x8A, 0x80 | len(data) - 2)) + bytes(4) + data[2:])
                elif b"[3," in data[:7]:
                    calls += 1
                    if going_on:
                        self.ask(station)
                    else:
                        waiting -= 1
                else:
                    raise ConnectionError(repr(data))
        return f"{calls} {time.perf_counter_ns() - start} {time.process_time_ns() - cpu}"

    def ask(self, station: socket.socket) -> None:
        station.sendall(self.frames[next(self.numbers) % len(self.frames)])

    def churn(self, milliseconds: int) -> str:
        start, cpu, connections = time.perf_counter_ns(), time.process_time_ns(), 0
        while time.perf_counter_ns() - start < milliseconds * 1_000_000:
            with self.open() as station:
                station.sendall(GOODBYE)
                while station.recv(256):
                    pass
            connections += 1
        return f"{connections} {time.perf_counter_ns() - start} {time.process_time_ns() - cpu}"


def main() -> None:
    port, *files = sys.argv[1:]
    stations = Stations(int(port), *(Path(file).read_bytes() for file in files))
    obey = {"more": stations.more, "run": stations.run, "churn": stations.churn}
    for line in sys.stdin:
        command, argument = line.split()
        print(obey[command](int(argument)), flush=True)


if __name__ == "__main__":
    main()
