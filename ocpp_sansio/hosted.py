"""A central system's session over a WebSocket that somebody else speaks: an ASGI server, a gateway, a browser.

Whoever speaks it has read the opening request, keeps the frames and the pings; what is left is the same as under
:class:`ocpp_sansio.CentralSystemConnection`, with the same verbs and events: who may connect, in which version, the
session, and the deadlines of all that.

The driver's part, in this order, after every step (one mutation → drain completely → wait):

1. Mutate once: ``receive_text``, ``receive_binary``, ``receive_close``, ``handle_timeout``, or a command such as
   ``accept``.
2. Act on ``next_event()`` until it returns ``None``.
3. Do what ``steps()`` says, in order; if ``transport_done``, let go of the WebSocket after that.
4. Wait for the next message, unless ``reading_paused``, for ``next_timeout()``, or for the user.

``now`` is seconds of any monotonic clock. A ``now`` that goes backwards is taken for the latest one seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto, unique
from functools import partial
from http import HTTPStatus
from typing import Final

import attrs

from .channel import CentralSystemChannel, Opener, spoken
from .closing import close_frame
from .errors import LocalProtocolError
from .events import (
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRefused,
    Event,
    Misbehaviour,
    PeerMisbehaved,
    ProbeAnswered,
)
from .facts import TransportFacts
from .handshake import NO_MATCH, Admission, BadHandshake, Head, read_target, refusal_body, refusal_fields
from .header_fields import HeaderFields
from .limits import Limits, limits_or_default
from .session import CentralSystemSession, Tap, VersionedActions
from .tolerance import STRICT, StationTolerance
from .version import NoMatch, Version

__all__ = ["Accept", "Close", "HostedConnection", "Refuse", "Step"]

# WebSocket close codes (RPC-017).
PROTOCOL_ERROR: Final = 1002
UNSUPPORTED_DATA: Final = 1003
NO_STATUS: Final = 1005
ABNORMAL: Final = 1006
INVALID_DATA: Final = 1007
POLICY_VIOLATION: Final = 1008
TOO_BIG: Final = 1009


@attrs.frozen
class Accept:
    """Finish the opening handshake."""

    subprotocol: str | None
    """The one to name as chosen; ``None``: none is (RPC-012)."""


@attrs.frozen
class Refuse:
    """Answer the opening request with an HTTP response. Nothing follows."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


@attrs.frozen
class Close:
    """Close the WebSocket. Nothing follows."""

    code: int
    reason: str


Step = Accept | Refuse | Close | str
"""What to do with the WebSocket. A ``str`` is a text message to send."""


@unique
class _Phase(Enum):
    HANDSHAKE = auto()
    OPEN = auto()
    CLOSING = auto()
    """It is to be closed, and has not been reported to be."""
    OVER = auto()
    """The last event is out."""


