"""A full day of each role over real sockets with the `ocpp` package at the other end, on every adapter.

The truth is what the meters showed and what the drivers did. At the end of the day the books have to say the same,
whatever was lost on the way: answers, messages, links, power.
"""

from __future__ import annotations

import asyncio
import queue
import secrets
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import websockets
from anyio.from_thread import start_blocking_portal
from ocpp.exceptions import InternalError, SecurityError
from ocpp.routing import on
from ocpp.v16 import ChargePoint as PackageChargePoint
from ocpp.v16 import call, call_result

from ocpp_sansio import ConnectionLost, Direction, v16
from ocpp_sansio import central_system as cs
from ocpp_sansio import charge_point as cp
from ocpp_sansio.central_system import Anomaly
from ocpp_sansio.charge_point.effects import (
    LockConnector,
    Reboot,
    StartEnergy,
    StopEnergy,
    TakeReading,
    UnlockConnector,
)
from ocpp_transports.store import SqliteStore
from tests.interop.test_ocpp_package import listening
from tests.transports.contract import ADAPTERS, BOOT, PATIENCE, Adapter, ServerEnd, nothing_left_over
from tests.transports.test_roles import Host, operated, playing

pytestmark = pytest.mark.once

on_adapter = pytest.mark.parametrize("adapter", ADAPTERS, ids=repr)

SETUP = cp.Setup(BOOT, connectors=(cp.ConnectorSetup(), cp.ConnectorSetup()))
SUBPROTOCOL = websockets.Subprotocol("ocpp1.6")


@pytest.fixture(autouse=True)
def _nothing_is_left_over() -> Iterator[None]:
    with nothing_left_over():
        yield


class Watched:
    """What one thread writes down and another one waits for."""

    def __init__(self) -> None:
        self.changed = threading.Condition()

    def until(self, is_so: Callable[[], Any]) -> Any:
        with self.changed:
            assert self.changed.wait_for(is_so, PATIENCE), vars(self)
            return is_so()


# -- our charge point: where it stands --


@attrs.define
class Charge:
    """What was charged: as the meter showed it, or as the books say."""

    connector: int
    start: int
    samples: list[int] = attrs.field(factory=list)
    stop: int | None = None


class Site(Watched):
    """The hardware of the charge point, which outlives its boots. The meters turn while there is energy."""

    def __init__(self) -> None:
        super().__init__()
        self.meters = {1: 1_000, 2: 50_000}
        self.energised: set[int] = set()
        self.charges: list[Charge] = []
        self.reboots: list[Reboot] = []
        self.point: cp.ChargePoint

    def __call__(self, running: Any, effect: Any) -> None:
        with self.changed:
            match effect:
                case StartEnergy(connector=connector):
                    self.energised.add(connector)
                case StopEnergy(connector=connector):
                    self.energised.discard(connector)
                case LockConnector(connector=connector):
                    running.do(self.point.locked, connector, True)
                case UnlockConnector(connector=connector):
                    running.do(self.point.unlocked, connector, True)
                case TakeReading(ticket=ticket, connector=connector, context=context):
                    running.do(self.point.reading, ticket, (), self.look(connector, context))
                case Reboot():
                    self.reboots.append(effect)
            self.changed.notify_all()

    def look(self, connector: int, context: v16.ReadingContext) -> int:
        shown = self.meters[connector] = self.meters[connector] + 100
        if context is v16.ReadingContext.TRANSACTION_BEGIN:
            self.charges.append(Charge(connector, shown))
        elif context is v16.ReadingContext.TRANSACTION_END:
            self.last(connector).stop = shown
        elif context is v16.ReadingContext.SAMPLE_PERIODIC:
            self.last(connector).samples.append(shown)
        return shown

    def last(self, connector: int) -> Charge:
        return next(each for each in reversed(self.charges) if each.connector == connector)

    def await_energy(self, connector: int) -> None:
        self.until(lambda: connector in self.energised)

    def await_samples(self, connector: int, number: int = 1) -> None:
        """So many that have not been taken yet."""
        known = len(self.last(connector).samples)
        self.until(lambda: len(self.last(connector).samples) >= known + number)

    def lose_power(self) -> None:
        """What was charged is what the meter showed last."""
        for connector in self.energised:
            charge = self.last(connector)
            charge.stop = [charge.start, *charge.samples][-1]
        self.energised.clear()


