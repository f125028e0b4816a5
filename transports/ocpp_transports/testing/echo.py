"""An echo in place of OCPP, for the conformance suites that others have for WebSocket.

``python -m ocpp_transports.testing.echo --adapter asyncio --role server --port 9001`` serves one, until a signal.
With ``--role client --url ws://127.0.0.1:9001`` it does what a suite that serves wants of a client: it asks for the
number of cases (``/getCaseCount``), runs each (``/runCase?case=…&agent=…``), and has the report written
(``/updateReports?agent=…``).

Everything beneath the messages is what OCPP goes through as well: the adapter, its driver, the connection, the frames.
Lifted is what OCPP asks for beyond RFC 6455: a subprotocol, texts and nothing else, and limits that fit its messages.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial
from importlib import import_module
from typing import Any, ClassVar, Final

from websockets.frames import Frame, Opcode

from ocpp_sansio import CentralSystem, ConnectionRequested, Limits, Version
from ocpp_sansio.connection import CentralSystemConnection, ChargePointConnection
from ocpp_sansio.facts import TransportFacts
from ocpp_sansio.handshake import Admission, Head
from ocpp_sansio.version import NoMatch
from ocpp_sansio.websocket import ClientWebSocket, ServerWebSocket, WebSocket

from .samples import anybody

__all__ = ["LIMITS", "echo_system", "echoing", "main"]

LIMITS: Final = Limits(
    max_message_size=2**26,
    max_fragments=2**20,
    max_unsent=2**26,
    max_control_burst=10**6,
    handshake_timeout=60,
    ping_interval=None,
    close_timeout=5,
)
"""What a suite sends is within these bounds, or meant not to be."""


class _EchoWebSocket(WebSocket):
    """Needs no subprotocol, and sends binary messages back."""

    _chunks: list[bytes] | None = None
    """What has come of a binary message in fragments."""

    def _open(self, version: Version | None, flaw: str, rest: bytes) -> None:
        super()._open(version or Version.V16, flaw, rest)

    def _on_binary(self, frame: Frame) -> None:
        self._chunks = []
        self._on_chunk(frame)

    def _on_chunk(self, frame: Frame) -> None:
        if self._chunks is None:
            self._on_continuation(frame)
            return
        self._chunks.append(bytes(frame.data))
        if frame.fin:
            self._frames.library.send_binary(b"".join(self._chunks))
            self._chunks = None

    _ON_FRAME: ClassVar[dict[Opcode, Callable[[Any, Frame], None]]] = {
        **WebSocket._ON_FRAME,
        Opcode.BINARY: _on_binary,
        Opcode.CONT: _on_chunk,
    }


class _AnyPath(Admission):
    """Wants no identity in the path."""

    def examine(
        self,
        target: str,  # noqa: ARG002
        head: Head,
        offered: Iterable[str],
        facts: TransportFacts,
    ) -> ConnectionRequested:
        return super().examine("/echo", head, offered, facts)


class _EchoServerWebSocket(_EchoWebSocket, ServerWebSocket):
    """A server's."""

    def __init__(self, on_text: Callable[[str], None], *, now: float) -> None:
        versions, no_match = [Version.V16], NoMatch.ACCEPT_THEN_CLOSE
        super().__init__(
            versions,
            on_text,
            no_match=no_match,
            allow_origin=True,
            facts=TransportFacts,
            compression=True,
            limits=LIMITS,
            now=now,
        )
        self._admission = _AnyPath(versions, no_match, allow_origin=True)


class _EchoClientWebSocket(_EchoWebSocket, ClientWebSocket):
    """A client's."""


