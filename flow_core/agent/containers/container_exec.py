"""Builds the engine command that enters a task that runs in a container."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import NamedTuple

from flow_core.agent.containers.arguments import build_enter_argv, build_hang_up_arguments
from flow_core.agent.containers.engine import ContainerEngine, EngineError
from flow_core.agent.layout import make_container_name
from flow_core.agent.refusals import Refused
from flow_core.agent.task_reader import StoredTask

CONTAINER_CLOSED = "container_closed"
ENGINE_GONE = "engine_gone"

_CLEANUP_TRIES, _CLEANUP_PAUSE_S = 3, 0.3
_START_TIMEOUT_S = 10.0  # a task counts as running once the engine got the command to run it


class ContainerEntry(NamedTuple):
    """The engine client that enters a container.

    `cleanup` ends the processes that a killed client leaves in the container; it may take seconds.
    """

    argv: list[str]
    env: dict[str, str]
    cleanup: Callable[[], None]


def make_container_entry(stored: StoredTask, command: str | None, node: int, *, on_terminal: bool) -> ContainerEntry:
    """Builds the client command; waits up to 10 s for a container that is starting.

    Refuses with CONTAINER_CLOSED, ENGINE_GONE.
    """
    assert stored.spec is not None
    assert stored.spec.container is not None  # a task without an image is entered in another way
    engine = ContainerEngine.parse(stored.spec.container.engine)
    name = make_container_name(stored.task_id, stored.report.attempt, node)
    _wait_for_start(engine, name)
    mark = f"FLOW_ENTRY_{secrets.token_hex(8)}"

    def cleanup() -> None:
        for _ in range(_CLEANUP_TRIES):
            try:
                engine.ask(*build_hang_up_arguments(name, mark))
                return
            except FileNotFoundError:
                return  # without the engine there is nothing to clean up
            except EngineError:
                # Retry: a busy engine fails now and then. Otherwise the container has ended with all its processes, or
                # it has no grep, and the command ends with the task.
                time.sleep(_CLEANUP_PAUSE_S)

    env = {**engine.environment, mark: "1"}
    return ContainerEntry(build_enter_argv(engine, name, mark, command, on_terminal=on_terminal), env, cleanup)


def _wait_for_start(engine: ContainerEngine, name: str) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            state, _ = engine.get_state(name)
            if state == "running":
                return
            why = f"it is {state}"
        except EngineError as error:
            why = str(error)
        except FileNotFoundError:
            raise Refused(ENGINE_GONE, path=engine.path) from None
        if time.monotonic() >= deadline:
            raise Refused(CONTAINER_CLOSED, why=why)
        time.sleep(0.1)
