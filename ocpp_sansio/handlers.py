"""Tables of what the application does about each message. Filled with decorators, read by the adapters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar

from .errors import CallRefused, ErrorCode, Rejection
from .events import CallReceived, CallSucceeded, ResultRefused, SendReceived
from .messages import (
    SENT_BY,
    AnyFromCentralSystem,
    AnyFromChargePoint,
    Datatype,
    Request,
    Response,
    Role,
    Send,
    SendFromChargePoint,
)

__all__ = [
    "CentralSystemHandlers",
    "ChargePointHandlers",
    "Handler",
    "Handlers",
    "RefusalHandler",
    "SendHandler",
    "require_function",
]

Handler = Callable[[Any, Any], Response | Awaitable[Response]]
"""Called with the peer and the request; returns the response, or raises :class:`ocpp_sansio.Rejection`.

The peer is the adapter's own object. A plain function works under every adapter, an ``async`` one under those that
have an event loop."""

SendHandler = Callable[[Any, Any], object]
"""Called with the peer and the message of a SEND. Nobody waits for what it returns; an ``async`` one is awaited."""

RefusalHandler = Callable[[Any, Any, CallRefused], object]
"""Called with the peer, its request, and what it says about the response. Like a :data:`SendHandler` otherwise."""

Q = TypeVar("Q")
R = TypeVar("R", bound=Response)
M = TypeVar("M", bound=SendFromChargePoint)

HandlerOf = Callable[[Any, Q], R | Awaitable[R]]
"""A handler that takes this request and returns this response."""
SendHandlerOf = Callable[[Any, M], object]
RefusalHandlerOf = Callable[[Any, Q, CallRefused], object]


class Handlers:
    """The handlers of one end by message class; each end has its subclass, typed for what its peer sends."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self._handlers: dict[type[Datatype], Handler] = {}
        self._send_handlers: dict[type[Datatype], SendHandler] = {}
        self._refusal_handlers: dict[type[Datatype], RefusalHandler] = {}

    @property
    def requests(self) -> Collection[type[Datatype]]:
        """The classes of the requests that have a handler."""
        return self._handlers.keys()

    # -- for adapters --

    def name_of(self, request: Datatype) -> str:
        """Which function handles a request, for the log; empty: none."""
        handler = self._handlers.get(type(request))
        if handler is None:
            return ""
        named = handler if hasattr(handler, "__qualname__") else type(handler)
        return f"{named.__module__}.{named.__qualname__}"

    def handler(self, station: Any, call: CallReceived[Any]) -> Handler:  # noqa: ARG002 - for ends that know their peers
        """The handler of a CALL from this peer.

        Raises:
            Rejection: NotSupported, there is none (RPC-070).
        """
        handler = self._handlers.get(type(call.request))
        if handler is None:
            raise Rejection(ErrorCode.NOT_SUPPORTED, f"{call.action} is not supported here")
        return handler

    def send_handler(self, station: Any, send: SendReceived) -> SendHandler:  # noqa: ARG002 - as above
        """The handler of a SEND from this peer.

        Raises:
            Rejection: there is none. That is for the log: a SEND is not answered (RPC-063).
        """
        handler = self._send_handlers.get(type(send.message))
        if handler is None:
            raise Rejection(ErrorCode.NOT_SUPPORTED, "there is no handler")
        return handler

    def refusal_handler(self, refused: ResultRefused) -> RefusalHandler | None:
        """Who is told that the peer could not use our response (RPC-073); ``None``: nobody wants to know."""
        return self._refusal_handlers.get(type(refused.call.request))

    def answered(self, station: Any, call: CallReceived[Any], response: Response) -> None:
        """Told of every response that has been given. Nothing to learn from it here."""

    def succeeded(self, station: Any, outcome: CallSucceeded[Any]) -> None:
        """Told of every response that has come. Nothing to learn from it here."""

    # -- for each end to type --

    def _on(self, request: type[Any]) -> Callable[[Any], Any]:
        return self._register(self._handlers, request, Request)

    def _on_result_refused(self, request: type[Any]) -> Callable[[Any], Any]:
        return self._register(self._refusal_handlers, request, Request)

    def _register(self, table: dict[type[Datatype], Any], message: Any, kind: type[Any]) -> Callable[[Any], Any]:
        if not isinstance(message, type):
            raise TypeError(f"name the class of the message, as in @handlers.on(HeartbeatRequest), not {message!r}")
        if not (issubclass(message, kind) and issubclass(message, SENT_BY[self.role.peer])):
            frame = "SEND" if kind is Send else "CALL"
            raise TypeError(f"a {self.role.peer} does not send {message.__name__} in a {frame}")

        def register(handler: Any) -> Any:
            require_function(handler)
            if message in table:
                raise ValueError(f"{message.__name__} has a handler already")
            table[message] = handler
            return handler

        return register


