"""Findings on paper: as lines to be read and searched, as JSON Lines, and as SARIF for the tools of a build.

All of it is written as it is found, so that it takes no memory.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import PurePath
from typing import Any, Final, Literal, Protocol
from urllib.parse import quote

import attrs
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ocpp_sansio import Role
from ocpp_sansio.audit import Audit
from ocpp_sansio.findings import RULES, Finding, Severity
from ocpp_sansio.version import MessageType

from ._files import STANDARD_INPUT
from ._frames import printable

__all__ = ["REPORTS", "Format", "Judged", "Report"]

Format = Literal["text", "json", "sarif"]

MAX_STATIONS_SHOWN: Final = 10
"""Of which a text says what they speak."""
_ENDS: Final = {Role.CHARGE_POINT: "CP→CS", Role.CENTRAL_SYSTEM: "CS→CP", None: "-"}
_STYLES: Final = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}


@attrs.frozen
class Judged:
    """One file that has been read to its end."""

    name: str
    lines: int
    passed_over: int
    """Lines without a message."""
    messages: Mapping[MessageType, int]
    """How many there were of each type."""
    audit: Audit
    """Of this file alone, or of all."""


class Report(Protocol):
    """Where findings go."""

    def find(self, name: str, finding: Finding) -> None:
        """One more, in this file."""
        ...

    def close(self, files: list[Judged], seconds: float, *, unshown: int, is_quiet: bool) -> None:
        """There are no more, and some were not shown."""
        ...


def _audits(files: list[Judged]) -> Iterable[Audit]:
    """Each once: files of one traffic have one together."""
    return dict.fromkeys(each.audit for each in files)


def _tally(files: list[Judged]) -> Counter[tuple[str, str, Severity]]:
    tally: Counter[tuple[str, str, Severity]] = Counter()
    for audit in _audits(files):
        tally.update(audit.tally)
    return tally


def _by_severity(files: list[Judged]) -> dict[Severity, int]:
    counts = dict.fromkeys(Severity, 0)
    for (_, _, severity), count in _tally(files).items():
        counts[severity] += count
    return counts


def _messages(files: list[Judged]) -> int:
    return sum(sum(each.messages.values()) for each in files)


# -- text --


class TextReport:
    """A line for each finding, always with the same columns, and a summary."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, markup=False, soft_wrap=True) if sys.stdout.isatty() else None

    def find(self, name: str, finding: Finding) -> None:
        head = f"{_word(name)}:{finding.line}: "
        rest = " ".join(
            _word(each)
            for each in (
                finding.rule_id,
                finding.rule,
                finding.code,
                finding.identity,
                _ENDS[finding.sender],
                finding.action,
                finding.message_id,
                finding.path,
            )
        )
        repair = f" ({finding.repair})" if finding.repair else ""
        rest = f" {rest}: {printable(finding.message)}{repair}"
        if self._console is None:
            sys.stdout.write(f"{head}{finding.severity.value}{rest}\n")
        else:
            severity = (finding.severity.value, _STYLES[finding.severity])
            self._console.print(Text.assemble((head, "dim"), severity, rest))

    def close(self, files: list[Judged], seconds: float, *, unshown: int, is_quiet: bool) -> None:
        if is_quiet or not files:
            return
        console = self._console or Console(highlight=False, width=120)
        if unshown:
            console.print(f"… and {unshown} more")
        tally = _tally(files)
        if tally:
            console.print(_table(tally))
        counts = ", ".join(_counted(count, severity.value) for severity, count in _by_severity(files).items())
        lines = _counted(sum(each.passed_over for each in files), "other line")
        console.print(f"{counts} in {_counted(_messages(files), 'message')}; {lines}; {seconds:.1f} s")
        for line in _spoken(files):
            console.print(line, markup=False)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _word(text: str | None) -> str:
    """One column: whatever it is, without what would make it two, or move the cursor."""
    return "".join("·" if each.isspace() else each for each in printable(text)) if text else "-"


