"""The whole: one step, one batch, and what its driver sees."""

from __future__ import annotations

import itertools

import pytest

from ocpp_sansio import LocalProtocolError, v16
from ocpp_sansio.central_system import CentralSystem, StationBooted, TransactionStarted
from ocpp_sansio.machine import StoreFailed
from ocpp_sansio.store import Persist, StoreError
from tests.central_system.world import BOOT, START, Station, World, begin


def test_whoever_boots_is_taken_on_with_a_heartbeat_every_300_seconds_unless_there_is_a_policy() -> None:
    answer = World().station(boot=False).boot()
    assert (answer.status, answer.interval) == (v16.RegistrationStatus.ACCEPTED, 300)


def test_one_step_is_one_batch_and_it_comes_before_what_it_is_about() -> None:
    world = World()
    station = world.station()
    station.ask(begin())
    station.far.call(begin(seconds=1), now=0)  # supersedes: two entries change, in one batch
    station.move()
    event = station.link.next_event()
    assert event is not None
    world.system.receive_event("CP1", station.link, event, now=0)
    batch = world.system.next_event()
    assert isinstance(batch, Persist)
    assert [(change.topic, change.key) for change in batch.changes] == [
        ("transaction", "1000"),
        ("transaction", "1001"),
    ]
    assert world.system.next_event() is None
    assert station.link.data_to_send() == []
    world.system.persisted(now=0)
    world.drain()
    assert [name for name in world.names() if name != "TransactionStarted"] == ["LedgerAnomaly"]
    assert len(station.link.data_to_send()) == 1


def test_d09_a_store_that_fails_is_told_and_tried_again() -> None:
    world = World()
    world.failing = True
    station = world.station(boot=False)
    station.send(BOOT)
    (failed,) = world.told(StoreFailed)
    assert failed.retry_in == 1
    assert world.system.next_timeout() == 1
    world.failing = False
    world.wait(1)
    assert len(world.told(StationBooted)) == 1


def test_without_a_batch_there_is_nothing_to_confirm() -> None:
    system = World().system
    with pytest.raises(LocalProtocolError):
        system.persisted(now=0)
    with pytest.raises(LocalProtocolError):
        system.persist_failed(StoreError("no"), now=0)


def test_a_system_that_nobody_has_met_waits_for_nothing() -> None:
    system = CentralSystem(now=0, utc=START, transaction_ids=lambda: 1)
    assert system.next_event() is None
    assert system.next_timeout() is None
    system.handle_timeout(now=1)
    assert system.next_event() is None


def test_a_command_in_reaction_to_a_start_goes_out_after_the_answer_to_it() -> None:
    """CS16-044: whoever wants to send a profile looks at the time of the start first."""
    world = World()
    station = world.station()
    station.far.call(begin(), now=0)
    station.move()
    event = station.link.next_event()
    assert event is not None
    world.system.receive_event("CP1", station.link, event, now=0)
    while (effect := world.system.next_event()) is not None:
        if isinstance(effect, Persist):
            world.system.persisted(now=0)
        elif isinstance(effect, TransactionStarted):
            world.system.call("CP1", v16.ClearCacheRequest(), now=0)
    assert [text[:2] for text in station.link.data_to_send()] == ["[3", "[2"]


def test_two_systems_with_the_same_input_do_the_same() -> None:
    def run() -> list[object]:
        world = World(ids=itertools.count(1).__next__)
        station = Station(world, "CP1")
        station.boot()
        station.ask(begin())
        world.wait(5000)
        return world.effects

    assert run() == run()
