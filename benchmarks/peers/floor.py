"""The floor: the same bytes to plain Python objects and back, without types, validation or dispatch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from ..clock import Contender
from ..workload import Frame

NAME = "orjson"


def decoder(frame: Frame) -> Callable[[bytes], object]:
    return orjson.loads


def encoder(frame: Frame) -> tuple[Callable[[Any], bytes], Any]:
    return orjson.dumps, frame.elements


def route(frame: Frame) -> Callable[[bytes], bytes]:
    def answer(data: bytes) -> bytes:
        return orjson.dumps([3, orjson.loads(data)[1], {}])

    return answer


def routes(frame: Frame) -> Iterator[Contender]:
    yield Contender(NAME, frame.name, route(frame), frame.numbered(64))
