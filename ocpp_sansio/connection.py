"""A session over a WebSocket: TCP bytes in and out, for either end.

A connection owns the session and the WebSocket beneath it, and eats the texts that go between them; what remains
are events for the driver. It must not know what either of them decides.

The driver's part, in this order, after every step (one mutation → drain completely → wait):

1. Mutate once: ``receive_data``, ``receive_eof``, ``handle_timeout``, or a command such as ``call``.
2. Act on ``next_event()`` until it returns ``None``.
3. Send ``data_to_send()``; if ``transport_done``, close the transport after that.
4. Wait for bytes, unless ``reading_paused``, for ``next_timeout()``, or for the user.

``now`` is seconds of any monotonic clock. A ``now`` that goes backwards is taken for the latest one seen.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, Generic, TypeVar

from .errors import ErrorCode, LocalProtocolError
from .events import CallReceived, ConnectionClosed, ConnectionOpened, Event, PendingCall, Repair
from .facts import TransportFacts
from .handshake import Endpoint, basic_authorization
from .limits import Limits
from .messages import FromCentralSystem, FromChargePoint, Response, SendFromChargePoint
from .session import CentralSystemSession, ChargePointSession, Session, Tap, VersionedActions, actions_by_version
from .version import NoMatch, Version
from .websocket import ClientWebSocket, HeaderFields, ServerWebSocket, WebSocket

__all__ = ["CentralSystemConnection", "ChargePointConnection", "Connection"]

R = TypeVar("R", bound=Response)
S = TypeVar("S", bound=Session)
W = TypeVar("W", bound=WebSocket)


class Connection(Generic[S, W]):
    """Both ends through one code path; use :class:`ChargePointConnection` or :class:`CentralSystemConnection`.

    The last event is one ConnectionClosed, or one ConnectionRefused if the connection never was open.
    """

    def __init__(
        self,
        open_websocket: Callable[[Callable[[str], None]], W],
        open_session: Callable[[Version], S],
        limits: Limits,
        now: float,
    ) -> None:
        self.limits: Final = limits
        self.busy = False
        """For the driver to set while its application has more to do than it should: reading is paused (F-98)."""
        self._now = now
        self._websocket = open_websocket(self._on_text)
        self._open_session = open_session
        self._session: S | None = None
        self._taps: list[Tap] = []
        """Those that the session is to have as well."""
        self._events: deque[Event] = deque()
        """What is to be told before the events that the session still has."""

    # -- what the driver asks --

    def next_event(self) -> Event | None:
        """The next thing to act on; ``None`` when there is nothing left."""
        if self._events:
            return self._events.popleft()
        return None if self._session is None else self._session.next_event()

    def data_to_send(self) -> bytes:
        """The bytes to send now. Given out once."""
        return self._websocket.data_to_send()

    def next_timeout(self) -> float | None:
        """When ``handle_timeout`` wants to be called; ``None``: not before something else happens."""
        deadline = self._websocket.deadline
        if self._session is not None and (call_deadline := self._session.deadline) < deadline:
            deadline = call_deadline
        return None if deadline == math.inf else deadline

    @property
    def version(self) -> Version | None:
        """The version spoken; ``None`` as long as the connection has not been open."""
        return None if self._session is None else self._session.version

    @property
    def is_open(self) -> bool:
        """Whether CALLs can be sent."""
        return self._websocket.is_open

    @property
    def on_wire(self) -> PendingCall[Any] | None:
        """Our CALL that is on the wire, unanswered; the others wait for their turn behind it."""
        return None if self._session is None else self._session.on_wire

    @property
    def is_idle(self) -> bool:
        """Whether no CALL is under way, neither one of ours nor one of the peer's."""
        return self._session is None or self._session.is_idle

    @property
    def reading_paused(self) -> bool:
        """Whether the peer sends more than is being dealt with: stop reading until this is false again (F-98)."""
        if self._websocket.probing:
            return False  # its sign of life may be behind what is not being read
        return self.busy or (self._session or self._websocket).reading_paused

    @property
    def transport_done(self) -> bool:
        """Whether ``data_to_send`` holds all that will ever be sent: send that and close the transport."""
        return self._websocket.transport_done

    def add_tap(self, tap: Tap) -> None:
        """Show every OCPP message that comes or goes from now on to this one as well."""
        if self._session is None:
            self._taps.append(tap)
        else:
            self._session.add_tap(tap)

    # -- what happens --

    def receive_data(self, data: bytes, *, now: float) -> None:
        """Take in bytes from the transport. Never raises for what the peer did."""
        self._now = now
        self._websocket.receive_data(data, now=now)
        if self._websocket.events:
            self._heed()

    def receive_eof(self, *, now: float) -> None:
        """The transport is gone: it reached its end, or it failed (F-08, F-09)."""
        self._now = now
        self._websocket.receive_eof(now=now)
        self._heed()

    def handle_timeout(self, *, now: float) -> None:
        """Let time pass: act on every deadline that is due. An extra call does nothing."""
        self._now = now
        if self._session is not None:
            if self.reading_paused:
                # The peer is not to blame for a silence that is ours: we do not listen.
                self._websocket.heard(now=now)
            self._session.handle_timeout(now=now)
        self._websocket.handle_timeout(now=now)
        self._heed()
        self._speak()

    # -- commands --

    def cancel(self, call: PendingCall[Any], *, now: float) -> None:
        """Give up on a call: its outcome is a CallFailed with CallCancelled, unless it has had its outcome."""
        self._now = now
        self._opened().cancel(call, now=now)
        self._speak()

    def respond(self, call: CallReceived[R], response: R, *, now: float) -> bool:
        """Answer a CALL. Returns whether the answer is on its way: nobody may wait for it any more.

        Raises:
            InvalidMessage: the response breaks its schema; the CALL is still open.
            LocalProtocolError: the CALL has been answered, or the response is not of its action.
        """
        self._now = now
        sent = (self._session or self._opened()).respond(call, response, now=now)
        self._speak()
        return sent

    def reject(
        self,
        call: CallReceived[Any],
        code: ErrorCode,
        description: str = "",
        details: Mapping[str, Any] | None = None,
        *,
        now: float,
    ) -> bool:
        """Answer a CALL with a CALLERROR (RPC-062). Returns whether it is on its way, as :meth:`respond` does.

        Raises:
            LocalProtocolError: the CALL has been answered.
        """
        self._now = now
        sent = self._opened().reject(call, code, description, details, now=now)
        self._speak()
        return sent

    def ignore(self, call: CallReceived[Any], *, now: float) -> None:
        """Leave a CALL without an answer, as a charge point that was rejected has to (CP16-013).

        Raises:
            LocalProtocolError: the CALL has been answered.
        """
        self._now = now
        self._opened().ignore(call, now=now)
        self._speak()

    def probe(self, *, now: float) -> None:
        """Ask the peer for a sign of life at once. Does nothing on one that is probed already, or is not open.

        As soon as anything is heard, ProbeAnswered follows. If nothing is within ``Limits.probe_timeout``, the
        connection is lost (F-33, F-34). Until then reading is not paused.
        """
        self._now = now
        self._websocket.probe(now=now)

    def close(self, code: int = 1000, reason: str = "", *, now: float) -> None:
        """End the connection in good order. Does nothing on one that is ending already.

        Calls without an answer fail at once with ConnectionLost. ConnectionClosed follows when the peer has
        consented, at the latest after ``Limits.close_timeout``.

        Raises:
            ValueError: the code is not for use in a close frame (RPC-017 lists those that fit).
        """
        self._now = now
        self._websocket.close(code, reason, now=now)
        if self._session is not None:
            self._session.connection_lost(now=now)
        self._heed()

    # -- between the layers --

    def _opened(self) -> S:
        if self._session is None:
            raise LocalProtocolError("the connection has never been open")
        return self._session

    def _on_text(self, text: str) -> None:
        """A message is complete, while the WebSocket is still at work on the bytes it came in."""
        session = self._session
        if session is None:  # it came right behind the handshake
            self._heed()
            session = self._opened()
        session.receive_data(text, now=self._now)
        if session.outbox or session.must_close is not None:
            self._speak()

    def _heed(self) -> None:
        """Act on the events of the WebSocket, and pass them on."""
        while (event := self._websocket.next_event()) is not None:
            if isinstance(event, ConnectionOpened):
                self._session = self._open_session(event.version)
                del self._open_session
                for tap in self._taps:
                    self._session.add_tap(tap)
                self._taps.clear()
            elif isinstance(event, ConnectionClosed):
                self._opened().connection_lost(now=self._now)
            # What the session has to say about the texts so far, and about its end, comes first.
            if self._session is not None:
                self._events.extend(iter(self._session.next_event, None))
            self._events.append(event)

    def _speak(self) -> None:
        """Send what the session has to send."""
        session = self._session
        if session is not None:
            texts, session.outbox = session.outbox, []
            for text in texts:
                self._websocket.send_text(text)
            if session.must_close is not None and self.is_open:
                self.close(session.must_close, "limit exceeded", now=self._now)


