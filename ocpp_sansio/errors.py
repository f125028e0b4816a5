"""What can go wrong, named after who is at fault.

* :class:`LocalProtocolError`: the caller did something the protocol does not allow; raised at the call.
* :class:`CallFailure`: one of our CALLs got no usable answer; carried by an event, raised by the adapters. There is
  one, :class:`QueueFull`, that is raised at the call.
* :class:`Rejection`: raised *by a handler* to answer a CALL with a CALLERROR.

What a peer does wrong is never an exception of ``receive_*``: see :class:`ocpp_sansio.events.PeerMisbehaved`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum, unique
from typing import Any, Final

import attrs

from .version import Version

__all__ = [
    "CallCancelled",
    "CallExpired",
    "CallFailure",
    "CallRefused",
    "CallTimedOut",
    "ConnectionLost",
    "ConnectionReplaced",
    "ErrorCode",
    "InvalidMessage",
    "InvalidResponse",
    "LocalProtocolError",
    "OcppError",
    "QueueFull",
    "Rejection",
    "SessionClosed",
    "Unsendable",
    "Violation",
]


@unique
class ErrorCode(Enum):
    """The error code of a CALLERROR, one member per meaning; :meth:`spelling` gives a version's name for it."""

    NOT_IMPLEMENTED = "NotImplemented"
    NOT_SUPPORTED = "NotSupported"
    INTERNAL_ERROR = "InternalError"
    PROTOCOL_ERROR = "ProtocolError"
    SECURITY_ERROR = "SecurityError"
    FORMAT_VIOLATION = "FormatViolation"
    PROPERTY_CONSTRAINT_VIOLATION = "PropertyConstraintViolation"
    OCCURRENCE_CONSTRAINT_VIOLATION = "OccurrenceConstraintViolation"
    TYPE_CONSTRAINT_VIOLATION = "TypeConstraintViolation"
    GENERIC_ERROR = "GenericError"
    MESSAGE_TYPE_NOT_SUPPORTED = "MessageTypeNotSupported"
    RPC_FRAMEWORK_ERROR = "RpcFrameworkError"

    def spelling(self, version: Version) -> str:
        """How this version writes the code; a code that 1.6 does not have is written as the nearest one it has."""
        return _SPELLINGS.get((version, self), self.value)

    @classmethod
    def parse(cls, text: str) -> ErrorCode:
        """The meaning of a received code in any version's spelling; an unknown one is a GENERIC_ERROR (RPC-090)."""
        return _PARSED.get(text, cls.GENERIC_ERROR)


# Both misspellings are official and will not be mended (errata 5.1 and 5.2 of OCPP-J 1.6).
_SPELLINGS: Final = {
    (Version.V16, ErrorCode.FORMAT_VIOLATION): "FormationViolation",
    (Version.V16, ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION): "OccurenceConstraintViolation",
    (Version.V16, ErrorCode.RPC_FRAMEWORK_ERROR): "FormationViolation",
    (Version.V16, ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED): "NotSupported",
}

_PARSED: Final = {code.value: code for code in ErrorCode} | {
    "FormationViolation": ErrorCode.FORMAT_VIOLATION,
    "OccurenceConstraintViolation": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
}


