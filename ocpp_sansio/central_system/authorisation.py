"""Who may charge: the idTags that this central system knows, and the hook that knows more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import attrs
import msgspec

from ocpp_sansio.diagnosis import validate
from ocpp_sansio.errors import ErrorCode, Rejection
from ocpp_sansio.messages import Request
from ocpp_sansio.v16 import AuthorizationStatus, AuthorizeRequest, AuthorizeResponse, IdTagInfo

from .backbone import Backbone, Block, Handler, fold, is_id_tag
from .effects import HookFailed, IdTagChecked

__all__ = ["Authorisation", "Authorise", "IdTag"]

Authorise = Callable[[str, str, datetime], IdTagInfo | None]
"""Called with the identity of a station, an idTag and the time; ``None`` leaves it to the table.

It is not called with an idTag that cannot be printed, with a NUL in it say, which is Invalid: no card has one, and what
it is looked up in might take it for another (F-67).
"""


@attrs.frozen
class IdTag:
    """An entry of the table.

    Raises:
        InvalidMessage: the parent is no idTag, or the time has no zone.
        ValueError: it cannot be printed, so no station is told that it is known.
    """

    id_tag: str
    """Compared without regard to case (CP16-004)."""
    status: AuthorizationStatus = AuthorizationStatus.ACCEPTED
    expiry_date: datetime | None = None
    """From when on it is Expired; ``None``: never."""
    parent_id_tag: str | None = None
    """Its group (CP16-005)."""

    def __attrs_post_init__(self) -> None:
        validate(AuthorizeRequest(id_tag=self.id_tag))
        validate(self.info)
        if not is_id_tag(self.id_tag):
            raise ValueError(f"nobody can have the idTag {self.id_tag!r}")

    @property
    def info(self) -> IdTagInfo:
        """What a station is told of it."""
        return IdTagInfo(status=self.status, expiry_date=self.expiry_date, parent_id_tag=self.parent_id_tag)


class Authorisation(Block):
    """What is known about idTags. The table is in memory only: fill it at the start, or use the hook."""

    def __init__(self, backbone: Backbone, hook: Authorise | None) -> None:
        super().__init__(backbone)
        self._hook: Final = hook
        self._tags: dict[str, IdTag] = {}

    def handlers(self) -> Mapping[type[Request[Any]], Handler]:
        """Authorize."""
        return {AuthorizeRequest: self._authorize}

    # -- the table --

    def add(self, *tags: IdTag) -> None:
        """Know these idTags, in place of what was known of them."""
        self._tags.update((fold(tag.id_tag), tag) for tag in tags)

    def remove(self, id_tag: str) -> None:
        """Know an idTag no longer. Nothing happens if it is not in the table."""
        self._tags.pop(fold(id_tag), None)

    def get(self, id_tag: str) -> IdTag | None:
        """The entry of an idTag."""
        return self._tags.get(fold(id_tag))

    # -- what is said about an idTag --

    def verify(self, identity: str, id_tag: str) -> IdTagInfo | None:
        """What is known about an idTag now (CS16-031); ``None``: the hook has failed, so nobody knows."""
        if not is_id_tag(id_tag):
            return IdTagInfo(status=AuthorizationStatus.INVALID)
        utc = self.backbone.utc
        try:
            info = None if self._hook is None else self._hook(identity, id_tag, utc)
            if info is not None:
                info = validate(info)
                if type(info) is not IdTagInfo:
                    raise TypeError(f"the hook gives an IdTagInfo, not a {type(info).__name__}")
        except Exception as error:  # noqa: BLE001 - whatever it raises, the station gets its answer
            self.backbone.emit(HookFailed(identity, "authorise", error))
            return None
        if info is None:
            tag = self.get(id_tag)
            info = IdTagInfo(status=AuthorizationStatus.INVALID) if tag is None else tag.info
        if info.status is AuthorizationStatus.ACCEPTED and info.expiry_date is not None and info.expiry_date <= utc:
            return msgspec.structs.replace(info, status=AuthorizationStatus.EXPIRED)
        return info

    def verify_alone(self, identity: str, id_tag: str) -> IdTagInfo | None:
        """The same for the answer to any message but StartTransaction, whose alone ConcurrentTx is (CS16-032).

        Elsewhere it would keep a driver from stopping what runs.
        """
        info = self.verify(identity, id_tag)
        if info is not None and info.status is AuthorizationStatus.CONCURRENT_TX:
            return msgspec.structs.replace(info, status=AuthorizationStatus.ACCEPTED)
        return info

    def _authorize(self, identity: str, request: AuthorizeRequest) -> AuthorizeResponse:
        info = self.verify_alone(identity, request.id_tag)
        if info is None:
            # Not Invalid: a station keeps in its cache what it is told, and this says nothing of the idTag (CP16-047).
            raise Rejection(ErrorCode.INTERNAL_ERROR)
        self.backbone.emit(IdTagChecked(identity, request.id_tag, info))
        return AuthorizeResponse(id_tag_info=info)
