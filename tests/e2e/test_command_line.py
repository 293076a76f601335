"""What the program says where there is no dashboard to show it on."""

from __future__ import annotations

import subprocess
import sys

import pytest
from testbed.waiting import DEADLINE_S

import flow_core


def flow_tui(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flow_tui", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


@pytest.mark.parametrize("arguments", [("--no-such-option",), ("unexpected",), ("--context",)])
def test_unknown_arguments_are_one_line_and_exit_2(run_environment: dict[str, str], arguments: tuple[str, ...]) -> None:
    ended = flow_tui(run_environment, *arguments)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1


def test_without_a_terminal_it_says_so_in_one_line(run_environment: dict[str, str]) -> None:
    ended = flow_tui(run_environment)
    assert ended.returncode != 0
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1
    assert "terminal" in ended.stderr


def test_the_version_is_that_of_the_package(run_environment: dict[str, str]) -> None:
    ended = flow_tui(run_environment, "--version")
    assert (ended.returncode, ended.stdout.split()[-1]) == (0, flow_core.__version__)


def test_help_names_every_option(run_environment: dict[str, str]) -> None:
    ended = flow_tui(run_environment, "--help")
    assert ended.returncode == 0
    for option in ("--read-only", "--version", "--help"):
        assert option in ended.stdout


def test_help_and_version_load_no_textual(run_environment: dict[str, str]) -> None:
    script = (
        "import sys; sys.argv = ['flow-tui', '--help']\n"
        "from flow_tui.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('textual' in sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env=run_environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    assert ended.stderr.strip() == "False"
