"""The command line of the real program: where it refuses to start, and in which words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from testbed.places import ROOT
from testbed.pty_screen import Screen
from testbed.waiting import DEADLINE_S

COMMAND = (sys.executable, "-m", "flow_tui")
CONTEXTS = "contexts:\n  lab: {provider: local}\n"


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        cwd=ROOT,
    )


def on_terminal(*arguments: str, **environment: str) -> tuple[int, str]:
    """(exit code, everything that was printed) of a program that refuses to start."""
    with Screen([*COMMAND, *arguments], {"PYTHONPATH": str(ROOT), **environment}, columns=300) as screen:
        code = screen.wait_exit(20)
        return code, bytes(screen.raw).decode()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONTEXTS, encoding="utf-8")
    return path


def test_without_a_terminal_it_says_so_in_one_line() -> None:
    ended = ran("--read-only")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "flow-tui: this needs a terminal: stdin, stdout and stderr must not be redirected\n"


@pytest.mark.parametrize("redirection", ["> out", "< /dev/null", "<&-", ">&-"])
def test_one_redirected_stream_is_enough_to_refuse(redirection: str, tmp_path: Path) -> None:
    line = f"{sys.executable} -m flow_tui {redirection}; echo code $?"
    with Screen(["sh", "-c", f"cd {tmp_path} && {line}"], {"PYTHONPATH": str(ROOT)}, columns=200) as screen:
        screen.wait_for("code 2")
        assert "flow-tui: this needs a terminal" in screen.text()


def test_a_dumb_terminal_is_refused() -> None:
    code, message = on_terminal(TERM="dumb")
    assert code == 2
    assert message.startswith("flow-tui: this terminal (TERM=dumb) can't show")
    assert message.count("\n") == 1


def test_a_config_file_that_was_named_must_exist(tmp_path: Path) -> None:
    missing = tmp_path / "none.yaml"
    assert on_terminal("--config", str(missing)) == (2, f"flow-tui: {missing}: the config file does not exist\r\n")


def test_a_context_that_nobody_configured_is_refused_with_those_there_are(config: Path) -> None:
    message = "flow-tui: no context is called 'lap'; there are: local, lab\r\n"
    assert on_terminal("--config", str(config), "--context", "lab", "--context", "lap") == (2, message)


def test_a_theme_that_is_none_is_refused_with_those_there_are(config: Path) -> None:
    code, message = on_terminal("--config", str(config), "--theme", "flow-drak")
    assert code == 2
    assert message.startswith("flow-tui: no theme is called 'flow-drak'; there are: ")
    assert "flow-dark" in message
    assert message.count("\n") == 1


def test_a_system_that_is_not_supported_is_refused_in_one_sentence() -> None:
    script = "import sys; sys.platform = 'win32'; from flow_tui.__main__ import run; sys.exit(run([]))"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode == 2
    assert ended.stderr.startswith("flow-tui: this program runs on Linux and macOS, not on win32")
    assert ended.stderr.count("\n") == 1


def test_refusing_writes_nothing_to_the_state_directory() -> None:
    ran()
    ran("--nonsense")
    assert not Path(os.environ["FLOW_STATE_DIR"]).exists()
