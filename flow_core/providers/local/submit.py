"""Turning a TaskConfig into a task folder with a supervisor, or into a refusal that leaves nothing behind."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flow_core.agent.capacity import queue
from flow_core.agent.capacity.port_records import withdraw
from flow_core.agent.containers.arguments import argv_inside
from flow_core.agent.layout import TaskFolder
from flow_core.agent.leftovers import sweep, unfinished
from flow_core.agent.machine import new_id, user_name
from flow_core.agent.pruning.pruned_keys import PrunedTask, find_key
from flow_core.agent.records import sync_folder, write_json
from flow_core.agent.s3.copies import copies_among, make_room
from flow_core.agent.supervisor.processes import Identity
from flow_core.errors import CapacityError, Conflict, NotFound, Unreachable
from flow_core.gpu import GpuRequest, parse_gpu
from flow_core.gpu_models import Gpu, choose
from flow_core.providers.asked import task_name
from flow_core.providers.local.agent_copy import agent_name
from flow_core.providers.local.capacity.booking import booked
from flow_core.providers.local.capacity.gpus import gpus_here
from flow_core.providers.local.capacity.limits import refuse_what_is_not_here
from flow_core.providers.local.containers.images import plan_container
from flow_core.providers.local.data_mounts import plan_mounts, volume_name
from flow_core.providers.local.paths import folder
from flow_core.providers.local.ports import promise
from flow_core.providers.local.spawn import start_supervisor
from flow_core.providers.local.volumes import VolumeShelf

if TYPE_CHECKING:
    from flow_core.models.spec import TaskConfig, VolumeSpec


class Submission:
    """One submit, from checks that change nothing to the running supervisor. Blocking."""

    def __init__(self, config: TaskConfig, shelf: VolumeShelf, settings: Mapping[str, Any]) -> None:
        self._config = config
        self._shelf = shelf
        self._settings = settings
        self._made_volumes: list[str] = []

    def run(self) -> str:
        """The new task's id. Raises ConfigError, Unsupported, CapacityError, NotFound, Conflict, Unreachable."""
        refuse_what_is_not_here(self._config)
        spec = self._plan()
        task = self._shelf.layout.task(new_id("task"))
        mounts = plan_mounts(self._config.data_mounts, task)
        self._shelf.layout.make()
        with self._shelf.lock():
            sweep(self._shelf.layout)
            if (known := self._submitted_before()) is not None:
                return known
            try:
                self._write(task, spec, mounts)
                start_supervisor(task, spec["mark"])
            except Unreachable:
                self._disown(task, spec)
                raise
            except BaseException:
                self._undo(task, spec)
                raise
        return task.task_id

    def _submitted_before(self) -> str | None:
        """The task that this very submit made when it was tried before.

        Raises Conflict for another one's key, and for that of a task that was pruned: there is nothing left to return.
        """
        key = self._config.idempotency_key
        if key is None:
            return None
        tasks = (one.record for one in self._shelf.tasks.all())
        found = next((task for task in tasks if task.config.get("idempotency_key") == key), None)
        if found is not None and found.config != self._config.said():
            raise Conflict(f"idempotency_key: {key!r} is that of task {found.task_id}, which was asked something else")
        if found is None and (pruned := find_key(self._shelf.layout, key)) is not None:
            raise Conflict(f"idempotency_key: {key!r} {_of_pruned(pruned)}; to run it again, choose another key")
        return None if found is None else found.task_id

    def _plan(self) -> dict[str, Any]:
        config = self._config
        submitter = Identity.mine()
        return {
            "name": task_name(config),
            "argv": argv_of(config),
            "command_line": config.command_line,
            "env": dict(config.env),
            "working_dir": _folder(config),
            "container": None if config.image is None else plan_container(config, self._settings.get("container")),
            "streams": config.streams or "separate",
            "tty": config.tty,
            "ranks": config.num_instances,
            "distributed_mode": config.distributed_mode,
            "retries": _retries(config),
            "ports": list(config.ports),
            "max_run_time_hours": config.max_run_time_hours,
            "gpus": booked(config, self._gpus(), self._shelf.layout),
            "mark": secrets.token_hex(16),
            "owner": user_name(),
            "agent": agent_name(),
            "submitter": submitter._asdict(),
            "config": config.said(),
        }

    def _gpus(self) -> dict[str, Any]:
        """Those of the first instance type that can be had here at all."""
        here, types = gpus_here(self._settings.get("gpus")), self._config.instance_types
        if self._config.min_gpu_memory_gb is not None:
            return self._gpus_for(GpuRequest(min_memory_gb=self._config.min_gpu_memory_gb), here)
        for number, wanted in enumerate(types or ("cpu",), start=1):
            try:
                return self._gpus_for(parse_gpu(wanted), here)
            except CapacityError:
                if number == len(types):
                    raise
        raise AssertionError("the last instance type is either there or raises")

    def _gpus_for(self, request: GpuRequest, here: Sequence[Gpu]) -> dict[str, Any]:
        if not request.needs_gpu:
            if request.cpus and request.cpus > (os.cpu_count() or request.cpus):
                raise CapacityError(f"{request} can't be had on this machine; it has {os.cpu_count()} CPUs")
            return {"wanted": str(request), "count": 0, "visible": {}, "hide": any(gpu.is_real for gpu in here)}
        fitting = choose(here, request, self._config.num_instances)
        return {
            "wanted": f"{request.count}x{request.model or fitting[0].short_model}",
            "type": request.model or fitting[0].short_model,
            "count": request.count,
            "candidates": [gpu.gpu_id for gpu in fitting],
            "visible": {gpu.gpu_id: gpu.visible for gpu in fitting},
            "real": any(gpu.is_real for gpu in fitting),
            "hide": False,
        }

    def _write(self, task: TaskFolder, spec: dict[str, Any], planned: list[dict[str, Any]]) -> None:
        mounts = [*self._volumes(), *planned]
        folder = unfinished(task.path)
        folder.mkdir(mode=0o700)
        if mounts:
            write_json(folder / "mounts.json", {"mounts": mounts})
        make_room(TaskFolder(folder), mounts)
        root = self._shelf.layout.root
        with queue.queue_lock(root):
            promise(task, spec["ports"])
            place = queue.next_place(root)
            spec |= {"seq": place.seq, "created_at": place.created_at}
            if spec["container"] is None and not copies_among(mounts):  # whoever has yet to fetch holds nobody up
                queue.stand_in_line(task, spec)
        write_json(folder / "spec.json", spec)
        folder.rename(task.path)
        sync_folder(task.path.parent)

    def _volumes(self) -> list[dict[str, Any]]:
        """The volumes asked for: first all refusals, then those that are made anew."""
        named = [(volume_name(mount), mount.target) for mount in self._config.data_mounts]
        wanted: list[tuple[VolumeSpec | None, Any, str]] = [
            (None, self._found(name), target) for name, target in named if name
        ]
        wanted += [(spec, self._found_or_missing(spec), spec.target) for spec in self._config.volumes]
        mounts: list[dict[str, Any]] = []
        for spec, volume, target in wanted:
            if volume is None and spec is not None:
                volume = self._shelf.make(spec.size_gb, spec.name, spec.interface, None)
                self._made_volumes.append(volume.volume_id)
            if volume is not None:
                mounts.append(self._shelf.mount(volume, target))
        return mounts

    def _found(self, wanted: str) -> Any:
        volume = self._shelf.find(wanted)
        self._shelf.refuse_if_held(volume)
        return volume

    def _found_or_missing(self, spec: VolumeSpec) -> Any:
        if spec.volume_id is None and spec.name is None:
            return None
        try:
            return self._found(spec.volume_id or spec.name or "")
        except NotFound:
            if spec.create_if_missing and spec.volume_id is None:
                return None
            raise

    def _disown(self, task: TaskFolder, spec: dict[str, Any]) -> None:
        """A supervisor that said nothing may be stuck or late: the next look ends the one, the other ends itself."""
        write_json(task.cancel, {"force": True})
        write_json(task.spec, {**spec, "submitter": None})
        self._leave_the_line(task, spec)

    def _leave_the_line(self, task: TaskFolder, spec: dict[str, Any]) -> None:
        if "seq" in spec and (ticket := queue.ticket_of(task, spec["seq"])) is not None:
            ticket.drop()
            queue.ring(task.root)

    def _undo(self, task: TaskFolder, spec: dict[str, Any]) -> None:
        self._leave_the_line(task, spec)
        withdraw(task, spec["ports"])
        shutil.rmtree(task.path, ignore_errors=True)
        shutil.rmtree(unfinished(task.path), ignore_errors=True)
        for volume_id in self._made_volumes:
            shutil.rmtree(self._shelf.layout.volumes / volume_id, ignore_errors=True)


def argv_of(config: TaskConfig) -> list[str]:
    """What is executed: the list as it is, a line through the shell."""
    if config.image is not None:
        return argv_inside(config.command)
    if not isinstance(config.command, str):
        return list(config.command)
    shell = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"
    return [shell, "-c", config.command]


def _of_pruned(task: PrunedTask) -> str:
    if task.ended_at is None:
        return "is that of a task that was pruned"
    return f"is that of task {task.task_id}, which has ended ({task.status}) and was pruned"


def _retries(config: TaskConfig) -> dict[str, Any] | None:
    """When the supervisor tries again: the delay grows by the factor, up to its limit."""
    wanted = config.retries
    if wanted is None or not wanted.max_retries:
        return None
    factor = 2.0 if wanted.mode == "exponential" else 1.0
    return {
        "max": wanted.max_retries,
        "delay_s": wanted.delay_s,
        "factor": factor,
        "max_delay_s": wanted.max_delay_s,
    }


def _folder(config: TaskConfig) -> str:
    """The folder of this machine that the task works in. With an image, `working_dir` is one inside it."""
    field = "working_dir" if config.image is None else "code_root"
    wanted: str | None = getattr(config, field)
    return str(folder(field, wanted or "."))
