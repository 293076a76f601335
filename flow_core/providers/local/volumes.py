"""Volumes: folders with a record beside them."""

from __future__ import annotations

import os
import secrets
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flow_core.agent.capacity import queue
from flow_core.agent.layout import Layout
from flow_core.agent.leftovers import doomed, remove, sweep, unfinished
from flow_core.agent.locks import locked
from flow_core.agent.machine import new_id
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.record_fields import Fields, date_of
from flow_core.agent.records import MalformedRecord, read_json, read_known, write_json
from flow_core.errors import Conflict, NotFound
from flow_core.identifiers import is_volume_id
from flow_core.models.volume import Volume, VolumeInterface
from flow_core.providers.asked import check_new_volume, volume_spec
from flow_core.providers.base import Listing
from flow_core.providers.local.tasks import Standing, TaskShelf
from flow_core.providers.offload import offload
from flow_core.providers.volume_users import block_volume_in_use, volume_not_deleted


class VolumeShelf:
    """The volumes of one context. Blocking. Methods that decide are called under `lock()`."""

    def __init__(self, layout: Layout, region: str, tasks: TaskShelf) -> None:
        self.layout = layout
        self._region = region
        self.tasks = tasks

    def lock(self) -> Any:
        self.layout.make()
        return locked(self.layout.volumes_lock)

    def all(self) -> list[Volume]:
        """Newest first. One that can't be read is left out."""
        return list(self.listing())

    def listing(self) -> Listing[Volume]:
        """The same with a sentence for each that can't be read."""
        holders = self._holders()
        found, unreadable = [], []
        for name in _names(self.layout.volumes):
            try:
                found.append(self._read(name, holders.get(name, ())))
            except (OSError, ValueError) as error:
                unreadable.append(f"the record of volume {name} is broken: {error}")
        rows = [volume for _, volume in sorted(found, key=lambda pair: pair[0], reverse=True)]
        return Listing.of(rows, unreadable)

    def find(self, wanted: str) -> Volume:
        """By id or name. Raises NotFound; Conflict for the id of one whose record is broken."""
        found = self.listing()
        for volume in found:
            if wanted in (volume.volume_id, volume.name):
                return volume
        if is_volume_id(wanted) and (why := [one for one in found.unreadable if wanted in one]):
            raise Conflict(why[0])
        raise NotFound(f"no volume {wanted[:70]!r} in context {self.layout.context!r}")

    def data(self, volume_id: str) -> Path:
        return self.layout.volumes / volume_id / "data"

    def make(self, size_gb: int, name: str | None, interface: VolumeInterface, region: str | None) -> Volume:
        """Raises ConfigError, Conflict."""
        check_new_volume(size_gb, name, interface)
        name = name or f"volume-{secrets.token_hex(3)}"
        if any(volume.name == name for volume in self.all()):
            raise Conflict(f"a volume called {name!r} exists already in context {self.layout.context!r}")
        with queue.queue_lock(self.layout.root):
            place = queue.next_place(self.layout.root)
        volume_id = new_id("vol")
        record = {"volume_id": volume_id, "name": name, "size_gb": size_gb, "interface": interface}
        record |= {"region": region or self._region, "created_at": place.created_at, "seq": place.seq}
        folder = unfinished(self.layout.volumes / volume_id)
        make_private_folder(folder / "data")
        write_json(folder / "record.json", record)
        folder.rename(self.layout.volumes / volume_id)
        return self._read(volume_id, ())[1]

    def remove(self, wanted: str) -> None:
        """Raises NotFound, Conflict."""
        with self.lock():
            sweep(self.layout)
            volume = self.find(wanted)
            if volume.attached_to:
                raise volume_not_deleted(volume.name, self._names_of(volume.attached_to))
            path = self.layout.volumes / volume.volume_id
            path.rename(doomed(path))
        remove(doomed(path))

    def refuse_if_held(self, volume: Volume, by_other_than: str | None = None) -> None:
        """Raises Conflict when another unfinished task holds this block volume."""
        others = [task_id for task_id in volume.attached_to if task_id != by_other_than]
        if volume.interface == "block" and others:
            raise block_volume_in_use(volume.name, self._names_of(others))

    def attach(self, wanted: str, task_id: str, mount_path: str | None) -> str:
        with self.lock():
            task, volume = self.tasks.get(task_id), self.find(wanted)
            if task.is_broken:
                raise Conflict(f"task {task_id} can be given no volume: {task.problem}")
            if task.record.is_terminal:
                raise Conflict(f"task {task_id} has ended; a volume can only be given to an unfinished one")
            link = self.tasks.folder(task_id).links / volume.name
            is_contained = bool(task.spec.get("container"))
            taken = task.state is not None and task.state.mounts_taken
            for mount in task.record.volumes:
                if mount.volume_id == volume.volume_id:
                    return mount.mount_path
            if taken and is_contained:
                raise Conflict(f"task {task_id} runs in a container, which can be given no volume after its start")
            self.refuse_if_held(volume, task_id)
            target = str(link) if taken else volume_spec({"name": volume.name, "mount_path": mount_path}).target
            self._add_mount(task, volume, target)
            if taken:
                make_private_folder(link.parent)
                link.symlink_to(self.data(volume.volume_id))
            return target

    def _add_mount(self, task: Standing, volume: Volume, target: str) -> None:
        path = self.tasks.folder(task.record.task_id).mounts
        try:
            known = read_json(path) or {}
        except MalformedRecord as error:
            raise Conflict(f"task {task.record.task_id} can be given no volume: {error}") from error
        mounts = list(known.get("mounts", []))
        for mount in mounts:
            one, other = mount["target"] + "/", target + "/"
            if one.startswith(other) or other.startswith(one):
                raise Conflict(f"task {task.record.task_id} has something mounted at {mount['target']} already")
        write_json(path, {**known, "mounts": [*mounts, self.mount(volume, target)]})

    def mount(self, volume: Volume, target: str) -> dict[str, Any]:
        return {
            "volume_id": volume.volume_id,
            "name": volume.name,
            "source": str(self.data(volume.volume_id)),
            "target": target,
        }

    def _names_of(self, task_ids: Sequence[str]) -> list[str]:
        names = {one.record.task_id: one.record.name for one in self.tasks.all()}
        return [names.get(task_id, task_id) for task_id in task_ids]

    def _holders(self) -> dict[str, tuple[str, ...]]:
        holders: dict[str, tuple[str, ...]] = {}
        for standing in self.tasks.all():
            if not standing.record.is_terminal:
                for mount in standing.record.volumes:
                    holders[mount.volume_id] = (*holders.get(mount.volume_id, ()), standing.record.task_id)
        return holders

    def _read(self, volume_id: str, holders: tuple[str, ...]) -> tuple[int, Volume]:
        """Raises OSError, ValueError."""
        data, problem = read_known(self.layout.volumes / volume_id / "record.json")
        if data is None:
            raise MalformedRecord("record.json is missing")
        try:
            return self._parse(volume_id, Fields(data), holders)
        except ValueError as error:
            raise MalformedRecord(problem or str(error)) from error

    def _parse(self, volume_id: str, fields: Fields, holders: tuple[str, ...]) -> tuple[int, Volume]:
        """Raises ValueError."""
        volume = Volume(
            context=self.layout.context,
            volume_id=volume_id,
            name=fields.text("name"),
            size_gb=fields.whole("size_gb"),
            interface="file" if fields.text("interface") == "file" else "block",
            region=fields.text("region"),
            attached_to=holders,
            created_at=date_of(fields.moment("created_at")),
            status="attached" if holders else "available",
            provider_metadata={"path": str(self.data(volume_id))},
        )
        return fields.whole("seq"), volume


