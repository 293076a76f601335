"""A test that hangs is ended at its limit, with the stack of every thread."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from testbed.places import ROOT
from testbed.waiting import DEADLINE_S

HUNG = """
import asyncio, threading

def wait_in_a_thread(ended):
    ended.wait()

def test_waits_for_ever():
    ended = threading.Event()
    threading.Thread(target=wait_in_a_thread, args=(ended,), daemon=True).start()
    ended.wait()

async def test_awaits_for_ever():
    await asyncio.to_thread(str)
    await asyncio.Event().wait()

def test_is_run_all_the_same():
    pass
"""


def test_a_hung_test_is_ended_with_the_stack_of_its_threads(tmp_path: Path) -> None:
    file = tmp_path / "test_hung.py"
    file.write_text(HUNG, encoding="utf-8")
    output = run_with_our_conftest(file, "--timeout=2")
    assert "2 failed, 1 passed" in output
    assert len(re.findall(r"^E +Failed: Timeout \(>2\.0s\) from pytest-timeout", output, re.M)) == 2
    # Before and after the stacks of the other threads of each test. Where Python buffers stdout, they come before the
    # failures, else among them.
    assert output.count("+ Timeout +") == 4
    sync, asynchronous = output.split("test_awaits_for_ever", 1)
    assert "in wait_in_a_thread" in output
    assert re.search(r"^>? +ended\.wait\(\)", sync, re.M)
    assert "self._selector.select" in asynchronous  # where the loop waits; no thread is at the line of the test


def run_with_our_conftest(file: Path, *options: str) -> str:
    """What pytest says about a file elsewhere, with the settings and the conftest of these tests."""
    command = [sys.executable, "-m", "pytest", "-c", f"{ROOT}/pyproject.toml", f"--rootdir={file.parent}"]
    plugins = ("pytest_timeout", "pytest_asyncio.plugin", "conftest", "no:cacheprovider")
    env = os.environ | {"PYTHONPATH": f"{ROOT}/tests:{ROOT}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ended = subprocess.run(
        [*command, *(f"-p{plugin}" for plugin in plugins), *options, file],
        cwd=file.parent,
        env=env,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return ended.stdout + ended.stderr
