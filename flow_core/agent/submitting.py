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
from flow_core.agent.incoming import is_withdrawn, take_incoming
from flow_core.agent.layout import Layout, TaskFolder
from flow_core.agent.leftovers import sweep, unfinished
from flow_core.agent.machine import user_name
from flow_core.agent.own_copy import agent_name
from flow_core.agent.paths import NO_FOLDER, folder
from flow_core.agent.ports import promise
from flow_core.agent.pruning.pruned_keys import find_key
from flow_core.agent.records import MalformedRecord, sync_folder, write_json
from flow_core.agent.refusals import Refused
from flow_core.agent.s3.staging import make_placeholders, s3_mounts
from flow_core.agent.spawning import SUPERVISOR_SILENT, start_supervisor
from flow_core.agent.spec import TaskSpec
from flow_core.agent.submit_request import SubmitRequest, VolumeRequest
from flow_core.agent.supervisor.processes import Identity
from flow_core.agent.tasks import Tasks
from flow_core.agent.volumes import NO_VOLUME, Volume, VolumeShelf

KEY_OF_ANOTHER = "key_of_another_task"
KEY_OF_PRUNED = "key_of_pruned_task"
WITHDRAWN = "submit_withdrawn"
CODE_GONE = "code_gone"
"""What was sent for the task is not there any more: an earlier try took it, and was killed. Send it again."""


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
        self._spec: TaskSpec

    def run(self) -> str:
        if self._is_there():
            return self._task.task_id
        self._spec = self._plan()
        mounts = plan_mounts(self._request, self._task)
        self._layout.make()
        with self._volumes.lock():
            sweep(self._layout)
            if (known := self._submitted_before()) is not None:
                return known
            try:
                self._write(mounts)
                start_supervisor(self._task, self._spec.mark)
            except BaseException as error:
                is_silent = isinstance(error, Refused) and error.code == SUPERVISOR_SILENT
                (self._disown if is_silent else self._undo)()
                raise
        return self._task.task_id

    def _is_there(self) -> bool:
        """Asked without the lock, and again with it: a task that is just being made may still be undone."""
        if not self._task.path.is_dir():
            return False
        with self._volumes.lock():
            if not self._task.path.is_dir():
                return False
            if self._was_cut_off():
                self._start_again()
            return True

    def _was_cut_off(self) -> bool:
        """Whether who submitted it was killed before its supervisor began, and nobody has noticed yet."""
        try:
            spec = TaskSpec.read(self._task.spec)
        except MalformedRecord:
            return False
        has_begun = os.path.lexists(self._task.state) or os.path.lexists(self._task.cancel)
        submitter = None if spec is None else spec.submitter
        return not has_begun and submitter is not None and not submitter.is_alive

    def _start_again(self) -> None:
        spec = TaskSpec.read(self._task.spec)
        if spec is None:
            return
        spec._replace(submitter=Identity.mine()).write(self._task.spec)
        try:
            start_supervisor(self._task, spec.mark)
        except Refused:
            if not os.path.lexists(self._task.state):  # else the first one was only late
                raise

    def _submitted_before(self) -> str | None:
        """The task that this very submit made when it was tried before.

        Refuses another one's key, and that of a task that was pruned: there is nothing left to return.
        """
        if is_withdrawn(self._layout, self._task.task_id):
            raise Refused(WITHDRAWN, task_id=self._task.task_id)
        if self._task.path.is_dir():
            return self._task.task_id
        key = self._request.idempotency_key
        if key is None:
            return None
        reports = (one.report for one in self._tasks.all())
        found = next((report for report in reports if report.config.get("idempotency_key") == key), None)
        if found is not None and found.config != self._request.config:
            raise Refused(KEY_OF_ANOTHER, key=key, task_id=found.task_id)
        if found is None:
            refuse_pruned_key(self._layout, key)
        return None if found is None else found.task_id

    def _plan(self) -> TaskSpec:
        """All but its place, which it gets last."""
        request = self._request
        return TaskSpec(
            name=request.name,
            argv=tuple(argv_of(request.command, in_container=request.image is not None)),
            command_line=request.command_line,
            env=request.env,
            working_dir=self._folder(),
            container=None if request.image is None else plan_container(request),
            streams=request.streams,
            tty=request.tty,
            ranks=request.ranks,
            distributed_mode=request.distributed_mode,
            retries=request.retries,
            ports=request.ports,
            max_run_time_hours=request.max_run_time_hours,
            gpus=booked(request, self._layout),
            mark=secrets.token_hex(16),
            owner=user_name(),
            agent=agent_name(),
            submitter=Identity.mine(),
            config=request.config,
            part=request.part,
            submitted_at=request.submitted_at,
            s3_python=request.s3_python,
            seq=0,
            created_at=0.0,
        )

    def _folder(self) -> str:
        """The folder of this machine that the task works in. With an image, `working_dir` is one inside it."""
        if self._request.own_folder:
            return self._own_folder()
        if self._request.image is None:
            return str(folder("working_dir", self._request.working_dir or "."))
        return str(folder("code_root", self._request.code_root or "."))

    def _own_folder(self) -> str:
        """A folder of the machine all the same where one was named; else one of what came with the task."""
        wanted = "" if self._request.image is not None else self._request.working_dir
        is_elsewhere = wanted.startswith(("/", "~"))
        inside = "." if is_elsewhere else os.path.normpath(wanted or ".")
        sent = self._layout.incoming / self._task.task_id
        if self._request.has_code and not sent.is_dir():
            raise Refused(CODE_GONE, task_id=self._task.task_id)
        if inside != "." and (inside.split("/")[0] == ".." or not os.path.isdir(sent / inside)):
            raise Refused(NO_FOLDER, field="working_dir", path=wanted)
        return str(folder("working_dir", wanted)) if is_elsewhere else os.path.normpath(self._task.work / inside)

    def _write(self, planned: list[dict[str, Any]]) -> None:
        task, root = self._task, self._layout.root
        mounts = [*self._mounts_of_volumes(), *planned]
        self._staging.mkdir(mode=0o700)
        if mounts:
            write_json(self._staging / "mounts.json", {"mounts": mounts})
        make_placeholders(TaskFolder(self._staging), mounts)
        if self._request.own_folder:
            take_incoming(self._layout, self._task.task_id, TaskFolder(self._staging).work)
        with queue.queue_lock(root):
            promise(task, self._spec.ports, self._progress)
            place = queue.next_place(root)
            self._spec = self._spec._replace(seq=place.seq, created_at=place.created_at)
            if self._spec.container is None and not s3_mounts(
                mounts
            ):  # A task that must download first keeps no other waiting.
                queue.leave_line(task)
                queue.stand_in_line(task, self._spec)
        self._spec.write(TaskFolder(self._staging).spec)
        if self._request.credentials is not None:  # last: should we be killed, they lie there until the next submit
            write_json(TaskFolder(self._staging).credentials, {"env": self._request.credentials})
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

    def _disown(self) -> None:
        """A supervisor that said nothing may be stuck or late: the next look ends the one, the other ends itself."""
        write_json(self._task.cancel, {"force": True})
        self._spec._replace(submitter=None).write(self._task.spec)
        self._leave_the_line()

    def _leave_the_line(self) -> None:
        if self._spec.seq and (ticket := queue.ticket_of(self._task, self._spec.seq)) is not None:
            ticket.drop()
            queue.ring(self._layout.root)

    def _undo(self) -> None:
        self._leave_the_line()
        withdraw(self._task, self._spec.ports)
        shutil.rmtree(self._task.path, ignore_errors=True)
        shutil.rmtree(self._staging, ignore_errors=True)
        for volume_id in self._made_volumes:
            shutil.rmtree(self._layout.volumes / volume_id, ignore_errors=True)


def refuse_pruned_key(layout: Layout, key: str) -> None:
    """Refuses the idempotency key of a task that was pruned with KEY_OF_PRUNED."""
    pruned = find_key(layout, key)
    if pruned is not None:
        is_known = pruned.ended_at is not None
        raise Refused(KEY_OF_PRUNED, key=key, task_id=pruned.task_id if is_known else None, status=pruned.status)


def argv_of(command: str | Sequence[str], *, in_container: bool = False) -> list[str]:
    """What is executed: the list as it is, a line through the shell."""
    if in_container:
        return argv_inside(command)
    if not isinstance(command, str):
        return list(command)
    shell = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"
    return [shell, "-c", command]
