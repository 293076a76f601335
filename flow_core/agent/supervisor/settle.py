"""The end of a task whose supervisor is gone: what is left is ended, then the record says so."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import NoReturn

from flow_core.agent.capacity import queue
from flow_core.agent.layout import TaskFolder
from flow_core.agent.locks import release, try_lock
from flow_core.agent.records import MalformedRecord
from flow_core.agent.s3.staging import discard_downloads
from flow_core.agent.spec import TaskSpec
from flow_core.agent.state import State
from flow_core.agent.supervisor.ending import end_tree
from flow_core.agent.supervisor.processes import Tree, grace_s
from flow_core.agent.supervisor.stopping import is_forced


def is_abandoned(spec: TaskSpec, state: State | None) -> bool:
    """True when nobody is left who would write the record."""
    if state is not None and state.is_final:
        return False
    keeper = state.supervisor if state is not None else spec.submitter
    return keeper is None or not keeper.is_alive


def tree_of(spec: TaskSpec, state: State | None) -> Tree:
    return Tree(spec.mark, () if state is None else state.children)


def settle(task: TaskFolder) -> None:
    """Ends what is left, which may take the whole grace, then writes the last record.

    Does nothing when the supervisor lives or another is at it. Twice is safe.
    """
    lock = try_lock(task.alive_lock)
    if lock is None:
        return
    try:
        spec, state = TaskSpec.read(task.spec), State.read(task.state)
        if spec is None or not is_abandoned(spec, state):
            return
        if _end_what_is_left(task, spec, state or State()):
            discard_downloads(task)
            _write_end(task, spec, state or State())
    except MalformedRecord:
        return
    finally:
        release(lock)


def settle_beside(tasks: Iterable[TaskFolder]) -> None:
    """Settles those of the tasks that are abandoned, in processes of their own that nobody has to wait for."""
    for task in tasks:
        try:
            spec = TaskSpec.read(task.spec)
            abandoned = spec is not None and is_abandoned(spec, State.read(task.state))
        except MalformedRecord:
            continue
        if abandoned and (pid := os.fork()):
            os.waitpid(pid, 0)
        elif abandoned:
            _settle_as_orphan(task)


def _end_what_is_left(task: TaskFolder, spec: TaskSpec, state: State) -> bool:
    """False when it can't be known whether anything is left: the next look tries again."""
    if spec.container is None or state.supervisor is None:
        end_tree(tree_of(spec, state).members, grace_s())
        return True
    # Deferred: nearly all tasks have no image. Where the package was replaced meanwhile, the next look settles it.
    from flow_core.agent.containers.ending import ContainerEnd
    from flow_core.agent.containers.engine import Engine, EngineError

    def refuse(why: str) -> None:
        raise EngineError(why)

    end = ContainerEnd(Engine.parse(spec.container.engine), task.task_id, tree_of(spec, state))
    try:
        end.run(grace_s(), is_urgent=lambda: is_forced(task), on_silence=refuse)
    except EngineError:
        # No container outlives the machine's end.
        return not state.supervisor.is_of_this_boot
    return True


def _settle_as_orphan(task: TaskFolder) -> NoReturn:
    try:
        if os.fork() == 0:
            os.setsid()
            settle(task)
    finally:
        os._exit(0)


def _write_end(task: TaskFolder, spec: TaskSpec, state: State) -> None:
    state.status = "cancelled" if task.cancel.exists() else "failed"
    state.message = _reason(spec, state)
    started_at = state.started_at or spec.created_at
    state.completed_at = max(time.time(), started_at)
    state.write(task.state)
    if (ticket := queue.ticket_of(task, spec.seq)) is not None:
        ticket.drop()
    queue.ring(task.root)


def _reason(spec: TaskSpec, state: State) -> str:
    if state.supervisor is None and spec.submitter is None:
        return "lost: its supervisor did not answer"
    if state.supervisor is None:
        return "lost: it was never started, its submitter ended first"
    if not state.supervisor.is_of_this_boot:
        return "lost: the machine was restarted"
    return "lost: its supervisor was killed"
