"""Ways into running tasks: shells, commands, code, SSH; and the provider's own objects behind them."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from flow_core import validation
from flow_core.client.context_client import ContextClient
from flow_core.errors import FlowError

if TYPE_CHECKING:
    from flow_core.models.instance import Instance
    from flow_core.providers.account import IProviderInit
    from flow_core.providers.base import Provider
    from flow_core.providers.entry import EndpointFacet, RemoteOperations, Shell, ShellFacet, SshTunnelManager
    from flow_core.upload.report import UploadResult

_WIDEST = 10_000


class RemoteCalls(ContextClient):
    """What a client does inside tasks."""

    async def shell(
        self,
        task_id: str,
        command: str | None = None,
        node: int | None = None,
        progress_context: object | None = None,
        record: bool = False,
    ) -> int | None:
        """Opens a shell in a running task on this program's terminal, or runs one command there.

        Returns when it has ended: the exit code of a command, None for a shell. A command's output comes as it is
        written, on a terminal if this is one, else on our standard output and error. `record` writes an asciicast v2
        file and says where. `progress_context` is accepted and not needed. Raises NotFound, Conflict for a task that
        doesn't run, FlowError without a terminal.
        """
        from flow_core.client.local_terminal import LocalTerminal, Printer  # deferred: most scripts never enter a task

        validation.text("task_id", task_id)
        validation.optional_command("command", command)
        where, terminal = validation.optional_whole("node", node) or 0, LocalTerminal()
        if command is None and not terminal.is_there:
            raise FlowError("a shell needs a terminal, and there is none here; give a command to run instead")
        if command is not None and not terminal.is_there and not record:
            remote, printer = self.get_remote_operations(), Printer()
            run = partial(remote.run, task_id, command, node=where, timeout_s=None, on_output=printer)
            done = await self.change("shell", task_id, command, run)
            printer.end()
            return done.exit_code
        columns, rows = terminal.size
        shell = await self.open_shell(task_id, columns=columns, rows=rows, command=command, node=where)
        code = await terminal.attach(shell, task_id if record else None)
        return None if command is None else code

    async def open_shell(
        self, task_id: str, *, columns: int, rows: int, command: str | None = None, node: int = 0
    ) -> Shell:
        """A terminal inside a running task, for whoever draws one. The caller closes it."""
        shells = self._shells
        validation.text("task_id", task_id)
        validation.whole("columns", columns, 1, _WIDEST)
        validation.whole("rows", rows, 1, _WIDEST)
        validation.whole("node", node)
        return await self.change(
            "shell",
            task_id,
            validation.optional_command("command", command) or "a login shell in the task's directory",
            lambda: shells.open(task_id, columns=columns, rows=rows, command=command, node=node),
        )

    async def task_directory(self, task_id: str) -> Path | None:
        """Where the task works, when that is on this machine; else None. Raises NotFound."""
        return await self._shells.directory(validation.text("task_id", task_id))

    async def upload_code_to_task(
        self,
        task_id: str,
        source_dir: Path | None = None,
        timeout: int = 600,
        console: object | None = None,
        target_dir: str = "/workspace",
        progress_reporter: object | None = None,
        git_incremental: bool | None = None,
    ) -> UploadResult:
        """Makes a directory of a running task hold what `source_dir` (this directory when not said) holds.

        What .flowignore and .gitignore name stays away, and only what changed is sent: by git's word where
        `git_incremental` is true, or where it isn't said and there is a git work tree. What was deleted here since
        the last upload is deleted there too; what others put there stays. `/workspace` is the task's directory.
        `timeout` is seconds. `console` is anything with a `print`, told at the start and the end; `progress_reporter`
        anything with an `update`, or callable, that takes (done_bytes, total_bytes, path), at most 20 times a second.
        Twice is safe; what arrived before an error is whole. Raises NotFound, Conflict for a task that has ended,
        ConfigError, Unreachable.
        """
        from flow_core.client.upload_args import copy_call, listener, printer, source_of, summary, target_of  # deferred

        uploads = self.facet(self.provider.uploads, "code upload")
        wanted, source = validation.text("task_id", task_id), source_of(source_dir)
        target, deadline_s = target_of(target_dir), validation.whole("timeout", timeout, least=1)
        validation.optional_flag("git_incremental", git_incremental)
        say, tell = printer(console), listener(progress_reporter)
        call = copy_call(source, target)
        upload = partial(uploads.upload, wanted, source, target, git_incremental=git_incremental)
        say(f"{wanted}: {call}")
        result = await self.change("upload", wanted, call, partial(upload, timeout_s=deadline_s, on_progress=tell))
        say(f"{wanted}: {summary(result)}")
        return result

    async def put_file(self, task_id: str, source: Path | str, target: str, *, node: int = 0) -> None:
        """Copies a file of this machine to a task, whole or not at all, with its mode.

        `target` is a path in the task, from its directory where it doesn't begin with /; one that ends with / is a
        folder. A task that has ended takes files where its folder still exists. Twice is safe. Raises NotFound (the
        task, or the folder), ConfigError, Conflict where the task's files are gone, Unreachable, Unsupported.
        """
        wanted, here, there = (
            validation.text("task_id", task_id),
            _local_file("source", source),
            validation.path("target", target),
        )
        uploads = self.facet(self.provider.uploads, "files of tasks")
        there += here.name if there.endswith("/") else ""
        put = partial(uploads.put_file, wanted, here, there, node=validation.whole("node", node))
        await self.change("put file", wanted, f"copy {here} to {there}", put)

    async def get_file(self, task_id: str, source: str, target: Path | str, *, node: int = 0) -> Path:
        """Copies a file of a task to this machine, whole or not at all, and returns where it is.

        `source` is a path in the task, as in `put_file`. A `target` that is a folder gets the file under its name.
        Files of a task that has ended can be had for as long as they exist. Twice is safe. Raises as `put_file`.
        """
        wanted, there, here = (
            validation.text("task_id", task_id),
            validation.path("source", source),
            _local_file("target", target),
        )
        uploads = self.facet(self.provider.uploads, "files of tasks")
        if await asyncio.to_thread(here.is_dir):
            here /= PurePosixPath(there).name
        await uploads.get_file(wanted, there, here, node=validation.whole("node", node))
        return here

    async def get_task_instances(self, task_id: str) -> list[Instance]:
        """The machines that a task has, or had, by node; empty before it started. Raises NotFound."""
        from flow_core.client.instances import instances_of  # deferred: hardly anybody asks

        return await instances_of(self.provider, await self.provider.get_task(validation.text("task_id", task_id)))

    async def resolve_ssh_endpoint(self, task_id: str, node: int | None = None) -> tuple[str, int]:
        """(host, port) at which SSH reaches a task. Raises NotFound, Conflict, Unsupported."""
        where = validation.optional_whole("node", node)
        found = await self._endpoints.resolve(validation.text("task_id", task_id), where)
        return found.host, found.port

    async def get_task_ssh_connection_info(self, task_id: str) -> tuple[Path | None, str]:
        """(path of the private key, "") for a task, or (None, why there is none)."""
        wanted, provider = validation.text("task_id", task_id), self.provider
        try:
            found = await self.facet(provider.endpoints, "SSH endpoints").resolve(wanted)
        except FlowError as error:
            return None, str(error)
        return found.key_path, "" if found.key_path is not None else "its private key is not on this machine"

    async def ssh_command(self, task_id: str) -> str:
        """The system's ssh command that enters a task, to be typed as it stands. Raises NotFound, Unsupported."""
        return await self._endpoints.command(validation.text("task_id", task_id))

    def provider_port(self) -> Provider:
        """The provider itself, with all its facets: the contract is flow_core.providers.base."""
        return self.provider

    def get_remote_operations(self) -> RemoteOperations:
        """Single commands inside tasks. Raises Unsupported."""
        return self.facet(self.provider.remote, "remote operations")

    def get_ssh_tunnel_manager(self) -> SshTunnelManager:
        """Ports of tasks on this machine. Raises Unsupported."""
        return self.facet(self.provider.tunnels, "SSH tunnels")

    def get_provider_init(self) -> IProviderInit:
        """What there is to set up before the provider can be used."""
        return self.provider.init

    @property
    def _shells(self) -> ShellFacet:
        return self.facet(self.provider.shells, "shells")

    @property
    def _endpoints(self) -> EndpointFacet:
        return self.facet(self.provider.endpoints, "SSH endpoints")


def _local_file(name: str, value: object) -> Path:
    return Path(validation.path(name, value)).expanduser().absolute()
