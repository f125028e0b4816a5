"""What has to outlive the process, as the roles see it: records by topic and key, changed in batches that are durable.

A role touches no disk. It asks its driver to make a batch of changes durable (:class:`Persist`), waits until it is told
that they are, and only then lets anything be seen of what they stand for (D-01, D-16). What a driver keeps them in is
a :class:`Store`: one is here, for tests and for those who need none; ``ocpp_transports.store`` has one on a disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol, TypeVar

import attrs
import msgspec

__all__ = ["Change", "Drop", "MemoryStore", "Persist", "Put", "Store", "StoreError", "pack", "unpack"]

T = TypeVar("T")


class StoreError(Exception):
    """The store could not do it: nothing of the batch has been kept."""


@attrs.frozen
class Put:
    """Keep this value under a topic and a key. One that is there already is replaced, and keeps its place (D-10)."""

    topic: str
    key: str
    value: bytes = attrs.field(repr=lambda value: f"<{len(value)} bytes>")
    """No log is to have it: there are passwords and idTags among them (RPC-146)."""


@attrs.frozen
class Drop:
    """Keep nothing under a topic and a key. Nothing happens if there is nothing."""

    topic: str
    key: str


Change = Put | Drop


@attrs.frozen
class Persist:
    """Make these changes durable, all or none, before anything else; then tell the role with ``persisted``.

    If that cannot be done, tell it with ``persist_failed``: it asks again after a while (D-09).
    """

    changes: tuple[Change, ...]


class Store(Protocol):
    """Where the records of one role are kept. It has one owner at a time."""

    def load(self) -> Iterable[Put]:
        """All that is kept, in the order in which each topic and key was first put (D-10).

        Raises:
            StoreError: it cannot be read.
        """
        ...

    def commit(self, changes: Sequence[Change]) -> None:
        """Make a batch durable, all or none: when this returns, it survives the loss of power (D-01, D-03).

        Raises:
            StoreError: nothing of it has been kept.
        """
        ...

    def compact(self) -> None:
        """Give back the room of what has been replaced and dropped. It may be interrupted at any step (D-24).

        Raises:
            StoreError: it could not; nothing is lost.
        """
        ...


class MemoryStore:
    """A store that lives as long as its process."""

    def __init__(self, records: Iterable[Put] = ()) -> None:
        self._records: Final = {(record.topic, record.key): record for record in records}

    def load(self) -> list[Put]:
        """All that is kept, in the order in which each topic and key was first put."""
        return list(self._records.values())

    def commit(self, changes: Sequence[Change]) -> None:
        """Keep a batch. This never fails."""
        for change in changes:
            if isinstance(change, Put):
                self._records[change.topic, change.key] = change
            else:
                self._records.pop((change.topic, change.key), None)

    def compact(self) -> None:
        """There is nothing to give back."""


def pack(value: Any) -> bytes:
    """The value of a record: JSON of an attrs class, of a message, or of what these are made of."""
    return msgspec.json.encode(value)


def unpack(kind: type[T], value: bytes) -> T:
    """What :func:`pack` was given.

    Raises:
        ValueError: it is not of that kind.
    """
    try:
        return msgspec.json.decode(value, type=kind)
    except RecursionError:  # nothing that was packed is that deep
        raise ValueError("nested too deeply") from None
