"""Certificates for the tests, good ones and each with one flaw."""

from __future__ import annotations

import datetime as dt
import ssl
from datetime import UTC
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"
PAST = dt.datetime(2020, 1, 1, tzinfo=UTC)
FUTURE = dt.datetime(2090, 1, 1, tzinfo=UTC)

Pair = tuple[bytes, bytes]


def pair_of(leaf: trustme.LeafCert) -> Pair:
    return b"".join(pem.bytes() for pem in leaf.cert_chain_pems), leaf.private_key_pem.bytes()


def root(authority: trustme.CA) -> bytes:
    return authority.cert_pem.bytes()


def issued(authority: trustme.CA, name: str = HOST, *, is_rsa: bool = False, **options: Any) -> Pair:
    kind = trustme.KeyType.RSA if is_rsa else trustme.KeyType.ECDSA
    return pair_of(authority.issue_cert(name, key_type=kind, **options))


def station(authority: trustme.CA, name: str = "CP_1", **options: Any) -> Pair:
    """For a charge point: its operator is the organisation, its name the common name (RPC-150)."""
    return pair_of(authority.issue_cert(common_name=name, organization_name="Operator", **options))


def self_signed(name: str, key: Any = None, *, signed_with: trustme.CA | None = None) -> Pair:
    """Without any extension: the name is the common name, as OCPP has it. ``signed_with``: not self-signed, then."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signer = subject, key
    if signed_with is not None:
        issuer, signer = x509.load_pem_x509_certificate(root(signed_with)).subject, private_key(signed_with)
    certificate = (
        x509.CertificateBuilder(issuer, subject, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(PAST)
        .not_valid_after(FUTURE)
        .sign(signer, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key_pem(key)


def private_key(authority: trustme.CA) -> Any:
    return serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)


def key_pem(key: Any, password: bytes | None = None) -> bytes:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def short_rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 1024)


def revocations(authority: trustme.CA, *revoked: Pair) -> bytes:
    """The authority's revocation list."""
    issuer = x509.load_pem_x509_certificate(root(authority)).subject
    builder = x509.CertificateRevocationListBuilder(issuer, PAST, FUTURE)
    for chain, _ in revoked:
        serial = x509.load_pem_x509_certificate(chain).serial_number
        builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder(serial, PAST).build())
    return builder.sign(private_key(authority), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def lax(context: ssl.SSLContext, suites: str = "ALL") -> ssl.SSLContext:
    """A context of somebody who minds nothing, and knows no TLS 1.3."""
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{suites}:@SECLEVEL=0")
    return context


def load(context: ssl.SSLContext, folder: Any, pair: Pair) -> None:
    """Give the context of a peer, which is not ours, its certificate."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(pair[0])
    key.write_bytes(pair[1])
    context.load_cert_chain(chain, key)
