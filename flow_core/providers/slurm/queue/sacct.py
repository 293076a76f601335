"""The ended jobs that sacct prints.

Only its text output is used: the JSON output of 22.05 reports exit code 0 for every job.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from flow_core.providers.slurm.queue.hostlist import expand_hostlist, expand_indexes
from flow_core.providers.slurm.queue.job import Job
from flow_core.providers.slurm.queue.job_states import is_ended, split_states
from flow_core.providers.slurm.queue.records import split_records
from flow_core.providers.slurm.queue.values import (
    clean,
    parse_duration,
    parse_exit,
    parse_number,
    parse_time,
    parse_tres,
)

FIELDS = (
    *("JobIDRaw", "JobID", "State", "ExitCode", "NNodes", "AllocCPUS", "ReqCPUS", "Submit", "Start", "End"),
    *("Timelimit", "AllocTRES", "ReqTRES", "NodeList", "Partition", "Account", "QOS", "Reason", "Reservation"),
    *("User", "WorkDir", "Comment", "JobName"),
)
ENDED_STATES = "BF,CA,CD,DL,F,NF,OOM,PR,TO"
_NEVER_SATISFIED = "DependencyNeverSatisfied"
"""The only reason that tells why a job ended. The field is the last reason for which it had to wait."""
_ELEMENT = re.compile(r"(\d+)_(?:(\d+)|\[(.*)\])")
_CANCELLED_BY = re.compile(r"CANCELLED by (\S+)")


class SacctDecoder:
    """Decodes the output of sacct with the fields `FIELDS`, each ended by the token."""

    def __init__(self) -> None:
        self.unreadable = 0
        """The number of records of the last call that could not be read."""

    def decode(self, text: str, token: str) -> Iterator[Job]:
        """Yields the jobs that have ended."""
        self.unreadable = 0
        for record in split_records(text, token, len(FIELDS)):
            job = _decode(dict(zip(FIELDS, record, strict=True)))
            if job is None:
                self.unreadable += 1
            elif is_ended(job):
                yield job


def _decode(row: dict[str, str]) -> Job | None:
    if not row["JobIDRaw"].isdecimal():
        return None
    element = _ELEMENT.fullmatch(row["JobID"])
    indexes, limit = expand_indexes(element[3]) if element and element[3] is not None else ((), None)
    state, flags = split_states(row["State"])
    cancelled_by = _CANCELLED_BY.fullmatch(row["State"].strip())
    exit_code, signal = parse_exit(row["ExitCode"])
    node_count = max(parse_number(row["NNodes"]) or 1, 1)
    resources = parse_tres(clean(row["AllocTRES"]) or clean(row["ReqTRES"]))
    names = expand_hostlist(clean(row["NodeList"]))
    return Job(
        job_id=row["JobIDRaw"],
        state=state,
        array_id=element[1] if element else "",
        array_index=int(element[2]) if element and element[2] else None,
        user=clean(row["User"]),
        name=clean(row["JobName"]),
        partition=clean(row["Partition"]),
        account=clean(row["Account"]),
        qos=clean(row["QOS"]),
        flags=flags,
        reason=row["Reason"] if row["Reason"] == _NEVER_SATISFIED else "",
        node_count=node_count,
        node_list=names,
        gpu_count=resources.gpu_count,
        gpu_type=resources.gpu_type,
        cpu_count=parse_number(row["AllocCPUS"]) or parse_number(row["ReqCPUS"]) or 0,
        memory_mb=None if resources.memory_mb is None else resources.memory_mb // node_count,
        time_limit_s=parse_duration(row["Timelimit"]),
        submitted_at=parse_time(row["Submit"]),
        started_at=parse_time(row["Start"]) if names else None,
        ended_at=parse_time(row["End"]),
        exit_code=exit_code,
        signal=signal,
        work_dir=clean(row["WorkDir"]),
        comment=clean(row["Comment"]),
        reservation=clean(row["Reservation"]),
        array_limit=limit,
        cancelled_by=cancelled_by[1] if cancelled_by else "",
        array_indexes=indexes,
    )
