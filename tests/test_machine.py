"""What both roles stand on: nothing is told before it is durable, and each CALL has one outcome."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio import (
    CallFailed,
    CallReceived,
    CallRefused,
    CallSucceeded,
    CallTimedOut,
    CentralSystemSession,
    ChargePointSession,
    ConnectionLost,
    ErrorCode,
    Limits,
    LocalProtocolError,
    Rejection,
    numbered_ids,
    v16,
)
from ocpp_sansio.machine import FIRST_RETRY, LAST_RETRY, Line, Machine, StoreFailed, Timers
from ocpp_sansio.store import Drop, MemoryStore, Persist, Put

A, B = Put("t", "a", b"1"), Put("t", "b", b"2")
FULL = OSError("the disk is full")
HEARTBEAT = v16.HeartbeatRequest()


def machine() -> Machine[Any]:
    return Machine(now=0)


def seen(machine: Machine[Any]) -> list[Any]:
    return list(iter(machine.next_event, None))


# -- deadlines --


def test_what_is_due_first_is_done_first():
    timers, done = Timers(), []
    for key, at in (("late", 3.0), ("first", 1.0), ("second", 2.0)):
        timers.set(key, at, lambda key=key: done.append(key))
    assert timers.deadline == 1.0
    assert timers.pop_due(0.9) is None
    while (act := timers.pop_due(2.0)) is not None:
        act()
    assert done == ["first", "second"]
    assert "late" in timers
    assert timers.deadline == 3.0


def test_a_key_has_one_deadline_and_may_have_none():
    timers = Timers()
    assert timers.deadline == math.inf
    assert timers.pop_due(math.inf) is None
    timers.set("key", 1.0, lambda: None)
    timers.set("key", 5.0, lambda: None)
    assert timers.deadline == 5.0
    timers.cancel("key")
    timers.cancel("key")
    assert "key" not in timers
    assert timers.deadline == math.inf


def test_time_that_goes_backwards_is_taken_for_the_latest_seen():
    role, done = machine(), []
    assert role.next_timeout() is None
    role.timers.set("key", 10.0, lambda: done.append(role.now))
    assert role.next_timeout() == 10.0
    role.handle_timeout(now=9.0)
    role.advance(3.0)
    assert (role.now, done) == (9.0, [])
    role.handle_timeout(now=12.0)
    role.handle_timeout(now=12.0)
    assert done == [12.0]
    assert role.next_timeout() is None


def test_what_is_due_may_set_and_cancel_what_else_is():
    role, done = machine(), []
    role.timers.set("victim", 2.0, lambda: done.append("victim"))

    def act() -> None:
        done.append("first")
        role.timers.cancel("victim")
        role.timers.set("next", 3.0, lambda: done.append("next"))

    role.timers.set("first", 1.0, act)
    role.handle_timeout(now=3.0)
    assert done == ["first", "next"]


# -- effects, and what has to be kept first --


def test_effects_come_in_their_order():
    role = machine()
    role.emit("one")
    role.then(lambda: role.emit("four"))
    role.emit("two")
    role.emit("three")
    assert seen(role) == ["one", "two", "three", "four"]


def test_what_is_kept_of_a_step_goes_first_in_one_batch_and_the_rest_waits():
    """D-01, D-16."""
    role = machine()
    role.emit("before")
    role.persist(A)
    role.then(lambda: role.emit("later"))
    role.persist(B)
    role.emit("after")
    assert seen(role) == [Persist((A, B))]
    role.persisted(now=1)
    assert role.now == 1
    assert seen(role) == ["before", "after", "later"]


def test_steps_that_come_meanwhile_make_the_next_batch():
    role = machine()
    role.persist(A)
    role.emit("one")
    assert role.next_event() == Persist((A,))
    role.emit("two")
    role.persist(B)
    assert role.next_event() is None
    role.persisted(now=0)
    assert seen(role) == ["one", Persist((B,))]
    role.persisted(now=0)
    assert seen(role) == ["two"]


def test_a_step_with_nothing_to_tell_is_kept_all_the_same():
    role = machine()
    role.persist(A)
    assert seen(role) == [Persist((A,))]
    role.persisted(now=0)
    assert seen(role) == []


def test_only_the_last_value_of_a_record_is_kept():
    role = machine()
    role.persist(A, B)
    role.persist(Put("t", "a", b"new"))
    assert seen(role) == [Persist((Put("t", "a", b"new"), B))]


def test_a_record_that_is_dropped_before_it_was_kept_is_not_put():
    role = machine()
    role.persist(A, Drop("t", "a"))
    assert seen(role) == [Persist((Drop("t", "a"),))]


def test_a_record_that_is_put_after_it_was_dropped_goes_to_the_end():
    """D-10."""
    role, store = machine(), MemoryStore([A, B])
    role.persist(Drop("t", "a"), A)
    batch = role.next_event()
    assert batch == Persist((Drop("t", "a"), A))
    store.commit(batch.changes)
    assert store.load() == [B, A]


def test_what_is_urgent_waits_for_nothing():
    role = machine()
    role.persist(A)
    role.emit("told")
    role.urge("stop")
    assert seen(role) == ["stop", Persist((A,))]
    role.urge("stop again")
    assert seen(role) == ["stop again"]


def test_effects_can_be_taken_back_until_they_are_seen():
    role = machine()
    kept: list[str] = []
    role.emit("start")
    role.emit("free")
    role.then(lambda: kept.append("called"))
    role.emit("start")
    assert role.next_event() == "start"
    assert role.withdraw(lambda effect: effect == "start")
    assert seen(role) == ["free"]
    assert kept == ["called"]
    role.persist(A)
    role.emit("start")
    seen(role)
    role.emit("start")
    role.emit("stop")
    assert role.withdraw(lambda effect: effect == "start")
    assert not role.withdraw(lambda effect: effect == "start")
    role.persisted(now=0)
    assert seen(role) == ["stop"]


# -- a store that fails --


def test_a_batch_that_could_not_be_kept_is_offered_again_and_all_else_waits():
    """D-09."""
    role = machine()
    role.persist(A)
    role.emit("told")
    assert seen(role) == [Persist((A,))]
    assert not role.is_store_failing
    role.persist_failed(FULL, now=10)
    assert role.is_store_failing
    assert seen(role) == [StoreFailed(FULL, FIRST_RETRY)]
    assert role.next_timeout() == 10 + FIRST_RETRY
    role.handle_timeout(now=10.5)
    assert seen(role) == []
    role.handle_timeout(now=11)
    assert seen(role) == [Persist((A,))]
    role.persisted(now=11)
    assert not role.is_store_failing
    assert seen(role) == ["told"]


def test_it_is_offered_less_and_less_often_and_then_as_at_first():
    """D-09."""
    role, waits = machine(), []
    for number in range(9):
        role.persist(A)
        assert Persist((A,)) in seen(role)
        role.persist_failed(FULL, now=role.now)
        waits.append(role.next_timeout() - role.now)
        assert seen(role) == [StoreFailed(FULL, waits[number])]
        role.handle_timeout(now=role.next_timeout())
    assert waits == [1, 2, 4, 8, 16, 32, LAST_RETRY, LAST_RETRY, LAST_RETRY]
    seen(role)
    role.persisted(now=role.now)
    assert seen(role) == [Persist((A,))]
    role.persist_failed(FULL, now=role.now)
    assert seen(role) == [StoreFailed(FULL, FIRST_RETRY)]


def test_a_batch_that_turns_out_to_be_kept_is_not_offered_again_nor_is_the_next_one_twice():
    """D-09: a driver that gave up waiting for its disk may hear from it later."""
    role = machine()
    role.persist(A)
    seen(role)
    role.persist_failed(FULL, now=0)
    role.persist(B)
    role.persisted(now=0.5)
    assert seen(role) == [StoreFailed(FULL, FIRST_RETRY), Persist((B,))]
    assert role.next_timeout() is None
    role.handle_timeout(now=FIRST_RETRY)
    assert seen(role) == []


def test_only_a_batch_that_was_given_out_can_be_durable_or_not():
    role = machine()
    for tell in (lambda: role.persisted(now=0), lambda: role.persist_failed(FULL, now=0)):
        with pytest.raises(LocalProtocolError):
            tell()
        role.persist(A)
        role.urge("stop")
        assert role.next_event() == "stop"
        with pytest.raises(LocalProtocolError):
            tell()
        seen(role)
        role.persisted(now=0)
        with pytest.raises(LocalProtocolError):
            tell()


puts = st.builds(Put, st.just("t"), st.sampled_from("abc"), st.binary(max_size=1))
drops = st.builds(Drop, st.just("t"), st.sampled_from("abc"))
steps = st.lists(st.lists(puts | drops | st.sampled_from(["effect", "then", "urge"]), max_size=5), max_size=10)


class Driver:
    """Drives a machine, and watches what it is told, and when."""

    def __init__(self) -> None:
        self.role, self.store, self.expected = machine(), MemoryStore(), MemoryStore()
        self.states: list[list[Put]] = [[]]
        """What is to be kept after each step."""
        self.emitted: dict[str, list[int]] = {"effect": [], "later": []}
        """The step of each effect; what is emitted in the place of an effect is of no step, and may come later."""
        self.told: dict[str, list[int]] = {"effect": [], "later": []}
        self.batch: Persist | None = None

    def step(self, acts: list[Any]) -> None:
        number = len(self.states)
        for act in acts:
            match act:
                case "effect":
                    self.role.emit(("effect", number))
                case "then":
                    self.role.then(lambda: self.role.emit(("later", number)))
                case "urge":
                    self.role.urge("urgent")
                case change:
                    self.role.persist(change)
                    self.expected.commit([change])
        for kind, act in (("effect", "effect"), ("later", "then")):
            self.emitted[kind] += [number] * acts.count(act)
        self.states.append(self.expected.load())
        self.drain()

    def drain(self) -> None:
        for event in iter(self.role.next_event, None):
            match event:
                case Persist():
                    assert self.batch is None, "offered twice"
                    self.batch = event
                case (kind, number):
                    assert self.store.load() in self.states[number:], "told too early"
                    self.told[kind].append(number)
                case _:
                    assert event == "urgent" or isinstance(event, StoreFailed)

    def settle(self, *, is_kept: bool) -> None:
        if self.batch is None:
            return
        batch, self.batch = self.batch, None
        if is_kept:
            self.store.commit(batch.changes)
            assert self.store.load() in self.states, "half a step"
            self.role.persisted(now=self.role.now)
        else:
            self.role.persist_failed(FULL, now=self.role.now)
            self.role.handle_timeout(now=self.role.next_timeout() or 0)
        self.drain()


@given(steps, st.data())
def test_whatever_the_store_does_nothing_is_told_before_what_it_stands_for_is_kept(history, data):
    """D-01, D-09, D-10, D-16: each effect once, every change kept, in batches of whole steps."""
    driver = Driver()
    for acts in history:
        driver.step(acts)
        outcome = data.draw(st.sampled_from([True, False, None]))
        if outcome is not None:
            driver.settle(is_kept=outcome)
    while driver.batch is not None:
        driver.settle(is_kept=True)
    assert driver.store.load() == driver.expected.load()
    assert driver.told == driver.emitted


# -- the line --


BEAT = v16.HeartbeatResponse(current_time=datetime(2026, 1, 1, tzinfo=UTC))
CLEARED = v16.ClearCacheResponse(status=v16.ClearCacheStatus.ACCEPTED)
LOST, UNSENT = repr(ConnectionLost(sent=True)), repr(ConnectionLost(sent=False))


class Ends:
    """A line of a charge point, the session it is on, and the session of its central system."""

    def __init__(self, **limits: Any) -> None:
        self.machine: Machine[Any] = Machine(now=0)
        self.line = Line(self.machine)
        self.outcomes: list[Any] = []
        self.reconnect(**limits)

    def reconnect(self, **limits: Any) -> None:
        self.ours = ChargePointSession("1.6", message_ids=numbered_ids("c"), limits=Limits(**limits))
        self.theirs = CentralSystemSession("1.6", message_ids=numbered_ids("s"))
        self.line.up(self.ours)

    def ask(self, **options: Any) -> None:
        # Exceptions are equal to themselves only.
        self.line.call(HEARTBEAT, lambda told: self.outcomes.append(BEAT if told == BEAT else repr(told)), **options)

    def asked(self) -> CallReceived[Any]:
        """The central system asks, and this is what reaches the charge point."""
        self.theirs.call(v16.ClearCacheRequest(), now=0)
        for text in self.theirs.data_to_send():
            self.ours.receive_data(text, now=0)
        received = self.ours.next_event()
        assert isinstance(received, CallReceived)
        return received

    def sent(self) -> list[Any]:
        """What reaches the central system."""
        assert seen(self.machine) == []
        for text in self.ours.data_to_send():
            self.theirs.receive_data(text, now=0)
        return list(iter(self.theirs.next_event, None))

    def answered(self, request: CallReceived[Any], response: Any) -> None:
        self.theirs.respond(request, response, now=0)
        for text in self.theirs.data_to_send():
            self.ours.receive_data(text, now=0)
        self.heed()

    def heed(self) -> None:
        for event in iter(self.ours.next_event, None):
            assert isinstance(event, CallSucceeded | CallFailed)
            self.line.receive_outcome(event)


def test_a_call_has_its_response_for_an_outcome_once():
    ends = Ends()
    assert ends.line.is_up
    assert ends.line.last_sent == -math.inf
    ends.machine.advance(7)
    ends.ask()
    [request] = ends.sent()
    assert ends.line.last_sent == 7
    ends.answered(request, BEAT)
    assert ends.outcomes == [BEAT]
    ends.line.down()
    assert ends.outcomes == [BEAT]


def test_or_why_there_is_none():
    """RPC-054."""
    ends = Ends()
    ends.ask(timeout=5)
    ends.sent()
    ends.ours.handle_timeout(now=5)
    ends.heed()
    assert ends.outcomes == [repr(CallTimedOut(5))]


def test_what_is_asked_again_is_another_call():
    """D-14, RPC-041: a peer that has refused the one has to look at the other."""
    ends = Ends()
    ends.ask(timeout=5)
    [first] = ends.sent()
    ends.ours.handle_timeout(now=5)
    ends.heed()
    ends.ask()
    [second] = ends.sent()
    assert first.request == second.request
    assert first.message_id != second.message_id


def test_nothing_is_asked_before_what_it_tells_of_is_kept():
    """D-01."""
    ends = Ends()
    ends.machine.persist(A)
    ends.ask()
    assert ends.machine.next_event() == Persist((A,))
    assert ends.sent() == []
    ends.machine.persisted(now=0)
    [request] = ends.sent()
    assert request.request == HEARTBEAT


def test_a_link_that_goes_takes_its_calls_with_it():
    """RPC-131, D-22: one that may have arrived is told from one that did not leave."""
    ends = Ends()
    ends.ask()
    ends.sent()
    ends.ask()
    ends.line.down()
    assert not ends.line.is_up
    assert ends.outcomes == [LOST]
    assert ends.sent() == []
    assert ends.outcomes == [LOST, UNSENT]
    ends.ours.connection_lost(now=0)
    ends.heed()
    assert len(ends.outcomes) == 2


def test_a_call_does_not_go_out_on_a_later_link():
    """D-22."""
    ends = Ends()
    ends.ask()
    ends.reconnect()
    assert ends.sent() == []
    assert ends.outcomes == [UNSENT]


def test_a_later_link_takes_the_place_of_one_that_was_not_known_to_be_gone():
    ends = Ends()
    ends.ask()
    ends.sent()
    ends.reconnect()
    assert ends.outcomes == [LOST]


def test_without_a_link_a_call_fails_but_not_before_the_command_has_returned():
    ends = Ends()
    ends.line.down()
    ends.ask()
    assert ends.outcomes == []
    assert seen(ends.machine) == []
    assert ends.outcomes == [UNSENT]
    assert ends.line.last_sent == -math.inf


def test_a_session_that_has_ended_or_is_full_sends_nothing():
    ends = Ends(max_queued_calls=1)
    for _ in range(3):
        ends.ask()
    assert len(ends.sent()) == 1
    assert ends.outcomes == [UNSENT]
    ends.ours.connection_lost(now=0)
    ends.ask()
    assert ends.sent() == []
    assert ends.outcomes == [UNSENT] * 2


def test_a_request_that_no_peer_could_read_is_refused_on_this_side():
    """Nobody goes on sending it link after link."""
    ends = Ends()
    ends.line.call(v16.AuthorizeRequest(id_tag="x" * 21), ends.outcomes.append)
    assert ends.sent() == []
    [outcome] = ends.outcomes
    assert isinstance(outcome, CallRefused)


def test_an_answer_to_what_was_answered_long_ago_goes_nowhere():
    """F-99: the session had to answer in our place, and has forgotten that it did."""
    ends = Ends()
    asked = ends.asked()
    ends.line.answer(asked, CLEARED)
    ends.sent()
    ends.line.answer(asked, CLEARED)
    assert ends.sent() == []


def test_the_outcome_of_a_call_that_is_not_the_lines_changes_nothing():
    ends = Ends()
    call = ends.ours.call(HEARTBEAT, now=0)
    ends.line.receive_outcome(CallSucceeded(call, BEAT))
    ends.line.receive_outcome(CallFailed(call, CallTimedOut(1)))
    assert ends.outcomes == []


def test_a_call_of_the_peer_is_answered_refused_or_left():
    """CP16-013. What is left unanswered is nothing that was sent."""
    ends = Ends()
    ends.machine.advance(1)
    ends.line.ignore(ends.asked())
    assert ends.sent() == []
    assert ends.line.last_sent == -math.inf

    ends = Ends()
    ends.line.answer(ends.asked(), CLEARED)
    [succeeded] = ends.sent()
    assert succeeded.response == CLEARED
    assert ends.line.last_sent == 0

    ends.machine.advance(2)
    ends.line.refuse(ends.asked(), Rejection(ErrorCode.SECURITY_ERROR, "not now"))
    [failed] = ends.sent()
    assert (failed.error.code, failed.error.description) == (ErrorCode.SECURITY_ERROR, "not now")
    assert ends.line.last_sent == 2


def test_nobody_is_answered_before_what_the_answer_stands_for_is_kept():
    """D-16."""
    ends = Ends()
    ends.machine.persist(A)
    ends.line.answer(ends.asked(), CLEARED)
    assert ends.machine.next_event() == Persist((A,))
    assert ends.sent() == []
    ends.machine.persisted(now=0)
    assert len(ends.sent()) == 1


@pytest.mark.parametrize("gone", ["down", "up again", "session"])
def test_an_answer_is_dropped_with_the_link_that_asked(gone):
    ends = Ends()
    received = ends.asked()
    ends.line.answer(received, CLEARED)
    ends.line.refuse(received, Rejection(ErrorCode.INTERNAL_ERROR))
    ends.line.ignore(received)
    match gone:
        case "down":
            ends.line.down()
        case "up again":
            ends.reconnect()
        case _:
            ends.ours.connection_lost(now=0)
    assert ends.sent() == []
    assert ends.line.last_sent == -math.inf


def test_an_answer_without_a_link_goes_nowhere():
    ends = Ends()
    received = ends.asked()
    ends.line.down()
    ends.line.answer(received, CLEARED)
    assert ends.sent() == []
