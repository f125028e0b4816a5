"""A disk that remembers what was done to it, so that any loss of power can be had afterwards.

The stores of the package use the SQLite of the standard library, which takes no virtual file system from Python. apsw
does, with a SQLite of its own: :class:`RecordedStore` is a ``SqliteStore`` whose every statement runs there.
"""

from __future__ import annotations

import math
import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import apsw
import attrs

from ocpp_sansio.store import Change
from ocpp_transports.store import SqliteStore

SECTOR = 512

Image = dict[str, bytes]
"""What is on a disk: contents by name of file."""


# -- what is done to a disk --


@attrs.frozen
class Create:
    name: str


@attrs.frozen
class Write:
    name: str
    offset: int
    data: bytes


@attrs.frozen
class Truncate:
    name: str
    size: int


@attrs.frozen
class Sync:
    name: str


@attrs.frozen
class Delete:
    name: str
    is_durable: bool
    """Whether the directory was synchronised at once."""


Operation = Create | Write | Truncate | Sync | Delete


def apply(operation: Operation, image: Image) -> None:
    match operation:
        case Create(name):
            image.setdefault(name, b"")
        case Write(name, offset, data):
            content = image.get(name, b"").ljust(offset, b"\0")
            image[name] = content[:offset] + data + content[offset + len(data) :]
        case Truncate(name, size):
            image[name] = image.get(name, b"")[:size].ljust(size, b"\0")
        case Delete(name):
            image.pop(name, None)


@attrs.define
class Moment:
    """What could be on the disk, had the power been lost here."""

    durable: Image
    pending: list[Operation]
    """What has been done since, in its order, and may or may not have reached the disk."""

    def image(self, operations: list[Operation]) -> Image:
        image = dict(self.durable)
        for operation in operations:
            apply(operation, image)
        return image

    def killed(self) -> Image:
        """The process dies, the system lives: nothing is lost."""
        return self.image(self.pending)

    def unsynced_lost(self) -> Image:
        """Only what was synchronised is there."""
        return self.image([operation for operation in self.pending if isinstance(operation, Create)])

    def torn(self) -> Iterator[Image]:
        """The last write reached the disk up to any of its sectors."""
        if self.pending and isinstance(last := self.pending[-1], Write):
            # From one boundary of sectors to the next, wherever the write begins.
            for end in range(SECTOR - last.offset % SECTOR, len(last.data), SECTOR):
                yield self.image([*self.pending[:-1], attrs.evolve(last, data=last.data[:end])])

    def any_lost(self, rng: random.Random) -> Image:
        """Any of what was not synchronised is there, and any is not."""
        kept: list[Operation] = []
        undeleted: set[str] = set()
        for operation in self.pending:
            is_kept = rng.random() < 0.5
            if isinstance(operation, Delete) and not is_kept:
                undeleted.add(operation.name)  # so a later file of that name has not got it
            if is_kept and operation.name not in undeleted:
                kept.append(operation)
        return self.image(kept)

    def after(self, operation: Operation) -> None:
        """Go on to the next moment."""
        self.pending.append(operation)
        if isinstance(operation, Sync):
            # With the first synchronisation of a new journal, SQLite does that of the directory.
            is_new = Create(operation.name) in self.pending
            if is_new and operation.name.endswith(("-journal", "-wal")):
                self._settle_directory()
            self._settle(lambda other: other.name == operation.name)
        elif isinstance(operation, Delete) and operation.is_durable:
            self._settle_directory()

    def _settle_directory(self) -> None:
        """Which files there are is durable. What is in them is not."""
        while (deletion := next((one for one in self.pending if isinstance(one, Delete)), None)) is not None:
            end = self.pending.index(deletion) + 1
            before, self.pending = self.pending[:end], self.pending[end:]
            kept = [operation for operation in before if operation.name != deletion.name]
            self.durable.pop(deletion.name, None)
            self.pending[:0] = kept
        self._settle(lambda operation: isinstance(operation, Create))

    def _settle(self, is_durable: Callable[[Operation], bool]) -> None:
        for operation in filter(is_durable, self.pending):
            apply(operation, self.durable)
        self.pending = [operation for operation in self.pending if not is_durable(operation)]


