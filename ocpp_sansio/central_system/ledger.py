"""What was charged: every transaction of every station, once, whatever is sent twice, late, or not at all.

Each message on a transaction is answered (CS16-041), and what it changed is durable before the answer goes out (D-15,
D-16). A station that did not get the answer sends the message again, and that changes nothing (D-04, D-13): a start is
known by its connector, idTag, time and meter, a stop by its transaction, time and meter, meter values by what they say,
if they come again before others of the transaction do.

A station reaches its own transactions only: each has an account, and nothing is looked up in another's.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from typing import Any, ClassVar, Final

import attrs
import msgspec

from ocpp_sansio.errors import LocalProtocolError
from ocpp_sansio.messages import Request
from ocpp_sansio.store import Drop, Put, pack, unpack
from ocpp_sansio.v16 import (
    AuthorizationStatus,
    IdTagInfo,
    Location,
    Measurand,
    MeterValue,
    MeterValuesRequest,
    MeterValuesResponse,
    StartTransactionRequest,
    StartTransactionResponse,
    StopTransactionRequest,
    StopTransactionResponse,
    UnitOfMeasure,
    ValueFormat,
)

from .backbone import Backbone, Block, Handler, Notice, StationForgotten, fold, is_id_tag
from .effects import (
    Anomaly,
    HookFailed,
    LedgerAnomaly,
    LedgerOverflow,
    MeterValuesReceived,
    TransactionStarted,
    TransactionStopped,
    TransactionUpdated,
)
from .entries import Stop, Transaction, UnmatchedStop

__all__ = ["Ledger", "TransactionIds", "Verify"]

MAX_ID: Final = 2**31 - 1
MAX_DRAWS: Final = 16
"""Ids drawn for one transaction. That all of them are taken does not happen to a sound factory."""

TransactionIds = Callable[[], int]
"""Makes the ids of transactions: positive, of 32 bits, and not to be guessed."""
Verify = Callable[[str, str], IdTagInfo | None]
"""What is known about an idTag that a station has sent; ``None``: that could not be found out."""

_Start = tuple[int, str, datetime, int]
"""What a start is known by, within its station (CS16-045, D-13)."""


@attrs.define
class _Account:
    """What one station has in the ledger."""

    transactions: dict[int, Transaction] = attrs.field(factory=dict[int, Transaction])
    starts: dict[_Start, int] = attrs.field(factory=dict[_Start, int])
    running: dict[int, int] = attrs.field(factory=dict[int, int])
    """The transaction that is running on each connector (CP16-069)."""
    unmatched: dict[str, UnmatchedStop] = attrs.field(factory=dict[str, UnmatchedStop])


class Ledger(Block):
    """The transactions, and the stops that belong to none.

    What it shows may not be durable yet: rely on the effects for that. Entries stay until they are taken out with
    :meth:`forget`. A station that repeats a message about what was taken out is not recognised, so wait until that has
    become unlikely.
    """

    TRANSACTIONS: ClassVar[str] = "transaction"
    UNMATCHED: ClassVar[str] = "unmatched"

    def __init__(
        self, backbone: Backbone, transaction_ids: TransactionIds, verify_start: Verify, verify_stop: Verify
    ) -> None:
        super().__init__(backbone)
        self._ids: Final = transaction_ids
        self._verify_start: Final = verify_start
        self._verify_stop: Final = verify_stop
        self._accounts: dict[str, _Account] = {}
        self._owners: dict[int, str] = {}
        """The station of each transaction."""
        self._busy: dict[str, set[int]] = {}
        """The transactions that run with each idTag that was accepted for them."""

    def handlers(self) -> Mapping[type[Request[Any]], Handler]:
        """StartTransaction, StopTransaction and MeterValues."""
        return {
            StartTransactionRequest: self._start,
            StopTransactionRequest: self._stop,
            MeterValuesRequest: self._meter_values,
        }

    def hears(self) -> Mapping[type[Notice], Callable[[Any], None]]:
        """Of stations that are forgotten."""
        return {StationForgotten: self._on_station_forgotten}

    def topics(self) -> Mapping[str, Callable[[Put], None]]:
        """One record for each entry."""
        return {self.TRANSACTIONS: self._restore, self.UNMATCHED: self._restore_unmatched}

    # -- what is in it --

    def transaction(self, transaction_id: int) -> Transaction | None:
        """The transaction with this id."""
        owner = self._owners.get(transaction_id)
        return None if owner is None else self._accounts[owner].transactions[transaction_id]

    def transactions(self, identity: str | None = None) -> tuple[Transaction, ...]:
        """The transactions of a station, or of all, each station's in the order of their starts."""
        return tuple(each for account in self._some(identity) for each in account.transactions.values())

    def running(self, identity: str, connector_id: int) -> Transaction | None:
        """The transaction that is running on a connector."""
        account = self._accounts.get(identity, _NOTHING)
        return account.transactions.get(account.running.get(connector_id, -1))

    def unmatched(self, identity: str | None = None) -> tuple[UnmatchedStop, ...]:
        """The stops of a station, or of all, that belong to no transaction."""
        return tuple(each for account in self._some(identity) for each in account.unmatched.values())

    def _some(self, identity: str | None) -> Iterable[_Account]:
        return self._accounts.values() if identity is None else (self._accounts.get(identity, _NOTHING),)

    # -- what is taken out of it --

    def forget(self, transaction_id: int) -> None:
        """Take a transaction out that has ended.

        Raises:
            LocalProtocolError: it has not, or there is none with this id.
        """
        transaction = self.transaction(transaction_id)
        if transaction is None or transaction.stop is None:
            raise LocalProtocolError(f"{transaction_id} is not the id of a transaction that has ended")
        self._remove(transaction)

    def forget_unmatched(self, unmatched: UnmatchedStop) -> None:
        """Take a stop out that belongs to no transaction.

        Raises:
            LocalProtocolError: it is not in the ledger.
        """
        key = _key(unmatched.identity, unmatched.transaction_id, unmatched.stop)
        if key not in self._accounts.get(unmatched.identity, _NOTHING).unmatched:
            raise LocalProtocolError("the ledger has no such stop")
        self._remove_unmatched(unmatched)

    # -- start --

    def _start(self, identity: str, request: StartTransactionRequest) -> StartTransactionResponse:
        account = self._account(identity)
        known = account.starts.get(_start_of(request))
        transaction = self._open(account, identity, request) if known is None else account.transactions[known]
        # Also if the idTag is refused (CS16-040).
        return StartTransactionResponse(transaction_id=transaction.transaction_id, id_tag_info=transaction.id_tag_info)

    def _open(self, account: _Account, identity: str, request: StartTransactionRequest) -> Transaction:
        older = self.running(identity, request.connector_id)
        if older is not None:
            older = attrs.evolve(older, is_superseded=True)
            self._keep(older)
            self._report(Anomaly.SUPERSEDED, identity, request, older)
        if len(account.transactions) >= self.backbone.options.max_transactions:
            oldest = next(iter(account.transactions.values()))
            dropped = next((each for each in account.transactions.values() if each.stop is not None), oldest)
            self._remove(dropped)
            self.backbone.emit(LedgerOverflow(dropped))
        transaction = Transaction(
            transaction_id=self._draw(identity),
            identity=identity,
            connector_id=request.connector_id,
            id_tag=request.id_tag,
            id_tag_info=self._judge(identity, request.id_tag),
            meter_start=request.meter_start,
            timestamp=request.timestamp,
            reservation_id=request.reservation_id,
            recorded_at=self.backbone.utc,
        )
        self._keep(transaction)
        self.backbone.emit(TransactionStarted(transaction))
        if request.connector_id <= 0:
            self._report(Anomaly.NO_CONNECTOR, identity, request, transaction)
        if not is_id_tag(request.id_tag):
            self._report(Anomaly.UNPRINTABLE_ID_TAG, identity, request, transaction)
        if request.meter_start < 0:
            self._report(Anomaly.METER_BELOW_ZERO, identity, request, transaction)
        return transaction

    def _judge(self, identity: str, id_tag: str) -> IdTagInfo:
        """Verify an idTag that has started a transaction (CS16-031). There is always an answer (CS16-041)."""
        info = self._verify_start(identity, id_tag) or IdTagInfo(status=AuthorizationStatus.INVALID)
        may_be_elsewhere = self.backbone.options.concurrent_transactions
        if info.status is AuthorizationStatus.ACCEPTED and not may_be_elsewhere and fold(id_tag) in self._busy:
            return msgspec.structs.replace(info, status=AuthorizationStatus.CONCURRENT_TX)  # CS16-032
        return info

    def _draw(self, identity: str) -> int:
        """An id that no transaction has."""
        drawn = 0
        try:
            for _ in range(MAX_DRAWS):
                drawn = self._ids()
                if not 0 < drawn <= MAX_ID:
                    raise ValueError(f"the id of a transaction is positive, and has 32 bits: {drawn}")
                if drawn not in self._owners:
                    return drawn
            raise ValueError(f"{MAX_DRAWS} ids of transactions in a row were taken")
        except Exception as error:  # noqa: BLE001 - whatever it raises, the station gets its answer (CS16-041)
            self.backbone.emit(HookFailed(identity, "transaction_ids", error))
        # One that can be guessed is better than none: no other station can do anything with it.
        spare = 1
        while spare in self._owners:
            spare += 1
        return spare

    # -- stop --

    def _stop(self, identity: str, request: StopTransactionRequest) -> StopTransactionResponse:
        account = self._account(identity)
        transaction = account.transactions.get(request.transaction_id)
        if _key(identity, request.transaction_id, request) in account.unmatched:
            pass  # told before, and whatever has been given that id since: it belongs to nothing
        elif transaction is None:
            self._keep_unmatched(self._stranger(request.transaction_id), identity, request)
        elif transaction.stop is None:
            self._close(transaction, request)
        elif not transaction.stop.is_retold_by(request):
            self._keep_unmatched(Anomaly.ALREADY_STOPPED, identity, request, transaction)
        # CS16-042. If it cannot be found out, nothing is said: a station would keep it in its cache (CP16-047).
        info = None if request.id_tag is None else self._verify_stop(identity, request.id_tag)
        return StopTransactionResponse(id_tag_info=info)

    def _close(self, transaction: Transaction, request: StopTransactionRequest) -> None:
        closed = attrs.evolve(transaction, stop=Stop.of(request, self.backbone.utc))
        self._keep(closed)
        self.backbone.emit(TransactionStopped(closed, tuple(request.transaction_data or ())))
        if request.meter_stop < max(closed.meter_start, _meter_of(closed)):
            self._report(Anomaly.METER_WENT_BACKWARDS, closed.identity, request, closed)
        if request.timestamp < closed.timestamp:
            self._report(Anomaly.STOPPED_BEFORE_STARTED, closed.identity, request, closed)

    def _keep_unmatched(
        self, kind: Anomaly, identity: str, request: StopTransactionRequest, transaction: Transaction | None = None
    ) -> None:
        """Lose nothing that was charged, though it is not known what it belongs to."""
        account = self._account(identity)
        stop = Stop.of(request, self.backbone.utc)
        unmatched = UnmatchedStop(identity=identity, transaction_id=request.transaction_id, stop=stop)
        key = _key(identity, request.transaction_id, stop)
        if len(account.unmatched) >= self.backbone.options.max_unmatched_stops:
            dropped = next(iter(account.unmatched.values()))
            self._remove_unmatched(dropped)
            self.backbone.emit(LedgerOverflow(dropped))
        account.unmatched[key] = unmatched
        self.backbone.machine.persist(Put(self.UNMATCHED, key, pack(unmatched)))
        self._report(kind, identity, request, transaction, unmatched)

    # -- meter values --

    def _meter_values(self, identity: str, request: MeterValuesRequest) -> MeterValuesResponse:
        if request.transaction_id is None:
            self.backbone.emit(MeterValuesReceived(identity, request))
            return MeterValuesResponse()
        transaction = self._account(identity).transactions.get(request.transaction_id)
        if transaction is None:
            self._report(self._stranger(request.transaction_id), identity, request)
        elif transaction.stop is not None:
            self._report(Anomaly.ALREADY_STOPPED, identity, request, transaction)
        else:
            self._count(transaction, request)
        return MeterValuesResponse()  # CS16-080

    def _count(self, transaction: Transaction, request: MeterValuesRequest) -> None:
        known_by = hashlib.blake2b(pack(request), digest_size=16).hexdigest()
        if known_by == transaction.last_values:
            return
        count = transaction.meter_values + len(request.meter_value)
        is_own = request.connector_id == transaction.connector_id
        shown = [_meter_of(transaction), *_registers(request.meter_value if is_own else ())]
        updated = attrs.evolve(transaction, meter_values=count, meter=shown[-1], last_values=known_by)
        self._keep(updated)
        self.backbone.emit(TransactionUpdated(updated, tuple(request.meter_value)))
        if not is_own:
            self._report(Anomaly.OTHER_CONNECTOR, updated.identity, request, updated)
        if any(after < before for before, after in pairwise(shown)):
            self._report(Anomaly.METER_WENT_BACKWARDS, updated.identity, request, updated)

    # -- anomalies --

    def _stranger(self, transaction_id: int) -> Anomaly:
        """What is odd about an id that no transaction of the station has."""
        if transaction_id == -1:
            return Anomaly.UNDELIVERED_START  # CS16-043
        return Anomaly.FOREIGN_TRANSACTION if transaction_id in self._owners else Anomaly.UNKNOWN_TRANSACTION

    def _report(
        self,
        kind: Anomaly,
        identity: str,
        request: StartTransactionRequest | StopTransactionRequest | MeterValuesRequest,
        transaction: Transaction | None = None,
        unmatched: UnmatchedStop | None = None,
    ) -> None:
        self.backbone.emit(LedgerAnomaly(kind, identity, request, transaction, unmatched))

    # -- the books --

    def _account(self, identity: str) -> _Account:
        return self._accounts.setdefault(identity, _Account())

    def _keep(self, transaction: Transaction) -> None:
        self._enter(transaction)
        self.backbone.machine.persist(Put(self.TRANSACTIONS, str(transaction.transaction_id), pack(transaction)))

    def _enter(self, transaction: Transaction) -> None:
        """Put a transaction as it is now in the place of what it was."""
        account, transaction_id = self._account(transaction.identity), transaction.transaction_id
        account.transactions[transaction_id] = transaction
        account.starts[_start_of(transaction)] = transaction_id
        self._owners[transaction_id] = transaction.identity
        if not transaction.is_running:
            self._end(account, transaction)
            return
        account.running[transaction.connector_id] = transaction_id
        if transaction.id_tag_info.status is AuthorizationStatus.ACCEPTED:
            self._busy.setdefault(fold(transaction.id_tag), set()).add(transaction_id)

    def _end(self, account: _Account, transaction: Transaction) -> None:
        if account.running.get(transaction.connector_id) == transaction.transaction_id:
            del account.running[transaction.connector_id]
        tag = fold(transaction.id_tag)
        busy = self._busy.get(tag, set())
        busy.discard(transaction.transaction_id)
        if not busy:
            self._busy.pop(tag, None)

    def _remove(self, transaction: Transaction) -> None:
        account = self._accounts[transaction.identity]
        self._end(account, transaction)
        del account.transactions[transaction.transaction_id], account.starts[_start_of(transaction)]
        del self._owners[transaction.transaction_id]
        self.backbone.machine.persist(Drop(self.TRANSACTIONS, str(transaction.transaction_id)))

    def _remove_unmatched(self, unmatched: UnmatchedStop) -> None:
        key = _key(unmatched.identity, unmatched.transaction_id, unmatched.stop)
        del self._accounts[unmatched.identity].unmatched[key]
        self.backbone.machine.persist(Drop(self.UNMATCHED, key))

    def _restore(self, record: Put) -> None:
        transaction = unpack(Transaction, record.value)
        self.backbone.remember(transaction.identity)
        self._enter(transaction)

    def _restore_unmatched(self, record: Put) -> None:
        unmatched = unpack(UnmatchedStop, record.value)
        self.backbone.remember(unmatched.identity)
        self._account(unmatched.identity).unmatched[record.key] = unmatched

    def _on_station_forgotten(self, notice: StationForgotten) -> None:
        for transaction in self.transactions(notice.identity):
            self._remove(transaction)
            self.backbone.emit(LedgerOverflow(transaction))
        for unmatched in self.unmatched(notice.identity):
            self._remove_unmatched(unmatched)
            self.backbone.emit(LedgerOverflow(unmatched))
        self._accounts.pop(notice.identity, None)


