"""AsyncFlow without a task: what it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from flow_core.audit import Gate
from flow_core.client.flow import AsyncFlow
from flow_core.config import Context
from flow_core.errors import ConfigError, NotFound, ReadOnly


@pytest.fixture
async def flow() -> AsyncIterator[AsyncFlow]:
    async with AsyncFlow("local") as opened:
        yield opened


async def test_an_unknown_id_is_not_found(flow: AsyncFlow) -> None:
    for call in (flow.status, flow.cancel, flow.get_task, flow.logs):
        with pytest.raises(NotFound):
            await call("no-such-task")


async def test_an_unknown_stream_is_refused_by_name(flow: AsyncFlow) -> None:
    with pytest.raises(ConfigError, match="stream: 'stdoot' is none of stdout"):
        await flow.logs("any", stream="stdoot")
    with pytest.raises(ConfigError, match=r"source: 'stdoot' is none of stdout, .* startup, host"):
        await flow.logs("any", source="stdoot")


async def test_a_read_only_client_changes_nothing_but_can_list() -> None:
    async with AsyncFlow("local", gate=Gate(read_only=True)) as flow:
        with pytest.raises(ReadOnly):
            await flow.submit("true")
        with pytest.raises(ReadOnly):
            await flow.create_volume(1)
        assert await flow.list_tasks() == []
        assert await flow.list_volumes() == []


def test_a_context_that_is_not_configured_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="no context is called 'mars'"):
        AsyncFlow("mars")


async def test_an_unknown_provider_is_refused_in_one_sentence() -> None:
    with pytest.raises(ConfigError, match="names provider 'nimbus'"):
        await AsyncFlow(Context("x", "nimbus")).list_tasks()
