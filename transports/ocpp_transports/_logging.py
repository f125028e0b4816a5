"""The log of the adapters, and what tells one record from another.

It goes to the logger ``ocpp_transports``. Each record that is about a connection has these attributes, as far as they
apply, for a filter to look at and for a formatter to write; all are text but the size:

``ocpp_identity``
    The charge point. Like everything here that a peer has a hand in, it is written as Python would where it is not
    printable.
``ocpp_source``
    Where the charge point has connected from: an address, without the port. At the charge point's own end there is
    none.
``ocpp_version``
    What is spoken: ``1.6``, ``2.0.1``, ``2.1``.
``ocpp_direction``
    Which way the message went that the record is about: ``in`` or ``out``.
``ocpp_action``, ``ocpp_message_id``
    Which message that is. An action is one that the version, or the application, knows (F-131).
``ocpp_message_type``, ``ocpp_size``
    What it is, ``CALL`` or ``CALLRESULT`` for instance, and how many characters it has: of the records below only.

The logger ``ocpp_transports.messages`` has a record of every message that comes or goes, at DEBUG: which one it is,
never what it says (F-40). Whether it is enabled is asked when a connection begins, so that it costs nothing if not.
"""

from __future__ import annotations

import logging
from collections.abc import Container
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from ocpp_sansio import Direction, Version
from ocpp_sansio.frames import Call, CallError, CallResult, CallResultError, Send, decode

if TYPE_CHECKING:
    from ._dispatcher import Dispatcher

__all__ = ["fields", "log_messages", "logger", "plain"]

logger: Final = logging.getLogger("ocpp_transports")
messages: Final = logging.getLogger("ocpp_transports.messages")

MAX_UNANSWERED: Final = 256
"""CALLs whose action is kept for the record of their answer."""

_TYPES: Final[dict[type[Any], str]] = {
    Call: "CALL",
    CallResult: "CALLRESULT",
    CallError: "CALLERROR",
    CallResultError: "CALLRESULTERROR",
    Send: "SEND",
}


def plain(text: str) -> str:
    """A text of the peer's that cannot be mistaken for lines, or for anything else, of the log."""
    return text if text.isprintable() else ascii(text)


def fields(identity: str, version: Version | None = None, **others: object) -> dict[str, object]:
    """What a record has as its ``extra``; what is ``None`` is left out."""
    named = {"identity": plain(identity), "version": version and version.value, **others}
    return {f"ocpp_{name}": value for name, value in named.items() if value is not None}


def log_messages(driver: Dispatcher[Any, Any, Any]) -> None:
    """Have every message of a connection that begins logged, if anybody wants to read that."""
    if messages.isEnabledFor(logging.DEBUG):
        driver.connection.add_tap(_MessageLog(driver))


class _MessageLog:
    """The tap that logs which message comes or goes."""

    def __init__(self, driver: Dispatcher[Any, Any, Any]) -> None:
        self._driver: Final = ref(driver)  # whose connection this is a tap of (F-132)
        self._actions: dict[tuple[Direction, str], str] = {}
        """Of the CALLs that have no answer yet, by the way that goes."""

    def __call__(self, direction: Direction, text: str, at: float) -> None:  # noqa: ARG002 - the record has its own
        driver = self._driver()
        if driver is None:
            return
        try:
            frame = decode(text)
        except (ValueError, RecursionError):
            kind, action, message_id = "unreadable message", None, None
        else:
            kind, message_id = _TYPES[type(frame)], plain(frame.message_id)
            action = self._action(direction, frame, driver.connection.actions)
        what = " ".join(filter(None, (direction.value, kind, action, message_id)))
        messages.debug(
            "%r: %s, %d characters",
            driver.identity,
            what,
            len(text),
            extra=driver.fields(
                direction=direction.value,
                action=action,
                message_id=message_id,
                message_type=kind,
                size=len(text),
            ),
        )

    def _action(self, direction: Direction, frame: Any, known: Container[str]) -> str | None:
        if isinstance(frame, Call):  # or a SEND
            action = frame.action if frame.action in known else None
            if type(frame) is Call and action is not None:
                back = Direction.OUT if direction is Direction.IN else Direction.IN
                self._actions[back, frame.message_id] = action
                if len(self._actions) > MAX_UNANSWERED:
                    del self._actions[next(iter(self._actions))]
            return action
        return self._actions.pop((direction, frame.message_id), None)
