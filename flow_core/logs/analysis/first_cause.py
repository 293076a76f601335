"""Finds the first cause of a failed run in the logs of its ranks. Ignores what other processes report about it."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf

from flow_core.logs.analysis.cause_kinds import CauseKind, Finding, Likelihood
from flow_core.logs.analysis.cause_patterns import classify, classify_exception, is_conspicuous
from flow_core.logs.analysis.cause_sentences import join_chain, quote
from flow_core.logs.analysis.field_errors import read_field_error
from flow_core.logs.analysis.launcher_summary import FirstFailure, LauncherSummary, find_failed_process
from flow_core.logs.analysis.levels import LogLevel, find_level
from flow_core.logs.analysis.line_prefix import LinePrefix, split_prefix
from flow_core.logs.analysis.text_line import TextLine
from flow_core.logs.analysis.traceback_watch import RaisedException, TracebackWatch

LIMIT_BYTES = 64 * 1024 * 1024
"""About 3 s of work."""
_MOST_LINES_AFTER = 300
"""A program that writes more ordinary lines after an error has survived it."""
_MOST_CANDIDATES = 256
_LONGEST_TEXT = 4000
_NCCL_RANK = re.compile(r"\[Rank (\d{1,6})\] Watchdog")


@dataclass(frozen=True, slots=True)
class FirstCause:
    """Why a run failed, in one sentence, and where its log says so.

    `log` is the key of the log that contains the offsets; `rank` is the rank that failed, which may write to the log of
    another one. `traceback` is the offset of the first line of the traceback, if there is one.
    """

    kind: CauseKind
    log: int
    rank: int
    offset: int
    summary: str
    traceback: int | None = None


@dataclass(frozen=True, slots=True)
class CauseReport:
    """The cause, or None if nothing looks like one. `is_complete` is false if the limit of bytes ended the search."""

    cause: FirstCause | None
    read_bytes: int
    is_complete: bool


@dataclass(slots=True)
class _Candidate:
    finding: Finding
    log: int
    rank: int | None
    offset: int
    time: float | None
    lines_before: int
    traceback: int | None = None


def find_first_cause(logs: Mapping[int, Iterable[TextLine]], limit_bytes: int = LIMIT_BYTES) -> CauseReport:
    """Reads one log after the other, each up to its share of the limit, in about 4 us per line.

    The keys are the ranks. Times order the logs; without times, the order of the mapping does. To find the cause of a
    long run, pass the last MiB of each log. Holds at most 256 candidates per log.
    """
    scans = [_LogScan(rank, is_only=len(logs) == 1) for rank in logs]
    share = limit_bytes // max(1, len(scans))
    for scan, lines in zip(scans, logs.values(), strict=True):
        scan.read(lines, share)
    failures = [scan.launcher.failure for scan in scans if scan.launcher.failure]
    first = min(failures, key=lambda failure: failure.time, default=None)
    candidates = [one for scan in scans for one in scan.find_fatal(first)]
    candidates = candidates or [scan.recovered for scan in scans if scan.recovered]
    return CauseReport(
        _choose(candidates, first, list(logs)),
        sum(scan.read_bytes for scan in scans),
        all(scan.is_complete for scan in scans),
    )


def _choose(candidates: list[_Candidate], first: FirstFailure | None, logs: list[int]) -> FirstCause | None:
    """Prefers what is likely a cause, then the rank that torchrun names, then the earliest."""

    def key(one: _Candidate) -> tuple[int, bool, float, int, int]:
        is_other = first is not None and one.rank not in (None, first.rank)
        return one.finding.likelihood, is_other, inf if one.time is None else one.time, logs.index(one.log), one.offset

    best = min(candidates, key=key, default=None)
    if best is None:
        return None
    rank = best.rank if best.rank is not None else first.rank if first is not None else best.log
    return FirstCause(best.finding.kind, best.log, rank, best.offset, best.finding.summary, best.traceback)


class _LogScan:
    """One pass over one log. The only log may contain several ranks, also without their prefix."""

    def __init__(self, log: int, *, is_only: bool) -> None:
        self._log = log
        self._rank = None if is_only else log
        self.launcher = LauncherSummary()
        self.read_bytes = 0
        self.is_complete = True
        self._tracebacks = TracebackWatch()
        self._candidates: deque[_Candidate] = deque()
        self.recovered: _Candidate | None = None
        self._time: float | None = None
        self._ordinary = 0

    def read(self, lines: Iterable[TextLine], limit_bytes: int) -> None:
        first = None
        for line in lines:
            first = line.offset if first is None else first
            self.read_bytes = line.offset - first + len(line.text)
            if self.read_bytes > limit_bytes:
                self.is_complete = False
                return
            self._feed(line)

    def find_fatal(self, failure: FirstFailure | None) -> list[_Candidate]:
        """Returns the candidates that the program did not survive."""
        self._forget()
        found = list(self._candidates)
        if failure is not None and failure is self.launcher.failure and failure.finding is not None:
            found.append(
                _Candidate(failure.finding, self._log, failure.rank, failure.offset, self._time, self._ordinary)
            )
        return found

    def _feed(self, line: TextLine) -> None:
        text = line.text[:_LONGEST_TEXT]
        self._time = self._time if line.time is None else line.time
        if self._tracebacks.is_idle and not self.launcher.is_reading and not is_conspicuous(text):
            self._count_ordinary(text)
            return
        self.launcher.feed(line.offset, text)
        self._look_closer(line, text)

    def _count_ordinary(self, text: str) -> None:
        """Hundreds of lines of NCCL and of frames may follow a failure; they are no work."""
        self._ordinary += not (text[:1].isspace() or "NCCL INFO" in text or "frame #" in text or not text)

    def _look_closer(self, line: TextLine, text: str) -> None:
        prefix = split_prefix(text)
        body = text[prefix.end :]
        was_inside = self._tracebacks.is_inside(prefix.source)
        raised = self._tracebacks.feed(prefix.source, line.offset, body)
        if raised is not None:
            self._add_exception(raised, prefix)
        elif was_inside or self._tracebacks.is_inside(prefix.source):
            return
        elif failed := find_failed_process(body):
            self._add(failed[1], failed[0], line.offset)
        elif not body[:1].isspace():
            self._add_line(line, text, prefix)

    def _add_line(self, line: TextLine, text: str, prefix: LinePrefix) -> None:
        level = find_level(text)
        body, traceback = text[prefix.end :], None
        if body.startswith("{") and (error := read_field_error(line.text)):
            body, traceback = error[0], line.offset if error[1] else None
        finding = classify(body) if level is None or level.is_error else None
        if finding is None and traceback is not None:
            finding = classify_exception(body)
        elif finding is None and level is not None and level.is_error:
            finding = Finding(CauseKind.ERROR_LINE, Likelihood.ERROR_LINE, quote(body))
        if finding is None:
            if level is not LogLevel.WARNING:
                self._count_ordinary(text)
        else:
            nccl = _NCCL_RANK.search(text) if finding.kind is CauseKind.NCCL_TIMEOUT else None
            self._add(finding, int(nccl[1]) if nccl else prefix.rank, line.offset, traceback)

    def _add_exception(self, raised: RaisedException, prefix: LinePrefix) -> None:
        finding = classify_exception(raised.line)
        if raised.is_ignored:
            finding = finding._replace(likelihood=Likelihood.CONSEQUENCE)
        previous = self._candidates[-1] if self._candidates else None
        if previous is not None and raised.follows and previous.traceback == raised.header:
            if finding.likelihood < previous.finding.likelihood:
                previous.finding, previous.offset = finding, raised.offset
            else:
                summary = join_chain(previous.finding.summary, raised.line)
                previous.finding = previous.finding._replace(summary=summary)
            return
        if (
            previous is not None
            and previous.finding.kind is CauseKind.ASSERTION
            and "device-side assert" in raised.line
        ):
            previous.traceback = previous.traceback or raised.header
            return
        self._add(finding, prefix.rank, raised.offset, raised.header)

    def _add(self, finding: Finding, rank: int | None, offset: int, traceback: int | None = None) -> None:
        rank = self._rank if rank is None else rank
        self._forget()
        if any(one.finding == finding and one.rank == rank for one in self._candidates):
            return
        if len(self._candidates) >= _MOST_CANDIDATES:
            self._candidates.pop()
        self._candidates.append(_Candidate(finding, self._log, rank, offset, self._time, self._ordinary, traceback))

    def _forget(self) -> None:
        """Drops the candidates that the program survived; keeps the last of them."""
        while self._candidates and self._ordinary - self._candidates[0].lines_before > _MOST_LINES_AFTER:
            self.recovered = self._candidates.popleft()
