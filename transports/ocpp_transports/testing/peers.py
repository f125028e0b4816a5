"""Peers without manners: WebSocket by hand, so that nothing is too rude to be sent."""

from __future__ import annotations

import base64
import hashlib
import socket
import ssl
import struct
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from .samples import PATIENCE

if TYPE_CHECKING:
    import trustme

__all__ = ["RawPeer", "knocking", "raw_client", "raw_server", "tls"]


class RawPeer:
    """Sends what it is told to, in frames or not, and reads what comes."""

    def __init__(self, stream: socket.socket, *, is_client: bool) -> None:
        self.stream = stream
        self.stream.settimeout(PATIENCE)
        self.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.is_client = is_client
        self.buffer = b""
        self.head = ""
        """That of the handshake's response, for a client; of the request, for a server."""
        self.target = ""
        """What was asked for in the handshake, for a server."""

    def send(self, text: str | bytes, opcode: int = 1) -> None:
        """Send a frame."""
        self.stream.sendall(self.frame(text, opcode))

    def frame(
        self, text: str | bytes, opcode: int = 1, *, fin: bool = True, bits: int = 0, masked: bool | None = None
    ) -> bytes:
        """A frame, not sent yet. ``bits`` are the reserved ones; it is masked as the side has to, or as is said."""
        data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
        first = (0x80 if fin else 0) | bits | opcode
        masked = self.is_client if masked is None else masked
        mask = 0x80 if masked else 0
        if len(data) < 126:
            head = struct.pack("!BB", first, mask | len(data))
        elif len(data) < 2**16:
            head = struct.pack("!BBH", first, mask | 126, len(data))
        else:
            head = struct.pack("!BBQ", first, mask | 127, len(data))
        return head + bytes(4 if masked else 0) + data  # a key of zeroes masks nothing

    def receive(self) -> tuple[int, bytes]:
        """The next frame: its opcode and its data, unmasked."""
        first, second = self._read(2)
        length = second & 0x7F
        if length > 125:
            length = int.from_bytes(self._read(2 if length == 126 else 8), "big")
        mask = self._read(4) if second & 0x80 else None
        data = self._read(length)
        if mask is not None:
            key = (mask * (length // 4 + 1))[:length]
            data = (int.from_bytes(data) ^ int.from_bytes(key)).to_bytes(length)
        return first & 0xF, data

    def receive_text(self) -> str:
        """The text in the next frame, which has to be one."""
        opcode, data = self.receive()
        assert opcode == 1, (opcode, data)
        return data.decode()

    def receive_code(self) -> int | None:
        """The code in the close frame that comes, which is answered; ``None``: the connection ends without one."""
        try:
            while (received := self.receive())[0] != 8:
                pass
        except (EOFError, ConnectionError):
            return None
        with suppress(ConnectionError):
            self.send(received[1], 8)
        assert self.read_all() == b""
        return int.from_bytes(received[1][:2])

    def read_head(self) -> str:
        """The head of an HTTP message."""
        while b"\r\n\r\n" not in self.buffer:
            self._fill()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return head.decode()

    def read_all(self) -> bytes:
        """What comes until the connection ends, one way or the other."""
        try:
            while data := self.stream.recv(2**16):
                self.buffer += data
        except ConnectionError:
            pass
        return self.buffer

    def read_answer(self) -> tuple[int, dict[str, str], bytes]:
        """The response to a request that is refused: its status, its header fields by name in lower case, its body."""
        start, *lines = self.read_head().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines)
        while len(self.buffer) < int(fields["content-length"]):
            self._fill()
        return int(start.split(" ")[1]), fields, self.buffer

    def read_some(self) -> bytes:
        """What comes next; nothing if the connection ends, one way or the other."""
        try:
            return self.stream.recv(2**16)
        except ConnectionError:
            return b""

    def reset(self) -> None:
        """End the connection the hard way."""
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.close()

    def _read(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self._fill()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def _fill(self) -> None:
        data = self.stream.recv(2**16)
        if not data:
            raise EOFError
        self.buffer += data


@contextmanager
def knocking(
    port: int,
    identity: str = "CP_1",
    *,
    version: str | None = "1.6",
    receive_buffer: int | None = None,
    fields: str = "",
    behind: str | None = None,
    password: bytes | None = None,
    context: ssl.SSLContext | None = None,
) -> Generator[RawPeer]:
    """A charge point without manners that has asked to connect. The text ``behind`` comes in one piece with that."""
    with ExitStack() as cleanup:
        stream = cleanup.enter_context(socket.socket())
        if receive_buffer is not None:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        stream.settimeout(PATIENCE)
        stream.connect(("127.0.0.1", port))
        if context is not None:
            stream = cleanup.enter_context(context.wrap_socket(stream, server_hostname="127.0.0.1"))
        peer = RawPeer(stream, is_client=True)
        frame = b"" if behind is None else peer.frame(behind)
        if password is not None:
            fields += f"Authorization: Basic {base64.b64encode(f'{identity}:'.encode() + password).decode()}\r\n"
        if version is not None:
            fields += f"Sec-WebSocket-Protocol: ocpp{version}\r\n"
        peer.stream.sendall(
            f"GET /ocpp/{identity} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            f"{fields}\r\n".encode()
            + frame
        )
        yield peer


@contextmanager
def raw_client(port: int, identity: str = "CP_1", **options: Any) -> Generator[RawPeer]:
    """A charge point without manners, connected. The options are those of :func:`knocking`."""
    with knocking(port, identity, **options) as peer:
        peer.head = peer.read_head()
        assert peer.head.startswith("HTTP/1.1 101 ")
        yield peer


@contextmanager
def raw_server(
    behave: Callable[[RawPeer], object],
    *,
    shake_hands: bool = True,
    version: str | None = "1.6",
    times: int = 1,
    fields: str = "",
    behind: str | None = None,
) -> Generator[str]:
    """A central system without manners: the endpoint of one that takes a connection, and behaves like that."""

    def serve() -> None:
        for _ in range(times):
            serve_one()

    def serve_one() -> None:
        stream, _ = listener.accept()
        with stream:
            peer = RawPeer(stream, is_client=False)
            if shake_hands:
                peer.head = peer.read_head()
                peer.target = peer.head.split(" ")[1]
                key = peer.head.partition("Sec-WebSocket-Key: ")[2].partition("\r\n")[0]
                accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest())  # noqa: S324 - RFC 6455
                chosen = b"" if version is None else b"Sec-WebSocket-Protocol: ocpp%b\r\n" % version.encode()
                peer.stream.sendall(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"%bSec-WebSocket-Accept: %b\r\n\r\n"
                    % (chosen + fields.encode(), accept)
                    + (b"" if behind is None else peer.frame(behind))
                )
            behave(peer)

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as threads:
        listener.settimeout(PATIENCE)
        done = threads.submit(serve)
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/ocpp"
        done.result(PATIENCE)


def tls(authority: trustme.CA) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The contexts of a server that the authority vouches for, and of a client that trusts the authority."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)  # pyright: ignore[reportUnknownMemberType] - its own types leave it open
    client = ssl.create_default_context()
    authority.configure_trust(client)  # pyright: ignore[reportUnknownMemberType] - likewise
    return server, client
