"""A fault of our own: the terminal is given back, one sentence says so, and no secret is shown or kept."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from testbed.places import ROOT
from testbed.pty_screen import Screen
from testbed.waiting import DEADLINE_S

from flow_tui.redact import HIDDEN

SECRET = "sk-secret-123"
PROGRAM = """
import asyncio, os, sys, time
from textual import work
from textual.app import App
from textual.widgets import Static
from flow_tui import crash_report
from flow_tui.crash import CrashGuard

class Small(CrashGuard, App[None]):
    def compose(self):
        yield Static("ready")
    async def on_key(self, event):
        api_key = "sk-" + "secret-123"
        if event.key == "h":
            raise KeyError(f"no {api_key} here")
        if event.key == "w":
            self.work_hard(api_key)
        if event.key == "p":
            self.panic("[b]" + api_key)
        if event.key == "t":
            self.loose = asyncio.get_running_loop().create_task(self.fail(api_key))
            await asyncio.wait([self.loose])
            del self.loose
            self.query_one(Static).update("went on")
        if event.key == "b":
            os.write(2, b"hangs")
            time.sleep(600)
        if event.key == "q":
            self.exit()
        if event.key == "e":
            self.exit()
            self.query_one("#half-there")
    @work(group="hard")
    async def work_hard(self, api_key):
        await self.fail(api_key)
    async def fail(self, api_key):
        raise RuntimeError(f"no {api_key} here")

crash_report.install()
app = Small()
app.run()
if "raise" in sys.argv:
    api_key = "sk-" + "secret-123"
    raise ValueError(api_key)
if app.crash is not None:
    crash_report.report_crash(app.crash)
    sys.exit(1)
