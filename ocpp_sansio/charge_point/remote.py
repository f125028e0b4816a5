"""RemoteStartTransaction, RemoteStopTransaction, UnlockConnector: what the central system does in a driver's stead.

Each is answered before anything comes of it, but UnlockConnector, whose answer is what came of it. This block only
decides whether a request can be met; to meet it is what others do for a driver as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ocpp_sansio.machine import Answer
from ocpp_sansio.messages import Request
from ocpp_sansio.v16 import (
    ChargingProfilePurposeType,
    Reason,
    RegistrationStatus,
    RemoteStartStopStatus,
    RemoteStartTransactionRequest,
    RemoteStartTransactionResponse,
    RemoteStopTransactionRequest,
    RemoteStopTransactionResponse,
    UnlockConnectorRequest,
    UnlockConnectorResponse,
    UnlockStatus,
)

from .backbone import Backbone, Block, Cables, Charging, Handler, Presenting, TransactionOver
from .keys import AUTHORIZE_REMOTE_TX_REQUESTS

__all__ = ["Remote"]


class Remote(Block):
    """Starts, stops and unlocks as told (CP16-080…087)."""

    def __init__(self, core: Backbone, presenting: Presenting, charging: Charging, cables: Cables) -> None:
        self._core: Final = core
        self._presenting: Final = presenting
        self._charging: Final = charging
        self._cables: Final = cables
        self._unlocking: Final[dict[int, list[Answer]]] = {}
        """Who waits, by connector, for a transaction to be over so that its cable can be unlocked."""

    def handlers(self) -> Mapping[type[Request[Any]], Handler]:
        """The three of them."""
        return {
            RemoteStartTransactionRequest: self._on_start,
            RemoteStopTransactionRequest: self._on_stop,
            UnlockConnectorRequest: self._on_unlock,
        }

    def hears(self) -> Mapping[type[Any], Callable[[Any], None]]:
        """The end of a transaction: now its cable can be unlocked."""
        return {TransactionOver: self._on_over}

    def _on_start(self, request: RemoteStartTransactionRequest, answer: Answer) -> None:
        connector = self._presenting.choose(request.id_tag, request.connector_id) if self._is_proper(request) else None
        if connector is None:  # CP16-082, CP16-083
            answer(RemoteStartTransactionResponse(status=RemoteStartStopStatus.REJECTED))
            return
        answer(RemoteStartTransactionResponse(status=RemoteStartStopStatus.ACCEPTED))  # CP16-080
        trusts = not self._core.settings[AUTHORIZE_REMOTE_TX_REQUESTS]  # CP16-081
        self._presenting.start(request.id_tag, connector, authorised=trusts, charging_profile=request.charging_profile)

    def _is_proper(self, request: RemoteStartTransactionRequest) -> bool:
        """Whether it may be asked at all: not before acceptance (CS16-002), nor with a profile of another kind."""
        profile = request.charging_profile
        return self._core.registration is RegistrationStatus.ACCEPTED and (
            profile is None
            or (  # CP16-085; without smart charging it makes no other difference
                profile.charging_profile_purpose is ChargingProfilePurposeType.TX_PROFILE
                and profile.transaction_id is None
            )
        )

    def _on_stop(self, request: RemoteStopTransactionRequest, answer: Answer) -> None:
        for transaction in self._charging.running():
            # -1 stands for all those that never got an id (CP16-075), and so names none of them.
            if transaction.transaction_id == request.transaction_id != -1:
                answer(RemoteStopTransactionResponse(status=RemoteStartStopStatus.ACCEPTED))
                self._charging.stop(transaction.connector, Reason.REMOTE)
                return
        answer(RemoteStopTransactionResponse(status=RemoteStartStopStatus.REJECTED))  # CP16-086

    def _on_unlock(self, request: UnlockConnectorRequest, answer: Answer) -> None:
        connector = request.connector_id
        if not self._cables.can_lock(connector):
            answer(UnlockConnectorResponse(status=UnlockStatus.NOT_SUPPORTED))
        elif self._charging.on(connector) is not None:  # CP16-087
            self._unlocking.setdefault(connector, []).append(answer)
            self._charging.stop(connector, Reason.UNLOCK_COMMAND)
        else:
            self._presenting.cancel(connector)
            self._unlock(connector, answer)

    def _on_over(self, notice: TransactionOver) -> None:
        for answer in self._unlocking.pop(notice.transaction.connector, ()):
            self._unlock(notice.transaction.connector, answer)

    def _unlock(self, connector: int, answer: Answer) -> None:
        def done(unlocked: bool) -> None:
            status = UnlockStatus.UNLOCKED if unlocked else UnlockStatus.UNLOCK_FAILED
            answer(UnlockConnectorResponse(status=status))

        self._cables.unlock(connector, done)
