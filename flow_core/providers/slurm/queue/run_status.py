"""What the batch scripts of flow record about their own runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from flow_core.providers.slurm.queue.job import NO_FLAGS, Job
from flow_core.providers.slurm.queue.job_states import FORGOTTEN

_LINE = re.compile(r"(start) (\d{1,6}) (\d{1,12})|(end) (\d{1,6}) (\d{1,3}) (\d{1,3}) (\d{1,12})")
_CUT = 128


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The last attempt of a run, counted from 0. It has ended if `ended_at` is known."""

    attempt: int
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    signal: int = 0


def parse_run_status(lines: Iterable[str]) -> RunStatus | None:
    """Parses the lines of a status file; None if no attempt has started. Ignores lines that can't be read."""
    status: RunStatus | None = None
    for line in lines:
        found = _LINE.fullmatch(line.strip())
        if found is None:
            continue
        if found[1]:
            status = RunStatus(int(found[2]), _to_datetime(found[3]))
        elif status is None or status.attempt == int(found[5]):
            end = _to_datetime(found[8])
            status = replace(
                status or RunStatus(int(found[5])), ended_at=end, exit_code=int(found[6]), signal=int(found[7])
            )
    return status


def apply_status(job: Job, status: RunStatus | None) -> Job:
    """Returns a job that Slurm does not list, with the end that its script recorded, or as forgotten by Slurm."""
    if status is not None and status.ended_at is not None:
        return replace(
            job,
            state="FAILED" if status.exit_code or status.signal else "COMPLETED",
            flags=NO_FLAGS,
            reason="",
            started_at=status.started_at or job.started_at,
            ended_at=status.ended_at,
            exit_code=status.exit_code,
            signal=status.signal,
        )
    started_at = job.started_at if status is None else status.started_at or job.started_at
    state = "CANCELLED" if started_at is None else "FAILED"
    return replace(job, state=state, flags=frozenset({FORGOTTEN}), reason="", started_at=started_at)


def restore_exit_code(job: Job, recorded: int | None) -> Job:
    """Returns a job with the exit code that another source recorded, if sacct cut it by 128, as it does above 127."""
    is_cut = recorded is not None and recorded >= _CUT and job.exit_code == recorded - _CUT and not job.signal
    return replace(job, exit_code=recorded) if is_cut else job


def _to_datetime(text: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError):
        return None
