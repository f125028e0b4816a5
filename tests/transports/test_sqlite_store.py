"""The store on a disk, as long as its process and its power last. What happens then is in test_crash_consistency.py."""

from __future__ import annotations

import logging
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio.store import Drop, MemoryStore, Put, Store, StoreError
from ocpp_transports.store import SqliteStore

A, B, C = Put("t", "a", b"1"), Put("t", "b", b"2"), Put("u", "a", b"\x00\xff")
SMALL = b"x" * 100


@pytest.fixture
def path(tmp_path):
    return tmp_path / "station.db"


def kept(path: Path) -> list[Put]:
    with SqliteStore(path) as store:
        assert store.quarantined is None
        return store.load()


def beside(path: Path) -> set[str]:
    return {other.name for other in path.parent.iterdir()} - {path.name}


def filled(path: Path, records: int = 40) -> list[Put]:
    """A store that takes a few pages, closed."""
    with SqliteStore(path) as store:
        store.commit([Put("topic", f"key-{number}", f"value-{number}-".encode() * 30) for number in range(records)])
        return store.load()


def alter(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


# -- keeping --


def test_what_is_committed_is_there_at_once_and_after_reopening(path):
    with SqliteStore(path) as store:
        assert store.load() == []
        store.commit([A, B])
        store.commit([C, Drop("t", "a"), Drop("t", "never there")])
        assert store.load() == [B, C]
        assert store.quarantined is None
    assert kept(path) == [B, C]
    assert beside(path) == set()


def test_a_replaced_record_keeps_its_place_and_one_put_anew_goes_to_the_end(path):
    """D-10."""
    with SqliteStore(path) as store:
        store.commit([A, B, C])
        store.commit([Put("t", "a", b"new")])
        assert store.load() == [Put("t", "a", b"new"), B, C]
        store.commit([Drop("t", "b"), B])
        assert store.load() == [Put("t", "a", b"new"), C, B]


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
puts = st.builds(Put, st.sampled_from("ab"), names, st.binary(max_size=2000))
drops = st.builds(Drop, st.sampled_from("ab"), names)
histories = st.lists(st.lists(puts | drops, max_size=6) | st.sampled_from(["compact", "reopen"]), max_size=12)


@given(histories)
def test_any_history_leaves_what_it_leaves_in_memory(history):
    """D-10, D-24."""
    expected: Store = MemoryStore()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "station.db")
        store = SqliteStore(path)
        for step in history:
            match step:
                case "compact":
                    store.compact()
                case "reopen":
                    store.close()
                    store = SqliteStore(path)
                case changes:
                    store.commit(changes)
                    expected.commit(changes)
            assert store.load() == expected.load()
        store.close()
        assert kept(path) == expected.load()


def test_compacting_gives_the_room_back(path):
    """D-24."""
    with SqliteStore(path) as store:
        store.commit([A, *(Put("large", str(number), bytes(10_000)) for number in range(50))])
        store.compact()
        full = path.stat().st_size
        store.commit([Drop("large", str(number)) for number in range(50)])
        store.compact()
        assert full > 500_000
        assert path.stat().st_size < full / 10
        assert path.with_name("station.db-wal").stat().st_size == 0
        assert store.load() == [A]


def test_the_log_of_the_database_does_not_grow_for_ever(path):
    """D-24. It is written into the file and begun anew, without being told to."""
    with SqliteStore(path) as store:
        for _ in range(40):
            store.commit([Put("t", "a", bytes(400_000))])
        assert path.with_name("station.db-wal").stat().st_size < 10_000_000


def test_another_thread_may_go_on_with_it(path):
    with SqliteStore(path) as store:
        thread = threading.Thread(target=store.commit, args=([A],))
        thread.start()
        thread.join()
        assert store.load() == [A]


def test_a_closed_store_keeps_nothing_and_may_be_closed_again(path):
    """D-09."""
    store = SqliteStore(path)
    store.close()
    store.close()
    for act in (store.load, store.compact, lambda: store.commit([A])):
        with pytest.raises(StoreError, match="closed"):
            act()
    assert kept(path) == []