_NOTHING: Final = _Account()
"""The account of a station that has none. It is never written in."""


def _meter_of(transaction: Transaction) -> int:
    """What its meter showed last."""
    return transaction.meter_start if transaction.meter is None else transaction.meter


_KILO: Final = {None: 1, UnitOfMeasure.WH: 1, UnitOfMeasure.KWH: 1000}


def _registers(values: Iterable[MeterValue]) -> Iterator[int]:
    """Whole Wh that the energy register of the outlet showed, all phases together, where that is a number (CP16-143).

    A register that counts in kWh says as well whether it has gone back, to the Wh.
    """
    for sample in (sample for value in values for sample in value.sampled_value):
        is_register = sample.measurand in {None, Measurand.ENERGY_ACTIVE_IMPORT_REGISTER} and sample.phase is None
        is_plain = sample.location in {None, Location.OUTLET} and sample.format in {None, ValueFormat.RAW}
        if is_register and is_plain and sample.unit in _KILO:
            with suppress(ValueError, OverflowError):
                yield math.floor(round(float(sample.value) * _KILO[sample.unit], 3))


def _start_of(start: StartTransactionRequest | Transaction) -> _Start:
    return start.connector_id, fold(start.id_tag), start.timestamp, start.meter_start


def _key(identity: str, transaction_id: int, stop: Stop | StopTransactionRequest) -> str:
    """What a stop that belongs to no transaction is known by, if it comes again."""
    return pack((identity, transaction_id, stop.timestamp.timestamp(), stop.meter_stop)).decode()
