"""What docs/validate.md shows is what the command prints."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from ocpp_sansio import Direction
from ocpp_sansio.findings import RULES
from ocpp_transports.cli._app import app
from ocpp_transports.recording import read

pytestmark = pytest.mark.once

PAGE = (Path(__file__).parents[1] / "docs" / "validate.md").read_text()
CARDS = "".join(
    json.dumps({"direction": "in", "identity": "CP_1", "text": text}) + "\n"
    for text in (
        '[2,"1","Authorize",{"idTag": "04E5AA71"}',
        '[2,"2","StartTransaction",{"connectorId":"1","idTag": "04E5AA71"}',
    )
)
SOLD = json.dumps({"direction": "in", "identity": "CP_1", "text": '[2,"1","Sold",{"cents":"12"}]'}) + "\n"


def blocks(kind: str, language: str) -> dict[str, str]:
    return dict(re.findall(rf"<!-- {kind}: ([^\n]+?) -->\n```{language}\n(.*?)```", PAGE, re.DOTALL))


def without_times(text: str) -> str:
    return re.sub(r"\d+\.\d s\b", "0.0 s", re.sub(r" +$", "", text, flags=re.MULTILINE))


@pytest.mark.parametrize("command", blocks("session", "text"))
def test_a_session_went_as_it_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    files = {**blocks("file", "text"), **blocks("file", "python"), "cards.jsonl": CARDS, "sold.jsonl": SOLD}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    with contextlib.suppress(SystemExit):
        app(shlex.split(command)[1:])
    assert without_times(capsys.readouterr().out) == blocks("session", "text")[command]


def test_every_rule_is_on_the_page() -> None:
    table = PAGE.partition("<!-- rules -->\n")[2].partition("\n\n")[0]
    rows = [f"| `{name}` | {', '.join(dict.fromkeys(rule.ids))} | {rule.text} |" for name, rule in RULES.items()]
    assert table.splitlines()[2:] == rows


def names(value: object) -> set[str]:
    """Of all members, at any depth."""
    if isinstance(value, dict):
        return {*map(str, value)}.union(*map(names, value.values()))
    return set[str]().union(*map(names, value)) if isinstance(value, list) else set()


def test_every_member_of_the_json_is_on_the_page(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(blocks("file", "text")["home-assistant.log"])
    with contextlib.suppress(SystemExit):
        app(["validate", str(path), "--format", "json", "--tolerance", "field"])
    found = names([json.loads(line) for line in capsys.readouterr().out.splitlines()])
    assert {"messageId", "repair", "passedOver", "guessed"} < found
    assert [name for name in sorted(found) if f"`{name}`" not in PAGE] == []


def test_the_code_on_the_page_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = blocks("test", "python")
    assert list(code) == ["audit", "recorder"]
    names: dict[str, Any] = {}
    exec(compile(code["audit"], "validate.md", "exec", dont_inherit=True), names)
    (log,) = blocks("file", "text").values()
    assert [each.rule for each in names["findings"]([log[:100].encode(), log[100:].encode()])][:1] == [
        "additionalProperties"
    ]

    monkeypatch.chdir(tmp_path)
    exec(compile(code["recorder"], "validate.md", "exec", dont_inherit=True), names)
    with names["recorder"] as recorder:
        recorder(Direction.IN, '[2,"CP_1","Heartbeat",{}]', 0.0)
    (message,) = read("traffic.jsonl")
    assert "CP_1" not in message.text
