"""The machines of the sample project, entered over SSH."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncssh
import pytest

from flow_core.emulator.emulator import Emulator
from flow_core.emulator.nodes.machines import Machines
from flow_core.emulator.sample.project import Sample

QUERY = "nvidia-smi --query-compute-apps=process_name --format=csv,noheader"
LOG, END = "$FLOW_NODE_ROOT/var/log/flow/attempt-0.log", "$FLOW_NODE_ROOT/var/lib/flow/workload-exit"


class SampleClient:
    def __init__(self, emulator: Emulator, key_file: str) -> None:
        self._emulator = emulator
        self._key_file = key_file

    async def run_until(self, task: str, command: str, wanted: str) -> str:
        """What the command prints on the first machine of a task, once a regular expression is found there."""
        [row] = [one for one in self._emulator.world.instances.values() if one.name == f"{task}-1"]
        port = int(str(row.as_json()["ssh_destination"]).rpartition(":")[2])
        script = f'until output=$({command}); grep -qz \'{wanted}\' <<<"$output"; do sleep 0.1; done; echo "$output"'
        async with asyncssh.connect(
            "localhost", port, username="ubuntu", client_keys=[self._key_file], known_hosts=None, config=()
        ) as machine:
            return str((await machine.run(script, check=True)).stdout)


@pytest.mark.parametrize(
    "is_shared",
    [pytest.param(False, marks=pytest.mark.needs("user-namespaces")), True],
    ids=["isolated", "shared system"],
)
async def test_its_machines_say_what_such_work_says_and_only_work_that_goes_on_is_on_the_gpus(
    tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch, is_shared: bool
) -> None:
    monkeypatch.setenv("FLOW_EMULATOR_NO_NAMESPACE", "1" if is_shared else "")
    sample = Sample()
    async with Emulator(
        is_live=False, age_s=sample.age_s, nodes=lambda root: Machines(root, programs), folder=tmp_path
    ) as emulator:
        details: dict[str, Any] = await sample.fill(emulator)
        client = SampleClient(emulator, details["ssh_key"])
        await client.run_until("train-llama-8b", f"cat {LOG}", "loss=")
        assert "OutOfMemoryError" in await client.run_until("eval-mmlu", f"cat {LOG}", "Traceback")
        await client.run_until("eval-mmlu", f"cat {END}", "EXIT_CODE=1")
        await client.run_until("tokenize-corpus", f"cat {END}", "EXIT_CODE=0")
        busy = await client.run_until("train-llama-8b", QUERY, "\\(python3[[:space:]]*\\)\\{8\\}")
        assert busy == "python3\n" * 8
        assert await client.run_until("eval-mmlu", QUERY, "") == "\n"
