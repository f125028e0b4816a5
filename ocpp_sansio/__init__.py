"""OCPP-J as a pure state machine: bytes, time and commands in; bytes, events and the next deadline out.

This package opens no socket, starts no thread, reads no clock. ``ocpp_transports`` has the adapters that do.

The messages are packages of their own, one per version: ``from ocpp_sansio import v16``.
"""

from .application import Authenticate, CentralSystem, Decision
from .connection import CentralSystemConnection, ChargePointConnection
from .diagnosis import validate
from .errors import (
    CallCancelled,
    CallFailure,
    CallRefused,
    CallTimedOut,
    ConnectionLost,
    ErrorCode,
    InvalidMessage,
    InvalidResponse,
    LocalProtocolError,
    OcppError,
    QueueFull,
    Rejection,
    SessionClosed,
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
    DuplicateCall,
    Event,
    LateResponse,
    Misbehaviour,
    PeerMisbehaved,
    PendingCall,
)
from .handlers import CentralSystemHandlers, ChargePointHandlers, Handler, Handlers
from .handshake import NoMatch
from .limits import Limits
from .messages import Action, Actions, Datatype, FromCentralSystem, FromChargePoint, Request, Response, Role
from .session import CentralSystemSession, ChargePointSession, Direction, Session, Tap, numbered_ids
from .version import Version

__all__ = [
    "Action",
    "Actions",
    "Authenticate",
    "CallCancelled",
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
    "ChargePointConnection",
    "ChargePointHandlers",
    "ChargePointSession",
    "ConnectionClosed",
    "ConnectionLost",
    "ConnectionOpened",
    "ConnectionRefused",
    "ConnectionRequested",
    "Credentials",
    "Datatype",
    "Decision",
    "Direction",
    "DuplicateCall",
    "ErrorCode",
    "Event",
    "FromCentralSystem",
    "FromChargePoint",
    "Handler",
    "Handlers",
    "InvalidMessage",
    "InvalidResponse",
    "LateResponse",
    "Limits",
    "LocalProtocolError",
    "Misbehaviour",
    "NoMatch",
    "OcppError",
    "PeerMisbehaved",
    "PendingCall",
    "QueueFull",
    "Rejection",
    "Request",
    "Response",
    "Role",
    "Session",
    "SessionClosed",
    "Tap",
    "Version",
    "Violation",
    "numbered_ids",
    "validate",
]
