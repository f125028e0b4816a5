"""This library's adapter for blocking sockets."""

from __future__ import annotations

import threading

from ocpp_sansio import CentralSystem
from ocpp_transports.sync import serve as serve_stations

from .application import csms
from .report import listening


def serve(served: CentralSystem = csms) -> None:
    with serve_stations(served, port=0) as server:
        listening(server.port)
        threading.Event().wait()
