"""The core is pure: it has no way to the world, and does nothing to it.

Third-party libraries may import what they like (``websockets`` pulls in ``asyncio``'s neighbours); what counts is
that none of our modules imports such a thing, and that a whole exchange calls none of it.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ocpp_sansio

PACKAGE = Path(ocpp_sansio.__path__[0])
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "_codegen" not in path.parts)
NAMES = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__") for path in MODULES]

WORLD = set(
    """
    _socket _thread anyio asyncio concurrent glob http.client io multiprocessing os pathlib random secrets select
    selectors shutil signal socket socketserver ssl subprocess tempfile threading time trio urllib.request
    """.split()
)

pytestmark = pytest.mark.once
"""What lets a module reach out: sockets, loops, threads, clocks, randomness, files, processes."""

IMPURE_CALLS = {"open", "input", "print", "exec", "eval", "__import__", "breakpoint"}
COMPILES = "ocpp_sansio.writer"
"""The one module that runs source code, which it makes from the declarations of the message classes alone."""
WALL_CLOCKS = {"now", "utcnow", "today"}


def test_there_is_something_to_look_at() -> None:
    assert {"ocpp_sansio", "ocpp_sansio.session", "ocpp_sansio.connection", "ocpp_sansio.v16.messages"} <= set(NAMES)


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_no_module_imports_a_way_to_the_world(path: Path) -> None:
    """So whatever URL or path a message names, there is nothing here that could open it (F-118)."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            imported.add(node.module or "")
            imported.update(f"{node.module}.{alias.name}" for alias in node.names)
    assert not {name for name in imported if name in WORLD or name.partition(".")[0] in WORLD}


@pytest.mark.parametrize(("name", "path"), [*zip(NAMES, MODULES, strict=True)], ids=NAMES)
def test_no_module_calls_what_needs_no_import(name: str, path: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Call)]
    assert {func.id for func in calls if isinstance(func, ast.Name)} & IMPURE_CALLS == (
        {"exec"} if name == COMPILES else set()
    )
    assert not [
        ast.unparse(func)
        for func in calls
        if isinstance(func, ast.Attribute)
        and func.attr in WALL_CLOCKS
        and isinstance(func.value, ast.Name)
        and func.value.id in {"datetime", "date"}
    ]


def fresh(*arguments: str) -> str:
    """Run Python from scratch; what it printed. Warnings are errors there too."""
    run = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize("name", NAMES)
def test_each_module_can_be_the_first_to_be_imported(name: str) -> None:
    fresh("-c", f"import {name}")


def test_the_core_alone_pulls_in_no_version_and_no_optional_library() -> None:
    loaded = set(fresh("-c", "import sys, ocpp_sansio; print(*sys.modules)").split())
    assert not {name for name in loaded if name.startswith(("ocpp_sansio.v", "ocpp_transports"))} - {
        "ocpp_sansio.version"
    }
    assert not {name.partition(".")[0] for name in loaded} & {"trio", "anyio", "cyclopts", "rich", "hypothesis", "ocpp"}


@pytest.mark.parametrize("layer", ["session", "connection"])
def test_a_whole_exchange_needs_no_world(layer: str) -> None:
    fresh(str(Path(__file__).with_name("pure_exchange.py")), layer)


def test_the_test_itself_would_notice() -> None:
    """The script does take the world away: a step of it that opens a file, or reads a clock, fails."""
    for deed in ("time.time()", "open('x')", "__import__('socket').create_server(('127.0.0.1', 0))", "random.random()"):
        code = f"import sys; sys.path.insert(0, '.'); from pure_exchange import *; take_away_the_world(); {deed}"
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
        )
        assert "AssertionError" in run.stderr, deed
