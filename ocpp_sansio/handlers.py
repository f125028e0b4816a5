"""A table of what the application does about each request. Filled with a decorator, read by the adapters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

from .errors import ErrorCode, Rejection
from .events import CallReceived
from .messages import SENT_BY, AnyFromCentralSystem, AnyFromChargePoint, Datatype, Response, Role

__all__ = ["CentralSystemHandlers", "ChargePointHandlers", "Handler", "Handlers"]

Handler = Callable[[Any, Any], Response | Awaitable[Response]]
"""Called with the peer and the request; returns the response, or raises :class:`ocpp_sansio.Rejection`.

The peer is the adapter's own object. A plain function works under every adapter, an ``async`` one under those that
have an event loop."""

Q = TypeVar("Q")
R = TypeVar("R", bound=Response)

HandlerOf = Callable[[Any, Q], R | Awaitable[R]]
"""A handler that takes this request and returns this response."""


class Handlers:
    """The handlers of one end by request class; each end has its subclass, typed for what its peer sends."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self._handlers: dict[type[Datatype], Handler] = {}

    def __iter__(self) -> Iterator[Handler]:
        return iter(self._handlers.values())

    def handler(self, station: Any, call: CallReceived[Any]) -> Handler:  # noqa: ARG002 - for ends that know their peers
        """The handler of a CALL from this peer.

        Raises:
            Rejection: NotSupported, there is none (RPC-070).
        """
        handler = self._handlers.get(type(call.request))
        if handler is None:
            raise Rejection(ErrorCode.NOT_SUPPORTED, f"{call.action} is not supported here")
        return handler

    def answered(self, station: Any, call: CallReceived[Any], response: Response) -> None:
        """Told of every response that has been given. Nothing to learn from it here."""

    def _on(self, request: type[Any]) -> Callable[[Any], Any]:
        if not issubclass(request, SENT_BY[self.role.peer]):
            raise TypeError(f"a {self.role.peer} does not send {request.__name__}")

        def register(handler: Handler) -> Handler:
            if request in self._handlers:
                raise ValueError(f"{request.__name__} has a handler already")
            self._handlers[request] = handler
            return handler

        return register


class ChargePointHandlers(Handlers):
    """What a charge point does about the requests of its central system."""

    def __init__(self) -> None:
        super().__init__(Role.CHARGE_POINT)

    def on(self, request: type[AnyFromCentralSystem[Q, R]]) -> Callable[[HandlerOf[Q, R]], HandlerOf[Q, R]]:
        """Decorate the handler of a request class.

        Raises:
            TypeError: a central system does not send this request.
            ValueError: the request has a handler already.
        """
        return self._on(request)


class CentralSystemHandlers(Handlers):
    """What a central system does about the requests of its charge points."""

    def __init__(self) -> None:
        super().__init__(Role.CENTRAL_SYSTEM)

    def on(self, request: type[AnyFromChargePoint[Q, R]]) -> Callable[[HandlerOf[Q, R]], HandlerOf[Q, R]]:
        """Decorate the handler of a request class.

        Raises:
            TypeError: a charge point does not send this request.
            ValueError: the request has a handler already.
        """
        return self._on(request)
