"""Which TransactionEvents of a station have come, and which are missing: each counts once, in whatever order they come.

A station numbers the events of a transaction one by one (CP201-094). It sends one again that was not answered
(CP201-0C3), sends them late when it was offline (CP201-0C0), and leaves some out when it is short of memory
(CP201-0C1). Every one is answered (CS201-091); whether it is to be booked as well, and whether a transaction is
complete, is told here (CS201-090, F-117). For 2.0.1 and 2.1 alike; what is in the events is none of its business.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import Enum, unique
from itertools import pairwise
from typing import Final, Protocol

import attrs

__all__ = ["Standing", "TellsTransaction", "ToldTransaction", "TransactionEvents"]


class _Identified(Protocol):
    @property
    def transaction_id(self) -> str: ...


class TellsTransaction(Protocol):
    """What is asked of a TransactionEventRequest, of whichever version."""

    @property
    def event_type(self) -> str:
        """Started, Updated or Ended."""
        ...

    @property
    def timestamp(self) -> datetime:
        """When it happened."""
        ...

    @property
    def seq_no(self) -> int:
        """Its number."""
        ...

    @property
    def transaction_info(self) -> _Identified:
        """With the id of the transaction."""
        ...


@unique
class Standing(Enum):
    """What an event is, given those that came before. Only ``NEW`` and ``LATE`` ones are to be booked."""

    NEW = "new"
    """It has the highest number so far. That some before it are missing is told by :attr:`ToldTransaction.missing`."""
    LATE = "late"
    """It has not come before, but one with a higher number has."""
    REPEATED = "repeated"
    """It has come before: the station did not get the answer."""
    CONFLICTING = "conflicting"
    """It cannot be true beside what has come before: another event had its number, Started or Ended comes twice, or it
    lies outside of them (CP201-090). It changes nothing, so it is told in this way each time it comes."""
    FORGOTTEN = "forgotten"
    """Too many have come since its time: it may be new, or repeated."""

    @property
    def is_news(self) -> bool:
        """Whether the event is to be booked."""
        return self in {Standing.NEW, Standing.LATE}


@attrs.define(kw_only=True)
class ToldTransaction:
    """What has come of one transaction.

    ``ocpp_sansio.store.pack`` and ``unpack`` make a record of it and read that back.
    """

    identity: str
    """The station."""
    transaction_id: str
    first: int
    """The lowest number that has come, not necessarily 0."""
    last: int
    """The highest number that has come."""
    started: int | None = None
    """The number of Started, if that has come."""
    ended: int | None = None
    """The number of Ended, if that has come."""
    count: int = 0
    """How many have come, each counted once."""
    moments: dict[int, datetime] = attrs.field(factory=dict[int, datetime], repr=False)
    """The time of each event that is remembered by its number, in the order in which they came."""
    forgotten: int = 0
    """Of the numbers below this one it is no longer known which have come."""

    @property
    def missing_count(self) -> int:
        """How many have not come between those that have."""
        return self.last - self.first + 1 - self.count

    @property
    def missing(self) -> tuple[range, ...]:
        """The numbers of those, but for the forgotten ones."""
        known = pairwise(sorted(self.moments))
        between = (range(max(before + 1, self.forgotten), after) for before, after in known)
        return tuple(numbers for numbers in between if numbers)

    @property
    def is_complete(self) -> bool:
        """Whether all have come, from Started to Ended (CS201-090)."""
        return self.started is not None and self.ended is not None and self.missing_count == 0

    def judge(self, event: TellsTransaction) -> Standing:
        """What another event would be."""
        number = event.seq_no
        if number in self.moments:
            is_same = self.moments[number] == event.timestamp and self._type_of(number) == event.event_type
            return Standing.REPEATED if is_same else Standing.CONFLICTING
        if number < self.forgotten:
            return Standing.FORGOTTEN
        if self._contradicts(event.event_type, number):
            return Standing.CONFLICTING
        return Standing.NEW if number >= self.last else Standing.LATE

    def take(self, event: TellsTransaction, max_events: int) -> None:
        """Remember one that has not come before, and forget the oldest of more than so many."""
        number = event.seq_no
        self.first, self.last = min(self.first, number), max(self.last, number)
        if event.event_type == "Started":
            self.started = number
        elif event.event_type == "Ended":
            self.ended = number
        self.count += 1
        self.moments[number] = event.timestamp
        if len(self.moments) > max_events:
            oldest = next(iter(self.moments))
            del self.moments[oldest]
            self.forgotten = max(self.forgotten, oldest + 1)

    def _type_of(self, number: int) -> str:
        return "Started" if number == self.started else "Ended" if number == self.ended else "Updated"

    def _contradicts(self, event_type: str, number: int) -> bool:
        """CP201-090: Started is the first, Ended the last, each of them once."""
        if event_type == "Started":
            return self.started is not None or self.first < number
        if event_type == "Ended":
            return self.ended is not None or self.last > number
        is_before = self.started is not None and number < self.started
        return is_before or (self.ended is not None and number > self.ended)


class TransactionEvents:
    """The transactions of all stations, each known by its station and its id (CP201-003), as their events told them.

    Args:
        transactions: what came in an earlier life of the process, see :meth:`transactions`.
        max_stations: for one more, the station is forgotten that has told nothing for the longest time.
        max_transactions: of one station. For one more, the oldest that has ended is forgotten, or the oldest of all.
        max_events: of one transaction whose numbers are remembered. Of more, the oldest are forgotten.
    """

    def __init__(
        self,
        transactions: Iterable[ToldTransaction] = (),
        *,
        max_stations: int = 10_000,
        max_transactions: int = 100,
        max_events: int = 1_000,
    ) -> None:
        if min(max_stations, max_transactions, max_events) < 1:
            raise ValueError("there is at least one station, with one transaction and one event of it")
        self._max_stations: Final = max_stations
        self._max_transactions: Final = max_transactions
        self._max_events: Final = max_events
        self._stations: dict[str, dict[str, ToldTransaction]] = {}
        """Each with its transactions, both in the order in which they are forgotten."""
        for transaction in transactions:
            self._stations.setdefault(transaction.identity, {})[transaction.transaction_id] = transaction

    def tell(self, identity: str, event: TellsTransaction) -> Standing:
        """A station has sent a TransactionEventRequest. It is answered whatever it is (CS201-091)."""
        transaction_id = event.transaction_info.transaction_id
        transactions = self._stations[identity] = self._stations.pop(identity, {})
        if len(self._stations) > self._max_stations:
            del self._stations[next(iter(self._stations))]
        transaction = transactions.get(transaction_id)
        if transaction is None:
            number = event.seq_no
            transaction = ToldTransaction(identity=identity, transaction_id=transaction_id, first=number, last=number)
            self._make_room(transactions)
            transactions[transaction_id] = transaction
        standing = transaction.judge(event)
        if standing.is_news:
            transaction.take(event, self._max_events)
        return standing

    def transaction(self, identity: str, transaction_id: str) -> ToldTransaction | None:
        """What has come of a transaction; ``None``: nothing, or it is forgotten."""
        return self._stations.get(identity, {}).get(transaction_id)

    def transactions(self, identity: str | None = None) -> tuple[ToldTransaction, ...]:
        """Those of a station, or of all, each station's in the order in which they began to come."""
        some = self._stations.values() if identity is None else (self._stations.get(identity, {}),)
        return tuple(each for transactions in some for each in transactions.values())

    def forget(self, identity: str, transaction_id: str) -> None:
        """Nobody asks about a transaction any more. If it is told of again, it is a new one."""
        transactions = self._stations.get(identity, {})
        transactions.pop(transaction_id, None)
        if not transactions:
            self._stations.pop(identity, None)

    def _make_room(self, transactions: dict[str, ToldTransaction]) -> None:
        if len(transactions) >= self._max_transactions:
            oldest = next(iter(transactions))
            del transactions[next((id_ for id_, each in transactions.items() if each.ended is not None), oldest)]
