"""Exit statuses of commands. The API has none: they are read from the nodes over SSH, in the background, and kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.record_fields import utc_datetime
from flow_core.agent.records import MalformedRecord, read_json, write_json
from flow_core.agent.state import TaskState
from flow_core.errors import FlowError
from flow_core.providers.contract.blocking_io import run_blocking
from flow_core.providers.mithril.bids import moment

if TYPE_CHECKING:
    from flow_core.ssh.host import SshHost

_READ = (
    'cd "${FLOW_NODE_ROOT:-}/var/lib/flow" 2>/dev/null || exit 0; '
    "a=$(cat attempt 2>/dev/null || echo 0); echo ATTEMPT=$a; "
    "echo STARTED_AT=$(cat started-0 2>/dev/null); cat workload-exit 2>/dev/null; :"
)
_READ_S = 15.0
_AGAIN_S = 2.0
_SOON_S = 0.3
_AT_ONCE = 8
_LONGEST_PAUSE_S = 60.0
_CLOSE_S = 2.0
Reach = Callable[[int], Awaitable["SshHost"]]
"""The machine of a node, by its number."""
_REASON_SHOWN = 300
_MOST_ATTEMPTS = 1000  # each has a log: a machine that lies must not make us list millions


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """The exit status of a task, from those of its nodes. `exit_code` is None while it runs; `reason` is "timeout",
    or why it never began."""

    attempt: int = 0
    started_at: datetime | None = None
    exit_code: int | None = None
    ended_at: datetime | None = None
    reason: str = ""

    @property
    def is_over(self) -> bool:
        return self.exit_code is not None

    @classmethod
    def of_task(cls, nodes: Sequence[TaskState]) -> ExitStatus:
        """A task has ended when each of its nodes has, or one of them badly."""
        ended = [node for node in nodes if node.is_final]
        last = next((node for node in ended if node.exit_code), ended[0] if len(ended) == len(nodes) else TaskState())
        starts = [node.started_at for node in nodes if node.started_at is not None]
        ends = [node.completed_at for node in ended if node.completed_at is not None] if last.is_final else []
        return cls(
            max(node.attempt for node in nodes),
            utc_datetime(min(starts)) if starts else None,
            last.exit_code,
            utc_datetime(max(ends)) if ends else None,
            last.message,
        )

    def following(self, before: ExitStatus | None) -> ExitStatus:
        """The same, with the earliest start that was ever reported: a machine that replaced another has a later one, or
        none yet, and the task has begun all the same."""
        starts = [one.started_at for one in (self, before) if one is not None and one.started_at is not None]
        return replace(self, started_at=min(starts, default=None))


class ExitStatusCache:
    """What is known so far. It is kept on disk, so that the next program knows it from the start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "ends"
        self._known: dict[str, ExitStatus] = {}
        self._looked_for: set[str] = set()
        self._read_at: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def known(self, bid_ids: list[str]) -> Mapping[str, ExitStatus]:
        """What was learnt so far, also by earlier programs. Asks no machine."""
        new = [bid_id for bid_id in bid_ids if bid_id not in self._looked_for]
        if new:
            self._looked_for.update(new)
            self._known = await run_blocking(self._load, new) | self._known
        return self._known

    def look_later(self, bid_id: str, nodes: int, reach: Reach) -> None:
        """Reads in the background, unless that is under way, was done just now, or is known to be over."""
        self._look(bid_id, nodes, reach, _AGAIN_S)

    def _look(self, bid_id: str, nodes: int, reach: Reach, at_most_every_s: float) -> None:
        end, failures = self._known.get(bid_id), self._failures.get(bid_id, 0)
        pause_s = min(at_most_every_s * 2.0 ** min(failures, 10), _LONGEST_PAUSE_S)
        is_due = time.monotonic() >= self._read_at.get(bid_id, -_LONGEST_PAUSE_S) + pause_s
        if bid_id in self._reading or not is_due or (end is not None and end.is_over):
            return
        reading = asyncio.get_running_loop().create_task(self._read(bid_id, nodes, reach))
        self._reading[bid_id] = reading
        reading.add_done_callback(lambda _: self._reading.pop(bid_id, None))

    async def look(self, bid_id: str, nodes: int, reach: Reach, timeout_s: float) -> ExitStatus | None:
        """As it is now, or what was last known when a machine doesn't answer within that time."""
        self._look(bid_id, nodes, reach, _SOON_S)
        if (reading := self._reading.get(bid_id)) is not None:
            await asyncio.wait({reading}, timeout=timeout_s)
        return self._known.get(bid_id)

    async def close(self) -> None:
        """Twice is safe."""
        reading = tuple(self._reading.values())
        for one in reading:
            one.cancel()
        if reading:
            await asyncio.wait(reading, timeout=_CLOSE_S)

    async def _read(self, bid_id: str, nodes: int, reach: Reach) -> None:
        try:
            async with self._room, asyncio.timeout(_READ_S):
                end = ExitStatus.of_task(await asyncio.gather(*(self._of_node(reach, node) for node in range(nodes))))
            self._failures.pop(bid_id, None)
            await self._learn(bid_id, end)
        except (FlowError, TimeoutError):  # the task goes on being what the API says of it
            self._failures[bid_id] = self._failures.get(bid_id, 0) + 1
        finally:
            self._read_at[bid_id] = time.monotonic()

    async def _of_node(self, reach: Reach, node: int) -> TaskState:
        done = await (await reach(node)).run(_READ, timeout_s=_READ_S)
        return state_of_node(done.stdout.decode("utf-8", "replace"))

    async def _learn(self, bid_id: str, end: ExitStatus) -> None:
        before = self._known.get(bid_id)
        end = end.following(before)
        if end == before:
            return
        self._known[bid_id] = end
        await run_blocking(self._keep, bid_id, end)

    def _load(self, bid_ids: list[str]) -> dict[str, ExitStatus]:
        found = {}
        for bid_id in bid_ids:
            try:
                if (data := read_json(self._folder / f"{bid_id}.json")) is not None:
                    found[bid_id] = _end(data)
            except (MalformedRecord, KeyError, TypeError, OSError):
                continue  # it is read anew where the machine still stands
        return found

    def _keep(self, bid_id: str, end: ExitStatus) -> None:
        make_private_folder(self._folder)
        times = {name: value.isoformat() for name in ("started_at", "ended_at") if (value := getattr(end, name))}
        write_json(self._folder / f"{bid_id}.json", asdict(end) | times)


