"""What a strict reader refuses, read all the same where the application has asked for that. The cold path.

Strict first, then tolerant, never silent: nothing here is asked before the codec, or whoever reads the frames, has said
no. It mends a copy by the repairs that are allowed, has the same judge look at the copy, as strictly as ever, and
reports every place. What is right, only the judge knows.

* :mod:`.policy`: what to put up with, and where: :class:`Tolerance`.
* :mod:`.payloads`: payloads, by what their class declares.
* :mod:`.texts`: texts that are not JSON, and the message around the payload.
"""

from __future__ import annotations

from .payloads import MAX_DEVIATIONS, MAX_ENUM_LENGTH, mend_payload, read_payload
from .policy import FIELD, STRICT, WARN_ONLY, Half, Rule, StationTolerance, Tolerance, Tolerated, per_station
from .texts import MAX_TEXT, mend_action, mend_frame, mend_text, read_frame

__all__ = [
    "FIELD",
    "MAX_DEVIATIONS",
    "MAX_ENUM_LENGTH",
    "MAX_TEXT",
    "STRICT",
    "WARN_ONLY",
    "Half",
    "Rule",
    "StationTolerance",
    "Tolerance",
    "Tolerated",
    "mend_action",
    "mend_frame",
    "mend_payload",
    "mend_text",
    "per_station",
    "read_frame",
    "read_payload",
]
