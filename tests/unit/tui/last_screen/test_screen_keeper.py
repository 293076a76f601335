"""A screen is written when it has changed, and at the end in any case."""

from __future__ import annotations

from pathlib import Path

import pytest

from flow_tui.last_screen.screen_file import read_screen
from flow_tui.last_screen.screen_keeper import ScreenKeeper
from flow_tui.last_screen.start_identity import StartIdentity

ROWS = [[("1", "header")], [("", "one")]]


@pytest.fixture
def identity(tmp_path: Path) -> StartIdentity:
    return StartIdentity([], {"FLOW_STATE_DIR": str(tmp_path / "state")})


def test_an_unchanged_screen_is_written_again_only_at_the_end(identity: StartIdentity, tmp_path: Path) -> None:
    keeper, file = ScreenKeeper(identity, tmp_path / "config.yaml"), Path(identity.screen_path(20, 2))
    keeper.keep_if_changed(ROWS, "7", 20, 0.0)
    first = file.stat().st_ino
    keeper.keep_if_changed([list(row) for row in ROWS], "7", 20, 0.0)
    assert file.stat().st_ino == first
    keeper.keep_if_changed([*ROWS[:1], [("", "two")]], "7", 20, 0.0)
    second = file.stat().st_ino
    assert second != first
    keeper.keep([*ROWS[:1], [("", "two")]], "7", 20, 3600.0)
    assert file.stat().st_ino != second
    assert [file] == list(file.parent.iterdir())


def test_the_age_of_the_data_counts(identity: StartIdentity, tmp_path: Path) -> None:
    keeper = ScreenKeeper(identity, tmp_path / "config.yaml")
    times = []
    for age_s in (0.0, 3600.0):
        keeper.keep(ROWS, "7", 20, age_s)
        screen = read_screen(identity.screen_path(20, 2), 2)
        assert screen is not None
        times.append(screen.kept_at)
    assert 3595 <= times[0] - times[1] <= 3600


def test_a_folder_that_can_not_be_written_is_ignored(identity: StartIdentity, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    ScreenKeeper(identity, tmp_path / "config.yaml").keep(ROWS, "7", 20, 0.0)
    assert read_screen(identity.screen_path(20, 2), 2) is None