@contextmanager
def in_service(adapter: Adapter, url: str, site: Site, path: Path) -> Iterator[Callable[..., Any]]:
    """One boot of our charge point, with what the last one has kept. Yields how to tell it things."""
    with SqliteStore(path) as store:
        point = site.point = cp.ChargePoint(SETUP, now=time.monotonic(), utc=datetime.now(UTC), records=store.load())
        with operated(adapter, url, site, store, point) as station:  # type: ignore[arg-type]
            yield lambda verb, *args: station.tell(getattr(point, verb), *args)


# -- their central system --


@attrs.define
class Sale:
    """A transaction in their books."""

    id_tag: str
    timestamp: str
    charge: Charge
    values: dict[str, int] = attrs.field(factory=dict)
    """By their times: one that comes again is the same."""
    reason: str | None = None
    data: list[int] = attrs.field(factory=list)


class Books(Watched):
    """Their central system: a ledger that knows repetitions, a socket that can be dropped, and faults to come."""

    def __init__(self, portal: Any) -> None:
        super().__init__()
        self.portal = portal
        self.url = ""
        self.is_open = True
        self.links = 0
        self.station: Any = None
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.faults: dict[str, deque[str]] = {}
        self.starts: dict[tuple[int, str, int, str], int] = {}
        self.sales: dict[int, Sale] = {}
        self.oddities: list[str] = []

    # -- what comes in --

    async def take(self, action: str, payload: dict[str, Any], socket: Any) -> Any:
        """Deal with a request, in the way that is due for its action."""
        fault = self.faults[action].popleft() if self.faults.get(action) else None
        if fault == "refuse":
            raise InternalError
        if fault == "lose it":
            await self.hang_up(socket)
        with self.changed:
            self.heard.append((action, payload))
            answer = getattr(self, action)(**payload)
            self.changed.notify_all()
        if fault == "lose the answer":
            await self.hang_up(socket)
        if fault == "say nothing":
            await socket.wait_closed()
        return answer

    @staticmethod
    async def hang_up(socket: Any) -> None:
        socket.transport.abort()
        await socket.wait_closed()
        raise websockets.ConnectionClosedError(None, None)

    def BootNotification(self, **_: Any) -> Any:  # noqa: N802 - these are called as the protocol calls them
        return call_result.BootNotification(current_time=datetime.now(UTC).isoformat(), interval=300, status="Accepted")

    def Heartbeat(self) -> Any:  # noqa: N802
        return call_result.Heartbeat(current_time=datetime.now(UTC).isoformat())

    def StatusNotification(self, **_: Any) -> Any:  # noqa: N802
        return call_result.StatusNotification()

    def Authorize(self, id_tag: str) -> Any:  # noqa: N802
        return call_result.Authorize(id_tag_info={"status": "Accepted"})

    def StartTransaction(self, connector_id: int, id_tag: str, meter_start: int, timestamp: str) -> Any:  # noqa: N802
        key = (connector_id, id_tag, meter_start, timestamp)  # what tells a repetition
        number = self.starts.setdefault(key, 1 + secrets.randbelow(2**31 - 1))
        self.sales.setdefault(number, Sale(id_tag, timestamp, Charge(connector_id, meter_start)))
        return call_result.StartTransaction(transaction_id=number, id_tag_info={"status": "Accepted"})

    def MeterValues(  # noqa: N802
        self, connector_id: int, meter_value: list[Any], transaction_id: int | None = None
    ) -> Any:
        ((timestamp, register, context),) = map(_register, meter_value)
        if context == "Sample.Periodic":
            sale = self.sales[transaction_id or 0]
            if sale.reason is not None and timestamp not in sale.values:
                self.oddities.append(f"values after the end of {sale}")
            sale.values[timestamp] = register
            sale.charge.samples = list(sale.values.values())
        return call_result.MeterValues()

    def StopTransaction(  # noqa: N802
        self,
        transaction_id: int,
        meter_stop: int,
        timestamp: str,
        reason: str,
        transaction_data: list[Any],
        id_tag: str | None = None,
    ) -> Any:
        sale = self.sales[transaction_id]
        data = [register for _, register, _ in map(_register, transaction_data)]
        end = (meter_stop, reason, data)
        if sale.reason is not None and end != (sale.charge.stop, sale.reason, sale.data):
            self.oddities.append(f"another end of {sale}: {end}")
        sale.charge.stop, sale.reason, sale.data = end
        return call_result.StopTransaction()

    # -- what the test has to say --

    def ask(self, request: Any) -> Any:
        async def ask() -> Any:
            return await self.station.call(request, suppress=False)

        return self.portal.call(ask)

    def drop(self) -> None:
        """The link is gone, and there will be no other for now."""

        def abort() -> None:
            self.is_open = False
            self.station.socket.transport.abort()

        self.portal.call(abort)

    def reopen(self) -> None:
        """Wait until there is a link again."""
        before = self.links
        self.is_open = True
        self.until(lambda: self.links > before)

    def expect(self, action: str, **fields: Any) -> None:
        """Wait for a message that says this, and strike it off."""

        def found() -> Any:
            told = (each for each in self.heard if each[0] == action and fields.items() <= each[1].items())
            return next(told, None)

        self.heard.remove(self.until(found))

    def count(self, action: str) -> int:
        return sum(told == action for told, _ in self.heard)

    def balance(self, site: Site, *drivers: tuple[str, str]) -> None:
        """The books say what the meters showed: each once, in order, nothing more, nothing less."""
        self.until(lambda: [sale.reason for sale in self.sales.values()].count(None) == 0 and len(self.sales))
        sales = list(self.sales.values())
        assert [(sale.id_tag, sale.reason) for sale in sales] == list(drivers)
        assert [sale.charge for sale in sales] == site.charges
        for sale in sales:
            assert sale.data == [sale.charge.start, *sale.charge.samples, sale.charge.stop]
            assert list(sale.values) == sorted(sale.values, key=datetime.fromisoformat)
        begun = [datetime.fromisoformat(sale.timestamp) for sale in sales]
        assert begun == sorted(begun)
        assert not self.oddities
        assert not any(self.faults.values())


