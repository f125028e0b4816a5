"""Who gets in: profile × transport × spelling × credentials × certificate, on every adapter, over real connections.

What is expected of each row is said by the tables here, in the words of the rules; nothing of the code that is tested
has a say in it.
"""

from __future__ import annotations

import base64
import datetime as dt
import itertools
import json
import ssl
from collections.abc import Container, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ocpp_sansio import Account, Authentication, CentralSystem, Limits, PasswordHash, SecurityProfile
from ocpp_transports.asgi import asgi
from ocpp_transports.testing import knocking
from tests.transports.asgi_host import DENIAL, hosting, in_loops
from tests.transports.asgi_servers import AsgiServer, Tls
from tests.transports.certificates import FUTURE, PAST, Pair, issued, key_pem, load, private_key, root
from tests.transports.contract import ADAPTERS, Adapter, ServerEnd, central_system
from tests.transports.hosted import ASGI_SERVERS

pytestmark = pytest.mark.once

OPERATOR = "Example CSO"
PASSWORD = b"\x00the right one\xff\xff"
OTHERS = b"that of another station"
UNHEARD = 0
"""There is no answer at all: the TLS handshake has failed."""

# -- the dimensions, and what each value of them is --

SPELLINGS: dict[str, tuple[str, str]] = {
    "as it is": ("{}", "same"),
    "below another path": ("tenant/7/{}", "same"),
    "percent-encoded": ("{percent}", "same"),
    "with a query": ("{}?identity=CP_9", "same"),
    "in lower case": ("{lower}", "another"),
    "with a blank": ("{}%20", "another"),
    "in letters that look alike": ("%D0%A1%D0%A0_{number}", "another"),
    "of nobody": ("CP_9", "another"),
    "with a slash behind": ("{}/", "404"),
    "encoded twice": ("%25{percent25}", "400"),
    "with an encoded slash": ("tenant%2F{}", "400"),
    "with a NUL": ("{}%00", "400"),
    "not in normal form": ("{}e%CC%81", "400"),
    "not in UTF-8": ("{}%FF", "400"),
}
"""How the identity is spelled in the URL, and what that makes of it (RPC-002, F-30)."""

CREDENTIALS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "nothing": ("", (), "none"),
    "the right password": ("Basic", ("identity", ":", "password"), "right"),
    "scheme in lower case": ("basic", ("identity", ":", "password"), "right"),
    "a wrong password": ("Basic", ("identity", ":", "others"), "wrong"),
    "an empty password": ("Basic", ("identity", ":"), "wrong"),
    "part of the password": ("Basic", ("identity", ":", "part"), "wrong"),
    "the digits of the password": ("Basic", ("identity", ":", "digits"), "wrong"),
    "another's credentials": ("Basic", ("CP_7", ":", "others"), "wrong"),
    "another's name": ("Basic", ("CP_7", ":", "password"), "wrong"),
    "no name": ("Basic", (":", "password"), "wrong"),
    "no colon": ("Basic", ("identity", "password"), "none"),
    "not base64": ("Basic", (), "none"),
    "another scheme": ("Bearer", ("identity", ":", "password"), "none"),
    "twice": ("Basic", ("identity", ":", "password"), "none"),
}
"""What the Authorization field says, and what that is (RPC-142, F-27, F-28). What cannot be read says nothing."""

CERTIFICATES: dict[str, str] = {
    "none": "none",
    "its own": "right",
    "another's": "wrong",
    "in lower case": "wrong",
    "of another organisation": "wrong",
    "of no organisation": "wrong",
    "of two names": "wrong",
    "of a DNS name only": "wrong",
    "with a NUL": "wrong",
    "of another authority": "untrusted",
    "expired": "untrusted",
    "of the future": "untrusted",
}
"""The certificate that is shown, and what that is (RPC-150, F-20)."""

