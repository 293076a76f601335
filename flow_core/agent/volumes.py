"""Volumes: folders with a record beside them. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from flow_core.agent.capacity import queue
from flow_core.agent.ids import is_task_id, is_volume_id, is_volume_name
from flow_core.agent.layout import Layout
from flow_core.agent.leftovers import doomed, remove, sweep, unfinished
from flow_core.agent.locks import locked
from flow_core.agent.machine import new_id
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.record_fields import Fields
from flow_core.agent.records import MalformedRecord, read_json, read_known, write_json
from flow_core.agent.refusals import Refused
from flow_core.agent.tasks import Standing, Tasks

NO_VOLUME = "no_volume"
VOLUME_BROKEN = "volume_broken"
NAME_TAKEN = "volume_name_taken"
VOLUME_IN_USE = "volume_in_use"
BLOCK_VOLUME_IN_USE = "block_volume_in_use"
TASK_BROKEN = "volume_for_broken_task"
TASK_OVER = "volume_for_ended_task"
CONTAINER_RUNS = "volume_for_running_container"
TARGET_TAKEN = "volume_target_taken"


class Volume(NamedTuple):
    """One volume as it is now. `attached_to` are the ids of the unfinished tasks that hold it."""

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
    def parse(cls, data: Any) -> Volume:
        """One that another machine sent, as JSON. Raises ValueError."""
        fields = Fields(data)
        volume = _volume(fields.text("volume_id"), fields, fields.texts("attached_to"), fields.text("path"))
        if not is_volume_id(volume.volume_id) or not is_volume_name(volume.name):
            raise ValueError("its id or its name is none that a volume can have")
        if not all(is_task_id(task_id) for task_id in volume.attached_to):
            raise ValueError("attached_to must hold the ids of tasks")
        return volume


class VolumeShelf:
    """The volumes of one context. Blocking. Methods that decide are called under `lock()`."""

    def __init__(self, layout: Layout, region: str, tasks: Tasks) -> None:
        self.layout = layout
        self._region = region
        self.tasks = tasks

    def lock(self) -> Any:
        self.layout.make()
        return locked(self.layout.volumes_lock)

    def listing(self) -> tuple[list[Volume], list[str]]:
        """Newest first, and a sentence for each that can't be read."""
        rows, broken = self._look()
        return rows, [f"the record of volume {name} is broken: {why}" for name, why in broken.items()]

    def find(self, wanted: str) -> Volume:
        """By id or name. Refused: NO_VOLUME; VOLUME_BROKEN for the id of one whose record is."""
        rows, broken = self._look()
        for volume in rows:
            if wanted in (volume.volume_id, volume.name):
                return volume
        if wanted in broken:
            raise Refused(VOLUME_BROKEN, volume_id=wanted, why=broken[wanted])
        raise Refused(NO_VOLUME, wanted=wanted, context=self.layout.context)

    def data(self, volume_id: str) -> Path:
        return self.layout.volumes / volume_id / "data"

    def make(
        self, size_gb: int, name: str | None, interface: str, region: str | None, volume_id: str | None = None
    ) -> Volume:
        """Twice is safe with an id of the caller's. Refused: NAME_TAKEN.

        Whether there can be such a volume is checked before.
        """
        name = name or f"volume-{os.urandom(3).hex()}"
        for volume in self._look()[0]:
            if volume.volume_id == volume_id:
                return volume
            if volume.name == name:
                raise Refused(NAME_TAKEN, name=name, context=self.layout.context)
        with queue.queue_lock(self.layout.root):
            place = queue.next_place(self.layout.root)
        volume_id = volume_id or new_id("vol")
        record = {"volume_id": volume_id, "name": name, "size_gb": size_gb, "interface": interface}
        record.update(region=region or self._region, created_at=place.created_at, seq=place.seq)
        folder = unfinished(self.layout.volumes / volume_id)
        make_private_folder(folder / "data")
        write_json(folder / "record.json", record)
        folder.rename(self.layout.volumes / volume_id)
        return self._read(volume_id, ())

    def remove(self, wanted: str) -> None:
        """Takes the lock itself. Refused: as in `find`, and VOLUME_IN_USE."""
        with self.lock():
            sweep(self.layout)
            volume = self.find(wanted)
            if volume.attached_to:
                raise Refused(VOLUME_IN_USE, volume=volume.name, tasks=self._names_of(volume.attached_to))
            path = self.layout.volumes / volume.volume_id
            path.rename(doomed(path))
        remove(doomed(path))

    def refuse_if_held(self, volume: Volume, by_other_than: str | None = None) -> None:
        """Refused: BLOCK_VOLUME_IN_USE when another unfinished task holds this block volume."""
        others = [task_id for task_id in volume.attached_to if task_id != by_other_than]
        if volume.interface == "block" and others:
            raise Refused(BLOCK_VOLUME_IN_USE, volume=volume.name, tasks=self._names_of(others))

    def attach(self, wanted: str, task_id: str, mount_path: str | None) -> str:
        """Where the task finds it: at a path that was checked before, or /volumes/NAME. Takes the lock itself."""
        with self.lock():
            task, volume = self.tasks.get(task_id), self.find(wanted)
            if task.is_broken:
                raise Refused(TASK_BROKEN, task_id=task_id, why=task.problem)
            if task.report.is_over:
                raise Refused(TASK_OVER, task_id=task_id)
            link = self.tasks.folder(task_id).links / volume.name
            is_contained = task.spec is not None and task.spec.container is not None
            taken = task.state is not None and task.state.mounts_taken
            for mount in task.report.volumes:
                if mount.volume_id == volume.volume_id:
                    return mount.target
            if taken and is_contained:
                raise Refused(CONTAINER_RUNS, task_id=task_id)
            self.refuse_if_held(volume, task_id)
            target = str(link) if taken else mount_path or f"/volumes/{volume.name}"
            self._add_mount(task, volume, target)
            if taken:
                make_private_folder(link.parent)
                link.symlink_to(self.data(volume.volume_id))
            return target

    def mount(self, volume: Volume, target: str) -> dict[str, Any]:
        return {
            "volume_id": volume.volume_id,
            "name": volume.name,
            "source": str(self.data(volume.volume_id)),
            "target": target,
        }

    def _add_mount(self, task: Standing, volume: Volume, target: str) -> None:
        path = self.tasks.folder(task.task_id).mounts
        try:
            known = read_json(path) or {}
        except MalformedRecord as error:
            raise Refused(TASK_BROKEN, task_id=task.task_id, why=str(error)) from error
        mounts = list(known.get("mounts", []))
        for mount in mounts:
            one, other = mount["target"] + "/", target + "/"
            if one.startswith(other) or other.startswith(one):
                raise Refused(TARGET_TAKEN, task_id=task.task_id, target=mount["target"])
        write_json(path, {**known, "mounts": [*mounts, self.mount(volume, target)]})

    def _names_of(self, task_ids: Sequence[str]) -> list[str]:
        names = {one.task_id: one.report.name for one in self.tasks.all()}
        return [names.get(task_id, task_id) for task_id in task_ids]

    def _look(self) -> tuple[list[Volume], dict[str, str]]:
        """Those that can be read, newest first, and of each other one why not."""
        holders = self._holders()
        found, broken = [], {}
        for volume_id in _ids_in(self.layout.volumes):
            try:
                found.append(self._read(volume_id, holders.get(volume_id, ())))
            except (OSError, ValueError) as error:
                broken[volume_id] = str(error)
        return sorted(found, key=lambda volume: volume.seq, reverse=True), broken

    def _holders(self) -> dict[str, tuple[str, ...]]:
        holders: dict[str, tuple[str, ...]] = {}
        for task in self.tasks.all():
            if not task.report.is_over:
                for mount in task.report.volumes:
                    holders[mount.volume_id] = (*holders.get(mount.volume_id, ()), task.task_id)
        return holders

    def _read(self, volume_id: str, holders: tuple[str, ...]) -> Volume:
        """Raises OSError, ValueError."""
        data, problem = read_known(self.layout.volumes / volume_id / "record.json")
        if data is None:
            raise MalformedRecord("record.json is missing")
        try:
            return _volume(volume_id, Fields(data), holders, str(self.data(volume_id)))
        except ValueError as error:
            raise MalformedRecord(problem or str(error)) from error


def _volume(volume_id: str, fields: Fields, holders: tuple[str, ...], path: str) -> Volume:
    """Raises ValueError."""
    return Volume(
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


def _ids_in(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if is_volume_id(name)]
    except FileNotFoundError:
        return []
