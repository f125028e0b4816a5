"""CALLs that wait for a connection, and outlive those that come and go: FIFO, and one outcome for each."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from ocpp_sansio import (
    Backlog,
    CallCancelled,
    CallExpired,
    CallFailed,
    CallReceived,
    CallSucceeded,
    CallTimedOut,
    CentralSystemSession,
    ChargePointSession,
    ConnectionLost,
    InvalidMessage,
    Limits,
    LocalProtocolError,
    PendingCall,
    QueueFull,
    SessionClosed,
    Unsendable,
    Version,
    numbered_ids,
    v16,
    v21,
    v201,
)


def request(text: str) -> v16.DataTransferRequest:
    return v16.DataTransferRequest(vendor_id=text)


class Site:
    """A charge point with its backlog, a clock, and a central system that answers when it is told to."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.now = 100.0
        self.limits = limits or Limits()
        self.backlog = Backlog(limits)
        self.link: ChargePointSession | None = None
        self.links = 0
        self.outcomes: list[tuple[str, Any]] = []
        self.arrived: list[str] = []

    def call(self, text: str, **options: Any) -> PendingCall[Any]:
        call = self.backlog.call(request(text), now=self.now, **options)
        self.drive()
        return call

    def connect(self, version: str = "1.6") -> ChargePointSession:
        self.links += 1
        ids = numbered_ids(f"{self.links}-")
        self.link = ChargePointSession(version, message_ids=ids, limits=self.limits)
        self.unanswered: list[CallReceived[Any]] = []
        self.central_system = CentralSystemSession(version, message_ids=numbered_ids("c"))
        self.backlog.link_up(self.link, now=self.now)
        self.drive()
        return self.link

    def lose(self) -> None:
        assert self.link is not None
        self.link.connection_lost(now=self.now)
        self.drive()
        self.backlog.link_down(now=self.now)
        self.link = None
        self.drive()

    def answer(self) -> None:
        """The central system answers what has come first."""
        call = self.unanswered.pop(0)
        response = v16.DataTransferResponse(status=v16.DataTransferStatus.ACCEPTED, data=call.request.vendor_id)
        self.central_system.respond(call, response, now=self.now)
        self.drive()

    def wait(self, seconds: float) -> None:
        self.now += seconds
        if self.link is not None:
            self.link.handle_timeout(now=self.now)
        self.backlog.handle_timeout(now=self.now)
        self.drive()

    def drive(self) -> None:
        while self.link is not None and self.carry():
            pass
        while (outcome := self.backlog.next_event()) is not None:
            what = outcome.response.data if isinstance(outcome, CallSucceeded) else outcome.error
            self.outcomes.append((outcome.call.request.vendor_id, what))

    def carry(self) -> bool:
        """Take what each end has for the other there. Whether there was anything."""
        assert self.link is not None
        moved = False
        while (event := self.link.next_event()) is not None:
            moved = True
            self.backlog.receive_event(event, now=self.now)
        for text in self.link.data_to_send():
            moved = True
            self.central_system.receive_data(text, now=self.now)
        for text in self.central_system.data_to_send():
            moved = True
            self.link.receive_data(text, now=self.now)
        while (event := self.central_system.next_event()) is not None:
            assert isinstance(event, CallReceived)
            self.unanswered.append(event)
            self.arrived.append(event.request.vendor_id)
        return moved

    def told(self) -> list[tuple[str, Any]]:
        told, self.outcomes = self.outcomes, []
        return [(text, type(what) if isinstance(what, Exception) else what) for text, what in told]


# -- waiting --


def test_calls_wait_for_a_link_and_are_sent_in_their_order_one_after_the_other_rpc_131_rpc_050() -> None:
    site = Site()
    for text in "abc":
        site.call(text)
    assert site.backlog.next_timeout() is None
    site.connect()
    assert site.arrived == ["a"]
    for _ in "abc":
        site.answer()
    assert site.arrived == ["a", "b", "c"]
    assert site.told() == [("a", "a"), ("b", "b"), ("c", "c")]


def test_with_a_link_a_call_is_sent_at_once() -> None:
    site = Site()
    site.connect()
    call = site.call("a", timeout=7.0)
    assert site.arrived == ["a"]
    assert (call.action, call.timeout) == ("DataTransfer", 7.0)
    site.answer()
    assert site.told() == [("a", "a")]


