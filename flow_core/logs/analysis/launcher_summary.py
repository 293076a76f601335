"""What torchrun says about the process that failed first."""

from __future__ import annotations

import re
from dataclasses import dataclass
from signal import Signals

from flow_core.logs.analysis.cause_kinds import CauseKind, Finding, Likelihood

_ROOT_CAUSE = "Root Cause (first observed failure)"
_FIELD = re.compile(r"\s*(?P<name>time|rank|exitcode)\s*: (?P<value>\S+)")
_MOST_LINES = 12
_FAILED = re.compile(r"failed \(exitcode: (?P<status>-?\d+)\) local_rank: (?P<local_rank>\d+)")
_KINDS = {
    "SIGKILL": (CauseKind.KILLED, "was killed (SIGKILL), often because the machine ran out of memory"),
    "SIGSEGV": (CauseKind.SEGMENTATION_FAULT, "crashed with a segmentation fault (SIGSEGV)"),
    "SIGBUS": (CauseKind.SHARED_MEMORY, "crashed with a bus error (SIGBUS), often because the shared memory is full"),
    "SIGILL": (CauseKind.ABORTED, "crashed with an illegal instruction (SIGILL)"),
    "SIGFPE": (CauseKind.ABORTED, "crashed with an arithmetic error (SIGFPE)"),
}


@dataclass(frozen=True, slots=True)
class FirstFailure:
    """The rank that torchrun saw fail first. `time` sorts as text; `offset` is that of the line that names the rank."""

    rank: int
    exit_status: int
    time: str
    offset: int

    @property
    def finding(self) -> Finding | None:
        """What the exit status says of a process that a signal ended. SIGTERM and SIGABRT say nothing."""
        return describe_exit(self.exit_status, Likelihood.CAUSE)


class LauncherSummary:
    """Reads the table of a ChildFailedError line by line."""

    def __init__(self) -> None:
        self.failure: FirstFailure | None = None
        self._left = 0
        self._fields: dict[str, str] = {}
        self._offset = 0

    @property
    def is_reading(self) -> bool:
        """Whether the next line may belong to the table."""
        return self._left > 0

    def feed(self, offset: int, text: str) -> None:
        if _ROOT_CAUSE in text:
            self._left, self._fields = _MOST_LINES, {}
        elif self._left:
            self._left -= 1
            self._feed_field(offset, text)

    def _feed_field(self, offset: int, text: str) -> None:
        found = _FIELD.search(text)
        if found is None:
            return
        self._fields[found["name"]] = found["value"]
        if found["name"] == "rank":
            self._offset = offset
        rank, status = self._fields.get("rank", ""), self._fields.get("exitcode", "")
        if found["name"] == "exitcode" and rank.isdecimal() and re.fullmatch(r"-?\d{1,5}", status):
            failure = FirstFailure(int(rank), int(status), self._fields.get("time", ""), self._offset)
            self.failure = min(self.failure or failure, failure, key=lambda one: one.time)
            self._left = 0


def find_failed_process(text: str) -> tuple[int, Finding] | None:
    """Returns the local rank that torchrun's line names, and what its exit status says, or None."""
    found = _FAILED.search(text)
    finding = describe_exit(int(found["status"]), Likelihood.SYMPTOM) if found else None
    return (int(found["local_rank"]), finding) if found and finding else None


def describe_exit(status: int, likelihood: Likelihood) -> Finding | None:
    """Returns what a negative exit status says: the signal that ended a process without a message."""
    try:
        name = Signals(-status).name
    except ValueError:
        return None
    if name not in _KINDS:
        return None
    kind, sentence = _KINDS[name]
    return Finding(kind, likelihood, f"The process {sentence}.")
