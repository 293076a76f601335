"""The dev VM, for ordinary code."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from flow_core._loop import call
from flow_core.blocking.lent import lent_terminal
from flow_core.blocking.task import Task
from flow_core.blocking.words import same_as
from flow_core.client.dev import AsyncDevEnvironment


class DevEnvironment:
    """The dev VM of this user. Entering starts it, or finds it; leaving stops it only with `auto_stop`."""

    def __init__(self, dev: AsyncDevEnvironment) -> None:
        self._dev = dev

    def __enter__(self) -> DevEnvironment:
        call(self._dev.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        call(self._dev.__aexit__(kind, error, trace))

    @same_as(AsyncDevEnvironment.start)
    def start(
        self,
        instance_type: str | None = None,
        ssh_keys: list[str] | None = None,
        max_price_per_hour: float | None = None,
        docker_image: str | None = None,
        force_new: bool = False,
    ) -> Task:
        return Task(call(self._dev.start(instance_type, ssh_keys, max_price_per_hour, docker_image, force_new)))

    @same_as(AsyncDevEnvironment.ensure_started)
    def ensure_started(self) -> Task:
        return Task(call(self._dev.ensure_started()))

    @same_as(AsyncDevEnvironment.connect)
    def connect(self, command: str | None = None) -> None:
        with lent_terminal():
            call(self._dev.connect(command))

    @same_as(AsyncDevEnvironment.run)
    def run(self, command: str, image: str | None = None, wait: bool = True) -> int | Task:
        answer = call(self._dev.run(command, image, wait))
        return answer if isinstance(answer, int) else Task(answer)

    @same_as(AsyncDevEnvironment.exec)
    def exec(
        self, command: str | list[str], image: str | None = None, interactive: bool = False, retries: int = 0
    ) -> int:
        with lent_terminal():
            return call(self._dev.exec(command, image, interactive, retries))

    @same_as(AsyncDevEnvironment.reset)
    def reset(self) -> Task:
        return Task(call(self._dev.reset()))

    @same_as(AsyncDevEnvironment.stop)
    def stop(self) -> bool:
        return call(self._dev.stop())

    @same_as(AsyncDevEnvironment.status)
    def status(self) -> dict[str, Any]:
        return call(self._dev.status())
