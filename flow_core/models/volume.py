"""Storage that outlives tasks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

VolumeInterface = Literal["block", "file"]


@dataclass(frozen=True, slots=True)
class Volume:
    """A persistent volume. `block` is held by one task at a time, `file` by many.

    `attached_to` lists the ids of unfinished tasks that hold it. `used_bytes` is `None` where nobody counts.
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
    provider_metadata: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def id(self) -> str:
        return self.volume_id

    @property
    def key(self) -> tuple[str, str]:
        return (self.context, self.volume_id)
