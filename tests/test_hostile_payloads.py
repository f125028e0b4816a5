"""What no station sends by accident: names that mean something to an interpreter, certificates beyond their size."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ocpp_sansio import (
    CallReceived,
    CentralSystemSession,
    ChargePointSession,
    ErrorCode,
    PeerMisbehaved,
    Version,
    numbered_ids,
)

GADGETS = """
    __class__ __dict__ __init__ __reduce__ __setstate__ __proto__ self cls None True class def import lambda
    $ref $id $schema $type @type {0.__class__} %s constructor prototype _id fields attrs
""".split()


def received(session: Any, action: str, payload: dict[str, Any]) -> tuple[Any, list[Any]]:
    """The event that a CALL becomes, and its answer if it has one already."""
    session.receive_data(json.dumps([2, "1", action, payload]), now=0.0)
    (event,) = iter(session.next_event, None)
    answers = [json.loads(text) for text in session.outbox]
    session.outbox.clear()
    return event, answers


@pytest.mark.parametrize("version", Version)
@pytest.mark.parametrize("name", GADGETS)
def test_a_name_is_one_of_the_schema_s_or_a_violation_f_44(version: Version, name: str) -> None:
    for extra in ({name: "x"}, {name: {name: ["x"]}}, {name: None}):
        session = CentralSystemSession(version, message_ids=numbered_ids("s"))
        event, (answer,) = received(session, "Heartbeat", extra)
        assert isinstance(event, PeerMisbehaved)
        assert answer[:2] == [4, "1"]
        assert answer[2] in {code.spelling(version) for code in (ErrorCode.FORMAT_VIOLATION, ErrorCode.PROTOCOL_ERROR)}
        assert [violation.path in (f"$.{name}", f"$['{name}']") for violation in event.violations] == [True]


@pytest.mark.parametrize("name", GADGETS)
def test_in_what_is_the_vendor_s_own_a_name_is_data_f_44(name: str) -> None:
    """CustomData of 2.x, and the data of a DataTransfer."""
    data = {"vendorId": "Vendor", name: {"x": name}}
    session = CentralSystemSession("2.0.1", message_ids=numbered_ids("s"))
    event, answers = received(session, "DataTransfer", {"vendorId": "Vendor", "data": data, "customData": data})
    assert isinstance(event, CallReceived)
    assert event.request.data == data
    assert type(event.request.data) is dict
    assert answers == []


@pytest.mark.parametrize(
    "action", [*GADGETS, "__init__", "Call", "Heartbeat.__class__", "heartbeat", "HeartbeatRequest"]
)
@pytest.mark.parametrize("version", Version)
def test_an_action_is_one_of_the_version_s_or_unknown_f_44(version: Version, action: str) -> None:
    session = CentralSystemSession(version, message_ids=numbered_ids("s"))
    event, (answer,) = received(session, action, {})
    assert isinstance(event, PeerMisbehaved)
    assert answer[:3] == [4, "1", "NotImplemented"]


FIRMWARE = {"location": "x", "retrieveDateTime": "2026-01-01T00:00:00Z", "signingCertificate": "x", "signature": "x"}
CAPS: list[tuple[str, str, dict[str, Any], str, int]] = [
    ("1.6", "InstallCertificate", {"certificateType": "CentralSystemRootCertificate"}, "certificate", 5500),
    ("1.6", "CertificateSigned", {}, "certificateChain", 10_000),
    ("1.6", "SignedUpdateFirmware", {"requestId": 1, "firmware": FIRMWARE}, "firmware.signingCertificate", 5500),
    ("1.6", "SignedUpdateFirmware", {"requestId": 1, "firmware": FIRMWARE}, "firmware.signature", 800),
    ("2.0.1", "InstallCertificate", {"certificateType": "CSMSRootCertificate"}, "certificate", 5500),
    ("2.0.1", "CertificateSigned", {}, "certificateChain", 10_000),
    ("2.0.1", "UpdateFirmware", {"requestId": 1, "firmware": FIRMWARE}, "firmware.signingCertificate", 5500),
    ("2.0.1", "UpdateFirmware", {"requestId": 1, "firmware": FIRMWARE}, "firmware.signature", 800),
    ("2.1", "InstallCertificate", {"certificateType": "CSMSRootCertificate"}, "certificate", 10_000),
    ("2.1", "CertificateSigned", {}, "certificateChain", 10_000),
]


@pytest.mark.parametrize(("version", "action", "payload", "path", "cap"), CAPS)
def test_a_certificate_has_the_size_that_the_schema_allows_f_43(
    version: str, action: str, payload: dict[str, Any], path: str, cap: int
) -> None:
    for size, kind in ((cap, CallReceived), (cap + 1, PeerMisbehaved)):
        sent = json.loads(json.dumps(payload))
        *above, name = path.split(".")
        holder = sent[above[0]] if above else sent
        holder[name] = "x" * size
        session = ChargePointSession(version, message_ids=numbered_ids("c"))
        event, _ = received(session, action, sent)
        assert isinstance(event, kind), (size, event)
        if isinstance(event, PeerMisbehaved):
            assert [violation.path for violation in event.violations] == [f"$.{path}"]
            assert len(event.text) <= 1024
