"""The dev VM: one long-running task of this user to work in, found again by its name."""

from __future__ import annotations

import getpass
import hashlib
import os
import secrets
import shlex
from typing import TYPE_CHECKING, Any

from flow_core.argument_checks import check_command, check_integer
from flow_core.client.local_terminal import LocalTerminal, Printer
from flow_core.client.task_access import AsyncTaskAccessResource
from flow_core.client.tasks import AsyncTaskResource
from flow_core.errors import ConfigError, Conflict, NotFound, Unreachable
from flow_core.gpu_shorthand import parse_gpu
from flow_core.models.task import TaskStatus

if TYPE_CHECKING:
    from flow_core.client.context_client import ContextClient
    from flow_core.client.task import AsyncTask

_IDLE = "exec tail -f /dev/null"  # sleeps forever on every system; not all know `sleep infinity`
_UNFINISHED = (TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.PAUSED, TaskStatus.PREEMPTING)
_TASKS_SEARCHED = 10_000


class AsyncDevEnvironment:
    """The dev VM of this user. Entering the context starts it, or finds it; leaving stops it only with `auto_stop`."""

    def __init__(self, client: ContextClient, auto_stop: bool = False) -> None:
        self._tasks = AsyncTaskResource(client)
        self._access = AsyncTaskAccessResource(client)
        self._auto_stop = auto_stop
        self._task: AsyncTask | None = None

    async def __aenter__(self) -> AsyncDevEnvironment:
        await self.ensure_started()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._auto_stop:
            await self.stop()

    async def start(
        self,
        instance_type: str | None = None,
        ssh_keys: list[str] | None = None,
        max_price_per_hour: float | None = None,
        docker_image: str | None = None,
        force_new: bool = False,
    ) -> AsyncTask:
        """Starts the VM, or finds the one that exists, and returns once it runs. Calling it again is safe.

        `force_new` starts another one beside it. Raises Conflict if the existing VM has another instance type or image
        than you request, and the errors of `tasks.run`.
        """
        found = None if force_new else await self._find()
        if found is None:
            suffix = f"-{secrets.token_hex(2)}" if force_new else ""
            found = await self._submit(suffix, instance_type, ssh_keys, max_price_per_hour, docker_image)
        else:
            _refuse_other(found, instance_type, docker_image)
        self._task = await found.wait_until_started()
        if self._task.is_terminal:
            raise Conflict(f"the dev VM {self._task.task_id} is {self._task.status}: {self._task.message}")
        return self._task

    async def ensure_started(self) -> AsyncTask:
        """Starts the VM unless it exists, and returns once it runs. Calling it again is safe."""
        if self._task is not None and not (await self._task.refresh()).is_terminal:
            return await self._task.wait_until_started()
        return await self.start()

    async def connect(self, command: str | None = None) -> None:
        """Opens a shell in the VM on this program's terminal, or runs one command there. See `task_access.shell`."""
        await self._access.shell((await self.ensure_started()).task_id, command)

    async def run(self, command: str, image: str | None = None, wait: bool = True) -> int | AsyncTask:
        """Runs a command in the VM and returns its exit code.

        With an `image`, the command runs as a separate task in that image, on an instance like the VM's; returns its
        exit code, or the task if `wait` is false. Two calls run it twice.
        """
        if image is None:
            return await self.exec(command)
        vm = await self.ensure_started()
        fields: dict[str, Any] = {
            "name": "dev-run",
            "image": image,
            "instance_type": vm.record.config.get("instance_type"),
        }
        task = await self._tasks.run(self._config({**fields, "command": command}))
        if not wait:
            return task
        exit_code = (await task.wait()).exit_code
        return 1 if exit_code is None else exit_code

    async def exec(
        self, command: str | list[str], image: str | None = None, interactive: bool = False, retries: int = 0
    ) -> int:
        """Runs a command in the VM, shows its output, and returns its exit code.

        `interactive` gives it this program's terminal. If the VM can't be reached, it is tried again up to `retries`
        times. Raises Conflict if the VM doesn't run in `image`.
        """
        command_line = _to_command_line(command)
        attempts_left = check_integer("retries", retries, maximum=100)
        vm = await self.ensure_started()
        _refuse_other(vm, None, image)
        while True:
            try:
                run = self._run_on_terminal if interactive else self._run_without_terminal
                return await run(vm, command_line)
            except Unreachable:
                if not attempts_left:
                    raise
                attempts_left -= 1

    async def reset(self) -> AsyncTask:
        """Ends everything in the VM and starts it again, as it was requested. Its directory and volumes stay."""
        vm = await self.ensure_started()
        place = await self._access.directory(vm.task_id)
        fields = dict(vm.record.config) if place is None else {"working_dir": str(place), **vm.record.config}
        await vm.cancel()
        await vm.wait()
        self._task = await (await self._tasks.run(self._config(fields))).wait_until_started()
        return self._task

    async def stop(self) -> bool:
        """Ends the VM; returns whether there was one. Calling it again is safe."""
        vm = self._task or await self._find()
        self._task = None
        if vm is None or (await vm.refresh()).is_terminal:
            return False
        await vm.cancel()
        await vm.wait()
        return True

    async def status(self) -> dict[str, Any]:
        """Returns {"vm": the VM as a TaskDict or None, "active_containers": their number, "containers": their ids}."""
        vm = await self._find()
        containers = [vm.task_id] if vm is not None and vm.record.config.get("image") and vm.is_running else []
        described = None if vm is None else vm.to_dict()
        return {"vm": described, "active_containers": len(containers), "containers": containers}

    async def _find(self) -> AsyncTask | None:
        if self._task is not None:
            try:
                if not (await self._task.refresh()).is_terminal:
                    return self._task
            except NotFound:
                self._task = None
        tasks = await self._tasks.list(_UNFINISHED, limit=_TASKS_SEARCHED)
        return next((task for task in tasks if task.name == dev_name()), None)

    async def _submit(
        self,
        suffix: str,
        instance_type: str | None,
        ssh_keys: list[str] | None,
        max_price_per_hour: float | None,
        docker_image: str | None,
    ) -> AsyncTask:
        fields: dict[str, Any] = {
            "name": dev_name() + suffix,
            "unique_name": False,
            "command": _IDLE,
            "instance_type": instance_type,
            "ssh_keys": ssh_keys or [],
            "max_price_per_hour": max_price_per_hour,
            "image": docker_image,
            "dev_vm": True,
        }
        try:
            return await self._tasks.run(self._config(fields))
        except ConfigError as error:
            if error.field != "instance_type" or instance_type is not None:
                raise
            message = f"{error.message}; start the dev VM with it: dev_context().start(instance_type=...)"
            raise ConfigError(message, field="instance_type") from None

    def _config(self, fields: dict[str, Any]) -> Any:
        from flow_core.models.task_config import TaskConfig  # lazy import: loads pydantic

        return TaskConfig.parse(fields)

    async def _run_without_terminal(self, vm: AsyncTask, command: str) -> int:
        remote, printer = self._access.remote_operations(), Printer()
        done = await remote.run(vm.task_id, command, timeout_s=None, on_output=printer)
        printer.end()
        return done.exit_code

    async def _run_on_terminal(self, vm: AsyncTask, command: str) -> int:
        terminal = LocalTerminal()
        columns, rows = terminal.size
        shell = await self._access.open_shell(vm.task_id, columns=columns, rows=rows, command=command)
        return await terminal.attach(shell)


def dev_name() -> str:
    """Returns the name of this user's dev VM, which depends only on the user's name."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return "dev-" + hashlib.sha256(user.encode()).hexdigest()[:6]


def _to_command_line(command: str | list[str]) -> str:
    if isinstance(command, list) and all(isinstance(word, str) for word in command):
        return check_command("command", shlex.join(command))
    return check_command("command", command)


def _is_same_type(requested: object, existing: object) -> bool:
    """Returns whether two spellings of an instance type mean the same."""
    if isinstance(requested, str) and isinstance(existing, str):
        return parse_gpu(requested) == parse_gpu(existing)
    return requested == existing


def _refuse_other(vm: AsyncTask, instance_type: str | None, image: str | None) -> None:
    type_there, image_there = vm.record.config.get("instance_type"), vm.record.config.get("image")
    for what, requested, existing, is_same in (
        ("instance type", instance_type, type_there, _is_same_type(instance_type, type_there)),
        ("image", image, image_there, image == image_there),
    ):
        if requested is not None and not is_same:
            raise Conflict(
                f"the dev VM {vm.task_id} has {what} {existing or 'none'}, not {requested};"
                " stop it first, or start another one with force_new"
            )
