"""The matches in the text of a log as it is shown, against a screen that received the whole log."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from testbed.properties import limit_examples
from testbed.tables import each

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.search.block_reader import BlockReader
from flow_core.logs.search.found_match import FoundMatch
from flow_core.logs.search.line_matcher import LineMatcher
from flow_core.logs.search.log_scanner import LogScanner
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
            b"\x1b[2J",
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


def open_log(path: Path, data: bytes, query: SearchQuery, stream: int | None = None) -> LogScanner:
    files = SpoolFiles.at(path)
    files.log.write_bytes(data)
    matcher = LineMatcher(query.source, ignores_case=query.ignores_case)
    return LogScanner(BlockReader(files, matcher, stream), lambda reached, matches: None)


def walk_on(scanner: LogScanner) -> list[FoundMatch]:
    matches: list[FoundMatch] = []
    position = (0, 0)
    while (found := scanner.find_next(*position)) is not None:
        matches.append(found)
        position = (found.offset, found.start + 1)
    return matches


def walk_back(scanner: LogScanner, size: int) -> list[FoundMatch]:
    matches: list[FoundMatch] = []
    position = (size, 0)
    while (found := scanner.find_previous(*position)) is not None:
        matches.insert(0, found)
        position = (found.offset, found.start)
    return matches


@limit_examples(300)
@given(data=_LOGS, query=_QUERIES, cuts=st.lists(st.floats(0, 1), max_size=3))
def test_every_match_on_the_screen_is_counted_once(
    data: bytes, query: SearchQuery, cuts: list[float], tmp_path_factory
) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    scanner = open_log(path, data, query)
    expected = find_all(data, query)
    bounds = [0, *sorted(int(cut * len(data)) for cut in cuts), len(data)]
    assert sum(scanner.count(start, stop)[0] for start, stop in zip(bounds, bounds[1:], strict=False)) == len(expected)
    block_matches = [found for _, block in scanner._reader.iter_blocks(0, len(data)) for found in block.iter_matches()]
    assert block_matches == expected