class ChargePointConnection(Connection[ChargePointSession, ClientWebSocket]):
    """A charge point's connection to its central system. The opening request is in ``data_to_send`` at once.

    Args:
        url: the endpoint URL of the central system, ``ws://…`` or ``wss://…``; the identity is added to its path.
        identity: the name of the charge point (RPC-002…004).
        now: the current time.
        versions: those offered, in order of preference (RPC-010).
        message_ids: makes the ids of our CALLs, see :func:`ocpp_sansio.session.numbered_ids`.
        password: sent as HTTP Basic credentials, with the identity as user name (RPC-142); text is sent as UTF-8.
        headers: further header fields of the opening request.
        compression: whether to offer permessage-deflate (RPC-020). Each message is compressed by itself, so none tells
            anything about another; but who may choose a part of one, and sees its size, may guess at the rest: leave it
            off where idTokens or keys travel beside text that others choose (F-52). It takes time as well.
        limits: bounds on what the central system can make us hold or do.
        tap: is shown every OCPP message that comes or goes.
        actions: by version, those of it with a vendor's own, see :meth:`ocpp_sansio.Actions.extended`.
        tolerance: what to put up with in payloads, see :class:`ocpp_sansio.Repair`. Each event says where it had to be.

    Raises:
        ValueError: the URL, the identity or a header field is not acceptable, or a version or repair is unknown.
    """

    def __init__(
        self,
        url: str,
        identity: str,
        *,
        now: float,
        versions: Iterable[Version | str] = (Version.V16,),
        message_ids: Callable[[], str],
        password: bytes | str | None = None,
        headers: HeaderFields = (),
        compression: bool = False,
        limits: Limits | None = None,
        tap: Tap | None = None,
        actions: VersionedActions | None = None,
        tolerance: Iterable[Repair | str] = (),
    ) -> None:
        limits = limits or Limits()
        self._endpoint = Endpoint.of(url, identity)
        if password is not None:
            password = password.encode() if isinstance(password, str) else password
            headers = [("Authorization", basic_authorization(identity, password)), *headers]
        super().__init__(
            partial(
                ClientWebSocket,
                self._endpoint,
                _spoken(versions),
                headers=headers,
                compression=compression,
                limits=limits,
                now=now,
            ),
            _opener(ChargePointSession, actions, tolerance, message_ids=message_ids, limits=limits, tap=tap),
            limits,
            now,
        )

    @property
    def host(self) -> str:
        """The host to connect to: a name, or an address without brackets."""
        return self._endpoint.host

    @property
    def port(self) -> int:
        """The TCP port to connect to."""
        return self._endpoint.port

    @property
    def secure(self) -> bool:
        """Whether the transport has to be TLS."""
        return self._endpoint.secure

    def call(self, request: FromChargePoint[R], *, now: float, timeout: float | None = None) -> PendingCall[R]:
        """Ask the central system. See :meth:`CentralSystemConnection.call`."""
        self._now = now
        call = self._opened().call(request, now=now, timeout=timeout)
        self._speak()
        return call

    def send(self, message: SendFromChargePoint, *, now: float) -> None:
        """Tell the central system something at once, also while a CALL is unanswered; it never answers (RPC-056).

        Raises:
            InvalidMessage: the message breaks its schema.
            SessionClosed: the connection has ended.
            LocalProtocolError: the connection has not been open yet, or the message is not of its version.
        """
        self._now = now
        self._opened().send(message, now=now)
        self._speak()


