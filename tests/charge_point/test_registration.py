"""BootNotification: when it is sent, what may be sent meanwhile, and what its answer means."""

from datetime import timedelta

import pytest

from ocpp_sansio import CallRefused, CallTimedOut, ConnectionLost, InvalidResponse, SessionClosed
from ocpp_sansio.charge_point import ChargePoint, Setup
from ocpp_sansio.charge_point.effects import RegistrationChanged, SetClock
from ocpp_sansio.charge_point.keys import HEARTBEAT_INTERVAL
from ocpp_sansio.store import Persist
from ocpp_sansio.v16 import (
    AvailabilityType,
    BootNotificationRequest,
    BootNotificationResponse,
    ChangeAvailabilityRequest,
    MessageTrigger,
    RegistrationStatus,
    StatusNotificationRequest,
    TriggerMessageRequest,
    TriggerMessageStatus,
)
from tests.charge_point.harness import BOOT, EPOCH, Bench, FakeLink
from tests.charge_point.seams import SeamBench

ACCEPTED = RegistrationStatus.ACCEPTED
PENDING = RegistrationStatus.PENDING
REJECTED = RegistrationStatus.REJECTED


def answer(status, interval=300, current_time=EPOCH):
    return BootNotificationResponse(current_time=current_time, interval=interval, status=status)


def connected(*answers):
    bench = SeamBench()
    bench.connect()
    for each in answers:
        bench.answer(each)
    return bench


def boots(bench):
    return len(bench.sent(BootNotificationRequest))


def test_a_boot_is_notified_on_the_first_link_before_anything_else():
    """CP16-010."""
    bench = SeamBench()
    bench.do("plug_in", 1)
    bench.connect()
    assert [call.request for call in bench.link.sent] == [BOOT]
    bench.do("unplug", 1)
    bench.wait(29)
    assert len(bench.link.sent) == 1


def test_what_happens_before_acceptance_is_taken_in_and_waits():
    """CP16-016, CP16-010."""
    bench = connected()
    bench.do("plug_in", 1)
    assert bench.statuses() == [(1, "Preparing")]
    assert bench.reports() == []


def test_acceptance_sets_the_interval_and_the_clock_and_is_told():
    """CP16-011, CP16-022."""
    later = EPOCH + timedelta(hours=1)
    bench = connected(answer(ACCEPTED, 77, later))
    assert bench.point.registration is ACCEPTED
    assert bench.seen(RegistrationChanged) == [RegistrationChanged(ACCEPTED)]
    assert bench.seen(SetClock) == [SetClock(later)]
    assert bench.core.settings[HEARTBEAT_INTERVAL] == 77
    assert bench.core.moment().utc == later


@pytest.mark.parametrize("interval", [0, -5])
def test_an_interval_that_is_none_leaves_ours(interval):
    """CP16-022."""
    bench = connected(answer(ACCEPTED, interval))
    assert bench.core.settings[HEARTBEAT_INTERVAL] == 300


@pytest.mark.parametrize("status", [PENDING, REJECTED])
def test_who_is_not_accepted_asks_again_after_the_interval_and_not_earlier(status):
    """CP16-012, CP16-01A, CP16-013."""
    bench = connected(answer(status, 100))
    bench.wait(99)
    assert boots(bench) == 1
    bench.wait(1)
    assert boots(bench) == 2
    assert bench.point.registration is status


@pytest.mark.parametrize("interval", [0, -100])
def test_an_interval_left_to_us_is_one_that_does_not_flood(interval):
    """CP16-012."""
    bench = connected(answer(PENDING, interval))
    bench.wait(29)
    assert boots(bench) == 1
    bench.wait(1)
    assert boots(bench) == 2


def test_for_days_nothing_is_sent_but_boot_notifications():
    """D-17, CP16-010, CP16-013, CP16-014."""
    bench = connected(answer(REJECTED, 3600))
    for status in (REJECTED, PENDING) * 24:
        bench.do("plug_in", 1)
        bench.do("unplug", 1)
        bench.wait(3600)
        bench.answer(answer(status, 3600))
    assert {type(call.request) for call in bench.link.sent} == {BootNotificationRequest}
    bench.wait(3600)
    bench.answer(answer(ACCEPTED))
    assert bench.reports() == [(0, "Available"), (1, "Available")]


def test_who_is_rejected_answers_nothing():
    """CP16-013."""
    bench = connected(answer(REJECTED, 100))
    assert bench.ask(ChangeAvailabilityRequest(connector_id=1, type=AvailabilityType.INOPERATIVE)) is None
    assert [each for _, each in bench.link.answers] == [None]
    assert bench.statuses() == []


def test_who_is_pending_answers():
    """CP16-014, CP16-01A."""
    bench = connected(answer(PENDING, 100))
    assert bench.ask(ChangeAvailabilityRequest(connector_id=1, type=AvailabilityType.INOPERATIVE)) is not None
    assert boots(bench) == len(bench.link.sent)


def trigger(bench):
    return bench.ask(TriggerMessageRequest(requested_message=MessageTrigger.BOOT_NOTIFICATION)).status


