"""The private event loop behind the blocking client: one daemon thread per process, started on first use."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any, Protocol, TypeVar

from flow_core.errors import FlowError
from flow_core.lazy_module import ENDING
from flow_core.sync import program_end

T = TypeVar("T")

_END = object()
_WAIT_S = 0.1
_SETTLE_S = 5.0
_STOP_S = 1.0
_CLOSE_S = 0.5
_POLL_S = 0.005
_FOREIGN_STREAM = "this stream belongs to the process that opened it; open another one in this process"
_lock = threading.Lock()
_current: _Thread | None = None
_forks = 0
"""The number of forks from the first process to this one. Other than `os.getpid`, it is no system call."""


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end from blocking code. Ctrl-C cancels it and waits for its clean-up.

    Works if a loop already runs (a notebook). Raises RuntimeError on the private loop itself, where waiting would
    never end, and FlowError while Python exits.
    """
    try:
        loop = private_loop()
        if _find_running_loop() is loop:
            raise RuntimeError("the blocking Flow was called from its own event loop; use AsyncFlow there")
    except BaseException:
        coroutine.close()
        raise
    future: Future[T] | None = None
    try:
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        return _wait_for_result(future)
    except BaseException:
        _stop_at_end()
        raise
    finally:
        if future is None or not future.done():  # Ctrl-C, or an exception of a signal handler
            loop.call_soon_threadsafe(_cancel_on_loop, coroutine)
            _wait_for_cleanup(loop)


def _cancel_on_loop(coroutine: Coroutine[Any, Any, object]) -> None:
    """Cancels the coroutine's task on the loop, or closes a coroutine that never became a task."""
    for task in asyncio.all_tasks():
        if task.get_coro() is coroutine:
            task.cancel()
            return
    coroutine.close()


def _stop_at_end() -> None:
    """Blocks a daemon thread while Python exits, until Python stops it: an error would print a traceback."""
    if program_end.is_over and threading.current_thread() is not threading.main_thread():
        threading.Event().wait()


def _wait_for_result(future: Future[T]) -> T:
    """Waits for the result. If a loop runs in this thread, Ctrl-C may cancel the calling task without waking us."""
    task = None if _find_running_loop() is None else asyncio.current_task()
    if task is None:
        return future.result()
    cancelled_before = task.cancelling()
    while True:
        try:
            return future.result(_WAIT_S)
        except TimeoutError:
            if future.done():
                raise
        if task.cancelling() > cancelled_before:
            raise asyncio.CancelledError


def iter_sync(stream: AsyncIterator[T]) -> Iterator[T]:
    """Iterates over an async iterator, one item at a time. Leaving early closes the stream at its source."""
    return _iterate(stream, _forks)


def iter_batches_sync(batches: AsyncIterator[Sequence[T]]) -> Iterator[T]:
    """Iterates over the items of an async iterator of lists. Waits for the private loop once for each list."""
    return _iterate_batches(batches, _forks)


def _iterate_batches(batches: AsyncIterator[Sequence[T]], forks: int) -> Iterator[T]:
    with closing(_iterate(batches, forks)) as read:
        for batch in read:
            for item in batch:
                if forks != _forks:
                    raise FlowError(_FOREIGN_STREAM)
                yield item


def _iterate(stream: AsyncIterator[T], forks: int) -> Generator[T, None, None]:
    try:
        while True:
            if forks != _forks:  # a forked child has only a copy; its parent continues to read
                raise FlowError(_FOREIGN_STREAM)
            item = run_sync(_next(stream))
            if item is _END:
                return
            yield item  # type: ignore[misc]  # mypy can't tell _END from an item
    finally:
        if forks == _forks and not program_end.is_over:
            _close(stream)


async def _next(stream: AsyncIterator[T]) -> T | object:
    return await anext(stream, _END)


def _close(stream: AsyncIterator[T]) -> None:
    close = getattr(stream, "aclose", None)
    if close is None:
        return
    loop = private_loop()
    if _find_running_loop() is loop:  # the garbage collector may run on any thread, also on this one
        _closing.add(task := loop.create_task(close()))
        task.add_done_callback(_closing.discard)
    else:
        run_sync(close())


_closing: set[asyncio.Task[None]] = set()


def _find_running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def private_loop() -> asyncio.AbstractEventLoop:
    """Returns the loop of this process. A forked child starts its own: the parent's doesn't run there."""
    global _current
    _stop_at_end()
    with _lock:
        if program_end.is_over:
            raise FlowError(ENDING)
        if _current is None:
            _current = _Thread()
        return _current.loop


class Closable(Protocol):
    async def close(self) -> None: ...


_clients: weakref.WeakSet[Closable] = weakref.WeakSet()


