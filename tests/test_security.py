"""Who may connect: profiles, passwords, certificates, and the one refusal for all who may not."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Iterator
from http import HTTPStatus
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio import ConnectionRequested, Credentials, Version
from ocpp_sansio.facts import CertificateFacts
from ocpp_sansio.handshake import read_credentials
from ocpp_sansio.security import Account, Accounts, Authentication, PasswordHash, SecurityProfile

NONE, BASIC, TLS_BASIC, MUTUAL_TLS = SecurityProfile

PASSWORD = b"\x00\x01\x02\x03\x04\x05\x06\x07\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
OTHER = b"another password"
SALT = b"saltsalt"
CSO = "Example CSO"


def hashed(password: bytes | str = PASSWORD) -> PasswordHash:
    return PasswordHash.of(password, salt=SALT, rounds=1)


def account(profile: SecurityProfile, **options: Any) -> Account:
    return Account(profile, (hashed(),), **options)


def request(
    identity: str = "CP1",
    password: bytes | None = None,
    *,
    username: bytes | None = None,
    version: Version | None = Version.V16,
    secure: bool = False,
    certificate: CertificateFacts | None = None,
) -> ConnectionRequested:
    credentials = (
        None if password is None else Credentials(identity.encode() if username is None else username, password)
    )
    return ConnectionRequested(
        identity, f"/{identity}", (), version, credentials, {}, secure=secure, certificate=certificate
    )


def certificate(*names: str, organisations: tuple[str, ...] = (CSO,)) -> CertificateFacts:
    return CertificateFacts(names, organisations)


def authentication(accounts: Accounts, **options: Any) -> Authentication:
    return Authentication(accounts, organisation=CSO, rounds=1, **options)


# -- passwords --


def test_a_hash_knows_its_password_and_no_other():
    """RPC-146."""
    kept = PasswordHash.of(PASSWORD, salt=SALT)
    assert kept.verify(PASSWORD)
    assert not kept.verify(PASSWORD[:-1])
    assert not kept.verify(b"")


def test_text_is_a_password_as_utf_8():
    """RPC-145."""
    assert hashed("pässword of sixteen").verify("pässword of sixteen".encode())


def test_equal_passwords_have_different_hashes():
    assert PasswordHash.of(PASSWORD, salt=b"salt" * 4).digest != PasswordHash.of(PASSWORD, salt=b"SALT" * 4).digest


def test_a_password_is_long_enough_and_so_is_the_salt():
    """RPC-143, RPC-145, F-28."""
    with pytest.raises(ValueError, match="at least 16 bytes"):
        PasswordHash.of("x" * 15, salt=SALT)
    assert PasswordHash.of("x" * 15, salt=SALT, rounds=1, min_length=15).verify(b"x" * 15)
    with pytest.raises(ValueError, match="salt"):
        PasswordHash.of(PASSWORD, salt=b"salt")


def test_neither_an_account_nor_a_request_shows_what_is_secret_f_40():
    kept = account(BASIC)
    asked = attrs.evolve(request(password=PASSWORD), path="/CP1?token=top-secret")
    shown = repr(kept) + repr(asked) + repr(authentication({"CP1": kept}))
    for secret in (PASSWORD, SALT, kept.passwords[0].digest, b"top-secret"):
        assert repr(secret)[2:-1] not in shown
    assert "path='/CP1'" in shown


def test_what_is_no_hash_is_refused_and_not_shown_f_40():
    secret: Any = "a password in plain text"
    for mistake in (
        lambda: PasswordHash(secret, b"digest"),
        lambda: PasswordHash(SALT, secret),
        lambda: Account(BASIC, (secret,)),
    ):
        with pytest.raises(TypeError, match="expected") as refused:
            mistake()
        assert "plain" not in repr(refused.value)


def test_an_account_makes_sense():
    for profile, upgrade in ((BASIC, None), (TLS_BASIC, None), (NONE, BASIC)):
        with pytest.raises(ValueError, match="needs a password"):
            Account(profile, upgrade=upgrade)
    with pytest.raises(ValueError, match="passwords"):
        Account(BASIC, (hashed(),) * 3)
    for upgrade in (NONE, BASIC):
        with pytest.raises(ValueError, match="higher"):
            account(BASIC, upgrade=upgrade)
    with pytest.raises(ValueError, match="4"):
        Account(4)  # type: ignore[arg-type]


# -- profiles --

WRONG = certificate("CP2")
RIGHT = certificate("CP1")
OFFERS = {
    "nothing": request(),
    "a password": request(password=PASSWORD),
    "a wrong password": request(password=OTHER),
    "TLS": request(secure=True),
    "TLS and a password": request(password=PASSWORD, secure=True),
    "TLS and a wrong password": request(password=OTHER, secure=True),
    "a certificate": request(secure=True, certificate=RIGHT),
    "another's certificate": request(secure=True, certificate=WRONG),
    "a certificate and a password": request(password=PASSWORD, secure=True, certificate=RIGHT),
    "a certificate and a wrong password": request(password=OTHER, secure=True, certificate=RIGHT),
    "another's certificate and a password": request(password=PASSWORD, secure=True, certificate=WRONG),
    "a certificate without TLS": request(certificate=RIGHT),
}
GOOD = {
    NONE: {"nothing", "TLS"},
    BASIC: {"a password"},
    TLS_BASIC: {"TLS and a password", "a certificate and a password", "another's certificate and a password"},
    MUTUAL_TLS: {"a certificate", "a certificate and a password", "a certificate and a wrong password"},
}


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("profile", SecurityProfile)
def test_a_station_uses_the_profile_that_it_has_f_21_f_25(profile: SecurityProfile, offer: str):
    """RPC-140, RPC-141."""
    assert authentication({"CP1": account(profile)})(OFFERS[offer]) is (offer in GOOD[profile])


@pytest.mark.parametrize("offer", OFFERS)
def test_during_an_upgrade_both_profiles_are_good_and_no_other(offer: str):
    """RPC-152."""
    upgrading = authentication({"CP1": account(BASIC, upgrade=MUTUAL_TLS)})
    assert upgrading(OFFERS[offer]) is (offer in GOOD[BASIC] | GOOD[MUTUAL_TLS])


def test_tls_that_ends_in_a_proxy_is_taken_for_granted_only_when_told_so_f_23():
    accounts = {"CP1": account(TLS_BASIC), "CP2": account(BASIC), "CP3": account(MUTUAL_TLS)}
    for assume_tls in (False, True):
        authenticate = authentication(accounts, assume_tls=assume_tls)
        assert authenticate(request("CP1", PASSWORD)) is assume_tls
        assert authenticate(request("CP2", PASSWORD)) is not assume_tls
        assert authenticate(request("CP3", certificate=certificate("CP3"))) is False


# -- credentials --


@pytest.mark.parametrize(
    ("username", "good"),
    [(b"CP1", True), (b"CP2", False), (b"cp1", False), (b"", False), (b"CP1\0", False), (b"\xff", False)],
)
def test_the_user_name_is_the_identity_f_27(username: bytes, good: bool):
    """RPC-006, RPC-142."""
    accounts = {"CP1": account(BASIC), "CP2": account(BASIC)}
    assert authentication(accounts)(request("CP1", PASSWORD, username=username)) is good


def test_the_password_of_another_station_is_a_wrong_one_f_27():
    accounts = {"CP1": account(BASIC), "CP2": Account(BASIC, (hashed(OTHER),))}
    assert authentication(accounts)(request("CP2", OTHER)) is True
    assert authentication(accounts)(request("CP1", OTHER)) is False


def test_the_key_of_a_1_6_station_is_its_bytes_and_its_digits_only_when_told_so_f_28():
    """RPC-143, RPC-144."""
    accounts = {"CP1": account(BASIC)}
    digits = PASSWORD.hex().encode()
    for accept in (False, True):
        authenticate = authentication(accounts, accept_hex_digits=accept)
        assert authenticate(request(password=PASSWORD)) is True
        assert authenticate(request(password=digits)) is accept
        assert authenticate(request(password=digits.upper())) is accept
        for wrong in (digits[:-2], digits[:-1], b"\xff" * 40, b""):
            assert authenticate(request(password=wrong)) is False
        assert authenticate(request(password=digits, version=Version.V201)) is False


def test_while_a_password_is_changed_the_old_one_and_the_new_one_are_good_f_24():
    """RPC-146."""
    accounts: dict[str, Account] = {}
    authenticate = authentication(accounts)
    for kept, good in (
        ((PASSWORD,), {PASSWORD}),
        ((PASSWORD, OTHER), {PASSWORD, OTHER}),
        ((OTHER,), {OTHER}),
    ):
        accounts["CP1"] = Account(BASIC, tuple(map(hashed, kept)))
        assert {each for each in (PASSWORD, OTHER, SALT) if authenticate(request(password=each))} == good


ANY_PASSWORD = st.binary(max_size=80) | st.sampled_from([PASSWORD, PASSWORD.hex().encode()])


@given(username=st.binary(max_size=8) | st.just(b"CP1"), password=ANY_PASSWORD, header=st.text(max_size=40))
def test_whatever_is_sent_is_judged_and_only_the_right_thing_is_right_f_28(
    username: bytes, password: bytes, header: str
):
    authenticate = authentication({"CP1": account(BASIC)}, accept_hex_digits=True)
    sent = f"Basic {base64.b64encode(username + b':' + password).decode()}"
    for value in (sent, header):
        credentials = read_credentials([value])
        judged = authenticate(ConnectionRequested("CP1", "/CP1", (), Version.V16, credentials, {}))
        right = credentials in (Credentials(b"CP1", PASSWORD), Credentials(b"CP1", PASSWORD.hex().encode()))
        assert judged is right


# -- nobody learns who exists --


def test_the_unknown_and_the_wrong_are_refused_alike_and_with_the_same_work_f_26(monkeypatch: pytest.MonkeyPatch):
    accounts = {
        "NOTHING": Account(NONE),
        "PASSWORD": account(BASIC),
        "BOTH": Account(TLS_BASIC, (hashed(), hashed(OTHER))),
        "CERTIFICATE": Account(MUTUAL_TLS),
    }
    work: list[tuple[int, bytes]] = []
    verify = PasswordHash.verify

    def counted(self: PasswordHash, password: bytes) -> bool:
        work.append((self.rounds, password))
        return verify(self, password)

    monkeypatch.setattr(PasswordHash, "verify", counted)
    for wrong in (b"a wrong password", b"", bytes(range(256)), PASSWORD.hex().encode()):
        seen: set[object] = set()
        for identity in (*accounts, "NOBODY"):
            for username in (identity.encode(), b"ANOTHER"):
                authenticate = authentication(accounts, accept_hex_digits=True)
                judged = authenticate(request(identity, wrong, username=username))
                if wrong != PASSWORD.hex().encode():
                    assert judged is False
                seen.add((tuple(work),))
                work.clear()
        assert len(seen) == 1, wrong
    assert {authentication(accounts)(request(each)) for each in ("PASSWORD", "CERTIFICATE", "NOBODY")} == {False}


def test_nobody_s_password_is_nobody_s():
    """What is compared with for want of an account fits nothing."""
    for password in (b"", bytes(16), b"\0", PASSWORD):
        assert authentication({})(request(password=password)) is False


def test_an_unknown_identity_is_told_so_only_where_there_is_nothing_to_guess_f_26():
    """RPC-016."""
    accounts = {"CP1": Account(NONE)}
    assert authentication(accounts)(request("CP2")) is False
    assert authentication(accounts, reveal_unknown=True)(request("CP2")) is HTTPStatus.NOT_FOUND
    assert authentication(accounts, reveal_unknown=True)(request("CP1")) is True


# -- certificates --

NAMES: dict[tuple[str, ...], bool] = {
    ("CP1",): True,
    (): False,
    ("CP1", "CP1"): False,
    ("CP1", "CP2"): False,
    ("CP2", "CP1"): False,
    ("CP2",): False,
    ("cp1",): False,
    ("CP1 ",): False,
    (" CP1",): False,
    ("CP",): False,
    ("CP11",): False,
    ("",): False,
    ("CP1\0",): False,
    ("CP1\0.example.com",): False,
    ("\0CP1",): False,
    ("СР1",): False,  # Cyrillic letters
    ("ＣＰ１",): False,  # of full width
    ("CP\u200b1",): False,
    ("CP1\u0301",): False,
    ("*",): False,
    ("CP*",): False,
    ("CN=CP1",): False,
    ("CP1,O=Example CSO",): False,
}
ORGANISATIONS: dict[tuple[str, ...], bool] = {
    (CSO,): True,
    ("Another", CSO): True,
    (): False,
    ("Another",): False,
    ("example cso",): False,
    ("Example CSO Ltd",): False,
    ("Example CSO\0",): False,
    ("",): False,
}


@pytest.mark.parametrize("organisations", ORGANISATIONS, ids=repr)
@pytest.mark.parametrize("names", NAMES, ids=ascii)
def test_a_certificate_is_the_station_s_own_f_20(names: tuple[str, ...], organisations: tuple[str, ...]):
    """RPC-150. Its DNS names are no names of a station."""
    facts = CertificateFacts(names, organisations, ("CP1",))
    judged = authentication({"CP1": Account(MUTUAL_TLS)})(request(secure=True, certificate=facts))
    assert judged is (NAMES[names] and ORGANISATIONS[organisations])


def test_there_are_certificates_enough_f_20():
    assert len(NAMES) * len(ORGANISATIONS) >= 60


def test_a_certificate_may_be_named_otherwise_than_the_station():
    """RPC-150: it has the serial number for a name."""
    authenticate = authentication({"CP1": Account(MUTUAL_TLS, common_name="SN-7")})
    assert authenticate(request(secure=True, certificate=certificate("SN-7"))) is True
    assert authenticate(request(secure=True, certificate=certificate("CP1"))) is False


def test_any_organisation_will_do_if_none_is_demanded():
    authenticate = Authentication({"CP1": Account(MUTUAL_TLS)}, rounds=1)
    assert authenticate(request(secure=True, certificate=certificate("CP1", organisations=()))) is True


# -- one station, whatever its case --


@pytest.mark.parametrize("version", Version)
def test_case_tells_stations_apart_in_1_6_only_f_30(version: Version):
    """RPC-003, RPC-004."""
    accounts = {"cp1": account(BASIC), "cp2": Account(MUTUAL_TLS), "CP3": account(BASIC)}
    authenticate = authentication(accounts)
    same = version is not Version.V16
    assert authenticate(request("CP1", PASSWORD, version=version)) is same
    assert authenticate(request("cp1", PASSWORD, username=b"CP1", version=version)) is same
    assert authenticate(request("CP2", secure=True, certificate=certificate("Cp2"), version=version)) is same
    assert authenticate(request("CP3", PASSWORD, version=version)) is True
    assert authenticate(request("CP1", PASSWORD, version=None)) is False


# -- accounts that take their time --


def run(judged: bool | HTTPStatus | Awaitable[bool | HTTPStatus]) -> object:
    assert isinstance(judged, Awaitable)
    waiting: Iterator[object] = judged.__await__()
    with pytest.raises(StopIteration) as done:
        next(waiting)
    return done.value.value


def test_accounts_may_have_to_be_waited_for():
    asked: list[str] = []

    async def find(identity: str) -> Account | None:
        asked.append(identity)
        return account(BASIC) if identity in ("cp1", "CP2") else None

    authenticate = authentication(find)
    assert run(authenticate(request("CP1", PASSWORD))) is False
    assert run(authenticate(request("CP1", PASSWORD, version=Version.V201))) is True
    assert run(authenticate(request("CP2", PASSWORD, version=Version.V201))) is True
    assert run(authenticate(request("CP3", PASSWORD, version=Version.V21))) is False
    # Who exists is asked for as often as who does not (F-26).
    assert asked == ["CP1", "CP1", "cp1", "CP2", "cp2", "CP3", "cp3"]


def test_accounts_are_looked_up_as_often_whether_they_exist_or_not_f_26():
    asked: list[str] = []

    def find(identity: str) -> Account | None:
        asked.append(identity)
        return account(BASIC) if identity == "CP1" else None

    authenticate = authentication(find)
    assert authenticate(request("CP1", PASSWORD, version=Version.V201)) is True
    assert authenticate(request("CP2", PASSWORD, version=Version.V201)) is False
    assert asked == ["CP1", "cp1", "CP2", "cp2"]


def test_accounts_may_be_looked_up_by_a_function():
    assert (
        authentication(lambda identity: account(BASIC) if identity == "CP1" else None)(request("CP1", PASSWORD)) is True
    )


# -- another profile --


@pytest.mark.parametrize(
    ("version", "allow_downgrade", "permitted"),
    [
        (Version.V16, False, "01 02 03 12 13 23"),
        (Version.V16, True, "01 02 03 12 13 23"),
        (Version.V201, False, "00 01 02 03 11 12 13 22 23 33"),
        (Version.V21, False, "00 01 02 03 11 12 13 22 23 33"),
        (Version.V201, True, "00 01 02 03 11 12 13 22 23 33 32"),
        (Version.V21, True, "00 01 02 03 11 12 13 22 23 33 32"),
    ],
)
def test_a_profile_is_lowered_from_3_to_2_if_that_is_allowed_and_never_else_f_22_rpc_152(
    version: Version, allow_downgrade: bool, permitted: str
) -> None:
    """CP201-051, V21-005, A00.FR.005."""
    found = {
        f"{old.value}{new.value}"
        for old in SecurityProfile
        for new in SecurityProfile
        if old.may_become(new, version, allow_downgrade=allow_downgrade)
    }
    assert found == set(permitted.split())