# -- how it is kept --


def setting(store: SqliteStore, name: str) -> object:
    return next(iter(store._database.execute(f"PRAGMA {name}")))[0]


def test_it_waits_for_the_disk_with_each_batch(path):
    """D-02, D-03."""
    with SqliteStore(path) as store:
        settings = {name: setting(store, name) for name in ("journal_mode", "synchronous", "fullfsync", "locking_mode")}
    assert settings == {"journal_mode": "wal", "synchronous": 2, "fullfsync": 1, "locking_mode": "exclusive"}


def test_a_place_where_that_cannot_be_had_is_refused():
    """D-03. SQLite would take this name for a database in memory."""
    with pytest.raises(StoreError, match=r"cannot be kept durably: its journal would be 'memory' \(2\)"):
        SqliteStore(":memory:")


def test_a_disk_that_is_not_waited_for_is_refused(path):
    """D-03: what SQLite was asked for is not taken for granted."""

    class Deaf(sqlite3.Connection):
        def execute(self, sql, parameters=(), /):
            return super().execute("PRAGMA synchronous" if sql.startswith("PRAGMA synchronous =") else sql, parameters)

    class DeafStore(SqliteStore):
        _SYNCHRONOUS = 3

        def _connect(self):
            return sqlite3.connect(self.path, isolation_level=None, factory=Deaf)

    with pytest.raises(StoreError, match=r"cannot be kept durably: its journal would be 'wal' \(2\)"):
        DeafStore(path)


# -- whose it is --


def test_a_second_owner_is_refused_until_the_first_has_gone(path):
    with SqliteStore(path) as store:
        with pytest.raises(StoreError, match="another has it open"):
            SqliteStore(path)
        store.commit([A])
    assert kept(path) == [A]


def test_so_is_one_in_another_process(path):
    script = "import sys, ocpp_transports.store as s; s.SqliteStore(sys.argv[1])"
    with SqliteStore(path) as store:
        store.commit([A])
        command, environment = [sys.executable, "-c", script, str(path)], {"PYTHONPATH": os.pathsep.join(sys.path)}
        other = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
        assert "another has it open" in other.stderr
        store.commit([B])
        assert store.load() == [A, B]


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("PRAGMA user_version = 2", "has schema version 2, and 1 is known here"),
        ("PRAGMA user_version = 0", "has schema version 0"),
        ("PRAGMA application_id = 7", "no store of ours"),
    ],
)
def test_what_another_release_or_another_program_keeps_is_refused_and_not_touched(path, statement, reason):
    filled(path)
    alter(path, statement)
    content = path.read_bytes()
    with pytest.raises(StoreError, match=reason):
        SqliteStore(path)
    assert path.read_bytes() == content
    assert beside(path) == set()


def test_a_database_of_no_known_program_is_refused_and_not_touched(path):
    alter(path, "CREATE TABLE theirs (x)")
    content = path.read_bytes()
    with pytest.raises(StoreError, match="no store of ours"):
        SqliteStore(path)
    assert path.read_bytes() == content
    assert beside(path) == set()


def test_a_place_where_there_can_be_no_file_is_an_error_of_the_store(tmp_path):
    with pytest.raises(StoreError, match="cannot be opened"):
        SqliteStore(tmp_path / "no directory" / "station.db")
    with pytest.raises(StoreError, match="cannot be opened"):
        SqliteStore(tmp_path)


# -- a disk that is full, and worse --


def test_nothing_is_kept_of_a_batch_that_finds_no_room_and_the_store_goes_on(path):
    """D-09."""
    with SqliteStore(path) as store:
        store.commit([A])
        pages = setting(store, "page_count")
        setting(store, f"max_page_count = {pages + 2}")
        with pytest.raises(StoreError, match="did not keep a batch: database or disk is full"):
            store.commit([B, Drop("t", "a"), Put("t", "large", bytes(100_000))])
        assert store.load() == [A]
        store.commit([C])
        assert store.load() == [A, C]
    assert kept(path) == [A, C]


