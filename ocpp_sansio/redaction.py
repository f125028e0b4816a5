"""Messages that can be shown to others: what is secret in them is replaced, and what is odd about them is kept.

It works on the text, so that messages can be shown that are no messages, for those are the ones worth showing. A value
is replaced by one of the same shape: a digit by a digit, a letter by a letter, hexadecimal by hexadecimal, and of a
number, an array or a broken string it stays what it was. Everything else, names, enum values, times, blanks, escapes,
commas that are missing, stays as it is.

What is secret is told by the names of properties (:data:`SECRETS`), in whatever case and with whatever escapes they
come, by what stands beside a value (the password is the ``value`` of the ``key`` "AuthorizationKey"), and by what a
value looks like (a URL with credentials in it). What else is in a free text, the description of an error perhaps, only
its reader knows: look at what you give away.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Final

import msgspec

from .confidential import names_a_secret
from .version import Version

__all__ = ["MIN_IDENTITY", "SECRETS", "Redactor"]

MIN_IDENTITY: Final = 3
"""Characters of an identity that can be looked for in other texts. A shorter one would be found everywhere."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_COMMON: Final = _names("""
    certificate certificateChain csr data iccid imsi issuerKeyHash issuerNameHash serialNumber signingCertificate
""")
_V2X: Final = _COMMON | _names("""
    additionalIdToken additionalInfo apnPassword apnUserName customData customerIdentifier exiRequest exiResponse
    groupIdToken idToken ocspResult publicKey signedMeterData simPin vpn.group vpn.key vpn.password vpn.server vpn.user
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
"""The properties of each version whose values are secret, with all that is inside of them, or tell one station, driver
or owner from another; one that is only so inside of another has both names."""

PLAIN: Final = _names("additionalInfo.type customData.vendorId groupIdToken.type idToken.type")
"""What is not secret although it is inside of what is."""


@lru_cache(maxsize=1024)
def _fold(name: str) -> str:
    """What is left of the name of a property when its case and what separates its words do not count."""
    return re.sub(r"[\W_]+", "", name).casefold()


def _folded(names: Iterable[str]) -> frozenset[str]:
    return frozenset(".".join(map(_fold, name.split("."))) for name in names)


_SECRETS: Final = _folded(chain.from_iterable(SECRETS.values()))
_PLAIN: Final = _folded(PLAIN)
_VALUES: Final = _folded({"value", "attributeValue", "actualValue"})
"""What is secret if what it is the value of is."""
_counts_one: Final = re.compile(
    r"serial|iccid|imsi|emaid|mac_?address|(?:evcc|secc|vehicle)_?id|vin(?!_?[a-z])", re.IGNORECASE
).search
"""Whether it sounds like what is different for each station, modem or vehicle, in a vendor's own properties as well."""
_tells_who: Final = re.compile(
    r"pass|token|identity|user|login|account|organi[sz]ation|cponame|ssid|address|mail|phone|latitude|longitude"
    r"|(?:mac|certificate)(?!_?[a-z])|(?:point|box|charger|station)_?id(?!_?[a-z])"
    # Not what is to happen when an id is unknown or invalid, as there are standard settings of that kind.
    r"|(?<!unknown)(?<!invalid)(?:id_?tag|(?-i:(?<=[a-z\d])I[Dd]|(?<=[A-Z])ID|(?<=[ _.-])id)(?!_?[A-Za-z]))",
    re.IGNORECASE,
).search
"""Whether it sounds like the name of a setting that tells one station, driver or owner from another."""

