"""Security events that happen while there is no connection: told once, and not before the central system listens."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ocpp_sansio import (
    Backlog,
    CallCancelled,
    CallFailed,
    CallReceived,
    CallSucceeded,
    CentralSystemSession,
    ChargePointSession,
    ErrorCode,
    Limits,
    Version,
    numbered_ids,
)
from ocpp_sansio.security_events import SecurityEvent
from ocpp_sansio.security_reports import SecurityReports

THEN = datetime(2026, 4, 14, 10, tzinfo=UTC)
LATER = datetime(2026, 4, 14, 11, tzinfo=UTC)


class Site:
    """A charge point with something to report, and a central system that answers as it is told."""

    def __init__(self, version: Version = Version.V16, limits: Limits | None = None) -> None:
        self.version = version
        self.backlog = Backlog(limits)
        self.reports = SecurityReports(self.backlog)
        self.refusal: ErrorCode | None = None
        self.silent = False
        self.told: list[tuple[str, datetime]] = []
        self.outcomes: list[CallSucceeded[Any] | CallFailed] = []
        self.now = 0.0

    def connect(self, version: Version | None = None) -> None:
        self.version = version or self.version
        self.link = ChargePointSession(self.version, message_ids=numbered_ids("p"))
        self.central_system = CentralSystemSession(self.version, message_ids=numbered_ids("c"))
        self.backlog.link_up(self.link, now=self.now)
        self.reports.link_up(self.version, now=self.now)
        self.drive()

    def lose(self) -> None:
        self.link.connection_lost(now=self.now)
        self.drive()
        self.backlog.link_down(now=self.now)
        self.reports.link_down()
        self.drive()

    def beat(self) -> None:
        """A call of the user's."""
        request: Any = self.version.actions["Heartbeat"].request
        self.backlog.call(request(), now=self.now)
        self.drive()

    def drive(self) -> None:
        busy = True
        while busy:
            busy = False
            while (event := self.link.next_event()) is not None:
                self.backlog.receive_event(event, now=self.now)
            while (outcome := self.backlog.next_event()) is not None:
                if not self.reports.receive_event(outcome, now=self.now):
                    self.outcomes.append(outcome)
            for text in self.link.data_to_send():
                self.central_system.receive_data(text, now=self.now)
            while (received := self.central_system.next_event()) is not None:
                assert isinstance(received, CallReceived)
                self.answer(received)
            for text in self.central_system.data_to_send():
                self.link.receive_data(text, now=self.now)
                busy = True

    def answer(self, call: CallReceived[Any]) -> None:
        action = self.version.actions[call.action]
        assert action.response is not None
        if call.action == "Heartbeat":
            self.central_system.respond(call, action.response(current_time=THEN), now=self.now)  # type: ignore[call-arg]
            return
        self.told.append((call.request.type, call.request.timestamp))
        if self.refusal is not None:
            self.central_system.reject(call, self.refusal, now=self.now)
        elif not self.silent:
            self.central_system.respond(call, action.response(), now=self.now)


@pytest.mark.parametrize(
    ("version", "name"),
    [
        (Version.V16, "InvalidCentralSystemCertificate"),
        (Version.V201, "InvalidCsmsCertificate"),
        (Version.V21, "InvalidCsmsCertificate"),
    ],
)
def test_it_is_reported_once_with_the_time_of_the_first_when_there_is_a_connection_f_17_rpc_149(
    version: Version, name: str
) -> None:
    site = Site(version)
    for at in (THEN, LATER, LATER):
        site.reports.note(SecurityEvent.INVALID_CSMS_CERTIFICATE, at)
    site.connect()
    assert site.told == [(name, THEN)]
    site.lose()
    site.connect()
    site.beat()
    assert site.told == [(name, THEN)]
    site.reports.note(SecurityEvent.INVALID_CSMS_CERTIFICATE, LATER)
    site.lose()
    site.connect()
    assert site.told == [(name, THEN), (name, LATER)]


def test_each_kind_is_reported_and_those_for_the_log_alone_are_not_f_17_rpc_149() -> None:
    site = Site()
    kinds = [
        SecurityEvent.INVALID_TLS_VERSION,
        SecurityEvent.FAILED_TO_AUTHENTICATE,
        SecurityEvent.INVALID_TLS_CIPHER_SUITE,
    ]
    for kind in kinds:
        site.reports.note(kind, THEN)
    site.connect()
    assert [name for name, _ in site.told] == ["InvalidTLSVersion", "InvalidTLSCipherSuite"]


