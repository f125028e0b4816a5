"""TLS as OCPP wants it, on every adapter: who is believed, with what, until when; and never plain text."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec

from ocpp_sansio import Limits
from ocpp_sansio.security_events import SecurityEvent
from ocpp_transports.tls import client_context, reload_certificates, security_event, server_context
from tests.transports.certificates import (
    FUTURE,
    HOST,
    PAST,
    Pair,
    issued,
    key_pem,
    lax,
    load,
    private_key,
    revocations,
    root,
    self_signed,
    short_rsa_key,
    station,
)
from tests.transports.contract import (
    ADAPTERS,
    BOOT,
    HEARTBEAT,
    PATIENCE,
    Adapter,
    RawPeer,
    ServerEnd,
    booted,
    central_system,
    heartbeat,
    on_client,
    on_server,
    raw_server,
    tls,
)

pytestmark = pytest.mark.usefixtures("nothing_is_left_over")

HASTE = Limits(handshake_timeout=0.3, close_timeout=0.3)
"""Deadlines that the tests of deadlines meet."""
ECDHE = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"]
TLS_RSA = ["AES128-GCM-SHA256", "AES256-GCM-SHA384"]
WEAK = ["AES128-SHA", "AES256-SHA256", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "DHE-RSA-AES128-GCM-SHA256"]
OLD = [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1]
NEW = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]

AUTHORITY, STRANGER = trustme.CA(), trustme.CA()
"""Who is trusted by all that is ours, and who is by nobody."""
ECDSA, RSA = issued(AUTHORITY), issued(AUTHORITY, is_rsa=True)
CLIENT = station(AUTHORITY)

upgrade = (
    f"GET /ocpp/CP_1 HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
).encode()


class Door:
    """A central system that is being served, and who came as far as to be asked for credentials."""

    def __init__(self, served: ServerEnd, knocks: list[Any]) -> None:
        self.served = served
        self.knocks = knocks
        self.url = served.url.replace("ws:", "wss:")

    def shake_hands(self, context: ssl.SSLContext, name: str = HOST) -> tuple[str, bytes]:
        """The suite that was agreed upon, and the start of what the server says to somebody who asks for a WebSocket.

        Raises:
            ssl.SSLError: it did not come to that.
        """
        with self.connection() as plain, context.wrap_socket(plain, server_hostname=name) as stream:
            stream.sendall(upgrade)
            cipher = stream.cipher()
            assert cipher is not None
            return cipher[0], stream.recv(2**16)

    def connection(self) -> socket.socket:
        return socket.create_connection((HOST, self.served.port), PATIENCE)

    def is_shut_for(self, context: ssl.SSLContext) -> bool:
        """Whether somebody gets to see nothing but an end, and nobody hears of it."""
        before = len(self.knocks)
        try:
            said = self.shake_hands(context)[1]
        except OSError:  # ssl.SSLError is one
            said = b""
        return said == b"" and len(self.knocks) == before


@contextmanager
def door(server: Adapter, context: ssl.SSLContext, **options: Any) -> Iterator[Door]:
    knocks: list[Any] = []

    def authenticate(request: Any) -> bool:
        knocks.append(request)
        return True

    csms = central_system(accept_before_boot=True, authenticate=authenticate, **options)
    with server.serve(csms, ssl=context) as served:
        yield Door(served, knocks)


def both() -> list[tuple[bytes, bytes]]:
    return [ECDSA, RSA]


def trusting(**options: Any) -> ssl.SSLContext:
    return client_context(ca=root(AUTHORITY), **options)


@contextmanager
def minding_nothing() -> Iterator[None]:
    """Python warns of what is done here on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


# -- both ends --


@on_client
@on_server
def test_profile_3_works_between_any_two_adapters_rpc_140(client: Adapter, server: Adapter) -> None:
    with door(server, server_context(both(), client_ca=root(AUTHORITY))) as at:
        with client.connect(at.url, ssl=trusting(certificate=CLIENT)) as peer:
            assert peer.call(BOOT) == booted()
        (request,) = at.knocks
        assert request.secure
        assert (request.certificate.common_names, request.certificate.organisations) == (("CP_1",), ("Operator",))
        with pytest.raises((OSError, client.module.HandshakeFailed)), client.connect(at.url, ssl=trusting()):  # F-20
            pass
        assert len(at.knocks) == 1


