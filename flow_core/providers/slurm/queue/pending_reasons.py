"""Why a job waits, in words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from flow_core.providers.slurm.queue.dependencies import describe_dependency
from flow_core.providers.slurm.queue.hostlist import expand_hostlist
from flow_core.providers.slurm.queue.job import Job
from flow_core.providers.slurm.queue.limits import NO_USAGE, Usage, describe_limit
from flow_core.providers.slurm.queue.values import clean_label
from flow_core.providers.slurm.queue.wording import format_moment

_NODES_SHOWN = 4
_HELD = "held by {user}; release it to let it start"
_ADMIN = "tell the administrators of the cluster"
_SENTENCES = {
    "": "waits until the scheduler considers it",
    "None": "waits until the scheduler considers it",
    "Resources": "waits for Resources",
    "Priority": "waits for jobs with a higher Priority",
    "Dependency": "waits for {dependency} (Dependency)",
    "DependencyNeverSatisfied": "can never start, because it waits for {dependency}; cancel it",
    "BeginTime": "waits for its BeginTime",
    "JobHeldUser": _HELD,
    "JobHeldAdmin": "held by an administrator, who must release it",
    "JobHoldMaxRequeue": "held, because it was requeued too often; release it to let it start",
    "ReqNodeNotAvail": "waits for nodes that are not available (ReqNodeNotAvail)",
    "NodeDown": "waits for a node that is down (NodeDown)",
    "PartitionDown": "partition {partition} is down",
    "PartitionInactive": "partition {partition} starts no jobs now (PartitionInactive)",
    "PartitionNodeLimit": "partition {partition} does not allow this number of nodes, or they are down",
    "PartitionTimeLimit": "its time limit is longer than partition {partition} allows; shorten it",
    "PartitionConfig": "exceeds a limit of partition {partition} (PartitionConfig)",
    "Licenses": "waits for a license",
    "Reservation": "waits for reservation {reservation} to begin",
    "ReservationDeleted": "reservation {reservation} was deleted; cancel the job, or ask for another reservation",
    "ReservationInvalid": "reservation {reservation} can't be used; cancel the job, or ask for another reservation",
    "BadConstraints": "no node can ever meet its request (BadConstraints); cancel it",
    "Constraints": "no node meets its constraint now",
    "Prolog": "its nodes are being prepared (Prolog)",
    "Cleaning": "was requeued, and Slurm cleans up after the last attempt",
    "JobArrayTaskLimit": "{limit} (JobArrayTaskLimit)",
    "BurstBufferResources": "waits for burst buffer space",
    "BurstBufferStageIn": "waits until its data is in the burst buffer",
    "BurstBufferOperation": "an operation of its burst buffer failed; " + _ADMIN,
    "SystemFailure": "Slurm or the network failed (SystemFailure); " + _ADMIN,
    "JobLaunchFailure": "could not be started (JobLaunchFailure); check its script and its paths",
    "InvalidAccount": "account {account} is not valid; submit it with another account",
    "InvalidQOS": "QOS {qos} is not valid; submit it with another QOS",
    "AccountNotAllowed": "account {account} may not use partition {partition}",
    "QOSNotAllowed": "QOS {qos} is not allowed for this account or partition",
    "QOSUsageThreshold": "QOS {qos} was used too much already (QOSUsageThreshold)",
    "QOSJobLimit": "the limit of QOS {qos} on jobs is reached (QOSJobLimit)",
    "QOSResourceLimit": "a limit of QOS {qos} is reached (QOSResourceLimit)",
    "QOSTimeLimit": "the limit of QOS {qos} on run time is reached (QOSTimeLimit)",
    "AssociationJobLimit": "the limit of account {account} on jobs is reached (AssociationJobLimit)",
    "AssociationResourceLimit": "a limit of account {account} is reached (AssociationResourceLimit)",
    "AssociationTimeLimit": "the limit of account {account} on run time is reached (AssociationTimeLimit)",
    "AccountingPolicy": "a limit of account {account} is reached (AccountingPolicy)",
    "MaxMemPerLimit": "asks for more memory than a node or CPU may have (MaxMemPerLimit)",
    "DeadLine": "can't end before its deadline",
    "FedJobLock": "waits for the other clusters of the federation",
    "SchedDefer": "could not start at once, and the cluster defers such jobs (SchedDefer)",
    "PowerNotAvail": "waits for electrical power (PowerNotAvail)",
    "PowerReserved": "waits for electrical power that is reserved (PowerReserved)",
    "FrontEndDown": "waits for a front-end node",
    "InactiveLimit": "reached the InactiveLimit of the cluster",
}
_SENTENCE_BY_FLAG = {
    "CONFIGURING": "its nodes are starting",
    "POWER_UP_NODE": "its nodes are starting",
    "SPECIAL_EXIT": "held after a special exit; release it to let it start again",
    "REQUEUE_HOLD": "requeued and held; release it to let it start",
    "REQUEUED": "is being requeued",
    "REQUEUE_FED": "is being requeued on another cluster of the federation",
    "RESV_DEL_HOLD": "held, because its reservation was deleted",
    "LAUNCH_FAILED": "could not be started, and is requeued",
    "RECONFIG_FAIL": "its nodes could not be configured, and it is requeued",
}
_HOLDS = frozenset({"JobHeldUser", "JobHeldAdmin", "JobHoldMaxRequeue"})
_HOLD_FLAGS = frozenset({"SPECIAL_EXIT", "REQUEUE_HOLD", "RESV_DEL_HOLD"})
_GENERIC = frozenset({"", "None", "Cleaning", "BeginTime"})
"""Reasons that say less than a flag."""


def describe_pending(job: Job, now: datetime, usage: Usage = NO_USAGE, *, is_own: bool = True) -> str:
    """Returns why a job waits and when it may start, such as "waits for Resources, start about 14:20"."""
    sentence = _describe_reason(job, usage, is_own)
    if job.starts_at is None or job.starts_at < now - timedelta(minutes=1) or is_held(job):
        return sentence
    about = "" if job.reason == "BeginTime" else "about "
    return f"{sentence}, start {about}{format_moment(job.starts_at, now)}"


def is_held(job: Job) -> bool:
    """Returns whether a job that waits does so until it is released."""
    return job.reason.partition(",")[0] in _HOLDS or bool(job.flags & _HOLD_FLAGS)


def _describe_reason(job: Job, usage: Usage, is_own: bool) -> str:
    word, _, detail = job.reason.partition(",")
    word = word.strip()
    flag = next((flag for flag in _SENTENCE_BY_FLAG if flag in job.flags), None)
    if flag is not None and word in _GENERIC:
        return _SENTENCE_BY_FLAG[flag]
    if job.restarts and word in _GENERIC:
        return "was requeued, and waits for a while before it starts again"
    if word in _DETAILS and detail:
        return _DETAILS[word](detail)
    if word not in _SENTENCES:
        return describe_limit(word, job, usage) or clean_label(job.reason)
    values = {
        "user": "you" if is_own else "its user",
        "dependency": describe_dependency(job.dependency),
        "limit": "waits for other elements of its array" + _describe_array_limit(job),
        "reservation": clean_label(job.reservation),
        "partition": clean_label(job.partition),
        "account": clean_label(job.account),
        "qos": clean_label(job.qos),
    }
    return _SENTENCES[word].format_map(values)


def _describe_array_limit(job: Job) -> str:
    return "" if job.array_limit is None else f": {job.array_limit} may run at once"


def _describe_unavailable(detail: str) -> str:
    """Describes the detail of ReqNodeNotAvail: "UnavailableNodes:node[1-2]", or a sentence of Slurm."""
    _, separator, nodes = detail.partition("UnavailableNodes:")
    names = expand_hostlist(clean_label(nodes.strip())) if separator else ()
    if not names:
        return f"waits for nodes that are not available: {clean_label(detail.strip())}"
    more = f" and {len(names) - _NODES_SHOWN} more" if len(names) > _NODES_SHOWN else ""
    return f"waits for nodes that are not available: {', '.join(names[:_NODES_SHOWN])}{more} (ReqNodeNotAvail)"


_DETAILS: dict[str, Callable[[str], str]] = {"ReqNodeNotAvail": _describe_unavailable}
"""Reasons that have a detail after a comma."""
