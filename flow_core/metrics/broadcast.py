"""Shares one source of samples among all subscribers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from flow_core.errors import FlowError
from flow_core.models.metrics import MachineSample

Source = Callable[[], AsyncGenerator[MachineSample, None]]


class SampleBroadcast:
    """A broadcast that runs its source while there is a subscriber, once for all, and closes it after the last one.

    A late subscriber gets the last sample immediately; a slow one misses some. When the source ends, all subscriptions
    end, and the next one starts it again. For one event loop only.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._current: _SampleSource | None = None

    @property
    def is_idle(self) -> bool:
        """Whether there are no subscribers."""
        return self._current is None

    async def subscribe(self) -> AsyncGenerator[MachineSample, None]:
        """Yields samples as they arrive. Raises the errors of the source. Close it when you leave it early."""
        if self._current is None or self._current.has_ended:
            self._current = _SampleSource(self._source)
        current = self._current
        current.subscriber_count += 1
        try:
            last_count = 0
            while (sample := await current.wait_for_newer(last_count)) is not None:
                last_count = current.count
                yield sample
        finally:
            current.subscriber_count -= 1
            if not current.subscriber_count:
                if self._current is current:
                    self._current = None
                await current.stop()


class _SampleSource:
    """A running source. `count` is the number of its samples up to now."""

    def __init__(self, source: Source) -> None:
        self.subscriber_count = 0
        self.count = 0
        self.has_ended = False
        self._error: FlowError | None = None
        self._latest: MachineSample | None = None
        self._changed = asyncio.Condition()
        self._task = asyncio.create_task(self._read_samples(source))

    async def wait_for_newer(self, count: int) -> MachineSample | None:
        """Waits for a sample after the first `count`; returns None when the source has ended."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.count > count or self.has_ended)
        if self.count > count:
            return self._latest
        if self._error is not None:
            raise self._error
        return None

    async def stop(self) -> None:
        """Closes the source and waits for it."""
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()

    async def _read_samples(self, source: Source) -> None:
        try:
            async with aclosing(source()) as samples:
                async for sample in samples:
                    async with self._changed:
                        self.count, self._latest = self.count + 1, sample
                        self._changed.notify_all()
        except FlowError as error:
            self._error = error
        finally:
            self.has_ended = True
            async with self._changed:
                self._changed.notify_all()
