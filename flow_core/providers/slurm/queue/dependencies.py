"""What a job waits for, in words."""

from __future__ import annotations

import re

from flow_core.providers.slurm.queue.values import clean_label

_SHOWN = 3
_CONDITION = re.compile(r"(\w+):([^(]*)")
_ENDINGS = {
    "after": "to start",
    "afterany": "to end",
    "afterok": "to succeed",
    "afternotok": "to fail",
    "aftercorr": "to succeed, element by element",
    "afterburstbuffer": "to end with its burst buffer",
}


def describe_dependency(dependency: str) -> str:
    """Describes the value of --dependency: "job 12 to succeed and job 13 to end"; "another job" if it is unknown."""
    joiner = " or " if "?" in dependency else " and "
    parts = [_describe_condition(part) for part in re.split(r"[,?]", dependency) if part.strip()]
    if len(parts) > _SHOWN:
        parts[_SHOWN:] = [f"{len(parts) - _SHOWN} more"]
    return joiner.join(parts) or "another job"


def _describe_condition(part: str) -> str:
    if part.startswith("singleton"):
        return "your other jobs of this name to end"
    found = _CONDITION.match(part.strip())
    if found is None or found[1] not in _ENDINGS:
        return clean_label(part)
    jobs = [job.split("+", 1)[0].removesuffix("_*") for job in found[2].split(":") if job]
    noun = "job" if len(jobs) == 1 else "jobs"
    return clean_label(f"{noun} {', '.join(jobs)} {_ENDINGS[found[1]]}")
