"""docs/extending.md, performed: its steps in a copy of the program, and then its last command."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from testbed.waiting import DEADLINE_S

ROOT = Path(__file__).parent.parent
STEP = re.compile(r"^(New file|In) `([^`]+)`(?:, (after|before) `([^`]+)`)?:\n\n```python\n(.*?)^```", re.M | re.S)


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("extended")
    for name in ("flow_core", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for kind, path, where, anchor, text in STEP.findall((ROOT / "docs" / "extending.md").read_text(encoding="utf-8")):
        file = copy / path
        if kind == "New file":
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
            continue
        whole = file.read_text(encoding="utf-8")
        assert whole.count(anchor) == 1, (path, anchor)
        new = f"{anchor}\n{text.rstrip()}" if where == "after" else f"{text}{anchor}"
        file.write_text(whole.replace(anchor, new), encoding="utf-8")
    return copy


def test_a_provider_is_its_folder_and_one_line(extended: Path) -> None:
    outside = [
        f"{path}:{line}"
        for path in sorted((extended / "flow_core").rglob("*.py"))
        for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(r"\btoy\b", text) and path.parent.name != "toy"
    ]
    (line,) = outside
    assert line.startswith(str(extended / "flow_core" / "providers" / "__init__.py"))


def test_the_toy_provider_passes_the_required_part_of_the_contract(extended: Path) -> None:
    ended = run(
        extended, "-m", "pytest", "-p", "no:cacheprovider", "tests/core/providers/test_contract.py", "-k", "toy"
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    passed = re.search(r"(\d+) passed", ended.stdout)
    assert passed is not None
    assert int(passed[1]) >= 15, ended.stdout


def test_the_type_checker_accepts_the_toy_provider(extended: Path) -> None:
    pytest.importorskip("mypy")
    ended = run(extended, "-m", "mypy", "--strict", "--follow-imports=silent", "flow_core/providers/toy")
    assert ended.returncode == 0, ended.stdout


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(folder / "tests")])}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
