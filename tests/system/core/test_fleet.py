"""The fleet over a real context and a provider that a test controls."""

from __future__ import annotations

from testbed.obedient import FAR, LOCAL, Obedient, task
from testbed.obedient import far as far
from testbed.waiting import until

from flow_core.audit import Gate
from flow_core.fleet import Fleet


async def test_every_context_is_asked_and_answers_are_merged(far: type[Obedient]) -> None:
    far.answers = (task("t-1"),)
    async with Fleet([LOCAL, FAR], Gate()) as fleet:
        await until(lambda: all(state.age_s is not None for state in fleet.states))
        submitted = await fleet.flow("local").submit("true")
        fleet.refresh("local")
        await until(lambda: {one.task_id for one in fleet.tasks} == {"t-1", submitted.task_id})
        assert fleet.task(("far", "t-1")) == task("t-1")
        assert fleet.task(("local", "t-1")) is None
        assert fleet.task(("mars", "t-1")) is None
        await submitted.wait(20)
