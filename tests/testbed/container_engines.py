"""podman and docker for the tests: real ones, with storage and an image of their own, no part of the machine's."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from testbed.command_lines import read_command_line
from testbed.waiting import DEADLINE_S

from flow_core.agent.processes.table import iter_variable
from flow_core.models.task import TaskRecord

IMAGE = "flow-test:1"
# Small enough for machines that are containers themselves and can't raise their own limits.
_PODMAN_LIMITS = '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n'
_DOCKER_LIMITS = ("--default-ulimit", "nofile=1024:1024")
_DOCKER_ALONE = ("--bridge=none", "--iptables=false", "--ip6tables=false", "--storage-driver=vfs")


class RealEngine(NamedTuple):
    """One engine; `env` leads its client, and so our code, to the storage of the tests."""

    name: str
    env: dict[str, str]

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [self.name, *words],
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def containers(self, task_id: str = "") -> list[str]:
        """The names of a task's containers, or of all; those that ended too."""
        return [name for name in self.run("ps", "--all", "--format", "{{.Names}}").split() if task_id in name]

    def remove_all(self) -> None:
        for container in self.containers():
            self.run("rm", "--force", container)


@contextmanager
def podman() -> Iterator[RealEngine]:
    with _short_folder() as folder:
        env = _configured_podman(folder)
        engine = RealEngine("podman", env)
        _import_image(engine, folder)
        yield engine
        engine.remove_all()
        if os.geteuid() != 0:  # files of users that only podman can be, and the process that keeps them
            engine.run("unshare", "rm", "-rf", f"{folder}/containers")
            engine.run("system", "migrate")


@contextmanager
def docker() -> Iterator[RealEngine]:
    """An engine that was started for the tests alone; needs root."""
    with _short_folder() as folder:
        address = f"unix://{folder}/sock"
        places = [f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
        argv = ["dockerd", "--host", address, *places, *_DOCKER_ALONE, *_DOCKER_LIMITS]
        with open(folder / "log", "wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as daemon:
            try:
                engine = RealEngine("docker", {"DOCKER_HOST": address, "DOCKER_CONFIG": str(folder)})
                _await_answer(engine, daemon, folder / "log")
                _import_image(engine, folder)
                yield engine
                engine.remove_all()
            finally:
                daemon.terminate()
                daemon.wait(30)
                subprocess.run(["umount", f"{folder}/exec/netns/default"], capture_output=True, check=False)


ENGINES = {"podman": podman, "docker": docker}


def find_processes(task: TaskRecord, command: bytes) -> list[int]:
    """The processes inside a task's containers that were called so: without the engine, whose answer takes longer."""
    called = (pid for pid, task_id in iter_variable("FLOW_TASK_ID") if task_id == task.task_id)
    return [pid for pid in called if read_command_line(pid).rstrip(b"\0").replace(b"\0", b" ") == command]


def _configured_podman(folder: Path) -> dict[str, str]:
    runtime = '[engine]\nruntime = "runc"\n' if shutil.which("runc") else ""
    storage = f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n'
    registries = 'unqualified-search-registries = []\n[[registry]]\nlocation = "127.0.0.1"\ninsecure = true\n'
    env = {}
    for name, text in (
        ("CONTAINERS_CONF", _PODMAN_LIMITS + runtime),
        ("CONTAINERS_STORAGE_CONF", storage),
        ("CONTAINERS_REGISTRIES_CONF", registries),
    ):
        path = folder / name.lower()
        path.write_text(text)
        env[name] = str(path)
    if os.geteuid() != 0:
        (folder / "runtime").mkdir(mode=0o700)
        env |= {"XDG_DATA_HOME": str(folder), "XDG_RUNTIME_DIR": str(folder / "runtime")}
    return env


def _import_image(engine: RealEngine, folder: Path) -> None:
    """The one program of the image, under each of its names."""
    root, busybox = folder / "root", shutil.which("busybox")
    assert busybox is not None
    for name in ("bin", "tmp", "etc", "proc", "sys", "dev"):
        (root / name).mkdir(parents=True)
    shutil.copy(busybox, root / "bin" / "busybox")
    for name in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if name != "busybox":
            (root / "bin" / name).symlink_to("busybox")
    archive = shutil.make_archive(str(folder / "image"), "tar", root)
    engine.run("import", archive, IMAGE)


def _await_answer(engine: RealEngine, daemon: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            engine.run("info", "--format", "{{.ServerVersion}}")
        except AssertionError:
            assert daemon.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        else:
            return


@contextmanager
def _short_folder() -> Iterator[Path]:
    """Sockets lie in it, whose paths may not be long."""
    folder = Path(tempfile.mkdtemp(prefix="flow-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