def test_a_time_out_counts_from_when_the_call_is_sent_rpc_054() -> None:
    site = Site(Limits(call_timeout=30))
    site.call("a")
    site.call("b", timeout=math.inf)
    site.wait(1000)
    site.connect()
    site.wait(29)
    assert site.told() == []
    site.wait(1)
    assert site.told() == [("a", CallTimedOut)]
    site.wait(10_000)
    site.unanswered.pop(0)
    site.answer()
    assert site.told() == [("b", "b")]


# -- the link is lost --


def test_what_was_sent_fails_when_the_link_is_lost_and_what_was_not_is_sent_on_the_next_one_rpc_131() -> None:
    site = Site()
    site.connect()
    for text in "abc":
        site.call(text)
    site.lose()
    (outcome,) = site.outcomes
    assert outcome[0] == "a"
    assert isinstance(outcome[1], ConnectionLost)
    assert outcome[1].sent
    site.call("d")
    site.connect()
    for _ in "bcd":
        site.answer()
    assert site.arrived == ["a", "b", "c", "d"]
    assert site.told()[1:] == [("b", "b"), ("c", "c"), ("d", "d")]


def test_what_the_link_has_not_sent_yet_is_sent_first_on_the_next_one_rpc_131() -> None:
    site = Site()
    link = site.connect()
    link.call(request("somebody else's"), now=site.now)
    site.call("a")
    site.call("b")
    assert site.arrived == ["somebody else's"]
    site.lose()
    assert site.told() == []
    site.connect()
    site.answer()
    site.answer()
    assert site.arrived == ["somebody else's", "a", "b"]
    assert site.told() == [("a", "a"), ("b", "b")]


def test_what_comes_from_a_link_that_is_gone_changes_nothing_rpc_131() -> None:
    site = Site()
    old = site.connect()
    site.call("a")
    old.connection_lost(now=site.now)
    event = old.next_event()
    assert isinstance(event, CallFailed)
    site.backlog.link_down(now=site.now)
    site.backlog.receive_event(event, now=site.now)
    site.link = None
    site.drive()
    assert site.told() == [("a", ConnectionLost)]


def test_a_new_link_takes_the_place_of_one_that_nobody_said_was_gone_rpc_131() -> None:
    site = Site()
    site.connect()
    site.call("a")
    site.call("b")
    site.connect()
    site.answer()
    assert site.told() == [("a", ConnectionLost), ("b", "b")]


def test_a_link_that_has_ended_without_a_word_leaves_everything_for_the_next_rpc_131() -> None:
    site = Site()
    link = site.connect()
    link.connection_lost(now=site.now)
    site.call("a")
    assert site.told() == []
    site.lose()
    site.connect()
    site.answer()
    assert site.told() == [("a", "a")]


# -- the next link speaks another version --


def test_a_call_of_another_version_than_the_link_speaks_fails_and_the_next_is_sent_rpc_131() -> None:
    site = Site()
    site.call("a")
    site.backlog.call(v201.DataTransferRequest(vendor_id="b"), now=site.now)
    site.connect("2.0.1")
    assert site.arrived == ["b"]
    (outcome,) = site.outcomes
    assert outcome[0] == "a"
    assert isinstance(outcome[1], Unsendable)
    assert str(outcome[1]) == "DataTransferRequest is not a request of OCPP 2.0.1"


# -- expiry --


def test_a_call_that_could_not_be_sent_in_time_expires() -> None:
    site = Site()
    site.call("a", expires_in=60)
    site.call("b")
    site.call("c", expires_in=30)
    assert site.backlog.next_timeout() == 130.0
    site.wait(30)
    assert site.told() == [("c", CallExpired)]
    assert site.backlog.next_timeout() == 160.0
    site.backlog.handle_timeout(now=0.0)
    site.wait(30)
    assert site.told() == [("a", CallExpired)]
    assert site.backlog.next_timeout() is None
    site.connect()
    site.answer()
    assert site.told() == [("b", "b")]


def test_once_it_is_sent_a_call_does_not_expire_but_what_comes_back_unsent_does() -> None:
    site = Site()
    site.connect()
    site.call("a", expires_in=20)
    site.wait(25)
    site.answer()
    assert site.told() == [("a", "a")]
    assert site.link is not None
    site.link.call(request("somebody else's"), now=site.now)
    site.call("b", expires_in=20)
    assert site.backlog.next_timeout() is None
    site.lose()
    assert site.backlog.next_timeout() == site.now + 20
    site.now += 20
    site.connect()
    assert site.arrived == ["a", "somebody else's"]
    assert site.told() == [("b", CallExpired)]