def _table(tally: Counter[tuple[str, str, Severity]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("action", "rule"):
        table.add_column(column)
    for severity in Severity:
        table.add_column(f"{severity.value}s", justify="right")
    for action, rule in sorted({key[:2] for key in tally}):
        counts = (tally[action, rule, severity] for severity in Severity)
        table.add_row(action or "-", rule, *(str(count or "") for count in counts))
    return table


def _spoken(files: list[Judged]) -> Iterator[str]:
    stations = [station for audit in _audits(files) for station in audit.spoken.items()]
    for identity, spoken in stations[:MAX_STATIONS_SHOWN]:
        how = " (a guess)" if spoken.is_guess else ""
        yield f"{_word(identity)} speaks {spoken.version}{how}"
    if len(stations) > MAX_STATIONS_SHOWN:
        yield f"… and {len(stations) - MAX_STATIONS_SHOWN} more stations"


# -- JSON Lines --


def _members(finding: Finding) -> dict[str, Any]:
    """What a finding says, without what it does not."""
    members: dict[str, Any] = {
        "line": finding.line,
        "severity": finding.severity.value,
        "rule": finding.rule,
        "id": finding.rule_id,
        "code": finding.code,
        "identity": finding.identity,
        "sender": finding.sender and finding.sender.value,
        "version": finding.version and finding.version.value,
        "type": finding.message_type and finding.message_type.name,
        "messageId": finding.message_id,
        "action": finding.action,
        "path": finding.path,
        "repair": finding.repair,
        "message": finding.message,
    }
    return {name: value for name, value in members.items() if value is not None}


class JsonReport:
    """An object for each finding, and one for all."""

    def find(self, name: str, finding: Finding) -> None:
        _write_line({"file": _readable(name), **_members(finding)})

    def close(self, files: list[Judged], seconds: float, *, unshown: int, is_quiet: bool) -> None:
        if is_quiet:
            return
        tally = _tally(files)
        _write_line(
            {
                "summary": {
                    "findings": {severity.value: count for severity, count in _by_severity(files).items()},
                    "unshown": unshown,
                    "seconds": round(seconds, 3),
                    "by": [
                        {
                            "action": action or None,
                            "rule": rule,
                            **{severity.value: tally[action, rule, severity] for severity in Severity},
                        }
                        for action, rule in sorted({key[:2] for key in tally})
                    ],
                    "files": [_file(each) for each in files],
                }
            }
        )


def _file(judged: Judged) -> dict[str, Any]:
    return {
        "file": _readable(judged.name),
        "lines": judged.lines,
        "passedOver": judged.passed_over,
        "messages": {message_type.name: count for message_type, count in judged.messages.items()},
        "stations": [
            {"identity": identity, "version": spoken.version.value, "guessed": spoken.is_guess}
            for identity, spoken in judged.audit.spoken.items()
        ],
    }


def _readable(name: str) -> str:
    """The name of a file, which may be any bytes, in UTF-8."""
    return os.fsencode(name).decode(errors="replace")


def _write_line(value: Mapping[str, Any]) -> None:
    sys.stdout.write(_json(value) + "\n")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


# -- SARIF --

_NAMES: Final = list(RULES)


class SarifReport:
    """One run of SARIF 2.1.0."""

    def __init__(self) -> None:
        rules = [
            {
                "id": name,
                "shortDescription": {"text": rule.text},
                "defaultConfiguration": {"level": rule.severity[1].value},
                "properties": {"tags": sorted({*rule.ids})},
            }
            for name, rule in RULES.items()
        ]
        driver = {"name": "ocpp-sansio", "version": version("ocpp-sansio"), "rules": rules}
        head = _json({"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0"})[:-1]
        self._before = f'{head},"runs":[{{"tool":{_json({"driver": driver})},"results":['
        """What is still to be written before anything else."""
        self._separator = "\n"

    def find(self, name: str, finding: Finding) -> None:
        uri = "stdin" if name == STANDARD_INPUT else quote(os.fsencode(PurePath(name).as_posix()))
        where: dict[str, Any] = {
            "physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": finding.line}}
        }
        logical = "/".join(filter(None, (finding.identity, finding.action, finding.path)))
        if logical:
            where["logicalLocations"] = [{"fullyQualifiedName": logical}]
        result = {
            "ruleId": finding.rule,
            "ruleIndex": _NAMES.index(finding.rule),
            "level": finding.severity.value,
            "message": {"text": finding.message},
            "locations": [where],
            "properties": _members(finding),
        }
        self._write(self._separator + _json(result))
        self._separator = ",\n"

    def close(self, files: list[Judged], seconds: float, *, unshown: int, is_quiet: bool) -> None:  # noqa: ARG002
        self._write(f'\n],"properties":{_json({"messages": _messages(files), "unshown": unshown})}}}]}}\n')

    def _write(self, text: str) -> None:
        sys.stdout.write(self._before + text)
        self._before = ""


REPORTS: Final[dict[Format, type[TextReport | JsonReport | SarifReport]]] = {
    "text": TextReport,
    "json": JsonReport,
    "sarif": SarifReport,
}