# -- what a charge point does not believe --


REFUSED: dict[str, Callable[[], Pair]] = {
    "expired": lambda: issued(AUTHORITY, not_before=PAST, not_after=PAST.replace(year=2021)),
    "not yet valid": lambda: issued(AUTHORITY, not_before=FUTURE, not_after=FUTURE.replace(year=2091)),
    "of another authority": lambda: issued(STRANGER),
    "self-signed": lambda: self_signed(HOST),
    "for another host": lambda: issued(AUTHORITY, "127.0.0.2"),
    "for another host by its common name": lambda: self_signed("localhost.example", signed_with=AUTHORITY),
    "with a common name that is none because there is another": lambda: issued(
        AUTHORITY, "csms.example", common_name=HOST
    ),
    "of a station": lambda: CLIENT,
}


@on_client
@pytest.mark.parametrize("flaw", REFUSED)
def test_a_central_system_that_is_not_what_it_says_is_refused_f_17_rpc_149(client: Adapter, flaw: str) -> None:
    with door(ADAPTERS[0], server_context([REFUSED[flaw]()])) as at:
        with pytest.raises(ssl.SSLCertVerificationError) as refused, client.connect(at.url, ssl=trusting()):
            pass
        assert security_event(refused.value) is SecurityEvent.INVALID_CSMS_CERTIFICATE
        assert not at.knocks


@on_client
def test_a_central_system_whose_certificate_is_revoked_is_refused_f_17(client: Adapter) -> None:
    with door(ADAPTERS[0], server_context([ECDSA])) as at:
        good, bad = (trusting(crl=revocations(AUTHORITY, *revoked)) for revoked in ([RSA], [ECDSA]))
        with client.connect(at.url, ssl=good) as peer:
            assert peer.call(BOOT) == booted()
        with pytest.raises(ssl.SSLCertVerificationError, match="revoked") as refused, client.connect(at.url, ssl=bad):
            pass
        assert security_event(refused.value) is SecurityEvent.INVALID_CSMS_CERTIFICATE


def test_a_common_name_is_a_host_name_as_well_rpc_149() -> None:
    with door(ADAPTERS[0], server_context([self_signed("csms.example", signed_with=AUTHORITY)])) as at:
        assert at.shake_hands(trusting(), "csms.example")[1].startswith(b"HTTP/1.1 101")
        with pytest.raises(ssl.SSLCertVerificationError):
            at.shake_hands(trusting(), "other.example")


@on_client
def test_without_a_context_the_authorities_of_the_system_count_f_17(client: Adapter) -> None:
    with (
        door(ADAPTERS[0], server_context([ECDSA])) as at,
        pytest.raises(ssl.SSLCertVerificationError),
        client.connect(at.url),
    ):
        pass


# -- what is not safe enough --


@on_server
@pytest.mark.parametrize("version", OLD, ids=lambda version: version.name)
def test_an_old_tls_is_refused_f_18_rpc_147(server: Adapter, version: ssl.TLSVersion) -> None:
    with door(server, server_context(both(), tls_rsa=True)) as at, minding_nothing():
        context = lax(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        context.maximum_version = version
        assert at.is_shut_for(context)


@on_server
@pytest.mark.parametrize("suite", WEAK)
def test_a_weak_suite_is_refused_f_18_rpc_148(server: Adapter, suite: str) -> None:
    with door(server, server_context(both(), tls_rsa=True)) as at, minding_nothing():
        context = lax(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), suite)
        assert at.is_shut_for(context)


@on_server
def test_each_mandatory_suite_is_accepted_if_asked_for_f_18_rpc_148(server: Adapter) -> None:
    with door(server, server_context(both(), tls_rsa=True)) as at, minding_nothing():
        for suite in ECDHE + TLS_RSA:
            agreed, said = at.shake_hands(lax(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), suite))
            assert (agreed, said[:12]) == (suite, b"HTTP/1.1 101")
        # Who can do better is not made to do worse.
        context = lax(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ":".join(TLS_RSA + ECDHE))
        assert at.shake_hands(context)[0] in ECDHE


