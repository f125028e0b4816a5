"""Two connections, one after the other, over links as bad as TCP's are, and a backlog that outlives them all.

In every version, whatever the users of both ends, the link and the clocks do (F-96, F-107, F-136, RPC-131):

* a call that was made has exactly one outcome, in the order of the calls unless it has expired, and never a wrong one;
* no handler runs twice for a CALL, and no id is used twice on all connections (RPC-041);
* at most one CALL of each end is unanswered on the wire (RPC-050);
* bytes that are cut, late, stalled or half lost never make two correct peers misbehave (F-04, F-09, F-56);
* a connection is told of in order, and its last event is its end: nothing follows (F-09);
* no deadline fires before its time, nor again and again: a process that is woken after an hour, or by a clock that
  jumps, has little to do (F-136);
* in the end, over a link that lasts, everything that waits comes to its outcome.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ocpp_sansio import (
    Backlog,
    CallExpired,
    CallFailed,
    CallReceived,
    CallSucceeded,
    CallTimedOut,
    ConnectionClosed,
    ConnectionLost,
    ConnectionOpened,
    ConnectionRefused,
    Dialer,
    Limits,
    Misbehaviour,
    PeerMisbehaved,
    PendingCall,
    QueueFull,
    Version,
    v16,
    v21,
    v201,
)
from ocpp_sansio.events import Event
from ocpp_sansio.testing import Conditions, ConnectionPair, Peer, Side
from ocpp_sansio.testing.chance import Chance
from ocpp_sansio.testing.machines import chances

BUDGET = settings(max_examples=40, stateful_step_count=40)
LIMITS = Limits(call_timeout=10, answer_timeout=25, max_queued_calls=20, max_inbound_calls=2)
CALM = Conditions(delay=(0.01, 0.2), split=0.3)
WEATHER = [
    CALM,
    Conditions(delay=(0.5, 4), split=0.5, notice=(0, 40)),
    Conditions(delay=(0, 2), split=0.7, cut=0.1, half_open=0.5, notice=(0, 20)),
    Conditions(delay=(0, 1), stall=0.2, stall_for=(1, 60), cut=0.03),
]
LAST = (ConnectionClosed, ConnectionRefused)


class TwoConnections(RuleBasedStateMachine):
    """The users' and the link's doings. The charge point's calls are put into a backlog, and a dialer connects."""

    version: ClassVar[Version]
    messages: ClassVar[ModuleType]

    @initialize(chance=chances(), conditions=st.sampled_from(WEATHER))
    def begin(self, chance: Chance, conditions: Conditions) -> None:
        self.numbers = itertools.count()
        self.backlog = Backlog(LIMITS)
        self.made: list[PendingCall[Any]] = []
        self.outcomes: Counter[PendingCall[Any]] = Counter()
        self.finished: list[PendingCall[Any]] = []
        self.runs: Counter[str] = Counter()
        self.ended: set[Peer[Any]] = set()
        self.latest: defaultdict[Side[Any], float] = defaultdict(float)
        """What the clocks had shown when they jumped."""
        self.link_of_backlog: Peer[Any] | None = None
        self.down: list[PendingCall[Any]] = []
        self.down_outcomes: Counter[PendingCall[Any]] = Counter()
        self.pair = ConnectionPair(self.version, conditions=conditions, seed=chance, limits=LIMITS)
        self.pair.charge_point.let_go()  # nobody has watched the first connection
        for side in (self.pair.charge_point, self.pair.central_system):
            self.watch(side)
        self.dialer = Dialer([0], now=0.0, chance=lambda: 0.5)
        assert self.dialer.dial(now=0.0) == 0
        self.pair.dial()

    def watch(self, side: Side[Any]) -> None:
        hear = side.hear

        def heard(peer: Peer[Any], event: Event) -> None:
            assert peer not in self.ended, f"{event} after the end"
            if isinstance(event, LAST):
                self.ended.add(peer)
            if isinstance(event, PeerMisbehaved):
                # For a clock that has jumped back no time passes, and so the pings of an hour all come at once.
                assert event.reason is Misbehaviour.TOO_MANY_CONTROL_FRAMES
                assert side.now <= self.latest[side]
            hear(peer, event)
            self.act(side, peer, event)

        side.hear = heard  # type: ignore[method-assign]

        def transfer(peer: Any, request: Any) -> Any:
            assert request.vendor_id not in self.runs or side is not self.pair.central_system
            self.runs[request.vendor_id] += 1
            status = self.messages.DataTransferStatus.ACCEPTED
            response = self.messages.DataTransferResponse(status=status, data=request.vendor_id)
            return response if len(self.runs) % 2 else self.later(peer, response)

        side.handlers.on(self.messages.DataTransferRequest)(transfer)

    @staticmethod
    async def later(peer: Any, response: Any) -> Any:
        await peer.sleep(5)
        return response

    def act(self, side: Side[Any], peer: Peer[Any], event: Event) -> None:
        """What a driver does with events beside the pair: tell the backlog and the dialer."""
        now = side.now
        if side is self.pair.central_system:
            if isinstance(event, CallSucceeded | CallFailed):
                self.down_outcomes[event.call] += 1
            return
        if isinstance(event, ConnectionOpened):
            self.dialer.connected(now=now)
            self.link_of_backlog = peer
            self.backlog.link_up(peer.machine, now=now)
        elif peer is self.link_of_backlog:
            self.backlog.receive_event(event, now=now)
        if isinstance(event, LAST):
            if peer is self.link_of_backlog:
                self.link_of_backlog = None
                self.backlog.link_down(now=now)
            if peer is side.peer:
                self.dialer.failed(event, now=now)
        self.drain()

    def drain(self) -> None:
        while (outcome := self.backlog.next_event()) is not None:
            call = outcome.call
            self.outcomes[call] += 1
            if not (isinstance(outcome, CallFailed) and isinstance(outcome.error, CallExpired)):
                self.finished.append(call)
            if isinstance(outcome, CallSucceeded):
                assert outcome.response.data == call.request.vendor_id
            else:
                assert isinstance(outcome.error, CallExpired | CallTimedOut | ConnectionLost), outcome.error
                assert not isinstance(outcome.error, ConnectionLost) or outcome.error.sent

    # -- what the users do --

    @rule(expires_in=st.sampled_from([None, None, 30.0]))
    def call_up(self, expires_in: float | None) -> None:
        request = self.messages.DataTransferRequest(vendor_id=f"up {next(self.numbers)}")
        try:
            self.made.append(self.backlog.call(request, now=self.pair.charge_point.now, expires_in=expires_in))
        except QueueFull:
            return
        self.drain()
        self.pair.charge_point.peer.drive()

    @precondition(lambda self: self.pair.central_system.is_open)
    @rule()
    def call_down(self) -> None:
        request = self.messages.DataTransferRequest(vendor_id=f"down {next(self.numbers)}")
        with suppress(QueueFull):
            self.down.append(self.pair.central_system.peer.ask(request))

    @precondition(lambda self: self.pair.charge_point.is_open)
    @rule()
    def call_up_beside_the_backlog(self) -> None:
        """So that what the backlog has given to the link may not have been sent when that is lost."""
        with suppress(QueueFull):
            request = self.messages.DataTransferRequest(vendor_id=f"beside {next(self.numbers)}")
            self.pair.charge_point.peer.ask(request)

    # -- what befalls them --

    @rule(told=st.sampled_from([(0, 1), (0,), (1,), ()]))
    def cut(self, told: Sequence[int]) -> None:
        sides = self.pair.charge_point, self.pair.central_system
        self.pair.cut([sides[each] for each in told])

    @rule(conditions=st.sampled_from(WEATHER))
    def change(self, conditions: Conditions) -> None:
        self.pair.conditions = self.pair.link.conditions = conditions

    @rule(which=st.integers(0, 1), seconds=st.sampled_from([3.0, 60.0, 3600.0]))
    def suspend(self, which: int, seconds: float) -> None:
        """F-136, F-137."""
        (self.pair.charge_point, self.pair.central_system)[which].suspend(seconds)

    @rule(which=st.integers(0, 1), seconds=st.sampled_from([-3600.0, -1.0, 1.0, 3600.0]))
    def jump(self, which: int, seconds: float) -> None:
        """The monotonic clock of one side jumps, which it should not (F-136)."""
        side = (self.pair.charge_point, self.pair.central_system)[which]
        self.latest[side] = max(self.latest[side], side.now)
        side.behind -= seconds
        side.peer.wake()

    @rule(seconds=st.sampled_from([0.05, 0.5, 3.0, 30.0, 300.0]))
    def wait(self, seconds: float) -> None:
        """Time passes, from one thing that happens to the next. The dialer and the backlog are woken as they want."""
        until, steps = self.pair.clock.now + seconds, 0
        while self.pair.clock.now < until:
            steps += 1
            assert steps < 5000, "a storm of deadlines"
            wanted = [self.pair.clock.next_due, until, self.pair.clock.now + 5]
            self.pair.clock.advance_to(max(self.pair.clock.now, min(wanted)))
            self.backlog.handle_timeout(now=self.pair.charge_point.now)
            self.drain()
            if not self.pair.charge_point.is_suspended and self.dialer.dial(now=self.pair.charge_point.now) is not None:
                self.pair.dial()

    # -- what always holds --

    @invariant()
    def no_call_has_two_outcomes(self) -> None:
        if hasattr(self, "pair"):
            assert all(count == 1 for count in (self.outcomes + self.down_outcomes).values())
            assert all(count == 1 for count in self.runs.values())
            assert not self.pair.charge_point.faults + self.pair.central_system.faults

    @invariant()
    def outcomes_come_in_the_order_of_the_calls(self) -> None:
        if hasattr(self, "pair"):
            assert self.finished == [call for call in self.made if call in set(self.finished)]

    @invariant()
    def an_id_is_used_once_over_all_connections(self) -> None:
        if hasattr(self, "pair"):
            for side in (self.pair.charge_point, self.pair.central_system):
                ids = [event.message_id for event in side.events if isinstance(event, CallReceived)]
                assert len(set(ids)) == len(ids)

    def teardown(self) -> None:
        """On a link that lasts, with every time-out passed, every call comes to its outcome."""
        if not hasattr(self, "pair"):
            return
        self.change(CALM)
        for which in (0, 1):
            self.jump(which, 100 * 3600.0)  # beyond the latest time that a clock has shown before it jumped back
        for _ in range(10):
            self.wait(600.0)
            if len(self.outcomes) == len(self.made) and len(self.down_outcomes) == len(self.down):
                break
        assert Counter(self.made) == self.outcomes
        assert Counter(self.down) == self.down_outcomes
        self.no_call_has_two_outcomes()
        self.outcomes_come_in_the_order_of_the_calls()


class TwoConnectionsOf16(TwoConnections):
    version, messages = Version.V16, v16


class TwoConnectionsOf201(TwoConnections):
    version, messages = Version.V201, v201


class TwoConnectionsOf21(TwoConnections):
    version, messages = Version.V21, v21


TestTwoConnectionsOf16 = pytest.mark.no_cover(TwoConnectionsOf16.TestCase)
TestTwoConnectionsOf201 = pytest.mark.no_cover(TwoConnectionsOf201.TestCase)
TestTwoConnectionsOf21 = TwoConnectionsOf21.TestCase
TestTwoConnectionsOf16.settings = BUDGET
TestTwoConnectionsOf201.settings = BUDGET
TestTwoConnectionsOf21.settings = BUDGET
