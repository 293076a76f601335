"""Logs that grow on hosts, kept on this machine as they come."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.agent.private_folders import make_private_folder
from flow_core.errors import AuthError, NotFound, Unreachable, printable
from flow_core.logs.escape import escape_controls
from flow_core.providers.contract.blocking_io import run_blocking
from flow_core.providers.over_ssh.log_puller import LogPuller
from flow_core.providers.over_ssh.log_sync import catch_up
from flow_core.providers.over_ssh.pull_state import SpoolPaths, read_pull_state
from flow_core.ssh.quoting import quote_word

if TYPE_CHECKING:
    from flow_core.agent.spool import SpoolFiles
    from flow_core.logs.log_id import LogId
    from flow_core.providers.over_ssh.task_nodes import LogSources

_IDLE_S = 30.0
_STARTUP_BYTES, _STARTUP_S = 1 << 20, 20.0
_SAID_SHOWN = 300


class SpooledLogs:
    """The contract's LogFacet. `folder` is ours alone; several programs of one user may share it.

    A log is pulled from `open`, `catch_up` or `is_complete` on until it is complete, or nobody has called one of them
    for `idle_s`.
    """

    separates_streams = False

    def __init__(self, sources: LogSources, folder: Path, *, idle_s: float = _IDLE_S) -> None:
        self._sources = sources
        self._folder = folder
        self._idle_s = idle_s
        self._pullers: dict[LogId, LogPuller] = {}
        self._all: set[LogPuller] = set()
        self._is_closed = False

    async def addresses(self, task_id: str) -> tuple[LogId, ...]:
        return await self._sources.addresses(task_id)

    async def open(self, address: LogId) -> SpoolFiles:
        """At once where something of it was read before, else after asking whether there is such a log."""
        if (puller := await self._see_to(address)) is not None:
            puller.hurry()
        return SpoolPaths.at(self._folder, address).files

    async def catch_up(self, address: LogId) -> None:
        puller = await self._see_to(address)
        if puller is None:
            return
        # Asked first: of a log that gets no longer all is awaited, so that nobody says later that some may be lost.
        is_over = await self._sources.is_over(address)
        file = None if is_over else await self._sources.file(address)
        if is_over or file is not None:
            await catch_up(puller, file)

    async def is_complete(self, address: LogId) -> bool:
        """Raises AuthError too: waiting does not help where nobody lets us in."""
        puller = await self._see_to(address)
        if puller is None or puller.is_complete:
            return True
        if isinstance(puller.error, AuthError):
            raise puller.error
        return False

    async def startup(self, task_id: str, node: int) -> str:
        file = await self._sources.startup(task_id, node)
        read = f"tail -c {_STARTUP_BYTES} -- {quote_word(file.path)}"
        line = f"{read} 2>/dev/null || sudo -n {read}"
        done = await file.host.run(line, timeout_s=_STARTUP_S)
        if done.exit_code:
            said = escape_controls(done.stderr.decode("utf-8", "replace").strip())[:_SAID_SHOWN]
            raise NotFound(f"task {printable(task_id)} has no startup log that can be read: {said}")
        return done.stdout.decode("utf-8", "replace")

    async def aclose(self) -> None:
        """Ends every puller; what they have read stays. Twice is safe."""
        self._is_closed = True
        await asyncio.gather(*(puller.end() for puller in self._all))

    async def _see_to(self, address: LogId) -> LogPuller | None:
        """Who pulls it, from now on if nobody did; None for a log that is complete."""
        if (puller := self._living(address)) is None:
            paths = SpoolPaths.at(self._folder, address)
            state = await run_blocking(read_pull_state, paths.state)
            if state is not None and state.is_complete:
                return None
            if state is None:
                await self._check(address)
                await run_blocking(make_private_folder, paths.lock.parent)
            puller = self._living(address) or self._start(address, paths)
        puller.touch()
        return puller

    def _living(self, address: LogId) -> LogPuller | None:
        puller = self._pullers.get(address)
        return puller if puller is not None and puller.is_going_on else None

    def _start(self, address: LogId, paths: SpoolPaths) -> LogPuller:
        if self._is_closed:
            raise Unreachable("the connections to the machines of this context are closed")
        puller = self._pullers[address] = LogPuller(self._sources, address, paths, self._idle_s)
        self._all.add(puller)
        puller.start(partial(self._ended, address, puller))
        return puller

    def _ended(self, address: LogId, puller: LogPuller) -> None:
        self._all.discard(puller)
        if self._pullers.get(address) is puller and not puller.has_failed:
            del self._pullers[address]

    async def _check(self, address: LogId) -> None:
        """Raises NotFound where there is no such log."""
        if address.context != self._sources.context:
            raise NotFound(f"task {printable(address.task_id)} is not of context {self._sources.context}")
        await self._sources.is_over(address)
