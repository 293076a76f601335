"""Following a log that a real child process writes, and the text of its end."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from contextlib import aclosing
from pathlib import Path

import pytest
from testbed.places import ROOT

from flow_core.agent.spool import STDERR, STDOUT, SpoolFiles
from flow_core.logs.follow import follow_log

WRITER = """
import pathlib, sys, time
sys.path.insert(0, {root!r})
from flow_core.agent.spool import SpoolFiles, SpoolWriter
writer = SpoolWriter(SpoolFiles.at(pathlib.Path({stem!r})), lambda: time.time_ns() // 1000)
for number in range(3000):
    writer.append(number % 7 == 0, b"%d:%s" % (number, b"x" * (number % 300)) + b"\\n" * (number % 2))
    if number % 300 == 0:
        time.sleep(0.01)
"""

EXPECTED = [(int(n % 7 == 0), b"%d:%s" % (n, b"x" * (n % 300)) + b"\n" * (n % 2)) for n in range(3000)]


async def start_writer(stem: Path) -> asyncio.subprocess.Process:
    root = str(ROOT)
    return await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER.format(root=root, stem=str(stem)))


@pytest.mark.parametrize("offset", [0, 1, 100_003])
async def test_every_byte_from_any_offset_arrives_in_order_until_the_writer_ends(tmp_path: Path, offset: int) -> None:
    files = SpoolFiles.at(tmp_path / "log")
    child = await start_writer(tmp_path / "log")
    digest, position = hashlib.sha256(), offset
    async with aclosing(follow_log(files, offset, ended(child))) as chunks:
        async for chunk in chunks:
            assert chunk.offset == position
            digest.update(chunk.data)
            position = chunk.end
    whole = b"".join(data for _, data in EXPECTED)
    assert position == len(whole)
    assert digest.digest() == hashlib.sha256(whole[offset:]).digest()


@pytest.mark.parametrize("stream", [STDOUT, STDERR])
async def test_one_stream_alone_is_exact_while_both_are_written(tmp_path: Path, stream: int) -> None:
    files = SpoolFiles.at(tmp_path / "log")
    child = await start_writer(tmp_path / "log")
    pieces = []
    async with aclosing(follow_log(files, 0, ended(child), streams=(stream,))) as chunks:
        async for chunk in chunks:
            pieces.append(chunk.data)
    assert b"".join(pieces) == b"".join(data for on, data in EXPECTED if on == stream)


def ended(child: asyncio.subprocess.Process):  # type: ignore[no-untyped-def]
    async def is_complete() -> bool:
        return child.returncode is not None

    return is_complete
