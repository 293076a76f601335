"""Waits until a spool holds what its remote file held at the call."""

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
_ASK_S = 20.0


class _Near(NamedTuple):
    """The spool."""

    state: PullState
    size: int

    @property
    def offset(self) -> int:
        return self.size - self.state.base


class _Far(NamedTuple):
    """The file, and how much of it the spool had before it was looked at."""

    inode: int
    size: int
    had: int

    def is_in(self, near: _Near) -> bool:
        was_cut_short = self.size < self.had
        return near.state.inode in (None, self.inode) and near.offset >= self.size and not was_cut_short


async def catch_up(puller: LogPuller, file: LogFile | None) -> None:
    """Returns once the spool holds what stood in `file` at the call; without a file, once it is complete.

    Raises what is in the puller's way, and Unreachable once nothing has come for 20 s.
    """
    puller.hurry()
    near = await run_blocking(_read, puller.paths)
    waiting = _Waiting(puller)
    while not near.state.is_complete:
        # What was asked for may have moved on to another file since it was looked at, or shrunk.
        known, far = near.state, await _look(file, near) if file is not None else None
        if file is not None and far is None:
            return
        while near.state == known:
            if far is not None and far.is_in(near):
                return
            await waiting.rest()
            before, near = near, await run_blocking(_read, puller.paths)
            if near != before:
                waiting.heard()
    puller.is_complete = True  # it may not have come to saying so itself


class _Waiting:
    """For as long as something comes."""

    def __init__(self, puller: LogPuller) -> None:
        self._puller = puller
        self._clock = asyncio.get_running_loop().time
        self._heard_at = self._clock()

    def heard(self) -> None:
        self._heard_at = self._clock()

    async def rest(self) -> None:
        """Raises what is in the puller's way."""
        error = self._puller.error
        if error is not None and not isinstance(error, Unreachable):
            raise error
        if self._clock() - self._heard_at > _QUIET_S:
            raise error or Unreachable(
                f"nothing of the log has come for {_QUIET_S:g} s; try again, and end other programs that follow it"
            )
        await asyncio.sleep(_POLL_S)


async def _look(file: LogFile, near: _Near) -> _Far | None:
    """None where there is no such file."""
    said = (await file.host.run(f"ls -Lidn -- {quote_word(file.path)}", timeout_s=_ASK_S)).stdout.split()
    if len(said) < 6 or not said[1].startswith(b"-"):
        return None
    inode, size = int(said[0]), int(said[5])
    return _Far(inode, size, near.offset if near.state.inode == inode else 0)


def _read(paths: SpoolPaths) -> _Near:
    state = read_pull_state(paths.state) or PullState()
    try:
        return _Near(state, os.stat(paths.files.log).st_size)
    except FileNotFoundError:
        return _Near(state, 0)
