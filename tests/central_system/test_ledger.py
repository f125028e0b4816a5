"""What was charged, message by message (CS16-040…CS16-045, CS16-080, D-04, D-13, D-15, D-16)."""

from __future__ import annotations

import itertools
import random
from datetime import datetime
from typing import Any

import pytest

from ocpp_sansio import CallReceived, LocalProtocolError, v16
from ocpp_sansio.central_system import (
    Anomaly,
    HookFailed,
    IdTag,
    LedgerAnomaly,
    LedgerOverflow,
    MeterValuesReceived,
    Options,
    RecordUnreadable,
    Stop,
    Transaction,
    TransactionStarted,
    TransactionStopped,
    TransactionUpdated,
    UnmatchedStop,
)
from ocpp_sansio.store import Put, unpack
from tests.central_system.world import ACCEPTED, INVALID, Station, World, at, begin, end, reading, values

NO_VALUES = v16.MeterValuesResponse()
STOPPED = v16.StopTransactionResponse()


def anomalies(world: World) -> list[Anomaly]:
    return [each.kind for each in world.told(LedgerAnomaly)]


def start(station: Station, **how: Any) -> int:
    transaction_id: int = station.ask(begin(**how)).transaction_id
    return transaction_id


def entry(world: World, transaction_id: int) -> Transaction:
    found = world.system.ledger.transaction(transaction_id)
    assert found is not None
    return found


# -- start --


def test_cs16_040_a_start_is_answered_with_an_id_and_what_is_known_of_the_id_tag() -> None:
    world = World(ids=lambda: 77)
    station = world.station()
    world.now = 5
    request = v16.StartTransactionRequest(
        connector_id=2, id_tag="tag", meter_start=10, timestamp=at(-100), reservation_id=9
    )
    assert station.ask(request) == v16.StartTransactionResponse(transaction_id=77, id_tag_info=ACCEPTED)
    transaction = Transaction(
        transaction_id=77,
        identity="CP1",
        connector_id=2,
        id_tag="tag",
        id_tag_info=ACCEPTED,
        meter_start=10,
        timestamp=at(-100),
        reservation_id=9,
        recorded_at=at(5),
    )
    assert world.told(TransactionStarted) == [TransactionStarted(transaction)]
    assert world.system.ledger.transactions() == (transaction,)
    assert world.system.ledger.running("CP1", 2) == transaction
    assert world.system.ledger.running("CP1", 1) is None
    assert transaction.is_running


def test_cs16_040_a_start_with_an_id_tag_that_is_refused_has_an_id_and_an_entry_too() -> None:
    world = World()
    answer = world.station().ask(begin(id_tag="other"))
    assert answer.id_tag_info == INVALID
    assert entry(world, answer.transaction_id).id_tag_info == INVALID


def test_cs16_031_an_id_tag_is_verified_again_at_the_start() -> None:
    world = World()
    station = world.station()
    assert station.ask(v16.AuthorizeRequest(id_tag="tag")).id_tag_info == ACCEPTED
    world.system.authorisation.add(IdTag("tag", v16.AuthorizationStatus.BLOCKED))
    assert station.ask(begin()).id_tag_info.status is v16.AuthorizationStatus.BLOCKED


@pytest.mark.parametrize("id_tag", ["tag", "TAG"])
def test_d13_cs16_045_a_start_that_is_sent_again_is_the_same_transaction(id_tag: str) -> None:
    world = World()
    station = world.station()
    answer = station.ask(begin())
    world.effects.clear()
    assert station.ask(begin(id_tag=id_tag)) == answer
    station.ask(end(answer.transaction_id))
    world.system.authorisation.remove("tag")
    assert station.ask(begin()) == answer  # also after it has ended, and whatever has become of the idTag
    assert len(world.system.ledger.transactions()) == 1
    assert world.told(TransactionStarted) == []


@pytest.mark.parametrize("other", [{"connector_id": 2}, {"id_tag": "x"}, {"meter": 101}, {"seconds": 1}])
def test_d13_a_start_that_differs_is_another_transaction(other: dict[str, Any]) -> None:
    world = World()
    station = world.station()
    assert start(station) != start(station, **other)


def test_d13_a_start_of_another_station_is_another_transaction() -> None:
    world = World()
    assert start(world.station("CP1")) != start(world.station("CP2"))