def _register(meter_value: dict[str, Any]) -> tuple[str, int, str]:
    (sample,) = meter_value["sampled_value"]
    return meter_value["timestamp"], int(sample["value"]), sample["context"]


class BooksEnd(PackageChargePoint):
    """Their central system's end of a link."""

    def __init__(self, books: Books, socket: Any) -> None:
        super().__init__("CP_1", socket, response_timeout=10)
        self.books = books
        self.socket = socket

    @on("BootNotification")
    async def boot_notification(self, **payload: Any) -> Any:
        return await self.books.take("BootNotification", payload, self.socket)

    @on("Heartbeat")
    async def heartbeat(self, **payload: Any) -> Any:
        return await self.books.take("Heartbeat", payload, self.socket)

    @on("StatusNotification")
    async def status_notification(self, **payload: Any) -> Any:
        return await self.books.take("StatusNotification", payload, self.socket)

    @on("Authorize")
    async def authorize(self, **payload: Any) -> Any:
        return await self.books.take("Authorize", payload, self.socket)

    @on("StartTransaction")
    async def start_transaction(self, **payload: Any) -> Any:
        return await self.books.take("StartTransaction", payload, self.socket)

    @on("MeterValues")
    async def meter_values(self, **payload: Any) -> Any:
        return await self.books.take("MeterValues", payload, self.socket)

    @on("StopTransaction")
    async def stop_transaction(self, **payload: Any) -> Any:
        return await self.books.take("StopTransaction", payload, self.socket)


