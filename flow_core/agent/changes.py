"""The changes of a machine's tasks since the last request of a client."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import Any, NamedTuple

from flow_core.agent.capacity import queue
from flow_core.agent.layout import Layout
from flow_core.agent.legacy_tasks import find_legacy_tasks
from flow_core.agent.task_reader import StoredTask
from flow_core.agent.task_report import TaskReport
from flow_core.agent.tasks import TaskStore, TaskSurvey

_REMOVED_MAX = 1000


class _KnownTask(NamedTuple):
    """A task as last reported, with the number of the scan that found this state.

    `state` is the report of a task that may change, and the fingerprint of the report of one that has ended.
    """

    state: TaskReport | str
    scan_number: int


class TaskChanges:
    """The changes of one context's tasks.

    Checks every task that may change on each request. May be used from several threads.
    """

    def __init__(self, tasks: TaskStore, layout: Layout) -> None:
        self._tasks = tasks
        self._layout = layout
        self._process = os.urandom(4).hex()
        self._known: dict[str, _KnownTask] = {}
        self._changeable: frozenset[str] = frozenset()
        self._ended: dict[str, str] = {}
        self._removed: dict[str, int] = {}
        self._oldest_scan = 0
        self._scan_number = 0
        self._listings = 0
        self._legacy: dict[str, Any] = {}
        self._lock = threading.Lock()

    def get_changes_since(self, scan_number: int, process: str) -> dict[str, Any] | None:
        """Returns every task that has changed after scan `scan_number` of process `process`; None if none has.

        `is_all` means that the list is complete: a task that it doesn't contain no longer exists. `earlier` describes
        the tasks of the program that preceded this agent.
        """
        with self._lock:
            self._scan()
            if process == self._process and scan_number == self._scan_number:
                return None
            is_all = process != self._process or not self._oldest_scan <= scan_number < self._scan_number
            changed = {
                task_id: known.state
                for task_id, known in self._known.items()
                if is_all or known.scan_number > scan_number
            }
            removed = [] if is_all else [task_id for task_id, at in self._removed.items() if at > scan_number]
            tasks = [report._asdict() for report in self._load_reports(changed)]
            return {
                "look": self._scan_number,
                "process": self._process,
                "is_all": is_all,
                "tasks": tasks,
                "gone": removed,
                "earlier": self._legacy,
            }

    def describe(self, stored: StoredTask) -> dict[str, Any]:
        """Returns one task in the form that clients receive."""
        return self._report(stored)._asdict()

    def _load_reports(self, states: dict[str, TaskReport | str]) -> Iterable[TaskReport]:
        """Yields the reports of tasks; reads those of the ended ones."""
        ended = self._tasks.read_ended(task_id for task_id, state in states.items() if isinstance(state, str))
        yield from (state for state in states.values() if not isinstance(state, str))
        yield from map(self._report, ended)

    def _scan(self) -> None:
        survey = self._tasks.survey()
        states, removed = self._find_states(survey)
        has_new_legacy = self._read_legacy(survey.listings)
        changed = {task_id: state for task_id, state in states.items() if self._is_new(task_id, state)}
        if changed or removed or has_new_legacy or not self._scan_number:
            self._scan_number += 1
        for task_id, state in changed.items():
            self._known[task_id] = _KnownTask(state, self._scan_number)
        for task_id in removed:
            del self._known[task_id]
            self._removed[task_id] = self._scan_number
        while len(self._removed) > _REMOVED_MAX:
            self._oldest_scan = self._removed.pop(next(iter(self._removed)))

    def _read_legacy(self, listings: int) -> bool:
        """Reads the predecessor's tasks if the folder of tasks was listed again; returns whether they differ."""
        if listings == self._listings:
            return False
        before, self._legacy, self._listings = self._legacy, find_legacy_tasks(), listings
        return self._legacy != before

    def _find_states(self, survey: TaskSurvey) -> tuple[dict[str, TaskReport | str], frozenset[str]]:
        """Returns the states of all tasks that may have changed since the last scan, and the ids of removed tasks."""
        states: dict[str, TaskReport | str] = {task.task_id: self._report(task) for task in survey.changeable}
        removed, self._changeable = self._changeable - states.keys(), frozenset(states)
        if survey.ended is not self._ended:
            self._ended = survey.ended
            states = {**survey.ended, **states}
            removed = frozenset(self._known.keys() - states.keys())
        return states, removed

    def _is_new(self, task_id: str, state: TaskReport | str) -> bool:
        known = self._known.get(task_id)
        return known is None or (known.state is not state and known.state != state)

    def _report(self, stored: StoredTask) -> TaskReport:
        """Returns the report of a task. For a waiting part, adds whether it could start now."""
        report = stored.report
        if stored.spec is None or report.status != "pending" or stored.spec.part is None:
            return report
        task = self._layout.task(stored.task_id)
        if stored.state is None or stored.state.supervisor is None:
            return report
        if stored.state.held_by:
            return report._replace(is_ready=True)
        ticket = queue.find_ticket(task, stored.seq) if stored.spec.needs_gpus else None
        is_ready = not stored.spec.needs_gpus or (ticket is not None and not queue.explain_queue_wait(ticket))
        return report._replace(is_ready=is_ready)
