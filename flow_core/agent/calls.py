"""What a client may ask of the agent of a machine: each call by its name, with arguments and results that fit JSON.

Every call may be asked again after a lost answer. Refusals are those of the modules that do the work. Standard library
only.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flow_core.agent import parts
from flow_core.agent.capacity import queue
from flow_core.agent.capacity.reservation_report import ReservationWish
from flow_core.agent.capacity.reservations import Reservations
from flow_core.agent.changes import Changes
from flow_core.agent.copies import touch
from flow_core.agent.ids import check_task_id, check_volume_id
from flow_core.agent.incoming import make_incoming
from flow_core.agent.layout import OVER_SSH, Layout, TaskFolder
from flow_core.agent.machine import machine_id, user_name
from flow_core.agent.machine_facts import machine_facts
from flow_core.agent.own_copy import agent_name
from flow_core.agent.pruning.removal import remove_tasks
from flow_core.agent.pruning.schedule import take_turn
from flow_core.agent.pruning.selection import select_among
from flow_core.agent.record_fields import Fields
from flow_core.agent.refusals import Refused
from flow_core.agent.tasks import Tasks
from flow_core.agent.volumes import VolumeShelf

if TYPE_CHECKING:
    from collections.abc import Callable

    Progress = Callable[[], None]

CONTEXT = OVER_SSH
UNKNOWN_CALL, INVALID_ARGUMENTS = "unknown_call", "invalid_arguments"

_TOUCH_S = 3600.0


class Calls:
    """One machine, as one process of the agent serves it. `run` may be called from several threads."""

    def __init__(self, root: str) -> None:
        self._layout = Layout(Path(root), CONTEXT)
        self._layout.make()
        self._tasks = Tasks(self._layout)
        self._volumes = VolumeShelf(self._layout, "", self._tasks)
        self._reservations = Reservations(self._layout)
        self._changes = Changes(self._tasks, self._layout)
        self._touched_at = -_TOUCH_S
        self._quick = {"changes": self._look_for_changes, "task": self._task}
        self._slow: dict[str, Callable[[Fields, Progress], Any]] = {
            "submit": self._submit,
            "receive_code": lambda fields, _: str(make_incoming(self._layout, check_task_id(fields.text("task_id")))),
            "withdraw": self._withdraw,
            "cancel": self._cancel,
            "facts": lambda fields, _: machine_facts(self._layout, self._tasks, fields.texts("gpus")),
            "tend_part": self._tend_part,
            "take_part": self._take_part,
            "start_part": self._start_part,
            "give_part_back": self._give_part_back,
            "volumes": self._list_volumes,
            "make_volume": self._make_volume,
            "remove_volume": lambda fields, _: self._volumes.remove(fields.text("volume")),
            "attach_volume": self._attach_volume,
            "reservations": self._list_reservations,
            "make_reservation": self._make_reservation,
            "reservation": self._reservation,
            "release_reservation": self._release_reservation,
            "openings": self._openings,
            "take_pruning_turn": lambda fields, _: take_turn(self._layout),
            "plan_pruning": self._plan_pruning,
            "prune": self._prune,
            "refuse_pruned_key": self._refuse_pruned_key,
        }

    def greeting(self) -> dict[str, Any]:
        """What a client has to know before it asks anything."""
        return {
            "agent": agent_name(),
            "python": sys.executable,
            "machine": machine_id(),
            "root": str(self._layout.root),
            "tasks": str(self._layout.tasks),
            "user": user_name(),
            "now": time.time(),
        }

    def keep_copy(self) -> None:
        """Notes now and then that the copy which this process runs from, and goes on to load from, is in use."""
        if time.monotonic() - self._touched_at >= _TOUCH_S:
            self._touched_at = time.monotonic()
            try:
                touch(self._layout.root / "bin" / agent_name())
            except OSError:
                pass  # it isn't run from there

    def is_quick(self, call: str) -> bool:
        """Whether it never has to wait for more than the disk."""
        return call in self._quick

    def run(self, call: str, arguments: dict[str, Any], progress: Progress) -> Any:
        """Raises Refused, OSError."""
        work = self._quick.get(call) or self._slow.get(call)
        if work is None:
            raise Refused(UNKNOWN_CALL, call=call)
        try:
            return work(Fields(arguments), progress)
        except ValueError as error:
            raise Refused(INVALID_ARGUMENTS, why=str(error)) from error

    def _look_for_changes(self, fields: Fields, progress: Progress) -> Any:
        return self._changes.since(fields.whole("since", 0), fields.text("process", ""))

    def _task(self, fields: Fields, progress: Progress) -> Any:
        return self._report(fields.text("task_id"))

    def _report(self, task_id: str) -> dict[str, Any]:
        return self._changes.described(self._tasks.get(task_id))

    def _submit(self, fields: Fields, progress: Progress) -> Any:
        from flow_core.agent.submitting import submit  # deferred: looking at tasks needs none of it

        return self._report(submit(self._layout, fields.table("request"), self._tasks, self._volumes))

    def _withdraw(self, fields: Fields, progress: Progress) -> None:
        """Undoes a submit that was to be one of several: the part is ended and forgotten, its code too."""
        from flow_core.agent.withdrawing import withdraw  # deferred: as above

        task_id, is_under_way = check_task_id(fields.text("task_id")), fields.flag("is_under_way")
        withdraw(self._layout, self._tasks, task_id, progress, is_under_way=is_under_way)

    def _cancel(self, fields: Fields, progress: Progress) -> None:
        self._tasks.cancel(fields.text("task_id"), force=fields.flag("force"))

    def _tend_part(self, fields: Fields, progress: Progress) -> None:
        """From a client that would start this part: `has_begun` says that other parts of the task have begun."""
        task = self._part(fields)
        parts.note_client(task)
        if fields.flag("has_begun"):
            queue.go_first(task, self._tasks.get(task.task_id).seq)

    def _take_part(self, fields: Fields, progress: Progress) -> bool:
        task, by, hold_s = self._part(fields), fields.text("by"), fields.moment("hold_s")
        return parts.take(task, by, hold_s, self._ring, progress)

    def _start_part(self, fields: Fields, progress: Progress) -> None:
        parts.start(self._part(fields), fields.text("by"), self._ring)

    def _give_part_back(self, fields: Fields, progress: Progress) -> None:
        parts.give_back(self._part(fields), fields.text("by"), self._ring)

    def _part(self, fields: Fields) -> TaskFolder:
        standing = self._tasks.get(fields.text("task_id"))
        if standing.spec is None or standing.spec.part is None:
            raise Refused(parts.NO_PART, task_id=standing.task_id)
        return self._tasks.folder(standing.task_id)

    def _ring(self) -> None:
        queue.ring(self._layout.root)

    def _list_volumes(self, fields: Fields, progress: Progress) -> Any:
        rows, unreadable = self._volumes.listing()
        return {"volumes": [row._asdict() for row in rows], "unreadable": unreadable}

    def _make_volume(self, fields: Fields, progress: Progress) -> Any:
        size_gb, name, interface = fields.whole("size_gb", least=1), fields.text("name"), fields.text("interface")
        with self._volumes.lock():
            volume_id = check_volume_id(fields.text("volume_id"))
            return self._volumes.make(size_gb, name, interface, None, volume_id)._asdict()

    def _attach_volume(self, fields: Fields, progress: Progress) -> str:
        return self._volumes.attach(fields.text("volume"), fields.text("task_id"), fields.optional_text("mount_path"))

    def _list_reservations(self, fields: Fields, progress: Progress) -> Any:
        return [report._asdict() for report in self._reservations.all()]

    def _make_reservation(self, fields: Fields, progress: Progress) -> Any:
        return self._reservations.make(ReservationWish.parse(fields.table("wish")))._asdict()

    def _reservation(self, fields: Fields, progress: Progress) -> Any:
        return self._reservations.get(fields.text("reservation_id"))._asdict()

    def _release_reservation(self, fields: Fields, progress: Progress) -> None:
        self._reservations.release(fields.text("reservation_id"))

    def _openings(self, fields: Fields, progress: Progress) -> Any:
        start, end = fields.optional_number("start"), fields.optional_number("end")
        return [opening._asdict() for opening in self._reservations.openings(fields.texts("gpus"), start, end)]

    def _plan_pruning(self, fields: Fields, progress: Progress) -> Any:
        found = select_among(self._layout, fields.texts("among"), frozenset(fields.texts("named")), progress)
        return {name: [one._asdict() for one in rows] for name, rows in found._asdict().items()}

    def _prune(self, fields: Fields, progress: Progress) -> Any:
        removal = remove_tasks(self._layout, fields.texts("task_ids"), frozenset(fields.texts("made_files")), progress)
        return {name: [one._asdict() for one in rows] for name, rows in removal._asdict().items()}

    def _refuse_pruned_key(self, fields: Fields, progress: Progress) -> None:
        from flow_core.agent.submitting import refuse_pruned_key  # deferred: looking at tasks needs none of it

        refuse_pruned_key(self._layout, fields.text("key"))
