"""The dev VM, for ordinary code."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from flow_core.client.dev import AsyncDevEnvironment
from flow_core.sync.copy_docstring import copy_docstring
from flow_core.sync.loop_thread import run_sync
from flow_core.sync.task import Task
from flow_core.sync.terminal_guard import guard_terminal


class DevEnvironment:
    """The dev VM of this user. Entering starts it, or finds it; leaving stops it only with `auto_stop`."""

    def __init__(self, dev: AsyncDevEnvironment) -> None:
        self._dev = dev

    def __enter__(self) -> DevEnvironment:
        run_sync(self._dev.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        run_sync(self._dev.__aexit__(kind, error, trace))

    @copy_docstring(AsyncDevEnvironment.start)
    def start(
        self,
        instance_type: str | None = None,
        ssh_keys: list[str] | None = None,
        max_price_per_hour: float | None = None,
        docker_image: str | None = None,
        force_new: bool = False,
    ) -> Task:
        return Task(run_sync(self._dev.start(instance_type, ssh_keys, max_price_per_hour, docker_image, force_new)))

    @copy_docstring(AsyncDevEnvironment.ensure_started)
    def ensure_started(self) -> Task:
        return Task(run_sync(self._dev.ensure_started()))

    @copy_docstring(AsyncDevEnvironment.connect)
    def connect(self, command: str | None = None) -> None:
        with guard_terminal():
            run_sync(self._dev.connect(command))

    @copy_docstring(AsyncDevEnvironment.run)
    def run(self, command: str, image: str | None = None, wait: bool = True) -> int | Task:
        answer = run_sync(self._dev.run(command, image, wait))
        return answer if isinstance(answer, int) else Task(answer)

    @copy_docstring(AsyncDevEnvironment.exec)
    def exec(
        self, command: str | list[str], image: str | None = None, interactive: bool = False, retries: int = 0
    ) -> int:
        with guard_terminal():
            return run_sync(self._dev.exec(command, image, interactive, retries))

    @copy_docstring(AsyncDevEnvironment.reset)
    def reset(self) -> Task:
        return Task(run_sync(self._dev.reset()))

    @copy_docstring(AsyncDevEnvironment.stop)
    def stop(self) -> bool:
        return run_sync(self._dev.stop())

    @copy_docstring(AsyncDevEnvironment.status)
    def status(self) -> dict[str, Any]:
        return run_sync(self._dev.status())
