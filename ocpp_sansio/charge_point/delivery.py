"""Transaction messages: kept in one order, sent one after the other, each until it is answered or given up.

This block knows how to deliver, not what a transaction is: of a message it fills in the time and the transaction's
id, which may both become known only while it waits. What it means is the business of those who have it delivered.

What is in the store, and when it changes:

* ``queue``: a row for each message that has not been answered, under its sequence number. The order is that of these
  numbers, whatever a clock says and however often a message is sent (D-10). A row goes when its answer has come, in the
  same batch in which what the answer brought is kept; until then it is sent again after a loss of the link or of
  power, so that each message arrives at least once (D-04, D-22).
* ``dead``: the rows of messages that were given up. Nobody here drops them (D-07).
* ``transaction-id``: what the central system calls a transaction whose messages wait, until its last is gone (D-11).

The number of failed attempts is kept with the row, and outlives links and boots; the wait before the next does not
outlive a boot (D-06). To lose a link is no attempt (D-05).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

import attrs
import msgspec

from ocpp_sansio.errors import CallFailure, ConnectionLost
from ocpp_sansio.messages import Request, Response
from ocpp_sansio.store import Change, Drop, Put, pack, unpack
from ocpp_sansio.v16 import (
    MeterValue,
    MeterValuesRequest,
    StartTransactionRequest,
    StartTransactionResponse,
    StopTransactionRequest,
    StopTransactionResponse,
)

from .backbone import Accepted, Backbone, Block, ClockSet, Delivered, GivenUp, IdTagLearnt
from .clock import Moment
from .effects import DeadLetter, MeterValuesThinned
from .keys import TRANSACTION_MESSAGE_ATTEMPTS, TRANSACTION_MESSAGE_RETRY_INTERVAL

__all__ = ["Delivery"]

VERSION: Final = "1.6"
"""What a row has been written for: one for another version cannot be sent (D-18)."""
NEVER_ANSWERED: Final = -1
"""The id of a transaction whose StartTransaction never got an answer (CP16-075)."""
LINK_PATIENCE: Final = 1.0
"""Seconds until a link that took no message, and yet is up, is asked again."""

_KINDS: Final[Mapping[str, type[Request[Any]]]] = {
    kind.__name__.removesuffix("Request"): kind
    for kind in (StartTransactionRequest, StopTransactionRequest, MeterValuesRequest)
}


@attrs.frozen
class _Record:
    """A row as it is kept."""

    version: str
    action: str
    request: msgspec.Raw
    moments: tuple[Moment, ...]
    transaction: int | None
    attempts: int


@attrs.frozen
class _Row:
    """A message that waits."""

    request: Request[Any]
    """As it was handed over: the transaction's id is filled in when it is sent."""
    moments: tuple[Moment, ...]
    """Of its timestamp, if it has one, and of each meter value."""
    transaction: int | None
    attempts: int = 0
    """How often the central system has failed to process it (CP16-074)."""

    def kept(self) -> bytes:
        action = type(self.request).__name__.removesuffix("Request")
        raw = msgspec.Raw(pack(self.request))
        return pack(_Record(VERSION, action, raw, self.moments, self.transaction, self.attempts))

    @staticmethod
    def of(kept: bytes) -> _Row:
        record = unpack(_Record, kept)
        if record.version != VERSION:
            raise ValueError(f"written for OCPP {record.version}")
        request = unpack(_KINDS[record.action], bytes(record.request))
        return _Row(_timed(request, record.moments), record.moments, record.transaction, record.attempts)


