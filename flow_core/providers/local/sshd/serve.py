"""The SSH server's process: it listens, and ends by itself when nobody needs it."""

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
from flow_core.agent.supervisor.processes import ProcessIdentity
from flow_core.errors import FlowError, ProviderError
from flow_core.providers.local.sshd.address import HOST
from flow_core.providers.local.sshd.connection_registry import ConnectionRegistry
from flow_core.providers.local.sshd.keys import prepare_keys
from flow_core.providers.local.sshd.server_files import ServerRecord, SshFolder, running_server
from flow_core.providers.over_agent.in_process_agent import call_agent

_log = logging.getLogger("flow.sshd")
_LOG_BYTES = 64 << 10
_POLL_S = 1.0
_UNFINISHED_LOOK_S = 10.0
_IDLE_S = 600.0


def main() -> None:
    """Argument: the folder. Says on standard output "ok", "taken" (another serves) or "failed" and why."""
    folder = SshFolder(Path(sys.argv[1]))
    if try_lock(folder.lock) is None:  # the descriptor stays open, and with it the lock, as long as we live
        print("taken", flush=True)
        return
    if os.fork():  # nobody has to wait for the one that stays
        os._exit(0)
    _open_log(folder)
    try:
        asyncio.run(Service(folder).run())
    except (FlowError, OSError) as error:
        _log.error("ended: %s", error)
        _answer(f"failed {error}")


class Service:
    """The listening sockets, and who is connected."""

    def __init__(self, folder: SshFolder) -> None:
        self._folder = folder
        self._connections = ConnectionRegistry(folder)
        self._told = asyncio.Event()
        self._needed_at = self._looked_at = time.monotonic()
        self._touched_at = 0

    async def run(self) -> None:
        """Until told to end, or idle. Raises FlowError, OSError when it can't begin."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told.set)
        port = await self._listen()
        ServerRecord(ProcessIdentity.current(), port).write(self._folder)
        _log.info("serving at port %d", port)
        _answer("ok")
        try:
            why = await self._until_unneeded()
        finally:
            await self._connections.close("the SSH server ends")
        _log.info("ended: %s", why)

    async def _listen(self) -> int:
        """The port: the last one where it is free, so that a command that was printed goes on working."""
        import asyncssh  # deferred, with all that loads it, until the lock is ours

        from flow_core.providers.local.sshd.task_ssh_server import TaskSshServer
        from flow_core.ssh.server.connection import server_options as options_of

        asyncssh.set_log_level(logging.WARNING)  # below that, it writes the commands that are run
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

    async def _until_unneeded(self) -> str:
        """Why it is time to end."""
        while not await self._is_told_within(_POLL_S):
            try:
                if why := await self._why_unneeded(time.monotonic()):
                    return why
            except ProviderError as error:
                _log.warning("%s", error)  # the disk doesn't answer; the next look tells
        return "it was told to"

    async def _why_unneeded(self, now: float) -> str:
        if not await call_agent(self._is_ours):
            return "its record is gone, or another's"
        for task_id in {guest.task_id for guest in self._connections.guests} - {""}:
            if await call_agent(self._connections.tasks.is_over, task_id):
                self._connections.part({task_id}, f"task {task_id} has ended")
        is_asked_for = await call_agent(self._is_asked_for)
        if is_asked_for or self._connections.guests:
            self._needed_at = now
        elif now - self._needed_at >= _idle_s():
            return "nobody was connected for a while"
        elif now - max(self._looked_at, self._needed_at) >= _UNFINISHED_LOOK_S:
            self._looked_at = now
            if not await call_agent(self._connections.tasks.any_unfinished):
                return "no task is left that could be entered"
        return ""

    async def _is_told_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._told.wait()
        except TimeoutError:
            return False

    def _is_ours(self) -> bool:
        found = running_server(self._folder)
        return found is not None and found.process.pid == os.getpid()

    def _is_asked_for(self) -> bool:
        """Whether somebody has found us since the last look; they touch the record."""
        last, self._touched_at = self._touched_at, self._folder.record.stat().st_mtime_ns
        return last != self._touched_at


def _idle_s() -> float:
    """How long it stays without anybody connected."""
    try:
        return float(os.environ["FLOW_LOCAL_SSH_IDLE_S"])
    except (KeyError, ValueError):
        return _IDLE_S


def _answer(text: str) -> None:
    """To whoever started us, once; nobody may be there any more."""
    line = " ".join(text.split())
    try:
        os.write(1, f"{line}\n".encode(errors="replace"))
    except OSError:
        pass  # it gave up; whoever asks next finds the record
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _open_log(folder: SshFolder) -> None:
    handler = RotatingFileHandler(folder.log, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
