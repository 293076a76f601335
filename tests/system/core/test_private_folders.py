"""Nothing that the program makes can be read or changed by others, whatever the umask is."""

from __future__ import annotations

import ast
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed.waiting import DEADLINE_S

from flow_core.agent.private_folders import make_private_folder

PACKAGES = [Path(__import__(name).__file__).parent for name in ("flow_core", "flow_tui")]
OTHER_PEOPLES_FOLDERS = {
    "flow_core/agent/s3/transfer.py": "containers may read downloaded files as any user",
    "flow_core/emulator/nodes/disk.py": "a machine's own file system",
    "flow_core/emulator/nodes/pid1/isolate.py": "a machine's own file system",
    "flow_core/emulator/nodes/machine.py": "a machine's own file system",
    "flow_core/emulator/nodes/programs.py": "a machine's own file system",
    "flow_core/agent/supervisor/namespace.py": "a mount point in the task's own file system",
}

WRITES = """
import flow_core, flow_core.fleet
from pathlib import Path
from flow_core.audit import AuditLog
from flow_core.client import asciicast
from flow_core.config import state_dir
from flow_core.providers.mithril.private_keys import keep
from flow_tui.crash_report import write_report

{first}
with flow_core.Flow() as flow:
    task = flow.submit("echo done")
    task.wait()
    flow.create_volume(1, name="data")
asciicast.Writer.start("train", 80, 24, "train").close()
write_report(ValueError("broken"))
keep(state_dir() / "mithril" / "account", "key_1", "secret")
"""


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_every_missing_parent_is_private_and_those_that_exist_keep_their_modes(tmp_path: Path) -> None:
    above = tmp_path / "above"
    above.mkdir(mode=0o755)
    make_private_folder(above / "one" / "two" / "three")
    make_private_folder(above / "one" / "two" / "three")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (above, *sorted(above.rglob("*")))]
    assert modes == [0o755, 0o700, 0o700, 0o700]


@pytest.mark.usefixtures("open_umask")
@pytest.mark.parametrize(
    "first",
    ["AuditLog().check()", "asciicast.Writer.start('a', 80, 24, 'a').close()", "write_report(ValueError())", ""],
)
def test_whatever_writes_first_makes_all_parents_private(tmp_path: Path, first: str) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("FLOW_", "XDG_"))}
    subprocess.run(
        [sys.executable, "-c", WRITES.format(first=first)],
        env={**environment, "HOME": str(home)},
        cwd=tmp_path,
        check=True,
        timeout=DEADLINE_S,
    )
    made = [path for path in home.rglob("*") if not path.is_symlink()]
    assert home / ".local" / "state" in made or sys.platform != "linux"
    assert [path for path in made if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_no_other_code_makes_parents() -> None:
    found = {
        str(file.relative_to(package.parent))
        for package in PACKAGES
        for file in package.rglob("*.py")
        if _makes_parents(ast.parse(file.read_text(encoding="utf-8")))
    }
    assert found == set(OTHER_PEOPLES_FOLDERS)


def _makes_parents(tree: ast.Module) -> bool:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return any(
        ast.unparse(call.func) == "os.makedirs" or any(keyword.arg == "parents" for keyword in call.keywords)
        for call in calls
    )
