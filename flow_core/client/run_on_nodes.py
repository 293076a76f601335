"""Runs one command on several nodes of a task at the same time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from flow_core.errors import FlowError

if TYPE_CHECKING:
    from flow_core.providers.contract.access import RemoteOperations

_CONCURRENT_NODES_MAX = 16
_OUTPUT_KEPT_BYTES = 64 << 10


class NodeResult:
    """The state of the command on one node, and the last 64 KiB of its output, both streams in order of arrival.

    `problem` is a sentence if the command could not be run to its end.
    """

    def __init__(self, node: int) -> None:
        self.node = node
        self.exit_code: int | None = None
        self.problem = ""
        self.output = bytearray()
        self.cut_bytes = 0
        self._started_at: float | None = None
        self._ended_at: float | None = None

    @property
    def is_over(self) -> bool:
        return self._ended_at is not None

    @property
    def has_begun(self) -> bool:
        return self._started_at is not None

    @property
    def took_s(self) -> float:
        """The duration up to now, or the total duration once it has ended."""
        if self._started_at is None:
            return 0.0
        return (self._ended_at or time.monotonic()) - self._started_at

    def begin(self) -> None:
        self._started_at = time.monotonic()

    def end(self) -> None:
        self._ended_at = time.monotonic()

    def take(self, data: bytes) -> None:
        self.output += data
        if len(self.output) > 2 * _OUTPUT_KEPT_BYTES:
            cut = len(self.output) - _OUTPUT_KEPT_BYTES
            self.cut_bytes += cut
            del self.output[:cut]


async def run_on_nodes(
    remote: RemoteOperations,
    task_id: str,
    command: str,
    runs: Sequence[NodeResult],
    changed: Callable[[NodeResult], None],
    *,
    timeout_s: float,
) -> None:
    """Runs a shell line on each node, 16 at a time, each for at most `timeout_s`. Two calls run it twice.

    `changed` is called after each change of a node's result. A node that fails doesn't stop the others: at the end,
    FlowError names the nodes that failed. Cancelling ends the command on all nodes.
    """
    free_slots = asyncio.Semaphore(_CONCURRENT_NODES_MAX)
    async with asyncio.TaskGroup() as nodes:
        for run in runs:
            nodes.create_task(_run(remote, task_id, command, run, changed, free_slots, timeout_s))
    failed = [run for run in runs if run.problem]
    if failed:
        first = failed[0]
        raise FlowError(f"{len(failed)} of {len(runs)} nodes did not run it; node {first.node}: {first.problem}")


async def _run(
    remote: RemoteOperations,
    task_id: str,
    command: str,
    run: NodeResult,
    changed: Callable[[NodeResult], None],
    free_slots: asyncio.Semaphore,
    timeout_s: float,
) -> None:
    async def take(_stream: int, data: bytes) -> None:
        run.take(data)
        changed(run)

    try:
        async with free_slots:
            run.begin()
            changed(run)
            done = await remote.run(task_id, command, node=run.node, timeout_s=timeout_s, on_output=take)
        run.exit_code = done.exit_code
    except FlowError as error:
        run.problem = str(error)
    finally:
        run.end()
        changed(run)
