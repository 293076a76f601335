"""Records real programs under a pseudo-terminal. `python -m testbed.recordings.record [NAME...]` stores them anew.

Run it with PYTHONPATH=tests, and with FLOW_RECORD_PYTHON as a Python that has the packages of `python_scenarios`.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from testbed.pty_screen import Screen
from testbed.recordings import (
    build_scenarios,
    container_scenarios,
    package_scenarios,
    python_scenarios,
    screen_scenarios,
    transfer_scenarios,
)
from testbed.recordings.scenario import PROGRAMS, Scenario, Workspace
from testbed.waiting import DEADLINE_S

COLUMNS, ROWS = 200, 50
STORED = Path(__file__).parent / "stored"
_COMPRESSED_FROM = 32 << 10
_FOLDER = Path("/tmp/rec")
_GROUPS = (
    python_scenarios,
    package_scenarios,
    transfer_scenarios,
    build_scenarios,
    screen_scenarios,
    container_scenarios,
)
SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for group in _GROUPS for scenario in group.SCENARIOS}
_VERSION = re.compile(r"\d+(?:\.\d+)+[\w+.-]*")


@dataclass(frozen=True)
class Recording:
    """What a program wrote to a terminal. `command` is what was run, without the folders of the machine."""

    name: str
    program: str
    version: str
    columns: int
    rows: int
    command: str
    exit_code: int
    data: bytes

    def store(self) -> None:
        facts = asdict(self)
        data = facts.pop("data")
        STORED.mkdir(exist_ok=True)
        for old in STORED.glob(f"{self.name}.*"):
            old.unlink()
        (STORED / f"{self.name}.json").write_text(json.dumps(facts, indent=2) + "\n")
        if len(data) > _COMPRESSED_FROM:
            (STORED / f"{self.name}.out.gz").write_bytes(gzip.compress(data, mtime=0))
        else:
            (STORED / f"{self.name}.out").write_bytes(data)


def load_recordings() -> list[Recording]:
    """Returns the stored recordings in the order of their names."""
    return [_load(file) for file in sorted(STORED.glob("*.json"))]


def _load(file: Path) -> Recording:
    packed = file.with_suffix(".out.gz")
    data = gzip.decompress(packed.read_bytes()) if packed.exists() else file.with_suffix(".out").read_bytes()
    return Recording(**json.loads(file.read_text()), data=data)


def record(scenario: Scenario, folder: Path, python: str = sys.executable) -> Recording:
    """Runs the program in the folder, which must be empty. It gets none of the variables of this process but PATH."""
    exit_code, data = run(scenario, folder, python)
    found = _VERSION.search(_read_version(scenario, folder, python))
    shown = scenario.command.replace("{programs}/", "").format_map(_Placeholders())
    version = found[0] if found else ""
    return Recording(scenario.name, scenario.program, version, COLUMNS, ROWS, shown, exit_code, data)


def run(scenario: Scenario, folder: Path, python: str = sys.executable) -> tuple[int, bytes]:
    """Runs the program as `record` does. Returns its exit status and what it wrote to the terminal."""
    with (
        _prepare(scenario, folder, python) as command,
        Screen(_argv(command, scenario, folder, python), columns=COLUMNS, rows=ROWS) as screen,
    ):
        exit_code = screen.wait_exit(2 * DEADLINE_S)
        data = bytes(screen.raw)
    assert exit_code in scenario.exit_codes, f"{command}: exit status {exit_code}\n{data.decode(errors='replace')}"
    return exit_code, data


class _Placeholders(dict[str, str]):
    """The values of a command as it is stored: names instead of paths and addresses."""

    def __missing__(self, name: str) -> str:
        return name


@contextmanager
def _prepare(scenario: Scenario, folder: Path, python: str) -> Iterator[str]:
    with scenario.prepare(Workspace(folder, python)) as values:
        shutil.copytree(PROGRAMS, folder / "programs")  # tracebacks hold the path
        yield scenario.command.format_map({"python": python, "programs": "programs", **values})


def _argv(command: str, scenario: Scenario, folder: Path, python: str) -> list[str]:
    home = folder / "home"
    home.mkdir(exist_ok=True)
    env = {
        "PATH": f"{Path(python).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LC_ALL": "C.UTF-8",
        "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(Path.home() / ".rustup")),
        **dict(scenario.env),
    }
    return ["env", "-i", "-C", str(folder), *(f"{name}={value}" for name, value in env.items()), "sh", "-c", command]


def _read_version(scenario: Scenario, folder: Path, python: str) -> str:
    argv = _argv(scenario.version.format(python=python), scenario, folder, python)
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=DEADLINE_S, check=False)
    return done.stdout.decode(errors="replace")


def find_private_words(data: bytes) -> list[str]:
    """Returns what must not be published: names of this machine, its registries and its folders."""
    words = {socket.gethostname(), str(Path.home()), str(Path(__file__).parents[4]), "/.pyenv/"}
    words |= set(re.findall(r"https?://([^/\s'@]+)", _pip_settings()))
    return sorted(word for word in words if len(word) > 1 and word.encode() in data)


def _pip_settings() -> str:
    argv = [sys.executable, "-m", "pip", "config", "list"]
    return subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE_S, check=False).stdout


def main(names: list[str]) -> int:
    python = os.environ.get("FLOW_RECORD_PYTHON", sys.executable)
    failed = 0
    for name in names or SCENARIOS:
        folder = _FOLDER / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            recording = record(SCENARIOS[name], folder, python)
            assert not (found := find_private_words(recording.data)), f"names of this machine: {found}"
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            failed += 1
            print(f"{name}: {error}", file=sys.stderr)
        else:
            recording.store()
            print(f"{name}: {recording.program} {recording.version}, {len(recording.data)} bytes")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