@contextmanager
def their_central_system() -> Iterator[Books]:
    async def converse(socket: Any) -> None:
        if not books.is_open:
            socket.transport.abort()
            return
        with books.changed:
            books.station = BooksEnd(books, socket)
            books.links += 1
            books.changed.notify_all()
        with suppress(websockets.ConnectionClosed):
            await books.station.start()

    with start_blocking_portal("asyncio") as portal:
        books = Books(portal)
        with listening(portal, converse) as books.url:
            yield books


def configure(books: Books, **keys: str) -> None:
    for key, value in keys.items():
        assert books.ask(call.ChangeConfiguration(key=key, value=value)).status == "Accepted", key


def configure_for_a_day(books: Books) -> None:
    configure(
        books,
        MeterValueSampleInterval="1",
        StopTxnSampledData="Energy.Active.Import.Register",
        TransactionMessageRetryInterval="0",
    )


@on_adapter
def test_our_charge_point_serves_drivers_and_operators_for_a_day(adapter: Adapter, tmp_path: Path) -> None:
    site = Site()
    with their_central_system() as books:
        with in_service(adapter, books.url, site, tmp_path / "store") as tell:
            books.expect("BootNotification", charge_point_vendor="Vendor")
            for connector in (0, 1, 2):
                books.expect("StatusNotification", connector_id=connector, status="Available", error_code="NoError")

            # The operator looks at it, and sets it up.
            shown = books.ask(call.GetConfiguration(key=["NumberOfConnectors", "Unheard"]))
            assert shown.unknown_key == ["Unheard"]
            assert shown.configuration_key == [{"key": "NumberOfConnectors", "readonly": True, "value": "2"}]
            configure_for_a_day(books)
            for key, value, status in (
                ("NumberOfConnectors", "3", "Rejected"),
                ("MeterValueSampleInterval", "soon", "Rejected"),
                ("Unheard", "1", "NotSupported"),
            ):
                assert books.ask(call.ChangeConfiguration(key=key, value=value)).status == status
            changed = books.ask(call.GetConfiguration(key=["metervaluesampleinterval"]))
            assert changed.configuration_key[0]["value"] == "1"

            # The card before the plug; the EV leaves.
            tell("present", "ANNA", 1)
            books.expect("Authorize", id_tag="ANNA")
            books.expect("StatusNotification", connector_id=1, status="Preparing")
            tell("plug_in", 1)
            tell("ev_ready", 1)
            books.expect("StatusNotification", connector_id=1, status="Charging")
            site.await_energy(1)
            site.await_samples(1)
            tell("unplug", 1)
            books.expect("StopTransaction", reason="EVDisconnected")
            tell("unplug", 1)
            books.expect("StatusNotification", connector_id=1, status="Available")

            # The plug before the card; the same card again. An availability that has to wait for that.
            tell("plug_in", 2)
            books.expect("StatusNotification", connector_id=2, status="Preparing")
            tell("present", "BERT", 2)
            site.await_energy(2)
            assert books.ask(call.ChangeAvailability(connector_id=2, type="Inoperative")).status == "Scheduled"
            books.expect("StartTransaction", id_tag="BERT", connector_id=2)
            tell("present", "BERT", 2)
            books.expect("StopTransaction", reason="Local", id_tag="BERT")
            tell("unplug", 2)
            books.expect("StatusNotification", connector_id=2, status="Unavailable")
            start = call.RemoteStartTransaction(id_tag="BERT", connector_id=2)
            assert books.ask(start).status == "Rejected"
            assert books.ask(call.ChangeAvailability(connector_id=2, type="Operative")).status == "Accepted"
            books.expect("StatusNotification", connector_id=2, status="Available")

            # Both by remote control; what is asked for meanwhile.
            tell("plug_in", 1)
            books.expect("StatusNotification", connector_id=1, status="Preparing")
            assert books.ask(call.RemoteStartTransaction(id_tag="CARL", connector_id=1)).status == "Accepted"
            site.await_energy(1)
            books.expect("StartTransaction", id_tag="CARL", connector_id=1)
            for message in ("Heartbeat", "StatusNotification", "MeterValues"):
                request = call.TriggerMessage(requested_message=message, connector_id=1)
                assert books.ask(request).status == "Accepted"
                books.expect(message)
            assert books.ask(call.TriggerMessage(requested_message="BootNotification")).status == "Rejected"
            assert books.ask(call.RemoteStopTransaction(transaction_id=1)).status == "Rejected"
            running = list(books.sales)[-1]
            assert books.ask(call.RemoteStopTransaction(transaction_id=running)).status == "Accepted"
            books.expect("StopTransaction", transaction_id=running, reason="Remote")

            # The cable is to be unlocked in the middle of it.
            tell("unplug", 1)
            tell("plug_in", 1)
            tell("present", "DORA", 1)
            site.await_energy(1)
            books.expect("StartTransaction", id_tag="DORA")
            assert books.ask(call.UnlockConnector(connector_id=1)).status == "Unlocked"
            books.expect("StopTransaction", reason="UnlockCommand")
            tell("unplug", 1)

            # A soft reset in the middle of it.
            tell("plug_in", 2)
            tell("present", "EMIL", 2)
            site.await_energy(2)
            site.await_samples(2)
            assert books.ask(call.ChangeAvailability(connector_id=1, type="Inoperative")).status == "Accepted"
            assert books.ask(call.Reset(type="Soft")).status == "Accepted"
            books.expect("StopTransaction", reason="SoftReset")
            site.until(lambda: site.reboots)
            assert site.reboots == [Reboot(hard=False)]
            books.heard.clear()

        with in_service(adapter, books.url, site, tmp_path / "store") as tell:
            tell("plug_in", 2)
            books.expect("BootNotification")
            books.expect("StatusNotification", connector_id=1, status="Unavailable")
            tell("present", "FRED", 2)
            site.await_energy(2)
            site.await_samples(2)  # the configuration is what it was
            tell("present", "FRED", 2)
            books.balance(
                site,
                ("ANNA", "EVDisconnected"),
                ("BERT", "Local"),
                ("CARL", "Remote"),
                ("DORA", "UnlockCommand"),
                ("EMIL", "SoftReset"),
                ("FRED", "Local"),
            )


