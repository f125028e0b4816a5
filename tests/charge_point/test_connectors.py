"""Connectors: the states that hosts and transactions make of them, and what is reported of these."""

from datetime import timedelta

import pytest

from ocpp_sansio import CallRefused, CallTimedOut, LocalProtocolError, SessionClosed
from ocpp_sansio.charge_point import ConnectorSetup, Setup
from ocpp_sansio.charge_point.backbone import PlugChanged, StatusMoved
from ocpp_sansio.charge_point.keys import (
    CONNECTION_TIME_OUT,
    MINIMUM_STATUS_DURATION,
    STOP_TRANSACTION_ON_EV_SIDE_DISCONNECT,
)
from ocpp_sansio.v16 import (
    BootNotificationResponse,
    ChargePointErrorCode,
    MessageTrigger,
    RegistrationStatus,
    StatusNotificationRequest,
    TriggerMessageRequest,
    TriggerMessageStatus,
)
from tests.charge_point.harness import BOOT, EPOCH
from tests.charge_point.seams import SeamBench

TWO = Setup(BOOT, connectors=(ConnectorSetup(), ConnectorSetup()))
FIXED = Setup(BOOT, connectors=(ConnectorSetup(has_lock=False, fixed_cable=True),))
DISCONNECTED = "EV side disconnected"


@pytest.fixture
def bench():
    bench = SeamBench()
    bench.online()
    return bench


def charging(bench):
    bench.do("plug_in", 1)
    transaction = bench.begin()
    bench.do("ev_ready", 1)
    bench.settle()
    bench.effects.clear()
    return transaction


def last(bench):
    return bench.sent(StatusNotificationRequest)[-1]


# -- what the hardware says --


def test_connectors_are_numbered_from_one_without_gaps():
    """CP16-001."""
    table = SeamBench(TWO).point._connectors
    assert list(table.ids()) == [1, 2]
    assert [table[number].id for number in table.ids()] == [1, 2]
    assert table[1].setup is TWO.connectors[0]
    for number in (0, 3):
        with pytest.raises(KeyError):
            table[number]


def test_a_cable_makes_a_connector_prepare_and_its_removal_frees_it(bench):
    """ST16-A2, ST16-B1, CP16-031."""
    bench.do("plug_in", 1)
    bench.do("plug_in", 1)
    assert bench.point._connectors[1].is_plugged
    bench.do("unplug", 1)
    bench.do("unplug", 1)
    assert bench.reports() == [(1, "Preparing"), (1, "Available")]
    assert bench.statuses() == [(1, "Preparing"), (1, "Available")]
    assert [notice.connector.id for notice in bench.heard(PlugChanged)] == [1, 1]
    assert [(str(notice.old), str(notice.new)) for notice in bench.heard(StatusMoved)] == [
        ("Available", "Preparing"),
        ("Preparing", "Available"),
    ]


def test_an_id_tag_first_and_a_cable_later_is_one_use(bench):
    """ST16-A2."""
    bench.seam("use", 1)
    bench.do("plug_in", 1)
    assert bench.reports() == [(1, "Preparing")]


def test_a_release_frees_what_has_no_cable_only(bench):
    """ST16-B1."""
    bench.seam("use", 1)
    bench.seam("release", 1)
    bench.do("plug_in", 1)
    bench.seam("release", 1)
    assert bench.reports() == [(1, "Preparing"), (1, "Available"), (1, "Preparing")]


def test_a_use_without_a_cable_times_out_to_available(bench):
    """CP16-03C."""
    bench.seam("use", 1)
    bench.seam("time_out", 1)
    assert bench.reports() == [(1, "Preparing"), (1, "Available")]


def test_a_use_with_a_cable_times_out_to_finishing_until_the_cable_is_out(bench):
    """CP16-03C, ST16-B6, ST16-F1."""
    bench.do("plug_in", 1)
    bench.seam("time_out", 1)
    bench.do("unplug", 1)
    assert bench.reports() == [(1, "Preparing"), (1, "Finishing"), (1, "Available")]