TRANSPORTS = {
    "ws": "without TLS",
    "wss": "with TLS, and whoever likes shows a certificate",
    "proxy": "without TLS, to a server that has been told that TLS ends in front of it",
}

LET_IN = {
    (0, "ws", "none", "none"),
    (0, "proxy", "none", "none"),
    (0, "wss", "none", "none"),
    (1, "ws", "right", "none"),
    (2, "proxy", "right", "none"),
    (2, "wss", "right", "none"),
    (2, "wss", "right", "right"),  # profile 2 asks for no certificate, and looks at none
    (2, "wss", "right", "wrong"),
    (3, "wss", "none", "right"),
    (3, "wss", "right", "right"),  # profile 3 asks for no password, and looks at none
    (3, "wss", "wrong", "right"),
}
"""Profile, transport, credentials, certificate: who gets in. Nobody else does (RPC-140, RPC-141, F-21, F-25)."""


class Row(NamedTuple):
    profile: int
    transport: str
    spelling: str
    credentials: str
    certificate: str

    def expected(self, beyond: Container[str] = ()) -> int:
        """The status that it is to be answered with, by a server that some of what is shown is beyond."""
        certificate = CERTIFICATES[self.certificate] if "F-20: asking" not in beyond else "none"
        kind = SPELLINGS[self.spelling][1]
        if certificate == "untrusted":
            return UNHEARD
        if kind.isdigit():
            return int(kind)
        if "F-20" in beyond:
            certificate = "none"
        offered = (self.profile, self.transport, CREDENTIALS[self.credentials][2], certificate)
        return 101 if kind == "same" and offered in LET_IN else 401


def rows(profile: int) -> Iterator[Row]:
    """Each dimension beside what is right for the profile in the others, and some of them beside each other."""
    password = "the right password" if profile in (1, 2) else "nothing"
    transports = [("ws", "none"), ("proxy", "none"), ("wss", "none"), ("wss", "its own")]
    for spelling, (transport, certificate) in itertools.product(SPELLINGS, transports):
        yield Row(profile, transport, spelling, password, certificate)
    for credentials, (transport, certificate) in itertools.product(CREDENTIALS, [*transports, ("wss", "another's")]):
        yield Row(profile, transport, "as it is", credentials, certificate)
    for certificate, credentials in itertools.product(
        CERTIFICATES, ["nothing", "the right password", "a wrong password"]
    ):
        yield Row(profile, "wss", "as it is", credentials, certificate)


ROWS = [row for profile in range(4) for row in dict.fromkeys(rows(profile))]

SERVERS: list[Adapter] = [*ADAPTERS, *ASGI_SERVERS]

# -- how a row is tried --


def guarded(*, assume_tls: bool = False) -> CentralSystem:
    """A central system with a station of each profile, and one whose credentials others may have got hold of."""

    def kept(password: bytes) -> tuple[PasswordHash]:
        return (PasswordHash.of(password, salt=b"saltsalt", rounds=1),)

    limits = Limits(max_failures_per_identity=None, max_failures_per_source=None, max_takeovers=None, close_timeout=3)
    accounts = {f"CP_{profile}": Account(profile, kept(PASSWORD)) for profile in SecurityProfile}
    accounts["CP_7"] = Account(SecurityProfile.BASIC, kept(OTHERS))
    hook = Authentication(accounts, organisation=OPERATOR, rounds=1, assume_tls=assume_tls)
    return central_system(accept_before_boot=True, limits=limits, authenticate=hook)


def target(row: Row) -> str:
    identity = f"CP_{row.profile}"
    percent = "".join(f"%{ord(letter):02X}" for letter in identity)
    names = {"lower": identity.lower(), "percent": percent, "percent25": percent[1:], "number": row.profile}
    return SPELLINGS[row.spelling][0].format(identity, **names)


