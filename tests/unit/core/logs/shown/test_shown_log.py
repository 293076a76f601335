"""Lines of a log as they are shown, found by position in files of any size."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from testbed.properties import limit_examples
from testbed.tables import each

from flow_core.agent.spool import STDERR, STDOUT, SpoolFiles, SpoolWriter
from flow_core.logs.shown.line import ShownLine
from flow_core.logs.shown.screen import LiveScreen
from flow_core.logs.shown.shown_log import ShownLog

_LINES = st.sampled_from(
    [
        b"plain line %d\n",
        b"\x1b[32mINFO\x1b[0m step %d\n",
        b"\x1b[31mopen colour %d\n",
        b"old %d\rnew\n",
        b"\n",
        b"\xe6\xbc\xa2\xe5\xad\x97 %d\n",
        b"\x1b[1A\x1b[2Kredrawn %d\n",
        b"\n\r inner %d\x1b[A\r outer\n",
        b"\x1b[2Jcleared %d\n",
        b"x" * 3000 + b" %d\n",
    ]
)


def write(path: Path, data: bytes) -> SpoolFiles:
    files = SpoolFiles.at(path)
    files.log.write_bytes(data)
    files.sidecar.unlink(missing_ok=True)
    return files


def read_all(data: bytes) -> list[str]:
    """The rows of one screen that received everything."""
    screen = LiveScreen(0)
    screen.feed(data)
    return [
        "".join(text for text, _ in screen.stack.get_row(number).to_runs())
        for number in range(screen.count_shown_rows())
    ]


def walk_back(log: ShownLog, step: int) -> list[ShownLine]:
    lines: list[ShownLine] = []
    offset = log.size
    while found := log.lines_before(offset, step):
        lines[:0] = found
        offset = found[0].offset
    return lines


def walk_on(log: ShownLog, step: int) -> list[ShownLine]:
    lines: list[ShownLine] = []
    offset = 0
    while found := log.lines_from(offset, step):
        lines += [line for line in found if not lines or line.offset > lines[-1].offset]
        if (len(found) < step and found[-1].end >= log.size) or len(found) == 1:
            break
        offset = found[-1].offset
    return lines


@limit_examples(20)
@given(st.lists(_LINES, max_size=60), st.integers(2, 40), st.integers(0, 1000))
def test_walking_in_either_direction_finds_each_line_once(
    tmp_path: Path, parts: list[bytes], step: int, repeat: int
) -> None:
    data = b"".join(part % index if b"%d" in part else part for index, part in enumerate(parts * (1 + repeat // 500)))
    log = ShownLog(write(tmp_path / "log", data))
    log.refresh()
    expected = read_all(data)
    assert [line.text for line in walk_back(log, step)] == expected
    assert [line.text for line in walk_on(log, step)] == expected
    log.close()


def test_any_line_of_a_big_log_is_found_from_any_byte_of_it(tmp_path: Path) -> None:
    lines = [b"line %d %s" % (number, b"x" * (1 + number % 90)) for number in range(20_000)]
    data = b"\n".join(lines) + b"\n"
    log = ShownLog(write(tmp_path / "log", data))
    log.refresh()
    choose = random.Random(1)
    for _ in range(100):
        offset = choose.randrange(len(data))
        number = data.count(b"\n", 0, offset)
        line = log.line_at(offset)
        assert line is not None
        assert line.text.encode() == lines[number]
        assert line.offset <= offset < line.end
        assert [found.text.encode() for found in log.lines_before(line.offset, 40)] == lines[
            max(0, number - 40) : number
        ]
        assert [found.text.encode() for found in log.lines_from(offset, 40)] == lines[number : number + 40]
    log.close()


def test_the_end_of_a_growing_log_is_followed(tmp_path: Path) -> None:
    files = write(tmp_path / "log", b"")
    log, data = ShownLog(files), b""
    choose = random.Random(2)
    for number in range(200):
        more = choose.choice([b"line %d\n", b"\rstep %d", b"\n\x1b[Aup %d\n", b"\x1b[3", b"1mred %d\x1b[0m\n"])
        data += more % number if b"%d" in more else more
        files.log.write_bytes(data)
        log.refresh()
        assert [line.text for line in log.lines_before(log.size, 8)] == read_all(data)[-8:], number
    log.close()


def test_a_log_that_was_cut_short_or_replaced_is_read_again(tmp_path: Path) -> None:
    files = write(tmp_path / "log", b"one\ntwo\n")
    log = ShownLog(files)
    log.refresh()
    assert [line.text for line in log.lines_before(8, 9)] == ["one", "two"]
    files.log.write_bytes(b"xyz\n")
    assert log.refresh()
    assert [line.text for line in log.lines_before(log.size, 9)] == ["xyz"]
    (tmp_path / "other").write_bytes(b"replaced, and longer\n")
    (tmp_path / "other").rename(files.log)
    assert log.refresh()
    assert [line.text for line in log.lines_before(log.size, 9)] == ["replaced, and longer"]
    log.close()


@pytest.mark.parametrize("stream", [STDOUT, STDERR])
def test_one_stream_alone_is_shown_as_if_the_other_had_not_been(tmp_path: Path, stream: int) -> None:
    files = SpoolFiles.at(tmp_path / "log")
    now = iter(range(1_800_000_000_000_000, 1_900_000_000_000_000, 5_000))
    writer = SpoolWriter(files, lambda: next(now))
    choose = random.Random(3)
    alone = {STDOUT: b"", STDERR: b""}
    for number in range(3_000):
        of = choose.choice([STDOUT, STDOUT, STDOUT, STDERR])
        part = choose.choice([b"part %d ", b"line %d\n", b"\rredrawn %d", b"\n\x1b[Aup %d\n"]) % number
        writer.append(of, part)
        alone[of] += part
    writer.close()
    log = ShownLog(files, stream)
    log.refresh()
    assert [line.text for line in walk_back(log, 50)] == read_all(alone[stream])
    log.close()


def test_a_stream_with_few_bytes_in_a_big_log_is_found_at_once(tmp_path: Path) -> None:
    files = SpoolFiles.at(tmp_path / "log")
    now = iter(range(1_800_000_000_000_000, 1_900_000_000_000_000, 5_000))
    writer = SpoolWriter(files, lambda: next(now))
    writer.append(STDERR, b"first warning\n")
    for _ in range(200):
        writer.append(STDOUT, b"x" * 99 + b"\n" * 100_000)
    writer.append(STDERR, b"last warning\n")
    writer.close()
    log = ShownLog(files, STDERR)
    log.refresh()
    assert [line.text for line in log.lines_before(log.size, 10)] == ["first warning", "last warning"]
    log.close()


def test_a_long_line_of_redraws_shows_its_last_state_from_any_byte(tmp_path: Path) -> None:
    data = b"before\n" + b"".join(b"\r%7d/1000000 done" % number for number in range(200_000)) + b"\nafter\n"
    log = ShownLog(write(tmp_path / "log", data))
    log.refresh()
    assert [line.text for line in log.lines_before(log.size, 9)] == ["before", " 199999/1000000 done", "after"]
    for offset in (7, 100_000, 2_000_000, len(data) - 9):
        line = log.line_at(offset)
        assert line is not None
        assert (line.offset, line.text) == (7, " 199999/1000000 done")
    log.close()


def test_every_column_of_a_long_line_without_redraws_is_reached(tmp_path: Path) -> None:
    data = b"before\n" + b"0123456789" * 300_000 + b"END\nafter\n"
    log = ShownLog(write(tmp_path / "log", data))
    log.refresh()
    lines = log.lines_before(log.size, 9)
    assert (lines[0].text, lines[-1].text) == ("before", "after")
    assert "".join(line.text for line in lines[1:-1]).encode() == data[7:-7]
    for offset in (7, 1_500_000, 2_900_000, 3_000_008):
        piece = log.line_at(offset)
        assert piece is not None
        assert piece.text in [line.text for line in lines if line.offset == piece.offset]
    log.close()


def test_an_open_colour_is_carried_into_the_part_that_is_shown(tmp_path: Path) -> None:
    data = b"\x1b[31m" + b"red line\n" * 20_000
    log = ShownLog(write(tmp_path / "log", data))
    log.refresh()
    (line,) = log.lines_from(100_000, 1)
    assert [(text, style.foreground) for text, style in line.runs] == [("red line", 1)]
    log.close()


def block_of_redraws(redraws: int) -> bytes:
    """Three rows of which the first is written only once, and the others again and again."""
    once = b"[+] pulling\n layer-a  done\n layer-b  0\n layer-c  0\n"
    again = b"\x1b[2A\x1b[2K layer-b  %d\n\x1b[2K layer-c  %d\n"
    return b"before\n" + once + b"".join(again % (number, number) for number in range(redraws))


async def test_a_block_of_redraws_longer_than_what_is_read_at_once_becomes_exact(tmp_path: Path) -> None:
    data = block_of_redraws(15_000)
    files = write(tmp_path / "log", data)
    log = ShownLog(files)
    log.refresh()
    expected = ["before", "[+] pulling", " layer-a  done", " layer-b  14999", " layer-c  14999"]
    at_once = [line.text for line in log.lines_before(log.size, 5)]
    assert at_once[-2:] == expected[-2:]
    assert not log.is_exact(log.size - 1, log.size)
    await log.make_exact(log.size - 1, log.size)
    lines = log.lines_before(log.size, 5)
    assert [line.text for line in lines] == expected
    assert log.is_exact(lines[0].offset, log.size)
    files.log.write_bytes(data + b"\x1b[2A\x1b[2K layer-b  done\n\x1b[2K layer-c  done\nafter\n")
    log.refresh()
    assert [line.text for line in log.lines_before(log.size, 4)] == [
        " layer-a  done",
        " layer-b  done",
        " layer-c  done",
        "after",
    ]
    log.close()


async def test_the_beginning_of_a_long_block_shows_its_last_state_once_it_is_exact(tmp_path: Path) -> None:
    data = block_of_redraws(15_000) + b"after\n" * 1_000
    log = ShownLog(write(tmp_path / "log", data))
    log.refresh()
    assert not log.is_exact(0, 60)
    await log.make_exact(0, 60)
    lines = log.lines_from(0, 7)
    assert [line.text for line in lines] == [
        "before",
        "[+] pulling",
        " layer-a  done",
        " layer-b  14999",
        " layer-c  14999",
        "after",
        "after",
    ]
    log.close()


@each(
    ("raw", "shown"),
    [
        (b"epoch 0\n\rsteps 1\x1b[A\repoch 1\n\rsteps 2\n", ["epoch 0", "steps 1", "epoch 1", "steps 2"]),
        (b"\r 10%\r 20%\r\n\nend\r\n", [" 10%", " 20%", "", "end"]),
        (b"\x1b[2K\x1b[1G| wait\x1b[2K\x1b[1G/ wait\ndone\n", ["| wait", "/ wait", "done"]),
        (b"|\b/\b-\b\x1b[32mx\x1b[0m\n", ["|", "/", "-", "x"]),
        (b"a\x1b[31mb\x1b[0mc\td\n", ["abc     d"]),
    ],
)
def test_on_request_each_redraw_is_a_line_as_it_came(tmp_path: Path, raw: bytes, shown: list[str]) -> None:
    log = ShownLog(write(tmp_path / "log", raw), expands_redraws=True)
    log.refresh()
    assert [line.text for line in log.lines_before(log.size, 20)] == shown
    assert [line.text for line in log.lines_from(0, 20)] == shown
    log.close()


def test_the_redraws_of_a_long_line_are_read_from_any_byte(tmp_path: Path) -> None:
    data = b"".join(b"\r%7d/1000000 done" % number for number in range(200_000))
    log = ShownLog(write(tmp_path / "log", data), expands_redraws=True)
    log.refresh()
    assert [line.text for line in log.lines_before(log.size, 2)] == [" 199998/1000000 done", " 199999/1000000 done"]
    assert [line.text for line in log.lines_from(2_000_020, 2)] == ["  95239/1000000 done", "  95240/1000000 done"]
    log.close()


def test_a_move_above_the_first_line_that_is_read_changes_the_lines_above(tmp_path: Path) -> None:
    plain = b"".join(b"line %d\n" % number for number in range(20_000))
    data = plain + b"\x1b[5A\x1b[2Kredrawn\n\x1b[4B" + b"after\n" * 20_000
    log = ShownLog(write(tmp_path / "log", data))
    log.refresh()
    start = len(plain) - 3 * len(b"line 19999\n")
    assert [line.text for line in log.lines_from(start, 4)] == ["line 19997", "line 19998", "line 19999", "after"]
    above = [line.text for line in log.lines_before(start, 3)]
    assert above == ["line 19994", "redrawn", "line 19996"]
    log.close()