def test_the_same_time_in_another_zone_is_the_same_time() -> None:
    world = World()
    station = world.station()
    first = start(station)
    text = '[2,"zone","StartTransaction",{"connectorId":1,"idTag":"tag","meterStart":100,"timestamp":"%s"}]'
    station.link.receive_data(text % "2026-01-01T02:00:00+02:00", now=world.now)
    world.feed(station)
    assert [each.transaction_id for each in world.system.ledger.transactions()] == [first]


def test_cp16_069_a_second_start_on_a_connector_supersedes_the_first_which_stays_open_for_its_stop() -> None:
    world = World()
    station = world.station()
    first, elsewhere = start(station), start(station, connector_id=2)
    second = start(station, seconds=100)
    (odd,) = world.told(LedgerAnomaly)
    assert (odd.kind, odd.transaction) == (Anomaly.SUPERSEDED, entry(world, first))
    assert [entry(world, each).is_running for each in (first, elsewhere, second)] == [False, True, True]
    assert world.system.ledger.running("CP1", 1) == entry(world, second)
    assert station.ask(end(first)) == STOPPED
    assert entry(world, first).stop is not None
    assert entry(world, first).is_superseded
    assert world.system.ledger.running("CP1", 1) == entry(world, second)
    assert anomalies(world) == []


def test_a_start_on_no_connector_is_odd_and_kept() -> None:
    world = World()
    station = world.station()
    assert entry(world, start(station, connector_id=0)).connector_id == 0
    assert anomalies(world) == [Anomaly.NO_CONNECTOR]


# -- ConcurrentTx --


def test_cs16_032_an_id_tag_has_one_transaction_at_a_time_where_that_is_wanted() -> None:
    world = World(options=Options(concurrent_transactions=False), tags=["tag", "other"])
    here, there = world.station("CP1"), world.station("CP2")
    first = start(here)
    refused = there.ask(begin(id_tag="TAG"))
    assert refused.id_tag_info.status is v16.AuthorizationStatus.CONCURRENT_TX
    assert there.ask(v16.AuthorizeRequest(id_tag="tag")).id_tag_info == ACCEPTED
    assert there.ask(begin(id_tag="other", connector_id=2)).id_tag_info == ACCEPTED
    there.ask(end(refused.transaction_id))
    assert there.ask(begin(seconds=1)).id_tag_info.status is v16.AuthorizationStatus.CONCURRENT_TX
    here.ask(end(first))
    assert there.ask(begin(seconds=2)).id_tag_info == ACCEPTED
    assert here.ask(begin(id_tag="unknown", connector_id=3)).id_tag_info == INVALID


def test_a_lost_stop_does_not_keep_a_driver_from_the_same_connector() -> None:
    world = World(options=Options(concurrent_transactions=False))
    station = world.station()
    start(station)
    assert station.ask(begin(seconds=1)).id_tag_info == ACCEPTED


def test_by_default_an_id_tag_may_have_several_transactions() -> None:
    station = World().station()
    assert [station.ask(begin(connector_id=each)).id_tag_info for each in (1, 2)] == [ACCEPTED, ACCEPTED]


def test_who_charges_where_is_known_after_a_restart() -> None:
    world = World(options=Options(concurrent_transactions=False))
    start(world.station("CP1"))
    world.restart()
    answer = world.station("CP2").ask(begin())
    assert answer.id_tag_info.status is v16.AuthorizationStatus.CONCURRENT_TX


# -- the ids --


def test_ids_are_those_that_the_host_has_drawn_and_tell_nothing_of_each_other_f_42() -> None:
    drawn = random.Random(0)
    world = World(ids=lambda: 1 + drawn.randrange(2**31 - 1))
    ids = [start(world.station(f"CP{number % 7}"), seconds=number) for number in range(200)]
    again = random.Random(0)
    assert ids == [1 + again.randrange(2**31 - 1) for _ in ids]
    assert len(set(ids)) == len(ids)
    quarters = [sum(each >> 29 == quarter for each in ids) for quarter in range(4)]
    assert all(35 < quarter < 65 for quarter in quarters), "of the 31 bits the first are as random as the last"


def test_an_id_that_is_taken_is_drawn_again() -> None:
    world = World(ids=iter([5, 5, 5, 6]).__next__)
    station = world.station()
    assert [start(station, connector_id=each) for each in (1, 2)] == [5, 6]
    assert world.told(HookFailed) == []


