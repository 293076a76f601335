"""What the program does not load before it is needed."""

from __future__ import annotations

import subprocess
import sys

from testbed.places import ROOT
from testbed.waiting import DEADLINE_S


def test_help_and_version_load_nothing_heavy() -> None:
    script = (
        "import sys; from flow_tui.__main__ import main\n"
        "try: main()\n"
        "finally: print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    for option in ("--help", "--version"):
        command = [sys.executable, "-c", script, option]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True, timeout=DEADLINE_S)
        assert {"textual", "rich", "pydantic", "asyncio", "yaml", "httpx"} & set(ended.stderr.split()) == set()


def test_the_form_does_not_load_pydantic_before_it_submits() -> None:
    script = "import sys, flow_tui.dialogs.submit.submit_form; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_first_paint_loads_only_cheap_modules() -> None:
    """A pin: what is added here delays the last screen at every start."""
    script = "import sys; before = set(sys.modules); import flow_tui.__main__, flow_tui.last_screen.first_paint\n"
    script += "print(*sys.modules.keys() - before)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    ours = {"__main__", "last_screen", "last_screen.first_paint", "last_screen.screen_file"}
    ours |= {"last_screen.start_identity", "tty_guard"}
    assert set(ended.stdout.split()) == {
        *("__future__", "_blake2", "gc", "termios"),
        *("flow_core", "flow_core.user_folders", "flow_tui", *(f"flow_tui.{name}" for name in ours)),
    }
