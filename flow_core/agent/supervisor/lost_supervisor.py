"""Ends the remaining processes of a task whose supervisor has died, then writes its final state."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import NoReturn

from flow_core.agent.layout import TaskFolder
from flow_core.agent.locks import release, try_lock
from flow_core.agent.processes.tree import ProcessTree, read_grace_s
from flow_core.agent.records import MalformedRecord
from flow_core.agent.spec import StoredSpec
from flow_core.agent.task_state import TaskState


def is_abandoned(spec: StoredSpec, state: TaskState | None) -> bool:
    """Returns whether no process is left that would write the final state."""
    if state is not None and state.is_final:
        return False
    owner = state.supervisor if state is not None else spec.submitter
    return owner is None or not owner.is_alive


def get_process_tree(spec: StoredSpec, state: TaskState | None) -> ProcessTree:
    """Returns the processes of a task that its records describe."""
    return ProcessTree(spec.mark, () if state is None else state.children)


def reap(task: TaskFolder) -> None:
    """Ends the remaining processes, which may take the whole grace period, then writes the final state.

    Does nothing if the supervisor lives or another process reaps the task. Calling it again is safe.
    """
    lock = try_lock(task.alive_lock)
    if lock is None:
        return
    try:
        spec, state = StoredSpec.read(task.spec), TaskState.read(task.state)
        if spec is None or not is_abandoned(spec, state):
            return
        if _end_processes(task, spec, state or TaskState()):
            # Lazy imports here and below: every list of tasks needs this module, and few reap one. If the package was
            # replaced meanwhile, the next call reaps the task.
            from flow_core.agent.s3.staging import discard_downloads

            discard_downloads(task)
            _write_end(task, spec, state or TaskState())
    except MalformedRecord:
        return
    finally:
        release(lock)


def start_reapers(tasks: Iterable[TaskFolder]) -> None:
    """Reaps the abandoned tasks, in detached processes that the caller doesn't wait for."""
    for task in tasks:
        try:
            spec = StoredSpec.read(task.spec)
            is_lost = spec is not None and is_abandoned(spec, TaskState.read(task.state))
        except MalformedRecord:
            continue
        if is_lost and (pid := os.fork()):
            os.waitpid(pid, 0)
        elif is_lost:
            _reap_in_background(task)


def _end_processes(task: TaskFolder, spec: StoredSpec, state: TaskState) -> bool:
    """Ends the remaining processes; returns False if it is unknown whether any are left, for another try later."""
    if spec.container is None or state.supervisor is None:
        from flow_core.agent.processes.termination import end_tree

        end_tree(get_process_tree(spec, state).list_members, read_grace_s())
        return True
    from flow_core.agent.containers.container_termination import ContainerTermination
    from flow_core.agent.containers.engine import ContainerEngine, EngineError
    from flow_core.agent.supervisor.stop_signal import is_forced_cancel

    def raise_error(reason: str) -> None:
        raise EngineError(reason)

    termination = ContainerTermination(
        ContainerEngine.parse(spec.container.engine), task.task_id, get_process_tree(spec, state)
    )
    try:
        termination.run(read_grace_s(), is_urgent=lambda: is_forced_cancel(task), on_silence=raise_error)
    except EngineError:
        # No container survives a reboot.
        return not state.supervisor.is_of_this_boot
    return True


def _reap_in_background(task: TaskFolder) -> NoReturn:
    try:
        if os.fork() == 0:
            os.setsid()
            reap(task)
    finally:
        os._exit(0)


def _write_end(task: TaskFolder, spec: StoredSpec, state: TaskState) -> None:
    from flow_core.agent.capacity import queue

    state.status = "cancelled" if task.cancel.exists() else "failed"
    state.message = _describe_reason(spec, state)
    started_at = state.started_at or spec.created_at
    state.completed_at = max(time.time(), started_at)
    state.write(task.state)
    if (ticket := queue.find_ticket(task, spec.seq)) is not None:
        ticket.drop()
    queue.notify_waiting(task.root)


def _describe_reason(spec: StoredSpec, state: TaskState) -> str:
    if state.supervisor is None and spec.submitter is None:
        return "lost: its supervisor did not answer"
    if state.supervisor is None:
        return "lost: it was never started, its submitter ended first"
    if not state.supervisor.is_of_this_boot:
        return "lost: the machine was restarted"
    return "lost: its supervisor was killed"