def close_at_exit(client: Closable) -> None:
    """Closes a client on the private loop when Python exits, if it is still open then."""
    _clients.add(client)


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that records its subprocesses, and counts as closed in a forked child.

    The child shares the kernel's list of the parent's descriptors. Objects that are garbage-collected in the child
    must not remove anything from that list; on a closed loop they don't.
    """

    def __init__(self) -> None:
        super().__init__()
        self.processes: weakref.WeakSet[asyncio.SubprocessTransport] = weakref.WeakSet()
        self._pid = os.getpid()

    def is_closed(self) -> bool:
        return super().is_closed() or self._pid != os.getpid()

    async def subprocess_exec(self, *args: Any, **kwargs: Any) -> Any:
        transport, protocol = await super().subprocess_exec(*args, **kwargs)
        self.processes.add(transport)
        return transport, protocol


class _Thread:
    """The private loop and the thread that runs it."""

    def __init__(self) -> None:
        self.loop = _Loop()
        self.loop.set_default_executor(_Workers(thread_name_prefix="flow_core"))
        self._thread = threading.Thread(target=self._run, name="flow_core", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the loop and the work that is still open on it, within two seconds; ignores Ctrl-C meanwhile.

        A thread that still runs could hang or crash a Python that exits.
        """
        self.loop.call_soon_threadsafe(self.loop.stop)
        ends = time.monotonic() + 2 * _STOP_S
        while self._thread.is_alive() and time.monotonic() < ends:
            with suppress(KeyboardInterrupt):
                self._thread.join(max(ends - time.monotonic(), 0))

    def _run(self) -> None:
        self.loop.run_forever()
        self.loop.set_exception_handler(_ignore)
        self.loop.run_until_complete(self._end_everything())
        if not self._has_processes():  # a subprocess that is left reports to the loop
            self.loop.close()

    async def _end_everything(self) -> None:
        """Closes streams after the tasks that read them: a stream that is being read can't be closed."""
        ends = self.loop.time() + _STOP_S
        closing = [asyncio.create_task(client.close()) for client in list(_clients)]
        if closing:
            await asyncio.wait(closing, timeout=_CLOSE_S)
        while (others := asyncio.all_tasks() - {asyncio.current_task()}) and (left_s := ends - self.loop.time()) > 0:
            for task in others:
                task.cancel()
            await asyncio.wait(others, timeout=left_s)
        await asyncio.wait([asyncio.create_task(self.loop.shutdown_asyncgens())], timeout=_CLOSE_S)
        await self._end_processes(ends)

    async def _end_processes(self, ends: float) -> None:
        for transport in list(self.loop.processes):
            transport.close()
        while self.loop.time() < ends and self._has_processes():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(_POLL_S)
        await asyncio.sleep(0)

    def _has_processes(self) -> bool:
        return any(transport.get_returncode() is None for transport in list(self.loop.processes))


def _ignore(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Ignores errors of work that the exit of Python interrupts: prints nothing."""


class _Workers(ThreadPoolExecutor):
    """Threads for disk work. While Python exits, which starts no more threads, the calling thread does the work.

    This lets an `atexit` handler cancel a task.
    """

    def submit(self, work: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        try:
            return super().submit(work, *args, **kwargs)
        except RuntimeError:
            future: Future[T] = Future()
            try:
                future.set_result(work(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - raised where the future is awaited, as a worker would
                future.set_exception(error)
            return future


def _wait_for_cleanup(loop: asyncio.AbstractEventLoop) -> None:
    """Waits up to 5 s for the clean-up of cancelled work. Its result and its errors are ignored."""
    done = threading.Event()

    def find() -> None:
        """Finds the cancelled tasks before any of them runs again: tasks that have ended are no longer listed."""
        _closing.add(task := loop.create_task(wait({each for each in asyncio.all_tasks(loop) if each.cancelling()})))
        task.add_done_callback(_closing.discard)

    async def wait(others: set[asyncio.Task[Any]]) -> None:
        ended = (await asyncio.wait(others, timeout=_SETTLE_S))[0] if others else set()
        for task in ended:
            if not task.cancelled():
                task.exception()  # retrieved, so that asyncio doesn't print it
        done.set()

    loop.call_soon_threadsafe(find)
    done.wait(_SETTLE_S + 1)


def stop_loop() -> None:
    """Stops the loop if it runs. Called when Python exits; no loop can be started then."""
    global _current
    with _lock:
        thread, _current = _current, None
    if thread is not None:
        thread.stop()


def _after_fork() -> None:
    """Resets this module in the child: the lock may be held by a thread that doesn't exist there."""
    global _lock, _current, _clients, _forks
    _forks += 1
    _lock = threading.Lock()
    if _current is not None:
        _current.loop.set_exception_handler(_ignore)
        _parents.append(_current)
    _current = None
    _clients = weakref.WeakSet()


_parents: list[_Thread] = []
"""The loops of the processes that this one was forked from: kept, so that they are never garbage-collected here."""


os.register_at_fork(after_in_child=_after_fork)
