"""Converts a request to a task folder with a supervisor, or refuses it and leaves nothing behind."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from flow_core.agent.agent_copy import get_agent_name
from flow_core.agent.capacity import queue
from flow_core.agent.capacity.reservation_choice import choose_reservation
from flow_core.agent.containers.arguments import WORKSPACE, build_container_argv
from flow_core.agent.containers.engine_choice import choose_engine
from flow_core.agent.crash_leftovers import collect_garbage, make_staging_path
from flow_core.agent.data_mounts import get_volume_name, plan_mounts
from flow_core.agent.ended_index import mark_reusable
from flow_core.agent.layout import Layout, TaskFolder
from flow_core.agent.machine_id import get_user_name
from flow_core.agent.port_records import release_ports
from flow_core.agent.ports import reserve_ports
from flow_core.agent.processes.tree import ProcessIdentity
from flow_core.agent.pruning.pruned_keys import find_key
from flow_core.agent.records import MalformedRecord, sync_folder, write_json
from flow_core.agent.refusals import Refused
from flow_core.agent.s3.staging import make_placeholders, select_s3_mounts
from flow_core.agent.spec import ContainerPlan, StoredSpec
from flow_core.agent.staged_code import is_withdrawn, take_incoming
from flow_core.agent.submit_request import SubmitRequest, VolumeRequest
from flow_core.agent.supervisor_start import SUPERVISOR_SILENT, SupervisorStart, start_supervisor
from flow_core.agent.tasks import TaskStore
from flow_core.agent.user_paths import NO_FOLDER, resolve_folder
from flow_core.agent.volumes import NO_VOLUME, StoredVolume, VolumeStore

KEY_OF_ANOTHER = "key_of_another_task"
KEY_OF_PRUNED = "key_of_pruned_task"
WITHDRAWN = "submit_withdrawn"
CODE_GONE = "code_gone"
"""The code that was sent is missing: an earlier attempt took it and was killed. The client must send it again."""


def submit(
    layout: Layout,
    request: dict[str, Any],
    tasks: TaskStore,
    volumes: VolumeStore,
    progress: Callable[[], None] = lambda: None,
) -> str:
    """Submits a task and returns its id, which the request contains. Blocks for seconds.

    Calling it again after a lost response is safe: a task with that id isn't created twice. Refuses with
    INVALID_REQUEST, with the codes of this module, and with those of the modules that it uses.
    """
    return _Submission(layout, SubmitRequest.parse(request), tasks, volumes, progress).run()


class _Submission:
    """One submit, from the checks that change nothing to the running supervisor."""

    def __init__(
        self,
        layout: Layout,
        request: SubmitRequest,
        tasks: TaskStore,
        volumes: VolumeStore,
        progress: Callable[[], None],
    ) -> None:
        self._layout = layout
        self._request = request
        self._tasks = tasks
        self._volumes = volumes
        self._progress = progress
        self._task = layout.task(request.task_id)
        # Unique: the garbage collection may still be removing the folder of a killed attempt of this submit.
        self._staging = make_staging_path(self._task.path.with_name(f"{request.task_id}-{secrets.token_hex(4)}"))
        self._made_volumes: list[str] = []
        self._spec: StoredSpec
        self._starting: SupervisorStart | None = None

    def run(self) -> str:
        if self._exists():
            return self._task.task_id
        self._spec = self._build_spec()
        mounts = plan_mounts(self._request, self._task)
        self._layout.make()
        with self._volumes.lock():
            collect_garbage(self._layout)
            if (earlier_id := self._find_earlier_attempt()) is not None:
                return earlier_id
            try:
                self._write(mounts).take_over()
            except BaseException as error:
                is_unresponsive = isinstance(error, Refused) and error.code == SUPERVISOR_SILENT
                (self._cancel_unresponsive if is_unresponsive else self._undo)()
                raise
        return self._task.task_id

    def _exists(self) -> bool:
        """Returns whether the task exists. Checks it without the lock, then with it: a new task may still be undone."""
        if not self._task.path.is_dir():
            return False
        with self._volumes.lock():
            if not self._task.path.is_dir():
                return False
            if self._was_interrupted():
                self._restart()
            return True

    def _was_interrupted(self) -> bool:
        """Returns whether the submitter was killed before the supervisor started, and no process has noticed it yet."""
        try:
            spec = StoredSpec.read(self._task.spec)
        except MalformedRecord:
            return False
        has_begun = os.path.lexists(self._task.state) or os.path.lexists(self._task.cancel)
        submitter = None if spec is None else spec.submitter
        return not has_begun and submitter is not None and not submitter.is_alive

    def _restart(self) -> None:
        spec = StoredSpec.read(self._task.spec)
        if spec is None:
            return
        spec._replace(submitter=ProcessIdentity.current()).write(self._task.spec)
        try:
            start_supervisor(self._task, spec.mark)
        except Refused:
            if not os.path.lexists(self._task.state):  # if the state exists, the first supervisor was only late
                raise

    def _find_earlier_attempt(self) -> str | None:
        """Returns the task that an earlier attempt of this submit created.

        Refuses a key that belongs to another task, and the key of a pruned task, which no longer exists.
        """
        if is_withdrawn(self._layout, self._task.task_id):
            raise Refused(WITHDRAWN, task_id=self._task.task_id)
        if self._task.path.is_dir():
            return self._task.task_id
        key = self._request.idempotency_key
        if key is None:
            return None
        found = self._tasks.find_by_key(key)
        if found is not None and found.report.config != self._request.config:
            raise Refused(KEY_OF_ANOTHER, key=key, task_id=found.task_id)
        if found is None:
            refuse_pruned_key(self._layout, key)
        return None if found is None else found.task_id

    def _build_spec(self) -> StoredSpec:
        """Builds the spec without its queue position, which is assigned last."""
        request = self._request
        return StoredSpec(
            name=request.name,
            argv=tuple(build_argv(request.command, in_container=request.image is not None)),
            command_line=request.command_line,
            env=request.env,
            working_dir=self._resolve_folder(),
            container=None if request.image is None else _plan_container(request),
            streams=request.streams,
            tty=request.tty,
            ranks=request.ranks,
            distributed_mode=request.distributed_mode,
            retries=request.retries,
            ports=request.ports,
            max_run_time_hours=request.max_run_time_hours,
            gpus=choose_reservation(request, self._layout),
            mark=secrets.token_hex(16),
            owner=get_user_name(),
            agent=get_agent_name(),
            submitter=ProcessIdentity.current(),
            config=request.config,
            part=request.part,
            submitted_at=request.submitted_at,
            s3_python=request.s3_python,
            seq=0,
            created_at=0.0,
        )

    def _resolve_folder(self) -> str:
        """Returns the task's folder on this machine.

        With an image, `working_dir` is a path inside the image.
        """
        if self._request.own_folder:
            return self._resolve_working_dir()
        if self._request.image is None:
            return str(resolve_folder("working_dir", self._request.working_dir or "."))
        return str(resolve_folder("code_root", self._request.code_root or "."))

    def _resolve_working_dir(self) -> str:
        """Returns the working directory: the folder of this machine if `working_dir` is absolute or begins with ~.

        Otherwise it is a folder inside the task's code.
        """
        requested = "" if self._request.image is not None else self._request.working_dir
        is_absolute = requested.startswith(("/", "~"))
        relative = "." if is_absolute else os.path.normpath(requested or ".")
        code_folder = self._layout.incoming / self._task.task_id
        if self._request.has_code and not code_folder.is_dir():
            raise Refused(CODE_GONE, task_id=self._task.task_id)
        if relative != "." and (relative.split("/")[0] == ".." or not os.path.isdir(code_folder / relative)):
            raise Refused(NO_FOLDER, field="working_dir", path=requested)
        return (
            str(resolve_folder("working_dir", requested))
            if is_absolute
            else os.path.normpath(self._task.work / relative)
        )

    def _write(self, planned: list[dict[str, Any]]) -> SupervisorStart:
        """Writes the task's folder. Returns its supervisor, which has loaded its program meanwhile."""
        task, root = self._task, self._layout.root
        mounts = [*self._mount_volumes(), *planned]
        self._staging.mkdir(mode=0o700)
        starting = self._starting = SupervisorStart(task, self._staging, self._spec.mark)
        if mounts:
            write_json(self._staging / "mounts.json", {"mounts": mounts})
        make_placeholders(TaskFolder(self._staging), mounts)
        if self._request.own_folder:
            take_incoming(self._layout, self._task.task_id, TaskFolder(self._staging).work)
        with queue.queue_lock(root):
            reserve_ports(task, self._spec.ports, self._progress)
            position = queue.take_position(root)
            self._spec = self._spec._replace(seq=position.seq, created_at=position.created_at)
            # a task that must fetch something first joins the queue later
            if self._spec.container is None and not select_s3_mounts(mounts):
                queue.dequeue(task)
                queue.enqueue(task, self._spec)
        self._spec.write(TaskFolder(self._staging).spec)
        # written last: if this process is killed, they remain only until the next submit
        if self._request.credentials is not None:
            write_json(TaskFolder(self._staging).credentials, {"env": self._request.credentials})
        self._staging.rename(task.path)
        sync_folder(task.path.parent)
        return starting

    def _mount_volumes(self) -> list[dict[str, Any]]:
        """Returns the mounts of the volumes; first checks all of them, then creates the missing ones."""
        named = [(get_volume_name(mount), mount.target) for mount in self._request.data_mounts]
        requested: list[tuple[VolumeRequest | None, StoredVolume | None, str]] = [
            (None, self._find_free_volume(name), target) for name, target in named if name
        ]
        requested += [
            (request, self._find_existing_volume(request), request.target) for request in self._request.volumes
        ]
        mounts: list[dict[str, Any]] = []
        for request, volume, target in requested:
            if volume is None and request is not None:
                volume = self._volumes.make(request.size_gb, request.name, request.interface, None)
                self._made_volumes.append(volume.volume_id)
            if volume is not None:
                mounts.append(self._volumes.mount(volume, target))
        return mounts

    def _find_free_volume(self, id_or_name: str) -> StoredVolume:
        volume = self._volumes.find(id_or_name)
        self._volumes.refuse_if_held(volume)
        return volume

    def _find_existing_volume(self, request: VolumeRequest) -> StoredVolume | None:
        if request.volume_id is None and request.name is None:
            return None
        try:
            return self._find_free_volume(request.volume_id or request.name or "")
        except Refused as refused:
            if refused.code == NO_VOLUME and request.create_if_missing and request.volume_id is None:
                return None
            raise

    def _cancel_unresponsive(self) -> None:
        """Cancels a task whose supervisor didn't respond.

        A late supervisor ends itself; the reaper kills a stuck one.
        """
        write_json(self._task.cancel, {"force": True})
        self._spec._replace(submitter=None).write(self._task.spec)
        self._leave_queue()

    def _leave_queue(self) -> None:
        if self._spec.seq and (ticket := queue.find_ticket(self._task, self._spec.seq)) is not None:
            ticket.drop()
            queue.notify_waiting(self._layout.root)

    def _undo(self) -> None:
        if self._starting is not None:
            self._starting.abandon()
        self._leave_queue()
        release_ports(self._task, self._spec.ports)
        with suppress(OSError):  # the error that made the undo necessary is the one to report
            mark_reusable(self._layout, self._task.task_id)
        shutil.rmtree(self._task.path, ignore_errors=True)
        shutil.rmtree(self._staging, ignore_errors=True)
        for volume_id in self._made_volumes:
            shutil.rmtree(self._layout.volumes / volume_id, ignore_errors=True)


def refuse_pruned_key(layout: Layout, key: str) -> None:
    """Refuses the idempotency key of a pruned task with KEY_OF_PRUNED."""
    pruned = find_key(layout, key)
    if pruned is not None:
        is_known = pruned.ended_at is not None
        raise Refused(KEY_OF_PRUNED, key=key, task_id=pruned.task_id if is_known else None, status=pruned.status)


def build_argv(command: str | Sequence[str], *, in_container: bool = False) -> list[str]:
    """Returns the argv to execute: an unchanged list, or the shell with a command line."""
    if in_container:
        return build_container_argv(command)
    if not isinstance(command, str):
        return list(command)
    shell = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"
    return [shell, "-c", command]


def _plan_container(request: SubmitRequest) -> ContainerPlan:
    """Returns the container of the task. May take seconds. Refuses with NO_ENGINE."""
    choice = choose_engine(request.engine)
    return ContainerPlan(
        engine=choice.engine._asdict(),
        image=str(request.image),
        is_line=isinstance(request.command, str),
        working_dir=request.working_dir or WORKSPACE,
        defaults=choice.defaults,
    )
