"""What a message is like when it has been sent and read again (F-72)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from ocpp_sansio.messages import Datatype


def truncated(value: Any) -> Any:
    """A message as it is after a journey: its timestamps in UTC, without what is smaller than a millisecond."""
    if isinstance(value, datetime):
        return value.replace(microsecond=value.microsecond // 1000 * 1000).astimezone(UTC)
    if isinstance(value, Datatype):
        return msgspec.structs.replace(
            value, **{name: truncated(getattr(value, name)) for name in value.__struct_fields__}
        )
    return [truncated(item) for item in value] if isinstance(value, list) else value