@on_server
def test_without_being_asked_for_there_is_no_suite_without_forward_secrecy_f_18(server: Adapter) -> None:
    with door(server, server_context(both())) as at, minding_nothing():
        for suite in TLS_RSA:
            assert at.is_shut_for(lax(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), suite))
        for suite in ECDHE:
            agreed, said = at.shake_hands(lax(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), suite))
            assert (agreed, said[:12]) == (suite, b"HTTP/1.1 101")


@contextmanager
def strange_server(context: ssl.SSLContext) -> Iterator[str]:
    """A server of somebody else, which speaks TLS as it likes."""

    def behave(peer: RawPeer) -> None:
        with suppress(OSError), context.wrap_socket(peer.stream, server_side=True) as stream:
            stream.recv(1)

    with raw_server(behave, shake_hands=False) as url:
        yield url.replace("ws:", "wss:")


@on_client
@pytest.mark.parametrize("version", OLD, ids=lambda version: version.name)
def test_a_charge_point_speaks_no_old_tls_f_18_rpc_149(
    client: Adapter, version: ssl.TLSVersion, tmp_path: Path
) -> None:
    with minding_nothing():
        context = lax(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        context.maximum_version = version
        load(context, tmp_path, ECDSA)
        with (
            strange_server(context) as url,
            pytest.raises(ssl.SSLError) as refused,
            client.connect(url, ssl=trusting()),
        ):
            pass
        assert security_event(refused.value) is SecurityEvent.INVALID_TLS_VERSION


@on_client
@pytest.mark.parametrize("suite", [*WEAK[:3], TLS_RSA[0]])
def test_a_charge_point_agrees_to_no_weak_suite_f_18_rpc_149(client: Adapter, suite: str, tmp_path: Path) -> None:
    with minding_nothing():
        context = lax(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), suite)
        load(context, tmp_path, RSA)
        with (
            strange_server(context) as url,
            pytest.raises(ssl.SSLError) as refused,
            client.connect(url, ssl=trusting()),
        ):
            pass
        assert security_event(refused.value) is SecurityEvent.INVALID_TLS_CIPHER_SUITE


@on_client
def test_a_charge_point_may_be_told_to_do_without_forward_secrecy_rpc_148(client: Adapter, tmp_path: Path) -> None:
    theirs = lax(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), TLS_RSA[0])
    load(theirs, tmp_path, RSA)
    with door(ADAPTERS[0], theirs) as at, client.connect(at.url, ssl=trusting(tls_rsa=True)) as peer:
        assert peer.call(BOOT) == booted()


@pytest.mark.parametrize("version", NEW, ids=lambda version: version.name)
def test_nothing_is_compressed_and_nothing_renegotiated_rpc_147_f_18(version: ssl.TLSVersion) -> None:
    context = server_context(both())
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.options & ssl.OP_NO_COMPRESSION
    with door(ADAPTERS[0], context) as at, at.connection() as plain:
        ours = trusting()
        ours.options &= ~ssl.OP_NO_COMPRESSION
        ours.maximum_version = version
        with ours.wrap_socket(plain, server_hostname=HOST) as stream:
            assert (stream.compression(), stream.version()) == (None, version.name.replace("_", "."))


