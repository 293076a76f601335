"""The tasks of every context of this machine, for the SSH server."""

from __future__ import annotations

from flow_core.agent.layout import Layout
from flow_core.agent.refusals import Refused
from flow_core.agent.task_exec import ExecSpec, find_enterable, make_exec_spec
from flow_core.agent.task_reader import StoredTask
from flow_core.agent.tasks import NO_TASK, TaskStore
from flow_core.errors import NotFound
from flow_core.providers.contract.blocking_io import report_progress
from flow_core.providers.local.sshd.server_files import SshFolder
from flow_core.providers.local.sshd.sftp_command import build_sftp_command


class TaskLookup:
    """A lookup of tasks by id. Does blocking I/O; may be used from several threads."""

    def __init__(self, folder: SshFolder) -> None:
        self._root = folder.root
        self._stores: dict[str, TaskStore] = {}

    def get(self, task_id: str) -> StoredTask:
        """Returns a task. Raises NotFound, or refuses with NO_TASK."""
        for context in self._list_contexts():
            if Layout(self._root, context).task(task_id).path.is_dir():
                return self._get_store(context).get(task_id)
        raise NotFound(f"no task {task_id[:40]!r} on this machine")

    def check(self, task_id: str, node: int) -> None:
        """Checks that a node can be entered. Raises NotFound, or refuses."""
        find_enterable(self.get(task_id), node)

    def make_shell_spec(self, task_id: str, node: int, command: str | None, on_terminal: bool) -> ExecSpec:
        """Returns how to run a command inside a node. Raises NotFound, or refuses as `make_exec_spec` does."""
        return make_exec_spec(self.get(task_id), command, node, on_terminal=on_terminal)

    def make_file_server_spec(self, task_id: str, node: int) -> ExecSpec:
        """Returns how to run a file server that sees the task's files. Raises as `make_shell_spec` does."""
        task = self.get(task_id)
        in_container = task.spec is not None and task.spec.container is not None
        return make_exec_spec(task, build_sftp_command(in_container), node, on_terminal=False)

    def is_over(self, task_id: str) -> bool:
        try:
            return self.get(task_id).report.is_over
        except NotFound:
            return True
        except Refused as refused:
            if refused.code != NO_TASK:
                raise
            return True

    def has_unfinished_task(self) -> bool:
        return any(self._get_store(context).list_unfinished() for context in self._list_contexts())

    def _list_contexts(self) -> list[str]:
        try:
            return sorted(path.name for path in (self._root / "contexts").iterdir())
        except FileNotFoundError:
            return []

    def _get_store(self, context: str) -> TaskStore:
        return self._stores.setdefault(context, TaskStore(Layout(self._root, context), report_progress))
