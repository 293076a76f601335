"""The process of the SSH server: it listens, and ends by itself when it is no longer needed."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import sys
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path

from flow_core.agent.locks import try_lock
from flow_core.agent.processes.tree import ProcessIdentity
from flow_core.errors import FlowError, ProviderError
from flow_core.providers.local.sshd.address import HOST
from flow_core.providers.local.sshd.connection_registry import ConnectionRegistry
from flow_core.providers.local.sshd.keys import prepare_keys
from flow_core.providers.local.sshd.server_files import ServerRecord, SshFolder, find_running_server
from flow_core.providers.over_agent.in_process_agent import call_agent

_log = logging.getLogger("flow.sshd")
_LOG_BYTES = 64 << 10
_POLL_S = 1.0
_TASKS_CHECK_S = 10.0
_IDLE_S = 600.0


def main() -> None:
    """Runs the server. Argument: the folder. Prints "ok", "taken" (another server runs) or "failed" with the reason."""
    folder = SshFolder(Path(sys.argv[1]))
    if try_lock(folder.lock) is None:  # the descriptor, and so the lock, stays open until this process ends
        print("taken", flush=True)
        return
    if os.fork():  # the parent exits, so that the starter needn't wait for the server
        os._exit(0)
    _open_log(folder)
    try:
        asyncio.run(Service(folder).run())
    except (FlowError, OSError) as error:
        _log.error("ended: %s", error)
        _report_to_starter(f"failed {error}")


class Service:
    """The listening sockets and the open connections."""

    def __init__(self, folder: SshFolder) -> None:
        self._folder = folder
        self._connections = ConnectionRegistry(folder)
        self._stop_requested = asyncio.Event()
        self._needed_at = self._tasks_checked_at = time.monotonic()
        self._touched_at = 0

    async def run(self) -> None:
        """Serves until a stop signal, or until it is no longer needed. Raises FlowError, OSError if it can't start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_requested.set)
        port = await self._listen()
        ServerRecord(ProcessIdentity.current(), port).write(self._folder)
        _log.info("serving at port %d", port)
        _report_to_starter("ok")
        try:
            reason = await self._wait_until_unneeded()
        finally:
            await self._connections.close("the SSH server ends")
        _log.info("ended: %s", reason)

    async def _listen(self) -> int:
        """Returns the port: the last one if it is free, so that a printed command stays valid."""
        import asyncssh  # lazy import: slow to load; the lock is taken first

        from flow_core.providers.local.sshd.task_ssh_server import TaskSshServer
        from flow_core.ssh.server.connection import build_server_options as options_of

        asyncssh.set_log_level(logging.WARNING)  # below that level, it logs the commands of the sessions
        host_key = await call_agent(prepare_keys, self._folder)
        options = options_of(lambda: TaskSshServer(self._connections), host_key, "OpenSSH_9.0_flow")
        last = ServerRecord.read(self._folder)
        try:
            server = await asyncssh.listen(HOST, last.port if last else 0, options=options)
        except OSError as error:
            if last is None or error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            server = await asyncssh.listen(HOST, 0, options=options)
        port = server.get_port()
        try:
            await asyncssh.listen("::1", port, options=options)
        except OSError as error:
            _log.info("not at ::1: %s", error.strerror)
        return port

    async def _wait_until_unneeded(self) -> str:
        """Waits until the server should end, and returns the reason."""
        while not await self._wait_for_stop(_POLL_S):
            try:
                if reason := await self._find_end_reason(time.monotonic()):
                    return reason
            except ProviderError as error:
                _log.warning("%s", error)  # the disk doesn't respond; the next poll retries
        return "a stop was requested"

    async def _find_end_reason(self, now: float) -> str:
        """Returns why the server is no longer needed; "" while it is."""
        if not await call_agent(self._has_own_record):
            return "its record is gone, or another's"
        for task_id in {connection.task_id for connection in self._connections.connections} - {""}:
            if await call_agent(self._connections.tasks.is_over, task_id):
                self._connections.disconnect({task_id}, f"task {task_id} has ended")
        was_found = await call_agent(self._was_found_by_client)
        if was_found or self._connections.connections:
            self._needed_at = now
        elif now - self._needed_at >= _read_idle_s():
            return "nobody was connected for a while"
        elif now - max(self._tasks_checked_at, self._needed_at) >= _TASKS_CHECK_S:
            self._tasks_checked_at = now
            if not await call_agent(self._connections.tasks.has_unfinished_task):
                return "no task is left that could be entered"
        return ""

    async def _wait_for_stop(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._stop_requested.wait()
        except TimeoutError:
            return False

    def _has_own_record(self) -> bool:
        server = find_running_server(self._folder)
        return server is not None and server.process.pid == os.getpid()

    def _was_found_by_client(self) -> bool:
        """Returns whether a client has found the server since the last poll; clients touch the record."""
        last, self._touched_at = self._touched_at, self._folder.record.stat().st_mtime_ns
        return last != self._touched_at


def _read_idle_s() -> float:
    """Returns how many seconds the server keeps running without a connection."""
    try:
        return float(os.environ["FLOW_LOCAL_SSH_IDLE_S"])
    except (KeyError, ValueError):
        return _IDLE_S


def _report_to_starter(text: str) -> None:
    """Reports once to the process that started the server, which may have exited."""
    line = " ".join(text.split())
    try:
        os.write(1, f"{line}\n".encode(errors="replace"))
    except OSError:
        pass  # the starter has exited; the next client reads the record
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _open_log(folder: SshFolder) -> None:
    handler = RotatingFileHandler(folder.log, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
