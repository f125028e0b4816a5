"""Everything the machines can tell their driver: small frozen values, made for ``match``.

Session:

* :class:`CallReceived`: the peer asks something; answer with ``respond`` or ``reject``.
* :class:`CallSucceeded`, :class:`CallFailed`: the one outcome of one of our CALLs.
* :class:`SendReceived`: the peer tells something and wants no answer (2.1).
* :class:`CallOverdue`: the application took too long; it may stop working on the answer.
* :class:`ResultRefused`: the peer could not use a response of ours (2.1).
* :class:`LateResponse`, :class:`DuplicateCall`, :class:`PeerMisbehaved`: nothing to do, worth knowing.

Connection, besides those:

* :class:`ConnectionRequested`: server only; decide with ``accept`` or ``reject_connection``.
* :class:`ConnectionOpened`, :class:`ConnectionRefused`, :class:`ConnectionClosed`: how the link fares.
* :class:`ProbeAnswered`: the peer is alive; if it is not, ConnectionClosed comes instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, unique
from typing import Any, Generic, TypeVar

import attrs
import msgspec

from .confidential import text_shown
from .errors import CallFailure, CallRefused, ErrorCode, Violation
from .facts import CertificateFacts
from .messages import Request, Response, Send
from .version import Version

__all__ = [
    "CallFailed",
    "CallOverdue",
    "CallReceived",
    "CallSucceeded",
    "ConnectionClosed",
    "ConnectionOpened",
    "ConnectionRefused",
    "ConnectionRequested",
    "Credentials",
    "Deviation",
    "DuplicateCall",
    "Event",
    "LateResponse",
    "Misbehaviour",
    "PeerMisbehaved",
    "PendingCall",
    "ProbeAnswered",
    "Repair",
    "ResultRefused",
    "SendReceived",
]

R = TypeVar("R", bound=Response)


def _same_failure(error: CallFailure) -> object:
    """Exceptions compare by identity; as part of an event they compare by what they say."""
    return type(error), error.args


@unique
class Repair(Enum):
    """One way of breaking the rules that an end may be told to put up with, see :class:`ocpp_sansio.Tolerance`.

    Some mend: what is delivered is what the value obviously stands for. Some keep: the value is delivered as it is,
    though the schema has no room for it. Each is made only where the strict reader has refused.
    """

    # -- of the text --

    CONTROL_CHARACTERS = "control-characters"
    """Raw control characters: those in a string are kept, any elsewhere are left out."""
    LEADING_COMMA = "leading-comma"
    """A comma before the first item of an array, or the first property of an object: left out."""
    TRAILING_COMMA = "trailing-comma"
    """A comma behind the last one: left out."""
    UNCLOSED_JSON = "unclosed-json"
    """Brackets that are missing at the end, behind a value that is complete: added. A text that breaks off inside of a
    value, or behind a number, which might have had more digits, stays refused."""

    # -- of the message around the payload --

    NUMBER_AS_ID = "number-as-id"
    """An integer for a message id: its digits as a string, which is what the answer has as its id."""
    LONG_ID = "long-id"
    """A message id of more than 36 characters, up to 64: kept, and repeated in the answer (F-92)."""
    MISSING_PAYLOAD = "missing-payload"
    """A message that ends before its payload: ``{}``."""
    SHORT_CALLERROR = "short-callerror"
    """A CALLERROR without details, or without a description as well: ``{}`` and ``""`` (F-105)."""
    ACTION_CASE = "action-case"
    """An action that is known, but for the case of its letters: that action."""

    # -- of the payload: mended --

    EMPTY_AS_ABSENT = "empty-as-absent"
    """``""``, ``[]`` or ``{}`` for an optional property that cannot be empty: absent."""
    NULL_AS_ABSENT = "null-as-absent"
    """``null`` for an optional property: absent; for the payload: ``{}`` (F-106)."""
    EMPTY_LIST_AS_OBJECT = "empty-list-as-object"
    """``[]`` for an object: ``{}``."""
    OBJECT_AS_LIST = "object-as-list"
    """One item in the place of an array of them: an array of one."""
    MISSING_LIST = "missing-list"
    """A required array that is missing: an empty one."""
    NUMBER_AS_STRING = "number-as-string"
    """A number for a string: its text, digit for digit; of ``-0`` it is ``0``."""
    BOOL_AS_STRING = "bool-as-string"
    """``true`` or ``false`` for a string: that word."""
    STRING_AS_NUMBER = "string-as-number"
    """A JSON number in quotes: that number."""
    STRING_AS_BOOL = "string-as-bool"
    """``"true"`` or ``"false"``, in any case of letters, for a boolean: that."""
    NUMBER_AS_BOOL = "number-as-bool"
    """``1`` or ``0`` for a boolean: ``true`` or ``false``."""
    INTEGRAL_FLOAT = "integral-float"
    """An integer written with a fraction or an exponent, such as ``2.0``: that integer (RPC-106)."""
    NAIVE_TIME_IS_UTC = "naive-time-is-utc"
    """A date and time without a zone: UTC (RPC-101, F-111)."""
    HOUR_ONLY_OFFSET = "hour-only-offset"
    """A date and time with an offset of hours alone, such as ``+03``: that many hours."""
    TIME_WITHOUT_SECONDS = "time-without-seconds"
    """A date and time to the minute: with zero seconds."""
    ENUM_ALIAS = "enum-alias"
    """An enum value in other letters or with other separators, or of another spelling in use (``Hz`` for ``Hertz``):
    the member, if there is exactly one."""
    PROPERTY_CASE = "property-case"
    """A property whose name is known, but for the case of its letters, and that is not there besides: that property."""

    # -- of the payload: kept, or kept in the event alone --

    UNKNOWN_ENUM = "unknown-enum"
    """A value that the enum of our version does not have, from a newer peer perhaps. It is delivered as the ``str``
    that it is, in the place of a member (F-110)."""
    OVERLONG_STRING = "overlong-string"
    """A string of more characters than allowed: all of them."""
    OUT_OF_RANGE = "out-of-range"
    """A number below the least or above the greatest allowed, of 64 bits at most: as it is (F-112)."""
    EXCESS_DECIMALS = "excess-decimals"
    """A number with more fraction digits than allowed: as it is (RPC-105)."""
    ITEM_COUNT = "item-count"
    """An array with fewer or more items than allowed: as it is."""
    UNKNOWN_FIELD = "unknown-field"
    """A property that the schema does not have: left out. The deviation has what it said (F-109)."""

    # -- of the payload: what makes a message other than its class declares it --

    MISSING_PROPERTY = "missing-property"
    """A required property that is missing: ``None``."""
    WRONG_TYPE = "wrong-type"
    """A value that is not of its type, or a string that is no date and time: as it came. A number out of all bounds is
    delivered as its text."""


@attrs.frozen
class Deviation:
    """Where a message broke the rules and was put up with."""

    path: str
    """In the payload as in :class:`ocpp_sansio.Violation`: ``$.meterValue[0].sampledValue[2].unit``. Around it, the
    element of the message: ``[1]`` for its id. In a text that was not JSON, the character, from 0: ``@57``."""
    repair: Repair
    original: Any = attrs.field(repr=False)
    """What the peer had put there; ``None``: nothing, or ``null``. A number that no ``float`` is exactly is told as its
    text. It may be a secret, so it is not printed (F-40)."""


@attrs.frozen(eq=False)
class PendingCall(Generic[R]):
    """One of our CALLs on its way to exactly one outcome: the handle that ``call`` returns and events refer to."""

    message_id: str
    action: str
    request: Request[R]
    timeout: float
    """Seconds it may stay unanswered once sent; ``math.inf``: for ever."""


class CallReceived(msgspec.Struct, Generic[R], frozen=True, weakref=True):
    """The peer sent a valid CALL. It must be answered once: ``respond(event, …)`` or ``reject(event, …)``."""

    # It is made for every message a server gets, so it is of the cheapest kind to make.

    message_id: str
    action: str
    request: Request[R]
    deviations: tuple[Deviation, ...] = ()
    """What the session has put up with in it, being told to."""


@attrs.frozen
class ResultRefused:
    """The peer could not use the response that a CALL of its was answered with (RPC-033, RPC-072). It wants no answer.

    Only of the CALLs answered last, see ``Limits.max_replays``.
    """

    call: CallReceived[Any]
    error: CallRefused = attrs.field(eq=_same_failure)
    """What the peer says about it."""
    deviations: tuple[Deviation, ...] = ()
    """As in :class:`CallReceived`."""


@attrs.frozen
class SendReceived:
    """The peer sent a valid SEND (RPC-034). It is never answered (RPC-063)."""

    message_id: str
    action: str
    message: Send
    deviations: tuple[Deviation, ...] = ()
    """As in :class:`CallReceived`."""


@attrs.frozen
class CallSucceeded(Generic[R]):
    """Our CALL was answered with a valid response."""

    call: PendingCall[R]
    response: R
    deviations: tuple[Deviation, ...] = ()
    """As in :class:`CallReceived`."""


@attrs.frozen
class CallFailed:
    """Our CALL got no usable answer; ``error`` says why and can be raised as it is."""

    call: PendingCall[Any]
    error: CallFailure = attrs.field(eq=_same_failure)
    deviations: tuple[Deviation, ...] = ()
    """As in :class:`CallReceived`: of a CALLERROR that tells the error."""


@attrs.frozen
class LateResponse:
    """The answer to a CALL of ours that had already timed out or been cancelled (RPC-057). The outcome stands."""

    call: PendingCall[Any]
    answer: Response | CallFailure = attrs.field(
        eq=lambda answer: _same_failure(answer) if isinstance(answer, CallFailure) else answer
    )
    deviations: tuple[Deviation, ...] = ()
    """As in :class:`CallReceived`."""


@attrs.frozen
class CallOverdue:
    """A CALL that was not answered within ``Limits.answer_timeout`` has been answered with InternalError (F-99)."""

    call: CallReceived[Any]


@attrs.frozen
class DuplicateCall:
    """The peer repeated a CALL (RPC-042, RPC-067). The application is not asked twice."""

    message_id: str
    action: str
    replayed: bool
    """Whether the answer was sent again. If not, the first run has yet to answer it."""


@unique
class Misbehaviour(Enum):
    """What a peer can do wrong."""

    NOT_JSON = "not JSON"
    NOT_A_FRAME = "not an OCPP message"
    BAD_MESSAGE_ID = "unusable message id"
    UNKNOWN_MESSAGE_TYPE = "unknown message type"
    TOO_MANY_VALUES = "message of too many values"
    UNKNOWN_ACTION = "unknown action"
    WRONG_DIRECTION = "action sent by the wrong side"
    INVALID_PAYLOAD = "payload breaks the schema"
    MESSAGE_ID_REUSED = "message id used for another CALL"
    UNSOLICITED_ANSWER = "answer to nothing we asked"
    TOO_MANY_CALLS = "more CALLs at once than are held"
    TOO_MANY_BAD_MESSAGES = "too many unusable or repeated messages"
    BINARY_MESSAGE = "binary message"
    WEBSOCKET_VIOLATION = "breach of the WebSocket protocol"
    TOO_MANY_CONTROL_FRAMES = "too many control frames"
    TOO_MANY_FRAGMENTS = "message in too many fragments"


@attrs.frozen
class PeerMisbehaved:
    """The peer did something wrong: what, what was answered, and the raw text to show its maker."""

    reason: Misbehaviour
    description: str
    text: str = attrs.field(repr=text_shown)
    """The message as it came, cut at ``Limits.max_reported_text`` characters. It is not printed if it seems to have a
    password or a key in it (F-40)."""
    message_id: str | None = None
    """The message id, where one could be read."""
    answered: ErrorCode | None = None
    """The code of the CALLERROR that was sent; ``None``: nothing was sent."""
    violations: tuple[Violation, ...] = ()
    """What is wrong with the payload, when that is the reason."""
    times: int = 1
    """How often, when it came in a flood: then all else is about the first of them (F-95)."""


@attrs.frozen
class Credentials:
    """HTTP Basic credentials, never printed (F-40). The password is bytes: 1.6 stations send raw keys (RPC-143)."""

    username: bytes = attrs.field(repr=False)
    password: bytes = attrs.field(repr=False)


@attrs.frozen
class ConnectionRequested:
    """A charge point asks to connect. Nothing else is reported before ``accept`` or ``reject_connection`` is called."""

    identity: str
    """The last segment of the path, percent-decoded (RPC-002)."""
    path: str = attrs.field(repr=lambda path: repr(path.partition("?")[0]))
    """The request target as it came, query included: that is not printed, for some put a token there (F-40)."""
    offered: tuple[str, ...]
    """The subprotocols offered, in the client's order of preference (RPC-010)."""
    version: Version | None
    """The version that ``accept`` would choose (RPC-011); ``None``: there is none in common (RPC-012)."""
    credentials: Credentials | None
    """From the Authorization header; ``None`` when there is none or it is not readable Basic."""
    headers: Mapping[str, str] = attrs.field(repr=False)
    """The request's header fields, names in lower case, repeated fields joined by a comma. Whatever they say of where
    the request comes from (``X-Forwarded-For`` and the like), it is the client that says so (F-23)."""
    source: str = ""
    """The address that the transport is connected to, without port; empty: the driver has not told it."""
    secure: bool = False
    """Whether the transport is TLS."""
    certificate: CertificateFacts | None = None
    """What the client's certificate says, which was verified for TLS; ``None``: it has shown none."""


