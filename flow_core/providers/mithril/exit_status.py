"""Exit statuses of commands. The API has none, so they are read from the nodes over SSH and cached."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.records import MalformedRecord, read_json, write_json
from flow_core.agent.task_state import TaskState
from flow_core.agent.utc_time import to_utc_datetime
from flow_core.errors import FlowError
from flow_core.providers.contract.blocking_io import run_blocking
from flow_core.providers.mithril.bids import parse_time

if TYPE_CHECKING:
    from flow_core.ssh.host import SshHost

_READ = (
    'cd "${FLOW_NODE_ROOT:-}/var/lib/flow" 2>/dev/null || exit 0; '
    "a=$(cat attempt 2>/dev/null || echo 0); echo ATTEMPT=$a; "
    "echo STARTED_AT=$(cat started-0 2>/dev/null); cat workload-exit 2>/dev/null; :"
)
_READ_S = 15.0
_BACKGROUND_INTERVAL_S = 2.0
_INTERVAL_S = 0.3
_READS_MAX = 8
_LONGEST_PAUSE_S = 60.0
_CLOSE_S = 2.0
NodeConnector = Callable[[int], Awaitable["SshHost"]]
"""Connects to the machine of a node, by its number."""
_REASON_SHOWN = 300
_ATTEMPTS_MAX = 1000  # each has a log; limits what a machine with invalid data can cause


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """The exit status of a task, from those of its nodes. `exit_code` is None while it runs.

    `reason` is "timeout", or why the command never began.
    """

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
        """Merges the nodes' states: a task has ended if each of its nodes has, or if one of them has failed."""
        ended = [node for node in nodes if node.is_final]
        last = next((node for node in ended if node.exit_code), ended[0] if len(ended) == len(nodes) else TaskState())
        starts = [node.started_at for node in nodes if node.started_at is not None]
        ends = [node.completed_at for node in ended if node.completed_at is not None] if last.is_final else []
        return cls(
            max(node.attempt for node in nodes),
            to_utc_datetime(min(starts)) if starts else None,
            last.exit_code,
            to_utc_datetime(max(ends)) if ends else None,
            last.message,
        )

    def with_earliest_start(self, previous: ExitStatus | None) -> ExitStatus:
        """Returns this status with the earliest start that was ever reported.

        A machine that replaced another one reports a later start, or none yet, although the task has begun.
        """
        starts = [
            status.started_at for status in (self, previous) if status is not None and status.started_at is not None
        ]
        return replace(self, started_at=min(starts, default=None))


