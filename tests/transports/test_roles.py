"""The roles under every adapter: a charge point that is operated, a central system that plays, and the way between."""

from __future__ import annotations

import asyncio
import math
import queue
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from itertools import count
from typing import Any

import pytest
import trio

import ocpp_transports.sync
from ocpp_sansio import (
    Authenticate,
    CallRefused,
    CentralSystem,
    ConnectionLost,
    Direction,
    Limits,
    LocalProtocolError,
    v16,
    v201,
)
from ocpp_sansio import central_system as cs
from ocpp_sansio import charge_point as cp
from ocpp_sansio.application import Part
from ocpp_sansio.backoff import Backoff
from ocpp_sansio.central_system.effects import (
    CommandFailed,
    LedgerAnomaly,
    StationBooted,
    StationConnected,
    StationDisconnected,
    TransactionStarted,
    TransactionStopped,
)
from ocpp_sansio.charge_point.effects import (
    LockConnector,
    RegistrationChanged,
    StartEnergy,
    TakeReading,
    TransactionEnded,
    UnlockConnector,
)
from ocpp_sansio.frames import Call, decode
from ocpp_sansio.machine import StoreFailed
from ocpp_sansio.store import Change, MemoryStore, Persist, StoreError
from ocpp_transports import asyncio as on_asyncio
from ocpp_transports import trio as on_trio
from ocpp_transports._roles import Runner
from tests.transports.contract import (
    ADAPTERS,
    BOOT,
    PATIENCE,
    RESET,
    Adapter,
    AsyncAdapter,
    End,
    Gate,
    ServerEnd,
    SyncAdapter,
    on_client,
    on_server,
    raw_client,
)
from tests.transports.door import Door, door_to

pytestmark = pytest.mark.usefixtures("nothing_is_left_over")

Act = Callable[[Any, Any], object]
LIMITS = Limits(close_timeout=3)
TRIGGER = v16.TriggerMessageRequest(requested_message=v16.MessageTrigger.BOOT_NOTIFICATION)


# -- what there is --


class Host:
    """Takes note of effects. What it does about them, a test says."""

    def __init__(self, *reactions: Callable[[Any, Any], object]) -> None:
        self.seen: list[Any] = []
        self._reactions = reactions
        self._changed = threading.Condition()

    def __call__(self, running: Any, effect: Any) -> None:
        with self._changed:
            self.seen.append(effect)
            self._changed.notify_all()
        for react in self._reactions:
            react(running, effect)

    def of(self, *kinds: type[Any]) -> list[Any]:
        return [effect for effect in self.seen if isinstance(effect, kinds)]

    def wait_for(self, kind: type[Any], number: int = 1) -> Any:
        """The first, or another one, of a kind."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.of(kind)) >= number, PATIENCE), (kind, self.seen)
        return self.of(kind)[number - 1]


class Tap:
    """Takes note of the messages of one end."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self._changed = threading.Condition()

    def __call__(self, direction: Direction, text: str, _: float) -> None:
        frame = decode(text)
        if direction is Direction.OUT and isinstance(frame, Call):
            with self._changed:
                self.calls.append(frame.action)
                self._changed.notify_all()

    def wait_for(self, action: str, number: int = 1) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.calls.count(action) >= number, PATIENCE), self.calls


