"""Two sessions, a link that delays, loses, spoils and cuts, and a clock of its own: what always holds of the RPC layer.

In every version, whatever the users of both ends do and whatever the link does to their messages (F-96, F-107):

* at most one CALL of each end is unanswered on the wire (RPC-050);
* every call has exactly one outcome, in the order of the calls unless cancelled;
* no id is used twice, and no answer resolves a call it was not meant for;
* every valid CALL that arrives is run at most once and answered exactly once;
* a CALLERROR answers nothing but a CALL (RPC-063), and what two correct peers say is never misbehaviour;
* in 2.1 every CALLRESULT of a CALL that turns out invalid is refused once, before anything else is sent (RPC-072), and
  the one who sent it learns of which CALL it was; before 2.1 none is;
* a SEND waits for nothing (RPC-056), arrives in order, and is never answered (RPC-063).
"""

from __future__ import annotations

import json
from collections import Counter, deque
from datetime import UTC, datetime
from enum import Enum
from types import ModuleType
from typing import ClassVar

import attrs
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

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
    InvalidResponse,
    LateResponse,
    Limits,
    Misbehaviour,
    PeerMisbehaved,
    PendingCall,
    Role,
    Session,
    SessionClosed,
    Version,
    numbered_ids,
    v16,
    v21,
    v201,
)
from ocpp_sansio.events import Event, ResultRefused, SendReceived

pytestmark = pytest.mark.no_cover

LIMITS = Limits(call_timeout=10, answer_timeout=25, max_inbound_calls=2, max_replays=100, max_expired_calls=100)

# What the link can make of a message, by its type: wrong, but still to be told by its id.
SPOILT = {
    3: ['[3,"%s",{}]', '[3,"%s",null]', '[3,"%s",{"status":"Maybe"}]', '[3,"%s"]', '[3,"%s",{'],
    4: ['[4,"%s","GenericError","",[]]', '[4,"%s"]'],
    5: ['[5,"%s","GenericError","",[]]', '[5,"%s"]'],
    6: ['[6,"%s","NotifyPeriodicEventStream",{}]', '[6,"%s","Heartbeat",{}]', '[6,"%s"'],
}

Fate = Enum("Fate", ["DELIVERED", "LOST", "REPEATED"])
"""What the link does with a message. It can also spoil it, in one of so many ways."""
Fates = list[Fate | int]
FATES = st.lists(st.sampled_from([*[Fate.DELIVERED] * 8, Fate.LOST, Fate.REPEATED, *range(5)]), max_size=3)


@attrs.frozen
class Letter:
    """A message on the link."""

    text: str
    message_type: int
    message_id: str
    spoilt: bool = False

    def spoil(self, how: int) -> Letter:
        ways = SPOILT.get(self.message_type)
        if ways is None:
            return self
        return attrs.evolve(self, text=ways[how % len(ways)] % self.message_id, spoilt=True)


@attrs.define(eq=False)
class End:
    """One end with its user: what it asked, what became of it, what it has yet to answer, and what it sent."""

    session: Session
    messages: ModuleType  # of its version
    inbox: deque[Letter] = attrs.field(factory=deque)  # on the link towards this end
    at_hand: Letter | None = None  # what it is being given
    calls: list[PendingCall] = attrs.field(factory=list)
    outcomes: Counter[PendingCall] = attrs.field(factory=Counter)
    finished: list[PendingCall] = attrs.field(factory=list)
    open: list[CallReceived] = attrs.field(factory=list)
    runs: Counter[str] = attrs.field(factory=Counter)
    sent_calls: list[str] = attrs.field(factory=list)
    received_calls: Counter[str] = attrs.field(factory=Counter)
    answers: Counter[str] = attrs.field(factory=Counter)
    invalid_results: Counter[str] = attrs.field(factory=Counter)
    refusals: Counter[str] = attrs.field(factory=Counter)
    sends: list[str] = attrs.field(factory=list)
    received_sends: list[str] = attrs.field(factory=list)
    on_wire: PendingCall | None = None  # the model's view of it
    deadline: float = 0.0

    def request(self, number: int) -> object:
        text = f"{self.session.role}{number}"
        if self.session.role is Role.CHARGE_POINT:
            return self.messages.DataTransferRequest(vendor_id=text)
        return self.messages.DataTransferRequest(vendor_id=text, message_id="from the central system")


