"""The volumes that a task is submitted with: those that are there, and those that are made for it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flow_core.errors import ConfigError, Conflict, FlowError, NotFound
from flow_core.models.volume import Volume

if TYPE_CHECKING:
    from flow_core.models.spec import TaskConfig, VolumeSpec
    from flow_core.providers.mithril.launch import Mount
    from flow_core.providers.mithril.volumes import MithrilVolumes

_log = logging.getLogger("flow.mithril")


class WantedVolumes:
    """Of one submit, in the region it goes to."""

    def __init__(self, volumes: MithrilVolumes, config: TaskConfig, region: str) -> None:
        self._volumes = volumes
        self._config = config
        self._region = region
        self._wanted: list[tuple[Volume | VolumeSpec, str]] = []
        self._made: list[Volume] = []

    async def find(self) -> None:
        """Makes nothing. Raises NotFound, ConfigError, Conflict for what can't be attached."""
        for mount in self._config.data_mounts:
            name = mount.source.removeprefix("volume://").strip("/")
            self._wanted.append((await self._volumes.find(name, self._region), mount.target))
        for spec in self._config.volumes:
            self._wanted.append((await self._existing(spec) or spec, spec.target))
        for one, _ in self._wanted:
            if isinstance(one, Volume) and one.interface == "block":
                self._refuse_a_held(one)

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

    def _refuse_a_held(self, volume: Volume) -> None:
        if self._config.num_instances > 1:
            raise ConfigError(f"volumes: {volume.name} is a block volume, for one instance only", field="volumes")
        if volume.attached_to:
            raise Conflict(f"volumes: {volume.name} is attached to {', '.join(volume.attached_to)}")

    async def _made_of(self, one: Volume | VolumeSpec) -> Volume:
        if isinstance(one, Volume):
            return one
        volume = await self._volumes.create(one.size_gb, one.name, one.interface, self._region)
        self._made.append(volume)
        return volume