@pytest.mark.parametrize("drawn", [[1] * 20, [0], [-1], [2**31], ["1"], []])
def test_cs16_041_a_start_is_answered_though_there_are_no_ids(drawn: list[Any]) -> None:
    world = World(ids=iter([1, *drawn]).__next__)
    station = world.station()
    assert [start(station, connector_id=each) for each in (1, 2)] == [1, 2]
    (failed,) = world.told(HookFailed)
    assert (failed.identity, failed.hook) == ("CP1", "transaction_ids")


# -- stop --


def test_a_stop_closes_its_transaction() -> None:
    world = World()
    station = world.station()
    transaction_id = start(station)
    world.now = 7
    data = [reading()]
    stop = end(transaction_id, 400, 50, "tag", reason=v16.Reason.REMOTE, transaction_data=data)
    assert station.ask(stop) == v16.StopTransactionResponse(id_tag_info=ACCEPTED)
    told = Stop(meter_stop=400, timestamp=at(50), reason=v16.Reason.REMOTE, id_tag="tag", recorded_at=at(7))
    assert entry(world, transaction_id).stop == told
    assert world.told(TransactionStopped) == [TransactionStopped(entry(world, transaction_id), tuple(data))]
    assert world.system.ledger.running("CP1", 1) is None
    assert anomalies(world) == []


def test_cs16_042_what_is_known_of_an_id_tag_is_said_only_if_there_is_one() -> None:
    station = World().station()
    transaction_id = start(station)
    assert station.ask(end(transaction_id)) == STOPPED
    assert station.ask(end(transaction_id, id_tag="other")).id_tag_info == INVALID


def test_cp16_062_no_reason_means_local() -> None:
    world = World()
    station = world.station()
    transaction_id = start(station)
    station.ask(end(transaction_id))
    stop = entry(world, transaction_id).stop
    assert stop is not None
    assert stop.reason == v16.Reason.LOCAL


def test_d13_a_stop_that_is_sent_again_changes_nothing() -> None:
    world = World()
    station = world.station()
    transaction_id = start(station)
    station.ask(end(transaction_id))
    closed = entry(world, transaction_id)
    world.effects.clear()
    assert station.ask(end(transaction_id)) == STOPPED
    assert entry(world, transaction_id) == closed
    assert world.names() == []


def test_another_end_of_what_has_ended_is_kept_apart() -> None:
    world = World()
    station = world.station()
    transaction_id = start(station)
    station.ask(end(transaction_id))
    closed = entry(world, transaction_id)
    assert station.ask(end(transaction_id, meter=501)) == STOPPED
    (odd,) = world.told(LedgerAnomaly)
    assert (odd.kind, odd.transaction) == (Anomaly.ALREADY_STOPPED, closed)
    assert entry(world, transaction_id) == closed
    assert [each.stop.meter_stop for each in world.system.ledger.unmatched("CP1")] == [501]


@pytest.mark.parametrize(("transaction_id", "kind"), [(-1, "UndeliveredStart"), (0, "UnknownTransaction"), (9, None)])
def test_cs16_043_a_stop_of_no_transaction_is_answered_and_kept_once(transaction_id: int, kind: str | None) -> None:
    world = World()
    station = world.station()
    for _ in range(2):
        assert station.ask(end(transaction_id, id_tag="tag")).id_tag_info == ACCEPTED
    (odd,) = world.told(LedgerAnomaly)
    assert odd.kind == (kind or Anomaly.UNKNOWN_TRANSACTION)
    stop = Stop(meter_stop=500, timestamp=at(60), reason=v16.Reason.LOCAL, id_tag="tag", recorded_at=at(0))
    unmatched = UnmatchedStop(identity="CP1", transaction_id=transaction_id, stop=stop)
    assert odd.unmatched == unmatched
    assert world.system.ledger.unmatched() == (unmatched,)
    world.restart()
    assert world.station(boot=False).ask(end(transaction_id, id_tag="tag")).id_tag_info == ACCEPTED
    assert world.told(LedgerAnomaly) == []
    assert world.system.ledger.unmatched("CP1") == (unmatched,)
    assert world.system.ledger.unmatched("CP2") == ()


def test_a_stop_of_no_transaction_stays_one_though_its_id_is_given_away_later() -> None:
    world = World(ids=lambda: 7)
    station = world.station()
    station.ask(end(7))
    transaction_id = start(station)
    assert station.ask(end(7)) == STOPPED
    assert entry(world, transaction_id).is_running
    assert len(world.system.ledger.unmatched()) == 1


