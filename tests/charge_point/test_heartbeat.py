"""Heartbeat: a sign of life, and the time."""

from datetime import timedelta

import pytest

from ocpp_sansio import CallTimedOut
from ocpp_sansio.charge_point.effects import SetClock
from ocpp_sansio.charge_point.keys import CONNECTION_TIME_OUT, HEARTBEAT_INTERVAL, MINIMUM_STATUS_DURATION
from ocpp_sansio.v16 import (
    DataTransferRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    MessageTrigger,
    TriggerMessageRequest,
)
from tests.charge_point.harness import EPOCH
from tests.charge_point.seams import SeamBench

DAY = 86_400
BEAT = HeartbeatResponse(current_time=EPOCH + timedelta(days=1))


def online(interval=100, **options):
    bench = SeamBench(**options)
    bench.online(interval)
    return bench


def beats(bench):
    return len(bench.sent(HeartbeatRequest))


def answer(bench, outcome=BEAT):
    (call,) = (call for call in bench.unanswered if isinstance(call.request, HeartbeatRequest))
    bench.answer(outcome, call)


def test_an_idle_charge_point_sends_one_in_every_interval():
    """CP16-020, CP16-023."""
    bench = online()
    for count in range(1, 4):
        bench.wait(99)
        assert beats(bench) == count - 1
        bench.wait(1)
        assert beats(bench) == count
        answer(bench)


def test_any_other_message_will_do():
    """CP16-020, CS16-010."""
    bench = online()
    bench.set(CONNECTION_TIME_OUT, 1000)
    bench.wait(60)
    bench.do("plug_in", 1)
    bench.wait(99)
    assert beats(bench) == 0
    bench.wait(1)
    assert beats(bench) == 1


def test_so_will_an_answer():
    """CP16-020."""
    bench = online()
    bench.wait(60)
    bench.ask(DataTransferRequest(vendor_id="com.example"))
    bench.wait(99)
    assert beats(bench) == 0


def test_its_answer_sets_the_clock():
    """CP16-021."""
    bench = online()
    bench.wait(100)
    answer(bench)
    assert bench.seen(SetClock) == [SetClock(BEAT.current_time)]
    assert bench.core.moment().utc == BEAT.current_time


def test_its_failure_changes_nothing():
    """CP16-021."""
    bench = online()
    bench.wait(100)
    answer(bench, CallTimedOut(30))
    assert bench.seen(SetClock) == []
    bench.wait(100)
    assert beats(bench) == 2


def test_one_is_not_sent_while_another_has_no_answer():
    bench = online()
    bench.wait(500)
    assert beats(bench) == 1
    answer(bench)
    bench.wait(100)
    assert beats(bench) == 2


def test_once_a_day_the_time_is_asked_for_whatever_else_is_sent():
    """CP16-021, RPC-120."""
    bench = online(3600)
    for _ in range(47):
        bench.do("transfer_data", "com.example")
        bench.wait(1800)
    assert beats(bench) == 0
    bench.do("transfer_data", "com.example")
    bench.wait(1800)
    assert beats(bench) == 1


def test_other_links_bring_no_time():
    """CP16-021, RPC-120, RPC-124: a link that comes back does not put off what is due once a day."""
    bench = online(DAY)
    for _ in range(3):
        bench.wait(DAY / 4)
        bench.disconnect()
        bench.connect()
    bench.wait(DAY / 4)
    assert beats(bench) == 1


def test_the_answer_to_the_boot_notification_brings_the_time():
    """CP16-021."""
    bench = SeamBench()
    bench.wait(DAY - 1)
    bench.online(2 * DAY)
    bench.wait(DAY - 1)
    assert beats(bench) == 0
    bench.wait(1)
    assert beats(bench) == 1


def test_a_new_interval_holds_at_once():
    """CP16-022."""
    bench = online(1000)
    bench.wait(60)
    bench.set(HEARTBEAT_INTERVAL, 100)
    bench.wait(39)
    assert beats(bench) == 0
    bench.wait(1)
    assert beats(bench) == 1


def test_a_new_interval_that_is_over_already_is_over_now():
    """CP16-022."""
    bench = online(1000)
    bench.wait(60)
    bench.set(HEARTBEAT_INTERVAL, 50)
    bench.wait(0)
    assert beats(bench) == 1


def test_another_key_is_no_concern_of_it():
    """CP16-022."""
    bench = online()
    bench.wait(50)
    bench.set(MINIMUM_STATUS_DURATION, 1)
    bench.wait(50)
    assert beats(bench) == 1


def test_without_a_link_there_is_none():
    """CP16-020."""
    bench = online()
    bench.disconnect()
    bench.set(HEARTBEAT_INTERVAL, 10)
    assert bench.point.next_timeout() is None
    bench.wait(1000)
    bench.connect()
    bench.wait(9)
    assert beats(bench) == 0
    bench.wait(1)
    assert beats(bench) == 1


def test_before_acceptance_there_is_none():
    """CP16-010."""
    bench = SeamBench()
    bench.connect()
    bench.set(HEARTBEAT_INTERVAL, 1)
    bench.wait(10)
    assert beats(bench) == 0


@pytest.mark.parametrize("start", [2 / 7, 0.1, 1e9 / 7])
def test_a_deadline_that_rounds_is_met_once(start):
    """CP16-020: in floating point, adding the interval and taking it away again is not where one was."""
    bench = online(7, now=start)
    for count in range(1, 50):
        bench.wait(7)
        bench.wait(1)
        assert beats(bench) == count
        answer(bench)


def test_it_can_be_asked_for():
    """CP16-181, CP16-183."""
    bench = online()
    bench.ask(TriggerMessageRequest(requested_message=MessageTrigger.HEARTBEAT))
    assert beats(bench) == 1
