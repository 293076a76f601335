"""Turning a TaskConfig into a task on a machine, or into a refusal that leaves nothing behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flow_core.agent.machine import new_id
from flow_core.agent.refusals import Refused
from flow_core.agent.submit import CODE_GONE
from flow_core.errors import Conflict, FlowError, NotFound, Unreachable, printable
from flow_core.providers.contract.request_checks import task_name
from flow_core.providers.hosts.agent_client import call_all
from flow_core.providers.hosts.code_upload import directory_of, find_code, send_code
from flow_core.providers.hosts.host_info import read_all_hosts
from flow_core.providers.hosts.host_tasks import HostTasks, most_actionable
from flow_core.providers.hosts.placement import Candidate, rank_candidates
from flow_core.providers.hosts.rendezvous import choose_machines, gather_all, plan_rendezvous
from flow_core.providers.hosts.s3_credentials import credentials_of
from flow_core.providers.hosts.supported_fields import check_several, check_task
from flow_core.providers.over_agent.container_request_checks import check_image
from flow_core.providers.over_agent.submit_requests import request_of, volume_name

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig
    from flow_core.models.volume import Volume
    from flow_core.providers.hosts.reservations import HostReservations
    from flow_core.providers.hosts.volumes import HostVolumes

_SUBMIT_S = 45.0
_WITHDRAW_S = 30.0
_LEAVE_S = 5.0  # whoever was cancelled wants to go
_TRIES = 2
_LOOKS, _POLL_S = 6, 0.5
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
        self._name = task_name(config)

    async def run(self) -> str:
        """The new task's id. Raises ConfigError, Unsupported, CapacityError, NotFound, Conflict, Unreachable."""
        check_task(self._config)
        if self._config.image is not None:
            check_image(self._config, self._settings.get("container"))
        check_several(self._config)
        code = find_code(self._config)
        if (known := await self._submitted_before()) is not None:
            return known
        chosen = await self._choose(await self._homes())
        task_id = new_id("task")
        request = await self._request(task_id)
        try:
            nodes = await plan_rendezvous(chosen)
            if code is not None:  # first to all of them, so that their submits are close together
                await gather_all(self._send(candidate, code, task_id) for candidate in chosen)
            answers = await gather_all(
                self._place({**request, **node, "gpus": candidate.gpus}, candidate, code)
                for candidate, node in zip(chosen, nodes, strict=True)
            )
            for candidate, answer in zip(chosen, answers, strict=True):
                await self._tasks.view_of(candidate.agent).take(answer)
            _refuse_half_of_another(answers, self._config.idempotency_key)
        except (FlowError, asyncio.CancelledError) as error:
            await self._undo(chosen, task_id, error)
            raise
        return str(answers[0]["task_id"])

    async def _request(self, task_id: str) -> dict[str, Any]:
        """What every machine is asked, without what differs between them."""
        request = request_of(self._config, self._name, task_id)
        request |= {
            "engine": None if self._config.image is None else self._settings.get("container"),
            "ranks": 1,  # each of several is a part on a machine of its own
            "streams": "merged",
            "submitted_at": next_moment(),
            "working_dir": directory_of(self._config),
            "own_folder": True,
            "credentials": await credentials_of(self._config, self._settings),
        }
        return request

    async def _send(self, candidate: Candidate, code: Path, task_id: str) -> None:
        place = await candidate.agent.call("receive_code", task_id=task_id)
        await send_code(candidate.agent, code, str(place), self._config)

    async def _place(self, request: dict[str, Any], candidate: Candidate, code: Path | None) -> Any:
        request |= {"s3_python": candidate.agent.machine.s3_python, "has_code": code is not None}
        for tried in range(1, _TRIES + 1):
            try:
                return await candidate.agent.call_raw("submit", _SUBMIT_S, request=request)
            except Refused as refused:
                if refused.code != CODE_GONE or code is None or tried == _TRIES:
                    raise candidate.agent.error_of(refused) from None
                await self._send(candidate, code, request["task_id"])
            except Unreachable as error:
                raise Unreachable(f"{error}; {request['task_id']} may have been started there all the same") from error
        raise AssertionError("the last try returns or raises")

    async def _choose(self, homes: Sequence[str]) -> list[Candidate]:
        """A machine for each rank."""
        names = {view.agent.name: view.agent for view in self._tasks.views}
        if len(set(homes)) > 1:
            lie = ", ".join(sorted(set(homes)))
            what = "volumes" if self._config.reservation_id is None else "volumes and reservation_id"
            raise Conflict(f"{what}: what the task wants lies on {lie}; a task runs on one machine", field="volumes")
        asked = [agent for agent in names.values() if not homes or agent.name in homes]
        seen, silent = await read_all_hosts(asked)
        if not seen:
            raise most_actionable(list(silent.values()))
        found = rank_candidates(self._config, seen, silent, names)
        return choose_machines(self._config, await self._reserved_first(found))

    async def _reserved_first(self, found: Sequence[Candidate]) -> Sequence[Candidate]:
        """The machines first that keep GPUs for this user which the task may have, where it goes on a reservation
        that it doesn't name."""
        config = self._config
        is_free_to_choose = config.reservation_id is None and config.allocation_mode != "spot"
        if not is_free_to_choose or config.num_instances > 1 or not found[0].count:
            return found
        kept = await self._reservations.of_user()
        return sorted(
            found,
            key=lambda candidate: not any(agent is candidate.agent and candidate.has(gpus) for agent, gpus in kept),
        )

    async def _submitted_before(self) -> str | None:
        """The task that this very submit made when it was tried before. Raises Conflict for another one's key."""
        key = self._config.idempotency_key
        if key is None:
            return None
        tasks = await self._tasks.all()
        found = next((task for task in tasks if task.config.get("idempotency_key") == key), None)
        if found is not None and found.config != self._config.to_dict():
            raise Conflict(
                f"idempotency_key: {key!r} is that of task {found.task_id}, which was asked something else",
                field="idempotency_key",
            )
        if found is not None and await self._is_cut_off(found.task_id):
            arguments = {"task_id": found.task_id}
            await call_all([view.agent for view in self._tasks.views], "withdraw", lambda agent: arguments)
            found = None
        if found is None:
            await self._refuse_pruned_key(key)
        return None if found is None else found.task_id

    async def _is_cut_off(self, task_id: str) -> bool:
        """Whether only some of its machines have it, and not only because they are just being asked."""
        for _ in range(_LOOKS):
            if not self._tasks.is_cut_off(task_id):
                return False
            await asyncio.sleep(_POLL_S)
            await self._tasks.find(task_id)
        return self._tasks.is_cut_off(task_id)

    async def _refuse_pruned_key(self, key: str) -> None:
        """Each machine knows the keys of those that were pruned there. Raises Conflict."""
        for view in self._tasks.views:
            if not view.is_silent:
                await view.agent.call("refuse_pruned_key", key=key)

    async def _homes(self) -> list[str]:
        """The machines on which the volumes and the reservation of the task lie. Raises NotFound, Conflict."""
        wanted = self._config.reservation_id
        home = [] if wanted is None else [(await self._reservations.home(wanted)).name]
        return [*home, *await self._homes_of_volumes()]

    async def _homes_of_volumes(self) -> list[str]:
        named = [name for mount in self._config.data_mounts if (name := volume_name(mount))]
        found: list[Volume] = []
        if not named and not self._config.volumes:
            return []
        known = await self._volumes.list()
        by_name = {key: volume for volume in known for key in (volume.name, volume.volume_id)}
        for name in named:
            found.append(_one_of(by_name, name))
        for spec in self._config.volumes:
            name = spec.volume_id or spec.name or ""
            if name in by_name or not spec.create_if_missing or spec.volume_id is not None:
                found.append(_one_of(by_name, name))
        for volume in found:
            await self._volumes.refuse_if_held(volume)
        return sorted({str(volume.region) for volume in found})

    async def _undo(self, chosen: Sequence[Candidate], task_id: str, error: FlowError | asyncio.CancelledError) -> None:
        """Where nobody answers any more there is nobody to ask for it either."""
        if isinstance(error, Unreachable) and len(chosen) == 1:
            return
        arguments = {"task_id": task_id, "is_under_way": isinstance(error, Unreachable | asyncio.CancelledError)}
        with suppress(TimeoutError):
            async with asyncio.timeout(_WITHDRAW_S if isinstance(error, FlowError) else _LEAVE_S):
                await call_all([candidate.agent for candidate in chosen], "withdraw", lambda agent: arguments)


def _refuse_half_of_another(answers: Sequence[Any], key: str | None) -> None:
    """Each machine tells of the task that its key made there. Raises Conflict where that isn't one and the same."""
    if len({str(answer["task_id"]) for answer in answers}) > 1:
        raise Conflict(
            f"idempotency_key: {key!r} is being submitted by two clients at once; submit it again",
            field="idempotency_key",
        )


def next_moment() -> float:
    """The time, later than all before: it says which task was submitted first."""
    global _last_moment
    _last_moment = max(time.time(), _last_moment + 1e-6)
    return _last_moment


def _one_of(volumes: dict[str, Volume], name: str) -> Volume:
    try:
        return volumes[name]
    except KeyError:
        raise NotFound(f"no volume {printable(repr(name[:70]))} on any reachable machine") from None
