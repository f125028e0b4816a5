"""What there is to be said about messages on record: the rules, by their names, and what a finding tells.

Which of it is to be said of which message is none of its business: that is :mod:`ocpp_sansio.audit`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, unique
from typing import Final

import attrs

from .errors import ErrorCode
from .messages import Role
from .version import MessageType, Version

__all__ = ["RULES", "Finding", "Rule", "Severity"]


@unique
class Severity(Enum):
    """How much a finding matters."""

    ERROR = "error"
    """It breaks a rule."""
    WARNING = "warning"
    """It breaks a rule, and the tolerance puts up with that."""
    NOTE = "note"
    """It breaks no rule, or none that has to be kept."""


@attrs.frozen
class Rule:
    """What a finding is about."""

    ids: tuple[str, str]
    """What it is called in the project's digest of the specification: in 1.6, and in 2.x."""
    text: str
    """What it asks for."""
    code: ErrorCode | None = None
    """What a CALLERROR about it carries, unless it is about a payload: then the diagnosis knows."""
    severity: tuple[Severity, Severity] = (Severity.ERROR, Severity.ERROR)
    """How much it matters in 1.6, and in 2.x."""


def _same(rule_id: str) -> tuple[str, str]:
    return rule_id, rule_id


_NOTE: Final = (Severity.NOTE, Severity.NOTE)

RULES: Final[Mapping[str, Rule]] = {
    # -- of the text --
    "size": Rule(_same("F-48"), "a message has an end, and does not take megabytes"),
    "json": Rule(("RPC-065", "RPC-064"), "a message is JSON in UTF-8", ErrorCode.RPC_FRAMEWORK_ERROR),
    "array": Rule(
        _same("RPC-071"), "a message is a JSON array that begins with its type", ErrorCode.RPC_FRAMEWORK_ERROR
    ),
    "call": Rule(_same("RPC-030"), "a CALL has a type, an id, an action and a payload", ErrorCode.RPC_FRAMEWORK_ERROR),
    "callresult": Rule(_same("RPC-031"), "a CALLRESULT has a type, an id and a payload"),
    "callerror": Rule(_same("RPC-032"), "a CALLERROR has a type, an id, a code, a description and details"),
    "callresulterror": Rule(_same("RPC-033"), "a CALLRESULTERROR is made like a CALLERROR"),
    "send": Rule(_same("RPC-034"), "a SEND is made like a CALL"),
    "message-type": Rule(
        ("RPC-068", "RPC-069"), "a message is of a type that the version has", ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED
    ),
    "message-id": Rule(
        _same("RPC-040"), "a message id is a string of 1 to 36 characters", ErrorCode.RPC_FRAMEWORK_ERROR
    ),
    # -- of the action and the payload --
    "action": Rule(_same("RPC-070"), "an action is one that the version has", ErrorCode.NOT_IMPLEMENTED),
    "direction": Rule(_same("RPC-070"), "an action is asked for by the end that may", ErrorCode.NOT_SUPPORTED),
    "null-payload": Rule(_same("RPC-037"), "an empty payload is {}, not null", severity=_NOTE),
    "required": Rule(_same("RPC-060"), "a property that is required is there"),
    "type": Rule(_same("RPC-060"), "a value is of its type"),
    "enum": Rule(_same("RPC-074"), "a value is one of those that its enum has"),
    "maxLength": Rule(_same("RPC-074"), "a string is not longer than it may be"),
    "minimum": Rule(_same("RPC-074"), "a number is not smaller than it may be"),
    "maximum": Rule(_same("RPC-074"), "a number is not greater than it may be"),
    "multipleOf": Rule(_same("RPC-105"), "a number has no more fraction digits than it may have"),
    "format": Rule(("RPC-101", "RPC-100"), "a date and time is written as in ISO 8601, with a time zone"),
    "additionalProperties": Rule(_same("RPC-074"), "there is no property that the schema does not have"),
    "minItems": Rule(_same("RPC-074"), "an array has no fewer items than it must have"),
    "maxItems": Rule(_same("RPC-074"), "an array has no more items than it may have"),
    # -- of answers --
    "unsolicited": Rule(_same("RPC-066"), "an answer belongs to a CALL that waits for one"),
    "error-code": Rule(_same("RPC-090"), "an error code is one of the version, as the version spells it"),
    "error-description": Rule(_same("RPC-091"), "an error description has at most 255 characters"),
    "error-details": Rule(("RPC-032", "RPC-093"), "error details are a JSON object"),
    "late": Rule(_same("RPC-055"), "an answer does not take longer than 30 seconds", severity=_NOTE),
    "unanswered": Rule(_same("RPC-054"), "a CALL is answered", severity=_NOTE),
    # -- of sequences --
    "outstanding": Rule(
        ("RPC-051", "RPC-050"),
        "an end has one CALL at a time that waits for its answer",
        severity=(Severity.NOTE, Severity.ERROR),
    ),
    "repetition": Rule(_same("RPC-042"), "a CALL that is sent again may keep its id", severity=_NOTE),
    "reused-id": Rule(_same("RPC-041"), "another CALL has another id", ErrorCode.RPC_FRAMEWORK_ERROR),
}
"""Everything that a finding may be about: the keywords of JSON Schema under their own names, and what is beyond."""


@attrs.frozen(kw_only=True)
class Finding:
    """One thing that is to be said about one message. It never quotes a value (F-69, F-103)."""

    line: int
    """Where in the file the message begins, counted from 1."""
    severity: Severity
    rule: str
    """Its name in :data:`RULES`."""
    rule_id: str
    """What the digest calls that, in this version."""
    message: str
    """A sentence for the engineer who has to mend the sender."""
    identity: str | None = None
    sender: Role | None = None
    """Who has sent it, as far as that is known."""
    version: Version | None = None
    message_type: MessageType | None = None
    message_id: str | None = None
    action: str | None = None
    """Of the message, or of the CALL that it answers. One that is unknown is cut short."""
    path: str | None = None
    """Where in the payload, as a JSON path."""
    code: str | None = None
    """The error code that a CALLERROR about it carries, as the version spells it."""
    repair: str | None = None
    """What makes it bearable, by the name of the repair."""
