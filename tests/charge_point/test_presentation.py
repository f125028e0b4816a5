"""Who presents what where, and what becomes of it until a transaction begins."""

from __future__ import annotations

from typing import Any

import pytest

from ocpp_sansio import LocalProtocolError
from ocpp_sansio.charge_point import ConnectorSetup, Setup
from ocpp_sansio.charge_point.backbone import Use
from ocpp_sansio.charge_point.effects import (
    IdTagRefused,
    LockConnector,
    StartEnergy,
    StatusChanged,
    StopEnergy,
    TakeReading,
    TransactionBegan,
    UnlockConnector,
)
from ocpp_sansio.v16 import (
    AuthorizationStatus,
    AuthorizeRequest,
    ChargePointErrorCode,
    ChargePointStatus,
    IdTagInfo,
    Reason,
    StartTransactionRequest,
    StopTransactionRequest,
)

from .harness import BOOT
from .station import INVALID, Station, fixed, guarded, two

AVAILABLE, PREPARING, FINISHING = (
    ChargePointStatus.AVAILABLE,
    ChargePointStatus.PREPARING,
    ChargePointStatus.FINISHING,
)


def online(setup: Setup | None = None) -> Station:
    station = Station(setup)
    station.online()
    return station


def in_group(name: str) -> IdTagInfo:
    return IdTagInfo(status=AuthorizationStatus.ACCEPTED, parent_id_tag=name)


# -- to begin --


@pytest.mark.parametrize("first", ["plug_in", "present"])
def test_the_cable_and_the_id_tag_come_in_either_order(first: str) -> None:
    """CP16-060, ST16-A2."""
    station = online()
    steps: list[tuple[str, tuple[Any, ...]]] = [("plug_in", (1,)), ("present", ("TAG", 1))]
    for verb, args in steps if first == "plug_in" else reversed(steps):
        assert station.seen(StartEnergy) == []
        station.play(verb, *args)
    assert station.seen(StartEnergy) == [StartEnergy(1)]
    assert PREPARING in station.statuses()


def test_nothing_begins_before_the_central_system_has_said_yes() -> None:
    """CP16-040, CP16-041."""
    station = online()
    station.do("plug_in", 1)
    station.serve()
    station.do("present", "TAG", 1)
    assert len(station.sent(AuthorizeRequest)) == 1
    assert station.seen(LockConnector) == []
    station.serve()
    assert station.seen(LockConnector) == [LockConnector(1)]


def test_one_that_is_not_accepted_does_not_even_make_the_connector_prepare() -> None:
    """CP16-040."""
    station = online()
    station.infos["TAG"] = INVALID
    station.play("present", "TAG", 1)
    assert station.seen(IdTagRefused) == [IdTagRefused("TAG", 1, AuthorizationStatus.INVALID)]
    assert PREPARING not in station.statuses()
    station.play("present", "OTHER", 1)
    assert station.statuses()[-1] is PREPARING


def test_the_same_id_tag_a_second_time_before_the_cable_takes_it_back() -> None:
    """ST16-B1, CP16-004: in any case."""
    station = online()
    station.play("present", "Tag", 1)
    station.play("present", "TAG", 1)
    assert station.statuses()[-1] is AVAILABLE
    station.play("plug_in", 1)
    assert station.seen(TransactionBegan) == []


def test_a_card_that_is_read_twice_while_it_is_being_authorised_begins_once() -> None:
    station = online()
    station.do("plug_in", 1)
    station.do("present", "TAG", 1)
    station.do("present", "TAG", 1)
    station.serve()
    assert len(station.seen(TransactionBegan)) == 1


def test_another_id_tag_takes_back_only_what_is_of_its_group() -> None:
    """CP16-042, CP16-005."""
    station = online()
    station.infos |= {"A": in_group("Home"), "B": in_group("home"), "C": in_group("Work"), "D": INVALID}
    station.play("present", "A", 1)
    station.play("present", "C", 1)
    station.play("present", "D", 1)
    assert station.seen(IdTagRefused) == [
        IdTagRefused("C", 1, None),
        IdTagRefused("D", 1, AuthorizationStatus.INVALID),
    ]
    assert station.statuses()[-1] is PREPARING
    station.play("present", "B", 1)
    assert station.statuses()[-1] is AVAILABLE


