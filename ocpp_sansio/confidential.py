"""What opens a door, passwords, keys and PINs, is not shown where a message is printed, in a log perhaps (F-40).

Told by names. Who a station, a driver or a card is, is shown, as who reads a log wants to know that; what is given to
others has that replaced as well, by :mod:`ocpp_sansio.redaction`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

__all__ = ["names_a_secret", "shown", "text_shown"]

names_a_secret: Final = re.compile(
    r"pass_?(?:word|phrase|code|wd)|pwd|secret|psk|credential|pin_?code|(?:sim|modem|card|user)_?pin(?!_?[a-z])"
    r"|(?:access|api|auth|bearer|refresh)_?token"
    # A key, but for the public half of one, and for what only lists the names of settings.
    r"|(?<=[a-z\d_-])(?<!public)(?<!public_)(?<!configuration)(?<!configuration_)(?<!unknown)(?<!unknown_)key(?!_?[a-z])",
    re.IGNORECASE,
).search
"""Whether it sounds like the name of what opens a door: of a property, as it is spelt on the wire or in Python, of a
configuration key (1.6), or of a variable (2.x)."""

_VALUES: Final = frozenset({"value", "attribute_value", "actual_value", "variable_attribute"})
"""What is secret if what it is the value of is: a configuration key (1.6), a variable (2.x)."""


class _Hidden:
    """Stands for what is not shown."""

    def __repr__(self) -> str:
        return "<hidden>"


_HIDDEN: Final = _Hidden()


def shown(names: tuple[str, ...], message: object) -> list[tuple[str, Any]]:
    """The properties of a part of a message, by their names in Python, with what may be shown of each."""
    values = [(name, getattr(message, name)) for name in names]
    secret, has_value = _looked_at(names)
    if has_value and names_a_secret(_subject(message)):
        secret |= _VALUES
    if not secret:
        return values
    return [(name, _HIDDEN if name in secret and value is not None else value) for name, value in values]


@lru_cache(1024)
def _looked_at(names: tuple[str, ...]) -> tuple[frozenset[str], bool]:
    """Which properties of a class are secret by themselves, and whether some may be by what they are the values of."""
    secret = frozenset(filter(names_a_secret, names))
    others = {"key"} if secret else ()  # that of a virtual private network is called nothing else
    return secret.union(others), not _VALUES.isdisjoint(names)


def _subject(message: object) -> str:
    """What its value is that of: the name of a configuration key or of a variable."""
    name = getattr(message, "key", None) or getattr(getattr(message, "variable", None), "name", None)
    return name if isinstance(name, str) else ""


def text_shown(text: str) -> str:
    """How a text of the peer's is printed: one with a secret in it is not."""
    return repr(_HIDDEN if names_a_secret(text) else text)
