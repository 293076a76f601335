"""The volumes of this machine, off the event loop."""

from __future__ import annotations

import shlex

from flow_core.agent.volumes import VolumeStore
from flow_core.models.volume import Volume, VolumeInterface
from flow_core.providers.contract.listing import Listing
from flow_core.providers.contract.request_checks import check_new_volume, parse_volume_spec
from flow_core.providers.over_agent.in_process_agent import call_agent
from flow_core.providers.over_agent.volume_conversion import to_volume


class LocalVolumes:
    """The volumes of one context, converted to models."""

    can_change = True

    def __init__(self, store: VolumeStore) -> None:
        self._store = store
        self._context = store.layout.context

    async def create(self, size_gb: int, name: str | None, interface: VolumeInterface, region: str | None) -> Volume:
        check_new_volume(size_gb, name, interface)
        return await call_agent(self._create, size_gb, name, interface, region)

    async def delete(self, volume_id: str) -> None:
        await call_agent(self._store.remove, volume_id)

    async def attach(self, volume_id: str, task_id: str, mount_path: str | None) -> str:
        path = None if mount_path is None else parse_volume_spec({"volume_id": "any", "mount_path": mount_path}).target
        return await call_agent(self._store.attach, volume_id, task_id, path)

    def describe_create(self, size_gb: int, name: str | None, interface: VolumeInterface) -> str:
        folder = shlex.quote(str(self._store.layout.volumes))
        return f"mkdir {folder}/vol_<new id>/data  ({name or 'unnamed'}, {interface})"

    def describe_delete(self, volume: Volume) -> str:
        return f"rm -r {shlex.quote(str(self._store.layout.volumes / volume.volume_id))}"

    def describe_attach(self, volume_id: str, task_id: str, mount_path: str | None) -> str:
        path, source = mount_path or "its default path", shlex.quote(str(self._store.get_data_path(volume_id)))
        return f"mount --bind {source} at {path} of {task_id} when it starts; a link in its folder when it runs already"

    async def list(self) -> tuple[Volume, ...]:
        return await call_agent(self._list)

    def _create(self, size_gb: int, name: str | None, interface: VolumeInterface, region: str | None) -> Volume:
        with self._store.lock():
            return to_volume(self._store.make(size_gb, name, interface, region), self._context)

    def _list(self) -> Listing[Volume]:
        rows, unreadable = self._store.list_readable()
        return Listing.of((to_volume(row, self._context) for row in rows), unreadable)