def _end(data: dict[str, Any]) -> ExitStatus:
    if not isinstance(data["exit_code"], int | None) or not isinstance(data["attempt"], int):
        raise TypeError
    started_at, ended_at = moment(data.get("started_at")), moment(data.get("ended_at"))
    return ExitStatus(data["attempt"], started_at, data["exit_code"], ended_at, str(data.get("reason", "")))


def state_of_node(text: str) -> TaskState:
    """Reads its lines, `workload-exit` among them; what isn't there or is nonsense is unknown.

    The message is why it ended: "timeout", or why it never began.
    """
    said = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    state = TaskState()
    state.attempt = min(_whole(said.get("ATTEMPT", "")) or 0, _MOST_ATTEMPTS)
    state.started_at = _seconds(said.get("STARTED_AT"))
    state.exit_code = _whole(said.get("EXIT_CODE", ""))
    state.message = said.get("REASON", "")[:_REASON_SHOWN]
    if state.exit_code is not None:
        state.status = "failed" if state.exit_code else "completed"
        state.completed_at = _seconds(said.get("EXITED_AT"))
    elif state.started_at is not None:
        state.status = "running"
    return state


def _seconds(text: str | None) -> float | None:
    found = moment(text)
    return None if found is None else found.timestamp()


def _whole(text: str) -> int | None:
    return int(text[:9]) if text.isascii() and text.isdecimal() else None
