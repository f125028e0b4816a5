"""One central system tolerates one station more than another, under every adapter."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ocpp_sansio import FIELD, CentralSystem, ConnectionRequested, Tolerance, v16
from ocpp_transports.testing import knocking
from tests.transports.contract import Adapter, on_server, raw_client


def by_identity(request: ConnectionRequested) -> Tolerance:
    return {"CP_1": FIELD, "CP_2": Tolerance()}[request.identity]


def central_system() -> CentralSystem:
    csms = CentralSystem(tolerance=by_identity, accept_before_boot=True)
    csms.authenticate(lambda _: True)
    csms.on(v16.StatusNotificationRequest)(lambda *_: v16.StatusNotificationResponse())
    return csms


@on_server
def test_each_station_is_tolerated_its_own_and_none_that_nothing_is_known_of(
    server: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    status: Any = {"connectorId": "1", "errorCode": "NoError", "status": "Available"}
    answers = []
    with server.serve(central_system()) as served:
        for identity in ("CP_1", "CP_2"):
            with raw_client(served.port, identity) as station:
                station.send(json.dumps([2, "1", "StatusNotification", status]))
                answers.append(json.loads(station.receive_text())[0])
        assert answers == [3, 4]
        assert "failed" not in caplog.text
        with knocking(served.port, "CP_3") as stranger:
            assert stranger.read_head().startswith("HTTP/1.1 500 ")
        assert "the tolerance hook failed" in caplog.text
