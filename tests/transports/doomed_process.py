"""A process that commits to a store until it is killed, and acknowledges each batch with a byte.

Starts fast: it imports no more than it needs.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator

from ocpp_sansio.store import Change, Drop, Put
from ocpp_transports.store import SqliteStore


def some_changes(rng: random.Random) -> list[Change]:
    def some_change() -> Change:
        topic, key = rng.choice("ab"), str(rng.randrange(6))
        if rng.random() < 0.3:
            return Drop(topic, key)
        return Put(topic, key, rng.randbytes(rng.choice((0, 10, 100, 700, 3000))))

    return [some_change() for _ in range(rng.randint(1, 4))]


def batches(seed: int) -> Iterator[list[Change]]:
    """What a process commits, as it and those who look at what it left know."""
    rng = random.Random(seed)
    while True:
        yield some_changes(rng)


def commit_for_ever(path: str, seed: int) -> None:
    """The first byte comes before the store is opened, then one for each batch that is acknowledged."""
    os.write(1, b"!")
    with SqliteStore(path) as store:
        for number, changes in enumerate(batches(seed), 1):
            store.commit(changes)
            os.write(1, b".")
            if number % 5 == 0:
                store.compact()


if __name__ == "__main__":
    commit_for_ever(sys.argv[1], int(sys.argv[2]))
