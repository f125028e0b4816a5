"""Messages on paper: recording them as they pass, and drawing them as a ladder.

What a text is, :mod:`ocpp_sansio.frames` says; here it is only laid out.
"""

from __future__ import annotations

import json
import time
from typing import Final

import attrs
from rich.text import Text

from ocpp_sansio import Direction, Role
from ocpp_sansio.frames import Call, CallError, CallResult, CallResultError, Send, decode

__all__ = ["Ladder", "Note", "Passed", "Recording", "Transcript", "printable"]

Transcript = list[tuple[str, str]]
"""Direction and text of each message, with the message ids replaced by numbers: comparable between runs."""


@attrs.frozen
class Passed:
    """A message that came or went, and when."""

    direction: Direction
    text: str
    at: float


@attrs.frozen
class Note:
    """Something that happened between messages, and when."""

    text: str
    at: float


class Recording:
    """What passed one end of a connection; to be given to it as its ``tap``."""

    def __init__(self) -> None:
        self.entries: list[Passed | Note] = []

    def __call__(self, direction: Direction, text: str, _: float) -> None:
        # Every adapter has its own clock. Here they are compared, so all are timed by the same one.
        self.entries.append(Passed(direction, text, time.monotonic()))

    def note(self, text: str) -> None:
        """Write something down between the messages."""
        self.entries.append(Note(text, time.monotonic()))

    def heard(self) -> int:
        """How many messages have come in."""
        return sum(message.direction is Direction.IN for message in self.messages())

    def transcript(self) -> Transcript:
        """What passed, with message ids that do not depend on the run."""
        numbers: dict[str, str] = {}

        def numbered(text: str) -> str:
            try:
                message = json.loads(text)
            except ValueError:
                return text
            message[1] = numbers.setdefault(message[1], f"#{len(numbers) + 1}")
            return json.dumps(message, ensure_ascii=False)

        return [(message.direction.value, numbered(message.text)) for message in self.messages()]

    def messages(self) -> list[Passed]:
        """The messages, without what was noted between them."""
        return [entry for entry in self.entries if isinstance(entry, Passed)]


@attrs.frozen
class _Shape:
    """How one kind of message is drawn."""

    name: str
    style: str


_CALL: Final = _Shape("CALL", "cyan")
_CALLRESULT: Final = _Shape("CALLRESULT", "green")
_CALLERROR: Final = _Shape("CALLERROR", "bold red")
_CALLRESULTERROR: Final = _Shape("CALLRESULTERROR", "bold red")
_SEND: Final = _Shape("SEND", "blue")
_UNREADABLE: Final = _Shape("not OCPP", "bold magenta")
_SHAFT: Final = 24


class Ladder:
    """Draws messages line by line, as they are seen from one end."""

    def __init__(self, end: Role) -> None:
        self._end = end
        self._start: float | None = None
        self._actions: dict[str, str] = {}

    def line(self, message: Passed | Note) -> Text:
        """One message: when, which way, what kind, what it says."""
        if self._start is None:
            self._start = message.at
        line = Text(f"{(message.at - self._start) * 1000:9.1f} ms  ", style="dim", no_wrap=True, overflow="ellipsis")
        if isinstance(message, Note):
            return line.append(f"{message.text:^{_SHAFT + 8}}", style="bold yellow")
        shape, name, content = self._read(message.text)
        # The charge point stands on the left.
        rightward = (message.direction is Direction.OUT) is (self._end is Role.CHARGE_POINT)
        shaft = f" {shape.name} ".center(_SHAFT, "─")
        line.append("CP ", style="bold").append(f"{shaft}▶" if rightward else f"◀{shaft}", style=shape.style)
        line.append(" CS  ", style="bold").append(f"{printable(name)} " if name else "", style=shape.style)
        return line.append(printable(content), style="default")

    def _read(self, text: str) -> tuple[_Shape, str, str]:
        try:
            frame = decode(text)
        except (ValueError, RecursionError):
            return _UNREADABLE, "", text
        match frame:
            case Send():
                return _SEND, frame.action, bytes(frame.payload).decode()
            case Call():
                self._actions[frame.message_id] = frame.action
                return _CALL, frame.action, bytes(frame.payload).decode()
            case CallResult():
                return _CALLRESULT, self._actions.pop(frame.message_id, ""), bytes(frame.payload).decode()
            case CallResultError():
                return _CALLRESULTERROR, "", f"{frame.code}: {frame.description}"
            case CallError():
                return _CALLERROR, self._actions.pop(frame.message_id, ""), f"{frame.code}: {frame.description}"


def printable(text: str) -> str:
    """What a peer sent, without what would move the cursor or rename the window."""
    return "".join(character if character.isprintable() else "·" for character in text)
