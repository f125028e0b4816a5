"""Two sessions, a link that delays, loses and cuts, and a clock of its own: the invariants of the RPC layer, always.

Whatever the users of both ends do and whatever the link does to their messages (F-96, F-107):

* at most one CALL of each end is unanswered on the wire (RPC-050);
* every call has exactly one outcome, in the order of the calls unless cancelled;
* no id is used twice, and no answer resolves a call it was not meant for;
* every valid CALL that arrives is run at most once and answered exactly once;
* a CALLERROR answers nothing but a CALL (RPC-063), and what two correct peers say is never misbehaviour.
"""

from __future__ import annotations

import json
from collections import Counter, deque

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from ocpp_sansio import (
    CallFailed,
    CallOverdue,
    CallReceived,
    CallSucceeded,
    CentralSystemSession,
    ChargePointSession,
    ConnectionLost,
    DuplicateCall,
    ErrorCode,
    LateResponse,
    Limits,
    Misbehaviour,
    PeerMisbehaved,
    PendingCall,
    Role,
    Session,
    SessionClosed,
    numbered_ids,
    v16,
)

LIMITS = Limits(call_timeout=10, answer_timeout=25, max_inbound_calls=2, max_replays=100, max_expired_calls=100)


@attrs.define(eq=False)
class End:
    """One end with its user: what it asked, what became of it, what it has yet to answer, and what it sent."""

    session: Session
    inbox: deque[str] = attrs.field(factory=deque)  # on the link towards this end
    calls: list[PendingCall] = attrs.field(factory=list)
    outcomes: Counter[PendingCall] = attrs.field(factory=Counter)
    finished: list[PendingCall] = attrs.field(factory=list)
    open: list[CallReceived] = attrs.field(factory=list)
    runs: Counter[str] = attrs.field(factory=Counter)
    sent_calls: list[str] = attrs.field(factory=list)
    received_calls: Counter[str] = attrs.field(factory=Counter)
    answers: Counter[str] = attrs.field(factory=Counter)
    on_wire: PendingCall | None = None  # the model's view of it
    deadline: float = 0.0

    def request(self, number: int) -> object:
        text = f"{self.session.role}{number}"
        if self.session.role is Role.CHARGE_POINT:
            return v16.DataTransferRequest(vendor_id=text)
        return v16.DataTransferRequest(vendor_id=text, message_id="from the central system")


