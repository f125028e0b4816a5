"""A session over a WebSocket, whoever speaks the WebSocket: what a connection is above its transport.

A channel owns the session and the WebSocket beneath it, and eats the texts that go between them; what remains are
events for the driver. It must not know what either of them decides, nor what goes in and out at the far end of the
WebSocket: bytes are the business of :mod:`ocpp_sansio.connection`, somebody else's messages that of
:mod:`ocpp_sansio.hosted`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, Protocol, TypeVar

from .closing import DISPLACED
from .errors import ConnectionLost, ConnectionReplaced, ErrorCode, LocalProtocolError
from .events import (
    CallReceived,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRefused,
    ConnectionRequested,
    Event,
    PendingCall,
)
from .header_fields import HeaderFields
from .limits import Limits
from .messages import Actions, FromCentralSystem, Response
from .session import CentralSystemSession, Session, Tap, VersionedActions, actions_by_version
from .tolerance import StationTolerance, Tolerance, per_station
from .version import Version

__all__ = ["CentralSystemChannel", "Channel", "Opener", "spoken"]

R = TypeVar("R", bound=Response)
S = TypeVar("S", bound=Session)


class WebSocket(Protocol):
    """What a channel needs of the WebSocket beneath it."""

    events: list[Event]
    """Those that ``next_event`` has not given out yet."""
    deadline: float
    """When ``handle_timeout`` wants to be called; ``math.inf``: not before something else happens."""
    probing: bool
    """Whether the peer has been asked for a sign of life, and none has come yet."""
    transport_done: bool
    """Whether all has been said."""

    @property
    def is_open(self) -> bool: ...
    @property
    def reading_paused(self) -> bool: ...
    def next_event(self) -> Event | None: ...
    def send_text(self, text: bytes) -> None: ...
    def probe(self, *, now: float) -> None: ...
    def heard(self, *, now: float) -> None: ...
    def handle_timeout(self, *, now: float) -> None: ...
    def close(self, code: int, reason: str, *, now: float) -> None: ...


class ServedWebSocket(WebSocket, Protocol):
    """And of that of a server."""

    def accept(self, *, now: float) -> None: ...
    def reject(self, status: int, reason: str, headers: HeaderFields, *, now: float) -> None: ...


W = TypeVar("W", bound=WebSocket)
V = TypeVar("V", bound=ServedWebSocket)


class Channel(Generic[S, W]):
    """Both ends through one code path, whatever carries the texts.

    The last event is one ConnectionClosed, or one ConnectionRefused if the connection never was open.
    """

    def __init__(
        self,
        open_websocket: Callable[[Callable[[str], None]], W],
        opener: Opener[S],
        limits: Limits,
        now: float,
    ) -> None:
        self.limits: Final = limits
        self.busy = False
        """For the driver to set while its application has more to do than it should: reading is paused (F-98)."""
        self._now = now
        self._websocket = open_websocket(self._on_text)
        self._opener: Opener[S] | None = opener
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
    def actions(self) -> Actions | None:
        """The actions there are, a vendor's own among them; ``None`` as long as it has not been open."""
        return None if self._session is None else self._session.actions

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
        paused = self.busy or (self._session or self._websocket).reading_paused
        # The sign of life that a probe waits for, or the answer to our close frame, may be behind what is not read.
        return paused and not self._websocket.probing and (self._session is None or self.is_open)

    @property
    def transport_done(self) -> bool:
        """Whether all that will ever be sent is there to be sent: send that and close the transport."""
        return self._websocket.transport_done

    def add_tap(self, tap: Tap) -> None:
        """Show every OCPP message that comes or goes from now on to this one as well."""
        if self._session is None:
            self._taps.append(tap)
        else:
            self._session.add_tap(tap)

    # -- what happens --

    def handle_timeout(self, *, now: float) -> None:
        """Let time pass: act on every deadline that is due. An extra call does nothing."""
        self._advance(now)
        if self._session is not None:
            if self.reading_paused:
                # The peer is not to blame for a silence that is ours: we do not listen.
                self._websocket.heard(now=self._now)
            self._session.handle_timeout(now=self._now)
        self._websocket.handle_timeout(now=self._now)
        self._heed()
        self._speak()

    # -- commands --

    def cancel(self, call: PendingCall[Any], *, now: float) -> None:
        """Give up on a call: its outcome is a CallFailed with CallCancelled, unless it has had its outcome."""
        self._advance(now)
        self._opened().cancel(call, now=self._now)
        self._speak()

    def respond(self, call: CallReceived[R], response: R, *, now: float) -> bool:
        """Answer a CALL. Returns whether the answer is on its way: nobody may wait for it any more.

        Raises:
            InvalidMessage: the response breaks its schema; the CALL is still open.
            LocalProtocolError: the CALL has been answered, or the response is not of its action.
        """
        if now > self._now:  # noqa: PLR1730 - see _advance
            self._now = now
        sent = (self._session or self._opened()).respond(call, response, now=self._now)
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
        self._advance(now)
        sent = self._opened().reject(call, code, description, details, now=self._now)
        self._speak()
        return sent

    def ignore(self, call: CallReceived[Any], *, now: float) -> None:
        """Leave a CALL without an answer, as a charge point that was rejected has to (CP16-013).

        Raises:
            LocalProtocolError: the CALL has been answered.
        """
        self._advance(now)
        self._opened().ignore(call, now=self._now)
        self._speak()

    def probe(self, *, now: float) -> None:
        """Ask the peer for a sign of life at once. Does nothing on one that is probed already, or is not open.

        As soon as anything is heard, ProbeAnswered follows. If nothing is within ``Limits.probe_timeout``, the
        connection is lost (F-33, F-34). Until then reading is not paused.
        """
        self._advance(now)
        self._websocket.probe(now=self._now)

    def close(self, code: int = 1000, reason: str = "", *, now: float) -> None:
        """End the connection in good order. Does nothing on one that is ending already.

        Calls without an answer fail at once with ConnectionLost. ConnectionClosed follows when the peer has
        consented, at the latest after ``Limits.close_timeout``.

        Raises:
            ValueError: the code is not for use in a close frame (RPC-017 lists those that fit).
        """
        self._close(code, reason, now, ConnectionLost)

    def _close(self, code: int, reason: str, now: float, failure: type[ConnectionLost]) -> None:
        self._advance(now)
        self._websocket.close(code, reason, now=self._now)
        if self._session is not None:
            self._session.connection_lost(failure, now=self._now)
        self._heed()

    def _advance(self, now: float) -> None:
        # Here as well as in the layers, each of which would only know the latest time that it has been told itself.
        if now > self._now:  # noqa: PLR1730 - it is asked with every message, and max() takes twice as long
            self._now = now

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
                assert self._opener is not None
                self._session = self._opener.open(event.version)
                for tap in self._taps:
                    self._session.add_tap(tap)
            elif isinstance(event, ConnectionClosed):
                self._opened().connection_lost(now=self._now)
            elif isinstance(event, ConnectionRequested):
                assert self._opener is not None
                self._opener.request = event
            if isinstance(event, ConnectionOpened | ConnectionRefused):
                # A tap may know the connection: it would keep it from being freed (F-132).
                self._opener = None
                self._taps.clear()
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


