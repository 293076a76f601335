"""One source of samples for all who look at a machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from flow_core.errors import FlowError
from flow_core.models.metrics import MachineSample

Source = Callable[[], AsyncGenerator[MachineSample, None]]


class SampleBroadcast:
    """Runs its source while somebody looks, once for all of them, and closes it when the last one leaves.

    Who comes late gets the last sample at once; who is slow misses some. What ends the source ends everybody's look,
    and the next one starts it anew. One event loop only.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._run: _SampleSource | None = None

    @property
    def is_idle(self) -> bool:
        """While nobody looks."""
        return self._run is None

    async def look(self) -> AsyncGenerator[MachineSample, None]:
        """Samples as they come. Raises what the source raises. Close it when leaving it early."""
        if self._run is None or self._run.is_over:
            self._run = _SampleSource(self._source)
        run = self._run
        run.lookers += 1
        try:
            seen = 0
            while (sample := await run.after(seen)) is not None:
                seen = run.count
                yield sample
        finally:
            run.lookers -= 1
            if not run.lookers:
                if self._run is run:
                    self._run = None
                await run.stop()


class _SampleSource:
    """A source that runs. `count` is how many samples there were."""

    def __init__(self, source: Source) -> None:
        self.lookers = 0
        self.count = 0
        self.is_over = False
        self._failure: FlowError | None = None
        self._latest: MachineSample | None = None
        self._news = asyncio.Condition()
        self._pump = asyncio.create_task(self._pull(source))

    async def after(self, count: int) -> MachineSample | None:
        """A newer sample than that many, or None once there will be none."""
        async with self._news:
            await self._news.wait_for(lambda: self.count > count or self.is_over)
        if self.count > count:
            return self._latest
        if self._failure is not None:
            raise self._failure
        return None

    async def stop(self) -> None:
        """Returns once the source is closed."""
        self._pump.cancel()
        await asyncio.wait([self._pump])
        if not self._pump.cancelled():
            self._pump.result()

    async def _pull(self, source: Source) -> None:
        try:
            async with aclosing(source()) as samples:
                async for sample in samples:
                    async with self._news:
                        self.count, self._latest = self.count + 1, sample
                        self._news.notify_all()
        except FlowError as error:
            self._failure = error
        finally:
            self.is_over = True
            async with self._news:
                self._news.notify_all()
