"""Logs of tasks: their last lines, all lines as they are written, and their bytes by offset."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal, overload

from flow_core.agent.spool import STDERR, STDOUT
from flow_core.argument_checks import check_integer, check_one_of, check_optional_integer, check_text
from flow_core.errors import ConfigError, NotFound, ProviderError, Unsupported
from flow_core.logs.log_id import LogId
from flow_core.logs.search.log_hits import LogHits

if TYPE_CHECKING:
    from flow_core.agent.spool import SpoolFiles
    from flow_core.client.context_client import ContextClient
    from flow_core.logs.failure_report import FailureReport
    from flow_core.logs.merged.clock_offset import LogClock
    from flow_core.providers.contract.resources import LogFacet


_STARTUP = ("startup", "host")
_CONTEXT_MAX, _HITS_MAX, _PATTERN_MAX = 10, 1000, 10_000


class AsyncTaskLogResource:
    """The logs of the tasks of one context."""

    def __init__(self, client: ContextClient) -> None:
        self._client = client

    @overload
    async def read(
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
    async def read(
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
    ) -> AsyncGenerator[str, None]: ...

    async def read(
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
    ) -> str | AsyncGenerator[str, None]:
        """Returns the last `tail` lines of a task's log; with `follow`, an iterator of all lines until it is complete.

        Both streams, merged; `stderr`, or `stream` (or `source`) "stdout" or "stderr", selects one. That is Unsupported
        if the task has one log for both, as with `streams: merged` or `tty`. `source="startup"`, or "host", reads the
        log of the preparation of its machine. `attempt` counts from 0; default: the newest. `rank` is the instance. A
        task that hasn't started has the log ""; followed, it waits for the start. Bytes that aren't UTF-8 become
        U+FFFD. Control characters stay: escape them before you show them. With `updates`, the iterator also yields the
        newest state of a line that has no end yet, such as a progress bar, with a carriage return before it. Close the
        iterator (`aclosing`) if you leave it early. Raises NotFound, ConfigError, Unsupported.
        """
        from flow_core.logs.follow import follow_lines, tail_text  # lazy import: loads ctypes

        lines = check_integer("tail", tail)
        if source in _STARTUP:
            return await self._startup_log(task_id, follow, lines, rank)
        address, files, streams = await self._open_streams(task_id, stderr, source, stream, attempt, rank)
        if not follow:
            await self._logs.catch_up(address)
            return await asyncio.to_thread(tail_text, files, lines, streams)
        return follow_lines(files, lambda: self._logs.is_complete(address), streams, updates=updates)

    async def stream(
        self, task_id: str, stderr: bool = False, *, attempt: int | None = None, rank: int = 0, updates: bool = False
    ) -> AsyncGenerator[str, None]:
        """Yields every line of a task's log, from the first until the log is complete: `read` with follow=True."""
        lines = await self.read(task_id, True, stderr=stderr, attempt=attempt, rank=rank, updates=updates)
        async with aclosing(lines):
            async for line in lines:
                yield line

    async def read_bytes(self, address: LogId, offset: int = 0) -> AsyncGenerator[tuple[int, bytes], None]:
        """Yields the raw bytes of one log from `offset` on, as (offset, bytes), until the log is complete.

        Pass the offset after the last byte that you have read to read on: no byte is missing or repeated.
        """
        from flow_core.logs.follow import follow_log  # lazy import: loads ctypes

        start = check_integer("offset", offset, maximum=1 << 62)
        files = await self.open(address)
        async with aclosing(follow_log(files, start, lambda: self._logs.is_complete(address))) as chunks:
            async for chunk in chunks:
                yield chunk.offset, chunk.data

    async def addresses(self, task_id: str) -> tuple[LogId, ...]:
        """Returns the address of each log of a task, by attempt, then rank; none before it started. Raises NotFound."""
        return await self._logs.addresses(check_text("task_id", task_id))

    async def open(self, address: LogId) -> SpoolFiles:
        """Returns the files of this log on this machine; they may not exist yet. Raises NotFound, ProviderError."""
        from flow_core.logs.follow import check_readable  # lazy import: loads ctypes

        files = await self._logs.open(_check_address(address))
        await asyncio.to_thread(check_readable, files)
        return files

    async def search(
        self,
        pattern: str,
        task_ids: Sequence[str] | str | None = None,
        *,
        regex: bool = False,
        case_sensitive: bool | None = None,
        context: int = 2,
        limit: int = 100,
        since: Mapping[LogId, int] | None = None,
    ) -> AsyncGenerator[LogHits, None]:
        """Searches the logs of these tasks (None: of all) for a text as it is shown, without colours and old redraws.

        Yields one result for each log as soon as it is ready: at most `limit` lines, each with `context` lines around
        it. With `regex`, `pattern` is a regular expression of Python. By default, case matters if the pattern has a
        capital letter. A log on another machine is searched there, line by line. `not_searched` of a result says why a
        log, or a task that is gone, was not searched. To find what was written since, pass the `searched` of each
        result in `since`. Close the iterator (`aclosing`) if you leave it early. Raises ConfigError, Unsupported.
        """
        # lazy import: loads asyncio's subprocesses
        from flow_core.logs.search.multi_log_search import MultiLogQuery, MultiLogSearch
        from flow_core.logs.search.query import SearchQuery

        query = SearchQuery(_check_pattern(pattern), not regex, case_sensitive)
        lines = check_integer("context", context, maximum=_CONTEXT_MAX)
        request = MultiLogQuery(query, lines, check_integer("limit", limit, 1, _HITS_MAX), _check_since(since))
        search = MultiLogSearch(self._logs, request)
        ids = await self._list_task_ids(task_ids)
        async with aclosing(search.run(self._list_logs(ids))) as results:
            async for result in results:
                yield result

    async def find_cause(self, task_id: str, attempt: int | None = None) -> FailureReport:
        """Finds what the failure of a task began with, in the logs of all its ranks.

        The logs have ten seconds to arrive; of long ones, only the ends are read. `attempt` counts from 0; default: the
        newest. Raises NotFound, ConfigError.
        """
        from flow_core.client.failure_logs import report_failure  # lazy import: loads asyncio's subprocesses

        check_optional_integer("attempt", attempt)
        task = await self._client.provider.get_task(check_text("task_id", task_id))
        return await report_failure(self._logs, task, attempt)

    async def is_complete(self, address: LogId) -> bool:
        """Returns whether the log is complete, so that nothing more will be added. Raises NotFound."""
        return await self._logs.is_complete(_check_address(address))

    async def clock(self, address: LogId) -> LogClock:
        """Returns by which clock the times of this log are, and how far the clock of its machine is ahead.

        Takes at most 10 s. Raises NotFound, Unreachable.
        """
        from flow_core.logs.merged.clock_offset import LogClock  # lazy import: only merged logs need it

        offset = await self._logs.measure_clock(_check_address(address))
        return LogClock(self._logs.has_writer_times, offset)

    async def _list_task_ids(self, task_ids: Sequence[str] | str | None) -> list[str]:
        if task_ids is None:
            return [record.task_id for record in await self._client.provider.list_tasks()]
        ids = [task_ids] if isinstance(task_ids, str) else task_ids
        if not isinstance(ids, Sequence) or isinstance(ids, bytes):
            raise ConfigError(f"task_ids: must be task ids, not {type(ids).__name__}", field="task_ids")
        return [check_text("task_ids", one) for one in ids]

    async def _list_logs(self, task_ids: list[str]) -> AsyncGenerator[LogId | LogHits, None]:
        """Yields the logs of tasks, and a result for a task whose logs are not known."""
        for task_id in task_ids:
            try:
                addresses = await self._logs.addresses(task_id)
            except ProviderError as error:
                yield LogHits(LogId(self._client.context.name, task_id), not_searched=error.message)
                continue
            for address in addresses:
                yield address

    async def _open_streams(
        self, task_id: str, stderr: bool, source: str | None, stream: str | None, attempt: int | None, rank: int
    ) -> tuple[LogId, SpoolFiles, frozenset[int] | None]:
        """Returns the address of a log, its files, and the streams of it to keep; None for both."""
        streams = _resolve_streams(stderr, source, stream)
        if streams is not None:
            await self._refuse_merged(task_id)
        address = await self._find_address(check_text("task_id", task_id), attempt, rank)
        return address, await self.open(address), streams

    async def _startup_log(self, task_id: str, follow: bool, lines: int, rank: int) -> str:
        if follow:
            raise ConfigError("source: the startup log can't be followed; read it again", field="source")
        text = await self._logs.startup(check_text("task_id", task_id), check_integer("rank", rank))
        return "".join(text.splitlines(keepends=True)[-lines:]) if lines else ""

    async def _refuse_merged(self, task_id: str) -> None:
        """Raises Unsupported if the task has one log for both streams."""
        context = self._client.context.name
        if not self._logs.separates_streams:
            raise Unsupported(
                f"stream: context {context!r} keeps what a task writes to stdout and stderr in one log;"
                " leave out stderr, stream and source"
            )
        if by := (await self._client.provider.get_task(check_text("task_id", task_id))).merged_by:
            raise Unsupported(
                f"stream: task {task_id} was submitted with {by}, so its stdout and stderr are one; "
                "leave out stderr, stream and source"
            )

    @property
    def _logs(self) -> LogFacet:
        return self._client.get_facet(self._client.provider.logs, "logs")

    async def _find_address(self, task_id: str, attempt: int | None, rank: int) -> LogId:
        check_optional_integer("attempt", attempt)
        check_integer("rank", rank)
        addresses = await self._logs.addresses(task_id)
        newest = max((address.attempt for address in addresses), default=0)
        log_id = LogId(self._client.context.name, task_id, newest if attempt is None else attempt, rank)
        if log_id in addresses or (not addresses and not attempt):
            return log_id
        raise NotFound(f"task {task_id} has no log of attempt {log_id.attempt}, rank {rank}")


