"""The pairing of request, response and direction holds in both type checkers."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CASES = Path(__file__).parent / "typing"
REFUSED = {
    number for number, line in enumerate((CASES / "refused.py").read_text().splitlines(), 1) if "  # refused: " in line
}

pytestmark = pytest.mark.once


def cases() -> list[Path]:
    return sorted(CASES.glob("*.py"))


def run(*command: str) -> str:
    result = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode in (0, 1), result.stdout + result.stderr
    return result.stdout


def mypy() -> set[tuple[str, int]]:
    """The lines of our cases that mypy objects to. Errors elsewhere are the business of the build, not of this test."""
    output = run("mypy", "--strict", "--no-error-summary", "--show-absolute-path", *map(str, cases()))
    found = re.findall(r"^(.+?):(\d+): error:", output, re.MULTILINE)
    return {(Path(path).name, int(line)) for path, line in found if Path(path).parent == CASES}


def pyright() -> set[tuple[str, int]]:
    """The lines of our cases that pyright objects to; each asks for its strict mode."""
    output = json.loads(run("pyright", "--outputjson", "--pythonpath", sys.executable, *map(str, cases())))
    assert output["summary"]["filesAnalyzed"] == len(cases())
    return {
        (Path(item["file"]).name, item["range"]["start"]["line"] + 1)
        for item in output["generalDiagnostics"]
        if item["severity"] == "error"
    }


def expected() -> set[tuple[str, int]]:
    assert len(REFUSED) == 37
    return {("refused.py", line) for line in REFUSED}


def test_mypy_infers_the_response_and_refuses_the_wrong_direction():
    assert mypy() == expected()


def test_pyright_infers_the_response_and_refuses_the_wrong_direction():
    assert pyright() == expected()