class LocalVolumes:
    """The shelf, off the event loop."""

    def __init__(self, shelf: VolumeShelf) -> None:
        self._shelf = shelf

    async def create(self, size_gb: int, name: str | None, interface: VolumeInterface, region: str | None) -> Volume:
        return await offload(self._create, size_gb, name, interface, region)

    def _create(self, size_gb: int, name: str | None, interface: VolumeInterface, region: str | None) -> Volume:
        with self._shelf.lock():
            return self._shelf.make(size_gb, name, interface, region)

    async def delete(self, volume_id: str) -> None:
        await offload(self._shelf.remove, volume_id)

    async def attach(self, volume_id: str, task_id: str, mount_path: str | None) -> str:
        return await offload(self._shelf.attach, volume_id, task_id, mount_path)

    def describe_create(self, size_gb: int, name: str | None, interface: VolumeInterface) -> str:
        folder = shlex.quote(str(self._shelf.layout.volumes))
        return f"mkdir {folder}/vol_<new id>/data  ({name or 'unnamed'}, {interface})"

    def describe_delete(self, volume: Volume) -> str:
        return f"rm -r {shlex.quote(str(self._shelf.layout.volumes / volume.volume_id))}"

    def describe_attach(self, volume_id: str, task_id: str, mount_path: str | None) -> str:
        where = mount_path or "its default path"
        return (
            f"mount --bind {shlex.quote(str(self._shelf.data(volume_id)))} at {where} of {task_id} when it starts;"
            " a link in its folder when it runs already"
        )

    async def list(self) -> tuple[Volume, ...]:
        return await offload(self._shelf.listing)


def _names(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if is_volume_id(name)]
    except FileNotFoundError:
        return []
