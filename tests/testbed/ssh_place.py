"""A provider whose tasks are a host: as little of one as it takes to have a dashboard connect over SSH."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from flow_core.config import Context
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.prompter import Prompter
from flow_core.providers.contract.access import Shell
from flow_core.providers.contract.provider import PollIntervals, Provider
from flow_core.providers.contract.provider_type import ProviderType
from flow_core.ssh.host import SshHost


class SshPlace(Provider):
    """One running task, named after its host, as long as that answers. `config` is an ssh config, `host` a name of it,
    or `settings` say all."""

    poll = PollIntervals(busy_s=0.3, idle_s=0.3)

    def __init__(self, context: Context, prompter: Prompter | None) -> None:
        self.context = context
        self._prompter = prompter
        self._host: SshHost | None = None

    @property
    def shells(self) -> Any:
        return self

    async def list_tasks(
        self, statuses: Collection[TaskStatus] | None = None, limit: int | None = None
    ) -> tuple[TaskRecord, ...]:
        host = await self._found()
        greeting = (await host.run("echo hello")).stdout.decode().strip()
        return (TaskRecord(self.context.name, "t-1", f"{greeting}-from-{host.settings.alias}", TaskStatus.RUNNING),)

    async def open(self, task_id: str, *, columns: int, rows: int, command: str | None = None, node: int = 0) -> Shell:
        return await (await self._found()).open_shell(columns=columns, rows=rows, command=command)

    async def directory(self, task_id: str) -> Path | None:
        return None

    async def close(self) -> None:
        if self._host is not None:
            await self._host.close()

    async def _found(self) -> SshHost:
        if self._host is None:
            settings: dict[str, Any] = dict(self.context.settings)
            if "settings" in settings:
                self._host = SshHost(settings["settings"], prompter=self._prompter)
            else:
                self._host = await SshHost.find(settings["host"], config=settings["config"], prompter=self._prompter)
        return self._host


PROVIDER = ProviderType(SshPlace)
