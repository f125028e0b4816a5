"""Meter values: when the meters are read, which of the values go where, and what a StopTransaction says of them.

The host reads the meters; what it reads arrives later, under the ticket it was asked with. Periods are of two kinds:
those of a transaction are counted from its start, those aligned to the clock from midnight, UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import attrs
from msgspec.structs import replace

from ocpp_sansio.diagnosis import validate
from ocpp_sansio.errors import CallFailure
from ocpp_sansio.store import Put, pack, unpack
from ocpp_sansio.v16 import (
    Measurand,
    MessageTrigger,
    MeterValuesRequest,
    MeterValuesResponse,
    ReadingContext,
    SampledValue,
    StopTransactionRequest,
    UnitOfMeasure,
    ValueFormat,
)

from .backbone import (
    Backbone,
    Block,
    ClockSet,
    KeyChanged,
    Outbox,
    Reading,
    ReadingTaken,
    Transaction,
    TransactionBegun,
    TransactionOver,
    Trigger,
)
from .clock import Moment
from .effects import TakeReading
from .keys import (
    CLOCK_ALIGNED_DATA_INTERVAL,
    METER_VALUE_SAMPLE_INTERVAL,
    METER_VALUES_ALIGNED_DATA,
    METER_VALUES_SAMPLED_DATA,
    STOP_TRANSACTION_MAX_METER_VALUES,
    STOP_TXN_ALIGNED_DATA,
    STOP_TXN_SAMPLED_DATA,
    Key,
)
from .samples import BEGIN, SAMPLES, Samples

__all__ = ["Metering"]

REGISTERS: Final = "registers"
"""The topic of the register last known of each connector."""
REGISTER: Final = Measurand.ENERGY_ACTIVE_IMPORT_REGISTER
_TO_STOP: Final = (STOP_TXN_SAMPLED_DATA, STOP_TXN_ALIGNED_DATA)
_PERIODIC: Final = (METER_VALUES_SAMPLED_DATA, STOP_TXN_SAMPLED_DATA)
_WANTED: Final[Mapping[ReadingContext, tuple[Key[tuple[str, ...]], ...]]] = {
    ReadingContext.TRANSACTION_BEGIN: _TO_STOP,
    ReadingContext.TRANSACTION_END: _TO_STOP,
    ReadingContext.SAMPLE_CLOCK: (METER_VALUES_ALIGNED_DATA, STOP_TXN_ALIGNED_DATA),
    ReadingContext.TRIGGER: (METER_VALUES_SAMPLED_DATA,),
}
"""Which keys say what is measured; those of periodic samples where nothing is said here."""


@attrs.frozen
class Asked:
    """A reading that the host owes."""

    connector: int
    context: ReadingContext
    moment: Moment
    done: Callable[[Reading], None]


@attrs.define(eq=False)
class Metered:
    """A transaction that is under way."""

    transaction: Transaction
    since: float
    """What its periods are counted from; after a boot that interrupted it, they begin anew."""


class Metering(Block):
    """Has the meters read, sends MeterValues, and gathers what goes into StopTransaction (CP16-140…149).

    What a reading shows bears the time it was asked for: of a period, that is when the period ended.
    """

    topics = (SAMPLES, REGISTERS)

    def __init__(self, core: Backbone, outbox: Outbox) -> None:
        self._core: Final = core
        self._outbox: Final = outbox
        self._tickets = 0
        self._asked: Final[dict[int, Asked]] = {}
        self._registers: Final[dict[int, int]] = {}
        self._metered: Final[dict[int, Metered]] = {}
        """By connector."""
        self._samples: Final = Samples(core.machine)
        self._last_boundary: datetime | None = None

    def triggers(self) -> Mapping[MessageTrigger, Trigger]:
        """MeterValues."""
        return {MessageTrigger.METER_VALUES: self._on_trigger}

    def hears(self) -> Mapping[type[Any], Callable[[Any], None]]:
        """Transactions, and whatever moves a deadline."""
        return {
            TransactionBegun: self._on_begun,
            TransactionOver: self._on_over,
            KeyChanged: self._on_key_changed,
            ClockSet: self._on_clock_set,
        }

    def restore(self, record: Put) -> None:
        """A sample of a transaction that had not ended, or a register."""
        if record.topic == REGISTERS:
            self._registers[int(record.key)] = unpack(int, record.value)
        else:
            self._samples.restore(record)

    def begin(self) -> None:
        """The periods that go by the clock do not wait for a transaction."""
        self._align()

    # -- readings --

    def read(self, connector: int, context: ReadingContext, done: Callable[[Reading], None]) -> None:
        """Have the host read a meter. ``done`` is called once, later: with what it shows, or what it last showed."""
        self._ask(Asked(connector, context, self._core.moment(), done))

    def reading(self, ticket: int, values: Sequence[SampledValue], register: int) -> None:
        """What the host has read. A ticket that is not waited for, or not any more, changes nothing.

        Every value gets the context it was asked for in. The register need not be among them.

        Raises:
            LocalProtocolError: what was read does not fit into a message.
            ValueError: a value is not a decimal number.
        """
        self._check(values, register)
        asked = self._asked.pop(ticket, None)
        if asked is not None:
            self._core.machine.timers.cancel((TakeReading, ticket))
            self._registers[asked.connector] = register
            self._core.machine.persist(Put(REGISTERS, str(asked.connector), pack(register)))
            reading = self._read(asked, values, register)
            self._core.publish(ReadingTaken(asked.connector, reading))
            asked.done(reading)

    def _ask(self, asked: Asked) -> None:
        core = self._core
        self._tickets += 1
        ticket = self._tickets
        self._asked[ticket] = asked
        wanted = dict.fromkeys(name for key in _WANTED.get(asked.context, _PERIODIC) for name in self._measurands(key))
        core.machine.emit(TakeReading(ticket, asked.connector, tuple(wanted), asked.context))
        core.machine.then(partial(self._expect, ticket))

    def _ask_again(self, asked: Asked) -> None:
        """Have a meter read as it is time after time, unless the host still owes the last time (D-20).

        What it shows then would be taken for what it showed now, and while a store fails there would be no end of it.
        """
        if not any((owed.connector, owed.context) == (asked.connector, asked.context) for owed in self._asked.values()):
            self._ask(asked)

    def _expect(self, ticket: int) -> None:
        """The host has been asked by now, however long the store took before that: it has a while to answer (D-09)."""
        if ticket in self._asked:
            at = self._core.machine.now + self._core.setup.reading_timeout
            self._core.machine.timers.set((TakeReading, ticket), at, partial(self._miss, ticket))

    def _miss(self, ticket: int) -> None:
        """The host has let the time pass: the meter shows what it last showed, or nothing if it never did."""
        asked = self._asked.pop(ticket)
        register = self._registers.get(asked.connector)
        if register is None:
            asked.done(Reading((), 0, asked.moment))
        else:
            asked.done(self._read(asked, (), register))

    def _read(self, asked: Asked, values: Iterable[SampledValue], register: int) -> Reading:
        moment = self._core.clock.corrected(asked.moment)
        return Reading(_completed(values, register, asked.context), register, moment)

    def _measurands(self, key: Key[tuple[str, ...]]) -> tuple[str, ...]:
        """What a key asks for. Empty ones of MeterValues mean the register (CP16-146), others nothing (CP16-147)."""
        wanted = self._core.settings[key]
        return wanted if wanted or key in _TO_STOP else (REGISTER.value,)

    def _selected(self, reading: Reading, *keys: Key[tuple[str, ...]]) -> Reading:
        """What these keys ask for of it: at all phases and locations, unless a phase is named (CP16-145)."""
        wanted = {name for key in keys for name in self._measurands(key)}
        return attrs.evolve(
            reading, values=tuple(value for value in reading.values if not wanted.isdisjoint(_names(value)))
        )

    def _check(self, values: Sequence[SampledValue], register: int) -> None:
        moment = self._core.moment()
        data = [Reading(tuple(values), register, moment).meter_value]
        request = StopTransactionRequest(
            transaction_id=0, meter_stop=register, timestamp=moment.utc, transaction_data=data
        )
        validate(request)
        if not all(value.format is ValueFormat.SIGNED_DATA or _DECIMAL.fullmatch(value.value) for value in values):
            raise ValueError("a value is no decimal number")  # RPC-107

    # -- periods of a transaction --

    def _on_begun(self, notice: TransactionBegun) -> None:
        transaction, reading = notice.transaction, notice.reading
        connector = transaction.connector
        self._metered[connector] = metered = Metered(transaction, self._core.machine.now)
        if transaction.begun.boot == self._core.clock.boot:
            self._samples.begin(transaction.ref, reading)
        else:  # it goes on
            self._sampled(metered, reading)
        self._arm(metered)

    def _on_over(self, notice: TransactionOver) -> None:
        transaction = notice.transaction
        self._metered.pop(transaction.connector, None)
        self._core.machine.timers.cancel((SAMPLES, transaction.connector))

    def _arm(self, metered: Metered) -> None:
        machine, interval = self._core.machine, self._core.settings[METER_VALUE_SAMPLE_INTERVAL]
        if interval == 0:
            machine.timers.cancel((SAMPLES, metered.transaction.connector))
        else:
            periods = (machine.now - metered.since) // interval + 1
            self._sample_at(metered, metered.since + periods * interval, interval)

    def _sample_at(self, metered: Metered, due: float, interval: int) -> None:
        timer = SAMPLES, metered.transaction.connector
        self._core.machine.timers.set(timer, due, partial(self._sample, metered, due, interval))

    def _sample(self, metered: Metered, due: float, interval: int) -> None:
        """A period has ended. If others have since, because the driver woke late, it is the last that counts."""
        due += (self._core.machine.now - due) // interval * interval
        self._sample_at(metered, due + interval, interval)
        connector, moment = metered.transaction.connector, self._core.clock.moment(due)
        self._ask_again(Asked(connector, ReadingContext.SAMPLE_PERIODIC, moment, partial(self._sampled, metered)))

    def _sampled(self, metered: Metered, reading: Reading) -> None:
        connector = metered.transaction.connector
        transaction = self._still(connector, metered)
        if transaction is not None:  # else its end has been read already
            self._send(connector, reading, METER_VALUES_SAMPLED_DATA, transaction)
            self._gather(transaction, reading, STOP_TXN_SAMPLED_DATA)

    # -- periods of the clock --

    def _on_clock_set(self, _: ClockSet) -> None:
        self._samples.correct(self._core.clock.corrected)
        self._align()

    def _on_key_changed(self, notice: KeyChanged) -> None:
        if notice.key is METER_VALUE_SAMPLE_INTERVAL:
            for metered in self._metered.values():
                self._arm(metered)
        elif notice.key is CLOCK_ALIGNED_DATA_INTERVAL:
            self._align()

    def _align(self) -> None:
        """Wait for the next multiple of the interval, counted from midnight (CP16-140, CP16-142)."""
        core = self._core
        interval = core.settings[CLOCK_ALIGNED_DATA_INTERVAL]
        if interval == 0:
            core.machine.timers.cancel(CLOCK_ALIGNED_DATA_INTERVAL)
            return
        utc, last = core.clock.utc(core.machine.now), self._last_boundary
        # A clock that is put back a little must not make the same period end twice.
        base = last if last is not None and utc < last <= utc + timedelta(seconds=interval) else utc
        boundary = _next_boundary(base, interval)
        due = core.machine.now + (boundary - utc).total_seconds()
        core.machine.timers.set(CLOCK_ALIGNED_DATA_INTERVAL, due, partial(self._on_boundary, boundary, due, interval))

    def _on_boundary(self, boundary: datetime, due: float, interval: int) -> None:
        """A period has ended, for the main meter and every connector. Again it is the last that counts."""
        core = self._core
        latest = max(boundary, _last_boundary(core.clock.utc(core.machine.now), interval))
        at = due + (latest - boundary).total_seconds()
        moment = Moment(latest, core.clock.boot, at, core.clock.is_trusted)
        self._last_boundary = latest
        self._align()
        for connector in range(len(core.setup.connectors) + 1):
            metered = self._metered.get(connector)
            done = partial(self._aligned, connector, metered)
            self._ask_again(Asked(connector, ReadingContext.SAMPLE_CLOCK, moment, done))

    def _aligned(self, connector: int, metered: Metered | None, reading: Reading) -> None:
        """If the transaction has ended meanwhile, it is of the connector alone."""
        transaction = self._still(connector, metered)
        self._send(connector, reading, METER_VALUES_ALIGNED_DATA, transaction)
        if transaction is not None:
            self._gather(transaction, reading, STOP_TXN_ALIGNED_DATA)

    # -- at once --

    def _on_trigger(self, connector: int | None) -> Callable[[], None] | None:
        everywhere = range(len(self._core.setup.connectors) + 1)
        if connector is None:  # CP16-182
            return partial(self._show, everywhere)
        return partial(self._show, (connector,)) if connector in everywhere else None  # CP16-184

    def _show(self, connectors: Iterable[int]) -> None:
        """What the meters show now. It is of use now or never, and overtakes what is queued (CP16-183, CP16-072)."""
        for connector in connectors:
            done = partial(self._shown, connector, self._metered.get(connector))
            self.read(connector, ReadingContext.TRIGGER, done)

    def _shown(self, connector: int, metered: Metered | None, reading: Reading) -> None:
        transaction = self._still(connector, metered)
        shown = self._selected(reading, METER_VALUES_SAMPLED_DATA)
        if shown.values:
            request = MeterValuesRequest(
                connector_id=connector,
                transaction_id=None if transaction is None else transaction.transaction_id,
                meter_value=[shown.meter_value],
            )
            self._core.call(request, _take_note, even_if_pending=True)

    # -- where the values go --

    def _still(self, connector: int, metered: Metered | None) -> Transaction | None:
        """The transaction that was under way when a reading was asked for, if it is still (CP16-144)."""
        return metered.transaction if metered is not None and self._metered.get(connector) is metered else None

    def _send(
        self, connector: int, reading: Reading, key: Key[tuple[str, ...]], transaction: Transaction | None
    ) -> None:
        shown = self._selected(reading, key)
        if shown.values:  # at least one (CP16-149)
            request = MeterValuesRequest(connector_id=connector, meter_value=[shown.meter_value])
            self._outbox.deliver(request, (reading.moment,), None if transaction is None else transaction.ref)

    def _gather(self, transaction: Transaction, reading: Reading, key: Key[tuple[str, ...]]) -> None:
        """Keep what goes into StopTransaction. If it gets too much, the 1st, 3rd, 5th… of all between go (CP16-148)."""
        sample = self._selected(reading, key)
        room = self._core.settings[STOP_TRANSACTION_MAX_METER_VALUES] - 2  # begin and end are always there
        if sample.values and room > 0:
            self._samples.thin(transaction.ref, room - 1)
            self._samples.keep(transaction.ref, sample)

    def transaction_data(self, transaction: Transaction, last: Reading) -> list[Reading]:
        """What was gathered of a transaction, between what the meter showed at its begin and at its end (CP16-147).

        Nothing of it is kept here any longer.
        """
        samples = [*self._samples.of(transaction.ref), (END, last)]
        self._samples.forget(transaction.ref)
        if not any(self._core.settings[key] for key in _TO_STOP):
            return []
        data: list[Reading] = []
        for number, sample in samples:
            shown = sample
            if (context := _ENDS.get(number)) is not None:
                whole = attrs.evolve(sample, values=_completed(sample.values, sample.register, context))
                shown = self._selected(whole, *_TO_STOP)
            if shown.values:
                data.append(attrs.evolve(shown, moment=self._core.clock.corrected(shown.moment)))
        return data


END: Final = 0
"""As :data:`BEGIN`, for what the meter shows at the end."""
_ENDS: Final = {BEGIN: ReadingContext.TRANSACTION_BEGIN, END: ReadingContext.TRANSACTION_END}
_DECIMAL: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


def _names(value: SampledValue) -> tuple[str, ...]:
    """How a key may ask for a value: with its phase, and without."""
    measurand = value.measurand or REGISTER
    return (measurand,) if value.phase is None else (measurand, f"{measurand}.{value.phase}")


def _completed(values: Iterable[SampledValue], register: int, context: ReadingContext) -> tuple[SampledValue, ...]:
    """Values read in this context. The register is among them."""
    read = [replace(value, context=context) for value in values]
    if not any(_names(value) == (REGISTER,) for value in read):
        read.append(SampledValue(value=str(register), context=context, measurand=REGISTER, unit=UnitOfMeasure.WH))
    return tuple(read)


def _last_boundary(utc: datetime, interval: int) -> datetime:
    """The latest multiple of an interval, counted from midnight."""
    midnight = utc.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (utc - midnight) // timedelta(seconds=interval) * timedelta(seconds=interval)


def _next_boundary(utc: datetime, interval: int) -> datetime:
    """The next one. Every day is counted anew."""
    last = _last_boundary(utc, interval)
    midnight = last.replace(hour=0, minute=0, second=0) + timedelta(days=1)
    return min(last + timedelta(seconds=interval), midnight)


def _take_note(_: MeterValuesResponse | CallFailure) -> None:
    """Nothing follows from it."""
