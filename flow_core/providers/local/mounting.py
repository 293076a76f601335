"""Where a task finds its volumes: at the paths asked for, or through links in its folder. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flow_core.providers.local.layout import make_folder
from flow_core.providers.local.ledger import Ledger
from flow_core.providers.local.namespace import Mount, can_mount
from flow_core.providers.local.records import locked, read_json


class Mounting:
    """The mounts of one task; they may change until they are taken."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._wanted: list[dict[str, Any]] = []
        self.staging: Path = ledger.task.path / "root"
        self.notice = ""
        self._look()

    @property
    def is_unsupported(self) -> bool:
        """True when something is wanted that a link can't stand in for."""
        return bool(self.notice) and any(not one.get("volume_id") for one in self._wanted)

    def take(self) -> None:
        """Settles the mounts: a volume attached from now on comes as a link. Twice is safe."""
        if self._ledger.state.mounts_taken:
            return
        with locked(self._ledger.task.volumes_lock):
            self._look()
            self._ledger.state.mounts_taken = True
            self._ledger.write()

    def mounts(self) -> Sequence[Mount]:
        """Those to make in the task's own namespace."""
        return _mounts(self._wanted) if self._ledger.state.namespaced else ()

    def environment(self) -> dict[str, str]:
        """What tells the task where its volumes are. Makes the links."""
        env = {}
        for volume in (one for one in self._wanted if one.get("volume_id")):
            link = self._ledger.task.links / volume["name"]
            make_folder(link.parent)
            if not link.is_symlink():
                link.symlink_to(volume["source"])
            variable = "FLOW_VOLUME_" + volume["name"].upper().replace("-", "_")
            env[variable] = volume["target"] if self._ledger.state.namespaced else str(link)
        return env

    def _look(self) -> None:
        task = self._ledger.task
        self._wanted = list((read_json(task.mounts) or {}).get("mounts", []))
        if not self._wanted:
            return
        make_folder(self.staging)
        problem = can_mount(_mounts(self._wanted), self.staging)
        self._ledger.state.namespaced = not problem
        if problem:
            self.notice = (
                f"volumes are found under {task.links} and in FLOW_VOLUME_*, not at their mount paths: {problem}"
            )


def _mounts(wanted: list[dict[str, Any]]) -> list[Mount]:
    return [Mount(one["source"], one["target"], bool(one.get("read_only"))) for one in wanted]
