"""The tasks of every context of this machine, as the SSH server sees them."""

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
from flow_core.ssh import sftp_server

_OURS = Path(sftp_server.__file__)
_USUAL = (
    "/usr/lib/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/libexec/sftp-server",
)
_SYSTEMS = """
for server in {usual}; do
  if [ -x "$server" ]; then exec "$server"; fi
done
"""
_ON_MACHINE = "exec {python} -I -S {file}"
_IN_CONTAINER = """
for python in python3 python; do
  if command -v "$python" >/dev/null; then exec "$python" -I -S -c {source}; fi
done
echo "flow: this image has neither sftp-server nor python3, so files can't be copied this way" >&2
sleep 1  # sftp ends its ssh as soon as we hang up, whatever that has still to show
exit 127
"""


class TaskLookup:
    """Blocking; may be used from several threads."""

    def __init__(self, folder: SshFolder) -> None:
        self._root = folder.root
        self._shelves: dict[str, TaskStore] = {}

    def get(self, task_id: str) -> StoredTask:
        """Raises NotFound, or refuses with NO_TASK."""
        for context in self._contexts():
            if Layout(self._root, context).task(task_id).path.is_dir():
                return self._shelf(context).get(task_id)
        raise NotFound(f"no task {task_id[:40]!r} on this machine")

    def check(self, task_id: str, node: int) -> None:
        """Raises NotFound, or refuses, where nobody could enter."""
        find_enterable(self.get(task_id), node)

    def shell_entry(self, task_id: str, node: int, command: str | None, on_terminal: bool) -> ExecSpec:
        """Raises NotFound, or refuses as `entry` does."""
        return make_exec_spec(self.get(task_id), command, node, on_terminal=on_terminal)

    def file_entry(self, task_id: str, node: int) -> ExecSpec:
        """A file server that sees what the task sees. Raises as `shell_entry` does."""
        standing = self.get(task_id)
        is_contained = standing.spec is not None and standing.spec.container is not None
        return make_exec_spec(standing, sftp_command(is_contained), node, on_terminal=False)

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

    def _shelf(self, context: str) -> TaskStore:
        return self._shelves.setdefault(context, TaskStore(Layout(self._root, context), report_progress))


def sftp_command(in_container: bool) -> str:
    """A shell line: the system's sftp-server as the task sees it, else ours. An image has only our server's text."""
    ours = {"python": find_python(), "file": str(_OURS), "source": _OURS.read_text(encoding="utf-8")}
    quoted = {name: shlex.quote(text) for name, text in ours.items()}
    script = _SYSTEMS.format(usual=" ".join(_USUAL)) + (_IN_CONTAINER if in_container else _ON_MACHINE).format(**quoted)
    return f"exec /bin/sh -c {shlex.quote(script)}"  # the task's own shell may be one of another grammar
