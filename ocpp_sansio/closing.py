"""What is said in the frame that closes a WebSocket, whoever sends it (RPC-017)."""

from __future__ import annotations

from typing import Final

__all__ = ["DISPLACED", "close_frame"]

DISPLACED: Final = 1008, "replaced by a newer connection"
"""What a connection is closed with when the charge point has opened another one (RPC-017, RPC-019)."""
MAX_REASON: Final = 123
"""Bytes of the reason in a close frame."""

# RFC 6455, 7.4, and IANA's registry: 1004 is reserved, and 1005, 1006 and 1015 are for no frame.
_RESERVED: Final = {1004, 1005, 1006}
_STANDARD: Final = range(1000, 1015)
_PRIVATE: Final = range(3000, 5000)


def close_frame(code: int, reason: str) -> tuple[int, str]:
    """Code and reason, as they fit into a close frame.

    Raises:
        ValueError: the code is not for use in a close frame.
    """
    if code not in _PRIVATE and (code not in _STANDARD or code in _RESERVED):
        raise ValueError(f"{code} is not for use in a close frame")
    return int(code), reason.encode(errors="replace")[:MAX_REASON].decode(errors="ignore")
