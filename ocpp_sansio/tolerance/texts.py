"""Texts that are not JSON, and messages that are not quite OCPP's, read all the same where a tolerance allows that.

What can be mended here has one cure each, so all of it is mended, and then it is asked whether that was allowed. What
is in a payload is none of this module's business. Everything takes time in proportion to the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import ClassVar, Final, TypeVar

import msgspec

from ocpp_sansio import frames
from ocpp_sansio.events import Deviation, Repair
from ocpp_sansio.frames import Call, CallError, CallResult, CallResultError, Frame, Send
from ocpp_sansio.version import MessageType

from .payloads import MAX_DEVIATIONS
from .policy import Half, Tolerance

__all__ = ["MAX_TEXT", "mend_action", "mend_frame", "mend_text", "read_frame"]

C = TypeVar("C", bound=Call)

MAX_TEXT: Final = 2**17
"""Characters, or bytes, of a text that is mended to be JSON. Who writes that by hand does not write much."""
MAX_ACTION: Final = 100
"""Characters of an unknown action that is looked at more closely."""


def read_frame(
    text: str | bytes,
    tolerance: Tolerance,
    message_types: frozenset[int] = frozenset(MessageType),
    *,
    asked: Callable[[str], str | None] = lambda _: None,
) -> tuple[Frame, tuple[Deviation, ...]]:
    """The message that a text stands for, and what has to be put up with around its payload.

    Args:
        text: as it came.
        tolerance: what may be put up with.
        message_types: those there are.
        asked: the action of our CALL that has this id, for a tolerance that is not the same for all answers.

    Raises:
        ValueError: more than that is wrong; :func:`ocpp_sansio.frames.examine` says what. Nothing else is raised.
    """
    try:
        return frames.decoder(message_types)(text), ()
    except (ValueError, RecursionError):
        mended = mend_frame(text, tolerance, message_types, asked=asked)
    if mended is None:
        raise ValueError("no OCPP message")
    return mended


def mend_frame(
    text: str | bytes, tolerance: Tolerance, message_types: frozenset[int], *, asked: Callable[[str], str | None]
) -> tuple[Frame, tuple[Deviation, ...]] | None:
    """The same for a text that the decoder has refused; ``None``: more is wrong than may be put up with."""
    mended = _mend(text, message_types) if tolerance else None
    if mended is None:
        return None
    frame, deviations = mended
    half: Half
    action, half = (frame.action, "request") if isinstance(frame, Call) else (asked(frame.message_id), "response")
    allowed = (tolerance.allows(each.repair, action=action, half=half) for each in deviations)
    return mended if all(allowed) else None


def mend_action(frame: C, actions: Collection[str], tolerance: Tolerance) -> tuple[C, Deviation] | None:
    """A CALL or SEND of an unknown action, with the known one that differs in the case of letters only, if allowed.

    ``None``: there is none, or it is not allowed.
    """
    fold = frame.action.casefold() if len(frame.action) <= MAX_ACTION else None
    action = next((name for name in actions if name.casefold() == fold), None)
    if action is None or not tolerance.allows(Repair.ACTION_CASE, action=action):
        return None
    return type(frame)(frame.message_id, action, frame.payload), Deviation("[2]", Repair.ACTION_CASE, frame.action)


# -- the text --


def mend_text(text: str) -> tuple[str, tuple[Deviation, ...]] | None:
    """A text with all that is mended by the repairs of texts, and where; ``None``: there is nothing that they could do.

    Whether that makes it JSON is for a decoder to say. Of the deviations the path is ``@`` and the place in the text.
    """
    try:
        mended = _Text(text)
    except ValueError:
        return None
    return ("".join(mended.parts), tuple(mended.deviations)) if mended.deviations else None


# In this order: what nothing is wrong with, a string that something is wrong with, brackets, commas, and control
# characters that have no business there. Together they take every character, and none is looked at more than twice: a
# string that nothing ends goes on to the end of the text.
_TOKEN: Final = re.compile(
    r"""((?:"(?:[^"\\\x00-\x1f]++|\\[^\x00-\x1f])*+"|[^"\[\]{},\x00-\x1f]++|[\t\n\r]++)++)"""
    r"""|("(?:[^"\\]++|\\.)*+"?)|([\[{])|([\]}])|(,)|([\x00-\x08\x0b\x0c\x0e-\x1f]++)""",
    re.DOTALL,
)
_is_string: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL).fullmatch
_IN_STRING: Final = re.compile(r"\\.|[\x00-\x1f]++", re.DOTALL)
_CLOSERS: Final = {"[": "]", "{": "}"}


