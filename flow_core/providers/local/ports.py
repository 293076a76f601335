"""The ports that tasks serve: each is promised to one unfinished task of this machine, in whatever context."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flow_core.agent.capacity.port_records import promise_path, read_promise
from flow_core.agent.layout import Layout, TaskFolder, every_task, task_at
from flow_core.agent.listeners import listener_of
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.records import MalformedRecord, read_known, write_json
from flow_core.agent.supervisor.processes import Identity
from flow_core.errors import Conflict, NotFound
from flow_core.models.task import TaskRecord
from flow_core.providers.local.tasks import TaskShelf


def promise(task: TaskFolder, ports: Sequence[int]) -> None:
    """Keeps the ports for this task until it is over. Call it under the queue's lock.

    Raises Conflict that names who has one of them; then none is promised.
    """
    for port in ports:
        if holder := _holder(task.root, port):
            raise Conflict(f"ports: {port} is promised to {holder}; cancel it, or choose another port")
        if listener := listener_of(port):
            raise Conflict(f"ports: {port} is listened on by {listener}; end it, or choose another port")
    for port in ports:
        make_private_folder(promise_path(task.root, port).parent)
        data = {"task": task.name_in_records, "submitter": Identity.mine()._asdict()}
        write_json(promise_path(task.root, port), data)


def _holder(root: Path, port: int) -> str:
    """The unfinished task that the port is promised to, in words; "" when there is none."""
    data, problem = read_promise(root, port)
    task = task_at(root, data.get("task"))
    if task is None:
        return _claimant(root, port) if problem else ""
    record = _record(task)
    if record is not None:
        return "" if record.is_terminal else _in_words(record)
    return f"task {task.task_id}, which is just being submitted" if _is_alive(data.get("submitter")) else ""


def _claimant(root: Path, port: int) -> str:
    """The same where the promise can't be read: whose own record wants the port."""
    for task in every_task(root):
        try:
            spec, _ = read_known(task.spec)
        except MalformedRecord:
            continue
        if spec is not None and port in (spec.get("ports") or ()):
            record = _record(task)
            if record is not None and not record.is_terminal:
                return _in_words(record)
    return ""


def _in_words(record: TaskRecord) -> str:
    return f"task {record.task_id} of context {record.context!r} ({record.status})"


def _record(task: TaskFolder) -> TaskRecord | None:
    """The task as it is now, settled if its supervisor is gone; None when there is no such task (yet)."""
    context = Layout(task.root, task.context)
    try:
        return TaskShelf(context, "").get(task.task_id).record
    except NotFound:
        return None


def _is_alive(submitter: Any) -> bool:
    try:
        identity = Identity.parse(submitter)
    except (KeyError, TypeError, ValueError):
        return False
    return identity is not None and identity.is_alive
