"""OCPP-J as a pure state machine: bytes, time and commands in; bytes, events and the next deadline out.

This package opens no socket, starts no thread, reads no clock. ``ocpp_transports`` has the adapters that do.

The messages are packages of their own, one per version: ``from ocpp_sansio import v16``, ``v201`` or ``v21``. The
connections come with the WebSocket library, which is as much to import as all the rest: that is done when one of them
is asked for, and so it is with what not everybody needs: the typed DataTransfer, the judge of who may connect, what
connects again, and the connection over a WebSocket of others.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .application import CentralSystem
from .diagnosis import validate
from .errors import (
    CallCancelled,
    CallExpired,
    CallFailure,
    CallRefused,
    CallTimedOut,
    ConnectionLost,
    ConnectionReplaced,
    ErrorCode,
    InvalidMessage,
    InvalidResponse,
    LocalProtocolError,
    OcppError,
    QueueFull,
    Rejection,
    SessionClosed,
    Unsendable,
    Violation,
)
from .events import (
    CallFailed,
    CallOverdue,
    CallReceived,
    CallSucceeded,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRefused,
    ConnectionRequested,
    Credentials,
    Deviation,
    DuplicateCall,
    Event,
    LateResponse,
    Misbehaviour,
    PeerMisbehaved,
    PendingCall,
    ProbeAnswered,
    Repair,
    ResultRefused,
    SendReceived,
)
from .facts import CertificateFacts, TransportFacts
from .handlers import CentralSystemHandlers, ChargePointHandlers, Handler, Handlers
from .limits import Limits
from .messages import (
    Action,
    Actions,
    CustomData,
    Datatype,
    FromCentralSystem,
    FromChargePoint,
    Request,
    Response,
    Role,
    Send,
    SendFromChargePoint,
)
from .registry import Takeover
from .schema import in_force
from .session import CentralSystemSession, ChargePointSession, Direction, Session, Tap, numbered_ids
from .tolerance import FIELD, STRICT, WARN_ONLY, Tolerance
from .version import NoMatch, Version

if TYPE_CHECKING:
    from .backlog import Backlog
    from .backoff import Backoff
    from .connection import CentralSystemConnection, ChargePointConnection, ConnectionOptions, LinkOptions
    from .data_transfer import DataTransfer, DataTransfers, TransferRefused, TransferStatus
    from .dialer import Dialer, DialFailure
    from .entrance import Authenticate, Decision, Incident, Refusal, SecurityIncident
    from .hosted import HostedConnection
    from .security import Account, Authentication, PasswordHash, SecurityProfile
    from .security_events import SecurityEvent
    from .security_reports import SecurityReports
else:
    _ON_DEMAND = {
        "Backlog": ".backlog",
        "Backoff": ".backoff",
        **dict.fromkeys(
            ("CentralSystemConnection", "ChargePointConnection", "ConnectionOptions", "LinkOptions"), ".connection"
        ),
        **dict.fromkeys(("DataTransfer", "DataTransfers", "TransferRefused", "TransferStatus"), ".data_transfer"),
        **dict.fromkeys(("DialFailure", "Dialer"), ".dialer"),
        **dict.fromkeys(("Authenticate", "Decision", "Incident", "Refusal", "SecurityIncident"), ".entrance"),
        "HostedConnection": ".hosted",
        **dict.fromkeys(("Account", "Authentication", "PasswordHash", "SecurityProfile"), ".security"),
        "SecurityEvent": ".security_events",
        "SecurityReports": ".security_reports",
    }

    def __getattr__(name: str) -> Any:
        if name not in _ON_DEMAND:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_ON_DEMAND[name], __name__), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "FIELD",
    "STRICT",
    "WARN_ONLY",
    "Account",
    "Action",
    "Actions",
    "Authenticate",
    "Authentication",
    "Backlog",
    "Backoff",
    "CallCancelled",
    "CallExpired",
    "CallFailed",
    "CallFailure",
    "CallOverdue",
    "CallReceived",
    "CallRefused",
    "CallSucceeded",
    "CallTimedOut",
    "CentralSystem",
    "CentralSystemConnection",
    "CentralSystemHandlers",
    "CentralSystemSession",
    "CertificateFacts",
    "ChargePointConnection",
    "ChargePointHandlers",
    "ChargePointSession",
    "ConnectionClosed",
    "ConnectionLost",
    "ConnectionOpened",
    "ConnectionOptions",
    "ConnectionRefused",
    "ConnectionReplaced",
    "ConnectionRequested",
    "Credentials",
    "CustomData",
    "DataTransfer",
    "DataTransfers",
    "Datatype",
    "Decision",
    "Deviation",
    "DialFailure",
    "Dialer",
    "Direction",
    "DuplicateCall",
    "ErrorCode",
    "Event",
    "FromCentralSystem",
    "FromChargePoint",
    "Handler",
    "Handlers",
    "HostedConnection",
    "Incident",
    "InvalidMessage",
    "InvalidResponse",
    "LateResponse",
    "Limits",
    "LinkOptions",
    "LocalProtocolError",
    "Misbehaviour",
    "NoMatch",
    "OcppError",
    "PasswordHash",
    "PeerMisbehaved",
    "PendingCall",
    "ProbeAnswered",
    "QueueFull",
    "Refusal",
    "Rejection",
    "Repair",
    "Request",
    "Response",
    "ResultRefused",
    "Role",
    "SecurityEvent",
    "SecurityIncident",
    "SecurityProfile",
    "SecurityReports",
    "Send",
    "SendFromChargePoint",
    "SendReceived",
    "Session",
    "SessionClosed",
    "Takeover",
    "Tap",
    "Tolerance",
    "TransferRefused",
    "TransferStatus",
    "TransportFacts",
    "Unsendable",
    "Version",
    "Violation",
    "in_force",
    "numbered_ids",
    "validate",
]
