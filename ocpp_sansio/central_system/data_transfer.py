"""What vendors have agreed on: a handler for each vendorId, and the answer to all others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ocpp_sansio.diagnosis import validate
from ocpp_sansio.messages import Request
from ocpp_sansio.v16 import DataTransferRequest, DataTransferResponse, DataTransferStatus

from .backbone import Backbone, Block, Handler, fold

__all__ = ["DataTransfer", "VendorHandler"]

VendorHandler = Callable[[str, DataTransferRequest], DataTransferResponse]
"""Called with the identity of a station and its request. It may raise :class:`ocpp_sansio.Rejection`. The handler of
:class:`ocpp_sansio.DataTransfers` is one, if those that it calls in turn are plain functions."""


class DataTransfer(Block):
    """The vendors whose messages are understood. Without any, a DataTransfer is answered all the same (CP16-201)."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__(backbone)
        self._vendors: dict[str, VendorHandler] = {}

    def handlers(self) -> Mapping[type[Request[Any]], Handler]:
        """DataTransfer."""
        return {DataTransferRequest: self._transfer}

    def on(self, vendor_id: str, handler: VendorHandler) -> None:
        """Have a vendor's messages answered. The id is compared without regard to case.

        Raises:
            ValueError: the vendor has a handler already.
        """
        if fold(vendor_id) in self._vendors:
            raise ValueError(f"{vendor_id} has a handler already")
        self._vendors[fold(vendor_id)] = handler

    def _transfer(self, identity: str, request: DataTransferRequest) -> DataTransferResponse:
        handler = self._vendors.get(fold(request.vendor_id))
        if handler is None:
            return DataTransferResponse(status=DataTransferStatus.UNKNOWN_VENDOR_ID)  # CP16-200
        response = validate(handler(identity, request))
        if type(response) is not DataTransferResponse:
            raise TypeError(f"a DataTransfer is answered with a DataTransferResponse, not a {type(response).__name__}")
        return response