@on_adapter
def test_our_charge_point_loses_links_answers_and_power_but_no_transaction(adapter: Adapter, tmp_path: Path) -> None:
    site = Site()
    with their_central_system() as books:
        books.faults = {
            "BootNotification": deque(["lose it", "lose the answer"]),
            "StatusNotification": deque(["lose it", "refuse"]),
        }
        with in_service(adapter, books.url, site, tmp_path / "store") as tell:
            books.expect("StatusNotification", connector_id=2)
            configure_for_a_day(books)
            tell("plug_in", 1)
            tell("plug_in", 2)

            # Every message on a transaction is lost, or its answer is, and the link with it.
            books.faults |= {
                "StartTransaction": deque(["lose it", "lose the answer", "refuse"]),
                "MeterValues": deque(["lose the answer", "refuse", "lose it"]),
                "StopTransaction": deque(["lose the answer", "lose it", "refuse"]),
            }
            tell("present", "ANNA", 1)
            site.await_energy(1)
            site.await_samples(1, 2)
            tell("present", "ANNA", 1)
            books.until(lambda: books.count("StopTransaction") == 2)
            assert books.count("StartTransaction") == 2
            assert len(books.sales) == 1

            # The link is gone while it charges; another one comes and goes meanwhile, with a card that is known.
            tell("present", "BERT", 2)
            site.await_energy(2)
            books.until(lambda: len(books.sales) == 2)
            books.drop()
            site.await_samples(2)
            tell("unplug", 1)
            tell("plug_in", 1)
            tell("present", "ANNA", 1)
            site.await_energy(1)
            tell("present", "ANNA", 1)
            site.until(lambda: 1 not in site.energised and site.last(1).stop)
            assert len(books.sales) == 2
            books.reopen()
            books.until(lambda: len(books.sales) == 3)
            books.drop()
            books.reopen()
            tell("present", "BERT", 2)
            books.until(lambda: list(books.sales.values())[1].reason)

            # The power is lost: while one start has come and is not answered, and another one has not come.
            configure(books, LocalPreAuthorize="true")
            tell("unplug", 1)
            tell("plug_in", 1)
            tell("unplug", 2)
            tell("plug_in", 2)
            books.faults["StartTransaction"].append("say nothing")
            tell("present", "ANNA", 1)
            site.await_energy(1)
            books.until(lambda: len(books.sales) == 4)
            tell("present", "BERT", 2)
            site.await_energy(2)
            site.await_samples(2)
        site.lose_power()
        assert len(books.sales) == 4

        # Twice: the second time it comes back to a link that is down, and is gone before it is up.
        with books.changed:
            books.is_open = False
        with in_service(adapter, books.url, site, tmp_path / "store") as tell:
            pass
        books.is_open = True
        with in_service(adapter, books.url, site, tmp_path / "store") as tell:
            books.until(lambda: len(books.sales) == 5 and list(books.sales.values())[-1].reason)
            tell("plug_in", 2)
            tell("present", "BERT", 2)
            site.await_energy(2)
            tell("power_failing")
            site.last(2).stop = site.meters[2]
            books.until(lambda: len(books.sales) == 6)
            books.balance(
                site,
                ("ANNA", "Local"),
                ("BERT", "Local"),
                ("ANNA", "Local"),
                ("ANNA", "PowerLoss"),
                ("BERT", "PowerLoss"),
                ("BERT", "PowerLoss"),
            )


