"""What a store on a disk is for: nothing that it acknowledged is gone after a crash, whenever that comes (D-01…D-03).

Every write to the disk is recorded, and at each of them the power is lost in four ways. The process is killed in a
way of its own, for real, at the end.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

import attrs
import pytest

from ocpp_sansio.store import MemoryStore, Put, StoreError
from ocpp_transports.store import SqliteStore
from tests.transports import doomed_process
from tests.transports.doomed_process import batches, some_changes

apsw = pytest.importorskip("apsw", reason="there is no wheel of it for this interpreter")

from tests.transports.recorded_disk import CarelessStore, Disk, Image, Moment, PiecemealStore, RecordedStore  # noqa: E402 - needs apsw

pytestmark = pytest.mark.once

IMAGES = 20_000
"""As many different disks are looked at, at least."""
KILLS = 120
NAME = "station.db"


@pytest.fixture
def room() -> Iterator[Path]:
    """A directory in memory, where there is one: what the disk would lose is made up anyway."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


# -- histories of a store --


@attrs.define
class History:
    """What a store was told, and what it had done on the disk by then."""

    disk: Disk
    states: list[list[Put]]
    """What there was to be kept at first, and after each batch."""
    begun: list[int] = attrs.field(factory=list)
    """For each batch, how much had been done on the disk when it was handed over,"""
    acknowledged: list[int] = attrs.field(factory=list)
    """and when it was acknowledged."""

    def allowed(self, done: int) -> list[list[Put]]:
        """What may be found after that much."""
        first = sum(mark <= done for mark in self.acknowledged)
        last = sum(mark < done for mark in self.begun)
        return self.states[first : max(first, last) + 1]


def lived(
    kind: type[RecordedStore], directory: Path, before: Image, kept: Sequence[Put], rng: random.Random
) -> History:
    """Let a store live for a while, on the disk that a crash may have left."""
    directory.mkdir()
    for name, content in before.items():
        (directory / name).write_bytes(content)
    disk = Disk(directory)
    setup = (
        f"PRAGMA page_size = {rng.choice((512, 1024, 4096))}",
        f"PRAGMA wal_autocheckpoint = {rng.choice((3, 8, 30))}",
    )
    expected = MemoryStore(kept)
    history = History(disk, [list(kept)])
    store = kind(directory / NAME, disk, *setup)
    assert store.load() == expected.load()
    for _ in range(rng.randint(4, 10)):
        match rng.random():
            case draw if draw < 0.15:
                store.compact()
            case draw if draw < 0.3:
                store.close()
                store = kind(directory / NAME, disk, *setup)
            case _:
                changes = some_changes(rng)
                history.begun.append(len(disk.operations))
                store.commit(changes)
                expected.commit(changes)
                history.states.append(expected.load())
                history.acknowledged.append(len(disk.operations))
    store.close()
    return history


# -- what is found after a crash --


@attrs.define
class Recovery:
    """Opens disks after a crash, each of them once."""

    room: Path
    found: dict[bytes, list[Put] | None] = attrs.field(factory=dict)

    def __call__(self, image: Image) -> list[Put] | None:
        """What the store of the standard library's SQLite makes of a disk; ``None`` if it thinks it is damaged."""
        mark = blake2b(repr(sorted(image)).encode())
        for name in sorted(image):
            mark.update(blake2b(image[name]).digest())
        digest = mark.digest()
        if digest not in self.found:
            with tempfile.TemporaryDirectory(dir=self.room) as directory:
                for name, content in image.items():
                    Path(directory, name).write_bytes(content)
                with SqliteStore(Path(directory, NAME)) as store:
                    self.found[digest] = store.load() if store.quarantined is None else None
        return self.found[digest]


def crashes(moment: Moment, rng: random.Random) -> Iterator[tuple[str, Image]]:
    yield "killed", moment.killed()
    yield "unsynced lost", moment.unsynced_lost()
    for image in moment.torn():
        yield "torn", image
    for _ in range(3):
        yield "any lost", moment.any_lost(rng)


@attrs.define
class Verdict:
    looked_at: Counter[str] = attrs.field(factory=Counter)
    bad: Counter[str] = attrs.field(factory=Counter)


def judge(history: History, recovery: Recovery, rng: random.Random, verdict: Verdict) -> Image:
    """Crash at every step of a history. Returns one of the disks this leaves."""
    left: Image = {}
    for done, moment in enumerate(history.disk.moments(), 1):
        allowed = history.allowed(done)
        for how, image in crashes(moment, rng):
            verdict.looked_at[how] += 1
            verdict.bad[how] += recovery(image) not in allowed
            if rng.random() < 0.01:
                left = image
    return left


