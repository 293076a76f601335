"""An agent that runs from a copy starts all others from that very copy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from testbed.waiting import DEADLINE_S

from flow_core.agent.agent_copies import remove_unused_copies
from flow_core.agent.agent_copy import COPY_FAILED, agent_name, provide_copy
from flow_core.agent.calls import AgentCalls
from flow_core.agent.layout import Layout
from flow_core.agent.private_folders import make_private_folder

FROM_COPY = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from flow_core.agent import own_copy
from flow_core.agent.refusals import Refused
if sys.argv[3:]:
    own_copy._content()
    (Path(own_copy.__file__).parent / sys.argv[3]).unlink()
try:
    print(own_copy.agent_name(), own_copy.provide_copy(Path(sys.argv[2])))
except Refused as refused:
    print(refused.code, *refused.details.values())
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    layout = Layout(tmp_path / "machine", "local")
    layout.make()
    return layout.root


def _ask(home: Path, root: Path, *lost: str) -> str:
    command = [sys.executable, "-I", "-S", "-c", FROM_COPY, str(home), str(root), *lost]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=True).stdout.strip()


def test_it_is_used_as_it_is_and_noted_as_used(root):
    home = provide_copy(root)
    os.utime(home, (0, 0))
    assert _ask(home, root) == f"{agent_name()} {home}"
    assert home.stat().st_mtime > 0
    assert list((root / "bin").iterdir()) == [home]


def test_another_machines_folder_gets_a_copy_of_the_same_name(root, tmp_path):
    home = provide_copy(root)
    there = Layout(tmp_path / "other", "local")
    there.make()
    assert _ask(home, there.root) == f"{agent_name()} {there.root / 'bin' / agent_name()}"
    assert _ask(there.root / "bin" / agent_name(), there.root).startswith(agent_name())


def test_one_that_lost_a_file_is_not_made_anew_from_itself(root):
    home = provide_copy(root)
    assert _ask(home, root, "spool.py").startswith(f"{COPY_FAILED} {home} it runs from there")
    assert (home / "flow_core" / "agent" / "layout.py").exists()


def test_a_process_that_goes_on_for_days_keeps_its_copy(root):
    home = provide_copy(root)
    calls = AgentCalls(str(root))
    os.utime(home, (0, 0))
    calls.touch_agent_copy()
    remove_unused_copies(root, "agent-another")
    assert home.exists()
    os.utime(home, (0, 0))
    calls.touch_agent_copy()  # not at every question
    assert home.stat().st_mtime == 0


def test_what_a_killed_one_had_begun_to_unpack_is_removed_after_a_day(root):
    old, young = (root / "bin" / f".{agent_name()}-{number}" for number in (1, 2))
    for folder in (old, young):
        make_private_folder(folder)
    os.utime(old, (0, 0))
    remove_unused_copies(root, agent_name())
    assert list((root / "bin").iterdir()) == [young]
