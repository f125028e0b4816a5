"""What an ASGI server keeps of the limits, and how to tell it: by the settings that these functions make of them.

``uvicorn.run(app, **uvicorn_settings(csms.limits))``, and so on; see ``docs/asgi.md``. What each of them cannot keep
is said there.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from ocpp_sansio import Limits

__all__ = ["granian_settings", "hypercorn_settings", "inflates_within_bounds", "uvicorn_settings"]

MIN_BUFFER: Final = 8192
"""Bytes: with a smaller buffer for heads than this granian does not start."""


def uvicorn_settings(limits: Limits) -> dict[str, Any]:
    """Keyword arguments of ``uvicorn.run`` and ``uvicorn.Config``."""
    return {
        "http": "h11",  # the one whose head is bounded by a setting
        "h11_max_incomplete_event_size": limits.max_handshake_size,
        "proxy_headers": False,  # what a client writes is not believed, not even if it comes from this machine (F-23)
        "ws": "websockets-sansio",
        "ws_max_size": limits.max_message_size,
        "ws_per_message_deflate": False,
        "ws_ping_interval": limits.ping_interval,
        "ws_ping_timeout": limits.ping_timeout,
        "timeout_graceful_shutdown": _seconds(_farewell(limits)),
    }


def hypercorn_settings(limits: Limits) -> dict[str, Any]:
    """What ``hypercorn.Config.from_mapping`` takes."""
    silence = None
    if limits.ping_interval is not None and limits.ping_timeout is not None:
        # A ping is answered within `ping_timeout`, or the connection counts as lost (RPC-123).
        silence = limits.ping_interval + limits.ping_timeout
    farewell = _farewell(limits)
    settings: dict[str, Any] = {
        "h11_max_incomplete_size": limits.max_handshake_size,
        "websocket_max_message_size": limits.max_message_size,
        "websocket_ping_interval": limits.ping_interval,
        "read_timeout": _seconds(silence),
    }
    if limits.handshake_timeout is not None:
        settings["keep_alive_timeout"] = limits.handshake_timeout
    if farewell is not None:
        settings["graceful_timeout"] = farewell
        settings["shutdown_timeout"] = 2 * farewell
    return settings


def granian_settings(limits: Limits) -> dict[str, Any]:
    """Keyword arguments of ``granian.Granian`` and of its embedded server. It bounds messages by itself: 64 MiB."""
    from granian.http import HTTP1Settings  # noqa: PLC0415 - who runs under another server need not have it

    heads: dict[str, Any] = {"max_buffer_size": max(limits.max_handshake_size, MIN_BUFFER)}
    if limits.handshake_timeout is not None:
        heads["header_read_timeout"] = math.ceil(limits.handshake_timeout * 1000)
    return {"interface": "asgi", "http": "1", "http1_settings": HTTP1Settings(**heads)}


def _farewell(limits: Limits) -> float | None:
    """How long it takes at most to close a connection and have its handlers come to their end."""
    return None if limits.close_timeout is None else 3 * limits.close_timeout


def _seconds(seconds: float | None) -> int | None:
    return None if seconds is None else math.ceil(seconds)


# -- who is running us --


def _always(_: Any) -> bool:
    return True


def _if_off(protocol: Any) -> bool:
    return protocol.config.ws_per_message_deflate is False


_BOUNDED: Final[Mapping[str, Callable[[Any], bool]]] = {
    "uvicorn.protocols.websockets.websockets_impl": _always,
    "uvicorn.protocols.websockets.websockets_sansio_impl": _always,
    "uvicorn.protocols.websockets.wsproto_impl": _if_off,
    "granian._futures": _always,
}
"""The modules that call an application under servers that bound what they inflate, or inflate nothing; and, given
the ``self`` they do it with, whether this one does."""


def inflates_within_bounds() -> bool:
    """Whether the server that has called us is known to bound what it inflates; to be asked in the task of its own."""
    frame = inspect.currentframe()  # ASGI does not tell who the server is
    while frame is not None:
        is_bounded = _BOUNDED.get(frame.f_globals.get("__name__", ""))
        if is_bounded is not None:
            return is_bounded(frame.f_locals.get("self"))
        frame = frame.f_back
    return False