class TwoSessions(RuleBasedStateMachine):
    """The users' and the link's doings, in any order."""

    calls = Bundle("calls")

    @initialize()
    def connect(self) -> None:
        self.now = self.time = 0.0  # what the driver says, and the latest it said
        self.ends = [
            End(ChargePointSession("1.6", message_ids=numbered_ids("p"), limits=LIMITS)),
            End(CentralSystemSession("1.6", message_ids=numbered_ids("s"), limits=LIMITS)),
        ]
        self.cut = False
        self.wait(0.0)  # a session learns the time from its driver

    # -- what the users do --

    @rule(target=calls, side=st.integers(0, 1), timeout=st.sampled_from([1.0, 10.0, None]))
    def call(self, side: int, timeout: float | None) -> tuple[int, PendingCall | None]:
        end = self.ends[side]
        try:
            pending = end.session.call(end.request(len(end.calls)), now=self.now, timeout=timeout)  # type: ignore[attr-defined]
        except SessionClosed:
            assert self.cut
            return side, None
        assert not self.cut
        end.calls.append(pending)
        self.drive(side)
        return side, pending

    @rule(call=calls)
    def cancel(self, call: tuple[int, PendingCall | None]) -> None:
        side, pending = call
        if pending is not None:
            self.ends[side].session.cancel(pending, now=self.now)
            self.drive(side)

    @rule(side=st.integers(0, 1), which=st.integers(0, 5), accept=st.booleans())
    def answer(self, side: int, which: int, accept: bool) -> None:
        end = self.ends[side]
        if not end.open:
            return
        received = end.open.pop(which % len(end.open))
        if accept:
            echo = v16.DataTransferResponse(status=v16.DataTransferStatus.ACCEPTED, data=received.request.vendor_id)
            end.session.respond(received, echo, now=self.now)
        else:
            end.session.reject(received, ErrorCode.GENERIC_ERROR, received.request.vendor_id, now=self.now)
        self.drive(side)

    # -- what the link does --

    @rule(side=st.integers(0, 1))
    def deliver(self, side: int) -> None:
        end = self.ends[side]
        if end.inbox:
            text = end.inbox.popleft()
            message_type, message_id = json.loads(text)[:2]
            if message_type == 2:
                end.received_calls[message_id] += 1
            elif end.on_wire is not None and end.on_wire.message_id == message_id:
                end.on_wire = None
            end.session.receive_data(text, now=self.now)
            self.drive(side)

    @rule(side=st.integers(0, 1))
    def repeat(self, side: int) -> None:
        """A peer that was not answered in time may send the same CALL again (RPC-042)."""
        end = self.ends[side]
        if end.inbox and end.inbox[0].startswith("[2"):
            end.inbox.append(end.inbox[0])

    @rule(side=st.integers(0, 1))
    def lose(self, side: int) -> None:
        if self.ends[side].inbox:
            self.ends[side].inbox.popleft()

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 9.0, 30.0, -5.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.time = max(self.time, self.now)
        for side, end in enumerate(self.ends):
            end.session.handle_timeout(now=self.now)
            self.drive(side)

    @rule()
    def break_off(self) -> None:
        self.cut = True
        for side, end in enumerate(self.ends):
            end.inbox.clear()
            end.session.connection_lost(now=self.now)
            self.drive(side)
            end.open.clear()

    # -- the run loop --

    def drive(self, side: int) -> None:
        end, peer = self.ends[side], self.ends[1 - side]
        while (event := end.session.next_event()) is not None:
            match event:
                case CallReceived(message_id=message_id):
                    end.runs[message_id] += 1
                    end.open.append(event)
                case CallSucceeded(call=call, response=response):
                    self.settle(end, call)
                    assert response.data == call.request.vendor_id
                case CallFailed(call=call, error=error):
                    self.settle(end, call)
                    assert isinstance(error, ConnectionLost) <= self.cut
                case LateResponse(call=call):
                    assert end.outcomes[call] == 1
                case DuplicateCall() | CallOverdue():
                    pass
                case PeerMisbehaved(reason=Misbehaviour.UNSOLICITED_ANSWER, message_id=message_id):
                    # The second answer to a CALL that the link has repeated.
                    assert peer.received_calls[message_id] > 1
                case _:
                    raise AssertionError(f"two correct peers: {event}")
        for text in end.session.data_to_send():
            message = json.loads(text)
            if message[0] == 2:
                assert end.on_wire is None or end.deadline <= self.time, "one CALL at a time"
                end.on_wire = next(call for call in end.calls if call.message_id == message[1])
                end.deadline = self.time + end.on_wire.timeout
                end.sent_calls.append(message[1])
            else:
                end.answers[message[1]] += 1
                assert message[1] in end.received_calls
            if not self.cut:
                peer.inbox.append(text)

    def settle(self, end: End, call: PendingCall) -> None:
        end.outcomes[call] += 1
        end.finished.append(call)

    # -- what always holds --

    @invariant()
    def no_call_has_two_outcomes(self) -> None:
        for end in self.ends:
            assert all(count == 1 for count in end.outcomes.values())

    @invariant()
    def no_id_is_used_twice(self) -> None:
        for end in self.ends:
            assert len(set(end.sent_calls)) == len(end.sent_calls)

    @invariant()
    def no_call_is_run_twice_and_every_run_is_answered_at_most_once_per_receipt(self) -> None:
        for end in self.ends:
            assert all(count == 1 for count in end.runs.values())
            assert all(end.answers[message_id] <= end.received_calls[message_id] for message_id in end.answers)

    @invariant()
    def calls_are_sent_in_order(self) -> None:
        for end in self.ends:
            order = [call.message_id for call in end.calls]
            assert end.sent_calls == [message_id for message_id in order if message_id in set(end.sent_calls)]

    @invariant()
    def a_time_out_is_announced_while_something_waits(self) -> None:
        for end in self.ends:
            waiting = len(end.calls) > len(end.finished)
            assert not waiting or end.session.next_timeout() is not None

    def teardown(self) -> None:
        """At rest, with every time-out passed, every call has had its outcome and every CALL its answer."""
        if not hasattr(self, "ends"):
            return
        for _ in range(1 + max(len(end.calls) for end in self.ends)):
            self.wait(60.0)
        for end in self.ends:
            assert sorted(call.message_id for call in end.finished) == sorted(call.message_id for call in end.calls)
            if not self.cut:
                assert all(end.answers[message_id] >= 1 for message_id in end.runs)
            assert end.session.next_timeout() is None


TestTwoSessions = TwoSessions.TestCase
