"""The frames that everything is measured on: one file per frame, exactly as it goes over the wire.

The folder a file is in is the OCPP version it belongs to. Its name is unique over all versions: figures go by it.

They are what a charge point sends on an ordinary day: the usual optional properties are there, the rare ones are not,
for a frame with every property set would hide what an ordinary one costs.
"""

from __future__ import annotations

from functools import cache, cached_property
from pathlib import Path
from typing import Any

import attrs
import orjson

from ocpp_sansio import Version
from ocpp_sansio.messages import Action, Datatype

FOLDER = Path(__file__).parent / "workload"

SMALL, LARGE = 400, 1500
"""Bytes: a small frame has fewer than the first, a large one at least the second."""

DIGITS = 8
"""Of the number that a numbered frame has for its id."""


@attrs.frozen(slots=False)
class Frame:
    """One message of the workload."""

    name: str
    version: Version
    data: bytes = attrs.field(repr=False)

    @cached_property
    def elements(self) -> list[Any]:
        return orjson.loads(self.data)

    @property
    def is_call(self) -> bool:
        return self.elements[0] == 2

    @property
    def message_id(self) -> str:
        return self.elements[1]

    @property
    def payload(self) -> dict[str, Any]:
        return self.elements[-1]

    @cached_property
    def action_name(self) -> str:
        return self.elements[2] if self.is_call else "".join(map(str.title, self.name.split("_")[:-1]))

    @property
    def action(self) -> Action:
        return self.version.actions[self.action_name]

    @property
    def message_class(self) -> type[Datatype]:
        return self.action.request if self.is_call else self.action.response

    @property
    def is_small(self) -> bool:
        return len(self.data) < SMALL

    @property
    def is_large(self) -> bool:
        return len(self.data) >= LARGE

    def with_id(self, message_id: str) -> bytes:
        """The same message under another id."""
        return self.data.replace(f'"{self.message_id}"'.encode(), f'"{message_id}"'.encode(), 1)

    def numbered(self, count: int) -> list[bytes]:
        """The same message under many ids: nobody who keeps answers for repeated ids may recognise one."""
        return [self.with_id(f"{number:0{DIGITS}}") for number in range(count)]


@cache
def frames() -> dict[str, Frame]:
    """The whole workload by name, from the smallest to the largest."""
    files = FOLDER.glob("*/*.json")
    found = [Frame(file.stem, Version(file.parent.name), file.read_bytes().strip()) for file in files]
    return {frame.name: frame for frame in sorted(found, key=lambda frame: len(frame.data))}


def meter_values(samples: int) -> Frame:
    """A MeterValues request with so many sampled values, ten to a meter value, to see how cost grows."""
    template = frames()["meter_values_80_request"]
    values = [each for meter_value in template.payload["meterValue"] for each in meter_value["sampledValue"]]
    timestamp = template.payload["meterValue"][0]["timestamp"]
    sampled = [values[index % len(values)] for index in range(samples)]
    payload = {
        **template.payload,
        "meterValue": [
            {"timestamp": timestamp, "sampledValue": sampled[start : start + 10]} for start in range(0, samples, 10)
        ],
    }
    data = orjson.dumps([*template.elements[:-1], payload])
    return Frame(f"meter_values_{samples}_request", template.version, data)


def spoilt(frame: Frame) -> Frame:
    """A MeterValues request with three things wrong with it, near its end: a reader has to go all the way."""
    payload = orjson.loads(orjson.dumps(frame.payload))
    *_, last = payload["meterValue"]
    last["sampledValue"][-1]["unit"] = "Volts"
    last["sampledValue"][0]["quality"] = "good"
    del last["timestamp"]
    return Frame(f"{frame.name}_invalid", frame.version, orjson.dumps([*frame.elements[:-1], payload]))
