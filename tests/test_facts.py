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
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
)
KEYS = st.sampled_from(["subject", "subjectAltName", "serialNumber", "notBefore", "notAfter"]) | st.text()


@given(certificate=st.dictionaries(KEYS, ODD))
def test_nothing_that_a_certificate_holds_raises_f_20(certificate: dict[str, Any]):
    assert isinstance(CertificateFacts.of(certificate), CertificateFacts)