def authorization(row: Row) -> str:
    """The header field, or two, with what stands behind the scheme in base64."""
    identity = f"cp_{row.profile}" if row.spelling == "in lower case" else f"CP_{row.profile}"
    names = {
        "identity": identity.encode(),
        "password": PASSWORD,
        "part": PASSWORD[:-1],
        "others": OTHERS,
        "digits": PASSWORD.hex().encode(),
    }
    scheme, words, _ = CREDENTIALS[row.credentials]
    secret = b"".join(names.get(word, word.encode()) for word in words)
    value = base64.b64encode(secret).decode() if row.credentials != "not base64" else "!"
    times = {"nothing": 0, "twice": 2}.get(row.credentials, 1)
    return f"Authorization: {scheme} {value}\r\n" * times


def fields(row: Row) -> list[tuple[bytes, bytes]]:
    """The same, and the version, as an ASGI server tells them."""
    lines = f"Sec-WebSocket-Protocol: ocpp1.6\r\n{authorization(row)}".splitlines()
    return [(name.lower().encode(), value.encode()) for name, value in (line.split(": ") for line in lines)]


def status_of(row: Row, ports: dict[str, int], contexts: dict[tuple[int, str], ssl.SSLContext]) -> int:
    """The status that it is answered with. Who gets in is served as well."""
    context = contexts[row.profile, row.certificate] if row.transport == "wss" else None
    try:
        with knocking(ports[row.transport], target(row), fields=authorization(row), context=context) as peer:
            status = int(peer.read_head().split(" ")[1])
            if status == 101:
                peer.send('[2,"1","Heartbeat",{}]')
                assert json.loads(peer.receive_text())[:2] == [3, "1"], row
            return status
    except (EOFError, OSError):
        return UNHEARD


# -- certificates --


