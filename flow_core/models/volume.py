"""Volumes: storage that outlives tasks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from flow_core.models.as_dict import as_dict

VolumeInterface = Literal["block", "file"]


class StorageInterface(StrEnum):
    """The number of tasks that may use a volume at the same time: one (`block`) or many (`file`).

    The values are words of the Flow SDK.
    """

    BLOCK = "block"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Volume:
    """A persistent volume. One task at a time may use a `block` volume, many may use a `file` volume.

    `attached_to` lists the ids of unfinished tasks that use it. `used_bytes` is None if it is unknown. `path` is the
    directory on its machine that holds its files, or empty.
    """

    context: str
    volume_id: str
    name: str
    size_gb: int
    interface: VolumeInterface = "block"
    region: str = ""
    attached_to: tuple[str, ...] = ()
    created_at: datetime | None = None
    status: str = "available"
    used_bytes: int | None = None
    path: str = ""
    provider_metadata: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def id(self) -> str:
        return self.volume_id

    @property
    def key(self) -> tuple[str, str]:
        return (self.context, self.volume_id)

    def to_dict(self) -> dict[str, Any]:
        """Returns the volume as plain data. `created_at` is ISO 8601 in UTC."""
        return as_dict(self)
