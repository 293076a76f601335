"""Starts with one identity show the same contexts in the same colours."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed.tables import each

from flow_tui.last_screen.start_identity import StartIdentity

ENVIRON = {"HOME": "/home/u", "TERM": "xterm-256color", "COLORTERM": "truecolor", "MITHRIL_API_KEY": "fkey_secret"}


def path(*argv: str, columns: int = 80, rows: int = 24, **environ: str) -> str:
    return StartIdentity(argv, ENVIRON | environ).screen_path(columns, rows)


def test_the_same_start_has_the_same_path_which_contains_no_secret() -> None:
    assert path("--theme", "x") == path("--theme", "x", PS1="$ ")
    assert "secret" not in path()
    assert path().startswith("/home/u/")


@each(
    "argv, environ",
    [
        (("--read-only",), {}),
        (("--context", "lab"), {}),
        (("--theme", "flow-light"), {}),
        (("--config", "other.yaml"), {}),
        ((), {"FLOW_CONFIG": "other.yaml"}),
        ((), {"FLOW_SLURM": "login"}),
        ((), {"MITHRIL_API_KEY": "fkey_other"}),
        ((), {"COLORTERM": ""}),
        ((), {"TERM": "xterm"}),
        ((), {"NO_COLOR": "1"}),
    ],
)
def test_other_arguments_and_settings_are_another_start(argv: tuple[str, ...], environ: dict[str, str]) -> None:
    assert path(*argv, **environ) != path()


def test_another_size_and_another_working_directory_are_another_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path()
    assert path(columns=81) != before
    assert path(rows=25) != before
    monkeypatch.chdir(tmp_path)
    assert path() != before
