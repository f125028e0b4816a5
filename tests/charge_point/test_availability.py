"""ChangeAvailability: at once, later, and after a reboot."""

import pytest

from ocpp_sansio.charge_point import ConnectorSetup, Setup
from ocpp_sansio.charge_point.effects import RecordQuarantined
from ocpp_sansio.charge_point.keys import STOP_TRANSACTION_ON_EV_SIDE_DISCONNECT
from ocpp_sansio.store import Put, pack
from ocpp_sansio.v16 import (
    AvailabilityStatus,
    AvailabilityType,
    ChangeAvailabilityRequest,
    StatusNotificationRequest,
)
from tests.charge_point.harness import BOOT
from tests.charge_point.seams import SeamBench

OUT = AvailabilityType.INOPERATIVE
IN = AvailabilityType.OPERATIVE
ACCEPTED = AvailabilityStatus.ACCEPTED
SCHEDULED = AvailabilityStatus.SCHEDULED
TWO = Setup(BOOT, connectors=(ConnectorSetup(), ConnectorSetup()))


@pytest.fixture
def bench():
    bench = SeamBench(TWO)
    bench.online()
    return bench


def change(bench, connector, kind):
    return bench.ask(ChangeAvailabilityRequest(connector_id=connector, type=kind)).status


def charging(bench, connector=1):
    bench.do("plug_in", connector)
    transaction = bench.begin(connector)
    bench.settle()
    return transaction


def test_one_connector_goes_out_of_service_and_back(bench):
    """CP16-100, CP16-102, ST16-A8, ST16-H1."""
    assert change(bench, 1, OUT) is ACCEPTED
    assert not bench.point._connectors[1].is_operative
    assert change(bench, 1, IN) is ACCEPTED
    assert bench.reports() == [(1, "Unavailable"), (1, "Available")]
    assert bench.point._connectors[1].is_operative


def test_what_is_so_already_is_accepted_and_not_reported_again(bench):
    """CP16-101."""
    assert change(bench, 1, IN) is ACCEPTED
    change(bench, 1, OUT)
    bench.settle()
    assert change(bench, 1, OUT) is ACCEPTED
    assert bench.reports() == []


def test_zero_is_the_charge_point_and_all_its_connectors(bench):
    """CP16-100, CP16-102."""
    assert change(bench, 0, OUT) is ACCEPTED
    assert bench.reports() == [(0, "Unavailable"), (1, "Unavailable"), (2, "Unavailable")]
    assert change(bench, 0, IN) is ACCEPTED
    assert bench.reports() == [(0, "Available"), (1, "Available"), (2, "Available")]


def test_the_answer_comes_before_the_report(bench, monkeypatch):
    """CP16-102."""
    order = []
    call, respond = bench.link.call, bench.link.respond
    monkeypatch.setattr(bench.link, "call", lambda *args, **more: order.append("call") or call(*args, **more))
    monkeypatch.setattr(bench.link, "respond", lambda *args, **more: order.append("answer") or respond(*args, **more))
    change(bench, 1, OUT)
    assert order == ["answer", "call"]


@pytest.mark.parametrize("connector", [-1, 3])
def test_a_connector_there_is_none_of_is_rejected(bench, connector):
    """CP16-105."""
    assert change(bench, connector, OUT) is AvailabilityStatus.REJECTED
    assert bench.store.load() == [record for record in bench.store.load() if record.topic != "availability"]


def test_a_connector_in_use_but_not_charging_leaves_over_available(bench):
    """CP16-03B: Preparing has no transition to Unavailable."""
    bench.do("plug_in", 1)
    change(bench, 1, OUT)
    assert bench.reports() == [(1, "Preparing"), (1, "Available"), (1, "Unavailable")]


def test_a_cable_that_is_plugged_in_is_in_use_when_the_connector_is_back(bench):
    """ST16-H2."""
    change(bench, 1, OUT)
    bench.do("plug_in", 1)
    assert bench.reports() == [(1, "Unavailable")]
    change(bench, 1, IN)
    assert bench.reports() == [(1, "Preparing")]


def test_a_transaction_is_waited_for_and_so_is_its_cable(bench):
    """CP16-101, ST16-C6, ST16-F8."""
    transaction = charging(bench)
    assert change(bench, 1, OUT) is SCHEDULED
    assert bench.point._connectors[1].is_operative
    assert bench.reports() == []
    bench.end(transaction)
    assert bench.reports() == [(1, "Finishing")]
    assert not bench.point._connectors[1].is_operative
    bench.seam("use", 1)
    bench.do("unplug", 1)
    assert bench.reports() == [(1, "Unavailable")]


def test_a_transaction_that_outlives_its_cable_is_waited_for(bench):
    """CP16-101, CP16-067, ST16-D8."""
    bench.set(STOP_TRANSACTION_ON_EV_SIDE_DISCONNECT, value=False)
    transaction = charging(bench)
    change(bench, 1, OUT)
    bench.do("unplug", 1)
    bench.do("unplug", 1)
    assert bench.reports() == [(1, "SuspendedEV")]
    bench.end(transaction)
    assert bench.reports() == [(1, "Unavailable")]


