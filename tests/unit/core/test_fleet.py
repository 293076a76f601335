"""Several contexts at once: one that fails never blanks the rest."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from testbed.obedient import FAR, LOCAL, Obedient, state, task
from testbed.obedient import far as far
from testbed.waiting import DEADLINE_S, until

from flow_core.audit import Gate
from flow_core.config import Context
from flow_core.errors import NotFound, Unreachable
from flow_core.fleet import Fleet
from flow_core.fleet_state import CONTEXTS, ContextState
from flow_core.prompter import SecretPrompt
from flow_core.providers.contract.provider import PollIntervals


async def test_a_context_that_fails_keeps_its_last_answer_and_leaves_the_others_alone(far: type[Obedient]) -> None:
    far.answers = (task("t-1"),)
    async with Fleet([LOCAL, FAR], Gate()) as fleet:
        await until(lambda: fleet.tasks and state(fleet, "local").answered_at)
        far.fails = Unreachable("nobody answers")
        await until(lambda: state(fleet, "far").error)
        assert (state(fleet, "far").error, state(fleet, "far").tasks) == ("nobody answers", (task("t-1"),))
        assert state(fleet, "local").error is None
        far.fails = None
        fleet.refresh()
        await until(lambda: state(fleet, "far").error is None)
        assert state(fleet, "far").failures == 0


async def test_volumes_that_fail_do_not_hold_back_the_tasks(far: type[Obedient]) -> None:
    far.volumes_fail = Unreachable("no volumes today")
    far.answers = (task("t-1"),)
    async with Fleet([FAR], Gate()) as fleet:
        fleet.watch({"volumes"})
        await until(lambda: state(fleet, "far").error == "no volumes today")
        assert fleet.tasks == (task("t-1"),)
        far.volumes_fail = None
        fleet.refresh()
        await until(lambda: fleet.volumes)


async def test_listeners_hear_of_changes_and_of_nothing_else(far: type[Obedient]) -> None:
    heard: list[int] = []
    async with Fleet([FAR], Gate()) as fleet:
        leave = fleet.subscribe(lambda _: heard.append(len(fleet.tasks)))
        await until(lambda: heard == [0])
        seen = far.calls
        await until(lambda: far.calls > seen + 3)
        assert heard == [0]
        far.answers = (task("t-1"),)
        await until(lambda: heard == [0, 1])
        leave()
        leave()
        far.answers = ()
        await until(lambda: not fleet.tasks)
        assert heard == [0, 1]


async def test_listeners_hear_which_facets_have_changed(far: type[Obedient]) -> None:
    heard: list[frozenset[str]] = []
    async with Fleet([FAR], Gate()) as fleet:
        await until(lambda: fleet.has_read("tasks"))
        fleet.subscribe(heard.append)
        assert not fleet.has_read("volumes")
        fleet.watch({"volumes"})
        await until(lambda: heard == [{"volumes"}])
        far.answers = (task("t-1"),)
        await until(lambda: heard[1:] == [{"tasks"}])
        far.fails = Unreachable("nobody answers")
        await until(lambda: heard[2:] and heard[2] == {CONTEXTS})


async def test_a_facet_that_no_context_has_is_read_and_has_no_rows(far: type[Obedient]) -> None:
    async with Fleet([FAR], Gate()) as fleet:
        fleet.watch({"instances"})
        await until(lambda: fleet.has_read("instances"))
        assert fleet.instances == ()
        with pytest.raises(ValueError, match="can't watch bids"):
            fleet.watch({"bids"})
        assert fleet.watched == {"tasks", "instances"}


async def test_a_context_says_whether_capacity_has_a_price_there_also_when_it_fails(far: type[Obedient]) -> None:
    far.market = object()
    far.fails = Unreachable("no route")
    async with Fleet([Context("far", "obedient"), Context("here", "local")], Gate()) as fleet:
        assert not fleet.has_market("far")
        await fleet.wait_for_first_answers(30)
        assert fleet.has_market("far")
        assert not fleet.has_market("here")
        assert not fleet.has_market("nowhere")


class Queue:
    """A scheduler that keeps whose tasks it was asked for."""

    is_watching_everyone = False

    async def watch_everyone(self, on: bool) -> None:
        self.is_watching_everyone = on


async def test_the_tasks_of_others_are_listed_where_a_context_has_a_scheduler(far: type[Obedient]) -> None:
    far.scheduling = queue = Queue()
    far.poll = PollIntervals(busy_s=60, idle_s=60)
    async with Fleet([Context("far", "obedient"), Context("here", "local")], Gate()) as fleet:
        assert not fleet.has_scheduler("far")
        await fleet.wait_for_first_answers(30)
        assert [fleet.has_scheduler(name) for name in ("far", "here", "nowhere")] == [True, False, False]
        fleet.watch_everyone(True)
        await until(lambda: queue.is_watching_everyone)
        fleet.watch_everyone(False)
        await until(lambda: not queue.is_watching_everyone)


async def test_a_context_says_whether_its_volumes_can_be_changed(far: type[Obedient]) -> None:
    far.can_change = False
    async with Fleet([Context("far", "obedient"), Context("here", "local")], Gate()) as fleet:
        assert fleet.can_change_volumes("far")
        await fleet.wait_for_first_answers(30)
        assert [fleet.can_change_volumes(name) for name in ("far", "here", "nowhere")] == [False, True, False]


async def test_a_fault_of_ours_is_said_and_reported_instead_of_a_silent_end(far: type[Obedient]) -> None:
    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    far.fails = KeyError("bug")
    async with Fleet([FAR], Gate()) as fleet:
        await until(lambda: state(fleet, "far").error)
        assert "failed to process its answer (KeyError)" in (state(fleet, "far").error or "")
        assert reported == [far.fails]


async def test_an_outage_of_days_does_not_end_the_asking(far: type[Obedient]) -> None:
    fleet = Fleet([FAR], Gate())
    for failures in (1, 5, 1100, 100_000):
        fleet._states["far"] = ContextState(FAR, failures=failures)
        assert 0.5 <= fleet._pause_s("far") <= 60


async def test_leaving_does_not_wait_for_a_context_that_keeps_silent(
    far: type[Obedient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flow_core.fleet._CLOSE_S", 0.1)
    far.is_silent = True
    async with asyncio.timeout(DEADLINE_S), Fleet([FAR], Gate()):
        await until(lambda: far.calls)


async def test_a_context_that_is_none_is_not_found() -> None:
    with pytest.raises(NotFound, match="there are: local"):
        Fleet([LOCAL], Gate()).flow("mars")


async def test_the_first_answers_are_waited_for_but_not_those_of_a_silent_context(far: type[Obedient]) -> None:
    async with Fleet([LOCAL], Gate()) as fleet:
        assert await fleet.wait_for_first_answers(10)
        assert state(fleet, "local").answered_at is not None
    far.is_silent = True
    async with Fleet([FAR, LOCAL], Gate()) as fleet:
        assert not await fleet.wait_for_first_answers(0.05)
        far.is_silent = False


async def test_a_context_that_fails_at_once_is_not_waited_for(far: type[Obedient]) -> None:
    far.fails = Unreachable("nobody answers")
    async with Fleet([FAR], Gate()) as fleet:
        assert await fleet.wait_for_first_answers(10)
        assert state(fleet, "far").error is not None


class Slow:
    """A person who answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[SecretPrompt] = []
        self.answers = asyncio.Semaphore(0)

    async def confirm_host_key(self, key: object) -> bool:
        return False

    async def ask_secret(self, question: SecretPrompt) -> str | None:
        self.asked.append(question)
        await self.answers.acquire()
        return "x"