@attrs.frozen
class Violation:
    """One thing that is wrong with a payload."""

    path: str
    """Where, as a JSON path with wire names: ``$.meterValue[0].sampledValue[2].unit``."""
    rule: str
    """Which rule, by its JSON Schema keyword: ``required``, ``type``, ``maxLength``, ``enum``, ``format``, …"""
    code: ErrorCode
    """The code a CALLERROR about it carries."""
    message: str
    """A sentence for the engineer who has to mend the sender. Never contains the offending value (F-69, F-103)."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


MAX_LISTED: Final = 10
"""Violations that the text of an exception lists; its ``violations`` has them all."""


def _sentence(violations: Sequence[Violation]) -> str:
    listed = "; ".join(map(str, violations[:MAX_LISTED]))
    more = len(violations) - MAX_LISTED
    return f"{listed}; and {more} more" if more > 0 else listed


class OcppError(Exception):
    """The root of every exception of this package."""


class LocalProtocolError(OcppError):
    """The caller asked for something the protocol does not allow. Nothing was sent or queued."""


class SessionClosed(LocalProtocolError):
    """The session has ended: nothing can be sent on it any more."""


class InvalidMessage(LocalProtocolError):
    """The message handed over for sending breaks the schema of its class."""

    def __init__(self, name: str, violations: Sequence[Violation]) -> None:
        super().__init__(name, tuple(violations))
        self.name: str = name
        """The class of the message."""
        self.violations: tuple[Violation, ...] = tuple(violations)

    def __str__(self) -> str:
        return f"{self.name} is not valid: {_sentence(self.violations)}"


class CallFailure(OcppError):
    """One of our CALLs failed. Each subclass says how."""


class QueueFull(LocalProtocolError, CallFailure):
    """As much is waiting as ``Limits.max_queued_calls`` or ``max_unsent`` allows; this was not queued (F-06, F-124).

    Raised at the call, and yet a CallFailure: no caller can know how much the others have left waiting.
    """


class CallRefused(CallFailure):
    """The peer answered with a CALLERROR."""

    def __init__(self, code: str, description: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(code, description, details or {})
        self.code_text: str = code
        self.code: ErrorCode = ErrorCode.parse(code)
        self.description: str = description
        self.details: Mapping[str, Any] = details or {}

    def __str__(self) -> str:
        return f"{self.code_text}: {self.description}" if self.description else self.code_text


class CallTimedOut(CallFailure):
    """No answer came within the time-out, counted in seconds from when the CALL was sent (RPC-054)."""

    def __init__(self, timeout: float) -> None:
        super().__init__(timeout)
        self.timeout: float = timeout

    def __str__(self) -> str:
        return f"no answer within {self.timeout:g} s"


class ConnectionLost(CallFailure):
    """The connection ended before an answer came (RPC-131)."""

    def __init__(self, sent: bool) -> None:
        super().__init__(sent)
        self.sent: bool = sent
        """Whether the CALL had been handed over for sending: the peer may have acted on it."""

    def __str__(self) -> str:
        return f"the connection was lost before {'the answer came' if self.sent else 'it was sent'}"


class ConnectionReplaced(ConnectionLost):
    """The connection ended before an answer came, because the charge point has opened another one (F-37)."""

    def __str__(self) -> str:
        return f"the connection was replaced before {'the answer came' if self.sent else 'it was sent'}"


class InvalidResponse(CallFailure):
    """The peer answered, but with something that breaks the schema of the response."""

    def __init__(self, violations: Sequence[Violation], text: str) -> None:
        super().__init__(tuple(violations), text)
        self.violations: tuple[Violation, ...] = tuple(violations)
        self.text: str = text
        """The answer as it came, cut at ``Limits.max_reported_text`` characters."""

    def __str__(self) -> str:
        return f"the answer is not valid: {_sentence(self.violations)}"


class CallCancelled(CallFailure):
    """The caller gave up on it."""

    def __str__(self) -> str:
        return "cancelled"


class CallExpired(CallFailure):
    """There was no connection, or it was busy, for as long as the call might wait: it is not sent any more."""

    def __str__(self) -> str:
        return "it could not be sent in time"


class Unsendable(CallFailure):
    """The call has waited for a connection, and the one that came about cannot take it.

    It speaks another version, or others have filled its queue.
    """


class Rejection(OcppError):
    """Raise this in a handler to answer a CALL with a CALLERROR instead of a response.

    Raises:
        ValueError: the code is not an :class:`ErrorCode`.
    """

    def __init__(self, code: ErrorCode, description: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(code, description, details)
        self.code: ErrorCode = ErrorCode(code)
        self.description: str = description
        self.details: Mapping[str, Any] | None = details
