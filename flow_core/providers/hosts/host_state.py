"""The known state of the tasks of one machine: its last response, and the age of that response."""

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
from flow_core.providers.hosts.reports import parse_earlier_note, read_changes, read_reports, to_host_record
from flow_core.ssh.settings import HostSettings

RESPONSE_WAIT_S = 4.0
_PAUSE_S = 2.0
_LONGEST_PAUSE_S = 15.0


class HostState:
    """The state of one machine. Callers that need the same response share one call."""

    def __init__(self, context: str, agent: AgentClient) -> None:
        self.agent = agent
        self._context = context
        self.reports: dict[str, TaskReport] = {}
        self.error: FlowError | None = None
        self.has_answered = False
        self.earlier_note = ""
        """A sentence if an earlier version of flow left tasks there; otherwise empty."""
        self._scan_number = 0
        self._process = ""
        self._ssh_settings: HostSettings | None = None
        self._records: dict[str, tuple[TaskReport, TaskRecord]] = {}
        self._taken_at: dict[str, float] = {}
        self._answered_at = self._polled_at = time.monotonic()
        self._failures = 0
        self._not_before = 0.0
        self._poll: asyncio.Task[None] | None = None

    @property
    def is_silent(self) -> bool:
        """Whether the last poll failed or takes too long; then the machine is not worth waiting for."""
        is_polling = self._poll is not None and not self._poll.done()
        return self.error is not None or (is_polling and time.monotonic() - self._polled_at > RESPONSE_WAIT_S)

    @property
    def age_s(self) -> float:
        """The seconds since the last response."""
        return time.monotonic() - self._answered_at if self.has_answered else float("inf")

    def start_poll(self) -> asyncio.Task[None] | None:
        """Returns the running poll, or starts one; None during the pause after a failure.

        The poll never raises FlowError.
        """
        if self._poll is None or self._poll.done():
            if time.monotonic() < self._not_before:
                return None
            self._polled_at = time.monotonic()
            self._poll = asyncio.create_task(self._run_poll())
        return self._poll

    async def fetch_task(self, task_id: str) -> bool:
        """Reads one task; returns False if it doesn't exist. Raises the errors of `AgentClient.call`."""
        try:
            report = await self.agent.call_raw("task", task_id=task_id)
        except Refused as refused:
            if refused.code != NO_TASK:
                raise self.agent.convert_refusal(refused) from None
            await self._record_response()
            self.reports.pop(task_id, None)
            return False
        except Unreachable as error:
            self.error = error
            raise
        await self.store_report(report)
        return task_id in self.reports

    async def store_report(self, report: Any) -> None:
        """Stores the report of one task. Raises ProviderError if it is no such report."""
        reports = read_reports([report])
        if not reports:
            raise ProviderError(f"{self.agent.name!r} sent a malformed task")
        await self._record_response()
        self._store(reports)
        self._taken_at.update(dict.fromkeys(reports, time.monotonic()))

    def forget(self, task_ids: Iterable[str]) -> None:
        """Drops tasks that were removed, which the next poll would do too."""
        for task_id in task_ids:
            self.reports.pop(task_id, None)

    def get_record(self, task_id: str) -> TaskRecord:
        """Returns the record of a reported task. Converts each report once."""
        assert self._ssh_settings is not None  # a machine that reported a task was reached
        report = self.reports[task_id]
        cached = self._records.get(task_id)
        if cached is None or cached[0] is not report:
            record = to_host_record(report, self._context, self.agent.name, self.agent.region, self._ssh_settings)
            cached = self._records[task_id] = (report, record)
        if not self.is_silent or cached[1].is_terminal:
            return cached[1]
        return replace(cached[1], message=f"{self.agent.name} doesn't answer since {self._format_silence()}")

    async def close(self) -> None:
        """Cancels the running poll and closes the connection to the agent."""
        if self._poll is not None and not self._poll.done():
            self._poll.cancel()
            await asyncio.wait((self._poll,))
        await self.agent.close()

    async def _run_poll(self) -> None:
        try:
            changes = await self.agent.call("changes", since=self._scan_number, process=self._process)
            await self._apply_changes(changes)
        except FlowError as error:
            self.error = error
            pause = min(_PAUSE_S * 2**self._failures, _LONGEST_PAUSE_S)
            self._failures = min(self._failures + 1, 8)
            self._not_before = time.monotonic() + pause

    async def _apply_changes(self, changes: Any) -> None:
        """Applies a `changes` response: a full list, or only the changed tasks. None means no change.

        Raises ProviderError.
        """
        if changes is None:
            await self._record_response()
            return
        try:
            scan_number, is_all, reports, removed = read_changes(changes)
            earlier_note = parse_earlier_note(changes)
        except ValueError as error:
            raise ProviderError(f"{self.agent.name!r} sent a malformed list of tasks: {error}") from error
        await self._record_response()  # sets the address that the records of its tasks need
        self._scan_number, self._process, self.earlier_note = scan_number, str(changes.get("process", "")), earlier_note
        if is_all:
            for task_id in self.reports.keys() - reports.keys():
                # Keep a task that was reported after the poll began: the response may be older than the task.
                if self._taken_at.get(task_id, 0.0) < self._polled_at:
                    del self.reports[task_id]
        for task_id in removed:
            self.reports.pop(task_id, None)
        self._store(reports)
        for task_id in self._records.keys() - self.reports.keys():
            del self._records[task_id]
        self._taken_at.clear()

    def _store(self, reports: dict[str, TaskReport]) -> None:
        for task_id, report in reports.items():
            previous = self.reports.get(task_id)
            if previous is None or not previous.is_over or previous.is_broken:  # an older response may arrive later
                self.reports[task_id] = report

    async def _record_response(self) -> None:
        self._ssh_settings = (await self.agent.get_ssh_host()).settings
        self.error, self.has_answered = None, True
        self._failures, self._not_before, self._answered_at = 0, 0.0, time.monotonic()

    def _format_silence(self) -> str:
        seconds = int(time.monotonic() - self._answered_at)
        return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
