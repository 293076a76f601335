"""A machine of its own for each test: an empty state directory, and nothing left running."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed.container_engines import ENGINES, IMAGE, RealEngine
from testbed.local_machine import Machine, own_machine
from testbed.waiting import task_until

from flow_core.agent.agent_copy import provide_copy
from flow_core.agent.private_folders import make_private_folder
from flow_core.config import Context
from flow_core.models.task import TaskRecord
from flow_core.models.task_config import TaskConfig
from flow_core.providers.local.provider import LocalProvider


@pytest.fixture(scope="session")
def agent_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The agent as every machine has it from its first task on."""
    root = tmp_path_factory.mktemp("agent") / "machine"
    make_private_folder(root)
    return provide_copy(root)


@pytest.fixture
def machine(tmp_path: Path, agent_copy: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    with own_machine(tmp_path, monkeypatch, agent_copy) as machine:
        yield machine


@pytest.fixture(scope="module")
def module_machine(tmp_path_factory: pytest.TempPathFactory, agent_copy: Path) -> Iterator[Machine]:
    """For tests that leave a machine as they found it."""
    home = tmp_path_factory.mktemp("machine")
    with (
        pytest.MonkeyPatch.context() as patch,
        own_machine(home, patch, agent_copy, FLOW_LOCAL_SSH_IDLE_S="600") as machine,
    ):
        yield machine


@pytest.fixture
def shared_machine(module_machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The one machine of all tests of a module, also for what opens the local context itself."""
    monkeypatch.setenv("FLOW_STATE_DIR", str(module_machine.home / "state"))
    monkeypatch.chdir(module_machine.home)
    return module_machine


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.needs(name)) for name in ENGINES])
def module_engine(request: pytest.FixtureRequest) -> Iterator[RealEngine]:
    with ENGINES[request.param]() as engine:
        yield engine


@pytest.fixture(scope="module")
def container(module_engine: RealEngine, module_machine: Machine) -> TaskRecord:
    """A task of the module's machine that sleeps in a container."""
    context = Context("local", "local", {"container": module_engine.name})
    with pytest.MonkeyPatch.context() as patch:
        for name, value in module_engine.env.items():
            patch.setenv(name, value)
        return asyncio.run(_sleep_in_container(LocalProvider(context)))


async def _sleep_in_container(provider: LocalProvider) -> TaskRecord:
    config = {"command": "sleep 3000", "image": IMAGE, "env": {"COLOUR": "blue green"}}
    task = await provider.submit(TaskConfig.parse(config))
    return await task_until(provider, task, lambda now: now.is_running)


@pytest.fixture
def engine(module_engine: RealEngine, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> RealEngine:
    """podman, then docker; the machine's tasks run in it."""
    for name, value in module_engine.env.items():
        monkeypatch.setenv(name, value)
    machine.provider = LocalProvider(Context("local", "local", {"container": module_engine.name}))
    return module_engine


@pytest.fixture
def busybox() -> bytes:
    """A program that is a shell when it is called one."""
    return Path(str(shutil.which("busybox"))).read_bytes()