class _WebSocket:
    """What stands in for the WebSocket: what is asked of it, and what is owed to it."""

    reading_paused = False

    def __init__(
        self,
        target: str,
        headers: HeaderFields,
        subprotocols: Iterable[str],
        on_text: Callable[[str], None],
        *,
        admission: Admission,
        facts: TransportFacts,
        compression: bool,
        limits: Limits,
        now: float,
    ) -> None:
        self._on_text = on_text
        self._limits = limits
        self._now = now
        self._phase = _Phase.HANDSHAKE
        self._version: Version | None = None
        self._is_asking = False
        """Whether the application has yet to decide."""
        self._refusal: ConnectionRefused | None = None
        """How it ends if it is already known that it will not open."""
        self._close = Close(ABNORMAL, "")
        """What it was to be closed with."""
        self.steps: list[Step] = []
        self.events: list[Event] = []
        self.deadline = math.inf
        self.probing = False
        self.transport_done = False
        self._await(limits.handshake_timeout)
        try:
            head = _head(target, headers, limits, compression=compression)
            requested = admission.examine(read_target(target), head, subprotocols, facts)
        except BadHandshake as bad:
            self._refuse(bad.status, bad.reason, bad.fields)
        else:
            self._version = requested.version
            self._is_asking = True
            self.events.append(requested)

    # -- what the channel asks --

    def next_event(self) -> Event | None:
        return self.events.pop(0) if self.events else None

    @property
    def is_open(self) -> bool:
        return self._phase is _Phase.OPEN

    # -- the handshake --

    def accept(self, *, now: float) -> None:
        self._decide(now)
        if self._phase is not _Phase.HANDSHAKE:
            return
        self._phase = _Phase.OPEN
        self.deadline = math.inf
        if self._version is None:
            # RPC-012: the client is told by the way it ends.
            self._refusal = ConnectionRefused(HTTPStatus.SWITCHING_PROTOCOLS, NO_MATCH)
            self.steps.append(Accept(None))
            self.close(PROTOCOL_ERROR, NO_MATCH, now=now)
        else:
            self.steps.append(Accept(self._version.subprotocol))
            self.events.append(ConnectionOpened(self._version))

    def reject(self, status: int, reason: str, headers: HeaderFields, *, now: float) -> None:
        fields = refusal_fields(status, headers)
        self._decide(now)
        if self._phase is _Phase.HANDSHAKE:
            self._refuse(status, reason, fields)

    def _decide(self, now: float) -> None:
        self._advance(now)
        if not self._is_asking:
            raise LocalProtocolError("there is no request to decide on")
        self._is_asking = False

    def _refuse(self, status: int, reason: str, fields: Sequence[tuple[str, str]]) -> None:
        self._answer(status, reason, fields)
        self._end(ConnectionRefused(status, reason))

    def _give_up(self, reason: str) -> None:
        self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "", ())
        self._end(ConnectionRefused(None, reason))

    def _answer(self, status: int, reason: str, fields: Sequence[tuple[str, str]]) -> None:
        described, body = refusal_body(status, reason)
        self.steps.append(Refuse(status, (*fields, *described), body))

    # -- messages --

    def send_text(self, text: bytes) -> None:
        # The session has lost its connection before this has lost its peer: it sends nothing after the end.
        self.steps.append(text.decode())

    def receive_text(self, text: str, *, now: float) -> None:
        self._advance(now)
        if self._phase is not _Phase.OPEN:
            return
        if self.probing:
            self.heard(now=now)
        size = len(text)
        if not text.isascii():
            try:
                size = len(text.encode())
            except UnicodeEncodeError:  # a surrogate, which was never UTF-8 (F-46)
                self._fail(INVALID_DATA, Misbehaviour.WEBSOCKET_VIOLATION, "not valid UTF-8")
                return
        if size > self._limits.max_message_size:
            self._too_big(size)
        else:
            self._on_text(text)

    def receive_binary(self, data: bytes, *, now: float) -> None:
        self._advance(now)
        if self._phase is _Phase.OPEN:
            # RPC-022, F-47: never guessed at.
            limit = self._limits.max_reported_text
            text = str(data[: 4 * limit], "utf-8", "replace")[:limit]
            self._fail(UNSUPPORTED_DATA, Misbehaviour.BINARY_MESSAGE, Misbehaviour.BINARY_MESSAGE.value, text)

    def _too_big(self, size: int) -> None:
        # Whoever let it through has another limit, or none (F-48, F-49).
        limit = self._limits.max_message_size
        self._fail(TOO_BIG, Misbehaviour.WEBSOCKET_VIOLATION, f"a message of {size} bytes, {limit} are allowed")

    def _fail(self, code: int, what: Misbehaviour, description: str, text: str = "") -> None:
        """Close it because of what the peer sent, without waiting for its consent."""
        self.events.append(PeerMisbehaved(what, description, text))
        self._shut(code, description)
        self._end(ConnectionClosed(code, description, by_peer=False))

    # -- the end --

    def close(self, code: int, reason: str, *, now: float) -> None:
        code, reason = close_frame(code, reason)
        self._advance(now)
        if self._phase is _Phase.HANDSHAKE:
            self._give_up("closed before it was open")
        elif self._phase is _Phase.OPEN:
            self._phase = _Phase.CLOSING
            self._shut(code, reason)
            self._await(self._limits.close_timeout)

    def receive_close(self, code: int, reason: str, *, now: float) -> None:
        self._advance(now)
        self.steps.clear()
        if self._phase is _Phase.HANDSHAKE:
            self._end(ConnectionRefused(None, "the connection ended during the handshake"))
        elif self._phase is not _Phase.OVER:
            by_peer = self._phase is _Phase.OPEN
            if code == ABNORMAL:
                reason = reason or "the connection ended without a closing handshake"
            elif not by_peer:  # it answers ours
                code, reason = self._close.code, self._close.reason
            self._end(ConnectionClosed(code, reason, by_peer))

    def _shut(self, code: int, reason: str) -> None:
        self._close = Close(code, reason)
        self.steps.append(self._close)

    def _end(self, event: ConnectionRefused | ConnectionClosed) -> None:
        self._phase = _Phase.OVER
        self.deadline = math.inf
        self.probing = False
        self.transport_done = True
        self._on_text = _ignore  # it refers back to the channel (F-132)
        self.events.append(self._refusal or event)

    # -- time --

    def _advance(self, now: float) -> None:
        if now > self._now:  # noqa: PLR1730 - it is asked with every message, and max() takes twice as long
            self._now = now

    def _await(self, seconds: float | None) -> None:
        self.deadline = math.inf if seconds is None else self._now + seconds

    def heard(self, *, now: float) -> None:
        self._advance(now)
        if self.probing:
            self.probing = False
            self.deadline = math.inf
            self.events.append(ProbeAnswered())

    def probe(self, *, now: float) -> None:
        self._advance(now)
        if self._phase is _Phase.OPEN and not self.probing:
            self.probing = True
            self._await(self._limits.probe_timeout)

    def handle_timeout(self, *, now: float) -> None:
        self._advance(now)
        if self.deadline > self._now:
            return
        if self._phase is _Phase.HANDSHAKE:
            self._give_up("the handshake took too long")
        elif self._phase is _Phase.CLOSING:
            self._end(ConnectionClosed(ABNORMAL, "the close frame was not answered", by_peer=False))
        else:
            # F-34. Whoever speaks the WebSocket does not know yet.
            self._shut(POLICY_VIOLATION, "no sign of life")
            self._end(ConnectionClosed(ABNORMAL, "no sign of life", by_peer=True))


