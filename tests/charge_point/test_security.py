"""The password, the security profile and the security events of a charge point."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from itertools import product
from typing import Any

import pytest

from ocpp_sansio import CallRefused, CallTimedOut, ConnectionLost, InvalidMessage
from ocpp_sansio.charge_point import Equipment, LinkSecurity, Security
from ocpp_sansio.charge_point.effects import (
    ConfigurationChanged,
    DeadLetter,
    LogSecurityEvent,
    Reconnect,
    RecordQuarantined,
    SecurityEventDropped,
)
from ocpp_sansio.security_events import SecurityEvent
from ocpp_sansio.store import Persist, Put
from ocpp_sansio.v16 import (
    BootNotificationResponse,
    ChangeConfigurationRequest,
    ConfigurationStatus,
    GetConfigurationRequest,
    KeyValue,
    RegistrationStatus,
    SecurityEventNotificationRequest,
    SecurityEventNotificationResponse,
    StopTransactionRequest,
)
from tests.charge_point.harness import EPOCH, Bench
from tests.charge_point.station import Station

PASSWORD, OTHER = bytes(range(20)), bytes(range(16))
ALL = Equipment(root_certificate=True, client_certificate=True)
TAKEN = SecurityEventNotificationResponse()
STARTED = "StartupOfTheDevice"


def secured(*, kind: type[Bench] = Bench, records: Any = (), now: float = 0.0, **options: Any) -> Any:
    return kind(profiles=[partial(Security, **options)], records=records, now=now)


def online(**options: Any) -> Any:
    """Accepted, and what is to be told of the boot is taken."""
    bench = secured(**options)
    bench.online()
    take_all(bench)
    return bench


def take_all(bench: Any) -> None:
    while bench.unanswered:
        bench.answer(TAKEN)


def again(bench: Any, **options: Any) -> Any:
    """The next boot."""
    return secured(records=bench.store.load(), now=bench.now, **options)


def change(bench: Any, key: str, value: str) -> ConfigurationStatus:
    return bench.ask(ChangeConfigurationRequest(key=key, value=value)).status


def report(bench: Any, *args: Any) -> None:
    bench.point.block(Security).report(*args, now=bench.now)
    bench.drain()


def told(bench: Any) -> list[str]:
    """The kinds of events that the central system was told of on this link."""
    return [request.type for request in bench.sent(SecurityEventNotificationRequest)]


def logged(bench: Any) -> list[tuple[str, str | None]]:
    return [(event.type, event.tech_info) for event in bench.seen(LogSecurityEvent)]


# -- the password --


def test_a_new_password_is_kept_and_used_once_the_answer_is_out_rpc_143_rpc_146() -> None:
    """CP16-220, CFG16-48."""
    bench = online(profile=1, password=PASSWORD)
    order: list[str] = []
    bench.link.respond = lambda *_, **__: order.append("answer") or True
    drain = bench.drain

    def watch() -> None:
        while (effect := bench.point.next_event()) is not None:
            order.append(type(effect).__name__)
            if isinstance(effect, Persist):
                bench.point.persisted(now=bench.now)
                bench.store.commit(effect.changes)
            else:
                bench.effects.append(effect)

    bench.drain = watch
    bench.ask(ChangeConfigurationRequest(key="AuthorizationKey", value=OTHER.hex().upper()))
    bench.drain = drain
    assert order == ["Persist", "answer", "ConfigurationChanged", "LogSecurityEvent", "Reconnect"]
    assert bench.seen(Reconnect) == [Reconnect(profile=1, password=OTHER)]
    assert again(bench, profile=1).point.block(Security).link == LinkSecurity(1, OTHER)


@pytest.mark.parametrize(
    "value", ["", "00" * 15, "00" * 21, "0" * 33, "no hexadecimal digits", "OCA_OCTT_admin_test"], ids=len
)
def test_what_is_no_password_is_rejected_and_the_old_one_stays_rpc_143(value: str) -> None:
    """CP16-220."""
    bench = online(profile=2, password=PASSWORD)
    assert change(bench, "AuthorizationKey", value) is ConfigurationStatus.REJECTED
    assert bench.seen(Reconnect) == []
    assert bench.point.block(Security).link == LinkSecurity(2, PASSWORD)


def test_a_password_is_read_by_nobody_rpc_146() -> None:
    """CFG16-48."""
    bench = online(profile=1, password=PASSWORD)
    assert change(bench, "AuthorizationKey", OTHER.hex()) is ConfigurationStatus.ACCEPTED
    shown = bench.ask(GetConfigurationRequest(key=["AuthorizationKey"])).configuration_key
    assert shown == [KeyValue(key="AuthorizationKey", readonly=False, value=None)]
    every = bench.ask(GetConfigurationRequest(key=None)).configuration_key
    assert "AuthorizationKey" not in [each.key for each in every]


def test_a_password_is_in_no_repr_and_no_log_rpc_146() -> None:
    """CP16-220."""
    bench = online(profile=1, password=PASSWORD)
    change(bench, "AuthorizationKey", OTHER.hex())
    security = bench.point.block(Security)
    everything = repr((bench.effects, bench.store.load(), security.link, security.former_link))
    assert [type(effect) for effect in bench.effects if isinstance(effect, ConfigurationChanged | Reconnect)] == [
        ConfigurationChanged,
        Reconnect,
    ]
    for password in (PASSWORD, OTHER):
        assert password.hex() not in everything.lower()
        assert repr(password)[2:-1] not in everything
    assert logged(bench)[-1] == ("ReconfigurationOfSecurityParameters", "AuthorizationKey")


def test_the_same_password_again_changes_nothing_rpc_146() -> None:
    """CP16-220."""
    bench = online(profile=1, password=PASSWORD)
    assert change(bench, "AuthorizationKey", PASSWORD.hex()) is ConfigurationStatus.ACCEPTED
    assert bench.seen(Reconnect) == []


@pytest.mark.parametrize("profile", [0, 3])
def test_a_password_that_is_of_no_use_now_is_no_reason_to_reconnect_rpc_152(profile: int) -> None:
    """CP16-220."""
    bench = online(profile=profile)
    assert change(bench, "AuthorizationKey", OTHER.hex()) is ConfigurationStatus.ACCEPTED
    assert bench.seen(Reconnect) == []
    assert bench.point.block(Security).link.password == OTHER


def test_a_transaction_goes_on_over_a_new_password_and_its_messages_are_kept_rpc_146() -> None:
    """CP16-220."""
    station = secured(kind=Station, profile=1, password=PASSWORD)
    Bench.online(station)
    take_all(station)
    station.charge()
    change(station, "AuthorizationKey", OTHER.hex())
    station.disconnect()
    assert station.point.is_delivered
    station.do("unplug", 1)
    assert not station.point.is_delivered
    station.connect()
    station.serve()
    assert [request.transaction_id for request in station.sent(StopTransactionRequest)] == [101]
    assert station.point.is_delivered


# -- the profile --


def has_all_for(profile: int, password: bool, root: bool, client: bool) -> bool:
    return {1: password, 2: password and root, 3: root and client}[profile]


@pytest.mark.parametrize(("old", "new"), [*product(range(4), repeat=2)])
def test_the_profile_goes_only_upward_and_to_one_that_there_is_all_for_rpc_152_f_22(old: int, new: int) -> None:
    """CP16-222, CFG16-52."""
    for password, root, client in product([False, True], repeat=3):
        bench = online(
            profile=old,
            password=PASSWORD if password else None,
            equipment=Equipment(root_certificate=root, client_certificate=client),
        )
        accepted = new > old and has_all_for(new, password, root, client)
        status = ConfigurationStatus.ACCEPTED if accepted else ConfigurationStatus.REJECTED
        assert change(bench, "SecurityProfile", str(new)) is status
        assert [effect.profile for effect in bench.seen(Reconnect)] == [new] * accepted
        assert bench.point.setting("SecurityProfile") == str(new if accepted else old)
        assert again(bench, profile=old).point.setting("SecurityProfile") == str(new if accepted else old)


@pytest.mark.parametrize("value", ["4", "-1", "", "high"])
def test_there_is_no_other_profile_rpc_140(value: str) -> None:
    """CFG16-52."""
    bench = online(equipment=ALL, password=PASSWORD)
    assert change(bench, "SecurityProfile", value) is ConfigurationStatus.REJECTED


def test_what_is_missing_may_come_later_rpc_152() -> None:
    """CP16-222."""
    bench = online(profile=1, password=PASSWORD)
    assert change(bench, "SecurityProfile", "2") is ConfigurationStatus.REJECTED
    bench.point.block(Security).equipment = Equipment(root_certificate=True)
    assert change(bench, "SecurityProfile", "2") is ConfigurationStatus.ACCEPTED
    assert bench.seen(Reconnect) == [Reconnect(2, PASSWORD)]
    assert logged(bench)[-1] == ("ReconfigurationOfSecurityParameters", "SecurityProfile")


def test_what_worked_is_kept_until_what_is_new_has_worked_rpc_152() -> None:
    """CP16-222, CP16-220."""
    bench = online(profile=1, password=PASSWORD, equipment=ALL)
    security = bench.point.block(Security)
    assert security.former_link is None
    change(bench, "AuthorizationKey", OTHER.hex())
    change(bench, "SecurityProfile", "3")
    bench = again(bench, equipment=ALL)  # the power is lost before there was another connection
    security = bench.point.block(Security)
    assert (security.link, security.former_link) == (LinkSecurity(3, OTHER), LinkSecurity(1, PASSWORD))
    bench.connect()
    assert (security.link, security.former_link) == (LinkSecurity(3, OTHER), None)
    assert again(bench).point.block(Security).former_link is None


def test_the_host_falls_back_to_what_worked_rpc_152() -> None:
    """CP16-222."""
    bench = online(profile=1, password=PASSWORD, equipment=ALL)
    security = bench.point.block(Security)
    change(bench, "SecurityProfile", "2")
    bench.disconnect()
    former = security.former_link
    assert former is not None
    bench.do("configure", "SecurityProfile", str(int(former.profile)))
    assert [effect.profile for effect in bench.seen(Reconnect)] == [2, 1]
    assert security.link == former == security.former_link
    bench.connect()
    assert security.former_link is None
    bench.connect()
    assert security.link == former


# -- the other keys --


def test_the_keys_of_the_extension_come_with_it() -> None:
    """CFG16-47, CFG16-49, CFG16-50, CFG16-51."""
    bench = online()
    shown = {each.key: each for each in bench.ask(GetConfigurationRequest(key=None)).configuration_key}
    assert (shown["AdditionalRootCertificateCheck"].readonly, shown["AdditionalRootCertificateCheck"].value) == (
        True,
        "false",
    )
    assert shown["SecurityProfile"] == KeyValue(key="SecurityProfile", readonly=False, value="0")
    assert shown["CpoName"].value is None
    assert "CertificateSignedMaxChainSize" not in shown
    assert "CertificateStoreMaxLength" not in shown
    assert change(bench, "CpoName", " Operator ") is ConfigurationStatus.ACCEPTED
    assert bench.point.setting("CpoName") == "Operator"
    assert bench.seen(Reconnect) == []
    assert logged(bench)[-1] == ("ReconfigurationOfSecurityParameters", "CpoName")
    assert change(bench, "HeartbeatInterval", "77") is ConfigurationStatus.ACCEPTED
    assert logged(bench)[-1] == ("ReconfigurationOfSecurityParameters", "CpoName")


def test_without_the_extension_there_are_none() -> None:
    bench = Bench()
    bench.online()
    assert change(bench, "SecurityProfile", "1") is ConfigurationStatus.NOT_SUPPORTED
    with pytest.raises(LookupError, match="no Security"):
        bench.point.block(Security)


# -- security events --


def test_an_event_is_told_when_there_is_a_connection_and_only_when_accepted_d_23() -> None:
    """CP16-230, CP16-231: the start of the device is the first."""
    bench = secured()
    report(bench, SecurityEvent.TAMPER_DETECTION_ACTIVATED, "the door")
    bench.connect()
    assert told(bench) == []
    bench.answer(BootNotificationResponse(current_time=EPOCH, interval=300, status=RegistrationStatus.ACCEPTED))
    bench.settle()
    assert told(bench) == [STARTED]  # one at a time
    bench.answer(TAKEN)
    assert told(bench) == [STARTED, "TamperDetectionActivated"]
    assert bench.sent(SecurityEventNotificationRequest)[-1].tech_info == "the door"
    bench.answer(TAKEN)
    assert (bench.unanswered, again(bench).sent(SecurityEventNotificationRequest)) == ([], [])


def test_an_event_outlives_a_loss_of_power_in_its_order_d_23() -> None:
    """CP16-230, D-10, D-22."""
    bench = secured()
    for number in range(12):
        report(bench, "VendorEvent", str(number))
    bench = again(bench)
    bench.online()
    take_all(bench)
    assert [request.tech_info for request in bench.sent(SecurityEventNotificationRequest)] == [
        None,
        *map(str, range(12)),
    ]
    assert "security-event" not in {record.topic for record in bench.store.load()}


def test_an_event_of_which_the_link_took_the_answer_along_is_told_again_d_23() -> None:
    """D-22."""
    bench = secured()
    bench.online()
    bench.disconnect()
    bench.connect()
    assert told(bench) == [STARTED]
    take_all(bench)
    assert told(bench) == [STARTED]


def test_a_link_that_took_nothing_and_yet_is_up_is_asked_again_d_23() -> None:
    bench = secured()
    bench.online()
    bench.answer(ConnectionLost(sent=False))
    assert told(bench) == [STARTED]
    bench.wait(1)
    assert told(bench) == [STARTED, STARTED]


@pytest.mark.parametrize("tech_info", [None, "attempt {}"], ids=["plain", "with what changes each time"])
def test_what_is_noticed_at_each_attempt_to_connect_is_told_once_f_17_rpc_149_d_23(tech_info: str | None) -> None:
    """CP16-230: all are logged."""
    bench = online()
    bench.disconnect()
    for attempt in range(5):
        report(bench, SecurityEvent.INVALID_CSMS_CERTIFICATE, tech_info and tech_info.format(attempt))
    assert len(bench.seen(LogSecurityEvent)) == 1 + 5
    bench.connect()
    take_all(bench)
    assert told(bench) == ["InvalidCentralSystemCertificate"]
    report(bench, SecurityEvent.INVALID_CSMS_CERTIFICATE)  # it was told: this is another one
    assert told(bench) == ["InvalidCentralSystemCertificate"] * 2


def test_a_link_that_failed_for_want_of_trust_is_reported_f_17_rpc_149() -> None:
    """D-23: without the extension nobody cares."""
    bench = online()
    bench.disconnect()
    bench.do("link_failed", SecurityEvent.INVALID_TLS_VERSION)
    bench.do("link_failed", SecurityEvent.INVALID_TLS_VERSION)
    bench.connect()
    take_all(bench)
    assert told(bench) == ["InvalidTLSVersion"]
    plain = Bench()
    plain.do("link_failed", SecurityEvent.INVALID_TLS_VERSION)
    assert plain.effects == []


def test_the_same_event_is_not_told_twice_and_another_of_its_kind_is_d_23() -> None:
    bench = online()
    bench.disconnect()
    for place in ("door", "lid", "door"):
        report(bench, SecurityEvent.TAMPER_DETECTION_ACTIVATED, place)
    bench.connect()
    take_all(bench)
    assert [request.tech_info for request in bench.sent(SecurityEventNotificationRequest)] == ["door", "lid"]


def test_what_is_not_critical_is_only_logged() -> None:
    """CP16-231."""
    bench = online()
    report(bench, SecurityEvent.ATTEMPTED_REPLAY_ATTACKS, "seen")
    assert told(bench) == [STARTED]
    assert bench.seen(LogSecurityEvent)[-1] == LogSecurityEvent("AttemptedReplayAttacks", EPOCH, "seen")


def test_an_event_that_is_refused_again_and_again_makes_way_for_the_next() -> None:
    """CP16-230: silence is no refusal."""
    bench = secured()
    report(bench, "Next")
    bench.online(interval=100_000)
    for _ in range(4):
        bench.answer(CallTimedOut(30))
        bench.wait(60)
    for attempt in range(3):
        assert told(bench) == [STARTED] * (5 + attempt)
        bench.answer(CallRefused("NotSupported"))
        bench.wait(60)
    assert [letter.request.type for letter in bench.seen(DeadLetter)] == [STARTED]
    assert told(bench)[-2:] == [STARTED, "Next"]
    bench.answer(TAKEN)
    assert bench.unanswered == []
    assert "security-event" not in {record.topic for record in bench.store.load()}


def test_events_while_one_waits_for_its_next_attempt_keep_their_turn_d_23() -> None:
    bench = secured()
    bench.online()
    bench.answer(CallRefused("InternalError"))
    report(bench, "Next")
    assert told(bench) == [STARTED]
    bench.wait(60)
    assert told(bench) == [STARTED, STARTED]
    take_all(bench)
    assert told(bench) == [STARTED, STARTED, "Next"]


def test_no_more_than_so_many_events_wait_and_the_host_hears_of_it_d_23() -> None:
    bench = secured(max_events=3)
    for number in range(4):
        report(bench, f"Event{number}")
    assert bench.seen(SecurityEventDropped) == [SecurityEventDropped("Event2"), SecurityEventDropped("Event3")]
    assert len(logged(bench)) == 5
    bench.online()
    take_all(bench)
    assert told(bench) == [STARTED, "Event0", "Event1"]


def test_the_time_of_an_event_is_put_right_when_it_is_known_d_19() -> None:
    """D-23."""
    bench = secured()
    bench.now = 100.0
    report(bench, "Later")
    bench.connect()
    noon = EPOCH + timedelta(hours=12)
    bench.answer(BootNotificationResponse(current_time=noon, interval=300, status=RegistrationStatus.ACCEPTED))
    bench.settle()
    take_all(bench)
    assert [request.timestamp for request in bench.sent(SecurityEventNotificationRequest)] == [
        noon - timedelta(seconds=100),
        noon,
    ]


def test_a_text_that_is_too_long_is_the_callers_fault() -> None:
    bench = online()
    for kind, tech_info in (("x" * 51, None), ("Event", "x" * 256)):
        with pytest.raises(InvalidMessage):
            bench.point.block(Security).report(kind, tech_info, now=bench.now)
    assert told(bench) == [STARTED]


def test_a_record_that_cannot_be_read_does_not_cost_the_others_d_21() -> None:
    bench = secured()
    report(bench, "Other")
    records = [
        Put("security-event", "no number", b"{}"),
        Put("former-link", "", b"[7, null]"),
        *bench.store.load(),
    ]
    bench = secured(records=records)
    assert {effect.topic for effect in bench.seen(RecordQuarantined)} == {"security-event", "former-link"}
    bench.online()
    take_all(bench)
    assert told(bench) == [STARTED, "Other"]