def test_a_station_does_not_reach_the_transaction_of_another_f_41() -> None:
    world = World()
    here, there = world.station("CP1"), world.station("CP2")
    transaction_id = start(here)
    running = entry(world, transaction_id)
    assert there.ask(end(transaction_id)) == STOPPED
    assert there.ask(values(transaction_id)) == NO_VALUES
    told = world.told(LedgerAnomaly)
    assert [(each.kind, each.identity, each.transaction) for each in told] == [
        (Anomaly.FOREIGN_TRANSACTION, "CP2", None)
    ] * 2
    assert entry(world, transaction_id) == running
    assert [each.identity for each in world.system.ledger.unmatched()] == ["CP2"]


@pytest.mark.parametrize(
    ("how", "kind"),
    [({"meter": 99}, Anomaly.METER_WENT_BACKWARDS), ({"seconds": -1}, Anomaly.STOPPED_BEFORE_STARTED)],
)
def test_cs16_041_a_stop_that_makes_no_sense_is_kept_as_it_was_told(how: dict[str, Any], kind: Anomaly) -> None:
    world = World()
    station = world.station()
    transaction_id = start(station)
    assert station.ask(end(transaction_id, **how)) == STOPPED
    assert anomalies(world) == [kind]
    assert entry(world, transaction_id).stop is not None


# -- meter values --


def test_cs16_080_meter_values_are_counted() -> None:
    world = World()
    station = world.station()
    transaction_id = start(station)
    assert station.ask(values(transaction_id)) == NO_VALUES
    assert station.ask(values(transaction_id, seconds=40)) == NO_VALUES
    assert entry(world, transaction_id).meter_values == 2
    told = world.told(TransactionUpdated)
    assert [each.meter_value for each in told] == [(reading(),), (reading(seconds=40),)]
    assert told[-1].transaction == entry(world, transaction_id)


def test_d04_meter_values_that_are_sent_again_are_not_counted_again() -> None:
    world = World()
    station = world.station()
    transaction_id = start(station)
    station.ask(values(transaction_id))
    world.restart()
    station = world.station(boot=False)
    assert station.ask(values(transaction_id)) == NO_VALUES
    assert entry(world, transaction_id).meter_values == 1
    assert world.told(TransactionUpdated) == []


def test_meter_values_of_no_transaction_are_passed_on() -> None:
    world = World()
    assert world.station().ask(values(None, connector_id=0)) == NO_VALUES
    assert world.told(MeterValuesReceived) == [MeterValuesReceived("CP1", values(None, connector_id=0))]


@pytest.mark.parametrize(
    ("transaction_id", "kind"), [(-1, Anomaly.UNDELIVERED_START), (5, Anomaly.UNKNOWN_TRANSACTION)]
)
def test_cs16_043_meter_values_of_an_unknown_transaction_are_answered(transaction_id: int, kind: Anomaly) -> None:
    world = World()
    assert world.station().ask(values(transaction_id)) == NO_VALUES
    (odd,) = world.told(LedgerAnomaly)
    assert (odd.kind, odd.request) == (kind, values(transaction_id))


def test_meter_values_after_the_end_change_nothing() -> None:
    world = World()
    station = world.station()
    transaction_id = start(station)
    station.ask(end(transaction_id))
    assert station.ask(values(transaction_id)) == NO_VALUES
    assert anomalies(world) == [Anomaly.ALREADY_STOPPED]
    assert entry(world, transaction_id).meter_values == 0


def test_meter_values_of_another_connector_are_odd_and_count() -> None:
    world = World()
    station = world.station()
    transaction_id = start(station)
    assert station.ask(values(transaction_id, connector_id=2)) == NO_VALUES
    assert anomalies(world) == [Anomaly.OTHER_CONNECTOR]
    assert entry(world, transaction_id).meter_values == 1


# -- what lasts --


def messages(transaction_id: int) -> list[Any]:
    return [begin(), values(transaction_id), end(transaction_id), end(-1)]


@pytest.mark.parametrize("step", range(4))
def test_d15_d16_nothing_is_answered_or_told_before_it_is_durable(step: int) -> None:
    world = World(ids=itertools.count(1).__next__)
    station = world.station()
    for request in messages(1)[:step]:
        station.ask(request)
    world.effects.clear()
    world.failing = True
    station.send(messages(1)[step])
    assert station.outcomes == []
    assert world.names() == []
    world.wait(10)
    assert station.outcomes == []
    world.failing = False
    world.wait(60)
    assert len(station.outcomes) == 1
    assert len(world.names()) == 1


