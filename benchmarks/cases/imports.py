"""CPU time of imports, each in a new interpreter, without the interpreter's own start.

With bytecode that the first run has written, to a place of its own: what happens to lie about from earlier runs, or is
kept from being written, would count for one and not for the other.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable

from .. import peers
from ..results import Series
from . import Setup

STATEMENTS = {
    peers.OURS: "import ocpp_sansio, ocpp_sansio.v16",
    f"{peers.OURS}, no version": "import ocpp_sansio",
    f"{peers.OURS}, 2.0.1": "import ocpp_sansio, ocpp_sansio.v201",
    f"{peers.OURS}, 2.1": "import ocpp_sansio, ocpp_sansio.v21",
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


def _time(statement: str, environment: dict[str, str]) -> float | None:
    done = subprocess.run(
        [sys.executable, "-c", TIMED.format(statement)], capture_output=True, text=True, check=False, env=environment
    )
    return float(done.stdout) if done.returncode == 0 else None


def measure(setup: Setup) -> Iterable[Series]:
    wanted = {
        name: statement
        for name, statement in STATEMENTS.items()
        if name not in ("ocpp", "pydantic") or (setup.wants(name) and not setup.quick)
    }
    rounds = 7 if setup.quick else 15
    with tempfile.TemporaryDirectory(prefix="ocpp-sansio-bytecode-") as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        # The first run writes the bytecode, and tells what can be imported here.
        taken: dict[str, list[float]] = {
            name: [] for name, statement in wanted.items() if _time(statement, environment) is not None
        }
        for number in range(rounds):
            for name, samples in taken.items():
                samples.append(_time(wanted[name], environment) or 0.0)
            setup.progress((number + 1) / rounds)
    return [Series("imports", name, SUBJECT, "ns", samples) for name, samples in taken.items()]
