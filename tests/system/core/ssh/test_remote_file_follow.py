"""Files of a host that grow, are rotated, cut short, and whose host goes away meanwhile."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from testbed.command_lines import is_running
from testbed.sshd import Sshd
from testbed.waiting import DEADLINE_S, until

from flow_core.errors import Unreachable
from flow_core.ssh.host import SshHost
from flow_core.ssh.remote_file_follow import FilePiece, _OutputSplitter, _ScriptRecord

pytestmark = pytest.mark.needs("sshd")
WRITER = """
import sys, time
with open(sys.argv[1], "ab", 0) as log:
    for number in range(2000):
        log.write(b"line %d\\n" % number)
        time.sleep(0.001)
"""


@pytest.fixture
async def host(sshd: Sshd) -> AsyncIterator[SshHost]:
    async with await SshHost.find("far", config=sshd.config()) as host:
        yield host


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "a log's name"


class Reading:
    """Follows in the background; `pieces` is what has come."""

    def __init__(self, host: SshHost, log: Path, offset: int = 0, inode: int | None = None) -> None:
        self.pieces: list[FilePiece] = []
        self.until = asyncio.Event()
        self._task = asyncio.create_task(self._read(host, log, offset, inode))

    @property
    def data(self) -> bytes:
        return b"".join(piece.data for piece in self.pieces)

    async def has(self, count: int) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while len(self.data) < count:
                assert not self._task.done(), self._task.result()
                await asyncio.sleep(0.01)

    async def end(self) -> bytes:
        self.until.set()
        async with asyncio.timeout(DEADLINE_S):
            await self._task
        return self.data

    async def _read(self, host: SshHost, log: Path, offset: int, inode: int | None) -> None:
        async with aclosing(host.follow(str(log), offset, inode, until=self.until)) as pieces:
            async for piece in pieces:
                self.pieces.append(piece)


def append(log: Path, data: bytes) -> None:
    with log.open("ab") as file:
        file.write(data)


async def test_the_existing_text_is_followed_by_what_is_added(host: SshHost, log: Path) -> None:
    append(log, b"old\n\0\xff\x1e half")
    reading = Reading(host, log)
    await reading.has(10)
    append(log, b" a line\nnew\n")
    append(log, b"last\x1e")
    assert await reading.end() == log.read_bytes()
    assert reading.pieces[0].offset == 0
    assert reading.pieces[-1].end == log.stat().st_size
    assert {piece.inode for piece in reading.pieces} == {log.stat().st_ino}


async def test_a_file_is_followed_from_any_offset(host: SshHost, log: Path) -> None:
    append(log, bytes(range(256)) * 1000)
    for offset in (0, 1, 255_999, 256_000):
        assert await Reading(host, log, offset).end() == log.read_bytes()[offset:]


async def test_a_file_that_is_not_there_yet_is_waited_for(host: SshHost, log: Path) -> None:
    reading = Reading(host, log)
    await host.run("true")
    append(log, b"at last\n")
    await reading.has(8)
    assert await reading.end() == b"at last\n"


async def test_a_file_that_is_rotated_is_read_to_its_end_and_then_the_next(host: SshHost, log: Path) -> None:
    append(log, b"one\n")
    reading = Reading(host, log)
    await reading.has(4)
    moved = log.rename(log.with_name("log.1"))
    append(moved, b"two\n")
    append(log, b"three\n")
    append(moved, b"two and a half\n")
    await reading.has(len(b"one\ntwo\ntwo and a half\nthree\n"))
    append(log, b"four\n")
    assert await reading.end() == b"one\ntwo\ntwo and a half\nthree\nfour\n"
    (replaced,) = [piece for piece in reading.pieces if piece.note]
    assert (replaced.note, replaced.offset, replaced.inode) == ("replaced", 0, log.stat().st_ino)


async def test_a_file_that_is_cut_short_begins_again(host: SshHost, log: Path) -> None:
    append(log, b"a first line\n")
    reading = Reading(host, log)
    await reading.has(13)
    log.write_bytes(b"again\n")
    await reading.has(19)
    assert await reading.end() == b"a first line\nagain\n"
    assert [(piece.note, piece.offset) for piece in reading.pieces if piece.note] == [("truncated", 0)]


async def test_a_file_that_was_truncated_or_rotated_between_two_reads_is_noticed(host: SshHost, log: Path) -> None:
    append(log, b"0123456789")
    inode = log.stat().st_ino
    log.write_bytes(b"short")
    assert await Reading(host, log, 10, inode).end() == b"short"
    append(log, b"-rest")
    log.rename(log.with_name("log.1"))
    append(log, b"fresh")
    reading = Reading(host, log, 5, inode)
    await reading.has(10)
    assert await reading.end() == b"-restfresh"
    log.with_name("log.1").unlink()
    reading = Reading(host, log, 5, inode)
    await reading.has(5)
    assert await reading.end() == b"fresh"
    assert reading.pieces[0].note == "gap"


async def test_nothing_is_missing_and_nothing_twice_over_lost_connections_and_a_restart(
    sshd: Sshd, host: SshHost, log: Path
) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, log])
    reading = Reading(host, log)
    await reading.has(500)
    sshd.drop_sessions()
    await reading.has(len(reading.data) + 500)
    sshd.stop()
    async with asyncio.timeout(DEADLINE_S):
        while host.connection_count:
            await asyncio.sleep(0.01)
    sshd.start()
    process.wait(DEADLINE_S)
    await reading.has(log.stat().st_size)
    assert await reading.end() == b"".join(b"line %d\n" % number for number in range(2000))
    assert not any(piece.note for piece in reading.pieces)


async def test_a_follower_gives_up_after_the_reconnect_timeout(sshd: Sshd, host: SshHost, log: Path) -> None:
    append(log, b"x")
    async with aclosing(host.follow(str(log), reconnect_timeout_s=0.2)) as pieces:
        assert (await anext(pieces)).data == b"x"
        sshd.stop()
        with pytest.raises(Unreachable):
            await anext(pieces)


async def test_no_process_is_left_on_the_host(sshd: Sshd, host: SshHost, log: Path) -> None:
    def is_followed() -> bool:
        return is_running(f"{log.parent}/a log")

    append(log, b"x")
    async with aclosing(host.follow(str(log))) as pieces:
        await anext(pieces)
        await until(is_followed)
    await until(lambda: not is_followed())
    reading = Reading(host, log)
    await reading.has(1)
    sshd.stop()  # without a word to anybody
    await until(lambda: not is_followed())
    sshd.start()
    await reading.end()


NASTY = st.sampled_from([b"\x1e", b"\x1ezz", b"\x1ezzmark", b"mark S 1 2\n"])


@given(st.lists(st.binary(max_size=40) | NASTY), st.data())
def test_data_and_records_of_the_script_are_split_at_any_boundary(parts: list[bytes], data: st.DataObject) -> None:
    marker = b"\x1ezzmark "
    stream = b"".join(part + marker + b"S 7 %d\n" % number for number, part in enumerate(parts)) + marker + b"E\n"
    told, out, records = _OutputSplitter(marker), b"", []
    while stream:
        size = data.draw(st.integers(1, 20))
        for found in told.split(stream[:size]):
            if isinstance(found, bytes):
                out += found
            else:
                records.append(found)
        stream = stream[size:]
    assert out == b"".join(parts)
    assert records == [*(_ScriptRecord("S", 7, number) for number in range(len(parts))), _ScriptRecord("E")]
