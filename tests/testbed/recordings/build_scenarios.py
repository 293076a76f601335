"""Compilers and test runners."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from testbed.recordings.scenario import Scenario, Values, Workspace

_TEST_FILE = """
import time
import warnings
import pytest

@pytest.mark.parametrize("count", range(20))
def test_adds(count):
    time.sleep(0.005)
    if count == 7:
        warnings.warn("slow")
    if count == 9:
        pytest.skip("no GPU")
    assert count != 13, "unlucky"
"""


@contextmanager
def _ninja_files(workspace: Workspace) -> Iterator[Values]:
    rules = "rule cc\n  command = sleep 0.01 && touch $out && $extra\n  description = CC $out\n"
    builds = [f"build out{number}.o: cc\n  extra = true\n" for number in range(24)]
    builds[5] = "build out5.o: cc\n  extra = echo out5.c:3: warning: unused variable\n"
    (workspace.folder / "build.ninja").write_text(rules + "".join(builds))
    yield {}


@contextmanager
def _makefile(workspace: Workspace) -> Iterator[Values]:
    names = " ".join(f"part{number}" for number in range(12))
    text = f"all: {names}\npart%:\n\t@printf 'CC %s\\r' $@; sleep 0.01; printf '\\033[32mbuilt\\033[0m %s\\n' $@\n"
    (workspace.folder / "Makefile").write_text(text)
    yield {}


@contextmanager
def _test_files(workspace: Workspace) -> Iterator[Values]:
    for name in ("test_loader.py", "test_model.py"):
        (workspace.folder / name).write_text(_TEST_FILE)
    yield {}


@contextmanager
def _crates(workspace: Workspace) -> Iterator[Values]:
    names = [f"part{number}" for number in range(6)]
    for name in [*names, "whole"]:
        source = workspace.folder / name / "src"
        source.mkdir(parents=True)
        needed = "".join(f'{part} = {{ path = "../{part}" }}\n' for part in names) if name == "whole" else ""
        manifest = f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\n{needed}'
        (workspace.folder / name / "Cargo.toml").write_text(manifest)
        (source / "lib.rs").write_text("pub fn answer() -> u32 { let unused = 1; 42 }\n")
    yield {}


SCENARIOS = (
    Scenario("ninja", "ninja", "ninja --version", "ninja -j 3 && ninja", _ninja_files),
    Scenario("make", "make", "make --version", "make -j 4", _makefile),
    Scenario(
        "pytest",
        "pytest",
        "{python} -m pytest --version",
        "{python} -m pytest -p no:cacheprovider",
        _test_files,
        exit_codes=(1,),
    ),
    Scenario(
        "pytest-xdist",
        "pytest",
        "{python} -m pytest --version",
        "{python} -m pytest -p no:cacheprovider -v -n 2",
        _test_files,
        exit_codes=(1,),
    ),
    Scenario(
        "cargo",
        "cargo",
        "cargo --version",
        "cd whole && cargo build --offline",
        _crates,
        env=(("CARGO_TERM_PROGRESS_WHEN", "always"), ("CARGO_TERM_PROGRESS_WIDTH", "120")),
    ),
)
