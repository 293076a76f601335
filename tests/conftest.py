"""What every test may rely on: a private home and state directory, and the marker for what a laptop may lack."""

from __future__ import annotations

import gc
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from testbed.local_tasks import end_tasks
from testbed.properties import load_property_settings, seed_property_tests
from testbed.pythons import pythons
from testbed.sshd import find_sshd
from testbed.waiting import DEADLINE_S, TEST_LIMIT_S

load_property_settings()

STRICT = os.environ.get("FLOW_TEST_STRICT") == "1"

for number, usual in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(number) is signal.SIG_IGN:  # as in the background, and under nohup
        signal.signal(number, usual)


def _namespaces() -> bool:
    """Whether a process may mount something only for itself; root may do so where others may not."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return _unshares(*user, "--mount", "sh", "-c", "mount --bind / /")


def _user_namespaces() -> bool:
    """Whether whoever runs the tests may be root of a small system of its own."""
    mount = ("mount", "-t", "proc", "proc", "/proc")
    return _unshares("--user", "--map-root-user", "--mount", "--pid", "--fork", *mount)


def _unshares(*words: str) -> bool:
    unshare = shutil.which("unshare")
    if sys.platform != "linux" or unshare is None:
        return False
    attempt = subprocess.run(
        [unshare, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=DEADLINE_S, check=False
    )
    return attempt.returncode == 0


def _has_all(*programs: str) -> bool:
    return all(shutil.which(program) for program in programs)


def _has_cluster(*programs: str) -> bool:
    """Whether these programs of Slurm are installed, and whoever runs the tests may start them for itself."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    found = os.geteuid() == 0 and all(shutil.which(program, path=path) for program in programs)
    return found and _unshares("--pid", "--mount", "--uts", "--fork", "--mount-proc", "true")


_PRESENT: dict[str, Callable[[], bool]] = {
    "linux": lambda: sys.platform == "linux",
    "root": lambda: os.geteuid() == 0,
    "namespaces": _namespaces,
    "user-namespaces": _user_namespaces,
    "pyghostty": lambda: importlib.util.find_spec("pyghostty") is not None,
    "tcsh": lambda: _has_all("tcsh"),
    "tmux": lambda: shutil.which("tmux") is not None,
    "pip": lambda: importlib.util.find_spec("pip") is not None,
    "git": lambda: _has_all("git"),
    "ninja": lambda: _has_all("ninja"),
    "npm": lambda: _has_all("npm"),
    "rsync": lambda: _has_all("rsync"),
    "wget": lambda: _has_all("wget"),
    "podman": lambda: _has_all("podman", "busybox"),
    "docker": lambda: os.geteuid() == 0 and _has_all("dockerd", "docker", "busybox"),
    "cc": lambda: _has_all("cc"),
    "bash": lambda: _has_all("bash"),
    "busybox": lambda: _has_all("busybox"),
    "dash": lambda: _has_all("dash"),
    "vi": lambda: shutil.which("vi") is not None,
    "htop": lambda: shutil.which("htop") is not None,
    "less": lambda: shutil.which("less") is not None,
    "ssh": lambda: _has_all("ssh", "scp", "sftp"),
    "sshd": lambda: find_sshd() is not None and _has_all("ssh", "ssh-agent", "ssh-add"),
    "slurm": lambda: _has_cluster("munged", "slurmctld", "slurmd", "sbatch"),
    "slurm-accounting": lambda: _has_cluster("slurmctld", "slurmdbd", "mariadbd", "sacctmgr"),
    "slurm-rest": lambda: _has_cluster("slurmrestd"),
    "openapi": lambda: bool(os.environ.get("FLOW_MITHRIL_OPENAPI")),
    "pythons": lambda: {(3, 8), (3, 9)} <= pythons().keys(),
    "ssh-keygen": lambda: shutil.which("ssh-keygen") is not None,
}


@cache
def _has(what: str) -> bool:
    return _PRESENT[what]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    seed_property_tests(items)
    limit_s = config.getoption("timeout") or TEST_LIMIT_S
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(limit_s, method="signal"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        for what in mark.args:
            if what not in _PRESENT:
                pytest.fail(f"needs({what!r}): known are {', '.join(_PRESENT)}", pytrace=False)
            if not _has(what):
                refuse = pytest.fail if STRICT else pytest.skip
                refuse(f"this machine has no {what}")


_MEMORY_FOLDER = Path("/dev/shm")
_TEMPORARY_BYTES = 4 << 30
"""Several times what the tests leave in their temporary directories."""

_environment: dict[str, str] = {}
"""The environment before the first test."""


def _environment_now() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def pytest_configure() -> None:
    """Keeps temporary files in memory where there is enough of it: each record that a task writes is synced to disk."""
    if "PYTEST_DEBUG_TEMPROOT" not in os.environ and _free_bytes(_MEMORY_FOLDER) > _TEMPORARY_BYTES:
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(_MEMORY_FOLDER)


def _free_bytes(folder: Path) -> int:
    if not os.access(folder, os.W_OK):
        return 0
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def pytest_collection_finish() -> None:
    """Notes the environment, and lets the garbage collector look less often, and never at what was imported."""
    _environment.update(_environment_now())
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """No module leaves a changed environment to the tests of another."""
    yield
    if nextitem is not None and nextitem.path == item.path:
        return
    changed = sorted({name for name, _ in _environment.items() ^ _environment_now().items()})
    for name in changed:
        os.environ.pop(name, None)
    os.environ.update(_environment)
    assert not changed, f"the environment was left changed: {', '.join(changed)}"


@pytest.fixture(autouse=True)
def _own_directories(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test reads or writes the files of whoever runs it, or leaves a task behind."""
    home = tmp_path_factory.mktemp("home")
    for name in ("FLOW_CONTEXT", "FLOW_CONFIG", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("FLOW_STATE_DIR", str(home / "state"))
    monkeypatch.setenv("FLOW_SLURM", "none")  # the machine of the tests may have Slurm's commands
    yield
    end_tasks(home / "state")


@pytest.fixture
def home() -> Path:
    return Path(os.environ["HOME"])