def test_a_transaction_shows_who_holds_back(bench):
    """CP16-034, ST16-B4, ST16-D3, ST16-C4, ST16-D5, ST16-E4."""
    bench.do("plug_in", 1)
    bench.begin()
    bench.do("ev_ready", 1)
    bench.do("ev_not_ready", 1)
    bench.do("evse_not_ready", 1)
    bench.do("evse_ready", 1)
    assert [status for _, status in bench.reports()] == [
        "Preparing",
        "SuspendedEV",
        "Charging",
        "SuspendedEV",
        "SuspendedEVSE",
        "SuspendedEV",
    ]


def test_when_both_hold_back_it_is_the_evse(bench):
    """CP16-033."""
    charging(bench)
    bench.do("ev_not_ready", 1)
    bench.do("evse_not_ready", 1)
    bench.do("ev_ready", 1)
    bench.do("ev_not_ready", 1)
    assert bench.reports() == [(1, "SuspendedEV"), (1, "SuspendedEVSE")]


def test_energy_that_is_not_allowed_suspends_the_evse_for_that_transaction(bench):
    """CP16-034, ST16-C5, ST16-E3."""
    transaction = charging(bench)
    bench.seam("allow_energy", 1, allowed=False)
    bench.seam("allow_energy", 1, allowed=True)
    bench.seam("allow_energy", 1, allowed=False)
    bench.end(transaction)
    bench.do("unplug", 1)
    bench.do("plug_in", 1)
    bench.do("ev_ready", 1)
    bench.begin()
    assert [status for _, status in bench.reports()] == [
        "SuspendedEVSE",
        "Charging",
        "SuspendedEVSE",
        "Finishing",
        "Available",
        "Preparing",
        "Charging",
    ]


def test_without_a_transaction_readiness_shows_nowhere(bench):
    bench.do("plug_in", 1)
    bench.settle()
    bench.do("ev_ready", 1)
    bench.do("evse_not_ready", 1)
    bench.seam("allow_energy", 1, allowed=False)
    assert bench.reports() == []


def test_after_a_transaction_the_cable_has_to_be_taken_out(bench):
    """ST16-C6, ST16-F1."""
    bench.end(charging(bench))
    bench.do("unplug", 1)
    assert bench.reports() == [(1, "Finishing"), (1, "Available")]


def test_plugging_in_again_goes_on_to_the_next_transaction(bench):
    """ST16-F2."""
    bench.end(charging(bench))
    bench.seam("use", 1)
    assert bench.reports() == [(1, "Finishing"), (1, "Preparing")]


def test_a_transaction_without_a_cable_leaves_its_place_free(bench):
    """ST16-C1."""
    bench.do("ev_ready", 1)
    bench.end(bench.begin())
    assert bench.reports() == [(1, "Charging"), (1, "Available")]


# -- the EV is disconnected in the midst of a transaction --


def test_where_that_ends_the_transaction_the_connector_is_finishing_and_says_why(bench):
    """CP16-067, CP16-03A."""
    transaction = charging(bench)
    bench.do("unplug", 1)
    assert bench.reports() == []
    bench.end(transaction)
    assert bench.reports() == [(1, "Finishing")]
    assert last(bench).info == DISCONNECTED
    bench.do("unplug", 1)
    assert bench.reports() == [(1, "Available")]
    assert last(bench).info is None


def test_a_fixed_cable_is_free_at_once():
    """CP16-067, ST16-C1."""
    bench = SeamBench(FIXED)
    bench.online()
    transaction = charging(bench)
    bench.do("unplug", 1)
    bench.end(transaction)
    assert bench.reports() == [(1, "Available")]
    assert last(bench).info == DISCONNECTED
    bench.do("fault", 1, ChargePointErrorCode.INTERNAL_ERROR)
    bench.do("fault_cleared", 1)
    assert last(bench).info is None


def test_where_the_transaction_goes_on_it_is_the_ev_that_suspends(bench):
    """CP16-067."""
    bench.set(STOP_TRANSACTION_ON_EV_SIDE_DISCONNECT, value=False)
    charging(bench)
    bench.do("unplug", 1)
    assert bench.reports() == [(1, "SuspendedEV")]
    assert (last(bench).info, last(bench).error_code) == (DISCONNECTED, "NoError")
    bench.do("plug_in", 1)
    bench.do("ev_ready", 1)
    assert bench.reports() == [(1, "Charging")]
    assert last(bench).info is None
    assert len(bench.heard(PlugChanged)) == 3