def _ignore(_: str) -> None:
    """What comes after the end is not looked at (F-55)."""


def _head(target: str, headers: HeaderFields, limits: Limits, *, compression: bool) -> Head:
    """The header fields, within our limits as well as those of whoever has read them (F-03)."""
    if len(target) > limits.max_handshake_size:
        raise BadHandshake(HTTPStatus.REQUEST_URI_TOO_LONG, "the first line is too long")
    head = Head("", tuple(headers))
    size = len(target) + sum(len(name) + len(value) for name, value in head.fields)
    if len(head.fields) > limits.max_headers or size > limits.max_handshake_size:
        raise BadHandshake(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too long")
    if not compression:
        if any("permessage-" in value.lower() for value in head.get_all("sec-websocket-extensions")):
            raise BadHandshake(HTTPStatus.BAD_REQUEST, "compression is not spoken here")
        if not head.get_all("sec-websocket-protocol"):
            # A charge point sends it: whoever has read the head keeps what is about the WebSocket for himself.
            raise BadHandshake(HTTPStatus.BAD_REQUEST, "it cannot be told whether compression is offered")
    return head


class HostedConnection(CentralSystemChannel[_WebSocket]):
    """A central system's connection from one charge point, from the moment its opening request has been read.

    Nothing reaches the application before it has answered ConnectionRequested with ``accept`` or
    ``reject_connection``, within ``Limits.handshake_timeout``. The last event is one ConnectionClosed, or one
    ConnectionRefused if the connection never was open.

    Those of the ``limits`` that bound what goes on in the frames are for whoever speaks the WebSocket to keep:
    fragments, control frames, the pings. ``probe`` cannot ask for anything: it waits for what comes by itself.

    Args:
        target: the request target as it came: the path, still percent-encoded, and the query.
        headers: the header fields of the opening request.
        subprotocols: those offered, in the client's order of preference (RPC-010).
        now: the current time.
        facts: what the transport knows of the client.
        compression: whether to let in a client that offers compression. It is for whoever speaks the WebSocket to use
            it or not, and to bound what a message grows to (F-51): where that is not known, keep such a client out, and
            any of which the header fields do not tell.
        versions, message_ids, no_match, limits, tap, actions, tolerance, allow_origin: as for a
            :class:`ocpp_sansio.CentralSystemConnection`.

    Raises:
        ValueError: a version or repair is unknown, or there is no version.
    """

    def __init__(
        self,
        target: str,
        headers: HeaderFields,
        subprotocols: Iterable[str],
        *,
        now: float,
        facts: TransportFacts | None = None,
        compression: bool = True,
        versions: Iterable[Version | str] = (Version.V16,),
        message_ids: Callable[[], str],
        no_match: NoMatch = NoMatch.ACCEPT_THEN_CLOSE,
        limits: Limits | None = None,
        tap: Tap | None = None,
        actions: VersionedActions | None = None,
        tolerance: StationTolerance = STRICT,
        allow_origin: bool = False,
    ) -> None:
        limits = limits_or_default(limits)
        super().__init__(
            partial(
                _WebSocket,
                target,
                headers,
                subprotocols,
                admission=Admission(spoken(versions), no_match, allow_origin),
                facts=facts or TransportFacts(),
                compression=compression,
                limits=limits,
                now=now,
            ),
            Opener(CentralSystemSession, actions, tolerance, message_ids=message_ids, limits=limits, tap=tap),
            limits,
            now,
        )
        self._heed()

    def steps(self) -> list[Step]:
        """What to do with the WebSocket now, in order. Given out once."""
        steps, self._websocket.steps = self._websocket.steps, []
        return steps

    def receive_text(self, text: str, *, now: float) -> None:
        """Take in a text message. Never raises for what the peer did."""
        if now > self._now:  # noqa: PLR1730 - see _advance
            self._now = now
        self._websocket.receive_text(text, now=self._now)
        if self._websocket.events:
            self._heed()

    def receive_binary(self, data: bytes, *, now: float) -> None:
        """Take in a binary message, which has no place in OCPP: it ends the connection with 1003 (RPC-022, F-47)."""
        self._advance(now)
        self._websocket.receive_binary(data, now=self._now)
        self._heed()

    def receive_close(self, code: int | None = None, reason: str = "", *, now: float) -> None:
        """The WebSocket is closed, or its transport is gone (F-08, F-09).

        ``code`` is that of the frame that closed it; ``None``: it had none, 1006: there was no such frame.
        """
        self._advance(now)
        self._websocket.receive_close(NO_STATUS if code is None else code, reason, now=self._now)
        self._heed()

    def receive_eof(self, *, now: float) -> None:
        """The transport is gone. The same as ``receive_close(1006)``."""
        self.receive_close(ABNORMAL, now=now)
