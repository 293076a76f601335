"""The matches in the text of a log as it is shown, against a screen that received the whole log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from testbed.properties import limit_examples
from testbed.tables import each

from flow_core.agent.spool import STDERR, STDOUT, SpoolFiles, SpoolWriter
from flow_core.logs.search.block_reader import BlockReader
from flow_core.logs.search.found_match import FoundMatch
from flow_core.logs.search.line_matcher import LineMatcher
from flow_core.logs.search.log_scanner import LogScanner
from flow_core.logs.search.match_blocks import MatchBlockFactory
from flow_core.logs.search.query import SearchQuery
from flow_core.logs.shown.screen import LiveScreen

_PIECES = st.sampled_from(
    [
        *(b"\n", b"\r\n", b"\r", b"\b", b"\t", b" ", b"  \n", b"\x07", b"\0", b"\x0b"),
        *(b"\x1b[31m", b"\x1b[0m", b"\x1b[K", b"\x1b[1K", b"\x1b[2K", b"\x1b[3D", b"\x1b[2C", b"\x1b[4G", b"\x1b[2P"),
        *(
            b"\x1b[A",
            b"\x1b[2A\r",
            b"\x1b[B",
            b"\x1b7er\n\x1b8",
            b"\x1b[H",
            b"\x1b]0;error\x07",
            b"\x1b[?25l",
        ),
        *(b"error", b"ERR", b"OR", b"Error 12", b"e", b"r", b"1", b"x" * 40, b"step=7 loss", "é漢".encode(), b"\xff"),
        *("e\u0301".encode(), "\u0301".encode(), "er\u200bror".encode(), "ſ".encode(), b"[rank0]: "),
        *(b"line\n" * 40, b"quiet 1\n" * 300, b"\x1b[32mquiet\x1b[0m error\n" * 280, "ü error 1\n".encode() * 270),
    ]
)
_LOGS = st.lists(_PIECES, max_size=40).map(b"".join)
_QUERIES = st.sampled_from(
    [
        *(SearchQuery(text) for text in ("error", "ERROR", "[rank0]:", "Error 1", "r", "漢", " ", "s", "p=7 l")),
        *(
            SearchQuery(pattern, literal=False)
            for pattern in (
                *(
                    "1$",
                    "^e",
                    "e.r",
                    "[^x]+",
                    r"\s+",
                    r"\w+1\b",
                    "err(or)?",
                    "é|漢",
                    r"e.{2}\w",
                    "x{3,}",
                    "(?i)ERR",
                    "E.",
                ),
                *(r"or\Z", "or(?=$)", r"(?<!r)r", "(e)\\S", "l*", "line|quiet", r"\d+\s*$", "[^a]{5}"),
            )
        ),
    ]
)


def find_all(data: bytes, query: SearchQuery) -> list[FoundMatch]:
    """Every match in the rows of a screen that received the whole log."""
    screen = LiveScreen(0)
    screen.feed(data)
    pattern = re.compile(query.source, re.IGNORECASE if query.ignores_case else 0)
    found = []
    for number in range(screen.count_shown_rows()):
        text = "".join(run for run, _ in screen.stack.get_row(number).to_runs()).rstrip(" ")
        spans = [match.span() for match in pattern.finditer(text)]
        found += [FoundMatch(screen.stack.offsets[number], *span) for span in spans if span[0] < span[1]]
    return found


@contextmanager
def open_log(path: Path, data: bytes, query: SearchQuery) -> Iterator[LogScanner]:
    files = SpoolFiles.at(path)
    files.log.write_bytes(data)
    with scan(files, LineMatcher(query.source, ignores_case=query.ignores_case), None) as scanner:
        yield scanner


@contextmanager
def scan(files: SpoolFiles, matcher: LineMatcher, stream: int | None) -> Iterator[LogScanner]:
    with closing(BlockReader(files, MatchBlockFactory(matcher), stream)) as reader:
        yield LogScanner(reader, lambda reached, matches: None)


def count_all(scanner: LogScanner, start: int, stop: int, size: int = 1 << 20) -> int:
    return sum(count for count, _ in scanner.count(start, stop, size))


def walk_on(scanner: LogScanner, limit: int) -> list[FoundMatch]:
    matches: list[FoundMatch] = []
    position = (0, 0)
    while len(matches) < limit and (found := scanner.find_next(*position)) is not None:
        matches.append(found)
        position = (found.offset, found.start + 1)
    return matches


def walk_back(scanner: LogScanner, size: int, limit: int) -> list[FoundMatch]:
    matches: list[FoundMatch] = []
    position = (size, 0)
    while len(matches) < limit and (found := scanner.find_previous(*position)) is not None:
        matches.insert(0, found)
        position = (found.offset, found.start)
    return matches


@limit_examples(80)
@given(data=_LOGS, query=_QUERIES, cuts=st.lists(st.floats(0, 1), max_size=3))
def test_every_match_on_the_screen_is_found_once_forward_backward_and_by_ranges(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, query: SearchQuery, cuts: list[float]
) -> None:
    expected = find_all(data, query)
    bounds = [0, *sorted(int(cut * len(data)) for cut in cuts), len(data)]
    with open_log(tmp_path_factory.getbasetemp() / "scanned", data, query) as scanner:
        assert sum(count_all(scanner, start, stop) for start, stop in pairwise(bounds)) == len(expected)
        assert walk_on(scanner, 12) == expected[:12]
        assert walk_back(scanner, len(data), 12) == expected[-12:]
        for found in expected[-2:]:
            before = scanner.count_before(0, found.offset, found.start)
            assert before == expected.index(found)


@each(
    "data, pattern, expected",
    [
        (b"\x1b[31mERR\x1b[0m\x1b[1mOR\x1b[0m 1\n", "ERROR", (0, 0, 5)),
        (b"loss 1\r\nloss 2\r\n", "1$", (0, 5, 6)),
        (b" 10%\r 20%\r 30%\n", "20%", None),
        (b" 10%\r 20%\r 30%\n", "30%", (0, 1, 4)),
        (b"secret\x1b[1K\r......x\n", "secret", None),
        (b"ab\b\bxy\n", "ab", None),
        (b"\x1b[31mred\x1b[0m\n", "31m", None),
        (b"\x1b]0;title\x07text\n", "title", None),
        (b"outer\n\rinner\x1b[A\rOUTER\n", "OUTER", (0, 0, 5)),
        ("漢字 naïve\n".encode(), "naïve", (0, 3, 8)),
        ("a漢b\n".encode(), "a.b", (0, 0, 3)),
        ("GRÖSSE\n".encode(), "größe|grösse", (0, 0, 6)),
        (b"f(x)[rank0]: lost\n", "[rank0]:", (0, 4, 12)),
        (b"a\tb\n", "a       b", (0, 0, 9)),
        (b"end   \n", "end$", (0, 0, 3)),
        (b"a\nb\n", "a\\s+b", None),
        (b"x" * 1_500_000 + b"needle\n", "needle", (1 << 20, 1_500_000 - (1 << 20), 1_500_006 - (1 << 20))),
        ("needle\n".encode("utf-16"), "needle", (0, 0, 6)),
    ],
)
def test_the_text_is_searched_as_it_is_shown(
    data: bytes, pattern: str, expected: tuple[int, int, int] | None, tmp_path: Path
) -> None:
    query = SearchQuery(pattern, literal=pattern[0] in "[f(" or not set(pattern) & set("$.|\\"))
    with open_log(tmp_path / "log", data, query) as scanner:
        assert scanner.find_next(0, 0) == expected


def test_a_long_block_of_redraws_is_searched_in_its_last_state(tmp_path: Path) -> None:
    data = b"before\n" + b"".join(b"outer %d\n inner %d\x1b[A\r" % (n, n) for n in range(5_000)) + b"\n\nafter 7\n"
    with open_log(tmp_path / "log", data, SearchQuery("7")) as scanner:
        assert [found.offset for found in walk_on(scanner, 10)] == [data.index(b"after")]
    query = SearchQuery(r"er \d+", literal=False)
    with open_log(tmp_path / "log", data, query) as scanner:
        assert scanner.find_previous(len(data), 0) == find_all(data, query)[-1]
        assert count_all(scanner, 0, len(data), 30_000) == 3


def test_one_stream_is_searched_alone(tmp_path: Path) -> None:
    files = SpoolFiles.at(tmp_path / "log")
    writer = SpoolWriter(files, lambda: 1)
    for stream, data in ((STDOUT, b"out err"), (STDERR, b"error 1\n"), (STDOUT, b"or 2\n"), (STDERR, b"error 3\n")):
        writer.append(stream, data)
    writer.close()
    matcher = LineMatcher("error", ignores_case=False)
    for stream, expected in ((STDOUT, [(0, 4, 9)]), (STDERR, [(7, 0, 5), (20, 0, 5)])):
        with scan(files, matcher, stream) as scanner:
            assert walk_on(scanner, 9) == expected
            assert walk_back(scanner, writer.offset, 9) == expected
            assert count_all(scanner, 0, 1 << 20) == len(expected)


def test_a_log_that_grows_or_was_cut_short_is_searched_as_it_is_now(tmp_path: Path) -> None:
    path = tmp_path / "log.log"
    with open_log(tmp_path / "log", b"nothing\n", SearchQuery("later")) as scanner:
        assert scanner.find_next(0, 0) is None
        with path.open("ab") as log:
            log.write(b"later\n")
        assert scanner.find_next(0, 0) == (8, 0, 5)
        path.write_bytes(b"later")
        assert scanner.find_previous(100, 0) == (0, 0, 5)
        path.unlink()
        assert scanner.find_next(0, 0) is None