def test_it_says_what_has_expired() -> None:
    assert str(CallExpired()) == "it could not be sent in time"


# -- cancelling --


def test_a_call_that_waits_can_be_cancelled_and_no_link_sees_it() -> None:
    site = Site()
    call = site.call("a", expires_in=20)
    site.call("b")
    site.backlog.cancel(call, now=site.now)
    site.backlog.cancel(call, now=site.now)
    assert site.backlog.next_timeout() is None
    site.connect()
    assert site.arrived == ["b"]
    assert site.told() == [("a", CallCancelled)]


def test_a_call_that_was_sent_can_be_cancelled_and_the_next_waits_for_its_answer_rpc_050() -> None:
    site = Site()
    site.connect()
    call = site.call("a")
    site.call("b")
    site.backlog.cancel(call, now=site.now)
    site.drive()
    assert site.told() == [("a", CallCancelled)]
    assert site.arrived == ["a"]
    site.answer()
    assert site.arrived == ["a", "b"]
    site.backlog.cancel(call, now=site.now)
    site.answer()
    assert site.told() == [("b", "b")]


def test_a_call_that_was_cancelled_while_its_link_ended_is_not_sent_on_the_next() -> None:
    site = Site()
    link = site.connect()
    link.call(request("somebody else's"), now=site.now)
    call = site.call("a")
    link.connection_lost(now=site.now)
    site.backlog.cancel(call, now=site.now)
    site.lose()
    site.connect()
    assert site.arrived == ["somebody else's"]
    assert site.told() == [("a", CallCancelled)]


# -- bounds --


def test_only_so_many_calls_wait_f_124() -> None:
    site = Site(Limits(max_queued_calls=2))
    site.call("a")
    site.call("b")
    with pytest.raises(QueueFull, match="2 calls"):
        site.call("c")
    site.connect()
    site.call("c")
    with pytest.raises(QueueFull):
        site.call("d")
    for _ in "abc":
        site.answer()
    assert site.told() == [("a", "a"), ("b", "b"), ("c", "c")]


def test_where_no_call_may_wait_one_can_still_be_made_f_124() -> None:
    site = Site(Limits(max_queued_calls=0))
    with pytest.raises(QueueFull):
        site.call("a")
    site.connect()
    site.call("b")
    with pytest.raises(QueueFull):
        site.call("c")
    site.answer()
    assert site.told() == [("b", "b")]


def test_a_call_fails_for_which_others_have_left_no_room_on_the_link_f_124() -> None:
    site = Site(Limits(max_queued_calls=0))
    link = site.connect()
    link.call(request("x"), now=site.now)
    site.call("a")
    (outcome,) = site.outcomes
    assert outcome[0] == "a"
    assert isinstance(outcome[1], Unsendable)
    assert str(outcome[1]) == "0 calls are waiting already"


# -- the end --


def test_when_it_is_closed_every_call_has_its_outcome_and_no_other_is_taken() -> None:
    site = Site()
    site.connect()
    site.call("a")
    site.call("b", expires_in=20)
    site.backlog.close(now=site.now)
    site.link = None
    site.drive()
    (first, second) = site.outcomes
    assert (first[0], first[1].sent) == ("a", True)
    assert (second[0], second[1].sent) == ("b", False)
    assert site.backlog.next_timeout() is None
    with pytest.raises(SessionClosed):
        site.call("c")


# -- misuse --


def test_what_is_wrong_with_a_call_is_known_at_once() -> None:
    backlog = Backlog()
    with pytest.raises(InvalidMessage):
        backlog.call(v16.DataTransferRequest(vendor_id="x" * 1000), now=0)
    reset: Any = v16.ResetRequest(type=v16.ResetType.SOFT)
    with pytest.raises(LocalProtocolError, match="charge point does not send ResetRequest"):
        backlog.call(reset, now=0)
    told: Any = json.loads("{}")
    with pytest.raises(LocalProtocolError, match="dict"):
        backlog.call(told, now=0)
    stream: Any = v21.NotifyPeriodicEventStream
    with pytest.raises(LocalProtocolError, match="CALL"):
        backlog.call(stream, now=0)
    for bad in (0, -1, math.nan):
        with pytest.raises(ValueError, match="positive"):
            backlog.call(request("a"), now=0, timeout=bad)
        with pytest.raises(ValueError, match="positive"):
            backlog.call(request("a"), now=0, expires_in=bad)
    assert backlog.next_event() is None
    backlog.link_up(ChargePointSession(Version.V16, message_ids=numbered_ids("a")), now=0)
