"""The file of a kept screen: it comes back as it was, and nothing else in its place harms the terminal."""

from __future__ import annotations

import os
import re
import string
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from flow_tui.last_screen.first_paint import describe_age, render_screen
from flow_tui.last_screen.screen_file import (
    BYTES_MAX,
    KeptScreen,
    decode_screen,
    encode_screen,
    read_screen,
    stamp_file,
)

STYLES = st.lists(st.integers(0, 255), max_size=6).map(lambda numbers: ";".join(map(str, numbers)))
TEXTS = st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" "), max_size=12)
ROWS = st.lists(st.lists(st.tuples(STYLES, TEXTS), min_size=1, max_size=4), min_size=1, max_size=5)
HARMLESS = re.compile(r"(?:\x1b\[(?:\?1049h|\?25l|\?7l|[0-9;]*[mH])|[^\x00-\x1f\x7f-\x9f])*")


def make_screen(rows: list[list[tuple[str, str]]], config: str = "/none") -> KeptScreen:
    return KeptScreen(1_700_000_000, config, stamp_file(config), "1;7", rows)


@given(ROWS)
def test_a_screen_comes_back_as_it_was_kept(rows: list[list[tuple[str, str]]]) -> None:
    data = encode_screen(make_screen(rows))
    assert data is not None
    read = decode_screen(data, len(rows))
    assert read is not None
    assert [list(row) for row in read.rows] == rows
    assert (read.kept_at, read.config_path, read.mark_style) == (1_700_000_000, "/none", "1;7")
    assert read.has_current_config


@given(ROWS, st.data())
def test_a_damaged_file_is_ignored_or_harmless(rows: list[list[tuple[str, str]]], data: st.DataObject) -> None:
    whole = encode_screen(make_screen(rows))
    assert whole is not None
    at = data.draw(st.integers(0, len(whole)))
    new = data.draw(st.binary(max_size=8) | st.sampled_from([b"\x1b]0;x\x07", b"\x1b[2J", b"\t\t", b"\n", b"\x9b5n"]))
    damaged = whole[:at] + new + whole[at + data.draw(st.integers(0, 8)) :]
    if (read := decode_screen(damaged, len(rows))) is not None:
        assert HARMLESS.fullmatch(render_screen(read, 40, 1_700_000_000))


@given(st.binary(max_size=300))
def test_any_other_file_is_ignored(data: bytes) -> None:
    assert decode_screen(data, 3) is None


def test_a_screen_of_another_height_or_of_too_many_bytes_is_ignored() -> None:
    data = encode_screen(make_screen([[("", "one")], [("", "two")]]))
    assert data is not None
    assert decode_screen(data, 3) is None
    assert encode_screen(make_screen([[("", "x" * BYTES_MAX)]])) is None


def test_a_pipe_a_link_and_a_folder_in_its_place_are_ignored(tmp_path: Path) -> None:
    data = encode_screen(make_screen([[("", "one")]]))
    assert data is not None
    (tmp_path / "file").write_bytes(data)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("file")
    assert read_screen(str(tmp_path / "file"), 1) is not None
    for name in ("pipe", "link", "", "missing"):
        assert read_screen(str(tmp_path / name), 1) is None


def test_a_screen_counts_only_with_the_config_file_that_it_was_drawn_with(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    assert (drawn_without := make_screen([[("", "one")]], str(config))).has_current_config
    config.write_text("contexts: {}")
    assert not drawn_without.has_current_config
    drawn_with = make_screen([[("", "one")]], str(config))
    assert drawn_with.has_current_config
    config.write_text("contexts: {lab: {provider: local}}")
    assert not drawn_with.has_current_config


def test_the_first_row_says_how_old_the_screen_is_and_nothing_of_its_own() -> None:
    screen = make_screen([[("", "0 running")], [("", "Tasks")]])
    drawn = render_screen(screen, 60, screen.kept_at + 3 * 3600)
    assert "3 h ago; loading" in drawn
    assert "0 running" not in drawn
    assert "Tasks" in drawn


def test_the_age_has_one_unit_and_an_old_screen_a_date() -> None:
    kept_at = 1_700_000_000
    ages = [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7200, "2 h"), (3 * 86_400, "3 d"), (-5, "0 s")]
    for age_s, expected in ages:
        assert f", {expected} ago; loading" in describe_age(kept_at, kept_at + age_s)
    assert re.search(r"as of \d\d:\d\d,", describe_age(kept_at, kept_at + 60))
    assert re.search(r"as of 2023-11-1\d \d\d:\d\d,", describe_age(kept_at, kept_at + 86_400))
    assert set(describe_age(kept_at, kept_at)) <= set(string.printable)