def test_with_no_cable_it_leaves_at_the_end_of_the_transaction(bench):
    """CP16-101, ST16-C8."""
    transaction = bench.begin(1)
    bench.settle()
    assert change(bench, 1, OUT) is SCHEDULED
    bench.end(transaction)
    assert bench.reports() == [(1, "Unavailable")]


def test_after_the_transaction_it_leaves_at_once(bench):
    """CP16-101, ST16-F8."""
    bench.end(charging(bench))
    bench.settle()
    assert change(bench, 1, OUT) is ACCEPTED
    assert bench.reports() == [(1, "Unavailable")]


def test_a_later_operative_cancels_what_is_scheduled(bench):
    """CP16-104."""
    transaction = charging(bench)
    change(bench, 1, OUT)
    assert change(bench, 1, IN) is ACCEPTED
    bench.end(transaction)
    bench.do("unplug", 1)
    assert bench.reports() == [(1, "Finishing"), (1, "Available")]


def test_the_charge_point_waits_for_the_last_transaction_and_the_idle_connectors_do_not(bench):
    """CP16-103."""
    first, second = bench.begin(1), None
    bench.do("plug_in", 2)
    second = bench.begin(2)
    bench.settle()
    assert change(bench, 0, OUT) is SCHEDULED
    assert bench.reports() == []
    bench.end(first)
    assert bench.reports() == [(1, "Unavailable")]
    bench.end(second)
    assert bench.reports() == [(2, "Finishing"), (0, "Unavailable")]
    bench.do("unplug", 2)
    assert bench.reports() == [(2, "Unavailable")]


def test_idle_connectors_leave_now(bench):
    """CP16-103."""
    charging(bench)
    assert change(bench, 0, OUT) is SCHEDULED
    assert bench.reports() == [(2, "Unavailable")]


def test_a_busy_connector_does_not_keep_another(bench):
    """CP16-101."""
    charging(bench)
    assert change(bench, 2, OUT) is ACCEPTED


def test_operative_cancels_what_is_scheduled_for_the_charge_point(bench):
    """CP16-104."""
    transaction = charging(bench)
    change(bench, 0, OUT)
    assert change(bench, 0, IN) is ACCEPTED
    bench.settle()
    bench.end(transaction)
    assert bench.reports() == [(1, "Finishing")]


def test_one_connector_may_be_back_while_the_charge_point_is_to_leave(bench):
    """CP16-100, CP16-104."""
    transaction = charging(bench)
    change(bench, 0, OUT)
    change(bench, 2, IN)
    bench.settle()
    bench.end(transaction)
    assert bench.reports() == [(1, "Finishing"), (0, "Unavailable")]


@pytest.mark.parametrize("busy", [False, True])
def test_what_is_out_of_service_or_scheduled_to_be_is_so_from_the_start_of_the_next_boot(bench, busy):
    """CP16-035, CP16-102, CP16-092."""
    if busy:
        charging(bench)
    change(bench, 1, OUT)
    again = SeamBench(TWO, records=bench.store.load())
    again.do("plug_in", 1)
    again.connect()
    again.online()
    assert [(request.connector_id, request.status) for request in again.sent(StatusNotificationRequest)] == [
        (0, "Available"),
        (1, "Unavailable"),
        (2, "Available"),
    ]


def test_what_is_back_in_service_is_so_after_a_boot(bench):
    """CP16-102."""
    change(bench, 0, OUT)
    change(bench, 0, IN)
    again = SeamBench(TWO, records=bench.store.load())
    assert all(again.point._connectors[number].is_operative for number in (1, 2))


def test_a_transaction_that_goes_on_after_a_boot_ends_at_a_connector_out_of_service(bench):
    """ST16-H4, ST16-D6."""
    change(bench, 1, OUT)
    again = SeamBench(TWO, records=bench.store.load())
    again.effects.clear()
    again.do("plug_in", 1)
    again.end(again.begin(1))
    again.do("unplug", 1)
    assert again.statuses() == [(1, "SuspendedEV"), (1, "Finishing"), (1, "Unavailable")]


@pytest.mark.parametrize(
    "record",
    [
        Put("availability", "3", pack("Inoperative")),
        Put("availability", "01", pack("Inoperative")),
        Put("availability", "1", pack("Operative")),
        Put("availability", "1", b"?"),
    ],
)
def test_a_record_that_makes_no_sense_is_put_aside(record):
    """D-21."""
    bench = SeamBench(TWO, records=[record])
    assert [effect.key for effect in bench.seen(RecordQuarantined)] == [record.key]
    assert bench.point._connectors[1].is_operative


def test_a_type_that_is_none_is_rejected(bench):
    """The session may put up with it: that takes nothing out of service."""
    assert change(bench, 1, "Nonsense") is AvailabilityStatus.REJECTED
    assert bench.point._connectors[1].is_operative