class FlakyStore(MemoryStore):
    """Fails as often as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[Exception] = []

    def commit(self, changes: Sequence[Change]) -> None:
        if self.failures:
            raise self.failures.pop()
        super().commit(changes)


def a_charge_point(store: MemoryStore, **options: Any) -> cp.ChargePoint:
    return cp.ChargePoint(cp.Setup(BOOT, **options), now=time.monotonic(), utc=datetime.now(UTC), records=store.load())


def a_central_system(store: MemoryStore, **options: Any) -> cs.CentralSystem:
    return cs.CentralSystem(
        now=time.monotonic(),
        utc=datetime.now(UTC),
        transaction_ids=partial(next, count(1)),
        records=store.load(),
        **options,
    )


def playing(
    role: cs.CentralSystem,
    store: MemoryStore,
    act: Act,
    authenticate: Authenticate = lambda _: True,
    **options: Any,
) -> CentralSystem:
    csms = CentralSystem(**{"limits": LIMITS, **options})
    csms.authenticate(authenticate)
    csms.play(role, store=store, act=act)
    return csms


class Operated(End):
    """A charge point that is operated."""

    def __init__(self, start: Callable[[Callable[[], Any]], Future[Any]], running: Any, point: cp.ChargePoint) -> None:
        super().__init__(start)
        self.running = running
        self.point = point

    def tell(self, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self.do(partial(self.running.do, verb, *args, **kwargs))


def operate(client: Adapter, point: cp.ChargePoint, url: str, store: MemoryStore, act: Act, **options: Any) -> Any:
    options.setdefault("backoff", Backoff(minimum=0.01, random_range=0.01))
    options.setdefault("limits", LIMITS)
    return client.module.operate(point, url, "CP_1", store=store, act=act, **options)


@contextmanager
def operated(
    client: Any,
    url: str,
    act: Act,
    store: MemoryStore | None = None,
    point: cp.ChargePoint | None = None,
    **options: Any,
) -> Iterator[Operated]:
    store = store or MemoryStore()
    point = point or a_charge_point(store)
    operating = operate(client, point, url, store, act, **options)
    if isinstance(client, SyncAdapter):
        with ThreadPoolExecutor() as threads, operating as running:
            yield Operated(threads.submit, running, point)
    else:
        with client.loop() as portal, portal.wrap_async_context_manager(operating) as running:
            yield Operated(portal.start_task_soon, running, point)


@contextmanager
def both(
    client: Adapter, server: Adapter, *, interval: int = 300, limits: Limits = LIMITS
) -> Iterator[tuple[Operated, Host, ServerEnd, Host, Door, Tap]]:
    """A charge point and a central system, with a door between them."""
    at_station, at_centre, tap, store = Host(), Host(), Tap(), MemoryStore()
    role = a_central_system(store, registration=lambda *_: cs.Verdict(interval=interval))
    with (
        server.serve(playing(role, store, at_centre)) as served,
        door_to(served.port) as (url, door),
        operated(client, url, at_station, tap=tap, limits=limits) as station,
    ):
        yield station, at_station, served, at_centre, door, tap


def ask(served: ServerEnd, identity: str, request: Any, **options: Any) -> Any:
    return served.do(partial(served.server.call, identity, request, **options))


# -- a charge point and a central system --


@on_client
@on_server
def test_a_charge_point_boots_gives_signs_of_life_and_is_asked(client: Adapter, server: Adapter) -> None:
    with both(client, server) as (_, at_station, served, at_centre, _, tap):
        assert at_station.wait_for(RegistrationChanged).status is v16.RegistrationStatus.ACCEPTED
        assert at_centre.wait_for(StationBooted).identity == "CP_1"
        beat = v16.TriggerMessageRequest(requested_message=v16.MessageTrigger.HEARTBEAT)
        assert ask(served, "CP_1", beat).status is v16.TriggerMessageStatus.ACCEPTED
        tap.wait_for("Heartbeat")
        with pytest.raises(CallRefused, match="NotSupported"):
            ask(served, "CP_1", v16.GetLocalListVersionRequest())
    assert at_centre.of(StationConnected, StationDisconnected) == [
        StationConnected("CP_1"),
        StationDisconnected("CP_1"),
    ]


@on_client
def test_a_charge_point_that_is_idle_gives_a_sign_of_life_cp16_020(client: Adapter) -> None:
    with both(client, client, interval=1) as (_, _, _, _, _, tap):
        tap.wait_for("Heartbeat")


@on_client
def test_a_link_that_is_lost_is_made_again_without_another_boot_rpc_124(client: Adapter) -> None:
    with both(client, client) as (_, at_station, _, at_centre, door, tap):
        at_station.wait_for(RegistrationChanged)
        for number in (1, 2):
            door.shut()
            at_centre.wait_for(StationDisconnected, number)
            door.open()
            at_centre.wait_for(StationConnected, number + 1)
    assert tap.calls.count("BootNotification") == len(at_station.of(RegistrationChanged)) == 1


@on_client
def test_a_charge_point_runs_before_there_is_a_central_system(client: Adapter, log: queue.Queue[str]) -> None:
    host, store = Host(), MemoryStore()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with operated(client, f"ws://127.0.0.1:{port}/", host) as station:
        assert log.get(timeout=PATIENCE).startswith("'CP_1': no connection: ")
        assert station.tell(lambda **_: station.point.registration) is None
        with ocpp_transports.sync.serve(playing(a_central_system(store), store, Host()), port=port):
            host.wait_for(RegistrationChanged)


@on_client
def test_a_refusal_is_not_the_last_word(client: Adapter, log: queue.Queue[str]) -> None:
    host, store = Host(), MemoryStore()
    welcome = threading.Event()
    csms = playing(
        a_central_system(store), store, Host(), authenticate=lambda _: welcome.is_set() or HTTPStatus.NOT_FOUND
    )
    with (
        ocpp_transports.sync.serve(csms, port=0) as server,
        operated(client, f"ws://127.0.0.1:{server.port}/", host),
    ):
        while "'CP_1': no connection: HTTP 404: Not Found; " not in log.get(timeout=PATIENCE):
            pass
        welcome.set()
        host.wait_for(RegistrationChanged)


@on_server
def test_after_a_restart_the_central_system_knows_whom_it_had_accepted(server: Adapter) -> None:
    store, host, again = MemoryStore(), Host(), Host()
    with server.serve(playing(a_central_system(store), store, host)) as served:
        port = served.port
        with operated(server, served.url, Host()):
            host.wait_for(StationBooted)
    with server.serve(playing(a_central_system(store), store, again)) as served, raw_client(served.port) as peer:
        peer.send('[2,"1","Heartbeat",{}]')
        assert peer.receive_text().startswith('[3,"1",')
    assert port
    assert not again.of(StationBooted)


# -- a transaction --


class Hardware(Host):
    """A host that does what it is asked to: it locks and unlocks, and reads a meter that turns with each look."""

    def __init__(self, store: MemoryStore, meter: int = 1000) -> None:
        super().__init__(self.operate)
        self.store = store
        self.meter = meter
        self.point = a_charge_point(store)

    def operate(self, running: Any, effect: Any) -> None:
        match effect:
            case LockConnector(connector=connector):
                running.do(self.point.locked, connector, True)
            case UnlockConnector(connector=connector):
                running.do(self.point.unlocked, connector, True)
            case TakeReading(ticket=ticket):
                self.meter += 100
                running.do(self.point.reading, ticket, (), self.meter)


@on_client
@on_server
def test_a_transaction_outlives_its_link_and_is_delivered_in_order_d_01_d_10(client: Adapter, server: Adapter) -> None:
    records, at_centre, tap = MemoryStore(), Host(), Tap()
    role = a_central_system(records)
    role.authorisation.add(cs.IdTag("TAG"))
    hardware = Hardware(MemoryStore())
    with (
        server.serve(playing(role, records, at_centre)) as served,
        door_to(served.port) as (url, door),
        operated(client, url, hardware, hardware.store, hardware.point, tap=tap) as station,
    ):
        hardware.wait_for(RegistrationChanged)
        station.tell(station.point.plug_in, 1)
        station.tell(station.point.present, "TAG", 1)
        hardware.wait_for(StartEnergy)
        begun = at_centre.wait_for(TransactionStarted).transaction
        door.shut()
        at_centre.wait_for(StationDisconnected)
        station.tell(station.point.stop, 1)
        ended = hardware.wait_for(TransactionEnded)
        assert not at_centre.of(TransactionStopped)
        door.open()
        stopped = at_centre.wait_for(TransactionStopped).transaction
    assert stopped.transaction_id == begun.transaction_id
    assert (stopped.meter_start, stopped.stop.meter_stop) == (begun.meter_start, ended.meter_stop)
    assert not at_centre.of(LedgerAnomaly)
    told = [action for action in tap.calls if action.endswith("Transaction")]
    assert list(dict.fromkeys(told)) == ["StartTransaction", "StopTransaction"]


@on_client
def test_what_was_not_delivered_before_the_power_was_lost_is_delivered_after_d_03(client: Adapter) -> None:
    records, at_centre = MemoryStore(), Host()
    role = a_central_system(records)
    role.authorisation.add(cs.IdTag("TAG"))
    before = Hardware(MemoryStore())
    with ocpp_transports.sync.serve(playing(role, records, at_centre), port=0) as server:
        with door_to(server.port) as (url, door), operated(client, url, before, before.store, before.point) as station:
            before.wait_for(RegistrationChanged)
            station.tell(station.point.plug_in, 1)
            station.tell(station.point.present, "TAG", 1)
            before.wait_for(StartEnergy)
            begun = at_centre.wait_for(TransactionStarted).transaction
            door.shut()
            at_centre.wait_for(StationDisconnected)
            station.tell(station.point.power_failing)
            before.wait_for(TransactionEnded)
        after = Hardware(before.store, before.meter)
        with operated(client, f"ws://127.0.0.1:{server.port}/", after, after.store, after.point):
            stopped = at_centre.wait_for(TransactionStopped).transaction
    assert stopped.transaction_id == begun.transaction_id
    assert stopped.stop.reason is v16.Reason.POWER_LOSS
    assert [effect.transaction.transaction_id for effect in at_centre.of(TransactionStopped)] == [1]


@on_client
def test_nothing_is_said_before_it_is_kept_d_09(client: Adapter) -> None:
    records, at_centre, tap = MemoryStore(), Host(), Tap()
    role = a_central_system(records)
    role.authorisation.add(cs.IdTag("TAG"))
    store = FlakyStore()
    hardware = Hardware(store)
    with (
        ocpp_transports.sync.serve(playing(role, records, at_centre), port=0) as server,
        operated(client, f"ws://127.0.0.1:{server.port}/", hardware, store, hardware.point, tap=tap) as station,
    ):
        hardware.wait_for(RegistrationChanged)
        station.tell(station.point.plug_in, 1)
        store.failures = [StoreError("the disk is full")]
        station.tell(station.point.present, "TAG", 1)
        assert str(hardware.wait_for(StoreFailed).error) == "the disk is full"
        assert "StartTransaction" not in tap.calls
        hardware.wait_for(StartEnergy)
        at_centre.wait_for(TransactionStarted)


@on_server
def test_a_central_system_starts_and_stops_a_transaction_cs16_020(server: Adapter) -> None:
    records, at_centre = MemoryStore(), Host()
    role = a_central_system(records)
    role.authorisation.add(cs.IdTag("TAG"))
    hardware = Hardware(MemoryStore())
    with (
        server.serve(playing(role, records, at_centre)) as served,
        operated(server, served.url, hardware, hardware.store, hardware.point) as station,
    ):
        at_centre.wait_for(StationBooted)
        station.tell(station.point.plug_in, 1)
        start = v16.RemoteStartTransactionRequest(id_tag="TAG", connector_id=1)
        assert ask(served, "CP_1", start).status is v16.RemoteStartStopStatus.ACCEPTED
        transaction = at_centre.wait_for(TransactionStarted).transaction
        stop = v16.RemoteStopTransactionRequest(transaction_id=transaction.transaction_id)
        assert ask(served, "CP_1", stop).status is v16.RemoteStartStopStatus.ACCEPTED
        assert at_centre.wait_for(TransactionStopped).transaction.stop.reason is v16.Reason.REMOTE


# -- commands --


@on_server
def test_a_command_waits_for_a_station_for_as_long_as_it_is_told(server: Adapter) -> None:
    store, host = MemoryStore(), Host()
    with server.serve(playing(a_central_system(store), store, host)) as served:
        with pytest.raises(ConnectionLost):
            ask(served, "CP_1", TRIGGER)
        with pytest.raises(server.module.CallExpired, match="in time"):
            ask(served, "CP_1", TRIGGER, expires_in=0.01)
        with pytest.raises(LocalProtocolError, match="has not booted"):
            ask(served, "CP_1", RESET)
        waiting = served.start_work(partial(served.server.call, "CP_1", TRIGGER, expires_in=PATIENCE))
        with raw_client(served.port) as peer:
            message_id = decode(peer.receive_text()).message_id  # type: ignore[union-attr]
            peer.send(f'[3,"{message_id}",{{"status":"Accepted"}}]')
            assert waiting.result(PATIENCE).status is v16.TriggerMessageStatus.ACCEPTED
    assert len(host.of(CommandFailed)) == 1


@on_server
def test_who_still_waits_at_the_end_is_told(server: Adapter) -> None:
    store = MemoryStore()
    with server.serve(playing(a_central_system(store), store, Host())) as served, raw_client(served.port) as peer:
        asked = served.start_work(partial(served.server.call, "CP_1", TRIGGER))
        waiting = served.start_work(partial(served.server.call, "CP_2", TRIGGER, expires_in=PATIENCE))
        assert "TriggerMessage" in peer.receive_text()
        peer.reset()
        with pytest.raises(ConnectionLost):
            asked.result(PATIENCE)
    with pytest.raises(ConnectionLost):
        waiting.result(PATIENCE)


def test_the_thread_of_a_role_does_not_wait_for_itself() -> None:
    told: queue.Queue[Any] = queue.Queue()

    def call(running: Any, effect: Any) -> None:
        try:
            told.put(served.server.call("CP_1", TRIGGER, expires_in=PATIENCE))
        except LocalProtocolError as error:
            told.put(error)

    store = MemoryStore()
    with ADAPTERS[2].serve(playing(a_central_system(store), store, call)) as served, raw_client(served.port):
        assert "cannot wait for it" in str(told.get(timeout=PATIENCE))


# -- the host --


class Puppet:
    """A role that does what it is told to."""

    def __init__(self) -> None:
        self.effects: deque[Any] = deque()
        self.due = math.inf
        self.timeouts = 0

    def say(self, *effects: Any, now: float) -> int:
        self.effects.extend(effects)
        return len(effects)

    def say_later(self, seconds: float, *, now: float) -> None:
        self.due = now + seconds

    def refuse(self, *, now: float) -> None:
        raise LocalProtocolError("misused")

    def next_event(self) -> Any:
        return self.effects.popleft() if self.effects else None

    def next_timeout(self) -> float | None:
        return None if self.due == math.inf else self.due

    def handle_timeout(self, *, now: float) -> None:
        if now >= self.due:
            self.due = math.inf
            self.effects.append("later")

    def persisted(self, *, now: float) -> None:
        self.effects.append("kept")

    def persist_failed(self, error: Exception, *, now: float) -> None:
        self.effects.append(error)

    def link_up(self, link: Any, *, now: float) -> None:
        raise AssertionError("nobody is there")

    def link_down(self, *, now: float) -> None:
        raise AssertionError("nobody is there")

    def receive_event(self, event: Any, *, now: float) -> None:
        raise AssertionError("nobody is there")


@contextmanager
def alone(client: Adapter, act: Act, store: MemoryStore | None = None) -> Iterator[Operated]:
    """A role that is run, and no central system."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    puppet: Any = Puppet()
    patient = Backoff(minimum=2 * PATIENCE)
    with operated(client, f"ws://127.0.0.1:{port}/", act, store, puppet, backoff=patient) as station:
        yield station


