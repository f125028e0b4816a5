"""Our instructions counted by callgrind: figures that repeat, whatever else the machine is doing. Needs valgrind.

They are for comparing us with ourselves, before and after a change. Beside somebody else they would mislead: valgrind
does not know every instruction of today's processors, and a library that has code for those runs other code there.
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
from . import Setup

SUBJECTS = ("heartbeat_request", "meter_values_1_request", "meter_values_80_request")
WARM_UP, BATCH = 50, 500

WORK = {
    "decode": "work, arguments = ours.decoder(frame), [frame.data]",
    "encode": "work, message = ours.encoder(frame); arguments = [message]",
    "inbound": "work, arguments = ours.route(frame), frame.numbered(64)",
}
"""What is counted, as the case of that name times it."""

PROGRAM = """\
import gc, sys
from itertools import cycle, islice
from benchmarks.peers import ours
from benchmarks.workload import frames
gc.disable()
frame = frames()[{subject!r}]
{work}
for argument in islice(cycle(arguments), int(sys.argv[1])):
    work(argument)
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
    counts = [(what, subject) for what in WORK for subject in SUBJECTS]
    for index, (what, subject) in enumerate(counts):
        program = PROGRAM.format(subject=subject, work=WORK[what])
        counted = _count(program, WARM_UP + BATCH) - _count(program, WARM_UP)
        setup.progress((index + 1) / len(counts))
        yield Series("instructions", peers.OURS, f"{what} {subject}", "instructions", [counted / BATCH])
