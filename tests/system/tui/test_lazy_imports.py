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