@on_client
def test_a_verb_returns_what_the_role_says_or_raises(client: Adapter) -> None:
    host = Host()
    with alone(client, host) as station:
        assert station.tell(station.point.say, "one", "two") == 2
        with pytest.raises(LocalProtocolError, match="misused"):
            station.tell(station.point.refuse)
        host.wait_for(str, 2)
        running = station.running
        if isinstance(client, AsyncAdapter):
            with pytest.raises(LocalProtocolError, match="another thread"):
                running.do(station.point.say, "from elsewhere")
    assert host.seen == ["one", "two"]
    with pytest.raises(LocalProtocolError, match="not being run"):
        running.do(station.point.say, "three")


@on_client
def test_a_deadline_of_the_role_is_kept_without_a_connection(client: Adapter) -> None:
    host = Host()
    with alone(client, host) as station:
        station.tell(station.point.say_later, 1000.0)
        station.tell(station.point.say_later, 0.01)
        assert host.wait_for(str) == "later"


@on_client
def test_a_host_may_use_a_verb_while_it_acts_and_is_told_what_follows_after_that(client: Adapter) -> None:
    log: list[str] = []

    def act(running: Any, effect: Any) -> None:
        log.append(f"{effect} begins")
        if effect == "one":
            running.do(station.point.say, "two")
        log.append(f"{effect} ends")
        if effect == "two":
            done.set()

    done = threading.Event()
    with alone(client, act) as station:
        station.tell(station.point.say, "one")
        assert done.wait(PATIENCE)
    assert log == ["one begins", "one ends", "two begins", "two ends"]


