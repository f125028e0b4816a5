"""What tests say they prove: the rules and faults that they cite, in words or by their names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs

TESTS = Path(__file__).parent
CONTRACT = TESTS.parent / "transports" / "ocpp_transports" / "testing"


def cited_in(text: str, kinds: Iterable[str]) -> Iterator[str]:
    """``RPC-05A`` as it is written, and as it is spelled in the name of a test: ``test_rpc_05a_…``."""
    either = "|".join(kinds)
    yield from re.findall(rf"\b(?:{either})-\w+", text)
    named = re.compile(rf"(?<![a-z])({either.lower()})_?(\d\d[\da-z]?|[a-i]\d)(?![a-z\d])")
    for name in re.findall(r"def (test_\w+)", text):
        for kind, number in named.findall(name):
            yield f"{kind.upper()}-{number.upper()}"


@attrs.frozen
class Proof:
    """A test, and what it is given."""

    path: Path
    text: str
    """Its name and its docstring."""
    parameters: frozenset[str]


def all_tests() -> Iterator[Proof]:
    """Those of the tree, and those of the public contract."""
    for path in (*TESTS.rglob("test_*.py"), *CONTRACT.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                text = f"def {node.name}(): {ast.get_docstring(node) or ''}"
                yield Proof(path, text, frozenset(each.arg for each in node.args.args))
