"""The life of a transaction: from all preconditions met, over the answer to its start and its faults, to its end.

What is under way is on record under ``transaction``, with the last register that was read and, once it has ended, when
and why: then only the last reading is still to come, also when a boot lies between. The record goes in the same batch
in which the StopTransaction comes into the queue: at every instant a transaction is in one of the two, and never in
both. This block does not know who may begin one, nor how messages travel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, Final

import attrs

from ocpp_sansio.store import Drop, Put, pack, unpack
from ocpp_sansio.v16 import (
    AuthorizationStatus,
    ChargePointStatus,
    ReadingContext,
    Reason,
    StartTransactionRequest,
    StartTransactionResponse,
    StopTransactionRequest,
)

from .backbone import (
    Backbone,
    Block,
    Cables,
    ClockSet,
    Connectors,
    Delivered,
    GivenUp,
    Meter,
    Outbox,
    PlugChanged,
    Reading,
    ReadingTaken,
    StatusMoved,
    Transaction,
    TransactionBegun,
    TransactionOver,
    Use,
)
from .clock import Moment
from .effects import StartEnergy, StopEnergy, TransactionBegan, TransactionEnded
from .keys import (
    CONNECTION_TIME_OUT,
    MAX_ENERGY_ON_INVALID_ID,
    STOP_TRANSACTION_ON_EV_SIDE_DISCONNECT,
    STOP_TRANSACTION_ON_INVALID_ID,
    UNLOCK_CONNECTOR_ON_EV_SIDE_DISCONNECT,
)

__all__ = ["Transactions"]


@attrs.frozen
class _End:
    """When and why a transaction has ended."""

    reason: Reason
    moment: Moment
    id_tag: str | None


@attrs.define(eq=False)
class _Life:
    """A transaction, as it is kept."""

    transaction: Transaction
    last: Reading
    """The highest register that was read, and when. Its other values are not kept."""
    end: _End | None = None
    refused_at: int | None = None
    """Wh: the first register that was read since the central system refused it."""


class Transactions(Block):
    """The transactions that are under way, one on a connector at most (CP16-060…069)."""

    topics: ClassVar[tuple[str, ...]] = ("transaction", "transaction-ref")

    def __init__(self, core: Backbone, connectors: Connectors, cables: Cables, meter: Meter, outbox: Outbox) -> None:
        self._core: Final = core
        self._connectors: Final = connectors
        self._cables: Final = cables
        self._meter: Final = meter
        self._outbox: Final = outbox
        self._last_ref = 0
        self._lives: Final[dict[int, _Life]] = {}
        """By connector."""
        self._left: Final[list[_Life]] = []
        """What the last boot has left."""
        self._asleep: Final[set[int]] = set()
        """The connectors whose transaction goes on once their EV is there again."""
        self._offers: Final[dict[int, StartEnergy]] = {}
        """On which connectors energy is offered, and how."""

    def hears(self) -> Mapping[type[Any], Callable[[Any], None]]:
        """What happens to a transaction while it is under way."""
        return {
            ClockSet: self._on_clock_set,
            Delivered: self._on_delivered,
            GivenUp: self._on_given_up,
            PlugChanged: self._on_plug,
            ReadingTaken: self._on_reading,
            StatusMoved: self._on_status,
        }

    # -- what others may know --

    @property
    def has_room(self) -> bool:
        """Whether another one could be put on record and its messages kept (D-08, D-09)."""
        return self._outbox.has_room and not self._core.machine.is_store_failing

    def on(self, connector: int) -> Transaction | None:
        """The one on a connector, until its end is on record (CP16-069)."""
        life = self._lives.get(connector)
        return None if life is None else life.transaction

    def running(self) -> list[Transaction]:
        """Those that nobody has stopped."""
        return [life.transaction for life in self._lives.values() if life.end is None]

    # -- the beginning --

    def start(self, use: Use, reading: Reading) -> None:
        """All that it takes is there: put it on record, and offer energy once it is (CP16-060, D-01)."""
        self._last_ref += 1
        begun = self._core.moment()
        transaction = Transaction(
            self._last_ref, use.connector, use.id_tag, begun, reading.register, use.reservation_id, use.parent_id_tag
        )
        # The meter was asked before that. Whatever else is lost, it must not have ended before it began.
        life = self._lives[use.connector] = _Life(transaction, Reading((), reading.register, begun))
        self._keep(life)
        self._core.machine.persist(Put("transaction-ref", "last", pack(self._last_ref)))
        request = StartTransactionRequest(
            connector_id=use.connector,
            id_tag=use.id_tag,
            meter_start=reading.register,
            reservation_id=use.reservation_id,
            timestamp=begun.utc,
        )
        self._outbox.deliver(request, (begun,), transaction.ref)
        self._core.machine.emit(TransactionBegan(use.connector, use.id_tag, reading.register, begun.utc))
        self._go_on(life, TransactionBegun(transaction, reading, use.charging_profile))

    def _go_on(self, life: _Life, begun: TransactionBegun) -> None:
        self._connectors.start(life.transaction.connector)
        self._core.publish(begun)
        self._regulate(life)

    def _keep(self, life: _Life) -> None:
        self._core.machine.persist(Put("transaction", str(life.transaction.ref), pack(life)))

    # -- energy: after the record when it is offered, at once when it is not --

    def _regulate(self, life: _Life) -> None:
        """Have the host offer what may be offered now, if that is not what it does."""
        connector = life.transaction.connector
        if life.transaction.is_refused and life.end is None:  # CP16-065
            self._connectors.allow_energy(connector, allowed=self._allowance(life) > 0)
        offer = self._offer(life)
        if offer == self._offers.get(connector):
            return
        if offer is not None:
            self._offers[connector] = offer
            self._core.machine.emit(offer)
        else:
            del self._offers[connector]
            self._core.machine.withdraw(
                lambda effect: isinstance(effect, StartEnergy) and effect.connector == connector
            )
            self._core.machine.urge(StopEnergy(connector))

    def _offer(self, life: _Life) -> StartEnergy | None:
        transaction = life.transaction
        connector = self._connectors[transaction.connector]
        if (
            life.end is not None
            or connector.id in self._asleep
            or not (connector.is_plugged and connector.is_operative)
        ):
            return None
        if not transaction.is_refused:
            return StartEnergy(connector.id)
        allowance = self._allowance(life)
        return StartEnergy(connector.id, allowance) if allowance > 0 else None

    def _allowance(self, life: _Life) -> int:
        """Wh that one which was refused may still have, as far as is known what it has had since (CP16-065)."""
        used = 0 if life.refused_at is None else life.last.register - life.refused_at
        return (self._core.settings.get(MAX_ENERGY_ON_INVALID_ID) or 0) - used

    # -- what the central system says to the start --

    def _on_delivered(self, notice: Delivered) -> None:
        response = notice.response
        if not isinstance(response, StartTransactionResponse):
            return
        life = self._find(notice.transaction)
        if life is None:  # it has come to its end since: there is nothing left to refuse
            return
        transaction = life.transaction
        transaction.transaction_id = response.transaction_id
        transaction.parent_id_tag = response.id_tag_info.parent_id_tag or transaction.parent_id_tag
        transaction.is_refused = response.id_tag_info.status is not AuthorizationStatus.ACCEPTED
        self._keep(life)
        if transaction.is_refused:  # CP16-065
            if self._core.settings[STOP_TRANSACTION_ON_INVALID_ID]:
                self.stop(transaction.connector, Reason.DE_AUTHORIZED)
            else:
                self._regulate(life)
                self._meter.read(transaction.connector, ReadingContext.OTHER, _take_note)  # see _note

    def _on_given_up(self, notice: GivenUp) -> None:
        life = self._find(notice.transaction)
        if life is not None and isinstance(notice.request, StartTransactionRequest):  # CP16-075
            life.transaction.transaction_id = -1
            self._keep(life)

    def _find(self, ref: int | None) -> _Life | None:
        return next((life for life in self._lives.values() if life.transaction.ref == ref), None)

    # -- what happens on the way --

    def _on_reading(self, notice: ReadingTaken) -> None:
        """Keep how far it has come, for the case that the power is lost (CP16-07A)."""
        life = self._lives.get(notice.connector)
        if life is not None:
            self._note(life, notice.reading)

    def _note(self, life: _Life, reading: Reading) -> None:
        if reading.register < life.last.register:  # CP16-066
            return
        # One that sleeps was last heard of before the power was lost, however often its meter is read meanwhile.
        sleeps = life.transaction.connector in self._asleep
        life.last = Reading((), reading.register, life.last.moment if sleeps else reading.moment)
        if life.transaction.is_refused and life.refused_at is None:
            life.refused_at = reading.register
        self._keep(life)
        if life.transaction.is_refused and self._allowance(life) <= 0:  # the host has stopped by itself, if it is exact
            self._regulate(life)

    def _on_clock_set(self, _: ClockSet) -> None:
        """Put right what was noted down before the time was known (D-19)."""
        correct = self._core.clock.corrected
        for life in self._lives.values():
            begun, last = correct(life.transaction.begun), attrs.evolve(life.last, moment=correct(life.last.moment))
            end = life.end and attrs.evolve(life.end, moment=correct(life.end.moment))
            if (begun, last, end) != (life.transaction.begun, life.last, life.end):
                life.transaction.begun, life.last, life.end = begun, last, end
                self._keep(life)

    def _on_status(self, notice: StatusMoved) -> None:
        """A fault takes the energy, not the transaction; the end of the fault gives it back."""
        life = self._lives.get(notice.connector.id)
        if life is not None and ChargePointStatus.FAULTED in (notice.old, notice.new):
            self._regulate(life)

    def _on_plug(self, notice: PlugChanged) -> None:
        connector = notice.connector
        life = self._lives.get(connector.id)
        if life is None or life.end is not None:
            return
        if connector.is_plugged and connector.id in self._asleep:
            self._meter.read(connector.id, ReadingContext.INTERRUPTION_END, partial(self._wake, life))
            return
        self._regulate(life)
        if not connector.is_plugged and self._core.settings.get(STOP_TRANSACTION_ON_EV_SIDE_DISCONNECT):  # CP16-067
            self.stop(connector.id, Reason.EV_DISCONNECTED)

    # -- the end --

    def stop(self, connector: int, reason: Reason, id_tag: str | None = None) -> None:
        """Stop the one on a connector: energy now, the record when the meter was read (CP16-061).

        Nothing happens if there is none, or somebody did already.
        """
        life = self._lives.get(connector)
        if life is not None and life.end is None:
            self._finish(life, _End(reason, self._core.moment(), id_tag))

    def _finish(self, life: _Life, end: _End) -> None:
        self._mark(life, end)
        self._meter.read(life.transaction.connector, ReadingContext.TRANSACTION_END, partial(self._on_last, life))

    def _mark(self, life: _Life, end: _End) -> None:
        """It has ended. That is kept: if the process dies before the meter is read, it still ended so."""
        life.end = end
        self._asleep.discard(life.transaction.connector)
        self._core.machine.timers.cancel((_TIMER, life.transaction.connector))
        self._keep(life)
        self._regulate(life)

    def _on_last(self, life: _Life, reading: Reading) -> None:
        if self._lives.get(life.transaction.connector) is life:  # else the power failed meanwhile: its end is on record
            self._conclude(life, reading)

    def stop_at_once(self, reason: Reason) -> None:
        """Stop all of them with what is known now: there is no time to wait for a meter (CP16-07A)."""
        for life in tuple(self._lives.values()):
            if life.end is None:
                self._mark(life, _End(reason, self._core.moment(), None))
            self._conclude(life, life.last)

    def _conclude(self, life: _Life, reading: Reading) -> None:
        connector = life.transaction.connector
        del self._lives[connector]
        self._connectors.end(connector)
        self._put_on_record(life, reading)

    def _put_on_record(self, life: _Life, reading: Reading) -> None:
        """Exchange what is under way for a StopTransaction, in one batch."""
        transaction, end = life.transaction, life.end
        assert end is not None
        meter_stop = max(reading.register, life.last.register)  # CP16-066
        last = Reading(reading.values, meter_stop, end.moment)  # it may have been read after a boot
        data = self._meter.transaction_data(transaction, last)
        request = StopTransactionRequest(
            id_tag=end.id_tag,
            meter_stop=meter_stop,
            timestamp=end.moment.utc,
            transaction_id=-1,  # what it is called is known when this is sent (CP16-076)
            reason=end.reason,  # CP16-062 would let Local go without saying; no reader has to know that
            transaction_data=[each.meter_value for each in data] or None,
        )
        self._core.machine.persist(Drop("transaction", str(transaction.ref)))
        self._outbox.deliver(request, (end.moment, *(each.moment for each in data)), transaction.ref)
        self._free_cable(transaction, end.reason)
        self._core.machine.emit(
            TransactionEnded(transaction.connector, transaction.id_tag, meter_stop, end.moment.utc, end.reason)
        )
        self._core.publish(TransactionOver(transaction))

    def _free_cable(self, transaction: Transaction, reason: Reason) -> None:
        unlocks = self._core.settings[UNLOCK_CONNECTOR_ON_EV_SIDE_DISCONNECT]
        if reason is Reason.DE_AUTHORIZED or (reason is Reason.EV_DISCONNECTED and not unlocks):  # CP16-065, CP16-068
            self._cables.hold(transaction.connector, transaction.id_tag, transaction.parent_id_tag)
        elif reason is not Reason.UNLOCK_COMMAND:  # else whoever commands it unlocks, and waits for how that goes
            self._cables.unlock(transaction.connector)  # CP16-064

    # -- an earlier life --

    def restore(self, record: Put) -> None:
        """Take in a transaction, or the number of the last there was."""
        if record.topic == "transaction-ref":
            self._last_ref = max(self._last_ref, unpack(int, record.value))
            return
        life = unpack(_Life, record.value)
        self._last_ref = max(self._last_ref, life.transaction.ref)
        self._left.append(life)

    def recover(self, reason: Reason | None) -> None:
        """Deal with those that the last boot left: go on, or end them when they were last heard of (CP16-07A).

        The meter outlives the power: what it shows now is what they have used, whenever it was read last.

        ``reason``: why that boot ended (CP16-091). ``None``: nobody had planned it, so the power was lost.
        """
        resumes = reason is None and self._core.setup.resume_after_power_loss
        for life in self._left:
            connector = life.transaction.connector
            has_place = connector in self._connectors.ids() and connector not in self._lives
            if has_place:
                self._lives[connector] = life
            if has_place and resumes and life.end is None:
                self._asleep.add(connector)
                at = self._core.machine.now + self._core.settings[CONNECTION_TIME_OUT]
                self._core.machine.timers.set((_TIMER, connector), at, partial(self._on_no_show, life))
                continue
            end = life.end or _End(reason or Reason.POWER_LOSS, life.last.moment, None)
            if has_place:
                self._finish(life, end)
            else:  # there is no meter to be read any more
                life.end = end
                self._put_on_record(life, life.last)
        self._left.clear()

    def _wake(self, life: _Life, reading: Reading) -> None:
        """The EV is there, as it was before the power was lost: go on."""
        connector = life.transaction.connector
        if connector in self._asleep and self._connectors[connector].is_plugged:
            self._asleep.discard(connector)
            self._core.machine.timers.cancel((_TIMER, connector))
            self._note(life, reading)
            self._go_on(life, TransactionBegun(life.transaction, reading))

    def _on_no_show(self, life: _Life) -> None:
        """No EV is where one was: it ended when it was last heard of."""
        self._finish(life, _End(Reason.POWER_LOSS, life.last.moment, None))


_TIMER: Final = Transactions


def _take_note(_: Reading) -> None:
    """It is heard of as a notice."""
