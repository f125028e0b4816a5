"""The adapter of docs/adapters.md is held to the contract as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parents[1] / "docs" / "adapters.md").read_text()


def test_the_adapter_of_the_page_keeps_the_contract(tmp_path: Path) -> None:
    (block,) = re.findall(r"<!-- test: adapter -->\n```python\n(.+?)```", PAGE, re.DOTALL)
    path = tmp_path / "test_mine.py"
    path.write_text(block)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-W",
        "error",
        "-p",
        "no:cacheprovider",
        "-k",
        "not f_07",
        path.name,
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    count = re.search(r"(\d+) passed", done.stdout)
    assert count is not None
    assert int(count.group(1)) > 40
