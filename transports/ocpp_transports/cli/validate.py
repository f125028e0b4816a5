"""``ocpp-sansio validate``: what is wrong with the messages of recordings, traces and logs."""

from __future__ import annotations

import pkgutil
import sys
import time
from itertools import chain
from typing import Annotated, Any, Final, Literal

from cyclopts import Parameter

from ocpp_sansio.audit import Audit
from ocpp_sansio.findings import Finding, Severity
from ocpp_sansio.messages import Actions
from ocpp_sansio.session import VersionedActions
from ocpp_sansio.tolerance import Tolerance
from ocpp_sansio.trace import Reader

from ._dialects import Number
from ._files import NO_MESSAGE, UNUSABLE, UnreadableFile, chunks, complain, printing
from ._findings import REPORTS, Format, Judged, Report

__all__ = ["validate"]

FOUND: Final = 1
"""The exit status if something is wrong."""

FailOn = Literal["error", "warning", "note", "never"]
_FAILING: Final[dict[FailOn, frozenset[Severity]]] = {
    "error": frozenset({Severity.ERROR}),
    "warning": frozenset({Severity.ERROR, Severity.WARNING}),
    "note": frozenset(Severity),
    "never": frozenset(),
}


def validate(
    *files: Annotated[str, Parameter(allow_leading_hyphen=True)],
    format: Format = "text",  # noqa: A002 - what the option is called everywhere
    tolerance: str = "strict",
    version: Number | None = None,
    actions: str | None = None,
    max_findings: int | None = None,
    fail_on: FailOn = "error",
    quiet: bool = False,
) -> None:
    """Say what is wrong with the messages of recordings, traces and logs.

    Reads what a Recorder has written, the Open OCPP Trace Format, bare messages and arrays of them, and the logs of the
    Python library ocpp, with those of Home Assistant, as they are, also compressed with gzip. Exits with 1 if something
    is wrong, and with 2 if a file cannot be read or has no message.

    Args:
        files: What to read; "-" for standard input.
        format: How to say it: a line for each finding, JSON Lines, or SARIF 2.1.0.
        tolerance: What is a warning only: strict, field, warn-only, or names of repairs with commas.
        version: What is spoken, whatever the files say. Without it, what they say, or else what fits.
        actions: Where a vendor's own actions are, as "module:NAME". They are a program's: by version, all there are.
        max_findings: How many to show. All are counted.
        fail_on: What makes it exit with 1.
        quiet: Show no summary and no progress.
    """
    try:
        tolerated = Tolerance.parse(tolerance)
        if not files:
            raise ValueError("name a file to read, or - for standard input")
        known = None if actions is None else _vendor_actions(actions)
    except ValueError as error:
        complain(str(error))
        sys.exit(UNUSABLE)
    run = _Run(REPORTS[format](), max_findings, quiet=quiet)
    status = 0
    with printing():
        for name in files:
            status = max(status, run.read(name, Audit(version=version, tolerance=tolerated, actions=known)))
        run.close()
    sys.exit(status or (FOUND if run.found & _FAILING[fail_on] else 0))


def _vendor_actions(name: str) -> VersionedActions:
    """What a program gives its ends as their ``actions``.

    Raises:
        ValueError: there is no such thing.
    """
    sys.path.insert(0, "")  # as for `python -m`: most have it beside them
    try:
        found: dict[Any, Any] = dict(pkgutil.resolve_name(name))
        if not all(isinstance(each, Actions) for each in found.values()):
            raise TypeError("it does not have an Actions for each version")
        Audit(actions=found)
    except Exception as error:  # whatever that module raises
        raise ValueError(f"--actions {name}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove("")
    return found


class _Run:
    """Some files, and one report about all of them."""

    def __init__(self, report: Report, max_findings: int | None, *, quiet: bool) -> None:
        self._report = report
        self._room = max_findings
        self._is_quiet = quiet
        self._start = time.monotonic()
        self._files: list[Judged] = []
        self._unshown = 0
        self.found: set[Severity] = set()

    def read(self, name: str, audit: Audit) -> int:
        """Judge one file; what it makes the exit status at least."""
        reader = Reader()
        status = 0
        try:
            for chunk in chunks(name, is_quiet=self._is_quiet):
                for message in reader.receive_data(chunk):
                    if findings := audit.receive(message):
                        self._tell(name, *findings)
        except UnreadableFile as error:
            complain(str(error))
            status = UNUSABLE
        self._tell(name, *chain.from_iterable(map(audit.receive, reader.receive_eof())))
        self._tell(name, *audit.receive_eof())
        if audit.messages or audit.tally:
            self._files.append(Judged(name, reader, audit))
        elif not status:
            complain(f"{name}: {NO_MESSAGE}")
            status = UNUSABLE
        return status

    def _tell(self, name: str, *findings: Finding) -> None:
        for finding in findings:
            self.found.add(finding.severity)
            if self._room is None or self._room > 0:
                self._room = self._room and self._room - 1
                self._report.find(name, finding)
            else:
                self._unshown += 1

    def close(self) -> None:
        """Say what there is to say about all."""
        seconds = time.monotonic() - self._start
        self._report.close(self._files, seconds, unshown=self._unshown, is_quiet=self._is_quiet)
