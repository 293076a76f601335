"""The private event loop behind the blocking facade: one daemon thread a process, started on first use."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

_END = object()
_lock = threading.Lock()
_current: tuple[int, asyncio.AbstractEventLoop] | None = None


def call(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end from ordinary code. Ctrl-C cancels it and waits for its clean-up.

    Works where a loop already runs (a notebook); raises RuntimeError on the private loop itself, where
    waiting would hang for ever.
    """
    loop = _loop()
    if _running() is loop:
        coroutine.close()
        raise RuntimeError("the blocking Flow was called from its own event loop; use AsyncFlow there")
    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    try:
        return future.result()
    finally:
        if not future.done():  # Ctrl-C, or whatever else a signal handler raised while this thread waited
            future.cancel()
            _settle(loop)


def iterate(stream: AsyncIterator[T]) -> Iterator[T]:
    """An async iterator, pulled one item at a time. Leaving early closes the stream at its source."""
    try:
        while (item := call(_next(stream))) is not _END:
            yield item  # type: ignore[misc]  # mypy can't tell _END from an item
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            call(close())


async def _next(stream: AsyncIterator[T]) -> T | object:
    return await anext(stream, _END)


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _loop() -> asyncio.AbstractEventLoop:
    """The loop of this process: a forked child gets its own, the parent's is of no use to it."""
    global _current
    with _lock:
        if _current is None or _current[0] != os.getpid():
            _current = (os.getpid(), _start())
        return _current[1]


def _start() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="flow_core", daemon=True).start()
    return loop


def _settle(loop: asyncio.AbstractEventLoop) -> None:
    """Gives cancelled work up to 5 s for its clean-up."""
    done = threading.Event()

    async def others_end() -> None:
        others = [task for task in asyncio.all_tasks(loop) if task.cancelling() and task is not asyncio.current_task()]
        if others:
            await asyncio.wait(others, timeout=5)
        done.set()

    asyncio.run_coroutine_threadsafe(others_end(), loop)
    done.wait(6)


def _after_fork() -> None:
    """The lock may have been held by a thread that does not exist in the child."""
    global _lock, _current
    _lock = threading.Lock()
    _current = None


os.register_at_fork(after_in_child=_after_fork)
