"""Who is taken on, and what may be said before that (CS16-001…CS16-005)."""

from __future__ import annotations

from typing import Any

import pytest

from ocpp_sansio import FIELD, CallRefused, CentralSystemSession, ErrorCode, numbered_ids, v16
from ocpp_sansio.central_system import (
    CommandFailed,
    CommandRefused,
    CommandSucceeded,
    HookFailed,
    MessageRefused,
    RecordUnreadable,
    StationBooted,
    Verdict,
)
from ocpp_sansio.store import Put
from tests.central_system.world import BOOT, World, at

PENDING, REJECTED = v16.RegistrationStatus.PENDING, v16.RegistrationStatus.REJECTED
ASK_TO_BOOT = v16.TriggerMessageRequest(requested_message=v16.MessageTrigger.BOOT_NOTIFICATION)
ASK_FOR_STATUS = v16.TriggerMessageRequest(requested_message=v16.MessageTrigger.STATUS_NOTIFICATION)
TRIGGERED = v16.TriggerMessageResponse(status=v16.TriggerMessageStatus.ACCEPTED)
STATUS = v16.StatusNotificationRequest(
    connector_id=0, status=v16.ChargePointStatus.AVAILABLE, error_code=v16.ChargePointErrorCode.NO_ERROR
)
REMOTE_START = v16.RemoteStartTransactionRequest(id_tag="tag")
REMOTE_STOP = v16.RemoteStopTransactionRequest(transaction_id=1)
READ = v16.GetConfigurationRequest()
WRITE = v16.ChangeConfigurationRequest(key="HeartbeatInterval", value="60")


def policy(*verdicts: Verdict) -> Any:
    left = list(verdicts)
    return lambda *_: left.pop(0)


def test_cs16_001_a_boot_is_answered_with_status_time_and_interval() -> None:
    world = World()
    world.now = 5.0
    station = world.station(boot=False)
    assert station.boot() == v16.BootNotificationResponse(
        status=v16.RegistrationStatus.ACCEPTED, current_time=at(5), interval=300
    )
    assert world.told(StationBooted) == [StationBooted("CP1", BOOT, v16.RegistrationStatus.ACCEPTED, 300)]
    known = world.system.registrations.of("CP1")
    assert known is not None
    assert known.request == BOOT


def test_the_policy_is_asked_with_the_request_and_the_identity() -> None:
    asked = []

    def decide(request: v16.BootNotificationRequest, identity: str) -> Verdict:
        asked.append((request, identity))
        return Verdict(REJECTED, 17)

    world = World(registration=decide)
    answer = world.station(boot=False).boot()
    assert (answer.status, answer.interval) == (REJECTED, 17)
    assert asked == [(BOOT, "CP1")]


@pytest.mark.parametrize("status", [None, PENDING, REJECTED])
def test_cs16_003_whatever_comes_before_acceptance_is_told_security_error(status: Any) -> None:
    world = World(registration=policy(Verdict(status)) if status else policy())
    station = world.station(boot=status is not None)
    refused = station.ask(STATUS)
    assert isinstance(refused, CallRefused)
    assert refused.code is ErrorCode.SECURITY_ERROR
    assert world.told(MessageRefused) == [MessageRefused("CP1", "StatusNotification")]


def test_cp16_014_while_pending_what_a_trigger_has_asked_for_may_come_until_the_next_boot() -> None:
    world = World(registration=policy(Verdict(PENDING), Verdict(PENDING)))
    station = world.station()
    station.answers[v16.TriggerMessageRequest] = v16.TriggerMessageResponse(status=v16.TriggerMessageStatus.REJECTED)
    world.call("CP1", ASK_FOR_STATUS)
    assert isinstance(station.ask(STATUS), CallRefused)
    station.answers[v16.TriggerMessageRequest] = TRIGGERED
    world.call("CP1", ASK_FOR_STATUS)
    assert station.ask(STATUS) == v16.StatusNotificationResponse()
    assert isinstance(station.ask(v16.HeartbeatRequest()), CallRefused)
    station.boot()
    assert isinstance(station.ask(STATUS), CallRefused)


def test_what_a_trigger_entitles_to_ends_with_the_link() -> None:
    world = World(registration=policy(Verdict(PENDING)))
    station = world.station()
    station.answers[v16.TriggerMessageRequest] = TRIGGERED
    world.call("CP1", ASK_FOR_STATUS)
    station.cut()
    assert isinstance(world.station(boot=False).ask(STATUS), CallRefused)


def test_cs16_002_while_pending_a_station_is_configured_and_triggered_and_nothing_else() -> None:
    world = World(registration=policy(Verdict(PENDING)))
    station = world.station()
    for request in (REMOTE_START, REMOTE_STOP, v16.ResetRequest(type=v16.ResetType.HARD)):
        with pytest.raises(CommandRefused, match="CS16-002"):
            world.call("CP1", request)
    station.answers = {
        v16.GetConfigurationRequest: v16.GetConfigurationResponse(),
        v16.ChangeConfigurationRequest: v16.ChangeConfigurationResponse(status=v16.ConfigurationStatus.ACCEPTED),
        v16.TriggerMessageRequest: TRIGGERED,
    }
    for request in (READ, WRITE, ASK_FOR_STATUS, ASK_TO_BOOT):
        world.call("CP1", request)
    assert len(world.told(CommandSucceeded)) == 4
    assert station.asked == [READ, WRITE, ASK_FOR_STATUS, ASK_TO_BOOT]


