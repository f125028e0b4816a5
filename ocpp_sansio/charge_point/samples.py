"""What the meters showed within transactions, kept until the StopTransaction has taken it over.

Which values belong there is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import attrs

from ocpp_sansio.machine import Machine
from ocpp_sansio.store import Drop, Put, pack, unpack

from .backbone import Reading
from .clock import Moment

__all__ = ["BEGIN", "SAMPLES", "Samples"]

SAMPLES: Final = "samples"
"""The topic: the key is the transaction's ref and the sample's number, with a slash between."""
BEGIN: Final = 1
"""The number of the sample that a transaction begins with."""


class Samples:
    """Samples by the transaction's ref and a number, in order. Each is a record of its own (D-20)."""

    def __init__(self, machine: Machine[Any]) -> None:
        self._machine: Final = machine
        self._by_ref: Final[dict[int, dict[int, Reading]]] = {}

    def restore(self, record: Put) -> None:
        """Take in a record of an earlier life."""
        ref, _, number = record.key.partition("/")
        self._by_ref.setdefault(int(ref), {})[int(number)] = unpack(Reading, record.value)

    def of(self, ref: int) -> Iterable[tuple[int, Reading]]:
        """Those of a transaction, with their numbers."""
        return self._by_ref.get(ref, {}).items()

    def begin(self, ref: int, sample: Reading) -> None:
        """What a transaction begins with."""
        self._put(ref, BEGIN, sample)

    def keep(self, ref: int, sample: Reading) -> None:
        """The next sample of a transaction."""
        self._put(ref, max(self._by_ref.get(ref, ()), default=BEGIN) + 1, sample)

    def thin(self, ref: int, most: int) -> None:
        """If there are more than so many since the begin, let go of the 1st, 3rd, 5th… of them (CP16-148)."""
        since = [number for number, _ in self.of(ref) if number != BEGIN]
        if len(since) > most:
            for number in since[::2]:
                self._drop(ref, number)

    def correct(self, corrected: Callable[[Moment], Moment]) -> None:
        """Put right what was noted down before the time was known, as long as that can be done (D-19)."""
        for ref, samples in self._by_ref.items():
            for number, sample in samples.items():
                moment = corrected(sample.moment)
                if moment is not sample.moment:
                    self._put(ref, number, attrs.evolve(sample, moment=moment))

    def forget(self, ref: int) -> None:
        """Another has taken them over."""
        for number in [number for number, _ in self.of(ref)]:
            self._drop(ref, number)
        self._by_ref.pop(ref, None)

    def _put(self, ref: int, number: int, sample: Reading) -> None:
        self._by_ref.setdefault(ref, {})[number] = sample
        self._machine.persist(Put(SAMPLES, f"{ref}/{number}", pack(sample)))

    def _drop(self, ref: int, number: int) -> None:
        del self._by_ref[ref][number]
        self._machine.persist(Drop(SAMPLES, f"{ref}/{number}"))
