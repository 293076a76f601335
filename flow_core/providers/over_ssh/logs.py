"""Logs that grow on hosts, and are copied to this machine while they are read."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.agent.private_folders import make_private_folder
from flow_core.errors import AuthError, NotFound, Unreachable, Unsupported, printable
from flow_core.logs.escape import escape_controls
from flow_core.providers.contract.blocking_io import run_blocking
from flow_core.providers.over_ssh.host_clocks import HostClocks
from flow_core.providers.over_ssh.log_catch_up_wait import wait_for_catch_up
from flow_core.providers.over_ssh.log_puller import LogPuller
from flow_core.providers.over_ssh.pull_state import SpoolPaths, read_pull_state
from flow_core.ssh.quoting import quote_word

if TYPE_CHECKING:
    from flow_core.agent.spool import SpoolFiles
    from flow_core.logs.log_id import LogId
    from flow_core.logs.merged.clock_offset import ClockOffset
    from flow_core.logs.search.stored_lines import LineRequest, StoredLines
    from flow_core.providers.over_ssh.task_nodes import LogSources

_IDLE_S = 30.0
_STARTUP_BYTES, _STARTUP_S = 1 << 20, 20.0
_MESSAGE_CHARACTERS = 300


class SpooledLogs:
    """The contract's LogFacet. `folder` belongs to flow alone; several programs of one user may share it.

    A log is pulled from the first `open`, `catch_up` or `is_complete` until it is complete, or until `idle_s` after the
    last of these calls.
    """

    separates_streams = False
    has_writer_times = False

    def __init__(self, sources: LogSources, folder: Path, *, idle_s: float = _IDLE_S) -> None:
        self._sources = sources
        self._folder = folder
        self._idle_s = idle_s
        self._pullers: dict[LogId, LogPuller] = {}
        self._running: set[LogPuller] = set()
        self._clocks = HostClocks()
        self._is_closed = False

    async def addresses(self, task_id: str) -> tuple[LogId, ...]:
        return await self._sources.list_log_ids(task_id)

    async def open(self, address: LogId) -> SpoolFiles:
        """Opens the spool. Makes a request only if nothing of the log was read before, to check that the log exists."""
        if (puller := await self._ensure_puller(address)) is not None:
            puller.retry_now()
        return SpoolPaths.at(self._folder, address).files

    async def measure_clock(self, address: LogId) -> ClockOffset | None:
        file = await self._sources.find_file(address)
        return None if file is None else await self._clocks.measure(file.host)

    async def catch_up(self, address: LogId) -> None:
        puller = await self._ensure_puller(address)
        if puller is None:
            return
        # Check this first: then the whole of an ended log is pulled, and no note about lost output is needed.
        is_over = await self._sources.is_over(address)
        file = None if is_over else await self._sources.find_file(address)
        if is_over or file is not None:
            await wait_for_catch_up(puller, file)

    async def is_complete(self, address: LogId) -> bool:
        """Returns whether the log is complete.

        Raises AuthError too: waiting does not help if the host refuses the login.
        """
        puller = await self._ensure_puller(address)
        if puller is None or puller.is_complete:
            return True
        if isinstance(puller.error, AuthError):
            raise puller.error
        return False

    async def find_lines(self, address: LogId, request: LineRequest | None) -> StoredLines | None:
        state = await run_blocking(read_pull_state, SpoolPaths.at(self._folder, address).state)
        if state is not None and state.is_complete:
            return None
        if request is None:
            raise Unsupported(
                "this log is stored on another machine, and a pattern without fixed text can't be searched there; "
                "open the log first to fetch it"
            )
        base = 0 if state is None else state.base
        found = await self._sources.find_lines(address, request._replace(start=max(0, request.start - base)))
        lines = tuple(line._replace(offset=base + line.offset) for line in found.lines)
        return found._replace(lines=lines, searched=base + found.searched)

    async def startup(self, task_id: str, node: int) -> str:
        file = await self._sources.find_startup_log(task_id, node)
        read = f"tail -c {_STARTUP_BYTES} -- {quote_word(file.path)}"
        line = f"{read} 2>/dev/null || sudo -n {read}"
        result = await file.host.run(line, timeout_s=_STARTUP_S)
        if result.exit_code:
            message = escape_controls(result.stderr.decode("utf-8", "replace").strip())[:_MESSAGE_CHARACTERS]
            raise NotFound(f"task {printable(task_id)} has no startup log that can be read: {message}")
        return result.stdout.decode("utf-8", "replace")

    async def aclose(self) -> None:
        """Ends every puller; the spools keep what was pulled. Calling it again is safe."""
        self._is_closed = True
        await asyncio.gather(*(puller.end() for puller in self._running))

    async def _ensure_puller(self, address: LogId) -> LogPuller | None:
        """Returns the puller of a log, starting it if needed; None if the log is complete."""
        if (puller := self._find_running_puller(address)) is None:
            paths = SpoolPaths.at(self._folder, address)
            state = await run_blocking(read_pull_state, paths.state)
            if state is not None and state.is_complete:
                return None
            if state is None:
                await self._check_exists(address)
                await run_blocking(make_private_folder, paths.lock.parent)
            puller = self._find_running_puller(address) or self._start(address, paths)
        puller.touch()
        return puller

    def _find_running_puller(self, address: LogId) -> LogPuller | None:
        puller = self._pullers.get(address)
        return puller if puller is not None and puller.is_pulling else None

    def _start(self, address: LogId, paths: SpoolPaths) -> LogPuller:
        if self._is_closed:
            raise Unreachable("the connections to the machines of this context are closed")
        puller = self._pullers[address] = LogPuller(self._sources, address, paths, self._idle_s)
        self._running.add(puller)
        puller.start(partial(self._on_puller_end, address, puller))
        return puller

    def _on_puller_end(self, address: LogId, puller: LogPuller) -> None:
        self._running.discard(puller)
        if self._pullers.get(address) is puller and not puller.has_failed:
            del self._pullers[address]

    async def _check_exists(self, address: LogId) -> None:
        """Checks that the log exists. Raises NotFound."""
        if address.context != self._sources.context:
            raise NotFound(f"task {printable(address.task_id)} is not of context {self._sources.context}")
        await self._sources.is_over(address)