async def test_a_context_is_not_given_up_while_the_person_it_asks_is_thinking(
    far: type[Obedient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flow_core.fleet._DEADLINE_S", 0.3)
    far.prompt_count, far.answers, person = 2, (task("t-1"),), Slow()
    errors: set[str | None] = set()
    async with Fleet([FAR], Gate(), person) as fleet:
        fleet.subscribe(lambda _: errors.add(state(fleet, "far").error))
        await until(lambda: len(person.asked) == 2)
        assert {question.context for question in person.asked} == {"far"}
        for wait_s in (0.5, 1.0):
            asyncio.get_running_loop().call_later(wait_s, person.answers.release)
        await until(lambda: fleet.tasks)
        assert errors == {None}
        far.prompt_count = 0


async def test_the_deadline_of_a_context_goes_on_once_the_person_has_answered(far: type[Obedient]) -> None:
    person = Slow()
    fleet = Fleet([FAR], Gate(), person)
    asking = asyncio.create_task(fleet._patience["far"].ask_secret(SecretPrompt("gpu1", "password", "Password")))
    await until(lambda: person.asked)
    asyncio.get_running_loop().call_later(0.2, person.answers.release)

    async def wait() -> None:
        async with fleet.deadline("far", 0.05):
            assert await asking == "x"
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await wait()


async def test_without_a_person_a_deadline_is_one(far: type[Obedient]) -> None:
    with pytest.raises(TimeoutError):
        async with Fleet([FAR], Gate()).deadline("far", 0.01):
            await asyncio.Event().wait()