def test_a_gate_is_asked_before_and_after_the_group_is_known() -> None:
    """CP16-132: the seam for reservations."""
    asked: list[str | None] = []

    def gate(use: Use) -> bool:
        asked.append(use.parent_id_tag)
        return use.parent_id_tag is None

    station = guarded(gate)
    station.infos["A"] = in_group("Home")
    station.play("present", "A", 1)
    assert asked == [None, "Home"]
    assert station.seen(IdTagRefused) == [IdTagRefused("A", 1, None)]
    assert PREPARING not in station.statuses()


@pytest.mark.parametrize("connector", [1, None])
def test_where_nothing_can_begin_or_end_an_id_tag_is_refused_without_asking(connector: int | None) -> None:
    """CP16-069."""
    station = online()
    station.play("fault", 1, ChargePointErrorCode.GROUND_FAILURE)
    station.play("present", "TAG", connector)
    assert station.seen(IdTagRefused) == [IdTagRefused("TAG", connector, None)]
    assert station.sent(AuthorizeRequest) == []


@pytest.mark.parametrize(
    ("id_tag", "fault"), [("", "1 to 20"), ("X" * 21, "1 to 20"), ("TAG\udce9", "surrogates not allowed")]
)
def test_what_cannot_be_an_id_tag_is_misuse(id_tag: str, fault: str) -> None:
    """CP16-004, F-71."""
    with pytest.raises(ValueError, match=fault):
        online().do("present", id_tag)


@pytest.mark.parametrize(
    ("verb", "args"), [("present", ("TAG", 2)), ("stop", (0,)), ("locked", (2, True)), ("unlocked", (2, True))]
)
def test_a_connector_that_there_is_none_of_is_misuse(verb: str, args: tuple[Any, ...]) -> None:
    with pytest.raises(LocalProtocolError, match="there is no connector"):
        online().do(verb, *args)


def test_nobody_begins_anything_while_the_charge_point_itself_is_faulted() -> None:
    """CP16-030: what is under way goes on."""
    station = online(two())
    station.charge("A", 1)
    station.play("fault", 0, ChargePointErrorCode.INTERNAL_ERROR)
    station.play("plug_in", 2)
    station.play("present", "B", 2)
    assert station.seen(IdTagRefused) == [IdTagRefused("B", 2, None)]
    station.play("fault_cleared", 0)
    station.play("present", "B", 2)
    assert [energy.connector for energy in station.seen(StartEnergy)] == [1, 2]
    assert station.seen(StopEnergy) == []


# -- to stop --


def test_the_id_tag_that_began_stops_and_nobody_is_asked() -> None:
    """CP16-042."""
    station = online()
    station.charge("Tag")
    asked = len(station.sent(AuthorizeRequest))
    station.play("present", "TAG", 1)
    assert [(stop.reason, stop.id_tag) for stop in station.sent(StopTransactionRequest)] == [(Reason.LOCAL, "TAG")]
    assert len(station.sent(AuthorizeRequest)) == asked


def test_another_id_tag_stops_if_it_is_accepted_and_of_the_same_group() -> None:
    """CP16-042, CP16-005; TC_069."""
    station = online()
    station.infos |= {"A": in_group("Home"), "B": in_group("Home"), "C": in_group("Work")}
    station.infos["D"] = IdTagInfo(status=AuthorizationStatus.BLOCKED, parent_id_tag="Home")
    station.charge("A")
    for id_tag in ("C", "D", "Home"):
        station.play("present", id_tag, 1)
    assert station.sent(StopTransactionRequest) == []
    assert [refused.status for refused in station.seen(IdTagRefused)] == [None, AuthorizationStatus.BLOCKED, None]
    station.play("present", "B", 1)
    assert [stop.id_tag for stop in station.sent(StopTransactionRequest)] == ["B"]


def test_two_that_belong_to_no_group_are_not_of_the_same() -> None:
    """CP16-005."""
    station = online()
    station.charge("A")
    station.play("present", "B", 1)
    assert station.sent(StopTransactionRequest) == []


