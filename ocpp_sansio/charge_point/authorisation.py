"""Who may charge: the authorisation cache, and in which order list, cache and central system are asked.

A local authorisation list is no part of this; one is consulted if there is one (``Backbone.lists``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import attrs
import msgspec
from msgspec.structs import replace

from ocpp_sansio.codec import codec_of
from ocpp_sansio.errors import CallFailure
from ocpp_sansio.machine import Answer
from ocpp_sansio.messages import Request
from ocpp_sansio.store import Drop, Put, pack, unpack
from ocpp_sansio.tolerance import FIELD, read_payload
from ocpp_sansio.v16 import (
    AuthorizationStatus,
    AuthorizeRequest,
    AuthorizeResponse,
    ClearCacheRequest,
    ClearCacheResponse,
    ClearCacheStatus,
    IdTagInfo,
)

from .backbone import Backbone, Block, Handler, IdTagLearnt
from .keys import (
    ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID,
    AUTHORIZATION_CACHE_ENABLED,
    LOCAL_AUTHORIZE_OFFLINE,
    LOCAL_PRE_AUTHORIZE,
)

__all__ = ["Authorisation"]

CACHE: Final = "cache"
"""The topic of the cache, by idTags in lower case."""

Done = Callable[[IdTagInfo], None]


@attrs.frozen
class Entry:
    """What the central system last said about an idTag."""

    number: int
    """Entries with higher numbers were learnt later."""
    info: IdTagInfo


@attrs.frozen
class _Record:
    """What is kept of an :class:`Entry`."""

    number: int
    info: msgspec.Raw


class Authorisation(Block):
    """Decides about idTags (CP16-040…04E). They are compared without regard to case (CP16-004).

    An Authorize that gets no proper answer, for whatever reason, leaves the decision to what would decide offline.
    """

    topics = (CACHE,)

    def __init__(self, core: Backbone) -> None:
        self._core: Final = core
        self._cache: Final[dict[str, Entry]] = {}
        self._learnt = 0
        self._asking: Final[dict[str, list[Done]]] = {}

    def handlers(self) -> Mapping[type[Request[Any]], Handler]:
        """ClearCache."""
        return {ClearCacheRequest: self._on_clear}

    def hears(self) -> Mapping[type[Any], Callable[[Any], None]]:
        """What the central system says about idTags, in whichever answer (CP16-047)."""
        return {IdTagLearnt: self._on_learnt}

    def restore(self, record: Put) -> None:
        """An entry of the cache."""
        kept = unpack(_Record, record.value)
        # As the session had let it in, in the field: a card that was refused for a status we do not know stays refused.
        info, _ = read_payload(codec_of(IdTagInfo), kept.info, FIELD)
        self._cache[record.key] = Entry(kept.number, info)
        self._learnt = max(self._learnt, kept.number)

    def begin(self) -> None:
        """There may be less room than there was."""
        self._make_room(self._core.setup.cache_size)

    # -- who may --

    def authorise(self, id_tag: str, done: Done) -> None:
        """Find out about an idTag in the order of CP16-04E. While one is being asked about, nobody asks again."""
        known = self._known(id_tag)
        if not self._core.is_online:
            done(self._decide_offline(id_tag))
        elif known is not None and _is_valid(known) and self._core.settings[LOCAL_PRE_AUTHORIZE]:  # CP16-043
            done(known)
        else:  # CP16-041, CP16-049
            self._ask(id_tag, done)

    def parent_of(self, id_tag: str) -> str | None:
        """The group of an idTag, as far as a list or the cache tells; it may be valid or not (CP16-005)."""
        known = self._known(id_tag)
        return None if known is None else known.parent_id_tag

    def _decide_offline(self, id_tag: str) -> IdTagInfo:
        settings = self._core.settings
        known = self._known(id_tag)
        if known is not None and (not _is_valid(known) or settings[LOCAL_AUTHORIZE_OFFLINE]):  # CP16-044
            return known
        # One that is valid, but may not be authorised locally, is no better and no worse than one that is unknown.
        if settings.get(ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID):  # CP16-045
            return known or IdTagInfo(status=AuthorizationStatus.ACCEPTED)
        return IdTagInfo(status=AuthorizationStatus.INVALID)

    def _ask(self, id_tag: str, done: Done) -> None:
        name = _folded(id_tag)
        if name in self._asking:
            self._asking[name].append(done)
            return
        self._asking[name] = [done]
        self._core.call(AuthorizeRequest(id_tag=id_tag), partial(self._on_answer, id_tag))

    def _on_answer(self, id_tag: str, outcome: AuthorizeResponse | CallFailure) -> None:
        waiting = self._asking.pop(_folded(id_tag))
        if isinstance(outcome, AuthorizeResponse):
            info = outcome.id_tag_info
            self._core.publish(IdTagLearnt(id_tag, info))
        else:
            info = self._decide_offline(id_tag)
        for done in waiting:
            done(info)

    # -- what is known here --

    def _known(self, id_tag: str) -> IdTagInfo | None:
        """What the list says, or else the cache, as of now."""
        info = self._listed(id_tag)
        if info is None and self._has_cache and (entry := self._cache.get(_folded(id_tag))) is not None:
            info = entry.info
        return None if info is None else self._as_of_now(info)

    def _listed(self, id_tag: str) -> IdTagInfo | None:
        found = (lookup(id_tag) for lookup in self._core.lists)
        info = next((info for info in found if info is not None), None)
        if info is not None and info.status is AuthorizationStatus.CONCURRENT_TX:  # valid, in a list (CP16-04C)
            return replace(info, status=AuthorizationStatus.ACCEPTED)
        return info

    def _as_of_now(self, info: IdTagInfo) -> IdTagInfo:
        """A date that has passed makes it Expired (CP16-048, CP16-04B)."""
        core = self._core
        if _is_valid(info) and info.expiry_date is not None and info.expiry_date <= core.clock.utc(core.machine.now):
            return replace(info, status=AuthorizationStatus.EXPIRED)
        return info

    # -- the cache --

    @property
    def _has_cache(self) -> bool:
        return self._core.settings.get(AUTHORIZATION_CACHE_ENABLED) is True

    def _on_learnt(self, notice: IdTagLearnt) -> None:
        if not self._has_cache or self._listed(notice.id_tag) is not None:  # CP16-046, CP16-047
            return
        name = _folded(notice.id_tag)
        if name not in self._cache:
            self._make_room(self._core.setup.cache_size - 1)
        self._learnt += 1
        self._cache[name] = Entry(self._learnt, notice.info)
        self._core.machine.persist(Put(CACHE, name, pack(self._cache[name])))

    def _make_room(self, size: int) -> None:
        """Have no more entries than this: those not valid go first, of equals the oldest (CP16-048)."""
        surplus = len(self._cache) - size
        if surplus > 0:
            self._forget(sorted(self._cache, key=self._worth)[:surplus])

    def _worth(self, name: str) -> tuple[bool, int]:
        entry = self._cache[name]
        return _is_valid(self._as_of_now(entry.info)), entry.number

    def _on_clear(self, _: ClearCacheRequest, answer: Answer) -> None:
        self._forget(list(self._cache))
        has_room = self._core.setup.cache_size > 0  # else there is none to clear (CP16-04A)
        answer(ClearCacheResponse(status=ClearCacheStatus.ACCEPTED if has_room else ClearCacheStatus.REJECTED))

    def _forget(self, names: list[str]) -> None:
        for name in names:
            del self._cache[name]
            self._core.machine.persist(Drop(CACHE, name))


def _is_valid(info: IdTagInfo) -> bool:
    return info.status is AuthorizationStatus.ACCEPTED


def _folded(id_tag: str) -> str:
    return id_tag.casefold()