class ExitStatusCache:
    """The exit statuses of this account's tasks, cached on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "ends"
        self._cached: dict[str, ExitStatus] = {}
        self._loaded: set[str] = set()
        self._read_at: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(_READS_MAX)

    async def get_cached(self, bid_ids: list[str]) -> Mapping[str, ExitStatus]:
        """Returns the cached statuses, also those that earlier programs read. Calls no machine."""
        new = [bid_id for bid_id in bid_ids if bid_id not in self._loaded]
        if new:
            self._loaded.update(new)
            self._cached = await run_blocking(self._load, new) | self._cached
        return self._cached

    def read_in_background(self, bid_id: str, nodes: int, connect: NodeConnector) -> None:
        """Starts to read the status in the background, if a read is due."""
        self._start_reading_if_due(bid_id, nodes, connect, _BACKGROUND_INTERVAL_S)

    def _start_reading_if_due(self, bid_id: str, nodes: int, connect: NodeConnector, min_interval_s: float) -> None:
        """Starts to read the status, unless a read is running, was done recently, or the status is final."""
        status, failures = self._cached.get(bid_id), self._failures.get(bid_id, 0)
        pause_s = min(min_interval_s * 2.0 ** min(failures, 10), _LONGEST_PAUSE_S)
        is_due = time.monotonic() >= self._read_at.get(bid_id, -_LONGEST_PAUSE_S) + pause_s
        if bid_id in self._reading or not is_due or (status is not None and status.is_over):
            return
        reading = asyncio.get_running_loop().create_task(self._read(bid_id, nodes, connect))
        self._reading[bid_id] = reading
        reading.add_done_callback(lambda _: self._reading.pop(bid_id, None))

    async def get(self, bid_id: str, nodes: int, connect: NodeConnector, timeout_s: float) -> ExitStatus | None:
        """Returns the cached status; first waits up to `timeout_s` for a read that is due or in progress."""
        self._start_reading_if_due(bid_id, nodes, connect, _INTERVAL_S)
        if (reading := self._reading.get(bid_id)) is not None:
            await asyncio.wait({reading}, timeout=timeout_s)
        return self._cached.get(bid_id)

    async def close(self) -> None:
        """Cancels the reads in progress. Calling it again is safe."""
        reading = tuple(self._reading.values())
        for task in reading:
            task.cancel()
        if reading:
            await asyncio.wait(reading, timeout=_CLOSE_S)

    async def _read(self, bid_id: str, nodes: int, connect: NodeConnector) -> None:
        try:
            async with self._slots, asyncio.timeout(_READ_S):
                status = ExitStatus.of_task(
                    await asyncio.gather(*(self._read_node(connect, node) for node in range(nodes)))
                )
            self._failures.pop(bid_id, None)
            await self._record(bid_id, status)
        except (FlowError, TimeoutError):  # the status of the API stays in effect
            self._failures[bid_id] = self._failures.get(bid_id, 0) + 1
        finally:
            self._read_at[bid_id] = time.monotonic()

    async def _read_node(self, connect: NodeConnector, node: int) -> TaskState:
        result = await (await connect(node)).run(_READ, timeout_s=_READ_S)
        return parse_node_state(result.stdout.decode("utf-8", "replace"))

    async def _record(self, bid_id: str, status: ExitStatus) -> None:
        previous = self._cached.get(bid_id)
        status = status.with_earliest_start(previous)
        if status == previous:
            return
        self._cached[bid_id] = status
        await run_blocking(self._store, bid_id, status)

    def _load(self, bid_ids: list[str]) -> dict[str, ExitStatus]:
        statuses = {}
        for bid_id in bid_ids:
            try:
                if (data := read_json(self._folder / f"{bid_id}.json")) is not None:
                    statuses[bid_id] = _parse(data)
            except (MalformedRecord, KeyError, TypeError, OSError):
                continue  # read again if the machine still exists
        return statuses

    def _store(self, bid_id: str, status: ExitStatus) -> None:
        make_private_folder(self._folder)
        times = {name: value.isoformat() for name in ("started_at", "ended_at") if (value := getattr(status, name))}
        write_json(self._folder / f"{bid_id}.json", asdict(status) | times)


def _parse(data: dict[str, Any]) -> ExitStatus:
    if not isinstance(data["exit_code"], int | None) or not isinstance(data["attempt"], int):
        raise TypeError
    started_at, ended_at = parse_time(data.get("started_at")), parse_time(data.get("ended_at"))
    return ExitStatus(data["attempt"], started_at, data["exit_code"], ended_at, str(data.get("reason", "")))


def parse_node_state(text: str) -> TaskState:
    """Parses the lines that `_READ` prints on a node. Missing and invalid lines are unknown.

    The message is the reason of the end: "timeout", or why the command never began.
    """
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    state = TaskState()
    state.attempt = min(_parse_whole(fields.get("ATTEMPT", "")) or 0, _ATTEMPTS_MAX)
    state.started_at = _parse_seconds(fields.get("STARTED_AT"))
    state.exit_code = _parse_whole(fields.get("EXIT_CODE", ""))
    state.message = fields.get("REASON", "")[:_REASON_SHOWN]
    if state.exit_code is not None:
        state.status = "failed" if state.exit_code else "completed"
        state.completed_at = _parse_seconds(fields.get("EXITED_AT"))
    elif state.started_at is not None:
        state.status = "running"
    return state


def _parse_seconds(text: str | None) -> float | None:
    parsed = parse_time(text)
    return None if parsed is None else parsed.timestamp()


def _parse_whole(text: str) -> int | None:
    return int(text[:9]) if text.isascii() and text.isdecimal() else None
