"""``python -m ocpp_sansio._codegen [--check]``."""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import Any

from .reader import read
from .render import render
from .schemas import load

DATA = Path(__file__).parent
"""Where the data files are, one per version."""
PACKAGES = DATA.parent
"""Where the packages are written."""


def generate() -> Iterator[tuple[Path, str]]:
    """Every generated module, and what it should be."""
    for file in sorted(DATA.glob("*.toml")):
        data = load_data(file)
        package = read(data, load(data["package"]["schemas"]))
        for name, text in render(package).items():
            yield PACKAGES / package.name / name, text


def load_data(file: Path) -> dict[str, Any]:
    """What a data file says, with what it inherits: the file of a later version may say only what differs."""
    data = tomllib.loads(file.read_text("utf-8"))
    if base := data["package"].get("inherits"):
        data = _merged(load_data(file.with_name(f"{base}.toml")), data)
    return data


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    tables = {key: _merged(base[key], value) for key, value in changes.items() if isinstance(base.get(key), dict)}
    return base | changes | tables


def write() -> None:
    """Write what has changed."""
    for path, text in generate():
        path.parent.mkdir(exist_ok=True)
        if _current(path) != text:
            path.write_text(text, "utf-8")
            print(path.relative_to(PACKAGES))


def check() -> str:
    """How the committed modules differ from what they should be; empty if they do not."""
    return "".join(
        line
        for path, text in generate()
        for line in unified_diff(
            _current(path).splitlines(keepends=True),
            text.splitlines(keepends=True),
            f"{path.relative_to(PACKAGES)} (committed)",
            f"{path.relative_to(PACKAGES)} (generated)",
        )
    )


def _current(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; what it returns is the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m ocpp_sansio._codegen", description="Generate the message packages."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if anything would change")
    if not parser.parse_args(arguments).check:
        write()
        return 0
    difference = check()
    print(difference, end="")
    return 1 if difference else 0


if __name__ == "__main__":
    sys.exit(main())
