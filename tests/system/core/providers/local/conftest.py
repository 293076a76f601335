"""A machine of its own for each test: an empty state directory, and nothing left running."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from testbed.container_engines import ENGINES, RealEngine
from testbed.local_machine import Machine
from testbed.ssh_servers import end_servers

from flow_core.agent.records import MalformedRecord, read_json
from flow_core.agent.supervisor.process_table import list_processes, read_task_mark
from flow_core.config import Context
from flow_core.providers.local.provider import LocalProvider


@pytest.fixture
async def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Machine]:
    monkeypatch.setenv("FLOW_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("FLOW_LOCAL_GPUS", "a100:2")
    monkeypatch.setenv("FLOW_LOCAL_GRACE_S", "1")
    monkeypatch.chdir(tmp_path)
    yield Machine(tmp_path)
    _end_everything(tmp_path)


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.needs(name)) for name in ENGINES])
def module_engine(request: pytest.FixtureRequest) -> Iterator[RealEngine]:
    with ENGINES[request.param]() as engine:
        yield engine


@pytest.fixture
def engine(module_engine: RealEngine, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealEngine]:
    """podman, then docker; the machine's tasks run in it."""
    for name, value in module_engine.env.items():
        monkeypatch.setenv(name, value)
    machine.provider = LocalProvider(Context("local", "local", {"container": module_engine.name}))
    yield module_engine
    module_engine.remove_all()


@pytest.fixture
def busybox() -> bytes:
    """A program that is a shell when it is called one."""
    return Path(str(shutil.which("busybox"))).read_bytes()


def _end_everything(home: Path) -> None:
    end_servers(home / "state")
    marks = {_mark(spec) for spec in home.glob("state/local/*/contexts/*/tasks/*/spec.json")} - {None}
    for _ in range(3):
        for pid in list_processes():
            if read_task_mark(pid) in marks:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _mark(spec: Path) -> str | None:
    try:
        return (read_json(spec) or {}).get("mark")
    except MalformedRecord:
        return None
