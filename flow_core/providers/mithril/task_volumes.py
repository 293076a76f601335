"""The volumes of a submit: those that exist, and those that are created for it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flow_core.errors import ConfigError, FlowError, NotFound
from flow_core.logs.escape import escape_controls
from flow_core.models.volume import Volume

if TYPE_CHECKING:
    from flow_core.models.storage_spec import MountSpec
    from flow_core.models.task_config import TaskConfig, VolumeSpec
    from flow_core.providers.mithril.startup.script_content import Mount
    from flow_core.providers.mithril.volumes import MithrilVolumes

_log = logging.getLogger("flow.mithril")


class TaskVolumes:
    """The volumes of one submit. All of them are in the region of the task."""

    def __init__(self, volumes: MithrilVolumes, config: TaskConfig) -> None:
        self._volumes = volumes
        self._config = config
        self._region = ""
        self._requested: list[tuple[Volume | VolumeSpec, str]] = []
        self._created: list[Volume] = []

    async def find_region(self) -> str | None:
        """Returns the region of the task's volumes; None without volumes. Raises ConfigError for two regions."""
        names = [_parse_volume_name(mount) for mount in self._config.data_mounts]
        names += [name for spec in self._config.volumes if (name := spec.volume_id or spec.name) is not None]
        if not names:
            return None
        volumes = [
            candidate
            for candidate in await self._volumes.list()
            if candidate.volume_id in names or candidate.name in names
        ]
        # A name that is used in several regions does not determine the region of the task.
        unique = [
            candidate
            for candidate in volumes
            if candidate.volume_id in names or sum(candidate.name == same.name for same in volumes) == 1
        ]
        for volume in unique[1:]:
            if volume.region != unique[0].region:
                pair = " and ".join(
                    f"{escape_controls(candidate.name)} in {candidate.region}" for candidate in (unique[0], volume)
                )
                raise ConfigError(f"volumes: a task has one region, and its volumes are {pair}", field="volumes")
        return unique[0].region if unique else None

    async def find(self, region: str) -> None:
        """Finds the existing volumes, and creates nothing.

        Raises NotFound, ConfigError, Conflict if one can't be attached.
        """
        self._region = region
        for mount in self._config.data_mounts:
            self._requested.append((await self._volumes.find(_parse_volume_name(mount), region), mount.target))
        for spec in self._config.volumes:
            self._requested.append((await self._find_existing(spec) or spec, spec.target))
        for volume, _ in self._requested:
            if isinstance(volume, Volume) and volume.interface == "block":
                await self._check_not_attached(volume)

    async def create(self) -> list[Mount]:
        """Returns all volumes; creates missing ones."""
        return [(await self._create_if_missing(volume), target) for volume, target in self._requested]

    async def delete_created(self) -> None:
        """Deletes the volumes that `make` created. Logs a warning for a volume that can't be deleted."""
        while self._created:
            volume = self._created.pop()
            try:
                await self._volumes.delete(volume.volume_id)
            except FlowError as error:
                _log.warning("volume %s was made for a task that was not placed, and stays: %s", volume.name, error)

    async def _find_existing(self, spec: VolumeSpec) -> Volume | None:
        if spec.volume_id is None and spec.name is None:
            return None
        try:
            return await self._volumes.find(spec.volume_id or spec.name or "", self._region)
        except NotFound:
            if spec.create_if_missing and spec.volume_id is None:
                return None
            raise

    async def _check_not_attached(self, volume: Volume) -> None:
        if self._config.num_instances > 1:
            raise ConfigError(
                f"volumes: {escape_controls(volume.name)} is a block volume, for one instance only", field="volumes"
            )
        await self._volumes.refuse_if_held(volume)

    async def _create_if_missing(self, requested: Volume | VolumeSpec) -> Volume:
        if isinstance(requested, Volume):
            return requested
        volume = await self._volumes.create(requested.size_gb, requested.name, requested.interface, self._region)
        self._created.append(volume)
        return volume


def _parse_volume_name(mount: MountSpec) -> str:
    return mount.source.removeprefix("volume://").strip("/")
