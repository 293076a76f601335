"""Random output for property tests: text, control characters and sequences, as programs write them.

Left out is what terminals disagree on: `CSI s` and `CSI u` with parameters, a count of 0, a column after `CSI L` and
`CSI M`. Also left out are the documented exceptions: hidden text, `CSI 3 J`, strings without an end.
"""

from __future__ import annotations

import itertools

from hypothesis import strategies as st

_NARROW = ("a", "loss=0.5", "hello world", "  ", "12345678", "[rank0]: ", "é", "e\u0301", "█▏")
_WIDE = ("漢字", "進", "🚀")
_CONTROLS = (b"\r", b"\n", b"\r\n", b"\b", b"\b\b\b", b"\t", b"\x07")
_STRINGS = (
    b"\x1b]0;title\x07",
    b"\x1b]8;;https://example.org/\x1b\\",
    b"\x1bPq#0;2;0;0;0~~-\x1b\\",
    b"\x1b_Gf=24;AAAA\x1b\\",
    b"\x1b^message\x1b\\",
)
_COLOURS = (
    "31", "0", "", "1;32", "22", "44", "49", "39", "7", "27", "4", "24", "4:3", "4:0", "38;5;208", "38:5:208",
    "38;2;1;2;3", "38:2::9:8:7", "48;5;17", "58;5;9", "58:2::1:2:3", "90", "103", "3;9", "23;29",
)  # fmt: skip
_MOVES = "ABCDEFG"
_SINGLE = (b"\x1b7", b"\x1b8", b"\x1b[s", b"\x1b[u", b"\x1bM", b"\x1bD", b"\x1bE")

_counts = st.one_of(st.just(b""), st.integers(1, 4).map(lambda number: b"%d" % number), st.just(b"9"))


def _sequence(finals: str, counts: st.SearchStrategy[bytes], after: bytes = b"") -> st.SearchStrategy[bytes]:
    ends = st.sampled_from([final.encode() + after for final in finals])
    return st.builds(lambda count, end: b"\x1b[" + count + end, counts, ends)


_text = st.one_of(st.sampled_from(_NARROW), st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12))
_positions = st.builds(lambda row, column: b"\x1b[%d;%dH" % (row, column), st.integers(1, 12), st.integers(1, 20))
_colours = st.sampled_from([b"\x1b[%sm" % colour.encode() for colour in _COLOURS])
_tokens = st.one_of(
    _text.map(str.encode),
    st.sampled_from(_CONTROLS),
    st.sampled_from(_CONTROLS),
    _sequence(_MOVES, _counts),
    _sequence("PX@d", _counts),
    _sequence("K", st.sampled_from([b"", b"0", b"1", b"2"])),
    _positions,
    _colours,
    st.sampled_from(_STRINGS),
    st.sampled_from(_SINGLE),
)
_wide = st.sampled_from(_WIDE).map(str.encode)
_line_edits = _sequence("LM", _counts, after=b"\r")
_erasures = _sequence("J", st.sampled_from([b"", b"0", b"1", b"2"]))
_scrolls = _sequence("ST", st.sampled_from([b"", b"1", b"3"]))
_repetitions = st.builds(
    lambda text, count: text.encode() + b"\x1b[%db" % count, st.sampled_from("ax#="), st.integers(1, 9)
)
_regions = st.sampled_from([b"\x1b[1;4r", b"\x1b[1;9r", b"\x1b[r"])

outputs = st.lists(st.one_of(_tokens, _wide, _line_edits, _repetitions), min_size=1, max_size=30).map(b"".join)
"""Output that erases no more than a row at once. No row gets longer than 500 columns."""

erasing_outputs = st.lists(st.one_of(_tokens, _tokens, _erasures, _scrolls, _regions), min_size=1, max_size=30).map(
    b"".join
)
"""Output that also erases and scrolls parts of the screen, as far as tmux does so as other terminals do.

tmux keeps what leaves the screen as history, which the cores don't. It shows halves of wide characters, and it deletes
rows outside of the scroll region.
"""


_jumps = _sequence("AB", st.sampled_from([b"2", b"40", b"255", b"300"]))
_far_positions = st.builds(lambda row: b"\x1b[%d;7H" % row, st.sampled_from([1, 40, 200, 256, 300]))
_many_lines = st.builds(lambda count: b"line\n" * count, st.sampled_from([1, 3, 40, 200]))
long_outputs = st.lists(
    st.one_of(_many_lines, _many_lines, _jumps, _far_positions, _erasures, _scrolls, _text.map(str.encode)),
    min_size=5,
    max_size=60,
).map(b"".join)
"""Output of many screens of 256 rows, with jumps over all of a screen."""


@st.composite
def split_outputs(draw: st.DrawFn) -> list[bytes]:
    """Output in pieces, cut anywhere."""
    data = draw(outputs)
    cuts = sorted({0, len(data), *draw(st.lists(st.integers(0, len(data)), max_size=5))})
    return [data[start:end] for start, end in itertools.pairwise(cuts)]
