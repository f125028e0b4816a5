"""Security events that happen while there is no connection: kept, each kind once, and reported when there is one.

Knows which are to be reported, and whether they have been. It must not know how one is found out.

The driver's part: say ``note`` when one has happened, ``link_up`` and ``link_down`` after the :class:`Backlog` has been
told the same, and hand over each event of the backlog with ``receive_event``.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from .backlog import Backlog
from .errors import CallRefused, ErrorCode, LocalProtocolError
from .events import CallFailed, CallSucceeded, PendingCall
from .security_events import SecurityEvent
from .version import Version

__all__ = ["SecurityReports"]


class SecurityReports:
    """What the central system has yet to be told, in a SecurityEventNotification behind the calls that wait.

    An attempt to connect that fails for the same reason again and again is one event, until that has been reported
    (RPC-149). A central system that wants a BootNotification first (RPC-075) is told when it has accepted another call;
    one that refuses it for any other reason is not told again. What was lost is reported on the next link.

    Args:
        backlog: what the reports are sent by.
    """

    def __init__(self, backlog: Backlog) -> None:
        self._backlog: Final = backlog
        self._version: Version | None = None
        self._untold: dict[SecurityEvent, datetime] = {}
        self._resting: set[SecurityEvent] = set()
        """Those that are left for the next link."""
        self._under_way: dict[PendingCall[Any], SecurityEvent] = {}

    def note(self, kind: SecurityEvent, at: datetime) -> None:
        """It has happened. Nothing changes if that has yet to be reported."""
        self._untold.setdefault(kind, at)

    def link_up(self, version: Version, *, now: float) -> None:
        """There is a link, of this version."""
        self._version = version
        self._resting.clear()
        self._send(now)

    def link_down(self) -> None:
        """There is no link."""
        self._version = None

    def receive_event(self, event: CallSucceeded[Any] | CallFailed, *, now: float) -> bool:
        """A call of the backlog has had its outcome. Returns whether it was a report, and nobody else's."""
        kind = self._under_way.pop(event.call, None)
        if kind is None:
            if isinstance(event, CallSucceeded):
                self._send(now)
            return False
        error = event.error if isinstance(event, CallFailed) else None
        if error is None or (isinstance(error, CallRefused) and error.code is not ErrorCode.SECURITY_ERROR):
            del self._untold[kind]
        elif not isinstance(error, CallRefused):
            self._resting.add(kind)
        return True

    def _send(self, now: float) -> None:
        """Report what can be reported now."""
        if self._version is None:
            return
        busy = self._resting.union(self._under_way.values())
        for kind, at in self._untold.items():
            if kind in busy or not kind.is_sent(self._version):
                continue
            request: Any = self._version.actions["SecurityEventNotification"].request
            with suppress(LocalProtocolError):  # there is no room: after the next call that is answered
                call = self._backlog.call(request(type=kind.spelling(self._version), timestamp=at), now=now)
                self._under_way[call] = kind
