"""A backlog, links that come and go, a central system that answers or does not: what always holds (RPC-131).

* every call has exactly one outcome, in the order of the calls unless it was cancelled or has expired;
* calls are sent in their order, each at most once, and one at a time (RPC-050);
* a call that was not sent when its link was lost has no outcome from that;
* an answer is the outcome of no other call than the one it was given to.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

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
    ErrorCode,
    Limits,
    PendingCall,
    QueueFull,
    Unsendable,
    numbered_ids,
    v16,
    v201,
)

pytestmark = pytest.mark.no_cover

LIMITS = Limits(call_timeout=10, max_queued_calls=3)
OTHERS = "x"


class BacklogAndLinks(RuleBasedStateMachine):
    """The user's, the link's and the central system's doings, in any order."""

    calls = Bundle("calls")

    @initialize()
    def begin(self) -> None:
        self.now = 0.0
        self.numbers = itertools.count()
        self.backlog = Backlog(LIMITS)
        self.link: ChargePointSession | None = None
        self.made: list[PendingCall[Any]] = []
        self.outcomes: Counter[PendingCall[Any]] = Counter()
        self.finished: list[PendingCall[Any]] = []
        self.out_of_order: set[PendingCall[Any]] = set()
        self.arrived: list[str] = []
        self.open: list[CallReceived[Any]] = []

    # -- the user --

    @rule(target=calls, version=st.sampled_from([v16, v16, v16, v201]), expires_in=st.sampled_from([None, None, 5.0]))
    def call(self, version: Any, expires_in: float | None) -> PendingCall[Any] | None:
        request = version.DataTransferRequest(vendor_id=str(next(self.numbers)))
        try:
            call = self.backlog.call(request, now=self.now, expires_in=expires_in)
        except QueueFull:
            return None
        self.made.append(call)
        self.drive()
        return call

    @rule(call=calls)
    def cancel(self, call: PendingCall[Any] | None) -> None:
        if call is not None:
            self.backlog.cancel(call, now=self.now)
            self.drive()

    @precondition(lambda self: self.link is not None)
    @rule()
    def somebody_else_calls_on_the_link(self) -> None:
        assert self.link is not None
        messages = v16 if self.link.version.value == "1.6" else v201
        try:
            self.link.call(messages.DataTransferRequest(vendor_id=OTHERS), now=self.now)
        except QueueFull:
            return
        self.drive()

    # -- the link --

    @rule(version=st.sampled_from(["1.6", "1.6", "2.0.1"]))
    def connect(self, version: str) -> None:
        if self.link is None:
            self.link = ChargePointSession(version, message_ids=numbered_ids("p"), limits=LIMITS)
            self.central_system = CentralSystemSession(version, message_ids=numbered_ids("c"))
            self.backlog.link_up(self.link, now=self.now)
            self.drive()

    @precondition(lambda self: self.link is not None)
    @rule()
    def lose(self) -> None:
        assert self.link is not None
        self.open.clear()
        self.link.connection_lost(now=self.now)
        self.drive()
        self.backlog.link_down(now=self.now)
        self.link = None
        self.drive()

    @precondition(lambda self: self.link is not None)
    @rule(count=st.integers(2, 3))
    def lose_with_calls_unsent(self, count: int) -> None:
        """What takes many steps to come about by chance."""
        self.somebody_else_calls_on_the_link()
        for _ in range(count):
            self.call(v16, None)
        self.lose()

    @precondition(lambda self: self.open)
    @rule(accept=st.booleans())
    def answer(self, accept: bool) -> None:
        call = self.open.pop(0)
        if accept:
            messages = v16 if isinstance(call.request, v16.DataTransferRequest) else v201
            status = messages.DataTransferStatus.ACCEPTED
            echo = messages.DataTransferResponse(status=status, data=call.request.vendor_id)
            self.central_system.respond(call, echo, now=self.now)
        else:
            self.central_system.reject(call, ErrorCode.GENERIC_ERROR, call.request.vendor_id, now=self.now)
        self.drive()

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 6.0, 20.0, -3.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        if self.link is not None:
            self.link.handle_timeout(now=self.now)
            self.drive()
        self.backlog.handle_timeout(now=self.now)
        self.drive()

    # -- the run loop --

    def drive(self) -> None:
        while self.link is not None and self.carry():
            pass
        while (outcome := self.backlog.next_event()) is not None:
            self.hear(outcome)

    def carry(self) -> bool:
        assert self.link is not None
        moved = False
        while (event := self.link.next_event()) is not None:
            self.backlog.receive_event(event, now=self.now)
            moved = True
        for text in self.link.data_to_send():
            self.central_system.receive_data(text, now=self.now)
            moved = True
        while (received := self.central_system.next_event()) is not None:
            if isinstance(received, CallReceived):
                self.open.append(received)
                self.arrived.append(received.request.vendor_id)
        for text in self.central_system.data_to_send():
            self.link.receive_data(text, now=self.now)
            moved = True
        return moved

    def hear(self, outcome: CallSucceeded[Any] | CallFailed) -> None:
        call = outcome.call
        self.outcomes[call] += 1
        number = call.request.vendor_id
        if isinstance(outcome, CallSucceeded):
            assert outcome.response.data == number
        elif isinstance(outcome.error, CallCancelled | CallExpired):
            self.out_of_order.add(call)
        elif isinstance(outcome.error, ConnectionLost):
            assert outcome.error.sent
        elif isinstance(outcome.error, Unsendable):
            assert number not in self.arrived
        elif not isinstance(outcome.error, CallTimedOut):
            assert str(outcome.error) == f"GenericError: {number}"
        self.finished.append(call)

    # -- what always holds --

    @invariant()
    def no_call_has_two_outcomes(self) -> None:
        if hasattr(self, "outcomes"):
            assert all(count == 1 for count in self.outcomes.values())

    @invariant()
    def calls_are_sent_in_their_order_and_once(self) -> None:
        if hasattr(self, "arrived"):
            numbers = [int(text) for text in self.arrived if text != OTHERS]
            assert numbers == sorted(set(numbers))

    @invariant()
    def outcomes_come_in_the_order_of_the_calls(self) -> None:
        if hasattr(self, "finished"):
            finished = [call for call in self.finished if call not in self.out_of_order]
            assert finished == [call for call in self.made if call in set(finished)]

    def teardown(self) -> None:
        """On a link that lasts, with every time-out passed, every call comes to its outcome."""
        if not hasattr(self, "made"):
            return
        self.connect("1.6")
        for _ in range(2 * len(self.made) + 10):
            self.wait(60.0)
        assert self.backlog.next_timeout() is None
        assert Counter(self.made) == self.outcomes
        self.calls_are_sent_in_their_order_and_once()
        self.outcomes_come_in_the_order_of_the_calls()


TestBacklogAndLinks = BacklogAndLinks.TestCase