def test_after_the_end_the_same_driver_can_begin_again_on_the_same_cable() -> None:
    """ST16-F2."""
    station = online()
    station.charge()
    station.play("present", "TAG", 1)
    station.play("present", "TAG", 1)
    assert len(station.sent(StartTransactionRequest)) == 2


# -- where nobody says which connector --


def test_a_reader_for_all_starts_where_a_cable_is_in() -> None:
    station = online(two())
    station.play("plug_in", 2)
    station.play("present", "TAG")
    assert [start.connector for start in station.seen(StartEnergy)] == [2]


def test_a_reader_for_all_follows_the_cable_that_comes_later() -> None:
    station = online(two())
    station.play("present", "TAG")
    assert station.statuses(1)[-1] is PREPARING
    station.play("plug_in", 2)
    assert station.statuses(1)[-1] is AVAILABLE
    assert [start.connector for start in station.seen(StartEnergy)] == [2]


def test_a_cable_that_comes_while_the_id_tag_is_being_authorised_is_followed_too() -> None:
    station = online(two())
    station.do("present", "TAG")
    station.do("plug_in", 2)
    assert station.seen(StartEnergy) == []
    station.serve()
    assert PREPARING not in station.statuses(1)
    assert [start.connector for start in station.seen(StartEnergy)] == [2]


def test_an_id_tag_meant_for_one_connector_does_not_follow_a_cable_elsewhere() -> None:
    station = online(two())
    station.play("present", "TAG", 1)
    station.play("plug_in", 2)
    assert station.seen(StartEnergy) == []
    station.play("plug_in", 1)
    assert [start.connector for start in station.seen(StartEnergy)] == [1]


def test_a_reader_for_all_stops_what_is_its_own_before_it_begins_something() -> None:
    station = online(two())
    station.charge("A", 2)
    station.play("present", "A")
    assert [stop.id_tag for stop in station.sent(StopTransactionRequest)] == ["A"]


def test_a_reader_for_all_stops_for_the_group_when_nothing_is_free() -> None:
    """CP16-042."""
    station = online(two())
    station.infos |= {"A": in_group("Home"), "B": in_group("Work"), "C": in_group("Work")}
    station.charge("A", 1)
    station.charge("B", 2)
    station.play("present", "C")
    assert [stop.transaction_id for stop in station.sent(StopTransactionRequest)] == [102]


# -- ConnectionTimeOut --


def test_without_a_cable_in_time_the_connector_is_available_again() -> None:
    """CP16-03C, ST16-B1; TC_004_2."""
    station = online()
    station.play("present", "TAG", 1)
    station.wait(59)
    assert station.statuses()[-1] is PREPARING
    station.wait(1)
    station.serve()
    assert station.statuses()[-1] is AVAILABLE
    station.play("plug_in", 1)
    assert station.seen(StartEnergy) == []


def test_without_an_id_tag_in_time_nobody_begins_on_that_cable() -> None:
    """CP16-03C, ST16-B6."""
    station = online()
    station.play("plug_in", 1)
    station.wait(60)
    station.serve()
    assert station.statuses()[-1] is FINISHING
    station.play("present", "TAG", 1)
    assert station.seen(IdTagRefused) == [IdTagRefused("TAG", 1, None)]
    station.play("unplug", 1)
    station.play("plug_in", 1)
    station.play("present", "TAG", 1)
    assert station.seen(StartEnergy) == [StartEnergy(1)]


def test_the_time_out_does_not_run_in_a_transaction() -> None:
    """CP16-03C."""
    station = online()
    station.charge()
    station.wait(200)
    station.serve()
    assert ChargePointStatus.FINISHING not in station.statuses()
    assert station.sent(StopTransactionRequest) == []


def test_the_time_out_does_not_stop_what_waits_for_its_first_reading_only() -> None:
    """CP16-03C."""
    station = online()
    station.do("configure", "ConnectionTimeOut", "5")
    station.reads = False
    station.play("plug_in", 1)
    station.play("present", "TAG", 1)
    station.wait(10)
    station.serve()
    assert station.seen(StartEnergy) == [StartEnergy(1)]


