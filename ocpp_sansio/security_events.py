"""What happens to the security of a charge point, by kind: how each version spells it, and whether it is to be sent.

The kinds are those of the lists that come with the specifications; a vendor may have more, which are plain text.
"""

from __future__ import annotations

from enum import Enum, unique
from typing import Final

from .version import Version

__all__ = ["SecurityEvent"]


@unique
class SecurityEvent(Enum):
    """A kind of security event, one member per meaning; :meth:`spelling` gives a version's name for it."""

    FIRMWARE_UPDATED = "FirmwareUpdated"
    FAILED_TO_AUTHENTICATE = "FailedToAuthenticateAtCsms"
    """The central system did not believe the charge point."""
    CSMS_FAILED_TO_AUTHENTICATE = "CsmsFailedToAuthenticate"
    SETTING_SYSTEM_TIME = "SettingSystemTime"
    STARTUP_OF_THE_DEVICE = "StartupOfTheDevice"
    RESET_OR_REBOOT = "ResetOrReboot"
    SECURITY_LOG_WAS_CLEARED = "SecurityLogWasCleared"
    RECONFIGURATION_OF_SECURITY_PARAMETERS = "ReconfigurationOfSecurityParameters"
    MEMORY_EXHAUSTION = "MemoryExhaustion"
    INVALID_MESSAGES = "InvalidMessages"
    ATTEMPTED_REPLAY_ATTACKS = "AttemptedReplayAttacks"
    TAMPER_DETECTION_ACTIVATED = "TamperDetectionActivated"
    INVALID_FIRMWARE_SIGNATURE = "InvalidFirmwareSignature"
    INVALID_FIRMWARE_SIGNING_CERTIFICATE = "InvalidFirmwareSigningCertificate"
    INVALID_CSMS_CERTIFICATE = "InvalidCsmsCertificate"
    """The central system's certificate is expired, of another name or of nobody that is trusted (RPC-149)."""
    INVALID_CHARGING_STATION_CERTIFICATE = "InvalidChargingStationCertificate"
    """The certificate that the charge point was given for itself cannot be used."""
    INVALID_TLS_VERSION = "InvalidTLSVersion"
    """The central system speaks no version of TLS that is safe (RPC-149)."""
    INVALID_TLS_CIPHER_SUITE = "InvalidTLSCipherSuite"
    """The central system has no cipher suite that is safe (RPC-149)."""
    MAINTENANCE_LOGIN_ACCEPTED = "MaintenanceLoginAccepted"
    MAINTENANCE_LOGIN_FAILED = "MaintenanceLoginFailed"

    def spelling(self, version: Version) -> str:
        """How this version writes the kind, in the ``type`` of a SecurityEventNotification."""
        return _SPELLINGS_16.get(self, self.value) if version is Version.V16 else self.value

    def is_sent(self, version: Version) -> bool:
        """Whether the central system has to be told (CP16-231, CP201-141); if not, it only goes to the security log.

        Those about the central system's TLS are sent in every version (RPC-149): 1.6 does not call them critical.
        """
        return self in (_SENT_16 if version is Version.V16 else _SENT_2X)


_SPELLINGS_16: Final = {
    SecurityEvent.FAILED_TO_AUTHENTICATE: "FailedToAuthenticateAtCentralSystem",
    SecurityEvent.CSMS_FAILED_TO_AUTHENTICATE: "CentralSystemFailedToAuthenticate",
    SecurityEvent.INVALID_CSMS_CERTIFICATE: "InvalidCentralSystemCertificate",
    SecurityEvent.INVALID_CHARGING_STATION_CERTIFICATE: "InvalidChargePointCertificate",
}

_SENT_16: Final = frozenset(
    {
        SecurityEvent.FIRMWARE_UPDATED,
        SecurityEvent.SETTING_SYSTEM_TIME,
        SecurityEvent.STARTUP_OF_THE_DEVICE,
        SecurityEvent.RESET_OR_REBOOT,
        SecurityEvent.SECURITY_LOG_WAS_CLEARED,
        SecurityEvent.MEMORY_EXHAUSTION,
        SecurityEvent.TAMPER_DETECTION_ACTIVATED,
        SecurityEvent.INVALID_CSMS_CERTIFICATE,
        SecurityEvent.INVALID_TLS_VERSION,
        SecurityEvent.INVALID_TLS_CIPHER_SUITE,
    }
)
_SENT_2X: Final = _SENT_16 | {
    SecurityEvent.INVALID_FIRMWARE_SIGNATURE,
    SecurityEvent.INVALID_FIRMWARE_SIGNING_CERTIFICATE,
    SecurityEvent.INVALID_CHARGING_STATION_CERTIFICATE,
    SecurityEvent.MAINTENANCE_LOGIN_ACCEPTED,
    SecurityEvent.MAINTENANCE_LOGIN_FAILED,
}
