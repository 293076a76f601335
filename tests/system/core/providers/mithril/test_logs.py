"""Logs of tasks that can't be fetched."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from testbed.mithril_account import open_lab

from flow_core.providers.mithril import provider


async def test_a_warning_about_a_log_always_has_its_reason(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "_FETCH_S", 0.2)
    silent = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with silent, open_lab() as lab:
        task = await lab.running()
        row = next(iter(lab.cloud.world.instances.values())).as_json()
        row["ssh_destination"] = f"localhost:{silent.sockets[0].getsockname()[1]}"
        lab.add_fault("GET", "/v2/instances", body=json.dumps({"data": [row], "next_cursor": None}), times=None)
        with caplog.at_level(logging.WARNING):
            await task.cancel()
    (warning,) = [record.getMessage() for record in caplog.records if "may be lost" in record.getMessage()]
    assert warning == f"a part of the log of {task.task_id} may be lost: it took too long to fetch"
