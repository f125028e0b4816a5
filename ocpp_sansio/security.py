"""Who may connect: the security profiles, password hashes, and a hook that judges by them (RPC-140…RPC-150).

:class:`Authentication` is given the accounts of the stations and becomes the ``authenticate`` hook of a
:class:`ocpp_sansio.CentralSystem`. It judges by the request and what the transport knows of it, by nothing else; how
often somebody may try is the business of :mod:`ocpp_sansio.entrance`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from enum import IntEnum, unique
from http import HTTPStatus
from inspect import isawaitable
from typing import Any, Final

import attrs
from attrs.validators import deep_iterable, ge, max_len, min_len

from .events import ConnectionRequested
from .version import Version, identity_key

__all__ = ["Account", "Accounts", "Authentication", "PasswordHash", "SecurityProfile"]

ROUNDS: Final = 2_000
MIN_PASSWORD: Final = 16
"""Bytes (RPC-143, RPC-145)."""
MAX_PASSWORDS: Final = 2
"""Passwords of one account that may be good at the same time: the old one and the new one (RPC-146)."""


@unique
class SecurityProfile(IntEnum):
    """How a station and its central system make sure of each other (RPC-140)."""

    NONE = 0
    """Not at all."""
    BASIC = 1
    """The station has a password, and anybody on the way can read it: for networks that can be trusted."""
    TLS_BASIC = 2
    """TLS; the station has a password."""
    MUTUAL_TLS = 3
    """TLS; the station has a certificate."""

    def may_become(self, profile: SecurityProfile, version: Version, *, allow_downgrade: bool = False) -> bool:
        """Whether a station that uses this one lets its central system set that one (RPC-152, F-22).

        It goes upward only. In 1.6 the same one again is refused as well; in 2.x it is not, and ``allow_downgrade``,
        which is AllowSecurityProfileDowngrade there, permits to go from 3 to 2. To 1 there is no way back.
        """
        if version is Version.V16:
            return profile > self
        step_down = (self, profile) == (SecurityProfile.MUTUAL_TLS, SecurityProfile.TLS_BASIC)
        return profile >= self or (step_down and allow_downgrade)


def _is_a(kind: type[object]) -> Callable[[Any, attrs.Attribute[Any], Any], None]:
    """``instance_of``, but it quotes nothing (F-40)."""

    def validate(_instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if not isinstance(value, kind):
            raise TypeError(f"{attribute.name}: expected {kind.__name__}, not {type(value).__name__}")

    return validate


@attrs.frozen
class PasswordHash:
    """What is kept of a password: enough to know it again, and nothing that tells it (RPC-146).

    Raises:
        TypeError: salt or digest are not bytes.
        ValueError: the salt is too short.
    """

    salt: bytes = attrs.field(repr=False, validator=[_is_a(bytes), min_len(8)])
    digest: bytes = attrs.field(repr=False, validator=_is_a(bytes))
    rounds: int = attrs.field(default=ROUNDS, validator=ge(1))

    @classmethod
    def of(
        cls, password: bytes | str, *, salt: bytes, rounds: int = ROUNDS, min_length: int = MIN_PASSWORD
    ) -> PasswordHash:
        """The hash of a password.

        Args:
            password: As the station sends it: in OCPP 1.6 the bytes of the AuthorizationKey, *not* its hexadecimal
                digits (RPC-143); text is taken as UTF-8 (RPC-145).
            salt: At least 8 random bytes, others for each password: ``secrets.token_bytes(16)``.
            rounds: How much work each check is. The passwords of OCPP are random and long, which no amount of work
                could find, so the default, about half a millisecond, is meant for ten thousand stations that
                reconnect at once. Take a hundred times as many for passwords that people have thought up. Whoever
                judges waits for it, an event loop with all its connections included.
            min_length: The fewest bytes that will do.

        Raises:
            ValueError: the password or the salt is too short.
        """
        password = password.encode() if isinstance(password, str) else password
        if len(password) < min_length:
            raise ValueError(f"a password has at least {min_length} bytes")
        return cls(salt, _digest(password, salt, rounds), rounds)

    def verify(self, password: bytes) -> bool:
        """Whether this is the password, found out in a time that does not depend on the answer (F-26)."""
        return hmac.compare_digest(_digest(password, self.salt, self.rounds), self.digest)


def _digest(password: bytes, salt: bytes, rounds: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password, salt, rounds)


@attrs.frozen
class Account:
    """What a central system expects of one station.

    Raises:
        TypeError: a password is not a :class:`PasswordHash`.
        ValueError: the profile needs a password and there is none, there are more than two, or ``upgrade`` is none.
    """

    profile: SecurityProfile = attrs.field(converter=SecurityProfile)
    """The one profile it uses: it is refused if it uses another one, a higher one included (RPC-141, F-21)."""
    passwords: tuple[PasswordHash, ...] = attrs.field(
        default=(), validator=[max_len(MAX_PASSWORDS), deep_iterable(_is_a(PasswordHash))]
    )
    """The hashes of its password. While it is being changed, of the old one and the new one; once the station has
    accepted the new one, of that alone (RPC-146, F-24)."""
    common_name: str | None = None
    """The common name in its certificate, its serial number as a rule (RPC-150); ``None``: its identity."""
    upgrade: SecurityProfile | None = attrs.field(default=None, converter=attrs.converters.optional(SecurityProfile))
    """A higher profile that it has been told to use. Until it does, both are good; then make this the profile, so
    that it cannot go back (RPC-152)."""

    def __attrs_post_init__(self) -> None:
        if not self.passwords and _WITH_PASSWORD & {self.profile, self.upgrade}:
            raise ValueError("this profile needs a password")
        if self.upgrade is not None and self.upgrade <= self.profile:
            raise ValueError("an upgrade is a higher profile")


_WITH_PASSWORD: Final = {SecurityProfile.BASIC, SecurityProfile.TLS_BASIC}

Accounts = Mapping[str, Account] | Callable[[str], Account | Awaitable[Account | None] | None]
"""The accounts by identity, or what looks one up; ``None``: there is no such station.

