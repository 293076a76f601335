"""One record of a task that runs on several machines, from what each of them tells."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from flow_core.agent.multi_machine import NO_CLIENT, OTHER_MACHINES
from flow_core.models.task import TaskRecord, TaskStatus


def merged(parts: Sequence[TaskRecord], *, are_all: bool, silent: Collection[str]) -> TaskRecord:
    """`parts` are its ranks in order. Some may be missing: on machines that never answered, unless `are_all`.

    `silent` are the machines that don't answer now.
    """
    first = parts[0]
    is_over = all(part.is_terminal for part in parts) and (are_all or len(parts) == first.num_instances)
    culprit = next((part for part in parts if part.status is TaskStatus.FAILED), None)
    starts = [part.started_at for part in parts if part.started_at is not None]
    ends = [part.completed_at for part in parts if part.completed_at is not None]
    return replace(
        first,
        status=_status(parts, culprit, is_over),
        started_at=min(starts) if len(starts) == len(parts) else None,
        completed_at=max(ends) if is_over and ends else None,
        exit_code=(culprit or first).exit_code if is_over else None,
        message=_failure(culprit, is_over) if culprit else _wait(parts, is_over, are_all, silent),
        instances=tuple(name for part in parts for name in part.instances),
        provider_metadata={
            **first.provider_metadata,
            "hosts": tuple(part.provider_metadata["host"] for part in parts),
            "pids": tuple(part.provider_metadata["pid"] for part in parts),
        },
    )


def _status(parts: Sequence[TaskRecord], culprit: TaskRecord | None, is_over: bool) -> TaskStatus:
    if not is_over:
        is_begun = any(part.started_at is not None for part in parts)
        return TaskStatus.RUNNING if is_begun else TaskStatus.PENDING
    if culprit is not None:
        return TaskStatus.FAILED
    is_cancelled = any(part.status is TaskStatus.CANCELLED for part in parts)
    return TaskStatus.CANCELLED if is_cancelled else TaskStatus.COMPLETED


def _failure(culprit: TaskRecord, is_over: bool) -> str:
    rank, host = culprit.provider_metadata["rank"], culprit.provider_metadata["host"]
    how = f"failed: {culprit.message}" if culprit.message else f"exited with {culprit.exit_code}"
    return f"rank {rank} on {host} {how}; the others {'were' if is_over else 'are being'} stopped"


def _wait(parts: Sequence[TaskRecord], is_over: bool, are_all: bool, silent: Collection[str]) -> str:
    """What the task waits for: of one machine's reason and that of the others, the one that says most."""
    if not is_over and len(parts) < parts[0].num_instances:
        return _missing(parts, are_all)
    hosts = [str(part.provider_metadata["host"]) for part in parts]
    found = [(part.message, host) for part, host in zip(parts, hosts, strict=True) if part.message]
    for message, host in found:
        if host in silent:
            return message
    for message, host in found:
        if message not in (NO_CLIENT, OTHER_MACHINES):
            return f"{host}: {message}" if not is_over and len(set(hosts)) > 1 else message
    words = [message for message, _ in found]
    return next((word for word in (NO_CLIENT, OTHER_MACHINES) if word in words), "")


def _missing(parts: Sequence[TaskRecord], are_all: bool) -> str:
    wanted = parts[0].num_instances
    if not are_all:
        return f"{len(parts)} of its {wanted} machines have answered"
    hosts = ", ".join(str(part.provider_metadata["host"]) for part in parts)
    return f"only {hosts} of its {wanted} machines has it: its submit was cut off, or the others aren't listed here"
