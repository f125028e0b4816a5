"""``ocpp-sansio redact``: the messages of a recording, a trace or a log, without what is secret in them."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from ocpp_sansio import Direction, Role
from ocpp_sansio.redaction import MIN_IDENTITY, Redactor
from ocpp_sansio.trace import Message, Reader, TooLong

from ._files import NO_MESSAGE, STANDARD_INPUT, UNUSABLE, File, UnreadableFile, chunks, complain, printing

__all__ = ["redact"]

_WAYS = {Role.CHARGE_POINT: Direction.IN, Role.CENTRAL_SYSTEM: Direction.OUT}
"""Of a message whose sender is known: as its central system would have recorded it."""


def redact(
    file: File = STANDARD_INPUT,
    *,
    key: str | None = None,
    identity: Annotated[tuple[str, ...], Parameter(negative="")] = (),
) -> None:
    """Print the messages of a file with everything secret in them replaced, as lines of a recording.

    A value becomes another of the same shape, and equal values stay equal, so that messages can be shown to others with
    everything that is odd about them. Whatever else the file has is left out. Free texts stay as they are: look at what
    you give away. Exits with 2 if the file cannot be read or has no message.

    The identities on record are replaced wherever they occur, in the messages of other charge points as well. For that
    a file is read twice; in a pipe, an identity is not known before the first message that is on record as its own.

    Args:
        file: What validate reads as well; "-" for standard input.
        key: What the replacements depend on. Without it they are others each time, and nobody can try values out.
        identity: Of a charge point that is on record in a text only, to be replaced as well.
    """
    secret = secrets.token_bytes(32) if key is None else key.encode()
    try:
        redactor = Redactor(secret, identities=identity)
    except ValueError as error:
        complain(str(error))
        sys.exit(UNUSABLE)
    known = set(identity)

    def learn(stations: Iterable[str | None]) -> None:
        nonlocal redactor
        new = {station for station in stations if station and station not in known}
        known.update(new)
        for station in sorted(each for each in new if len(each) < MIN_IDENTITY):
            complain(f"{station!r} is too short to be looked for in messages, and stays in their texts")
        if new:
            redactor = Redactor(secret, identities=(each for each in known if len(each) >= MIN_IDENTITY))

    found = status = 0
    with printing():
        try:
            if Path(file).is_file():
                learn(_stations(file))
            for piece in _pieces(file, is_quiet=False):
                if isinstance(piece, Message):
                    if piece.identity not in known:
                        learn([piece.identity])
                    sys.stdout.write(_line(piece, redactor))
                    found += 1
                else:
                    complain(f"line {piece.line} is left out: it is too long")
        except UnreadableFile as error:
            complain(str(error))
            status = UNUSABLE
    if not (found or status):
        complain(f"{file}: {NO_MESSAGE}")
        status = UNUSABLE
    sys.exit(status)


def _stations(file: str) -> set[str | None]:
    """The charge points of a file, as far as it can be read."""
    stations = set[str | None]()
    with suppress(UnreadableFile):
        stations.update(piece.identity for piece in _pieces(file, is_quiet=True) if isinstance(piece, Message))
    return stations


def _pieces(file: str, *, is_quiet: bool) -> Iterator[Message | TooLong]:
    """What is in a file.

    Raises:
        UnreadableFile: it cannot be read, or no further. Before that comes what could be read.
    """
    reader = Reader()
    unreadable = None
    try:
        for chunk in chunks(file, is_quiet=is_quiet):
            yield from reader.receive_data(chunk)
    except UnreadableFile as error:
        unreadable = error
    yield from reader.receive_eof()
    if unreadable is not None:
        raise unreadable


def _line(message: Message, redactor: Redactor) -> str:
    way = _WAYS[message.way] if isinstance(message.way, Role) else message.way
    text = message.text if isinstance(message.text, str) else message.text.decode(errors="replace")
    members = {
        "time": message.time,
        "identity": message.identity and redactor.replace(message.identity),
        "version": message.version,
        "direction": way,
        "text": redactor(text),
    }
    return msgspec.json.encode({name: value for name, value in members.items() if value is not None}).decode() + "\n"
