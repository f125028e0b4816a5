"""The examples of docs/, as a reader would run them; and that the maps there lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ocpp_sansio import v16
from ocpp_sansio.charge_point import Security
from ocpp_sansio.charge_point.effects import LockConnector
from tests.charge_point.harness import Bench

ROOT = Path(__file__).parents[1]
ROLES = (ROOT / "docs" / "roles.md").read_text()
BLOCKS: dict[str, str] = dict(re.findall(r"<!-- test: (.+?) -->\n```python\n(.+?)```", ROLES, re.DOTALL))


def test_a_profile_of_the_docs_joins_a_charge_point() -> None:
    assert list(BLOCKS) == ["profile"]
    names: dict[str, Any] = {}
    exec(compile(BLOCKS["profile"], "roles.md", "exec", dont_inherit=True), names)
    bench = Bench(profiles=[names["Staff"]])
    bench.do("plug_in", 1)
    bench.do("present", "staff-1", 1)  # offline, and nobody else knows it
    assert bench.seen(LockConnector) == [LockConnector(1)]
    bench.online()
    version = bench.ask(v16.GetLocalListVersionRequest())
    assert version == v16.GetLocalListVersionResponse(list_version=1)
    assert "LocalAuthListManagement" in bench.point.setting("SupportedFeatureProfiles")


def test_every_file_of_the_map_is_there_and_every_block_is_on_it() -> None:
    table = ROLES[ROLES.index("## Where a rule lives") : ROLES.index("## Another profile")]
    rows = [line.split("|")[2:4] for line in table.splitlines() if line.startswith("| ")][1:]
    for folder, column in (("charge_point", 0), ("central_system", 1)):
        named = {name for row in rows for name in re.findall(r"`(\w+\.py)`", row[column])}
        there = {path.name for path in (ROOT / "ocpp_sansio" / folder).glob("*.py")}
        assert named <= there
        assert there - named <= {"__init__.py", f"{folder}.py", "options.py"}, "the composer composes only"


def test_every_topic_of_the_charge_point_is_told() -> None:
    topics = {topic for block in Bench(profiles=[Security]).point._blocks for topic in block.topics} | {
        "boot",
        "quarantine",
    }
    told = set(re.findall(r"`([a-z-]+)`", ROLES[ROLES.index("| topic |") : ROLES.index("and the central system:")]))
    assert told == topics
