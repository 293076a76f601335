"""The private event loop behind the blocking facade: one daemon thread a process, started on first use."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any, TypeVar

from flow_core.errors import FlowError

T = TypeVar("T")

_END = object()
_LOOK_S = 0.1
_SETTLE_S = 5.0
_LEAVE_S = 1.0
_lock = threading.Lock()
_current: _Thread | None = None
_is_over = False


def call(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end from ordinary code. Ctrl-C cancels it and waits for its clean-up.

    Works where a loop already runs (a notebook); raises RuntimeError on the private loop itself, where
    waiting would hang for ever, and FlowError while Python ends.
    """
    try:
        loop = _loop()
        if _running() is loop:
            raise RuntimeError("the blocking Flow was called from its own event loop; use AsyncFlow there")
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    except BaseException:
        coroutine.close()
        raise
    try:
        return _result(future)
    except CancelledError:
        if _is_over:
            threading.Event().wait()  # a daemon thread: Python is about to stop it where it stands, without a word
        raise
    finally:
        if not future.done():  # Ctrl-C, or whatever else a signal handler raised while this thread waited
            future.cancel()
            _settle(loop)


def _result(future: Future[T]) -> T:
    """Where a loop runs in this thread, Ctrl-C may only cancel the task that we are called from, and not wake us."""
    task = None if _running() is None else asyncio.current_task()
    if task is None:
        return future.result()
    cancelled_before = task.cancelling()
    while True:
        try:
            return future.result(_LOOK_S)
        except TimeoutError:
            if future.done():
                raise
        if task.cancelling() > cancelled_before:
            raise asyncio.CancelledError


def iterate(stream: AsyncIterator[T]) -> Iterator[T]:
    """An async iterator, pulled one item at a time. Leaving early closes the stream at its source."""
    process = os.getpid()
    try:
        while (item := call(_next(stream))) is not _END:
            yield item  # type: ignore[misc]  # mypy can't tell _END from an item
    finally:
        if process == os.getpid() and not _is_over:  # a forked child has only a copy; its parent reads on
            _close(stream)


async def _next(stream: AsyncIterator[T]) -> T | object:
    return await anext(stream, _END)


def _close(stream: AsyncIterator[T]) -> None:
    close = getattr(stream, "aclose", None)
    if close is None:
        return
    loop = _loop()
    if _running() is loop:  # the garbage collector may run anywhere, here too
        _closing.add(task := loop.create_task(close()))
        task.add_done_callback(_closing.discard)
    else:
        call(close())


_closing: set[asyncio.Task[None]] = set()


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _loop() -> asyncio.AbstractEventLoop:
    """The loop of this process: a forked child gets its own, the parent's is of no use to it."""
    global _current
    with _lock:
        if _is_over:
            raise FlowError("Python is ending; nothing more can be asked")
        if _current is None:
            _current = _Thread()
        return _current.loop


class _Thread:
    """The loop with the thread that runs it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.set_default_executor(_Workers(thread_name_prefix="flow_core"))
        self._thread = threading.Thread(target=self._run, name="flow_core", daemon=True)
        self._thread.start()

    def leave(self) -> None:
        """Ends what is still open, within a second. A thread that is left running hangs or crashes a dying Python."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_LEAVE_S)

    def _run(self) -> None:
        self.loop.run_forever()
        self.loop.run_until_complete(self._end_everything())
        self.loop.close()

    async def _end_everything(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.wait([*others, asyncio.create_task(self.loop.shutdown_asyncgens())], timeout=_LEAVE_S)


class _Workers(ThreadPoolExecutor):
    """Threads for disk work; while Python ends, when it starts no thread any more, the calling one.

    So an `atexit` handler may still cancel a task.
    """

    def submit(self, work: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        try:
            return super().submit(work, *args, **kwargs)
        except RuntimeError:
            future: Future[T] = Future()
            try:
                future.set_result(work(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - handed to whoever awaits it, as a worker would
                future.set_exception(error)
            return future


def _settle(loop: asyncio.AbstractEventLoop) -> None:
    """Gives cancelled work up to 5 s for its clean-up."""
    done = threading.Event()

    async def others_end() -> None:
        others = [task for task in asyncio.all_tasks(loop) if task.cancelling() and task is not asyncio.current_task()]
        if others:
            await asyncio.wait(others, timeout=_SETTLE_S)
        done.set()

    asyncio.run_coroutine_threadsafe(others_end(), loop)
    done.wait(_SETTLE_S + 1)


def _at_exit() -> None:
    """Registered when this is imported, so that whatever a program registers later may still use it."""
    global _current, _is_over
    with _lock:
        _is_over = True
        thread, _current = _current, None
    if thread is not None:
        thread.leave()


def _after_fork() -> None:
    """The lock may have been held by a thread that does not exist in the child."""
    global _lock, _current
    _lock = threading.Lock()
    _current = None


atexit.register(_at_exit)
os.register_at_fork(after_in_child=_after_fork)