def test_cs16_002_a_rejected_station_is_asked_nothing() -> None:
    world = World(registration=policy(Verdict(REJECTED)))
    world.station()
    for request in (READ, WRITE, ASK_TO_BOOT, REMOTE_START):
        with pytest.raises(CommandRefused):
            world.call("CP1", request)


def test_a_station_that_is_not_known_to_have_booted_can_only_be_asked_to() -> None:
    world = World()
    station = world.station(boot=False)
    with pytest.raises(CommandRefused, match="not booted"):
        world.call("CP1", READ)
    world.call("CP1", ASK_TO_BOOT)
    assert station.asked == [ASK_TO_BOOT]


def test_cs16_005_an_accepted_station_is_not_asked_for_a_boot() -> None:
    world = World()
    station = world.station()
    with pytest.raises(CommandRefused, match="CS16-005"):
        world.call("CP1", ASK_TO_BOOT)
    world.call("CP1", ASK_FOR_STATUS)
    assert station.asked == [ASK_FOR_STATUS]


def test_cp16_019_a_station_that_is_no_longer_accepted_is_held_to_that() -> None:
    world = World(registration=policy(Verdict(), Verdict(PENDING)))
    station = world.station()
    assert station.ask(STATUS) == v16.StatusNotificationResponse()
    station.boot()
    assert isinstance(station.ask(STATUS), CallRefused)


def test_rpc_124_acceptance_outlives_the_link_and_the_process() -> None:
    world = World()
    station = world.station()
    station.cut()
    assert world.station(boot=False).ask(STATUS) == v16.StatusNotificationResponse()
    world.restart()
    assert world.station(boot=False).ask(STATUS) == v16.StatusNotificationResponse()


def test_rpc_124_acceptance_outlives_the_process_whatever_was_put_up_with_in_the_boot() -> None:
    world = World()
    station = world.station(boot=False)
    station.link = CentralSystemSession("1.6", message_ids=numbered_ids("b"), tolerance=FIELD)
    world.system.link_up("CP1", station.link, now=world.now)
    boot = '[2,"1","BootNotification",{"chargePointVendor":"Vendor","chargePointModel":"A model of 26 characters."}]'
    station.link.receive_data(boot, now=world.now)
    world.feed(station)
    known = world.system.registrations.of("CP1")
    assert known is not None
    world.restart()
    assert world.told(RecordUnreadable) == []
    assert world.system.registrations.of("CP1") == known


def test_d16_the_answer_to_a_boot_waits_until_it_is_kept() -> None:
    world = World()
    station = world.station(boot=False)
    world.failing = True
    station.send(BOOT)
    assert station.outcomes == []
    assert world.told(StationBooted) == []
    world.failing = False
    world.wait(1)
    assert len(station.outcomes) == 1
    assert len(world.told(StationBooted)) == 1


@pytest.mark.parametrize("outcome", [None, ("Accepted", 300), RuntimeError("broken")])
def test_a_policy_that_fails_is_told_and_the_station_comes_again(outcome: Any) -> None:
    def decide(request: object, identity: str) -> Any:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    world = World(registration=decide)
    station = world.station(boot=False)
    refused = station.boot()
    assert refused.code is ErrorCode.INTERNAL_ERROR
    (failed,) = world.told(HookFailed)
    assert (failed.identity, failed.hook) == ("CP1", "registration")
    assert world.system.registrations.status("CP1") is None


@pytest.mark.parametrize("interval", [-1, 2**31, "300"])
def test_an_interval_has_to_fit_its_message(interval: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        Verdict(PENDING, interval)


def test_the_answer_to_a_boot_goes_out_before_what_waited_for_it() -> None:
    world = World(registration=policy(Verdict(PENDING), Verdict()))
    station = world.station()
    station.cut()
    world.call("CP1", READ, expires_in=60)
    station = world.station(boot=False)  # Pending: this may be asked
    assert station.asked == [READ]
    assert station.boot().status is v16.RegistrationStatus.ACCEPTED


def test_a_command_that_waits_fails_when_the_registration_turns_against_it() -> None:
    world = World(registration=policy(Verdict(), Verdict(REJECTED)))
    station = world.station()
    world.call("CP1", ASK_FOR_STATUS)  # is not answered, and keeps the others waiting
    waiting = world.call("CP1", REMOTE_STOP)
    world.call("CP1", REMOTE_START, expires_in=60)
    station.boot()
    (failed,) = world.told(CommandFailed)
    assert failed.command is waiting
    assert isinstance(failed.error, CommandRefused)
    assert station.asked == [ASK_FOR_STATUS]


def test_d21_a_record_that_cannot_be_read_is_told_and_left_where_it_is() -> None:
    world = World()
    world.station()
    bad = Put("registration", "CP2", b'{"identity": 7}')
    world.store.commit([bad, Put("of another profile", "x", b"?")])
    world.restart()
    (unreadable,) = world.told(RecordUnreadable)
    assert (unreadable.topic, unreadable.key) == ("registration", "CP2")
    assert bad in world.store.load()
    assert world.system.registrations.status("CP1") is v16.RegistrationStatus.ACCEPTED
