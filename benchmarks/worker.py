"""One case in a process of its own: ``python -m benchmarks.worker CASE [--quick] [PEER…]``.

Tells on standard output, a JSON object a line, how far it is and what it has measured.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from . import host
from .cases import CASES, Setup


def _tell(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def main() -> None:
    name, *arguments = sys.argv[1:]
    host.stay()
    setup = Setup(
        quick="--quick" in arguments,
        peers=frozenset(arguments) - {"--quick"},
        progress=lambda done: _tell(done=done),
        remark=lambda remark: _tell(remark=remark),
    )
    for series in CASES[name].measure(setup):
        _tell(series=series.as_dict())


if __name__ == "__main__":
    main()
