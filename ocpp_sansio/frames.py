"""OCPP-J messages: the JSON arrays that carry a payload (RPC-030…036), and what is wrong with a text that is not one.

The payload stays raw here: what is in it is the business of :mod:`ocpp_sansio.codec`, once the action is known.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Container
from functools import cache
from typing import Annotated, Any, Final, Union

import attrs
import msgspec

from .events import Misbehaviour
from .messages import is_bounded
from .version import MessageType

__all__ = [
    "Call",
    "CallError",
    "CallResult",
    "CallResultError",
    "Frame",
    "Malformed",
    "Send",
    "decode",
    "decode_large",
    "decoder",
    "encode",
    "examine",
    "overfull",
    "read_details",
]

MAX_MESSAGE_ID: Final = 36
"""Characters of a message id (RPC-040)."""
MAX_ECHOED_ID: Final = 64
"""Characters of a longer id that an answer repeats (F-92)."""
MAX_DESCRIPTION: Final = 255
"""Characters of an errorDescription (RPC-091)."""
LARGE: Final = 1024
"""Characters from which on :func:`decode_large` pays."""


MessageId = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_MESSAGE_ID)]


class _Frame(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True, gc=False):
    """A JSON array whose first element tells its type. Elements beyond the last field are refused."""

    message_id: MessageId


class Call(_Frame, frozen=True, tag=MessageType.CALL.value):
    """``[2, id, action, payload]`` (RPC-030)."""

    action: str
    payload: msgspec.Raw


class CallResult(_Frame, frozen=True, tag=MessageType.CALLRESULT.value):
    """``[3, id, payload]`` (RPC-031)."""

    payload: msgspec.Raw


class CallError(_Frame, frozen=True, tag=MessageType.CALLERROR.value):
    """``[4, id, code, description, details]`` (RPC-032)."""

    code: str
    description: str
    details: msgspec.Raw


class CallResultError(CallError, frozen=True, tag=MessageType.CALLRESULTERROR.value):
    """``[5, id, code, description, details]`` (RPC-033)."""


class Send(Call, frozen=True, tag=MessageType.SEND.value):
    """``[6, id, action, payload]`` (RPC-034)."""


Frame = Call | CallResult | CallError | CallResultError | Send

_FRAMES: Final[dict[int, type[_Frame]]] = {
    MessageType.CALL: Call,
    MessageType.CALLRESULT: CallResult,
    MessageType.CALLERROR: CallError,
    MessageType.CALLRESULTERROR: CallResultError,
    MessageType.SEND: Send,
}
_TYPES: Final = {cls: message_type for message_type, cls in _FRAMES.items()}


@cache
def decoder(message_types: frozenset[int]) -> Callable[[str | bytes], Frame]:
    """What makes a frame of one of these types of a text, or of UTF-8 bytes.

    It raises ``ValueError`` or ``RecursionError``; then :func:`examine` says what is wrong.
    """
    classes = tuple(_FRAMES[message_type] for message_type in sorted(message_types))
    return msgspec.json.Decoder(Union[classes]).decode  # noqa: UP007 (any number of them)


decode = decoder(frozenset(MessageType))
"""For messages of whichever version."""


def decode_large(text: str | bytes) -> Call | None:
    """The same for a CALL whose payload takes long to read, without reading that; ``None`` for anything else.

    The text is a CALL only if the payload turns out to be JSON. Reading that twice, as :func:`decode` and the codec do,
    costs more than all else.
    """
    try:
        data = text.encode() if isinstance(text, str) else text
        start = data.index(b"{")
        frame = decode(data[:start] + b"null]")
    except (ValueError, RecursionError):
        return None
    if type(frame) is not Call or not data.endswith(b"]"):
        return None
    return Call(frame.message_id, frame.action, msgspec.Raw(data[start:-1]))


encode = msgspec.json.Encoder().encode
"""Frame → UTF-8 bytes. Those with a message in them are written in one go by :class:`ocpp_sansio.codec.Codec`."""


@attrs.frozen
class Malformed:
    """Why a text is not a message, and what could be read of it all the same."""

    reason: Misbehaviour
    description: str
    message_type: int | None = None
    message_id: str | None = None
    """At most ``MAX_ECHOED_ID`` characters of the id."""


def examine(text: str | bytes, message_types: Container[int | None] = frozenset(MessageType)) -> Malformed:
    """Find out why the :func:`decoder` of these types refused a text. Never raises.

    The order of the questions is that of RPC-092: JSON, array, type, id, shape.
    """
    try:
        elements = _ELEMENTS.decode(text)
    except msgspec.ValidationError:
        return Malformed(Misbehaviour.NOT_A_FRAME, "an OCPP message is a JSON array")
    except (ValueError, RecursionError) as error:
        message_type, message_id = _salvage(text)
        return Malformed(Misbehaviour.NOT_JSON, _json_error(error), message_type, message_id)

    if not elements:
        return Malformed(Misbehaviour.NOT_A_FRAME, "the array is empty")
    message_type = _read(elements[0], int)
    message_id = _read(elements[1], str) if len(elements) > 1 else None
    echo = message_id[:MAX_ECHOED_ID] if message_id else None
    if message_type not in message_types:
        return Malformed(Misbehaviour.UNKNOWN_MESSAGE_TYPE, "the message type is unknown", message_type, echo)
    if len(elements) > 1 and not message_id:
        return Malformed(Misbehaviour.BAD_MESSAGE_ID, "the message id is not a non-empty string", message_type)
    if message_id and len(message_id) > MAX_MESSAGE_ID:
        description = f"the message id has {len(message_id)} characters, at most {MAX_MESSAGE_ID} are allowed"
        return Malformed(Misbehaviour.BAD_MESSAGE_ID, description, message_type, echo)
    name = MessageType(message_type).name
    fields = _FRAMES[MessageType(message_type)].__struct_fields__
    if len(elements) != 1 + len(fields):
        description = f"a {name} has {1 + len(fields)} elements, this one has {len(elements)}"
    else:
        wrong = next(
            _STRINGS[field]
            for field, element in zip(fields, elements[1:], strict=True)
            if field in _STRINGS and _read(element, str) is None
        )
        description = f"the {wrong} of a {name} is a string"
    return Malformed(Misbehaviour.NOT_A_FRAME, description, message_type, echo)


def overfull(text: str | bytes, most: int) -> Malformed | None:
    """A message whose payload holds more values than so many, or one that cannot be read; ``None`` for any other text.

    Those of an error's details are counted by :func:`read_details`.
    """
    # Each value but the first is behind a comma, or behind what opens an array or object. Strings may hold those as
    # well: that there are few of them proves something, that there are many does not.
    try:
        data = text.encode() if isinstance(text, str) else text
        if sum(map(data.count, (b",", b"[", b"{"))) <= most:
            return None
        frame = decode(data)
        if isinstance(frame, CallError) or _holds_at_most(most, frame.payload):
            return None
    except (ValueError, RecursionError):
        return None
    description = f"the message holds more than {most} values"
    return Malformed(Misbehaviour.TOO_MANY_VALUES, description, _TYPES[type(frame)], frame.message_id)


def _holds_at_most(most: int, payload: msgspec.Raw) -> bool:
    try:
        return is_bounded(msgspec.json.decode(payload), math.inf, most)
    except (msgspec.ValidationError, RecursionError):
        return False  # a number too long, or nested too deeply: to find that out takes as long as to read it all


def read_details(details: msgspec.Raw, max_depth: int) -> dict[str, Any] | None:
    """The errorDetails of a CALLERROR (RPC-093); ``None`` when they are no object, too deep or too much (F-65)."""
    try:
        value = _DETAILS.decode(details)
    except (ValueError, RecursionError):
        return None
    return value if is_bounded(value, max_depth - 1) else None  # the message is a level of its own


_ELEMENTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_DETAILS: Final = msgspec.json.Decoder(dict[str, Any])

# The elements that are strings, as a description of what is wrong calls them. The id has been judged before them.
_STRINGS: Final = {"action": "action", "code": "error code", "description": "error description"}

# The head of a message that breaks off or is damaged further on. Bounded, so that it is linear in the text.
_HEAD: Final = re.compile(
    r'\s{0,16}\[\s{0,16}(\d{1,3})\s{0,16},\s{0,16}("(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]){1,512}")?', re.ASCII
)
_HEAD_LENGTH: Final = 1024


_PLACE: Final = re.compile(r"\(byte (\d+)\)")


def _salvage(text: str | bytes) -> tuple[int | None, str | None]:
    """Read the type of a text that is not JSON, and its id, if its beginning still shows them."""
    head = text[:_HEAD_LENGTH]
    match = _HEAD.match(head if isinstance(head, str) else head.decode(errors="replace"))
    if match is None:
        return None, None
    message_id: str | None = None
    if match[2] is not None:
        message_id = msgspec.json.decode(match[2].encode(errors="replace"), type=str)[:MAX_ECHOED_ID]
    return int(match[1]), message_id  # even alone the type tells that an answer is not to be answered (RPC-063)


def _read(element: msgspec.Raw, kind: type[Any]) -> Any:
    """The element as a value of this type; ``None`` if it is of another."""
    try:
        return msgspec.json.decode(element, type=kind)
    except ValueError:
        return None


def _json_error(error: Exception) -> str:
    """What makes a text not JSON, in words that quote nothing of it (RPC-064)."""
    if isinstance(error, RecursionError):
        return "the text is nested too deeply"
    if isinstance(error, UnicodeError) or "UTF-8" in str(error):  # msgspec has one or the other, by its release
        return "the text is not UTF-8"
    place = _PLACE.search(str(error))
    if place is None:
        return "the text is not JSON: it breaks off, or has half of a surrogate pair"
    return f"the text is not JSON, from byte {place[1]} on"
