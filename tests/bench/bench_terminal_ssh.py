"""The shell pane of a task on a machine over SSH, beside `ssh` itself, alone and inside tmux."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.shells import FLOOD_MB, echo_ms, enter, flood_s, tmux, write_flood
from bench.table import Row, median, p95
from bench.world import Environment, dashboard, isolated
from testbed.pty_screen import Screen
from testbed.sshd import Sshd, find_sshd

from flow_core import AsyncFlow, TaskConfig
from flow_core.config import Context

ROUNDS = 5
KEYS = 120
LAB = Context("lab", "hosts", {"hosts": ["far"]})


def measure() -> list[Row]:
    if find_sshd() is None or shutil.which("ssh") is None:
        return []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_flood(folder / "flood")
        with _machine(folder) as (config, environment):
            return _beside_ssh(config, environment, folder / "flood")


@contextmanager
def _machine(folder: Path) -> Iterator[tuple[Path, Environment]]:
    """An SSH server with one running task. Yields the client's config, and the environment of a dashboard."""
    home = folder / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    server = Sshd(folder / "sshd")
    server.start()
    try:
        config = home / ".ssh" / "config"
        config.write_text(server.config(name="far").read_text())
        contexts = folder / "config.yaml"
        contexts.write_text("default: lab\ncontexts:\n  lab: {provider: hosts, hosts: [far]}\n", encoding="utf-8")
        with isolated(home) as environment:
            asyncio.run(_run("sleep 600"))
            try:
                yield config, environment | {"FLOW_CONFIG": str(contexts)}
            finally:
                asyncio.run(_cancel_all())
    finally:
        server.stop()


async def _run(command: str) -> None:
    async with AsyncFlow(LAB) as flow:
        await flow.run(TaskConfig(name="bench", command=command, upload_code=False), wait=True)


async def _cancel_all() -> None:
    async with AsyncFlow(LAB) as flow:
        for task in await flow.list_tasks():
            await task.cancel(force=True)


def _beside_ssh(config: Path, environment: Environment, flood: Path) -> list[Row]:
    """Interleaved; the first flood of each is thrown away."""
    ssh = ["ssh", "-F", str(config), "-tt", "far", "PS1='$ ' exec bash --norc"]
    line = f"ssh -F {config} -tt far \"PS1='$ ' exec bash --norc\""
    with (
        dashboard(environment) as pane,
        tmux(environment, line) as other,
        Screen(ssh, environment, columns=120, rows=36) as bare,
    ):
        enter(pane)
        other.wait_for("$", 20)
        bare.wait_for("$", 20)
        echo, bare_echo = echo_ms([pane, bare], KEYS)
        pairs = [(flood_s(pane, flood), flood_s(other, flood)) for _ in range(ROUNDS + 1)][1:]
    ours_s, theirs_s = (median(values) for values in zip(*pairs, strict=True))
    ratio = median(ours / theirs for ours, theirs in pairs)
    above_ms = p95(echo) - p95(bare_echo)
    return [
        Row("echo p95, over ssh, above bare ssh", above_ms, 3, "ms", f"{p95(echo):.1f}/{p95(bare_echo):.1f} ms"),
        Row(f"{FLOOD_MB} MB, over ssh, of tmux", ratio, 0.7, "x", f"{ours_s:.2f}/{theirs_s:.2f} s"),
    ]
