"""Every rule that binds a role is cited by a test, or there is a reason why none can show it."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tests.citations import TESTS, cited_in

TABLE = tomllib.loads((TESTS / "rules.toml").read_text())
RULES = {f"{kind}-{number}" for kind, numbers in TABLE["rules"].items() for number in numbers.split()}
REASONS = TABLE["reasons"]
KINDS = TABLE["rules"].keys()


def cited() -> set[str]:
    paths = (path for path in TESTS.rglob("test_*.py") if path != Path(__file__))
    return {rule for path in paths for rule in cited_in(path.read_text(), KINDS)}


def test_a_rule_is_cited_by_its_name_in_a_text_or_in_the_name_of_a_test() -> None:
    text = '"""CP16-03B: so it is; CP16-040…044."""\ndef test_d13_cs16_045_rpc_05a_is_so(): ...'
    assert set(cited_in(text, KINDS)) == {"CP16-03B", "CP16-040", "D-13", "CS16-045", "RPC-05A"}


def test_every_rule_is_cited_by_a_test() -> None:
    missing = sorted(RULES - cited() - set(REASONS))
    assert not missing, f"no test cites {', '.join(missing)}"


def test_a_reason_is_given_only_for_a_rule_that_no_test_cites() -> None:
    assert set(REASONS) <= RULES
    assert not set(REASONS) & cited()
