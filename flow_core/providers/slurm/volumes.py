"""The shared paths of the cluster as volumes: listed with their use and quota, and never changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flow_core.errors import Unreachable, Unsupported
from flow_core.models.volume import Volume
from flow_core.providers.contract.listing import Listing
from flow_core.providers.slurm.discovery.shared_paths import (
    DEFAULT_PATHS,
    PathLookup,
    PathUse,
    SharedPath,
    UseQuery,
)
from flow_core.providers.slurm.queue.values import clean_label

if TYPE_CHECKING:
    from flow_core.models.volume import VolumeInterface
    from flow_core.providers.slurm.login_node import LoginNode
    from flow_core.providers.slurm.settings import SlurmSettings

_LOOKUP_S = 8.0
_KEEP_USE_S = 60.0
_KEEP_PATHS_S = 600.0
_PAUSE_S = 600.0
"""After which a file system that did not answer is asked again: each question may leave a process that hangs."""
_ONLY_LISTED = "a Slurm cluster only lists volumes, which are its shared paths; use them by their path"
_HANGS = "its file system does not answer"


class SlurmVolumes:
    """The paths that all nodes share: those of the settings, or $HOME, $SCRATCH, $WORK and $PROJECT of the login shell.

    The id of a volume is its path. Its size and use are those of this user's quota, where the site tells it.
    """

    can_change = False

    def __init__(self, login_node: LoginNode, settings: SlurmSettings, context_name: str) -> None:
        self._login_node = login_node
        self._written = DEFAULT_PATHS if settings.paths is None else settings.paths
        self._is_default = settings.paths is None
        self._context = context_name
        self._lock = asyncio.Lock()
        self._paths: tuple[SharedPath, ...] = ()
        self._search = ""
        self._uses: dict[str, PathUse] = {}
        self._found_at = self._asked_at = float("-inf")
        self._hanging: dict[str, float] = {}

    async def list(self) -> tuple[Volume, ...]:
        """Returns the paths in the order of the settings. Asks at most once in a minute, within 28 s.

        A file system that does not answer delays no other: its path has no size, and is asked again ten minutes later.
        Raises Unreachable, AuthError.
        """
        async with self._lock:
            now = time.monotonic()
            if not self._paths or now - self._found_at > _KEEP_PATHS_S:
                await self._find_paths()
                self._found_at, self._asked_at = now, float("-inf")
            if now - self._asked_at > _KEEP_USE_S:
                await self._ask_uses(now)
                self._asked_at = now
            return Listing.of(self._build_volumes(), self._list_notes())

    async def create(self, size_gb: int, name: str | None, interface: VolumeInterface, region: str | None) -> Volume:
        raise Unsupported(_ONLY_LISTED)

    async def delete(self, volume_id: str) -> None:
        raise Unsupported(_ONLY_LISTED)

    async def attach(self, volume_id: str, task_id: str, mount_path: str | None) -> str:
        raise Unsupported(_ONLY_LISTED)

    def describe_create(self, size_gb: int, name: str | None, interface: VolumeInterface) -> str:
        return _ONLY_LISTED

    def describe_delete(self, volume: Volume) -> str:
        return _ONLY_LISTED

    def describe_attach(self, volume_id: str, task_id: str, mount_path: str | None) -> str:
        return _ONLY_LISTED

    async def _find_paths(self) -> None:
        """Expands the paths in a login shell; without it if one of its start-up files fails or waits for something."""
        lookup, host = PathLookup(self._written), await self._login_node.get_host()
        try:
            found = lookup.parse((await host.run(lookup.login_script, timeout_s=_LOOKUP_S)).stdout)
        except Unreachable:
            found = None  # a lost connection fails in the next call
        if found is None:
            found = lookup.parse((await host.run(lookup.script, timeout_s=_LOOKUP_S)).stdout)
        if found is not None:
            self._search, self._paths = found

    async def _ask_uses(self, now: float) -> None:
        self._hanging = {path: until for path, until in self._hanging.items() if until > now}
        paths = [shared.path for shared in self._paths if shared.path not in self._hanging]
        if not paths:
            return
        query, host = UseQuery(paths, self._search), await self._login_node.get_host()
        uses = query.parse((await host.run(query.script, timeout_s=query.timeout_s)).stdout)
        self._hanging |= {path: now + _PAUSE_S for path, use in uses.items() if use.hangs}
        self._uses |= uses

    def _build_volumes(self) -> Sequence[Volume]:
        pairs = ((shared, self._uses.get(shared.path, PathUse())) for shared in self._paths)
        return [_build_volume(shared, use, self._context) for shared, use in pairs if not _is_missing(use)]

    def _list_notes(self) -> Sequence[str]:
        """Returns a sentence for each path about which nothing is known. A default one need not exist."""
        notes = [
            f"{clean_label(shared.written)} ({clean_label(shared.path)}): {_HANGS if use.hangs else use.problem}"
            for shared in self._paths
            if (use := self._uses.get(shared.path)) is not None and (use.hangs or use.problem)
        ]
        if self._is_default:
            return notes
        known = {shared.written for shared in self._paths}
        title = self._login_node.title
        return [*notes, *(f"{clean_label(text)}: is no path on {title}" for text in self._written if text not in known)]


def _is_missing(use: PathUse) -> bool:
    return "No such file" in use.problem


def _build_volume(shared: SharedPath, use: PathUse, context: str) -> Volume:
    return Volume(
        context=context,
        volume_id=clean_label(shared.path),
        name=clean_label(shared.name),
        size_gb=max(1, round(use.total_kb / 2**20)) if use.total_kb else 0,
        interface="file",
        status="unreachable" if use.hangs else "available",
        used_bytes=None if use.used_kb is None else use.used_kb * 1024,
        path=clean_label(shared.path),
        provider_metadata={
            "file_system": clean_label(use.device),
            "mounted_on": clean_label(use.mounted_on),
            "quota": use.quota,
        },
    )
