"""Look for inputs that a target does not take, led by coverage (needs atheris: ``pip install -e '.[fuzz]'``).

::

    python -m tests.fuzz TARGET [FLAG…]             one target, until it is stopped; libFuzzer knows the flags
    python -m tests.fuzz --smoke SECONDS            all targets, side by side, within so many seconds in all
    python -m tests.fuzz --reproduce TARGET BASE64  one input, without atheris
    python -m tests.fuzz --keep TARGET DIRECTORY    keep, of the inputs there, a few that reach all that they reach
"""

from __future__ import annotations

import base64
import hashlib
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORK = ROOT / "build" / "fuzz"
"""Where inputs that reach something new are kept from one run to the next, and those that find something."""
NAMES = ("text", "payloads", "steps", "stream", "handshake", "records")
"""Those of the table, which is not to be imported before what it imports can be instrumented."""
PATIENCE = 60
"""Seconds for one input, on however busy a machine: whether time grows as it should is for the tests of growth."""


def fuzz(name: str, flags: list[str], work: Path = WORK, *, until: float | None = None) -> None:
    """Run one target in this process, perhaps until a time of the monotonic clock. It does not return."""
    import atheris  # noqa: PLC0415 - not there where nobody fuzzes

    # What is generated has no branches worth following, and there is a lot of it.
    unfollowed = [f"ocpp_sansio.{module}" for module in ("v16", "v201", "v21", "testing")]
    with atheris.instrument_imports(include=["ocpp_sansio"], exclude=unfollowed):
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415

    target = TARGETS[name]
    kept, made, words = (work / f"{name}{suffix}" for suffix in ("", ".seeds", ".dict"))
    kept.mkdir(parents=True, exist_ok=True)
    write(made, target.seeds())
    words.write_text(dictionary(target.words()))

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        choices = random.Random(seed)
        if choices.randrange(4):
            return bytes(atheris.Mutate(data, max_size))
        return target.spoil(data, choices)[:max_size]

    settings = [
        f"-dict={words}",
        f"-max_len={target.max_size}",
        f"-timeout={PATIENCE}",
        f"-artifact_prefix={work}/{name}.found-",
    ]
    if until is not None:
        settings.append(f"-max_total_time={max(1, round(until - time.monotonic()))}")
    # The last flag of a kind is the one that counts.
    program = f"{sys.executable} -m tests.fuzz {name}"  # libFuzzer starts it again when it merges
    atheris.Setup([program, *settings, *flags, str(kept), str(made)], target.run, custom_mutator=mutate)
    atheris.Fuzz()


def write(directory: Path, inputs: Iterable[bytes]) -> None:
    """Put inputs into a directory, each in a file named after what is in it."""
    directory.mkdir(parents=True, exist_ok=True)
    for each in inputs:
        (directory / hashlib.sha1(each, usedforsecurity=False).hexdigest()).write_bytes(each)


def dictionary(words: Iterable[str]) -> str:
    """The words, as libFuzzer reads them."""
    escaped = ("".join(rf"\x{byte:02x}" for byte in word.encode()) for word in words)
    return "".join(f'"{word}"\n' for word in escaped)


# -- a look at all of them --


def smoke(seconds: float) -> bool:
    """Run every target for its share of so many seconds. Returns whether they took all they got."""
    workers = min(os.cpu_count() or 1, len(NAMES))
    share = seconds * workers / len(NAMES)
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(workers) as pool:
        return all(list(pool.map(lambda name: _look(name, share, Path(directory)), NAMES)))


def _look(name: str, seconds: float, work: Path) -> bool:
    """Run one target for so long, always with the same seed, in a process of its own."""
    began = time.monotonic()
    command = [sys.executable, "-m", "tests.fuzz", "--until", str(began + seconds), str(work), name]
    process = subprocess.run(
        [*command, "-seed=1", "-print_final_stats=1", "-rss_limit_mb=2048"],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    took = time.monotonic() - began
    executions = re.findall(r"number_of_executed_units:\s*(\d+)", process.stdout)
    coverage = re.findall(r"cov: (\d+)", process.stdout)
    if process.returncode == 0 and executions:
        print(f"{name:10} {int(executions[-1]):8,} executions, {coverage[-1]} places reached, {took:.0f} s", flush=True)
        return True
    lines = [process.stdout[-5000:], f"{name}: FAILED with status {process.returncode}"]
    for found in sorted(work.glob(f"{name}.found-*")):
        data = found.read_bytes()
        lines += [f"on this input: {data[:500]!r}", f"python -m tests.fuzz --reproduce {name} {_to_text(data)}"]
    print("\n".join(lines), flush=True)
    return False


def _to_text(data: bytes) -> str:
    return base64.b64encode(data).decode()


# -- single inputs --


def reproduce(name: str, text: str) -> None:
    """Run a target on one input, without atheris."""
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415

    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        sys.exit(f"this is not the base64 of an input: {error}")
    TARGETS[name].run(data)


def keep(name: str, directory: Path) -> None:
    """Have, of the inputs in a directory, those kept that reach what the others do not, and what no made seed does."""
    from tests.fuzz import corpus  # noqa: PLC0415
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as work:
        everything, chosen = Path(work, "all"), Path(work, "chosen")
        write(everything, [*corpus.kept(name), *(path.read_bytes() for path in directory.iterdir())])
        made = set(TARGETS[name].made_seeds())
        write(chosen, made)
        # How often something is reached makes no difference to what is kept.
        flags = ["-merge=1", "-use_counters=0", str(chosen), str(everything)]
        subprocess.run([sys.executable, "-m", "tests.fuzz", name, *flags], cwd=ROOT, check=True)
        corpus.keep(name, [data for path in chosen.iterdir() if (data := path.read_bytes()) not in made])


def main() -> int:
    match sys.argv[1:]:
        case ["--smoke", seconds]:
            return 0 if smoke(float(seconds)) else 1
        case ["--reproduce", name, text] if name in NAMES:
            reproduce(name, text)
        case ["--keep", name, directory] if name in NAMES:
            keep(name, Path(directory))
        case ["--until", until, work, name, *flags] if name in NAMES:
            fuzz(name, flags, Path(work), until=float(until))
        case [name, *flags] if name in NAMES:
            fuzz(name, flags)
        case _:
            print(f"{__doc__}\nTargets: {', '.join(NAMES)}")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
