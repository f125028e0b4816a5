"""What a central system of OCPP 1.6 does, above who calls whom: the Core profile as a pure machine.

:class:`CentralSystem` puts the functional blocks together, a file each; what they share is in ``backbone``, what they
tell the driver in ``effects``. A further profile joins as one more block.

For 2.x there is :class:`TransactionEvents`, which stands alone: it knows which events of a transaction have come.
"""

from .authorisation import Authorisation, Authorise, IdTag
from .backbone import Backbone, Block, Registration
from .central_system import CentralSystem
from .data_transfer import DataTransfer, VendorHandler
from .effects import (
    Anomaly,
    Command,
    CommandExpired,
    CommandFailed,
    CommandRefused,
    CommandSucceeded,
    ConnectorReported,
    Effect,
    HookFailed,
    IdTagChecked,
    LedgerAnomaly,
    LedgerOverflow,
    MessageRefused,
    MeterValuesReceived,
    RecordUnreadable,
    StationBack,
    StationBooted,
    StationConnected,
    StationDisconnected,
    StationSilent,
    TransactionStarted,
    TransactionStopped,
    TransactionUpdated,
)
from .entries import Stop, Transaction, UnmatchedStop
from .ledger import Ledger, TransactionIds
from .options import Options
from .presence import Presence
from .registration import Policy, Registrations, Verdict
from .transaction_events import Standing, TellsTransaction, ToldTransaction, TransactionEvents
from .view import Connector, Setting, StationView, View

__all__ = [
    "Anomaly",
    "Authorisation",
    "Authorise",
    "Backbone",
    "Block",
    "CentralSystem",
    "Command",
    "CommandExpired",
    "CommandFailed",
    "CommandRefused",
    "CommandSucceeded",
    "Connector",
    "ConnectorReported",
    "DataTransfer",
    "Effect",
    "HookFailed",
    "IdTag",
    "IdTagChecked",
    "Ledger",
    "LedgerAnomaly",
    "LedgerOverflow",
    "MessageRefused",
    "MeterValuesReceived",
    "Options",
    "Policy",
    "Presence",
    "RecordUnreadable",
    "Registration",
    "Registrations",
    "Setting",
    "Standing",
    "StationBack",
    "StationBooted",
    "StationConnected",
    "StationDisconnected",
    "StationSilent",
    "StationView",
    "Stop",
    "TellsTransaction",
    "ToldTransaction",
    "Transaction",
    "TransactionEvents",
    "TransactionIds",
    "TransactionStarted",
    "TransactionStopped",
    "TransactionUpdated",
    "UnmatchedStop",
    "VendorHandler",
    "Verdict",
    "View",
]
