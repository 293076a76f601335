"""What is known of the tasks of one machine: its last answer, and how old that is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from flow_core.agent.refusals import Refused
from flow_core.agent.task_report import TaskReport
from flow_core.agent.tasks import NO_TASK
from flow_core.errors import FlowError, ProviderError, Unreachable
from flow_core.models.task import TaskRecord
from flow_core.providers.hosts.agent_client import AgentClient
from flow_core.providers.hosts.reports import earlier_in, host_record, read_changes, read_reports
from flow_core.ssh.settings import HostSettings

PATIENCE_S = 4.0
_PAUSE_S = 2.0
_LONGEST_PAUSE_S = 15.0


class HostState:
    """The state of one machine. A call that is under way is shared by all who need its answer."""

    def __init__(self, context: str, agent: AgentClient) -> None:
        self.agent = agent
        self._context = context
        self.reports: dict[str, TaskReport] = {}
        self.error: FlowError | None = None
        self.has_answered = False
        self.earlier = ""
        """A sentence where an earlier program left tasks there."""
        self._look_number = 0
        self._process = ""
        self._reached: HostSettings | None = None
        self._records: dict[str, tuple[TaskReport, TaskRecord]] = {}
        self._taken_at: dict[str, float] = {}
        self._answered_at = self._asked_at = time.monotonic()
        self._failures = 0
        self._not_before = 0.0
        self._asking: asyncio.Task[None] | None = None

    @property
    def is_silent(self) -> bool:
        """It didn't answer when it was asked last, or takes too long: not worth waiting for."""
        is_waited_for = self._asking is not None and not self._asking.done()
        return self.error is not None or (is_waited_for and time.monotonic() - self._asked_at > PATIENCE_S)

    @property
    def age_s(self) -> float:
        """Of the last answer."""
        return time.monotonic() - self._answered_at if self.has_answered else float("inf")

    def look(self) -> asyncio.Task[None] | None:
        """The question under way, or a new one; None while it is too early for another. It never raises FlowError."""
        if self._asking is None or self._asking.done():
            if time.monotonic() < self._not_before:
                return None
            self._asked_at = time.monotonic()
            self._asking = asyncio.create_task(self._look())
        return self._asking

    async def look_at(self, task_id: str) -> bool:
        """Asks about one task; False when there is no such task. Raises what `AgentClient.call` does."""
        try:
            said = await self.agent.call_raw("task", task_id=task_id)
        except Refused as refused:
            if refused.code != NO_TASK:
                raise self.agent.error_of(refused) from None
            await self._note_answer()
            self.reports.pop(task_id, None)
            return False
        except Unreachable as error:
            self.error = error
            raise
        await self.take(said)
        return task_id in self.reports

    async def take(self, said: Any) -> None:
        """Keeps what an answer tells of one task. Raises ProviderError for what is no task."""
        reports = read_reports([said])
        if not reports:
            raise ProviderError(f"{self.agent.name!r} did not tell of a task as it should")
        await self._note_answer()
        self._keep(reports)
        self._taken_at.update(dict.fromkeys(reports, time.monotonic()))

    def forget(self, task_ids: Iterable[str]) -> None:
        """Those that were removed there: the next look would miss them anyway."""
        for task_id in task_ids:
            self.reports.pop(task_id, None)

    def records(self) -> list[TaskRecord]:
        return [self.record(task_id) for task_id in self.reports]

    def record(self, task_id: str) -> TaskRecord:
        """Nothing unchanged is made twice."""
        assert self._reached is not None  # a machine that reported a task was reached
        report = self.reports[task_id]
        made = self._records.get(task_id)
        if made is None or made[0] is not report:
            record = host_record(report, self._context, self.agent.name, self.agent.region, self._reached)
            made = self._records[task_id] = (report, record)
        if not self.is_silent or made[1].is_terminal:
            return made[1]
        return replace(made[1], message=f"{self.agent.name} doesn't answer since {self._silence()}")

    async def close(self) -> None:
        if self._asking is not None and not self._asking.done():
            self._asking.cancel()
            await asyncio.wait((self._asking,))
        await self.agent.close()

    async def _look(self) -> None:
        try:
            said = await self.agent.call("changes", since=self._look_number, process=self._process)
            await self._take_changes(said)
        except FlowError as error:
            self.error = error
            pause = min(_PAUSE_S * 2**self._failures, _LONGEST_PAUSE_S)
            self._failures = min(self._failures + 1, 8)
            self._not_before = time.monotonic() + pause

    async def _take_changes(self, said: Any) -> None:
        """Nothing where nothing has changed. Raises ProviderError."""
        if said is None:
            await self._note_answer()
            return
        try:
            look_number, is_all, reports, gone = read_changes(said)
            earlier = earlier_in(said)
        except ValueError as error:
            raise ProviderError(f"{self.agent.name!r} did not tell of its tasks as it should: {error}") from error
        await self._note_answer()  # before anybody can see a task of it
        self._look_number, self._process, self.earlier = look_number, str(said.get("process", "")), earlier
        if is_all:
            for task_id in self.reports.keys() - reports.keys():
                if self._taken_at.get(task_id, 0.0) < self._asked_at:
                    del self.reports[task_id]
        for task_id in gone:
            self.reports.pop(task_id, None)
        self._keep(reports)
        for gone_one in self._records.keys() - self.reports.keys():
            del self._records[gone_one]
        self._taken_at.clear()

    def _keep(self, reports: dict[str, TaskReport]) -> None:
        for task_id, report in reports.items():
            before = self.reports.get(task_id)
            if before is None or not before.is_over or before.is_broken:  # an older answer may come later
                self.reports[task_id] = report

    async def _note_answer(self) -> None:
        self._reached = (await self.agent.ssh()).settings
        self.error, self.has_answered = None, True
        self._failures, self._not_before, self._answered_at = 0, 0.0, time.monotonic()

    def _silence(self) -> str:
        seconds = int(time.monotonic() - self._answered_at)
        return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
