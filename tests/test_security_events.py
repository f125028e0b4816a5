"""The kinds of security events, against the lists of the versions."""

from __future__ import annotations

import pytest

from ocpp_sansio import Version
from ocpp_sansio.security_events import SecurityEvent

SENT_16 = """
FirmwareUpdated SettingSystemTime StartupOfTheDevice ResetOrReboot SecurityLogWasCleared MemoryExhaustion
TamperDetectionActivated InvalidCentralSystemCertificate InvalidTLSVersion InvalidTLSCipherSuite
"""
LOGGED_16 = """
FailedToAuthenticateAtCentralSystem CentralSystemFailedToAuthenticate ReconfigurationOfSecurityParameters
InvalidMessages AttemptedReplayAttacks InvalidFirmwareSignature InvalidFirmwareSigningCertificate
InvalidChargePointCertificate
"""
SENT_2X = """
FirmwareUpdated SettingSystemTime StartupOfTheDevice ResetOrReboot SecurityLogWasCleared MemoryExhaustion
TamperDetectionActivated InvalidFirmwareSignature InvalidFirmwareSigningCertificate InvalidCsmsCertificate
InvalidChargingStationCertificate InvalidTLSVersion InvalidTLSCipherSuite MaintenanceLoginAccepted
MaintenanceLoginFailed
"""
LOGGED_2X = """
FailedToAuthenticateAtCsms CsmsFailedToAuthenticate ReconfigurationOfSecurityParameters InvalidMessages
AttemptedReplayAttacks
"""


@pytest.mark.parametrize("version", Version)
def test_a_kind_is_spelled_and_sent_as_its_version_has_it_cp16_231_rpc_149(version: Version) -> None:
    sent, logged = (SENT_16, LOGGED_16) if version is Version.V16 else (SENT_2X, LOGGED_2X)
    of_2x = {SecurityEvent.MAINTENANCE_LOGIN_ACCEPTED, SecurityEvent.MAINTENANCE_LOGIN_FAILED}
    kinds = [kind for kind in SecurityEvent if version is not Version.V16 or kind not in of_2x]
    assert {kind.spelling(version) for kind in kinds if kind.is_sent(version)} == set(sent.split())
    assert {kind.spelling(version) for kind in kinds if not kind.is_sent(version)} == set(logged.split())
