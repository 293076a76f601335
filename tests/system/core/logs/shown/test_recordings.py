"""What real programs wrote to a terminal is shown as tmux shows it, row by row."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from pathlib import Path

import pytest
from testbed.recordings.record import COLUMNS, ROWS, SCENARIOS, Recording, load_recordings, run
from testbed.shown_rows import cells_of_screen, open_shown_log, rows_of_log, rows_of_screen
from testbed.tables import each
from testbed.terminal_truth import Tmux, find_visible, rows_of_core, rows_of_tmux, trim_rows

from flow_tui.terminal.bittty_core import BitttyCore
from flow_tui.terminal.core_loader import CoreFactory, load_core

RECORDINGS = load_recordings()
REMADE = {
    "tqdm-nested": (),
    "tqdm-logging": (),
    "rich-progress": (),
    "rich-live": (),
    "pip-install": ("pip",),
    "npm-install": ("npm",),
    "git-clone": ("git",),
    "wget": ("wget",),
    "rsync": ("rsync",),
    "ninja": ("ninja",),
    "pytest": (),
}
ERASE_THE_SCREEN = ("alive-bar", "gpu-table-loop")
"""The cores keep nothing of an erased screen; tmux and the log do."""
FORGET_HISTORY = b"\x1b[3J"


def expected_rows(tmux: Tmux, data: bytes) -> list[str]:
    """The rows of tmux. Cleared text stays in a log as history, so tmux gets nothing that clears its history."""
    return tmux.rows_of(data.replace(FORGET_HISTORY, b""))


@pytest.mark.needs("tmux")
@each("recording", RECORDINGS, ids=lambda recording: recording.name)
def test_a_recording_is_shown_as_in_a_terminal(recording: Recording, tmux: Tmux, tmp_path: Path) -> None:
    expected = expected_rows(tmux, recording.data)
    assert rows_of_screen(recording.data) == expected
    assert rows_of_log(recording.data, tmp_path) == expected


@each("core", [load_core(), BitttyCore], ids=lambda core: core.__name__)
def test_a_recording_is_shown_as_by_the_terminal_cores(core: CoreFactory) -> None:
    for recording in RECORDINGS:
        if recording.name not in ERASE_THE_SCREEN:
            assert rows_of_screen(recording.data) == rows_of_core(recording.data, core), recording.name


@pytest.mark.needs("tmux")
@each("recording", RECORDINGS, ids=lambda recording: recording.name)
def test_a_recording_has_the_colours_of_a_terminal(recording: Recording, tmux: Tmux) -> None:
    data = recording.data.replace(FORGET_HISTORY, b"")
    coloured_rows = "\n".join(tmux.rows_of(data, colours=True)).encode()
    assert find_visible(cells_of_screen(data)) == find_visible(cells_of_screen(coloured_rows))


@pytest.mark.needs("tmux")
def test_recordings_after_each_other_are_shown_as_in_a_terminal_of_their_size() -> None:
    """Far down a log, rows that a program counts from the top of its terminal are still the right ones."""
    lines = b"".join(b"line %d\r\n" % number for number in range(300))
    data = b"\x1b[0m\r\n".join([lines, *(recording.data for recording in RECORDINGS)])
    assert rows_of_screen(data) == rows_of_tmux(data.replace(FORGET_HISTORY, b""), COLUMNS, ROWS)


def test_any_line_of_recordings_after_each_other_is_found_from_any_byte(tmp_path: Path) -> None:
    order = random.Random(13)
    data = b"\x1b[0m\r\n".join(order.choice(RECORDINGS).data for _ in range(60))
    with open_shown_log(data, tmp_path) as log:
        lines = log.lines_from(0, 100_000)
        assert trim_rows([line.text for line in lines]) == rows_of_screen(data)
        offsets = [line.offset for line in lines]
        for _ in range(60):
            offset = order.randrange(len(data))
            first = bisect_right(offsets, offset) - 1
            assert log.lines_from(offset, 5) == lines[first : first + 5]
            before = log.lines_before(offset, 5)
            last = bisect_left(offsets, offset)
            assert before == lines[last - len(before) : last]


@each("recording", RECORDINGS, ids=lambda recording: recording.name)
def test_a_recording_is_shown_the_same_however_it_arrives(recording: Recording) -> None:
    data = recording.data[-8192:]
    assert rows_of_screen([data[at : at + 7] for at in range(0, len(data), 7)]) == rows_of_screen(data)


@pytest.mark.needs("tmux")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.needs(*programs)) for name, programs in REMADE.items()]
)
def test_a_program_that_runs_now_is_shown_as_in_a_terminal(name: str, tmux: Tmux, tmp_path: Path) -> None:
    _, data = run(SCENARIOS[name], tmp_path)
    assert len(data) > 100
    assert rows_of_screen(data) == expected_rows(tmux, data)


def test_every_recording_names_its_program_version_and_size() -> None:
    assert {recording.name for recording in RECORDINGS} == set(SCENARIOS)
    assert all(recording.program and recording.version and recording.command for recording in RECORDINGS)
    assert {(recording.columns, recording.rows) for recording in RECORDINGS} == {(COLUMNS, ROWS)}
