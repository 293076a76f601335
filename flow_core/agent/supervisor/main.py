"""The process that supervises one task: takes it over, answers the submitter, and then runs the task.

It takes over the task when the submitter orders it to by a byte on its standard input.
It runs from a copy of the agent, which no upgrade of the package changes. Every submit waits for these imports, so none
of them loads dataclasses, and what is needed only after the answer is in `task_run`. Started as `main()` with
"run FOLDER" or "reap FOLDER".
"""

from __future__ import annotations

import gc
import os
import select
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from flow_core.agent.folder_ownership import check_folders
from flow_core.agent.layout import TaskFolder
from flow_core.agent.locks import try_lock
from flow_core.agent.supervisor.state_writer import TaskStateWriter
from flow_core.agent.supervisor.stop_signal import StopSignal
from flow_core.agent.supervisor.task_mounts import TaskMounts

if TYPE_CHECKING:
    from flow_core.agent.containers.container_task import ContainerTask

_ORDER_S = 600.0  # a submit on a slow disk may take long


def main() -> NoReturn:
    """Detaches from the calling process, then runs or reaps the task, by the arguments."""
    gc.enable()
    job, folder = sys.argv[1:3]
    if os.fork():
        os._exit(0)
    os.setsid()
    if job == "reap" or _is_ordered():
        _do(job, TaskFolder(Path(folder)))
    os._exit(0)  # Python would take a tenth of the time of a short task to free every module


def _do(job: str, task: TaskFolder) -> None:
    try:
        check_folders(task.root, task.context, [task.path])
    except OSError as error:
        _report(f"unsafe {error.strerror}")
        return
    if job == "reap":
        from flow_core.agent.supervisor.lost_supervisor import reap  # lazy import: most supervisors run a task

        reap(task)
        return
    if try_lock(task.alive_lock) is None:  # locked until this process ends
        _report("refused another supervisor has this task")
        return
    Supervisor(task).run()


def _is_ordered() -> bool:
    """Waits until the task's folder is written; returns False if the submitter has given up or was killed."""
    is_ordered = bool(select.select([0], [], [], _ORDER_S)[0] and os.read(0, 1))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return is_ordered


class Supervisor:
    """The supervisor of one task until it has answered the submitter."""

    def __init__(self, task: TaskFolder) -> None:
        self._writer = TaskStateWriter(task)
        self._stop = StopSignal(task)
        self._container_task: ContainerTask | None = None
        if self._writer.spec.container is not None:
            from flow_core.agent.containers.container_task import ContainerTask  # lazy import: few tasks have an image

            self._container_task = ContainerTask(self._writer, self._stop)

    def run(self) -> None:
        self._stop.listen()
        mounts = TaskMounts(self._writer)
        if mounts.is_unsupported:
            _report(f"unsupported {mounts.notice}")
            return
        self._writer.state.message = mounts.notice
        if not self._writer.write():
            _report("refused its record can't be written; make room on the disk and check who owns the folder")
            return
        _report("ok")
        from flow_core.agent.supervisor.task_run import TaskRun  # lazy import: the submit doesn't wait for it

        TaskRun(self._writer, self._stop, mounts, self._container_task).run()


def _report(text: str) -> None:
    """Reports to the submitter, which reads this process's standard output, and closes that output."""
    try:
        os.write(1, text.encode(errors="replace") + b"\n")
    except BrokenPipeError:
        pass  # the submitter has stopped waiting
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.close(null)
