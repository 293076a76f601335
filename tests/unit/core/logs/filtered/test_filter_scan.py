"""The lines that filters keep, against a filter over every line of a screen that received the whole log."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from testbed.properties import limit_examples
from testbed.tables import each

from flow_core.agent.spool import STDERR, STDOUT, SpoolFiles, SpoolWriter
from flow_core.logs.analysis.levels import find_level
from flow_core.logs.filtered.filter_scan import FilterScan
from flow_core.logs.filtered.kept_lines import KeptLines
from flow_core.logs.filtered.line_filter import LeastLevel, LineFilter, LogFilters
from flow_core.logs.filtered.line_selector import LineSelector
from flow_core.logs.filtered.log_ranges import LogRanges
from flow_core.logs.filtered.offset_writer import OffsetWriter
from flow_core.logs.search.query import SearchQuery
from flow_core.logs.shown.screen import LiveScreen
from flow_core.logs.shown.shown_log import ShownLog

_PIECES = st.sampled_from(
    [
        *(b"\n", b"\r\n", b"\r", b"\b", b"\tx", b"  \n", b"\x1b[31m", b"\x1b[0m", b"\x1b[K", b"\x1b[3D"),
        *(b"\x1b[A", b"\x1b[2A\r", b"\x1b[B", b"\x1b7er\n\x1b8", b"\x1b[H", b"\x1b[2J"),
        *(b"error", b"ERR", b"OR", b"step=7 loss\n", b"\nERROR: died\n", "é漢".encode(), b"keep 1\n", b"hide me\n"),
        *(b"line\n" * 40, b"quiet 1\n" * 300, b"\x1b[32mquiet\x1b[0m error\n" * 280, "ü error 1\n".encode() * 270),
        b"a\nb\nc error\nd\n" * 20,
        b"\r\n\nTraceback (most recent call last):\r\n  File x\r\nValueError: no\r\n",
    ]
)
_PARTS = st.lists(st.lists(_PIECES, max_size=20).map(b"".join), min_size=1, max_size=4)
_FINDS = [
    *(SearchQuery(text) for text in ("error", "ERROR", "quiet", "e", "7", "漢", "line")),
    *(SearchQuery(pattern, literal=False) for pattern in (r"1$", r"^\w", r"err(or)?", r"x*", r"\d")),
]
_FILTERS = st.builds(
    LogFilters,
    st.lists(st.builds(LineFilter, st.sampled_from(_FINDS), st.booleans()), min_size=1, max_size=3).map(tuple),
    st.sampled_from((0, 0, 1, 3)),
)


class Scan:
    """A scan in this process."""

    def __init__(
        self, files: SpoolFiles, filters: LogFilters, stream: int | None = None, start_near: int | None = None
    ):
        self.kept = KeptLines()
        self.ranges = LogRanges(files, stream, expands_redraws=False)
        backward, forward = map(OffsetWriter, self.kept.output)
        self._scan = FilterScan(self.ranges, LineSelector(filters.to_json()), backward, forward, start_near)
        self.additions: list[bytes] = []
        """What is written to the log after the next reports."""
        self._path = files.log

    def catch_up(self) -> list[int] | None:
        """Returns all codes; None if the log was replaced."""
        report = self._scan.catch_up(self._take)
        if "is_replaced" in report:
            return None
        self._take(report)
        codes = [self.kept[number] for number in range(len(self.kept))]
        assert report["scanned"] == report["total"]
        assert report["kept"] == sum(1 for code in codes if not code & 1)
        return codes

    def close(self) -> None:
        self.kept.close()
        self.ranges.close()

    def _take(self, report: dict) -> None:
        self.kept.apply_report(report)
        if self.additions:
            with self._path.open("ab") as file:
                file.write(self.additions.pop(0))


def list_rows(data: bytes) -> list[tuple[int, str]]:
    """The offset and the text of every row of a screen that received everything."""
    screen = LiveScreen(0)
    screen.feed(data)
    rows = screen.stack.rows[: screen.count_shown_rows()]
    runs = (((row, None),) if isinstance(row, str) else row.to_runs() for row in rows)
    texts = ("".join(run for run, _ in row).rstrip(" ") for row in runs)
    return [row for row in zip(screen.stack.offsets, texts, strict=False) if row[0] < len(data)]


def filter_rows(rows: list[tuple[int, str]], filters: LogFilters) -> list[int]:
    """The codes of the rows to show."""
    visible = [row for row in rows if not any(one.hides and finds(one, row[1]) for one in filters.filters)]
    keeps = [one for one in filters.filters if not one.hides]
    kept = {index for index, row in enumerate(visible) if not keeps or any(finds(one, row[1]) for one in keeps)}
    near = {other for index in kept for other in range(index - filters.context, index + filters.context + 1)}
    return [2 * row[0] + (index not in kept) for index, row in enumerate(visible) if index in near]


def finds(one: LineFilter, text: str) -> bool:
    if isinstance(one.finds, LeastLevel):
        level = find_level(text)
        return level is not None and level.is_error
    pattern = re.compile(one.finds.source, re.IGNORECASE if one.finds.ignores_case else 0)
    return any(found.end() > found.start() for found in pattern.finditer(text))


@limit_examples(50)
@given(parts=_PARTS, filters=_FILTERS, around=st.none() | st.floats(0, 1))
def test_the_lines_that_pass_are_those_of_a_filter_over_all_lines_while_the_log_grows(
    parts: list[bytes], filters: LogFilters, around: float | None, tmp_path_factory
) -> None:
    files = SpoolFiles.at(tmp_path_factory.mktemp("log") / "log")
    files.log.write_bytes(data := parts[0])
    starts = [offset for offset, _ in list_rows(data)]
    near = starts[int(around * (len(starts) - 1))] if around is not None and starts else None
    with closing(Scan(files, filters, start_near=near)) as scan:
        for part in (b"", *parts[1:]):
            files.log.write_bytes(data := data + part)
            assert scan.catch_up() == filter_rows(list_rows(data), filters)


@each("context", [0, 2])
def test_a_long_log_that_grows_while_it_is_scanned_is_filtered_as_a_whole(context: int, tmp_path: Path) -> None:
    files = SpoolFiles.at(tmp_path / f"log{context}")
    block = b"".join(b"INFO step %d of many more\n" % number for number in range(12_000)) + b"\x1b[32m7\x1b[0m\n" * 300
    bars = b"".join(b"outer %d\n inner %d\x1b[A\r" % (number, number) for number in range(800)) + b"\n\n"
    data = block + bars + block + b"no end 7"
    files.log.write_bytes(data)
    filters = LogFilters((LineFilter(SearchQuery("7")), LineFilter(SearchQuery("99"), hides=True)), context)
    with closing(Scan(files, filters)) as scan:
        scan.additions = [block, bars, block, b"\rline 7\nend"]
        while scan.additions:
            scan.catch_up()
        assert scan.catch_up() == filter_rows(list_rows(files.log.read_bytes()), filters)


@each("around", [None, 200])
def test_one_stream_alone_is_filtered(around: int | None, tmp_path: Path) -> None:
    files = SpoolFiles.at(tmp_path / f"log{around}")
    writer = SpoolWriter(files, lambda: 1)
    for number in range(2500):
        writer.append(STDERR if number % 2 else STDOUT, b"line %d\n" % number)
    writer.close()
    log = ShownLog(files, STDOUT)
    log.refresh()
    lines = log.lines_from(0, 2000)
    near = None if around is None else lines[around].offset
    filters = LogFilters((LineFilter(SearchQuery("7")),))
    with closing(Scan(files, filters, STDOUT, near)) as scan:
        assert scan.catch_up() == [2 * line.offset for line in lines if "7" in line.text]
    assert len(lines) == 1250
    log.close()


def test_a_log_that_was_replaced_or_cut_short_needs_another_scan(tmp_path: Path) -> None:
    files = SpoolFiles.at(tmp_path / "log")
    filters = LogFilters((LineFilter(SearchQuery("hit")),))
    with closing(Scan(files, filters)) as scan:
        assert scan.catch_up() == []
        files.log.write_bytes(b"hit\nno\n" * 1000)
        assert scan.catch_up() == [14 * number for number in range(1000)]
        files.log.write_bytes(b"hit\n")
        assert scan.catch_up() is None
