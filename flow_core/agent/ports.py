"""Reserves the ports that tasks serve. Each port belongs to at most one unfinished task of this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from flow_core.agent.layout import Layout, TaskFolder, find_task_folder, iter_tasks
from flow_core.agent.port_owner import find_listener
from flow_core.agent.port_records import make_record_path, read_port_record
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.processes.tree import ProcessIdentity
from flow_core.agent.records import MalformedRecord, write_json
from flow_core.agent.refusals import Refused
from flow_core.agent.spec import StoredSpec
from flow_core.agent.task_report import TaskReport
from flow_core.agent.tasks import NO_TASK, TaskStore

PORT_PROMISED = "port_promised"
PORT_IN_USE = "port_in_use"


def reserve_ports(task: TaskFolder, ports: Sequence[int], progress: Callable[[], None]) -> None:
    """Reserves the ports for this task until it ends. Call it under the queue's lock.

    Refuses with PORT_PROMISED or PORT_IN_USE, which name the holder of one of them; then no port is reserved.
    """
    for port in ports:
        if (holder := _find_holder(task.root, port, progress)) is not None:
            raise Refused(PORT_PROMISED, port=port, **holder)
        if listener := find_listener(port):
            raise Refused(PORT_IN_USE, port=port, listener=listener)
    for port in ports:
        make_private_folder(make_record_path(task.root, port).parent)
        data = {"task": task.name_in_records, "submitter": ProcessIdentity.current()._asdict()}
        write_json(make_record_path(task.root, port), data)


def _find_holder(root: Path, port: int, progress: Callable[[], None]) -> dict[str, str | None] | None:
    """Returns the unfinished task that the port is reserved for. A task without a status is still being submitted."""
    data, problem = read_port_record(root, port)
    task = find_task_folder(root, data.get("task"))
    if task is None:
        return _find_holder_by_spec(root, port, progress) if problem else None
    report = _load_report(task, progress)
    if report is not None:
        return None if report.is_over else _describe_holder(task, report.status)
    return _describe_holder(task, None) if _is_alive(data.get("submitter")) else None


def _find_holder_by_spec(root: Path, port: int, progress: Callable[[], None]) -> dict[str, str | None] | None:
    """Returns the holder if the reservation can't be read: an unfinished task whose spec contains the port."""
    for task in iter_tasks(root):
        try:
            spec, _ = StoredSpec.read_known(task.spec)
        except MalformedRecord:
            continue
        if spec is not None and port in spec.ports:
            report = _load_report(task, progress)
            if report is not None and not report.is_over:
                return _describe_holder(task, report.status)
    return None


def _describe_holder(task: TaskFolder, status: str | None) -> dict[str, str | None]:
    return {"task_id": task.task_id, "context": task.context, "status": status}


def _load_report(task: TaskFolder, progress: Callable[[], None]) -> TaskReport | None:
    """Returns the current report of the task; None if there is no such task (yet).

    A task whose supervisor has died is reaped first.
    """
    try:
        return TaskStore(Layout(task.root, task.context), progress).get(task.task_id).report
    except Refused as refused:
        if refused.code != NO_TASK:
            raise
        return None


def _is_alive(submitter: Any) -> bool:
    try:
        identity = ProcessIdentity.parse(submitter)
    except (KeyError, TypeError, ValueError):
        return False
    return identity is not None and identity.is_alive
