"""What a server's transport knows of the client at its other end, told to the core as plain values.

Who has verified a certificate, and how, is the business of the TLS library and of the context it was given: what is
told here is what a certificate says that *was* verified. Nothing here is ever taken from what a client writes into
its request (F-23).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

import attrs

__all__ = ["CertificateFacts", "TransportFacts"]

_MONTHS: Final[list[str]] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_TIME: Final = re.compile(rf"({'|'.join(_MONTHS)}) {{1,2}}(\d{{1,2}}) (\d\d):(\d\d):(\d\d) (\d{{4}}) GMT", re.ASCII)

# RFC 4514, 3. A value in hexadecimal digits, behind a number sign, is of a type without a notation of its own.
_ATTRIBUTE: Final = re.compile(
    r" *(?P<type>[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)*)="
    r"(?P<value>(?!\#)(?:[^\\\0\"+,;<>]|\\(?:[ \"#+,;<=>\\]|[0-9A-Fa-f]{2}))*)(?:[,+](?!$)|$)"
)
_ESCAPED: Final = re.compile(rb"\\([0-9A-Fa-f]{2}|.)")
_COMMON_NAME: Final = {"CN", "2.5.4.3"}
_ORGANISATION: Final = {"O", "2.5.4.10"}


@attrs.frozen
class CertificateFacts:
    """What a client certificate says, once the TLS library has verified it (RPC-150)."""

    common_names: tuple[str, ...] = ()
    """Every common name of the subject. A certificate that is to be relied on has one."""
    organisations: tuple[str, ...] = ()
    """Every organisation name of the subject."""
    dns_names: tuple[str, ...] = ()
    """The DNS names among its alternative names."""
    serial_number: str = ""
    """The serial number of the certificate, in hexadecimal digits."""
    not_before: datetime | None = None
    """When its validity begins; ``None``: not told."""
    not_after: datetime | None = None
    """When its validity ends; ``None``: not told."""

    @classmethod
    def of(cls, certificate: Mapping[str, Any]) -> CertificateFacts:
        """From what :meth:`ssl.SSLSocket.getpeercert` returns. What cannot be read of it is left out (F-20)."""
        subject = [pair for names in _items(certificate.get("subject")) for pair in _pairs(names)]
        serial = certificate.get("serialNumber")
        return cls(
            common_names=tuple(value for name, value in subject if name == "commonName"),
            organisations=tuple(value for name, value in subject if name == "organizationName"),
            dns_names=tuple(value for name, value in _pairs(certificate.get("subjectAltName")) if name == "DNS"),
            serial_number=serial if isinstance(serial, str) else "",
            not_before=_time(certificate.get("notBefore")),
            not_after=_time(certificate.get("notAfter")),
        )

    @classmethod
    def of_name(cls, subject: str) -> CertificateFacts:
        """From the name of its subject in the notation of RFC 4514, where that is all there is to know: ``CN=CP1,O=A``.

        A name that cannot be read from its first to its last character says nothing (F-20).
        """
        names: list[tuple[str, str]] = []
        at = 0
        while at < len(subject) or not names:
            match = _ATTRIBUTE.match(subject, at)
            value = None if match is None else _unescaped(match["value"])
            if match is None or value is None:
                return cls()
            names.append((match["type"].upper(), value))
            at = match.end()
        return cls(
            common_names=tuple(value for name, value in names if name in _COMMON_NAME),
            organisations=tuple(value for name, value in names if name in _ORGANISATION),
        )


@attrs.frozen
class TransportFacts:
    """What the transport of a connection knows when the request of the charge point is complete."""

    source: str = ""
    """The address of the client, without its port; empty: it has none, or nobody knows."""
    secure: bool = False
    """Whether the transport is TLS."""
    certificate: CertificateFacts | None = None
    """What the client's certificate says; ``None``: it has shown none that could be verified."""


def _items(value: object) -> Sequence[object]:
    return cast("Sequence[object]", value) if isinstance(value, tuple | list) else ()


def _pairs(value: object) -> Iterator[tuple[str, str]]:
    for item in _items(value):
        match item:
            case (str(name), str(content)):
                yield name, content
            case _:
                pass


def _time(value: object) -> datetime | None:
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    month, *numbers = match.groups()
    day, hour, minute, second, year = map(int, numbers)
    try:
        return datetime(year, _MONTHS.index(month) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def _unescaped(value: str) -> str | None:
    def replace(match: re.Match[bytes]) -> bytes:
        escaped: bytes = match[1]
        return escaped if len(escaped) == 1 else bytes.fromhex(escaped.decode())

    try:
        return _ESCAPED.sub(replace, value.encode()).decode()
    except UnicodeError:
        return None