# -- our central system, and their charge point --


class PackageStation(PackageChargePoint):
    """Their charge point: takes note of what it is told."""

    def __init__(self, socket: Any) -> None:
        super().__init__("CP_1", socket, response_timeout=10)
        self.socket = socket
        self.told: asyncio.Queue[str] = asyncio.Queue()

    @on("ChangeConfiguration")
    def change_configuration(self, key: str, value: str) -> Any:
        self.told.put_nowait(f"{key}={value}")
        return call_result.ChangeConfiguration(status="Accepted")

    @on("RemoteStartTransaction")
    def remote_start(self, id_tag: str, **_: Any) -> Any:
        self.told.put_nowait(f"start {id_tag}")
        return call_result.RemoteStartTransaction(status="Accepted")

    @on("RemoteStopTransaction")
    async def remote_stop(self, transaction_id: int) -> Any:
        self.told.put_nowait(f"stop {transaction_id}")
        return call_result.RemoteStopTransaction(status="Accepted")

    @on("Reset")
    async def reset(self, type: str) -> Any:  # noqa: A002 - so it is called
        self.told.put_nowait(f"reset {type}")
        await self.socket.wait_closed()  # it never answers

    async def ask(self, request: Any) -> Any:
        return await self.call(request, suppress=False)

    async def start_transaction(self, connector: int, id_tag: str, meter: int, at: str) -> Any:
        return await self.ask(
            call.StartTransaction(connector_id=connector, id_tag=id_tag, meter_start=meter, timestamp=at)
        )

    async def meter_values(self, transaction_id: int, register: int, at: str) -> Any:
        value = {"timestamp": at, "sampledValue": [{"value": str(register)}]}
        return await self.ask(call.MeterValues(connector_id=1, transaction_id=transaction_id, meter_value=[value]))

    async def stop_transaction(self, transaction_id: int, meter: int, at: str) -> Any:
        return await self.ask(call.StopTransaction(transaction_id=transaction_id, meter_stop=meter, timestamp=at))


