"""A followed log that nobody else writes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

from testbed.waiting import until

from flow_core.agent.spool import STDERR, STDOUT, SpoolFiles, SpoolWriter
from flow_core.errors import Unreachable
from flow_core.logs.follow import LogChunk, follow_lines, follow_log, tail_text


class Watched(type(Path())):  # type: ignore[misc]
    """A path that calls a function whenever the system is about to be asked for its file."""

    @classmethod
    def at(cls, path: Path, looked: Callable[[], object]) -> Watched:
        watched = cls(path)
        watched.looked = looked
        return watched  # type: ignore[no-any-return]

    def __fspath__(self) -> str:
        getattr(self, "looked", bool)()
        return str(self)


async def test_what_comes_while_the_log_is_looked_at_stays_on_its_stream(tmp_path: Path) -> None:
    files = SpoolFiles.at(tmp_path / "log")
    writer = SpoolWriter(files, lambda: time.time_ns() // 1000)
    writer.append(STDOUT, b"out")
    late = iter([b"err"])

    async def is_complete() -> bool:
        return True

    watched = files._replace(log=Watched.at(files.log, lambda: [writer.append(STDERR, data) for data in late]))
    async with aclosing(follow_log(watched, 0, is_complete, streams=(STDOUT,))) as chunks:
        assert [chunk.data async for chunk in chunks] == [b"out"]
    writer.close()
    assert files.log.read_bytes() == b"outerr"


async def test_a_byte_written_after_a_quiet_time_arrives_at_once_and_nobody_looks_before(tmp_path: Path) -> None:
    files = SpoolFiles.at(tmp_path / "log")
    looks: list[float] = []
    watched = files._replace(log=Watched.at(files.log, lambda: looks.append(time.monotonic())))
    writer = SpoolWriter(files, lambda: time.time_ns() // 1000)

    async def never() -> bool:
        return False

    took = []
    async with aclosing(follow_log(watched, 0, never)) as chunks:
        for n in range(3):
            waiting = asyncio.ensure_future(anext(chunks))
            looks.clear()
            await until(
                lambda: len(looks) > 1 and looks[-1] - looks[-2] > 0.2, within_s=10, explain=lambda: "it never rests"
            )
            assert not waiting.done()
            started = time.monotonic()  # right after a look: the next one without a change is a quarter of a second off
            writer.append(STDOUT, b"%d" % n)
            assert (await waiting).data == b"%d" % n
            took.append(time.monotonic() - started)
    assert min(took) < 0.15  # the others may have met a busy machine
    writer.close()


async def test_a_log_that_was_cut_short_is_read_again(tmp_path: Path) -> None:
    files = SpoolFiles.at(tmp_path / "log")
    files.log.write_bytes(b"a long beginning")

    async def never() -> bool:
        return False

    async with aclosing(follow_log(files, 0, never)) as chunks:
        assert (await anext(chunks)).data == b"a long beginning"
        files.log.write_bytes(b"anew")
        assert await anext(chunks) == LogChunk(0, b"anew", 4)


async def test_a_far_side_that_does_not_answer_does_not_end_the_log(tmp_path: Path) -> None:
    files = SpoolFiles.at(tmp_path / "log")
    files.log.write_bytes(b"all of it")
    answers = iter([Unreachable("nobody answered"), True])

    async def is_complete() -> bool:
        answer = next(answers)
        if isinstance(answer, Unreachable):
            raise answer
        return answer

    async with aclosing(follow_log(files, 4, is_complete)) as chunks:
        assert [chunk.data async for chunk in chunks] == [b"of it"]
    assert next(answers, None) is None


def test_the_last_lines_of_one_stream_are_taken_from_all_of_it(tmp_path: Path) -> None:
    files = SpoolFiles.at(tmp_path / "log")
    clock = iter(range(1_800_000_000_000_000, 1_900_000_000_000_000, 5_000))
    writer = SpoolWriter(files, lambda: next(clock))
    writer.append(STDERR, b"early\nhal")
    for n in range(20_000):
        writer.append(STDOUT, b"out %d %s\n" % (n, b"-" * 40))
    writer.append(STDERR, b"f\nl\xffst")
    writer.close()
    assert tail_text(files, 2, (STDERR,)) == "half\nl\ufffdst"
    assert tail_text(files, 9, (STDERR,)) == "early\nhalf\nl\ufffdst"
    assert tail_text(files, 1, (STDOUT,)) == "out 19999 " + "-" * 40 + "\n"
    assert tail_text(files, 2) == "f\nl\ufffdst"
    assert len(tail_text(files, None).encode()) == files.log.stat().st_size + 2
    assert tail_text(files, 0) == ""
    assert tail_text(SpoolFiles.at(tmp_path / "none"), 5) == ""


async def test_lines_have_no_line_ending_and_updates_of_a_bar_come_on_request(tmp_path: Path) -> None:
    files = SpoolFiles.at(tmp_path / "log")
    writer = SpoolWriter(files, lambda: time.time_ns() // 1000)
    has_ended = False

    async def is_complete() -> bool:
        return has_ended

    writer.append(STDOUT, b"windows\r\n\rstep 1/3")
    async with aclosing(follow_lines(files, is_complete, updates=True)) as lines:
        assert [await anext(lines), await anext(lines)] == ["windows", "\rstep 1/3"]
        writer.append(STDERR, b"\rstep 2/3\r")
        assert await anext(lines) == "\rstep 2/3"
        writer.append(STDERR, b"\rstep 3/3\r\nend")
        assert await anext(lines) == "\rstep 1/3\rstep 2/3\r\rstep 3/3"
        has_ended = True
        assert [line async for line in lines] == ["end"]
    async with aclosing(follow_lines(files, is_complete)) as lines:
        assert [line async for line in lines] == ["windows", "\rstep 1/3\rstep 2/3\r\rstep 3/3", "end"]
    assert tail_text(files, None).startswith("windows\n\rstep 1/3")
    writer.close()
