"""What really happened: each charge that was on record, by the meters, the hands and the clock of the world itself.

Nothing here asks a role what it thinks. That a transaction is on record is known from the charge point having been told
by its store; all else is what its host did and saw. :func:`judge` compares that with the ledger of the central system.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from ocpp_sansio.central_system import Transaction, UnmatchedStop

__all__ = ["EPOCH", "Boot", "Charge", "Instant", "judge"]

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""The true time when a simulation begins."""
ACCURACY: Final = timedelta(milliseconds=5)
"""Times are told to the millisecond, of each moment and of the clock it is read from."""


@attrs.define(eq=False)
class Boot:
    """One life of the charge point, and what its clock was worth."""

    wrong_by: float
    """Seconds that its own clock was ahead of the true time."""
    told: list[tuple[float, float]] = attrs.field(factory=list[tuple[float, float]])
    """When it was told the time, and by how much that was ahead of the true time."""
    is_over: bool = False


@attrs.frozen
class Instant:
    """When something happened, by the world's clock."""

    boot: Boot
    at: float

    def told_as(self) -> Iterable[datetime]:
        """What the charge point may call it: by the clock it had, or as that was put right later (D-19)."""
        before = [ahead for at, ahead in self.boot.told if at < self.at]
        meanwhile = [ahead for at, ahead in self.boot.told if at == self.at]  # it may have come first, or not
        after = [ahead for at, ahead in self.boot.told if at > self.at]
        aheads = [*(before[-1:] or meanwhile or after[:1] or [self.boot.wrong_by]), *meanwhile]
        if self.boot.is_over and not before:  # it may have died before it kept what it had been told
            aheads.append(self.boot.wrong_by)
        return [EPOCH + timedelta(seconds=self.at + ahead) for ahead in aheads]


@attrs.define(eq=False)
class Charge:
    """Somebody charges, or is about to: the meter was read for that. On record or not, this is what happens."""

    connector: int
    id_tag: str
    """Empty until it is on record."""
    meter_start: int
    begun: Instant
    readings: list[tuple[int, Instant]]
    """What the meter showed since, and when it was asked for that."""
    samples: int = 0
    """How many periodic readings there were."""
    last: int | None = None
    """What the meter showed at its end, if it was asked then."""
    stops: list[Instant] = attrs.field(factory=list[Instant])
    """When its energy was cut off, or something happened that may have been meant to stop it."""
    is_over: bool = False
    """Whether its end is on record."""
    is_cut_short: bool = False
    """Whether the charge point died while it was under way: then all it can tell is what it had kept."""

    def __str__(self) -> str:
        who = self.id_tag or "somebody"
        return f"the charge of {who} at connector {self.connector}, {self.begun.at:.3f} s, {self.meter_start} Wh"


def judge(charges: Sequence[Charge], ledger: Sequence[Transaction], unmatched: Sequence[UnmatchedStop]) -> list[str]:
    """What is wrong with the ledger of a charge point that has delivered everything."""
    findings = [f"a stop belongs to nothing: {stop}" for stop in unmatched]
    if len(charges) != len(ledger):
        findings.append(f"{len(charges)} charges are on record, and {len(ledger)} in the ledger")
    for charge, entry in zip(charges, ledger, strict=False):
        told = entry.connector_id, entry.id_tag, entry.meter_start
        if told != (charge.connector, charge.id_tag, charge.meter_start):
            findings.append(f"{charge} is in the ledger as {told}")
            break  # whatever is lost, told twice or out of order displaces all that follow (D-10)
        findings.extend(f"{charge}: {what}" for what in _compare(charge, entry))
    return findings


def _compare(charge: Charge, entry: Transaction) -> Iterable[str]:
    if not _is_one_of(entry.timestamp, [charge.begun]):
        yield f"it began at {entry.timestamp}"
    if not charge.is_over:
        yield "it is not over yet"
    elif entry.stop is None:
        yield "its end is missing"
    elif not charge.is_cut_short:
        if entry.stop.meter_stop != charge.last:
            yield f"the meter showed {charge.last} at its end, not {entry.stop.meter_stop}"
        if not _is_one_of(entry.stop.timestamp, charge.stops):
            yield f"it ended at {entry.stop.timestamp}"
        if entry.meter_values != charge.samples:
            yield f"of {charge.samples} samples {entry.meter_values} have come"
    else:
        if entry.stop.meter_stop not in {register for register, _ in charge.readings}:
            yield f"the meter never showed {entry.stop.meter_stop}"
        # When the last reading that was kept was asked for: that may have waited for the store, and come later.
        heard = [told for _, instant in charge.readings for told in instant.told_as()]
        heard.extend(told for instant in charge.stops for told in instant.told_as())
        if not min(heard) - ACCURACY <= entry.stop.timestamp <= max(heard) + ACCURACY:
            yield f"nothing was heard of it at {entry.stop.timestamp}"
        if entry.meter_values > charge.samples:
            yield f"of {charge.samples} samples {entry.meter_values} have come"


def _is_one_of(told: datetime, instants: Iterable[Instant]) -> bool:
    return any(abs(told - as_of) <= ACCURACY for instant in instants for as_of in instant.told_as())
