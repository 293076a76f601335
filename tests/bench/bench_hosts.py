"""Tasks on a host: its first use, a submit beside a fresh `ssh host true`, and a poll when nothing has changed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.table import Row, median
from testbed.sshd import Sshd, find_sshd

from flow_core.agent import protocol
from flow_core.agent.calls import CONTEXT, AgentCalls
from flow_core.agent.layout import Layout
from flow_core.agent.machine_id import make_new_id
from flow_core.config import Context
from flow_core.models.task import TaskRecord
from flow_core.models.task_config import TaskConfig
from flow_core.providers.hosts.provider import HostsProvider

ROUNDS = 9
POLLS = 200
ENDED = 1000


def measure() -> list[Row]:
    if find_sshd() is None:
        return []
    with tempfile.TemporaryDirectory(prefix="flow-bench-") as folder, _home(Path(folder, "home")):
        sshd = Sshd(Path(folder, "sshd"))
        sshd.start()
        config = Path.home() / ".ssh" / "config"
        config.write_text(sshd.config("StrictHostKeyChecking yes", name="far").read_text())
        try:
            return [*asyncio.run(_rows(config)), *_poll_rows(sshd.home)]
        finally:
            sshd.stop()


@contextmanager
def _home(home: Path) -> Iterator[None]:
    """What is kept of the host, and the user's config, are of this run alone."""
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    before = dict(os.environ)
    os.environ.update(HOME=str(home), FLOW_STATE_DIR=str(home / "state"))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


async def _rows(config: Path) -> list[Row]:
    """Submits and fresh logins take turns, so that both meet the same machine."""
    provider = HostsProvider(Context("lab", "hosts", {"hosts": ["far"]}))
    try:
        began = time.perf_counter()
        await provider.list_tasks()
        first_s = time.perf_counter() - began
        ours, theirs = [], []
        for _ in range(ROUNDS + 1):  # the first round loads modules
            theirs.append(await asyncio.to_thread(_login_ms, config))
            ours.append(await _submit_ms(provider))
        ratio = median(one / other for one, other in zip(ours[1:], theirs[1:], strict=True))
        note = f"{median(ours[1:]):.0f} ms, ssh host true {median(theirs[1:]):.0f} ms"
        return [
            Row("first use of a host", first_s, 3, "s", "Python found, the agent sent and started"),
            Row("submit on a host", ratio, 1.5, "x", note),
        ]
    finally:
        await provider.close()


def _login_ms(config: Path) -> float:
    began = time.perf_counter()
    subprocess.run(["ssh", "-F", str(config), "far", "true"], check=True)
    return (time.perf_counter() - began) * 1000


async def _submit_ms(provider: HostsProvider) -> float:
    config = TaskConfig.parse({"command": "true", "upload_code": False})
    began = time.perf_counter()
    task = await provider.submit(config)
    took = (time.perf_counter() - began) * 1000
    await _ended(provider, task)
    return took


async def _ended(provider: HostsProvider, task: TaskRecord) -> None:
    while not task.is_terminal:
        await asyncio.sleep(0.02)
        task = await provider.get_task(task.task_id)


def _poll_rows(home: Path) -> list[Row]:
    """What the agent does for a poll with many ended tasks, without the SSH server's own part."""
    (root,) = (home / ".local" / "state" / "flow" / "local").iterdir()
    _multiply(Layout(root, CONTEXT))
    calls = AgentCalls(str(root))
    first = calls.run("changes", {}, _nothing)
    since = {"since": first["look"], "process": first["process"]}
    time.sleep(3)  # until the folder's own time can be trusted
    calls.run("changes", since, _nothing)
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(POLLS):
            answer = calls.run("changes", since, _nothing)
        times.append((time.process_time() - began) * 1000 / POLLS)
    assert answer is None
    size = len(protocol.encode_frame([999, "changes", since])) + len(protocol.encode_frame([999, protocol.OK, None]))
    note = f"{len(first['tasks'])} ended tasks; {size} bytes both ways, SSH's own aside"
    return [
        Row("unchanged poll of a host, CPU", median(times), 2, "ms", note),
        Row("unchanged poll of a host, size", size, 200, "B", note),
    ]


def _multiply(layout: Layout) -> None:
    """Copies of one ended task, each with an id of its own."""
    one = next(layout.tasks.glob("task_*"))
    spec: dict[str, Any] = json.loads((one / "spec.json").read_text())
    for number in range(ENDED):
        copy = layout.tasks / make_new_id("task")
        copy.mkdir(mode=0o700)
        shutil.copy(one / "state.json", copy)
        (copy / "spec.json").write_text(json.dumps({**spec, "seq": 1000 + number}))


def _nothing() -> None:
    """Nobody waits for progress."""
