"""Submits a TaskConfig as a task on machines, or refuses it without leaving anything behind."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flow_core.agent.machine_id import make_new_id
from flow_core.agent.refusals import Refused
from flow_core.agent.submit import CODE_GONE
from flow_core.errors import Conflict, FlowError, NotFound, Unreachable, printable
from flow_core.providers.contract.request_checks import build_task_name
from flow_core.providers.hosts.agent_client import call_all, gather_all
from flow_core.providers.hosts.host_info import read_all_hosts
from flow_core.providers.hosts.host_tasks import HostTasks, choose_error
from flow_core.providers.hosts.placement import Candidate, choose_machines, rank_candidates
from flow_core.providers.hosts.s3_credentials import find_credentials
from flow_core.providers.hosts.supported_fields import check_several, check_task
from flow_core.providers.over_agent.container_request_checks import check_image
from flow_core.providers.over_agent.submit_requests import build_request, get_volume_name
from flow_core.providers.over_ssh.code_folder import find_code, resolve_working_dir, send_code

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig
    from flow_core.models.volume import Volume
    from flow_core.providers.hosts.reservations import HostReservations
    from flow_core.providers.hosts.volumes import HostVolumes

_SUBMIT_S = 45.0
_WITHDRAW_S = 30.0
_LEAVE_S = 5.0  # after a cancellation, wait only this long
_TRIES = 2
_ATTEMPTS, _POLL_S = 6, 0.5
_RENDEZVOUS_PORTS = (20000, 32000)  # below the ports that systems choose automatically
_last_moment = 0.0


class HostSubmission:
    """One submit, from checks that change nothing to the task on its machines."""

    def __init__(
        self,
        config: TaskConfig,
        tasks: HostTasks,
        volumes: HostVolumes,
        reservations: HostReservations,
        settings: Mapping[str, Any],
    ) -> None:
        self._config = config
        self._tasks = tasks
        self._volumes = volumes
        self._reservations = reservations
        self._settings = settings
        self._name = build_task_name(config)

    async def run(self) -> str:
        """Submits the task and returns its id.

        Raises ConfigError, Unsupported, CapacityError, NotFound, Conflict, Unreachable.
        """
        check_task(self._config)
        if self._config.image is not None:
            check_image(self._config, self._settings.get("container"))
        check_several(self._config)
        code = find_code(self._config)
        if (earlier_task_id := await self._resume_earlier_submit()) is not None:
            return earlier_task_id
        chosen = await self._choose_machines(await self._find_machines())
        task_id = make_new_id("task")
        request = await self._build_request(task_id)
        try:
            nodes = await _plan_rendezvous(chosen)
            if code is not None:  # to all machines first, so that their submits are close together
                await gather_all(self._send_code(candidate, code, task_id) for candidate in chosen)
            answers = await gather_all(
                self._submit_to({**request, **node, "gpus": candidate.gpus}, candidate, code)
                for candidate, node in zip(chosen, nodes, strict=True)
            )
            for candidate, answer in zip(chosen, answers, strict=True):
                await self._tasks.find_state(candidate.agent).store_report(answer)
            _check_same_task(answers, self._config.idempotency_key)
        except (FlowError, asyncio.CancelledError) as error:
            await self._withdraw(chosen, task_id, error)
            raise
        return str(answers[0]["task_id"])

    async def _build_request(self, task_id: str) -> dict[str, Any]:
        """Builds the part of the request that is the same for all machines."""
        request = build_request(self._config, self._name, task_id)
        request |= {
            "engine": None if self._config.image is None else self._settings.get("container"),
            "ranks": 1,  # each rank is a separate part on its machine
            "streams": "merged",
            "submitted_at": get_next_submit_time(),
            "working_dir": resolve_working_dir(self._config),
            "own_folder": True,
            "credentials": await find_credentials(self._config, self._settings),
        }
        return request

    async def _send_code(self, candidate: Candidate, code: Path, task_id: str) -> None:
        code_folder = await candidate.agent.call("receive_code", task_id=task_id)
        await send_code(await candidate.agent.get_ssh_host(), code, str(code_folder), self._config)

    async def _submit_to(self, request: dict[str, Any], candidate: Candidate, code: Path | None) -> Any:
        request |= {"s3_python": candidate.agent.machine.s3_python, "has_code": code is not None}
        for tried in range(1, _TRIES + 1):
            try:
                return await candidate.agent.call_raw("submit", _SUBMIT_S, request=request)
            except Refused as refused:
                if refused.code != CODE_GONE or code is None or tried == _TRIES:
                    raise candidate.agent.convert_refusal(refused) from None
                await self._send_code(candidate, code, request["task_id"])
            except Unreachable as error:
                raise Unreachable(f"{error}; {request['task_id']} may have been started there all the same") from error
        raise AssertionError("the last try returns or raises")

    async def _choose_machines(self, machine_names: Sequence[str]) -> list[Candidate]:
        """Chooses a machine for each rank."""
        names = {host.agent.name: host.agent for host in self._tasks.hosts}
        if len(set(machine_names)) > 1:
            machines = ", ".join(sorted(set(machine_names)))
            fields = "volumes" if self._config.reservation_id is None else "volumes and reservation_id"
            raise Conflict(f"{fields}: what they name is on {machines}; a task runs on one machine", field="volumes")
        hosts = [agent for agent in names.values() if not machine_names or agent.name in machine_names]
        infos, silent = await read_all_hosts(hosts)
        if not infos:
            raise choose_error(list(silent.values()))
        candidates = rank_candidates(self._config, infos, silent, names)
        return choose_machines(self._config, await self._prefer_reserved(candidates))

    async def _prefer_reserved(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """Sorts machines on which the user has a suitable reservation first, if the task may use any reservation."""
        config = self._config
        is_free_to_choose = config.reservation_id is None and config.allocation_mode != "spot"
        if not is_free_to_choose or config.num_instances > 1 or not candidates[0].count:
            return candidates
        reserved = await self._reservations.list_reserved_gpus()
        return sorted(
            candidates,
            key=lambda candidate: not any(agent is candidate.agent and candidate.has(gpus) for agent, gpus in reserved),
        )

    async def _resume_earlier_submit(self) -> str | None:
        """Returns the task that an earlier try of this submit created; None if there is none.

        Withdraws it if only some machines have it. Raises Conflict if the key belongs to another or to a pruned task.
        """
        key = self._config.idempotency_key
        if key is None:
            return None
        tasks = await self._tasks.list_all()
        earlier_task = next((task for task in tasks if task.config.get("idempotency_key") == key), None)
        if earlier_task is not None and earlier_task.config != self._config.to_dict():
            raise Conflict(
                f"idempotency_key: {key!r} is that of task {earlier_task.task_id}, which has a different configuration",
                field="idempotency_key",
            )
        if earlier_task is not None and await self._is_cut_off(earlier_task.task_id):
            arguments = {"task_id": earlier_task.task_id}
            await call_all([host.agent for host in self._tasks.hosts], "withdraw", lambda agent: arguments)
            earlier_task = None
        if earlier_task is None:
            await self._check_pruned_key(key)
        return None if earlier_task is None else earlier_task.task_id

    async def _is_cut_off(self, task_id: str) -> bool:
        """Returns whether only some machines have their part of the task, and this is not just a submit in progress."""
        for _ in range(_ATTEMPTS):
            if not self._tasks.is_cut_off(task_id):
                return False
            await asyncio.sleep(_POLL_S)
            await self._tasks.find(task_id)
        return self._tasks.is_cut_off(task_id)

    async def _check_pruned_key(self, key: str) -> None:
        """Calls each machine, which knows the keys of the tasks that were pruned there. Raises Conflict."""
        for host in self._tasks.hosts:
            if not host.is_silent:
                await host.agent.call("refuse_pruned_key", key=key)

    async def _find_machines(self) -> list[str]:
        """Returns the machines of the task's volumes and reservation. Raises NotFound, Conflict."""
        reservation_id = self._config.reservation_id
        machines = [] if reservation_id is None else [(await self._reservations.find_machine(reservation_id)).name]
        return [*machines, *await self._find_volume_machines()]

    async def _find_volume_machines(self) -> list[str]:
        names = [name for mount in self._config.data_mounts if (name := get_volume_name(mount))]
        volumes: list[Volume] = []
        if not names and not self._config.volumes:
            return []
        all_volumes = await self._volumes.list()
        by_name = {key: volume for volume in all_volumes for key in (volume.name, volume.volume_id)}
        for name in names:
            volumes.append(_get_volume(by_name, name))
        for spec in self._config.volumes:
            name = spec.volume_id or spec.name or ""
            if name in by_name or not spec.create_if_missing or spec.volume_id is not None:
                volumes.append(_get_volume(by_name, name))
        for volume in volumes:
            await self._volumes.refuse_if_held(volume)
        return sorted({str(volume.region) for volume in volumes})

    async def _withdraw(
        self, chosen: Sequence[Candidate], task_id: str, error: FlowError | asyncio.CancelledError
    ) -> None:
        """Withdraws the task on all chosen machines. Does nothing if the only machine is unreachable."""
        if isinstance(error, Unreachable) and len(chosen) == 1:
            return
        arguments = {"task_id": task_id, "is_under_way": isinstance(error, Unreachable | asyncio.CancelledError)}
        with suppress(TimeoutError):
            async with asyncio.timeout(_WITHDRAW_S if isinstance(error, FlowError) else _LEAVE_S):
                await call_all([candidate.agent for candidate in chosen], "withdraw", lambda agent: arguments)