def test_it_says_so_even_if_the_ev_was_suspended_before(bench):
    """CP16-067."""
    bench.set(STOP_TRANSACTION_ON_EV_SIDE_DISCONNECT, value=False)
    charging(bench)
    bench.do("ev_not_ready", 1)
    bench.settle()
    bench.do("unplug", 1)
    assert bench.reports() == [(1, "SuspendedEV")]
    assert last(bench).info == DISCONNECTED


def test_a_cable_that_is_pulled_out_of_a_transaction_that_goes_on_leaves_nothing_to_be_cleared(bench):
    """CP16-067, ST16-D1."""
    bench.set(STOP_TRANSACTION_ON_EV_SIDE_DISCONNECT, value=False)
    transaction = charging(bench)
    bench.do("unplug", 1)
    bench.do("unplug", 1)
    bench.end(transaction)
    assert bench.reports() == [(1, "SuspendedEV"), (1, "Available")]


# -- faults and warnings --


def test_a_fault_lies_over_the_state_and_gives_it_back_as_it_has_become(bench):
    """ST16-C9, ST16-I4."""
    charging(bench)
    bench.do("fault", 1, ChargePointErrorCode.GROUND_FAILURE, "leak", "vendor", "E7")
    assert bench.reports() == [(1, "Faulted")]
    said = last(bench)
    assert (said.error_code, said.info, said.vendor_id, said.vendor_error_code) == (
        "GroundFailure",
        "leak",
        "vendor",
        "E7",
    )
    assert not bench.point._connectors[1].is_operative
    bench.do("ev_not_ready", 1)
    assert bench.reports() == []
    bench.do("fault_cleared", 1)
    assert bench.reports() == [(1, "SuspendedEV")]
    assert last(bench).error_code == "NoError"
    moves = [(str(notice.old), str(notice.new)) for notice in bench.heard(StatusMoved)]
    assert moves[-2:] == [("Charging", "Faulted"), ("Faulted", "SuspendedEV")]


def test_another_fault_is_another_report_and_a_warning_is_none(bench):
    """CP16-036."""
    bench.do("fault", 1, ChargePointErrorCode.GROUND_FAILURE)
    bench.do("fault", 1, ChargePointErrorCode.GROUND_FAILURE)
    bench.do("fault", 1, ChargePointErrorCode.HIGH_TEMPERATURE)
    bench.do("warn", 1, ChargePointErrorCode.WEAK_SIGNAL)
    sent = bench.sent(StatusNotificationRequest)[2:]
    assert [request.error_code for request in sent] == ["GroundFailure", "HighTemperature"]


def test_a_lock_that_fails_is_a_fault(bench):
    """CP16-039."""
    bench.seam("fail", 1, ChargePointErrorCode.CONNECTOR_LOCK_FAILURE)
    assert bench.reports() == [(1, "Faulted")]
    assert last(bench).error_code == "ConnectorLockFailure"


def test_a_warning_goes_with_the_state_until_the_next(bench):
    """CP16-036."""
    bench.do("warn", 1, ChargePointErrorCode.OTHER_ERROR, "odd", "vendor", "E8")
    assert bench.reports() == [(1, "Available")]
    assert (last(bench).error_code, last(bench).vendor_error_code) == ("OtherError", "E8")
    bench.do("plug_in", 1)
    assert last(bench).error_code == "NoError"


def test_a_warning_can_be_taken_back(bench):
    """CP16-036."""
    bench.do("warn", 1, ChargePointErrorCode.WEAK_SIGNAL)
    bench.do("fault_cleared", 1)
    bench.do("fault_cleared", 1)
    assert bench.reports() == [(1, "Available"), (1, "Available")]
    assert last(bench).error_code == "NoError"


