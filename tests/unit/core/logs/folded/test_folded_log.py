"""Tracebacks and dumps folded in a view of a log, against the folds of all its lines."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from testbed.log_folds import find_folds
from testbed.properties import limit_examples

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.analysis.text_line import TextLine
from flow_core.logs.folded.folded_log import FoldedLog
from flow_core.logs.shown.line import ShownLine
from flow_core.logs.shown.shown_log import ShownLog

TRACEBACK = (
    b'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n    main()\n'
    b'  File "b.py", line 2, in main\n    raise ValueError("x")\nValueError: x\n'
)
_RANKED = b"".join(b"[rank1]: " + line + b"\n" for line in TRACEBACK.splitlines())
_DUMP = b"terminate called after throwing\n" + b"frame #1: x\n" * 30
_PIECES = st.sampled_from(
    [TRACEBACK, _RANKED, _DUMP, b"INFO one\n", b"\n", b"\x1b[32mINFO\x1b[0m two\n" * 50, b"step\n" * 400, b"cut"]
)


def open_log(path: Path, data: bytes) -> tuple[FoldedLog, SpoolFiles]:
    files = SpoolFiles.at(path / "log")
    files.log.write_bytes(data)
    log = FoldedLog(ShownLog(files))
    log.refresh()
    return log, files


def walk_back(log: FoldedLog, step: int) -> list[ShownLine]:
    lines: list[ShownLine] = []
    position = log.size
    while found := log.lines_before(position, step):
        lines[:0] = found
        position = found[0].offset
    return lines


def walk_on(log: FoldedLog, step: int) -> list[ShownLine]:
    lines: list[ShownLine] = []
    position = 0
    while found := log.lines_from(position, step):
        lines += found
        position = found[-1].end
    return lines


def list_shown(files: SpoolFiles, opened: int) -> list[int]:
    """The offsets of the lines that are not folded, if the fold of this number is open."""
    log = ShownLog(files)
    log.refresh()
    lines = log.lines_from(0, 100_000)
    hidden: set[int] = set()
    for number, fold in enumerate(find_folds(TextLine(line.offset, line.text) for line in lines)):
        last = fold.summary if fold.summary != fold.offsets[0] else fold.offsets[-1]
        hidden.update(set(fold.offsets) - {fold.offsets[0], last} if number != opened else ())
    log.close()
    return [line.offset for line in lines if line.offset not in hidden]


@limit_examples(30)
@given(parts=st.lists(_PIECES, max_size=12), more=st.lists(_PIECES, max_size=4), step=st.integers(1, 40))
def test_what_is_folded_depends_on_no_direction_and_no_step(
    parts: list[bytes], more: list[bytes], step: int, tmp_path_factory
) -> None:
    data = b"".join(parts)
    log, files = open_log(tmp_path_factory.mktemp("log"), data)
    for grown in (data, data + b"".join(more)):
        files.log.write_bytes(grown)
        log.refresh()
        expected = list_shown(files, -1)
        assert [line.offset for line in walk_on(log, step)] == expected
        assert [line.offset for line in walk_back(log, step)] == expected
    log.close()


def test_a_fold_has_a_note_and_opens_and_closes(tmp_path: Path) -> None:
    log, files = open_log(tmp_path, b"start\n" + TRACEBACK + b"middle\n" + TRACEBACK + b"end\n")
    shown = [line.text for line in log.lines_from(0, 20)]
    head, summary = "Traceback (most recent call last):", "ValueError: x"
    assert shown == ["start", head, summary, "middle", head, summary, "end"]
    first = log.find_fold(6)
    assert first is not None
    assert first.note == "4 lines folded"
    assert log.find_fold(0) is None
    assert log.toggle(6)
    assert [line.offset for line in log.lines_from(0, 20)] == list_shown(files, 0)
    opened = log.find_fold(6)
    assert opened is not None
    assert opened.is_open
    assert opened.note == ""
    assert log.toggle(first.last)
    assert [line.text for line in log.lines_from(0, 20)] == shown
    assert not log.toggle(0)
    log.close()


def test_a_folded_line_is_revealed(tmp_path: Path) -> None:
    log, files = open_log(tmp_path, TRACEBACK + b"end\n")
    inside = TRACEBACK.index(b"    main()")
    found = log.line_at(inside)
    assert found is not None
    assert found.text == "ValueError: x"
    log.reveal(inside)
    found = log.line_at(inside)
    assert found is not None
    assert found.text == "    main()"
    files.log.write_bytes(TRACEBACK)
    log.refresh()
    assert len(log.lines_from(0, 20)) == 2
    log.close()


def test_a_traceback_is_folded_while_it_is_written(tmp_path: Path) -> None:
    log, files = open_log(tmp_path, b"")
    data = b""
    for line in (b"start\n" * 700 + TRACEBACK).splitlines(keepends=True):
        data += line
        if len(data) > 4200:
            files.log.write_bytes(data)
            log.refresh()
            assert [line.offset for line in log.lines_before(log.size, 3)] == list_shown(files, -1)[-3:]
    log.close()