class EchoServerConnection(CentralSystemConnection):
    """A server's connection: what a driver does with it is what it always does."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._websocket = _EchoServerWebSocket(self._on_text, now=options["now"])

    def _on_text(self, text: str) -> None:
        self._websocket.send_text(text.encode())


class EchoClientConnection(ChargePointConnection):
    """A client's connection."""

    heard: Callable[[str], object]

    def __init__(self, url: str, identity: str, **options: Any) -> None:
        super().__init__(url, identity, **options)
        self._websocket = _EchoClientWebSocket(
            self._endpoint, [], self._on_text, headers=(), compression=True, limits=LIMITS, now=options["now"]
        )

    def _on_text(self, text: str) -> None:
        self.heard(text)
        self._websocket.send_text(text.encode())


@contextmanager
def echoing(heard: Callable[[str], object] = len) -> Generator[None]:
    """Let every adapter make connections that echo, until the end of the block. ``heard`` has what a client hears.

    Adapters do not ask which connections to make. So they find others, of the same kind, under the names they know.
    """
    client = type("EchoClientConnection", (EchoClientConnection,), {"heard": staticmethod(heard)})
    others = {"ChargePointConnection": client, "CentralSystemConnection": EchoServerConnection}
    replaced: list[tuple[Any, str, object]] = []
    for module in [each for name, each in sys.modules.items() if name.startswith("ocpp_transports.")]:
        for name, other in others.items():
            if module.__name__ != __name__ and hasattr(module, name):
                replaced.append((module, name, getattr(module, name)))
                setattr(module, name, other)
    try:
        yield
    finally:
        for module, name, original in replaced:
            setattr(module, name, original)


def echo_system() -> CentralSystem:
    """An application object for a server that echoes: everybody may connect."""
    csms = CentralSystem(limits=LIMITS, allow_origin=True)
    csms.authenticate(anybody)
    return csms


def _converse(adapter: str, module: Any, backend: dict[str, Any], url: str, path: str) -> None:
    """Connect as a client, and echo until the server closes."""
    if adapter == "sync":
        with module.connect(url, path, limits=LIMITS) as peer:
            peer.wait_closed()
        return

    async def converse() -> None:
        connected: AbstractAsyncContextManager[Any] = module.connect(url, path, limits=LIMITS)
        async with connected as peer:
            await peer.wait_closed()

    if adapter == "asyncio":
        asyncio.run(converse())
    else:
        import_module(adapter).run(converse, **backend)


def _run_cases(converse: Callable[[str, str], None], base: str, agent: str, texts: list[str]) -> None:
    base = base.rstrip("/")
    converse(f"{base}/", "getCaseCount")
    count = int(texts[-1])
    for case in range(1, count + 1):
        converse(f"{base}/?case={case}&agent={agent}", "runCase")
        sys.stdout.write(f"\r{case}/{count}")
        sys.stdout.flush()
    converse(f"{base}/?agent={agent}", "updateReports")
    sys.stdout.write("\n")


def main(arguments: Iterable[str] | None = None) -> None:
    """The command; see the head of this module."""
    parser = argparse.ArgumentParser(prog="python -m ocpp_transports.testing.echo", description=__doc__)
    parser.add_argument("--adapter", choices=["asyncio", "trio", "sync", "anyio"], required=True)
    parser.add_argument("--backend", choices=["asyncio", "trio"], help="of anyio")
    parser.add_argument("--role", choices=["server", "client"], required=True)
    parser.add_argument("--port", type=int, default=9001, help="where to serve, on 127.0.0.1")
    parser.add_argument("--url", default="ws://127.0.0.1:9001", help="where the suite serves")
    parser.add_argument("--agent", help="the name in the report; without, the one of the adapter")
    options = parser.parse_args(None if arguments is None else list(arguments))
    backend = {} if options.backend is None else {"backend": options.backend}
    module = import_module(f"ocpp_transports.{options.adapter}")
    texts: list[str] = []
    with echoing(texts.append):
        if options.role == "server":
            logging.basicConfig(level=logging.INFO, format="%(message)s")  # it says where it listens
            module.run(echo_system(), port=options.port, **backend)
        else:
            converse = partial(_converse, options.adapter, module, backend)
            _run_cases(converse, options.url, options.agent or options.adapter, texts)


if __name__ == "__main__":
    main()
