"""Volumes: make, list, destroy them, and give them to tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core import validation
from flow_core.client.context_client import ContextClient
from flow_core.errors import ConfigError

if TYPE_CHECKING:
    from flow_core.models.volume import Volume, VolumeInterface
    from flow_core.providers.base import VolumeFacet


class VolumeCalls(ContextClient):
    """What a client does with volumes. A volume may be named wherever an id is asked for."""

    async def create_volume(
        self,
        size_gb: int,
        name: str | None = None,
        interface: VolumeInterface = "block",
        region: str | None = None,
    ) -> Volume:
        """Makes a volume; `block` for one task at a time, `file` for many. A name is made up when not given.

        Not safe twice. Raises ConfigError, and Conflict for a name that is taken.
        """
        volumes = self._volumes
        validation.whole("size_gb", size_gb, least=1)
        validation.optional_label("name", name)
        validation.one_of("interface", interface, ("block", "file"))
        validation.optional_label("region", region)
        call = volumes.describe_create(size_gb, name, interface)
        return await self.change(
            "create volume", name or "a volume", call, lambda: volumes.create(size_gb, name, interface, region)
        )

    async def delete_volume(self, volume_id: str) -> None:
        """Destroys a volume and its data, for ever. Raises NotFound, and Conflict while tasks hold it."""
        volumes, wanted = self._volumes, validation.text("volume_id", volume_id)
        volume = next((v for v in await volumes.list() if wanted in (v.volume_id, v.name)), None)
        call = volumes.describe_delete(volume) if volume else "nothing: no such volume"
        await self.change("delete volume", wanted, call, lambda: volumes.delete(wanted))

    async def list_volumes(self, limit: int = 100) -> list[Volume]:
        """Volumes, newest first, at most `limit`."""
        return list((await self._volumes.list())[: validation.whole("limit", limit)])

    async def mount_volume(self, volume_id: str, task_id: str, mount_point: str | None = None) -> bool:
        """Gives an unfinished task a volume; True once it has it. Twice is safe.

        The task finds it at `mount_point`, or at /volumes/NAME. Raises NotFound, ConfigError, and Conflict: held by
        another task, the place is taken, or the task has ended.
        """
        await self.attach_volume(volume_id, task_id, mount_point)
        return True

    async def attach_volume(self, volume_id: str, task_id: str, mount_point: str | None = None) -> str:
        """As `mount_volume`, and says the path at which the task finds it."""
        volumes, volume = self._volumes, validation.text("volume_id", volume_id)
        validation.text("task_id", task_id)
        target = _mount_point(mount_point)
        call = volumes.describe_attach(volume, task_id, target)
        return await self.change(
            "attach volume", f"{volume} to {task_id}", call, lambda: volumes.attach(volume, task_id, target)
        )

    @property
    def _volumes(self) -> VolumeFacet:
        return self.facet(self.provider.volumes, "volumes")


def _mount_point(path: str | None) -> str | None:
    from flow_core.models.storage_spec import mount_target  # deferred: loads pydantic

    wanted = validation.optional_text("mount_point", path)
    try:
        return None if wanted is None else mount_target(wanted)
    except ValueError as error:
        raise ConfigError(f"mount_point: {error}", field="mount_point") from None