@on_client
def test_a_host_that_fails_is_in_the_log_and_is_told_the_next_effect(client: Adapter, log: queue.Queue[str]) -> None:
    def fail(running: Any, effect: Any) -> None:
        raise RuntimeError("secret")

    host = Host(fail)
    with alone(client, host) as station:
        log.get(timeout=PATIENCE)  # there is no connection
        station.tell(station.point.say, "one", "two")
        host.wait_for(str, 2)
        assert [log.get(timeout=PATIENCE) for _ in range(2)] == ["the host failed to act on str"] * 2


@pytest.mark.parametrize("client", [ADAPTERS[0], ADAPTERS[3]], ids=str)
def test_a_host_that_is_cancelled_by_what_it_waits_for_is_told_the_next_effect_f_12(
    client: Adapter, log: queue.Queue[str]
) -> None:
    async def wait_for_what_was_cancelled(running: Any, effect: Any) -> None:
        task = asyncio.get_running_loop().create_task(asyncio.Event().wait())
        task.cancel()
        host(running, effect)
        await task

    host = Host()
    with alone(client, wait_for_what_was_cancelled) as station:
        log.get(timeout=PATIENCE)  # there is no connection
        station.tell(station.point.say, "one", "two")
        host.wait_for(str, 2)
        assert [log.get(timeout=PATIENCE) for _ in range(2)] == ["the host failed to act on str"] * 2


