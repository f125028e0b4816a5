"""``ocpp-sansio redact``: the messages of a recording, a trace or a log, without what is secret in them."""

from __future__ import annotations

import secrets
import sys
from functools import lru_cache
from typing import Annotated

import msgspec
from cyclopts import Parameter

from ocpp_sansio import Direction, Role
from ocpp_sansio.redaction import Redactor
from ocpp_sansio.trace import Message, Reader, TooLong

from ._files import NO_MESSAGE, STANDARD_INPUT, UNUSABLE, UnreadableFile, chunks, complain, printing

__all__ = ["redact"]

_WAYS = {Role.CHARGE_POINT: Direction.IN, Role.CENTRAL_SYSTEM: Direction.OUT}
"""Of a message whose sender is known: as its central system would have recorded it."""


def redact(
    file: Annotated[str, Parameter(allow_leading_hyphen=True)] = STANDARD_INPUT,
    *,
    key: str | None = None,
    identity: Annotated[tuple[str, ...], Parameter(negative="")] = (),
) -> None:
    """Print the messages of a file with everything secret in them replaced, as lines of a recording.

    A value becomes another of the same shape, and equal values stay equal, so that messages can be shown to others with
    everything that is odd about them. Whatever else the file has is left out. Free texts stay as they are: look at what
    you give away. Exits with 2 if the file cannot be read or has no message.

    Args:
        file: What validate reads as well; "-" for standard input.
        key: What the replacements depend on. Without it they are others each time, and nobody can try values out.
        identity: Of a charge point, to be replaced wherever it occurs; those on record are in any case.
    """
    secret = secrets.token_bytes(32) if key is None else key.encode()
    reader = Reader()

    @lru_cache
    def redactor_of(station: str | None) -> Redactor:
        return Redactor(secret, identities=(*identity, *filter(None, (station,))))

    found = 0
    status = 0

    def show(pieces: list[Message | TooLong]) -> None:
        nonlocal found
        found += len(pieces)
        for piece in pieces:
            if isinstance(piece, Message):
                sys.stdout.write(_line(piece, redactor_of(piece.identity)))
            else:
                complain(f"line {piece.line} is left out: it is too long")

    with printing():
        try:
            for chunk in chunks(file, is_quiet=False):
                show(reader.receive_data(chunk))
        except UnreadableFile as error:
            complain(str(error))
            status = UNUSABLE
        show(reader.receive_eof())
    if not (found or status):
        complain(f"{file}: {NO_MESSAGE}")
        status = UNUSABLE
    sys.exit(status)


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