The identities of OCPP 2.x are the same whatever the case of their letters (RPC-003): one that is not found as it came
is looked for in lower case. Both are always asked for."""


class Authentication:
    """Judges who may connect, as the ``authenticate`` hook: ``csms.authenticate(Authentication(accounts, …))``.

    A station has to use its account's profile, with the right password or the right certificate. The answer to
    everybody else is one and the same 401, and takes the same work whether there is such a station or not, so that
    nobody learns which identities exist (F-25, F-26, F-27).

    Accounts are looked up anew for each request, so a change counts from the next one on. A connection that is open
    stays open: close it if what it was opened with is to count no longer (F-24).

    What a certificate says is believed because the TLS library has verified it, validity included, against the
    authorities of the server's ``SSLContext``. That context has to ask for one, with ``ssl.CERT_REQUIRED``, or with
    ``ssl.CERT_OPTIONAL`` where stations of profile 2 come to the same port.

    Args:
        accounts: By identity, or a function that looks one up. If it is ``async``, so is this hook.
        organisation: Has to be one of the organisation names in a station's certificate (RPC-150). ``None``: it may
            be any, which is right only for an authority that certifies nobody else's stations.
        rounds: Those of the password hashes, so that to look for a station that does not exist takes as long.
        accept_hex_digits: Whether the password of an OCPP 1.6 station may also be sent as the hexadecimal digits that
            its AuthorizationKey was configured with, by stations that never decode them (RPC-144).
        assume_tls: Whether to take every connection for TLS: for a server that nobody gets to but through a proxy
            which ends the TLS. Certificates are not seen then, so nobody can use profile 3 (F-23).
        reveal_unknown: Whether to tell an unknown identity so, with 404 (RPC-016). For where all stations are of
            profile 0, and there is nothing to be guessed.
    """

    def __init__(
        self,
        accounts: Accounts,
        *,
        organisation: str | None = None,
        rounds: int = ROUNDS,
        accept_hex_digits: bool = False,
        assume_tls: bool = False,
        reveal_unknown: bool = False,
    ) -> None:
        self._find: Callable[[str], Any] = accounts if callable(accounts) else accounts.get
        self._organisation = organisation
        self._accept_hex_digits = accept_hex_digits
        self._assume_tls = assume_tls
        self._unknown: bool | HTTPStatus = HTTPStatus.NOT_FOUND if reveal_unknown else False
        # Nobody's password: no other digest has no bytes.
        self._dummy = PasswordHash(bytes(16), b"", rounds)

    def __call__(self, request: ConnectionRequested) -> bool | HTTPStatus | Awaitable[bool | HTTPStatus]:
        """Judge a request."""
        # Each spelling is looked up, whatever the ones before have led to: how long it takes tells nothing (F-26).
        spellings = _spellings(request)
        found = self._find(next(spellings))
        if isawaitable(found):
            return self._judge_later(request, found, spellings)
        return self._judge(request, [found, *map(self._find, spellings)])

    async def _judge_later(
        self, request: ConnectionRequested, found: Awaitable[Account | None], spellings: Iterator[str]
    ) -> bool | HTTPStatus:
        return self._judge(request, [await found, *[await self._find(spelling) for spelling in spellings]])

    def _judge(self, request: ConnectionRequested, found: Iterable[Account | None]) -> bool | HTTPStatus:
        account = next((each for each in found if each is not None), None)
        # Before anything else, and whatever comes of it: whoever sends a password is in for the same work (F-26).
        knows_password = self._knows_password(request, account)
        if account is None:
            return self._unknown
        return any(
            self._keeps_to(profile, request, account, knows_password=knows_password)
            for profile in (account.profile, account.upgrade)
        )

    def _keeps_to(
        self, profile: SecurityProfile | None, request: ConnectionRequested, account: Account, *, knows_password: bool
    ) -> bool:
        match profile:
            case SecurityProfile.NONE:
                # Who shows something that nobody looks at is not let in by those who believe what is shown.
                return request.credentials is None and request.certificate is None
            case SecurityProfile.BASIC:
                return knows_password and not self._is_secure(request)
            case SecurityProfile.TLS_BASIC:
                return knows_password and self._is_secure(request)
            case SecurityProfile.MUTUAL_TLS:
                return request.secure and self._has_certificate(request, account)
            case _:
                return False

    def _is_secure(self, request: ConnectionRequested) -> bool:
        return request.secure or self._assume_tls

    def _has_certificate(self, request: ConnectionRequested, account: Account) -> bool:
        """RPC-150, F-20. Which other names the certificate has does not matter: a station is its common name."""
        certificate = request.certificate
        if certificate is None or len(certificate.common_names) != 1:
            return False
        if self._organisation is not None and self._organisation not in certificate.organisations:
            return False
        (name,) = certificate.common_names
        if account.common_name is not None:
            return name == account.common_name
        return identity_key(name, request.version) == identity_key(request.identity, request.version)

    def _knows_password(self, request: ConnectionRequested, account: Account | None) -> bool:
        credentials = request.credentials
        if credentials is None:
            return False
        hashes = account.passwords if account is not None else ()
        presented = [credentials.password]
        if self._accept_hex_digits and request.version is Version.V16:
            presented += _from_hex(credentials.password)
        matches = [
            each.verify(password)
            for each in (*hashes, *[self._dummy] * (MAX_PASSWORDS - len(hashes)))
            for password in presented
        ]
        # RPC-142: the user name is the identity, decoded as in the URL (F-27).
        username = identity_key(credentials.username.decode(errors="replace"), request.version)
        return any(matches) and username == identity_key(request.identity, request.version)


def _spellings(request: ConnectionRequested) -> Iterator[str]:
    yield request.identity
    key = identity_key(request.identity, request.version)
    if key != request.identity:
        yield key


def _from_hex(password: bytes) -> list[bytes]:
    try:
        return [bytes.fromhex(password.decode("ascii"))]
    except ValueError:
        return []