sys.exit(app.return_code)
"""
LEFT = b"\x1b[?1049l"


@pytest.fixture
def small(tmp_path: Path) -> list[str]:
    program = tmp_path / "small.py"
    program.write_text(PROGRAM, encoding="utf-8")
    return [sys.executable, str(program)]


@pytest.fixture
def environment() -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT)}


def reports() -> list[Path]:
    return sorted((Path(os.environ["FLOW_STATE_DIR"]) / "crashes").glob("*.txt"))


def check_restored(screen: Screen) -> None:
    assert screen.raw.rfind(LEFT) > screen.raw.rfind(b"\x1b[?1049h")
    assert screen.raw.rfind(b"\x1b[?25h") > screen.raw.rfind(b"\x1b[?25l")
    assert screen.is_cooked()


def run_to_the_end(small: list[str], environment: dict[str, str], key: str) -> tuple[int, str, str]:
    """(exit code, what stood on the terminal after the dashboard left it, the only report)."""
    with Screen(small, environment) as screen:
        screen.wait_for("ready")
        screen.send(key)
        code = screen.wait_exit()
        check_restored(screen)
        assert SECRET.encode() not in screen.raw
        after = bytes(screen.raw).rpartition(LEFT)[2].decode()
    (kept,) = reports()
    assert kept.stat().st_mode & 0o777 == 0o600
    text = kept.read_text(encoding="utf-8")
    assert SECRET not in text
    return code, re.sub(r"\x1b\[[?0-9;]*[a-z]", "", after).replace("\r\n", ""), text


def test_a_fault_in_a_handler_is_one_sentence_and_a_report(small: list[str], environment: dict[str, str]) -> None:
    code, message, text = run_to_the_end(small, environment, "h")
    assert code == 1
    (kept,) = reports()
    place = f"KeyError in {Path(small[1]).parent.name}/small.py:"
    assert message.startswith(f"flow-tui crashed ({place}")
    assert message.endswith(f"; a report is in {kept}")
    assert f"KeyError: 'no {HIDDEN} here'" in text
    assert "small.py:15 in on_key" in text
    assert "textual/" in text


def test_who_leaves_while_widgets_are_being_made_leaves_without_a_fault(
    small: list[str], environment: dict[str, str]
) -> None:
    with Screen(small, environment) as screen:
        screen.wait_for("ready")
        screen.send("e")
        assert screen.wait_exit() == 0
        check_restored(screen)
    assert reports() == []


def test_a_fault_in_a_worker_is_told_as_what_it_was(small: list[str], environment: dict[str, str]) -> None:
    code, message, text = run_to_the_end(small, environment, "w")
    assert code == 1
    assert "(RuntimeError in " in message
    assert f"RuntimeError: no {HIDDEN} here" in text
    assert "in fail" in text


def test_a_panic_prints_nothing_of_what_it_was_given(small: list[str], environment: dict[str, str]) -> None:
    code, message, _ = run_to_the_end(small, environment, "p")
    assert code == 1
    assert message.startswith("flow-tui crashed (PanicError)")


def test_a_fault_that_nobody_waits_for_leaves_the_screen_alone(small: list[str], environment: dict[str, str]) -> None:
    with Screen(small, environment) as screen:
        screen.wait_for("ready")
        screen.send("t")
        screen.wait_for("went on")
        screen.send("q")
        assert screen.wait_exit() == 0
        check_restored(screen)
        assert b"secret" not in screen.raw
        assert b"Traceback" not in screen.raw
        assert b"retrieved" not in screen.raw
    (kept,) = reports()
    assert f"RuntimeError: no {HIDDEN} here" in kept.read_text(encoding="utf-8")


def test_a_fault_outside_the_app_goes_the_same_way(small: list[str], environment: dict[str, str]) -> None:
    code, message, text = run_to_the_end([*small, "raise"], environment, "q")
    assert code == 1
    assert "flow-tui crashed (ValueError in " in message
    assert f"ValueError: {HIDDEN}" in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_app_and_gives_the_terminal_back(
    small: list[str], environment: dict[str, str], number: signal.Signals
) -> None:
    with Screen(small, environment) as screen:
        screen.wait_for("ready")
        screen.signal(number)
        assert screen.wait_exit() == 128 + number
        check_restored(screen)
    assert reports() == []


def test_a_signal_ends_even_an_app_that_hangs(small: list[str], environment: dict[str, str]) -> None:
    with Screen(small, environment) as screen:
        screen.wait_for("ready")
        screen.send("b")
        screen.wait_for("hangs")
        screen.signal(signal.SIGTERM)
        assert screen.wait_exit(15) == 128 + signal.SIGTERM
        check_restored(screen)


def test_a_terminal_that_goes_away_ends_the_app_without_a_report(small: list[str], environment: dict[str, str]) -> None:
    screen = Screen(small, environment)
    screen.wait_for("ready")
    os.close(screen._fd)
    screen._fd = -1
    _, status = os.waitpid(screen.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGHUP
    assert reports() == []


def test_a_fault_before_the_app_is_loaded_needs_no_textual(environment: dict[str, str]) -> None:
    script = "from flow_tui import crash_report as c; import sys; c.install(); print('textual' in sys.modules); {}['x']"
    ended = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "False\n")
    assert ended.stderr.startswith("flow-tui crashed (KeyError in ")
    assert len(ended.stderr.splitlines()) == 1


def test_redacting_a_huge_text_takes_no_time() -> None:
    script = """
from flow_tui.redact import redact
for text in ("a" * 300_000, "a1" * 150_000, "key" * 100_000, "-----BEGIN " * 30_000, "token " * 50_000):
    redact(text)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=DEADLINE_S, cwd=ROOT)


def test_output_that_can_no_longer_be_written_does_not_change_the_exit_code(environment: dict[str, str]) -> None:
    script = "import sys\nfrom flow_tui import crash_report\ncrash_report.install()\nprint('left over')\nsys.exit(7)"
    reader, writer = os.pipe()
    os.close(reader)
    try:
        buffered = {**os.environ, **environment, "PYTHONUNBUFFERED": ""}
        ended = subprocess.run([sys.executable, "-c", script], env=buffered, stdout=writer)
    finally:
        os.close(writer)
    assert ended.returncode == 7