def test_a_host_that_leaves_its_thread_is_told_the_next_effect_f_12(log: queue.Queue[str]) -> None:
    def leave(running: Any, effect: Any) -> None:
        raise SystemExit

    host = Host(leave)
    with alone(ADAPTERS[2], host) as station:
        log.get(timeout=PATIENCE)  # there is no connection
        station.tell(station.point.say, "one", "two")
        host.wait_for(str, 2)
        assert [log.get(timeout=PATIENCE) for _ in range(2)] == ["the host failed to act on str"] * 2


def test_whatever_a_verb_raises_is_for_the_thread_that_asked_f_12() -> None:
    def leave(*, now: float) -> None:
        raise SystemExit

    host = Host()
    with alone(ADAPTERS[2], host) as station:
        with pytest.raises(SystemExit):
            station.tell(leave)
        station.tell(station.point.say, "one")
        assert host.wait_for(str) == "one"


class _Flood(Runner):
    """Each thing that comes in brings another one with it, as those of a peer at line rate do."""

    def __init__(self, part: Part[Any]) -> None:
        super().__init__(part, LIMITS)
        self.left = 100

    def flood(self) -> None:
        self.left -= 1
        if self.left:
            self.post(self.flood)

    def wake(self) -> None:
        pass

    spawn = link_up = link_down = receive = wake  # type: ignore[assignment]  # nobody asks for them


