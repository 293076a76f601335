"""An agent that runs from a copy starts every supervisor from that copy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from testbed.waiting import DEADLINE_S

from flow_core.agent.agent_copy import COPY_FAILED, get_agent_name, provide_copy
from flow_core.agent.agent_copy_cleanup import remove_unused_agent_copies
from flow_core.agent.calls import AgentCalls
from flow_core.agent.layout import Layout
from flow_core.agent.private_folders import make_private_folder

FROM_COPY = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from flow_core.agent import agent_copy
from flow_core.agent.refusals import Refused
if sys.argv[3:]:
    agent_copy._content()
    (Path(agent_copy.__file__).parent / sys.argv[3]).unlink()
try:
    print(agent_copy.get_agent_name(), agent_copy.provide_copy(Path(sys.argv[2])))
except Refused as refused:
    print(refused.code, *refused.details.values())
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    layout = Layout(tmp_path / "machine", "local")
    layout.make()
    return layout.root


def _run_from_copy(home: Path, root: Path, *lost: str) -> str:
    command = [sys.executable, "-I", "-S", "-c", FROM_COPY, str(home), str(root), *lost]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=True).stdout.strip()


def test_a_copy_is_used_unchanged_and_marked_as_used(root):
    home = provide_copy(root)
    os.utime(home, (0, 0))
    assert _run_from_copy(home, root) == f"{get_agent_name()} {home}"
    assert home.stat().st_mtime > 0
    assert list((root / "bin").iterdir()) == [home]


def test_another_machine_folder_gets_a_copy_of_the_same_name(root, tmp_path):
    home = provide_copy(root)
    there = Layout(tmp_path / "other", "local")
    there.make()
    assert _run_from_copy(home, there.root) == f"{get_agent_name()} {there.root / 'bin' / get_agent_name()}"
    assert _run_from_copy(there.root / "bin" / get_agent_name(), there.root).startswith(get_agent_name())


def test_a_copy_that_lost_a_file_is_not_rebuilt_from_itself(root):
    home = provide_copy(root)
    assert _run_from_copy(home, root, "spool.py").startswith(f"{COPY_FAILED} {home} this process runs from there")
    assert (home / "flow_core" / "agent" / "layout.py").exists()


def test_a_long_running_process_keeps_its_copy(root):
    home = provide_copy(root)
    calls = AgentCalls(str(root))
    os.utime(home, (0, 0))
    calls.touch_agent_copy()
    remove_unused_agent_copies(root, "agent-another")
    assert home.exists()
    os.utime(home, (0, 0))
    calls.touch_agent_copy()  # at most once an hour
    assert home.stat().st_mtime == 0


def test_a_partial_copy_of_a_killed_process_is_removed_after_a_day(root):
    old, young = (root / "bin" / f".{get_agent_name()}-{number}" for number in (1, 2))
    for folder in (old, young):
        make_private_folder(folder)
    os.utime(old, (0, 0))
    remove_unused_agent_copies(root, get_agent_name())
    assert list((root / "bin").iterdir()) == [young]
