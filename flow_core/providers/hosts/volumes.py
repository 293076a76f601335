"""Volumes: directories of a machine that outlive tasks. Each lies on one machine, and tasks that have it run there."""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Sequence
from itertools import chain

from flow_core.agent.record_fields import Fields, date_of
from flow_core.agent.regular_files import parse_json
from flow_core.errors import AuthError, ConfigError, Conflict, NotFound, Unreachable, printable
from flow_core.identifiers import is_task_id, is_volume_id, is_volume_label
from flow_core.models.volume import Volume, VolumeInterface
from flow_core.providers.asked import check_new_volume
from flow_core.providers.base import Listing
from flow_core.providers.hosts.answers import Answer
from flow_core.providers.hosts.facts import look_at_all
from flow_core.providers.hosts.far import FarHost, ask_all
from flow_core.providers.hosts.shelf import TaskShelf, strongest
from flow_core.providers.hosts.told import volume_path
from flow_core.providers.volume_users import block_volume_in_use, volume_not_deleted


class HostVolumes:
    """The volumes of all machines. `region` is the machine that one lies on; sizes are only remembered."""

    def __init__(self, context: str, tasks: TaskShelf) -> None:
        self._context = context
        self._tasks = tasks

    async def create(self, size_gb: int, name: str | None, interface: VolumeInterface, region: str | None) -> Volume:
        """On the machine that `region` names, else on the one with most room."""
        from flow_core.providers.hosts.submit import new_id, next_moment  # deferred: as long as nothing is made

        check_new_volume(size_gb, name, interface)
        name = name or f"volume-{secrets.token_hex(3)}"
        if any(volume.name == name for volume in await self.list()):
            raise Conflict(f"a volume called {name!r} exists already in context {self._context!r}")
        far = await self._roomiest(region)
        volume_id = new_id("vol")
        record = {"version": 1, "name": name, "size_gb": size_gb, "interface": interface, "created_at": next_moment()}
        await far.ask("make_volume", volume_id, name, json.dumps(record, separators=(",", ":")))
        return await self._find(volume_id)

    async def list(self) -> tuple[Volume, ...]:
        """Of all machines that answer. Raises why, when none does."""
        hosts = [view.far for view in self._tasks.views]
        answers, silent = await ask_all(hosts, "list_volumes")
        if not answers:
            raise strongest(list(silent.values()))
        found = [_volumes(self._context, far, answer) for far, answer in answers.items()]
        rows = sorted(chain(*found), key=lambda volume: (volume.created_at, volume.volume_id), reverse=True)
        broken = [
            f"{far.name}: {error}" for far, error in silent.items() if not isinstance(error, Unreachable | AuthError)
        ]
        return Listing.of(rows, [*broken, *chain(*(one.unreadable for one in found))])

    async def delete(self, volume_id: str) -> None:
        volume = await self._find(volume_id)
        if volume.attached_to:
            raise volume_not_deleted(volume.name, await self._tasks.names(volume.attached_to))
        await self._home(volume).ask("delete_volume", volume.volume_id, volume.name)

    async def attach(self, volume_id: str, task_id: str, mount_path: str | None) -> str:
        view, *others = await self._tasks.find(task_id)
        record = self._tasks.record(task_id)
        volume = await self._find(volume_id)
        if record.is_terminal:
            raise Conflict(f"task {task_id} has ended; a volume can only be given to an unfinished one")
        if others:
            raise Conflict(f"task {task_id} runs on several machines; a volume lies on one")
        if volume.region != view.far.name:
            raise Conflict(
                f"volume {volume.name!r} lies on {volume.region}, and task {task_id} runs on {view.far.name}"
            )
        await self.refuse_if_held(volume, task_id)
        line = json.dumps({"volume_id": volume.volume_id, "name": volume.name}, separators=(",", ":"))
        words = (volume.volume_id, volume.name, volume.interface, task_id, line)
        answer = await view.far.ask("attach_volume", *words)
        return volume_path(answer.root, task_id, volume.name)

    async def refuse_if_held(self, volume: Volume, by_other_than: str | None = None) -> None:
        """Raises Conflict when another unfinished task has this block volume. The machine checks it again."""
        others = [task_id for task_id in volume.attached_to if task_id != by_other_than]
        if volume.interface == "block" and others:
            raise block_volume_in_use(volume.name, await self._tasks.names(others))

    def describe_create(self, size_gb: int, name: str | None, interface: VolumeInterface) -> str:
        return (
            f"mkdir ~/.local/state/flow/hosts/<machine>/volumes/vol_<new id>/data  ({name or 'unnamed'}, {interface})"
        )

    def describe_delete(self, volume: Volume) -> str:
        folder = str(volume.provider_metadata.get("path", volume.volume_id)).removesuffix("/data")
        return f"ssh {volume.region} rm -r {shlex.quote(folder)}"

    def describe_attach(self, volume_id: str, task_id: str, mount_path: str | None) -> str:
        return f"ln -s .../volumes/{volume_id}/data .../tasks/{task_id}/volumes/  (a task on a host has no mounts)"

    async def _find(self, wanted: str) -> Volume:
        """By id or name. Raises NotFound."""
        for volume in await self.list():
            if wanted in (volume.volume_id, volume.name):
                return volume
        raise NotFound(f"no volume {printable(repr(wanted[:70]))} in context {self._context!r}")

    def _home(self, volume: Volume) -> FarHost:
        return next(view.far for view in self._tasks.views if view.far.name == volume.region)

    async def _roomiest(self, region: str | None) -> FarHost:
        hosts: Sequence[FarHost] = [view.far for view in self._tasks.views]
        if region is not None:
            hosts = [far for far in hosts if region in (far.name, far.region)]
        if not hosts:
            raise ConfigError(f"region: {printable(repr(region))} is no machine and no region here", field="region")
        if len(hosts) == 1:
            return hosts[0]
        seen, silent = await look_at_all(hosts)
        if not seen:
            raise strongest(list(silent.values()))
        return max(seen, key=lambda far: seen[far].free_disk_gb or 0)


def _volumes(context: str, far: FarHost, answer: Answer) -> Listing[Volume]:
    """One that can't be read is left out and named."""
    holders: dict[str, tuple[str, ...]] = {}
    for line in answer.of("Y"):
        volume_id, _, task_id = line.partition(" ")
        if not is_task_id(task_id):
            continue
        holders[volume_id] = (*holders.get(volume_id, ()), task_id)
    found, unreadable = [], []
    for line in answer.of("V"):
        volume_id, _, text = line.partition(" ")
        try:
            fields = Fields(parse_json(text))
            found.append(_volume(context, far, answer.root, volume_id, fields, holders.get(volume_id, ())))
        except ValueError as error:
            unreadable.append(f"the record of volume {printable(volume_id)} on {far.name} is broken: {error}")
    return Listing.of(found, unreadable)


def _volume(context: str, far: FarHost, root: str, volume_id: str, fields: Fields, holders: tuple[str, ...]) -> Volume:
    """Raises ValueError."""
    name = fields.text("name")
    if not is_volume_id(volume_id) or not is_volume_label(name):
        raise ValueError("its id or its name is none that a volume can have")
    return Volume(
        context=context,
        volume_id=volume_id,
        name=name,
        size_gb=fields.whole("size_gb"),
        interface="file" if fields.text("interface") == "file" else "block",
        region=far.name,
        attached_to=holders,
        created_at=date_of(fields.moment("created_at")),
        status="attached" if holders else "available",
        provider_metadata={"path": f"{root}/volumes/{volume_id}/data"},
    )
