"""What has to outlive the process, in one file: :class:`SqliteStore`.

This module knows SQLite, and what a disk and a process can do to a file. It must not know what the records say.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Final, Protocol, Self
from zlib import crc32

from ocpp_sansio.store import Change, Put, StoreError

__all__ = ["SqliteStore"]

logger = logging.getLogger("ocpp_transports")

APPLICATION_ID: Final = 0x4F435050
"""Tells a store from any other SQLite database: "OCPP"."""
SCHEMA_VERSION: Final = 1

# A replaced record keeps its place, a new one gets a greater one than all there are (D-10).
_SCHEMA: Final = (
    "CREATE TABLE record (place INTEGER PRIMARY KEY, topic TEXT NOT NULL, key TEXT NOT NULL, "
    "value BLOB NOT NULL, crc INTEGER NOT NULL, UNIQUE (topic, key))"
)
_PUT: Final = (
    "INSERT INTO record (topic, key, value, crc) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (topic, key) DO UPDATE SET value = excluded.value, crc = excluded.crc"
)
_DROP: Final = "DELETE FROM record WHERE topic = ? AND key = ?"
_LOAD: Final = "SELECT topic, key, value FROM record ORDER BY place"
_INSPECT: Final = "SELECT place, typeof(value), CAST(value AS BLOB), crc FROM record"

_SUFFIXES: Final = ("", "-journal", "-shm", "-wal")
"""The files of a database, by what follows its name."""
_DAMAGE: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_IN_USE: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class _Damaged(Exception):
    """The file is not what was written."""


class Database(Protocol):
    """What a store needs of a connection to a database."""

    @property
    def in_transaction(self) -> bool:
        """Whether there is something to roll back."""
        ...

    def execute(self, sql: str, parameters: tuple[Any, ...] = (), /) -> Iterable[Any]:
        """Run one statement; the rows it gives."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class SqliteStore:
    """A :class:`~ocpp_sansio.store.Store` in one SQLite file, which has one owner as long as it is open.

    A batch is one transaction of a write-ahead log that is synchronised before ``commit`` returns, so that it survives
    the loss of power (D-01, D-03); nothing is ever overwritten before there is a durable copy of it (D-02). After an
    error the batch is gone as a whole, and the store goes on (D-09).

    A file that is found damaged when it is opened is neither used nor deleted: it is set aside under a new name, which
    is logged and in ``quarantined``, and a fresh one is begun (D-21). Damage is found in any record, as each carries a
    checksum. A file that is empty is taken for a new one.

    Any thread may call, but only one at a time; ``commit`` and ``compact`` wait for the disk.

    Args:
        path: the file; it is made if there is none, its directory is not. SQLite puts others beside it, whose names
            begin with its name: they belong to it, and go where it goes.

    Raises:
        StoreError: it cannot be opened; another store has it open; or it is no store, or that of a later release. None
            of these changes anything.
    """

    _SYNCHRONOUS: ClassVar = 2
    """FULL, as ``PRAGMA synchronous`` counts."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path: Final = Path(path)
        self.quarantined: Path | None = None
        """Where the damaged file is that was found in the place of this one; ``None`` if all was well."""
        with self._reporting("cannot be opened"):
            # SQLite would delete it. Setting aside may have been interrupted.
            if self._beside("-wal").exists() and not (self.path.exists() and self.path.stat().st_size):
                self._set_aside("a log without what it belongs to")
            try:
                self._database = self._open()
            except _Damaged as error:
                self._set_aside(error)
                self._database = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def load(self) -> list[Put]:
        """All that is kept, in the order in which each topic and key was first put (D-10).

        Raises:
            StoreError: it cannot be read.
        """
        with self._reporting("cannot be read"):
            return [Put(topic, key, value) for topic, key, value in self._database.execute(_LOAD)]

    def commit(self, changes: Sequence[Change]) -> None:
        """Make a batch durable, all or none (D-01, D-03).

        Raises:
            StoreError: nothing of it has been kept: the disk is full or fails, or the store is closed (D-09).
        """
        with self._reporting("did not keep a batch"), _transaction(self._database):
            for change in changes:
                if isinstance(change, Put):
                    parameters = (change.topic, change.key, change.value, crc32(change.value))
                    self._database.execute(_PUT, parameters)
                else:
                    self._database.execute(_DROP, (change.topic, change.key))

    def compact(self) -> None:
        """Give the room of what has been replaced and dropped back to the file system (D-24).

        Raises:
            StoreError: it could not; nothing is lost.
        """
        with self._reporting("could not be compacted"):
            with _transaction(self._database):
                for _ in range(_ask(self._database, "PRAGMA freelist_count")):
                    self._database.execute("PRAGMA incremental_vacuum")  # one page, when run from here
            _ask(self._database, "PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Let go of the file. Nothing happens to a store that is closed already."""
        self._database.close()

    # -- opening --

    def _connect(self) -> Database:
        return sqlite3.connect(self.path, timeout=0, isolation_level=None, check_same_thread=False)

    def _open(self) -> Database:
        database = self._connect()
        try:
            self._prepare(database)
        except BaseException as error:
            database.close()
            # What SQLite says of a damaged schema quotes it, and need not be text.
            if _code_of(error) in _DAMAGE or isinstance(error, UnicodeDecodeError):
                raise _Damaged(error) from error
            raise
        return database

    def _prepare(self, database: Database) -> None:
        """Make sure of the file and of how it will be written. Nothing is written before it is known to be ours."""
        _ask(database, "PRAGMA locking_mode = EXCLUSIVE")  # the lock is kept until the end; no memory is shared
        _ask(database, "PRAGMA fullfsync = ON")  # where fsync() alone does not reach the disk itself
        _ask(database, f"PRAGMA synchronous = {self._SYNCHRONOUS}")
        is_fresh = self._is_fresh(database)
        if is_fresh:
            _ask(database, "PRAGMA auto_vacuum = INCREMENTAL")
        else:
            _check(database)
        mode, synchronous = _ask(database, "PRAGMA journal_mode = WAL"), _ask(database, "PRAGMA synchronous")
        if (mode, synchronous) != ("wal", self._SYNCHRONOUS):
            raise StoreError(f"{self.path} cannot be kept durably: its journal would be {mode!r} ({synchronous})")
        if is_fresh:
            with _transaction(database):
                database.execute(_SCHEMA)
                database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _is_fresh(self, database: Database) -> bool:
        """Whether nothing is in the file yet.

        Raises:
            StoreError: what is in there is not for us.
        """
        mark = _ask(database, "PRAGMA application_id"), _ask(database, "PRAGMA user_version")
        if mark == (APPLICATION_ID, SCHEMA_VERSION):
            return False
        if mark[0] == APPLICATION_ID:
            raise StoreError(f"{self.path} has schema version {mark[1]}, and {SCHEMA_VERSION} is known here")
        if mark != (0, 0) or _ask(database, "SELECT count(*) FROM sqlite_master"):
            raise StoreError(f"{self.path} is a database, but no store of ours")
        return True

    # -- what goes wrong --

    @contextmanager
    def _reporting(self, what: str) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            why = "another has it open" if _code_of(error) in _IN_USE else error
            raise StoreError(f"{self.path} {what}: {why}") from error

    def _set_aside(self, why: object) -> None:
        """Keep what is there, under a name that nothing has yet, for whoever can make something of it."""
        names = (self._beside(f".damaged-{number}") for number in count(1))
        aside = next(name for name in names if not any(_followed(name, suffix).exists() for suffix in _SUFFIXES))
        # The file goes first: if this is interrupted, what is left is not taken for something whole.
        for suffix in _SUFFIXES:
            with suppress(FileNotFoundError):
                self._beside(suffix).rename(_followed(aside, suffix))
        logger.error("%s is damaged: %s; it is kept as %s, and a fresh one is begun", self.path, why, aside)
        self.quarantined = aside

    def _beside(self, suffix: str) -> Path:
        return _followed(self.path, suffix)


@contextmanager
def _transaction(database: Database) -> Generator[None]:
    try:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            if database.in_transaction:  # some errors end it themselves
                database.execute("ROLLBACK")
        raise


def _followed(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _code_of(error: BaseException) -> int:
    """The primary error code of SQLite; 0 if it has none."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def _ask(database: Database, sql: str) -> Any:
    """The one value that a statement gives; ``None`` if it gives none."""
    rows = list(database.execute(sql))
    return rows[0][0] if rows else None


def _check(database: Database) -> None:
    """Read all there is.

    Raises:
        _Damaged: it is not as it was written.
    """
    if (verdict := _ask(database, "PRAGMA integrity_check")) != "ok":
        raise _Damaged(verdict)
    schema = database.execute("SELECT CAST(sql AS BLOB) FROM sqlite_master WHERE sql IS NOT NULL")
    if list(schema) != [(_SCHEMA.encode(),)]:
        raise _Damaged("it has another schema")
    for place, kind, value, crc in database.execute(_INSPECT):
        if kind != "blob" or crc32(value) != crc:
            raise _Damaged(f"the checksum of record {place} is wrong")
