"""The agent uses only the standard library of Python 3.8, and imports nothing from outside its folder."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from testbed.pythons import pythons
from testbed.tables import each
from testbed.waiting import DEADLINE_S

import flow_core.agent
from flow_core.agent.agent_copy import provide_copy
from flow_core.agent.layout import Layout

FOLDER = Path(flow_core.agent.__file__).parent
LAUNCHER = FOLDER.parent / "providers" / "hosts" / "bootstrap_main.py"  # sent to hosts together with some of these
FILES = [*sorted(FOLDER.rglob("*.py")), LAUNCHER]
WITH_BOTO3 = {"error_messages.py", "address_download.py"}  # in s3/: loaded by a program of its own that needs boto3
BOTO3 = {"boto3", "botocore", "s3transfer"}
OLDEST = (3, 8)
VERSIONS = [(3, 8), (3, 9), max({*pythons(), sys.version_info[:2]})]
LOAD_ALL = """
import importlib, pathlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import flow_core.agent
exec(compile(pathlib.Path(sys.argv.pop(2)).read_text(), "launcher", "exec"), {"__name__": "launcher"})
for found in pkgutil.walk_packages(flow_core.agent.__path__, "flow_core.agent."):
    if found.name.rpartition(".")[2] + ".py" not in sys.argv[2:]:
        importlib.import_module(found.name)
outside = [name for name in sys.modules if name.startswith("flow_core.") and not name.startswith("flow_core.agent")]
print("loaded", outside)
"""


def _imported(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"), feature_version=OLDEST)
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "absolute imports only"
            names.add(node.module or "")
    return names


@each("file", FILES, ids=lambda file: str(file.relative_to(FOLDER.parent)))
def test_a_module_imports_nothing_from_outside_the_folder(file: Path) -> None:
    allowed = sys.stdlib_module_names | (BOTO3 if file.parent.name == "s3" and file.name in WITH_BOTO3 else set())
    for name in _imported(file):
        assert name == "flow_core.agent" or name.startswith("flow_core.agent.") or name.partition(".")[0] in allowed


@pytest.mark.needs("pythons")
@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: ".".join(map(str, version)))
def test_every_module_loads_without_the_rest_of_the_project(version: tuple[int, int], tmp_path: Path) -> None:
    home = provide_copy(Layout(tmp_path / "machine", "local").root)
    command = [pythons()[version], "-I", "-S", "-W", "error", "-c", LOAD_ALL, str(home), str(LAUNCHER), *WITH_BOTO3]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert (ended.stdout, ended.stderr) == ("loaded []\n", "")
