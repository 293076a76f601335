"""A provider whose answers, failures and silence a test sets."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest
from testbed.provider_registry import register

from flow_core.config import Context
from flow_core.fleet import Fleet
from flow_core.fleet_state import ContextState
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.models.volume import Volume
from flow_core.prompter import Prompter, SecretPrompt
from flow_core.providers.contract.listing import Listing
from flow_core.providers.contract.provider import PollIntervals, Provider

FAR = Context("far", "obedient")


LOCAL = Context("local", "local")


class Obedient(Provider):
    """A provider that answers, fails or keeps silent as the test sets it. `calls` counts the calls of `list_tasks`."""

    answers: tuple[TaskRecord, ...] = ()
    volumes_answer: tuple[Volume, ...] = (Volume("far", "v-1", "data", 1),)
    fails: BaseException | None = None
    volumes_fail: BaseException | None = None
    is_silent = False
    poll = PollIntervals(busy_s=0.01, idle_s=0.01)
    can_change = True
    market: Any = None
    scheduling: Any = None
    pruning: Any = None
    calls = 0
    prompt_count = 0

    def __init__(self, context: Context, person: Prompter | None) -> None:
        self._person = person

    @property
    def volumes(self) -> Any:
        return self

    async def list_tasks(self, statuses: Any = None, limit: int | None = None) -> tuple[TaskRecord, ...]:
        type(self).calls += 1
        if self.is_silent:
            await asyncio.Event().wait()
        if self.fails is not None:
            raise self.fails
        if self._person is not None:
            questions = [SecretPrompt("gpu1", "password", f"Password {n}") for n in range(self.prompt_count)]
            await asyncio.gather(*(self._person.ask_secret(question) for question in questions))
        return self.answers

    async def list(self) -> tuple[Volume, ...]:
        if self.volumes_fail is not None:
            raise self.volumes_fail
        return self.volumes_answer

    async def close(self) -> None:
        if self.is_silent:
            await asyncio.Event().wait()


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> type[Obedient]:
    """A provider of this test alone."""

    class Own(Obedient):
        pass

    register(monkeypatch, "obedient", Own)
    return Own


def task(task_id: str, status: TaskStatus = TaskStatus.RUNNING) -> TaskRecord:
    return TaskRecord("far", task_id, "train", status)


def state(fleet: Fleet, name: str) -> ContextState:
    return next(state for state in fleet.states if state.context.name == name)


class Archive(Obedient):
    """A provider that has more tasks than it lists: one that runs was submitted before all others."""

    count = 2_300
    asked: ClassVar[list[int]]
    known: ClassVar[dict[int, Listing[TaskRecord]]]

    async def list_recent_tasks(self, count: int) -> tuple[TaskRecord, ...]:
        type(self).calls += 1
        self.asked.append(count)
        if (known := self.known.get(count)) is not None:
            return known
        ended = [task(f"t-{number}", TaskStatus.COMPLETED) for number in range(min(count, self.count - 1))]
        self.known[count] = Listing.of([*ended, task("old")], total=self.count)
        return self.known[count]


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> type[Archive]:
    """A provider of this test alone."""

    class Own(Archive):
        asked: ClassVar[list[int]] = []
        known: ClassVar[dict[int, Listing[TaskRecord]]] = {}

    register(monkeypatch, "obedient", Own)
    return Own
