"""Waits until a spool contains what its remote file contained at the call."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, NamedTuple

from flow_core.errors import Unreachable
from flow_core.providers.contract.blocking_io import run_blocking
from flow_core.providers.over_ssh.pull_state import PullState, SpoolPaths, read_pull_state
from flow_core.ssh.quoting import quote_word

if TYPE_CHECKING:
    from flow_core.providers.over_ssh.log_puller import LogPuller
    from flow_core.providers.over_ssh.task_nodes import LogFile

_POLL_S = 0.02
_QUIET_S = 20.0
_COMMAND_S = 20.0


class _SpoolState(NamedTuple):
    """The state and the size of the spool."""

    state: PullState
    size: int

    @property
    def offset(self) -> int:
        """The offset in the remote file of the next byte."""
        return self.size - self.state.base


class _RemoteFile(NamedTuple):
    """The remote file, and how much of it the spool had before the file was examined."""

    inode: int
    size: int
    copied: int

    def is_copied_to(self, spool: _SpoolState) -> bool:
        """Returns whether the spool contains the whole file."""
        was_cut_short = self.size < self.copied
        return spool.state.inode in (None, self.inode) and spool.offset >= self.size and not was_cut_short


async def wait_for_catch_up(puller: LogPuller, file: LogFile | None) -> None:
    """Waits until the spool contains what `file` contained at the call; without a file, until the log is complete.

    Raises the puller's error, if it has one, and Unreachable after 20 s without data.
    """
    puller.retry_now()
    spool = await run_blocking(_read_spool, puller.paths)
    timeout = _QuietTimeout(puller)
    while not spool.state.is_complete:
        # Since it was examined, the file may have been replaced or cut.
        known_state, remote = spool.state, await _examine(file, spool) if file is not None else None
        if file is not None and remote is None:
            return
        while spool.state == known_state:
            if remote is not None and remote.is_copied_to(spool):
                return
            await timeout.sleep()
            before, spool = spool, await run_blocking(_read_spool, puller.paths)
            if spool != before:
                timeout.restart()
    puller.is_complete = True  # the puller may not have set it yet


class _QuietTimeout:
    """A limit of the time without new data."""

    def __init__(self, puller: LogPuller) -> None:
        self._puller = puller
        self._now = asyncio.get_running_loop().time
        self._restarted_at = self._now()

    def restart(self) -> None:
        self._restarted_at = self._now()

    async def sleep(self) -> None:
        """Sleeps until the next poll. Raises the puller's error, if it has one."""
        error = self._puller.error
        if error is not None and not isinstance(error, Unreachable):
            raise error
        if self._now() - self._restarted_at > _QUIET_S:
            raise error or Unreachable(
                f"nothing of the log has come for {_QUIET_S:g} s; try again, and end other programs that follow it"
            )
        await asyncio.sleep(_POLL_S)


async def _examine(file: LogFile, spool: _SpoolState) -> _RemoteFile | None:
    """Examines the file; None if there is no such file."""
    fields = (await file.host.run(f"ls -Lidn -- {quote_word(file.path)}", timeout_s=_COMMAND_S)).stdout.split()
    if len(fields) < 6 or not fields[1].startswith(b"-"):
        return None
    inode, size = int(fields[0]), int(fields[5])
    return _RemoteFile(inode, size, spool.offset if spool.state.inode == inode else 0)


def _read_spool(paths: SpoolPaths) -> _SpoolState:
    state = read_pull_state(paths.state) or PullState()
    try:
        return _SpoolState(state, os.stat(paths.files.log).st_size)
    except FileNotFoundError:
        return _SpoolState(state, 0)
