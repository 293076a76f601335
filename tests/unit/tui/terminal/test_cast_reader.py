"""Recordings: what is written is what is played, and nothing else happens."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from flow_core.client.asciicast_writer import AsciicastWriter
from flow_core.errors import FlowError
from flow_tui.terminal.cast_reader import Cast, CastEvent, read_cast, read_cast_title
from flow_tui.terminal.core import TerminalCore
from flow_tui.terminal.player import Player
from flow_tui.terminal.session import encode_screen

OpenCore = Callable[[int, int], TerminalCore]


def shown(core: TerminalCore) -> list[str]:
    core.take_dirty_rows()
    return ["".join(run.text for run in core.get_row(y)).rstrip() for y in range(core.rows)]


def rows(core: TerminalCore) -> list[object]:
    core.take_dirty_rows()
    return [core.get_row(y) for y in range(core.rows)]


def played(player: Player, seconds: float) -> list[str]:
    player.tick(seconds)
    while not player.is_caught_up:
        player.tick(0)
    return shown(player.core)


def test_what_was_recorded_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "a.cast"
    with AsciicastWriter(file, 100, 30, "train node 1") as recording:
        recording.write_output("é\x1b[31mred".encode())
        recording.write_size(120, 40)
    cast = read_cast(file)
    assert (cast.title, cast.size) == ("train node 1", (100, 30))
    assert [(event.output, event.size) for event in cast.events] == [
        ("é\x1b[31mred".encode(), None),
        (b"", (120, 40)),
    ]
    assert read_cast_title(file) == "train node 1"


def test_broken_lines_are_left_out_and_hostile_values_are_bounded(tmp_path: Path) -> None:
    file = tmp_path / "b.cast"
    lines = [
        json.dumps({"version": 2, "width": 10**30, "height": -5, "title": "\x1b[2J[red]t"}),
        '[0.5, "o", "one"]',
        '[NaN, "o", "two"]',
        '[-3, "o", "three"]',
        '[1, "i", "typed"]',
        '[1, "r", "xx9"]',
        '[1, "r", "999999x1"]',
        "[" * 100_000,
        '{"a": 1}',
        '[2, "o", 3]',
        '[2, "o", "unfinis',
    ]
    file.write_text("\n".join(lines), encoding="utf-8")
    cast = read_cast(file)
    assert cast.size == (500, 1)
    assert cast.title == "[2J[red]t"
    assert cast.events == (
        CastEvent(0.5, b"one"),
        CastEvent(0.5, b"two"),
        CastEvent(0.5, b"three"),
        CastEvent(1.0, size=(500, 1)),
    )


@pytest.mark.parametrize("text", ["", "hello", "[1,2]", '{"version": 1}'])
def test_another_kind_of_file_is_refused_with_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.cast").write_text(text, encoding="utf-8")
    with pytest.raises(FlowError, match="only asciicast version 2"):
        read_cast(tmp_path / "c.cast")
    with pytest.raises(FlowError, match="can't be read"):
        read_cast(tmp_path / "missing.cast")


def test_a_recording_is_played_in_its_time_and_sought_in_both_directions(new_core: OpenCore) -> None:
    events = tuple(CastEvent(float(n), f"line {n}\r\n".encode()) for n in range(1, 9))
    player = Player(Cast("t", (20, 4), events), new_core(20, 4))
    assert played(player, 0.5) == ["", "", "", ""]
    assert played(player, 2.0)[:2] == ["line 1", "line 2"]
    player.change_speed(1)
    assert played(player, 1.0)[:3] == ["line 2", "line 3", "line 4"]
    player.seek(1.0)
    assert played(player, 0) == ["line 1", "", "", ""]
    player.seek(100)
    assert played(player, 0)[:3] == ["line 6", "line 7", "line 8"]
    assert player.is_at_end
    player.tick(1)
    assert not player.is_playing
    player.toggle()
    assert played(player, 0.25) == ["", "", "", ""]


def test_a_pause_holds_the_time(new_core: OpenCore) -> None:
    player = Player(Cast("t", (20, 2), (CastEvent(1.0, b"x"), CastEvent(9.0, b"y"))), new_core(20, 2))
    player.toggle()
    assert played(player, 5.0) == ["", ""]
    player.toggle()
    assert played(player, 1.5) == ["x", ""]


def test_a_change_of_size_is_played_and_undone_when_going_back(new_core: OpenCore) -> None:
    player = Player(Cast("t", (20, 4), (CastEvent(1.0, b"a"), CastEvent(2.0, size=(50, 9)))), new_core(20, 4))
    played(player, 3.0)
    assert (player.core.cols, player.core.rows) == (50, 9)
    player.seek(1.0)
    assert played(player, 0) == ["a", "", "", ""]


def test_what_stands_on_the_screen_is_put_there_again(new_core: OpenCore) -> None:
    core, again = new_core(30, 5), new_core(30, 5)
    core.feed("\x1b[1;31mred\x1b[0m plain 漢字 e\u0301\r\n".encode())
    core.feed(b"\x1b[48;2;1;2;3m\x1b[Kback\x1b[0m\x1b[4;10H\x1b[7;38;5;99mx\x1b[3;5H")
    core.take_dirty_rows()
    again.feed(b"junk" * 50 + encode_screen(core))
    assert rows(again) == rows(core)
    assert again.cursor == core.cursor


def test_noise_is_put_there_again_without_harm(new_core: OpenCore) -> None:
    core, noise = new_core(40, 8), random.Random(4)
    for _ in range(30):
        core.feed(noise.randbytes(2048))
        core.take_dirty_rows()
        again = new_core(40, 8)
        again.feed(encode_screen(core))
        assert len(shown(again)) == 8
