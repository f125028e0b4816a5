"""The inputs that are kept: those that reach what no other does, and every one that ever found something."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SEEDS = HERE / "seeds"
"""A file for each target, a JSON string for each input: its characters are the bytes."""
FOUND = HERE / "found.jsonl"
"""The inputs that found something, with what that was."""
FIELD = HERE.parent / "corpus" / "field.jsonl"


def field_frames() -> list[dict[str, Any]]:
    """What was seen in the field."""
    return [json.loads(line) for line in FIELD.read_text().splitlines()]


def kept(target: str) -> Iterator[bytes]:
    """The inputs that are kept for a target."""
    path = SEEDS / f"{target}.jsonl"
    if path.exists():
        for line in path.read_text().splitlines():
            yield json.loads(line).encode("latin-1")


def found(target: str) -> Iterator[bytes]:
    """Those that found something."""
    for line in FOUND.read_text().splitlines():
        row = json.loads(line)
        if row["target"] == target:
            yield row["input"].encode("latin-1")


def keep(target: str, inputs: list[bytes]) -> None:
    """Put these inputs in the place of those that are kept for a target."""
    lines = (json.dumps(each.decode("latin-1")) for each in sorted(inputs, key=lambda each: (len(each), each)))
    (SEEDS / f"{target}.jsonl").write_text("".join(f"{line}\n" for line in lines))
