"""The tasks of every context of this machine, as the SSH server sees them."""

from __future__ import annotations

from flow_core.agent.entering import Entry, enterable, entry
from flow_core.agent.layout import Layout
from flow_core.agent.refusals import Refused
from flow_core.agent.tasks import NO_TASK, Standing, Tasks
from flow_core.errors import NotFound
from flow_core.providers.contract.blocking_io import report_progress
from flow_core.providers.local.sshd.ssh_folder import SshFolder
from flow_core.providers.local.sshd.subsystem import sftp_command


class TaskLookup:
    """Blocking; may be used from several threads."""

    def __init__(self, folder: SshFolder) -> None:
        self._root = folder.root
        self._shelves: dict[str, Tasks] = {}

    def get(self, task_id: str) -> Standing:
        """Raises NotFound, or refuses with NO_TASK."""
        for context in self._contexts():
            if Layout(self._root, context).task(task_id).path.is_dir():
                return self._shelf(context).get(task_id)
        raise NotFound(f"no task {task_id[:40]!r} on this machine")

    def check(self, task_id: str, node: int) -> None:
        """Raises NotFound, or refuses, where nobody could enter."""
        enterable(self.get(task_id), node)

    def shell_entry(self, task_id: str, node: int, command: str | None, on_terminal: bool) -> Entry:
        """Raises NotFound, or refuses as `entry` does."""
        return entry(self.get(task_id), command, node, on_terminal=on_terminal)

    def file_entry(self, task_id: str, node: int) -> Entry:
        """A file server that sees what the task sees. Raises as `shell_entry` does."""
        standing = self.get(task_id)
        is_contained = standing.spec is not None and standing.spec.container is not None
        return entry(standing, sftp_command(is_contained), node, on_terminal=False)

    def is_over(self, task_id: str) -> bool:
        try:
            return self.get(task_id).report.is_over
        except NotFound:
            return True
        except Refused as refused:
            if refused.code != NO_TASK:
                raise
            return True

    def any_unfinished(self) -> bool:
        return any(
            not standing.report.is_over for context in self._contexts() for standing in self._shelf(context).all()
        )

    def _contexts(self) -> list[str]:
        try:
            return sorted(path.name for path in (self._root / "contexts").iterdir())
        except FileNotFoundError:
            return []

    def _shelf(self, context: str) -> Tasks:
        return self._shelves.setdefault(context, Tasks(Layout(self._root, context), report_progress))