def test_the_charge_point_itself_has_faults_and_warnings_that_are_no_connectors(bench):
    """CP16-030, CP16-04D."""
    bench.seam("remark", 0, ChargePointErrorCode.LOCAL_LIST_CONFLICT)
    assert last(bench).error_code == "LocalListConflict"
    bench.do("fault", 0, ChargePointErrorCode.INTERNAL_ERROR)
    bench.do("fault_cleared", 0)
    assert bench.reports() == [(0, "Available"), (0, "Faulted"), (0, "Available")]
    assert bench.heard(StatusMoved) == []


def test_trouble_with_the_ev_goes_with_the_states_that_have_one(bench):
    """CP16-036."""
    trouble = ChargePointErrorCode.EV_COMMUNICATION_ERROR
    with pytest.raises(LocalProtocolError, match="Available"):
        bench.do("warn", 1, trouble)
    with pytest.raises(LocalProtocolError, match="Faulted"):
        bench.do("fault", 1, trouble)
    bench.do("plug_in", 1)
    bench.do("warn", 1, trouble)
    assert (last(bench).status, last(bench).error_code) == ("Preparing", "EVCommunicationError")


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("plug_in", (0,)),
        ("unplug", (2,)),
        ("ev_ready", (-1,)),
        ("ev_not_ready", (2,)),
        ("evse_ready", (0,)),
        ("evse_not_ready", (2,)),
        ("fault", (2, ChargePointErrorCode.INTERNAL_ERROR)),
        ("fault_cleared", (2,)),
        ("warn", (2, ChargePointErrorCode.WEAK_SIGNAL)),
        ("fault", (1, ChargePointErrorCode.NO_ERROR)),
        ("fault", (1, ChargePointErrorCode.OTHER_ERROR)),
        ("warn", (1, ChargePointErrorCode.OTHER_ERROR)),
        ("warn", (1, ChargePointErrorCode.WEAK_SIGNAL, "x" * 51)),
        ("fault", (1, ChargePointErrorCode.INTERNAL_ERROR, "", "x" * 256)),
    ],
)
def test_what_a_host_must_not_say_is_refused_and_changes_nothing(bench, verb, args):
    """CP16-001, CP16-036."""
    with pytest.raises(LocalProtocolError):
        bench.do(verb, *args)
    bench.drain()
    assert bench.reports() == []
    assert bench.statuses() == []


# -- when it is reported --


def accepted():
    return BootNotificationResponse(current_time=EPOCH, interval=300, status=RegistrationStatus.ACCEPTED)


def test_after_the_first_acceptance_of_a_boot_everything_is_reported():
    """CP16-011; CP16-031 is subject to CP16-010 until then."""
    bench = SeamBench(TWO)
    bench.do("plug_in", 2)
    bench.connect()
    assert bench.sent(StatusNotificationRequest) == []
    bench.answer(accepted())
    assert bench.reports() == [(0, "Available"), (1, "Available"), (2, "Preparing")]


def test_a_report_bears_the_time_at_which_it_became_so(bench):
    """CP16-038, CP16-031."""
    bench.set(CONNECTION_TIME_OUT, 1000)
    bench.wait(5)
    bench.disconnect()
    bench.do("plug_in", 1)
    bench.wait(100)
    bench.connect()
    assert last(bench).timestamp == EPOCH + timedelta(seconds=5)


def test_a_time_noted_before_the_clock_was_right_is_put_right():
    """D-19."""
    bench = SeamBench(utc=EPOCH - timedelta(days=9000))
    bench.wait(10)
    bench.do("plug_in", 1)
    bench.wait(10)
    bench.online()
    assert last(bench).timestamp == EPOCH - timedelta(seconds=10)


def test_after_a_gap_what_differs_from_what_was_heard_is_reported_and_no_history():
    """CP16-037."""
    bench = SeamBench(TWO)
    bench.online()
    bench.disconnect()
    bench.do("plug_in", 1)
    bench.do("plug_in", 2)
    bench.do("fault", 0, ChargePointErrorCode.INTERNAL_ERROR)
    bench.do("fault_cleared", 0)
    bench.do("fault", 2, ChargePointErrorCode.HIGH_TEMPERATURE)
    bench.do("unplug", 1)
    bench.connect()
    assert bench.reports() == [(2, "Faulted")]


