"""A writer that is paused or killed between any two of its writes: no byte is ever seen on the other stream."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

import pytest
from testbed.log_truth import get_stream

from flow_core.agent.spool import RECORD, STDERR, STDOUT, SpoolFiles, SpoolWriter
from flow_core.logs.follow import follow_log, tail_text
from flow_core.logs.sidecar import SidecarIndex

PIECES = [(STDOUT, b"out 1\n"), (STDERR, b"err 1\n"), (STDOUT, b"out 2\n"), (STDERR, b"err 2\n")]
MORE = [(STDERR, b"err 3\n"), (STDOUT, b"out 3\n")]
WRITES = 2 * len(PIECES)

PAUSED = """
import itertools, os, pathlib, signal, sys
from flow_core.agent.spool import SpoolFiles, SpoolWriter
write, counter = os.write, itertools.count(1)
def pausing_write(fd, data):
    done = write(fd, data)
    if next(counter) == {pause}:
        os.kill(os.getpid(), signal.SIGSTOP)
    return done
os.write = pausing_write
clock = itertools.count(1_800_000_000_000_000, 5_000)
writer = SpoolWriter(SpoolFiles.at(pathlib.Path(sys.argv[1])), lambda: next(clock))
for stream, data in {pieces}:
    writer.append(stream, data)
"""


@contextmanager
def paused(stem: Path, pause: int) -> Iterator[subprocess.Popen[bytes]]:
    """A writer of the pieces that has stopped itself after so many writes to its two files."""
    script = PAUSED.format(pause=pause, pieces=PIECES)
    with subprocess.Popen([sys.executable, "-c", script, str(stem)]) as writer:
        _, status = os.waitpid(writer.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        try:
            yield writer
        finally:
            writer.kill()


def on(stream: int, pieces: list[tuple[int, bytes]] = PIECES) -> str:
    return b"".join(data for one, data in pieces if one == stream).decode()


@pytest.mark.parametrize("pause", range(1, WRITES + 1))
async def test_whoever_reads_while_a_writer_is_paused_sees_only_bytes_of_that_stream(
    tmp_path: Path, pause: int
) -> None:
    files = SpoolFiles.at(tmp_path / "log")
    with paused(tmp_path / "log", pause):
        size = files.log.stat().st_size if files.log.exists() else 0
        for stream in (STDOUT, STDERR):
            so_far = tail_text(files, None, (stream,))
            assert on(stream).startswith(so_far)
            followed = b""
            async with aclosing(follow_log(files, 0, _yes, (stream,))) as chunks:
                async for chunk in chunks:
                    followed += chunk.data
            assert followed.decode() == so_far
        assert len(tail_text(files, None, (STDOUT,)) + tail_text(files, None, (STDERR,))) == size


@pytest.mark.parametrize("kill", range(1, WRITES + 1))
def test_after_a_writer_was_killed_the_next_one_goes_on_and_every_byte_keeps_its_stream(
    tmp_path: Path, kill: int
) -> None:
    files = SpoolFiles.at(tmp_path / "log")
    with paused(tmp_path / "log", kill) as killed:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    written = files.log.read_bytes()
    whole = [piece for number, piece in enumerate(PIECES, 1) if kill >= 2 * number]
    assert written == b"".join(data for _, data in whole)
    write(files, MORE)
    for stream in (STDOUT, STDERR):
        assert tail_text(files, None, (stream,)) == on(stream, whole + MORE)
    truth = b"".join(bytes([stream]) * len(data) for stream, data in whole + MORE)
    check_every_offset(files, truth)


def test_a_partial_record_of_a_killed_writer_does_not_shift_those_of_the_next(tmp_path: Path) -> None:
    files = SpoolFiles.at(tmp_path / "log")
    write(files, PIECES[:1])
    with files.sidecar.open("ab") as sidecar:
        sidecar.write(b"\1" * (RECORD.size - 3))
    write(files, MORE)
    assert tail_text(files, None, (STDERR,)) == on(STDERR, MORE)
    assert files.sidecar.stat().st_size == 3 * RECORD.size


def write(files: SpoolFiles, pieces: list[tuple[int, bytes]]) -> None:
    clock = iter(range(1_900_000_000_000_000, 1_900_000_001_000_000, 5_000))
    writer = SpoolWriter(files, lambda: next(clock))
    for stream, data in pieces:
        writer.append(stream, data)
    writer.close()


def check_every_offset(files: SpoolFiles, truth: bytes) -> None:
    """Against a plain search in the stream of each byte."""
    stamps = SidecarIndex(files.sidecar)
    stamps.refresh()
    for offset in range(len(truth)):
        assert get_stream(stamps, offset) == truth[offset]
        for stream in (STDOUT, STDERR):
            following, before = truth.find(bytes([stream]), offset), truth.rfind(bytes([stream]), 0, offset)
            assert stamps.find_next(stream, offset) == (None if following < 0 else following)
            assert stamps.find_previous(stream, offset) == (None if before < 0 else before + 1)
    stamps.close()


async def _yes() -> bool:
    return True
