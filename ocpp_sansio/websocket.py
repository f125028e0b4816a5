"""TCP bytes ⇄ text messages, for both sides of a WebSocket as OCPP wants it.

Frames are the business of :mod:`ocpp_sansio.framing`, which shares it with `websockets`. Added here are a handshake
that the application decides, deadlines, the limits on what a peer may send, and an account of how it ended.

The driver's part is that of :mod:`ocpp_sansio.connection`, which is the one driver of this module.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto, unique
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar, Final

import attrs
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake, NegotiationError, PayloadTooBig, ProtocolError
from websockets.extensions.base import Extension
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import SERVER, Side
from websockets.server import ServerProtocol
from websockets.typing import ExtensionParameter, Subprotocol
from websockets.uri import WebSocketURI

from .closing import close_frame
from .errors import LocalProtocolError
from .events import (
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRefused,
    ConnectionRequested,
    Event,
    Misbehaviour,
    PeerMisbehaved,
    ProbeAnswered,
)
from .facts import TransportFacts
from .framing import SILENT, Frames, Windows
from .handshake import (
    NO_MATCH,
    SILENT_VISIT,
    Admission,
    BadHandshake,
    Endpoint,
    Head,
    HeadReader,
    body_size,
    read_request_line,
    read_status_line,
    refusal_fields,
    response,
)
from .header_fields import HeaderFields, checked_fields
from .limits import Limits
from .version import NoMatch, Version

__all__ = ["ClientWebSocket", "ServerWebSocket", "WebSocket"]

WINDOW_BITS: Final = 12
"""Of compression: 4 KiB, which is most of what repeats itself in an OCPP message."""


class _Answer(ServerPerMessageDeflateFactory):
    def process_request_params(
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> tuple[list[ExtensionParameter], PerMessageDeflate]:
        if ("server_max_window_bits", "8") in params:
            raise NegotiationError("zlib cannot compress with a window of 8 bits")
        return super().process_request_params(params, accepted_extensions)


# RPC-020, F-51, F-52. Every client can be told to forget each message, whatever it has offered. Nothing is said about
# a client's own window in its offer: a server must not choose one of 8 bits then.
_OFFERS: Final = [ClientPerMessageDeflateFactory(True, True, client_max_window_bits=None)]
_ANSWERS: Final = [_Answer(True, True, WINDOW_BITS, WINDOW_BITS)]


@unique
class _Phase(Enum):
    HANDSHAKE = auto()
    OPEN = auto()
    CLOSING = auto()
    """Our close frame is out, the peer's is not in yet."""
    OVER = auto()
    """The last event is out."""


_Utf8Decoder: Final = codecs.getincrementaldecoder("utf-8")


@attrs.define
class _Fragments:
    """What has come of a message in fragments."""

    texts: list[str] = attrs.field(factory=list[str], init=False)
    count: int = attrs.field(default=0, init=False)
    decoder: codecs.IncrementalDecoder = attrs.field(factory=_Utf8Decoder, init=False)


