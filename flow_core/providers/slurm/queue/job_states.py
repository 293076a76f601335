"""The state words of Slurm 22.05 to 25.11, and the status of a task in each.

A job has one base state and any number of flags. squeue and sacct print one word: a flag replaces the base state. The
REST API returns both.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from flow_core.logs.escape import escape_controls
from flow_core.models.task import TaskStatus
from flow_core.providers.slurm.queue.job import NO_FLAGS, Job

FORGOTTEN = "FORGOTTEN"
"""A flag of ours: Slurm no longer knows the job. Its state is the last one, or follows from that."""
PREEMPTING = "PREEMPTING"
"""A flag of ours: the job still runs in the grace time of its preemption."""

_PENDING, _RUNNING, _SUSPENDED, _CANCELLED = "PENDING", "RUNNING", "SUSPENDED", "CANCELLED"
_STATUS_BY_STATE = {
    _PENDING: TaskStatus.PENDING,
    _RUNNING: TaskStatus.RUNNING,
    _SUSPENDED: TaskStatus.PAUSED,
    "COMPLETED": TaskStatus.COMPLETED,
    _CANCELLED: TaskStatus.CANCELLED,
    "PREEMPTED": TaskStatus.CANCELLED,
    "FAILED": TaskStatus.FAILED,
    "TIMEOUT": TaskStatus.FAILED,
    "DEADLINE": TaskStatus.FAILED,
    "OUT_OF_MEMORY": TaskStatus.FAILED,
    "NODE_FAIL": TaskStatus.FAILED,
    "BOOT_FAIL": TaskStatus.FAILED,
}
_STATE_BY_FLAG = {
    "COMPLETING": _RUNNING,
    "STAGE_OUT": _RUNNING,
    "CONFIGURING": _RUNNING,
    "POWER_UP_NODE": _RUNNING,
    "RESIZING": _RUNNING,
    "SIGNALING": _RUNNING,
    "UPDATE_DB": _RUNNING,
    "STOPPED": _SUSPENDED,
    "REQUEUED": _PENDING,
    "REQUEUE_FED": _PENDING,
    "REQUEUE_HOLD": _PENDING,
    "SPECIAL_EXIT": _PENDING,
    "RESV_DEL_HOLD": _PENDING,
    "EXPEDITING": _PENDING,
    "LAUNCH_FAILED": _PENDING,
    "RECONFIG_FAIL": _PENDING,
    "REVOKED": _CANCELLED,
}
"""The base state of a job for which only a flag was printed."""
_STATUS_BY_FLAG = {
    PREEMPTING: TaskStatus.PREEMPTING,
    "CONFIGURING": TaskStatus.PENDING,
    "POWER_UP_NODE": TaskStatus.PENDING,
    "STOPPED": TaskStatus.PAUSED,
}
"""The status of a running job with the flag."""
_REQUEUED = frozenset({"REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT"})
_COMPACT = {
    **{"BF": "BOOT_FAIL", "CA": _CANCELLED, "CD": "COMPLETED", "CF": "CONFIGURING", "CG": "COMPLETING"},
    **{"DL": "DEADLINE", "F": "FAILED", "NF": "NODE_FAIL", "OOM": "OUT_OF_MEMORY", "PD": _PENDING, "PR": "PREEMPTED"},
    **{"R": _RUNNING, "RD": "RESV_DEL_HOLD", "RF": "REQUEUE_FED", "RH": "REQUEUE_HOLD", "RQ": "REQUEUED"},
    **{"RS": "RESIZING", "RV": "REVOKED", "S": _SUSPENDED, "SE": "SPECIAL_EXIT", "SI": "SIGNALING"},
    **{"SO": "STAGE_OUT", "ST": "STOPPED", "TO": "TIMEOUT"},
}
_WORD_CHARACTERS = 40


def split_states(words: str | Iterable[str]) -> tuple[str, frozenset[str]]:
    """Returns the base state and the flags. `words` is what a command printed, or all that the REST API lists.

    A state that this version doesn't know counts as a running job with a flag of that name: the job may still end.
    """
    return _split((words,) if isinstance(words, str) else tuple(words))


def get_status(job: Job) -> TaskStatus:
    """Returns the status of a task that is this job."""
    status = _STATUS_BY_STATE.get(job.state, TaskStatus.RUNNING)
    if status is TaskStatus.RUNNING and job.flags:
        return next((_STATUS_BY_FLAG[flag] for flag in _STATUS_BY_FLAG if flag in job.flags), status)
    return status


def is_ended(job: Job) -> bool:
    """Returns whether the state can't change any more, unless the job is requeued."""
    return get_status(job).is_final


def is_refused(job: Job) -> bool:
    """Returns whether this is the row that Slurm keeps of a request that sbatch refused: it was never a job."""
    return job.state == "FAILED" and job.reason == "BadConstraints" and not job.node_list


def find_unknown_words(job: Job) -> list[str]:
    """Returns the state words that this version doesn't know, printable."""
    words = (job.state, *sorted(job.flags))
    known = {*_STATUS_BY_STATE, *_STATE_BY_FLAG, FORGOTTEN, PREEMPTING}
    return [word for word in words if word not in known]


@lru_cache(maxsize=256)
def _split(words: tuple[str, ...]) -> tuple[str, frozenset[str]]:
    known = [_normalize(word) for word in words]
    base = next((word for word in known if word in _STATUS_BY_STATE), None)
    flags = frozenset(word for word in known if word and word != base)
    if base is None:
        base = next((_STATE_BY_FLAG[word] for word in known if word in _STATE_BY_FLAG), _RUNNING)
    if base != _PENDING and flags & _REQUEUED:
        base = _PENDING  # the end that the base state names was that of the last attempt
    return base, flags or NO_FLAGS


def _normalize(word: str) -> str:
    """Returns the long form of a state in capitals: sacct adds "by UID" to CANCELLED, and truncates with a plus."""
    first = word.strip().split(" ", 1)[0].rstrip("+").upper()
    return _COMPACT.get(first) or escape_controls(first[:_WORD_CHARACTERS])