def test_the_order_of_events_is_kept_across_a_gap():
    """CP16-037."""
    bench = SeamBench(TWO)
    bench.online()
    bench.disconnect()
    bench.do("plug_in", 2)
    bench.wait(1)
    bench.do("plug_in", 1)
    bench.connect()
    assert bench.reports() == [(2, "Preparing"), (1, "Preparing")]


def test_what_was_on_its_way_when_the_link_was_lost_is_said_again(bench):
    """CP16-037, RPC-131."""
    bench.do("plug_in", 1)
    bench.disconnect()
    bench.connect()
    assert bench.reports() == [(1, "Preparing")]
    bench.disconnect()
    bench.connect()
    assert bench.reports() == []


def test_without_a_link_nothing_is_tried(bench):
    """CP16-037."""
    bench.do("warn", 1, ChargePointErrorCode.WEAK_SIGNAL)
    bench.disconnect()
    assert bench.point.next_timeout() is None


def test_what_a_link_would_not_take_is_said_later(bench, monkeypatch):
    """F-124: too much was waiting."""

    def refuse(*args, **kwargs):
        raise SessionClosed

    with monkeypatch.context() as broken:
        broken.setattr(bench.link, "call", refuse)
        bench.do("plug_in", 1)
    bench.wait(30)
    assert bench.reports() == [(1, "Preparing")]


@pytest.mark.parametrize("failure", [CallTimedOut(30), CallRefused("InternalError")])
def test_a_report_that_was_not_taken_is_said_again_three_times_and_then_at_the_next_occasion(bench, failure):
    """CP16-031: not lost for good, and no flood."""
    bench.set(CONNECTION_TIME_OUT, 10_000)
    bench.do("plug_in", 1)
    for wait in (30, 60, 120):
        bench.answer(failure)
        bench.wait(wait - 1)
        assert bench.unanswered == []
        bench.wait(1)
        assert [call.request.status for call in bench.unanswered] == ["Preparing"]
    bench.answer(failure)
    bench.wait(250)
    assert bench.unanswered == []
    bench.disconnect()
    bench.connect()
    bench.answer(failure)
    bench.wait(30)
    assert bench.reports() == [(1, "Preparing")]


def test_once_something_was_taken_the_waits_begin_anew(bench):
    """CP16-031."""
    for _ in range(5):
        bench.do("warn", 1, ChargePointErrorCode.WEAK_SIGNAL)
        bench.answer(CallTimedOut(30))
        bench.wait(30)
        assert bench.reports() == [(1, "Available")]
        bench.do("fault_cleared", 1)
        bench.settle()


def test_a_report_that_was_not_taken_but_is_outdated_is_not_said_again(bench):
    """CP16-037: the present state, no history."""
    bench.do("plug_in", 1)
    bench.do("unplug", 1)
    bench.answer(CallRefused("InternalError"))
    bench.settle()
    bench.wait(60)
    assert bench.reports() == []


def test_failures_beside_each_other_wait_for_one_retry():
    bench = SeamBench(TWO)
    bench.online()
    bench.do("plug_in", 1)
    bench.do("plug_in", 2)
    bench.answer(CallTimedOut(30))
    bench.answer(CallTimedOut(30))
    bench.wait(30)
    assert bench.reports() == [(1, "Preparing"), (2, "Preparing")]


def test_a_status_is_reported_when_it_has_lasted(bench):
    """CP16-032."""
    bench.set(MINIMUM_STATUS_DURATION, 5)
    bench.do("plug_in", 1)
    bench.wait(4)
    assert bench.reports() == []
    bench.wait(1)
    assert bench.reports() == [(1, "Preparing")]
    assert last(bench).timestamp == EPOCH


def test_a_status_that_does_not_last_is_passed_over(bench):
    """CP16-032."""
    bench.set(MINIMUM_STATUS_DURATION, 5)
    bench.do("plug_in", 1)
    bench.wait(3)
    bench.begin()
    bench.wait(4)
    assert bench.reports() == []
    bench.wait(1)
    assert bench.reports() == [(1, "SuspendedEV")]


