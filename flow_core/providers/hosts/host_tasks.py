"""The tasks of all machines of a context. A machine that is down neither fails the list nor delays it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from flow_core.agent.ids import is_task_id
from flow_core.errors import AuthError, FlowError, NotFound, Unreachable, printable
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.providers.hosts.agent_client import AgentClient
from flow_core.providers.hosts.gang_start import GangStarts
from flow_core.providers.hosts.host_state import RESPONSE_WAIT_S, HostState
from flow_core.providers.hosts.merge_ranks import TaskPart, merge_parts

if TYPE_CHECKING:
    from flow_core.ssh.host import SshHost

_BEHIND_S = 2.0


class HostTasks:
    """The tasks of all machines, merged from the state of each."""

    def __init__(self, context: str, hosts: Collection[HostState]) -> None:
        self._context = context
        self.hosts = tuple(hosts)
        self._gang_starts = GangStarts(self.find_hosts)

    async def list_all(self) -> list[TaskRecord]:
        """Returns all tasks, last submitted first.

        If no machine responds, raises Unreachable or the authentication error.
        """
        await self._poll_all()
        self._raise_if_all_failed()
        task_ids = dict.fromkeys(task_id for host in self.hosts for task_id in host.reports)
        records = [self.get_record(task_id) for task_id in task_ids]  # now: an await may change the reports
        await self._end_incomplete_tasks(task_ids)
        self._gang_starts.start_ready_tasks(task_ids)
        return sorted(records, key=_sort_key, reverse=True)

    def describe_unreadable(self) -> list[str]:
        """Returns a sentence for each machine whose last response was invalid, or that has tasks of an earlier program.

        A machine that is only down is not listed here; the messages of its tasks report that.
        """
        errors = {host.agent.name: host.error for host in self.hosts if host.error is not None}
        broken = [f"{name}: {why}" for name, why in errors.items() if not isinstance(why, Unreachable | AuthError)]
        return [*broken, *(f"{host.agent.name}: {host.earlier_note}" for host in self.hosts if host.earlier_note)]

    async def get(self, task_id: str) -> TaskRecord:
        """Returns a task; also ends its other parts if one has failed. Raises NotFound, Unreachable."""
        await self.find(task_id)
        record = self.get_record(task_id)
        await self._end_incomplete_tasks((task_id,))
        if record.status is TaskStatus.PENDING and time.time() - _sort_key(record)[0] > _BEHIND_S:
            for host in self.hosts:  # tasks before it may run on several machines, and wait for a client
                host.start_poll()
            self._gang_starts.start_ready_tasks(
                dict.fromkeys(other_id for host in self.hosts for other_id in host.reports)
            )
        else:
            self._gang_starts.start_ready_tasks((task_id,))
        return record

    async def find_names(self, task_ids: Iterable[str]) -> list[str]:
        """Returns the tasks' names; the id of a task that can't be found now."""
        return list(await asyncio.gather(*(self._get_name_or_id(task_id) for task_id in task_ids)))

    async def _get_name_or_id(self, task_id: str) -> str:
        """Returns the task's name, or its id if the task can't be read."""
        try:
            return (await self.get(task_id)).name
        except FlowError:
            return task_id

    def get_record(self, task_id: str) -> TaskRecord:
        """Returns the last reported state of a task that a machine has reported."""
        parts = [
            TaskPart(host.reports[task_id].part, host.agent.name, host.get_record(task_id))
            for host in self.find_hosts(task_id)
        ]
        if parts[0].record.num_instances == 1:
            return parts[0].record
        silent = {host.agent.name for host in self.hosts if host.is_silent}
        return merge_parts(parts, are_all=all(host.has_answered for host in self.hosts), silent=silent)

    def is_cut_off(self, task_id: str) -> bool:
        """Returns whether only some machines have their part: the client that submitted the task was killed.

        False unless all machines respond.
        """
        reports = [host.reports[task_id] for host in self.find_hosts(task_id)]
        is_waiting = all(report.status == "pending" for report in reports) and not any(v.is_silent for v in self.hosts)
        return is_waiting and len(reports) < max((report.parts for report in reports), default=0)

    async def find(self, task_id: str) -> tuple[HostState, ...]:
        """Returns the machines that have a part of the task, after polling those whose part may have changed.

        The result lacks parts on machines that don't respond. Raises NotFound; Unreachable if none responds.
        """
        if not is_task_id(task_id):
            raise self._not_found(task_id)
        reported = self.find_hosts(task_id)
        is_all = bool(reported) and len(reported) == reported[0].reports[task_id].parts
        polled = [host for host in reported if not host.reports[task_id].is_over] if is_all else self.hosts
        answers = dict(
            zip(polled, await asyncio.gather(*(_fetch_or_error(host, task_id) for host in polled)), strict=True)
        )
        errors = [answer for answer in answers.values() if isinstance(answer, FlowError)]
        if polled and len(errors) == len(polled):
            raise choose_error(errors)
        if found := self.find_hosts(task_id):
            return found
        if errors:
            silent = ", ".join(host.agent.name for host, answer in answers.items() if isinstance(answer, FlowError))
            raise Unreachable(f"task {task_id} is on no reachable machine; unreachable: {silent}")
        raise self._not_found(task_id)

    def find_hosts(self, task_id: str) -> tuple[HostState, ...]:
        """Returns the machines that have reported the task, by rank. A machine with two names counts once."""
        found = {host.reports[task_id].part: host for host in reversed(self.hosts) if task_id in host.reports}
        return tuple(found[rank] for rank in sorted(found))

    def find_state(self, agent: AgentClient) -> HostState:
        """Returns the state of a machine."""
        return next(host for host in self.hosts if host.agent is agent)

    async def get_ssh_host(self, name: str) -> SshHost:
        """Returns the SSH host of a machine. Raises NotFound."""
        host = next((host for host in self.hosts if host.agent.name == name), None)
        if host is None:
            raise NotFound(f"no machine {printable(repr(name[:70]))} in context {self._context!r}")
        return await host.agent.get_ssh_host()

    async def close(self) -> None:
        """Ends starts in progress, and closes the connections to all machines."""
        await self._gang_starts.close()
        await asyncio.gather(*(host.close() for host in self.hosts))

    async def _end_incomplete_tasks(self, task_ids: Iterable[str]) -> None:
        """Ends the other parts of each task of which one part has failed or was cancelled.

        No machine knows the parts on the other machines.
        """
        remaining = []
        for task_id in task_ids:
            hosts = self.find_hosts(task_id)
            reports = [host.reports[task_id] for host in hosts] if len(hosts) > 1 else []
            if any(report.status in ("failed", "cancelled") and not report.is_broken for report in reports):
                remaining += [
                    (host, task_id) for host in hosts if not host.reports[task_id].is_over and not host.is_silent
                ]
        await asyncio.gather(*(_cancel_part(host, task_id) for host, task_id in remaining))

    async def _poll_all(self) -> None:
        """Polls all machines. Waits up to `RESPONSE_WAIT_S`, and longer until one has responded or all have failed."""
        polls = {host: poll for host in self.hosts if (poll := host.start_poll()) is not None}
        expected = [poll for host, poll in polls.items() if not host.is_silent]
        if expected:
            await asyncio.wait(expected, timeout=RESPONSE_WAIT_S)
        pending = {poll for poll in polls.values() if not poll.done()}
        while pending and all(host.error is not None or not host.has_answered for host in self.hosts):
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)

    def _raise_if_all_failed(self) -> None:
        errors = [host.error for host in self.hosts if host.error is not None]
        if len(errors) == len(self.hosts):
            raise choose_error(errors)

    def _not_found(self, task_id: str) -> NotFound:
        return NotFound(f"no task {printable(repr(task_id[:70]))} in context {self._context!r}")


def select_records(
    records: list[TaskRecord], statuses: Collection[TaskStatus] | None, limit: int | None
) -> tuple[TaskRecord, ...]:
    """Returns the records with one of the statuses, at most `limit`."""
    selected = tuple(record for record in records if statuses is None or record.status in statuses)
    return selected if limit is None else selected[:limit]


async def _fetch_or_error(host: HostState, task_id: str) -> bool | FlowError:
    try:
        return await host.fetch_task(task_id)
    except FlowError as error:
        return error


async def _cancel_part(host: HostState, task_id: str) -> None:
    with suppress(FlowError):  # the next poll retries
        await host.agent.call("cancel", task_id=task_id)


def choose_error(errors: Sequence[FlowError]) -> FlowError:
    """Returns the error on which the user can act, rather than one of a machine that doesn't respond."""
    if len(errors) == 1:
        return errors[0]
    for error in errors:
        if isinstance(error, AuthError):
            return error
    return Unreachable(f"none of the {len(errors)} machines can be reached; the first: {errors[0]}")


def not_found_error(
    subject: str, context: str, answers: Collection[AgentClient], silent: Mapping[AgentClient, FlowError]
) -> NotFound | Unreachable:
    """Returns NotFound if every machine responded, Unreachable otherwise."""
    if not answers:
        return Unreachable(str(choose_error(list(silent.values()))))
    if silent:
        names = ", ".join(agent.name for agent in silent)
        return Unreachable(f"{subject} is on no machine of context {context!r} that answers; unreachable: {names}")
    return NotFound(f"no {subject} in context {context!r}")


def _sort_key(record: TaskRecord) -> tuple[float, str]:
    return (record.created_at.timestamp() if record.created_at else 0.0, record.task_id)