class Delivery(Block):
    """The queue of transaction messages (CP16-070…079). It is kept while nothing may be sent, for days (D-17)."""

    topics: ClassVar[tuple[str, ...]] = ("queue", "dead", "transaction-id")

    def __init__(self, core: Backbone) -> None:
        self._core: Final = core
        self._rows: dict[int, _Row] = {}
        """By sequence number, in their order."""
        self._last = 0
        """The highest sequence number there is or, among the dead, was."""
        self._ids: Final[dict[int, int]] = {}
        self._is_sending = False
        self._thinned = 0

    def hears(self) -> Mapping[type[Any], Callable[[Any], None]]:
        """When messages may flow, and what time it really is."""
        return {Accepted: self._on_accepted, ClockSet: self._on_clock_set}

    # -- an earlier life (CP16-077) --

    def restore(self, record: Put) -> None:
        """Take in a row, or the id of a transaction."""
        number = int(record.key)
        if record.topic == "transaction-id":
            self._ids[number] = unpack(int, record.value)
            return
        self._last = max(self._last, number)  # so that no row ever takes the place of a dead letter
        if record.topic == "queue":
            self._rows[number] = _Row.of(record.value)

    def begin(self) -> None:
        """Go on where the last boot ended."""
        self._rows = dict(sorted(self._rows.items()))

    # -- what waits --

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._rows

    @property
    def has_room(self) -> bool:
        """Whether another transaction may begin: its messages will have room (D-08)."""
        return len(self._rows) < self._core.setup.max_queued_messages

    def deliver(self, request: Request[Any], moments: Sequence[Moment], transaction: int | None) -> None:
        """Keep a message, behind all that wait, and send it in its turn (CP16-071)."""
        self._last += 1
        corrected = tuple(map(self._core.clock.corrected, moments))
        self._keep(self._last, _Row(_timed(request, corrected), corrected, transaction))
        if len(self._rows) > self._core.setup.max_queued_messages:
            self._thin()
        self._send()

    def _keep(self, number: int, row: _Row) -> None:
        self._rows[number] = row
        self._core.machine.persist(Put("queue", _key(number), row.kept()))

    def _thin(self) -> None:
        """Do without every other meter value between the first and the last of each transaction (D-08, CP16-148).

        What is being sent is the first of its transaction that waits, and so never among them.
        """
        series: dict[object, list[int]] = {}
        for number, row in self._rows.items():
            if isinstance(row.request, MeterValuesRequest):
                series.setdefault((row.transaction, row.request.connector_id), []).append(number)
        dropped = [number for numbers in series.values() for number in numbers[1:-1:2]]
        for number in dropped:
            del self._rows[number]
            self._core.machine.persist(Drop("queue", _key(number)))
        if dropped:
            self._thinned += len(dropped)
            self._core.machine.emit(MeterValuesThinned(self._thinned))

    def _on_clock_set(self, _: ClockSet) -> None:
        """Put right what was noted down before the time was known (D-19).

        What has been sent stays as it was: see :meth:`_send`. So does what an earlier boot noted down, sent or not.
        """
        for number, row in self._rows.items():
            moments = tuple(map(self._core.clock.corrected, row.moments))
            if moments != row.moments:
                self._keep(number, attrs.evolve(row, request=_timed(row.request, moments), moments=moments))

    # -- sending: one at a time, the first of them (CP16-070) --

    def _on_accepted(self, _: Accepted) -> None:
        self._send()

    def _send(self) -> None:
        if self._is_sending or not self._rows or not self._core.is_online or _TIMER in self._core.machine.timers:
            return
        self._is_sending = True
        number, row = next(iter(self._rows.items()))
        said = tuple(attrs.evolve(moment, trusted=True) for moment in row.moments)
        if said != row.moments:  # wrong or not, that is what has been said: it has to be the same next time (D-19)
            self._keep(number, attrs.evolve(row, moments=said))
        request = self._addressed(row)
        self._core.call(request, lambda outcome: self._on_outcome(number, request, outcome))

    def _addressed(self, row: _Row) -> Request[Any]:
        """The message with what its transaction is called by now (CP16-076)."""
        if row.transaction is None or isinstance(row.request, StartTransactionRequest):
            return row.request
        # Its StartTransaction went before it, and has been answered or given up, or cannot be read any more.
        transaction_id = self._ids.get(row.transaction, NEVER_ANSWERED)
        return msgspec.structs.replace(row.request, transaction_id=transaction_id)

    def _on_outcome(self, number: int, request: Request[Any], outcome: Response | CallFailure) -> None:
        self._is_sending = False
        row = self._rows[number]
        if isinstance(outcome, ConnectionLost):  # no attempt (CP16-074, D-05): it is sent again, first of all
            if self._core.is_online:  # if it is down in a moment, the next one does not wait for this
                self._wait(_LINK_TIMER, LINK_PATIENCE)
            return
        if isinstance(outcome, CallFailure):
            self._on_failure(number, attrs.evolve(row, attempts=row.attempts + 1), request, outcome)
        else:
            self._on_answer(number, row, request, outcome)
        self._send()

    def _on_answer(self, number: int, row: _Row, request: Request[Any], response: Response) -> None:
        if isinstance(response, StartTransactionResponse):
            self._name(row, response.transaction_id)
        self._remove(number, row)
        self._core.publish(Delivered(request, response, row.transaction))
        if (
            isinstance(response, StartTransactionResponse | StopTransactionResponse)
            and response.id_tag_info is not None
        ):
            assert isinstance(request, StartTransactionRequest | StopTransactionRequest)
            if request.id_tag is not None:  # else it is about nobody we know (CS16-042)
                self._core.publish(IdTagLearnt(request.id_tag, response.id_tag_info))

    def _on_failure(self, number: int, row: _Row, request: Request[Any], error: CallFailure) -> None:
        settings = self._core.settings
        if row.attempts < settings[TRANSACTION_MESSAGE_ATTEMPTS]:  # CP16-073; 0 and 1 mean one attempt (CP16-079)
            self._keep(number, row)
            self._wait(_TIMER, settings[TRANSACTION_MESSAGE_RETRY_INTERVAL] * row.attempts)
            return
        if isinstance(request, StartTransactionRequest):
            self._name(row, NEVER_ANSWERED)  # CP16-075, D-12
        self._remove(number, row, Put("dead", _key(number), row.kept()))
        self._core.machine.emit(DeadLetter(request, error))
        self._core.publish(GivenUp(request, row.transaction))

    def _name(self, row: _Row, transaction_id: int) -> None:
        """Keep what a transaction is called, in the same batch in which its StartTransaction goes (D-11)."""
        if row.transaction is not None:
            self._ids[row.transaction] = transaction_id
            self._core.machine.persist(Put("transaction-id", _key(row.transaction), pack(transaction_id)))

    def _remove(self, number: int, row: _Row, *changes: Change) -> None:
        del self._rows[number]
        self._core.machine.persist(Drop("queue", _key(number)), *changes)
        if isinstance(row.request, StopTransactionRequest) and row.transaction is not None:  # the last of its kind
            self._ids.pop(row.transaction, None)
            self._core.machine.persist(Drop("transaction-id", _key(row.transaction)))

    def _wait(self, timer: object, seconds: float) -> None:
        self._core.machine.timers.set(timer, self._core.machine.now + seconds, self._send)


_TIMER: Final = Delivery
_LINK_TIMER: Final = Delivery, LINK_PATIENCE


def _key(number: int) -> str:
    """A number as a key: in the order of numbers."""
    return f"{number:012d}"


def _timed(request: Request[Any], moments: Sequence[Moment]) -> Request[Any]:
    """The message with these times on it, in the order in which they stand there."""
    if isinstance(request, MeterValuesRequest):
        return msgspec.structs.replace(request, meter_value=_dated(request.meter_value, moments))
    first, *others = moments
    if isinstance(request, StopTransactionRequest) and request.transaction_data is not None:
        request = msgspec.structs.replace(request, transaction_data=_dated(request.transaction_data, others))
    return msgspec.structs.replace(request, timestamp=first.utc)


def _dated(values: Sequence[MeterValue], moments: Sequence[Moment]) -> list[MeterValue]:
    return [msgspec.structs.replace(value, timestamp=moment.utc) for value, moment in zip(values, moments, strict=True)]