def test_the_calls_that_wait_come_first_and_their_outcomes_are_the_users() -> None:
    site = Site()
    site.reports.note(SecurityEvent.INVALID_TLS_VERSION, THEN)
    heartbeat: Any = site.version.actions["Heartbeat"].request()
    call = site.backlog.call(heartbeat, now=0)
    site.connect()
    assert [outcome.call for outcome in site.outcomes] == [call]
    assert len(site.told) == 1


def test_a_central_system_that_wants_a_boot_first_is_told_after_a_call_that_succeeds_rpc_075() -> None:
    site = Site()
    site.reports.note(SecurityEvent.INVALID_TLS_VERSION, THEN)
    site.refusal = ErrorCode.SECURITY_ERROR
    site.connect()
    assert len(site.told) == 1
    site.refusal = None
    site.beat()
    assert len(site.told) == 2
    site.beat()
    assert len(site.told) == 2


@pytest.mark.parametrize("code", [ErrorCode.NOT_SUPPORTED, ErrorCode.NOT_IMPLEMENTED, ErrorCode.INTERNAL_ERROR])
def test_a_central_system_that_does_not_want_to_know_is_not_told_again(code: ErrorCode) -> None:
    site = Site()
    site.reports.note(SecurityEvent.INVALID_TLS_VERSION, THEN)
    site.refusal = code
    site.connect()
    site.beat()
    site.lose()
    site.connect()
    assert len(site.told) == 1


def test_what_is_lost_with_its_connection_is_reported_on_the_next_f_17() -> None:
    site = Site()
    site.reports.note(SecurityEvent.INVALID_TLS_VERSION, THEN)
    site.silent = True
    site.connect()
    site.lose()
    site.silent = False
    site.connect()
    assert site.told == [("InvalidTLSVersion", THEN)] * 2


def test_what_is_not_answered_in_time_is_left_for_the_next_connection() -> None:
    site = Site()
    site.reports.note(SecurityEvent.INVALID_TLS_VERSION, THEN)
    site.silent = True
    site.connect()
    site.now += 60.0
    site.link.handle_timeout(now=site.now)
    site.drive()
    site.beat()
    assert len(site.told) == 1
    site.silent = False
    site.lose()
    site.connect()
    assert len(site.told) == 2


def test_what_waits_for_a_connection_of_another_version_is_reported_in_that_of_the_next() -> None:
    site = Site()
    site.reports.note(SecurityEvent.INVALID_CSMS_CERTIFICATE, THEN)
    site.silent = True
    site.connect(Version.V16)
    site.lose()
    site.silent = False
    site.connect(Version.V201)
    assert [name for name, _ in site.told] == ["InvalidCentralSystemCertificate", "InvalidCsmsCertificate"]


def test_what_finds_no_room_is_reported_after_the_calls_that_took_it_f_124() -> None:
    site = Site(limits=Limits(max_queued_calls=1))
    site.reports.note(SecurityEvent.INVALID_TLS_VERSION, THEN)
    site.reports.note(SecurityEvent.INVALID_TLS_CIPHER_SUITE, THEN)
    heartbeat: Any = site.version.actions["Heartbeat"].request()
    site.backlog.call(heartbeat, now=0)
    site.connect()
    assert len(site.outcomes) == 1
    assert {name for name, _ in site.told} == {"InvalidTLSVersion", "InvalidTLSCipherSuite"}


def test_without_a_connection_nothing_is_sent_whatever_happens() -> None:
    site = Site()
    site.connect()
    site.lose()
    site.reports.note(SecurityEvent.INVALID_TLS_VERSION, THEN)
    heartbeat: Any = site.version.actions["Heartbeat"]
    call = site.backlog.call(heartbeat.request(), now=0)
    assert not site.reports.receive_event(CallSucceeded(call, heartbeat.response(current_time=THEN)), now=0)
    site.connect()
    assert len(site.told) == 1


def test_a_call_that_fails_is_no_sign_that_the_central_system_listens_rpc_075() -> None:
    site = Site()
    site.reports.note(SecurityEvent.INVALID_TLS_VERSION, THEN)
    site.refusal = ErrorCode.SECURITY_ERROR
    site.connect()
    heartbeat: Any = site.version.actions["Heartbeat"].request()
    call = site.backlog.call(heartbeat, now=0)
    assert not site.reports.receive_event(CallFailed(call, CallCancelled()), now=0)
    assert site.backlog.next_event() is None
    assert len(site.told) == 1
    site.drive()
    assert len(site.told) == 2, "because of the answer that has really come"
