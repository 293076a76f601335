"""Single commands inside running tasks, without a terminal."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flow_core.agent.task_exec import make_exec_spec
from flow_core.agent.tasks import TaskStore
from flow_core.models.completed_command import CompletedCommand
from flow_core.providers.contract.access import OnOutput
from flow_core.providers.over_agent.in_process_agent import call_agent
from flow_core.providers.this_machine.piped_process import collect_output, start_process


class LocalTaskCommands:
    """Commands that run as the task does: in its folder, its environment, its mounts."""

    def __init__(self, tasks: TaskStore) -> None:
        self._tasks = tasks

    async def run(
        self,
        task_id: str,
        command: str,
        *,
        node: int = 0,
        timeout_s: float | None = 600,
        stdin: bytes = b"",
        on_output: OnOutput | None = None,
    ) -> CompletedCommand:
        task = await call_agent(self._tasks.get, task_id)
        spec = await call_agent(make_exec_spec, task, command, node, on_terminal=False)
        # Cleans up only after the kill: a client that is alive may still be starting the command.
        on_kill = None if spec.cleanup is None else partial(_clean_up, spec.cleanup)
        async with start_process(spec.argv, env=spec.env, on_kill=on_kill) as process:
            result = await collect_output(process, timeout_s=timeout_s, stdin=stdin, on_output=on_output)
        return CompletedCommand(result.exit_code, result.stdout, result.stderr, result.is_cut)


async def _clean_up(cleanup: Callable[[], None]) -> None:
    await call_agent(cleanup)
