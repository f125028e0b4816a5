"""The OCPP versions, their names on the wire, and what differs between them below the messages.

A version's messages are a package of their own (:mod:`ocpp_sansio.v16`, …); this module knows its name and
imports it only when asked, so that ``import ocpp_sansio`` costs nothing for versions that are not spoken.
"""

from __future__ import annotations

from enum import Enum, IntEnum, unique
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .messages import Actions

__all__ = ["Choice", "Dialect", "MessageType", "NoMatch", "Version", "identity_key"]


class Choice(Enum):
    """An enum of which an application names a member, or its value. It is told what there is instead of another."""

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        values = ", ".join(repr(each.value) for each in cls)
        raise ValueError(f"{value!r} is not a valid {cls.__name__}: there is {values}")


@unique
class MessageType(IntEnum):
    """The first element of a message."""

    CALL = 2
    CALLRESULT = 3
    CALLERROR = 4
    CALLRESULTERROR = 5
    SEND = 6


@attrs.frozen
class Dialect:
    """How the RPC layer of one version differs from the others'. The machine reads these, never the version."""

    message_types: frozenset[int]
    """Those there are (RPC-030…034). Any other is unknown."""
    unreadable_id: str | None
    """The id of a CALLERROR about a message whose own cannot be read (RPC-064); ``None``: no answer (RPC-065)."""
    answers_unknown_message_type: bool
    """Whether an unknown message type with a readable id is answered (RPC-069) or ignored (RPC-068)."""
    null_payload_is_empty: bool
    """Whether a ``null`` payload is taken for ``{}`` (RPC-037) or refused (RPC-038)."""


@unique
class NoMatch(Choice):
    """What a server does with a client that offers none of its versions."""

    ACCEPT_THEN_CLOSE = "accept, then close"
    """Finish the handshake without a subprotocol and close at once with 1002 (RPC-012)."""
    REJECT = "reject"
    """Refuse the handshake with HTTP status 400 (RPC-013)."""


@unique
class Version(Choice):
    """An OCPP version. ``Version("1.6")`` finds one by its number."""

    V16 = "1.6"
    V201 = "2.0.1"
    V21 = "2.1"

    def __str__(self) -> str:
        return self.value

    @property
    def subprotocol(self) -> str:
        """The name offered and accepted in ``Sec-WebSocket-Protocol`` (RPC-010)."""
        return f"ocpp{self.value}"

    @property
    def dialect(self) -> Dialect:
        """What differs in the RPC layer."""
        return _DIALECTS[self]

    @cached_property
    def actions(self) -> Actions:
        """The messages of this version, imported when first asked for."""
        actions: Actions = import_module(_PACKAGES[self]).ACTIONS
        return actions

    @classmethod
    def from_subprotocol(cls, name: str) -> Version | None:
        """The version that a subprotocol name, spelled exactly so, stands for (RPC-010); ``None`` for any other."""
        return _BY_SUBPROTOCOL.get(name)

    @classmethod
    def parse_all(cls, versions: Version | str | Iterable[Version | str]) -> tuple[Version, ...]:
        """Versions given by number or as members, in the order given, which is the order of preference; or just one.

        Raises:
            ValueError: a number is not an OCPP version, one is named twice, or there is none.
        """
        parsed = tuple(map(cls, (versions,) if isinstance(versions, Version | str) else versions))
        if not parsed or len(set(parsed)) != len(parsed):
            raise ValueError(f"need one or more different OCPP versions, got {[str(version) for version in parsed]}")
        return parsed


def identity_key(identity: str, version: Version | None) -> str:
    """What tells one station from another: its identity, in lower case where no case does (RPC-003, RPC-004, F-30)."""
    return identity if version in (None, Version.V16) else identity.lower()


_BY_SUBPROTOCOL = {version.subprotocol: version for version in Version}

_PACKAGES = {Version.V16: "ocpp_sansio.v16", Version.V201: "ocpp_sansio.v201", Version.V21: "ocpp_sansio.v21"}

_CALLS = frozenset({MessageType.CALL, MessageType.CALLRESULT, MessageType.CALLERROR})

_DIALECTS = {
    Version.V16: Dialect(
        message_types=_CALLS, unreadable_id=None, answers_unknown_message_type=False, null_payload_is_empty=True
    ),
    Version.V201: Dialect(
        message_types=_CALLS, unreadable_id="-1", answers_unknown_message_type=True, null_payload_is_empty=False
    ),
    Version.V21: Dialect(
        message_types=frozenset(MessageType),
        unreadable_id="-1",
        answers_unknown_message_type=False,
        null_payload_is_empty=False,
    ),
}
