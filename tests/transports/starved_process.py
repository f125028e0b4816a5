"""A process that serves a central system with descriptors for few: it tells its port, and ends with its input."""

from __future__ import annotations

import os
import resource
import sys

from tests.transports.contract import ADAPTERS, central_system

SPARE = 8
"""Descriptors that are left for charge points."""


def main(name: str) -> None:
    (adapter,) = (each for each in ADAPTERS if each.name == name)
    with adapter.serve(central_system(accept_before_boot=True)) as served:
        used = max(map(int, os.listdir("/dev/fd")))  # noqa: PTH208 - of numbers
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + SPARE, used + SPARE))
        print(served.port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
