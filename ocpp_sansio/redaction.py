"""Messages that can be shown to others: what is secret in them is replaced, and what is odd about them is kept.

It works on the text, so that messages can be shown that are no messages, for those are the ones worth showing. A value
is replaced by one of the same shape: a digit by a digit, a letter by a letter, hexadecimal by hexadecimal, and of a
number, an array or a broken string it stays what it was. Everything else, names, enum values, times, blanks, escapes,
commas that are missing, stays as it is.

What is secret is told by the names of properties (:data:`SECRETS`), by what stands beside a value (the password is the
``value`` of the ``key`` "AuthorizationKey"), and by what a value looks like (a URL with credentials in it). What is in
a free text, the description of an error perhaps, only its reader knows: look at what you give away.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Final

import msgspec

from .version import Version

__all__ = ["SECRETS", "Redactor"]

MIN_IDENTITY: Final = 3
"""Characters of an identity that is looked for in other texts. A shorter one would be found everywhere."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_COMMON: Final = _names("""
    certificate certificateChain csr data iccid imsi issuerKeyHash issuerNameHash serialNumber signingCertificate
""")
_V2X: Final = _COMMON | _names("""
    additionalIdToken apnPassword apnUserName customData customerIdentifier exiRequest exiResponse idToken ocspResult
    publicKey signedMeterData simPin vpn.group vpn.key vpn.password vpn.server vpn.user
