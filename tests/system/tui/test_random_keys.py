"""Random keys, sizes and clicks over every screen, while tasks come and go: nothing may end the dashboard.

`make stress` sends many more of them than the tests do.
"""

from __future__ import annotations

import asyncio
import os
import random
import traceback
from pathlib import Path
from typing import Any

import pytest
from testbed.random_user import RandomUser

from flow_core import TaskConfig
from flow_core.config import Config, state_dir
from flow_core.config_file import load_config
from flow_core.emulator.emulator import Emulator
from flow_core.emulator.settings import Settings
from flow_core.errors import FlowError
from flow_core.fleet import Fleet
from flow_tui.app import FlowApp

KEYS = int(os.environ.get("FLOW_SOAK_KEYS", "0")) or 400
SEEDS = [int(seed) for seed in os.environ.get("FLOW_SOAK_SEEDS", "1,2").split(",")]
SIZE = (120, 36)
LONG_LOG = "i=0; while [ $i -lt 3000 ]; do echo step $i loss 0.$i; i=$((i+1)); done; sleep 600"
COMMANDS = ("true", "false", "echo short", "for i in 1 2 3 4 5 6; do echo line $i; sleep 0.3; done", "sleep 600")


class Tasks:
    """Tasks of one fleet after the other that come and go."""

    fleet: Fleet

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._number = 0

    async def begin(self) -> None:
        await self._run("train-lr01", LONG_LOG)
        await self._run("pair", "echo $NODE_RANK; sleep 600", num_instances=2)
        await self._run("quick", "echo quick; exit 3")

    async def change(self, chance: random.Random) -> None:
        self._number += 1
        if chance.random() < 0.3:
            await self._emulator.control.advance(chance.choice((1, 600)))
        elif self._number > 3 and chance.random() < 0.4:
            await self._cancel(chance)
        else:
            await self._run(f"task-{self._number}", chance.choice(COMMANDS), context=chance.choice(("local", "cloud")))

    async def _cancel(self, chance: random.Random) -> None:
        running = [task for task in self.fleet.tasks if not task.is_terminal]
        if running:
            task = chance.choice(running)
            await self.fleet.flow(task.context).cancel(task.task_id)

    async def _run(self, name: str, command: str, *, context: str = "local", **fields: Any) -> None:
        cloud = {"instance_type": "h100-80gb.sxm.8x", "region": "us-central1-a", "upload_code": False}
        config = TaskConfig.parse({"name": name, "command": command, **fields, **(cloud if context == "cloud" else {})})
        try:
            await self.fleet.flow(context).run(config)
        except FlowError:
            return  # no capacity, or a name that is taken: nothing comes of it


def config_of(folder: Path, emulator: Emulator) -> Config:
    """Two GPUs that are none, and the emulated cloud."""
    file = folder / "config.yaml"
    cloud = f"{{provider: mithril, api_key: {emulator.api_key}, api_url: '{emulator.url}', region: us-central1-a}}"
    file.write_text(f"contexts:\n  local: {{provider: local, gpus: 'a100:2'}}\n  cloud: {cloud}\n", encoding="utf-8")
    return load_config(file)


async def press_until_it_ends(app: FlowApp, user: RandomUser, tasks: Tasks, *, keys: int) -> None:
    """Returns once so many keys were sent, or the dashboard was left by one of them."""
    async with app.run_test(size=SIZE) as pilot:
        tasks.fleet = app.fleet
        if not app.fleet.tasks:
            await tasks.begin()
        while user.keys_sent < keys and not app._exit and app.crash is None:
            await user.act(app, pilot)
    assert app.crash is None, "".join(traceback.format_exception(app.crash))


@pytest.mark.parametrize("seed", SEEDS)
async def test_no_random_keys_end_the_dashboard_or_make_a_crash_report(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", "true")
    monkeypatch.chdir(tmp_path)
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    async with Emulator(Settings(seconds_to_allocate=0.1, starting_s=0.1, stopping_s=0.1), is_live=False) as emulator:
        tasks = Tasks(emulator)
        user = RandomUser(seed, tasks.change)
        config = config_of(tmp_path, emulator)
        try:
            while user.keys_sent < KEYS:
                await press_until_it_ends(FlowApp(config), user, tasks, keys=KEYS)
        except BaseException as error:
            error.add_note(f"seed {seed}, after {user.keys_sent} keys; the last: {'; '.join(user.done)}")
            raise
    assert not faults, "\n".join(map(str, faults))
    assert not list(state_dir().glob("crashes/*"))