class TwoSessions(RuleBasedStateMachine):
    """The users' and the link's doings, in any order."""

    version: ClassVar[Version]
    messages: ClassVar[ModuleType]

    calls = Bundle("calls")

    @initialize(lifetime=st.integers(0, 20))
    def connect(self, lifetime: int) -> None:
        self.now = self.time = 0.0  # what the driver says, and the latest it said
        self.ends = [
            End(ChargePointSession(self.version, message_ids=numbered_ids("p"), limits=LIMITS), self.messages),
            End(CentralSystemSession(self.version, message_ids=numbered_ids("s"), limits=LIMITS), self.messages),
        ]
        self.cut = False
        self.lifetime = lifetime  # messages until the link may break
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
            status = self.messages.DataTransferStatus.ACCEPTED
            echo = self.messages.DataTransferResponse(status=status, data=received.request.vendor_id)
            end.session.respond(received, echo, now=self.now)
        else:
            end.session.reject(received, ErrorCode.GENERIC_ERROR, received.request.vendor_id, now=self.now)
        self.drive(side)

    @rule(side=st.integers(0, 1), there=FATES, accept=st.booleans(), back=FATES)
    def exchange(self, side: int, there: Fates, accept: bool, back: Fates) -> None:
        """The usual course of things: most of what can happen takes a few messages."""
        self.call(side, None)
        self.carry(1 - side, there)
        self.answer(1 - side, -1, accept)
        self.carry(side, back)

    @precondition(lambda self: self.version is Version.V21)
    @rule()
    def send(self) -> None:
        end, seen = self.ends[0], len(self.ends[0].sends)
        data = [v21.StreamDataElement(t=0, v="1")]
        message = v21.NotifyPeriodicEventStream(
            data=data, id=0, pending=seen, basetime=datetime(2026, 1, 1, tzinfo=UTC)
        )
        try:
            end.session.send(message, now=self.now)  # type: ignore[attr-defined]
        except SessionClosed:
            assert self.cut
        else:
            assert not self.cut
            self.drive(0)
            assert len(end.sends) == seen + 1

    # -- what the link does --

    @rule(side=st.integers(0, 1), fates=FATES)
    def carry(self, side: int, fates: Fates) -> None:
        end = self.ends[side]
        for fate, letter in zip(fates, list(end.inbox), strict=False):
            end.inbox.popleft()
            self.lifetime -= 1
            if fate is not Fate.LOST:
                self.deliver(side, letter.spoil(fate) if isinstance(fate, int) else letter)
            if fate is Fate.REPEATED and letter.message_type == 2:
                # A peer that was not answered in time may send the same CALL again (RPC-042).
                end.inbox.append(letter)

    def deliver(self, side: int, letter: Letter) -> None:
        end = self.ends[side]
        end.at_hand = letter
        if letter.message_type == 2:
            end.received_calls[letter.message_id] += 1
        elif letter.message_type in (3, 4) and end.on_wire is not None:
            end.on_wire = None if end.on_wire.message_id == letter.message_id else end.on_wire
        end.session.receive_data(letter.text, now=self.now)
        self.drive(side)
        end.at_hand = None

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.2, 0.5, 1.0, 9.0, 30.0, -5.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.time = max(self.time, self.now)
        for side, end in enumerate(self.ends):
            end.session.handle_timeout(now=self.now)
            self.drive(side)

    @precondition(lambda self: self.lifetime < 0)
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
            self.hear(end, peer, event)
        for number, text in enumerate(end.session.data_to_send()):
            message_type, message_id = json.loads(text)[:2]
            self.post(end, message_type, message_id, number)
            if not self.cut:
                peer.inbox.append(Letter(text, message_type, message_id))

    def hear(self, end: End, peer: End, event: Event) -> None:
        match event:
            case CallReceived(message_id=message_id):
                end.runs[message_id] += 1
                end.open.append(event)
            case CallSucceeded(call=call, response=response):
                self.settle(end, call)
                assert response.data == call.request.vendor_id
            case CallFailed(call=call, error=error):
                self.settle(end, call)
                self.judge(end, error)
                assert isinstance(error, ConnectionLost) <= self.cut
            case LateResponse(call=call, answer=answer):
                self.judge(end, answer)
                assert end.outcomes[call] == 1
            case ResultRefused(call=received):
                assert (peer.refusals[received.message_id], end.runs[received.message_id]) == (1, 1)
            case SendReceived(message_id=message_id, message=message):
                assert peer.sends[message.pending] == message_id
                end.received_sends.append(message_id)
            case DuplicateCall() | CallOverdue():
                pass
            case PeerMisbehaved(answered=None) if end.at_hand is not None and end.at_hand.spoilt:
                pass
            case PeerMisbehaved(reason=Misbehaviour.UNSOLICITED_ANSWER, message_id=message_id):
                # The second answer to a CALL that the link has repeated.
                assert peer.received_calls[message_id] > 1
            case _:
                raise AssertionError(f"two correct peers: {event}")

    def post(self, end: End, message_type: int, message_id: str, number: int) -> None:
        match message_type:
            case 2:
                assert end.on_wire is None or end.deadline <= self.time, "one CALL at a time"
                end.on_wire = next(call for call in end.calls if call.message_id == message_id)
                end.deadline = self.time + end.on_wire.timeout
                end.sent_calls.append(message_id)
            case 3 | 4:
                end.answers[message_id] += 1
                assert message_id in end.received_calls
            case 5:
                end.refusals[message_id] += 1
                assert number == 0, "before anything else"
            case _:
                end.sends.append(message_id)

    def judge(self, end: End, answer: object) -> None:
        if isinstance(answer, InvalidResponse):
            assert end.at_hand is not None
            assert end.at_hand.spoilt
            end.invalid_results[end.at_hand.message_id] += end.at_hand.message_type == 3

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
            ids = end.sent_calls + end.sends
            assert len(set(ids)) == len(ids)

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
    def every_invalid_result_is_refused_once_where_there_are_refusals(self) -> None:
        for end in self.ends:
            assert all(count <= 1 for count in end.invalid_results.values())
            assert end.refusals == (end.invalid_results if self.version is Version.V21 else Counter())

    @invariant()
    def sends_arrive_in_order(self) -> None:
        received = self.ends[1].received_sends
        assert received == [message_id for message_id in self.ends[0].sends if message_id in set(received)]

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


class TwoSessionsOf16(TwoSessions):
    version, messages = Version.V16, v16


class TwoSessionsOf201(TwoSessions):
    version, messages = Version.V201, v201


class TwoSessionsOf21(TwoSessions):
    version, messages = Version.V21, v21


TestTwoSessionsOf16 = TwoSessionsOf16.TestCase
TestTwoSessionsOf201 = TwoSessionsOf201.TestCase
TestTwoSessionsOf21 = TwoSessionsOf21.TestCase
