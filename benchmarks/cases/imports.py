"""CPU time of imports, each in a new interpreter, without the interpreter's own start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable

from .. import peers
from ..results import Series
from . import Setup

STATEMENTS = {
    peers.OURS: "import ocpp_sansio, ocpp_sansio.v16",
    "attrs, cattrs": "import attrs, cattrs",
    "ocpp_transports.asyncio": "import ocpp_sansio.v16, ocpp_transports.asyncio",
    peers.OCPP: "import ocpp.v16",
    "pydantic": "import pydantic",
}
SUBJECT = "import"

TIMED = """\
from time import process_time_ns
start = process_time_ns()
{}
print(process_time_ns() - start)
"""


def _time(statement: str) -> float | None:
    done = subprocess.run(
        [sys.executable, "-c", TIMED.format(statement)], capture_output=True, text=True, check=False, env=os.environ
    )
    return float(done.stdout) if done.returncode == 0 else None


def measure(setup: Setup) -> Iterable[Series]:
    wanted = {
        name: statement
        for name, statement in STATEMENTS.items()
        if name not in ("ocpp", "pydantic") or (setup.wants(name) and not setup.quick)
    }
    # The first run writes and reads caches: the files' and the bytecode's.
    taken: dict[str, list[float]] = {name: [] for name, statement in wanted.items() if _time(statement) is not None}
    rounds = 7 if setup.quick else 15
    for number in range(rounds):
        for name, samples in taken.items():
            samples.append(_time(wanted[name]) or 0.0)
        setup.progress((number + 1) / rounds)
    return [Series("imports", name, SUBJECT, "ns", samples) for name, samples in taken.items()]
