"""A charge point's uplink under an event loop: calls that outlive connections, waited for by tasks."""

from __future__ import annotations

from contextvars import copy_context
from functools import partial
from threading import get_ident
from typing import Any, TypeVar

from ocpp_sansio import (
    FromChargePoint,
    Response,
    SendFromChargePoint,
)

from ._async import AsyncFlag, Pace, require_thread
from ._uplink import UplinkState

__all__ = ["Uplink"]

R = TypeVar("R", bound=Response)


class Uplink(UplinkState[AsyncFlag]):
    """The central system, as a charge point sees it that is kept connected to it."""

    def __init__(self, new_flag: type[AsyncFlag], pace: Pace, *args: Any, **kwargs: Any) -> None:
        self.new_flag = new_flag
        self._pace = pace
        self._thread = get_ident()
        super().__init__(*args, **kwargs)

    async def call(
        self, request: FromChargePoint[R], *, timeout: float | None = None, expires_in: float | None = None
    ) -> R:
        """Ask the central system and wait for its response, which may take until there is a connection.

        Calls are sent one at a time, in order (RPC-050). One that has been sent when the connection is lost fails with
        ConnectionLost: the central system may have acted on it. All others wait for the next connection (RPC-131).

        ``timeout`` is in seconds from when the call is sent; ``None`` stands for ``Limits.call_timeout``. With
        ``expires_in`` it is not sent when so many seconds have passed. Cancelling the task gives the call up.

        Raises:
            CallFailure: there is no usable answer; the subclass says why: QueueFull where ``Limits.max_queued_calls``
                are waiting, ConnectionLost where the block has ended.
            LocalProtocolError: the request is not valid, or this is not the thread of the event loop. Nothing was sent.
        """
        require_thread(self._thread)
        waiter = self.begin(request, timeout, expires_in, copy_context())
        self._drive()
        try:
            if expires_in is None:
                await waiter.flag.wait()
            else:
                async with self._pace.beside(partial(self._expire_in, expires_in)):
                    await waiter.flag.wait()
        finally:
            if self.give_up(waiter):
                self._drive()
        return waiter.result()

    def send(self, message: SendFromChargePoint) -> None:
        """Tell the central system something, at once (RPC-056). It never answers, so there is nothing to wait for.

        Raises:
            QueueFull: the central system does not read: more than ``Limits.max_unsent`` is waiting for it.
            SessionClosed: there is no connection. What nobody waits for is not kept.
            LocalProtocolError: the message is not valid. Nothing was sent.
        """
        require_thread(self._thread)
        self.tell(message)

    async def wait_connected(self) -> None:
        """Wait until there is a connection. It may be gone again when the task gets to know of it.

        Raises:
            SessionClosed: the block has ended.
            LocalProtocolError: this is not the thread of the event loop.
        """
        require_thread(self._thread)
        await self._up.wait()
        self.require_more()

    async def _expire_in(self, seconds: float) -> None:
        at = self.now() + seconds
        await self._pace.sleep(seconds)
        self.expire(at)

    def _drive(self) -> None:
        if self._driver is not None:
            self._driver.drive()
