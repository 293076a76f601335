"""Volumes: folders with a record beside them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from flow_core.agent.capacity import queue
from flow_core.agent.crash_leftovers import collect_garbage, make_staging_path, make_trash_path, remove_tree
from flow_core.agent.ids import is_task_id, is_volume_id, is_volume_name
from flow_core.agent.layout import Layout
from flow_core.agent.locks import exclusive_lock
from flow_core.agent.machine_id import make_new_id
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.record_fields import Fields
from flow_core.agent.records import MalformedRecord, read_json, read_known, write_json
from flow_core.agent.refusals import Refused
from flow_core.agent.task_reader import StoredTask
from flow_core.agent.tasks import TaskStore

NO_VOLUME = "no_volume"
VOLUME_BROKEN = "volume_broken"
NAME_TAKEN = "volume_name_taken"
VOLUME_IN_USE = "volume_in_use"
BLOCK_VOLUME_IN_USE = "block_volume_in_use"
TASK_BROKEN = "volume_for_broken_task"
TASK_OVER = "volume_for_ended_task"
CONTAINER_RUNS = "volume_for_running_container"
TARGET_TAKEN = "volume_target_taken"


class StoredVolume(NamedTuple):
    """The current state of one volume. `attached_to` contains the ids of the unfinished tasks that hold it."""

    volume_id: str
    name: str
    size_gb: int
    interface: str
    region: str
    created_at: float
    seq: int
    attached_to: tuple[str, ...]
    path: str

    @classmethod
    def parse(cls, data: Any) -> StoredVolume:
        """Parses a volume that another machine sent as JSON. Raises ValueError."""
        fields = Fields(data)
        volume = _parse_fields(fields.text("volume_id"), fields, fields.texts("attached_to"), fields.text("path"))
        if not is_volume_id(volume.volume_id) or not is_volume_name(volume.name):
            raise ValueError("its id or its name is invalid")
        if not all(is_task_id(task_id) for task_id in volume.attached_to):
            raise ValueError("attached_to must hold the ids of tasks")
        return volume


class VolumeStore:
    """The volumes of one context. Blocking.

    Hold `lock()` around `find`, `make` and `refuse_if_held` if a change depends on their result.
    """

    def __init__(self, layout: Layout, region: str, tasks: TaskStore) -> None:
        self.layout = layout
        self._region = region
        self.tasks = tasks

    def lock(self) -> Any:
        """Holds the context's lock. Creates the folders of the context. Raises OSError."""
        self.layout.make()
        return exclusive_lock(self.layout.volumes_lock)

    def list_readable(self) -> tuple[list[StoredVolume], list[str]]:
        """Returns the volumes, newest first, and a sentence for each volume that can't be read."""
        rows, broken = self._load_all()
        return rows, [f"the record of volume {name} is broken: {why}" for name, why in broken.items()]

    def find(self, id_or_name: str) -> StoredVolume:
        """Finds a volume by its id or name.

        Refuses with NO_VOLUME, and with VOLUME_BROKEN for the id of a volume whose record is broken.
        """
        rows, broken = self._load_all()
        for volume in rows:
            if id_or_name in (volume.volume_id, volume.name):
                return volume
        if id_or_name in broken:
            raise Refused(VOLUME_BROKEN, volume_id=id_or_name, why=broken[id_or_name])
        raise Refused(NO_VOLUME, wanted=id_or_name, context=self.layout.context)

    def get_data_path(self, volume_id: str) -> Path:
        return self.layout.volumes / volume_id / "data"

    def make(
        self, size_gb: int, name: str | None, interface: str, region: str | None, volume_id: str | None = None
    ) -> StoredVolume:
        """Creates a volume. With a `volume_id`, calling it again is safe. Refuses with NAME_TAKEN.

        The caller must check before that such a volume is possible.
        """
        name = name or f"volume-{os.urandom(3).hex()}"
        for volume in self._load_all()[0]:
            if volume.volume_id == volume_id:
                return volume
            if volume.name == name:
                raise Refused(NAME_TAKEN, name=name, context=self.layout.context)
        with queue.queue_lock(self.layout.root):
            position = queue.take_position(self.layout.root)
        volume_id = volume_id or make_new_id("vol")
        record = {"volume_id": volume_id, "name": name, "size_gb": size_gb, "interface": interface}
        record.update(region=region or self._region, created_at=position.created_at, seq=position.seq)
        folder = make_staging_path(self.layout.volumes / volume_id)
        make_private_folder(folder / "data")
        write_json(folder / "record.json", record)
        folder.rename(self.layout.volumes / volume_id)
        return self._read(volume_id, ())

    def remove(self, id_or_name: str) -> None:
        """Removes a volume; takes the lock itself. Refuses with the codes of `find` and VOLUME_IN_USE."""
        with self.lock():
            collect_garbage(self.layout)
            volume = self.find(id_or_name)
            if volume.attached_to:
                raise Refused(VOLUME_IN_USE, volume=volume.name, tasks=self._task_names(volume.attached_to))
            path = self.layout.volumes / volume.volume_id
            path.rename(make_trash_path(path))
        remove_tree(make_trash_path(path))

    def refuse_if_held(self, volume: StoredVolume, by_other_than: str | None = None) -> None:
        """Refuses with BLOCK_VOLUME_IN_USE if another unfinished task holds this block volume."""
        others = [task_id for task_id in volume.attached_to if task_id != by_other_than]
        if volume.interface == "block" and others:
            raise Refused(BLOCK_VOLUME_IN_USE, volume=volume.name, tasks=self._task_names(others))

    def attach(self, id_or_name: str, task_id: str, mount_path: str | None) -> str:
        """Attaches a volume and returns the path at which the task finds it. Takes the lock itself.

        The path is `mount_path`, which must be checked before, otherwise /volumes/NAME, or a link if the task runs
        already.
        """
        with self.lock():
            task, volume = self.tasks.get(task_id), self.find(id_or_name)
            if task.is_broken:
                raise Refused(TASK_BROKEN, task_id=task_id, why=task.problem)
            if task.report.is_over:
                raise Refused(TASK_OVER, task_id=task_id)
            link = self.tasks.get_folder(task_id).links / volume.name
            uses_container = task.spec is not None and task.spec.container is not None
            has_mounts = task.state is not None and task.state.mounts_taken
            for mount in task.report.volumes:
                if mount.volume_id == volume.volume_id:
                    return mount.target
            if has_mounts and uses_container:
                raise Refused(CONTAINER_RUNS, task_id=task_id)
            self.refuse_if_held(volume, task_id)
            target = str(link) if has_mounts else mount_path or f"/volumes/{volume.name}"
            self._add_mount(task, volume, target)
            if has_mounts:
                make_private_folder(link.parent)
                link.symlink_to(self.get_data_path(volume.volume_id))
            return target

    def mount(self, volume: StoredVolume, target: str) -> dict[str, Any]:
        """Returns the entry of mounts.json for a volume."""
        return {
            "volume_id": volume.volume_id,
            "name": volume.name,
            "source": str(self.get_data_path(volume.volume_id)),
            "target": target,
        }

    def _add_mount(self, task: StoredTask, volume: StoredVolume, target: str) -> None:
        path = self.tasks.get_folder(task.task_id).mounts
        try:
            known = read_json(path) or {}
        except MalformedRecord as error:
            raise Refused(TASK_BROKEN, task_id=task.task_id, why=str(error)) from error
        mounts = list(known.get("mounts", []))
        for mount in mounts:
            existing, requested = mount["target"] + "/", target + "/"
            if existing.startswith(requested) or requested.startswith(existing):
                raise Refused(TARGET_TAKEN, task_id=task.task_id, target=mount["target"])
        write_json(path, {**known, "mounts": [*mounts, self.mount(volume, target)]})

    def _task_names(self, task_ids: Sequence[str]) -> list[str]:
        found = ((task_id, self.tasks.find(task_id)) for task_id in task_ids)
        return [task_id if task is None else task.report.name for task_id, task in found]

    def _load_all(self) -> tuple[list[StoredVolume], dict[str, str]]:
        """Returns the readable volumes, newest first, and the error of each other volume."""
        holders = self._find_holders()
        found, broken = [], {}
        for volume_id in _list_ids(self.layout.volumes):
            try:
                found.append(self._read(volume_id, holders.get(volume_id, ())))
            except (OSError, ValueError) as error:
                broken[volume_id] = str(error)
        return sorted(found, key=lambda volume: volume.seq, reverse=True), broken

    def _find_holders(self) -> dict[str, tuple[str, ...]]:
        holders: dict[str, tuple[str, ...]] = {}
        for task in self.tasks.list_unfinished():
            for mount in task.report.volumes:
                holders[mount.volume_id] = (*holders.get(mount.volume_id, ()), task.task_id)
        return holders

    def _read(self, volume_id: str, holders: tuple[str, ...]) -> StoredVolume:
        """Reads the record of a volume. Raises OSError, ValueError."""
        data, problem = read_known(self.layout.volumes / volume_id / "record.json")
        if data is None:
            raise MalformedRecord("record.json is missing")
        try:
            return _parse_fields(volume_id, Fields(data), holders, str(self.get_data_path(volume_id)))
        except ValueError as error:
            raise MalformedRecord(problem or str(error)) from error


def _parse_fields(volume_id: str, fields: Fields, holders: tuple[str, ...], path: str) -> StoredVolume:
    """Parses the fields of a volume. Raises ValueError."""
    return StoredVolume(
        volume_id=volume_id,
        name=fields.text("name"),
        size_gb=fields.whole("size_gb"),
        interface="file" if fields.text("interface") == "file" else "block",
        region=fields.text("region"),
        created_at=fields.moment("created_at"),
        seq=fields.whole("seq"),
        attached_to=holders,
        path=path,
    )


def _list_ids(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if is_volume_id(name)]
    except FileNotFoundError:
        return []
