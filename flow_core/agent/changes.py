"""What has changed of a machine's tasks since a client asked last. Standard library only."""

from __future__ import annotations

import os
import threading
import time
from typing import Any, NamedTuple

from flow_core.agent.capacity import queue
from flow_core.agent.layout import Layout
from flow_core.agent.legacy_tasks import find_legacy_tasks
from flow_core.agent.task_report import TaskReport
from flow_core.agent.tasks import StoredTask, TaskStore

_ALL_AGAIN_S = 30.0  # for whoever edits the records of ended tasks by hand
_RACE_S = 2.0  # a folder that changed so lately may change again without its time showing it
_GONE_MAX = 1000


class _KnownTask(NamedTuple):
    """A task as it was told, and the number of the look that found it so."""

    standing: StoredTask
    report: TaskReport
    look: int


class TaskChanges:
    """Looks again at every unfinished task, and at the others only where something came or went.

    May be used from several threads.
    """

    def __init__(self, tasks: TaskStore, layout: Layout) -> None:
        self._tasks = tasks
        self._layout = layout
        self._process = os.urandom(4).hex()
        self._known: dict[str, _KnownTask] = {}
        self._gone: dict[str, int] = {}
        self._forgotten = 0
        self._look = 0
        self._stamp: tuple[int, int] | None = None
        self._all_at = -_ALL_AGAIN_S
        self._earlier: dict[str, Any] = {}
        self._lock = threading.Lock()

    def since(self, look: int, process: str) -> dict[str, Any] | None:
        """Every task that has changed after that look of that process; None where none has.

        `is_all` says that what isn't among the tasks is no more. `earlier` are the tasks of an earlier program.
        """
        with self._lock:
            self._look_again()
            if process == self._process and look == self._look:
                return None
            is_all = process != self._process or not self._forgotten <= look < self._look
            changed = [known.report for known in self._known.values() if is_all or known.look > look]
            gone = [] if is_all else [task_id for task_id, at in self._gone.items() if at > look]
            tasks = [report._asdict() for report in changed]
            return {
                "look": self._look,
                "process": self._process,
                "is_all": is_all,
                "tasks": tasks,
                "gone": gone,
                "earlier": self._earlier,
            }

    def describe(self, standing: StoredTask) -> dict[str, Any]:
        """One task as clients are told of it."""
        return self._report(standing)._asdict()

    def _look_again(self) -> None:
        stamp, now = self._folder_stamp(), time.monotonic()
        earlier = self._earlier
        if stamp is None or stamp != self._stamp or now - self._all_at >= _ALL_AGAIN_S:
            self._stamp, self._all_at = stamp, now
            found = self._tasks.all()
            earlier = find_legacy_tasks()
            gone = self._known.keys() - {standing.task_id for standing in found}
        else:
            unfinished = [known.standing.task_id for known in self._known.values() if not known.report.is_over]
            found = [standing for task_id in unfinished if (standing := self._tasks.find(task_id)) is not None]
            gone = set(unfinished) - {standing.task_id for standing in found}
        changed = [(one, report) for one in found if self._is_new(one, report := self._report(one))]
        if changed or gone or earlier != self._earlier or not self._look:
            self._look += 1
            self._earlier = earlier
        for standing, report in changed:
            self._known[standing.task_id] = _KnownTask(standing, report, self._look)
        for task_id in gone:
            del self._known[task_id]
            self._gone[task_id] = self._look
        while len(self._gone) > _GONE_MAX:
            self._forgotten = self._gone.pop(next(iter(self._gone)))

    def _is_new(self, standing: StoredTask, report: TaskReport) -> bool:
        known = self._known.get(standing.task_id)
        return known is None or (known.report is not report and known.report != report)

    def _folder_stamp(self) -> tuple[int, int] | None:
        """None where it doesn't tell whether anything came or went."""
        try:
            found = os.stat(self._layout.tasks)
        except OSError:
            return None
        return None if time.time() - found.st_mtime < _RACE_S else (found.st_ino, found.st_mtime_ns)

    def _report(self, standing: StoredTask) -> TaskReport:
        """Of a part that waits also whether it could start now."""
        report = standing.report
        if standing.spec is None or report.status != "pending" or standing.spec.part is None:
            return report
        task = self._layout.task(standing.task_id)
        if standing.state is None or standing.state.supervisor is None:
            return report
        if standing.state.held_by:
            return report._replace(is_ready=True)
        ticket = queue.find_ticket(task, standing.seq) if standing.spec.wants_gpus else None
        is_ready = not standing.spec.wants_gpus or (ticket is not None and not queue.explain_queue_wait(ticket))
        return report._replace(is_ready=is_ready)
