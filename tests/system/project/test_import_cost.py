"""What an import loads: a script that only imports the SDK, or looks at a provider, starts fast."""

from __future__ import annotations

import subprocess
import sys

import pytest
from testbed.waiting import DEADLINE_S

HEAVY = {"pydantic", "asyncio", "httpx", "asyncssh", "textual", "yaml", "bittty", "boto3", "ctypes"}


def list_modules(statement: str) -> set[str]:
    """The names of the modules that the statement loads, without those of Python's own start."""
    script = f"import sys; before = set(sys.modules); {statement}; print(*sys.modules.keys() - before)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=DEADLINE_S
    )
    return set(done.stdout.split())


def loaded_by(module: str) -> set[str]:
    return {name.partition(".")[0] for name in list_modules(f"import {module}")}


def test_importing_the_sdk_loads_nothing_heavy() -> None:
    assert HEAVY & loaded_by("flow_core") == set()


def test_importing_the_blocking_client_loads_neither_asyncio_nor_its_resources() -> None:
    loaded = list_modules("from flow_core import Flow")
    assert HEAVY & loaded == set()
    assert {name for name in loaded if name.startswith("flow_core.")} == {
        "flow_core.client",
        "flow_core.client.resource_descriptor",
        "flow_core.errors",
        "flow_core.lazy_module",
        "flow_core.sync",
        "flow_core.sync.flow",
        "flow_core.sync.program_end",
    }


def test_the_first_list_of_tasks_loads_nothing_that_only_other_calls_need() -> None:
    loaded = list_modules("from flow_core import Flow; Flow('local').list_tasks()")
    assert (HEAVY - {"asyncio"}) & loaded == set()
    others = ("access", "logs", "volumes", "instances", "reservations", "ssh_keys", "account", "capacity.instances")
    assert {name for name in loaded if name.startswith("flow_core") and name.endswith(others)} <= {
        "flow_core.providers.contract.account"
    }
    assert {"platform", "platformdirs"} & loaded == set()


@pytest.mark.parametrize("provider", ["hosts"])
def test_importing_a_provider_loads_none_of_the_libraries_it_may_need_later(provider: str) -> None:
    loaded = loaded_by(f"flow_core.providers.{provider}.provider")
    assert {"asyncssh", "pydantic", "httpx", "yaml"} & loaded == set()
