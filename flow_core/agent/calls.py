"""The calls that a client may make to the agent of a machine: a name, with arguments and results that fit JSON.

A client may repeat every call after a lost response. The refusals are those of the modules that do the work.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flow_core.agent import multi_machine
from flow_core.agent.agent_copy import get_agent_name
from flow_core.agent.agent_copy_cleanup import mark_used
from flow_core.agent.capacity import queue
from flow_core.agent.capacity.reservation_report import ReservationRequest
from flow_core.agent.capacity.reservations import Reservations
from flow_core.agent.changes import TaskChanges
from flow_core.agent.ids import check_task_id, check_volume_id
from flow_core.agent.layout import OVER_SSH, Layout, TaskFolder
from flow_core.agent.machine_id import get_machine_id, get_user_name
from flow_core.agent.machine_info import collect_machine_info
from flow_core.agent.pruning.removal import remove_tasks
from flow_core.agent.pruning.schedule import claim_daily_pruning
from flow_core.agent.pruning.selection import select_among
from flow_core.agent.record_fields import Fields
from flow_core.agent.refusals import Refused
from flow_core.agent.staged_code import make_incoming
from flow_core.agent.tasks import TaskStore
from flow_core.agent.volumes import VolumeStore

if TYPE_CHECKING:
    from collections.abc import Callable

    Progress = Callable[[], None]

CONTEXT = OVER_SSH
UNKNOWN_CALL, INVALID_ARGUMENTS = "unknown_call", "invalid_arguments"

_TOUCH_S = 3600.0


class AgentCalls:
    """The calls of one machine, as one agent process serves them. `run` may be called from several threads."""

    def __init__(self, root: str) -> None:
        self._layout = Layout(Path(root), CONTEXT)
        self._layout.make()
        self._tasks = TaskStore(self._layout)
        self._volumes = VolumeStore(self._layout, "", self._tasks)
        self._reservations = Reservations(self._layout)
        self._changes = TaskChanges(self._tasks, self._layout)
        self._touched_at = -_TOUCH_S
        self._quick_calls = {"changes": self._list_changes, "task": self._task}
        self._slow_calls: dict[str, Callable[[Fields, Progress], Any]] = {
            "submit": self._submit,
            "receive_code": lambda fields, _: str(make_incoming(self._layout, check_task_id(fields.text("task_id")))),
            "withdraw": self._withdraw,
            "cancel": self._cancel,
            "facts": lambda fields, _: collect_machine_info(self._layout, self._tasks, fields.texts("gpus")),
            "tend_part": self._note_client,
            "take_part": self._hold_part,
            "start_part": self._start_part,
            "give_part_back": self._release_part,
            "volumes": self._list_volumes,
            "make_volume": self._make_volume,
            "remove_volume": lambda fields, _: self._volumes.remove(fields.text("volume")),
            "attach_volume": self._attach_volume,
            "reservations": self._list_reservations,
            "make_reservation": self._make_reservation,
            "reservation": self._reservation,
            "release_reservation": self._release_reservation,
            "openings": self._openings,
            "take_pruning_turn": lambda fields, _: claim_daily_pruning(self._layout),
            "plan_pruning": self._plan_pruning,
            "prune": self._prune,
            "refuse_pruned_key": self._refuse_pruned_key,
            "find_log_lines": self._find_log_lines,
        }

    def build_greeting(self) -> dict[str, Any]:
        """Returns the facts that a client needs before its first call."""
        return {
            "agent": get_agent_name(),
            "python": sys.executable,
            "machine": get_machine_id(),
            "root": str(self._layout.root),
            "tasks": str(self._layout.tasks),
            "user": get_user_name(),
            "now": time.time(),
        }

    def touch_agent_copy(self) -> None:
        """Marks the agent copy that this process runs from as used, at most once an hour.

        The process loads further modules from that copy.
        """
        if time.monotonic() - self._touched_at >= _TOUCH_S:
            self._touched_at = time.monotonic()
            try:
                mark_used(self._layout.root / "bin" / get_agent_name())
            except OSError:
                pass  # this process doesn't run from a copy

    def is_quick(self, call: str) -> bool:
        """Returns whether the call waits for nothing but the disk."""
        return call in self._quick_calls

    def run(self, call: str, arguments: dict[str, Any], progress: Progress) -> Any:
        """Runs one call. `progress` is called while it waits. Raises Refused, OSError."""
        handler = self._quick_calls.get(call) or self._slow_calls.get(call)
        if handler is None:
            raise Refused(UNKNOWN_CALL, call=call)
        try:
            return handler(Fields(arguments), progress)
        except ValueError as error:
            raise Refused(INVALID_ARGUMENTS, why=str(error)) from error

    def _list_changes(self, fields: Fields, progress: Progress) -> Any:
        return self._changes.get_changes_since(fields.whole("since", 0), fields.text("process", ""))

    def _task(self, fields: Fields, progress: Progress) -> Any:
        return self._report(fields.text("task_id"))

    def _report(self, task_id: str) -> dict[str, Any]:
        return self._changes.describe(self._tasks.get(task_id))

    def _submit(self, fields: Fields, progress: Progress) -> Any:
        from flow_core.agent.submit import submit  # lazy import: listing tasks needs none of it

        return self._report(submit(self._layout, fields.table("request"), self._tasks, self._volumes))

    def _withdraw(self, fields: Fields, progress: Progress) -> None:
        """Undoes the submit of one part of a task on several machines: ends the part and removes it with its code."""
        from flow_core.agent.submit_undo import undo_submit  # lazy import: most calls need no undo

        task_id, is_under_way = check_task_id(fields.text("task_id")), fields.flag("is_under_way")
        undo_submit(self._layout, self._tasks, task_id, progress, is_under_way=is_under_way)

    def _cancel(self, fields: Fields, progress: Progress) -> None:
        self._tasks.cancel(fields.text("task_id"), force=fields.flag("force"))

    def _note_client(self, fields: Fields, progress: Progress) -> None:
        """Records that a client which can start this part is connected.

        `has_begun` is true if other parts of the task have started.
        """
        task = self._part(fields)
        multi_machine.note_client(task)
        if fields.flag("has_begun"):
            queue.move_to_front(task, self._tasks.get(task.task_id).seq)

    def _hold_part(self, fields: Fields, progress: Progress) -> bool:
        task, client_id, hold_s = self._part(fields), fields.text("by"), fields.moment("hold_s")
        return multi_machine.hold_gpus(task, client_id, hold_s, self._notify_waiting, progress)

    def _start_part(self, fields: Fields, progress: Progress) -> None:
        multi_machine.start_part(self._part(fields), fields.text("by"), self._notify_waiting)

    def _release_part(self, fields: Fields, progress: Progress) -> None:
        multi_machine.release_gpus(self._part(fields), fields.text("by"), self._notify_waiting)

    def _part(self, fields: Fields) -> TaskFolder:
        stored = self._tasks.get(fields.text("task_id"))
        if stored.spec is None or stored.spec.part is None:
            raise Refused(multi_machine.NO_PART, task_id=stored.task_id)
        return self._tasks.get_folder(stored.task_id)

    def _notify_waiting(self) -> None:
        queue.notify_waiting(self._layout.root)

    def _list_volumes(self, fields: Fields, progress: Progress) -> Any:
        rows, unreadable = self._volumes.list_readable()
        return {"volumes": [row._asdict() for row in rows], "unreadable": unreadable}

    def _make_volume(self, fields: Fields, progress: Progress) -> Any:
        size_gb, name, interface = fields.whole("size_gb", minimum=1), fields.text("name"), fields.text("interface")
        with self._volumes.lock():
            volume_id = check_volume_id(fields.text("volume_id"))
            return self._volumes.make(size_gb, name, interface, None, volume_id)._asdict()

    def _attach_volume(self, fields: Fields, progress: Progress) -> str:
        return self._volumes.attach(fields.text("volume"), fields.text("task_id"), fields.optional_text("mount_path"))

    def _list_reservations(self, fields: Fields, progress: Progress) -> Any:
        return [report._asdict() for report in self._reservations.list_all()]

    def _make_reservation(self, fields: Fields, progress: Progress) -> Any:
        return self._reservations.make(ReservationRequest.parse(fields.table("wish")))._asdict()

    def _reservation(self, fields: Fields, progress: Progress) -> Any:
        return self._reservations.get(fields.text("reservation_id"))._asdict()

    def _release_reservation(self, fields: Fields, progress: Progress) -> None:
        self._reservations.release(fields.text("reservation_id"))

    def _openings(self, fields: Fields, progress: Progress) -> Any:
        start, end = fields.optional_number("start"), fields.optional_number("end")
        return [opening._asdict() for opening in self._reservations.find_openings(fields.texts("gpus"), start, end)]

    def _plan_pruning(self, fields: Fields, progress: Progress) -> Any:
        selection = select_among(self._layout, fields.texts("among"), frozenset(fields.texts("named")), progress)
        return {name: [one._asdict() for one in rows] for name, rows in selection._asdict().items()}

    def _prune(self, fields: Fields, progress: Progress) -> Any:
        removal = remove_tasks(self._layout, fields.texts("task_ids"), frozenset(fields.texts("made_files")), progress)
        return {name: [one._asdict() for one in rows] for name, rows in removal._asdict().items()}

    def _refuse_pruned_key(self, fields: Fields, progress: Progress) -> None:
        from flow_core.agent.submit import refuse_pruned_key  # lazy import: listing tasks needs none of it

        refuse_pruned_key(self._layout, fields.text("key"))

    def _find_log_lines(self, fields: Fields, progress: Progress) -> Any:
        from flow_core.agent.log_lines import LineQuery, find_lines  # lazy import: listing tasks needs none of it

        task_id = check_task_id(fields.text("task_id"))
        log = self._tasks.get_folder(task_id).get_spool(fields.whole("attempt", 0)).log
        query = LineQuery(
            fields.text("text").encode("utf-8", "surrogateescape"),
            fields.flag("ignores_case"),
            fields.whole("start", 0),
            fields.whole("limit", minimum=1),
            fields.whole("context", 0),
        )
        return find_lines(log, query, progress)
