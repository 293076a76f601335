"""The growing end of a spool: whatever interrupts its writer, the next one goes on at the byte."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_core.agent.spool import RECORD
from flow_core.errors import ProviderError
from flow_core.logs.log_id import LogId
from flow_core.providers.over_ssh.pull_state import SpoolPaths, read_pull_state, write_pull_state
from flow_core.providers.over_ssh.pulled_spool import PulledSpool

ADDRESS = LogId("lab", "train")


@pytest.fixture
def paths(tmp_path: Path) -> SpoolPaths:
    return make(tmp_path)


def make(folder: Path) -> SpoolPaths:
    paths = SpoolPaths.at(folder, ADDRESS)
    paths.lock.parent.mkdir(parents=True)
    return paths


@contextmanager
def opened(paths: SpoolPaths) -> Iterator[PulledSpool]:
    tail = PulledSpool(paths)
    try:
        assert tail.open()
        yield tail
    finally:
        tail.close()


def records(paths: SpoolPaths) -> list[tuple[int, int]]:
    data = paths.files.sidecar.read_bytes()
    assert len(data) % RECORD.size == 0
    return list(RECORD.iter_unpack(data))


def test_the_size_of_the_spool_is_the_offset_to_continue_at(paths: SpoolPaths) -> None:
    with opened(paths) as tail:
        assert (tail.offset, tail.state.inode) == (0, None)
        tail.set_inode(7)
        tail.append(b"one\n")
        tail.append(b"half")
    with opened(paths) as tail:
        assert (tail.offset, tail.state.inode) == (8, 7)
        tail.switch_file(8)
        assert tail.offset == 0
        tail.append(b" and more")
    with opened(paths) as tail:
        assert (tail.offset, tail.state.inode) == (9, 8)
    assert paths.files.log.read_bytes() == b"one\nhalf and more"
    assert records(paths)[0][0] == 0


def test_our_notices_stand_on_lines_of_their_own(paths: SpoolPaths) -> None:
    with opened(paths) as tail:
        tail.append(b"half a line")
        tail.switch_file(None, "something is missing")
        tail.switch_file(None, "again")
        tail.append(b"on it goes")
        assert tail.offset == 10
    assert paths.files.log.read_bytes() == b"half a line\n[flow] something is missing\n[flow] again\non it goes"


def test_only_one_program_may_have_a_spool_open(paths: SpoolPaths) -> None:
    other = PulledSpool(paths)
    with opened(paths):
        assert not other.open()
        other.close()
    assert other.open()
    other.close()
    other.close()


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=12), min_size=1, max_size=6),
    cut=st.integers(0, 80),
    torn=st.integers(0, 40),
)
def test_a_crash_at_any_byte_loses_and_repeats_nothing(pieces: list[bytes], cut: int, torn: int) -> None:
    with TemporaryDirectory() as folder:
        paths = make(Path(folder))
        far = b"".join(pieces)
        with opened(paths) as tail:
            tail.append(b"of another file")
            tail.switch_file(9, "a gap")
            start = tail.size
            words = tail.state.words.encode()
            for piece in pieces:
                tail.append(piece)
        whole = paths.files.log.read_bytes()
        cut, torn = min(cut, len(far) + len(words)), min(torn, paths.files.sidecar.stat().st_size)
        _shorten(paths.files.log, cut)
        _shorten(paths.files.sidecar, torn)
        with opened(paths) as tail:
            assert tail.size == max(start, len(whole) - cut)
            tail.append(far[tail.offset :] + b"!")
        assert paths.files.log.read_bytes() == whole + b"!"
        offsets, times = zip(*records(paths), strict=True)
        assert sorted(offsets) == list(offsets)
        assert sorted(times) == list(times)
        assert offsets[-1] <= len(whole)


def _shorten(path: Path, count: int) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - count)


def test_a_line_says_that_a_crash_lost_bytes_of_an_older_file(paths: SpoolPaths) -> None:
    with opened(paths) as tail:
        tail.append(b"of the old file\n")
        tail.switch_file(9)
        tail.append(b"of the new one\n")
    _shorten(paths.files.log, 20)
    with opened(paths) as tail:
        assert tail.offset == 0
        tail.append(b"of the new one\n")
    assert paths.files.log.read_bytes() == (
        b"of the old \n[flow] a part of this log was lost on this machine\nof the new one\n"
    )


def test_a_full_disk_loses_nothing(paths: SpoolPaths) -> None:
    data = bytes(range(256)) * 64
    with opened(paths) as tail, at_most(10_000), pytest.raises(OSError, match="too large"):
        tail.append(data)
    with opened(paths) as tail:
        assert tail.offset == 10_000
        tail.append(data[tail.offset :])
    assert paths.files.log.read_bytes() == data


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """No file may grow beyond this, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_sidecar_record_is_written_first_and_a_crash_in_between_loses_nothing(
    paths: SpoolPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = os.write, []

    def full_after_one(fd: int, data: bytes) -> int:
        if written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(data)
        return write(fd, data)

    with opened(paths) as tail, monkeypatch.context() as disk:
        disk.setattr(os, "write", full_after_one)
        with pytest.raises(OSError, match="No space left"):
            tail.append(b"words")
    assert [offset for offset, _ in records(paths)] == [0]
    assert paths.files.log.read_bytes() == b""
    with opened(paths) as tail:
        tail.append(b"words")
    assert paths.files.log.read_bytes() == b"words"
    assert {offset for offset, _ in records(paths)} == {0}


def test_a_record_of_another_program_is_not_overwritten(paths: SpoolPaths) -> None:
    for text in ("{", '{"version": 2}', '{"version": 1, "inode": 5}', "[]"):
        paths.state.write_text(text)
        with pytest.raises(ProviderError, match=r"delete .* to fetch it anew"):
            read_pull_state(paths.state)
        tail = PulledSpool(paths)
        with pytest.raises(ProviderError):
            tail.open()
        tail.close()
        assert paths.state.read_text() == text
    paths.state.unlink()
    assert read_pull_state(paths.state) is None


@given(st.lists(st.text(min_size=1), min_size=2, max_size=2, unique=True))
def test_no_two_logs_share_a_file_and_none_leaves_the_folder(ids: list[str]) -> None:
    folder = Path("/spools")
    made = [SpoolPaths.at(folder, LogId("lab", task_id, 1, 2)) for task_id in ids]
    assert len({str(paths.files.log).lower() for paths in made}) == 2
    for paths in made:
        assert paths.files.log.relative_to(folder).parts[0] == "lab"
        assert len(paths.files.log.relative_to(folder).parts) == 3
        assert ".." not in paths.files.log.parts
        assert len(paths.files.log.parent.name) < 100
        assert paths.files.log.parent.name.isascii()


def test_ids_that_differ_in_their_case_and_all_ranks_and_attempts_have_files_of_their_own() -> None:
    folder = Path("/spools")
    assert SpoolPaths.at(folder, LogId("lab", "A")).lock != SpoolPaths.at(folder, LogId("lab", "a")).lock
    assert len({SpoolPaths.at(folder, LogId("lab", "a", n, m)) for n in range(12) for m in range(12)}) == 144


def test_a_pull_state_is_read_as_it_was_written(paths: SpoolPaths) -> None:
    with opened(paths) as tail:
        tail.switch_file(3, "words")
        tail.complete()
        state = tail.state
    assert read_pull_state(paths.state) == state
    write_pull_state(paths.state, state._replace(inode=None))
    assert read_pull_state(paths.state) == state._replace(inode=None)
