"""What a verified certificate says, from the dictionary that the TLS library gives."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio.facts import CertificateFacts


def test_a_certificate_tells_who_it_is_for_who_has_it_and_how_long():
    """RPC-150."""
    facts = CertificateFacts.of(
        {
            "subject": (
                (("countryName", "NL"),),
                (("organizationName", "Example CSO"), ("organizationalUnitName", "Chargers")),
                (("commonName", "CP1"),),
            ),
            "issuer": ((("organizationName", "Example CA"),), (("commonName", "CA"),)),
            "version": 3,
            "serialNumber": "0A1B",
            "notBefore": "Jan  5 09:34:43 2025 GMT",
            "notAfter": "Dec 31 23:59:59 2035 GMT",
            "subjectAltName": (("DNS", "cp1.example.com"), ("IP Address", "192.0.2.1"), ("DNS", "cp1")),
        }
    )
    assert facts == CertificateFacts(
        ("CP1",),
        ("Example CSO",),
        ("cp1.example.com", "cp1"),
        "0A1B",
        datetime(2025, 1, 5, 9, 34, 43, tzinfo=UTC),
        datetime(2035, 12, 31, 23, 59, 59, tzinfo=UTC),
    )


def subject(*names: str) -> dict[str, Any]:
    return {"subject": tuple((("commonName", name),) for name in names)}


@pytest.mark.parametrize(
    ("certificate", "facts"),
    [
        ({}, CertificateFacts()),
        ({"subject": ()}, CertificateFacts()),
        (subject("CP1", "CP2"), CertificateFacts(("CP1", "CP2"))),
        (subject("CP1\0.example.com"), CertificateFacts(("CP1\0.example.com",))),
        (subject("СР1"), CertificateFacts(("СР1",))),
        ({"subject": ((("commonName", "CP1"), ("commonName", "CP2")),)}, CertificateFacts(("CP1", "CP2"))),
        ({"subject": [[["commonName", "CP1"]]]}, CertificateFacts(("CP1",))),
        ({"subject": "commonName"}, CertificateFacts()),
        ({"subject": (("commonName", "CP1"),)}, CertificateFacts()),
        ({"subject": ((("commonName", b"CP1"), ("commonName",), None),)}, CertificateFacts()),
        ({"subjectAltName": (("DNS",), ("DNS", 1), 2)}, CertificateFacts()),
        ({"serialNumber": 10}, CertificateFacts()),
        ({"notBefore": "Jan 32 09:34:43 2025 GMT", "notAfter": "Ene 05 09:34:43 2025 GMT"}, CertificateFacts()),
        ({"notBefore": "Jan  5 09:34:43 2025 CET", "notAfter": 1}, CertificateFacts()),
    ],
)
def test_what_cannot_be_read_is_left_out_and_nothing_is_made_up_f_20(
    certificate: dict[str, Any], facts: CertificateFacts
):
    assert CertificateFacts.of(certificate) == facts


ODD = st.recursive(
    st.none() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=10,
)
KEYS = st.sampled_from(["subject", "subjectAltName", "serialNumber", "notBefore", "notAfter"]) | st.text()


@given(certificate=st.dictionaries(KEYS, ODD, max_size=4))
def test_nothing_that_a_certificate_holds_raises_f_20(certificate: dict[str, Any]):
    assert isinstance(CertificateFacts.of(certificate), CertificateFacts)


@pytest.mark.parametrize(
    ("subject", "facts"),
    [
        ("CN=CP1,O=Example CSO,C=NL", CertificateFacts(("CP1",), ("Example CSO",))),
        ("cn=CP1, o=A+CN=CP2", CertificateFacts(("CP1", "CP2"), ("A",))),
        ("2.5.4.3=CP1,2.5.4.10=A", CertificateFacts(("CP1",), ("A",))),
        (r"CN=a\, b\+\"c\" \#\\,O=\C3\A4\ ", CertificateFacts(('a, b+"c" #\\',), ("ä ",))),
        ("CN=RDAM|123=x,O=", CertificateFacts(("RDAM|123=x",), ("",))),
        ("CN=CP1,1.3.6.1=#04024869", CertificateFacts()),
        ("CN=CP1,", CertificateFacts()),
        ("CN=CP1,CP2", CertificateFacts()),
        ("CN=CP1;O=A", CertificateFacts()),
        (r"CN=CP1\,O=A", CertificateFacts(("CP1,O=A",))),
        ("CN=CP1\\", CertificateFacts()),
        (r"CN=\FF", CertificateFacts()),
        ("CN=\ud800", CertificateFacts()),
        ("CP1", CertificateFacts()),
        ("", CertificateFacts()),
    ],
)
def test_a_subject_is_read_as_it_is_written_or_not_at_all_f_20(subject: str, facts: CertificateFacts):
    assert CertificateFacts.of_name(subject) == facts


@given(subject=st.text() | st.text(alphabet='CNO=,+\\# "4a'))
def test_no_subject_raises_f_20(subject: str):
    assert isinstance(CertificateFacts.of_name(subject), CertificateFacts)


def test_what_a_library_writes_of_a_subject_is_read_back():
    """RFC 4514, by somebody else."""
    x509 = pytest.importorskip("cryptography.x509")
    for common_name in ('a,b+c"d\\e<f>g;h', "#x", " x ", "ä=1", "x\\"):
        name = x509.Name(
            [
                x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "A, B"),
                x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name),
            ]
        )
        assert CertificateFacts.of_name(name.rfc4514_string()) == CertificateFacts((common_name,), ("A, B",))
