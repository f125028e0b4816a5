"""Every target with every input that is kept, and with every one that ever found something; and under hypothesis.

That a target finds what is wrong is shown by breaking what it looks at.
"""

from __future__ import annotations

import json
import random
import re
import sys
from functools import cache
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocpp_sansio import codec, diagnosis, frames, handshake
from ocpp_sansio.charge_point import ChargePoint
from ocpp_sansio.framing import Library
from ocpp_sansio.inbound import InboundCalls
from ocpp_sansio.outbound import OutboundCalls
from ocpp_sansio.websocket import WebSocket
from tests.fuzz import corpus
from tests.fuzz.__main__ import NAMES, dictionary, main
from tests.fuzz.targets import TARGETS, Target

pytestmark = pytest.mark.once

every_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@cache
def seeds(name: str) -> list[bytes]:
    return list(TARGETS[name].seeds())


@every_target
def test_a_target_takes_every_input_that_is_kept(target: Target) -> None:
    for data in seeds(target.name):
        target.run(data)


@every_target
@pytest.mark.parametrize("data", [b"", b"\0", b"\n", b"\xff" * 9], ids=repr)
def test_a_target_takes_next_to_nothing(target: Target, data: bytes) -> None:
    target.run(data)


@every_target
def test_a_target_takes_inputs_spoilt_and_crossed(target: Target) -> None:
    @given(st.sampled_from(seeds(target.name)), st.sampled_from(seeds(target.name)), st.integers(0, 2**32))
    @settings(max_examples=50)
    def look(one: bytes, other: bytes, seed: int) -> None:
        choices = random.Random(seed)
        at = choices.randrange(1 + min(len(one), len(other)))
        target.run((one[:at] + other[at:])[: target.max_size])
        target.run(target.spoil(one, choices)[: target.max_size])

    look()


def test_the_entry_point_knows_every_target() -> None:
    assert (*TARGETS,) == NAMES


@pytest.mark.parametrize("words", [["--reproduce", "nonsense", ""], ["--keep", "nonsense", "."], ["nonsense"], []])
def test_the_entry_point_names_the_targets_to_whoever_knows_none(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["fuzz", *words])
    assert main() == 2
    assert ", ".join(NAMES) in capsys.readouterr().out


def test_an_input_is_reproduced_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[bytes] = []
    monkeypatch.setitem(TARGETS, "text", attrs.evolve(TARGETS["text"], run=got.append))
    monkeypatch.setattr(sys, "argv", ["fuzz", "--reproduce", "text", "WzJd"])
    assert main() == 0
    assert got == [b"[2]"]
    monkeypatch.setattr(sys, "argv", ["fuzz", "--reproduce", "text", "!!!"])
    with pytest.raises(SystemExit, match="not the base64"):
        main()


@every_target
def test_a_dictionary_has_a_word_a_line(target: Target) -> None:
    words = target.words()
    assert len(words) > 20
    lines = dictionary(words).splitlines()
    assert len(lines) == len(words)
    assert all(re.fullmatch(r'"(\\x[0-9a-f]{2})+"', line) for line in lines)


def test_the_corpus_can_be_read_and_is_small() -> None:
    files = [corpus.FOUND, *corpus.SEEDS.glob("*.jsonl")]
    assert sum(path.stat().st_size for path in files) < 300_000
    assert {path.stem for path in files} <= {*TARGETS, "found"}
    for line in corpus.FOUND.read_text().splitlines():
        row = json.loads(line)
        assert row["target"] in TARGETS
        assert row["what"]


# -- a broken machine is found out, by inputs that are kept --


def _always_the_one_on_the_wire(calls: Any, _message_id: str) -> Any:
    outbound, calls.on_wire = calls.on_wire, None
    return outbound


def _at_once(calls: Any, outbound: Any, now: float) -> None:
    calls.on_wire, outbound.deadline = outbound, now + outbound.call.timeout
    calls._send(outbound.text)


def _raise(*_: object) -> None:
    raise LookupError


BREAKS: dict[str, tuple[str, object, str, object]] = {
    "any answer will do": ("text", OutboundCalls, "take", _always_the_one_on_the_wire),
    "what is broken off is a CALL": ("text", frames, "_salvage", lambda _: (2, "1")),
    "as many as may come are held": (
        "text",
        InboundCalls,
        "hold",
        lambda calls, *held: calls.held.append(held) or True,
    ),
    "an id is taken again": ("steps", InboundCalls, "has_room_for", lambda calls, _: len(calls.in_progress) < 2),
    "nothing waits for its turn": ("steps", OutboundCalls, "add", _at_once),
    "what is lost has no outcome": ("steps", OutboundCalls, "_fail", lambda *_: None),
    "tenths are not counted": ("payloads", codec, "_are_even", lambda *_: True),
    "bounds are overlooked": ("payloads", diagnosis, "_refuse_out_of_bounds", lambda *_: None),
    "timestamps lose their offset": ("payloads", codec, "_tidied", lambda text: text[:19] + b"Z" + text[25:]),
    "a frame is forgotten halfway": ("stream", Library, "is_at_rest", True),
    "fragments are not counted": ("stream", WebSocket, "_fail", lambda *_: None),
    "any identity will do": ("handshake", handshake, "_flaw", lambda _: None),
    "a refusal is two": ("handshake", handshake, "_phrase", lambda _: "\r\n\r\n"),
    "a record that is unreadable": ("records", ChargePoint, "_quarantine", _raise),
}


@pytest.mark.parametrize("how", BREAKS)
def test_a_target_finds_what_is_broken(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, where, attribute, broken = BREAKS[how]
    monkeypatch.setattr(where, attribute, broken)

    def fails(data: bytes) -> bool:
        try:
            TARGETS[name].run(data)
        except Exception:  # noqa: BLE001 - whatever it is
            return True
        return False

    assert any(map(fails, seeds(name)))
