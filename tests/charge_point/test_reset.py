"""Reset, and the loss of power."""

from __future__ import annotations

from typing import cast

import pytest

from ocpp_sansio.charge_point import Setup
from ocpp_sansio.charge_point.effects import IdTagRefused, Reboot, StartEnergy, StatusChanged, UnlockConnector
from ocpp_sansio.v16 import (
    ChargePointErrorCode,
    ChargePointStatus,
    Reason,
    ResetRequest,
    ResetResponse,
    ResetStatus,
    ResetType,
    StartTransactionRequest,
    StatusNotificationRequest,
    StopTransactionRequest,
)

from .harness import BOOT
from .station import Station, two

SOFT, HARD = ResetType.SOFT, ResetType.HARD


def reset(station: Station, kind: ResetType) -> ResetStatus:
    answer = station.ask(ResetRequest(type=kind))
    assert isinstance(answer, ResetResponse)
    return answer.status


def online(setup: Setup | None = None) -> Station:
    station = Station(setup)
    station.online()
    return station


@pytest.mark.parametrize(("kind", "hard"), [(SOFT, False), (HARD, True)])
def test_with_nothing_under_way_it_is_answered_and_done(kind: ResetType, hard: bool) -> None:
    """CP16-090, CP16-091; TC_013, TC_014."""
    station = online()
    assert reset(station, kind) is ResetStatus.ACCEPTED
    assert station.seen(Reboot) == [Reboot(hard)]


@pytest.mark.parametrize(("kind", "reason"), [(SOFT, Reason.SOFT_RESET), (HARD, Reason.HARD_RESET)])
def test_all_transactions_are_stopped_and_delivered_first(kind: ResetType, reason: Reason) -> None:
    """CP16-090, CP16-091; TC_015, TC_016."""
    station = online(two())
    station.charge("A", 1)
    station.charge("B", 2)
    assert reset(station, kind) is ResetStatus.ACCEPTED
    assert station.seen(Reboot) == []
    station.serve()
    assert [stop.reason for stop in station.sent(StopTransactionRequest)] == [reason, reason]
    assert len(station.seen(Reboot)) == 1
    station.wait(100)
    assert len(station.seen(Reboot)) == 1


def test_what_is_not_delivered_in_time_is_kept_for_after_the_boot() -> None:
    """CP16-090: if no answer comes, it is queued."""
    station = online()
    station.charge()
    reset(station, SOFT)
    station.wait(29)
    assert station.seen(Reboot) == []
    station.wait(1)
    assert station.seen(Reboot) == [Reboot(hard=False)]
    again = station.reboot()
    again.online()
    assert [stop.reason for stop in again.sent(StopTransactionRequest)] == [Reason.SOFT_RESET]


@pytest.mark.parametrize("resumes", [True, False])
def test_what_could_not_be_stopped_before_a_hard_reset_is_stopped_after_it_for_that_reason(resumes: bool) -> None:
    """CP16-091; TC_015: even where it would go on after a loss of power."""
    station = online(Setup(BOOT, resume_after_power_loss=resumes))
    station.charge()
    records = station.store.load()
    reset(station, HARD)
    (told,) = (record for record in station.store.load() if record.topic == "reset")
    again = Station(station.setup, records=[*records, told], now=station.now)
    assert "reset" not in again.kept
    again.online()
    assert [stop.reason for stop in again.sent(StopTransactionRequest)] == [Reason.HARD_RESET]


def test_a_reset_is_of_one_boot_only() -> None:
    """CP16-091, CP16-07A."""
    station = online()
    reset(station, HARD)
    again = station.reboot()
    again.online()
    again.charge()
    third = again.reboot()
    third.online()
    assert [stop.reason for stop in third.sent(StopTransactionRequest)] == [Reason.POWER_LOSS]


def test_nobody_begins_while_it_is_under_way_and_another_reset_is_rejected() -> None:
    station = online(two(reset_patience=100.0))
    station.charge("A", 1)
    station.reads = False
    reset(station, SOFT)
    assert reset(station, HARD) is ResetStatus.REJECTED
    station.play("plug_in", 2)
    station.play("present", "B", 2)
    assert station.seen(IdTagRefused) == [IdTagRefused("B", 2, None)]
    assert [energy.connector for energy in station.seen(StartEnergy)] == [1]


def test_what_was_about_to_begin_does_not() -> None:
    """CP16-090: else it would begin after all that was under way has been stopped."""
    station = online()
    station.reads = False
    station.play("plug_in", 1)
    station.play("present", "TAG", 1)
    reset(station, SOFT)
    station.read()
    station.serve()
    assert station.seen(IdTagRefused) == [IdTagRefused("TAG", 1, None)]
    assert (station.sent(StartTransactionRequest), station.seen(StartEnergy)) == ([], [])
    assert station.seen(UnlockConnector) == [UnlockConnector(1)]


def test_one_that_fails_is_tried_again_and_then_reported() -> None:
    """CP16-093."""
    station = online()
    station.do("configure", "ResetRetries", "2")
    station.play("reboot_failed")
    assert station.seen(Reboot) == []
    reset(station, HARD)
    for _ in range(3):
        station.play("reboot_failed")
    assert station.seen(Reboot) == [Reboot(hard=True)] * 3
    failed = StatusChanged(0, ChargePointStatus.AVAILABLE, ChargePointErrorCode.RESET_FAILURE)
    assert station.seen(StatusChanged)[-1] == failed
    last = station.sent(StatusNotificationRequest)[-1]
    assert (last.connector_id, last.error_code) == (0, ChargePointErrorCode.RESET_FAILURE)
    assert "reset" not in station.kept
    station.charge()
    assert len(station.seen(StartEnergy)) == 1
    assert reset(station, SOFT) is ResetStatus.ACCEPTED


def test_a_failure_that_nobody_waits_for_is_none() -> None:
    """CP16-093: while what is under way is still being delivered."""
    station = online()
    station.charge()
    reset(station, SOFT)
    station.do("reboot_failed")
    assert station.seen(Reboot) == []


def test_when_the_power_fails_what_is_under_way_ends_on_record_at_once() -> None:
    """CP16-07A; TC_032_1."""
    station = online()
    station.charge()
    station.play("power_failing")
    assert [stop.reason for stop in station.sent(StopTransactionRequest)] == [Reason.POWER_LOSS]


def test_a_type_that_is_none_is_rejected() -> None:
    """The session may put up with it, and what is under way goes on."""
    station = online()
    station.charge()
    assert reset(station, cast("ResetType", "Hart")) is ResetStatus.REJECTED
    station.serve()
    assert station.sent(StopTransactionRequest) == []
    assert station.seen(Reboot) == []
