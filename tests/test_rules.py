"""Every rule that binds a role is cited by a test, or there is a reason why none can show it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
TABLE = tomllib.loads((TESTS / "rules.toml").read_text())
RULES = {f"{kind}-{number}" for kind, numbers in TABLE["rules"].items() for number in numbers.split()}
REASONS = TABLE["reasons"]
CITATION = re.compile(r"\b(?:CP16|CS16|ST16|CFG16|RPC|D)-\w+")
NAMED = re.compile(r"(?<![a-z])(?:(cp16|cs16|st16|cfg16|rpc)_|(d)_?)(\d\d[\da-z]?|[a-i]\d)(?![a-z\d])")
"""As a rule is spelled in the name of a test: ``test_cp16_03b_…``, ``test_d13_…``."""


def cited() -> set[str]:
    return {rule for path in TESTS.rglob("test_*.py") if path != Path(__file__) for rule in cited_in(path.read_text())}


def cited_in(text: str) -> Iterator[str]:
    yield from CITATION.findall(text)
    for name in re.findall(r"def (test_\w+)", text):
        for kind, loss, number in NAMED.findall(name):
            yield f"{(kind or loss).upper()}-{number.upper()}"


def test_a_rule_is_cited_by_its_name_in_a_text_or_in_the_name_of_a_test() -> None:
    text = '"""CP16-03B: so it is; CP16-040…044."""\ndef test_d13_cs16_045_rpc_05a_is_so(): ...'
    assert set(cited_in(text)) == {"CP16-03B", "CP16-040", "D-13", "CS16-045", "RPC-05A"}


def test_every_rule_is_cited_by_a_test() -> None:
    missing = sorted(RULES - cited() - set(REASONS))
    assert not missing, f"no test cites {', '.join(missing)}"


def test_a_reason_is_given_only_for_a_rule_that_no_test_cites() -> None:
    assert set(REASONS) <= RULES
    assert not set(REASONS) & cited()
