"""Instructions counted by callgrind: figures that repeat, whatever else the machine is doing. Needs valgrind.

A program is run twice, with one more batch of calls the second time: what it took more is what the batch took.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable

from .. import host, peers
from ..results import Series
from ..workload import frames
from . import Setup

SUBJECTS = ("heartbeat_request", "meter_values_1_request", "meter_values_80_request")
CONTENDERS = {peers.OURS: "ours", peers.FLOOR: "floor"}
WARM_UP, BATCH = 50, 100

PROGRAM = """\
import gc, sys
from benchmarks.peers import {module}
from benchmarks.workload import frames
gc.disable()
frame = frames()[{subject!r}]
decode, data = {module}.decoder(frame), frame.data
for _ in range(int(sys.argv[1])):
    decode(data)
"""


def _count(program: str, calls: int) -> int:
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, "-c", program]
    done = subprocess.run([*command, str(calls)], capture_output=True, text=True, check=True, env=host.environment())
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found is not None, done.stderr
    return int(found[1])


def measure(setup: Setup) -> Iterable[Series]:
    if shutil.which("valgrind") is None:
        raise SystemExit("instructions are counted by valgrind, which is not installed")
    pairs = [(subject, name) for subject in SUBJECTS if subject in frames() for name in CONTENDERS]
    for index, (subject, name) in enumerate(pairs):
        program = PROGRAM.format(module=CONTENDERS[name], subject=subject)
        counted = _count(program, WARM_UP + BATCH) - _count(program, WARM_UP)
        setup.progress((index + 1) / len(pairs))
        yield Series("instructions", name, subject, "instructions", [counted / BATCH])