""")
SECRETS: Final[Mapping[Version, frozenset[str]]] = {
    Version.V16: _COMMON | _names("chargeBoxSerialNumber chargePointSerialNumber idTag meterSerialNumber parentIdTag"),
    Version.V201: _V2X,
    Version.V21: _V2X
    | _names("""
        address1 address2 basicAuthPassword city company.name evInverterSerialNumber identity idTokens postalCode
        prioritizedEMAIDs pspRef receiptId receiptUrl vatCompany.name vatNumber
    """),
}
"""The properties of each version whose values are secret, or tell one station, driver or owner from another; one that
is only so inside of another has both names."""

DEEP: Final = frozenset({"data", "customData"})
"""Those of which everything inside is secret, but for the ``vendorId``: it may be anything."""

_VALUES: Final = frozenset({"value", "attributeValue", "actualValue"})
"""What is secret if what it is the value of is."""
_names_a_secret: Final = re.compile(
    r"pass|secret|psk|token|authorizationkey|api_?key|credential|iccid|imsi|serial|identity|user|organi[sz]ation|cponame",
    re.IGNORECASE,
).search

# A string, to the end if nothing ends it; a bracket, colon or comma; or anything else up to one of those.
_tokens: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}:,]|[^\s"\[\]{}:,]++', re.DOTALL).finditer
_colon: Final = re.compile(r"\s*+:").match
_units: Final = re.compile(
    r"(?P<armour>-----[A-Z0-9 ]{1,64}-----)|\\u(?P<code>[0-9a-fA-F]{4})|\\.|.", re.DOTALL
).finditer
_number: Final = re.compile(r"(-?0*+)(\d*(?:\.\d+)?)(?=[eE]|\Z)").match
_url: Final = re.compile(r"(?<=://)([^\s/?#@\"]++@)?([^\s?\"]*+)([^\s\"]*+)")
_hexadecimal: Final = re.compile(r"[^g-zG-Z]*").fullmatch


class Redactor:
    """Replaces what is secret in the texts it is called with; to be given to a ``Recorder`` as its ``redact``.

    Equal values stay equal under the same key, in any case of their letters. Without the key nobody can tell which
    value it was; with it, whoever guesses a value can see whether it was that one. So use a random key, once.

    Args:
        key: what the replacements depend on, in any number of bytes.
        identities: of charge points. They are replaced wherever they occur.

    Raises:
        ValueError: the key is empty.
    """

    def __init__(self, key: bytes, *, identities: Iterable[str] = ()) -> None:
        if not key:
            raise ValueError("the key must not be empty")
        self._key: Final = b"%d:%b" % (len(key), key)
        self._secrets: Final = frozenset(chain.from_iterable(SECRETS.values()))
        names = sorted(name for name in self._secrets if "." not in name)
        # A name, some punctuation, and what looks like a value: all that is left of a member when quotes are missing.
        self._scattered: Final = re.compile(
            rf"\b(?:{'|'.join(names)})\b[\"'\s]{{0,8}}[:=]?[\"'\s]{{0,8}}([^\s\"'{{}}\[\],:=]+)"
        ).finditer
        known = sorted({each for each in identities if len(each) >= MIN_IDENTITY}, key=len, reverse=True)
        self._identities: Final = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """The text with everything secret in it replaced."""
        between: Callable[[str], str] = self._plainly if _is_json(text) else self._by_name
        parts, end = list[str](), 0
        for start, stop in sorted(_Walk(text, self._secrets).found):
            parts += (between(text[end:start]), self._replace(text[start:stop]))
            end = stop
        return "".join((*parts, between(text[end:])))

    def replace(self, value: str) -> str:
        """What stands for a value, as JSON has it inside of its quotes: the same wherever that value is replaced."""
        units = list(_units(value))
        meant = "".join(_meaning(unit) for unit in units if unit["armour"] is None)
        letters = 6 if _hexadecimal(meant) else 26
        stream = self._stream(meant, len(units))
        return "".join(_disguised(unit, byte, letters) for unit, byte in zip(units, stream, strict=True))

    def _stream(self, value: str, length: int) -> bytes:
        # A sponge needs nothing around it to be keyed by what comes first.
        data = value.lower().encode(errors="surrogatepass")
        return hashlib.shake_256(self._key + data).digest(length)

    def _replace(self, token: str) -> str:
        """Replace a string in its quotes, as far as it has them, or a number, which stays one."""
        if token in _WORDS:
            return token
        quote = token[:1] if token[:1] in _QUOTES else ""
        rest = quote if quote and len(token) > 1 and token[-1] == quote and not token.endswith(f"\\{quote}") else ""
        value = token[len(quote) : len(token) - len(rest)]
        number = None if quote else _number(value)
        if number is None:
            return quote + self.replace(value) + rest
        digits = self.replace(number[2])
        # It has as many zeros in front as it had.
        first = "1" if digits[:1] == "0" else digits[:1]
        return number[1] + first + digits[1:] + value[number.end() :]

    def _plainly(self, text: str) -> str:
        """What is between the secrets, or would be if it had quotes: there may be a secret inside."""
        # What is before the @, and what is behind the question mark.
        text = _url.sub(lambda url: self.replace(url[1] or "") + url[2] + self.replace(url[3]), text)
        return text if self._identities is None else self._identities.sub(lambda match: self.replace(match[0]), text)

    def _by_name(self, text: str) -> str:
        parts, end = list[str](), 0
        for match in self._scattered(text):
            parts += (self._plainly(text[end : match.start(1)]), self._replace(match[1]))
            end = match.end(1)
        return "".join((*parts, self._plainly(text[end:])))


_WORDS: Final = frozenset({"true", "false", "null"})
_QUOTES: Final = ('"', "'")


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (ValueError, RecursionError):
        return False
    return True


# -- where the secrets are --


class _Inside:
    """An object or array, or what is left of one."""

    __slots__ = ("is_deep", "is_marked", "is_object", "member", "name", "outer")

    def __init__(self, outer: _Inside | None, *, is_object: bool) -> None:
        self.outer = outer
        self.is_object = is_object
        self.name: str = "" if outer is None else outer.about
        """Of the property that it is the value of, or inside the value of."""
        self.member = ""
        """The property that was named last."""
        self.is_deep: bool = outer is not None and (outer.is_deep or self.name in DEEP)
        self.is_marked = False
        """Whether it says that its values are those of something secret."""

    @property
    def about(self) -> str:
        """The property that a value here belongs to."""
        return self.member if self.is_object else self.name


class _Walk:
    """Goes through a text that may be JSON, and notes what is to be replaced, and how."""

    def __init__(self, text: str, secrets: frozenset[str]) -> None:
        self._secrets = secrets
        self.found: list[tuple[int, int]] = []
        self._here = _Inside(None, is_object=False)
        self._all = [self._here]
        values: list[tuple[_Inside, int, int]] = []
        for token in _tokens(text):
            word, start, stop = token[0], token.start(), token.end()
            if word in "[{":
                self._here = _Inside(self._here, is_object=word == "{")
                self._all.append(self._here)
            elif word in "]}":
                self._here = self._here.outer or self._here
            elif word in ":,":
                pass
            elif _colon(text, stop):
                self._here.member = _unquoted(word)
            elif self._is_secret():
                self.found.append((start, stop))
            else:
                self._mark(_unquoted(word))
                if self._here.about in _VALUES:
                    values.append((self._here, start, stop))
        # What a value belongs to may be said behind it.
        for each in self._all:
            each.is_marked = each.is_marked or (each.outer is not None and each.outer.is_marked)
        for where, start, stop in values:
            if where.is_marked:
                self.found.append((start, stop))

    def _is_secret(self) -> bool:
        here = self._here
        if here.is_deep:
            return here.about != "vendorId"
        return here.about in self._secrets or f"{here.name}.{here.about}" in self._secrets

    def _mark(self, value: str) -> None:
        here = self._here
        if here.about == "key":
            here.is_marked = here.is_marked or _names_a_secret(value) is not None
        elif here.about == "format":
            here.is_marked = here.is_marked or value == "SignedData"
        elif here.about == "name" and here.name == "variable" and here.outer is not None:
            here.outer.is_marked = here.outer.is_marked or _names_a_secret(value) is not None


def _unquoted(word: str) -> str:
    return word.strip("\"'")


# -- shapes --


def _meaning(unit: re.Match[str]) -> str:
    return unit[0] if unit["code"] is None else chr(int(unit["code"], 16))


def _disguised(unit: re.Match[str], byte: int, letters: int) -> str:
    """Another character of the same kind, written in the same way."""
    if unit["armour"] is not None or (len(unit[0]) == 2 and unit["code"] is None):
        return unit[0]
    meant = _meaning(unit)
    new = _other(meant, byte, letters)
    return new if unit["code"] is None else f"\\u{ord(new):04x}"


def _other(character: str, byte: int, letters: int) -> str:
    if "0" <= character <= "9":
        return str(byte % 10)
    if "a" <= character <= "z":
        return chr(ord("a") + byte % letters)
    if "A" <= character <= "Z":
        return chr(ord("A") + byte % letters)
    if "\ud800" <= character <= "\udfff":
        return min(character, "\ud83d") if character < "\udc00" else "\ude00"
    return "é" if not character.isascii() and character.isalnum() else character
