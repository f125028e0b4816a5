"""How often something may be done: a bucket of tokens for each who does it, and a bound on the number of buckets."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

import attrs

__all__ = ["Throttle"]

K = TypeVar("K", bound=Hashable)

_MAX_DOUBLINGS: Final = 64
"""More could not be told apart, and their number has to stay one that a float can be multiplied by."""


@attrs.define
class _Bucket:
    tokens: float
    at: float
    """When there were so many."""
    emptied: int = 0
    """How often it has been emptied since it was full."""


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
        bucket = self._look_up(key, now)
        if bucket is None:
            if len(self._buckets) >= self.max_keys:
                del self._buckets[next(iter(self._buckets))]
            bucket = self._buckets[key] = _Bucket(self.burst, now)
        if bucket.tokens < 1:
            return (1 - bucket.tokens) * self._interval(bucket)
        bucket.tokens -= 1
        if bucket.tokens < 1:
            bucket.emptied += 1
        return 0.0

    def charge(self, key: K, *, now: float) -> bool:
        """Take a token for what has been done already: whether it was the last one.

        If there is none, that counts as if the bucket had been emptied once more.
        """
        if self.take(key, now=now):
            self._buckets[key].emptied += 1
            return False
        return self.is_empty(key)

    def give_back(self, key: K) -> None:
        """Put a token back that was taken for nothing."""
        bucket = self._buckets.get(key)
        if bucket is not None and self.burst is not None:
            if bucket.tokens < 1:  # it has not been emptied after all
                bucket.emptied -= 1
            bucket.tokens += 1
            if bucket.tokens >= self.burst:
                del self._buckets[key]

    def is_empty(self, key: K) -> bool:
        """Whether the last token has been taken."""
        bucket = self._buckets.get(key)
        return bucket is not None and bucket.tokens < 1

    def is_recovering(self, key: K, *, now: float) -> bool:
        """Whether the bucket has been emptied, and has not been full since."""
        bucket = self._look_up(key, now)
        return bucket is not None and bucket.emptied > 0

    def __len__(self) -> int:
        """How many buckets there are that are not full."""
        return len(self._buckets)

    def _look_up(self, key: K, now: float) -> _Bucket | None:
        """The bucket, with what time has brought; ``None``: it is full."""
        bucket = self._buckets.pop(key, None)
        if bucket is None or self.burst is None:
            return None
        bucket.tokens += max(now - bucket.at, 0) / self._interval(bucket)
        bucket.at = max(now, bucket.at)
        if bucket.tokens >= self.burst:
            return None
        self._buckets[key] = bucket  # behind all others: it has been asked for last
        return bucket

    def _interval(self, bucket: _Bucket) -> float:
        return min(self.interval * 2.0 ** min(bucket.emptied, _MAX_DOUBLINGS), self.max_interval)
