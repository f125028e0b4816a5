"""What a central system may have otherwise: every bound on what its stations can make it remember, and its choices."""

from __future__ import annotations

from typing import Any

import attrs
from attrs.validators import ge, gt

__all__ = ["Options"]


def _positive(default: float) -> Any:
    return attrs.field(default=default, validator=gt(0))


def _natural(default: int) -> Any:
    return attrs.field(default=default, validator=ge(0))


@attrs.frozen(kw_only=True)
class Options:
    """The choices and the bounds of one central system.

    Stations that are connected are as many as the driver lets in; what is remembered of each is bounded here.
    """

    # -- choices --
    concurrent_transactions: bool = True
    """Whether an idTag may have more than one transaction at a time. If not, the second one is told ConcurrentTx
    (CS16-032). A station that lost a StopTransaction keeps its driver from charging elsewhere then, until it starts
    another transaction on the same connector."""
    heartbeat_interval: int = _positive(300)
    """Seconds between the signs of life that are expected of a station that has not been told an interval."""
    silent_after: float = _positive(3.0)
    """How many heartbeat intervals without a sign of life make a station silent."""

    # -- bounds --
    max_absent_stations: int = _positive(100_000)
    """Stations remembered that are not connected: those that left last. What there is of one more is forgotten, its
    place in the ledger included. More than all the stations there are is a good choice."""
    max_connectors: int = _natural(1_000)
    """Connectors of a station whose status is remembered."""
    max_settings: int = _natural(1_000)
    """Configuration keys of a station that are remembered."""
    max_queued_commands: int = _natural(100)
    """Commands that wait for one station."""
    max_transactions: int = _positive(10_000)
    """Transactions of a station in the ledger. For one more the oldest that has ended goes, or the oldest of all."""
    max_unmatched_stops: int = _positive(1_000)
    """Stops of a station in the ledger that belong to no transaction. For one more the oldest goes."""