def certified(authority: trustme.CA, *names: tuple[x509.ObjectIdentifier, str], start: dt.datetime = PAST) -> Pair:
    """A certificate with just these names, whatever a careful authority would say to them."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .issuer_name(x509.load_pem_x509_certificate(root(authority)).subject)
        .subject_name(x509.Name([x509.NameAttribute(kind, value) for kind, value in names]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(FUTURE if start is not BEGINNING else PAST)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("CP-3")]), critical=False)
        .sign(private_key(authority), hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key_pem(key)


BEGINNING = dt.datetime(2010, 1, 1, tzinfo=dt.UTC)
LATER = FUTURE - dt.timedelta(days=1)


def pairs(authority: trustme.CA, profile: int) -> dict[str, Pair]:
    """The certificates of a station of the profile."""
    identity = f"CP_{profile}"
    operator = NameOID.ORGANIZATION_NAME, OPERATOR
    name = NameOID.COMMON_NAME, identity
    return {
        "its own": certified(authority, operator, name),
        "another's": certified(authority, operator, (NameOID.COMMON_NAME, "CP_7")),
        "in lower case": certified(authority, operator, (NameOID.COMMON_NAME, identity.lower())),
        "of another organisation": certified(authority, (NameOID.ORGANIZATION_NAME, "Another"), name),
        "of no organisation": certified(authority, name),
        "of two names": certified(authority, operator, name, (NameOID.COMMON_NAME, "CP_7")),
        "of a DNS name only": certified(authority, operator),
        "with a NUL": certified(authority, operator, (NameOID.COMMON_NAME, f"{identity}\0.example.com")),
        "of another authority": certified(trustme.CA(), operator, name),
        "expired": certified(authority, operator, name, start=BEGINNING),
        "of the future": certified(authority, operator, name, start=LATER),
    }


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def contexts(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, str], ssl.SSLContext]:
    """Those of the stations, by profile and certificate."""
    folder: Path = tmp_path_factory.mktemp("certificates")

    def context(pair: Pair | None) -> ssl.SSLContext:
        made = ssl.create_default_context()
        authority.configure_trust(made)
        if pair is not None:
            load(made, folder, pair)
        return made

    return {
        (profile, name): context(pair)
        for profile in range(4)
        for name, pair in [("none", None), *pairs(authority, profile).items()]
    }


@pytest.fixture(scope="module")
def tls(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """That of the servers."""
    folder: Path = tmp_path_factory.mktemp("server")
    files = Tls(folder / "chain.pem", folder / "key.pem", folder / "authorities.pem")
    for file, content in zip(files, [*issued(authority), root(authority)], strict=True):
        file.write_bytes(content)
    return files


# -- the matrix --


def serve_with_tls(server: Adapter, csms: CentralSystem, tls: Tls) -> AbstractContextManager[ServerEnd]:
    if isinstance(server, AsgiServer):
        return server.serve(csms, tls=tls)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tls.authorities)
    context.load_cert_chain(tls.chain, tls.key)
    context.verify_mode = ssl.CERT_OPTIONAL
    return server.serve(csms, ssl=context)


@pytest.mark.parametrize("server", SERVERS, ids=str)
def test_nobody_is_wrongly_let_in_and_nobody_wrongly_refused_f_20_f_21_f_25_f_27_f_28_f_30(
    server: Adapter, tls: Tls, contexts: dict[tuple[int, str], ssl.SSLContext]
) -> None:
    with (
        server.serve(guarded()) as plain,
        serve_with_tls(server, guarded(), tls) as secure,
        server.serve(guarded(assume_tls=True)) as proxied,
    ):
        ports = {"ws": plain.port, "wss": secure.port, "proxy": proxied.port}
        answers = {row: (status_of(row, ports, contexts), row.expected(server.beyond)) for row in ROWS}
    wrongly_let_in = [row for row, (status, expected) in answers.items() if status == 101 != expected]
    wrongly_refused = [row for row, (status, expected) in answers.items() if status != 101 == expected]
    assert (wrongly_let_in, wrongly_refused) == ([], [])
    assert {row: answer for row, answer in answers.items() if answer[0] != answer[1]} == {}


@in_loops
async def test_a_server_that_tells_whose_certificate_it_has_seen_lets_the_same_in_f_20_f_21(
    authority: trustme.CA,
) -> None:
    open_to_all, proxied = asgi(guarded()), asgi(guarded(assume_tls=True))
    shown = {
        (profile, name): {
            "client_cert_name": x509.load_pem_x509_certificate(chain).subject.rfc4514_string(),
            "client_cert_error": "untrusted" if CERTIFICATES[name] == "untrusted" else None,
        }
        for profile in range(4)
        for name, (chain, _) in pairs(authority, profile).items()
    }
    answers: dict[Row, tuple[int, int]] = {}
    for row in ROWS:
        path, _, query = f"/ocpp/{target(row)}".partition("?")
        scope = {
            "scheme": "wss" if row.transport == "wss" else "ws",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": fields(row),
            "extensions": {**DENIAL, "tls": shown.get((row.profile, row.certificate), {})},
        }
        async with hosting(proxied if row.transport == "proxy" else open_to_all, **scope) as host:
            status = (await host.heard(1)).get("status", 101)
            if status == 101:
                host.say('[2,"1","Heartbeat",{}]')
                assert (await host.answer(2))[:2] == [3, "1"]
        # It can be told of a certificate that is not to be trusted: that is none.
        is_trusted = CERTIFICATES[row.certificate] != "untrusted"
        answers[row] = status, (row if is_trusted else row._replace(certificate="none")).expected()
    assert {row: answer for row, answer in answers.items() if answer[0] != answer[1]} == {}


def test_the_matrix_has_rows_enough_and_each_kind_of_answer() -> None:
    assert len(ROWS) * len(SERVERS) >= 500
    assert {row.expected() for row in ROWS} == {101, 400, 401, 404, UNHEARD}
    let_in = {
        (row.profile, row.transport, CREDENTIALS[row.credentials][2], CERTIFICATES[row.certificate])
        for row in ROWS
        if row.expected() == 101
    }
    assert let_in == LET_IN
