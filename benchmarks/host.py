"""The machine and the interpreter: which processor to run on, and what to say about them beside every figure."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from typing import Any

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

PACKAGES = ("ocpp-sansio", "msgspec", "attrs", "cattrs", "websockets", "orjson", "ocpp", "jsonschema-rs", "pydantic")


def processor() -> int | None:
    """The one to measure on: not the first, which has the most interrupts to serve. ``None``: it cannot be chosen."""
    return max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def stay() -> None:
    """Let this process, and those it starts, run on one processor."""
    if (mine := processor()) is not None:
        os.sched_setaffinity(0, {mine})


def take_turns() -> None:
    """Let those that this process starts leave the processor only when they have nothing to do.

    A server and its load share one. On two, what it costs to wake the other one would be measured as well, and that
    depends on the machine, and on who is faster. On one, they take turns: all stations ask, then all are answered.
    Otherwise whoever is woken may get the processor at once, and the faster a server is, the fewer it finds waiting.
    """
    if hasattr(os, "SCHED_BATCH"):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**27)}
"""glibc left alone decides by what a process has freed so far whether the 256 KiB that asyncio reads into come from the
heap, or from the system with three system calls for each read. That is chance, and costs more than most servers do."""


def environment() -> dict[str, str]:
    """For processes whose figures are compared: dicts laid out alike in each, and memory got in the same way."""
    return {**os.environ, **ALLOCATOR, "PYTHONHASHSEED": "0"}


def allow_many_files(count: int) -> int:
    """Raise the limit on open files of this process, and of those it starts, up to this. How many it allows then."""
    if resource is None:
        return count
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft == resource.RLIM_INFINITY or soft >= allowed:
        return count if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


def _build() -> str:
    """Whether this interpreter was optimised: one that was not makes everything written in Python look slow."""
    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    flags = " ".join(sysconfig.get_config_var(name) or "" for name in ("PY_CORE_CFLAGS", "PY_CFLAGS"))
    optimised = [what for what in ("--enable-optimizations", "--with-lto") if what in arguments]
    optimised += ["profile guided"] if "-fprofile-use" in flags else []
    return ", ".join(optimised) or "not optimised (no --enable-optimizations, no LTO)"


def description() -> dict[str, Any]:
    """What figures depend on."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": platform.python_compiler(),
        "build": _build(),
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
