"""docs/extending.md, performed: all its steps in one copy of the program, and then a use of what each section adds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from testbed.extended_dashboard import USES
from testbed.places import ROOT
from testbed.waiting import DEADLINE_S

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCK = r"```(?:python|yaml|markdown)\n(.*?)^```"
STEP = re.compile(rf"^(?:New file|In) `([^`]+)`(?:, (after|before) `([^`]+)`)?:\n\n{BLOCK}", re.M | re.S)


class Step(NamedTuple):
    """One change to the copy. Without `place` it is a new file; else the text goes before or after a line."""

    path: str
    place: str
    anchor: str
    text: str

    def perform(self, copy: Path) -> None:
        file = copy / self.path
        if not self.place:
            assert not file.exists(), self.path
            file.parent.mkdir(exist_ok=True)
            file.write_text(self.text, encoding="utf-8")
            return
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        found = [number for number, line in enumerate(lines) if self.anchor in line]
        assert len(found) == 1, (self.path, self.anchor)
        gap = "\n\n" if self.text.startswith(("class ", "def ")) else ""
        lines.insert(found[0] + (self.place == "after"), self.text + gap)
        file.write_text("".join(lines), encoding="utf-8")


STEPS = [Step(*found) for found in STEP.findall(PAGE)]
PYTHON_PATHS = sorted({step.path for step in STEPS if step.path.endswith(".py")})


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("extended")
    for name in ("flow_core", "flow_tui", "tests", "themes", "docs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (*ROOT.glob("*.md"), *(ROOT / name for name in ("LICENSE", "NOTICE", "pyproject.toml"))):
        shutil.copy(file, copy)
    if (ROOT / ".mypy_cache").is_dir():  # without what `make check` has found, mypy takes much longer
        shutil.copytree(ROOT / ".mypy_cache", copy / ".mypy_cache")
    (copy / "screenshots").symlink_to(ROOT / "screenshots")  # pages link to them
    for step in STEPS:
        step.perform(copy)
    return copy


def test_every_block_of_the_page_is_a_step_and_every_section_is_used() -> None:
    assert len(STEPS) == len(re.findall(BLOCK, PAGE, re.M | re.S))
    sections = [title.lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", PAGE, re.M)]
    assert sections == ["a-provider", *USES]


def test_a_provider_is_its_folder_and_one_line(extended: Path) -> None:
    (line,) = lines_with(r"\btoy\b", extended / "flow_core")
    assert line.startswith(str(extended / "flow_core" / "providers" / "__init__.py"))


def test_a_pane_is_its_folder_and_one_line(extended: Path) -> None:
    (line,) = lines_with(r"panes\.notes\b", extended / "flow_tui")
    assert line.startswith(str(extended / "flow_tui" / "panes" / "registry.py"))


def test_what_each_section_adds_works_in_the_dashboard(extended: Path) -> None:
    ended = run(extended, "-m", "testbed.extended_dashboard", *USES)
    assert ended.returncode == 0, ended.stderr


def test_the_copy_passes_the_tests_that_the_page_names(extended: Path) -> None:
    """The required part of the contract for the toy provider; who may import whom, the public names, the page of
    keys, the keymap, and the contrast of themes for all that was added."""
    project = ("test_layers.py", "test_docs.py")
    ended = run(
        extended,
        *("-m", "pytest", "-vv", "-p", "no:cacheprovider", "-k", "toy or not test_contract"),
        "tests/system/core/providers/test_contract.py",
        *(f"tests/unit/project/{name}" for name in project),
        "tests/unit/core/test_surface.py::test_the_public_names_are_these",
        *(f"tests/unit/tui/{name}" for name in ("test_keymap.py", "screens/test_layout.py", "test_themes.py")),
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    passed = re.findall(r"test_contract\.py::\S*toy\S* PASSED", ended.stdout)
    assert len(passed) >= 8, ended.stdout


def test_the_linter_and_the_type_checker_accept_the_copy(extended: Path) -> None:
    pytest.importorskip("ruff")
    pytest.importorskip("mypy")
    checked = [path for path in PYTHON_PATHS if not path.startswith("tests/")]
    for arguments in (
        ("ruff", "check", "--no-cache", *PYTHON_PATHS),
        ("ruff", "format", "--no-cache", "--check", *PYTHON_PATHS),
        ("mypy", "--strict", *checked),
    ):
        ended = run(extended, "-m", *arguments)
        assert ended.returncode == 0, ended.stdout + ended.stderr


def lines_with(pattern: str, package: Path) -> list[str]:
    """The lines that name an addition outside its own folder."""
    return [
        f"{path}:{line}"
        for path in sorted(package.rglob("*.py"))
        for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(pattern, text) and path.parent.name not in ("toy", "notes")
    ]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(folder / "tests")])}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=3 * DEADLINE_S,  # one process does what three could do
        check=False,
    )
