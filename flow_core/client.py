"""AsyncFlow and AsyncTask: one context, everything a task's owner does with it, async."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from flow_core.changes import Change, Gate
from flow_core.config import Config, Context, load_config
from flow_core.errors import ConfigError, Unsupported
from flow_core.logs.address import LogAddress
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.providers import open_provider

if TYPE_CHECKING:
    from flow_core.logs.spool import SpoolFiles
    from flow_core.models.instance import AvailableInstance, InstanceRequirements
    from flow_core.models.spec import TaskConfig
    from flow_core.models.volume import Volume, VolumeInterface
    from flow_core.providers.base import LogFacet, Provider, Shell, VolumeFacet

Facet = TypeVar("Facet")
_ACTIVE = frozenset({TaskStatus.PENDING, TaskStatus.PAUSED, TaskStatus.PREEMPTING})


class AsyncFlow:
    """The client of one context. Every change it makes passes `gate`.

    `context` is a name, or a Context; without one: `$FLOW_CONTEXT`, else the config's default, else `local`.
    Raises ConfigError for a context that isn't configured. Opens nothing until the first call.
    """

    def __init__(
        self, context: Context | str | None = None, *, config: Config | None = None, gate: Gate | None = None
    ) -> None:
        if not isinstance(context, Context):
            context = (config or load_config()).context(context)
        self.context = context
        self.gate = gate or Gate()
        self._provider: Provider | None = None

    @property
    def provider(self) -> Provider:
        """The provider itself, opened on first use."""
        if self._provider is None:
            self._provider = open_provider(self.context)
        return self._provider

    async def __aenter__(self) -> AsyncFlow:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Lets go of the provider; twice is safe. Tasks go on."""
        provider, self._provider = self._provider, None
        if provider is not None:
            await provider.close()

    async def run(
        self, task: TaskConfig | str | Path, wait: bool = False, mounts: str | dict[str, str] | None = None
    ) -> AsyncTask:
        """Submits a TaskConfig or a YAML file of one; `wait` returns once it runs (or has ended).

        `mounts` maps target to source and replaces the config's data_mounts. Not safe twice.
        """
        from flow_core.models.files import as_task_config, with_mounts  # deferred: loads pydantic

        config = with_mounts(as_task_config(task), mounts)
        change = Change("submit", self.context.name, config.name, self.provider.describe_submit(config))
        handle = AsyncTask(await self.gate.apply(change, lambda: self.provider.submit(config)), self)
        if wait:
            await handle.wait_until_started()
        return handle

    async def submit(
        self,
        command: str,
        gpu: str | None = None,
        mounts: str | dict[str, str] | None = None,
        instance_type: str | None = None,
        wait: bool = False,
    ) -> AsyncTask:
        """Submits a shell command; `gpu` is a shorthand, ignored when `instance_type` is given.

        `wait` returns once the task has ended. Not safe twice.
        """
        from flow_core.models.spec import TaskConfig  # deferred: loads pydantic

        fields = {
            "name": f"flow-submit-{int(time.time())}",
            "unique_name": False,
            "command": command,
            "instance_type": instance_type or gpu,
        }
        task = await self.run(TaskConfig.parse(fields), mounts=mounts)
        return await task.wait() if wait else task

    async def status(self, task_id: str) -> str:
        """The status word of a task. Raises NotFound."""
        return (await self.provider.get_task(task_id)).status.value

    async def cancel(self, task_id: str, force: bool = False) -> None:
        """Asks for the end of a task; safe twice and after its end. `force` leaves it no time to clean up."""
        record = await self.provider.get_task(task_id)
        change = Change("cancel", self.context.name, task_id, self.provider.describe_cancel(record))
        await self.gate.apply(change, lambda: self.provider.cancel_task(task_id, force=force))

    async def get_task(self, task_id: str) -> AsyncTask:
        """A handle for an existing task. Raises NotFound."""
        return AsyncTask(await self.provider.get_task(task_id), self)

    async def list_tasks(
        self,
        status: TaskStatus | Sequence[TaskStatus] | None = None,
        limit: int = 10,
        force_refresh: bool = False,
    ) -> list[AsyncTask]:
        """The last submitted tasks first, at most `limit`. `force_refresh` is accepted: every call asks anew."""
        records = await self.provider.list_tasks(_statuses(status), limit)
        return [AsyncTask(record, self) for record in records]

    @overload
    async def logs(
        self,
        task_id: str,
        follow: Literal[False] = False,
        tail: int = 100,
        stderr: bool = False,
        source: str | None = None,
        stream: str | None = None,
    ) -> str: ...

    @overload
    async def logs(
        self,
        task_id: str,
        follow: Literal[True],
        tail: int = 100,
        stderr: bool = False,
        source: str | None = None,
        stream: str | None = None,
    ) -> AsyncIterator[str]: ...

    async def logs(
        self,
        task_id: str,
        follow: bool = False,
        tail: int = 100,
        stderr: bool = False,
        source: str | None = None,
        stream: str | None = None,
    ) -> str | AsyncIterator[str]:
        """The last `tail` lines of a task's newest attempt, or an iterator of every line until the task ends.

        Both streams as they were merged; `stderr` (or `stream="stderr"`/`"stdout"`) picks one. Close the
        iterator (`aclosing`) when leaving it early. Raises NotFound, Unsupported.
        """
        from flow_core.logs.follow import tail_text  # deferred: only readers need it
        from flow_core.logs.lines import follow_lines

        wanted = _streams(stderr, source, stream)
        address = await self._newest_log(task_id)
        files = await self._logs.open(address)
        if not follow:
            return await asyncio.to_thread(tail_text, files, tail, wanted)
        return follow_lines(files, lambda: self._logs.is_complete(address), wanted)

    async def log_bytes(self, address: LogAddress, offset: int = 0) -> AsyncIterator[tuple[int, bytes]]:
        """The raw bytes of one log from `offset` on, as (offset, bytes), until no more can come."""
        from flow_core.logs.follow import follow  # deferred: only readers need it

        files = await self._logs.open(address)
        async with aclosing(follow(files, offset, lambda: self._logs.is_complete(address))) as chunks:
            async for chunk in chunks:
                yield chunk.offset, chunk.data

    async def log_addresses(self, task_id: str) -> tuple[LogAddress, ...]:
        """Every log of a task; empty before it started."""
        return await self._logs.addresses(task_id)

    async def open_log(self, address: LogAddress) -> SpoolFiles:
        """The files on this machine that hold, or will hold, this log."""
        return await self._logs.open(address)

    async def is_log_complete(self, address: LogAddress) -> bool:
        """True once no byte will be added any more."""
        return await self._logs.is_complete(address)

    async def create_volume(
        self,
        size_gb: int,
        name: str | None = None,
        interface: VolumeInterface = "block",
        region: str | None = None,
    ) -> Volume:
        """Makes a volume; `block` for one task at a time, `file` for many. Not safe twice."""
        volumes = self._volumes
        call = volumes.describe_create(size_gb, name, interface)
        change = Change("create volume", self.context.name, name or "a volume", call)
        return await self.gate.apply(change, lambda: volumes.create(size_gb, name, interface, region))

    async def delete_volume(self, volume_id: str) -> None:
        """Destroys a volume and its data. Raises NotFound, and Conflict while tasks hold it."""
        volumes = self._volumes
        volume = next((v for v in await volumes.list() if volume_id in (v.volume_id, v.name)), None)
        call = volumes.describe_delete(volume) if volume else "nothing: no such volume"
        change = Change("delete volume", self.context.name, volume_id, call)
        await self.gate.apply(change, lambda: volumes.delete(volume_id))

    async def list_volumes(self, limit: int = 100) -> list[Volume]:
        """Volumes, newest first, at most `limit`."""
        return list((await self._volumes.list())[:limit])

    async def mount_volume(self, volume_id: str, task_id: str, mount_point: str | None = None) -> bool:
        """Gives an unfinished task a volume (by id or name); True once it has it. Twice is safe."""
        await self.attach_volume(volume_id, task_id, mount_point)
        return True

    async def attach_volume(self, volume_id: str, task_id: str, mount_point: str | None = None) -> str:
        """As `mount_volume`, and says the path at which the task finds it."""
        volumes = self._volumes
        call = volumes.describe_attach(volume_id, task_id, mount_point)
        change = Change("attach volume", self.context.name, f"{volume_id} to {task_id}", call)
        return await self.gate.apply(change, lambda: volumes.attach(volume_id, task_id, mount_point))

    async def find_instances(self, requirements: InstanceRequirements, limit: int = 10) -> list[AvailableInstance]:
        """Instance types that fit, cheapest first. Raises ConfigError for a requirement nobody knows."""
        return list((await self._facet(self.provider.instances, "instances").find(requirements))[:limit])

    async def normalize_instance_request(
        self, gpu_count: int, gpu_type: str | None = None
    ) -> tuple[str, int, str | None]:
        """(instance_type, num_instances, warning) for so many GPUs of a type."""
        return await self._facet(self.provider.instances, "instances").normalize(gpu_count, gpu_type)

    async def open_shell(self, task_id: str, *, columns: int, rows: int, command: str | None = None) -> Shell:
        """A terminal inside a running task. The caller closes it."""
        shells = self._facet(self.provider.shells, "shells")
        change = Change("shell", self.context.name, task_id, command or "a login shell in the task's directory")
        return await self.gate.apply(change, lambda: shells.open(task_id, columns=columns, rows=rows, command=command))

    async def task_directory(self, task_id: str) -> Path | None:
        """Where the task works, when that is on this machine; else None."""
        return await self._facet(self.provider.shells, "shells").directory(task_id)

    @property
    def _logs(self) -> LogFacet:
        return self._facet(self.provider.logs, "logs")

    @property
    def _volumes(self) -> VolumeFacet:
        return self._facet(self.provider.volumes, "volumes")

    def _facet(self, facet: Facet | None, noun: str) -> Facet:
        if facet is None:
            raise Unsupported(f"{self.context.provider} has no {noun}")
        return facet

    async def _newest_log(self, task_id: str) -> LogAddress:
        addresses = await self._logs.addresses(task_id)
        return addresses[-1] if addresses else LogAddress(self.context.name, task_id)


