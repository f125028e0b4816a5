"""Payloads of every message class: what the codec, the diagnosis and the standard library make of one, they agree on.

Two bytes choose the class, the others are the payload.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec

from ocpp_sansio.codec import Codec, PayloadError, codec_of
from ocpp_sansio.diagnosis import MAX_VIOLATIONS, diagnose, worst
from ocpp_sansio.schema import kind_of, kinds_within
from ocpp_sansio.tolerance import FIELD, MAX_DEVIATIONS, WARN_ONLY, read_payload

from . import oracles, samples


def run(data: bytes) -> None:
    classes = samples.classes()
    cls, payload = classes[int.from_bytes(data[:2], "big") % len(classes)], data[2:]
    codec = codec_of(cls)
    value = oracles.read(payload)
    violations = diagnose(cls, payload)
    assert len(violations) <= MAX_VIOLATIONS
    try:
        message = codec.decode(payload)
    except PayloadError:
        assert violations, "refused for no reason"
        worst(violations)
        assert all(len(str(each)) < 5000 for each in violations), "however long the value, its report is short (F-69)"
        _tolerate(codec, payload)
        return
    assert not violations, violations
    assert value is not oracles.ABSENT, "not JSON to anybody else"
    text = codec.encode(message)
    assert text == codec.encode_with_proof(message)
    assert codec.encode(codec.decode(text)) == text, "a round trip changes nothing (F-72)"
    if value is not oracles.UNKNOWN:
        assert oracles.same(value, json.loads(text)), (value, text)


def _tolerate(codec: Codec[Any], payload: bytes) -> None:
    """What is refused and put up with all the same has its deviations, few enough; with more tolerance no fewer."""
    for tolerance in (FIELD, WARN_ONLY):
        with suppress(PayloadError):
            _, deviations = read_payload(codec, payload, tolerance)
            assert 0 < len(deviations) <= MAX_DEVIATIONS


def seeds() -> Iterator[bytes]:
    for number, cls in enumerate(samples.classes()):
        for full in (False, True):
            yield number.to_bytes(2, "big") + msgspec.json.encode(samples.payload(cls, full=full))
        if number % 20 == 0 or any(kind.decimals for kind in kinds_within(kind_of(cls))):
            yield from _odd(number, samples.payload(cls, full=True))


def _odd(number: int, payload: dict[str, Any]) -> Iterator[bytes]:
    """What is right or wrong in ways that a closer look is for, in one of the places where there is such a value."""
    text = json.dumps(payload)
    for usual, odd in (
        ('"2026-01-01T00:00:00Z"', '"2026-01-01T01:30:00.123456+01:30"'),
        (": 0.1", ": 0.05"),
        (": 0.1", ": 1e-1"),
        (': ""', ': "\\ud800"'),
        ('{"a": [1]}', "1e400"),
        (": 0,", ": 3000000000,"),
    ):
        if usual in text:
            yield number.to_bytes(2, "big") + text.replace(usual, odd, 1).encode()
