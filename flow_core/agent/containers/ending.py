"""The end of a task's containers, whoever asks for it. Standard library only."""

from __future__ import annotations

import time
from collections.abc import Callable

from flow_core.agent.containers.engine import ContainerEngine, EngineError
from flow_core.agent.layout import container_name_prefix
from flow_core.agent.supervisor.process_table import ProcessInfo, has_argument
from flow_core.agent.supervisor.processes import ProcessTree
from flow_core.agent.supervisor.tree_end import end_tree

_LEAVE_S = 3.0  # for a client, or what an engine has beside each container, to notice its end
_PULL = "\0pull\0"  # a client that fetches names no container
_CLIENT_GRACE_S = 1.0
_ASK_AGAIN_S = 2.0


class ContainerEnd:
    """Ends every container of one task, and the clients that would start more of them.

    A client is told by the container's name in its arguments: what an engine starts on the side, as the one process
    that keeps all containers of a podman user together, may carry the task's mark too, and must go on.
    """

    def __init__(self, engine: ContainerEngine, task_id: str, tree: ProcessTree) -> None:
        self._engine = engine
        self._tree = tree
        self._names = container_name_prefix(task_id)
        self._asked: set[str] = set()
        self._killed: set[str] = set()
        self._empty_since: float | None = None
        self._were_clients = False

    def run(
        self,
        grace_s: float,
        pause: Callable[[float], None] = time.sleep,
        is_urgent: Callable[[], bool] = lambda: False,
        on_silence: Callable[[str], None] = lambda why: None,
    ) -> None:
        """SIGTERM, and after the grace SIGKILL (at once when urgent). Returns when nothing is left.

        While the engine doesn't answer nobody can know, so it asks on, and `on_silence`, which may raise, is told why;
        but not when it is urgent.
        """
        deadline = time.monotonic() + grace_s
        delay_s = 0.05
        while True:
            try:
                is_gone = self._look(is_urgent() or time.monotonic() >= deadline)
            except EngineError as error:
                if is_urgent():
                    end_tree(self._clients, 0)
                    return
                on_silence(str(error))
                pause(_ASK_AGAIN_S)
                continue
            if is_gone:
                return
            pause(delay_s)
            delay_s = min(delay_s * 1.5, 0.5)

    def _look(self, killing: bool) -> bool:
        """True when there is neither a container nor anyone who would make one."""
        found = self._containers()
        for container in found:
            self._kill(container) if killing else self._terminate(container)
        if found:
            self._empty_since = None
            return False
        clients = self._clients()
        self._empty_since = self._empty_since or time.monotonic()
        if time.monotonic() - self._empty_since >= _LEAVE_S or any(has_argument(one.pid, _PULL) for one in clients):
            end_tree(self._clients, _CLIENT_GRACE_S)
        # The last thing that a client did may have been to make a container: looked for once more.
        is_gone, self._were_clients = not clients and not self._were_clients, bool(clients)
        return is_gone

    def _containers(self) -> list[str]:
        try:
            return self._engine.containers(self._tree.mark)
        except FileNotFoundError:
            return []  # the engine was removed from this machine, and what it ran with it

    def _terminate(self, container: str) -> None:
        if container not in self._asked and self._engine.terminate(container):
            self._asked.add(container)

    def _kill(self, container: str) -> None:
        if container in self._killed:
            self._engine.remove(container)
        elif self._engine.kill(container):
            self._killed.add(container)
        else:
            self._engine.remove(container)

    def _clients(self) -> list[ProcessInfo]:
        return [
            one for one in self._tree.members() if any(has_argument(one.pid, text) for text in (self._names, _PULL))
        ]
