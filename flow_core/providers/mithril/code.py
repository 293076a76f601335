"""Code that is too long to travel within a bid: it follows as soon as the machines answer."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from flow_core.errors import Conflict, FlowError, NotFound, Unreachable
from flow_core.providers.over_ssh.places import Place, Places

_log = logging.getLogger("flow.mithril")
_LOOK_S = 2.0
_MARK = "touch /var/lib/flow/code-is-there"
_MARK_S = 30.0


class CodeSender:
    """Sends in the background, for as long as this program runs. The command waits for its code on the machine."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._sending: set[asyncio.Task[None]] = set()

    def follow(self, task_id: str, nodes: int, source: Path, timeout_s: float) -> None:
        """Starts; `timeout_s` is how long a machine waits once it runs."""
        sending = asyncio.get_running_loop().create_task(self._send_all(task_id, nodes, source, timeout_s))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        """Twice is safe."""
        sending = tuple(self._sending)
        for one in sending:
            one.cancel()
        await asyncio.gather(*sending, return_exceptions=True)

    async def _send_all(self, task_id: str, nodes: int, source: Path, timeout_s: float) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for node in range(nodes):
                    group.create_task(self._send(task_id, node, source, timeout_s))
        except* FlowError as errors:
            _log.warning("the code of %s could not be sent: %s", task_id, errors.exceptions[0])

    async def _send(self, task_id: str, node: int, source: Path, timeout_s: float) -> None:
        from flow_core.upload.sync import upload  # deferred: most code fits into the bid

        place = await self._reached(task_id, node)
        await upload(source, place.host.folder(place.directory), timeout_s=timeout_s, git_incremental=None)
        await place.host.run(f"sudo -n {_MARK} || {_MARK}", timeout_s=_MARK_S)

    async def _reached(self, task_id: str, node: int) -> Place:
        """Waits for the machine, however long that takes, unless the task ends first."""
        while True:
            try:
                place = await self._places.place(task_id, node)
                await place.host.run(f"test -d {place.directory}", timeout_s=_MARK_S)
                return place
            except (Conflict, Unreachable):
                if await self._is_over(task_id):
                    raise
            await asyncio.sleep(_LOOK_S)

    async def _is_over(self, task_id: str) -> bool:
        try:
            return await self._places.is_over(task_id)
        except NotFound:
            return True
        except Unreachable:
            return False
