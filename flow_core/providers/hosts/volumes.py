"""Volumes: directories of a machine that outlive tasks. Each is on one machine, and the tasks that use it run there."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from flow_core.agent import volumes as agent_volumes
from flow_core.agent.machine_id import make_new_id
from flow_core.agent.record_fields import Fields
from flow_core.errors import AuthError, ConfigError, Conflict, ProviderError, Unreachable, printable
from flow_core.models.volume import Volume, VolumeInterface
from flow_core.providers.contract.listing import Listing
from flow_core.providers.contract.request_checks import check_new_volume, parse_volume_spec
from flow_core.providers.contract.volume_errors import block_volume_in_use_error
from flow_core.providers.hosts.agent_client import AgentClient, call_all
from flow_core.providers.hosts.host_info import read_all_hosts
from flow_core.providers.hosts.host_tasks import HostTasks, choose_error, not_found_error
from flow_core.providers.over_agent.volume_conversion import to_volume


class HostVolumes:
    """The volumes of all machines. `region` is the machine of a volume; sizes are stored, but not enforced."""

    can_change = True

    def __init__(self, context: str, tasks: HostTasks) -> None:
        self._context = context
        self._tasks = tasks

    async def create(self, size_gb: int, name: str | None, interface: VolumeInterface, region: str | None) -> Volume:
        """Creates a volume on the machine that `region` names, or on the one with the most free space."""
        check_new_volume(size_gb, name, interface)
        name = name or f"volume-{secrets.token_hex(3)}"
        if any(volume.name == name for volume in await self.list()):
            raise Conflict(f"a volume called {name!r} exists already in context {self._context!r}")
        agent = await self._choose_host(region)
        arguments = {"volume_id": make_new_id("vol"), "size_gb": size_gb, "name": name, "interface": interface}
        answer = await agent.call("make_volume", **arguments)
        try:
            return _parse_volume(self._context, agent, answer)
        except ValueError as error:
            raise ProviderError(f"the answer of {agent.name!r} about the new volume can't be read: {error}") from error

    async def list(self) -> tuple[Volume, ...]:
        """Returns the volumes of all machines that respond. If none does, raises the error."""
        hosts = [host.agent for host in self._tasks.hosts]
        answers, silent = await call_all(hosts, "volumes")
        if not answers:
            raise choose_error(list(silent.values()))
        listings = [_parse_volumes(self._context, agent, answer) for agent, answer in answers.items()]
        rows = {volume.volume_id: volume for volume in chain(*listings)}  # a machine with two names counts once
        newest_first = sorted(rows.values(), key=lambda volume: (volume.created_at, volume.volume_id), reverse=True)
        broken = [
            f"{agent.name}: {error}"
            for agent, error in silent.items()
            if not isinstance(error, Unreachable | AuthError)
        ]
        return Listing.of(newest_first, [*broken, *chain(*(listing.unreadable for listing in listings))])

    async def delete(self, volume_id: str) -> None:
        volume = await self._find_volume(volume_id)
        await self._find_host(volume).call("remove_volume", volume=volume.volume_id)

    async def attach(self, volume_id: str, task_id: str, mount_path: str | None) -> str:
        host, *others = await self._tasks.find(task_id)
        record = self._tasks.get_record(task_id)
        volume = await self._find_volume(volume_id)
        if record.is_terminal:
            raise Conflict(f"task {task_id} has ended; a volume can only be given to an unfinished one")
        if others:
            raise Conflict(f"task {task_id} runs on several machines; a volume lies on one")
        if volume.region != host.agent.name:
            raise Conflict(
                f"volume {volume.name!r} lies on {volume.region}, and task {task_id} runs on {host.agent.name}"
            )
        target = parse_volume_spec({"name": volume.name, "mount_path": mount_path}).target
        return str(await host.agent.call("attach_volume", volume=volume.volume_id, task_id=task_id, mount_path=target))

    async def refuse_if_held(self, volume: Volume, by_other_than: str | None = None) -> None:
        """Checks that no other unfinished task uses this block volume. Raises Conflict. The machine checks it again."""
        others = [task_id for task_id in volume.attached_to if task_id != by_other_than]
        if volume.interface == "block" and others:
            raise block_volume_in_use_error(volume.name, await self._tasks.find_names(others))

    def describe_create(self, size_gb: int, name: str | None, interface: VolumeInterface) -> str:
        return f"mkdir <state of flow on the machine>/volumes/vol_<new id>/data  ({name or 'unnamed'}, {interface})"

    def describe_delete(self, volume: Volume) -> str:
        folder = (volume.path or volume.volume_id).removesuffix("/data")
        return f"ssh {volume.region} rm -r {shlex.quote(folder)}"

    def describe_attach(self, volume_id: str, task_id: str, mount_path: str | None) -> str:
        return f"mount --bind .../volumes/{volume_id}/data {mount_path or '/volumes/NAME'}  (in {task_id})"

    async def _find_volume(self, id_or_name: str) -> Volume:
        """Returns the volume with this id or name. Raises NotFound."""
        hosts = [host.agent for host in self._tasks.hosts]
        answers, silent = await call_all(hosts, "volumes")
        for volume in chain(*(_parse_volumes(self._context, agent, answer) for agent, answer in answers.items())):
            if id_or_name in (volume.volume_id, volume.name):
                return volume
        raise not_found_error(f"volume {printable(repr(id_or_name[:70]))}", self._context, answers, silent)

    def _find_host(self, volume: Volume) -> AgentClient:
        return next(host.agent for host in self._tasks.hosts if host.agent.name == volume.region)

    async def _choose_host(self, region: str | None) -> AgentClient:
        hosts: Sequence[AgentClient] = [host.agent for host in self._tasks.hosts]
        if region is not None:
            hosts = [agent for agent in hosts if region in (agent.name, agent.region)]
        if not hosts:
            raise ConfigError(
                f"region: {printable(repr(region))} is neither a machine nor a region here", field="region"
            )
        if len(hosts) == 1:
            return hosts[0]
        infos, silent = await read_all_hosts(hosts)
        if not infos:
            raise choose_error(list(silent.values()))
        return max(infos, key=lambda agent: infos[agent].free_disk_gb or 0)


def _parse_volumes(context: str, agent: AgentClient, answer: Any) -> Listing[Volume]:
    """Parses the volumes of a machine; names those that can't be parsed."""
    volumes, unreadable = [], []
    try:
        fields = Fields(answer)
        rows, unreadable = fields.tables("volumes"), list(fields.texts("unreadable"))
    except ValueError as error:
        return Listing.of([], [f"the volumes of {agent.name} can't be read: {error}"])
    for row in rows:
        try:
            volumes.append(_parse_volume(context, agent, row))
        except ValueError as error:
            unreadable.append(f"the record of a volume on {agent.name} is broken: {error}")
    return Listing.of(volumes, [note if agent.name in note else f"{agent.name}: {note}" for note in unreadable])


def _parse_volume(context: str, agent: AgentClient, row: Any) -> Volume:
    """Parses a volume. Raises ValueError."""
    return replace(to_volume(agent_volumes.StoredVolume.parse(row), context), region=agent.name)
