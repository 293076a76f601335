"""Turning a request into a task folder with a supervisor, or into a refusal that leaves nothing behind."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from typing import Any

from flow_core.agent.capacity import queue
from flow_core.agent.capacity.booking import booked
from flow_core.agent.capacity.port_records import withdraw
from flow_core.agent.containers.arguments import argv_inside
from flow_core.agent.containers.plan import plan_container
from flow_core.agent.data_mounts import plan_mounts, volume_name
from flow_core.agent.layout import Layout, TaskFolder
from flow_core.agent.leftovers import sweep, unfinished
from flow_core.agent.machine import user_name
from flow_core.agent.own_copy import agent_name
from flow_core.agent.paths import folder
from flow_core.agent.ports import promise
from flow_core.agent.pruning.pruned_keys import find_key
from flow_core.agent.records import sync_folder, write_json
from flow_core.agent.refusals import Refused
from flow_core.agent.s3.copies import copies_among, make_room
from flow_core.agent.spawning import SUPERVISOR_SILENT, start_supervisor
from flow_core.agent.submit_request import SubmitRequest, VolumeRequest
from flow_core.agent.supervisor.processes import Identity
from flow_core.agent.tasks import Tasks
from flow_core.agent.volumes import NO_VOLUME, Volume, VolumeShelf

KEY_OF_ANOTHER = "key_of_another_task"
KEY_OF_PRUNED = "key_of_pruned_task"


def submit(
    layout: Layout,
    request: dict[str, Any],
    tasks: Tasks,
    volumes: VolumeShelf,
    progress: Callable[[], None] = lambda: None,
) -> str:
    """The new task's id, which the request brings. Blocking.

    Safe to ask again after a lost answer: a task with that id is not made a second time. Refuses with
    INVALID_REQUEST, with the codes of this module, and with those of the modules that it uses.
    """
    return _Submission(layout, SubmitRequest.parse(request), tasks, volumes, progress).run()


class _Submission:
    """One submit, from checks that change nothing to the running supervisor."""

    def __init__(
        self,
        layout: Layout,
        request: SubmitRequest,
        tasks: Tasks,
        volumes: VolumeShelf,
        progress: Callable[[], None],
    ) -> None:
        self._layout = layout
        self._request = request
        self._tasks = tasks
        self._volumes = volumes
        self._progress = progress
        self._task = layout.task(request.task_id)
        # A name of its own: a sweep may still be removing what an attempt of this very submit left that was killed.
        self._staging = unfinished(self._task.path.with_name(f"{request.task_id}-{secrets.token_hex(4)}"))
        self._made_volumes: list[str] = []

    def run(self) -> str:
        if self._is_there():
            return self._task.task_id
        spec = self._plan()
        mounts = plan_mounts(self._request.data_mounts, self._task, has_boto3=self._request.has_boto3)
        self._layout.make()
        with self._volumes.lock():
            sweep(self._layout)
            if (known := self._submitted_before()) is not None:
                return known
            try:
                self._write(spec, mounts)
                start_supervisor(self._task, spec["mark"])
            except BaseException as error:
                is_silent = isinstance(error, Refused) and error.code == SUPERVISOR_SILENT
                (self._disown if is_silent else self._undo)(spec)
                raise
        return self._task.task_id

    def _is_there(self) -> bool:
        """Asked without the lock, and again with it: a task that is just being made may still be undone."""
        if not self._task.path.is_dir():
            return False
        with self._volumes.lock():
            return self._task.path.is_dir()

    def _submitted_before(self) -> str | None:
        """The task that this very submit made when it was tried before.

        Refuses another one's key, and that of a task that was pruned: there is nothing left to return.
        """
        if self._task.path.is_dir():
            return self._task.task_id
        key = self._request.idempotency_key
        if key is None:
            return None
        reports = (one.report for one in self._tasks.all())
        found = next((report for report in reports if report.config.get("idempotency_key") == key), None)
        if found is not None and found.config != self._request.config:
            raise Refused(KEY_OF_ANOTHER, key=key, task_id=found.task_id)
        if found is None and (pruned := find_key(self._layout, key)) is not None:
            is_known = pruned.ended_at is not None
            raise Refused(KEY_OF_PRUNED, key=key, task_id=pruned.task_id if is_known else None, status=pruned.status)
        return None if found is None else found.task_id

    def _plan(self) -> dict[str, Any]:
        request = self._request
        submitter = Identity.mine()
        return {
            "name": request.name,
            "argv": argv_of(request.command, in_container=request.image is not None),
            "command_line": request.command_line,
            "env": request.env,
            "working_dir": self._folder(),
            "container": None if request.image is None else plan_container(request),
            "streams": request.streams,
            "tty": request.tty,
            "ranks": request.ranks,
            "distributed_mode": request.distributed_mode,
            "retries": request.retries,
            "ports": list(request.ports),
            "max_run_time_hours": request.max_run_time_hours,
            "gpus": booked(request, self._layout),
            "mark": secrets.token_hex(16),
            "owner": user_name(),
            "agent": agent_name(),
            "submitter": submitter._asdict(),
            "config": request.config,
        }

    def _folder(self) -> str:
        """The folder of this machine that the task works in. With an image, `working_dir` is one inside it."""
        if self._request.image is None:
            return str(folder("working_dir", self._request.working_dir or "."))
        return str(folder("code_root", self._request.code_root or "."))

    def _write(self, spec: dict[str, Any], planned: list[dict[str, Any]]) -> None:
        task, root = self._task, self._layout.root
        mounts = [*self._mounts_of_volumes(), *planned]
        self._staging.mkdir(mode=0o700)
        if mounts:
            write_json(self._staging / "mounts.json", {"mounts": mounts})
        make_room(TaskFolder(self._staging), mounts)
        with queue.queue_lock(root):
            promise(task, spec["ports"], self._progress)
            place = queue.next_place(root)
            spec.update(seq=place.seq, created_at=place.created_at)
            if spec["container"] is None and not copies_among(mounts):  # whoever has yet to fetch holds nobody up
                queue.leave_line(task)
                queue.stand_in_line(task, spec)
        write_json(self._staging / "spec.json", spec)
        self._staging.rename(task.path)
        sync_folder(task.path.parent)

    def _mounts_of_volumes(self) -> list[dict[str, Any]]:
        """The volumes asked for: first all refusals, then those that are made anew."""
        named = [(volume_name(mount), mount.target) for mount in self._request.data_mounts]
        wanted: list[tuple[VolumeRequest | None, Volume | None, str]] = [
            (None, self._found(name), target) for name, target in named if name
        ]
        wanted += [(one, self._found_or_missing(one), one.target) for one in self._request.volumes]
        mounts: list[dict[str, Any]] = []
        for one, volume, target in wanted:
            if volume is None and one is not None:
                volume = self._volumes.make(one.size_gb, one.name, one.interface, None)
                self._made_volumes.append(volume.volume_id)
            if volume is not None:
                mounts.append(self._volumes.mount(volume, target))
        return mounts

    def _found(self, wanted: str) -> Volume:
        volume = self._volumes.find(wanted)
        self._volumes.refuse_if_held(volume)
        return volume

    def _found_or_missing(self, one: VolumeRequest) -> Volume | None:
        if one.volume_id is None and one.name is None:
            return None
        try:
            return self._found(one.volume_id or one.name or "")
        except Refused as refused:
            if refused.code == NO_VOLUME and one.create_if_missing and one.volume_id is None:
                return None
            raise

    def _disown(self, spec: dict[str, Any]) -> None:
        """A supervisor that said nothing may be stuck or late: the next look ends the one, the other ends itself."""
        write_json(self._task.cancel, {"force": True})
        write_json(self._task.spec, {**spec, "submitter": None})
        self._leave_the_line(spec)

    def _leave_the_line(self, spec: dict[str, Any]) -> None:
        if "seq" in spec and (ticket := queue.ticket_of(self._task, spec["seq"])) is not None:
            ticket.drop()
            queue.ring(self._layout.root)

    def _undo(self, spec: dict[str, Any]) -> None:
        self._leave_the_line(spec)
        withdraw(self._task, spec["ports"])
        shutil.rmtree(self._task.path, ignore_errors=True)
        shutil.rmtree(self._staging, ignore_errors=True)
        for volume_id in self._made_volumes:
            shutil.rmtree(self._layout.volumes / volume_id, ignore_errors=True)


def argv_of(command: str | Sequence[str], *, in_container: bool = False) -> list[str]:
    """What is executed: the list as it is, a line through the shell."""
    if in_container:
        return argv_inside(command)
    if not isinstance(command, str):
        return list(command)
    shell = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"
    return [shell, "-c", command]
