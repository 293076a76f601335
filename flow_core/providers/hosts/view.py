"""What is known of the tasks of one machine: its last answer, and since when there is none."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from flow_core.errors import FlowError
from flow_core.models.task import TaskRecord
from flow_core.providers.hosts.answers import Answer
from flow_core.providers.hosts.far import FarHost
from flow_core.providers.hosts.told import Told, record_of, tasks_told
from flow_core.ssh.settings import HostSettings

PATIENCE_S = 4.0
_PAUSE_S = 2.0
_LONGEST_PAUSE_S = 15.0


class HostView:
    """Asked again and again; a question that is under way is shared by everybody who wants its answer."""

    def __init__(self, context: str, far: FarHost) -> None:
        self.far = far
        self._context = context
        self.told: dict[str, Told] = {}
        self.error: FlowError | None = None
        self.has_answered = False
        self._root = ""
        self._read_to = ("-", "1")
        self._reached: HostSettings | None = None
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
        """Asks about one task; False when there is no such task. Raises what `FarHost.ask` does."""
        answer = await self.far.ask("tell_one", task_id)
        await self.take(answer)
        if task_id not in tasks_told(answer):
            self.told.pop(task_id, None)
            return False
        return True

    async def take(self, answer: Answer) -> None:
        """Keeps what an answer tells of tasks."""
        self._reached = (await self.far.ssh()).settings
        self._root = answer.root or self._root
        for task_id, told in tasks_told(answer).items():
            before = self.told.get(task_id)
            if before is None or not before.is_final:  # an older answer may come later
                self.told[task_id] = told
        self.error, self.has_answered = None, True
        self._failures, self._not_before, self._answered_at = 0, 0.0, time.monotonic()

    def records(self) -> list[TaskRecord]:
        return [self.record(task_id) for task_id in self.told]

    def record(self, task_id: str) -> TaskRecord:
        assert self._reached is not None  # whoever has told of a task was reached
        told = self.told[task_id]
        found = record_of(told, self._context, self.far.name, self.far.region, self._root, self._reached)
        if not self.is_silent or found.is_terminal:
            return found
        return replace(found, message=f"{self.far.name} doesn't answer since {self._silence()}")

    @property
    def root(self) -> str:
        return self._root

    async def close(self) -> None:
        if self._asking is not None and not self._asking.done():
            self._asking.cancel()
            await asyncio.wait((self._asking,))

    async def _look(self) -> None:
        try:
            answer = await self.far.ask("tell", *self._read_to)
            await self._take_all(answer, answer.require("Z", self.far.name))
        except FlowError as error:
            self.error = error
            pause = min(_PAUSE_S * 2**self._failures, _LONGEST_PAUSE_S)
            self._failures = min(self._failures + 1, 8)
            self._not_before = time.monotonic() + pause

    async def _take_all(self, answer: Answer, last: str) -> None:
        """`last` says up to where the tasks that are over were listed."""
        answer.require("H", self.far.name)
        stamp, _, count = last.partition(" ")
        is_same, self._read_to = stamp == self._read_to[0], (stamp, count)
        # One that isn't over and isn't listed is gone, and so is everything where the records are others.
        kept = {task_id: told for task_id, told in self.told.items() if told.is_final and is_same}
        self.told = kept | {task_id: told for task_id, told in self.told.items() if told.told_at > self._asked_at}
        await self.take(answer)

    def _silence(self) -> str:
        seconds = int(time.monotonic() - self._answered_at)
        return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
