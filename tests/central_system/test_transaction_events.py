"""Which TransactionEvents have come, and which are missing: whatever is lost, sent twice or late (F-117)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio import CallReceived, CentralSystemSession, Version, numbered_ids, v21, v201
from ocpp_sansio.central_system import Standing, ToldTransaction, TransactionEvents
from ocpp_sansio.store import pack, unpack

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
STARTED, UPDATED, ENDED = "Started", "Updated", "Ended"
NEW, LATE, REPEATED, CONFLICTING, FORGOTTEN = Standing


def event(number: int, kind: str = UPDATED, *, transaction: str = "T", second: int | None = None, **more: Any) -> Any:
    return v201.TransactionEventRequest(
        event_type=v201.TransactionEvent(kind),
        timestamp=NOON + timedelta(seconds=number if second is None else second),
        trigger_reason=v201.TriggerReason.METER_VALUE_PERIODIC,
        seq_no=number,
        transaction_info=v201.Transaction(transaction_id=transaction),
        **more,
    )


def told(events: Iterable[Any], **bounds: int) -> tuple[list[Standing], TransactionEvents]:
    ledger = TransactionEvents(**bounds)
    return [ledger.tell("CS1", each) for each in events], ledger


def whole(first: int, last: int) -> list[Any]:
    return [
        event(first, STARTED),
        *(event(number) for number in range(first + 1, last)),
        event(last, ENDED),
    ]


def only(ledger: TransactionEvents) -> ToldTransaction:
    (transaction,) = ledger.transactions()
    return transaction


@pytest.mark.parametrize("first", [0, 1, 7, 2**31 - 4])
def test_cs201_090_a_transaction_is_complete_from_its_first_number_to_its_last(first: int) -> None:
    """CP201-094: it need not begin with 0."""
    ledger = TransactionEvents()
    for each in whole(first, first + 3):
        assert ledger.transaction("CS1", "T") is None or not only(ledger).is_complete
        assert ledger.tell("CS1", each) is NEW
    assert (only(ledger).is_complete, only(ledger).missing, only(ledger).missing_count) == (True, (), 0)
    assert (only(ledger).started, only(ledger).ended) == (first, first + 3)


def test_f117_a_gap_is_told_until_what_is_missing_has_come() -> None:
    """CP201-0C1: some never come, and that is no fault of the station's."""
    standings, ledger = told([event(0, STARTED), event(3), event(8, ENDED)])
    assert standings == [NEW, NEW, NEW]
    assert (only(ledger).missing, only(ledger).missing_count) == ((range(1, 3), range(4, 8)), 6)
    assert not only(ledger).is_complete
    assert [ledger.tell("CS1", event(number)) for number in (2, 7, 1, 4, 6)] == [LATE] * 5
    assert only(ledger).missing == (range(5, 6),)
    assert ledger.tell("CS1", event(5)) is LATE
    assert only(ledger).is_complete


def test_f117_what_comes_again_changes_nothing_also_if_it_is_offline_by_now() -> None:
    """CP201-0C3: what was under way when the link went is sent again as of offline."""
    events = whole(0, 3)
    _, ledger = told(events)
    before = pack(only(ledger))
    assert [ledger.tell("CS1", each) for each in [*events, event(2, offline=True)]] == [REPEATED] * 5
    assert pack(only(ledger)) == before


def test_f117_an_end_that_comes_first_waits_for_the_rest() -> None:
    standings, ledger = told([event(2, ENDED), event(1), event(0, STARTED)])
    assert standings == [NEW, LATE, LATE]
    assert only(ledger).is_complete


@pytest.mark.parametrize(
    ("before", "odd"),
    [
        (whole(0, 3), event(1, second=9)),
        (whole(0, 3), event(1, STARTED)),
        (whole(0, 3), event(0)),
        (whole(0, 3), event(3)),
        (whole(0, 3), event(4)),
        (whole(0, 3), event(4, ENDED)),
        (whole(0, 3), event(4, STARTED)),
        (whole(1, 3), event(0)),
        (whole(1, 3), event(0, STARTED)),
        (whole(1, 3), event(0, ENDED)),
        ([event(1)], event(2, STARTED)),
        ([event(1)], event(0, ENDED)),
    ],
)
def test_cp201_090_what_contradicts_what_has_come_is_told_apart_and_changes_nothing(before: Any, odd: Any) -> None:
    _, ledger = told(before)
    known = pack(only(ledger))
    assert [ledger.tell("CS1", odd), ledger.tell("CS1", odd)] == [CONFLICTING] * 2
    assert pack(only(ledger)) == known


@pytest.mark.parametrize(("standing", "is_news"), list(zip(Standing, [True, True, False, False, False], strict=True)))
def test_only_what_is_news_is_to_be_booked(standing: Standing, is_news: bool) -> None:
    assert standing.is_news is is_news


def test_cp201_003_a_transaction_is_of_one_station_f_41() -> None:
    ledger = TransactionEvents()
    assert [ledger.tell(identity, event(0, STARTED)) for identity in ("CS1", "CS2", "CS1")] == [NEW, NEW, REPEATED]
    assert ledger.tell("CS1", event(0, STARTED, transaction="U")) is NEW
    assert [each.transaction_id for each in ledger.transactions("CS1")] == ["T", "U"]
    assert len(ledger.transactions()) == 3
    assert ledger.transaction("CS3", "T") is None
    assert ledger.transactions("CS3") == ()


