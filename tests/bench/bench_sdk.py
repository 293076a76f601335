"""What the SDK costs a script: its imports beside the published SDK's, a blocking call, a long list."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from peers import python_of
from table import Row, median, p95
from world import world

from flow_core import AsyncFlow, Flow

PEER = "flow-compute==3.28.2"
ROUNDS = 11
CALLS = 300
LISTED = 1000


def measure() -> list[Row]:
    with world(tasks=1) as environment:
        rows = _imports()
        _multiply(Path(environment["FLOW_STATE_DIR"]), LISTED)
        return [*rows, *asyncio.run(_calls())]


def _imports() -> list[Row]:
    ours, theirs = sys.executable, python_of(PEER)
    cases = {
        "our pass": (ours, "pass"),
        "their pass": (theirs, "pass"),
        "our package": (ours, "import flow_core"),
        "their package": (theirs, "import flow"),
        "our Flow": (ours, "from flow_core import Flow"),
        "their Flow": (theirs, "from flow import Flow"),
        "our list": (ours, "from flow_core import Flow; Flow().list_tasks()"),
    }
    took: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS + 1):
        for name, (python, script) in cases.items():
            took[name].append(_run_ms(python, script))
    cost = {name: median(values[1:]) for name, values in took.items()}
    for name in cost:
        cost[name] -= 0 if name.endswith("pass") else cost[f"{name.split()[0]} pass"]
    return [
        _ratio("import, of the peer's", cost["our package"], cost["their package"], 0.3),
        _ratio("import Flow, of the peer's", cost["our Flow"], cost["their Flow"], 0.5),
        _ratio("first list, of its import", cost["our list"], cost["their Flow"], 1.0),
    ]


async def _calls() -> list[Row]:
    async with AsyncFlow("local") as flow:
        task_id = (await flow.list_tasks(limit=1))[0].task_id
        awaited = [await _awaited_ms(flow, task_id) for _ in range(CALLS)]
        listed = [await _listed_ms(flow) for _ in range(21)]
    blocking = await asyncio.to_thread(_blocking_ms, task_id)
    return [
        Row(
            "blocking over async call", median(blocking) - median(awaited), 0.5, "ms", f"{median(awaited):.2f} ms async"
        ),
        Row(f"list {LISTED} tasks", median(listed[1:]), 50, "ms", f"p95 {p95(listed[1:]):.1f}, first {listed[0]:.0f}"),
    ]


async def _awaited_ms(flow: AsyncFlow, task_id: str) -> float:
    started = time.perf_counter()
    await flow.status(task_id)
    return (time.perf_counter() - started) * 1000


async def _listed_ms(flow: AsyncFlow) -> float:
    started = time.perf_counter()
    assert len(await flow.list_tasks(limit=LISTED)) == LISTED
    return (time.perf_counter() - started) * 1000


def _blocking_ms(task_id: str) -> list[float]:
    took = []
    with Flow("local") as flow:
        for _ in range(CALLS):
            started = time.perf_counter()
            flow.status(task_id)
            took.append((time.perf_counter() - started) * 1000)
    return took


def _multiply(state: Path, count: int) -> None:
    """As many finished tasks as wanted, from copies of the one that is there."""
    (folder,) = state.glob("local/*/contexts/local/tasks/task_*")
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    for number in range(1, count):
        tail = "".join(letters[number >> shift & 31] for shift in (10, 5, 0))
        copy = folder.with_name("task_aaaaaaa" + tail)
        shutil.copytree(folder, copy)
        spec = json.loads((copy / "spec.json").read_text())
        (copy / "spec.json").write_text(json.dumps(spec | {"seq": spec["seq"] + number, "name": f"copy-{number}"}))


def _ratio(name: str, ours_ms: float, theirs_ms: float, goal: float) -> Row:
    return Row(name, max(ours_ms, 0.0) / theirs_ms, goal, "x", f"{ours_ms:.1f} of {theirs_ms:.1f} ms above pass")


def _run_ms(python: str, script: str) -> float:
    started = time.perf_counter()
    subprocess.run([python, "-c", script], check=True)
    return (time.perf_counter() - started) * 1000