class _Text:
    """A text that is read once, from its beginning to its end.

    Raises:
        ValueError: it breaks off where something is missing, its brackets do not match, or too much is wrong.
    """

    def __init__(self, text: str) -> None:
        self.parts: list[str] = []
        self.deviations: list[Deviation] = []
        self._closers: list[str] = []
        self._last = " "
        """The character that the last token ends with."""
        self._comma = 0, 0
        """Where the last comma is: in the text, and among the parts."""
        for token in _TOKEN.finditer(text):
            assert token.lastindex is not None
            self._TAKE[token.lastindex](self, token[0], token.start())
        if self._closers:
            if self._last in "[{,:" or self._last.isdigit():
                raise ValueError("it breaks off where something is missing")
            self._note(len(text), Repair.UNCLOSED_JSON, None)
            self.parts += reversed(self._closers)

    def _note(self, at: int, repair: Repair, original: str | None) -> None:
        if len(self.deviations) >= MAX_DEVIATIONS:
            raise ValueError("too much is wrong")
        self.deviations.append(Deviation(f"@{at}", repair, original))

    def _take(self, word: str, end: str) -> None:
        self.parts.append(word)
        self._last = end

    def _take_sound(self, run: str, _at: int) -> None:
        self._take(run, run.rstrip(" \t\n\r")[-1:] or self._last)

    def _take_opener(self, bracket: str, _at: int) -> None:
        self._closers.append(_CLOSERS[bracket])
        self._take(bracket, bracket)

    def _take_closer(self, bracket: str, _at: int) -> None:
        if not self._closers or self._closers.pop() != bracket:
            raise ValueError("the brackets do not match")
        if self._last == ",":
            at, part = self._comma
            self._note(at, Repair.TRAILING_COMMA, ",")
            self.parts[part] = ""
        self._take(bracket, bracket)

    def _take_comma(self, comma: str, at: int) -> None:
        if self._last in ("[", "{"):
            self._note(at, Repair.LEADING_COMMA, comma)
        else:
            self._comma = at, len(self.parts)
            self._take(comma, comma)

    def _take_string(self, string: str, at: int) -> None:
        def escape(found: re.Match[str]) -> str:
            characters = found[0]
            if characters[0] == "\\":
                return characters
            self._note(at + found.start(), Repair.CONTROL_CHARACTERS, characters)
            return "".join(f"\\u{ord(character):04x}" for character in characters)

        if not _is_string(string):
            raise ValueError("it breaks off in a string")
        self._take(_IN_STRING.sub(escape, string), '"')

    def _drop(self, controls: str, at: int) -> None:
        self._note(at, Repair.CONTROL_CHARACTERS, controls)

    _TAKE: ClassVar[Mapping[int, Callable[..., None]]] = {
        1: _take_sound,
        2: _take_string,
        3: _take_opener,
        4: _take_closer,
        5: _take_comma,
        6: _drop,
    }


# -- the message --


def _mend(text: str | bytes, message_types: frozenset[int]) -> tuple[Frame, tuple[Deviation, ...]] | None:
    """The message with all that can be mended around its payload; ``None``: that does not make one of it."""
    deviations: tuple[Deviation, ...] = ()
    try:
        try:
            elements = _elements(text)
        except (ValueError, RecursionError):
            mended = mend_text(text if isinstance(text, str) else text.decode()) if len(text) <= MAX_TEXT else None
            if mended is None:
                return None
            elements, deviations = _elements(mended[0]), mended[1]
        frame, more = _framed(elements, message_types)
    except (ValueError, RecursionError, IndexError):
        return None
    if more and deviations and deviations[-1].repair is Repair.UNCLOSED_JSON:
        return None  # Who knows what else has been cut off?
    deviations += tuple(more)
    return (frame, deviations) if deviations else None


def _framed(elements: list[msgspec.Raw], message_types: frozenset[int]) -> tuple[Frame, list[Deviation]]:
    """The message that these elements are, or were to be.

    Raises:
        ValueError, IndexError: there is none.
    """
    number = bytes(elements[0]).strip()
    message_type = int(number) if number.isdigit() and len(number) == 1 else None
    if message_type not in message_types:
        raise ValueError("the message type is unknown")
    frame, length, defaults, repair = _SHAPES[message_type]
    message_id, deviations = _identified(elements[1])
    missing = length - len(elements)
    if not 0 <= missing <= len(defaults):
        raise ValueError("the message is too short or too long")
    deviations += [Deviation(f"[{at}]", repair, None) for at in range(len(elements), length)]
    *words, payload = [*elements[2:], *defaults[len(defaults) - missing :]]
    return frame(message_id, *(msgspec.json.decode(word, type=str) for word in words), payload), deviations


def _identified(element: msgspec.Raw) -> tuple[str, list[Deviation]]:
    """The message id that an element is, or was to be.

    Raises:
        ValueError: there is none.
    """
    text = bytes(element).strip()
    if _is_integer(text):
        return text.decode(), [Deviation("[1]", Repair.NUMBER_AS_ID, int(text))]
    message_id: str = msgspec.json.decode(text, type=str)
    if not 0 < len(message_id) <= frames.MAX_ECHOED_ID:
        raise ValueError("the message id is empty, or too long to be repeated")
    is_long = len(message_id) > frames.MAX_MESSAGE_ID
    return message_id, [Deviation("[1]", Repair.LONG_ID, message_id)] if is_long else []


_elements: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_is_integer: Final = re.compile(rb"-?\d{1,35}").fullmatch
_EMPTY: Final = msgspec.Raw(b"{}")
_NO_TEXT: Final = msgspec.Raw(b'""')

# Of each type its class and length, what stands for elements that are missing at its end, and which repair that is.
_Shape = tuple[Callable[..., Frame], int, list[msgspec.Raw], Repair]
_SHAPES: Final[dict[int | None, _Shape]] = {
    MessageType.CALL: (Call, 4, [_EMPTY], Repair.MISSING_PAYLOAD),
    MessageType.CALLRESULT: (CallResult, 3, [_EMPTY], Repair.MISSING_PAYLOAD),
    MessageType.CALLERROR: (CallError, 5, [_NO_TEXT, _EMPTY], Repair.SHORT_CALLERROR),
    MessageType.CALLRESULTERROR: (CallResultError, 5, [_NO_TEXT, _EMPTY], Repair.SHORT_CALLERROR),
    MessageType.SEND: (Send, 4, [_EMPTY], Repair.MISSING_PAYLOAD),
}
