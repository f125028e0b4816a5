"""DataTransfer: what a vendor has added to the protocol, in both directions. What it means, the host knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from ocpp_sansio.diagnosis import validate
from ocpp_sansio.errors import CallFailure, ErrorCode, Rejection
from ocpp_sansio.machine import Answer
from ocpp_sansio.messages import Request
from ocpp_sansio.v16 import DataTransferRequest, DataTransferResponse, DataTransferStatus

from .backbone import Backbone, Block, Handler
from .effects import DataTransferred, HookFailed

__all__ = ["DataTransfers", "Hook"]

Hook = Callable[[DataTransferRequest], DataTransferResponse | None]
"""Answers a vendor's message; ``None``: it has no message of that id. It may raise :class:`ocpp_sansio.Rejection`."""


class DataTransfers(Block):
    """Hands each DataTransfer to the hook of its vendor, and sends those of the host (CP16-200, CP16-201)."""

    def __init__(self, core: Backbone) -> None:
        self._core: Final = core
        self._hooks: dict[str, Hook] = {}
        self._tickets = 0

    def handlers(self) -> Mapping[type[Request[Any]], Handler]:
        """DataTransfer."""
        return {DataTransferRequest: self._on_request}

    def on_data_transfer(self, vendor_id: str, hook: Hook) -> None:
        """Have a hook answer the messages of a vendor, in place of any before."""
        self._hooks[_folded(vendor_id)] = hook

    def transfer_data(self, vendor_id: str, message_id: str | None = None, data: str | None = None) -> int:
        """Send a vendor's message, now or not at all. Returns the ticket that its :class:`DataTransferred` bears.

        Raises:
            InvalidMessage: a name is too long.
        """
        request = validate(DataTransferRequest(vendor_id=vendor_id, message_id=message_id, data=data))
        self._tickets += 1
        self._core.call(request, partial(self._on_outcome, self._tickets))
        return self._tickets

    def _on_outcome(self, ticket: int, outcome: DataTransferResponse | CallFailure) -> None:
        self._core.machine.emit(DataTransferred(ticket, outcome))

    def _on_request(self, request: DataTransferRequest, answer: Answer) -> None:
        hook = self._hooks.get(_folded(request.vendor_id))
        if hook is None:
            answer(DataTransferResponse(status=DataTransferStatus.UNKNOWN_VENDOR_ID))
            return
        try:
            response = hook(request) or DataTransferResponse(status=DataTransferStatus.UNKNOWN_MESSAGE_ID)
            answer(validate(response))
        except Rejection:
            raise
        except Exception as error:
            # Whatever a hook does: the peer, who could have it do so at will, gets an answer, and the host its word.
            self._core.machine.emit(HookFailed(request.vendor_id, error))
            raise Rejection(ErrorCode.INTERNAL_ERROR) from error


def _folded(vendor_id: str) -> str:
    """Names are compared in any case (RPC-108)."""
    return vendor_id.lower()
