"""What vendors have agreed on (CP16-200, CP16-201)."""

from __future__ import annotations

from typing import Any

import pytest

from ocpp_sansio import ErrorCode, Rejection, v16
from ocpp_sansio.central_system import HookFailed
from tests.central_system.world import World

Status = v16.DataTransferStatus
OURS = v16.DataTransferRequest(vendor_id="com.Example", data="ping")
PONG = v16.DataTransferResponse(status=Status.ACCEPTED, data="pong")


def test_cp16_201_an_unknown_vendor_is_told_so_and_no_error() -> None:
    assert World().station().ask(OURS) == v16.DataTransferResponse(status=Status.UNKNOWN_VENDOR_ID)


def test_cp16_200_a_vendor_that_is_known_is_answered_by_its_handler_in_any_case() -> None:
    world = World()
    asked = []
    world.system.data_transfer.on("COM.example", lambda identity, request: asked.append((identity, request)) or PONG)
    assert world.station().ask(OURS) == PONG
    assert asked == [("CP1", OURS)]


def test_a_vendor_has_one_handler() -> None:
    world = World()
    world.system.data_transfer.on("a", lambda *_: PONG)
    with pytest.raises(ValueError, match="already"):
        world.system.data_transfer.on("A", lambda *_: PONG)


def test_a_handler_may_refuse() -> None:
    world = World()

    def refuse(*_: object) -> Any:
        raise Rejection(ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "no")

    world.system.data_transfer.on("com.example", refuse)
    refused = world.station().ask(OURS)
    assert (refused.code, refused.description) == (ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "no")
    assert world.told(HookFailed) == []


@pytest.mark.parametrize("answer", [None, v16.HeartbeatRequest(), v16.DataTransferResponse(status="Maybe")])  # type: ignore[arg-type]
def test_a_handler_that_fails_is_told_and_the_station_is_answered(answer: Any) -> None:
    world = World()
    world.system.data_transfer.on("com.example", lambda *_: answer)
    assert world.station().ask(OURS).code is ErrorCode.INTERNAL_ERROR
    assert [(each.identity, each.hook) for each in world.told(HookFailed)] == [("CP1", "DataTransfer")]
