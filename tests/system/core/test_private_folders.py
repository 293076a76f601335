"""Nothing that the program writes can be read or changed by others, whatever the umask is."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed.waiting import DEADLINE_S

WRITES = """
import os, sys
import flow_core, flow_core.fleet, flow_core.models.task_sources
from flow_core.audit import AuditLog
from flow_core.client.asciicast_writer import AsciicastWriter
from flow_core.config import state_dir
from flow_core.providers.mithril.private_keys import store_key
from flow_tui.crash_report import write_report

def write_everything(home, first):
    os.environ["HOME"] = home
    eval(first)
    with flow_core.Flow() as flow:
        task = flow.submit("echo done")
        task.wait()
        flow.create_volume(1, name="data")
    AsciicastWriter.start("train", 80, 24, "train").close()
    write_report(ValueError("broken"))
    store_key(state_dir() / "mithril" / "account", "key_1", "secret")
    sys.exit()

for home, first in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
    child = os.fork()
    if child == 0:
        write_everything(home, first)
    assert os.waitpid(child, 0)[1] == 0, first
"""
FIRST = (
    "AuditLog().check()",
    "AsciicastWriter.start('a', 80, 24, 'a').close()",
    "write_report(ValueError())",
    "None",
)


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_whatever_writes_first_makes_all_parents_private(tmp_path: Path) -> None:
    homes = {tmp_path / f"home{number}": first for number, first in enumerate(FIRST)}
    for home in homes:
        home.mkdir(mode=0o755)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("FLOW_", "XDG_"))}
    arguments = [str(word) for pair in homes.items() for word in pair]
    command = [sys.executable, "-c", WRITES, *arguments]
    subprocess.run(command, env=environment, cwd=tmp_path, check=True, timeout=DEADLINE_S)
    for home, first in homes.items():
        made = [path for path in home.rglob("*") if not path.is_symlink()]
        assert home / ".local" / "state" in made or sys.platform != "linux", first
        assert [path for path in made if stat.S_IMODE(path.stat().st_mode) & 0o077] == [], first