def test_a_trigger_shortens_the_wait_of_who_is_pending():
    """CP16-012."""
    bench = connected(answer(PENDING, 100))
    assert trigger(bench) is TriggerMessageStatus.ACCEPTED
    assert boots(bench) == 2
    bench.wait(100)
    assert boots(bench) == 2


def test_who_is_accepted_does_not_ask_again_and_so_cannot_be_sent_back():
    """CP16-015, CP16-019, CS16-005."""
    bench = connected(answer(ACCEPTED))
    assert trigger(bench) is TriggerMessageStatus.REJECTED
    assert boots(bench) == 1


def test_an_answer_after_the_link_it_was_asked_on_changes_nothing():
    """CP16-019, RPC-131."""
    bench = connected()
    (call,) = bench.unanswered
    bench.disconnect()
    bench.answer(answer(ACCEPTED), call)
    assert bench.point.registration is None


def test_another_link_is_no_boot():
    """RPC-124, CP16-017."""
    bench = connected(answer(ACCEPTED))
    bench.disconnect()
    bench.connect()
    assert boots(bench) == 0
    bench.do("plug_in", 1)
    assert bench.sent(StatusNotificationRequest)[-1].status == "Preparing"


def test_the_wait_of_who_is_not_accepted_holds_on_the_next_link():
    """CP16-012, CP16-017."""
    bench = connected(answer(PENDING, 100))
    bench.disconnect()
    bench.wait(50)
    bench.connect()
    assert boots(bench) == 0
    bench.wait(50)
    assert boots(bench) == 1


def test_a_wait_that_ends_without_a_link_ends_with_the_next():
    """CP16-012."""
    bench = connected(answer(PENDING, 100))
    bench.disconnect()
    bench.wait(200)
    bench.connect()
    assert boots(bench) == 1


def test_a_new_boot_has_no_registration():
    """CP16-010."""
    bench = connected(answer(ACCEPTED))
    again = bench.reboot()
    again.connect()
    assert again.point.registration is None
    assert boots(again) == 1


@pytest.mark.parametrize("failure", [CallTimedOut(30), CallRefused("InternalError"), InvalidResponse((), "{}")])
def test_without_an_answer_it_is_asked_again_after_a_while(failure):
    """CP16-018."""
    bench = connected()
    bench.answer(failure)
    assert bench.point.registration is None
    bench.wait(29)
    assert boots(bench) == 1
    bench.wait(1)
    assert boots(bench) == 2


def test_if_the_link_is_lost_the_next_one_asks_at_once():
    """CP16-018, RPC-131."""
    bench = connected()
    bench.disconnect()
    bench.connect()
    assert boots(bench) == 1


@pytest.mark.parametrize("sent", [True, False])
def test_that_is_so_too_if_the_message_is_known_to_be_lost_before_the_link_is(sent):
    """CP16-018, RPC-131: a session tells of the outcomes of its CALLs, and then of its end."""
    bench = connected()
    bench.answer(ConnectionLost(sent=sent))
    bench.disconnect()
    bench.connect()
    assert boots(bench) == 1
    bench.answer(answer(ACCEPTED))
    bench.wait(100)
    assert boots(bench) == 1


def test_a_link_that_takes_nothing_is_asked_again_after_a_while(monkeypatch):
    """CP16-018."""
    bench = Bench()
    link = FakeLink()

    def refuse(*args, **kwargs):
        raise SessionClosed

    with monkeypatch.context() as broken:
        broken.setattr(link, "call", refuse)
        bench.link = link
        bench.do("link_up", link)
    bench.wait(30)
    assert boots(bench) == 1


def test_what_waited_for_the_store_while_the_link_changed_is_not_lost():
    """CP16-010, D-09: the BootNotification of the first link was never sent, and the second link came before that."""
    point = ChargePoint(Setup(BOOT), now=0.0, utc=EPOCH)
    assert isinstance(point.next_event(), Persist)
    first, second = FakeLink(), FakeLink()
    point.link_up(first, now=0.0)
    point.link_down(now=0.0)
    point.link_up(second, now=0.0)
    point.persisted(now=0.0)
    assert point.next_event() is None
    point.handle_timeout(now=30.0)
    assert point.next_event() is None
    assert first.sent == []
    assert [call.request for call in second.sent] == [BOOT]


def test_a_time_that_cannot_be_is_passed_over():
    """CP16-011, D-19: whatever the central system says, no clock runs over."""
    bench = connected(answer(ACCEPTED, 300, EPOCH.replace(year=9999)))
    assert bench.point.registration is ACCEPTED
    assert bench.seen(SetClock) == []
    assert bench.core.moment().utc == EPOCH


def test_connection_lost_says_whether_it_was_sent():
    """RPC-131."""
    bench = connected(answer(ACCEPTED))
    outcomes = []
    bench.core.call(BOOT, outcomes.append)
    bench.drain()
    bench.disconnect()
    assert [(type(outcome), outcome.sent) for outcome in outcomes] == [(ConnectionLost, True)]
