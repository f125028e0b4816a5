"""Contexts for TLS as OCPP wants it: TLS 1.2 or later, four suites that all have in common, names and chains verified.

Any adapter takes them as its ``ssl``. They refuse what is not safe instead of falling back: nothing here knows of plain
text. Files are named by path; what is given as bytes is taken for the PEM itself.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

import attrs

from ocpp_sansio.security_events import SecurityEvent

__all__ = ["KeyPair", "Pem", "client_context", "reload_certificates", "security_event", "server_context"]

Pem: TypeAlias = str | os.PathLike[str] | bytes
"""The path of a file in PEM, or what would be in it."""

KeyPair: TypeAlias = tuple[Pem, Pem]
"""A certificate, with the intermediate ones after it, and its private key. They may be in the same file."""

# Every charge point can do one half of the mandatory suites, every central system must do all (RPC-148).
_SUITES: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
_TLS_RSA_SUITES: Final = ("AES128-GCM-SHA256", "AES256-GCM-SHA384")

# How the key in a certificate calls itself (RFC 5480, RFC 3279): DER of the object identifier.
_KINDS: Final = {"ECDSA": bytes.fromhex("06072a8648ce3d0201"), "RSA": bytes.fromhex("06092a864886f70d010101")}
_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@attrs.frozen(repr=False)
class _Material:
    """What a context is made of."""

    certificates: tuple[KeyPair, ...]
    ca: Pem | None
    crl: Pem | None
    tls_rsa: bool
    key_password: str | bytes | None


class _Handover:
    """Hands each handshake with a server over to the context that is up to date (F-24).

    OpenSSL calls it for every client, with or without a server name, before anything depends on certificates. That a
    server's context has this, and is of no class of its own, matters: some libraries distrust other classes.
    """

    def __init__(self, material: _Material) -> None:
        self.use(material)

    def use(self, material: _Material) -> None:
        if not material.certificates:
            raise ValueError("a server needs a certificate")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _harden(context, material)
        kinds = _load(context, material)
        if material.tls_rsa and "RSA" not in kinds:
            raise ValueError("the TLS_RSA suites need a certificate with an RSA key")
        self.material, self._context = material, context

    def __call__(self, connection: ssl.SSLSocket | ssl.SSLObject, *_: object) -> None:
        connection.context = self._context


def server_context(
    certificates: Iterable[KeyPair],
    *,
    client_ca: Pem | None = None,
    crl: Pem | None = None,
    tls_rsa: bool = False,
    key_password: str | bytes | None = None,
) -> ssl.SSLContext:
    """The context of a central system, for security profile 2, and with ``client_ca`` for profile 3 (RPC-140).

    Its certificates can be changed while it serves, see :func:`reload_certificates`.

    TLS 1.2 or later, suites that encrypt and authenticate in one with keys that are forgotten, no compression, no
    renegotiation (RPC-147). RSA keys below 2048 bits and elliptic ones below 224 are refused at both ends (RPC-150).

    Args:
        certificates: One per kind of key. A charge point may insist on ECDSA or on RSA, so it takes both (RPC-148).
        client_ca: Who vouches for the charge points. Without a certificate of theirs, which is valid now, no handshake
            comes to an end (F-20). Whose certificate it is, is for ``authenticate`` to judge. A session of TLS 1.2 can
            be resumed for two hours without another look at the certificate; of TLS 1.3 there is none to be resumed.
        crl: What ``client_ca`` has revoked: without a list that is valid now nobody gets in.
        tls_rsa: Also TLS_RSA_WITH_AES_128_GCM_SHA256 and …_256_GCM_SHA384. OCPP demands them of a central system, and
            some charge points know no others (RPC-148). They have no forward secrecy: whoever gets hold of the RSA key
            can read all that was ever recorded. That is why they have to be asked for, and are chosen last.
        key_password: Of the private keys that are encrypted.

    Raises:
        OSError: a file cannot be read.
        ValueError: it is not what it should be; the text says which, and what is wrong.
    """
    material = _Material(tuple(certificates), client_ca, crl, tls_rsa, key_password)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context, material)
    context.sni_callback = _Handover(material)
    return context


def reload_certificates(
    context: ssl.SSLContext,
    certificates: Iterable[KeyPair] | None = None,
    *,
    client_ca: Pem | None = None,
    crl: Pem | None = None,
) -> None:
    """Have a server use other certificates from the next handshake on, or read the same files again (F-24).

    What is not given is as it was. Connections that are open stay open, under what they were made with, and so do
    sessions of TLS 1.2 that can be resumed. May be called from any thread. If it raises, nothing has changed.

    Args:
        context: From :func:`server_context`.
        certificates: Instead of all that there were.
        client_ca: Instead of the authority that there was.
        crl: Instead of the revocation list that there was.

    Raises:
        OSError: a file cannot be read.
        ValueError: it is not what it should be, or there is a ``client_ca`` or ``crl`` where there was none: whether
            clients need a certificate is decided for good.
    """
    handover = context.sni_callback
    if not isinstance(handover, _Handover):
        raise ValueError("this is no context from server_context")  # noqa: TRY004 - it is of the right type
    old = handover.material
    if (client_ca is not None and old.ca is None) or (crl is not None and old.crl is None):
        raise ValueError("whether clients need a certificate, and one not revoked, is not changed by a reload")
    handover.use(
        attrs.evolve(
            old,
            certificates=old.certificates if certificates is None else tuple(certificates),
            ca=old.ca if client_ca is None else client_ca,
            crl=old.crl if crl is None else crl,
        )
    )


def client_context(
    *,
    ca: Pem | None = None,
    certificate: KeyPair | None = None,
    crl: Pem | None = None,
    tls_rsa: bool = False,
    key_password: str | bytes | None = None,
) -> ssl.SSLContext:
    """The context of a charge point, for security profile 2, and with a ``certificate`` for profile 3 (RPC-140).

    The central system's certificate has to be valid now, for the host name in the URL, and issued by somebody trusted
    (RPC-149, F-17); otherwise as :func:`server_context`. :func:`security_event` says what a failure was about.

    Args:
        ca: Who is trusted, and nobody else: the root certificates of the operator. ``None``: those of this system.
        certificate: What shows who we are.
        crl: What ``ca`` has revoked: without a list that is valid now the central system is not believed.
        tls_rsa: Also the two suites without forward secrecy. They are used only if the central system has no others.
        key_password: Of the private key, if it is encrypted.

    Raises:
        OSError: a file cannot be read.
        ValueError: it is not what it should be; the text says which, and what is wrong.
    """
    material = _Material(() if certificate is None else (certificate,), ca, crl, tls_rsa, key_password)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which verifies chain and host name
    _harden(context, material)
    _load(context, material)
    if ca is None:
        context.load_default_certs()
    return context


def security_event(error: BaseException) -> SecurityEvent | None:
    """What a charge point has to report of a connection that failed with this error (RPC-149, F-17, F-18).

    ``None``: it was not about trust: no network, a deadline, somebody who speaks no TLS. An alert that says no more
    than that the handshake failed is taken for what it nearly always means: no cipher suite in common.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return None
    if isinstance(cause, ssl.SSLCertVerificationError):
        return SecurityEvent.INVALID_CSMS_CERTIFICATE
    return _EVENTS.get(getattr(cause, "reason", None) or "")  # Python's own have none


