"""Merges the reports of a task that runs on several machines into one record."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from flow_core.agent.multi_machine import NO_CLIENT, OTHER_MACHINES
from flow_core.models.task import TaskRecord, TaskStatus


class TaskPart(NamedTuple):
    """One rank of a task, as reported by its machine."""

    rank: int
    host: str
    record: TaskRecord

    @property
    def pid(self) -> int | None:
        return self.record.processes[0].pid if self.record.processes else None


def merge_parts(parts: Sequence[TaskPart], *, are_all: bool, silent: Collection[str]) -> TaskRecord:
    """Merges the parts of a task, which are in the order of their ranks.

    Unless `are_all`, parts may be missing, on machines that never responded. `silent` are the machines that don't
    respond now.
    """
    records = [part.record for part in parts]
    first = records[0]
    is_over = all(record.is_terminal for record in records) and (are_all or len(parts) == first.num_instances)
    failed = next((part for part in parts if part.record.status is TaskStatus.FAILED), None)
    starts = [record.started_at for record in records if record.started_at is not None]
    ends = [record.completed_at for record in records if record.completed_at is not None]
    return replace(
        first,
        status=_merge_statuses(records, is_over),
        started_at=min(starts) if len(starts) == len(parts) else None,
        completed_at=max(ends) if is_over and ends else None,
        exit_code=(failed.record if failed else first).exit_code if is_over else None,
        message=_describe_failure(failed, is_over) if failed else _describe_wait(parts, is_over, are_all, silent),
        instances=tuple(name for record in records for name in record.instances),
        processes=tuple(process for record in records for process in record.processes),
        provider_metadata={
            **first.provider_metadata,
            "hosts": tuple(part.host for part in parts),
            "pids": tuple(part.pid for part in parts),
        },
    )


def _merge_statuses(records: Sequence[TaskRecord], is_over: bool) -> TaskStatus:
    if not is_over:
        is_begun = any(record.started_at is not None for record in records)
        return TaskStatus.RUNNING if is_begun else TaskStatus.PENDING
    statuses = {record.status for record in records}
    return next(
        (status for status in (TaskStatus.FAILED, TaskStatus.CANCELLED) if status in statuses), TaskStatus.COMPLETED
    )


def _describe_failure(failed: TaskPart, is_over: bool) -> str:
    record = failed.record
    failure = f"failed: {record.message}" if record.message else f"exited with {record.exit_code}"
    return f"rank {failed.rank} on {failed.host} {failure}; the others {'were' if is_over else 'are being'} stopped"


def _describe_wait(parts: Sequence[TaskPart], is_over: bool, are_all: bool, silent: Collection[str]) -> str:
    """Returns why the task waits: the most specific of its machines' reasons."""
    if not is_over and len(parts) < parts[0].record.num_instances:
        return _describe_missing(parts, are_all)
    hosts = {part.host for part in parts}
    messages = [(part.record.message, part.host) for part in parts if part.record.message]
    for message, host in messages:
        if host in silent:
            return message
    for message, host in messages:
        if message not in (NO_CLIENT, OTHER_MACHINES):
            return f"{host}: {message}" if not is_over and len(hosts) > 1 else message
    texts = [message for message, _ in messages]
    return next((text for text in (NO_CLIENT, OTHER_MACHINES) if text in texts), "")


def _describe_missing(parts: Sequence[TaskPart], are_all: bool) -> str:
    count = parts[0].record.num_instances
    if not are_all:
        return f"{len(parts)} of its {count} machines have answered"
    hosts = ", ".join(part.host for part in parts)
    return f"only {hosts} of its {count} machines has it: its submit was cut off, or the others aren't listed here"
