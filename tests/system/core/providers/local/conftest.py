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

from flow_core.agent.agent_copy import provide_copy
from flow_core.agent.machine import machine_id
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.records import MalformedRecord, read_json
from flow_core.agent.supervisor.process_table import iter_variable
from flow_core.config import Context
from flow_core.providers.local.provider import LocalProvider


@pytest.fixture(scope="session")
def agent_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The agent as every machine has it from its first task on."""
    root = tmp_path_factory.mktemp("agent") / "machine"
    make_private_folder(root)
    return provide_copy(root)


@pytest.fixture
async def machine(tmp_path: Path, agent_copy: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Machine]:
    monkeypatch.setenv("FLOW_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("FLOW_LOCAL_GPUS", "a100:2")
    monkeypatch.setenv("FLOW_LOCAL_GRACE_S", "1")
    monkeypatch.chdir(tmp_path)
    _link_agent(agent_copy, tmp_path / "state")
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


def _link_agent(copy: Path, state: Path) -> None:
    """Make a machine's copy of the agent of links to the files of another, which takes a fifth of the time."""
    programs = state / "local" / machine_id() / "bin"
    make_private_folder(programs)
    shutil.copytree(copy, programs / copy.name, copy_function=os.link)


def _end_everything(home: Path) -> None:
    end_servers(home / "state")
    marks = {_mark(spec) for spec in home.glob("state/local/*/contexts/*/tasks/*/spec.json")} - {None}
    for _ in range(3):
        alive = [pid for pid, mark in iter_variable("FLOW_TASK_MARK") if mark in marks] if marks else []
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not alive:
            return


def _mark(spec: Path) -> str | None:
    try:
        return (read_json(spec) or {}).get("mark")
    except MalformedRecord:
        return None