class CentralSystemChannel(Channel[CentralSystemSession, V]):
    """A central system's end: it decides who may connect, and asks."""

    def accept(self, *, now: float) -> None:
        """Let the charge point in. Nothing happens if it has left meanwhile.

        Raises:
            LocalProtocolError: there is no request to decide on.
            Exception: what was to tell the tolerance has raised it, or told none: there is still a decision to make.
        """
        self._advance(now)
        if self._opener is not None:
            self._opener.choose_tolerance()
        self._websocket.accept(now=self._now)
        self._heed()

    def reject_connection(self, status: int = 401, reason: str = "", headers: HeaderFields = (), *, now: float) -> None:
        """Refuse the charge point with an HTTP status (RPC-015, RPC-016). Nothing happens if it has left meanwhile.

        The reason is the body of the response. A 401 asks for HTTP Basic credentials unless ``headers`` ask for others.

        Raises:
            LocalProtocolError: there is no request to decide on.
            ValueError: the status is not one of 300 to 599, or a header field is not fit to be sent.
        """
        self._advance(now)
        self._websocket.reject(status, reason, headers, now=self._now)
        self._heed()

    def replace(self, *, now: float) -> None:
        """Close the connection because its charge point has opened another one (RPC-019): with 1008 (RPC-017).

        Calls without an answer fail at once with ConnectionReplaced (F-37); what still comes is ignored (F-38).
        """
        self._close(*DISPLACED, now, ConnectionReplaced)

    def call(
        self,
        request: FromCentralSystem[R],
        *,
        now: float,
        timeout: float | None = None,
        expires_in: float | None = None,
    ) -> PendingCall[R]:
        """Ask the charge point, at once or as soon as the calls before it have been answered (RPC-050).

        ``timeout`` is in seconds from when the CALL is sent (RPC-054); ``None`` stands for ``Limits.call_timeout``,
        ``math.inf`` for no limit. With ``expires_in`` it is not sent when so many seconds have passed, but fails with
        CallExpired. The one outcome of the call is a CallSucceeded or a CallFailed.

        Raises:
            InvalidMessage: the request breaks its schema.
            QueueFull: ``Limits.max_queued_calls`` are waiting.
            SessionClosed: the connection has ended.
            LocalProtocolError: the connection has not been open yet, or the request is not of this version or not
                for this side to send.
            ValueError: a number of seconds is not positive.
        """
        if now > self._now:  # noqa: PLR1730 - see _advance
            self._now = now
        call = self._opened().call(request, now=self._now, timeout=timeout, expires_in=expires_in)
        self._speak()
        return call


class Opener(Generic[S]):
    """What opens the session once the version is known. Whatever is wrong with the options is found out now.

    Raises:
        ValueError: a version, a repair or an action that the tolerance names is unknown.
        TypeError: a payload is declared with types that JSON Schema cannot tell.
    """

    def __init__(
        self, session: type[S], actions: VersionedActions | None, tolerance: StationTolerance, **options: Any
    ) -> None:
        self._session = session
        self._actions = actions_by_version(actions, session.role)
        self._options = options
        self._tolerance = per_station(tolerance, self._actions.values())
        self.request: ConnectionRequested | None = None
        """What is to be decided on, if anything is."""

    def choose_tolerance(self) -> None:
        """Have it told what to put up with in the messages of the station that asks to connect."""
        if self.request is not None and not isinstance(self._tolerance, Tolerance):
            self._tolerance = Tolerance.of(self._tolerance(self.request)).checked(self._actions.values())

    def open(self, version: Version) -> S:
        """The session that this version is spoken in."""
        assert isinstance(self._tolerance, Tolerance), "a charge point has none that differs by station"
        actions = self._actions.get(version, version.actions)
        # A vendor's action of another version is no mistake, as one that this session alone was told of would be.
        tolerance = self._tolerance.about(actions)
        return self._session(version, actions=actions, tolerance=tolerance, **self._options)


def spoken(versions: Iterable[Version | str]) -> tuple[Version, ...]:
    """The versions, each with its messages at hand: better now than when a peer has chosen one."""
    parsed = Version.parse_all(versions)
    for version in parsed:
        _ = version.actions
    return parsed