def test_a_flood_does_not_put_off_what_is_due_f_122() -> None:
    seen: list[tuple[str, int]] = []

    class Role:
        def handle_timeout(self, *, now: float) -> None:
            seen.append(("timeout", runner.left))

        def next_event(self) -> None:
            seen.append(("drain", runner.left))

    role: Any = Role()
    runner = _Flood(Part(role, MemoryStore(), lambda *_: None))
    runner.post(runner.flood)
    runner.turn()
    assert seen == [each for left in range(100) for each in (("timeout", 100 - left), ("drain", 99 - left))]


@on_client
def test_a_store_that_fails_in_a_way_of_its_own_has_failed_d_09(client: Adapter) -> None:
    host, store = Host(), FlakyStore()
    store.failures = [RuntimeError("broken")]
    with alone(client, host, store) as station:
        station.tell(station.point.say, Persist(()), "one", Persist(()))
        assert host.wait_for(str, 2) == "kept"
    assert [str(effect) for effect in host.seen] == ["one", "broken", "kept"]


@pytest.mark.parametrize("client", [each for each in ADAPTERS if not isinstance(each, SyncAdapter)], ids=repr)
def test_an_async_host_acts_on_one_effect_after_the_other(client: Any, log: queue.Queue[str]) -> None:
    sleep = {"asyncio": asyncio.sleep, "trio": trio.sleep}[client.backend]
    seen: list[str] = []
    done = threading.Event()

    async def act(running: Any, effect: Any) -> None:
        seen.append(f"{effect} begins")
        await sleep(0.01 if effect == "one" else 0)
        seen.append(f"{effect} ends")
        if effect == "two":
            raise RuntimeError("secret")
        if effect == "three":
            done.set()

    with alone(client, act) as station:
        log.get(timeout=PATIENCE)  # there is no connection
        station.tell(station.point.say, "one", "two", "three")
        assert done.wait(PATIENCE)
        assert log.get(timeout=PATIENCE) == "the host failed to act on str"
    assert seen == [f"{number} {what}" for number in ("one", "two", "three") for what in ("begins", "ends")]