@pytest.mark.parametrize("end", ["server", "client"])
def test_a_key_that_is_too_short_is_refused_rpc_150(end: str, tmp_path: Path) -> None:
    short = self_signed(HOST, short_rsa_key(), signed_with=AUTHORITY)
    with pytest.raises(ValueError, match="KEY_TOO_SMALL"):
        server_context([short])
    if end == "server":
        context = lax(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        load(context, tmp_path, short)
        with door(ADAPTERS[0], server_context(both(), client_ca=root(AUTHORITY))) as at:
            assert at.is_shut_for(context)
    else:
        context = lax(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        load(context, tmp_path, short)
        with strange_server(context) as url, pytest.raises(ssl.SSLError), ADAPTERS[0].connect(url, ssl=trusting()):
            pass


# -- handshakes that come to nothing --


def stall(peer: RawPeer) -> None:
    """Say nothing."""


def stop_short(peer: RawPeer) -> None:
    """Begin a handshake of 16 KiB."""
    peer.stream.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")


def trickle(peer: RawPeer) -> None:
    """Go on with it, a byte at a time, each well before any deadline."""
    stop_short(peer)
    over = threading.Event()
    for _ in range(int(PATIENCE / 0.05)):
        with suppress(TimeoutError):
            peer.stream.settimeout(0.05)
            if not peer.stream.recv(2**16):
                over.set()
        if over.is_set():
            break
        peer.stream.sendall(b"\0")


def answer_in_plain(peer: RawPeer) -> None:
    peer.stream.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")


def alert(peer: RawPeer) -> None:
    """internal_error, fatal."""
    peer.stream.sendall(struct.pack("!BHHBB", 21, 0x0303, 2, 2, 80))


def hang_up(peer: RawPeer) -> None:
    stop_short(peer)
    peer.stream.shutdown(socket.SHUT_WR)


WAYS = [stall, stop_short, trickle, answer_in_plain, alert, hang_up]
in_every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)


@on_client
@in_every_way
def test_a_handshake_that_comes_to_nothing_is_over_in_time_and_never_plain_f_19(
    client: Adapter, way: Callable[[RawPeer], None]
) -> None:
    heard: list[bytes] = []

    def behave(peer: RawPeer) -> None:
        heard.append(peer.stream.recv(2**16))
        with suppress(ConnectionError):
            way(peer)
        peer.stream.settimeout(PATIENCE)
        heard.append(peer.read_all())

    with raw_server(behave, shake_hands=False) as url:
        secure = url.replace("ws:", "wss:")
        with pytest.raises(OSError) as failed, client.connect(secure, ssl=trusting(), limits=HASTE):
            pass
    assert security_event(failed.value) is None
    assert heard[0][0] == 22  # a handshake
    assert b"GET " not in b"".join(heard)


@on_server
@in_every_way
def test_who_does_not_finish_the_handshake_is_not_kept_nor_spoken_to_in_plain_f_19(
    server: Adapter, way: Callable[[RawPeer], None]
) -> None:
    with door(server, server_context(both()), limits=HASTE) as at:
        with at.connection() as stream:
            peer = RawPeer(stream, is_client=True)
            with suppress(ConnectionError):
                way(peer)
            peer.stream.settimeout(PATIENCE)
            assert b"HTTP" not in peer.read_all()
        assert not at.knocks
        assert at.shake_hands(trusting())[1].startswith(b"HTTP/1.1 101")


@on_server
def test_who_speaks_plain_http_to_tls_is_not_answered_in_plain_f_19_f_21(server: Adapter) -> None:
    with door(server, server_context(both()), limits=HASTE) as at, at.connection() as stream:
        peer = RawPeer(stream, is_client=True)
        stream.sendall(upgrade)
        assert b"HTTP" not in peer.read_all()
        assert not at.knocks


# -- profile 3: who does not get in --


def forged() -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    chain, _ = self_signed("CP_1", key, signed_with=STRANGER)
    return chain + root(AUTHORITY), key_pem(key)


STRANGERS: dict[str, Callable[[], Pair | None]] = {
    "without a certificate": lambda: None,
    "of another authority": lambda: station(STRANGER),
    "expired": lambda: station(AUTHORITY, not_before=PAST, not_after=PAST.replace(year=2021)),
    "not yet valid": lambda: station(AUTHORITY, not_before=FUTURE, not_after=FUTURE.replace(year=2091)),
    "self-signed": lambda: self_signed("CP_1"),
    "with the name of the authority and another's signature": forged,
}


@on_server
@pytest.mark.parametrize("flaw", STRANGERS)
@pytest.mark.parametrize("version", NEW, ids=lambda version: version.name)
def test_who_has_no_good_certificate_gets_no_further_f_20_rpc_150(
    server: Adapter, flaw: str, version: ssl.TLSVersion, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=root(AUTHORITY).decode())
    context.maximum_version = version
    pair = STRANGERS[flaw]()
    if pair is not None:
        load(context, tmp_path, pair)
    with door(server, server_context(both(), client_ca=root(AUTHORITY))) as at:
        assert at.is_shut_for(context)
        load(context, tmp_path, CLIENT)
        assert not at.is_shut_for(context)


@on_server
def test_who_has_a_revoked_certificate_gets_no_further_f_20(server: Adapter) -> None:
    lost = station(AUTHORITY, "CP_2")
    context = server_context(both(), client_ca=root(AUTHORITY), crl=revocations(AUTHORITY, lost))
    with door(server, context) as at:
        assert at.is_shut_for(trusting(certificate=lost))
        assert not at.is_shut_for(trusting(certificate=CLIENT))


def alerted(ours: ssl.SSLContext, theirs: ssl.SSLContext) -> SecurityEvent | None:
    """What a charge point makes of the alert of a server that shuts the door and says why."""
    with strange_server(ours) as url:
        port = int(url.split(":")[2].split("/")[0])
        with (
            pytest.raises(ssl.SSLError) as refused,
            socket.create_connection((HOST, port), PATIENCE) as plain,
            theirs.wrap_socket(plain, server_hostname=HOST) as stream,
        ):
            stream.recv(1)
        return security_event(refused.value)


@pytest.mark.parametrize("version", NEW, ids=lambda version: version.name)
def test_a_station_hears_from_an_alert_that_it_is_not_believed_rpc_149(version: ssl.TLSVersion) -> None:
    theirs = trusting(certificate=station(STRANGER))
    theirs.maximum_version = version
    ours = server_context(both(), client_ca=root(AUTHORITY))
    assert alerted(ours, theirs) is SecurityEvent.FAILED_TO_AUTHENTICATE


def test_a_station_hears_from_an_alert_what_is_not_safe_enough_rpc_149() -> None:
    with minding_nothing():
        old, weak = (lax(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), suites) for suites in ("ALL", WEAK[0]))
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        assert alerted(server_context(both()), old) is SecurityEvent.INVALID_TLS_VERSION
        assert alerted(server_context(both()), weak) is SecurityEvent.INVALID_TLS_CIPHER_SUITE


