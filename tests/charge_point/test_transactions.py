"""The life of a transaction: on record before it is told, one StopTransaction at its end, whatever is cut where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocpp_sansio import CallRefused
from ocpp_sansio.charge_point import Setup
from ocpp_sansio.charge_point.backbone import Use
from ocpp_sansio.charge_point.effects import (
    CableLocked,
    IdTagRefused,
    LockConnector,
    StartEnergy,
    StopEnergy,
    TakeReading,
    TransactionBegan,
    TransactionEnded,
    UnlockConnector,
)
from ocpp_sansio.store import Persist, StoreError
from ocpp_sansio.v16 import (
    AuthorizationStatus,
    ChargePointErrorCode,
    ChargePointStatus,
    IdTagInfo,
    MeterValuesRequest,
    ReadingContext,
    Reason,
    ResetRequest,
    ResetType,
    StartTransactionRequest,
    StopTransactionRequest,
)

from .harness import BOOT, EPOCH, Bench
from .station import INVALID, Station, fixed, guarded, two

# -- the beginning --


def test_a_start_transaction_says_who_where_when_and_from_what_register() -> None:
    """CP16-060, CP16-040."""
    station = Station()
    station.online()
    station.charge("Tag")
    (start,) = station.sent(StartTransactionRequest)
    assert start == StartTransactionRequest(connector_id=1, id_tag="Tag", meter_start=1000, timestamp=EPOCH)
    assert station.seen(TransactionBegan) == [TransactionBegan(1, "Tag", 1000, EPOCH)]
    assert station.seen(StartEnergy) == [StartEnergy(1)]


def test_energy_comes_after_the_record() -> None:
    """D-01: what the store does not have has not begun."""
    bench = _about_to_begin()
    bench.fails = True
    bench.do("reading", 1, (), 1000)
    assert bench.seen(StartEnergy) == []
    assert bench.seen(TransactionBegan) == []
    bench.fails = False
    bench.wait(60)
    assert bench.seen(StartEnergy) == [StartEnergy(1)]


def test_energy_that_the_host_has_not_seen_offered_is_withdrawn_by_a_stop() -> None:
    """D-09: the store fails, and still nothing flows after the driver has gone."""
    bench = _about_to_begin()
    bench.fails = True
    bench.do("reading", 1, (), 1000)
    bench.do("stop", 1)
    assert bench.seen(StopEnergy) == [StopEnergy(1)]
    bench.fails = False
    bench.wait(60)
    assert bench.seen(StartEnergy) == []
    assert len(bench.seen(TransactionEnded)) == 1


def test_the_meter_is_read_at_the_end_however_long_the_store_fails() -> None:
    """D-09, CP16-061: the host cannot be late with what it has not been asked for."""
    bench = _about_to_begin()
    bench.do("reading", 1, (), 1000)
    bench.do("configure", "MeterValueSampleInterval", "0")
    bench.fails = True
    bench.do("stop", 1)
    bench.wait(100)
    bench.fails = False
    bench.wait(25)
    end = bench.seen(TakeReading)[-1]
    assert end.context is ReadingContext.TRANSACTION_END
    bench.do("reading", end.ticket, (), 5000)
    assert [ended.meter_stop for ended in bench.seen(TransactionEnded)] == [5000]


def test_a_host_may_answer_in_the_midst_of_what_it_is_told() -> None:
    bench = _about_to_begin()
    bench.do("reading", 1, (), 1000)
    bench.point.stop(1, now=bench.now)
    while not isinstance(effect := bench.point.next_event(), TakeReading):
        if isinstance(effect, Persist):
            bench.point.persisted(now=bench.now)
    bench.do("reading", effect.ticket, (), 5000)
    bench.wait(20)
    assert [ended.meter_stop for ended in bench.seen(TransactionEnded)] == [5000]


def test_nobody_begins_while_the_store_fails() -> None:
    """D-09."""
    bench = _Cutting()
    bench.fails = True
    bench.do("configure", "ConnectionTimeOut", "90")
    bench.do("plug_in", 1)
    bench.do("present", "TAG", 1)
    bench.fails = False
    bench.wait(60)
    assert bench.seen(LockConnector) == []
    assert bench.seen(IdTagRefused) == [IdTagRefused("TAG", 1, None)]


def test_a_reservation_that_a_gate_knows_of_is_consumed() -> None:
    """CP16-060, CP16-134: the seam for reservations."""

    def gate(use: Use) -> bool:
        use.reservation_id = 7 if use.id_tag == "TAG" else None
        return True

    station = guarded(gate)
    station.charge()
    assert [start.reservation_id for start in station.sent(StartTransactionRequest)] == [7]


def test_there_is_one_transaction_on_a_connector_and_each_has_its_own() -> None:
    """CP16-069."""
    station = Station(two())
    station.online()
    station.charge("A", 1)
    station.charge("B", 2)
    station.infos["C"] = IdTagInfo(status=AuthorizationStatus.ACCEPTED)
    station.play("present", "C", 1)
    assert [(r.connector_id, r.id_tag) for r in station.sent(StartTransactionRequest)] == [(1, "A"), (2, "B")]


def test_nobody_begins_when_there_is_no_room_for_what_would_have_to_be_delivered() -> None:
    """D-08."""
    station = Station(Setup(BOOT, max_queued_messages=1), clock_is_trusted=True)
    station.do("configure", "AllowOfflineTxForUnknownId", "true")
    station.do("plug_in", 1)
    station.do("present", "TAG", 1)
    assert len(station.seen(TransactionBegan)) == 1
    station.do("present", "TAG", 1)
    station.do("present", "TAG", 1)
    assert len(station.seen(TransactionBegan)) == 1


# -- the end --


def test_a_stop_transaction_says_who_when_why_and_at_what_register() -> None:
    """CP16-061, CP16-062, CP16-064."""
    station = Station()
    station.online()
    station.charge()
    station.wait(30)
    station.register = 4000
    station.play("present", "tag", 1)
    (stop,) = station.sent(StopTransactionRequest)
    assert stop == StopTransactionRequest(
        id_tag="tag", meter_stop=4000, timestamp=EPOCH + timedelta(seconds=30), transaction_id=101, reason=Reason.LOCAL
    )
    assert station.seen(StopEnergy) == [StopEnergy(1)]
    assert station.seen(UnlockConnector) == [UnlockConnector(1)]
    assert station.seen(TransactionEnded) == [
        TransactionEnded(1, "TAG", 4000, EPOCH + timedelta(seconds=30), Reason.LOCAL)
    ]
    assert station.statuses()[-1] is ChargePointStatus.FINISHING
    assert "transaction" not in station.kept


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_sent_as_it_is(reason: Reason) -> None:
    """CP16-063, CP16-062: Local too, which might go without saying."""
    station = Station()
    station.online()
    station.charge()
    station.play("stop", 1, reason)
    (stop,) = station.sent(StopTransactionRequest)
    assert (stop.reason, stop.id_tag) == (reason, None)


def test_the_end_is_when_energy_was_cut_not_when_the_meter_was_read() -> None:
    """CP16-061."""
    station = Station()
    station.online()
    station.charge()
    station.reads = False
    station.do("stop", 1)
    station.wait(5)
    station.read()
    assert station.sent(StopTransactionRequest)[0].timestamp == EPOCH


def test_a_meter_that_says_nothing_ends_a_transaction_with_the_last_that_is_known() -> None:
    """CP16-061."""
    station = Station()
    station.online()
    station.charge()
    station.reads = False
    station.do("stop", 1)
    station.wait(10)
    station.serve()
    assert station.sent(StopTransactionRequest)[0].meter_stop == 1000


def test_meter_stop_is_never_below_meter_start() -> None:
    """CP16-066."""
    station = Station()
    station.online()
    station.charge()
    station.register = 10
    station.play("stop", 1)
    assert station.sent(StopTransactionRequest)[0].meter_stop == 1000


def test_to_stop_twice_is_to_stop_once() -> None:
    station = Station()
    station.online()
    station.charge()
    station.reads = False
    station.do("stop", 1)
    station.do("stop", 1, Reason.EMERGENCY_STOP)
    station.do("present", "TAG", 1)
    station.do("unplug", 1)
    station.read()
    station.serve()
    assert [stop.reason for stop in station.sent(StopTransactionRequest)] == [Reason.LOCAL]
    assert len(station.seen(StopEnergy)) == 1
    station.play("stop", 1)
    assert len(station.sent(StopTransactionRequest)) == 1


def test_a_fixed_cable_is_neither_locked_nor_unlocked() -> None:
    """CP16-064."""
    station = Station(fixed())
    station.online()
    station.charge()
    station.play("stop", 1)
    assert station.seen(LockConnector) == station.seen(UnlockConnector) == []
    assert len(station.sent(StopTransactionRequest)) == 1


# -- the answer to the start --


def test_one_that_is_refused_is_stopped_and_its_cable_kept_until_its_owner_comes() -> None:
    """CP16-065: StopTransactionOnInvalidId."""
    station = Station()
    station.online()
    _refuse_start(station)
    (stop,) = station.sent(StopTransactionRequest)
    assert stop.reason is Reason.DE_AUTHORIZED
    assert station.seen(CableLocked) == [CableLocked(1)]
    assert station.seen(UnlockConnector) == []
    station.infos["OTHER"] = IdTagInfo(status=AuthorizationStatus.ACCEPTED)
    station.play("present", "OTHER", 1)
    assert station.seen(UnlockConnector) == []
    station.play("present", "tag", 1)
    assert station.seen(UnlockConnector) == [UnlockConnector(1)]


def test_the_cable_of_one_that_was_refused_is_freed_by_its_group_also_after_a_boot() -> None:
    """CP16-065."""
    station = Station()
    station.online()
    _refuse_start(station, parent="Family")
    again = station.reboot()
    again.online()
    again.infos["OTHER"] = IdTagInfo(status=AuthorizationStatus.ACCEPTED, parent_id_tag="FAMILY")
    again.play("present", "OTHER", 1)
    assert again.seen(UnlockConnector) == [UnlockConnector(1)]
    assert "held-cable" not in again.kept


def test_one_that_is_refused_may_go_on_without_energy() -> None:
    """CP16-065: not StopTransactionOnInvalidId."""
    station = Station()
    station.online()
    station.do("configure", "StopTransactionOnInvalidId", "false")
    _refuse_start(station)
    assert station.sent(StopTransactionRequest) == []
    assert station.seen(StopEnergy) == [StopEnergy(1)]
    assert station.statuses()[-1] is ChargePointStatus.SUSPENDED_EVSE
    station.play("present", "TAG", 1)
    assert [stop.reason for stop in station.sent(StopTransactionRequest)] == [Reason.LOCAL]
    assert len(station.seen(StopEnergy)) == 1


def test_one_that_is_refused_may_be_allowed_a_little_energy() -> None:
    """CP16-065: MaxEnergyOnInvalidId."""
    station = Station()
    station.online()
    station.do("configure", "StopTransactionOnInvalidId", "false")
    station.do("configure", "MaxEnergyOnInvalidId", "500")
    _refuse_start(station)
    assert station.seen(StartEnergy) == [StartEnergy(1), StartEnergy(1, 500)]
    assert station.seen(StopEnergy) == []
    assert station.statuses()[-1] is ChargePointStatus.CHARGING


def test_what_one_that_is_refused_has_had_of_its_allowance_it_does_not_get_again() -> None:
    """CP16-065: counted from the refusal, over faults and boots, and at an end when the meter says so."""
    station = Station(Setup(BOOT, resume_after_power_loss=True))
    station.do("configure", "AllowOfflineTxForUnknownId", "true")
    for name, value in (("StopTransactionOnInvalidId", "false"), ("MaxEnergyOnInvalidId", "500")):
        station.do("configure", name, value)
    station.do("configure", "MeterValueSampleInterval", "10")
    station.charge()
    station.register = 3000
    station.infos["TAG"] = INVALID
    station.online()
    assert station.seen(StartEnergy) == [StartEnergy(1), StartEnergy(1, 500)]
    station.register = 3200
    station.wait(10)
    station.play("fault", 1, ChargePointErrorCode.GROUND_FAILURE)
    station.play("fault_cleared", 1)
    assert station.seen(StartEnergy)[2:] == [StartEnergy(1, 300)]
    again = station.reboot(register=3250)
    again.do("plug_in", 1)
    again.do("ev_ready", 1)
    again.online()
    assert again.seen(StartEnergy) == [StartEnergy(1, 250)]
    assert again.statuses()[-1] is ChargePointStatus.CHARGING
    again.register = 3500
    again.wait(10)
    again.serve()
    assert again.seen(StopEnergy) == [StopEnergy(1)]
    assert again.statuses()[-1] is ChargePointStatus.SUSPENDED_EVSE
    third = again.reboot(register=3500)
    third.do("plug_in", 1)
    third.do("ev_ready", 1)
    third.online()
    assert third.seen(StartEnergy) == []
    assert third.statuses()[-1] is ChargePointStatus.SUSPENDED_EVSE


def test_one_that_is_refused_while_its_ev_is_away_has_its_allowance_when_it_is_back() -> None:
    """CP16-065, CP16-067."""
    station = Station()
    station.online()
    station.do("configure", "StopTransactionOnEVSideDisconnect", "false")
    station.do("configure", "StopTransactionOnInvalidId", "false")
    station.do("configure", "MaxEnergyOnInvalidId", "500")
    station.do("plug_in", 1)
    station.do("present", "TAG", 1)
    while not station.sent(StartTransactionRequest):
        station.answer(station.proper_answer(station.unanswered[0].request))
    station.do("unplug", 1)
    station.infos["TAG"] = INVALID
    station.serve()
    station.do("plug_in", 1)
    station.play("ev_ready", 1)
    assert station.seen(StartEnergy) == [StartEnergy(1), StartEnergy(1, 500)]
    assert station.statuses()[-1] is ChargePointStatus.CHARGING


def test_one_that_began_offline_can_be_refused_later() -> None:
    """CP16-065: after offline."""
    station = Station()
    station.do("configure", "AllowOfflineTxForUnknownId", "true")
    station.charge()
    assert len(station.seen(StartEnergy)) == 1
    station.infos["TAG"] = INVALID
    station.online()
    assert [stop.reason for stop in station.sent(StopTransactionRequest)] == [Reason.DE_AUTHORIZED]


def test_a_refusal_after_the_end_changes_nothing_any_more() -> None:
    """CP16-065, CP16-076: there is nothing to stop, and one StopTransaction with the id of that answer."""
    station = Station()
    station.do("configure", "AllowOfflineTxForUnknownId", "true")
    station.charge()
    station.do("stop", 1)
    station.infos["TAG"] = INVALID
    station.online()
    (stop,) = station.sent(StopTransactionRequest)
    assert (stop.reason, stop.transaction_id) == (Reason.LOCAL, 101)
    assert station.seen(CableLocked) == []


def test_a_refusal_while_the_end_is_being_read_changes_nothing_any_more() -> None:
    """CP16-065."""
    station = Station()
    station.online()
    station.do("plug_in", 1)
    station.do("present", "TAG", 1)
    while not station.sent(StartTransactionRequest):
        station.answer(station.proper_answer(station.unanswered[0].request))
    station.reads = False
    station.do("stop", 1)
    station.infos["TAG"] = INVALID
    station.serve()
    station.read()
    station.serve()
    assert [stop.reason for stop in station.sent(StopTransactionRequest)] == [Reason.LOCAL]


def test_one_whose_start_was_given_up_goes_on_and_its_messages_bear_minus_one() -> None:
    """CP16-075, D-12."""
    station = Station()
    station.online()
    station.do("configure", "TransactionMessageAttempts", "1")
    station.do("plug_in", 1)
    station.do("present", "TAG", 1)
    while not isinstance(station.unanswered[0].request, StartTransactionRequest):
        station.answer(station.proper_answer(station.unanswered[0].request))
    station.answer(CallRefused("InternalError"))
    station.serve()
    assert station.seen(StopEnergy) == []
    station.play("stop", 1)
    assert station.sent(StopTransactionRequest)[0].transaction_id == -1


def test_other_messages_that_are_given_up_change_nothing_of_a_transaction() -> None:
    station = Station()
    station.online()
    station.do("configure", "TransactionMessageAttempts", "1")
    station.do("configure", "MeterValueSampleInterval", "10")
    station.charge()
    station.wait(10)
    station.answer(CallRefused("InternalError"))
    station.play("stop", 1)
    assert station.sent(StopTransactionRequest)[0].transaction_id == 101


# -- on the way --


def test_a_fault_takes_the_energy_and_not_the_transaction() -> None:
    station = Station()
    station.online()
    station.charge()
    station.play("fault", 1, ChargePointErrorCode.GROUND_FAILURE)
    assert station.seen(StopEnergy) == [StopEnergy(1)]
    station.play("fault_cleared", 1)
    assert station.seen(StartEnergy) == [StartEnergy(1), StartEnergy(1)]
    assert station.sent(StopTransactionRequest) == []


def test_the_ev_disconnected_ends_it_and_the_cable_is_unlocked() -> None:
    """CP16-067, CP16-068."""
    station = Station()
    station.online()
    station.charge()
    station.play("unplug", 1)
    assert [stop.reason for stop in station.sent(StopTransactionRequest)] == [Reason.EV_DISCONNECTED]
    assert station.seen(UnlockConnector) == [UnlockConnector(1)]
    assert station.statuses()[-1] is ChargePointStatus.FINISHING
    station.play("plug_in", 1)
    assert len(station.seen(StartEnergy)) == 1


def test_the_ev_disconnected_may_leave_the_cable_locked() -> None:
    """CP16-068."""
    station = Station()
    station.online()
    station.do("configure", "UnlockConnectorOnEVSideDisconnect", "false")
    station.charge()
    station.play("unplug", 1)
    assert station.seen(UnlockConnector) == []
    assert station.seen(CableLocked) == [CableLocked(1)]
    station.play("present", "TAG", 1)
    assert station.seen(UnlockConnector) == [UnlockConnector(1)]


def test_the_ev_disconnected_may_leave_it_going_on_without_energy_until_it_is_back() -> None:
    """CP16-067: not StopTransactionOnEVSideDisconnect."""
    station = Station()
    station.online()
    station.do("configure", "StopTransactionOnEVSideDisconnect", "false")
    station.charge()
    station.play("unplug", 1)
    assert station.sent(StopTransactionRequest) == []
    assert station.seen(StopEnergy) == [StopEnergy(1)]
    assert station.seen(UnlockConnector) == []
    assert station.statuses()[-1] is ChargePointStatus.SUSPENDED_EV
    station.play("plug_in", 1)
    assert station.seen(StartEnergy) == [StartEnergy(1), StartEnergy(1)]


def test_what_was_metered_offline_comes_afterwards_in_its_order_and_with_its_times() -> None:
    """CP16-078, CP16-071; TC_036."""
    station = Station()
    station.online()
    station.do("configure", "MeterValueSampleInterval", "10")
    station.charge()
    station.disconnect()
    station.wait(30)
    station.do("stop", 1)
    station.connect()
    station.serve()
    times = [request.meter_value[0].timestamp for request in station.sent(MeterValuesRequest)]
    assert times == [EPOCH + timedelta(seconds=seconds) for seconds in (10, 20, 30)]
    assert {request.transaction_id for request in station.sent(MeterValuesRequest)} == {101}
    assert station.link is not None
    assert isinstance(station.link.sent[-1].request, StopTransactionRequest)


@pytest.mark.parametrize("is_in_time", [True, False])
def test_no_meter_value_of_a_transaction_comes_behind_its_stop(is_in_time: bool) -> None:
    """CP16-070, CP16-076, CP16-144: once that is answered nothing has the id of the transaction any more."""
    station = Station()
    station.online()
    for key in ("MeterValueSampleInterval", "ClockAlignedDataInterval"):
        station.do("configure", key, "10")
    station.charge()
    station.reads = False
    station.wait(10)
    station.do("stop", 1)
    asked = [effect for effect in station.seen(TakeReading) if effect.context is not ReadingContext.TRANSACTION_BEGIN]
    *samples, end = asked
    assert end.context is ReadingContext.TRANSACTION_END
    for effect in [*samples, end] if is_in_time else [end, *samples]:
        station.do("reading", effect.ticket, (), 2000)
        station.serve()
    ids = [request.transaction_id for request in station.sent(MeterValuesRequest)]
    assert sorted(ids, key=str) == ([101, 101, None] if is_in_time else [None, None])
    assert station.link is not None
    named = [call.request for call in station.link.sent if getattr(call.request, "transaction_id", None) is not None]
    assert isinstance(named[-1], StopTransactionRequest)


# -- power and boots --


def test_a_transaction_that_the_power_took_is_stopped_when_it_was_last_heard_of() -> None:
    """CP16-07A, CP16-077: without backup power."""
    station = Station()
    station.online()
    station.do("configure", "MeterValueSampleInterval", "10")
    station.charge()
    station.register = 1200
    station.wait(15)
    again = station.reboot()
    assert len(again.seen(TransactionEnded)) == 1
    assert again.seen(UnlockConnector) == [UnlockConnector(1)]
    again.wait(1000)
    again.online()
    (stop,) = again.sent(StopTransactionRequest)
    assert (stop.reason, stop.meter_stop, stop.transaction_id) == (Reason.POWER_LOSS, 1200, 101)
    assert stop.timestamp == EPOCH + timedelta(seconds=10)
    assert again.reboot().kept.keys() <= {"boot", "cache", "registers", "transaction-ref", "configuration"}


@pytest.mark.parametrize(
    ("verbs", "reason"), [((), Reason.POWER_LOSS), (("hard",), Reason.HARD_RESET), (("stop",), Reason.LOCAL)]
)
def test_after_the_power_was_lost_the_meter_says_what_had_been_used_by_then(
    verbs: tuple[str, ...], reason: Reason
) -> None:
    """CP16-07A, CP16-091, CP16-061: nothing that was charged goes without a bill; the end is when it was."""
    station = Station()
    station.online()
    station.do("configure", "StopTxnSampledData", "Energy.Active.Import.Register")
    station.charge()
    station.wait(20)
    station.reads = False
    if "stop" in verbs:
        station.do("stop", 1)
    if "hard" in verbs:
        station.ask(ResetRequest(type=ResetType.HARD))
    station.wait(5)
    again = station.reboot(register=7000)
    (wanted,) = again.seen(TakeReading)
    assert (wanted.connector, wanted.context) == (1, ReadingContext.TRANSACTION_END)
    again.online()
    (stop,) = again.sent(StopTransactionRequest)
    assert (stop.reason, stop.meter_stop) == (reason, 7000)
    assert stop.timestamp == EPOCH + timedelta(seconds=20 if verbs else 0)
    last = stop.transaction_data[-1]
    assert (last.timestamp, last.sampled_value[0].value) == (stop.timestamp, "7000")


def test_after_the_power_was_lost_a_meter_that_says_nothing_has_the_last_word_that_it_said() -> None:
    """CP16-07A, D-01: until then it is on record as what has ended, however often the power is lost again."""
    station = Station()
    station.online()
    station.do("configure", "MeterValueSampleInterval", "10")
    station.charge()
    station.register = 1200
    station.wait(15)
    again = station.reboot(reads=False).reboot(reads=False)
    again.online()
    again.wait(9)
    again.serve()
    assert (again.kept["transaction"], again.sent(StopTransactionRequest)) == (1, [])
    again.wait(1)
    again.serve()
    (stop,) = again.sent(StopTransactionRequest)
    assert (stop.reason, stop.meter_stop, stop.timestamp) == (Reason.POWER_LOSS, 1200, EPOCH + timedelta(seconds=10))
    assert "transaction" not in again.kept


def test_nobody_begins_where_what_the_power_took_is_still_being_read() -> None:
    """CP16-069; and if the power goes again with a word of warning, that does not wait for the meter."""
    station = Station()
    station.online()
    station.charge()
    again = station.reboot(reads=False)
    again.online()
    again.play("plug_in", 1)
    again.play("present", "OTHER", 1)
    assert (again.sent(StartTransactionRequest), again.seen(StartEnergy)) == ([], [])
    again.play("power_failing")
    again.read()
    again.serve()
    assert [stop.meter_stop for stop in again.sent(StopTransactionRequest)] == [1000]
    again.reads = True
    again.charge("OTHER")
    assert [start.id_tag for start in again.sent(StartTransactionRequest)] == ["OTHER"]


def test_one_that_never_woke_ended_when_the_power_went_with_what_its_meter_shows_now() -> None:
    """CP16-07A: it was last heard of then, however often the meter is read in between."""
    station = Station(Setup(BOOT, resume_after_power_loss=True))
    station.online()
    station.do("configure", "ClockAlignedDataInterval", "20")
    station.charge()
    again = station.reboot(register=1300)
    again.online()
    again.wait(59)
    assert (again.kept["transaction"], again.sent(StopTransactionRequest)) == (1, [])
    again.register = 1301
    again.wait(1)
    again.serve()
    (stop,) = again.sent(StopTransactionRequest)
    assert (stop.reason, stop.timestamp, stop.meter_stop) == (Reason.POWER_LOSS, EPOCH, 1301)


def test_one_that_was_stopped_in_its_sleep_is_not_stopped_again_by_the_time_out() -> None:
    """CP16-07A, CP16-061."""
    station = Station(Setup(BOOT, resume_after_power_loss=True))
    station.online()
    station.charge()
    again = station.reboot(reads=False)
    again.online()
    again.wait(55)
    again.do("present", "TAG", 1)
    again.wait(60)
    again.serve()
    (stop,) = again.sent(StopTransactionRequest)
    assert (stop.reason, stop.timestamp) == (Reason.LOCAL, EPOCH + timedelta(seconds=55))
    assert len(again.seen(TakeReading)) == 1


def test_one_that_was_woken_was_last_heard_of_then() -> None:
    """CP16-07A: if the power goes once more, it ends there."""
    station = Station(Setup(BOOT, resume_after_power_loss=True))
    station.online()
    station.charge()
    again = station.reboot()
    again.wait(30)
    again.do("plug_in", 1)
    third = Station(Setup(BOOT), records=again.store.load(), now=again.now)
    third.online()
    assert third.sent(StopTransactionRequest)[0].timestamp == EPOCH + timedelta(seconds=30)


def test_a_transaction_that_the_power_took_at_once_has_not_ended_before_it_began() -> None:
    """CP16-07A, CP16-060: the meter is asked before it begins, and may take a while."""
    station = Station()
    station.online()
    station.reads = False
    station.charge()
    station.wait(3)
    station.read()
    again = station.reboot()
    again.online()
    (start,), (stop,) = again.sent(StartTransactionRequest), again.sent(StopTransactionRequest)
    assert start.timestamp == stop.timestamp == EPOCH + timedelta(seconds=3)


def test_with_backup_power_all_stops_are_on_record_at_once_with_what_is_known() -> None:
    """CP16-07A: nobody waits for a meter."""
    station = Station(two())
    station.online()
    station.charge("A", 1)
    station.charge("B", 2)
    station.reads = False
    station.do("stop", 2)
    station.do("power_failing")
    assert station.kept["queue"] == 2
    assert "transaction" not in station.kept
    station.read()
    station.serve()
    assert [(stop.reason, stop.meter_stop) for stop in station.sent(StopTransactionRequest)] == [
        (Reason.POWER_LOSS, 1000),
        (Reason.LOCAL, 1000),
    ]


def test_a_transaction_can_go_on_after_the_power_was_lost_once_its_ev_is_there() -> None:
    """CP16-07A: resume, status Charging."""
    station = Station(Setup(BOOT, resume_after_power_loss=True))
    station.online()
    station.charge()
    again = station.reboot()
    again.transaction_id = 101
    assert again.seen(StartEnergy) == []
    again.do("plug_in", 1)
    again.do("ev_ready", 1)
    assert again.seen(StartEnergy) == [StartEnergy(1)]
    assert [wanted.context for wanted in again.seen(TakeReading)] == [ReadingContext.INTERRUPTION_END]
    again.online()
    assert again.statuses()[-1] is ChargePointStatus.CHARGING
    assert again.sent(StartTransactionRequest) == []
    again.register = 2000
    again.play("present", "TAG", 1)
    (stop,) = again.sent(StopTransactionRequest)
    assert (stop.meter_stop, stop.transaction_id, stop.reason) == (2000, 101, Reason.LOCAL)


def test_a_transaction_whose_ev_is_not_there_after_the_power_was_lost_is_stopped() -> None:
    """CP16-07A."""
    station = Station(Setup(BOOT, resume_after_power_loss=True))
    station.online()
    station.charge()
    again = station.reboot()
    again.online()
    again.wait(59)
    assert again.sent(StopTransactionRequest) == []
    again.wait(1)
    again.serve()
    (stop,) = again.sent(StopTransactionRequest)
    assert (stop.reason, stop.timestamp) == (Reason.POWER_LOSS, EPOCH)


def test_one_that_waits_to_go_on_can_be_stopped_and_does_not_wake_again() -> None:
    """CP16-07A."""
    station = Station(Setup(BOOT, resume_after_power_loss=True))
    station.online()
    station.charge()
    again = station.reboot()
    again.reads = False
    again.do("plug_in", 1)
    again.do("present", "TAG", 1)
    again.read()
    again.online()
    assert again.seen(StartEnergy) == []
    assert [stop.reason for stop in again.sent(StopTransactionRequest)] == [Reason.LOCAL]


def test_one_that_was_being_stopped_when_the_power_went_ended_as_it_was_stopped() -> None:
    """CP16-061, D-01."""
    station = Station(Setup(BOOT, resume_after_power_loss=True))
    station.online()
    station.charge()
    station.wait(20)
    station.reads = False
    station.do("present", "TAG", 1)
    again = station.reboot()
    again.online()
    (stop,) = again.sent(StopTransactionRequest)
    assert (stop.reason, stop.id_tag, stop.timestamp) == (Reason.LOCAL, "TAG", EPOCH + timedelta(seconds=20))


def test_one_on_a_connector_that_is_gone_is_stopped_all_the_same() -> None:
    station = Station(two(resume_after_power_loss=True))
    station.online()
    station.charge("A", 2)
    again = Station(Setup(BOOT, resume_after_power_loss=True), records=station.store.load())
    again.online()
    assert len(again.sent(StopTransactionRequest)) == 1


def test_what_stands_for_a_transaction_is_never_used_again() -> None:
    """D-11: over boots, and with nothing left of the others."""
    station = Station()
    station.online()
    station.charge()
    station.play("stop", 1)
    again = station.reboot()
    again.online()
    again.transaction_id = 200
    again.charge()
    again.play("stop", 1)
    assert again.sent(StopTransactionRequest)[0].transaction_id == 201
    refs = [record.value for record in again.store.load() if record.topic == "transaction-ref"]
    assert refs == [b"2"]


def test_what_is_noted_of_a_transaction_is_put_right_with_the_clock() -> None:
    """D-19: the end that a later boot puts on record is as right as its begin."""
    station = Station(utc=datetime(1970, 1, 1, tzinfo=UTC))
    station.do("configure", "AllowOfflineTxForUnknownId", "true")
    station.charge()
    station.online()
    again = station.reboot()
    again.online()
    assert station.sent(StartTransactionRequest)[0].timestamp == EPOCH
    assert again.sent(StopTransactionRequest)[0].timestamp == EPOCH


def test_the_end_that_was_noted_before_the_time_was_known_is_put_right_while_the_meter_is_read() -> None:
    """D-19: the boot that puts it on record could not do it any more."""
    station = Station(utc=datetime(1970, 1, 1, tzinfo=UTC))
    station.do("configure", "AllowOfflineTxForUnknownId", "true")
    station.charge()
    station.wait(5)
    station.reads = False
    station.do("stop", 1)
    station.wait(5)
    station.online()
    again = station.reboot()
    again.online()
    assert again.sent(StopTransactionRequest)[0].timestamp == EPOCH - timedelta(seconds=5)


@pytest.mark.parametrize("cut", range(12))
def test_wherever_it_is_cut_a_transaction_is_on_record_exactly_once(cut: int) -> None:
    """D-01, D-04, D-11, CP16-077: the power goes before batch number `cut`, and comes back."""
    bench = _Cutting(cut=cut)
    for verb, args in (("plug_in", (1,)), ("present", ("TAG", 1)), ("stop", (1,))):
        bench.do(verb, *args)
        bench.do("locked", 1, True)
        for ticket in (1, 2):
            bench.do("reading", ticket, (), 1000 + ticket)
    told = bool(bench.seen(TransactionBegan))
    offered = bool(bench.seen(StartEnergy))
    topics = [record.topic for record in bench.store.load()]
    again = Station(bench.setup, records=bench.store.load(), now=bench.now)
    again.online()
    starts, stops = again.sent(StartTransactionRequest), again.sent(StopTransactionRequest)
    assert len(starts) == len(stops) <= 1
    assert len(stops) == ("queue" in topics)
    assert not told or stops
    assert not offered or stops
    assert not {"queue", "transaction", "transaction-id"} & again.kept.keys()
    assert not stops or stops[0].transaction_id == 101


class _Cutting(Bench):
    """Offline, everybody may charge; the store fails when told to, or keeps nothing after so many batches."""

    def __init__(self, cut: int = 1000) -> None:
        self.fails = False
        self.left = cut
        super().__init__(records=_anybody_may(), clock_is_trusted=True)

    def drain(self) -> None:
        while (effect := self.point.next_event()) is not None:
            if not isinstance(effect, Persist):
                self.effects.append(effect)
            elif self.fails or self.left == 0:
                self.point.persist_failed(StoreError("cut"), now=self.now)
            else:
                self.left -= 1
                self.store.commit(effect.changes)
                self.point.persisted(now=self.now)


def _about_to_begin() -> _Cutting:
    """The cable is locked, and the register of the beginning asked for."""
    bench = _Cutting()
    bench.do("plug_in", 1)
    bench.do("present", "TAG", 1)
    bench.do("locked", 1, True)
    return bench


def _anybody_may() -> Any:
    station = Station()
    station.do("configure", "AllowOfflineTxForUnknownId", "true")
    return station.store.load()


def _refuse_start(station: Station, parent: str | None = None) -> None:
    """The central system knows better by the time of the StartTransaction than it did at the Authorize."""
    station.do("plug_in", 1)
    station.do("present", "TAG", 1)
    station.do("ev_ready", 1)
    while not station.sent(StartTransactionRequest):
        station.answer(station.proper_answer(station.unanswered[0].request))
    station.infos["TAG"] = IdTagInfo(status=AuthorizationStatus.INVALID, parent_id_tag=parent)
    station.serve()
