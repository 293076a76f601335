"""What real programs wrote to a terminal is shown as tmux shows it, row by row."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed.recordings.record import SCENARIOS, Recording, load_recordings, record
from testbed.shown_rows import rows_of_log, rows_of_screen
from testbed.terminal_truth import Tmux

pytestmark = pytest.mark.needs("tmux")

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
FORGET_HISTORY = b"\x1b[3J"


def expected_rows(tmux: Tmux, data: bytes) -> list[str]:
    """The rows of tmux. Cleared text stays in a log as history, so tmux gets nothing that clears its history."""
    return tmux.rows_of(data.replace(FORGET_HISTORY, b""))


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.name)
def test_a_recording_is_shown_as_in_a_terminal(recording: Recording, tmux: Tmux, tmp_path: Path) -> None:
    expected = expected_rows(tmux, recording.data)
    assert rows_of_screen(recording.data) == expected
    assert rows_of_log(recording.data, tmp_path) == expected


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.name)
def test_a_recording_is_shown_the_same_however_it_arrives(recording: Recording) -> None:
    data = recording.data[-8192:]
    assert rows_of_screen([data[at : at + 7] for at in range(0, len(data), 7)]) == rows_of_screen(data)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.needs(*programs)) for name, programs in REMADE.items()]
)
def test_a_program_that_runs_now_is_shown_as_in_a_terminal(name: str, tmux: Tmux, tmp_path: Path) -> None:
    data = record(SCENARIOS[name], tmp_path).data
    assert len(data) > 100
    assert rows_of_screen(data) == expected_rows(tmux, data)


def test_every_recording_names_its_program_version_and_size() -> None:
    assert {recording.name for recording in RECORDINGS} == set(SCENARIOS)
    assert all(recording.program and recording.version and recording.command for recording in RECORDINGS)
    assert {(recording.columns, recording.rows) for recording in RECORDINGS} == {(200, 50)}
