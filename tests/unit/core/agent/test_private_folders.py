"""New folders are private, whatever the umask is, and one function makes them."""

from __future__ import annotations

import ast
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed.places import ROOT
from testbed.source_files import FILES

from flow_core.agent.private_folders import make_private_folder

OTHER_PEOPLES_FOLDERS = {
    "flow_core/agent/s3/address_download.py": "containers may read downloaded files as any user",
    "flow_core/emulator/nodes/first_boot_disk.py": "a machine's own file system",
    "flow_core/emulator/nodes/pid1/isolate.py": "a machine's own file system",
    "flow_core/emulator/nodes/machine.py": "a machine's own file system",
    "flow_core/emulator/nodes/host_programs.py": "a machine's own file system",
    "flow_core/agent/supervisor/namespace.py": "a mount point in the task's own file system",
}


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


def test_no_other_code_makes_parents() -> None:
    found = {str(file.relative_to(ROOT)) for file in FILES if _makes_parents(file.read_text(encoding="utf-8"))}
    assert found == set(OTHER_PEOPLES_FOLDERS)


def _makes_parents(text: str) -> bool:
    if "makedirs" not in text and "parents=" not in text:
        return False
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return any(
        ast.unparse(call.func) == "os.makedirs" or any(keyword.arg == "parents" for keyword in call.keywords)
        for call in calls
    )
