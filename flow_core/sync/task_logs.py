"""Logs of tasks, for blocking code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypedDict, overload

from flow_core.client.task_logs import AsyncTaskLogResource, follow_batches
from flow_core.sync.loop_thread import iter_batches_sync, iter_sync, run_sync
from flow_core.sync.twin import BlockingTwin, copy_docstring, make_blocking

if TYPE_CHECKING:
    from flow_core.logs.log_id import LogId
    from flow_core.logs.search.log_hits import LogHits


class _Place(TypedDict):
    attempt: int | None
    rank: int


class TaskLogResource(BlockingTwin[AsyncTaskLogResource]):
    """The logs of the tasks of one context. Leaving a loop over a stream early closes the stream."""

    addresses = make_blocking(AsyncTaskLogResource.addresses)
    open = make_blocking(AsyncTaskLogResource.open)
    find_cause = make_blocking(AsyncTaskLogResource.find_cause)
    is_complete = make_blocking(AsyncTaskLogResource.is_complete)
    clock = make_blocking(AsyncTaskLogResource.clock)

    @overload
    def read(
        self,
        task_id: str,
        follow: Literal[False] = False,
        tail: int = 100,
        stderr: bool = False,
        source: str | None = None,
        stream: str | None = None,
        *,
        attempt: int | None = None,
        rank: int = 0,
        updates: bool = False,
    ) -> str: ...

    @overload
    def read(
        self,
        task_id: str,
        follow: Literal[True],
        tail: int = 100,
        stderr: bool = False,
        source: str | None = None,
        stream: str | None = None,
        *,
        attempt: int | None = None,
        rank: int = 0,
        updates: bool = False,
    ) -> Iterator[str]: ...

    @copy_docstring(AsyncTaskLogResource.read)
    def read(
        self,
        task_id: str,
        follow: bool = False,
        tail: int = 100,
        stderr: bool = False,
        source: str | None = None,
        stream: str | None = None,
        *,
        attempt: int | None = None,
        rank: int = 0,
        updates: bool = False,
    ) -> str | Iterator[str]:
        place = _Place(attempt=attempt, rank=rank)
        if follow:
            batches = follow_batches(self._twin, task_id, tail, stderr, source, stream, **place, updates=updates)
            return iter_batches_sync(run_sync(batches))
        return run_sync(self._twin.read(task_id, False, tail, stderr, source, stream, **place, updates=updates))

    @copy_docstring(AsyncTaskLogResource.stream)
    def stream(
        self, task_id: str, stderr: bool = False, *, attempt: int | None = None, rank: int = 0, updates: bool = False
    ) -> Iterator[str]:
        yield from self.read(task_id, True, stderr=stderr, attempt=attempt, rank=rank, updates=updates)

    @copy_docstring(AsyncTaskLogResource.read_bytes)
    def read_bytes(self, address: LogId, offset: int = 0) -> Iterator[tuple[int, bytes]]:
        return iter_sync(self._twin.read_bytes(address, offset))

    @copy_docstring(AsyncTaskLogResource.search)
    def search(
        self,
        pattern: str,
        task_ids: Sequence[str] | str | None = None,
        *,
        regex: bool = False,
        case_sensitive: bool | None = None,
        context: int = 2,
        limit: int = 100,
        since: Mapping[LogId, int] | None = None,
    ) -> Iterator[LogHits]:
        return iter_sync(
            self._twin.search(
                pattern,
                task_ids,
                regex=regex,
                case_sensitive=case_sensitive,
                context=context,
                limit=limit,
                since=since,
            )
        )