# A string, to the end if nothing ends it; a bracket, colon or comma; or anything else up to one of those.
_tokens: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}:,]|[^\s"\[\]{}:,]++', re.DOTALL).finditer
_colon: Final = re.compile(r"\s*+:").match
_units: Final = re.compile(
    r"(?P<armour>-----[A-Z0-9 ]{1,64}-----)|\\u(?P<code>[0-9a-fA-F]{4})|\\.|.", re.DOTALL
).finditer
_escapes: Final = re.compile(r"\\u([0-9a-fA-F]{4})|\\(.)|.", re.DOTALL).finditer
_number: Final = re.compile(r"(-?0*+)(\d*(?:\.\d+)?)(?=[eE]|\Z)").match
_credentials: Final = re.compile(
    # In a URL, up to the last @ of its authority; also beyond, where what is behind the colon is not a port.
    r"""(?<=://)(?:([^\s/?#"]*@|[^\s/?#":@\[]+:(?!\d*+(?:[/?#\s"]|\Z))(?:(?!://)[^\s"])*@)|)[^\s?#;"]*+([^\s"]*+)"""
    # Without a scheme: a word, a colon, not two slashes, and a host.
    r"""|(?<![^\s"'=(<,;])([^\s"':/=(<,;]{1,64}:[^\s"@/](?:[^\s"]{0,127})@)(?=[\w.\[-])"""
)
_hexadecimal: Final = re.compile(r"[^g-zG-Z]*").fullmatch


def _scattered(names: Iterable[str], colon: str) -> re.Pattern[str]:
    """A name, some punctuation, and what looks like a value: all that is left of a member where quotes are missing."""
    spelt = (re.sub(r"(?<=[a-z])(?=[A-Z])", "[_-]?", name) for name in sorted(names) if "." not in name)
    return re.compile(
        rf"\b(?:{'|'.join(spelt)})\b[\"'\\\s]{{0,8}}{colon}[\"'\\\s]{{0,8}}([^\s\"'\\{{}}()\[\],:=]+)", re.IGNORECASE
    )


_EVERY_NAME: Final = frozenset(chain.from_iterable(SECRETS.values()))
_in_what_is_no_json: Final = _scattered(_EVERY_NAME, "[:=]?")
# In a text that somebody has written, city and data are words like any other.
_in_a_free_text: Final = _scattered((name for name in _EVERY_NAME if not name.islower()), "[:=]")


def _any_of(names: Collection[str], depth: int = 64) -> str:
    """A pattern for the longest of these names that is there, which takes no longer for many of them than for a few."""
    if len(names) == 1 or not depth:
        return f"(?:{'|'.join(map(re.escape, sorted(names, key=len, reverse=True)))})"
    tails: dict[str, list[str]] = {}
    for name in names:
        tails.setdefault(name[:1], []).append(name[1:])
    may_end = tails.pop("", None) is not None
    branches = [re.escape(first) + _any_of(rest, depth - 1) for first, rest in tails.items()]
    return branches[0] if len(branches) == 1 and not may_end else f"(?:{'|'.join(branches)})" + "?" * may_end


class Redactor:
    """Replaces what is secret in the texts it is called with; to be given to a ``Recorder`` as its ``redact``.

    Equal values stay equal under the same key, in any case of their letters. Without the key nobody can tell which
    value it was; with it, whoever guesses a value can see whether it was that one. So use a random key, once.

    Args:
        key: what the replacements depend on, in any number of bytes.
        identities: of charge points. They are replaced wherever they occur; one with a digit, which no word has, in any
            case of its letters.

    Raises:
        ValueError: the key is empty, or an identity has fewer than ``MIN_IDENTITY`` characters.
    """

    def __init__(self, key: bytes, *, identities: Iterable[str] = ()) -> None:
        if not key:
            raise ValueError("the key must not be empty")
        self._key: Final = b"%d:%b" % (len(key), key)
        words, numbered = set[str](), set[str]()
        for each in identities:
            if len(each) < MIN_IDENTITY:
                raise ValueError(f"{each!r} would be found everywhere: it takes {MIN_IDENTITY} characters to look for")
            if any(map(str.isdigit, each)):
                numbered.add(each.lower() if each.isascii() else each)
            else:
                words.add(each)
        # In this order it is the longest at a place, as none of the second begins with one of the first.
        patterns = [
            *([f"(?i:{_any_of(sorted(numbered))})"] * bool(numbered)),
            *([_any_of(sorted(words))] * bool(words)),
        ]
        self._identities: Final = re.compile(f"({'|'.join(patterns)})") if patterns else None

    def __call__(self, text: str) -> str:
        """The text with everything secret in it replaced."""
        scattered = _in_a_free_text if _is_json(text) else _in_what_is_no_json
        parts, end = list[str](), 0
        for start, stop in sorted(_Walk(text).found):
            parts += (self._between(text[end:start], scattered), self._replace(text[start:stop]))
            end = stop
        return "".join((*parts, self._between(text[end:], scattered)))

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

    def _between(self, text: str, scattered: re.Pattern[str]) -> str:
        """What is between the secrets: there may be a secret inside."""
        text = _substituted(_credentials, self.replace, text)
        text = _substituted(scattered, self._replace, text)
        return text if self._identities is None else _substituted(self._identities, self.replace, text)


_WORDS: Final = frozenset({"true", "false", "null"})
_QUOTES: Final = ('"', "'")


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (ValueError, RecursionError):
        return False
    return True


def _substituted(pattern: re.Pattern[str], new: Callable[[str], str], text: str) -> str:
    """The text with what the groups of a pattern match in what it means, replaced in what is written."""
    meant, places = _meant(text)
    parts, end = list[str](), 0
    for match in pattern.finditer(meant):
        for group in range(1, pattern.groups + 1):
            if match[group]:
                start, stop = places[match.start(group)], places[match.end(group)]
                parts += (text[end:start], new(text[start:stop]))
                end = stop
    return "".join((*parts, text[end:]))


def _meant(text: str) -> tuple[str, Sequence[int]]:
    """A text without its escapes, and where in it each character begins, and the last one ends."""
    if "\\" not in text:
        return text, range(len(text) + 1)
    units = list(_escapes(text))
    return "".join(map(_unescaped, units)), [*(unit.start() for unit in units), len(text)]


def _unescaped(unit: re.Match[str]) -> str:
    code, letter = unit.groups()
    return chr(int(code, 16)) if code else _BLANKS.get(letter, letter) if letter else unit[0]


_BLANKS: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


# -- where the secrets are --


class _Inside:
    """An object or array, or what is left of one."""

    __slots__ = ("is_marked", "is_object", "is_secret", "is_value", "member", "name", "outer")

    def __init__(self, outer: _Inside | None, *, is_object: bool) -> None:
        self.outer = outer
        self.is_object = is_object
        self.name: str = "" if outer is None else outer.about
        """Of the property that it is the value of, or inside the value of."""
        self.member = ""
        """The property that was named last."""
        self.is_secret = outer is not None and outer.holds_a_secret
        self.is_value = outer is not None and outer.holds_a_value
        self.is_marked = False
        """Whether it says that its values are those of something secret."""

    @property
    def about(self) -> str:
        """The property that a value here belongs to."""
        return self.member if self.is_object else self.name

    @property
    def holds_a_secret(self) -> bool:
        """Whether what comes next here is secret, with all that is inside of it."""
        return self.is_secret or _is_secret_property(self.name, self.about)

    @property
    def holds_a_value(self) -> bool:
        """Whether it is, or is inside of, the value of something that may be secret."""
        return self.is_value or self.about in _VALUES


class _Walk:
    """Goes through a text that may be JSON, and notes what is to be replaced."""

    def __init__(self, text: str) -> None:
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
                self._here.member = _fold(_unquoted(word))
            elif self._here.holds_a_secret and f"{self._here.name}.{self._here.about}" not in _PLAIN:
                self.found.append((start, stop))
            else:
                self._mark(_unquoted(word))
                if self._here.holds_a_value:
                    values.append((self._here, start, stop))
        # What a value belongs to may be said behind it.
        for each in self._all:
            each.is_marked = each.is_marked or (each.outer is not None and each.outer.is_marked)
        for where, start, stop in values:
            if where.is_marked:
                self.found.append((start, stop))

    def _mark(self, value: str) -> None:
        here = self._here
        if here.about == "key":
            here.is_marked = here.is_marked or _is_secret_setting(value)
        elif here.about == "format":
            here.is_marked = here.is_marked or _fold(value) == "signeddata"
        elif here.about == "name" and here.name == "variable" and here.outer is not None:
            here.outer.is_marked = here.outer.is_marked or _is_secret_setting(value)


@lru_cache(maxsize=1024)
def _is_secret_property(outer: str, name: str) -> bool:
    return not _SECRETS.isdisjoint((name, f"{outer}.{name}")) or bool(names_a_secret(name) or _counts_one(name))


def _is_secret_setting(name: str) -> bool:
    return bool(names_a_secret(name) or _counts_one(name) or _tells_who(name))


def _unquoted(word: str) -> str:
    return _meant(word.strip("\"'"))[0]


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