class WebSocket:
    """What both sides share: frames, deadlines, the closing handshake.

    Each text message is handed to ``on_text`` the moment it is complete: what is sent in answer goes out before
    anything that the frames behind it bring about, however TCP cut them.

    ``now`` is seconds of any monotonic clock. A ``now`` that goes backwards is taken for the latest one seen.
    """

    def __init__(
        self,
        side: Side,
        receive: Callable[[Any, bytes], None],
        on_text: Callable[[str], None],
        *,
        limits: Limits,
        now: float,
    ) -> None:
        self._limits = limits
        self._now = now
        self._phase = _Phase.HANDSHAKE
        self._receive = receive
        """What takes in bytes; changes as the connection proceeds."""
        self.events: list[Event] = []
        """Those that :meth:`next_event` has not given out yet."""
        self.transport_done = False
        """Whether ``data_to_send`` holds all that will ever be sent: send that and close the transport."""

        # The one deadline there is at a time, and what is done about it.
        self.deadline = math.inf
        self._on_deadline: Callable[[Any], None] = WebSocket._on_no_handshake

        # The handshake.
        self._head = HeadReader(limits)
        self._last_words = b""
        """What is sent when the handshake takes too long."""
        self._held = b""
        """What came before the handshake was decided."""
        self._refusal: ConnectionRefused | None = None
        """How it ends if it is already known that it will not open."""

        # Frames.
        self._is_server = side is SERVER
        self._frames = Frames(side, on_text, self._on_frame, limits)
        self._fragments: _Fragments | None = None
        self._heard_at = now
        self._silent_since = now
        self._pinged = False
        self.probing = False
        """Whether a ping is out because somebody wants to know whether the peer is alive."""
        self._control_budget = float(limits.max_control_burst)
        self._control_at = now

        self._await(now, limits.handshake_timeout, WebSocket._on_no_handshake)

    # -- what the driver asks --

    def next_event(self) -> Event | None:
        """The next event; ``None`` when there is nothing left."""
        return self.events.pop(0) if self.events else None

    def data_to_send(self) -> bytes:
        """The bytes to send now. Given out once."""
        return self._frames.data_to_send()

    def next_timeout(self) -> float | None:
        """When ``handle_timeout`` wants to be called; ``None``: not before something else happens."""
        return None if self.deadline == math.inf else self.deadline

    @property
    def is_open(self) -> bool:
        """Whether texts can be sent."""
        return self._phase is _Phase.OPEN

    @property
    def reading_paused(self) -> bool:
        """Whether a client keeps sending while its request is decided on: stop reading until this is false (F-56)."""
        return len(self._held) >= self._limits.max_handshake_size

    # -- what happens --

    def receive_data(self, data: bytes, *, now: float) -> None:
        """Take in bytes from the transport. Never raises for what the peer did."""
        if now > self._now:  # noqa: PLR1730 - see _advance
            self._now = now
        self._heard_at = self._now
        if self._pinged:
            self._on_sign_of_life()
        self._receive(self, data)

    def heard(self, *, now: float) -> None:
        """Any byte is a sign of life (RPC-123). To be called also when nothing is heard because nobody listens."""
        self.receive_data(b"", now=now)

    def receive_eof(self, *, now: float) -> None:
        """The transport is gone, orderly or not (F-08, F-09)."""
        self._advance(now)
        if self._phase is _Phase.HANDSHAKE:
            self._end(self._refusal or ConnectionRefused(None, "the connection ended during the handshake"))
        elif self._phase is not _Phase.OVER:
            by_peer = self._phase is _Phase.OPEN
            self._finish(
                CloseCode.ABNORMAL_CLOSURE, "the connection ended without a closing handshake", by_peer=by_peer
            )
        self._drop()

    def handle_timeout(self, *, now: float) -> None:
        """Let time pass: act on every deadline that is due. An extra call does nothing."""
        self._advance(now)
        while self.deadline <= self._now:
            self.deadline = math.inf
            self._on_deadline(self)

    def send_text(self, text: bytes) -> None:
        """Send one message, given as UTF-8. Does nothing unless open."""
        if self._phase is _Phase.OPEN:
            self._frames.send_text(text)

    def probe(self, *, now: float) -> None:
        """Ping the peer at once, and tell when it is heard. Does nothing unless open, nor if it is being done."""
        self._advance(now)
        if self._phase is _Phase.OPEN and not self.probing:
            self._frames.library.send_ping(b"")
            until = self._now + self._limits.probe_timeout
            # A ping that is out already may be given up sooner, never later.
            if not self._pinged or until < self.deadline:
                self._await(self._now, self._limits.probe_timeout, WebSocket._on_no_pong)
            self._pinged = self.probing = True

    def close(self, code: int, reason: str, *, now: float) -> None:
        """Start the closing handshake, or give up the opening one. Does nothing on one that is closing already.

        Raises:
            ValueError: the code is not for use in a close frame.
        """
        code, reason = close_frame(code, reason)
        self._advance(now)
        if self._phase is _Phase.HANDSHAKE:
            self._give_up("closed before it was open")
        elif self._phase is _Phase.OPEN:
            self._frames.library.send_close(code, reason)
            self._phase = _Phase.CLOSING
            self._await(self._now, self._limits.close_timeout, WebSocket._on_no_close)

    # -- phases --

    def _advance(self, now: float) -> None:
        if now > self._now:  # noqa: PLR1730 - it is asked with every message, and max() takes twice as long
            self._now = now

    def _await(self, since: float, seconds: float | None, otherwise: Callable[[Any], None]) -> None:
        """Have something done so many seconds later, in place of what was to be done at the deadline so far."""
        self._stop_waiting()
        if seconds is not None:
            self.deadline = since + seconds
            self._on_deadline = otherwise

    def _stop_waiting(self) -> None:
        self.deadline = math.inf
        self._pinged = self.probing = False

    def _open(self, version: Version | None, flaw: str, rest: bytes) -> None:
        """The handshake has been accepted; ``rest`` is what the peer sent behind it (F-56)."""
        self._phase = _Phase.OPEN
        self._receive = WebSocket._read_frames
        self._last_words = b""
        del self._head
        if version is None:
            self._refusal = ConnectionRefused(HTTPStatus.SWITCHING_PROTOCOLS, flaw)
            self.close(CloseCode.PROTOCOL_ERROR, flaw, now=self._now)
        else:
            self._await_silence()
            self.events.append(ConnectionOpened(version))
        self._receive(self, rest)

    def _agree_on(self, extensions: Iterable[Extension]) -> None:
        """Use what the handshake has settled for."""
        for each in extensions:
            assert isinstance(each, PerMessageDeflate)
            outward = min(each.local_max_window_bits, WINDOW_BITS)
            self._frames.windows = Windows(each.remote_max_window_bits, outward)

    def _give_up(self, reason: str) -> None:
        self._frames.send_head(self._last_words)
        self._end(self._refusal or ConnectionRefused(None, reason))
        self._drop()

    def _finish(self, code: int, reason: str, *, by_peer: bool) -> None:
        """The connection is over; had it never been of any use, it counts as refused."""
        self._end(self._refusal or ConnectionClosed(int(code), reason, by_peer))

    def _end(self, event: Event) -> None:
        self._phase = _Phase.OVER
        self._receive = WebSocket._ignore
        self._held = b""
        self._fragments = None
        self._stop_waiting()
        self.events.append(event)

    def _drop(self) -> None:
        """Nothing more is to be said or heard."""
        self.transport_done = True
        self._stop_waiting()
        self._frames.end()

    def _ignore(self, data: bytes) -> None:
        """What comes after the end is not looked at (F-55)."""

    # -- deadlines --

    def _await_silence(self) -> None:
        """Ping the peer once it has been silent for a while."""
        self._silent_since = self._heard_at
        self._await(self._silent_since, self._limits.ping_interval, WebSocket._on_silence)

    def _on_silence(self) -> None:
        if self._heard_at > self._silent_since:
            # The deadline is not moved with every byte that comes, only when it is due.
            self._await_silence()
        else:
            self._frames.library.send_ping(b"")
            self._await(self._now, self._limits.ping_timeout, WebSocket._on_no_pong)
            self._pinged = True

    def _on_sign_of_life(self) -> None:
        if self.probing:
            self.events.append(ProbeAnswered())
        self._await_silence()

    def _on_no_pong(self) -> None:
        # RPC-123. No close frame: it would not reach anybody.
        self._finish(CloseCode.ABNORMAL_CLOSURE, "no sign of life since the ping", by_peer=True)
        self._drop()

    def _on_no_handshake(self) -> None:
        self._give_up("the handshake took too long")

    def _on_no_close(self) -> None:
        if self._phase is _Phase.CLOSING:
            self._finish(CloseCode.ABNORMAL_CLOSURE, "the peer did not answer the close frame", by_peer=False)
        self._drop()

    # -- frames --

    def _read_frames(self, data: bytes) -> None:
        error = self._frames.receive_data(data)
        if error is not None:
            self._broken(error)

    def _on_frame(self, frame: Frame) -> None:
        # Once we have sent a close frame only the peer's is of interest, and that it does not flood us.
        if self._phase is _Phase.OPEN or frame.opcode >= Opcode.CLOSE:
            self._ON_FRAME[frame.opcode](self, frame)

    def _on_text(self, frame: Frame) -> None:
        # Bytes that are not UTF-8 raise UnicodeDecodeError, which the library answers with 1007 (F-46).
        if frame.fin:
            self._frames.on_text(str(frame.data, "utf-8"))
        else:
            self._fragments = _Fragments()
            self._on_continuation(frame)

    def _on_continuation(self, frame: Frame) -> None:
        fragments = self._fragments
        assert fragments is not None
        fragments.count += 1
        if fragments.count > self._limits.max_fragments:
            # Empty fragments never reach the limit on the size (F-50).
            self._fail(CloseCode.POLICY_VIOLATION, Misbehaviour.TOO_MANY_FRAGMENTS)
            return
        fragments.texts.append(fragments.decoder.decode(frame.data, frame.fin))
        if frame.fin:
            self._fragments = None
            self._frames.on_text("".join(fragments.texts))

    def _on_binary(self, frame: Frame) -> None:
        # RPC-022, F-47: never guessed at.
        limit = self._limits.max_reported_text
        text = str(frame.data[: 4 * limit], "utf-8", "replace")[:limit]
        self._fail(CloseCode.UNSUPPORTED_DATA, Misbehaviour.BINARY_MESSAGE, text)

    def _on_control(self, _: Frame) -> None:
        """A ping, which the library has answered, or a pong: within a budget that is refilled over time (F-53)."""
        refill = (self._now - self._control_at) * self._limits.max_control_rate
        self._control_budget = min(self._control_budget + refill, self._limits.max_control_burst) - 1
        self._control_at = self._now
        if self._control_budget < 0:
            self._fail(CloseCode.POLICY_VIOLATION, Misbehaviour.TOO_MANY_CONTROL_FRAMES)

    def _on_close(self, _: Frame) -> None:
        """The closing handshake is complete: the library has answered the frame, or the frame answers ours."""
        by_peer = self._phase is _Phase.OPEN
        library = self._frames.library
        close = library.close_rcvd if by_peer else library.close_sent
        close = close or Close(CloseCode.NO_STATUS_RCVD, "")
        self._finish(close.code, close.reason, by_peer=by_peer)
        if self._is_server:
            self._drop()
        else:
            # The server is the one to close the transport first (RFC 6455, 7.1.1).
            self._await(self._now, self._limits.close_timeout, WebSocket._on_no_close)

    def _fail(self, code: CloseCode, what: Misbehaviour, text: str = "") -> None:
        """Close the connection because of what the peer sent, without waiting for its consent."""
        self._frames.library.fail(code, what.value)
        self._failed(code, what, what.value, text)

    def _broken(self, exc: Exception) -> None:
        """The library has found a breach of the WebSocket protocol and answered it (F-45, F-46, F-48, F-49)."""
        code = next((code for kind, code in _BREACHES if isinstance(exc, kind)), None)
        if code is None:
            # Not the peer's doing: out of memory, or a bug. It must not pass unseen.
            self._finish(CloseCode.INTERNAL_ERROR, "", by_peer=False)
            self._drop()
            raise exc
        exc.__traceback__ = None  # it refers back to all that was at work (F-132)
        self._failed(code, Misbehaviour.WEBSOCKET_VIOLATION, str(exc))

    def _failed(self, code: CloseCode, what: Misbehaviour, description: str, text: str = "") -> None:
        self.events.append(PeerMisbehaved(what, description, text))
        self._finish(code, description, by_peer=False)
        self._drop()

    _ON_FRAME: ClassVar[dict[Opcode, Callable[[WebSocket, Frame], None]]] = {
        Opcode.TEXT: _on_text,
        Opcode.CONT: _on_continuation,
        Opcode.BINARY: _on_binary,
        Opcode.PING: _on_control,
        Opcode.PONG: _on_control,
        Opcode.CLOSE: _on_close,
    }


