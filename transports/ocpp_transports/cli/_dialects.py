"""The versions that the command speaks, the newest first."""

from __future__ import annotations

from typing import Final, Literal, get_args

from ocpp_sansio import Version

from ._story import Dialect
from ._v2x import Dialect21, Dialect201
from ._v16 import Dialect16

__all__ = ["DIALECTS", "NUMBERS", "Number"]

Number = Literal["2.1", "2.0.1", "1.6"]
"""What ``--version`` takes."""
NUMBERS: Final[tuple[Number, ...]] = get_args(Number)

DIALECTS: Final[dict[Version, type[Dialect]]] = {each.version: each for each in (Dialect21, Dialect201, Dialect16)}
