"""The mounts of a task: its volumes and data at their mount paths, or behind links."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flow_core.agent.locks import exclusive_lock
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.records import MalformedRecord, read_known
from flow_core.agent.s3.staging import select_s3_mounts
from flow_core.agent.supervisor.launch_error import LaunchError
from flow_core.agent.supervisor.state_writer import TaskStateWriter

if TYPE_CHECKING:
    from flow_core.agent.supervisor.namespace import Mount


class TaskMounts:
    """The mounts of one task; they may change until `finalize` is called."""

    def __init__(self, writer: TaskStateWriter) -> None:
        self._writer = writer
        self._entries: list[dict[str, Any]] = []
        self.staging: Path = writer.task.path / "root"
        self._problem = ""
        self._uses_container = writer.spec.container is not None
        self._load()

    @property
    def is_unsupported(self) -> bool:
        """Whether a mount is impossible here and a link can't replace it."""
        return bool(self._problem) and len(self._volumes) + len(self._copies) < len(self._entries)

    @property
    def notice(self) -> str:
        """A message for the user about mounts that are copies, and about mounts that are not at their paths."""
        copies = [f"{one['target']} is a read-only copy of {one['s3']}" for one in self._copies]
        return "; ".join([*copies, *filter(None, [self.link_notice])])

    @property
    def link_notice(self) -> str:
        """A message with the paths of the mounts and the reason, if they can't be at their own paths; otherwise ""."""
        if not self._problem:
            return ""
        task = self._writer.task
        found = [f"volumes are found under {task.links} and in FLOW_VOLUME_*"] if self._volumes else []
        found += [f"copies are found under {task.mount_links} and in FLOW_DATA_*"] if self._copies else []
        return f"{', '.join(found) or 'mounts are unavailable'}, not at their mount paths: {self._problem}"

    def finalize(self) -> None:
        """Fixes the mounts: a volume attached from now on appears as a link.

        Calling it again is safe. Raises LaunchError.
        """
        if self._writer.state.mounts_taken:
            return
        with exclusive_lock(self._writer.task.volumes_lock):
            try:
                self._load()
            except MalformedRecord as error:
                raise LaunchError(f"its record is broken: {error}", 126) from error
            self._writer.state.mounts_taken = True
            self._writer.write()

    def get_namespace_mounts(self) -> Sequence[Mount]:
        """Returns the mounts to create in the task's own namespace."""
        return _to_mounts(self._entries) if self._writer.state.namespaced else ()

    def get_container_binds(self) -> Sequence[Mount]:
        """Returns the mounts that an engine creates for a container."""
        return _to_mounts(self._entries)

    def build_environment(self) -> dict[str, str]:
        """Returns the variables that hold the paths of volumes and data. Creates the links."""
        links = self._writer.task.links
        env = {}
        for volume in self._volumes:
            variable = "FLOW_VOLUME_" + volume["name"].upper().replace("-", "_")
            env[variable] = self._expose(volume, links / volume["name"])
        for number, copy in enumerate(self._copies):
            # The link ends in the requested path, since many programs read the extension of a file name.
            env[f"FLOW_DATA_{number}"] = self._expose(copy, self._writer.task.mount_links / copy["target"].lstrip("/"))
        return env

    @property
    def _volumes(self) -> list[dict[str, Any]]:
        return [one for one in self._entries if one.get("volume_id")]

    @property
    def _copies(self) -> list[dict[str, Any]]:
        return select_s3_mounts(self._entries)

    def _expose(self, mount: dict[str, Any], link: Path) -> str:
        """Creates the link of a mount; returns the path at which the task finds it."""
        make_private_folder(link.parent)
        if not link.is_symlink():
            link.symlink_to(mount["source"])
        return str(mount["target"]) if self._uses_container or self._writer.state.namespaced else str(link)

    def _load(self) -> None:
        task = self._writer.task
        self._entries = list((read_known(task.mounts)[0] or {}).get("mounts", []))
        if not self._entries or self._uses_container:
            return
        from flow_core.agent.supervisor.namespace import can_mount  # lazy import: few tasks have mounts

        make_private_folder(self.staging)
        self._problem = can_mount(_to_mounts(self._entries), self.staging)
        self._writer.state.namespaced = not self._problem


def _to_mounts(entries: list[dict[str, Any]]) -> list[Mount]:
    from flow_core.agent.supervisor.namespace import Mount  # lazy import: few tasks have mounts

    return [Mount(one["source"], one["target"], bool(one.get("read_only"))) for one in entries]