@contextmanager
def no_file_larger_than(size: int):
    """The system refuses to write behind that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 24, 25, 4000, 4120, 10_000])
def test_nothing_is_kept_of_a_batch_that_the_system_refuses_to_write(path, room):
    """D-09: the disk's own refusal, at several places of the log."""
    log = path.with_name("station.db-wal")
    with SqliteStore(path) as store:
        store.commit([A])
        with no_file_larger_than(log.stat().st_size + room), pytest.raises(StoreError, match="did not keep a batch"):
            store.commit([B, Put("t", "large", bytes(100_000))])
        assert store.load() == [A]
        store.commit([C])
        assert store.load() == [A, C]
    assert kept(path) == [A, C]


def test_a_batch_is_kept_even_if_the_log_cannot_be_written_into_the_file_behind_it(path):
    """D-01: it is durable in the log, and that is tried again."""
    records = filled(path, 2000)
    last = attrs.evolve(records[-1], value=b"new")
    with SqliteStore(path) as store:
        setting(store, "wal_autocheckpoint = 1")
        with no_file_larger_than(path.stat().st_size // 2):
            store.commit([last])
            with pytest.raises(StoreError, match="could not be compacted"):
                store.compact()
        assert store.load() == [*records[:-1], last]
    assert kept(path) == [*records[:-1], last]


def test_a_value_that_cannot_be_kept_takes_its_batch_with_it(path):
    """A lone surrogate has no place in a database; the caller's fault is not the store's."""
    with SqliteStore(path) as store:
        with pytest.raises(UnicodeEncodeError):
            store.commit([A, Put("t", "\ud800", b"")])
        assert store.load() == []
        store.commit([B])
        assert store.load() == [B]


def test_a_store_that_could_not_be_compacted_has_lost_nothing(path):
    """D-24."""
    with SqliteStore(path) as store:
        store.commit([A, Put("t", "large", bytes(100_000))])
        store.commit([Drop("t", "large")])
        with no_file_larger_than(1), pytest.raises(StoreError, match="could not be compacted"):
            store.compact()
        store.commit([B])
        store.compact()
        assert store.load() == [A, B]
    assert kept(path) == [A, B]


# -- damage --


def outcome(path: Path, damaged: bytes, records: list[Put]) -> str:
    """Open a damaged store: all of it is there, or it is set aside as it was, or it is refused as it was."""
    path.write_bytes(damaged)
    try:
        store = SqliteStore(path)
    except StoreError:
        assert path.read_bytes() == damaged
        return "refused"
    with store:
        if store.quarantined is None:
            assert store.load() == records
            return "whole"
        assert store.quarantined.read_bytes() == damaged
        assert store.load() == []
        store.commit([A])
        assert store.load() == [A]
    assert kept(path) == [A]
    return "set aside"


@pytest.fixture(scope="module")
def sound():
    """The bytes of a store, and its records."""
    with tempfile.TemporaryDirectory() as directory:
        records = filled(path := Path(directory, "station.db"))
        return path.read_bytes(), records


@given(st.data())
def test_no_damage_of_any_byte_goes_unnoticed(sound, data):
    """D-21."""
    content, records = sound
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, 119) | st.integers(0, len(content) - 1))
        damaged[place] ^= data.draw(st.integers(1, 255))
    with tempfile.TemporaryDirectory() as directory:
        outcome(Path(directory, "station.db"), bytes(damaged), records)


