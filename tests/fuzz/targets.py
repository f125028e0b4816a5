"""The table of what is fuzzed. A target is a function of bytes that returns, or raises because something is wrong.

Three ways to use one, of which none needs the others::

    python -m tests.fuzz text                      for as long as it takes, led by coverage (needs atheris)
    pytest tests/fuzz                              each input that is kept, and every one that ever found something
    given(st.binary())(TARGETS["text"].run)()      under hypothesis
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator

import attrs

from ocpp_sansio.testing.hostile import spoil_bytes

from . import corpus, handshake, payloads, records, samples, steps, stream, text, wire

JSON_WORDS = ["true", "false", "null", "NaN", "1e400", "-0", "0.1", "\\u0000", "\\ud800", '":', '","', "[]", "{}", "}]"]
HTTP_WORDS = """
    Host Upgrade Connection Origin Authorization Basic Sec-WebSocket-Key Sec-WebSocket-Version Sec-WebSocket-Protocol
    Sec-WebSocket-Extensions Sec-WebSocket-Accept permessage-deflate server_max_window_bits client_max_window_bits
    server_no_context_takeover client_no_context_takeover Content-Length Transfer-Encoding chunked Retry-After Date
    ocpp1.6 ocpp2.0.1 ocpp2.1 websocket HTTP/1.1 %2F %00 GMT
""".split()


def _json_words() -> list[str]:
    return [*JSON_WORDS, *samples.words()]


def _http_words() -> list[str]:
    return [*HTTP_WORDS, "\r\n"]


def _both() -> list[str]:
    return [*_http_words(), *_json_words()]


Spoil = Callable[[bytes, random.Random], bytes]
"""Makes another input of one, by putting in what a hostile peer could send."""


def _spoil_behind(head: int) -> Spoil:
    """The text that follows so many bytes."""
    return lambda data, choices: data[:head] + spoil_bytes(data[head:], choices)


def _spoil_line(data: bytes, choices: random.Random) -> bytes:
    """The text of one step, or a step more."""
    lines = data.split(b"\n")
    at = choices.randrange(1, len(lines) + 1)
    line = lines[at] if at < len(lines) and lines[at][:1] == b"r" else b'r[2,"1","Heartbeat",{}]'
    return b"\n".join([*lines[:at], b"r" + spoil_bytes(line[1:], choices).replace(b"\n", b" "), *lines[at:]])


def _spoil_frame(data: bytes, choices: random.Random) -> bytes:
    """A frame more, for either end."""
    text = spoil_bytes('[2,"1","Heartbeat",{}]', choices)
    return data + wire.frame(wire.TEXT, text, masked=bool(choices.randrange(2)))


def _as_it_is(data: bytes, _: random.Random) -> bytes:
    return data


@attrs.frozen
class Target:
    """Something that takes whatever it gets."""

    name: str
    run: Callable[[bytes], None]
    made_seeds: Callable[[], Iterable[bytes]]
    """Inputs to start from, made of what is in the tests anyway."""
    words: Callable[[], list[str]]
    """What inputs are made of: the dictionary."""
    spoil: Spoil
    """The mutator that knows JSON."""
    max_size: int = 4096

    def seeds(self) -> Iterator[bytes]:
        """All inputs to start from."""
        return itertools.chain(self.made_seeds(), corpus.kept(self.name), corpus.found(self.name))


TARGETS = {
    target.name: target
    for target in (
        Target("text", text.run, text.seeds, _json_words, _spoil_behind(2)),
        Target("payloads", payloads.run, payloads.seeds, _json_words, _spoil_behind(2)),
        Target("steps", steps.run, steps.seeds, _json_words, _spoil_line),
        Target("stream", stream.run, stream.seeds, _both, _spoil_frame),
        Target("handshake", handshake.run, handshake.seeds, _http_words, _as_it_is, max_size=2048),
        Target("records", records.run, records.seeds, _json_words, _spoil_line),
    )
}