_BREACHES: Final = (
    (UnicodeDecodeError, CloseCode.INVALID_DATA),
    (PayloadTooBig, CloseCode.MESSAGE_TOO_BIG),
    (ProtocolError, CloseCode.PROTOCOL_ERROR),
)


class ServerWebSocket(WebSocket):
    """The side that is connected to. The application answers ConnectionRequested with ``accept`` or ``reject``."""

    def __init__(
        self,
        versions: Sequence[Version],
        on_text: Callable[[str], None],
        *,
        no_match: NoMatch,
        allow_origin: bool,
        facts: Callable[[], TransportFacts],
        compression: bool = False,
        limits: Limits,
        now: float,
    ) -> None:
        super().__init__(Side.SERVER, ServerWebSocket._read_head, on_text, limits=limits, now=now)
        self._admission = Admission(versions, no_match, allow_origin)
        self._facts = facts
        self._compression = compression
        self._last_words = response(HTTPStatus.REQUEST_TIMEOUT, "", ())
        self._answer: Response | None = None
        """What ``accept`` would send, while the application decides."""
        self._version: Version | None = None

    def accept(self, *, now: float) -> None:
        """Let the charge point in. Does nothing if it has left meanwhile.

        Raises:
            LocalProtocolError: there is no request to decide on.
        """
        answer = self._decide(now)
        if self._phase is _Phase.HANDSHAKE:
            self._frames.send_head(answer.serialize())
            held, self._held = self._held, b""
            self._open(self._version, NO_MATCH, held)

    def reject(self, status: int, reason: str, headers: HeaderFields, *, now: float) -> None:
        """Refuse the charge point with an HTTP status, and the reason as the body of the response.

        Raises:
            LocalProtocolError: there is no request to decide on.
            ValueError: the status does not refuse anything, or the header fields are not fit to be sent.
        """
        fields = refusal_fields(status, headers)
        self._decide(now)
        if self._phase is _Phase.HANDSHAKE:
            self._refuse(status, reason, fields)

    def receive_eof(self, *, now: float) -> None:
        """The transport is gone, orderly or not (F-08, F-09)."""
        if self._phase is _Phase.HANDSHAKE and self._head.is_untouched:
            self._refusal = ConnectionRefused(None, SILENT_VISIT)
        super().receive_eof(now=now)

    def _decide(self, now: float) -> Response:
        self._advance(now)
        answer, self._answer = self._answer, None
        if answer is None:
            raise LocalProtocolError("there is no request to decide on")
        return answer

    def _read_head(self, data: bytes) -> None:
        try:
            complete = self._head.feed(data)
            if complete is not None:
                head, rest = complete
                self.events.append(self._examine(head))
                self._last_words = response(HTTPStatus.SERVICE_UNAVAILABLE, "", ())
                self._receive = ServerWebSocket._hold
                self._hold(rest)
        except BadHandshake as bad:
            self._refuse(bad.status, bad.reason, bad.fields)

    def _examine(self, head: Head) -> ConnectionRequested:
        """Check all that can be checked without asking the application."""
        target = read_request_line(head)
        offered: list[str] = []

        def select(_: ServerProtocol, names: Sequence[Subprotocol]) -> Subprotocol | None:
            offered.extend(names)
            version = self._admission.choose(names)
            return None if version is None else Subprotocol(version.subprotocol)

        extensions = _ANSWERS if self._compression else None
        handshake = ServerProtocol(extensions=extensions, select_subprotocol=select, logger=SILENT)
        answer = handshake.accept(Request(target, Headers(head.fields)))
        if answer.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            fields = [("Sec-WebSocket-Version", "13")]
            if answer.status_code == HTTPStatus.UPGRADE_REQUIRED:
                fields.append(("Upgrade", "websocket"))
            raise BadHandshake(HTTPStatus(answer.status_code), str(handshake.handshake_exc), fields)
        requested = self._admission.examine(target, head, offered, self._facts())
        self._version = requested.version
        self._agree_on(handshake.extensions)
        del answer.headers["Date"]  # the core has no clock
        self._answer = answer
        return requested

    def _hold(self, data: bytes) -> None:
        """Keep what comes before the application has decided: the library would act on it (F-56)."""
        self._held += data
        if len(self._held) > max(self._limits.max_message_size, self._limits.max_handshake_size):
            self._refuse(HTTPStatus.BAD_REQUEST, "too much was sent before the answer", ())

    def _end(self, event: Event) -> None:
        self._facts = TransportFacts  # the driver's own: they would keep it from being freed (F-132)
        super()._end(event)

    def _refuse(self, status: int, reason: str, fields: Sequence[tuple[str, str]]) -> None:
        self._frames.send_head(response(status, reason, fields))
        self._end(ConnectionRefused(status, reason))
        self._drop()


