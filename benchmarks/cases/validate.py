"""``ocpp-sansio validate`` on a log of 200 stations: what a frame costs, and whether memory grows with the file.

Beside a process that only reads the lines and the messages in them, with the standard library.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

from ..results import Series
from ..workload import frames
from . import Setup

VALIDATE, FLOOR = "validate", "json.loads"
COMMANDS = {
    VALIDATE: "from ocpp_transports.cli import main; main()",
    FLOOR: "import json, sys\nfor line in open(sys.argv[2]): json.loads(json.loads(line)['text'])",
}
SUBJECT = "a frame on record"

STATIONS = 200
FEW = 10_000
"""Frames of a file that is there to tell what all but the frames takes."""


class _Usage(NamedTuple):
    seconds: float
    """CPU time."""
    peak: int
    """KiB of resident memory."""


def _exchanges() -> Iterator[list[str]]:
    """CALLs of a charge point, each with its answer, without their ids."""
    texts = {name: frame.data.decode() for name, frame in frames().items()}
    beat, boot = ([texts[f"{name}_request"], texts[f"{name}_response"]] for name in ("heartbeat", "boot_notification"))
    others = [[texts[f"{name}_request"], '[3,"id",{}]'] for name in ("status_notification", "meter_values_1")]
    for exchange in cycle([boot, *others * 3, beat]):
        yield [text.replace(text.split('"', 2)[1], "%s", 1) for text in exchange]


def _write(path: Path, count: int) -> None:
    with path.open("wb") as file:
        for number, exchange in enumerate(islice(_exchanges(), count // 2)):
            for direction, text in zip(("in", "out"), exchange, strict=True):
                record = {
                    "time": f"2026-11-22T{number // 36000 % 24:02}:{number // 600 % 60:02}:{number // 10 % 60:02}.000Z",
                    "identity": f"CP{number % STATIONS}",
                    "direction": direction,
                    "text": text.replace("%s", str(number), 1),
                }
                file.write(msgspec.json.encode(record) + b"\n")


def _run(name: str, path: Path) -> _Usage:
    command = [sys.executable, "-c", COMMANDS[name], "validate", str(path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{name}: exit status {process.returncode}"
    return _Usage(used.ru_utime + used.ru_stime, used.ru_maxrss)


def measure(setup: Setup) -> Iterable[Series]:
    many, rounds = (60_000, 3) if setup.quick else (1_000_000, 5)
    samples: dict[str, list[float]] = {name: [] for name in COMMANDS}
    peaks: list[list[int]] = [[], []]
    with tempfile.TemporaryDirectory(prefix="ocpp-sansio-") as folder:
        paths = [Path(folder, f"{count}.jsonl") for count in (FEW, many)]
        for path, count in zip(paths, (FEW, many), strict=True):
            _write(path, count)
        setup.remark(f"validate: {many:,} frames of {STATIONS} stations, {paths[1].stat().st_size / 1e6:.0f} MB")
        for number in range(rounds):
            for name, taken in samples.items():
                few, all_of_them = (_run(name, path) for path in paths)
                taken.append((all_of_them.seconds - few.seconds) / (many - FEW) * 1e9)
                if name == VALIDATE:
                    peaks[0].append(few.peak)
                    peaks[1].append(all_of_them.peak)
            setup.progress((number + 1) / rounds)
    setup.remark(f"validate: {1e9 / median(samples[VALIDATE]):,.0f} frames per second of a processor")
    before, behind = (median(each) / 1024 for each in peaks)
    setup.remark(f"validate: at its peak {before:.1f} MiB for {FEW:,} frames, {behind:.1f} MiB for {many:,}")
    return [Series("validate", name, SUBJECT, "ns", taken) for name, taken in samples.items()]