@pytest.mark.parametrize("late", [True, False])
def test_the_time_out_frees_a_cable_whose_lock_nobody_has_heard_of(late: bool) -> None:
    """CP16-03C: a report that comes too late is nobody's."""
    station = online()
    station.locks = None
    station.play("plug_in", 1)
    station.play("present", "TAG", 1)
    station.wait(60)
    assert station.seen(UnlockConnector) == [UnlockConnector(1)]
    station.play("locked", 1, late)
    assert station.seen(TakeReading) == station.seen(StartEnergy) == []
    assert station.statuses()[-1] is FINISHING


# -- the lock --


def test_a_lock_that_fails_is_a_fault_and_nothing_begins() -> None:
    """CP16-039; TC_024."""
    station = online()
    station.locks = False
    station.play("plug_in", 1)
    station.play("present", "TAG", 1)
    assert station.seen(StatusChanged)[-1] == StatusChanged(
        1, ChargePointStatus.FAULTED, ChargePointErrorCode.CONNECTOR_LOCK_FAILURE
    )
    assert station.sent(StartTransactionRequest) == []
    assert station.seen(TakeReading) == []


def test_without_a_lock_nothing_is_locked_and_no_cable_is_held() -> None:
    """CP16-065, CP16-068."""
    station = online(Setup(BOOT, connectors=(ConnectorSetup(has_lock=False),)))
    station.charge()
    assert station.seen(LockConnector) == []
    assert station.seen(StartEnergy) == [StartEnergy(1)]
    station.do("configure", "UnlockConnectorOnEVSideDisconnect", "false")
    station.play("unplug", 1)
    station.charge("OTHER")
    assert len(station.seen(StartEnergy)) == 2


def test_a_held_cable_that_was_unlocked_by_hand_is_nobodys_any_more() -> None:
    """CP16-065: and one that could not be unlocked still is."""
    station = online()
    station.do("configure", "UnlockConnectorOnEVSideDisconnect", "false")
    station.charge()
    station.play("unplug", 1)
    station.do("unlocked", 1, False)
    assert "held-cable" in station.kept
    station.do("unlocked", 1, True)
    assert "held-cable" not in station.kept
    station.play("unplug", 1)
    station.charge("OTHER")
    assert len(station.seen(StartEnergy)) == 2


# -- nothing comes of it --


@pytest.mark.parametrize("stage", ["locks", "reads"])
def test_a_cable_that_is_pulled_before_it_began_ends_it(stage: str) -> None:
    station = online()
    setattr(station, stage, None)
    station.play("plug_in", 1)
    station.play("present", "TAG", 1)
    station.play("unplug", 1)
    station.do("locked", 1, True)
    station.read()
    station.wait(60)
    station.serve()
    assert station.sent(StartTransactionRequest) == []
    assert station.seen(UnlockConnector) == [UnlockConnector(1)]
    assert station.statuses()[-1] is AVAILABLE


def test_a_fault_before_it_began_ends_it() -> None:
    station = online()
    station.play("present", "TAG", 1)
    station.play("fault", 1, ChargePointErrorCode.GROUND_FAILURE)
    station.play("fault_cleared", 1)
    station.play("plug_in", 1)
    assert station.seen(StartEnergy) == []


def test_a_stop_before_it_began_ends_it() -> None:
    """An emergency that comes between the cable and the first reading."""
    station = online()
    station.reads = False
    station.play("plug_in", 1)
    station.play("present", "TAG", 1)
    station.play("stop", 1, Reason.EMERGENCY_STOP)
    station.read()
    station.serve()
    assert station.sent(StartTransactionRequest) == []
    assert station.seen(UnlockConnector) == [UnlockConnector(1)]


def test_an_answer_that_comes_when_nobody_waits_any_more_begins_nothing() -> None:
    station = online()
    station.do("present", "TAG", 1)
    station.do("stop", 1)
    station.serve()
    station.play("plug_in", 1)
    assert station.seen(StartEnergy) == []
    assert station.seen(IdTagRefused) == []


def test_a_fixed_cable_leaves_the_connector_available_at_the_end() -> None:
    """CP16-067."""
    station = online(fixed())
    station.charge()
    station.play("unplug", 1)
    assert station.statuses()[-1] is AVAILABLE