@attrs.frozen
class ConnectionOpened:
    """The handshake is done: CALLs can flow, in this version."""

    version: Version


@attrs.frozen
class ProbeAnswered:
    """The peer has been heard since ``probe`` was called (F-33)."""


@attrs.frozen
class ConnectionRefused:
    """The handshake failed: over before it began. Nothing follows this event."""

    status: int | None
    """The HTTP status; ``None`` when it did not get that far."""
    reason: str
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    """The response's header fields, names in lower case (client only)."""
    body: str = ""
    """The start of the response's body (client only)."""


@attrs.frozen
class ConnectionClosed:
    """The connection is over. Every CALL has had its outcome; nothing follows this event."""

    code: int
    """The WebSocket close code; 1006 when the connection broke off without a closing handshake."""
    reason: str
    by_peer: bool
    """Whether the peer ended it: it sent the first close frame, or the connection broke."""


Event = (
    CallReceived[Any]
    | SendReceived
    | ResultRefused
    | CallSucceeded[Any]
    | CallFailed
    | CallOverdue
    | LateResponse
    | DuplicateCall
    | PeerMisbehaved
    | ConnectionRequested
    | ConnectionOpened
    | ProbeAnswered
    | ConnectionRefused
    | ConnectionClosed
)
"""Any event of any layer."""