@pytest.mark.parametrize("step", range(4))
def test_d04_what_was_not_durable_when_the_process_died_is_taken_in_when_it_comes_again(step: int) -> None:
    world = World(ids=itertools.count(1).__next__)
    station = world.station()
    for request in messages(1)[:step]:
        station.ask(request)
    world.failing = True
    station.send(messages(1)[step])
    world.failing = False
    world.ids = itertools.count(1).__next__
    world.restart()
    station = world.station(boot=False)
    for request in messages(1)[step:]:
        station.ask(request)
    (transaction,) = world.system.ledger.transactions()
    assert (transaction.meter_values, transaction.stop is not None) == (1, True)
    assert len(world.system.ledger.unmatched()) == 1


def test_a_retry_while_the_store_fails_is_the_same_transaction_and_waits_as_well() -> None:
    world = World()
    station = world.station()
    world.failing = True
    station.send(begin())
    again = world.station(boot=False)  # the link went, and the station sends it once more
    again.send(begin())
    assert again.outcomes == []
    world.failing = False
    world.wait(1)
    (answer,) = again.outcomes
    assert [each.transaction_id for each in world.system.ledger.transactions()] == [answer.transaction_id]
    assert len(world.told(TransactionStarted)) == 1


def test_the_ledger_is_the_same_after_a_restart() -> None:
    world = World(options=Options(concurrent_transactions=False), tags=["tag", "a", "b"])
    station = world.station()
    first = start(station, id_tag="a")
    station.ask(values(first))
    start(station, id_tag="b", seconds=1)
    station.ask(end(start(station, connector_id=2)))
    station.ask(end(-1))
    before = world.system.ledger
    world.effects.clear()
    world.restart()
    after = world.system.ledger
    assert after.transactions() == before.transactions()
    assert after.unmatched() == before.unmatched()
    assert after.running("CP1", 1) == before.running("CP1", 1)
    assert world.told(TransactionStarted) == []


def test_what_came_from_a_newer_station_can_be_read_back() -> None:
    """A session may be told to put up with reasons that 1.6 does not know."""
    world = World()
    station = world.station()
    transaction_id = start(station)
    request = end(transaction_id, reason="LocalOutOfCredit")
    world.system.receive_event("CP1", station.link, _received(request), now=0)
    while (batch := world.system.next_event()) is not None:
        if hasattr(batch, "changes"):
            world.store.commit(batch.changes)
            break
    world.restart()
    assert world.told(RecordUnreadable) == []
    stop = entry(world, transaction_id).stop
    assert stop is not None
    assert stop.reason == "LocalOutOfCredit"


def _received(request: Any) -> Any:
    return CallReceived("odd", "StopTransaction", request)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_the_ends_of_time_are_times(moment: str) -> None:
    world = World()
    station = world.station()
    timestamp = datetime.fromisoformat(moment)
    request = v16.StopTransactionRequest(transaction_id=-1, meter_stop=1, timestamp=timestamp)
    world.system.receive_event("CP1", station.link, _received(request), now=0)
    record = world.system.next_event()
    assert unpack(UnmatchedStop, record.changes[0].value).stop.timestamp == timestamp  # type: ignore[union-attr]


def test_d21_an_entry_that_cannot_be_read_is_told_and_the_others_are_there() -> None:
    world = World()
    transaction_id = start(world.station())
    world.store.commit([Put("transaction", "9", b"{}"), Put("unmatched", "x", b"[")])
    world.restart()
    assert [each.topic for each in world.told(RecordUnreadable)] == ["transaction", "unmatched"]
    assert [each.transaction_id for each in world.system.ledger.transactions()] == [transaction_id]


# -- what is taken out --


def test_what_has_ended_can_be_taken_out() -> None:
    world = World()
    station = world.station()
    transaction_id = start(station)
    with pytest.raises(LocalProtocolError, match="ended"):
        world.system.ledger.forget(transaction_id)
    station.ask(end(transaction_id))
    world.system.ledger.forget(transaction_id)
    world.settle()
    with pytest.raises(LocalProtocolError, match="ended"):
        world.system.ledger.forget(transaction_id)
    assert world.system.ledger.transaction(transaction_id) is None
    world.restart()
    assert world.system.ledger.transactions() == ()


