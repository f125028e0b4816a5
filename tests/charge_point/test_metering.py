"""When meters are read, which values go where, and what StopTransactions say of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ocpp_sansio import LocalProtocolError
from ocpp_sansio.charge_point import ConnectorSetup, Setup
from ocpp_sansio.charge_point.backbone import (
    Block,
    ClockSet,
    Reading,
    ReadingTaken,
    Transaction,
    TransactionBegun,
    TransactionOver,
)
from ocpp_sansio.charge_point.effects import RecordQuarantined, TakeReading
from ocpp_sansio.store import Drop, MemoryStore, Persist, Put
from ocpp_sansio.v16 import (
    BootNotificationResponse,
    Location,
    Measurand,
    MessageTrigger,
    MeterValue,
    MeterValuesRequest,
    Phase,
    ReadingContext,
    RegistrationStatus,
    SampledValue,
    UnitOfMeasure,
    ValueFormat,
)
from tests.charge_point.harness import BOOT, EPOCH, Bench

Context = ReadingContext
ENERGY = "Energy.Active.Import.Register"
SETUP = Setup(
    BOOT,
    connectors=(ConnectorSetup(), ConnectorSetup()),
    measurands=frozenset({ENERGY, "Voltage", "Voltage.L1", "SoC", "Current.Import"}),
)
VOLTS = [
    SampledValue(value="230.1", measurand=Measurand.VOLTAGE, phase=Phase.L1, unit=UnitOfMeasure.V),
    SampledValue(value="230.2", measurand=Measurand.VOLTAGE, phase=Phase.L2, unit=UnitOfMeasure.V),
    SampledValue(value="231", measurand=Measurand.VOLTAGE, location=Location.INLET, unit=UnitOfMeasure.V),
]
SOC = SampledValue(value="55", measurand=Measurand.SOC, location=Location.EV, unit=UnitOfMeasure.PERCENT)


class Out:
    """An outbox that shows what was put into it."""

    is_empty = True
    has_room = True

    def __init__(self):
        self.sent = []

    def deliver(self, request, moments, transaction):
        (moment,) = moments
        assert request.transaction_id is None  # is filled in when it is sent
        assert {value.timestamp for value in request.meter_value} == {moment.utc}
        self.sent.append((request, moment, transaction))


class Ear(Block):
    def __init__(self, heard):
        self.heard = heard

    def hears(self):
        return {ReadingTaken: self.heard.append}


class Meters(Bench):
    """A charge point of two connectors whose host answers for its meters when it is told to."""

    def __init__(self, setup=SETUP, keys=(), **options):
        self.out = Out()
        self.heard = []
        super().__init__(setup, profiles=[lambda _: Ear(self.heard)], **options)
        self.core, self.metering = self.point._core, self.point._metering
        self.metering._outbox = self.out
        self.answered = set()
        self.set(**dict(keys))

    def set(self, **keys):
        for name, value in keys.items():
            self.do("configure", name, str(value))

    def step(self, act, *args):
        self.core.machine.advance(self.now)
        result = act(*args)
        self.drain()
        return result

    def due(self):
        """The readings that the host owes."""
        return [effect for effect in self.seen(TakeReading) if effect.ticket not in self.answered]

    def show(self, register, *values):
        """Answer for all meters that are to be read."""
        for effect in self.due():
            self.answered.add(effect.ticket)
            self.step(self.metering.reading, effect.ticket, values, register)

    def begin(self, register=1000, *values, connector=1, ref=1):
        readings = []
        self.step(self.metering.read, connector, Context.TRANSACTION_BEGIN, readings.append)
        self.show(register, *values)
        transaction = Transaction(ref, connector, "TAG", self.core.moment(), register)
        self.step(self.core.publish, TransactionBegun(transaction, readings[0]))
        return transaction

    def go_on(self, transaction, register):
        """After a boot that interrupted it."""
        readings = []
        self.step(self.metering.read, transaction.connector, Context.INTERRUPTION_END, readings.append)
        self.show(register)
        self.step(self.core.publish, TransactionBegun(transaction, readings[0]))

    def end(self, transaction, register=2000, *values):
        readings = []
        self.step(self.metering.read, transaction.connector, Context.TRANSACTION_END, readings.append)
        self.show(register, *values)
        data = self.data(transaction, readings[0])
        self.step(self.core.publish, TransactionOver(transaction))
        return data

    def data(self, transaction, last):
        """What a StopTransaction says."""
        data = self.step(self.metering.transaction_data, transaction, last)
        return [MeterValue(timestamp=each.moment.utc, sampled_value=list(each.values)) for each in data]

    def set_clock(self, utc):
        self.core.clock.set(utc, now=self.now)
        self.step(self.core.publish, ClockSet())

    def run(self, seconds, register=1500, *values):
        """Let time pass with a host that answers at once."""
        until = self.now + seconds
        while (deadline := self.point.next_timeout()) is not None and deadline <= until:
            self.wait(deadline - self.now)
            self.show(register, *values)
        self.now = until

    def trigger(self, connector=None):
        return self.metering.triggers()[MessageTrigger.METER_VALUES](connector)

    def kept(self, topic="samples"):
        return [record.key for record in self.store.load() if record.topic == topic]

    def moments(self):
        return [moment.utc for _, moment, _ in self.out.sent]


def seconds(*offsets):
    return [EPOCH + timedelta(seconds=offset) for offset in offsets]


def energy(value, context, unit=UnitOfMeasure.WH):
    return SampledValue(value=str(value), context=context, measurand=Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, unit=unit)


def contexts(data):
    return [{value.context for value in each.sampled_value} for each in data]


# -- readings --


def test_a_reading_is_what_the_host_says_under_the_same_ticket():
    """CP16-141, CP16-149: in the context it was asked for in, at the time it was asked for."""
    meters, readings = Meters(), []
    meters.wait(5)
    meters.step(meters.metering.read, 1, Context.OTHER, readings.append)
    (asked,) = meters.due()
    assert (asked.connector, asked.context, asked.measurands) == (1, Context.OTHER, (ENERGY,))
    meters.wait(1)
    meters.show(1234, *VOLTS)
    (reading,) = readings
    assert reading.register == 1234
    assert reading.moment.utc == EPOCH + timedelta(seconds=5)
    assert {value.context for value in reading.values} == {Context.OTHER}
    assert meters.heard == [ReadingTaken(1, reading)]


def test_the_register_is_among_the_values():
    """CP16-143: the host need not say it twice, and what it says about it stands."""
    meters, readings = Meters(), []
    meters.step(meters.metering.read, 1, Context.TRIGGER, readings.append)
    meters.show(1234, SOC)
    meters.step(meters.metering.read, 1, Context.TRIGGER, readings.append)
    meters.show(1234, SampledValue(value="1.234", unit=UnitOfMeasure.KWH))
    assert readings[0].values[1] == energy(1234, Context.TRIGGER)
    assert readings[1].values == (SampledValue(value="1.234", unit=UnitOfMeasure.KWH, context=Context.TRIGGER),)


def test_a_phase_of_the_register_is_not_the_register():
    """CP16-143: without a phase it is the overall value."""
    meters, readings = Meters(), []
    meters.step(meters.metering.read, 1, Context.TRIGGER, readings.append)
    meters.show(1234, SampledValue(value="400", phase=Phase.L1))
    assert energy(1234, Context.TRIGGER) in readings[0].values


def test_a_meter_that_is_not_read_in_time_shows_what_it_last_showed():
    """The register is kept, and known after a boot."""
    meters, readings = Meters(), []
    meters.step(meters.metering.read, 1, Context.OTHER, readings.append)
    meters.show(700)
    after = Meters(records=meters.store.load())
    after.step(after.metering.read, 1, Context.TRANSACTION_END, readings.append)
    after.wait(SETUP.reading_timeout - 0.5)
    assert len(readings) == 1
    after.wait(0.5)
    assert readings[1] == Reading((energy(700, Context.TRANSACTION_END),), 700, readings[1].moment)
    assert readings[1].moment.utc == EPOCH
    assert after.heard == []


def test_the_host_has_its_time_from_when_it_is_asked_however_long_the_store_takes():
    """D-09: what was charged is not known less well because the store was slow."""
    meters, readings = Meters(), []
    meters.core.machine.persist(Put("topic", "key", b"1"))
    meters.metering.read(1, Context.TRANSACTION_END, readings.append)
    assert isinstance(meters.point.next_event(), Persist)
    meters.wait(2 * SETUP.reading_timeout)
    assert readings == []
    meters.point.persisted(now=meters.now)
    meters.drain()
    meters.wait(SETUP.reading_timeout - 0.5)
    meters.show(1700)
    assert [reading.register for reading in readings] == [1700]


def test_a_host_that_answers_at_once_is_not_waited_for():
    meters, readings = Meters(), []
    meters.metering.read(1, Context.OTHER, readings.append)
    asked = meters.point.next_event()
    assert isinstance(asked, TakeReading)
    meters.metering.reading(asked.ticket, (), 5)
    meters.drain()
    meters.wait(2 * SETUP.reading_timeout)
    assert [reading.register for reading in readings] == [5]


def test_a_meter_that_was_never_read_shows_nothing():
    meters, readings = Meters(), []
    meters.step(meters.metering.read, 1, Context.TRANSACTION_BEGIN, readings.append)
    meters.wait(SETUP.reading_timeout)
    assert (readings[0].values, readings[0].register) == ((), 0)


def test_a_late_or_unknown_ticket_changes_nothing():
    meters, readings = Meters(), []
    meters.step(meters.metering.read, 1, Context.OTHER, readings.append)
    (asked,) = meters.due()
    meters.wait(SETUP.reading_timeout)
    kept = meters.store.load()
    meters.show(5)
    meters.step(meters.metering.reading, asked.ticket + 1, (), 5)
    assert len(readings) == 1
    assert meters.store.load() == kept


@pytest.mark.parametrize(
    ("values", "register"),
    [
        ([SampledValue(value="1", measurand="Volts")], 1),  # type: ignore[arg-type]
        ([SampledValue(value=230)], 1),  # type: ignore[arg-type]
        ([SampledValue(value="a lot")], 1),
        ([SampledValue(value="")], 1),
        ([SampledValue(value="1e3")], 1),
        ([SampledValue(value="1,5")], 1),
        ([], 1.5),
        ([], 2**31),
    ],
)
def test_what_is_no_reading_is_refused_before_anything_changes(values, register):
    """RPC-107, RPC-106."""
    meters, readings = Meters(), []
    meters.step(meters.metering.read, 1, Context.OTHER, readings.append)
    (asked,) = meters.due()
    kept = meters.store.load()
    with pytest.raises((LocalProtocolError, ValueError)):
        meters.step(meters.metering.reading, asked.ticket, values, register)
    assert (readings, meters.store.load()) == ([], kept)
    meters.show(7)
    assert readings[0].register == 7


def test_numbers_and_signed_data_are_values():
    """RPC-107."""
    meters, readings = Meters(), []
    meters.step(meters.metering.read, 1, Context.OTHER, readings.append)
    values = [
        SampledValue(value=value, measurand=Measurand.TEMPERATURE, location=Location.BODY)
        for value in ("-5", "+0.5", "007")
    ]
    meters.show(7, *values, SampledValue(value="a1b2", format=ValueFormat.SIGNED_DATA))
    assert [value.value for value in readings[0].values] == ["-5", "+0.5", "007", "a1b2"]


@pytest.mark.parametrize(
    ("context", "wanted"),
    [
        (Context.TRANSACTION_BEGIN, ("Voltage.L1", "Current.Import")),
        (Context.TRANSACTION_END, ("Voltage.L1", "Current.Import")),
        (Context.SAMPLE_PERIODIC, ("SoC", "Voltage.L1")),
        (Context.SAMPLE_CLOCK, ("Voltage", "Current.Import")),
        (Context.TRIGGER, ("SoC",)),
        (Context.INTERRUPTION_END, ("SoC", "Voltage.L1")),
    ],
)
def test_the_host_is_asked_for_what_the_keys_say(context, wanted):
    """CP16-140, CP16-141, CP16-147, CFG16-16, CFG16-18, CFG16-27, CFG16-29."""
    keys = {
        "MeterValuesSampledData": "SoC",
        "MeterValuesAlignedData": "Voltage",
        "StopTxnSampledData": "Voltage.L1",
        "StopTxnAlignedData": "Current.Import",
    }
    meters = Meters(keys=keys)
    meters.step(meters.metering.read, 1, context, lambda _: None)
    assert meters.due()[0].measurands == wanted


# -- sampled --


def test_a_transaction_is_sampled_from_its_start():
    """CP16-140, CP16-141, CFG16-20, CP16-078: at multiples of the interval, and no longer than it lasts."""
    meters = Meters(keys={"MeterValueSampleInterval": 10})
    meters.wait(3)
    transaction = meters.begin()
    meters.run(35, 1500)
    assert meters.moments() == seconds(13, 23, 33)
    request, _, ref = meters.out.sent[0]
    expected = MeterValue(timestamp=seconds(13)[0], sampled_value=[energy(1500, Context.SAMPLE_PERIODIC)])
    assert (request, ref) == (MeterValuesRequest(connector_id=1, meter_value=[expected]), 1)
    meters.end(transaction)
    asked = len(meters.seen(TakeReading))
    meters.run(60)
    assert (len(meters.out.sent), len(meters.seen(TakeReading))) == (3, asked)


def test_an_interval_of_zero_is_off():
    """CFG16-20, CFG16-05."""
    meters = Meters(keys={"MeterValueSampleInterval": 0, "ClockAlignedDataInterval": 0})
    meters.begin()
    meters.run(100_000)
    assert meters.out.sent == []


def test_each_connector_is_sampled_from_its_own_start():
    """CP16-140, CP16-144."""
    meters = Meters(keys={"MeterValueSampleInterval": 10})
    meters.begin(connector=1, ref=1)
    meters.wait(4)
    meters.begin(connector=2, ref=2)
    meters.run(20)
    assert [(request.connector_id, ref) for request, _, ref in meters.out.sent] == [(1, 1), (2, 2), (1, 1), (2, 2)]
    assert meters.moments() == seconds(10, 14, 20, 24)


def test_only_what_is_configured_is_sent_and_all_of_it():
    """CP16-145, CP16-149, CFG16-18: at every phase and location, unless a phase is named."""
    meters = Meters(keys={"MeterValueSampleInterval": 10, "MeterValuesSampledData": "Voltage"})
    meters.begin()
    meters.run(10, 1500, *VOLTS, SOC)
    meters.set(MeterValuesSampledData="Voltage.L1,SoC")
    meters.run(10, 1500, *VOLTS, SOC)
    sent = [[value.value for value in request.meter_value[0].sampled_value] for request, _, _ in meters.out.sent]
    assert sent == [["230.1", "230.2", "231"], ["230.1", "55"]]


def test_no_message_goes_without_a_value():
    """CP16-149: none of what is configured was measured."""
    meters = Meters(keys={"MeterValueSampleInterval": 10, "MeterValuesSampledData": "SoC"})
    meters.begin()
    meters.run(10)
    assert meters.out.sent == []


def test_an_empty_list_means_the_register():
    """CP16-146."""
    keys = {"MeterValueSampleInterval": 10, "ClockAlignedDataInterval": 10}
    meters = Meters(keys=keys | {"MeterValuesSampledData": "", "MeterValuesAlignedData": ""})
    meters.begin()
    meters.run(10, 1500, SOC)
    for request, _, _ in meters.out.sent:
        assert [value.measurand for value in request.meter_value[0].sampled_value] == [ENERGY]
    assert len(meters.out.sent) == 4


def test_another_interval_counts_at_once():
    """CFG16-20, CP16-112: its periods are counted from the start of the transaction as well."""
    meters = Meters(keys={"MeterValueSampleInterval": 60})
    meters.begin()
    meters.run(25)
    meters.set(MeterValueSampleInterval=10)
    meters.run(10)
    meters.set(MeterValueSampleInterval=0)
    meters.run(100)
    assert meters.moments() == seconds(30)


def test_a_driver_that_wakes_late_makes_no_burst():
    """CP16-140: of periods that ended long ago the last counts."""
    meters = Meters(keys={"MeterValueSampleInterval": 10, "ClockAlignedDataInterval": 10})
    meters.begin()
    meters.now = 38.5
    meters.do("handle_timeout")
    meters.show(1500)
    assert meters.moments() == seconds(30, 30, 30, 30)
    assert meters.point.next_timeout() == 40


def test_a_sample_that_is_read_after_the_end_is_none():
    """CP16-144: the reading of the end has taken its place."""
    meters = Meters(keys={"MeterValueSampleInterval": 10, "StopTxnSampledData": ENERGY})
    transaction = meters.begin()
    meters.wait(10)
    (late,) = meters.due()
    meters.answered.add(late.ticket)
    meters.end(transaction)
    meters.step(meters.metering.reading, late.ticket, (), 1900)
    assert (meters.out.sent, meters.kept()) == ([], [])


def test_a_meter_that_does_not_answer_is_reported_as_last_read():
    meters = Meters(keys={"MeterValueSampleInterval": 30})
    meters.begin(1000)
    meters.wait(45)
    (request, moment, _) = meters.out.sent[0]
    assert request.meter_value[0].sampled_value == [energy(1000, Context.SAMPLE_PERIODIC)]
    assert moment.utc == seconds(30)[0]


# -- aligned to the clock --


def test_aligned_values_come_at_multiples_of_the_interval():
    """CP16-140, CP16-141, CP16-142, CP16-144, CFG16-05: always, of the main meter and of every connector."""
    meters = Meters(
        keys={"ClockAlignedDataInterval": 20, "MeterValueSampleInterval": 0},
        utc=EPOCH.replace(second=7, microsecond=300_000),
    )
    meters.begin(connector=2)
    meters.run(34)
    assert meters.moments() == [EPOCH.replace(second=second) for second in (20, 20, 20, 40, 40, 40)]
    assert [(request.connector_id, ref) for request, _, ref in meters.out.sent] == 2 * [(0, None), (1, None), (2, 1)]
    assert {value.context for request, _, _ in meters.out.sent for value in request.meter_value[0].sampled_value} == {
        Context.SAMPLE_CLOCK
    }


def test_periods_are_counted_from_midnight_utc_anew_every_day():
    """CP16-142: also where 24 hours are no multiple, and wherever the clock was set."""
    there = timezone(timedelta(hours=5, minutes=30))
    meters = Meters(keys={"ClockAlignedDataInterval": 40_000}, utc=datetime(2026, 1, 2, 3, tzinfo=there))
    meters.run(3 * 86_400)
    moments = meters.moments()[::3]
    assert moments[:5] == [
        datetime(2026, 1, 1, 22, 13, 20, tzinfo=UTC),
        datetime(2026, 1, 2, tzinfo=UTC),
        datetime(2026, 1, 2, 11, 6, 40, tzinfo=UTC),
        datetime(2026, 1, 2, 22, 13, 20, tzinfo=UTC),
        datetime(2026, 1, 3, tzinfo=UTC),
    ]


def test_an_interval_longer_than_a_day_is_a_day():
    """CP16-142."""
    meters = Meters(keys={"ClockAlignedDataInterval": 100_000})
    meters.run(2 * 86_400)
    assert meters.moments()[::3] == [EPOCH + timedelta(days=1), EPOCH + timedelta(days=2)]


def test_aligned_values_follow_the_clock_when_it_is_set():
    """CP16-142, D-19: a jump forward makes no burst."""
    meters = Meters(keys={"ClockAlignedDataInterval": 3600})
    meters.run(60)
    meters.set_clock(EPOCH + timedelta(days=10, minutes=59))
    meters.run(60)
    assert meters.moments() == 3 * [EPOCH + timedelta(days=10, hours=1)]


@pytest.mark.parametrize("back", [0.001, 0.5, 19])
def test_a_clock_that_is_put_back_a_little_ends_no_period_twice(back):
    """CP16-142."""
    meters = Meters(keys={"ClockAlignedDataInterval": 20})
    meters.run(21)
    meters.set_clock(seconds(20 - back)[0])
    meters.run(21)
    assert meters.moments() == 3 * seconds(20) + 3 * seconds(40) * (back < 1)


def test_a_clock_that_is_put_back_far_is_believed():
    """CP16-142."""
    meters = Meters(keys={"ClockAlignedDataInterval": 20})
    meters.run(61)
    meters.set_clock(seconds(5)[0])
    meters.run(20)
    assert meters.moments()[-3:] == 3 * seconds(20)


def test_another_clock_aligned_interval_counts_at_once():
    """CFG16-05, CP16-112."""
    meters = Meters(keys={"ClockAlignedDataInterval": 900})
    meters.run(10)
    meters.set(ClockAlignedDataInterval=15)
    meters.run(10)
    meters.set(ClockAlignedDataInterval=0)
    meters.run(10_000)
    assert meters.moments() == 3 * seconds(15)


def test_aligned_values_begin_with_the_boot():
    """CP16-140: whatever was set before it."""
    meters = Meters(keys={"ClockAlignedDataInterval": 20})
    after = Meters(records=meters.store.load())
    after.run(20)
    assert len(after.out.sent) == 3


def test_a_late_aligned_value_is_of_the_connector_alone():
    """CP16-144: its transaction is over, and perhaps another has begun."""
    meters = Meters(keys={"ClockAlignedDataInterval": 20, "MeterValueSampleInterval": 0, "StopTxnAlignedData": ENERGY})
    first = meters.begin(ref=1)
    meters.wait(20)
    late = [effect.ticket for effect in meters.due()]
    meters.answered.update(late)
    meters.end(first)
    meters.begin(ref=2)
    kept = meters.kept()
    for ticket in late:
        meters.step(meters.metering.reading, ticket, (), 1900)
    assert [ref for _, _, ref in meters.out.sent] == [None, None, None]
    assert meters.kept() == kept


def test_a_main_meter_that_was_never_read_is_not_reported():
    """CP16-149."""
    meters = Meters(keys={"ClockAlignedDataInterval": 20})
    meters.wait(35)
    assert meters.out.sent == []


def test_values_of_a_time_not_known_yet_can_be_put_right():
    """D-19: with each message goes when that was."""
    meters = Meters(keys={"ClockAlignedDataInterval": 20})
    meters.run(20)
    meters.set_clock(EPOCH + timedelta(days=100, seconds=25))
    _, moment, _ = meters.out.sent[0]
    assert (moment.trusted, moment.at) == (False, 20.0)
    assert meters.core.clock.corrected(moment).utc == EPOCH + timedelta(days=100, seconds=25)
    meters.run(20)
    assert meters.out.sent[-1][1].trusted


# -- what StopTransaction says --


def test_without_measurands_for_it_a_stop_says_nothing():
    """CP16-147: both keys are empty."""
    meters = Meters(keys={"MeterValueSampleInterval": 10, "ClockAlignedDataInterval": 10})
    transaction = meters.begin()
    meters.run(20)
    assert meters.end(transaction) == []


def test_a_stop_says_what_was_sampled_between_begin_and_end():
    """CP16-147, CP16-141, CFG16-27, CFG16-29: each series its own measurands, begin and end those of both."""
    keys = {"MeterValueSampleInterval": 10, "ClockAlignedDataInterval": 15, "MeterValuesSampledData": "SoC"}
    meters = Meters(keys=keys | {"StopTxnSampledData": ENERGY, "StopTxnAlignedData": "Voltage.L1"})
    transaction = meters.begin(1000, *VOLTS, SOC)
    meters.run(20, 1500, *VOLTS, SOC)
    meters.wait(5)
    data = meters.end(transaction, 2000, *VOLTS, SOC)
    assert [each.timestamp for each in data] == seconds(0, 10, 15, 20, 25)
    assert contexts(data) == [
        {Context.TRANSACTION_BEGIN},
        {Context.SAMPLE_PERIODIC},
        {Context.SAMPLE_CLOCK},
        {Context.SAMPLE_PERIODIC},
        {Context.TRANSACTION_END},
    ]
    said = [[value.value for value in each.sampled_value] for each in data]
    assert said == [["230.1", "1000"], ["1500"], ["230.1"], ["1500"], ["230.1", "2000"]]


def test_begin_and_end_are_said_even_if_nothing_is_sampled():
    """CP16-147: and whatever the keys were when it began."""
    meters = Meters(keys={"MeterValueSampleInterval": 0})
    transaction = meters.begin(1000)
    meters.set(StopTxnAlignedData=ENERGY)
    data = meters.end(transaction, 2000)
    assert [each.sampled_value for each in data] == [
        [energy(1000, Context.TRANSACTION_BEGIN)],
        [energy(2000, Context.TRANSACTION_END)],
    ]


def test_what_was_not_measured_is_not_said():
    """CP16-149: at least one value each, or none at all."""
    meters = Meters(keys={"MeterValueSampleInterval": 10, "StopTxnSampledData": "SoC"})
    transaction = meters.begin()
    meters.run(10)
    assert meters.end(transaction) == []
    transaction = meters.begin(ref=2)
    meters.run(10, 1500, SOC)
    assert contexts(meters.end(transaction)) == [{Context.SAMPLE_PERIODIC}]


@pytest.mark.parametrize(
    ("most", "kept"),
    [
        (100, [0, 10, 20, 30, 40, 50, 60, 65]),
        (8, [0, 10, 20, 30, 40, 50, 60, 65]),
        (7, [0, 20, 40, 60, 65]),
        (5, [0, 40, 60, 65]),
        (3, [0, 60, 65]),
        (2, [0, 65]),
        (0, [0, 65]),
    ],
)
def test_too_many_values_are_thinned_but_for_begin_and_end(most, kept):
    """CP16-148, CFG16-24: the 1st, 3rd, 5th of those between go, in the store as well."""
    meters = Meters(keys={"MeterValueSampleInterval": 10, "StopTxnSampledData": ENERGY})
    meters.set(StopTransactionMaxMeterValues=most)
    transaction = meters.begin()
    meters.run(65)
    assert len(meters.kept()) == len(kept) - 1
    data = meters.end(transaction)
    assert [each.timestamp for each in data] == seconds(*kept)
    assert meters.kept() == []


def test_each_sample_is_durable_before_anything_is_said():
    """D-20, D-01: it is one record, in the batch of the message that carries it."""
    meters = Meters(keys={"MeterValueSampleInterval": 10, "StopTxnSampledData": ENERGY})
    meters.begin()
    meters.wait(10)
    (asked,) = meters.due()
    meters.core.machine.advance(meters.now)
    meters.metering.reading(asked.ticket, (), 1500)
    batch = meters.point.next_event()
    assert isinstance(batch, Persist)
    assert [(change.topic, change.key) for change in batch.changes] == [("registers", "1"), ("samples", "1/2")]
    assert meters.point.next_event() is None


def test_what_a_stop_takes_over_is_kept_no_longer():
    """D-20: in the step that puts the end on record, and with nothing of other transactions."""
    meters = Meters(keys={"MeterValueSampleInterval": 10, "StopTxnSampledData": ENERGY})
    first = meters.begin(connector=1, ref=1)
    meters.begin(connector=2, ref=2)
    meters.run(10)
    assert meters.kept() == ["1/1", "2/1", "1/2", "2/2"]
    meters.metering.transaction_data(first, Reading((), 2000, meters.core.moment()))
    batch = meters.point.next_event()
    assert batch == Persist((Drop("samples", "1/1"), Drop("samples", "1/2")))


def test_samples_outlive_the_boot():
    """D-20, CP16-07A: they are said of a transaction that the boot has ended."""
    meters = Meters(keys={"MeterValueSampleInterval": 10, "StopTxnSampledData": ENERGY})
    transaction = meters.begin(1000)
    meters.run(10, 1500)
    after = Meters(records=meters.store.load())
    last = Reading((), 1500, transaction.begun)
    data = after.data(transaction, last)
    assert [each.sampled_value[0].value for each in data] == ["1000", "1500", "1500"]
    assert after.kept() == []


def test_a_transaction_that_goes_on_after_a_boot_is_sampled_on():
    """CP16-07A, CP16-141: its first value says that the power was away; periods begin anew."""
    meters = Meters(keys={"MeterValueSampleInterval": 10, "StopTxnSampledData": ENERGY})
    transaction = meters.begin(1000)
    meters.run(10, 1500)
    after = Meters(records=meters.store.load(), utc=EPOCH + timedelta(seconds=100))
    after.go_on(transaction, 1600)
    after.run(10, 1700)
    assert after.moments() == seconds(100, 110)
    assert {ref for _, _, ref in after.out.sent} == {1}
    data = after.end(transaction, 1800)
    assert [each.sampled_value[0].value for each in data] == ["1000", "1500", "1600", "1700", "1800"]
    assert contexts(data)[2] == {Context.INTERRUPTION_END}


def test_a_sample_that_cannot_be_read_costs_no_other():
    """D-21."""
    meters = Meters(keys={"MeterValueSampleInterval": 10, "StopTxnSampledData": ENERGY})
    transaction = meters.begin(1000)
    meters.run(20, 1500)
    records = [Put("samples", key, b"?") for key in ("1/2", "x")] + [
        record for record in meters.store.load() if record.key != "1/2"
    ]
    after = Meters(records=MemoryStore(records).load())
    assert [effect.key for effect in after.seen(RecordQuarantined)] == ["1/2", "x"]
    data = after.data(transaction, Reading((), 1500, transaction.begun))
    assert contexts(data) == [{Context.TRANSACTION_BEGIN}, {Context.SAMPLE_PERIODIC}, {Context.TRANSACTION_END}]


def test_a_sample_is_never_taken_for_the_begin_that_is_lost():
    """D-21."""
    meters = Meters(keys={"MeterValueSampleInterval": 10, "StopTxnSampledData": ENERGY})
    transaction = meters.begin(1000)
    records = [record for record in meters.store.load() if record.topic != "samples"]
    after = Meters(records=records)
    after.go_on(transaction, 1100)
    data = after.data(transaction, Reading((), 1500, after.core.moment()))
    assert contexts(data) == [{Context.INTERRUPTION_END}, {Context.TRANSACTION_END}]


def test_times_that_were_not_known_are_put_right_in_what_a_stop_says():
    """D-19."""
    meters = Meters(keys={"MeterValueSampleInterval": 10, "StopTxnSampledData": ENERGY})
    transaction = meters.begin()
    meters.run(10)
    there = EPOCH + timedelta(days=100)
    meters.set_clock(there)
    meters.wait(5)
    data = meters.end(transaction)
    assert [each.timestamp - there for each in data] == [timedelta(seconds=at) for at in (-10, 0, 5)]


def test_times_that_are_learnt_are_put_right_in_what_is_kept():
    """D-19: the next boot could not do it any more. What is right already is not written again."""
    meters = Meters(keys={"MeterValueSampleInterval": 10, "StopTxnSampledData": ENERGY})
    transaction = meters.begin()
    meters.run(10)
    there = EPOCH + timedelta(days=100)
    meters.set_clock(there)
    kept = meters.store.load()
    meters.store.commit = None  # nothing more is to be kept
    meters.set_clock(there + timedelta(seconds=1))
    after = Meters(records=kept)
    data = after.data(transaction, Reading((), 1500, after.core.moment()))
    assert [each.timestamp - there for each in data[:2]] == [timedelta(seconds=-10), timedelta(0)]


def test_a_time_that_is_learnt_while_a_meter_is_read_is_that_of_the_reading():
    """D-19."""
    meters, readings = Meters(), []
    meters.step(meters.metering.read, 1, Context.OTHER, readings.append)
    meters.wait(2)
    meters.set_clock(EPOCH + timedelta(days=100))
    meters.show(1500)
    assert readings[0].moment.utc == EPOCH + timedelta(days=100, seconds=-2)


# -- TriggerMessage --


def triggered(meters):
    return meters.sent(MeterValuesRequest)


def test_a_trigger_shows_what_the_meters_show_now():
    """CP16-183, CP16-182, CP16-141: of the main meter and every connector; past the queue (CP16-072)."""
    meters = Meters(keys={"MeterValuesSampledData": "Voltage.L1"})
    meters.online()
    meters.step(meters.trigger())
    assert [(effect.connector, effect.context) for effect in meters.due()] == [(n, Context.TRIGGER) for n in (0, 1, 2)]
    assert triggered(meters) == []
    meters.show(1500, *VOLTS)
    requests = triggered(meters)
    assert [request.connector_id for request in requests] == [0, 1, 2]
    (value,) = requests[0].meter_value[0].sampled_value
    assert (value.value, value.context) == ("230.1", Context.TRIGGER)
    assert meters.out.sent == []


@pytest.mark.parametrize("connector", [0, 1, 2])
def test_a_trigger_may_name_a_connector(connector):
    """CP16-182."""
    meters = Meters()
    meters.online()
    meters.step(meters.trigger(connector))
    meters.show(1500)
    assert [request.connector_id for request in triggered(meters)] == [connector]


@pytest.mark.parametrize("connector", [-1, 3])
def test_a_trigger_for_a_connector_that_is_not_there_is_rejected(connector):
    """CP16-184."""
    assert Meters().trigger(connector) is None


@pytest.mark.parametrize(("transaction_id", "shown"), [(77, 77), (-1, -1), (None, None)])
def test_a_triggered_message_names_the_transaction_if_that_has_a_name(transaction_id, shown):
    """CP16-144, CP16-075, CP16-076."""
    meters = Meters()
    meters.online()
    transaction = meters.begin()
    transaction.transaction_id = transaction_id
    meters.step(meters.trigger(1))
    meters.show(1500)
    assert triggered(meters)[0].transaction_id == shown


def test_a_triggered_message_names_no_transaction_that_is_over():
    """CP16-144."""
    meters = Meters()
    meters.online()
    transaction = meters.begin()
    transaction.transaction_id = 77
    meters.step(meters.trigger(1))
    late = meters.due()
    meters.step(meters.core.publish, TransactionOver(transaction))
    assert late
    meters.show(1500)
    assert triggered(meters)[0].transaction_id is None


def test_a_trigger_is_obeyed_while_pending():
    """CP16-014."""
    meters = Meters()
    meters.connect()
    meters.answer(BootNotificationResponse(current_time=EPOCH, interval=60, status=RegistrationStatus.PENDING))
    meters.step(meters.trigger(1))
    meters.show(1500)
    assert len(triggered(meters)) == 1


def test_what_was_triggered_is_of_no_use_later():
    """CP16-183: it tells of now, and is not queued."""
    meters = Meters()
    link = meters.online()
    meters.step(meters.trigger(1))
    meters.disconnect()
    meters.show(1500)
    assert MeterValuesRequest not in {type(call.request) for call in link.sent}
    assert meters.out.sent == []


def test_a_trigger_with_nothing_to_show_sends_nothing():
    """CP16-149."""
    meters = Meters(keys={"MeterValuesSampledData": "SoC"})
    meters.online()
    meters.step(meters.trigger(1))
    meters.show(1500)
    assert triggered(meters) == []


@pytest.mark.parametrize("key", ["MeterValueSampleInterval", "ClockAlignedDataInterval"])
def test_while_the_host_owes_a_reading_it_is_not_asked_for_the_same_again(key):
    """D-20: a meter cannot say later what it showed before."""
    meters = Meters(keys={key: 3})
    meters.begin(1000)
    meters.wait(8)
    assert sorted(effect.connector for effect in meters.due()) == ([1] if key.startswith("Meter") else [0, 1, 2])
    meters.show(1500)
    meters.wait(1)
    meters.show(1600)
    assert {ref for _, _, ref in meters.out.sent} >= {1}
    assert max(meters.moments()) == meters.core.clock.utc(9)
