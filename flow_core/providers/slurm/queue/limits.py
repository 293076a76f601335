"""The reasons of Slurm that name a limit, such as QOSMaxGRESPerUser, in words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flow_core.providers.slurm.queue.job import Job
from flow_core.providers.slurm.queue.values import clean_label, parse_memory_mb, parse_number
from flow_core.providers.slurm.queue.wording import format_memory

QOS_FIELDS = ("Name", "MaxTRESPU", "MaxJobsPU", "GrpTRES", "GrpJobs", "MaxTRES", "MaxTRESPerNode")
"""The fields of `sacctmgr show qos` that `parse_qos_limits` reads."""
_RUNNING_JOBS = "running jobs"
_LIMIT = re.compile(
    r"(?P<owner>QOS|Assoc)?(?P<kind>Grp|Max|Min)(?P<resource>[A-Z][A-Za-z]*?)"
    r"(?P<time>RunMinutes|Minutes)?(?P<per>PerJob|PerNode|PerUser|PerAccount)?(?:Limit|NotSatisfied)?"
)
_RESOURCES = {
    **dict.fromkeys(("Cpu", "CPU"), "CPUs"),
    **dict.fromkeys(("Mem", "Memory"), "memory"),
    **dict.fromkeys(("Job", "Jobs"), _RUNNING_JOBS),
    **dict.fromkeys(("SubmitJob", "SubmitJobs"), "submitted jobs"),
    **dict.fromkeys(("Wall", "WallDuration"), "run time"),
    "GRES": "GPUs",
    "Node": "nodes",
    "BB": "burst buffer space",
    "Billing": "billing units",
    "Energy": "energy",
    "License": "licenses",
    "Unknown": "a resource",
}
_TRES_NAMES = {"CPUs": "cpu", "GPUs": "gres/gpu", "nodes": "node", "memory": "mem", _RUNNING_JOBS: "jobs"}
_EACH = {"PerJob": "one job", "PerNode": "one node of a job", "PerUser": "one user", "PerAccount": "one account"}


@dataclass(frozen=True, slots=True)
class QosLimits:
    """The limits of a QOS by kind (PerUser, PerJob, Grp): amounts by the names of TRES, and "jobs"; memory in MB."""

    amounts: Mapping[str, Mapping[str, int]]

    def get(self, kind: str, tres: str) -> int | None:
        """Returns a limit; None if there is none, or if it is unknown."""
        return self.amounts.get(kind, {}).get(tres)


@dataclass(frozen=True, slots=True)
class Usage:
    """What the running jobs of this user hold in each QOS, and the limits of the QOS as far as they are known."""

    used: Mapping[tuple[str, str], int]
    limits: Mapping[str, QosLimits]


NO_USAGE = Usage({}, {})


def describe_limit(reason: str, job: Job, usage: Usage = NO_USAGE) -> str | None:
    """Describes a reason that names a limit; None for any other reason.

    With known numbers it is "QOSMaxGRESPerUser: 8 of 8 GPUs in use".
    """
    found = _LIMIT.fullmatch(reason)
    if found is None or found["resource"] not in _RESOURCES:
        return None
    noun = _RESOURCES[found["resource"]]
    if found["time"]:
        noun = f"{noun} times run time"
    owner = _name_owner(found["owner"], job)
    if found["kind"] == "Min":
        return f"{reason}: the request for {noun} is below the minimum of {owner}"
    if found["kind"] == "Max" and found["per"] in ("PerJob", "PerNode"):
        limits = usage.limits.get(job.qos) if found["owner"] == "QOS" else None
        most = None if limits is None else limits.get(found["per"], _TRES_NAMES.get(noun, ""))
        amount = "" if most is None else f": {_format_amount(most, noun)}"
        return f"{reason}: the request for {noun} exceeds the limit of {owner} for {_EACH[found['per']]}{amount}"
    return f"{reason}: {_describe_use(found, noun, owner, job, usage)}"


def _describe_use(found: re.Match[str], noun: str, owner: str, job: Job, usage: Usage) -> str:
    kind = "Grp" if found["kind"] == "Grp" else found["per"] or "PerUser"
    tres = _TRES_NAMES.get(noun, "")
    limits = usage.limits.get(job.qos) if found["owner"] == "QOS" else None
    most = None if limits is None else limits.get(kind, tres)
    if most is not None and kind == "PerUser":
        return _format_use(usage.used.get((job.qos, tres), 0), most, noun)
    who = "all its jobs together" if kind == "Grp" else _EACH[kind]
    return f"the limit of {owner} for {who} is reached: {noun if most is None else _format_amount(most, noun)}"


def _name_owner(owner: str | None, job: Job) -> str:
    if owner == "Assoc":
        return f"account {clean_label(job.account)}" if job.account else "your account"
    return f"QOS {clean_label(job.qos)}" if job.qos else "the QOS"


def _format_use(used: int, most: int, noun: str) -> str:
    if noun == "memory":
        return f"{format_memory(used)} of {format_memory(most)} memory in use"
    return f"{used} of {most} {noun}" + ("" if noun == _RUNNING_JOBS else " in use")


def _format_amount(amount: int, noun: str) -> str:
    return format_memory(amount) if noun == "memory" else f"{amount} {noun}"


def parse_qos_limits(rows: Iterable[Sequence[str]]) -> dict[str, QosLimits]:
    """Parses rows with the fields of `QOS_FIELDS`. Skips rows of another length."""
    return {row[0]: _parse_row(row) for row in rows if len(row) == len(QOS_FIELDS)}


def _parse_row(row: Sequence[str]) -> QosLimits:
    _, user_tres, user_jobs, group_tres, group_jobs, job_tres, node_tres = row
    return QosLimits(
        {
            "PerUser": _parse_amounts(user_tres, user_jobs),
            "Grp": _parse_amounts(group_tres, group_jobs),
            "PerJob": _parse_amounts(job_tres),
            "PerNode": _parse_amounts(node_tres),
        }
    )


def _parse_amounts(tres: str, jobs: str = "") -> dict[str, int]:
    parts = (part.partition("=") for part in f"{tres},jobs={jobs}".split(","))
    amounts = {name: parse_memory_mb(text) if name == "mem" else parse_number(text) for name, _, text in parts}
    gpus = [count for name, count in amounts.items() if name.startswith("gres/gpu:") and count is not None]
    if gpus and amounts.get("gres/gpu") is None:
        amounts["gres/gpu"] = sum(gpus)
    return {name: amount for name, amount in amounts.items() if amount is not None}


def sum_usage(jobs: Iterable[Job], limits: Mapping[str, QosLimits]) -> Usage:
    """Sums what the running jobs of this user hold in each QOS."""
    used: Counter[tuple[str, str]] = Counter()
    for job in jobs:
        if job.state == "RUNNING":
            amounts = {"cpu": job.cpu_count, "gres/gpu": job.gpu_count, "node": job.node_count, "jobs": 1}
            amounts["mem"] = (job.memory_mb or 0) * job.node_count
            used.update({(job.qos, name): amount for name, amount in amounts.items()})
    return Usage(used, limits)
