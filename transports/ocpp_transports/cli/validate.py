"""``ocpp-sansio validate``: what is wrong with the messages of recordings, traces and logs."""

from __future__ import annotations

import pkgutil
import sys
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Annotated, Any, Final, Literal

import attrs
from cyclopts import Parameter
from cyclopts.validators import Number as NumberThatIs

from ocpp_sansio.audit import ANSWER_TIME, Audit
from ocpp_sansio.findings import Finding, Severity
from ocpp_sansio.messages import Actions
from ocpp_sansio.session import VersionedActions
from ocpp_sansio.tolerance import Tolerance
from ocpp_sansio.trace import Reader

from ._dialects import Number
from ._files import NO_MESSAGE, UNUSABLE, File, UnreadableFile, chunks, complain, printing
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
    *files: File,
    format: Format = "text",  # noqa: A002 - what the option is called everywhere
    tolerance: str = "strict",
    version: Number | None = None,
    actions: str | None = None,
    answer_time: Annotated[float, Parameter(validator=NumberThatIs(gt=0))] = ANSWER_TIME,
    together: Annotated[bool, Parameter(negative="")] = False,
    max_findings: Annotated[int | None, Parameter(validator=NumberThatIs(gte=0))] = None,
    fail_on: FailOn = "error",
    quiet: Annotated[bool, Parameter(alias="-q", negative="")] = False,
) -> None:
    """Say what is wrong with the messages of recordings, traces and logs.

    Reads what a Recorder has written, the Open OCPP Trace Format, bare messages and arrays of them, and the logs of the
    Python library ocpp, of Home Assistant, evcc and SteVe, as they are, also compressed with gzip. Exits with 1 if
    something is wrong, and with 2 if a file cannot be read or has no message.

    Args:
        files: What to read; "-" for standard input.
        format: How to say it: a line for each finding, JSON Lines, or SARIF 2.1.0.
        tolerance: What is a warning only: strict, field, warn-only, or names of repairs with commas.
        version: What is spoken, whatever the files say. Without it, what they say, or else what fits.
        actions: Where a vendor's own actions are, as "module:NAME". They are a program's: by version, all there are.
        answer_time: Seconds that an answer may take without being noted.
        together: The files are one traffic, the oldest first: a log and what it was rotated to.
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
    audit = partial(Audit, version=version, tolerance=tolerated, answer_time=answer_time, actions=known)
    status = 0
    with printing():
        run = _Run(REPORTS[format](), audit, max_findings, is_together=together, is_quiet=quiet)
        for name in files:
            status = max(status, run.read(name))
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

    def __init__(
        self,
        report: Report,
        make_audit: Callable[[], Audit],
        max_findings: int | None,
        *,
        is_together: bool,
        is_quiet: bool,
    ) -> None:
        self._report = report
        self._make_audit = make_audit
        self._room = max_findings
        self._is_together = is_together
        self._is_quiet = is_quiet
        self._start = time.monotonic()
        self._files: list[Judged] = []
        self._unshown = 0
        self.found: set[Severity] = set()
        self._begin()

    def _begin(self) -> None:
        """What comes next has nothing to do with what was before."""
        self._audit = self._make_audit()
        self._lines = 0
        self._places: list[tuple[int, str]] = []
        """The files of this traffic, each with the lines before it: one may say something about another."""

    def read(self, name: str) -> int:
        """Judge one file; what it makes the exit status at least."""
        if not self._is_together:
            self._begin()
        audit, status = self._audit, 0
        messages, told = Counter(audit.messages), audit.tally.total()
        self._places.append((self._lines, name))
        reader = Reader(lines=self._lines)
        try:
            for chunk in chunks(name, is_quiet=self._is_quiet):
                for message in reader.receive_data(chunk):
                    if findings := audit.receive(message):
                        self._tell(*findings)
        except UnreadableFile as error:
            complain(str(error))
            status = UNUSABLE
        self._tell(*chain.from_iterable(map(audit.receive, reader.receive_eof())))
        if not self._is_together:
            self._tell(*audit.receive_eof())
        messages = Counter(audit.messages) - messages
        if messages or audit.tally.total() > told:
            self._files.append(Judged(name, reader.lines - self._lines, reader.passed_over, messages, audit))
        elif not status:
            complain(f"{name}: {NO_MESSAGE}")
            status = UNUSABLE
        self._lines = reader.lines
        return status

    def _tell(self, *findings: Finding) -> None:
        for finding in findings:
            self.found.add(finding.severity)
            if self._room is None or self._room > 0:
                self._room = self._room and self._room - 1
                before, name = self._places[bisect_left(self._places, (finding.line,)) - 1]
                self._report.find(name, attrs.evolve(finding, line=finding.line - before))
            else:
                self._unshown += 1

    def close(self) -> None:
        """Say what there is to say about all."""
        if self._is_together:
            self._tell(*self._audit.receive_eof())
        seconds = time.monotonic() - self._start
        self._report.close(self._files, seconds, unshown=self._unshown, is_quiet=self._is_quiet)
