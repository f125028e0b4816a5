"""What a charge point of OCPP 1.6 does, above who calls whom: the Core profile as a pure machine.

:class:`ChargePoint` outlives links and is told of them; it has no hardware, no disk and no clock. What it wants done is
in ``effects``. Each of its blocks is one file: look for a rule where its subject is. What blocks share, and where a
further profile joins, is ``backbone``.
"""

from . import effects
from .backbone import Backbone, Block, ConnectorSetup, Setup
from .charge_point import ChargePoint
from .keys import Access, Key
from .security import Equipment, LinkSecurity, Security
from .trigger import ExtendedTriggerMessages

__all__ = [
    "Access",
    "Backbone",
    "Block",
    "ChargePoint",
    "ConnectorSetup",
    "Equipment",
    "ExtendedTriggerMessages",
    "Key",
    "LinkSecurity",
    "Security",
    "Setup",
    "effects",
]