class ClientWebSocket(WebSocket):
    """The side that connects. The opening request is there to be sent at once.

    Raises:
        ValueError: the header fields are not fit to be sent, or the handshake itself sets one of them.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        versions: Sequence[Version],
        on_text: Callable[[str], None],
        *,
        headers: HeaderFields,
        compression: bool = False,
        limits: Limits,
        now: float,
    ) -> None:
        super().__init__(Side.CLIENT, ClientWebSocket._read_head, on_text, limits=limits, now=now)
        uri = WebSocketURI(endpoint.secure, endpoint.host, endpoint.port, endpoint.path, endpoint.query)
        # RPC-010
        offered = [Subprotocol(version.subprotocol) for version in versions]
        extensions = _OFFERS if compression else None
        self._handshake = ClientProtocol(uri, extensions=extensions, subprotocols=offered, logger=SILENT)
        request = self._handshake.connect()
        for name, value in checked_fields(headers):
            if name in request.headers:
                raise ValueError(f"the handshake itself sets the header field {name}")
            request.headers[name] = value
        self._frames.send_head(request.serialize())
        self._body = b""

    def _read_head(self, data: bytes) -> None:
        try:
            complete = self._head.feed(data)
            if complete is not None:
                self._examine(*complete)
        except BadHandshake as bad:
            self._give_up(bad.reason)

    def _examine(self, head: Head, rest: bytes) -> None:
        status, reason = read_status_line(head)
        if status != HTTPStatus.SWITCHING_PROTOCOLS:
            refusal = ConnectionRefused(status, reason, head.as_dict())
            size = body_size(head, self._limits.max_reported_text)
            self._receive = partial(ClientWebSocket._read_body, refusal=refusal, size=size)
            self._read_body(rest, refusal, size)
            return
        flaw = "the server chose no OCPP version"
        try:
            self._handshake.process_response(Response(status, reason, Headers(head.fields)))
        except NegotiationError as exc:
            flaw = str(exc)
        except InvalidHandshake as exc:
            self._refusal = ConnectionRefused(status, str(exc), head.as_dict())
            self._give_up("")
            return
        self._agree_on(self._handshake.extensions)
        # RPC-014: a WebSocket without a version that we offered is of no use.
        self._open(Version.from_subprotocol(self._handshake.subprotocol or ""), flaw, rest)

    def _read_body(self, data: bytes, refusal: ConnectionRefused, size: int) -> None:
        """Collect the start of the body of a refusal: it may say what is wrong."""
        self._body += data
        self._refusal = attrs.evolve(refusal, body=self._body[:size].decode(errors="replace"))
        if len(self._body) >= size:
            self._give_up("")
