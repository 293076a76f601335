"""Where a task finds its volumes and data: at the paths asked for, or through links. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flow_core.agent.locks import locked
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.records import MalformedRecord, read_known
from flow_core.agent.s3.staging import s3_mounts
from flow_core.agent.supervisor.launch import LaunchError
from flow_core.agent.supervisor.ledger import Ledger
from flow_core.agent.supervisor.namespace import Mount, can_mount


class Mounting:
    """The mounts of one task; they may change until they are taken."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._wanted: list[dict[str, Any]] = []
        self.staging: Path = ledger.task.path / "root"
        self._problem = ""
        self._is_contained = ledger.spec.container is not None
        self._look()

    @property
    def is_unsupported(self) -> bool:
        """True when something is wanted that a link can't stand in for."""
        return bool(self._problem) and len(self._volumes) + len(self._copies) < len(self._wanted)

    @property
    def notice(self) -> str:
        """What is worth knowing of the mounts: which are copies, and where they are when not at their paths."""
        copies = [f"{one['target']} is a read-only copy of {one['s3']}" for one in self._copies]
        return "; ".join([*copies, *filter(None, [self.elsewhere])])

    @property
    def elsewhere(self) -> str:
        """Where things are, and why, when they can't be at their paths; else nothing."""
        if not self._problem:
            return ""
        task = self._ledger.task
        found = [f"volumes are found under {task.links} and in FLOW_VOLUME_*"] if self._volumes else []
        found += [f"copies are found under {task.found} and in FLOW_DATA_*"] if self._copies else []
        return f"{', '.join(found) or 'mounts are not to be had'}, not at their mount paths: {self._problem}"

    def take(self) -> None:
        """Settles the mounts: a volume attached from now on comes as a link. Twice is safe. Raises LaunchError."""
        if self._ledger.state.mounts_taken:
            return
        with locked(self._ledger.task.volumes_lock):
            try:
                self._look()
            except MalformedRecord as error:
                raise LaunchError(f"its record is broken: {error}", 126) from error
            self._ledger.state.mounts_taken = True
            self._ledger.write()

    def mounts(self) -> Sequence[Mount]:
        """Those to make in the task's own namespace."""
        return _mounts(self._wanted) if self._ledger.state.namespaced else ()

    def binds(self) -> Sequence[Mount]:
        """Those that an engine makes for a container."""
        return _mounts(self._wanted)

    def environment(self) -> dict[str, str]:
        """What tells the task where its volumes and data are. Makes the links."""
        links = self._ledger.task.links
        env = {}
        for volume in self._volumes:
            variable = "FLOW_VOLUME_" + volume["name"].upper().replace("-", "_")
            env[variable] = self._place(volume, links / volume["name"])
        for number, copy in enumerate(self._copies):
            # Below a path like the one asked for, since many a program goes by the end of a file's name.
            env[f"FLOW_DATA_{number}"] = self._place(copy, self._ledger.task.found / copy["target"].lstrip("/"))
        return env

    @property
    def _volumes(self) -> list[dict[str, Any]]:
        return [one for one in self._wanted if one.get("volume_id")]

    @property
    def _copies(self) -> list[dict[str, Any]]:
        return s3_mounts(self._wanted)

    def _place(self, mount: dict[str, Any], link: Path) -> str:
        make_private_folder(link.parent)
        if not link.is_symlink():
            link.symlink_to(mount["source"])
        return str(mount["target"]) if self._is_contained or self._ledger.state.namespaced else str(link)

    def _look(self) -> None:
        task = self._ledger.task
        self._wanted = list((read_known(task.mounts)[0] or {}).get("mounts", []))
        if not self._wanted or self._is_contained:
            return
        make_private_folder(self.staging)
        self._problem = can_mount(_mounts(self._wanted), self.staging)
        self._ledger.state.namespaced = not self._problem


def _mounts(wanted: list[dict[str, Any]]) -> list[Mount]:
    return [Mount(one["source"], one["target"], bool(one.get("read_only"))) for one in wanted]
