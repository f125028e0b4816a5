"""TriggerMessage: the central system asks for a message now. Which block sends it is in a table it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ocpp_sansio.machine import Answer
from ocpp_sansio.messages import Request
from ocpp_sansio.v16 import MessageTrigger, TriggerMessageRequest, TriggerMessageResponse, TriggerMessageStatus

from .backbone import Backbone, Block, Handler, Trigger

__all__ = ["TriggerMessages"]


class TriggerMessages(Block):
    """Answers TriggerMessage, and only then has the message sent (CP16-180, RPC-05A)."""

    profile = "RemoteTrigger"  # CP16-003

    def __init__(self, core: Backbone, triggers: Callable[[], Mapping[MessageTrigger, Trigger]]) -> None:
        self._core: Final = core
        self._triggers: Final = triggers

    def handlers(self) -> Mapping[type[Request[Any]], Handler]:
        """TriggerMessage."""
        return {TriggerMessageRequest: self._on_request}

    def _on_request(self, request: TriggerMessageRequest, answer: Answer) -> None:
        trigger = self._triggers().get(request.requested_message)
        if trigger is None:
            answer(TriggerMessageResponse(status=TriggerMessageStatus.NOT_IMPLEMENTED))
            return
        send = trigger(request.connector_id) if self._may_send(request.requested_message) else None
        if send is None:
            answer(TriggerMessageResponse(status=TriggerMessageStatus.REJECTED))
            return
        answer(TriggerMessageResponse(status=TriggerMessageStatus.ACCEPTED))
        self._core.machine.then(send)

    def _may_send(self, message: MessageTrigger) -> bool:
        """Before there is any word on the BootNotification, nothing else is sent (CP16-010, CP16-014)."""
        return message is MessageTrigger.BOOT_NOTIFICATION or self._core.registration is not None