@attrs.define
class Disk:
    """What has been done to the files of one directory."""

    directory: Path
    before: Image = attrs.field(init=False)
    operations: list[Operation] = attrs.field(init=False, factory=list)
    has_failed: bool = attrs.field(init=False, default=False)
    _fails_from: float = attrs.field(init=False, default=math.inf)
    _failure: Exception | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self.before = {path.name: path.read_bytes() for path in self.directory.iterdir()}

    def do(self, operation: Operation) -> None:
        if self._failure is not None and len(self.operations) >= self._fails_from:
            self.has_failed = True
            raise self._failure
        self.operations.append(operation)

    def fail_from(self, operation: int, failure: Exception) -> None:
        """Do nothing more from an operation on, by its number."""
        self._fails_from, self._failure = operation, failure

    def work(self) -> None:
        """Fail no more."""
        self._failure = None

    def moments(self) -> Iterator[Moment]:
        """Each step of the way, from the first operation on."""
        moment = Moment(dict(self.before), [])
        for operation in self.operations:
            moment.after(operation)
            yield moment


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str, path: Any, flags: list[int]) -> None:
        super().__init__("", path, flags)
        self._disk = disk
        self._name = name

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._disk.do(Write(self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self._disk.do(Truncate(self._name, size))
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._disk.do(Sync(self._name))
        super().xSync(flags)


class _Recorder(apsw.VFS):
    def __init__(self, disk: Disk, name: str) -> None:
        super().__init__(name, "")
        self._disk = disk

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else name)
        assert path.parent == self._disk.directory
        if not path.exists():
            self._disk.do(Create(path.name))
        return _File(self._disk, path.name, name, flags)

    def xDelete(self, name: str, syncdir: bool) -> None:  # noqa: N802
        if Path(name).exists():
            self._disk.do(Delete(Path(name).name, bool(syncdir)))
        super().xDelete(name, syncdir)


@contextmanager
def told_as_sqlite3() -> Iterator[None]:
    """The errors of apsw, as those of the standard library."""
    try:
        yield
    except apsw.Error as error:
        told = sqlite3.OperationalError(str(error))
        told.sqlite_errorcode = getattr(error, "extendedresult", 0)
        raise told from error


class _Database:
    """A connection of apsw, as a store needs it."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def execute(self, sql: str, parameters: tuple[Any, ...] = (), /) -> list[Any]:
        with told_as_sqlite3():
            return self._connection.execute(sql, parameters).fetchall()

    def close(self) -> None:
        with told_as_sqlite3():
            self._connection.close()


class RecordedStore(SqliteStore):
    """The store, on a disk that remembers."""

    _numbers: ClassVar = count()

    def __init__(self, path: Path, disk: Disk, *setup: str) -> None:
        self._disk = disk
        self._setup = setup
        super().__init__(path)

    def _connect(self) -> Any:
        # The name has to be unique: SQLite finds a file system by its name.
        name = f"recorder-{next(self._numbers)}"
        self._recorder = _Recorder(self._disk, name)  # lives as long as what uses it
        with told_as_sqlite3():
            connection = apsw.Connection(str(self.path), vfs=name)
        for statement in self._setup:
            connection.execute(statement)
        return _Database(connection)


class CarelessStore(RecordedStore):
    """One that does not wait for the disk with each batch: what the tests have to find wrong."""

    _SYNCHRONOUS = 1


class PiecemealStore(RecordedStore):
    """One that makes each change durable by itself: what the tests have to find wrong, too."""

    def commit(self, changes: Sequence[Change]) -> None:
        for change in changes:
            super().commit([change])