_EVENTS: Final = {
    # The names of OpenSSL: what it finds itself, and what it makes of an alert of the peer.
    **dict.fromkeys(
        (
            "INAPPROPRIATE_FALLBACK",
            "TLSV1_ALERT_INAPPROPRIATE_FALLBACK",
            "TLSV1_ALERT_PROTOCOL_VERSION",
            "UNSUPPORTED_PROTOCOL",
            "VERSION_TOO_LOW",
        ),
        SecurityEvent.INVALID_TLS_VERSION,
    ),
    **dict.fromkeys(
        (
            "DH_KEY_TOO_SMALL",
            "NO_SHARED_CIPHER",
            "SSLV3_ALERT_HANDSHAKE_FAILURE",
            "TLSV1_ALERT_INSUFFICIENT_SECURITY",
            "UNKNOWN_CIPHER_RETURNED",
            "WRONG_CIPHER_RETURNED",
        ),
        SecurityEvent.INVALID_TLS_CIPHER_SUITE,
    ),
    **dict.fromkeys(
        (
            "SSLV3_ALERT_BAD_CERTIFICATE",
            "SSLV3_ALERT_CERTIFICATE_EXPIRED",
            "SSLV3_ALERT_CERTIFICATE_REVOKED",
            "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
            "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
            "TLSV1_ALERT_ACCESS_DENIED",
            "TLSV1_ALERT_UNKNOWN_CA",
            "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        ),
        SecurityEvent.FAILED_TO_AUTHENTICATE,
    ),
}


# -- the making of contexts --


def _harden(context: ssl.SSLContext, material: _Material) -> None:
    """What is to be said of every connection (RPC-147, RPC-148)."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Level 2 is what RPC-150 wants of keys. The order is by preference, the server's.
    context.set_ciphers(":".join(("@SECLEVEL=2", *_SUITES, *_TLS_RSA_SUITES[: 2 * material.tls_rsa])))
    context.options |= ssl.OP_NO_RENEGOTIATION  # compression is off already
    if material.crl is not None:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    if context.protocol is ssl.PROTOCOL_TLS_SERVER and material.ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.num_tickets = 0  # a session that is resumed would spare the client the proof that it is still trusted


def _load(context: ssl.SSLContext, material: _Material) -> set[str]:
    """Give a context its certificates. Returns the kinds of their keys."""
    kinds = [_load_pair(context, pair, material.key_password) for pair in material.certificates]
    if len(set(kinds)) < len(kinds):
        raise ValueError(f"there can be one certificate for each kind of key, and these are {', '.join(kinds)}")
    for source, what in ((material.ca, "CERTIFICATE"), (material.crl, "X509 CRL")):
        if source is not None:
            _read(source, what)
            with _files(source) as (path,), _explained(f"{_named(source)} cannot be used"):
                context.load_verify_locations(path)
    return set(kinds)


def _load_pair(context: ssl.SSLContext, pair: KeyPair, password: str | bytes | None) -> str:
    chain, key = pair
    names = f"the certificate in {_named(chain)} and the key in {_named(key)}"
    certificate = _read(chain, "CERTIFICATE")
    if b"ENCRYPTED" in _read(key, "PRIVATE KEY") and password is None:  # OpenSSL would ask at the terminal
        raise ValueError(f"the key in {_named(key)} is encrypted: give the key_password")
    with _files(chain, key) as (certfile, keyfile), _explained(f"{names} cannot be used together"):
        context.load_cert_chain(certfile, keyfile, password or "")
        der = ssl.PEM_cert_to_DER_cert(_first(certificate))
    return next((kind for kind, name in _KINDS.items() if name in der), "other")


def _first(pem: bytes) -> str:
    """The first certificate, without what may stand around it."""
    match = _CERTIFICATE.search(pem)
    assert match is not None
    return match.group().decode("ascii")


def _read(source: Pem, what: str) -> bytes:
    """What there is in PEM, which is to have at least one of these."""
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    if not re.search(rb"-----BEGIN (?:[A-Z0-9]+ )*%b-----" % what.encode(), data):
        raise ValueError(f"there is no {what} in {_named(source)}")
    return data


def _named(source: Pem) -> str:
    """What to call it in an error, which is no place for a key."""
    return "the bytes given" if isinstance(source, bytes) else repr(os.fspath(source))


@contextmanager
def _files(*sources: Pem) -> Generator[list[str]]:
    """Their paths. OpenSSL reads only files: bytes pass through a directory that nobody else can look into."""
    with TemporaryDirectory() as folder:
        paths: list[str] = []
        for number, source in enumerate(sources):
            if isinstance(source, bytes):
                path = Path(folder, str(number))
                path.write_bytes(source)
                paths.append(str(path))
            else:
                paths.append(os.fspath(source))
        yield paths


@contextmanager
def _explained(complaint: str) -> Generator[None]:
    """Turn what OpenSSL says of certificates, which is a kind of OSError, into what it is."""
    try:
        yield
    except ssl.SSLError as error:
        raise ValueError(f"{complaint}: {getattr(error, 'reason', None) or error}") from error