def test_nothing_is_reported_of_a_state_that_is_soon_the_old_one_again(bench):
    """CP16-032."""
    bench.set(MINIMUM_STATUS_DURATION, 5)
    bench.do("plug_in", 1)
    bench.wait(3)
    bench.do("unplug", 1)
    bench.wait(10)
    assert bench.reports() == []


def test_a_warning_waits_only_with_a_status_that_waits(bench):
    """CP16-032."""
    bench.set(MINIMUM_STATUS_DURATION, 5)
    bench.do("warn", 1, ChargePointErrorCode.WEAK_SIGNAL)
    assert bench.reports() == [(1, "Available")]
    bench.do("plug_in", 1)
    bench.do("warn", 1, ChargePointErrorCode.HIGH_TEMPERATURE)
    assert bench.reports() == []
    bench.wait(5)
    assert bench.reports() == [(1, "Preparing")]
    assert last(bench).error_code == "HighTemperature"


def test_a_shorter_duration_holds_from_the_next_status_on(bench):
    """CP16-032."""
    bench.set(MINIMUM_STATUS_DURATION, 5)
    bench.do("plug_in", 1)
    bench.set(MINIMUM_STATUS_DURATION, 0)
    bench.do("unplug", 1)
    bench.do("plug_in", 1)
    assert bench.reports() == [(1, "Preparing")]
    bench.wait(5)
    assert bench.reports() == []


def test_the_first_reports_wait_for_no_duration_and_later_ones_for_theirs():
    """CP16-011, CP16-032."""
    bench = SeamBench()
    bench.set(MINIMUM_STATUS_DURATION, 5)
    bench.do("plug_in", 1)
    bench.connect()
    bench.answer(accepted())
    assert bench.reports() == [(0, "Available"), (1, "Preparing")]
    bench.disconnect()
    bench.do("unplug", 1)
    bench.connect()
    assert bench.reports() == []
    bench.wait(5)
    assert bench.reports() == [(1, "Available")]


# -- when it is asked for --


def trigger(bench, connector=None):
    return bench.ask(
        TriggerMessageRequest(requested_message=MessageTrigger.STATUS_NOTIFICATION, connector_id=connector)
    ).status


def test_a_trigger_brings_the_present_state_of_one_or_of_all():
    """CP16-182, CP16-183."""
    bench = SeamBench(TWO)
    bench.online()
    assert trigger(bench, 0) is TriggerMessageStatus.ACCEPTED
    assert bench.reports() == [(0, "Available")]
    assert trigger(bench, 2) is TriggerMessageStatus.ACCEPTED
    assert bench.reports() == [(2, "Available")]
    assert trigger(bench) is TriggerMessageStatus.ACCEPTED
    assert bench.reports() == [(0, "Available"), (1, "Available"), (2, "Available")]


@pytest.mark.parametrize("connector", [-1, 3])
def test_a_trigger_for_a_connector_there_is_none_of_is_rejected(connector):
    """CP16-184, CP16-182."""
    bench = SeamBench(TWO)
    bench.online()
    assert trigger(bench, connector) is TriggerMessageStatus.REJECTED
    assert bench.reports() == []


def test_a_trigger_works_while_pending_and_spares_no_report_after_acceptance():
    """CP16-014, CP16-011."""
    bench = SeamBench()
    bench.connect()
    bench.answer(BootNotificationResponse(current_time=EPOCH, interval=10, status=RegistrationStatus.PENDING))
    bench.do("plug_in", 1)
    assert bench.reports() == []
    assert trigger(bench, 1) is TriggerMessageStatus.ACCEPTED
    assert bench.reports() == [(1, "Preparing")]
    bench.wait(10)
    bench.answer(accepted())
    assert bench.reports() == [(0, "Available"), (1, "Preparing")]


def test_a_triggered_report_that_nobody_took_while_pending_waits_for_acceptance():
    """CP16-014."""
    bench = SeamBench()
    bench.connect()
    bench.answer(BootNotificationResponse(current_time=EPOCH, interval=100, status=RegistrationStatus.PENDING))
    trigger(bench, 1)
    bench.answer(CallTimedOut(30))
    bench.wait(60)
    assert bench.unanswered == []