@pytest.mark.parametrize("client", [each for each in ADAPTERS if not isinstance(each, SyncAdapter)], ids=repr)
def test_an_async_host_comes_to_its_end_when_the_block_does(client: Any) -> None:
    sleep = {"asyncio": asyncio.sleep, "trio": trio.sleep}[client.backend]
    seen: list[str] = []

    async def act(running: Any, effect: Any) -> None:
        await sleep(0.01)
        seen.append(effect)

    with alone(client, act) as station:
        station.tell(station.point.say, "one", "two")
    assert seen == ["one", "two"]


@on_server
def test_a_host_that_does_not_keep_up_is_brought_nothing_more_and_misses_nothing_f_123(
    server: Adapter, log: queue.Queue[str]
) -> None:
    store, gate, told = MemoryStore(), Gate(), list[Any]()
    act = server.gated(gate, lambda _, effect: told.append(effect))
    csms = playing(a_central_system(store), store, act, limits=Limits(close_timeout=3, max_waiting_effects=3))
    boot = '[2,"{}","BootNotification",{{"chargePointVendor":"Vendor","chargePointModel":"Model"}}]'
    with server.serve(csms) as served:
        with raw_client(served.port) as peer:
            assert isinstance(gate.arrived.get(timeout=PATIENCE), StationConnected)  # and there the host is stuck
            for number in range(5):
                peer.send(boot.format(number))
                if number < 4 and not isinstance(server, SyncAdapter):  # there the role is stuck as well
                    assert f'"{number}"' in peer.receive_text()
            assert peer.receive_code() == 1013
        with raw_client(served.port, "CP_2") as peer:
            assert peer.receive_code() == 1013
        assert (
            log.get(timeout=PATIENCE) == "more than 3 effects and events wait; the host is acting on StationConnected"
        )
        assert not told
        gate.open()
        assert log.get(timeout=PATIENCE) == "the host has caught up"
        with raw_client(served.port) as peer:
            peer.send(boot.format("again"))
            assert '"again"' in peer.receive_text()
    kinds = [StationConnected, *[StationBooted] * 4, StationDisconnected]
    assert [type(effect) for effect in told] == [*kinds, StationConnected, StationBooted, StationDisconnected]
    assert {effect.identity for effect in told} == {"CP_1"}


def test_without_an_event_loop_an_async_host_is_a_fault(log: queue.Queue[str]) -> None:
    async def act(running: Any, effect: Any) -> None:
        await asyncio.sleep(0)

    with alone(ADAPTERS[2], act) as station:
        log.get(timeout=PATIENCE)  # there is no connection
        station.tell(station.point.say, "one")
        assert log.get(timeout=PATIENCE) == "the host failed to act on str"


# -- what is not a role's --