def test_in_profile_3_no_session_is_there_to_be_resumed_without_the_proof_f_20() -> None:
    for context, resumable in (
        (server_context(both(), client_ca=root(AUTHORITY)), False),
        (server_context(both()), True),
    ):
        with (
            door(ADAPTERS[0], context) as at,
            at.connection() as plain,
            trusting(certificate=CLIENT).wrap_socket(plain, server_hostname=HOST) as stream,
        ):
            assert stream.version() == "TLSv1.3"
            stream.sendall(upgrade)
            assert stream.recv(2**16).startswith(b"HTTP/1.1 101")
            assert stream.session is not None
            assert stream.session.has_ticket is resumable


# -- rotation --


def leaf(pair: Pair) -> bytes:
    """The first certificate of a chain, as it goes over the wire."""
    text = pair[0].decode()
    return ssl.PEM_cert_to_DER_cert(text[: text.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----\n")


def shown(at: Door, context: ssl.SSLContext | None = None) -> bytes | None:
    with at.connection() as plain, (context or trusting()).wrap_socket(plain, server_hostname=HOST) as stream:
        return stream.getpeercert(binary_form=True)


@on_server
def test_a_new_certificate_is_for_the_next_connection_and_the_old_ones_live_f_24(
    server: Adapter, tmp_path: Path
) -> None:
    first, second = issued(AUTHORITY), issued(AUTHORITY)
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(first[0])
    key.write_bytes(first[1])
    context = server_context([(chain, str(key))])
    with door(server, context) as at, ADAPTERS[0].connect(at.url, ssl=trusting()) as peer:
        assert peer.call(BOOT) == booted()
        assert shown(at) == leaf(first)
        chain.write_bytes(second[0])  # the key comes next: whoever reads in between is to have neither
        with pytest.raises(ValueError, match="cannot be used together"):
            reload_certificates(context)
        assert shown(at) == leaf(first)
        key.write_bytes(second[1])
        reload_certificates(context)
        assert shown(at) == leaf(second)
        assert peer.call(HEARTBEAT) == heartbeat()
        reload_certificates(context, [first, RSA])
        assert shown(at) == leaf(first)
        assert peer.call(HEARTBEAT) == heartbeat()


@on_server
def test_another_authority_of_the_clients_is_for_the_next_connection_f_24_f_20(server: Adapter) -> None:
    ours, theirs = trusting(certificate=CLIENT), trusting(certificate=station(STRANGER))
    context = server_context(both(), client_ca=root(AUTHORITY), crl=revocations(AUTHORITY))
    with door(server, context) as at:
        assert (at.is_shut_for(ours), at.is_shut_for(theirs)) == (False, True)
        reload_certificates(context, client_ca=root(STRANGER), crl=revocations(STRANGER))
        assert (at.is_shut_for(ours), at.is_shut_for(theirs)) == (True, False)
        reload_certificates(context, client_ca=root(AUTHORITY), crl=revocations(AUTHORITY, CLIENT))
        assert (at.is_shut_for(ours), at.is_shut_for(theirs)) == (True, True)


def test_a_reload_does_not_change_who_needs_a_certificate_f_24() -> None:
    context = server_context(both())
    for change in ({"client_ca": root(AUTHORITY)}, {"crl": revocations(AUTHORITY)}):
        with pytest.raises(ValueError, match="not changed by a reload"):
            reload_certificates(context, **change)
    with pytest.raises(ValueError, match="needs a certificate"):
        reload_certificates(context, [])
    with pytest.raises(ValueError, match="from server_context"):
        reload_certificates(trusting())


def test_a_context_is_what_every_library_knows() -> None:
    """anyio gives each connection a thread for a context of a class that it does not know."""
    assert type(server_context(both())) is type(trusting()) is ssl.SSLContext


# -- what is given --


def test_what_cannot_be_used_is_said_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "chain.pem").write_bytes(ECDSA[0])
    (tmp_path / "empty.pem").write_bytes(b"")
    chain, empty = str(tmp_path / "chain.pem"), str(tmp_path / "empty.pem")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pem"):
        server_context([(chain, tmp_path / "nowhere.pem")])
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pem"):
        client_context(ca=tmp_path / "nowhere.pem")
    with pytest.raises(ValueError, match=r"no CERTIFICATE in '.*empty\.pem'"):
        server_context([(empty, ECDSA[1])])
    with pytest.raises(ValueError, match=r"no PRIVATE KEY in '.*chain\.pem'"):
        server_context([(chain, chain)])
    for other in (RSA, issued(AUTHORITY)):
        with pytest.raises(ValueError, match=r"chain\.pem' and the key in the bytes given cannot be used together"):
            client_context(certificate=(chain, other[1]))
    with pytest.raises(ValueError, match="no X509 CRL in the bytes given"):
        client_context(crl=root(AUTHORITY))
    with pytest.raises(ValueError, match="the bytes given cannot be used"):
        client_context(ca=b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(ValueError, match="one certificate for each kind of key, and these are ECDSA, ECDSA"):
        server_context([ECDSA, issued(AUTHORITY)])
    with pytest.raises(ValueError, match="with an RSA key"):
        server_context([ECDSA], tls_rsa=True)
    with pytest.raises(ValueError, match="needs a certificate"):
        server_context([])


def test_an_encrypted_key_is_read_and_nobody_is_asked_at_the_terminal() -> None:
    key = private_key(AUTHORITY)
    pair = root(AUTHORITY), key_pem(key, b"secret")
    server_context([pair], key_password="secret")
    with pytest.raises(ValueError, match="encrypted"):
        server_context([pair])
    with pytest.raises(ValueError, match="cannot be used") as refused:
        client_context(certificate=pair, key_password=b"another")
    assert "another" not in str(refused.value)


def test_no_key_is_shown_or_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    context = server_context(both(), key_password="secret")
    assert not list(tmp_path.iterdir())
    assert "secret" not in repr((context, context.sni_callback))
    assert "PRIVATE" not in repr((context, context.sni_callback))


def test_what_is_not_about_trust_is_no_security_event_rpc_149() -> None:
    for error in (TimeoutError(), ConnectionResetError(), ssl.SSLEOFError(8, "EOF"), ssl.SSLError(1, "nothing")):
        assert security_event(error) is None


def test_a_security_event_is_found_behind_what_an_adapter_makes_of_it_rpc_149() -> None:
    wrapped = OSError("broken")
    wrapped.__cause__ = ssl.SSLCertVerificationError(1, "certificate verify failed")
    assert security_event(wrapped) is SecurityEvent.INVALID_CSMS_CERTIFICATE


@on_server
def test_who_never_shakes_hands_is_not_waited_for_once_it_is_given_up_f_01_f_19(server: Adapter) -> None:
    limits = Limits(handshake_timeout=0.05, close_timeout=2 * PATIENCE)
    context, _ = tls(trustme.CA())
    with (
        server.serve(central_system(limits=limits), ssl=context) as served,
        socket.create_connection(("127.0.0.1", served.port), PATIENCE) as silent,
    ):
        assert silent.recv(1) == b""
