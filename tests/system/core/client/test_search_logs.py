"""One search over the logs of many tasks, from the SDK."""

from __future__ import annotations

from typing import Any

import pytest
from testbed.tables import each

from flow_core import AsyncFlow, Flow, LogHit
from flow_core.errors import ConfigError


def test_a_script_finds_text_in_every_attempt_and_rank_of_all_tasks() -> None:
    with Flow("local") as flow:
        one = flow.submit("echo needle in rank $FLOW_NODE_RANK", num_instances=2, name="one", wait=True)
        two = flow.submit("printf 'bar 10\\rbar 20\\n'", name="two", wait=True)
        found = list(flow.search_logs("NEEDLE"))
        assert sorted((result.log.task_id, result.log.rank) for result in found) == sorted(
            [(one.task_id, 0), (one.task_id, 1), (two.task_id, 0)]
        )
        assert not any(result.hits for result in found)  # a capital letter makes the case matter
        texts = [hit.text for result in flow.search_logs("needle") for hit in result.hits]
        assert sorted(texts) == ["needle in rank 0", "needle in rank 1"]
        (bar,) = flow.task_logs.search("bar", two.task_id)
        assert bar.hits == (LogHit(0, "bar 20", ((0, 3),)),)


async def test_many_logs_are_searched_and_a_search_can_be_left_early() -> None:
    async with AsyncFlow("local") as flow:
        tasks = [await flow.submit(f"echo line {number}", wait=True) for number in range(6)]
        ids = [task.task_id for task in tasks]
        found = {result.log.task_id: result async for result in flow.search_logs(r"line \d", ids, regex=True)}
        assert found.keys() == set(ids)
        results = flow.search_logs("line", ids)
        assert (await anext(results)).hits
        await results.aclose()


@each("options", [{"pattern": "(", "regex": True}, {"pattern": "x", "context": -1}, {"pattern": "x", "limit": 10**6}])
async def test_wrong_arguments_are_refused(options: dict[str, Any]) -> None:
    async with AsyncFlow("local") as flow:
        with pytest.raises(ConfigError):
            await anext(flow.search_logs(**options))


async def test_a_task_that_is_gone_is_named_and_the_others_are_searched() -> None:
    async with AsyncFlow("local") as flow:
        task = await flow.submit("echo here", wait=True)
        found = [result async for result in flow.search_logs("here", ["task_aaaaaaaaaa", task.task_id])]
        reasons = {result.log.task_id: result.not_searched for result in found}
        assert reasons[task.task_id] == ""
        assert "task_aaaaaaaaaa" in reasons["task_aaaaaaaaaa"]
