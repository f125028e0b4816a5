"""The entries of the ledger: what is kept of a transaction, for as long as nobody has taken it out."""

from __future__ import annotations

from datetime import datetime

import attrs

from ocpp_sansio.v16 import IdTagInfo, Reason, StopTransactionRequest

__all__ = ["Stop", "Transaction", "UnmatchedStop"]


@attrs.frozen(kw_only=True)
class Stop:
    """How a transaction ended, as the station told it."""

    meter_stop: int
    """Wh."""
    timestamp: datetime
    """When it really ended."""
    reason: str
    """A :class:`ocpp_sansio.v16.Reason`, unless the session puts up with others."""
    id_tag: str | None
    """Who stopped it; ``None``: the station itself."""
    recorded_at: datetime
    """When this central system learnt of it, by its own clock."""

    @classmethod
    def of(cls, request: StopTransactionRequest, recorded_at: datetime) -> Stop:
        """The end that a request tells."""
        return cls(
            meter_stop=request.meter_stop,
            timestamp=request.timestamp,
            reason=request.reason or Reason.LOCAL,  # CP16-062
            id_tag=request.id_tag,
            recorded_at=recorded_at,
        )

    def is_retold_by(self, request: StopTransactionRequest) -> bool:
        """Whether a request tells this end once more (D-04, D-13)."""
        return (self.timestamp, self.meter_stop) == (request.timestamp, request.meter_stop)


@attrs.frozen(kw_only=True)
class Transaction:
    """One transaction. It changes with each message about it; this is how it is now."""

    transaction_id: int
    identity: str
    """The station."""
    connector_id: int
    id_tag: str
    """Who started it."""
    id_tag_info: IdTagInfo
    """What the station was told about that; it is told the same again when it retries (CS16-045)."""
    meter_start: int
    """Wh."""
    timestamp: datetime
    """When it really started."""
    reservation_id: int | None
    """The reservation it consumed."""
    recorded_at: datetime
    """When this central system learnt of it, by its own clock."""
    meter_values: int = 0
    """How many meter values have come."""
    meter: int | None = None
    """Whole Wh that the meter showed in the last of them that tells; ``None``: in none yet."""
    last_values: str | None = None
    """What the last message with meter values is known by, if it comes again."""
    is_superseded: bool = False
    """Whether another one has started on the connector before this one was stopped."""
    stop: Stop | None = None
    """How it ended; ``None``: it has not, as far as is known."""

    @property
    def is_running(self) -> bool:
        """Whether it may be going on."""
        return self.stop is None and not self.is_superseded


@attrs.frozen(kw_only=True)
class UnmatchedStop:
    """A stop that belongs to no transaction of the station, or to one that has ended otherwise."""

    identity: str
    """The station."""
    transaction_id: int
    """What the station took for the id."""
    stop: Stop
