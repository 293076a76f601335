"""Access to running tasks, for blocking code."""

from __future__ import annotations

from flow_core.client.task_access import AsyncTaskAccessResource
from flow_core.sync.loop_thread import run_sync
from flow_core.sync.provider_wrappers import RemoteOperationsFacade, SshTunnelFacade
from flow_core.sync.terminal_guard import guard_terminal
from flow_core.sync.twin import BlockingTwin, copy_docstring, make_blocking


class TaskAccessResource(BlockingTwin[AsyncTaskAccessResource]):
    """Access to the tasks of one context. `node` counts a task's instances from 0."""

    directory = make_blocking(AsyncTaskAccessResource.directory)
    upload_code = make_blocking(AsyncTaskAccessResource.upload_code)
    put_file = make_blocking(AsyncTaskAccessResource.put_file)
    get_file = make_blocking(AsyncTaskAccessResource.get_file)
    ssh_command = make_blocking(AsyncTaskAccessResource.ssh_command)
    ssh_endpoint = make_blocking(AsyncTaskAccessResource.ssh_endpoint)
    ssh_connection_info = make_blocking(AsyncTaskAccessResource.ssh_connection_info)

    @copy_docstring(AsyncTaskAccessResource.shell)
    def shell(
        self,
        task_id: str,
        command: str | None = None,
        node: int | None = None,
        progress_context: object | None = None,
        record: bool = False,
    ) -> int | None:
        with guard_terminal():
            return run_sync(self._twin.shell(task_id, command, node, progress_context, record))

    @copy_docstring(AsyncTaskAccessResource.remote_operations)
    def remote_operations(self) -> RemoteOperationsFacade:
        return RemoteOperationsFacade(self._twin.remote_operations)

    @copy_docstring(AsyncTaskAccessResource.tunnel_manager)
    def tunnel_manager(self) -> SshTunnelFacade:
        return SshTunnelFacade(self._twin.tunnel_manager)
