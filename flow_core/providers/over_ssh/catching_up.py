"""Waiting until a spool holds what its far file held."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, NamedTuple

from flow_core.errors import Unreachable
from flow_core.providers.offload import offload
from flow_core.providers.over_ssh.spool_place import Position, SpoolPaths, read_position
from flow_core.ssh.quoting import quoted

if TYPE_CHECKING:
    from flow_core.providers.over_ssh.places import LogFile
    from flow_core.providers.over_ssh.puller import Puller

_POLL_S = 0.02
_QUIET_S = 20.0
_ASK_S = 20.0


class _Far(NamedTuple):
    inode: int = 0
    size: int = 0


class _Near(NamedTuple):
    position: Position
    size: int

    def holds(self, far: _Far | None) -> bool:
        if far is None or self.position.is_complete:
            return self.position.is_complete
        is_same = self.position.inode in (None, far.inode)
        return far.size == 0 or (is_same and self.size - self.position.base >= far.size)


async def catch_up(puller: Puller, file: LogFile | None) -> None:
    """Returns once the spool holds what stood in `file` at the call; without a file, once it is complete.

    Raises what is in the puller's way, and Unreachable once nothing has come for 20 s.
    """
    puller.hurry()
    far = await _look(file)
    near = await offload(_read, puller.paths)
    clock = asyncio.get_running_loop()
    heard_at = clock.time()
    while not near.holds(far):
        if puller.error is not None and not isinstance(puller.error, Unreachable):
            raise puller.error
        if clock.time() - heard_at > _QUIET_S:
            raise puller.error or Unreachable(f"nothing of the log has come for {_QUIET_S:g} s; try again")
        await asyncio.sleep(_POLL_S)
        before, near = near, await offload(_read, puller.paths)
        if near != before:
            heard_at = clock.time()
        if near.position != before.position and not near.position.is_complete:
            far = await _look(file)  # what was asked for may have moved on to another file, or shrunk


async def _look(file: LogFile | None) -> _Far | None:
    if file is None:
        return None
    said = (await file.host.run(f"ls -Lidn -- {quoted(file.path)}", timeout_s=_ASK_S)).stdout.split()
    return _Far(int(said[0]), int(said[5])) if len(said) > 5 and said[1][:1] == b"-" else _Far()


def _read(paths: SpoolPaths) -> _Near:
    position = read_position(paths.position) or Position()
    try:
        return _Near(position, os.stat(paths.files.log).st_size)
    except FileNotFoundError:
        return _Near(position, 0)
