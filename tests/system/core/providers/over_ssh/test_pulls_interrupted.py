"""Interrupted pulls of a growing log: by kill -9, by a server that goes away, by another program that takes over."""

from __future__ import annotations

import asyncio
import itertools
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
from testbed import log_puller_program
from testbed.client_programs import ClientProgram, client_program
from testbed.far_tasks import CONTEXT, Far
from testbed.sshd import Sshd
from testbed.waiting import until

from flow_core.agent.spool import RECORD, SpoolFiles
from flow_core.logs.log_id import LogId
from flow_core.providers.over_ssh.logs import SpooledLogs

pytestmark = pytest.mark.needs("sshd")
TRAIN = LogId(CONTEXT, "train")
StartProgram = Callable[[], Awaitable[ClientProgram]]
_RUN = """
import json, runpy, sys
sys.path.insert(0, (paths := json.loads(sys.argv[1])).pop(0))
sys.argv[1:] = paths
runpy.run_module("testbed.log_puller_program", None, "__main__")
"""
WRITER = """
import sys, time
with open(sys.argv[1], "ab", 0) as log:
    for number in range(int(sys.argv[2])):
        log.write(b"line %d\\n" % number * 20)
        time.sleep(0.002)
"""


@pytest.fixture
async def logs(far: Far, tmp_path: Path) -> AsyncIterator[SpooledLogs]:
    logs = SpooledLogs(far, tmp_path / "spools")
    yield logs
    await logs.aclose()


@pytest.fixture
async def program(sshd: Sshd, far: Far, tmp_path: Path) -> AsyncIterator[StartProgram]:
    """Starts another program of the same user, which pulls the log."""
    tests = Path(log_puller_program.__file__).parent.parent
    paths = [str(path) for path in (tests, sshd.config(), far.folder, tmp_path / "spools")]
    async with AsyncExitStack() as stack:

        async def start() -> ClientProgram:
            made = await stack.enter_async_context(client_program(_RUN, *paths))
            assert await made.line() == "pulling"
            return made

        yield start


@pytest.fixture
def writer(far: Far) -> Iterator[subprocess.Popen[bytes]]:
    """Writes for about two seconds."""
    far.start()
    with subprocess.Popen([sys.executable, "-c", WRITER, far.log(), "800"]) as process:
        yield process
        process.kill()


def size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def check(files: SpoolFiles, far: Far) -> None:
    assert files.log.read_bytes() == far.log().read_bytes()
    offsets, times = zip(*RECORD.iter_unpack(files.sidecar.read_bytes()), strict=True)
    assert sorted(offsets) == list(offsets)
    assert sorted(times) == list(times)


async def test_after_a_killed_program_the_next_one_continues_at_the_byte(
    far: Far,
    writer: subprocess.Popen[bytes],
    program: StartProgram,
    logs: SpooledLogs,
    tmp_path: Path,
) -> None:
    spool = tmp_path / "spools" / CONTEXT / "train" / "0-0.log"
    dice = random.Random(8)
    for _ in range(4):
        pulling = await program()
        enough = size(spool) + dice.randrange(1, 20_000)  # at any point of a step
        await until(lambda enough=enough: size(spool) >= enough or writer.poll() is not None)
        await pulling.kill()
    await until(lambda: writer.poll() is not None)
    far.ended.add("train")
    files = await logs.open(TRAIN)
    await until(lambda: logs.is_complete(TRAIN))
    check(files, far)


async def test_two_programs_share_a_spool_and_the_second_takes_over(
    far: Far, program: StartProgram, logs: SpooledLogs
) -> None:
    far.start()
    first = await program()
    append(far.log(), b"by the first\n")
    files = await logs.open(TRAIN)
    await logs.catch_up(TRAIN)
    assert files.log.read_bytes() == b"by the first\n"
    await first.kill()
    append(far.log(), b"by the second\n")
    await logs.catch_up(TRAIN)
    assert files.log.read_bytes() == b"by the first\nby the second\n"
    far.ended.add("train")
    await until(lambda: logs.is_complete(TRAIN))
    check(files, far)


async def test_two_programs_never_write_anything_twice(
    far: Far, writer: subprocess.Popen[bytes], logs: SpooledLogs, tmp_path: Path
) -> None:
    other = SpooledLogs(far, tmp_path / "spools", idle_s=0.2)
    files = await logs.open(TRAIN)
    for turn in itertools.count():
        one = (logs, other)[turn % 2]
        await one.catch_up(TRAIN)
        if writer.poll() is not None and turn > 3:
            break
        await asyncio.sleep(0.05)
    far.ended.add("train")
    await until(lambda: logs.is_complete(TRAIN))
    await until(lambda: other.is_complete(TRAIN))
    await other.aclose()
    check(files, far)


async def test_a_restarted_server_costs_no_byte(
    far: Far, sshd: Sshd, writer: subprocess.Popen[bytes], logs: SpooledLogs
) -> None:
    files = await logs.open(TRAIN)
    for _ in range(3):
        before = size(files.log)
        await until(lambda before=before: size(files.log) > before or writer.poll() is not None)
        sshd.stop()
        sshd.start()
        assert not await logs.is_complete(TRAIN)
    await until(lambda: writer.poll() is not None)
    far.ended.add("train")
    await until(lambda: logs.is_complete(TRAIN))
    check(files, far)


async def test_a_log_that_is_replaced_over_and_over_is_read_from_end_to_end(far: Far, logs: SpooledLogs) -> None:
    far.start()
    expected = b""
    files = await logs.open(TRAIN)
    for turn in range(4):
        piece = b"file %d\n" % turn * 1000
        append(far.log(), piece)
        expected += piece
        if turn % 2 == 0:
            await logs.catch_up(TRAIN)
        far.log().rename(far.log().with_suffix(f".{turn}"))
        append(far.log().with_suffix(f".{turn}"), b"late\n")
        expected += b"late\n"
        append(far.log(), b"next\n")
        expected += b"next\n"
        await logs.catch_up(TRAIN)
    far.ended.add("train")
    await until(lambda: logs.is_complete(TRAIN))
    assert files.log.read_bytes() == expected


def append(log: Path, data: bytes) -> None:
    with log.open("ab") as file:
        file.write(data)
