"""How a process gets into a task that runs in a container: through the engine. Standard library only."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import NamedTuple

from flow_core.agent.containers.arguments import build_enter_argv, build_hang_up_arguments
from flow_core.agent.containers.engine import ContainerEngine, EngineError
from flow_core.agent.layout import container_name
from flow_core.agent.refusals import Refused
from flow_core.agent.tasks import StoredTask

CONTAINER_CLOSED = "container_closed"
ENGINE_GONE = "engine_gone"

_LEAVES, _LEAVE_AGAIN_S = 3, 0.3
_STARTS_WITHIN_S = 10.0  # a task counts as running as soon as the engine was told to run it


class ContainerEntry(NamedTuple):
    """The client that enters. `leave` ends what the client's own end leaves in the container; it may take seconds."""

    argv: list[str]
    env: dict[str, str]
    leave: Callable[[], None]


def make_container_entry(standing: StoredTask, command: str | None, node: int, *, on_terminal: bool) -> ContainerEntry:
    """Waits for a container that is just starting. Refuses with CONTAINER_CLOSED, ENGINE_GONE."""
    assert standing.spec is not None
    assert standing.spec.container is not None  # who has no image is entered in another way
    engine = ContainerEngine.parse(standing.spec.container.engine)
    name = container_name(standing.task_id, standing.report.attempt, node)
    _await_start(engine, name)
    mark = f"FLOW_ENTRY_{secrets.token_hex(8)}"

    def leave() -> None:
        for _ in range(_LEAVES):
            try:
                engine.ask(*build_hang_up_arguments(name, mark))
                return
            except FileNotFoundError:
                return  # with its engine gone there is nobody to ask
            except EngineError:
                # A busy engine says no now and then. Or the container is gone, and all in it; or it has no grep, and
                # what was started ends with the task.
                time.sleep(_LEAVE_AGAIN_S)

    env = {**engine.environment, mark: "1"}
    return ContainerEntry(build_enter_argv(engine, name, mark, command, on_terminal=on_terminal), env, leave)


def _await_start(engine: ContainerEngine, name: str) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while True:
        try:
            state, _ = engine.state_of(name)
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