class CentralSystemConnection(Connection[CentralSystemSession, ServerWebSocket]):
    """A central system's connection from one charge point, from the moment the transport stands.

    Nothing reaches the application before it has answered ConnectionRequested with ``accept`` or
    ``reject_connection``, within ``Limits.handshake_timeout``.

    Args:
        now: the current time.
        versions: those spoken; the charge point's preference decides among them (RPC-011).
        message_ids: makes the ids of our CALLs, see :func:`ocpp_sansio.session.numbered_ids`.
        no_match: what to do with a charge point that offers none of them (RPC-012, RPC-013).
        compression: whether to use permessage-deflate with those who offer it, see :class:`ChargePointConnection`.
        limits: bounds on what the charge point can make us hold or do.
        tap: is shown every OCPP message that comes or goes.
        actions: by version, those of it with a vendor's own, see :meth:`ocpp_sansio.Actions.extended`.
        tolerance: what to put up with in payloads, see :class:`ocpp_sansio.Repair`. Each event says where it had to be.
        allow_origin: whether to admit requests with an Origin, which browsers send and charge points do not (F-32).
        facts: tells what the transport knows of the client. It is asked once, when the head of the request is complete.

    Raises:
        ValueError: a version or repair is unknown, or there is no version.
    """

    def __init__(
        self,
        *,
        now: float,
        versions: Iterable[Version | str] = (Version.V16,),
        message_ids: Callable[[], str],
        no_match: NoMatch = NoMatch.ACCEPT_THEN_CLOSE,
        compression: bool = False,
        limits: Limits | None = None,
        tap: Tap | None = None,
        actions: VersionedActions | None = None,
        tolerance: Iterable[Repair | str] = (),
        allow_origin: bool = False,
        facts: Callable[[], TransportFacts] = TransportFacts,
    ) -> None:
        limits = limits or Limits()
        super().__init__(
            partial(
                ServerWebSocket,
                _spoken(versions),
                no_match=no_match,
                allow_origin=allow_origin,
                facts=facts,
                compression=compression,
                limits=limits,
                now=now,
            ),
            _opener(CentralSystemSession, actions, tolerance, message_ids=message_ids, limits=limits, tap=tap),
            limits,
            now,
        )

    def accept(self, *, now: float) -> None:
        """Let the charge point in. Nothing happens if it has left meanwhile.

        Raises:
            LocalProtocolError: there is no request to decide on.
        """
        self._now = now
        self._websocket.accept(now=now)
        self._heed()

    def reject_connection(self, status: int = 401, reason: str = "", headers: HeaderFields = (), *, now: float) -> None:
        """Refuse the charge point with an HTTP status (RPC-015, RPC-016). Nothing happens if it has left meanwhile.

        The reason is the body of the response. A 401 asks for HTTP Basic credentials unless ``headers`` ask for others.

        Raises:
            LocalProtocolError: there is no request to decide on.
            ValueError: the status is not one of 300 to 599, or a header field is not fit to be sent.
        """
        self._now = now
        self._websocket.reject(status, reason, headers, now=now)
        self._heed()

    def call(self, request: FromCentralSystem[R], *, now: float, timeout: float | None = None) -> PendingCall[R]:
        """Ask the charge point, at once or as soon as the calls before it have been answered (RPC-050).

        ``timeout`` is in seconds from when the CALL is sent (RPC-054); ``None`` stands for ``Limits.call_timeout``,
        ``math.inf`` for no limit. The one outcome of the call is a CallSucceeded or a CallFailed.

        Raises:
            InvalidMessage: the request breaks its schema.
            QueueFull: ``Limits.max_queued_calls`` are waiting.
            SessionClosed: the connection has ended.
            LocalProtocolError: the connection has not been open yet, or the request is not of this version or not
                for this side to send.
            ValueError: the time-out is not a positive number.
        """
        self._now = now
        call = self._opened().call(request, now=now, timeout=timeout)
        self._speak()
        return call


def _opener(
    session: type[S], actions: VersionedActions | None, tolerance: Iterable[Repair | str], **options: Any
) -> Callable[[Version], S]:
    """What opens the session once the version is known. Whatever is wrong with the options is found out now."""
    by_version, repairs = actions_by_version(actions, session.role), frozenset(map(Repair, tolerance))
    return lambda version: session(version, actions=by_version.get(version), tolerance=repairs, **options)


def _spoken(versions: Iterable[Version | str]) -> tuple[Version, ...]:
    """The versions, each with its messages at hand: better now than when a peer has chosen one."""
    parsed = Version.parse_all(versions)
    for version in parsed:
        _ = version.actions
    return parsed
