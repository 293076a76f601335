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
    from flow_core.providers.mithril.startup_content import Mount
    from flow_core.providers.mithril.volumes import MithrilVolumes

_log = logging.getLogger("flow.mithril")


class TaskVolumes:
    """Of one submit. All of them are in the region of the task."""

    def __init__(self, volumes: MithrilVolumes, config: TaskConfig) -> None:
        self._volumes = volumes
        self._config = config
        self._region = ""
        self._wanted: list[tuple[Volume | VolumeSpec, str]] = []
        self._made: list[Volume] = []

    async def region(self) -> str | None:
        """Where the volumes are that the task names, None where it names none. Raises ConfigError for two regions."""
        names = [_named_by(mount) for mount in self._config.data_mounts]
        names += [one for spec in self._config.volumes if (one := spec.volume_id or spec.name) is not None]
        if not names:
            return None
        there = [one for one in await self._volumes.list() if one.volume_id in names or one.name in names]
        # A name may be used in several regions: then it says nothing about where the task has to go.
        sure = [one for one in there if one.volume_id in names or sum(one.name == same.name for same in there) == 1]
        for volume in sure[1:]:
            if volume.region != sure[0].region:
                pair = " and ".join(f"{escape_controls(one.name)} in {one.region}" for one in (sure[0], volume))
                raise ConfigError(f"volumes: a task has one region, and its volumes are {pair}", field="volumes")
        return sure[0].region if sure else None

    async def find(self, region: str) -> None:
        """Makes nothing. Raises NotFound, ConfigError, Conflict for what can't be attached."""
        self._region = region
        for mount in self._config.data_mounts:
            self._wanted.append((await self._volumes.find(_named_by(mount), region), mount.target))
        for spec in self._config.volumes:
            self._wanted.append((await self._existing(spec) or spec, spec.target))
        for one, _ in self._wanted:
            if isinstance(one, Volume) and one.interface == "block":
                await self._refuse_a_held(one)

    async def make(self) -> list[Mount]:
        """All of them; those that are missing are made."""
        return [(await self._made_of(one), target) for one, target in self._wanted]

    async def unmake(self) -> None:
        """Deletes what `make` made. What can't be deleted is said in the log, and stays."""
        while self._made:
            volume = self._made.pop()
            try:
                await self._volumes.delete(volume.volume_id)
            except FlowError as error:
                _log.warning("volume %s was made for a task that was not placed, and stays: %s", volume.name, error)

    async def _existing(self, spec: VolumeSpec) -> Volume | None:
        if spec.volume_id is None and spec.name is None:
            return None
        try:
            return await self._volumes.find(spec.volume_id or spec.name or "", self._region)
        except NotFound:
            if spec.create_if_missing and spec.volume_id is None:
                return None
            raise

    async def _refuse_a_held(self, volume: Volume) -> None:
        if self._config.num_instances > 1:
            raise ConfigError(
                f"volumes: {escape_controls(volume.name)} is a block volume, for one instance only", field="volumes"
            )
        await self._volumes.refuse_if_held(volume)

    async def _made_of(self, one: Volume | VolumeSpec) -> Volume:
        if isinstance(one, Volume):
            return one
        volume = await self._volumes.create(one.size_gb, one.name, one.interface, self._region)
        self._made.append(volume)
        return volume


def _named_by(mount: MountSpec) -> str:
    return mount.source.removeprefix("volume://").strip("/")
