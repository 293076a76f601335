"""Turning a TaskConfig into a task on a machine, or into a refusal that leaves nothing behind."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flow_core.errors import ConfigError, Conflict, FlowError, NotFound, Unreachable, Unsupported, printable
from flow_core.providers.asked import task_name
from flow_core.providers.hosts.answers import Answer
from flow_core.providers.hosts.code import code_of, send_code
from flow_core.providers.hosts.facts import look_at_all
from flow_core.providers.hosts.far import ask_all
from flow_core.providers.hosts.gathering import enough, meet, start_together, together
from flow_core.providers.hosts.limits import refuse_what_no_machine_does, refuse_what_several_machines_do_not
from flow_core.providers.hosts.placement import Seat, seats
from flow_core.providers.hosts.plan import Node, plan_of, script_of, volume_name
from flow_core.providers.hosts.program import version
from flow_core.providers.hosts.shelf import TaskShelf, strongest
from flow_core.providers.hosts.told import VERSION

if TYPE_CHECKING:
    from flow_core.models.spec import TaskConfig, VolumeSpec
    from flow_core.models.volume import Volume
    from flow_core.providers.hosts.volumes import HostVolumes

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_TRIES = 3
_last_moment = 0.0


class Submission:
    """One submit, from checks that change nothing to the running keeper."""

    def __init__(self, config: TaskConfig, tasks: TaskShelf, volumes: HostVolumes) -> None:
        self._config = config
        self._tasks = tasks
        self._volumes = volumes
        self._name = task_name(config)
        self._made: list[Volume] = []

    async def run(self) -> str:
        """The new task's id. Raises ConfigError, Unsupported, CapacityError, NotFound, Conflict, Unreachable."""
        refuse_what_no_machine_does(self._config)
        if self._config.num_instances > 1:
            refuse_what_several_machines_do_not(self._config)
        _refuse_other_data(self._config)
        code = code_of(self._config)
        if (known := await self._submitted_before()) is not None:
            return known
        found, wanted = await self._find_volumes()
        chosen = await self._choose(found)
        task_id = new_id("task")
        try:
            volumes = [*found, *[await self._make(spec, chosen[0]) for spec in wanted]]
            nodes = await meet(chosen)
            answers = await together(
                self._place(task_id, *each, volumes, code) for each in zip(chosen, nodes, strict=True)
            )
            if len(chosen) > 1:
                answers = await start_together(chosen, task_id)
        except FlowError as error:
            await self._undo(chosen, task_id, error)
            raise
        for seat, answer in zip(chosen, answers, strict=True):
            await self._tasks.view_of(seat.far).take(answer)
        return task_id

    async def _place(
        self, task_id: str, seat: Seat, node: Node, volumes: Sequence[Volume], code: Path | None
    ) -> Answer:
        plan = plan_of(self._config, seat, node, volumes)
        if code is not None:
            answer = await seat.far.ask("prepare", task_id, plan)
            await send_code(seat.far, code, f"{answer.root}/new/{task_id}/work", self._config)
        return await self._start(seat, task_id, plan, node, volumes)

    async def _choose(self, found: Sequence[Volume]) -> list[Seat]:
        """A machine for each rank."""
        names = {view.far.name: view.far for view in self._tasks.views}
        homes = {volume.region for volume in found}
        if len(homes) > 1:
            raise Conflict(f"volumes: they lie on {', '.join(sorted(homes))}; a task runs on one machine")
        asked = [far for far in names.values() if not homes or far.name in homes]
        seen, silent = await look_at_all(asked)
        if not seen:
            raise strongest(list(silent.values()))
        return enough(self._config, seats(self._config, seen, silent, names))

    async def _start(self, seat: Seat, task_id: str, plan: str, node: Node, volumes: Sequence[Volume]) -> Answer:
        """Asks again where no answer came: the machine knows the id, and makes no second task."""
        words = (
            *(task_id, version(), json.dumps(self._record(seat, node), separators=(",", ":"))),
            "\n".join(f"M {task_id} {_mount(volume)}" for volume in volumes),
            *(plan, script_of(self._config, self._name, task_id, seat, node, volumes)),
        )
        for tried in range(1, _TRIES + 1):
            try:
                return await seat.far.ask("start", *words)
            except Unreachable as error:
                if tried == _TRIES:
                    raise Unreachable(f"{error}; {task_id} may have been started there all the same") from error
                await asyncio.sleep(tried)
        raise AssertionError("the last try returns or raises")

    def _record(self, seat: Seat, node: Node) -> dict[str, Any]:
        return {
            "version": VERSION,
            "name": self._name,
            "command": self._config.command_line,
            "created_at": next_moment(),
            "rank": node.rank,
            "ranks": node.ranks,
            "instance_type": seat.instance_type,
            "gpu_type": seat.model or None,
            "gpu_count": seat.count,
            "owner": _user_name(),
            "ports": list(self._config.ports),
            "config": self._config.said(),
        }

    async def _submitted_before(self) -> str | None:
        """The task that this very submit made when it was tried before. Raises Conflict for another one's key."""
        key = self._config.idempotency_key
        if key is None:
            return None
        tasks = await self._tasks.all()
        found = next((task for task in tasks if task.config.get("idempotency_key") == key), None)
        if found is not None and found.config != self._config.said():
            raise Conflict(f"idempotency_key: {key!r} is that of task {found.task_id}, which was asked something else")
        return None if found is None else found.task_id

    async def _find_volumes(self) -> tuple[list[Volume], list[VolumeSpec]]:
        """Those that are there, and those that are to be made. Raises NotFound, Conflict."""
        named = [name for mount in self._config.data_mounts if (name := volume_name(mount))]
        found: list[Volume] = []
        wanted: list[VolumeSpec] = []
        if not named and not self._config.volumes:
            return found, wanted
        known = await self._volumes.list()
        by_name = {key: volume for volume in known for key in (volume.name, volume.volume_id)}
        for name in named:
            found.append(_one_of(by_name, name))
        for spec in self._config.volumes:
            name = spec.volume_id or spec.name or ""
            if name not in by_name and spec.create_if_missing and spec.volume_id is None:
                wanted.append(spec)
            else:
                found.append(_one_of(by_name, name))
        for volume in found:
            await self._volumes.refuse_if_held(volume)
        return list(dict.fromkeys(found)), wanted

    async def _make(self, spec: VolumeSpec, seat: Seat) -> Volume:
        volume = await self._volumes.create(spec.size_gb, spec.name, spec.interface, seat.far.name)
        self._made.append(volume)
        return volume

    async def _undo(self, chosen: Sequence[Seat], task_id: str, error: FlowError) -> None:
        """Where nobody answers any more there is nobody to ask for it either."""
        if isinstance(error, Unreachable) and len(chosen) == 1:
            return
        await ask_all([seat.far for seat in chosen], "forget" if len(chosen) > 1 else "discard", task_id)
        for volume in self._made:
            await self._volumes.delete(volume.volume_id)


def new_id(prefix: str) -> str:
    return prefix + "_" + "".join(secrets.choice(_ALPHABET) for _ in range(10))


def next_moment() -> float:
    """The time, later than all before: it says which task was submitted first."""
    global _last_moment
    _last_moment = max(time.time(), _last_moment + 1e-6)
    return _last_moment


def _refuse_other_data(config: TaskConfig) -> None:
    for mount in config.data_mounts:
        if volume_name(mount):
            continue
        shown = printable(repr(mount.source))
        if "://" in mount.source:
            raise Unsupported(f"data_mounts: {shown} can't be mounted on a host; copy it in the command")
        if not mount.source.startswith(("/", "~/")):
            raise ConfigError(f"data_mounts: {shown} must be a path of the machine, from / or ~/", field="data_mounts")


def _one_of(volumes: dict[str, Volume], name: str) -> Volume:
    try:
        return volumes[name]
    except KeyError:
        raise NotFound(f"no volume {printable(repr(name[:70]))} on any reachable machine") from None


def _mount(volume: Volume) -> str:
    return json.dumps({"volume_id": volume.volume_id, "name": volume.name}, separators=(",", ":"))


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