def require_function(hook: object) -> None:
    """Find out at once that what is to be called cannot be.

    Raises:
        TypeError: it cannot.
    """
    if not callable(hook):
        raise TypeError(f"a function is needed, not {hook!r}")


class ChargePointHandlers(Handlers):
    """What a charge point does about what its central system sends."""

    def __init__(self) -> None:
        super().__init__(Role.CHARGE_POINT)

    def on(self, request: type[AnyFromCentralSystem[Q, R]]) -> Callable[[HandlerOf[Q, R]], HandlerOf[Q, R]]:
        """Decorate the handler of a request class.

        Raises:
            TypeError: a central system does not send this request; or it is no class, or the handler no function.
            ValueError: the request has a handler already.
        """
        return self._on(request)

    def on_result_refused(
        self, request: type[AnyFromCentralSystem[Q, Any]]
    ) -> Callable[[RefusalHandlerOf[Q]], RefusalHandlerOf[Q]]:
        """Decorate who is told when the central system could not use the response to such a request (2.1: RPC-072).

        Raises:
            TypeError: a central system does not send this request; or it is no class, or the handler no function.
            ValueError: somebody is told already.
        """
        return self._on_result_refused(request)


class CentralSystemHandlers(Handlers):
    """What a central system does about what its charge points send."""

    def __init__(self) -> None:
        super().__init__(Role.CENTRAL_SYSTEM)

    def on(self, request: type[AnyFromChargePoint[Q, R]]) -> Callable[[HandlerOf[Q, R]], HandlerOf[Q, R]]:
        """Decorate the handler of a request class.

        Raises:
            TypeError: a charge point does not send this request; or it is no class, or the handler no function.
            ValueError: the request has a handler already.
        """
        return self._on(request)

    def on_send(self, message: type[M]) -> Callable[[SendHandlerOf[M]], SendHandlerOf[M]]:
        """Decorate the handler of what charge points send in a SEND (2.1: RPC-034).

        A plain function that calls nobody hears a charge point's messages one after the other. An ``async`` one runs
        several times beside itself, ``Limits.max_inbound_calls`` times at most; and so, under an adapter without an
        event loop, does a plain one that calls its charge point: while it waits for the answer, it is called with the
        messages that come before that. When so many are at work, no more is read than it takes to hear the answers
        that they wait for (F-98, F-100).

        Raises:
            TypeError: a charge point does not send this in a SEND; or it is no class, or the handler no function.
            ValueError: the message has a handler already.
        """
        return self._register(self._send_handlers, message, Send)

    def on_result_refused(
        self, request: type[AnyFromChargePoint[Q, Any]]
    ) -> Callable[[RefusalHandlerOf[Q]], RefusalHandlerOf[Q]]:
        """Decorate who is told when a charge point could not use the response to such a request (2.1: RPC-072).

        Raises:
            TypeError: a charge point does not send this request; or it is no class, or the handler no function.
            ValueError: somebody is told already.
        """
        return self._on_result_refused(request)