async def follow_batches(
    logs: AsyncTaskLogResource,
    task_id: str,
    tail: int = 100,
    stderr: bool = False,
    source: str | None = None,
    stream: str | None = None,
    *,
    attempt: int | None = None,
    rank: int = 0,
    updates: bool = False,
) -> AsyncGenerator[list[str], None]:
    """Returns an iterator of lists of lines: those of `read` with follow=True that arrive at the same time."""
    from flow_core.logs.follow import follow_line_batches  # lazy import: loads ctypes

    if source in _STARTUP:
        await logs.read(task_id, True, tail, source=source, rank=rank)  # refuses
    check_integer("tail", tail)
    address, files, streams = await logs._open_streams(task_id, stderr, source, stream, attempt, rank)
    return follow_line_batches(files, lambda: logs.is_complete(address), streams, updates=updates)


def _check_pattern(pattern: Any) -> str:
    text = check_text("pattern", pattern)
    if len(text) > _PATTERN_MAX:
        raise ConfigError(f"pattern: must have at most {_PATTERN_MAX:,} characters", field="pattern")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError("pattern: holds half a character (a lone surrogate)", field="pattern") from None
    return text


def _check_since(since: Any) -> dict[LogId, int]:
    """Returns the offset of each log from which it is searched; none by default."""
    if since is not None and not isinstance(since, Mapping):
        raise ConfigError(f"since: must map logs to offsets, not be {type(since).__name__}", field="since")
    searched = dict(since or {})
    for log, offset in searched.items():
        if not isinstance(log, LogId):
            raise ConfigError(f"since: its keys must be logs (LogId), not {type(log).__name__}", field="since")
        check_integer("since", offset, maximum=1 << 62)
    return searched


def _check_address(address: Any) -> LogId:
    if not isinstance(address, LogId):
        raise ConfigError(f"address: must be a LogId, not {type(address).__name__}", field="address")
    return address


def _resolve_streams(stderr: bool, source: str | None, stream: str | None) -> frozenset[int] | None:
    """Returns the streams to keep; None for both. `stream` wins over `source`, and `source` over `stderr`."""
    streams = {
        "stdout": frozenset({STDOUT}),
        "stderr": frozenset({STDERR}),
        "combined": None,
        "both": None,
        "all": None,
        "auto": None,
    }
    for name, word in (("stream", stream), ("source", source)):
        if word is not None:
            known = (*streams, *_STARTUP) if name == "source" else tuple(streams)
            return streams[check_one_of(name, word, known)]
    return streams["stderr" if stderr else "combined"]