@given(st.data())
def test_no_page_that_is_overwritten_goes_unnoticed(sound, data):
    """D-21."""
    content, records = sound
    page = data.draw(st.integers(0, len(content) // 4096 - 1)) * 4096
    damaged = content[:page] + data.draw(st.sampled_from([b"\0", b"\xff", b"x"])) * 4096 + content[page + 4096 :]
    with tempfile.TemporaryDirectory() as directory:
        assert outcome(Path(directory, "station.db"), damaged, records) in ("set aside", "whole" if page else "")


@given(st.data())
def test_no_end_that_is_missing_goes_unnoticed(sound, data):
    """D-21."""
    content, records = sound
    size = data.draw(st.integers(2, len(content) - 1))
    with tempfile.TemporaryDirectory() as directory:
        assert outcome(Path(directory, "station.db"), content[:size], records) == "set aside"


@pytest.mark.parametrize(
    ("word", "other"),
    [(b"CREATE", b"CRXATE"), (b"CREATE", b"CR\x99ATE"), (b"topic", b"to\x99ic"), (b"NOT NULL,", b"NO\x99 NULL,")],
)
def test_a_schema_that_is_another_or_no_sql_or_even_no_text_is_damage(path, sound, word, other):
    """D-21."""
    content, records = sound
    assert outcome(path, content.replace(word, other, 1), records) == "set aside"


@pytest.mark.parametrize("damaged", [b"not a database" * 100, b"\0" * 4096, b"xy"])
def test_what_is_no_database_is_set_aside(path, damaged):
    assert outcome(path, damaged, []) == "set aside"


@pytest.mark.parametrize("content", [b"", b"x"])
def test_an_empty_file_is_a_new_store(path, content):
    """Some systems cannot have an empty one: SQLite takes one byte for none."""
    path.write_bytes(content)
    assert kept(path) == []


def test_a_value_with_a_wrong_checksum_is_damage(path):
    """D-21: SQLite itself has nothing against it."""
    filled(path)
    alter(path, "UPDATE record SET value = x'00' WHERE place = 7")
    with SqliteStore(path) as store:
        assert store.quarantined is not None


@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE other (x)", "UPDATE record SET value = CAST(value AS TEXT) WHERE place = 3"],
)
def test_what_this_store_never_wrote_is_damage(path, statement):
    filled(path)
    alter(path, statement)
    with SqliteStore(path) as store:
        assert store.quarantined is not None


def test_damage_is_logged_and_set_aside_with_its_log_under_a_name_that_is_free(path, caplog):
    """D-21."""
    filled(path)
    path.write_bytes(path.read_bytes()[:5000])
    log = path.with_name("station.db-wal")
    log.write_bytes(b"their log")
    taken = path.with_name("station.db.damaged-1-wal")
    taken.write_bytes(b"an earlier one")
    with caplog.at_level(logging.ERROR, "ocpp_transports"), SqliteStore(path) as store:
        assert store.quarantined == path.with_name("station.db.damaged-2")
    assert "station.db.damaged-2, and a fresh one is begun" in caplog.text
    assert taken.read_bytes() == b"an earlier one"
    assert store.quarantined.stat().st_size == 5000


@pytest.mark.parametrize("left", [None, b""])
def test_a_log_without_its_file_is_set_aside_and_not_taken_for_that_of_the_new_one(path, left):
    """D-21: as when setting aside was interrupted; SQLite would delete it."""
    log = path.with_name("station.db-wal")
    log.write_bytes(b"what is left")
    if left is not None:
        path.write_bytes(left)
    with SqliteStore(path) as store:
        assert store.quarantined == path.with_name("station.db.damaged-1")
        store.commit([A])
    assert path.with_name("station.db.damaged-1-wal").read_bytes() == b"what is left"
    assert kept(path) == [A]


def test_damage_that_cannot_be_set_aside_is_an_error_of_the_store(path, monkeypatch):
    path.write_bytes(b"not a database" * 100)

    def refuse(*_):
        raise PermissionError("not yours")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(StoreError, match="cannot be opened: not yours"):
        SqliteStore(path)
    assert path.read_bytes() == b"not a database" * 100


def test_a_store_in_use_is_not_taken_for_a_damaged_one(path):
    """Nothing is set aside under the feet of its owner, whatever is wrong with it by now."""
    with SqliteStore(path) as store:
        store.commit([A])
        with pytest.raises(StoreError, match="another has it open"):
            SqliteStore(path)
        assert beside(path) == {"station.db-wal"}
