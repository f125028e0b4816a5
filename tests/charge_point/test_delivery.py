"""The queue of transaction messages: nothing lost, nothing out of order, whatever peer, link and store do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ocpp_sansio import (
    CallFailed,
    CallFailure,
    CallRefused,
    CallSucceeded,
    CallTimedOut,
    ConnectionLost,
    InvalidResponse,
    LocalProtocolError,
    PendingCall,
)
from ocpp_sansio.charge_point.backbone import (
    Accepted,
    Backbone,
    Block,
    ClockSet,
    Delivered,
    GivenUp,
    IdTagLearnt,
    LinkDown,
    Setup,
)
from ocpp_sansio.charge_point.clock import Clock, Moment
from ocpp_sansio.charge_point.delivery import Delivery
from ocpp_sansio.charge_point.effects import DeadLetter, Effect, MeterValuesThinned
from ocpp_sansio.charge_point.keys import (
    TRANSACTION_MESSAGE_ATTEMPTS,
    TRANSACTION_MESSAGE_RETRY_INTERVAL,
    Settings,
)
from ocpp_sansio.machine import Machine, StoreFailed
from ocpp_sansio.messages import Request, Response
from ocpp_sansio.store import MemoryStore, Persist, Put, StoreError, unpack
from ocpp_sansio.v16 import (
    AuthorizationStatus,
    IdTagInfo,
    MeterValue,
    MeterValuesRequest,
    MeterValuesResponse,
    RegistrationStatus,
    SampledValue,
    StartTransactionRequest,
    StartTransactionResponse,
    StopTransactionRequest,
    StopTransactionResponse,
)

from .harness import BOOT, EPOCH, FakeLink

NOT_PROCESSED = CallRefused("InternalError")
TIMED_OUT = CallTimedOut(30)
UNUSABLE = InvalidResponse((), "[]")


class Ear(Block):
    """Takes down what is told."""

    def __init__(self, heard: list[Any]) -> None:
        self.heard = heard

    def hears(self) -> Mapping[type[Any], Callable[[Any], None]]:
        return dict.fromkeys((Delivered, GivenUp, IdTagLearnt), self.heard.append)


class Post:
    """A delivery alone on its backbone, over a store that may fail."""

    def __init__(
        self,
        *,
        records: Iterable[Put] = (),
        boot: int = 1,
        now: float = 0.0,
        utc: datetime = EPOCH,
        trusted: bool = True,
        room: int = 5000,
    ) -> None:
        self.machine = Machine[Effect](now=now)
        self.store = MemoryStore(records)
        self.store_fails = False
        clock = Clock(utc, now=now, trusted=trusted, boot=boot)
        self.core = Backbone(Setup(BOOT, max_queued_messages=room), self.machine, clock, Settings())
        self.delivery = Delivery(self.core)
        self.core.listen(self.delivery)
        self.heard: list[Any] = []
        self.core.listen(Ear(self.heard))
        for record in self.store.load():
            if record.topic in Delivery.topics:
                self.delivery.restore(record)
        self.delivery.begin()
        self.effects: list[Any] = []
        self.link: FakeLink | None = None
        self.answered = 0
        self.drain()

    # -- the driver --

    def drain(self) -> None:
        while (effect := self.machine.next_event()) is not None:
            if not isinstance(effect, Persist):
                self.effects.append(effect)
            elif self.store_fails:
                self.machine.persist_failed(StoreError("full"), now=self.machine.now)
            else:
                self.store.commit(effect.changes)
                self.machine.persisted(now=self.machine.now)

    def wait(self, seconds: float) -> None:
        until = self.machine.now + seconds
        while (deadline := self.machine.next_timeout()) is not None and deadline <= until:
            self.machine.handle_timeout(now=deadline)
            self.drain()
        self.machine.advance(until)

    def online(self, link: FakeLink | None = None) -> FakeLink:
        self.link, self.answered = link or FakeLink(), 0
        self.core.registration = RegistrationStatus.ACCEPTED
        self.core.line.up(self.link)
        self.core.publish(Accepted())
        self.drain()
        return self.link

    def offline(self) -> None:
        self.link = None
        self.core.line.down()
        self.core.publish(LinkDown())
        self.drain()

    def reboot(self, **options: Any) -> Post:
        return Post(records=self.store.load(), boot=self.core.clock.boot + 1, now=self.machine.now, **options)

    # -- those who have messages delivered --

    def start(self, ref: int, connector: int = 1, id_tag: str = "TAG") -> None:
        moment = self.core.moment()
        request = StartTransactionRequest(connector_id=connector, id_tag=id_tag, meter_start=ref, timestamp=moment.utc)
        self.deliver(request, ref)

    def sample(self, ref: int | None, value: int = 0, connector: int = 1) -> None:
        values = [MeterValue(timestamp=EPOCH, sampled_value=[SampledValue(value=str(value))])]
        self.deliver(MeterValuesRequest(connector_id=connector, meter_value=values), ref)

    def stop(self, ref: int, id_tag: str | None = "TAG") -> None:
        moment = self.core.moment()
        request = StopTransactionRequest(id_tag=id_tag, meter_stop=ref, timestamp=moment.utc, transaction_id=-1)
        self.deliver(request, ref)

    def deliver(self, request: Request[Any], ref: int | None) -> None:
        self.delivery.deliver(request, (self.core.moment(),), ref)
        self.drain()

    # -- the central system --

    @property
    def sent(self) -> list[Any]:
        """The requests on this link."""
        return [] if self.link is None else [call.request for call in self.link.sent]

    @property
    def asked(self) -> PendingCall[Any] | None:
        """The one that waits for its answer."""
        return self.link.sent[self.answered] if self.link and len(self.link.sent) > self.answered else None

    def answer(self, outcome: Response | CallFailure | None = None, *, transaction_id: int = 100) -> Request[Any]:
        call = self.asked
        assert call is not None
        self.answered += 1
        result = outcome or proper_answer(call.request, transaction_id)
        event: Any = CallSucceeded(call, result) if isinstance(result, Response) else CallFailed(call, result)
        self.core.line.receive_outcome(event)
        self.drain()
        return call.request

    def kept(self, topic: str) -> list[Put]:
        return [record for record in self.store.load() if record.topic == topic]

    def seen(self, kind: type[Any]) -> list[Any]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def told(self, kind: type[Any]) -> list[Any]:
        return [notice for notice in self.heard if isinstance(notice, kind)]


def proper_answer(request: Request[Any], transaction_id: int) -> Response:
    if isinstance(request, StartTransactionRequest):
        info = IdTagInfo(status=AuthorizationStatus.ACCEPTED)
        return StartTransactionResponse(id_tag_info=info, transaction_id=transaction_id)
    if isinstance(request, StopTransactionRequest):
        return StopTransactionResponse(id_tag_info=IdTagInfo(status=AuthorizationStatus.EXPIRED))
    return MeterValuesResponse()


def kinds(requests: Iterable[Request[Any]]) -> list[str]:
    return [type(request).__name__.removesuffix("Request") for request in requests]


# -- order, and one at a time --


def test_messages_go_out_one_after_the_other_in_their_order() -> None:
    """CP16-070, D-10."""
    post = Post()
    post.online()
    post.start(1)
    post.sample(1)
    post.stop(1)
    assert kinds(post.sent) == ["StartTransaction"]
    for _ in range(3):
        post.answer()
    assert kinds(post.sent) == ["StartTransaction", "MeterValues", "StopTransaction"]
    assert post.delivery.is_empty


def test_messages_wait_while_there_is_no_link_and_new_ones_wait_behind_them() -> None:
    """CP16-071."""
    post = Post()
    post.start(1)
    post.stop(1)
    assert not post.delivery.is_empty
    post.online()
    post.start(2)
    for _ in range(3):
        post.answer()
    assert [request.meter_start for request in post.sent if isinstance(request, StartTransactionRequest)] == [1, 2]
    assert kinds(post.sent) == ["StartTransaction", "StopTransaction", "StartTransaction"]


def test_the_order_is_that_of_events_even_if_the_clock_goes_backwards() -> None:
    """D-10: two connectors, and a clock put back by an hour between them."""
    post = Post()
    post.start(1, connector=1)
    post.core.clock.set(EPOCH - timedelta(hours=1), now=0)
    post.start(2, connector=2)
    again = post.reboot()
    again.online()
    again.answer()
    again.answer()
    assert [request.connector_id for request in again.sent] == [1, 2]
    assert again.sent[0].timestamp > again.sent[1].timestamp


def test_nothing_leaves_before_it_is_durable() -> None:
    """D-01, D-09: and nothing of it is lost by having to wait."""
    post = Post()
    post.online()
    post.store_fails = True
    post.start(1)
    assert post.sent == []
    assert len(post.seen(StoreFailed)) == 1
    post.store_fails = False
    post.wait(1)
    assert kinds(post.sent) == ["StartTransaction"]


def test_nothing_is_sent_while_not_accepted_however_long_that_takes() -> None:
    """D-17, CP16-010."""
    post = Post()
    post.link = FakeLink()
    post.core.line.up(post.link)
    post.core.registration = RegistrationStatus.PENDING
    post.start(1)
    post.wait(7 * 86_400)
    assert post.sent == []
    post.core.registration = RegistrationStatus.ACCEPTED
    post.core.publish(Accepted())
    post.drain()
    assert kinds(post.sent) == ["StartTransaction"]


# -- what comes of an attempt --


@pytest.mark.parametrize("failure", [NOT_PROCESSED, TIMED_OUT, UNUSABLE])
def test_a_failure_to_process_is_tried_again_after_longer_and_longer_waits_and_then_given_up(
    failure: CallFailure,
) -> None:
    """CP16-073, CP16-074, RPC-058: example 3 / 60: send, 60, send, 120, send, discard."""
    post = Post()
    post.online()
    post.start(1)
    post.answer(failure)
    post.wait(59)
    assert len(post.sent) == 1
    post.wait(1)
    assert len(post.sent) == 2
    post.answer(failure)
    post.wait(119)
    assert len(post.sent) == 2
    post.wait(1)
    assert len(post.sent) == 3
    assert post.seen(DeadLetter) == []
    post.answer(failure)
    assert post.delivery.is_empty
    assert post.seen(DeadLetter) == [DeadLetter(post.sent[0], failure)]


def test_what_is_behind_a_message_that_waits_for_its_next_attempt_waits_with_it() -> None:
    """CP16-071, D-12: head of line."""
    post = Post()
    post.online()
    post.start(1)
    post.stop(1)
    post.answer(NOT_PROCESSED)
    post.start(2)
    assert len(post.sent) == 1
    post.wait(60)
    assert kinds(post.sent) == ["StartTransaction", "StartTransaction"]


@pytest.mark.parametrize("attempts", [0, 1])
def test_no_attempts_and_one_attempt_both_mean_one_transmission(attempts: int) -> None:
    """CP16-079."""
    post = Post()
    post.core.settings[TRANSACTION_MESSAGE_ATTEMPTS] = attempts
    post.online()
    post.sample(None)
    post.answer(NOT_PROCESSED)
    assert post.delivery.is_empty
    assert len(post.sent) == 1


def test_a_retry_interval_of_nothing_means_again_at_once() -> None:
    """CP16-073."""
    post = Post()
    post.core.settings[TRANSACTION_MESSAGE_RETRY_INTERVAL] = 0
    post.online()
    post.sample(None)
    post.answer(NOT_PROCESSED)
    post.wait(0)
    assert len(post.sent) == 2


def test_a_lost_connection_is_no_attempt_and_the_message_is_the_first_on_the_next_link() -> None:
    """CP16-074, D-05, D-22, RPC-131."""
    post = Post()
    post.start(1)
    post.stop(1)
    for _ in range(10):
        post.online()
        assert kinds(post.sent) == ["StartTransaction"]
        post.offline()
    post.online()
    post.answer()
    assert kinds(post.sent) == ["StartTransaction", "StopTransaction"]
    assert post.seen(DeadLetter) == []


@pytest.mark.parametrize("sent", [True, False])
def test_that_is_so_too_if_the_message_is_known_to_be_lost_before_the_link_is(sent: bool) -> None:
    """CP16-074, RPC-131: a session tells of the outcomes of its CALLs, and then of its end."""
    post = Post()
    post.online()
    post.start(1)
    post.answer(ConnectionLost(sent=sent))
    post.offline()
    post.online()
    assert kinds(post.sent) == ["StartTransaction"]
    post.wait(10)
    assert len(post.sent) == 1


def test_a_message_is_the_same_each_time_it_is_sent() -> None:
    """D-04, CS16-045: so that the central system can tell that it has had it."""
    post = Post()
    post.online()
    post.start(1)
    first = post.sent[0]
    post.offline()
    post.core.clock.set(EPOCH + timedelta(days=1), now=0)
    post.core.publish(ClockSet())
    again = post.reboot()
    again.online()
    assert again.sent == [first]


def test_a_link_that_takes_nothing_is_asked_again_a_little_later() -> None:
    """CP16-074: it is up, and yet what we hand over does not go: no attempt, and no turning in circles."""

    class Deaf(FakeLink):
        refusals = 2

        def call(self, request: Any, *, now: float, timeout: float | None = None) -> PendingCall[Any]:
            if self.refusals:
                self.refusals -= 1
                raise LocalProtocolError("too much is waiting")
            return super().call(request, now=now, timeout=timeout)

    post = Post()
    link = post.online(Deaf())
    post.sample(None)
    assert link.sent == []
    post.wait(1)
    assert link.sent == []
    post.wait(1)
    assert len(link.sent) == 1


def test_failed_attempts_are_counted_over_boots_and_the_wait_is_not() -> None:
    """D-06."""
    post = Post()
    post.online()
    post.sample(None)
    post.answer(NOT_PROCESSED)
    again = post.reboot()
    again.online()
    assert len(again.sent) == 1
    again.answer(NOT_PROCESSED)
    again.wait(119)
    assert len(again.sent) == 1
    again.wait(1)
    again.answer(NOT_PROCESSED)
    assert len(again.seen(DeadLetter)) == 1


def test_an_answer_after_the_time_out_changes_nothing() -> None:
    """D-13: the CALL has had its outcome."""
    post = Post()
    link = post.online()
    post.start(1)
    post.answer(TIMED_OUT)
    late: Any = CallSucceeded(link.sent[0], proper_answer(link.sent[0].request, 7))
    post.core.line.receive_outcome(late)
    post.drain()
    assert not post.delivery.is_empty
    assert post.kept("transaction-id") == []


# -- what a transaction is called --


def test_the_id_is_filled_in_when_a_message_is_sent() -> None:
    """CP16-076, D-11."""
    post = Post()
    post.start(1)
    post.sample(1)
    post.stop(1)
    post.online()
    post.answer(transaction_id=42)
    post.answer()
    post.answer()
    assert [request.transaction_id for request in post.sent[1:]] == [42, 42]


def test_the_id_is_kept_in_the_batch_in_which_the_start_transaction_goes() -> None:
    """D-11: a crash right after the answer costs nothing."""
    post = Post()
    post.online()
    post.start(1)
    post.stop(1)
    post.answer(transaction_id=42)
    assert len(post.kept("queue")) == 1
    again = post.reboot()
    again.online()
    assert again.sent[0].transaction_id == 42


def test_an_answer_that_could_not_be_kept_has_not_been_received() -> None:
    """D-04, D-11: the StartTransaction goes out again after the boot, and its id is what is answered then."""
    post = Post()
    post.online()
    post.start(1)
    post.stop(1)
    post.store_fails = True
    post.answer(transaction_id=42)
    assert kinds(post.sent) == ["StartTransaction"]
    again = post.reboot()
    again.online()
    again.answer(transaction_id=42)
    again.answer()
    assert kinds(again.sent) == ["StartTransaction", "StopTransaction"]
    assert again.sent[1].transaction_id == 42


def test_messages_of_a_transaction_whose_start_was_given_up_bear_minus_one() -> None:
    """CP16-075, D-12: also after a boot."""
    post = Post()
    post.core.settings[TRANSACTION_MESSAGE_ATTEMPTS] = 1
    post.online()
    post.start(1)
    post.sample(1)
    post.stop(1)
    post.answer(NOT_PROCESSED)
    again = post.reboot()
    again.online()
    again.answer()
    again.answer()
    assert [request.transaction_id for request in again.sent] == [-1, -1]


def test_what_a_transaction_is_called_is_forgotten_with_its_last_message() -> None:
    post = Post()
    post.online()
    post.start(1)
    post.answer()
    post.sample(1)
    post.answer()
    assert len(post.kept("transaction-id")) == 1
    post.stop(1)
    post.answer()
    assert post.store.load() == []


def test_meter_values_outside_of_transactions_bear_no_id() -> None:
    """CP16-144."""
    post = Post()
    post.online()
    post.sample(None, connector=0)
    assert post.sent[0].transaction_id is None


def test_a_message_that_belongs_to_no_transaction_of_ours_can_be_delivered() -> None:
    post = Post()
    post.online()
    post.deliver(StartTransactionRequest(connector_id=1, id_tag="A", meter_start=0, timestamp=EPOCH), None)
    post.answer()
    post.deliver(StopTransactionRequest(meter_stop=0, timestamp=EPOCH, transaction_id=9), None)
    assert post.sent[1].transaction_id == 9
    post.answer()
    assert post.store.load() == []


# -- who is told --


def test_others_are_told_what_was_delivered_and_what_was_learnt_of_an_id_tag() -> None:
    """CP16-047, CS16-042."""
    post = Post()
    post.online()
    post.start(1)
    post.sample(1)
    post.stop(1)
    post.start(2)
    post.stop(2, id_tag=None)
    while post.asked is not None:
        post.answer()
    assert [notice.transaction for notice in post.told(Delivered)] == [1, 1, 1, 2, 2]
    assert [(notice.id_tag, notice.info.status) for notice in post.told(IdTagLearnt)] == [
        ("TAG", AuthorizationStatus.ACCEPTED),
        ("TAG", AuthorizationStatus.EXPIRED),
        ("TAG", AuthorizationStatus.ACCEPTED),
    ]


def test_an_answer_without_anything_about_the_id_tag_teaches_nothing() -> None:
    post = Post()
    post.online()
    post.stop(1)
    post.answer(StopTransactionResponse())
    assert post.told(IdTagLearnt) == []


# -- dead letters --


def test_what_is_given_up_is_kept_and_told_and_the_rest_goes_on() -> None:
    """D-07."""
    post = Post()
    post.core.settings[TRANSACTION_MESSAGE_ATTEMPTS] = 1
    post.online()
    post.sample(None, 1)
    post.sample(None, 2)
    post.answer(NOT_PROCESSED)
    assert len(post.kept("dead")) == 1
    assert [notice.request for notice in post.told(GivenUp)] == [post.sent[0]]
    assert len(post.sent) == 2


def test_no_row_ever_takes_the_place_of_a_dead_letter() -> None:
    """D-07: numbers go on behind the highest of the dead."""
    post = Post()
    post.core.settings[TRANSACTION_MESSAGE_ATTEMPTS] = 1
    post.online()
    post.sample(None, 1)
    post.answer(NOT_PROCESSED)
    again = post.reboot()
    again.core.settings[TRANSACTION_MESSAGE_ATTEMPTS] = 1
    again.online()
    again.sample(None, 2)
    again.answer(NOT_PROCESSED)
    assert len(again.kept("dead")) == 2


# -- what is in the store --


def test_the_queue_outlives_a_boot_in_its_order() -> None:
    """CP16-077, D-10: even if the store hands it back in another."""
    post = Post()
    for number in range(1, 13):
        post.sample(None, number)
    again = Post(records=reversed(list(post.store.load())), boot=2)
    again.online()
    for _ in range(12):
        again.answer()
    assert [int(request.meter_value[0].sampled_value[0].value) for request in again.sent] == list(range(1, 13))


def test_a_row_for_another_version_is_not_taken_in() -> None:
    """D-18: it could not be sent; whoever restores puts it aside."""
    post = Post()
    post.sample(None)
    (row,) = post.kept("queue")
    assert unpack(dict[str, Any], row.value)["version"] == "1.6"
    with pytest.raises(ValueError, match=r"written for OCPP 2\.0\.1"):
        Post(records=[Put("queue", row.key, row.value.replace(b'"1.6"', b'"2.0.1"'))])


def test_a_stop_transaction_whose_start_cannot_be_read_any_more_is_delivered_all_the_same() -> None:
    """D-21, CP16-075."""
    post = Post()
    post.start(1)
    post.stop(1)
    again = Post(records=post.kept("queue")[1:], boot=2)
    again.online()
    assert again.sent[0].transaction_id == -1


# -- no room --


def test_beyond_the_bound_every_other_meter_value_between_first_and_last_goes() -> None:
    """D-08, CP16-148."""
    post = Post(room=8)
    post.start(1)
    for value in range(8):
        post.sample(1, value)
    assert [effect.dropped for effect in post.seen(MeterValuesThinned)] == [3]
    post.stop(1)
    assert len(post.kept("queue")) == 7
    post.online()
    while post.asked is not None:
        post.answer()
    values = [int(r.meter_value[0].sampled_value[0].value) for r in post.sent if isinstance(r, MeterValuesRequest)]
    assert values == [0, 2, 4, 6, 7]
    assert kinds(post.sent)[0] == "StartTransaction"
    assert kinds(post.sent)[-1] == "StopTransaction"


def test_each_transaction_and_each_meter_is_thinned_on_its_own_and_all_drops_are_counted() -> None:
    """D-08."""
    post = Post(room=6)
    for connector in (1, 2):
        for value in range(3):
            post.sample(None, value, connector=connector)
    post.sample(None, 3, connector=1)
    assert post.seen(MeterValuesThinned)[-1].dropped == 2
    post.sample(None, 4, connector=1)
    post.sample(None, 5, connector=1)
    assert post.seen(MeterValuesThinned)[-1].dropped == 4


def test_start_and_stop_transaction_are_never_dropped_and_nothing_new_begins_meanwhile() -> None:
    """D-08."""
    post = Post(room=4)
    for ref in range(1, 5):
        assert post.delivery.has_room
        post.start(ref)
    assert not post.delivery.has_room
    for ref in range(1, 5):
        post.stop(ref)
    assert len(post.kept("queue")) == 8
    assert post.seen(MeterValuesThinned) == []


def test_what_is_being_sent_is_never_dropped() -> None:
    """D-08."""
    post = Post(room=3)
    post.online()
    for value in range(6):
        post.sample(None, value)
    post.answer()
    values = [int(request.meter_value[0].sampled_value[0].value) for request in post.sent]
    assert values[0] == 0
    assert post.delivery.is_empty is False


# -- the clock --


def test_what_was_noted_before_the_time_was_known_is_put_right() -> None:
    """D-19: in the queue, and in the store."""
    wrong = datetime(1970, 1, 1, tzinfo=UTC)
    post = Post(utc=wrong, trusted=False)
    post.start(1)
    post.wait(10)
    post.sample(1)
    post.wait(10)
    post.stop(1)
    post.core.clock.set(EPOCH, now=20)
    post.core.publish(ClockSet())
    post.drain()
    again = post.reboot()
    again.online()
    for _ in range(3):
        again.answer()
    start, sample, stop = again.sent
    assert start.timestamp == EPOCH - timedelta(seconds=20)
    assert sample.meter_value[0].timestamp == EPOCH - timedelta(seconds=10)
    assert stop.timestamp == EPOCH


def test_what_was_noted_with_a_clock_that_was_right_or_in_another_boot_stays_as_it_is() -> None:
    """D-19: it may have been sent."""
    wrong = datetime(2010, 1, 1, tzinfo=UTC)
    post = Post(utc=wrong, trusted=False)
    post.start(1)
    again = post.reboot(utc=wrong, trusted=True)
    again.start(2)
    again.core.clock.set(EPOCH, now=0)
    again.core.publish(ClockSet())
    again.online()
    again.answer()
    assert [request.timestamp for request in again.sent] == [wrong, wrong]


def test_what_has_been_sent_with_a_wrong_time_keeps_it() -> None:
    """D-19: where the central system accepts the charge point and says no time that could be right."""
    wrong = datetime(1970, 1, 1, tzinfo=UTC)
    post = Post(utc=wrong, trusted=False)
    post.start(1)
    post.stop(1)
    post.online()
    post.offline()
    post.core.clock.set(EPOCH, now=0)
    post.core.publish(ClockSet())
    post.drain()
    post.online()
    post.answer()
    assert [request.timestamp for request in post.sent] == [wrong, EPOCH]


def test_a_moment_from_before_the_time_was_known_is_put_right_when_its_message_comes_later() -> None:
    """D-19."""
    post = Post(utc=datetime(1970, 1, 1, tzinfo=UTC), trusted=False)
    moment = post.core.moment()
    post.core.clock.set(EPOCH, now=0)
    request = StartTransactionRequest(connector_id=1, id_tag="A", meter_start=0, timestamp=moment.utc)
    post.delivery.deliver(request, (moment,), 1)
    post.drain()
    post.online()
    assert post.sent[0].timestamp == EPOCH


def test_what_a_stop_says_of_its_meter_values_is_put_right_as_well() -> None:
    """D-19: the time is learnt between the end and its delivery."""
    wrong = datetime(1970, 1, 1, tzinfo=UTC)
    post = Post(utc=wrong, trusted=False)
    older = Moment(wrong, 0, 5.0, trusted=False)
    moments = [post.core.clock.moment(at) for at in (30.0, 10.0, 20.0)]
    data = [MeterValue(timestamp=wrong, sampled_value=[SampledValue(value=str(at))]) for at in (0, 10, 20)]
    request = StopTransactionRequest(meter_stop=1, timestamp=wrong, transaction_id=-1, transaction_data=data)
    post.delivery.deliver(request, (moments[0], older, *moments[1:]), 1)
    post.drain()
    post.core.clock.set(EPOCH, now=0)
    post.core.publish(ClockSet())
    post.drain()
    again = post.reboot()
    again.online()
    (sent,) = again.sent
    assert sent.timestamp == EPOCH + timedelta(seconds=30)
    assert [value.timestamp for value in sent.transaction_data] == [
        wrong,
        EPOCH + timedelta(seconds=10),
        EPOCH + timedelta(seconds=20),
    ]


def test_a_row_that_lacks_a_time_of_its_message_is_none() -> None:
    """D-21."""
    post = Post()
    post.start(1)
    (record,) = (record for record in post.store.load() if record.topic == "queue")
    kept = msgspec.json.decode(record.value)
    with pytest.raises(ValueError, match="unpack"):
        post.delivery.restore(attrs.evolve(record, value=msgspec.json.encode({**kept, "moments": []})))


# -- whatever happens --


class AnyHistory(RuleBasedStateMachine):
    """Random answers, errors, losses, boots and failures of the store.

    What the host was told is on record. Each of these messages reaches the peer, in order, again and again until it is
    answered or given up; and is neither forgotten nor sent any more once that is on record too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.post = Post()
        self.number = 0
        self.waiting: list[int] = []
        """What is to be sent, in its order, as far as this life knows."""
        self.promised: set[int] = set()
        """What the host was told is kept."""
        self.settled: set[int] = set()
        """Of what the host was told that it has been answered or given up."""
        self.names: dict[int, int] = {}

    def tell(self, told: set[int], number: int) -> None:
        """Have the host told, in the place of an effect."""
        self.post.machine.then(lambda: told.add(number))
        self.post.drain()

    def give(self, act: Callable[[int], None]) -> None:
        self.number += 1
        self.waiting.append(self.number)
        act(self.number)
        self.tell(self.promised, self.number)

    @rule()
    def sample(self) -> None:
        self.give(lambda number: self.post.sample(None, number))

    @rule()
    def transaction(self) -> None:
        self.give(self.post.start)
        ref = self.number
        self.give(lambda number: self.post.deliver(_stop(number), ref))

    @precondition(lambda self: self.post.link is None)
    @rule()
    def connect(self) -> None:
        self.post.online()

    @precondition(lambda self: self.post.link is not None)
    @rule()
    def lose(self) -> None:
        self.post.offline()

    @precondition(lambda self: self.post.asked is not None)
    @rule(outcome=st.sampled_from([None, None, NOT_PROCESSED, TIMED_OUT, ConnectionLost(sent=True)]))
    def respond(self, outcome: CallFailure | None) -> None:
        assert self.post.asked is not None
        request = self.post.asked.request
        number = number_of(request)
        assert number == self.waiting[0]
        if isinstance(request, StopTransactionRequest):
            assert request.transaction_id == self.names.get(number - 1, -1)
        before = len(self.post.heard)
        self.post.answer(outcome, transaction_id=1000 + number)
        if any(isinstance(notice, Delivered | GivenUp) for notice in self.post.heard[before:]):
            self.waiting.pop(0)
            if outcome is None:
                self.names[number] = 1000 + number
            self.tell(self.settled, number)

    @rule(seconds=st.sampled_from([1, 60, 300]))
    def wait(self, seconds: int) -> None:
        self.post.wait(seconds)

    @rule(fails=st.booleans())
    def turn_store(self, fails: bool) -> None:
        self.post.store_fails = fails

    @rule()
    def boot(self) -> None:
        kept = [number_of_row(record) for record in self.post.kept("queue")]
        assert kept == sorted(kept)
        assert self.promised - self.settled <= set(kept) <= set(range(1, self.number + 1)) - self.settled
        self.waiting = kept
        for number in kept:  # what had been answered, but not on record, has not
            self.names.pop(number, None)
        self.post = self.post.reboot()

    @invariant()
    def what_is_on_record_is_what_is_to_be_delivered(self) -> None:
        if not self.post.machine.is_store_failing:
            assert [number_of_row(record) for record in self.post.kept("queue")] == self.waiting

    def teardown(self) -> None:
        self.boot()
        self.post.online()
        while self.waiting:
            self.respond(None)
        assert self.post.delivery.is_empty
        assert self.settled >= self.promised


def _stop(number: int) -> StopTransactionRequest:
    return StopTransactionRequest(meter_stop=number, timestamp=EPOCH, transaction_id=-1)


def number_of(request: Any) -> int:
    if isinstance(request, StartTransactionRequest):
        return request.meter_start
    return (
        request.meter_stop
        if isinstance(request, StopTransactionRequest)
        else int(request.meter_value[0].sampled_value[0].value)
    )


def number_of_row(record: Put) -> int:
    row = unpack(dict[str, Any], record.value)
    kinds = {
        "StartTransaction": StartTransactionRequest,
        "StopTransaction": StopTransactionRequest,
        "MeterValues": MeterValuesRequest,
    }
    return number_of(msgspec.convert(row["request"], kinds[row["action"]]))


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(stateful_step_count=40)