def judged(kind: type[RecordedStore], room: Path, *, images: int) -> Verdict:
    """Crash histories of a store until there have been so many different disks.

    Every other history goes on from a disk that a crash left, so that recovery is interrupted, too.
    """
    verdict, recovery = Verdict(), Recovery(room)
    seed = 0
    while len(recovery.found) < images:
        rng = random.Random(seed)
        image: Image = {}
        for life in range(3):
            history = lived(kind, room / f"{seed}-{life}", image, recovery(image) or [], rng)
            image = judge(history, recovery, rng, verdict)
        seed += 1
    return verdict


def test_no_loss_of_power_takes_back_what_was_acknowledged_nor_leaves_half_a_batch(room):
    """D-01, D-02, D-03, D-10, D-24."""
    verdict = judged(RecordedStore, room, images=IMAGES)
    assert not verdict.bad.total(), verdict
    assert set(verdict.looked_at) == {"killed", "unsynced lost", "torn", "any lost"}


def test_a_store_that_does_not_wait_for_the_disk_is_found_out(room):
    """The test of the test (D-03): it keeps all that a process can lose, and not what the disk can."""
    verdict = judged(CarelessStore, room, images=500)
    assert verdict.bad["unsynced lost"]
    assert verdict.bad["any lost"]
    assert not verdict.bad["killed"]


def test_a_store_that_keeps_a_batch_piece_by_piece_is_found_out(room):
    """The test of the test: half a batch is as bad as none."""
    verdict = judged(PiecemealStore, room, images=500)
    assert verdict.bad["killed"]


# -- processes that are killed --


def test_a_process_that_is_killed_leaves_all_it_acknowledged_and_no_half_a_batch(room):
    """D-01, D-24. Ten stores, each killed over and over."""
    lives = 0
    for seed in range(KILLS):
        path, expected = room / f"{seed % 10}.db", MemoryStore()
        with SqliteStore(path) as store:
            expected.commit(store.load())
        acknowledged = killed(path, seed, after=random.Random(seed).randint(1, 24)) - 1
        states = [expected.load()]
        for _, changes in zip(range(acknowledged + 1), batches(seed), strict=False):
            expected.commit(changes)
            states.append(expected.load())
        with SqliteStore(path) as store:
            assert store.quarantined is None
            assert store.load() in states[acknowledged:]
        lives += acknowledged
    assert lives > KILLS


def killed(path: Path, seed: int, *, after: int) -> int:
    """Have a process write to a store, and kill it when it has written so many bytes. Returns how many it had."""
    command = [sys.executable, doomed_process.__file__, str(path), str(seed)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ) as process:
        assert process.stdout is not None
        written = len(process.stdout.read(after))
        process.kill()
        written += len(process.stdout.read())
    assert process.returncode == -signal.SIGKILL
    return written


# -- disks that fail --


@pytest.mark.parametrize("failure", [apsw.FullError, apsw.IOError])
@pytest.mark.parametrize("seed", range(8))
def test_whichever_write_fails_the_batch_is_gone_as_a_whole_and_the_store_goes_on(room, seed, failure):
    """D-09: each write, each synchronisation of a life fails in its turn, and all until the call is over."""
    for turn in itertools.count():
        directory = room / str(turn)
        directory.mkdir()
        disk = Disk(directory)
        # A checkpoint that fails behind a commit is no failure of that. SQLite knows, apsw tells of it all the same.
        store, expected = RecordedStore(directory / NAME, disk, "PRAGMA wal_autocheckpoint = 0"), MemoryStore()
        rng, failed = random.Random(seed), False
        disk.fail_from(len(disk.operations) + turn, failure("made up"))
        for step in range(8):
            changes = some_changes(rng)
            try:
                if step % 3 == 2:
                    store.compact()
                store.commit(changes)
            except StoreError:
                failed = True
                disk.work()
                assert store.load() == expected.load()
                store.commit(changes)
            expected.commit(changes)
            assert store.load() == expected.load()
        has_failed = disk.has_failed
        disk.work()
        store.close()
        with SqliteStore(directory / NAME) as store:
            assert store.quarantined is None
            assert store.load() == expected.load()
        if not has_failed:
            assert turn > 20
            assert not failed
            return
