"""Asking for a command for every node, and reading what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from testbed.screen_text import screen_text
from testbed.tui.dashboard import notices, opened
from testbed.tui.press import press
from testbed.waiting import until

from flow_core import AsyncFlow, TaskConfig
from flow_core.client.run_on_nodes import NodeResult
from flow_core.errors import ReadOnly
from flow_tui.panes.tasks.pane import TasksPane
from flow_tui.panes.tasks.run_on_nodes import RunOnNodes


async def test_each_node_of_a_real_task_answers_and_the_action_log_has_the_command() -> None:
    async with AsyncFlow("local") as flow:
        task = await flow.run(TaskConfig(name="pair", command="sleep 300", num_instances=2), wait=True)
        async with opened(size=(80, 24)) as (app, dashboard, pilot):
            await until(lambda: dashboard.pane(TasksPane).selected and dashboard.pane(TasksPane).selected.is_running)
            await press(pilot, "tasks.everywhere")
            await until(lambda: isinstance(app.screen, RunOnNodes))
            app.screen.query_one("LineInput").value = "echo I am $NODE_RANK; exit $NODE_RANK"
            await pilot.press("enter")
            texts = ("1 done  1 exit code not 0", "node 0", "exit code 0", "I am 0", "node 1", "exit code 1", "I am 1")
            await until(lambda: all(text in screen_text(app) for text in texts), explain=lambda: screen_text(app))
            action = app.fleet.gate.log.read_recent()[0]
            assert (action.verb, action.target, action.result) == ("shell", task.task_id, "ok")
            assert action.call == "on each of 2 nodes: echo I am $NODE_RANK; exit $NODE_RANK"
            await pilot.press("escape")
            await until(lambda: app.screen is dashboard)
        await task.cancel()


async def test_a_task_that_does_not_run_is_a_sentence() -> None:
    async with AsyncFlow("local") as flow:
        await flow.submit("true", wait=True)
        async with opened() as (app, dashboard, pilot):
            await until(lambda: dashboard.pane(TasksPane).selected and dashboard.pane(TasksPane).selected.is_terminal)
            await press(pilot, "tasks.everywhere")
            await until(lambda: any("a command needs a running task" in notice for notice in notices(app)))


class Nodes:
    """Runs nothing until it is told what each node says."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.runs: list[NodeResult] = []
        self.done = asyncio.Event()
        self._changed: Callable[[NodeResult], None]

    async def __call__(self, command: str, runs: Sequence[NodeResult], changed: Callable[[NodeResult], None]) -> None:
        self.commands.append(command)
        self.runs, self._changed = list(runs), changed
        try:
            for run in runs:
                run.begin()
                changed(run)
            await self.done.wait()
        finally:
            for run in runs:
                run.end()
                changed(run)

    def say(self, node: int, data: bytes) -> None:
        self.runs[node].take(data)
        self._changed(self.runs[node])


@pytest.fixture
def nodes() -> Nodes:
    return Nodes()


async def test_output_is_seen_while_it_comes_and_can_do_nothing_to_the_terminal(ask: Any, nodes: Nodes) -> None:
    async with ask(RunOnNodes("[red]n[/x]", 2, nodes)) as question:
        await question.type("nvidia-smi\n")
        await question.until(lambda: nodes.runs)
        nodes.say(1, b"[b]10%\r 90%[/b]\n\x1b[2J\x1b]52;c;aGk=\x07\xffhere\n")
        await question.shows("node 1  running")
        await question.shows("here")
        assert "10%" not in question.text
        assert "90%[/b]" in question.text
        assert "[red]n[/x]" in question.text
        assert "2 running" in question.text


async def test_escape_stops_what_runs_then_closes(ask: Any, nodes: Nodes) -> None:
    async with ask(RunOnNodes("train", 3, nodes)) as question:
        await question.type("sleep 300\n")
        await question.shows("3 running")
        await question.press("enter")
        await question.press("escape")
        await question.shows("3 stopped")
        assert question.answers == []
        assert nodes.commands == ["sleep 300"]
        await question.press("enter")
        await question.until(lambda: len(nodes.commands) == 2)
        nodes.done.set()
        await question.until(lambda: not question.app.question.is_busy)
        await question.press("escape")
        assert question.answers == [None]


async def test_long_output_is_scrolled_with_the_keys_that_the_line_has_no_use_for(ask: Any, nodes: Nodes) -> None:
    nodes.done.set()
    async with ask(RunOnNodes("train", 4, nodes), size=(60, 15)) as question:
        await question.type("ls\n")
        await question.until(lambda: nodes.runs)
        for node in range(4):
            nodes.say(node, b"".join(b"line-%d-%d\n" % (node, number) for number in range(1000)))
        await question.shows("the last 400 lines")
        await question.shows("line-0-600")
        assert "line-0-599" not in question.text
        await question.press("pagedown", "down")
        await question.until(lambda: "node 0" not in question.text)
        await question.press("pageup", "up")
        await question.shows("node 0")


async def test_what_the_gate_refuses_is_said(ask: Any) -> None:
    async def refuse(*_: Any) -> None:
        raise ReadOnly("read-only: shell was not done")

    async with ask(RunOnNodes("train", 1, refuse)) as question:
        await question.type("ls\n")
        await question.shows("read-only: shell was not done")