class AsyncTask:
    """A task with what can be done to it: a record as last answered, and the client it came from."""

    def __init__(self, record: TaskRecord, flow: AsyncFlow) -> None:
        self.record = record
        self.flow = flow

    def __getattr__(self, name: str) -> Any:
        if name == "record":  # not yet set, as when unpickling: asking the record would never end
            raise AttributeError(name)
        return getattr(self.record, name)

    def __repr__(self) -> str:
        return f"<Task {self.record.task_id} {self.record.name} {self.record.status}>"

    async def refresh(self) -> AsyncTask:
        """Asks the provider for the task as it is now."""
        self.record = await self.flow.provider.get_task(self.record.task_id)
        return self

    async def wait(self, timeout_s: float | None = None) -> AsyncTask:
        """Returns once the task has ended, however long that takes. Raises TimeoutError after `timeout_s`."""
        return await self._until(lambda: self.record.is_terminal, timeout_s)

    async def wait_until_started(self, timeout_s: float | None = None) -> AsyncTask:
        """Returns once the task runs or has ended. Raises TimeoutError after `timeout_s`."""
        return await self._until(lambda: self.record.status not in _ACTIVE, timeout_s)

    async def cancel(self, force: bool = False) -> None:
        await self.flow.cancel(self.record.task_id, force=force)

    async def logs(self, follow: bool = False, tail: int = 100, stderr: bool = False) -> str | AsyncIterator[str]:
        """See `AsyncFlow.logs`."""
        if follow:
            return await self.flow.logs(self.record.task_id, True, tail, stderr)
        return await self.flow.logs(self.record.task_id, False, tail, stderr)

    async def _until(self, holds: Any, timeout_s: float | None) -> AsyncTask:
        pause_s = 0.02
        async with asyncio.timeout(timeout_s):
            await self.refresh()
            while not holds():
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 1.5, self.flow.provider.poll.busy_s)
                await self.refresh()
        return self


def _statuses(status: TaskStatus | Sequence[TaskStatus] | None) -> Collection[TaskStatus] | None:
    if status is None:
        return None
    try:
        return frozenset({TaskStatus(status)} if isinstance(status, str) else {TaskStatus(one) for one in status})
    except ValueError:
        known = ", ".join(TaskStatus)
        raise ConfigError(f"{status!r} is no status; there are: {known}", field="status") from None


def _streams(stderr: bool, source: str | None, stream: str | None) -> frozenset[int] | None:
    """Which streams to keep, None for both."""
    from flow_core.logs.spool import STDERR, STDOUT  # deferred: only readers need it

    chosen = stream or source or ("stderr" if stderr else "combined")
    streams = {
        "stdout": frozenset({STDOUT}),
        "stderr": frozenset({STDERR}),
        "combined": None,
        "both": None,
        "all": None,
        "auto": None,
    }
    if chosen not in streams:
        raise ConfigError(f"{chosen!r} is no log stream; there are: {', '.join(streams)}", field="stream")
    return streams[chosen]
