"""How often something may be done: a bucket of tokens for each who does it, and a bound on the number of buckets."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

import attrs

__all__ = ["Throttle"]

K = TypeVar("K", bound=Hashable)


@attrs.define
class _Bucket:
    tokens: float
    at: float
    """When there were so many."""
    interval: float
    """Seconds until there is one more."""
    interval_before: float
    """The same, before it was emptied the last time."""


@attrs.define(kw_only=True)
class Throttle(Generic[K]):
    """A bucket of tokens by key. Each time one is emptied, it takes twice as long for every token to come back.

    That is forgiven once the bucket is full again. Buckets that are full are not kept; of the others, those that were
    asked for last (F-29, F-129).
    """

    burst: int | None
    """Tokens in a full bucket; ``None``: nobody is ever held up."""
    interval: float
    """Seconds until there is one more."""
    max_interval: float
    """To how many seconds that may grow."""
    max_keys: int
    """How many buckets are kept. With the one asked for longest ago, what it had counted is forgotten."""
    _buckets: dict[K, _Bucket] = attrs.field(factory=dict[K, _Bucket], init=False, repr=False)

    def take(self, key: K, *, now: float) -> float:
        """Take a token: 0, or the seconds until there is one to be taken."""
        if self.burst is None:
            return 0.0
        bucket = self._buckets.pop(key, None)
        if bucket is None or self._refill(bucket, self.burst, now):
            bucket = _Bucket(self.burst, now, self.interval, self.interval)
            if len(self._buckets) >= self.max_keys:
                del self._buckets[next(iter(self._buckets))]
        self._buckets[key] = bucket
        if bucket.tokens < 1:
            return (1 - bucket.tokens) * bucket.interval
        bucket.tokens -= 1
        if bucket.tokens < 1:
            bucket.interval_before = bucket.interval
            bucket.interval = min(2 * bucket.interval, self.max_interval)
        return 0.0

    def give_back(self, key: K) -> None:
        """Put a token back that was taken for nothing."""
        bucket = self._buckets.get(key)
        if bucket is not None and self.burst is not None:
            if bucket.tokens < 1:  # it has not been emptied after all
                bucket.interval = bucket.interval_before
            bucket.tokens += 1
            if bucket.tokens >= self.burst:
                del self._buckets[key]

    def is_empty(self, key: K) -> bool:
        """Whether the last token has been taken."""
        bucket = self._buckets.get(key)
        return bucket is not None and bucket.tokens < 1

    def __len__(self) -> int:
        """How many buckets there are that are not full."""
        return len(self._buckets)

    def _refill(self, bucket: _Bucket, burst: int, now: float) -> bool:
        """Put in what time has brought; whether the bucket is full."""
        bucket.tokens += max(now - bucket.at, 0) / bucket.interval
        bucket.at = max(now, bucket.at)
        return bucket.tokens >= burst
