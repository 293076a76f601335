"""How a job ended, in words."""

from __future__ import annotations

from flow_core.models.task import TaskStatus
from flow_core.providers.slurm.queue.job import Job
from flow_core.providers.slurm.queue.job_states import FORGOTTEN, get_status
from flow_core.providers.slurm.queue.values import clean_label
from flow_core.providers.slurm.queue.wording import format_duration, format_memory

_NODES_SHOWN = 4
# The numbers of Linux: this machine may count differently.
_SIGNALS = {
    **{1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE"},
    **{9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM"},
    **{18: "SIGCONT", 19: "SIGSTOP", 24: "SIGXCPU", 25: "SIGXFSZ", 31: "SIGSYS"},
}
_KILL = 9
_OUTPUT_SIGNAL = 53
"""The signal that Slurm records if it can't open the output file."""
_SENTENCES = {
    "DEADLINE": "cancelled, because it could not end before its deadline",
    "PREEMPTED": "preempted by a job with a higher priority",
    "BOOT_FAIL": "its nodes could not start",
}
_FAILURES = {
    "JobLaunchFailure": "could not be started (JobLaunchFailure); check its script and its paths",
    "InvalidAccount": "refused: its account is not valid",
    "InvalidQOS": "refused: its QOS is not valid",
    "OutOfMemory": "out of memory",
    "SystemFailure": "Slurm or the network failed (SystemFailure)",
    "InactiveLimit": "reached the InactiveLimit of the cluster",
}
_CANCELS = {
    "DependencyNeverSatisfied": "cancelled, because the job that it waited for did not end as required",
    "ReservationDeleted": "cancelled, because its reservation was deleted",
}
"""Other reasons of a cancelled job are left over from the time when it waited."""
_EXPECTED = frozenset({"", "None", "NonZeroExitCode", "TimeLimit", "Resources", "Priority", "Dependency", "Prolog"})
"""Reasons that say no more than the state, or that are left over from the time before the start."""


def get_exit_code(job: Job) -> int | None:
    """Returns the exit code of an ended job as tasks have it: 128 + N for signal N; None if it is unknown.

    Slurm records the code 0 for many jobs that it ended itself, which says nothing, and other codes for jobs that never
    started.
    """
    status = get_status(job)
    if not status.is_final or (job.started_at is None and not job.node_list):
        return None
    if job.signal:
        return None if job.signal == _OUTPUT_SIGNAL else 128 + job.signal
    return job.exit_code or (0 if status is TaskStatus.COMPLETED and job.exit_code == 0 else None)


def describe_ending(job: Job, own_uid: str = "") -> str:
    """Returns how an ended job ended; "" if its status and exit code tell everything."""
    if FORGOTTEN in job.flags:
        return _describe_forgotten(job)
    if "REVOKED" in job.flags:
        return "runs on another cluster of the federation"
    if job.state == "TIMEOUT":
        limit = "" if job.time_limit_s is None else f" of {format_duration(job.time_limit_s)}"
        return f"reached its time limit{limit}"
    if job.state == "OUT_OF_MEMORY":
        return _describe_memory(job)
    if job.state == "NODE_FAIL":
        return f"a node failed{_list_nodes(job)}"
    if job.state in _SENTENCES:
        return _SENTENCES[job.state]
    if job.signal == _OUTPUT_SIGNAL:
        return "Slurm could not write its output file or enter its directory; check both paths"
    signal = job.signal or (_KILL if job.exit_code == 128 + _KILL else 0)  # a shell reports it as an exit code
    if job.state == "FAILED" and signal:
        return f"killed by {get_signal_name(signal)}{_guess_cause(job) if signal == _KILL else ''}"
    word = job.reason.partition(",")[0]
    if job.state == "CANCELLED":
        return _CANCELS.get(word) or _describe_cancel(job, own_uid)
    if job.state != "FAILED" or word in _EXPECTED:
        return ""
    return _FAILURES.get(word) or ("" if job.exit_code else clean_label(job.reason))


def get_signal_name(number: int) -> str:
    """Returns the name of a signal of Linux, such as SIGKILL."""
    return _SIGNALS.get(number, f"signal {number}")


def _describe_memory(job: Job) -> str:
    memory = _format_memory(job)
    return f"out of memory: the job asked for {memory}" if memory else "out of memory"


def _guess_cause(job: Job) -> str:
    """Returns what SIGKILL means as a rule; without cgroups, Slurm does not record why it sent it."""
    memory = _format_memory(job)
    return f"; perhaps it used more memory than the {memory} that it asked for" if memory else ""


def _format_memory(job: Job) -> str:
    if job.memory_mb is None:
        return ""
    return format_memory(job.memory_mb) + (" per node" if job.node_count > 1 else "")


def _describe_cancel(job: Job, own_uid: str) -> str:
    if not job.cancelled_by:
        return ""
    if job.cancelled_by == own_uid:
        return "cancelled by you"
    number = f"user {job.cancelled_by}" if job.cancelled_by.isdecimal() else clean_label(job.cancelled_by)
    return f"cancelled by {'root' if job.cancelled_by == '0' else number}"


def _describe_forgotten(job: Job) -> str:
    if job.started_at is None:
        return "Slurm no longer knows this job; it had not started when it was last seen"
    return "Slurm no longer knows this job; it ran when it was last seen, and its result is unknown"


def _list_nodes(job: Job) -> str:
    shown = [clean_label(name) for name in job.node_list[:_NODES_SHOWN]]
    more = len(job.node_list) - len(shown)
    names = ", ".join([*shown, *([f"{more} more"] if more > 0 else [])])
    return f": one of {names}" if len(job.node_list) > 1 else f": {names}" if names else ""