@on_server
def test_stations_of_other_versions_are_the_handlers(server: Adapter) -> None:
    store, host = MemoryStore(), Host()
    csms = playing(a_central_system(store), store, host, versions=["2.0.1", "1.6"])

    @csms.on(v201.BootNotificationRequest)
    def boot(*_: object) -> v201.BootNotificationResponse:
        now = datetime.now(UTC)
        return v201.BootNotificationResponse(current_time=now, interval=7, status=v201.RegistrationStatus.ACCEPTED)

    with server.serve(csms) as served, raw_client(served.port, version="2.0.1") as peer:
        station = '{"vendorName":"Vendor","model":"Model"}'
        peer.send(f'[2,"1","BootNotification",{{"reason":"PowerUp","chargingStation":{station}}}]')
        assert '"interval":7' in peer.receive_text()
    assert not host.seen


@on_server
def test_a_role_is_run_in_one_place_at_a_time_and_then_in_another(server: Adapter) -> None:
    store, host = MemoryStore(), Host()
    csms = playing(a_central_system(store), store, host)
    with pytest.raises(ValueError, match="already"):
        csms.play(a_central_system(store), store=store, act=host)
    with server.serve(csms), pytest.raises(LocalProtocolError, match="is being"), server.serve(csms):
        pass
    with server.serve(csms) as served, raw_client(served.port):
        assert host.wait_for(StationConnected).identity == "CP_1"


@on_server
def test_a_central_system_without_a_role_has_none_to_tell(server: Adapter) -> None:
    csms = CentralSystem(limits=LIMITS)
    csms.authenticate(lambda _: True)
    with server.serve(csms) as served:
        with pytest.raises(LocalProtocolError, match="no role"):
            ask(served, "CP_1", TRIGGER)
        with pytest.raises(LocalProtocolError, match="no role"):
            served.do(partial(served.server.do, print))


@on_client
def test_what_is_wrong_with_the_arguments_is_said_at_once(client: Adapter) -> None:
    store = MemoryStore()
    with pytest.raises(ValueError, match="expected a URL"), operated(client, "http://127.0.0.1/", Host(), store):
        pass


# -- cut short --


def test_an_operation_that_is_cancelled_at_any_step_leaves_nothing_behind_asyncio() -> None:
    async def operate(url: str, point: cp.ChargePoint, store: MemoryStore) -> None:
        async with on_asyncio.operate(point, url, "CP_1", store=store, act=Host(), limits=LIMITS):
            await asyncio.sleep(PATIENCE)

    async def main(url: str) -> None:
        for steps in range(30):
            store = MemoryStore()
            task = asyncio.create_task(operate(url, a_charge_point(store), store))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
        assert len(asyncio.all_tasks()) == 1

    store = MemoryStore()
    with ocpp_transports.sync.serve(playing(a_central_system(store), store, Host()), port=0) as server:
        asyncio.run(main(f"ws://127.0.0.1:{server.port}/"))


def test_an_operation_that_is_cancelled_at_any_step_leaves_nothing_behind_trio() -> None:
    async def main(url: str) -> None:
        for steps in range(30):
            store = MemoryStore()
            with trio.CancelScope() as scope:
                async with on_trio.operate(a_charge_point(store), url, "CP_1", store=store, act=Host(), limits=LIMITS):
                    for _ in range(steps):
                        await trio.lowlevel.checkpoint()
                    scope.cancel()
                    await trio.sleep_forever()
            assert scope.cancelled_caught

    store = MemoryStore()
    with ocpp_transports.sync.serve(playing(a_central_system(store), store, Host()), port=0) as server:
        trio.run(main, f"ws://127.0.0.1:{server.port}/")


@on_client
def test_what_ends_the_block_comes_out_as_it_is(client: Adapter) -> None:
    with both(client, client) as (station, at_station, served, _, _, _):
        at_station.wait_for(RegistrationChanged)

        class Unforeseen(Exception):
            pass

        def another() -> Any:
            store = MemoryStore()
            return operate(client, a_charge_point(store), served.url, store, Host())

        def fail() -> None:
            with another():
                raise Unforeseen

        async def fail_in_loop() -> None:
            async with another():
                raise Unforeseen

        with pytest.raises(Unforeseen):
            station.do(fail if isinstance(client, SyncAdapter) else fail_in_loop)
