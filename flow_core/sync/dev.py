"""The dev VM, for blocking code."""

from __future__ import annotations

from types import TracebackType

from flow_core.client.dev import AsyncDevEnvironment
from flow_core.sync.loop_thread import run_sync
from flow_core.sync.task import Task
from flow_core.sync.terminal_guard import guard_terminal
from flow_core.sync.twin import BlockingTwin, copy_docstring, make_blocking


class DevEnvironment(BlockingTwin[AsyncDevEnvironment]):
    """The dev VM of this user. Entering the context starts it, or finds it; leaving stops it only with `auto_stop`."""

    def __enter__(self) -> DevEnvironment:
        run_sync(self._twin.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        run_sync(self._twin.__aexit__(kind, error, trace))

    @copy_docstring(AsyncDevEnvironment.start)
    def start(
        self,
        instance_type: str | None = None,
        ssh_keys: list[str] | None = None,
        max_price_per_hour: float | None = None,
        docker_image: str | None = None,
        force_new: bool = False,
    ) -> Task:
        return Task(run_sync(self._twin.start(instance_type, ssh_keys, max_price_per_hour, docker_image, force_new)))

    @copy_docstring(AsyncDevEnvironment.ensure_started)
    def ensure_started(self) -> Task:
        return Task(run_sync(self._twin.ensure_started()))

    @copy_docstring(AsyncDevEnvironment.connect)
    def connect(self, command: str | None = None) -> None:
        with guard_terminal():
            run_sync(self._twin.connect(command))

    @copy_docstring(AsyncDevEnvironment.run)
    def run(self, command: str, image: str | None = None, wait: bool = True) -> int | Task:
        answer = run_sync(self._twin.run(command, image, wait))
        return answer if isinstance(answer, int) else Task(answer)

    @copy_docstring(AsyncDevEnvironment.exec)
    def exec(
        self, command: str | list[str], image: str | None = None, interactive: bool = False, retries: int = 0
    ) -> int:
        with guard_terminal():
            return run_sync(self._twin.exec(command, image, interactive, retries))

    @copy_docstring(AsyncDevEnvironment.reset)
    def reset(self) -> Task:
        return Task(run_sync(self._twin.reset()))

    stop = make_blocking(AsyncDevEnvironment.stop)
    status = make_blocking(AsyncDevEnvironment.status)
