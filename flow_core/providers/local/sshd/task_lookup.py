"""The tasks of every context of this machine, for the SSH server."""

from __future__ import annotations

import shlex
from pathlib import Path

from flow_core.agent.layout import Layout
from flow_core.agent.refusals import Refused
from flow_core.agent.supervisor_start import find_python
from flow_core.agent.task_exec import ExecSpec, find_enterable, make_exec_spec
from flow_core.agent.tasks import NO_TASK, StoredTask, TaskStore
from flow_core.errors import NotFound
from flow_core.providers.contract.blocking_io import report_progress
from flow_core.providers.local.sshd.server_files import SshFolder
from flow_core.ssh.server import sftp_server

_OWN_SERVER = Path(sftp_server.__file__)
_USUAL = (
    "/usr/lib/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/libexec/sftp-server",
)
_SYSTEM_SERVER = """
for server in {usual}; do
  if [ -x "$server" ]; then exec "$server"; fi
done
"""
_OWN_ON_MACHINE = "exec {python} -I -S {file}"
_OWN_IN_CONTAINER = """
for python in python3 python; do
  if command -v "$python" >/dev/null; then exec "$python" -I -S -c {source}; fi
done
echo "flow: this image has neither sftp-server nor python3, so files can't be copied this way" >&2
sleep 1  # sftp ends its ssh as soon as we hang up, whatever that has still to show
exit 127
"""


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
        """Returns how to run a file server that sees the task's files. Raises as `shell_entry` does."""
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
        return any(
            not task.report.is_over for context in self._list_contexts() for task in self._get_store(context).list_all()
        )

    def _list_contexts(self) -> list[str]:
        try:
            return sorted(path.name for path in (self._root / "contexts").iterdir())
        except FileNotFoundError:
            return []

    def _get_store(self, context: str) -> TaskStore:
        return self._stores.setdefault(context, TaskStore(Layout(self._root, context), report_progress))


def build_sftp_command(in_container: bool) -> str:
    """Returns a shell line that runs the system's sftp-server, as the task sees it, or flow's own.

    In an image, the text of flow's server is passed on the command line.
    """
    values = {"python": find_python(), "file": str(_OWN_SERVER), "source": _OWN_SERVER.read_text(encoding="utf-8")}
    quoted = {name: shlex.quote(text) for name, text in values.items()}
    script = _SYSTEM_SERVER.format(usual=" ".join(_USUAL)) + (
        _OWN_IN_CONTAINER if in_container else _OWN_ON_MACHINE
    ).format(**quoted)
    return f"exec /bin/sh -c {shlex.quote(script)}"  # the task's own shell may not be a POSIX shell
