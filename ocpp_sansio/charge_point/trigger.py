"""TriggerMessage and ExtendedTriggerMessage: the central system asks for a message now, which some block sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from ocpp_sansio.machine import Answer
from ocpp_sansio.messages import Request
from ocpp_sansio.v16 import (
    ExtendedTriggerMessageRequest,
    ExtendedTriggerMessageResponse,
    MessageTrigger,
    TriggerMessageRequest,
    TriggerMessageResponse,
    TriggerMessageStatus,
)

from .backbone import Backbone, Block, Handler

__all__ = ["ExtendedTriggerMessages", "TriggerMessages"]


class TriggerMessages(Block):
    """Answers TriggerMessage, and only then has the message sent (CP16-180, RPC-05A)."""

    profile = "RemoteTrigger"  # CP16-003

    request: ClassVar[type[Request[Any]]] = TriggerMessageRequest
    response: ClassVar[type[TriggerMessageResponse | ExtendedTriggerMessageResponse]] = TriggerMessageResponse
    foreign: ClassVar[frozenset[str]] = frozenset()
    """Messages that mean something else here."""

    def __init__(self, core: Backbone) -> None:
        self._core: Final = core

    def handlers(self) -> Mapping[type[Request[Any]], Handler]:
        """The request."""
        return {self.request: self._on_request}

    def _on_request(self, request: Any, answer: Answer) -> None:
        message = request.requested_message
        trigger = None if message in self.foreign else self._core.triggers.get(message)
        if trigger is None:
            answer(self.response(status=TriggerMessageStatus.NOT_IMPLEMENTED))
            return
        send = trigger(request.connector_id) if self._may_send(message) else None
        if send is None:
            answer(self.response(status=TriggerMessageStatus.REJECTED))
            return
        answer(self.response(status=TriggerMessageStatus.ACCEPTED))
        self._core.machine.then(send)

    def _may_send(self, message: str) -> bool:
        """Before there is any word on the BootNotification, nothing else is sent (CP16-010, CP16-014)."""
        return message == MessageTrigger.BOOT_NOTIFICATION or self._core.registration is not None


class ExtendedTriggerMessages(TriggerMessages):
    """The same for ExtendedTriggerMessage, of the security extension (CP16-253).

    FirmwareStatusNotification stands for the signed one there, which nobody here sends.
    """

    profile = "Core"  # the extension has no feature profile of its own
    request = ExtendedTriggerMessageRequest
    response = ExtendedTriggerMessageResponse
    foreign = frozenset({MessageTrigger.FIRMWARE_STATUS_NOTIFICATION})