def test_a_stop_of_no_transaction_can_be_taken_out() -> None:
    world = World()
    station = world.station()
    station.ask(end(-1))
    (unmatched,) = world.system.ledger.unmatched()
    world.system.ledger.forget_unmatched(unmatched)
    world.settle()
    with pytest.raises(LocalProtocolError, match="no such stop"):
        world.system.ledger.forget_unmatched(unmatched)
    world.restart()
    assert world.system.ledger.unmatched() == ()


def test_a_full_ledger_gives_up_what_has_ended_first_and_says_so() -> None:
    world = World(options=Options(max_transactions=2))
    station = world.station()
    older, ended = start(station, connector_id=1), start(station, connector_id=2)
    station.ask(end(ended))
    third = start(station, connector_id=3)
    fourth = start(station, connector_id=4)
    dropped = [each.entry.transaction_id for each in world.told(LedgerOverflow)]
    assert dropped == [ended, older]
    world.restart()
    assert [each.transaction_id for each in world.system.ledger.transactions("CP1")] == [third, fourth]


def test_a_full_ledger_gives_up_the_oldest_stop_of_no_transaction_and_says_so() -> None:
    world = World(options=Options(max_unmatched_stops=2))
    station = world.station()
    for meter in (1, 2, 3):
        station.ask(end(-1, meter=meter))
    assert [each.entry.stop.meter_stop for each in world.told(LedgerOverflow)] == [1]
    world.restart()
    assert [each.stop.meter_stop for each in world.system.ledger.unmatched("CP1")] == [2, 3]


# -- what the meter shows --


def test_a_meter_that_begins_below_zero_is_told_f_112() -> None:
    world = World()
    assert world.station().ask(begin(meter=-1)).id_tag_info == ACCEPTED
    assert anomalies(world) == [Anomaly.METER_BELOW_ZERO]


@pytest.mark.parametrize(
    ("shown", "stop", "times"),
    [
        ([100, 100, 250], 250, 0),
        ([250, 249], 500, 1),
        ([250, 50, 60], 500, 1),
        ([99], 500, 1),
        ([300], 299, 1),
        ([300], 99, 1),
        ([50], 99, 2),
    ],
)
def test_cp16_066_a_meter_that_goes_backwards_is_told_each_time_and_counted_all_the_same_f_112(
    shown: list[int], stop: int, times: int
) -> None:
    world = World()
    station = world.station()
    transaction_id = start(station)
    for number, value in enumerate(shown):
        station.ask(values(transaction_id, value=value, seconds=number))
    told = anomalies(world)
    world.restart()
    station = world.station(boot=False)
    station.ask(end(transaction_id, meter=stop))
    assert entry(world, transaction_id).meter_values == len(shown)
    assert entry(world, transaction_id).meter == shown[-1]
    assert told + anomalies(world) == [Anomaly.METER_WENT_BACKWARDS] * times


@pytest.mark.parametrize(
    "sample",
    [
        {"value": "NaN"},
        {"value": "-Infinity"},
        {"value": "1e999"},
        {"value": "some"},
        {"value": ""},
        {"value": "9" * 5000},
        {"value": "1", "measurand": v16.Measurand.VOLTAGE, "unit": v16.UnitOfMeasure.V},
        {"value": "1", "phase": v16.Phase.L1},
        {"value": "1", "location": v16.Location.INLET},
        {"value": "1", "unit": v16.UnitOfMeasure.V},
        {"value": "1", "format": v16.ValueFormat.SIGNED_DATA},
        {"value": "0.57", "unit": v16.UnitOfMeasure.KWH},
        {"value": "570.9", "unit": v16.UnitOfMeasure.WH, "location": v16.Location.OUTLET},
    ],
)
def test_cp16_143_only_the_register_of_the_outlet_says_where_the_meter_is_f_112(sample: dict[str, Any]) -> None:
    world = World()
    station = world.station()
    transaction_id = station.ask(begin(meter=570)).transaction_id
    reading = v16.MeterValue(timestamp=at(1), sampled_value=[v16.SampledValue(**sample)])
    request = v16.MeterValuesRequest(connector_id=1, transaction_id=transaction_id, meter_value=[reading])
    assert station.ask(request) == NO_VALUES
    assert entry(world, transaction_id).meter == 570
    assert anomalies(world) == []


def test_what_another_connector_s_meter_shows_says_nothing_of_this_one_f_112() -> None:
    world = World()
    station = world.station()
    transaction_id = start(station)
    station.ask(values(transaction_id, connector_id=2, value=1))
    assert entry(world, transaction_id).meter == 100
    assert anomalies(world) == [Anomaly.OTHER_CONNECTOR]
