"""The private loop behind ordinary code: streams, signals and threads."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from testbed.private_loop_calls import count_waits

from flow_core import Flow, NotFound
from flow_core.sync.loop_thread import iter_batches_sync, iter_sync, run_sync


class Numbers:
    """A stream that tells when it was closed."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    async def stream(self) -> AsyncIterator[int]:
        try:
            for number in range(1000):
                yield number
        finally:
            await asyncio.sleep(0)
            self.closed.set()


def test_a_stream_is_read_to_its_end() -> None:
    numbers = Numbers()
    assert list(iter_sync(numbers.stream())) == list(range(1000))
    assert numbers.closed.is_set()


def test_leaving_a_stream_early_closes_it_at_its_source() -> None:
    numbers = Numbers()
    for number in iter_sync(numbers.stream()):
        if number == 3:
            break
    assert numbers.closed.wait(5)


def test_an_error_in_a_stream_comes_out_of_it() -> None:
    async def failing() -> AsyncIterator[int]:
        yield 1
        raise NotFound("gone")

    stream = iter_sync(failing())
    assert next(stream) == 1
    with pytest.raises(NotFound, match="gone"):
        next(stream)


async def batches_of(numbers: Numbers, size: int) -> AsyncIterator[list[int]]:
    batch: list[int] = []
    stream = numbers.stream()
    try:
        async for number in stream:
            batch.append(number)
            if len(batch) == size:
                yield batch
                batch = []
    finally:
        await stream.aclose()  # type: ignore[attr-defined]


def test_a_stream_of_lists_is_read_item_by_item_with_one_wait_for_each_list(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers, waits = Numbers(), count_waits(monkeypatch)
    assert list(iter_batches_sync(batches_of(numbers, 100))) == list(range(1000))
    assert numbers.closed.is_set()
    assert len(waits) <= 12  # ten lists, the end, and the closing


def test_an_item_of_a_list_is_there_before_the_next_list() -> None:
    asked: list[int] = []

    async def lists() -> AsyncIterator[list[int]]:
        for number in range(3):
            asked.append(number)
            yield [number] * 2

    items = iter_batches_sync(lists())
    assert [(next(items), len(asked)) for _ in range(6)] == [(0, 1), (0, 1), (1, 2), (1, 2), (2, 3), (2, 3)]


def test_leaving_a_stream_of_lists_within_a_list_closes_it_at_its_source() -> None:
    numbers = Numbers()
    for number in iter_batches_sync(batches_of(numbers, 10)):
        if number == 3:
            break
    assert numbers.closed.wait(5)


def test_ctrl_c_cancels_the_call_and_waits_for_its_clean_up() -> None:
    cleaned = threading.Event()

    async def endless() -> None:
        asyncio.get_running_loop().call_later(0.2, os.kill, os.getpid(), signal.SIGINT)  # once the caller waits
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            cleaned.set()

    with pytest.raises(KeyboardInterrupt):
        run_sync(endless())
    assert cleaned.is_set()


def test_whatever_a_signal_handler_raises_cancels_the_call_too() -> None:
    cleaned = threading.Event()

    def refuse(*_: object) -> None:
        raise OSError("enough")

    async def endless() -> None:
        asyncio.get_running_loop().call_later(0.2, os.kill, os.getpid(), signal.SIGUSR1)
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    before = signal.signal(signal.SIGUSR1, refuse)
    try:
        with pytest.raises(OSError, match="enough"):
            run_sync(endless())
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert cleaned.is_set()


async def test_it_works_where_a_loop_already_runs() -> None:
    async def answer() -> int:
        return 42

    assert run_sync(answer()) == 42


def test_a_call_from_the_private_loop_itself_raises_instead_of_hanging() -> None:
    async def inner() -> int:
        return 1

    async def outer() -> int:
        return run_sync(inner())

    with pytest.raises(RuntimeError, match="use AsyncFlow there"):
        run_sync(outer())


def test_eight_threads_may_share_one_flow() -> None:
    with Flow("local") as flow, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: len(flow.list_tasks()), range(40)))
    assert answers == [0] * 40
