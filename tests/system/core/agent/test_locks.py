"""Locks of both kinds: at most one holder, and a dead holder loses the lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed.waiting import DEADLINE_S

from flow_core.agent.locks import is_locked, release, try_lock

COUNT = """
import sys
from pathlib import Path
from flow_core.agent.locks import exclusive_lock
counter = Path(sys.argv[1]) / "counter"
for _ in range(20):
    with exclusive_lock(Path(sys.argv[1]) / "lock"):
        counter.write_text(str(int(counter.read_text()) + 1))
"""

HOLD = """
import sys, time
from pathlib import Path
from flow_core.agent.locks import try_lock
print(try_lock(Path(sys.argv[1])), flush=True)
time.sleep(1000)
"""


@pytest.fixture(params=["flock", "link"], autouse=True)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FLOW_LOCKS", request.param)
    return str(request.param)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Yield another process, which holds the lock."""
    process = _start(HOLD, tmp_path / "lock", stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().strip().isdigit()
    yield process
    process.kill()
    process.communicate()


def _start(code: str, argument: Path, stdout: int | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, str(argument)], stdout=stdout, text=True)


def test_one_process_at_a_time_holds_it(tmp_path: Path) -> None:
    (tmp_path / "counter").write_text("0")
    others = [_start(COUNT, tmp_path) for _ in range(3)]
    assert [other.wait(DEADLINE_S) for other in others] == [0] * 3
    assert (tmp_path / "counter").read_text() == "60"
    assert {path.name for path in tmp_path.iterdir()} <= {"counter", "lock"}, "no other file is left"


def test_a_stopped_process_holds_it_until_it_is_killed(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    assert try_lock(tmp_path / "lock") is None
    os.kill(holder.pid, signal.SIGSTOP)
    assert is_locked(tmp_path / "lock")
    assert try_lock(tmp_path / "lock") is None
    holder.kill()
    holder.wait()
    assert not is_locked(tmp_path / "lock")
    fd = try_lock(tmp_path / "lock")
    assert fd is not None
    release(fd)


@pytest.mark.needs("linux")
def test_a_process_that_inherited_it_holds_it(tmp_path: Path) -> None:
    fd = try_lock(tmp_path / "lock")
    assert fd is not None
    child = subprocess.Popen(["sleep", "1000"], pass_fds=[fd])
    os.close(fd)
    assert is_locked(tmp_path / "lock")
    assert try_lock(tmp_path / "lock") is None
    child.kill()
    child.wait()
    assert not is_locked(tmp_path / "lock")
