"""Ends the containers of a task, for a supervisor or a reaper."""

from __future__ import annotations

import time
from collections.abc import Callable

from flow_core.agent.containers.engine import ContainerEngine, EngineError
from flow_core.agent.layout import make_container_name_prefix
from flow_core.agent.processes.table import ProcessInfo, has_argument
from flow_core.agent.processes.termination import end_tree
from flow_core.agent.processes.tree import ProcessTree

_EXIT_DELAY_S = 3.0  # time for a client, or an engine's helper process, to notice its container's end
_PULL_ARGUMENT = "\0pull\0"  # the arguments of a client that pulls contain no container name
_CLIENT_GRACE_S = 1.0
_RETRY_S = 2.0


class ContainerTermination:
    """The termination of every container of one task, and of the clients that could start more of them.

    A client is recognized by the container's name in its arguments. The task's mark isn't enough: helper processes of
    an engine, such as the process that holds all containers of a podman user, may carry it and must continue.
    """

    def __init__(self, engine: ContainerEngine, task_id: str, tree: ProcessTree) -> None:
        self._engine = engine
        self._tree = tree
        self._name_prefix = make_container_name_prefix(task_id)
        self._terminated: set[str] = set()
        self._killed: set[str] = set()
        self._empty_since: float | None = None
        self._had_clients = False

    def run(
        self,
        grace_s: float,
        pause: Callable[[float], None] = time.sleep,
        is_urgent: Callable[[], bool] = lambda: False,
        on_silence: Callable[[str], None] = lambda why: None,
    ) -> None:
        """Sends SIGTERM; after the grace period SIGKILL (immediately if urgent). Returns when nothing is left.

        While the engine doesn't respond, the state is unknown: the method retries and calls `on_silence` with the
        reason, which may raise. If it is urgent, it ends the clients and returns instead.
        """
        deadline = time.monotonic() + grace_s
        delay_s = 0.05
        while True:
            try:
                is_gone = self._step(is_urgent() or time.monotonic() >= deadline)
            except EngineError as error:
                if is_urgent():
                    end_tree(self._clients, 0)
                    return
                on_silence(str(error))
                pause(_RETRY_S)
                continue
            if is_gone:
                return
            pause(delay_s)
            delay_s = min(delay_s * 1.5, 0.5)

    def _step(self, is_kill: bool) -> bool:
        """Does one step; returns whether no container is left, and no client that could create one."""
        found = self._containers()
        for container in found:
            self._kill(container) if is_kill else self._terminate(container)
        if found:
            self._empty_since = None
            return False
        clients = self._clients()
        self._empty_since = self._empty_since or time.monotonic()
        if time.monotonic() - self._empty_since >= _EXIT_DELAY_S or any(
            has_argument(one.pid, _PULL_ARGUMENT) for one in clients
        ):
            end_tree(self._clients, _CLIENT_GRACE_S)
        # A client may have created a container just before it ended: check once more.
        is_gone, self._had_clients = not clients and not self._had_clients, bool(clients)
        return is_gone

    def _containers(self) -> list[str]:
        try:
            return self._engine.list_containers(self._tree.mark)
        except FileNotFoundError:
            return []  # the engine was removed from this machine, together with its containers

    def _terminate(self, container: str) -> None:
        if container not in self._terminated and self._engine.terminate(container):
            self._terminated.add(container)

    def _kill(self, container: str) -> None:
        if container in self._killed:
            self._engine.remove(container)
        elif self._engine.kill(container):
            self._killed.add(container)
        else:
            self._engine.remove(container)

    def _clients(self) -> list[ProcessInfo]:
        return [
            one
            for one in self._tree.list_members()
            if any(has_argument(one.pid, text) for text in (self._name_prefix, _PULL_ARGUMENT))
        ]
