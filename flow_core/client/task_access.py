"""Access to running tasks: shells, commands, files, code upload, SSH, ports."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from flow_core.argument_checks import (
    check_integer,
    check_optional_command,
    check_optional_flag,
    check_optional_integer,
    check_path,
    check_text,
)
from flow_core.client.local_terminal import LocalTerminal, Printer
from flow_core.client.upload_args import (
    describe_copy,
    find_print,
    find_progress_callback,
    parse_source_dir,
    parse_target_dir,
    summarize,
)
from flow_core.errors import FlowError

if TYPE_CHECKING:
    from flow_core.client.context_client import ContextClient
    from flow_core.providers.contract.access import EndpointFacet, RemoteOperations, Shell, ShellFacet, SshTunnelManager
    from flow_core.upload.report import UploadResult

_TERMINAL_SIDE_MAX = 10_000


class AsyncTaskAccessResource:
    """Access to the tasks of one context. `node` counts a task's instances from 0."""

    def __init__(self, client: ContextClient) -> None:
        self._client = client

    async def shell(
        self,
        task_id: str,
        command: str | None = None,
        node: int | None = None,
        progress_context: object | None = None,
        record: bool = False,
    ) -> int | None:
        """Opens a shell in a running task on this program's terminal, or runs one command there.

        Returns when it has ended: the exit code of a command, None for a shell. A command's output is shown
        immediately, on the terminal if there is one, otherwise on standard output and standard error. `record` writes
        an asciicast v2 file and prints its path. `progress_context` is accepted and ignored. Raises NotFound, Conflict
        for a task that doesn't run, FlowError for a shell without a terminal.
        """
        check_text("task_id", task_id)
        check_optional_command("command", command)
        checked_node, terminal = check_optional_integer("node", node) or 0, LocalTerminal()
        if command is None and not terminal.is_there:
            raise FlowError("a shell needs a terminal, and there is none here; give a command to run instead")
        if command is not None and not terminal.is_there and not record:
            remote, printer = self.remote_operations(), Printer()
            run = partial(remote.run, task_id, command, node=checked_node, timeout_s=None, on_output=printer)
            done = await self._client.run_change("shell", task_id, command, run)
            printer.end()
            return done.exit_code
        columns, rows = terminal.size
        shell = await self.open_shell(task_id, columns=columns, rows=rows, command=command, node=checked_node)
        code = await terminal.attach(shell, task_id if record else None)
        return None if command is None else code

    async def open_shell(
        self, task_id: str, *, columns: int, rows: int, command: str | None = None, node: int = 0
    ) -> Shell:
        """Opens a terminal in a running task, for a program that draws it. The caller closes it.

        Raises NotFound, Conflict for a task that doesn't run, Unreachable, Unsupported.
        """
        shells = self._shells
        check_text("task_id", task_id)
        check_integer("columns", columns, 1, _TERMINAL_SIDE_MAX)
        check_integer("rows", rows, 1, _TERMINAL_SIDE_MAX)
        check_integer("node", node)
        return await self._client.run_change(
            "shell",
            task_id,
            check_optional_command("command", command) or "a login shell in the task's directory",
            lambda: shells.open(task_id, columns=columns, rows=rows, command=command, node=node),
        )

    async def directory(self, task_id: str) -> Path | None:
        """Returns the task's directory if it is on this machine; otherwise None. Raises NotFound, Unsupported."""
        return await self._shells.directory(check_text("task_id", task_id))

    async def upload_code(
        self,
        task_id: str,
        source_dir: Path | None = None,
        timeout: int = 600,
        console: object | None = None,
        target_dir: str = "/workspace",
        progress_reporter: object | None = None,
        git_incremental: bool | None = None,
    ) -> UploadResult:
        """Copies `source_dir` (default: the current directory) to a directory of a running task; sends only changes.

        Files that .flowignore and .gitignore name are not sent. git lists the changes if `git_incremental` is true, or
        if you don't give it and there is a git work tree. Files that were deleted here since the last upload are
        deleted there too; files of others stay. `/workspace` is the task's directory. `timeout` is in seconds.
        `console` is any object with a `print`, called at the start and at the end. `progress_reporter` is a callable,
        or an object with an `update`, that takes (done_bytes, total_bytes, path), at most 20 times per second.
        Calling it again is safe; files that arrived before an error are complete. Raises NotFound, Conflict for a task
        that has ended, ConfigError, Unreachable, Unsupported.
        """
        uploads = self._client.get_facet(self._client.provider.uploads, "code upload")
        checked_id, source = check_text("task_id", task_id), parse_source_dir(source_dir)
        target, deadline_s = parse_target_dir(target_dir), check_integer("timeout", timeout, minimum=1)
        check_optional_flag("git_incremental", git_incremental)
        show, report = find_print(console), find_progress_callback(progress_reporter)
        call = describe_copy(source, target)
        upload = partial(uploads.upload, checked_id, source, target, git_incremental=git_incremental)
        do = partial(upload, timeout_s=deadline_s, on_progress=report)
        show(f"{checked_id}: {call}")
        result = await self._client.run_change("upload", checked_id, call, do)
        show(f"{checked_id}: {summarize(result)}")
        return result

    async def put_file(self, task_id: str, source: Path | str, target: str, *, node: int = 0) -> None:
        """Copies a file of this machine to a task, completely or not at all, with its mode.

        `target` is a path in the task, relative to its directory unless it begins with /; a path that ends with / is a
        folder. It also works after the task's end while its folder exists. Calling it again is safe. Raises NotFound
        (the task, or the folder), ConfigError, Conflict if the task's files are gone, Unreachable, Unsupported.
        """
        checked_id, local_path, task_path = (
            check_text("task_id", task_id),
            _local_file("source", source),
            check_path("target", target),
        )
        uploads = self._client.get_facet(self._client.provider.uploads, "files of tasks")
        task_path += local_path.name if task_path.endswith("/") else ""
        put = partial(uploads.put_file, checked_id, local_path, task_path, node=check_integer("node", node))
        await self._client.run_change("put file", checked_id, f"copy {local_path} to {task_path}", put)

    async def get_file(self, task_id: str, source: str, target: Path | str, *, node: int = 0) -> Path:
        """Copies a file of a task to this machine, completely or not at all, and returns its path here.

        `source` is a path in the task, as in `put_file`. Into a `target` that is a folder, the file is copied under
        its own name. It also works after the task's end while the file exists. Calling it again is safe. Raises the
        errors of `put_file`.
        """
        checked_id, task_path, local_path = (
            check_text("task_id", task_id),
            check_path("source", source),
            _local_file("target", target),
        )
        uploads = self._client.get_facet(self._client.provider.uploads, "files of tasks")
        if await asyncio.to_thread(local_path.is_dir):
            local_path /= PurePosixPath(task_path).name
        await uploads.get_file(checked_id, task_path, local_path, node=check_integer("node", node))
        return local_path

    async def ssh_endpoint(self, task_id: str, node: int | None = None) -> tuple[str, int]:
        """Returns the (host, port) at which SSH reaches a task. Raises NotFound, Conflict, Unsupported."""
        checked_node = check_optional_integer("node", node)
        found = await self._endpoints.resolve(check_text("task_id", task_id), checked_node)
        return found.host, found.port

    async def ssh_connection_info(self, task_id: str) -> tuple[Path | None, str]:
        """Returns (path of the private key, "") for a task, or (None, the reason why there is none)."""
        checked_id, provider = check_text("task_id", task_id), self._client.provider
        try:
            found = await self._client.get_facet(provider.endpoints, "SSH endpoints").resolve(checked_id)
        except FlowError as error:
            return None, str(error)
        return found.key_path, "" if found.key_path is not None else "its private key is not on this machine"

    async def ssh_command(self, task_id: str) -> str:
        """Returns the `ssh` command that enters a task, ready to paste. Raises NotFound, Unsupported."""
        return await self._endpoints.command(check_text("task_id", task_id))

    def remote_operations(self) -> RemoteOperations:
        """Returns the provider's own object that runs commands in tasks; no gate, no audit log. Raises Unsupported."""
        return self._client.get_facet(self._client.provider.remote, "remote operations")

    def tunnel_manager(self) -> SshTunnelManager:
        """Returns the provider's own object that forwards ports of tasks to this machine. Raises Unsupported."""
        return self._client.get_facet(self._client.provider.tunnels, "SSH tunnels")

    @property
    def _shells(self) -> ShellFacet:
        return self._client.get_facet(self._client.provider.shells, "shells")

    @property
    def _endpoints(self) -> EndpointFacet:
        return self._client.get_facet(self._client.provider.endpoints, "SSH endpoints")


def _local_file(name: str, value: object) -> Path:
    return Path(check_path(name, value)).expanduser().absolute()
