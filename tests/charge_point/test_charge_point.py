"""A charge point as a whole: its boots, its records, and what it says to requests nobody here answers."""

import pytest

from ocpp_sansio import DuplicateCall, ErrorCode, LocalProtocolError
from ocpp_sansio.charge_point import Block, ChargePoint, Setup
from ocpp_sansio.charge_point.effects import RecordQuarantined
from ocpp_sansio.machine import StoreFailed
from ocpp_sansio.store import Persist, Put, pack, unpack
from ocpp_sansio.v16 import (
    CancelReservationRequest,
    ClearChargingProfileRequest,
    GetDiagnosticsRequest,
    GetLocalListVersionRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    TriggerMessageRequest,
)
from tests.charge_point.harness import BOOT, EPOCH, Bench, FakeLink
from tests.charge_point.seams import SeamBench


class Shelf(Block):
    """A profile with records: it cannot stand an empty one."""

    topics = ("shelf",)

    def __init__(self, core):
        self.records = []
        self.begun = 0

    def restore(self, record):
        if not record.value:
            raise RuntimeError("empty")
        self.records.append(record)

    def begin(self):
        self.begun = len(self.records)


def shelved(*records):
    made = []
    bench = Bench(records=records, profiles=[lambda core: made.append(Shelf(core)) or made[0]])
    return bench, made[0]


@pytest.mark.parametrize(
    "request_",
    [
        CancelReservationRequest(reservation_id=1),
        ClearChargingProfileRequest(),
        GetDiagnosticsRequest(location="ftp://example.com"),
        GetLocalListVersionRequest(),
    ],
)
def test_a_message_of_a_profile_that_is_not_here_is_not_supported(request_):
    """CP16-002, CP16-003."""
    bench = Bench()
    bench.online()
    code, description = bench.ask(request_)
    assert code is ErrorCode.NOT_SUPPORTED
    assert description.startswith(type(request_).__name__.removesuffix("Request"))


def test_a_profile_answers_its_own():
    """CP16-002."""
    answered = []

    class Simple(Block):
        def handlers(self):
            return {CancelReservationRequest: lambda request, _: answered.append(request)}

    bench = Bench(profiles=[lambda _: Simple()])
    bench.online()
    request = CancelReservationRequest(reservation_id=1)
    assert bench.ask(request) is None
    assert answered == [request]


def test_boots_are_counted():
    """D-19."""
    bench = SeamBench()
    assert bench.core.clock.boot == 1
    again = SeamBench(records=bench.store.load())
    assert again.core.clock.boot == 2
    assert [unpack(int, record.value) for record in again.store.load() if record.topic == "boot"] == [2]


@pytest.mark.parametrize("value", [b"?", b'"two"'])
def test_a_count_of_boots_that_cannot_be_read_is_put_aside(value):
    """D-21."""
    bench = SeamBench(records=[Put("boot", "number", value)])
    assert bench.core.clock.boot == 1
    assert [(effect.topic, effect.key) for effect in bench.seen(RecordQuarantined)] == [("boot", "number")]
    assert {(record.topic, record.key, record.value) for record in bench.store.load()} == {
        ("boot", "number", pack(1)),
        ("quarantine", "boot/number", value),
    }


def test_each_block_gets_its_own_records_in_their_order_and_then_begins():
    """D-10."""
    one, two = Put("shelf", "1", b"a"), Put("shelf", "2", b"b")
    _, shelf = shelved(two, Put("attic", "1", b"c"), one)
    assert shelf.records == [two, one]
    assert shelf.begun == 2


def test_a_record_that_cannot_be_read_is_put_aside_and_the_others_count():
    """D-21."""
    bad, good = Put("shelf", "1", b""), Put("shelf", "2", b"b")
    bench, shelf = shelved(bad, good)
    assert shelf.records == [good]
    (effect,) = bench.seen(RecordQuarantined)
    assert (effect.topic, effect.key, str(effect.error)) == ("shelf", "1", "empty")
    kept = {(record.topic, record.key) for record in bench.store.load()}
    assert ("quarantine", "shelf/1") in kept
    assert ("shelf", "1") not in kept
    again = Bench(records=bench.store.load(), profiles=[Shelf])
    assert again.seen(RecordQuarantined) == []


def test_nothing_is_seen_of_a_step_before_what_it_keeps_is_durable():
    """D-01, D-21."""
    point = ChargePoint(Setup(BOOT), now=0.0, utc=EPOCH, records=[Put("boot", "number", b"?")])
    batch = point.next_event()
    assert isinstance(batch, Persist)
    assert batch.changes[-1] == Put("boot", "number", b"1")
    assert point.next_event() is None
    point.persisted(now=0.0)
    assert isinstance(point.next_event(), RecordQuarantined)


def test_a_store_that_fails_is_asked_again():
    """D-09."""
    point = ChargePoint(Setup(BOOT), now=0.0, utc=EPOCH)
    batch = point.next_event()
    point.persist_failed(OSError("full"), now=0.0)
    failed = point.next_event()
    assert isinstance(failed, StoreFailed)
    assert point.next_event() is None
    point.handle_timeout(now=point.next_timeout())
    assert point.next_event() == batch


def test_what_was_not_to_be_kept_cannot_be_reported_on():
    bench = Bench()
    with pytest.raises(LocalProtocolError):
        bench.point.persisted(now=0.0)
    with pytest.raises(LocalProtocolError):
        bench.point.persist_failed(OSError(), now=0.0)


def test_a_link_that_is_not_there_cannot_be_lost():
    bench = Bench()
    bench.disconnect()
    assert bench.effects == []


def test_a_link_that_comes_replaces_the_one_that_was():
    """RPC-131."""
    bench = SeamBench()
    old = bench.connect()
    new = bench.connect()
    assert len(old.sent) == len(new.sent) == 1


def test_events_that_are_not_about_calls_are_no_concern_of_a_role():
    bench = SeamBench()
    bench.online()
    timeout = bench.point.next_timeout()
    bench.do("receive_event", DuplicateCall("1", "Reset", replayed=True))
    assert bench.unanswered == []
    assert bench.effects == []
    assert bench.point.next_timeout() == timeout


def test_an_answer_to_nothing_that_was_asked_changes_nothing():
    """RPC-057."""
    bench = SeamBench()
    bench.online()
    foreign = FakeLink().call(HeartbeatRequest(), now=0.0)
    bench.answer(HeartbeatResponse(current_time=EPOCH), foreign)
    assert bench.effects == []


def test_an_extra_time_out_does_nothing():
    bench = SeamBench()
    bench.online()
    timeout = bench.point.next_timeout()
    bench.do("handle_timeout")
    assert bench.unanswered == []
    assert bench.point.next_timeout() == timeout


def test_a_request_that_comes_before_the_boot_notification_is_answered():
    """CP16-010: requests are what must not be sent."""
    bench = Bench()
    bench.connect()
    assert bench.ask(TriggerMessageRequest(requested_message="Gossip")) is not None
