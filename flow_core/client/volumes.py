"""Volumes: create, list and delete them, and attach them to tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.argument_checks import check_integer, check_one_of, check_optional_label, check_optional_text, check_text
from flow_core.errors import ConfigError, Unsupported

if TYPE_CHECKING:
    from flow_core.client.context_client import ContextClient
    from flow_core.models.volume import Volume, VolumeInterface
    from flow_core.providers.contract.resources import VolumeFacet


class AsyncVolumeResource:
    """The volumes of one context. Every call accepts the name of a volume in place of its id."""

    def __init__(self, client: ContextClient) -> None:
        self._client = client

    async def create(
        self,
        size_gb: int,
        name: str | None = None,
        interface: VolumeInterface = "block",
        region: str | None = None,
    ) -> Volume:
        """Creates a volume: `block` for one task at a time, `file` for many. A name is generated if you give none.

        Two calls create two volumes. Raises ConfigError, Unsupported, and Conflict if the name is taken.
        """
        volumes = self._changeable
        check_integer("size_gb", size_gb, minimum=1)
        check_optional_label("name", name)
        check_one_of("interface", interface, ("block", "file"))
        check_optional_label("region", region)
        call = volumes.describe_create(size_gb, name, interface)
        return await self._client.run_change(
            "create volume", name or "a volume", call, lambda: volumes.create(size_gb, name, interface, region)
        )

    async def delete(self, volume_id: str) -> None:
        """Deletes a volume and its data, without recovery.

        Raises NotFound, Unsupported, and Conflict while tasks hold it.
        """
        volumes, id_or_name = self._changeable, check_text("volume_id", volume_id)
        volume = next((v for v in await volumes.list() if id_or_name in (v.volume_id, v.name)), None)
        call = volumes.describe_delete(volume) if volume else "nothing: no such volume"
        await self._client.run_change("delete volume", id_or_name, call, lambda: volumes.delete(id_or_name))

    async def attach(self, volume_id: str, task_id: str, mount_point: str | None = None) -> str:
        """Attaches a volume to a task that hasn't ended, and returns its path there. Calling it again is safe.

        The path is `mount_point`, or /volumes/NAME without one. Raises NotFound, ConfigError, Unsupported, and
        Conflict if another task holds the volume, the path is taken, or the task has ended.
        """
        volumes, volume = self._changeable, check_text("volume_id", volume_id)
        check_text("task_id", task_id)
        target = _parse_mount_target(mount_point)
        call = volumes.describe_attach(volume, task_id, target)
        return await self._client.run_change(
            "attach volume", f"{volume} to {task_id}", call, lambda: volumes.attach(volume, task_id, target)
        )

    async def mount(self, volume_id: str, task_id: str, mount_point: str | None = None) -> bool:
        """Attaches a volume as `attach` does, and returns True once the task has it."""
        await self.attach(volume_id, task_id, mount_point)
        return True

    async def list(self, limit: int = 100) -> list[Volume]:
        """Returns volumes, newest first, at most `limit`."""
        return list((await self._volumes.list())[: check_integer("limit", limit)])

    @property
    def _changeable(self) -> VolumeFacet:
        volumes = self._volumes
        if not volumes.can_change:
            raise Unsupported(f"context {self._client.context.name!r} only lists volumes; it can't change them")
        return volumes

    @property
    def _volumes(self) -> VolumeFacet:
        return self._client.get_facet(self._client.provider.volumes, "volumes")


def _parse_mount_target(path: str | None) -> str | None:
    from flow_core.models.storage_spec import check_mount_target  # lazy import: loads pydantic

    target = check_optional_text("mount_point", path)
    try:
        return None if target is None else check_mount_target(target)
    except ValueError as error:
        raise ConfigError(f"mount_point: {error}", field="mount_point") from None
