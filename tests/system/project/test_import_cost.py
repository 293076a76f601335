"""What an import loads: a script that only imports the SDK, or looks at a provider, starts fast."""

from __future__ import annotations

import subprocess
import sys

import pytest
from testbed.waiting import DEADLINE_S

HEAVY = {"pydantic", "asyncio", "httpx", "asyncssh", "textual", "yaml", "bittty", "boto3", "ctypes"}


def loaded_by(module: str) -> set[str]:
    script = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=DEADLINE_S
    )
    return set(done.stdout.split())


def test_importing_the_sdk_loads_nothing_heavy() -> None:
    assert HEAVY & loaded_by("flow_core") == set()


def test_importing_the_blocking_client_loads_nothing_that_only_logs_and_forms_need() -> None:
    assert (HEAVY - {"asyncio"}) & loaded_by("flow_core.sync") == set()


@pytest.mark.parametrize("provider", ["hosts"])
def test_importing_a_provider_loads_none_of_the_libraries_it_may_need_later(provider: str) -> None:
    loaded = loaded_by(f"flow_core.providers.{provider}.provider")
    assert {"asyncssh", "pydantic", "httpx", "yaml"} & loaded == set()