@given(
    first=st.integers(0, 5),
    last=st.integers(1, 12),
    lost=st.sets(st.integers(1, 16)),
    data=st.data(),
)
def test_f117_in_whatever_order_each_is_news_once_and_the_rest_is_missing(
    first: int, last: int, lost: set[int], data: st.DataObject
) -> None:
    """And a process that dies in between knows what it knew."""
    last += first
    sent = [each for each in whole(first, last) if each.seq_no in {first, last} or each.seq_no not in lost]
    ledger, news = TransactionEvents(), []
    for each in data.draw(st.permutations(sent * 2)):
        if ledger.tell("CS1", each).is_news:
            news.append(each.seq_no)
        if data.draw(st.booleans()):
            ledger = TransactionEvents([unpack(ToldTransaction, pack(told)) for told in ledger.transactions()])
    assert sorted(news) == [each.seq_no for each in sent]
    transaction = only(ledger)
    missing = [number for numbers in transaction.missing for number in numbers]
    assert missing == sorted(set(range(first, last)) - set(news))
    assert transaction.missing_count == len(missing)
    assert transaction.is_complete == (not missing)


# -- what a station can make it hold --


def test_a_long_transaction_forgets_its_oldest_numbers_and_says_so() -> None:
    standings, ledger = told([event(0, STARTED), *map(event, range(1, 6))], max_events=3)
    assert standings == [NEW] * 6
    assert [ledger.tell("CS1", event(number)) for number in (5, 4, 3, 2)] == [REPEATED] * 3 + [FORGOTTEN]
    assert ledger.tell("CS1", event(0, STARTED)) is FORGOTTEN
    assert ledger.tell("CS1", event(7, ENDED)) is NEW
    assert (only(ledger).missing, only(ledger).missing_count) == ((range(6, 7),), 1)
    assert ledger.tell("CS1", event(6)) is LATE
    assert only(ledger).is_complete, "what is forgotten has come all the same"


def test_what_is_forgotten_is_not_told_to_be_missing() -> None:
    """Here the oldest one has not the lowest number."""
    _, ledger = told([event(5), event(3), event(9)], max_events=2)
    assert (only(ledger).forgotten, only(ledger).missing) == (6, (range(6, 9),))
    assert [ledger.tell("CS1", event(number)) for number in (3, 4, 5)] == [REPEATED, FORGOTTEN, FORGOTTEN]
    assert ledger.tell("CS1", event(10)) is NEW
    assert only(ledger).forgotten == 6, "though the one that went now had a lower number"


def test_of_too_many_transactions_what_has_ended_goes_first() -> None:
    ledger = TransactionEvents(max_transactions=2)
    for name, kind in (("A", STARTED), ("B", ENDED), ("C", STARTED), ("D", STARTED)):
        assert ledger.tell("CS1", event(0, kind, transaction=name)) is NEW
    assert [each.transaction_id for each in ledger.transactions("CS1")] == ["C", "D"]


def test_of_too_many_stations_the_one_that_has_been_silent_longest_goes() -> None:
    ledger = TransactionEvents(max_stations=2)
    for identity in ("CS1", "CS2", "CS1", "CS3"):
        ledger.tell(identity, event(0))
    assert [each.identity for each in ledger.transactions()] == ["CS1", "CS3"]


def test_a_transaction_can_be_forgotten() -> None:
    _, ledger = told([event(0), event(0, transaction="U")])
    ledger.forget("CS1", "T")
    ledger.forget("CS1", "T")
    assert [each.transaction_id for each in ledger.transactions()] == ["U"]
    ledger.forget("CS1", "U")
    ledger.forget("CS2", "T")
    assert ledger.transactions() == ()
    assert ledger.tell("CS1", event(0)) is NEW


@pytest.mark.parametrize("bound", ["max_stations", "max_transactions", "max_events"])
def test_a_bound_is_positive(bound: str) -> None:
    with pytest.raises(ValueError, match="at least one"):
        TransactionEvents(**{bound: 0})


def test_f117_a_station_that_makes_up_numbers_is_held_to_the_bounds() -> None:
    made_up = (event(number * 4_000_000, transaction=str(number % 7)) for number in range(500))
    standings, ledger = told(made_up, max_transactions=3, max_events=10)
    assert len(ledger.transactions()) == 3
    assert all(len(each.moments) <= 10 and len(each.missing) < 10 for each in ledger.transactions())
    assert set(standings) == {NEW}
    _, ledger = told((event(number * 1000, second=number) for number in range(500)), max_events=10)
    assert len(only(ledger).moments) == 10
    assert only(ledger).missing_count == 499 * 999


# -- over a session --


@pytest.mark.parametrize(("version", "module"), [(Version.V201, v201), (Version.V21, v21)])
def test_f117_it_is_told_what_a_session_reads_in_each_version(version: Version, module: Any) -> None:
    session = CentralSystemSession(version, message_ids=numbered_ids("m"))
    ledger, standings = TransactionEvents(), []
    for call, (number, kind) in enumerate([(0, STARTED), (2, ENDED), (2, ENDED), (1, UPDATED)]):
        payload = {
            "eventType": kind,
            "timestamp": f"2026-01-01T12:0{number}:00Z",
            "triggerReason": "Trigger",
            "seqNo": number,
            "transactionInfo": {"transactionId": "T"},
        }
        session.receive_data(json.dumps([2, str(call), "TransactionEvent", payload]), now=0)
        received = session.next_event()
        assert isinstance(received, CallReceived)
        standings.append(ledger.tell("CS1", received.request))
        assert session.respond(received, module.TransactionEventResponse(), now=0)
    assert standings == [NEW, NEW, REPEATED, LATE]
    assert only(ledger).is_complete
    assert len(session.data_to_send()) == 4, "every one is answered (CS201-091)"
