"""Who wants to know what happens on connections: the ``observer=`` of ``serve``, ``connect`` and ``operate``.

:class:`ocpp_transports.opentelemetry.Telemetry` is one; whatever has these methods can be another one. They are called
where things happen, so they must be quick, and under :mod:`ocpp_transports.sync` in many threads, each connection in
one at a time. One that raises is logged, and is told no more of that connection.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from ocpp_sansio import (
    CallFailed,
    CallReceived,
    CallSucceeded,
    ConnectionClosed,
    ErrorCode,
    PeerMisbehaved,
    PendingCall,
    Version,
)
from ocpp_sansio.messages import Role

if TYPE_CHECKING:
    from ._dispatcher import Dispatcher

__all__ = ["ConnectionObserver", "Observer", "Watch"]


class Observer(Protocol):
    """Is told of every connection."""

    def opened(self, identity: str, version: Version, role: Role) -> ConnectionObserver:
        """There is one: whose, in which version, and which end of it we are. What it returns is told the rest."""
        ...

    def refused(self, identity: str, status: int | None) -> None:
        """There is none: with which HTTP status, if it came to that. On a server any name may have been given."""
        ...


class ConnectionObserver(Protocol):
    """Is told of one connection.

    The actions that it is told are those of the version, a vendor's own among them; never a peer's invention (F-131).
    """

    def calling(self, call: PendingCall[Any]) -> None:
        """We make a CALL. This is called in the context of who makes it (see :mod:`contextvars`)."""
        ...

    def sent(self, call: PendingCall[Any]) -> None:
        """It is on the wire: at once, or as soon as those before it were answered (RPC-050)."""
        ...

    def concluded(self, outcome: CallSucceeded[Any] | CallFailed) -> None:
        """It has its one outcome."""
        ...

    def handling(self, call: CallReceived[Any]) -> AbstractContextManager[object]:
        """The peer makes a CALL. Its handler is called within this, and has its context, to the end if it is async."""
        ...

    def answered(self, call: CallReceived[Any], error: ErrorCode | None) -> None:
        """It is answered, or refused with this code."""
        ...

    def ignored(self, call: CallReceived[Any]) -> None:
        """It is left without an answer."""
        ...

    def misbehaved(self, event: PeerMisbehaved) -> None:
        """The peer did something wrong."""
        ...

    def closed(self, end: ConnectionClosed) -> None:
        """It is over. CALLs of the peer that have not been answered never will be."""
        ...


class Watch:
    """What stands between a connection and its observer, which must not be the end of it."""

    def __init__(self, driver: Dispatcher[Any, Any, Any], observer: ConnectionObserver) -> None:
        self._driver: Final = driver
        self._observer: ConnectionObserver | None = observer
        self._on_wire: PendingCall[Any] | None = None

    def calling(self, call: PendingCall[Any], context: Context | None = None) -> None:
        """A CALL of ours has been handed to the session. Without a context it is made here."""
        run = context.run if context is not None else _run
        self._tell(lambda observer: run(observer.calling, call))
        self.look_at_wire()

    def concluded(self, outcome: CallSucceeded[Any] | CallFailed) -> None:
        """It has its outcome, and the next one is on the wire."""
        self._tell(lambda observer: observer.concluded(outcome))
        self.look_at_wire()

    def look_at_wire(self) -> None:
        """Another one may have been sent."""
        on_wire = self._driver.connection.on_wire
        if on_wire is not self._on_wire:
            self._on_wire = on_wire
            if on_wire is not None:
                self._tell(lambda observer: observer.sent(on_wire))

    @contextmanager
    def handling(self, call: CallReceived[Any]) -> Generator[None]:
        """What is done about a CALL is done within this."""
        stack = ExitStack()
        self._tell(lambda observer: stack.enter_context(observer.handling(call)))
        try:
            yield
        finally:
            self._attempt(stack.close)

    def answered(self, call: CallReceived[Any], error: ErrorCode | None = None) -> None:
        """A CALL of the peer's has its answer."""
        self._tell(lambda observer: observer.answered(call, error))

    def ignored(self, call: CallReceived[Any]) -> None:
        """It will have none."""
        self._tell(lambda observer: observer.ignored(call))

    def misbehaved(self, event: PeerMisbehaved) -> None:
        """The peer did something wrong."""
        self._tell(lambda observer: observer.misbehaved(event))

    def closed(self, end: ConnectionClosed) -> None:
        """That was it."""
        self._tell(lambda observer: observer.closed(end))

    def _tell(self, tell: Callable[[ConnectionObserver], object]) -> None:
        if self._observer is not None:
            self._attempt(partial(tell, self._observer))

    def _attempt(self, act: Callable[[], object]) -> None:
        try:
            act()
        except Exception:  # noqa: BLE001 - whatever it is, it is not the connection's fault (F-14)
            self._observer = None
            self._driver.log(logging.ERROR, "the observer failed, and is told no more", exc_info=True)


def _run(function: Callable[..., object], *args: object) -> object:
    return function(*args)
