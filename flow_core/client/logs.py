"""Logs: the end of them, all of them as they come, and their bytes by offset."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal, overload

from flow_core import validation
from flow_core.client.context_client import ContextClient
from flow_core.errors import ConfigError, NotFound, Unsupported
from flow_core.logs.address import LogAddress

if TYPE_CHECKING:
    from flow_core.agent.spool import SpoolFiles
    from flow_core.providers.base import LogFacet


_STARTUP = ("startup", "host")


class LogCalls(ContextClient):
    """What a client does with logs."""

    @overload
    async def logs(
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
    ) -> str: ...

    @overload
    async def logs(
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
    ) -> AsyncGenerator[str, None]: ...

    async def logs(
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
    ) -> str | AsyncGenerator[str, None]:
        """The last `tail` lines of a task's log, or an iterator of every line until that log is complete.

        Both streams as they were merged; `stderr`, or `stream` (or `source`) "stdout" or "stderr", picks one, and is
        Unsupported where a task has one log for both, as by its `streams: merged` or `tty`. `source="startup"`, or
        "host", reads the log of what prepared its machine.
        `attempt` counts from 0 and is the newest when not said; `rank` is the instance. Of a task that hasn't begun
        there is "" or, followed, what comes. Bytes that aren't UTF-8 become U+FFFD; control characters stay, so
        make them harmless before showing them. Close the iterator (`aclosing`) when leaving it early. Raises
        NotFound, ConfigError, Unsupported.
        """
        from flow_core.logs.follow import tail_text  # deferred: only readers need it
        from flow_core.logs.lines import follow_lines

        lines = validation.whole("tail", tail)
        if source in _STARTUP:
            return await self._startup_log(task_id, follow, lines, rank)
        wanted = _streams(stderr, source, stream)
        if wanted is not None and not self._logs.separates_streams:
            raise Unsupported(
                f"stream: context {self.context.name!r} keeps what a task writes to stdout and stderr in one log;"
                " leave out stderr, stream and source"
            )
        if wanted is not None:
            await self._refuse_merged(validation.text("task_id", task_id))
        address = await self._log_of(validation.text("task_id", task_id), attempt, rank)
        files = await self.open_log(address)
        if not follow:
            await self._logs.catch_up(address)
            return await asyncio.to_thread(tail_text, files, lines, wanted)
        return follow_lines(files, lambda: self._logs.is_complete(address), wanted)

    async def log_stream(
        self, task_id: str, stderr: bool = False, *, attempt: int | None = None, rank: int = 0
    ) -> AsyncGenerator[str, None]:
        """Every line of a task's log from the first until it is complete, as `logs` with follow=True."""
        lines = await self.logs(task_id, True, stderr=stderr, attempt=attempt, rank=rank)
        async with aclosing(lines):
            async for line in lines:
                yield line

    async def log_bytes(self, address: LogAddress, offset: int = 0) -> AsyncGenerator[tuple[int, bytes], None]:
        """The raw bytes of one log from `offset` on, as (offset, bytes), until no more can come.

        An offset that was read up to is where reading goes on: nothing is missing, nothing comes twice.
        """
        from flow_core.logs.follow import follow  # deferred: only readers need it

        start = validation.whole("offset", offset, most=1 << 62)
        files = await self.open_log(address)
        async with aclosing(follow(files, start, lambda: self._logs.is_complete(address))) as chunks:
            async for chunk in chunks:
                yield chunk.offset, chunk.data

    async def log_addresses(self, task_id: str) -> tuple[LogAddress, ...]:
        """Every log of a task, by attempt, then rank; empty before it started. Raises NotFound."""
        return await self._logs.addresses(validation.text("task_id", task_id))

    async def open_log(self, address: LogAddress) -> SpoolFiles:
        """The files on this machine that hold, or will hold, this log. Raises NotFound, ProviderError."""
        from flow_core.logs.readable import check_readable  # deferred: only readers need it

        files = await self._logs.open(_address(address))
        await asyncio.to_thread(check_readable, files)
        return files

    async def is_log_complete(self, address: LogAddress) -> bool:
        """True once no byte will be added any more. Raises NotFound."""
        return await self._logs.is_complete(_address(address))

    async def _startup_log(self, task_id: str, follow: bool, lines: int, rank: int) -> str:
        if follow:
            raise ConfigError("source: the startup log can't be followed; read it again", field="source")
        text = await self._logs.startup(validation.text("task_id", task_id), validation.whole("rank", rank))
        return "".join(text.splitlines(keepends=True)[-lines:]) if lines else ""

    async def _refuse_merged(self, task_id: str) -> None:
        if by := (await self.provider.get_task(task_id)).merged_by:
            raise Unsupported(
                f"stream: task {task_id} was submitted with {by}, so its stdout and stderr are one; "
                "leave out stderr, stream and source"
            )

    @property
    def _logs(self) -> LogFacet:
        return self.facet(self.provider.logs, "logs")

    async def _log_of(self, task_id: str, attempt: int | None, rank: int) -> LogAddress:
        validation.optional_whole("attempt", attempt)
        validation.whole("rank", rank)
        addresses = await self._logs.addresses(task_id)
        newest = max((address.attempt for address in addresses), default=0)
        wanted = LogAddress(self.context.name, task_id, newest if attempt is None else attempt, rank)
        if wanted in addresses or (not addresses and not attempt):
            return wanted
        raise NotFound(f"task {task_id} has no log of attempt {wanted.attempt}, rank {rank}")


def _address(address: Any) -> LogAddress:
    if not isinstance(address, LogAddress):
        raise ConfigError(f"address: must be a LogAddress, not {type(address).__name__}", field="address")
    return address


def _streams(stderr: bool, source: str | None, stream: str | None) -> frozenset[int] | None:
    """Which streams to keep, None for both."""
    from flow_core.agent.spool import STDERR, STDOUT  # deferred: only readers need it

    streams = {
        "stdout": frozenset({STDOUT}),
        "stderr": frozenset({STDERR}),
        "combined": None,
        "both": None,
        "all": None,
        "auto": None,
    }
    for name, said in (("stream", stream), ("source", source)):
        if said is not None:
            known = (*streams, *_STARTUP) if name == "source" else tuple(streams)
            return streams[validation.one_of(name, said, known)]
    return streams["stderr" if stderr else "combined"]
