"""What was kept from an earlier life, as a disk gives it back: the records of a store, and messages on record.

The first line says whose it is: ``P`` a charge point's, ``C`` a central system's; each other one is a record: topic,
key and value, with tabs between them. ``R``: all the rest is the file of a recorder.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

import attrs

from ocpp_sansio import CallFailure, CallTimedOut
from ocpp_sansio.central_system import (
    CentralSystem,
    Ledger,
    Registration,
    Registrations,
    Stop,
    Transaction,
    UnmatchedStop,
)
from ocpp_sansio.messages import Request, Response
from ocpp_sansio.store import MemoryStore, Persist, Put, pack
from ocpp_sansio.v16 import (
    AuthorizationStatus,
    AvailabilityType,
    BootNotificationRequest,
    BootNotificationResponse,
    ChangeAvailabilityRequest,
    ChangeConfigurationRequest,
    IdTagInfo,
    RegistrationStatus,
)
from ocpp_transports.recording import Recorded, read
from tests.charge_point.harness import BOOT, EPOCH
from tests.charge_point.station import Station, two

HOUR = 3600.0
MAX_ANSWERS = 20
ACCEPTED = BootNotificationResponse(current_time=EPOCH, interval=300, status=RegistrationStatus.ACCEPTED)


def run(data: bytes) -> None:
    whose, _, rest = data.partition(b"\n")
    if whose == b"R":
        _read_recording(rest)
        return
    rows = [line.split(b"\t", 2) for line in rest.split(b"\n")]
    store = MemoryStore(
        Put(row[0].decode("latin-1"), row[1].decode("latin-1"), row[2]) for row in rows if len(row) == 3
    )
    if whose == b"C":
        _start_central_system(store)
    else:
        _start_charge_point(store)


def _start_charge_point(store: MemoryStore) -> None:
    """It boots, and serves, whatever it finds (D-21, F-142)."""
    station = Station(two(), records=store.load())
    link = station.connect()
    for _ in range(MAX_ANSWERS):
        if station.unanswered:
            request = station.unanswered[0].request
            is_boot = isinstance(request, BootNotificationRequest)
            station.answer(ACCEPTED if is_boot else _answer(station, request))
    station.do("plug_in", 1)
    station.do("present", "TAG", 1)
    station.wait(HOUR)
    assert link.sent
    station.reboot()


def _answer(station: Station, request: Request[Any]) -> Response | CallFailure:
    try:
        return station.proper_answer(request)
    except KeyError:
        return CallTimedOut(30.0)


def _start_central_system(store: MemoryStore) -> None:
    system = CentralSystem(now=0.0, utc=EPOCH, transaction_ids=lambda *_: 1, records=store.load())
    while (effect := system.next_event()) is not None:
        if isinstance(effect, Persist):
            store.commit(effect.changes)
            system.persisted(now=0.0)
    system.handle_timeout(now=HOUR)


def _read_recording(content: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        file.write(content)
        file.flush()
        try:
            found = list(read(file.name))
        except ValueError:
            return
        assert all(isinstance(each, Recorded) for each in found)


# -- seeds --


def _registration() -> Registration:
    status = RegistrationStatus.ACCEPTED
    return Registration(identity="CP1", request=BOOT, status=status, interval=300, booted_at=EPOCH)


def _snapshot(whose: bytes, store: MemoryStore) -> bytes:
    rows = (b"\t".join([put.topic.encode(), put.key.encode(), put.value]) for put in store.load())
    return b"\n".join([whose, *rows])


def seeds() -> Iterator[bytes]:
    station = Station(two())
    station.online()
    for act in (
        lambda: station.ask(ChangeAvailabilityRequest(connector_id=2, type=AvailabilityType.INOPERATIVE)),
        lambda: station.ask(ChangeConfigurationRequest(key="HeartbeatInterval", value="7")),
        station.charge,
        station.disconnect,
        lambda: station.wait(100.0),
        lambda: station.do("stop", 1),
        lambda: station.do("unplug", 1),
    ):
        act()
        yield _snapshot(b"P", station.store)
    for kept in station.store.load():
        for value in (b"?", b"null", b"-1", kept.value.replace(b"1", b"99999999999")):
            yield _snapshot(b"P", MemoryStore([Put(kept.topic, kept.key, value)]))
    stop = Stop(meter_stop=500, timestamp=EPOCH, reason="Local", id_tag="TAG", recorded_at=EPOCH)
    running = Transaction(
        transaction_id=7,
        identity="CP1",
        connector_id=1,
        id_tag="TAG",
        id_tag_info=IdTagInfo(status=AuthorizationStatus.ACCEPTED),
        meter_start=100,
        timestamp=EPOCH,
        reservation_id=None,
        recorded_at=EPOCH,
    )
    ended = attrs.evolve(running, transaction_id=8, stop=stop)
    unmatched = UnmatchedStop(identity="CP1", transaction_id=9, stop=stop)
    rows = [
        Put(Registrations.TOPIC, "CP1", pack(_registration())),
        *(Put(Ledger.TRANSACTIONS, str(each.transaction_id), pack(each)) for each in (running, ended)),
        Put(Ledger.UNMATCHED, "k", pack(unmatched)),
    ]
    yield from (_snapshot(b"C", MemoryStore(rows[: count + 1])) for count in range(len(rows)))
    line = b'{"time":"2026-01-01T00:00:00.000Z","identity":"CP1","version":"1.6","direction":"in","text":"[]"}\n'
    for content in (line, line * 2, line + line[:20], b"\0" * 8 + line, b"no\n", line.replace(b"in", b"up")):
        yield b"R\n" + content