async def _plan_rendezvous(chosen: Sequence[Candidate]) -> list[dict[str, Any]]:
    """Returns the part of the request for each machine, with the address of rank 0. Empty for a single machine."""
    if len(chosen) == 1:
        return [{}]
    head = (await chosen[0].agent.get_ssh_host()).settings.hostname
    port = random.randrange(*_RENDEZVOUS_PORTS)
    ranks = len(chosen)
    return [{"part": {"rank": rank, "ranks": ranks, "head": head, "port": port}} for rank in range(ranks)]


def _check_same_task(answers: Sequence[Any], key: str | None) -> None:
    """Checks that all machines have the same task for the key. Raises Conflict."""
    if len({str(answer["task_id"]) for answer in answers}) > 1:
        raise Conflict(
            f"idempotency_key: {key!r} is being submitted by two clients at once; submit it again",
            field="idempotency_key",
        )


def get_next_submit_time() -> float:
    """Returns the current time, later than all before: the order of submits."""
    global _last_moment
    _last_moment = max(time.time(), _last_moment + 1e-6)
    return _last_moment


def _get_volume(volumes: dict[str, Volume], name: str) -> Volume:
    try:
        return volumes[name]
    except KeyError:
        raise NotFound(f"no volume {printable(repr(name[:70]))} on any reachable machine") from None