@asynccontextmanager
async def connected(url: str, *, is_deaf: bool = False) -> AsyncGenerator[PackageStation]:
    """A link of their charge point, which is lost at the end. One that is deaf misses every answer."""
    async with websockets.connect(f"{url}/CP_1", subprotocols=[SUBPROTOCOL]) as socket:
        station = PackageStation(socket)
        listening = asyncio.create_task(asyncio.sleep(PATIENCE) if is_deaf else station.start())
        try:
            yield station
        finally:
            socket.transport.abort()
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def unheard(asking: Awaitable[Any], has_come: Callable[[], Any]) -> None:
    """Ask, and be gone before there is an answer."""
    task = asyncio.ensure_future(asking)
    await asyncio.to_thread(has_come)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


MORNING = datetime(2026, 1, 1, 8, tzinfo=UTC)


def oclock(minutes: int) -> str:
    return (MORNING + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


class Centre:
    """Our central system, which outlives its process."""

    def __init__(self, adapter: Adapter, path: Path) -> None:
        self.adapter = adapter
        self.path = path
        self.verdicts = deque([cs.Verdict(v16.RegistrationStatus.PENDING, 1), cs.Verdict(interval=300)])
        self.host = Host()
        self.starts: queue.Queue[str] = queue.Queue()
        """The attempts to tell of a start."""
        self.role: cs.CentralSystem
        self.served: ServerEnd

    @contextmanager
    def running(self) -> Iterator[str]:
        with SqliteStore(self.path) as store:
            self.role = cs.CentralSystem(
                now=time.monotonic(),
                utc=datetime.now(UTC),
                transaction_ids=lambda: 1 + secrets.randbelow(2**31 - 1),
                records=store.load(),
                registration=lambda *_: self.verdicts.popleft(),
            )
            self.role.authorisation.add(cs.IdTag("ANNA"), cs.IdTag("OTTO", v16.AuthorizationStatus.BLOCKED))
            csms = playing(self.role, store, self.host)  # type: ignore[arg-type]
            with self.adapter.serve(csms, tap=self.listen) as self.served:
                yield self.served.url

    def listen(self, _: Any, direction: Direction, text: str, __: float) -> None:
        if direction is Direction.IN and '"StartTransaction"' in text:
            self.starts.put(text)

    def start(self, request: Any, **options: Any) -> asyncio.Future[Any]:
        future = self.served.start_work(partial(self.served.server.call, "CP_1", request, **options))
        return asyncio.wrap_future(future)

    async def see(self, kind: type[Any], number: int = 1) -> Any:
        return await asyncio.to_thread(self.host.wait_for, kind, number)


@on_adapter
def test_our_central_system_keeps_its_books_whatever_becomes_of_links_and_answers(
    adapter: Adapter, tmp_path: Path
) -> None:
    centre = Centre(adapter, tmp_path / "store")
    host = centre.host
    boot = call.BootNotification(charge_point_model="Model", charge_point_vendor="Vendor")

    async def before(url: str) -> int:
        async with connected(url) as station:
            # Pending: it is set up, and nothing else.
            assert (await station.ask(boot)).status == "Pending"
            with pytest.raises(SecurityError):
                await station.start_transaction(1, "ANNA", 0, oclock(0))
            centre.starts.get_nowait()
            with pytest.raises(cs.CommandRefused, match="Pending"):
                await centre.start(v16.RemoteStartTransactionRequest(id_tag="ANNA"))
            change = v16.ChangeConfigurationRequest(key="HeartbeatInterval", value="60")
            assert (await centre.start(change)).status is v16.ConfigurationStatus.ACCEPTED
            assert await station.told.get() == "HeartbeatInterval=60"
            assert (await station.ask(boot)).status == "Accepted"

            for id_tag, status in (("anna", "Accepted"), ("OTTO", "Blocked"), ("NEMO", "Invalid")):
                assert (await station.ask(call.Authorize(id_tag=id_tag))).id_tag_info["status"] == status
            asked = centre.start(v16.RemoteStartTransactionRequest(id_tag="ANNA", connector_id=1))
            assert (await asked).status is v16.RemoteStartStopStatus.ACCEPTED
            assert await station.told.get() == "start ANNA"

        # The start comes, and the station is gone before the answer: twice.
        for _ in range(2):
            async with connected(url, is_deaf=True) as station:
                attempt = station.start_transaction(1, "ANNA", 1_000, oclock(1))
                await unheard(attempt, partial(centre.starts.get, timeout=PATIENCE))
        begun = (await centre.see(cs.TransactionStarted)).transaction
        async with connected(url) as station:
            started = await station.start_transaction(1, "ANNA", 1_000, oclock(1))
            assert started.transaction_id == begun.transaction_id
            for minute, register in ((2, 1_100), (3, 1_200), (3, 1_200)):
                await station.meter_values(begun.transaction_id, register, oclock(minute))
        return begun.transaction_id

    async def after(url: str, first: int) -> None:
        # Commands for a station that is not there.
        with pytest.raises(ConnectionLost):
            await centre.start(v16.RemoteStopTransactionRequest(transaction_id=first))
        waiting = centre.start(v16.RemoteStopTransactionRequest(transaction_id=first), expires_in=PATIENCE)
        async with connected(url) as station:
            assert (await waiting).status is v16.RemoteStartStopStatus.ACCEPTED
            assert await station.told.get() == f"stop {first}"
            # The answer to its start had been lost once more.
            assert (await station.start_transaction(1, "ANNA", 1_000, oclock(1))).transaction_id == first
            lost = centre.start(v16.ResetRequest(type=v16.ResetType.SOFT))
            assert await station.told.get() == "reset Soft"
        with pytest.raises(ConnectionLost) as end:
            await lost
        assert end.value.sent

        # A late stop, whose answer is lost; one whose start was given up; and a whole transaction on another link.
        async with connected(url, is_deaf=True) as station:
            stop = station.stop_transaction(first, 1_500, oclock(4))
            await unheard(stop, partial(host.wait_for, cs.TransactionStopped))
        async with connected(url) as station:
            await station.stop_transaction(first, 1_500, oclock(4))
            await station.meter_values(-1, 2_000, oclock(5))
            await station.stop_transaction(-1, 2_500, oclock(6))
            await station.stop_transaction(-1, 2_500, oclock(6))
            refused = await station.start_transaction(2, "OTTO", 7_000, oclock(7))
            assert refused.id_tag_info["status"] == "Blocked"
            await station.stop_transaction(refused.transaction_id, 7_000, oclock(7))

    with centre.running() as url:
        first = asyncio.run(before(url))
    with centre.running() as url:
        asyncio.run(after(url, first))
        told, refused = centre.role.ledger.transactions()
        (unmatched,) = centre.role.ledger.unmatched()

    assert not centre.verdicts
    assert told.transaction_id == first
    assert (told.id_tag, told.connector_id, told.meter_start, told.meter_values) == ("ANNA", 1, 1_000, 2)
    assert (told.timestamp, told.stop.meter_stop) == (MORNING + timedelta(minutes=1), 1_500)
    assert (refused.id_tag, refused.stop.meter_stop) == ("OTTO", 7_000)
    assert (unmatched.transaction_id, unmatched.stop.meter_stop) == (-1, 2_500)

    assert [effect.action for effect in host.of(cs.MessageRefused)] == ["StartTransaction"]
    assert [effect.status for effect in host.of(cs.StationBooted)] == ["Pending", "Accepted"]
    assert [effect.transaction.id_tag for effect in host.of(cs.TransactionStarted)] == ["ANNA", "OTTO"]
    assert [effect.transaction.id_tag for effect in host.of(cs.TransactionStopped)] == ["ANNA", "OTTO"]
    assert len(host.of(cs.TransactionUpdated)) == 2
    assert [effect.kind for effect in host.of(cs.LedgerAnomaly)] == [Anomaly.UNDELIVERED_START] * 2
    outcomes = host.of(cs.CommandSucceeded, cs.CommandFailed, cs.CommandExpired)
    assert [type(effect.command.request).__name__.removesuffix("Request") for effect in outcomes] == [
        "ChangeConfiguration",
        "RemoteStartTransaction",
        "RemoteStopTransaction",
        "RemoteStopTransaction",
        "Reset",
    ]
